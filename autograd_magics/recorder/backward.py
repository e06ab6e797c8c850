"""Probe: each run of the engine, what every node received and sent.

Before the engine starts, the graph behind the roots is walked; pre-hooks note what each node
receives, and what a node sent is what its parents received.  Only where several nodes add up in one
parent is a post-hook needed to tell the parts; all hooks come off before the call returns.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from .grads import Grads
from .hooks import can_listen, listen
from .memory import GradientDraft
from .nodes import Nodes
from .sources import Site
from .tape import BackwardDraft, CallDraft, NodeDraft, Tape
from .tensors import EXACT, PARAMETER, TENSOR, Tensors, alone, stale
from .values import Values

Gradients = tuple["GradientDraft | None", ...]

ENTRIES: dict[Any, str] = {
    torch.Tensor.backward: "Tensor.backward",
    torch.autograd.backward: "autograd.backward",
    torch.autograd.grad: "autograd.grad",
}

PARAMETERS: dict[str, tuple[str, ...]] = {
    "Tensor.backward": ("roots", "gradients", "retain_graph", "create_graph", "inputs"),
    "autograd.backward": ("roots", "gradients", "retain_graph", "create_graph", "grad_variables", "inputs"),
    "autograd.grad": ("roots", "inputs", "gradients", "retain_graph", "create_graph"),
}
"""Parameters of the entries by position, under one set of names."""

SYNONYMS = {
    "self": "roots", "tensors": "roots", "outputs": "roots", "gradient": "gradients", "grad_tensors": "gradients",
    "grad_outputs": "gradients",
}  # fmt: skip


class Request:
    """What a call of the engine asked for."""

    __slots__ = ("kind", "roots", "gradients", "inputs", "create_graph", "retain_graph")

    def __init__(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.kind = ENTRIES[func]
        self.gradients: list[Any] = []
        self.inputs: list[torch.Tensor] | None = None
        self.create_graph = self.retain_graph = False
        if len(args) == 1 and not kwargs:  # `loss.backward()`, nearly always
            self.roots = _tensors(args[0])
            return
        given = dict(zip(PARAMETERS[self.kind], args, strict=False))
        for key, value in kwargs.items():
            if value is not None:
                given[SYNONYMS.get(key, key)] = value
        self.roots = _tensors(given.get("roots"))
        gradients = given.get("gradients")
        self.gradients = [gradients] if isinstance(gradients, torch.Tensor) else list(gradients or ())
        inputs = given.get("inputs")
        self.inputs = None if inputs is None else _tensors(inputs)
        self.create_graph = bool(given.get("create_graph", False))
        retain = given.get("retain_graph")
        self.retain_graph = self.create_graph if retain is None else bool(retain)

    @property
    def reaches_all_leaves(self) -> bool:
        """Whether every leaf behind the roots gets its gradient."""
        return self.inputs is None and self.kind != "autograd.grad"


def _tensors(given: Any) -> list[torch.Tensor]:
    items = [given] if isinstance(given, torch.Tensor) else list(given or ())
    return [item for item in items if type(item) in EXACT]


class Run:
    """What one run of the engine needs until it ends."""

    __slots__ = (
        "request", "index", "site", "clock", "handles", "hooks", "marks", "leaves", "quiet", "others", "steps", "ticks",
        "sent",
    )  # fmt: skip

    def __init__(self, request: Request, index: int, site: Site, clock: Callable[[], int]) -> None:
        self.request = request
        self.index = index
        self.site = site
        self.clock = clock
        """The tape's clock until the engine began."""
        self.handles: list[Any] = []
        self.hooks: list[dict[int, Any]] = []
        self.marks: dict[int, NodeDraft] = {}
        self.leaves: dict[int, torch.Tensor] = {}
        """By node row: the tensor of each AccumulateGrad."""
        self.quiet: dict[int, GradientDraft | None] = {}
        """Those of them whose `.grad` was None: what they receive is what `.grad` holds afterwards."""
        self.others: list[tuple[torch.Tensor, bool]] = []
        """Leaves that the backward of a custom Function may reach by itself, and whether `.grad` was None."""
        self.steps: dict[int, Gradients] = {}
        """By node row, in the order in which they ran: what each received."""
        self.ticks: list[int] = []
        """When they ran; those at the end have none yet."""
        self.sent: dict[int, Gradients] = {}

    def tick(self) -> int:
        """The tape's clock while the engine runs: first it gives their time to the nodes that have run."""
        self.stamp()
        return self.clock()

    def stamp(self) -> None:
        """Give their time to the nodes that have run."""
        ticks, clock = self.ticks, self.clock
        for _ in range(len(self.steps) - len(ticks)):
            ticks.append(clock())


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

    def begin(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], site: Site) -> Run | None:
        """Prepare for a run of the engine: walk its graph and listen to its nodes; None where it is not to be noted.

        What `torch.func.vjp` gave back runs the engine on tensors that belong to a transform which is over.
        """
        request = Request(func, args, kwargs)
        if any(map(_wrapped, request.roots)):
            return None
        run = self._open(request, site)
        self._watch(run)
        for tensor in self._tensors.retaining():
            self._grads.before_backward(tensor)
        self._tape.tick = run.tick
        return run

    def _open(self, request: Request, site: Site) -> Run:
        tape, state = self._tape, self._tensors.state
        roots = tuple([state(root) for root in request.roots])
        inputs = None if request.inputs is None else tuple([state(t) for t in request.inputs])
        gradients = tuple([self.gradient(g) for g in request.gradients])
        if len(gradients) != len(roots):
            gradients = (*gradients, *[None] * (len(roots) - len(gradients)))[: len(roots)]
        order = 1
        for root in roots:
            node = tape.tensors[root][10]
            if node is not None:
                order = max(order, tape.nodes[node].order)
        tape.backwards.append(
            BackwardDraft(
                tape.tick(), request.kind, site, roots, gradients, inputs,
                request.retain_graph, request.create_graph, order,
            )
        )  # fmt: skip
        if any(gradient is not None for gradient in request.gradients):
            tape.backwards[-1].given = [state(g) if _is_plain(g) else None for g in request.gradients]
        return Run(request, len(tape.backwards) - 1, site, tape.tick)

    def _watch(self, run: Run) -> None:
        """Listen to every known node behind the roots, and to what those send that share a parent."""
        nodes, marks, hooks = self._tape.nodes, run.marks, run.hooks
        queue = self._first(run)
        listener = self._listener(run)
        light = run.request.reaches_all_leaves and can_listen()
        shared: set[int] = set()
        hooked = {draft.row for _, draft in queue if draft.hooked}
        for node, draft in queue:  # grows while it is gone through
            if draft.leaf is not None and self._expect(run, draft.row, node):
                continue
            if light and draft.leaf is None and len(node._input_metadata) == 1:
                hooks.append(listen(node, draft, listener(draft.row)))
            else:
                run.handles.append(node.register_prehook(self._general(run, draft.row)))
            i = 0
            for parent, _ in node.next_functions:
                row = draft.edges[i][0]
                i += 1
                if row is None:
                    continue
                if row in marks:
                    shared.add(row)
                else:
                    behind = marks[row] = nodes[row]
                    queue.append((parent, behind))
                    if behind.hooked or (behind.leaf is not None and _has_hooks(parent)):
                        hooked.add(row)
        if shared or hooked:
            self._watch_senders(run, queue, shared, hooked)
        if any(isinstance(node, CUSTOM) for node, _ in queue):
            self._watch_others(run)

    def _watch_others(self, run: Run) -> None:
        """Look at all known leaves: the backward of a custom Function may run the engine itself (a checkpoint does)."""
        mine = {id(leaf) for leaf in run.leaves.values()}
        for entry, leaf in self._tensors.live():
            if entry.state >= 0 and entry.requires_grad and not stale(leaf) and leaf.is_leaf and id(leaf) not in mine:
                run.others.append((leaf, self._grads.before_backward(leaf)))

    def _first(self, run: Run) -> list[tuple[Any, NodeDraft]]:
        """The nodes of the roots, each once."""
        first: list[tuple[Any, NodeDraft]] = []
        for root in run.request.roots:
            try:
                node = root.grad_fn
            except RuntimeError:  # a view that may not be used any more: the engine is about to say so
                continue
            row = None if node is None else self.nodes.row(node)
            if row is not None and row not in run.marks:
                draft = run.marks[row] = self._tape.nodes[row]
                first.append((node, draft))
        return first

    def _expect(self, run: Run, row: int, node: Any) -> bool:
        """Prepare for what the engine may do to a leaf; True where `.grad` alone will tell what it received."""
        leaf = node.variable
        if type(leaf) not in EXACT:
            return False
        run.leaves[row] = leaf
        empty = self._grads.before_backward(leaf)
        if empty and run.request.reaches_all_leaves and not leaf._post_accumulate_grad_hooks:
            run.quiet[row] = None
            return True
        return False

    def _watch_senders(
        self, run: Run, queue: list[tuple[Any, NodeDraft]], shared: set[int], hooked: set[int]
    ) -> None:
        """Post-hooks where what is sent is not what is received: several edges lead to one input, or hooks lie between.

        shared: nodes with several edges.  hooked: nodes whose tensor has a hook of the user's.
        """
        edges: dict[tuple[int | None, int], int] = {}
        for _, draft in queue:
            for edge in draft.edges:
                if edge[0] in shared:
                    edges[edge] = edges.get(edge, 0) + 1
        for node, draft in queue:
            for edge in draft.edges:
                if edge[0] in hooked or (edge[0] in shared and edges[edge] > 1):
                    run.handles.append(node.register_hook(self._sender(run, draft.row)))
                    break

    def hooked(self, owner: torch.Tensor, hook: Any, site: Site) -> None:
        """The user put a hook on a tensor: backward may change what flows through it."""
        tape = self._tape
        state = self._tensors.state(owner)
        node = tape.tensors[state][10]
        if node is not None:
            tape.nodes[node].hooked = True
        late = (owner._post_accumulate_grad_hooks or {}).values()
        kind = "post_accumulate_grad" if any(hook is one for one in late) else "tensor"
        name = getattr(hook, "__qualname__", type(hook).__name__).rpartition(".")[2]
        tape.hooks.append((tape.tick(), state, kind, name, site))

    # -- on the engine's threads ---------------------------------------------------------------
    def _listener(self, run: Run) -> Callable[[int], Callable[[Any], None]]:
        """Gives, for the row of a node of one input, the hook that notes what it received."""
        steps, trouble, value_of = run.steps, self._trouble, self._values.of
        plain, parameter, wrapped, others = TENSOR, PARAMETER, _wrapped, _others

        def listener(row: int) -> Callable[[Any], None]:
            def received(one: Any) -> None:
                try:
                    if others():
                        with alone():
                            steps[row] = (self.gradient(one),)
                    elif (type(one) is plain or type(one) is parameter) and not wrapped(one):
                        steps[row] = ((one.shape, one.dtype, one.device, value_of(one)),)
                    else:
                        steps[row] = (None,)
                except Exception as error:
                    trouble(error)

            return received

        return listener

    def _general(self, run: Run, row: int) -> Callable[[Any], None]:
        """The pre-hook that notes what a node of any kind received."""

        def received(gradients: Any) -> None:
            try:
                with alone():
                    run.steps[row] = tuple([self.gradient(g) for g in gradients])
            except Exception as error:
                self._trouble(error)

        return received

    def _sender(self, run: Run, row: int) -> Callable[[Any, Any], None]:
        """The post-hook that notes what a node sent."""

        def sender(sent: Any, received: Any) -> None:
            try:
                with alone():
                    run.sent[row] = tuple([self.gradient(g) for g in sent])
            except Exception as error:
                self._trouble(error)

        return sender

    def gradient(self, gradient: Any) -> GradientDraft | None:
        """A gradient as it travels: None of what is no plain tensor."""
        if not _is_plain(gradient):
            return None
        return (tuple(gradient.shape), gradient.dtype, gradient.device, self._values.of(gradient))

    # -- after the engine ----------------------------------------------------------------------
    def end(self, run: Run, result: Any, error: BaseException | None) -> None:
        """The engine has ended: take the hooks off and note what became of graph and gradients."""
        for hooks in run.hooks:
            hooks.clear()
        _take_off(run.handles)
        run.stamp()
        self._tape.tick = run.clock
        draft = self._tape.backwards[run.index]
        if error is not None:
            draft.error = (type(error).__name__, str(error))
            draft.failed_node = next(reversed(run.steps), None)
        self._note_quiet(run)
        sent, index, i = run.sent, run.index, 0
        for row, got in run.steps.items():
            self._tape.steps.append((run.ticks[i], index, row, got, sent.get(row)))
            i += 1
        self._note_freed(run, draft)
        self._note_gradients(run, draft)
        if error is None and run.request.kind == "autograd.grad":
            self._note_results(run, draft, result)
        draft.end = self._tape.tick()

    def _note_quiet(self, run: Run) -> None:
        """The steps of leaves that nobody had to listen to: each right after the last node that led to it."""
        quiet, ticks, nodes = run.quiet, run.ticks, self._tape.nodes
        if not quiet:
            return
        last: dict[int, int] = {}
        i = 0
        for row in run.steps:
            for parent, _ in nodes[row].edges:
                if parent in quiet:
                    last[parent] = ticks[i]
            i += 1
        for row in quiet:
            grad = run.leaves[row].grad
            if grad is not None:
                got = quiet[row] = self.gradient(grad)
                run.steps[row] = (got,)
                ticks.append(last.get(row, 0) or self._tape.tick())

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
            added = step[0] if step else None
            grad = self._grads.after_backward(leaf, run.index, run.site, added, run.quiet.get(row))
            if draft.create_graph and type(grad) in EXACT and grad.grad_fn is not None:  # type: ignore[union-attr]
                self.nodes.row(grad.grad_fn, origin="backward", order=order)  # type: ignore[union-attr]
        for leaf, empty in run.others:
            added = self.gradient(leaf.grad) if empty else None
            self._grads.after_backward(leaf, run.index, run.site, added, added)
        for tensor in self._tensors.retaining():
            self._grads.after_backward(tensor, run.index, run.site, self._received_by(run, tensor))

    def _received_by(self, run: Run, tensor: torch.Tensor) -> GradientDraft | None:
        """What came in for a tensor at the output of its node."""
        row = self._tape.tensors[self._tensors.entry(tensor).state]
        step = run.steps.get(row[10])
        return step[row[11]] if step is not None and row[11] < len(step) else None

    def _note_results(self, run: Run, draft: BackwardDraft, result: Any) -> None:
        """`autograd.grad` is a call too: its results are computed from its outputs and inputs."""
        tape = self._tape
        call = len(tape.calls)
        inputs = [*draft.roots, *(draft.inputs or ())]
        tape.calls.append(
            CallDraft(
                draft.at, draft.at, "grad", "torch.autograd.grad", run.site, inputs, (), (), (),
                False, torch.is_grad_enabled(), None, None,
            )
        )  # fmt: skip
        outputs: list[int] = []
        results: list[int | None] = []
        for tensor in result if isinstance(result, (tuple, list)) else (result,):
            row = None
            if type(tensor) in EXACT:
                if tensor.grad_fn is not None:
                    self.nodes.row(tensor.grad_fn, origin="backward", order=draft.order + 1)
                row = self._tensors.result(tensor, call)
                outputs.append(row)
            results.append(row)
        draft.results = results
        tape.calls[call].outputs = outputs
        tape.calls[call].end = tape.tick()


def _is_plain(tensor: Any) -> bool:
    return type(tensor) in EXACT and not _wrapped(tensor)


def _has_hooks(accumulate: Any) -> bool:
    """Whether the leaf of an AccumulateGrad node has hooks of the user's, perhaps from before the recording."""
    return bool(getattr(accumulate.variable, "_backward_hooks", None))


def _take_off(handles: list[Any]) -> None:
    """What `handle.remove()` does, in one piece: its dict of hooks, and no other, knows the hook."""
    for handle in handles:
        try:
            hooks = handle.hooks_dict_ref()
            if hooks is not None:
                hooks.pop(handle.id, None)
        except AttributeError:  # a handle of another make
            handle.remove()


CUSTOM = torch.autograd.function.BackwardCFunction
_others = torch._C._len_torch_function_stack
_wrapped = torch._C._functorch.is_functorch_wrapped_tensor
