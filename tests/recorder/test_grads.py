"""The ledger: every change of a `.grad`, and who looked at it."""

from __future__ import annotations

import pytest
import torch
from recorded import Notebook, record_cell

from autograd_magics.recorder import graph_of
from autograd_magics.trace import Trace

LEAF = "w = torch.tensor([1., 2.], requires_grad=True)\n"
RUN = "(w * 3).sum().backward()\n"


def kinds(trace: Trace) -> list[str]:
    return [c.kind for c in trace.changes]


def afters(trace: Trace) -> list[object]:
    return [None if c.after is None else c.after.value for c in trace.changes]


LEDGERS = [
    (RUN, ["accumulated"], [[3.0, 3.0]]),
    (RUN + RUN, ["accumulated"] * 2, [[3.0, 3.0], [6.0, 6.0]]),
    (RUN + "w.grad.zero_()", ["accumulated", "zeroed"], [[3.0, 3.0], [0.0, 0.0]]),
    (RUN + "w.grad.data.zero_()", ["accumulated", "zeroed"], [[3.0, 3.0], [0.0, 0.0]]),
    (RUN + "w.grad.detach_().zero_()", ["accumulated", "zeroed"], [[3.0, 3.0], [0.0, 0.0]]),
    (RUN + "w.grad = None", ["accumulated", "cleared"], [[3.0, 3.0], None]),
    (RUN + "del w.grad", ["accumulated", "cleared"], [[3.0, 3.0], None]),
    (RUN + "w.grad = torch.ones(2)", ["accumulated", "set"], [[3.0, 3.0], [1.0, 1.0]]),
    (RUN + "w.grad *= 2", ["accumulated", "changed"], [[3.0, 3.0], [6.0, 6.0]]),
    (RUN + "w.grad[0] = 7.", ["accumulated", "changed"], [[3.0, 3.0], [7.0, 3.0]]),
    (RUN + "g = w.grad\ng.mul_(2)", ["accumulated", "changed"], [[3.0, 3.0], [6.0, 6.0]]),
    (RUN + "torch.nn.utils.clip_grad_norm_([w], 1e-9, foreach=False)", ["accumulated", "changed"], None),
    ("w.grad = torch.ones(2)\n" + RUN, ["set", "accumulated"], [[1.0, 1.0], [4.0, 4.0]]),
    ("w.grad = None", [], []),
    (RUN + "o = torch.optim.SGD([w], lr=1.)\no.zero_grad()", ["accumulated", "cleared"], [[3.0, 3.0], None]),
    (
        RUN + "o = torch.optim.SGD([w], lr=1.)\no.zero_grad(set_to_none=False)",
        ["accumulated", "zeroed"],
        [[3.0, 3.0], [0.0, 0.0]],
    ),
    (
        RUN + "o = torch.optim.SGD([w], lr=1., foreach=True)\no.zero_grad(set_to_none=False)",
        ["accumulated", "zeroed"],
        [[3.0, 3.0], [0.0, 0.0]],
    ),
    (RUN + "o = torch.optim.Adam([w], lr=1., foreach=True)\no.step()", ["accumulated"], [[3.0, 3.0]]),
    (
        RUN + "torch.nn.utils.clip_grad_value_([w], 1., foreach=True)",
        ["accumulated", "changed", "changed"],
        [[3.0, 3.0], [3.0, 3.0], [1.0, 1.0]],
    ),
]


@pytest.mark.parametrize(("source", "expected", "values"), LEDGERS)
def test_each_change_is_in_the_ledger(source: str, expected: list[str], values: list[object] | None) -> None:
    trace = record_cell(LEAF + source)
    assert trace.failure is None, trace.failure
    assert kinds(trace) == expected
    if values is not None:
        assert afters(trace) == values


def test_before_added_and_after() -> None:
    trace = record_cell(LEAF + RUN + RUN)
    first, second = trace.changes
    assert first.before is None and first.added == first.after
    assert second.before == first.after and second.added == first.added and second.after is not None
    assert second.before_places == first.places and second.backward == 1


def test_each_parameter_has_its_own_rows() -> None:
    trace = record_cell("m = torch.nn.Linear(2, 1)\nm(torch.ones(1, 2)).sum().backward()")
    assert len({c.object for c in trace.changes}) == 2 and kinds(trace) == ["accumulated"] * 2


def test_an_optimizer_changes_parameters_in_place() -> None:
    trace = record_cell(LEAF + RUN + "torch.optim.SGD([w], lr=1., foreach=False).step()\nw.sum()")
    states = [t for t in trace.tensors if t.object == 0]
    assert [t.value for t in states] == [[1.0, 2.0], [-2.0, -1.0]] and states[1].call is not None


