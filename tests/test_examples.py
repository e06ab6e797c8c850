"""Every notebook of `examples/` is executed for real, and shows what its lesson says it shows."""

from __future__ import annotations

import json
import math
import pathlib
from collections.abc import Callable
from typing import Any

import nbformat
import pytest

from autograd_magics import Report
from autograd_magics.views.payload import payload
from tests.lesson import (
    NOTEBOOKS,
    RAISES,
    RECORDED,
    Lesson,
    codes,
    execute,
    gradient,
    is_report,
    ledger,
    names_in,
    own_outputs,
    read,
    run,
    tensor,
    value,
)

Lessons = Callable[[str], Lesson]


@pytest.fixture(scope="module")
def lessons(tmp_path_factory: pytest.TempPathFactory) -> Lessons:
    """Gives a lesson by the name of its notebook; each is executed once."""
    done: dict[str, Lesson] = {}

    def give(name: str) -> Lesson:
        if name not in done:
            done[name] = run(name, tmp_path_factory.mktemp(name))
        return done[name]

    return give


# -- all of them -------------------------------------------------------------------------------
def test_the_lessons_are_there() -> None:
    assert [path.stem[:2] for path in NOTEBOOKS] == [f"{i:02}" for i in range(1, 17)]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_committed_without_outputs(path: pathlib.Path) -> None:
    text = path.read_text(encoding="utf-8")
    notebook = nbformat.reads(text, as_version=4)
    nbformat.validate(notebook)
    assert json.dumps(json.loads(text), indent=1, ensure_ascii=False) + "\n" == text, "not as Jupyter writes it"
    assert notebook.metadata.kernelspec.name == "python3"
    for before, cell in zip([None, *notebook.cells], notebook.cells, strict=False):
        if cell.cell_type == "code":
            assert cell.outputs == [] and cell.execution_count is None
            assert before is not None and before.cell_type == "markdown", f"no sentence before: {cell.source}"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_recorded_cell_shows_one_report(path: pathlib.Path, lessons: Lessons) -> None:
    lesson = lessons(path.stem)
    always = False
    for cell in lesson.cells:
        shown = [o for o in cell.outputs if is_report(o)]
        recorded = RECORDED.match(cell.source)
        asked = recorded or cell.source.startswith("%autograd grads")
        assert len(shown) == (1 if asked else 0) or (always and len(shown) == 1), cell.source
        always = cell.source.startswith("%autograd on") or (always and cell.source != "%autograd off")
        for output in shown:
            assert set(output.data) == {"text/html", "text/plain"}
            assert max(map(len, output.data["text/plain"].split("\n"))) <= 80
        if recorded:
            assert recorded[1] in lesson.reports, f"a report without a name: {cell.source}"
            report = lesson.reports[recorded[1]]
            assert report.trace.problem is None and report.trace.dropped == 0
            assert (report.trace.failure is not None) == (RAISES in cell.metadata.get("tags", []))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_only_cells_that_are_meant_to_raise_do(path: pathlib.Path, lessons: Lessons) -> None:
    for cell in lessons(path.stem).cells:
        errors = [o.evalue for o in cell.outputs if o.output_type == "error"]
        assert bool(errors) == (RAISES in cell.metadata.get("tags", [])), (cell.source, errors)


def test_without_the_magic_the_cells_give_the_same(lessons: Lessons, tmp_path: pathlib.Path) -> None:
    cells = []
    for path in NOTEBOOKS:
        cells += read(path)
        cells.append(nbformat.v4.new_code_cell("%reset -f"))
    for cell in cells:
        cell.source = RECORDED.sub("#\n", cell.source, count=1).replace("%load_ext autograd_magics", "")
        if any(word in cell.source for word in ("trace", "to_text", "%autograd", "report")):
            cell.source = ""
    plain = execute(cells, tmp_path).cells
    recorded = [c for path in NOTEBOOKS for c in [*lessons(path.stem).cells, None]]
    for one, other in zip(plain, recorded, strict=True):
        if other is not None and one.source:
            assert own_outputs(one) == own_outputs(other), one.source


# -- 01: a first look --------------------------------------------------------------------------
def test_first_look_is_the_picture_of_the_textbook(lessons: Lessons) -> None:
    lesson = lessons("01_first_look")
    report = lesson.reports["first_look"]
    assert gradient(report, "w") == [-28] and value(report, "J") == 14
    assert gradient(report, "e") == [0, -2, -4, -6]
    assert lesson.result("w.grad") == "tensor([-28.])" and lesson.result("(2 * e * x).sum().item()") == "-28.0"
    assert names_in(report) == {
        ("input", "x"), ("input", "y"), ("leaf", "w"), ("call", "×"), ("call", "−"), ("call", "x²"), ("call", "Σ"),
        ("result", "y_pred"), ("result", "e"), ("result", ""), ("result", "J"),
    }  # fmt: skip
    assert "w.grad is [-28]" in lesson.shown("first_look") and report.findings == ()


