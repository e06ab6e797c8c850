"""Which tensor is which: objects, states, storages."""

from __future__ import annotations

import pytest
from recorded import Notebook, record_cell


def test_objects_and_states() -> None:
    trace = record_cell("x = torch.ones(2)\ny = x\ny.add_(1)\nz = x * 2")
    assert [(t.object, t.version) for t in trace.tensors] == [(0, 0), (0, 1), (1, 0)]


def test_views_share_a_storage() -> None:
    trace = record_cell("x = torch.ones(4)\nv = x.view(2, 2)\nr = v[0]\nc = x.clone()")
    x, v, r, c = trace.tensors
    assert x.storage == v.storage == r.storage != c.storage
    assert [t.bytes for t in (x, v, r)] == [16, 16, 8] and trace.storages[x.storage or 0].bytes == 16


def test_a_reused_id_is_another_object() -> None:
    trace = record_cell("for i in range(50):\n    torch.full((2,), float(i))")
    assert len({t.object for t in trace.tensors}) == 50 and len({t.storage for t in trace.tensors}) == 50
    assert [t.value for t in trace.tensors] == [[float(i)] * 2 for i in range(50)]


@pytest.mark.parametrize(
    ("source", "field", "value"),
    [
        ("torch.ones(2, dtype=torch.int64)", "dtype", "int64"),
        ("torch.ones(2, 3)", "shape", (2, 3)),
        ("torch.nn.Parameter(torch.ones(2))", "parameter", True),
        ("torch.ones(2, requires_grad=True)", "leaf", True),
        ("torch.ones(2, requires_grad=True) * 2", "leaf", False),
        ("torch.ones(2)", "device", "cpu"),
        ("torch.eye(2).to_sparse()", "storage", None),
        ("torch.ones(30)", "value", None),
        ("torch.ones((), dtype=torch.bool)", "value", True),
    ],
)
def test_what_is_known_of_a_tensor(source: str, field: str, value: object) -> None:
    trace = record_cell(f"x = {source}\ny = x.clone()")
    row = next(t for t in trace.tensors if t.id == trace.calls[-1].inputs[0])
    assert getattr(row, field) == value


def test_a_subclass_is_left_alone() -> None:
    trace = record_cell("class T(torch.Tensor): pass\nx = torch.ones(2).as_subclass(T)\ny = x * 2")
    assert trace.failure is None and trace.problem is None and len(trace.tensors) == 1


def test_an_earlier_tensor_is_an_object_of_this_trace() -> None:
    book = Notebook()
    book.run("x = torch.ones(2)")
    trace = book.run("x.add_(1)")
    assert [t.version for t in trace.tensors] == [0, 1] and trace.tensors[0].call is None


def test_a_view_of_a_changed_base_is_not_looked_at() -> None:
    trace = record_cell("""
        w = torch.ones(2, requires_grad=True)
        b = w * 1
        v = b[0]
        b.mul_(2)
        y = v * 3
        y.backward()
        assert w.grad.tolist() == [6., 0.]
    """)
    assert trace.failure is None and trace.problem is None
