"""The mistakes that lessons make on purpose, in the forms in which people make them, and correct code beside them."""

from __future__ import annotations

import pytest

from autograd_magics.graph import Graph
from autograd_magics.rules import Finding
from autograd_magics.trace import Trace
from tests.recorded import Notebook, codes, findings, record_cell


def line(trace: Trace, finding: Finding, key: str) -> tuple[int | None, int]:
    """(cell, line) of a place in a finding's data."""
    place = trace.places[finding.data[key]["place"]]
    return trace.sources[place.source].number, place.line


def name(trace: Trace, finding: Finding, key: str = "name") -> str | None:
    return Graph(trace).name(finding.data[key]["tensor"])


# -- AG101 -------------------------------------------------------------------------------------
def test_second_backward_names_node_and_both_lines() -> None:
    trace = record_cell("""
        x = torch.tensor(2.0, requires_grad=True)
        y = x * x
        y.backward()
        y.backward()
    """)
    (found,) = findings(trace)
    assert (found.code, found.severity) == ("AG101", "error")
    assert trace.nodes[found.data["node"]["node"]].name == "MulBackward0"
    assert [line(trace, found, key)[1] for key in ("here", "made", "freed")] == [5, 3, 4]


def test_graph_freed_in_an_earlier_cell_names_that_cell() -> None:
    notebook = Notebook()
    notebook.run("x = torch.tensor(2.0, requires_grad=True)\ny = x * x")
    notebook.run("y.backward()")
    trace = notebook.run("print('now')\ny.backward()")
    (found,) = findings(trace)
    assert found.code == "AG101"
    assert [line(trace, found, key) for key in ("here", "made", "freed")] == [(3, 2), (1, 2), (2, 1)]


def test_calling_a_grad_fn_whose_buffers_an_earlier_cell_freed() -> None:
    notebook = Notebook()
    notebook.run("x = torch.ones(3, requires_grad=True)\ny = torch.ones(3, requires_grad=True)\nz = x * y\n"
                 "z.sum().backward()")  # fmt: skip
    trace = notebook.run("v = torch.ones(3)\nz.grad_fn(v)")
    (found,) = findings(trace)
    assert (found.code, found.variant) == ("AG101", "direct")
    assert line(trace, found, "freed") == (1, 4) and line(trace, found, "made") == (1, 3)
    assert trace.nodes[found.nodes[0]].name == "MulBackward0"


def test_reading_freed_saved_tensors_through_a_name() -> None:
    trace = record_cell("""
        x = torch.ones(3, requires_grad=True)
        node = (x * x).grad_fn
        z = (x * x).sum()
        z.backward()
        late = z.grad_fn.next_functions[0][0]
        late._saved_self
    """)
    (found,) = findings(trace)
    assert found.code == "AG101" and line(trace, found, "freed")[1] == 5


def test_part_of_the_graph_built_before_the_loop() -> None:
    trace = record_cell("""
        w = torch.ones(2, requires_grad=True)
        shared = w * w
        for i in range(2):
            loss = (shared * i).sum()
            loss.backward()
    """)
    found = findings(trace)[0]
    assert found.code == "AG101"
    assert line(trace, found, "made")[1] == 3


def test_caught_second_backward_is_still_explained() -> None:
    assert codes(record_cell("""
        x = torch.tensor(2.0, requires_grad=True)
        y = x * x
        y.backward()
        try:
            y.backward()
        except RuntimeError as error:
            print(error)
    """)) == ["AG101"]  # fmt: skip


def test_two_backwards_over_nodes_that_save_nothing_are_fine() -> None:
    trace = record_cell("x = torch.ones(2, requires_grad=True)\ny = (x + 1).sum()\ny.backward()\ny.backward()")
    assert "AG101" not in codes(trace) and trace.failure is None


# -- AG102, AG103 ------------------------------------------------------------------------------
def test_backward_on_a_matrix() -> None:
    trace = record_cell("x = torch.ones(2, 3, requires_grad=True)\ny = x * 2\ny.backward()")
    (found,) = findings(trace)
    assert found.code == "AG102" and found.data["shape"] == {"shape": [2, 3]} and name(trace, found) == "y"


