from __future__ import annotations

from typing import Any

import pytest

from autograd_magics.graph import Graph
from autograd_magics.views import picture
from autograd_magics.views.boxes import Box, Picture
from tests.builders import Cell, added_again, loop, regression, report
from tests.views.checks import picture_problems


def forward(cell: Cell, **options: Any) -> Picture:
    drawn = picture.forward(Graph(cell.trace()), **options)
    assert picture_problems(drawn.data()) == []
    return drawn


def backward(cell: Cell, **options: Any) -> Picture:
    drawn = picture.backward(Graph(cell.trace()), **options)
    assert picture_problems(drawn.data()) == []
    return drawn


def box(drawn: Picture, id: str) -> Box:
    return next(box for box in drawn.boxes if box.id == id)


def edges(drawn: Picture) -> list[tuple[str, str]]:
    return sorted((wire.start, wire.end) for wire in drawn.wires)


# ---- the computation


def test_regression_looks_like_the_textbooks() -> None:
    drawn = forward(regression())
    assert [(b.shape, b.style, b.label) for b in drawn.boxes if b.shape != "wire"] == [
        ("pill", "input", "x"),
        ("pill", "leaf", "w"),
        ("circle", "call", "×"),
        ("pill", "input", "y"),
        ("circle", "call", "−"),
        ("circle", "call", "x²"),
        ("circle", "call", "Σ"),
        ("rect", "result", "J"),
    ]
    assert [(b.name, b.above, b.below) for b in drawn.boxes if b.shape == "wire"] == [
        ("y_pred", "[0 1 2 3]", "[0 −2 −4 −6]"),
        ("e", "[0 −1 −2 −3]", "[0 −2 −4 −6]"),
        ("", "[0 1 4 9]", "[1 1 1 1]"),
    ]


def test_leaves_and_results_say_value_shape_and_gradient() -> None:
    drawn = forward(regression())
    leaf, result = (next(b for b in drawn.boxes if b.label == label) for label in ("w", "J"))
    assert (leaf.above, leaf.sub, leaf.below, leaf.below_dim) == ("[1]", "[1]", "grad [−28]", False)
    assert (result.above, result.sub, result.below) == ("14", "", "1")


def test_data_flows_from_left_to_right_and_arrows_point_at_calls() -> None:
    drawn = forward(regression())
    boxes = {b.id: b for b in drawn.boxes}
    assert len(drawn.wires) == 10
    for wire in drawn.wires:
        assert boxes[wire.start].x < boxes[wire.end].x
        assert wire.arrow == (boxes[wire.end].shape != "wire")
        assert wire.d.startswith("M") and "C" in wire.d


def test_without_a_backward_there_are_no_gradients() -> None:
    drawn = forward(regression(backward=False))
    assert {b.below for b in drawn.boxes} == {""}


def test_a_leaf_that_backward_did_not_reach_says_so() -> None:
    cell = Cell("z = w * v.detach()")
    w, v = cell.leaf("w", 1.0), cell.leaf("v", 2.0)
    held = cell.call("v.detach()", "detach", (v,), 2.0, cut="detach")
    z = cell.call("w * v.detach()", "mul", (w, held), 2.0, name="z", node="MulBackward0")
    cell.backward(None, z, {z: 1.0, w: 2.0})
    drawn = forward(cell)
    assert (box(drawn, f"t{v}").below, box(drawn, f"t{v}").below_dim) == ("no grad", True)
    cut = next(b for b in drawn.boxes if b.style == "cut")
    assert (cut.label, cut.below, cut.below_dim) == ("detach", "✂ no gradient", True)
    assert [wire.kind for wire in drawn.wires if wire.end == cut.id] == ["cut"]
    assert [wire.kind for wire in drawn.wires if wire.start == f"t{w}"] == ["data"]


def test_large_tensors_say_what_they_are() -> None:
    cell = Cell("h = X @ W")
    x = cell.tensor(None, "X", shape=(64, 32))
    w = cell.leaf("W", shape=(32, 8))
    cell.call("X @ W", "matmul", (x, w), None, shape=(64, 8), name="h", node="MmBackward0")
    drawn = forward(cell)
    assert [(b.label, b.sub, b.above) for b in drawn.boxes if b.shape == "pill"] == [
        ("X", "", "float32[64,32]"),
        ("W", "", "float32[32,8]"),
    ]
    assert box(drawn, "t2").above == "float32[64,8]"


