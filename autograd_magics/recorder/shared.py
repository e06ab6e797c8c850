"""Probe: values that changed in memory shared with an array, of which no call tells.

NumPy writes into a tensor's memory without torch knowing.  Before each backward the small tensors that the graph has
saved since the last one, and whose memory may be shared, are compared with what they were; a difference becomes a new
state of the tensor, made by no call.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from .backward import Backwards, Run
from .sources import Site
from .tape import Tape
from .tensors import Entry, Tensors, stale, version_of
from .values import Values, plain

EXPORTS = frozenset({"numpy", "__array__"})
"""Calls that give an array over a tensor's own memory."""


class SharedMemory:
    """Looks at what may have been written to from outside torch."""

    def __init__(self, tape: Tape, tensors: Tensors, values: Values) -> None:
        self._tape = tape
        self._tensors = tensors
        self._values = values
        self._calls = self._saved = self._rows = 0
        """How many of each were there at the last look."""
        self._exported: set[int] = set()
        """Storages of which an array was made."""

    def look(self) -> None:
        """Add a state of every tensor saved since the last look whose values are not what they were then."""
        tape = self._tape
        # a loop that was noted lightly has taken rows back
        self._calls, self._saved = min(self._calls, len(tape.calls)), min(self._saved, len(tape.saved))
        self._rows = min(self._rows, len(tape.tensors))
        for call in tape.calls[self._calls :]:
            if call.name in EXPORTS:
                self._exported.update(tape.tensors[row][6] for row in call.inputs)
        wanted = {row[3] for row in tape.saved[self._saved :] if row[3] is not None and self._may_be_shared(row[3])}
        for entry, tensor in self._live(wanted) if wanted else ():
            self._compare(entry, tensor)
        self._calls, self._saved, self._rows = len(tape.calls), len(tape.saved), len(tape.tensors)

    def _may_be_shared(self, row: int) -> bool:
        """Whether the state is new, its value was read, and its memory came from outside or was given out."""
        if row < self._rows:  # its value was read before the last look: what was saved later is not known
            return False
        tensor = self._tape.tensors[row]
        outside = tensor[12] is None and not tensor[8]
        return type(tensor[15]) in (list, float, int) and (outside or tensor[6] in self._exported)

    def _live(self, wanted: set[int]) -> list[tuple[Entry, torch.Tensor]]:
        return [(entry, tensor) for entry, tensor in self._tensors.live() if entry.state in wanted]

    def _compare(self, entry: Entry, tensor: torch.Tensor) -> None:
        if not tensor.is_cpu or entry.version != version_of(tensor) or tensor.untyped_storage().resizable():
            return  # memory that torch may resize is its own
        before, now = self._tape.tensors[entry.state][15], self._values.of(tensor)
        if type(now) is type(before) and plain(now) != plain(before):  # NaN is no change of NaN
            self._tensors._add(tensor, entry, None, not stale(tensor))


class WatchedBackwards(Backwards):
    """Runs of the engine, each with a look at shared memory before it."""

    def __init__(
        self, tape: Tape, tensors: Tensors, nodes: Any, grads: Any, values: Values, trouble: Callable[[Exception], None]
    ) -> None:
        super().__init__(tape, tensors, nodes, grads, values, trouble)
        self._shared = SharedMemory(tape, tensors, values)

    def begin(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], site: Site) -> Run | None:
        """Look at shared memory, then prepare for a run of the engine."""
        self._shared.look()
        return super().begin(func, args, kwargs, site)
