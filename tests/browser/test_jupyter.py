"""The live view in JupyterLab and in Notebook 7: draws, selects, follows theme and width, survives its kernel."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.driver import App, Page, Server, View, contrast, open_page
from tests.browser.lessons import REGRESSION, SETUP, TWICE

DARK_BELOW = 70
"""A dark ground has no channel above this, of 255."""
LEGIBLE = 4.5
"""WCAG AA for text of this size."""


@dataclass(frozen=True)
class Executed:
    """A notebook that was run once in a page that is still open; its two outputs of ours are saved."""

    server: Server
    name: str
    page: Page


@pytest.fixture(scope="module", params=["lab", "notebook"])
def executed(request: pytest.FixtureRequest, browser: Browser) -> Iterator[Executed]:
    app: App = request.param
    server: Server = request.getfixturevalue(app)
    name = server.write("lesson.ipynb", SETUP, REGRESSION, TWICE)
    with open_page(browser) as page:
        page.open_notebook(server, name)
        page.run_all()
        page.view(0).wait()
        page.view(1).wait()
        page.save()
        yield Executed(server, name, page)


@pytest.fixture
def first(executed: Executed) -> View:
    return executed.page.view(0).reset()


@pytest.fixture
def second(executed: Executed) -> View:
    return executed.page.view(1).reset()


def test_draws_names_values_and_gradients(executed: Executed, first: View, shots: pathlib.Path) -> None:
    page = executed.page
    for name in ("x", "w", "y", "y_pred", "e", "J", "×", "−"):
        expect(first.box(name)).to_be_visible()
    expect(first.box("w")).to_contain_text("−28")
    expect(first.tab("findings")).to_have_text("Findings")
    page.page.screenshot(path=shots / f"{executed.server.app}-light.png")
    assert (page.refused, page.errors) == ([], [])


def test_a_click_selects_in_graph_details_and_source(first: View) -> None:
    first.box("×").click()
    expect(first.selected()).to_have_count(1)
    expect(first.panel()).to_contain_text("MulBackward0")
    expect(first.panel()).to_contain_text("x * w")
    source = first.open("source")
    expect(source.locator(".related, .selected").filter(has_text="y_pred = x * w").first).to_be_visible()
    first.widget().press("Escape")
    expect(first.selected()).to_have_count(0)


def test_every_tab_tells_its_part(second: View) -> None:
    assert "−56" in second.open("gradients").inner_text()
    saved = second.open("saved").inner_text()
    assert "self" in saved and "16 B" in saved
    assert "AG202" in second.open("findings").inner_text()
    assert "J.backward()" in second.open("source").inner_text()


def test_a_finding_leads_to_its_ends(second: View) -> None:
    card = second.open("findings").locator("article").first
    card.get_by_role("button", name="w", exact=True).click()
    expect(second.selected().first).to_contain_text("w")


def test_the_graph_is_walked_by_arrow_keys(first: View) -> None:
    first.box("x").click()
    first.host.page.keyboard.press("ArrowRight")
    first.host.page.keyboard.press("Enter")
    expect(first.selected().first).to_contain_text("×")


def test_the_backward_picture_shows_nodes(executed: Executed, first: View, shots: pathlib.Path) -> None:
    first.button("backward").click()
    first.button("fit").click()
    first.host.screenshot(path=shots / f"{executed.server.app}-backward.png")
    for node in ("MulBackward0", "SubBackward0", "AccumulateGrad"):
        expect(first.boxes().filter(has_text=node).first).to_be_visible()


def test_zoom_and_fit(first: View) -> None:
    before = first.box("×").bounding_box()
    first.button("zoom_in").click()
    closer = first.box("×").bounding_box()
    assert before and closer and closer["width"] > before["width"] * 1.1
    first.button("fit").click()
    for name in ("x", "w", "J"):
        expect(first.box(name)).to_be_in_viewport()


def test_the_selection_reaches_the_kernel(executed: Executed, first: View) -> None:
    first.box("×").click()
    item = first.selected().first.get_attribute("data-box")
    assert executed.page.python("lesson.selection") == repr(item)


def check_legible(view: View) -> None:
    ground = view.colour(".widget", "backgroundColor")
    for kind in ("name", "value", "grad", "label"):
        assert contrast(view.colour(f"svg.picture text.{kind}", "fill"), ground) >= LEGIBLE, kind
    for selector in ("[role=tabpanel]:visible", ".bar .chip", "[role=tab][aria-selected=false]"):
        assert contrast(view.colour(selector, "color"), ground) >= LEGIBLE, selector


def test_dark_theme_is_dark_and_legible(executed: Executed, first: View, second: View, shots: pathlib.Path) -> None:
    executed.page.use_theme("JupyterLab Dark")
    expect(first.host.locator(".agm-view")).to_have_attribute("data-theme", "dark")
    assert max(first.colour(".widget", "backgroundColor")) < DARK_BELOW
    check_legible(first)
    second.open("findings")
    second.host.scroll_into_view_if_needed()
    executed.page.page.screenshot(path=shots / f"{executed.server.app}-dark.png")
    executed.page.use_theme("JupyterLab Light")
    expect(first.host.locator(".agm-view")).to_have_attribute("data-theme", "light")


def test_light_theme_is_legible(first: View) -> None:
    check_legible(first)


@pytest.mark.parametrize("width", [420, 900, 1700])
def test_narrow_and_wide(executed: Executed, first: View, shots: pathlib.Path, width: int) -> None:
    page = executed.page.page
    if executed.server.app == "lab":
        executed.page.close_side_bar()
    page.set_viewport_size({"width": width, "height": 900})
    first.host.scroll_into_view_if_needed()
    page.screenshot(path=shots / f"{executed.server.app}-{width}.png")
    overflow = first.widget().evaluate("e => e.scrollWidth - e.clientWidth")
    assert overflow <= 0
    expect(first.box("w")).to_be_visible()
    assert "−28" in first.open("gradients").inner_text()
    page.set_viewport_size({"width": 1200, "height": 900})


def test_reloaded_with_its_kernel_it_is_live_again(executed: Executed, browser: Browser) -> None:
    with open_page(browser) as page:
        page.open_notebook(executed.server, executed.name)
        view = page.view(0).wait()
        view.box("−").click()
        expect(view.host.locator(".live")).to_be_visible()
        item = view.selected().first.get_attribute("data-box")
        assert page.python("lesson.selection") == repr(item)
        assert (page.refused, page.errors) == ([], [])


def test_reloaded_without_its_kernel_it_still_works(executed: Executed, browser: Browser, shots: pathlib.Path) -> None:
    executed.server.end_kernels()
    with open_page(browser) as page:
        page.open_notebook(executed.server, executed.name)
        view = page.view(1).wait()
        expect(view.host.locator(".live")).to_be_hidden()
        view.box("×").click()
        expect(view.panel()).to_contain_text("MulBackward0")
        assert "AG202" in view.open("findings").inner_text()
        view.host.scroll_into_view_if_needed()
        page.page.screenshot(path=shots / f"{executed.server.app}-kernel-gone.png")
        assert (page.refused, page.errors) == ([], [])
