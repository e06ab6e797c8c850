"""What torch's own helpers did to gradients: `clip_grad_norm_`, `clip_grad_value_` and `GradScaler.unscale_`.

* `note(tape)`: append a row for each of their calls, from the changes of `.grad` that they made.
* `rates(optimizer)`: the learning rates that a step uses.

They are Python functions that no mode sees; like `zero_grad()` they are told from the frames of what they did.
"""

from __future__ import annotations

import bisect
import inspect
import types
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.amp.grad_scaler import GradScaler

from .sources import Chain, Site
from .tape import Tape

CODES: dict[types.CodeType, str] = {
    inspect.unwrap(function).__code__: function.__name__
    for function in (
        torch.nn.utils.clip_grad_norm_, torch.nn.utils.clip_grad_value_, GradScaler.unscale_
    )
}  # fmt: skip
"""The helpers by their code."""

CLAMPS = ("_foreach_clamp_min_", "clamp_")


@dataclass(slots=True)
class HelperDraft:
    """A call of a helper; the fields are those of a step of an optimizer."""

    at: int
    end: int
    kind: str
    site: Site
    parameters: list[int]
    norm: int | None = None
    limit: float | None = None
    optimizer: int | None = None
    skipped: list[int] = field(default_factory=list)
    rates: tuple[float, ...] = ()


def note(tape: Tape) -> None:
    """Append a row for each call of a helper that changed gradients."""
    helpers: dict[int, tuple[str, Chain] | None] = {}
    others = sorted(change[0] for change in tape.changes if change[3] == "accumulated")
    limits = list(_limits(tape, helpers))
    draft, last = None, None
    seen: set[int] = set()
    for change in tape.changes:
        helper = _helper(change[5], helpers)
        if helper is None:
            continue
        key = (*helper, bisect.bisect_left(others, change[0]))
        if draft is None or key != last:
            draft, last = HelperDraft(change[0], change[0], helper[0], change[5], []), key
            seen = set()
            draft.limit, draft.norm = next(
                (pair for at, kind, *pair in reversed(limits) if kind == draft.kind and at < change[0]), (None, None)
            )
            tape.optimizer_steps.append(draft)
        draft.end = change[0]
        if change[2] not in seen:
            seen.add(change[2])
            draft.parameters.append(change[2])
    if draft is not None:
        tape.optimizer_steps.sort(key=lambda one: one.at)


def _helper(site: Site | None, known: dict[int, tuple[str, Chain] | None]) -> tuple[str, Chain] | None:
    """The helper that a site is in, and the frames that called it; None for others."""
    if site is None or not site.chain:
        return None
    if id(site) not in known:
        codes = site.chain[::2]
        found = next((i for i, code in enumerate(codes) if code in CODES), None)
        known[id(site)] = None if found is None else (CODES[codes[found]], site.chain[2 * found + 2 :])
    return known[id(site)]


def _limits(tape: Tape, helpers: dict[int, tuple[str, Chain] | None]) -> Iterator[tuple[int, str, Any, Any]]:
    """(when, helper, limit, tensor row of the total norm), as the calls in the helpers show them."""
    for call in tape.calls:
        helper = _helper(call.site, helpers) if call.name in ("__rdiv__", *CLAMPS) else None
        if helper is None:
            continue
        limit = next((abs(x) for slot, x in call.constants if slot in (1, "max") and type(x) in (int, float)), None)
        maker = tape.tensors[call.inputs[0]][12] if call.name == "__rdiv__" else None  # `max_norm / (norm + 1e-6)`
        norm = None if maker is None else tape.calls[maker].inputs[0]
        yield call.at, helper[0], None if limit is None else float(limit), norm


def rates(optimizer: torch.optim.Optimizer) -> tuple[float, ...]:
    """The learning rate of each group, where it is a plain number: one in a tensor may be on a device."""
    found = [group.get("lr") for group in optimizer.param_groups]
    return tuple([float(rate) for rate in found if isinstance(rate, (int, float))])
