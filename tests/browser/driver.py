"""Drive a real JupyterLab or Notebook 7, and look at one of our views in it.

* `serve(app)`: a server with its own home, settings and folder of notebooks.
* `Page(...)`: a browser page that reaches nothing outside this machine, and notes whatever tried to.
* `View(...)`: one output of ours in a page.
"""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook
from playwright.sync_api import Browser, ConsoleMessage, Locator, Route
from playwright.sync_api import Page as PlaywrightPage

from autograd_magics.texts import text

App = Literal["lab", "notebook"]
MODULES: dict[App, str] = {"lab": "jupyterlab", "notebook": "notebook"}
START_SECONDS = 90
LOAD_MS = 60_000
"""For an application to open, and for cells to run."""
ACT_MS = 10_000
"""For what a click does."""
LOCAL_HOSTS = {"127.0.0.1", "localhost"}
# Notebook 7.6 says this while it opens any notebook, ours or not.
NOT_OURS = {"uncaught: Cannot read properties of undefined (reading 'schema')"}


# ---- servers


@dataclass(frozen=True)
class Server:
    app: App
    url: str
    root: pathlib.Path

    def write(self, name: str, *cells: str | NotebookNode) -> str:
        """A new notebook of cells, or of code, in the server's folder; returns its name."""
        kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
        code = [new_code_cell(cell) if isinstance(cell, str) else cell for cell in cells]
        nbformat.write(new_notebook(cells=code, metadata={"kernelspec": kernel}), self.root / name)
        return name

    def address(self, name: str) -> str:
        return f"{self.url}lab/tree/{name}?reset" if self.app == "lab" else f"{self.url}notebooks/{name}"

    def api(self, method: str, path: str) -> Any:
        """Call the server's REST API; the JSON it answered, or None."""
        request = urllib.request.Request(f"{self.url}api/{path}", method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            body = answer.read()
        return json.loads(body) if body else None

    def end_kernels(self) -> None:
        """End every session and kernel, as when a machine was off over night."""
        for session in self.api("GET", "sessions"):
            self.api("DELETE", f"sessions/{session['id']}")
        for kernel in self.api("GET", "kernels"):
            self.api("DELETE", f"kernels/{kernel['id']}")


@contextlib.contextmanager
def serve(app: App, folder: pathlib.Path) -> Iterator[Server]:
    """A running JupyterLab or Notebook 7 that shares nothing with the user's own."""
    root, home, runtime = folder / "notebooks", folder / "home", folder / "runtime"
    for path in (root, home, runtime):
        path.mkdir(parents=True)
    _ask_for_no_news(home / "config")
    log = folder / "server.log"
    with log.open("w") as output:
        process = subprocess.Popen(_command(app, root), env=_environment(home, runtime), stdout=output, stderr=output)
    try:
        yield Server(app, _wait_for_address(process, runtime, log), root)
    finally:
        process.terminate()
        process.wait(30)


def _ask_for_no_news(config: pathlib.Path) -> None:
    """Else JupyterLab asks, in a box over the notebook, whether it may fetch some."""
    file = config / "lab/user-settings/@jupyterlab/apputils-extension/notification.jupyterlab-settings"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps({"checkForUpdates": False, "fetchNews": "false"}))


def _command(app: App, root: pathlib.Path) -> list[str]:
    # Without --expose-app-in-browser the only way to run cells is the menu, and "Run All" before the kernel is
    # connected is dropped without a word.
    options = ["--no-browser", "--allow-root", "--ip=127.0.0.1", "--port=0", "--expose-app-in-browser"]
    settings = ["--IdentityProvider.token=", "--ServerApp.disable_check_xsrf=True", f"--ServerApp.root_dir={root}"]
    return [sys.executable, "-m", MODULES[app], *options, *settings]


def _environment(home: pathlib.Path, runtime: pathlib.Path) -> dict[str, str]:
    folders = {"HOME": home, "JUPYTER_CONFIG_DIR": home / "config", "JUPYTER_DATA_DIR": home / "data"}
    own = {**folders, "JUPYTER_RUNTIME_DIR": runtime, "IPYTHONDIR": home / "ipython"}
    return {**os.environ, **{name: str(path) for name, path in own.items()}}


def _wait_for_address(process: subprocess.Popen[bytes], runtime: pathlib.Path, log: pathlib.Path) -> str:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        for file in runtime.glob(f"jpserver-{process.pid}.json"):
            with contextlib.suppress(OSError, ValueError):
                url = str(json.loads(file.read_text())["url"]).replace("localhost", "127.0.0.1")
                urllib.request.urlopen(f"{url}api/status", timeout=5).close()
                return url
        time.sleep(0.2)
    raise RuntimeError(f"the server did not start within {START_SECONDS} s:\n{log.read_text()[-2000:]}")


# ---- pages


