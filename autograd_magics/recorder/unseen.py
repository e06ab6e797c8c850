"""Work that was not seen as a call: custom Functions, compiled code, whatever runs without torch's Python API.

Its results turn up as tensors whose node was made during the recording by nobody we know; each such
node gets a call row of its own, so that the picture stays connected.
"""

from __future__ import annotations

from typing import Any

import torch

from .nodes import KEY, UNSEEN, Nodes
from .scopes import ScopeDraft
from .sources import Chain, Site
from .tape import CallDraft, Tape
from .tensors import Entry, Tensors

FUNCTION = "autograd.Function"
APPLY = torch.autograd.Function.apply.__func__.__code__  # type: ignore[attr-defined]
CUSTOM = torch.autograd.function.BackwardCFunction
LOOK_BACK = 200
"""Calls searched, newest first, for one made inside the `forward` of a Function."""


def inside_function(site: Site) -> bool:
    """Whether a call was made by the `forward` of a custom Function: nothing is cut off there."""
    return site.chain is not None and APPLY in site.chain


def _caller_of_apply(site: Site, forward: Any) -> Chain | None:
    """The frames from which `apply` was called that led to a call made in `forward`."""
    chain = site.chain or ()
    for i in range(2, len(chain), 2):
        if chain[i] is APPLY and (forward is None or chain[i - 2] is forward):
            return chain[i + 2 :]
    return None


def _scope_outside(draft: CallDraft, frames: int) -> ScopeDraft | None:
    """The call of a module that a call was part of and that was running in its outermost `frames` frames already."""
    modules = draft.site.modules
    inside = sum(depth < len(draft.site.chain or ()) // 2 - frames for depth in modules)
    scope: ScopeDraft | None = draft.scope
    for _ in range(inside):
        scope = None if scope is None else scope.parent
    return scope


class Unseen:
    """Finds the makers of tensors that no call gave back."""

    def __init__(self, tape: Tape, tensors: Tensors, nodes: Nodes) -> None:
        self._tape = tape
        self._tensors = tensors
        self._nodes = nodes
        self._calls: set[int] = set()
        tensors.maker_of = self.maker

    def maker(self, tensor: torch.Tensor, entry: Entry) -> int | None:
        """The call row of the unseen work behind a tensor; None where it was seen or is older."""
        node: Any = tensor.grad_fn
        if node is None or self._tape.full():
            return None
        draft = node.metadata.get(KEY)
        if draft is not None:
            mine = draft.run == self._tape.run and draft.call in self._calls
            return draft.call if mine else None
        return self._add(node, entry) if self._nodes.made_here(node) else None

    def _add(self, node: Any, entry: Entry) -> int:
        tape = self._tape
        custom = isinstance(node, CUSTOM)
        name = getattr(type(node), "_forward_cls", type(node)).__name__ if custom else node.name()
        site, scope = self._site(node) if custom else (None, None)
        at = tape.tick()
        call = len(tape.calls)
        known = custom and site is not None
        tape.calls.append(
            CallDraft(
                at, at, name, FUNCTION if known else UNSEEN, site if site is not None else tape.sites.nowhere,
                (), (), (), (), False, True, None, None, scope,
            )
        )  # fmt: skip
        self._calls.add(call)
        return call

    def _site(self, node: Any) -> tuple[Site | None, ScopeDraft | None]:
        """Where `apply` was called, and in which call of a module: told by the calls that its `forward` made."""
        function = getattr(type(node), "_forward_cls", None)
        forward = getattr(getattr(function, "forward", None), "__code__", None)
        for draft in reversed(self._tape.calls[-LOOK_BACK:]):
            if inside_function(draft.site):
                chain = _caller_of_apply(draft.site, forward)
                if chain:
                    return self._tape.sites.of_chain(chain), _scope_outside(draft, len(chain) // 2)
        return None, None

    def settle(self) -> None:
        """When the recording ends: look once more at what is alive, and name the inputs of unseen work."""
        for entry, tensor in self._tensors.live():
            if entry.state >= 0 and entry.requires_grad != tensor.requires_grad:
                self._tensors.current(tensor)
        if not self._calls:
            return
        made = {(row[10], row[11]): i for i, row in enumerate(self._tape.tensors) if row[10] is not None}
        for call in self._calls:
            self._tape.calls[call].inputs = self._inputs(call, made)

    def _inputs(self, call: int, made: dict[tuple[int, int], int]) -> list[int]:
        nodes = self._tape.nodes
        found: dict[int, None] = {}
        for draft in nodes:
            if draft.call != call:
                continue
            for parent, nr in draft.edges:
                if parent is None or nodes[parent].call == call:
                    continue
                row = nodes[parent].leaf if nodes[parent].leaf is not None else made.get((parent, nr))
                if row is not None:
                    found[row] = None
        return list(found)
