"""Probe: autograd's nodes, their edges, and what they keep for backward.

A node is known by a mark in its `metadata`, which lives exactly as long as the C++ node and keeps
nothing alive; ids of Python objects are reused and would lie.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import torch

from . import memory
from .tape import NodeDraft, Tape
from .tensors import EXACT, Tensors, version_of

KEY = "autograd_magics"
UNSEEN = "unseen"
RAW = "_raw_saved_"
ACCUMULATE = type(torch.ones((), requires_grad=True).view(()).grad_fn.next_functions[0][0])  # type: ignore[union-attr]

NODE_BUDGET = 200_000
"""Nodes looked at in one recording."""

BEHIND = "autograd_magics.behind"
RUN = 64
"""PyTorch 2.13 keeps a Python object for every node that was looked at, and frees a chain of such nodes by recursion:
beyond some 40,000 in a row that overflows an 8 MB stack.  So one in so many nodes keeps, in its `metadata`, the tuple
of its own edges: the nodes behind it are then freed with a dict, and Python defers what is nested too deep in those."""


@functools.cache
def _slots(kind: Any) -> tuple[tuple[str, str], ...]:
    """(attribute, slot) of each saved tensor of a kind of node."""
    return tuple((name, name[len(RAW) :]) for name in dir(kind) if name.startswith(RAW))


class Nodes:
    """The `nodes` and `saved` tables while they grow."""

    def __init__(self, tape: Tape, tensors: Tensors) -> None:
        self._tape = tape
        self._tensors = tensors
        self._leaf_nodes: dict[int, int] = {}
        self.first = torch._C._autograd._get_sequence_nr()
        """Number of the first node that this recording can have seen being made."""
        tensors.node_of = self.of_tensor

    def begin(self) -> None:
        """The recording starts: nodes made from now on are its own."""
        self.first = torch._C._autograd._get_sequence_nr()

    def made_here(self, node: Any) -> bool:
        """Whether a node without a mark was made since the recording began."""
        return KEY not in node.metadata and bool(node._sequence_nr() >= self.first) and type(node) is not ACCUMULATE

    def of_tensor(self, tensor: torch.Tensor, call: int | None) -> int | None:
        """The row of a tensor's `grad_fn`."""
        node = tensor.grad_fn
        return None if node is None else self.row(node, call)

    def known(self, node: Any) -> int | None:
        """The row of a node that this recording has met."""
        draft = node.metadata.get(KEY)
        return draft.row if draft is not None and draft.run == self._tape.run else None

    def row(self, node: Any, call: int | None = None, origin: str = "earlier", order: int = 1) -> int | None:
        """The row of a node; it and all unknown nodes behind it are added, nearest last (no recursion)."""
        tape = self._tape
        run = tape.run
        draft = node.metadata.get(KEY)
        if draft is not None and draft.run == run:
            return int(draft.row)
        if len(tape.nodes) >= NODE_BUDGET:
            return None
        edges: list[tuple[int | None, int]] = []
        for parent, nr in node.next_functions:
            if parent is None:
                edges.append((None, nr))
                continue
            behind = parent.metadata.get(KEY)
            if behind is None or behind.run != run:
                break
            edges.append((behind.row, nr))
        else:
            return self._add(node, call, origin, order, tuple(edges))
        for one, parents in self._unknown_behind(node):
            behind_edges = tuple([(None if p is None else self.known(p), nr) for p, nr in parents])
            self._add(one, call, origin, order, behind_edges)
        return self.known(node)

    def _unknown_behind(self, node: Any) -> list[tuple[Any, Any]]:
        """(node, its `next_functions`) of unknown nodes reachable from one, each after those behind it."""
        run, room = self._tape.run, NODE_BUDGET - len(self._tape.nodes)
        found: list[tuple[Any, Any]] = []
        seen = {node}
        parents = node.next_functions
        stack = [(node, parents, iter(parents))]
        while stack:
            current, parents, rest = stack[-1]
            for parent, _ in rest:
                if parent is None or parent in seen:
                    continue
                draft = parent.metadata.get(KEY)
                if (draft is None or draft.run != run) and len(seen) < room:
                    seen.add(parent)
                    behind = parent.next_functions
                    stack.append((parent, behind, iter(behind)))
                    break
            else:
                stack.pop()
                found.append((current, parents))
        return found

    def _add(
        self, node: Any, call: int | None, origin: str, order: int, edges: tuple[tuple[int | None, int], ...]
    ) -> int:
        if type(node) is ACCUMULATE:
            return self._add_leaf(node)
        tape = self._tape
        nodes = tape.nodes
        earlier: NodeDraft | None = node.metadata.get(KEY)
        site = None
        if earlier is not None:
            origin, call, site = "earlier", None, earlier.site
        elif call is not None and node._sequence_nr() >= self.first:
            made_by = tape.calls[call]
            origin, site = ("unseen" if made_by.qualified == UNSEEN else "call"), made_by.site
        else:
            call = None
        for parent, _ in edges:
            if parent is not None and nodes[parent].order > order:
                order = nodes[parent].order
        row = len(nodes)
        draft = NodeDraft(
            tape.run, row, tape.tick(), node.name().removeprefix("torch::autograd::"), call, origin, site, edges,
            None, order,
        )  # fmt: skip
        nodes.append(draft)
        node.metadata[KEY] = draft
        if not row % RUN:
            node.metadata[BEHIND] = node.next_functions
        if earlier is not None:
            draft.freed, draft.versions = earlier.freed, earlier.versions
            draft.hooks, draft.hooked = earlier.hooks, earlier.hooked
        if draft.freed is None:
            self.read_saved(node, draft, earlier is None)
        return row

    def _add_leaf(self, node: Any) -> int:
        tape = self._tape
        leaf = node.variable
        state = self._tensors.state(leaf) if type(leaf) in EXACT else None
        obj = None if state is None else tape.tensors[state][1]
        row = self._leaf_nodes.get(obj) if obj is not None else None
        if row is None:
            row = len(tape.nodes)
            tape.nodes.append(NodeDraft(tape.run, row, tape.tick(), "AccumulateGrad", None, "leaf", None, (), state, 1))
            if obj is not None:
                self._leaf_nodes[obj] = row
        node.metadata[KEY] = tape.nodes[row]
        return row

    # -- saved tensors -------------------------------------------------------------------------
    def read_saved(self, node: Any, draft: NodeDraft, fresh: bool, packed: bool = True) -> bool:
        """Rows of what a node keeps; whether any has no owner.

        fresh: no earlier recording has met the node.  packed: hooks may have packed what it keeps.
        """
        unowned = False
        for attribute, slot in _slots(node.__class__):
            try:
                raw: Any = getattr(node, attribute)
            except RuntimeError:
                return unowned  # freed by a backward that nobody watched
            if type(raw) is tuple:
                numbered = slot != "tensors"
                for i, item in enumerate(raw):
                    unowned |= self._add_saved(item, draft, f"{slot}[{i}]" if numbered else str(i), fresh, packed)
            elif self._add_saved(raw, draft, slot, fresh, packed):
                unowned = True
        if draft.has_saved:
            self._tape.alive.watch(node, draft)
        return unowned

    def _add_saved(self, raw: Any, draft: NodeDraft, slot: str, fresh: bool, packed: bool) -> bool:
        tape = self._tape
        if packed and raw.unpack_hook is not None:
            tape.alive.pack(self._tensors, slot, raw)
            tape.saved.append((tape.tick(), draft.row, slot, None, None, (), None, "", 0, None, None, True))
            draft.has_saved = True
            return False
        tensor = raw.data
        if tensor is None or type(tensor) not in EXACT:
            return False
        draft.has_saved = True
        now = version = version_of(tensor)
        changed = None
        if not fresh:
            version = draft.versions.get(slot, 0) if draft.versions is not None else 0
            if version < now:
                changed = memory.first_change(tensor, version)
        elif now:
            if draft.versions is None:
                draft.versions = {}
            draft.versions[slot] = now
        entry = self._tensors.entries.get(id(tensor))
        if entry is not None and entry.state >= 0 and entry() is tensor:
            row = tape.tensors[entry.state]
            tape.saved.append((
                tape.tick(), draft.row, slot, entry.state, row[6], row[3], row[4], row[5], row[7], version, changed,
                False,
            ))  # fmt: skip
            return False
        storage = self._tensors.storage(tensor)
        tape.saved.append((
            tape.tick(), draft.row, slot, None, storage, tuple(tensor.shape), tensor.dtype, tensor.device,
            tensor.nbytes if storage is not None else 0, version, changed, False,
        ))  # fmt: skip
        return True

    def own_results(self, first_saved: int, outputs: Sequence[int]) -> None:
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
