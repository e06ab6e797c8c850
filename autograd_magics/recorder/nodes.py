"""Probe: autograd's nodes, their edges, and what they keep for backward.

A node is known by a mark in its `metadata`, which lives exactly as long as the C++ node and keeps
nothing alive; ids of Python objects are reused and would lie.
"""

from __future__ import annotations

import functools
from typing import Any

import torch

from . import memory
from .sources import Site
from .tape import NodeDraft, Tape
from .tensors import EXACT, Tensors, version_of

KEY = "autograd_magics"
RAW = "_raw_saved_"
ACCUMULATE = type(torch.ones((), requires_grad=True).view(()).grad_fn.next_functions[0][0])  # type: ignore[union-attr]

NODE_BUDGET = 30_000
"""Nodes looked at in one recording.  PyTorch 2.13 keeps a Python object for every node that was looked
at and frees a chain of such nodes by recursion: beyond some 40,000 in a row that overflows an 8 MB stack."""


class Mark:
    """What a node remembers of us, also in later cells."""

    __slots__ = ("run", "row", "site", "freed", "versions")

    def __init__(self, run: str, row: int, site: Site | None) -> None:
        self.run = run
        self.row = row
        self.site = site
        self.freed: Site | None = None
        self.versions: dict[str, int] | None = None


@functools.cache
def _slots(kind: type) -> tuple[str, ...]:
    return tuple(name for name in dir(kind) if name.startswith(RAW))


