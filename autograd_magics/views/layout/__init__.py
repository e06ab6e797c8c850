"""Layered layout of a directed graph: coordinates of boxes and routes of edges, in pure Python.

The classical pipeline of Gansner, Koutsofios, North and Vo (1993), every stage without recursion:

    ranks.py        cycles turned round, ranks by network simplex (simplex.py)
    proper.py       dummies for edges that pass ranks
    order.py        few crossings (sweeps.py, reinsertion.py, crossings.py), parameters on both sides (operands.py)
    trunk.py        which lines are straight
    coordinates.py  Brandes-Köpf blocks; then a narrower drawing (squeeze.py, blocks.py), shorter edges (tighten.py)
    routes.py       edges that run over no node, their ends (ports.py) and their curves (curves.py)

The same input gives the same picture, always.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from .coordinates import assign_coordinates
from .curves import curve
from .order import order_ranks
from .ports import Core, Ends, Placed, Point
from .proper import proper_graph
from .ranks import Edge, assign_ranks, back_edges, pinned
from .routes import loop_route, route_edges
from .trunk import straight_segments

__all__ = ["Layout", "curve", "layout"]


@dataclass(frozen=True)
class Layout:
    """Where everything goes, in pixels, from (0, 0) to (width, height)."""

    x: list[float]  # centres of the nodes
    y: list[float]
    width: float
    height: float
    routes: list[list[Point]]  # of every edge: from the border of its tail to that of its head; see `curve`
    crossings: int
    ranks: list[int]  # of every node, from 0 in each connected component


@dataclass(frozen=True)
class _Gaps:
    node: float
    rank: float
    edge: float


@dataclass(frozen=True)
class _Input:
    """The whole graph in (along, across) coordinates."""

    sizes: list[Point]
    edges: list[Edge]
    cores: list[Core]
    gaps: _Gaps
    pins: Sequence[int] | None
    ends: Sequence[Ends] | None


@dataclass(frozen=True)
class _Part:
    """One component, laid out on its own."""

    nodes: list[int]
    edges: list[int]
    centres: list[Point]
    routes: list[list[Point]]
    crossings: int
    ranks: list[int]


def layout(
    sizes: Sequence[tuple[float, float]],
    edges: Sequence[tuple[int, int]],
    *,
    direction: str = "LR",
    node_gap: float = 18,
    rank_gap: float = 26,
    edge_gap: float = 10,
    cores: Sequence[tuple[float, float, str]] | None = None,
    pins: Sequence[int] | None = None,
    ends: Sequence[Ends] | None = None,
) -> Layout:
    """Place boxes of the given (width, height) so that edges go from left to right ("LR") or downwards ("TB").

    `node_gap` and `edge_gap` keep boxes and lines of a rank apart, `rank_gap` keeps ranks apart (pixels).
    `cores` are the drawn shapes in the middle of the boxes, (width, height, "circle" | "box" | "wire"): edges end on
    their border; a wire has no height. Without it the whole box is drawn. Beside a core that is narrower than its box
    (texts over and under it) edges run straight until they are outside the box. Components lie one beside the other, in
    the order of their first nodes. Edges that close a cycle run backwards. An edge of a node to itself goes round it.
    `pins` holds nodes without inputs in the first rank (-1, -2, ...), nodes without outputs in the last one (1), others
    (0) not: lines go on there, so the longest paths through them are the straight ones, of equal ones that from -2.
    `ends` says for each edge how far across from the middle of its tail and of its head it must meet them, None where
    it may meet them anywhere.
    Crossings do not count edges that had to be led round the drawing (only where millions of ranks are passed).

    Raises ValueError for another direction or shape, for sizes or gaps that are negative or not finite, for a wrong
    number of cores, and for edges between nodes that do not exist.
    """
    _check(sizes, edges, direction, (node_gap, rank_gap, edge_gap), cores)
    across_first = direction == "TB"
    given = [(w, h, "box") for w, h in sizes] if cores is None else cores
    graph = _Input(
        [(h, w) if across_first else (w, h) for w, h in sizes],
        list(edges),
        [_core(w, h, shape, across_first) for w, h, shape in given],
        _Gaps(node_gap, rank_gap, edge_gap),
        pins,
        ends,
    )
    parts = [_lay_out(graph, nodes, indices) for nodes, indices in _components(len(sizes), graph.edges)]
    return _assemble(graph, parts, across_first)


def _check(
    sizes: Sequence[tuple[float, float]],
    edges: Sequence[Edge],
    direction: str,
    gaps: tuple[float, float, float],
    cores: Sequence[tuple[float, float, str]] | None,
) -> None:
    if direction not in ("LR", "TB"):
        raise ValueError(f'direction is {direction!r}; it must be "LR" (left to right) or "TB" (top to bottom)')
    if cores is not None and len(cores) != len(sizes):
        raise ValueError(f"{len(cores)} cores for {len(sizes)} nodes; give one core for each node")
    lengths = [*gaps, *(v for size in sizes for v in size), *(v for core in cores or () for v in core[:2])]
    wrong = [v for v in lengths if not (math.isfinite(v) and v >= 0)]
    if wrong:
        raise ValueError(f"a size or gap is {wrong[0]!r}; all must be finite numbers of pixels, zero or more")
    shapes = [core[2] for core in cores or () if core[2] not in ("box", "circle", "wire")]
    if shapes:
        raise ValueError(f'a core has the shape {shapes[0]!r}; it must be "box", "circle" or "wire"')
    for edge in edges:
        if not (0 <= edge[0] < len(sizes) and 0 <= edge[1] < len(sizes)):
            raise ValueError(f"edge {tuple(edge)} names a node that is not there; nodes are 0 to {len(sizes) - 1}")


def _core(width: float, height: float, shape: str, across_first: bool) -> Core:
    if shape == "wire":
        shape, width, height = ("box", 0.0, height) if across_first else ("box", width, 0.0)
    return (height, width, shape) if across_first else (width, height, shape)


def _components(count: int, edges: Sequence[Edge]) -> list[tuple[list[int], list[int]]]:
    """Nodes and edge indices of every connected component, in the order of the first nodes."""
    neighbours: list[list[int]] = [[] for _ in range(count)]
    for tail, head in edges:
        neighbours[tail].append(head)
        neighbours[head].append(tail)
    component = [-1] * count
    found: list[tuple[list[int], list[int]]] = []
    for start in range(count):
        if component[start] >= 0:
            continue
        component[start] = len(found)
        nodes = [start]
        for node in nodes:
            for other in neighbours[node]:
                if component[other] < 0:
                    component[other] = len(found)
                    nodes.append(other)
        found.append((sorted(nodes), []))
    for index, (tail, _) in enumerate(edges):
        found[component[tail]][1].append(index)
    return found


def _lay_out(graph: _Input, nodes: list[int], indices: list[int]) -> _Part:
    """One component through all stages."""
    local = {node: place for place, node in enumerate(nodes)}
    edges = [(local[graph.edges[i][0]], local[graph.edges[i][1]]) for i in indices]
    proper_edges = [edge for edge in edges if edge[0] != edge[1]]
    loops = [0] * len(nodes)
    for tail, head in edges:
        loops[tail] += tail == head
    turned = back_edges(len(nodes), proper_edges)
    acyclic = [edge[::-1] if back else edge for edge, back in zip(proper_edges, turned, strict=True)]
    ranks = assign_ranks(len(nodes), acyclic)
    pins = [graph.pins[node] for node in nodes] if graph.pins is not None else None
    if pins is not None:
        ranks = pinned(ranks, pins, acyclic)
    sizes = [_with_loops(graph.sizes[node], loops[place], graph.gaps) for place, node in enumerate(nodes)]
    gaps = (graph.gaps.node, graph.gaps.edge)
    proper = proper_graph([size[1] for size in sizes], acyclic, ranks, gaps, pins=pins)
    ends = _ends(graph, indices, turned)
    proper.stiff = set(ends)
    crossings = order_ranks(proper)
    across = assign_coordinates(proper, straight_segments(proper))
    columns = _columns(proper.rows, sizes, graph.gaps.rank)
    cores = [graph.cores[node] for node in nodes]
    extents = [graph.sizes[node][0] for node in nodes]
    placed = Placed(proper, across, columns, extents, cores, graph.gaps.rank, graph.gaps.edge, ends)
    routes = iter([r[::-1] if back else r for r, back in zip(route_edges(placed), turned, strict=True)])
    centres = [(placed.centre(place), across[place]) for place in range(len(nodes))]
    used = [0] * len(nodes)
    all_routes = []
    for tail, head in edges:
        if tail != head:
            all_routes.append(next(routes))
            continue
        used[tail] += 1
        size = graph.sizes[nodes[tail]]
        all_routes.append(loop_route(centres[tail], size, cores[tail], graph.gaps.edge, used[tail]))
    return _Part(nodes, indices, centres, all_routes, crossings, ranks)


def _ends(graph: _Input, indices: list[int], turned: list[bool]) -> dict[int, Ends]:
    """By edge of the proper graph: where it must meet its ends."""
    if graph.ends is None:
        return {}
    proper = [graph.ends[i] for i in indices if graph.edges[i][0] != graph.edges[i][1]]
    pairs = zip(proper, turned, strict=True)
    return {edge: both[::-1] if back else both for edge, (both, back) in enumerate(pairs) if both != (None, None)}


def _with_loops(size: Point, loops: int, gaps: _Gaps) -> Point:
    """Room for the self-loops beside a node, the same on both sides so that its centre stays in the middle."""
    return (size[0] + 2 * gaps.edge, size[1] + 2 * gaps.edge * loops) if loops else size


def _columns(rows: list[list[int]], sizes: list[Point], rank_gap: float) -> list[tuple[float, float]]:
    columns = []
    start = 0.0
    for row in rows:
        extent = max([sizes[v][0] for v in row if v < len(sizes)], default=0.0)
        columns.append((start, start + extent))
        start += extent + rank_gap
    return columns


def _assemble(graph: _Input, parts: list[_Part], across_first: bool) -> Layout:
    """Put the components beside each other, each moved so that it starts at 0 along, and turn to x and y."""
    centres: list[Point] = [(0.0, 0.0)] * len(graph.sizes)
    routes: list[list[Point]] = [[]] * len(graph.edges)
    ranks = [0] * len(graph.sizes)
    length = breadth = 0.0
    for part in parts:
        low_along, high_along, low, high = _bounds(graph, part)
        breadth += graph.gaps.node if breadth else 0.0
        shift = (-low_along, breadth - low)
        for node, centre, rank in zip(part.nodes, part.centres, part.ranks, strict=True):
            centres[node] = (centre[0] + shift[0], centre[1] + shift[1])
            ranks[node] = rank
        for edge, route in zip(part.edges, part.routes, strict=True):
            moved = [(a + shift[0], b + shift[1]) for a, b in route]
            routes[edge] = [(b, a) for a, b in moved] if across_first else moved
        length = max(length, high_along - low_along)
        breadth += high - low
    along, across = [c[0] for c in centres], [c[1] for c in centres]
    crossings = sum(part.crossings for part in parts)
    if across_first:
        return Layout(across, along, breadth, length, routes, crossings, ranks)
    return Layout(along, across, length, breadth, routes, crossings, ranks)


def _bounds(graph: _Input, part: _Part) -> tuple[float, float, float, float]:
    """Least and greatest along, least and greatest across, of boxes and routes."""
    along: list[float] = []
    across: list[float] = []
    for node, centre in zip(part.nodes, part.centres, strict=True):
        half_length, half_breadth = graph.sizes[node][0] / 2, graph.sizes[node][1] / 2
        along += (centre[0] - half_length, centre[0] + half_length)
        across += (centre[1] - half_breadth, centre[1] + half_breadth)
    for route in part.routes:
        along += [point[0] for point in route]
        across += [point[1] for point in route]
    return min(along), max(along), min(across), max(across)
