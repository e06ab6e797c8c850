"""Example notebooks, executed for real, and what they left behind."""

from __future__ import annotations

import pathlib
import re
import sys
from dataclasses import dataclass
from typing import Any

import nbclient
import nbformat
from nbformat import NotebookNode

from autograd_magics import Finding, Report, load
from tests.kernel.harness import ANSI, environment

NOTEBOOKS = sorted((pathlib.Path(__file__).resolve().parent.parent / "examples").glob("*.ipynb"))
RAISES = "raises-exception"
RECORDED = re.compile(r"%%autograd(?: (\w+))?[^\n]*\n")
PLACES = re.compile(r"ipykernel_\d+/\d+\.py|0x[0-9a-f]+")
"""Memory addresses and names of temporary files."""

KEEP = """
import pathlib, sys, autograd_magics
for name, value in dict(globals()).items():
    if isinstance(value, autograd_magics.Report):
        value.save(pathlib.Path({folder!r}) / (name + ".json"))
print(sys.executable)
"""
"""Runs after the last cell: writes the reports to files, so that they can be looked at here."""


@dataclass(frozen=True)
class Lesson:
    """An executed notebook and the reports it left behind, by name."""

    cells: list[NotebookNode]
    """Its code cells."""
    reports: dict[str, Report]

    def number(self, name: str) -> int:
        """The `In [number]` of the cell that a report was recorded from."""
        return next(i for i, c in enumerate(self.cells, 1) if c.source.startswith(f"%%autograd {name}"))

    def shown(self, name: str) -> str:
        """The text form of the report under a recorded cell."""
        return str(next(o for o in self.cells[self.number(name) - 1].outputs if is_report(o)).data["text/plain"])

    def result(self, source: str) -> str:
        """The displayed value of the one cell that ends in a line and has a value."""
        ends = [c for c in self.cells if c.source.split("\n")[-1] == source]
        (value,) = (o for c in ends for o in c.outputs if o.output_type == "execute_result")
        return str(value.data["text/plain"])

    def printed(self, name: str) -> str:
        """What a recorded cell printed."""
        outputs = self.cells[self.number(name) - 1].outputs
        return "".join(o.text for o in outputs if o.output_type == "stream" and o.name == "stdout")

    def lines(self, name: str, finding: Finding) -> list[tuple[int | None, int]]:
        """The (cell, line) of each place that a finding of a report names."""
        trace = self.reports[name].trace
        places = [trace.places[p] for p in finding.places]
        return [(trace.sources[p.source].number, p.line) for p in places]


def is_report(output: NotebookNode) -> bool:
    """Whether an output of a cell is a report of ours."""
    return output.output_type == "display_data" and 'class="agm' in output.data.get("text/html", "")


def own_outputs(cell: NotebookNode) -> list[tuple[str, str]]:
    """What a cell gave out, without our reports, memory addresses and names of temporary files.

    Each stream whole, and all sorted: into how many pieces a stream is cut, and which of two comes first, is the
    kernel's chance.
    """
    found = []
    streams: dict[str, str] = {}
    for output in cell.outputs:
        if output.output_type == "error":
            found.append(("error", ANSI.sub("", output.traceback[-1])))
        elif output.output_type == "stream":
            streams[output.name] = streams.get(output.name, "") + output.text
        elif not is_report(output):
            found.append((output.output_type, output.data["text/plain"]))
    return sorted((kind, PLACES.sub("…", text)) for kind, text in [*found, *streams.items()])


def read(path: pathlib.Path) -> list[NotebookNode]:
    """The code cells of a notebook."""
    return [c for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code"]


def execute(cells: list[NotebookNode], tmp: pathlib.Path) -> NotebookNode:
    """Run all cells in a kernel of this interpreter, whatever they raise; the first imports torch and is seeded."""
    cells[0].source += "\ntorch.manual_seed(0);"
    notebook = nbformat.v4.new_notebook(cells=cells)
    where = {"metadata": {"path": str(tmp)}}
    settings = {"kernel_name": "python3", "extra_arguments": ["--log-level=ERROR"]}
    client = nbclient.NotebookClient(notebook, timeout=120, allow_errors=True, resources=where, **settings)
    client.execute(env=environment(tmp))
    return notebook


def run(name: str, tmp: pathlib.Path) -> Lesson:
    """Execute the notebook `examples/<name>.ipynb`."""
    (path,) = (p for p in NOTEBOOKS if p.stem == name)
    keep = nbformat.v4.new_code_cell(KEEP.format(folder=str(tmp)))
    ran = execute([*read(path), keep], tmp).cells
    assert ran.pop().outputs[0].text.strip() == sys.executable
    return Lesson(ran, {p.stem: load(p, lang="en") for p in tmp.glob("*.json")})


def codes(report: Report) -> list[str]:
    """The codes of what was found, in order."""
    return [finding.code for finding in report.findings]


def tensor(report: Report, name: str) -> int:
    """The last row of the tensor that has a name."""
    return max(n.tensor for n in report.trace.names if n.name == name)


def value(report: Report, name: str) -> Any:
    """The last value of the tensor that has a name."""
    return report.graph.states[report.trace.tensors[tensor(report, name)].object][-1].value


def gradient(report: Report, name: str) -> Any:
    """The gradient that arrived at the tensor that has a name."""
    found = report.graph.gradient(tensor(report, name))
    assert found is not None
    return found.value


def ledger(report: Report, name: str) -> list[tuple[str, Any, Any]]:
    """Every change of a leaf's `.grad`: (kind, what was added, what stood there afterwards)."""
    obj = report.trace.tensors[tensor(report, name)].object
    changes = report.graph.changes_by_object[obj]
    return [(c.kind, c.added and c.added.value, c.after and c.after.value) for c in changes]


def names_in(report: Report, picture: str = "forward") -> set[tuple[str, str]]:
    """(style, label or name) of every box of a picture."""
    return {(box.style, box.label or box.name) for box in report.pictures[picture].boxes}
