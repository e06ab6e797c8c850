"""How numbers, sizes and foreign text are written; the one place for it.

* `number`, `value_text`, `short_text`, `bytes_text`, `shape_text`, `tensor_text`: figures.
* `large_text`, `figures_text`, `odd_text`, `bars`: what is told of a tensor too large to be shown whole.
* `clean`: text of the user's without what would break a terminal, an XML document or a line.
* `columns`, `pixels`, `clip`: how wide a text is on a terminal, in a picture, and cutting it to size.
"""

from __future__ import annotations

import functools
import math
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Any

from ..trace import Gradient, Stats, Tensor

MINUS = "−"
"""The minus sign of pictures; terminals get the hyphen."""

ODD = "⚠"
"""Stands before what must not be overlooked: NaN and infinities."""
WIRE = 26
"""Longest value on a wire of the picture, in characters."""

_BARS = "▁▂▃▄▅▆▇█"
OPEN, NEXT, CLOSE = "\ufdd0", "\ufdd1", "\ufdd2"
"""Codes for sentences that are said later (`languages.py`): before a key, before each of its values, after the last.
They are noncharacters of Unicode, and `clean` lets none through: nothing of a user's can be taken for one."""
CLIP = "clip"
"""In the place of a key: a text to be cut; its values are the limit and the text."""

_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")
_FIRST = 18
"""Longest text on a wire that tells the first numbers only: it is to be recognised, and wires stand close together."""
_DIGITS = (4, 3, 2)
"""Significant digits of a value that is written shorter and shorter, until it finds room."""
_EXACT = 10**6
"""Whole numbers below this are written in full."""
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def number(value: Any, minus: str = "-", digits: int = 4) -> str:
    """A number with so many significant digits, without trailing zeros; text (`"nan"`, complex) as it is."""
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, str):
        return clean(value).replace("-", minus)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value).replace("-", minus)
    if value == int(value) and abs(value) < _EXACT:
        return str(int(value)).replace("-", minus)
    text = f"{value:.{digits}g}"
    mantissa, _, exponent = text.partition("e")
    return (f"{mantissa}e{int(exponent)}" if exponent else text).replace("-", minus)


def value_text(value: Any, limit: int = WIRE, minus: str = "-", digits: int = 4) -> str | None:
    """Nested lists of numbers as `[[1 2 3] [4 5 6]]`; None where there is no value or it is longer than `limit`."""
    if value is None:
        return None
    parts: list[str] = []
    length = 0
    for part in _value_parts(value, minus, digits):
        parts.append(part)
        length += len(part)
        if length > limit:
            return None
    return "".join(parts)


def short_text(value: Any, limit: int = WIRE, minus: str = "-") -> str | None:
    """The same with fewer digits where it is too long, then with the first numbers only: `[-0.33 0.17 …]`.

    None only where there is no value, or where not even its first number finds room.
    """
    for digits in _DIGITS if _may_fit(value, limit) else ():
        text = value_text(value, limit, minus, digits)
        if text is not None:
            return text
    count, text = 1, _first(value, 1, limit, minus)
    room = min(_FIRST, limit) if limit <= WIRE else limit
    while text is not None and (more := _first(value, count + 1, room, minus)) is not None:
        count, text = count + 1, more
    return text


def _may_fit(value: Any, limit: int) -> bool:
    """Whether a value could stand in `limit` characters if each of its numbers had one digit; most are far beyond."""
    return _least(value, limit) <= limit


def _least(value: Any, limit: int) -> int:
    """Characters that a value needs at least; counting stops beyond the limit."""
    if not isinstance(value, (list, tuple)):
        return 1
    found = max(len(value) + 1, 2)
    for item in value:
        if found > limit:
            break
        found += _least(item, limit)
    return found


def _first(value: Any, count: int, limit: int, minus: str) -> str | None:
    """The first `count` numbers and ellipses for the others; None where that is longer than `limit`."""
    if value is None:
        return None
    text = _begun(value, count, minus)[0]
    return text if len(text) <= limit else None


def _begun(value: Any, count: int, minus: str) -> tuple[str, int]:
    """The text of the first `count` numbers, and how many of them are left to be written."""
    if not isinstance(value, (list, tuple)):
        return _rounded(value, minus, _DIGITS[-1]), count - 1
    parts = []
    for item in value:
        if count <= 0:
            parts.append("…")
            break
        text, count = _begun(item, count, minus)
        parts.append(text)
    return f"[{' '.join(parts)}]", count