def test_long_names_go_into_rectangles() -> None:
    cell = Cell("z = f(x)")
    x = cell.leaf("x", 1.0)
    cell.call("f(x)", "cross_entropy", (x,), 1.0, name="z", node="NllLossBackward0")
    assert (box(forward(cell), "c0").shape, box(forward(cell), "c0").label) == ("rect", "cross_entropy")


def test_a_failed_call_is_drawn_with_its_error() -> None:
    cell = Cell("w += 1")
    w = cell.leaf("w", 1.0)
    cell.call("w += 1", "add_", (w,), constants=(("1", 1),), error=("RuntimeError", "a leaf Variable"))
    drawn = forward(cell)
    assert (box(drawn, "c0").style, box(drawn, "c0").label) == ("failed", "+=1")
    assert "RuntimeError: a leaf Variable" in box(drawn, "c0").title


def test_one_input_twice_has_two_wires() -> None:
    cell = Cell("z = y * y")
    y = cell.leaf("y", 3.0)
    cell.call("y * y", "mul", (y, y), 9.0, name="z", node="MulBackward0")
    assert edges(forward(cell)) == [("c0", "t1"), ("t0", "c0"), ("t0", "c0")]


def test_an_in_place_change_is_a_step_of_its_own() -> None:
    cell = Cell("y = x * 2\ny += 1")
    x = cell.leaf("x", 1.0)
    y = cell.call("x * 2", "mul", (x,), 2.0, name="y", node="MulBackward0", constants=(("1", 2),))
    cell.call("y += 1", "add_", (y,), 3.0, node="AddBackward0", constants=(("1", 1),), inplace=True)
    drawn = forward(cell)
    assert edges(drawn) == [("c0", "t1"), ("c1", "t2"), ("t0", "c0"), ("t1", "c1")]
    assert (box(drawn, "t1").name, box(drawn, "t2").label) == ("y", "y")


def test_a_state_that_no_drawn_call_made_is_linked_to_the_one_before() -> None:
    cell = Cell("y = x * 2\nz = y * y")
    x = cell.leaf("x", 1.0)
    y = cell.call("x * 2", "mul", (x,), 2.0, name="y", node="MulBackward0")
    obj = cell.tables["tensors"][y].object
    changed = cell.tensor(5.0, object=obj, version=1, requires_grad=True, leaf=False)
    cell.call("y * y", "mul", (y, changed), 10.0, name="z", node="MulBackward0")
    drawn = forward(cell)
    assert [(w.start, w.end) for w in drawn.wires if w.kind == "state"] == [(f"t{y}", f"t{changed}")]
    assert box(drawn, f"t{changed}").style == "unseen"


def test_iterations_stand_alone_with_the_leaf_repeated() -> None:
    drawn = forward(loop(3))
    leaves = [b for b in drawn.boxes if b.style == "leaf"]
    assert [(b.id, b.ghost_of) for b in leaves] == [("t0", None), ("t0~2", "t0"), ("t0~3", "t0")]
    assert [b.below for b in leaves] == ["grad [1]", "grad [3]", "grad [6]"]
    assert [b.y for b in leaves] == sorted(b.y for b in leaves)


def test_parts_that_share_a_leaf_are_one_where_nothing_repeats() -> None:
    cell = Cell("a = w * 2\nb = w + 2")
    w = cell.leaf("w", 1.0)
    cell.call("w * 2", "mul", (w,), 2.0, name="a", node="MulBackward0")
    cell.call("w + 2", "add", (w,), 3.0, name="b", node="AddBackward0")
    assert [b.id for b in forward(cell).boxes if b.style == "leaf"] == ["t0"]


def test_a_leaf_with_many_uses_is_repeated_at_each() -> None:
    source = "\n".join(f"a{i} = w * {i}." for i in range(5))
    cell = Cell(source)
    w = cell.leaf("w", 1.0)
    parts = [cell.call(f"w * {i}.", "mul", (w,), 1.0, name=f"a{i}", node="MulBackward0") for i in range(5)]
    assert sum(b.style == "leaf" for b in forward(cell).boxes) == 5
    cell.call(None, "stack", tuple(parts), 1.0, name="s", node="StackBackward0")
    assert sum(b.ghost_of == "t0" for b in forward(cell).boxes) == 4


def test_what_finds_no_room_is_left_out_of_the_middle_and_counted() -> None:
    drawn = forward(loop(1000), limit=30)
    results = [b.above for b in drawn.boxes if b.style == "result"]
    assert results == ["[1]", "[2]", "[3]", "[4]", "[5]", "[996]", "[997]", "[998]", "[999]", "[1000]"]
    assert len(drawn.boxes) == 30
    assert drawn.left_out == 990