def test_first_look_boxes_stand_from_left_to_right(lessons: Lessons) -> None:
    picture = lessons("01_first_look").reports["first_look"].pictures["forward"]
    at = {box.label or box.name: box for box in picture.boxes}
    order = [at[label].x for label in ("w", "×", "y_pred", "−", "e", "x²", "Σ", "J")]
    assert order == sorted(order) and len(set(order)) == len(order)
    assert (at["y_pred"].above, at["y_pred"].below) == ("[0 1 2 3]", "[0 −2 −4 −6]")


def test_second_look_names_the_first(lessons: Lessons) -> None:
    lesson = lessons("01_first_look")
    report = lesson.reports["second_look"]
    (found,) = report.findings
    assert (found.code, found.severity) == ("AG202", "warning")
    first, second = lesson.number("first_look"), lesson.number("second_look")
    assert lesson.lines("second_look", found) == [(second, 5), (first, 5)]
    assert ledger(report, "w")[-1] == ("accumulated", [-28], [-56])
    assert f"In [{first}]" in lesson.shown("second_look") and "AG202" in lesson.shown("second_look")


def test_third_look_speaks_portuguese_and_finds_nothing(lessons: Lessons) -> None:
    lesson = lessons("01_first_look")
    assert lesson.reports["terceira"].findings == ()
    assert "folha" in lesson.shown("terceira") and "leaf" not in lesson.shown("terceira")
    explained = next(c for c in lesson.cells if "explain AG202" in c.source).outputs[0].text
    assert "Bad::" in explained and "Good::" in explained


# -- 02: tensors, loops, cuts ------------------------------------------------------------------
def test_mean_has_the_same_gradient_everywhere(lessons: Lessons) -> None:
    report = lessons("02_tensors_and_cuts").reports["mean"]
    assert gradient(report, "x") == [[4.5, 4.5], [4.5, 4.5]]
    assert value(report, "out") == 27 and report.findings == ()


def test_loop_is_recorded_as_long_as_it_ran(lessons: Lessons) -> None:
    lesson = lessons("02_tensors_and_cuts")
    trace = lesson.reports["doubling"].trace
    ys = [trace.tensors[n.tensor].value for n in trace.names if n.name == "y"]
    norms = [sum(one * one for one in y) ** 0.5 for y in ys]
    assert norms[-1] >= 1000 and all(norm < 1000 for norm in norms[:-1])
    assert ys == [[one * 2**i for one in ys[0]] for i in range(len(ys))]
    assert gradient(lesson.reports["doubling"], "x") == pytest.approx([v * 2 ** len(ys) for v in (0.1, 1.0, 0.0001)])
    assert trace.backwards[0].gradients[0] is not None
    assert trace.backwards[0].gradients[0].value == pytest.approx([0.1, 1.0, 0.0001])


def test_no_grad_and_detach_are_drawn_as_cuts(lessons: Lessons) -> None:
    report = lessons("02_tensors_and_cuts").reports["cuts"]
    assert {c.cut for c in report.trace.calls if c.cut} == {"no_grad", "detach"}
    picture = report.pictures["forward"]
    cut = {box.id for box in picture.boxes if box.style == "cut"}
    assert {box.title.split(" ")[0].split("(")[0] for box in picture.boxes if box.id in cut} >= {"mul", "detach"}
    assert any(wire.kind == "cut" for wire in picture.wires)
    assert gradient(report, "w") == [16, 54]
    assert [(finding.code, finding.severity) for finding in report.findings] == [("AG104", "note")]
    assert report.graph.gradient(tensor(report, "b")) is None and report.graph.gradient(tensor(report, "c")) is None


def test_cell_without_gradients_is_one_line(lessons: Lessons) -> None:
    lesson = lessons("02_tensors_and_cuts")
    assert lesson.reports["quiet"].quiet
    assert lesson.shown("quiet").count("\n") == 0 and "no gradient" in lesson.shown("quiet")
    html = next(o for o in lesson.cells[lesson.number("quiet") - 1].outputs if is_report(o)).data["text/html"]
    assert "<script" not in html and len(html) < 1000


# -- 03: saved tensors -------------------------------------------------------------------------
def test_product_saves_its_factors(lessons: Lessons) -> None:
    report = lessons("03_saved_tensors").reports["product"]
    saved = {s.slot: report.graph.name(s.tensor) for s in report.trace.saved if s.tensor is not None}
    assert saved == {"self": "x", "other": "y"}
    assert {report.trace.nodes[s.node].name for s in report.trace.saved} == {"MulBackward0"}
    assert len(report.graph.kept()) == 2 and report.graph.unique_bytes(report.trace.saved) == (8, 2)


