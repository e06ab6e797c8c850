from __future__ import annotations

from typing import Any

import pytest

from autograd_magics.graph import Graph
from autograd_magics.rules import tag
from autograd_magics.trace import Gradient, Stats
from autograd_magics.views.phrases import Phrases
from autograd_magics.views.told import wording
from tests.builders import Cell, regression


def phrases(cell: Cell, lang: str = "en") -> Phrases:
    return Phrases(Graph(cell.trace()), lang)


@pytest.mark.parametrize(
    ("op", "constants", "text"),
    [
        ("mul", (("1", 2),), "mul(a, 2, b)"),
        ("sub", (("0", 2.5),), "sub(2.5, a, b)"),
        ("cat", (("1", 0),), "cat([a, b], 0)"),
        ("einsum", (("0", "i,i->"),), "einsum('i,i->', a, b)"),
        ("relu", (("inplace", False),), "relu(a, b)"),
        ("sum", (("dim", (0, 1)), ("keepdim", True)), "sum(a, b, dim=(0, 1), keepdim=True)"),
    ],
)
def test_a_call_with_its_arguments_in_order(op: str, constants: Any, text: str) -> None:
    cell = Cell("f(a, b)")
    a, b = cell.leaf("a", 1.0), cell.leaf("b", 2.0)
    cell.call("f(a, b)", op, (a, b), 3.0, node="Backward0", constants=constants)
    made = phrases(cell)
    assert made.operation(made.trace.calls[0]) == text


def test_lines_of_other_sources_name_them() -> None:
    cell = Cell("z = 1")
    earlier, file = cell.source("a\nb = 2", 3), cell.source("c = 3", None)
    places = [*cell.at("z = 1"), *cell.at("b = 2", earlier), *cell.at("c = 3", file)]
    made = phrases(cell)
    lines = [made.line(made.trace.places[place]) for place in places]
    assert lines == ["line 1", "line 2 of In [3]", "line 1 of train.py"]
    assert made.line(None) == ""


def test_one_and_many() -> None:
    made = phrases(regression(), "pt_BR")
    assert (made.count("view.nodes", 1), made.count("view.nodes", 2)) == ("1 nó", "2 nós")


@pytest.mark.parametrize(("order", "text"), [(1, ""), (2, "∂²"), (12, "∂¹²")])
def test_derivative_orders(order: int, text: str) -> None:
    assert phrases(regression()).order(order) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "None"),
        (True, "True"),
        (3, "3"),
        (0.25, "0.25"),
        ("it's `x`", "it's 'x'"),
        ([1.0, 2.0], "[1 2]"),
        ([0.5] * 99, f"[{'0.5 ' * 14}…]"),
        (tag("place", 0), "line 2"),
        (tag("place", None), "outside the recorded source"),
        (tag("tensor", 0), "w"),
        (tag("node", 1), "MulBackward0"),
        (tag("shape", [2, 3]), "[2, 3]"),
        (tag("names", ["a", "b`"]), "`a`, `b'`"),
        (tag("gradient", {}), "None"),
        (tag("gradient", {"shape": [1], "dtype": "float32", "value": [-28.0]}), "[-28]"),
        (tag("gradient", {"shape": [9, 9], "dtype": "float32", "value": None}), "float32[9,9]"),
    ],
)
def test_data_of_findings_in_words(value: Any, text: str) -> None:
    assert wording(value, phrases(regression())) == text


def test_figures_tell_more_of_a_large_tensor_than_its_first_numbers() -> None:
    words, many = phrases(regression()), [0.123456] * 99
    small = Gradient((99,), "float32", "cpu", many)
    stats = Stats(99, 0.5, 0.25, 0.0, 1.0, 0, 2, 0, 0, None, None)
    assert words.value(small) == "[0.12 0.12 0.12 …]"
    assert words.value(small._replace(stats=stats)) == "float32[99]"
    assert words.figures(small._replace(stats=stats)) == "⚠ 2 NaN"
