"""The report as an ipywidgets view, and the hidden link between a kernel and the HTML output.

* `ReportWidget(report)`: a widget like any other: it composes in a `VBox`, its traits can be observed and set.
* `Bridge(run=...)`: has no view; the HTML output of the same run finds it in the page.

The only file that imports anywidget.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import anywidget
import traitlets

from .. import texts
from ..settings import THEMES
from .html import asset, program
from .languages import multilingual, spoken

if TYPE_CHECKING:
    from ..report import Report

TABS = ("details", "gradients", "saved", "findings", "source")


class ReportWidget(anywidget.AnyWidget):
    """The interactive view of one report."""

    _esm = asset("widget.js")

    payload = traitlets.Dict(help="What is drawn; made from the report, read-only.", read_only=True).tag(sync=True)
    findings = traitlets.List(
        traitlets.Dict(), help="Mistakes and hazards: code, severity, message, fix, ends; read-only.", read_only=True
    ).tag(sync=True)
    selection = traitlets.Unicode("", help='Selected item: "t5", "c3", "n7", "L0:6"...; "" for none.').tag(sync=True)
    theme = traitlets.Enum(THEMES, "auto", help='"auto" follows the notebook.').tag(sync=True)
    tab = traitlets.Enum(TABS, "details", help="Open tab beside the graph.").tag(sync=True)
    moment = traitlets.Int(None, allow_none=True, help="Moment of the timeline; None for the end.").tag(sync=True)
    lang = traitlets.Unicode("", help='Language; "": the one its reader chose last, else the report\'s.').tag(sync=True)

    nudge = traitlets.Dict(help="Asked by the slider: n, item, element, step, lang.").tag(sync=True)
    nudged = traitlets.Dict(help="Answered: the same n, and rows, lesson and values or an error.").tag(sync=True)

    def __init__(self, report: Report, **traits: Any) -> None:
        """A view of a report; further keywords are traits, such as `selection` or `layout`."""
        self.report = report
        data = multilingual(report)
        traits["_esm"] = program(data, "widget.js")
        self._ids = _ids(data)
        super().__init__(**{"theme": report.theme, **traits})
        with self.hold_trait_notifications():
            self.set_trait("payload", data)
            self.set_trait("findings", spoken(data, self.lang or report.lang)["findings"])

    @traitlets.validate("selection")
    def _check_selection(self, proposal: dict[str, Any]) -> str:
        item: str = proposal["value"]
        if item and item not in self._ids:
            some = ", ".join(sorted(self._ids)[:6])
            raise traitlets.TraitError(f'selection is {item!r}; expected "" or an item of this report: {some}...')
        return item

    @traitlets.validate("moment")
    def _check_moment(self, proposal: dict[str, Any]) -> int | None:
        moment: int | None = proposal["value"]
        count = len(self.payload["timeline"]["kinds"]) if self.payload else 0
        if moment is not None and self.payload and not 0 <= moment < count:
            raise traitlets.TraitError(f"moment is {moment}; expected 0 to {count - 1}, or None for the end")
        return moment

    @traitlets.validate("lang")
    def _check_lang(self, proposal: dict[str, Any]) -> str:
        try:
            return texts.choose(proposal["value"]) if proposal["value"] else ""
        except ValueError as error:
            raise traitlets.TraitError(str(error)) from None

    @traitlets.observe("lang")
    def _say_findings(self, change: dict[str, Any]) -> None:
        if self.payload:
            self.set_trait("findings", spoken(self.payload, change["new"] or self.report.lang)["findings"])

    @traitlets.observe("nudge")
    def _answer(self, change: dict[str, Any]) -> None:
        self.nudged = self.report.nudge(change["new"])

    @traitlets.observe("selection")
    def _keep_selection(self, change: dict[str, Any]) -> None:
        self.report.selection = change["new"]


class Bridge(anywidget.AnyWidget):
    """What the kernel and the HTML output of one run tell each other."""

    _esm = asset("bridge.js")

    run = traitlets.Unicode("", help="The run whose output it belongs to.").tag(sync=True)
    selection = traitlets.Unicode("", help='Selected item, "" for none.').tag(sync=True)
    nudge = traitlets.Dict(help="Asked by the slider: n, item, element, step, lang.").tag(sync=True)
    nudged = traitlets.Dict(help="Answered: the same n, and rows, lesson and values or an error.").tag(sync=True)

    def __init__(self, answer: Callable[[dict[str, Any]], dict[str, Any]] | None = None, **traits: Any) -> None:
        """answer: gives `nudged` for `nudge`."""
        self._give = answer
        super().__init__(**traits)

    @traitlets.observe("nudge")
    def _answer(self, change: dict[str, Any]) -> None:
        if self._give is not None:
            self.nudged = self._give(change["new"])


def _ids(data: dict[str, Any]) -> frozenset[str]:
    """Everything that can be selected."""
    lines = [line["id"] for source in data["source"] for line in source["lines"]]
    rows = [row["id"] for row in (*data["saved"]["rows"], *data["findings"])]
    return frozenset([*data["details"], *lines, *rows])
