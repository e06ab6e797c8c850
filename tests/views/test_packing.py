"""Packed payloads: nothing is lost, and repetitions cost next to nothing."""

from __future__ import annotations

import json
import pathlib
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograd_magics.views.packing import LONG, packed, unpacked

GOLDEN = sorted((pathlib.Path(__file__).parents[1] / "golden").glob("*.payload.json"))

SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**40), 2**40), st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=6), st.sampled_from(["c1", "n0", "t01", "c12", "L0:4", "a9999999999"]),
)  # fmt: skip
LENGTHS = dict(min_size=0, max_size=LONG + 6)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, **LENGTHS),
        st.lists(st.lists(inner, min_size=2, max_size=2), min_size=LONG, max_size=LONG + 2),
        st.lists(st.dictionaries(st.sampled_from("abcd"), inner), min_size=LONG, max_size=LONG + 2),
        st.dictionaries(st.text(st.characters(exclude_characters="$"), max_size=3), inner, **LENGTHS),
    ),
    max_leaves=40,
)


def written(value: Any) -> Any:
    """As JSON has it; `1`, `1.0` and `True` are told apart."""
    return json.dumps(value, sort_keys=True)


@given(VALUES)
def test_what_was_packed_comes_back(value: Any) -> None:
    assert written(unpacked(json.loads(json.dumps(packed(value))))) == written(value)


@given(st.lists(SCALARS, min_size=LONG, max_size=LONG + 40))
def test_what_was_a_long_list_comes_back(values: list[Any]) -> None:
    assert written(unpacked(packed(values))) == written(values)


@given(st.lists(st.integers(0, 40).map("c{}".format) | st.integers(0, 40).map("n{}".format), min_size=LONG))
def test_items_come_back(values: list[str]) -> None:
    assert packed(values)["$"] == "i"
    assert unpacked(packed(values)) == values


def test_short_lists_stay_as_they_are() -> None:
    values = [*range(LONG - 1)]
    assert packed({"a": values}) == {"a": values}
    assert packed({"a": [*values, LONG - 1]})["a"]["$"] == "d"


@pytest.mark.parametrize("file", GOLDEN, ids=lambda file: file.name.partition(".")[0])
def test_payloads_come_back(file: pathlib.Path) -> None:
    data = json.loads(file.read_text(encoding="utf-8"))
    assert unpacked(packed(data)) == data


PAIRS = json.loads((pathlib.Path(__file__).parents[1] / "front" / "packing.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", PAIRS)
def test_what_the_front_end_is_tested_with_is_what_is_written(name: str) -> None:
    assert packed(PAIRS[name]["value"]) == PAIRS[name]["packed"]


def test_a_repetition_costs_little() -> None:
    def size(rows: int) -> int:
        data = [{"id": f"c{n}", "inputs": [f"t{3 * n}", f"t{3 * n + 2}"], "name": "add"} for n in range(rows)]
        return len(zlib.compress(json.dumps(packed(data)).encode(), 6))

    assert size(20_000) < size(1_000) + 2_000
