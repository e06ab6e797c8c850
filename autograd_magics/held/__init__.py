"""What backward holds: which memory, since when and until when, by whom, and what of it would be there anyway.

`Held(graph)` is pure and cached like `Graph`.  Memory is counted by storages, each once however many saved tensors look
into it.  A storage is held from the moment in which a node saved it until a backward frees the node, or the node goes.
"""

from __future__ import annotations

import functools
import itertools
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from ..graph import Graph
from ..trace import Backward, Place, Saved, Step

if TYPE_CHECKING:
    from .keepers import Keeper

BEFORE = -1
"""The time of what earlier recordings had made."""

ANYWAY = frozenset({"parameter", "leaf", "input"})
"""Kinds of memory that would be there without backward."""

Key = tuple[str, int]
"""A block of memory: `("storage", row)`, or `("row", row of saved)` where there is no storage."""


class Span(NamedTuple):
    """How long a saved tensor was held."""

    row: Saved
    begin: int
    end: int | None
    """None where it was still held at the end."""


class Level(NamedTuple):
    """What was held from a time on, until the next level."""

    at: int
    bytes: int
    anyway: int
    """How much of it belongs to parameters, leaves and inputs."""


class Amount(NamedTuple):
    """Memory behind some saved tensors, each storage once."""

    bytes: int
    anyway: int
    blocks: int
    """Number of storages."""
    rows: int
    """Number of saved tensors."""


class Group(NamedTuple):
    """Saved tensors that have something in common."""

    key: Hashable
    """A node's row, a line (source, number), a module's path, a dtype, a device; None for those without."""
    amount: Amount
    shared: int
    """Bytes of it that another group holds as well."""
    rows: Sequence[Saved]


