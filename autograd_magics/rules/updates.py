"""AG205: a gradient that was thrown away before the step that should have used it."""

from __future__ import annotations

import bisect
import functools
import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ..graph import Graph
from ..trace import Backward, Call, GradChange, Gradient, OptimizerStep, Past, Place, Tensor
from . import Finding, at, ends, rule, tag
from .dataflow import all_zero, names_of, once

NAMED = 4
"""Parameters listed in a sentence; more would not be read."""

COPYING = frozenset("data detach clone to".split())
"""Calls that give the values of their input."""

OF_VALUE = frozenset({"first", "stepped", "updated", "moved"})
"""Pages of a leaf's story that tell of its value; all others tell of its `.grad`."""

SEARCHED = 400
"""Tensor states looked through behind one update: an optimizer's few lines, not a history of them."""


Line = tuple[int, int] | None
"""(source, line)"""


class Update:
    """A change of a leaf's value."""

    def __init__(self, graph: Graph, leaf: Tensor, call: Call) -> None:
        self._graph = graph
        self.leaf = leaf
        self.call = call

    @functools.cached_property
    def taken(self) -> tuple[int, ...]:
        """When the leaf's own gradient was taken for what was written; empty where it was not."""
        return _taken(self._graph, self.call, self.leaf.object)


def updates(graph: Graph) -> tuple[Update, ...]:
    """Every change of a leaf that has a gradient, in order: by hand or by an optimizer, also through `.data`."""
    return tuple(Update(graph, leaf, call) for leaf, call in _writes(graph))


@once
def _writes(graph: Graph) -> tuple[tuple[Tensor, Call], ...]:
    rows = graph.trace.tensors
    leaves = {rows[c.tensor].object: rows[c.tensor] for c in graph.trace.changes if rows[c.tensor].leaf}
    memory: dict[int | None, int] = {row.storage: row.object for obj in leaves for row in graph.states[obj]}
    memory.pop(None, None)
    found = []
    for call in graph.trace.calls:
        for obj in dict.fromkeys(_changed(graph, call, memory)) if call.inplace else ():
            found.append((leaves[obj], call))
    return tuple(found)


def _changed(graph: Graph, call: Call, memory: dict[int | None, int]) -> Iterator[int]:
    """The leaves whose memory an in-place call changed, also through another tensor that looks into it."""
    before = {graph.trace.tensors[t].id for t in call.inputs}
    for row in map(graph.trace.tensors.__getitem__, call.outputs):
        if row.storage in memory and row.id not in before:
            yield memory[row.storage]


def _taken(graph: Graph, call: Call, obj: int) -> tuple[int, ...]:
    """When the gradient of a leaf was taken for what a call wrote into it; empty where it was not."""
    rows = graph.trace.tensors
    if call.qualified.startswith("torch.optim.") and call.name == "step":  # an optimizer's, noted as a whole
        return (call.at,)
    start = [t for t in call.inputs if rows[t].object != obj]
    if call.name == "data=":  # of what was assigned only the memory is known
        start = [t for t in _by_storage(graph).get(rows[call.outputs[0]].storage, ()) if rows[t].at < call.at][-1:]
    queue = [(t, call.at) for t in start]
    seen = {t for t, _ in queue}
    taken: dict[int, None] = {}
    for tensor, when in queue:
        row, maker = rows[tensor], graph.maker(tensor)
        if row.grad_of == obj or _read_as(graph).get(row.object) == obj:
            taken[when] = None
        elif row.object != obj and maker is not None and len(seen) < SEARCHED:
            looks_in = maker.inputs and rows[maker.inputs[0]].storage == row.storage and not maker.inplace
            for t in maker.inputs:
                if t not in seen:
                    seen.add(t)
                    queue.append((t, when if looks_in else maker.at))
    return tuple(taken)


@once
def _read_as(graph: Graph) -> dict[int, int]:
    """By object: of which tensor it was read as the `.grad`, also one that was made apart and assigned."""
    rows = graph.trace.tensors
    reads = [a for a in graph.accesses_of("grad") if a.result is not None]
    return {rows[a.result].object: rows[a.tensor].object for a in reads if a.result is not None}


