"""What backwards added to which `.grad`: `added(trace)`, and `last_change(...)` among some of them."""

from __future__ import annotations

from collections.abc import Iterable

from ..trace import GradChange, Trace

Added = dict[tuple[int, int], GradChange]
"""By object and backward: the change of its `.grad`."""


def added(trace: Trace) -> Added:
    """What each backward added to which `.grad`."""
    return {(row.object, row.backward): row for row in trace.changes if row.backward is not None}


def last_change(known: Added, obj: int, backwards: Iterable[int]) -> GradChange | None:
    """The last change of an object's `.grad` by any of these backwards."""
    found = [known[obj, backward] for backward in backwards if (obj, backward) in known]
    return max(found, key=lambda change: change.at, default=None)
