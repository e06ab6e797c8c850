"""Figures of larger tensors for the details: rows of label and value, and charts for the front end to draw.

* `rows(phrases, row)`: mean, spread, range, zeros, and what is no finite number.
* `charts(phrases, row, name)`: a histogram and a heat map, each with a sentence that says the same.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ..trace import Gradient, Stats, Tensor
from . import format
from .phrases import Phrases

SHADES = 8
"""Shades of one colour in a heat map."""

Json = dict[str, Any]
Cells = Sequence[Sequence[float | None]]


def rows(phrases: Phrases, row: Tensor | Gradient) -> list[tuple[str, str]]:
    """(key of the label, value) of each figure; nothing where there are none."""
    stats = row.stats
    if stats is None:
        return []
    of = "_complex" if _is_complex(row) else ""
    known = ((f"mean{of}", stats.mean), (f"std{of}", stats.std))
    found = [(key, phrases.number(value)) for key, value in known if value is not None]
    if stats.min is not None:
        found.append((f"range{of}", f"{phrases.number(stats.min)} … {phrases.number(stats.max)}"))
    about = "≈ " if stats.sampled else ""
    found.append(("zeros", about + _share(stats.zeros, stats)))
    odd = stats.nan + stats.inf + stats.neg_inf
    told = format.odd_text(stats, phrases.minus)
    found.append(("odd", f"{told} ({percent(odd, stats.elements)})" if odd else phrases.text("view.stats_none")))
    if stats.sampled:
        found.append(("sampled", phrases.text("view.stats_sampled", count=stats.sampled)))
    return found


def _is_complex(row: Tensor | Gradient) -> bool:
    return row.dtype.startswith("complex")


def _share(part: int, stats: Stats) -> str:
    return f"{part} ({percent(part, stats.elements)})" if part else "0"


def percent(part: int, elements: int) -> str:
    """Of all elements; what is there is never told as 0 %, nor all but a few as 100 %."""
    share = 100 * part / elements
    if 0 < share < 0.1:
        return "< 0.1 %"
    return "> 99.9 %" if 99.9 < share < 100 else f"{share:.3g} %"


def charts(phrases: Phrases, row: Tensor | Gradient, name: str) -> list[Json]:
    """The charts of a tensor's figures, where its recording was asked for them."""
    stats = row.stats
    if stats is None or not stats.bins:
        return []
    name = f"|{name}|" if _is_complex(row) else name
    found = [_histogram(phrases, stats, name)]
    if stats.cells is not None:
        found.append(_heat_map(phrases, stats.cells, row.shape, name))
    return found


def _histogram(phrases: Phrases, stats: Stats, name: str) -> Json:
    bins, low, high = stats.bins or (), stats.min or 0.0, stats.max or 0.0
    most = max(range(len(bins)), key=bins.__getitem__)
    edges = [phrases.number(low + (high - low) * (most + i) / len(bins)) for i in (0, 1)]
    data = {"count": sum(bins), "low": phrases.number(low), "high": phrases.number(high)}
    if low == high:
        said = phrases.text("view.chart_equal_said", count=data["count"], low=data["low"])
    else:
        shown = {**data, "steps": len(bins), "most": bins[most], "start": edges[0], "end": edges[1]}
        said = phrases.text("view.chart_bins_said", **shown)
    title = phrases.text("view.chart_bins", name=name)
    return {"kind": "bins", "title": title, "said": said, "low": data["low"], "high": data["high"], "bins": list(bins)}


def _heat_map(phrases: Phrases, cells: Cells, shape: Sequence[int], name: str) -> Json:
    across, down = len(cells[0]), len(cells)
    size = [math.ceil(n / k) for n, k in zip((1, *shape)[-2:], (down, across), strict=True)]
    title = phrases.text("view.chart_cells", name=name, rows=size[0], columns=size[1])
    places = {(i, j): v for i, line in enumerate(cells) for j, v in enumerate(line) if v is not None}
    lowest, highest = min(places, key=places.__getitem__), max(places, key=places.__getitem__)
    said = phrases.text(
        "view.chart_cells_said", across=across, down=down,
        low=phrases.number(places[lowest]), low_row=lowest[0] + 1, low_column=lowest[1] + 1,
        high=phrases.number(places[highest]), high_row=highest[0] + 1, high_column=highest[1] + 1,
    )  # fmt: skip
    empty = across * down - len(places)
    said += f" {phrases.count('view.chart_empty', empty)}" if empty else ""
    start, end = _scale(places[lowest], places[highest])
    return {
        "kind": "cells", "title": title, "said": said, "low": phrases.number(start), "high": phrases.number(end),
        "cells": [[None if v is None else _shade(v, start, end) for v in line] for line in cells],
        "ends": [_shade(start, start, end), _shade(end, start, end)],
    }  # fmt: skip


def _scale(low: float, high: float) -> tuple[float, float]:
    """What the two ends of the colours stand for: as far below zero as above it where there are both signs."""
    if low < 0 < high:
        most = max(-low, high)
        return -most, most
    return low, high


def _shade(value: float, start: float, end: float) -> int:
    """From -SHADES to SHADES: the sign is the colour, the size its strength."""
    if start == end:
        return SHADES * ((value > 0) - (value < 0))
    if start < 0 < end:
        return round(SHADES * value / end)
    share = (value - start) / (end - start)
    return round(SHADES * share) if start >= 0 else -round(SHADES * (1 - share))
