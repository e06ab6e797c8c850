"""The walls between the parts: who may import whom, read from the source and seen in running processes."""

from __future__ import annotations

import ast
import pathlib
import subprocess
import sys
from collections.abc import Iterator

import pytest
import torch

import autograd_magics

PACKAGE = pathlib.Path(autograd_magics.__file__).parent
HEAVY = ("torch", "numpy", "IPython", "ipywidgets", "anywidget", "graphviz")

# Third-party package -> the only files that may import it.
OWNERS = {
    "torch": ("recorder/",),
    "IPython": ("magics/",),
    "ipywidgets": ("views/widget.py",),
    "anywidget": ("views/widget.py",),
    "graphviz": ("views/dot.py",),
    "traitlets": ("magics/", "views/widget.py"),
    "yaml": ("recorder/formulas.py",),
}

# Part of the package -> the other parts it may import; what is not listed may import all of them.
# Imports for type checkers only do not count.
MAY_IMPORT = {
    "settings": set(),
    "trace": {"trace_file"},
    "trace_file": {"trace"},
    "texts": set(),
    "story": {"trace"},
    "graph": {"trace", "story"},
    "held": {"trace", "graph"},
    "recorder": {"settings", "trace", "story"},
    "health": {"trace", "graph"},
    "rules": {"trace", "graph", "held", "health"},
    "views": {"settings", "trace", "story", "graph", "held", "health", "texts"},
    "rows": {"trace", "story", "graph", "health"},
    "difference": {"trace", "health", "rows", "views"},
    "report": {
        "settings", "trace", "trace_file", "graph", "rules", "rows", "difference", "texts", "views", "check", "nudge",
    },
    "check": {"trace", "texts", "views", "options", "recorder"},
    "nudge": {"trace", "texts", "views", "recorder"},
    "links": {"texts", "views"},
    "options": {"settings", "texts"},
    "expressions": {"texts", "options"},
    "cells": set(),
    "recording": {"settings", "texts", "cells", "recorder", "report"},
}


def imports(tree: ast.AST) -> Iterator[ast.Import | ast.ImportFrom]:
    """Every import that can run, at the top or inside functions."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            continue
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            yield node
        yield from imports(node)


def imported(path: pathlib.Path, package: pathlib.Path) -> set[str]:
    """Dotted names that a file imports, relative ones resolved."""
    found: set[str] = set()
    here = [package.name, *path.relative_to(package).parts[:-1]]
    for node in imports(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
            continue
        base = ".".join(here[: len(here) + 1 - node.level]) if node.level else ""
        module = ".".join(filter(None, [base, node.module]))
        # `from . import graph` names a part; `from torch import ones` only needs its first word.
        found.update(f"{module}.{alias.name}" if module == package.name else module for alias in node.names)
    return found


def is_allowed(name: str, relative: str, package: pathlib.Path) -> bool:
    """Whether the file at `relative` in the package may import `name`."""
    part = relative.split("/")[0].removesuffix(".py")
    top, _, inner = name.partition(".")
    if top != package.name:
        return top in sys.stdlib_module_names or relative.startswith(OWNERS.get(top, ()))
    if part not in MAY_IMPORT:
        return True
    return inner.split(".")[0] in MAY_IMPORT[part] | {part}


def violations(package: pathlib.Path) -> list[str]:
    """One line for each import that crosses a wall."""
    return [
        f"{relative} imports {name}"
        for path in sorted(package.rglob("*.py"))
        for relative in [path.relative_to(package).as_posix()]
        for name in sorted(imported(path, package))
        if not is_allowed(name, relative, package)
    ]


def loaded(code: str, path: pathlib.Path = PACKAGE.parent) -> set[str]:
    """Which of the heavy packages a new process has loaded after running `code`."""
    script = f"import sys; sys.path.insert(0, {str(path)!r})\n{code}\nprint('\\n', *sys.modules)"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    return set(result.stdout.splitlines()[-1].split()) & set(HEAVY)


def test_no_import_crosses_a_wall() -> None:
    assert violations(PACKAGE) == []


def test_every_part_is_there() -> None:
    """A renamed part must not leave its wall guarding nothing."""
    parts = {path.name.removesuffix(".py") for path in PACKAGE.iterdir()}
    assert set(MAY_IMPORT) <= parts
    assert all((PACKAGE / file).exists() for files in OWNERS.values() for file in files)


@pytest.mark.parametrize(
    "name",
    ["", *(f".{part}" for part in MAY_IMPORT if part not in ("recorder", "views"))]
    + [
        f".views.{path.stem}"
        for path in sorted((PACKAGE / "views").glob("*.py"))
        if path.stem not in ("__init__", "widget")
    ],
)
def test_importing_loads_nothing_heavy(name: str) -> None:
    assert loaded(f"import autograd_magics{name}") == set()


def test_the_recorder_loads_torch_alone() -> None:
    assert loaded("import autograd_magics.recorder") <= {"torch", "numpy"}


def test_the_widget_loads_no_torch() -> None:
    assert loaded("import autograd_magics.views.widget") <= set(HEAVY) - {"torch", "graphviz"}


def test_loading_the_extension_loads_neither_torch_nor_widgets() -> None:
    code = (
        "from IPython.core.interactiveshell import InteractiveShell\n"
        "shell = InteractiveShell.instance()\n"
        "shell.run_line_magic('load_ext', 'autograd_magics')\n"
        "assert 'autograd' in shell.magics_manager.magics['cell']"
    )
    assert loaded(code) == {"IPython"}


def test_a_saved_report_opens_with_none_of_them(tmp_path: pathlib.Path) -> None:
    with autograd_magics.record() as recording:
        w = torch.tensor([3.0], requires_grad=True)
        (w * w).backward()
    recording.report.save(tmp_path / "step.json")
    code = f"""
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {HEAVY}:
            raise ImportError(name + " is walled off")
sys.meta_path.insert(0, Refuse())
import autograd_magics
report = autograd_magics.load({str(tmp_path / "step.json")!r})
assert report.findings == () and "MulBackward0" in report.to_text()
assert "agm-data" in report.to_html() and "<svg" in report.to_svg() and "text/html" in report._repr_mimebundle_()
"""
    assert loaded(code) == set()


VIOLATIONS = {
    "graph.py": "import torch",
    "views/text.py": "def to_text():\n    from IPython.display import display",
    "views/svg.py": "from ..report import Report",
    "rules/grads.py": "from autograd_magics import texts",
    "recorder/tape.py": "from .. import report",
    "report.py": "import requests",
    "trace.py": "from . import load",
}


@pytest.fixture
def bad_package(tmp_path: pathlib.Path) -> pathlib.Path:
    """A package of our shape whose every part crosses a wall."""
    package = tmp_path / "autograd_magics"
    for name in ("__init__.py", "texts/__init__.py", *VIOLATIONS):
        path = package / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(VIOLATIONS.get(name, ""))
    return package


def test_a_crossed_wall_is_seen_in_the_source(bad_package: pathlib.Path) -> None:
    assert {line.split(" imports ")[0] for line in violations(bad_package)} == set(VIOLATIONS)


def test_a_crossed_wall_is_seen_in_a_process(bad_package: pathlib.Path) -> None:
    assert "torch" in loaded("import autograd_magics.graph", bad_package.parent)


def test_imports_for_type_checkers_do_not_count(bad_package: pathlib.Path) -> None:
    source = "import typing\nif typing.TYPE_CHECKING:\n    import torch\n"
    (bad_package / "graph.py").write_text(source)
    assert not any(line.startswith("graph.py") for line in violations(bad_package))
