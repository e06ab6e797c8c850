"""AG105: a leaf that requires grad got no gradient, and why."""

from __future__ import annotations

from collections.abc import Iterator

from ..graph import Graph
from ..trace import Access, Backward, Tensor
from . import Finding, at, ends, rule, tag
from .cuts import forced, lost_by
from .dataflow import learned
from .readings import died_of, nones

UNUSED = "appears to not have been used in the graph"


@rule("AG105", "warning")
def no_gradient(graph: Graph) -> Iterator[Finding]:
    """A leaf that requires grad got no gradient: its `.grad` is still None after backward.

    Backward reaches only what its root was computed from.  A leaf gets nothing when the root does not depend on
    it, when a cut lies in between, when `inputs=` names other tensors, and from `autograd.grad`, which returns
    gradients and leaves `.grad` alone.  Reported where the `.grad` that stayed None is used, not where the code
    asks `if w.grad is not None`.

    Bad::

        x = torch.tensor([1.0, 2.0])
        w = torch.ones(2, requires_grad=True)
        b = torch.zeros(2, requires_grad=True)
        y = w * x
        y.sum().backward()
        print(b.grad)

    Good::

        x = torch.tensor([1.0, 2.0])
        w = torch.ones(2, requires_grad=True)
        b = torch.zeros(2, requires_grad=True)
        y = w * x + b
        y.sum().backward()
        print(b.grad)
    """
    yield from _refused(graph)
    told = set()
    for access in nones(graph):
        tensor = graph.trace.tensors[access.tensor]
        if tensor.object in died_of(graph) or tensor.object in told:
            continue
        finding = _silent(graph, access, tensor)
        if finding is not None:
            told.add(tensor.object)
            yield finding


def because_of_cut(graph: Graph, obj: int) -> str | None:
    """The code of the finding that tells why a leaf got nothing, where a cut is to blame."""
    if any(leaf.object == obj for made in forced(graph) for leaf in made.behind):
        return "AG106"
    loss = lost_by(graph, obj)
    return None if loss is None else "AG605" if loss.kind == "integer" else "AG104"


def _refused(graph: Graph) -> Iterator[Finding]:
    """`autograd.grad` raised because an input does not belong to the graph: PyTorch does not say which by name."""
    for backward in graph.trace.backwards:
        if backward.error is None or UNUSED not in backward.error.message:
            continue
        rows = graph.trace.tensors
        nodes = list(graph.reachable(t.node for t in map(rows.__getitem__, backward.roots) if t.node is not None))
        known = {n.id for n in nodes}
        leaves = {rows[n.leaf].object for n in nodes if n.leaf is not None}
        apart = [t for t in map(rows.__getitem__, backward.inputs or ())
                 if (t.object not in leaves if t.leaf else t.node not in known)]  # fmt: skip
        for tensor in apart[:1]:
            yield _finding(graph, "error", backward.end, tensor, backward, None, "refused")


def _silent(graph: Graph, access: Access, tensor: Tensor) -> Finding | None:
    """What to say of a `.grad` that was None where it was used; None where that was no surprise."""
    changes = graph.changes_by_object.get(tensor.object, ())
    if any(change.after is not None for change in changes) or any(c.kind == "cleared" for c in changes):
        return None  # it had a gradient before, or got one later: AG204 and others tell those
    ran = [b for b in graph.trace.backwards if b.error is None and b.end < access.at]
    if not ran:
        return None
    filling = [b for b in ran if b.kind != "autograd.grad"]
    cause = because_of_cut(graph, tensor.object)
    if cause is not None:
        loss = lost_by(graph, tensor.object)
        severity = "warning" if loss is None or loss.severity == "error" else loss.severity
        return _finding(graph, severity, access.at, tensor, (filling or ran)[-1], access, "cut", cause)
    if not filling:
        variant = "returned" if tensor.object in learned(graph) else ""
        return _finding(graph, "warning", access.at, tensor, ran[-1], access, variant)
    if any(b.inputs is not None for b in filling) and _reaches(graph, filling, tensor):
        return _finding(graph, "note", access.at, tensor, filling[-1], access, "inputs")
    return _finding(graph, "warning", access.at, tensor, filling[-1], access, "")


def _reaches(graph: Graph, backwards: list[Backward], tensor: Tensor) -> bool:
    rows = graph.trace.tensors
    roots = [rows[t].node for b in backwards for t in b.roots]
    nodes = graph.reachable(node for node in roots if node is not None)
    return any(n.leaf is not None and rows[n.leaf].object == tensor.object for n in nodes)


def _finding(
    graph: Graph, severity: str, when: int, tensor: Tensor, backward: Backward, access: Access | None, variant: str,
    cause: str | None = None,
) -> Finding:  # fmt: skip
    there = graph.place(backward.places)
    here = there if access is None else graph.place(access.places)
    root = backward.roots[0] if backward.roots else None
    data = {
        "name": tag("tensor", tensor.id), "here": at(here), "there": at(there), "root": tag("tensor", root),
    }  # fmt: skip
    return Finding(
        "AG105", severity, when, data, variant, places=ends(here, there, graph.tensor_place(tensor.id)),
        tensors=(tensor.id,), backwards=(backward.id,), because=cause,
    )  # fmt: skip