def is_by_product(graph: Graph, obj: int, when: int) -> bool:
    """Whether a gradient that arrived at a moment was thrown away unused, or the step after it was that of others.

    The loss of a generator brings gradients to the discriminator too; they are cleared before its next backward.
    """
    used = graph.changes_of_value(obj)
    began, ended_well, updated = _times(graph)
    cleared = _next(_clearings(graph).get(obj, []), when)
    if cleared != math.inf and not _next(used, when) < cleared:
        return not _next(ended_well, when) < cleared
    until = _next(began, when)
    between = updated[bisect.bisect_right(updated, when, key=_when) : bisect.bisect_left(updated, until, key=_when)]
    return any(u.leaf.object != obj for u in between) and not _next(used, when) < until


def _next(times: Sequence[int], when: int) -> float:
    """The first of times in order that is after a moment; infinite where none is."""
    index = bisect.bisect_right(times, when)
    return times[index] if index < len(times) else math.inf


def _when(update: Update) -> int:
    return update.call.at


@once
def _times(graph: Graph) -> tuple[list[int], list[int], list[Update]]:
    """When backwards began, those that ended well, and updates that took a gradient, in order of time."""
    rows = graph.trace.backwards
    well = sorted(row.at for row in rows if row.error is None)
    return sorted(row.at for row in rows), well, sorted((u for u in updates(graph) if u.taken), key=_when)


@once
def _clearings(graph: Graph) -> dict[int, list[int]]:
    """By object: when its `.grad` was cleared or zeroed, in order."""
    kinds = ("zeroed", "cleared")
    return {
        obj: sorted(change.at for change in changes if change.kind in kinds)
        for obj, changes in graph.changes_by_object.items()
    }


def puts_back(graph: Graph, obj: int, then: int) -> bool:
    """Whether a leaf was changed before a moment only for a while: later its old value is assigned again."""
    rows = graph.trace.tensors
    mine = {t.id for t in rows if t.object == obj}
    for call in graph.trace.calls:
        if call.at < then or not call.inplace or rows[call.outputs[0]].object != obj and call.name != "copy_":
            continue
        row = None
        if call.name == "data=":
            # `w.data -= x` assigns the very memory that `w` has already: nothing is put back
            storage = rows[call.outputs[0]].storage
            if all(rows[t].storage != storage for t in call.inputs[:1]):
                row = next((t for t in _by_storage(graph)[storage] if t not in mine), None)
        elif call.name == "copy_" and len(call.inputs) > 1 and not mine.isdisjoint(_views(graph, call.inputs[0])):
            row = call.inputs[1]
        if row is not None and rows[row].at < then and not mine.isdisjoint(_views(graph, row)):
            return True
    return False


def _views(graph: Graph, tensor: int) -> list[int]:
    """A tensor row and those it is a view or a copy of."""
    found = [tensor]
    while (call := graph.maker(found[-1])) is not None and call.inputs and call.name in COPYING:
        found.append(call.inputs[0])
    return found


@once
def _by_storage(graph: Graph) -> dict[int | None, list[int]]:
    """By storage: the tensor rows that look into it, in order."""
    found: dict[int | None, list[int]] = {}
    for row in graph.trace.tensors:
        found.setdefault(row.storage, []).append(row.id)
    return found


@rule("AG205", "warning")
def thrown_away(graph: Graph) -> Iterator[Finding]:
    """A gradient was zeroed, or set to None, between backward and the step that should have used it.

    The step then uses zeros, or skips the parameter, and the loss does not move: no error tells so.  Zeroing
    belongs before backward, or after the step: backward, step, zero.

    Bad::

        x = torch.tensor([1.0, 2.0])
        w = torch.ones(2, requires_grad=True)
        optimizer = torch.optim.SGD([w], lr=0.1)
        J = (x * w).pow(2).sum()
        J.backward()
        optimizer.zero_grad()
        optimizer.step()

    Good::

        x = torch.tensor([1.0, 2.0])
        w = torch.ones(2, requires_grad=True)
        optimizer = torch.optim.SGD([w], lr=0.1)
        J = (x * w).pow(2).sum()
        J.backward()
        optimizer.step()
        optimizer.zero_grad()
    """
    groups: dict[tuple[Line, Line], list[Thrown]] = {}
    for update in updates(graph):
        suspect = _zeroed(graph, update.leaf.object, update.call.at) is not None
        for when in update.taken if suspect else ():
            change = _zeroed(graph, update.leaf.object, when)
            if change is not None:
                step, variant = _step_of(graph, update.call)
                place = graph.place(update.call.places if step is None else step.places)
                key = (line(graph.place(change.places)), line(place))
                groups.setdefault(key, []).append(Thrown(change, update.leaf, update.call.at, place, variant))
    for step in graph.trace.optimizer_steps:
        for row in map(graph.trace.tensors.__getitem__, step.skipped if step.kind == "step" else ()):
            change = _zeroed(graph, row.object, step.at)
            if change is not None and change.kind == "cleared":
                place = graph.place(step.places)
                key = (line(graph.place(change.places)), line(place))
                groups.setdefault(key, []).append(Thrown(change, row, step.at, place, "skipped"))
    for found in groups.values():
        yield _finding(graph, found)
    yield from _thrown_away_earlier(graph)