@pytest.mark.parametrize(
    ("cut", "variant"),
    [
        ("y = w.detach() * 2", "detach"),
        ("y = w.data * 2", "data"),
        ("with torch.no_grad():\n    y = w * 2", "no_grad"),
        ("with torch.inference_mode():\n    y = w * 2", "inference"),
        ("y = torch.tensor(w) * 2", "copy"),
        ("y = torch.tensor(w.sum().item())", "item"),
        ("v = w.sum().item()\ny = torch.tensor(v)", "item"),
        ("a = w.detach().numpy()\ny = torch.from_numpy(a * 2)", "detach"),
        ("y = w.argmax().float()", "integer"),
    ],
)
def test_where_the_graph_was_cut(cut: str, variant: str) -> None:
    trace = record_cell(f"w = torch.ones(3, requires_grad=True)\n{cut}\nloss = y.sum()\nloss.backward()")
    (found,) = findings(trace)
    assert (found.code, found.variant) == ("AG103", variant)
    assert name(trace, found) == "loss" and line(trace, found, "cut")[1] in (2, 3)
    assert name(trace, found, "source") in ("w", None)


def test_nothing_requires_grad() -> None:
    trace = record_cell("a = torch.ones(2)\nb = torch.ones(2)\nloss = (a * b).sum()\nloss.backward()")
    (found,) = findings(trace)
    assert (found.code, found.variant) == ("AG103", "no_leaf")
    assert found.data["inputs"] == {"names": ["a", "b"]}


# -- AG201, AG204 ------------------------------------------------------------------------------
def test_grad_of_a_result_names_the_leaves_meant() -> None:
    trace = record_cell("""
        a = torch.ones(2, requires_grad=True)
        b = torch.ones(2, requires_grad=True)
        y = a * b
        y.sum().backward()
        y.grad
    """)
    (found,) = findings(trace)
    assert found.code == "AG201" and sorted(found.data["leaves"]["names"]) == ["a", "b"]
    assert found.data["node"] == "MulBackward0"


def test_retain_grad_in_an_earlier_cell_keeps_silent() -> None:
    notebook = Notebook()
    notebook.run("x = torch.ones(2, requires_grad=True)\ny = x * 2\ny.retain_grad()")
    trace = notebook.run("y.sum().backward()\nprint(y.grad)")
    assert codes(trace) == []
    y = trace.tensors[trace.accesses[0].tensor].object
    (kept,) = [c for c in trace.changes if c.object == y]
    assert kept.kind == "accumulated" and kept.after is not None and kept.after.value == [1, 1]


def test_zeroing_before_any_backward() -> None:
    trace = record_cell("x = torch.ones(2, requires_grad=True)\nx.grad.zero_()")
    (found,) = findings(trace)
    assert (found.code, found.variant, name(trace, found)) == ("AG204", "no_backward", "x")


def test_gradient_set_to_none_too_early() -> None:
    trace = record_cell("""
        x = torch.ones(2, requires_grad=True)
        x.sum().backward()
        x.grad = None
        g = x.grad
        step = g * 0.1
    """)
    (found,) = findings(trace)
    assert (found.code, found.variant) == ("AG204", "cleared")
    assert line(trace, found, "there")[1] == 4 and line(trace, found, "here")[1] == 6


def test_leaf_that_the_backward_did_not_reach() -> None:
    trace = record_cell("""
        a = torch.ones(2, requires_grad=True)
        b = torch.ones(2, requires_grad=True)
        (a * 2).sum().backward()
        b.grad.zero_()
    """)
    (found,) = findings(trace)
    assert (found.code, found.variant) == ("AG204", "not_reached")


# -- AG202 -------------------------------------------------------------------------------------
def test_loop_without_zeroing() -> None:
    trace = record_cell("""
        x = torch.tensor(1.0, requires_grad=True)
        for i in range(1, 5):
            y = i * x
            y.backward()
            print(x.grad)
    """)
    (found,) = findings(trace)
    assert (found.code, found.severity, found.variant) == ("AG202", "warning", "repeated_of")
    assert (found.data["times"], found.data["all"]) == (3, 4)  # the first backward added to nothing
    assert [c.after.value for c in trace.changes if c.after] == [1, 3, 6, 10]


