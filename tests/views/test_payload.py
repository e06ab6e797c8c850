from __future__ import annotations

import json
from typing import Any

import pytest

from autograd_magics import texts
from autograd_magics.views.payload import FORMAT, payload
from tests.builders import Cell, added_again, hostile, loop, regression, report
from tests.views.checks import one_sided, picture_problems, unresolved


def detail(data: dict[str, Any], item: str) -> dict[str, tuple[str, str | None]]:
    """Value and link by label; of several rows with one label the first."""
    rows = reversed(data["details"][item]["rows"])
    return {row["label"]: (row["value"], row["link"]) for row in rows}


def many() -> list[tuple[Any, tuple[Any, ...]]]:
    added, finding = added_again()
    evil, its = hostile()
    large = loop(500, zeroing=True)
    return [
        (regression(), ()),
        (added, (finding,)),
        (loop(3), ()),
        (large, ()),
        (evil, (its,)),
        (Cell(""), ()),
    ]


@pytest.mark.parametrize(("cell", "findings"), many())
def test_every_item_that_is_mentioned_is_there(cell: Cell, findings: tuple[Any, ...]) -> None:
    data = payload(report(cell, *findings))
    assert unresolved(data) == []
    assert one_sided(data) == []


def test_the_check_itself_sees_what_is_missing() -> None:
    data = payload(report(regression()))
    del data["details"]["c1"]
    assert {item for _, item in unresolved(data)} == {"c1"}
    data["related"]["t0"].append("b0")
    assert ("t0", "b0") in one_sided(data)
    moved = data["pictures"]["forward"]
    moved["boxes"][0]["x"], moved["boxes"][0]["y"] = moved["boxes"][2]["x"], moved["boxes"][2]["y"]
    assert picture_problems(moved) != []


@pytest.mark.parametrize(("cell", "findings"), many())
def test_it_is_json(cell: Cell, findings: tuple[Any, ...]) -> None:
    data = payload(report(cell, *findings))
    assert json.loads(json.dumps(data, allow_nan=False)) == json.loads(json.dumps(data))
    assert data["format"] == FORMAT


def test_the_head() -> None:
    data = payload(report(regression(), lang="pt_BR"))
    assert (data["run"], data["lang"], data["theme"]) == ("5eed", "pt_BR", "auto")
    assert (data["title"], data["cell"]) == ("%%autograd", "In [5]")
    assert data["summary"] == ["4 chamadas · 5 nós", "salvos 32 B em 2 tensores", "1 backward"]
    assert data["headline"].endswith("w.grad é [−28].")
    assert data["notices"] == []


def test_it_brings_the_words_of_the_front_end() -> None:
    words = payload(report(regression(), lang="pt_BR"))["text"]
    assert words == {key: word for key, word in texts.table("pt_BR").items() if key.startswith("ui.")}
    assert words != payload(report(regression()))["text"]


def test_details_of_a_tensor() -> None:
    cell = regression()
    data = payload(report(cell))
    e = f"t{cell.tables['calls'][1].outputs[0]}"
    shown = data["details"][e]
    assert (shown["title"], shown["subtitle"], shown["findings"]) == ("e", "e = y_pred - y", [])
    rows = detail(data, e)
    assert rows["value"] == ("[0 −1 −2 −3]", None)
    assert rows["type"] == ("float32[4] · 16 B · cpu", None)
    assert rows["∂J/∂e"] == ("[0 −2 −4 −6]", "b0")
    assert rows["grad_fn"] == ("SubBackward0", "n2")
    assert rows["made by"] == ("sub(y_pred, y)", "c1")
    assert rows["used by"] == ("pow(e, 2)", "c2")
    assert rows["saved by"] == ("PowBackward0._saved_self", "n3")


def test_details_of_a_leaf() -> None:
    rows = detail(payload(report(regression())), "t0")
    assert rows["role"] == ("leaf, requires grad", None)
    assert rows["∂J/∂w"] == ("[−28]", "b0")
    assert rows[".grad now"] == ("[−28]", None)


def test_details_of_a_call() -> None:
    data = payload(report(regression()))
    shown = data["details"]["c2"]
    assert (shown["title"], shown["subtitle"]) == ("Tensor.pow", "J = e.pow(2).sum()")
    rows = detail(data, "c2")
    assert rows["call"] == ("pow(e, 2)", None)
    assert rows["input"] == ("e  float32[4]  [0 −1 −2 −3]", "t4")
    assert rows["node"] == ("PowBackward0", "n3")
    assert rows["line"] == ("line 6, columns 5 to 12", "L0:6")


def test_details_of_a_node() -> None:
    data = payload(report(regression()))
    shown = data["details"]["n3"]
    assert (shown["title"], shown["subtitle"]) == ("PowBackward0", "J = e.pow(2).sum()")
    rows = detail(data, "n3")
    assert rows["came in ∂J/∂(e.pow(2))"] == ("[1 1 1 1]", None)
    assert rows["went out ∂J/∂e"] == ("[0 −2 −4 −6]", None)
    assert rows["saved self"] == ("e · float32[4] · 16 B", "t4")
    assert rows["saved tensors"] == ("freed by line 7", None)
    assert rows["next"] == ("SubBackward0 (e)", "n2")
    assert rows["made by"] == ("pow(e, 2)", "c2")


def test_details_of_a_backward() -> None:
    data = payload(report(regression()))
    shown = data["details"]["b0"]
    assert (shown["title"], shown["subtitle"]) == ("Tensor.backward", "J.backward()")
    rows = detail(data, "b0")
    assert rows["from"] == ("J  float32[]  14", "t6")
    assert rows["ran"] == ("5 nodes", None)
    assert rows["w.grad after"] == ("[−28]", "t0")


