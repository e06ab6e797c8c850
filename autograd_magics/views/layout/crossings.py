"""Counting crossings between neighbouring ranks.

A crossing is an inversion among the ends of the edges (Barth, Jünger, Mutzel: "Simple and Efficient Bilayer Cross
Counting", GD 2002, JGAA 8 (2004)); here with a sorted list in place of their accumulator tree.
"""

from __future__ import annotations

from bisect import bisect_right, insort

from .proper import ProperGraph


def crossings_by_gap(graph: ProperGraph) -> list[int]:
    """Crossings between rank r and r + 1, for every r."""
    return [crossings_between(graph, rank) for rank in range(len(graph.rows) - 1)]


def crossings_between(graph: ProperGraph, rank: int) -> int:
    """Crossings of the edges from `rank` to the next one."""
    row = graph.rows[rank]
    if len(row) < 2 or len(graph.rows[rank + 1]) < 2:
        return 0
    position, lower = graph.position, graph.lower
    ends: list[int] = []
    for vertex in row:
        below = lower[vertex]
        if len(below) == 1:
            ends.append(position[below[0]])
        else:
            ends += sorted([position[v] for v in below])
    if ends == sorted(ends):  # the usual case, at the speed of C
        return 0
    count = 0
    passed: list[int] = []
    for end in ends:
        count += len(passed) - bisect_right(passed, end)
        insort(passed, end)
    return count


def swap_gain(graph: ProperGraph, left: int, right: int) -> int:
    """Crossings that vanish when two neighbours of a row trade places (negative: that appear)."""
    position, gain = graph.position, 0
    for neighbours in (graph.upper, graph.lower):
        theirs = neighbours[right]
        if not theirs:
            continue
        for a in neighbours[left]:
            place = position[a]
            for b in theirs:
                other = position[b]
                if place > other:
                    gain += 1
                elif place < other:
                    gain -= 1
    return gain
