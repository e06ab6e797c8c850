"""Large recordings: what is told of every item, what of the most important ones, and the sentence that says so."""

from __future__ import annotations

import pytest

from autograd_magics import settings
from autograd_magics.report import Report
from autograd_magics.trace import Trace
from autograd_magics.views import brief
from autograd_magics.views.languages import multilingual, spoken
from autograd_magics.views.packing import packed, unpacked
from autograd_magics.views.payload import payload
from tests.builders import Cell, report

STEPS = 400


@pytest.fixture(scope="module")
def trace() -> Trace:
    """`x = x * 1.5` many times, and a backward."""
    cell = Cell("x = torch.ones(1, requires_grad=True)\nfor _ in range(n):\n    x = x * 1.5\nx.backward()")
    x = cell.leaf("x", [1.0])
    flow = {x: [1.0]}
    for _ in range(STEPS):
        x = cell.call("x * 1.5", "mul", (x,), [2.0], name="x", node="MulBackward0", saved={"self": x})
        flow[x] = [1.0]
    cell.backward("x.backward()", x, flow)
    return cell.trace()


def shown(trace: Trace) -> dict:
    return payload(Report(trace, lang="en"))


def test_a_large_recording_has_columns_and_few_details(trace: Trace) -> None:
    data = shown(trace)
    columns = data["columns"]
    assert sum(item[0] in "tcnb" for item in data["details"]) == settings.limits.details
    assert columns["calls"]["id"] == [call.id for call in trace.calls]
    assert columns["nodes"]["name"] == [node.name for node in trace.nodes]
    assert columns["nodes"]["next"] == [[target for target, _ in node.edges] for node in trace.nodes]
    assert columns["calls"]["outputs"] == [list(call.outputs) for call in trace.calls]
    assert [line["id"] for line in columns["lines"]] == ["L0:3"]


def test_it_says_what_is_left_out_and_how_to_see_it(trace: Trace, monkeypatch: pytest.MonkeyPatch) -> None:
    total = 2 * STEPS + 3  # calls, nodes and the AccumulateGrad, the leaf, the backward; results stand on wires
    (said,) = [hint for hint in shown(trace)["hints"] if "AutogradMagics.details" in hint]
    wanted = int(said.partition("details = ")[2].partition("`")[0])
    assert wanted >= total
    assert f"{settings.limits.details} of {wanted} items" in said
    monkeypatch.setattr(settings.limits, "details", wanted)
    whole = shown(trace)
    assert sum(item[0] in "tcnb" for item in whole["details"]) == wanted
    assert "columns" not in whole
    assert "hints" not in whole


def test_no_link_leads_nowhere(trace: Trace) -> None:
    data = shown(trace)
    lines = {line["id"] for source in data["source"] for line in source["lines"]}
    there = {*data["details"], *brief.items_of(data["columns"]), *lines}
    links = {row["link"] for detail in data["details"].values() for row in detail["rows"]} - {None}
    assert links and links <= there


def test_every_event_is_told_and_those_at_the_ends_with_their_numbers(trace: Trace) -> None:
    timeline = shown(trace)["timeline"]
    assert len(timeline["kinds"]) > 2 * STEPS
    assert timeline["gap"] is None
    assert len(timeline["captions"]) == len(timeline["kinds"]) == len(timeline["items"])
    assert timeline["captions"][0].startswith("forward: ")
    assert timeline["captions"][STEPS] == ""
    assert "x.grad" in timeline["captions"][-1]


def test_it_is_the_same_in_every_language(trace: Trace) -> None:
    data = multilingual(Report(trace, lang="en"))
    assert spoken(data, "en") == shown(trace)
    assert unpacked(packed(data))["columns"] == data["columns"]


def test_a_small_recording_is_told_whole() -> None:
    cell = Cell("w = 1")
    cell.call("w", "mul", (cell.leaf("w", [1.0]),), [2.0], node="MulBackward0")
    data = payload(report(cell))
    assert "columns" not in data
    assert "hints" not in data


def test_many_leaves_have_their_stories_told_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings.limits, "leaves", 3)
    cell = Cell("y = a + b")
    leaves = [cell.leaf(name, [1.0]) for name in "abcde"]
    y = cell.call("a + b", "add", tuple(leaves), [5.0], name="y", node="AddBackward0")
    cell.backward("y", y, {y: [1.0], **dict.fromkeys(leaves, [1.0])})
    data = payload(report(cell))
    assert [row["name"] for row in data["gradients"]] == ["a", "b", "c"]
    assert [hint for hint in data["hints"] if "3 of 5 leaves" in hint and "leaves = 5" in hint]
