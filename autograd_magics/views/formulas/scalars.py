"""Textbook forms in which a scalar argument of the call decides: exponents, slopes, `alpha`, `reduction`.

Each function gives the formula for an edge of a step, or None where that argument is not known.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ...trace import flat
from .. import format
from .facts import UNKNOWN, Facts

Make = Callable[[Facts, int], str | None]

_SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def power(facts: Facts, edge: int) -> str | None:
    """A constant exponent, worked out as in class: `grad · 3 · self²`."""
    exponent = facts.argument("exponent", 1, UNKNOWN)
    if not is_number(exponent):
        return "grad · exponent · self^(exponent − 1)"
    simple = {0: "grad · 0", 1: "grad", 2: "grad · 2 · self", 0.5: "grad / (2 · √self)", -1: "−grad / self²"}
    if exponent in simple:
        return simple[exponent]
    lower = exponent - 1
    if isinstance(exponent, int) and 0 < lower < 100:
        return f"grad · {exponent} · self{str(lower).translate(_SUPERSCRIPTS)}"
    return f"grad · {written(exponent)} · self^{written(lower)}"


def scaled(formula: str, name: str, position: int) -> Make:
    """A formula times a factor such as `alpha`, which is 1 unless it was given."""

    def make(facts: Facts, edge: int) -> str | None:
        factor = facts.argument(name, position, 1)
        if factor is UNKNOWN:
            return formula if _passed_on(formula, facts, edge) else f"{formula} · {name}"
        return formula if factor == 1 else f"{formula} · {written(factor)}"

    return make


def _passed_on(formula: str, facts: Facts, edge: int) -> bool:
    """Whether what went out is what came in, so that a factor that nobody saw must have been 1."""
    received, sent = facts.received, facts.sent(edge)
    if formula != "grad" or received is None or sent is None or received.value is None:
        return False
    return bool(received.value == sent.value and any(isinstance(x, (int, float)) and x for x in flat(sent.value)))


def given(formula: str, **arguments: tuple[int, Any]) -> Make:
    """A formula with `{name}` for scalar arguments, each with its position and its default."""

    def make(facts: Facts, edge: int) -> str | None:
        found = {name: facts.argument(name, *where) for name, where in arguments.items()}
        if any(value is not UNKNOWN and not is_number(value) for value in found.values()):
            return None
        return formula.format(**{k: k if v is UNKNOWN else written(v) for k, v in found.items()})

    return make


def gelu(facts: Facts, edge: int) -> str | None:
    """The exact form; the approximation by tanh has another one."""
    exact = facts.argument("approximate", 1, "none") == "none"
    return "grad · (Φ(self) + self · φ(self))" if exact else None


def clamp(facts: Facts, edge: int) -> str | None:
    """One factor for each bound that was given."""
    bounds = [(sign, facts.argument(name, i, None)) for name, i, sign in (("min", 1, "≥"), ("max", 2, "≤"))]
    if any(bound is UNKNOWN for _, bound in bounds):
        return None
    return " · ".join(["grad", *(f"(self {sign} {written(b)})" for sign, b in bounds if is_number(b))])


def clamp_by_tensors(facts: Facts, edge: int) -> str | None:
    """The same where the bounds are tensors."""
    bounds = [f"(self {sign} {name})" for name, sign in (("min", "≥"), ("max", "≤")) if facts.saved(name) is not None]
    return " · ".join(["grad", *bounds])


def logit(facts: Facts, edge: int) -> str | None:
    """Without clamping."""
    return "grad / (self · (1 − self))" if facts.argument("eps", 1, None) is None else None


# -- losses ------------------------------------------------------------------------------------
def loss(formula: str, *, parameter: str = "", default: float = 1.0, without: tuple[str, ...] = ()) -> Make:
    """The derivative of one element's loss, divided by their number where their mean was taken.

    parameter: a scalar argument, written as `{parameter}`.  without: tensors that must not have been given.
    """

    def make(facts: Facts, edge: int) -> str | None:
        divisor = reduction(facts, math.prod(facts.shape_of_input(edge) or ()))
        if divisor is None or any(facts.saved(name) is not None for name in without):
            return None
        if not parameter:
            return formula + divisor
        value = facts.argument(parameter, -1, default)
        return formula.format(parameter=written(value)) + divisor if is_number(value) else None

    return make


def reduction(facts: Facts, count: int) -> str | None:
    """` / n` for a mean over `count` elements, nothing for a sum or none; None where it is not known."""
    how = facts.argument("reduction", -1, "mean")
    if how is UNKNOWN or not {"size_average", "reduce"}.isdisjoint(facts.constants):
        return None
    return {"mean": f" / {count}" if count != 1 else "", "sum": "", "none": ""}.get(how)


def nll(facts: Facts, edge: int) -> str | None:
    """Minus one at the target's class, without weights and without targets that are left out."""
    shape, target = facts.shape_of_input(edge), facts.operand("target", None)
    ignored = facts.argument("ignore_index", -1, -100)
    targets = target.value if isinstance(target.value, list) else [target.value]
    if not shape or len(shape) > 2 or facts.saved("weight") is not None or ignored in targets or None in targets:
        return None
    divisor = reduction(facts, shape[0] if len(shape) == 2 else 1)
    if divisor is None or facts.argument("reduction", -1, "mean") == "none":
        return None
    return f"−grad · one_hot(target, {shape[-1]}){divisor}"


