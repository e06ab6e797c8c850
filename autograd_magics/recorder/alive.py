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
    """The `gone` and `packed` tables while they grow."""

    def __init__(self, tape: Tape) -> None:
        self._tape = tape
        self._watches: list[Watch] = []
        self._gone: list[tuple[int, NodeDraft]] = []
        self._packed: list[tuple[int, str, str, tuple[int, ...]]] = []

    def watch(self, node: Any, draft: NodeDraft) -> None:
        """Note when a node that saved something goes."""
        metadata = node.metadata
        mark = metadata.get(KEY)
        if mark is None:
            mark = metadata[KEY] = Mark()
        watch = Watch(mark, self._died)
        watch.draft = draft
        self._watches.append(watch)

    def _died(self, watch: Watch) -> None:
        self._gone.append((self._now(), watch.draft))

    def _now(self) -> int:
        """The time of the last row.  The clock is left alone: nothing that is noted may depend on what dies when."""
        tape = self._tape
        last = tape.tensors[-1][0] if tape.tensors else 0
        if tape.calls:
            last = max(last, tape.calls[-1].end)
        if tape.backwards:
            last = max(last, tape.backwards[-1].at, tape.backwards[-1].end)
        return last

    def pack(self, tensors: Tensors, slot: str, raw: Any) -> None:
        """Note what hooks keep in the place of the saved tensor that is about to be the next row."""
        found = [tensors.storage(one) for one in _inside(raw.data) if type(one) in EXACT]
        blocks = tuple(dict.fromkeys([row for row in found if row is not None]))
        self._packed.append((len(self._tape.saved), slot, _name(raw.unpack_hook), blocks))

    def end(self) -> None:
        """The recording is over: nothing is listened to any more, and what a light loop did not watch is gone."""
        tape, now = self._tape, self._now()
        watched = {id(watch.draft) for watch in self._watches}
        self._watches.clear()
        for draft in tape.nodes:
            if draft.has_saved and draft.freed is None and draft.freed_by is None and id(draft) not in watched:
                self._gone.append((now, draft))

    def rows(self) -> dict[str, tuple[Any, ...]]:
        """Both tables; rows of iterations that were dropped are left out."""
        tape = self._tape
        nodes, saved = tape.nodes, tape.saved
        ends: dict[int, int] = {}
        for at, draft in self._gone:
            if draft.row < len(nodes) and nodes[draft.row] is draft:
                ends.setdefault(draft.row, at)
        packed = [row for row in self._packed if row[0] < len(saved) and _fits(saved[row[0]], row[1])]
        return {
            "gone": tuple([Gone(i, at, node) for i, (node, at) in enumerate(sorted(ends.items()))]),
            "packed": tuple([Packed(i, row[0], row[2], row[3]) for i, row in enumerate(packed)]),
        }


def _fits(row: tuple[Any, ...], slot: str) -> bool:
    """Whether a draft of `saved` is the one that was packed: hidden, and in that slot."""
    return bool(row[-1]) and row[2] == slot


def _inside(data: Any) -> tuple[Any, ...]:
    """What hooks packed, and what stands in a plain tuple or list of it."""
    return tuple(data) if type(data) in (tuple, list) else (data,)


def _name(hook: Callable[..., Any]) -> str:
    """`"torch.utils.checkpoint._checkpoint_hook.unpack_hook"`: a function with its module, without where it was made."""
    name = str(getattr(hook, "__qualname__", type(hook).__qualname__))
    module = str(getattr(hook, "__module__", None) or type(hook).__module__)
    return f"{module}.{name.replace('.<locals>', '').replace('.__init__', '')}"
