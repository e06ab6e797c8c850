"""AG205 and AG303: gradients thrown away, and values changed where autograd cannot see it."""

from __future__ import annotations

import pytest

from autograd_magics import Report
from autograd_magics.graph import Graph
from autograd_magics.rules import Finding
from autograd_magics.rules.updates import OF_VALUE
from autograd_magics.story import VALUE_KINDS
from autograd_magics.trace import Trace
from autograd_magics.views.languages import multilingual, spoken
from autograd_magics.views.payload import payload
from tests.recorded import Notebook, codes, findings, record_cell

SEED = """
x = torch.tensor([1.0, 2.0])
w = torch.ones(2, requires_grad=True)
lr = 0.1
J = (x * w).pow(2).sum()
J.backward()
w.grad.zero_()
w.data = w.data - lr * w.grad.data
"""


def lines(trace: Trace, finding: Finding, *keys: str) -> list[int]:
    return [trace.places[finding.data[key]["place"]].line for key in keys]


def summary(trace: Trace) -> list[tuple[str, str, str]]:
    return [(f.code, f.severity, f.variant) for f in findings(trace)]


# -- AG205 -------------------------------------------------------------------------------------
def test_zeroed_between_backward_and_the_update_by_hand() -> None:
    trace = record_cell(SEED)
    assert summary(trace) == [("AG205", "warning", ""), ("AG303", "note", "update")]
    found = findings(trace)[0]
    assert lines(trace, found, "backward", "zeroing", "here") == [6, 7, 8]
    assert found.data["before"]["gradient"]["value"] == [2, 8] and found.data["names"] == {"names": ["w"]}


def test_seed_in_a_loop_in_which_the_loss_does_not_move() -> None:
    trace = record_cell("""
        x = torch.tensor([1.0, 2.0])
        w = torch.ones(2, requires_grad=True)
        for i in range(3):
            J = (x * w).pow(2).sum()
            J.backward()
            w.grad.zero_()
            w.data = w.data - 0.1 * w.grad.data
    """)
    assert summary(trace) == [("AG205", "warning", ""), ("AG303", "note", "update")]
    losses = [t.value for t in trace.tensors for n in trace.names if n.tensor == t.id and n.name == "J"]
    assert losses == [5, 5, 5]


@pytest.mark.parametrize("zeroing", ["w.grad.zero_()", "w.grad.data.zero_()", "w.grad.fill_(0)", "w.grad *= 0",
                                     "optimizer.zero_grad(set_to_none=False)"])  # fmt: skip
@pytest.mark.parametrize("update", ["w.data -= 0.1 * w.grad", "w.data.add_(w.grad, alpha=-0.1)",
                                    "with torch.no_grad():\n    w -= 0.1 * w.grad",
                                    "step = 0.1 * w.grad\nw.data.sub_(step)", "optimizer.step()"])  # fmt: skip
def test_every_zeroing_before_every_update(zeroing: str, update: str) -> None:
    trace = record_cell(f"w = torch.ones(2, requires_grad=True)\noptimizer = torch.optim.SGD([w], lr=0.1)\n"
                        f"w.pow(2).sum().backward()\n{zeroing}\n{update}")  # fmt: skip
    found = [f for f in findings(trace) if f.severity != "note"]
    assert [(f.code, f.variant) for f in found] == [("AG205", "optimizer" if "step()" in update else "")]
    assert lines(trace, found[0], "backward", "zeroing") == [3, 4]


def test_zeros_assigned_to_the_gradient() -> None:
    trace = record_cell("""
        w = torch.ones(2, requires_grad=True)
        w.pow(2).sum().backward()
        w.grad = torch.zeros_like(w)
        with torch.no_grad():
            w -= 0.1 * w.grad
    """)
    assert summary(trace) == [("AG205", "warning", "")]


