"""What later cells may have to name: where tensors were made, cut and changed, and what `.grad` held.

Everything is kept by weak reference and goes with its tensor or storage; only places, names and the
small values of gradients are kept, never a tensor.
"""

from __future__ import annotations

import weakref
from typing import Any, NamedTuple

import torch

from .sources import Site
from .tape import CallDraft, Tape

GradientDraft = tuple[tuple[int, ...], torch.dtype, torch.device, Any]
"""(shape, dtype, device, value)"""

CHANGES_KEPT = 8
"""In-place changes remembered of one storage: enough to find the first one after a save."""

SWEEP = 1024
"""New storages after which those that are gone are swept out."""


class Origin(NamedTuple):
    """How a tensor came to be."""

    site: Site | None
    cut: str | None
    cut_site: Site | None
    cut_source: str | None
    story: Any = None
    """Of a leaf: its `stories.Story`."""


class Held(NamedTuple):
    """What a `.grad` held when it was last looked at."""

    ref: weakref.ref[torch.Tensor] | None
    version: int
    gradient: GradientDraft | None
    site: Site | None


class Change(NamedTuple):
    """An in-place change: the version it led to, and where."""

    version: int
    name: str
    site: Site


class _ByTensor:
    """A value for each live tensor object."""

    def __init__(self) -> None:
        self._table: dict[int, tuple[weakref.ref[torch.Tensor], Any]] = {}

    def get(self, tensor: torch.Tensor) -> Any:
        found = self._table.get(id(tensor))
        return found[1] if found is not None and found[0]() is tensor else None

    def set(self, tensor: torch.Tensor, value: Any) -> None:
        key, table = id(tensor), self._table
        found = table.get(key)
        if found is not None and found[0]() is tensor:
            table[key] = (found[0], value)
            return

        def gone(ref: weakref.ref[torch.Tensor]) -> None:
            if key in table and table[key][0] is ref:
                del table[key]

        table[key] = (weakref.ref(tensor, gone), value)


_origins = _ByTensor()
_held = _ByTensor()
_stories = _ByTensor()
_changes: dict[int, tuple[weakref.ref[Any], list[Change]]] = {}


def origin(tensor: torch.Tensor) -> Origin | None:
    """How a tensor of an earlier recording came to be, and the story of a leaf."""
    found: Origin | None = _origins.get(tensor)
    story = _stories.get(tensor)
    if story is None:
        return found
    return Origin(None, None, None, None, story) if found is None else found._replace(story=story)


def new_story(leaf: torch.Tensor, story: Any) -> Any:
    """Let a story be that of a leaf, for as long as the leaf lives."""
    _stories.set(leaf, story)
    return story


def held(owner: torch.Tensor) -> Held | None:
    """What the `.grad` of a tensor held when a recording last looked."""
    found: Held | None = _held.get(owner)
    return found


def hold(owner: torch.Tensor, what: Held) -> None:
    """Remember what a `.grad` holds."""
    before, story = held(owner), _stories.get(owner)
    if story is not None and before is not None and what.site is None:  # nobody saw it being written
        story.moved = _other(before, what)
    _held.set(owner, what)


def _other(before: Held, now: Held) -> bool:
    """Whether a `.grad` is not the one that it was, or was changed in place."""
    if before.ref is None or now.ref is None:
        return before.ref is not now.ref
    return before.ref() is not now.ref() or before.version != now.version


def changed(tensor: torch.Tensor, name: str, site: Site) -> None:
    """Remember an in-place change of a tensor's storage."""
    if tensor.layout is not torch.strided or tensor.is_inference():
        return
    storage = tensor.untyped_storage()
    found = _changes.get(id(storage))
    if found is None or found[0]() is not storage:
        if len(_changes) % SWEEP == SWEEP - 1:
            for key in [key for key, (ref, _) in _changes.items() if ref() is None]:
                del _changes[key]
        found = _changes[id(storage)] = (weakref.ref(storage), [])
    found[1].append(Change(tensor._version, name, site))
    del found[1][:-CHANGES_KEPT]


def first_change(tensor: torch.Tensor, version: int) -> Change | None:
    """The first remembered change of a tensor's storage after a version."""
    storage = tensor.untyped_storage()
    found = _changes.get(id(storage))
    if found is None or found[0]() is not storage:
        return None
    return next((change for change in found[1] if change.version > version), None)


def remember(tape: Tape, tensors: Any) -> None:
    """When a recording ends: where the tensors that are still alive came from."""
    cuts: dict[int, CallDraft | None] = {}
    for entry, tensor in tensors.live():
        if entry.state < 0:
            continue
        call = tape.tensors[entry.state][12]
        if call is None:
            continue
        cut = _cut_behind(tape, entry.state, cuts) if not tensor.requires_grad else None
        cut_site, source = (cut.site, _source_name(tape, cut)) if cut is not None else (None, None)
        _origins.set(tensor, Origin(tape.calls[call].site, cut.cut if cut else None, cut_site, source))


def _cut_behind(tape: Tape, state: int, known: dict[int, CallDraft | None]) -> CallDraft | None:
    """The nearest cut that a tensor state was computed through."""
    queue, seen = [state], {state}
    for one in queue:
        call = tape.tensors[one][12]
        if call is None:
            continue
        if call not in known:
            known[call] = tape.calls[call] if tape.calls[call].cut else None
        if known[call] is not None:
            return known[call]
        for earlier in tape.calls[call].inputs:
            if earlier not in seen and len(seen) < SWEEP:
                seen.add(earlier)
                queue.append(earlier)
    return None


def _source_name(tape: Tape, cut: CallDraft) -> str | None:
    objects = {tape.tensors[row][1] for row in cut.inputs if tape.tensors[row][8]}
    return next((name for _, name, row, _, _ in tape.names if tape.tensors[row][1] in objects), None)
