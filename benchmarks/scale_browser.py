"""What a reader of a large recording waits for, in a real Chromium: `python benchmarks/scale_browser.py [nodes...]`.

For recordings made by hand (`synthetic.py`) of 1,000, 10,000 and 100,000 nodes, in milliseconds, beside the goals:

* first: from the beginning of our script to the first frame with the picture in it;
* unfold: from a click on the sign of a group to the frame with its content (in brackets: until our script gave way);
* pan, zoom: how far frames are apart while the view moves, median and 95 of 100, with 2,000 boxes to be seen or with
  as many as there are, and how many frames were later than a screen of 60 Hz shows them.

Nothing is drawn on a graphics card, so a real screen is faster.
"""

from __future__ import annotations

import pathlib
import statistics
import sys
import tempfile
from collections.abc import Sequence
from typing import Any

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from synthetic import gpt_like

from autograd_magics import Report

SIZES = (1_000, 10_000, 100_000)
FIRST_MS = {1_000: 100, 10_000: 200, 100_000: 500}
UNFOLD_MS = 100
BOXES = 2_000
LATE_MS = 25
"""Frames further apart are late: one was left out."""
TURNS = 5
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]

WATCH = """
(() => {
    const frame = (then) => requestAnimationFrame(() => requestAnimationFrame(then));
    new MutationObserver(() => {
        const root = document.querySelector(".agm");
        if (root?.dataset.ready === "loading") window.begun ??= performance.now();
        if (root?.dataset.ready === "1" && !window.ending) {
            window.ending = true;
            frame(() => (window.first = performance.now() - window.begun));
        }
    }).observe(document, { subtree: true, childList: true, attributes: true, attributeFilter: ["data-ready"] });
})();
"""
UNFOLD = """async () => {
    const root = document.querySelector(".agm-view").shadowRoot;
    const groups = [...root.querySelectorAll(".group[aria-expanded=false]")];
    const id = groups[0]?.dataset.box;
    if (!id) return null;
    const state = () => root.querySelector(`[data-box="${id}"]`)?.getAttribute("aria-expanded");
    const begin = performance.now();
    groups[0].querySelector(".fold").dispatchEvent(new MouseEvent("click", { bubbles: true }));
    const script = performance.now() - begin;
    const frame = () => new Promise((done) => requestAnimationFrame(done));
    while (state() !== "true") await frame();
    await frame();
    const picture = performance.now() - begin;
    root.querySelector(`[data-box="${id}"] .fold`).dispatchEvent(new MouseEvent("click", { bubbles: true }));
    while (state() === "true") await frame();
    await new Promise((done) => setTimeout(done, 250));
    return [script, picture];
}"""
MOVE = """async ([zoom, ms]) => {
    const root = document.querySelector(".agm-view").shadowRoot;
    const svg = root.querySelector("svg.picture");
    const place = svg.getBoundingClientRect();
    const at = { clientX: place.left + place.width / 2, clientY: place.top + place.height / 2, bubbles: true };
    const frame = () => new Promise((done) => requestAnimationFrame(done));
    const times = [];
    const begin = await frame();
    for (let last = begin, i = 0; last - begin < ms; i += 1) {
        const by = (Math.floor(i / 20) % 2 ? -1 : 1) * (zoom ? 12 : 24);
        svg.dispatchEvent(new WheelEvent("wheel", zoom ? { ...at, ctrlKey: true, deltaY: by } : { ...at, deltaX: by }));
        const now = await frame();
        times.push(now - last);
        last = now;
    }
    return times.slice(2);
}"""


def milliseconds(found: Sequence[float]) -> str:
    """Median and 95 of 100, and how many were late."""
    times = sorted(found)
    late = sum(time > LATE_MS for time in times)
    return f"{statistics.median(times):.1f}, {times[int(len(times) * 0.95)]:.1f} ({late} of {len(times)} late)"


def unfolded(view: Any, root: Any) -> int:
    """Unfold level after level until there are enough boxes; how many there are."""
    more = view.get_by_role("button", name="Unfold one level")
    boxes = root.locator(".graph > ul.unseen > li")
    while boxes.count() < BOXES and more.is_enabled():
        before = boxes.count()
        more.click()
        view.page.wait_for_timeout(1500)
        if boxes.count() == before:
            break
    return int(boxes.count())


def measure(browser: Any, path: pathlib.Path, nodes: int) -> str:
    """One line of figures of one page."""
    page = browser.new_page(viewport={"width": 1200, "height": 900})
    page.set_default_timeout(120_000)
    page.add_init_script(WATCH)
    firsts = []
    for _ in range(TURNS):
        page.goto(path.as_uri())
        page.wait_for_function("() => window.first !== undefined")
        firsts.append(page.evaluate("() => window.first"))
    root = page.locator(".agm")
    root.get_by_role("button", name="Show the whole graph").click()
    page.wait_for_timeout(300)
    turns = [turn for turn in (page.evaluate(UNFOLD) for _ in range(TURNS)) if turn]
    shown = unfolded(root, root)
    root.get_by_role("button", name="Show the whole graph").click()
    page.wait_for_timeout(1000)
    pan, zoom = (page.evaluate(MOVE, [how, 2500]) for how in (False, True))
    page.close()
    first = statistics.median(firsts)
    goal = FIRST_MS.get(nodes)
    said = f"{nodes:>9,} | {first:6.0f}" + (f" (goal {goal})" if goal else "")
    if turns:
        script, picture = (statistics.median(times) for times in zip(*turns, strict=True))
        said += f" | {picture:5.0f} (script {script:.0f}; goal {UNFOLD_MS})"
    else:
        said += " | nothing to unfold"
    return f"{said} | {milliseconds(pan)} | {milliseconds(zoom)} | {shown:,}"


def main(words: Sequence[str]) -> None:
    """Print a line for each size."""
    from playwright.sync_api import sync_playwright

    from tests import chromium

    executable = chromium.find()
    if executable is None:
        raise SystemExit(chromium.HELP)
    print("nodes | first picture | unfold | pan | zoom | boxes to be seen")
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        browser = playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)
        for nodes in [int(word.replace(",", "")) for word in words] or SIZES:
            path = pathlib.Path(folder) / f"{nodes}.html"
            Report(gpt_like(nodes), lang="en").to_html(path)
            print(measure(browser, path, nodes), flush=True)
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1:])
