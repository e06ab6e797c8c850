"""Gradient health: tables, plot, colours of the graph, facts of folds; of networks that are well and that are not."""

from __future__ import annotations

import functools
import math
import re
from typing import Any

import pytest

from autograd_magics.graph import Graph
from autograd_magics.health import received
from autograd_magics.report import Report
from autograd_magics.trace import Trace
from autograd_magics.views import health, health_plot
from autograd_magics.views.items import Items
from autograd_magics.views.languages import multilingual, spoken
from autograd_magics.views.payload import payload
from autograd_magics.views.phrases import Phrases
from autograd_magics.views.plot import to_svg
from tests.recorded import record_cell

DEEP = """
torch.manual_seed(0)
model = torch.nn.Sequential(*[m for _ in range(20) for m in (torch.nn.Linear(16, 16), torch.nn.Sigmoid())],
                            torch.nn.Linear(16, 1))
loss = model(torch.randn(32, 16)).pow(2).mean()
loss.backward()
"""
DEAD = """
torch.manual_seed(0)
model = torch.nn.Sequential(*[m for _ in range(6) for m in (torch.nn.Linear(16, 16), torch.nn.ReLU())])
with torch.no_grad():
    model[6].bias.fill_(-99.0)
model(torch.randn(32, 16)).pow(2).mean().backward()
"""
NAN = """
torch.manual_seed(0)
model = torch.nn.Sequential(*[torch.nn.Linear(16, 16) for _ in range(4)], torch.nn.Linear(16, 1))
h = model(torch.randn(32, 16))
loss = (h * 0).sqrt().sum() + h.pow(2).mean()
loss.backward()
"""
NORMED = """
torch.manual_seed(0)
nn = torch.nn
parts = [m for _ in range(4) for m in (nn.Linear(16, 16), nn.BatchNorm1d(16, affine=False), nn.ReLU())]
model = nn.Sequential(*parts, nn.Linear(16, 1))
model(torch.randn(32, 16)).pow(2).mean().backward()
"""
RECURRENT = """
torch.manual_seed(0)
cell = torch.nn.RNNCell(8, 16, nonlinearity="relu")
with torch.no_grad():
    cell.weight_hh.copy_(torch.eye(16) * 3)
h = torch.zeros(4, 16)
for x in torch.rand(30, 4, 8):
    h = cell(x, h)
h.mean().backward()
"""


@functools.cache
def recorded(source: str, values: str = "stats") -> Trace:
    return record_cell(source, values=values)


def told(source: str, values: str = "stats") -> dict[str, Any]:
    return payload(Report(recorded(source, values), lang="en"))["health"]


def column(table: dict[str, Any], name: str) -> list[Any]:
    index = table["columns"].index(name)
    return [row["keys"][index] for row in table["rows"]]


# -- tables ------------------------------------------------------------------------------------
def test_leaves_from_the_first_layer_to_the_last() -> None:
    leaves, edges = told(DEEP)["tables"]
    names = [f"model[{i}].{kind}" for i in range(0, 42, 2) for kind in ("weight", "bias")]
    assert [row["cells"][0] for row in leaves["rows"]] == names
    weights = column(leaves, "RMS grad")[::2]
    assert weights == sorted(weights) and weights[0] < 1e-18 and weights[-1] > 1e-2
    for value, grad, ratio in zip(column(leaves, "RMS value"), column(leaves, "RMS grad"),
                                  column(leaves, "g/value"), strict=True):  # fmt: skip
        assert ratio == pytest.approx(grad / value, rel=1e-3)
    assert column(leaves, "shape")[:2] == [256, 16] and set(column(leaves, "NaN/Inf")) == {0}
    assert len(edges["rows"]) > 60 and edges["rows"][0]["cells"][0] == "Mean → Pow"
    assert {"model[0]", "model[39]"} <= {row["cells"][1] for row in edges["rows"]}


def test_every_row_leads_to_something_that_is_there() -> None:
    data = payload(Report(recorded(DEEP), lang="en"))
    rows = [row for table in data["health"]["tables"] for row in table["rows"]]
    assert {row["id"] for row in rows if row["id"]} <= set(data["details"])
    assert all(row["id"] for row in data["health"]["tables"][0]["rows"])
    for table in data["health"]["tables"]:
        assert {(len(row["cells"]), len(row["keys"])) for row in table["rows"]} == {(len(table["columns"]),) * 2}


def test_a_dead_layer_and_what_is_no_number_stand_out() -> None:
    (leaves, _) = told(DEAD)["tables"]
    dead = {row["cells"][0]: row for row in leaves["rows"] if row["size"] == 0}
    assert {"model[6].weight", "model[6].bias", "model[0].weight"} <= set(dead)
    assert dead["model[6].weight"]["cells"][6] == "100 %"
    (leaves, _) = told(NAN)["tables"]
    assert {row["size"] for row in leaves["rows"]} == {"nan"}
    assert leaves["rows"][0]["cells"][3:] == ["", "", "", "0", "⚠ 256 NaN"]
    assert column(leaves, "RMS grad")[0] is None and column(leaves, "NaN/Inf")[0] == 256


