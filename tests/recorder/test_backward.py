"""Runs of the engine: what was asked for, what every node received and sent."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from recorded import Notebook, record_cell

from autograd_magics.trace import Step, Trace


def steps(trace: Trace, backward: int = 0) -> dict[str, Step]:
    return {trace.nodes[s.node].name: s for s in trace.steps if s.backward == backward}


def values(gradients: tuple[Any, ...]) -> list[Any]:
    return [None if g is None else g.value for g in gradients]


def test_backward_notes_what_each_node_received_and_sent() -> None:
    trace = record_cell("w = torch.tensor([1., 2.], requires_grad=True)\nJ = (w * 3).sum()\nJ.backward()")
    found = steps(trace)
    assert values(found["SumBackward0"].received) == [1.0] and values(found["SumBackward0"].sent) == [[1.0, 1.0]]
    assert values(found["MulBackward0"].received) == [[1.0, 1.0]]
    assert values(found["MulBackward0"].sent) == [[3.0, 3.0], None]
    assert values(found["AccumulateGrad"].received) == [[3.0, 3.0]]


def test_steps_are_in_the_order_of_the_engine() -> None:
    trace = record_cell("w = torch.ones(2, requires_grad=True)\n(w * 3).exp().sum().backward()")
    order = [trace.nodes[s.node].name for s in sorted(trace.steps, key=lambda s: (s.at, s.id))]
    assert order == ["SumBackward0", "ExpBackward0", "MulBackward0", "AccumulateGrad"]


def test_both_edges_to_the_same_tensor_are_told_apart() -> None:
    trace = record_cell("x = torch.tensor(3., requires_grad=True)\ny = x * x\ny.backward()")
    found = steps(trace)
    assert values(found["MulBackward0"].sent) == [3.0, 3.0] and values(found["AccumulateGrad"].received) == [6.0]


def test_a_sum_with_itself() -> None:
    found = steps(record_cell("x = torch.tensor(3., requires_grad=True)\ny = x + x\ny.backward()"))
    assert values(found["AddBackward0"].sent) == [1.0, 1.0] and values(found["AccumulateGrad"].received) == [2.0]


def test_a_residual_adds_up_in_the_shared_node() -> None:
    trace = record_cell("x = torch.tensor(2., requires_grad=True)\nh = x * 5\ny = h + h.exp()\ny.backward()")
    found = steps(trace)
    exp = torch.tensor(10.0).exp().item()
    assert values(found["ExpBackward0"].sent) == [pytest.approx(exp)]
    assert values(found["AddBackward0"].sent) == [1.0, 1.0]
    assert values(found["MulBackward0"].received) == [pytest.approx(exp + 1)]


def test_two_runs_in_a_row_accumulate() -> None:
    trace = record_cell("w = torch.ones(2, requires_grad=True)\nfor _ in range(3):\n    (w * 2).sum().backward()")
    leaf = [s for s in trace.steps if trace.nodes[s.node].name == "AccumulateGrad"]
    assert [values(s.received) for s in leaf] == [[[2.0, 2.0]]] * 3
    assert [c.after.value for c in trace.changes if c.after] == [[2.0, 2.0], [4.0, 4.0], [6.0, 6.0]]


def test_a_gradient_given_is_noted() -> None:
    trace = record_cell("w = torch.ones(2, requires_grad=True)\ny = w * 2\ny.backward(torch.tensor([1., 10.]))")
    (run,) = trace.backwards
    assert run.kind == "Tensor.backward" and values(run.gradients) == [[1.0, 10.0]]
    assert values(steps(trace)["MulBackward0"].received) == [[1.0, 10.0]]


def test_inputs_limit_where_gradients_go() -> None:
    trace = record_cell("""
        a, b = torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)
        (a * b).sum().backward(inputs=[a])
        assert b.grad is None
    """)
    (run,) = trace.backwards
    assert run.inputs == (0,) and [c.tensor for c in trace.changes if c.kind == "accumulated"] == [0]
    assert len([s for s in trace.steps if trace.nodes[s.node].name == "AccumulateGrad"]) == 1


@pytest.mark.parametrize(
    ("call", "retain", "create"),
    [
        ("y.backward()", False, False),
        ("y.backward(retain_graph=True)", True, False),
        ("y.backward(create_graph=True)", True, True),
        ("y.backward(None, True)", True, False),
        ("torch.autograd.backward(y, retain_graph=True)", True, False),
        ("torch.autograd.grad(y, w, retain_graph=True)", True, False),
        ("torch.autograd.grad(y, w, create_graph=True)", True, True),
        ("torch.autograd.grad(y, w)", False, False),
    ],
)
def test_flags_and_what_is_freed(call: str, retain: bool, create: bool) -> None:
    trace = record_cell(f"w = torch.ones(2, requires_grad=True)\ny = (w * w).sum()\n{call}\nw.grad = None")
    (run,) = trace.backwards
    assert (run.retain_graph, run.create_graph) == (retain, create)
    mul = next(n for n in trace.nodes if n.name == "MulBackward0" and n.origin == "call")
    assert mul.freed_by == (None if retain else 0)
    assert (mul.freed_place is None) == retain


def test_several_roots() -> None:
    trace = record_cell("""
        w = torch.ones(2, requires_grad=True)
        a, b = (w * 2).sum(), (w * 3).sum()
        torch.autograd.backward([a, b], [torch.tensor(1.), torch.tensor(10.)])
    """)
    (run,) = trace.backwards
    assert run.kind == "autograd.backward" and len(run.roots) == 2 and values(run.gradients) == [1.0, 10.0]
    assert values(steps(trace)["AccumulateGrad"].received) == [[32.0, 32.0]]


def test_a_root_below_another_root() -> None:
    trace = record_cell("""
        w = torch.tensor(1., requires_grad=True)
        a = w * 2
        b = a * 3
        torch.autograd.backward([a, b])
    """)
    assert trace.changes[0].added is not None and trace.changes[0].added.value == 8.0
    received = {s.node: values(s.received) for s in trace.steps}
    below = trace.tensors[trace.backwards[0].roots[0]].node
    assert below is not None and received[below] == [4.0]


def test_grad_gives_results_and_leaves_no_grad_behind() -> None:
    trace = record_cell("w = torch.tensor(3., requires_grad=True)\n(g,) = torch.autograd.grad(w ** 2, w)")
    (run,) = trace.backwards
    assert run.kind == "autograd.grad" and run.inputs == (0,)
    assert [trace.tensors[r].value for r in run.results if r is not None] == [6.0]
    assert not trace.changes and trace.calls[-1].qualified == "torch.autograd.grad"


def test_unused_inputs_of_grad() -> None:
    trace = record_cell("""
        a, b = torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)
        r = torch.autograd.grad(a.sum(), [a, b], allow_unused=True)
    """)
    assert trace.backwards[0].results[1] is None and trace.backwards[0].results[0] is not None


def test_large_gradients_are_noted_by_shape_only() -> None:
    trace = record_cell("w = torch.ones(10, 10, requires_grad=True)\nw.sum().backward()")
    (gradient,) = steps(trace)["AccumulateGrad"].received
    assert gradient is not None and gradient.shape == (10, 10) and gradient.value is None


def test_an_error_in_the_engine_names_the_node() -> None:
    trace = record_cell("""
        w = torch.ones(2, requires_grad=True)
        y = w.exp()
        y.add_(1)
        y.sum().backward()
    """)
    (run,) = trace.backwards
    assert run.error is not None and "inplace" in run.error.message and run.error.node is not None
    assert trace.nodes[run.error.node].name == "ExpBackward0"
    assert trace.nodes[run.error.node].freed_by is None


def test_values_of_a_retained_gradient() -> None:
    trace = record_cell("""
        w = torch.ones(2, requires_grad=True)
        h = w * 2
        h.retain_grad()
        h.sum().backward()
        assert h.grad is not None
    """)
    assert trace.failure is None
    kinds = [(c.kind, c.after.value) for c in trace.changes if c.after]
    assert ("accumulated", [1.0, 1.0]) in kinds and len(kinds) == 2


def test_create_graph_marks_the_nodes_it_made() -> None:
    trace = record_cell(
        "w = torch.tensor(2., requires_grad=True)\ny = w ** 3\ny.backward(create_graph=True)\nw.grad = None"
    )
    made = [n for n in trace.nodes if n.origin == "backward"]
    assert made and all(n.order == 2 for n in made)


def test_hooks_of_the_user_run_as_often_and_see_the_same() -> None:
    book = Notebook()
    book.run("""
        seen = []
        w = torch.ones(2, requires_grad=True)
        h = w * 2
        h.register_hook(lambda g: seen.append(g.tolist()))
        h.register_hook(lambda g: g * 10)
        h.grad_fn.register_hook(lambda a, b: seen.append(len(a)))
        h.sum().backward()
    """)
    assert book.namespace["seen"] == [[1.0, 1.0], 2] and book.namespace["w"].grad.tolist() == [20.0, 20.0]


def test_no_hook_stays_on_a_node() -> None:
    book = Notebook()
    book.run("w = torch.ones(2, requires_grad=True)\ny = (w * w).sum()\ny.backward(retain_graph=True)")
    seen: list[int] = []
    node = book.namespace["y"].grad_fn
    handle = node.register_prehook(lambda g: seen.append(1))
    assert list(handle.hooks_dict_ref()) == [handle.id]  # ours alone
    handle.remove()


def test_a_backward_in_a_hook_is_survived() -> None:
    trace = record_cell("""
        w = torch.ones(2, requires_grad=True)
        v = torch.ones(2, requires_grad=True)
        def inner(g):
            with torch.enable_grad():
                (v * 2).sum().backward()
        h = w * 2
        h.register_hook(inner)
        h.sum().backward()
        assert v.grad.tolist() == [2., 2.] and w.grad.tolist() == [2., 2.]
    """)
    assert trace.failure is None


def test_backward_without_any_graph() -> None:
    trace = record_cell("x = torch.ones(())\nx.backward()")
    assert trace.failure is not None and "does not require grad" in trace.failure.message
    assert trace.backwards[0].error is not None and not trace.steps


def test_a_reentrant_checkpoint_fills_grads_in_the_backward_around_it() -> None:
    book = Notebook()
    book.run("""
        from torch.utils.checkpoint import checkpoint
        layers = [torch.nn.Linear(2, 2) for _ in range(2)]
        x = torch.ones(1, 2, requires_grad=True)
    """)
    trace = book.run("""
        for _ in range(2):
            h = x
            for layer in layers:
                h = checkpoint(layer, h, use_reentrant=True)
            h.sum().backward()
    """)
    kinds = [(change.kind, change.backward) for change in trace.changes]
    assert sorted(kinds) == [("accumulated", 0)] * 5 + [("accumulated", 1)] * 5
    weight = book.namespace["layers"][0].weight
    last = [change for change in trace.changes if change.after is not None and change.after.shape == (2, 2)]
    assert weight.grad.tolist() in [change.after.value for change in last if change.after is not None]
