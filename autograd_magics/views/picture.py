"""What is drawn of a trace.

* `forward(graph)`: the computation as in a textbook, data flowing from left to right.
* `backward(graph)`: autograd's own nodes, from the roots to the leaves.

Both give a placed `Picture`; svg, dot and the front end only draw it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from ..graph import Graph
from . import format
from .backward import BackwardPlans
from .boxes import Picture, Plan, mark, place
from .forward import ForwardPlans
from .phrases import Phrases
from .scoped import planted
from .scoped.tree import Tree, placed

LIMIT = 200_000
"""Boxes of a picture, seen or folded away; components beyond are left out, from the middle, and counted."""

Marks = Mapping[str, Mapping[int, str]]
"""By item id (`"c3"`): the severities of the findings on it, by their index."""

LETTERS = {"forward": "g", "backward": "h"}
"""With which the ids of the groups of a picture begin."""


def forward(graph: Graph, *, phrases: Phrases | None = None, marks: Marks | None = None, limit: int = LIMIT) -> Picture:
    """The picture of the computation."""
    return _placed(drawn("forward", phrases or Phrases(graph, minus=format.MINUS), marks or {}, limit))


def backward(
    graph: Graph, *, phrases: Phrases | None = None, marks: Marks | None = None, limit: int = LIMIT
) -> Picture:
    """The picture of autograd's nodes."""
    return _placed(drawn("backward", phrases or Phrases(graph, minus=format.MINUS), marks or {}, limit))


class Drawn(NamedTuple):
    """A picture before it is placed."""

    plans: list[Plan]
    tree: Tree | None
    """Of all plans, where there is something to fold."""
    left_out: int


def drawn(name: str, phrases: Phrases, marks: Marks, limit: int = LIMIT) -> Drawn:
    """The boxes and links of the `"forward"` or `"backward"` picture, and the groups that they are in."""
    make = ForwardPlans if name == "forward" else BackwardPlans
    plans, left_out = make(phrases.graph, phrases, limit).plans()
    _name_ghosts(plans)
    for plan in plans:
        for box in plan.boxes:
            mark(box, list(marks.get(box.ghost_of or box.id, {}).values()))
    return Drawn(plans, planted(plans, phrases, marks, LETTERS[name]), left_out)


def _placed(found: Drawn) -> Picture:
    if found.tree is None:
        return place(found.plans, found.left_out)
    picture = placed(found.tree, [index for index, group in enumerate(found.tree.groups) if group.open])
    picture.tree, picture.left_out = found.tree, found.left_out
    return picture


def _name_ghosts(plans: list[Plan]) -> None:
    """Give every repeat of a box an id of its own: `t5~2`."""
    seen: dict[str, int] = {}
    for plan in plans:
        for box in plan.boxes:
            seen[box.id] = seen.get(box.id, 0) + 1
            if seen[box.id] > 1:
                box.ghost_of, box.id = box.id, f"{box.id}~{seen[box.id]}"