@pytest.mark.parametrize("optimizer", ["SGD([w], lr=0.1)", "Adam([w], lr=0.1)", "SGD([w], lr=0.1, momentum=0.9)"])
def test_optimizer_that_passes_over_what_was_cleared(optimizer: str) -> None:
    trace = record_cell(f"""
        w = torch.ones(2, requires_grad=True)
        optimizer = torch.optim.{optimizer}
        for i in range(3):
            loss = w.pow(2).sum()
            loss.backward()
            optimizer.zero_grad()
            optimizer.step()
    """)
    (found,) = findings(trace)
    assert (found.code, found.variant) == ("AG205", "skipped")
    assert lines(trace, found, "backward", "zeroing", "here") == [6, 7, 8]


def test_all_parameters_in_one_finding() -> None:
    trace = record_cell("""
        model = torch.nn.Linear(2, 1)
        optimizer = torch.optim.Adam(model.parameters())
        model(torch.ones(3, 2)).sum().backward()
        model.zero_grad()
        optimizer.step()
    """)
    (found,) = findings(trace)
    assert found.data["names"] == {"names": ["model.weight", "model.bias"]}


def test_backward_in_one_cell_zeroing_and_update_in_another() -> None:
    notebook = Notebook()
    notebook.run("w = torch.ones(2, requires_grad=True)\nw.pow(2).sum().backward()")
    trace = notebook.run("w.grad.zero_()\nwith torch.no_grad():\n    w -= 0.1 * w.grad")
    (found,) = findings(trace)
    place = trace.places[found.data["backward"]["place"]]
    assert found.code == "AG205" and (trace.sources[place.source].number, place.line) == (1, 2)


MADE = "w = torch.ones(2, requires_grad=True)\nother = torch.ones(2, requires_grad=True)\n" \
       "optimizer = torch.optim.SGD([w], lr=0.1)"
BACKWARD = "loss = (w * w).sum()\nloss.backward()"
SMALL_STEP = "with torch.no_grad():\n    w -= 0.1 * w.grad"
ZERO = "optimizer.zero_grad(set_to_none=False)"


def last_of(*cells: str) -> Trace:
    """The trace of the last of some recorded cells."""
    notebook = Notebook()
    for cell in (MADE, *cells):
        trace = notebook.run(cell)
    assert notebook.errors == [None] * (len(cells) + 1)
    return trace


@pytest.mark.parametrize("zeroing", ["w.grad.zero_()", "w.grad.data.zero_()", "w.grad *= 0", ZERO,
                                     "w.grad = torch.zeros(2)"])  # fmt: skip
@pytest.mark.parametrize(("update", "variant"), [
    (SMALL_STEP, ""), ("w.data -= 0.1 * w.grad", ""), ("optimizer.step()", "optimizer"),
])  # fmt: skip
def test_backward_zeroing_and_step_in_cells_of_their_own(zeroing: str, update: str, variant: str) -> None:
    trace = last_of(BACKWARD, zeroing, update)
    (found,) = [f for f in findings(trace) if f.severity != "note"]
    assert (found.code, found.variant) == ("AG205", variant)
    assert found.data["backward"] == {"past": {"cell": 2, "file": None, "line": 2}}
    assert found.data["zeroing"] == {"past": {"cell": 3, "file": None, "line": 1}}
    assert found.data["before"]["gradient"]["value"] == [2, 2] and found.data["names"] == {"names": ["w"]}
    assert trace.places[found.places[-1]].source == trace.source
    text = " ".join(Report(trace, lang="en").to_text().split())
    assert "backward at line 2 of In [2] was [2 2] and was zeroed at line 1 of In [3], before" in text


@pytest.mark.parametrize("lang", ["en", "es", "pt_BR", "zh_CN"])
def test_lines_of_earlier_cells_in_every_language(lang: str) -> None:
    report = Report(last_of(BACKWARD, "w.grad.zero_()", SMALL_STEP), lang=lang)
    told = payload(report)["findings"]
    assert spoken(multilingual(report), lang)["findings"] == told
    assert all(f"In [{cell}]" in told[0]["message"] for cell in (2, 3))


