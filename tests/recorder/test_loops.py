"""Loops noted lightly: what is kept equals the whole recording, and what is dropped is said."""

from __future__ import annotations

import collections
from typing import Any

import pytest
import torch
from recorded import Notebook, findings
from recorder.both import RECORDED, run
from recorder.reading import programs
from recorder.test_lifetimes import moments

from autograd_magics.recorder import Recorder, loops, periods
from autograd_magics.recorder.iterations import Light
from autograd_magics.report import Report
from autograd_magics.trace import OptimizerStep, Trace

PROGRAMS = programs("loops")
EARLY = 3
"""Iterations after which a loop is noted lightly here."""

REFERENCES = {
    "storage": "storages", "tensor": "tensors", "leaf": "tensors", "call": "calls", "node": "nodes",
    "result": "tensors", "backward": "backwards", "freed_by": "backwards", "object": "objects", "grad_of": "objects",
    "scope": "scopes", "norm": "tensors",
}  # fmt: skip
LISTS = {"inputs": "tensors", "outputs": "tensors", "roots": "tensors", "results": "tensors", "nodes": "nodes",
         "parameters": "tensors", "skipped": "tensors"}  # fmt: skip
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
                          "optimizer_steps", "warnings", "names")
        }  # fmt: skip
        self.pairs: dict[str, dict[int, int]] = collections.defaultdict(dict)
        self.back: dict[str, dict[int, int]] = collections.defaultdict(dict)

    def windows(self, loops: list[Light]) -> list[tuple[int, int]]:
        """First and last time of each stretch of rows that was dropped."""
        found: list[tuple[int, int]] = []
        names = {
            periods.TENSORS: "tensors", periods.CALLS: "calls", periods.ACCESSES: "accesses",
            periods.BACKWARDS: "backwards", periods.CHANGES: "changes", periods.OPTIMIZER_STEPS: "optimizer_steps",
        }  # fmt: skip
        shift = dict.fromkeys(names, 0)
        for loop in loops:
            rows = []
            for table, name in names.items():
                first, count = loop.before[table] + shift[table], loop.dropped * loop.period[table]
                if table == periods.TENSORS:
                    first -= sum(row < loop.before[table] for row in self.taken_over())
                table_rows = getattr(self.whole, name)
                if table == periods.OPTIMIZER_STEPS:  # those of zero_grad are found when the recording is over
                    table_rows = [row for row in table_rows if row.kind == "step"]
                rows += table_rows[first : first + count]
                shift[table] += count
            ends = [r.at if type(r) is OptimizerStep else getattr(r, "end", r.at) for r in rows]
            found.append((min(r.at for r in rows), max(ends)))
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
        for a, b in list(self.pairs["scopes"].items()):
            self.scope(a, b)

    def scope(self, a: int, b: int) -> None:
        """Two calls of a module are the same but for which of its calls they are; those around them too."""
        one, other = self.light.scopes[a], self.whole.scopes[b]
        assert (one.name, one.path, one.type, one.module) == (other.name, other.path, other.type, other.module)
        assert self.places(self.light, one.place) == self.places(self.whole, other.place)
        self.pair("scopes", one.parent, other.parent)
        if one.parent is not None and other.parent is not None:
            self.scope(one.parent, other.parent)

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
    light, whole, ends = both(PROGRAMS[name], ended)
    assert not whole.loops and light.problem is None
    Same(light, whole, ends).check()
    assert Trace.from_json(light.to_json()) == light
    assert sum(b.error is not None for b in light.backwards) == sum(b.error is not None for b in whole.backwards)
    assert told(light) == told(whole)


@pytest.fixture
def early(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loops, "THRESHOLD", EARLY)


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.usefixtures("early")
def test_the_cell_does_what_it_does_without_a_recording(name: str) -> None:
    source = PROGRAMS[name].replace("\n#---\n", "\n")
    assert run(source, RECORDED) == run(source)


def test_most_iterations_of_equal_loops_are_dropped(ended: list[Light]) -> None:
    never = {"losses kept", "total kept", "retained gradient", "leaves made anew", "delta", "random"}
    never |= {"batches from a list", "state by another name"}
    for name, source in PROGRAMS.items():
        light, whole, _ = both(source, ended)
        assert bool(light.loops) == (name not in never), name
        if light.loops and name not in ("nested", "one kept now and then"):
            assert len(light.backwards) < len(whole.backwards) * 0.6, name


LIVES = """
w = torch.ones(2, requires_grad=True)
x = torch.ones(2)
for i in range(30):
    w.grad = None
    h = watch(w * x)
    loss = watch((h * h).sum())
    loss.backward()
    watch(w.grad)
    mark()
    if i == 20:
        again = watch(h.detach())
del h
mark()
"""


@pytest.mark.usefixtures("early")
def test_tensors_of_a_light_loop_die_when_they_die_in_the_plain_run() -> None:
    assert moments(LIVES, RECORDED) == moments(LIVES)


def test_memory_stays_bounded() -> None:
    source = PROGRAMS["by hand"].replace("range(40)", "range({n})")
    short, long = (Notebook().run(source.format(n=n)) for n in (200, 1200))
    assert len(long.calls) == len(short.calls) < 450 and len(long.tensors) == len(short.tensors)
    assert long.loops[0].dropped - short.loops[0].dropped == 1000


def test_a_loop_tells_its_losses_and_gradients() -> None:
    source = """
    w, x, losses, norms = torch.tensor([1.0, 2.0], requires_grad=True), torch.tensor([3.0, 4.0]), [], []
    for i in range(20):
        w.grad = None
        loss = ((w * x) ** 2).sum()
        loss.backward()
        losses.append(loss.item())
        norms.append(w.grad.norm().item())
        with torch.no_grad():
            w -= 0.001 * w.grad
    """
    book = Notebook()
    trace = book.run(source, loops=EARLY)
    (loop,) = trace.loops
    first = book.namespace["losses"].index(loop.losses[0])
    assert loop.losses == tuple(book.namespace["losses"][first : first + loop.dropped])
    assert [n for (n,) in loop.norms] == pytest.approx(book.namespace["norms"][first : first + loop.dropped])
    assert [trace.tensors[leaf].shape for leaf in loop.leaves] == [(2,)] and loop.dropped > 10
    assert f"{loop.dropped} iterations of equal structure" in Report(trace, lang="en").to_text()


@pytest.mark.parametrize("after", ["loss.backward()", "w.grad", "(loss * 2).sum().backward()", "h.grad_fn(loss)"])
def test_a_later_cell_finds_what_a_loop_left(after: str) -> None:
    loop = "w = torch.tensor(1.0, requires_grad=True)\nfor i in range(30):\n    w.grad = None\n"
    loop += "    h = w.exp()\n    loss = h * h\n    loss.backward()"
    found = []
    for threshold in (EARLY, 0):
        book = Notebook()
        book.run(loop, loops=threshold)
        trace = book.run(after, loops=threshold)
        found.append((told(trace), len(trace.nodes), [str(e) for e in book.errors], [c.kind for c in trace.changes]))
    assert found[0] == found[1]


def test_a_failure_in_a_light_loop_never_reaches_the_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: Light, function: Any, args: Any, kwargs: Any, site: Any) -> Any:
        raise KeyError("broken")

    monkeypatch.setattr(Light, "begin", broken)
    recorder = Recorder(loops=EARLY, strict=False)
    recorder.start()
    w = torch.tensor(1.0, requires_grad=True)
    for _ in range(20):
        w.grad = None
        (w * w).backward()
    trace = recorder.stop()
    assert trace.problem is not None and "broken" in trace.problem and w.grad == 2
