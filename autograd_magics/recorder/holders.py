"""At the end of a recording: which of the user's variables and hooks still hold a tensor with a graph behind it."""

from __future__ import annotations

import contextlib
import functools
import itertools
import types
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping
from typing import Any

from .tape import Tape
from .tensors import EXACT, Tensors

LOOKED_AT = 20_000
"""Values looked at, at most: a list with one loss for each step of a long training is still told."""

OWN = 200
"""The same of the variables of one hook."""

DEPTH = 3
"""Containers in containers: `history["train"][3]`, `self.losses[3]`."""

SEQUENCES = (list, tuple, deque)
MAPPINGS = (dict, defaultdict)
OPENED = ("__main__", "torch.distributions.")
"""Modules whose objects are looked into: the user's own, and what keeps `probs` that were computed from a policy."""


def note(tape: Tape, tensors: Tensors, namespace: Mapping[str, Any]) -> None:
    """Append (name, tensor row) of every result of a graph that a variable leads to.

    Then (name, tensor row, hook) of those that a function has as variables of its own which hangs on a live tensor.
    """
    found: list[Any] = tape.holders
    for path, value in itertools.islice(_values(namespace), LOOKED_AT):
        state = _state(tape, tensors, value)
        if state is not None:
            found.append((path, state))
    known = {row[1] for row in found}
    for hook in _hooks(tensors):
        for path, value in itertools.islice(_values(_own(hook)), OWN):
            state = _state(tape, tensors, value)
            if state is not None and state not in known:
                found.append((path, state, str(getattr(hook, "__qualname__", type(hook).__name__)).rpartition(".")[2]))


def _state(tape: Tape, tensors: Tensors, value: Any) -> int | None:
    """The row of a result of a graph; None of anything else."""
    entry = tensors.known(value) if type(value) in EXACT else None
    if entry is None or entry.state < 0 or tape.tensors[entry.state][10] is None:
        return None
    return entry.state


def _hooks(tensors: Tensors) -> Iterator[Any]:
    """The hooks on tensors that are still alive."""
    for _, tensor in tensors.live():
        for hooks in (tensor._backward_hooks, tensor._post_accumulate_grad_hooks):
            yield from list((hooks or {}).values())


def _own(hook: Any) -> dict[str, Any]:
    """The variables that a function took along: those of the function it was made in, and its defaults."""
    found: dict[str, Any] = {}
    while isinstance(hook, functools.partial):
        found.update({str(i): value for i, value in enumerate(hook.args)}, **hook.keywords)
        hook = hook.func
    hook = getattr(hook, "__func__", hook)
    if isinstance(hook, types.FunctionType):
        code = hook.__code__
        for name, cell in zip(code.co_freevars, hook.__closure__ or (), strict=True):
            with contextlib.suppress(ValueError):  # a cell that is still empty
                found[name] = cell.cell_contents
        defaults = hook.__defaults__ or ()
        names = code.co_varnames[: code.co_argcount][-len(defaults) :] if defaults else ()
        found.update(zip(names, defaults, strict=True))
        found.update(hook.__kwdefaults__ or {})
    return found


def _values(namespace: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Variables and what they contain, each with its path; a container that contains itself is entered once."""
    entered: set[int] = set()
    stack = [(name, value, 0) for name, value in reversed(list(namespace.items())) if not name.startswith("_")]
    while stack:
        path, value, depth = stack.pop()
        yield path, value
        if depth < DEPTH and id(value) not in entered:
            inside = list(_inside(path, value))
            if inside:
                entered.add(id(value))
                stack += [(below, item, depth + 1) for below, item in reversed(inside)]


def _inside(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    kind = type(value)
    if kind in SEQUENCES:
        for i, item in enumerate(list(value)):
            yield f"{path}[{i}]", item
    elif kind in MAPPINGS:
        for key, item in list(value.items()):
            if type(key) in (str, int):
                yield f"{path}[{key!r}]", item
    elif str(kind.__module__).startswith(OPENED) and kind.__dictoffset__:
        for name, item in list(object.__getattribute__(value, "__dict__").items()):
            yield f"{path}.{name}", item
