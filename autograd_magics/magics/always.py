"""`%autograd on`: whether a cell is to be recorded, and whether there is anything to show of it."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .. import cells
from ..options import Options

if TYPE_CHECKING:
    from ..cells import Run
    from ..report import Report


@dataclass
class Always:
    """What `%autograd on` asked for."""

    options: Options
    line: str
    """The options as they were typed."""
    since: int | None
    """The cell it was typed in."""
    count: int = 0
    """Cells recorded since."""


def wants(run: Run) -> bool:
    """Whether a cell that begins to run should be recorded.

    Cells that tools run unseen are let alone, and so is what is no Python of the user's; without torch in a cell, and
    none imported before, there is nothing to record.
    """
    if not run.info.store_history and not run.nested:
        return False
    raw = run.info.raw_cell
    return cells.is_recordable(raw) and ("torch" in sys.modules or "torch" in raw)


def worth_showing(report: Report) -> bool:
    """Whether autograd did anything in a cell: a plain cell, or one that only looks at a tensor, shows nothing."""
    trace, graph = report.trace, report.graph
    if trace.problem or trace.backwards or report.findings:
        return True
    if any(node.origin not in ("earlier", "leaf") for node in trace.nodes):
        return True
    if any(change.kind != "earlier" for change in trace.changes):
        return True
    told = (event for events in graph.events.values() for event in events)
    return any(event.kind in ("stepped", "updated", "moved") for event in told)
