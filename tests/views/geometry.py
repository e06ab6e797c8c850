"""What must hold of every placed picture: nothing overlaps, wires run from shape to shape and over nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from autograd_magics.views.boxes import Box, Frame, Picture, Wire

_STEPS = 12
"""Points looked at on each piece of a wire."""
_NEAR = 0.6
"""Coordinates of wires are rounded."""

Rectangle = tuple[float, float, float, float]
Point = tuple[float, float]


def problems(picture: Picture) -> list[str]:
    """What is wrong with a picture; empty where all is well."""
    around = picture.tree.around() if picture.tree is not None else {}
    areas = {box.id: _area(box) for box in picture.boxes} | {frame.id: _outer(frame) for frame in picture.frames}
    found = [f"{a} overlaps {b}" for a, b in _pairs(areas, around) if _overlap(areas[a], areas[b])]
    for name, area in areas.items():
        outer = areas.get(around.get(name, ""), (0.0, 0.0, picture.width, picture.height))
        if not _within(area, outer):
            found.append(f"{name} leaves what it is in")
    boxes = {box.id: box for box in picture.boxes}
    for wire in picture.wires:
        found += _wrong(wire, boxes, picture)
    return found


def _area(box: Box) -> Rectangle:
    """A box with its texts."""
    return box.x - box.w / 2, box.y - box.over() + 2, box.x + box.w / 2, box.y + box.under() - 2


def _outer(frame: Frame) -> Rectangle:
    return frame.x, frame.y, frame.x + frame.w, frame.y + frame.h


def _pairs(areas: Mapping[str, Rectangle], around: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """All that lie side by side: in the same frame, or both in none."""
    names = list(areas)
    for index, one in enumerate(names):
        for other in names[:index]:
            if around.get(one) == around.get(other):
                yield one, other


def _overlap(one: Rectangle, other: Rectangle) -> bool:
    apart = one[2] <= other[0] + 0.1 or other[2] <= one[0] + 0.1 or one[3] <= other[1] + 0.1 or other[3] <= one[1] + 0.1
    return not apart


def _within(inner: Rectangle, outer: Rectangle) -> bool:
    lower = inner[0] >= outer[0] - 0.1 and inner[1] >= outer[1] - 0.1
    return lower and inner[2] <= outer[2] + 0.1 and inner[3] <= outer[3] + 0.1


def _wrong(wire: Wire, boxes: Mapping[str, Box], picture: Picture) -> Iterator[str]:
    points = list(_points(wire.d))
    start, end = boxes[wire.start], boxes[wire.end]
    if not _touches(points[0], start) or not _touches(points[-1], end):
        yield f"{wire.id} does not reach from {wire.start} to {wire.end}"
    for box in picture.boxes:
        if box.id in (wire.start, wire.end):
            continue
        left, top, right, bottom = box.x - box.cw / 2, box.y - box.ch / 2, box.x + box.cw / 2, box.y + box.ch / 2
        if any(left + 1 < x < right - 1 and top + 0.5 < y < bottom - 0.5 for x, y in points):
            yield f"{wire.id} ({wire.start} to {wire.end}) runs over {box.id}"


def _touches(point: Point, box: Box) -> bool:
    wide = abs(abs(point[0] - box.x) - box.cw / 2) < _NEAR
    round_ = box.shape == "circle" and abs((point[0] - box.x) ** 2 + (point[1] - box.y) ** 2 - box.cw**2 / 4) < box.cw
    return (wide or round_) and abs(point[1] - box.y) <= max(box.ch, box.h) / 2 + _NEAR


def _points(path: str) -> Iterator[Point]:
    """Points along an SVG path of one move and cubic curves."""
    numbers = [float(text) for text in re.findall(r"-?\d+(?:\.\d+)?", path)]
    pairs = list(zip(numbers[::2], numbers[1::2], strict=True))
    yield pairs[0]
    for first in range(0, len(pairs) - 3, 3):
        a, b, c, d = pairs[first : first + 4]
        for step in range(1, _STEPS + 1):
            t = step / _STEPS
            u = 1 - t
            weights = (u**3, 3 * u * u * t, 3 * u * t * t, t**3)
            yield (
                sum(w * p[0] for w, p in zip(weights, (a, b, c, d), strict=True)),
                sum(w * p[1] for w, p in zip(weights, (a, b, c, d), strict=True)),
            )
