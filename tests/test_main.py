"""The command line, as a shell runs it: real processes in which torch and IPython cannot be imported."""

from __future__ import annotations

import json
import os
import pathlib
import re
import subprocess
import sys
from typing import Any

import pytest

from autograd_magics import __main__ as program
from autograd_magics import load
from autograd_magics.trace_file import save
from tests.builders import Cell, regression
from tests.recorded import record_cell

SITE = """
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch", "numpy", "IPython", "ipywidgets", "anywidget", "graphviz", "pandas"):
            raise ImportError(name + " is walled off")
sys.meta_path.insert(0, Refuse())
"""
"""Runs before anything else in each of these processes."""

CLEAN = """
w = torch.tensor([1.0], requires_grad=True)
loss = (w * 3).sum()
loss.backward()
"""
WARNED = """
w = torch.tensor([1.0], requires_grad=True)
optimizer = torch.optim.SGD([w], lr=0.1)
for step in range(3):
    loss = (w * 3).sum()
    loss.backward()
    optimizer.step()
"""
NOTED = CLEAN.replace("backward()", "backward(retain_graph=True)")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Saved recordings, and a `sitecustomize` that refuses what must not be needed."""
    path = tmp_path_factory.mktemp("saved")
    for name, source in (("clean", CLEAN), ("warned", WARNED), ("noted", NOTED)):
        save(record_cell(source), path / f"{name}.json")
    save(record_cell(CLEAN), path / "clean.json.gz")
    (path / "sitecustomize.py").write_text(SITE)
    return path


def run(folder: pathlib.Path, *arguments: str, **environment: str) -> tuple[int, str, str]:
    """Exit status, output and errors of one command line."""
    found = {**os.environ, "COLUMNS": "80", "PYTHONIOENCODING": "utf-8", **environment}
    found["PYTHONPATH"] = os.pathsep.join([str(folder), found["PYTHONPATH"]])
    command = [sys.executable, "-m", "autograd_magics", *arguments]
    done = subprocess.run(command, cwd=folder, env=found, capture_output=True, timeout=120)
    return done.returncode, done.stdout.decode("utf-8"), done.stderr.decode("utf-8")


def test_the_wall_is_there(folder: pathlib.Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    done = subprocess.run([sys.executable, "-c", "import torch"], env=environment, capture_output=True, text=True)
    assert "torch is walled off" in done.stderr


def test_view_prints_the_report(folder: pathlib.Path) -> None:
    for name in ("warned.json", "clean.json.gz"):
        assert run(folder, "view", name) == (0, load(folder / name, lang="en").to_text() + "\n", "")
    assert run(folder, "view", "clean.json", "--text", "--lang", "pt-BR")[1].count("folha")


def test_view_writes_a_page(folder: pathlib.Path, tmp_path: pathlib.Path) -> None:
    out = tmp_path / "page.html"
    assert run(folder, "view", "warned.json", "--html", str(out)) == (0, "", f"wrote {out}\n")
    assert out.read_text("utf-8") == load(folder / "warned.json", lang="en").to_html()


def test_view_opens_a_page(folder: pathlib.Path, tmp_path: pathlib.Path) -> None:
    browser = tmp_path / "browser"
    browser.write_text(f"#!/bin/sh\necho \"$1\" > '{tmp_path}/asked'\n")
    browser.chmod(0o755)
    out = tmp_path / "page.html"
    environment = {"BROWSER": f"{browser} %s", "TMPDIR": str(tmp_path)}
    assert run(folder, "view", "clean.json", "--html", str(out), "--open", **environment)[:2] == (0, "")
    assert (tmp_path / "asked").read_text().strip() == out.as_uri()
    assert run(folder, "view", "clean.json", "--open", **environment)[:2] == (0, "")
    (made,) = tmp_path.glob("autograd-*.html")
    assert (tmp_path / "asked").read_text().strip() == made.as_uri() and "agm-data" in made.read_text("utf-8")


@pytest.mark.parametrize(
    ("arguments", "status", "codes"),
    [
        (["clean.json"], 0, []),
        (["warned.json"], 1, ["AG202"]),
        (["noted.json"], 0, ["AG401"]),
        (["noted.json", "--severity", "note"], 1, ["AG401"]),
        (["noted.json", "--severity", "warning"], 0, []),
        (["warned.json", "--severity", "warning"], 1, ["AG202"]),
        (["warned.json", "--severity", "error"], 0, []),
        (["clean.json", "warned.json"], 1, ["AG202"]),
    ],
)
def test_findings_decide_the_exit_status(
    folder: pathlib.Path, arguments: list[str], status: int, codes: list[str]
) -> None:
    done, said, errors = run(folder, "findings", *arguments)
    assert (done, re.findall(r"^AG\d+", said, flags=re.M), errors) == (status, codes, "")
    done, said, errors = run(folder, "findings", "--json", *arguments)
    assert (done, [row["code"] for row in json.loads(said)], errors) == (status, codes, "")


def test_findings_name_line_sentence_and_fix(folder: pathlib.Path) -> None:
    said = run(folder, "findings", "clean.json", "warned.json")[1]
    first, second = said.split("\n\n")
    assert first == "clean.json:\nno findings"
    assert second.startswith("warned.json:\nAG202 warning, line 6: ")
    assert "`w.grad`" in second and "\n  fix: `w.grad = None`" in second
    assert max(map(len, said.split("\n"))) <= 80
    (row,) = json.loads(run(folder, "findings", "warned.json", "--json")[1])
    assert (row["path"], row["severity"]) == ("warned.json", "warning")
    assert (row["cell"], row["file"], row["line"]) == (1, None, 6)
    assert "`w.grad`" in row["message"] and row["fix"].startswith("`w.grad = None`")


def test_diff_decides_the_exit_status(folder: pathlib.Path) -> None:
    status, said, errors = run(folder, "diff", "clean.json", "warned.json")
    assert (status, errors) == (1, "")
    assert said == str(load(folder / "clean.json", lang="en").diff(load(folder / "warned.json", lang="en"))) + "\n"
    assert run(folder, "diff", "clean.json", "clean.json.gz")[0] == 0
    status, said, _ = run(folder, "diff", "clean.json", "warned.json", "--json")
    assert status == 1 and json.loads(said)[0]["name"] == "AG202"
    assert run(folder, "diff", "clean.json", "clean.json", "--json") == (0, "[]\n", "")


def damaged(folder: pathlib.Path, name: str) -> str:
    """A file that is no recording, or one no longer."""
    good = (folder / "clean.json").read_text()
    packed = (folder / "clean.json.gz").read_bytes()
    content = {
        "half.json": good[: len(good) // 2].encode(), "empty.json": b"", "other.json": b'{"cells": []}',
        "newer.json": good.replace('"version":1', '"version":99', 1).encode(), "noise.json": bytes(range(128, 256)),
        "half.json.gz": packed[: len(packed) // 2], "noise.json.gz": packed[:40] + b"\x00" * 60,
    }  # fmt: skip
    (folder / name).write_bytes(content[name])
    return name


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("half.json", "not a trace: expected JSON"),
        ("empty.json", "not a trace: expected JSON"),
        ("other.json", "not a trace: expected format"),
        ("newer.json", "newer than the 1 known here: pip install --upgrade"),
        ("noise.json", "not a trace, or damaged"),
        ("half.json.gz", "not a trace, or damaged"),
        ("noise.json.gz", "not a trace, or damaged"),
    ],
)
def test_what_is_no_recording_is_said_in_one_line(folder: pathlib.Path, name: str, says: str) -> None:
    status, said, errors = run(folder, "findings", damaged(folder, name))
    assert (status, said, errors.count("\n")) == (2, "", 1)
    assert errors.startswith(f"python -m autograd_magics: {name}: ") and says in errors


def test_a_file_that_is_not_there_is_said_in_one_line(folder: pathlib.Path) -> None:
    line = "python -m autograd_magics: {}: cannot be read ({}); give a file that report.save() wrote\n"
    assert run(folder, "view", "gone.json") == (2, "", line.format("gone.json", "No such file or directory"))
    assert run(folder, "diff", "clean.json", "gone.json")[0] == 2
    assert run(folder, "view", ".") == (2, "", line.format(".", "Is a directory"))
    status, said, errors = run(folder, "view", "clean.json", "--html", "no/where.html")
    assert (status, said) == (2, "") and "no/where.html: cannot be written" in errors and errors.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "required: view|findings|diff"),
        (["see"], "invalid choice: 'see'"),
        (["view"], "required: FILE"),
        (["diff", "clean.json"], "required: AFTER"),
        (["view", "clean.json", "--lang", "xx"], "language 'xx' is not known; expected one of en, es, pt_BR, zh_CN"),
        (["findings", "clean.json", "--severity", "bad"], "invalid choice: 'bad'"),
        (["view", "clean.json", "--text", "--html", "x.html"], "not allowed with argument"),
    ],
)
def test_wrong_use(folder: pathlib.Path, arguments: list[str], says: str) -> None:
    status, said, errors = run(folder, *arguments)
    assert (status, said) == (2, "") and says in errors and "Traceback" not in errors


@pytest.mark.parametrize(("lang", "words"), [("en", "Needs neither"), ("pt_BR", "Não precisa"), ("zh_CN", "不需要")])
def test_help_is_in_the_readers_language(folder: pathlib.Path, lang: str, words: str) -> None:
    assert words in run(folder, "--help", LC_ALL=f"{lang}.UTF-8")[1]
    for command in ("view", "findings", "diff"):
        status, said, _ = run(folder, command, "--help", "--lang", lang)
        assert status == 0 and program.texts.text("main.lang", lang, languages="")[:3] in said


def test_version(folder: pathlib.Path) -> None:
    import autograd_magics

    assert run(folder, "--version") == (0, f"autograd_magics {autograd_magics.__version__}\n", "")


def test_a_terminal_that_lacks_signs_gets_the_rest(folder: pathlib.Path) -> None:
    status, said, errors = run(folder, "view", "warned.json", "--lang", "zh_CN", PYTHONIOENCODING="ascii")
    assert (status, errors) == (0, "") and "MulBackward0" in said and "?" in said


def test_a_reader_who_leaves_early_is_no_error(folder: pathlib.Path) -> None:
    command = f"'{sys.executable}' -m autograd_magics diff clean.json warned.json | exec true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], cwd=folder, capture_output=True, text=True, timeout=120)
    assert (done.stdout, done.stderr) == ("1\n", "")


def test_numbers_that_json_lacks_become_null(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, other = regression(), regression()
    change = other.tables["changes"][-1]
    other.change("changes", change.id, after=change.after._replace(value=["nan"]))
    for name, cell in (("one", one), ("other", other)):
        save(cell.trace(), tmp_path / name)
    assert program.main(["diff", str(tmp_path / "one"), str(tmp_path / "other"), "--json"]) == 1
    (row,) = [row for row in json.loads(capsys.readouterr().out) if row["what"] == "gradient"]
    assert (row["before"], row["after"], row["distance"]) == (-28, None, None)


def test_a_rule_that_fails_is_told(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from autograd_magics import rules
    from autograd_magics.settings import STRICT

    def broken(*_: Any) -> Any:
        raise ZeroDivisionError("by zero")

    monkeypatch.delenv(STRICT)
    monkeypatch.setattr(rules, "rules", lambda: (rules.Rule("AG999", "note", broken, ""),))
    save(Cell("a = 1").trace(), tmp_path / "a.json")
    assert program.main(["findings", str(tmp_path / "a.json")]) == 0
    assert "AG999: ZeroDivisionError: by zero" in capsys.readouterr().err
