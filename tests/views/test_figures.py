"""Figures of larger tensors in words: in the picture, the tables and the details."""

from __future__ import annotations

import math
import pathlib

import pytest
import torch

from autograd_magics import Report, record
from autograd_magics.graph import Graph
from autograd_magics.trace import Gradient, Stats
from autograd_magics.views import figures, format
from autograd_magics.views.payload import payload
from autograd_magics.views.phrases import Phrases

STATS = Stats(8192, 0.01319, 0.99174, -3.8, 3.64, 12, 0, 0, 0)
ODD = STATS._replace(nan=3, inf=1, neg_inf=2)
NOTHING = Stats(30, None, None, None, None, 0, 30, 0, 0)


def gradient(stats: Stats | None, shape: tuple[int, ...] = (64, 128), dtype: str = "float32") -> Gradient:
    return Gradient(shape, dtype, "cpu", None, stats)


def recorded(values: str) -> Report:
    torch.manual_seed(0)
    with record(values=values, lang="en") as recording:
        x = torch.randn(64, 128)
        w = torch.randn(128, 32, requires_grad=True)
        h = x @ w
        y = h.log()  # half of it NaN
        loss = y.nansum()
        loss.backward()
    assert h.shape == (64, 32)
    return recording.report


def phrases(lang: str = "en") -> Phrases:
    return Phrases(Graph(recorded("small").trace), lang)


@pytest.mark.parametrize(
    ("stats", "expected"),
    [
        (None, ""),
        (STATS, "μ 0.0132 σ 0.992"),
        (STATS._replace(std=None), "μ 0.0132"),
        (STATS._replace(mean=-1e-9, std=123456.0), "μ −1e-9 σ 123456"),
        (ODD, "⚠ 3 NaN 1 Inf 2 −Inf"),
        (NOTHING, "⚠ 30 NaN"),
    ],
)
def test_one_line_of_figures(stats: Stats | None, expected: str) -> None:
    assert format.figures_text(stats, "−").replace("e−9", "e-9") == expected


def test_only_where_there_is_room() -> None:
    assert format.large_text(gradient(STATS)) == "float32[64,128]"
    assert format.large_text(gradient(STATS), 40) == "float32[64,128] μ 0.0132 σ 0.992"
    assert format.large_text(gradient(STATS), 30) == "float32[64,128]"
    assert format.large_text(gradient(None), 40) == "float32[64,128]"


@pytest.mark.parametrize(
    ("bins", "expected"),
    [([], ""), ([0, 0], "▁▁"), ([0, 1, 1000, 500, 0], "▁▂█▅▁"), ([7], "█"), ([1] * 3, "███")],
)
def test_bars_of_text(bins: list[int], expected: str) -> None:
    assert format.bars(bins) == expected


def test_rows_of_the_details() -> None:
    words = phrases()
    assert figures.rows(words, gradient(STATS)) == [
        ("mean", "0.01319"), ("std", "0.9917"), ("range", "-3.8 … 3.64"), ("zeros", "12 (0.146 %)"), ("odd", "none"),
    ]  # fmt: skip
    assert figures.rows(words, gradient(ODD))[-1] == ("odd", "⚠ 3 NaN 1 Inf 2 -Inf (< 0.1 %)")
    assert figures.rows(words, gradient(NOTHING)) == [("zeros", "0"), ("odd", "⚠ 30 NaN (100 %)")]
    assert figures.rows(words, gradient(STATS._replace(zeros=8191)))[3] == ("zeros", "8191 (> 99.9 %)")
    assert [key for key, _ in figures.rows(words, gradient(STATS, dtype="complex64"))][:2] == [
        "mean_complex", "std_complex",
    ]  # fmt: skip
    assert figures.rows(words, gradient(None)) == []


def bins(*counts: int, low: float = 0.0, high: float = 2.0) -> Stats:
    return Stats(sum(counts), 1.0, 1.0, low, high, 0, 0, 0, 0, counts, None)


def test_a_histogram_says_what_it_draws() -> None:
    (chart,) = figures.charts(phrases(), gradient(bins(1, 5, 2, 0)), "h")
    assert (chart["kind"], chart["bins"], chart["low"], chart["high"]) == ("bins", [1, 5, 2, 0], "0", "2")
    assert chart["title"] == "Histogram of h"
    assert chart["said"] == (
        "8 finite values from 0 to 2 in 4 equal steps. The fullest step, with 5, goes from 0.5 to 1."
    )
    (equal,) = figures.charts(phrases(), gradient(bins(0, 9, high=0.0)), "h")
    assert equal["said"] == "All 9 finite values are 0."
    (magnitude,) = figures.charts(phrases(), gradient(bins(1, 2), dtype="complex64"), "z")
    assert magnitude["title"] == "Histogram of |z|"
    assert figures.charts(phrases(), gradient(STATS), "h") == []


HEAT = {
    "both signs": ([-2.0, 0.0, 1.0], [-8, 0, 4], ("-2", "2"), [-8, 8]),
    "positive": ([1.0, 2.0, 5.0], [0, 2, 8], ("1", "5"), [0, 8]),
    "negative": ([-5.0, -2.0, -1.0], [-8, -2, 0], ("-5", "-1"), [-8, 0]),
    "from zero": ([0.0, 2.0, 4.0], [0, 4, 8], ("0", "4"), [0, 8]),
    "equal": ([3.0, 3.0, 3.0], [8, 8, 8], ("3", "3"), [8, 8]),
    "equal below zero": ([-3.0, -3.0, -3.0], [-8, -8, -8], ("-3", "-3"), [-8, -8]),
    "zeros": ([0.0, 0.0, 0.0], [0, 0, 0], ("0", "0"), [0, 0]),
    "with nothing in one": ([-1.0, None, 1.0], [-8, None, 8], ("-1", "1"), [-8, 8]),
}


