"""The parts of a picture: boxes with their texts, wires between them, and placing both.

`Plan` collects boxes and wires of one picture; `place(plans)` lays each out and stacks them from top to bottom.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from . import format
from .layout import curve, layout

if TYPE_CHECKING:
    from .scoped.tree import Tree

LABEL_PX, TEXT_PX = 12, 11
"""Font sizes of labels and of names, values and gradients."""
TEXT_LINE = 14
"""Height of one line of text over or under a core."""
CIRCLE, CORE = 36, 30
"""Diameter of a call's circle, height of pills and rectangles."""
IN_CIRCLE = 4
"""Longest label, in characters, that fits into a circle."""
MARGIN, GAP, RANK_GAP = 14, 26, 22
"""Around the picture, between its components, between ranks, in px."""

SEVERITIES = ("", "note", "warning", "error")


def width(text: str, size: float) -> float:
    """In px; 0 of a text with codes, of which nothing is known: `room` is as wide as it gets in any language."""
    return 0.0 if format.OPEN in text else format.pixels(text, size)


@dataclass
class Box:
    """A shape with texts; `x`, `y` is the centre of its core, `w`, `h` include the texts."""

    id: str
    shape: str
    """`"circle"`, `"pill"`, `"rect"`, `"wire"`, `"tag"` or `"group"` (a folded group)."""
    style: str
    """`"leaf"`, `"input"`, `"call"`, `"result"`, `"cut"`, `"failed"`, `"node"`, `"accumulate"`, `"unseen"` or
    `"scope"` (a folded group)."""
    label: str = ""
    sub: str = ""
    name: str = ""
    above: str = ""
    below: str = ""
    below_dim: bool = False
    above_figures: str = ""
    """Between `above` and the core: mean and spread of a larger tensor."""
    below_figures: str = ""
    """Under `below`: those of its gradient."""
    room: str = ""
    """What `below` is in its longest language: the picture is the same in all of them."""
    title: str = ""
    ghost_of: str | None = None
    layer: int = 1
    """The order of derivatives that it belongs to; 0 for all that it is wired to."""
    facts: tuple[str, ...] = ()
    """Under the label of a folded group."""
    stacked: bool = False
    """Of a folded group: it stands for several equal ones."""
    hook: str = ""
    """`"changed"` where a hook changed a gradient, `"late"` where one runs after `.grad` was written."""
    badge: str = ""
    severity: str = ""
    x: float = 0.0
    y: float = 0.0
    w: float = 0.0
    h: float = 0.0
    cw: float = 0.0
    ch: float = 0.0

    def measure(self) -> None:
        """Set the sizes that the texts need."""
        said = (self.name, self.above, self.below, self.room, self.above_figures, self.below_figures)
        texts = [width(t, TEXT_PX) for t in said if t] if any(said) else []
        if self.shape == "wire":
            self.cw, self.ch = max([26.0, *(w + 14 for w in texts)]), 2.0
        elif self.shape == "circle":
            self.cw = self.ch = float(CIRCLE)
        else:
            label = format.pixels(f"{self.label} {self.sub}" if self.sub else self.label, LABEL_PX)
            self.cw, self.ch = max(40.0, label + 24), float(CORE)
        self.w = round(max([self.cw, *texts]), 1)
        self.cw = round(self.cw, 1)
        self.h = 2 * max(self.over(), self.under())

    def over(self) -> float:
        """Height from the centre of the core to the top of the texts over it."""
        return self.ch / 2 + (bool(self.name) + bool(self.above) + bool(self.above_figures)) * TEXT_LINE + 2

    def under(self) -> float:
        """Height from the centre of the core to the bottom of the text under it."""
        return self.ch / 2 + (bool(self.below) + bool(self.below_figures)) * TEXT_LINE + 2

    def data(self) -> dict[str, Any]:
        """The box as the front end reads it."""
        usual = {"above_figures": "", "below_figures": "", "layer": 1, "hook": "", "facts": (), "stacked": False}
        shown = ((key, v) for key, v in vars(self).items() if key != "room" and (key not in usual or v != usual[key]))
        return {key: plain(value) for key, value in shown}


def plain(value: Any) -> Any:
    """A field of a box as the front end reads it."""
    kind = type(value)
    return round(value, 1) if kind is float else list(value) if kind is tuple else value


@dataclass
class Wire:
    """A line from one box to another; `d` is an SVG path."""

    id: str
    start: str
    end: str
    d: str
    arrow: bool
    kind: str
    """`"data"`, `"cut"` or `"state"`."""

    def data(self) -> dict[str, Any]:
        """The wire as the front end reads it."""
        return {"id": self.id, "from": self.start, "to": self.end, "d": self.d, "arrow": self.arrow, "kind": self.kind}


@dataclass
class Frame:
    """An open group: upper left corner and size, with a header of height `head` along the upper side."""

    id: str
    label: str
    sub: str
    x: float
    y: float
    w: float
    h: float
    depth: int
    """How many open groups are around it."""
    head: float
    badge: str = ""
    severity: str = ""

    def data(self) -> dict[str, Any]:
        """The frame as the front end reads it."""
        shown = ((key, v) for key, v in vars(self).items() if v or key not in ("badge", "severity"))
        return {key: round(v, 1) if isinstance(v, float) else v for key, v in shown}


