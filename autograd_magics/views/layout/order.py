"""Order within the ranks: few crossings, a narrow drawing, operands in the order of their edges.

Layer sweeps with barycentres (Sugiyama, Tagawa, Toda 1981) and adjacent transposition (Gansner et al. 1993), from
several depth-first starts: sweeps only find a local minimum, and which one depends on the start.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from .crossings import crossings_by_gap, swap_gain
from .operands import balance_operands
from .proper import ProperGraph

_SWEEPS = 24
_PATIENCE = 4  # sweeps without fewer crossings
_TRANSPOSE_ROUNDS = 8
_PLAIN_STARTS_UP_TO = 6_000  # vertices; larger graphs get the first start only, and a second where edges cross
_SHUFFLED_STARTS_UP_TO = 700  # vertices; small graphs with crossings are worth more trials
_SHUFFLED_STARTS = 8
_NARROWER = 0.97  # a later start must save this much width when it saves no crossing

Rows = list[list[int]]
Neighbours = list[list[int]]


def order_ranks(graph: ProperGraph) -> int:
    """Give `graph` its rows. Returns the number of crossings between edges of the proper graph."""
    best: Rows = []
    fewest, narrowest = 0, 0.0
    for number, start in enumerate(_starts(graph)):
        if number and not _worth_trying(graph, number, fewest):
            continue
        graph.set_rows(start())
        _sweep_until_settled(graph)
        balance_operands(graph)
        crossings, width = sum(crossings_by_gap(graph)), _width_beside_trunk(graph)
        if not best or crossings < fewest or (crossings == fewest and width < narrowest * _NARROWER):
            best, fewest, narrowest = graph.rows, crossings, width
    graph.set_rows(best)
    return fewest


def _starts(graph: ProperGraph) -> list[Callable[[], Rows]]:
    def shuffled(seed: int) -> Rows:
        random = Random(seed)
        return _depth_first_rows(graph, [sorted(near, key=lambda _: random.random()) for near in graph.upper], True)

    plain: list[Callable[[], Rows]] = [
        lambda: _depth_first_rows(graph, graph.upper, True),
        lambda: _depth_first_rows(graph, graph.lower, False),
        lambda: _depth_first_rows(graph, _long_edges_first(graph), True),
    ]
    return plain + [lambda seed=seed: shuffled(seed) for seed in range(_SHUFFLED_STARTS)]


def _worth_trying(graph: ProperGraph, number: int, crossings: int) -> bool:
    if number < 3 and graph.count <= _PLAIN_STARTS_UP_TO:
        return True
    return crossings > 0 and (number == 1 or graph.count <= _SHUFFLED_STARTS_UP_TO)


def _long_edges_first(graph: ProperGraph) -> Neighbours:
    """Upper neighbours with the ends of long edges in front: these then run on the other side of the drawing."""
    return [sorted(near, key=lambda v: v < graph.nodes) if len(near) > 1 else near for near in graph.upper]


def _depth_first_rows(graph: ProperGraph, onward: Neighbours, from_sinks: bool) -> Rows:
    """Each vertex enters its row when depth-first search meets it: subtrees stay together, operands in order."""
    behind = graph.lower if from_sinks else graph.upper
    starts = [v for v in range(graph.nodes) if not behind[v]]
    starts.sort(key=graph.rank.__getitem__, reverse=from_sinks)
    rows: Rows = [[] for _ in range(graph.ranks)]
    seen = bytearray(graph.count)
    for start in starts:
        stack = [start]
        while stack:
            vertex = stack.pop()
            if seen[vertex]:
                continue
            seen[vertex] = 1
            rows[graph.rank[vertex]].append(vertex)
            stack += [v for v in reversed(onward[vertex]) if not seen[v]]
    return rows


def _width_beside_trunk(graph: ProperGraph) -> float:
    """Extent across the ranks if the trunk is straight: the widest side before it plus the widest after it."""
    before = after = 0.0
    for row in graph.rows:
        sides, total = 0.0, graph.breadth[row[0]] / 2
        for left, right in zip(row, row[1:]):
            if left in graph.trunk:
                sides = total
            total += graph.separation(left, right)
        if row[-1] in graph.trunk:
            sides = total
        before = max(before, sides)
        after = max(after, total + graph.breadth[row[-1]] / 2 - sides)
    return before + after


def _sweep_until_settled(graph: ProperGraph) -> None:
    gaps = crossings_by_gap(graph)
    fewest, best, disappointments = sum(gaps), [row[:] for row in graph.rows], 0
    for sweep in range(_SWEEPS):
        if not fewest or disappointments == _PATIENCE:
            break
        _sweep(graph, downward=bool(sweep % 2), reverse_ties=sweep % 4 >= 2)
        _transpose(graph, crossings_by_gap(graph))
        count = sum(crossings_by_gap(graph))
        disappointments += 1
        if count < fewest:
            fewest, best, disappointments = count, [row[:] for row in graph.rows], 0
    graph.set_rows(best)


def _sweep(graph: ProperGraph, downward: bool, reverse_ties: bool) -> None:
    rows = graph.rows[1:] if downward else graph.rows[-2::-1]
    fixed = graph.upper if downward else graph.lower
    for row in rows:
        if len(row) > 1:
            _sort_by_barycentre(row, fixed, graph.position, reverse_ties)


def _sort_by_barycentre(row: list[int], fixed: Neighbours, position: list[int], reverse_ties: bool) -> None:
    """Sort a row in place by the mean position of fixed neighbours; vertices without neighbours keep their place."""
    centre = {}
    for vertex in row:
        neighbours = fixed[vertex]
        if len(neighbours) == 1:
            centre[vertex] = position[neighbours[0]]
        elif neighbours:
            centre[vertex] = sum([position[v] for v in neighbours]) / len(neighbours)
    movable = [v for v in row if v in centre]
    if reverse_ties:
        movable.reverse()
    movable.sort(key=centre.__getitem__)
    refill = iter(movable)
    for index, vertex in enumerate(row):
        if vertex in centre:
            row[index] = next(refill)
        position[row[index]] = index


def _transpose(graph: ProperGraph, gaps: list[int]) -> None:
    """Swap neighbours while that removes crossings, only in rows that touch a gap with crossings."""
    around = [0, *gaps, 0]
    active = [row for row, before, after in zip(graph.rows, around, around[1:]) if len(row) > 1 and before + after]
    for _ in range(_TRANSPOSE_ROUNDS):
        active = [row for row in active if _transpose_row(graph, row)]
        if not active:
            break


def _transpose_row(graph: ProperGraph, row: list[int]) -> bool:
    position, changed = graph.position, False
    for index in range(len(row) - 1):
        left, right = row[index], row[index + 1]
        if swap_gain(graph, left, right) > 0:
            row[index], row[index + 1] = right, left
            position[right], position[left] = index, index + 1
            changed = True
    return changed
