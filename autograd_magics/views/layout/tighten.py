"""Improve given coordinates without bending a straight line: a narrower drawing, then shorter edges.

Vertices move in rigid blocks: the straight lines, and a node with the operands that stand symmetrically before it.
"""

from __future__ import annotations

from .blocks import Blocks, rigid_blocks
from .proper import ProperGraph
from .squeeze import squeeze
from .trunk import Straight

_ROUNDS = 8
_LEAST_MOVE = 0.01  # pixels


def tighten(graph: ProperGraph, x: list[float], separation: list[float], straight: Straight) -> list[float]:
    """Coordinates with the same order and at least the same separations, no wider and with edges no longer in sum.

    `straight` loses the segments that had to be bent to come near the width of the widest rank.
    """
    x = x[:]
    _shorten(graph, x, separation, rigid_blocks(graph, x, straight))
    if squeeze(graph, x, separation, straight):
        _shorten(graph, x, separation, rigid_blocks(graph, x, straight))
    return x


def _shorten(graph: ProperGraph, x: list[float], separation: list[float], blocks: Blocks) -> None:
    """Move each block to the median of its neighbours as far as its rows allow, in alternating sweeps."""
    outside = [
        [other for v in block for near in (graph.upper, graph.lower) for other in near[v] if blocks.of[other] != index]
        for index, block in enumerate(blocks.members)
    ]
    sources = [
        [v for v in block for near in (graph.upper, graph.lower) for other in near[v] if blocks.of[other] != index]
        for index, block in enumerate(blocks.members)
    ]
    for round_ in range(_ROUNDS):
        moved = False
        for index in range(len(outside)) if round_ % 2 else range(len(outside) - 1, -1, -1):
            if not outside[index]:
                continue
            shift = _median_shift([x[v] - x[u] for v, u in zip(outside[index], sources[index], strict=True)])
            if shift:
                shift = _allowed_shift(graph, x, separation, blocks, index, shift)
            if abs(shift) > _LEAST_MOVE:
                moved = True
                for vertex in blocks.members[index]:
                    x[vertex] += shift
        if not moved:
            break


def _median_shift(distances: list[float]) -> float:
    """How far to the nearest point between the two middle values: there the total distance is least."""
    distances.sort()
    low, high = distances[(len(distances) - 1) // 2], distances[len(distances) // 2]
    return low if low > 0 else high if high < 0 else 0.0


def _allowed_shift(
    graph: ProperGraph, x: list[float], separation: list[float], blocks: Blocks, index: int, shift: float
) -> float:
    rows, position, rank, of = graph.rows, graph.position, graph.rank, blocks.of
    for vertex in blocks.members[index]:
        row, place = rows[rank[vertex]], position[vertex]
        if shift < 0 and place:
            left = row[place - 1]
            if of[left] != index:
                shift = max(shift, min(0.0, x[left] + separation[vertex] - x[vertex]))
        elif shift > 0 and place + 1 < len(row):
            right = row[place + 1]
            if of[right] != index:
                shift = min(shift, max(0.0, x[right] - separation[right] - x[vertex]))
        if not shift:
            break
    return shift
