"""The straight lines of the drawing: the trunk, the branches, and the inner segments of long edges.

The graph is cut into paths, longest first: the trunk follows the deepest operand. Paths and the dummies of long
edges are to be drawn straight; where two such segments cross, the one of the longer path wins.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from itertools import pairwise

from .proper import ProperGraph

# Two operands this short (in edges) and equally deep stand symmetrically instead of one of them on the line.
_SYMMETRIC_DEPTH = 2


@dataclass
class Straight:
    """For every vertex the vertex one rank before / after that must share its coordinate, or -1."""

    above: list[int]
    below: list[int]


def straight_segments(graph: ProperGraph) -> Straight:
    """Pick the segments that stay straight; chosen segments never cross each other and form disjoint paths."""
    place = _paths(graph)
    wanted: list[list[tuple[int, int, int]]] = [[] for _ in graph.rows]
    around = set(graph.around)
    for edge in range(len(graph.edges)):
        if edge in around:
            continue
        path = graph.path(edge)
        precedence = place[edge]
        if precedence < 0:
            path, precedence = path[1:-1], len(graph.edges) + edge
        for before, after in pairwise(path):
            wanted[graph.rank[before]].append((precedence, before, after))
    straight = Straight([-1] * graph.count, [-1] * graph.count)
    for segments in wanted:
        for before, after in _without_crossings(segments, graph.position):
            straight.below[before], straight.above[after] = after, before
    return straight


def _paths(graph: ProperGraph) -> list[int]:
    """Cut the nodes into paths. Returns, for every edge, the number of its path (0 is the trunk) or -1."""
    depth = graph.depth
    incoming: list[list[int]] = [[] for _ in range(graph.nodes)]
    consumers = [0] * graph.nodes
    around = set(graph.around)
    for edge, (tail, head) in enumerate(graph.edges):
        consumers[tail] += 1
        if edge not in around:
            incoming[head].append(edge)
    place = [-1] * len(graph.edges)
    continued, visited = bytearray(graph.nodes), bytearray(graph.nodes)
    paths = 0
    for start in sorted(range(graph.nodes), key=lambda v: -depth[v]):
        vertex = start
        while not visited[vertex]:
            visited[vertex] = 1
            edge = _deepest_operand(graph, incoming[vertex], depth, consumers, continued)
            if edge < 0:
                break
            tail = graph.edges[edge][0]
            continued[tail] = 1
            if consumers[tail] > 1 or edge in graph.stiff or not _symmetric(graph, incoming[vertex], depth, tail):
                place[edge] = paths
            vertex = tail
        paths += 1
    return place


def _deepest_operand(
    graph: ProperGraph, incoming: list[int], depth: list[int], consumers: list[int], continued: bytearray
) -> int:
    """The edge from the deepest operand that no path leaves yet; of equals the most used one, -1 if there is none.

    Of equals in this, the one at the end of the line from outside that takes precedence.
    """
    best, most = -1, (-1, False, -1, -1)
    for edge in incoming:
        tail = graph.edges[edge][0]
        value = (depth[tail], edge in graph.stiff, consumers[tail], graph.precedence[tail])
        if not continued[tail] and value > most:
            best, most = edge, value
    return best


def _symmetric(graph: ProperGraph, incoming: list[int], depth: list[int], tail: int) -> bool:
    """Whether the deepest operand is one of several short ones of the same depth."""
    if depth[tail] > _SYMMETRIC_DEPTH:
        return False
    return any(depth[other] == depth[tail] and other != tail for other in (graph.edges[e][0] for e in incoming))


def _without_crossings(segments: list[tuple[int, int, int]], position: list[int]) -> list[tuple[int, int]]:
    """Segments between two ranks, by precedence, leaving out each one that meets or crosses one already taken."""
    taken: list[tuple[int, int]] = []  # positions of both ends, sorted
    kept = []
    for _, before, after in sorted(segments):
        ends = (position[before], position[after])
        index = bisect_left(taken, ends)
        if index and taken[index - 1][1] >= ends[1]:
            continue
        if index < len(taken) and (taken[index][0] == ends[0] or taken[index][1] <= ends[1]):
            continue
        if index and taken[index - 1][0] == ends[0]:
            continue
        taken.insert(index, ends)
        kept.append((before, after))
    return kept
