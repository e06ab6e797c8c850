"""The common call, noted in as few Python frames as can be: one new strided tensor came out, nothing was changed.

Everything else is left to the general code in `calls`, which notes the same rows.  Long and flat because each
frame costs as much as two readings of a tensor's attributes, and this runs once for every call of the cell.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from .functions import Function
from .nodes import BEHIND, KEY, NODE_BUDGET, RUN, Nodes
from .tape import CallDraft, NodeDraft, Tape
from .tensors import Block, Entry, Tensors
from .values import Values

TENSOR = torch.Tensor
STRIDED = torch.strided

Pending = tuple[
    int, Any, bool, list[torch.Tensor], tuple[Any, ...], tuple[tuple[Any, Any], ...], list[Entry], tuple[int, ...], Any
]  # fmt: skip
"""A call between its beginning and its end: (at, site, gradients enabled, tensors, position or keyword of each,
plain arguments, entries of the tensors, their rows, call of a module)."""


def _hooks_question() -> Callable[[bool], Any]:
    """Gives None while no hooks on saved tensors are active: what was just saved is then not packed."""
    top: Any = getattr(torch._C._autograd, "_top_saved_tensors_default_hooks", None)
    try:
        top(True)
    except TypeError:  # another release of torch: ask each saved tensor itself
        return lambda ignore_tracing: True
    return top  # type: ignore[no-any-return]


_hooks = _hooks_question()


class CommonCalls:
    """Notes calls that gave one new tensor."""

    def __init__(self, tape: Tape, tensors: Tensors, nodes: Nodes, values: Values) -> None:
        self._tape = tape
        self._tensors = tensors
        self._nodes = nodes
        self._value = values.of_small
        self._limit = values.limit
        self._run = tape.run

    # one flat function of more than 40 lines: see the head of this file
    def note(self, function: Function, pending: Pending, result: torch.Tensor) -> CallDraft | None:
        """The call's draft; None, with nothing noted, where it is no common call."""
        at, site, enabled, inputs, slots, constants, entries, states, scope = pending
        tensors = self._tensors
        key = id(result)
        old = tensors.entries.get(key)
        try:
            if result._version or result.layout is not STRIDED or (old is not None and old() is not None):
                return None
            i = 0
            for entry in entries:
                if inputs[i]._version != entry.version:
                    return None
                i += 1
        except RuntimeError:  # inference tensors have no version
            return None
        tape = self._tape
        tick, rows, calls = tape.tick, tape.tensors, tape.calls
        storage = result.untyped_storage()
        block = tensors.blocks.get(id(storage))
        if block is None or block() is not storage:
            block = tensors.blocks[id(storage)] = Block(storage)
            tensors.made_blocks.append(block)
            block.row = len(tape.storages)
            tape.storages.append((storage.nbytes(), result.device))
        call, state, requires_grad = len(calls), len(rows), result.requires_grad
        draft = CallDraft(
            at, at, function.name, function.qualified, site, states, slots, constants, (state,),
            False, enabled, None, None, scope,
        )  # fmt: skip
        calls.append(draft)
        entry = tensors.entries[key] = Entry(result)
        entry.object = tensors.objects
        tensors.objects += 1
        entry.state, entry.version, entry.requires_grad, entry.storage = state, 0, requires_grad, block.row
        entry.grad_of = None
        tensors.made.append(entry)
        value = self._value(result) if result.numel() <= self._limit else None
        now, node, row, fresh, nr = tick(), None, None, None, 0
        if requires_grad:
            node = result.grad_fn
            if node is not None:
                fresh, nr = self._node(node, call, draft), result.output_nr
                row = None if fresh is None else fresh.row
        rows.append((
            now, entry.object, 0, tuple(result.shape), result.dtype, result.device, block.row, result.nbytes,
            requires_grad, node is None, row, nr, call, False, False, value, None,
        ))  # fmt: skip
        if fresh is not None:
            saved = len(tape.saved)
            if self._nodes.read_saved(node, fresh, True, _hooks(True) is not None):
                self._nodes.own_results(saved, draft.outputs)
        elif node is not None:
            self._link(node, call, state)
        return draft

    def _node(self, node: Any, call: int, made_by: CallDraft) -> NodeDraft | None:
        """The draft of a new node whose parents are all known; None, with nothing noted, for any other."""
        metadata, nodes, run = node.metadata, self._tape.nodes, self._run
        if KEY in metadata or len(nodes) >= NODE_BUDGET or node._sequence_nr() < self._nodes.first:
            return None
        order = 1
        edges: list[tuple[int | None, int]] = []
        for parent, nr in node.next_functions:
            if parent is None:
                edges.append((None, nr))
                continue
            behind = parent.metadata.get(KEY)
            if behind is None or behind.run != run:
                return None
            edges.append((behind.row, nr))
            if behind.order > order:
                order = behind.order
        name = node.name().removeprefix("torch::autograd::")
        draft: NodeDraft = NodeDraft(
            run, len(nodes), self._tape.tick(), name, call, "call", made_by.site, tuple(edges), None, order
        )
        metadata[KEY] = draft
        if not draft.row % RUN:
            metadata[BEHIND] = node.next_functions
        nodes.append(draft)
        return draft

    def _link(self, node: Any, call: int, state: int) -> None:
        """The node of a tensor row by the general way: it may add rows of leaves, so the tensor's own comes first."""
        tape = self._tape
        saved = len(tape.saved)
        row = tape.tensors[state]
        number = self._nodes.row(node, call)
        tape.tensors[state] = (*row[:10], number, *row[11:])
        if len(tape.saved) > saved:
            self._nodes.own_results(saved, tape.calls[call].outputs)
