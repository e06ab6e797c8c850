from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograd_magics.views import format


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (-0.0, "0"),
        (1.0, "1"),
        (-28.0, "-28"),
        (4.5, "4.5"),
        (0.1, "0.1"),
        (1 / 3, "0.3333"),
        (123456.0, "123456"),
        (1234567.0, "1.235e6"),
        (12345.678, "1.235e4"),
        (1e-9, "1e-9"),
        (-2.5e-7, "-2.5e-7"),
        (True, "True"),
        (float("nan"), "nan"),
        ("nan", "nan"),
        ("-inf", "-inf"),
        ("(1-2j)", "(1-2j)"),
    ],
)
def test_number(value: object, text: str) -> None:
    assert format.number(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (14.0, "14"),
        ([], "[]"),
        ([1.0], "[1]"),
        ([0.0, -1.0, -2.0, -3.0], "[0 -1 -2 -3]"),
        ([[1, 2, 3], [4, 5, 6]], "[[1 2 3] [4 5 6]]"),
        (["nan", "inf", 0.5], "[nan inf 0.5]"),
        (None, None),
    ],
)
def test_value(value: object, text: str | None) -> None:
    assert format.value_text(value) == text


def test_a_value_is_whole_or_not_there() -> None:
    assert format.value_text([1] * 12) == "[" + " ".join("1" * 12) + "]"
    assert format.value_text([1] * 13) is None
    assert format.value_text([1] * 13, limit=27) == "[" + " ".join("1" * 13) + "]"


def test_pictures_have_a_minus_sign() -> None:
    assert format.value_text([-1.0, -2e-8], minus=format.MINUS) == "[−1 −2e−8]"


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (36, "36 B"),
        (999, "999 B"),
        (1000, "1 kB"),
        (1536, "1.5 kB"),
        (999_949, "999.9 kB"),
        (999_950, "1 MB"),
        (12_340_000, "12.3 MB"),
        (5 * 10**12, "5 TB"),
    ],
)
def test_bytes(size: int, text: str) -> None:
    assert format.bytes_text(size) == text


def test_shapes() -> None:
    assert format.shape_text((2, 3)) == "[2, 3]"
    assert format.shape_text(()) == "[]"
    assert format.tensor_text("float32", (2, 3)) == "float32[2,3]"


def test_clean_takes_out_what_breaks_terminals_and_documents() -> None:
    assert format.clean("w\x1b[31m\x00") == "w\ufffd[31m\ufffd"
    assert format.clean("a\nb\tc") == "a b c"
    assert format.clean("a\nb\tc", keep="\n\t") == "a\nb\tc"
    assert format.clean("safe\u202eevil") == "safe\ufffdevil"
    assert format.clean("\ud800") == "\ufffd"
    assert format.clean("peso_é ∂ 重み 🙂") == "peso_é ∂ 重み 🙂"


def test_columns_counts_wide_characters_twice_and_combining_ones_never() -> None:
    assert format.columns("w") == 1
    assert format.columns("重み") == 4
    assert format.columns("e\u0301") == 1


def test_clip_cuts_to_columns() -> None:
    assert format.clip("weight", 6) == "weight"
    assert format.clip("weights", 6) == "weigh…"
    assert format.clip("重み付け", 6) == "重み…"
    assert format.columns(format.clip("重み付け", 6)) <= 6


@pytest.mark.parametrize(
    ("value", "limit", "text"),
    [
        ([0.25, 0.5], 26, "[0.25 0.5]"),
        ([-1 / 3, 0.171717, 0.2525, 1 / 9], 26, "[-0.333 0.172 0.253 0.111]"),
        ([-1 / 3, 0.171717, 0.2525, 1 / 9], 24, "[-0.33 0.17 0.25 0.11]"),
        ([-1 / 3, 0.171717, 0.2525, 1 / 9], 18, "[-0.33 0.17 …]"),
        ([1234.567] * 4, 21, "[1235 1235 1235 1235]"),
        ([[1 / 3] * 8] * 8, 26, "[[0.33 0.33 …] …]"),
        ([[1 / 3] * 3] * 3, 40, "[[0.33 0.33 0.33] [0.33 0.33 0.33] …]"),
        ([[[[0.12345] * 3] * 3] * 3], 26, "[[[[0.12 …] …] …]]"),
        (["nan"] * 9, 26, "[nan nan nan …]"),
        ([], 26, "[]"),
        ([[]] * 40, 26, None),
        ([1 / 3] * 4, 9, "[0.33 …]"),  # narrower than what a wire shows of the first numbers
        (1 / 3, 3, None),
        (None, 26, None),
    ],
)
def test_a_value_that_is_too_long_is_shortened(value: object, limit: int, text: str | None) -> None:
    assert format.short_text(value, limit) == text


@given(st.recursive(st.floats(), lambda inner: st.lists(inner, max_size=5), max_leaves=40), st.integers(1, 60))
def test_a_short_text_keeps_to_its_room(value: object, limit: int) -> None:
    text = format.short_text(value, limit)
    assert text is None or len(text) <= limit
    assert text is not None or not isinstance(value, float) or limit < 7
