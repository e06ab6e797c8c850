"""Another language, chosen in a page without a kernel: everything is said in it, and the first one comes back whole."""

from __future__ import annotations

import pathlib
import re

import pytest
from playwright.sync_api import Browser, Locator, expect

from autograd_magics import texts
from autograd_magics.report import load
from autograd_magics.views.payload import payload
from tests.browser.driver import Page, View, open_page

GOLDEN = pathlib.Path(__file__).parents[1] / "golden"
TABS = ("details", "gradients", "saved", "findings", "source")
LANGUAGES = texts.languages()
CASE = "failed"


def choice(view: View) -> Locator:
    return view.host.locator(".language select")


def tab(view: View, key: str) -> Locator:
    return view.host.locator("[role=tab]").nth(TABS.index(key))


def shown(view: View, key: str) -> str:
    """All words of a tab, also those of what is folded."""
    tab(view, key).click()
    return " ".join((view.panel().text_content() or "").split())


def said(sentence: str) -> str:
    """A sentence as it stands in the page."""
    return " ".join(sentence.replace("`", "").split())


def whole(view: View) -> str:
    """The whole view as markup, without the number that tells it from other views in the page."""
    return re.sub(r"agm\d+", "agm", view.widget().evaluate("e => e.outerHTML"))


@pytest.fixture
def file(tmp_path: pathlib.Path) -> pathlib.Path:
    path = tmp_path / "page.html"
    load(GOLDEN / f"{CASE}.trace.json", lang="en").to_html(path)
    return path


@pytest.fixture
def view(page: Page, file: pathlib.Path) -> View:
    page.open_file(file)
    return page.view().wait()


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_tab_is_said_in_the_chosen_language(page: Page, view: View, lang: str) -> None:
    choice(view).select_option(lang)
    data = payload(load(GOLDEN / f"{CASE}.trace.json", lang=lang))
    expect(view.host.locator(".agm-view")).to_have_attribute("lang", lang.replace("_", "-"))
    for key in TABS:
        assert (tab(view, key).text_content() or "").startswith(texts.text(f"ui.{key}", lang))
    for part in data["summary"]:
        expect(view.host.locator(".told")).to_contain_text(part)
    assert said(data["headline"]) in shown(view, "details")
    gradients, saved, findings = (shown(view, key) for key in TABS[1:4])
    assert data["gradients"][0]["rows"] and all(row["what"] in gradients for row in data["gradients"][0]["rows"])
    assert all(row["state"] in saved for row in data["saved"]["rows"])
    assert len(data["findings"]) > 2
    for finding in data["findings"]:
        for part in (finding["title"], finding["message"], finding["fix"]):
            assert said(part) in findings
    titles = view.host.locator(".graph ul.unseen li").all_text_contents()
    assert titles == [box["title"] for box in data["pictures"]["forward"]["boxes"]]
    assert (page.refused, page.errors) == ([], [])


@pytest.mark.parametrize("lang", LANGUAGES)
def test_what_is_told_of_a_selection_stays_with_it(view: View, lang: str) -> None:
    view.box("−").click()
    choice(view).select_option(lang)
    data = payload(load(GOLDEN / f"{CASE}.trace.json", lang=lang))
    (item,) = (box["id"] for box in data["pictures"]["forward"]["boxes"] if box["label"] == "−")
    expect(view.selected()).to_have_count(1)
    words = " ".join((view.panel().text_content() or "").split())
    for row in data["details"][item]["rows"]:
        assert said(row["label"]) in words and said(row["value"]) in words


def test_back_in_the_first_language_everything_is_as_it_was(view: View) -> None:
    for key in TABS:
        tab(view, key).click()
        expect(view.panel()).to_be_visible()
    tab(view, "details").click()
    before = whole(view)
    seen = {before}
    for lang in ("zh_CN", "es", "pt_BR"):
        choice(view).select_option(lang)
        seen.add(whole(view))
    assert len(seen) == len(LANGUAGES)
    choice(view).select_option("en")
    for key in TABS:
        tab(view, key).click()
        expect(view.panel()).to_be_visible()
    tab(view, "details").click()
    assert whole(view) == before


def test_each_language_has_its_own_name_and_is_remembered(browser: Browser, file: pathlib.Path) -> None:
    with open_page(browser) as page:
        page.open_file(file)
        view = page.view().wait()
        names = choice(view).locator("option").all_text_contents()
        assert names == ["English", "Español", "Português", "中文"]
        choice(view).select_option("zh_CN")
        page.page.reload()
        expect(choice(page.view().wait())).to_have_value("zh_CN")
        page.open_file(file)
        assert "诊断" in (page.view().wait().host.locator(".tabs").text_content() or "")


def test_it_is_reached_and_changed_by_keys(page: Page, view: View) -> None:
    choice(view).focus()
    page.page.keyboard.press("ArrowDown")
    expect(choice(view)).to_have_value("es")
    expect(choice(view)).to_be_focused()
    page.page.keyboard.press("b")  # a shortcut elsewhere: here letters look for a language
    expect(view.host.locator(".modes [aria-pressed=true]")).to_have_text(texts.text("ui.both", "es"))


@pytest.mark.parametrize("width", [700, 1200])
@pytest.mark.parametrize("lang", LANGUAGES)
def test_nothing_is_cut_in_any_language(
    browser: Browser, file: pathlib.Path, shots: pathlib.Path, lang: str, width: int
) -> None:
    with open_page(browser, width=width, color_scheme="light" if width > 1000 else "dark") as page:
        page.open_file(file)
        view = page.view().wait()
        choice(view).select_option(lang)
        assert view.host.locator(".tools").evaluate("e => e.offsetHeight") < 40
        for key in TABS:
            tab(view, key).click()
            page.page.screenshot(path=shots / f"languages-{lang}-{width}-{key}.png")
            assert cut(view) == []


def cut(view: View) -> list[str]:
    """Controls, tabs and panels whose words do not fit, or that stand out of the view."""
    found: list[str] = view.widget().evaluate(
        """widget => {
            const edge = widget.getBoundingClientRect().right + 0.5;
            const kinds = ".bar button, .bar select, .chip, .tabs button, .body, .legend li";
            const all = [...widget.querySelectorAll(kinds)];
            return all.filter((e) => e.getClientRects().length > 0)
                .filter((e) => e.scrollWidth > e.clientWidth + 1 && e.clientWidth > 0 && e.localName !== "select"
                               || e.getBoundingClientRect().right > edge)
                .map((e) => `${e.className} ${e.textContent.slice(0, 60)}`);
        }"""
    )
    return found
