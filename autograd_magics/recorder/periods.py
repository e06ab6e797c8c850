"""Rows of one iteration: which refer to what, whether two iterations are equal, and rows moved to other numbers.

A period is a stretch of every table, from one end of a backward to the next at the same site.  Numbers in its rows
refer to rows from before the loop, to rows of the same period, or to what the period before it left behind.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from .tape import NodeDraft, Tape
from .tensors import Tensors

(
    STORAGES, TENSORS, NAMES, CALLS, ACCESSES, NODES, SAVED, BACKWARDS, STEPS, CHANGES, HOOKS, OPTIMIZER_STEPS,
    WARNINGS, OBJECTS,
) = range(14)  # fmt: skip
"""The tables by number; the last is no table but the count of objects."""

CARRIED = (STORAGES, TENSORS, CALLS, OBJECTS)
"""What an iteration may take over from the one before it; of calls only the knowledge that one changed a tensor."""

Lengths = tuple[int, ...]
Tables = list[list[Any]]
Move = Callable[[int, "int | None"], "int | None"]
"""Gives the new number of a row: (table, number)."""
Parts = tuple[tuple[Any, ...], list[tuple[int, "int | None"]]]


def tables_of(tape: Tape) -> Tables:
    """The tables of a tape by number."""
    return [
        tape.storages, tape.tensors, tape.names, tape.calls, tape.accesses, tape.nodes, tape.saved, tape.backwards,
        tape.steps, tape.changes, tape.hooks, tape.optimizer_steps, tape.warnings,
    ]  # fmt: skip


def lengths(tables: Tables, tensors: Tensors) -> Lengths:
    """How many rows each table has now."""
    return (*map(len, tables), tensors.objects)


def plus(a: Lengths, b: Lengths) -> Lengths:
    """Each length with what is added to it."""
    return tuple([x + y for x, y in zip(a, b, strict=True)])


def minus(a: Lengths, b: Lengths) -> Lengths:
    """Each length without what came last."""
    return tuple([x - y for x, y in zip(a, b, strict=True)])


def outline(gradient: Any) -> Any:
    """A gradient without its numbers."""
    return None if gradient is None else (tuple(gradient[0]), *gradient[1:3], gradient[3] is None)


def _outlines(gradients: Any) -> Any:
    return None if gradients is None else tuple([outline(g) for g in gradients])


# ---- each kind of row: (what must be equal, numbers of the rows that it refers to)


def _tensor(r: Any) -> Parts:
    return (*r[3:6], *r[7:10], r[11], *r[13:15], r[15] is None), [
        (OBJECTS, r[1]), (STORAGES, r[6]), (NODES, r[10]), (CALLS, r[12]), (OBJECTS, r[16]),
    ]  # fmt: skip


def _call(r: Any) -> Parts:
    keys = tuple([key for key, _ in r.constants])
    same = (
        r.name, r.qualified, id(r.site), tuple(r.slots), keys, r.inplace, r.grad_enabled, r.cut, r.error,
        len(r.inputs), len(r.outputs),
    )  # fmt: skip
    return same, [(TENSORS, row) for row in (*r.inputs, *r.outputs)]


def _node(r: Any) -> Parts:
    same = (r.name, r.origin, id(r.site), r.order, r.has_saved, r.hooked, tuple([nr for _, nr in r.edges]))
    return same, [(CALLS, r.call), (TENSORS, r.leaf), *[(NODES, row) for row, _ in r.edges]]


def _backward(r: Any) -> Parts:
    inputs = r.inputs or ()
    same = (
        r.kind, id(r.site), r.retain_graph, r.create_graph, r.order, r.error, _outlines(r.gradients),
        len(r.roots), r.inputs is None, len(inputs),
    )  # fmt: skip
    return same, [(TENSORS, row) for row in (*r.roots, *inputs)]


_PARTS: dict[int, Callable[[Any], Parts]] = {
    STORAGES: lambda r: (r, []),
    TENSORS: _tensor,
    NAMES: lambda r: ((r[1], r[3], r[4]), [(TENSORS, r[2])]),
    CALLS: _call,
    ACCESSES: lambda r: ((r[1], id(r[3])), [(TENSORS, r[2]), (TENSORS, r[4]), (NODES, r[5])]),
    NODES: _node,
    SAVED: lambda r: ((r[2], *r[5:9], r[10], r[11]), [(NODES, r[1]), (TENSORS, r[3]), (STORAGES, r[4])]),
    BACKWARDS: _backward,
    STEPS: lambda r: ((_outlines(r[3]), _outlines(r[4])), [(BACKWARDS, r[1]), (NODES, r[2])]),
    CHANGES: lambda r: (
        (r[3], id(r[5]), outline(r[6]), outline(r[7]), outline(r[8]), id(r[9])),
        [(OBJECTS, r[1]), (TENSORS, r[2]), (BACKWARDS, r[4])],
    ),
    HOOKS: lambda r: ((object(),), []),  # never equal: what a hook does is anybody's guess
    OPTIMIZER_STEPS: lambda r: (
        (r.kind, r.optimizer, id(r.site), len(r.parameters)), [(TENSORS, row) for row in (*r.parameters, *r.skipped)]
    ),
    WARNINGS: lambda r: ((object(),), []),
}


def same_rows(table: int, rows: Sequence[Any], others: Sequence[Any]) -> bool:
    """Whether rows are equal but for values and times, and refer to the very same rows."""
    parts = _PARTS[table]
    return len(rows) == len(others) and all(parts(a) == parts(b) for a, b in zip(rows, others, strict=True))


def same_period(tables: Tables, start: Lengths, middle: Lengths, end: Lengths) -> bool:
    """Whether two periods on end are equal but for values, times, and the shift of their numbers."""
    if any(b - a != c - b for a, b, c in zip(start, middle, end, strict=True)):
        return False
    for table, rows in enumerate(tables):
        parts = _PARTS[table]
        for i in range(start[table], middle[table]):
            same, numbers = parts(rows[i])
            other, others = parts(rows[i + middle[table] - start[table]])
            if same != other or not all(
                map(lambda a, b: _same_number(a, b, start, middle), numbers, others)
            ):  # fmt: skip
                return False
    return True


def _same_number(
    first: tuple[int, int | None], second: tuple[int, int | None], start: Lengths, middle: Lengths
) -> bool:
    table, a = first
    b = second[1]
    if a is None or b is None or a < start[table]:
        if a == b:
            return True
        if a is None or b is None or table not in CARRIED:
            return False
    period = middle[table] - start[table]
    return b == a + period and (a >= start[table] or (table in CARRIED and a >= start[table] - period))


# ---- rows with other numbers


def moved(table: int, r: Any, to: Move) -> Any:
    """A copy of a row that refers to the rows that `to` gives."""
    if table == TENSORS:
        return (
            r[0], to(OBJECTS, r[1]), *r[2:6], to(STORAGES, r[6]), *r[7:10], to(NODES, r[10]), r[11],
            to(CALLS, r[12]), *r[13:16], to(OBJECTS, r[16]),
        )  # fmt: skip
    if table == CALLS:
        return dataclasses.replace(r, inputs=_all(r.inputs, to), outputs=_all(r.outputs, to))
    if table == NODES:
        return moved_node(copy.copy(r), to)
    if table == SAVED:
        return (r[0], to(NODES, r[1]), r[2], to(TENSORS, r[3]), to(STORAGES, r[4]), *r[5:])
    if table == BACKWARDS:
        inputs = None if r.inputs is None else _all(r.inputs, to)
        return dataclasses.replace(r, roots=_all(r.roots, to), inputs=inputs, results=_all(r.results, to))
    if table == STEPS:
        return (r[0], to(BACKWARDS, r[1]), to(NODES, r[2]), *r[3:])
    if table == CHANGES:
        return (r[0], to(OBJECTS, r[1]), to(TENSORS, r[2]), r[3], to(BACKWARDS, r[4]), *r[5:])
    if table == OPTIMIZER_STEPS:
        return dataclasses.replace(
            r, parameters=list(_all(r.parameters, to)), skipped=list(_all(r.skipped, to))
        )  # fmt: skip
    if table == NAMES:
        return (*r[:2], to(TENSORS, r[2]), *r[3:])
    if table == ACCESSES:
        return (*r[:2], to(TENSORS, r[2]), r[3], to(TENSORS, r[4]), to(NODES, r[5]))
    return r


def moved_node(draft: NodeDraft, to: Move) -> NodeDraft:
    """The same draft, told its new numbers."""
    draft.row = to(NODES, draft.row)  # type: ignore[assignment]
    draft.call = to(CALLS, draft.call)
    draft.leaf = to(TENSORS, draft.leaf)
    draft.freed_by = to(BACKWARDS, draft.freed_by)
    draft.edges = tuple([(to(NODES, row), nr) for row, nr in draft.edges])
    return draft


def _all(rows: Sequence[int | None], to: Move) -> tuple[Any, ...]:
    return tuple([to(TENSORS, row) for row in rows])


def fit(tables: Tables, start: Lengths, end: Lengths) -> bool:
    """Whether the rows of a period are of kinds whose next iterations may be noted by their numbers alone."""
    calls = tables[CALLS][start[CALLS] : end[CALLS]]
    if any(c.error or c.name == "retain_grad" or c.qualified in ("unseen", "autograd.Function") for c in calls):
        return False
    runs = tables[BACKWARDS][start[BACKWARDS] : end[BACKWARDS]]
    if any(run.error or run.create_graph or run.given or run.kind == "autograd.grad" for run in runs):
        return False
    nodes = tables[NODES][start[NODES] : end[NODES]]
    if any(node.origin != "call" or node.leaf is not None or node.hooked for node in nodes):
        return False
    if any(row[10] is not None or row[11] for row in tables[SAVED][start[SAVED] : end[SAVED]]):
        return False
    if any(row[5] is not None for row in tables[ACCESSES][start[ACCESSES] : end[ACCESSES]]):
        return False
    return all(row[1] < start[OBJECTS] for row in tables[CHANGES][start[CHANGES] : end[CHANGES]])
