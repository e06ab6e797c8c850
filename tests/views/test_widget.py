from __future__ import annotations

import json
from typing import Any

import ipywidgets
import pytest
import traitlets

from autograd_magics.texts import text
from autograd_magics.views.html import asset
from autograd_magics.views.languages import spoken
from autograd_magics.views.payload import payload
from autograd_magics.views.widget import Bridge, ReportWidget
from tests.builders import added_again, report


@pytest.fixture
def widget() -> Any:
    cell, finding = added_again()
    made = report(cell, finding).widget()
    yield made
    made.close()


def test_it_shows_the_report(widget: ReportWidget) -> None:
    assert spoken(widget.payload, "en") == payload(widget.report)
    assert [finding["code"] for finding in widget.findings] == ["AG202"]
    assert (widget.selection, widget.theme, widget.tab) == ("", "auto", "details")
    assert widget._esm == asset("widget.js")


def test_its_state_goes_to_the_page(widget: ReportWidget) -> None:
    state = widget.get_state()
    assert {"payload", "findings", "selection", "theme", "tab", "_esm"} <= set(state)
    assert json.loads(json.dumps(state["payload"])) == json.loads(json.dumps(widget.payload))


def test_traits_can_be_observed_and_set(widget: ReportWidget) -> None:
    seen: list[tuple[str, str]] = []
    widget.observe(lambda change: seen.append((change["name"], change["new"])), ["selection", "theme", "tab"])
    widget.selection, widget.theme, widget.tab = "t0", "dark", "saved"
    assert seen == [("selection", "t0"), ("theme", "dark"), ("tab", "saved")]


def test_the_report_knows_the_selection(widget: ReportWidget) -> None:
    widget.set_state({"selection": "L0:6"})
    assert widget.report.selection == "L0:6"


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("selection", "t999", "selection is 't999'; expected \"\" or an item of this report: "),
        ("theme", "pink", "theme"),
        ("tab", "nowhere", "tab"),
        ("payload", {}, "read-only"),
        ("findings", [], "read-only"),
    ],
)
def test_anything_else_is_refused(widget: ReportWidget, name: str, value: Any, message: str) -> None:
    with pytest.raises(traitlets.TraitError, match=message):
        setattr(widget, name, value)


def test_it_composes(widget: ReportWidget) -> None:
    box = ipywidgets.VBox([ipywidgets.Label("above"), widget])
    assert box.children[1] is widget
    assert ipywidgets.jslink((widget, "selection"), (box.children[0], "value")).target[0] is box.children[0]


def test_traits_can_be_given() -> None:
    made = ReportWidget(report(added_again()[0]), selection="c1", tab="source", theme="light")
    assert (made.selection, made.tab, made.theme) == ("c1", "source", "light")
    made.close()


def test_the_theme_is_that_of_the_report() -> None:
    from autograd_magics.report import Report

    made = ReportWidget(Report(added_again()[0].trace(), lang="en", theme="dark"))
    assert made.theme == made.payload["theme"] == "dark"
    made.close()


def test_the_language_can_be_given_and_changed() -> None:
    cell, finding = added_again()
    made = ReportWidget(report(cell, finding), lang="pt-BR")
    assert (made.lang, made.payload["lang"], made.report.lang) == ("pt_BR", "en", "en")
    assert made.findings == payload(report(cell, finding, lang="pt_BR"))["findings"]
    made.set_state({"lang": "zh_CN"})
    assert made.findings[0]["title"] == text("AG202.title", "zh_CN")
    made.lang = ""
    assert made.findings == payload(made.report)["findings"]
    made.close()


def test_an_unknown_language_names_those_there_are(widget: ReportWidget) -> None:
    with pytest.raises(traitlets.TraitError, match="language 'xx' is not known; expected one of en, es, pt_BR, zh_CN"):
        widget.lang = "xx"
    assert widget.lang == ""


def test_the_bridge_hands_a_nudge_on_and_the_answer_back() -> None:
    asked: list[dict[str, object]] = []

    def answer(request: dict[str, object]) -> dict[str, object]:
        asked.append(request)
        return {"n": request["n"], "error": "no"}

    bridge = Bridge(answer, run="5eed", selection="")
    bridge.set_state({"nudge": {"n": 3, "item": "t0", "element": 0, "step": 0.1, "lang": "en"}})
    assert [request["item"] for request in asked] == ["t0"]
    assert bridge.get_state()["nudged"] == {"n": 3, "error": "no"}
    bridge.close()


def test_the_widget_answers_a_nudge(widget: ReportWidget) -> None:
    widget.set_state({"nudge": {"n": 4, "item": "t0", "element": 0, "step": 0.1, "lang": "pt_BR"}})
    assert widget.nudged["n"] == 4
    assert widget.nudged["error"] == text("check.no.no_recipe", "pt_BR")  # a trace made by hand was never recorded


def test_the_bridge_has_two_traits_and_no_view() -> None:
    bridge = Bridge(run="5eed", selection="")
    bridge.set_state({"selection": "t3"})
    state = bridge.get_state()
    assert (state["run"], state["selection"]) == ("5eed", "t3")
    assert bridge._esm == asset("bridge.js")
    assert "render" not in bridge._esm
    bridge.close()
