"""The live view in JupyterLab and in Notebook 7: draws, selects, follows theme and width, survives its kernel."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.driver import App, Page, Server, contrast, open_page
from tests.browser.lessons import REGRESSION, SETUP, TWICE

DARK_BELOW = 70
"""A dark ground has no channel above this, of 255."""


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


def test_draws_names_values_and_gradients(executed: Executed, shots: pathlib.Path) -> None:
    page, view = executed.page, executed.page.view(0)
    for name in ("x", "w", "y", "y_pred", "e", "J", "×", "−"):
        expect(view.box(name)).to_be_visible()
    expect(view.box("w")).to_contain_text("−28")
    expect(view.tab("Findings")).to_have_text("Findings")
    page.page.screenshot(path=shots / f"{executed.server.app}-light.png")
    assert (page.refused, page.errors) == ([], [])


def test_a_click_selects_in_graph_details_and_source(executed: Executed) -> None:
    view = executed.page.view(0)
    view.box("×").click()
    expect(view.selected()).to_have_count(1)
    panel = view.panel()
    expect(panel).to_contain_text("MulBackward0")
    expect(panel).to_contain_text("x * w")
    source = view.open("Source")
    expect(source.locator(".related, .selected").filter(has_text="y_pred = x * w").first).to_be_visible()
    view.open("Details")
    view.widget().press("Escape")
    expect(view.selected()).to_have_count(0)


def test_every_tab_tells_its_part(executed: Executed) -> None:
    view = executed.page.view(1)
    assert "−56" in view.open("Gradients").inner_text()
    saved = view.open("Saved").inner_text()
    assert "self" in saved and "16 B" in saved
    assert "AG202" in view.open("Findings").inner_text()
    assert "J.backward()" in view.open("Source").inner_text()
    view.open("Details")


def test_a_finding_leads_to_its_ends(executed: Executed) -> None:
    view = executed.page.view(1)
    card = view.open("Findings").locator("article").first
    card.locator("button").last.click()
    expect(view.host.locator("svg.picture .selected, svg.picture .related").first).to_be_visible()
    view.widget().press("Escape")
    view.open("Details")


def test_the_graph_is_walked_by_arrow_keys(executed: Executed) -> None:
    view = executed.page.view(0)
    view.box("x").click()
    view.host.page.keyboard.press("ArrowRight")
    view.host.page.keyboard.press("Enter")
    expect(view.selected().first).to_contain_text("×")
    view.host.page.keyboard.press("Escape")


def test_the_backward_picture_shows_nodes(executed: Executed, shots: pathlib.Path) -> None:
    view = executed.page.view(0)
    view.button("Backward").click()
    expect(view.boxes().filter(has_text="MulBackward0").first).to_be_visible()
    expect(view.boxes().filter(has_text="AccumulateGrad").first).to_be_visible()
    view.host.screenshot(path=shots / f"{executed.server.app}-backward.png")
    view.button("Both").click()
    expect(view.box("×")).to_be_visible()


def test_zoom_and_fit(executed: Executed) -> None:
    view = executed.page.view(0)
    before = view.box("×").bounding_box()
    view.button("Zoom in").click()
    closer = view.box("×").bounding_box()
    assert before and closer and closer["width"] > before["width"] * 1.1
    view.button("Fit").click()
    for name in ("x", "w", "J"):
        expect(view.box(name)).to_be_in_viewport()


def test_the_selection_reaches_the_kernel(executed: Executed) -> None:
    page, view = executed.page, executed.page.view(0)
    view.box("×").click()
    item = view.selected().first.get_attribute("data-box")
    assert page.python("lesson.selection") == repr(item)
    view.widget().press("Escape")


def test_dark_theme_is_dark_and_legible(executed: Executed, shots: pathlib.Path) -> None:
    page, view = executed.page, executed.page.view(1)
    page.use_theme("JupyterLab Dark")
    expect(view.host.locator(".agm-view")).to_have_attribute("data-theme", "dark")
    ground = view.colour(".widget", "backgroundColor")
    assert max(ground) < DARK_BELOW
    for texts in ("text.name", "text.value", "text.grad", "text.label"):
        assert contrast(view.colour(f"svg.picture {texts}", "fill"), ground) >= 4.5, texts
    assert contrast(view.colour("[role=tabpanel]:visible", "color"), ground) >= 4.5
    view.open("Findings")
    view.host.scroll_into_view_if_needed()
    page.page.screenshot(path=shots / f"{executed.server.app}-dark.png")
    view.open("Details")
    page.use_theme("JupyterLab Light")
    expect(view.host.locator(".agm-view")).to_have_attribute("data-theme", "light")


def test_light_theme_is_legible(executed: Executed) -> None:
    view = executed.page.view(1)
    ground = view.colour(".widget", "backgroundColor")
    for texts in ("text.name", "text.value", "text.grad", "text.label"):
        assert contrast(view.colour(f"svg.picture {texts}", "fill"), ground) >= 4.5, texts


@pytest.mark.parametrize("width", [420, 1700])
def test_narrow_and_wide(executed: Executed, browser: Browser, shots: pathlib.Path, width: int) -> None:
    with open_page(browser, width=width) as page:
        page.open_notebook(executed.server, executed.name)
        view = page.view(0).wait()
        view.host.scroll_into_view_if_needed()
        page.page.screenshot(path=shots / f"{executed.server.app}-{width}.png")
        overflow = view.widget().evaluate("e => e.scrollWidth - e.clientWidth")
        assert overflow <= 0
        expect(view.box("w")).to_be_visible()
        assert "−28" in view.open("Gradients").inner_text()


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
        assert "AG202" in view.open("Findings").inner_text()
        view.host.scroll_into_view_if_needed()
        page.page.screenshot(path=shots / f"{executed.server.app}-kernel-gone.png")
        assert (page.refused, page.errors) == ([], [])
