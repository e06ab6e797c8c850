"""What is kept beside a trace so that its calls can be run again: arguments, functions, and where values are to be had.

* `keep(trace, tape, tensors)`: remember the recipe of a recording for as long as its trace lives.
* `recipe_of(trace)`: that recipe, None for a trace that was loaded or is older.

Nothing here keeps a tensor alive: live ones are known by weak references, small values stand in the trace.
"""

from __future__ import annotations

import weakref
from typing import Any

import torch

from ..trace import Trace
from . import memory
from .functions import LOST, Inside, by_name, restored
from .tape import Tape
from .tensors import EXACT, Entry, Tensors, version_of


class Lost(Exception):
    """A value or an argument that cannot be had any more; `why` is `"gone"`, `"changed"` or `"argument"`."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class Recipe:
    """How to run the calls of one trace again."""

    def __init__(self, tape: Tape, tensors: Tensors) -> None:
        self._slots = [draft.slots for draft in tape.calls]
        self._constants = [draft.constants for draft in tape.calls]
        live = tensors.live()
        self._entries: dict[int, Entry] = {entry.object: entry for entry, _ in live}
        blocks = [tensors.blocks.get(id(t.untyped_storage())) for entry, t in live if entry.storage is not None]
        self._blocks = {block.row: block for block in blocks if block is not None}

    # -- calls ---------------------------------------------------------------------------------
    def function(self, trace: Trace, call: int) -> Any:
        """The function of a call.  Raises Lost where it is not known."""
        function = by_name(trace.calls[call].qualified)
        if function is None:
            raise Lost("function")
        return function

    def arguments(self, trace: Trace, call: int) -> Arguments:
        """The arguments of a call with tensor rows in the places of tensors.  Raises Lost where one was not kept."""
        inputs, slots = trace.calls[call].inputs, self._slots[call]
        if len(inputs) != len(slots):  # work that was not seen as a call
            raise Lost("argument")
        try:
            given = {key: restored(constant) for key, constant in self._constants[call]}
            for row, slot in zip(inputs, slots, strict=True):
                if isinstance(slot, tuple):
                    given.setdefault(slot[0], _container(slot))[slot[1]] = Row(row)
                else:
                    given[slot] = Row(row)
            if any(v is LOST for one in given.values() if type(one) is _Container for v in one.values()):
                raise ValueError("a part of an argument was not kept")
        except ValueError:
            raise Lost("argument") from None
        if trace.calls[call].name == "__getitem__":
            given.setdefault(1, None)  # `h[None]`: a None is not noted
        return Arguments(given)

    # -- values --------------------------------------------------------------------------------
    def value(self, trace: Trace, row: int) -> torch.Tensor:
        """A copy of a tensor as it was in a row.  Raises Lost where it is gone or was changed."""
        noted = told(trace, row)
        return self._unchanged(trace, row).detach().clone() if noted is None else noted

    def _unchanged(self, trace: Trace, row: int) -> torch.Tensor:
        """The user's own tensor where it still is what it was in a row.  Raises Lost where it is not."""
        then = trace.tensors[row]
        entry = self._entries.get(then.object)
        tensor: torch.Tensor | None = None if entry is None else entry()
        if entry is None or tensor is None:
            raise Lost("gone")
        last = trace.tensors[entry.state]
        moved = False
        if entry.storage is not None:
            block = self._blocks.get(entry.storage)
            moved = block is None or block() is not tensor.untyped_storage()
        if moved or (last.version, last.storage) != (then.version, then.storage) or entry.version != version_of(tensor):
            raise Lost("changed")
        return tensor

    def grad(self, obj: int) -> torch.Tensor | None:
        """The `.grad` of a tensor where nothing changed it since the recording ended, else None."""
        entry = self._entries.get(obj)
        tensor = None if entry is None else entry()
        held = None if tensor is None else memory.held(tensor)
        if tensor is None or held is None or held.ref is None:
            return None
        grad = held.ref()
        if grad is None or type(grad) not in EXACT or grad is not tensor.grad or grad._version != held.version:
            return None
        return grad.detach()


class Row(int):
    """The number of a tensor row among plain arguments."""

    __slots__ = ()


class Arguments:
    """The arguments of a call by position and keyword; rows stand for tensors."""

    __slots__ = ("args", "kwargs")

    def __init__(self, given: dict[Any, Any]) -> None:
        positions = [key for key in given if type(key) is int]
        self.args = [given.get(i) for i in range(max(positions, default=-1) + 1)]
        """A hole is a None: only those are not kept."""
        self.kwargs = {key: value for key, value in given.items() if type(key) is not int}

    def filled(self, values: Any) -> tuple[list[Any], dict[str, Any]]:
        """The arguments with `values(row)` in the places of rows, `values(other)` in the places of the rest."""
        return [_filled(v, values) for v in self.args], {k: _filled(v, values) for k, v in self.kwargs.items()}


def _filled(value: Any, values: Any) -> Any:
    if type(value) is _Container:
        items = [_filled(value[i], values) for i in sorted(value)]
        return items if value.is_list else tuple(items)
    return values(value)


class _Container(dict):  # type: ignore[type-arg]
    """A list or tuple in the making, by index."""

    is_list = True


def _container(slot: tuple[Any, int]) -> _Container:
    """An empty container, or one with what stood in it besides tensors."""
    made = _Container()
    if isinstance(slot, Inside):
        made.is_list = type(slot.container) is not list
        made.update((i, item if item is LOST else restored(item)) for i, item in enumerate(slot.container))
    return made


def told(trace: Trace, row: int) -> torch.Tensor | None:
    """A tensor with the values that a row has, None where it has none or, as for complex numbers, not all digits."""
    one = trace.tensors[row]
    dtype: torch.dtype = getattr(torch, one.dtype)
    if one.value is None or dtype.is_complex:
        return None
    return torch.tensor(numbers(one.value), dtype=dtype, device=one.device).reshape(one.shape)


def numbers(value: Any) -> Any:
    """Nested lists of a trace with NaN and infinities as numbers again."""
    if isinstance(value, list):
        return [numbers(item) for item in value]
    return float(value) if isinstance(value, str) else value


_recipes: dict[str, Recipe] = {}
"""By the run of a trace that is alive."""


def keep(trace: Trace, tape: Tape, tensors: Tensors) -> None:
    """Remember how to run a trace's calls again, for as long as the trace lives."""
    _recipes[trace.run] = Recipe(tape, tensors)
    weakref.finalize(trace, _recipes.pop, trace.run, None).atexit = False


def recipe_of(trace: Trace) -> Recipe | None:
    """The recipe of a trace that was recorded in this process."""
    return _recipes.get(trace.run)
