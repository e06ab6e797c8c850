"""AG603 and AG604: gradients that are lost on the way, or grow out of all proportion."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass

from ..graph import Graph
from ..health import figures, layer, rms
from ..trace import Backward, Gradient, Place, Step
from . import Finding, at, ends, rule, tag

GATES = {
    "ReluBackward0": "relu", "ThresholdBackward0": "relu", "SigmoidBackward0": "saturated",
    "TanhBackward0": "saturated", "HardsigmoidBackward0": "saturated", "HardtanhBackward0": "clamp",
    "ClampBackward0": "clamp", "ClampBackward1": "clamp", "ClampMinBackward0": "clamp", "ClampMaxBackward0": "clamp",
}  # fmt: skip
"""Nodes that pass a gradient only where their operand lies in some range."""

REDUCTIONS = frozenset({"sum", "mean"})

STAYS_DEAD = 3
"""Backward runs in a row after which a closed gate is taken for one that will not open again."""

LAYERS = 4
"""Steps of one kind, one behind the other, from which on there is a tendency to speak of."""

NOTABLE, EXTREME = 1e4, 1e7
"""Ratios of RMS, first to last: a layer that gets 1e-4 of the gradient learns 1e4 times as slowly, and at 1e-7 a
float32 update is lost in rounding."""

JUMP = 1e8
"""Factor by which one step alone may not enlarge a gradient: float32 has 7 digits, and scaled losses reach 1e5."""

SCALINGS = frozenset({"MulBackward0", "DivBackward0"})
"""Nodes that take over a scale of the user's own, as in `loss / 1e-9`, where their other operand follows no leaf."""

SHARE = 0.6
"""Largest part of the whole change, on a scale of logarithms, that one step may have: else it is that step's doing."""

LEAVES_NAMED = 4
"""Names listed in a sentence; more would not be read."""


@rule("AG603", "warning")
def closed_gate(graph: Graph) -> Iterator[Finding]:
    """A node received a gradient and passed on nothing but zeros.

    A ReLU has slope 0 wherever its operand is negative, a clamp outside of its bounds, and a sigmoid or tanh far
    from 0, where float32 rounds its slope to 0.  Where that is so for all elements, nothing before it learns.
    A gate that is closed once is a note, one that stays closed a warning.  Look at the values that go in:
    a learning rate too large, a bias too negative, inputs that are not normalised.

    Bad::

        x = torch.tensor([1.0, 2.0, 3.0])
        b = torch.tensor([-9.0, -9.0, -9.0], requires_grad=True)
        optimizer = torch.optim.SGD([b], lr=0.1)
        for i in range(3):
            optimizer.zero_grad()
            loss = (torch.relu(x + b) - x).pow(2).sum()
            loss.backward()
            optimizer.step()

    Good::

        x = torch.tensor([1.0, 2.0, 3.0])
        b = torch.tensor([-9.0, -9.0, -9.0], requires_grad=True)
        optimizer = torch.optim.SGD([b], lr=0.1)
        for i in range(3):
            optimizer.zero_grad()
            loss = (torch.nn.functional.leaky_relu(x + b) - x).pow(2).sum()
            loss.backward()
            optimizer.step()
    """
    groups: dict[tuple[str, Place | None, str | None], list[tuple[Step, bool]]] = defaultdict(list)
    for step in sorted(graph.trace.steps, key=lambda one: one.at):
        node = graph.trace.nodes[step.node]
        closed = _closed(graph, step) if node.name in GATES and not _is_hinge(graph, step.node) else None
        if closed is not None:  # the layers of a model are often called at one place
            groups[node.name, graph.node_place(node), layer(graph, node.id)].append((step, closed))
    for (name, place, _), runs in groups.items():
        last_open = max((i for i, (_, closed) in enumerate(runs) if not closed), default=-1)
        dead = [step for step, _ in runs[last_open + 1 :]]
        if dead and (last_open < 0 or len(dead) >= STAYS_DEAD):
            yield _gate(graph, GATES[name], place, dead)


