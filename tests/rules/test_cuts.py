"""AG104, AG105, AG106 and AG605: gradients that end where nobody expects it, and the same done on purpose."""

from __future__ import annotations

import pytest

from autograd_magics.graph import Graph
from autograd_magics.rules import Finding
from autograd_magics.trace import Trace
from tests.recorded import Notebook, codes, findings, record_cell

W = "w = torch.ones(3, requires_grad=True)\nb = torch.zeros(3, requires_grad=True)\nx = torch.tensor([1.0, 2.0, 3.0])\n"


def line(trace: Trace, finding: Finding, key: str) -> tuple[int | None, int]:
    """(cell, line) of a place in a finding's data."""
    place = trace.places[finding.data[key]["place"]]
    return trace.sources[place.source].number, place.line


def lost(finding: Finding) -> list[str]:
    return sorted(finding.data["leaves"]["names"])


def of(trace: Trace, code: str) -> list[Finding]:
    return [finding for finding in findings(trace) if finding.code == code]


# -- AG104 -------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("cell", "variant", "cut", "leaves"),
    [
        ("loss = ((w.data * x + b) ** 2).sum()", "data", 4, ["w"]),
        ("y = w * x\nloss = ((y.data + b) ** 2).sum()", "data", 5, ["w"]),
        ("loss = ((torch.tensor(w) * x + b) ** 2).sum()", "copy", 4, ["w"]),
        ("scale = (w * x).sum().item()\nloss = (scale * b + 1).pow(2).sum()", "item", 4, ["w"]),
        ("loss = (b + 1).pow(2).sum() * float(w.sum())", "item", 4, ["w"]),
        ("import numpy as np\na = np.tanh(w.detach().numpy())\nloss = (torch.from_numpy(a) * (b + 1)).sum()",
         "detach", 5, ["w"]),
        # the leaf learns from one term, and not from the other
        ("reg = w.norm().item()\nloss = (w * x).pow(2).sum() + 0.1 * reg", "item", 4, ["w"]),
        ("loss = (w * x).pow(2).sum() + 0.1 * w.norm().item()", "item", 4, ["w"]),
        ("loss = (w * x).pow(2).sum() + 0.1 * (w ** 2).sum().data", "data", 4, ["w"]),
        ("loss = (w * x).sum() + torch.tensor([w.sum(), b.sum()]).sum()", "copy", 4, ["b"]),
    ],
)  # fmt: skip
def test_part_of_the_loss_came_through_a_cut(cell: str, variant: str, cut: int, leaves: list[str]) -> None:
    trace = record_cell(f"{W}{cell}\nloss.backward()\nif {variant == 'detach'}: print(w.grad)")
    found = of(trace, "AG104")
    assert [(f.variant, line(trace, f, "cut")[1], lost(f)) for f in found] == [(variant, cut, leaves)]
    assert found[0].severity == ("note" if variant == "detach" else "warning")
    assert Graph(trace).name(found[0].data["name"]["tensor"]) == "loss"


def test_cut_in_a_function_called_from_the_cell() -> None:
    trace = record_cell(f"""{W}
def penalty(w):
    return (w ** 2).sum().item()
loss = (w * x).sum() + 0.1 * penalty(w)
loss.backward()
""")
    (found,) = of(trace, "AG104")
    assert (found.variant, lost(found)) == ("item", ["w"])


def test_a_loop_says_it_once() -> None:
    trace = record_cell(f"""{W}
for i in range(4):
    loss = ((w.data * x + b) ** 2).sum()
    loss.backward()
    b.grad = None
""")
    assert len(of(trace, "AG104")) == 1


def test_layers_under_no_grad_are_told_only_where_their_grad_is_missed() -> None:
    cell = """
        body, head = torch.nn.Linear(2, 2), torch.nn.Linear(2, 1)
        with torch.no_grad():
            h = body(torch.ones(4, 2)).relu()
        loss = head(h).pow(2).mean()
        loss.backward()
    """
    assert codes(record_cell(cell)) == []
    trace = record_cell(cell + "    print(body.weight.grad)\n")
    cause, consequence = findings(trace)
    assert [(f.code, f.severity, f.because) for f in (cause, consequence)] == [
        ("AG104", "note", None), ("AG105", "note", "AG104"),
    ]  # fmt: skip
    assert cause.variant == "no_grad" and lost(cause) == ["body.bias", "body.weight"]


def test_the_error_that_follows_is_folded_under_the_cut() -> None:
    trace = record_cell(f"{W}y = w.detach() * x + b\ny.sum().backward()\nw.grad.zero_()")
    cause, error = findings(trace)
    assert (cause.code, cause.severity, cause.variant) == ("AG104", "error", "detach")
    assert (error.code, error.variant, error.because) == ("AG204", "not_reached", "AG104")


