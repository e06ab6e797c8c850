"""Notebooks executed without a person before them: nbclient, nbconvert, and a script made of a notebook."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
from typing import Any

import nbclient
import nbformat
import pytest
from nbclient.exceptions import CellExecutionError
from nbformat.v4 import new_code_cell, new_notebook

from tests.kernel.harness import environment

LOAD = "%load_ext autograd_magics\nimport torch"
STEP = "%%autograd\nw = torch.tensor([3.0], requires_grad=True)\n(w * 2).sum().backward()\nw.grad.item()"


def notebook(*cells: str) -> Any:
    language = {"name": "python", "file_extension": ".py", "nbconvert_exporter": "python"}
    return new_notebook(cells=[new_code_cell(cell) for cell in cells], metadata={"language_info": language})


@pytest.fixture
def machine(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """A folder, and an environment without settings of the machine's user."""
    for name, value in environment(tmp_path).items():
        monkeypatch.setenv(name, value)
    return tmp_path


def run(*command: str, folder: pathlib.Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *command], cwd=folder, env=dict(os.environ), capture_output=True, text=True, timeout=300
    )


def kinds(cell: Any) -> list[str]:
    return [out["output_type"] for out in cell["outputs"]]


def test_nbclient_keeps_the_result_and_the_report_and_no_widget(machine: pathlib.Path) -> None:
    book = notebook(LOAD, STEP)
    nbclient.NotebookClient(book, timeout=120, resources={"metadata": {"path": str(machine)}}).execute()
    assert kinds(book.cells[1]) == ["execute_result", "display_data"]
    assert book.cells[1].outputs[0].data["text/plain"] == "2.0"
    assert set(book.cells[1].outputs[1].data) == {"text/html", "text/plain"}
    assert "widgets" not in book.metadata


def test_nbclient_sees_the_error_and_stops(machine: pathlib.Path) -> None:
    book = notebook(
        LOAD, "%%autograd\nw = torch.ones(2, requires_grad=True)\n(w * 2).backward()", "print('not reached')"
    )
    with pytest.raises(CellExecutionError, match="grad can be implicitly created only for scalar outputs"):
        nbclient.NotebookClient(book, timeout=120, resources={"metadata": {"path": str(machine)}}).execute()
    assert kinds(book.cells[1]) == ["error", "display_data"]
    assert "AG102" in book.cells[1].outputs[1].data["text/plain"]
    assert kinds(book.cells[2]) == []


def test_nbconvert_executes_and_writes_a_page_that_needs_nothing_else(machine: pathlib.Path) -> None:
    nbformat.write(notebook(LOAD, STEP), machine / "lesson.ipynb")
    ran = run("jupyter", "nbconvert", "--to", "html", "--execute", "lesson.ipynb", folder=machine)
    assert ran.returncode == 0, ran.stderr
    page = (machine / "lesson.html").read_text("utf-8")
    assert 'class="agm"' in page
    assert "application/vnd.jupyter.widget-view+json" not in page


def test_nbconvert_execute_fails_on_a_failing_cell(machine: pathlib.Path) -> None:
    nbformat.write(notebook(LOAD, "%%autograd\n1 / 0"), machine / "lesson.ipynb")
    ran = run("jupyter", "nbconvert", "--to", "notebook", "--execute", "lesson.ipynb", folder=machine)
    assert ran.returncode != 0
    assert "ZeroDivisionError" in ran.stderr


def test_a_script_made_of_a_notebook_runs(machine: pathlib.Path) -> None:
    nbformat.write(
        notebook(LOAD, STEP.replace("w.grad.item()", "print('grad', w.grad.item())")), machine / "lesson.ipynb"
    )
    made = run("jupyter", "nbconvert", "--to", "script", "lesson.ipynb", folder=machine)
    assert made.returncode == 0, made.stderr
    assert "run_cell_magic('autograd'" in (machine / "lesson.py").read_text("utf-8")
    ran = run("IPython", "lesson.py", folder=machine)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.startswith("grad 2.0\n")
    assert "w.grad is [2]" in ran.stdout
