"""AG701 and AG702: optimizers that step at the wrong moment, or over the wrong parameters."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator

from ..graph import Graph
from ..trace import Backward, Optimizer, OptimizerStep, Tensor
from . import Finding, at, ends, rule, tag
from .updates import passed_over_earlier

NAMES_SHOWN = 4
"""Names listed in a sentence; more would not be read."""

OF_OPTIMIZERS = ("step", "zero_grad")
"""Kinds of rows that tell whose parameters they are; a clipping is one of any."""

NEW_GRADIENT = frozenset({"accumulated", "set", "changed", "unseen"})
"""Changes of a `.grad` after which a step has something new to work with."""


@rule("AG701", "warning")
def step_without_backward(graph: Graph) -> Iterator[Finding]:
    """An optimizer made a step although no backward had run since its last one.

    A step uses what backward left in `.grad`.  Without a new backward it either does nothing, as every `.grad`
    is None, or goes once more in the old direction.  The order in a training loop is
    `zero_grad()`, `backward()`, `step()`.

    Bad::

        w = torch.ones(3, requires_grad=True)
        optimizer = torch.optim.SGD([w], lr=0.1)
        for i in range(3):
            optimizer.zero_grad()
            optimizer.step()
            loss = (w * w).sum()

    Good::

        w = torch.ones(3, requires_grad=True)
        optimizer = torch.optim.SGD([w], lr=0.1)
        for i in range(3):
            optimizer.zero_grad()
            loss = (w * w).sum()
            loss.backward()
            optimizer.step()
    """
    if graph.trace.dropped:
        return  # what was not recorded may have been the backward
    filled = sorted(b.at for b in graph.trace.backwards if _fills(b))
    for number, steps in _steps(graph).items():
        useless = [_useless(graph, steps, i, filled) for i in range(len(steps))]
        first = next((i for i, variant in enumerate(useless) if variant is not None), None)
        if first is not None:
            count = sum(variant is not None for variant in useless)
            yield _without(graph, graph.trace.optimizers[number], steps, first, useless[first] or "", count)


def _steps(graph: Graph) -> dict[int, list[OptimizerStep]]:
    """By optimizer: its steps in order."""
    found: dict[int, list[OptimizerStep]] = defaultdict(list)
    for step in sorted(graph.trace.optimizer_steps, key=lambda one: one.at):
        if step.kind == "step" and step.optimizer is not None and step.end > step.at:
            found[step.optimizer].append(step)
    return found


def _fills(backward: Backward) -> bool:
    """Whether a run of the engine can fill `.grad`."""
    return backward.kind != "autograd.grad" and backward.error is None


def _useless(graph: Graph, steps: list[OptimizerStep], i: int, filled: list[int]) -> str | None:
    """Why a step had nothing new to work with, None where it had.  `filled`: when backward ran."""
    step = steps[i]
    since = steps[i - 1].end if i else -1
    if bisect_right(filled, since) < bisect_left(filled, step.end):
        return None
    objects = {graph.trace.tensors[p].object for p in step.parameters}
    changes = [c for obj in objects for c in graph.changes_by_object.get(obj, ())]
    if any(since < c.at < step.end and c.kind in NEW_GRADIENT for c in changes):
        return None
    if len(step.skipped) < len(step.parameters):
        # the first step of a cell may well use what an earlier cell's backward left
        return "again" if i and not any(since < c.at < step.at for c in changes) else None
    later = bool(filled) and filled[-1] > step.end
    return "repeated" if i else "before" if later else "never"


def _without(
    graph: Graph, optimizer: Optimizer, steps: list[OptimizerStep], index: int, variant: str, count: int
) -> Finding:
    step = steps[index]
    here = graph.place(step.places)
    last = graph.place(steps[index - 1].places) if index else None
    later = next((b for b in graph.trace.backwards if b.at > step.end and _fills(b)), None)
    there = graph.place(later.places) if later is not None and variant == "before" else None
    # a single early step is how some people initialise a scheduler or an optimizer's state: it does nothing
    harmless = variant in ("before", "never") and any(len(s.skipped) < len(s.parameters) for s in steps)
    data = {
        "name": optimizer.name or optimizer.type, "here": at(here), "there": at(there or last), "times": count,
        "parameters": tag("names", _names(graph, step.parameters)),
    }  # fmt: skip
    return Finding(
        "AG701", "note" if harmless else "warning", step.at, data, variant, places=ends(here, there, last),
        tensors=step.parameters[:NAMES_SHOWN], backwards=() if there is None or later is None else (later.id,),
        because="AG205" if any(one.at == step.at for one in passed_over_earlier(graph)) else None,
    )  # fmt: skip


def _names(graph: Graph, tensors: tuple[int, ...]) -> list[str]:
    return list(dict.fromkeys(graph.label(t) for t in tensors))[:NAMES_SHOWN]


@rule("AG702", "warning")
def wrong_parameters(graph: Graph) -> Iterator[Finding]:
    """Gradients arrive at one set of parameters, and the optimizer steps over another.

    An optimizer knows the very tensors it was given.  One that was made before the model was made anew, or with
    a part of the parameters only, leaves the others as they are.  Give it all of them:
    `torch.optim.SGD([*encoder.parameters(), *head.parameters()], lr=...)`, after the model has its final form.

    Bad::

        w = torch.ones(3, requires_grad=True)
        optimizer = torch.optim.SGD([w], lr=0.1)
        w = torch.zeros(3, requires_grad=True)
        for i in range(3):
            optimizer.zero_grad()
            loss = (w - 1).pow(2).sum()
            loss.backward()
            optimizer.step()
            w.grad = None

    Good::

        w = torch.zeros(3, requires_grad=True)
        optimizer = torch.optim.SGD([w], lr=0.1)
        for i in range(3):
            optimizer.zero_grad()
            loss = (w - 1).pow(2).sum()
            loss.backward()
            optimizer.step()
    """
    steps = _steps(graph)
    if graph.trace.dropped or not steps:
        return
    left_out = _left_out(graph)
    for number, made in steps.items():
        ran = [b for b in graph.trace.backwards if _fills(b) and b.at < made[-1].end]
        if ran and left_out and all(len(s.skipped) == len(s.parameters) > 0 for s in made):
            yield _outside(graph, graph.trace.optimizers[number], made, ran[-1], left_out)
            return
    if left_out:
        yield _not_stepped(graph, steps, left_out)


def _left_out(graph: Graph) -> list[Tensor]:
    """Leaves that got gradients and that no optimizer has, nor the user's code an eye or a hand on."""
    trace = graph.trace
    owned = {trace.tensors[p].object for o in trace.optimizers for p in o.parameters}
    owned |= {trace.tensors[p].object for s in trace.optimizer_steps if s.kind in OF_OPTIMIZERS for p in s.parameters}
    read = {trace.tensors[a.tensor].object for a in graph.accesses_of("grad")}
    asked = {trace.tensors[t].object for b in trace.backwards for t in b.inputs or ()}
    last = max(s.at for s in trace.optimizer_steps if s.kind == "step")
    found = []
    for obj, changes in graph.changes_by_object.items():
        added = [c for c in changes if c.kind == "accumulated" and c.backward is not None and c.at < last]
        leaf = trace.tensors[changes[0].tensor]
        updated = added and any(at > added[0].at for at in graph.changes_of_value(obj))
        if added and leaf.leaf and not updated and obj not in owned | read | asked:
            found.append(leaf)
    return sorted(found, key=lambda leaf: leaf.id)


