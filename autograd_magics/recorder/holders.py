"""At the end of a recording: which of the user's variables still hold a tensor with a graph behind it."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator, Mapping
from typing import Any

from .tape import Tape
from .tensors import EXACT, Tensors

LOOKED_AT = 20_000
"""Values looked at, at most: a list with one loss for each step of a long training is still told."""

DEPTH = 3
"""Containers in containers: `history["train"][3]`, `self.losses[3]`."""

SEQUENCES = (list, tuple, deque)
MAPPINGS = (dict, defaultdict)


def note(tape: Tape, tensors: Tensors, namespace: Mapping[str, Any]) -> None:
    """Append (name, tensor row) of every result of a graph that a variable leads to."""
    left = LOOKED_AT
    for path, value in _values(namespace):
        left -= 1
        if not left:
            return
        entry = tensors.known(value) if type(value) in EXACT else None
        if entry is not None and entry.state >= 0 and tape.tensors[entry.state][10] is not None:
            tape.holders.append((path, entry.state))


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
    elif kind.__module__ == "__main__" and kind.__dictoffset__:
        for name, item in list(object.__getattribute__(value, "__dict__").items()):
            yield f"{path}.{name}", item