@pytest.mark.parametrize("case", HEAT)
def test_shades_of_a_heat_map(case: str) -> None:
    cells, shades, scale, ends = HEAT[case]
    stats = bins(3, 3)._replace(cells=(tuple(cells),))
    chart = figures.charts(phrases(), gradient(stats, (30,)), "h")[1]
    assert chart["cells"] == [shades] and (chart["low"], chart["high"]) == scale and chart["ends"] == ends
    assert chart["title"] == "Means of h in blocks of 1 × 10"
    assert ("1 block has no finite value." in chart["said"]) == (None in cells)


def test_the_size_of_a_block_follows_from_their_number() -> None:
    words = phrases()
    for size in range(1, 3000):
        step = math.ceil(size / 16)
        stats = bins(1, 1)._replace(cells=((0.0,) * math.ceil(size / step),))
        chart = figures.charts(words, gradient(stats, (size,)), "h")[1]
        assert chart["title"].endswith(f"1 × {step}")


# -- in the views ------------------------------------------------------------------------------
def test_the_picture_has_a_second_line_under_stats() -> None:
    report = recorded("stats")
    boxes = {box.name or box.label: box for box in report.pictures["forward"].boxes}
    h, y, w = boxes["h"], boxes["y"], boxes["w"]
    assert h.above == "float32[64,32]" and h.above_figures.startswith("μ ") and " σ " in h.above_figures
    assert y.above_figures.startswith("⚠ ") and y.above_figures.endswith(" NaN")
    assert w.below.startswith("grad float32") and w.below_figures.startswith("μ ")
    plain = {box.name or box.label: box for box in recorded("small").pictures["forward"].boxes}
    assert plain["h"].above == h.above and plain["h"].above_figures == "" and plain["h"].h < h.h
    assert "above_figures" not in plain["h"].data() and h.data()["above_figures"] == h.above_figures
    assert plain["h"].w <= h.w


def test_the_svg_and_graphviz_have_it_too() -> None:
    report = recorded("stats")
    boxes = {box.name or box.label: box for box in report.pictures["forward"].boxes}
    said = (boxes["h"].above_figures, boxes["y"].above_figures, boxes["w"].below_figures)
    svg, dot = report.to_svg(), report.to_graphviz().source
    assert all(text in svg for text in said) and all(text in dot for text in said)
    assert f'fill="#cf222e" font-family="ui-monospace, monospace" font-weight="600">{said[1]}' in svg


def test_no_text_of_the_svg_lies_on_another() -> None:
    report = recorded("stats")
    for box in report.pictures["forward"].boxes:
        lines = [bool(t) for t in (box.name, box.above, box.above_figures)]
        assert box.over() == box.ch / 2 + 2 + 14 * sum(lines)
        assert box.under() == box.ch / 2 + 2 + 14 * (bool(box.below) + bool(box.below_figures))


def test_the_details_tell_and_draw() -> None:
    report = recorded("all")
    details = payload(report)["details"]
    titled = {detail["title"]: detail for item, detail in details.items() if item[0] == "t"}
    y = titled["y"]
    alarms = {row["label"]: row["value"] for row in y["rows"] if row.get("alarm")}
    assert alarms["NaN, Inf"].startswith("⚠ ")
    assert [chart["kind"] for chart in y["charts"][:2]] == ["bins", "cells"]
    titles = [chart["title"] for chart in titled["w"]["charts"]]
    assert titles[2:] == ["Histogram of ∂loss/∂w", "Means of ∂loss/∂w in blocks of 8 × 2"]
    assert "charts" not in titled["loss"]
    for detail in payload(recorded("small"))["details"].values():
        assert "charts" not in detail and not any("alarm" in row for row in detail["rows"])


@pytest.mark.parametrize("values", ["stats", "all"])
def test_the_text_view_has_figures_and_bars(values: str) -> None:
    text = recorded(values).to_text()
    assert " μ " in text and " σ " in text and " NaN" in text
    assert ("█" in text) == (values == "all")
    assert max(format.columns(line) for line in text.split("\n")) <= 80
    assert " μ " not in recorded("small").to_text()


@pytest.mark.parametrize(("lang", "words"), [("en", "memory budget for values"), ("pt", "orçamento de memória")])
def test_what_was_left_out_is_said(lang: str, words: str) -> None:
    with record(values="stats", values_budget=0, lang=lang) as recording:
        torch.ones(50, requires_grad=True).sum().backward()
    report = recording.report
    assert any(words in notice for notice in payload(report)["notices"]) and words.split()[0] in report.to_text()


def test_a_saved_report_shows_the_same(tmp_path: pathlib.Path) -> None:
    report = recorded("all")
    report.save(tmp_path / "a.json.gz")
    again = Report.load(tmp_path / "a.json.gz", lang="en")
    assert again.trace == report.trace and again.to_text() == report.to_text()
    assert payload(again)["details"] == payload(report)["details"]
