"""Iterations of equal structure: found by their rows, then noted lightly and kept once.

`Loops` watches the general code: each end of a backward is an anchor, and when the rows between three ends at one site
are equal but for values and times, a `Light` loop takes over.  The tape then has room for two iterations behind
the loop's beginning: the last complete one and the one that is running.  An iteration is dropped when the next one is
complete and equal and nothing of it lives on; any difference ends the loop, and what is on the tape is whole again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .backward import Backwards
from .functions import BACKWARD, CALL, READ_GRAD, WRITE_GRAD, Function
from .grads import Grads
from .iterations import Light
from .periods import CALLS, OBJECTS, STEPS, Lengths, fit, lengths, same_period, tables_of
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
    """Writes down the events of one iteration, which becomes the template."""

    def __init__(self, loops: Loops, site: Site, anchor: Anchor) -> None:
        self.loops = loops
        self.site = site
        self.anchor = anchor
        self.start = anchor.end
        self.events: list[tuple[Function, Site, Lengths, bool]] = []
        self._next: tuple[Function, Site] | None = None

    def begin(self, function: Function, args: tuple[Any, ...], kwargs: dict[str, Any], site: Site) -> None:
        """An event begins."""
        self._next = (function, site)

    def after(self, result: Any, anchored: bool) -> None:
        """It has ended; with the iteration where `anchored`."""
        if self._next is None:
            return
        now = self.loops.lengths()
        is_view = type(result) is TENSOR and result._is_view()
        self.events.append((*self._next, now, is_view))
        self._next = None
        if anchored:
            self.loops.learned(self)
        elif now[CALLS] - self.start[CALLS] > self.anchor.size[CALLS]:
            self.leave()

    def leave(self) -> None:
        """Give up."""
        self.loops.active = None
        self.anchor.equal = 0


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
        self._ended: Site | None = None

    def lengths(self) -> Lengths:
        """How many rows each table has now."""
        return lengths(self.tables, self.tensors)

    # -- the general code tells ------------------------------------------------------------------
    def ended(self, site: Site, error: BaseException | None) -> None:
        """A backward has ended."""
        if error is not None:
            self.leave()
        elif self.active is not None:
            self._ended = site
        elif self.threshold:
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

    def after(self, result: Any) -> None:
        """A call that went to the general code while a loop is active has been noted."""
        active, ended = self.active, self._ended
        self._ended = None
        if active is not None:
            active.after(result, ended is active.site)

    def learned(self, learner: Learner) -> None:
        """The iteration that was watched is complete: the loop becomes light where it equals the one before."""
        anchor, now = learner.anchor, self.lengths()
        size, middle = anchor.size, learner.start
        start = tuple([a - b for a, b in zip(middle, size, strict=True)])
        self.active = None
        anchor.end, anchor.equal = now, 0
        if (
            now != tuple([a + b for a, b in zip(middle, size, strict=True)]) or not learner.events
            or not self._fit(learner, start, middle, now) or not same_period(self.tables, start, middle, now)
        ):  # fmt: skip
            anchor.needed = min(2 * anchor.needed, PATIENCE)
            return
        self.active = Light(self, learner.site, learner.events, start, middle, now)

    def _fit(self, learner: Learner, start: Lengths, middle: Lengths, now: Lengths) -> bool:
        if not fit(self.tables, middle, now) or now[STEPS] == middle[STEPS] or self.tensors.retaining():
            return False
        if any(function.kind not in LIGHTLY for function, *_ in learner.events):
            return False
        return not any(start[OBJECTS] <= entry.object < middle[OBJECTS] for entry, _ in self.tensors.live())

    def left(self, site: Site, dropped: int) -> None:
        """A light loop is over."""
        self.active = None
        self._ended = None
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
        if isinstance(active, Light):
            active.release()

    def settled(self) -> None:
        """The recording ends."""
        self.leave()
        self.threshold = 0


