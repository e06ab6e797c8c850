"""Which tensor is which: objects, their states, and the storages behind them.

Nothing here keeps a tensor or its memory alive: both are known by weak references to their Python
objects, which PyTorch keeps for as long as the C++ side lives.
"""

from __future__ import annotations

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


class Entry:
    """What is known of one live tensor object."""

    __slots__ = ("ref", "object", "state", "version", "requires_grad", "storage", "grad_of")

    def __init__(self, tensor: torch.Tensor, number: int) -> None:
        self.ref = weakref.ref(tensor)
        self.object = number
        self.state = -1
        self.version = -2
        self.requires_grad = False
        self.storage: int | None = None
        self.grad_of: int | None = None


class Tensors:
    """The `tensors` and `storages` tables while they grow."""

    def __init__(self, tape: Tape, values: Values, names: Callable[[torch.Tensor], str | None]) -> None:
        self._tape = tape
        self._value = values.of
        self._known_name = names
        self._entries: dict[int, Entry] = {}
        self._objects = 0
        self._storages: dict[int, tuple[Any, int]] = {}
        self._retained: dict[int, weakref.ref[torch.Tensor]] = {}
        self.last_change: dict[int, int] = {}
        """By storage row: the call that last changed it in place."""
        self.node_of: Callable[[torch.Tensor, int | None], int | None] = lambda tensor, call: None
        """Gives the node row of a tensor's `grad_fn`; set by the node probe."""

    def known(self, tensor: Any) -> Entry | None:
        """The entry of an object that was seen before."""
        entry = self._entries.get(id(tensor))
        return entry if entry is not None and entry.ref() is tensor else None

    def entry(self, tensor: torch.Tensor) -> Entry:
        """The entry of an object, made when it is new."""
        entry = self.known(tensor)
        if entry is None:
            entry = self._new(tensor)
            origin = memory.origin(tensor)
            if origin is not None:
                self._tape.origins[entry.object] = origin
        return entry

    def _new(self, tensor: torch.Tensor) -> Entry:
        entry = self._entries[id(tensor)] = Entry(tensor, self._objects)
        self._objects += 1
        return entry

    def live(self) -> list[tuple[Entry, torch.Tensor]]:
        """Entries whose object is still alive."""
        pairs = [(entry, entry.ref()) for entry in list(self._entries.values())]
        return [(entry, tensor) for entry, tensor in pairs if tensor is not None]

    def state(self, tensor: torch.Tensor) -> int:
        """The row of an input as it is now, made when it is new or has changed since it was last seen."""
        return self.current(tensor).state

    def current(self, tensor: torch.Tensor) -> Entry:
        """The entry of an input, its state brought up to date."""
        entry = self._entries.get(id(tensor))
        if entry is None or entry.ref() is not tensor:
            entry = self.entry(tensor)
            self._add(tensor, entry, None)
            name = self._known_name(tensor)
            if name is not None:
                self._tape.names.append((self._tape.tensors[entry.state][0], name, entry.state, None, "<module>"))
        elif entry.state < 0 or entry.version != version_of(tensor) or entry.requires_grad != tensor.requires_grad:
            self._add(tensor, entry, self.last_change.get(entry.storage) if entry.storage is not None else None)
        return entry

    def result(self, tensor: torch.Tensor, call: int) -> int:
        """A new row for what a call gave back or changed in place."""
        entry = self.known(tensor)
        self._add(tensor, self._new(tensor) if entry is None else entry, call)
        return len(self._tape.tensors) - 1

    def _add(self, tensor: torch.Tensor, entry: Entry, call: int | None) -> None:
        tape = self._tape
        entry.version = version_of(tensor)
        entry.requires_grad = requires_grad = tensor.requires_grad
        entry.storage = self.storage(tensor)
        leaf = tensor.is_leaf
        node = None
        output_nr = 0
        retains = False
        if requires_grad and not leaf:
            node = self.node_of(tensor, call)
            output_nr = tensor.output_nr
            if call is None:
                retains = tensor.retains_grad
                if retains:
                    self._retained[entry.object] = entry.ref
        value = self._value(tensor)
        entry.state = len(tape.tensors)  # only now: looking at the node may have added the leaves behind it
        tape.tensors.append((
            tape.tick(), entry.object, entry.version, tuple(tensor.shape), tensor.dtype, tensor.device, entry.storage,
            tensor.nbytes if entry.storage is not None else 0, requires_grad, leaf, node, output_nr, call, retains,
            type(tensor) is torch.nn.Parameter, value, entry.grad_of,
        ))  # fmt: skip

    def retain(self, tensor: torch.Tensor) -> None:
        """Note that `retain_grad()` was called on a tensor."""
        entry = self.current(tensor)
        self._retained[entry.object] = entry.ref
        row = self._tape.tensors[entry.state]
        self._tape.tensors[entry.state] = (*row[:13], True, *row[14:])

    def retaining(self) -> list[torch.Tensor]:
        """Live non-leaf tensors whose `.grad` backward fills."""
        tensors = [ref() for ref in self._retained.values()]
        return [t for t in tensors if t is not None and not t.is_leaf]

    def storage(self, tensor: torch.Tensor) -> int | None:
        """The row of the storage behind a tensor, None for tensors without one (sparse)."""
        if tensor.layout is not torch.strided:
            return None
        storage = tensor.untyped_storage()
        key = id(storage)
        found = self._storages.get(key)
        if found is not None and found[0]() is storage:
            return found[1]
        row = len(self._tape.storages)
        self._storages[key] = (weakref.ref(storage), row)
        self._tape.storages.append((storage.nbytes(), tensor.device))
        return row
