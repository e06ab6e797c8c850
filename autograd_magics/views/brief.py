"""Large recordings: which items have all their details, and what is told briefly of the others.

Finished sentences for every item of 100,000 nodes are too many to write, to send and to keep.  `columns` has of every
call, tensor and node what a short detail needs: name, line, and what it hangs together with, by number.  The front end
(`front/columns.ts`) makes the details, the relations and the captions from that when they are asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from .. import settings
from ..trace import Place
from . import format
from .boxes import Picture
from .items import Items
from .phrases import Phrases
from .scoped.tree import Group

Json = dict[str, Any]

WHOLE = 600
"""Up to so many items all have all their details, whatever the setting `details` says."""
WORDS = ("line", "input", "output", "made_node", "kind", "made_by", "grad_fn", "leaf", "next")


def chosen(candidates: Iterable[str]) -> tuple[list[str], int]:
    """The items that have all their details, and how many have not; the most important candidates come first."""
    found = list(dict.fromkeys(candidates))
    limit = max(settings.limits.details, WHOLE if len(found) <= WHOLE else 0)
    return sorted(found[:limit], key=lambda item: (item[0], int(item[1:]))), max(0, len(found) - limit)


def groups(pictures: Iterable[Picture], *, whole: bool) -> list[Group]:
    """The groups that have all their details: unless all of them, those seen at first, then the outer ones."""
    found: list[tuple[bool, int, Group]] = []
    for picture in pictures:
        seen = {box.id for box in picture.boxes} | {frame.id for frame in picture.frames}
        depth: list[int] = []
        for group in picture.tree.groups if picture.tree is not None else ():
            depth.append(0 if group.parent < 0 else depth[group.parent] + 1)
            found.append((group.id not in seen, depth[-1], group))
    if not whole:
        found = sorted(found, key=lambda one: one[:2])[: settings.limits.details]
    return [group for _, _, group in found]


def hints(phrases: Phrases, told: int, left_out: int, ledgers: int) -> list[str]:
    """Sentences that say what is left out, and how to see it: details of items, stories of leaves."""
    found = []
    if left_out:
        found.append(phrases.text("view.hint_details", n=told, total=told + left_out))
    if ledgers == settings.limits.leaves and (total := _stories(phrases)) > ledgers:
        found.append(phrases.text("view.brief_leaves", n=ledgers, total=total))
    return found


def _stories(phrases: Phrases) -> int:
    """How many tensors have a story of their `.grad`."""
    return len({row.object for row in phrases.graph.leaves} | set(phrases.graph.changes_by_object))


class Columns:
    """What is told of the items of one trace."""

    def __init__(self, phrases: Phrases, items: Items) -> None:
        self.phrases, self.items = phrases, items
        self.graph, self.trace = phrases.graph, phrases.trace
        self._lines: dict[str, int] = {}
        self._places: list[Place] = []
        self._known: dict[tuple[int, ...], int] = {}

    def data(self) -> Json:
        """The columns; -1 stands for none."""
        calls, tensors, nodes = self._calls(), self._tensors(), self._nodes()
        lines = [
            {"id": item, "text": self.phrases.line(place), "code": self.phrases.statement(place)}
            for item, place in zip(self._lines, self._places, strict=True)
        ]
        words = {key: self.phrases.text(f"view.d_{key}") for key in WORDS}
        return {"words": words, "lines": lines, "calls": calls, "tensors": tensors, "nodes": nodes}

    def _line(self, places: Sequence[int]) -> int:
        """The index of the line that places are shown at."""
        key = tuple(places)
        if key not in self._known:
            place = self.graph.place(key)
            item = self.items.line(place)
            if place is not None and item is not None and item not in self._lines:
                self._lines[item] = len(self._lines)
                self._places.append(place)
            self._known[key] = -1 if item is None else self._lines[item]
        return self._known[key]

    def _calls(self) -> Json:
        rows = self.graph.operations
        return {
            "id": [row.id for row in rows],
            "name": [format.clean(row.qualified) for row in rows],
            "line": [self._line(row.places) for row in rows],
            "inputs": [list(dict.fromkeys(row.inputs)) for row in rows],
            "outputs": [list(row.outputs) for row in rows],
            "nodes": [list(row.nodes) for row in rows],
        }

    def _tensors(self) -> Json:
        drawn = {call.id for call in self.graph.operations}
        leaves = (self.items.tensor(row.id) for row in self.graph.leaves)
        rows = [self.trace.tensors[t] for t in sorted(self.items.drawn.union(int(item[1:]) for item in leaves))]
        return {
            "id": [row.id for row in rows],
            "name": [self.phrases.label(row.id) for row in rows],
            "kind": [format.tensor_text(row.dtype, row.shape) for row in rows],
            "call": [row.call if row.call in drawn else -1 for row in rows],
            "node": [-1 if row.node is None else row.node for row in rows],
        }

    def _nodes(self) -> Json:
        rows, calls = self.trace.nodes, self.trace.calls
        drawn = {call.id for call in self.graph.operations}
        own = [() if row.place is None else (row.place,) for row in rows]
        places = [own[row.id] if row.call is None else calls[row.call].places for row in rows]
        return {
            "name": [format.clean(row.name) for row in rows],
            "line": [self._line(place) for place in places],
            "call": [row.call if row.call in drawn else -1 for row in rows],
            "leaf": [-1 if row.leaf is None else int(self.items.tensor(row.leaf)[1:]) for row in rows],
            "next": [[-1 if target is None else target for target, _ in row.edges] for row in rows],
        }


def items_of(columns: Json) -> Iterable[str]:
    """Every item that there is a short detail of."""
    yield from (f"c{id}" for id in columns["calls"]["id"])
    yield from (f"t{id}" for id in columns["tensors"]["id"])
    yield from (f"n{id}" for id in range(len(columns["nodes"]["name"])))
