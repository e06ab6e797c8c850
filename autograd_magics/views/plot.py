"""A leaf over its story as a drawing: `.grad` and value, step by step, placed here and drawn by the page.

* `plot(phrases, name, pages)`: plain data for the payload, with a sentence for each line; None where there is
  too little to see.
* `to_svg(plot)`: the same as SVG, for pages without scripts.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from html import escape
from typing import Any

from ..story import VALUE_KINDS
from ..trace import Gradient, Past, Stats, flat
from . import format
from .phrases import Phrases

MANY = 8
"""Points from which on a line says more than a table."""
ELEMENTS = 4
"""Leaves up to this many elements have a line for each; of larger ones the Euclidean norm is drawn."""
POINTS = 300
"""Points of one line; of more every n-th is drawn, and the last."""
SILENT = frozenset({"left_out", "cleared", "zeroed", "earlier"})
"""Kinds without a point: between two steps `.grad` is emptied, which would only make the line a saw."""

WIDTH, LEFT, RIGHT = 320, 60, 8
PANEL, TOP, FOOT = 84, 16, 14
"""Sizes in px: of the drawing, its margins, one panel, the title above it, and the cells below all."""

Json = dict[str, Any]
Point = tuple[int, float]
Runs = list[list[Point]]
"""Points that are joined; a line is broken where its values are not numbers, or where pages are left out."""


def plot(phrases: Phrases, name: str, pages: Sequence[Past]) -> Json | None:
    """Curves of `.grad` and of the value, each only where it has `MANY` points."""
    found: Json = {"width": WIDTH, "texts": [], "axes": [], "faint": [], "lines": []}
    top = 0
    for title, of_value in ((f"{name}.grad", False), (name, True)):
        lines = _lines(title, list(_tracked(pages, of_value)), phrases)
        if max((sum(map(len, runs)) for runs in lines.values()), default=0) >= MANY:
            _add_panel(found, top + TOP, title, lines, len(pages), phrases)
            top += TOP + PANEL
    if not top:
        return None
    gaps = [_x(i, len(pages)) for i, page in enumerate(pages) if page.kind == "left_out"]
    found["faint"] += [f"M{x} {TOP}V{top}" for x in gaps]
    cells = [f"In [{page.cell}]" for page in pages if page.cell is not None]
    if cells:
        found["texts"].append(_text(LEFT, top + FOOT - 3, cells[0]))
    if cells and cells[-1] != cells[0]:
        found["texts"].append(_text(WIDTH - RIGHT, top + FOOT - 3, cells[-1], True))
    return {**found, "height": top + FOOT}


def norm(gradient: Gradient) -> float | None:
    """The Euclidean norm of a gradient or a value, None where its numbers are not known."""
    numbers = _flat(gradient.value) if gradient.value is not None else None
    if numbers is not None:
        return math.sqrt(sum(x * x for x in numbers)) if all(map(math.isfinite, numbers)) else None
    return _norm_of(gradient.stats)


def _norm_of(stats: Stats | None) -> float | None:
    if stats is None or stats.mean is None or stats.nan or stats.inf or stats.neg_inf:
        return None
    return math.sqrt(stats.elements * stats.mean**2 + max(stats.elements - 1, 0) * (stats.std or 0) ** 2)


# -- what is drawn -----------------------------------------------------------------------------
def _tracked(pages: Sequence[Past], of_value: bool) -> Iterator[tuple[int, Gradient | None]]:
    """What `.grad`, or the leaf itself, held after each page that tells of it; None where a line is broken."""
    for i, page in enumerate(pages):
        if page.kind == "left_out":
            yield i, None
        elif (page.kind in VALUE_KINDS) == of_value and page.kind not in SILENT and page.after is not None:
            yield i, page.after


def _lines(title: str, tracked: list[tuple[int, Gradient | None]], phrases: Phrases) -> dict[str, Runs]:
    """By name: the points of each line."""
    known = [gradient for _, gradient in tracked if gradient is not None]
    sizes = {math.prod(gradient.shape) for gradient in known}
    each = sizes and max(sizes) <= ELEMENTS and all(gradient.value is not None for gradient in known)
    found: dict[str, Runs] = {}
    for i, gradient in tracked:
        if gradient is None:
            for runs in found.values():
                runs.append([])
            continue
        for label, number in _numbers(title, gradient, bool(each)):
            runs = found.setdefault(label, [[]])
            if math.isfinite(number):
                runs[-1].append((i, number))
            else:
                runs.append([])
    return found


def _numbers(title: str, gradient: Gradient, each: bool) -> list[tuple[str, float]]:
    """The name and number of each line at one step; a number that is none is NaN."""
    if not each:
        size = norm(gradient)
        known = gradient.value is not None or gradient.stats is not None
        return [(f"‖{title}‖", math.nan if size is None else size)] if known else []
    numbers = _flat(gradient.value)
    if numbers is None:
        return []
    if len(numbers) == 1:
        return [(title, numbers[0])]
    return [(f"{title}[{', '.join(map(str, at))}]", n) for at, n in zip(_indices(gradient.shape), numbers, strict=True)]


def _indices(shape: Sequence[int]) -> list[tuple[int, ...]]:
    found: list[tuple[int, ...]] = [()]
    for size in shape:
        found = [(*at, i) for at in found for i in range(size)]
    return found


def _flat(value: Any) -> list[float] | None:
    """Nested lists as one; None where something in them is complex."""
    try:
        return [float(number) for number in flat(value)]
    except (TypeError, ValueError, OverflowError):
        return None


# -- where it stands ---------------------------------------------------------------------------
def _add_panel(found: Json, top: int, title: str, lines: dict[str, Runs], steps: int, phrases: Phrases) -> None:
    """Draw the lines of one panel, their scale and its title."""
    numbers = [number for runs in lines.values() for run in runs for _, number in run]
    least, most = min(numbers), max(numbers)
    low, high = least, most
    if low == high:
        low, high = low - (abs(low) or 1) / 2, high + (abs(high) or 1) / 2

    def y(number: float) -> float:
        share = (number / 2 - low / 2) / (high / 2 - low / 2)  # halves: their difference cannot overflow
        return round(top + 4 + (PANEL - 12) * (1 - share), 1)

    found["texts"].append(_text(LEFT, top - 5, title))
    marks = {least: phrases.number(float(f"{least:.3g}")), most: phrases.number(float(f"{most:.3g}"))}
    found["texts"] += [_text(LEFT - 4, y(at) + 3, label, True) for at, label in marks.items()]
    found["axes"].append(f"M{LEFT} {top}V{top + PANEL - 4}H{WIDTH - RIGHT}")
    if low < 0 < high:
        found["faint"].append(f"M{LEFT} {y(0)}H{WIDTH - RIGHT}")
    for i, (name, runs) in enumerate(lines.items()):
        found["lines"].append({"d": _path(runs, steps, y), "label": _sentence(name, runs, phrases), "dash": i})


def _text(x: float, y: float, text: str, end: bool = False) -> Json:
    """A text that begins, or ends, at a place."""
    return {"x": x, "y": round(y, 1), "text": text, "end": end}


def _path(runs: Runs, steps: int, y: Any) -> str:
    parts = []
    for run in filter(None, runs):
        stride = -(-len(run) // POINTS)
        shown = [*run[:-1:stride], run[-1]]
        places = [f"{_x(i, steps)} {y(number)}" for i, number in shown]
        parts.append(f"M{'L'.join(places if len(places) > 1 else places * 2)}")
    return "".join(parts)


def _x(step: int, steps: int) -> float:
    return round(LEFT + 4 + (WIDTH - LEFT - RIGHT - 8) * step / max(1, steps - 1), 1)


def _sentence(name: str, runs: Runs, phrases: Phrases) -> str:
    """What a line shows, in words."""
    numbers = [number for run in runs for _, number in run]
    first, last, low, high = (phrases.number(n) for n in (numbers[0], numbers[-1], min(numbers), max(numbers)))
    said = phrases.count("view.plot_line", len(numbers), name=name, first=first, last=last, low=low, high=high)
    return said


DASHES = ("none", "5 2", "1.5 2.5", "7 2 1.5 2")
"""Lines are told apart without colour."""


def to_svg(drawing: Json, label: str) -> str:
    """The drawing as SVG in the colour of the text around it."""
    width, height = drawing["width"], drawing["height"]
    parts = [
        f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" '
        f'aria-label="{escape(label)}" style="max-width:100%;font:10px ui-monospace,monospace" '
        'xmlns="http://www.w3.org/2000/svg" fill="none" stroke="currentColor">'
    ]
    parts += [f'<path d="{d}" stroke-opacity=".4"/>' for d in drawing["axes"]]
    parts += [f'<path d="{d}" stroke-opacity=".4" stroke-dasharray="1 3"/>' for d in drawing["faint"]]
    for line in drawing["lines"]:
        dash = f'stroke-dasharray="{DASHES[line["dash"]]}"'
        parts.append(f'<path d="{line["d"]}" stroke-width="1.6" stroke-linecap="round" {dash}/>')
    for text in drawing["texts"]:
        look = f'x="{text["x"]}" y="{text["y"]}" text-anchor="{"end" if text["end"] else "start"}"'
        parts.append(f'<text {look} fill="currentColor" stroke="none">{escape(format.clean(text["text"]))}</text>')
    return "".join([*parts, "</svg>"])
