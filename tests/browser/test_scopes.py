"""A network of twelve equal blocks in a real browser: it opens folded, unfolds in place, and is found and followed."""

from __future__ import annotations

import pathlib
import re
from collections.abc import Iterator
from typing import Literal

import pytest
import torch
from playwright.sync_api import Browser, Locator, expect
from torch import Tensor, nn
from torch.nn import functional as F

from autograd_magics import Report, record
from autograd_magics.texts import text
from tests.browser.driver import Page, View, open_page

WIDTH, WORDS, BLOCKS = 8, 20, 12
STILL_PX = 1.0
"""By so much the header that was clicked may move."""
FAINT = 0.5


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.c_attn, self.c_proj = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.c_attn(x).split(WIDTH, dim=-1)
        found: Tensor = self.c_proj((q @ k.transpose(-2, -1)).softmax(-1) @ v)
        return found


class MLP(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.c_fc, self.c_proj = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.c_proj(F.gelu(self.c_fc(x)))
        return found


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.ln_1, self.attn = nn.LayerNorm(WIDTH), Attention()
        self.ln_2, self.mlp = nn.LayerNorm(WIDTH), MLP()

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.ln_1(x))
        found: Tensor = x + self.mlp(self.ln_2(x))
        return found


class GPT(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.wte, self.h = nn.Embedding(WORDS, WIDTH), nn.ModuleList(Block() for _ in range(BLOCKS))
        self.ln_f, self.head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, WORDS, bias=False)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.wte(tokens)
        for block in self.h:
            x = block(x)
        found: Tensor = self.head(self.ln_f(x))
        return found


@pytest.fixture(scope="module")
def report() -> Report:
    torch.manual_seed(0)
    model, tokens = GPT(), torch.randint(0, WORDS, (6,))
    with record(lang="en") as recording:
        loss = F.cross_entropy(model(tokens), tokens)
        loss.backward()
    return recording.report


