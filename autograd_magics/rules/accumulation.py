"""AG202: gradients that were added to old ones, unless that was meant."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace

from ..graph import Graph
from ..trace import GradChange, Place
from . import Finding, at, ends, rule, tag
from .dataflow import all_zero, names_of, once
from .grads import LEAVES_NAMED, leaf_lost
from .updates import is_by_product, puts_back

DIVISIONS = ("div", "div_", "true_divide", "__truediv__", "__itruediv__")
PRODUCTS = ("mul", "mul_", "multiply", "__mul__", "__rmul__", "__imul__")
SCALINGS = 4
"""Such calls looked through behind a root: `scaler.scale(loss / 4)`."""
THROWN = "thrown"
"""Stands for a severity: an addition to an old gradient that did no harm; it is told where others beside it did."""
PRECISION = 1e-6
"""Of one part of a whole, as `loss * 0.333333` may be written."""


@rule("AG202", "warning")
def accumulated(graph: Graph) -> Iterator[Finding]:
    """`.grad` still held an earlier gradient when backward added to it.

    Backward adds to `.grad`, it does not replace it.  In a training loop the gradients of all earlier
    iterations are then still in it.  Set it to None or zero it before each backward:
    `w.grad = None`, `w.grad.zero_()` or `optimizer.zero_grad()`.  Adding up several backward passes
    before one update is meant and is not reported.

    Bad::

        x = torch.tensor(1.0, requires_grad=True)
        for i in range(1, 5):
            y = i * x
            y.backward()
            print(x.grad)

    Good::

        x = torch.tensor(1.0, requires_grad=True)
        for i in range(1, 5):
            x.grad = None
            y = i * x
            y.backward()
            print(x.grad)
    """
    groups: dict[tuple[int, Place | None], list[tuple[GradChange, str]]] = {}
    for obj, changes in graph.changes_by_object.items():
        for i, change in enumerate(changes):
            severity = _added_to_old(graph, obj, change, changes[i - 1] if i else None)
            if severity is not None:
                groups.setdefault((obj, graph.place(change.places)), []).append((change, severity))
    lost = {graph.trace.tensors[f.tensors[1]].object for f in leaf_lost(graph)}
    found = []
    for (obj, place), pairs in groups.items():
        if all(severity == THROWN for _, severity in pairs):
            continue
        warn = "warning" in [severity for _, severity in pairs]
        because = "AG203" if obj in lost else None
        found.append(_accumulation(graph, place, [change for change, _ in pairs], warn, because))
    yield from _together(graph, found)


def _added_to_old(graph: Graph, obj: int, change: GradChange, previous: GradChange | None) -> str | None:
    """The severity of an addition to an old gradient, or `THROWN`; None where it is none or is meant."""
    if change.kind != "accumulated" or change.before is None or change.added is None:
        return None
    if not graph.trace.tensors[change.tensor].leaf or all_zero(change.before.value):
        return None
    if previous is not None and previous.kind == "zeroed":
        return None
    if is_by_product(graph, obj, change.at):
        return THROWN
    stepped = graph.changes_of_value(obj)
    if previous is None or previous.kind in ("unseen", "earlier"):
        return _from_earlier(graph, obj, change, bool(stepped) and stepped[-1] > change.at)
    began = _sums(graph)[change.id][0]
    if bisect_right(stepped, began) < bisect_left(stepped, change.at):
        return None if puts_back(graph, obj, change.at) else "warning"
    if stepped and stepped[-1] > change.at:
        return None  # several backward passes, then one update: gradient accumulation
    parts, passes = _parts(graph, change), _passes(graph, change)
    if parts is not None and passes <= parts:
        return None if passes == parts or _is_of_sum(graph, obj, parts) else "note"
    reads = _reads(graph).get(obj, [])
    return "warning" if bisect_right(reads, previous.at) < bisect_left(reads, change.at) else "note"


# -- accumulation that is meant -------------------------------------------------------------------
def _from_earlier(graph: Graph, obj: int, change: GradChange, stepped_later: bool) -> str | None:
    """The severity of an addition to what an earlier cell, or code that nobody watched, left.

    One that nothing was done with since then may be a part of the sum, if an update follows or its loss is one part
    of several; after an update it is none.
    """
    kept = 0
    for page in reversed(graph.past.get(obj, ())):
        if page.kind in ("cleared", "zeroed", "first"):
            break
        if page.kind not in ("accumulated", "changed", "set"):
            return "warning"
        kept += page.kind == "accumulated"
    parts = _parts(graph, change)
    if not kept or parts is None or kept >= parts:
        return "warning"
    return None if stepped_later else "note"


def _parts(graph: Graph, change: GradChange) -> int | None:
    """4 where backward began from `loss / 4`, None from a whole loss."""
    backward = None if change.backward is None else graph.trace.backwards[change.backward]
    tensor = backward.roots[0] if backward is not None and backward.roots else None
    factor, seen = 1.0, 0
    while tensor is not None and seen < SCALINGS:
        call = graph.maker(tensor)
        if call is None or call.name not in (*DIVISIONS, *PRODUCTS):
            break
        for _, number in call.constants:
            if isinstance(number, (int, float)) and number:
                factor *= number if call.name in PRODUCTS else 1 / number
        tensor, seen = next((t for t in call.inputs if graph.trace.tensors[t].requires_grad), None), seen + 1
    parts = round(1 / factor) if 0 < factor < 1 else 0
    return parts if parts > 1 and abs(parts * factor - 1) < PRECISION else None


def _passes(graph: Graph, change: GradChange) -> int:
    """How many backward passes the sum holds with this one, also those of iterations that are not kept."""
    began, ran = _sums(graph)[change.id]
    return 1 + ran + sum(loop.dropped for loop in graph.trace.loops if began < loop.at <= change.at)


def _is_of_sum(graph: Graph, obj: int, parts: int) -> bool:
    """Whether the sum that an addition belongs to has as many parts as its losses say."""
    changes = graph.changes_by_object[obj]
    last = changes[-1]
    return last.kind == "accumulated" and _passes(graph, last) == parts


@once
def _sums(graph: Graph) -> dict[int, tuple[int, int]]:
    """By change of a `.grad`: when the sum that it holds before was begun, and how many passes are in that."""
    found = {}
    for changes in graph.changes_by_object.values():
        began, passes, adding = 0, 0, False
        for change in changes:
            found[change.id] = began, passes
            if change.kind != "accumulated":
                began, passes, adding = change.at, 0, False
            else:
                began, passes, adding = (began if adding else change.at), passes + 1, True
    return found


@once
def _reads(graph: Graph) -> dict[int, list[int]]:
    """By object: when its `.grad` was read, in order."""
    found: dict[int, list[int]] = defaultdict(list)
    for access in graph.accesses_of("grad"):
        found[graph.trace.tensors[access.tensor].object].append(access.at)
    return {obj: sorted(times) for obj, times in found.items()}


# -- the findings ---------------------------------------------------------------------------------
def _accumulation(
    graph: Graph, place: Place | None, changes: list[GradChange], warn: bool, because: str | None
) -> Finding:
    first, last = changes[0], changes[-1]
    before = graph.place(first.before_places)
    earlier = all(c.kind == "earlier" for c in graph.changes_by_object[first.object] if c.at < first.at)
    ran = {
        c.backward for c in graph.changes_by_object[first.object]
        if c.backward is not None and graph.place(c.places) == place
    }  # fmt: skip
    times = len(changes) + _left_out(graph, changes)
    every = len(ran) + _left_out(graph, [c for c in graph.changes_by_object[first.object] if c.backward in ran])
    again = ("repeated_of" if every > times else "repeated") if times > 1 else ""
    variant = "meant" if not warn else ("earlier" if before is not None else "unknown") if earlier else again
    last = first if earlier and warn else last
    data = {
        "name": tag("tensor", first.tensor), "here": at(place),
        "was": at(before), "times": times, "all": max(every, times),
        "before": tag("gradient", _plain(first.before)), "added": tag("gradient", _plain(first.added)),
        "after": tag("gradient", _plain(last.after)),
    }  # fmt: skip
    backwards = tuple(c.backward for c in changes if c.backward is not None)
    return Finding(
        "AG202", "warning" if warn else "note", first.at, data, variant,
        places=ends(place, before), tensors=(first.tensor,), backwards=backwards,
        because=because,
    )  # fmt: skip


def _left_out(graph: Graph, changes: Sequence[GradChange]) -> int:
    """How many more there were in iterations that are not kept, each like the one that is."""
    windows = graph.iterations_dropped
    return sum(dropped * sum(begin < c.at <= end for c in changes) for begin, end, dropped in windows)


def _together(graph: Graph, found: list[Finding]) -> Iterator[Finding]:
    """One finding for all parameters of a model to which the same happened; leaves made by hand have their own."""
    groups: dict[object, list[Finding]] = {}
    for finding in found:
        parameter = graph.trace.tensors[finding.tensors[0]].parameter
        alike = (finding.severity, finding.variant, finding.because, finding.places, finding.data["times"])
        groups.setdefault((alike, finding.data["all"]) if parameter else id(finding), []).append(finding)
    for group in groups.values():
        first = group[0]
        if len(group) == 1:
            yield first
            continue
        tensors = tuple(finding.tensors[0] for finding in group)
        names = names_of(graph, map(graph.trace.tensors.__getitem__, tensors))
        backwards = tuple(dict.fromkeys(b for finding in group for b in finding.backwards))
        data = {**first.data, "count": len(group), "names": tag("names", names[:LEAVES_NAMED])}
        yield replace(
            first, data=data, variant=f"{first.variant or 'once'}_several", tensors=tensors[:LEAVES_NAMED],
            backwards=backwards,
        )  # fmt: skip


def _plain(gradient: object) -> dict[str, object]:
    return {k: getattr(gradient, k) for k in ("shape", "dtype", "value")} if gradient is not None else {}
