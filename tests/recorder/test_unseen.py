"""Work that is no call of torch's Python API still has its place in the trace."""

from __future__ import annotations

import sys

import pytest
import torch
from recorded import Notebook, record_cell
from recorder.reading import calls, names_of, segment

FUNCTION = """
class Square(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x
    @staticmethod
    def backward(ctx, g):
        return g * 2 * ctx.saved_tensors[0]
w = torch.tensor(3., requires_grad=True)
"""


@pytest.mark.skipif(sys.version_info < (3, 11), reason="columns are known from Python 3.11 on")
def test_a_custom_function_is_a_call_where_apply_was_called() -> None:
    trace = record_cell(FUNCTION + "h = w + 1\ny = Square.apply(h)\nz = y * 2\nz.backward()")
    (square,) = calls(trace, "Square")
    assert square.qualified == "autograd.Function" and segment(trace, square.places[0]) == "Square.apply(h)"
    assert square.inputs == calls(trace, "add")[0].outputs
    assert names_of(trace, square.outputs[0]) == {"y"} and square.outputs[0] == calls(trace, "mul")[-1].inputs[0]
    assert [trace.nodes[n].name for n in square.nodes] == ["SquareBackward"]
    assert trace.nodes[square.nodes[0]].origin == "call"


def test_what_its_forward_does_is_no_cut() -> None:
    trace = record_cell(FUNCTION + "y = Square.apply(w)\ny.backward()")
    inner = calls(trace, "mul")[0]
    assert inner.cut is None and not inner.grad_enabled


def test_a_result_that_is_never_used_is_found_at_the_end() -> None:
    trace = record_cell(FUNCTION + "y = Square.apply(w)")
    (square,) = calls(trace, "Square")
    assert square.inputs == (0,) and trace.tensors[square.outputs[0]].node is not None


def test_several_results_belong_to_one_call() -> None:
    trace = record_cell("""
        class Both(torch.autograd.Function):
            @staticmethod
            def forward(ctx, a, b):
                return a * 2, b * 3
            @staticmethod
            def backward(ctx, g, h):
                return g * 2, h * 3
        a, b = torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)
        c, d = Both.apply(a, b)
        (c + d).sum().backward()
        assert b.grad.tolist() == [3., 3.]
    """)
    (both,) = calls(trace, "Both")
    assert both.inputs == (0, 1) and len(both.outputs) == 2 and trace.failure is None
    assert [trace.tensors[t].output_nr for t in both.outputs] == [0, 1]


def test_each_use_is_a_call_of_its_own() -> None:
    trace = record_cell(FUNCTION + "y = Square.apply(Square.apply(w))\ny.backward()\nassert w.grad == 108")
    first, second = calls(trace, "Square")
    assert second.inputs == first.outputs and trace.failure is None


def test_inside_a_module() -> None:
    trace = record_cell(
        FUNCTION
        + """
class Net(torch.nn.Module):
    def forward(self, x):
        return Square.apply(x)
y = Net()(w)
y.backward()
"""
    )
    (square,) = calls(trace, "Square")
    assert [trace.places[p].function for p in square.places] == ["forward", "<module>"]


def test_operators_called_without_python_are_unseen_or_seen_but_never_lost() -> None:
    trace = record_cell("w = torch.ones(2, requires_grad=True)\ny = torch.ops.aten.mul(w, w)\nz = y + 1")
    assert len(trace.calls) == 3 and trace.calls[1].outputs == trace.calls[2].inputs


def test_a_script_function_is_connected() -> None:
    book = Notebook()
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        book.namespace["f"] = torch.jit.trace(lambda a: a * 2 + 1, torch.ones(2))
    trace = book.run("w = torch.ones(2, requires_grad=True)\ny = f(w)\nz = y.sum()\nz.backward()")
    assert trace.failure is None and book.namespace["w"].grad.tolist() == [2.0, 2.0]
    producer = trace.tensors[calls(trace, "sum")[0].inputs[0]].call
    assert producer is not None and trace.calls[producer].inputs == (0,)


def test_what_was_dropped_by_the_limit_is_not_called_unseen() -> None:
    trace = record_cell("w = torch.ones(2, requires_grad=True)\nfor _ in range(5):\n    w = w * 2\nw.sum()", limit=3)
    assert len(trace.calls) == 3 and not [c for c in trace.calls if c.qualified == "unseen"]


def test_a_tensor_from_before_is_not_unseen_work() -> None:
    book = Notebook()
    book.namespace["y"] = torch.ones(2, requires_grad=True) * 2
    trace = book.run("z = y + 1")
    assert [c.name for c in trace.calls] == ["add"]
