"""The loop that is noted lightly: two iterations behind its beginning, the last complete one and the running one.

Rows of the last complete iteration begin at `before`, those of the running one at `start`, and `period` the distance;
what is before them is from before the loop, or its first iterations.  An iteration that is over keeps the numbers that
it had while it ran: only when the loop ends are its rows moved to where they stand on the tape.
"""

from __future__ import annotations

import collections
import itertools
from typing import TYPE_CHECKING, Any

from .engine import LightBackward
from .functions import BACKWARD, CALL, WRITE_GRAD, Function, sort_arguments
from .light import Event, LightCall, LightClear
from .periods import (
    BACKWARDS,
    CALLS,
    CHANGES,
    NODES,
    OBJECTS,
    OPTIMIZER_STEPS,
    STEPS,
    STORAGES,
    TENSORS,
    Lengths,
    Tables,
    minus,
    moved,
    plus,
    same_rows,
)
from .restore import Iteration, know, know_storage, restore
from .sources import Site
from .tape import NodeDraft
from .tensors import Entry
from .values import Pending, is_finite, norm

if TYPE_CHECKING:
    from .loops import Loops

WAITING = 2048
"""Losses on a device that wait to be read when the cell is over, at most."""


class Light:
    """A loop from its first light iteration to its end."""

    def __init__(
        self, loops: Loops, site: Site, cut: Any, learned: list[tuple[Function, Site, Lengths, bool]],
        earlier: Lengths, before: Lengths, start: Lengths,
    ) -> None:  # fmt: skip
        self.loops = loops
        self.site = site
        self.cut = cut
        """(function, site) of the event with which an iteration begins."""
        self.complete = False
        """Whether the running iteration is complete; it is over when the next one begins."""
        self.tape, self.tables, self.trouble = loops.tape, loops.tables, loops.trouble
        tensors, grads = loops.tensors, loops.grads
        self.tensors = tensors
        self.entries, self.retained = tensors.entries, tensors.retained
        self.held, self.owner_of_storage = grads.held, grads.owner_of_storage
        self.value, self.gradient = tensors.values.of_small, loops.backwards.gradient
        self.before, self.start = before, start
        self.period = minus(start, before)
        self.whole: Lengths = plus(start, self.period)
        self.template: Tables = [
            [moved(i, row, self._forward(earlier)) for row in table[before[i] :]] for i, table in enumerate(self.tables)
        ]
        self.log: list[Any] = []
        self.reached = start
        """Lengths of the tables when they were last looked at."""
        self.settled = 0
        self.dropped = 0
        self.losses: list[Any] = []
        self.norms: list[tuple[Any, ...]] = []
        self.root = self.template[BACKWARDS][-1].roots[0]
        self.starts: dict[Lengths, Event] = {}
        """Events by the lengths of the tables before them."""
        self.events = self._events(learned)
        self.last = self.events[-1]
        self.ready: Any = self.events[0] if self.events[0].light else None
        """The light event that is expected now."""
        self._begin()

    def _forward(self, earlier: Lengths) -> Any:
        period = self.period
        return lambda table, number: number if number is None or number < earlier[table] else number + period[table]

    def _begin(self) -> None:
        """What the first light iteration needs of the one before."""
        before, start = self.before, self.start
        objects = {row[1] for row in self.template[TENSORS]}
        live = self.tensors.live()
        self.static = [entry for entry, _ in live if entry.object in objects]
        """Objects from before the loop that it changes in place."""
        made = [entry for entry, _ in live if before[OBJECTS] <= entry.object < start[OBJECTS]]
        blocks = [b for b in self.tensors.blocks.values() if before[STORAGES] <= b.row < start[STORAGES]]
        rows = [list(table) for table in self.template]
        self.previous = Iteration(rows, [], made, [b for b in blocks if b() is not None], None)
        self.previous.figures = self._figures(rows, [])
        self.prior = self.previous
        owners = self.owner_of_storage
        self.owned = [s + self.period[STORAGES] for s in range(before[STORAGES], start[STORAGES]) if s in owners]
        self.origins = len(self.tape.origins)
        self.gap = min(row[0] if type(row) is tuple else row.at for t in (CALLS, STEPS, CHANGES, TENSORS, BACKWARDS)
                       for row in self.tables[t][before[t] :])  # fmt: skip
        self.waiting = len(self.tensors.values.pending)
        self.made: list[Entry] = []
        self.tensors.made, self.tensors.made_blocks = self.made, []
        widest = max(event.last - event.at for event in self.events if event.light) if self._any_light() else 1
        self.tick = self.tape.tick = itertools.count(self.tape.tick() + 1, widest + 2).__next__

    def _any_light(self) -> bool:
        return any(event.light for event in self.events)

    # -- the events -------------------------------------------------------------------------------
    def _events(self, learned: list[tuple[Function, Site, Lengths, bool]]) -> list[Event]:
        events: list[Event] = []
        first, shift = self.before, self.period
        for function, site, after, is_view in learned:
            if after == first:
                continue  # no rows: the general code will find nothing to note again
            rows = [
                self.template[t][a - self.before[t] : b - self.before[t]]
                for t, (a, b) in enumerate(zip(first[:OBJECTS], after[:OBJECTS], strict=True))
            ]
            lengths = plus(first, shift)
            event = self._event(function, site, rows, lengths, after[OBJECTS] - first[OBJECTS], is_view)
            event.objects = after[OBJECTS] + shift[OBJECTS]
            if events and event.light:
                events[-1].following = event
            events.append(event)
            self.starts[lengths] = event
            first = after
        self._once_each(events)
        return events

    def _event(
        self, function: Function, site: Site, rows: Tables, first: Lengths, objects: int, is_view: bool
    ) -> Event:
        if function.kind == CALL and LightCall.fits(rows, first, objects):
            return LightCall(self, function, site, rows, is_view)
        if function.kind == WRITE_GRAD and not objects and LightClear.fits(rows):
            return LightClear(self, function, site, rows)
        if function.kind == BACKWARD:
            return LightBackward.make(self, function, site, rows, first, objects) or Event(function, site, rows)
        return Event(function, site, rows)

    def _once_each(self, events: list[Event]) -> None:
        """A node through which several backwards go is left to the general code."""
        runs = [event for event in events if event.rows[BACKWARDS]]
        nodes = [row[2] for event in runs for row in event.rows[STEPS] if row[2] >= self.start[NODES]]
        if len(set(nodes)) < len(nodes):
            for event in events:
                event.light = event.light and not event.rows[BACKWARDS]
                if event.following is not None and event.following.rows[BACKWARDS]:
                    event.following = None

    def node_of(self, tensor: int) -> int | None:
        """The node row of a tensor row of the template."""
        return self.template[TENSORS][tensor - self.start[TENSORS]][10]  # type: ignore[no-any-return]

    def row_of_node(self, node: int) -> NodeDraft:
        """The draft of a node of the template."""
        return self.template[NODES][node - self.start[NODES]]  # type: ignore[no-any-return]

    def object_of_leaf(self, node: int) -> int | None:
        """The object of an AccumulateGrad from before the loop."""
        leaf = self.tape.nodes[node].leaf
        return None if leaf is None else self.tape.tensors[leaf][1]

    def entry_of(self, obj: int) -> Entry | None:
        """The entry of a live object."""
        return next((entry for entry, _ in self.tensors.live() if entry.object == obj), None)

    # -- the calls --------------------------------------------------------------------------------
    def begin(self, function: Function, args: tuple[Any, ...], kwargs: dict[str, Any], site: Site) -> Any:
        """A call that is not the one expected next; what its end needs where it begins an iteration after all.

        None, with the tape ready for the call, where it is left to the general code.
        """
        if self.complete and self.cut == (function, site):
            self._turn()
            if self.loops.active is not self:
                return None
        if not self.log and self.reached == self.start:
            event = self.ready
            if event is not None and event.function is function and event.site is site:
                pending = event.begin(args, kwargs)
                if pending is not None:
                    return pending
        self.settle()
        self._guard(args, kwargs)
        if self.loops.active is self:
            expected = self.starts.get(self.reached)
            calls = expected.rows[CALLS] if expected is not None else ()
            self.tape.within = calls[0].scope if calls else None
        return None

    def unexpected(self, func: Any, pending: tuple[Any, ...]) -> Any:
        """What the general code needs to note a call that failed or did something else; the loop ends."""
        self.leave()
        return pending[0].general(func, pending)

    def after(self, result: Any) -> None:
        """The general code has noted a call: its rows must be those of the template."""
        now, start = self.loops.lengths(), self.start
        for table, rows in enumerate(self.tables):
            first, last = self.reached[table], now[table]
            if first != last and not self._as_expected(
                table, rows[first:last], self.template[table][first - start[table] : last - start[table]]
            ):
                self.leave()
                return
        self.reached = now
        following = self.starts.get(now)
        self.complete = now == self.whole
        expected = following is not None or self.complete or self._before_a_step(now)
        if not expected or len(self.tape.origins) != self.origins:
            self.leave()
        else:
            self.ready = following if following is not None and following.light else None

    def _before_a_step(self, now: Lengths) -> bool:
        """Whether an optimizer's step is next: its row comes by a hook, between two events."""
        return (*now[:OPTIMIZER_STEPS], now[OPTIMIZER_STEPS] + 1, *now[OPTIMIZER_STEPS + 1 :]) in self.starts

    def _as_expected(self, table: int, rows: list[Any], others: list[Any]) -> bool:
        if not same_rows(table, rows, others):
            return False
        if table == TENSORS:
            return all(is_finite(a[15]) or not is_finite(b[15]) for a, b in zip(rows, others, strict=True))
        if table == STEPS:
            pairs = [pair for a, b in zip(rows, others, strict=True) for pair in zip(a[3], b[3], strict=True)]
            return all(a is None or is_finite(a[3]) or not is_finite(b[3]) for a, b in pairs)
        return True

    def _guard(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """The general code may not meet nodes that have no draft: those of the iteration before."""
        for tensor in sort_arguments(args, kwargs)[0]:
            entry = self.tensors.known(tensor)
            if entry is None:
                if tensor.requires_grad:
                    return self.leave()
            elif self.before[TENSORS] <= entry.state < self.start[TENSORS] and (
                self.tape.tensors[entry.state][10] is not None
            ):
                return self.leave()
        return None

    # -- rows after all ---------------------------------------------------------------------------
    def settle(self) -> None:
        """Put the rows of the events so far on the tape, and let the general code know their tensors and nodes."""
        log = self.log
        if log:
            self.log = []
            for item in log:
                item[0].build(self.tables, item)
            made = self.made[self.settled :]
            self.settled = len(self.made)
            event: Event = log[-1][0]
            self.tensors.objects = event.objects
            know(self, made, self.start)
        previous = self.previous
        if previous.unknown:  # what is alive of it may be met again: the `.grad` that an optimizer takes
            for entry in previous.unknown:
                tensor = entry()
                if tensor is not None:
                    know_storage(self, entry, tensor, self.before, previous.blocks)
            previous.unknown = []
        self.reached = self.loops.lengths()

    # -- the end of an iteration ------------------------------------------------------------------
    def _turn(self) -> None:
        """An iteration is complete and equal: the one before it is dropped, if nothing of it is alive."""
        previous = self.previous
        for entry in previous.made:
            if entry() is not None:
                return self.leave()
        for block in previous.blocks:
            if block() is not None:
                return self.leave()
        if len(self.tape.origins) != self.origins or self.tables[-1][self.start[OBJECTS - 1] :]:
            return self.leave()  # a warning
        loss, norms = previous.figures
        self.losses.append(self._awaited(loss))
        self.norms.append(norms)
        self.dropped += 1
        self._put_away()
        return None

    def _awaited(self, value: Any) -> Any:
        """A loss on a device is read with the rest when the cell is over, as long as there is room."""
        if isinstance(value, Pending) and self.waiting < WAITING:
            self.tensors.values.pending.insert(self.waiting, value)
            self.waiting += 1
        return value

    def _put_away(self) -> None:
        tables, start, tensors = self.tables, self.start, self.tensors
        rows: Tables = []
        if self.reached != start:
            for table, first in zip(tables, start, strict=False):
                rows.append(table[first:])
                del table[first:]
            tensors.objects = start[OBJECTS]
            self.reached = start
        self.prior = self.previous
        self.previous = Iteration(rows, self.log, self.made, tensors.made_blocks, self._figures(rows, self.log))
        self.previous.unknown = self.made[self.settled :]
        waiting = tensors.values.pending
        if len(waiting) > self.waiting:
            self.previous.pending = waiting[self.waiting :]
            del waiting[self.waiting :]
        self._shift()
        self.log, self.settled, self.complete = [], 0, False
        self.made = []
        tensors.made, tensors.made_blocks = self.made, []
        self.ready = self.events[0] if self.events[0].light else None

    def _shift(self) -> None:
        """Numbers of the running iteration become those of the last complete one, where the general code keeps them."""
        start, period, tensors = self.start, self.period, self.tensors
        first, by = start[TENSORS], period[TENSORS]
        for entry in self.made:
            if entry() is not None:
                if entry.state >= first:
                    entry.state -= by
                if entry.object >= start[OBJECTS]:
                    entry.object -= period[OBJECTS]
                if entry.storage is not None and entry.storage >= start[STORAGES]:
                    entry.storage -= period[STORAGES]
        for entry in self.static:
            if entry.state >= first:
                entry.state -= by
        for block in tensors.made_blocks:
            if block.row >= start[STORAGES]:
                block.row -= period[STORAGES]
        owners = self.owner_of_storage
        for storage in self.owned:
            owner = owners.pop(storage, None)
            if owner is None:
                owners.pop(storage - period[STORAGES], None)
            else:
                owners[storage - period[STORAGES]] = owner
        if tensors.last_change:
            self._shift_changes(tensors.last_change)

    def _shift_changes(self, changes: dict[int, int]) -> None:
        first, by = self.start[CALLS], self.period[CALLS]
        found = list(changes.items())
        changes.clear()
        for storage, call in found:
            if storage >= self.start[STORAGES]:
                changes[storage - self.period[STORAGES]] = call - by
            elif storage < self.before[STORAGES]:
                changes[storage] = call - by if call >= first else call

    def _figures(self, rows: Tables, log: list[Any]) -> tuple[Any, tuple[Any, ...]]:
        """(loss, norms of the gradients that the engine left in `.grad`) of an iteration."""
        loss, norms = None, []
        if rows:
            i = self.root - self.start[TENSORS]
            loss = rows[TENSORS][i][15] if 0 <= i < len(rows[TENSORS]) else None
            norms = [norm(row[8][3]) for row in rows[CHANGES] if row[3] == "accumulated" and row[8] is not None]
        for item in log:
            event = item[0]
            if type(event) is LightBackward:
                norms += [norm(gradient[3]) for gradient in item[4]]
            elif type(event) is LightCall and event.state == self.root:
                loss = item[2]
        return loss, tuple(norms)

    # -- the end of the loop ----------------------------------------------------------------------
    def leave(self) -> None:
        """Back to the general code: everything on the tape is whole again."""
        self.loops.active = None
        tape, tensors = self.tape, self.tensors
        self.settle()
        self.release()
        if self.dropped:
            restore(self)
        calls = tape.calls
        tape.turns += [calls[i].at for i in (self.before[CALLS], self.start[CALLS]) if i < len(calls)]
        if len(calls) > self.start[CALLS] and not self.complete:
            tape.within = calls[-1].scope
        for table in (self.owner_of_storage, tensors.last_change):
            for storage in [s for s in table if s >= len(tape.storages)]:
                del table[storage]
        waiting = tensors.values.pending
        waiting[self.waiting : self.waiting] = [*self.prior.pending, *self.previous.pending]
        tape.tick = itertools.count(tape.tick() + 1).__next__
        self.loops.left(self.site, self.dropped)

    def release(self) -> None:
        """Nothing of a node, a tensor or a storage reaches this loop any more."""
        for event in self.events:
            if type(event) is LightBackward:
                event.release()
        self.tensors.made = self.tensors.made_blocks = collections.deque(maxlen=0)

    def at(self, tables: Tables, table: int, number: int) -> Any:
        """A row of the running iteration: on the tape, or among rows that begin with the iteration."""
        return tables[table][number if tables is self.tables else number - self.start[table]]
