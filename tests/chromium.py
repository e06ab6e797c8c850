"""Find a Chromium for the browser tests, or install one the way this machine allows.

* `find()`: path of one that starts, or None.
* `python tests/chromium.py`: prints the path, installing one first if need be; fails saying what to do.

Standard library and Playwright only.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator

VARIABLE = "AUTOGRAD_MAGICS_CHROMIUM"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
APPLICATIONS = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)
HELP = f"""\
The browser tests need Chromium and none was found or could be installed.  One of these will do:
  {VARIABLE}=/path/to/chromium make test
  sudo apt-get install chromium            (Debian)
  .venv/bin/playwright install --with-deps chromium"""


def find() -> str | None:
    """Path of a Chromium or Chrome that starts, or None.  What the variable names is never second-guessed."""
    given = os.environ.get(VARIABLE)
    if given:
        return given if _starts(given) else None
    return next((path for path in _candidates() if _starts(path)), None)


def install() -> str | None:
    """Install Playwright's own build, with the libraries it lacks, or else the distribution's, as far as we may."""
    apt = hasattr(os, "geteuid") and os.geteuid() == 0 and shutil.which("apt-get") is not None
    playwright = [sys.executable, "-m", "playwright"]
    _run([*playwright, "install", "chromium"])
    attempts = []
    if apt and os.path.exists(_playwrights_own()):
        attempts.append([*playwright, "install-deps", "chromium"])
    if apt:
        attempts.append(["apt-get", "update", "-q"])
        attempts.append(["apt-get", "install", "-q", "-y", "--no-install-recommends", "chromium", "fonts-dejavu-core"])
    while attempts and find() is None:
        _run(attempts.pop(0))
    return find()


def _candidates() -> Iterator[str]:
    yield from filter(None, map(shutil.which, NAMES))
    yield from filter(os.path.exists, APPLICATIONS)
    yield _playwrights_own()


def _playwrights_own() -> str:
    """Where Playwright has its Chromium, or would have it."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        return str(playwright.chromium.executable_path)


def _starts(path: str) -> bool:
    """Ubuntu's `chromium-browser` may be a stub that only says to install a snap: look whether it runs."""
    try:
        return subprocess.run([path, "--version"], capture_output=True, timeout=60).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def _run(command: list[str]) -> None:
    print("$", *command, file=sys.stderr)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(command, env=environment, stdout=sys.stderr, check=False)


def main() -> int:
    if os.environ.get(VARIABLE) and find() is None:
        print(f"{VARIABLE}={os.environ[VARIABLE]} does not start; expected the path of Chromium or Chrome.")
        return 1
    path = find() or install()
    print(path or HELP)
    return 0 if path else 1


if __name__ == "__main__":
    sys.exit(main())
