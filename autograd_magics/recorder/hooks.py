"""Listening to nodes while the engine runs.

`register_prehook` makes a handle, a dict and two C++ objects in Python code: six microseconds for each node.  Where a
node has one input, the hook of a tensor does the same for a tenth of that: it is given to the node as a dict, and
emptying the dict takes it off.  Such hooks run after those that the user put on tensors, as pre-hooks do.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any

import torch

from .tape import NodeDraft

Hook = Callable[[Any], None]


with torch._C.DisableTorchFunction():
    _carrier: Any = torch.zeros(0, device="cpu")
    """A tensor of ours that hands dicts of hooks over."""
_handing_over = threading.Lock()


def listen(node: Any, draft: NodeDraft, hook: Hook) -> dict[int, Hook]:
    """Call `hook` with what a node of one input receives, until the dict is emptied."""
    hooks = draft.hooks
    if hooks is None:
        hooks = draft.hooks = {0: hook}
        with _handing_over:
            _carrier._backward_hooks = hooks
            node._register_hook_dict(_carrier)
            _carrier._backward_hooks = None
    else:  # an earlier run went through this node and left its dict, empty
        hooks[0] = hook
    return hooks


def hand_over(pairs: list[tuple[Any, dict[int, Hook]]]) -> None:
    """Give nodes of one input their dicts of hooks."""
    with _handing_over:
        for node, hooks in pairs:
            _carrier._backward_hooks = hooks
            node._register_hook_dict(_carrier)
        _carrier._backward_hooks = None


@functools.cache
def can_listen() -> bool:
    """Whether this release of torch has such hooks and calls them as we expect."""
    heard: list[Any] = []
    try:
        with torch._C.DisableTorchFunction(), torch.enable_grad():
            leaf = torch.zeros((), requires_grad=True, device="cpu")
            result = leaf * 2
            node: Any = result.grad_fn
            hooks = listen(node, NodeDraft("", 0, 0, "", None, "", None, (), None, 1), heard.append)
            torch.autograd.grad(result, leaf, retain_graph=True)
            hooks.clear()
            torch.autograd.grad(result, leaf)
            return [float(gradient) for gradient in heard] == [1.0] and len(node._input_metadata) == 1
    except Exception:
        return False
