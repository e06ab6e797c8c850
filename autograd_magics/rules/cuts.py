"""AG104 and AG106: gradients that end at a cut, without an error."""

from __future__ import annotations

from collections.abc import Iterator

from ..graph import Graph
from ..trace import Backward, Call, Place, Tensor
from . import Finding, at, ends, rule, tag
from .dataflow import CONSTANT, PASSED, cuts_behind, learned, leaves_behind, names_of, once, reached_by
from .readings import died_of, nones

NAMED = 4
"""Leaves listed in a sentence; more would not be read."""

ON_PURPOSE = frozenset({"detach", "no_grad", "inference"})
"""Cuts that are written down as such: targets, frozen parts, baselines."""

RELEAFING = ON_PURPOSE | {"data"}
"""Cuts before which a leaf of one's own is made on purpose: `x.detach().requires_grad_()`."""

COPYING = frozenset("detach clone data to float double half requires_grad_ tensor as_tensor".split())
"""Calls after which a tensor is still a copy of what it was."""


@rule("AG104", "warning")
def cut_on_the_way(graph: Graph) -> Iterator[Finding]:
    """Part of the loss came through a cut: no gradient flows through that part.

    A value taken out by `.data`, `.item()`, numpy, `torch.tensor(t)` or computed under `torch.no_grad()` is a
    plain number for autograd.  Backward runs without an error as long as another part of the loss has a graph,
    and what lies behind the cut silently does not learn from it.  Targets, baselines and frozen parts that are
    cut off on purpose, by `detach()` or `no_grad()`, are not reported.

    Bad::

        x = torch.tensor([1.0, 2.0, 3.0])
        w = torch.ones(3, requires_grad=True)
        b = torch.zeros(3, requires_grad=True)
        y = w.data * x + b
        loss = (y - 1).pow(2).sum()
        loss.backward()

    Good::

        x = torch.tensor([1.0, 2.0, 3.0])
        w = torch.ones(3, requires_grad=True)
        b = torch.zeros(3, requires_grad=True)
        y = w * x + b
        loss = (y - 1).pow(2).sum()
        loss.backward()
    """
    groups: dict[tuple[Place | None, Place | None], list[Loss]] = {}
    for loss in losses(graph):
        if loss.cut.cut != "integer":  # AG605 tells those
            key = (graph.place(loss.backward.places), _block(graph, loss.cut))
            groups.setdefault(key, []).append(loss)
    for found in groups.values():
        yield _cut_finding(graph, found)


class Loss:
    """A cut behind the root of a backward, and the leaves that lose out by it."""

    __slots__ = ("backward", "root", "cut", "kind", "leaves", "severity")

    def __init__(self, backward: Backward, root: Tensor, cut: Call, leaves: list[Tensor], severity: str) -> None:
        self.backward = backward
        self.root = root
        self.cut = cut
        self.kind = cut.cut or "copy"
        self.leaves = leaves
        self.severity = severity


    def lost(self, obj: int) -> bool:
        """Whether an object is one of the leaves."""
        return any(leaf.object == obj for leaf in self.leaves)


@once
def losses(graph: Graph) -> tuple[Loss, ...]:
    """Every cut by which a leaf loses out, for each backward; cuts on purpose only where they surprised."""
    found = []
    for backward in graph.trace.backwards:
        if backward.error is not None or backward.inputs is not None:
            continue
        for root in [t for t in map(graph.trace.tensors.__getitem__, backward.roots) if not t.leaf]:
            for cut, fate in cuts_behind(graph).get(root.id, {}).items():
                loss = _loss(graph, backward, root, graph.trace.calls[cut], fate)
                if loss is not None:
                    found.append(loss)
    return tuple(found)


def lost_by(graph: Graph, obj: int) -> Loss | None:
    """The cut by which a leaf never got a gradient, None where there is none."""
    return next((loss for loss in losses(graph) if loss.lost(obj) and obj not in learned(graph)), None)


