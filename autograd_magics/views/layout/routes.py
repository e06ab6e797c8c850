"""Routes of the edges and the smooth curves through them.

Everything here is in (along, across) coordinates: along grows with the rank, across within a rank.
A route is a polyline whose pieces are drawn as curves that start and end parallel to `along` and stay inside the
box spanned by their two ends. A piece may therefore leave its rank before the edge of the column only where no
other vertex of the rank lies between the two ends: so no curve runs over a node.
"""

from __future__ import annotations

from itertools import pairwise

from .ports import Core, Placed, Point, assign_ports

_SAME = 0.05  # pixels: nearer than this counts as the same place


def route_edges(placed: Placed) -> list[list[Point]]:
    """One polyline for every edge of the proper graph, from the border of the tail to that of the head."""
    offsets = _parallel_offsets(placed)
    starts = assign_ports(placed, offsets, at_tail=True)
    ends = assign_ports(placed, offsets, at_tail=False)
    lanes = _lanes(placed)
    bottom = max(a + b / 2 for a, b in zip(placed.across, placed.graph.breadth, strict=True))
    routes = []
    for edge, ports in enumerate(zip(starts, ends, strict=True)):
        if edge in lanes:
            bends = _bends_around(placed, edge, ports, bottom + lanes[edge] * placed.edge_gap)
        else:
            bends = _bends(placed, edge, ports, offsets.get(edge, 0.0))
        tail, head = placed.graph.edges[edge]
        leave = (placed.centre(tail) + placed.extents[tail] / 2, ports[0][1])
        arrive = (placed.centre(head) - placed.extents[head] / 2, ports[1][1])
        routes.append(_tidy([ports[0], leave, *bends, arrive, ports[1]]))
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


def _lanes(placed: Placed) -> dict[int, int]:
    """Lanes 1, 2, ... for the edges that go round the drawing; those of one tail share a lane."""
    lane_of_tail: dict[int, int] = {}
    lanes = {}
    for edge in placed.graph.around:
        lanes[edge] = lane_of_tail.setdefault(placed.graph.edges[edge][0], len(lane_of_tail) + 1)
    return lanes


def _parallel_offsets(placed: Placed) -> dict[int, float]:
    """Sideways offsets for edges that join the same two neighbours more than once."""
    groups: dict[tuple[int, int], list[int]] = {}
    for index, edge in enumerate(placed.graph.edges):
        if not placed.graph.dummies[index] and index not in placed.ends:
            groups.setdefault(edge, []).append(index)
    offsets = {}
    for group in groups.values():
        for place, index in enumerate(group if len(group) > 1 else ()):
            offsets[index] = (place - (len(group) - 1) / 2) * placed.edge_gap
    return offsets


def _bends(placed: Placed, edge: int, ports: tuple[Point, Point], offset: float) -> list[Point]:
    """Inner points of a route: where it leaves a column, where it enters the next one, and between if offset."""
    path = placed.graph.path(edge)
    levels = [ports[0][1], *(placed.across[dummy] for dummy in path[1:-1]), ports[1][1]]
    points: list[Point] = []
    if min(abs(levels[0] - placed.across[path[0]]), abs(levels[-1] - placed.across[path[-1]])) >= abs(offset):
        offset = 0.0  # the ports alone keep parallel edges apart
    wide = abs(offset) > placed.edge_gap
    for (before, start), (after, end) in pairwise(zip(path, levels, strict=True)):
        if abs(start - end) < _SAME and not offset:
            continue
        left, right = placed.column[placed.graph.rank[before]], placed.column[placed.graph.rank[after]]
        if wide or _blocked(placed, before, end, 1):
            points.append((left[1], start))
        elif before >= placed.graph.nodes:
            points.append((sum(left) / 2, start))
        if offset:
            points.append(((left[1] + right[0]) / 2, (placed.across[before] + placed.across[after]) / 2 + offset))
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


def _bends_around(placed: Placed, edge: int, ports: tuple[Point, Point], lane: float) -> list[Point]:
    """A way round the drawing: out into the gap, along a lane of its own beyond all rows, back through a gap."""
    tail, head = placed.graph.edges[edge]
    leave, arrive = placed.column[placed.graph.rank[tail]][1], placed.column[placed.graph.rank[head]][0]
    return [
        (leave, ports[0][1]),
        (leave + placed.rank_gap, lane),
        (arrive - placed.rank_gap, lane),
        (arrive, ports[1][1]),
    ]


def _tidy(points: list[Point]) -> list[Point]:
    """Drop repeated points and inner points of straight runs along; the ends stay."""
    kept = points[:1]
    for point in points[1:-1]:
        if abs(point[0] - kept[-1][0]) + abs(point[1] - kept[-1][1]) >= _SAME:
            _append(kept, point)
    last = points[-1]
    if len(kept) > 1 and abs(last[0] - kept[-1][0]) + abs(last[1] - kept[-1][1]) < _SAME:
        kept.pop()
    _append(kept, last)
    return kept


def _append(kept: list[Point], point: Point) -> None:
    if len(kept) > 1 and abs(kept[-2][1] - point[1]) < _SAME and abs(kept[-1][1] - point[1]) < _SAME:
        kept[-1] = point
    else:
        kept.append(point)
