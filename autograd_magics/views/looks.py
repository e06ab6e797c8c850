"""From which moment on each thing of the view is there, and how it looks until then: `Looks(moments, ...)`.

A history is a list of `[moment, text]`: the text that stands there from that moment on; before the first there is none.
After the last moment everything is as the rest of the payload has it.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from functools import cache, cached_property
from typing import Any

from .. import story
from ..trace import GradChange, Gradient, Node, Saved, Tensor
from . import format
from .additions import added, last_change
from .boxes import TEXT_PX
from .ledger import shown
from .lines import GRADIENT
from .moments import Moments
from .tables import SAVED, VALUE

Json = dict[str, Any]
History = list[list[Any]]
SLACK = 24
"""By so much, in px, a text may be wider than the room of its box while the recording plays."""


def compact(found: Iterable[tuple[int, str]], first: int = 0) -> History:
    """A history from (moment, text) in order: only what can be seen from `first` on, each text where it changes."""
    history: History = []
    for moment, text in found:
        at = max(moment, first)
        if history and history[-1][0] == at:
            history.pop()
        if text != (history[-1][1] if history else ""):
            history.append([at, text])
    return history


class Looks:
    """Looks of one trace's boxes, rows and lines."""

    def __init__(self, moments: Moments, most: int | None = None) -> None:
        """most: longer histories of lines, and of all that is kept, have their last text only."""
        self.most = most
        self.moments, self.phrases, self.items = moments, moments.phrases, moments.items
        self.graph, self.trace = moments.graph, moments.trace

    # -- when it begins ------------------------------------------------------------------------
    def born(self, item: str) -> int:
        """The moment from which on a tensor, call, node or backward is there."""
        kind, number = item[0], int(item[1:])
        if kind == "c":
            return self.moments.of("calls", number)
        if kind == "b":
            return self.moments.of("results", number)
        return self._node_born(self.trace.nodes[number]) if kind == "n" else self.tensor_born(number)

    def tensor_born(self, tensor: int) -> int:
        """The moment from which on a state of a tensor is there; 0 for what existed before."""
        row = self.trace.tensors[tensor]
        if row.call is not None:
            return self.moments.of("calls", row.call)
        if tensor in self._results:
            return self.moments.of("results", self._results[tensor])
        first = self.graph.states[row.object][0].id == tensor and row.grad_of is None and row.node is None
        return 0 if first else self.moments.at(row.at)

    @cached_property
    def _results(self) -> dict[int, int]:
        """By tensor row: the backward that returned it."""
        return {t: row.id for row in self.trace.backwards for t in row.results if t is not None}

    def _node_born(self, node: Node) -> int:
        if node.call is not None:
            return self.moments.of("calls", node.call)
        return 0 if node.origin == "earlier" else self.moments.at(node.at)

    # -- pictures ------------------------------------------------------------------------------
    def picture(self, picture: Json) -> Json:
        """Since when each box is there; by its index its gradient, and whether it keeps tensors."""
        boxes = picture["boxes"]
        items = [box["ghost_of"] or box["id"] for box in boxes]
        born = self._births(picture, items)
        ran = self._ran(picture)
        below: dict[str, History] = {}
        kept: dict[str, History] = {}
        for index, (box, item) in enumerate(zip(boxes, items, strict=True)):
            if box["below"] and box["style"] != "cut":
                room = int((box["w"] + SLACK) / format.pixels("0", TEXT_PX))
                history = self._below(box, item, born[index], ran[index])
                below[str(index)] = [[at, format.clip(text, room)] for at, text in history]
            if item in self._keeping:
                kept[str(index)] = self._keeping[item]
        return {"born": born, "below": below, "kept": kept}

    def _births(self, picture: Json, items: list[str]) -> list[int]:
        """Since when each box is there; a leaf that is drawn again comes with what it is drawn for."""
        born = [self.born(item) for item in items]
        index = {box["id"]: i for i, box in enumerate(picture["boxes"])}
        uses: dict[int, list[int]] = defaultdict(list)
        for wire in picture["wires"]:
            one, other = index[wire["from"]], index[wire["to"]]
            uses[one].append(born[other])
            uses[other].append(born[one])
        again = [box["ghost_of"] is not None for box in picture["boxes"]]
        return [max(at, min(uses[i], default=0)) if again[i] else at for i, at in enumerate(born)]

    def _ran(self, picture: Json) -> list[frozenset[int]]:
        """For each box: the backwards that ran through the part of the picture that it stands in, and ended well."""
        parts = {box["id"]: {box["id"]} for box in picture["boxes"]}
        for wire in picture["wires"]:
            one, other = parts[wire["from"]], parts[wire["to"]]
            if one is not other:
                small, large = sorted((one, other), key=len)
                large |= small
                for box in small:
                    parts[box] = large
        found: dict[int, set[int]] = defaultdict(set)
        for item, backward in self._through:
            if item in parts:
                found[id(parts[item])].add(backward)
        return [frozenset(found[id(parts[box["id"]])]) for box in picture["boxes"]]

    @cached_property
    def _through(self) -> list[tuple[str, int]]:
        """Boxes of roots and nodes, each with a backward that began or came there."""
        well = [row for row in self.trace.backwards if row.error is None]
        ok = {row.id for row in well}
        begun = [(f"t{t}", row.id) for row in well for t in row.roots]
        inner = {node.id for node in self.trace.nodes if node.leaf is None}
        steps = [step for step in self.trace.steps if step.backward in ok and step.node in inner]
        return begun + [(f"n{step.node}", step.backward) for step in steps]

    def _below(self, box: Json, item: str, born: int, ran: frozenset[int]) -> History:
        """What stands under a box: the gradient that came there, or what `.grad` holds."""
        number = int(item[1:])
        if item[0] == "n":
            node = self.trace.nodes[number]
            if node.leaf is None:
                return compact(self._came(node), born)
            return self._held(self.trace.tensors[node.leaf], box["below"], born, ran)
        row = self.trace.tensors[number]
        if box["style"] == "leaf":
            return self._held(row, box["below"], born, ran)
        return compact(((at, self.phrases.value(g)) for at, g in self.gradients(number)), born)

    def _came(self, node: Node) -> list[tuple[int, str]]:
        """What came in at a node, in the backwards of the lowest order."""
        steps = self.graph.steps_of(node.id)
        orders = [self.trace.backwards[step.backward].order for step in steps]
        found = []
        for step, order in zip(steps, orders, strict=True):
            if order == min(orders):
                at = max((self.moments.received(step.id, i) for i in range(len(step.received))), default=0)
                found.append((at, ", ".join(self.phrases.value(g) for g in step.received if g is not None)))
        return found

    def gradients(self, tensor: int) -> list[tuple[int, Gradient]]:
        """What reached a tensor and when, of the lowest derivative order; the last is `Graph.gradient`."""
        row = self.trace.tensors[tensor]
        found: list[tuple[int, int, Gradient]] = []
        for step in self.graph.steps_of(row.node) if row.node is not None else ():
            gradient = step.received[row.output_nr] if row.output_nr < len(step.received) else None
            if gradient is not None:
                order = self.trace.backwards[step.backward].order
                found.append((order, self.moments.received(step.id, row.output_nr), gradient))
        if not found:
            found = [(b.order, self.moments.of("results", b.id), g) for b, g in self.graph.gradients(tensor)]
        lowest = min((order for order, _, _ in found), default=0)
        return [(at, gradient) for order, at, gradient in found if order == lowest]

    def _held(self, leaf: Tensor, at_rest: str, born: int, ran: frozenset[int]) -> History:
        """What `.grad` of a leaf holds, up to what the backwards of this part of the picture left there."""
        last = last_change(self._added, leaf.object, ran)
        if last is None:
            returned = [b.id for b, _ in self.graph.gradients(leaf.id) if b.id in ran]
            ends = [self.moments.of("results", b) for b in returned[:1] or ran]
            return [[max([born, *ends]), at_rest]]
        return compact(self._writings(leaf.object, self._grad_text, born, self.of_change(last)), born)

    @cached_property
    def _added(self) -> dict[tuple[int, int], GradChange]:
        return added(self.trace)

    def _grad_text(self, gradient: Gradient | None) -> str:
        return self.phrases.text("view.grad", value=self.phrases.maybe(gradient))

    def _writings(self, obj: int, tell: Any, born: int = 0, until: int | None = None) -> list[tuple[int, str]]:
        """(moment, text) of what `.grad` holds from one moment on, and after each change until another one."""
        changes, moments = self.graph.changes_by_object.get(obj, ()), self._change_moments(obj)
        first = max(bisect_right(moments, born) - 1, 0)
        last = len(changes) if until is None else bisect_right(moments, until)
        start = [(0, tell(changes[0].before))] if changes and changes[0].before is not None and not first else []
        return start + [(moments[i], tell(changes[i].after)) for i in range(first, last)]

    @cache  # noqa: B019 - Looks live as long as one payload is made
    def _change_moments(self, obj: int) -> list[int]:
        return [self.of_change(change) for change in self.graph.changes_by_object.get(obj, ())]

    def of_change(self, change: GradChange) -> int:
        """The moment of a change; what an earlier cell left was there from the beginning."""
        return 0 if change.kind == "earlier" else self.moments.of("changes", change.id)

    def details(self, details: Json, ledgers: Sequence[Json]) -> Json:
        """By item the rows that are not true at any time: `[row, since, ledger]`, that of what `.grad` holds or -1."""
        ledger = {self._object(row["id"]): index for index, row in enumerate(ledgers)}
        found = {item: self._rows(item, row["rows"], ledger) for item, row in details.items() if item[0] == "t"}
        return {item: rows for item, rows in found.items() if rows}

    def _rows(self, item: str, rows: list[Json], ledger: dict[int, int]) -> list[list[int]]:
        now = self.phrases.text("view.d_grad_now")
        found = []
        for index, row in enumerate(rows):
            link = row["link"] or ""
            if row["label"] == now:
                found.append([index, 0, ledger.get(self._object(item), -1)])
            elif link[:1] == "b":
                found.append([index, self.moments.of("results", int(link[1:])), -1])
        return found

    def _object(self, item: str) -> int:
        return self.trace.tensors[int(item[1:])].object

    # -- saved tensors -------------------------------------------------------------------------
    @cached_property
    def lives(self) -> list[tuple[int, int]]:
        """For each saved tensor: the moments from which on it is kept, and freed; -1 where it is never freed."""
        nodes = [self.trace.nodes[row.node] for row in self.trace.saved]
        return [(self._node_born(node), self._freed(node)) for node in nodes]

    def _freed(self, node: Node) -> int:
        """The engine frees what a node saved as soon as the node has run; else it goes with the node."""
        if node.freed_by is None:
            gone = self.graph.gone.get(node.id)
            return 0 if node.freed_place is not None else -1 if gone is None else max(self.moments.at(gone), 1)
        step = next((s for s in reversed(self.graph.steps_of(node.id)) if s.backward == node.freed_by), None)
        if step is not None:
            return self.moments.of("steps", step.id)
        return self.moments.of("results", node.freed_by) if node.freed_at is None else self.moments.at(node.freed_at)

    @cached_property
    def _keeping(self) -> dict[str, History]:
        """By call and node that saved something: `kept` and `freed`."""
        found: dict[str, list[tuple[int, int]]] = defaultdict(list)
        for row, life in zip(self.trace.saved, self.lives, strict=True):
            call = self.trace.nodes[row.node].call
            for item in (f"n{row.node}", *([f"c{call}"] if call is not None else ())):
                found[item].append(life)
        return {item: self._life(lives) for item, lives in found.items()}

    def _life(self, lives: list[tuple[int, int]]) -> History:
        born = min(begin for begin, _ in lives)
        ends = [end for _, end in lives]
        return [[born, "kept"]] if min(ends) < 0 else compact([(born, "kept"), (max(ends), "freed")])

    def kept(self, rows: Iterable[Saved], tell: Any) -> History:
        """What is kept of these at each moment: `tell(bytes, number)`, shared memory counted once."""
        turns: list[tuple[int, int, Saved]] = []
        for row in rows:
            born, freed = self.lives[row.id]
            if not row.hidden and freed != 0:
                turns.append((born, 1, row))
                turns += [(freed, -1, row)] if freed > 0 else []
        users: Counter[Any] = Counter()
        size = number = 0
        found = []
        last = len(turns) - 1 if self._is_long(turns) else 0
        for i, (at, turn, row) in enumerate(sorted(turns, key=lambda turn: turn[:2])):
            key = row.storage if row.storage is not None else ("row", row.id)
            bytes_ = self.trace.storages[row.storage].bytes if row.storage is not None else row.bytes
            users[key] += turn
            if users[key] == (turn > 0):
                size += turn * bytes_
                number += turn
            if i >= last:
                found.append((at, tell(size, number)))
        return compact(found)

    def _is_long(self, changes: Sequence[Any]) -> bool:
        """Whether a history of so many changes is told by its end."""
        return self.most is not None and len(changes) > self.most

    def saved(self) -> Json:
        """When each row of the table of saved tensors begins and ends, and the total at each moment."""
        lives = [list(life) for life in self.lives[:SAVED]]
        total = [[0, self._total(0, 0)], *self.kept(self.trace.saved, self._total)]
        return {"lives": lives, "total": total, "kept": self.phrases.text("view.kept")}

    def _total(self, size: int, number: int) -> str:
        if not number:
            return self.phrases.text("view.tl_kept_none")
        saved = self.phrases.count("view.saved", number, bytes=format.bytes_text(size))
        return self.phrases.text("view.tl_kept", saved=saved)

    # -- ledgers -------------------------------------------------------------------------------
    def ledger(self, item: str) -> Json:
        """Since when each row of a tensor's ledger is there, and what `.grad` holds."""
        obj = self._object(item)
        rows: list[int] = []
        for row in shown(self.graph, obj):
            after_gap = row.kind == "left_out" and rows and rows[-1] > 0
            rows.append(self._row_born(row, obj) if isinstance(row, story.Event) else rows[-1] + 1 if after_gap else 0)
        return {"rows": rows, "now": compact(self._writings(obj, lambda g: self.phrases.maybe(g, VALUE)))}

    def _row_born(self, row: story.Event, obj: int) -> int:
        if row.kind == "first":
            return self.tensor_born(self.graph.states[obj][0].id)
        return self.moments.at(row.at) if row.change is None else self.of_change(row.change)

    # -- lines ---------------------------------------------------------------------------------
    def lines(self) -> Json:
        """By line: what it made so far, what of that is kept, and the gradient of what it named."""
        made: dict[str, list[tuple[int, str]]] = defaultdict(list)
        for node in sorted(self.trace.nodes, key=self._node_born):
            line = self.items.line(self.graph.node_place(node))
            if line is not None:
                made[line].append((self._node_born(node), format.clean(node.name)))
        kept: dict[str, list[Saved]] = defaultdict(list)
        for row in self.trace.saved:
            line = self.items.line(self.graph.node_place(self.trace.nodes[row.node]))
            if line is not None:
                kept[line].append(row)
        return {
            "made": {line: self._made(rows) for line, rows in made.items()},
            "saved": {line: self.kept(rows, _bytes) for line, rows in kept.items()},
            "grad": {line: history for line, rows in self._named.items() if (history := self._line_gradient(rows))},
        }

    def _made(self, rows: list[tuple[int, str]]) -> History:
        names: Counter[str] = Counter()
        found = []
        if self._is_long(rows):
            names.update(name for _, name in rows[:-1])
            rows = rows[-1:]
        for at, name in rows:
            names[name] += 1
            found.append((at, ", ".join(name if n == 1 else f"{name} ×{n}" for name, n in names.items())))
        return compact(found)

    @cached_property
    def _named(self) -> dict[str, list[tuple[int, int]]]:
        """By line: since when which tensor row is the one that it named."""
        found: dict[str, list[tuple[int, int]]] = defaultdict(list)
        for name in self.trace.names:
            line = self.items.line(None if name.place is None else self.trace.places[name.place])
            if line is not None:
                found[line].append((self.moments.at(name.at), name.tensor))
        return found

    def _line_gradient(self, named: list[tuple[int, int]]) -> History:
        found: list[tuple[int, str]] = []
        if self._is_long(named):
            named = named[-1:]
        for index, (since, tensor) in enumerate(named):
            until = named[index + 1][0] if index + 1 < len(named) else len(self.moments.events)
            own, times = self._tensor_gradient(tensor)
            first = bisect_right(times, since)
            found.append((since, own[first - 1][1] if first else ""))
            found += own[first : bisect_left(times, until, first)]
        return compact(found)

    def _tensor_gradient(self, tensor: int) -> tuple[list[tuple[int, str]], list[int]]:
        """What a tensor's `.grad` holds, else the gradient that reached it, by moments; and these moments."""
        obj = self.trace.tensors[tensor].object
        if self.graph.last_grad(obj) is not None:
            return self._object_gradient(obj)
        own = [(at, self.phrases.value(g, GRADIENT)) for at, g in self.gradients(tensor)]
        return own, [at for at, _ in own]

    @cache  # noqa: B019 - Looks live as long as one payload is made
    def _object_gradient(self, obj: int) -> tuple[list[tuple[int, str]], list[int]]:
        own = self._writings(obj, lambda g: "" if g is None else self.phrases.value(g, GRADIENT))
        return own, [at for at, _ in own]


def _bytes(size: int, number: int) -> str:
    return format.bytes_text(size) if number else ""
