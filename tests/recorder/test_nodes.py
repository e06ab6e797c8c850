"""Nodes, edges and saved tensors, compared with autograd's own graph walked by hand."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
import torch
from recorded import Notebook, record_cell
from recorder.reading import names_of, walk, walked

from autograd_magics.recorder import nodes as probe
from autograd_magics.trace import Saved, Trace

GRAPHS = [
    "w = torch.ones(3, requires_grad=True); out = (w * 2 + w).sum()",
    "w = torch.ones(3, requires_grad=True); out = (w * w).exp().mean()",
    "w = torch.ones(3, 3, requires_grad=True); out = torch.cat([w[0], w[:, 1].clone()]).prod()",
    "w = torch.ones(2, 4, requires_grad=True); a, b = w.unbind(0); out = torch.stack([a, b, a]).sum()",
    "m = torch.nn.Linear(3, 2); out = m(torch.ones(3)).sum()",
    "m = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2), torch.nn.ReLU()); "
    "out = m(torch.ones(1, 1, 5, 5)).sum()",
    "w = torch.ones(3, requires_grad=True); out = w.clone(); out[0] = w[1] * 2",
    "m = torch.nn.LSTM(2, 2); out = m(torch.ones(3, 1, 2))[0].sum()",
    "w = torch.ones(2, requires_grad=True); (out,) = torch.autograd.grad((w ** 3).sum(), w, create_graph=True)",
    "m = torch.nn.MultiheadAttention(4, 2); x = torch.ones(3, 1, 4); out = m(x, x, x)[0].sum()",
]


@pytest.mark.parametrize("source", GRAPHS)
def test_nodes_and_edges_are_those_walked_by_hand(source: str) -> None:
    book = Notebook()
    trace = book.run(source)
    found = walked(trace)
    for one in walk(book.namespace["out"].grad_fn):
        assert one in found
        found.remove(one)


def saved(source: str) -> tuple[Trace, dict[tuple[str, str], Saved]]:
    trace = record_cell(source)
    return trace, {(trace.nodes[s.node].name, s.slot): s for s in trace.saved}


def owner(trace: Trace, row: Saved) -> set[str]:
    return set() if row.tensor is None else names_of(trace, row.tensor)


def test_a_product_saves_its_factors() -> None:
    trace, rows = saved("x, y = torch.ones(3, requires_grad=True), torch.ones(3, requires_grad=True)\nz = x * y")
    assert owner(trace, rows["MulBackward0", "self"]) == {"x"} and owner(trace, rows["MulBackward0", "other"]) == {"y"}
    assert rows["MulBackward0", "self"].bytes == 12 and rows["MulBackward0", "self"].version == 0


def test_a_factor_that_is_not_needed_is_not_saved() -> None:
    _, rows = saved("x, y = torch.ones(3, requires_grad=True), torch.ones(3)\nz = x * y")
    assert set(rows) == {("MulBackward0", "other")}


def test_exp_saves_its_result() -> None:
    trace, rows = saved("x = torch.ones(3, requires_grad=True)\ny = x.exp()")
    assert owner(trace, rows["ExpBackward0", "result"]) == {"y"}


def test_one_of_several_results_is_known_as_its_own() -> None:
    trace, rows = saved("x = torch.ones(3, 2, requires_grad=True)\nv, i = x.max(0)")
    assert owner(trace, rows["MaxBackward0", "indices"]) == {"i"}


def test_indices_are_saved_as_a_numbered_slot() -> None:
    trace, rows = saved("x = torch.ones(4, requires_grad=True)\ni = torch.tensor([0, 2])\ny = x[i]")
    assert owner(trace, rows["IndexBackward0", "indices[0]"]) == {"i"}


def test_a_custom_function_saves_by_number() -> None:
    trace, rows = saved("""
        class Double(torch.autograd.Function):
            @staticmethod
            def forward(ctx, a, b):
                ctx.save_for_backward(a, b)
                return a * b
            @staticmethod
            def backward(ctx, g):
                a, b = ctx.saved_tensors
                return g * b, g * a
        x, y = torch.ones(2, requires_grad=True), torch.ones(2)
        z = Double.apply(x, y)
    """)
    assert owner(trace, rows["DoubleBackward", "0"]) == {"x"} and owner(trace, rows["DoubleBackward", "1"]) == {"y"}


def test_batch_norm_saves_buffers_and_its_own_statistics() -> None:
    trace, rows = saved("m = torch.nn.BatchNorm1d(2)\ny = m(torch.ones(3, 2, requires_grad=True))")
    slots = {slot for node, slot in rows if node == "NativeBatchNormBackward0"}
    assert {"input", "weight", "running_mean", "running_var", "result1", "result2"} <= slots
    assert "m.weight" in owner(trace, rows["NativeBatchNormBackward0", "weight"])
    assert rows["NativeBatchNormBackward0", "result1"].tensor is None


def test_shared_storage_has_one_row() -> None:
    trace, rows = saved("x = torch.ones(4, requires_grad=True)\ny = x * x.view(2, 2).view(4)")
    first, second = rows["MulBackward0", "self"], rows["MulBackward0", "other"]
    assert first.tensor != second.tensor and first.storage == second.storage
    assert trace.storages[first.storage or 0].bytes == 16


def test_the_same_tensor_saved_twice_is_two_rows_of_one_storage() -> None:
    trace, _ = saved("x = torch.ones(4, requires_grad=True)\ny = x * x\nz = x.sin()")
    assert len(trace.saved) == 3 and len({s.storage for s in trace.saved}) == 1


def test_bytes_match_the_storages() -> None:
    book = Notebook()
    trace = book.run("x = torch.ones(10, 10, requires_grad=True)\ny = x[2:4].exp()")
    assert [s.bytes for s in trace.saved] == [2 * 10 * 4]
    view = next(t for t in trace.tensors if t.shape == (2, 10))
    assert trace.storages[view.storage or 0].bytes == book.namespace["x"].untyped_storage().nbytes()


def test_the_version_when_it_was_saved_is_kept() -> None:
    trace, rows = saved("x = torch.ones(3); x.add_(1); w = torch.ones(3, requires_grad=True)\ny = w * x\nx.add_(1)")
    assert rows["MulBackward0", "other"].version == 1
    assert [t.version for t in trace.tensors if t.object == rows_object(trace, rows)] == [0, 1, 2]


def rows_object(trace: Trace, rows: dict[tuple[str, str], Any]) -> int:
    return trace.tensors[rows["MulBackward0", "other"].tensor].object


def test_saved_through_hooks_is_hidden_and_never_unpacked() -> None:
    trace = record_cell("""
        unpacked = []
        w = torch.ones(3, requires_grad=True)
        with torch.autograd.graph.saved_tensors_hooks(lambda t: t, lambda t: unpacked.append(1) or t):
            y = w.exp()
        assert unpacked == []
        y.sum().backward()
        assert unpacked == [1]
    """)
    assert trace.failure is None and [s.hidden for s in trace.saved if trace.nodes[s.node].name == "ExpBackward0"] == [
        True
    ]


def test_hooks_of_before_the_recording_are_not_asked_to_unpack() -> None:
    unpacked: list[int] = []
    w = torch.ones(3, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(lambda t: t, lambda t: unpacked.append(1) or t):
        y = w.exp()
    book = Notebook()
    book.namespace["y"] = y
    trace = book.run("z = y * y")
    hidden = {trace.nodes[s.node].name: s.hidden for s in trace.saved}
    assert hidden == {"ExpBackward0": True, "MulBackward0": False} and unpacked == []


def test_a_leaf_met_behind_a_node_has_its_row_after_the_tensor_that_led_to_it() -> None:
    leaf = torch.ones(2, requires_grad=True)
    book = Notebook()
    book.namespace["y"] = leaf * 2
    trace = book.run("z = y + 1")
    result = trace.tensors[trace.calls[0].outputs[0]]
    assert result.node is not None and trace.nodes[result.node].name == "AddBackward0"
    assert any(node.leaf is not None and node.origin == "leaf" for node in trace.nodes)
    assert [row.at for row in trace.tensors] == sorted(row.at for row in trace.tensors)


def test_a_checkpoint_is_not_recomputed_by_looking() -> None:
    trace = record_cell("""
        from torch.utils.checkpoint import checkpoint
        runs = []
        def block(v):
            runs.append(1)
            return (v * 2).exp()
        y = checkpoint(block, torch.ones(2, requires_grad=True), use_reentrant=False)
        assert runs == [1]
        y.sum().backward()
        assert runs == [1, 1]
    """)
    assert trace.failure is None, trace.failure


def test_a_node_is_the_same_in_a_later_cell() -> None:
    book = Notebook()
    book.run("w = torch.ones(2, requires_grad=True)\ny = w * 3")
    trace = book.run("z = y.exp()\nz.sum().backward()")
    mul = next(n for n in trace.nodes if n.name == "MulBackward0")
    place = trace.places[mul.place or 0]
    assert mul.origin == "earlier" and mul.call is None and trace.sources[place.source].number == 1 and place.line == 2


def test_nodes_from_before_any_recording_are_earlier() -> None:
    book = Notebook()
    book.namespace["y"] = torch.ones(2, requires_grad=True) * 3
    trace = book.run("z = y + 1")
    assert {n.name: n.origin for n in trace.nodes} == {
        "MulBackward0": "earlier",
        "AccumulateGrad": "leaf",
        "AddBackward0": "call",
    }


def test_the_order_of_a_double_backward_is_told() -> None:
    trace = record_cell("""
        x = torch.tensor(2.0, requires_grad=True)
        (first,) = torch.autograd.grad(x ** 3, x, create_graph=True)
        (second,) = torch.autograd.grad(first, x, create_graph=True)
        (third,) = torch.autograd.grad(second, x)
    """)
    assert [b.order for b in trace.backwards] == [1, 2, 3]
    assert [t.value for t in trace.tensors if t.id in [b.results[0] for b in trace.backwards]] == [12.0, 12.0, 6.0]


CHAIN = """
import resource, sys
resource.setrlimit(resource.RLIMIT_STACK, (8 << 20, 8 << 20))
import torch
from autograd_magics.recorder import Recorder
recorder = Recorder(limit=10**9, strict=True, **{options})
recorder.start()
x = torch.ones((), requires_grad=True)
y = x
for _ in range({count}):
    y = y + 1
