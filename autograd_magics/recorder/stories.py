"""The story of each leaf over all recordings of this process: what happened to its `.grad` and to its value.

`tell(trace, ...)` is called once, when a recording is over: it gives the trace the pages that were written before, and
writes the new ones.  A story is kept by weak reference to its leaf (`memory`) and goes with it.  Pages are plain data:
shapes, places, and the values of small tensors.
"""

from __future__ import annotations

import dataclasses
import math
import weakref
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from ..story import Event, events, pages, same
from ..trace import GradChange, Gradient, History, Past, Trace
from . import memory
from .names import Namespace
from .rows import device_name
from .tape import Tape
from .tensors import EXACT, Tensors, dtype_name, stale, version_of
from .values import SMALL, plain

FIRST, LAST = 16, 64
"""Pages kept of one leaf: the first ones, and the last ones; those between are counted."""

PAGES = 2000
"""Pages in one trace at most; where there are more leaves than that has room for, each gives its last ones."""


class Story:
    """What recordings saw of one leaf."""

    __slots__ = ("first", "last", "left_out", "grad", "value", "version", "storage", "moved", "_past")

    def __init__(self) -> None:
        self.first: list[Past] = []
        self.last: deque[Past] = deque()
        self.left_out = 0
        self.grad: Gradient | None = None
        """What `.grad` held when the last recording ended."""
        self.value: Gradient | None = None
        """The leaf's own value then."""
        self.version = -1
        self.storage: weakref.ref[Any] | None = None
        self.moved = False
        """Whether `.grad` was found to be another one than before by a recording that did not see it change."""
        self._past: tuple[Past, ...] | None = None

    def add(self, new: Sequence[Past]) -> None:
        """Append pages; the first and the last ones stay."""
        room = FIRST - len(self.first)
        self.first += new[:room]
        self.last.extend(new[room:] if room > 0 else new)
        while len(self.last) > LAST:
            self.left_out += self.last.popleft().pages or 1
        self._past = None

    def past(self, limit: int) -> tuple[Past, ...]:
        """The pages, at most about `limit` of them; what is left out is counted on a page of its own."""
        if self._past is None:
            self._past = _with_gap(self.first, self.left_out, list(self.last))
        if len(self._past) <= limit:
            return self._past
        kept = max(1, limit - 2)
        tail = [*self.first[1:], *self.last][-kept:]
        return _with_gap(self.first[:1], len(self.first) + len(self.last) - 1 - len(tail) + self.left_out, tail)


def _with_gap(first: Sequence[Past], left_out: int, last: Sequence[Past]) -> tuple[Past, ...]:
    gap = (Past("left_out", None, None, None, None, None, None, pages=left_out),) if left_out else ()
    return (*first, *gap, *last)


