"""The slider in a real JupyterLab: what it shows is what torch computes; without a kernel it says so."""

from __future__ import annotations

import pathlib
import re
from collections.abc import Iterator

import pytest
import torch
from playwright.sync_api import Browser, Locator, expect

from autograd_magics.texts import text
from tests.browser.driver import Page, Server, View, open_page
from tests.browser.lessons import REGRESSION, SETUP

VECTOR = """\
%%autograd vector
v = torch.tensor([1., -2., 0.5], requires_grad=True)
h = v * v
L = h.sum().sin()
L.backward()"""

DROPOUT = """\
%%autograd
u = torch.tensor([1., 2.], requires_grad=True)
loss = torch.nn.functional.dropout(u, 0.5).sum()
loss.backward()"""


@pytest.fixture(scope="module")
def page(browser: Browser, lab: Server) -> Iterator[Page]:
    with open_page(browser, height=1000) as opened:
        opened.open_notebook(lab, lab.write("nudge.ipynb", SETUP, REGRESSION, VECTOR, DROPOUT))
        opened.run_all()
        opened.close_side_bar()
        yield opened
        assert (opened.refused, opened.errors) == ([], [])


def leaf(page: Page, number: int, name: str) -> tuple[View, Locator]:
    """A view with a leaf selected, and its nudge."""
    view = page.view(number).wait().reset()
    view.box(name).click()
    panel = view.host.locator(".nudge")
    expect(panel).to_be_visible()
    return view, panel


def drag(panel: Locator, share: float) -> None:
    """Drag the thumb from the middle to a share of the slider's width."""
    slider = panel.locator("input")
    slider.scroll_into_view_if_needed()
    at = slider.bounding_box()
    assert at
    mouse, y = panel.page.mouse, at["y"] + at["height"] / 2
    mouse.move(at["x"] + at["width"] / 2, y)
    mouse.down()
    mouse.move(at["x"] + at["width"] * (0.5 + share) / 2, y, steps=4)
    mouse.move(at["x"] + at["width"] * share, y, steps=8)
    mouse.up()


def step_of(panel: Locator) -> float:
    """The ε that the slider says."""
    return number(panel.locator("output").inner_text().removeprefix("ε = "))


def number(words: str) -> float:
    return float(words.replace("−", "-"))


def figures(panel: Locator, step: float) -> dict[str, str]:
    """Label and value of each row, once they belong to this ε."""
    expect(panel.locator("dd").nth(2)).to_contain_text(f"{step:g}".replace("-", "−"))
    labels, values = panel.locator("dt").all_inner_texts(), panel.locator("dd").all_inner_texts()
    return dict(zip(labels, values, strict=True))


def test_the_slider_shows_what_torch_computes(page: Page, shots: pathlib.Path) -> None:
    view, panel = leaf(page, 0, "w")
    drag(panel, 0.8)
    step = step_of(panel)
    assert 0.2 < step <= 1
    shown = figures(panel, step)
    x, y = torch.arange(4.0, dtype=torch.float64), 2 * torch.arange(4.0, dtype=torch.float64)
    w = torch.tensor([1.0], dtype=torch.float64, requires_grad=True)
    loss = (x * w - y).pow(2).sum()
    loss.backward()
    assert w.grad is not None
    after, predicted = (x * (w + step) - y).pow(2).sum().item(), w.grad.item() * step
    assert number(shown["J"].split(" → ")[1]) == pytest.approx(after, rel=1e-3)
    assert number(shown[text("nudge.predicted")].split(" = ")[-1]) == pytest.approx(predicted, rel=1e-3)
    assert number(shown[text("nudge.real")]) == pytest.approx(after - loss.item(), rel=1e-3)
    wire = view.box("y_pred").locator("text.value").text_content() or ""
    assert [number(n) for n in wire.strip("[]").split()] == pytest.approx((x * (1 + step)).tolist(), rel=0.03)
    view.host.scroll_into_view_if_needed()
    page.page.screenshot(path=shots / "lab-nudge.png")
    panel.get_by_role("button", name=text("ui.nudge_reset")).click()
    expect(view.box("y_pred").locator("text.value")).to_have_text("[0 1 2 3]")
    assert page.python("(w.tolist(), w.grad.tolist(), w._version)") == "([1.0], [-28.0], 0)"


def test_an_element_of_a_vector_is_chosen_and_moved_by_keys(page: Page) -> None:
    view, panel = leaf(page, 1, "v")
    panel.locator("select").select_option(label="v[1] = −2")
    slider = panel.locator("input")
    slider.focus()
    for _ in range(3):
        slider.press("ArrowLeft")
    step = step_of(panel)
    assert step == -0.12
    shown = figures(panel, step)
    v = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64, requires_grad=True)
    loss = (v * v).sum().sin()
    loss.backward()
    assert v.grad is not None
    moved = torch.tensor([1.0, -2.0 + step, 0.5], dtype=torch.float64)
    assert shown["v[1]"] == "−2 → −2.12"
    assert number(shown["L"].split(" → ")[1]) == pytest.approx((moved * moved).sum().sin().item(), rel=1e-3)
    assert number(shown[text("nudge.predicted")].split(" = ")[-1]) == pytest.approx(v.grad[1].item() * step, rel=1e-3)
    expect(view.box("h").locator("text.value")).to_have_text(re.compile(r"\[1 4\.49\d* 0\.25\]"))
    view.box("h").click()
    expect(view.box("h").locator("text.value")).to_have_text("[1 4 0.25]")


def test_a_refusal_names_call_and_line(page: Page) -> None:
    _, panel = leaf(page, 2, "u")
    drag(panel, 0.7)
    expect(panel.locator(".error")).to_contain_text("dropout(u, p=0.5, training=True)")
    expect(panel.locator(".error")).to_contain_text("line 3")


def test_without_its_kernel_it_says_so(page: Page, lab: Server, browser: Browser, shots: pathlib.Path) -> None:
    page.save()
    lab.end_kernels()
    with open_page(browser, height=1000) as opened:
        opened.open_notebook(lab, "nudge.ipynb")
        view, panel = leaf(opened, 0, "w")
        expect(panel.locator("input")).to_be_disabled()
        expect(panel).to_contain_text(text("ui.nudge_no_kernel"))
        view.host.scroll_into_view_if_needed()
        opened.page.screenshot(path=shots / "lab-nudge-no-kernel.png")
        assert (opened.refused, opened.errors) == ([], [])
