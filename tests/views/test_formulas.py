from __future__ import annotations

import re

import pytest
import torch

from autograd_magics.graph import Graph
from autograd_magics.trace import Formula, Trace
from autograd_magics.views.format import MINUS
from autograd_magics.views.formulas import local_rule, rule_rows
from autograd_magics.views.formulas.arrays import Array
from autograd_magics.views.formulas.evaluate import evaluate
from autograd_magics.views.formulas.shapes import index_text
from autograd_magics.views.formulas.tidy import tidy
from autograd_magics.views.phrases import Phrases
from tests.builders import HOSTILE, Cell, hostile, regression
from tests.recorded import Notebook, record_cell
from tests.recorder.test_formulas import installed

LEAVES = """
import torch.nn.functional as F
w = torch.tensor([1.0, -2.0, 3.0], requires_grad=True)
W = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], requires_grad=True)
big = torch.full((30,), 2.0, requires_grad=True)
"""


def rows(trace: Trace, minus: str = "-") -> list[tuple[str, str, str, str]]:
    """(node, whose gradient, rule, numbers) of every step, in the engine's order."""
    phrases = Phrases(Graph(trace), minus=minus)
    found = []
    for step in trace.steps:
        found += [(trace.nodes[step.node].name, r.name, r.rule, r.numbers) for r in rule_rows(phrases, step)]
    return found


def of(node: str, source: str) -> list[tuple[str, str, str]]:
    """What is told of the nodes of one name after a cell."""
    trace = record_cell(LEAVES + source)
    assert trace.failure is None
    return [row[1:] for row in rows(trace) if row[0] == node]


def test_the_regression_of_the_lesson() -> None:
    assert rows(regression().trace()) == [
        ("SumBackward0", "e.pow(2)", "grad · ones([4])", "1 · ones([4]) = [1 1 1 1]"),
        ("PowBackward0", "e", "grad · 2 · e", "[1 1 1 1] · 2 · [0 -1 -2 -3] = [0 -2 -4 -6]"),
        ("SubBackward0", "y_pred", "grad", "[0 -2 -4 -6]"),
        ("MulBackward0", "w", "grad · x, summed to shape [1]",
         "([0 -2 -4 -6] · [0 1 2 3]) summed to shape [1] = [-28]"),
        ("AccumulateGrad", "w", "w.grad ← grad", "[-28]"),
    ]  # fmt: skip


def test_pictures_get_the_true_minus() -> None:
    assert ("e", "grad · 2 · e", "[1 1 1 1] · 2 · [0 −1 −2 −3] = [0 −2 −4 −6]") in [
        row[1:] for row in rows(regression().trace(), MINUS)
    ]


def test_without_words() -> None:
    trace = regression().trace()
    rule = local_rule(Graph(trace), trace.steps[1])
    (one,) = rule.inputs
    assert (rule.kind, one.edge, one.argument, one.name) == ("textbook", 0, "self", "e")
    assert (one.formula, one.named) == ("grad · 2 · self", "grad · 2 · e")
    assert (one.numbers, one.result, one.summed_to) == ("[1 1 1 1] · 2 · [0 -1 -2 -3]", "[0 -2 -4 -6]", None)


def test_a_negative_number_stands_in_parentheses_where_its_sign_would_be_misread() -> None:
    assert of("PowBackward0", "c = w[1]\n(c ** 3).backward()") == [
        ("c", "grad · 3 · c²", "1 · 3 · (-2)² = 12"),
    ]  # fmt: skip
    assert of("MulBackward0", "(w[1] * w[2]).backward(torch.tensor(-1.0))")[0][2] == "-1 · 3 = -3"
    assert of("NegBackward0", "(-w[1]).backward(torch.tensor(-1.0))")[0][1:] == ("-grad", "-(-1) = 1")


def test_result_is_explained() -> None:
    assert of("ExpBackward0", "w.exp().sum().backward()") == [
        ("w", "grad · result, result = e^w", "[1 1 1] · [2.718 0.1353 20.09] = [2.718 0.1353 20.09]"),
    ]  # fmt: skip


