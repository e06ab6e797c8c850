"""The wheel: what is in it, and that it works where only it is installed."""

from __future__ import annotations

import pathlib
import re
import subprocess
import sys
import tarfile
import zipfile

import pytest

import autograd_magics

ROOT = pathlib.Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "autograd_magics"
BUNDLE = {f"autograd_magics/static/{name}.js" for name in ("app", "large", "widget", "bridge")}


def run(*command: str, cwd: pathlib.Path = ROOT) -> str:
    result = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("wheel")
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check")
    run(*pip, "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(ROOT))
    (path,) = folder.glob("*.whl")
    return path


def names(wheel: pathlib.Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def read_metadata(wheel: pathlib.Path) -> str:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return archive.read(name).decode()


def test_wheel_has_every_module_the_words_and_the_bundle(wheel: pathlib.Path) -> None:
    modules = {path.relative_to(ROOT).as_posix() for path in PACKAGE.rglob("*.py")}
    words = {path.relative_to(ROOT).as_posix() for path in (PACKAGE / "texts").glob("*.json")}
    assert {"autograd_magics/texts/en.json", "autograd_magics/texts/pt_BR.json"} <= words
    expected = modules | words | BUNDLE | {"autograd_magics/py.typed"}
    assert expected - names(wheel) == set()


def test_wheel_has_nothing_else(wheel: pathlib.Path) -> None:
    others = {name for name in names(wheel) if not re.fullmatch(r"autograd_magics/.*\.(py|json|js|typed)", name)}
    assert all(".dist-info/" in name for name in others), others
    assert not any("/front/" in name or "test" in name for name in names(wheel))


def test_wheel_says_what_it_is(wheel: pathlib.Path) -> None:
    metadata = read_metadata(wheel)
    for line in (
        f"Version: {autograd_magics.__version__}",
        "License-Expression: BSD-3-Clause",
        "License-File: LICENSE",
        "Requires-Python: >=3.10",
        "Requires-Dist: torch>=2.4",
        "Requires-Dist: ipywidgets>=7.6",
    ):
        assert line in metadata.splitlines()


def test_wheel_installs_the_command_line(wheel: pathlib.Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/entry_points.txt"))
        assert "autograd-magics = autograd_magics.__main__:main" in archive.read(name).decode().splitlines()


def test_installed_alone_it_records_and_shows(wheel: pathlib.Path, tmp_path: pathlib.Path) -> None:
    site = tmp_path / "site"
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check")
    run(*pip, "install", "--quiet", "--no-deps", "--no-index", "--target", str(site), str(wheel))
    code = f"""
import sys; sys.path.insert(0, {str(site)!r})
import torch, autograd_magics
assert autograd_magics.__file__.startswith({str(site)!r}), autograd_magics.__file__
with autograd_magics.record() as recording:
    w = torch.tensor([3.0], requires_grad=True)
    (w * w).backward()
print(recording.report.to_text())
assert "agm-data" in recording.report.to_html()
"""
    assert "MulBackward0" in run(sys.executable, "-c", code, cwd=tmp_path)


def test_source_distribution_has_the_typescript_and_the_tests(tmp_path: pathlib.Path) -> None:
    run(sys.executable, "-m", "hatchling", "build", "--target", "sdist", "--directory", str(tmp_path))
    (path,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        found = {name.split("/", 1)[1] for name in archive.getnames()}
    expected = {"autograd_magics/front/payload.ts", "tests/test_package.py", "package-lock.json", "Makefile", "LICENSE"}
    assert expected - found == set()
    assert not any(name.startswith(("node_modules", ".venv")) for name in found)
