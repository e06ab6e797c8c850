"""Probe: every change of a `.grad`, and who looked at it.

What a `.grad` last held, and where that was written, is remembered across recordings (weakly, by
tensor), so that a later cell can name the earlier one.  `.grad` of a non-leaf is only read where the
user's code reads it or asked for it by `retain_grad()`: reading it otherwise would raise PyTorch's warning.
"""

from __future__ import annotations

import weakref
from typing import Any

import torch

from ..trace import flat
from . import memory
from .memory import GradientDraft, Held
from .sources import Site
from .tape import CallDraft, Tape
from .tensors import EXACT, Entry, Tensors, stale, version_of
from .values import Pending, Values, plain


class Grads:
    """The `changes` and `accesses` tables while they grow."""

    def __init__(self, tape: Tape, tensors: Tensors, values: Values) -> None:
        self._tape = tape
        self._tensors = tensors
        self._values = values
        self.held: dict[int, Held] = {}
        self._owners: dict[int, weakref.ref[torch.Tensor]] = {}
        self.owner_of_storage: dict[int, int] = {}

    # -- what the user's code does -------------------------------------------------------------
    def access(self, attribute: str, owner: torch.Tensor, site: Site, result: int | None, node: int | None) -> None:
        """Note a reading of `.grad` or `.grad_fn`."""
        state = self._tensors.state(owner)
        self._tape.accesses.append((self._tape.tick(), attribute, state, site, result, node))

    def glance(self, owner: torch.Tensor, grad: Any) -> None:
        """Somebody looked at a `.grad`: note it only if it is not what it was."""
        entry = self._tensors.entries.get(id(owner))
        held = self.held.get(entry.object) if entry is not None and entry() is owner else None
        if held is None or self._differs(held, grad):
            self._look(owner, grad)

    def read(self, owner: torch.Tensor, result: Any, site: Site) -> None:
        """The user's code, or torch on its behalf, read `.grad`."""
        self._tensors.state(owner)
        self._look(owner, result)
        row = None
        if type(result) in EXACT:
            row = self._tensors.state(result)
        self.access("grad", owner, site, row, None)

    def written(self, owner: torch.Tensor, value: Any, site: Site) -> None:
        """`.grad` was assigned to or deleted."""
        entry = self._tensors.current(owner)
        before = self.held.get(entry.object) or memory.held(owner)
        if value is not None and before is not None and not self._differs(before, value):
            return  # `w.grad *= 2` puts back what it changed in place
        gradient = self._learn(entry, value)
        if gradient is None and (before is None or before.gradient is None):
            self._keep(entry, value, None, None)
            return
        kind = "cleared" if gradient is None else "set"
        self._change(entry.object, entry.state, kind, None, site, before, None, gradient)
        self._keep(entry, value, gradient, site)

    def after_inplace(self, changed: list[torch.Tensor], draft: CallDraft) -> None:
        """A call changed tensors in place: some may be, or share memory with, a `.grad`."""
        for tensor in changed:
            entry = self._tensors.known(tensor)
            owner = self._owner(entry)
            if owner is None:
                continue
            before = self.held.get(self._object(owner))
            grad = owner.grad
            gradient = self._gradient(grad)
            kind = "zeroed" if draft.name in ("zero_", "_foreach_zero_") or _is_zero(gradient) else "changed"
            mine = self._tensors.current(owner)
            self._change(mine.object, mine.state, kind, None, draft.site, before, None, gradient)
            self._keep(mine, grad, gradient, draft.site)

    def is_changed(self, grad: torch.Tensor) -> bool:
        """Whether a known `.grad` was changed in place since it was last looked at."""
        entry = self._tensors.known(grad)
        held = None if entry is None or entry.grad_of is None else self.held.get(entry.grad_of)
        return held is not None and held.ref is not None and held.ref() is grad and held.version != version_of(grad)

    # -- what backward does --------------------------------------------------------------------
    def before_backward(self, leaf: torch.Tensor) -> bool:
        """Look at a leaf's `.grad` before the engine may add to it; whether it is None."""
        grad = leaf.grad
        self.glance(leaf, grad)
        return grad is None

    def after_backward(
        self, leaf: torch.Tensor, backward: int, site: Site, added: GradientDraft | None,
        gradient: GradientDraft | None = None,
    ) -> torch.Tensor | None:  # fmt: skip
        """Note what a backward did to a `.grad`; gives the tensor that it holds now.

        added: what the leaf received.  gradient: what `.grad` holds, where that has been read already.
        """
        entry = self._tensors.entry(leaf)
        before = self.held.get(entry.object)
        grad = leaf.grad
        if added is None and not self._differs(before, grad):
            return grad
        gradient = self._learn(entry, grad, gradient)
        state = self._tensors.state(leaf)
        self._change(entry.object, state, "accumulated", backward, site, before, added, gradient)
        self._keep(entry, grad, gradient, site)
        return grad

    # -- bookkeeping ---------------------------------------------------------------------------
    def _object(self, owner: torch.Tensor) -> int:
        entry = self._tensors.entries.get(id(owner))
        return entry.object if entry is not None and entry() is owner else self._tensors.entry(owner).object

    def _owner(self, entry: Entry | None) -> torch.Tensor | None:
        if entry is None:
            return None
        obj = entry.grad_of
        if obj is None and entry.storage is not None:
            obj = self.owner_of_storage.get(entry.storage)
        ref = self._owners.get(obj) if obj is not None else None
        return ref() if ref is not None else None

    def _look(self, owner: torch.Tensor, grad: Any) -> None:
        """Compare a `.grad` with what it last held; a difference nobody saw becomes a row."""
        entry = self._tensors.entry(owner)
        held = self.held.get(entry.object)
        first = held is None
        if held is None:
            held = memory.held(owner)
        if held is not None and not self._differs(held, grad):
            self._learn(entry, grad, held.gradient)
            self.held[entry.object] = held
            if first and held.site is not None:
                state = self._tensors.state(owner)
                self._change(entry.object, state, "earlier", None, held.site, None, None, held.gradient)
            return
        gradient = self._learn(entry, grad)
        if held is not None:
            self._change(entry.object, self._tensors.state(owner), "unseen", None, None, held, None, gradient)
        self._keep(entry, grad, gradient, None)

    def _differs(self, held: Held | None, grad: torch.Tensor | None) -> bool:
        if held is None or held.ref is None:
            return grad is not None
        return grad is None or held.ref() is not grad or held.version != version_of(grad)

    def _learn(self, mine: Entry, grad: Any, gradient: GradientDraft | None = None) -> GradientDraft | None:
        """Know a tensor as the `.grad` of its owner, so that in-place changes of it are noticed."""
        obj = mine.object
        self._owners[obj] = mine
        if type(grad) not in EXACT:
            return None
        entry = self._tensors.entry(grad)
        entry.grad_of = obj
        storage = entry.storage
        if storage is None:
            storage = entry.storage = self._tensors.storage(grad)
        if storage is not None:
            self.owner_of_storage[storage] = obj
        return gradient if gradient is not None else self._gradient(grad)

    def _keep(self, mine: Entry, grad: Any, gradient: GradientDraft | None, site: Site | None) -> None:
        if type(grad) in EXACT:
            held = Held(self._tensors.entry(grad), version_of(grad), gradient, site)
        else:
            held = Held(None, 0, gradient, site)
        self.held[mine.object] = held

    def _gradient(self, grad: Any) -> GradientDraft | None:
        if type(grad) not in EXACT:
            return None
        return (tuple(grad.shape), grad.dtype, grad.device, self._values.of(grad))

    def _change(
        self, obj: int, state: int, kind: str, backward: int | None, site: Site | None,
        before: Held | None, added: GradientDraft | None, after: GradientDraft | None,
    ) -> None:  # fmt: skip
        was = before.gradient if before is not None else None
        origin = before.site if before is not None and was is not None else None
        self._tape.changes.append((self._tape.tick(), obj, state, kind, backward, site, was, added, after, origin))

    def settle(self) -> None:
        """When the recording ends: remember for later cells what every `.grad` holds, in plain numbers."""
        self._note_earlier()
        for obj, held in self.held.items():
            ref = self._owners.get(obj)
            owner = ref() if ref is not None else None
            if owner is not None:
                gradient = held.gradient
                if gradient is not None and isinstance(gradient[3], Pending):
                    held = held._replace(gradient=(*gradient[:3], plain(gradient[3])))
                memory.hold(owner, held)

    def _note_earlier(self) -> None:
        """A row for each `.grad` that was there all the time and that nothing touched."""
        tape, changed = self._tape, {row[1] for row in self._tape.changes}
        for entry, leaf in self._tensors.live():
            if entry.object in changed or entry.state < 0:
                continue
            row = tape.tensors[entry.state]
            needs, is_leaf = row[8], row[9]
            if not needs or not is_leaf or stale(leaf) or not leaf.is_leaf:
                continue
            grad = leaf.grad
            if type(grad) not in EXACT:
                continue
            held = self.held.get(entry.object) or memory.held(leaf)
            if held is None or self._differs(held, grad):
                held = Held(None, 0, self._gradient(grad), None)
            self._change(entry.object, entry.state, "earlier", None, held.site, None, None, held.gradient)
            self._learn(entry, grad, held.gradient)
            self._keep(entry, grad, held.gradient, held.site)
        self._values.read()

def _is_zero(gradient: GradientDraft | None) -> bool:
    if gradient is None or gradient[3] is None or isinstance(gradient[3], Pending):
        return False
    return all(item == 0 for item in flat(gradient[3]))
