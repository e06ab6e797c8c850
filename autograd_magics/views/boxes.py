"""The parts of a picture: boxes with their texts, wires between them, and placing both.

`Plan` collects boxes and wires of one picture; `place(plans)` lays each out and stacks them from top to bottom.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from . import format
from .layout import curve, layout

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


@dataclass
class Box:
    """A shape with texts; `x`, `y` is the centre of its core, `w`, `h` include the texts."""

    id: str
    shape: str
    """`"circle"`, `"pill"`, `"rect"`, `"wire"` or `"tag"`."""
    style: str
    """`"leaf"`, `"input"`, `"call"`, `"result"`, `"cut"`, `"failed"`, `"node"`, `"accumulate"` or `"unseen"`."""
    label: str = ""
    sub: str = ""
    name: str = ""
    above: str = ""
    below: str = ""
    below_dim: bool = False
    title: str = ""
    ghost_of: str | None = None
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
        texts = [format.pixels(t, TEXT_PX) for t in (self.name, self.above, self.below) if t]
        over = (bool(self.name) + bool(self.above)) * TEXT_LINE
        under = TEXT_LINE if self.below else 0
        if self.shape == "wire":
            self.cw, self.ch = max([26.0, *(w + 14 for w in texts)]), 2.0
        elif self.shape == "circle":
            self.cw = self.ch = float(CIRCLE)
        else:
            label = format.pixels(f"{self.label} {self.sub}" if self.sub else self.label, LABEL_PX)
            self.cw, self.ch = max(40.0, label + 24), float(CORE)
        self.w = round(max([self.cw, *texts]), 1)
        self.h = self.ch + 2 * max(over, under) + 4
        self.cw = round(self.cw, 1)

    def data(self) -> dict[str, Any]:
        """The box as the front end reads it."""
        return {key: round(v, 1) if isinstance(v, float) else v for key, v in vars(self).items()}


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
class Picture:
    """Placed boxes and wires; `left_out` counts the calls or nodes that found no room."""

    width: float = 0.0
    height: float = 0.0
    boxes: list[Box] = field(default_factory=list)
    wires: list[Wire] = field(default_factory=list)
    left_out: int = 0

    def data(self) -> dict[str, Any]:
        """The picture as the front end reads it."""
        return {
            "width": round(self.width, 1),
            "height": round(self.height, 1),
            "boxes": [box.data() for box in self.boxes],
            "wires": [wire.data() for wire in self.wires],
            "left_out": self.left_out,
        }


@dataclass
class Plan:
    """One connected part of a picture before it is placed; links are (from, to, kind) by index of boxes."""

    boxes: list[Box] = field(default_factory=list)
    links: list[tuple[int, int, str]] = field(default_factory=list)
    weight: int = 0
    """Calls or nodes in it."""

    def add(self, box: Box) -> int:
        """Take a box in; returns its index."""
        self.boxes.append(box)
        return len(self.boxes) - 1


def mark(box: Box, severities: Sequence[str]) -> None:
    """Note the findings on a box: how many, and the most severe."""
    if severities:
        box.badge = str(len(severities))
        box.severity = max(severities, key=SEVERITIES.index)


def choose(plans: list[Plan], limit: int) -> tuple[list[Plan], int]:
    """The plans that fit into `limit` boxes, first and last ones first, and the weight of the rest.

    At least the first and the last plan stay, however large they are.
    """
    drawn = [plan for plan in plans if plan.boxes]
    kept: set[int] = set()
    room = limit
    for index in _from_both_ends(len(drawn)):
        room -= len(drawn[index].boxes)
        if room < 0 and len(kept) >= 2:
            break
        kept.add(index)
    chosen = [drawn[i] for i in sorted(kept)]
    return chosen, sum(plan.weight for plan in plans) - sum(plan.weight for plan in chosen)


def _from_both_ends(count: int) -> Iterator[int]:
    """0, last, 1, last but one, ... each once."""
    for i in range((count + 1) // 2):
        yield i
        if count - 1 - i != i:
            yield count - 1 - i


def place(plans: Sequence[Plan], left_out: int = 0) -> Picture:
    """Lay out each plan and stack them."""
    picture = Picture(left_out=left_out)
    top = float(MARGIN)
    for plan in plans:
        height = _place(plan, picture, top)
        top += height + GAP
    picture.width += MARGIN if plans else 0
    picture.height = top - GAP + MARGIN if plans else 0.0
    return picture


def _core(box: Box) -> tuple[float, float, str]:
    """The shape that wires end on; they meet the round ends of a pill in their middle."""
    if box.shape in ("circle", "wire"):
        return box.cw, box.ch, box.shape
    return box.cw, 0.0 if box.shape == "pill" else box.ch, "box"


def _place(plan: Plan, picture: Picture, top: float) -> float:
    """Add one plan below `top`; returns its height."""
    for box in plan.boxes:
        box.measure()
    placed = layout(
        [(box.w, box.h) for box in plan.boxes],
        [(start, end) for start, end, _ in plan.links],
        direction="LR",
        rank_gap=RANK_GAP,
        cores=[_core(box) for box in plan.boxes],
    )
    for index, box in enumerate(plan.boxes):
        box.x, box.y = placed.x[index] + MARGIN, placed.y[index] + top
        picture.boxes.append(box)
    for (start, end, kind), route in zip(plan.links, placed.routes, strict=True):
        points = [(x + MARGIN, y + top) for x, y in route]
        wire = Wire(
            f"w{len(picture.wires)}", plan.boxes[start].id, plan.boxes[end].id, curve(points, "LR"),
            arrow=plan.boxes[end].shape != "wire", kind=kind,
        )  # fmt: skip
        picture.wires.append(wire)
    picture.width = max(picture.width, placed.width + MARGIN)
    return placed.height
