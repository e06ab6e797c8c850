"""Answers about a trace: who made what, under which name, what flowed back, what is kept and how long.

`Graph(trace)` is pure and cached; rules and views ask it instead of searching the rows themselves.
"""

from __future__ import annotations

import bisect
import functools
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from . import story
from .trace import (
    Access,
    Backward,
    Call,
    GradChange,
    Gradient,
    Hook,
    Name,
    Node,
    Packed,
    Past,
    Place,
    Saved,
    Step,
    Tensor,
    Trace,
    Value,
)

NOT_DRAWN = frozenset({"requires_grad_", "retain_grad", "zero_", "register_hook"})
"""Calls that mark a tensor rather than compute with it."""

HANDED_ON = frozenset({"detach", "requires_grad_", "view_as", "clone", "reshape", "squeeze", "view"})
"""Calls whose result is, for a reader, what they were given."""

RUNS_BACKWARD = frozenset({"grad", "backward"})
"""Calls that start the engine."""


T = TypeVar("T")


def _indexed(base: str, index: int) -> str:
    return f"{base}[{index}]" if base.isidentifier() else f"({base})[{index}]"


def _grouped(rows: Iterable[T], key: Callable[[T], int | None]) -> dict[int, tuple[T, ...]]:
    """Rows by a key, in their order; those without one are left out."""
    found: dict[int, list[T]] = defaultdict(list)
    for row in rows:
        group = key(row)
        if group is not None:
            found[group].append(row)
    return {group: tuple(members) for group, members in found.items()}


ROUNDING = 1e-2
"""Relative difference of a sum made here from the engine's own in half precision."""


def _sum(one: Value, other: Value) -> Value:
    """The sum of two nested lists of equal shape; None where it cannot be told from their numbers."""
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        parts = [_sum(a, b) for a, b in zip(one, other, strict=True)]
        return None if any(part is None for part in parts) else parts
    if isinstance(one, (int, float)) and isinstance(other, (int, float)):
        return one + other
    return None


def _close(one: Value, other: Value) -> bool:
    """Whether two nested lists of numbers are the same but for rounding."""
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_close, one, other))
    if isinstance(one, (int, float)) and isinstance(other, (int, float)):
        return math.isclose(one, other, rel_tol=ROUNDING, abs_tol=1e-6)
    return bool(one == other)


