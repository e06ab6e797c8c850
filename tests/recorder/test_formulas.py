from __future__ import annotations

import pathlib
import re
import time

import pytest
import torch

from autograd_magics.recorder import formulas
from autograd_magics.trace import Formula
from autograd_magics.views.formulas.textbook import BROADCASTS, FORMS, NODES, RESULTS
from tests.recorded import record_cell

CLASSES = {name: getattr(torch._C._functions, name) for name in dir(torch._C._functions) if name[-1].isdigit()}
"""The nodes that this torch has."""


def installed() -> dict[str, formulas.Entry]:
    path = formulas.location()
    assert path is not None
    return formulas.entries(path.read_text("utf-8"))


def test_the_file_and_torch_have_the_same_nodes() -> None:
    assert set(installed()) == set(CLASSES)


def test_nodes_keep_tensors_that_their_formulas_use() -> None:
    """Overloads are numbered as torch does it."""
    strange = {}
    for name, (_, pairs) in installed().items():
        used = set(re.findall(r"\w+", " ".join(text for _, text in pairs)))
        kept = {slot.removeprefix("_raw_saved_") for slot in dir(CLASSES[name]) if slot.startswith("_raw_saved_")}
        if not kept <= used:
            strange[name] = kept - used
    assert strange == {}


def test_a_trace_holds_the_formulas_of_its_nodes() -> None:
    trace = record_cell("w = torch.ones(2, requires_grad=True)\n(w * 2).sum().backward()")
    assert trace.formulas == (
        Formula(0, "MulBackward0", "mul.Tensor", "self", "mul_tensor_backward(grad, other, self.scalar_type())"),
        Formula(1, "MulBackward0", "mul.Tensor", "other", "mul_tensor_backward(grad, self, other.scalar_type())"),
        Formula(2, "SumBackward0", "sum", "self", "grad.expand_symint(self.sym_sizes())"),
    )


def test_nothing_is_read_without_numbered_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formulas, "_entries", lambda: pytest.fail("the file was read"))
    assert formulas.rows(["AccumulateGrad", "CopySlices", "MyFunctionBackward"]) == ()


def test_nodes_that_the_file_does_not_know_have_no_rows() -> None:
    assert formulas.rows(["NoSuchBackward0"]) == ()


@pytest.mark.parametrize("broken", [OSError("gone"), KeyError("name"), ValueError("not yaml")])
def test_a_file_that_cannot_be_read_breaks_nothing(broken: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise broken

    monkeypatch.setattr(formulas, "_entries", fail)
    monkeypatch.setattr(formulas, "is_strict", lambda: False)
    assert formulas.rows(["MulBackward0"]) == ()
    monkeypatch.setattr(formulas, "is_strict", lambda: True)
    with pytest.raises(type(broken)):
        formulas.rows(["MulBackward0"])


def test_a_torch_without_the_file_has_no_formulas(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    monkeypatch.setattr(torch, "__file__", str(tmp_path / "torch" / "__init__.py"))
    assert formulas.location() is None
    beside = tmp_path / "tools" / "autograd" / "derivatives.yaml"
    beside.parent.mkdir(parents=True)
    beside.write_text("[]")
    assert formulas.location() == beside


def test_entries_are_read_as_torch_builds_its_nodes() -> None:
    found = formulas.entries("""
- name: any(Tensor self) -> Tensor
  output_differentiability: [False]
- name: twice(Tensor self, Tensor index, *, float p=1) -> Tensor
  index: non_differentiable
  self: >
    grad *
    2
  result: auto_linear
- name: twice.of(Tensor b, Tensor a) -> Tensor
  dispatch:
    Default:
      a, b: "both(grad, a, b)"
    AutogradNestedTensor:
      a: grad
""")
    assert found == {
        "TwiceBackward0": ("twice", (("self", "grad * 2"),)),
        "TwiceBackward1": ("twice.of", (("b", "both(grad, a, b)"), ("a", "both(grad, a, b)"))),
        "TwiceBackwardAutogradNestedTensor0": ("twice.of", (("a", "grad"),)),
    }


def test_the_textbook_speaks_of_functions_and_arguments_that_there_are() -> None:
    known = {function: [argument for argument, _ in pairs] for function, pairs in installed().values()}
    assert set(FORMS) - {"copy_"} <= set(known)  # a node of torch's own, in no file
    assert {f: a for f, forms in FORMS.items() if f in known for a in forms if a not in known[f]} == {}
    assert set(RESULTS) <= set(FORMS)
    assert {name.partition(" ")[0] for name in BROADCASTS} <= set(FORMS)


def test_the_textbooks_nodes_are_torchs() -> None:
    """Of a trace without formulas a node's name must do, and the order of the forms is that of its edges."""
    entries = installed()
    for node, function in NODES.items():
        if node != "CopyBackwards":
            assert entries[node][0] == function
            assert [argument for argument, _ in entries[node][1]] == list(FORMS[function])


def test_formulas_cost_little_once_they_are_read() -> None:
    names = ["MulBackward0", "SumBackward0", "AddBackward0"] * 1000
    formulas.rows(names)
    began = time.perf_counter()
    formulas.rows(names)
    assert time.perf_counter() - began < 0.02