def test_backward_frees_them(lessons: Lessons) -> None:
    lesson = lessons("03_saved_tensors")
    report = lesson.reports["freed"]
    assert [s.slot for s in report.trace.saved] != [] and report.graph.kept() == ()
    assert (gradient(report, "x"), gradient(report, "y")) == (3, 2)
    assert lesson.shown("freed").count("freed by line 2") == 2


def test_calling_the_node_later_names_the_cell_that_freed_it(lessons: Lessons) -> None:
    lesson = lessons("03_saved_tensors")
    (found,) = lesson.reports["too_late"].findings
    assert (found.code, found.severity) == ("AG101", "error")
    product, freed, late = (lesson.number(name) for name in ("product", "freed", "too_late"))
    assert lesson.lines("too_late", found) == [(late, 3), (product, 4), (freed, 2)]
    assert "MulBackward0" in lesson.shown("too_late") and f"In [{freed}]" in lesson.shown("too_late")


def test_a_kept_graph_can_be_called(lessons: Lessons) -> None:
    lesson = lessons("03_saved_tensors")
    report = lesson.reports["kept"]
    assert report.findings == () and len(report.graph.kept()) == 2
    assert lesson.result("z.grad_fn(v)").startswith("(tensor(3.")


def test_walking_by_hand_gives_the_nodes_of_the_report(lessons: Lessons) -> None:
    lesson = lessons("03_saved_tensors")
    by_hand = lesson.result("sorted(walk(loss.grad_fn))")
    in_report = "sorted({(node.name, nodes[following].name) for node in nodes for following, _ in node.edges})"
    assert by_hand == lesson.result(in_report)
    assert "('LogBackward0', 'AddBackward0')" in by_hand and by_hand.count("AccumulateGrad") == 2
    report = lesson.reports["longer"]
    drawn = sorted(box.label for box in report.pictures["backward"].boxes if box.style in ("node", "accumulate"))
    assert drawn == sorted(node.name for node in report.trace.nodes) and len(drawn) == 6


# -- 04: the ledger ----------------------------------------------------------------------------
def test_without_zeroing_the_gradients_add_up(lessons: Lessons) -> None:
    lesson = lessons("04_grad_ledger")
    report = lesson.reports["adding"]
    assert lesson.printed("adding").split() == ["tensor(1.)", "tensor(3.)", "tensor(6.)", "tensor(10.)"]
    assert ledger(report, "x") == [
        ("accumulated", 1, 1), ("accumulated", 2, 3), ("accumulated", 3, 6), ("accumulated", 4, 10),
    ]  # fmt: skip
    assert codes(report) == ["AG202"] and report.findings[0].data["times"] == 3


def test_with_zeroing_they_do_not(lessons: Lessons) -> None:
    lesson = lessons("04_grad_ledger")
    report = lesson.reports["zeroing"]
    assert lesson.printed("zeroing").split() == ["tensor(1.)", "tensor(2.)", "tensor(3.)", "tensor(4.)"]
    assert [after for kind, _, after in ledger(report, "x") if kind == "accumulated"] == [1, 2, 3, 4]
    assert [after for kind, _, after in ledger(report, "x") if kind == "cleared"] == [None] * 4
    assert report.findings == ()


def test_adding_up_before_one_update_is_no_finding(lessons: Lessons) -> None:
    report = lessons("04_grad_ledger").reports["halves"]
    assert report.findings == () and gradient(report, "w") == -26
    assert ledger(report, "w")[-1] == ("accumulated", -26, -28)


def test_zeroing_before_any_backward(lessons: Lessons) -> None:
    lesson = lessons("04_grad_ledger")
    (found,) = lesson.reports["too_early"].findings
    assert (found.code, found.variant) == ("AG204", "no_backward")
    assert lesson.lines("too_early", found) == [(lesson.number("too_early"), 3)]
    assert lesson.reports["asked"].findings == ()
    assert ledger(lesson.reports["asked"], "x") == [("accumulated", [1, 1, 1], [1, 1, 1]), ("zeroed", None, [0, 0, 0])]


# -- 05: updating weights ----------------------------------------------------------------------
def test_leaf_changed_in_place(lessons: Lessons) -> None:
    lesson = lessons("05_updating_weights")
    (found,) = lesson.reports["in_place"].findings
    assert (found.code, found.severity) == ("AG301", "error")
    number = lesson.number("in_place")
    assert lesson.lines("in_place", found) == [(number, 5), (number, 2)]


