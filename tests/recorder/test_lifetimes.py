"""Looking keeps nothing alive: what the plain run lets die, dies at the same moment while it is recorded."""

from __future__ import annotations

import gc
import threading
import tracemalloc
import weakref
from collections.abc import Callable
from typing import Any

import pytest
import torch
from recorded import Notebook
from recorder.both import RECORDED, Ways, run
from recorder.reading import programs

from autograd_magics.recorder import Recorder
from autograd_magics.recorder.common import CommonCalls
from autograd_magics.trace import Trace

PROGRAMS = programs("lifetimes")

PRELUDE = """
import weakref
refs, moments = [], []
def watch(thing):
    refs.append(weakref.ref(thing))
    return thing
def mark():
    moments.append([r() is not None for r in refs])
w = torch.ones(2, requires_grad=True)
"""


def moments(source: str, ways: Ways = ()) -> Any:
    """Which of the watched objects were alive at each mark and at the end."""
    gc.disable()  # only what is freed at once counts
    try:
        outcome = run(PRELUDE + source + "\nmark()", ways)
    finally:
        gc.enable()
    assert outcome.error is None, outcome.error
    return outcome.values["moments"]


@pytest.mark.parametrize("name", PROGRAMS)
def test_it_dies_when_it_dies_in_the_plain_run(name: str) -> None:
    assert moments(PROGRAMS[name], RECORDED) == moments(PROGRAMS[name])


def test_a_recorder_that_keeps_results_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[torch.Tensor] = []
    note: Callable[..., Any] = CommonCalls.note

    def keeping(self: CommonCalls, function: Any, pending: Any, result: torch.Tensor) -> Any:
        kept.append(result)
        return note(self, function, pending, result)

    monkeypatch.setattr(CommonCalls, "note", keeping)
    assert moments(PROGRAMS["intermediate"], RECORDED) != moments(PROGRAMS["intermediate"])
    assert kept


def test_the_trace_holds_no_tensor() -> None:
    book = Notebook()
    trace = book.run("w = torch.ones(2, requires_grad=True)\ny = (w * 2).sum()\ny.backward()")
    seen, queue = set(), [trace]
    for one in queue:
        for other in gc.get_referents(one):
            if id(other) not in seen and not isinstance(other, type):
                seen.add(id(other))
                queue.append(other)
    assert not [
        one for one in queue if isinstance(one, (torch.Tensor, torch.autograd.graph.Node, torch.UntypedStorage))
    ]


def test_the_recorder_may_be_kept_without_keeping_tensors() -> None:
    recorder = Recorder(strict=True)
    recorder.start()
    big = torch.ones(1000, requires_grad=True)
    result = (big * 2).exp()
    storage = weakref.ref(result.untyped_storage())
    result.sum().backward()
    recorder.stop()
    del result
    assert storage() is None


def test_many_recordings_do_not_grow() -> None:
    source = "w = torch.ones(2, requires_grad=True)\nfor _ in range(5):\n    (w * 2).sum().backward()\nw.grad = None"
    code = compile(source, "<many>", "exec")

    def once() -> None:
        recorder = Recorder(strict=True)
        recorder.start()
        exec(code, {"torch": torch})
        recorder.stop()

    for _ in range(20):
        once()
    gc.collect()
    tracemalloc.start()
    try:
        for _ in range(100):
            once()
        gc.collect()
        first, _ = tracemalloc.get_traced_memory()
        for _ in range(100):
            once()
        gc.collect()
        second, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert second - first < 64_000  # one recording alone is about 50 kB of rows


def test_code_of_the_cell_is_let_go() -> None:
    book = Notebook()
    book.run("def f(x):\n    h = x * 2\n    return h\nw = torch.ones(2, requires_grad=True)\ny = f(w)")
    function = weakref.ref(book.namespace.pop("f"))
    gc.collect()
    assert function() is None


def test_another_thread_is_not_recorded_and_not_disturbed() -> None:
    recorder = Recorder(strict=True)
    recorder.start()
    found: list[int] = []

    def work() -> None:
        found.append(torch._C._len_torch_function_stack())
        found.append(int((torch.ones(2) * 2).sum()))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    trace: Trace = recorder.stop()
    assert found == [0, 4] and trace.calls == ()


def test_two_threads_may_record_at_once() -> None:
    traces: dict[str, Trace] = {}
    barrier = threading.Barrier(2)

    def work(name: str, factor: int) -> None:
        recorder = Recorder(strict=True)
        recorder.start()
        barrier.wait()
        w = torch.ones(2, requires_grad=True)
        for _ in range(factor):
            (w * factor).sum().backward()
        traces[name] = recorder.stop()

    threads = [threading.Thread(target=work, args=item) for item in (("a", 2), ("b", 3))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(traces["a"].backwards), len(traces["b"].backwards)) == (2, 3)
    assert not {traces["a"].problem, traces["b"].problem} - {None}