@pytest.mark.parametrize("zeroing", ["x.grad = None", "if x.grad is not None: x.grad.zero_()",
                                     "if x.grad is not None: x.grad.data.zero_()",
                                     "optimizer.zero_grad()", "optimizer.zero_grad(set_to_none=False)"])  # fmt: skip
def test_loop_with_zeroing(zeroing: str) -> None:
    trace = record_cell(f"""
        x = torch.tensor(1.0, requires_grad=True)
        optimizer = torch.optim.SGD([x], lr=0.0)
        for i in range(1, 5):
            {zeroing}
            y = i * x
            y.backward()
            print(x.grad)
    """)
    assert codes(trace) == []
    assert [c.after.value for c in trace.changes if c.kind == "accumulated" and c.after] == [1, 2, 3, 4]


def test_the_same_cell_run_twice() -> None:
    notebook = Notebook()
    notebook.run("w = torch.ones(1, requires_grad=True)")
    cell = "J = (w * 3).sum()\nJ.backward()"
    notebook.run(cell)
    trace = notebook.run(cell)
    (found,) = findings(trace)
    assert (found.code, found.severity, found.variant) == ("AG202", "warning", "earlier")
    assert line(trace, found, "was") == (2, 2) and line(trace, found, "here") == (3, 2)
    assert found.data["before"]["gradient"]["value"] == [3] and found.data["after"]["gradient"]["value"] == [6]


def test_training_without_zeroing_is_found_by_its_steps() -> None:
    assert codes(record_cell("""
        w = torch.ones(3, requires_grad=True)
        optimizer = torch.optim.SGD([w], lr=0.1)
        for i in range(3):
            loss = (w * w).sum()
            loss.backward()
            optimizer.step()
    """)) == ["AG202"]  # fmt: skip


def test_gradient_accumulation_over_micro_batches_is_meant() -> None:
    assert codes(record_cell("""
        w = torch.ones(3, requires_grad=True)
        optimizer = torch.optim.SGD([w], lr=0.1)
        for step in range(2):
            for micro in range(4):
                loss = (w * w).sum() / 4
                loss.backward()
            optimizer.step()
            optimizer.zero_grad()
    """)) == []  # fmt: skip


# -- AG203, AG301, AG302 -----------------------------------------------------------------------
def test_rebinding_a_leaf_is_the_cause_and_comes_first() -> None:
    trace = record_cell("""
        x = torch.tensor([1.0, 2.0])
        w = torch.ones(2, requires_grad=True)
        for i in range(2):
            loss = ((x * w) ** 2).sum()
            loss.backward()
            w = w - 0.1 * w.grad
    """)
    found = findings(trace)
    assert [f.code for f in found][0] == "AG203" and "AG204" in [f.code for f in found]
    assert all(f.because == "AG203" for f in found[1:])
    assert found[0].severity == "error" and found[0].data["name"] == "w"
    assert line(trace, found[0], "here")[1] == 7 and line(trace, found[0], "leaf")[1] == 3


def test_rebinding_across_cells() -> None:
    notebook = Notebook()
    notebook.run("w = torch.ones(2, requires_grad=True)")
    notebook.run("(w * w).sum().backward()")
    assert codes(notebook.run("w = w - 0.1 * w.grad")) == ["AG203"]


@pytest.mark.parametrize("cell", [
    "w = (w - 0.1 * w.grad).detach().requires_grad_()",
    "w = w - 0.1 * w.grad\n    w = w.detach().requires_grad_()",
    "w = torch.tensor(w - 0.1 * w.grad, requires_grad=True)",
])  # fmt: skip
def test_leaves_made_anew_are_fine(cell: str) -> None:
    trace = record_cell(f"""
w = torch.ones(2, requires_grad=True)
for i in range(3):
    loss = (w * w).sum()
    loss.backward()
    {cell}
    """)
    assert codes(trace) == [] and trace.failure is None


def test_meta_learning_step_is_fine() -> None:
    assert codes(record_cell("""
        w = torch.ones(2, requires_grad=True)
        fast = w
        for i in range(2):
            inner = (fast * fast).sum()
            (g,) = torch.autograd.grad(inner, fast, create_graph=True)
            fast = fast - 0.1 * g
        (fast ** 2).sum().backward()
    """)) == []  # fmt: skip