def test_rebinding_is_the_cause_and_comes_first(lessons: Lessons) -> None:
    lesson = lessons("05_updating_weights")
    report = lesson.reports["rebinding"]
    first, *others = report.findings
    assert (first.code, first.severity, first.data["name"]) == ("AG203", "error", "w")
    number = lesson.number("rebinding")
    assert lesson.lines("rebinding", first) == [(number, 6), (number, 2)]
    assert "AG204" in codes(report) and {f.because for f in others} == {"AG203"}
    assert report.trace.failure is not None and "NoneType" in report.trace.failure.message
    assert len(report.trace.backwards) == 2
    shown = lesson.shown("rebinding")
    assert shown.index("AG203") < shown.index("AG204")


@pytest.mark.parametrize("name", ["by_hand", "by_optimizer"])
def test_right_updates_are_silent(name: str, lessons: Lessons) -> None:
    lesson = lessons("05_updating_weights")
    report = lesson.reports[name]
    assert report.findings == () and len(report.trace.backwards) == 3
    added = [one[0] for kind, one, _ in ledger(report, "w") if kind == "accumulated"]
    assert added == pytest.approx([-28, -20.16, -14.5152])
    assert value(report, "w") == pytest.approx([1.626752])


# -- 06: results, shapes, no graph -------------------------------------------------------------
def test_grad_of_a_result(lessons: Lessons) -> None:
    lesson = lessons("06_non_leaf_and_shapes")
    report = lesson.reports["non_leaf"]
    (found,) = report.findings
    number = lesson.number("non_leaf")
    assert found.code == "AG201" and lesson.lines("non_leaf", found) == [(number, 5), (number, 3)]
    assert found.data["leaves"] == {"names": ["x"]} and gradient(report, "y") == [1, 1, 1]
    assert lesson.printed("non_leaf") == "None\n"
    assert lesson.printed("retained") == "tensor([1., 1., 1.])\n"
    assert lesson.reports["retained"].findings == ()


def test_backward_of_a_matrix(lessons: Lessons) -> None:
    lesson = lessons("06_non_leaf_and_shapes")
    (found,) = lesson.reports["matrix"].findings
    assert (found.code, found.data["shape"]) == ("AG102", {"shape": [2, 3]})
    for word in ("y.sum()", "y.mean()", "[2, 3]"):
        assert word in lesson.shown("matrix")
    assert lesson.reports["weighed"].findings == () and lesson.reports["by_vector"].findings == ()
    assert gradient(lesson.reports["by_vector"], "x") == [[2, 0, 0], [0, 0, 2]]


@pytest.mark.parametrize(
    ("name", "variant", "cut"),
    [
        ("under_no_grad", "no_grad", ("under_no_grad", 4)),
        ("through_item", "item", ("through_item", 2)),
        ("cut_earlier", "detach", ("detached", 2)),
        ("no_leaf", "no_leaf", None),
    ],
)
def test_where_the_graph_was_cut(name: str, variant: str, cut: tuple[str, int] | None, lessons: Lessons) -> None:
    lesson = lessons("06_non_leaf_and_shapes")
    (found,) = lesson.reports[name].findings
    assert (found.code, found.variant) == ("AG103", variant)
    here, *there = lesson.lines(name, found)
    assert here[0] == lesson.number(name)
    assert there == ([(lesson.number(cut[0]), cut[1])] if cut else [])


# -- 07: partial and higher derivatives --------------------------------------------------------
def test_partial_derivatives(lessons: Lessons) -> None:
    report = lessons("07_higher_orders").reports["partial"]
    assert (gradient(report, "a"), gradient(report, "b")) == (75, -12)
    assert report.findings == ()


def test_each_order_can_be_told_apart(lessons: Lessons) -> None:
    lesson = lessons("07_higher_orders")
    report = lesson.reports["orders"]
    assert lesson.printed("orders") == "80.0 160.0 240.0\n"
    runs = report.trace.backwards
    assert [(b.kind, b.order, b.create_graph) for b in runs] == [
        ("autograd.grad", 1, True), ("autograd.grad", 2, True), ("autograd.grad", 3, False),
    ]  # fmt: skip
    assert [value(report, name) for name in ("first", "second", "third")] == [80, 160, 240]
    nodes = [report.trace.tensors[tensor(report, name)].node for name in ("y", "first", "second")]
    assert [None if node is None else report.trace.nodes[node].order for node in nodes] == [1, 2, 3]
    assert {node.order for node in report.trace.nodes} == {1, 2, 3}
    assert report.findings == ()
    assert "∂²" in lesson.shown("orders") and "∂³" in lesson.shown("orders")


# -- 08: changes in place ----------------------------------------------------------------------
def test_saved_tensor_was_changed(lessons: Lessons) -> None:
    lesson = lessons("08_in_place")
    (found,) = lesson.reports["changed"].findings
    number = lesson.number("changed")
    assert found.code == "AG302" and lesson.lines("changed", found) == [(number, 4), (number, 3), (number, 5)]
    assert (found.data["saved_version"], found.data["version"], found.data["slot"]) == (0, 1, "result")
    assert lesson.result("y._version") == "1" and "ExpBackward0" in lesson.shown("changed")


