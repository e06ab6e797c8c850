"""Rules: pure functions from a graph to findings, one function for each code.

* `diagnose(graph)`: all findings of a recording, causes before their consequences.
* `explain(code)`: what a finding means, why it matters, a bad cell and a good one.
* `@rule(code, severity)`: makes a function a rule; every module of this package is searched.

A `Finding` holds a code, data and ids, never a sentence: a report saved in one language opens in another.
Its data is plain; what has to be said in the reader's language is tagged: `{"place": id}`, `{"tensor": id}`,
`{"node": id}`, `{"layer": "model.layers[3]"}` (None where there is none), `{"shape": [2, 3]}`, `{"names": [...]}`, and
for a line of an earlier recording `{"past": {"cell": 3, "file": None, "line": 1}}`.  See `tag`.
"""

from __future__ import annotations

import difflib
import functools
import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from ..graph import Graph
from ..trace import Place

SEVERITIES = ("note", "warning", "error")


@dataclass(frozen=True)
class Finding:
    """A mistake or hazard: what it is, what it says, and the rows it points at."""

    code: str
    severity: str
    """`"error"`: the cell raised because of it; `"warning"`: the result is very likely not what was
    meant; `"note"`: worth knowing."""
    at: int
    """When it happened, on the trace's clock."""
    data: dict[str, Any] = field(default_factory=dict)
    variant: str = ""
    """Which sentence fits: the words are under `AG103.item` for the variant `"item"`."""
    places: tuple[int, ...] = ()
    """Both ends, the one to look at first in front."""
    tensors: tuple[int, ...] = ()
    calls: tuple[int, ...] = ()
    nodes: tuple[int, ...] = ()
    backwards: tuple[int, ...] = ()
    because: str | None = None
    """The code of the finding that caused this one."""
    words: Callable[[Finding], str] | None = field(default=None, compare=False)
    """Puts it into words in a report's language; a finding of no report has none."""

    def __repr__(self) -> str:
        """One line that a failing `assert not report.findings` can show: code, severity, line and sentence."""
        if self.words is not None:
            return f"<{self.words(self)}>"
        return f"Finding({self.code!r}, {self.severity!r}, at={self.at}, data={self.data!r}, places={self.places!r})"


Check = Callable[[Graph], Iterator[Finding]]


@dataclass(frozen=True)
class Rule:
    """A registered rule."""

    code: str
    severity: str
    check: Check
    doc: str
    """Docstring: one line, why it matters, a `Bad::` and a `Good::` cell."""


_rules: dict[str, Rule] = {}


def rule(code: str, severity: str) -> Callable[[Check], Check]:
    """Register a function as the rule for a code; a code registered twice raises ValueError naming both."""

    def register(check: Check) -> Check:
        if code in _rules:
            raise ValueError(f"{code} is registered twice: {_rules[code].check.__name__} and {check.__name__}")
        if severity not in SEVERITIES:
            raise ValueError(f"{code}: severity {severity!r} is not one of {', '.join(SEVERITIES)}")
        _rules[code] = Rule(code, severity, check, inspect.getdoc(check) or "")
        return check

    return register


@functools.lru_cache(maxsize=1)
def rules() -> tuple[Rule, ...]:
    """All rules, by code."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    return tuple(_rules[code] for code in sorted(_rules))


def get(code: str) -> Rule:
    """The rule of a code; LookupError names the nearest ones where there is none."""
    known = {r.code: r for r in rules()}
    found = known.get(code.upper())
    if found is None:
        near = difflib.get_close_matches(code.upper(), known, n=3, cutoff=0.5) or sorted(known)
        raise LookupError(f"no finding is called {code!r}; the nearest are {', '.join(near)}")
    return found


def explain(code: str) -> str:
    """What a finding means: its rule's documentation; LookupError names the nearest codes."""
    found = get(code)
    return f"{found.code} ({found.severity}): {found.doc}"


def example(code: str, heading: str) -> str:
    """The cell under `Bad::` or `Good::` in a rule's documentation."""
    lines: list[str] = []
    _, _, after = get(code).doc.partition(f"{heading}::\n")
    for line in after.split("\n"):
        if line and not line.startswith("    "):
            break
        lines.append(line)
    return inspect.cleandoc("\n".join(lines))


def diagnose(graph: Graph, trouble: Callable[[str, Exception], None] | None = None) -> tuple[Finding, ...]:
    """All findings, in order of time, consequences right after their cause.

    trouble: called with the code of a rule that failed and its exception; without it the exception is raised.
    """
    found: list[Finding] = []
    for one in rules():
        try:
            found += one.check(graph)
        except Exception as error:
            if trouble is None:
                raise
            trouble(one.code, error)
    return tuple(_ordered(found, graph))


def _ordered(found: list[Finding], graph: Graph) -> Iterator[Finding]:
    by_time = sorted(found, key=lambda finding: finding.at)
    under: dict[int | None, list[int]] = {}
    for i, cause in enumerate(_causes(by_time, graph)):
        under.setdefault(cause, []).append(i)
    waiting = under.get(None, [])[::-1]
    while waiting:
        i = waiting.pop()
        yield by_time[i]
        waiting += under.get(i, [])[::-1]


def _causes(found: list[Finding], graph: Graph) -> list[int | None]:
    """For each finding the index of the one that caused it: of several with that code one about the same tensor."""
    objects = [{graph.trace.tensors[t].object for t in finding.tensors} for finding in found]
    causes: list[int | None] = []
    for i, finding in enumerate(found):
        likely = [k for k, other in enumerate(found) if k != i and other.code == finding.because]
        fits = [(bool(objects[k] & objects[i]), found[k].at <= finding.at, -k) for k in likely]
        causes.append(-max(fits)[2] if fits else None)
    for i in range(len(found)):  # two that name each other: the earlier one is the cause
        seen, k = {i}, causes[i]
        while k is not None and k not in seen:
            seen.add(k)
            k = causes[k]
        if k == i:
            causes[i] = None
    return causes


def tag(kind: str, value: Any) -> dict[str, Any]:
    """A value of `Finding.data` that views put into words: a place, tensor or node id, a shape, names."""
    return {kind: value}


def at(place: Place | None) -> dict[str, Any]:
    """A place in `Finding.data`, also one that is not known."""
    return tag("place", None if place is None else place.id)


def ends(*places: Place | None) -> tuple[int, ...]:
    """The ids of the places that are known, each once."""
    return tuple(dict.fromkeys(place.id for place in places if place is not None))
