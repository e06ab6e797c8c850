"""AG601 and AG602: where the first NaN and the first infinite number were born."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ..graph import Graph
from ..trace import Backward, Call, Gradient, Node, Place, Step, Tensor, flat
from . import Finding, at, ends, rule, tag
from .expressions import operand

NAN, INF = "nan", "inf"

FAMILIES = {
    "log": "log", "log2": "log", "log10": "log", "log_": "log", "div": "div", "div_": "div", "__rtruediv__": "div",
    "true_divide": "div", "reciprocal": "div", "rsqrt": "div", "sqrt": "sqrt", "sqrt_": "sqrt", "norm": "sqrt",
    "__rdiv__": "div", "log1p": "log", "expm1": "exp", "sinh": "exp", "cosh": "exp",
    "exp": "exp", "exp_": "exp", "pow": "pow", "pow_": "pow", "__rpow__": "pow", "acos": "pow", "asin": "pow",
}  # fmt: skip
"""Calls for which there is advice of its own."""

ELEMENTWISE = frozenset({*FAMILIES, "mul", "mul_", "add", "add_", "sub", "sub_", "atanh", "square", "tan"}) - {"norm"}
"""Calls whose result at an index depends only on the operands at that index."""

LONGEST = 60
"""Characters of a value in a sentence."""

OPERANDS = 3
"""Operands shown with their values."""

SCALER = "_amp_foreach_non_finite_check_and_unscale_"
"""The call by which a `GradScaler` looks for infinite gradients: with it they are expected."""


def non_finite(row: Tensor | Gradient) -> frozenset[str] | None:
    """Which of `"nan"` and `"inf"` are among the values of a row; None where the values are not known."""
    if row.stats is not None:
        infinite = row.stats.inf + row.stats.neg_inf
        return frozenset(name for name, count in ((NAN, row.stats.nan), (INF, infinite)) if count)
    if row.value is None:
        return None
    found = {kind for one in flat(row.value) if isinstance(one, str) for kind in (NAN, INF) if kind in one}
    return frozenset(found)


@rule("AG601", "warning")
def first_nan(graph: Graph) -> Iterator[Finding]:
    """A NaN was born here, and what came after it is NaN too.

    One NaN spreads through every sum it takes part in: to the loss, to all gradients, and by one update to
    all weights.  It is seen there, but it was born where numbers went in and NaN came out: 0/0, inf - inf, 0
    * inf, the logarithm or square root of a negative number; in backward, where a derivative is infinite.
    `torch.where` does not help there, as both branches are differentiated: make the operand safe instead.

    Bad::

        x = torch.tensor([1.0, -2.0], requires_grad=True)
        y = torch.log(x)
        loss = y.mean()
        loss.backward()

    Good::

        x = torch.tensor([1.0, -2.0], requires_grad=True)
        y = torch.log(x.clamp(min=1e-6))
        loss = y.mean()
        loss.backward()
    """
    nan, inf = _births(graph)
    if nan is not None:
        yield _told(graph, "AG601", nan, "AG602" if inf is not None and inf.at < nan.at else None)


@rule("AG602", "warning")
def first_inf(graph: Graph) -> Iterator[Finding]:
    """An infinite number was born here: something was too large for its dtype, or divided by zero.

    `exp` overflows in float32 beyond 88, in float16 a sum does beyond 65,504; `log(0)` and `1 / 0` are
    infinite, and so is the derivative of the square root at 0.  The next step usually makes it a NaN.

    Bad::

        x = torch.tensor([100.0, 1.0], requires_grad=True)
        y = torch.exp(x)
        loss = y.sum()
        loss.backward()

    Good::

        x = torch.tensor([100.0, 1.0], requires_grad=True)
        loss = torch.logsumexp(x, 0)
        loss.backward()
    """
    nan, inf = _births(graph)
    if inf is not None:
        yield _told(graph, "AG602", inf, "AG601" if nan is not None and nan.at <= inf.at else None)


@dataclass(frozen=True)
class Birth:
    """Where a number that is not finite came into being."""

    kind: str
    """`"call"`; `"from_inf"`: a call whose operands held an infinite number already; `"given"`: written by the
    user's code; `"step"`: in backward; `"data"`: in a tensor that nobody computed; `"seen"`: not before here, as
    values before it are not known."""
    at: int
    seen: Tensor
    """Where it matters: the loss, a leaf with its gradient, or a result."""
    strong: bool
    """Whether it reached a loss or a gradient."""
    call: Call | None = None
    tensor: Tensor | None = None
    step: Step | None = None


def _births(graph: Graph) -> tuple[Birth | None, Birth | None]:
    """The first NaN and the first Inf: one that did harm itself, or became that NaN."""
    nan, search = _Search(graph, NAN).first(), _Search(graph, INF)
    found = [search.first(), search.before(nan) if nan is not None and nan.kind == "from_inf" else None]
    return nan, min((b for b in found if b is not None), key=lambda birth: birth.at, default=None)


class _Search:
    """Follows a number that is not finite from where it does harm back to where it was born."""

    def __init__(self, graph: Graph, what: str) -> None:
        self.graph = graph
        self.what = what
        self.tensors = graph.trace.tensors
        self.scaled = any(call.name == SCALER for call in graph.trace.calls)

    def bad(self, row: Tensor | Gradient | None) -> bool | None:
        """Whether a row holds such a number, None where that is not known."""
        found = None if row is None else non_finite(row)
        return None if found is None else self.what in found

    def first(self) -> Birth | None:
        """The first birth behind the first harm."""
        harms = sorted(self._harms(), key=lambda harm: harm[0])
        births = [b for at, seen, backward in harms[:1] if (b := self._behind(seen, backward, True)) is not None]
        if not births:
            certain = self.what == NAN  # an infinite result may be a mask, and a NaN among many a gap in the data
            found = (self._behind(t, None, certain and t.shape == ()) for t in self._results())
            births = [b for b in found if b is not None]
        return births[0] if births else None

    def before(self, nan: Birth) -> Birth | None:
        """The birth of the infinite number out of which a NaN came; None where the user's code wrote it."""
        if nan.step is not None:
            births = [self._behind(nan.seen, self.graph.trace.backwards[nan.step.backward], False)]
        else:
            inputs = [self.tensors[t] for t in nan.call.inputs] if nan.call is not None else []
            births = [self._behind(t, None, False) for t in inputs if self.bad(t)]
        found = min((b for b in births if b is not None), key=lambda birth: birth.at, default=None)
        return None if found is None else dataclasses.replace(found, seen=nan.seen, strong=nan.strong)

    def _harms(self) -> Iterator[tuple[int, Tensor, Backward | None]]:
        """(when, tensor, backward) of roots that are not finite, and of gradients."""
        trace = self.graph.trace
        for backward in trace.backwards:
            for root in backward.roots:
                if self.bad(self.tensors[root]):
                    yield backward.at, self.tensors[root], None
            for result in backward.results:
                if result is not None and self.bad(self.tensors[result]):
                    yield backward.end, self.tensors[result], backward
        for change in trace.changes:
            if change.backward is not None and not self.scaled and self.bad(change.added):
                yield change.at, self.tensors[change.tensor], trace.backwards[change.backward]

    def _results(self) -> Iterator[Tensor]:
        """Results of a graph that end the computation; the first such is enough."""
        users = self.graph.users
        ends_here = (t for t in self.tensors if t.node is not None and t.id not in users)
        return itertools.islice((t for t in ends_here if self.bad(t)), 1)

    def _behind(self, seen: Tensor, backward: Backward | None, strong: bool) -> Birth | None:
        """The earliest birth among what led to a harm."""
        births: list[Birth] = []
        queue: list[Tensor] = [] if backward is not None else [seen]
        runs = [] if backward is None else [backward]
        known = {t.id for t in queue}
        while queue or runs:
            if runs:
                births += self._in_backward(runs.pop(), seen, strong)
                continue
            tensor = queue.pop()
            call = self.graph.maker(tensor.id)
            run = self._backward_of(tensor, call)
            if run is not None:
                births += self._in_backward(run, seen, strong)
                continue
            if call is None or not call.inputs:
                births.append(Birth("data" if call is None else "given", tensor.at, seen, strong, call, tensor))
                continue
            inputs = [self.tensors[t] for t in call.inputs]
            worse = [t for t in inputs if self.bad(t)]
            if not worse:
                births.append(self._at_call(call, tensor, inputs, seen, strong))
            for one in worse:
                if one.id not in known:
                    known.add(one.id)
                    queue.append(one)
        wanted = [b for b in births if strong or b.kind != "given"]
        return min(wanted, key=lambda birth: birth.at, default=None)

    def _at_call(self, call: Call, result: Tensor, inputs: Sequence[Tensor], seen: Tensor, strong: bool) -> Birth:
        kind = "call"
        if any(isinstance(v, str) and self.what in v for _, constant in call.constants for v in flat(constant)):
            kind = "given"
        elif any(INF in (non_finite(t) or ()) for t in inputs):
            kind = "from_inf"
        elif any(self.bad(t) is None and not _is_whole(t) for t in inputs):
            kind = "seen"
        return Birth(kind, call.at, seen, strong, call, result)

    def _backward_of(self, tensor: Tensor, call: Call | None) -> Backward | None:
        """The backward that computed a tensor: one that `autograd.grad` gave back, or a `.grad`."""
        runs = self.graph.trace.backwards
        if call is not None:
            return next((b for b in runs if b.at == call.at and b.kind == "autograd.grad"), None)
        changes = self.graph.changes_by_object.get(tensor.grad_of, ()) if tensor.grad_of is not None else ()
        added = [c.backward for c in changes if c.backward is not None and c.at <= tensor.at and self.bad(c.added)]
        return runs[added[0]] if added else None

    def _in_backward(self, run: Backward, seen: Tensor, strong: bool) -> Iterator[Birth]:
        """The first node that received finite gradients and sent others."""
        for step in sorted(self.graph.steps_in(run.id), key=lambda one: one.at):
            received = [g for g in step.received if g is not None]
            if not any(self.bad(g) for g in step.sent) or any(self.bad(g) for g in received):
                continue
            kind = "step"
            if any(INF in (non_finite(g) or ()) for g in received):
                kind = "from_inf"
            elif any(self.bad(g) is None for g in received):
                kind = "seen"
            yield Birth(kind, step.at, seen, strong, None, None, step)
            return
        yield from self._at_the_end(run, seen, strong)

    def _at_the_end(self, run: Backward, seen: Tensor, strong: bool) -> Iterator[Birth]:
        """Of `autograd.grad`: the last node, whose result was given back and not sent on."""
        last = [s for s in self.graph.steps_in(run.id) if s.sent and not any(s.sent)]
        for step in sorted(last, key=lambda one: -one.at)[:1]:
            if not any(self.bad(g) for g in step.received):
                infinite = any(INF in (non_finite(g) or ()) for g in step.received if g is not None)
                yield Birth("from_inf" if infinite else "step", step.at, seen, strong, None, None, step)