def test_a_second_backward_adds_to_the_gradient() -> None:
    found = of("AccumulateGrad", "(w * 2).sum().backward()\n(w * 3).sum().backward()")
    assert found == [
        ("w", "w.grad ← grad", "[2 2 2]"),
        ("w", "w.grad ← w.grad + grad", "[2 2 2] + [3 3 3] = [5 5 5]"),
    ]


def test_large_tensors_stand_with_their_shapes() -> None:
    assert of("MulBackward0", "y = big * big.detach()\ny.sum().backward()") == [
        ("big", "grad · other", "grad[30] · other[30] = float32[30]"),
    ]  # fmt: skip


def test_the_longest_values_give_way() -> None:
    rule = "a = torch.full((16,), 1.2345, requires_grad=True)\nb = torch.full((16,), 2.3456)\n(a * b).sum().backward()"
    (found,) = of("MulBackward0", rule)
    assert found[2] == f"[{' '.join('1' * 16)}] · b = [{'2.3 ' * 14}…]"


def test_the_weight_of_a_linear_layer_is_not_seen_as_its_transpose() -> None:
    x = "x = torch.tensor([[1.0, 0.0, 2.0]], requires_grad=True)\n"
    found = of("AddmmBackward0", x + "F.linear(x, W, torch.ones(2, requires_grad=True)).sum().backward()")
    assert found[1:] == [
        ("x", "grad @ W", "[[1 1]] @ [[1 2 3] [4 5 6]] = [[5 7 9]]"),
        ("Wᵀ", "xᵀ @ grad", "[[1 0 2]]ᵀ @ [[1 1]] = [[1 1] [0 0] [2 2]]"),
    ]


def test_torchs_own_formula_where_the_textbook_has_none() -> None:
    assert of("ErfcBackward0", "w.erfc().sum().backward()") == [
        ("w", "-2 / sqrt(π) · exp(-(w.pow(2))) · grad",
         "-2 / sqrt(π) · exp(-([1 -2 3].pow(2))) · [1 1 1] = [-0.4151 -0.02067 -0.0001393]"),
    ]  # fmt: skip
    ((_, rule, numbers), *_) = of("NativeLayerNormBackward0", "F.layer_norm(w, (3,)).sum().backward()")
    assert rule.startswith("native_layer_norm_backward(grad, ") and numbers == ""


def test_a_function_of_the_users_own_has_no_known_formula() -> None:
    source = """
class Twice(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x * 2
    @staticmethod
    def backward(ctx, grad):
        return grad * 2
Twice.apply(w).sum().backward()
"""
    assert of("TwiceBackward", source) == [("", "no formula known for TwiceBackward", "")]


def test_what_a_hook_changed_is_told_apart_from_what_the_formula_gives() -> None:
    hooked = "def tenfold(g):\n    return g * 10\nc = w * 2\nc.register_hook(tenfold)\nc.exp().sum().backward()"
    ((_, _, numbers),) = of("ExpBackward0", hooked)
    assert numbers == (
        "[1 1 1] · [7.389 0.01832 403.4] = [7.389 0.01832 403.4]; hook tenfold then made it [73.89 0.1832 4034]"
    )
    assert ("w", "grad · 2", "[73.89 0.1832 4034] · 2 = [147.8 0.3663 8069]") in of("MulBackward0", hooked)


def test_what_a_hook_of_an_unrecorded_cell_changed_is_not_called_equal() -> None:
    notebook = Notebook()
    c = torch.tensor([1.0, -2.0, 3.0], requires_grad=True) * 2
    c.register_hook(lambda g: g * 10)
    notebook.namespace["c"] = c
    ((*_, numbers),) = [row for row in rows(notebook.run("c.exp().sum().backward()")) if row[0] == "ExpBackward0"]
    assert numbers == (
        "[1 1 1] · [7.389 0.01832 403.4] ≠ [73.89 0.1832 4034]: "
        "a hook, or a change that autograd did not see, came between"
    )


def test_a_value_that_was_changed_since_is_not_used() -> None:
    ((_, _, numbers), *_) = of("MulBackward0", "c = w.detach() * 1\ny = w * c\nc.data.mul_(5)\ny.sum().backward()")
    assert numbers == "[1 1 1] · c = [5 -10 15]"


