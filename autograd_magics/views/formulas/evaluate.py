"""Computes a formula of the textbook as it is written: `evaluate(text, values)`.

Nothing that is shown comes from here.  It tells whether a formula gives what was recorded: where it does
not, a hook or a change that autograd did not see came between, and a report must not write `=`.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

from .arrays import Array, places, pointwise, product, put, taken, transposed
from .functions import FUNCTIONS, POINTWISE

_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+(?:\.\d+)?(?:e[-−]?\d+)?)|(?P<word>[A-Za-z_]\w*|[σΦφπ])|(?P<power>[⁰¹²³⁴⁵⁶⁷⁸⁹]+)"
    r"|(?P<sign>\+=|[-+−·/@^ᵀ√()\[\],:=<>≤≥←]|\.\.\.))",
    re.ASCII,
)
_DIGITS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789")
_COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "=": operator.eq, "<": operator.lt, ">": operator.gt, "≤": operator.le, "≥": operator.ge,
}  # fmt: skip


def evaluate(text: str, values: Mapping[str, Array]) -> Array:
    """The formula with values for its words.  Raises ValueError where it cannot be computed."""
    return _Reader(text, values).evaluated()


def divides_zero_by_zero(text: str, values: Mapping[str, Array]) -> bool:
    """Whether 0/0 stands somewhere in the formula.  Raises ValueError as `evaluate` does."""
    reader = _Reader(text, values)
    reader.evaluated()
    return reader.zero_by_zero


class _Reader:
    """Reads a formula from left to right and computes on the way."""

    def __init__(self, text: str, values: Mapping[str, Array]) -> None:
        self.tokens = _tokens(text)
        self.text = text
        self.at = 0
        self.values = values
        self.zero_by_zero = False

    def evaluated(self) -> Array:
        """The whole formula; every failure is a ValueError."""
        try:
            return self.whole()
        except (KeyError, IndexError, TypeError, AttributeError) as error:
            raise ValueError(f"{self.text!r} cannot be computed: {type(error).__name__}: {error}") from None

    # -- tokens --------------------------------------------------------------------------------
    def look(self, ahead: int = 0) -> str:
        """The text of a coming token, empty at the end."""
        return self.tokens[self.at + ahead][1] if self.at + ahead < len(self.tokens) else ""

    def kind(self) -> str:
        """The kind of the coming token."""
        return self.tokens[self.at][0] if self.at < len(self.tokens) else ""

    def take(self, wanted: str = "") -> str:
        """The coming token, which must be `wanted` where that is given."""
        found = self.look()
        if not found or (wanted and found != wanted):
            raise ValueError(f"expected {wanted or 'more'}, got {found or 'the end'}")
        self.at += 1
        return found

    def accept(self, *wanted: str) -> str:
        """The coming token where it is one of these, else nothing."""
        return self.take() if self.look() and self.look() in wanted else ""

    # -- grammar -------------------------------------------------------------------------------
    def whole(self) -> Array:
        """A formula, or a placing: `zeros([3])[1] ← grad`."""
        sign = next((text for kind, text in self.tokens if kind == "sign" and text in ("←", "+=")), "")
        found = self.placing(sign) if sign else self.comparison()
        if self.look():
            raise ValueError(f"{self.look()!r} is left over")
        return found

    def placing(self, sign: str) -> Array:
        """Values put into an array of zeros."""
        into = self.primary()
        self.take("[")
        if self.look() == "indices":
            rows = self.values[self.take()]
            self.take("]")
            positions = _rows(into, rows)
        else:
            positions = places(into.shape, self.index())
        self.take(sign)
        return put(into, positions, self.comparison(), add=sign == "+=")

    def comparison(self) -> Array:
        """`a < b < c` is 1 where all of it holds."""
        left = self.sum()
        holds = None
        while sign := self.accept(*_COMPARISONS):
            right = self.sum()
            here = pointwise(lambda a, b, compare=_COMPARISONS[sign]: float(compare(a, b)), left, right)
            holds = here if holds is None else pointwise(operator.mul, holds, here)
            left = right
        return left if holds is None else holds

    def sum(self) -> Array:
        """Sums and differences."""
        found = self.term()
        while sign := self.accept("+", "−", "-"):
            found = pointwise(operator.add if sign == "+" else operator.sub, found, self.term())
        return found

    def term(self) -> Array:
        """Products and quotients from left to right."""
        found = self.signed()
        while sign := self.accept("·", "/", "@"):
            right = self.signed()
            if sign == "@":
                found = product(found, right)
            else:
                found = pointwise(operator.mul if sign == "·" else self.divided, found, right)
        return found

    def divided(self, a: float, b: float) -> float:
        """A quotient; 0/0 is remembered."""
        self.zero_by_zero |= a == b == 0
        return a / b

    def signed(self) -> Array:
        """A minus or a root before a power."""
        if self.accept("−", "-"):
            return pointwise(operator.neg, self.signed())
        if self.accept("√"):
            return pointwise(math.sqrt, self.postfix())
        return self.power()

    def power(self) -> Array:
        """`a²`, `a^b`."""
        found = self.postfix()
        if self.kind() == "power":
            return pointwise(operator.pow, found, Array.of(int(self.take().translate(_DIGITS))))
        return pointwise(operator.pow, found, self.signed()) if self.accept("^") else found

    def postfix(self) -> Array:
        """`aᵀ`, `a[0:2]`."""
        found = self.primary()
        while True:
            if self.accept("ᵀ"):
                found = transposed(found)
            elif self.accept("["):
                found = taken(found, self.index())
            else:
                return found

    def primary(self) -> Array:
        """A number, a word, a call, or something in parentheses."""
        if self.accept("("):
            found = self.comparison()
            self.take(")")
            return found
        if self.kind() == "number":
            return Array.of(float(self.take().replace("−", "-")))
        if self.kind() != "word":
            raise ValueError(f"{self.look()!r} was not expected")
        word = self.take()
        if self.accept("("):
            return self.called(word)
        return self.values[word] if word in self.values else Array.of({"e": math.e, "π": math.pi}[word])

    def called(self, name: str) -> Array:
        """A function of torch's, or a Greek one."""
        arguments: list[Any] = []
        named: dict[str, Any] = {}
        while not self.accept(")"):
            if self.kind() == "word" and self.look(1) == "=" and self.look() in ("dim", "keepdim"):
                key = self.take()
                self.take("=")
                named[key] = self.plain()
            else:
                arguments.append(self.argument(name, len(arguments)))
            self.accept(",")
        if name in POINTWISE:
            return pointwise(POINTWISE[name], *arguments)
        return FUNCTIONS[name](*arguments, **named)

    def argument(self, name: str, position: int) -> Any:
        """A shape in brackets, a dtype, else a formula."""
        if self.look() == "[":
            return self.plain()
        if name == "to" and position == 1:
            return self.take()
        return self.comparison()

    def plain(self) -> Any:
        """A number, True, or a list of them."""
        if self.accept("[", "("):
            items = []
            while not self.accept("]", ")"):
                items.append(self.plain())
                self.accept(",")
            return tuple(items)
        if self.look() in ("True", "False"):
            return self.take() == "True"
        sign = -1 if self.accept("−", "-") else 1
        return sign * int(self.take())

    def index(self) -> list[Any]:
        """What stands between brackets, the closing one included."""
        found: list[Any] = []
        while not self.accept("]"):
            if self.accept("..."):
                found.append(Ellipsis)
            else:
                parts: list[int | None] = [self.bound()]
                while self.accept(":"):
                    parts.append(self.bound())
                found.append(slice(*parts) if len(parts) > 1 else parts[0])
            self.accept(",")
        return found

    def bound(self) -> int | None:
        """One end of a slice, None where it is left out."""
        return None if self.look() in (":", "]", ",") else int(self.plain())


def _tokens(text: str) -> list[tuple[str, str]]:
    found, at = [], 0
    while at < len(text.rstrip()):
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            raise ValueError(f"{text[at:]!r} cannot be read")
        found.append((match.lastgroup, match[match.lastgroup]))
        at = match.end()
    return found


def _rows(into: Array, rows: Array) -> Array:
    """Where the rows with these numbers stand."""
    size = math.prod(into.shape[1:])
    shape = (*rows.shape, *into.shape[1:])
    return Array(shape, tuple(row % into.shape[0] * size + k for row in rows.data for k in range(size)))