def test_what_nobody_watched_is_unseen() -> None:
    book = Notebook()
    book.run(LEAF + RUN)
    book.namespace["w"].grad.add_(1)  # outside any recording
    trace = book.run("w.grad.zero_()")
    assert kinds(trace) == ["unseen", "zeroed"]
    unseen = trace.changes[0]
    assert unseen.before is not None and unseen.after is not None
    assert (unseen.before.value, unseen.after.value, unseen.places) == ([3.0, 3.0], [4.0, 4.0], ())


def test_a_grad_cleared_while_nobody_watched() -> None:
    book = Notebook()
    book.run(LEAF + RUN)
    book.namespace["w"].grad = None
    trace = book.run("g = w.grad\n" + RUN)
    assert kinds(trace) == ["unseen", "accumulated"] and trace.changes[0].after is None
    assert trace.changes[1].before is None


def test_an_earlier_cell_is_named() -> None:
    book = Notebook()
    book.run(LEAF + RUN)
    trace = book.run(RUN)
    earlier, added = trace.changes
    assert earlier.kind == "earlier" and added.kind == "accumulated"
    assert trace.sources[trace.places[added.before_places[0]].source].number == 1
    assert added.before is not None and added.before.value == [3.0, 3.0]


def test_reading_grad_is_an_access_of_the_users_code_only() -> None:
    trace = record_cell(LEAF + RUN + "g = w.grad\ntorch.optim.SGD([w], lr=1.).step()")
    (access,) = trace.accesses
    assert access.attribute == "grad" and access.name == "g" and trace.places[access.places[0]].line == 3
    assert access.result is not None and trace.tensors[access.result].grad_of == 0


def test_reading_grad_fn_names_the_node() -> None:
    trace = record_cell(LEAF + "y = w * 2\nn = y.grad_fn\nm = w.grad_fn")
    first, second = trace.accesses
    assert first.node is not None and trace.nodes[first.node].name == "MulBackward0" and first.name == "n"
    assert second.node is None


def test_looking_at_the_grad_of_a_non_leaf_is_left_to_the_cell() -> None:
    trace = record_cell(LEAF + "y = w * 2\ny.sum().backward()\nfor _ in range(2):\n    y.grad")
    assert [w.category for w in trace.warnings] == ["UserWarning"] * len(trace.warnings)
    assert len(trace.accesses) == 2


def test_a_grad_that_requires_grad() -> None:
    trace = record_cell(LEAF + "(w ** 2).sum().backward(create_graph=True)\nw.grad.sum().backward()\nw.grad = None")
    assert trace.failure is None and kinds(trace) == ["accumulated", "accumulated", "cleared"]


def test_a_grad_that_nothing_touched_is_in_the_ledger() -> None:
    book = Notebook()
    book.run(LEAF + RUN)
    (earlier,) = book.run("y = w * 2").changes
    assert earlier.kind == "earlier" and earlier.backward is None and earlier.before is None
    assert earlier.after is not None and earlier.after.value == [3.0, 3.0]
    assert [book.traces[1].sources[book.traces[1].places[p].source].number for p in earlier.places] == [1]


def test_a_grad_from_before_any_recording_has_no_place() -> None:
    book = Notebook()
    exec("w = torch.ones(2, requires_grad=True)\n(w * 3).sum().backward()", book.namespace)
    (earlier,) = book.run("y = w * 2\ng = w.grad").changes
    assert earlier.kind == "earlier" and earlier.places == ()
    assert earlier.after is not None and earlier.after.value == [3.0, 3.0]


def test_the_graph_of_a_tensor_has_the_grads_of_its_leaves() -> None:
    w = torch.ones(2, requires_grad=True)
    (w * 3).sum().backward()
    empty = torch.ones(2, requires_grad=True)
    (earlier,) = graph_of({"y": w * 2 + empty}).changes
    assert earlier.kind == "earlier" and earlier.after is not None and earlier.after.value == [3.0, 3.0]


def test_a_tensor_that_retains_its_grad_has_what_was_added() -> None:
    trace = record_cell(LEAF + "y = w * 2\ny.retain_grad()\nz = y * 5\n" + "z.sum().backward(retain_graph=True)\n" * 2)
    y = next(name.tensor for name in trace.names if name.name == "y")
    first, second = [c for c in trace.changes if c.object == trace.tensors[y].object]
    assert first.added is not None and first.added.value == [5.0, 5.0] and first.before is None
    assert second.added is not None and second.added.value == [5.0, 5.0]
    assert second.after is not None and second.after.value == [10.0, 10.0]