def test_two_inputs_get_a_rule_each_and_one_without_gradient_none() -> None:
    both = of("DivBackward0", "a = w * 1\nb = w * 2\n(a / b).sum().backward()")
    assert [(name, rule) for name, rule, _ in both] == [("a", "grad / b"), ("b", "-grad · a / b²")]
    assert [name for name, _, _ in of("DivBackward0", "k = torch.ones(3)\n(w / k).sum().backward()")] == ["w"]


def test_an_unseen_argument_is_named_not_guessed() -> None:
    """Of a node from before the recording, nobody knows with which exponent it was called."""
    cell = Cell("z.backward()")
    w = cell.leaf("w", [3.0])
    node = cell.node("PowBackward0", (w,))
    z = cell.tensor([9.0], "z", requires_grad=True, leaf=False, node=node)
    cell.keep(node, "self", w)
    cell.backward("z.backward()", z, {z: [1.0], w: [6.0]})
    assert rows(cell.trace())[0] == (
        "PowBackward0", "w", "grad · exponent · w^(exponent - 1)", "[1] · exponent · [3]^(exponent - 1) = [6]",
    )  # fmt: skip


def test_complex_numbers_are_left_to_torchs_own_formula() -> None:
    trace = record_cell("c = torch.tensor([1 + 2j], requires_grad=True)\n(c * c).abs().sum().backward()")
    told = [row[2:] for row in rows(trace) if row[0] == "MulBackward0"]
    assert told == [("mul_tensor_backward(grad, c, c.dtype)", "")] * 2


def test_what_autograd_grad_gave_back_is_what_went_out() -> None:
    assert of("ExpBackward0", "(g,) = torch.autograd.grad(w.exp().sum(), w)") == [
        ("w", "grad · result, result = e^w", "[1 1 1] · [2.718 0.1353 20.09] = [2.718 0.1353 20.09]"),
    ]  # fmt: skip
    both = of("MulBackward0", "(g,) = torch.autograd.grad((w * w).sum(), w)")
    assert both == [("w", "grad · w", "[1 1 1] · [1 -2 3] = [1 -2 3]")] * 2


def test_an_input_that_nobody_asked_for_has_no_rule() -> None:
    assert [name for name, _, _ in of("MulBackward0", "u = w * 1\ntorch.autograd.grad((u * W).sum(), W)")] == ["W"]


def test_names_that_would_read_as_something_else_are_not_used() -> None:
    (found,) = of("ExpBackward0", "grad = w * 1\ngrad.exp().sum().backward()")
    assert found[1] == "grad · result, result = e^self"


def test_names_of_others_stay_text() -> None:
    cell, _ = hostile()
    node = cell.tables["nodes"][-1].name
    evil = Formula(0, node, HOSTILE, HOSTILE, f"grad * {HOSTILE}")
    for formulas in ((), (evil,), (evil, evil)):
        told = "".join("".join(row[1:]) for row in rows(cell.trace(formulas=formulas)))
        assert "grad" in told and not {"\x1b", "\n", "\u202e", "\ud800"} & set(told)


@pytest.mark.parametrize("source", ["w[w > 0]", "w[[0, 2]]", "w[None, 1:]", "W[0, 1:]", "W[:, None, 0]", "W[..., 1]"])
def test_no_indexing_gives_a_false_formula(source: str) -> None:
    trace = record_cell(f"{LEAVES}\n({source} * 2).sum().backward()")
    told = rows(trace)
    assert trace.failure is None and len(told) > 3
    assert not [row for row in told if "≠" in row[3]]


def test_indices_as_they_are_recorded() -> None:
    assert [index_text(value) for value in (1, -1, "0:2", [":", 1], ["...", 0])] == ["1", "-1", "0:2", ":, 1", "..., 0"]
    assert [index_text(value) for value in (None, [], ["None", 1], True, 1.5, ["…"])] == [None] * 6


