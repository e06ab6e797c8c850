"""AG101 to AG103: backward that cannot run."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..graph import Graph
from ..trace import Backward, Call, Failure, Node, Tensor
from . import Finding, at, ends, rule, tag

FREED = "backward through the graph a second time"
NOT_SCALAR = "grad can be implicitly created only for scalar outputs"
NO_GRAPH = "does not require grad and does not have a grad_fn"


@rule("AG101", "error")
def freed_graph(graph: Graph) -> Iterator[Finding]:
    """Backward went through a graph whose saved tensors an earlier backward had freed.

    To save memory, backward frees what the nodes have saved as soon as it has used them.  A second
    backward over the same nodes finds nothing, whichever cell it stands in, and so does a direct call
    of a `grad_fn`.  Usually part of the graph was built before the loop, or a cell was run twice.
    Compute the part anew, or keep it with `retain_graph=True` in the first backward.

    Bad::

        x = torch.ones(3, requires_grad=True)
        y = (x * x).sum()
        y.backward()
        y.backward()

    Good::

        x = torch.ones(3, requires_grad=True)
        y = (x * x).sum()
        y.backward(retain_graph=True)
        y.backward()
    """
    seen = set()
    for backward in graph.trace.backwards:
        if backward.error is not None and FREED in backward.error.message:
            seen.add(backward.error.message)
            roots = [t.node for t in map(graph.trace.tensors.__getitem__, backward.roots) if t.node is not None]
            yield _freed(graph, backward.error, _freed_node(graph, backward.error, roots), backward)
    failure = graph.trace.failure
    if failure is not None and FREED in failure.message and failure.message not in seen:
        yield _freed(graph, failure, _freed_node(graph, failure, []), None)


def _freed_node(graph: Graph, failure: Failure, roots: list[int]) -> Node | None:
    if failure.node is not None and graph.is_freed(failure.node):
        return graph.trace.nodes[failure.node]
    candidates = [n for n in graph.reachable(roots) if graph.is_freed(n.id)]
    if candidates:
        return candidates[0]
    return None if failure.node is None else graph.trace.nodes[failure.node]


def _freed(graph: Graph, failure: Failure, node: Node | None, backward: Backward | None) -> Finding:
    here = graph.place(failure.places)
    made = graph.node_place(node) if node is not None else None
    freed = graph.freed_place(node) if node is not None else None
    tensor = graph.node_tensor(node.id) if node is not None else None
    variant = "unknown" if freed is None or made is None else "direct" if backward is None else ""
    data = {"here": at(here)}
    if node is not None:
        data |= {"node": tag("node", node.id), "made": at(made), "freed": at(freed)}
    return Finding(
        "AG101", "error", failure.at, data, variant, places=ends(here, made, freed),
        nodes=(node.id,) if node is not None else (), tensors=(tensor.id,) if tensor is not None else (),
        backwards=(backward.id,) if backward is not None else (),
    )  # fmt: skip


@rule("AG102", "error")
def not_scalar(graph: Graph) -> Iterator[Finding]:
    """Backward started from a tensor of several elements without being told how to weigh them.

    `backward()` computes the derivative of one number.  Of several, `.sum()` gives the sum of their
    derivatives, `.mean()` the mean, and a vector `v` of the same shape weighs them: `backward(v)` is the
    vector-Jacobian product.

    Bad::

        x = torch.ones(2, 3, requires_grad=True)
        y = x * 2
        y.backward()

    Good::

        x = torch.ones(2, 3, requires_grad=True)
        y = x * 2
        y.sum().backward()
    """
    for backward in graph.trace.backwards:
        if backward.error is None or NOT_SCALAR not in backward.error.message:
            continue
        rows = [graph.trace.tensors[t] for t in backward.roots]
        root = next((t for t in rows if t.shape != ()), rows[0] if rows else None)
        if root is not None:
            yield _from_root(graph, "AG102", backward, root, {"shape": tag("shape", list(root.shape))})


def _from_root(graph: Graph, code: str, backward: Backward, root: Tensor, data: dict[str, object]) -> Finding:
    here = graph.place(backward.places)
    maker = graph.maker(root.id)
    made = graph.tensor_place(root.id)
    return Finding(
        code, "error", backward.end, {"name": tag("tensor", root.id), "here": at(here), **data},
        places=ends(here, made), tensors=(root.id,), backwards=(backward.id,),
        calls=(maker.id,) if maker is not None else (),
    )  # fmt: skip


@rule("AG103", "error")
def no_graph(graph: Graph) -> Iterator[Finding]:
    """Backward started from a tensor that has no graph: nothing before it requires grad, or it was cut off.

    The graph ends at `torch.no_grad()`, `.detach()`, `.data`, at numbers taken out by `.item()` or numpy,
    at copies by `torch.tensor(t)` and at integer results such as `argmax`.  What is computed from there on
    is a plain number for autograd.

    Bad::

        w = torch.ones(3, requires_grad=True)
        y = (w * 2).detach()
        loss = y.sum()
        loss.backward()

    Good::

        w = torch.ones(3, requires_grad=True)
        y = w * 2
        loss = y.sum()
        loss.backward()
    """
    for backward in graph.trace.backwards:
        if backward.error is None or NO_GRAPH not in backward.error.message:
            continue
        root = next((t for t in map(graph.trace.tensors.__getitem__, backward.roots) if not t.requires_grad), None)
        if root is not None:
            yield _cut_off(graph, backward, root)


def _cut_off(graph: Graph, backward: Backward, root: Tensor) -> Finding:
    cut = _nearest_cut(graph, root) or _cut_through_numbers(graph, root)
    here = graph.place(backward.places)
    data = {"name": tag("tensor", root.id), "here": at(here)}
    if cut is None or cut.cut is None:
        earlier = next((t for t in graph.sources_of([root.id]) if t.cut is not None), None)
        if earlier is not None:
            return _cut_earlier(graph, backward, root, earlier)
        inputs = [t.id for t in graph.sources_of([root.id]) if graph.name(t.id) and not graph.users_made(t.id)]
        names = [name for t in inputs if (name := graph.name(t))]
        return Finding(
            "AG103", "error", backward.end, data | {"inputs": tag("names", list(dict.fromkeys(names))[:4])}, "no_leaf",
            places=ends(here), tensors=(root.id, *inputs[:4]), backwards=(backward.id,),
        )  # fmt: skip
    place = graph.place(cut.places)
    source = next((t for t in cut.inputs if graph.trace.tensors[t].requires_grad), cut.inputs[0])
    data |= {"cut": at(place), "source": tag("tensor", source)}
    return Finding(
        "AG103", "error", backward.end, data, cut.cut, places=ends(here, place),
        tensors=(root.id, source), calls=(cut.id,), backwards=(backward.id,),
    )  # fmt: skip


def _cut_earlier(graph: Graph, backward: Backward, root: Tensor, tensor: Tensor) -> Finding:
    here = graph.place(backward.places)
    cut = None if tensor.cut_place is None else graph.trace.places[tensor.cut_place]
    data = {
        "name": tag("tensor", root.id), "here": at(here), "cut": at(cut),
        "source": tensor.cut_source or tag("tensor", tensor.id),
    }  # fmt: skip
    return Finding(
        "AG103", "error", backward.end, data, tensor.cut or "", tensors=(root.id, tensor.id),
        places=ends(here, cut), backwards=(backward.id,),
    )  # fmt: skip


def _nearest_cut(graph: Graph, root: Tensor) -> Call | None:
    for tensor in graph.sources_of([root.id]):
        call = graph.maker(tensor.id)
        if call is not None and call.cut is not None:
            return call
    return None


def _cut_through_numbers(graph: Graph, root: Tensor) -> Call | None:
    """A cut whose result left torch as a number or array and came back by name: `torch.tensor(v)`."""
    cuts = [c for c in graph.trace.calls if c.cut in ("item", "numpy") or c.name in ("numpy", "__array__")]
    for tensor in graph.sources_of([root.id]):
        maker = graph.maker(tensor.id)
        if maker is not None and maker.inputs:
            continue
        texts = _lines_that_made(graph, tensor, maker)
        for cut in reversed([c for c in cuts if c.at < tensor.at]):
            there = graph.place(cut.places)
            if there is None:
                continue
            text = graph.line_text(there.source, there.line)
            if text in texts or any(_names_shared(text, one) for one in texts):
                return _behind_detach(graph, cut)
    return None


def _lines_that_made(graph: Graph, tensor: Tensor, maker: Call | None) -> list[str]:
    """The line of the call that made a tensor; or, as `torch.from_numpy` is not seen, those that assign its name."""
    place = graph.place(maker.places) if maker is not None else None
    if place is not None:
        return [graph.line_text(place.source, place.line)]
    name, source = graph.name(tensor.id), graph.trace.source
    if name is None or source is None:
        return []
    return [text for text in graph.source_lines(source) if re.match(rf"\s*{re.escape(name)}\s*=[^=]", text)]


def _behind_detach(graph: Graph, cut: Call) -> Call:
    """`x.detach().numpy()`: the cut is the detach."""
    if cut.cut is not None:
        return cut
    makers = [graph.maker(t.id) for t in graph.sources_of(cut.inputs)]
    return next((c for c in makers if c is not None and c.cut is not None), cut)


def _names_shared(there: str, here: str) -> bool:
    """Whether the name assigned on one line is read on the other."""
    assigned = re.match(r"\s*([A-Za-z_]\w*)\s*=", there)
    return assigned is not None and re.search(rf"\b{assigned.group(1)}\b", here) is not None