def line(place: Place | None) -> Line:
    """The line of a place."""
    return None if place is None else (place.source, place.line)


class Thrown(NamedTuple):
    """A gradient that was thrown away before its step."""

    change: GradChange
    """What threw it away."""
    leaf: Tensor
    at: int
    place: Place | None
    """Where the step was."""
    variant: str


def _step_of(graph: Graph, call: Call) -> tuple[OptimizerStep | None, str]:
    """The optimizer's step that a call was made in, and which sentence tells it."""
    steps = (s for s in graph.trace.optimizer_steps if s.kind == "step" and s.at <= call.at <= s.end)
    step = next(steps, None)
    return step, "" if step is None else "optimizer"


def _zeroed(graph: Graph, obj: int, when: int) -> GradChange | None:
    """The zeroing that a gradient taken at a moment had just been through, unused since its backward."""
    changes = graph.changes_by_object.get(obj, ())
    last = bisect.bisect_left(changes, when, key=lambda c: c.at) - 1
    if last < 0 or not _throws_away(changes[last]):
        return None
    change = changes[last]
    before = (changes[i] for i in range(last - 1, -1, -1))
    brought = next((c for c in before if c.kind in ("accumulated", "earlier", "set")), None)
    if any(b.error is None and change.at < b.at < when for b in graph.trace.backwards):
        return None  # another backward in between: this step is that one's
    if brought is None or any(brought.at < moment < change.at for moment in graph.changes_of_value(obj)):
        return None  # used before it was thrown away, or never brought
    return change


def _throws_away(change: GradChange | Past) -> bool:
    """Whether a change put zeros or None in the place of a gradient; of a broken one that is done on purpose."""
    before = change.before
    if before is None or all_zero(before.value) or _has_nan(before.value):
        return False
    if change.kind == "set":
        return change.after is not None and all_zero(change.after.value)
    return change.kind in ("zeroed", "cleared")


def _has_nan(value: object) -> bool:
    if isinstance(value, (list, tuple)):
        return any(_has_nan(item) for item in value)
    return isinstance(value, str)


# -- in cells of their own -----------------------------------------------------------------------
class ThrownEarlier(NamedTuple):
    """A gradient that an earlier recording threw away, before a step of this one."""

    brought: Past
    zeroed: Past
    leaf: Tensor
    at: int
    place: Place | None
    variant: str


def _thrown_away_earlier(graph: Graph) -> Iterator[Finding]:
    """The same where backward, zeroing and step stood in cells of their own."""
    groups: dict[tuple[object, ...], list[ThrownEarlier]] = {}
    for update in updates(graph) if graph.trace.history and not graph.trace.dropped else ():
        pages = _zeroed_earlier(graph, update.leaf.object, update.call.at)
        if pages is not None and any(_zeroed_earlier(graph, update.leaf.object, when) for when in update.taken):
            step, variant = _step_of(graph, update.call)
            place = graph.place(update.call.places if step is None else step.places)
            one = ThrownEarlier(*pages, update.leaf, update.call.at, place, variant)
            groups.setdefault((one.zeroed.cell, one.zeroed.line, line(place)), []).append(one)
    for one in passed_over_earlier(graph):
        groups.setdefault((one.zeroed.cell, one.zeroed.line, line(one.place)), []).append(one)
    for found in groups.values():
        first = found[0]
        leaves = list({one.leaf.object: one.leaf for one in found}.values())
        data = {
            "names": tag("names", (names_of(graph, leaves) or ["leaf"])[:NAMED]), "here": at(first.place),
            "zeroing": _where(first.zeroed), "backward": _where(first.brought), "before": _plain(first.zeroed.before),
        }  # fmt: skip
        yield Finding(
            "AG205", "warning", first.at, data, first.variant, tensors=tuple(leaf.id for leaf in leaves[:NAMED]),
            places=ends(_place_of(graph, first.zeroed), _place_of(graph, first.brought), first.place),
        )  # fmt: skip


