from __future__ import annotations

import types
from typing import Any

import pytest

import autograd_magics
from autograd_magics import rules
from autograd_magics.report import Report, load
from autograd_magics.settings import STRICT
from autograd_magics.trace import TraceError
from autograd_magics.views import html, text
from tests.builders import Cell, added_again, regression, report


def test_it_holds_trace_graph_and_findings() -> None:
    trace = added_again()[0].trace()
    made = Report(trace, lang="en")
    assert made.trace is trace and made.graph.trace is trace
    assert made.findings == rules.diagnose(made.graph)
    assert made.findings is made.findings and made.graph is made.graph


def test_what_it_holds_cannot_be_exchanged() -> None:
    made = report(regression())
    for name in ("trace", "lang", "theme"):
        with pytest.raises(AttributeError):
            setattr(made, name, None)
    made.selection = "c0"
    assert made.selection == "c0"


def test_language_and_theme_are_checked() -> None:
    trace = regression().trace()
    assert Report(trace, lang="pt-BR").lang == "pt_BR"
    with pytest.raises(ValueError, match="language 'xx' is not known"):
        Report(trace, lang="xx")
    with pytest.raises(ValueError, match="theme is 'pink'; it must be one of auto, light, dark"):
        Report(trace, theme="pink")


@pytest.mark.parametrize("name", ["step.json", "step.json.gz"])
def test_saved_and_loaded_it_is_the_same(tmp_path: Any, name: str) -> None:
    made = report(regression())
    made.save(tmp_path / name)
    for back in (load(tmp_path / name, lang="en"), Report.load(tmp_path / name, lang="en")):
        assert back.trace == made.trace
        assert back.to_text() == made.to_text()
    assert autograd_magics.load is load


def test_a_damaged_file_is_named(tmp_path: Any) -> None:
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(TraceError, match=r"bad\.json: not a trace"):
        load(tmp_path / "bad.json")


def test_displayed_it_is_html_and_text_and_nothing_else() -> None:
    made = report(regression())
    bundle = made._repr_mimebundle_(include=None, exclude=None)
    assert bundle == {"text/plain": made.to_text(), "text/html": html.to_html(made)}
    assert repr(made) == made.to_text()


def test_quiet_is_only_what_has_nothing_of_autograd() -> None:
    assert report(Cell("a = 1")).quiet
    assert not report(regression(backward=False)).quiet
    cell = Cell("w.grad.zero_()")
    cell.grad(cell.leaf("w", 1.0), "zeroed", "w.grad.zero_()", after=0.0)
    assert not report(cell).quiet
    assert not report(Cell("a = 1"), added_again()[1]).quiet


def broken(*_: Any, **__: Any) -> Any:
    raise ZeroDivisionError("by zero")


def test_our_own_failures_raise_in_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text, "to_text", broken)
    with pytest.raises(ZeroDivisionError):
        repr(report(regression()))


def test_a_failing_rule_costs_only_its_findings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(STRICT)
    monkeypatch.setattr(rules, "rules", lambda: (rules.Rule("AG999", "note", broken, ""),))
    made = Report(regression().trace(), lang="en")
    shown = made.to_text()
    assert made.findings == ()
    assert "(AG999: ZeroDivisionError: by zero)" in " ".join(shown.split())
    assert "y_pred = mul(x, w)" in shown


def test_a_failing_view_leaves_the_other_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(STRICT)
    monkeypatch.setattr(html, "to_html", broken)
    made = report(regression())
    bundle = made._repr_mimebundle_()
    assert bundle["text/html"].startswith("<pre>In [5]: 4 calls")
    assert "report: ZeroDivisionError: by zero" in bundle["text/html"]


def test_when_nothing_works_there_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(STRICT)
    monkeypatch.setattr(text, "to_text", broken)
    monkeypatch.setattr(html, "to_html", broken)
    bundle = report(regression())._repr_mimebundle_()
    assert bundle["text/plain"] == "<Report: report: ZeroDivisionError: by zero>"
    assert bundle["text/html"].startswith("<pre>&lt;Report: report: ZeroDivisionError: by zero&gt;\n\npart of this")


def test_show_prints_where_there_is_no_notebook(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "IPython", types.SimpleNamespace(get_ipython=lambda: None))
    made = report(regression())
    for display in ("auto", "html", "text"):
        made.show(display)
        assert capsys.readouterr().out == made.to_text() + "\n"


def test_show_displays_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    import anywidget  # noqa: F401  (looks for the real IPython when it is imported)

    modules, shown = __import__("sys").modules, []
    monkeypatch.setitem(modules, "IPython", types.SimpleNamespace(get_ipython=object))
    monkeypatch.setitem(modules, "IPython.display", types.SimpleNamespace(display=shown.append))
    made = report(regression())
    made.show()
    made.show("html")
    made.show("widget")
    assert shown[:2] == [made, made]
    assert shown[2].report is made
    shown[2].close()


def test_show_refuses_what_it_does_not_know() -> None:
    with pytest.raises(ValueError, match="display is 'loud'; it must be one of auto, html, widget, text"):
        report(regression()).show("loud")