# -- torch's own formulas ----------------------------------------------------------------------
@pytest.mark.parametrize(("text", "tidied"), [
    ("handle_r_to_c(self.scalar_type(), grad)", "grad"),
    ("handle_r_to_c(other.scalar_type(), maybe_multiply(-grad, alpha.conj()))", "-grad · alpha"),
    ("maybe_multiply(a + b, alpha)", "(a + b) · alpha"),
    ("grad.defined() ? f(grad, self) : std::tuple<Tensor, Tensor>()", "f(grad, self)"),
    ("grad.reshape_symint(self.sym_sizes())", "grad.reshape(self.shape)"),
    ("-2.0 / sqrt(M_PI) * exp(-(self.pow(2))) * grad", "-2 / sqrt(π) · exp(-(self.pow(2))) · grad"),
    ("elu_backward(grad, /* is_result */ false, 0.5)", "elu_backward(grad, false, 0.5)"),
    ('not_implemented("nothing")', None),
])  # fmt: skip
def test_formulas_of_torchs_own_are_tidied(text: str, tidied: str | None) -> None:
    assert tidy(text) == tidied


def test_conjugates_stay_where_numbers_are_complex() -> None:
    assert tidy("grad * result.conj()", True) == "grad · result.conj()"
    assert tidy("grad * result.conj()") == "grad · result"


NOT_SAID = re.compile(
    r"handle_r_to_c\(\w+\.scalar_type\(\)|/\*.*?\*/|\b(?:at|std|c10|native)::|_symint\b|sym_(?=size|numel|strides)|M_PI|M_LN2"
)


def test_tidying_keeps_every_name_that_matters() -> None:
    """Nothing that a formula asks for gets lost: only casts and questions whether a gradient is there."""
    left_out = {"maybe_multiply", "scalar_type", "conj", "defined", "tuple", "vector", "Tensor", "dtype"}
    for _, pairs in installed().values():
        for _, text in pairs:
            told = tidy(text)
            if told is not None:
                plain = NOT_SAID.sub(" ", text)
                lost = set(re.findall(r"[A-Za-z_]\w+", plain)) - set(re.findall(r"[A-Za-z_]\w+", told))
                lost -= left_out | {"sizes", "list", "size"}
                assert lost == set(), (text, told)
                assert told.count("(") == told.count(")"), told


# -- computing ---------------------------------------------------------------------------------
@pytest.mark.parametrize("text", ["", "grad ·", "(grad", "grad)", "unknown", "grad $ 2", "nothing(grad)", "[1] grad"])
def test_what_is_no_formula_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        evaluate(text, {"grad": Array.of([1.0])})


def test_shapes_that_do_not_go_together_are_refused() -> None:
    with pytest.raises(ValueError, match="do not go together"):
        evaluate("a · b", {"a": Array.of([1.0, 2.0]), "b": Array.of([1.0, 2.0, 3.0])})


def test_what_has_no_value_is_nan() -> None:
    assert str(evaluate("log(a) / b", {"a": Array.of(-1.0), "b": Array.of(0.0)}).data[0]) == "nan"


def test_zero_by_zero_is_not_what_torch_computes() -> None:
    trace = record_cell("v = torch.zeros(2, requires_grad=True)\n(v.norm() * 2).backward()")
    ((_, _, rule, numbers),) = [row for row in rows(trace) if row[0] == "LinalgVectorNormBackward0"]
    assert rule == "grad · v / result"
    assert numbers == "2 · [0 0] / 0 ≠ [0 0]: the formula is 0/0 here, and torch puts a value of its own there"


@pytest.mark.parametrize("source", [
    "v = torch.tensor([3.0, 4.0], requires_grad=True)\nv.norm().backward()",
    "v = torch.zeros(2, requires_grad=True)\nv.sqrt().sum().backward()",  # 1/0 is inf, there and here
    "v = torch.zeros(2, requires_grad=True)\n(v / v).sum().backward()",  # NaN in both
    "v = torch.tensor([-900.0, 900.0], requires_grad=True)\nv.sigmoid().sum().backward()",
])  # fmt: skip
def test_what_is_defined_is_no_zero_by_zero(source: str) -> None:
    assert not [numbers for *_, numbers in rows(record_cell(source)) if "0/0" in numbers]
