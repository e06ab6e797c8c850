"""Bring given coordinates to the least width that the straight lines allow, bending long edges where they forbid it.

With all blocks rigid, the width is a longest path over the blocks: row by row it adds up separations, and where a
straight line is entered in one rank and left in another one, two wide ranks add up. Such a line is cut at a dummy.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from .blocks import Blocks, rigid_blocks
from .proper import ProperGraph
from .trunk import Straight

_WORK = 20_000  # vertices visited while looking for lines to bend
_ENOUGH = 1.02  # of the width of the widest rank beside the trunk
_TOO_WIDE = 1.2  # times the goal: then lines between nodes are bent, too
_WORTH = 1.0  # pixels


@dataclass
class _Spread:
    """Blocks pushed to the left: their shifts, what each one leans on, and the width that results."""

    blocks: Blocks
    after: list[list[tuple[int, float]]]  # for every block: the next blocks, least difference of the shifts
    order: list[int]
    shift: list[float]
    leans: list[tuple[int, int] | None]  # the two row neighbours (left, right) that set the shift
    width: float
    last: int  # the vertex at the right edge


def squeeze(graph: ProperGraph, x: list[float], separation: list[float], straight: Straight) -> bool:
    """Shift blocks into the least width, each as little as possible. Returns whether anything moved."""
    left = min(a - b / 2 for a, b in zip(x, graph.breadth, strict=True))
    right = max(a + b / 2 for a, b in zip(x, graph.breadth, strict=True))
    goal = graph.width_beside_trunk() * _ENOUGH
    if right - left <= goal:
        return False
    spread = _push_left(graph, x, separation, straight, left)
    work = _WORK
    while spread and spread.width > goal and work > 0:
        segment = _bottleneck(graph, spread, straight, goal * _TOO_WIDE)
        if segment is None:
            break
        straight.below[segment[0]] = straight.above[segment[1]] = -1
        spread = _push_left(graph, x, separation, straight, left)
        work -= graph.count
    if spread is None or right - left - spread.width < _WORTH:
        return False
    _clamp(graph, x, spread, left, right)
    return True


def _push_left(
    graph: ProperGraph, x: list[float], separation: list[float], straight: Straight, left: float
) -> _Spread | None:
    """Least shifts that keep all separations and the left edge; None if blocks interlock."""
    blocks = rigid_blocks(graph, x, straight)
    after: list[list[tuple[int, float]]] = [[] for _ in blocks.members]
    pairs: list[list[tuple[int, int]]] = [[] for _ in blocks.members]
    waiting = [0] * len(after)
    for row in graph.rows:
        for a, b in pairwise(row):
            first, second = blocks.of[a], blocks.of[b]
            if first != second:
                after[first].append((second, separation[b] - (x[b] - x[a])))
                pairs[first].append((a, b))
                waiting[second] += 1
    shift = [max([left - x[v] + graph.breadth[v] / 2 for v in block], default=0.0) for block in blocks.members]
    leans: list[tuple[int, int] | None] = [None] * len(after)
    order = [block for block, count in enumerate(waiting) if not count]
    for block in order:
        for (other, distance), pair in zip(after[block], pairs[block], strict=True):
            if shift[block] + distance > shift[other]:
                shift[other], leans[other] = shift[block] + distance, pair
            waiting[other] -= 1
            if not waiting[other]:
                order.append(other)
    if len(order) < len(after):
        return None
    ends = [x[v] + shift[block] + graph.breadth[v] / 2 for v, block in enumerate(blocks.of)]
    last = max(range(graph.count), key=ends.__getitem__)
    return _Spread(blocks, after, order, shift, leans, ends[last] - left, last)


def _bottleneck(graph: ProperGraph, spread: _Spread, straight: Straight, too_wide: float) -> tuple[int, int] | None:
    """A segment to bend: on a line that joins two ranks of the longest path, best where a long edge leaves a node."""
    leave, fallback = spread.last, None
    while True:
        lean = spread.leans[spread.blocks.of[leave]]
        if lean is None:
            return fallback
        enter = lean[1]
        top, bottom = sorted((enter, leave), key=graph.rank.__getitem__)
        vertex = top
        while vertex != bottom and straight.below[vertex] >= 0:
            segment = (vertex, straight.below[vertex])
            nodes = (segment[0] < graph.nodes) + (segment[1] < graph.nodes)
            if vertex not in graph.trunk:
                if nodes == 1:
                    return segment
                if fallback is None and (not nodes or spread.width > too_wide):
                    fallback = segment
            vertex = segment[1]
        leave = lean[0]


def _clamp(graph: ProperGraph, x: list[float], spread: _Spread, left: float, right: float) -> None:
    """Every shift clamped between its least and its greatest value keeps all separations.

    (The larger, or the smaller, of two solutions of difference constraints is a solution as well.)
    """
    frame = left + spread.width
    blocks = spread.blocks
    greatest = [min([frame - x[v] - graph.breadth[v] / 2 for v in block], default=0.0) for block in blocks.members]
    for block in reversed(spread.order):
        for other, distance in spread.after[block]:
            greatest[block] = min(greatest[block], greatest[other] - distance)
    trunk = blocks.of[min(graph.trunk)]
    free = -(spread.shift[trunk] + greatest[trunk]) / 2
    offset = max(0.0, min(right - left - spread.width, free))
    for vertex, block in enumerate(blocks.of):
        x[vertex] += max(spread.shift[block] + offset, min(greatest[block] + offset, 0.0))
