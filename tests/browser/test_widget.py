"""`report.widget()`: a true ipywidgets view that composes and whose traits go both ways."""

from __future__ import annotations

import pathlib

from playwright.sync_api import expect

from tests.browser.driver import Page, Server, View
from tests.browser.lessons import REGRESSION, SETUP

SHOW = """\
import ipywidgets
widget = lesson.widget()
seen = []
widget.observe(lambda change: seen.append(change["new"]), "selection")
ipywidgets.VBox([ipywidgets.Label("above it"), widget])"""


def test_composes_and_is_observed(server: Server, page: Page, shots: pathlib.Path) -> None:
    page.open_notebook(server, server.write("widget.ipynb", SETUP, REGRESSION, SHOW))
    page.run_all()
    box = page.page.locator(".widget-vbox")
    expect(box.get_by_text("above it")).to_be_visible()
    view = View(box)
    view.boxes().first.wait_for()
    view.box("×").click()
    expect(view.selected()).to_have_count(1)
    item = view.selected().get_attribute("data-box")
    assert page.python("widget.selection, seen[-1]") == repr((item, item))
    # ...and back: what Python selects is selected in the view, and the theme follows the trait.
    page.python("(setattr(widget, 'selection', ''), setattr(widget, 'theme', 'dark'))")
    expect(view.selected()).to_have_count(0)
    expect(view.host.locator(".agm-view")).to_have_attribute("data-theme", "dark")
    box.scroll_into_view_if_needed()
    page.page.screenshot(path=shots / f"widget-{server.app}.png")
    assert (page.refused, page.errors) == ([], [])
