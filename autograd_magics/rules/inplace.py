"""AG301 and AG302: changes in place that autograd forbids."""

from __future__ import annotations

from collections.abc import Iterator

from ..graph import Graph
from ..trace import Backward, Call, Saved
from . import Finding, at, ends, rule, tag

LEAF_CHANGED = "leaf Variable that requires grad is being used in an in-place operation"
MODIFIED = "modified by an inplace operation"


@rule("AG301", "error")
def leaf_changed(graph: Graph) -> Iterator[Finding]:
    """A leaf that requires grad was changed in place while autograd was looking.

    The leaf is where gradients arrive; were it changed as part of the graph, it would no longer be the
    leaf.  An update is not part of the computation: do it under `torch.no_grad()`.

    Bad::

        w = torch.ones(2, requires_grad=True)
        (w * w).sum().backward()
        w -= 0.1 * w.grad

    Good::

        w = torch.ones(2, requires_grad=True)
        (w * w).sum().backward()
        with torch.no_grad():
            w -= 0.1 * w.grad
    """
    for call in graph.trace.calls:
        if call.error is not None and LEAF_CHANGED in call.error.message and call.inputs:
            leaf = call.inputs[0]
            place = graph.place(call.places)
            made = graph.tensor_place(leaf)
            data = {"name": tag("tensor", leaf), "here": at(place), "call": call.name}
            yield Finding(
                "AG301", "error", call.end, data, "view" if not graph.trace.tensors[leaf].leaf else "",
                places=ends(place, made), tensors=(leaf,), calls=(call.id,),
            )  # fmt: skip


@rule("AG302", "error")
def saved_then_changed(graph: Graph) -> Iterator[Finding]:
    """A tensor that a node had saved for backward was changed in place before backward used it.

    Backward needs the value of then.  PyTorch counts the changes of every tensor and refuses to compute a
    gradient from the wrong one.  Make the change out of place, or after backward, or on a `clone()`.

    Bad::

        x = torch.ones(3, requires_grad=True)
        y = x * 2
        z = y * y
        y += 1
        z.sum().backward()

    Good::

        x = torch.ones(3, requires_grad=True)
        y = x * 2
        z = y * y
        y = y + 1
        z.sum().backward()
    """
    for backward in graph.trace.backwards:
        if backward.error is not None and MODIFIED in backward.error.message:
            yield _conflict(graph, backward)


def _conflict(graph: Graph, backward: Backward) -> Finding:
    here = graph.place(backward.places)
    found = _saved_and_change(graph, backward)
    data: dict[str, object] = {"here": at(here)}
    if found is None:
        return Finding(
            "AG302", "error", backward.end, data, "unknown", places=ends(here),
            backwards=(backward.id,),
        )  # fmt: skip
    saved, change = found
    node = graph.trace.nodes[saved.node]
    made = graph.node_place(node)
    if change is not None:
        changed, name = graph.place(change.places), graph.step_call(change) or change.name
    else:
        changed = None if saved.changed_place is None else graph.trace.places[saved.changed_place]
        name = saved.changed_by or ""
    changed_tensor = change.outputs[0] if change is not None else None
    owners = [t for t in (saved.tensor, changed_tensor, graph.storage_owner(saved.storage)) if t is not None]
    data |= {
        "name": tag("tensor", owners[0] if owners else None), "node": tag("node", node.id), "slot": saved.slot,
        "call": name, "made": at(made), "changed": at(changed),
        "saved_version": saved.version, "version": _version(graph, saved, change),
    }  # fmt: skip
    return Finding(
        "AG302", "error", backward.end, data, "stepped" if _is_step(graph, saved, change) else "",
        places=ends(changed, made, here),
        tensors=tuple(owners[:1]), nodes=(node.id,), calls=(change.id,) if change is not None else (),
        backwards=(backward.id,),
    )  # fmt: skip


def _is_step(graph: Graph, saved: Saved, change: Call | None) -> bool:
    """Whether an optimizer's step made the change, as where a loss is derived once more after it."""
    return graph.step_call(change) is not None if change is not None else saved.changed_by == "step"


def _version(graph: Graph, saved: Saved, change: Call | None) -> int:
    if change is not None:
        return max(graph.trace.tensors[t].version for t in change.outputs)
    rows = [t.version for t in graph.trace.tensors if t.storage == saved.storage]
    return max(rows, default=(saved.version or 0) + 1)


def _saved_and_change(graph: Graph, backward: Backward) -> tuple[Saved, Call | None] | None:
    """What was saved, and the first call that changed it after that (None where that was in an earlier cell);
    at the node that failed where it is known."""
    failed = backward.error.node if backward.error is not None else None
    roots = [t.node for t in map(graph.trace.tensors.__getitem__, backward.roots) if t.node is not None]
    nodes = ([failed] if failed is not None else []) + [n.id for n in graph.reachable(roots)]
    for node in nodes:
        for saved in graph.saved_of(node):
            change = next((c for c in graph.changes_of_storage(saved.storage) if saved.at < c.at < backward.at), None)
            if change is not None or saved.changed_place is not None:
                return saved, None if saved.changed_place is not None else change
    return None