def test_other_changes_do_no_harm(lessons: Lessons) -> None:
    lesson = lessons("08_in_place")
    assert lesson.reports["out_of_place"].findings == () and lesson.reports["harmless"].findings == ()
    assert gradient(lesson.reports["harmless"], "x") == [3, 3]
    harmless = lesson.reports["harmless"]
    y = harmless.trace.tensors[tensor(harmless, "y")].object
    assert [state.version for state in harmless.graph.states[y]] == [0, 1]


def test_change_in_an_earlier_cell(lessons: Lessons) -> None:
    lesson = lessons("08_in_place")
    assert lesson.reports["changing"].findings == ()
    (found,) = lesson.reports["failing"].findings
    saving, changing, failing = (lesson.number(name) for name in ("saving", "changing", "failing"))
    assert found.code == "AG302"
    assert lesson.lines("failing", found) == [(changing, 2), (saving, 4), (failing, 2)]
    assert f"In [{changing}]" in lesson.shown("failing")


# -- 09: the ledger across cells ---------------------------------------------------------------
def test_the_story_of_a_leaf(lessons: Lessons) -> None:
    lesson = lessons("09_ledger_across_cells")
    first, second = lesson.number("first"), lesson.number("second")
    (history,) = lesson.reports["second"].trace.history
    assert [(page.kind, page.cell, page.line) for page in history.past] == [
        ("first", first, 4), ("accumulated", first, 5), ("moved", None, None),
    ]  # fmt: skip
    told = [o.data["text/plain"] for cell in lesson.cells for o in cell.outputs if "agm-grads" in str(o)]
    assert len(told) == 2 and "plot" not in told[0]
    words = [" ".join(line.split()) for line in told[0].split("\n")]
    assert words == [
        "w [1]: w.grad is None",
        f"line 4 of In [{first}] first seen [1]",
        f"line 5 of In [{first}] backward added + [-28] None -> [-28]",
        "value changed in a cell that was not recorded: [1] -> [1.5]",
        "changed in a cell that was not recorded: [-28] -> [0]",
        f"line 2 of In [{second}] backward added + [-14] [0] -> [-14]",
        f"line 4 of In [{second}] value changed by sub_ [1.5] -> [1.64]",
        f"line 5 of In [{second}] set to None [-14] -> None",
    ]


def test_always_on_shows_the_cells_in_which_autograd_does_something(lessons: Lessons) -> None:
    lesson = lessons("09_ledger_across_cells")
    on = next(i for i, cell in enumerate(lesson.cells) if cell.source.startswith("%autograd on"))
    assert [len([o for o in cell.outputs if is_report(o)]) for cell in lesson.cells[on:]] == [0, 1, 0, 1, 0]
    latest = lesson.reports["latest"]
    assert len(latest.trace.backwards) == 10 and len(latest.trace.optimizer_steps) == 19 and latest.findings == ()
    assert value(latest, "w") == pytest.approx([2 - 0.36 * 0.72**10], rel=1e-4)
    (told,) = [o.data["text/plain"] for cell in lesson.cells[on:] for o in cell.outputs if "agm-grads" in str(o)]
    assert f"line 6 of In [{on + 2}]  value stepped by opt" in told
    assert "w.grad, 13 points: from -28 to -0.5241, lowest -28, highest 0" in " ".join(told.split())


# -- 11: values and statistics -----------------------------------------------------------------
def spread(report: Report, name: str) -> float:
    """The standard deviation noted of the tensor that has a name."""
    stats = report.trace.tensors[tensor(report, name)].stats
    assert stats is not None and stats.std is not None
    return stats.std


def spread_of_gradient(report: Report, name: str) -> float:
    """The standard deviation noted of the gradient that arrived at it."""
    gradient = report.graph.gradient(tensor(report, name))
    assert gradient is not None and gradient.stats is not None and gradient.stats.std is not None
    return gradient.stats.std


def test_a_signal_vanishes_layer_by_layer(lessons: Lessons) -> None:
    lesson = lessons("11_values_and_statistics")
    vanishing, steady = (lesson.reports[name] for name in ("vanishing", "steady"))
    names = ("h1", "h2", "h3", "h4")
    for before, after in zip(names, names[1:], strict=False):
        assert 3 < spread(vanishing, before) / spread(vanishing, after) < 6
        assert 1 < spread(steady, before) / spread(steady, after) < 2
    for before, after in zip(names[:2], names[1:], strict=False):
        assert 3 < spread_of_gradient(vanishing, after) / spread_of_gradient(vanishing, before) < 6
    assert f"tensor({spread(vanishing, 'h4'):.4f}" in lesson.result("h4.std()")
    boxes = {box.name or box.label: box for box in vanishing.pictures["forward"].boxes}
    assert boxes["h1"].above_figures.endswith(f"σ {spread(vanishing, 'h1'):.3g}")
    assert "█" not in lesson.shown("vanishing")