def test_without_figures_a_sentence_says_how_to_get_them() -> None:
    found = told(DEEP, "small")
    assert "--values stats" in found["hint"] and (found["items"], found["wires"], found["scale"]) == ({}, {}, None)
    (leaves,) = found["tables"]  # biases are small enough to be known
    known = {row["cells"][0]: row["cells"][3] for row in leaves["rows"]}
    assert known["model[40].bias"] == "0.117" and known["model[38].weight"] == ""
    assert told(DEEP)["hint"] == ""


@pytest.mark.parametrize("source", [
    "w = torch.ones(3, requires_grad=True)\n(w * 2).sum().backward()",
    "x = torch.ones(3)\ny = x * 2",
    "w = torch.ones(40, requires_grad=True)\ny = (w * 2).sum()",
])  # fmt: skip
def test_where_ledgers_tell_all_there_is_nothing_more(source: str) -> None:
    assert "health" not in payload(Report(record_cell(source), lang="en"))


def test_a_terminal_gets_the_leaves() -> None:
    lines = health.lines(Phrases(Graph(recorded(DEEP)), "en"))
    assert max(map(len, lines)) <= 80 and len(lines) == health.LINES + 2
    assert lines[0].split() == ["parameter", "RMS", "value", "RMS", "grad", "g/value", "max", "|g|", "zeros", "NaN/Inf"]
    assert lines[1].split()[0] == "model[0].weight" and lines[-1].split()[0] == "model[40].bias"
    assert lines[health.LINES // 2 + 1].split() == ["…", "12", "more"]
    assert "GRADIENT HEALTH" in Report(recorded(DEEP), lang="en").to_text()
    assert "GRADIENT HEALTH" not in Report(recorded(DEEP, "small"), lang="en").to_text()


@pytest.mark.parametrize("lang", ["en", "es", "pt_BR", "zh_CN"])
@pytest.mark.parametrize("source", [DEEP, NAN, DEAD, RECURRENT])
def test_every_language(source: str, lang: str) -> None:
    report = Report(recorded(source), lang="en")
    assert spoken(multilingual(report), lang)["health"] == payload(Report(report.trace, lang=lang))["health"]


# -- the plot ----------------------------------------------------------------------------------
def points(line: dict[str, Any]) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in re.findall(r"([\d.]+) ([\d.]+)", line["d"])]


def test_a_vanishing_gradient_is_a_line_that_falls_towards_the_first_layer() -> None:
    plot = told(DEEP)["plot"]
    kinds = [line["label"].partition(" (")[0] for line in plot["lines"]]
    assert kinds == ["weights", "biases", "outputs of the layers"]
    for line in plot["lines"]:
        places = points(line)
        assert len(places) == 21 and [x for x, _ in places] == sorted(x for x, _ in places)
        assert [y for _, y in places] == sorted((y for _, y in places), reverse=True)  # y grows downwards
        assert all(0 <= x <= plot["width"] and 0 <= y <= plot["height"] for x, y in places)
    assert "(model[0])" in plot["lines"][0]["label"] and "(model[40])" in plot["lines"][0]["label"]
    ticks = [text["text"] for text in plot["texts"]]
    assert "1e−21" in ticks and "model[0]" in ticks and "model[40]" in ticks
    assert to_svg(plot, "gradients").count("<path") >= 4


def test_heights_are_logarithms() -> None:
    found = told(DEEP)
    rows = {row["cells"][0]: row["keys"][3] for row in found["tables"][0]["rows"]}
    weights = [math.log10(rows[f"model[{i}].weight"]) for i in range(0, 42, 2)]
    heights = [y for _, y in points(found["plot"]["lines"][0])]
    scale = (heights[-1] - heights[0]) / (weights[-1] - weights[0])
    assert [y - heights[0] for y in heights] == pytest.approx([scale * (w - weights[0]) for w in weights], abs=0.11)


def test_what_has_no_place_on_the_scale_has_a_sign_at_its_edge() -> None:
    gap = DEEP.replace("loss.backward()", "model[20].weight.register_hook(lambda g: g * float('nan'))\nloss.backward()")
    plot = told(gap)["plot"]
    weights = plot["lines"][0]
    assert len(points(weights)) == 20 and weights["d"].count("M") == 2
    assert "NaN or Inf at model[20]." in weights["label"]
    (sign,) = [text for text in plot["texts"] if text["text"] == "✕"]
    assert sign["y"] < min(y for _, y in points(weights)) and any(text["text"] == "NaN" for text in plot["texts"])
    halves = DEEP.replace("loss.backward()", "model[20].weight.register_hook(lambda g: g * 0)\nloss.backward()")
    plot = told(halves)["plot"]
    signs = [text for text in plot["texts"] if text["text"] == "0"]
    assert len(signs) == 2 and min(text["y"] for text in signs) > max(y for _, y in points(plot["lines"][0]))