y.backward({arguments})
del y
trace = recorder.stop()
assert x.grad == 1 and trace.failure is None and trace.problem is None
print(len(trace.calls), len(trace.nodes), len(trace.steps))
"""


def chain(count: int, arguments: str = "", options: str = "{}") -> list[int]:
    """Calls, nodes and steps of a recorded chain, made and freed in a process with a stack of 8 MB."""
    code = CHAIN.format(count=count, arguments=arguments, options=options)
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert made.returncode == 0, (made.returncode, made.stderr[-2000:])
    return [int(word) for word in made.stdout.split()]


@pytest.mark.parametrize("arguments", ["", "retain_graph=True"])
def test_a_chain_of_a_hundred_thousand_is_recorded_and_freed(arguments: str) -> None:
    assert chain(100_000, arguments)[1:] == [100_001, 100_001]


def test_a_chain_longer_than_the_budget_survives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "NODE_BUDGET", 1000)
    monkeypatch.setattr("autograd_magics.recorder.common.NODE_BUDGET", 1000)
    book = Notebook()
    trace = book.run("x = y = torch.ones((), requires_grad=True)\nfor _ in range(3000):\n    y = y + 1\ny.backward()")
    assert trace.failure is None and len(trace.nodes) <= 1000
    assert book.namespace["x"].grad == 1


def test_the_walk_does_not_recurse() -> None:
    book = Notebook()
    y = torch.ones((), requires_grad=True)
    for _ in range(20_000):
        y = y + 1
    book.namespace["y"] = y
    del y
    trace = book.run("z = y * 2")
    assert len(trace.nodes) == 20_002
    assert all(p is None or p < n.id for n in trace.nodes for p, _ in n.edges)
