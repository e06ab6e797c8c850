"""Where lines leave an open group for an item with parameters, these stand beside the group.

A parameter stands in the rank before the call that it feeds.  In that rank there would also be the open group that the
data comes from, as wide as all of its content, and parameters would stand over and under it, far from their call.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from ..layout.ports import Ends
from ..layout.ranks import Edge


def landed_edges(pairs: list[Edge], ends: Sequence[Ends], count: int) -> list[int]:
    """The edges from an open group to what also has parameters of its own, or to one from what has gradients of them.

    They pass landings, points of no size in the ranks between, where those find room: beside the group and not, far
    away, over and under it. An edge is listed once for each.
    """
    incoming, outgoing = Counter(head for _, head in pairs), Counter(tail for tail, _ in pairs)
    known = [(pair, both) for pair, both in zip(pairs, ends, strict=True) if max(pair) < count]
    fed = _private([pair for pair, (leave, _) in known if leave is None], incoming, outgoing)
    feeding = _private([pair[::-1] for pair, (_, enter) in known if enter is None], outgoing, incoming)
    landed: list[int] = []
    for index, ((tail, head), (leave, enter)) in enumerate(zip(pairs, ends, strict=True)):
        before, after = 0 if leave is None else fed.get(head, 0), 0 if enter is None else feeding.get(tail, 0)
        landed += [index] * max(before, after)
    return landed


def _private(edges: list[Edge], incoming: Mapping[int, int], outgoing: Mapping[int, int]) -> dict[int, int]:
    """How many ranks the items need that are only there for another one: a parameter, or it and its transpose."""
    onward = dict(edges)
    found: dict[int, int] = {}
    for tail, head in edges:
        if not incoming[tail] and outgoing[tail] == 1:
            ranks = 1
            if incoming[head] == 1 and outgoing[head] == 1 and head in onward:
                head, ranks = onward[head], 2
            found[head] = max(ranks, found.get(head, 0))
    return found


def with_landings(
    pairs: list[Edge], ends: Sequence[Ends], landed: list[int], first: int
) -> tuple[list[Edge], list[Ends]]:
    """The edges up to their landings, numbered from `first`, then the rest of those that have some; and their ends."""
    legs, leg_ends, last = pairs[:], list(ends), dict[int, int]()
    for landing, edge in enumerate(landed, first):
        leg = last.get(edge, edge)
        (tail, head), (leave, enter) = legs[leg], leg_ends[leg]
        legs[leg], leg_ends[leg] = (tail, landing), (leave, None)
        last[edge] = len(legs)
        legs.append((landing, head))
        leg_ends.append((None, enter))
    return legs, leg_ends
