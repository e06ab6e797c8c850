"""The source of a recording, line by line, with what each line made, saved and got back."""

from __future__ import annotations

import functools
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

from ..trace import Backward, Call, Place, Saved, Source, Tensor
from . import format
from .items import Items
from .phrases import Phrases
from .products import through
from .told import Told

GRADIENT = 20
"""Longest gradient in the gutter, in characters."""

Key = tuple[int, int]
"""Source and line."""


class Lines:
    """Lines of the sources of one trace."""

    def __init__(self, phrases: Phrases, items: Items, findings: Sequence[Told]) -> None:
        self.phrases, self.items, self.findings = phrases, items, findings
        self.graph, self.trace = phrases.graph, phrases.trace

    def sources(self) -> list[dict[str, Any]]:
        """Every source with its known lines, the recorded cell first."""
        rows = sorted(self.trace.sources, key=lambda row: (row.id != self.trace.source, row.id))
        found = [self._source(row) for row in rows]
        return [source for source in found if source["lines"]]

    def _source(self, row: Source) -> dict[str, Any]:
        numbers = range(1, len(self.graph.source_lines(row.id)) + 1) if row.text is not None else None
        known = numbers if numbers is not None else sorted(int(n) for n in row.line_texts)
        lines = [self._line(row.id, n) for n in known]
        label = self.phrases.source(row)
        return {"id": str(row.id), "label": label, "main": row.id == self.trace.source, "lines": lines}

    def _line(self, source: int, n: int) -> dict[str, Any]:
        key = (source, n)
        saved = self.saved.get(key)
        return {
            "n": n,
            "id": f"L{source}:{n}",
            "text": format.clean(self.graph.line_text(source, n), keep="\t"),
            "made": self._made(key),
            "saved": format.bytes_text(self.graph.unique_bytes(saved)[0]) if saved else "",
            "grad": self.gradients.get(key, ""),
            "marks": self.marks.get(key, []),
            "findings": [f.id for f in self.findings if f"L{source}:{n}" in f.links],
        }

    def _made(self, key: Key) -> str:
        names = Counter(self.made.get(key, ()))
        return ", ".join(name if count == 1 else f"{name} ×{count}" for name, count in names.items())

    @functools.cached_property
    def made(self) -> dict[Key, list[str]]:
        """Names of the nodes that each line made."""
        found: dict[Key, list[str]] = defaultdict(list)
        for node in self.trace.nodes:
            place = self.graph.node_place(node)
            if place is not None:
                found[place.source, place.line].append(format.clean(node.name))
        return found

    @functools.cached_property
    def saved(self) -> dict[Key, list[Saved]]:
        """What the nodes that each line made keep for backward."""
        found: dict[Key, list[Saved]] = defaultdict(list)
        for row in self.trace.saved:
            place = self.graph.node_place(self.trace.nodes[row.node])
            if place is not None:
                found[place.source, place.line].append(row)
        return found

    @functools.cached_property
    def gradients(self) -> dict[Key, str]:
        """The gradient of the tensor that each line named, the last one of several."""
        last: dict[Key, Tensor] = {}
        for name in self.trace.names:
            if name.place is not None:
                place = self.trace.places[name.place]
                last[place.source, place.line] = self.trace.tensors[name.tensor]
        found = {key: self.graph.last_grad(row.object) or self.graph.gradient(row.id) for key, row in last.items()}
        return {key: self.phrases.value(gradient, GRADIENT) for key, gradient in found.items() if gradient is not None}

    @functools.cached_property
    def marks(self) -> dict[Key, list[tuple[int, int, str]]]:
        """Spans of the drawn calls and the backwards, each span once, with the first item that stands for it."""
        found: dict[Key, dict[tuple[int, int], str]] = defaultdict(dict)
        rows: list[tuple[str, Call | Backward]] = [(f"c{call.id}", call) for call in self.graph.operations]
        rows += [(f"b{row.id}", row) for row in self.trace.backwards]
        # What a function of torch's did is drawn as the last of its backwards.
        inner = {item for item, row in rows if through(self.graph, row.places)}
        for item, row in [*(pair for pair in rows if pair[0] not in inner), *(p for p in rows[::-1] if p[0] in inner)]:
            place = self.graph.place(row.places)
            if place is None:
                continue
            for line, start, end in self._spans(place):
                found[place.source, line].setdefault((start, end), item)
        return {key: [(*span, item) for span, item in sorted(spans.items())] for key, spans in found.items()}

    def _spans(self, place: Place) -> list[tuple[int, int, int]]:
        """(line, start, end) of a place, in characters, one for each line of it."""
        if place.column is None or place.end_line is None or place.end_column is None:
            return []
        spans = []
        for line in range(place.line, place.end_line + 1):
            text = self.graph.line_text(place.source, line)
            indent = len(text) - len(text.lstrip())
            start = place.column if line == place.line else indent
            end = place.end_column if line == place.end_line else len(text)
            if start < end:
                spans.append((line, start, min(end, len(text))))
        return spans
