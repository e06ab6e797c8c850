"""The ledger: each leaf's story in rows of finished text, and its plot."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from typing import Any

import pytest

from autograd_magics.recorder import graph_of
from autograd_magics.report import Report
from autograd_magics.trace import Gradient, Past, Stats
from autograd_magics.views import ledger, plot
from autograd_magics.views.items import Items
from autograd_magics.views.languages import multilingual, spoken
from autograd_magics.views.payload import payload
from tests.recorded import Notebook

LEAF = "w = torch.tensor([1.0], requires_grad=True)\n"
RUN = "(w * 3).sum().backward()\n"
UPDATE = "with torch.no_grad(): w -= 0.5 * w.grad\n"


def rows(report: Report, **options: Any) -> list[ledger.Row]:
    (found,) = ledger.ledgers(report.phrases, Items(report.graph), **options)
    return list(found["rows"])


def two_cells() -> Report:
    """A cell, a change that nobody saw, and another cell."""
    book = Notebook()
    book.run(LEAF + RUN)
    exec("w.grad.zero_()", book.namespace)
    return Report(book.run(RUN + UPDATE + "w.grad = None"), lang="en")


def test_the_tab_tells_the_whole_story() -> None:
    told = [(row["line"], row["what"], row["before"], row["added"], row["after"]) for row in rows(two_cells())]
    assert told == [
        ("line 1 of In [1]", "first seen", "", "", ""),
        ("line 2 of In [1]", "backward added", "None", "[3]", "[3]"),
        ("", "changed in a cell that was not recorded", "[3]", "", "[0]"),
        ("line 1", "backward added", "[0]", "[3]", "[3]"),
        ("line 2", "value changed by sub_", "", "", ""),
        ("line 3", "set to None", "[3]", "", "None"),
    ]
    assert [(row["was"], row["value"]) for row in rows(two_cells()) if row["value"]] == [("", "[1]"), ("[1]", "[−0.5]")]


def test_what_stands_below_a_cell_is_what_that_cell_did() -> None:
    assert [row["line"] for row in rows(two_cells(), whole=False)] == ["", "line 1", "line 2", "line 3"]
    assert "In [1]" not in two_cells().to_text()


def test_lines_of_earlier_cells_are_linked_where_their_source_is_there() -> None:
    data = payload(two_cells())
    known = {line["id"] for source in data["source"] for line in source["lines"]}
    assert all(row["link"] is None or row["link"] in known for row in data["gradients"][0]["rows"])
    assert sum(row["link"] is not None for row in data["gradients"][0]["rows"]) >= 3


@pytest.mark.parametrize("lang", ["en", "es", "pt_BR", "zh_CN"])
def test_every_language(lang: str) -> None:
    report = two_cells()
    told = spoken(multilingual(report), lang)["gradients"]
    assert told == payload(Report(report.trace, lang=lang))["gradients"]


def story(cells: list[str], lang: str = "en", **options: Any) -> Report:
    """The report behind `%autograd grads` after some recorded cells."""
    book = Notebook()
    for cell in cells:
        book.run(cell, **options)
    return Report(graph_of({"w": book.namespace["w"]}, sources=book.book), lang=lang)


def test_a_story_for_a_terminal() -> None:
    assert ledger.story_text(story([LEAF + RUN, UPDATE + "w.grad = None"])).split("\n") == [
        "w [1]: w.grad is None",
        "  line 1 of In [1]  first seen                    [1]",
        "  line 2 of In [1]  backward added         + [3]  None -> [3]",
        "  line 1 of In [2]  value changed by sub_         [1] -> [-0.5]",
        "  line 2 of In [2]  set to None                   [3] -> None",
    ]


@pytest.mark.parametrize("lang", ["en", "es", "pt_BR", "zh_CN"])
def test_a_story_fits_on_a_terminal(lang: str) -> None:
    name = "w = w_with_a_very_long_name_that_goes_on_and_on_and_on_for_many_columns = "
    cells = [name + "torch.rand(20).requires_grad_()", *["(w * 123456.789).sum().backward()\n" + UPDATE] * 10]
    from autograd_magics.views.format import columns

    text = ledger.story_text(story(cells, lang), more=12)
    assert max(map(columns, text.split("\n"))) <= 80
    assert "12" in text.split("\n")[-1]


def test_a_long_story_counts_what_it_leaves_out() -> None:
    text = ledger.story_text(story([LEAF + f"for _ in range(300): {RUN}"], loops=0))
    assert len(text.split("\n")) < 80
    (left_out, *_) = re.findall(r"… (\d+) more changes", text)
    assert int(left_out) > 200


@pytest.mark.parametrize("loops", [0, 3])
def test_what_a_loop_leaves_out_is_counted(loops: int) -> None:
    trace = Notebook().run(LEAF + f"for _ in range(20):\n    w.grad = None\n    {RUN}", loops=loops)
    report = Report(trace, lang="en")
    (w,) = ledger.ledgers(report.phrases, Items(report.graph))
    (dropped,) = [loop.dropped for loop in trace.loops] if loops else [0]
    counted = [int(row["what"].split()[1]) for row in w["rows"] if row["kind"] == "left_out"]
    assert counted == ([2 * dropped] if loops else []) and (dropped > 5) == bool(loops)
    kept = [row for row in w["rows"] if row["kind"] in ("accumulated", "cleared")]
    assert len(kept) + 2 * dropped == 39


def test_html_without_scripts_and_without_markup_of_the_users() -> None:
    book = Notebook()
    cell = "names = {'<b>&\"': torch.ones(1, requires_grad=True)}\nfor _ in range(9): names['<b>&\"'].sum().backward()"
    book.run(cell)
    leaf = book.namespace["names"]['<b>&"']
    page = ledger.story_html(Report(graph_of({"names['<b>&\"']": leaf}, sources=book.book), lang="en"))
    assert "<script" not in page and "<b>" not in page and "&lt;b&gt;" in page
    tree = ET.fromstring(page)
    assert [element.tag.rpartition("}")[2] for element in tree] == ["h4", "figure", "table"]


# -- the plot ----------------------------------------------------------------------------------
def drawn(cells: list[str], **options: Any) -> Any:
    book = Notebook()
    for cell in cells:
        trace = book.run(cell, **options)
    report = Report(trace, lang="en")
    return ledger.ledgers(report.phrases, Items(report.graph))[0]["plot"]


def test_few_steps_have_no_plot() -> None:
    assert drawn([LEAF + RUN * (plot.MANY - 1)]) is None
    assert drawn([LEAF + RUN * plot.MANY]) is not None


def test_curves_of_gradient_and_value_with_words() -> None:
    step = f"for _ in range(4):\n    {RUN}    {UPDATE}    w.grad = None\n"
    found = drawn([LEAF + step, step, step])
    assert [line["label"] for line in found["lines"]] == [
        "w.grad, 12 points: from 3 to 3, lowest 3, highest 3",
        "w, 13 points: from 1 to −17, lowest −17, highest 1",
    ]
    texts = [text["text"] for text in found["texts"]]
    assert texts == ["w.grad", "3", "w", "−17", "1", "In [1]", "In [3]"]
    for line in found["lines"]:
        points = [tuple(map(float, p.split())) for p in re.findall(r"[ML]([\d.]+ [\d.]+)", line["d"])]
        assert [x for x, _ in points] == sorted(x for x, _ in points)
        assert all(0 <= x <= found["width"] and 0 <= y <= found["height"] for x, y in points)
    value = [float(y) for _, y in re.findall(r"[ML]([\d.]+) ([\d.]+)", found["lines"][1]["d"])]
    assert value == sorted(value) and len(value) == 13  # the value falls, so the curve goes down


def test_each_element_of_a_small_leaf_and_the_norm_of_a_larger_one() -> None:
    cell = "w = torch.ones({}, requires_grad=True)\nfor _ in range(8): (w * 3).sum().backward()"
    assert [line["label"].split(",")[0] for line in drawn([cell.format("2")])["lines"]] == ["w.grad[0]", "w.grad[1]"]
    assert {line["dash"] for line in drawn([cell.format("2")])["lines"]} == {0, 1}
    (norm,) = drawn([cell.format("9")])["lines"]
    assert norm["label"] == "‖w.grad‖, 8 points: from 9 to 72, lowest 9, highest 72"
    assert drawn([cell.format("100")]) is None
    (norm,) = drawn([cell.format("100")], values="stats")["lines"]
    assert norm["label"] == "‖w.grad‖, 8 points: from 30 to 240, lowest 30, highest 240"


def test_a_curve_is_broken_where_there_is_no_number_and_where_pages_are_left_out() -> None:
    found = drawn([LEAF + RUN * 5 + "w.grad.fill_(float('nan'))\nw.grad = None\n" + RUN * 5])
    assert found["lines"][0]["d"].count("M") == 2
    found = drawn([LEAF + f"for _ in range(200): {RUN}", RUN], loops=0)
    assert found["lines"][0]["d"].count("M") == 2 and len(found["faint"]) == 1


def gradient(value: Any, stats: Stats | None = None) -> Gradient:
    return Gradient((3,), "float32", "cpu", value, stats)


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (gradient([3.0, 4.0, 0.0]), 5.0),
        (gradient(["nan", 1.0, 1.0]), None),
        (gradient(["1+2j", "0+0j", "0+0j"]), None),
        (gradient(None), None),
        (gradient(None, Stats(4, 3.0, 2.0, 1.0, 5.0, 0, 0, 0, 0)), (4 * 9 + 3 * 4) ** 0.5),
        (gradient(None, Stats(4, 3.0, 2.0, 1.0, 5.0, 0, 1, 0, 0)), None),
    ],
)
def test_norm(one: Gradient, expected: float | None) -> None:
    assert plot.norm(one) == (None if expected is None else pytest.approx(expected))


@pytest.mark.parametrize("numbers", [[0.0] * 9, [1e308, -1e308] * 5, [1e-320] * 9, ["inf", *[1.0] * 9]])
def test_odd_numbers_are_drawn_inside_the_frame(numbers: list[Any]) -> None:
    report = two_cells()
    pages = [
        Past("set", 1, None, 1, None, None, Gradient((1,), "float64", "cpu", [number])) for number in numbers
    ]  # fmt: skip
    found = plot.plot(report.phrases, "w", pages)
    assert found is not None
    ys = [float(y) for line in found["lines"] for y in re.findall(r"[ML][\d.]+ (-?[\d.]+)", line["d"])]
    assert len(ys) >= 9 and all(0 <= y <= found["height"] for y in ys)
    ET.fromstring(plot.to_svg(found, "words"))


def test_what_came_beyond_the_limit_of_calls_is_not_from_an_earlier_cell() -> None:
    book = Notebook()
    report = Report(book.run("m = torch.nn.Linear(2, 1)\nm(torch.ones(3, 2)).sum().backward()", limit=3), lang="en")
    assert report.trace.dropped > 0
    told = [row["what"] for one in ledger.ledgers(report.phrases, Items(report.graph)) for row in one["rows"]]
    assert told == ["seen only at the end: beyond the limit of calls"] * 2
    assert "earlier cell" not in report.to_text()


def test_what_an_earlier_cell_left_is_told_as_such_also_where_calls_were_left_out() -> None:
    book = Notebook()
    book.run(LEAF + RUN)
    report = Report(book.run("y = w * 2\nz = y * 2\nz = z * 2", limit=1), lang="en")
    assert report.trace.dropped > 0
    assert [row["what"] for row in rows(report, whole=False)][-1] == "held from an earlier cell"


def test_what_was_held_before_is_no_change() -> None:
    book = Notebook()
    book.run(LEAF + RUN)
    report = Report(book.run(RUN), lang="en")
    first = rows(report, whole=False)[0]
    assert (first["kind"], first["before"], first["after"]) == ("earlier", "", "[3]")
    assert ledger.text_cells(first)[1:] == ["held from an earlier cell", "", "[3]"]
    assert ledger.html_cells(first)[1:] == ["held from an earlier cell", "", "", "[3]"]
