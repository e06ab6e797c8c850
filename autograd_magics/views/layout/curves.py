"""Smooth SVG paths through the routes."""

from __future__ import annotations

from collections.abc import Sequence

Point = tuple[float, float]

_BEND = 0.55  # of a piece: how far its control points lie from its ends; the same for all, or neighbours would cross


def curve(points: Sequence[Point], direction: str = "LR") -> str:
    """SVG path `M x y C ...` through a route: tangents along the direction at the ends and at every bend.

    Numbers have one decimal. A route that turns back (a self-loop) gets the tangent across at its turning points.
    """
    swapped = direction == "TB"
    route = [(y, x) if swapped else (x, y) for x, y in points]
    turning = [False] * len(route)
    for index in range(1, len(route) - 1):
        before, here, after = (route[index + step][0] for step in (-1, 0, 1))
        turning[index] = (here - before) * (after - here) < 0
    parts = ["M" + _pair(route[0], swapped)]
    for index in range(1, len(route)):
        controls = _controls(route[index - 1], route[index], turning[index - 1], turning[index])
        parts.append("C" + " ".join(_pair(point, swapped) for point in (*controls, route[index])))
    return "".join(parts)


def _controls(start: Point, end: Point, turns_at_start: bool, turns_at_end: bool) -> tuple[Point, Point]:
    run, rise = end[0] - start[0], end[1] - start[1]
    run, rise = run * _BEND, rise * _BEND
    first = (start[0], start[1] + rise) if turns_at_start else (start[0] + run, start[1])
    second = (end[0], end[1] - rise) if turns_at_end else (end[0] - run, end[1])
    return first, second


def _pair(point: Point, swapped: bool) -> str:
    along, across = point
    return f"{_number(across)} {_number(along)}" if swapped else f"{_number(along)} {_number(across)}"


def _number(value: float) -> str:
    text = f"{value:.1f}"
    return text[:-2] if text.endswith(".0") and text != "-0.0" else "0" if text == "-0.0" else text
