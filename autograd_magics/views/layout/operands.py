"""Parameters on both sides: a node's private operands are shared out above and below its main operand.

Ordering by crossings alone leaves all of them on one side, because moving them costs and saves nothing.
"""

from __future__ import annotations

from .crossings import crossings_between
from .proper import ProperGraph

_LARGEST_SUBTREE = 8  # vertices; a weight and its transpose are two


def balance_operands(graph: ProperGraph) -> None:
    """Reorder rows so that the main operand of every node is the middle one, where that adds no crossing."""
    for node in range(graph.nodes):
        operands = graph.upper[node]
        if len(operands) < 3:
            continue
        operands = sorted(operands, key=graph.position.__getitem__)
        subtrees = [_private_subtree(graph, operand) for operand in operands]
        main = [index for index, subtree in enumerate(subtrees) if not subtree]
        if not main:
            deepest = max(map(len, subtrees))
            main = [index for index, subtree in enumerate(subtrees) if len(subtree) == deepest]
        if len(main) != 1:
            continue
        place, private = main[0], len(operands) - 1
        while place < private // 2:
            if not _move(graph, operands[place], subtrees[place + 1], before=True):
                break
            subtrees[place], subtrees[place + 1] = subtrees[place + 1], subtrees[place]
            operands[place], operands[place + 1] = operands[place + 1], operands[place]
            place += 1
        while place > (private + 1) // 2:
            if not _move(graph, operands[place], subtrees[place - 1], before=False):
                break
            subtrees[place], subtrees[place - 1] = subtrees[place - 1], subtrees[place]
            operands[place], operands[place - 1] = operands[place - 1], operands[place]
            place -= 1


def _private_subtree(graph: ProperGraph, operand: int) -> list[int]:
    """Everything behind an operand if it feeds nothing else, is small and nothing comes from outside; or nothing."""
    found = [operand]
    for vertex in found:
        if len(graph.lower[vertex]) > 1 or len(found) > _LARGEST_SUBTREE or vertex in graph.entries:
            return []
        found += graph.upper[vertex]
    return found


def _move(graph: ProperGraph, main: int, subtree: list[int], before: bool) -> bool:
    """Put a subtree directly before or after the main operand and what precedes it; undone if crossings appear."""
    anchors: dict[int, int] = {}
    anchor = main
    lowest = min(graph.rank[vertex] for vertex in subtree)
    for rank in range(graph.rank[main], lowest - 1, -1):
        anchors[rank] = anchor
        behind = graph.upper[anchor]
        if not behind:
            break
        anchor = behind[len(behind) // 2]
    gaps = range(max(lowest - 1, 0), min(graph.rank[main] + 1, len(graph.rows) - 1))
    old = {rank: graph.rows[rank][:] for rank in range(lowest, graph.rank[main] + 1)}
    count = sum(crossings_between(graph, gap) for gap in gaps)
    for rank, row in old.items():
        if rank in anchors:
            moved = [v for v in row if v in subtree and graph.rank[v] == rank]
            rest = [v for v in row if v not in moved]
            index = rest.index(anchors[rank]) + (0 if before else 1)
            graph.set_row(rank, rest[:index] + moved + rest[index:])
    if sum(crossings_between(graph, gap) for gap in gaps) <= count:
        return True
    for rank, row in old.items():
        graph.set_row(rank, row)
    return False