def _rounded(value: Any, minus: str, digits: int) -> str:
    """A number with so many digits, or with more where that is no longer: `1234`, not `1.2e3`."""
    return min((number(value, minus, more) for more in range(4, digits - 1, -1)), key=len)


def _value_parts(value: Any, minus: str, digits: int) -> Iterator[str]:
    if not isinstance(value, (list, tuple)):
        yield _rounded(value, minus, digits)
        return
    yield "["
    for index, item in enumerate(value):
        if index:
            yield " "
        yield from _value_parts(item, minus, digits)
    yield "]"


def bytes_text(size: int) -> str:
    """A size in bytes, in units of 1000: `16 B`, `1.5 kB`, `12.3 MB`."""
    amount, unit = float(size), 0
    while amount >= 999.95 and unit < len(_UNITS) - 1:
        amount, unit = amount / 1000, unit + 1
    text = f"{amount:.1f}".removesuffix(".0")
    return f"{text} {_UNITS[unit]}"


def shape_text(shape: Iterable[int]) -> str:
    """A shape as PyTorch people write it: `[2, 3]`."""
    return f"[{', '.join(str(size) for size in shape)}]"


def tensor_text(dtype: str, shape: Iterable[int]) -> str:
    """What a tensor is without its values: `float32[2,3]`."""
    return _tensor_text(dtype, tuple(shape))


@functools.lru_cache(maxsize=4096)
def _tensor_text(dtype: str, shape: tuple[int, ...]) -> str:
    return f"{dtype}[{','.join(map(str, shape))}]"


def large_text(row: Tensor | Gradient, limit: int = WIRE, minus: str = "-") -> str:
    """A tensor that is not shown whole: `float32[64,128]`, with its figures where the room is wider than a wire's."""
    kind, figures = tensor_text(row.dtype, row.shape), figures_text(row.stats, minus)
    both = f"{kind} {figures}"
    return both if figures and limit > WIRE and len(both) <= limit else kind


def figures_text(stats: Stats | None, minus: str = "-") -> str:
    """`μ 0.0132 σ 0.992`, or what is odd: `⚠ 3 NaN 1 Inf`; empty where there are no figures."""
    if stats is None:
        return ""
    odd = odd_text(stats, minus)
    if odd or stats.mean is None:
        return odd
    spread = "" if stats.std is None else f" σ {number(stats.std, minus, 3)}"
    return f"μ {number(stats.mean, minus, 3)}{spread}"


def odd_text(stats: Stats, minus: str = "-") -> str:
    """`⚠ 3 NaN 1 Inf`: how many elements are no finite numbers; empty where all are."""
    counts = ((stats.nan, "NaN"), (stats.inf, "Inf"), (stats.neg_inf, f"{minus}Inf"))
    found = " ".join(f"{count} {name}" for count, name in counts if count)
    return found and f"{ODD} {found}"


def bars(bins: Iterable[int]) -> str:
    """A histogram as one line of text; only what is empty has the lowest bar."""
    counts = list(bins)
    most = max(counts, default=0)
    steps = len(_BARS) - 1
    return "".join(_BARS[math.ceil(count / most * steps) if count else 0] for count in counts)


def clean(text: str, keep: str = "") -> str:
    """The text without control characters, line ends and marks that turn the direction of writing."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if c in keep or _harmless(c) else " " if c in "\n\t" else "\ufffd" for c in text)


def _harmless(character: str) -> bool:
    odd = unicodedata.category(character) in ("Cc", "Cs", "Cn", "Zl", "Zp") or character in _BIDI
    return not odd


def columns(text: str) -> int:
    """Columns of a terminal that the text takes: two for east-asian characters, none for combining ones."""
    return len(text) if text.isascii() else _columns(text)


@functools.lru_cache(maxsize=4096)
def _columns(text: str) -> int:
    return sum(map(_cells, text))


@functools.lru_cache(maxsize=4096)
def _cells(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def pixels(text: str, size: float) -> float:
    """Width in a picture of monospaced text of that font size, in px."""
    return columns(text) * size * 0.605


def clip(text: str, limit: int) -> str:
    """The text cut to at most `limit` columns, ending in an ellipsis where something was cut.

    Of a text with codes nothing is known before it is said in a language: it is marked to be cut then.
    """
    if OPEN in text:
        return f"{OPEN}{CLIP}{NEXT}{limit}{NEXT}{text}{CLOSE}"
    if columns(text) <= limit:
        return text
    kept, used = [], 0
    for character in text:
        used += _cells(character)
        if used > limit - 1:
            break
        kept.append(character)
    return "".join(kept).rstrip() + "…"