def passed_over_earlier(graph: Graph) -> Iterator[ThrownEarlier]:
    """The leaves that a step passed over because an earlier cell had set their gradient to None before any update."""
    rows = graph.trace.tensors
    steps = () if graph.trace.dropped else [s for s in graph.trace.optimizer_steps if s.kind == "step"]
    for step in steps:
        for leaf in map(rows.__getitem__, step.skipped):
            past = graph.past.get(leaf.object, ())
            if len(past) < 2 or past[-1].kind != "cleared" or past[-2].kind not in ("accumulated", "set"):
                continue
            here = any(c.kind != "earlier" and c.at < step.at for c in graph.changes_by_object.get(leaf.object, ()))
            ran = any(b.error is None and b.at < step.at for b in graph.trace.backwards)
            if not here and not ran and not _ran_after(graph, past[-1]):
                place = graph.place(step.places)
                yield ThrownEarlier(past[-2], past[-1], leaf, step.at, place, "skipped")


def _zeroed_earlier(graph: Graph, obj: int, when: int) -> tuple[Past, Past] | None:
    """The backward of an earlier recording, and the zeroing after it, that nothing came after until now."""
    if any(c.kind != "earlier" and c.at < when for c in graph.changes_by_object.get(obj, ())):
        return None
    if any(b.error is None and b.at < when for b in graph.trace.backwards):
        return None
    past = graph.past.get(obj, ())
    last = next((i for i in range(len(past) - 1, -1, -1) if past[i].kind not in OF_VALUE), None)
    if last is None or past[last].kind == "cleared" or not _throws_away(past[last]):
        return None
    zeroed = past[last]
    if any(page.kind == "moved" for page in past[last:]) or _ran_after(graph, zeroed):
        return None
    brought = next((page for page in reversed(past[:last]) if page.kind not in ("zeroed", "changed")), None)
    return (brought, zeroed) if brought is not None and brought.kind in ("accumulated", "set") else None


def _ran_after(graph: Graph, zeroed: Past) -> bool:
    """Whether a later cell than that of the zeroing ran a backward, also one for other leaves: the step is its."""
    pages = (page for past in graph.past.values() for page in past if page.kind == "accumulated")
    return zeroed.cell is None or any(page.cell is None or page.cell > zeroed.cell for page in pages)


def _where(page: Past) -> dict[str, object]:
    return tag("past", {"cell": page.cell, "file": page.file, "line": page.line})


def _place_of(graph: Graph, page: Past) -> Place | None:
    """The row of a page's line, where this trace happens to have one."""
    trace = graph.trace
    mine = (p for p in trace.places if p.line == page.line and trace.sources[p.source].number == page.cell)
    return next((p for p in mine if page.cell is not None and trace.sources[p.source].kind == "cell"), None)


# -- words ----------------------------------------------------------------------------------------
def _plain(gradient: Gradient | None) -> dict[str, object]:
    return tag("gradient", {k: getattr(gradient, k) for k in ("shape", "dtype", "value")})


def _finding(graph: Graph, found: list[Thrown]) -> Finding:
    change, _, when, place, variant = found[0]
    zeroing = graph.place(change.places)
    leaves = list({one.leaf.object: one.leaf for one in found}.values())
    backward = _backward_before(graph, change)
    brought = graph.place(backward.places) if backward is not None else graph.place(change.before_places)
    data = {
        "names": tag("names", (names_of(graph, leaves) or ["leaf"])[:NAMED]), "here": at(place),
        "zeroing": at(zeroing), "backward": at(brought),
        "before": _plain(change.before),
    }  # fmt: skip
    return Finding(
        "AG205", "warning", when, data, variant, places=ends(zeroing, brought, place),
        tensors=tuple(leaf.id for leaf in leaves[:NAMED]),
        backwards=() if backward is None else (backward.id,),
    )  # fmt: skip


def _backward_before(graph: Graph, change: GradChange) -> Backward | None:
    """The backward of this trace that had brought what was thrown away."""
    before = [c.backward for c in graph.changes_by_object[change.object] if c.at < change.at]
    brought = [b for b in before if b is not None]
    return graph.trace.backwards[brought[-1]] if brought else None
