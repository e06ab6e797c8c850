"""What is told of a group that is selected: `about(branch, facts, phrases)`, as `Details.of` tells of other items."""

from __future__ import annotations

from typing import Any

from .. import format
from ..phrases import Phrases
from .branches import Branch
from .facts import Facts

Json = dict[str, Any]


def about(branch: Branch, facts: Facts, phrases: Phrases, alike: int, findings: str) -> Json:
    """Title, subtitle and rows; `alike` others have the same structure, `findings` are inside."""
    inside, size = facts.inside[branch], facts.bytes(branch)
    rows = _names(branch, facts, phrases)
    rows.append(_row(phrases, "nodes", phrases.number(len(inside.nodes))))
    rows.append(_row(phrases, "calls", phrases.number(len(inside.units))))
    if inside.leaves:
        data = {"n": len(inside.leaves), "elements": f"{facts.elements(branch):,}"}
        rows.append(_row(phrases, "parameters", phrases.text("view.g_elements", **data)))
    if size:
        rows.append(_row(phrases, "saved_bytes", format.bytes_text(size)))
    if gradients := facts.gradients(branch):
        rows.append(_row(phrases, "gradients", gradients))
    ends = facts.lines(branch)
    if ends is not None:
        link = f"L{ends[0].source}:{ends[0].line}"
        rows.append({**_row(phrases, "lines", facts.where(branch, phrases)), "mono": False, "link": link})
    if alike:
        rows.append(_row(phrases, "alike", phrases.count("view.g_alike", alike), mono=False))
    if findings:
        rows.append(_row(phrases, "badge", findings))
    subtitle = phrases.statement(ends[0]) if ends is not None and ends[0].line == ends[1].line else ""
    return {"title": f"{branch.label} {branch.sub}".strip(), "subtitle": subtitle, "rows": rows}


def _names(branch: Branch, facts: Facts, phrases: Phrases) -> list[Json]:
    which = facts.which(branch, phrases)
    if branch.scope is None:
        key = "repeats" if branch.kind == "run" else "kind"
        return [_row(phrases, key, which, mono=False)] if which else []
    rows = [_row(phrases, "module", facts.path(branch))]
    rows.append(_row(phrases, "class", format.clean(facts.trace.scopes[branch.scope].type)))
    return [*rows, _row(phrases, "which_call", which, mono=False)] if which else rows


def _row(phrases: Phrases, key: str, value: str, *, mono: bool = True) -> Json:
    row: Json = {"label": phrases.text(f"view.d_{key}"), "value": value, "mono": mono, "link": None}
    return {**row, "alarm": True} if format.ODD in value else row
