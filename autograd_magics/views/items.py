"""Ids of what can be selected, the same in every view: `t5`, `c3`, `n7`, `b0`, `s1`, `f0`, `L0:6`.

A tensor that was not changed has one id, whichever of its rows is meant: the one that is drawn.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..graph import Graph
from ..trace import Place

if TYPE_CHECKING:
    from ..rules import Finding


class Items:
    """Item ids of one trace's rows."""

    def __init__(self, graph: Graph) -> None:
        self.trace = graph.trace
        drawn = {t for call in graph.operations for t in (*call.inputs, *call.outputs)}
        drawn |= {t for row in self.trace.backwards for t in (*row.roots, *row.results) if t is not None}
        self._row: dict[tuple[int, int], int] = {}
        for row in sorted(self.trace.tensors, key=lambda row: (row.id not in drawn, row.id)):
            self._row.setdefault((row.object, row.version), row.id)
        self.drawn = frozenset(drawn)
        """Tensor rows that calls and backwards take and give."""

    def tensor(self, tensor: int) -> str:
        """The item of a tensor row."""
        row = self.trace.tensors[tensor]
        return f"t{tensor if tensor in self.drawn else self._row[row.object, row.version]}"

    def line(self, place: Place | None) -> str | None:
        """The item of a line of source."""
        return None if place is None else f"L{place.source}:{place.line}"

    def of_finding(self, finding: Finding) -> list[str]:
        """Items that a finding points at, without lines."""
        found = [f"c{c}" for c in finding.calls] + [self.tensor(t) for t in finding.tensors]
        found += [f"n{n}" for n in finding.nodes] + [f"b{b}" for b in finding.backwards]
        return list(dict.fromkeys(found))

    def marks(self, findings: Sequence[Finding]) -> dict[str, dict[int, str]]:
        """By item: severities of the findings on it by their index; one on a node is also on the call that made it."""
        found: dict[str, dict[int, str]] = defaultdict(dict)
        for index, finding in enumerate(findings):
            makers = [self.trace.nodes[n].call for n in finding.nodes]
            made = [f"c{call}" for call in makers if call is not None]
            for item in dict.fromkeys([*self.of_finding(finding), *made]):
                found[item][index] = finding.severity
        return dict(found)
