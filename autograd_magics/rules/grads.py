"""AG201, AG203 and AG204: gradients that are not where one thinks."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..graph import Graph
from ..trace import Access, Failure, Name, Place, Tensor
from . import Finding, at, ends, rule, tag
from .missing import because_of_cut

LEAVES_NAMED = 4
"""Names listed in a sentence; more would not be read."""


@rule("AG201", "warning")
def grad_of_non_leaf(graph: Graph) -> Iterator[Finding]:
    """`.grad` of a result was read, but backward keeps gradients only for leaves.

    A result passes its gradient on and lets it go.  To keep it, call `retain_grad()` on the result
    before backward; or read the `.grad` of the leaf that was meant.

    Bad::

        x = torch.ones(3, requires_grad=True)
        y = x * 2
        y.sum().backward()
        print(y.grad)

    Good::

        x = torch.ones(3, requires_grad=True)
        y = x * 2
        y.retain_grad()
        y.sum().backward()
        print(y.grad)
    """
    rebound = {f.tensors[0] for f in leaf_lost(graph)}
    objects = {graph.trace.tensors[t].object for t in rebound}
    seen = set()
    for access in graph.accesses_of("grad"):
        tensor = graph.trace.tensors[access.tensor]
        place = graph.place(access.places)
        key = (place.id if place is not None else None, graph.name(tensor.id))
        if tensor.leaf or not tensor.requires_grad or tensor.retains_grad or access.result is not None or key in seen:
            continue
        seen.add(key)
        because = "AG203" if tensor.object in objects else None
        yield _non_leaf(graph, access, tensor, because)


def _non_leaf(graph: Graph, access: Access, tensor: Tensor, because: str | None) -> Finding:
    place = graph.place(access.places)
    nodes = [] if tensor.node is None else [tensor.node]
    leaves = [n.leaf for n in graph.reachable(nodes) if n.leaf is not None]
    names = [name for t in leaves if (name := graph.name(t)) and name != graph.name(tensor.id)]
    made = graph.tensor_place(tensor.id)
    data = {
        "name": tag("tensor", tensor.id), "here": at(place),
        "node": graph.trace.nodes[nodes[0]].name if nodes else "grad_fn",
        "leaves": tag("names", list(dict.fromkeys(names))[:LEAVES_NAMED]),
    }  # fmt: skip
    return Finding(
        "AG201", "warning", access.at, data, "" if names else "no_names",
        places=ends(place, made), tensors=(tensor.id, *leaves[:LEAVES_NAMED]),
        nodes=tuple(nodes), because=because,
    )  # fmt: skip


@rule("AG203", "warning")
def leaf_lost(graph: Graph) -> Iterator[Finding]:
    """A name that held a leaf holds a result now: backward will no longer fill its `.grad`.

    `w = w - lr * w.grad` makes a new tensor and gives it the old name.  The new one is a result with a
    history, not a leaf; its `.grad` stays None and the next update fails.  Change the leaf in place, where
    autograd does not look.

    Bad::

        w = torch.ones(2, requires_grad=True)
        for i in range(2):
            loss = (w * w).sum()
            loss.backward()
            w = w - 0.1 * w.grad

    Good::

        w = torch.ones(2, requires_grad=True)
        for i in range(2):
            loss = (w * w).sum()
            loss.backward()
            with torch.no_grad():
                w -= 0.1 * w.grad
            w.grad = None
    """
    by_variable: dict[tuple[str, str], list[Name]] = {}
    for name in sorted(graph.trace.names, key=lambda n: n.at):
        by_variable.setdefault((name.name, name.function), []).append(name)
    for names in by_variable.values():
        for i, (old, new) in enumerate(zip(names, names[1:], strict=False)):
            if new.place is not None and _loses_leaf(graph, old, new, names[i + 2] if i + 2 < len(names) else None):
                yield _lost(graph, old, new)


def _loses_leaf(graph: Graph, old: Name, new: Name, later: Name | None) -> bool:
    leaf, result = graph.trace.tensors[old.tensor], graph.trace.tensors[new.tensor]
    if not (leaf.leaf and leaf.requires_grad) or leaf.object == result.object or _is_leaf_again(graph, result.object):
        return False
    behind = list(graph.sources_of([result.id]))
    if not any(t.object == leaf.object for t in behind) or not any(t.grad_of == leaf.object for t in behind):
        return False
    # `w = (w - lr * w.grad)`, then `w = w.detach().requires_grad_()`: the name holds a leaf again before it is used
    made_leaf = later is not None and _is_leaf_again(graph, graph.trace.tensors[later.tensor].object)
    return not (made_leaf and later is not None and not any(new.at < b.at < later.at for b in graph.trace.backwards))


def _is_leaf_again(graph: Graph, obj: int) -> bool:
    last = graph.states[obj][-1]
    return last.leaf and last.requires_grad


def _lost(graph: Graph, old: Name, new: Name) -> Finding:
    failure = graph.trace.failure
    obj = graph.trace.tensors[new.tensor].object
    died = failure is not None and "NoneType" in failure.message and _reads_grad_of(graph, {obj})
    maker = graph.maker(new.tensor)
    leaf = graph.tensor_place(old.tensor)
    here = None if new.place is None else graph.trace.places[new.place]
    data = {"name": new.name, "here": at(here), "leaf": at(leaf)}
    variant = "" if graph.trace.tensors[new.tensor].node is not None else "no_grad"
    return Finding(
        "AG203", "error" if died else "warning", new.at, data, variant, places=ends(here, leaf),
        tensors=(new.tensor, old.tensor), calls=(maker.id,) if maker is not None else (),
    )  # fmt: skip


def _reads_grad_of(graph: Graph, objects: set[int]) -> bool:
    return any(
        a.result is None and graph.trace.tensors[a.tensor].object in objects for a in graph.accesses_of("grad")
    )


@rule("AG204", "error")
def grad_is_none(graph: Graph) -> Iterator[Finding]:
    """`.grad` was used although it is None.

    `.grad` is None until a backward reaches the leaf, after it was set to None (also by
    `optimizer.zero_grad()`), and always for results and for tensors that do not require grad.

    Bad::

        x = torch.ones(3, requires_grad=True)
        x.grad.zero_()

    Good::

        x = torch.ones(3, requires_grad=True)
        x.sum().backward()
        x.grad.zero_()
    """
    failure = graph.trace.failure
    if failure is None or failure.type not in ("AttributeError", "TypeError") or "NoneType" not in failure.message:
        return
    access = _guilty_access(graph, failure)
    if access is None:
        return
    tensor = graph.trace.tensors[access.tensor]
    variant, other = _why_none(graph, access, tensor)
    because = None
    if variant == "result":
        lost = {graph.trace.tensors[f.tensors[0]].object for f in leaf_lost(graph)}
        because = "AG203" if tensor.object in lost else "AG201"
    elif variant == "not_reached":
        because = because_of_cut(graph, tensor.object)
    here = graph.place(failure.places) or graph.place(access.places)
    data = {"name": tag("tensor", tensor.id), "here": at(here), "there": at(other)}
    yield Finding(
        "AG204", "error", failure.at, data, variant, tensors=(tensor.id,), because=because,
        places=ends(here, other),
    )  # fmt: skip


def _guilty_access(graph: Graph, failure: Failure) -> Access | None:
    """The last reading of a `.grad` that gave None, on the line that failed or under a name used there."""
    here = graph.place(failure.places)
    if here is None:
        return None
    text = graph.line_text(here.source, here.line)
    for access in reversed(graph.accesses_of("grad")):
        place = graph.place(access.places)
        if access.result is not None or place is None:
            continue
        end = place.end_line or place.line
        same = place.source == here.source and place.line <= (here.end_line or here.line) and end >= here.line
        if same or (access.name is not None and re.search(rf"\b{re.escape(access.name)}\b", text)):
            return access
    return None


def _why_none(graph: Graph, access: Access, tensor: Tensor) -> tuple[str, Place | None]:
    """(variant, place of the other end): why a `.grad` is None."""
    if not tensor.leaf:
        return "result", graph.tensor_place(tensor.id)
    if not tensor.requires_grad:
        return "no_requires_grad", None
    before = [c for c in graph.changes_by_object.get(tensor.object, ()) if c.at < access.at]
    if before and before[-1].kind in ("cleared", "earlier") and before[-1].after is None:
        return "cleared", graph.place(before[-1].places)
    ran = [b for b in graph.trace.backwards if b.at < access.at and b.error is None]
    if not ran:
        return "no_backward", None
    return "not_reached", graph.place(ran[-1].places)
