"""What happened to a leaf in one recording: changes of its `.grad` and of its own value, in order."""

from __future__ import annotations

import pytest

from autograd_magics.story import Event, events
from autograd_magics.trace import Trace
from tests.recorded import record_cell

LEAF = "w = torch.tensor([1.0], requires_grad=True)\n"
RUN = "(w * 3).sum().backward()\n"


def told(cell: str, name: str = "w") -> list[Event]:
    """The events of the leaf that has a name."""
    trace = record_cell(cell)
    return events(trace)[object_of(trace, name)]


def object_of(trace: Trace, name: str) -> int:
    return next(trace.tensors[row.tensor].object for row in trace.names if row.name == name)


def kinds(found: list[Event]) -> list[str]:
    return [event.kind for event in found]


def value(event: Event) -> object:
    return None if event.after is None else event.after.value


@pytest.mark.parametrize(
    ("update", "by"),
    [
        ("with torch.no_grad(): w -= 0.5 * w.grad", "sub_"),
        ("with torch.no_grad(): w.sub_(w.grad, alpha=0.5)", "sub_"),
        ("w.data -= 0.5 * w.grad", "sub_"),
        ("w.data.sub_(0.5 * w.grad)", "sub_"),
        ("w.data = w.data - 0.5 * w.grad", "data="),
        ("w.detach().sub_(0.5 * w.grad)", "sub_"),
        ("with torch.no_grad(): w.copy_(w - 0.5 * w.grad)", "copy_"),
    ],
)
def test_every_way_to_change_a_value_is_one_change(update: str, by: str) -> None:
    first, added, updated = told(LEAF + RUN + update + "\ny = w * 2")
    assert (first.kind, value(first), first.place and first.place.line) == ("first", [1.0], 1)
    assert (added.kind, value(added), added.added and added.added.value) == ("accumulated", [3.0], [3.0])
    assert (updated.kind, updated.by, value(updated)) == ("updated", by, [-0.5])
    assert updated.before is not None and updated.before.value == [1.0]
    assert updated.place is not None and updated.place.line == 3


@pytest.mark.parametrize("update", ["w.data = w.data - 0 * w.grad", "w.data -= 0 * w.grad"])
def test_an_update_that_changes_nothing_is_told_each_time(update: str) -> None:
    found = told(LEAF + f"for _ in range(3):\n    {RUN}    {update}\n    w.grad = None\n")
    assert kinds(found) == ["first", *["accumulated", "updated", "cleared"] * 3]


@pytest.mark.parametrize("optimizer", ["SGD([w], lr=0.1)", "Adam([w], lr=0.1)", "AdamW([w], lr=0.1, weight_decay=0.5)"])
def test_all_that_an_optimizer_does_in_a_step_is_one_change(optimizer: str) -> None:
    cell = f"opt = torch.optim.{optimizer}\nfor _ in range(2):\n    {RUN}    opt.step()\n    opt.zero_grad()\n"
    found = told(LEAF + cell)
    assert kinds(found) == ["first", *["accumulated", "stepped", "cleared"] * 2]
    steps = [event for event in found if event.kind == "stepped"]
    assert {(step.by, step.place and step.place.line) for step in steps} == {("opt", 5)}
    assert steps[1].before == steps[0].after and value(steps[0]) != value(steps[1])


def test_layers_get_their_first_values_in_one_go() -> None:
    cell = "m = torch.nn.Linear(2, 1)\nm(torch.ones(2)).sum().backward()\nwith torch.no_grad():\n    m.bias.fill_(0)"
    found = told(cell, "m.bias")
    assert kinds(found) == ["first", "accumulated", "updated"]
    assert found[0].place is not None and found[0].place.line == 1
    assert found[2].before == found[0].after and value(found[2]) == [0.0]


NOTHING = ["w.requires_grad_()", "w.data = w.data", "v = w.view(1)", "w.data * 2", "w.grad = None"]


@pytest.mark.parametrize("nothing", NOTHING)
def test_what_changes_no_value_is_no_change_of_it(nothing: str) -> None:
    assert kinds(told(LEAF + nothing + "\ny = w * 2")) == ["first"]


def test_a_change_through_another_tensor_of_the_same_memory() -> None:
    found = told("base = torch.ones(4)\nw = base[:2].requires_grad_()\ny = w * 2\nbase.mul_(3)\nz = w * 2")
    assert kinds(found) == ["first", "updated"]
    assert (found[1].by, value(found[1])) == ("mul_", [3.0, 3.0])


def test_tensors_that_need_no_gradient_have_no_story() -> None:
    trace = record_cell("x = torch.ones(2)\nx += 1\ny = x * 2")
    assert events(trace) == {}


@pytest.mark.parametrize(("cell", "known"), [
    ("w = torch.nn.Parameter(torch.empty(5))", False),
    ("w = torch.nn.Parameter(torch.empty_like(torch.ones(5)))", False),
    ("w = torch.nn.Parameter(torch.empty(5))\ntorch.nn.init.ones_(w)", True),
    ("w = torch.nn.Parameter(torch.nn.init.ones_(torch.empty(5)))", True),
    ("w = torch.empty(5)\nw.data.fill_(1)\nw.requires_grad_()", True),
    ("w = torch.ones(5, requires_grad=True)", True),
])  # fmt: skip
def test_what_lay_in_memory_before_is_no_first_value(cell: str, known: bool) -> None:
    first = told(cell + "\ny = w * 2")[0]
    assert first.kind == "first" and first.after is not None and first.after.shape == (5,)
    assert first.after.value == ([1.0] * 5 if known else None)


def test_the_first_value_of_a_layer_is_that_after_its_making() -> None:
    trace = record_cell("m = torch.nn.Linear(50, 2)", values="stats")
    (weight, *_), (bias, *_) = (told_of for told_of in events(trace).values())
    for first in (weight, bias):
        assert first.kind == "first" and first.after is not None
        seen = first.after.stats.max if first.after.stats is not None else max(first.after.value)
        assert 0 < seen < 0.15  # 1 / sqrt(50)


def test_a_layer_whose_making_went_beyond_the_limit() -> None:
    trace = record_cell("m = torch.nn.Linear(50, 50)", values="stats", limit=3)
    ((weight, *_), (bias, *_)) = events(trace).values()
    assert weight.after is not None and weight.after.stats is not None  # kaiming_uniform_ was the third call
    assert bias.after is not None and bias.after.stats is None and bias.after.value is None
