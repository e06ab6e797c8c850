"""Put names or numbers into a formula: `Symbols(...).named(text)`, `.numbers(text)`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from .. import format
from .arrays import Array, transposed
from .facts import Facts, Operand
from .scalars import is_number

NAME = 32
"""Longest name of the user's in a formula, in columns."""
VALUE = 60
"""Longest value in a formula, in characters; a longer one stands as its name and shape."""
LENGTH = 120
"""Longest formula with numbers: the longest values give way first."""

_WORD = re.compile(r"(?<![.\w])([A-Za-z_]\w*)(ᵀ?)", re.ASCII)
_ABOUT_TENSORS = re.compile(r"\.(?:shape|dtype|options|layout|size|numel|dim|device)\b")
"""What a formula of torch's own asks of a tensor, not of its values."""
_POWERS = "²³⁴⁵⁶⁷⁸⁹⁰¹^ᵀ"
_POSITIONS = {"other": 1, "exponent": 1, "weight": 2}
"""Where a number can stand for a tensor, in the call."""
_OWN_POSITIONS = {"where.self": {"self": 1, "other": 2}, "pow.Scalar": {"self": 0}}


@dataclass(frozen=True)
class Symbol:
    """A word of a formula: by name, with its number, and without it because that would be too long."""

    name: str
    number: str = ""
    shape: str = ""
    value: Any = None
    transposed: bool = False


class Symbols:
    """The words of a step's formulas that stand for tensors and numbers."""

    def __init__(self, facts: Facts, function: str, edges: dict[str, int], minus: str) -> None:
        self.facts, self.function, self.edges, self.minus = facts, function, edges, minus
        self._known: dict[str, Symbol | None] = {"grad": self._grad()}

    def named(self, text: str) -> str:
        """The formula with the user's names and with the scalar arguments of the call."""
        return self._minus(_WORD.sub(lambda match: self._name(match, text), text))

    def numbers(self, text: str, *, complete: bool = False) -> str:
        """The formula with values, the longest given up where it gets too long; with shapes where no value is left.

        Empty where neither is known.

        complete: only where every word outside of functions is known.
        """
        words = {match[1]: self.symbol(match[1]) for match in _WORD.finditer(text) if not _is_function(match, text)}
        shown = {word: symbol for word, symbol in words.items() if symbol is not None and symbol.number}
        if not shown and not any(symbol is not None and symbol.shape for symbol in words.values()):
            return ""
        if complete and (len(shown) < len(words) or _ABOUT_TENSORS.search(text)):
            return ""
        while True:
            found = self._minus(_WORD.sub(lambda match: self._number(match, text, shown), text))
            if len(found) <= LENGTH or not shown:
                return found
            del shown[max(shown, key=lambda word: len(shown[word].number))]

    def values(self, text: str) -> dict[str, Array]:
        """The words' values.  Raises ValueError where one is not known."""
        found = {}
        for word in {match[1] for match in _WORD.finditer(text) if not _is_function(match, text)}:
            symbol = self.symbol(word)
            if symbol is None:
                continue  # a word of the formula's own: `dim`, `True`, `e`
            if symbol.value is None or (word == "indices" and _has_bools(symbol.value)):
                raise ValueError(f"the value of {word} is not known")
            array = Array.of(symbol.value)
            found[word] = transposed(array) if symbol.transposed else array
        return found

    def _name(self, match: re.Match[str], text: str) -> str:
        symbol = None if _is_function(match, text) else self.symbol(match[1])
        if symbol is None:
            return match[0]
        name = symbol.name
        if name in ("grad", "result") and match[1] != name or name in _functions(text):
            name = match[1]  # the user's name would read as something else
        return _fitted(name, match, text, symbol.transposed and name != match[1])

    def _number(self, match: re.Match[str], text: str, shown: dict[str, Symbol]) -> str:
        symbol = None if _is_function(match, text) else self.symbol(match[1])
        if symbol is None:
            return match[0]
        if match[1] in shown:
            return _fitted(symbol.number, match, text, symbol.transposed)
        # Shapes stand where there is no number at all: beside numbers they would look like an index.
        told = symbol.name if shown else symbol.name + symbol.shape
        return _fitted(told, match, text, symbol.transposed and symbol.name != match[1])

    def symbol(self, word: str) -> Symbol | None:
        """What a word stands for; None for a word that is no tensor and no argument."""
        if word not in self._known:
            self._known[word] = self._symbol(word)
        return self._known[word]

    def _symbol(self, word: str) -> Symbol | None:
        if word == "result":
            return _symbol("result", self.facts.operand("result", None), self.minus)
        if word not in self.edges and self.facts.saved(word) is None:
            return self._scalar(word)
        operand = self.facts.operand(word, self.edges.get(word))
        scalar = self._scalar(word) if operand.value is None and not operand.name else None
        name = format.clip(format.clean(operand.name), NAME)
        return scalar or _symbol(name or word, operand, self.minus)

    def _scalar(self, word: str) -> Symbol | None:
        """A plain number that was given in place of a tensor."""
        position = _OWN_POSITIONS.get(self.function, _POSITIONS).get(word)
        value = None if position is None else self.facts.argument(word, position, None)
        if not is_number(value):
            return None
        text = format.number(value, format.MINUS)
        return Symbol(text, text, value=value)

    def _grad(self) -> Symbol:
        gradient = self.facts.received
        if gradient is None:
            return Symbol("grad")
        return _symbol("grad", Operand("", gradient.shape, gradient.value), self.minus)

    def _minus(self, text: str) -> str:
        return text.replace(format.MINUS, self.minus)


def _symbol(name: str, operand: Operand, minus: str) -> Symbol:
    number = format.value_text(operand.value, VALUE, format.MINUS) or ""
    shape = format.tensor_text("", operand.shape) if operand.shape else ""
    return Symbol(name, number, shape, operand.value, operand.transposed)


def _fitted(text: str, match: re.Match[str], formula: str, transposed: bool) -> str:
    """A name or value in its place: in parentheses where its sign would be misread, transposed where it must be."""
    swap = "ᵀ" if bool(match[2]) != transposed else ""
    after = swap or formula[match.end() : match.end() + 1]
    if text.startswith(format.MINUS) and (match.start() > 0 or after in _POWERS and after):
        text = f"({text})"
    return text + swap


def _has_bools(value: Any) -> bool:
    return any(_has_bools(item) for item in value) if isinstance(value, list) else isinstance(value, bool)


def _is_function(match: re.Match[str], text: str) -> bool:
    """Whether a word is called, or names an argument: `log(`, `dim=`."""
    after = text[match.end() : match.end() + 1]
    return after == "(" or after == "=" and not match[2]


def _functions(text: str) -> set[str]:
    called = {match[1] for match in _WORD.finditer(text) if _is_function(match, text)}
    return called | {"e"} if "e^" in text else called
