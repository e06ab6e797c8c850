"""Probe: the steps of optimizers, by torch's global step hooks, and their `zero_grad()`, from the changes it made.

* `OptimizerProbe(...)`, `.start()`, `.stop()`: note each step until stopped.
* `.settle()`: when the recording ends, find names, the calls of `zero_grad()`, and the optimizers that did nothing.
* `rows(tape, of_site)`: the tables `optimizers` and `optimizer_steps`.

Optimizers are known by weak reference.  A cell without one costs two entries in a dict of torch's.
"""

from __future__ import annotations

import bisect
import re
import sys
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch.optim.optimizer import (
    Optimizer,
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
)

from ..trace import Optimizer as OptimizerRow
from ..trace import OptimizerStep
from . import clipping, memory
from .grads import Grads
from .inside import STEP, as_a_whole
from .loops import Loops
from .rows import maker
from .sources import Chain, Site, is_user_file
from .tape import CallDraft, Tape
from .tensors import EXACT, Tensors, alone, version_of

ZERO_GRAD = Optimizer.zero_grad.__code__
OURS = "/torch/optim/"
"""Files whose frames may stand between the user's `opt.step()` and the hook."""

LATEST = 4
"""Steps at the end of the tape among which the one that ends is looked for: a closure of one may run another."""

RECEIVER = re.compile(r"\s*([A-Za-z_]\w*(?:\.\w+|\[\w+\])*)\.(?:step|zero_grad)\s*\(")

_stepped: weakref.WeakSet[Optimizer] = weakref.WeakSet()
"""Optimizers that a recording has seen: a later cell may hold their parameters without a name for them."""


@dataclass(slots=True)
class OptimizerDraft:
    """An optimizer as it is known so far."""

    ref: weakref.ref[Optimizer]
    type: str
    name: str | None
    parameters: dict[int, int]
    """By object: a tensor row."""


@dataclass(slots=True)
class StepDraft:
    """A step, or a `zero_grad()`, as it is known so far."""

    at: int
    end: int
    kind: str
    optimizer: int | None
    site: Site
    parameters: list[int]
    skipped: list[int]
    whole: bool = False
    """Whether the step is noted as a whole."""
    norm: int | None = None
    limit: float | None = None
    rates: tuple[float, ...] = ()


