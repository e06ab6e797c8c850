"""The user's names for tensors."""

from __future__ import annotations

import pytest
from recorded import Notebook, record_cell
from recorder.reading import calls, names, names_of, result_names

ASSIGNMENTS = [
    ("y = x * 2", [{"y"}]),
    ("a = b = x * 2", [{"a", "b"}]),
    ("if (y := x * 2).sum() > 0: pass", [{"y"}]),
    ("y: torch.Tensor = x * 2", [{"y"}]),
    ("for i in range(3):\n    y = x * i", [{"y"}, {"y"}, {"y"}]),
    ("def f(v):\n    h = v * 2\n    return h\nz = f(x)", [{"h"}]),
    ("def f(v):\n    return v * 2\nz = f(x)", [{"z"}]),
    ("def f(v):\n    def g(u):\n        inner = u * 2\n        return inner\n    return g(v)\nz = f(x)", [{"inner"}]),
    ("with torch.no_grad():\n    y = x * 2", [{"y"}]),
    ("class A: pass\ns = A()\ns.h = x * 2", [{"s.h"}]),
    ("class A:\n    def run(self, v):\n        self.h = v * 2\nA().run(x)", [{"self.h"}]),
    ("l = [x * i for i in (1, 2)]", [{"l[0]"}, {"l[1]"}]),
    ("d = {'k': x * 2}", [{"d['k']"}]),
    ("d = {}\nd['k'] = x * 2", [{"d['k']"}]),
    ("x * 2", [set()]),
    ("try:\n    y = x * 2\nfinally:\n    pass", [{"y"}]),
    ("y = (lambda v: v * 2)(x)", [{"y"}]),
    ("global g\ng = x * 2", [{"g"}]),
]


@pytest.mark.parametrize(("source", "expected"), ASSIGNMENTS)
def test_the_result_of_a_call_has_the_names_it_was_stored_under(source: str, expected: list[set[str]]) -> None:
    assert result_names(record_cell("x = torch.ones(2, requires_grad=True)\n" + source), "mul") == expected


def test_unpacking_names_each_result() -> None:
    trace = record_cell("a, b = torch.ones(2, 3).unbind(0)\n(v, i) = torch.ones(3).max(0)")
    assert [names_of(trace, t) for t in calls(trace, "unbind")[0].outputs] == [{"a"}, {"b"}]
    assert [names_of(trace, t) for t in calls(trace, "max")[0].outputs] == [{"v"}, {"i"}]


def test_unpacking_a_tensor_names_each_row() -> None:
    trace = record_cell("x = torch.ones(2, 3)\na, b = x")
    assert [names_of(trace, t) for t in trace.calls[1].outputs] == [{"a"}, {"b"}]


def test_an_augmented_assignment_is_a_new_state_of_the_name() -> None:
    trace = record_cell("x = torch.ones(2)\nx += 1\nx = x + 1")
    iadd, add = trace.calls[1:]
    assert iadd.inplace and names_of(trace, iadd.outputs[0]) == {"x"} and names_of(trace, add.outputs[0]) == {"x"}
    assert trace.tensors[iadd.outputs[0]].object == trace.tensors[0].object != trace.tensors[add.outputs[0]].object


def test_the_result_of_a_model_is_named_through_its_call() -> None:
    trace = record_cell("""
        class Net(torch.nn.Module):
            def forward(self, v):
                return v * 2
        J = Net()(torch.ones(2))
    """)
    assert result_names(trace, "mul") == [{"J"}]


def test_parameters_are_named_by_their_path() -> None:
    trace = record_cell("""
        model = torch.nn.Sequential(torch.nn.Linear(2, 1))
        y = model(torch.ones(1, 2))
    """)
    linear = calls(trace, "linear")[0]
    found = [names_of(trace, t) for t in linear.inputs[1:]]
    assert "model.0.weight" in found[0] and "model.0.bias" in found[1]


def test_a_variable_from_before_is_known_by_its_name() -> None:
    book = Notebook()
    book.namespace["w"] = book.namespace["torch"].ones(2)
    trace = book.run("y = w * 2")
    assert ("w", 0) in names(trace)


def test_a_loop_variable_over_a_list_is_named_at_its_use() -> None:
    book = Notebook()
    torch = book.namespace["torch"]
    book.namespace["tensors"] = [torch.ones(1), torch.zeros(1)]
    trace = book.run("for t in tensors:\n    y = t * 2")
    first, second = calls(trace, "mul")
    assert names_of(trace, first.inputs[0]) == {"tensors[0]"}
    assert names_of(trace, second.inputs[0]) == {"t"}  # what the variable still holds at the end


def test_names_of_functions_belong_to_their_function() -> None:
    trace = record_cell("def f(v):\n    h = v * 2\n    return h + 1\nz = f(torch.ones(2))")
    assert {n.name: n.function for n in trace.names} == {"h": "f", "z": "<module>", "v": "f"}


def test_what_another_function_made_of_a_result_is_not_named_after_it() -> None:
    trace = record_cell(
        "x = torch.ones(2)\ndef f(v):\n    return v * 2\nl = sorted([1, 2], key=lambda i: f(x).sum().item())"
    )
    assert all(not found for found in result_names(trace, "mul"))


SIDE_BY_SIDE = [
    ("a, b = x * 2, x * 3", [{"a"}, {"b"}]),
    ("a, b, c = x * 2, x * 3, x * 4", [{"a"}, {"b"}, {"c"}]),
    ("a, n = x * 2, len([1, 2])", [{"a"}]),
    ("def f():\n    a, b = x * 2, x * 3\n    return a + b\nz = f()", [{"a"}, {"b"}]),
    ("def f():\n    a, b = (x * 2).unbind(0)\n    return a + b\nz = f()", [set()]),
]


@pytest.mark.parametrize(("source", "expected"), SIDE_BY_SIDE)
def test_values_side_by_side_each_have_their_own_name(source: str, expected: list[set[str]]) -> None:
    assert result_names(record_cell("x = torch.ones(2, requires_grad=True)\n" + source), "mul") == expected


def test_rows_unpacked_in_a_function_are_named() -> None:
    trace = record_cell("def f(v):\n    a, b = v\n    return a + b\nz = f(torch.ones(2, 3))")
    assert [names_of(trace, t) for t in trace.calls[1].outputs] == [{"a"}, {"b"}]


def test_what_asks_for_an_array_is_not_taken_for_the_tensor() -> None:
    trace = record_cell("import numpy\nx = [torch.ones(2)]\nnumpy.array(x[0])\nnumpy.sum(x[0])")
    assert {name.name for name in trace.names} == {"x[0]"}
