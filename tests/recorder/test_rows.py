"""Rows made fast are the rows that their constructors make."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

from autograd_magics.recorder.rows import maker
from autograd_magics.trace import TABLES, Gradient


@pytest.mark.parametrize("row", [*TABLES.values(), Gradient])
def test_a_row_made_fast_is_the_same_row(row: Any) -> None:
    values = tuple(range(len(row._fields)))
    made, plain = maker(row)(values), row(*values)
    assert type(made) is row and made == plain and repr(made) == repr(plain)
    assert copy.deepcopy(made) == plain and pickle.loads(pickle.dumps(made)) == plain
    with pytest.raises(AttributeError):
        made.shape = 5
