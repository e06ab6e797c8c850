"""Functions of torch's that run backwards themselves, such as `torch.autograd.functional.jacobian`, told as one step.

What they do to get there (a selection, a reshape and a backward for each row of a Jacobian) would bury the rest.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..graph import RUNS_BACKWARD, Graph
from ..trace import Backward, Call, Ids
from .products import through

Row = Call | Backward


def runs(graph: Graph, rows: Sequence[Row]) -> Iterator[tuple[int, int]]:
    """(first, end) of each stretch of rows, which are in order of time, that such a function made and that has a
    backward in it; without what belongs to its next call."""
    first = 0
    while first < len(rows):
        places, end = rows[first].places, first + 1
        if not through(graph, places):
            first = end
            continue
        while end < len(rows) and rows[end].places == places:
            end += 1
        last = _last(rows[first:end])
        if last is not None:
            yield first, first + last + 1
        first = end


def _last(rows: Sequence[Row]) -> int | None:
    """Index of the last row that belongs to what the backwards gave; None where there is no backward."""
    made: set[int] = set()
    last = None
    for index, row in enumerate(rows):
        if isinstance(row, Backward):
            made.update(t for t in row.results if t is not None)
            last = index
        elif not made.isdisjoint(row.inputs):
            made.update(row.outputs)
            last = index
    return last


def outcome(graph: Graph, rows: Sequence[Row], until: int | None = None) -> Ids:
    """The tensors that such a function made of what its backwards gave: those with a name, else the last ones.

    until: when what follows began.
    """
    places, backwards = rows[0].places, [row for row in rows if isinstance(row, Backward)]
    known = {t for row in backwards for t in (*row.roots, *row.results) if t is not None}
    made: list[Ids] = []
    for call in graph.trace.calls:
        after = call.at > backwards[-1].at and (until is None or call.at < until)
        if after and call.places == places and not known.isdisjoint(call.inputs) and call.name not in RUNS_BACKWARD:
            known.update(call.outputs)
            made.append(call.outputs)
    named = dict.fromkeys(t for outputs in made for t in outputs if graph.names(t))
    return tuple(named) or (made[-1] if made else ())


def origins(graph: Graph, tensor: int, places: Ids, drawn: set[int]) -> Iterator[int]:
    """What such a function was given, behind a tensor that it made of it without more ado: `v` behind `v.detach()`.

    drawn: tensors of which the picture shows how they were made.
    """
    call = graph.maker(tensor)
    if call is None or call.places != places or tensor in drawn:
        yield tensor
        return
    for one in call.inputs:
        yield from origins(graph, one, places, drawn)