class Graph:
    """Questions and answers about one trace; everything is computed once, on first use."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self._place_of: dict[tuple[int, ...], Place | None] = {}
        self._label_of: dict[int, str] = {}
        self._names_of: dict[int, tuple[str, ...]] = {}
        self._value_changes: dict[int, tuple[int, ...]] = {}

    # -- tensors -------------------------------------------------------------------------------
    @functools.cached_property
    def states(self) -> dict[int, tuple[Tensor, ...]]:
        """By object: its states in order of time."""
        return _grouped(sorted(self.trace.tensors, key=lambda t: (t.at, t.id)), lambda t: t.object)

    def maker(self, tensor: int) -> Call | None:
        """The call that made this state of a tensor."""
        call = self.trace.tensors[tensor].call
        return None if call is None else self.trace.calls[call]

    @functools.cached_property
    def users(self) -> dict[int, tuple[Call, ...]]:
        """By tensor row: the calls that took it as an input, in order."""
        found: dict[int, list[Call]] = defaultdict(list)
        for call in self.trace.calls:
            for tensor in dict.fromkeys(call.inputs):
                found[tensor].append(call)
        return {key: tuple(calls) for key, calls in found.items()}

    def sources_of(self, tensors: Iterable[int]) -> Iterator[Tensor]:
        """The given tensor rows and all that they were computed from, nearest first."""
        queue = list(tensors)
        seen = set(queue)
        for tensor in queue:
            yield self.trace.tensors[tensor]
            call = self.maker(tensor)
            for earlier in call.inputs if call else ():
                if earlier not in seen:
                    seen.add(earlier)
                    queue.append(earlier)

    @functools.cached_property
    def leaves(self) -> tuple[Tensor, ...]:
        """First state of every leaf that requires grad and takes part: in a call, a backward, or by its `.grad`."""
        used = {t for call in self.trace.calls for t in call.inputs}
        used |= {n.leaf for n in self.trace.nodes if n.leaf is not None}
        objects = {self.trace.tensors[t].object for t in used} | {c.object for c in self.trace.changes}
        first = [next((t for t in states if t.leaf and t.requires_grad), None) for states in self.states.values()]
        return tuple(sorted((t for t in first if t is not None and t.object in objects), key=lambda t: t.id))

    # -- names and places ----------------------------------------------------------------------
    @functools.cached_property
    def _names_by_object(self) -> dict[int, tuple[Name, ...]]:
        names = sorted(self.trace.names, key=lambda n: n.at)
        return _grouped(names, lambda n: self.trace.tensors[n.tensor].object)

    @functools.cached_property
    def _names_near(self) -> dict[int, dict[tuple[str, bool], tuple[list[int], tuple[Name, ...]]]]:
        """By object, then by name and whether it was only found in the namespace: (times, names), in order."""
        found: dict[int, dict[tuple[str, bool], tuple[list[int], tuple[Name, ...]]]] = {}
        for obj, names in self._names_by_object.items():
            groups: dict[tuple[str, bool], list[Name]] = defaultdict(list)
            for name in names:
                groups[name.name, name.place is None].append(name)
            found[obj] = {key: ([name.at for name in group], tuple(group)) for key, group in groups.items()}
        return found

    @functools.cached_property
    def _names_by_tensor(self) -> dict[int, tuple[Name, ...]]:
        return _grouped(sorted(self.trace.names, key=lambda n: n.at), lambda n: n.tensor)

    def names(self, tensor: int) -> tuple[str, ...]:
        """All names the tensor's object was given, best first for this state."""
        if tensor not in self._names_of:
            self._names_of[tensor] = self._names(tensor)
        return self._names_of[tensor]

    def _names(self, tensor: int) -> tuple[str, ...]:
        row = self.trace.tensors[tensor]

        def rank(name: Name) -> tuple[bool, bool, bool, int]:
            later = name.tensor != tensor and name.at > row.at
            return self._in_passing(name), name.place is None, later, abs(name.at - row.at)

        near = list(self._names_by_tensor.get(tensor, ()))
        if len(near) == len(self._names_by_object.get(row.object, ())) <= 1:
            return (near[0].name,) if near else ()
        for times, group in self._names_near.get(row.object, {}).values():
            index = bisect.bisect_right(times, row.at)  # of one name, only the last before and the first after count
            near += group[max(index - 1, 0) : index + 1]
        return tuple(dict.fromkeys(n.name for n in sorted(near, key=rank)))

    def _in_passing(self, name: Name) -> bool:
        """Whether a leaf has a name only while a function updates it: `p -= ...` in an optimizer of the user's."""
        call = self.maker(name.tensor)
        return (
            self.trace.tensors[name.tensor].leaf and name.function not in ("", "<module>")
            and call is not None and call.inplace
        )  # fmt: skip

    def name(self, tensor: int) -> str | None:
        """The user's name of a tensor, None where it has none."""
        row = self.trace.tensors[tensor]
        names = self.names(tensor)
        if names:
            return names[0]
        if row.grad_of is not None:
            owner = self.object_name(row.grad_of)
            return f"{owner}.grad" if owner else None
        return None

    def object_name(self, obj: int) -> str | None:
        """The user's name of a tensor object over all its states."""
        states = self.states.get(obj)
        return self.name(states[0].id) if states else None

    def label(self, tensor: int) -> str:
        """A name, or the source text that made it, or the call's name: never empty."""
        if tensor not in self._label_of:
            self._label_of[tensor] = self._label(tensor)
        return self._label_of[tensor]

    def _label(self, tensor: int) -> str:
        name = self.name(tensor)
        if name:
            return name
        call = self.maker(tensor)
        if call is None:
            node = self.trace.tensors[tensor].node
            return self.trace.nodes[node].name if node is not None else "tensor"
        if call.places and self.trace.places[call.places[0]].through:
            return self._label_within(call)
        if call.name == "unbind" and not any(dim for _, dim in call.constants):  # also `for row in x`
            first = call.outputs[0]  # their rows follow each other, so that nobody has to search thousands
            index = tensor - first if call.outputs[tensor - first : tensor - first + 1] == (tensor,) else None
            return _indexed(self.label(call.inputs[0]), call.outputs.index(tensor) if index is None else index)
        text = None if self._goes_on(call) else self.segment(self._place_of_value(call))
        if text and "\n" not in text and len(text) <= 32:
            return text
        return f"{call.name}(…)"

    def _goes_on(self, call: Call) -> bool:
        """Whether a function of a library's went on with another call: `actions.log_prob(a)` is what its last gave."""
        following = self.trace.calls[call.id + 1 : call.id + 2]
        return any(c.places == call.places and c.qualified != call.qualified for c in following)

    def _place_of_value(self, call: Call) -> Place | None:
        """The place to show of a call, if its source text says what the call gave, else one further in.

        `model(x)` is what the last call of torch in the module gave, and none of those before it.
        """
        shown = self.place(call.places)
        if shown is None or call.scope is None:
            return shown
        outermost: dict[int | None, int] = {}
        scope: int | None = call.scope
        while scope is not None:
            outermost[self.trace.scopes[scope].place] = scope
            scope = self.trace.scopes[scope].parent
        for row in call.places[call.places.index(shown.id) :: -1]:
            if row not in outermost or self._ends_of_scopes[outermost[row]] == call.id:
                return self.trace.places[row]
        return None

    @functools.cached_property
    def _ends_of_scopes(self) -> dict[int, int]:
        """By scope: the last call in it."""
        found: dict[int, int] = {}
        for call in self.trace.calls:
            scope = call.scope
            while scope is not None:
                found[scope] = call.id
                scope = self.trace.scopes[scope].parent
        return found

    def _label_within(self, call: Call) -> str:
        """The label of what a function of torch's made on its way, after what it was made of: `y[0]`."""
        if call.name in HANDED_ON and call.inputs:
            return self.label(call.inputs[0])
        index = dict(call.constants).get("1")
        if call.name == "__getitem__" and call.inputs and isinstance(index, int):
            return _indexed(self.label(call.inputs[0]), index)
        return f"{call.name}(…)"

    def place(self, places: Iterable[int]) -> Place | None:
        """The place to show of a call: the innermost one inside the recorded cell, else the innermost."""
        key = tuple(places)
        if key not in self._place_of:
            rows = [self.trace.places[p] for p in key]
            self._place_of[key] = next((p for p in rows if p.source == self.trace.source), rows[0] if rows else None)
        return self._place_of[key]

    def tensor_place(self, tensor: int) -> Place | None:
        """Where a tensor was made, in this cell or an earlier one."""
        row = self.trace.tensors[tensor]
        call = self.maker(tensor)
        if call is not None:
            return self.place(call.places)
        if row.place is not None:
            return self.trace.places[row.place]
        if row.node is not None:
            return self.node_place(self.trace.nodes[row.node])
        assigned = [n.place for n in self._names_by_object.get(row.object, ()) if n.place is not None]
        return self.trace.places[assigned[0]] if assigned else None

    def node_place(self, node: Node) -> Place | None:
        """Where a node was made, in this cell or an earlier one."""
        if node.call is not None:
            return self.place(self.trace.calls[node.call].places)
        return None if node.place is None else self.trace.places[node.place]

    def freed_place(self, node: Node) -> Place | None:
        """Where the backward that freed a node's saved tensors was called, in this cell or an earlier one."""
        if node.freed_by is not None:
            return self.place(self.trace.backwards[node.freed_by].places)
        return None if node.freed_place is None else self.trace.places[node.freed_place]

    def source_lines(self, source: int) -> tuple[str, ...]:
        """Lines of a source as far as they are known."""
        return self._source_lines[source]

    @functools.cached_property
    def _source_lines(self) -> tuple[tuple[str, ...], ...]:
        texts = [row.text for row in self.trace.sources]
        return tuple(() if text is None else tuple(text.rstrip("\n").split("\n")) for text in texts)

    def line_text(self, source: int, line: int) -> str:
        """One line of source, empty where it is not known."""
        lines = self.source_lines(source)
        if 1 <= line <= len(lines):
            return lines[line - 1]
        return self.trace.sources[source].line_texts.get(str(line), "")

    def segment(self, place: Place | None) -> str | None:
        """The exact source text of a place; the whole line where columns are unknown."""
        if place is None:
            return None
        if place.column is None or place.end_line is None or place.end_column is None:
            return self.line_text(place.source, place.line).strip() or None
        lines = [self.line_text(place.source, n) for n in range(place.line, place.end_line + 1)]
        lines[-1] = lines[-1][: place.end_column]
        lines[0] = lines[0][place.column :]
        return "\n".join(lines) or None

    # -- autograd's graph ----------------------------------------------------------------------
    @functools.cached_property
    def _tensors_by_node(self) -> dict[int, tuple[Tensor, ...]]:
        return _grouped(self.trace.tensors, lambda t: t.node)

    def results_of(self, node: int) -> tuple[Tensor, ...]:
        """Tensor rows whose `grad_fn` is this node."""
        return self._tensors_by_node.get(node, ())

    def node_tensor(self, node: int) -> Tensor | None:
        """The tensor a node stands for: a leaf for AccumulateGrad, else its first result that was seen."""
        row = self.trace.nodes[node]
        if row.leaf is not None:
            return self.trace.tensors[row.leaf]
        results = self.results_of(node)
        return next((t for t in results if t.output_nr == 0), results[0] if results else None)

    @functools.cached_property
    def _saved_by_node(self) -> dict[int, tuple[Saved, ...]]:
        return _grouped(self.trace.saved, lambda s: s.node)

    def saved_of(self, node: int) -> tuple[Saved, ...]:
        """What a node saved for backward."""
        return self._saved_by_node.get(node, ())

    @functools.cached_property
    def _steps_by_node(self) -> dict[int, tuple[Step, ...]]:
        return _grouped(self.trace.steps, lambda s: s.node)

    def steps_of(self, node: int) -> tuple[Step, ...]:
        """The times the engine ran a node, in order."""
        return self._steps_by_node.get(node, ())

    @functools.cached_property
    def _steps_by_backward(self) -> dict[int, tuple[Step, ...]]:
        return _grouped(self.trace.steps, lambda s: s.backward)

    def steps_in(self, backward: int) -> tuple[Step, ...]:
        """The nodes a backward ran, in the engine's order."""
        return self._steps_by_backward.get(backward, ())

    def reachable(self, nodes: Iterable[int]) -> Iterator[Node]:
        """The nodes and all that backward reaches from them, nearest first."""
        queue = list(dict.fromkeys(nodes))
        seen = set(queue)
        for node in queue:
            row = self.trace.nodes[node]
            yield row
            for parent, _ in row.edges:
                if parent is not None and parent not in seen:
                    seen.add(parent)
                    queue.append(parent)

    # -- gradients -----------------------------------------------------------------------------
    @functools.cached_property
    def changes_by_object(self) -> dict[int, tuple[GradChange, ...]]:
        """By object: every change of its `.grad`, in order."""
        return _grouped(self.trace.changes, lambda c: c.object)

    def gradients(self, tensor: int) -> tuple[tuple[Backward, Gradient], ...]:
        """Each gradient that reached a tensor, with the backward that brought it, in order."""
        row = self.trace.tensors[tensor]
        if row.node is None:
            return self._gradients_by_leaf.get(row.object, ())
        found = []
        for step in self.steps_of(row.node):
            if row.output_nr < len(step.received) and (gradient := step.received[row.output_nr]) is not None:
                found.append((self.trace.backwards[step.backward], gradient))
        return tuple(sorted([*found, *self._returned_by_object.get(row.object, ())], key=lambda pair: pair[0].at))

    @functools.cached_property
    def _gradients_by_leaf(self) -> dict[int, tuple[tuple[Backward, Gradient], ...]]:
        """By object: what backwards added to its `.grad`, and what `autograd.grad` gave back for it."""
        found: dict[int, list[tuple[Backward, Gradient]]] = defaultdict(list)
        for change in self.trace.changes:
            if change.backward is not None and change.added is not None:
                found[change.object].append((self.trace.backwards[change.backward], change.added))
        for obj, returned in self._returned_by_object.items():
            found[obj] += returned
        return {obj: tuple(sorted(pairs, key=lambda pair: pair[0].at)) for obj, pairs in found.items()}

    # -- hooks -----------------------------------------------------------------------------------
    @functools.cached_property
    def _hooks_by_node(self) -> dict[int, tuple[Hook, ...]]:
        return _grouped(self.trace.hooks, self._node_of_hook)

    def _node_of_hook(self, hook: Hook) -> int | None:
        tensor = self.trace.tensors[hook.tensor]
        return tensor.node if tensor.node is not None else self.accumulator(tensor.object)

    @functools.cached_property
    def _accumulators(self) -> dict[int, int]:
        """By object: the AccumulateGrad node of a leaf."""
        leaves = (node for node in self.trace.nodes if node.leaf is not None)
        return {self.trace.tensors[node.leaf].object: node.id for node in leaves if node.leaf is not None}

    def hooks_of(self, node: int) -> tuple[Hook, ...]:
        """The hooks that the user put on what a node gave, or on the leaf of an AccumulateGrad node."""
        return self._hooks_by_node.get(node, ())

    def is_hooked(self, node: int) -> bool:
        """Whether there is a hook at a node, or something changed that arrived there."""
        return node in self._hooked

    @functools.cached_property
    def _hooked(self) -> frozenset[int]:
        return frozenset((*self._hooks_by_node, *self._hooked_steps, *self._asked))

    @functools.cached_property
    def _steps_above(self) -> dict[tuple[int, int], list[tuple[Step, int]]]:
        """By backward and node: each step that sent something there, with the number of its edge."""
        found: dict[tuple[int, int], list[tuple[Step, int]]] = defaultdict(list)
        for step in self.trace.steps:
            for number, (target, _) in enumerate(self.trace.nodes[step.node].edges):
                if target is not None:
                    found[step.backward, target].append((step, number))
        return found

    def before_hooks(self, step: Step) -> Gradient | None:
        """What was sent to a node of one input whose hooks changed it; None where they did not, or it is not known."""
        return self._before_steps.get(step.id)

    @functools.cached_property
    def _before_steps(self) -> dict[int, Gradient]:
        single = (step for step in self.trace.steps if len(step.received) == 1)
        pairs = ((step.id, self._changed(step.backward, step.node, step.received[0])) for step in single)
        return {step: before for step, before in pairs if before is not None}

    @functools.cached_property
    def _hooked_steps(self) -> dict[int, tuple[Step, ...]]:
        return _grouped((self.trace.steps[step] for step in self._before_steps), lambda step: step.node)

    def hooked_steps(self, node: int) -> tuple[Step, ...]:
        """The runs of a node where hooks changed what arrived, in order."""
        return self._hooked_steps.get(node, ())

    def before_result(self, backward: Backward, tensor: int) -> Gradient | None:
        """What was sent to an input of `autograd.grad` whose hooks changed it; None as in `before_hooks`."""
        return self._before_results.get((backward.id, tensor))

    @functools.cached_property
    def _before_results(self) -> dict[tuple[int, int], Gradient]:
        found: dict[tuple[int, int], Gradient] = {}
        for backward in self.trace.backwards:
            for tensor, result in zip(backward.inputs or (), backward.results, strict=False):
                before = None if result is None else self._before_result(backward, tensor, result)
                if before is not None:
                    found[backward.id, tensor] = before
        return found

    def _before_result(self, backward: Backward, tensor: int, result: int) -> Gradient | None:
        row = self.trace.tensors[tensor]
        node = row.node if row.node is not None else self.accumulator(row.object)
        if node is None or row.output_nr:
            return None
        got = self.trace.tensors[result]
        return self._changed(backward.id, node, story.as_gradient(got))

    def _changed(self, backward: int, node: int, after: Gradient | None) -> Gradient | None:
        edges = self._steps_above.get((backward, node), ())
        sent = [one.sent[number] if number < len(one.sent) else None for one, number in edges]
        sent += self._begun_at(self.trace.backwards[backward], node)
        if after is None or not sent or any(one is None for one in sent) or sent == [after]:
            return None
        total = functools.reduce(_sum, (one.value for one in sent if one is not None))
        if total is None or after.value is None or _close(total, after.value):
            return None
        return after._replace(value=total)

    def asked_at(self, node: int) -> tuple[tuple[Backward, int], ...]:
        """Each `autograd.grad` that gave back what arrived at a node without running it, with its input there."""
        return self._asked.get(node, ())

    @functools.cached_property
    def _asked(self) -> dict[int, tuple[tuple[Backward, int], ...]]:
        found: dict[int, list[tuple[Backward, int]]] = defaultdict(list)
        ran = {(step.backward, step.node) for step in self.trace.steps}
        for backward in self.trace.backwards:
            for tensor in dict.fromkeys(backward.inputs or ()) if backward.results else ():
                row = self.trace.tensors[tensor]
                node = row.node if row.node is not None else self.accumulator(row.object)
                if node is not None and (backward.id, node) not in ran:
                    found[node].append((backward, tensor))
        return {node: tuple(rows) for node, rows in found.items()}

    def _begun_at(self, backward: Backward, node: int) -> list[Gradient | None]:
        """What a backward began with at the roots that a node made: 1 where nothing was given for a single number."""
        found: list[Gradient | None] = []
        for index, root in enumerate(backward.roots):
            row = self.trace.tensors[root]
            if row.node != node:
                continue
            given = backward.gradients[index] if index < len(backward.gradients) else None
            if given is None and math.prod(row.shape) == 1:
                value: Value = 1.0
                for _ in row.shape:
                    value = [value]
                given = Gradient(row.shape, row.dtype, row.device, value)
            found.append(given)
        return found

    def arrival(self, change: GradChange) -> Step | None:
        """The run of the node at which what a backward added to a `.grad` arrived."""
        node = self.trace.tensors[change.tensor].node
        if node is None:
            node = self.accumulator(change.object)
        steps = () if node is None or change.backward is None else self.steps_of(node)
        return next((step for step in reversed(steps) if step.backward == change.backward), None)

    def accumulator(self, obj: int) -> int | None:
        """The AccumulateGrad node of a leaf object, None where none was seen."""
        return self._accumulators.get(obj)

    @functools.cached_property
    def _returned_by_object(self) -> dict[int, tuple[tuple[Backward, Gradient], ...]]:
        """By object: what `autograd.grad` gave back for it."""
        found: dict[int, list[tuple[Backward, Gradient]]] = defaultdict(list)
        for backward in self.trace.backwards:
            for tensor, result in zip(backward.inputs or (), backward.results, strict=False):
                if result is not None:
                    row = self.trace.tensors[result]
                    gradient = story.as_gradient(row)
                    found[self.trace.tensors[tensor].object].append((backward, gradient))
        return {key: tuple(pairs) for key, pairs in found.items()}

    def gradient(self, tensor: int) -> Gradient | None:
        """The gradient to write at a tensor: the last of the lowest derivative order that reached it."""
        found = self.gradients(tensor)
        if not found:
            return None
        lowest = min(backward.order for backward, _ in found)
        return [gradient for backward, gradient in found if backward.order == lowest][-1]

    def last_grad(self, obj: int) -> Gradient | None:
        """What an object's `.grad` held at the end, None where it held nothing."""
        changes = self.changes_by_object.get(obj, ())
        return changes[-1].after if changes else None

    @functools.cached_property
    def events(self) -> dict[int, list[story.Event]]:
        """By object: what happened to each leaf and to each `.grad` in this recording, in order."""
        return story.events(self.trace)

    @functools.cached_property
    def past(self) -> dict[int, tuple[Past, ...]]:
        """By object: what earlier recordings saw of each leaf."""
        return {row.object: row.past for row in self.trace.history}

    # -- memory --------------------------------------------------------------------------------
    def kept(self) -> tuple[Saved, ...]:
        """Saved tensors that were still kept at the end: no backward freed them, and their node is still there."""
        return tuple(s for s in self.trace.saved if not self.is_freed(s.node) and s.node not in self.gone)

    @functools.cached_property
    def gone(self) -> dict[int, int]:
        """By node: when it went, with all that it kept; only those that went before the end."""
        return {row.node: row.at for row in self.trace.gone}

    @functools.cached_property
    def packed(self) -> dict[int, Packed]:
        """By saved row: what hooks keep in its place."""
        return {row.saved: row for row in self.trace.packed}

    @functools.cached_property
    def _owners(self) -> dict[int, int]:
        found: dict[int, int] = {}
        for tensor in self.trace.tensors:
            if tensor.storage is not None and (tensor.storage not in found) and self.name(tensor.id):
                found[tensor.storage] = tensor.id
        return found

    def storage_owner(self, storage: int | None) -> int | None:
        """The first tensor with a name that looks into a storage."""
        return None if storage is None else self._owners.get(storage)

    def is_freed(self, node: int) -> bool:
        """Whether a node's saved tensors were freed by a backward."""
        row = self.trace.nodes[node]
        return row.freed_by is not None or row.freed_place is not None

    def blocks(self, row: Saved) -> dict[tuple[str, int], int]:
        """Bytes of each block of memory that a saved tensor keeps; of a packed one those of what is in its place."""
        storages = self.trace.storages
        if row.hidden:
            packed = self.packed.get(row.id)
            return {} if packed is None else {("storage", i): storages[i].bytes for i in packed.blocks}
        if row.storage is None:
            return {("row", row.id): row.bytes}
        return {("storage", row.storage): storages[row.storage].bytes}

    def unique_bytes(self, saved: Iterable[Saved]) -> tuple[int, int]:
        """(bytes, number) of distinct storages behind saved tensors: shared memory counts once."""
        sizes: dict[tuple[str, int], int] = {}
        for row in saved:
            sizes.update(self.blocks(row))
        return sum(sizes.values()), len(sizes)

    # -- changes in place ----------------------------------------------------------------------
    @functools.cached_property
    def _changes_by_storage(self) -> dict[int, tuple[Call, ...]]:
        found: dict[int, list[Call]] = defaultdict(list)
        for call in self.trace.calls:
            if call.inplace:
                for storage in {self.trace.tensors[t].storage for t in call.outputs}:
                    if storage is not None:
                        found[storage].append(call)
        return {key: tuple(calls) for key, calls in found.items()}

    def changes_of_storage(self, storage: int | None) -> tuple[Call, ...]:
        """The calls that changed memory in place, through any tensor that looks into it."""
        return () if storage is None else self._changes_by_storage.get(storage, ())

    def changes_of_value(self, obj: int) -> tuple[int, ...]:
        """When an object's values were changed in place: the updates of a leaf."""
        if obj not in self._value_changes:
            storages = {t.storage for t in self.states.get(obj, ())}
            self._value_changes[obj] = tuple(sorted(c.at for s in storages for c in self.changes_of_storage(s)))
        return self._value_changes[obj]

    @functools.cached_property
    def iterations_dropped(self) -> tuple[tuple[int, int, int], ...]:
        """Of each loop: the ticks of the iteration that is kept, from after one to another, and how many are not."""
        return tuple((*story.iteration_of(self.trace, loop), loop.dropped) for loop in self.trace.loops)

    def step_call(self, call: Call) -> str | None:
        """`opt.step()` for an optimizer's step that was noted as one call; None for other calls."""
        if call.name != "step" or not call.qualified.startswith("torch.optim."):
            return None
        step = self._optimizer_steps.of(call.at)
        return "step()" if step is None else f"{self._optimizer_steps.name(step)}.step()"

    @functools.cached_property
    def _optimizer_steps(self) -> story.Steps:
        return story.Steps(self.trace)

    def users_made(self, tensor: int) -> bool:
        """Whether a tensor was computed from other tensors that were seen."""
        call = self.maker(tensor)
        return call is not None and bool(call.inputs)

    # -- what a picture shows ------------------------------------------------------------------
    @functools.cached_property
    def drawn_calls(self) -> tuple[Call, ...]:
        """The calls that belong in a picture of the computation, in order.

        Those that made autograd nodes, those that failed on a tensor that requires grad, the cuts whose
        result has a name or is used, and whatever led to the root of a backward that failed.
        """
        wanted = {call.id for call in self.trace.calls if self._computes(call)}
        wanted |= self._behind_failed_roots()
        wanted |= self._cuts_that_matter({t for c in wanted for t in self.trace.calls[c].inputs})
        return tuple(call for call in self.trace.calls if call.id in wanted)

    def _computes(self, call: Call) -> bool:
        if call.name in NOT_DRAWN:
            return False
        if call.error is not None:
            return any(self.trace.tensors[t].requires_grad for t in call.inputs)
        outputs = [self.trace.tensors[t] for t in call.outputs]
        return any(t.node is not None and t.call == call.id for t in outputs)

    def _cuts_that_matter(self, used: set[int]) -> set[int]:
        """Cuts, and what was computed behind them, that lead to something drawn or to a tensor with a name."""
        behind: set[int] = set()
        for call in self.trace.calls:
            if not call.inplace and (call.cut or not behind.isdisjoint(call.inputs)):
                behind.update(t for t in call.outputs if not self.trace.tensors[t].requires_grad)
        matters = set()
        for call in reversed(self.trace.calls):
            if not call.inplace and not behind.isdisjoint(call.outputs) and self._leads_on(call, used):
                matters.add(call.id)
                used.update(call.inputs)
        return matters

    def _leads_on(self, call: Call, used: set[int]) -> bool:
        """Whether a call behind a cut gives something that is drawn, or the first tensor with a name."""
        if not used.isdisjoint(call.outputs):
            return True
        unnamed_cut = any(self._is_cut(t) and not self._assigned(t) for t in call.inputs)
        return (call.cut is not None or unnamed_cut) and any(map(self._assigned, call.outputs))

    def _is_cut(self, tensor: int) -> bool:
        call = self.maker(tensor)
        return call is not None and call.cut is not None

    def _assigned(self, tensor: int) -> bool:
        obj = self.trace.tensors[tensor].object
        return any(n.place is not None for n in self._names_by_object.get(obj, ()))

    def _behind_failed_roots(self) -> set[int]:
        roots = [r for b in self.trace.backwards if b.error is not None for r in b.roots]
        calls = [self.maker(t.id) for t in self.sources_of(roots)]
        return {c.id for c in calls if c is not None and c.inputs and not c.inplace and c.name not in NOT_DRAWN}

    def accesses_of(self, attribute: str) -> tuple[Access, ...]:
        """Readings of one attribute, in order."""
        return tuple(a for a in self.trace.accesses if a.attribute == attribute)

    @functools.cached_property
    def operations(self) -> tuple[Call, ...]:
        """`drawn_calls` without those that ran a backward: `autograd.grad` is told by its row in `backwards`."""
        starts = {backward.at for backward in self.trace.backwards}
        candidates = [c for c in self.trace.calls if c.name in RUNS_BACKWARD]
        ran = {c.id for c in candidates if not starts.isdisjoint(range(c.at, c.end + 1))}
        return tuple(call for call in self.drawn_calls if call.id not in ran)