def test_parameters_of_a_layer_in_cells_of_their_own() -> None:
    notebook = Notebook()
    notebook.run("model = torch.nn.Linear(30, 2)\noptimizer = torch.optim.Adam(model.parameters())")
    notebook.run("model(torch.ones(3, 30)).sum().backward()")
    notebook.run("model.zero_grad(set_to_none=False)")
    (found,) = findings(notebook.run("optimizer.step()"))
    assert found.code == "AG205" and found.data["names"] == {"names": ["model.weight", "model.bias"]}


@pytest.mark.parametrize("cells", [
    [ZERO, "loss = (w * w).sum()", "loss.backward()", "optimizer.step()"],
    [BACKWARD, "optimizer.step()", ZERO, BACKWARD, "optimizer.step()"],
    [BACKWARD, "optimizer.step()", ZERO, "optimizer.step()"],  # used before it was zeroed
    [BACKWARD, "w.grad.zero_()", BACKWARD, SMALL_STEP],
    [BACKWARD, "w.grad.zero_()", BACKWARD + "\n" + SMALL_STEP],
    [BACKWARD, "g = w.grad.clone()", "w.grad.zero_()", "with torch.no_grad():\n    w -= g"],
    [BACKWARD, "g = w.grad.clone()", "w.grad.zero_()", "w.grad.copy_(g)", "optimizer.step()"],
    [BACKWARD, "w.grad.zero_()", "(other * 2).sum().backward()", "torch.optim.SGD([w, other], lr=0.1).step()"],
    [BACKWARD, "w.grad[0] = 0", SMALL_STEP],
    [BACKWARD, "w.grad.zero_()", "print(w.grad)\nwith torch.no_grad():\n    w -= 0.1"],
], ids=str)  # fmt: skip
def test_silent_over_several_cells(cells: list[str]) -> None:
    assert "AG205" not in codes(last_of(*cells))


@pytest.mark.parametrize(("when", "unwatched"), [
    (1, "optimizer.step()"), (1, "w.data += 1"), (2, "w.data += 1"), (2, "w.grad += 1"), (2, "w.sum().backward()"),
])  # fmt: skip
def test_silent_where_nobody_watched_in_between(when: int, unwatched: str) -> None:
    notebook = Notebook()
    notebook.run(MADE)
    for i, cell in enumerate([BACKWARD, "w.grad.zero_()", SMALL_STEP]):
        if i == when:
            exec(unwatched, notebook.namespace)
        trace = notebook.run(cell)
    assert "AG205" not in codes(trace)


def test_silent_where_calls_were_left_out() -> None:
    notebook = Notebook()
    for cell in (MADE, BACKWARD, "w.grad.zero_()"):
        notebook.run(cell)
    trace = notebook.run(SMALL_STEP + "\ny = w * 2\nz = y * 2", limit=2)
    assert trace.dropped > 0 and "AG205" not in codes(trace)


def test_kinds_of_pages() -> None:
    assert OF_VALUE == VALUE_KINDS


@pytest.mark.parametrize("body", [
    "w.data -= 0.1 * w.grad\n    w.grad.zero_()",
    "g = w.grad.clone()\n    w.grad.zero_()\n    w.data -= 0.1 * g",
    "step = 0.1 * w.grad\n    w.grad = None\n    w.data -= step",
    "with torch.no_grad():\n        w -= 0.1 * w.grad\n        w.grad.zero_()",
    "optimizer.step()\n    optimizer.zero_grad()\n    optimizer.zero_grad()",
    "optimizer.step()\n    optimizer.zero_grad(set_to_none=False)",
    "w.grad.clamp_(-1, 1)\n    optimizer.step()\n    optimizer.zero_grad()",
])  # fmt: skip
def test_zeroing_at_the_right_place(body: str) -> None:
    trace = record_cell(f"""
w = torch.ones(2, requires_grad=True)
optimizer = torch.optim.SGD([w], lr=0.1)
for i in range(3):
    w.pow(2).sum().backward()
    {body}
""")
    assert [f for f in findings(trace) if f.severity != "note"] == [] and trace.failure is None


