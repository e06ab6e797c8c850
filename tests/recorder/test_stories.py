"""The story of a leaf over several recordings: what is remembered, what was missed, how much, and how long."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest
import torch
from recorded import Notebook

from autograd_magics.recorder import graph_of, memory, stories
from autograd_magics.recorder.stories import FIRST, LAST, PAGES
from autograd_magics.trace import Past, Trace

LEAF = "w = torch.tensor([1.0], requires_grad=True)\n"
RUN = "(w * 3).sum().backward()\n"


class Unwatched(Notebook):
    """A notebook with cells that are not recorded."""

    def alone(self, source: str) -> None:
        exec(source, self.namespace)

    def story(self, name: str = "w") -> tuple[Past, ...]:
        """The story so far of a leaf, as `%autograd grads` looks at it."""
        trace = graph_of({name: self.namespace[name]}, sources=self.book)
        return trace.history[0].past if trace.history else ()


def told(past: tuple[Past, ...]) -> list[tuple[Any, ...]]:
    return [(page.kind, page.cell, page.line, page.after and page.after.value) for page in past]


def test_each_recording_adds_to_the_story() -> None:
    book = Unwatched()
    assert book.run(LEAF + RUN).history == ()
    trace = book.run(RUN + "with torch.no_grad(): w -= 0.5 * w.grad\nw.grad = None")
    assert told(trace.history[0].past) == [("first", 1, 1, [1.0]), ("accumulated", 1, 2, [3.0])]
    trace = book.run("y = w * 2")
    assert told(trace.history[0].past)[2:] == [
        ("accumulated", 2, 1, [6.0]), ("updated", 2, 2, [-2.0]), ("cleared", 2, 3, None),
    ]  # fmt: skip
    assert Trace.from_json(trace.to_json()) == trace


MISSED = {
    "w.grad.zero_()": ("unseen", [0.0]),
    "w.grad.data.zero_()": ("unseen", [0.0]),
    "w.grad.numpy()[:] = 7": ("unseen", [7.0]),
    "w.grad = None": ("unseen", None),
    RUN: ("unseen", [6.0]),
    "with torch.no_grad(): w += 1": ("moved", [2.0]),
    "w.data += 1": ("moved", [2.0]),
    "w.data = torch.tensor([5.0])": ("moved", [5.0]),
    "w.detach().numpy()[:] = 4": ("moved", [4.0]),
}


@pytest.mark.parametrize("change", MISSED)
@pytest.mark.parametrize("look", ["recording", "grads"])
def test_what_happened_in_a_cell_that_was_not_recorded(change: str, look: str) -> None:
    book = Unwatched()
    book.run(LEAF + RUN)
    book.alone(change)
    past = book.story() if look == "grads" else book.run("y = w * 2").history[0].past
    kind, after = MISSED[change]
    assert told(past)[2:] == [(kind, None, None, after)]
    assert told(book.story())[2:] == [(kind, None, None, after)]  # and it is told once


def test_a_large_gradient_that_was_changed_unseen() -> None:
    book = Unwatched()
    book.run("w = torch.ones(100, requires_grad=True)\n" + RUN)
    book.alone("w.grad.zero_(); w.data = torch.zeros(100)")
    assert [page.kind for page in book.story()[2:]] == ["moved", "unseen"]


def test_the_recording_itself_tells_a_difference_that_it_sees() -> None:
    book = Unwatched()
    book.run(LEAF + RUN)
    book.alone("w.grad.zero_()")
    trace = book.run(RUN)
    assert [row.kind for row in trace.changes] == ["unseen", "accumulated"]
    assert told(trace.history[0].past)[2:] == []
    assert [page[:2] for page in told(book.story())[2:]] == [("unseen", None), ("accumulated", 2)]


@pytest.mark.parametrize("quiet", ["y = w * 2", "print(w.grad)", "w.requires_grad_()", "u = w"])
def test_nothing_is_made_up(quiet: str) -> None:
    book = Unwatched()
    book.run(LEAF + RUN)
    for _ in range(2):
        book.alone(quiet)
        book.run("y = w * 2\nz = w.grad")
    assert len(book.story()) == 2


def test_a_leaf_that_no_recording_has_seen_has_no_story() -> None:
    book = Unwatched()
    book.alone(LEAF + RUN)
    assert book.story() == () and book.story() == ()


def test_a_leaf_that_died_in_the_cell_still_has_its_story() -> None:
    book = Unwatched()
    book.run(LEAF + RUN)
    trace = book.run("w = (w - 0.1 * w.grad).detach()")
    assert [page.kind for page in trace.history[0].past] == ["first", "accumulated"]


def test_first_and_last_pages_are_kept_and_the_rest_is_counted() -> None:
    book = Unwatched()
    book.run(LEAF + f"for _ in range(50): {RUN}", loops=0)
    book.run(f"for _ in range(500): {RUN}", loops=0)
    book.run(f"for _ in range(30): {RUN}")
    past = book.story()
    assert len(past) == FIRST + 1 + LAST
    assert past[FIRST].kind == "left_out" and past[FIRST].pages == 1 + 580 - FIRST - LAST
    assert [page.after and page.after.value for page in past[-2:]] == [[1737.0], [1740.0]]
    assert [page.cell for page in past[:FIRST]] == [1] * FIRST and past[-31].cell == 2


def test_a_trace_has_room_for_so_many_pages() -> None:
    book = Unwatched()
    book.run(f"ws = [torch.ones(1, requires_grad=True) for _ in range({PAGES // 4})]")
    for _ in range(4):
        trace = book.run("sum((w * 2).sum() for w in ws).backward()")
    assert len(trace.history) == PAGES // 4
    assert sum(len(row.past) for row in trace.history) <= PAGES
    for row in trace.history:
        assert row.past[0].kind == "first" and row.past[-1].after is not None
        assert sum(page.pages or 1 for page in row.past) == 4


def test_a_story_is_plain_data_of_bounded_size() -> None:
    book = Unwatched()
    book.run("w = torch.ones(500, requires_grad=True)\n(w * 2).sum().backward()", values="all")
    first, added = book.story()
    assert first.after is not None and first.after.value is None and first.after.stats is not None
    assert added.after is not None and added.after.stats is not None
    assert added.after.stats.mean == 2.0 and added.after.stats.bins is None


def test_a_story_goes_with_its_leaf() -> None:
    gc.collect()
    before = len(memory._stories._table)
    book = Unwatched()
    book.run(LEAF + RUN)
    book.run(RUN)
    weak = weakref.ref(book.namespace["w"])
    story = weakref.ref(memory._stories.get(book.namespace["w"]).last)
    assert len(memory._stories._table) > before
    book.namespace.clear()
    book.traces.clear()
    gc.collect()
    assert weak() is None and story() is None and len(memory._stories._table) == before


def test_leaves_of_a_namespace() -> None:
    model = torch.nn.Linear(1, 1)
    frozen = torch.ones(1)
    leaf, held = torch.ones(1, requires_grad=True), torch.ones(1)
    held.grad = torch.ones(1)
    names = {
        "frozen": frozen, "leaf": leaf, "again": leaf, "held": held, "result": leaf * 2, "model": model,
        "many": [torch.ones(2, requires_grad=True)], "_hidden": torch.ones(1, requires_grad=True), "text": "no",
    }  # fmt: skip
    assert list(stories.leaves(names)) == ["leaf", "held", "model.weight", "model.bias", "many[0]"]


def test_a_failure_of_ours_leaves_the_recording_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    from autograd_magics.recorder import Recorder

    def broken(*_: Any) -> None:
        raise LookupError("broken here")

    monkeypatch.setattr(stories, "events", broken)
    recorder = Recorder(strict=False)
    recorder.start()
    torch.ones(1, requires_grad=True).mul(2).backward()
    trace = recorder.stop()
    assert trace.problem == "LookupError: broken here" and len(trace.backwards) == 1
