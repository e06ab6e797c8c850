"""`%autograd check J w` and `report.check("J", "w")`: autograd's gradient beside central finite differences.

* `check(report, loss, leaf) -> Check`: what came out, ready to be printed; raises `OptionError` for unknown names.
* `command(line, reports, lang) -> str`: the same for a line of the magic.
* `names(reports)`: the names that may be given.

Torch is loaded only when calls are really run again; what agrees with what is decided here, in plain numbers.
"""

from __future__ import annotations

import difflib
import functools
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .options import OptionError
from .texts import text
from .trace import Trace

if TYPE_CHECKING:
    from .recorder.differences import Comparison
    from .recorder.plan import Refused
    from .report import Report
    from .views.phrases import Phrases

TOLERANCES = {"float64": 1e-6, "float32": 1e-3, "float16": 2e-2, "bfloat16": 1e-1}
"""How far a gradient that was computed in a dtype may be off, as a share of the gradient's largest element."""
COARSE = {"float64": 1e-6, "float32": 1e-2, "float16": 2e-1, "bfloat16": 5e-1}
"""The same where the differences had to be taken in that dtype."""
OFFERED = 5
"""Names that are offered in the place of one that is not known."""

Reports = Sequence["Report"] | Callable[[], Sequence["Report"]]


@dataclass(frozen=True)
class Against:
    """One gradient of autograd's against the differences."""

    kind: str
    """`"replayed"`: from the calls that were run again; `"recorded"`: what the recorded backward brought."""
    element: int
    """The one that is furthest off, counted in row-major order."""
    error: float
    allowed: float

    @property
    def agrees(self) -> bool:
        """Whether it is near enough."""
        return self.error <= self.allowed


class Check:
    """A gradient that was checked: `agrees`, `error`, `tolerance`, `worst`; or `refused`, where it could not be."""

    def __init__(self, report: Report, loss: int, leaf: int) -> None:
        """loss, leaf: tensor rows."""
        from .recorder import differences, plan

        self.report, self.loss, self.leaf = report, loss, leaf
        self.comparison: Comparison | None = None
        """Element by element: differences, autograd on the replay, the recorded gradient."""
        self.refused: Refused | None = None
        """What prevents it."""
        try:
            self.comparison = differences.compare(report.trace, loss, report.trace.tensors[leaf].object)
        except plan.Refused as refused:
            self.refused = refused

    @functools.cached_property
    def against(self) -> tuple[Against, ...]:
        """The gradients of autograd's that there are, each against the differences."""
        found = self.comparison
        if found is None:
            return ()
        rows = [_against("replayed", found, found.autograd, COARSE[found.precision])]
        if found.recorded is not None:
            share = max(TOLERANCES[found.dtype], COARSE[found.precision])
            rows.append(_against("recorded", found, found.recorded, share))
        return tuple(rows)

    @property
    def agrees(self) -> bool | None:
        """Whether autograd and the differences agree, None where nothing could be checked."""
        return all(row.agrees for row in self.against) if self.against else None

    @property
    def _decisive(self) -> Against | None:
        return max(self.against, key=lambda row: row.error / row.allowed if row.allowed else row.error, default=None)

    @property
    def error(self) -> float | None:
        """The largest distance between a gradient of autograd's and the differences."""
        return self._decisive.error if self._decisive else None

    @property
    def tolerance(self) -> float | None:
        """How large that distance may be."""
        return self._decisive.allowed if self._decisive else None

    @property
    def worst(self) -> tuple[int, ...] | None:
        """The index of the element that is furthest off."""
        if self._decisive is None or self.comparison is None:
            return None
        return unraveled(self._decisive.element, self.comparison.shape)

    @property
    def refusal(self) -> str:
        """The sentence that names the call or the tensor that prevents the check; empty where nothing does."""
        from .views import checked

        return checked.refusal(self._phrases(), self.refused, self.loss, self.leaf) if self.refused else ""

    def _phrases(self, lang: str | None = None) -> Phrases:
        from .views.phrases import Phrases

        return Phrases(self.report.graph, lang or self.report.lang)

    def told(self, lang: str | None = None) -> str:
        """What came out, for a terminal, in a language (None: the report's)."""
        from .views import checked

        return checked.to_text(self, self._phrases(lang))

    def __str__(self) -> str:
        return self.told()

    __repr__ = __str__


