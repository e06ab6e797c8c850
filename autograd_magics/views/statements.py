"""The computation as a list of statements, with the iterations of a long loop left out and counted.

`statements(graph)`: calls and backwards grouped by the execution of a line.  `shortened(...)`: what of it to show.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from ..graph import Graph
from ..trace import Backward, Call, Place

REPEATS = 4
"""Iterations beyond this many are shortened to the first two and the last."""
PERIOD = 40
"""Longest loop body that is looked for, in statements."""
LONGEST = 120
"""Statements shown at most."""


@dataclass(frozen=True)
class Statement:
    """One execution of one line: its calls and backwards, in order."""

    place: Place | None
    rows: tuple[Call | Backward, ...]

    @property
    def key(self) -> tuple[int, int] | None:
        """Source and line."""
        return None if self.place is None else (self.place.source, self.place.line)


@dataclass(frozen=True)
class Gap:
    """What is left out: whole iterations, or statements that are no loop."""

    iterations: int = 0
    statements: int = 0


def statements(graph: Graph) -> list[Statement]:
    """Every drawn call and every backward, in order, by execution of a line."""
    rows: list[Call | Backward] = [*graph.operations, *graph.trace.backwards]
    direct = _direct(graph, rows)
    found: list[Statement] = []
    spans: set[int] = set()
    for row in sorted(rows, key=lambda row: row.at):
        place = graph.place(row.places)
        one = Statement(place, (row,))
        again = place is not None and place.id in spans & direct and not place.through
        if found and place is not None and found[-1].key == one.key and not again:
            found[-1] = Statement(found[-1].place, (*found[-1].rows, row))
        else:
            found.append(one)
            spans = set()
        if place is not None:
            spans.add(place.id)
    return found


def _direct(graph: Graph, rows: Sequence[Call | Backward]) -> set[int]:
    """Places where one kind of call stands itself, so that seeing one again means that the line ran again.

    At `model(X)` many calls are made at one place.
    """
    kinds: dict[int, set[str]] = defaultdict(set)
    for row in rows:
        place = graph.place(row.places)
        if place is not None:
            kinds[place.id].add(row.name if isinstance(row, Call) else row.kind)
    return {place for place, names in kinds.items() if len(names) == 1}


def shortened(found: Sequence[Statement]) -> list[Statement | Gap]:
    """The statements without the middle iterations of loops, and without the middle of what is still too long."""
    keys = [statement.key for statement in found]
    shown: list[Statement | Gap] = []
    at = 0
    while at < len(found):
        period, repeats = _loop(keys, at)
        if repeats <= REPEATS:
            shown.append(found[at])
            at += 1
            continue
        end = at + period * repeats
        shown += [*found[at : at + 2 * period], Gap(iterations=repeats - 3), *found[end - period : end]]
        at = end
    if len(shown) <= LONGEST:
        return shown
    half = LONGEST // 2
    hidden = sum(1 for one in shown[half:-half] if isinstance(one, Statement))
    return [*shown[:half], Gap(statements=hidden), *shown[-half:]]


def _loop(keys: Sequence[tuple[int, int] | None], at: int) -> tuple[int, int]:
    """The shortest body that repeats from here on, as (statements, times); (1, 1) where there is none."""
    for period in range(1, min(PERIOD, (len(keys) - at) // 2) + 1):
        if keys[at] != keys[at + period]:
            continue
        body = keys[at : at + period]
        repeats = 1
        while keys[at + repeats * period : at + (repeats + 1) * period] == body:
            repeats += 1
        if repeats > REPEATS:
            return period, repeats
    return 1, 1
