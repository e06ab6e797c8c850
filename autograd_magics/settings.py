"""What more than one part must agree on: the choices, the default limit, and how strict we are with ourselves.

Standard library only; imports nothing of ours, so that every part may import it.
"""

from __future__ import annotations

import os

THEMES = ("auto", "light", "dark")
DISPLAYS = ("auto", "html", "widget", "text")
"""Where a report can be shown; the magic adds `"none"`."""

LIMIT = 20_000
"""Calls recorded of one cell before the rest runs unseen: about 40 MB of rows at most."""

STRICT = "AUTOGRAD_MAGICS_STRICT"
"""Environment variable: with `1`, a failure of our own raises instead of being shown as a line."""


def is_strict() -> bool:
    """Whether our own failures are raised instead of reported."""
    return os.environ.get(STRICT, "0") not in ("", "0")
