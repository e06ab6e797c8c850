"""The live links between this kernel and the views in the page."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from .texts import choose, languages, text

if TYPE_CHECKING:
    from .report import Report


KEPT = 4
"""Reports that stay alive for their sliders although nobody else may keep them: those of the last cells."""


class Links:
    """One link for each cell, to the view of its newest run."""

    def __init__(self) -> None:
        self._bridges: dict[str, Any] = {}
        self._kept: dict[str, Report] = {}

    def __len__(self) -> int:
        return len(self._bridges)

    def open(self, report: Report, cell: str) -> None:
        """Let the view of a report and this kernel talk; what the cell `cell` had before is closed.

        Nothing happens without anywidget: the view is as complete then, only not linked.
        """
        try:
            from .views.widget import Bridge
        except ImportError:
            return
        if cell in self._bridges:
            self._bridges.pop(cell).close()
        kept = weakref.ref(report)  # ipywidgets keeps a bridge, and what it holds, alive until it is closed
        self._kept.pop(cell, None)
        self._kept[cell] = report
        if len(self._kept) > KEPT:
            del self._kept[next(iter(self._kept))]

        def answer(request: dict[str, Any]) -> dict[str, Any]:
            asked = kept()
            if asked is not None:
                return asked.nudge(request)
            lang = request.get("lang")
            words = text("check.no.no_recipe", lang if lang in languages() else choose(None))
            return {"n": request.get("n"), "error": words}

        bridge = self._bridges[cell] = Bridge(answer, run=report.trace.run, selection="")

        def select(change: dict[str, Any]) -> None:
            selected = kept()
            if selected is not None:
                selected.selection = change["new"]

        bridge.observe(select, "selection")

    def close(self) -> None:
        """Close all links."""
        self._kept.clear()
        while self._bridges:
            self._bridges.popitem()[1].close()
