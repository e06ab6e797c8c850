"""From the drafts on the tape to a `Trace` of plain rows."""

from __future__ import annotations

import operator
import types
from collections.abc import Iterator, Sequence
from typing import Any

import torch

from ..trace import (
    Access,
    Backward,
    Call,
    Failure,
    GradChange,
    Holder,
    Hook,
    Loop,
    Name,
    Node,
    Saved,
    Scope,
    Step,
    Storage,
    Tensor,
    Trace,
    Warned,
)
from . import formulas, optimizers
from .rows import Gradients, device_name, maker
from .sources import PACKAGE, Chain, Site, is_user_file
from .tape import BackwardDraft, Tape
from .tensors import dtype_name
from .values import plain, stats_of


class Frozen:
    """The rows of all tables, made from the drafts on a tape."""

    def __init__(self, tape: Tape, scopes: tuple[tuple[Scope, ...], list[int | None]]) -> None:
        self.tape = tape
        self.scopes = scopes
        self.of_site = tape.places.of_site
        self.gradients = Gradients()

    def tables(self) -> dict[str, tuple[Any, ...]]:
        """Every table by its name in the trace."""
        tape = self.tape
        name, storage, warned = maker(Name), maker(Storage), maker(Warned)
        return {
            "storages": tuple([storage((i, size, device_name(on))) for i, (size, on) in enumerate(tape.storages)]),
            "tensors": tuple(self.tensors()),
            "names": tuple([name((i, *row)) for i, row in enumerate(tape.names)]),
            "calls": tuple(self.calls()),
            "scopes": self.scopes[0],
            "accesses": tuple(self.accesses()),
            "nodes": tuple(self.nodes()),
            "saved": tuple(self.saved()),
            **tape.alive.rows(),
            "backwards": tuple([self.backward(i, draft) for i, draft in enumerate(tape.backwards)]),
            "steps": tuple(self.steps()),
            "changes": tuple(self.changes()),
            "formulas": formulas.rows({node.name for node in tape.nodes}),
            "hooks": tuple([Hook(i, *row[:4], self.of_site(row[4])) for i, row in enumerate(tape.hooks)]),
            "loops": tuple(self.loops()),
            "warnings": tuple(
                [warned((i, *row[:3], self.of_site(row[3]))) for i, row in enumerate(tape.warnings)]
            ),
            **optimizers.rows(tape, self.of_site),
            "holders": tuple([Holder(i, *row) for i, row in enumerate(tape.holders)]),
        }  # fmt: skip

    def first(self, site: Site | None) -> int | None:
        """The innermost place of a site."""
        places = self.of_site(site)
        return places[0] if places else None

    def tensors(self) -> Iterator[Tensor]:
        make, origins = maker(Tensor), self.tape.origins
        for i, row in enumerate(self.tape.tensors):
            (at, obj, version, shape, dtype, device, storage, size,
             needs, leaf, node, nr, call, retains, param, value, of) = row  # fmt: skip
            origin = origins.get(obj) if call is None and origins else None
            earlier: tuple[Any, ...] = (None, None, None, None)
            if origin is not None:
                earlier = (self.first(origin.site), origin.cut, self.first(origin.cut_site), origin.cut_source)
            yield make((
                i, at, obj, version, shape, dtype_name(dtype), device_name(device), storage, size, needs, leaf,
                node, nr, call, retains, param, plain(value), of, *earlier, stats_of(value),
            ))  # fmt: skip

    def saved(self) -> Iterator[Saved]:
        make = maker(Saved)
        for i, row in enumerate(self.tape.saved):
            at, node, slot, owner, storage, shape, dtype, device, size, version, changed, hidden = row
            place, by = (self.first(changed.site), changed.name) if changed is not None else (None, None)
            yield make((
                i, at, node, slot, owner, storage, shape, dtype_name(dtype) if dtype is not None else "",
                device_name(device), size, version, place, by, hidden,
            ))  # fmt: skip

    def calls(self) -> Iterator[Call]:
        make, of_site, scope = maker(Call), self.of_site, self.scopes[1]
        nodes: dict[int, list[int]] = {}
        for node in self.tape.nodes:
            if node.call is not None:
                nodes.setdefault(node.call, []).append(node.row)
        for i, draft in enumerate(self.tape.calls):
            places = of_site(draft.site)
            yield make((
                i, draft.at, draft.end, draft.name, draft.qualified, places, tuple(draft.inputs),
                _constants(draft.constants) if draft.constants else (), tuple(draft.outputs), tuple(nodes.get(i, ())),
                draft.inplace, draft.grad_enabled, draft.cut,
                None if draft.error is None else Failure(draft.end, *draft.error, places), scope[i],
            ))  # fmt: skip

    def accesses(self) -> Iterator[Access]:
        """Only the readings that the user's own code made: torch's own look at `.grad` all the time."""
        make = maker(Access)
        i = 0
        for at, attribute, tensor, site, result, node in self.tape.accesses:
            if site.direct:
                name = site.assigned[0].name if site.assigned else None
                yield make((i, at, attribute, tensor, self.of_site(site), result, node, name))
                i += 1

    def nodes(self) -> Iterator[Node]:
        make = maker(Node)
        for i, draft in enumerate(self.tape.nodes):
            by = draft.freed_by
            freed_site = self.tape.backwards[by].site if by is not None else draft.freed
            yield make((
                i, draft.at, draft.name, draft.call, draft.origin, self.first(draft.site), draft.edges, draft.leaf,
                draft.order, by, draft.freed_at, self.first(freed_site),
            ))  # fmt: skip

    def backward(self, i: int, draft: BackwardDraft) -> Backward:
        places = self.of_site(draft.site)
        error = None
        if draft.error is not None:
            error = Failure(draft.end, *draft.error, places, draft.failed_node)
        return Backward(
            i, draft.at, draft.end, draft.kind, places, tuple(draft.roots), self.gradients.all(draft.gradients),
            None if draft.inputs is None else tuple(draft.inputs), draft.retain_graph, draft.create_graph, draft.order,
            tuple(draft.results), error, tuple(draft.given),
        )  # fmt: skip

    def steps(self) -> Iterator[Step]:
        """What a node sent is what its parents received, unless it had to be listened to."""
        make, all_of, nodes = maker(Step), self.gradients.all, self.tape.nodes
        rows = sorted(self.tape.steps, key=operator.itemgetter(0))
        received = {(row[1], row[2]): all_of(row[3]) for row in rows}
        nothing = (None,)
        for i, (at, backward, node, _, sent) in enumerate(rows):
            if sent is not None:
                parts = all_of(sent)
            elif len(nodes[node].edges) == 1:
                ((parent, nr),) = nodes[node].edges
                parts = received.get((backward, parent), nothing)
                if nr or len(parts) != 1:
                    parts = parts[nr : nr + 1] or nothing
            else:
                behind = [(received.get((backward, parent), nothing), nr) for parent, nr in nodes[node].edges]
                parts = tuple([got[nr] if nr < len(got) else None for got, nr in behind])
            yield make((i, at, backward, node, received[backward, node], parts))

    def loops(self) -> Iterator[Loop]:
        for i, (at, site, dropped, losses, leaves, norms, calls, carried) in enumerate(self.tape.loops):
            yield Loop(
                i, at, self.of_site(site), dropped, tuple([plain(loss) for loss in losses]), leaves,
                tuple([tuple([plain(norm) for norm in one]) for one in norms]), calls,
                carried,
            )  # fmt: skip

    def changes(self) -> Iterator[GradChange]:
        make, one, of_site = maker(GradChange), self.gradients.one, self.of_site
        for i, row in enumerate(self.tape.changes):
            at, obj, tensor, kind, backward, site, before, added, after, origin = row
            yield make((
                i, at, obj, tensor, kind, backward, of_site(site), one(before), one(added), one(after), of_site(origin)
            ))  # fmt: skip


def freeze(
    tape: Tape, failure: Failure | None, scopes: tuple[tuple[Scope, ...], list[int | None]]
) -> Trace:
    """The finished trace; every row of the tape in its table, every place resolved."""
    for site in tape.sites.all():
        tape.places.settle(site)
    tables: dict[str, Any] = Frozen(tape, scopes).tables()
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


def _constants(constants: Sequence[tuple[Any, Any]]) -> tuple[tuple[str, Any], ...]:
    return tuple([(str(key), plain(value[:40] if isinstance(value, str) else value)) for key, value in constants])


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
