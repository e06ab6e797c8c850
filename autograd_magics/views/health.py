"""How gradients fare, for every view: tables that can be sorted, colours of the graph, facts of folded modules.

* `payload(...)`: what the front end draws: tables, the plot by layer, and by item and wire the RMS of the gradient.
* `lines(phrases)`: the table of the leaves for a terminal.
* `fold(phrases, nodes)`: the gradients inside a folded module, in a few characters.

The figures themselves are those of `health.py`.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from .. import health
from ..health import Edge, Figures, Parameter
from ..trace import Call
from . import figures, format
from .health_plot import plot
from .items import Items
from .ledger import is_inner
from .phrases import Phrases
from .wrapping import aligned_rows

FEW = 6
"""Leaves that need no table of their own: their ledgers stand one below the other."""
ROWS, EDGES = 1000, 300
"""Rows of the tables of leaves and of edges, and of that of a terminal; the rest is counted."""
LINES = 30
BANDS = 6
"""Colours of the graph."""
DIGITS = 3

COLUMNS = ("leaf", "shape", "value", "grad", "ratio", "max", "zeros", "odd")
EDGE_COLUMNS = ("edge", "layer", "grad", "max", "zeros", "odd")

Json = dict[str, Any]
NOTHING: Json = {"items": {}, "wires": {}, "scale": None}
Size = float | str


def payload(phrases: Phrases, items: Items, pictures: Json, known: set[str]) -> Json | None:
    """What the front end shows; None where there is nothing that the ledgers do not tell.

    pictures: as in the payload.  known: items with details, which can be selected.
    """
    rows = _leaves(phrases)
    measured = _measured(phrases)
    unknown = any(row.arrived and row.gradient is None for row in rows)
    if not measured and not (len(rows) > FEW or unknown):
        return None
    told = any(row.gradient is not None for row in rows)
    tables = [_leaf_table(phrases, items, rows, known)] if told and (measured or len(rows) > FEW) else []
    edges = list(health.edges(phrases.graph)) if measured else []
    if measured:
        tables.append(_edge_table(phrases, edges, known))
    return {
        "hint": phrases.text("view.h_hint") if unknown and not measured else "",
        "tables": [table for table in tables if table["rows"]],
        "plot": plot(phrases, rows) if told or measured else None,
        **(_Sizes(phrases, items, rows, edges).data(pictures) if measured else NOTHING),
    }


def _leaves(phrases: Phrases) -> list[Parameter]:
    graph = phrases.graph
    return [row for row in health.parameters(graph) if not is_inner(graph, graph.trace.tensors[row.tensor])]


def _measured(phrases: Phrases) -> bool:
    """Whether figures of larger gradients were asked for."""
    trace = phrases.trace
    sent = (gradient for step in trace.steps for gradient in (*step.received, *step.sent))
    return any(gradient is not None and gradient.stats is not None for gradient in sent)


# -- tables ------------------------------------------------------------------------------------
def _leaf_table(phrases: Phrases, items: Items, rows: list[Parameter], known: set[str]) -> Json:
    table = _table(phrases, "leaves", COLUMNS, len(rows) - ROWS)
    for row in rows[:ROWS]:
        tensor = phrases.trace.tensors[row.tensor]
        item = items.tensor(row.tensor)
        cells, keys = _cells(phrases, row.gradient, "" if row.arrived else "None")
        value = row.value.rms if row.value is not None else None
        texts = [phrases.label(row.tensor), format.shape_text(tensor.shape), _number(phrases, value), cells[0]]
        table["rows"].append({
            "id": item if item in known else None,
            "cells": [*texts, _number(phrases, row.ratio), *cells[1:]],
            "keys": [None, math.prod(tensor.shape), _key(value), keys[0], _key(row.ratio), *keys[1:]],
            "size": size(row.gradient),
        })  # fmt: skip
    return table


def _edge_table(phrases: Phrases, edges: list[Edge], known: set[str]) -> Json:
    table = _table(phrases, "edges", EDGE_COLUMNS, len(edges) - EDGES)
    for edge in edges[:EDGES]:
        node = edge.step.node
        layer = health.layer(phrases.graph, node) or ""
        cells, keys = _cells(phrases, edge.figures)
        names = [format.clean(phrases.trace.nodes[n].name).removesuffix("Backward0") for n in (node, edge.target)]
        table["rows"].append({
            "id": f"n{node}" if f"n{node}" in known else None,
            "cells": [" → ".join(names), format.clip(format.clean(layer), 32), *cells],
            "keys": [None, None, *keys],
            "size": size(edge.figures),
        })  # fmt: skip
    return table


def _table(phrases: Phrases, name: str, columns: Iterable[str], more: int) -> Json:
    return {
        "title": phrases.text(f"view.h_{name}"),
        "columns": [phrases.text(f"view.h_{column}") for column in columns],
        "rows": [],
        "more": phrases.count("view.more", more) if more > 0 else "",
    }


def _cells(phrases: Phrases, known: Figures | None, unknown: str = "") -> tuple[list[str], list[float | None]]:
    """Texts and keys for sorting of RMS, maximum, share of zeros, and what is not finite."""
    if known is None or not known.elements:
        return [unknown, "", "", ""], [None] * 4
    odd = " ".join(f"{count} {name}" for count, name in ((known.nan, "NaN"), (known.inf, "Inf")) if count)
    zeros = figures.percent(known.zeros, known.elements) if known.zeros else "0"
    cells = [_number(phrases, known.rms), _number(phrases, known.max), zeros, f"{format.ODD} {odd}" if odd else "0"]
    return cells, [_key(known.rms), _key(known.max), _key(known.zeros / known.elements), known.odd]


def _number(phrases: Phrases, value: float | None) -> str:
    return "" if value is None else format.number(value, phrases.minus, DIGITS)


def _key(value: float | None) -> float | None:
    """A number for sorting, in as few characters as tell neighbours apart; JSON has none that are not finite."""
    return None if value is None or not math.isfinite(value) else float(f"{value:.5g}")


def lines(phrases: Phrases) -> list[str]:
    """The table of the leaves for a terminal, where figures of larger gradients were asked for."""
    rows = _leaves(phrases) if _measured(phrases) else []
    if not rows:
        return []
    half, more = LINES // 2, len(rows) - LINES
    shown = rows if more <= 0 else [*rows[:half], *rows[-half:]]
    heads = [phrases.text(f"view.h_{column}") for column in COLUMNS if column != "shape"]
    told = aligned_rows([heads, *(_line(phrases, row) for row in shown)], "  ", " " * 8)
    if more > 0:
        told.insert(half + 1, [f"  … {phrases.count('view.more', more)}"])
    return [line for lines in told for line in lines]


def _line(phrases: Phrases, row: Parameter) -> list[str]:
    cells, _ = _cells(phrases, row.gradient, "" if row.arrived else "None")
    value = _number(phrases, row.value.rms if row.value is not None else None)
    told = [phrases.label(row.tensor), value, cells[0], _number(phrases, row.ratio), *cells[1:]]
    return [cell or "-" for cell in told]


# -- the graph ---------------------------------------------------------------------------------
def size(known: Figures | None) -> Size | None:
    """A gradient as its colour needs it: the RMS, 0 for nothing but zeros, `"nan"` or `"inf"`; None if not known."""
    if known is None or not known.elements:
        return None
    if known.odd:
        return "nan" if known.nan else "inf"
    return None if known.rms is None else float(f"{known.rms:.2g}")


class _Sizes:
    """The gradients of what is drawn."""

    def __init__(self, phrases: Phrases, items: Items, leaves: list[Parameter], edges: list[Edge]) -> None:
        self.graph, self.items, self.leaves, self.edges = phrases.graph, items, leaves, edges

    def data(self, pictures: Json) -> Json:
        """By item, by folded group and by wire (`"n3>n7"`) the size of the gradient, and the scale of the colours."""
        boxes = {box["id"] for picture in pictures.values() for box in _boxes(picture)}
        drawn = {box.partition("~")[0] for box in boxes}
        found = {item: known for item, known in self._items() if item in drawn}
        told = self._wires(drawn).items()
        wires = {f"{start}>{end}": known for (start, end), known in told if known != found.get(_usual(start, end))}
        for picture in pictures.values():
            found |= _of_groups(picture.get("tree"), found)
        numbers = [one for one in (*found.values(), *wires.values()) if isinstance(one, float) and one > 0]
        return {"items": found, "wires": wires, "scale": _scale(numbers)}

    def _items(self) -> Iterator[tuple[str, Size]]:
        known = {node: health.arrived(step) for node, step in health.steps(self.graph).items()}
        sizes = {node: found for node, one in known.items() if (found := size(one)) is not None}
        yield from ((f"n{node}", found) for node, found in sizes.items())
        yield from ((f"c{call.id}", sizes[call.nodes[-1]]) for call in self._calls() if call.nodes[-1] in sizes)
        for row in self.graph.trace.tensors:
            if row.node in sizes:
                one = size(health.figures(self.graph.gradient(row.id))) if row.output_nr else sizes[row.node]
                if one is not None:
                    yield self.items.tensor(row.id), one
        for leaf in self.leaves:
            one = size(leaf.gradient)
            if one is not None:
                states = self.graph.states[self.graph.trace.tensors[leaf.tensor].object]
                yield from ((self.items.tensor(state.id), one) for state in states)

    def _calls(self) -> Iterator[Call]:
        return (call for call in self.graph.operations if call.nodes)

    def _wires(self, drawn: set[str]) -> dict[tuple[str, str], Size]:
        """What was sent along each edge, by its ends in both pictures; the worst where several share them."""
        found: dict[tuple[str, str], list[Figures]] = defaultdict(list)
        nodes = self.graph.trace.nodes
        for edge in self.edges:
            node = nodes[edge.step.node]
            ends = [(f"n{node.id}", f"n{edge.target}")]
            if f"c{node.call}" in drawn and node.call is not None:
                call = self.graph.trace.calls[node.call]
                ends += [(start, f"c{call.id}") for start in self._starts(call, edge.target)]
            for pair in ends:
                if drawn.issuperset(pair):
                    found[pair].append(edge.figures)
        sizes = ((pair, size(health.worst(several))) for pair, several in found.items())
        return {pair: known for pair, known in sizes if known is not None}

    def _starts(self, call: Call, target: int) -> set[str]:
        """The boxes of what a call took from a node: the tensors, and the calls that made them."""
        found = set()
        for tensor in call.inputs:
            row = self.graph.trace.tensors[tensor]
            if (self.graph.accumulator(row.object) if row.node is None else row.node) == target:
                found |= {self.items.tensor(tensor), f"c{row.call}"}
        return found


def _boxes(picture: Json) -> Iterator[Json]:
    yield from picture.get("boxes", ())
    yield from (picture.get("tree") or {}).get("boxes", ())


def _usual(start: str, end: str) -> str:
    """The item whose gradient a wire has where nothing else is told: its end that is nearer to the leaves."""
    return end if start.startswith("n") else start


def _of_groups(tree: Json | None, sizes: dict[str, Size]) -> dict[str, Size]:
    """For each folded group what is worst inside, else the median."""
    if not tree:
        return {}
    inside: dict[int, list[Size]] = defaultdict(list)
    for box, group in zip(tree["boxes"], tree["scope"], strict=True):
        known = sizes.get(box["id"].partition("~")[0])
        while known is not None and group is not None and group >= 0:
            inside[group].append(known)
            group = tree["groups"][group]["parent"]
    return {tree["groups"][group]["id"]: _middle(known) for group, known in inside.items()}


def _middle(known: list[Size]) -> Size:
    for odd in ("nan", "inf"):
        if odd in known:
            return odd
    numbers = sorted(one for one in known if isinstance(one, float))
    return 0.0 if numbers[0] == 0 else numbers[len(numbers) // 2]


def _scale(numbers: list[float]) -> Json | None:
    """Bands of whole decades, at most `BANDS`: exponents of both ends, decades of each band, and how many."""
    if not numbers:
        return None
    low, high = math.floor(math.log10(min(numbers))), math.floor(math.log10(max(numbers))) + 1
    step = math.ceil((high - low) / BANDS)
    return {"low": low, "high": high, "step": step, "bands": math.ceil((high - low) / step)}


# -- folded modules ----------------------------------------------------------------------------
def fold(phrases: Phrases, nodes: Iterable[int]) -> str:
    """The gradients that reached these nodes: `∇ 2e−5 … 0.01 · 0 ×3`, `⚠ NaN ×2`; empty where none is known."""
    return folded(phrases, health.of_nodes(phrases.graph, nodes))


def folded(phrases: Phrases, known: health.Summary | None) -> str:
    """The same of what is known of them."""
    if known is None:
        return ""
    odd = [f"{name} ×{count}" for count, name in ((known.nan, "NaN"), (known.inf, "Inf")) if count]
    if odd:
        return f"{format.ODD} {' '.join(odd)}"
    ends = dict.fromkeys(format.number(end, phrases.minus, 1) for end in (known.low, known.high) if end is not None)
    zeros = [f"0 ×{known.zeros}"] if known.zeros else []
    return f"∇ {' · '.join([*filter(None, [' … '.join(ends)]), *zeros])}"