def test_biases_before_a_batch_norm_do_not_squeeze_the_weights() -> None:
    """Their gradients are rounding errors: points, and those far below the weights at the edge of the scale."""
    weights, biases, outputs = told(NORMED)["plot"]["lines"]
    scale = [float(text["text"].replace("−", "-")) for text in told(NORMED)["plot"]["texts"] if "1e" in text["text"]]
    assert min(scale) >= 1e-5
    assert biases["d"].count(health_plot.BELOW) == 4 and biases["d"].count(health_plot.POINT) == 1
    assert "▾: below the scale (4)." in biases["label"] and "▾" not in weights["label"] + outputs["label"]
    assert len(points(biases)) == 5 and max(y for _, y in points(biases)) >= max(y for _, y in points(weights))
    assert "sample" in biases and "sample" not in weights


def test_the_steps_of_a_recurrent_net_are_told_apart() -> None:
    (line,) = told(RECURRENT)["plot"]["lines"]
    assert len(points(line)) == 30 and "(cell #1)" in line["label"] and "(cell #30)" in line["label"]
    assert points(line)[0][1] < points(line)[-1][1]  # it grows towards the first step


def test_where_nothing_can_be_placed_there_is_no_plot() -> None:
    assert told(NAN)["plot"] is None


# -- the graph ---------------------------------------------------------------------------------
def test_every_box_with_a_gradient_has_its_size() -> None:
    data = payload(Report(recorded(DEEP), lang="en"))
    found = data["health"]
    for box in data["pictures"]["backward"]["boxes"]:
        assert box["id"].partition("~")[0] in found["items"] or box["shape"] == "group"
    low, high = min(v for v in found["items"].values() if v), max(found["items"].values())
    scale = found["scale"]
    assert 10.0 ** scale["low"] <= low and high < 10.0 ** scale["high"] and 2 <= scale["bands"] <= health.BANDS
    assert scale["low"] + scale["step"] * scale["bands"] >= scale["high"]


def test_a_wire_that_carries_a_part_of_what_arrives_is_told_by_itself() -> None:
    trace = record_cell("x = torch.ones(30, requires_grad=True)\ny = x * 2\n(y * 3 + y * 5).sum().backward()",
                        values="stats")  # fmt: skip
    report = Report(trace, lang="en")
    data = payload(report)["health"]
    (shared,) = {row.node for row in trace.tensors if report.graph.name(row.id) == "y"}
    assert data["items"][f"n{shared}"] == 8
    assert sorted(size for wire, size in data["wires"].items() if wire.endswith(f">n{shared}")) == [3, 5]
    forward = {wire: size for wire, size in data["wires"].items() if wire.startswith("t")}
    assert sorted(forward.values()) == [3, 5]


def test_a_folded_group_has_the_worst_of_its_inside_else_the_median() -> None:
    report = Report(recorded(DEEP), lang="en")
    inner = [f"n{node.id}" for node in report.trace.nodes[:4]]
    groups = [{"id": "h0", "parent": -1}, {"id": "h1", "parent": 0}, {"id": "h2", "parent": -1}]
    tree = {"boxes": [{"id": box} for box in inner], "scope": [0, 1, 1, 2], "groups": groups}
    known = health.payload(report.phrases, Items(report.graph), {"backward": {"tree": tree}}, set())
    assert known is not None
    sizes = [known["items"][box] for box in inner]
    assert known["items"]["h0"] == sorted(sizes[:3])[1] and known["items"]["h2"] == sizes[3]
    assert health._middle([1.0, "inf", 2.0]) == "inf" and health._middle([0.0, "nan", "inf"]) == "nan"
    assert health._middle([3.0, 0.0, 2.0]) == 0


def test_facts_of_a_fold() -> None:
    report = Report(recorded(DEAD), lang="en")
    nodes = [node.id for node in report.trace.nodes]
    assert re.fullmatch(r"∇ 8e−5 … 1 · 0 ×21", health.fold(report.phrases, nodes))
    zero = [node for node in nodes if (known := received(report.graph, node)) is not None and known.all_zero]
    assert health.fold(report.phrases, zero) == "∇ 0 ×21"
    good = Report(recorded(DEEP), lang="en")
    assert re.fullmatch(r"∇ \d+e−\d+ … 1", health.fold(good.phrases, [node.id for node in good.trace.nodes]))
    bad = Report(recorded(NAN), lang="en")
    assert health.fold(bad.phrases, [node.id for node in bad.trace.nodes]).startswith("⚠ NaN ×")
    assert health.fold(good.phrases, []) == ""
