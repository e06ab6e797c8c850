"""The memory of backward in words, tables and a chart."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from typing import Any

import pytest

from autograd_magics.report import Report
from autograd_magics.trace import Gone, Packed, Trace
from autograd_magics.views import memory
from autograd_magics.views.items import Items
from autograd_magics.views.languages import multilingual, spoken
from autograd_magics.views.payload import payload
from autograd_magics.views.text import to_text
from tests.recorded import record_cell

CHAIN = """
x = torch.ones(100, requires_grad=True)
h = x
for i in range(8):
    h = h.exp().sin()
h.sum().backward()
"""
HELD = """
x = torch.ones(25, requires_grad=True)
y = x.exp()
z = y.sin().sum()
z.backward(retain_graph=True)
val = x.cos().sum()
"""


def report(source: str, lang: str = "en") -> Report:
    return Report(record_cell(source), lang=lang)


def told(source: str) -> list[str]:
    one = report(source)
    found = memory.memory(one.phrases, Items(one.graph))
    assert found is not None
    return [*found["said"], *found["notes"]]


def chart(one: Report) -> Any:
    return payload(one)["timeline"]["memory"]


def test_where_most_is_held_and_what_is_there_anyway() -> None:
    said = told("x = torch.ones(25, requires_grad=True)\ny = x.sin().exp()\ny.sum().backward()")
    assert said == [
        "Most is held at line 2, after `exp`: 200 B in 2 tensors.",
        "100 B of it belongs to parameters, leaves and inputs, which would be there without backward; "
        "100 B is kept for backward alone.",
    ]


def test_who_holds_what_is_left() -> None:
    assert told(HELD)[2:] == [
        "100 B is still held by `z`, `y`: the backward at line 5 kept its graph (`retain_graph=True`).",
        "100 B is still held by `val`: no backward went through its graph.",
    ]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (
            "x = torch.ones(4, requires_grad=True)\ny = (x ** 3).sum()\n"
            "(g,) = torch.autograd.grad(y, x, create_graph=True)",
            ["`y`: the backward at line 3 kept the graph it went through (`create_graph=True`", "`g`: the graph of"],
        ),
        (
            "x = torch.ones(4, requires_grad=True)\n(x.exp() ** 2).sum().backward(create_graph=True)",
            ["`x.grad`, which has a graph of its own: the graph of the gradients, which `create_graph=True` made"],
        ),
        (
            "x = torch.ones(4, requires_grad=True)\nlosses = [(x.exp() * i).sum() for i in range(3)]",
            ["`losses`: no backward went through"],
        ),
        (
            "x = torch.ones(4, requires_grad=True)\ny = x.exp()\nz = y.sin()\n"
            "def fail(g):\n    raise ValueError('no')\ny.register_hook(fail)\n"
            "try:\n    z.sum().backward()\nexcept ValueError:\n    pass",
            ["the backward at line 8 did not finish"],
        ),
    ],
    ids=["grad", "cycle", "list", "failed"],
)
def test_why_it_is_left(source: str, expected: list[str]) -> None:
    said = " ".join(told(source))
    assert [part for part in expected if part not in said] == []


def test_what_cannot_be_named_is_said_to_be_so() -> None:
    trace = record_cell("x = torch.ones(4, requires_grad=True)\ny = x.exp()")
    one = Report(Trace(**{**vars(trace), "holders": ()}), lang="en")
    found = memory.memory(one.phrases, Items(one.graph))
    assert found is not None
    assert found["notes"] == [
        "16 B is still held by something that no variable leads to: no backward went through its graph."
    ]


@pytest.mark.parametrize(
    ("hook", "blocks", "sentence"),
    [
        ("torch.utils.checkpoint._checkpoint_hook.unpack_hook", (), "1 saved tensor is a placeholder of activation"),
        ("torch.autograd.graph.save_on_cpu.unpack_from_cpu", (0,), "moved to the CPU by `save_on_cpu`: 16 B is kept"),
        ("__main__.unpack", (0,), "packed by hooks (`__main__.unpack` would unpack it): 16 B of tensors"),
        (None, (), "it was not unpacked, so its size is not known"),
    ],
)
def test_placeholders(hook: str | None, blocks: tuple[int, ...], sentence: str) -> None:
    trace = record_cell("x = torch.ones(4, requires_grad=True)\ny = x.exp()")
    hidden = tuple(row._replace(hidden=True, storage=None, tensor=None, bytes=0) for row in trace.saved)
    packed = () if hook is None else (Packed(0, 0, hook, blocks),)
    one = Report(Trace(**{**vars(trace), "saved": hidden, "packed": packed}), lang="en")
    found = memory.memory(one.phrases, Items(one.graph))
    assert found is not None
    assert sentence in " ".join(found["notes"])


def test_a_view_that_keeps_more_than_it_needs() -> None:
    said = told("x = torch.ones(50, 4, requires_grad=True)\nz = torch.rand(50, 4)[:, 0] * x[:, 0]")
    assert any(re.fullmatch(r"`.+` is a view of 200 B: for it, all 800 B of its memory is held\.", one) for one in said)


def test_a_saved_tensor_that_went_says_so() -> None:
    trace = record_cell("x = torch.ones(4, requires_grad=True)\ny = x.exp()")
    at = trace.calls[-1].end
    one = Report(Trace(**{**vars(trace), "gone": (Gone(0, at, trace.saved[0].node),)}), lang="en")
    data = payload(one)
    assert [(row["state"], row["freed"]) for row in data["saved"]["rows"]] == [("gone with its graph", True)]
    assert "still kept" not in data["saved"]["total"]
    assert data["timeline"]["saved"]["lives"][0][1] >= 0


def test_tables() -> None:
    one = report(CHAIN)
    found = memory.memory(one.phrases, Items(one.graph))
    assert found is not None
    assert [table["by"] for table in found["tables"]] == ["line", "node", "dtype", "device"]
    assert found["tables"][0]["heads"] == ["at the peak", "there anyway", "tensors", "at the end"]
    (row,) = found["tables"][0]["rows"]
    assert (row["link"], row["share"], row["numbers"]) == ("L0:5", 1.0, [3200, 0, 16, 0])
    assert row["texts"] == ["3.2 kB", "–", "16", "–"]
    assert row["name"].startswith("line 5")
    assert [table["rows"][0]["name"] for table in found["tables"][2:]] == ["float32", "cpu"]
    nodes = found["tables"][1]
    assert len(nodes["rows"]) == 16
    assert nodes["note"] == "Memory that several of them hold counts in each."  # `exp` keeps what `sin` keeps


def test_tables_have_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "ROWS", 3)
    one = report(CHAIN)
    found = memory.memory(one.phrases, Items(one.graph))
    assert found is not None
    assert (len(found["tables"][1]["rows"]), found["tables"][1]["more"]) == (3, "13 more")


def points(path: str) -> list[tuple[float, float]]:
    """The corners of an area: `H` and `V` in turns."""
    x, y, found = 0.0, 0.0, []
    for command, first, second in re.findall(r"([MHV])([\d.]+)(?: ([\d.]+))?", path):
        if command == "M":
            x, y = float(first), float(second)
        elif command == "H":
            x = float(first)
        else:
            y = float(first)
        found.append((x, y))
    return found


def test_the_chart_has_its_peak_where_most_is_held() -> None:
    one = report(CHAIN)
    drawn = chart(one)
    x, y = drawn["peak"]
    held = points(drawn["areas"][0])
    assert (min(height for _, height in held), y) == (memory.TOP, memory.TOP)
    assert held[-1] == pytest.approx((memory.WIDTH - memory.RIGHT, memory.TOP + memory.PANEL))
    rise = [at for at, height in held if height == memory.TOP]
    assert min(rise) <= x <= max(rise) + 20
    assert drawn["texts"][0]["text"] == "peak 3.2 kB"
    ((left, width, _, _),) = drawn["runs"]
    assert left + width == pytest.approx(memory.WIDTH - memory.RIGHT, abs=0.2)
    assert x < left + 20


def test_what_is_there_anyway_is_a_part_of_all() -> None:
    one = report("x = torch.ones(25, requires_grad=True)\ny = x.sin().exp()\ny.sum().backward()")
    everything, anyway = (points(path) for path in chart(one)["areas"])
    assert min(height for _, height in everything) == memory.TOP
    assert min(height for _, height in anyway) == memory.TOP + memory.PANEL / 2


def test_there_is_no_chart_of_nothing() -> None:
    one = report("a = torch.ones(2, requires_grad=True)\nb = a + 1")
    assert payload(one)["saved"]["memory"] is None
    assert chart(one) is None
    assert memory.told(one.phrases) == []
    assert memory.static(one.phrases, str) == ""


def test_long_recordings_have_a_short_chart() -> None:
    loop = "for i in range(900):\n    y = x.exp().sin()\n"
    drawn = chart(report(f"x = torch.ones(9, requires_grad=True)\n{loop}y.sum().backward()"))
    assert len(drawn["areas"][0]) < 12 * memory.WIDTH


def test_in_text_only_much_is_told_of_the_peak() -> None:
    assert "Most is held" not in to_text(report(HELD))
    assert "still held by `z`, `y`" in to_text(report(HELD))
    text = to_text(report(CHAIN))
    assert re.search(r"  [▁-█]{8,} Most is held at line 5, after `\w+`: 3\.2 kB in 8", text)
    assert all(len(line) <= 80 for line in text.splitlines())


def test_plain_html_has_chart_and_sentences() -> None:
    html = memory.static(report(CHAIN).phrases, lambda text: f"<i>{text}</i>")
    image, sentences = html.split("<ul>")
    assert ET.fromstring(image).tag.endswith("svg")
    assert sentences.startswith("<li><i>Most is held")


@pytest.mark.parametrize("lang", ["pt_BR", "es", "zh_CN"])
def test_every_language_says_the_same(lang: str) -> None:
    one = report(HELD)
    other = Report(one.trace, lang=lang)
    assert spoken(multilingual(one), lang)["saved"] == payload(other)["saved"]
    assert payload(other)["saved"]["memory"]["said"] != payload(one)["saved"]["memory"]["said"]
