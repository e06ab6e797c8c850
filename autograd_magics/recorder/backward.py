"""Probe: each run of the engine, what every node received and sent.

Before the engine starts, the graph behind the roots is walked; pre-hooks note what each node
receives, and what a node sent is what its parents received.  Only where several nodes add up in one
parent is a post-hook needed to tell the parts; all hooks come off before the call returns.
"""

from __future__ import annotations

import functools
import inspect
from collections import Counter
from collections.abc import Callable
from typing import Any

import torch

from .grads import Grads
from .memory import GradientDraft
from .nodes import KEY, Mark, Nodes
from .sources import Chain, Site
from .tape import BackwardDraft, CallDraft, Tape
from .tensors import EXACT, Tensors, alone, dtype_name
from .values import Values

ENTRIES: dict[Any, str] = {
    torch.Tensor.backward: "Tensor.backward",
    torch.autograd.backward: "autograd.backward",
    torch.autograd.grad: "autograd.grad",
}

_signatures = {func: inspect.signature(func) for func in ENTRIES}


class Request:
    """What a call of the engine asked for."""

    def __init__(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        given = _signatures[func].bind(*args, **kwargs).arguments
        self.kind = ENTRIES[func]
        if self.kind == "Tensor.backward":
            self.roots = _tensors(given.get("self"))
            gradients = given.get("gradient")
        elif self.kind == "autograd.backward":
            self.roots = _tensors(given.get("tensors"))
            gradients = given.get("grad_tensors")
        else:
            self.roots = _tensors(given.get("outputs"))
            gradients = given.get("grad_outputs")
        self.gradients = [gradients] if isinstance(gradients, torch.Tensor) else list(gradients or ())
        inputs = given.get("inputs")
        self.inputs = None if inputs is None else _tensors(inputs)
        self.create_graph = bool(given.get("create_graph", False))
        retain = given.get("retain_graph")
        self.retain_graph = self.create_graph if retain is None else bool(retain)


def _tensors(given: Any) -> list[torch.Tensor]:
    items = [given] if isinstance(given, torch.Tensor) else list(given or ())
    return [item for item in items if type(item) in EXACT]


class Run:
    """What one run of the engine needs until it ends."""

    def __init__(self, index: int, site: Site) -> None:
        self.index = index
        self.site = site
        self.handles: list[Any] = []
        self.marks: dict[int, Mark] = {}
        self.leaves: dict[int, torch.Tensor] = {}
        """By node row: the tensor of each AccumulateGrad."""
        self.steps: dict[int, list[Any]] = {}
        """By node row."""


class Backwards:
    """The `backwards` and `steps` tables while they grow."""

    def __init__(
        self, tape: Tape, tensors: Tensors, nodes: Nodes, grads: Grads, values: Values,
        trouble: Callable[[Exception], None],
    ) -> None:  # fmt: skip
        self._tape = tape
        self._tensors = tensors
        self.nodes = nodes
        self._grads = grads
        self._values = values
        self._trouble = trouble

    def begin(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], chain: Chain) -> Any:
        """Prepare for a run of the engine; gives what to do when it has ended."""
        if self._tape.full():
            self._tape.dropped += 1
            return None
        try:
            request = Request(func, args, kwargs)
        except TypeError:
            return None  # a wrong call: torch says so itself
        run = self._open(request, chain)
        for node in self._walk(request.roots, run):
            self._watch(node, run)
        self._watch_shared_parents(request.roots, run)
        for leaf in run.leaves.values():
            self._grads.before_backward(leaf)
        for tensor in self._tensors.retaining():
            self._grads.before_backward(tensor)
        return functools.partial(self._end, request, run)

    def _open(self, request: Request, chain: Chain) -> Run:
        tape = self._tape
        site = tape.site(chain)
        roots = [self._tensors.state(root) for root in request.roots]
        inputs = None if request.inputs is None else [self._tensors.state(t) for t in request.inputs]
        gradients = [self._gradient(g) for g in request.gradients]
        gradients += [None] * (len(roots) - len(gradients))
        orders = [tape.nodes[n].order for n in (tape.tensors[r][10] for r in roots) if n is not None]
        tape.backwards.append(
            BackwardDraft(
                tape.tick(), request.kind, site, roots, gradients[: len(roots)], inputs,
                request.retain_graph, request.create_graph, max(orders, default=1),
            )
        )  # fmt: skip
        return Run(len(tape.backwards) - 1, site)

    def _walk(self, roots: list[torch.Tensor], run: Run) -> list[Any]:
        """All nodes behind the roots that are known or may still be, each once."""
        queue: list[Any] = []
        for root in roots:
            node = root.grad_fn
            if node is not None and self.nodes.row(node) is not None:
                queue.append(node)
        seen = set(queue)
        for node in queue:
            for parent, _ in node.next_functions:
                if parent is not None and parent not in seen and self.nodes.known(parent) is not None:
                    seen.add(parent)
                    queue.append(parent)
        return list(dict.fromkeys(queue))

    def _watch(self, node: Any, run: Run) -> None:
        mark: Mark = node.metadata[KEY]
        run.marks[mark.row] = mark
        if self._tape.nodes[mark.row].leaf is not None and type(node.variable) in EXACT:
            run.leaves[mark.row] = node.variable
        run.handles.append(node.register_prehook(functools.partial(self._received, run, mark.row)))

    def _watch_shared_parents(self, roots: list[torch.Tensor], run: Run) -> None:
        """Post-hooks on the nodes that share a parent: only they can tell their own part of the sum."""
        fan_in = Counter(edge for row in run.marks for edge in self._tape.nodes[row].edges if edge[0] is not None)
        shared = {edge for edge, count in fan_in.items() if count > 1}
        if not shared:
            return
        for node in self._walk(roots, run):
            row = self.nodes.known(node)
            if row is not None and any(edge in shared for edge in self._tape.nodes[row].edges):
                run.handles.append(node.register_hook(functools.partial(self._sent, run, row)))

    # -- on the engine's threads ---------------------------------------------------------------
    def _received(self, run: Run, row: int, gradients: Any) -> None:
        try:
            with alone():
                received = tuple(self._gradient(g) for g in gradients)
            step = [self._tape.tick(), run.index, row, received, None]
            run.steps[row] = step
            self._tape.steps.append(step)  # type: ignore[arg-type]
        except Exception as error:
            self._trouble(error)

    def _sent(self, run: Run, row: int, sent: Any, received: Any) -> None:
        try:
            step = run.steps.get(row)
            if step is not None:
                with alone():
                    step[4] = tuple(self._gradient(g) for g in sent)
        except Exception as error:
            self._trouble(error)

    def _gradient(self, gradient: Any) -> GradientDraft | None:
        if type(gradient) not in EXACT or torch._C._functorch.is_functorch_wrapped_tensor(gradient):
            return None
        value = self._values.of(gradient)
        return (tuple(gradient.shape), dtype_name(gradient.dtype), str(gradient.device), value)

    # -- after the engine ----------------------------------------------------------------------
    def _end(self, request: Request, run: Run, result: Any, error: BaseException | None) -> None:
        for handle in run.handles:
            handle.remove()
        draft = self._tape.backwards[run.index]
        if error is not None:
            draft.error = (type(error).__name__, str(error))
            draft.failed_node = next(reversed(run.steps), None)
        self._note_freed(run, draft)
        self._note_gradients(run, draft)
        if error is None and request.kind == "autograd.grad":
            self._note_results(request, run, draft, result)
        draft.end = self._tape.tick()

    def _note_freed(self, run: Run, draft: BackwardDraft) -> None:
        if draft.retain_graph:
            return
        at = self._tape.tick()
        for row in run.steps:
            node = self._tape.nodes[row]
            if row != draft.failed_node and node.has_saved and node.freed_by is None:
                node.freed_by, node.freed_at = run.index, at
                run.marks[row].freed = run.site

    def _note_gradients(self, run: Run, draft: BackwardDraft) -> None:
        order = draft.order + 1
        for row, leaf in run.leaves.items():
            step = run.steps.get(row)
            added = step[3][0] if step is not None and step[3] else None
            grad = self._grads.after_backward(leaf, run.index, run.site, added)
            if draft.create_graph and type(grad) in EXACT and grad.grad_fn is not None:  # type: ignore[union-attr]
                self.nodes.row(grad.grad_fn, origin="backward", order=order)  # type: ignore[union-attr]
        for tensor in self._tensors.retaining():
            self._grads.after_backward(tensor, run.index, run.site, None)

    def _note_results(self, request: Request, run: Run, draft: BackwardDraft, result: Any) -> None:
        """`autograd.grad` is a call too: its results are computed from its outputs and inputs."""
        tape = self._tape
        call = len(tape.calls)
        inputs = [*draft.roots, *(draft.inputs or ())]
        tape.calls.append(
            CallDraft(
                draft.at, draft.at, "grad", "torch.autograd.grad", run.site, inputs, [], [], [], [],
                False, torch.is_grad_enabled(), None, None,
            )
        )  # fmt: skip
        for tensor in result if isinstance(result, (tuple, list)) else (result,):
            row = None
            if type(tensor) in EXACT:
                if tensor.grad_fn is not None:
                    self.nodes.row(tensor.grad_fn, origin="backward", order=draft.order + 1)
                row = self._tensors.result(tensor, call)
                tape.calls[call].outputs.append(row)
            draft.results.append(row)
        tape.calls[call].end = tape.tick()
