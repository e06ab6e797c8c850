"""AG303: changes of values that autograd cannot see."""

from __future__ import annotations

from collections.abc import Iterator

from ..graph import Graph
from ..trace import Backward, Call, Place, Saved, Step, Tensor
from . import Finding, at, ends, rule, tag
from .dataflow import names_of, once
from .updates import Line, line, updates

NAMED = 4
"""Leaves listed in a sentence; more would not be read."""

GUIDES = {
    "Mul": {"self": 1, "other": 0}, "Mm": {"self": 1, "mat2": 0}, "Bmm": {"self": 1, "mat2": 0},
    "Mv": {"self": 1, "vec": 0}, "Dot": {"self": 1, "tensor": 0}, "Addmm": {"mat1": 2, "mat2": 1},
    "Addmv": {"mat": 2, "vec": 1}, "Baddbmm": {"batch1": 2, "batch2": 1}, "Linear": {"input": 1, "weight": 0},
    "Convolution": {"input": 1, "weight": 0},
}  # fmt: skip
"""By node and slot: the one edge whose gradient the saved value decides.  Of others it may decide all."""

UNUSED = frozenset({"running_mean", "running_var"})
"""Slots that backward does not read in training."""

@rule("AG303", "warning")
def changed_unseen(graph: Graph) -> Iterator[Finding]:
    """A tensor that backward still needed was changed where autograd cannot see it: the gradient is wrong.

    `.data` and arrays that share a tensor's memory change values without counting the change, so that PyTorch's
    own check finds nothing and backward computes with values of which the result never was computed.  No error
    tells so.  Under `torch.no_grad()` the same change is counted, and a backward that needs the old value says so.
    An update through `.data` after backward, as many write by hand, is only noted.

    Bad::

        w = torch.tensor([3.0, 4.0], requires_grad=True)
        y = w * 2
        z = y.pow(2).sum()
        y.data.clamp_(max=7.0)
        z.backward()

    Good::

        w = torch.tensor([3.0, 4.0], requires_grad=True)
        y = w * 2
        y = y.clamp(max=7.0)
        z = y.pow(2).sum()
        z.backward()
    """
    groups: dict[Line, list[Change]] = {}
    for change in _changes(graph):
        groups.setdefault(line(change.place), []).append(change)
    for found in groups.values():
        yield _wrong(graph, found)
    yield from _by_hand(graph, set(groups))


class Change:
    """A saved value, the unseen change of it, and the backward that computed with it afterwards."""

    __slots__ = ("saved", "place", "made_by", "backward", "edges", "variant")

    def __init__(
        self, saved: Saved, place: Place | None, made_by: Call | None, backward: Backward, edges: list[int],
        variant: str,
    ) -> None:  # fmt: skip
        self.saved = saved
        self.place = place
        self.made_by = made_by
        self.backward = backward
        self.edges = edges
        """Parents of the node that were sent a wrong gradient."""
        self.variant = variant


@once
def _changes(graph: Graph) -> tuple[Change, ...]:
    found = []
    for step in graph.trace.steps:
        for saved in graph.saved_of(step.node):
            change = _change(graph, step, saved)
            if change is not None:
                found.append(change)
    return tuple(found)


def _change(graph: Graph, step: Step, saved: Saved) -> Change | None:
    backward = graph.trace.backwards[step.backward]
    if saved.hidden or saved.at > step.at or backward.error is not None and backward.error.node == step.node:
        return None
    call = _hidden_write(graph, saved, step.at)
    shared = call is None and _is_rewritten(graph, saved, step.at)
    edges = _guided(graph, step, saved) if call is not None or shared else []
    if not edges:
        return None
    if call is not None:
        return Change(saved, graph.place(call.places), call, backward, edges, "")
    place = _shared_at(graph, saved, step.at)
    return Change(saved, place, None, backward, edges, "numpy" if place is not None else "array")


def _guided(graph: Graph, step: Step, saved: Saved) -> list[int]:
    """The parents whose gradient a saved value decides, if they were sent one in this run."""
    node = graph.trace.nodes[step.node]
    if saved.slot in UNUSED:
        return []
    kind = node.name.rstrip("0123456789").removesuffix("Backward")
    slots = GUIDES.get(kind, {})
    edges = [node.edges[slots[saved.slot]]] if slots.get(saved.slot, len(node.edges)) < len(node.edges) else node.edges
    parents = [parent for parent, _ in edges if parent is not None]
    ran = {s.node for s in graph.steps_in(step.backward)}
    return parents if all(parent in ran for parent in parents) else []


def _hidden_write(graph: Graph, saved: Saved, until: int) -> Call | None:
    """The first write between a save and a moment that autograd did not count; None where the value is back."""
    rows = graph.trace.tensors
    found = [c for c in graph.changes_of_storage(saved.storage)
             if saved.at < c.at < until and c.name != "data=" and _is_uncounted(graph, c)]  # fmt: skip
    last = next((rows[t] for c in found[-1:] for t in c.outputs if rows[t].storage == saved.storage), None)
    replaced = _replaced(graph, saved, until)
    if replaced:
        found, last = [*found, *replaced], rows[replaced[-1].outputs[0]]
    if not found or _is_same(graph, saved, last):
        return None
    return min(found, key=lambda call: call.at)