def _is_whole(tensor: Tensor) -> bool:
    """Whether a dtype holds only finite numbers."""
    return not tensor.dtype.startswith(("float", "bfloat", "complex"))


def _told(graph: Graph, code: str, birth: Birth, because: str | None) -> Finding:
    if birth.step is not None:
        data, variant, places, nodes = _in_words_of_step(graph, birth.kind, birth.step)
    else:
        data, variant, places, nodes = _in_words_of_call(graph, birth, NAN if code == "AG601" else INF)
    data["victim"] = graph.label(birth.seen.id) + (".grad" if birth.seen.leaf and birth.seen.requires_grad else "")
    tensors = [t.id for t in (birth.tensor, birth.seen) if t is not None]
    return Finding(
        code, "warning" if birth.strong else "note", birth.at, data, variant, places=ends(*places),
        tensors=tuple(dict.fromkeys(tensors)), calls=() if birth.call is None else (birth.call.id,), nodes=nodes,
        backwards=() if birth.step is None else (birth.step.backward,), because=because,
    )  # fmt: skip


Words = tuple[dict[str, Any], str, tuple[Place | None, ...], tuple[int, ...]]


def _in_words_of_call(graph: Graph, birth: Birth, what: str) -> Words:
    tensor, call = birth.tensor, birth.call
    assert tensor is not None
    place = graph.tensor_place(tensor.id) if call is None else graph.place(call.places)
    data: dict[str, Any] = {"here": at(place), "source": tag("tensor", tensor.id)}
    if call is None:
        return data, "data", (place,), ()
    variant = {"call": FAMILIES.get(call.name, "")}.get(birth.kind, birth.kind)
    index = _first_bad(tensor, what) if call.name in ELEMENTWISE else None
    data |= {
        "code": _code(graph, place) or call.name, "inputs": _operands(graph, call, index),
        "result": _number(tensor, index) or _range(tensor),
    }  # fmt: skip
    return data, variant, (place,), () if tensor.node is None else (tensor.node,)


