"""What later cells may name of earlier ones, remembered weakly."""

from __future__ import annotations

import gc

import torch
from recorded import Notebook

from autograd_magics.recorder import memory


def place_of(trace, place):  # type: ignore[no-untyped-def]
    at = trace.places[place]
    return trace.sources[at.source].number, at.line


def test_where_a_tensor_was_made() -> None:
    book = Notebook()
    book.run("a = torch.ones(2)\nx = a * 2")
    trace = book.run("y = x + 1")
    assert place_of(trace, trace.tensors[0].place) == (1, 2)


def test_the_cut_that_a_tensor_came_through() -> None:
    book = Notebook()
    book.run("w = torch.ones(2, requires_grad=True)\nd = w.detach()\nx = d * 2")
    trace = book.run("y = x + 1")
    row = trace.tensors[0]
    assert row.cut == "detach" and place_of(trace, row.cut_place) == (1, 2) and row.cut_source == "w"


def test_a_change_after_a_save_in_an_earlier_cell() -> None:
    book = Notebook()
    book.run("w = torch.ones(2, requires_grad=True)\nx = torch.ones(2)\ny = (w * x).sum()")
    book.run("x.add_(1)")
    trace = book.run("y.backward()")
    (saved,) = [s for s in trace.saved if s.slot == "other"]
    assert saved.version == 0 and saved.changed_by == "add_" and place_of(trace, saved.changed_place) == (2, 1)


def test_what_freed_a_graph_in_an_earlier_cell() -> None:
    book = Notebook()
    book.run("w = torch.ones(2, requires_grad=True)\ny = (w * w).sum()\ny.backward()")
    trace = book.run("y.backward()")
    mul = next(n for n in trace.nodes if n.name == "MulBackward0")
    assert place_of(trace, mul.freed_place) == (1, 3) and not [s for s in trace.saved if s.node == mul.id]


def test_memory_goes_with_the_tensors() -> None:
    book = Notebook()
    gc.collect()
    before = len(memory._origins._table), len(memory._held._table)
    book.run("w = torch.ones(2, requires_grad=True)\ny = w * 2\ny.sum().backward()")
    assert (len(memory._origins._table), len(memory._held._table)) > before
    book.namespace.clear()
    gc.collect()
    assert (len(memory._origins._table), len(memory._held._table)) == before


def test_changes_are_swept() -> None:
    for _ in range(3 * memory.SWEEP):
        memory.changed(torch.ones(1), "add_", None)  # type: ignore[arg-type]
    assert len(memory._changes) < 2 * memory.SWEEP
