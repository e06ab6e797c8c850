"""Each kind of thing that can differ between two reports: a function of both that gives entries."""

from __future__ import annotations

import bisect
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..rows import error_text, number, shape_text
from ..trace import Backward, Call, Gradient, Loop, Place, Saved, Tensor
from . import Entry
from .align import Pair, aligned, joined
from .values import distance, plain

if TYPE_CHECKING:
    from ..report import Report


@dataclass(frozen=True)
class _Told:
    """A call, an update or a backward as it is compared."""

    row: Call | Backward | None
    """None of an update."""
    name: str
    module: str | None
    place: Place | None
    code: str
    """Its source in one line."""
    own: str
    """The same without what other calls on the way gave: `□.sum()`, so that a change there is told only there."""
    features: tuple[str, ...]
    """What else is told of it; what is alike in both recordings is left out."""

    @property
    def key(self) -> Hashable:
        """What makes two of them the same one."""
        return self.name, self.module, self.own


def _change(before: object, after: object) -> str:
    return "added" if before is None else "removed" if after is None else "changed"


def _one_line(text: str | None) -> str:
    return " ".join((text or "").split())


def _entry(what: str, first: _Told | None, second: _Told | None) -> Entry | None:
    """How two rows differ, None where they do not."""
    one = first or second
    assert one is not None
    places = (None if first is None else first.place, None if second is None else second.place)
    before = after = None
    if first is not None and second is not None:
        sides = [(side.code if first.own != second.own else "", *side.features) for side in (first, second)]
        pairs = [(a, b) for a, b in zip(*sides, strict=True) if a != b]
        if not pairs:
            return None
        before, after = (", ".join(filter(None, texts)) for texts in zip(*pairs, strict=True))
    elif first is not None:
        before = first.code or first.name
    else:
        after = one.code or one.name
    return Entry(what, _change(first, second), one.name, before, after, one.module, places)


# -- the surroundings --------------------------------------------------------------------------
def _torch(before: Report, after: Report) -> Iterator[Entry]:
    if before.trace.torch != after.trace.torch:
        yield Entry("torch", "changed", "torch", before.trace.torch, after.trace.torch)


def _raised(before: Report, after: Report) -> Iterator[Entry]:
    """The exception that ended a cell."""
    failures = before.trace.failure, after.trace.failure
    said = error_text(failures[0]), error_text(failures[1])
    if said[0] != said[1]:
        places = [() if one is None else one.places for one in failures]
        ends = before.graph.place(places[0]), after.graph.place(places[1])
        yield Entry("raised", _change(*said), "", said[0], said[1], places=ends)


def _findings(before: Report, after: Report) -> Iterator[Entry]:
    """Findings that are gone, and new ones; one is the same where its code and the source it points at are."""
    had, has = _told_findings(before), _told_findings(after)
    for key in dict.fromkeys([*had, *has]):
        rest = len(has.get(key, ())) - len(had.get(key, ()))
        for said, place in had.get(key, [])[rest:] if rest < 0 else ():
            yield Entry("finding", "removed", key[0], said, None, places=(place, None))
        for said, place in has.get(key, [])[-rest:] if rest > 0 else ():
            yield Entry("finding", "added", key[0], None, said, places=(None, place))


def _told_findings(report: Report) -> dict[tuple[str, ...], list[tuple[str, Place | None]]]:
    """Sentence and place of each finding, by what makes it the same one."""
    from ..views.listed import Teller

    tell, graph = Teller(report.graph, report.lang), report.graph
    found: dict[tuple[str, ...], list[tuple[str, Place | None]]] = defaultdict(list)
    for finding in report.findings:
        place = report.trace.places[finding.places[0]] if finding.places else None
        name = graph.label(finding.tensors[0]) if finding.tensors else ""
        key = (finding.code, finding.variant, _one_line(graph.segment(place)), name)
        found[key].append((tell.message(finding), place))
    return found


# -- calls -------------------------------------------------------------------------------------
def _calls(before: Report, after: Report) -> Iterator[Entry]:
    """Calls that differ, and the first value that does."""
    pairs = _paired_calls(before, after)
    for first, second in pairs:
        entry = _entry("call", first, second)
        if entry is not None:
            yield entry
    yield from _value(pairs, before, after)


def _paired_calls(before: Report, after: Report) -> list[Pair[_Told]]:
    pairs = aligned(_told_calls(before), _told_calls(after), key=lambda one: one.key)
    pairs = joined(pairs, key=lambda one: (one.name, one.module))
    return joined(pairs, key=lambda one: one.name)


def _told_calls(report: Report) -> list[_Told]:
    codes: dict[Place | None, str] = {}
    return [_told_call(report, call, codes) for call in report.graph.operations]


