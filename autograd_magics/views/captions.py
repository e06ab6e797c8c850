"""What happens at a moment in one sentence: `Captions(phrases)`, one method for each kind of event."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from functools import cached_property

from ..trace import Backward, Call, Failure, GradChange, Gradient, OptimizerStep, Step, Tensor
from . import clipped, format, hooks
from .formulas import formula, local_rule
from .phrases import Phrases
from .products import Products

VALUE = 40
"""Longest value in a caption, in characters."""
CODE = 60
"""Longest piece of source."""
AUGMENTED = ("+=", "-=", "*=", "/=", "@=", "%=", "**=", "//=")
"""What stands after a name that is changed and assigned in one."""
MANY = 3
"""Values that are written of several; the rest is counted."""


class Captions:
    """Sentences about the rows of one trace."""

    def __init__(self, phrases: Phrases) -> None:
        self.phrases, self.graph, self.trace = phrases, phrases.graph, phrases.trace
        self.products = Products(phrases)

    # -- pieces --------------------------------------------------------------------------------
    def _value(self, row: Tensor | Gradient | None) -> str:
        return self.phrases.maybe(row, VALUE) if not isinstance(row, Tensor) else self.phrases.value(row, VALUE)

    def _values(self, tensors: Iterable[int], named: bool) -> str:
        rows = [self.trace.tensors[t] for t in tensors]
        texts = [f"{self.phrases.label(row.id)} = {self._value(row)}" if named else self._value(row) for row in rows]
        return self._some(texts)

    def _some(self, texts: Sequence[str]) -> str:
        if len(texts) <= MANY:
            return ", ".join(texts)
        return f"{', '.join(texts[:MANY])}, … {self.phrases.count('view.more', len(texts) - MANY)}"

    def _code(self, places: tuple[int, ...], otherwise: str) -> str:
        """The source text at a place, where it is short."""
        text = self.graph.segment(self.graph.place(places))
        if not text or "\n" in text or len(text) > CODE:
            return otherwise
        return format.clean(text)

    # -- calls ---------------------------------------------------------------------------------
    def call(self, call: Call) -> str:
        """`forward: e = y_pred - y → [0 -1 -2 -3]`."""
        if call.error is not None:
            return self.error(call.error, call.places)
        code = self._call_code(call)
        if call.inplace and call.inputs and call.outputs:
            return self._in_place(call, code)
        data = {"code": code, "value": self._values(call.outputs, named=False)}
        if call.cut:
            return self.phrases.text("view.tl_cut", why=self.phrases.cut(call), **data)
        return self.phrases.text("view.tl_forward" if call.nodes else "view.tl_call", **data)

    def _in_place(self, call: Call, code: str) -> str:
        before, after = self.trace.tensors[call.inputs[0]], self.trace.tensors[call.outputs[0]]
        data = {"code": code, "name": self.phrases.label(after.id), "after": self._value(after)}
        if self.first_written(call):
            return self.phrases.text("view.tl_made", **data)
        key = "view.tl_update" if after.leaf else "view.tl_inplace"
        return self.phrases.text(key, before=self._value(before), **data)

    def first_written(self, call: Call) -> bool:
        """Whether what the call changed was only memory before, as `torch.empty` gives it."""
        storage = self.trace.tensors[call.outputs[0]].storage
        maker = self._first.get(storage)
        changes = self.graph.changes_of_storage(storage)
        return maker is not None and maker.name.startswith("empty") and changes[:1] == (call,)

    @cached_property
    def _first(self) -> dict[int | None, Call | None]:
        """By storage: the call that made the first tensor in it."""
        found: dict[int | None, Call | None] = {None: None}
        for row in self.trace.tensors:
            found.setdefault(row.storage, self.graph.maker(row.id))
        return found

    def _call_code(self, call: Call) -> str:
        """`e = y_pred - y`; the call itself where several stand behind the same piece of source, as in a module."""
        shown = self.phrases.operation(call)
        code = shown if call.places in self._shared else self._code(call.places, shown)
        name = next((self._assigned[t] for t in call.outputs if t in self._assigned), "")
        # `total += loss` with a number in `total` makes a new tensor, and is an assignment already.
        assigns = call.inplace or code.removeprefix(name).lstrip().startswith(AUGMENTED)
        return f"{name} = {code}" if name and not assigns else code

    @cached_property
    def _assigned(self) -> dict[int, str]:
        """By tensor row: the first name that it was assigned to."""
        found: dict[int, str] = {}
        for name in self.trace.names:
            if name.place is not None:
                found.setdefault(name.tensor, format.clip(format.clean(name.name), CODE))
        return found

    @cached_property
    def _shared(self) -> frozenset[tuple[int, ...]]:
        """Places from which several calls were made in one go."""
        calls = self.graph.operations
        pairs = zip(calls, calls[1:], strict=False)
        return frozenset(a.places for a, b in pairs if a.places == b.places and not self._named(a))

    def _named(self, call: Call) -> bool:
        return any(t in self._assigned for t in call.outputs)

    # -- backwards -----------------------------------------------------------------------------
    def begin(self, row: Backward) -> str:
        """`J.backward() begins: ∂J/∂J = 1`."""
        pairs = zip(row.roots, (*row.gradients, *[None] * len(row.roots)), strict=False)
        values = self._some([self._itself(t, "1" if g is None else self._value(g), row) for t, g in pairs])
        said = self.phrases.text("view.tl_begin", code=self._backward_code(row), values=values)
        product = self.products.short(row)
        return self.phrases.text("view.tl_product", said=said, product=product) if product else said

    def _itself(self, root: int, value: str, row: Backward) -> str:
        """`∂J/∂J = 1`; in words where one root has no name, but the source text of a whole expression."""
        if self.products.is_itself(row, root):
            return self.phrases.text("view.tl_itself", value=value)
        name = self.products.one(root)
        return f"∂{name}/∂{name} = {value}"

    def _backward_code(self, row: Backward) -> str:
        """The source of a call that ran a backward, and which of several it is."""
        function = self.products.through(row)
        code = self._code(row.places, f"{function}(…)" if function else format.clean(row.kind))
        number, total = self.products.of_how_many(row)
        if not function or total < 2:
            return code
        return self.phrases.text("view.tl_one_of", code=code, n=number, total=total)

    def returned(self, row: Backward) -> str:
        """`torch.autograd.grad(y, x) gives dy = 32`."""
        pairs = list(zip(row.inputs or (), row.results, strict=False))
        named = len(pairs) > 1 or bool(self.products.kind(row) or self.products.through(row))
        values = self._some([self._returned(row, tensor, result, named) for tensor, result in pairs])
        return self.phrases.text("view.tl_returned", code=self._backward_code(row), values=values)

    def _returned(self, row: Backward, tensor: int, result: int | None, named: bool) -> str:
        """`dy = 32`; where there are several, or products, `∂(a, b)/∂x = dy = 32`; and what hooks changed of it."""
        parts = [self.products.result(row, tensor)] if named else []
        if result is None:
            return " = ".join([*parts, "None"])
        name = self.phrases.name(result)
        parts += [self.phrases.label(result)] if name or not named else []
        said = " = ".join([*parts, self._value(self.trace.tensors[result])])
        hooked = hooks.at_result(self.graph, row, tensor)
        return said if hooked is None else f"{said} ({hooks.told(self.phrases, hooked)})"

    def step(self, step: Step) -> str:
        """`backward through PowBackward0: came in [1 1], rule grad · 2 · e, went out [0 -2]`."""
        node = self.trace.nodes[step.node]
        came = self._some([self._value(g) for g in step.received if g is not None]) or "None"
        sent = [(t, g) for (t, _), g in zip(node.edges, step.sent, strict=False) if g is not None]
        went = [self._value(g) for _, g in sent]
        if len(sent) > 1:
            went = [f"{self._target(target)}: {value}" for (target, _), value in zip(sent, went, strict=True)]
        data = {"node": format.clean(node.name), "came": came, "went": self._some(went), "rule": self._rule(step)}
        key = "end" if not went else "rule" if data["rule"] else "plain"
        hooked = hooks.at_step(self.graph, step)
        if hooked is not None:
            data["came"] = f"{came} ({hooks.told(self.phrases, hooked)})"
        return self.phrases.text(f"view.tl_step_{key}", **data)

    def _rule(self, step: Step) -> str:
        """The local rule of a node; empty where none is known, or where it is too long for a caption."""
        rule = local_rule(self.graph, step, self.phrases.minus)
        if rule.kind not in ("textbook", "torch"):
            return ""
        alone = len(rule.inputs) == 1
        written = [(one, formula(self.phrases, one)) for one in rule.inputs]
        text = ", ".join(said if alone else f"{one.name or one.argument}: {said}" for one, said in written)
        return text if sum(format.columns(one.named) for one in rule.inputs) <= CODE else ""

    def _target(self, node: int | None) -> str:
        if node is None:
            return "…"
        row = self.graph.node_tensor(node)
        return self.phrases.node(node) if row is None else self.phrases.label(row.id)

    # -- .grad and values ----------------------------------------------------------------------
    def change(self, change: GradChange) -> str:
        """`w.grad: None + [-28] → [-28]`."""
        data = {
            "name": self.phrases.label(change.tensor),
            "before": self._value(change.before),
            "added": self._value(change.added),
            "after": self._value(change.after),
            "what": self.phrases.text(f"view.change_{change.kind}"),
        }
        said = self.phrases.text("view.tl_added" if change.added is not None else "view.tl_grad", **data)
        step = self.graph.arrival(change)
        hooked = None if step is None else hooks.at_step(self.graph, step)
        parts = [] if hooked is None else [hooks.told(self.phrases, hooked)]
        late = () if step is None else hooks.late(self.graph, step.node, step.at)
        parts += [self.phrases.text("view.hook_late", hook=hooks.named(self.phrases, late))] if late else []
        return f"{said} ({', '.join(parts)})" if parts else said

    def optimizer(self, row: OptimizerStep, after: Sequence[int]) -> str:
        """`opt.step(): w [1] → [1.28]`; with a closure also how often backward ran in that."""
        moved = [
            f"{self.phrases.label(new)} {self._value(told[0])} → {self._value(told[1])}"
            for old, new in zip(row.parameters, after, strict=True)
            if (told := self._stepped(row, old, new)) is not None
        ]
        code = self._optimizer_code(row)
        if row.rates:
            code += f" (lr {', '.join(map(self.phrases.number, dict.fromkeys(row.rates)))})"
        key = "view.tl_optimizer" if moved else "view.tl_optimizer_idle"
        said = self.phrases.text(key, code=code, **({"changes": self._some(moved)} if moved else {}))
        ran = bisect_left(self._begun, row.end) - bisect_left(self._begun, row.at)
        return self.phrases.count("view.tl_closure", ran, said=said) if ran else said

    def _stepped(self, row: OptimizerStep, old: int, new: int) -> tuple[Tensor | Gradient | None, ...] | None:
        """A parameter's value before and after a step; None where it is the same."""
        told = self._stories.get((row.id, self.trace.tensors[old].object))
        if told is None and old != new:
            return self.trace.tensors[old], self.trace.tensors[new]
        return told

    @cached_property
    def _stories(self) -> dict[tuple[int, int], tuple[Gradient | None, Gradient | None]]:
        """By step and object what a step made of a value, also through `p.data`, which is no new state of `p`."""
        found: dict[tuple[int, int], tuple[Gradient | None, Gradient | None]] = {}
        for obj, told in self.graph.events.items():
            for event in told:
                if event.step is not None:
                    before, _ = found.get((event.step, obj), (event.before, None))
                    found[event.step, obj] = before, event.after
        return found

    @cached_property
    def _begun(self) -> list[int]:
        """When backwards began, in order."""
        return sorted(row.at for row in self.trace.backwards)

    def zeroed(self, row: OptimizerStep, changes: Sequence[GradChange]) -> str:
        """`opt.zero_grad(): w.grad [-28] → None`."""
        moved = [
            f"{self.phrases.label(c.tensor)}.grad {self._value(c.before)} → {self._value(c.after)}"
            for c in clipped.merged(tuple(changes))
        ]
        said = self.phrases.text("view.tl_optimizer", code=self._optimizer_code(row), changes=self._some(moved))
        return f"{said} ({clipped.told(self.phrases, row)})" if row.kind in clipped.HELPERS else said

    def _optimizer_code(self, row: OptimizerStep) -> str:
        optimizer = None if row.optimizer is None else self.trace.optimizers[row.optimizer]
        name = "" if optimizer is None else optimizer.name or optimizer.type
        return self._code(row.places, format.clean(f"{name}.{row.kind}()".lstrip(".")))

    # -- errors --------------------------------------------------------------------------------
    def error(self, error: Failure, places: tuple[int, ...]) -> str:
        """`J.backward() raised RuntimeError: element 0 of tensors does not require grad...`."""
        message = format.clip(format.clean(f"{error.type}: {error.message}"), 160)
        code = self._code(places, "")
        return self.phrases.text("view.tl_error", code=code, error=message) if code else message
