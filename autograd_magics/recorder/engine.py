"""A backward of a loop's iteration that is noted by its numbers alone (see `light`).

The graph is walked by the template's plan, which also proves that it is the same graph; the hooks that hear what the
nodes receive are made once for the whole loop and handed to each iteration's nodes.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import torch

from .backward import Request, Run
from .functions import Function
from .hooks import hand_over
from .light import Event, only
from .memory import GradientDraft, Held
from .nodes import ACCUMULATE
from .periods import BACKWARDS, CHANGES, NODES, OBJECTS, SAVED, STEPS, STORAGES, TENSORS, Lengths, Tables
from .sources import Site
from .tape import BackwardDraft
from .tensors import TENSOR, Entry
from .values import at_hand, dispatch_modes, is_finite

if TYPE_CHECKING:
    from .iterations import Light

UNTOLD = object()
"""Stands for the value of a gradient that was no plain tensor."""


class Leaf:
    """A leaf whose `.grad` the backward fills."""

    def __init__(self, row: int, change: Any, entry: Entry, got: GradientDraft) -> None:
        self.row = row
        self.change = change
        self.object: int = change[1]
        self.state: int = change[2]
        self.entry = entry
        self.shape, self.dtype, self.device = got[:3]
        self.small = got[3] is not None
        self.finite = is_finite(got[3])


class LightBackward(Event):
    """`loss.backward()` over nodes of this iteration, into leaves that have no `.grad`."""

    light = True

    def __init__(self, loop: Light, function: Function, site: Site, rows: Tables, first: Lengths) -> None:
        super().__init__(function, site, rows)
        self.loop = loop
        self.first = first
        self.draft: BackwardDraft = rows[BACKWARDS][0]
        self.at, self.last = self.draft.at, self.draft.end
        self.root: int = self.draft.roots[0]
        self.leaves: list[Leaf] = []
        self.index = {row[2]: i for i, row in enumerate(rows[STEPS])}
        """By node: its place among the steps."""
        self.steps = [row for row in rows[STEPS] if row[2] >= loop.start[NODES]]
        self.order = [row[2] for row in self.steps]
        self.kinds: dict[int, type] = {}
        """By node: its class, once it was met."""
        self.plan: list[tuple[int, int, list[tuple[int, int]]]] = []
        """(node row, number of its edges, [(edge, place in the queue)]) in the order of the queue."""
        self.ran: list[int] = []
        self.heard: list[Any] = []
        self.sent: dict[int, tuple[Any, ...]] = {}
        self.hooks = {row[2]: {0: self._listener(row[2], row[3][0])} for row in self.steps}
        self.doubled = self._doubled()
        self.senders = {
            row[2]: self._sender(row[2]) for row in self.steps if row[4] is not None and row[2] not in self.doubled
        }  # fmt: skip
        self.finite = all(got is None or is_finite(got[3]) for row in self.steps for got in row[3])

    def _doubled(self) -> dict[int, int]:
        """Nodes of products `e * e`, each with the node that hears nothing but the sum of its two equal parts.

        Such a sum is exactly twice each part: nobody has to listen to what was sent.  Leaves hear nothing themselves.
        """
        arriving: dict[tuple[int | None, int], int] = {}
        for step in self.rows[STEPS]:
            for edge in self._edges(step[2]):
                arriving[edge] = arriving.get(edge, 0) + 1
        factors: dict[int, list[Any]] = {}
        for saved in self.loop.template[SAVED]:
            factors.setdefault(saved[1], []).append(saved[3])
        return {
            row[2]: behind
            for row in self.steps
            if row[4] is not None
            and (behind := self._behind_equal(row[2], factors.get(row[2], []), arriving)) is not None
            and all(got is not None and type(got[3]) in (float, list) for got in row[4])
        }  # fmt: skip

    def _behind_equal(self, node: int, factors: list[Any], arriving: dict[tuple[int | None, int], int]) -> int | None:
        """The node that hears what a product of two equal factors sends, and nothing else."""
        edges = self._edges(node)
        if self.loop.row_of_node(node).name != "MulBackward0" or edges[0] != edges[1] or arriving[edges[0]] != 2:
            return None
        behind = edges[0][0]
        if behind is None or behind < self.loop.start[NODES] or behind not in self.index:
            return None
        return behind if len(factors) == 2 and factors[0] is not None and factors[0] == factors[1] else None

    def _edges(self, node: int) -> Any:
        return self.loop.row_of_node(node).edges if node >= self.loop.start[NODES] else ()

    def _halves(self, node: int, told: dict[int, Any]) -> tuple[GradientDraft, ...] | None:
        """What a node of `doubled` sent, by what the node behind it heard."""
        value = told.get(self.doubled[node], UNTOLD)
        if value is None or value is UNTOLD:
            return None
        got = self.rows[STEPS][self.index[node]][4]
        return tuple([(*one[:3], half(value)) for one in got])

    @classmethod
    def make(
        cls, loop: Light, function: Function, site: Site, rows: Tables, first: Lengths, objects: int
    ) -> LightBackward | None:
        """The event, None where its rows are not those of one."""
        count = len(rows[CHANGES])
        if not only(rows, {BACKWARDS: (1,), STEPS: range(1, 10000), CHANGES: range(1, 10000), STORAGES: (count,)}):
            return None
        draft: BackwardDraft = rows[BACKWARDS][0]
        if (
            objects != count or len(draft.roots) != 1 or draft.gradients[0] is not None or draft.inputs is not None
            or draft.retain_graph or draft.roots[0] < loop.start[TENSORS]
            or any(len(row[3]) != 1 or row[3][0] is None for row in rows[STEPS])
            or any(row[3] != "accumulated" or row[6] is not None or row[8] is None for row in rows[CHANGES])
        ):  # fmt: skip
            return None
        event = cls(loop, function, site, rows, first)
        return event if event._walk(loop.node_of(draft.roots[0])) else None

    def _walk(self, root: int | None) -> bool:
        """Make the plan of the template's graph; False where it is not one that can be followed lightly."""
        if root is None or root not in self.index or root < self.loop.start[NODES]:
            return False
        changes = {row[1]: row for row in self.rows[CHANGES]}
        queue: list[int] = [root]
        seen = {root}
        for row in queue:
            if row < self.loop.start[NODES]:
                change: Any = changes.get(self.loop.object_of_leaf(row))
                entry = self.loop.entry_of(change[1]) if change is not None else None
                if entry is None or entry.grad_of is not None or row not in self.index:
                    return False
                self.leaves.append(Leaf(row, change, entry, change[8]))
                continue
            edges = self.loop.row_of_node(row).edges
            wanted = []
            for i, (parent, _) in enumerate(edges):
                if parent is not None and parent not in seen:
                    if parent not in self.index:
                        return False
                    seen.add(parent)
                    queue.append(parent)
                    wanted.append((i, parent))
            self.plan.append((row, len(edges), wanted))
        same = [leaf.change for leaf in self.leaves] == list(self.rows[CHANGES])
        return same and len(queue) == len(self.index)

    # -- before the engine -----------------------------------------------------------------------
    def begin(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...] | None:
        """Listen to the nodes; None, with nothing done, where it is another backward."""
        if len(args) != 1 or self.loop.retained:
            return None
        for value in kwargs.values():  # `loss.backward()` comes with all of them at their defaults
            if value is not None and value is not False:
                return None
        root = args[0]
        entry: Any = self.loop.entries.get(id(root))
        if (
            entry is None or entry() is not root or entry.state != self.root or entry.version != root._version
            or not root.requires_grad
        ):  # fmt: skip
            return None
        nodes: dict[int, Any] = {self.plan[0][0]: root.grad_fn}
        kinds = self.kinds
        for row, count, wanted in self.plan:
            node = nodes[row]
            if type(node) is not kinds.get(row) and not self._meet(row, node):
                return None
            functions = node.next_functions
            if len(functions) != count:
                return None
            for edge, parent in wanted:
                nodes[parent] = functions[edge][0]
        leaves = []
        held = self.loop.held
        for one in self.leaves:
            behind: Any = nodes[one.row]
            leaf: Any = one.entry()
            if type(behind) is not ACCUMULATE or leaf is None or behind.variable is not leaf:  # type: ignore[union-attr]
                return None
            before = held.get(one.object)
            if (
                leaf.grad is not None or leaf._backward_hooks or leaf._post_accumulate_grad_hooks
                or before is None or before.ref is not None or one.entry.state != one.state
                or one.entry.version != leaf._version
            ):  # fmt: skip
                return None
            leaves.append(leaf)
        self.ran.clear()
        self.heard.clear()
        self.sent.clear()
        hand_over([(nodes[row], hooks) for row, hooks in self.hooks.items()])
        handles = [nodes[row].register_hook(sender) for row, sender in self.senders.items()]
        return self, leaves, handles, args

    def _meet(self, row: int, node: Any) -> bool:
        """Whether a node is of the kind that was at its place; its class is enough from then on."""
        if row in self.kinds or node is None:
            return False
        if node.name().removeprefix("torch::autograd::") != self.loop.row_of_node(row).name:
            return False
        self.kinds[row] = type(node)
        return True

    # -- on the engine's threads -----------------------------------------------------------------
    def _listener(self, row: int, got: GradientDraft) -> Any:
        ran, heard, wrapped, small = self.ran, self.heard, _wrapped, got[3] is not None
        value_of, trouble, near = self.loop.value, self.loop.trouble, at_hand(got[0], got[2])

        def received(one: Any) -> None:
            try:
                told: Any = None
                if type(one) is not TENSOR or wrapped(one):
                    told = UNTOLD
                elif small:
                    told = one.tolist() if near and not dispatch_modes() else value_of(one)
                ran.append(row)
                heard.append(told)
            except Exception as error:
                trouble(error)

        return received

    def _sender(self, row: int) -> Any:
        """The post-hook that notes what a node sent."""
        sent_by, gradient, trouble = self.sent, self.loop.gradient, self.loop.trouble

        def sender(sent: Any, received: Any) -> None:
            try:
                sent_by[row] = tuple([gradient(one) for one in sent])
            except Exception as error:
                trouble(error)

        return sender

    # -- after the engine ------------------------------------------------------------------------
    def end(self, pending: tuple[Any, ...], result: Any) -> bool:
        """Note the backward; False, with nothing noted, where it did not do what it did before."""
        _, leaves, handles, _ = pending
        for handle in handles:
            handle.hooks_dict_ref().pop(handle.id, None)
        if self.ran != self.order or len(self.sent) != len(self.senders) or not self._tame():
            return False
        loop, i = self.loop, 0
        learned: list[tuple[torch.Tensor, GradientDraft]] = []
        for one in self.leaves:
            grad = leaves[i].grad
            i += 1
            if (
                type(grad) is not TENSOR or grad.shape != one.shape or grad.dtype is not one.dtype or grad.grad_fn
                or grad.device != one.device or id(grad) in loop.entries and loop.entries[id(grad)]() is not None
            ):  # fmt: skip
                return False
            value = loop.value(grad) if one.small else None
            if one.finite and not is_finite(value) or one.small and value is None:
                return False
            learned.append((grad, (one.shape, one.dtype, one.device, value)))
        self._learn(learned)
        loop.log.append(
            (self, loop.tick(), list(self.heard), dict(self.sent), [gradient for _, gradient in learned])
        )  # fmt: skip
        return True

    def _tame(self) -> bool:
        """Whether every number that was heard is finite, as in the template, and every gradient was told."""
        for value in self.heard:
            if value is UNTOLD or (self.finite and not is_finite(value)):
                return False
        return True

    def _learn(self, learned: list[tuple[torch.Tensor, GradientDraft]]) -> None:
        """Know each `.grad`, so that what is done to it next is noticed."""
        loop, i = self.loop, 0
        for one in self.leaves:
            grad, gradient = learned[i]
            entry = loop.entries[id(grad)] = Entry(grad)
            entry.object, entry.storage = self.first[OBJECTS] + i, self.first[STORAGES] + i
            entry.state, entry.version, entry.requires_grad, entry.grad_of = -1, -2, False, one.object
            loop.made.append(entry)
            loop.owner_of_storage[entry.storage] = one.object
            loop.held[one.object] = Held(entry, grad._version, gradient, self.site)
            i += 1

    def build(self, tables: Tables, item: tuple[Any, ...]) -> None:
        _, at, values, sent, gradients = item
        by = at - self.at
        draft = dataclasses.replace(self.draft, at=at, end=self.draft.end + by)
        tables[STORAGES].extend(self.rows[STORAGES])
        tables[BACKWARDS].append(draft)
        of_leaf = dict(zip([leaf.row for leaf in self.leaves], gradients, strict=True))
        told = dict(zip(self.order, values, strict=True))
        index = self.first[BACKWARDS]
        for row in self.rows[STEPS]:
            node = row[2]
            got = of_leaf[node] if node in of_leaf else (*row[3][0][:3], told[node])
            parts = self._halves(node, told) if node in self.doubled else sent.get(node)
            tables[STEPS].append((row[0] + by, index, node, (got,), parts))
            if node >= self.loop.start[NODES]:
                ran = self.loop.at(tables, NODES, node)
                if ran.has_saved and ran.freed_by is None:
                    ran.freed_by, ran.freed_at, ran.freed = index, self.freed_at + by, self.site
        for leaf, gradient in zip(self.leaves, gradients, strict=True):
            change = leaf.change
            tables[CHANGES].append((change[0] + by, *change[1:7], gradient, gradient, change[9]))

    @property
    def freed_at(self) -> int:
        """When the template's backward freed its graph: after the last step, before the first change."""
        return self.rows[CHANGES][0][0] - 1  # type: ignore[no-any-return]

    # -- what was not expected -------------------------------------------------------------------
    def release(self) -> None:
        """The loop is over: what the nodes were given hears nothing any more."""
        for hooks in self.hooks.values():
            hooks.clear()

    def general(self, func: Any, pending: tuple[Any, ...]) -> Run:
        """The run as the general code would have it at the end of the engine: something else came than was expected."""
        loop, (_, leaves, handles, args) = self.loop, pending
        for handle in handles:
            handle.hooks_dict_ref().pop(handle.id, None)
        tape = loop.tape
        draft = dataclasses.replace(self.draft, at=tape.tick(), end=0)
        tape.backwards.append(draft)
        run = Run(Request(func, args, {}), len(tape.backwards) - 1, self.site, tape.tick)
        received = {row[2]: row[3][0] for row in self.steps}
        for row, value in zip(self.ran, self.heard, strict=False):
            run.steps[row] = (None if value is UNTOLD else (*received[row][:3], value),)
        run.sent = dict(self.sent)
        told = dict(zip(self.ran, self.heard, strict=False))
        for node in self.doubled:
            halves = self._halves(node, told)
            if halves is not None:
                run.sent[node] = halves
        run.leaves = {one.row: leaf for one, leaf in zip(self.leaves, leaves, strict=True)}
        run.quiet = dict.fromkeys(run.leaves)
        run.marks = {row: tape.nodes[row] for row in self.index}
        return run


def half(value: Any) -> Any:
    """Half of every number of nested lists."""
    return [half(one) for one in value] if type(value) is list else value * 0.5


_wrapped = torch._C._functorch.is_functorch_wrapped_tensor
