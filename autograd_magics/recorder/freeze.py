"""From the drafts on the tape to a `Trace` of plain rows."""

from __future__ import annotations

import types
from typing import Any

import torch

from ..trace import (
    Access,
    Backward,
    Call,
    Failure,
    GradChange,
    Gradient,
    Name,
    Node,
    Saved,
    Step,
    Storage,
    Tensor,
    Trace,
    Warned,
)
from .memory import GradientDraft
from .sources import PACKAGE, Chain, Site, is_user_file
from .tape import BackwardDraft, Tape
from .tensors import dtype_name
from .values import plain


def freeze(tape: Tape, failure: Failure | None) -> Trace:
    """The finished trace; every row of the tape in its table, every place resolved."""
    for site in tape.sites.all():
        tape.places.settle(site)
    tables: dict[str, Any] = {
        "storages": tuple(Storage(i, size, str(device)) for i, (size, device) in enumerate(tape.storages)),
        "tensors": tuple(_tensor(tape, i, row) for i, row in enumerate(tape.tensors)),
        "names": tuple(_name(tape, i, row) for i, row in enumerate(tape.names)),
        "calls": tuple(_call(tape, i) for i in range(len(tape.calls))),
        "accesses": _accesses(tape),
        "nodes": tuple(_node(tape, i) for i in range(len(tape.nodes))),
        "saved": tuple(_saved(tape, i, row) for i, row in enumerate(tape.saved)),
        "backwards": tuple(_backward(tape, i, draft) for i, draft in enumerate(tape.backwards)),
        "steps": tuple(_steps(tape)),
        "changes": tuple(_change(tape, i, row) for i, row in enumerate(tape.changes)),
        "warnings": tuple(
            Warned(i, at, category, message, tape.places.of_site(site))
            for i, (at, category, message, site) in enumerate(tape.warnings)
        ),
    }
    source = tape.places.main_source()
    return Trace(
        run=tape.run, torch=str(torch.__version__), source=source, sources=tape.places.sources(),
        places=tuple(tape.places.places), failure=failure, dropped=tape.dropped, problem=tape.problem, **tables,
    )  # fmt: skip


def failure_of(tape: Tape, error: BaseException, node: int | None) -> Failure:
    """An exception that ended the cell, with its way through the user's code."""
    chain: list[Any] = []
    traceback = error.__traceback__
    while traceback is not None:
        if not traceback.tb_frame.f_code.co_filename.startswith(PACKAGE):
            chain[:0] = [traceback.tb_frame.f_code, traceback.tb_lasti]
        traceback = traceback.tb_next
    places = tape.places.of_chain(tuple(chain)) if chain else ()
    return Failure(tape.tick(), type(error).__name__, str(error), places, node)


def _tensor(tape: Tape, i: int, row: tuple[Any, ...]) -> Tensor:
    at, obj, version, shape, dtype, device, storage, size, needs, leaf, node, nr, call, retains, param, value, of = row
    origin = tape.origins.get(obj) if call is None else None
    earlier: tuple[Any, ...] = ()
    if origin is not None:
        earlier = (_first(tape, origin.site), origin.cut, _first(tape, origin.cut_site), origin.cut_source)
    return Tensor(
        i, at, obj, version, shape, dtype_name(dtype), str(device), storage, size, needs, leaf, node, nr, call, retains, param,
        plain(value), of, *earlier,
    )  # fmt: skip


def _saved(tape: Tape, i: int, row: tuple[Any, ...]) -> Saved:
    at, node, slot, owner, storage, shape, dtype, device, size, version, changed, hidden = row
    place = _first(tape, changed.site) if changed is not None else None
    return Saved(
        i, at, node, slot, owner, storage, shape, dtype_name(dtype) if dtype is not None else "", str(device), size,
        version, place, changed.name if changed is not None else None, hidden,
    )  # fmt: skip


def _first(tape: Tape, site: Site | None) -> int | None:
    places = tape.places.of_site(site)
    return places[0] if places else None


def _name(tape: Tape, i: int, row: tuple[int, str, int, Any, str]) -> Name:
    at, name, tensor, place, function = row
    found = tape.places.of_chain(place) if place is not None else ()
    return Name(i, at, name, tensor, found[0] if found else None, function)


