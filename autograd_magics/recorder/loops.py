"""Iterations of equal structure: found by their rows, then noted lightly and kept once.

`Loops` watches the general code: each end of a backward is an anchor, and when the rows between three ends at one site
are equal but for values and times, a `Light` loop takes over.  The tape then has room for two iterations behind
the loop's beginning: the last complete one and the one that is running.  An iteration is dropped when the next one is
complete and equal and nothing of it lives on; any difference ends the loop, and what is on the tape is whole again.
"""

from __future__ import annotations

import collections
import operator
from collections.abc import Callable
from typing import Any

from .backward import Backwards
from .functions import BACKWARD, CALL, READ_GRAD, WRITE_GRAD, Function
from .grads import Grads
from .iterations import Light
from .periods import NODES, OBJECTS, OPTIMIZER_STEPS, STEPS, Lengths, fit, lengths, minus, plus, same_period, tables_of
from .sources import Site
from .tape import Tape
from .tensors import TENSOR, Tensors

THRESHOLD = 32
"""Iterations of equal size after which a loop is looked at closely."""
AGAIN = 2
"""The same after the first time: a difference now and then, a printed line, must not keep 32 whole iterations each."""
WORTH = 8
"""Iterations that a loop must have dropped for the next try to come as soon as that."""
PATIENCE = 4096
LIGHTLY = frozenset({CALL, READ_GRAD, WRITE_GRAD, BACKWARD})
"""Kinds of events that an iteration may consist of."""


class Anchor:
    """What is known of the ends of backward at one site."""

    __slots__ = ("end", "size", "equal", "needed")

    def __init__(self, end: Lengths, needed: int) -> None:
        self.end = end
        self.size: Lengths = ()
        self.equal = 0
        """Ends in a row with the same distance to the one before."""
        self.needed = needed


class Learner:
    """Watches a loop that seems to be one: finds where its iterations are best cut, then writes one of them down.

    The best cut goes through no graph, and is where the fewest of the loop's tensors are alive: what an iteration makes
    is dead there, and what it does after its backward (`loss.item()`) still belongs to it.
    """

    def __init__(self, loops: Loops, site: Site, anchor: Anchor) -> None:
        self.loops = loops
        self.site = site
        self.ready = None
        """No event is expected yet."""
        self.anchor = anchor
        self.size = anchor.size
        self.scouted = anchor.end
        """Lengths of the tables when the search for the cut began."""
        first = anchor.end[OBJECTS] - self.size[OBJECTS]
        self.made = [entry for entry, _ in loops.tensors.live() if entry.object >= first]
        loops.tensors.made = self.made
        self.cuts: list[tuple[int, tuple[Function, Site], Lengths]] = []
        """Where it may be cut: (tensors alive, event, lengths of the tables)."""
        self.cut: tuple[Function, Site] | None = None
        self.at: Lengths = anchor.end
        """Lengths of the tables at the next cut."""
        self.found = self.learning = False
        self.events: list[tuple[Function, Site, Lengths, bool]] = []
        self._next: tuple[Function, Site] | None = None

    def begin(self, function: Function, args: tuple[Any, ...], kwargs: dict[str, Any], site: Site) -> Any:
        """An event begins; the loop may be light from here on."""
        now = self.loops.lengths()
        here = (function, site)
        if not self.found:
            self._scout(here, now)
        if self.found and now == self.at and here == self.cut:
            if self.learning:
                self.loops.learned(self)
                active = self.loops.active
                return None if active is None else active.begin(function, args, kwargs, site)
            self.learning, self.at = True, plus(now, self.size)
        if any(map(operator.gt, now, self.at)) and self.found:
            self.leave()
        self._next = here
        return None

    def _scout(self, here: tuple[Function, Site], now: Lengths) -> None:
        """Look for the cut in the first iteration."""
        end = plus(self.scouted, self.size)
        # a step's row comes by a hook, between two events
        bare, bare_end = [(*at[:OPTIMIZER_STEPS], *at[OPTIMIZER_STEPS + 1 :]) for at in (now, end)]
        if bare == bare_end:
            self.found = True
            whole = [cut for cut in self.cuts if not self._splits(cut[2])]
            if whole:
                _, self.cut, at = min(whole, key=operator.itemgetter(0))
                self.at = plus(at, self.size)
            else:
                self.leave()
        elif any(map(operator.gt, bare, bare_end)):
            self.leave()
        else:
            self.cuts.append((sum([entry() is not None for entry in self.made]), here, now))

    def _splits(self, at: Lengths) -> bool:
        """Whether an iteration that begins there would go on with a graph that the one before it began."""
        tables, nodes = self.loops.tables, at[NODES]
        loop = range(self.scouted[NODES] - self.size[NODES], nodes)
        edges = [row for node in tables[NODES][nodes:] for row, _ in node.edges]
        return any(row in loop for row in [*edges, *[step[2] for step in tables[STEPS][at[STEPS] :]]])

    def after(self, result: Any) -> None:
        """The event has ended."""
        if not self.learning or self._next is None:
            return
        now = self.loops.lengths()
        self.events.append((*self._next, now, type(result) is TENSOR and result._is_view()))
        self._next = None

    def leave(self) -> None:
        """Give up."""
        self.anchor.needed = min(2 * self.anchor.needed, PATIENCE)
        self.anchor.equal = 0
        self.release()
        self.loops.active = None

    def release(self) -> None:
        """New tensors are told to nobody."""
        self.loops.tensors.made = collections.deque(maxlen=0)


