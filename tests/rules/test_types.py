"""AG501 to AG503: types and devices that a call cannot take, and the same calls done right."""

from __future__ import annotations

import pytest

from autograd_magics.rules import Finding
from autograd_magics.trace import Trace
from tests.recorded import codes, findings, record_cell


def only(trace: Trace) -> Finding:
    (found,) = findings(trace)
    return found


def line(trace: Trace, finding: Finding, key: str = "here") -> int:
    return trace.places[finding.data[key]["place"]].line


# -- AG501 -------------------------------------------------------------------------------------
@pytest.mark.parametrize(("cell", "variant", "dtype"), [
    ("x = torch.arange(3)\nx.requires_grad_()", "", "int64"),
    ("x = torch.arange(3)\nx.requires_grad = True", "", "int64"),
    ("x = torch.arange(3)\nw = torch.nn.Parameter(x)", "", "int64"),
    ("w = torch.ones(3, requires_grad=True)\nmask = w > 0\nmask.requires_grad_()", "", "bool"),
    ("x = torch.ones(3).to(torch.uint8)\ny = torch.zeros_like(x, requires_grad=True)", "", "uint8"),
    ("a = 1\nx = torch.tensor([1, 2], requires_grad=True)", "new", "int64"),
    ("a = 1\nx = torch.tensor(3, requires_grad=True)", "new", "int64"),
    ("a = 1\nx = torch.tensor([True], requires_grad=True)", "new", "bool"),
    ("a = 1\nx = torch.ones(3, dtype=torch.int32, requires_grad=True)", "new", "int32"),
    ("a = 1\nx = torch.arange(3, requires_grad=True)", "new", "int64"),
    ("import numpy\nx = torch.tensor(numpy.arange(3), requires_grad=True)", "unknown", ""),
])  # fmt: skip
def test_integers_and_booleans(cell: str, variant: str, dtype: str) -> None:
    trace = record_cell(cell)
    found = only(trace)
    assert (found.code, found.severity, found.variant, found.data["dtype"]) == ("AG501", "error", variant, dtype)
    assert line(trace, found) == cell.count("\n") + 1
    if not variant:
        assert found.data["name"] in ("x", "mask") and found.tensors


@pytest.mark.parametrize("cell", [
    "x = torch.tensor([1, 2], dtype=torch.float32, requires_grad=True)",
    "x = torch.arange(3.0, requires_grad=True)",
    "x = torch.tensor([1, 2]).float().requires_grad_()",
    "x = torch.tensor([1j], requires_grad=True)",
    "x = torch.ones(3).bfloat16().requires_grad_()",
])  # fmt: skip
def test_floating_point_is_fine(cell: str) -> None:
    trace = record_cell(cell)
    assert codes(trace) == [] and trace.failure is None


def test_caught_error_is_a_note() -> None:
    found = only(record_cell("x = torch.arange(3)\ntry:\n    x.requires_grad_()\nexcept RuntimeError:\n    pass"))
    assert (found.code, found.severity) == ("AG501", "note")


# -- AG502: "meta" is a device that every machine has ---------------------------------------------
@pytest.mark.parametrize(("call", "first", "second"), [
    ("x * w", ["x"], ["w"]),
    ("w * x", ["x"], ["w"]),
    ("torch.cat([w, x, w])", ["x"], ["w"]),
    ("torch.nn.functional.mse_loss(w, x)", ["x"], ["w"]),
    ("torch.where(x > 0, x, w)", ["x > 0", "x"], ["w"]),
])  # fmt: skip
def test_two_devices(call: str, first: list[str], second: list[str]) -> None:
    trace = record_cell(f"x = torch.ones(3)\nw = torch.ones(3, device='meta', requires_grad=True)\ny = {call}")
    found = only(trace)
    assert (found.code, found.severity, found.variant) == ("AG502", "error", "made")
    assert (found.data["device"], found.data["other_device"]) == ("cpu", "meta")
    assert found.data["first"] == {"names": first} and found.data["second"] == {"names": second}
    assert [line(trace, found, key) for key in ("here", "made", "other_made")] == [
        3, 3 if first[0] == "x > 0" else 1, 2,
    ]  # fmt: skip


def test_result_of_to_was_thrown_away() -> None:
    trace = record_cell("""
        model = torch.nn.Linear(3, 3).to("meta")
        x = torch.ones(3)
        x.to("meta")
        y = model(torch.ones(3, device="meta")) + x
    """)
    found = only(trace)
    assert found.code == "AG502" and found.data["name"] == "x" and line(trace, found, "made") == 3


def test_a_number_on_the_cpu_is_not_to_blame() -> None:
    trace = record_cell("""
        scale = torch.tensor(2.0)
        x = torch.ones(3)
        w = torch.ones(3, device="meta")
        y = w * scale
        z = torch.addcmul(w, w, x * scale)
    """)
    assert only(trace).data["first"] == {"names": ["x * scale"]}


def test_moved_first_is_fine() -> None:
    assert codes(record_cell("x = torch.ones(3)\nw = torch.ones(3, device='meta')\ny = x.to(w.device) * w")) == []


def test_other_errors_with_two_devices_are_not_about_them() -> None:
    trace = record_cell("""
        x = torch.ones(3, device="meta")
        try:
            torch.add(x, x, out=torch.ones(3), nonsense=1)
        except TypeError:
            pass
    """)
    assert codes(trace) == []


# -- AG503 -------------------------------------------------------------------------------------
@pytest.mark.parametrize(("cell", "variant", "name"), [
    ("w.numpy()", "grad", "w"),
    ("y = w * 2\ny.numpy()", "grad", "y"),
    ("(w * 2).numpy()", "grad", "(w * 2)"),
    ("np.array(w)", "grad", "w"),
    ("np.asarray(w)", "grad", "w"),
    ("np.array([w.sum(), w.sum()])", "grad", "w.sum()"),
    ("losses = [(w * i).sum() for i in range(2)]\nnp.mean(np.array(losses))", "grad", "losses[0]"),
    ("m.numpy()", "device", "m"),
    ("(m * w.to('meta')).numpy()", "both", "(m * w.to('meta'))"),
])  # fmt: skip
def test_arrays_of_tensors(cell: str, variant: str, name: str) -> None:
    source = "import numpy as np\nw = torch.ones(3, requires_grad=True)\nm = torch.ones(3, device='meta')\n"
    trace = record_cell(source + cell)
    found = only(trace)
    assert (found.code, found.severity, found.variant, found.data["name"]) == ("AG503", "error", variant, name)
    assert trace.failure is not None and line(trace, found) == trace.places[trace.failure.places[0]].line


@pytest.mark.parametrize("expression", [
    "w.detach().numpy()", "w.detach().cpu().numpy()", "w.tolist()", "w.sum().item()", "w.numpy(force=True)",
    "numpy.array(w.detach())",
])  # fmt: skip
def test_arrays_done_right(expression: str) -> None:
    trace = record_cell(f"import numpy\nw = torch.ones(3, requires_grad=True)\na = {expression}")
    assert codes(trace) == [] and trace.failure is None
