"""What happened to each leaf in one recording: every change of its `.grad` and of its own value, in order.

* `events(trace)`: by object, what the recording saw.
* `pages(trace, events)`: the same as rows that outlive the recording.

Standard library only, and no words: the recorder remembers the pages, the views tell them.
"""

from __future__ import annotations

import bisect
from collections import defaultdict
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass

from .trace import Call, GradChange, Gradient, Loop, OptimizerStep, Past, Place, Tensor, Trace

VALUE_KINDS = frozenset({"first", "stepped", "updated", "moved"})
"""Kinds that tell of the leaf's own value; all others tell of its `.grad`."""

FILLS = frozenset({
    "uniform_", "normal_", "trunc_normal_", "constant_", "ones_", "zeros_", "eye_", "dirac_", "xavier_uniform_",
    "xavier_normal_", "kaiming_uniform_", "kaiming_normal_", "orthogonal_", "sparse_", "fill_", "zero_", "copy_",
})  # fmt: skip
"""Calls that write values without regard to what was there: how a new leaf gets its first ones."""

RESERVES = frozenset("empty empty_like empty_strided new_empty new_empty_strided".split())
"""Calls that reserve memory and write nothing there."""


@dataclass
class Event:
    """A change of a leaf's value, or of a `.grad`."""

    at: int
    kind: str
    """As `Past.kind`."""
    place: Place | None
    before: Gradient | None
    after: Gradient | None
    by: str | None = None
    change: GradChange | None = None
    """The row, of a change of `.grad`."""
    step: int | None = None
    """The `OptimizerStep` that a change of the value is part of."""

    @property
    def added(self) -> Gradient | None:
        """What a backward added."""
        return self.change.added if self.change else None


def events(trace: Trace, known: Container[int] | None = None) -> dict[int, list[Event]]:
    """By object: what happened to every leaf that requires grad, and to every `.grad`, in order.

    known: objects that earlier recordings saw; those of the trace's history where not given.
    """
    if known is None:
        known = {row.object for row in trace.history}
    found: dict[int, list[Event]] = defaultdict(list)
    states = _states(trace)
    writes = _writes(trace, states)
    steps, unwritten = Steps(trace), _unwritten(trace, [rows[0] for rows in states.values()])
    for obj, rows in states.items():
        found[obj] = _values(trace, rows, writes.get(obj, []), steps, unwritten)
    for change in trace.changes:
        place = place_of(trace, change.places)
        found[change.object].append(
            Event(change.at, change.kind, place, change.before, change.after, change=change)
        )  # fmt: skip
    clippings = Steps(trace, "clip_grad_value_")
    for obj, told in found.items():
        found[obj] = _clipped_once(sorted(told, key=lambda event: event.at), clippings)
    return {obj: told if obj in known else _without_making(told) for obj, told in found.items()}


def pages(trace: Trace, told: Sequence[Event]) -> list[Past]:
    """Events as rows that a later recording can carry, and a row for each loop that is not kept whole."""
    found = [(event.at, _page(trace, event)) for event in told]
    found += gaps(trace, told)
    return [page for _, page in sorted(found, key=lambda pair: pair[0])]


def gaps(trace: Trace, told: Sequence[Event]) -> list[tuple[int, Past]]:
    """When, and how many, events of a leaf lie in iterations that are not kept."""
    found = []
    for loop in trace.loops:
        begin, end = iteration_of(trace, loop)
        number = sum(begin < event.at <= end for event in told)
        if number:
            gap = Past("left_out", None, None, None, None, None, None, pages=number * loop.dropped)
            found.append((loop.at, gap))
    return found


def iteration_of(trace: Trace, loop: Loop) -> tuple[int, int]:
    """When the iteration that stands for those of a loop that are not kept begins, and its last tick; 0, 0 for none."""
    ends = [row.end for row in trace.backwards if row.places == loop.places and row.end < loop.at][-2:]
    return (ends[0], ends[-1]) if ends else (0, 0)


