"""Local search for few crossings: median sweeps, transposition, reinsertion of whole paths.

Weighted median and transposition follow Gansner et al. 1993, section 3; swaps that gain nothing are taken now and
then, which leads off plateaus. What they cannot do is move a long edge as a whole, since every single step costs
crossings: `reinsertion` does that.
"""

from __future__ import annotations

from .crossings import crossings_by_gap, swap_gain
from .proper import ProperGraph
from .reinsertion import reinsert_paths

_MOST_SWEEPS, _LEAST_SWEEPS = 40, 3
_WORK = 150_000  # sweeps times vertices
_PATIENCE_SMALL, _PATIENCE_LARGE = 8, 4  # sweeps without fewer crossings
_SMALL = 300  # vertices
_TRANSPOSE_ROUNDS = 16  # for small graphs; a few are enough to make use of a sweep
_FEW_ROUNDS = 3
_REINSERTIONS = 3


def remove_crossings(graph: ProperGraph) -> int:
    """Improve the rows until nothing helps for a while. Returns the crossings left."""
    fewest = sum(crossings_by_gap(graph))
    if fewest:
        fewest = _sweep_until_settled(graph, fewest)
    return polish(graph, fewest) if graph.count <= _SMALL else fewest


def polish(graph: ProperGraph, crossings: int) -> int:
    """Reinsert whole paths while that helps. Returns the crossings left of those given."""
    for _ in range(_REINSERTIONS):
        if not crossings or not reinsert_paths(graph):
            break
        _transpose(graph, with_ties=False)
        crossings = sum(crossings_by_gap(graph))
    return crossings


def _sweep_until_settled(graph: ProperGraph, fewest: int) -> int:
    patience = _PATIENCE_SMALL if graph.count <= _SMALL else _PATIENCE_LARGE
    best, disappointments = [row[:] for row in graph.rows], 0
    for sweep in range(max(_LEAST_SWEEPS, min(_MOST_SWEEPS, _WORK // graph.count))):
        reverse_ties = sweep % 4 >= 2
        _sweep(graph, downward=bool(sweep % 2), reverse_ties=reverse_ties)
        _transpose(graph, with_ties=reverse_ties)
        count = sum(crossings_by_gap(graph))
        disappointments += 1
        if count < fewest:
            fewest, best, disappointments = count, [row[:] for row in graph.rows], 0
        if not fewest or disappointments == patience:
            break
    graph.set_rows(best)
    return fewest


def _sweep(graph: ProperGraph, downward: bool, reverse_ties: bool) -> None:
    rows = graph.rows[1:] if downward else graph.rows[-2::-1]
    fixed = graph.upper if downward else graph.lower
    for row in rows:
        if len(row) > 1:
            _sort_by_median(row, fixed, graph.position, reverse_ties)


def _sort_by_median(row: list[int], fixed: list[list[int]], position: list[int], reverse_ties: bool) -> None:
    """Sort a row in place by the median position of fixed neighbours; vertices without any keep their place."""
    median: dict[int, float] = {}
    for vertex in row:
        neighbours = fixed[vertex]
        if len(neighbours) == 1:
            median[vertex] = position[neighbours[0]]
        elif neighbours:
            median[vertex] = _weighted_median(sorted([position[v] for v in neighbours]))
    movable = [v for v in row if v in median]
    if reverse_ties:
        movable.reverse()
    movable.sort(key=median.__getitem__)
    refill = iter(movable)
    for index, vertex in enumerate(row):
        if vertex in median:
            row[index] = next(refill)
        position[row[index]] = index


def _weighted_median(places: list[int]) -> float:
    """The median, leaning to the denser side when the number of places is even (Gansner et al.)."""
    middle = len(places) // 2
    if len(places) % 2:
        return places[middle]
    low, high = places[middle - 1], places[middle]
    left, right = low - places[0], places[-1] - high
    return (low * right + high * left) / (left + right) if left + right else (low + high) / 2


def _transpose(graph: ProperGraph, with_ties: bool) -> None:
    """Swap neighbours while that removes crossings, in the first round also where it changes nothing."""
    around = [0, *crossings_by_gap(graph), 0]
    active = {rank for rank in range(len(graph.rows)) if around[rank] + around[rank + 1] and len(graph.rows[rank]) > 1}
    for round_ in range(_TRANSPOSE_ROUNDS if graph.count * _LEAST_SWEEPS < _WORK else _FEW_ROUNDS):
        ties = with_ties and not round_
        improved = {rank for rank in sorted(active) if _transpose_row(graph, graph.rows[rank], ties)}
        if not improved and not ties:
            break
        active = active if ties else active & {rank + step for rank in improved for step in (-1, 0, 1)}


def _transpose_row(graph: ProperGraph, row: list[int], ties: bool) -> bool:
    position, improved = graph.position, False
    for index in range(len(row) - 1):
        left, right = row[index], row[index + 1]
        gain = swap_gain(graph, left, right)
        if gain > 0 or (ties and not gain):
            row[index], row[index + 1] = right, left
            position[right], position[left] = index, index + 1
            improved = improved or gain > 0
    return improved
