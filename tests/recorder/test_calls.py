"""Calls with their exact places, arguments, results and errors."""

from __future__ import annotations

import sys

import pytest
from recorded import record_cell
from recorder.reading import calls, segment

exact = pytest.mark.skipif(sys.version_info < (3, 11), reason="columns are known from Python 3.11 on")

SPANS = [
    ("x = torch.ones(2)\ny = x * 3 + 1", ["torch.ones(2)", "x * 3", "x * 3 + 1"]),
    # of a method called on a line of its own, Python itself notes the span from the method's name on
    ("x = torch.ones(2)\ny = (x\n     .mul(2)\n     .add(1))", ["torch.ones(2)", "mul(2)", "add(1)"]),
    ("x = torch.ones(2)\ny = torch.add(\n    x,\n    x,\n)", ["torch.ones(2)", "torch.add(\n    x,\n    x,\n)"]),
    ("x = torch.ones(2)\nä, y = 1, x.exp()", ["torch.ones(2)", "x.exp()"]),
    ("größe = torch.ones(2); y = größe * größe.exp()", ["torch.ones(2)", "größe.exp()", "größe * größe.exp()"]),
    ("x = torch.ones(2)\nt = f'{x.sum().shape}'", ["torch.ones(2)", "x.sum()"]),
    ("x = torch.ones(2)\nf = lambda v: v.exp()\ny = f(x)", ["torch.ones(2)", "v.exp()"]),
    ("x = torch.ones(2)\nl = [x * i for i in (1, 2)]", ["torch.ones(2)", "x * i", "x * i"]),
    ("x = torch.ones(2)\ny = x[0]", ["torch.ones(2)", "x[0]"]),
    ("x = torch.ones(2)\nx += 1", ["torch.ones(2)", "x += 1"]),
    ("x = torch.ones(2)\nx[0] = 5.0", ["torch.ones(2)", "x[0]"]),
    ("x = torch.ones(2)\ny = -x", ["torch.ones(2)", "-x"]),
    ("x = torch.ones(2)\ny = torch.nn.functional.relu(x)", ["torch.ones(2)", "torch.nn.functional.relu(x)"]),
    ("x = torch.ones(2)\na, b = x", ["torch.ones(2)", "a, b"]),
]


@exact
@pytest.mark.parametrize(("source", "expected"), SPANS)
def test_the_span_of_a_call_is_exact(source: str, expected: list[str]) -> None:
    trace = record_cell(source)
    assert [segment(trace, c.places[0]) for c in trace.calls] == expected


@exact
def test_a_call_in_a_function_has_its_callers_behind_it() -> None:
    trace = record_cell("""
        def double(v):
            return v * 2
        class Net:
            def run(self, v):
                return double(v)
        y = Net().run(torch.ones(2))
    """)
    (call,) = calls(trace, "mul")
    assert [segment(trace, p) for p in call.places] == ["v * 2", "double(v)", "Net().run(torch.ones(2))"]
    assert [trace.places[p].function for p in call.places] == ["double", "run", "<module>"]


@exact
def test_a_call_in_a_decorator_is_placed_in_it() -> None:
    trace = record_cell("""
        def scaled(factor):
            def wrap(f):
                def inner(v):
                    return f(v) * factor
                return inner
            return wrap
        @scaled(torch.ones(1))
        def f(v):
            return v + 1
        y = f(torch.ones(2))
    """)
    assert [segment(trace, c.places[0]) for c in trace.calls] == [
        "torch.ones(1)",
        "torch.ones(2)",
        "v + 1",
        "f(v) * factor",
    ]


def test_lines_are_known_on_every_python() -> None:
    trace = record_cell("x = torch.ones(2)\n\ny = x * 2\n")
    assert [trace.places[c.places[0]].line for c in trace.calls] == [1, 3]


def test_modules_lead_to_the_line_of_the_cell() -> None:
    trace = record_cell("""
        model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.ReLU())
        y = model(torch.ones(1, 2))
    """)
    linear, relu = calls(trace, "linear")[0], calls(trace, "relu")[0]
    assert linear.qualified == "torch._C._nn.linear" and relu.qualified == "torch.nn.functional.relu"
    assert [trace.places[c.places[-1]].line for c in (linear, relu)] == [3, 3]


def test_inputs_constants_and_outputs() -> None:
    trace = record_cell("x = torch.ones(4)\ny = torch.sum(x.view(2, 2), dim=1, keepdim=True)\nz = x[1:3]")
    view, total, item = trace.calls[1:]
    assert view.inputs == (0,) and view.constants == (("1", 2), ("2", 2))
    assert total.inputs == view.outputs and dict(total.constants) == {"dim": 1, "keepdim": True}
    assert item.name == "__getitem__" and item.constants == (("1", "1:3"),)


def test_tensors_in_lists_are_inputs_in_order() -> None:
    trace = record_cell("a, b = torch.ones(2), torch.zeros(2)\nc = torch.cat([b, a, b])")
    (cat,) = calls(trace, "cat")
    assert cat.inputs == (1, 0, 1)


def test_several_results() -> None:
    trace = record_cell("v, i = torch.ones(3, 2).max(0)\np = torch.ones(4).split(2)")
    assert len(calls(trace, "max")[0].outputs) == 2
    assert len(calls(trace, "split")[0].outputs) == 2


def test_an_input_handed_through_keeps_its_row() -> None:
    trace = record_cell("x = torch.ones(2)\ny = x.contiguous()\nz = x.to(torch.float32)")
    assert all(c.outputs == (0,) for c in trace.calls)


def test_a_call_that_raises_is_recorded_with_its_error() -> None:
    trace = record_cell("x = torch.ones(2)\ny = x @ torch.ones(3)")
    assert trace.calls[-1].error is not None
    assert trace.calls[-1].error.type == "RuntimeError" and "size" in trace.calls[-1].error.message
    assert trace.failure is not None and trace.failure.type == "RuntimeError"
    assert trace.places[trace.failure.places[0]].line == 2


def test_a_call_caught_by_the_cell_is_no_failure_of_it() -> None:
    trace = record_cell("try:\n    torch.ones(2) @ torch.ones(3)\nexcept RuntimeError:\n    pass")
    assert trace.failure is None and trace.calls[-1].error is not None


def test_beyond_the_limit_calls_run_and_are_counted() -> None:
    trace = record_cell("x = torch.ones(2)\nfor _ in range(10):\n    x = x + 1\nassert x[0] == 11", limit=5)
    assert len(trace.calls) == 5 and trace.dropped >= 6 and trace.failure is None


def test_repetitions_share_their_place() -> None:
    trace = record_cell("x = torch.ones(2)\nfor _ in range(3):\n    x = x * 2")
    assert len({c.places for c in calls(trace, "mul")}) == 1


def test_iterating_over_a_tensor_is_a_call_with_the_rows_as_results() -> None:
    trace = record_cell("x = torch.ones(2, 3, requires_grad=True)\nfor row in x:\n    row.sum().backward()")
    assert trace.calls[1].name in ("__iter__", "unbind") and len(trace.calls[1].outputs) == 2
    assert not [c for c in trace.calls if c.qualified == "unseen"]