def test_a_broken_gradient_thrown_away_on_purpose() -> None:
    assert codes(record_cell("""
        w = torch.zeros(2, requires_grad=True)
        optimizer = torch.optim.SGD([w], lr=0.1)
        (w / w).sum().backward()
        if not w.grad.isfinite().all():
            optimizer.zero_grad()
        optimizer.step()
    """)).count("AG205") == 0  # fmt: skip


# -- AG202 where others' gradients are a by-product ----------------------------------------------
def test_gradients_that_the_loss_of_another_part_brought() -> None:
    cell = """
        G, D = torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)
        for i in range(2):
            fake = G * torch.tensor([1.0, 2.0])
            (fake.detach() * D).sum().backward()
            with torch.no_grad():
                D -= 0.1 * D.grad
            (fake * D).sum().backward()
            with torch.no_grad():
                G -= 0.1 * G.grad
            G.grad = None
            {zeroing}
    """
    assert codes(record_cell(cell.format(zeroing="D.grad = None"))) == []
    assert "AG202" in codes(record_cell(cell.format(zeroing="pass")))


# -- AG303 -------------------------------------------------------------------------------------
@pytest.mark.parametrize("change", [
    "y.data.add_(1)", "y.data[0] = 5", "y.data = y.data + 1", "y.data -= 1", "y.data.mul_(2).add_(1)",
    "v = y.data\nv += 1", "y.data.view(-1)[1:].zero_()",
])  # fmt: skip
def test_a_saved_tensor_changed_through_data(change: str) -> None:
    trace = record_cell(f"w = torch.ones(2, requires_grad=True)\ny = w * 2\nz = y.pow(2).sum()\n{change}\nz.backward()")
    (found,) = findings(trace)
    assert (found.code, found.severity, found.variant) == ("AG303", "warning", "")
    assert lines(trace, found, "made", "here") == [3, 5 + change.count("\n")]
    assert Graph(trace).name(found.data["name"]["tensor"]) == "y" and found.data["leaves"] == {"names": ["w"]}


def test_weights_updated_between_forward_and_backward() -> None:
    trace = record_cell("""
        w = torch.ones(2, requires_grad=True)
        a, b = w.pow(2).sum(), w.pow(3).sum()
        a.backward()
        w.data -= 0.1 * w.grad
        w.grad = None
        b.backward()
    """)
    (found,) = findings(trace)
    assert (found.code, found.severity) == ("AG303", "warning")
    assert lines(trace, found, "made", "changed", "here") == [3, 5, 7]


def test_only_the_gradients_that_are_wrong_are_named() -> None:
    trace = record_cell("""
        a = torch.ones(2, requires_grad=True)
        b = torch.ones(2, requires_grad=True)
        loss = (a * b).sum()
        a.data.fill_(7)
        loss.backward()
    """)
    (found,) = findings(trace)
    assert found.data["leaves"] == {"names": ["b"]}
    grads = {Graph(trace).object_name(c.object): c.after.value for c in trace.changes if c.after}
    assert grads == {"a": [1, 1], "b": [7, 7]}  # 1 would be right


@pytest.mark.parametrize("change", [
    "kept = y.data.clone()\ny.data.zero_()\ny.data.copy_(kept)",
    "kept = y.data\ny.data = kept * 0\ny.data = kept",
    "y.data.mul_(1)",
])  # fmt: skip
def test_a_value_that_was_put_back(change: str) -> None:
    assert codes(record_cell(
        f"w = torch.ones(2, requires_grad=True)\ny = w * 2\nz = y.pow(2).sum()\n{change}\nz.backward()"
    )) == []  # fmt: skip


