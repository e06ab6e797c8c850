"""What differs between two recordings, and that nothing is said to differ where nothing does."""

from __future__ import annotations

import dataclasses
import math
import pathlib
import random
import subprocess
import sys
import time
from typing import Any

import pandas
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograd_magics import texts
from autograd_magics.difference import KINDS, Difference
from autograd_magics.difference.align import aligned, joined
from autograd_magics.difference.values import distance
from autograd_magics.report import Report
from autograd_magics.trace import Gradient, Stats
from autograd_magics.views import format
from tests.builders import Cell, added_again, hostile, loop, regression, report
from tests.recorded import record_cell

STEP = """
torch.manual_seed(0)
x = torch.linspace(-1, 1, 8).reshape(-1, 1)
model = torch.nn.Sequential(torch.nn.Linear(1, 4), torch.nn.Tanh(), torch.nn.Linear(4, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for step in range(3):
    loss = (model(x) - 1).pow(2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""


def recorded(source: str, **options: Any) -> Report:
    return Report(record_cell(source, **options), lang="en")


def differ(change: tuple[str, str], source: str = STEP, **options: Any) -> Difference:
    """What a change of the source makes of its recording."""
    assert change[0] in source
    return recorded(source, **options).diff(recorded(source.replace(*change), **options))


def told(difference: Difference, what: str) -> list[tuple[Any, ...]]:
    """Change, name, before, after and number of each entry of a kind."""
    return [(e.change, e.name, e.before, e.after, e.times) for e in difference.entries if e.what == what]


def kinds(difference: Difference) -> list[str]:
    return list(dict.fromkeys(entry.what for entry in difference.entries))


# -- nothing differs ---------------------------------------------------------------------------
@pytest.mark.parametrize("made", [regression, lambda: added_again()[0], lambda: loop(3), lambda: hostile()[0]])
def test_a_recording_differs_from_itself_in_nothing(made: Any) -> None:
    found = report(made()).diff(report(made()))
    assert not found and found.rows == [] and found.entries == ()
    assert "Nothing differs" in str(found) and "Nothing differs" in found.to_html()


def test_the_same_cell_run_again_differs_in_nothing() -> None:
    assert not recorded(STEP, values="stats").diff(recorded(STEP, values="stats"))


@pytest.mark.parametrize(
    "change",
    [
        ("\n    loss.backward", "\n    # a comment, and an empty line\n\n    loss.backward"),
        ("optimizer.step()", "optimizer.step()   # at last"),
        ("loss = (model(x) - 1).pow(2).mean()", "loss = (model(x)  -  1).pow(2).mean()  # spaced"),
        ("x = torch.linspace", "unused = 3\nx = torch.linspace"),
    ],
)
def test_what_only_moves_differs_in_nothing(change: tuple[str, str]) -> None:
    if sys.version_info < (3, 11) and "spaced" in change[1]:
        change = ("x = ", "\nx = ")  # without columns the whole line is a call's source
    found = differ(change)
    assert told(found, "call") == [] or change[1].endswith("spaced")
    assert set(kinds(found)) <= {"call", "saved"} if change[1].endswith("spaced") else not found


def test_rounding_is_no_difference() -> None:
    cell = regression()
    change = cell.tables["changes"][-1]
    cell.change("changes", change.id, after=change.after._replace(value=[-28.00001]))
    assert not report(regression()).diff(report(cell))
    cell.change("changes", change.id, after=change.after._replace(value=[-28.001]))
    assert kinds(report(regression()).diff(report(cell))) == ["gradient"]


# -- what differs ------------------------------------------------------------------------------
def test_another_call() -> None:
    found = differ(("Tanh", "ReLU"))
    assert told(found, "call") == [("removed", "tanh", "model(x)", None, 3), ("added", "relu", None, "model(x)", 3)]
    assert told(found, "node") == [("added", "ReluBackward0", 0, 3, 1), ("removed", "TanhBackward0", 3, 0, 1)]
    assert {entry.module for entry in found.entries if entry.what == "call"} == {"model[1]"}


def test_a_changed_call_is_told_once() -> None:
    """Not again in the calls that take its result, although their source holds it."""
    found = differ(("model(x) - 1", "model(x) - 2"))
    ((change, name, before, after, times),) = told(found, "call")
    assert (change, name, times) == ("changed", "sub", 3)
    assert before.startswith("model(x) - 1") and after.startswith("model(x) - 2")


def test_shapes() -> None:
    found = differ(("4", "5"))
    changed = {(name, before, after) for _, name, before, after, _ in told(found, "call")}
    assert ("linear", "float32 8x4", "float32 8x5") in changed and ("tanh", "float32 8x4", "float32 8x5") in changed
    leaves = {(name, before, after) for _, name, before, after, _ in told(found, "gradient")}
    assert ("model[0].weight", "float32 4x1 cpu", "float32 5x1 cpu") in leaves
    total = told(found, "saved")[0]
    assert total[:2] == ("changed", "") and total[2] < total[3]


def test_a_forgotten_zero_grad() -> None:
    found = differ(("    optimizer.zero_grad()\n", ""))
    assert told(found, "update") == [("removed", "zero_grad", "optimizer.zero_grad()", None, 2)]
    ((change, code, before, after, _),) = told(found, "finding")
    assert (change, code, before) == ("added", "AG202", None) and "not zeroed" in after
    assert told(found, "call") == [] and kinds(found)[0] == "finding"
    assert all(entry.distance for entry in found.entries if entry.what == "gradient")


def test_a_finding_that_is_gone() -> None:
    good = recorded(STEP)
    bad = recorded(STEP.replace("    optimizer.zero_grad()\n", ""))
    ((change, code, before, after, _),) = told(bad.diff(good), "finding")
    assert (change, code, after) == ("removed", "AG202", None) and "not zeroed" in before


def test_updates_by_hand() -> None:
    source = """
