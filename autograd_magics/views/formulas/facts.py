"""What a trace knows of one backward step: the operands of its formula, scalar arguments, shapes.

`Facts(graph, step)` reads only what was recorded: values are those that the engine itself used (the
saved tensors, unless changed since), scalar arguments those of the call that made the node.
"""

from __future__ import annotations

import bisect
import functools
import re
from dataclasses import dataclass
from typing import Any

from ...graph import Graph
from ...trace import Call, Gradient, Ids, Saved, Step, Tensor, Value

UNKNOWN: Any = object()
"""An argument of a call that nobody saw; its default is not assumed then."""

MANY = 64
"""A call that made more nodes than these is no single operation."""

_LOST = "…"
"""How the recorder writes an argument that it did not keep."""

_ALIASES: dict[str, dict[str, dict[str, Any]]] = {
    "rsub": {"Rsub": {"other": "1"}}, "rpow": {"Pow": {"self": "1"}}, "rdiv": {"Mul": {"other": "1"}},
    "square": {"Pow": {"exponent": 2}}, "linear": {"Addmm": {"alpha": 1, "beta": 1}},
    "relu6": {"Hardtanh": {"min_val": 0, "max_val": 6}}, "cross_entropy": {"NllLoss": {}, "LogSoftmax": {"dim": 1}},
    "norm": {"LinalgVectorNorm": {"ord": "p"}}, "vector_norm": {"LinalgVectorNorm": {}},
    "true_divide": {"Div": {}}, "divide": {"Div": {}}, "multiply": {"Mul": {}}, "subtract": {"Sub": {}},
    "negative": {"Neg": {}}, "clip": {"Clamp": {}}, "swapaxes": {"Transpose": {}}, "swapdims": {"Transpose": {}},
    "mT": {"Transpose": {"dim0": -2, "dim1": -1}}, "concat": {"Cat": {}}, "concatenate": {"Cat": {}},
}  # fmt: skip
"""Functions that make nodes named after another one: by such a name, where its arguments are found (a key of the
call's constants, or the value itself)."""


@dataclass(frozen=True)
class Operand:
    """A symbol of a formula: what is known of it."""

    name: str
    """The user's name, empty where it has none."""
    shape: Ids | None
    value: Value | None
    transposed: bool = False
    """Name, shape and value are those of a matrix of which the operand is the transpose."""


