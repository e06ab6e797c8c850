"""What backwards were given, and which function of torch's ran them."""

from __future__ import annotations

import sys

from autograd_magics.trace import Trace

from ..recorded import record_cell


def test_the_tensors_that_weight_the_outputs_are_known() -> None:
    trace = record_cell(
        """
        x = torch.tensor([1.0, 2.0], requires_grad=True)
        v = torch.tensor([1.0, 0.5])
        (x * 2).backward(v)
        (x * 2).sum().backward()
        torch.autograd.grad([x.sum(), x * 3], x, [None, v])
        """
    )
    names = {name.tensor: name.name for name in trace.names}
    given = [tuple(names.get(t) if t is not None else None for t in row.given) for row in trace.backwards]
    assert given == [("v",), (), (None, "v")]
    assert Trace.from_json(trace.to_json()) == trace


def test_a_function_of_torchs_is_noted_at_the_place_where_it_was_called() -> None:
    trace = record_cell(
        """
        from torch.autograd.functional import jacobian as rows
        def f(x):
            return x * x
        x = torch.tensor([1.0, 2.0])
        J = rows(f, x)
        K = x * 2
        """
    )
    through = {(place.line, place.through) for place in trace.places}
    assert (6, "torch.autograd.functional.jacobian") in through
    assert all(name == "" for line, name in through if line != 6)
    assert {trace.places[row.places[0]].line for row in trace.backwards} == {6}


def test_a_transform_is_noted_too() -> None:
    trace = record_cell("x = torch.tensor([1.0, 2.0])\nJ = torch.func.jacrev(lambda x: x ** 3)(x)")
    named = sys.version_info >= (3, 11)  # before, code objects have no qualified names
    assert {place.through for place in trace.places if place.line == 2} == {"torch.func.jacrev" if named else ""}


def test_what_a_transform_gave_back_runs_the_engine_on_tensors_of_its_own() -> None:
    trace = record_cell(
        """
        x = torch.tensor([1.0, 2.0])
        out, pull = torch.func.vjp(lambda x: x ** 3, x)
        (g,) = pull(torch.ones(2))
        print(g)
        """
    )
    assert trace.problem is None and trace.failure is None and trace.backwards == ()
