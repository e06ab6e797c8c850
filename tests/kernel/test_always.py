"""`%autograd on`: every following cell is recorded and stays the same cell, in a real kernel."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator

import nbclient
import pytest
from nbclient.exceptions import CellExecutionError

from tests.kernel.harness import Kernel, usage_error
from tests.kernel.test_magic import STEP
from tests.kernel.test_notebook import LOAD, kinds, machine, notebook
from tests.kernel.test_properties import CASES, run, scrubbed, seen

__all__ = ["machine"]

ALWAYS = "get_ipython().magics_manager.registry['AutogradMagics'].always"
FOREIGN = {
    "another cell magic below", "a cell magic that returns a value", "unknown cell magic below", "only a comment",
    "shell command",
}  # fmt: skip
"""Cells whose body is not Python of the user's: they are not recorded."""
SHOWN = {"error in backward", "gradients", "warning of torch"}
"""Cells in which autograd does something."""


@pytest.fixture
def on(kernel: Kernel) -> Iterator[Kernel]:
    """A kernel that records every cell."""
    assert kernel.run("%autograd on").kinds == ["stdout"]
    yield kernel
    assert kernel.run("%autograd off").kinds == ["stdout"]


def count(kernel: Kernel) -> int:
    """Cells recorded since `on`."""
    return int(kernel.value(f"{ALWAYS}.count"))


@pytest.mark.parametrize("name", CASES)
def test_the_cell_is_the_same(kernel: Kernel, name: str) -> None:
    case = CASES[name]
    first = "" if case.bare or case.body.startswith("%%") else "# a comment\n"
    plain, plain_after, plain_probed = run(kernel, first, case)
    kernel.run("%autograd on")
    recorded, recorded_after, recorded_probed = run(kernel, first, case)
    recordings = count(kernel)
    kernel.run("%autograd off")
    others = 1 + bool(case.before) + bool(case.after)  # of `run` itself; what it asks for without a cell is none
    assert recordings == others + (name not in FOREIGN)

    assert seen(recorded) == seen(plain)
    for key in ("status", "ename", "evalue"):
        assert scrubbed(str(recorded.reply.get(key))) == scrubbed(str(plain.reply.get(key)))
    assert "autograd_magics" not in recorded.error
    assert recorded_probed == plain_probed
    if plain_after and recorded_after:
        assert seen(recorded_after) == seen(plain_after)
    assert recorded.kinds[len(plain.kinds) :] == (["report"] if name in SHOWN else [])


@pytest.mark.parametrize(
    ("wait", "ename"),
    [
        ("import time\ntime.sleep(60)", "KeyboardInterrupt"),
        ("import asyncio\nfor _ in range(600): await asyncio.sleep(0.1)", "CancelledError"),
    ],
)
def test_an_interrupt_ends_the_cell_and_not_on(on: Kernel, wait: str, ename: str) -> None:
    ran = on.run(f"{STEP}\nprint('started', flush=True)\n" + wait, interrupt_at="started")
    assert (ran.reply["status"], ran.reply["ename"]) == ("error", ename)
    assert ran.kinds == ["stdout", "error", "report"]
    assert on.run(STEP).kinds == ["report"]


def test_lines_are_those_of_the_notebook(on: Kernel) -> None:
    on.run("%autograd on kept")
    for cell, line in {
        "y = 1\n{}": 2, "%%time\n{}": 2, "%%time\ny = 1\n{}": 3, "%%timeit -n 1 -r 1\n{}": 2, "\n\n{}": 1,
        "    y = 1\n    {}": 2, "%who_ls int\n!true\n{}": 3,
    }.items():  # fmt: skip
        on.run("kept = None; x = torch.ones(1, requires_grad=True)")
        ran = on.run(cell.format("(x * 2).backward()"))
        assert ran.reply["status"] == "ok"
        assert on.value("kept.trace.places[kept.trace.backwards[0].places[0]].line") == str(line), cell
        number = "kept.trace.sources[kept.trace.places[kept.trace.backwards[0].places[0]].source].number"
        assert on.value(number) == str(ran.reply["execution_count"])


def test_a_cell_with_the_magic_is_recorded_once(on: Kernel) -> None:
    ran = on.run(f"%%autograd own\n{STEP}")
    assert ran.kinds == ["report"] and "already" not in ran.said
    assert count(on) == 0
    ran = on.run(f"%%time\n%%autograd own\n{STEP}")
    assert ran.kinds == ["stdout", "report"] and "already" not in ran.said
    assert count(on) == 0
    assert on.run(f"%%capture caught\n{STEP}").kinds == []
    assert count(on) == 1 and on.value("len(caught.outputs)") == "1"


def test_magics_and_empty_cells_show_nothing(on: Kernel) -> None:
    for cell in ("", "\n", "# only a comment", "%who_ls float", "!true", "%autograd", "%autograd grads"):
        assert "already being recorded" not in on.run(cell).said
    assert count(on) == 0


def test_options_and_name(kernel: Kernel) -> None:
    kernel.run("%autograd on step --display text --lang pt")
    said = kernel.run(STEP).said
    assert "folha" in said and "GRADIENTES" in said
    assert kernel.run("2 + 2").kinds == ["execute_result"]
    assert kernel.value("len(step.trace.backwards)") == "1"
    kernel.run("%autograd on --display none")
    assert kernel.run(STEP).kinds == []
    kernel.run("%autograd off")


def test_state(kernel: Kernel) -> None:
    assert "every cell after" not in kernel.run("%autograd").said.split("\n\n")[0]
    number = kernel.run("%autograd on --theme dark").reply["execution_count"]
    kernel.run("x = 1")
    said = kernel.run("%autograd").said
    assert f"%autograd on --theme dark: every cell after In [{number}] is recorded, 1 cell so far" in said
    kernel.run("%autograd off")
    assert "every cell after" not in kernel.run("%autograd").said


@pytest.mark.parametrize(
    ("line", "part"),
    [("on --limt 3", "did you mean --limit?"), ("on a b", "at most one"), ("off now", "takes nothing more, got 'now'")],
)
def test_bad_arguments_are_one_line_and_change_nothing(kernel: Kernel, line: str, part: str) -> None:
    assert part in usage_error(kernel.run(f"%autograd {line}"))
    assert kernel.value(f"{ALWAYS} is None") == "True"


def test_nbclient_sees_errors_and_reports(machine: pathlib.Path) -> None:
    book = notebook(LOAD, "%autograd on", "w = torch.ones(2, requires_grad=True)", "(w * 2).backward()", "print('no')")
    with pytest.raises(CellExecutionError, match="grad can be implicitly created only for scalar outputs"):
        nbclient.NotebookClient(book, timeout=120, resources={"metadata": {"path": str(machine)}}).execute()
    assert [kinds(cell) for cell in book.cells[2:]] == [[], ["error", "display_data"], []]
    assert "AG102" in book.cells[3].outputs[1].data["text/plain"]