def _against(kind: str, found: Comparison, given: Sequence[float], share: float) -> Against:
    scale = max((abs(v) for v in (*found.numeric, *given) if math.isfinite(v)), default=0.0)
    off = [distance(one, other) for one, other in zip(given, found.numeric, strict=True)]
    worst = max(range(len(off)), key=off.__getitem__)
    return Against(kind, worst, off[worst], share * scale + found.noise)


def distance(one: float, other: float) -> float:
    """How far two numbers are apart; infinite where only one of them is a number."""
    if math.isnan(one) or math.isnan(other):
        return 0.0 if math.isnan(one) and math.isnan(other) else math.inf
    return 0.0 if one == other else abs(one - other)


def unraveled(element: int, shape: Iterable[int]) -> tuple[int, ...]:
    """The index of an element that is counted in row-major order."""
    index: list[int] = []
    for size in reversed(tuple(shape)):
        index.insert(0, element % size)
        element //= size
    return tuple(index)


# -- names -------------------------------------------------------------------------------------
def check(report: Report, loss: str, leaf: str, lang: str | None = None) -> Check:
    """Check the gradient of `loss` with respect to `leaf`, both by name.

    Raises `OptionError`, a ValueError, where a name is not known or `leaf` is no leaf; the message lists the nearest.
    """
    lang = lang or report.lang
    trace = report.trace
    last = _last_rows(trace)
    row = last.get(loss)
    if row is None:
        raise OptionError(_unknown(loss, last, lang))
    leaves = leaf_rows(trace)
    if leaf in leaves:
        return Check(report, row, leaves[leaf])
    if leaf not in last:
        raise OptionError(_unknown(leaf, leaves, lang))
    raise OptionError(text("check.no_leaf", lang, given=leaf, known=_listed(leaf, leaves)))


def command(line: str, reports: Reports, lang: str) -> str:
    """What `%autograd check LINE` prints.  Raises `OptionError` in the language `lang`."""
    words = line.replace(",", " ").split()
    if len(words) != 2:
        raise OptionError(text("check.usage", lang, given=line.strip()))
    known = list(reports() if callable(reports) else reports)
    if not known:
        raise OptionError(text("check.nothing", lang))
    loss, leaf = words
    fitting = [one for one in known if loss in _last_rows(one.trace) and leaf in leaf_rows(one.trace)]
    return check((fitting or known)[0], loss, leaf, lang).told(lang)


def names(reports: Reports) -> tuple[str, ...]:
    """Names of the tensors in reports, for completion."""
    found: dict[str, None] = {}
    for report in reports() if callable(reports) else reports:
        found.update(dict.fromkeys(_last_rows(report.trace)))
    return tuple(found)


def _last_rows(trace: Trace) -> dict[str, int]:
    """By name: the last row that bore it."""
    return {name.name: name.tensor for name in sorted(trace.names, key=lambda one: one.at)}


def leaf_rows(trace: Trace) -> dict[str, int]:
    """By name: the last row of a leaf that requires grad."""
    objects = {trace.tensors[name.tensor].object: name.name for name in sorted(trace.names, key=lambda one: one.at)}
    last = {row.object: row.id for row in trace.tensors if row.leaf and row.requires_grad and row.object in objects}
    found = {objects[obj]: row for obj, row in last.items()}
    for name in trace.names:
        row = last.get(trace.tensors[name.tensor].object)
        if row is not None:
            found.setdefault(name.name, row)
    return found


def _unknown(given: str, known: Iterable[str], lang: str) -> str:
    return text("check.unknown", lang, given=given, known=_listed(given, known))


def _listed(given: str, known: Iterable[str]) -> str:
    """The known names that are most like the one given, or the first ones."""
    every = list(known)
    near = difflib.get_close_matches(given, every, n=OFFERED, cutoff=0.3)
    return ", ".join(near or every[:OFFERED]) or "-"
