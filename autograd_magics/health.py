"""How large gradients are, and where they are no numbers: figures of any row, of each leaf, edge and set of nodes.

* `figures(row)`: elements, RMS, largest absolute value, zeros, NaN, Inf, from whole values or from `trace.Stats`.
* `parameters(graph)`: for each leaf those of its value and of its gradient, in the order of forward.
* `received(graph, node)`, `edges(graph)`: what backward brought to a node, and sent along each of its edges.
* `of_nodes(graph, nodes)`: worst and median of many nodes, such as those of a folded module.
* `layer(graph, node)`: the module that a node belongs to, as the user would write it.

Pure, and no words: rules judge by these figures and views tell them.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from .graph import Graph
from .trace import Call, Gradient, Step, Tensor, flat


class Figures(NamedTuple):
    """Of the elements of a tensor; of complex ones those of their absolute values."""

    elements: int
    rms: float | None
    """Root mean square of the finite elements; None where there is none, or where double precision overflows."""
    max: float | None
    """Largest absolute value of a finite element; None where there is none."""
    zeros: int
    nan: int
    inf: int
    """Infinite elements of both signs."""

    @property
    def odd(self) -> int:
        """Elements that are not finite."""
        return self.nan + self.inf

    @property
    def all_zero(self) -> bool:
        """Whether there are elements, and all are zero."""
        return self.elements > 0 and self.zeros == self.elements


def figures(row: Tensor | Gradient | None) -> Figures | None:
    """The figures of a tensor or gradient; None where neither its values nor its figures were noted."""
    if row is None or (row.stats is None and row.value is None):
        return None
    return _of_stats(row) if row.stats is not None else _of_values(list(flat(row.value)))


def _of_stats(row: Tensor | Gradient) -> Figures:
    stats = row.stats
    assert stats is not None
    odd = stats.nan + stats.inf + stats.neg_inf
    finite, size = stats.elements - odd, None
    if stats.mean is not None and (stats.std is not None or finite == 1):
        # hypot neither overflows nor underflows where squares would; the spread was divided by n - 1
        size = math.hypot(stats.mean, (stats.std or 0.0) * math.sqrt((finite - 1) / finite))
    ends = [abs(end) for end in (stats.min, stats.max) if end is not None]
    return Figures(
        stats.elements, size, max(ends, default=None), stats.zeros, stats.nan, stats.inf + stats.neg_inf
    )  # fmt: skip


def _of_values(values: list[Any]) -> Figures:
    numbers = [_size(value) for value in values]
    finite = [number for number in numbers if math.isfinite(number)]
    size = math.hypot(*finite) / math.sqrt(len(finite)) if finite else None
    nan = sum(map(math.isnan, numbers))
    return Figures(
        len(values), None if size is None or math.isinf(size) else size, max(finite, default=None),
        sum(number == 0 for number in finite), nan, len(values) - len(finite) - nan,
    )  # fmt: skip


def _size(value: Any) -> float:
    """Absolute value of an element; those that JSON cannot hold are text: `"nan"`, `"-inf"`, `"1+2j"`."""
    number = complex(value)
    return math.hypot(number.real, number.imag)  # abs() raises where it overflows


def rms(row: Tensor | Gradient | None) -> float | None:
    """Root mean square of all elements; None where it is not known, or where one of them is not finite."""
    known = figures(row)
    return None if known is None or known.odd else known.rms


# -- leaves ------------------------------------------------------------------------------------
class Parameter(NamedTuple):
    """A leaf that requires grad."""

    tensor: int
    """Its first state."""
    value: Figures | None
    """Of its value as it was when its gradient was computed."""
    gradient: Figures | None
    arrived: bool
    """Whether it got a gradient at all, of known figures or not."""

    @property
    def ratio(self) -> float | None:
        """RMS of the gradient to that of the value; None where either is not known, or the value is zero."""
        sizes = [known.rms if known is not None else None for known in (self.gradient, self.value)]
        return None if sizes[0] is None or not sizes[1] else sizes[0] / sizes[1]


def parameters(graph: Graph) -> tuple[Parameter, ...]:
    """Every leaf that requires grad and takes part, in the order in which calls first used them."""
    used = first_uses(graph)
    late = len(graph.trace.calls)
    leaves = sorted(graph.leaves, key=lambda row: (used.get(row.object, late), row.id))
    return tuple(_parameter(graph, row) for row in leaves)


def first_uses(graph: Graph) -> dict[int, int]:
    """By object: the first call that took it to compute something of which autograd made nodes."""
    found: dict[int, int] = {}
    for call in graph.trace.calls:
        if call.nodes:
            for tensor in call.inputs:
                found.setdefault(graph.trace.tensors[tensor].object, call.id)
    return found


def _parameter(graph: Graph, row: Tensor) -> Parameter:
    at, gradient = _gradient(graph, row)
    states = [state for state in graph.states[row.object] if at is None or state.at <= at] or [row]
    return Parameter(row.id, figures(states[-1]), figures(gradient), gradient is not None)


def _gradient(graph: Graph, row: Tensor) -> tuple[int | None, Gradient | None]:
    """What `.grad` held after the last backward that added to it, or what `autograd.grad` gave back; and when."""
    added = [c for c in graph.changes_by_object.get(row.object, ()) if c.backward is not None and c.after is not None]
    if added:
        return added[-1].at, added[-1].after
    known = graph.gradients(row.id)
    return (known[-1][0].at, known[-1][1]) if known else (None, None)


# -- nodes and edges ---------------------------------------------------------------------------
def step_of(graph: Graph, node: int) -> Step | None:
    """The run of a node to tell of: the last of the lowest order of derivatives."""
    steps = graph.steps_of(node)
    orders = [graph.trace.backwards[step.backward].order for step in steps]
    return next((s for s, order in zip(reversed(steps), reversed(orders), strict=True) if order == min(orders)), None)


def steps(graph: Graph) -> dict[int, Step]:
    """By node, in the order of the engine: its run as by `step_of`."""
    orders = [backward.order for backward in graph.trace.backwards]
    found: dict[int, Step] = {}
    for step in sorted(graph.trace.steps, key=lambda one: one.at):
        other = found.get(step.node)
        if other is None or orders[step.backward] <= orders[other.backward]:
            found.pop(step.node, None)
            found[step.node] = step
    return found


def received(graph: Graph, node: int) -> Figures | None:
    """What backward brought to a node; of several outputs the worst, None where nothing is known."""
    step = step_of(graph, node)
    return None if step is None else arrived(step)


def arrived(step: Step) -> Figures | None:
    """The same by the node's run."""
    known = [figures(gradient) for gradient in step.received]
    return known[0] if len(known) == 1 else worst(known)


