"""One Chromium for each module, one server for each application, a fresh page for each test."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests import chromium
from tests.browser.driver import App, Page, Server, open_page, serve

SHOTS = pathlib.Path(__file__).parent / "shots"
# As root Chromium has no sandbox; the rest keeps it from looking for updates during a test.
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync", "--no-first-run"]


@pytest.fixture(scope="session")
def chromium_path() -> str:
    path = chromium.find()
    assert path, chromium.HELP
    return path


@pytest.fixture(scope="module")
def browser(chromium_path: str) -> Iterator[Browser]:
    # Not for the whole session: while it is open an event loop runs in this thread, which other tests cannot have.
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium_path, args=ARGUMENTS)
        yield launched
        launched.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    with open_page(browser) as opened:
        yield opened


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve("lab", tmp_path_factory.mktemp("lab")) as server:
        yield server


@pytest.fixture(scope="session")
def notebook(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve("notebook", tmp_path_factory.mktemp("notebook")) as server:
        yield server


@pytest.fixture(params=["lab", "notebook"])
def server(request: pytest.FixtureRequest) -> Server:
    """JupyterLab, then Notebook 7."""
    app: App = request.param
    found: Server = request.getfixturevalue(app)
    return found


@pytest.fixture(scope="session")
def shots() -> pathlib.Path:
    """Where screenshots go, to be looked at."""
    SHOTS.mkdir(exist_ok=True)
    return SHOTS
