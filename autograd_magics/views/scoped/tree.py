"""A picture before anything is placed: every box, and the nested groups that they stand in.

`placed(tree, opened)` is the picture that is seen when those groups are open.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import Any

from .. import format
from ..boxes import LABEL_PX, SEVERITIES, TEXT_LINE, TEXT_PX, Box, Frame, Picture, Wire, width
from ..layout import curve
from .placing import HEAD, Arrangement, Item, Known, Nest, arrange

FOLDED = 30.0
"""Height of a folded group without its facts."""
STACK = 6.0
"""How far the outlines behind a folded run reach beyond it."""

_OWN = frozenset({"room", "tell", "about", "piece"})
"""Of a group: what the front end need not know."""
_USUAL = {one.name: one.default for one in dataclasses.fields(Box)}


@dataclass
class Group:
    """Boxes that belong together: a call of a module, equal neighbours ("run"), or a piece of a long row ("chunk")."""

    id: str
    parent: int
    kind: str
    label: str
    sub: str = ""
    title: str = ""
    alike: int = 0
    """Same number, same structure."""
    count: int = 0
    """Nodes inside."""
    facts: tuple[str, ...] = ()
    room: tuple[str, ...] = ()
    """The facts in their longest languages: the picture is the same in all of them."""
    badge: str = ""
    severity: str = ""
    first: int = 0
    open: bool = False
    piece: bool = False
    """It is only a piece of a row that is too long."""
    tell: Callable[[], dict[str, Any]] = dict
    """Makes `about`: of most groups of a large picture nobody asks."""
    w: float = 0.0
    h: float = 0.0
    head: float = 0.0

    @functools.cached_property
    def about(self) -> dict[str, Any]:
        """What is told of it when it is selected."""
        return self.tell()

    def measure(self) -> None:
        """Set the sizes that the texts need."""
        label = format.pixels(f"{self.label} {self.sub}".strip(), LABEL_PX)
        facts = [width(fact, TEXT_PX) for fact in (*self.facts, *self.room)]
        self.w = round(max([60.0, label + 34, *(fact + 20 for fact in facts)]), 1)
        self.h = FOLDED + TEXT_LINE * len(self.facts)
        self.head = round(label + 40, 1)

    def box(self) -> Box:
        """The folded group as a box."""
        texts = {"label": self.label, "sub": self.sub, "title": self.title, "facts": self.facts}
        marks = {"badge": self.badge, "severity": self.severity, "stacked": self.kind == "run"}
        return Box(self.id, "group", "scope", w=self.w, h=self.h, cw=self.w, ch=self.h, **texts, **marks)  # type: ignore[arg-type]

    def data(self) -> dict[str, Any]:
        """The group as the front end reads it."""
        shown = {key: value for key, value in vars(self).items() if key not in _OWN}
        return {**shown, "facts": list(self.facts)}


@dataclass
class Tree:
    """Links are (from, to, kind) by index of boxes; `scope` holds of each box its innermost group, -1 for none."""

    boxes: list[Box] = field(default_factory=list)
    scope: list[int] = field(default_factory=list)
    links: list[tuple[int, int, str]] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list)

    def data(self) -> dict[str, Any]:
        """The tree as the front end reads it."""
        return {
            "boxes": [_unplaced(box) for box in self.boxes],
            "scope": self.scope,
            "links": [list(link) for link in self.links],
            "groups": [group.data() for group in self.groups],
        }

    def around(self) -> dict[str, str]:
        """By id of a box or a group: the id of the group around it."""
        ids = [group.id for group in self.groups]
        found = {box.id: ids[scope] for box, scope in zip(self.boxes, self.scope, strict=True) if scope >= 0}
        return found | {group.id: ids[group.parent] for group in self.groups if group.parent >= 0}

    def nest(self) -> Nest:
        """What the layout knows of it."""
        return Nest(
            [item(box) for box in self.boxes],
            self.scope,
            self.links,
            [group.parent for group in self.groups],
            [_folded(group) for group in self.groups],
            [group.head for group in self.groups],
            [group.first for group in self.groups],
        )


def _unplaced(box: Box) -> dict[str, Any]:
    """A box without its place and without what is as in most boxes."""
    found = {key: value for key, value in vars(box).items() if value != _USUAL[key]}
    found.pop("room", None)
    for key in ("x", "y"):
        if key in found:
            found[key] = round(found[key], 1)
    return found


def item(box: Box) -> Item:
    """A box as the layout sees it.

    Where texts are wider than a shape, wires run straight past them before they turn; they meet the round ends of a
    pill in the middle.
    """
    if box.w > box.cw and box.shape != "wire":
        return Item(box.w, box.over(), box.under(), (box.w, 0.0, "box"), box.cw)
    if box.shape in ("circle", "wire"):
        return Item(box.w, box.over(), box.under(), (box.cw, box.ch, box.shape))
    return Item(box.w, box.over(), box.under(), (box.cw, 0.0 if box.shape == "pill" else box.ch, "box"))


def _folded(group: Group) -> Item:
    """A folded group as the layout sees it; behind a run there is more of it."""
    back = STACK if group.kind == "run" else 0.0
    return Item(group.w + 2 * back, group.h / 2 + back, group.h / 2, (group.w, group.h, "box"))


def placed(tree: Tree, opened: Collection[int], known: Known | None = None) -> Picture:
    """What is seen of a tree when these groups are open; fills in the places of its boxes."""
    found = arrange(tree.nest(), opened, known)
    picture = Picture(found.width, found.height)
    ids: dict[int, Box] = {}
    for spot in sorted(found.spots, key=lambda spot: _order(tree, spot.item)):
        count = len(tree.boxes)
        box = tree.boxes[spot.item] if spot.item < count else tree.groups[spot.item - count].box()
        box.x, box.y = spot.x, spot.y
        ids[spot.item] = box
        picture.boxes.append(box)
    picture.frames = _frames(tree, found)
    for index, line in enumerate(found.lines):
        start, end = ids[line.start], ids[line.end]
        arrow = end.shape != "wire"
        picture.wires.append(Wire(f"w{index}", start.id, end.id, curve(line.points, "LR"), arrow, line.kind))
    return picture


def _order(tree: Tree, seen: int) -> int:
    """By first boxes: the order in which everything is drawn and walked through."""
    return seen if seen < len(tree.boxes) else tree.groups[seen - len(tree.boxes)].first


def _frames(tree: Tree, found: Arrangement) -> list[Frame]:
    frames = []
    for border in found.frames:
        group = tree.groups[border.group]
        marks = (group.badge, group.severity)
        frames.append(
            Frame(group.id, group.label, group.sub, border.x, border.y, border.w, border.h, border.depth, HEAD, *marks)
        )
    return frames


def worst(severities: Iterable[str]) -> str:
    """The most severe one, empty for none."""
    return max(severities, key=SEVERITIES.index, default="")
