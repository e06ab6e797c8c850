"""The moments of a recording, one for each thing that a reader can follow: `Moments(phrases, items)`.

Forward calls, backward steps in the engine's order, changes of `.grad`, changes of values, steps of optimizers, errors.
Everything else is asked for as "from which moment on": `of_call`, `of_step`, `of_change`, `at(tick)`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, partial
from typing import NamedTuple

from ..graph import NOT_DRAWN, RUNS_BACKWARD
from ..trace import Backward, Call, Failure, GradChange, OptimizerStep, Step
from .captions import Captions
from .clipped import HELPERS
from .items import Items
from .phrases import Phrases

LIMIT = 2000
"""Moments that are told; those in the middle are left out, and counted."""
BRIEF_LIMIT = 250_000
"""The same in a large recording, most of whose captions the front end makes."""

FORWARD, UPDATE, BACKWARD, STEP, GRAD, ERROR = "fubsgx"
"""Kinds: a call, a change of values, the beginning or end of a backward, a step of it, a `.grad` change, an error."""

Row = tuple[str, int]
"""Table and id, such as `("calls", 3)`."""


class Event(NamedTuple):
    """Something that happened, known from the tick `at` on."""

    at: int
    order: tuple[int, int]
    """Place among the events of the same tick."""
    kind: str
    items: tuple[str, ...]
    """What it is about, the best to be shown first."""
    places: tuple[int, ...]
    """As in `Call.places`."""
    rows: tuple[Row, ...]
    """The rows that it stands for."""
    tell: Callable[[], str]
    """The caption."""
    begin: int
    """The tick at which it began."""
    here: bool = True
    """Whether the program was at its places then; a step stands where its call does, which is long over."""


class Moments:
    """The events of one trace, in order of time."""

    def __init__(self, phrases: Phrases, items: Items, limit: int = LIMIT) -> None:
        self.phrases, self.items, self.limit = phrases, items, limit
        self.graph, self.trace = phrases.graph, phrases.trace
        self.captions = Captions(phrases)

    # -- which moments there are ---------------------------------------------------------------
    @cached_property
    def all(self) -> tuple[Event, ...]:
        """Every event."""
        makers = (self._calls, self._backwards, self._steps, self._changes, self._optimizers, self._failures)
        return tuple(sorted((e for make in makers for e in make()), key=lambda e: (e.at, e.order)))

    @cached_property
    def left_out(self) -> int:
        """How many events are not told; the first of them would stand at `gap`."""
        return max(0, len(self.all) - self.limit)

    @property
    def gap(self) -> int:
        """Index of the first event after what is left out."""
        return self.limit // 2

    @cached_property
    def events(self) -> tuple[Event, ...]:
        """The events that are told."""
        if not self.left_out:
            return self.all
        return (*self.all[: self.gap], *self.all[len(self.all) - (self.limit - self.gap) :])

    def told(self, index: int) -> int | None:
        """The place among the events that are told of one of all; None where it is left out."""
        if index < self.gap or not self.left_out:
            return index
        return index - self.left_out if index >= self.gap + self.left_out else None

    @cached_property
    def _ticks(self) -> list[int]:
        return [event.at for event in self.events]

    @cached_property
    def _of(self) -> dict[Row, int]:
        return {row: index for index, event in enumerate(self.events) for row in event.rows}

    def at(self, tick: int) -> int:
        """The first moment at which something that happened at a tick can be seen."""
        change = self._change_at.get(tick)
        if change is not None and ("changes", change) in self._of:
            return self._of["changes", change]
        return min(bisect_left(self._ticks, tick), max(len(self.events) - 1, 0))

    @cached_property
    def _change_at(self) -> dict[int, int]:
        """By tick: the change of `.grad` that was noted then; its moment may be an earlier one."""
        return {change.at: change.id for change in self.trace.changes}

    def of(self, table: str, row: int) -> int:
        """The moment of a row of `"calls"`, `"steps"`, `"changes"`, `"backwards"` or `"results"` (of a backward)."""
        index = self._of.get((table, row))
        if index is None and table == "results" and (steps := self.graph.steps_in(row)):
            return self.of("steps", steps[-1].id)
        return self.at(self._tick(table, row)) if index is None else index

    def _tick(self, table: str, row: int) -> int:
        if table == "calls":
            return self.trace.calls[row].end
        if table == "results":
            return self.trace.backwards[row].end
        tick: int = getattr(self.trace, table)[row].at
        return tick

    # -- calls ---------------------------------------------------------------------------------
    def _calls(self) -> Iterator[Event]:
        shown = {call.id for call in self.graph.operations}
        used = {t for call in self.graph.operations for t in call.inputs}
        for call in self.trace.calls:
            kind = FORWARD if call.id in shown else self._other_kind(call, used)
            if kind is None:
                continue
            items = (f"c{call.id}", *(f"n{n}" for n in reversed(call.nodes)), *map(self.items.tensor, call.outputs))
            if call.error is not None:
                kind = ERROR
            elif call.id not in shown and call.inplace:
                items = tuple(map(self.items.tensor, call.outputs))
            tell = partial(self.captions.call, call)
            yield Event(call.end, (1, call.id), kind, items, call.places, (("calls", call.id),), tell, call.at)

    def _other_kind(self, call: Call, used: set[int]) -> str | None:
        """The kind of a call that no picture shows: it made what one begins with, or changed a leaf."""
        made = [t for t in call.outputs if self.trace.tensors[t].call == call.id]
        if not made or call.name in NOT_DRAWN or call.name in RUNS_BACKWARD or self.within_step(call.at):
            return None
        if call.inplace and all(self.trace.tensors[t].grad_of is None for t in made):
            if not any(self.trace.tensors[t].requires_grad and self.trace.tensors[t].leaf for t in made):
                return None
            return FORWARD if self.captions.first_written(call) else UPDATE
        named = any(t in used and t in self._assigned for t in made)
        return FORWARD if named and not call.inplace else None

    @cached_property
    def _assigned(self) -> frozenset[int]:
        return frozenset(name.tensor for name in self.trace.names if name.place is not None)

    # -- backwards -----------------------------------------------------------------------------
    def _backwards(self) -> Iterator[Event]:
        for row in self.trace.backwards:
            item = f"b{row.id}"
            roots = tuple(map(self.items.tensor, row.roots))
            begin = partial(self.captions.begin, row)
            yield Event(row.at, (0, 0), BACKWARD, (*roots, item), row.places, (("backwards", row.id),), begin, row.at)
            if row.error is not None:
                yield self._error(row.error, (item, *roots), row)
            elif any(result is not None for result in row.results):
                results = tuple(self.items.tensor(t) for t in row.results if t is not None)
                end = partial(self.captions.returned, row)
                rows = (("results", row.id),)
                yield Event(row.end, (3, 0), BACKWARD, (item, *results), row.places, rows, end, row.end)

    def _error(self, error: Failure, items: tuple[str, ...], row: Backward | Call) -> Event:
        tell = partial(self.captions.error, error, row.places)
        return Event(max(error.at, row.at), (2, row.id), ERROR, items, row.places, (), tell, row.end)

    def _steps(self) -> Iterator[Event]:
        for step in self.trace.steps:
            node = self.trace.nodes[step.node]
            places = self.trace.calls[node.call].places if node.call is not None else ()
            if not places and node.place is not None:
                places = (node.place,)
            rows: tuple[Row, ...] = (("steps", step.id),)
            items = (f"n{node.id}", *([f"c{node.call}"] if node.call is not None else ()))
            change = self._arrived.get(step.id)
            kind = STEP if change is None else GRAD
            if change is not None:
                tell = partial(self.captions.change, change)
                items = (self.items.tensor(change.tensor), *items)
                rows = (*rows, ("changes", change.id))
                places = self.trace.backwards[step.backward].places
            else:
                tell = partial(self.captions.step, step)
            yield Event(step.at, (1, step.id), kind, items, places, rows, tell, step.at, False)

    @cached_property
    def _arrived(self) -> dict[int, GradChange]:
        """By step of AccumulateGrad: the change of `.grad` that it made."""
        return {step.id: change for key, step in self._last_step.items() if (change := self._added.get(key))}

    @cached_property
    def _added(self) -> dict[tuple[int, int], GradChange]:
        return {(row.object, row.backward): row for row in self.trace.changes if row.backward is not None}

    @cached_property
    def _last_step(self) -> dict[tuple[int, int], Step]:
        """By leaf object and backward: the last run of its AccumulateGrad."""
        found = {}
        for step in self.trace.steps:
            leaf = self.trace.nodes[step.node].leaf
            if leaf is not None:
                found[self.trace.tensors[leaf].object, step.backward] = step
        return found

    # -- .grad ---------------------------------------------------------------------------------
    def _changes(self) -> Iterator[Event]:
        told = {change.id for change in self._arrived.values()} | self._zeroed
        for change in self.trace.changes:
            if change.id in told or change.kind == "earlier":
                continue
            at, order = change.at, (2, change.id)
            step = self._retained(change)
            if step is not None:
                at, order = step.at, (1, step.id - 1)
            items = (self.items.tensor(change.tensor),)
            tell = partial(self.captions.change, change)
            here = change.backward is None and change.kind != "unseen"
            yield Event(at, order, GRAD, items, change.places, (("changes", change.id),), tell, at, here)

    def _retained(self, change: GradChange) -> Step | None:
        """The step before which a result's `.grad` is written: that of the node that made it."""
        node = self.trace.tensors[change.tensor].node
        if node is None or change.backward is None:
            return None
        return next((s for s in self.graph.steps_of(node) if s.backward == change.backward), None)

    # -- optimizers ----------------------------------------------------------------------------
    def _optimizers(self) -> Iterator[Event]:
        for row in self.trace.optimizer_steps:
            after = tuple(self.after(t, row.end) for t in row.parameters)
            items = tuple(map(self.items.tensor, after))
            rows: tuple[Row, ...] = (("optimizer_steps", row.id),)
            if row.kind == "step":
                tell = partial(self.captions.optimizer, row, after)
                yield Event(row.end, (4, row.id), UPDATE, items, row.places, rows, tell, row.at)
            else:
                changes = self._changes_of(row)
                rows = (*rows, *(("changes", change.id) for change in changes))
                tell = partial(self.captions.zeroed, row, changes)
                yield Event(row.end, (4, row.id), GRAD, items, row.places, rows, tell, row.at)

    def after(self, tensor: int, tick: int) -> int:
        """The last state of a tensor until a tick."""
        states = self.graph.states[self.trace.tensors[tensor].object]
        return next((row.id for row in reversed(states) if row.at <= tick), tensor)

    def _changes_of(self, row: OptimizerStep) -> tuple[GradChange, ...]:
        objects = {self.trace.tensors[t].object for t in row.parameters}
        low, high = bisect_left(self._change_ticks, row.at), bisect_left(self._change_ticks, row.end + 1)
        between = (self._by_time[i] for i in range(low, high))
        kinds = ("changed", "zeroed") if row.kind in HELPERS else ("cleared", "zeroed")
        return tuple(c for c in between if c.object in objects and c.kind in kinds)

    @cached_property
    def _by_time(self) -> Sequence[GradChange]:
        return sorted(self.trace.changes, key=lambda change: change.at)

    @cached_property
    def _change_ticks(self) -> list[int]:
        return [change.at for change in self._by_time]

    @cached_property
    def _zeroed(self) -> frozenset[int]:
        """The changes that a `zero_grad()` of an optimizer, or another helper, made."""
        rows = [row for row in self.trace.optimizer_steps if row.kind != "step"]
        return frozenset(change.id for row in rows for change in self._changes_of(row))

    @cached_property
    def _spans(self) -> tuple[list[int], list[int]]:
        """Beginnings and ends of the steps of optimizers."""
        rows = sorted((row for row in self.trace.optimizer_steps if row.kind == "step"), key=lambda row: row.at)
        return [row.at for row in rows], [row.end for row in rows]

    def within_step(self, tick: int) -> bool:
        """Whether a tick lies within the step of an optimizer."""
        begins, ends = self._spans
        index = bisect_left(begins, tick) - 1
        return index >= 0 and tick <= ends[index]

    # -- errors --------------------------------------------------------------------------------
    def _failures(self) -> Iterator[Event]:
        error = self.trace.failure
        if error is None or error.message in self._failed:
            return
        items = () if error.node is None else (f"n{error.node}",)
        tell = partial(self.captions.error, error, error.places)
        ends = [*(call.end for call in self.trace.calls), *(row.end for row in self.trace.backwards)]
        last = max(ends, default=0)
        yield Event(max(error.at, last), (9, 0), ERROR, items, error.places, (), tell, last)

    @cached_property
    def _failed(self) -> frozenset[str]:
        """Messages of the errors that calls and backwards tell themselves."""
        errors = [call.error for call in self.graph.operations] + [row.error for row in self.trace.backwards]
        return frozenset(error.message for error in errors if error is not None)

    # -- gradients on their way ----------------------------------------------------------------
    @cached_property
    def _ready(self) -> dict[tuple[int, int], int]:
        """By step and output: when the gradient that it received was complete."""
        sent: dict[tuple[int, int, int], int] = defaultdict(lambda: -1)
        found: dict[tuple[int, int], int] = {}
        for step in self.trace.steps:
            here = self.of("steps", step.id)
            for output in range(len(step.received)):
                since = sent.pop((step.backward, step.node, output), -1)
                found[step.id, output] = since if since >= 0 else self.of("backwards", step.backward)
            for (target, number), gradient in zip(self.trace.nodes[step.node].edges, step.sent, strict=False):
                if target is not None and gradient is not None:
                    sent[step.backward, target, number] = here
        return found

    def received(self, step: int, output: int) -> int:
        """The moment from which on the gradient that a step received for an output was known."""
        return self._ready.get((step, output), 0)
