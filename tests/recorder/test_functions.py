"""Cuts and in-place changes: where gradients stop, and which states a tensor went through."""

from __future__ import annotations

import pytest
import torch
from recorded import record_cell
from recorder.reading import calls

from autograd_magics.recorder.functions import (
    BACKWARD,
    CALL,
    READ_GRAD,
    SKIP,
    WRITE_GRAD,
    by_name,
    classify,
    names,
    plain_argument,
    restored,
)

LEAF = "w = torch.tensor([1., 2.], requires_grad=True)\n"

CUTS = [
    ("with torch.no_grad():\n    y = w * 2", "mul", "no_grad"),
    ("with torch.inference_mode():\n    y = w * 2", "mul", "inference"),
    ("y = w.detach()", "detach", "detach"),
    ("y = w.data", "data", "data"),
    ("y = w.sum().item()", "item", "item"),
    ("y = float(w.sum())", "__float__", "item"),
    ("y = w.tolist()", "tolist", "item"),
    ("y = bool(w.sum())", "__bool__", "item"),
    ("y = torch.tensor(w)", "tensor", "copy"),
    ("y = w.argmax()", "argmax", "integer"),
    ("y = w > 1", "gt", "integer"),
    ("y = w.detach().numpy()", "detach", "detach"),
    ("y = torch.zeros_like(w)", "zeros_like", None),
    ("y = w.new_zeros(2)", "new_zeros", None),
    ("y = w * 2", "mul", None),
    ("@torch.no_grad()\ndef f(v):\n    return v * 2\ny = f(w)", "mul", "no_grad"),
    ("torch.set_grad_enabled(False)\ny = w * 2\ntorch.set_grad_enabled(True)", "mul", "no_grad"),
]


@pytest.mark.parametrize(("source", "name", "cut"), CUTS)
def test_why_no_gradient_passes(source: str, name: str, cut: str | None) -> None:
    call = calls(record_cell(LEAF + source), name)[-1]
    assert call.cut == cut


def test_without_a_gradient_nothing_is_cut() -> None:
    trace = record_cell("x = torch.ones(2)\ny = x.detach()\nz = x.sum().item()\nwith torch.no_grad():\n    x * 2")
    assert all(c.cut is None for c in trace.calls)


def test_numpy_is_recorded_as_leaving_torch() -> None:
    trace = record_cell("x = torch.ones(2)\na = x.numpy()\nb = x + torch.from_numpy(a)")
    assert [c.name for c in trace.calls if c.name != "from_numpy"] == ["ones", "numpy", "add"]


CHANGES = [
    ("x.add_(1)", [0, 1]),
    ("x += 1", [0, 1]),
    ("x[0] = 1.", [0, 1]),
    ("x.zero_()\nx.fill_(3)", [0, 1, 2]),
    ("x.view(2, 1).mul_(2)\nx.sum()", [0, 1]),
    ("x[0].mul_(2)\nx.sum()", [0, 1]),
    ("torch.add(x, 1, out=x)", [0, 1]),
    ("x.copy_(torch.zeros(2))", [0, 1]),
    ("torch.nn.functional.relu(x, inplace=True)", [0, 1]),
    ("with torch.no_grad():\n    x.uniform_()", [0, 1]),
    ("torch.nn.init.ones_(x)", [0, 1]),
    ("torch._foreach_add_([x], 1)", [0, 1]),
]


@pytest.mark.parametrize(("source", "versions"), CHANGES)
def test_each_change_in_place_is_a_state(source: str, versions: list[int]) -> None:
    trace = record_cell("x = torch.ones(2)\n" + source)
    states = [t for t in trace.tensors if t.object == 0]
    assert [t.version for t in states] == versions
    assert all(t.call is not None for t in states)