def tell(trace: Trace, tape: Tape, tensors: Tensors) -> Trace:
    """The trace with the story so far of every leaf in it; what this recording saw becomes part of the story."""
    stories = {obj: origin.story for obj, origin in tape.origins.items() if origin.story is not None}
    found = events(trace, stories)
    leaves = [obj for obj, told in found.items() if told[0].kind == "first" or obj in stories]
    alive = {entry.object: tensor for entry, tensor in tensors.live()}
    limit = max(2, PAGES // max(1, len(leaves)))
    changes = _refreshed(trace, alive)
    if changes is not trace.changes:
        trace = dataclasses.replace(trace, changes=changes)
        found = events(trace, stories)
    history: list[History] = []
    for obj in leaves:
        story, tensor = stories.get(obj), alive.get(obj)
        missed = _missed(story, found[obj], tensor) if story is not None else []
        if story is not None:
            story.add(missed)
            history.append(History(len(history), obj, story.past(limit)))
        # looking at what exists already, without a recording, begins no story
        if tensor is not None and (story is not None or (trace.calls and not stale(tensor))):
            _write(trace, story or memory.new_story(tensor, Story()), found[obj], tensor)
    return dataclasses.replace(trace, history=tuple(history)) if history else trace


def _write(trace: Trace, story: Story, told: Sequence[Event], tensor: torch.Tensor) -> None:
    """Append what a recording saw; only the pages that will be kept are made."""
    known = bool(story.first)
    new = [event for event in told if event.kind != "earlier" and not (known and event.kind == "first")]
    room = max(0, FIRST - len(story.first))
    between = max(0, len(new) - room - LAST)
    story.left_out += between
    if between:
        story.left_out += len(story.last)
        story.last.clear()
    story.add([_compact_page(page) for page in pages(trace, [*new[:room], *new[room + between :]])])
    for event in told:
        if event.kind in ("first", "stepped", "updated", "moved"):
            story.value = _compact(event.after)
        else:
            story.grad = _compact(event.after)
    story.version = version_of(tensor)
    story.storage = weakref.ref(tensor.untyped_storage()) if tensor.layout is torch.strided else None
    story.moved = False


# -- whose story ---------------------------------------------------------------------------------
def leaves(names: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    """By name: every leaf of a namespace that requires grad or holds one, also in modules, lists and dicts."""
    space = Namespace(lambda: dict(names))
    found: dict[int, tuple[str, torch.Tensor]] = {}
    with torch._C.DisableTorchFunction():  # or a recording that is going on would see us looking
        for source in (space.tensors, space.parameters, space.sequences):
            for name, tensor in source():
                if _is_leaf(tensor):
                    found.setdefault(id(tensor), (name, tensor))
    return dict(found.values())


def leaves_behind(name: str, value: Any) -> dict[str, torch.Tensor] | str:
    """The leaves that a value is, or holds: a tensor, or a module; else why there are none.

    That is `"no_tensor"`, `"no_parameters"`, `"subclass"`, `"no_leaf"` (a result) or `"no_grad"` (none is required).
    """
    if isinstance(value, torch.nn.Module):
        found: dict[str, torch.Tensor] = {
            f"{name}.{path}": one for path, one in value.named_parameters() if type(one) in EXACT
        }  # fmt: skip
        return found or "no_parameters"
    if not isinstance(value, torch.Tensor):
        return "no_tensor"
    if type(value) not in EXACT:
        return "subclass"
    with torch._C.DisableTorchFunction():  # or a recording that is going on would see us looking
        if value.requires_grad and (stale(value) or not value.is_leaf):
            return "no_leaf"
        return {name: value} if _is_leaf(value) else "no_grad"


def _is_leaf(tensor: torch.Tensor) -> bool:
    if type(tensor) not in EXACT:
        return False
    if tensor.requires_grad:
        return not stale(tensor) and tensor.is_leaf
    return tensor.grad is not None


# -- what happened while nobody was recording -----------------------------------------------------
def _missed(story: Story, told: Sequence[Event], tensor: torch.Tensor | None) -> list[Past]:
    """Pages for what is not as the last recording left it."""
    missed = []
    first = told[0] if told[0].kind == "first" else None
    if first is not None and _value_moved(story, first, told, tensor):
        missed.append(_unwatched("moved", story.value, _compact(first.after)))
    grads = [event for event in told if event.change is not None]
    if grads and grads[0].kind == "unseen":
        return missed  # the recording has a row of its own for it
    if grads:
        now = _compact(grads[0].after if grads[0].kind == "earlier" else grads[0].before)
        if not same(story.grad, now) or (story.moved and grads[0].kind == "earlier"):
            missed.append(_unwatched("unseen", story.grad, now))
    elif story.grad is not None and tensor is not None and tensor.grad is None:
        missed.append(_unwatched("unseen", story.grad, None))
        story.grad = None
    return missed


def _value_moved(story: Story, first: Event, told: Sequence[Event], tensor: torch.Tensor | None) -> bool:
    """Whether a leaf has another value than when the last recording ended."""
    if not same(story.value, _compact(first.after)):
        return True
    if tensor is None or any(event.kind in ("stepped", "updated", "moved") for event in told):
        return False
    if tensor.layout is torch.strided and story.storage is not None:
        return version_of(tensor) != story.version or story.storage() is not tensor.untyped_storage()
    return version_of(tensor) != story.version


def _unwatched(kind: str, before: Gradient | None, after: Gradient | None) -> Past:
    return Past(kind, None, None, None, before, None, after)


def _refreshed(trace: Trace, alive: Mapping[int, torch.Tensor]) -> tuple[GradChange, ...]:
    """The changes, with what is in the `.grad` of leaves that the recording did not touch, as it is now.

    PyTorch's version counter does not move when a `.grad` is changed through `.data` or a NumPy array.
    """
    touched: dict[int, list[GradChange]] = {}
    for row in trace.changes:
        touched.setdefault(row.object, []).append(row)
    new: dict[int, GradChange] = {}
    for obj, rows in touched.items():
        tensor = alive.get(obj)
        if len(rows) > 1 or rows[0].kind != "earlier" or tensor is None or type(tensor.grad) not in EXACT:
            continue
        now = _small(tensor.grad)
        if now is not None and not same(rows[0].after, now):
            new[rows[0].id] = rows[0]._replace(places=(), after=now)
    return tuple(new.get(row.id, row) for row in trace.changes) if new else trace.changes


def _small(grad: torch.Tensor | None) -> Gradient | None:
    """What a small `.grad` on the CPU holds now."""
    if grad is None or grad.numel() > SMALL or grad.layout is not torch.strided or not grad.is_cpu:
        return None
    try:
        value = plain(grad.tolist())
    except RuntimeError:  # quantized, packed: no plain numbers
        return None
    return Gradient(tuple(grad.shape), dtype_name(grad.dtype), device_name(grad.device), value)


# -- small enough to be kept -------------------------------------------------------------------
def _compact(gradient: Gradient | None) -> Gradient | None:
    """The same without what would make a long story large: values of more than `SMALL` elements, and charts."""
    if gradient is None:
        return None
    large = gradient.value is not None and math.prod(gradient.shape) > SMALL
    stats = gradient.stats
    if stats is not None and (stats.bins is not None or stats.cells is not None):
        stats = stats._replace(bins=None, cells=None)
    elif not large:
        return gradient
    return gradient._replace(value=None if large else gradient.value, stats=stats)


def _compact_page(page: Past) -> Past:
    parts = (_compact(page.before), _compact(page.added), _compact(page.after))
    if parts == (page.before, page.added, page.after):
        return page
    return page._replace(before=parts[0], added=parts[1], after=parts[2])
