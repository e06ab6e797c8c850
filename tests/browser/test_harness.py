"""The harness itself: it runs cells, and its checks can fail."""

from __future__ import annotations

import pathlib

from tests.browser.driver import Page, Server


def test_runs_a_notebook(server: Server, page: Page) -> None:
    page.open_notebook(server, server.write("harness.ipynb", "21 * 2"))
    page.run_all()
    assert page.outputs().strip() == "42"
    assert (page.refused, page.errors) == ([], [])


def test_sees_requests_off_the_machine_and_errors(page: Page, tmp_path: pathlib.Path) -> None:
    file = tmp_path / "page.html"
    file.write_text('<img src="https://example.org/a.png"><script>throw new Error("broken")</script>')
    page.open_file(file)
    assert page.refused == ["https://example.org/a.png"]
    assert "uncaught: broken" in page.errors