@dataclass
class Picture:
    """Placed boxes and wires; `left_out` counts the calls or nodes that found no room."""

    width: float = 0.0
    height: float = 0.0
    boxes: list[Box] = field(default_factory=list)
    wires: list[Wire] = field(default_factory=list)
    left_out: int = 0
    frames: list[Frame] = field(default_factory=list)
    """The open groups, outer ones first."""
    tree: Tree | None = None
    """All that can be unfolded; None where nothing is folded."""

    def data(self) -> dict[str, Any]:
        """The picture as the front end reads it."""
        nested: dict[str, Any] = {"frames": [frame.data() for frame in self.frames]} if self.frames else {}
        if self.tree is not None:
            nested["tree"] = self.tree.data()
        return {
            **nested,
            "width": round(self.width, 1),
            "height": round(self.height, 1),
            "boxes": [box.data() for box in self.boxes],
            "wires": [wire.data() for wire in self.wires],
            "left_out": self.left_out,
        }


class Part(NamedTuple):
    """What a box stands for, as far as grouping must know."""

    scope: int | None = None
    """The call of a module that it belongs to."""
    unit: str = ""
    """The operation that it is (part of): `"c3"`; empty for tensors."""
    token: str = ""
    """Equal for boxes of one kind, whatever their values and names."""
    nodes: tuple[int, ...] = ()
    place: int | None = None
    leaf: int | None = None
    """The tensor row of a leaf."""


_ALONE = Part()


@dataclass
class Plan:
    """One connected part of a picture before it is placed; links are (from, to, kind) by index of boxes."""

    boxes: list[Box] = field(default_factory=list)
    links: list[tuple[int, int, str]] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)
    """One for each box."""

    def add(self, box: Box, part: Part = _ALONE) -> int:
        """Take a box in; returns its index."""
        self.boxes.append(box)
        self.parts.append(part)
        return len(self.boxes) - 1


def mark(box: Box, severities: Sequence[str]) -> None:
    """Note the findings on a box: how many, and the most severe."""
    if severities:
        box.badge = str(len(severities))
        box.severity = max(severities, key=SEVERITIES.index)


def place(plans: Sequence[Plan], left_out: int = 0) -> Picture:
    """Lay out each plan and stack them."""
    picture = Picture(left_out=left_out)
    top = float(MARGIN)
    for plan in plans:
        top = _place(plan, picture, top) + GAP
    if plans:
        picture.width += MARGIN
        picture.height = top - GAP + MARGIN
    return picture


def _place(plan: Plan, picture: Picture, top: float) -> float:
    """Add one plan below `top`; returns where it ends."""
    boxes = plan.boxes
    for box in boxes:
        box.measure()
    edges = [(start, end) for start, end, _ in plan.links]
    cores = [_core(box) for box in boxes]
    sizes = [(box.w, box.h) for box in boxes]
    placed = layout(sizes, edges, direction="LR", rank_gap=RANK_GAP, cores=cores)
    # The layout keeps as much room over a core as under it; what no text fills is given back.
    points = [y for route in placed.routes for _, y in route]
    down = top - min([y - box.over() for box, y in zip(boxes, placed.y, strict=True)] + points)
    for box, x, y in zip(boxes, placed.x, placed.y, strict=True):
        box.x, box.y = x + MARGIN, y + down
        picture.boxes.append(box)
    for (start, end, kind), route in zip(plan.links, placed.routes, strict=True):
        moved = _to_cores([(x + MARGIN, y + down) for x, y in route], boxes[start], boxes[end])
        arrow = boxes[end].shape != "wire"
        ids = boxes[start].id, boxes[end].id
        picture.wires.append(Wire(f"w{len(picture.wires)}", *ids, curve(moved, "LR"), arrow, kind))
    picture.width = max(picture.width, placed.width + MARGIN)
    return down + max([y + box.under() for box, y in zip(boxes, placed.y, strict=True)] + points)


def _core(box: Box) -> tuple[float, float, str]:
    """The shape that wires end on.

    Where texts are wider than a shape, wires run straight past them before they turn; they meet the round ends of a
    pill in the middle.
    """
    if box.w > box.cw and box.shape != "wire":
        return box.w, 0.0, "box"
    if box.shape in ("circle", "wire"):
        return box.cw, box.ch, box.shape
    return box.cw, 0.0 if box.shape == "pill" else box.ch, "box"


def _to_cores(route: list[tuple[float, float]], start: Box, end: Box) -> list[tuple[float, float]]:
    """The route, lengthened to the shapes whose texts it had to pass."""
    if start.w > start.cw and start.shape != "wire":
        route = [(start.x + start.cw / 2, start.y), *route]
    if end.w > end.cw and end.shape != "wire":
        route = [*route, (end.x - end.cw / 2, end.y)]
    return route