def test_not_a_number_stands_out_where_it_was_born(lessons: Lessons) -> None:
    lesson = lessons("11_values_and_statistics")
    report = lesson.reports["odd"]
    stats = {name: report.trace.tensors[tensor(report, name)].stats for name in ("logits", "p", "log_p", "terms")}
    zeros, born = stats["p"].zeros, stats["terms"]  # type: ignore[union-attr]
    assert zeros > 100 and stats["log_p"].neg_inf == zeros and born.nan == zeros  # type: ignore[union-attr]
    assert stats["logits"].nan == stats["log_p"].nan == 0  # type: ignore[union-attr]
    boxes = {box.name or box.label: box.above_figures for box in report.pictures["forward"].boxes}
    assert (boxes["log_p"], boxes["terms"]) == (f"⚠ {zeros} −Inf", f"⚠ {zeros} NaN")
    assert value(report, "entropy") == "nan" and "█" in lesson.shown("odd")
    sound = lesson.reports["sound"]
    assert 0 < value(sound, "entropy") < 0.1 and sound.findings == ()
    listed = lesson.result("[(row.shape, row.stats.nan, row.stats.neg_inf) for row in odd.trace.tensors if row.stats]")
    assert f"((32, 10), 0, {zeros})" in listed and f"((32, 10), {zeros}, 0)" in listed


# -- 10: check and nudge -----------------------------------------------------------------------
def checked(lesson: Lesson, line: str, number: int = 0) -> str:
    """What the n-th cell with a line `%autograd check ...` printed, with single blanks."""
    cell = [cell for cell in lesson.cells if cell.source == line][number]
    return " ".join("".join(o.text for o in cell.outputs if o.output_type == "stream").split())


def test_a_gradient_is_the_slope_that_differences_show(lessons: Lessons) -> None:
    lesson = lessons("10_check_and_nudge")
    words = checked(lesson, "%autograd check J w")
    assert "w[0] 1 -28 -28 -28" in words and words.count("agrees") == 2 and "DIFFERS" not in words
    assert lesson.result("round(((up - down) / (2 * h)).item())") == "-28"


def test_where_gradient_and_differences_part_the_line_is_named(lessons: Lessons) -> None:
    lesson = lessons("10_check_and_nudge")
    cut = checked(lesson, "%autograd check L v")
    assert cut.count("DIFFERS") == 2 and "through `detach(v)` (line 3), where autograd sends no gradient" in cut
    unseen = checked(lesson, "%autograd check R p")
    assert unseen.count("DIFFERS") == 1 and "`mul_(q.data, 2)` changed such a value (line 5)" in unseen
    kink = checked(lesson, "%autograd check K k")
    assert "slope 1 to the right and 0 to the left" in kink


def test_dropout_is_refused_until_it_rests(lessons: Lessons) -> None:
    lesson = lessons("10_check_and_nudge")
    refused, agreed = (checked(lesson, "%autograd check loss m[0].weight", n) for n in (0, 1))
    assert "Not checked" in refused and "draws random numbers" in refused and "(line 3)" in refused
    assert agreed.count("agrees") == 2


# -- 12: hooks and products --------------------------------------------------------------------
def test_a_hook_is_shown_before_and_after(lessons: Lessons) -> None:
    lesson = lessons("12_hooks_and_products")
    report = lesson.reports["clipped"]
    assert gradient(report, "y") == [1, 1] and lesson.result("w.grad") == "tensor([3., 3.])"
    (hook,) = report.trace.hooks
    assert (hook.name, report.trace.places[hook.places[0]].line) == ("clip", 8)
    (step,) = report.graph.steps_of(report.trace.tensors[tensor(report, "y")].node)
    before = report.graph.before_hooks(step)
    assert before is not None and before.value == [6, 12]
    assert [box.hook for box in report.pictures["forward"].boxes if box.name == "y"] == ["changed"]
    report = lesson.reports["on_leaves"]
    assert ledger(report, "w") == [("accumulated", [30, 40], [30, 40])] and lesson.printed("on_leaves") == "norm 50.0\n"
    assert "hook tenfold changed [3 4] to [30 40]" in " ".join(lesson.shown("on_leaves").split())
    assert {hook.name for hook in report.trace.hooks} == {"tenfold", "report_norm"}


