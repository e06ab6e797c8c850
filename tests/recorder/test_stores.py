"""Names told from the instructions after a call, on hand-made code."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from autograd_magics.recorder.stores import stores_after

CASES = [
    ("y = f()", [[("y", None)]]),
    ("a = b = f()", [[("a", None), ("b", None)]]),
    ("a, b = f()", [[("a", 0), ("b", 1)]]),
    ("a, b = f(), f()", [[("a", None)], [("b", None)]]),
    ("a, b, c = f(), f(), f()", [[("a", None)], [("b", None)], [("c", None)]]),
    ("a, b = b, a = f()", [[("a", 0), ("b", 1), ("b", 0), ("a", 1)]]),
    ("o.h = f()", [[("o.h", None)]]),
    ("o.p.h = f()", [[("o.p.h", None)]]),
    ("d['k'] = f()", [[("d['k']", None)]]),
    ("f()", [[]]),
    ("y = g(f())", [[]]),
    ("y = f() + 1", [[]]),
    ("x, y = f() + 1, f()", [[], [("y", None)]]),
    ("z = [f(), f()]", [[], []]),
    ("if (y := f()): pass", [[("y", None)]]),
    ("a, (b, c) = f()", [[("a", 0)]]),
    ("for y in f(): pass", [[]]),
    ("with f() as y: pass", [[]]),
]


def calls_of(source: str) -> list[Any]:
    """What is stored of each call of `f`, asked while the call runs."""
    answers: list[Any] = []

    class Anything:
        def __getattr__(self, name: str) -> Any:
            return Anything()

        def __iter__(self) -> Any:
            return iter((self, (self, self)) if "(b, c)" in source else (self, self))

        def __add__(self, other: Any) -> Any:
            return self

        def __enter__(self) -> Any:
            return self

        def __exit__(self, *_: Any) -> None:
            return None

    def f() -> Any:
        frame = sys._getframe(1)
        answers.append(stores_after(frame.f_code, frame.f_lasti))
        return Anything()

    namespace = {"f": f, "g": lambda v: v, "o": type("O", (), {})(), "d": {}}
    namespace["o"].p = type("P", (), {})()  # type: ignore[attr-defined]
    exec(compile(source, "<stores>", "exec"), namespace)
    return [list(a) for a in answers]


@pytest.mark.parametrize(("source", "expected"), CASES)
def test_what_is_stored_after_a_call(source: str, expected: list[Any]) -> None:
    assert calls_of(source) == expected


def test_a_returned_value_is_followed_to_the_caller() -> None:
    answers: list[Any] = []

    def f() -> int:
        frame = sys._getframe(1)
        answers.append(stores_after(frame.f_code, frame.f_lasti))
        return 1

    exec(compile("def h():\n    return f()\ny = h()", "<stores>", "exec"), {"f": f})
    assert answers == [None]
