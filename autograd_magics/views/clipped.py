"""What torch's helpers did to gradients, in words: `clip_grad_norm_`, `clip_grad_value_`, `GradScaler.unscale_`."""

from __future__ import annotations

from bisect import bisect_left, bisect_right

from ..trace import GradChange, OptimizerStep, Trace
from .phrases import Phrases

HELPERS = ("clip_grad_norm_", "clip_grad_value_", "unscale_")
"""Kinds of rows of `Trace.optimizer_steps` that are no optimizer's."""


def by_change(trace: Trace) -> dict[int, OptimizerStep]:
    """By id of a change of `.grad`: the call of a helper that made it."""
    changes = sorted((c for c in trace.changes if c.kind in ("changed", "zeroed")), key=lambda change: change.at)
    times = [change.at for change in changes]
    found: dict[int, OptimizerStep] = {}
    for row in trace.optimizer_steps:
        if row.kind in HELPERS:
            for change in changes[bisect_left(times, row.at) : bisect_right(times, row.end)]:
                found[change.id] = row
    return found


def merged(changes: tuple[GradChange, ...]) -> list[GradChange]:
    """For each tensor one change, from what was before the first to what was after the last."""
    found: dict[int, GradChange] = {}
    for change in changes:
        first = found.get(change.object)
        found[change.object] = change if first is None else first._replace(after=change.after, kind=change.kind)
    return list(found.values())


def told(phrases: Phrases, row: OptimizerStep) -> str:
    """`clipped by clip_grad_norm_ (total norm 3.2, max_norm 1)`; norm and limit where they are known."""
    if row.kind == "unscale_":
        return phrases.text("view.change_unscaled")
    if row.limit is None:
        return phrases.text("view.change_clipped", by=row.kind)
    limit = phrases.number(row.limit)
    if row.kind == "clip_grad_value_":
        return phrases.text("view.change_clipped_value", by=row.kind, limit=limit)
    norm = None if row.norm is None else phrases.trace.tensors[row.norm].value
    if isinstance(norm, (int, float)):
        key = "view.change_clipped_norm" if norm > row.limit else "view.change_unclipped"
        return phrases.text(key, by=row.kind, norm=phrases.number(norm), limit=limit)
    return phrases.text("view.change_clipped_to", by=row.kind, limit=limit)
