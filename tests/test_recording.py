"""`with record()` and `show()`, without IPython."""

from __future__ import annotations

import contextlib
import pathlib
import subprocess
import sys
import types
from typing import Any

import pytest
import torch

import autograd_magics
from autograd_magics import cells, record, recorder, show
from autograd_magics.recorder import AlreadyRecording
from autograd_magics.recording import Recording


def names_in(report: Any) -> set[str]:
    return {name.name for name in report.trace.names}


def test_the_body_is_recorded() -> None:
    x = torch.tensor(3.0, requires_grad=True)
    with record() as recording:
        y = x * x
        y.backward()
    report = recording.report
    assert isinstance(report, autograd_magics.Report)
    assert [call.name for call in report.trace.calls if call.nodes] == ["mul"]
    assert len(report.trace.backwards) == 1
    assert {"x", "y"} <= names_in(report)
    assert x.grad is not None and x.grad.item() == 6.0
    assert report.trace.failure is None


def test_calls_are_placed_in_the_file() -> None:
    with record() as recording:
        torch.ones(2, requires_grad=True) * 2
    trace = recording.report.trace
    call = next(call for call in trace.calls if call.name == "mul")
    place = trace.places[call.places[0]]
    source = trace.sources[place.source]
    assert source.filename == __file__
    assert "requires_grad=True) * 2" in source.line_texts[str(place.line)]
    assert trace.source == source.id


def test_an_exception_goes_through_unchanged_and_is_in_the_report() -> None:
    error = ValueError("mine")
    recording = record()
    with pytest.raises(ValueError, match="^mine$") as caught, recording:
        torch.ones(1)
        raise error
    assert caught.value is error
    failure = recording.report.trace.failure
    assert failure is not None
    assert (failure.type, failure.message) == ("ValueError", "mine")


def test_the_report_is_refused_before_the_end() -> None:
    recording = record()
    with pytest.raises(RuntimeError, match="nothing was recorded yet"):
        _ = recording.report
    with recording, pytest.raises(RuntimeError, match="only after the end of the `with` block"):
        _ = recording.report
    assert recording.report.trace.failure is None


def test_a_recording_inside_a_recording_is_refused_and_the_outer_goes_on() -> None:
    with record() as outer:
        torch.ones(1) + 1
        with pytest.raises(AlreadyRecording, match="already running"), record():
            pass
        torch.ones(1) + 2
    assert [call.name for call in outer.report.trace.calls].count("add") == 2


def test_the_same_recording_can_be_used_again() -> None:
    recording = record()
    with recording:
        torch.ones(1)
    first = recording.report
    with recording:
        torch.ones(1)
    assert recording.report is not first
    assert recording.report.trace.run != first.trace.run


def test_an_exit_stack_may_enter_it() -> None:
    x = torch.ones(1, requires_grad=True)
    with contextlib.ExitStack() as stack:
        recording = stack.enter_context(record())
        doubled = x * 2
    assert doubled.requires_grad
    trace = recording.report.trace
    assert trace.source is not None
    assert trace.sources[trace.source].filename == __file__
    assert {"x", "doubled"} <= names_in(recording.report)


def test_settings_reach_the_recorder_and_the_report() -> None:
    with record(values=False, limit=1, lang="pt", theme="dark") as recording:
        for _ in range(3):
            torch.ones(2)
    report = recording.report
    assert (report.lang, report.theme) == ("pt_BR", "dark")
    assert len(report.trace.calls) == 1
    assert report.trace.dropped == 2
    assert [tensor.value for tensor in report.trace.tensors] == [None] * len(report.trace.tensors)


def test_settings_are_checked_before_anything_runs() -> None:
    with pytest.raises(ValueError, match="language 'xx' is not known"):
        record(lang="xx")
    with pytest.raises(ValueError, match="'neon'.*auto, light, dark"):
        record(theme="neon")
    with pytest.raises(ValueError, match="limit.*0.*1 or more"):
        record(limit=0)
    with pytest.raises(ValueError, match="^values is 'some', expected one of none, small, stats, all$"):
        record(values="some")
    with pytest.raises(ValueError, match="^values_budget is -1, expected a number of bytes, 0 or more$"):
        record(values_budget=-1)


def test_cells_that_are_known_are_named() -> None:
    code = compile("with record() as recording:\n    torch.ones(2) * 2\n", "<cell 7>", "exec")
    cells.known.remember(cells.Cell("<cell 7>", 7, "with record() as recording:\n    torch.ones(2) * 2\n"))
    names: dict[str, Any] = {"record": record, "torch": torch}
    try:
        exec(code, names)
    finally:
        cells.known.clear()
    trace = names["recording"].report.trace
    assert [(source.kind, source.number) for source in trace.sources] == [("cell", 7)]


def failing_stop(self: Any, error: BaseException | None = None) -> None:
    original_stop(self, error)
    raise LookupError("broken recorder")


original_stop = recorder.Recorder.stop


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder.Recorder, "stop", failing_stop)


def test_a_failure_of_ours_does_not_reach_the_code(
    broken: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("AUTOGRAD_MAGICS_STRICT")
    with pytest.raises(ValueError, match="^mine$"), record() as recording:
        raise ValueError("mine")
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert "LookupError: broken recorder" in said.err
    with pytest.raises(RuntimeError, match="has no report: LookupError: broken recorder"):
        _ = recording.report


def test_a_failure_of_ours_is_raised_where_tests_ask_for_it(broken: None) -> None:
    with pytest.raises(LookupError, match="broken recorder"), record():
        pass


def test_nothing_of_the_frame_is_kept() -> None:
    recording = record()

    def body() -> types.FrameType:
        with recording:
            return sys._getframe()

    frame = body()
    assert recording._recorder is None
    assert not any(value is frame for value in vars(recording).values())


def test_show_is_the_graph_behind_a_tensor() -> None:
    x = torch.tensor(2.0, requires_grad=True)
    y = x**2
    report = show(y, third=x * 3, lang="pt", theme="light")
    assert {node.name for node in report.trace.nodes} == {"PowBackward0", "MulBackward0", "AccumulateGrad"}
    assert {"y", "third"} <= names_in(report)
    assert (report.lang, report.theme) == ("pt_BR", "light")


def test_show_of_something_else_is_refused() -> None:
    numbers = [1, 2]
    with pytest.raises(TypeError, match="^numbers is list, expected a torch.Tensor"):
        show(numbers)


def test_a_script_needs_no_ipython(tmp_path: pathlib.Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import sys, torch\n"
        "from autograd_magics import record\n"
        "def main():\n"
        "    x = torch.tensor(3.0, requires_grad=True)\n"
        "    with record() as recording:\n"
        "        (x * x).backward()\n"
        "    return recording.report\n"
        "print(main().to_text())\n"
        "assert 'IPython' not in sys.modules\n"
    )
    root = pathlib.Path(autograd_magics.__file__).parents[1]
    ran = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, cwd=tmp_path, timeout=120,
        env={"PYTHONPATH": str(root), "LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin", "AUTOGRAD_MAGICS_STRICT": "1"},
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert "x" in ran.stdout and "line 6" in ran.stdout


def test_a_recording_is_public() -> None:
    assert autograd_magics.Recording is Recording
    assert isinstance(record(), Recording)


@pytest.mark.parametrize(("value", "strict"), [("", False), ("0", False), ("1", True)])
def test_every_part_reads_the_strict_switch_alike(
    value: str, strict: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    from autograd_magics.recorder import Recorder
    from autograd_magics.settings import STRICT, is_strict

    monkeypatch.setenv(STRICT, value)
    assert is_strict() is strict
    assert Recorder()._strict is strict