@pytest.mark.parametrize("cell", [
    "target = (w * x).detach()\nloss = (w * 2 - target).pow(2).sum()",
    "loss = (w * x).sum() / (w * x).sum().item()",
    "scale = w.abs().max().item()\nloss = (w / scale).pow(2).sum()",
    "loss = (w + (w.round() - w).data).sum()",
    "soft = w.sigmoid()\nhard = (w > 0.5).float()\nloss = (hard + soft - soft.detach()).sum()",
    "total = w.sum().item()\ntotal = (w * x).sum()\nloss = total + 1",
    "print(w.sum().item())\nloss = (w * x).sum()",
])  # fmt: skip
def test_cuts_that_are_meant(cell: str) -> None:
    trace = record_cell(f"{W}{cell}\nloss.backward()")
    assert [f for f in findings(trace) if f.severity != "note"] == [] and trace.failure is None


# -- AG105 -------------------------------------------------------------------------------------
def test_leaf_that_was_forgotten() -> None:
    trace = record_cell(f"{W}y = w * x\ny.sum().backward()\nprint(w.grad, b.grad)")
    (found,) = findings(trace)
    assert (found.code, found.severity, found.variant) == ("AG105", "warning", "")
    assert Graph(trace).name(found.data["name"]["tensor"]) == "b"
    assert (line(trace, found, "here")[1], line(trace, found, "there")[1]) == (6, 5)


@pytest.mark.parametrize(("cell", "variant", "severity"), [
    ("(w * b).sum().backward(inputs=[w])\nprint(b.grad)", "inputs", "note"),
    ("g = torch.autograd.grad((w * b).sum(), [w, b])\nprint(w.grad)", "returned", "warning"),
    ("torch.autograd.grad((w * x).sum(), [w, b])", "refused", "error"),
    ("y = w.clone()\ntorch.autograd.grad((w * x).sum(), y)", "refused", "error"),
])  # fmt: skip
def test_why_a_leaf_got_nothing(cell: str, variant: str, severity: str) -> None:
    (found,) = findings(record_cell(W + cell))
    assert (found.code, found.variant, found.severity) == ("AG105", variant, severity)


def test_the_input_that_was_refused_is_named() -> None:
    trace = record_cell(f"{W}torch.autograd.grad((w * x).sum(), [w, b])")
    (found,) = findings(trace)
    assert Graph(trace).name(found.data["name"]["tensor"]) == "b"


@pytest.mark.parametrize("cell", [
    "(w * x).sum().backward()\nprint(b.grad is None)",
    "(w * x).sum().backward()\nfor p in (w, b):\n    if p.grad is not None:\n        p.grad.zero_()",
    "(w * x).sum().backward()\ng = b.grad\nif g is None:\n    print('nothing')",
    "print(b.grad)\n(w * b).sum().backward()",
    "(w * x).sum().backward()\nprint(b.grad)\n(b * x).sum().backward()",
    "(w * b).sum().backward()\nb.grad = None\nprint(b.grad)",
])  # fmt: skip
def test_none_that_surprises_nobody(cell: str) -> None:
    assert "AG105" not in codes(record_cell(W + cell))


# -- AG106 -------------------------------------------------------------------------------------
@pytest.mark.parametrize("cell", [
    "loss = (w.detach() * x).sum()\nloss.requires_grad_(True)\nloss.backward()",
    "loss = (w.data * x).sum().requires_grad_()\nloss.backward()",
    "with torch.no_grad():\n    loss = (w * x).sum()\nloss.requires_grad = True\nloss.backward()",
    "loss = torch.tensor((w * x).sum(), requires_grad=True)\nloss.backward()",
    "loss = torch.tensor((w * x).sum().item(), requires_grad=True)\nloss.backward()",
    "value = (w * x).sum().item()\nloss = torch.tensor(value, requires_grad=True)\nloss.backward()",
    "loss = torch.autograd.Variable((w * x).sum().data, requires_grad=True)\nloss.backward()",
    "right = (w * x > 1).float().requires_grad_(True)\nloss = (1 - right).mean()\nloss.backward()",
    "loss = torch.tensor([w.sum(), w.mean()], requires_grad=True).sum()\nloss.backward()",
])  # fmt: skip
def test_a_leaf_made_to_silence_the_error(cell: str) -> None:
    trace = record_cell(W + cell)
    (found,) = findings(trace)
    assert (found.code, found.severity, lost(found)) == ("AG106", "warning", ["w"])
    assert line(trace, found, "cut")[1] in (4, 5)


def test_what_never_learns_is_folded_under_it() -> None:
    trace = record_cell(f"{W}loss = (w.detach() * x).sum()\nloss.requires_grad_(True)\nloss.backward()\nprint(w.grad)")
    assert [(f.code, f.because) for f in findings(trace)] == [("AG106", None), ("AG105", "AG106")]


