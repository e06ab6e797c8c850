"""Ranks: the column of every node, every edge pointing to a higher rank, the edges as short as can be in total."""

from __future__ import annotations

from collections.abc import Sequence

from .simplex import Simplex

Edge = tuple[int, int]

# Steps the network simplex may spend: optimal for everyday graphs, a bounded improvement for very large ones.
_WORK_PER_NODE = 400
_WORK_LIMIT = 3_000_000


def back_edges(count: int, edges: Sequence[Edge]) -> list[bool]:
    """Which edges close a cycle, by depth-first search from the sources; turned round, the others are acyclic."""
    outgoing: list[list[int]] = [[] for _ in range(count)]
    has_input = bytearray(count)
    for index, (tail, head) in enumerate(edges):
        outgoing[tail].append(index)
        has_input[head] = 1
    back = [False] * len(edges)
    state = bytearray(count)  # 0 new, 1 on the stack, 2 done
    progress = [0] * count
    for start in [v for v in range(count) if not has_input[v]] + list(range(count)):
        if state[start]:
            continue
        state[start] = 1
        stack = [start]
        while stack:
            vertex = stack[-1]
            if progress[vertex] == len(outgoing[vertex]):
                state[vertex] = 2
                stack.pop()
                continue
            index = outgoing[vertex][progress[vertex]]
            progress[vertex] += 1
            head = edges[index][1]
            if state[head] == 1:
                back[index] = True
            elif not state[head]:
                state[head] = 1
                stack.append(head)
    return back


def topological_order(count: int, edges: Sequence[Edge]) -> list[int]:
    """Nodes of an acyclic graph, tails before heads, ties in index order of discovery."""
    outgoing: list[list[int]] = [[] for _ in range(count)]
    missing = [0] * count
    for tail, head in edges:
        outgoing[tail].append(head)
        missing[head] += 1
    order = [v for v in range(count) if not missing[v]]
    for vertex in order:
        for head in outgoing[vertex]:
            missing[head] -= 1
            if not missing[head]:
                order.append(head)
    return order


def longest_path(count: int, edges: Sequence[Edge], pins: Sequence[int] | None = None) -> list[int]:
    """For every node of an acyclic graph: how many edges the longest path from a source to it has.

    Paths that come from a node held at the beginning, and those that end in one held at the end, count as longer than
    all others: they go on outside.
    """
    consumers: list[list[int]] = [[] for _ in range(count)]
    for tail, head in edges:
        consumers[tail].append(head)
    depth = _depths(consumers, topological_order(count, edges), [count * (pin < 0) for pin in pins or [0] * count])
    return [value + count * (pin > 0) for value, pin in zip(depth, pins or [0] * count, strict=True)]


def _depths(consumers: list[list[int]], order: list[int], start: list[int]) -> list[int]:
    depth = start[:]
    for vertex in order:
        below = depth[vertex] + 1
        for head in consumers[vertex]:
            if depth[head] < below:
                depth[head] = below
    return depth


def assign_ranks(count: int, edges: Sequence[Edge]) -> list[int]:
    """Ranks from 0 of a connected acyclic graph with (nearly, for huge graphs) least total edge span."""
    rank = _pulled_to_consumers(count, edges)
    weight: dict[Edge, int] = {}
    for edge in edges:
        weight[edge] = weight.get(edge, 0) + 1
    tails, heads = [edge[0] for edge in weight], [edge[1] for edge in weight]
    simplex = Simplex(rank, tails, heads, [1] * len(weight), list(weight.values()))
    simplex.run(min(_WORK_PER_NODE * count, _WORK_LIMIT))
    lowest = min(rank)
    return [value - lowest for value in rank]


def pinned(ranks: Sequence[int], pins: Sequence[int], edges: Sequence[Edge]) -> list[int]:
    """The ranks, with sources that are held at the beginning (< 0) in the first and sinks held at the end (1) last.

    Where one of those at the beginning has several edges, nothing else is in the first rank: they part before it.
    """
    tails = [tail for tail, _ in edges if pins[tail] < 0]
    shared = any(not rank and not pin for rank, pin in zip(ranks, pins, strict=True))
    shift = int(shared and len(set(tails)) < len(tails))
    last = max(ranks) + shift
    return [0 if pin < 0 else last if pin > 0 else rank + shift for rank, pin in zip(ranks, pins, strict=True)]


def _pulled_to_consumers(count: int, edges: Sequence[Edge]) -> list[int]:
    """Longest-path ranks with everything that has more or as many consumers than inputs moved next to them.

    A good start saves the simplex most of its pivots: parameters would otherwise all begin in rank 0.
    """
    consumers: list[list[int]] = [[] for _ in range(count)]
    inputs = [0] * count
    for tail, head in edges:
        consumers[tail].append(head)
        inputs[head] += 1
    order = topological_order(count, edges)
    rank = _depths(consumers, order, [0] * count)
    for vertex in reversed(order):
        if consumers[vertex] and len(consumers[vertex]) >= inputs[vertex]:
            rank[vertex] = min(rank[head] for head in consumers[vertex]) - 1
    return rank
