"""Findings one by one, for a terminal, a test's output or another program.

* `Teller(graph, lang)`: puts single findings into words.
* `to_lines(report, findings)`: each with its line in front and its fix below it.
* `rows(report, findings)`: each as plain data with its finished sentences.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..graph import Graph
from .items import Items
from .phrases import Phrases
from .told import Told, told
from .wrapping import paragraph

if TYPE_CHECKING:
    from ..report import Report
    from ..rules import Finding


class Teller:
    """Puts findings of one recording into words, one at a time."""

    def __init__(self, graph: Graph, lang: str) -> None:
        self.phrases = Phrases(graph, lang)

    def __call__(self, finding: Finding) -> str:
        """`AG202 warning, line 9: …`"""
        severity = self.phrases.text(f"view.severity_{finding.severity}")
        line = self.phrases.line(self.phrases.trace.places[finding.places[0]]) if finding.places else ""
        head = self.phrases.text("view.comma").join(filter(None, [f"{finding.code} {severity}", line]))
        return f"{head}: {self.message(finding)}"

    def message(self, finding: Finding) -> str:
        """What happened, in one sentence."""
        return told((finding,), self.phrases, self._items)[0].message

    @functools.cached_property
    def _items(self) -> Items:
        return Items(self.phrases.graph)

    def __deepcopy__(self, memo: dict[int, Any]) -> Teller:
        """Itself: the copy of a finding, as `dataclasses.asdict` makes one, tells of the same recording."""
        return self


def to_lines(report: Report, findings: Sequence[Finding]) -> list[str]:
    """Each finding and, below it, what to do; at most 80 columns."""
    phrases = Phrases(report.graph, report.lang)
    teller = Teller(report.graph, report.lang)
    lines = []
    for finding, words in zip(findings, _told(report, findings, phrases), strict=True):
        lines += paragraph(teller(finding), "", "  ")
        lines += paragraph(phrases.text("text.fix", fix=words.fix), "  ", "    ")
    return lines


def rows(report: Report, findings: Sequence[Finding]) -> list[dict[str, Any]]:
    """Columns: code, severity, title, message, fix, torch (PyTorch's own text), because (a code), cell, file, line."""
    phrases = Phrases(report.graph, report.lang)
    return [
        {
            "code": finding.code, "severity": finding.severity, "title": words.title, "message": words.message,
            "fix": words.fix, "torch": words.torch or None, "because": finding.because, **_where(finding, phrases),
        }
        for finding, words in zip(findings, _told(report, findings, phrases), strict=True)
    ]  # fmt: skip


def _told(report: Report, findings: Sequence[Finding], phrases: Phrases) -> list[Told]:
    """The words of some of a report's findings: PyTorch's text goes to the first error of all."""
    every = told(report.findings, phrases, Items(report.graph))
    chosen = {id(finding) for finding in findings}
    return [words for finding, words in zip(report.findings, every, strict=True) if id(finding) in chosen]


def _where(finding: Finding, phrases: Phrases) -> dict[str, Any]:
    place = phrases.trace.places[finding.places[0]] if finding.places else None
    source = None if place is None else phrases.trace.sources[place.source]
    cell = source.number if source is not None and source.kind == "cell" else None
    file = source.filename if source is not None and source.kind != "cell" else None
    return {"cell": cell, "file": file, "line": None if place is None else place.line}