def _closed(graph: Graph, step: Step) -> bool | None:
    """Whether a gate let nothing through; None where nothing came in, or where it cannot be told."""
    received = step.received[0] if step.received else None
    sent = step.sent[0] if step.sent else None
    if received is None or sent is None or _zeros(received) in (None, 1.0) or _zeros(sent) is None:
        return None
    roots = [graph.trace.tensors[r].value for r in graph.trace.backwards[step.backward].roots]
    return None if roots == [0] else _zeros(sent) == 1.0  # a loss of 0 has nothing left to learn


def _is_hinge(graph: Graph, node: int) -> bool:
    """Whether a gate is a penalty, `relu(1 - margin).mean()`: to be closed is what it is trained for."""
    if GATES[graph.trace.nodes[node].name] == "saturated":
        return False
    users = [c for t in graph.results_of(node) for c in graph.users.get(t.id, ())]
    return any(c.name in REDUCTIONS for c in users)


def _zeros(gradient: Gradient) -> float | None:
    """The share of zeros, from 0 to 1; None where it is not known."""
    known = figures(gradient)
    return known.zeros / known.elements if known is not None and known.elements else None


def _gate(graph: Graph, kind: str, place: Place | None, dead: Sequence[Step]) -> Finding:
    step = dead[-1]
    node = graph.trace.nodes[step.node]
    call = None if node.call is None else graph.trace.calls[node.call]
    operand = call.inputs[0] if call is not None and call.inputs else None
    here = graph.place(graph.trace.backwards[step.backward].places)
    shape = step.sent[0].shape if step.sent and step.sent[0] is not None else ()
    row = None if operand is None else graph.trace.tensors[operand]
    data = {
        "node": tag("node", node.id), "made": at(place), "layer": tag("layer", layer(graph, node.id)),
        "here": at(here), "times": len(dead),
        "name": tag("tensor", operand), "zeros": math.prod(shape), "share": "100%",
        "value": tag("gradient", {} if row is None else {"shape": row.shape, "dtype": row.dtype, "value": row.value}),
    }  # fmt: skip
    warn = len(dead) >= STAYS_DEAD and math.prod(shape) > 1 and kind != "clamp"
    result = graph.node_tensor(node.id)
    return Finding(
        "AG603", "warning" if warn else "note", step.at, data, kind, places=ends(place, here), nodes=(node.id,),
        tensors=tuple(t for t in (operand, result.id if result is not None else None) if t is not None),
        calls=() if call is None else (call.id,), backwards=(step.backward,),
    )  # fmt: skip


@rule("AG604", "warning")
def out_of_proportion(graph: Graph) -> Iterator[Finding]:
    """Along a chain of like steps the gradient shrinks, or grows, by a large factor.

    Each layer, or each time step of a recurrent network, multiplies the gradient by its slope.  Twenty
    factors of 0.3 leave nothing (1e-10), twenty of 3 blow it up (1e9).  Look at the scale of the weights, use
    ReLU-like functions, normalisation or residual connections; for recurrent networks also
    `torch.nn.utils.clip_grad_norm_`.

    One step alone can do it too: `v / v.norm().clamp(min=1e-12)` at `v = 0` multiplies the gradient by 1e12.  Such a
    bound keeps the value finite, not the slope: choose a larger one.

    Bad::

        x = torch.ones(2)
        w = torch.tensor([0.5, 0.5], requires_grad=True)
        h = x
        for layer in range(20):
            h = torch.sigmoid(w * h)
        h.sum().backward()

    Good::

        x = torch.ones(2)
        w = torch.tensor([0.5, 0.5], requires_grad=True)
        h = x
        for layer in range(20):
            h = h + 0.1 * torch.sigmoid(w * h)
        h.sum().backward()
    """
    worst: dict[tuple[Place | None, bool], Slope] = {}
    for backward in graph.trace.backwards:
        place = graph.place(backward.places)
        for slope in _slopes(graph, backward):
            key = (place, slope.ratio < 1)
            if key not in worst or abs(math.log(slope.ratio)) > abs(math.log(worst[key].ratio)):
                worst[key] = slope
    for (place, _), slope in worst.items():
        yield _sloped(graph, place, slope)
    # in what grew along a chain, single steps are large too: a weight gets its gradient times what it is multiplied by
    yield from _jumped(graph, {place for place, shrinks in worst if not shrinks})


