"""Rows made fast are the rows that the dataclasses make."""

from __future__ import annotations

import copy
import dataclasses
import pickle

import pytest

from autograd_magics.recorder.rows import maker
from autograd_magics.trace import TABLES, Gradient


@pytest.mark.parametrize("row", [*TABLES.values(), Gradient])
def test_a_row_made_fast_is_the_same_row(row: type) -> None:
    values = tuple(range(len(dataclasses.fields(row))))
    made, plain = maker(row)(*values), row(*values)
    assert type(made) is row and made == plain and repr(made) == repr(plain)
    assert copy.deepcopy(made) == plain and pickle.loads(pickle.dumps(made)) == plain
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.id = 5


@pytest.mark.parametrize("row", TABLES.values())
def test_defaults_are_those_of_the_row(row: type) -> None:
    needed = [f for f in dataclasses.fields(row) if f.default is f.default_factory is dataclasses.MISSING]
    values = tuple(range(len(needed)))
    assert maker(row)(*values) == row(*values)
