"""Reading `%autograd show EXPR...` and `%autograd grads NAME...`: options, then expressions."""

from __future__ import annotations

import ast
import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from .options import FLAGS, OptionError, Options, parse_words
from .texts import text

_PAIRS = {"(": ")", "[": "]", "{": "}"}


def read(line: str, defaults: Options, names: dict[str, Any], lang: str) -> tuple[Options, dict[str, Any]]:
    """The options, and the tensors by their expressions.  Raises `OptionError` in the language `lang`."""
    given, rest = leading(line, defaults, lang)
    parts = split(rest)
    if not parts:
        raise OptionError(text("magic.show.nothing", lang))
    return given, {part: _tensor(part, names, lang) for part in parts}


def leading(line: str, defaults: Options, lang: str) -> tuple[Options, str]:
    """The options that a line begins with, and the rest of it."""
    words, rest = _leading_options(line.strip())
    return parse_words(words, defaults, lang), rest


def is_tensor(value: Any) -> bool:
    """Whether a value is a torch.Tensor, told without importing torch."""
    return any(kind.__module__ == "torch" and kind.__name__ == "Tensor" for kind in type(value).__mro__)


def split(line: str) -> list[str]:
    """The expressions of a line: one, or several with commas or blanks between them."""
    try:
        tree = ast.parse(line, mode="eval").body if line else ast.Tuple([])
    except SyntaxError:
        return [word for word in (part.strip(",") for part in _words(line)) if word]
    return [ast.unparse(part) for part in tree.elts] if isinstance(tree, ast.Tuple) else [line]


def _words(line: str) -> list[str]:
    """A line split at the blanks that are outside brackets and quotes."""
    words = [""]
    closing: list[str] = []
    quote = ""
    for letter in line:
        if letter == " " and not closing and not quote:
            words.append("")
            continue
        words[-1] += letter
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        elif letter in _PAIRS:
            closing.append(_PAIRS[letter])
        elif closing and letter == closing[-1]:
            closing.pop()
    return words


def _leading_options(line: str) -> tuple[list[str], str]:
    """The options before the first expression, and the rest of the line."""
    words: list[str] = []
    takes_value = False
    while takes_value or line.startswith("--"):
        word, _, line = line.partition(" ")
        line = line.lstrip()
        takes_value = not takes_value and FLAGS.get(word) is not None and bool(line)
        words.append(word)
    return words, line


def value_of(part: str, names: Mapping[str, Any], command: str, known: Iterable[str], lang: str) -> Any:
    """What an expression gives; an unknown name is answered with the nearest of those that are known or meant."""
    try:
        return eval(compile(part, f"<%autograd {command}>", "eval"), dict(names))
    except NameError as error:
        missing = getattr(error, "name", None) or part
        meant = [*known, *(name for name in names if not name.startswith("_"))]
        near = ", ".join(dict.fromkeys(difflib.get_close_matches(missing, meant, n=3, cutoff=0.4)))
        key = "magic.unknown_name" if near else "magic.unknown_name.none"
        raise OptionError(text(key, lang, command=command, given=missing, near=near)) from None
    except Exception as error:
        problem = f"{type(error).__name__}: {error}"
        raise OptionError(text("magic.show.raised", lang, command=command, given=part, problem=problem)) from None


def _tensor(part: str, names: dict[str, Any], lang: str) -> Any:
    """The tensor that an expression gives."""
    tensors = [name for name, value in names.items() if is_tensor(value)]
    value = value_of(part, names, "show", tensors, lang)
    if not is_tensor(value):
        raise OptionError(text("magic.show.no_tensor", lang, given=part, type=type(value).__name__))
    return value
