"""The timeline of a saved page: it plays and steps, and what it shows at each moment is what torch computes."""

from __future__ import annotations

import pathlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from playwright.sync_api import Browser, Locator, expect

from autograd_magics import Report
from tests.browser.driver import LOAD_MS, Page, View, contrast, open_page
from tests.recorded import record_cell

CELL = """\
x = torch.tensor([0., 1., 2., 3.])
y = torch.tensor([0., 2., 4., 6.])
w = torch.tensor([1.], requires_grad=True)
optimizer = torch.optim.SGD([w], lr=0.01)
for epoch in range(3):
    y_pred = x * w
    e = y_pred - y
    J = e.pow(2).sum()
    J.backward()
    optimizer.step()
    optimizer.zero_grad()
"""

MLP = """\
torch.manual_seed(0)
model = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.ReLU(), torch.nn.Linear(3, 1))
X = torch.ones(4, 2)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for epoch in range(2):
    optimizer.zero_grad()
    out = model(X)
    loss = (out * out).mean()
    loss.backward()
    optimizer.step()
"""


@dataclass
class Epoch:
    """What torch says of one iteration of `CELL`."""

    values: dict[str, torch.Tensor]
    gradients: dict[str, torch.Tensor]
    """By name: what backward brings there."""
    grad: torch.Tensor
    """`w.grad` after it."""


def computed() -> list[Epoch]:
    """`CELL` once more, with torch alone."""
    x, y = torch.tensor([0.0, 1.0, 2.0, 3.0]), torch.tensor([0.0, 2.0, 4.0, 6.0])
    w = torch.tensor([1.0], requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=0.01)
    epochs = []
    for _ in range(3):
        y_pred = x * w
        e = y_pred - y
        squares = e.pow(2)
        J = squares.sum()
        inner = {"y_pred": y_pred, "e": e, "e.pow(2)": squares, "J": J}
        gradients = dict(zip(inner, torch.autograd.grad(J, inner.values(), retain_graph=True), strict=True))
        before = w.detach().clone()
        J.backward()
        values = {name: value.detach() for name, value in inner.items()}
        epochs.append(Epoch({**values, "w": before}, gradients, w.grad.clone()))
        optimizer.step()
        optimizer.zero_grad()
    return epochs


def numbers(text: str) -> list[float]:
    """The numbers in a text as it stands in a picture."""
    return [float(n) for n in re.findall(r"-?\d+(?:\.\d+)?(?:e-?\d+)?", text.replace("−", "-"))]


def same(text: str, value: torch.Tensor) -> bool:
    """Whether a text shows this value, to the four digits that are written."""
    shown = numbers(text)
    wanted = value.reshape(-1).double()
    return len(shown) == len(wanted) and torch.allclose(torch.tensor(shown).double(), wanted, rtol=1e-3, atol=1e-6)


class Timeline:
    """The bar of one view."""

    def __init__(self, view: View) -> None:
        self.view = view
        self.bar = view.host.locator(".timeline")
        self.slider = self.bar.locator("input[type=range]")

    @property
    def end(self) -> int:
        return int(self.slider.get_attribute("max") or 0)

    @property
    def moment(self) -> int:
        return int(self.slider.input_value())

    def go(self, moment: int) -> None:
        self.slider.evaluate("(e, m) => { e.value = m; e.dispatchEvent(new Event('input')); }", moment)

    def caption(self) -> str:
        return self.bar.locator(".caption").inner_text()

    def texts(self, kind: str) -> dict[str, str]:
        """By box: its text of a class, of what is there already."""
        found: dict[str, str] = self.view.host.locator("svg.picture").evaluate(
            """(svg, kind) => {
                const text = (box) => box.querySelector(`text.${kind}:not(.figures)`)?.textContent ?? "";
                return Object.fromEntries(
                    [...svg.querySelectorAll("[data-box]:not(.later)")].map((box) => [box.dataset.box, text(box)]));
            }""",
            kind,
        )
        return found

    def captions(self) -> list[str]:
        """Those of all moments, and where they were seen."""
        found = []
        for moment in range(self.end):
            self.go(moment)
            found.append(self.caption())
        return found