# -- along a chain ------------------------------------------------------------------------------
@dataclass(frozen=True)
class Slope:
    """A gradient that shrinks or grows along a chain."""

    steps: tuple[Step, ...]
    first: float
    """RMS of the gradient that the first step received."""
    last: float

    @property
    def ratio(self) -> float:
        """Last to first."""
        return self.last / self.first


def _slopes(graph: Graph, backward: Backward) -> Iterator[Slope]:
    groups: dict[tuple[str, tuple[int, ...]], list[tuple[Step, float]]] = defaultdict(list)
    for step in sorted(graph.steps_in(backward.id), key=lambda one: one.at):
        gradient = step.received[0] if step.received else None
        size = None if gradient is None else rms(gradient)
        node = graph.trace.nodes[step.node]
        if gradient is not None and size and node.leaf is None:
            groups[node.name, gradient.shape].append((step, size))
    for chain in groups.values():
        sizes = [size for _, size in chain]
        if len(chain) >= LAYERS and _tends(sizes):
            steps = tuple(step for step, _ in chain)
            if any(n.id == steps[-1].node for n in graph.reachable([steps[0].node])):
                yield Slope(steps, sizes[0], sizes[-1])


def _tends(sizes: Sequence[float]) -> bool:
    """Whether numbers shrink or grow a lot, little by little."""
    whole = math.log(sizes[-1] / sizes[0])
    parts = [math.log(b / a) for a, b in zip(sizes, sizes[1:], strict=False)]
    largest = max(abs(part) for part in parts)
    return abs(whole) >= math.log(NOTABLE) and largest <= SHARE * abs(whole)


def _sloped(graph: Graph, place: Place | None, slope: Slope) -> Finding:
    first, last = (graph.trace.nodes[s.node] for s in (slope.steps[0], slope.steps[-1]))
    made, made_first = graph.node_place(last), graph.node_place(first)
    leaves = [n.leaf for n in graph.reachable([last.id]) if n.leaf is not None]
    names = list(dict.fromkeys(name for t in leaves if (name := graph.name(t))))[:LEAVES_NAMED]
    extreme = max(slope.ratio, 1 / slope.ratio) >= EXTREME
    tensors = [t.id for n in (first, last) if (t := graph.node_tensor(n.id)) is not None]
    layers = layer(graph, first.id), layer(graph, last.id)
    data = {
        "node": tag("node", last.id), "here": at(place), "made": at(made), "times": len(slope.steps),
        "layer": tag("layer", layers[1]), "layer_first": tag("layer", layers[0] if layers[0] != layers[1] else None),
        "first": slope.first, "last": slope.last, "ratio": slope.ratio, "leaves": tag("names", names),
    }  # fmt: skip
    variant = "vanishes" if slope.ratio < 1 else "explodes"
    return Finding(
        "AG604", "warning" if extreme else "note", slope.steps[-1].at, data, variant,
        places=ends(place, made, made_first), tensors=tuple(dict.fromkeys((*tensors, *leaves[:LEAVES_NAMED]))),
        nodes=(last.id, first.id), backwards=(slope.steps[0].backward,),
    )  # fmt: skip


# -- at one step --------------------------------------------------------------------------------
@dataclass(frozen=True)
class Jump:
    """A step that enlarges a gradient beyond all measure, and leaves that it then reaches."""

    step: Step
    first: float
    """RMS of the gradient that it received."""
    last: float
    leaves: tuple[int, ...]

    @property
    def ratio(self) -> float:
        """Sent to received."""
        return self.last / self.first


def _jumped(graph: Graph, grown: Container[Place | None]) -> Iterator[Finding]:
    """One finding for each line of code and kind of node, however often it ran; none for backwards in `grown`."""
    worst: dict[tuple[Place | None, Place | None, str], Jump] = {}
    for backward in (one for one in graph.trace.backwards if graph.place(one.places) not in grown):
        for jump in _jumps(graph, backward):
            node = graph.trace.nodes[jump.step.node]
            key = graph.place(backward.places), graph.node_place(node), node.name
            if key not in worst or jump.ratio > worst[key].ratio:
                worst[key] = jump
    for (here, made, _), jump in worst.items():
        yield _jump(graph, here, made, jump)