@pytest.mark.parametrize("cell", [
    "y = w * 2\ny.data.zero_()\n(y + 1).sum().backward()",
    "y = w.exp()\nz = y.sum()\nz.backward()\ny.data.zero_()",
    "a = torch.ones(2, requires_grad=True)\nloss = (w * a).sum()\nw.data.zero_()\ntorch.autograd.grad(loss, w)",
    "y = w.exp()\nz = y.sum()\ny.data = torch.zeros(2)\nz.backward()",
])  # fmt: skip
def test_changes_of_what_backward_does_not_need(cell: str) -> None:
    assert codes(record_cell(f"w = torch.ones(2, requires_grad=True)\n{cell}")) == []


def test_what_pytorch_itself_notices_is_not_told_twice() -> None:
    trace = record_cell("""
        w = torch.ones(2, requires_grad=True)
        y = w * 2
        z = y.pow(2).sum()
        y.data.add_(1)
        y.add_(1)
        z.backward()
    """)
    assert codes(trace) == ["AG302"]


@pytest.mark.parametrize("update", ["w.data -= 0.1 * w.grad", "w.data = w.data - 0.1 * w.grad.data",
                                    "w.data.sub_(0.1 * w.grad)", "w.data.add_(w.grad, alpha=-0.1)"])  # fmt: skip
def test_an_update_through_data_is_one_note(update: str) -> None:
    trace = record_cell(f"""
        w = torch.ones(2, requires_grad=True)
        for i in range(3):
            w.pow(2).sum().backward()
            {update}
            w.grad = None
    """)
    (found,) = findings(trace)
    assert (found.code, found.severity, found.variant) == ("AG303", "note", "update")
    assert lines(trace, found, "changed") == [5]


@pytest.mark.parametrize("cell", ["w.data.fill_(0.5)", "w.data.clamp_(-1, 1)", "w.data = torch.zeros(2)"])
def test_values_set_through_data_are_not_noted(cell: str) -> None:
    assert codes(record_cell(f"w = torch.ones(2, requires_grad=True)\n{cell}\nw.pow(2).sum().backward()")) == []


@pytest.mark.parametrize(("sharing", "variant"), [
    ("y = w * 2\nz = y.pow(2).sum()\na = y.detach().numpy()\na[0] = 7", "numpy"),
    ("y = w * 2\na = np.asarray(y.detach())\nz = y.pow(2).sum()\na *= 3", "numpy"),
    ("a = np.ones(2, dtype=np.float32)\ny = torch.from_numpy(a)\nz = (y * w).sum()\na += 1", "array"),
])  # fmt: skip
def test_written_through_an_array(sharing: str, variant: str) -> None:
    trace = record_cell(f"import numpy as np\nw = torch.ones(2, requires_grad=True)\n{sharing}\nz.backward()")
    (found,) = findings(trace)
    assert (found.code, found.severity, found.variant) == ("AG303", "warning", variant)
    assert Graph(trace).name(found.data["name"]["tensor"]) == "y" and found.data["leaves"] == {"names": ["w"]}


@pytest.mark.parametrize("cell", [
    "y = w * 2\nz = y.pow(2).sum()\nprint(y.detach().numpy())\nz.backward()",
    "y = w * 2\nz = y.pow(2).sum()\na = y.detach().numpy().copy()\na[0] = 7\nz.backward()",
    "y = w * 2\ny.pow(2).sum().backward()\na = y.detach().numpy()\na[0] = 7\nw.grad = None\n(w * 2).sum().backward()",
    "a = np.zeros(2, dtype=np.float32)\ny = torch.from_numpy(a)\nfor i in range(3):\n    a[:] = i\n"
    "    (y * w).pow(2).sum().backward()\n    w.grad = None",
    "a = np.full(2, np.nan, dtype=np.float32)\ny = torch.from_numpy(a)\n(y.nan_to_num() * w).sum().backward()",
    "a = np.ones(2, dtype=np.float32)\ny = torch.from_numpy(a)\nz = (y + w).sum()\na += 1\nz.backward()",
])  # fmt: skip
def test_arrays_that_do_no_harm(cell: str) -> None:
    trace = record_cell(f"import numpy as np\nw = torch.ones(2, requires_grad=True)\n{cell}")
    assert [f for f in findings(trace) if f.severity != "note"] == [] and trace.failure is None
