"""Tracebacks as the plain run has them: without the frames that a mode adds.

A function of torch that is written in Python is entered twice under a mode: once to hand itself to the
mode, once to run.  The first entry and the function it hands over to are no part of the plain run.
"""

from __future__ import annotations

import os
import types
from typing import Any

from torch.overrides import handle_torch_function

RECORDER = os.path.dirname(os.path.abspath(__file__)) + os.sep
HANDLE = handle_torch_function.__code__


def tidy(error: BaseException) -> None:
    """Take the mode's frames out of an exception, and of those that it came from."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    for one in waiting:
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        one.__traceback__ = without_ours(one.__traceback__)
        waiting += [one.__cause__, one.__context__]


def without_ours(first: types.TracebackType | None) -> types.TracebackType | None:
    """A traceback without our frames and those of torch that handed a call to us."""
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
    following = None
    for one in reversed(kept):
        if one.tb_next is not following:
            one.tb_next = following
        following = one
    return following


def _is_ours(entry: types.TracebackType) -> bool:
    return entry.tb_frame.f_code.co_filename.startswith(RECORDER)