class Facts:
    """One step of the engine, as its formula sees it."""

    def __init__(self, graph: Graph, step: Step) -> None:
        self.graph, self.trace, self.step = graph, graph.trace, step
        self.node = graph.trace.nodes[step.node]
        self._sent: dict[int, Gradient | None] = {}

    @functools.cached_property
    def maker(self) -> Call | None:
        """The call that made the node."""
        return None if self.node.call is None else self.trace.calls[self.node.call]

    @functools.cached_property
    def alone(self) -> str:
        """The plain name of that call, where this node is all that it made; else empty."""
        return _plain(self.maker.name) if self.maker is not None and len(self.maker.nodes) == 1 else ""

    @functools.cached_property
    def given(self) -> dict[str, Any]:
        """The scalar arguments of the call that made the node, whatever it is."""
        return dict(self.maker.constants) if self.maker is not None else {}

    @functools.cached_property
    def call(self) -> Call | None:
        """The call whose arguments are those of the node: one named like it that made no other such node."""
        if self.maker is None or len(self.maker.nodes) > MANY:
            return None
        base = _base(self.node.name)
        same = [n for n in self.maker.nodes if _base(self.trace.nodes[n].name) == base]
        return self.maker if len(same) == 1 and base in (_camel(self.maker.name), *_aliases(self.maker)) else None

    @functools.cached_property
    def constants(self) -> dict[str, Any]:
        """Scalar arguments of that call by position or keyword."""
        return {} if self.call is None else self.given

    def argument(self, name: str, position: int, default: Any) -> Any:
        """A scalar argument; `UNKNOWN` where the call was not seen, or a tensor was given."""
        if self.call is None:
            return UNKNOWN
        moved = _aliases(self.call).get(_base(self.node.name), {}).get(name)
        if moved is not None and not isinstance(moved, str):
            return moved
        keys = (name, str(position)) if moved is None else (moved,)
        value = next((self.constants[key] for key in keys if key in self.constants), default)
        return {_LOST: UNKNOWN, "None": None}.get(value, value) if isinstance(value, str) else value

    def varargs(self, name: str, position: int, default: Any) -> Any:
        """Integers given as one list or one after the other: `permute(1, 0)`, `permute((1, 0))`."""
        first = self.argument(name, position, default)
        if first is UNKNOWN or not _is_int(first):
            return first
        rest = [self.constants[str(i)] for i in range(position, position + 64) if str(i) in self.constants]
        return rest if len(rest) > 1 and all(map(_is_int, rest)) else first

    # -- gradients -----------------------------------------------------------------------------
    @property
    def received(self) -> Gradient | None:
        """What came in, where it is one gradient."""
        first, *others = self.step.received or (None,)
        return first if not any(others) else None

    def sent(self, edge: int) -> Gradient | None:
        """What went out along an edge."""
        if edge not in self._sent:
            told = self.step.sent[edge] if edge < len(self.step.sent) else None
            self._sent[edge] = self._captured(edge) if told is None else told
        return self._sent[edge]

    def _captured(self, edge: int) -> Gradient | None:
        """What `autograd.grad` gave back for the tensor behind an edge; no value where other edges added to it."""
        backward, row = self.trace.backwards[self.step.backward], self.behind(edge)
        if row is None or self.node.edges[edge][0] is None:
            return None
        asked = zip(backward.inputs or (), backward.results, strict=False)
        results = [r for t, r in asked if r is not None and self.trace.tensors[t].object == row.object]
        if not results:
            return None
        found = self.trace.tensors[results[0]]
        ran = (self.trace.nodes[step.node] for step in self.graph.steps_in(backward.id))
        alone = sum(node.edges.count(self.node.edges[edge]) for node in ran) == 1
        return Gradient(found.shape, found.dtype, found.device, found.value if alone else None)

    def shape_of_input(self, edge: int) -> Ids | None:
        """Shape of the input that an edge stands for: that of its gradient."""
        gradient = self.sent(edge)
        return None if gradient is None else gradient.shape

    @property
    def is_complex(self) -> bool:
        """Whether complex numbers are at work: the textbook's forms are for real ones."""
        gradients = [g for g in (*self.step.received, *self.step.sent) if g is not None]
        saved = [s.dtype for s in self.graph.saved_of(self.node.id)]
        return any(dtype.startswith("complex") for dtype in [*saved, *(g.dtype for g in gradients)])

    # -- operands ------------------------------------------------------------------------------
    def behind(self, edge: int) -> Tensor | None:
        """The tensor to which an edge leads, as far as it was seen."""
        target, nr = self.node.edges[edge]
        if target is None:
            return None
        row = self.graph.node_tensor(target)
        if row is None or row.leaf or row.output_nr == nr:
            return row
        return next((t for t in self.graph.results_of(target) if t.output_nr == nr), None)

    def name_behind(self, edge: int) -> str:
        """The user's name of it, empty where it has none."""
        row = self.behind(edge)
        name = (self.graph.name(row.id) or "") if row is not None else ""
        turned = None if name else self._transpose(edge)
        return f"{turned.name}ᵀ" if turned is not None and turned.name else name

    def saved(self, slot: str) -> Saved | None:
        """What the node kept under that name."""
        return next((s for s in self.graph.saved_of(self.node.id) if s.slot in (slot, f"{slot}[0]")), None)

    def operand(self, argument: str, edge: int | None) -> Operand:
        """A tensor of the formula; `edge` is that of the argument, where it has one."""
        saved = self.saved(argument)
        name = self.name_behind(edge) if edge is not None else ""
        if saved is None:
            row = self.behind(edge) if edge is not None else None
            return Operand(name, None if row is None else row.shape, None)
        if saved.tensor is None:
            return self._transpose(edge) or Operand(name, saved.shape if saved.dtype else None, None)
        row = self.trace.tensors[saved.tensor]
        value = row.value if not self._changed(row) else None
        return Operand(self.graph.name(row.id) or name, row.shape, value)

    def _transpose(self, edge: int | None) -> Operand | None:
        """The weight behind the transpose that `linear` makes of it: nobody sees that transpose itself."""
        target = self.node.edges[edge][0] if edge is not None else None
        node = self.trace.nodes[target] if target is not None else None
        if node is None or _base(node.name) != "T" or node.edges[0][0] is None:
            return None
        row = self.graph.node_tensor(node.edges[0][0])
        if row is None or self.maker is None:
            return None
        given = next((t for t in self.maker.inputs if self.trace.tensors[t].object == row.object), None)
        state = None if given is None else self.trace.tensors[given]
        if state is None or len(state.shape) != 2:
            return None
        value = None if self._changed(state) else state.value
        name = self.graph.name(state.id)
        if name:
            return Operand(name, state.shape, value, transposed=True)
        turned = None if value is None else [list(row) for row in zip(*value, strict=True)]
        return Operand("", state.shape[::-1], turned)

    def _changed(self, row: Tensor) -> bool:
        """Whether a tensor's memory was changed after this state and before the step."""
        calls = self.graph.changes_of_storage(row.storage)
        first = bisect.bisect_right(calls, row.at, key=lambda call: call.at)
        return first < len(calls) and calls[first].at < self.step.at


def _base(node: str) -> str:
    """`MulBackward0` is `Mul`."""
    return re.sub(r"Backward\w*$", "", node)


def _plain(name: str) -> str:
    return name.strip("_") or name


def _camel(name: str) -> str:
    return "".join(part.title() for part in _plain(name).split("_"))


def _aliases(call: Call) -> dict[str, dict[str, Any]]:
    return _ALIASES.get(_plain(call.name), {})


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