def is_local(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme in ("data", "blob", "file", "about") or parts.hostname in LOCAL_HOSTS


@dataclass
class Page:
    """A page.  `refused`: addresses off the machine; `errors`: what the console complained of."""

    page: PlaywrightPage
    refused: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.set_default_timeout(ACT_MS)
        self.page.set_default_navigation_timeout(LOAD_MS)
        self.page.on("console", self._on_console)
        self.page.on("pageerror", lambda error: self._on_error(f"uncaught: {error}"))
        self.page.context.route("**/*", self._route)

    def _route(self, route: Route) -> None:
        if is_local(route.request.url):
            route.continue_()
        else:
            self.refused.append(route.request.url)
            route.abort()

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self._on_error(message.text)

    def _on_error(self, words: str) -> None:
        if words not in NOT_OURS:
            self.errors.append(words)

    def open_file(self, path: pathlib.Path) -> None:
        self.page.goto(path.as_uri())

    def open_notebook(self, server: Server, name: str) -> None:
        """Open a notebook and wait until its cells and its kernel are there."""
        self.page.goto(server.address(name))
        self.page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=LOAD_MS)
        there = "() => window.jupyterapp?.shell.currentWidget?.sessionContext"
        self.page.wait_for_function(there, timeout=LOAD_MS)
        self.evaluate(
            """async () => {
                const { context, sessionContext } = window.jupyterapp.shell.currentWidget;
                await context.ready;
                await sessionContext.ready;
                await sessionContext.session?.kernel?.info;
            }"""
        )

    def evaluate(self, function: str, argument: Any = None) -> Any:
        """What an asynchronous function of JavaScript returns; Playwright itself would wait for it for ever."""
        bounded = f"""([argument, ms]) => Promise.race([
            ({function})(argument),
            new Promise((_, reject) => setTimeout(() => reject(new Error(`not done after ${{ms}} ms`)), ms)),
        ])"""
        return self.page.evaluate(bounded, [argument, LOAD_MS])

    def command(self, name: str, **arguments: Any) -> None:
        """Execute a command of the application and wait for its end."""
        self.evaluate("([name, args]) => window.jupyterapp.commands.execute(name, args)", [name, arguments])

    def run_all(self) -> None:
        """Run every cell; raises AssertionError with what stands there when one fails or complains."""
        self.command("notebook:run-all-cells")
        complaints = self.page.locator('[data-mime-type="application/vnd.jupyter.stderr"]')
        assert complaints.count() == 0, "\n".join(complaints.all_inner_texts())

    def python(self, expression: str) -> str:
        """`repr` of an expression in the notebook's kernel."""
        reply = self.evaluate(
            """async (expression) => {
                const { kernel } = window.jupyterapp.shell.currentWidget.sessionContext.session;
                const request = { code: "", user_expressions: { it: expression }, store_history: false };
                return (await kernel.requestExecute(request).done).content.user_expressions.it;
            }""",
            expression,
        )
        assert reply["status"] == "ok", reply
        return str(reply["data"]["text/plain"])

    def save(self) -> None:
        self.command("docmanager:save")

    def use_theme(self, name: Literal["JupyterLab Light", "JupyterLab Dark"]) -> None:
        self.command("apputils:change-theme", theme=name)
        light = str(name.endswith("Light")).lower()
        self.page.wait_for_selector(f"body[data-jp-theme-light={light}]", state="attached")

    def close_side_bar(self) -> None:
        """Give the notebook the whole width of JupyterLab's window."""
        if self.page.locator("#jp-left-stack").is_visible():
            self.command("application:toggle-left-area")
            self.page.locator("#jp-left-stack").wait_for(state="hidden")

    def outputs(self) -> str:
        """All text of the outputs, for messages of failed tests."""
        return "\n".join(self.page.locator(".jp-OutputArea-output").all_inner_texts())

    def view(self, number: int = 0) -> View:
        return View(self.page.locator(".agm").nth(number))


@contextlib.contextmanager
def open_page(browser: Browser, *, width: int = 1200, height: int = 900, **context: Any) -> Iterator[Page]:
    """A page in a context of its own; `context`: options of Playwright's `new_context`."""
    made = browser.new_context(viewport={"width": width, "height": height}, **context)
    try:
        yield Page(made.new_page())
    finally:
        made.close()


# ---- views


@dataclass(frozen=True)
class View:
    """One output of ours.  Locators pierce its shadow root."""

    host: Locator

    def wait(self) -> View:
        """Wait until the interactive view has drawn and stands in the place of the static part; returns the view."""
        self.host.locator("svg [data-box]").first.wait_for()
        self.static().wait_for(state="hidden")
        return self

    def reset(self) -> View:
        """As it was drawn at first, but with the whole picture in sight; returns the view."""
        self.button("both").click()
        self.button("fit").click()
        self.open("details")
        self.widget().press("Escape")
        return self

    def static(self) -> Locator:
        return self.host.locator(".agm-static")

    def widget(self) -> Locator:
        return self.host.locator(".widget")

    def boxes(self) -> Locator:
        return self.host.locator("svg.picture [data-box]")

    def box(self, label: str) -> Locator:
        """The box that bears this text: a name, an operator's symbol, a node's name."""
        return self.boxes().filter(has=self.host.page.locator(f'text:text-is("{label}")')).first

    def selected(self) -> Locator:
        return self.host.locator("svg.picture [data-box][aria-pressed=true]")

    def tab(self, key: str) -> Locator:
        """The tab with the words `ui.<key>`."""
        return self.host.get_by_role("tab", name=text(f"ui.{key}"))

    def panel(self) -> Locator:
        """The one panel that is seen."""
        return self.host.locator("[role=tabpanel]:visible")

    def open(self, key: str) -> Locator:
        """Show a tab; its panel."""
        self.tab(key).click()
        return self.panel()

    def button(self, key: str) -> Locator:
        """The control with the words `ui.<key>`."""
        return self.host.get_by_role("button", name=text(f"ui.{key}"), exact=True)

    def colour(self, selector: str, what: Literal["color", "backgroundColor", "fill"]) -> tuple[float, ...]:
        """Red, green, blue from 0 to 255, as computed for the first element that matches."""
        found = self.host.locator(selector).first.evaluate("(e, what) => getComputedStyle(e)[what]", what)
        return tuple(float(number) for number in re.findall(r"[\d.]+", found)[:3])


def contrast(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    """WCAG's ratio of two colours, from 1 to 21."""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: tuple[float, ...]) -> float:
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (v / 255 for v in colour)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
