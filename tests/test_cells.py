"""The rewriting of a cell's first line, and the memory of cells."""

from __future__ import annotations

import linecache
import types
from typing import Any

import pytest

from autograd_magics import cells
from autograd_magics.cells import Cell, Cells, Running


def rewritten(text: str) -> str:
    return "".join(cells.rewrite(text.splitlines(keepends=True)))


def start(line: str = "") -> str:
    return f"get_ipython().magics_manager.registry['AutogradMagics'].start({line!r})"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("%%autograd\nx = 1\n", start() + "\nx = 1\n"),
        ("%%autograd  name --lang pt \nx\n", start("name --lang pt") + "\nx\n"),
        ("%%autograd\n\n\nx\n", start() + "\n\n\nx\n"),
        ("%%autograd\n  if x:\n    y\n", start() + "\nif x:\n  y\n"),
        ("%%autograd 'a'\n# only a comment\n", start("'a'") + "\n# only a comment\n"),
        ("%%autograd\n%%time -q\nx\ny\n", start() + "; get_ipython().run_cell_magic('time', '-q', 'x\\ny\\n')\n"),
        ("%%autograd\n\n%%bash\nls\n", start() + "; get_ipython().run_cell_magic('bash', '', 'ls\\n')\n"),
        ("%%autograd\n%%time?\n", start() + "\n%%time?\n"),
    ],
)
def test_the_first_line_becomes_a_call(text: str, expected: str) -> None:
    assert rewritten(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "", "x = 1\n", "%%autograd\n", "%%autograd\n  \n\n", "%%autograd?\n", "%%autograd??\nx\n",
        "%%autograd2\nx\n", "%autograd\n", "x\n%%autograd\n", "%%time\n%%autograd\nx\n",
    ],
)  # fmt: skip
def test_other_cells_are_left_alone(text: str) -> None:
    assert rewritten(text) == text


def test_rewriting_is_pure() -> None:
    lines = ["%%autograd\n", "  x\n"]
    assert cells.rewrite(lines) == cells.rewrite(lines)
    assert lines == ["%%autograd\n", "  x\n"]


def test_the_terminal_is_told_that_rewriting_is_more_than_text() -> None:
    assert cells.rewrite.has_side_effects is True  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("raw", "line", "expected"),
    [
        ("%%autograd\nx\n", 1, "%%autograd\nx\n"),
        ("\n\n%%autograd\nx\n", 1, "%%autograd\nx\n"),
        ("%%time\n%%autograd\nx\n", 1, "%%autograd\nx\n"),
        ("%%time\n%%autograd\nx\n", 2, "%%time\n%%autograd\nx\n"),
        ("%%autograd\n  x\n  y\n", 1, "%%autograd\nx\ny\n"),
        ("\n \nx = 1\n\ny\n", 1, "x = 1\n\ny\n"),
        ("", 1, ""),
    ],
)
def test_the_text_has_the_lines_of_the_code(raw: str, line: int, expected: str) -> None:
    assert cells.code_text(raw, line) == expected


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("%%autograd\n%%time\nx\ny", ("<timed exec>", 2)),
        ("%%autograd\n\n%%timeit -n 1\nx\n", ("<magic-timeit>", 3)),
        ("%%autograd\n%%bash\nls", None),
        ("%%autograd\nx\n%%time", None),
        ("%%autograd\n", None),
        ("%%autograd\n%%time\nx", ("<timed eval>", 2)),
        ("%%time\nx", ("<timed eval>", 1)),
        ("\n%%time\n\nx = 1", ("<timed exec>", 2)),
        ("%%time\nx = !ls\nx", ("<timed exec>", 1)),
        ("%%capture\nx", None),
        ("x", None),
    ],
)
def test_code_that_another_magic_compiles_is_known(raw: str, expected: tuple[str, int] | None) -> None:
    assert cells.inner_code(raw) == expected


@pytest.mark.parametrize(
    ("raw", "recordable"),
    [
        ("x = 1", True),
        ("# a comment\nx = 1", True),
        ("%matplotlib inline\nx = 1", True),
        ("files = !ls", True),
        ("x = a ? b", True),
        ("%%time\nx = 1", True),
        ("%%timeit -n 1\n%%time\nx = 1", True),
        ("", False),
        (" \n\n", False),
        ("# only a comment", False),
        ("%who_ls\n!ls -l \\\n  -a\nx?\n?y\nz.a??\n# and a comment", False),
        ("%%autograd\nx = 1", False),
        ("\n  %%autograd kept\n  x = 1", False),
        ("%%time\n%%autograd\nx = 1", False),
        ("%%autograd2\nx = 1", False),
        ("%%capture caught\nx = 1", False),
        ("%%bash\necho torch", False),
        ("s = '''\n%%autograd\n'''", True),
    ],
)
def test_which_cells_are_meant_by_on(raw: str, recordable: bool) -> None:
    assert cells.is_recordable(raw) == recordable


