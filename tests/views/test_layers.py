"""Orders of derivatives as layers of the pictures."""

from __future__ import annotations

from typing import Any

from autograd_magics.report import Report
from autograd_magics.views.payload import payload
from tests.builders import regression, report
from tests.recorded import record_cell

HIGHER = """
x = torch.tensor(2., requires_grad=True)
y = x ** 4
dy, = torch.autograd.grad(y, x, create_graph=True)
z = dy * 3
d2y, = torch.autograd.grad(z, x, create_graph=True)
d3y, = torch.autograd.grad(d2y, x)
"""


def layers(made: Report, name: str) -> dict[str, int]:
    """By name, or else by label: the layer of each box."""
    return {box.name or box.label or box.title.split(" ")[0]: box.layer for box in made.pictures[name].boxes}


def test_each_call_and_result_belongs_to_the_order_of_its_graph() -> None:
    made = report(record_cell(HIGHER))
    boxes = [(box.label or box.name, box.layer) for box in made.pictures["forward"].boxes]
    assert boxes == [
        ("x", 0), ("x⁴", 1), ("y", 1), ("∂/∂x", 1), ("dy", 2), ("×3", 2), ("z", 2), ("∂/∂x", 2), ("d2y", 3),
        ("∂/∂x", 3), ("d3y", 3),
    ]  # fmt: skip


def test_nodes_belong_to_their_order_and_leaves_to_all() -> None:
    made = report(record_cell(HIGHER))
    for box in made.pictures["backward"].boxes:
        node = made.trace.nodes[int(box.id[1:].partition("~")[0])]
        assert box.layer == (0 if node.leaf is not None else node.order)
    assert {box.layer for box in made.pictures["backward"].boxes} == {0, 1, 2, 3}


def test_a_backward_with_a_graph_has_layers_in_the_backward_picture() -> None:
    trace = record_cell("x = torch.tensor([3.], requires_grad=True)\ny = (x ** 3).sum()\ny.backward(create_graph=True)")
    made = report(trace)
    assert {box.layer for box in made.pictures["backward"].boxes} == {0, 1, 2}
    assert {box.layer for box in made.pictures["forward"].boxes} == {0, 1}


def test_where_there_is_one_order_nothing_is_said_of_it() -> None:
    data = payload(report(regression()))
    boxes: list[dict[str, Any]] = [box for picture in data["pictures"].values() for box in picture["boxes"]]
    assert boxes and not any("layer" in box or "hook" in box for box in boxes)