@pytest.fixture(scope="module")
def path(report: Report, tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    path = tmp_path_factory.mktemp("scopes") / "page.html"
    report.to_html(path)
    return path


@pytest.fixture(params=[(1200, "light"), (700, "dark")], ids=["1200", "700"])
def page(request: pytest.FixtureRequest, browser: Browser) -> Iterator[Page]:
    width: int
    scheme: Literal["light", "dark"]
    width, scheme = request.param
    with open_page(browser, width=width, color_scheme=scheme, reduced_motion="reduce") as opened:
        yield opened


@pytest.fixture
def view(page: Page, path: pathlib.Path) -> View:
    page.open_file(path)
    view = page.view().wait()
    view.button("fit").click()
    return view


def group(view: View, label: str) -> Locator:
    """A group, open or folded, by what it is called."""
    labels = view.host.page.locator(".label").filter(has_text=label)
    return view.host.locator("svg.picture .group").filter(has=labels).first


def folded(view: View) -> Locator:
    return view.host.locator("svg.picture .group[aria-expanded=false]")


def place(one: Locator) -> tuple[float, float]:
    """Where the sign of a group is on the screen."""
    box = one.locator(".fold .plate").bounding_box()
    assert box is not None
    return box["x"], box["y"]


def unfold(one: Locator) -> None:
    one.locator(".fold").click()


def shot(page: Page, shots: pathlib.Path, name: str) -> None:
    width = page.page.viewport_size["width"] if page.page.viewport_size else 0
    page.page.screenshot(path=shots / f"scopes-{name}-{width}.png")


def test_a_saved_picture_looks_as_it_does_here(page: Page, view: View) -> None:
    """With what is folded folded, and open groups as faint as their style sheet makes them."""
    view.host.locator(".popup > button").first.click()
    with page.page.expect_download() as download:
        view.host.locator("[role=menuitem]").first.click()
    saved = pathlib.Path(download.value.path()).read_text("utf-8")
    frames = re.findall(r'<rect [^>]*rx="10"[^>]*>', saved)
    assert len(frames) == view.host.locator("svg.picture .frame").count() > 0
    assert all('fill-opacity="0.055"' in frame and 'stroke-opacity="0.55"' in frame for frame in frames)
    assert f"h[0] … h[{BLOCKS - 1}]" in saved and "class=" not in saved


def test_what_is_told_of_a_group_leads_to_its_line(page: Page, view: View) -> None:
    group(view, f"h[0] … h[{BLOCKS - 1}]").click()
    rows = view.panel().locator(".kv")
    expect(rows).to_contain_text(f"{BLOCKS} times in a row")
    rows.locator(".link").first.click()
    expect(view.panel().locator("h4").first).to_contain_text("line", ignore_case=True)


def test_it_opens_folded_and_unfolds_in_place(page: Page, view: View, shots: pathlib.Path) -> None:
    expect(group(view, f"h[0] … h[{BLOCKS - 1}]")).to_have_attribute("aria-expanded", "false")
    assert view.boxes().count() < 40
    shot(page, shots, "folded")
    for label in ("h[0] …", "h[0]", "attn"):
        one = group(view, label) if label != "h[0]" else folded(view).first
        name, before = one.get_attribute("data-box"), place(one)
        unfold(one)
        opened = view.host.locator(f'[data-box="{name}"]')
        expect(opened).to_have_attribute("aria-expanded", "true")
        after = place(opened)
        assert max(abs(a - b) for a, b in zip(before, after, strict=True)) <= STILL_PX, label
        expect(view.panel().locator("h4").first).to_be_visible()
    shot(page, shots, "unfolded")
    opened.locator(".fold").click()
    expect(opened).to_have_attribute("aria-expanded", "false")
    assert max(abs(a - b) for a, b in zip(before, place(opened), strict=True)) <= STILL_PX
    assert (page.refused, page.errors) == ([], [])


def test_equal_blocks_are_shown_and_unfold_together(page: Page, view: View, shots: pathlib.Path) -> None:
    unfold(folded(view).first)
    first = folded(view).first
    first.hover()
    assert view.host.locator(".group.alike").count() > 1
    first.locator(".halo").click()
    shot(page, shots, "alike")
    view.panel().get_by_role("button", name=text("ui.unfold_alike", n=BLOCKS)).click()
    opened = view.host.locator(".group[aria-expanded=true]")
    expect(opened.nth(2)).to_be_attached()  # a worker may lay them out
    view.button("fit").click()
    assert opened.count() > 2


def test_what_is_folded_is_found_and_shown(page: Page, view: View, shots: pathlib.Path) -> None:
    find = view.host.locator(".find input")
    find.fill("gelu")
    expect(view.host.locator(".find output")).to_have_text(re.compile(r"^0/[1-9]\d+$"))
    assert view.box("gelu").count() == 0
    for turn in (1, 2):
        find.press("Enter")
        expect(view.host.locator(".find output")).to_have_text(re.compile(rf"^{turn}/\d+$"))
        expect(view.selected()).to_have_count(1)
        expect(view.selected()).to_contain_text("gelu")
        expect(view.selected()).to_be_in_viewport()
    find.press("Shift+Enter")
    expect(view.host.locator(".find output")).to_have_text(re.compile(r"^1/\d+$"))
    shot(page, shots, "found")
    find.fill("h[7].attn")
    find.press("Enter")
    expect(view.host.locator(".group.selected")).to_contain_text("attn")


def test_the_path_to_the_loss_goes_through_folds(page: Page, view: View, shots: pathlib.Path) -> None:
    view.box("weight").click()
    page.page.keyboard.press("p")
    expect(view.panel().get_by_role("button", name=text("ui.path_loss"))).to_have_attribute("aria-pressed", "true")
    blocks = group(view, "h[0] …")
    assert float(blocks.evaluate("e => getComputedStyle(e).opacity")) > FAINT
    tokens = view.box("tokens")
    assert float(tokens.evaluate("e => getComputedStyle(e).opacity")) < FAINT
    assert view.host.locator(".wire.along").count() > 3
    shot(page, shots, "path")
    page.page.keyboard.press("p")
    expect(view.panel().get_by_role("button", name=text("ui.path_leaves"))).to_have_attribute("aria-pressed", "true")
    assert float(blocks.evaluate("e => getComputedStyle(e).opacity")) < FAINT
    page.page.keyboard.press("p")
    expect(view.host.locator(".wire.along")).to_have_count(0)


def test_everything_by_the_keyboard(page: Page, view: View) -> None:
    keys, state = page.page.keyboard, folded(view).first
    name = state.get_attribute("data-box")
    one = view.host.locator(f'[data-box="{name}"]')
    one.focus()
    view.host.locator(f'[data-box="{name}"] .halo').click()
    expect(one).to_have_attribute("aria-expanded", "false")
    keys.press("Enter")
    expect(one).to_have_attribute("aria-expanded", "true")
    expect(one).to_be_focused()
    keys.press("ArrowRight")
    expect(view.host.locator("[data-box]:focus")).to_have_attribute("aria-expanded", "false")
    keys.press(" ")
    expect(view.host.locator("[data-box]:focus")).to_have_attribute("aria-expanded", "true")
    keys.press("x")
    expect(view.host.locator("[data-box]:focus")).to_have_attribute("aria-expanded", "false")
    keys.press("ArrowUp")
    expect(one).to_be_focused()
    keys.press("X")
    expect(one).to_have_attribute("aria-expanded", "false")


def test_selection_and_moment_stay(page: Page, view: View) -> None:
    view.box("embedding").click()
    slider = view.host.locator(".track input")
    slider.focus()
    page.page.keyboard.press("Home")
    page.page.keyboard.press("ArrowRight")
    before = slider.input_value()
    page.page.keyboard.press("X")
    view.button("unfold").click()
    view.button("fit").click()
    assert slider.input_value() == before
    expect(view.box("embedding")).to_have_attribute("aria-pressed", "true")


def test_it_glides_unless_no_motion_is_wanted(browser: Browser, path: pathlib.Path) -> None:
    for motion, expected in (("no-preference", True), ("reduce", False)):
        with open_page(browser, reduced_motion=motion) as page:
            page.open_file(path)
            view = page.view().wait()
            view.button("fit").click()
            page.page.wait_for_timeout(300)
            moving = view.host.evaluate(
                """host => {
                    const root = host.querySelector(".agm-view").shadowRoot;
                    const fold = root.querySelector(".group[aria-expanded=false] .fold");
                    fold.dispatchEvent(new MouseEvent("click", { bubbles: true }));
                    const brief = (one) => one.effect.getTiming().duration <= 200 && !one.transitionProperty;
                    return root.getAnimations().filter(brief).length;
                }"""
            )
            assert (moving > 0) is expected


def test_the_minimap_shows_where_one_is(page: Page, view: View, shots: pathlib.Path) -> None:
    unfold(folded(view).first)
    for _ in range(2):
        view.button("zoom_in").click()
    minimap = view.host.locator(".minimap")
    expect(minimap).to_be_visible()
    frame = minimap.locator(".window")
    before, box = frame.bounding_box(), minimap.bounding_box()
    assert before is not None and box is not None
    page.page.mouse.click(box["x"] + box["width"] - 8, box["y"] + box["height"] / 2)
    after = frame.bounding_box()
    assert after is not None and after["x"] > before["x"] + 5
    shot(page, shots, "minimap")
