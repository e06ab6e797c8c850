"""Text within the columns of a terminal: `paragraph` wraps sentences, `aligned` writes rows of cells."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import zip_longest

from . import format

WIDTH = 80
"""Columns of a line at most."""
CELL = 34
"""Columns that one cell may claim for its whole column; longer ones push their neighbours on."""

_OPENING, _CLOSING = "（「『《【“", "，。；：！？、）」』》】”…"
_WIDE = "\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe4f\uff01-\uff60"
_PIECE = re.compile(f"[{_OPENING}]*(?:[{_WIDE}]|[^{_WIDE}{_OPENING}]+)[{_CLOSING}]*|.")
"""What is not parted.  Chinese has no blanks: it is broken at any character, but no line begins with a comma."""


def paragraph(text: str, indent: str = "", hanging: str | None = None) -> list[str]:
    """The text in lines of at most `WIDTH` columns; the second and further lines begin with `hanging`."""
    hanging = indent if hanging is None else hanging
    lines: list[str] = []
    line, empty = indent, True
    for gap, word in _words(text, WIDTH - max(format.columns(indent), format.columns(hanging))):
        if not empty and format.columns(line) + len(gap) + format.columns(word) > WIDTH:
            lines.append(line)
            line, empty = hanging, True
        line += word if empty else gap + word
        empty = False
    return [*lines, line] if not empty else lines


def _words(text: str, room: int) -> Iterator[tuple[str, str]]:
    """Words, each with the blank that stands before it; one that is wider than a line in pieces."""
    for word in text.split():
        gap = " "
        for piece in _PIECE.findall(word):
            while format.columns(piece) > room:
                head = format.clip(f"{piece}…", room + 1).removesuffix("…") or piece[0]
                yield gap, head
                gap, piece = "", piece[len(head) :]
            if piece:
                yield gap, piece
            gap = ""


def aligned(rows: Sequence[Sequence[str]], indent: str, hanging: str) -> list[str]:
    """Rows with their cells under each other; a cell that finds no room goes to the next line, after `hanging`."""
    return [line for lines in aligned_rows(rows, indent, hanging) for line in lines]


def aligned_rows(rows: Sequence[Sequence[str]], indent: str, hanging: str) -> list[list[str]]:
    """The same, the lines of each row by themselves."""
    starts = [format.columns(indent)]
    for column in zip_longest(*rows, fillvalue=""):
        widths = [min(format.columns(cell), CELL) for cell in column]
        starts.append(starts[-1] + (max(widths) + 2 if any(widths) else 0))
    return [_row(row, starts, indent, hanging) for row in rows]


def _row(row: Sequence[str], starts: Sequence[int], indent: str, hanging: str) -> list[str]:
    """The lines of one row; a row that is too wide gives up its columns before it breaks."""
    cells = [cell for cell in row if cell]
    if format.columns(indent) + sum(format.columns(cell) + 2 for cell in cells) - 2 <= WIDTH < _end(row, starts):
        return [indent + "  ".join(cells)]
    return _broken(row, starts, indent, hanging)


def _end(row: Sequence[str], starts: Sequence[int]) -> int:
    """The column after the last cell of a row in its columns."""
    end = 0
    for cell, start in zip(row, starts, strict=False):
        end = max(start, end + 2) + format.columns(cell) if cell else end
    return end


def _broken(row: Sequence[str], starts: Sequence[int], indent: str, hanging: str) -> list[str]:
    lines: list[str] = []
    line, empty = indent, True
    for cell, start in zip(row, starts, strict=False):
        if not cell:
            continue
        gap = (0 if empty else 2) if lines else max(start - format.columns(line), 0 if empty else 2)
        if not empty and format.columns(line) + gap + format.columns(cell) > WIDTH:
            lines.append(line)
            line, gap = hanging, 0
        if format.columns(line) + gap + format.columns(cell) > WIDTH:
            *full, line = paragraph(cell, line, hanging)
            lines += full
        else:
            line += " " * gap + cell
        empty = False
    return [*lines, line]