def test_one_long_part_keeps_its_ends() -> None:
    cell = Cell("y = y * 2")
    y = cell.leaf("y", 1.0)
    for k in range(500):
        y = cell.call(None, "mul", (y,), float(k), name="y", node="MulBackward0")
    drawn = forward(cell, limit=40)
    values = [b.above for b in drawn.boxes if b.style == "result"]
    assert (values[0], values[-1]) == ("0", "499")
    assert len(drawn.boxes) <= 42
    assert drawn.left_out == 500 - sum(b.style == "call" for b in drawn.boxes)


def test_autograd_grad_is_drawn_as_a_derivative() -> None:
    cell = Cell("y = x ** 3\ng, = grad(y, x, create_graph=True)\nh, = grad(g, x)")
    x = cell.leaf("x", 2.0)
    y = cell.call("x ** 3", "pow", (x,), 8.0, name="y", node="PowBackward0", constants=(("1", 3),))
    node = cell.node("MulBackward0", (x,), origin="backward", order=2)
    g = cell.tensor(12.0, "g", requires_grad=True, leaf=False, node=node)
    options = dict(kind="autograd.grad", inputs=(x,))
    cell.backward("grad(y, x, create_graph=True)", y, {y: 1.0, x: 12.0}, results=(g,), create=True, **options)
    h = cell.tensor(12.0, "h")
    cell.backward("grad(g, x)", g, {g: 1.0}, results=(h,), order=2, **options)
    drawn = forward(cell)
    assert [(b.id, b.label) for b in drawn.boxes if b.style == "call"] == [("c0", "x³"), ("b0", "∂/∂x"), ("b1", "∂/∂x")]
    assert ("b0", f"t{g}") in edges(drawn) and (f"t{g}", "b1") in edges(drawn)
    assert "∂²" in box(drawn, "b1").title
    assert [b.above for b in backward(cell).boxes if b.label == "MulBackward0"] == ["∂²"]


def test_nothing_drawn_is_an_empty_picture() -> None:
    drawn = forward(Cell("x = 1"))
    assert (drawn.width, drawn.height, drawn.boxes, drawn.wires, drawn.left_out) == (0, 0, [], [], 0)


def test_findings_are_marked_where_they_are() -> None:
    cell, finding = added_again()
    drawn = report(cell, finding).pictures
    assert (box(drawn["forward"], "t0").badge, box(drawn["forward"], "t0").severity) == ("1", "warning")
    assert {b.badge for b in drawn["forward"].boxes if b.id != "t0"} == {""}


# ---- autograd's nodes


def test_nodes_flow_from_the_root_to_the_leaves() -> None:
    drawn = backward(regression())
    in_order = sorted(drawn.boxes, key=lambda b: b.x)
    assert [(b.label, b.sub, b.below) for b in in_order] == [
        ("SumBackward0", "J", "1"),
        ("PowBackward0", "", "[1 1 1 1]"),
        ("SubBackward0", "e", "[0 −2 −4 −6]"),
        ("MulBackward0", "y_pred", "[0 −2 −4 −6]"),
        ("AccumulateGrad", "w", "grad [−28]"),
    ]
    assert [b.style for b in in_order] == ["node"] * 4 + ["accumulate"]


def test_the_nodes_are_those_of_next_functions() -> None:
    cell = regression()
    nodes = cell.trace().nodes
    wanted = sorted((f"n{node.id}", f"n{target}") for node in nodes for target, _ in node.edges if target is not None)
    assert edges(backward(cell)) == wanted


def test_a_freed_node_says_so() -> None:
    assert "freed by line 7" in box(backward(regression()), "n1").title
    assert "freed" not in box(backward(regression(backward=False)), "n1").title


def test_iterations_have_their_own_accumulate_grad() -> None:
    leaves = [b for b in backward(loop(3)).boxes if b.style == "accumulate"]
    first = leaves[0].id
    assert [(b.ghost_of, b.below) for b in leaves] == [(None, "grad [1]"), (first, "grad [3]"), (first, "grad [6]")]


def test_nodes_left_out_are_counted() -> None:
    drawn = backward(loop(100), limit=20)
    assert drawn.left_out == 100 - sum(b.style == "node" for b in drawn.boxes)
    assert len(drawn.boxes) <= 20


@pytest.mark.parametrize("limit", [1, 2, 3, 10])
def test_even_a_tiny_limit_keeps_the_first_and_the_last(limit: int) -> None:
    results = [b.above for b in forward(loop(9), limit=limit).boxes if b.style == "result"]
    assert (results[0], results[-1]) == ("[1]", "[9]")
