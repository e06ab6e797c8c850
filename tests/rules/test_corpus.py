"""No rule calls correct code wrong: the programs of the corpus, the Good cell of every rule, the example notebooks."""

from __future__ import annotations

import ast
import functools
import pathlib
import re

import nbformat
import pytest
import torch

from autograd_magics import rules
from tests.recorded import Notebook, findings
from tests.rules.corpus import PROGRAMS

GOOD = {f"Good cell of {rule.code}": rules.example(rule.code, "Good") for rule in rules.rules()}
EXAMPLES = sorted((pathlib.Path(__file__).resolve().parents[2] / "examples").rglob("*.ipynb"))
CODE = re.compile(r"\bAG\d{3}\b")
Wrong = tuple[tuple[str, str, str], ...]
"""(code, severity, variant) of each error and warning."""


def wrongly(notebook: Notebook, source: str) -> Wrong:
    """The errors and warnings found in a cell."""
    return tuple((f.code, f.severity, f.variant) for f in findings(notebook.run(source)) if f.severity != "note")


@functools.cache
def wrong_in(title: str) -> Wrong:
    """The errors and warnings found in a program, which runs without an exception."""
    torch.manual_seed(0)
    notebook = Notebook()
    wrong = wrongly(notebook, {**PROGRAMS, **GOOD}[title])
    assert notebook.errors == [None]
    return wrong


def test_the_corpus_is_large_enough_to_say_something() -> None:
    assert len(set(PROGRAMS.values())) == len(PROGRAMS) >= 60


@pytest.mark.parametrize("title", [*PROGRAMS, *GOOD])
def test_correct_program_has_no_error_and_no_warning(title: str) -> None:
    assert wrong_in(title) == ()


def test_count_of_false_findings(capsys: pytest.CaptureFixture[str]) -> None:
    count = sum(len(wrong_in(title)) for title in [*PROGRAMS, *GOOD])
    with capsys.disabled():
        print(f"\n{len(PROGRAMS)} correct programs, {len(GOOD)} Good cells: {count} errors and warnings")
    assert count == 0


def cells(source: str) -> list[str]:
    """A program cut into cells of two statements each."""
    lines, body = source.splitlines(keepends=True), ast.parse(source).body
    starts = [statement.lineno - 1 for statement in body[::2]]
    return ["".join(lines[a:b]) for a, b in zip(starts, [*starts[1:], len(lines)], strict=True)]


@pytest.mark.parametrize("title", PROGRAMS)
def test_correct_program_in_several_cells(title: str) -> None:
    """What one cell leaves behind confuses no other; only a sum over cells looks like a cell that was run twice."""
    torch.manual_seed(0)
    notebook = Notebook()
    wrong = [one for cell in cells(PROGRAMS[title]) for one in wrongly(notebook, cell)]
    assert not any(notebook.errors)
    assert [one for one in wrong if one != ("AG202", "warning", "earlier")] == []


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples_are_wrong_only_where_they_say_so(path: pathlib.Path) -> None:
    """An exception is announced by the cell's tag, any other mistake by the code of its finding in the text nearby."""
    torch.manual_seed(0)
    notebook, read = Notebook(), nbformat.read(path, as_version=4).cells
    false = []
    for i, cell in enumerate(read):
        if cell.cell_type == "code":
            said = {code for near in read[max(i - 1, 0) : i + 2] for code in CODE.findall(near.source)}
            raises = "raises-exception" in cell.metadata.get("tags", ())
            wrong = [f for f in findings(notebook.run(plain(cell.source))) if f.severity != "note"]
            unsaid = [f for f in wrong if {f.code, f.because}.isdisjoint(said)]
            false += [(cell.source, f.code, f.variant) for f in unsaid if not (raises and f.severity == "error")]
    assert false == []


def plain(source: str) -> str:
    """A cell without its magics."""
    return "\n".join("" if line.lstrip().startswith(("%", "!")) else line for line in source.split("\n"))
