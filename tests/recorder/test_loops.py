"""Loops noted lightly: what is kept equals the whole recording, and what is dropped is said."""

from __future__ import annotations

import collections
from typing import Any

import pytest
from recorded import Notebook, findings
from recorder.both import RECORDED, run
from recorder.reading import programs

from autograd_magics.recorder import periods
from autograd_magics.recorder.iterations import Light
from autograd_magics.trace import Trace

PROGRAMS = programs("loops")
EARLY = 3
"""Iterations after which a loop is noted lightly here."""

KEPT_WHOLE = {"losses kept", "total kept", "retained gradient"}
"""Programs whose iterations live on or cannot be noted lightly."""

REFERENCES = {
    "storage": "storages", "tensor": "tensors", "leaf": "tensors", "call": "calls", "node": "nodes", "result": "tensors",
    "backward": "backwards", "freed_by": "backwards", "object": "objects", "grad_of": "objects",
}  # fmt: skip
LISTS = {"inputs": "tensors", "outputs": "tensors", "roots": "tensors", "results": "tensors", "nodes": "nodes"}
PLACES = ("place", "places", "cut_place", "freed_place", "changed_place", "before_places")
TIMES = ("id", "at", "end", "freed_at")


@pytest.fixture
def ended(monkeypatch: pytest.MonkeyPatch) -> list[Light]:
    """The light loops that have ended."""
    found: list[Light] = []
    restore = Light.leave

    def leave(self: Light) -> None:
        restore(self)
        found.append(self)

    monkeypatch.setattr(Light, "leave", leave)
    return found


def both(source: str, ended: list[Light]) -> tuple[Trace, Trace, list[Light]]:
    """A program recorded with its loops noted lightly as early as can be, and whole."""
    traces = []
    for threshold in (EARLY, 0):
        book = Notebook()
        for cell in source.split("\n#---\n"):
            ended.clear()
            book.run(cell, loops=threshold)
        if threshold:
            ends = [loop for loop in ended if loop.dropped]
        traces.append(book.traces[-1])
    return traces[0], traces[1], ends