w = torch.tensor([1.0], requires_grad=True)
for step in range(2):
    (w * w).sum().backward()
    with torch.no_grad():
        w -= 0.1 * w.grad
    w.grad = None
"""
    found = differ(("w.grad = None", "w.grad.zero_()"), source)
    ((change, name, _, after, times),) = told(found, "update")
    assert (change, name, after, times) == ("changed", "w.grad", "w.grad.zero_()", 2)
    assert told(differ(("        w -= 0.1 * w.grad", "        pass"), source), "update")[0][:2] == ("removed", "w")


def test_the_first_value_that_differs_is_the_cause() -> None:
    found = differ(("1, 8)", "2, 8)"), values="stats")
    ((change, name, before, after, _),) = told(found, "value")
    assert (change, name) == ("changed", "x") and before < after
    (entry,) = (entry for entry in found.entries if entry.what == "value")
    assert entry.distance == pytest.approx(1.0) and entry.places[0].line == 3


def test_losses_and_how_a_backward_ran() -> None:
    found = differ(("loss.backward()", "loss.backward(retain_graph=True)"))
    ((change, name, before, after, times),) = told(found, "backward")
    assert (change, name, times) == ("changed", "loss", 3)
    assert before.endswith("retain_graph=False") and after.endswith("retain_graph=True")
    found = report(loop(1)).diff(report(regression()))
    assert [one[:2] for one in told(found, "backward")] == [("removed", "z"), ("added", "J")]
    losses = told(differ(("lr=0.1", "lr=0.01")), "backward")
    assert len(losses) == 2 and all(one[2] < one[3] for one in losses)


def test_iterations_that_are_not_kept_are_counted() -> None:
    source = """
w = torch.tensor(8.0, requires_grad=True)
for step in range(100):
    loss = w * w
    loss.backward()
    with torch.no_grad():
        w *= 0.99
    w.grad = None
