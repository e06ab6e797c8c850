"""Hooks of the user's: where they were put, and what they changed on the way."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from autograd_magics.graph import Graph
from autograd_magics.recorder import hooks
from autograd_magics.trace import Step, Trace

from ..recorded import Notebook, record_cell


def steps(trace: Trace, name: str) -> list[Step]:
    return [step for step in trace.steps if trace.nodes[step.node].name == name]


def test_a_hook_on_a_result_shows_what_it_was_given_and_what_it_gave() -> None:
    trace = record_cell(
        """
        x = torch.tensor([1.0, 2.0], requires_grad=True)
        y = x * 3
        def clip(gradient):
            return gradient.clamp(max=1)
        y.register_hook(clip)
        (y * y).sum().backward()
        """
    )
    (hook,) = trace.hooks
    assert (hook.kind, hook.name, trace.places[hook.places[0]].line) == ("tensor", "clip", 6)
    graph = Graph(trace)
    step = steps(trace, "MulBackward0")[1]
    assert step.received[0].value == [1, 1] and graph.before_hooks(step).value == [6, 12]
    assert graph.hooks_of(step.node) == (hook,)
    assert steps(trace, "AccumulateGrad")[0].received[0].value == [3, 3]
    others = [one for one in trace.steps if one is not step]
    assert others and not any(map(graph.before_hooks, others))


def test_a_hook_on_a_leaf_from_an_earlier_cell_is_told_by_what_it_changes() -> None:
    notebook = Notebook()
    x = notebook.namespace["x"] = torch.tensor([1.0, 2.0], requires_grad=True)
    x.register_hook(lambda gradient: gradient * 10)
    trace = notebook.run("(x * x).sum().backward()")
    graph = Graph(trace)
    (step,) = steps(trace, "AccumulateGrad")
    assert graph.before_hooks(step).value == [2, 4] and step.received[0].value == [20, 40]
    assert trace.hooks == () and graph.hooks_of(step.node) == ()


def test_a_hook_after_accumulation_is_named() -> None:
    trace = record_cell(
        """
        x = torch.tensor([1.0], requires_grad=True)
        def apply(leaf):
            leaf.grad = None
        x.register_post_accumulate_grad_hook(apply)
        (x * x).sum().backward()
        """
    )
    assert [(hook.kind, hook.name) for hook in trace.hooks] == [("post_accumulate_grad", "apply")]


def test_a_hook_that_changes_nothing_is_not_said_to_change() -> None:
    trace = record_cell(
        """
        x = torch.tensor([1.0, 2.0], requires_grad=True)
        y = x * 3
        seen = []
        y.register_hook(seen.append)
        (y * y).sum().backward()
        """
    )
    assert trace.hooks and not any(map(Graph(trace).before_hooks, trace.steps))


@pytest.mark.parametrize("light", [True, False])
def test_both_ways_of_listening_hear_the_same(monkeypatch: pytest.MonkeyPatch, light: bool) -> None:
    monkeypatch.setattr("autograd_magics.recorder.backward.can_listen", lambda: light)
    trace = record_cell(
        """
        x = torch.tensor([1.0, 2.0], requires_grad=True)
        a, b = (x * x).split(1)
        J = (a * 3 + b.exp()).sum()
        J.backward(retain_graph=True)
        J.backward()
        """
    )
    by_backward = [[one for one in trace.steps if one.backward == i] for i in (0, 1)]
    names = [[trace.nodes[one.node].name for one in run] for run in by_backward]
    assert names[0] == names[1] and "SplitBackward0" in names[0] and names[0][-1] == "AccumulateGrad"
    split = next(one for one in trace.steps if trace.nodes[one.node].name == "SplitBackward0")
    assert [gradient.value for gradient in split.received] == [[3.0], [pytest.approx(54.598, rel=1e-4)]]


def test_listening_works_with_this_torch_and_takes_itself_off(monkeypatch: pytest.MonkeyPatch) -> None:
    assert hooks.can_listen()

    def broken(*_: Any) -> dict[int, Any]:
        raise AttributeError("_register_hook_dict")

    hooks.can_listen.cache_clear()
    monkeypatch.setattr(hooks, "listen", broken)
    assert not hooks.can_listen()
    hooks.can_listen.cache_clear()


def test_nothing_is_heard_after_the_recording() -> None:
    notebook = Notebook()
    notebook.run("x = torch.ones(2, requires_grad=True); J = (x * x).sum(); J.backward(retain_graph=True)")
    x, J = notebook.namespace["x"], notebook.namespace["J"]
    left = [node.metadata["autograd_magics"].hooks for node in (J.grad_fn, J.grad_fn.next_functions[0][0])]
    J.backward(retain_graph=True)
    assert left == [{}, {}]
    trace = notebook.run("J.backward()")
    assert [trace.nodes[step.node].name for step in trace.steps] == ["SumBackward0", "MulBackward0", "AccumulateGrad"]
    assert torch.equal(x.grad, torch.full((2,), 6.0))