@pytest.fixture(scope="module")
def regression(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    path = tmp_path_factory.mktemp("timeline") / "regression.html"
    Report(record_cell(CELL), lang="en").to_html(path)
    return path


@pytest.fixture(scope="module")
def mlp(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    path = tmp_path_factory.mktemp("timeline") / "mlp.html"
    Report(record_cell(MLP), lang="en").to_html(path)
    return path


@pytest.fixture
def still(browser: Browser) -> Iterator[Page]:
    """A page of somebody who wants no movement."""
    with open_page(browser, reduced_motion="reduce") as page:
        yield page


def opened(page: Page, file: pathlib.Path) -> Timeline:
    page.open_file(file)
    return Timeline(page.view().wait())


def test_each_forward_step_shows_torchs_value(still: Page, regression: pathlib.Path) -> None:
    captions = opened(still, regression).captions()
    told = [caption for caption in captions if caption.startswith("forward")]
    assert len(told) == 3 * 4
    for epoch, some in zip(computed(), zip(*[iter(told)] * 4, strict=True), strict=True):
        for name, caption in zip(("y_pred", "e", "e.pow(2)", "J"), some, strict=True):
            assert name in caption
            assert same(caption.split("→")[1], epoch.values[name]), caption


def test_each_backward_step_shows_what_torch_sends(still: Page, regression: pathlib.Path) -> None:
    captions = opened(still, regression).captions()
    told = [caption for caption in captions if caption.startswith("backward through")]
    order = [re.split(r"[ :]", caption)[2] for caption in told]
    assert order == ["SumBackward0", "PowBackward0", "SubBackward0", "MulBackward0"] * 3
    names = ["J", "e.pow(2)", "e", "y_pred"]
    for epoch, some in zip(computed(), zip(*[iter(told)] * 4, strict=True), strict=True):
        for came, went, caption in zip(names, [*names[1:], None], some, strict=True):
            assert same(re.split(", rule|, went", caption)[0].split("came in")[1], epoch.gradients[came]), caption
            sent = epoch.grad if went is None else epoch.gradients[went]
            assert same(caption.split("went out")[1], sent), caption


def test_gradients_come_under_the_wires_one_by_one(still: Page, regression: pathlib.Path) -> None:
    timeline = opened(still, regression)
    first = computed()[0]
    captions = timeline.captions()
    begin = next(i for i, caption in enumerate(captions) if caption.startswith("J.backward() begins"))
    boxes = {"J": "t6", "e.pow(2)": "t5", "e": "t4", "y_pred": "t3"}
    for step, name in enumerate(boxes):
        timeline.go(begin + step)
        shown = {box: text for box, text in timeline.texts("grad").items() if text}
        assert set(shown) == set(list(boxes.values())[: step + 1])
        assert same(shown[boxes[name]], first.gradients[name])


def test_the_ledger_holds_what_grad_holds(still: Page, regression: pathlib.Path) -> None:
    timeline = opened(still, regression)
    captions = timeline.captions()
    panel = timeline.view.open("gradients")
    now, rows = panel.locator(".now code"), panel.locator("tr.change:visible")
    ends = [i for i, caption in enumerate(captions) if caption.startswith("w.grad: None +")]
    assert len(ends) == 3
    for number, (moment, epoch) in enumerate(zip(ends, computed(), strict=True)):
        timeline.go(moment - 1)
        expect(now).to_have_text("None")
        timeline.go(moment)
        assert same(now.inner_text(), epoch.grad)
        assert rows.count() == 1 + 3 * number
        assert same(rows.last.locator("td.added").inner_text(), epoch.grad)
    timeline.go(timeline.end)
    expect(now).to_have_text("None")


def test_an_optimizer_step_shows_the_new_value(still: Page, regression: pathlib.Path) -> None:
    told = [caption for caption in opened(still, regression).captions() if caption.startswith("optimizer.step()")]
    epochs = computed()
    for caption, old, new in zip(told[:2], epochs, epochs[1:], strict=False):
        assert same(caption.split(" w ")[1].split("→")[0], old.values["w"])
        assert same(caption.split("→")[1], new.values["w"])


def test_saved_tensors_are_kept_and_freed(still: Page, regression: pathlib.Path) -> None:
    timeline = opened(still, regression)
    captions = timeline.captions()
    panel = timeline.view.open("saved")
    timeline.go(next(i for i, caption in enumerate(captions) if caption.startswith("forward: e.pow(2)")))
    expect(panel.locator(".total")).to_have_text("kept now: 32 B in 2 tensors")
    expect(timeline.view.host.locator("[data-box] .keeps.kept")).to_have_count(2)
    timeline.go(next(i for i, caption in enumerate(captions) if "PowBackward0" in caption))
    expect(panel.locator(".total")).to_have_text("kept now: 16 B in 1 tensor")
    expect(panel.locator(".row:not(.later) .state.freed")).to_have_count(1)


def test_the_source_marks_what_runs(still: Page, regression: pathlib.Path) -> None:
    timeline = opened(still, regression)
    captions = timeline.captions()
    panel = timeline.view.open("source")
    timeline.go(next(i for i, caption in enumerate(captions) if "SubBackward0" in caption))
    expect(panel.locator(".mark.current")).to_have_text("y_pred - y")
    expect(panel.locator(".mark.running")).to_have_text("J.backward()")
    expect(panel.locator(".line.current .n")).to_have_text("7")


def test_it_plays_to_the_end(page: Page, regression: pathlib.Path) -> None:
    timeline = opened(page, regression)
    picture = timeline.view.host.locator("svg.picture .boxes")
    before = picture.inner_html()
    timeline.bar.locator("select").select_option("8")
    timeline.bar.locator(".caption").evaluate(
        """(caption) => {
            window.seen = [];
            new MutationObserver(() => window.seen.push(caption.textContent))
                .observe(caption, { childList: true, characterData: true, subtree: true });
        }"""
    )
    timeline.view.button("tl_play").click()
    expect(timeline.view.button("tl_pause")).to_be_visible()
    expect(timeline.slider).to_have_value(str(timeline.end), timeout=LOAD_MS)
    expect(timeline.view.button("tl_play")).to_be_visible()
    seen: list[str] = page.page.evaluate("window.seen")
    assert len(seen) == timeline.end + 1
    assert picture.inner_html().replace(' class="core"', "") == before.replace(' class="core"', "")
    assert (page.refused, page.errors) == ([], [])


def test_the_keyboard_plays_and_steps(still: Page, regression: pathlib.Path) -> None:
    timeline = opened(still, regression)
    timeline.slider.focus()
    keys = still.page.keyboard
    for key, moment in [("Home", 0), (".", 1), (".", 2), (",", 1), ("ArrowRight", 2), ("End", timeline.end)]:
        keys.press(key)
        assert timeline.moment == moment, key
    keys.press("Home")
    keys.press(" ")
    expect(timeline.view.button("tl_pause")).to_be_visible()
    keys.press(" ")
    expect(timeline.view.button("tl_play")).to_be_visible()
    # On a box of the graph the space bar selects, and the other keys still step.
    at = timeline.moment
    timeline.view.boxes().first.focus()
    keys.press(" ")
    expect(timeline.view.selected().first).to_be_visible()
    assert timeline.moment == at
    keys.press(".")
    assert timeline.moment == at + 1


def test_a_screen_reader_hears_what_happens(still: Page, regression: pathlib.Path) -> None:
    timeline = opened(still, regression)
    timeline.go(4)
    expect(timeline.slider).to_have_attribute("aria-valuetext", "forward: e = y_pred - y → [0 −1 −2 −3]")
    names = timeline.bar.locator("button, input, select").evaluate_all("all => all.map(e => e.ariaLabel)")
    assert len(names) == 7 and all(names)


def placed(root: Locator) -> Any:
    """Where everything in the picture stands."""
    return root.evaluate(
        """(svg) => {
            const { width, height } = svg.getBoundingClientRect();
            const places = [...svg.querySelectorAll("[data-box]")]
                .map((box) => [box.dataset.box, box.getAttribute("transform")]);
            return [...places.sort(), [width, height]];
        }"""
    )


def test_nothing_moves(still: Page, regression: pathlib.Path) -> None:
    timeline = opened(still, regression)
    timeline.view.button("fit").click()
    svg = timeline.view.host.locator("svg.picture")
    rest, bar = placed(svg), timeline.bar.bounding_box()
    for moment in range(timeline.end):
        timeline.go(moment)
        assert (placed(svg), timeline.bar.bounding_box()) == (rest, bar), moment


@pytest.mark.parametrize("width", [1200, 700, 400])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_has_room_and_can_be_read(
    browser: Browser, mlp: pathlib.Path, regression: pathlib.Path, shots: pathlib.Path, width: int, scheme: str
) -> None:
    with open_page(browser, width=width, color_scheme=scheme, reduced_motion="reduce") as page:
        for file in (mlp, regression):
            timeline = opened(page, file)
            for name, moment in (("start", 0), ("middle", timeline.end // 2), ("end", timeline.end)):
                timeline.go(moment)
                timeline.view.widget().screenshot(path=shots / f"timeline-{file.stem}-{name}-{width}-{scheme}.png")
                parts = timeline.bar.locator("> *").evaluate_all(
                    "all => all.map(e => e.getBoundingClientRect()).map(r => [r.left, r.top, r.right, r.bottom])"
                )
                outer = timeline.bar.evaluate("e => e.scrollWidth <= e.clientWidth && e.getBoundingClientRect().height")
                assert outer and outer < 150, outer
                assert not any(overlap(a, b) for i, a in enumerate(parts) for b in parts[:i]), (name, parts)
        ground = timeline.view.colour(".timeline", "backgroundColor")
        ink = timeline.view.colour(".timeline .caption", "color")
        assert contrast(ink, ground) > 4.5


def overlap(a: list[float], b: list[float]) -> bool:
    return a[0] < b[2] - 0.5 and b[0] < a[2] - 0.5 and a[1] < b[3] - 0.5 and b[1] < a[3] - 0.5
