"""The C++ of torch's own `derivatives.yaml`, easier to read: `tidy(text)`.

Only what says nothing about the mathematics is taken out (namespaces, casts, whether a gradient is
there at all); no name of a function is replaced by another.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable

_REPLACED = (
    (r"/\*.*?\*/\s*", ""),
    (r"\b(?:at|std|c10|native)::", ""),
    (r"_symint\b", ""),
    (r"->", "."),
    (r"\.sym_sizes\(\)", ".shape"),
    (r"\.sym_(size|numel|strides)\(", r".\1("),
    (r"\.scalar_type\(\)", ".dtype"),
    (r"\bM_PI\b", "π"),
    (r"\bM_LN2\b", "log(2)"),
    (r" \* ", " · "),
    (r"\b(\d+)\.0?(?![\d\w])", r"\1"),
)  # fmt: skip
_PRESENT = re.compile(r"^grad\.defined\(\) ?\? (.*) : (?:tuple|vector)<[^?]*$")


@functools.lru_cache(512)
def tidy(text: str, is_complex: bool = False) -> str | None:
    """A formula of the yaml for reading; conjugates stay where numbers are complex.  None where torch has none."""
    if text.startswith("not_implemented("):
        return None
    for pattern, better in _REPLACED:
        text = re.sub(pattern, better, text)
    if not is_complex:
        text = text.replace(".conj()", "")
        text = _unwrapped(text, "handle_r_to_c", lambda parts: parts[-1])
    text = _unwrapped(text, "maybe_multiply", lambda parts: " · ".join(map(_factor, parts)))
    text = _PRESENT.sub(r"\1", text)
    while text.startswith("(") and _closing(text, 0) == len(text) - 1:
        text = text[1:-1]
    return text


def _factor(text: str) -> str:
    """In parentheses where it is a sum."""
    outside = re.sub(r"\([^()]*\)", "", text)
    return f"({text})" if re.search(r" [-+] ", outside) else text


def _unwrapped(text: str, name: str, pick: Callable[[list[str]], str]) -> str:
    """Every `name(a, b)` replaced by what `pick` makes of its arguments."""
    start = text.find(f"{name}(")
    while start >= 0:
        opening = start + len(name)
        end = _closing(text, opening)
        if end is None:
            return text
        text = text[:start] + pick(_arguments(text[opening + 1 : end])) + text[end + 1 :]
        start = text.find(f"{name}(")
    return text


def _closing(text: str, opening: int) -> int | None:
    """Where the parenthesis that opens there closes."""
    depth = 0
    for i in range(opening, len(text)):
        depth += {"(": 1, ")": -1}.get(text[i], 0)
        if depth == 0:
            return i
    return None


def _arguments(text: str) -> list[str]:
    """Split at the commas that stand in no parentheses or braces."""
    parts, depth = [""], 0
    for character in text:
        depth += {"(": 1, "{": 1, ")": -1, "}": -1}.get(character, 0)
        if character == "," and not depth:
            parts.append("")
        else:
            parts[-1] += character
    return [part.strip() for part in parts]