def test_selecting_one_thing_points_at_what_belongs_to_it() -> None:
    related = payload(report(regression()))["related"]
    assert set(related["c0"]) == {"L0:4", "n1", "t3"}
    assert set(related["n1"]) == {"c0", "L0:4", "t3", "s0"}
    assert set(related["t0"]) == {"n0", "L0:7"}
    assert {"c2", "c3", "n3", "n4", "t6"} <= set(related["L0:6"])


def test_the_ledger_says_who_added_what_and_where() -> None:
    cell, finding = added_again()
    (ledger,) = payload(report(cell, finding))["gradients"]
    assert (ledger["id"], ledger["name"], ledger["shape"], ledger["now"]) == ("t0", "w", "[1]", "[−56]")
    first, second = ledger["rows"]
    assert first == {
        "kind": "accumulated", "what": "backward added", "before": "None", "added": "[−28]", "after": "[−28]",
        "was": "", "value": "", "line": "line 7", "link": "L0:7", "by": "b0", "finding": None,
    }  # fmt: skip
    assert (second["before"], second["after"], second["by"], second["finding"]) == ("[−28]", "[−56]", "b1", "f0")


def test_a_long_ledger_counts_what_it_leaves_out() -> None:
    (ledger,) = payload(report(loop(500, zeroing=True)))["gradients"]
    assert len(ledger["rows"]) == 201
    assert (ledger["rows"][100]["kind"], ledger["rows"][100]["what"]) == ("left_out", "… 800 more changes")


def test_saved_tensors() -> None:
    saved = payload(report(regression()))["saved"]
    assert saved["total"] == "32 B in 2 tensors"
    assert saved["rows"][0] == {
        "id": "s0", "node": "n1", "node_name": "MulBackward0", "slot": "self", "owner": "x", "owner_id": "t1",
        "shape": "[4]", "dtype": "float32", "device": "cpu", "bytes": "16 B", "shared": "", "freed": True,
        "state": "freed by line 7", "link": "L0:4", "line": "line 4",
    }  # fmt: skip
    lines = saved["memory"]["tables"][0]["rows"]
    assert [(row["link"], row["texts"][0]) for row in lines] == [("L0:4", "16 B"), ("L0:6", "16 B")]


def test_findings_are_told_with_both_ends() -> None:
    cell, finding = added_again()
    data = payload(report(cell, finding))
    (told,) = data["findings"]
    assert (told["id"], told["code"], told["severity"], told["torch"]) == ("f0", "AG202", "warning", "")
    assert "`w.grad`" in told["message"] and "[−28]" in told["message"] and "line 8" in told["message"]
    assert told["fix"].startswith("`w.grad = None`")
    ends = [("line 8", "L0:8"), ("line 7", "L0:7"), ("`w`", "t0")]
    assert [(end["label"], end["link"]) for end in told["ends"]] == ends
    assert set(told["links"]) == {"t0", "b1", "L0:8", "L0:7"}
    assert data["details"]["t0"]["findings"] == ["f0"]


def test_every_line_knows_what_it_made() -> None:
    (source,) = payload(report(regression()))["source"]
    assert (source["id"], source["label"], source["main"]) == ("0", "In [5]", True)
    assert [line["n"] for line in source["lines"]] == [1, 2, 3, 4, 5, 6, 7]
    line = source["lines"][5]
    assert line == {
        "n": 6, "id": "L0:6", "text": "J = e.pow(2).sum()", "made": "PowBackward0, SumBackward0", "saved": "16 B",
        "grad": "1", "marks": [[4, 12, "c2"], [4, 18, "c3"]], "findings": [],
    }  # fmt: skip
    assert source["lines"][6]["marks"] == [[0, 12, "b0"]]


def test_a_line_that_ran_often_is_marked_once_and_counts_its_nodes() -> None:
    (source,) = payload(report(loop(3)))["source"]
    assert source["lines"][2]["made"] == "MulBackward0 ×3"
    assert source["lines"][2]["marks"] == [[8, 13, "c0"]]


def test_a_call_over_several_lines_is_marked_on_each() -> None:
    cell = Cell("z = torch.add(\n    x,\n    x)")
    x = cell.leaf("x", 1.0)
    cell.call("torch.add(\n    x,\n    x)", "add", (x, x), 2.0, name="z", node="AddBackward0")
    (source,) = payload(report(cell))["source"]
    assert [line["marks"] for line in source["lines"]] == [[[4, 14, "c0"]], [[4, 6, "c0"]], [[4, 6, "c0"]]]


def test_an_earlier_cell_stands_after_the_recorded_one() -> None:
    cell = regression()
    cell.source("w = torch.ones(1)", 2)
    sources = payload(report(cell))["source"]
    assert [(source["label"], source["main"]) for source in sources] == [("In [5]", True), ("In [2]", False)]


def test_there_is_a_limit_to_what_is_told() -> None:
    cell = Cell("y = x * 2")
    x = cell.leaf("x", 1.0)
    for _ in range(1200):
        x = cell.call("x * 2", "mul", (x,), 1.0, name="x", node="MulBackward0", saved={"self": x})
    data = payload(report(cell))
    assert unresolved(data) == []
    assert len(data["saved"]["rows"]) == 1000
    assert "200 more saved tensors are not listed; the totals count them" in data["hints"]
    assert max(len(picture["boxes"]) for picture in data["pictures"].values()) <= 400
    assert max(len(detail["rows"]) for detail in data["details"].values()) < 40


def test_hostile_text_is_clean_and_stays_data() -> None:
    cell, finding = hostile()
    text = json.dumps(payload(report(cell, finding)), ensure_ascii=False)
    assert not {"\x1b", "\u202e", "\ud800"} & set(text)
    assert "onerror=alert(1)" in text
