"""Rows of the trace made fast: a frozen dataclass sets each field through `object.__setattr__`."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

from ..trace import Gradient
from .memory import GradientDraft
from .tensors import dtype_name
from .values import plain, stats_of


@functools.cache
def maker(row: type) -> Callable[..., Any]:
    """A constructor of a row type, several times as fast: a twin that is not frozen fills itself, then becomes it."""
    known: dict[str, Any] = {"row": row}
    parameters, body = [], []
    for field in dataclasses.fields(row):
        name = field.name
        if field.default is not dataclasses.MISSING:
            known[f"default_{name}"] = field.default
            parameters.append(f"{name}=default_{name}")
        elif field.default_factory is not dataclasses.MISSING:
            known[f"new_{name}"] = field.default_factory
            parameters.append(f"{name}=None")
            body.append(f"{name} = new_{name}() if {name} is None else {name}")
        else:
            parameters.append(name)
        body.append(f"self.{name} = {name}")
    # a loop over the names would cost more than all assignments written out; `dataclasses` itself does the same
    exec(f"def fill(self, {', '.join(parameters)}): {'; '.join(body)}; self.__class__ = row", known)
    twin: Callable[..., Any] = type(row.__name__, (), {"__init__": known["fill"]})
    return twin


@functools.lru_cache(maxsize=256)
def device_name(device: Any) -> str:
    """`"cpu"`, `"cuda:0"`."""
    return str(device)


class Gradients:
    """Rows of gradients: one for each draft, however often it is met; the tape keeps the drafts."""

    def __init__(self) -> None:
        self._made: dict[int, Gradient] = {}
        self._make = maker(Gradient)

    def one(self, draft: GradientDraft | None) -> Gradient | None:
        """The row of a draft."""
        if draft is None:
            return None
        made = self._made.get(id(draft))
        if made is None:
            shape, dtype, device, value = draft
            row = self._make(shape, dtype_name(dtype), device_name(device), plain(value), stats_of(value))
            made = self._made[id(draft)] = row
        return made

    def all(self, drafts: Sequence[GradientDraft | None]) -> tuple[Gradient | None, ...]:
        """The rows of several drafts."""
        if len(drafts) == 1:
            return (self.one(drafts[0]),)
        return tuple([self.one(draft) for draft in drafts])