"""
    found = differ(("100", "130"), source)
    assert ("changed", "loss.backward()", "iterations=100", "iterations=130", 1) in told(found, "backward")
    assert ("changed", "loss.backward()", "iterations=100", "iterations=2", 1) in told(
        differ(("100", "2"), source), "backward"
    )
    assert not differ(("100", "100"), source)


def test_gradients_that_are_there_no_longer() -> None:
    found = report(regression()).diff(report(regression(backward=False)))
    assert told(found, "gradient") == [("removed", "w", -28.0, None, 1)]
    assert told(found, "backward") == [("removed", "J", "J.backward()", None, 1)]


def test_a_gradient_of_zero_is_a_value() -> None:
    cell = loop(1, zeroing=True)
    found = report(Cell("w = 1")).diff(report(cell))
    assert told(found, "gradient") == [("added", "w", None, 0.0, 1)]


def test_torch_and_exceptions() -> None:
    one, other = regression(), regression()
    other.fail("RuntimeError", "no", "J.backward()")
    found = report(one).diff(report(dataclasses.replace(other.trace(), torch="2.14.0")))
    assert told(found, "torch") == [("changed", "torch", "2.13.0", "2.14.0", 1)]
    assert told(found, "raised") == [("added", "", None, "RuntimeError: no", 1)]


def test_only_a_report_is_taken() -> None:
    with pytest.raises(TypeError, match=r"other is str 'step.json'; expected a Report: load\(path\) gives one"):
        report(regression()).diff("step.json")  # type: ignore[arg-type]


# -- how it is shown ---------------------------------------------------------------------------
def test_rows_are_plain() -> None:
    found = differ(("Tanh", "ReLU"))
    frame = pandas.DataFrame(found.rows)
    assert list(frame.columns) == [
        "what", "change", "name", "module", "before", "after", "line_before", "line_after", "distance", "times",
    ]  # fmt: skip
    plain = (str, int, float, bool, type(None))
    assert all(type(value) in plain for row in found.rows for value in row.values())
    assert set(frame["what"]) <= set(KINDS) and list(frame["what"]) == sorted(frame["what"], key=KINDS.index)
    call = found.rows[0]
    assert (call["line_before"], call["line_after"], call["times"]) == (7, None, 3)


@pytest.mark.parametrize("lang", texts.languages())
def test_every_language(lang: str) -> None:
    everything = [
        differ(("4", "5")),
        differ(("    optimizer.zero_grad()\n", "")),
        report(hostile()[0]).diff(report(*added_again())),
    ]
    for found in everything:
        said = found.to_text(lang)
        assert max(map(format.columns, said.split("\n"))) <= 80
        for kind in kinds(found):
            assert texts.text(f"diff.{kind}", lang).upper() in said
            assert texts.text(f"diff.{kind}", lang) in found.to_html(lang)


def test_text_in_full() -> None:
    said = str(report(regression()).diff(report(*added_again())))
    assert said.split("\n\n")[1:] == [
        "FINDINGS\n  + new  line 8  AG202\n"
        "      `w.grad` was [-28] before the backward at line 8 and was not zeroed: [-28]\n"
        "      was added and it is [-56] now.",
        "BACKWARDS\n  + new  line 8  J  J.backward(retain_graph=True)",
        "GRADIENTS AT THE END (VALUES, NORMS OF LARGER ONES)\n  ~ changed  w  -28 -> -56  up to 28 apart",
    ]


def test_nothing_of_the_users_becomes_markup() -> None:
    shown = report(hostile()[0]).diff(report(regression())).to_html()
    assert "<img" not in shown and "<script" not in shown and "\x1b" not in shown
    assert "\x1b" not in str(report(hostile()[0]).diff(report(regression())))


def test_long_lists_are_cut_and_counted() -> None:
    cell = Cell("\n".join(f"y{k} = w * {k}" for k in range(50)))
    w = cell.leaf("w", [1.0])
    for k in range(50):
        cell.call(f"w * {k}", "mul", (w,), [1.0], name=f"y{k}", node="MulBackward0")
    found = report(Cell("a = 1")).diff(report(cell))
    assert len(told(found, "call")) == 50
    assert "  … 30 more\n" in str(found) and "… 30 more</td>" in found.to_html()


# -- findings in a test ------------------------------------------------------------------------
def test_a_failing_assertion_says_what_was_found(tmp_path: pathlib.Path) -> None:
    (tmp_path / "test_step.py").write_text(
        "import torch\nfrom autograd_magics import record\n\n"
        "def test_step():\n"
        "    w = torch.tensor([1.0], requires_grad=True)\n"
        "    optimizer = torch.optim.SGD([w], lr=0.1)\n"
        "    with record() as recording:\n"
        "        for _ in range(3):\n"
        "            (w * w).sum().backward()\n"
        "            optimizer.step()\n"
        "    assert not recording.report.findings\n\n"
        "def test_good():\n"
        "    w = torch.tensor([1.0], requires_grad=True)\n"
        "    with record() as recording:\n"
        "        (w * w).sum().backward()\n"
        "    assert not recording.report.findings\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_step.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1 and "1 failed, 1 passed" in done.stdout
    (line,) = (line for line in done.stdout.split("\n") if line.startswith("E ") and "assert not" in line)
    assert "<AG202 warning, line 9: " in line and "w.grad" in line


def test_a_finding_tells_itself() -> None:
    made = Report(added_again()[0].trace(), lang="en")
    (found,) = made.findings
    assert repr(found) == str(found)
    assert repr(found).startswith("<AG202 ") and ", line 8: `w.grad`" in repr(found)
    assert repr(made.findings) == f"({found!r},)"
    assert "linha 8" in repr(Report(made.trace, lang="pt_BR").findings)


def test_a_finding_of_no_report_shows_its_data() -> None:
    (_, finding) = added_again()
    assert repr(finding).startswith("Finding('AG202', 'warning', at=") and "'times': 1" in repr(finding)


def test_copies_of_a_finding_are_equal_and_light() -> None:
    (found,) = Report(added_again()[0].trace(), lang="en").findings
    copied = dataclasses.asdict(found)
    assert copied["code"] == "AG202" and copied["words"] is found.words
    assert dataclasses.replace(found, words=None) == found


# -- side by side ------------------------------------------------------------------------------
WORDS = st.lists(st.sampled_from("abcd"), max_size=14)


@given(WORDS, WORDS)
@settings(max_examples=300, deadline=None)
def test_alignment_keeps_all_in_order(before: list[str], after: list[str]) -> None:
    pairs = aligned(before, after, key=lambda one: one)
    assert [a for a, _ in pairs if a is not None] == before
    assert [b for _, b in pairs if b is not None] == after
    assert all(a == b for a, b in pairs if a is not None and b is not None)
    assert (None, None) not in pairs
    both = joined(pairs, key=lambda one: one in "ab")
    assert sorted(a for a, _ in both if a is not None) == sorted(before)
    assert sorted(b for _, b in both if b is not None) == sorted(after)
    assert all((a in "ab") == (b in "ab") for a, b in both if a is not None and b is not None)


def test_alignment_finds_what_was_put_in_and_taken_out() -> None:
    lines = [f"line {k}" for k in range(200)]
    shorter = [line for k, line in enumerate(lines) if k % 7]
    pairs = aligned(lines, shorter, key=lambda one: one)
    assert [a for a, b in pairs if b is None] == lines[::7] and all(a is not None for a, _ in pairs)


def test_alignment_of_a_loop_pairs_its_iterations() -> None:
    before, after = ["mul", "add", "relu"] * 400, ["mul", "add", "tanh"] * 400
    pairs = aligned(before, after, key=lambda one: one)
    assert sum(a is None for a, _ in pairs) == sum(b is None for _, b in pairs) == 400
    assert sum(a == b for a, b in pairs) == 800


def test_ten_thousand_calls_take_little_time() -> None:
    """Also where every iteration differs, and where all are in another order; quadratic would take minutes."""
    before = [f"call {k % 5}" for k in range(10_000)]
    other = ["another" if one == "call 3" else one for one in before]
    mixed = [f"call {k}" for k in range(10_000)]
    random.Random(0).shuffle(mixed)
    start = time.process_time()
    for one, two in ((before, other), ([f"call {k}" for k in range(10_000)], mixed)):
        assert len(joined(aligned(one, two, key=lambda x: x), key=lambda x: x[:4])) >= 10_000
    assert time.process_time() - start < 5


# -- values ------------------------------------------------------------------------------------
def gradient(value: Any = None, dtype: str = "float32", stats: Stats | None = None) -> Gradient:
    return Gradient((2,), dtype, "cpu", value, stats)


@pytest.mark.parametrize(
    ("one", "other", "apart"),
    [
        ([1.0, 2.0], [1.0, 2.5], 0.5),
        ([1.0, 2.0], [1.0, 2.0000001], 0.0),
        (["nan", 1.0], ["nan", 1.0], 0.0),
        (["nan", 1.0], [2.0, 1.0], math.inf),
        (["inf", 1.0], ["inf", 1.0], 0.0),
        (["inf", 1.0], ["-inf", 1.0], math.inf),
        (["(1+1j)", 0.0], ["(1+2j)", 0.0], 1.0),
        ([0.0, 0.0], [0.0, 0.0], 0.0),
    ],
)
def test_distance(one: Any, other: Any, apart: float) -> None:
    assert distance(gradient(one), gradient(other)) == apart == distance(gradient(other), gradient(one))


def test_distance_that_cannot_be_told() -> None:
    assert distance(gradient([1.0, 2.0]), gradient()) is None
    assert distance(gradient([1.0, 2.0]), gradient([1.0, 2.0], "float64")) is None
    half = gradient([1.0, 2.0], "float16"), gradient([1.0, 2.001], "float16")
    assert distance(*half) == 0.0


def test_distance_of_figures() -> None:
    stats = Stats(2, 0.5, 0.1, 0.0, 1.0, 1, 0, 0, 0)
    assert distance(gradient(stats=stats), gradient(stats=stats)) == 0.0
    assert distance(gradient(stats=stats), gradient(stats=stats._replace(max=3.0))) == 2.0
    assert distance(gradient(stats=stats), gradient(stats=stats._replace(nan=1))) == math.inf