class Same:
    """Compares a trace with one of the same program that was recorded whole."""

    def __init__(self, light: Trace, whole: Trace, loops: list[Light]) -> None:
        self.light, self.whole = light, whole
        assert [loop.dropped for loop in loops] == [loop.dropped for loop in light.loops]
        self.dropped = self.windows(loops)
        """The times of the whole trace that the light one says it left out."""
        self.rows: dict[str, tuple[list[Any], list[Any]]] = {
            table: (self.kept_light(table), self.kept_whole(table))
            for table in ("tensors", "calls", "accesses", "nodes", "saved", "backwards", "steps", "changes", "hooks",
                          "warnings", "names")
        }  # fmt: skip
        self.pairs: dict[str, dict[int, int]] = collections.defaultdict(dict)
        self.back: dict[str, dict[int, int]] = collections.defaultdict(dict)

    def windows(self, loops: list[Light]) -> list[tuple[int, int]]:
        """First and last time of each stretch of rows that was dropped."""
        found: list[tuple[int, int]] = []
        names = {
            periods.TENSORS: "tensors", periods.CALLS: "calls", periods.ACCESSES: "accesses",
            periods.BACKWARDS: "backwards", periods.CHANGES: "changes",
        }  # fmt: skip
        shift = dict.fromkeys(names, 0)
        for loop in loops:
            rows = []
            for table, name in names.items():
                first, count = loop.before[table] + shift[table], loop.dropped * loop.period[table]
                if table == periods.TENSORS:
                    first -= sum(row < loop.before[table] for row in self.taken_over())
                rows += getattr(self.whole, name)[first : first + count]
                shift[table] += count
            found.append((min(r.at for r in rows), max(getattr(r, "end", r.at) for r in rows)))
        return found

    def kept_light(self, table: str) -> list[Any]:
        taken_over = self.taken_over()
        rows = [r for r in getattr(self.light, table) if not (table == "names" and r.tensor in taken_over)]
        rows = [r for r in rows if not (table == "tensors" and r.id in taken_over)]
        return sorted(rows, key=lambda r: (r.at, r.id))

    def taken_over(self) -> set[int]:
        """Rows that stand for tensors of dropped iterations."""
        return {row for loop in self.light.loops for row in loop.carried}

    def kept_whole(self, table: str) -> list[Any]:
        rows = [r for r in getattr(self.whole, table) if not any(a <= r.at <= b for a, b in self.dropped)]
        return sorted(rows, key=lambda r: (r.at, r.id))

    def check(self) -> None:
        for table, (some, others) in self.rows.items():
            assert len(some) == len(others), table
            for a, b in zip(some, others, strict=True):
                self.pair(table, a.id, b.id)
        for table, (some, others) in self.rows.items():
            for a, b in zip(some, others, strict=True):
                self.row(table, a, b)

    def pair(self, table: str, a: int | None, b: int | None) -> None:
        """Two numbers name the same thing, here and everywhere else."""
        if a is None or b is None:
            assert a == b, table
            return
        if table == "tensors" and a in self.taken_over() and a not in self.pairs[table]:
            self.carried(self.light.tensors[a], self.whole.tensors[b])
        assert self.pairs[table].setdefault(a, b) == b, (table, a, b)
        assert self.back[table].setdefault(b, a) == a or table in ("objects", "storages"), (table, a, b)

    def carried(self, a: Any, b: Any) -> None:
        """A tensor from a dropped iteration is told as it was."""
        assert any(first <= b.at <= last for first, last in self.dropped)
        for field in ("version", "shape", "dtype", "device", "bytes", "requires_grad", "parameter", "value"):
            assert getattr(a, field) == getattr(b, field), field
        names = {n.name for n in self.light.names if n.tensor == a.id}
        assert names == {n.name for n in self.whole.names if n.tensor == b.id}

    def row(self, table: str, a: Any, b: Any) -> None:
        for field in a._fields:
            if field in TIMES:
                assert (getattr(a, field) is None) == (getattr(b, field) is None), (table, field, a, b)
                continue
            self.field(table, field, getattr(a, field), getattr(b, field), a)

    def field(self, table: str, field: str, x: Any, y: Any, row: Any) -> None:
        if field in REFERENCES and not (table == "tensors" and field == "leaf"):
            if table == "tensors" and field == "call" and x is None and y is not None:
                # the call that last changed it is not kept
                assert any(first <= self.whole.calls[y].at <= last for first, last in self.dropped)
            else:
                self.pair(REFERENCES[field], x, y)
        elif field in LISTS and x is not None:
            assert len(x) == len(y), (table, field, row)
            for one, other in zip(x, y, strict=True):
                self.pair(LISTS[field], one, other)
        elif field == "edges":
            assert [nr for _, nr in x] == [nr for _, nr in y]
            for (one, _), (other, _) in zip(x, y, strict=True):
                self.pair("nodes", one, other)
        elif field in PLACES:
            assert self.places(self.light, x) == self.places(self.whole, y), (table, field, row)
        elif field == "error" and x is not None:
            self.pair("nodes", x.node, y.node)
            assert (x.type, x.message) == (y.type, y.message)
        else:
            assert x == y, (table, field, x, y, row)

    @staticmethod
    def places(trace: Trace, ids: Any) -> Any:
        return [trace.places[i][2:] for i in (ids if isinstance(ids, tuple) else (ids,)) if i is not None]


def told(trace: Trace) -> list[Any]:
    """The findings of a trace, by code and the lines they point at."""
    return [(f.code, f.severity, Same.places(trace, tuple(f.places)[:1])) for f in findings(trace)]


@pytest.mark.parametrize("name", PROGRAMS)
def test_what_is_kept_is_what_the_whole_recording_has(name: str, ended: list[Light]) -> None:
    light, whole, loops = both(PROGRAMS[name], ended)
    assert not whole.loops and light.problem is None
    Same(light, whole, loops).check()
    assert Trace.from_json(light.to_json()) == light
    assert sum(b.error is not None for b in light.backwards) == sum(b.error is not None for b in whole.backwards)
    assert told(light) == told(whole)
