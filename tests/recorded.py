"""Run source as a cell would run and record it: `record_cell(source)` gives trace and namespace."""

from __future__ import annotations

import itertools
import linecache
import textwrap
import warnings
from typing import Any

import torch

from autograd_magics.graph import Graph
from autograd_magics.recorder import Recorder, SourceBook
from autograd_magics.rules import Finding, diagnose
from autograd_magics.trace import Trace

_numbers = itertools.count(1)


class Notebook:
    """Cells that share a namespace and are recorded one by one, as in a notebook."""

    def __init__(self) -> None:
        self.namespace: dict[str, Any] = {"torch": torch, "__name__": "__main__"}
        self.book = SourceBook()
        self.traces: list[Trace] = []
        self.errors: list[BaseException | None] = []

    def run(self, source: str, *, number: int | None = None, **options: Any) -> Trace:
        """Record one cell; an exception of the cell is kept in `errors` and in the trace."""
        source = textwrap.dedent(source)
        filename = f"<cell {next(_numbers)}>"
        number = len(self.traces) + 1 if number is None else number
        linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
        self.book.add_cell(filename, number, source)
        self.book.main = filename
        recorder = Recorder(sources=self.book, namespace=lambda: self.namespace, strict=True, **options)
        error: BaseException | None = None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PyTorch's warnings are recorded; here they are no errors
            recorder.start()
            try:
                exec(compile(source, filename, "exec"), self.namespace)
            except Exception as raised:
                error = raised
            finally:
                trace = recorder.stop(error)
        self.errors.append(error)
        self.traces.append(trace)
        return self.traces[-1]


def record_cell(source: str, **options: Any) -> Trace:
    """The trace of one cell in a namespace of its own, with `torch` imported."""
    return Notebook().run(source, **options)


def findings(trace: Trace) -> tuple[Finding, ...]:
    """What the rules say of a trace; every trace here must survive a round trip first."""
    assert Trace.from_json(trace.to_json()) == trace
    return diagnose(Graph(trace))


def codes(trace: Trace) -> list[str]:
    """The codes found, causes first."""
    return [f.code for f in findings(trace)]
