"""Memory shared with arrays: what is written there from outside torch becomes a state of the tensor."""

from __future__ import annotations

import pytest

from autograd_magics.trace import Tensor
from tests.recorded import record_cell

HEAD = "import numpy as np\na = np.ones(2, dtype=np.float32)\nw = torch.ones(2, requires_grad=True)\n"


def states(cell: str, name: str) -> list[Tensor]:
    """The states of the tensor with a name, in order of time."""
    trace = record_cell(HEAD + cell)
    assert trace.failure is None and trace.problem is None
    (obj,) = {trace.tensors[n.tensor].object for n in trace.names if n.name == name}
    return sorted((t for t in trace.tensors if t.object == obj), key=lambda t: t.at)


def test_what_was_written_into_the_array_is_a_state_made_by_no_call() -> None:
    before, after = states("y = torch.from_numpy(a)\nz = (y * w).sum()\na += 1\nz.backward()", "y")
    assert (before.value, after.value, after.call) == ([1, 1], [2, 2], None)
    assert (before.version, before.storage) == (after.version, after.storage)


def test_an_array_made_of_a_result() -> None:
    first, second = states("y = w * 2\nz = (y * y).sum()\nb = y.detach().numpy()\nb[0] = 9\nz.backward()", "y")
    assert (first.value, second.value) == ([2, 2], [9, 2]) and second.node == first.node is not None


@pytest.mark.parametrize("cell", [
    "y = torch.from_numpy(a)\nz = (y * w).sum()\nz.backward()",
    "y = torch.from_numpy(a)\nz = (y * w).sum()\nz.backward()\na += 1",
    "y = torch.tensor(a)\nz = (y * w).sum()\na += 1\nz.backward()",
    "a[:] = np.nan\ny = torch.from_numpy(a)\nz = (y * w).sum()\nz.backward()",
])  # fmt: skip
def test_no_state_where_nothing_was_written_before_backward(cell: str) -> None:
    assert len(states(cell, "y")) == 1
