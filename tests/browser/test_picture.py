"""The picture in the README is what the product draws.

`AUTOGRAD_MAGICS_UPDATE=1` (`make picture`) writes docs/picture.png anew; without it the test asks whether the one that
is there has the size of what is drawn now.
"""

from __future__ import annotations

import os
import pathlib
import struct

from playwright.sync_api import Browser, expect

from tests.browser.driver import Server, open_page
from tests.browser.lessons import DATA, SETUP, STEP

PICTURE = pathlib.Path(__file__).resolve().parents[2] / "docs" / "picture.png"
SCALE = 2
TOLERANCE = 0.12
"""Fonts differ from machine to machine, and with them heights."""


def size(png: bytes) -> tuple[int, int]:
    """Width and height of a PNG."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", png[16:24])
    return width, height


def test_the_readme_shows_what_is_drawn(lab: Server, browser: Browser, shots: pathlib.Path) -> None:
    name = lab.write("picture.ipynb", SETUP, DATA, *[f"%%autograd\n{STEP}"] * 2)
    with open_page(browser, width=1440, height=1000, device_scale_factor=SCALE) as page:
        page.open_notebook(lab, name)
        page.close_side_bar()
        page.run_all()
        view = page.view(1).wait()
        view.box("x²").click()
        expect(view.selected()).to_have_count(1)
        drawn = view.host.screenshot(path=shots / "picture.png")
    if os.environ.get("AUTOGRAD_MAGICS_UPDATE") == "1":
        PICTURE.parent.mkdir(exist_ok=True)
        PICTURE.write_bytes(drawn)
    (width, height), (was_wide, was_high) = size(drawn), size(PICTURE.read_bytes())
    assert abs(width - was_wide) <= TOLERANCE * width, "the view's width changed: make picture"
    assert abs(height - was_high) <= TOLERANCE * height, "the view's height changed: make picture"
