"""Take a chain of vertices (a long edge, or one node) out of its rows and put it back where it crosses least.

The cheapest place in every row is found by dynamic programming over the ranks: the cost of a place is the crossings
of the vertex' own edges there, the cost of going from a place to one in the next rank is the edges passed between.
"""

from __future__ import annotations

from itertools import accumulate

from .crossings import crossings_between, crossings_by_gap
from .proper import ProperGraph

_WORK = 60_000  # pairs of places compared in one call of `reinsert_paths`


def reinsert_paths(graph: ProperGraph) -> int:
    """Reinsert every chain and every other vertex that touches crossings. Returns the crossings removed."""
    removed, work = 0, _WORK
    around = [0, *crossings_by_gap(graph), 0]
    for path in _chains(graph):
        ranks = [graph.rank[vertex] for vertex in path]
        if not any(around[ranks[0] : ranks[-1] + 2]):
            continue
        work -= sum(len(graph.rows[rank]) ** 2 for rank in ranks)
        if work < 0:
            break
        removed += _reinsert(graph, path, ranks)
    return removed


def _chains(graph: ProperGraph) -> list[list[int]]:
    """Long edges prolonged by the nodes with one input and one consumer at their ends; each other vertex alone."""
    upper, lower = graph.upper, graph.lower

    def is_link(vertex: int) -> bool:
        return len(upper[vertex]) == 1 and len(lower[vertex]) == 1

    chains = []
    for vertex in range(graph.count):
        if not is_link(vertex):
            chains.append([vertex])
        elif not is_link(upper[vertex][0]):
            chain = [vertex]
            while is_link(lower[chain[-1]][0]):
                chain.append(lower[chain[-1]][0])
            chains.append(chain)
    return chains


def _reinsert(graph: ProperGraph, path: list[int], ranks: list[int]) -> int:
    rest = [[v for v in graph.rows[rank] if v != vertex] for rank, vertex in zip(ranks, path, strict=True)]
    places = _cheapest_places(graph, path, rest)
    gaps = range(max(ranks[0] - 1, 0), min(ranks[-1] + 1, len(graph.rows) - 1))
    old_rows = [graph.rows[rank] for rank in ranks]
    old = sum(crossings_between(graph, gap) for gap in gaps)
    for rank, vertex, row, place in zip(ranks, path, rest, places, strict=True):
        graph.set_row(rank, row[:place] + [vertex] + row[place:])
    removed = old - sum(crossings_between(graph, gap) for gap in gaps)
    if removed > 0:
        return removed
    for rank, row in zip(ranks, old_rows, strict=True):
        graph.set_row(rank, row)
    return 0


def _cheapest_places(graph: ProperGraph, path: list[int], rest: list[list[int]]) -> list[int]:
    on_path = set(path)
    cost = _own_crossings(graph, path[0], rest[0], on_path)
    origins: list[list[int]] = []
    for index in range(1, len(path)):
        steps = _passed_edges(graph, rest[index - 1], rest[index])
        own = _own_crossings(graph, path[index], rest[index], on_path)
        origin, next_cost = [], []
        for place, crossings in enumerate(own):
            sums = [before + row[place] for before, row in zip(cost, steps, strict=True)]
            least = min(sums)
            origin.append(sums.index(least))
            next_cost.append(least + crossings)
        origins.append(origin)
        cost = next_cost
    places = [cost.index(min(cost))]
    for origin in reversed(origins):
        places.append(origin[places[-1]])
    return places[::-1]


def _own_crossings(graph: ProperGraph, vertex: int, rest: list[int], on_path: set[int]) -> list[int]:
    """For every place in the row: crossings of the edges of `vertex` that are not part of the path."""
    position = graph.position
    cost = [0] * (len(rest) + 1)
    for neighbours in (graph.upper, graph.lower):
        mine = [position[v] for v in neighbours[vertex] if v not in on_path]
        if not mine:
            continue
        changes = [0]  # the first place, where all others come after; then each other vertex passed
        for other in rest:
            theirs = [position[v] for v in neighbours[other] if v not in on_path]
            beyond = sum(1 for place in theirs for own in mine if place > own)
            short = sum(1 for place in theirs for own in mine if place < own)
            changes[0] += short
            changes.append(beyond - short)
        cost = [before + crossings for before, crossings in zip(cost, accumulate(changes), strict=True)]
    return cost


def _passed_edges(graph: ProperGraph, row: list[int], after: list[int]) -> list[list[int]]:
    """Edges between two rows that a segment from place p to place q crosses, as a table [p][q]."""
    place_after = {vertex: place for place, vertex in enumerate(after)}
    table = [[0] * (len(after) + 1)]
    ends = [[place_after[v] for v in graph.lower[vertex] if v in place_after] for vertex in row]
    for end in (end for some in ends for end in some):
        for place in range(end + 1, len(after) + 1):
            table[0][place] += 1
    for some in ends:
        line = table[-1][:]
        for end in some:
            for place in range(len(line)):
                line[place] += 1 if end >= place else -1
        table.append(line)
    return table
