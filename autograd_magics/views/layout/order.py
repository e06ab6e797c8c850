"""Order within the ranks: few crossings, a narrow drawing, operands in the order of their edges.

`sweeps` only finds a local minimum, and which one depends on the start: so it runs from several depth-first orders.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from .operands import balance_operands
from .proper import ProperGraph
from .sweeps import polish, remove_crossings

_PLAIN_STARTS_UP_TO = 6_000  # vertices; larger graphs get the first start only
_SECOND_START_UP_TO = 40_000  # vertices; and where edges cross, a second one
_SHUFFLED_STARTS = 10
_SHUFFLED_WORK = 2_000  # starts times vertices; small graphs with crossings are worth more trials
_TIMES = 3  # a local minimum met so often is taken for the global one
_LONG = 0.4  # of all ranks: an edge that passes so many
_NARROWER = 0.985  # a later start must save this much width when it saves no crossing

Rows = list[list[int]]
Neighbours = list[list[int]]


def order_ranks(graph: ProperGraph) -> int:
    """Give `graph` its rows. Returns the number of crossings between edges of the proper graph."""
    best: Rows = []
    fewest, narrowest, times = 0, 0.0, 0
    for number, start in enumerate(_starts(graph)):
        if number and not _worth_trying(graph, number, fewest, times):
            continue
        graph.set_rows(start())
        crossings = remove_crossings(graph)
        balance_operands(graph)
        width = graph.width_beside_trunk()
        times = 1 if not best or crossings < fewest else times + (crossings == fewest)
        if not best or crossings < fewest or (crossings == fewest and width < narrowest * _NARROWER):
            best, fewest, narrowest = graph.rows, crossings, width
    graph.set_rows(best)
    return polish(graph, fewest)


def _starts(graph: ProperGraph) -> list[Callable[[], Rows]]:
    def shuffled(seed: int) -> Rows:
        random = Random(seed)
        from_sinks = bool(seed % 2)
        onward = graph.upper if from_sinks else graph.lower
        return _depth_first_rows(graph, [sorted(near, key=lambda _: random.random()) for near in onward], from_sinks)

    plain: list[Callable[[], Rows]] = [
        lambda: _depth_first_rows(graph, graph.upper, True),
        lambda: _depth_first_rows(graph, graph.lower, False),
        lambda: _depth_first_rows(graph, _long_edges_first(graph), True),
    ]
    return plain + [lambda seed=seed: shuffled(seed) for seed in range(_SHUFFLED_STARTS)]


def _worth_trying(graph: ProperGraph, number: int, crossings: int, times: int) -> bool:
    """Whether to go on with start `number` when so many crossings are the fewest and were reached so many times."""
    if number < 3 and graph.count <= _PLAIN_STARTS_UP_TO:
        return number == 1 or not crossings  # the third start only saves width
    if number == 1:
        return crossings > 0 and graph.count <= _SECOND_START_UP_TO
    return crossings > 0 and times < _TIMES and number * graph.count <= _SHUFFLED_WORK


def _long_edges_first(graph: ProperGraph) -> Neighbours:
    """Upper neighbours, those that only lead to a very long edge in front: it runs on the other side of the drawing."""
    leads_far = [False] * graph.count
    for vertex in sorted(range(graph.count), key=graph.rank.__getitem__):
        if vertex >= graph.nodes:
            leads_far[vertex] = len(graph.dummies[graph.owner[vertex - graph.nodes]]) > graph.ranks * _LONG
        elif graph.upper[vertex]:
            leads_far[vertex] = all(leads_far[v] for v in graph.upper[vertex])
    return [sorted(near, key=lambda v: not leads_far[v]) if len(near) > 1 else near for near in graph.upper]


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
