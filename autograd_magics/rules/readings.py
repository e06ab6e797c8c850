"""Readings of a `.grad` that gave None, and what they say about what was expected."""

from __future__ import annotations

import re

from ..graph import Graph
from ..trace import Access
from .dataflow import once

TESTED = r"{}\s*(?:is(?:\s+not)?|==|!=)\s*None\b"


@once
def nones(graph: Graph) -> tuple[Access, ...]:
    """Readings of the `.grad` of a leaf that requires grad that gave None where a gradient was expected.

    `if w.grad is not None:` expects nothing.
    """
    rows = graph.trace.tensors
    found = [a for a in graph.accesses_of("grad") if a.result is None]
    return tuple(a for a in found if rows[a.tensor].leaf and rows[a.tensor].requires_grad and not _tested(graph, a))


def _tested(graph: Graph, access: Access) -> bool:
    """Whether the line of a reading, or any line where its result has a name, compares it with None."""
    place = graph.place(access.places)
    if place is None:
        return False
    if re.search(TESTED.format(r"\.grad"), graph.line_text(place.source, place.line)):
        return True
    name = access.name
    pattern = None if name is None else TESTED.format(re.escape(name))
    return pattern is not None and any(re.search(pattern, line) for line in graph.source_lines(place.source))


@once
def died_of(graph: Graph) -> frozenset[int]:
    """The object whose `.grad` was None where the cell ended by an error about None; empty for any other ending."""
    failure = graph.trace.failure
    if failure is None or failure.type not in ("AttributeError", "TypeError") or "NoneType" not in failure.message:
        return frozenset()
    read = [graph.trace.tensors[a.tensor].object for a in graph.accesses_of("grad") if a.result is None]
    return frozenset(read[-1:])
