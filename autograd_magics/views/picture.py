"""What is drawn of a trace.

* `forward(graph)`: the computation as in a textbook, data flowing from left to right.
* `backward(graph)`: autograd's own nodes, from the roots to the leaves.

Both give a placed `Picture`; svg, dot and the front end only draw it.
"""

from __future__ import annotations

from ..graph import Graph
from . import format
from .backward import BackwardPlans
from .boxes import Picture, Plan, mark, place
from .forward import ForwardPlans
from .phrases import Phrases

LIMIT = 400
"""Boxes of a picture; components beyond are left out, from the middle, and counted."""

Marks = dict[str, list[str]]
"""By item id (`"c3"`): the severities of the findings on it."""


def forward(graph: Graph, *, phrases: Phrases | None = None, marks: Marks | None = None, limit: int = LIMIT) -> Picture:
    """The picture of the computation."""
    plans = ForwardPlans(graph, phrases or Phrases(graph, minus=format.MINUS), limit)
    return _placed(*plans.plans(), marks or {})


def backward(
    graph: Graph, *, phrases: Phrases | None = None, marks: Marks | None = None, limit: int = LIMIT
) -> Picture:
    """The picture of autograd's nodes."""
    plans = BackwardPlans(graph, phrases or Phrases(graph, minus=format.MINUS), limit)
    return _placed(*plans.plans(), marks or {})


def _placed(plans: list[Plan], left_out: int, marks: Marks) -> Picture:
    _name_ghosts(plans)
    for plan in plans:
        for box in plan.boxes:
            mark(box, marks.get(box.ghost_of or box.id, ()))
    return place(plans, left_out)


def _name_ghosts(plans: list[Plan]) -> None:
    """Give every repeat of a box an id of its own: `t5~2`."""
    seen: dict[str, int] = {}
    for plan in plans:
        for box in plan.boxes:
            seen[box.id] = seen.get(box.id, 0) + 1
            if seen[box.id] > 1:
                box.ghost_of, box.id = box.id, f"{box.id}~{seen[box.id]}"
