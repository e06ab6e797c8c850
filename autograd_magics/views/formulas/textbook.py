"""The textbook's derivatives: what each common node computes, written as mathematics and checked by hand.

`form(facts, function, argument, edge)` gives the formula for one input of a node, named as torch names
things: `grad` came in, `self`, `other`... are the inputs, `result` the output.  Products, quotients and
powers go element by element, `@` is the matrix product, `ᵀ` swaps the last two dimensions, a comparison
is 1 where it holds and else 0, and functions are those of torch.

A test evaluates every form as it is written here and compares it with autograd's gradient.
"""

from __future__ import annotations

from collections.abc import Callable

from .facts import Facts
from .reductions import FORMS as REDUCTIONS
from .scalars import FORMS as SCALARS
from .shapes import FORMS as SHAPES

Form = str | Callable[[Facts, int], str | None]
"""A formula, or what makes it for an edge of a step; None where the trace does not tell enough for it."""

_LINEAR: dict[str, Form] = {"self": "grad"}
_ZERO: dict[str, Form] = {"self": "grad · 0"}
_EXTREME: dict[str, dict[str, Form]] = {
    name: {
        "self": f"grad · ((self {sign} other) + (self = other) / 2)",
        "other": f"grad · ((other {sign} self) + (self = other) / 2)",
    }
    for name, sign in (("maximum", ">"), ("minimum", "<"))
}

PLAIN: dict[str, dict[str, Form]] = {
    # linear in their inputs
    "add.Scalar": _LINEAR, "sub.Scalar": _LINEAR, "clone": _LINEAR, "alias": _LINEAR, "expand": _LINEAR,
    "mul.Tensor": {"self": "grad · other", "other": "grad · self"},
    "mul.Scalar": {"self": "grad · other"},
    "div.Tensor": {"self": "grad / other", "other": "−grad · self / other²"},
    "div.Scalar": {"self": "grad / other"},
    "neg": {"self": "−grad"},
    "lerp.Scalar": {"self": "grad · (1 − weight)", "end": "grad · weight"},
    "lerp.Tensor": {"self": "grad · (1 − weight)", "end": "grad · weight", "weight": "grad · (end − self)"},
    # powers, exponentials, logarithms
    "pow.Tensor_Tensor": {
        "self": "grad · exponent · self^(exponent − 1)", "exponent": "grad · result · log(self)",
    },
    "pow.Scalar": {"exponent": "grad · result · log(self)"},
    "exp": {"self": "grad · result"}, "exp2": {"self": "grad · result · log(2)"},
    "expm1": {"self": "grad · (result + 1)"},
    "log": {"self": "grad / self"}, "log1p": {"self": "grad / (1 + self)"},
    "log2": {"self": "grad / (self · log(2))"}, "log10": {"self": "grad / (self · log(10))"},
    "sqrt": {"self": "grad / (2 · result)"}, "rsqrt": {"self": "−grad · result³ / 2"},
    "reciprocal": {"self": "−grad · result²"},
    # trigonometry
    "sin": {"self": "grad · cos(self)"}, "cos": {"self": "−grad · sin(self)"},
    "tan": {"self": "grad · (1 + result²)"},
    "asin": {"self": "grad / √(1 − self²)"}, "acos": {"self": "−grad / √(1 − self²)"},
    "atan": {"self": "grad / (1 + self²)"},
    "atan2": {"self": "grad · other / (self² + other²)", "other": "−grad · self / (self² + other²)"},
    "sinh": {"self": "grad · cosh(self)"}, "cosh": {"self": "grad · sinh(self)"},
    "tanh": {"self": "grad · (1 − result²)"},
    "asinh": {"self": "grad / √(self² + 1)"}, "acosh": {"self": "grad / √(self² − 1)"},
    "atanh": {"self": "grad / (1 − self²)"},
    "erf": {"self": "grad · 2 / √π · e^(−self²)"},
    # activations
    "sigmoid": {"self": "grad · result · (1 − result)"},
    "log_sigmoid_forward": {"self": "grad · σ(−self)"},
    "relu": {"self": "grad · (result > 0)"},
    "silu": {"self": "grad · σ(self) · (1 + self · (1 − σ(self)))"},
    "abs": {"self": "grad · sign(self)"},
    # derivative zero
    "round": _ZERO, "round.decimals": _ZERO, "floor": _ZERO, "ceil": _ZERO, "trunc": _ZERO, "sign": _ZERO,
    # choices
    **_EXTREME,
    "where.self": {"self": "where(condition, grad, 0)", "other": "where(condition, 0, grad)"},
    "masked_fill.Scalar": {"self": "where(mask, 0, grad)"},
    "masked_fill.Tensor": {"self": "where(mask, 0, grad)", "value": "sum(where(mask, grad, 0))"},
    "copy_": {"self": "grad · 0", "src": "grad"},
    # matrix products
    "mm": {"self": "grad @ mat2ᵀ", "mat2": "selfᵀ @ grad"},
    "bmm": {"self": "grad @ mat2ᵀ", "mat2": "selfᵀ @ grad"},
    "mv": {"self": "outer(grad, vec)", "vec": "selfᵀ @ grad"},
    "dot": {"self": "grad · tensor", "tensor": "grad · self"},
    "vdot": {"self": "grad · other", "other": "grad · self"},
    "t": {"self": "gradᵀ"}, "t_": {"self": "gradᵀ"},
}  # fmt: skip
"""Forms that are the same whatever the arguments were."""

