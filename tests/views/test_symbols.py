from __future__ import annotations

from typing import Any

import pytest

from autograd_magics.views.symbols import symbol
from tests.builders import Cell


def drawn(op: str, *, inputs: int = 1, **fields: Any) -> str:
    cell = Cell("z = f(x)")
    tensors = tuple(cell.leaf(f"x{i}", [1.0]) for i in range(inputs))
    cell.call("f(x)", op, tensors, [1.0], node="Backward0", **fields)
    return symbol(cell.trace().calls[0])


@pytest.mark.parametrize(
    ("op", "sign"),
    [
        ("mul", "×"),
        ("__rmul__", "×"),
        ("add", "+"),
        ("sub", "−"),
        ("true_divide", "÷"),
        ("matmul", "@"),
        ("__rmatmul__", "@"),
    ],
)
def test_operators(op: str, sign: str) -> None:
    assert drawn(op, inputs=2) == sign


@pytest.mark.parametrize(
    ("op", "sign"),
    [("sum", "Σ"), ("mean", "μ"), ("sqrt", "√"), ("sigmoid", "σ"), ("tanh", "tanh"), ("relu", "relu"), ("exp", "exp")],
)
def test_functions(op: str, sign: str) -> None:
    assert drawn(op) == sign


def test_any_other_function_has_its_name() -> None:
    assert drawn("cross_entropy") == "cross_entropy"
    assert drawn("_hidden_") == "hidden"
    assert drawn("a_function_with_a_very_long_name") == "a_function_with_a_very_…"


@pytest.mark.parametrize(
    ("op", "constant", "sign"),
    [
        ("pow", 2, "x²"),
        ("pow", 10, "x¹⁰"),
        ("pow", -1, "x⁻¹"),
        ("pow", 3.0, "x³"),
        ("pow", 0.5, "√"),
        ("pow", 1.5, "x^1.5"),
        ("__rpow__", 2, "2ˣ"),
        ("mul", 3, "×3"),
        ("add", 2, "+2"),
        ("sub", 0.5, "−0.5"),
        ("rsub", 1, "1−"),
        ("mul", 0.12345, "×"),
        ("mul", True, "×"),
    ],
)
def test_a_constant_stands_beside_the_operator(op: str, constant: Any, sign: str) -> None:
    assert drawn(op, constants=(("1", constant),)) == sign


def test_a_constant_in_front() -> None:
    assert drawn("sub", constants=(("0", 2),)) == "2−"
    assert drawn("pow", constants=(("0", 2),)) == "2ˣ"
    assert drawn("pow", inputs=2) == "xʸ"


def test_in_place_changes_have_an_equals_sign() -> None:
    assert drawn("sub_", inputs=2, inplace=True) == "−="
    assert drawn("sub_", inputs=2, error=("RuntimeError", "a leaf")) == "−="
