"""What `autograd.grad` gave back for a tensor, as rows of its ledger: `.grad` stays what it was."""

from __future__ import annotations

from dataclasses import dataclass

from ..graph import Graph
from ..story import Event, place_of
from ..trace import Gradient
from .products import through

RETURNED = "returned"
"""Kind of these rows."""


@dataclass
class Returned(Event):
    """A derivative with respect to a tensor that was given back instead of added."""

    backward: int = -1
    tensor: int = -1
    """The state of the tensor that was asked for."""


def returned(graph: Graph, obj: int) -> list[Returned]:
    """What was given back for an object, in order; without the runs of functions that put it together themselves."""
    trace = graph.trace
    found = []
    for backward in trace.backwards:
        if not backward.results or through(graph, backward.places):
            continue
        for tensor, result in zip(backward.inputs or (), backward.results, strict=False):
            if result is None or trace.tensors[tensor].object != obj:
                continue
            row = trace.tensors[result]
            gradient = Gradient(row.shape, row.dtype, row.device, row.value, row.stats)
            place = place_of(trace, backward.places)
            found.append(
                Returned(backward.end, RETURNED, place, None, gradient, backward=backward.id, tensor=tensor)
            )  # fmt: skip
    return found
