"""Where edges meet the drawn shapes of their nodes.

Several edges on one side of a node keep apart, in the order of the vertices they come from or go to; an edge that
runs straight on meets the middle, and so does an edge that is alone on its side.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from .proper import ProperGraph

Point = tuple[float, float]
Core = tuple[float, float, str]  # extent along, extent across, shape
Ends = tuple[float | None, float | None]  # across from the middle of the tail and of the head, None for anywhere

_BOX_SHARE = 0.35  # of the breadth of a core: edges meet a box this far from its middle at most
_CIRCLE_SHARE = 0.65  # of the radius: so much across from the middle is about 40 degrees
_SAME = 0.05  # pixels: nearer than this counts as the same place


@dataclass
class Placed:
    """A component with coordinates: what routing needs to know."""

    graph: ProperGraph
    across: list[float]  # of every vertex
    column: list[tuple[float, float]]  # start and end of every rank along
    extents: Sequence[float]  # of the boxes of the nodes, along
    cores: Sequence[Core]
    rank_gap: float
    edge_gap: float
    ends: dict[int, Ends] = field(default_factory=dict)  # of the edges that must meet a node at a certain place
    reach: tuple[list[Point], list[Point]] = field(init=False)  # least and greatest across of neighbours before, after

    def __post_init__(self) -> None:
        self.reach = (self._reach(self.graph.upper), self._reach(self.graph.lower))
        for edge, (at_tail, at_head) in self.ends.items():
            path = self.graph.path(edge)
            self._widen(self.reach[0], path[1], path[0], at_tail or 0.0)
            self._widen(self.reach[1], path[-2], path[-1], at_head or 0.0)

    def _widen(self, reach: list[Point], vertex: int, node: int, shift: float) -> None:
        level = self.across[node] + shift
        reach[vertex] = (min(reach[vertex][0], level), max(reach[vertex][1], level))

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


def assign_ports(placed: Placed, offsets: dict[int, float], at_tail: bool) -> list[Point]:
    """For every edge the point where it leaves its tail, or enters its head."""
    graph = placed.graph
    around = set(graph.around)
    sides: list[list[tuple[float, int]]] = [[] for _ in range(graph.nodes)]
    for edge in range(len(graph.edges)):
        path = graph.path(edge)
        node, other = (path[0], path[1]) if at_tail else (path[-1], path[-2])
        far = placed.ends.get(edge, (None, None))[at_tail] if len(path) == 2 else None
        towards = math.inf if edge in around else placed.across[other] + (far or offsets.get(edge, 0.0))
        sides[node].append((towards - placed.across[node], edge))
    ports = [(0.0, 0.0)] * len(graph.edges)
    for node, side in enumerate(sides):
        for edge, shift in _shifts(placed, node, side).items():
            fixed = placed.ends.get(edge, (None, None))[not at_tail]
            ports[edge] = _on_border(placed, node, shift if fixed is None else fixed, 1 if at_tail else -1)
    return ports


def _shifts(placed: Placed, node: int, side: list[tuple[float, int]]) -> dict[int, float]:
    """How far from the middle each edge of one side of a node meets it."""
    if len(side) < 2:
        return {edge: 0.0 for _, edge in side}
    _, breadth, shape = placed.cores[node]
    limit = breadth / 2 * _CIRCLE_SHARE if shape == "circle" else breadth * _BOX_SHARE
    shifts = {edge: 0.0 for _, edge in side}
    for sign in (-1, 1):
        edges = [edge for distance, edge in sorted(side, key=lambda pair: abs(pair[0])) if distance * sign > _SAME]
        step = min(placed.edge_gap, limit / len(edges)) if edges else 0.0
        for place, edge in enumerate(edges, 1):
            shifts[edge] = sign * step * place
    return shifts


def _on_border(placed: Placed, node: int, shift: float, side: int) -> Point:
    extent, _, shape = placed.cores[node]
    half = extent / 2
    if shape == "circle":
        half = math.sqrt(max(half * half - shift * shift, 0.0))
    return placed.centre(node) + side * half, placed.across[node] + shift
