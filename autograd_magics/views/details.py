"""What is told of one selected item: `Details(...).of("c3")` for tensors, calls, nodes and backwards."""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from ..trace import Backward, Call, Failure, GradChange, Gradient, Node, Place, Saved, Step, Tensor
from . import autocast, figures, format, hooks
from .formulas import rule_rows
from .items import Items
from .phrases import Phrases
from .products import Products

VALUE = 120
"""Longest value in the details, in characters."""
MANY = 12
"""Rows of one kind, such as the uses of a tensor; the rest is counted."""

Row = dict[str, Any]


class Details:
    """Rows of label and value for every item of a trace."""

    def __init__(self, phrases: Phrases, items: Items) -> None:
        self.phrases, self.items = phrases, items
        self.graph, self.trace = phrases.graph, phrases.trace
        self.products = Products(phrases)

    def of(self, item: str) -> Row:
        """Title, subtitle and rows of an item id."""
        kind, number = item[0], int(item[1:])
        if kind == "t":
            return self._tensor(self.trace.tensors[number])
        if kind == "c":
            return self._call(self.trace.calls[number])
        if kind == "n":
            return self._node(self.trace.nodes[number])
        return self._backward(self.trace.backwards[number])

    # -- rows ----------------------------------------------------------------------------------
    def _row(self, key: str, value: str, *, mono: bool = True, link: str | None = None, **data: Any) -> Row:
        row = {"label": self.phrases.text(f"view.d_{key}", **data), "value": value, "mono": mono, "link": link}
        return {**row, "alarm": True} if format.ODD in value else row

    def _words(self, key: str, value: str) -> Row:
        return self._row(key, value, mono=False)

    def _line(self, places: Iterable[int]) -> list[Row]:
        place = self.graph.place(places)
        if place is None:
            return []
        return [self._row("line", self._span(place), mono=False, link=self.items.line(place))]

    def _span(self, place: Place) -> str:
        text = self.phrases.line(place)
        if place.column is None or place.end_column is None:
            return text
        return self.phrases.text("view.columns", line=text, start=place.column + 1, end=place.end_column)

    def _tensors(self, key: str, tensors: Iterable[int]) -> list[Row]:
        rows = [self._row(key, self._described(t), link=self.items.tensor(t)) for t in tensors]
        return self._some(key, rows)

    def _some(self, key: str, rows: list[Row]) -> list[Row]:
        """The first rows, and how many more there are."""
        if len(rows) <= MANY:
            return rows
        return [*rows[:MANY], self._words(key, self.phrases.count("view.more", len(rows) - MANY))]

    def _described(self, tensor: int) -> str:
        row = self.trace.tensors[tensor]
        value = self.phrases.numbers(row)
        told = value or self.phrases.figures(row)
        parts = [self.phrases.label(tensor), format.tensor_text(row.dtype, row.shape), told]
        return "  ".join(part for part in parts if part)

    def _failure(self, error: Failure | None) -> list[Row]:
        return [] if error is None else [self._row("error", format.clean(f"{error.type}: {error.message}"))]

    # -- tensors -------------------------------------------------------------------------------
    def _tensor(self, row: Tensor) -> Row:
        call = self.graph.maker(row.id)
        rows = [self._words("role", self.phrases.role(row))]
        value = self.phrases.numbers(row, VALUE)
        rows += [self._row("value", value)] if value else []
        kind = f"{format.tensor_text(row.dtype, row.shape)} · {format.bytes_text(row.bytes)}"
        rows.append(self._row("kind", f"{kind} · {format.clean(row.device)}"))
        rows += [self._row(key, told, mono=key != "odd") for key, told in figures.rows(self.phrases, row)]
        rows += self._gradients(row)
        if row.node is not None:
            name = format.clean(self.trace.nodes[row.node].name)
            rows.append(self._row("grad_fn", name, link=f"n{row.node}"))
        backward = self._returned_by.get(row.id)
        if backward is not None:
            rows.append(self._row("made_by", format.clean(backward.kind), link=f"b{backward.id}"))
        elif call is not None:
            rows.append(self._row("made_by", self.phrases.operation(call), link=f"c{call.id}"))
        rows += self._version(row) + self._uses(row) + self._keepers(row)
        if row.place is not None:
            rows += self._line([row.place])
        names = self.graph.names(row.id)
        title = format.clean(names[0]) if names else self.phrases.label(row.id)
        detail = {"title": title, "subtitle": self._subtitle(call), "rows": rows}
        charts = self._charts(row)
        return {**detail, "charts": charts} if charts else detail

    def _charts(self, row: Tensor) -> list[Row]:
        """Histograms and heat maps of a tensor and of the last gradient that arrived at it."""
        name = self.phrases.label(row.id)
        charts = figures.charts(self.phrases, row, name)
        for backward, gradient in self.graph.gradients(row.id)[-1:]:
            charts += figures.charts(self.phrases, gradient, self.products.result(backward, row.id))
        return charts

    def _subtitle(self, call: Call | None) -> str:
        return "" if call is None else self.phrases.statement(self.graph.place(call.places))

    def _gradients(self, row: Tensor) -> list[Row]:
        rows = []
        changed = hooks.at_tensor(self.graph, row)
        gradients = self.graph.gradients(row.id)
        for backward, gradient in gradients[:MANY]:
            what, link = self.products.result(backward, row.id), f"b{backward.id}"
            value, hooked = self.phrases.value(gradient, VALUE), changed.get(backward.id)
            if hooked is None:
                rows.append(self._row("derivative", value, link=link, what=what))
                continue
            hook = hooks.named(self.phrases, hooked.hooks)
            before = self.phrases.value(hooked.before, VALUE)
            rows.append(self._row("gradient_before", before, link=link, what=what, hook=hook))
            rows.append(self._row("gradient_after", value, link=link, what=what, hook=hook))
        if len(gradients) > MANY:
            rows.append(self._words("gradients", self.phrases.count("view.more", len(gradients) - MANY)))
        rows += self._hooks(hooks.node_of(self.graph, row))
        if row.object in self.graph.changes_by_object:
            rows.append(self._row("grad_now", self.phrases.maybe(self.graph.last_grad(row.object), VALUE)))
        return rows

    def _hooks(self, node: int | None) -> list[Row]:
        """Where the hooks were put on that act at a node."""
        rows = []
        for hook in self.graph.hooks_of(node) if node is not None else ():
            place = self.graph.place(hook.places)
            name, line = format.clean(hook.name), self.phrases.line(place)
            key = "view.hook_late_at" if hook.kind == hooks.LATE else "view.hook_put_at"
            value = self.phrases.text(key, name=name, line=line or self.phrases.text("view.nowhere"))
            rows.append(self._row("hook", value, mono=False, link=self.items.line(place)))
        return self._some("hook", rows)

    def _version(self, row: Tensor) -> list[Row]:
        states = self.graph.states[row.object]
        if len(states) < 2:
            return []
        return [self._words("version", str(row.version))]

    def _uses(self, row: Tensor) -> list[Row]:
        calls = self.graph.users.get(row.id, ())
        drawn = [call for call in calls if call.id in self._drawn]
        rows = [self._row("used_by", self.phrases.operation(call), link=f"c{call.id}") for call in drawn]
        return self._some("used_by", rows)

    def _keepers(self, row: Tensor) -> list[Row]:
        kept = self._saved_by_tensor.get(row.id, ())
        rows = [self._row("saved_by", self._slot(s.node, s.slot), link=f"n{s.node}") for s in kept]
        return self._some("saved_by", rows)

    @functools.cached_property
    def _saved_by_tensor(self) -> dict[int | None, list[Saved]]:
        found: dict[int | None, list[Saved]] = defaultdict(list)
        for row in self.trace.saved:
            found[row.tensor].append(row)
        return found

    @functools.cached_property
    def _returned_by(self) -> dict[int, Backward]:
        return {t: backward for backward in self.trace.backwards for t in backward.results if t is not None}

    @functools.cached_property
    def _drawn(self) -> frozenset[int]:
        return frozenset(call.id for call in self.graph.operations)

    @functools.cached_property
    def _changes_by_backward(self) -> dict[int | None, list[GradChange]]:
        found: dict[int | None, list[GradChange]] = defaultdict(list)
        for change in self.trace.changes:
            found[change.backward].append(change)
        return found

    def _slot(self, node: int, slot: str) -> str:
        return f"{format.clean(self.trace.nodes[node].name)}._saved_{format.clean(slot)}"

    # -- calls ---------------------------------------------------------------------------------
    def _call(self, call: Call) -> Row:
        place = self.graph.place(call.places)
        rows = [self._row("call", self.phrases.operation(call))]
        rows += self._tensors("input", dict.fromkeys(call.inputs))
        rows += self._tensors("output", call.outputs)
        dtype = autocast.ran_in(self.graph, call)
        rows += [self._words("autocast", self.phrases.text("view.autocast", dtype=dtype))] if dtype else []
        for node in call.nodes[:MANY]:
            rows.append(self._row("made_node", format.clean(self.trace.nodes[node].name), link=f"n{node}"))
            rows += self._work(self.trace.nodes[node])
        if call.cut:
            rows.append(self._words("cut", self.phrases.cut(call)))
        if call.inplace:
            rows.append(self._words("inplace", self.phrases.text("view.yes")))
        rows += self._failure(call.error) + self._line(call.places)
        if call.qualified == "unseen":
            rows.insert(0, self._words("unseen", self.phrases.text("view.unseen_call")))
        return {"title": format.clean(call.qualified), "subtitle": self.phrases.statement(place), "rows": rows}

    # -- nodes ---------------------------------------------------------------------------------
    def _node(self, node: Node) -> Row:
        rows = self._autocast(node) + self._work(node) + self._next(node)
        if node.call is not None:
            call = self.trace.calls[node.call]
            rows.append(self._row("made_by", self.phrases.operation(call), link=f"c{call.id}"))
        if node.leaf is not None:
            rows.append(self._row("leaf", self._described(node.leaf), link=self.items.tensor(node.leaf)))
        if node.origin in ("earlier", "backward", "unseen"):
            rows.append(self._words("origin", self.phrases.text(f"view.origin_{node.origin}")))
        place = self.graph.node_place(node)
        if place is not None:
            rows.append(self._row("line", self._span(place), mono=False, link=self.items.line(place)))
        return {"title": format.clean(node.name), "subtitle": self.phrases.statement(place), "rows": rows}

    def _autocast(self, node: Node) -> list[Row]:
        """That autocast cast an input by a node."""
        dtype = autocast.cast_to(self.graph, node)
        if dtype is None:
            return []
        row = None if not node.edges or node.edges[0][0] is None else self.graph.node_tensor(node.edges[0][0])
        if row is None:
            return [self._words("autocast", self.phrases.text("view.autocast_some", dtype=dtype))]
        name = self.phrases.label(row.id)
        return [self._words("autocast", self.phrases.text("view.autocast_input", name=name, dtype=dtype))]

    def _work(self, node: Node) -> list[Row]:
        """What came in and went out of a node in each backward, and what it keeps for that."""
        rows = []
        for step in self.graph.steps_of(node.id):
            backward = self.trace.backwards[step.backward]
            root = self.products.outputs(backward)
            names = [self._result(node, output, backward) for output in range(len(step.received))]
            rows += self._came_in(step, root, names)
            rows += self._flow("went_out", root, step.sent, [self._target(target) for target, _ in node.edges])
        rows = self._some("flow", rows) + self._hooks(node.id) + self._some("rules", self._rules(node))
        rows += [self._kept(s) for s in self.graph.saved_of(node.id)]
        freed = self.phrases.freed(node)
        return rows + ([self._words("freed", freed)] if freed and self.graph.saved_of(node.id) else [])

    def _came_in(self, step: Step, root: str, names: list[str]) -> list[Row]:
        """What came in at a step, before and after the hooks that changed it."""
        hooked = hooks.at_step(self.graph, step)
        if hooked is None:
            return self._flow("came_in", root, step.received, names)
        hook = hooks.named(self.phrases, hooked.hooks)
        before, after = (self.phrases.value(gradient, VALUE) for gradient in (hooked.before, hooked.after))
        return [
            self._row(f"before_hook{'' if names[0] else '_root'}", before, of=root, by=names[0], hook=hook),
            self._row("after_hook", after, hook=hook),
        ]

    def _rules(self, node: Node) -> list[Row]:
        """The derivative formula for each input, once, and with the numbers of each step."""
        rows, told = [], set()
        for step in self.graph.steps_of(node.id):
            for one in rule_rows(self.phrases, step):
                key = ("rule", {"name": one.name}) if one.name else ("rule_unknown", {})
                if (one.name, one.rule) not in told:
                    rows.append(self._row(key[0], one.rule, mono=bool(one.name), **key[1]))
                told.add((one.name, one.rule))
                rows += [self._row("numbers", one.numbers)] if one.numbers else []
        return rows

    def _flow(self, key: str, root: str, gradients: Iterable[Gradient | None], names: list[str]) -> list[Row]:
        return [
            self._row(key if name else f"{key}_root", self.phrases.value(gradient, VALUE), of=root, by=name)
            for gradient, name in zip(gradients, names, strict=False)
            if gradient is not None
        ]

    def _result(self, node: Node, output: int, backward: Backward) -> str:
        """What a node computed; empty for the root of a backward that has no name."""
        if node.leaf is not None:
            return self.products.one(node.leaf)
        row = next((t for t in self.graph.results_of(node.id) if t.output_nr == output), None)
        if row is None:
            return "…"
        return "" if self.products.is_itself(backward, row.id) else self.products.one(row.id)

    def _target(self, node: int | None) -> str:
        row = None if node is None else self.graph.node_tensor(node)
        return self.products.one(row.id) if row is not None else "…"

    def _kept(self, row: Saved) -> Row:
        owner = self.phrases.label(row.tensor) if row.tensor is not None else self.phrases.text("view.internal")
        size = self.phrases.text("view.unknown") if row.hidden else format.bytes_text(row.bytes)
        value = f"{owner} · {format.tensor_text(row.dtype, row.shape)} · {size}"
        link = self.items.tensor(row.tensor) if row.tensor is not None else None
        return self._row("saved", value, link=link, slot=format.clean(row.slot))

    def _next(self, node: Node) -> list[Row]:
        rows = []
        for target, _ in node.edges:
            if target is None:
                rows.append(self._row("next", "None"))
            else:
                rows.append(self._row("next", self.phrases.node(target), link=f"n{target}"))
        return self._some("next", rows)

    # -- backwards -----------------------------------------------------------------------------
    def _backward(self, row: Backward) -> Row:
        rows = self._tensors("root", row.roots)
        rows += self._given(row)
        if row.inputs is not None:
            rows += self._tensors("with_respect_to", row.inputs)
        flags = [name for name in ("retain_graph", "create_graph") if getattr(row, name)]
        rows += [self._row("options", ", ".join(f"{name}=True" for name in flags))] if flags else []
        if row.order > 1:
            rows.append(self._words("order", self.phrases.order(row.order)))
        said = {"product": self.products.sentence(row), "run_by": self.products.function(row)}
        rows += [self._words(key, sentence) for key, sentence in said.items() if sentence]
        steps = self.graph.steps_in(row.id)
        rows.append(self._words("ran", self.phrases.count("view.nodes", len(steps))))
        for change in self._changes_by_backward.get(row.id, ()):
            name, link = self.phrases.label(change.tensor), self.items.tensor(change.tensor)
            rows.append(self._row("grad_after", self.phrases.maybe(change.after, VALUE), link=link, name=name))
        rows += self._results(row)
        rows = [*self._some("more", rows), *self._failure(row.error), *self._line(row.places)]
        place = self.graph.place(row.places)
        return {"title": format.clean(row.kind), "subtitle": self.phrases.statement(place), "rows": rows}

    def _given(self, row: Backward) -> list[Row]:
        """What was passed as `gradient` or `grad_outputs`, and for which output where there are several."""
        rows = []
        for index, gradient in enumerate(row.gradients):
            if gradient is None:
                continue
            tensor = row.given[index] if index < len(row.given) else None
            name = "" if tensor is None else self.phrases.name(tensor)
            value = "  ".join(filter(None, [name, self.phrases.value(gradient, VALUE)]))
            link = None if tensor is None else self.items.tensor(tensor)
            key = "given_for" if len(row.roots) > 1 else "given"
            rows.append(self._row(key, value, link=link, of=self.phrases.label(row.roots[index])))
        return self._some("given", rows)

    def _results(self, row: Backward) -> list[Row]:
        """What `autograd.grad` gave back for each input."""
        rows = []
        for tensor, result in zip(row.inputs or (), row.results, strict=False):
            what = self.products.result(row, tensor)
            if result is not None:
                rows.append(self._row("derivative", self._described(result), link=self.items.tensor(result), what=what))
            elif self.products.unused(row, tensor):
                data = {"of": self.products.outputs(row), "by": self.phrases.label(tensor)}
                value = self.phrases.text("view.unused_input", **data)
                rows.append(self._row("derivative", value, mono=False, link=self.items.tensor(tensor), what=what))
            else:
                rows.append(self._row("derivative", "None", link=self.items.tensor(tensor), what=what))
        return self._some("result", rows)
