"""Causes come first, what follows from them stands under them: in the order of findings and in every view."""

from __future__ import annotations

from autograd_magics.graph import Graph
from autograd_magics.report import Report
from autograd_magics.rules import Finding, _ordered
from autograd_magics.views.items import Items
from autograd_magics.views.phrases import Phrases
from autograd_magics.views.told import folded, told
from tests.recorded import Notebook, record_cell

REBOUND = """
    w = torch.ones(2, requires_grad=True)
    v = torch.ones(2, requires_grad=True)
    for i in range(2):
        loss = (w * v).sum()
        loss.backward()
        v = v - 0.1 * v.grad
        w = w - 0.1 * w.grad
"""


def ordered(*found: Finding) -> list[Finding]:
    graph = Graph(record_cell("a = torch.ones(2)\nb = torch.ones(3)\nc = a + 1"))
    return list(_ordered(list(found), graph))


def test_consequences_stand_right_after_their_cause() -> None:
    early = Finding("AG2", "warning", 1, because="AG9")
    cause, other = Finding("AG9", "error", 5), Finding("AG1", "note", 3)
    assert ordered(early, other, cause) == [other, cause, early]


def test_of_two_causes_the_one_about_the_same_tensor() -> None:
    first, second = Finding("AG9", "error", 1, tensors=(0,)), Finding("AG9", "error", 2, tensors=(1,))
    of_first, of_second = (Finding("AG2", "warning", 3, tensors=(t,), because="AG9") for t in (0, 1))
    assert ordered(first, second, of_first, of_second) == [first, of_first, second, of_second]


def test_consequences_of_consequences() -> None:
    root, middle, leaf = Finding("AG9", "error", 9), Finding("AG5", "note", 1, because="AG9"), Finding(
        "AG2", "note", 2, because="AG5")  # fmt: skip
    assert ordered(root, middle, leaf) == [root, middle, leaf]


def test_a_cause_that_was_not_found_or_is_a_circle_loses_nothing() -> None:
    alone = Finding("AG2", "note", 1, because="AG9")
    assert ordered(alone) == [alone]
    one, other = Finding("AG1", "note", 1, because="AG2"), Finding("AG2", "note", 2, because="AG1")
    assert sorted(f.code for f in ordered(one, other)) == ["AG1", "AG2"]


def test_every_finding_of_a_rebound_leaf_is_under_its_own_name() -> None:
    report = Report(record_cell(REBOUND), lang="en")
    words = told(report.findings, Phrases(report.graph, "en"), Items(report.graph))
    groups = folded(words)
    assert [cause.code for cause, _ in groups] == ["AG203", "AG203"]
    for cause, consequences in groups:
        name = cause.message.split("`")[1]
        assert consequences and all(f"`{name}.grad`" in one.message for one in consequences)
    assert sum(1 + len(consequences) for _, consequences in groups) == len(words)


def test_text_and_page_fold_what_follows() -> None:
    report = Report(record_cell(REBOUND), lang="en")
    findings = report.to_text().partition("FINDINGS\n")[2].partition("\n\n")[0].split("\n")
    heads = [line.split()[0] for line in findings if line.startswith("  AG")]
    follows = [line for line in findings if line.startswith("    Follows from it: ")]
    assert heads == ["AG203", "AG203"] and len(follows) == len(report.findings) - 2
    assert sum(line.startswith("    fix: ") for line in findings) == 2
    page = report.to_html()
    assert page.count("<li><b>AG203") == 2 and "<ul><li><b>AG2" in page


def test_payload_names_the_cause() -> None:
    from autograd_magics.views.payload import payload

    rows = payload(Report(record_cell(REBOUND), lang="en"))["findings"]
    causes = {row["id"]: row["cause"] for row in rows}
    codes = {row["id"]: row["code"] for row in rows}
    assert {codes[i] for i, cause in causes.items() if cause is None} == {"AG203"}
    assert {codes[cause] for cause in causes.values() if cause is not None} == {"AG203"}


def test_graph_freed_in_an_earlier_cell_also_when_that_was_not_watched() -> None:
    notebook = Notebook()
    exec("x = torch.ones(2, requires_grad=True)\ny = (x * x).sum()\ny.backward()", notebook.namespace)
    report = Report(notebook.run("y.backward()"), lang="en")
    (found,) = report.findings
    assert (found.code, found.variant, found.severity) == ("AG101", "unknown", "error")
