"""PyTorch's own warnings: as in the plain run, and recorded."""

from __future__ import annotations

import warnings

import pytest
from recorded import Notebook
from recorder.both import RECORDED, run
from recorder.reading import programs

from autograd_magics.recorder import Recorder

BODIES = programs("warned")


@pytest.mark.parametrize("filters", ["default", "once", "always", "ignore", "module"])
@pytest.mark.parametrize("body", BODIES)
def test_the_same_warnings_at_the_same_places(body: str, filters: str) -> None:
    plain, recorded = run(BODIES[body], filters=filters), run(BODIES[body], RECORDED, filters=filters)
    assert recorded.warnings == plain.warnings
    assert recorded.values.get("found") == plain.values.get("found")


def test_as_an_error_it_is_raised_from_the_same_line() -> None:
    plain, recorded = (run(BODIES["once at its line"], how, filters="error") for how in ((), RECORDED))
    assert plain.error == recorded.error and plain.error is not None
    assert plain.frames == recorded.frames


def test_it_is_recorded_with_its_place() -> None:
    book = Notebook()
    source = "w = torch.ones(2, requires_grad=True)\ny = w * 2\ny.grad"
    (warned,) = book.run(source).warnings
    assert warned.category == "UserWarning" and ".grad attribute" in warned.message
    trace = book.traces[-1]
    assert trace.places[warned.places[0]].line == 3


def test_hook_and_filter_are_gone_afterwards() -> None:
    before, show = list(warnings.filters), warnings._showwarnmsg  # type: ignore[attr-defined]
    Notebook().run("x = torch.ones(2)")
    assert list(warnings.filters) == before and warnings._showwarnmsg is show  # type: ignore[attr-defined]


def test_a_hook_that_the_cell_leaves_behind_stays() -> None:
    before = warnings.showwarning
    recorder = Recorder(strict=True)
    recorder.start()
    try:
        warnings.showwarning = print  # type: ignore[assignment]
        recorder.stop()
        assert warnings.showwarning is print
    finally:
        warnings.showwarning = before
