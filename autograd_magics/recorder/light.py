"""Events of a loop's iteration that are noted by their numbers alone, because the iteration before was equal.

Each knows the rows that it would add (its template), tells whether a call is the one it expects (`begin`) and gave what
it expects (`end`), and makes the rows when they are needed after all (`build`).  Whatever is not expected is left to
the general code, which finds everything as if it had noted the events before itself.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch

from .common import _hooks
from .functions import Function, sort_arguments
from .memory import Held
from .periods import CALLS, CHANGES, NODES, OBJECTS, SAVED, STORAGES, TENSORS, Lengths, Tables
from .sources import Site
from .tape import CallDraft, NodeDraft
from .tensors import TENSOR, Entry
from .values import at_hand, dispatch_modes, is_finite

if TYPE_CHECKING:
    from .iterations import Light

STRIDED = torch.strided
KNOWS_HOOKS = _hooks(True) is None
"""Whether this release of torch says if hooks on saved tensors are active."""


class Event:
    """One event of the iteration; the general code notes it."""

    light = False
    at = last = 0
    """When its first and last row were made."""

    def __init__(self, function: Function, site: Site, rows: Tables) -> None:
        self.function = function
        self.site = site
        self.rows = rows
        self.objects = 0
        """How many objects are known after it."""
        self.following: Event | None = None
        """What comes right after it, where that is noted lightly."""

    def build(self, tables: Tables, item: tuple[Any, ...]) -> None:
        """Add the rows that stand for an item of the log."""
        raise NotImplementedError


def only(rows: Tables, counts: dict[int, Sequence[int]]) -> bool:
    """Whether an event adds rows to these tables alone, in one of the numbers given."""
    return all(len(found) in counts.get(table, (0,)) for table, found in enumerate(rows))


class LightCall(Event):
    """A call that gave one new tensor and changed nothing."""

    light = True

    def __init__(self, loop: Light, function: Function, site: Site, rows: Tables, is_view: bool) -> None:
        super().__init__(function, site, rows)
        self.loop = loop
        self.draft: CallDraft = rows[CALLS][0]
        self.at = self.draft.at
        self.last = self.draft.end
        self.inputs: tuple[int, ...] = tuple(self.draft.inputs)
        self.slots = tuple(self.draft.slots)
        self.plain = len(self.slots) if self.slots == tuple(range(len(self.slots))) and not self.draft.constants else -1
        """Number of arguments where all of them are tensors."""
        row = self.row = rows[TENSORS][0]
        self.state = self.draft.outputs[0]
        self.object, self.shape, self.dtype, self.device, self.storage = row[1], row[3], row[4], row[5], row[6]
        self.requires_grad, self.is_view, self.valued = row[8], is_view, row[15] is not None
        self.finite = self.valued and is_finite(row[15])
        self.versioned = any(saved[9] for saved in rows[SAVED])
        self.grad_enabled = self.draft.grad_enabled
        self.anywhere = self.plain <= 0
        """Whether arguments that may differ from those of the template say where the result is."""
        self.at_hand = at_hand(self.shape, self.device)

    @staticmethod
    def fits(rows: Tables, first: Lengths, objects: int) -> bool:
        """Whether an event with these rows is one; `first` are their numbers, `objects` says how many are new."""
        some = range(100)
        if not KNOWS_HOOKS or objects != 1 or not only(
            rows, {CALLS: (1,), TENSORS: (1,), STORAGES: (0, 1), NODES: some, SAVED: some}
        ):  # fmt: skip
            return False
        draft, row = rows[CALLS][0], rows[TENSORS][0]
        return (
            not draft.inplace and tuple(draft.outputs) == (first[TENSORS],) and row[1] == first[OBJECTS]
            and row[6] is not None and (not rows[STORAGES] or row[6] == first[STORAGES])
            and row[2] == 0 and not row[13] and not row[14] and row[16] is None
            and all(saved[3] is not None or not saved[9] for saved in rows[SAVED])
        )  # fmt: skip

    def begin(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...] | None:
        """What `end` needs; None where it is another call."""
        constants: tuple[Any, ...] = ()
        tensors: Any = args
        if kwargs or len(args) != self.plain:
            tensors, slots, constants = sort_arguments(args, kwargs)
            if slots != self.slots or len(constants) != len(self.draft.constants):
                return None
        if _grad_enabled() is not self.grad_enabled:
            return None
        known, states = self.loop.entries, self.inputs
        entries: list[Entry] = []
        i = 0
        entry: Any
        for tensor in tensors:
            entry = known.get(id(tensor))
            if (
                entry is None or entry() is not tensor or entry.state != states[i]
                or entry.requires_grad is not tensor.requires_grad or entry.version != tensor._version
            ):  # fmt: skip
                return None
            entries.append(entry)
            i += 1
        return self, tensors, entries, constants

    def end(self, pending: tuple[Any, ...], result: Any) -> bool:
        """Note the call; False, with nothing noted, where it did not do what it did before."""
        _, tensors, entries, constants = pending
        if (
            type(result) is not TENSOR or result.shape != self.shape or result.requires_grad is not self.requires_grad
            or result.dtype is not self.dtype or result.layout is not STRIDED or result._is_view() is not self.is_view
            or (self.anywhere and result.device != self.device) or result._version or _hooks(True) is not None
        ):  # fmt: skip
            return False
        i = 0
        for entry in entries:
            if tensors[i]._version != entry.version:
                return False
            i += 1
        loop = self.loop
        key = id(result)
        old = loop.entries.get(key)
        if old is not None and old() is not None:
            return False
        value = None
        if self.valued:
            value = result.tolist() if self.at_hand and not dispatch_modes() else loop.value(result)
            if value is None:
                return False
        entry = loop.entries[key] = Entry(result)
        entry.object, entry.state, entry.version, entry.storage = self.object, self.state, 0, self.storage
        entry.requires_grad, entry.grad_of = self.requires_grad, None
        loop.made.append(entry)
        versions = tuple([one.version for one in entries]) if self.versioned else ()
        loop.log.append((self, loop.tick(), value, constants, versions))
        if self.finite and (value - value != 0.0 if type(value) is float else not is_finite(value)):
            loop.leave()
        return True

    def general(self, func: Any, pending: tuple[Any, ...]) -> Any:
        """What the general code needs to note the call after all."""
        _, tensors, entries, constants = pending
        return (
            self.loop.tape.tick(), self.site, self.grad_enabled, list(tensors), self.slots, constants, entries,
            tuple([entry.state for entry in entries]), self.draft.scope,
        )  # fmt: skip

    def build(self, tables: Tables, item: tuple[Any, ...]) -> None:
        _, at, value, constants, versions = item
        draft, row, by = self.draft, self.row, at - self.at
        tables[STORAGES].extend(self.rows[STORAGES])
        tables[CALLS].append(
            CallDraft(
                at, draft.end + by, draft.name, draft.qualified, draft.site, draft.inputs, draft.slots, constants,
                draft.outputs, False, draft.grad_enabled, draft.cut, None, draft.scope,
            )
        )  # fmt: skip
        tables[TENSORS].append((row[0] + by, *row[1:15], value, row[16]))
        nodes: dict[int, NodeDraft] = {}
        for one in self.rows[NODES]:
            node = nodes[one.row] = copy.copy(one)
            node.at += by
            node.freed_by = node.freed_at = node.freed = node.hooks = node.versions = None
            tables[NODES].append(node)
        known = dict(zip(self.inputs, versions, strict=False))
        for one in self.rows[SAVED]:
            version = known.get(one[3], one[9]) if one[9] else one[9]
            tables[SAVED].append((one[0] + by, *one[1:9], version, *one[10:]))
            if version and one[1] in nodes:
                node = nodes[one[1]]
                node.versions = {**(node.versions or {}), one[2]: version}


class LightClear(Event):
    """`w.grad = None` where `.grad` held something."""

    light = True

    def __init__(self, loop: Light, function: Function, site: Site, rows: Tables) -> None:
        super().__init__(function, site, rows)
        self.loop = loop
        row = self.row = rows[CHANGES][0]
        self.at = self.last = row[0]
        self.object, self.state, self.shape, self.origin = row[1], row[2], row[6][0], row[9]
        self.held = Held(None, 0, None, site)

    @staticmethod
    def fits(rows: Tables) -> bool:
        """Whether an event with these rows is one."""
        return only(rows, {CHANGES: (1,)}) and rows[CHANGES][0][3] == "cleared" and rows[CHANGES][0][6] is not None

    def begin(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...] | None:
        """What `end` needs; None where it is another assignment."""
        if len(args) > 1 and args[1] is not None:
            return None
        owner = args[0]
        entry: Any = self.loop.entries.get(id(owner))
        if (
            entry is None or entry() is not owner or entry.state != self.state or entry.version != owner._version
            or entry.requires_grad is not owner.requires_grad
        ):  # fmt: skip
            return None
        held = self.loop.held.get(self.object)
        if held is None or held.gradient is None or held.site is not self.origin or held.gradient[0] != self.shape:
            return None
        return self, held.gradient

    def end(self, pending: tuple[Any, ...], result: Any) -> bool:
        """Note the change."""
        loop = self.loop
        loop.held[self.object] = self.held
        loop.log.append((self, loop.tick(), pending[1]))
        return True

    def general(self, func: Any, pending: tuple[Any, ...]) -> Any:
        """What the general code needs to note the assignment after all."""
        return self.site

    def build(self, tables: Tables, item: tuple[Any, ...]) -> None:
        tables[CHANGES].append((item[1], *self.row[1:6], item[2], *self.row[7:]))


_grad_enabled = torch.is_grad_enabled
