"""Tracebacks as the plain run has them: without the frames that a mode adds.

A function of torch that is written in Python is entered twice under a mode: once to hand itself to the
mode, once to run.  The first entry and the function it hands over to are no part of the plain run.
"""

from __future__ import annotations

import types
from typing import Any

from torch.overrides import handle_torch_function

from .sources import PACKAGE

HANDLE = handle_torch_function.__code__


def tidy(error: BaseException) -> None:
    """Take the mode's frames out of an exception, and of those that it came from."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    for one in waiting:
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        one.__traceback__ = _without_ours(one.__traceback__)
        waiting += [one.__cause__, one.__context__]


def _without_ours(first: types.TracebackType | None) -> types.TracebackType | None:
    kept: list[types.TracebackType] = []
    current = first
    while current is not None:
        after: Any = current.tb_next
        if after is not None and after.tb_frame.f_code is HANDLE:
            current = after.tb_next  # the wrapper and the hand-over
        elif _is_ours(current):
            current = after
        else:
            kept.append(current)
            current = after
    for one, following in zip(kept, [*kept[1:], None], strict=True):
        if one.tb_next is not following:
            one.tb_next = following
    return kept[0] if kept else first


def _is_ours(entry: types.TracebackType) -> bool:
    code = entry.tb_frame.f_code
    return code.co_name == "__torch_function__" and code.co_filename.startswith(PACKAGE)