def test_products_with_the_jacobian_have_their_names(lessons: Lessons) -> None:
    lesson = lessons("12_hooks_and_products")
    assert gradient(lesson.reports["row"], "x") == [2, 1] and value(lesson.reports["rows"], "J") == [[2, 1], [4, 4]]
    assert "vector-Jacobian product vᵀJ" in lesson.shown("row")
    assert "J = jacobian(…)" in lesson.shown("rows") and ("call", "jacobian") in names_in(lesson.reports["rows"])
    report = lesson.reports["column"]
    assert value(report, "Ju") == [1, 4] and "J·u, J = ∂y/∂x = Ju = [1 4]" in lesson.shown("column")
    assert [row.order for row in report.trace.backwards] == [1, 2]
    assert all(report.findings == () for report in lesson.reports.values())


def test_several_outputs_and_inputs(lessons: Lessons) -> None:
    lesson = lessons("12_hooks_and_products")
    assert lesson.printed("several") == "43.0 2.0 None\n"
    shown = " ".join(lesson.shown("several").split())
    assert "∂(product, square)/∂a = da = 43" in shown and "∂(product, square)/∂c = None" in shown


# -- 13: the timeline --------------------------------------------------------------------------
def told(report: Report) -> dict[str, Any]:
    """The timeline of a report: kinds, captions, iterations and marks."""
    timeline: dict[str, Any] = payload(report)["timeline"]
    return timeline


def test_each_step_that_the_text_names_is_what_it_says(lessons: Lessons) -> None:
    timeline = told(lessons("13_the_timeline").reports["training"])
    step = dict(enumerate(zip(timeline["kinds"], timeline["captions"], strict=True), start=1))
    forward = [step[n] for n in range(4, 8)]
    assert "".join(kind for kind, _ in forward) == "ffff" and forward[-1][1].endswith("→ 14")
    assert step[8][1] == "J.backward() begins: ∂J/∂J = 1"
    nodes = ("SumBackward0", "PowBackward0", "SubBackward0", "MulBackward0")
    for (kind, caption), node in zip([step[n] for n in range(9, 13)], nodes, strict=True):
        assert kind == "s" and node in caption
    assert step[13][1] == "w.grad: None + [−28] → [−28]"
    assert step[14][1] == "optimizer.step() (lr 0.01): w [1] → [1.28]"
    assert step[19][1] == "optimizer.zero_grad(): w.grad [−28] → None"
    assert [mark[:2] for mark in timeline["iterations"]] == [[3, "1"], [14, "2"], [26, "3"]]


def test_the_rules_by_hand_give_the_same(lessons: Lessons) -> None:
    lesson = lessons("13_the_timeline")
    (last,) = [cell.source.split("\n")[-1] for cell in lesson.cells if cell.source.startswith("error =")]
    assert lesson.result(last) == "tensor(-28.)" and ledger(lesson.reports["training"], "w")[0][1] == [-28]
    for rule in ("grad · ones([4])", "[1 1 1 1] · 2 · [0 -1 -2 -3] = [0 -2 -4 -6]", "grad · x, summed to shape [1]"):
        assert rule in lesson.shown("training")


def test_rules_of_matrices_and_of_what_has_none(lessons: Lessons) -> None:
    lesson = lessons("13_the_timeline")
    layer, own = (" ".join(lesson.shown(name).split()) for name in ("layer", "own"))
    assert "outer(grad, v) outer([1 0], [1 2]) = [[1 2] [0 0]]" in layer and "[1 0] · ([1 0] > 0) = [1 0]" in layer
    assert gradient(lesson.reports["layer"], "A") == [[1, 2], [0, 0]]
    assert "no formula known for TwiceBackward" in own
    assert gradient(lesson.reports["own"], "z") == pytest.approx([2 * math.exp(2), 2 * math.exp(6)])


def test_the_mark_of_a_finding_is_the_step_where_it_went_wrong(lessons: Lessons) -> None:
    lesson = lessons("13_the_timeline")
    assert lesson.printed("forgotten").split() == ["14.0", "2.24", "21.53", "1.66"]
    assert codes(lesson.reports["forgotten"]) == ["AG202"]
    timeline = told(lesson.reports["forgotten"])
    ((moment, _),) = timeline["findings"]
    assert timeline["captions"][moment] == "w.grad: [−28] + [11.2] → [−16.8]"
    second, third = (mark[0] for mark in timeline["iterations"][1:3])
    assert second < moment < third


# -- 14: finding mistakes ----------------------------------------------------------------------
def test_a_gradient_zeroed_too_early(lessons: Lessons) -> None:
    lesson = lessons("14_finding_mistakes")
    lost, note = lesson.reports["standstill"].findings
    number = lesson.number("standstill")
    assert (lost.code, lost.severity, note.code, note.severity) == ("AG205", "warning", "AG303", "note")
    assert lesson.lines("standstill", lost) == [(number, 9), (number, 8), (number, 10)]
    assert lesson.lines("standstill", note) == [(number, 10)]
    assert lesson.printed("standstill").split() == ["14.0"] * 3
    losses = [float(loss) for loss in lesson.printed("moving").split()]
    assert losses == sorted(losses, reverse=True) and losses[-1] < 4 and lesson.reports["moving"].findings == ()


