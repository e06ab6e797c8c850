"""Coordinates across the ranks: straight long lines, nodes near their neighbours.

Brandes, Köpf: "Fast and Simple Horizontal Coordinate Assignment", GD 2001. Vertices are aligned into blocks with a
median neighbour, once for each of four directions, each alignment is compacted, and the mean of the two middle
values is taken. Differences to the paper: the segments of `trunk.Straight` take the role of the inner segments
(type 1 conflicts are resolved in their favour), and compaction is a longest path over the graph of blocks, which
avoids the known errors of the published class offsets.
"""

from __future__ import annotations

from itertools import pairwise

from .proper import ProperGraph
from .tighten import tighten
from .trunk import Straight


def assign_coordinates(graph: ProperGraph, straight: Straight) -> list[float]:
    """Centre of every vertex across the ranks, neighbours in a rank at least their separation apart."""
    separation = _separations(graph)
    blocked = _type_1_conflicts(graph, straight)
    found = []
    for upward in (True, False):
        for leftward in (True, False):
            root = _align(graph, straight, blocked, upward, leftward)
            found.append(_compact(graph, root, separation, leftward))
    x = _balance(found, graph.breadth)
    return tighten(graph, x, separation, straight)


def _separations(graph: ProperGraph) -> list[float]:
    """Least distance of every vertex from its left neighbour in the row."""
    separation = [0.0] * graph.count
    for row in graph.rows:
        for left, right in pairwise(row):
            separation[right] = graph.separation(left, right)
    return separation


def _type_1_conflicts(graph: ProperGraph, straight: Straight) -> set[tuple[int, int]]:
    """Segments (before, after) that cross or touch a straight one: they are never aligned."""
    position = graph.position
    conflicts = set()
    for row, after in pairwise(graph.rows):
        if len(row) < 2 and len(after) < 2:
            continue
        low, start = 0, 0
        for index, vertex in enumerate(after):
            anchor = straight.above[vertex]
            if anchor < 0 and index < len(after) - 1:
                continue
            high = position[anchor] if anchor >= 0 else len(row) - 1
            for other in after[start : index + 1]:
                for neighbour in graph.upper[other]:
                    if not low <= position[neighbour] <= high and straight.above[other] != neighbour:
                        conflicts.add((neighbour, other))
            low, start = high, index + 1
    return conflicts


def _align(
    graph: ProperGraph, straight: Straight, blocked: set[tuple[int, int]], upward: bool, leftward: bool
) -> list[int]:
    """Vertical alignment with upper (lower) median neighbours, scanning rows from the left (right): block roots."""
    position = graph.position
    neighbours = graph.upper if upward else graph.lower
    partner = straight.above if upward else straight.below
    taken_by = straight.below if upward else straight.above
    root = list(range(graph.count))
    used = bytearray(graph.count)
    step = 1 if leftward else -1
    for row in graph.rows if upward else reversed(graph.rows):
        last = -1 if leftward else graph.count
        for vertex in row if leftward else reversed(row):
            near = neighbours[vertex]
            if not near:
                continue
            if partner[vertex] >= 0:
                candidates = [partner[vertex]]
            else:
                candidates = _medians(near, position, leftward)
            for other in candidates:
                if used[other] or (position[other] - last) * step <= 0:
                    continue
                if partner[vertex] < 0 and taken_by[other] >= 0:
                    continue
                if ((other, vertex) if upward else (vertex, other)) in blocked:
                    continue
                root[vertex] = root[other]
                used[other] = 1
                last = position[other]
                break
    return root


def _medians(near: list[int], position: list[int], leftward: bool) -> list[int]:
    count = len(near)
    if count == 1:
        return near
    ordered = sorted(near, key=position.__getitem__)
    if count % 2:
        return [ordered[count // 2]]
    middle = ordered[count // 2 - 1 : count // 2 + 1]
    return middle if leftward else middle[::-1]


def _compact(graph: ProperGraph, root: list[int], separation: list[float], leftward: bool) -> list[float]:
    """Place every block as far left as its row neighbours let it, then pull it back towards the next blocks."""
    after: dict[int, list[tuple[int, float]]] = {}
    waiting = [0] * graph.count
    for row in graph.rows:
        for left, right in pairwise(row):
            first, second = (root[left], root[right]) if leftward else (root[right], root[left])
            after.setdefault(first, []).append((second, separation[right]))
            waiting[second] += 1
    x = [0.0] * graph.count
    order = [v for v in range(graph.count) if root[v] == v and not waiting[v]]
    for block in order:
        start = x[block]
        for other, distance in after.get(block, ()):
            if start + distance > x[other]:
                x[other] = start + distance
            waiting[other] -= 1
            if not waiting[other]:
                order.append(other)
    for block in reversed(order):
        if block in after:
            x[block] = max(x[block], min([x[other] - distance for other, distance in after[block]]))
    placed = [x[block] for block in root]
    return placed if leftward else [-value for value in placed]


def _balance(found: list[list[float]], breadth: list[float]) -> list[float]:
    """Align the four layouts to the narrowest one and take the mean of the two middle values."""
    lows = [min([a - b / 2 for a, b in zip(x, breadth, strict=True)]) for x in found]
    highs = [max([a + b / 2 for a, b in zip(x, breadth, strict=True)]) for x in found]
    best = min(range(4), key=lambda i: highs[i] - lows[i])
    shifts = [highs[best] - highs[i] if i % 2 else lows[best] - lows[i] for i in range(4)]
    balanced = []
    for values in zip(*found, strict=True):
        ordered = sorted([value + shift for value, shift in zip(values, shifts, strict=True)])
        balanced.append((ordered[1] + ordered[2]) / 2)
    return balanced
