"""AG605: a step whose derivative is zero everywhere stands between leaf and loss."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..graph import Graph
from ..trace import Backward, Call, Node, Tensor
from . import Finding, at, ends, rule, tag
from .cuts import NAMED, Loss, losses
from .dataflow import names_of

FLAT = re.compile(r"(?:Round|Floor|Ceil|Trunc|Sign|Sgn|Bernoulli)Backward\d+$")
"""Nodes that send zeros whatever they receive, `SgnBackward0` of real numbers; without a number they are a user's."""

LONGEST = 24
"""Characters of an expression that stands in a sentence as it is."""

NOT_IMPLEMENTED = re.compile(r"derivative for (?:aten::)?(heaviside|floor_divide|bucketize)\w* is not impl")


@rule("AG605", "warning")
def flat_step(graph: Graph) -> Iterator[Finding]:
    """A step with derivative zero everywhere stands between a leaf and the loss.

    `round`, `floor`, `ceil`, `sign`, `trunc`, `argmax` and comparisons are flat between their jumps: a small
    change of the input changes nothing, so the gradient is exactly zero, or there is none at all, and the leaf
    never learns.  Use something smooth (sigmoid, softmax, `tanh`), or a straight-through estimator:
    `x + (x.round() - x).detach()`.

    Bad::

        x = torch.tensor([0.3, 1.7], requires_grad=True)
        y = torch.round(x)
        loss = (y - 1).pow(2).sum()
        loss.backward()

    Good::

        x = torch.tensor([0.3, 1.7], requires_grad=True)
        y = x + (torch.round(x) - x).detach()
        loss = (y - 1).pow(2).sum()
        loss.backward()
    """
    told = set()
    for backward in graph.trace.backwards:
        finding = _not_implemented(graph, backward) if backward.error is not None else _through_flat(graph, backward)
        if finding is not None and finding.places not in told:
            told.add(finding.places)
            yield finding
    for loss in losses(graph):
        if loss.kind == "integer":
            finding = _through_integers(graph, loss)
            if finding.places not in told:
                told.add(finding.places)
                yield finding


def _is_flat(graph: Graph, node: Node) -> bool:
    if FLAT.match(node.name):
        tensor = graph.node_tensor(node.id)
        return not (tensor is not None and tensor.dtype.startswith("complex"))
    call = None if node.call is None else graph.trace.calls[node.call]
    return node.name.startswith("DivBackward") and call is not None and "rounding_mode" in dict(call.constants)


def _through_flat(graph: Graph, backward: Backward) -> Finding | None:
    """The first flat node of a backward without which no way leads to a leaf."""
    nodes = graph.trace.nodes
    flat = [s.node for s in graph.steps_in(backward.id) if _is_flat(graph, nodes[s.node])]
    if not flat:
        return None
    roots = [t.node for t in map(graph.trace.tensors.__getitem__, backward.roots) if t.node is not None]
    learning = _leaves(graph, [n for n in roots if n not in flat], set(flat))
    asked = None if backward.inputs is None else {graph.trace.tensors[t].object for t in backward.inputs}
    for node in flat:
        behind = _leaves(graph, [node], set())
        lost = [t for obj, t in behind.items() if obj not in learning and (asked is None or obj in asked)]
        if lost:
            return _finding(graph, backward, lost, nodes[node], "")
    return None


def _leaves(graph: Graph, start: list[int], stop: set[int]) -> dict[int, Tensor]:
    """Leaves by object that backward reaches from some nodes without going through others."""
    found: dict[int, Tensor] = {}
    queue, seen = list(start), set(start)
    for node in queue:
        row = graph.trace.nodes[node]
        if row.leaf is not None:
            found[graph.trace.tensors[row.leaf].object] = graph.trace.tensors[row.leaf]
        for parent, _ in row.edges:
            if parent is not None and parent not in seen and parent not in stop:
                seen.add(parent)
                queue.append(parent)
    return found


def _words(graph: Graph, call: Call) -> str:
    """The expression of a call where it is short, else the call's name."""
    text = graph.segment(graph.place(call.places))
    return text if text and "\n" not in text and len(text) <= LONGEST else call.name.strip("_")


def _not_implemented(graph: Graph, backward: Backward) -> Finding | None:
    """Backward was refused because a flat function has no derivative in torch at all."""
    if backward.error is None or not NOT_IMPLEMENTED.search(backward.error.message):
        return None
    roots = [t.node for t in map(graph.trace.tensors.__getitem__, backward.roots) if t.node is not None]
    node = next((n for n in graph.reachable(roots) if n.name == "NotImplemented"), None)
    if node is None:
        return None
    lost = list(_leaves(graph, [node.id], set()).values())
    return _finding(graph, backward, lost, node, "not_implemented") if lost else None


def _finding(graph: Graph, backward: Backward, lost: list[Tensor], node: Node, variant: str) -> Finding:
    here, made = graph.place(backward.places), graph.node_place(node)
    call = None if node.call is None else graph.trace.calls[node.call]
    data = {
        "call": node.name if call is None else _words(graph, call), "made": at(made), "here": at(here),
        "leaves": tag("names", (names_of(graph, lost) or ["leaf"])[:NAMED]),
    }  # fmt: skip
    error = backward.error is not None
    return Finding(
        "AG605", "error" if error else "warning", backward.end if error else backward.at, data, variant,
        places=ends(made, here), tensors=tuple(leaf.id for leaf in lost[:NAMED]), nodes=(node.id,),
        calls=() if call is None else (call.id,), backwards=(backward.id,),
    )  # fmt: skip


def _through_integers(graph: Graph, loss: Loss) -> Finding:
    here, made = graph.place(loss.backward.places), graph.place(loss.cut.places)
    data = {
        "call": _words(graph, loss.cut), "made": at(made), "here": at(here),
        "leaves": tag("names", (names_of(graph, loss.leaves) or ["leaf"])[:NAMED]),
    }  # fmt: skip
    return Finding(
        "AG605", loss.severity, loss.backward.at, data, "integer", places=ends(made, here),
        tensors=tuple(leaf.id for leaf in loss.leaves[:NAMED]), calls=(loss.cut.id,),
        backwards=(loss.backward.id,),
    )  # fmt: skip