def _loss(graph: Graph, backward: Backward, root: Tensor, cut: Call, fate: int) -> Loss | None:
    behind = leaves_behind(graph, cut)
    without = [leaf for leaf in behind if leaf.object not in learned(graph)]
    kind = cut.cut or "copy"
    if without:
        severity = _severity(graph, kind, without, backward)
        return Loss(backward, root, cut, without, severity) if severity else None
    if fate in (CONSTANT, PASSED) or kind in ON_PURPOSE - {"no_grad"} or not behind:
        return None
    if _is_straight_through(graph, root, fate):
        return None
    return Loss(backward, root, cut, behind, "note" if kind in ON_PURPOSE else "warning")


def _severity(graph: Graph, kind: str, without: list[Tensor], backward: Backward) -> str:
    """How surely leaves that never got a gradient were meant to get one; empty where nothing says so."""
    objects = {leaf.object for leaf in without}
    if objects & died_of(graph):
        return "error"
    reads = [a for a in nones(graph) if a.at > backward.at and graph.trace.tensors[a.tensor].object in objects]
    if kind in ON_PURPOSE:
        return "note" if reads else ""
    meant = bool(reads) or any(not leaf.parameter for leaf in without) or bool(objects & stepped(graph))
    return "warning" if meant else "note"


def _is_straight_through(graph: Graph, root: Tensor, adding: int) -> bool:
    """`soft + (hard - soft).detach()`: what was added to is taken away again as a constant, on purpose."""
    rows, calls = graph.trace.tensors, graph.trace.calls
    kept = {rows[t].object for t in calls[adding].inputs if rows[t].requires_grad}
    cuts = [calls[c] for c in cuts_behind(graph)[root.id]]
    return any(row.object in kept for c in cuts if c.cut in RELEAFING for row in graph.sources_of(c.inputs))


def _block(graph: Graph, cut: Call) -> Place | None:
    """Cuts under one `no_grad()` belong together; any other is told by its own place."""
    return None if cut.cut in ("no_grad", "inference") else graph.place(cut.places)


def _cut_finding(graph: Graph, found: list[Loss]) -> Finding:
    worst = max(found, key=lambda loss: ("note", "warning", "error").index(loss.severity))
    first = found[0]
    leaves = list({leaf.object: leaf for loss in found for leaf in loss.leaves}.values())
    here, place = graph.place(first.backward.places), graph.place(first.cut.places)
    source = next((t for t in first.cut.inputs if graph.trace.tensors[t].requires_grad), first.cut.inputs[0])
    data = {
        "name": tag("tensor", first.root.id), "here": at(here), "cut": at(place), "source": tag("tensor", source),
        "leaves": tag("names", (names_of(graph, leaves) or ["leaf"])[:NAMED]),
    }  # fmt: skip
    return Finding(
        "AG104", worst.severity, first.backward.at, data, first.kind, places=ends(place, here),
        tensors=(*(leaf.id for leaf in leaves[:NAMED]), first.root.id), calls=(first.cut.id,),
        backwards=(first.backward.id,),
    )  # fmt: skip


@rule("AG106", "warning")
def forced_leaf(graph: Graph) -> Iterator[Finding]:
    """`requires_grad_(True)` on a result that was cut off: the error is gone, and so is the learning.

    Backward from a tensor without a graph raises an error.  Making that tensor require grad silences it: the
    tensor becomes a leaf, backward ends there at once, and what it was computed from gets no gradient, now or
    ever.  Take the cut away instead.  Making a detached tensor a leaf in order to read its own `.grad` is fine.

    Bad::

        x = torch.tensor([1.0, 2.0, 3.0])
        w = torch.ones(3, requires_grad=True)
        loss = (w.detach() * x).sum()
        loss.requires_grad_(True)
        loss.backward()

    Good::

        x = torch.tensor([1.0, 2.0, 3.0])
        w = torch.ones(3, requires_grad=True)
        loss = (w * x).sum()
        loss.backward()
    """
    told = set()
    for made in forced(graph):
        key = (graph.place(made.backward.places), graph.name(made.leaf.id))
        if key not in told:
            told.add(key)
            yield _forced_finding(graph, made)