def _in_words_of_step(graph: Graph, kind: str, step: Step) -> Words:
    node: Node = graph.trace.nodes[step.node]
    made, back = graph.node_place(node), graph.place(graph.trace.backwards[step.backward].places)
    call = None if node.call is None else graph.trace.calls[node.call]
    bad = next((g for g in step.sent if g is not None and non_finite(g)), None)
    received = next((g for g in step.received if g is not None), None)
    data = {
        "node": tag("node", node.id), "here": at(made), "back": at(back),
        "received": tag("gradient", _plain(received)), "sent": tag("gradient", _plain(bad)),
        "code": _code(graph, made) or node.name, "inputs": _operands(graph, call, None) if call is not None else "",
    }  # fmt: skip
    variant = {"from_inf": "backward_from_inf", "seen": "backward_seen"}.get(kind, "backward")
    return data, variant if call is not None or variant != "backward" else "backward_alone", (made, back), (node.id,)


def _plain(row: Tensor | Gradient | None) -> dict[str, Any]:
    return {} if row is None else {"shape": row.shape, "dtype": row.dtype, "value": row.value}


def _code(graph: Graph, place: Place | None) -> str:
    """The source of a call where it fits into a sentence."""
    text = graph.segment(place) or ""
    return text if "\n" not in text and len(text) <= 60 else ""


