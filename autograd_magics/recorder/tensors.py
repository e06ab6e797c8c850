"""Which tensor is which: objects, their states, and the storages behind them.

Nothing here keeps a tensor or its memory alive: both are known by weak references to their Python
objects, which PyTorch keeps for as long as the C++ side lives.
"""

from __future__ import annotations

import collections
import contextlib
import weakref
from collections.abc import Callable
from typing import Any

import torch

from . import memory
from .tape import Tape
from .values import Values

EXACT = (torch.Tensor, torch.nn.Parameter)
"""Subclasses may run code of their own when looked at; they are left alone."""

TENSOR = torch.Tensor
PARAMETER = torch.nn.Parameter
STRIDED = torch.strided
_NOTHING = contextlib.nullcontext()
_dtype_names: dict[torch.dtype, str] = {}


def alone() -> Any:
    """Keeps what we ask of tensors from function modes of the user's below ours."""
    return torch._C.DisableTorchFunction() if torch._C._len_torch_function_stack() else _NOTHING


def dtype_name(dtype: torch.dtype) -> str:
    """`"float32"` for `torch.float32`."""
    name = _dtype_names.get(dtype)
    if name is None:
        name = _dtype_names[dtype] = str(dtype).removeprefix("torch.")
    return name


def version_of(tensor: torch.Tensor) -> int:
    """PyTorch's version counter; -1 for inference tensors, which have none."""
    try:
        return tensor._version
    except RuntimeError:
        return -1


def stale(tensor: torch.Tensor) -> bool:
    """Whether reading `grad_fn` or `is_leaf` may rebuild the node: of a view whose storage was changed in place."""
    return tensor._is_view() and version_of(tensor) > 0


class Entry(weakref.ref):  # type: ignore[type-arg]
    """What is known of one live tensor object: a weak reference to it with room for facts."""

    __slots__ = ("object", "state", "version", "requires_grad", "storage", "grad_of")
    object: int
    state: int
    version: int
    requires_grad: bool
    storage: int | None
    grad_of: int | None


class Block(weakref.ref):  # type: ignore[type-arg]
    """A weak reference to a storage, with the row of it."""

    __slots__ = ("row",)
    row: int


