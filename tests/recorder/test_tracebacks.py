"""Tracebacks of recorded cells: the frames of the plain run and no others."""

from __future__ import annotations

import traceback

import pytest
import torch
from recorder.both import RECORDED, run
from recorder.reading import programs

from autograd_magics.recorder import Recorder, tidy

RAISING = programs("tracebacks")


@pytest.mark.parametrize("name", RAISING)
def test_the_frames_are_those_of_the_plain_run(name: str) -> None:
    plain, recorded = run(RAISING[name], filename="<same>"), run(RAISING[name], RECORDED, filename="<same>")
    assert plain.error == recorded.error and plain.error is not None
    assert recorded.frames == plain.frames


def test_frames_of_causes_are_tidied_too() -> None:
    recorder = Recorder(strict=True)
    recorder.start()
    try:
        try:
            torch.nn.functional.relu("x")  # type: ignore[arg-type]
        except TypeError as cause:
            raise KeyError("mine") from cause
    except KeyError as error:
        recorder.stop(error)
        assert error.__cause__ is not None
        frames = traceback.extract_tb(error.__cause__.__traceback__)
        assert [f.name for f in frames] == ["test_frames_of_causes_are_tidied_too", "relu"]


def test_an_error_without_traceback_is_left_alone() -> None:
    error = ValueError("bare")
    tidy(error)
    assert error.__traceback__ is None


def test_an_error_of_the_users_alone_is_untouched() -> None:
    try:
        raise ValueError("mine")
    except ValueError as error:
        before = traceback.format_exc()
        tidy(error)
        assert traceback.format_exc() == before
