"""Orders of derivatives in a real browser: one at a time, the rest faint, nothing moves."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator
from typing import Literal

import pytest
import torch
from playwright.sync_api import Browser, Locator, expect

from autograd_magics import Report, record
from autograd_magics.views.boxes import Picture
from tests.browser.driver import Page, View, open_page

FAINT = 0.5
"""Opacity below which something counts as faint."""


def recorded() -> Report:
    with record(lang="en") as recording:
        x = torch.tensor(2.0, requires_grad=True)
        y = x**4
        (dy,) = torch.autograd.grad(y, x, create_graph=True)
        z = dy * 3
        (d2y,) = torch.autograd.grad(z, x, create_graph=True)
        d2y.register_hook(lambda gradient: gradient * 2)
        d2y.backward()
    return recording.report


@pytest.fixture(scope="module")
def report() -> Report:
    return recorded()


@pytest.fixture(params=[(1200, "light"), (700, "dark")], ids=["1200", "700"])
def page(request: pytest.FixtureRequest, browser: Browser) -> Iterator[Page]:
    width: int
    scheme: Literal["light", "dark"]
    width, scheme = request.param
    with open_page(browser, width=width, color_scheme=scheme) as opened:
        yield opened


@pytest.fixture
def view(page: Page, report: Report, tmp_path: pathlib.Path) -> View:
    report.to_html(tmp_path / "page.html")
    page.open_file(tmp_path / "page.html")
    return page.view().wait()


def choose(view: View, name: str) -> None:
    view.host.locator(".layers").get_by_role("button", name=name, exact=True).click()


def chosen(view: View) -> Locator:
    return view.host.locator(".layers [aria-pressed=true]")


def opacity(view: View, attribute: str) -> dict[str, float]:
    """How strongly each box, or each wire, is drawn."""
    found: dict[str, float] = view.widget().evaluate(
        f"""widget => Object.fromEntries([...widget.querySelectorAll("[{attribute}]")]
                .map((e) => [e.getAttribute("{attribute}"), Number(getComputedStyle(e).opacity)]))"""
    )
    assert found
    return found


def faint(view: View, attribute: str = "data-box") -> set[str]:
    return {one for one, strength in opacity(view, attribute).items() if strength < FAINT}


def places(view: View) -> dict[str, str]:
    found: dict[str, str] = view.widget().evaluate(
        """widget => Object.fromEntries([...widget.querySelectorAll("[data-box]")]
                .map((e) => [e.getAttribute("data-box"), JSON.stringify(e.getBoundingClientRect())]))"""
    )
    return found


def shown_at(picture: Picture, layer: int) -> tuple[set[str], set[str]]:
    """Boxes and wires of a layer: a wire belongs to the higher of its ends, a leaf to every wire that it has."""
    own = {box.id: box.layer for box in picture.boxes}
    wires = [wire for wire in picture.wires if max(own[wire.start], own[wire.end]) == layer]
    at = {end for wire in wires for end in (wire.start, wire.end)}
    return {one for one, order in own.items() if order == layer or (order == 0 and one in at)}, {w.id for w in wires}


@pytest.mark.parametrize("name", ["forward", "backward"])
def test_each_layer_is_shown_and_the_rest_is_faint(
    page: Page, view: View, report: Report, shots: pathlib.Path, name: str
) -> None:
    view.host.get_by_role("button", name=name.title(), exact=True).click()
    picture = report.pictures[name]
    assert faint(view) == set()
    before = places(view)
    layers = sorted({box.layer for box in picture.boxes} - {0})
    assert layers == [1, 2, 3]
    for layer, label in zip(layers, ("1st", "2nd", "3rd"), strict=True):
        choose(view, label)
        expect(chosen(view)).to_have_text(label)
        boxes, wires = shown_at(picture, layer)
        assert boxes and faint(view) == {box.id for box in picture.boxes} - boxes
        assert faint(view, "data-wire") == {wire.id for wire in picture.wires} - wires
        page.page.screenshot(path=shots / f"layers-{name}-{label}.png")
    assert places(view) == before
    choose(view, "All")
    assert faint(view) == faint(view, "data-wire") == set()
    assert (page.refused, page.errors) == ([], [])


def test_what_is_selected_or_found_or_happens_is_not_faint(page: Page, view: View, report: Report) -> None:
    choose(view, "1st")
    (hidden,) = (box.id for box in report.pictures["forward"].boxes if box.name == "z")
    assert hidden in faint(view)
    view.host.locator(f"[data-box={hidden}]").click()
    assert hidden not in faint(view)
    view.box("x⁴").click()
    assert hidden in faint(view)
    view.host.locator(".find input").fill("z")
    assert hidden not in faint(view)
    view.host.locator(".find input").fill("")
    view.host.get_by_role("slider").focus()
    page.page.keyboard.press("Home")
    seen = set()
    for _ in range(12):
        page.page.keyboard.press("ArrowRight")
        for one in view.host.locator(".box.current").all():
            seen.add(one.get_attribute("data-box"))
            assert float(one.evaluate("e => getComputedStyle(e).opacity")) > FAINT
    assert hidden in seen


def test_it_is_reached_by_keys_and_stays_in_another_language(page: Page, view: View) -> None:
    view.box("x⁴").click()
    for expected in ("1st", "2nd"):
        page.page.keyboard.press("l")
        expect(chosen(view)).to_have_text(expected)
    before = faint(view)
    view.host.locator(".language select").select_option("pt_BR")
    expect(chosen(view)).to_have_text("2ª")
    assert faint(view) == before
    chosen(view).focus()
    page.page.keyboard.press("Shift+Tab")
    page.page.keyboard.press("Enter")
    expect(chosen(view)).to_have_text("1ª")


def test_the_hook_has_its_sign_and_says_what_it_did(view: View) -> None:
    signs = view.host.locator(".scene .hook.changed")
    expect(signs).to_have_count(1)
    signs.locator("xpath=..").click()
    expect(view.panel()).to_contain_text("after hook <lambda>")
    expect(view.panel()).to_contain_text("put on at line")


def test_the_control_fits(view: View) -> None:
    edge = view.widget().evaluate("e => e.getBoundingClientRect().right")
    for button in view.host.locator(".layers button").all():
        box = button.bounding_box()
        assert box is not None and box["x"] + box["width"] < edge
        assert button.evaluate("e => e.scrollWidth <= e.clientWidth + 1")
