"""`tests/golden/layout.json`, to which the layout in TypeScript is held, is what the layout in Python makes."""

from __future__ import annotations

from typing import Any

import pytest

from tests.golden import make_layout

NEAR = 0.02
"""Pixels: another processor may round the last digit of the file differently."""
LARGEST = 400_000
"""Bytes."""

KEPT = make_layout.kept()


@pytest.mark.parametrize("one", KEPT, ids=[one["name"] for one in KEPT])
def test_a_graph_is_laid_out_as_kept(one: dict[str, Any]) -> None:
    again = make_layout.again(one)
    assert again.keys() == one.keys()
    assert (again["ranks"], again["crossings"]) == (one["ranks"], one["crossings"])
    for name in ("width", "height", "x", "y"):
        assert again[name] == pytest.approx(one[name], abs=NEAR), name
    for mine, kept in zip(again["routes"], one["routes"], strict=True):
        assert mine == pytest.approx(kept, abs=NEAR)


def test_the_graphs_that_are_made_here_are_those_kept() -> None:
    made = make_layout.shaped() + make_layout.drawn()
    inputs = [make_layout.given(graph) for graph in made]
    kept = [{key: one[key] for key in inputs[0]} for one in KEPT[: len(made)]]
    assert make_layout.plain(inputs) == kept


def test_the_file_stays_small() -> None:
    assert make_layout.PATH.stat().st_size < LARGEST