def test_tracebacks_show_the_line_as_written() -> None:
    name = "<test cell>"
    linecache.cache[name] = (1, None, [start("--lang pt") + "\n", "x\n"], name)
    try:
        cells.show_as_written(name, 2, "--lang pt")
        assert linecache.getline(name, 2) == "x\n"
        cells.show_as_written(name, 1, "--lang pt")
        assert linecache.getline(name, 1) == "# %%autograd --lang pt\n"
        cells.show_as_written(name, 7, "")
        cells.show_as_written("<no such cell>", 1, "")
    finally:
        del linecache.cache[name]


def test_the_oldest_cells_are_forgotten() -> None:
    known = Cells(limit=3)
    for i in range(5):
        known.remember(Cell(f"f{i}", i, str(i)))
    assert [cell.number for cell in known] == [2, 3, 4]
    known.remember(Cell("f2", 9, "2"))
    known.remember(Cell("f10", 10, "10"))
    assert [(cell.filename, cell.number) for cell in known] == [("f4", 4), ("f2", 9), ("f10", 10)]
    known.clear()
    assert len(known) == 0


class Shell:
    """As much of IPython's shell as `Running` asks, counting a cell before it runs or after."""

    def __init__(self, early: bool) -> None:
        self.early = early
        self.execution_count = 4
        self.compile = types.SimpleNamespace(get_code_name=lambda raw, transformed, number: f"<{raw} {number}>")

    def transform_cell(self, raw: str) -> str:
        return raw

    def begin(self, running: Running, raw: str, store_history: bool = True) -> Any:
        self.execution_count += self.early and store_history
        info = types.SimpleNamespace(raw_cell=raw, store_history=store_history, cell_id=None)
        running.enter(info)
        return info

    def end(self, running: Running, info: Any) -> None:
        number = self.execution_count - self.early
        running.leave(types.SimpleNamespace(info=info, execution_count=number))
        self.execution_count += not self.early


@pytest.fixture(autouse=True)
def forget_cells() -> Any:
    yield
    cells.known.clear()


@pytest.mark.parametrize("early", [True, False])
def test_cells_get_their_execution_count(early: bool) -> None:
    shell = Shell(early)
    shell.execution_count += early  # the extension is loaded by a cell that is running
    running = Running(shell)
    shell.end(running, types.SimpleNamespace(raw_cell="%load_ext", store_history=True))
    for raw in ("a", "b"):
        shell.end(running, shell.begin(running, raw))
    assert [(cell.number, cell.filename, cell.text) for cell in cells.known] == [(5, "<a 5>", "a"), (6, "<b 6>", "b")]


@pytest.mark.parametrize("early", [True, False])
def test_the_first_cell_is_set_right_when_it_ends(early: bool) -> None:
    shell = Shell(early)
    running = Running(shell)
    shell.end(running, shell.begin(running, "a"))
    assert [cell.number for cell in cells.known] == [4]


@pytest.mark.parametrize("early", [True, False])
def test_a_cell_that_code_runs_has_the_number_of_the_cell_around_it(early: bool) -> None:
    shell = Shell(early)
    running = Running(shell)
    shell.end(running, shell.begin(running, "first"))
    shell.begin(running, "outer")
    shell.begin(running, "inner", store_history=False)
    assert [(cell.number, cell.text) for cell in cells.known][1:] == [(5, "outer"), (5, "inner")]


def test_cells_end_by_identity() -> None:
    shell = Shell(True)
    running = Running(shell)
    outer = shell.begin(running, "same")
    first = running.innermost()
    inner = shell.begin(running, "same")
    second = running.innermost()
    shell.end(running, inner)
    assert first in running and second not in running
    shell.end(running, types.SimpleNamespace(raw_cell="", store_history=True))  # an empty cell only ends
    assert running.innermost() is first
    shell.end(running, outer)
    assert not running


def test_a_cell_that_ended_unannounced_ends_with_the_cell_around_it() -> None:
    shell = Shell(True)
    running = Running(shell)
    outer = shell.begin(running, "outer")
    shell.begin(running, "inner")
    shell.end(running, outer)
    assert not running


@pytest.mark.parametrize("info", [None, types.SimpleNamespace(raw_cell="a", store_history=True)])
def test_a_cancelled_cell_ends_without_its_own_info(info: Any) -> None:
    shell = Shell(True)
    running = Running(shell)
    shell.begin(running, "a")
    running.leave(types.SimpleNamespace(info=info, execution_count=None) if info else None)
    assert not running