def _outside(
    graph: Graph, optimizer: Optimizer, made: list[OptimizerStep], backward: Backward, left_out: list[Tensor]
) -> Finding:
    step = made[-1]
    here, there = graph.place(step.places), graph.place(backward.places)
    rows = tuple(t.id for t in left_out[:NAMES_SHOWN])
    data = {
        "name": optimizer.name or optimizer.type, "here": at(here), "there": at(there),
        "leaves": tag("names", _names(graph, rows)),
    }  # fmt: skip
    origins = [graph.tensor_place(t) for t in (*rows[:1], *step.parameters[:1])]
    return Finding(
        "AG702", "warning", step.at, data, "outside", places=ends(here, there, *origins),
        tensors=(*rows, *step.parameters[:NAMES_SHOWN]), backwards=(backward.id,),
    )  # fmt: skip


def _not_stepped(graph: Graph, steps: dict[int, list[OptimizerStep]], left_out: list[Tensor]) -> Finding:
    """A tensor that is made to be trained is a warning when it stays behind step after step.

    A module's parameters are a note: fine-tuning only a part of a model, without freezing the rest, is common.
    """
    first = min((one[0] for one in steps.values()), key=lambda step: step.at)
    optimizers = [graph.trace.optimizers[n] for n in steps]
    rows = tuple(t.id for t in left_out)
    here = graph.place(first.places)
    made = graph.tensor_place(rows[0])
    repeated = max(len(one) for one in steps.values()) > 1
    warn = repeated and not all(t.parameter for t in left_out)
    data = {
        "leaves": tag("names", _names(graph, rows)), "count": len(rows), "here": at(here),
        "name": ", ".join(o.name or o.type for o in optimizers[:NAMES_SHOWN]),
    }  # fmt: skip
    return Finding(
        "AG702", "warning" if warn else "note", first.at, data, "not_stepped", places=ends(here, made),
        tensors=rows[:NAMES_SHOWN],
    )  # fmt: skip