FORMS: dict[str, dict[str, Form]] = {**PLAIN, **SCALARS, **SHAPES, **REDUCTIONS}
"""By ATen function and argument; arguments in the order of the node's edges."""

RESULTS: dict[str, str] = {
    "pow.Tensor_Tensor": "self^exponent", "pow.Scalar": "self^exponent",
    "exp": "e^self", "exp2": "2^self", "expm1": "e^self − 1", "sqrt": "√self", "rsqrt": "1 / √self",
    "reciprocal": "1 / self", "tan": "tan(self)", "tanh": "tanh(self)", "sigmoid": "σ(self)", "relu": "max(self, 0)",
}  # fmt: skip
"""What `result` is, where a formula is short by it."""

BROADCASTS = frozenset({
    "add.Tensor", "sub.Tensor", "rsub.Tensor", "mul.Tensor", "div.Tensor", "pow.Tensor_Tensor", "atan2", "where.self",
    "maximum", "minimum", "addcmul", "addcdiv", "lerp.Scalar", "lerp.Tensor", "expand", "addmm self", "baddbmm self",
    "addmv self", "masked_fill.Scalar", "masked_fill.Tensor self", "clamp.Tensor self", "copy_",
})  # fmt: skip
"""Functions (where only one argument is meant: with it) whose formulas have the shape of `grad`: of an input that was
broadcast the gradient is then summed to its shape."""

