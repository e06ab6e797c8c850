"""Rows of the trace, made fast."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from ..trace import Gradient
from .memory import GradientDraft
from .tensors import dtype_name
from .values import plain, stats_of


@functools.cache
def maker(row: type) -> Callable[[tuple[Any, ...]], Any]:
    """Makes rows of a type from all their values in order: what the row's own constructor does, without its frame."""
    return functools.partial(tuple.__new__, row)


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
            row = (tuple(shape), dtype_name(dtype), device_name(device), plain(value), stats_of(value))
            made = self._made[id(draft)] = self._make(row)
        return made

    def all(self, drafts: Sequence[GradientDraft | None]) -> tuple[Gradient | None, ...]:
        """The rows of several drafts."""
        if len(drafts) == 1:
            return (self.one(drafts[0]),)
        return tuple([self.one(draft) for draft in drafts])
