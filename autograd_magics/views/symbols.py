"""How a call is written in its circle: `×`, `x²`, `+2`; the one table of operator symbols.

`symbol(call)`: the sign of an operator, else the short name of the function.
"""

from __future__ import annotations

from typing import Any

from ..trace import Call
from . import format

BINARY = {
    "add": "+", "radd": "+", "sub": "−", "subtract": "−", "rsub": "−", "mul": "×", "multiply": "×", "rmul": "×",
    "div": "÷", "divide": "÷", "true_divide": "÷", "truediv": "÷", "rdiv": "÷", "rtruediv": "÷",
    "floor_divide": "//", "floordiv": "//", "rfloordiv": "//", "remainder": "%", "mod": "%", "rmod": "%",
    "eq": "=", "ne": "≠", "lt": "<", "le": "≤", "gt": ">", "ge": "≥",
}  # fmt: skip
"""Operators with two operands: one of them may be a constant, which is then written beside the sign."""

OTHER = {
    "matmul": "@", "rmatmul": "@", "mm": "@", "bmm": "@", "mv": "@", "dot": "·", "inner": "·", "vdot": "·",
    "sum": "Σ", "mean": "μ", "prod": "∏", "std": "std", "var": "var", "square": "x²", "sqrt": "√", "rsqrt": "1/√",
    "exp": "exp", "log": "log", "sigmoid": "σ", "tanh": "tanh", "relu": "relu", "neg": "−x", "negative": "−x",
    "abs": "|x|", "absolute": "|x|", "reciprocal": "1/x", "norm": "‖x‖", "vector_norm": "‖x‖", "t": "xᵀ", "T": "xᵀ",
    "transpose": "xᵀ", "mT": "xᵀ", "getitem": "[ ]", "unseen": "?",
}  # fmt: skip
"""Every other function that has a sign of its own."""

_REVERSED = frozenset({"rsub", "rdiv", "rtruediv", "rfloordiv", "rmod", "rpow"})
_SUPERSCRIPTS = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")
_LONGEST_CONSTANT = 3


def symbol(call: Call) -> str:
    """The sign of a call's operator, else the function's name without underscores around it."""
    name = plain(call.name)
    constant = _constant(call)
    if name in ("pow", "rpow", "float_power"):
        return _power(call, name, constant)
    if name in BINARY:
        # A call that failed did not change anything, but it was written as one that does.
        sign = BINARY[name] + ("=" if call.inplace or call.name == f"{name}_" else "")
        if constant is None or len(constant) > _LONGEST_CONSTANT:
            return sign
        return constant + sign if _first(call, name) else sign + constant
    return OTHER.get(name, format.clip(format.clean(name), 24))


def plain(name: str) -> str:
    """A function's name without leading and trailing underscores: `__rsub__` is `rsub`, `add_` is `add`."""
    return name.strip("_") or name


def _constant(call: Call) -> str | None:
    """The one operand that is a plain number, as written in a picture."""
    if len(call.inputs) != 1:
        return None
    numbers = [value for key, value in call.constants if key in ("0", "1", "other", "exponent") and _is_number(value)]
    return format.number(numbers[0], format.MINUS) if len(numbers) == 1 else None


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _first(call: Call, name: str) -> bool:
    """Whether the constant stands before the sign, as in `2 − x`."""
    return name in _REVERSED or any(key == "0" for key, _ in call.constants)


def _power(call: Call, name: str, constant: str | None) -> str:
    if constant is None:
        return "xʸ"
    if _first(call, name):
        return f"{constant}ˣ"
    if constant == "0.5":
        return "√"
    plain_digits = constant.replace(format.MINUS, "-")
    if plain_digits.lstrip("-").isdigit():
        return "x" + plain_digits.translate(_SUPERSCRIPTS)
    return f"x^{constant}"
