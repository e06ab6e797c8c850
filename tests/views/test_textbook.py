"""The textbook's derivatives, computed as they are written and compared with autograd's gradients in float64.

`textbook.txt` has a line for each: the function that is derived, and an expression that uses it.
"""

from __future__ import annotations

import pathlib
from collections.abc import Iterator

import pytest
import torch

from autograd_magics.graph import Graph
from autograd_magics.trace import Step, Trace
from autograd_magics.views.format import MINUS
from autograd_magics.views.formulas import InputRule, local_rule
from autograd_magics.views.formulas.arrays import Array, summed_to
from autograd_magics.views.formulas.evaluate import evaluate
from autograd_magics.views.formulas.facts import Facts
from autograd_magics.views.formulas.textbook import FORMS, NODES, RESULTS
from autograd_magics.views.formulas.writing import Symbols
from tests.recorded import record_cell

CASES = [
    tuple(line.split(maxsplit=1))
    for line in (pathlib.Path(__file__).parent / "textbook.txt").read_text("utf-8").splitlines()
]

INPUTS = """
import torch.nn.functional as F
def leaf(*shape):
    return torch.empty(shape, dtype=torch.float64).uniform_(0.1, 0.9).requires_grad_()
x, y, z, square, batch = leaf(2, 3), leaf(2, 3), leaf(3, 2), leaf(3, 3), leaf(2, 2, 3)
v, u, b, one, scalar = leaf(3), leaf(3), leaf(2), leaf(1), leaf()
w = leaf(2, 3) * 2 - 1
"""


def recorded(expression: str) -> Trace:
    """A backward through the expression from a random gradient."""
    trace = record_cell(f"{INPUTS}\nout = {expression}\nout.backward(torch.rand_like(out))")
    assert trace.failure is None
    return trace


def textbook_rules(trace: Trace) -> Iterator[tuple[str, Step, InputRule, Facts]]:
    """(function, step, rule, facts) of every textbook formula in a trace."""
    graph = Graph(trace)
    for step in trace.steps:
        facts = Facts(graph, step)
        known = [row.function for row in trace.formulas if row.name == facts.node.name]
        function = known[0] if known else NODES.get(facts.node.name)
        rule = local_rule(graph, step, MINUS)
        if function is not None and rule.kind == "textbook":
            for one in rule.inputs:
                yield function, step, one, facts


def values(trace: Trace, facts: Facts, function: str, rule: InputRule) -> dict[str, Array] | None:
    """What the words of a formula stand for; None where one of them was not recorded."""
    arguments = [row.argument for row in trace.formulas if row.name == facts.node.name]
    edges = {argument: edge for edge, argument in enumerate(arguments)}
    try:
        return Symbols(facts, function, edges, MINUS).values(rule.formula)
    except ValueError:
        return None


@pytest.mark.parametrize(("function", "expression"), CASES, ids=[f"{f}: {e}" for f, e in CASES])
def test_a_formula_gives_what_autograd_gives(function: str, expression: str) -> None:
    trace = recorded(expression)
    checked = []
    for found, step, rule, facts in textbook_rules(trace):
        sent, known = step.sent[rule.edge], values(trace, facts, found, rule)
        if known is None:
            continue
        computed = evaluate(rule.formula, known)
        if rule.summed_to is not None:
            computed = summed_to(computed, rule.summed_to)
        assert computed.shape == sent.shape
        tolerance = 1e-6 if "float32" in (sent.dtype, facts.received.dtype) else 1e-12
        gaps = [abs(a - b) for a, b in zip(computed.data, Array.of(sent.value).data, strict=True)]
        assert max(gaps) <= tolerance, f"{rule.formula}: {computed} is not {sent.value}"
        assert not rule.differs
        checked.append(found)
    assert function in checked, f"no textbook formula for {function} in {[n.name for n in trace.nodes]}"


SCALARS = ("add.Scalar", "sub.Scalar", "mul.Scalar", "div.Scalar")
"""Functions that only torch itself calls, in second derivatives: their number is not in a trace."""


@pytest.mark.parametrize("function", SCALARS)
def test_a_formula_with_a_number_gives_what_autograd_gives(function: str) -> None:
    name, overload = function.split(".")
    x, grad = torch.rand(4, dtype=torch.float64, requires_grad=True), torch.rand(4, dtype=torch.float64)
    getattr(getattr(torch.ops.aten, name), overload)(x, 3.0).backward(grad)
    computed = evaluate(FORMS[function]["self"], {"grad": Array.of(grad.tolist()), "other": Array.of(3.0)})
    assert computed.data == pytest.approx(x.grad.tolist(), rel=1e-12)


def test_every_formula_is_checked() -> None:
    checked = {(function, "self") for function in SCALARS}
    for _, expression in CASES:
        trace = recorded(expression)
        found = [(f, rule.argument) for f, _, rule, facts in textbook_rules(trace) if values(trace, facts, f, rule)]
        checked.update(found)
    assert {(function, argument) for function, forms in FORMS.items() for argument in forms} - checked == set()


@pytest.mark.parametrize("function", RESULTS)
def test_what_result_is_said_to_be(function: str) -> None:
    trace = recorded(dict(CASES)[function])
    (call,) = [call for call in trace.calls if call.id == trace.nodes[trace.steps[0].node].call]
    tensors = dict(zip(("self", "exponent"), call.inputs, strict=False))
    known = {name: Array.of(trace.tensors[row].value) for name, row in tensors.items()}
    if function == "pow.Scalar":
        known = {"self": Array.of(3), "exponent": known["self"]}
    computed, result = evaluate(RESULTS[function], known), Array.of(trace.tensors[call.outputs[0]].value)
    assert computed.data == pytest.approx(result.data, rel=1e-12)


def test_a_wrong_formula_is_seen() -> None:
    """The same comparison fails where a form is wrong."""
    trace = recorded("x / v")
    wrong = {"div.Tensor": {"self": "grad · other", "other": "grad · self / other²"}}
    for function, step, rule, facts in textbook_rules(trace):
        computed = evaluate(wrong[function][rule.argument], values(trace, facts, function, rule) or {})
        if rule.summed_to is not None:
            computed = summed_to(computed, rule.summed_to)
        assert computed.data != pytest.approx(Array.of(step.sent[rule.edge].value).data, rel=1e-3)
