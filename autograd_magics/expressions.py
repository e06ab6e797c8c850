"""Reading `%autograd show EXPR...` and `%autograd grads NAME...`: expressions, with options before or after them."""

from __future__ import annotations

import ast
import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from .options import FLAGS, MAGIC, OptionError, Options, parse_words
from .texts import text

_PAIRS = {"(": ")", "[": "]", "{": "}"}


def read(line: str, defaults: Options, names: dict[str, Any], lang: str) -> tuple[Options, dict[str, Any]]:
    """The options, and the tensors by their expressions.  Raises `OptionError` in the language `lang`."""
    given, rest = options_apart(line, defaults, "show", lang)
    parts = split(rest)
    if not parts:
        raise OptionError(text("magic.show.nothing", lang))
    return given, {part: _tensor(part, names, lang) for part in parts}


def options_apart(line: str, defaults: Options, command: str, lang: str) -> tuple[Options, str]:
    """The options of a line of the subcommand `command`, and the rest of the line."""
    words, rest = _options_apart(line.strip())
    return parse_words(words, defaults, lang, f"%{MAGIC} {command}"), rest


def is_tensor(value: Any) -> bool:
    """Whether a value is a torch.Tensor, told without importing torch."""
    return _is(value, "torch", "Tensor")


def is_module(value: Any) -> bool:
    """Whether a value is a torch.nn.Module, told without importing torch."""
    return _is(value, "torch.nn.modules.module", "Module")


def _is(value: Any, module: str, name: str) -> bool:
    return any(kind.__module__ == module and kind.__name__ == name for kind in type(value).__mro__)


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


def _options_apart(line: str) -> tuple[list[str], str]:
    """The options outside brackets and quotes, each with its value, and the rest of the line.

    After an expression only a known option is one where the line is Python as it stands: `a --b` is a difference.
    """
    python = _is_python(line)
    options: list[str] = []
    rest: list[str] = []
    takes_value = False
    for word in _words(line):
        first = not any(rest)
        if takes_value and word:
            options.append(word)
            takes_value = False
        elif word.startswith("--") and (first or not python or word.partition("=")[0] in FLAGS):
            options.append(word)
            takes_value = FLAGS.get(word) is not None
        else:
            rest.append(word)
    return options, " ".join(rest).strip()


def _is_python(line: str) -> bool:
    try:
        ast.parse(line, mode="eval")
    except SyntaxError:
        return False
    return True


def value_of(part: str, names: Mapping[str, Any], command: str, known: Iterable[str], lang: str) -> Any:
    """What an expression gives; an unknown name is answered with the nearest of those that could be meant.

    Those are the known ones; inside a longer expression also what holds tensors in it.
    """
    try:
        return eval(compile(part, f"<%autograd {command}>", "eval"), dict(names))
    except NameError as error:
        missing = getattr(error, "name", None) or part
        meant = [*known, *(() if missing == part else _holders(names))]
        near = ", ".join(dict.fromkeys(difflib.get_close_matches(missing, meant, n=3, cutoff=0.4)))
        key = "magic.unknown_name" if near else "magic.unknown_name.none"
        raise OptionError(text(key, lang, command=command, given=missing, near=near)) from None
    except Exception as error:
        problem = f"{type(error).__name__}: {error}"
        raise OptionError(text("magic.show.raised", lang, command=command, given=part, problem=problem)) from None


def _holders(names: Mapping[str, Any]) -> list[str]:
    """The user's variables that are tensors or modules, or may have some in them."""
    own = {name: value for name, value in names.items() if not name.startswith("_") and name not in ("In", "Out")}
    kinds = (list, tuple, dict)
    return [name for name, value in own.items() if is_tensor(value) or is_module(value) or isinstance(value, kinds)]


def _tensor(part: str, names: dict[str, Any], lang: str) -> Any:
    """The tensor that an expression gives."""
    tensors = [name for name, value in names.items() if is_tensor(value) and not name.startswith("_")]
    value = value_of(part, names, "show", tensors, lang)
    if not is_tensor(value):
        raise OptionError(text("magic.show.no_tensor", lang, given=part, type=type(value).__name__))
    return value
