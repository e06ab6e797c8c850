"""The proper layered graph: every edge joins neighbouring ranks, long edges run through dummy vertices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from .ranks import Edge, longest_path

# A shared parameter of a long recurrence can ask for millions of dummies; edges beyond this go round the drawing.
DUMMY_BUDGET = 50_000


@dataclass
class ProperGraph:
    """Vertices 0..nodes-1 are nodes, the rest dummies. `rows[r]` lists rank r in order, `position` is its inverse."""

    nodes: int
    edges: Sequence[Edge]  # acyclic
    rank: list[int]  # of every vertex
    upper: list[list[int]]  # neighbours one rank before
    lower: list[list[int]]  # neighbours one rank after
    dummies: list[range]  # of every edge, from tail to head
    owner: list[int]  # the edge of dummy `nodes + i`
    around: list[int]  # edges that are not in the graph: routed round the drawing
    breadth: list[float]  # extent of every vertex across the ranks, 0 for dummies
    gaps: tuple[float, float, float]  # least distance of two nodes, of a node and an edge, of two edges
    ranks: int  # how many
    depth: list[int]  # of every node: edges of the longest path to it, see `longest_path`
    entries: set[int] = field(default_factory=set)  # nodes held at the beginning: lines from outside
    precedence: list[int] = field(default_factory=list)  # of every node: that of the entry of its longest path, or 0
    trunk: set[int] = field(default_factory=set)  # the vertices of a longest path
    stiff: set[int] = field(default_factory=set)  # edges that should be straight even where operands are symmetric
    rows: list[list[int]] = field(default_factory=list)
    position: list[int] = field(default_factory=list)

    @property
    def count(self) -> int:
        """Number of vertices, dummies included."""
        return len(self.rank)

    def separation(self, left: int, right: int) -> float:
        """Least distance between the centres of two neighbours of a row."""
        gap = self.gaps[(left >= self.nodes) + (right >= self.nodes)]
        return (self.breadth[left] + self.breadth[right]) / 2 + gap

    def path(self, edge: int) -> list[int]:
        """The vertices an edge runs through, ends included."""
        tail, head = self.edges[edge]
        return [tail, *self.dummies[edge], head]

    def width_beside_trunk(self) -> float:
        """Extent across the ranks if the trunk is straight: the widest side before it plus the widest after it."""
        before = after = 0.0
        for row in self.rows:
            sides, total = 0.0, self.breadth[row[0]] / 2
            for left, right in pairwise(row):
                if left in self.trunk:
                    sides = total
                total += self.separation(left, right)
            if row[-1] in self.trunk:
                sides = total
            before = max(before, sides)
            after = max(after, total + self.breadth[row[-1]] / 2 - sides)
        return before + after

    def set_rows(self, rows: list[list[int]]) -> None:
        """Take over an order, updating `position`."""
        self.rows = rows
        self.position = [0] * self.count
        for rank, row in enumerate(rows):
            self.set_row(rank, row)

    def set_row(self, rank: int, row: list[int]) -> None:
        """Take over the order of one rank."""
        self.rows[rank] = row
        for index, vertex in enumerate(row):
            self.position[vertex] = index


def proper_graph(
    breadth: Sequence[float],
    edges: Sequence[Edge],
    rank: Sequence[int],
    gaps: tuple[float, float],
    budget: int = DUMMY_BUDGET,
    pins: Sequence[int] | None = None,
) -> ProperGraph:
    """Insert dummies, shortest edges first, until the budget is used up. `gaps` = (between nodes, between edges).

    `pins` as in `ranks.pinned`.
    """
    nodes = len(breadth)
    levels = list(rank)
    span = [levels[head] - levels[tail] - 1 for tail, head in edges]
    dummies = [range(0)] * len(edges)
    owner: list[int] = []
    around: list[int] = []
    indices = range(len(edges)) if sum(span) <= budget else sorted(range(len(edges)), key=span.__getitem__)
    for edge in indices:
        if len(owner) + span[edge] > budget:
            around.append(edge)
        elif span[edge]:
            first = nodes + len(owner)
            dummies[edge] = range(first, first + span[edge])
            owner += [edge] * span[edge]
            low = levels[edges[edge][0]] + 1
            levels += range(low, low + span[edge])
    upper: list[list[int]] = [[] for _ in levels]
    lower: list[list[int]] = [[] for _ in levels]
    breadths = [*breadth, *([0.0] * len(owner))]
    three_gaps = (gaps[0], (gaps[0] + gaps[1]) / 2, gaps[1])
    ranks, depth = max(rank) + 1, longest_path(nodes, edges, pins)
    graph = ProperGraph(
        nodes, edges, levels, upper, lower, dummies, owner, sorted(around), breadths, three_gaps, ranks, depth
    )
    graph.entries = {node for node, pin in enumerate(pins or ()) if pin < 0}
    graph.precedence = _precedence(graph, pins or [0] * nodes)
    _link(graph)
    graph.trunk = _longest(graph)
    return graph


def _link(graph: ProperGraph) -> None:
    around = set(graph.around)
    for edge in range(len(graph.edges)):
        if edge not in around:
            for before, after in pairwise(graph.path(edge)):
                graph.lower[before].append(after)
                graph.upper[after].append(before)


def _precedence(graph: ProperGraph, pins: Sequence[int]) -> list[int]:
    precedence = [max(0, -pin) for pin in pins]
    depth = graph.depth
    if graph.entries:
        for tail, head in sorted(graph.edges, key=lambda edge: depth[edge[0]]):
            if depth[tail] + 1 == depth[head]:
                precedence[head] = max(precedence[head], precedence[tail])
    return precedence


def _longest(graph: ProperGraph) -> set[int]:
    """The vertices of one longest path of nodes, dummies of its edges included."""
    depth = graph.depth
    incoming: list[list[int]] = [[] for _ in range(graph.nodes)]
    for edge, (_, head) in enumerate(graph.edges):
        incoming[head].append(edge)
    vertex = max(range(graph.nodes), key=depth.__getitem__)
    found = {vertex}
    while incoming[vertex]:
        edge = max(incoming[vertex], key=lambda e: depth[graph.edges[e][0]])
        found.update(graph.path(edge))
        vertex = graph.edges[edge][0]
    return found