def _replaced(graph: Graph, saved: Saved, until: int) -> list[Call]:
    """Assignments to `.data` of a saved input: the node holds the tensor itself and sees the new memory."""
    node = graph.trace.nodes[saved.node]
    if saved.tensor is None or graph.trace.tensors[saved.tensor].node == node.id:
        return []  # of its own result a node keeps the old memory
    rows = graph.trace.tensors
    obj = rows[saved.tensor].object
    writes = [c for c in _data_writes(graph).get(obj, ()) if saved.at < c.at < until]
    return writes if writes and rows[writes[-1].outputs[0]].storage != saved.storage else []


@once
def _data_writes(graph: Graph) -> dict[int, list[Call]]:
    """By object: the assignments to its `.data`, in order."""
    found: dict[int, list[Call]] = {}
    for call in graph.trace.calls:
        if call.name == "data=" and call.outputs:
            found.setdefault(graph.trace.tensors[call.outputs[0]].object, []).append(call)
    return found


def _is_uncounted(graph: Graph, call: Call) -> bool:
    """Whether an in-place call went through `.data`, which has a version counter of its own."""
    rows = graph.trace.tensors
    row = rows[call.inputs[0]] if call.inputs else None
    while row is not None:
        first = graph.states[row.object][0]  # how this object came to be, whatever was written into it since
        maker = graph.maker(first.id)
        if maker is None or not maker.inputs or maker.name == "data":
            return maker is not None and maker.name == "data"
        source = rows[maker.inputs[0]]
        row = source if source.storage == first.storage and source.object != first.object else None
    return False


def _is_same(graph: Graph, saved: Saved, now: Tensor | None) -> bool:
    """Whether what was written is what was there when it was saved."""
    if saved.tensor is None or now is None or now.shape != saved.shape:
        return False
    before = graph.trace.tensors[saved.tensor].value
    return before is not None and before == now.value


@once
def _rewritten(graph: Graph) -> dict[int, list[Tensor]]:
    """By object: states whose value differs from the one before although nothing of torch's had changed it."""
    found: dict[int, list[Tensor]] = {}
    for obj, states in graph.states.items():
        for before, now in zip(states, states[1:], strict=False):
            same = (before.version, before.storage, before.shape) == (now.version, now.storage, now.shape)
            if same and now.call is None and before.value is not None and before.value != now.value:
                found.setdefault(obj, []).append(now)
    return found


def _is_rewritten(graph: Graph, saved: Saved, until: int) -> bool:
    """Whether a saved tensor was written to from outside torch since the save, and is not as it was."""
    if saved.tensor is None:
        return False
    before = graph.trace.tensors[saved.tensor]
    states = [now for now in _rewritten(graph).get(before.object, ()) if saved.at < now.at < until]
    return bool(states) and states[-1].value != before.value and states[-1].version == before.version


def _shared_at(graph: Graph, saved: Saved, until: int) -> Place | None:
    """Where the memory of a saved tensor was shared with an array, None where torch did not see it."""
    rows = graph.trace.tensors
    exports = (c for c in graph.trace.calls if c.name in ("numpy", "__array__") and c.at < until
               and any(rows[t].storage == saved.storage for t in c.inputs))  # fmt: skip
    call = next(exports, None)
    if call is not None:
        return graph.place(call.places)
    return None if saved.tensor is None else graph.tensor_place(saved.tensor)


def _wrong(graph: Graph, found: list[Change]) -> Finding:
    first = found[0]
    node = graph.trace.nodes[first.saved.node]
    made, here = graph.node_place(node), graph.place(first.backward.places)
    leaves = _leaves(graph, [edge for change in found for edge in change.edges])
    owner = first.saved.tensor if first.saved.tensor is not None else graph.storage_owner(first.saved.storage)
    call = first.made_by
    data = {
        "name": tag("tensor", owner), "node": tag("node", node.id), "made": at(made), "here": at(here),
        "changed": at(first.place), "call": "" if call is None else ".data" if call.name == "data=" else call.name,
        "leaves": tag("names", (names_of(graph, leaves) or ["leaf"])[:NAMED]),
    }  # fmt: skip
    return Finding(
        "AG303", "warning", first.backward.at, data, first.variant, places=ends(first.place, made, here),
        tensors=(*(() if owner is None else (owner,)), *(leaf.id for leaf in leaves[:NAMED])), nodes=(node.id,),
        calls=() if call is None else (call.id,), backwards=(first.backward.id,),
    )  # fmt: skip


def _leaves(graph: Graph, nodes: list[int]) -> list[Tensor]:
    leaves = [n.leaf for n in graph.reachable(nodes) if n.leaf is not None]
    rows = map(graph.trace.tensors.__getitem__, leaves)
    return list({row.object: row for row in rows}.values())


def _by_hand(graph: Graph, known: set[Line]) -> Iterator[Finding]:
    """Updates of a leaf by its gradient through `.data`: right here, one note for each line."""
    for update in updates(graph):
        call, place = update.call, graph.place(update.call.places)
        hidden = call.name == "data=" or _is_uncounted(graph, call)
        if line(place) in known or not hidden or not update.taken:
            continue
        known.add(line(place))
        data = {"name": tag("tensor", update.leaf.id), "changed": at(place)}
        yield Finding(
            "AG303", "note", call.at, data, "update", places=ends(place), tensors=(update.leaf.id,), calls=(call.id,)
        )  # fmt: skip
