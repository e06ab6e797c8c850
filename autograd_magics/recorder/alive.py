"""Probe: when a node goes with all that it kept, and what hooks keep in the place of a saved tensor.

Both are known without holding on to anything.  A mark in the `metadata` of a node lives exactly as long as the C++
node does, and a weak reference to the mark tells its end; what hooks packed is looked at, never unpacked.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch

from ..trace import Gone, Packed

if TYPE_CHECKING:
    from .tape import NodeDraft, Tape
    from .tensors import Tensors

KEY = "autograd_magics.alive"
EXACT = (torch.Tensor, torch.nn.Parameter)


class Mark:
    """Lives in the metadata of one node, and nowhere else."""

    __slots__ = ("__weakref__",)


class Watch(weakref.ref):  # type: ignore[type-arg]
    """A weak reference to a mark, with the draft of its node."""

    __slots__ = ("draft",)
    draft: NodeDraft


class Alive:
    """The `gone` and `packed` tables while they grow.

    It knows the tables of the tape and not the tape, which so goes without the help of the garbage collector.
    """

    def __init__(self, tape: Tape) -> None:
        self._nodes, self._saved = tape.nodes, tape.saved
        self._watches: list[Watch] = []
        self._gone: list[tuple[int, NodeDraft]] = []
        self._packed: list[tuple[int, str, str, tuple[int, ...]]] = []
        self._now = _clock(tape)
        self._died = _noting(self._gone, self._now)

    def watch(self, node: Any, draft: NodeDraft) -> None:
        """Note when a node that saved something goes."""
        metadata = node.metadata
        mark = metadata.get(KEY)
        if mark is None:
            mark = metadata[KEY] = Mark()
        watch = Watch(mark, self._died)
        watch.draft = draft
        self._watches.append(watch)

    def pack(self, tensors: Tensors, slot: str, raw: Any) -> None:
        """Note what hooks keep in the place of the saved tensor that is about to be the next row."""
        found = [tensors.storage(one) for one in _inside(raw.data) if type(one) in EXACT]
        blocks = tuple(dict.fromkeys([row for row in found if row is not None]))
        self._packed.append((len(self._saved), slot, _name(raw.unpack_hook), blocks))

    def _end(self) -> None:
        """Nothing is listened to any more, and what a light loop did not watch is gone."""
        now = self._now()
        watched = {id(watch.draft) for watch in self._watches}
        self._watches.clear()
        for draft in self._nodes:
            if draft.has_saved and draft.freed is None and draft.freed_by is None and id(draft) not in watched:
                self._gone.append((now, draft))

    def rows(self) -> dict[str, tuple[Any, ...]]:
        """Both tables when the recording is over; rows of iterations that were dropped are left out."""
        self._end()
        nodes, saved = self._nodes, self._saved
        ends: dict[int, int] = {}
        for at, draft in self._gone:
            if draft.row < len(nodes) and nodes[draft.row] is draft:
                ends.setdefault(draft.row, at)
        packed = [row for row in self._packed if row[0] < len(saved) and _fits(saved[row[0]], row[1])]
        return {
            "gone": tuple([Gone(i, at, node) for i, (node, at) in enumerate(sorted(ends.items()))]),
            "packed": tuple([Packed(i, row[0], row[2], row[3]) for i, row in enumerate(packed)]),
        }


def _clock(tape: Tape) -> Callable[[], int]:
    """Gives the time of the last row.  The tape's own clock is left alone: no row may depend on what dies when."""
    tensors, calls, backwards = tape.tensors, tape.calls, tape.backwards

    def now() -> int:
        last = tensors[-1][0] if tensors else 0
        if calls:
            last = max(last, calls[-1].end)
        if backwards:
            last = max(last, backwards[-1].at, backwards[-1].end)
        return int(last)

    return now


def _noting(gone: list[tuple[int, NodeDraft]], now: Callable[[], int]) -> Callable[[Watch], None]:
    """What is called when a mark is gone; what a backward freed before is told by that."""

    def died(watch: Watch) -> None:
        draft = watch.draft
        if draft.freed is None and draft.freed_by is None:
            gone.append((now(), draft))

    return died


def _fits(row: tuple[Any, ...], slot: str) -> bool:
    """Whether a draft of `saved` is the one that was packed: hidden, and in that slot."""
    return bool(row[-1]) and row[2] == slot


def _inside(data: Any) -> tuple[Any, ...]:
    """What hooks packed, and what stands in a plain tuple or list of it."""
    return tuple(data) if type(data) in (tuple, list) else (data,)


def _name(hook: Callable[..., Any]) -> str:
    """A function with its module: `"torch.utils.checkpoint._checkpoint_hook.unpack_hook"`."""
    name = str(getattr(hook, "__qualname__", type(hook).__qualname__))
    module = str(getattr(hook, "__module__", None) or type(hook).__module__)
    return f"{module}.{name.replace('.<locals>', '').replace('.__init__', '')}"