def _told_call(report: Report, call: Call, codes: dict[Place | None, str]) -> _Told:
    graph = report.graph
    place = graph.place(call.places)
    code = own = _code(report, place, codes)
    for tensor in call.inputs:
        maker = graph.maker(tensor)
        inner = "" if maker is None else _code(report, graph.place(maker.places), codes)
        if inner and inner != code:
            own = own.replace(inner, "□", 1).replace("(□)", "□")
    module = None if call.scope is None else report.trace.scopes[call.scope].path
    return _Told(call, call.name, module, place, code, own, _features(report, call))


def _code(report: Report, place: Place | None, codes: dict[Place | None, str]) -> str:
    """The source of a place in one line, looked up once."""
    if place not in codes:
        codes[place] = _one_line(report.graph.segment(place))
    return codes[place]


def _features(report: Report, call: Call) -> tuple[str, ...]:
    """What is told of a call besides its source: what it gave and what it did to the graph."""
    result = report.trace.tensors[call.outputs[0]] if call.outputs else None
    constants = (str(value) if key.isdigit() else f"{key}={value}" for key, value in call.constants)
    return (
        "" if result is None else f"{result.dtype} {shape_text(result.shape)}",
        "" if result is None else result.device,
        ", ".join(constants),
        "" if result is None else f"requires_grad={result.requires_grad}",
        call.cut or "", "in-place" if call.inplace else "", error_text(call.error) or "",
        ", ".join(report.trace.nodes[node].name for node in call.nodes),
    )  # fmt: skip


def _value(pairs: Sequence[Pair[_Told]], before: Report, after: Report) -> Iterator[Entry]:
    """The first tensor whose value differs, as far as values are known: what comes after follows from it."""
    for first, second in pairs:
        rows = [(*one.row.inputs, *one.row.outputs) for one in (first, second) if one and isinstance(one.row, Call)]
        for one, other in zip(*rows, strict=False) if len(rows) == 2 else ():
            tensors = before.trace.tensors[one], after.trace.tensors[other]
            apart = distance(*tensors)
            if apart:
                places = before.graph.tensor_place(one), after.graph.tensor_place(other)
                ends = plain(tensors[0]), plain(tensors[1])
                yield Entry("value", "changed", before.graph.label(one), *ends, None, places, apart)
                return


# -- updates -----------------------------------------------------------------------------------
_BY_HAND = frozenset({"set", "cleared", "zeroed", "changed", "updated"})
"""Kinds of events in which the user's code wrote to a leaf or to a `.grad`."""


def _updates(before: Report, after: Report) -> Iterator[Entry]:
    """Steps and `zero_grad()` of optimizers, and what was written to leaves and to their `.grad` by hand."""
    pairs = aligned(_told_updates(before), _told_updates(after), key=lambda one: one.key)
    for first, second in joined(pairs, key=lambda one: one.name):
        entry = _entry("update", first, second)
        if entry is not None:
            yield entry


def _told_updates(report: Report) -> list[_Told]:
    graph, trace = report.graph, report.trace
    steps = sorted(trace.optimizer_steps, key=lambda step: step.at)
    starts = [step.at for step in steps]
    found = [(step.at, step.kind, graph.place(step.places)) for step in steps]
    for obj, events in graph.events.items():
        name = graph.object_name(obj) or "tensor"
        for event in events:
            last = bisect.bisect_right(starts, event.at) - 1
            by_optimizer = event.step is not None or (last >= 0 and event.at <= steps[last].end)
            if event.kind in _BY_HAND and not by_optimizer:
                found.append((event.at, name if event.kind == "updated" else f"{name}.grad", event.place))
    codes: dict[Place | None, str] = {}
    told = []
    for _, name, place in sorted(found, key=lambda one: one[0]):
        code = _code(report, place, codes)
        told.append(_Told(None, name, None, place, code, code, ()))
    return told


# -- nodes and what they save ------------------------------------------------------------------
def _nodes(before: Report, after: Report) -> Iterator[Entry]:
    """How many nodes there are of each kind."""
    had, has = (Counter(node.name for node in report.trace.nodes) for report in (before, after))
    for name in sorted(had.keys() | has.keys()):
        if had[name] != has[name]:
            yield Entry("node", _change(had[name] or None, has[name] or None), name, had[name], has[name])


def _saved(before: Report, after: Report) -> Iterator[Entry]:
    """Bytes saved for backward, shared memory counted once: in all, and by each line."""
    total = before.graph.unique_bytes(before.trace.saved)[0], after.graph.unique_bytes(after.trace.saved)[0]
    if total[0] != total[1]:
        yield Entry("saved", "changed", "", *total)
    had, has = _by_line(before), _by_line(after)
    for code in dict.fromkeys([*had, *has]):
        one, other = had.get(code, (None, None)), has.get(code, (None, None))
        if one[0] != other[0]:
            yield Entry("saved", _change(one[0], other[0]), code, one[0], other[0], places=(one[1], other[1]))