def test_a_change_through_a_view_is_a_change_of_its_base() -> None:
    trace = record_cell("x = torch.ones(2)\nv = x[0]\nv.mul_(5)\ny = x + 1")
    (mul,), (add,) = calls(trace, "mul_"), calls(trace, "add")
    base = trace.tensors[add.inputs[0]]
    assert base.object == 0 and base.version == 1 and base.value == [5.0, 1.0] and base.call == mul.id


def test_setting_data_is_a_change() -> None:
    trace = record_cell(LEAF + "w.data = torch.zeros(2)\ny = w * 2")
    (call,) = calls(trace, "data=")
    assert call.inplace and trace.tensors[call.outputs[0]].value == [0.0, 0.0]
    assert calls(trace, "mul")[0].inputs == call.outputs


def test_requires_grad_is_a_new_state() -> None:
    trace = record_cell("x = torch.ones(2)\nx.requires_grad_()\ny = x * 2")
    assert [t.requires_grad for t in trace.tensors if t.object == 0] == [False, True]


def test_inference_tensors_have_no_version() -> None:
    trace = record_cell("with torch.inference_mode():\n    x = torch.ones(2)\n    x.add_(1)\n    y = x * 2")
    assert trace.failure is None and trace.problem is None and trace.tensors[0].version == -1


@pytest.mark.parametrize(
    ("function", "kind"),
    [
        (torch.Tensor.grad.__get__, READ_GRAD),
        (torch.Tensor.grad.__set__, WRITE_GRAD),
        (torch.Tensor.shape.__get__, SKIP),
        (torch.Tensor.data.__get__, CALL),
        (torch.Tensor.backward, BACKWARD),
        (torch.Tensor.size, SKIP),
        (torch.add, CALL),
        (type("Odd", (), {"__hash__": None})(), CALL),
    ],
)
def test_kinds_of_functions(function: object, kind: int) -> None:
    assert classify(function) == kind


def test_names_of_functions() -> None:
    assert names(torch.Tensor.mul) == ("mul", "Tensor.mul")
    assert names(torch.Tensor.T.__get__) == ("T", "Tensor.T")
    assert names(torch.nn.functional.relu) == ("relu", "torch.nn.functional.relu")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (1, 1),
        (True, True),
        ("a" * 50, "a" * 40),
        (torch.float32, "float32"),
        (slice(1, None), "1:"),
        (..., "..."),
        (slice(None, 4, 2), ":4:2"),
        ((1, 2), [1, 2]),
        ((None, slice(1, 2)), ["None", "1:2"]),
        (torch.channels_last, "channels_last"),
        (object(), "…"),
        (list(range(9)), "…"),
        ([1, object()], "…"),
        (torch.device("cpu"), "cpu"),
    ],
)
def test_arguments_are_told_as_plain_data(given: object, told: object) -> None:
    assert plain_argument(given) == told


@pytest.mark.parametrize(
    "given",
    [
        *(1, 0.5, True, "mean", "a" * 50, torch.float32, torch.device("cpu"), torch.strided, slice(1, None, 2), ...),
        *((1, 2), [1, 2], ((1, 2), [3, (4,)]), (None, slice(None), ..., torch.int64)),
    ],
)
def test_plain_arguments_can_be_had_again(given: object) -> None:
    again = restored(plain_argument(given))
    assert again == given and type(again) is type(given)


@pytest.mark.parametrize("given", [object(), [object()], list(range(9)), slice(torch.tensor(1), None)])
def test_what_was_not_kept_is_not_made_up(given: object) -> None:
    with pytest.raises(ValueError, match="was not kept"):
        restored(plain_argument(given))


def test_functions_are_known_by_name_once_they_were_met() -> None:
    record_cell("x = torch.ones(2)\ny = (x ** 2 + x.pow(3)).T\nz = x.pow(2)")
    assert by_name("Tensor.pow") is not None and by_name("Tensor.pow")(torch.tensor(3.0), 2) == 9
    assert by_name("Tensor.T")(torch.ones(2, 3)).shape == (3, 2)
    assert by_name("torch.no_such_function") is None