# -- writing -----------------------------------------------------------------------------------
def is_number(value: Any) -> bool:
    """Whether a scalar argument is a plain number."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def written(value: float) -> str:
    """A number inside a formula: negative ones in parentheses."""
    text = format.number(value, format.MINUS)
    return f"({text})" if text.startswith(format.MINUS) else text


FORMS: dict[str, dict[str, str | Make]] = {
    "add.Tensor": {"self": "grad", "other": scaled("grad", "alpha", -1)},
    "sub.Tensor": {"self": "grad", "other": scaled("−grad", "alpha", -1)},
    "rsub.Tensor": {"self": scaled("−grad", "alpha", -1), "other": "grad"},
    "rsub.Scalar": {"self": scaled("−grad", "alpha", 2)},
    "addcmul": {
        "self": "grad", "tensor1": scaled("grad · tensor2", "value", -1),
        "tensor2": scaled("grad · tensor1", "value", -1),
    },
    "addcdiv": {
        "self": "grad", "tensor1": scaled("grad / tensor2", "value", -1),
        "tensor2": scaled("−grad · tensor1 / tensor2²", "value", -1),
    },
    "addmm": {
        "self": scaled("grad", "beta", -1), "mat1": scaled("grad @ mat2ᵀ", "alpha", -1),
        "mat2": scaled("mat1ᵀ @ grad", "alpha", -1),
    },
    "baddbmm": {
        "self": scaled("grad", "beta", -1), "batch1": scaled("grad @ batch2ᵀ", "alpha", -1),
        "batch2": scaled("batch1ᵀ @ grad", "alpha", -1),
    },
    "addmv": {
        "self": scaled("grad", "beta", -1), "mat": scaled("outer(grad, vec)", "alpha", -1),
        "vec": scaled("matᵀ @ grad", "alpha", -1),
    },
    "pow.Tensor_Scalar": {"self": power},
    "leaky_relu": {"self": given("grad · where(self > 0, 1, {negative_slope})", negative_slope=(1, 0.01))},
    "elu": {"self": given("grad · where(self > 0, 1, {alpha} · e^self)", alpha=(1, 1.0))},
    "hardtanh": {"self": given("grad · ({min_val} < self < {max_val})", min_val=(1, -1.0), max_val=(2, 1.0))},
    "threshold": {"self": given("grad · (self > {threshold})", threshold=(1, UNKNOWN))},
    "softplus": {"self": given("grad · σ({beta} · self)", beta=(1, 1))},
    "gelu": {"self": gelu},
    "clamp": {"self": clamp},
    "clamp_min": {"self": given("grad · (self ≥ {min})", min=(1, UNKNOWN))},
    "clamp_max": {"self": given("grad · (self ≤ {max})", max=(1, UNKNOWN))},
    "clamp.Tensor": {"self": clamp_by_tensors},
    "logit": {"self": logit},
    "mse_loss": {"self": loss("grad · 2 · (self − target)"), "target": loss("grad · 2 · (target − self)")},
    "smooth_l1_loss": {
        "self": loss("grad · clamp((self − target) / {parameter}, −1, 1)", parameter="beta"),
        "target": loss("grad · clamp((target − self) / {parameter}, −1, 1)", parameter="beta"),
    },
    "huber_loss": {
        "self": loss("grad · clamp(self − target, −{parameter}, {parameter})", parameter="delta"),
        "target": loss("grad · clamp(target − self, −{parameter}, {parameter})", parameter="delta"),
    },
    "binary_cross_entropy": {
        "self": loss("grad · (self − target) / (self · (1 − self))", without=("weight",)),
    },
    "binary_cross_entropy_with_logits": {
        "self": loss("grad · (σ(self) − target)", without=("weight", "pos_weight")),
    },
    "nll_loss_forward": {"self": nll},
}  # fmt: skip
