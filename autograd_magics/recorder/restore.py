"""What stands on the tape for a light loop when it ends: its last complete iteration, and what that one took over."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from .nodes import KEY
from .periods import CALLS, CARRIED, CHANGES, NODES, OBJECTS, STORAGES, TENSORS, Lengths, Tables, moved, moved_node
from .tensors import Block, Entry
from .values import Pending

if TYPE_CHECKING:
    from .iterations import Light


class Iteration:
    """What is kept of an iteration that is over."""

    __slots__ = ("rows", "log", "made", "blocks", "pending", "figures", "unknown")

    def __init__(self, rows: Tables, log: list[Any], made: list[Entry], blocks: list[Block], figures: Any) -> None:
        self.rows = rows
        """Rows that were made, those of its first events."""
        self.log = log
        """The events after them."""
        self.made = made
        self.blocks = blocks
        self.pending: list[Pending] = []
        self.unknown: list[Entry] = []
        """What was made lightly and has not been registered."""
        self.figures = figures
        """(loss, norm of each `.grad` that the engine filled)"""


def rows_of(loop: Light, iteration: Iteration) -> Tables:
    """All rows of an iteration that is over."""
    rows = [list(table) for table in iteration.rows] or [[] for _ in loop.tables]
    for item in iteration.log:
        item[0].build(rows, item)
    return rows


def restore(loop: Light) -> None:
    """Put the last complete iteration where its rows stand, and what it took over from the one dropped before it."""
    tape, tables, before, start = loop.tape, loop.tables, loop.before, loop.start
    carried = Carried(loop)
    for table, found in enumerate(rows_of(loop, loop.previous)):
        if len(found) != loop.period[table]:
            raise AssertionError(f"{len(found)} rows for {loop.period[table]} in table {table}")
        tables[table][before[table] : start[table]] = [
            moved_node(row, carried.to) if table == NODES else moved(table, row, carried.to) for row in found
        ]
    know(loop, [entry for entry in loop.previous.made if entry() is not None], before)
    leaves = [row for row in loop.template[CHANGES] if row[3] == "accumulated" and row[8] is not None]
    first = {row[1]: i for i, row in reversed(list(enumerate(tape.tensors)))}
    tape.loops.append((
        loop.gap, loop.site, loop.dropped, tuple(loop.losses), tuple([first[row[1]] for row in leaves]),
        tuple(loop.norms), tuple(range(before[CALLS], start[CALLS])),
        tuple([row for (table, _), row in carried.known.items() if table == TENSORS]),
    ))  # fmt: skip


def know(loop: Light, made: Iterable[Entry], first: Lengths) -> None:
    """Register storages and nodes of tensors that were noted lightly and are alive."""
    rows = loop.tape.tensors
    for entry in made:
        tensor = entry()
        if tensor is None:
            continue
        know_storage(loop, entry, tensor, first, loop.tensors.made_blocks)
        node = rows[entry.state][10] if entry.state >= 0 else None
        if node is not None and node >= first[NODES]:
            _mark(loop, tensor.grad_fn, node, first[NODES])


def know_storage(loop: Light, entry: Entry, tensor: Any, first: Lengths, made: list[Block]) -> None:
    """Register the storage of a tensor that was noted lightly."""
    if entry.storage is None or entry.storage < first[STORAGES]:
        return
    blocks, storage = loop.tensors.blocks, tensor.untyped_storage()
    block = blocks.get(id(storage))
    if block is None or block() is not storage:
        block = blocks[id(storage)] = Block(storage)
        block.row = entry.storage
        made.append(block)
    elif block.row != entry.storage:
        raise AssertionError(f"storage {block.row} was taken for {entry.storage}")


def _mark(loop: Light, node: Any, row: int, first: int) -> None:
    """Give the nodes of a graph their drafts."""
    drafts = loop.tape.nodes
    stack = [(node, row)]
    for one, number in stack:
        draft = drafts[number]
        if one.metadata.get(KEY) is draft:
            continue
        if one.name().removeprefix("torch::autograd::") != draft.name:
            raise AssertionError(f"{one.name()} was taken for {draft.name}")
        one.metadata[KEY] = draft
        if draft.has_saved:
            loop.tape.alive.watch(one, draft)
        for (parent, _), (behind, _) in zip(one.next_functions, draft.edges, strict=True):
            if behind is not None and behind >= first:
                stack.append((parent, behind))


class Carried:
    """Numbers for the rows of the last complete iteration; what it took over gets rows of its own.

    These stand for tensors of an iteration that was dropped: nothing is known of where they came from.
    """

    def __init__(self, loop: Light) -> None:
        self.loop = loop
        self.known: dict[tuple[int, int], int] = {}
        self.rows = rows_of(loop, loop.prior)[TENSORS]

    def to(self, table: int, number: int | None) -> int | None:
        """The number on the tape of a row that the iteration refers to."""
        loop = self.loop
        if number is None or number < loop.before[table]:
            return number
        if number >= loop.start[table]:
            return number - loop.period[table]
        if table == CALLS:
            return None
        if table not in CARRIED:
            raise AssertionError(f"row {number} of table {table} belongs to an iteration that was dropped")
        key = table, number
        if key not in self.known:
            self.known[key] = self._new(table, number)
        return self.known[key]

    def _new(self, table: int, number: int) -> int:
        loop = self.loop
        if table == OBJECTS:
            loop.tensors.objects += 1
            return loop.tensors.objects - 1
        rows = loop.tables[table]
        if table == STORAGES:
            rows.append(loop.template[STORAGES][number - loop.before[STORAGES]])
            return len(rows) - 1
        row = self.rows[number - loop.before[TENSORS]]
        obj, storage = self._back(OBJECTS, row[1]), self._back(STORAGES, row[6])
        of = row[16] if row[16] is not None and row[16] < loop.before[OBJECTS] else None
        rows.append((row[0], obj, *row[2:6], storage, *row[7:10], None, 0, None, *row[13:16], of))
        loop.tape.carried.append((len(rows) - 1, number))
        return len(rows) - 1

    def _back(self, table: int, number: int | None) -> int | None:
        """The number on the tape of what a row of the dropped iteration refers to."""
        loop = self.loop
        if number is not None and loop.before[table] <= number < loop.start[table]:  # of the iteration before that
            key = table, -number
            if key not in self.known:
                self.known[key] = self._new(table, number)
            return self.known[key]
        return self.to(table, number if number is None or number < loop.start[table] else number - loop.period[table])
