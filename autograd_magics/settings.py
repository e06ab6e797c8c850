"""What more than one part must agree on: the choices, the default limit, and how strict we are with ourselves.

Standard library only; imports nothing of ours, so that every part may import it.
"""

from __future__ import annotations

import contextlib
import gc
import os
from collections.abc import Iterator
from dataclasses import dataclass

THEMES = ("auto", "light", "dark")
DISPLAYS = ("auto", "html", "widget", "text")
"""Where a report can be shown; the magic adds `"none"`."""

LIMIT = 20_000
"""Calls recorded of one cell before the rest runs unseen: about 40 MB of rows at most."""

VALUES = ("none", "small", "stats", "all")
"""What is noted of the values of tensors; `recorder/values.py` says how much each is."""
VALUES_BUDGET = 32_000_000
"""Bytes that the values of one recording may take in this process and on its devices, estimated."""



@dataclass
class Limits:
    """How much of a large recording is shown; what is made from then on keeps to a change."""

    details: int = 120
    """Items that have all their details, where there are many more; the others are told briefly."""
    leaves: int = 200
    """Tensors whose story is told change by change."""


limits = Limits()
"""Those of this process: `%config AutogradMagics.details = 1000` and the like set them."""

STRICT = "AUTOGRAD_MAGICS_STRICT"
"""Environment variable: with `1`, a failure of our own raises instead of being shown as a line."""


def is_strict() -> bool:
    """Whether our own failures are raised instead of reported."""
    return os.environ.get(STRICT, "0") not in ("", "0")


@contextlib.contextmanager
def uncollected() -> Iterator[None]:
    """Python looks for no cycles of garbage meanwhile: among hundreds of thousands of rows that is half the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def values_policy(given: str | bool) -> str:
    """One of `VALUES`; True and False are older words for `"small"` and `"none"`.

    Raises ValueError for anything else.
    """
    if isinstance(given, bool):
        return "small" if given else "none"
    if given not in VALUES:
        raise ValueError(f"values is {given!r}, expected one of {', '.join(VALUES)}")
    return given
