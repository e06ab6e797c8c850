"""What the boxes of a picture stand for, as far as grouping must know.

`operation_part`, `tensor_part`, `leaf_part`, `node_part` make a `Part`; `between(scopes, inner)` finds where what is no
call belongs.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...graph import Graph
from ...trace import Backward, Call, Node, Scope, Trace
from .. import format
from ..boxes import Part
from .paths import common

UNKNOWN = -1
"""Stands for the scope of what is no call."""


def operation_part(unit: str, rows: Sequence[Call | Backward], scope: int | None, place: int | None) -> Part:
    """Of a call or an `autograd.grad`; of a function of torch's that did several of them, all that it did."""
    token = ""
    for row in rows:
        token += row.qualified if isinstance(row, Call) else row.kind
    nodes = tuple(node for row in rows if isinstance(row, Call) for node in row.nodes)
    return Part(scope, unit, token, nodes, place)


def tensor_part(trace: Trace, row: int, scope: int | None) -> Part:
    """Of a tensor in the picture of the computation."""
    one = trace.tensors[row]
    token = f"{format.tensor_text(one.dtype, one.shape)} {one.leaf} {one.requires_grad}"
    return Part(scope, token=token, leaf=row if one.leaf else None)


def leaf_part(trace: Trace, one: Node, scope: int | None) -> Part:
    """Of an AccumulateGrad node."""
    row = trace.tensors[one.leaf or 0]
    return Part(scope, token=format.tensor_text(row.dtype, row.shape), leaf=one.leaf)


def node_part(graph: Graph, one: Node, scope: int | None) -> Part:
    """Of any other node."""
    place = graph.node_place(one)
    unit = f"n{one.id}" if one.call is None else f"c{one.call}"
    return Part(scope, unit, one.name, (one.id,), None if place is None else place.id)


def between(scopes: Sequence[Scope], inner: Sequence[int | None]) -> list[int | None]:
    """Scopes in order of time, with the innermost one around both neighbours where one is `UNKNOWN`."""
    before, after = list(inner), list(inner)
    for index in range(1, len(inner)):
        if before[index] == UNKNOWN:
            before[index] = before[index - 1]
        if after[-index - 1] == UNKNOWN:
            after[-index - 1] = after[-index]
    known = ([None if scope == UNKNOWN else scope for scope in side] for side in (before, after))
    return [common(scopes, one, other) for one, other in zip(*known, strict=True)]
