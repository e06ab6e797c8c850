"""`report.diff(other)`: what one recording has and the other has not, for "why does my cell behave differently now?"

* `Difference(before, after)`: false where nothing differs; `.rows`, `.to_text()`, `.to_html()`.
* `Entry`: one thing that differs.

Calls and backwards of the two are put side by side by what stands in the source, not by their lines (`align.py`): a
line that was put in moves nothing.  It takes about as long as reading both recordings, also for long loops.
"""

from __future__ import annotations

import functools
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ..trace import Place

if TYPE_CHECKING:
    from ..report import Report

KINDS = ("torch", "raised", "finding", "call", "value", "update", "node", "saved", "backward", "gradient")
"""What can differ, in the order in which it is told."""


@dataclass(frozen=True)
class Entry:
    """One thing that differs between two recordings."""

    what: str
    """One of `KINDS`; `"value"` is the first tensor whose value differs, in order of time."""
    change: str
    """`"added"`, `"removed"` or `"changed"`."""
    name: str
    """Of the call, node, tensor or finding; of `"saved"` the statement that saved it, empty for the total."""
    before: str | float | None = None
    """Text of a call or a finding; a number of nodes or bytes; a single value, or the norm of a larger tensor."""
    after: str | float | None = None
    module: str | None = None
    places: tuple[Place | None, Place | None] = (None, None)
    """In the one trace and in the other."""
    distance: float | None = None
    """Of tensors whose values are known: the largest difference of an element."""
    times: int = 1
    """How often the same was found, as in the iterations of a loop."""


class Difference:
    """What differs between two reports; as a condition: whether anything does."""

    def __init__(self, before: Report, after: Report) -> None:
        self.before, self.after = before, after

    @functools.cached_property
    def entries(self) -> tuple[Entry, ...]:
        """Everything that differs, in the order of `KINDS`, each kind in order of time."""
        from .parts import PARTS

        times = Counter(entry for part in PARTS for entry in part(self.before, self.after))
        return tuple(entry if count == 1 else replace(entry, times=count) for entry, count in times.items())

    def __bool__(self) -> bool:
        return bool(self.entries)

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The same as plain rows, for `pandas.DataFrame(difference.rows)`.

        `what` (a word of `KINDS`), `change` (`"added"`, `"removed"`, `"changed"`), `name`, `module`, `before` and
        `after` (text of a call or finding; a number of nodes; bytes; a single value or the norm of a tensor),
        `line_before`, `line_after`, `distance` (largest difference of an element, where values are known), `times`.
        """
        return [_row(entry) for entry in self.entries]

    def to_text(self, lang: str | None = None) -> str:
        """For a terminal, at most 80 columns, in a language (None: that of the first report)."""
        from ..views import compared

        return compared.to_text(self, lang or self.before.lang)

    def to_html(self, lang: str | None = None) -> str:
        """Tables for a notebook, in a language (None: that of the first report)."""
        from ..views import compared

        return compared.to_html(self, lang or self.before.lang)

    def __str__(self) -> str:
        return self.to_text()

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return self.to_html()


def _row(entry: Entry) -> dict[str, Any]:
    before, after = (None if place is None else place.line for place in entry.places)
    return {
        "what": entry.what, "change": entry.change, "name": entry.name, "module": entry.module,
        "before": entry.before, "after": entry.after, "line_before": before, "line_after": after,
        "distance": entry.distance, "times": entry.times,
    }  # fmt: skip