class Nodes:
    """The `nodes` and `saved` tables while they grow."""

    def __init__(self, tape: Tape, tensors: Tensors) -> None:
        self._tape = tape
        self._tensors = tensors
        self._leaf_nodes: dict[int, int] = {}
        tensors.node_of = self.of_tensor

    def of_tensor(self, tensor: torch.Tensor, call: int | None) -> int | None:
        """The row of a tensor's `grad_fn`; None where looking would rebuild it."""
        if tensor._is_view() and version_of(tensor) > 0 and self._tensors.known(tensor) is not None:
            # grad_fn of a view is made anew after an in-place change: reading it is not free of effects
            return None
        node = tensor.grad_fn
        return None if node is None else self.row(node, call)

    def known(self, node: Any) -> int | None:
        """The row of a node that this recording has met."""
        mark = node.metadata.get(KEY)
        return mark.row if mark is not None and mark.run == self._tape.run else None

    def row(self, node: Any, call: int | None = None, origin: str = "unseen", order: int = 1) -> int | None:
        """The row of a node; it and all unknown nodes behind it are added, nearest last (no recursion)."""
        mark = node.metadata.get(KEY)
        if mark is not None and mark.run == self._tape.run:
            return int(mark.row)
        if len(self._tape.nodes) >= NODE_BUDGET:
            return None
        parents = node.next_functions
        if all(parent is None or self.known(parent) is not None for parent, _ in parents):
            return self._add(node, call, origin, order)
        for one in reversed(self._unknown_behind(node)):
            self._add(one, call, origin, order)
        return self.known(node)

    def _unknown_behind(self, node: Any) -> list[Any]:
        """Unknown nodes reachable from one, such that every node comes before what it leads to."""
        post: list[Any] = []
        seen = {node}
        stack: list[tuple[Any, int]] = [(node, 0)]
        while stack:
            current, index = stack[-1]
            parents = current.next_functions
            if index < len(parents):
                stack[-1] = (current, index + 1)
                parent = parents[index][0]
                if parent is not None and parent not in seen and self.known(parent) is None:
                    if len(self._tape.nodes) + len(seen) < NODE_BUDGET:
                        seen.add(parent)
                        stack.append((parent, 0))
            else:
                stack.pop()
                post.append(current)
        post.reverse()
        return post

    def _add(self, node: Any, call: int | None, origin: str, order: int) -> int:
        tape = self._tape
        metadata = node.metadata
        mark: Mark | None = metadata.get(KEY)
        if type(node) is ACCUMULATE:
            return self._add_leaf(node, metadata)
        name = node.name().removeprefix("torch::autograd::")
        site = mark.site if mark is not None else None
        if mark is not None:
            origin = "earlier"
        elif call is not None:
            origin = "call"
            site = tape.calls[call].site
        row = len(tape.nodes)
        edges = tuple((None if p is None else self.known(p), nr) for p, nr in node.next_functions)
        for parent, _ in edges:
            if parent is not None and tape.nodes[parent].order > order:
                order = tape.nodes[parent].order
        draft = NodeDraft(tape.tick(), name, call if origin == "call" else None, origin, site, edges, None, order)
        if mark is not None:
            draft.freed_site = mark.freed
        tape.nodes.append(draft)
        versions = mark.versions if mark is not None else None
        metadata[KEY] = fresh = Mark(tape.run, row, site)
        fresh.freed = draft.freed_site
        if draft.freed_site is None:
            self._read_saved(node, row, versions, fresh)
        if call is not None and origin == "call":
            tape.calls[call].nodes.append(row)
        return row

    def _add_leaf(self, node: Any, metadata: dict[str, Any]) -> int:
        tape = self._tape
        leaf = node.variable
        state = self._tensors.state(leaf) if type(leaf) in EXACT else None
        obj = None if state is None else tape.tensors[state][1]
        row = self._leaf_nodes.get(obj) if obj is not None else None
        if row is None:
            row = len(tape.nodes)
            tape.nodes.append(NodeDraft(tape.tick(), "AccumulateGrad", None, "leaf", None, (), state, 1))
            if obj is not None:
                self._leaf_nodes[obj] = row
        metadata[KEY] = Mark(tape.run, row, None)
        return row

    # -- saved tensors -------------------------------------------------------------------------
    def _read_saved(self, node: Any, row: int, versions: dict[str, int] | None, mark: Mark) -> None:
        for attribute in _slots(type(node)):
            try:
                raw = getattr(node, attribute)
            except RuntimeError:
                return  # freed by a backward that nobody watched
            if type(raw) is tuple:
                slot = attribute[len(RAW) :]
                numbered = slot != "tensors"
                for i, item in enumerate(raw):
                    self._add_saved(item, row, f"{slot}[{i}]" if numbered else str(i), versions, mark)
            else:
                self._add_saved(raw, row, attribute[len(RAW) :], versions, mark)

    def _add_saved(self, raw: Any, row: int, slot: str, versions: dict[str, int] | None, mark: Mark) -> None:
        tape = self._tape
        if raw.unpack_hook is not None:
            tape.saved.append((tape.tick(), row, slot, None, None, (), None, "", 0, None, None, True))
            tape.nodes[row].has_saved = True
            return
        tensor = raw.data
        if tensor is None or type(tensor) not in EXACT:
            return
        tape.nodes[row].has_saved = True
        now = version_of(tensor)
        version = versions.get(slot, now) if versions is not None else now
        if mark.versions is None:
            mark.versions = {}
        mark.versions[slot] = version
        changed = memory.first_change(tensor, version) if version < now else None
        entry = self._tensors.known(tensor)
        if entry is not None and entry.state >= 0:
            owner, storage = entry.state, entry.storage
        else:
            owner, storage = None, self._tensors.storage(tensor)
        tape.saved.append((
            tape.tick(), row, slot, owner, storage, tuple(tensor.shape), tensor.dtype, tensor.device,
            tensor.nbytes if storage is not None else 0, version, changed, False,
        ))  # fmt: skip

    def own_results(self, first_saved: int, outputs: list[int]) -> None:
        """Saved results of a call belong to its outputs: same storage and shape as one of them."""
        tape = self._tape
        for i in range(first_saved, len(tape.saved)):
            row = tape.saved[i]
            if row[3] is None and not row[-1]:
                for output in outputs:
                    tensor = tape.tensors[output]
                    if tensor[6] == row[4] and tensor[3] == row[5]:
                        tape.saved[i] = (*row[:3], output, *row[4:])
                        break
