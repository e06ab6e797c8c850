"""Outputs outside a notebook: pages in files, exports, copies, no scripts, and text that would like to be markup."""

from __future__ import annotations

import pathlib
import subprocess
import sys

import nbformat
import pytest
import torch
from playwright.sync_api import Browser, expect

from autograd_magics import Report, record
from tests.browser.driver import Page, Server, open_page
from tests.browser.lessons import REGRESSION, SETUP

ROOT = pathlib.Path(__file__).resolve().parents[2]
HOSTILE = "</script><img src=x onerror=document.title='owned'>"


def regression() -> Report:
    with record() as recording:
        x, y = torch.tensor([0.0, 1.0, 2.0, 3.0]), torch.tensor([0.0, 2.0, 4.0, 6.0])
        w = torch.tensor([1.0], requires_grad=True)
        J = (x * w - y).pow(2).sum()
        J.backward()
    report: Report = recording.report
    return report


@pytest.fixture
def file(tmp_path: pathlib.Path) -> pathlib.Path:
    path = tmp_path / "page.html"
    regression().to_html(path)
    return path


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A notebook executed by nbclient and exported by nbconvert, as `make demo` does it."""
    folder = tmp_path_factory.mktemp("export")
    cells = [nbformat.v4.new_code_cell(cell) for cell in (SETUP, REGRESSION)]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), folder / "lesson.ipynb")
    code = f"""
import pathlib, sys
sys.path.insert(0, {str(ROOT / "examples")!r})
import demo
folder = pathlib.Path({str(folder)!r})
(folder / "lesson.html").write_text(demo.page(folder / "lesson.ipynb"), encoding="utf-8")
"""
    # In a process of its own: nbclient wants the event loop that the browser has here.
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=120)
    return folder / "lesson.html"


def test_a_saved_page_is_interactive_offline(page: Page, file: pathlib.Path) -> None:
    page.open_file(file)
    view = page.view().wait()
    view.box("×").click()
    expect(view.panel()).to_contain_text("MulBackward0")
    assert "−28" in view.open("gradients").inner_text()
    assert (page.refused, page.errors) == ([], [])


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_saved_page_follows_the_readers_system(
    browser: Browser, file: pathlib.Path, shots: pathlib.Path, scheme: str
) -> None:
    with open_page(browser, color_scheme=scheme) as page:
        page.open_file(file)
        view = page.view().wait()
        expect(view.host.locator(".agm-view")).to_have_attribute("data-theme", scheme)
        page.page.screenshot(path=shots / f"page-{scheme}.png")


def test_the_nbconvert_export_is_interactive_offline(page: Page, exported: pathlib.Path, shots: pathlib.Path) -> None:
    page.open_file(exported)
    view = page.view().wait()
    view.box("×").click()
    expect(view.panel()).to_contain_text("MulBackward0")
    page.page.screenshot(path=shots / "nbconvert.png")
    assert (page.refused, page.errors) == ([], [])


def test_without_scripts_the_static_part_is_read(browser: Browser, file: pathlib.Path, shots: pathlib.Path) -> None:
    with open_page(browser, java_script_enabled=False) as page:
        page.open_file(file)
        static = page.view().static()
        expect(static).to_be_visible()
        picture = static.locator("img").first
        expect(picture).to_be_visible()
        size = picture.bounding_box()
        assert size and size["width"] > 200 and size["height"] > 50
        assert "backward" in (picture.get_attribute("alt") or "")
        static.locator("summary").first.click()
        expect(static.locator("table").first).to_be_visible()
        page.page.screenshot(path=shots / "static.png", full_page=True)


def test_in_an_untrusted_notebook_the_static_part_is_read(lab: Server, page: Page, shots: pathlib.Path) -> None:
    """JupyterLab strips scripts, styles and inline SVG from the outputs of a notebook that it did not write."""
    report = regression()
    bundle = report._repr_mimebundle_()
    output = nbformat.v4.new_output("display_data", data=bundle)
    cell = nbformat.v4.new_code_cell("%%autograd", outputs=[output], execution_count=1)
    page.open_notebook(lab, lab.write("foreign.ipynb", cell))
    area = page.page.locator(".jp-OutputArea-output").first
    expect(area.locator("img").first).to_be_visible()
    assert page.page.locator("[data-box]").count() == 0
    text = area.inner_text()
    assert "backward" in text and "{" not in text and "function" not in text
    page.page.screenshot(path=shots / "untrusted.png")
    assert page.refused == []


def test_two_copies_in_one_page_do_not_disturb_each_other(page: Page, tmp_path: pathlib.Path) -> None:
    output = regression()._repr_mimebundle_()["text/html"]
    file = tmp_path / "twice.html"
    file.write_text(f"<!doctype html><meta charset=utf-8><body>{output}<hr>{output}</body>", encoding="utf-8")
    page.open_file(file)
    first, second = page.view(0).wait(), page.view(1).wait()
    first.box("×").click()
    expect(first.selected()).to_have_count(1)
    expect(second.selected()).to_have_count(0)
    assert page.errors == []


def test_text_of_the_user_never_becomes_markup(page: Page, tmp_path: pathlib.Path) -> None:
    source = f"w = torch.ones(1, requires_grad=True)\nnote = {HOSTILE!r}\n(w * 2).backward()  # {HOSTILE}\n"
    with pytest.raises(ValueError, match="onerror"):
        with record() as recording:
            exec(compile(source, "<cell>", "exec"), {"torch": torch})
            raise ValueError(HOSTILE)
    file = tmp_path / "hostile.html"
    recording.report.to_html(file)
    page.open_file(file)
    view = page.view().wait()
    for tab in ("gradients", "saved", "findings", "source", "details"):
        view.open(tab)
    assert page.page.title() != "owned"
    assert page.page.locator("img[src=x]").count() == 0
    assert page.errors == []


def test_every_control_has_a_name(page: Page, file: pathlib.Path) -> None:
    page.open_file(file)
    view = page.view().wait()
    nameless = view.host.locator("button, input, [role=button], [role=tab]").evaluate_all(
        """all => all.filter(e => !(e.getAttribute("aria-label") || e.textContent.trim() || e.title))
                    .map(e => e.outerHTML.slice(0, 120))"""
    )
    assert nameless == []
