"""What a step of the timeline costs in Chromium: `python benchmarks/timeline.py [events]`.

A training loop is recorded and saved as a page; then moments from its middle are shown in turn with each tab open.
"work" is what the page computes, styles and lays out for one step; "shown" is the time until the next frame is
painted, which a screen of 60 Hz alone makes up to 17 ms.  Printed, not judged: the figures hang on the machine.
"""

from __future__ import annotations

import pathlib
import statistics
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from playwright.sync_api import Page, sync_playwright

from autograd_magics import Report
from tests import chromium

TABS = ("details", "gradients", "saved", "findings", "source")
STEP = """
async ([first, last]) => {
    const root = document.querySelector(".agm-view").shadowRoot;
    const slider = root.querySelector(".timeline input");
    const painted = () => new Promise((done) => requestAnimationFrame(() => {
        const { port1, port2 } = new MessageChannel();
        port1.onmessage = () => done();
        port2.postMessage(0);
    }));
    const [work, shown] = [[], []];
    for (let moment = first; moment < last; moment += 1) {
        await painted();
        const begin = performance.now();
        slider.value = String(moment);
        slider.dispatchEvent(new Event("input"));
        root.querySelector(".widget").getBoundingClientRect();
        work.push(performance.now() - begin);
        await painted();
        shown.push(performance.now() - begin);
    }
    return { work, shown };
}
"""
"""Goes through moments; the layout is asked for, so that it counts as work."""
MOMENTS = 300


PROGRAM = """
x, y = torch.tensor([0.0, 1.0, 2.0, 3.0]), torch.tensor([0.0, 2.0, 4.0, 6.0])
w = torch.tensor([0.0], requires_grad=True)
b = torch.tensor([0.0], requires_grad=True)
for _ in range({iterations}):
    y_pred = x * w + b
    e = y_pred - y
    J = e.pow(2).sum()
    J.backward()
    with torch.no_grad():
        w -= 0.01 * w.grad
        b -= 0.01 * b.grad
    w.grad.zero_()
    b.grad.zero_()
"""


def recorded(events: int) -> Report:
    """A linear regression, trained by hand for as many iterations as make about so many events, all of them kept."""
    import torch

    from autograd_magics.recorder import Recorder, SourceBook

    source = PROGRAM.format(iterations=max(1, events // 16))
    book = SourceBook(main="<cell>")
    book.add_cell("<cell>", 1, source)
    names: dict[str, object] = {"torch": torch}
    recorder = Recorder(sources=book, namespace=names, loops=0)
    recorder.start()
    exec(compile(source, "<cell>", "exec"), names)
    return Report(recorder.stop())


def line(name: str, times: list[float]) -> str:
    """Median, 99th of a hundred, and worst of some times in ms."""
    ordered = sorted(times)
    late = ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)]
    return f"{name:<24}{statistics.median(ordered):>9.1f}{late:>9.1f}{ordered[-1]:>9.1f}"


def measure(page: Page) -> None:
    """Print the cost of each step with each tab open, for both pictures."""
    events = int(page.locator(".timeline input").get_attribute("max") or 0)
    first = max(0, (events - MOMENTS) // 2)
    boxes = page.locator("svg.picture [data-box]").count()
    print(f"{events} events, {boxes} boxes on the screen\n{'ms':<24}{'median':>9}{'99 %':>9}{'worst':>9}")
    for mode in ("o", "b"):
        page.locator(".tabs button").first.press(mode)
        for tab in TABS if mode == "o" else TABS[:1]:
            page.locator(f"[role=tab][id$='-{tab}']").click()
            page.evaluate(STEP, [first, first + 5])  # the first sight of a tab draws it
            times = page.evaluate(STEP, [first, min(events, first + MOMENTS)])
            where = f"{'both' if mode == 'o' else 'backward'}, {tab}"
            print(line(f"{where}: work", times["work"]))
            print(line(f"{' ' * len(where)}  shown", times["shown"]))


def main(events: int) -> None:
    """Record, open, measure."""
    path = chromium.find()
    if path is None:
        sys.exit(chromium.HELP)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        file = pathlib.Path(folder) / "timeline.html"
        recorded(events).to_html(file)
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        # Panning glides to what is out of sight; a step is measured, not the glide after it.
        page = browser.new_context(viewport={"width": 1200, "height": 900}, reduced_motion="reduce").new_page()
        page.goto(file.as_uri())
        page.locator("svg [data-box]").first.wait_for()
        measure(page)
        browser.close()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
