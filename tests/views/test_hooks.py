"""Hooks of the user's in every view: before and after, with the line where they were put on."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from autograd_magics.report import Report
from autograd_magics.views.payload import payload
from tests.builders import report
from tests.recorded import Notebook, record_cell
from tests.views.checks import unresolved

CELL = """
x = torch.tensor([1.0, 2.0], requires_grad=True)
w = torch.tensor([1.0, 1.0], requires_grad=True)
y = x * w
def clip(gradient):
    return gradient.clamp(max=1)
def double(gradient):
    return gradient * 2
def apply(leaf):
    pass
y.register_hook(clip)
w.register_hook(double)
x.register_post_accumulate_grad_hook(apply)
J = (y * y).sum()
J.backward(retain_graph=True)
g, = torch.autograd.grad(J, y)
"""


@pytest.fixture(scope="module")
def made() -> Report:
    return report(record_cell(CELL))


@pytest.fixture(scope="module")
def data(made: Report) -> dict[str, Any]:
    return payload(made)


def rows(data: dict[str, Any], item: str) -> list[tuple[str, str, str | None]]:
    return [(row["label"], row["value"], row["link"]) for row in data["details"][item]["rows"]]


def node(made: Report, name: str) -> str:
    """The item of the node of a named tensor."""
    row = next(made.trace.tensors[n.tensor] for n in made.trace.names if n.name == name)
    found = row.node if row.node is not None else made.graph.accumulator(row.object)
    return f"n{found}"


def tensor(made: Report, name: str) -> str:
    return f"t{next(n.tensor for n in made.trace.names if n.name == name)}"


def test_the_details_of_a_node_show_both_and_lead_to_the_line(made: Report, data: dict[str, Any]) -> None:
    found = rows(data, node(made, "y"))
    assert ("came in ∂J/∂y, before hook clip", "[2 4]", None) in found
    assert ("after hook clip", "[1 1]", None) in found
    assert ("hook", "`clip`, put on at line 11", "L0:11") in found
    assert unresolved(data) == []


def test_the_details_of_a_tensor_show_both_for_every_backward(made: Report, data: dict[str, Any]) -> None:
    found = rows(data, tensor(made, "y"))
    for item in ("b0", "b1"):  # the second is `autograd.grad`, which takes what the hook gave
        assert ("∂J/∂y before hook clip", "[2 4]", item) in found
        assert ("∂J/∂y after hook clip", "[1 1]", item) in found
    found = rows(data, tensor(made, "w"))
    assert ("∂J/∂w before hook double", "[1 2]", "b0") in found
    assert ("∂J/∂w after hook double", "[2 4]", "b0") in found
    assert ("hook", "`double`, put on at line 12", "L0:12") in found


def test_boxes_have_a_mark_and_say_why(made: Report) -> None:
    for name in ("forward", "backward"):
        marked = {box.id: (box.hook, box.title) for box in made.pictures[name].boxes if box.hook}
        item = tensor if name == "forward" else node
        assert marked.keys() == {item(made, "y"), item(made, "w"), item(made, "x")}
        assert marked[item(made, "y")][0] == marked[item(made, "w")][0] == "changed"
        assert marked[item(made, "y")][1].endswith("hook clip changed [2 4] to [1 1]")
        assert marked[item(made, "x")][0] == "late"
        assert marked[item(made, "x")][1].endswith("after .grad was written: hook apply")
    assert made.to_svg().count('circle r="7"') == 3


def test_the_timeline_says_it_when_it_happens(data: dict[str, Any]) -> None:
    captions = data["timeline"]["captions"]
    assert any("came in [1 1] (hook clip changed [2 4] to [1 1])" in caption for caption in captions)
    assert "w.grad: None + [2 4] → [2 4] (hook double changed [1 2] to [2 4])" in captions
    assert "x.grad: None + [1 1] → [1 1] (after .grad was written: hook apply)" in captions
    assert captions[-1] == "torch.autograd.grad(J, y) gives g = [1 1] (hook clip changed [2 4] to [1 1])"


def test_the_ledger_row_says_so(data: dict[str, Any]) -> None:
    (ledger,) = (one for one in data["gradients"] if one["name"] == "w")
    assert [row["what"] for row in ledger["rows"]] == ["backward added; hook double changed [1 2] to [2 4]"]
    (ledger,) = (one for one in data["gradients"] if one["name"] == "x")
    assert [row["what"] for row in ledger["rows"]] == ["backward added"]


def test_the_text_says_so(made: Report) -> None:
    said = " ".join(made.to_text().split())
    assert "[1 1] · [1 2] = [1 2]; hook double then made it [2 4]" in said
    assert "backward added; hook double changed [1 2] to [2 4]" in said


def test_every_language_has_its_words() -> None:
    text = report(record_cell(CELL), lang="pt_BR").to_text()
    assert "hook double: [1 2] virou [2 4]" in " ".join(text.split())


def test_a_hook_of_an_earlier_cell_is_told_without_a_name() -> None:
    notebook = Notebook()
    w = notebook.namespace["w"] = torch.tensor([1.0, 2.0], requires_grad=True)
    w.register_hook(lambda gradient: gradient * 10)
    found = payload(report(notebook.run("(w * w).sum().backward()")))
    assert "w.grad: None + [20 40] → [20 40] (a hook changed [2 4] to [20 40])" in found["timeline"]["captions"]


def test_a_hook_put_on_afterwards_is_not_blamed() -> None:
    trace = record_cell(
        "w = torch.tensor([1.0], requires_grad=True)\n"
        "def first(g):\n    return g * 2\ndef second(g):\n    return g * 3\n"
        "w.register_hook(first)\n(w * w).sum().backward()\nw.register_hook(second)"
    )
    captions = payload(report(trace))["timeline"]["captions"]
    assert "w.grad: None + [4] → [4] (hook first changed [2] to [4])" in captions


def test_a_hook_that_only_looks_is_not_marked_but_listed() -> None:
    trace = record_cell(
        "w = torch.tensor([1.0], requires_grad=True)\nseen = []\nw.register_hook(seen.append)\n(w * w).sum().backward()"
    )
    made = report(trace)
    assert not any(box.hook for picture in made.pictures.values() for box in picture.boxes)
    assert ("hook", "`append`, put on at line 3", "L0:3") in rows(payload(made), "t0")


@pytest.mark.parametrize(
    ("backward", "before", "after"),
    [("J.backward()", "1", "2"), ("J.backward(torch.tensor(3.0))", "3", "6"), ("J.sum().backward()", "1", "2")],
)
def test_a_hook_on_what_backward_begins_with(backward: str, before: str, after: str) -> None:
    trace = record_cell(
        "w = torch.tensor([1.0], requires_grad=True)\nJ = (w * w).sum()\n"
        f"def double(g):\n    return g * 2\nJ.register_hook(double)\n{backward}"
    )
    said = f"came in {after} (hook double changed {before} to {after})"
    assert [said in caption for caption in payload(report(trace))["timeline"]["captions"]].count(True) == 1


@pytest.mark.parametrize(
    ("begin", "end", "node"),
    [
        ("q = torch.tensor([3.0, 6.0], requires_grad=True)", "J.backward()", "AccumulateGrad"),
        ("q = 3 * torch.tensor([1.0, 2.0], requires_grad=True)", "J.backward()", "MulBackward0"),
        ("q = 3 * torch.tensor([1.0, 2.0], requires_grad=True)", "torch.autograd.grad(J, q)", "MulBackward0"),
    ],
)
def test_the_text_tells_of_a_hook_where_two_edges_meet(begin: str, end: str, node: str) -> None:
    clip = "def clip(g):\n    return g.clamp(max=1)\nq.register_hook(clip)\nJ = (q * q).sum()\n"
    text = report(record_cell(f"{begin}\n{clip}{end}")).to_text()
    backward = text.partition("BACKWARD")[2].partition("\n\n")[0]
    lines = [" ".join(line.split()) for line in backward.split("\n")]
    assert lines.count(f"{node} q hook clip changed [6 12] to [1 1]") == 1


def test_the_text_tells_of_a_hook_once(made: Report) -> None:
    backward = made.to_text().partition("BACKWARD")[2].partition("\n\n")[0]
    assert backward.count("hook clip") == backward.count("hook double") == 1
