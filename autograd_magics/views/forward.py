"""The picture of the computation before it is placed: leaves, calls, and the tensors that flow between them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from ..graph import Graph
from ..trace import Backward, Call, Gradient, Tensor
from . import format, hooks
from .additions import Added, added, last_change
from .boxes import IN_CIRCLE, Box, Plan
from .folding import origins, outcome, runs
from .grouping import groups, pieces
from .phrases import LABEL, Phrases
from .products import Products, through
from .scoped.parts import UNKNOWN, between, operation_part, tensor_part
from .scoped.paths import local, outside
from .symbols import plain, symbol

SHARED = 4
"""A leaf with more uses than this is repeated at each of them."""
CROWDED = 60
"""In a picture with more boxes than this, every leaf with more than one use is repeated."""
DERIVATIVE = 20
"""Longest label of an `autograd.grad`, in columns."""
RESULTS = 4
"""An `autograd.grad` with more results than this is drawn only where they are used."""


Sources = dict[int, dict[int | None, int]]
"""By tensor row and call of a module: the last box of a leaf."""


@dataclass(frozen=True)
class Op:
    """What makes tensors: a call, or an `autograd.grad`."""

    id: str
    row: Call | Backward
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    place: int | None
    parts: tuple[Op, ...] = ()
    """Of a function that ran backwards itself: what it did."""

    @property
    def rows(self) -> list[Call | Backward]:
        """The row, or those of all that it did."""
        return [part.row for part in self.parts or (self,)]


class ForwardPlans:
    """Plans of the parts of a computation, in order of time."""

    def __init__(self, graph: Graph, phrases: Phrases, limit: int) -> None:
        self.graph, self.trace, self.phrases, self.limit = graph, graph.trace, phrases, limit

    # -- what there is -------------------------------------------------------------------------
    @cached_property
    def ops(self) -> tuple[Op, ...]:
        """Everything that is drawn as an operation, in order of time."""
        calls = [op for call in self.graph.operations if (op := self._call(call)) is not None]
        used = {t for op in calls for t in op.inputs} | self.roots
        derivatives = [op for row in self.trace.backwards if (op := self._derivative(row, used)) is not None]
        return self._folded(sorted([*calls, *derivatives], key=lambda op: op.row.at))

    def _folded(self, ops: Sequence[Op]) -> tuple[Op, ...]:
        """The operations, with all that one function of torch's did as one of them."""
        found: list[Op] = []
        at = 0
        for first, end in runs(self.graph, [op.row for op in ops]):
            parts = tuple(ops[first:end])
            drawn = {t for op in (*ops[:first], *ops[end:]) for t in op.outputs}
            found += [*ops[at:first], self._whole(parts, drawn, ops[end].row.at if end < len(ops) else None)]
            at = end
        return (*found, *ops[at:])

    def _whole(self, parts: tuple[Op, ...], drawn: set[int], until: int | None) -> Op:
        """One operation for several; `drawn` is what all others give."""
        made = {t for op in parts for t in op.outputs}
        given = (t for op in parts for t in op.inputs if t not in made)
        taken = dict.fromkeys(t for one in given for t in origins(self.graph, one, parts[0].row.places, drawn))
        last = [op for op in parts if isinstance(op.row, Backward)][-1]
        results = outcome(self.graph, [op.row for op in parts], until) or last.outputs
        return Op(last.id, last.row, tuple(taken), tuple(t for t in results if t not in taken), parts[0].place, parts)

    def _call(self, call: Call) -> Op | None:
        outputs = tuple(t for t in dict.fromkeys(call.outputs) if self.trace.tensors[t].call == call.id)
        if not outputs and call.error is None and not call.cut:
            return None
        return Op(f"c{call.id}", call, call.inputs, outputs, self._place(call.places))

    def _derivative(self, row: Backward, used: set[int]) -> Op | None:
        results = tuple(t for t in row.results if t is not None and self.trace.tensors[t].call not in self._called)
        if len(results) > RESULTS:
            results = tuple(t for t in results if t in used)
        taken = tuple(dict.fromkeys([*row.roots, *(t for t in row.given if t is not None)]))
        return Op(f"b{row.id}", row, taken, results, self._place(row.places)) if results else None

    @cached_property
    def _called(self) -> frozenset[int]:
        return frozenset(call.id for call in self.graph.operations)

    def _place(self, places: Sequence[int]) -> int | None:
        place = self.graph.place(places)
        return None if place is None else place.id

    @cached_property
    def makers(self) -> dict[int, int]:
        """By tensor row: the index of the operation that made it."""
        return {t: index for index, op in enumerate(self.ops) for t in op.outputs}

    @cached_property
    def users(self) -> dict[int, list[int]]:
        """By tensor row: the indices of the operations that take it."""
        found: dict[int, list[int]] = defaultdict(list)
        for index, op in enumerate(self.ops):
            for tensor in dict.fromkeys(op.inputs):
                found[tensor].append(index)
        return found

    @cached_property
    def roots(self) -> frozenset[int]:
        """Tensor rows that a backward started from."""
        return frozenset(t for row in self.trace.backwards for t in row.roots)

    @cached_property
    def started(self) -> dict[int, list[int]]:
        """By tensor row: the backwards that started from it and ended well."""
        found: dict[int, list[int]] = defaultdict(list)
        for row in self.trace.backwards:
            for tensor in row.roots if row.error is None else ():
                found[tensor].append(row.id)
        return found

    @cached_property
    def added(self) -> Added:
        """What each backward added."""
        return added(self.trace)

    @cached_property
    def crowded(self) -> bool:
        """Whether there are so many boxes that shared leaves are repeated at each use."""
        boxes = len(self.ops) + len(self.makers) + sum(t not in self.makers for t in self.users)
        return boxes > CROWDED

    # -- plans ---------------------------------------------------------------------------------
    def plans(self) -> tuple[list[Plan], int]:
        """One plan for each part that hangs together, and how many operations are left out."""
        links = [(self.makers[t], user) for t, users in self.users.items() if t in self.makers for user in users]
        shared = [users for t, users in self.users.items() if t not in self.makers]
        parts = [[self.ops[i] for i in part] for part in groups(links, shared, [op.place for op in self.ops])]
        drawn = pieces(parts, self._boxes, self.limit)
        return [self._plan(ops) for ops in drawn], len(self.ops) - sum(map(len, drawn))

    def _boxes(self, op: Op) -> int:
        """Boxes that an operation needs at most: itself, its results, its leaves."""
        return 1 + len(self._shown(op)) + sum(t not in self.makers for t in op.inputs)

    def _plan(self, ops: Sequence[Op]) -> Plan:
        plan = Plan()
        flows = _Flows(self, ops)
        made: dict[int, int] = {}
        sources: Sources = {}
        for op in ops:
            scope = self.scopes[op.id]
            starts = [self._start(plan, t, scope, made, sources, flows) for t in op.inputs]
            index = plan.add(self._op_box(op), operation_part(op.id, op.rows, scope, op.place))
            for tensor, start in zip(op.inputs, starts, strict=True):
                plan.links.append((start, index, self._kind(op, tensor)))
            for tensor in self._shown(op):
                made[tensor] = plan.add(self._tensor_box(tensor, flows), tensor_part(self.trace, tensor, scope))
                plan.links.append((index, made[tensor], "data"))
        self._link_states(plan, made, sources)
        return plan

    def _start(
        self, plan: Plan, tensor: int, scope: int | None, made: dict[int, int], sources: Sources, flows: _Flows
    ) -> int:
        """The box that a tensor comes from; a new one for a leaf that is not in this scope yet or is repeated."""
        if tensor in made:
            return made[tensor]
        scope = outside(self.graph, tensor, scope)
        uses, known = flows.uses[tensor], sources.setdefault(tensor, {})
        if scope not in known or uses > SHARED or (self.crowded and uses > 1):
            known[scope] = plan.add(self._source_box(tensor, scope, flows), tensor_part(self.trace, tensor, scope))
        return known[scope]

    @cached_property
    def scopes(self) -> dict[str, int | None]:
        """By operation: the call of a module that it belongs to; of a derivative the one around both its neighbours."""
        inner = [op.row.scope if isinstance(op.row, Call) else UNKNOWN for op in self.ops]
        return dict(zip((op.id for op in self.ops), between(self.trace.scopes, inner), strict=True))

    def _kind(self, op: Op, tensor: int) -> str:
        cut = isinstance(op.row, Call) and op.row.cut is not None
        return "cut" if cut and self.trace.tensors[tensor].requires_grad else "data"

    def _shown(self, op: Op) -> tuple[int, ...]:
        """The results to draw: those used, named or walked back from, or else the first."""
        shown = tuple(t for t in op.outputs if t in self.users or t in self.roots or self.graph.names(t))
        return shown or op.outputs[:1]

    def _link_states(self, plan: Plan, made: dict[int, int], sources: Sources) -> None:
        """Link a tensor that changed without a drawn call to what it was before."""
        states: dict[int, list[Tensor]] = defaultdict(list)
        for tensor in [*made, *sources]:
            row = self.trace.tensors[tensor]
            states[row.object].append(row)
        for rows in states.values():
            rows.sort(key=lambda row: (row.at, row.id))
            for before, after in zip(rows, rows[1:], strict=False):
                for scope, end in sources.get(after.id, {}).items():
                    known = sources.get(before.id, {})
                    start = made[before.id] if before.id in made else known.get(scope, next(iter(known.values())))
                    plan.links.append((start, end, "state"))

    # -- boxes ---------------------------------------------------------------------------------
    def _op_box(self, op: Op) -> Box:
        if op.parts:
            label = through(self.graph, op.row.places).rpartition(".")[2]
            box = Box(op.id, "rect", "call", label, title=self._whole_title(op))
        elif isinstance(op.row, Backward):
            box = Box(op.id, "circle", "call", self._derivative_label(op.row), title=self._derivative_title(op.row))
        else:
            box = Box(op.id, "circle", self._call_style(op.row), symbol(op.row), title=self._call_title(op.row))
            if op.row.cut:
                key = f"view.cut_short_{op.row.cut}"
                box.below, box.below_dim, box.room = self.phrases.text(key), True, self.phrases.widest(key)
        if format.columns(box.label) > IN_CIRCLE:
            box.shape = "rect"
        box.layer = self._op_layer(op)
        return box

    # -- orders of derivatives -----------------------------------------------------------------
    @cached_property
    def layered(self) -> bool:
        """Whether there are derivatives of more than one order."""
        return any(node.order > 1 for node in self.trace.nodes)

    def _op_layer(self, op: Op) -> int:
        """The order of the derivatives that an operation computes; of a call that of the graph which it is part of."""
        if op.parts:
            return max(self._op_layer(part) for part in op.parts)
        if isinstance(op.row, Backward):
            return op.row.order
        orders = [self.trace.nodes[n].order for n in op.row.nodes]
        return max(orders) if orders else max((self._layer(t) for t in op.inputs), default=1) or 1

    def _layer(self, tensor: int) -> int:
        """The same of a tensor; 0 for leaves, which belong to every order that uses them."""
        row = self.trace.tensors[tensor]
        if not self.layered:
            return 1
        if row.node is not None:
            return self.trace.nodes[row.node].order
        maker = self.makers.get(tensor)
        return 0 if maker is None else self._op_layer(self.ops[maker])

    def _mark(self, box: Box, row: Tensor) -> None:
        """Show the hooks on a tensor."""
        box.layer = self._layer(row.id)
        if not row.output_nr:
            box.hook, said = hooks.mark(self.phrases, hooks.node_of(self.graph, row) if row.requires_grad else None)
            if said:
                box.title = " · ".join([box.title, *said])

    def _call_style(self, call: Call) -> str:
        if call.error is not None:
            return "failed"
        if call.qualified == "unseen":
            return "unseen"
        return "cut" if call.cut else "call"

    def _call_title(self, call: Call) -> str:
        phrases = self.phrases
        parts = [phrases.operation(call), phrases.line_at(call.places)]
        parts += [format.clean(self.trace.nodes[n].name) for n in call.nodes]
        if call.cut:
            parts.append(phrases.cut(call))
        if call.error is not None:
            parts.append(format.clip(format.clean(f"{call.error.type}: {call.error.message}"), 200))
        if plain(call.name) == "unseen":
            parts[0] = phrases.text("view.unseen_call")
        return " · ".join(part for part in parts if part)

    def _derivative_label(self, row: Backward) -> str:
        names = [self.phrases.name(t) for t in row.inputs or ()]
        if not names or not all(names):
            return "∂"
        return f"∂/∂{names[0]}" if len(names) == 1 else format.clip(f"∂/∂({', '.join(names)})", DERIVATIVE)

    def _derivative_title(self, row: Backward) -> str:
        results = zip(row.inputs or (), row.results, strict=False)
        given = [self.products.result(row, t) for t, result in results if result is not None]
        parts = [row.kind, ", ".join(given[:RESULTS]), self.products.short(row)]
        parts += [self.phrases.line_at(row.places), self.phrases.order(row.order)]
        return " · ".join(part for part in parts if part)

    def _whole_title(self, op: Op) -> str:
        count = sum(isinstance(part.row, Backward) for part in op.parts)
        parts = [through(self.graph, op.row.places), self.phrases.count("view.backwards", count)]
        return " · ".join(part for part in [*parts, self.phrases.line_at(op.row.places)] if part)

    @cached_property
    def products(self) -> Products:
        """Names of what the backwards computed."""
        return Products(self.phrases)

    def _source_box(self, tensor: int, scope: int | None, flows: _Flows) -> Box:
        row = self.trace.tensors[tensor]
        style = ("leaf" if row.requires_grad else "input") if row.leaf else "unseen"
        label = format.clip(local(self.trace.scopes, scope, format.clean(self.graph.label(tensor))), LABEL)
        box = Box(f"t{tensor}", "pill", style, label, title=self._title(row))
        self._fill(box, row)
        if style == "leaf":
            box.below, box.below_dim = self._leaf_gradient(row, flows)
            box.room = self.phrases.widest("view.no_grad") if box.below_dim else ""
        elif style == "unseen":
            box.below = self._gradient(row)
        left = self._left(row, flows) if style == "leaf" else self.graph.gradient(row.id)
        box.below_figures = self.phrases.figures(left) if box.below else ""
        self._mark(box, row)
        return box

    def _tensor_box(self, tensor: int, flows: _Flows) -> Box:
        row = self.trace.tensors[tensor]
        if flows.uses[tensor]:
            box = Box(f"t{tensor}", "wire", "result", name=self.phrases.name(tensor), title=self._title(row))
            box.above, box.above_figures = self.phrases.value(row), self.phrases.figures(row)
        else:
            label = self.phrases.name(tensor) or self._function(tensor) or self.phrases.label(tensor)
            box = Box(f"t{tensor}", "rect", "result", label, title=self._title(row))
            self._fill(box, row)
        gradient = self.graph.gradient(row.id)
        if gradient is not None:
            box.below, box.below_figures = self.phrases.value(gradient), self.phrases.figures(gradient)
        self._mark(box, row)
        return box

    def _function(self, tensor: int) -> str:
        """`jacobian(…)` for what such a function gave back; else empty."""
        op = self.ops[self.makers[tensor]]
        name = through(self.graph, op.row.places).rpartition(".")[2] if op.parts else ""
        return f"{name}(…)" if name else ""

    def _fill(self, box: Box, row: Tensor) -> None:
        """Value above and shape beside the label of a small tensor; dtype and shape above for a large one."""
        value = self.phrases.numbers(row)
        box.above = value or format.tensor_text(row.dtype, row.shape)
        box.sub = self.phrases.shape(row) if value else ""
        box.above_figures = self.phrases.figures(row)

    def _gradient(self, row: Tensor) -> str:
        gradient = self.graph.gradient(row.id)
        return "" if gradient is None else self.phrases.value(gradient)

    def _left(self, row: Tensor, flows: _Flows) -> Gradient | None:
        """The gradient that this part's backward left in `.grad` or returned for a leaf."""
        change = last_change(self.added, row.object, flows.backwards)
        if change is not None:
            return change.after
        return next((g for b, g in self.graph.gradients(row.id) if b.id in flows.backwards), None)

    def _leaf_gradient(self, row: Tensor, flows: _Flows) -> tuple[str, bool]:
        """What this part's backward left in `.grad` or returned for a leaf; whether that is nothing."""
        change = last_change(self.added, row.object, flows.backwards)
        if change is not None:
            return self.phrases.text("view.grad", value=self.phrases.maybe(change.after)), False
        returned = [g for b, g in self.graph.gradients(row.id) if b.id in flows.backwards]
        if returned:
            return self.phrases.value(returned[0]), False
        asked = any(self.trace.backwards[b].inputs is None for b in flows.backwards)
        return (self.phrases.text("view.no_grad"), True) if asked else ("", False)

    def _title(self, row: Tensor) -> str:
        names = " = ".join(format.clean(name) for name in self.graph.names(row.id)) or self.phrases.label(row.id)
        parts = [format.clip(names, 200), self.phrases.role(row), format.tensor_text(row.dtype, row.shape)]
        if row.device != "cpu":
            parts.append(format.clip(format.clean(row.device), 200))
        if row.place is not None:
            parts.append(self.phrases.text("view.made_at", line=self.phrases.line(self.trace.places[row.place])))
        return " · ".join(parts)


class _Flows:
    """What holds for one part of the picture: uses of its tensors, and the backwards that ran from it."""

    def __init__(self, plans: ForwardPlans, ops: Sequence[Op]) -> None:
        self.uses: dict[int, int] = defaultdict(int)
        for op in ops:
            for tensor in dict.fromkeys(op.inputs):
                self.uses[tensor] += 1
        here = {t for op in ops for t in op.outputs}
        self.backwards = {backward for tensor in here for backward in plans.started.get(tensor, ())}