def place_of(trace: Trace, places: Iterable[int]) -> Place | None:
    """The place to show: the innermost one inside the recorded cell, else the innermost."""
    rows = [trace.places[p] for p in places]
    return next((p for p in rows if p.source == trace.source), rows[0] if rows else None)


def as_gradient(row: Tensor) -> Gradient:
    """A leaf's own value, in the form in which gradients are told."""
    return Gradient(row.shape, row.dtype, row.device, row.value, row.stats)


def same(one: Gradient | None, other: Gradient | None) -> bool:
    """Whether two values are the same as far as is known: without figures only shape and dtype are compared."""
    if one is None or other is None:
        return one is other
    if (one.shape, one.dtype) != (other.shape, other.dtype):
        return False
    known = one.value is not None and other.value is not None
    if not known and one.stats is not None and other.stats is not None:
        return one.stats == other.stats
    return not known or one.value == other.value


def _page(trace: Trace, event: Event) -> Past:
    place = event.place
    source = trace.sources[place.source] if place is not None else None
    cell = source.number if source is not None else None
    file = source.filename if source is not None and source.kind == "file" else None
    if source is None and event.kind not in ("unseen", "moved") and trace.source is not None:
        cell = trace.sources[trace.source].number
    return Past(
        event.kind, cell, file, place.line if place is not None else None, event.before, event.added, event.after,
        event.by,
    )  # fmt: skip


# -- a leaf's own value ------------------------------------------------------------------------
def _states(trace: Trace) -> dict[int, list[Tensor]]:
    """By object: the states of each leaf from the one on in which it required grad."""
    found: dict[int, list[Tensor]] = {}
    for row in trace.tensors:
        if row.object in found:
            found[row.object].append(row)
        elif row.leaf and row.requires_grad:
            found[row.object] = [row]
    for rows in found.values():
        rows.sort(key=lambda row: row.at)
    return found


def _writes(trace: Trace, states: dict[int, list[Tensor]]) -> dict[int, list[tuple[Call, Tensor]]]:
    """By object of a leaf: the calls that changed its memory through another tensor, such as `w.data`."""
    owners: dict[int, set[int]] = defaultdict(set)
    for obj, rows in states.items():
        for row in rows:
            if row.storage is not None:
                owners[row.storage].add(obj)
    found: dict[int, list[tuple[Call, Tensor]]] = defaultdict(list)
    for call in trace.calls:
        if not call.inplace:
            continue
        for output in call.outputs:
            row = trace.tensors[output]
            for obj in owners.get(row.storage, ()) if row.storage is not None else ():
                if obj != row.object:
                    found[obj].append((call, row))
    return found


class Steps:
    """Finds the optimizer's step that a call is part of, or the call of a helper that changed gradients."""

    def __init__(self, trace: Trace, kind: str = "step") -> None:
        self._trace = trace
        self._rows: list[OptimizerStep] = [row for row in trace.optimizer_steps if row.kind == kind]
        self._starts = [row.at for row in self._rows]
        self._backwards = [row.at for row in trace.backwards]

    def of(self, at: int) -> OptimizerStep | None:
        """The step that was going on at a time."""
        i = bisect.bisect_right(self._starts, at) - 1
        return self._rows[i] if i >= 0 and at <= self._rows[i].end else None

    def backward_between(self, begin: int, end: int) -> bool:
        """Whether a backward was started between two times."""
        return bisect.bisect_left(self._backwards, begin) < bisect.bisect_left(self._backwards, end)

    def name(self, step: OptimizerStep) -> str:
        """The user's name of its optimizer, else its class."""
        row = self._trace.optimizers[step.optimizer] if step.optimizer is not None else None
        return (row.name or row.type) if row is not None else "step"


