"""Start, stop, and what happens when something goes wrong: with the cell, or with us."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

import pytest
import torch
from recorded import Notebook, record_cell

from autograd_magics.recorder import AlreadyRecording, Recorder, graph_of
from autograd_magics.recorder.backward import Backwards
from autograd_magics.recorder.calls import CallProbe
from autograd_magics.recorder.nodes import Nodes
from autograd_magics.recorder.tensors import Tensors
from autograd_magics.trace import Trace

ROOT = pathlib.Path(__file__).resolve().parents[2]

PROBES = [
    (Tensors, "result"),
    (Tensors, "current"),
    (Nodes, "row"),
    (Nodes, "_add_saved"),
    (Backwards, "begin"),
    (Backwards, "end"),
    (Backwards, "gradient"),
    (CallProbe, "_after_call"),
    (CallProbe, "_before"),
]


def broken(*args: object, **kwargs: object) -> None:
    raise ZeroDivisionError("ours")


def run_and_stop(strict: bool) -> tuple[torch.Tensor, Trace]:
    w = torch.ones(2, requires_grad=True)
    recorder = Recorder(strict=strict)
    recorder.start()
    try:
        (w * 3).sum().backward()
        w.grad.mul_(2)  # type: ignore[union-attr]
    finally:
        trace = recorder.stop()
    return w, trace


@pytest.mark.parametrize(("owner", "name"), PROBES)
def test_a_failure_of_ours_never_reaches_the_cell(monkeypatch: pytest.MonkeyPatch, owner: type, name: str) -> None:
    monkeypatch.setattr(owner, name, broken)
    w, trace = run_and_stop(strict=False)
    assert w.grad is not None and w.grad.tolist() == [6.0, 6.0]
    assert trace.problem == "ZeroDivisionError: ours"
    assert Trace.from_json(trace.to_json()) == trace


@pytest.mark.parametrize(("owner", "name"), PROBES)
def test_in_tests_it_raises(monkeypatch: pytest.MonkeyPatch, owner: type, name: str) -> None:
    monkeypatch.setattr(owner, name, broken)
    with pytest.raises(ZeroDivisionError, match="ours"):
        run_and_stop(strict=True)


def test_a_failure_while_finishing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autograd_magics.recorder.names.assigned", broken)
    _, trace = run_and_stop(strict=False)
    assert trace.problem == "ZeroDivisionError: ours" and trace.calls


def test_an_interrupt_keeps_what_was_recorded() -> None:
    recorder = Recorder(strict=True)
    recorder.start()
    try:
        w = torch.ones(2, requires_grad=True)
        (w * 2).sum().backward()
        w.exp()
        raise KeyboardInterrupt
    except KeyboardInterrupt as error:
        trace = recorder.stop(error)
    assert trace.failure is not None and trace.failure.type == "KeyboardInterrupt"
    assert len(trace.calls) == 4 and len(trace.backwards) == 1
    assert Trace.from_json(trace.to_json()) == trace


def test_an_interrupt_inside_a_backward() -> None:
    w = torch.ones(2, requires_grad=True)
    y = w * 2

    def interrupt(gradient: torch.Tensor) -> None:
        raise KeyboardInterrupt

    y.register_hook(interrupt)
    recorder = Recorder(strict=True)
    recorder.start()
    try:
        y.sum().backward()
    except KeyboardInterrupt as error:
        trace = recorder.stop(error)
    assert trace.backwards[0].error is not None and trace.backwards[0].error.type == "KeyboardInterrupt"
    assert Trace.from_json(trace.to_json()) == trace


def test_two_at_once_are_refused_and_the_first_goes_on() -> None:
    first = Recorder(strict=True)
    first.start()
    with pytest.raises(AlreadyRecording, match="already running here: end it before"):
        Recorder(strict=True).start()
    torch.ones(2)
    assert len(first.stop().calls) == 1
    second = Recorder(strict=True)
    second.start()
    assert second.stop().calls == ()


def test_stopping_twice_does_no_harm() -> None:
    recorder = Recorder(strict=True)
    recorder.start()
    recorder.stop()
    assert recorder.stop().calls == ()


def test_without_torch_the_import_says_what_to_do() -> None:
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "try:\n    import autograd_magics.recorder\n"
        "except Exception as error:\n    print(type(error).__name__, error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.stdout.strip() == "TorchMissing recording needs PyTorch, which is not installed: pip install torch", (
        done
    )


def test_values_can_be_left_out() -> None:
    trace = record_cell("x = torch.ones(2, requires_grad=True)\nx.sum().backward()", values=False)
    assert all(t.value is None for t in trace.tensors)
    assert all(g is None or g.value is None for s in trace.steps for g in s.received)


def test_every_trace_survives_the_round_trip() -> None:
    trace = record_cell("""
        x = torch.tensor([float('nan'), float('inf'), 1.], requires_grad=True)
        z = torch.tensor([1 + 2j])
        y = (x * 2).sum()
        y.backward()
        x.grad.zero_()
        y.backward()
    """)
    assert trace.failure is not None and Trace.from_json(trace.to_json()) == trace


def test_graph_of_shows_what_is_there_already() -> None:
    w = torch.ones(2, requires_grad=True)
    (w * 2).sum().backward()
    loss = (w * w).sum()
    trace = graph_of({"loss": loss}, namespace={"w": w})
    assert [n.name for n in trace.nodes] == ["AccumulateGrad", "MulBackward0", "SumBackward0"]
    assert {n.name for n in trace.names} == {"loss", "w"} and trace.calls == () and len(trace.saved) == 2
    assert Trace.from_json(trace.to_json()) == trace


def test_graph_of_runs_nothing_and_leaves_nothing() -> None:
    book = Notebook()
    book.run("w = torch.ones(2, requires_grad=True)\nloss = (w * w).sum()")
    graph_of({"loss": book.namespace["loss"]})
    trace = book.run("loss.backward()")
    assert next(n for n in trace.nodes if n.name == "MulBackward0").place is not None


def test_graph_of_refuses_what_is_no_tensor() -> None:
    with pytest.raises(TypeError, match=r"loss is list, expected a torch.Tensor"):
        graph_of({"loss": [1]})