def test_in_place_update_of_a_leaf() -> None:
    trace = record_cell("w = torch.ones(2, requires_grad=True)\n(w * w).sum().backward()\nw -= 0.1 * w.grad")
    (found,) = findings(trace)
    assert found.code == "AG301" and found.data["call"] == "sub_" and line(trace, found, "here")[1] == 3


def test_saved_tensor_changed_names_both_lines_and_versions() -> None:
    trace = record_cell("""
        x = torch.ones(2, requires_grad=True)
        y = x.exp()
        z = y * 3
        y.add_(1)
        z2 = y.sum() + z.sum()
        z2.backward()
    """)
    (found,) = findings(trace)
    assert found.code == "AG302"
    assert [line(trace, found, key)[1] for key in ("made", "changed", "here")] == [3, 5, 7]
    assert (found.data["saved_version"], found.data["version"], found.data["slot"]) == (0, 1, "result")


def test_change_in_an_earlier_cell() -> None:
    notebook = Notebook()
    notebook.run("x = torch.ones(2, requires_grad=True)\ny = x * 2\nz = y * y")
    notebook.run("y += 1")
    trace = notebook.run("z.sum().backward()")
    (found,) = findings(trace)
    assert found.code == "AG302"


# -- causes in earlier cells -------------------------------------------------------------------
def test_change_in_an_earlier_cell_is_named() -> None:
    notebook = Notebook()
    notebook.run("x = torch.ones(2, requires_grad=True)\ny = x * 2\nz = y * y")
    notebook.run("a = 1\ny += 1")
    trace = notebook.run("z.sum().backward()")
    (found,) = findings(trace)
    assert line(trace, found, "changed") == (2, 2) and line(trace, found, "made") == (1, 3)
    assert (found.data["saved_version"], found.data["version"], found.data["call"]) == (0, 1, "add_")


def test_cut_in_an_earlier_cell_is_named() -> None:
    notebook = Notebook()
    notebook.run("w = torch.ones(2, requires_grad=True)\ny = w.detach()\ny2 = y * 2")
    trace = notebook.run("loss = y2.sum()\nloss.backward()")
    (found,) = findings(trace)
    assert (found.code, found.variant) == ("AG103", "detach")
    assert line(trace, found, "cut") == (1, 2) and found.data["source"] == "w"


def test_gradient_cleared_in_an_earlier_cell_is_named() -> None:
    notebook = Notebook()
    notebook.run("w = torch.ones(2, requires_grad=True)\nw.sum().backward()")
    notebook.run("w.grad = None")
    trace = notebook.run("w.grad.zero_()")
    (found,) = findings(trace)
    assert (found.code, found.variant) == ("AG204", "cleared") and line(trace, found, "there") == (2, 1)


def test_leaf_of_an_earlier_cell_is_named() -> None:
    notebook = Notebook()
    notebook.run("b = 1\nw = torch.ones(2, requires_grad=True)")
    trace = notebook.run("w -= 0.1")
    (found,) = findings(trace)
    assert found.code == "AG301"
    assert [trace.sources[trace.places[p].source].number for p in found.places] == [2, 1]


def test_result_of_an_earlier_cell_is_named() -> None:
    notebook = Notebook()
    notebook.run("x = torch.ones(2, requires_grad=True)\ny = x * 2")
    trace = notebook.run("y.sum().backward()\ny.grad")
    (found,) = findings(trace)
    assert found.code == "AG201"
    assert [trace.sources[trace.places[p].source].number for p in found.places] == [2, 1]


def test_a_loop_that_zeroes_some_times_is_counted_as_it_runs() -> None:
    trace = record_cell("""
        x = torch.tensor(1.0, requires_grad=True)
        for i in range(1, 7):
            if i == 4:
                x.grad = None
            (i * x).backward()
            x.grad.norm()
    """)
    (found,) = findings(trace)
    assert (found.variant, found.data["times"], found.data["all"]) == ("repeated_of", 4, 6)  # the third as well
