"""Probe: PyTorch's own warnings, noted and handed on as the plain run would give them.

A warning raised in C++ during a call is attributed to the Python frame that made the call, which under
a mode is ours: the cell's line would be lost and "once per location" would swallow later ones.  So every
warning that lands on our frame is issued again at the caller's line, where the user's filters decide.
"""

from __future__ import annotations

import re
import sys
import warnings
from collections.abc import Callable
from types import FrameType
from typing import Any

from . import calls
from .tape import Tape
from .tracebacks import HANDLE

_FILTER = ("always", None, Warning, re.compile(re.escape(calls.__name__) + r"\Z"), 0)
"""Lets whatever lands on our frame reach us; it fits no other module."""


class WarningProbe:
    """Stands between `warnings` and its display for the length of a recording."""

    def __init__(self, tape: Tape, trouble: Callable[[Exception], None]) -> None:
        self._tape = tape
        self._trouble = trouble
        self._show: Callable[[Any], None] | None = None

    def start(self) -> None:
        """Put the filter and the hook in; the filter's version is left alone, so that no
        "once per location" record of the user's modules is forgotten."""
        self._show = warnings._showwarnmsg  # type: ignore[attr-defined]
        warnings._showwarnmsg = self._showwarnmsg  # type: ignore[attr-defined]
        warnings.filters.insert(0, _FILTER)  # type: ignore[attr-defined]

    def stop(self) -> None:
        """Take both out again."""
        if self._show is None:
            return
        if warnings._showwarnmsg == self._showwarnmsg:  # type: ignore[attr-defined]
            warnings._showwarnmsg = self._show  # type: ignore[attr-defined]
            self._show = None  # else another thread's recorder came later: it goes on handing warnings to us
        for i, one in enumerate(warnings.filters):
            if one is _FILTER:
                del warnings.filters[i]  # type: ignore[attr-defined]
                break

    def _showwarnmsg(self, message: Any) -> None:
        show = self._show or warnings._showwarning_orig  # type: ignore[attr-defined]
        if message.filename != calls.__file__:
            show(message)
            return
        caller = _caller(sys._getframe(1))
        if caller is None:
            show(message)
            return
        try:
            self._note(message, caller)
        except Exception as error:
            self._trouble(error)
        warnings.warn_explicit(
            message.message, message.category, caller.f_code.co_filename, caller.f_lineno,
            caller.f_globals.get("__name__", "<string>"), caller.f_globals.setdefault("__warningregistry__", {}),
            source=message.source,
        )  # fmt: skip

    def _note(self, message: Any, caller: FrameType) -> None:
        site = self._tape.sites.at(caller)
        self._tape.warnings.append((self._tape.tick(), message.category.__name__, str(message.message), site))


def _caller(frame: FrameType | None) -> FrameType | None:
    """The frame that called torch: the nearest one above our own and above torch's dispatch to us."""
    code = calls.CallProbe.__torch_function__.__code__
    while frame is not None and frame.f_code is not code:
        frame = frame.f_back
    frame = frame.f_back if frame is not None else None
    while frame is not None and frame.f_code is HANDLE:
        frame = frame.f_back.f_back if frame.f_back is not None else None
    return frame