class Forced:
    """A leaf made of a cut-off result, the backward that ended there, and the leaves behind that never learn."""

    __slots__ = ("leaf", "backward", "cut", "behind")

    def __init__(self, leaf: Tensor, backward: Backward, cut: Call, behind: list[Tensor]) -> None:
        self.leaf = leaf
        self.backward = backward
        self.cut = cut
        self.behind = behind


@once
def forced(graph: Graph) -> tuple[Forced, ...]:
    """Every leaf that was made only to let backward run."""
    rows = graph.trace.tensors
    made = [rows[t] for t in cuts_behind(graph) if rows[t].leaf and rows[t].requires_grad]
    found = (_forced(graph, row) for row in {row.object: row for row in reversed(made)}.values())
    return tuple(sorted((one for one in found if one is not None), key=lambda one: one.backward.at))


def _forced(graph: Graph, row: Tensor) -> Forced | None:
    if row.object in wanted(graph) or _copies_leaf(graph, row):
        return None
    backward = reached_by(graph).get(row.object)
    if backward is None:
        return None
    for cut in (graph.trace.calls[c] for c in cuts_behind(graph)[row.id]):
        behind = [leaf for leaf in leaves_behind(graph, cut) if leaf.parameter or graph.name(leaf.id)]
        if not _is_root(graph, row, backward):
            behind = [leaf for leaf in behind if leaf.object not in learned(graph)]
            if cut.cut in RELEAFING and not any(leaf.object in stepped(graph) for leaf in behind):
                continue  # a new leaf of its own: another cell may read its gradient
        if behind:
            return Forced(row, backward, cut, behind)
    return None


def _is_root(graph: Graph, row: Tensor, backward: Backward) -> bool:
    """Whether backward began at the leaf itself: its gradient is 1, and nothing else gets any."""
    return any(graph.trace.tensors[t].object == row.object for t in backward.roots)


@once
def stepped(graph: Graph) -> frozenset[int]:
    """Objects that an optimizer of this trace steps."""
    trace = graph.trace
    steps = [step for step in trace.optimizer_steps if step.kind in ("step", "zero_grad")]
    return frozenset(trace.tensors[t].object for step in steps for t in step.parameters)


@once
def wanted(graph: Graph) -> frozenset[int]:
    """Objects whose own gradient somebody uses: read, asked for, or stepped by an optimizer."""
    trace = graph.trace
    found = {trace.tensors[a.tensor].object for a in graph.accesses_of("grad")}
    found |= {trace.tensors[t].object for b in trace.backwards for t in b.inputs or ()}
    return frozenset(found | {trace.tensors[t].object for o in trace.optimizers for t in o.parameters})


def _copies_leaf(graph: Graph, row: Tensor) -> bool:
    """`w.detach().clone().requires_grad_()`: a new leaf with the old one's values, as optimizers of one's own do."""
    start = row.object
    while (call := graph.maker(row.id)) is not None and call.inputs and call.name in COPYING:
        row = graph.trace.tensors[call.inputs[0]]
    return row.object != start and row.leaf and row.requires_grad


def _forced_finding(graph: Graph, made: Forced) -> Finding:
    leaf, maker = made.leaf, graph.maker(made.leaf.id)
    run, cut = graph.place(made.backward.places), graph.place(made.cut.places)
    here = graph.place(maker.places) if maker is not None else run
    data = {
        "name": tag("tensor", leaf.id), "here": at(here), "cut": at(cut), "backward": at(run),
        "leaves": tag("names", (names_of(graph, made.behind) or ["leaf"])[:NAMED]),
    }  # fmt: skip
    return Finding(
        "AG106", "warning", made.backward.at, data, places=ends(here, cut, run),
        tensors=(leaf.id, *(one.id for one in made.behind[:NAMED])), calls=(made.cut.id,),
        backwards=(made.backward.id,),
    )  # fmt: skip
