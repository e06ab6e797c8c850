"""The live links between this kernel and the views in the page."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .report import Report


class Links:
    """One link for each cell, to the view of its newest run."""

    def __init__(self) -> None:
        self._bridges: dict[str, Any] = {}

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
        bridge = self._bridges[cell] = Bridge(run=report.trace.run, selection="")
        kept = weakref.ref(report)  # ipywidgets keeps a bridge, and what it holds, alive until it is closed

        def select(change: dict[str, Any]) -> None:
            selected = kept()
            if selected is not None:
                selected.selection = change["new"]

        bridge.observe(select, "selection")

    def close(self) -> None:
        """Close all links."""
        while self._bridges:
            self._bridges.popitem()[1].close()
