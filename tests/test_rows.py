"""The tables of a report: plain rows that pandas takes, whose figures are those of the trace."""

from __future__ import annotations

import math
import time
from typing import Any

import pandas
import pytest
import torch

from autograd_magics import record
from autograd_magics.report import Report
from autograd_magics.trace import Loop, Scope, Stats, Trace
from tests.builders import HOSTILE, Cell, added_again, hostile, loop, regression, report
from tests.recorded import record_cell

TABLES = ("nodes", "calls", "saved", "gradients", "backwards")

TRAINING = """
torch.manual_seed(0)
model = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
x = torch.randn(4, 3)
for step in range(3):
    loss = model(x).pow(2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""


def training(**options: Any) -> Report:
    return Report(record_cell(TRAINING, **options), lang="en")


CASES = {
    "regression": lambda: report(regression()),
    "added again": lambda: report(*added_again()),
    "loop": lambda: report(loop(3, zeroing=True)),
    "hostile": lambda: report(hostile()[0]),
    "empty": lambda: report(Cell("a = 1")),
    "training": lambda: training(values="stats"),
}


def is_plain(value: object) -> bool:
    if isinstance(value, tuple):
        return all(type(one) is int for one in value)
    return value is None or type(value) in (str, int, float, bool)


@pytest.mark.parametrize("made", CASES.values(), ids=CASES.keys())
@pytest.mark.parametrize("table", TABLES)
def test_rows_are_plain_and_have_the_same_columns(table: str, made: Any) -> None:
    rows = getattr(made(), table)
    assert all(is_plain(value) for row in rows for value in row.values())
    assert len({tuple(row) for row in rows}) <= 1
    frame = pandas.DataFrame(rows)
    assert len(frame) == len(rows) and list(frame.columns) == (list(rows[0]) if rows else [])


@pytest.mark.parametrize("table", TABLES)
def test_every_column_is_documented(table: str) -> None:
    doc = getattr(Report, table).__doc__
    (row, *_) = getattr(training(), table)
    named = set(doc.split("`")[1::2])
    named |= {f"added_{name}" for name in ("norm", "rms", "max", "zeros", "nan", "inf") if "added_" in named}
    assert set(row) - named == set()


def test_each_reading_gives_new_lists() -> None:
    made = report(regression())
    made.nodes.clear()
    made.calls[0]["op"] = "changed"
    assert len(made.nodes) == len(made.trace.nodes) and made.calls[0]["op"] == "mul"


def test_nodes_of_the_regression() -> None:
    rows = report(regression()).nodes
    product = next(row for row in rows if row["name"] == "MulBackward0")
    leaf = next(row for row in rows if row["name"] == "AccumulateGrad")
    assert (product["tensor"], product["op"], product["cell"], product["line"]) == ("y_pred", "mul", 5, 4)
    assert (product["shape"], product["elements"], product["dtype"], product["device"]) == ("4", 4, "float32", "cpu")
    assert product["parents"] == (leaf["node"],) and product["file"] is None
    assert (product["saved"], product["saved_bytes"], product["runs"]) == (1, 16, 1)
    assert (product["freed"], product["freed_by"], product["freed_cell"], product["freed_line"]) == (True, 0, 5, 7)
    assert product["kept"] is False and product["module"] is None
    assert product["grad_norm"] == pytest.approx(math.sqrt(56)) and product["grad_max"] == 6
    assert product["grad_rms"] == pytest.approx(math.sqrt(14)) and product["grad_zeros"] == 1
    assert (leaf["tensor"], leaf["origin"], leaf["call"]) == ("w", "leaf", None) and leaf["grad_rms"] == 28


def test_what_is_kept_is_said() -> None:
    rows = report(regression(backward=False)).nodes
    assert {row["name"]: row["kept"] for row in rows if row["saved"]} == {"MulBackward0": True, "PowBackward0": True}
    assert not any(row["freed"] or row["runs"] for row in rows)
    assert all(row["grad_rms"] is None and row["grad_nan"] is None for row in rows)


def test_calls_of_the_regression() -> None:
    rows = report(regression()).calls
    assert [row["op"] for row in rows] == ["mul", "sub", "pow", "sum"]
    total = rows[-1]
    assert (total["result"], total["code"], total["value"]) == ("J", "e.pow(2).sum()", 14.0)
    assert (total["shape"], total["elements"], total["requires_grad"]) == ("scalar", 1, True)
    assert rows[0]["inputs"] == "x, w" and rows[0]["saved_bytes"] == 16 and rows[0]["value"] is None
    assert rows[0]["error"] is None and rows[0]["cut"] is None


def test_a_failed_call_says_so() -> None:
    (cell, _) = hostile()
    failed = report(cell).calls[1]
    assert failed["error"] == f"RuntimeError: {HOSTILE}" and failed["shape"] is None and failed["node"] is None


def test_tables_join_by_their_ids() -> None:
    made = training()
    calls, nodes, saved = (pandas.DataFrame(rows) for rows in (made.calls, made.nodes, made.saved))
    joined = saved.merge(nodes, on="node", suffixes=("", "_node"))
    assert len(joined) == len(saved) and (joined["name"] == joined["name_node"]).all()
    by_call = nodes.dropna(subset="call").merge(calls, on="call", suffixes=("", "_call"))
    assert (by_call["op"] == by_call["op_call"]).all() and len(by_call) == nodes["call"].notna().sum()
    assert set(nodes["freed_by"].dropna()) == {row["backward"] for row in made.backwards}


@pytest.mark.parametrize("made", CASES.values(), ids=CASES.keys())
def test_counted_bytes_add_up_to_the_total(made: Any) -> None:
    one = made()
    assert sum(row["counted_bytes"] for row in one.saved) == one.graph.unique_bytes(one.trace.saved)[0]


def test_saved_says_whose_it_is() -> None:
    one = next(row for row in training().saved if row["tensor"] == "model[2].weight")
    assert one["parameter"] is True and one["bytes"] == 32 and one["elements"] == 8 and one["shape"] == "8x1"
    assert (one["op"], one["slot"], one["freed"], one["kept"]) == ("linear", "mat2", True, False)


def test_gradients_are_the_ledger_with_figures() -> None:
    rows = report(loop(2, zeroing=True)).gradients
    assert [(row["kind"], row["value"], row["added_norm"]) for row in rows] == [
        ("accumulated", 1.0, 1.0), ("zeroed", 0.0, None), ("accumulated", 2.0, 2.0), ("zeroed", 0.0, None),
    ]  # fmt: skip
    assert [row["backward"] for row in rows] == [0, None, 1, None]
    assert [row["zeros"] for row in rows] == [0, 1, 0, 1] and {row["tensor"] for row in rows} == {"w"}


def test_what_autograd_grad_gave_back_is_there() -> None:
    with record() as recording:
        w = torch.tensor([3.0, 4.0], requires_grad=True)
        (given,) = torch.autograd.grad((w * w).sum(), w)
    (row,) = recording.report.gradients
    assert (row["tensor"], row["kind"], row["norm"], row["max"]) == ("w", "returned", 10.0, 8.0)
    assert given.tolist() == [6.0, 8.0]


def test_figures_of_large_gradients_are_those_of_torch() -> None:
    source = """
    torch.manual_seed(1)
    w = torch.randn(50, 7, requires_grad=True)
    (w * w * w).sum().backward()
    grad = w.grad.clone()
    """
    from tests.recorded import Notebook

    notebook = Notebook()
    trace = notebook.run(source, values="stats")
    row = next(row for row in Report(trace, lang="en").gradients if row["kind"] == "accumulated")
    grad = notebook.namespace["grad"].double()
    assert (row["shape"], row["elements"], row["value"]) == ("50x7", 350, None)
    assert row["norm"] == pytest.approx(grad.norm().item()) and row["max"] == pytest.approx(grad.abs().max().item())
    assert row["rms"] == pytest.approx(grad.pow(2).mean().sqrt().item()) and row["nan"] == 0


def test_nan_and_inf_are_counted_apart() -> None:
    cell = regression()
    change = cell.tables["changes"][-1]
    odd = change.after._replace(value=["nan", "inf", 3.0, 4.0], shape=(4,))
    cell.change("changes", change.id, after=odd, added=odd._replace(value=["nan"], shape=(1,)))
    (row,) = report(cell).gradients
    assert (row["nan"], row["inf"], row["norm"], row["max"]) == (1, 1, 5.0, 4.0)
    assert (row["added_nan"], row["added_norm"], row["added_rms"]) == (1, None, None)
    told = odd._replace(value=None, stats=Stats(4, 3.5, math.sqrt(0.5), 3.0, 4.0, 0, 1, 1, 0))
    cell.change("changes", change.id, after=told)
    (row,) = report(cell).gradients
    assert (row["nan"], row["inf"], row["max"], row["value"]) == (1, 1, 4.0, None) and row["norm"] == pytest.approx(5.0)


def test_backwards_have_their_loss() -> None:
    (row,) = report(regression()).backwards
    assert (row["root"], row["loss"], row["code"], row["line"]) == ("J", 14.0, "J.backward()", 7)
    assert (row["nodes"], row["leaves"], row["freed_bytes"], row["kept"]) == (5, 1, 32, True)
    assert row["inputs"] is None and row["error"] is None and row["retain_graph"] is False


def test_iterations_that_are_not_kept_have_their_figures() -> None:
    cell = loop(2)
    trace = cell.trace()
    first, second = trace.backwards
    left_out = Loop(0, second.at - 1, first.places, 2, (1.5, "nan"), (0,), ((7.0,), (None,)), (0,), ())
    made = report(_with(trace, loops=(left_out,)))
    assert [row["kept"] for row in made.backwards] == [True, False, False, True]
    assert made.backwards[1]["loss"] == 1.5 and math.isnan(made.backwards[2]["loss"])
    assert {row["line"] for row in made.backwards} == {4} and made.backwards[1]["backward"] is None
    norms = [(row["tensor"], row["norm"], row["rms"]) for row in made.gradients]
    assert norms == [("w", 1.0, 1.0), ("w", 7.0, None), ("w", None, None), ("w", 3.0, 3.0)]


def _with(trace: Trace, **tables: Any) -> Trace:
    import dataclasses

    return dataclasses.replace(trace, **tables)


def test_a_recorded_loop_keeps_every_loss() -> None:
    source = """
    w = torch.tensor(8.0, requires_grad=True)
    for step in range(100):
        loss = w * w
        loss.backward()
        with torch.no_grad():
            w -= 0.1 * w.grad
        w.grad = None
    """
    made = Report(record_cell(source), lang="en")
    losses = [row["loss"] for row in made.backwards]
    assert made.trace.loops and len(losses) == 100 and losses == sorted(losses, reverse=True)
    assert losses == pytest.approx([64 * 0.8 ** (2 * k) for k in range(100)], rel=1e-4)


def test_modules_are_named() -> None:
    cell = regression()
    cell.change("calls", 2, scope=1)
    scopes = (
        Scope(0, None, "model", "model", "Model", 0, 0, None), Scope(1, 0, "head", "model.head", "Square", 1, 0, None),
    )  # fmt: skip
    made = report(_with(cell.trace(), scopes=scopes))
    assert [row["module"] for row in made.calls] == [None, None, "model.head", None]
    node = next(row for row in made.nodes if row["name"] == "PowBackward0")
    assert (node["module"], node["module_type"]) == ("model.head", "Square")
    assert next(row for row in made.saved if row["node"] == node["node"])["module"] == "model.head"


def test_a_file_is_named_instead_of_a_cell() -> None:
    cell = Cell("z = w * 2", number=None)
    cell.call("w * 2", "mul", (cell.leaf("w", [1.0]),), [2.0], name="z", node="MulBackward0")
    (row,) = report(cell).calls
    assert (row["cell"], row["file"], row["line"]) == (None, "train.py", 1)


def test_time_is_linear() -> None:
    """Four times the nodes must not take much more than four times as long: quadratic is sixteen."""

    def seconds(count: int) -> float:
        cell = Cell("for k in range(n):\n    z = w * k")
        tensor = cell.leaf("w", [1.0])
        for _ in range(count):
            tensor = cell.call("w * k", "mul", (tensor,), [1.0], name="z", node="MulBackward0", saved={"self": tensor})
        made = report(cell)
        start = time.process_time()
        assert len(made.nodes) == count + 1 and len(made.calls) == len(made.saved) == count
        return time.process_time() - start

    assert seconds(8000) < 9 * max(seconds(2000), 0.02)