class Tensors:
    """The `tensors` and `storages` tables while they grow."""

    def __init__(self, tape: Tape, values: Values, names: Callable[[torch.Tensor], str | None]) -> None:
        self._tape = tape
        self.values = values
        self._value = values.of
        self._known_name = names
        self.entries: dict[int, Entry] = {}
        """By `id`: good only while the entry's reference leads back to that very object."""
        self.objects = 0
        self.made: Any = collections.deque(maxlen=0)
        """Gets every new entry, for a loop that wants to know what its iterations make."""
        self.made_blocks: Any = collections.deque(maxlen=0)
        self.blocks: dict[int, Block] = {}
        """By `id` of the storage: good only while the reference leads back to that very storage."""
        self.retained: dict[int, Entry] = {}
        self.last_change: dict[int, int] = {}
        """By storage row: the call that last changed it in place."""
        self.node_of: Callable[[torch.Tensor, int | None], int | None] = lambda tensor, call: None
        """Gives the node row of a tensor's `grad_fn`; set by the node probe."""
        self.maker_of: Callable[[torch.Tensor, Entry], int | None] = lambda tensor, entry: None
        """Gives the call row of work that was not seen as a call; set by the probe of the unseen."""

    def known(self, tensor: Any) -> Entry | None:
        """The entry of an object that was seen before."""
        entry = self.entries.get(id(tensor))
        return entry if entry is not None and entry() is tensor else None

    def entry(self, tensor: torch.Tensor) -> Entry:
        """The entry of an object, made when it is new."""
        entry = self.entries.get(id(tensor))
        if entry is None or entry() is not tensor:
            entry = self._new(tensor)
            origin = memory.origin(tensor)
            if origin is not None:
                self._tape.origins[entry.object] = origin
        return entry

    def _new(self, tensor: torch.Tensor) -> Entry:
        entry = self.entries[id(tensor)] = Entry(tensor)
        entry.object = self.objects
        entry.state = -1
        entry.version = -2
        entry.requires_grad = False
        entry.storage = None
        entry.grad_of = None
        self.made.append(entry)
        self.objects += 1
        return entry

    def live(self) -> list[tuple[Entry, torch.Tensor]]:
        """Entries whose object is still alive."""
        pairs = [(entry, entry()) for entry in list(self.entries.values())]
        return [(entry, tensor) for entry, tensor in pairs if tensor is not None]

    def state(self, tensor: torch.Tensor) -> int:
        """The row of an input as it is now, made when it is new or has changed since it was last seen."""
        return self.current(tensor).state

    def current(self, tensor: torch.Tensor) -> Entry:
        """The entry of an input, its state brought up to date."""
        entry = self.entries.get(id(tensor))
        if entry is None or entry() is not tensor:
            entry = self.entry(tensor)
            self._arrived(tensor, entry, None)
            name = self._known_name(tensor)
            if name is not None:
                self._tape.names.append((self._tape.tensors[entry.state][0], name, entry.state, None, "<module>"))
        elif entry.state < 0 or entry.version != version_of(tensor) or entry.requires_grad != tensor.requires_grad:
            self._arrived(tensor, entry, self.last_change.get(entry.storage) if entry.storage is not None else None)
        return entry

    def _arrived(self, tensor: torch.Tensor, entry: Entry, call: int | None) -> None:
        """A row for a state that no call gave back: from before, or from work that was not seen."""
        maker = self.maker_of(tensor, entry) if tensor.requires_grad and not stale(tensor) else None
        self._add(tensor, entry, call if maker is None else maker, not stale(tensor))
        if maker is not None:
            draft = self._tape.calls[maker]
            draft.outputs = (*draft.outputs, entry.state)

    def result(self, tensor: torch.Tensor, call: int, own: bool = True) -> int:
        """A new row for what a call gave back or changed in place; not its `own` where it was changed along."""
        entry = self.entries.get(id(tensor))
        if entry is None or entry() is not tensor:
            entry = self._new(tensor)
        self._add(tensor, entry, call, own or not stale(tensor))
        return entry.state

    def _add(self, tensor: torch.Tensor, entry: Entry, call: int | None, readable: bool) -> None:
        tape = self._tape
        rows = tape.tensors
        try:
            version = tensor._version
        except RuntimeError:  # inference tensors have none
            version = -1
        entry.version = version
        entry.requires_grad = requires_grad = tensor.requires_grad
        entry.storage = storage = self.storage(tensor)
        leaf = not requires_grad or (readable and tensor.is_leaf)
        retains = False
        if call is None and not leaf and readable and tensor.retains_grad:
            retains = True
            self.retained[entry.object] = entry
        value = self._value(tensor) if tensor.numel() <= self.values.limit else None
        entry.state = state = len(rows)
        rows.append((
            tape.tick(), entry.object, version, tuple(tensor.shape), tensor.dtype, tensor.device, storage,
            tensor.nbytes if storage is not None else 0, requires_grad, leaf, None, 0, call, retains,
            type(tensor) is PARAMETER, value, entry.grad_of,
        ))  # fmt: skip
        if not leaf and readable:  # only now: what the node saved may be this very tensor
            node = self.node_of(tensor, call)
            row = rows[state]
            rows[state] = (*row[:10], node, tensor.output_nr, *row[12:])

    def retain(self, tensor: torch.Tensor) -> None:
        """Note that `retain_grad()` was called on a tensor."""
        entry = self.current(tensor)
        self.retained[entry.object] = entry
        row = self._tape.tensors[entry.state]
        self._tape.tensors[entry.state] = (*row[:13], True, *row[14:])

    def retaining(self) -> list[torch.Tensor]:
        """Live non-leaf tensors whose `.grad` backward fills."""
        if not self.retained:
            return []
        tensors = [ref() for ref in self.retained.values()]
        return [t for t in tensors if t is not None and (stale(t) or not t.is_leaf)]

    def storage(self, tensor: torch.Tensor) -> int | None:
        """The row of the storage behind a tensor, None for tensors without one (sparse)."""
        if tensor.layout is not STRIDED:
            return None
        storage = tensor.untyped_storage()
        block = self.blocks.get(id(storage))
        if block is not None and block() is storage:
            return block.row
        block = self.blocks[id(storage)] = Block(storage)
        self.made_blocks.append(block)
        block.row = row = len(self._tape.storages)
        self._tape.storages.append((storage.nbytes(), tensor.device))
        return row
