"""Compiled code runs without us: the mode is set aside while a `torch.compile`d function is entered.

With a mode on the stack the compiler would trace into it, compile everything anew, and refuse
`fullgraph=True`.  Every entry to and exit from compiled code goes through one function of dynamo's; it is
replaced for the length of a recording, as soon as dynamo has been imported.
"""

from __future__ import annotations

import sys
import threading
import types
from collections.abc import Callable
from typing import Any

MODULE = "torch._dynamo.eval_frame"
ENTRY = "_maybe_set_eval_frame"


class CompiledProbe:
    """Calls `aside` before compiled code runs on this thread and `back` after it."""

    def __init__(self, aside: Callable[[], None], back: Callable[[], None]) -> None:
        self._aside = aside
        self._back = back
        self._entry: Callable[[Any], Any] | None = None
        self._replacement = self._enter
        self._thread = 0
        self._frame: types.FrameType | None = None
        """The frame of dynamo's that entered compiled code."""
        self.watching = False

    def watch(self) -> None:
        """Begin if dynamo has been imported by now; does nothing otherwise, and nothing twice."""
        module = sys.modules.get(MODULE)
        entry = getattr(module, ENTRY, None)
        if self.watching or entry is None:
            return
        self._entry = entry
        self._thread = threading.get_ident()
        setattr(module, ENTRY, self._replacement)
        self.watching = True

    def stop(self) -> None:
        """Put dynamo's own function back."""
        module = sys.modules.get(MODULE)
        if self.watching and getattr(module, ENTRY, None) == self._replacement:
            setattr(module, ENTRY, self._entry)
        self.watching = False
        self._frame = None

    def _enter(self, callback: Any) -> Any:
        """Stands in for dynamo's function, which switches the compiler on and, from the same frame, off again."""
        entry = self._entry
        assert entry is not None
        if not self.watching or threading.get_ident() != self._thread:
            return entry(callback)
        caller = sys._getframe(1)
        if self._frame is None and callable(callback):
            self._frame = caller
            self._aside()
            return entry(callback)
        if caller is not self._frame:  # on the way: compiled code in compiled code, or what it disables
            return entry(callback)
        try:
            return entry(callback)
        finally:
            self._frame = None
            self._back()