def _jumps(graph: Graph, backward: Backward) -> Iterator[Jump]:
    steps = sorted(graph.steps_in(backward.id), key=lambda one: one.at)
    began = _largest(steps[0].received) if steps else None
    if not began or not any(size >= NOTABLE * began for _, size in _arrivals(graph, steps)):
        return
    sent = _Sent(graph, steps, NOTABLE * began)
    for step in steps:
        came = _largest(step.received)
        went = _largest(step.sent) if came else None
        if came and went and went >= JUMP * came and not _is_scaling(graph, step.node):
            leaves = sent.leaves(step)
            if leaves:
                yield Jump(step, came, went, leaves)


def _largest(gradients: Sequence[Gradient | None]) -> float | None:
    """The largest RMS of gradients, as far as known and finite; None where none is."""
    return max((size for gradient in gradients if (size := rms(gradient)) is not None), default=None)


def _arrivals(graph: Graph, steps: Sequence[Step]) -> Iterator[tuple[int, float]]:
    """The leaves that gradients were sent to, and their RMS where it is known."""
    nodes = graph.trace.nodes
    for step in steps:
        for (target, _), gradient in zip(nodes[step.node].edges, step.sent, strict=False):
            leaf = None if target is None else nodes[target].leaf
            if leaf is not None and (size := rms(gradient)) is not None:
                yield leaf, size


class _Sent:
    """Where gradients of some size went in one backward."""

    def __init__(self, graph: Graph, steps: Sequence[Step], least: float) -> None:
        self._graph, self._least = graph, least
        self._steps = {step.node: step for step in steps}

    def leaves(self, step: Step) -> tuple[int, ...]:
        """The leaves that large gradients reach from a step, by steps that send none but large ones."""
        queue, found = [step], dict[int, None]()
        seen = {step.node}
        for one in queue:
            edges = zip(self._graph.trace.nodes[one.node].edges, one.sent, strict=False)
            for target in (t for (t, _), gradient in edges if t is not None and (rms(gradient) or 0.0) >= self._least):
                leaf = self._graph.trace.nodes[target].leaf
                if leaf is not None:
                    found[leaf] = None
                elif target not in seen and target in self._steps:
                    seen.add(target)
                    queue.append(self._steps[target])
        return tuple(found)


def _is_scaling(graph: Graph, node: int) -> bool:
    """Whether a node multiplies by, or divides by, a scale that follows no leaf: `x / 1e-9`, that of a GradScaler."""
    row = graph.trace.nodes[node]
    if row.name not in SCALINGS or sum(target is not None for target, _ in row.edges) > 1:
        return False
    inputs = () if row.call is None else graph.trace.calls[row.call].inputs
    others = [t for t in inputs if not graph.trace.tensors[t].requires_grad]
    return not any(source.requires_grad for source in graph.sources_of(others))


def _jump(graph: Graph, here: Place | None, made: Place | None, jump: Jump) -> Finding:
    node = graph.trace.nodes[jump.step.node]
    names = list(dict.fromkeys(name for t in jump.leaves if (name := graph.name(t))))[:LEAVES_NAMED]
    result = graph.node_tensor(node.id)
    tensors = (*((result.id,) if result is not None else ()), *jump.leaves[:LEAVES_NAMED])
    data = {
        "node": tag("node", node.id), "here": at(here), "made": at(made), "times": 1,
        "layer": tag("layer", layer(graph, node.id)), "layer_first": tag("layer", None),
        "first": jump.first, "last": jump.last, "ratio": jump.ratio, "leaves": tag("names", names),
    }  # fmt: skip
    return Finding(
        "AG604", "warning", jump.step.at, data, "jumps", places=ends(made, here), tensors=tuple(dict.fromkeys(tensors)),
        nodes=(node.id,), calls=() if node.call is None else (node.call,), backwards=(jump.step.backward,),
    )  # fmt: skip