class Held:
    """Answers about the memory that one trace's graphs hold."""

    def __init__(self, graph: Graph) -> None:
        self.graph, self.trace = graph, graph.trace

    # -- how long ------------------------------------------------------------------------------
    @functools.cached_property
    def spans(self) -> tuple[Span, ...]:
        """For each saved tensor that this recording saw being held: since when and until when."""
        known = [row for row in self.trace.saved if self._ends[row.node] is None or self._ends[row.node] != BEFORE]
        return tuple(Span(row, self._begin(row), self._ends[row.node]) for row in known)

    def _begin(self, row: Saved) -> int:
        return BEFORE if self.trace.nodes[row.node].origin == "earlier" else row.at

    @functools.cached_property
    def _ends(self) -> dict[int, int | None]:
        """By node that saved something: when it let go of that; `BEFORE` where an earlier backward freed it."""
        return {node: self._end(node) for node in {row.node for row in self.trace.saved}}

    def _end(self, node: int) -> int | None:
        row = self.trace.nodes[node]
        if row.freed_by is None:
            return self.graph.gone.get(node) if row.freed_place is None else BEFORE
        step = self._last_step(node, row.freed_by)
        ends = [step.at if step is not None else row.freed_at, self.graph.gone.get(node)]
        return min((end for end in ends if end is not None), default=self.trace.backwards[row.freed_by].end)

    def _last_step(self, node: int, backward: int) -> Step | None:
        """The engine frees what a node saved as soon as the node has run."""
        return next((step for step in reversed(self.graph.steps_of(node)) if step.backward == backward), None)

    # -- whose memory --------------------------------------------------------------------------
    @functools.cached_property
    def _kinds(self) -> dict[int, str]:
        """By storage: what it belongs to, the most lasting first."""
        found: dict[int, str] = {}
        rank = ("parameter", "leaf", "input", "result")
        for tensor in self.trace.tensors:
            if tensor.storage is None or tensor.grad_of is not None:
                continue
            if tensor.parameter:
                kind = "parameter"
            elif tensor.leaf and tensor.requires_grad:
                kind = "leaf"
            elif tensor.leaf and (tensor.call is None or self.graph.name(tensor.id) is not None):
                kind = "input"
            else:
                kind = "result"
            before = found.get(tensor.storage)
            if before is None or rank.index(kind) < rank.index(before):
                found[tensor.storage] = kind
        return found

    def kind(self, key: Key) -> str:
        """`"parameter"`, `"leaf"`, `"input"` (a named tensor that was not computed from leaves), or `"result"`."""
        return self._kinds.get(key[1], "result") if key[0] == "storage" else "result"

    def is_view(self, row: Saved) -> bool:
        """Whether a saved tensor is a part of the memory that it holds."""
        return row.storage is not None and row.bytes < self.trace.storages[row.storage].bytes

    @functools.cached_property
    def _blocks(self) -> list[dict[Key, int]]:
        """For each saved tensor: what `Graph.blocks` says of it."""
        return [self.graph.blocks(row) for row in self.trace.saved]

    def amount(self, rows: Iterable[Saved]) -> Amount:
        """The memory behind saved tensors."""
        number = 0
        blocks: dict[Key, int] = {}
        for row in rows:
            blocks.update(self._blocks[row.id])
            number += 1
        anyway = sum([size for key, size in blocks.items() if self.kind(key) in ANYWAY])
        return Amount(sum(blocks.values()), anyway, len(blocks), number)

    # -- over time -----------------------------------------------------------------------------
    @functools.cached_property
    def levels(self) -> tuple[Level, ...]:
        """How much was held, over time; what is let go of at a tick goes after what comes at that tick."""
        turns: list[tuple[int, int, Saved]] = []
        for span in self.spans:
            turns.append((span.begin, 1, span.row))
            if span.end is not None:
                turns.append((max(span.end, span.begin), -1, span.row))
        users: dict[Key, int] = defaultdict(int)
        held = anyway = 0
        found: list[Level] = []
        same = (BEFORE - 1, 0)
        for at, turn, row in sorted(turns, key=lambda one: (one[0], -one[1])):
            for key, size in self._blocks[row.id].items():
                users[key] += turn
                if users[key] == (turn > 0):
                    held += turn * size
                    anyway += turn * size if self.kind(key) in ANYWAY else 0
            if same == (at, turn):
                found.pop()
            found.append(Level(at, held, anyway))
            same = at, turn
        return tuple(found)

    @functools.cached_property
    def peak(self) -> Level:
        """The first time at which most was held."""
        return max(self.levels, key=lambda level: level.bytes, default=Level(BEFORE, 0, 0))

    def at(self, tick: int) -> tuple[Saved, ...]:
        """The saved tensors that were held at a tick, before anything was let go of then."""
        return tuple(s.row for s in self.spans if s.begin <= tick and (s.end is None or max(s.end, s.begin) >= tick))

    def after(self, tick: int) -> int:
        """Bytes held when a tick was over."""
        now = 0
        for level in self.levels:
            if level.at > tick:
                break
            now = level.bytes
        return now

    @functools.cached_property
    def at_peak(self) -> tuple[Saved, ...]:
        """The saved tensors that were held when most was held, before any of it was let go of."""
        plateau = self.levels[self.levels.index(self.peak) :] if self.levels else ()
        same = itertools.takewhile(lambda level: level.bytes == self.peak.bytes, plateau)
        return self.at(max((level.at for level in same), default=BEFORE))

    @functools.cached_property
    def kept(self) -> tuple[Saved, ...]:
        """The saved tensors that were still held at the end."""
        return tuple(span.row for span in self.spans if span.end is None)

    # -- by what -------------------------------------------------------------------------------
    def groups(self, rows: Sequence[Saved], by: str) -> list[Group]:
        """Saved tensors by `"node"`, `"line"`, `"module"`, `"dtype"` or `"device"`, those that hold most first."""
        key_of: Callable[[Saved], Hashable] = getattr(self, f"_{by}")
        found: dict[Hashable, list[Saved]] = defaultdict(list)
        first: dict[Key, Hashable] = {}
        shared: dict[Key, int] = {}
        for row in rows:
            group = key_of(row)
            found[group].append(row)
            for key, size in self._blocks[row.id].items():
                if first.setdefault(key, group) != group:
                    shared[key] = size
        groups = [Group(key, self.amount(some), self._within_all(shared, some), some) for key, some in found.items()]
        return sorted(groups, key=lambda group: -group.amount.bytes)

    def _within_all(self, shared: dict[Key, int], rows: Iterable[Saved]) -> int:
        """Bytes of the shared blocks that some rows hold."""
        if not shared:
            return 0
        return sum(shared[key] for key in {key for row in rows for key in self._blocks[row.id]} if key in shared)

    def sizes(self, rows: Iterable[Saved], by: str) -> dict[Hashable, int]:
        """Bytes of each of the groups alone."""
        key_of: Callable[[Saved], Hashable] = getattr(self, f"_{by}")
        found: dict[Hashable, dict[Key, int]] = defaultdict(dict)
        for row in rows:
            found[key_of(row)].update(self._blocks[row.id])
        return {group: sum(blocks.values()) for group, blocks in found.items()}

    def _node(self, row: Saved) -> Hashable:
        return row.node

    def _line(self, row: Saved) -> Hashable:
        place = self.place(row.node)
        return None if place is None else (place.source, place.line)

    def _module(self, row: Saved) -> Hashable:
        call = self.trace.nodes[row.node].call
        scope = None if call is None else self.trace.calls[call].scope
        return None if scope is None else self.trace.scopes[scope].path

    def _dtype(self, row: Saved) -> Hashable:
        return row.dtype or None

    def _device(self, row: Saved) -> Hashable:
        if row.device or not row.hidden:
            return row.device or None
        return next((self.trace.storages[key[1]].device for key in self.graph.blocks(row)), None)

    def place(self, node: int) -> Place | None:
        """The line that made a node; of a backward's own node that of the backward."""
        row = self.trace.nodes[node]
        place = self.graph.node_place(row)
        if place is None and row.origin == "backward":
            made_by = self.made_by(node)
            return None if made_by is None else self.graph.place(made_by.places)
        return place

    def made_by(self, node: int) -> Backward | None:
        """The backward with `create_graph=True` that made a node."""
        row = self.trace.nodes[node]
        if row.origin != "backward":
            return None
        # its nodes are met when it is over, or while it runs
        return next((b for b in reversed(self.trace.backwards) if b.create_graph and b.at < row.at), None)

    # -- afterwards ----------------------------------------------------------------------------
    @functools.cached_property
    def keepers(self) -> tuple[Keeper, ...]:
        """What was still held at the end, by why and by whom, most first; a storage counts in each that holds it."""
        from .keepers import keepers

        return keepers(self)

    # -- placeholders, views -------------------------------------------------------------------
    @functools.cached_property
    def hooks(self) -> dict[str, tuple[Saved, ...]]:
        """By function that would unpack them: the saved tensors in whose place hooks keep something else."""
        found: dict[str, list[Saved]] = defaultdict(list)
        for row in self.trace.saved:
            if row.hidden:
                packed = self.graph.packed.get(row.id)
                found[packed.hook if packed is not None else ""].append(row)
        return {hook: tuple(rows) for hook, rows in found.items()}

    def views(self, rows: Iterable[Saved]) -> list[tuple[Saved, int]]:
        """(saved tensor, bytes of its storage) where only parts of a storage are needed, most needless first."""
        parts: dict[int, list[Saved]] = defaultdict(list)
        for row in rows:
            if row.storage is not None:
                parts[row.storage].append(row)
        found = []
        for storage, some in parts.items():
            size = self.trace.storages[storage].bytes
            if self._kinds.get(storage, "result") == "result" and all(map(self.is_view, some)):
                if sum(row.bytes for row in some) < size:
                    found.append((max(some, key=lambda row: row.bytes), size))
        return sorted(found, key=lambda pair: pair[0].bytes - pair[1])