def test_history_that_grows(lessons: Lessons) -> None:
    lesson = lessons("14_finding_mistakes")
    (found,) = lesson.reports["growing"].findings
    number = lesson.number("growing")
    assert (found.code, found.severity) == ("AG402", "warning")
    assert lesson.lines("growing", found) == [(number, 10), (number, 6)]
    assert "grad_fn" in lesson.printed("growing") and lesson.reports["steady"].findings == ()
    assert f"tensor({float(lesson.printed('steady')):.4f}," in lesson.printed("growing")


def test_not_a_number_is_born_before_it_is_seen(lessons: Lessons) -> None:
    lesson = lessons("14_finding_mistakes")
    assert lesson.printed("meeting").split() == ["4.0", "0.0", "nan"]
    cause, follows = lesson.reports["meeting"].findings
    assert (cause.code, follows.code, follows.because) == ("AG602", "AG601", "AG602")
    timeline = told(lesson.reports["meeting"])
    second, third = (mark[0] for mark in timeline["iterations"][1:])
    for moment, _ in timeline["findings"]:
        assert second < moment < third and timeline["kinds"][moment] == "s"
    assert lesson.printed("arriving").split() == ["4.0", "0.0", "0.0"] and lesson.reports["arriving"].findings == ()


def test_where_does_not_stop_it(lessons: Lessons) -> None:
    lesson = lessons("14_finding_mistakes")
    (found,) = lesson.reports["discarded"].findings
    number = lesson.number("discarded")
    assert found.code == "AG601" and lesson.lines("discarded", found) == [(number, 3), (number, 4)]
    assert "nan" in lesson.printed("discarded") and "q * q.log()" in lesson.shown("discarded")
    assert "nan" not in lesson.printed("guarded") and lesson.reports["guarded"].findings == ()


def test_a_graph_freed_by_another_cell(lessons: Lessons) -> None:
    lesson = lessons("14_finding_mistakes")
    once, twice = lesson.number("once"), lesson.number("twice")
    (found,) = lesson.reports["twice"].findings
    assert (found.code, found.severity) == ("AG101", "error")
    assert lesson.lines("twice", found) == [(twice, 4), (once, 3), (once, 5)]
    assert lesson.reports["once"].findings == () and lesson.reports["anew"].findings == ()
    assert gradient(lesson.reports["anew"], "w") == [7, 9]


# -- 15: data out ------------------------------------------------------------------------------
def test_tables_of_a_training(lessons: Lessons) -> None:
    lesson = lessons("15_data_out")
    report = lesson.reports["report"]
    assert report.findings == () and len(report.backwards) == 20
    assert sum(row["counted_bytes"] for row in report.saved) == report.graph.unique_bytes(report.trace.saved)[0]
    summed = lesson.result(lesson.cells[2].source.split("\n")[-1])
    assert "model[1]  TanhBackward0     40960" in summed and "AddmmBackward0" in summed
    table = lesson.result(lesson.cells[3].source.split("\n")[-1])
    assert [int(line.split()[0]) for line in table.split("\n")[1:]] == [0, 5, 10, 15]
    losses = [row["loss"] for row in report.backwards]
    assert f"{losses[0]:.4f}" in table and losses == sorted(losses, reverse=True)
    names = {f"model[{k}].{parameter}" for k in (0, 2) for parameter in ("weight", "bias")}
    assert {row["tensor"] for row in report.gradients} == names


def test_two_trainings_compared(lessons: Lessons) -> None:
    lesson = lessons("15_data_out")
    before, after = lesson.reports["report"], lesson.reports["other_report"]
    said = lesson.result("report.diff(other_report)")
    assert said == before.diff(after).to_text("en")
    assert "tanh (model[1])" in said and "relu (model[1])" in said and "optimizer.zero_grad()  ×19" in said
    kinds = lesson.result("list(kinds), bool(difference), bool(report.diff(report))")
    assert kinds.split() == str((list(dict.fromkeys(e.what for e in before.diff(after).entries)), True, False)).split()
    assert lesson.result('bool(report.diff(load(folder / "before.json.gz")))') == "False"


def test_findings_of_a_file(lessons: Lessons) -> None:
    lesson = lessons("15_data_out")
    assert codes(lesson.reports["other_report"]) == ["AG202"]
    printed = ["".join(o.text for o in cell.outputs if o.output_type == "stream") for cell in lesson.cells]
    assert sum("<AG202 warning, line 9: " in text for text in printed) == 1
    assert sum("AG202 warning, line 9: " in text and "exit status: 1" in text for text in printed) == 1
    listed = lesson.result('[(one["code"], one["severity"], one["line"]) for one in found]')
    assert listed == "[('AG202', 'warning', 9)]"