NODES: dict[str, str] = {
    "AbsBackward0": "abs", "AcosBackward0": "acos", "AcoshBackward0": "acosh", "AddBackward0": "add.Tensor",
    "AddBackward1": "add.Scalar", "AddcdivBackward0": "addcdiv", "AddcmulBackward0": "addcmul",
    "AddmmBackward0": "addmm", "AddmvBackward0": "addmv", "AliasBackward0": "alias", "AmaxBackward0": "amax",
    "AminBackward0": "amin", "AsinBackward0": "asin", "AsinhBackward0": "asinh", "Atan2Backward0": "atan2",
    "AtanBackward0": "atan", "AtanhBackward0": "atanh", "BaddbmmBackward0": "baddbmm", "BmmBackward0": "bmm",
    "CatBackward0": "cat", "CeilBackward0": "ceil", "ClampBackward1": "clamp", "ClampMaxBackward0": "clamp_max",
    "ClampMinBackward0": "clamp_min", "CloneBackward0": "clone", "CopyBackwards": "copy_", "CosBackward0": "cos",
    "CoshBackward0": "cosh", "CumsumBackward0": "cumsum", "DivBackward0": "div.Tensor", "DivBackward1": "div.Scalar",
    "DotBackward0": "dot", "EluBackward0": "elu", "EmbeddingBackward0": "embedding", "ErfBackward0": "erf",
    "Exp2Backward0": "exp2", "ExpBackward0": "exp", "ExpandBackward0": "expand", "Expm1Backward0": "expm1",
    "FlipBackward0": "flip", "FloorBackward0": "floor", "GatherBackward0": "gather", "GeluBackward0": "gelu",
    "HardtanhBackward0": "hardtanh", "HuberLossBackward0": "huber_loss", "IndexBackward0": "index.Tensor",
    "IndexSelectBackward0": "index_select", "LeakyReluBackward0": "leaky_relu", "LerpBackward0": "lerp.Scalar",
    "LerpBackward1": "lerp.Tensor", "LinalgVectorNormBackward0": "linalg_vector_norm", "Log10Backward0": "log10",
    "Log1PBackward0": "log1p", "Log2Backward0": "log2", "LogBackward0": "log",
    "LogSigmoidBackward0": "log_sigmoid_forward", "LogSoftmaxBackward0": "_log_softmax", "LogitBackward0": "logit",
    "LogsumexpBackward0": "logsumexp", "MaskedFillBackward0": "masked_fill.Scalar",
    "MaskedFillBackward1": "masked_fill.Tensor", "MaxBackward0": "max.dim", "MaxBackward1": "max",
    "MaximumBackward0": "maximum", "MeanBackward0": "mean", "MeanBackward1": "mean.dim", "MinBackward0": "min.dim",
    "MinBackward1": "min", "MinimumBackward0": "minimum", "MmBackward0": "mm", "MseLossBackward0": "mse_loss",
    "MulBackward0": "mul.Tensor", "MulBackward1": "mul.Scalar", "MvBackward0": "mv", "NegBackward0": "neg",
    "NllLossBackward0": "nll_loss_forward", "PermuteBackward0": "permute", "PowBackward0": "pow.Tensor_Scalar",
    "PowBackward1": "pow.Tensor_Tensor", "PowBackward2": "pow.Scalar", "ProdBackward0": "prod",
    "ProdBackward1": "prod.dim_int", "ReciprocalBackward0": "reciprocal", "ReluBackward0": "relu",
    "ReshapeAliasBackward0": "_reshape_alias", "RollBackward0": "roll", "RoundBackward0": "round",
    "RoundBackward1": "round.decimals", "RsqrtBackward0": "rsqrt", "RsubBackward0": "rsub.Tensor",
    "RsubBackward1": "rsub.Scalar", "SelectBackward0": "select.int", "SigmoidBackward0": "sigmoid",
    "SignBackward0": "sign", "SiluBackward0": "silu", "SinBackward0": "sin", "SinhBackward0": "sinh",
    "SliceBackward0": "slice.Tensor", "SmoothL1LossBackward0": "smooth_l1_loss", "SoftmaxBackward0": "_softmax",
    "SoftplusBackward0": "softplus", "SqrtBackward0": "sqrt", "SqueezeBackward0": "squeeze",
    "SqueezeBackward1": "squeeze.dim", "SqueezeBackward2": "squeeze.dims", "StackBackward0": "stack",
    "StdBackward0": "std.correction", "SubBackward0": "sub.Tensor", "SubBackward1": "sub.Scalar",
    "SumBackward0": "sum", "SumBackward1": "sum.dim_IntList", "TBackward0": "t", "TBackward1": "t_",
    "TanBackward0": "tan", "TanhBackward0": "tanh", "ThresholdBackward0": "threshold", "ToCopyBackward0": "_to_copy",
    "TransposeBackward0": "transpose.int", "TrilBackward0": "tril", "TriuBackward0": "triu", "TruncBackward0": "trunc",
    "UnsafeViewBackward0": "_unsafe_view", "UnsqueezeBackward0": "unsqueeze", "VarBackward0": "var.correction",
    "VdotBackward0": "vdot", "ViewBackward0": "view", "WhereBackward0": "where.self",
}  # fmt: skip
"""Nodes by name, for traces without formulas of their own; `CopyBackwards` is in no file of torch's."""


def form(facts: Facts, function: str, argument: str, edge: int) -> str | None:
    """The textbook's formula, None where there is none or the trace does not tell enough for it."""
    found = FORMS.get(function, {}).get(argument)
    return found(facts, edge) if callable(found) else found
