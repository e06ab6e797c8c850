"""What README, CHANGELOG and docs/ say is so.

`AUTOGRAD_MAGICS_UPDATE=1 pytest tests/test_docs.py` writes the generated parts of the README anew; without it the tests
compare them.
"""

from __future__ import annotations

import os
import pathlib
import re
import subprocess
import sys
from collections.abc import Callable

import pytest

import autograd_magics
from autograd_magics import options, rules
from tests import test_walls

ROOT = pathlib.Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "autograd_magics"
README = ROOT / "README.md"
PAGES = [README, ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
PYTHON = re.compile(r"^```python\n(.*?)^```$", re.M | re.S)
PATH = re.compile(r"`((?:[\w.-]+/)+[\w.-]*|[\w-]+\.(?:py|ts|json|md|ipynb|toml|css|mjs))`")
"""A file or folder of the repository, as the pages write one."""


def findings(_: pathlib.Path) -> str:
    """The table of findings."""
    rows = [f"| {rule.code} | {rule.severity} | {rule.doc.splitlines()[0]} |" for rule in rules.rules()]
    return "\n".join(["| code | severity | what it says |", "|---|---|---|", *rows])


def usage(_: pathlib.Path) -> str:
    """The forms of the two magics and their options."""
    return f"```\n{options.usage_lines('en')}\n\n{options.option_lines('en')}\n```"


def output(folder: pathlib.Path) -> str:
    """What the script in the README prints."""
    script = PYTHON.findall(README.read_text("utf-8"))[0]
    return f"```text\n{printed(script, folder)}```"


def printed(script: str, folder: pathlib.Path) -> str:
    (folder / "lesson.py").write_text(script, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    ran = subprocess.run(
        [sys.executable, "lesson.py"], cwd=folder, env=environment, capture_output=True, text=True, timeout=120
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@pytest.mark.parametrize(("name", "expected"), [("findings", findings), ("options", usage), ("output", output)])
def test_generated_parts_are_current(
    name: str, expected: Callable[[pathlib.Path], str], tmp_path: pathlib.Path
) -> None:
    text = README.read_text("utf-8")
    head, tail = f"<!-- {name} -->\n", f"<!-- /{name} -->\n"
    before, _, rest = text.partition(head)
    found, _, after = rest.partition(tail)
    wanted = expected(tmp_path) + "\n"
    if os.environ.get("AUTOGRAD_MAGICS_UPDATE") == "1":
        README.write_text(before + head + wanted + tail + after, encoding="utf-8")
    else:
        assert found == wanted


def test_the_findings_are_counted() -> None:
    counts = re.findall(r"\b(\d+) findings\b", README.read_text("utf-8"))
    assert counts and {int(count) for count in counts} == {len(rules.rules())}


def test_every_example_is_listed() -> None:
    listed = re.findall(r"\]\((examples/[^)]+\.ipynb)\)", README.read_text("utf-8"))
    assert listed == [path.relative_to(ROOT).as_posix() for path in sorted((ROOT / "examples").glob("*.ipynb"))]


def test_the_second_example_runs(tmp_path: pathlib.Path) -> None:
    script = "".join(PYTHON.findall(README.read_text("utf-8")))
    script += 'print("equal:", load("step.json").findings == report.findings)\n'
    assert printed(script, tmp_path).endswith("equal: True\n")
    assert {"step.json", "step.html", "step.svg"} <= {path.name for path in tmp_path.iterdir()}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_and_paths_lead_somewhere(page: pathlib.Path) -> None:
    text = page.read_text("utf-8")
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in link]
    assert [link for link in links if not (page.parent / link).exists()] == []
    paths = [path for path in PATH.findall(re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S))]
    given = {"lesson.py", "step.json", "ipython_config.py"}  # the reader's own
    lost = [p for p in paths if p not in given and not any((base / p).exists() for base in (ROOT, PACKAGE))]
    assert lost == []


def test_paths_are_looked_for() -> None:
    assert PATH.findall("`views/gone.py` and `gone.py` and `tests/` but not `report.findings`") == [
        "views/gone.py", "gone.py", "tests/",
    ]  # fmt: skip


def test_make_targets_exist() -> None:
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text("utf-8"), flags=re.M))
    said = {target for page in PAGES for target in re.findall(r"\bmake (\w+)\b(?: *#|`)", page.read_text("utf-8"))}
    assert {"demo", "test"} <= said <= targets


def test_the_changelog_names_this_version() -> None:
    heads = re.findall(r"^## \[([^]]+)\]", (ROOT / "CHANGELOG.md").read_text("utf-8"), flags=re.M)
    assert heads[0] == autograd_magics.__version__


def test_the_table_of_imports_is_the_tested_one() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    rows = re.findall(r"^\| `([\w/.]+)` \|([^|]*)\|([^|]*)\|", text, flags=re.M)
    parts = {part: set(re.findall(r"`(\w+)`", inner)) for part, inner, _ in rows}
    assert {part: inner for part, inner in parts.items() if part in test_walls.MAY_IMPORT} == test_walls.MAY_IMPORT
    owners: dict[str, set[str]] = {}
    for part, _, outer in rows:
        for package in re.findall(r"`(\w+)`", outer):
            owners.setdefault(package, set()).add(part.removesuffix(".py"))
    tested = test_walls.OWNERS.items()
    assert owners == {package: {file.rstrip("/").removesuffix(".py") for file in files} for package, files in tested}