class Loops:
    """Finds loops, and owns the one that is noted lightly."""

    def __init__(
        self, tape: Tape, tensors: Tensors, grads: Grads, backwards: Backwards, trouble: Callable[[Exception], None],
        threshold: int | None = None,
    ) -> None:  # fmt: skip
        self.tape = tape
        self.tensors = tensors
        self.grads = grads
        self.backwards = backwards
        self.trouble = trouble
        self.tables = tables_of(tape)
        self.active: Any = None
        """The `Learner` or `Light` that the calls go to."""
        self.threshold = THRESHOLD if threshold is None else threshold
        self._anchors: dict[Site, Anchor] = {}

    def lengths(self) -> Lengths:
        """How many rows each table has now."""
        return lengths(self.tables, self.tensors)

    # -- the general code tells ------------------------------------------------------------------
    def ended(self, site: Site, error: BaseException | None) -> None:
        """A backward has ended."""
        if error is not None:
            self.leave()
        elif self.active is None and self.threshold:
            self._count(site)

    def _count(self, site: Site) -> None:
        now = self.lengths()
        anchor = self._anchors.get(site)
        if anchor is None:
            self._anchors[site] = Anchor(now, self.threshold)
            return
        size = tuple([a - b for a, b in zip(now, anchor.end, strict=True)])
        anchor.equal = anchor.equal + 1 if size == anchor.size else 1
        anchor.size, anchor.end = size, now
        if anchor.equal >= anchor.needed:
            self.active = Learner(self, site, anchor)

    def learned(self, learner: Learner) -> None:
        """The iteration that was watched is complete: the loop becomes light where it equals the one before."""
        anchor, now, size = learner.anchor, self.lengths(), learner.size
        middle = minus(now, size)
        start = minus(middle, size)
        self.active = None
        learner.release()
        anchor.size, anchor.equal = (), 0
        if self._fit(learner, start, middle, now) and same_period(self.tables, start, middle, now):
            self.active = Light(self, learner.site, learner.cut, learner.events, start, middle, now)
        else:
            anchor.needed = min(2 * anchor.needed, PATIENCE)

    def _fit(self, learner: Learner, start: Lengths, middle: Lengths, now: Lengths) -> bool:
        if not fit(self.tables, middle, now) or now[STEPS] == middle[STEPS] or self.tensors.retaining():
            return False
        if any(function.kind not in LIGHTLY for function, *_ in learner.events):
            return False
        return not any(start[OBJECTS] <= entry.object < middle[OBJECTS] for entry, _ in self.tensors.live())

    def left(self, site: Site, dropped: int) -> None:
        """A light loop is over."""
        self.active = None
        anchor = self._anchors[site]
        worth = dropped >= WORTH
        self._anchors = {site: Anchor(self.lengths(), AGAIN if worth else min(2 * anchor.needed, PATIENCE))}

    def leave(self) -> None:
        """Back to the general code, for good or until the next loop."""
        if self.active is not None:
            self.active.leave()

    def abandon(self) -> None:
        """A failure of ours: let go of everything."""
        active, self.active, self.threshold = self.active, None, 0
        if active is not None:
            active.release()

    def settled(self) -> None:
        """The recording ends."""
        self.leave()
        self.threshold = 0


