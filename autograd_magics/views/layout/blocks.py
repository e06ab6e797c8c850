"""Rigid blocks of vertices: what moves as one once the straight lines are chosen."""

from __future__ import annotations

from dataclasses import dataclass

from .proper import ProperGraph
from .trunk import Straight

_SYMMETRY = 0.5  # pixels


@dataclass
class Blocks:
    """`members` of every block (it may be empty) and the block `of` every vertex."""

    members: list[list[int]]
    of: list[int]


def rigid_blocks(graph: ProperGraph, x: list[float], straight: Straight) -> Blocks:
    """The straight lines, and every node together with the operands that stand symmetrically before it."""
    blocks = Blocks([], [-1] * graph.count)
    for row in graph.rows:
        for vertex in row:
            if straight.above[vertex] >= 0:
                block = blocks.of[straight.above[vertex]]
            elif _stands_between_operands(graph, x, vertex):
                block = blocks.of[graph.upper[vertex][0]]
                for other in graph.upper[vertex][1:]:
                    _merge(blocks, blocks.of[other], block)
            else:
                block = len(blocks.members)
                blocks.members.append([])
            blocks.of[vertex] = block
            blocks.members[block].append(vertex)
    return blocks


def _merge(blocks: Blocks, source: int, target: int) -> None:
    if source != target:
        for vertex in blocks.members[source]:
            blocks.of[vertex] = target
        blocks.members[target] += blocks.members[source]
        blocks.members[source] = []


def _stands_between_operands(graph: ProperGraph, x: list[float], vertex: int) -> bool:
    """Whether all operands feed only this vertex, stand side by side, and have it in their middle."""
    operands = graph.upper[vertex]
    if len(operands) < 2 or any(len(graph.lower[v]) > 1 for v in operands):
        return False
    places = sorted(graph.position[v] for v in operands)
    if places[-1] - places[0] != len(places) - 1:
        return False
    row = graph.rows[graph.rank[vertex] - 1]
    return abs((x[row[places[0]]] + x[row[places[-1]]]) / 2 - x[vertex]) < _SYMMETRY
