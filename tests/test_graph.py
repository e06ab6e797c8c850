from __future__ import annotations

from autograd_magics.graph import Graph
from tests.builders import Cell, loop, regression


def test_states_of_an_object_are_in_order_of_time() -> None:
    cell = Cell("w += 1")
    w = cell.leaf("w", 1.0)
    cell.call("w += 1", "add_", (w,), 2.0, inplace=True, cut="no_grad")
    graph = Graph(cell.trace())
    (states,) = graph.states.values()
    assert [(row.id, row.version) for row in states] == [(0, 0), (1, 1)]


def test_users_and_makers() -> None:
    cell = regression()
    graph = Graph(cell.trace())
    assert [call.id for call in graph.users[0]] == [0]
    assert graph.maker(3).name == "mul"
    assert graph.maker(0) is None


def test_sources_of_leads_back_to_the_leaves_nearest_first() -> None:
    graph = Graph(regression().trace())
    assert [row.id for row in graph.sources_of([6])] == [6, 5, 4, 3, 2, 1, 0]


def test_names_come_from_the_users_assignments() -> None:
    cell = regression()
    cell.name(3, "again", "x * w")
    graph = Graph(cell.trace())
    assert graph.name(0) == "w"
    assert set(graph.names(3)) == {"y_pred", "again"}
    assert graph.name(5) is None
    assert graph.label(5) == "e.pow(2)"


def test_the_grad_of_a_named_tensor_has_a_name() -> None:
    cell = Cell("w.grad")
    w = cell.leaf("w", 1.0)
    grad = cell.tensor(2.0, grad_of=cell.tables["tensors"][w].object)
    assert Graph(cell.trace()).name(grad) == "w.grad"


def test_segments_are_the_exact_source() -> None:
    cell = Cell("z = torch.add(\n    é, x)  # é")
    x = cell.leaf("x", 1.0)
    cell.call("torch.add(\n    é, x)", "add", (x,), 1.0, name="z", node="AddBackward0")
    graph = Graph(cell.trace())
    assert graph.segment(graph.trace.places[0]) == "torch.add(\n    é, x)"
    assert graph.line_text(0, 2) == "    é, x)  # é"
    assert graph.line_text(0, 99) == ""
    assert graph.segment(None) is None


def test_the_place_to_show_is_the_innermost_in_the_recorded_cell() -> None:
    cell = Cell("z = helper(x)")
    other = cell.source("def helper(x):\n    return x * 2", None)
    (inner,), (outer,) = cell.at("x * 2", other), cell.at("helper(x)")
    graph = Graph(cell.trace())
    assert graph.place((inner, outer)).id == outer
    assert graph.place((inner,)).id == inner
    assert graph.place(()) is None


def test_gradients_say_which_backward_brought_them() -> None:
    graph = Graph(loop(3).trace())
    brought = [(backward.id, gradient.value) for backward, gradient in graph.gradients(0)]
    assert brought == [(0, [1.0]), (1, [2.0]), (2, [3.0])]
    assert graph.gradient(0).value == [3.0]
    assert graph.last_grad(0).value == [6.0]
    assert [gradient.value for _, gradient in graph.gradients(1)] == [[1.0]]


def test_a_gradient_of_a_lower_order_comes_first() -> None:
    cell = Cell("y = x ** 3")
    x = cell.leaf("x", 2.0)
    y = cell.call("x ** 3", "pow", (x,), 8.0, name="y", node="PowBackward0")
    cell.backward(None, y, {y: 1.0, x: 12.0})
    cell.backward(None, y, {y: 5.0, x: 12.0}, order=2)
    assert Graph(cell.trace()).gradient(y).value == 1.0


def test_what_autograd_grad_returned_is_a_gradient_too() -> None:
    cell = Cell("g, = grad(y, x)")
    x = cell.leaf("x", 2.0)
    y = cell.call(None, "pow", (x,), 8.0, name="y", node="PowBackward0")
    g = cell.tensor(12.0, "g")
    cell.backward(None, y, {y: 1.0}, kind="autograd.grad", inputs=(x,), results=(g,))
    graph = Graph(cell.trace())
    assert [gradient.value for _, gradient in graph.gradients(x)] == [12.0]
    assert graph.last_grad(cell.tables["tensors"][x].object) is None


def test_memory_is_counted_by_storage() -> None:
    cell = regression()
    graph = Graph(cell.trace())
    assert graph.unique_bytes(graph.trace.saved) == (32, 2)
    cell.keep(1, "other", 1)
    assert Graph(cell.trace()).unique_bytes(cell.trace().saved) == (32, 2)
    assert graph.kept() == ()
    kept = Graph(regression(backward=False).trace()).kept()
    assert [row.slot for row in kept] == ["self", "self"]


def test_reachable_is_nearest_first() -> None:
    graph = Graph(regression().trace())
    assert [node.name for node in graph.reachable([4])] == [
        "SumBackward0",
        "PowBackward0",
        "SubBackward0",
        "MulBackward0",
        "AccumulateGrad",
    ]


def test_drawn_are_the_calls_that_autograd_records() -> None:
    cell = regression()
    x = cell.tensor([1.0])
    cell.call(None, "reshape", (x,), [[1.0]])
    assert [call.name for call in Graph(cell.trace()).drawn_calls] == ["mul", "sub", "pow", "sum"]


def test_drawn_are_cuts_that_matter_and_calls_that_failed() -> None:
    cell = Cell("a = w.detach()\nw.detach()\nw += 1")
    w = cell.leaf("w", 1.0)
    cell.call("w.detach()", "detach", (w,), 1.0, name="a", cut="detach")
    cell.call("w.detach()", "detach", (w,), 1.0, cut="detach")
    cell.call("w += 1", "add_", (w,), error=("RuntimeError", "a leaf"))
    assert [call.id for call in Graph(cell.trace()).drawn_calls] == [0, 2]


def test_drawn_is_what_led_to_a_failed_backward() -> None:
    cell = Cell("z = x * 2\nz.backward()")
    x = cell.tensor(1.0, "x")
    z = cell.call("x * 2", "mul", (x,), 2.0, name="z")
    cell.backward("z.backward()", z, {}, error=("RuntimeError", "does not require grad"))
    assert [call.name for call in Graph(cell.trace()).drawn_calls] == ["mul"]


def test_operations_leave_out_the_calls_that_ran_a_backward() -> None:
    cell = Cell("y = x * 2\ng, = torch.autograd.grad(y, x)")
    x = cell.leaf("x", 1.0)
    y = cell.call("x * 2", "mul", (x,), 2.0, name="y", node="MulBackward0")
    started = cell.clock + 1
    cell.backward(None, y, {y: 1.0}, kind="autograd.grad", inputs=(x,))
    cell.call("torch.autograd.grad(y, x)", "grad", (y, x), 2.0, name="g", node="MulBackward0")
    cell.change("calls", 1, at=started)
    graph = Graph(cell.trace())
    assert [call.name for call in graph.drawn_calls] == ["mul", "grad"]
    assert [call.name for call in graph.operations] == ["mul"]


def test_leaves_are_those_that_take_part() -> None:
    cell = regression()
    cell.leaf("unused", 1.0)
    assert [row.id for row in Graph(cell.trace()).leaves] == [0]