class OptimizerProbe:
    """The `optimizers` and `optimizer_steps` tables while they grow."""

    def __init__(
        self, tape: Tape, tensors: Tensors, grads: Grads, loops: Loops, namespace: Callable[[], Mapping[str, Any]],
        trouble: Callable[[Exception], None],
    ) -> None:  # fmt: skip
        self._tape = tape
        self._tensors = tensors
        self._grads = grads
        self._loops = loops
        self._namespace = namespace
        self._trouble = trouble
        self._numbers: dict[int, int] = {}
        """By `id` of an optimizer: its draft, good only while the draft's reference leads back to it."""
        self._open: list[StepDraft] = []
        self._handles: list[Any] = []
        self._thread = 0

    def start(self) -> None:
        """Listen to every optimizer's steps on this thread."""
        self._thread = threading.get_ident()
        self._handles = [
            register_optimizer_step_pre_hook(self._begin), register_optimizer_step_post_hook(self._end)
        ]  # fmt: skip

    def stop(self) -> None:
        """Take the hooks off again."""
        for handle in self._handles:
            handle.remove()
        self._handles.clear()

    # -- while the cell runs -------------------------------------------------------------------
    def _begin(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        if _compiling() or threading.get_ident() != self._thread or self._tape.full():
            return
        try:
            with alone():
                site = self._tape.sites.at(sys._getframe(1))
                whole = as_a_whole(optimizer, args, kwargs)
                if whole and self._loops.active is not None:
                    self._loops.active.begin(STEP, (), {}, site)
                draft = self._note(optimizer, site)
                if whole:
                    draft.whole = True
                    self._tape.stepping = True
        except Exception as error:
            self._trouble(error)

    def _end(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        if _compiling() or threading.get_ident() != self._thread:
            return
        self._tape.stepping = False
        try:
            with alone():
                self._close(self._number(optimizer), optimizer)
        except Exception as error:
            self._trouble(error)

    def _close(self, number: int | None, optimizer: Optimizer) -> None:
        while number is not None and self._open:  # those above it raised, and somebody caught that
            draft = self._open.pop()
            if draft.optimizer != number:
                continue
            if draft.whole:
                self._note_outcome(draft, optimizer)
            end = self._tape.tick()
            for one in (draft, *self._tape.optimizer_steps[-LATEST:]):  # a loop may have made a copy
                if one.at == draft.at:
                    one.end = end
            if draft.whole and self._loops.active is not None:
                self._loops.active.after(None)
            return

    def _note(self, optimizer: Optimizer, site: Site) -> StepDraft:
        tape, current = self._tape, self._tensors.current
        number = self._number(optimizer)
        if number is None:
            number = self._new(optimizer)
        parameters, skipped = [], []
        known = tape.optimizers[number].parameters
        for parameter in _parameters(optimizer):
            entry = current(parameter)
            row = entry.state
            parameters.append(row)
            if parameter.grad is None:
                skipped.append(row)
            if entry.object not in known:
                known[entry.object] = row
        at = tape.tick()
        draft = StepDraft(at, at, "step", number, site, parameters, skipped)
        draft.rates = clipping.rates(optimizer)
        tape.optimizer_steps.append(draft)
        self._open.append(draft)
        return draft

    def _note_outcome(self, draft: StepDraft, optimizer: Optimizer) -> None:
        """What a step that was noted as a whole did to its parameters and their gradients: one call."""
        tape, tensors = self._tape, self._tensors
        kind = type(optimizer)
        before: list[int] = []
        after: list[int] = []
        call = len(tape.calls)
        at = tape.tick()
        changed = [
            (entry, p) for p in _parameters(optimizer)
            if (entry := tensors.known(p)) is not None and entry.version != version_of(p)
        ]  # fmt: skip
        done = CallDraft(
            at, at, "step", f"torch.optim.{kind.__qualname__}.step", draft.site, before, (), (), after, True, False,
            None, None,
        )  # fmt: skip
        if changed:
            tape.calls.append(done)
        for entry, parameter in changed:
            before.append(entry.state)
            after.append(tensors.result(parameter, call, False))
            if entry.storage is not None:
                tensors.last_change[entry.storage] = call
            memory.changed(parameter, "step", draft.site)
        done.end = tape.tick()
        grads = [p.grad for p in _parameters(optimizer)]
        self._grads.after_inplace([g for g in grads if g is not None and self._grads.is_changed(g)], done)

    def _number(self, optimizer: Optimizer) -> int | None:
        number = self._numbers.get(id(optimizer))
        return number if number is not None and self._tape.optimizers[number].ref() is optimizer else None

    def _new(self, optimizer: Optimizer) -> int:
        number = self._numbers[id(optimizer)] = len(self._tape.optimizers)
        self._tape.optimizers.append(OptimizerDraft(weakref.ref(optimizer), type(optimizer).__name__, None, {}))
        _stepped.add(optimizer)
        return number

    # -- when it is over -----------------------------------------------------------------------
    def settle(self) -> None:
        """Names, calls of `zero_grad()`, and the other optimizers that hold tensors of this recording."""
        tape = self._tape
        clipping.note(tape)
        zeroed = list(self._zeroed())
        if not tape.optimizer_steps and not zeroed:
            return
        named = {id(v): (n, v) for n, v in self._namespace().items() if isinstance(v, Optimizer) and n[:1] != "_"}
        for optimizer in [*(v for _, v in named.values()), *_stepped]:
            if self._number(optimizer) is None:
                self._add_idle(optimizer)
        self._note_zeroed(zeroed)
        for number, draft in enumerate(tape.optimizers):
            optimizer = draft.ref()
            if optimizer is not None and id(optimizer) in named:
                draft.name = named[id(optimizer)][0]
            else:
                draft.name = next(filter(None, map(self._receiver, self._sites_of(number))), None)

    def _add_idle(self, optimizer: Optimizer) -> None:
        entries = [entry for p in _parameters(optimizer) if (entry := self._tensors.known(p)) is not None]
        known = {entry.object: entry.state for entry in entries if entry.state >= 0}
        if known:
            self._tape.optimizers[self._new(optimizer)].parameters.update(known)

    def _zeroed(self) -> Iterator[tuple[Any, Chain]]:
        """The changes of `.grad` that an optimizer's `zero_grad()` made, each with the frames that called that."""
        callers: dict[int, Chain | None] = {}
        for change in self._tape.changes:
            site = change[5]
            if site is None or not site.chain:
                continue
            key = id(site)
            if key not in callers:
                codes = site.chain[::2]
                callers[key] = site.chain[2 * codes.index(ZERO_GRAD) + 2 :] if ZERO_GRAD in codes else None
            chain = callers[key]
            if chain is not None:
                yield change, chain

    def _note_zeroed(self, zeroed: list[tuple[Any, Chain]]) -> None:
        tape = self._tape
        owners = {obj: number for number, one in enumerate(tape.optimizers) for obj in one.parameters}
        others = sorted(change[0] for change in tape.changes if change[3] == "accumulated")
        draft: StepDraft | None = None
        last: tuple[Any, ...] = ()
        objects: set[int] = set()
        for change, chain in zeroed:
            at, obj, row, site = change[0], change[1], change[2], change[5]
            key = (owners.get(obj), chain, bisect.bisect_left(others, at))
            if draft is None or key != last or obj in objects:
                draft = StepDraft(at, at, "zero_grad", owners.get(obj), site, [], [])
                tape.optimizer_steps.append(draft)
                last, objects = key, set()
            draft.end = at
            draft.parameters.append(row)
            objects.add(obj)
        tape.optimizer_steps.sort(key=lambda one: one.at)

    def _sites_of(self, number: int) -> Iterator[Site]:
        yield from dict.fromkeys(one.site for one in self._tape.optimizer_steps if one.optimizer == number)

    def _receiver(self, site: Site) -> str | None:
        """`"self.opt"`, from the text of the user's call `self.opt.step()`."""
        chain = site.chain or ()
        main = self._tape.book.main
        for code in chain[::2]:
            name = code.co_filename
            if is_user_file(name, main):
                break
            if OURS not in name.replace("\\", "/"):
                return None
        spots = self._tape.places.spots(chain)
        if not spots or not spots[0].text:
            return None
        lines = spots[0].text.split("\n")
        line = lines[spots[0].line - 1] if spots[0].line <= len(lines) else ""
        found = RECEIVER.match(line[spots[0].column or 0 :])
        return found.group(1) if found else None


def _parameters(optimizer: Optimizer) -> list[torch.Tensor]:
    return [p for group in optimizer.param_groups for p in group["params"] if type(p) in EXACT]


def rows(tape: Tape, of_site: Callable[[Site | None], tuple[int, ...]]) -> dict[str, tuple[Any, ...]]:
    """The two tables by their names in the trace."""
    optimizer, step = maker(OptimizerRow), maker(OptimizerStep)
    return {
        "optimizers": tuple([
            optimizer((i, one.type, one.name, tuple(one.parameters.values()))) for i, one in enumerate(tape.optimizers)
        ]),
        "optimizer_steps": tuple([
            step((i, one.at, one.end, one.kind, one.optimizer, of_site(one.site), tuple(one.parameters),
                  tuple(one.skipped), one.norm, one.limit, one.rates))
            for i, one in enumerate(tape.optimizer_steps)
        ]),
    }  # fmt: skip


_compiling = torch.compiler.is_dynamo_compiling
