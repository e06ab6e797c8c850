"""Reading `%autograd show EXPR...`."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from autograd_magics import expressions
from autograd_magics.options import OptionError, Options


class Special(torch.Tensor):
    pass


NAMES: dict[str, Any] = {
    "x": torch.tensor([1.0, 2.0]), "w": torch.nn.Parameter(torch.ones(2)), "many": [torch.ones(1)], "n": 3,
    "torch": torch, "model": torch.nn.Linear(2, 1),
}  # fmt: skip


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("x", ["x"]),
        ("x w", ["x", "w"]),
        ("x, w", ["x", "w"]),
        ("x * w", ["x * w"]),
        ("many[0] w", ["many[0]", "w"]),
        ("torch.cat([x, w]) x", ["torch.cat([x, w])", "x"]),
        ("f(x, 'a b') w", ["f(x, 'a b')", "w"]),
        ("(x, w)", ["x", "w"]),
        ("", []),
    ],
)
def test_a_line_is_split_into_expressions(line: str, expected: list[str]) -> None:
    assert expressions.split(line) == expected


def test_expressions_are_evaluated_in_the_namespace_of_the_user() -> None:
    given, found = expressions.read("--theme dark --lang=pt x many[0]", Options(), NAMES, "en")
    assert given == Options(theme="dark", lang="pt_BR")
    assert found["x"] is NAMES["x"]
    assert found["many[0]"] is NAMES["many"][0]


@pytest.mark.parametrize(
    ("line", "options", "found"),
    [
        ("x --values stats", Options(values="stats"), ["x"]),
        ("x, w --values=stats --theme dark", Options(values="stats", theme="dark"), ["x", "w"]),
        ("--theme dark x --no-values w", Options(theme="dark", values="none"), ["x", "w"]),
        ("x --w", Options(), ["x --w"]),
        ("(x --w) --limit 4", Options(limit=4), ["(x --w)"]),
        ("dict(a='x --theme y', b=x)['b']", Options(), ["dict(a='x --theme y', b=x)['b']"]),
    ],
)
def test_options_stand_before_or_after_expressions(line: str, options: Options, found: list[str]) -> None:
    given, tensors = expressions.read(line, Options(), NAMES, "en")
    assert given == options and list(tensors) == found


@pytest.mark.parametrize(
    ("line", "parts"),
    [
        ("", ("got no expression",)),
        ("--theme dark", ("got no expression",)),
        ("n", ("n is of type int", "expected a torch.Tensor")),
        ("many", ("many is of type list", "expected a torch.Tensor")),
        ("nothing", ("the name 'nothing' is not known", "give a variable that holds a tensor")),
        ("manny[0]", ("the name 'manny' is not known", "nearest: many")),
        ("x.nothing", ("x.nothing could not be evaluated", "AttributeError")),
        ("x +", ("+ could not be evaluated", "SyntaxError")),
        ("--them dark x", ("'--them'", "did you mean --theme?")),
        ("x --them dark", ("%autograd show: ", "'--them'", "did you mean --theme?")),
        ("x --values bogus", ("%autograd show: --values got 'bogus'",)),
        ("x --values", ("%autograd show: --values needs a value",)),
        ("torhc", ("the name 'torhc' is not known", "give a variable that holds a tensor")),
        ("modell(x)", ("the name 'modell' is not known", "nearest: model")),
    ],
)
def test_what_is_no_tensor_is_answered_in_one_line(line: str, parts: tuple[str, ...]) -> None:
    with pytest.raises(OptionError) as caught:
        expressions.read(line, Options(), NAMES, "en")
    assert "\n" not in str(caught.value)
    assert all(part in str(caught.value) for part in parts)


def test_tensors_are_told_from_other_things() -> None:
    assert all(map(expressions.is_tensor, (NAMES["x"], NAMES["w"], torch.ones(2).as_subclass(Special))))
    assert not any(map(expressions.is_tensor, (3, [NAMES["x"]], None, torch, torch.Tensor)))
