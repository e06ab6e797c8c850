"""Values of small tensors as plain data."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from autograd_magics.recorder.values import SMALL, Pending, Values, plain


def test_small_tensors_are_copied_whole() -> None:
    values = Values(True)
    assert values.of(torch.tensor([[1, 2], [3, 4]])) == [[1, 2], [3, 4]]
    assert values.of(torch.zeros(SMALL)) == [0.0] * SMALL and values.of(torch.zeros(SMALL + 1)) is None
    assert Values(False).of(torch.ones(1)) is None


@pytest.mark.parametrize(
    "tensor",
    [
        torch.ones(2, device="meta"),
        torch.eye(2).to_sparse(),
    ],
)
def test_what_has_no_plain_numbers_has_no_value(tensor: torch.Tensor) -> None:
    assert Values(True).of(tensor) is None


def test_a_value_is_a_copy() -> None:
    tensor = torch.ones(2)
    value = Values(True).of(tensor)
    tensor.zero_()
    assert value == [1.0, 1.0]


def test_waiting_copies_are_read_together() -> None:
    values = Values(True)
    waiting = [Pending(torch.ones(2)), Pending(torch.tensor(3)), Pending(torch.zeros(1, 2))]
    values.pending += waiting
    values.read()
    assert [plain(w) for w in waiting] == [[1.0, 1.0], 3, [[0.0, 0.0]]]
    assert all(w.copy is None for w in waiting) and values.pending == []


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1.5, 1.5),
        (math.inf, "inf"),
        (-math.inf, "-inf"),
        (math.nan, "nan"),
        (1 - 2j, "1-2j"),
        (True, True),
        ([1.0, [math.nan]], [1.0, ["nan"]]),
        (None, None),
        ("text", "text"),
    ],
)
def test_numbers_that_json_lacks_are_text(value: Any, expected: Any) -> None:
    assert plain(value) == expected