def _values(
    trace: Trace, rows: list[Tensor], writes: list[tuple[Call, Tensor]], steps: Steps, unwritten: set[int]
) -> list[Event]:
    """The first state of a leaf, and every change of its value."""
    first = rows[0]
    made = trace.calls[first.call].places if first.call is not None else (() if first.place is None else (first.place,))
    value = as_gradient(first)
    if first.id in unwritten:
        value = value._replace(value=None, stats=None)
    told = [Event(first.at, "first", place_of(trace, made), None, value)]
    seen: list[tuple[int, Call | None, Tensor]] = [(call.at, call, row) for call, row in writes if call.at > first.at]
    for row in rows[1:]:
        call = None if row.call is None else trace.calls[row.call]
        seen.append((row.at if call is None else call.at, call, row))
    last = first
    for at, call, row in sorted(seen, key=lambda one: (one[0], one[2].object == first.object)):
        mine = row.object == first.object
        if mine and _is_same_state(last, row, call):
            last = row
            continue
        value = as_gradient(row) if row.shape == first.shape else Gradient(first.shape, first.dtype, first.device, None)
        _tell(trace, told, Event(at, "updated", None, told[-1].after, value), call, steps)
        last = row if mine else last
    return told


def _unwritten(trace: Trace, leaves: Iterable[Tensor]) -> set[int]:
    """Leaves that were first seen with what happened to lie in their memory: a call made it without writing there."""
    asked: dict[int, list[Tensor]] = defaultdict(list)
    for row in leaves:
        if row.storage is not None and not row.version:
            asked[row.storage].append(row)
    reserved: set[int] = set()
    written: set[int] = set()
    for call in trace.calls:
        storage = trace.tensors[call.outputs[0]].storage if call.outputs else None
        if storage in asked and (call.inplace or call.name in RESERVES):
            (written if call.inplace else reserved).update(row.id for row in asked[storage] if call.at <= row.at)
    return reserved - written


def _is_same_state(last: Tensor, row: Tensor, call: Call | None) -> bool:
    """Whether a state of a leaf has the value of the one before: `requires_grad_()`, `p.data = p.data`."""
    if call is not None and call.name == "data=":
        return row.storage == last.storage and row.value == last.value
    return row.version == last.version


def _tell(trace: Trace, told: list[Event], event: Event, call: Call | None, steps: Steps) -> None:
    """Append a change of the value; what is part of the last one is added to that."""
    if call is None:
        event.kind = "moved"
        told.append(event)
        return
    last = told[-1]
    step = steps.of(call.at)
    if step is not None:
        event.kind, event.by, event.step = "stepped", steps.name(step), step.id
        event.place = place_of(trace, step.places)
        # a closure runs backward between two changes, as that of LBFGS does: each gradient is one at another value
        together = last.step == step.id and not steps.backward_between(last.at, call.at)
    else:
        event.by, event.place = call.name, place_of(trace, call.places)
        # `w.data -= x` is two calls: the subtraction, and the assignment of what is there already
        put_back = call.name == "data=" and same(last.after, event.after)
        again = last.at == call.at or (put_back and not steps.backward_between(last.at, call.at))
        together = last.kind == "updated" and again and _line(last.place) == _line(event.place)
    if together:
        last.after = event.after
    else:
        told.append(event)


def _clipped_once(told: list[Event], clippings: Steps) -> list[Event]:
    """The same with each clipping by value as one change: torch bounds a gradient from below, then from above."""
    kept: list[Event] = []
    for event in told:
        last = kept[-1] if kept else None
        within = clippings.of(event.at) if event.change is not None else None
        if within is None or last is None or last.change is None or clippings.of(last.at) is not within:
            kept.append(event)
        else:
            last.at, last.kind, last.after, last.change = event.at, event.kind, event.after, event.change
    return kept


def _line(place: Place | None) -> tuple[int, int] | None:
    return None if place is None else (place.source, place.line)


def _without_making(told: list[Event]) -> list[Event]:
    """The same without the calls by which a new leaf got its first value, as the layers of `torch.nn` do."""
    first = told[0]
    if first.kind != "first":
        return told
    end = 1
    while end < len(told) and told[end].kind == "updated" and told[end].by in FILLS:
        if first.place is not None and _line(told[end].place) != _line(first.place):
            break
        first.place, first.after = told[end].place, told[end].after
        end += 1
    return [first, *told[end:]]
