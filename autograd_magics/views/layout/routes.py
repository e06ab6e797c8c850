"""Routes of the edges and the smooth curves through them.

Everything here is in (along, across) coordinates: along grows with the rank, across within a rank.
A route is a polyline whose pieces are drawn as curves that start and end parallel to `along` and stay inside the
box spanned by their two ends. A piece may therefore leave its rank before the edge of the column only where no
other vertex of the rank lies between the two ends: so no curve runs over a node.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from .proper import ProperGraph

Point = tuple[float, float]
Core = tuple[float, float, str]  # extent along, extent across, shape

_PORT_SHARE = 0.35  # of the extent of a core: edges meet a box in the middle part of its side
_PORT_ANGLE = math.radians(40)  # edges meet a circle at most this far from its middle
_STEEPEST = 0.75  # of a piece: how far its control points lie from its ends at most
_SAME = 0.05  # pixels: nearer than this counts as the same place


@dataclass
class Placed:
    """A component with coordinates: what routing needs to know."""

    graph: ProperGraph
    across: list[float]  # of every vertex
    column: list[tuple[float, float]]  # start and end of every rank along
    cores: Sequence[Core]
    rank_gap: float
    edge_gap: float
    reach: tuple[list[Point], list[Point]] = field(init=False)  # least and greatest across of neighbours before, after

    def __post_init__(self) -> None:
        self.reach = (self._reach(self.graph.upper), self._reach(self.graph.lower))

    def _reach(self, neighbours: list[list[int]]) -> list[Point]:
        across = self.across
        reach = []
        for vertex, near in enumerate(neighbours):
            places = [across[v] for v in near] or [across[vertex]]
            reach.append((min(places), max(places)))
        return reach

    def centre(self, node: int) -> float:
        """Along coordinate of a node: the middle of its column."""
        start, end = self.column[self.graph.rank[node]]
        return (start + end) / 2


def route_edges(placed: Placed) -> list[list[Point]]:
    """One polyline for every edge of the proper graph, from the border of the tail to that of the head."""
    offsets = _parallel_offsets(placed)
    lanes = {edge: lane for lane, edge in enumerate(placed.graph.around, 1)}
    bottom = max(a + b / 2 for a, b in zip(placed.across, placed.graph.breadth))
    routes = []
    for edge, (tail, head) in enumerate(placed.graph.edges):
        if edge in lanes:
            bends = _bends_around(placed, tail, head, bottom + lanes[edge] * placed.edge_gap)
        else:
            bends = _bends(placed, placed.graph.path(edge), offsets.get(edge, 0.0))
        first = _port(placed, tail, bends[0] if bends else (placed.centre(head), placed.across[head]), 1)
        last = _port(placed, head, bends[-1] if bends else (placed.centre(tail), placed.across[tail]), -1)
        routes.append(_tidy([first, *bends, last]))
    return routes


def loop_route(centre: Point, size: Point, core: Core, gap: float, lane: int) -> list[Point]:
    """A self-loop: out at the end of the core, back beside the node in lane 1, 2, ... and in at its start."""
    along, across = centre
    half, far = size[0] / 2, across + size[1] / 2 + lane * gap
    turn = half + gap * lane / (lane + 1)
    return [
        (along + core[0] / 2, across),
        (along + turn, (across + far) / 2),
        (along + half, far),
        (along - half, far),
        (along - turn, (across + far) / 2),
        (along - core[0] / 2, across),
    ]


def _parallel_offsets(placed: Placed) -> dict[int, float]:
    """Sideways offsets for edges that join the same two neighbours more than once."""
    groups: dict[tuple[int, int], list[int]] = {}
    for index, edge in enumerate(placed.graph.edges):
        if not placed.graph.dummies[index]:
            groups.setdefault(edge, []).append(index)
    offsets = {}
    for group in groups.values():
        for place, index in enumerate(group if len(group) > 1 else ()):
            offsets[index] = (place - (len(group) - 1) / 2) * placed.edge_gap
    return offsets


def _bends(placed: Placed, path: list[int], offset: float) -> list[Point]:
    """Inner points of a route: where it leaves a column, where it enters the next one, and between if offset."""
    points: list[Point] = []
    wide = abs(offset) > placed.edge_gap
    for before, after in zip(path, path[1:]):
        start, end = placed.across[before], placed.across[after]
        if abs(start - end) < _SAME and not offset:
            continue
        left, right = placed.column[placed.graph.rank[before]], placed.column[placed.graph.rank[after]]
        if wide or _blocked(placed, before, end, 1):
            points.append((left[1], start))
        elif before >= placed.graph.nodes:
            points.append((sum(left) / 2, start))
        if offset:
            points.append(((left[1] + right[0]) / 2, (start + end) / 2 + offset))
        if wide or _blocked(placed, after, start, 0):
            points.append((right[0], end))
        elif after >= placed.graph.nodes:
            points.append((sum(right) / 2, end))
    return points


def _blocked(placed: Placed, vertex: int, towards: float, side: int) -> bool:
    """Whether a neighbour in the row lies in the way of an edge of `vertex` on this side (0 before, 1 after).

    The farthest edge on the same side decides for all, or the nearer ones would leave earlier and be crossed.
    """
    graph, here = placed.graph, placed.across[vertex]
    row, index = graph.rows[graph.rank[vertex]], graph.position[vertex]
    least, greatest = placed.reach[side][vertex]
    if towards >= here:
        if index + 1 == len(row):
            return False
        other = row[index + 1]
        return placed.across[other] - placed.graph.breadth[other] / 2 - placed.edge_gap / 2 < greatest
    if not index:
        return False
    other = row[index - 1]
    return placed.across[other] + placed.graph.breadth[other] / 2 + placed.edge_gap / 2 > least


def _bends_around(placed: Placed, tail: int, head: int, lane: float) -> list[Point]:
    """A way round the drawing: out into the gap, along a lane of its own beyond all rows, back through a gap."""
    leave = placed.column[placed.graph.rank[tail]][1]
    arrive = placed.column[placed.graph.rank[head]][0]
    return [
        (leave, placed.across[tail]),
        (leave + placed.rank_gap, lane),
        (arrive - placed.rank_gap, lane),
        (arrive, placed.across[head]),
    ]


def _port(placed: Placed, node: int, towards: Point, side: int) -> Point:
    """Where an edge that comes from or goes to `towards` meets the core: side 1 its end, -1 its start."""
    extent, breadth, shape = placed.cores[node]
    along, across = placed.centre(node), placed.across[node]
    forward, sideways = abs(towards[0] - along), towards[1] - across
    if abs(sideways) < _SAME:
        return along + side * extent / 2, across
    if shape == "circle":
        radius = min(extent, breadth) / 2
        angle = max(-_PORT_ANGLE, min(_PORT_ANGLE, math.atan2(sideways, forward)))
        return along + side * radius * math.cos(angle), across + radius * math.sin(angle)
    limit = breadth * _PORT_SHARE
    shift = sideways * extent / 2 / max(forward, extent / 2, _SAME)
    return along + side * extent / 2, across + max(-limit, min(limit, shift))


def _tidy(points: list[Point]) -> list[Point]:
    """Drop repeated points and inner points of straight runs along."""
    kept = points[:1]
    for point in points[1:]:
        if point == kept[-1]:
            continue
        if len(kept) > 1 and kept[-2][1] == kept[-1][1] == point[1]:
            kept[-1] = point
        else:
            kept.append(point)
    return kept if len(kept) > 1 else [points[0], points[-1]]


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
    share = 0.55
    if turns_at_start == turns_at_end:  # steep pieces leave and arrive flatter
        share = min(_STEEPEST, 0.5 + 0.1 * max(0.0, abs(rise) / max(abs(run), _SAME) - 1))
    run, rise = run * share, rise * share
    first = (start[0], start[1] + rise) if turns_at_start else (start[0] + run, start[1])
    second = (end[0], end[1] - rise) if turns_at_end else (end[0] - run, end[1])
    return first, second


def _pair(point: Point, swapped: bool) -> str:
    along, across = point
    return f"{_number(across)} {_number(along)}" if swapped else f"{_number(along)} {_number(across)}"


def _number(value: float) -> str:
    text = f"{value:.1f}"
    return text[:-2] if text.endswith(".0") and text != "-0.0" else "0" if text == "-0.0" else text