def _call(tape: Tape, i: int) -> Call:
    draft = tape.calls[i]
    places = tape.places.of_site(draft.site)
    error = None
    if draft.error is not None:
        error = Failure(draft.end, *draft.error, places)
    return Call(
        i, draft.at, draft.end, draft.name, draft.qualified, places, tuple(draft.inputs), _constants(draft.constants),
        tuple(draft.outputs), tuple(draft.nodes), draft.inplace, draft.grad_enabled, draft.cut, error,
    )  # fmt: skip


def _constants(constants: list[tuple[str, Any]]) -> tuple[tuple[str, Any], ...]:
    return tuple((str(key), plain(value[:40] if isinstance(value, str) else value)) for key, value in constants)


def _accesses(tape: Tape) -> tuple[Access, ...]:
    """Only the readings that the user's own code made: torch's own look at `.grad` all the time."""
    rows: list[Access] = []
    for at, attribute, tensor, site, result, node in tape.accesses:
        if site.direct:
            places = tape.places.of_site(site)
            name = site.assigned[0].name if site.assigned else None
            rows.append(Access(len(rows), at, attribute, tensor, places, result, node, name))
    return tuple(rows)


def _node(tape: Tape, i: int) -> Node:
    draft = tape.nodes[i]
    freed_site = tape.backwards[draft.freed_by].site if draft.freed_by is not None else draft.freed_site
    return Node(
        i, draft.at, draft.name, draft.call, draft.origin, _first(tape, draft.site), draft.edges, draft.leaf,
        draft.order, draft.freed_by, draft.freed_at, _first(tape, freed_site),
    )  # fmt: skip


def _gradient(draft: GradientDraft | None) -> Gradient | None:
    if draft is None:
        return None
    shape, dtype, device, value = draft
    return Gradient(shape, dtype_name(dtype), str(device), plain(value))


def _backward(tape: Tape, i: int, draft: BackwardDraft) -> Backward:
    places = tape.places.of_site(draft.site)
    error = None
    if draft.error is not None:
        error = Failure(draft.end, *draft.error, places, draft.failed_node)
    return Backward(
        i, draft.at, draft.end, draft.kind, places, tuple(draft.roots), tuple(_gradient(g) for g in draft.gradients),
        None if draft.inputs is None else tuple(draft.inputs), draft.retain_graph, draft.create_graph, draft.order,
        tuple(draft.results), error,
    )  # fmt: skip


def _steps(tape: Tape) -> list[Step]:
    received = {(row[1], row[2]): row[3] for row in tape.steps}
    fan_in: dict[tuple[int, int, int], int] = {}
    for _, backward, node, *_ in tape.steps:
        for parent, nr in tape.nodes[node].edges:
            if parent is not None:
                key = (backward, parent, nr)
                fan_in[key] = fan_in.get(key, 0) + 1
    steps = []
    for i, (at, backward, node, got, sent) in enumerate(tape.steps):
        if sent is None:
            sent = tuple(
                _only_part(received.get((backward, parent)), nr)
                if parent is not None and fan_in[backward, parent, nr] == 1
                else None
                for parent, nr in tape.nodes[node].edges
            )
        steps.append(Step(i, at, backward, node, tuple(map(_gradient, got)), tuple(map(_gradient, sent))))
    return steps


def _only_part(received: Any, nr: int) -> GradientDraft | None:
    """What a parent with one child received is what that child sent."""
    part: GradientDraft | None = received[nr] if received is not None and nr < len(received) else None
    return part


def _change(tape: Tape, i: int, row: tuple[Any, ...]) -> GradChange:
    at, obj, tensor, kind, backward, site, before, added, after, origin = row
    return GradChange(
        i, at, obj, tensor, kind, backward, tape.places.of_site(site), _gradient(before), _gradient(added),
        _gradient(after), tape.places.of_site(origin),
    )  # fmt: skip


def code_called(error: BaseException) -> tuple[types.FrameType, Chain] | None:
    """The innermost frame of an exception outside torch and ours, with its instruction."""
    found = None
    traceback = error.__traceback__
    while traceback is not None:
        name = traceback.tb_frame.f_code.co_filename
        if not name.startswith(PACKAGE) and is_user_file(name, None):
            found = traceback.tb_frame, (traceback.tb_frame.f_code, traceback.tb_lasti)
        traceback = traceback.tb_next
    return found
