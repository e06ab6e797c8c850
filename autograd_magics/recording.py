"""Recording a block of code, with or without IPython.

* `with record() as recording: ...`, then `recording.report`.
* `show(loss)`: the graph behind tensors that already exist.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from . import cells
from .settings import LIMIT, THEMES, VALUES_BUDGET, is_strict, values_policy
from .texts import choose, text

if TYPE_CHECKING:
    from .recorder import Recorder
    from .recorder.sources import SourceBook
    from .report import Report


def known_sources(main: str | None) -> SourceBook:
    """All cells that were seen so far, and the file name of what is to be recorded."""
    from .recorder.sources import SourceBook

    book = SourceBook(main=main)
    for cell in cells.known:
        book.add_cell(cell.filename, cell.number, cell.text)
    return book


class Recording:
    """A context manager that records its body; afterwards `report` holds what was seen."""

    def __init__(
        self, *, values: str | bool, limit: int, lang: str | None, theme: str, values_budget: int = VALUES_BUDGET
    ) -> None:
        if theme not in THEMES:
            raise ValueError(f"theme is {theme!r}, expected one of {', '.join(THEMES)}")
        if limit < 1:
            raise ValueError(f"limit is {limit}, expected a number of calls, 1 or more")
        if values_budget < 0:
            raise ValueError(f"values_budget is {values_budget}, expected a number of bytes, 0 or more")
        self._lang = choose(lang)
        self._theme = theme
        self._settings: dict[str, Any] = {
            "values": values_policy(values), "limit": limit, "values_budget": values_budget,
        }  # fmt: skip
        self._recorder: Recorder | None = None
        self._report: Report | None = None
        self._state = "magic.record.not_started"
        self._problem = ""

    @property
    def report(self) -> Report:
        """What was recorded.  Raises RuntimeError before the end of the `with` block."""
        if self._report is None:
            raise RuntimeError(text(self._state, self._lang, problem=self._problem))
        return self._report

    def __enter__(self) -> Recording:
        """Start.  Raises AlreadyRecording where another recording runs, TorchMissing without PyTorch."""
        from .recorder import Recorder

        frame = _caller()
        recorder = Recorder(
            sources=known_sources(frame.f_code.co_filename),
            namespace=_names(frame),
            base=frame.f_code,
            strict=is_strict(),
            **self._settings,
        )
        recorder.start()
        self._recorder, self._report, self._state = recorder, None, "magic.record.not_ended"
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: Any) -> None:
        recorder, self._recorder = self._recorder, None
        if recorder is None:
            return
        try:
            from .report import Report

            self._report = Report(recorder.stop(error), lang=self._lang, theme=self._theme)
        except Exception as failure:
            if is_strict():
                raise
            self._state, self._problem = "magic.record.failed", f"{type(failure).__name__}: {failure}"
            print(text("magic.trouble", self._lang, problem=self._problem), file=sys.stderr)


def record(
    *, values: str | bool = "small", limit: int = LIMIT, lang: str | None = None, theme: str = "auto",
    values_budget: int = VALUES_BUDGET,
) -> Recording:  # fmt: skip
    """Record the body of a `with` block.

    values: what to note of the values of tensors: `"none"`, `"small"` (small ones whole), `"stats"` (also mean, spread
    and the like of larger ones) or `"all"` (also a histogram and a heat map); values_budget: bytes for all of that;
    limit: calls after which the rest runs unseen;
    lang: language of the report (None: the machine's); theme: `"auto"`, `"light"` or `"dark"`.
    Raises ValueError for a setting that is not known.
    """
    return Recording(values=values, limit=limit, lang=lang, theme=theme, values_budget=values_budget)


def show(*tensors: Any, lang: str | None = None, theme: str = "auto", **named: Any) -> Report:
    """The Report of the graph behind tensors that already exist: `show(loss)`, `show(total=a + b)`.

    Raises TypeError for what is not a tensor.
    """
    from .recorder import graph_of
    from .report import Report

    frame = _caller()
    known = _names(frame)()
    found = {_name_of(tensor, known, i): tensor for i, tensor in enumerate(tensors)}
    trace = graph_of({**found, **named}, sources=known_sources(None), namespace=known)
    return Report(trace, lang=choose(lang), theme=theme)


def _caller() -> types.FrameType:
    """The frame that called into this module, past contextlib's helpers."""
    frame: types.FrameType = sys._getframe(1)
    while frame.f_back and frame.f_globals.get("__name__") in (__name__, "contextlib"):
        frame = frame.f_back
    return frame


def _names(frame: types.FrameType) -> Callable[[], dict[str, Any]]:
    """Reads the variables that a frame sees, as they are at the time of the call."""
    return lambda: {**frame.f_globals, **frame.f_locals}


def _name_of(value: Any, known: dict[str, Any], position: int) -> str:
    return next((name for name, other in known.items() if other is value), f"tensor_{position}")