def _first_bad(tensor: Tensor, what: str) -> tuple[int, ...] | None:
    """The index of the first NaN, or of the first infinite number."""
    for number, one in enumerate(flat(tensor.value) if tensor.value is not None else ()):
        if isinstance(one, str) and what in one:
            index = []
            for size in reversed(tensor.shape):
                number, place = divmod(number, size)
                index.append(place)
            return tuple(reversed(index))
    return None


def _operands(graph: Graph, call: Call, index: tuple[int, ...] | None) -> str:
    """The operands of a call with their values, as code: `"x[1] = -2, y = 0"`."""
    parts = []
    for tensor in list(dict.fromkeys(call.inputs))[:OPERANDS]:
        row = graph.trace.tensors[tensor]
        text = _number(row, index)
        if text is not None and len(text) <= LONGEST:
            where = _subscript(row, index)
            parts.append(f"{operand(graph, tensor) if where else graph.label(tensor)}{where} = {text}")
        else:
            parts.append(f"{graph.label(tensor)}: {_range(row)}")
    return ", ".join(parts)


def _range(row: Tensor) -> str:
    """What is known of a larger tensor, as code: `"float32[50] in [-1, 3]"`, the finite values."""
    numbers = [v for v in flat(row.value) if isinstance(v, (int, float))] if row.value is not None else []
    low, high = (min(numbers), max(numbers)) if numbers else (None, None)
    if row.stats is not None:
        low, high = row.stats.min, row.stats.max
    what = f"{row.dtype}[{','.join(map(str, row.shape))}]"
    if low is not None and high is not None:
        what += f" in [{_short(low)}, {_short(high)}]"
    odd = {"NaN": row.stats.nan, "Inf": row.stats.inf, "-Inf": row.stats.neg_inf} if row.stats is not None else {}
    return ", ".join([what, *(f"{count} {name}" for name, count in odd.items() if count)])


def _subscript(row: Tensor, index: tuple[int, ...] | None) -> str:
    own = _own_index(row, index)
    return f"[{', '.join(map(str, own))}]" if own else ""


def _own_index(row: Tensor, index: tuple[int, ...] | None) -> tuple[int, ...] | None:
    """The index into an operand, by the rules of broadcasting; None for all of it."""
    if index is None or len(row.shape) > len(index):
        return None
    tail = index[len(index) - len(row.shape) :]
    own = tuple(0 if size == 1 else i for i, size in zip(tail, row.shape, strict=True))
    return own if all(i < size for i, size in zip(own, row.shape, strict=True)) else None


def _number(row: Tensor, index: tuple[int, ...] | None) -> str | None:
    """The value of a row at an index, or all of it, in short."""
    value = row.value
    own = _own_index(row, index)
    for i in own or ():
        value = value[i] if isinstance(value, list) else None
    return None if value is None else _short(value)


def _short(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(_short(item) for item in value)}]"
    if isinstance(value, float) and not math.isinf(value):
        return f"{value:.4g}"
    return {"nan": "NaN", "inf": "Inf", "-inf": "-Inf"}.get(value, str(value))