def test_predictions_of_an_optimized_model() -> None:
    trace = record_cell("""
        model = torch.nn.Linear(2, 3)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        optimizer.zero_grad()
        p = model(torch.ones(3, 2)).argmax(1).float().requires_grad_()
        loss = (p - torch.tensor([0.0, 1.0, 2.0])).pow(2).mean()
        loss.backward()
        optimizer.step()
    """)
    found = findings(trace)[0]
    assert (found.code, lost(found)) == ("AG106", ["model.bias", "model.weight"])


@pytest.mark.parametrize("cell", [
    "h = (w * x).detach().requires_grad_()\nh.pow(2).sum().backward()\nprint(h.grad)",
    "h = (w * x).detach().requires_grad_()\nh.pow(2).sum().backward()",
    "v = w.detach().clone().requires_grad_()\nv.sum().backward()",
    "a = torch.tensor(2.0, requires_grad=True)\na.backward()",
    "h = (w * x).detach().requires_grad_()\ng = torch.autograd.grad(h.pow(2).sum(), h)",
])  # fmt: skip
def test_leaves_made_on_purpose(cell: str) -> None:
    assert codes(record_cell(W + cell)) == []


# -- AG605 -------------------------------------------------------------------------------------
@pytest.mark.parametrize("step", [
    "w.round()", "torch.floor(w)", "w.ceil()", "torch.sign(w)", "w.trunc()", "w.sgn()", "w.fix()",
    "torch.div(w, 2, rounding_mode='floor')", "torch.bernoulli(w.clamp(0, 1))", "torch.round(w * 2) / 2",
])  # fmt: skip
def test_flat_step(step: str) -> None:
    trace = record_cell(f"{W}y = {step}\nloss = (y * x + b).sum()\nloss.backward()")
    (found,) = findings(trace)
    assert (found.code, found.severity, found.variant, lost(found)) == ("AG605", "warning", "", ["w"])
    assert line(trace, found, "made")[1] == 4
    made = {Graph(trace).object_name(c.object): c.after.value for c in trace.changes if c.after}
    assert made["b"] == [1, 1, 1] and made["w"] in ([0, 0, 0], None)  # None: zeros that take no memory


@pytest.mark.parametrize(("cell", "call"), [
    ("loss = torch.where(x > w, b + 1, b).sum()", "x > w"),
    ("loss = ((w * x).argmax().float() * (b + 1)).sum()", "argmax"),
    ("loss = ((w >= 0.5) * (b + 1)).sum()", "w >= 0.5"),
    ("loss = (b + 1).sum() + (w * x > 2).float().mean()", "w * x > 2"),
    ("loss = (w.long() * (b + 1)).sum()", "w.long()"),
])  # fmt: skip
def test_comparison_or_integer_between_leaf_and_loss(cell: str, call: str) -> None:
    trace = record_cell(f"{W}{cell}\nloss.backward()")
    (found,) = findings(trace)
    assert (found.code, found.severity, found.variant, lost(found)) == ("AG605", "warning", "integer", ["w"])
    assert call in found.data["call"]


@pytest.mark.parametrize("step", ["torch.heaviside(w, x)", "w // 2"])
def test_a_function_without_derivative(step: str) -> None:
    trace = record_cell(f"{W}y = {step}\ny.sum().backward()")
    (found,) = findings(trace)
    assert (found.code, found.severity, found.variant, lost(found)) == ("AG605", "error", "not_implemented", ["w"])


@pytest.mark.parametrize("cell", [
    "loss = (w - w.floor()).sum()",
    "loss = (w.sign() * w).sum()",
    "loss = (w * (w > 0)).sum()",
    "loss = (w * x)[(w * x).argmax()]",
    "loss = (w * x).sum() + (w.detach() > 0).sum()",
])  # fmt: skip
def test_flat_steps_beside_a_way_that_is_not(cell: str) -> None:
    assert codes(record_cell(f"{W}{cell}\nloss.backward()")) == []


# -- across cells ------------------------------------------------------------------------------
def test_cut_and_backward_in_one_cell_leaf_in_another() -> None:
    notebook = Notebook()
    notebook.run(W)
    trace = notebook.run("loss = ((w.data * x + b) ** 2).sum()\nloss.backward()")
    (found,) = findings(trace)
    assert (found.code, lost(found), line(trace, found, "cut")) == ("AG104", ["w"], (2, 1))


def test_a_leaf_that_learned_in_an_earlier_cell_is_not_lost() -> None:
    notebook = Notebook()
    notebook.run(f"{W}(w * x).sum().backward()")
    trace = notebook.run("loss = (w.exp().data * b).sum()\nloss.backward()")
    assert codes(trace) == []
