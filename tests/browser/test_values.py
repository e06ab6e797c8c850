"""Figures of larger tensors in a real browser: on the wires, in the details, and as charts one can read."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator
from typing import Literal

import pytest
import torch
from playwright.sync_api import Browser, Locator, expect

from autograd_magics import Report, record
from autograd_magics.trace import Stats
from tests.browser.driver import Page, View, contrast, open_page


def recorded() -> Report:
    torch.manual_seed(0)
    with record(values="all", lang="en") as recording:
        x = torch.randn(64, 128)
        w = torch.randn(128, 32, requires_grad=True)
        h = x @ w
        y = h.log()  # NaN where h is negative
        loss = y.nansum()
        loss.backward()
    assert h.shape == (64, 32)
    return recording.report


@pytest.fixture(scope="module")
def report() -> Report:
    return recorded()


@pytest.fixture(params=["light", "dark"])
def page(request: pytest.FixtureRequest, browser: Browser) -> Iterator[Page]:
    scheme: Literal["light", "dark"] = request.param
    with open_page(browser, width=900, color_scheme=scheme) as opened:
        yield opened


@pytest.fixture
def view(page: Page, report: Report, tmp_path: pathlib.Path) -> View:
    report.to_html(tmp_path / "page.html")
    page.open_file(tmp_path / "page.html")
    return page.view().wait()


def stats_of(report: Report, name: str) -> Stats:
    row = next(report.trace.tensors[n.tensor] for n in report.trace.names if n.name == name)
    assert row.stats is not None
    return row.stats


def height(bar: Locator) -> float:
    return float(bar.get_attribute("height") or "nan")


def test_a_histogram_shows_the_numbers_of_torch(view: View, page: Page, report: Report, shots: pathlib.Path) -> None:
    view.box("h").click()
    histogram, heat_map = view.panel().locator(".chart.is-bins").first, view.panel().locator(".chart.is-cells").first
    stats = stats_of(report, "h")
    assert stats.bins is not None and stats.cells is not None
    bars = histogram.locator(".bar-of").all()
    heights = [height(bar) for bar in bars]
    assert heights == pytest.approx([max(1.5, 64 * n / max(stats.bins)) if n else 0 for n in stats.bins])
    histogram.scroll_into_view_if_needed()
    said = histogram.get_by_role("img").get_attribute("aria-label") or ""
    assert said.startswith(f"2048 finite values from {f'{stats.min:.4g}'.replace('-', '−')} to {stats.max:.4g}")
    expect(heat_map.get_by_role("img").locator(".cell")).to_have_count(len(stats.cells) * len(stats.cells[0]))
    heat_map.scroll_into_view_if_needed()
    for chart in (histogram, heat_map):
        box, panel = chart.bounding_box(), view.panel().bounding_box()
        assert box and panel and box["width"] <= panel["width"] and box["width"] >= 200
    scheme = "dark" if page.page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches") else "light"
    page.page.screenshot(path=shots / f"values-{scheme}.png")
    assert page.errors == [] and page.refused == []


def test_what_is_drawn_can_be_seen_on_its_ground(view: View) -> None:
    view.box("h").click()
    ground = view.colour(".widget", "backgroundColor")
    for part in (".chart .bar-of", ".chart .cell.above", ".chart .cell.below"):
        assert contrast(view.colour(part, "fill"), ground) >= 3, part
    for words in (".picture .figures:not(.alarm)", ".picture .figures.alarm"):
        assert contrast(view.colour(words, "fill"), ground) >= 4.5, words


def test_not_a_number_stands_out(view: View, report: Report) -> None:
    told = f"⚠ {stats_of(report, 'y').nan} NaN"
    box = view.box("y")
    expect(box.locator("text.figures.alarm")).to_have_text(told)
    box.click()
    alarm = view.panel().locator("dd.alarm").first
    expect(alarm).to_contain_text(told)
    assert view.colour("dd.alarm", "color") == view.colour(".picture .figures.alarm", "fill")
    expect(view.box("h").locator("text.figures.alarm")).to_have_count(0)


def test_figures_of_gradients_go_with_the_gradients(view: View) -> None:
    gradient = view.box("h").locator("text.figures.grad")
    expect(gradient).to_be_visible()
    view.button("forward").click()
    expect(gradient).to_be_hidden()
    expect(view.box("h").locator("text.figures:not(.grad)")).to_be_visible()