class Edge(NamedTuple):
    """What a node sent along one of its edges."""

    step: Step
    number: int
    """Of the edge, in `Node.edges`."""
    target: int
    figures: Figures


def edges(graph: Graph) -> Iterator[Edge]:
    """Each edge of whose gradient something is known, by the runs and in the order of `steps`."""
    for step in steps(graph).values():
        targets = graph.trace.nodes[step.node].edges
        for number, ((target, _), sent) in enumerate(zip(targets, step.sent, strict=False)):
            known = figures(sent)
            if target is not None and known is not None:
                yield Edge(step, number, target, known)


def worst(found: Iterable[Figures | None]) -> Figures | None:
    """Of several: one with NaN before one with Inf before all zeros before the largest RMS."""
    known = [one for one in found if one is not None]
    return max(known, key=lambda one: (one.nan > 0, one.inf > 0, one.all_zero, one.rms or 0.0), default=None)


class Summary(NamedTuple):
    """What is known of the gradients that reached a set of nodes."""

    known: int
    """Nodes of which something is known."""
    low: float | None
    """Least, median and largest RMS of those that are finite and not all zero; None where there is none."""
    median: float | None
    high: float | None
    zeros: int
    """Nodes that received nothing but zeros."""
    nan: int
    """Nodes that received a NaN."""
    inf: int
    """Nodes that received an infinite number."""


def of_nodes(graph: Graph, nodes: Iterable[int]) -> Summary | None:
    """Worst and median of what backward brought to these nodes; None where nothing is known of any."""
    return summary(received(graph, node) for node in nodes)


def summary(found: Iterable[Figures | None]) -> Summary | None:
    """The same of figures that are at hand."""
    known = [one for one in found if one is not None and one.elements]
    if not known:
        return None
    sizes = sorted(one.rms for one in known if one.rms and not one.odd)
    low, median, high = (sizes[0], statistics.median(sizes), sizes[-1]) if sizes else (None, None, None)
    zeros = sum(one.all_zero for one in known)
    nan, inf = sum(one.nan > 0 for one in known), sum(one.inf > 0 for one in known)
    return Summary(len(known), low, median, high, zeros, nan, inf)


# -- layers ------------------------------------------------------------------------------------
def layer(graph: Graph, node: int) -> str | None:
    """The innermost module that a node's call was part of: `"model.layers[3]"`; None where there is none."""
    call = graph.trace.nodes[node].call
    return None if call is None else layer_of(graph, graph.trace.calls[call])


def layer_of(graph: Graph, call: Call) -> str | None:
    """The innermost module that a call was part of."""
    return None if call.scope is None else graph.trace.scopes[call.scope].path