def _by_line(report: Report) -> dict[str, tuple[int | None, Place | None]]:
    """By text of the line: the bytes that its nodes saved, and the first place there."""
    graph = report.graph
    lines: dict[str, list[Saved]] = defaultdict(list)
    places: dict[str, Place] = {}
    for row in report.trace.saved:
        place = graph.node_place(report.trace.nodes[row.node])
        if place is not None:
            code = graph.line_text(place.source, place.line).strip()
            lines[code].append(row)
            places.setdefault(code, place)
    return {code: (graph.unique_bytes(rows)[0], places[code]) for code, rows in lines.items()}


# -- backwards and gradients -------------------------------------------------------------------
def _backwards(before: Report, after: Report) -> Iterator[Entry]:
    pairs = aligned(_told_backwards(before), _told_backwards(after), key=lambda one: one.key)
    for first, second in joined(pairs, key=lambda one: one.name):
        entry = _entry("backward", first, second)
        if entry is None and first is not None and second is not None:
            entry = _loss_entry(first, _loss(before, first.row), _loss(after, second.row), second.place)
        if entry is not None:
            yield entry
    had, has = _runs(before), _runs(after)
    for code in dict.fromkeys(_code_of(one, loop) for one in (before, after) for loop in one.trace.loops):
        if had[code] != has[code]:
            yield Entry("backward", "changed", code, f"iterations={had[code]}", f"iterations={has[code]}")


def _runs(report: Report) -> Counter[str]:
    """By its source: how often a backward ran, with the iterations of loops that are not kept."""
    counts = Counter(_code_of(report, row) for row in report.trace.backwards)
    for loop in report.trace.loops:
        counts[_code_of(report, loop)] += loop.dropped
    return counts


def _code_of(report: Report, row: Backward | Loop) -> str:
    return _one_line(report.graph.segment(report.graph.place(row.places)))


def _told_backwards(report: Report) -> list[_Told]:
    return [_told_backward(report, row) for row in report.trace.backwards]


def _told_backward(report: Report, row: Backward) -> _Told:
    graph = report.graph
    place, code = graph.place(row.places), _code_of(report, row)
    inputs = () if row.inputs is None else (graph.label(tensor) for tensor in row.inputs)
    features = (
        row.kind, f"retain_graph={row.retain_graph}", f"create_graph={row.create_graph}", f"order={row.order}",
        f"nodes={len(graph.steps_in(row.id))}", f"inputs={', '.join(inputs)}", error_text(row.error) or "",
    )  # fmt: skip
    return _Told(row, ", ".join(graph.label(root) for root in row.roots), None, place, code, code, features)


def _loss_entry(one: _Told, first: Tensor | None, second: Tensor | None, place: Place | None) -> Entry | None:
    """Two backwards that ran in the same manner, from different losses."""
    apart = None if first is None or second is None else distance(first, second)
    if first is None or second is None or not apart:
        return None
    return Entry("backward", "changed", one.name, plain(first), plain(second), None, (one.place, place), apart)


def _loss(report: Report, row: Call | Backward | None) -> Tensor | None:
    """What a backward began from, where that is one single number."""
    if not isinstance(row, Backward) or len(row.roots) != 1:
        return None
    root = report.trace.tensors[row.roots[0]]
    return None if root.value is None or number(root.value) is None else root


def _gradients(before: Report, after: Report) -> Iterator[Entry]:
    """What the `.grad` of each leaf held at the end, leaves of one name in their order."""
    had, has = _last_grads(before), _last_grads(after)
    for key in dict.fromkeys([*had, *has]):
        entry = _gradient_entry(key[0], had.get(key), has.get(key))
        if entry is not None:
            yield entry


def _last_grads(report: Report) -> dict[tuple[str, int], Gradient]:
    graph = report.graph
    seen: Counter[str] = Counter()
    found = {}
    for leaf in graph.leaves:
        name = graph.label(leaf.id)
        gradient = graph.last_grad(leaf.object)
        if gradient is not None:
            found[name, seen[name]] = gradient
        seen[name] += 1
    return found


def _gradient_entry(name: str, first: Gradient | None, second: Gradient | None) -> Entry | None:
    if first is None or second is None:
        return Entry("gradient", _change(first, second), name, _size_or_kind(first), _size_or_kind(second))
    if _kind(first) != _kind(second):
        return Entry("gradient", "changed", name, _kind(first), _kind(second))
    apart = distance(first, second)
    return Entry("gradient", "changed", name, plain(first), plain(second), distance=apart) if apart else None


def _size_or_kind(gradient: Gradient | None) -> str | float | None:
    size = None if gradient is None else plain(gradient)
    return _kind(gradient) if gradient is not None and size is None else size


def _kind(gradient: Gradient) -> str:
    return f"{gradient.dtype} {shape_text(gradient.shape)} {gradient.device}"


PARTS = (_torch, _raised, _findings, _calls, _updates, _nodes, _saved, _backwards, _gradients)
"""In the order in which they are told."""
