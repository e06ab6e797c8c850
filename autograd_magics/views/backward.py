"""The picture of autograd's own nodes before it is placed: what `grad_fn.next_functions` leads through."""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Sequence
from functools import cached_property

from ..graph import Graph
from ..trace import Node, Step
from . import format, hooks
from .additions import Added, added, last_change
from .boxes import Box, Plan
from .forward import CROWDED, SHARED
from .grouping import groups, pieces
from .phrases import LABEL, Phrases
from .scoped.parts import leaf_part, node_part
from .scoped.paths import common, local, outside


class BackwardPlans:
    """Plans of the parts of autograd's graph, in the order in which they were made."""

    def __init__(self, graph: Graph, phrases: Phrases, limit: int) -> None:
        self.graph, self.trace, self.phrases, self.limit = graph, graph.trace, phrases, limit

    @cached_property
    def inner(self) -> tuple[Node, ...]:
        """The nodes that are no leaves."""
        return tuple(node for node in self.trace.nodes if node.leaf is None)

    @cached_property
    def added(self) -> Added:
        """What each backward added."""
        return added(self.trace)

    @cached_property
    def users(self) -> dict[int, list[int]]:
        """By AccumulateGrad node: the indices in `inner` of the nodes that lead to it."""
        found: dict[int, list[int]] = defaultdict(list)
        for index, node in enumerate(self.inner):
            for target in dict.fromkeys(self._leaves(node)):
                found[target].append(index)
        return found

    def _targets(self, node: Node) -> list[int]:
        return [target for target, _ in node.edges if target is not None]

    def plans(self) -> tuple[list[Plan], int]:
        """One plan for each part that hangs together, and how many nodes are left out."""
        index = {node.id: i for i, node in enumerate(self.inner)}
        links = [(i, index[t]) for i, node in enumerate(self.inner) for t in self._targets(node) if t in index]
        places = [p.id if (p := self.graph.node_place(node)) is not None else None for node in self.inner]
        parts = [[self.inner[i] for i in part] for part in groups(links, self.users.values(), places)]
        drawn = pieces(parts, lambda node: 1 + len(self._leaves(node)), self.limit)
        return [self._plan(nodes) for nodes in drawn], len(self.inner) - sum(map(len, drawn))

    def _leaves(self, node: Node) -> list[int]:
        return [target for target in self._targets(node) if self.trace.nodes[target].leaf is not None]

    def _plan(self, nodes: Sequence[Node]) -> Plan:
        plan = Plan()
        ids = {node.id for node in nodes}
        steps = (step for node in nodes for step in self.graph.steps_of(node.id))
        ran = {step.backward for step in steps if self.trace.backwards[step.backward].error is None}
        boxes: dict[int, int] = {}
        for node in reversed(nodes):
            boxes[node.id] = plan.add(self._node_box(node), node_part(self.graph, node, self.scopes[node.id]))
        uses: dict[int, int] = defaultdict(int)
        for node in nodes:
            for target in dict.fromkeys(self._targets(node)):
                uses[target] += 1
        crowded = len(self.trace.nodes) > CROWDED
        leaves: dict[tuple[int, int | None], int] = {}
        for node in reversed(nodes):
            for target in self._targets(node):
                leaf = self.trace.nodes[target]
                if leaf.leaf is None:
                    if target in ids:
                        plan.links.append((boxes[node.id], boxes[target], "data"))
                    continue
                scope = outside(self.graph, leaf.leaf, self.scopes[node.id])
                repeated = uses[target] > SHARED or (crowded and uses[target] > 1)
                if (target, scope) not in leaves or repeated:
                    box = self._leaf_box(leaf, scope, ran)
                    leaves[target, scope] = plan.add(box, leaf_part(self.trace, leaf, scope))
                plan.links.append((boxes[node.id], leaves[target, scope], "data"))
        return plan

    @cached_property
    def scopes(self) -> dict[int, int | None]:
        """By node: the call of a module that it belongs to; of one without a call that around all it leads to."""
        calls, rows = self.trace.calls, self.trace.scopes
        found: dict[int, int | None] = {}
        for node in self.inner:
            if node.call is not None:
                found[node.id] = calls[node.call].scope
                continue
            targets = [found[t] for t in self._targets(node) if t in found]
            found[node.id] = functools.reduce(lambda a, b: common(rows, a, b), targets) if targets else None
        return found

    # -- boxes ---------------------------------------------------------------------------------
    def _node_box(self, node: Node) -> Box:
        tensor = self.graph.node_tensor(node.id)
        name = self.phrases.name(tensor.id) if tensor is not None else ""
        style = "unseen" if node.origin == "unseen" else "node"
        box = Box(f"n{node.id}", "rect", style, format.clip(format.clean(node.name), 32), name, title=self._title(node))
        box.above, box.layer = self.phrases.order(node.order), node.order
        self._mark(box, node)
        step = self._step(node)
        if step is not None:
            received = [g for g in step.received if g is not None]
            box.below = ", ".join(self.phrases.value(g) for g in received)
            box.below_figures = self.phrases.figures(received[0]) if len(received) == 1 else ""
        return box

    def _step(self, node: Node) -> Step | None:
        """The run of a node to show: the last of the lowest derivative order."""
        steps = self.graph.steps_of(node.id)
        order = min((self.trace.backwards[s.backward].order for s in steps), default=0)
        return next((s for s in reversed(steps) if self.trace.backwards[s.backward].order == order), None)

    def _leaf_box(self, node: Node, scope: int | None, ran: set[int]) -> Box:
        tensor = self.trace.tensors[node.leaf or 0]
        name = format.clip(local(self.trace.scopes, scope, format.clean(self.graph.label(tensor.id))), LABEL)
        box = Box(f"n{node.id}", "pill", "accumulate", format.clean(node.name), name, title=self._title(node))
        box.layer = 0 if self.layered else 1
        self._mark(box, node)
        change = last_change(self.added, tensor.object, ran)
        if change is not None:
            box.below = self.phrases.text("view.grad", value=self.phrases.maybe(change.after))
            box.below_figures = self.phrases.figures(change.after)
        elif ran:
            box.below, box.below_dim = self.phrases.text("view.no_grad"), True
            box.room = self.phrases.widest("view.no_grad")
        return box

    @cached_property
    def layered(self) -> bool:
        """Whether there are derivatives of more than one order."""
        return any(node.order > 1 for node in self.trace.nodes)

    def _mark(self, box: Box, node: Node) -> None:
        """Show the hooks at a node."""
        box.hook, said = hooks.mark(self.phrases, node.id)
        if said:
            box.title = " · ".join([box.title, *said])

    def _title(self, node: Node) -> str:
        place = self.graph.node_place(node)
        parts = [self.phrases.node(node.id), self.phrases.line(place), format.clip(self.phrases.statement(place), 200)]
        if node.origin == "earlier":
            parts.append(self.phrases.text("view.origin_earlier"))
        if node.order > 1:
            parts.append(self.phrases.text("view.origin_backward"))
        parts.append(self.phrases.freed(node))
        return " · ".join(part for part in parts if part)
