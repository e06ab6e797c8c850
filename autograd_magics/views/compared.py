"""What differs between two reports, in words: `to_text(difference, lang)` and `to_html(difference, lang)`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from typing import TYPE_CHECKING

from ..trace import Place
from . import format, tables
from .html import rich
from .phrases import Phrases
from .wrapping import aligned, paragraph

if TYPE_CHECKING:
    from ..difference import Difference, Entry

ROWS = 20
"""Rows of one kind of thing; the rest is counted."""
NAME = 48
"""Longest name, in columns."""
LONGEST = 120
"""Longest text of one side, in columns."""
_SIGNS = {"added": "+", "removed": "-", "changed": "~"}


def to_text(difference: Difference, lang: str) -> str:
    """Both reports in one sentence each, then what differs, kind by kind; at most 80 columns."""
    words = _words(difference, lang)
    parts = [[line for said in _heads(difference, words) for line in paragraph(said, "", "  ")]]
    if not difference:
        parts.append(paragraph(words[0].text("diff.none"), "", "  "))
    for title, rows, more in _sections(difference, words, "->"):
        lines = aligned(rows, "  ", " " * 6)
        parts.append([title.upper(), *lines, *([f"  … {more}"] if more else [])])
    return "\n\n".join("\n".join(part) for part in parts)


def to_html(difference: Difference, lang: str) -> str:
    """The same as a table; nothing but plain HTML."""
    words = _words(difference, lang, format.MINUS)
    parts = [f"<p>{'<br>'.join(map(rich, _heads(difference, words)))}</p>"]
    if not difference:
        parts.append(f"<p>{rich(words[0].text('diff.none'))}</p>")
    rows = []
    for title, cells, more in _sections(difference, words, "→"):
        rows.append(f'<tr><th colspan="6" style="{_LEFT}">{escape(title)}</th></tr>')
        rows += [f"<tr>{''.join(map(_cell, row, _STYLES))}</tr>" for row in cells]
        rows += [f'<tr><td colspan="6" style="{_LEFT}">… {escape(more)}</td></tr>'] if more else []
    parts += ["<table>", *rows, "</table>"] if rows else []
    return f'<div class="agm-diff">\n{chr(10).join(parts)}\n</div>'


_LEFT = "text-align:left;vertical-align:top"
_WHOLE = f"{_LEFT};white-space:nowrap"
_STYLES = (_WHOLE, _WHOLE, _LEFT, _LEFT, _WHOLE, _WHOLE)
"""Of the cells of a row: only names and texts are broken into lines."""


def _cell(text: str, style: str) -> str:
    return f'<td style="{style}">{rich(text)}</td>'


def _words(difference: Difference, lang: str, minus: str = "-") -> tuple[Phrases, Phrases]:
    """Words for the rows of the one report and of the other."""
    return Phrases(difference.before.graph, lang, minus), Phrases(difference.after.graph, lang, minus)


def _heads(difference: Difference, words: Sequence[Phrases]) -> Iterator[str]:
    """What the one and the other recording are."""
    for key, phrases, report in zip(("before", "after"), words, (difference.before, difference.after), strict=True):
        yield phrases.text(f"diff.{key}", headline=tables.headline(phrases, len(report.findings), report.quiet))


def _sections(
    difference: Difference, words: Sequence[Phrases], arrow: str
) -> Iterator[tuple[str, list[list[str]], str]]:
    """Of each kind of thing its title, its rows of cells, and how many rows are left out."""
    kinds: dict[str, list[Entry]] = {}
    for entry in difference.entries:
        kinds.setdefault(entry.what, []).append(entry)
    for kind, entries in kinds.items():
        more = words[0].count("view.more", len(entries) - ROWS) if len(entries) > ROWS else ""
        yield words[0].text(f"diff.{kind}"), [_cells(entry, words, arrow) for entry in entries[:ROWS]], more


def _cells(entry: Entry, words: Sequence[Phrases], arrow: str) -> list[str]:
    """Sign and word of the change, line, name, what was and what is, and how often."""
    phrases = words[0]
    unnamed = phrases.text("diff.total" if entry.what == "saved" else "diff.cell")
    name = format.clip(format.clean(entry.name), NAME) or unnamed
    module = f" ({format.clean(entry.module)})" if entry.module else ""
    apart = "" if entry.distance is None else phrases.text("diff.apart", distance=phrases.number(entry.distance))
    change = f"{_SIGNS[entry.change]} {phrases.text(f'diff.{entry.change}')}"
    return [
        change, _lines(entry.places, words, arrow), name + module,
        _sides(entry, phrases, arrow), apart, f"×{entry.times}" if entry.times > 1 else "",
    ]  # fmt: skip


def _lines(places: tuple[Place | None, Place | None], words: Sequence[Phrases], arrow: str) -> str:
    """`line 4`, or `line 4 -> line 5` where it moved."""
    said = [one.line(place) for one, place in zip(words, places, strict=True) if place is not None]
    return f" {arrow} ".join(dict.fromkeys(filter(None, said)))


def _sides(entry: Entry, phrases: Phrases, arrow: str) -> str:
    sides = [_side(side, entry.what, phrases) for side in (entry.before, entry.after)]
    if entry.change == "changed":
        return f" {arrow} ".join(side or "·" for side in sides)
    return sides[0] if entry.change == "removed" else sides[1]


def _side(side: str | float | None, kind: str, phrases: Phrases) -> str:
    if side is None:
        return ""
    if isinstance(side, str):
        return format.clip(format.clean(side), LONGEST if kind != "finding" else 1000)
    return format.bytes_text(int(side)) if kind == "saved" else phrases.number(side)
