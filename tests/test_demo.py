"""`make demo`: what it writes needs nothing but itself, and what it says is right."""

from __future__ import annotations

import importlib
import importlib.util
import pathlib
import re
import types

import nbformat
import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
LOADS = re.compile(r"""<(?:script|link|img|iframe)\b[^>]*\b(?:src|href)=["']?(?!data:)([^"'\s>]+)|@import\s""")


@pytest.fixture(scope="module")
def demo() -> types.ModuleType:
    importlib.import_module("bleach")  # nbconvert's; adds a warning filter when first imported
    spec = importlib.util.spec_from_file_location("demo", ROOT / "examples" / "demo.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_first_example_is_there(demo: types.ModuleType) -> None:
    cells = nbformat.read(demo.NOTEBOOK, as_version=4).cells
    assert any(cell.source.startswith("%%autograd") for cell in cells)


def test_the_page_loads_nothing_else(
    demo: types.ModuleType, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "demo.html"
    monkeypatch.setattr(demo, "PAGE", page)
    monkeypatch.setattr(demo, "has_display", lambda: False)
    demo.main([])
    html = page.read_text(encoding="utf-8")
    assert "agm-data" in html
    assert LOADS.findall(html) == []
    assert page.as_uri() in capsys.readouterr().out


def test_what_loads_something_would_be_seen() -> None:
    assert LOADS.findall('<script src="https://a/b.js">') == ["https://a/b.js"]
    assert LOADS.findall('<img src="data:image/png;base64,AA">') == []


def test_an_unknown_argument_is_refused(demo: types.ModuleType) -> None:
    with pytest.raises(SystemExit, match="got '--fast', expected nothing or --lab"):
        demo.main(["--fast"])
