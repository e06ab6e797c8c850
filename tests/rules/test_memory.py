"""AG401 to AG403 in the forms in which people meet them, and correct code beside them."""

from __future__ import annotations

import pytest

from autograd_magics.rules import Finding
from autograd_magics.trace import Trace
from tests.recorded import Notebook, codes, findings, record_cell


def the(trace: Trace, code: str) -> Finding:
    (found,) = [f for f in findings(trace) if f.code == code]
    return found


def line(trace: Trace, finding: Finding, key: str = "here") -> int:
    return trace.places[finding.data[key]["place"]].line


# -- AG401 -------------------------------------------------------------------------------------
def test_kept_graph_names_its_holders_and_its_bytes() -> None:
    trace = record_cell("""
        x = torch.ones(1000, requires_grad=True)
        y = x.exp()
        z = (y * y).sum()
        z.backward(retain_graph=True)
    """)
    found = the(trace, "AG401")
    assert (found.severity, line(trace, found)) == ("note", 5)
    assert found.data["bytes"] == {"bytes": 4000}  # exp and mul both keep y: one block of memory
    assert found.data["names"] == {"names": ["y", "z"]}


def test_kept_graph_counts_only_what_is_still_alive() -> None:
    trace = record_cell("""
        x = torch.ones(1000, requires_grad=True)
        for i in range(3):
            loss = x.exp().sum()
            loss.backward(retain_graph=True)
            x.grad = None
    """)
    assert the(trace, "AG401").data["bytes"] == {"bytes": 4000}


@pytest.mark.parametrize("after", [
    "z.backward()",
    "torch.autograd.grad(z, x)",
    "z.grad_fn(torch.ones(()))",
    "del z, y",
    "z = z.item(); y = None",
])  # fmt: skip
def test_graph_that_is_used_again_or_let_go_is_fine(after: str) -> None:
    source = "x = torch.ones(3, requires_grad=True)\ny = x * x\nz = y.sum()\nz.backward(retain_graph=True)\n"
    assert "AG401" not in codes(record_cell(source + after))


def test_graph_kept_inside_a_function_is_gone_with_it() -> None:
    assert "AG401" not in codes(record_cell("""
        def slope(v):
            x = torch.tensor(v, requires_grad=True)
            (x * x).backward(retain_graph=True)
            return x.grad
        g = slope(2.0)
    """))  # fmt: skip


def test_create_graph_whose_graph_is_used_is_fine() -> None:
    source = "x = torch.ones(3, requires_grad=True)\ny = (x ** 3).sum()\n"
    source += "(g,) = torch.autograd.grad(y, x, create_graph=True)\n"
    assert codes(record_cell(source + "g.sum().backward()")) == []
    assert the(record_cell(source), "AG401").variant == "create"


# -- AG402 -------------------------------------------------------------------------------------
LOOP = """
w = torch.ones(3, requires_grad=True)
{before}
for i in range(1, 5):
    w.grad = None
    loss = (w * i).pow(2).sum()
    {first}
    loss.backward()
    {then}
"""


@pytest.mark.parametrize(("before", "first", "then", "name", "variant"), [
    ("total = 0", "", "total += loss", "total", "sum"),
    ("total = 0.0", "", "total = total + loss", "total", "sum"),
    ("total = 0", "total += loss", "", "total", "sum"),
    ("total = torch.zeros(())", "", "total += loss", "total", "sum"),
    ("total = 0", "", "total += loss * 8 / 4", "total", "sum_bytes"),
    ("total = 0", "", "total += loss.mean()", "total", "sum"),
    ("ema = 0", "", "ema = 0.9 * ema + 0.1 * loss", "ema", "sum_bytes"),
    ("log = {'loss': 0}", "", "log['loss'] += loss", "log['loss']", "sum"),
    ("losses = []", "", "losses.append(loss)", "losses", "list"),
    ("losses = []", "losses.append(loss)", "", "losses", "list"),
    ("log = {'loss': []}", "", "log['loss'].append(loss)", "log['loss']", "list"),
    ("losses = []", "", "losses.append(loss / 2)", "losses", "list"),
])  # fmt: skip
def test_history_that_grows(before: str, first: str, then: str, name: str, variant: str) -> None:
    trace = record_cell(LOOP.format(before=before, first=first or "pass", then=then or "pass"))
    found = the(trace, "AG402")
    assert found.severity == "warning" and found.data["name"] == name
    assert found.variant.removesuffix("_bytes") == variant.removesuffix("_bytes")
    assert found.data["times"] == 4 and found.data["nodes"] >= 3
    assert [f.code for f in findings(trace) if f.severity != "note"] == ["AG402"]


@pytest.mark.parametrize("then", [
    "total += loss.item()", "total += float(loss)", "total += loss.detach()", "losses.append(loss.item())",
    "losses.append(loss.detach())", "losses.append(loss.data)", "last = loss",
    "with torch.no_grad(): total += loss",
])  # fmt: skip
def test_numbers_taken_out_are_fine(then: str) -> None:
    assert codes(record_cell(LOOP.format(before="total, losses = 0, []", first="pass", then=then))) == []


def test_nodes_and_bytes_of_an_iteration() -> None:
    trace = record_cell("""
        w = torch.ones(1000, requires_grad=True)
        val = total = 0
        for i in range(4):
            w.grad = None
            loss = (w * 2).exp().sum()
            loss.backward(retain_graph=True)
            total += loss
    """)
    found = the(trace, "AG402")
    assert found.variant == "sum_bytes" and found.data["bytes"] == {"bytes": 4008}  # exp, and the 2
    assert found.data["nodes"] == 4  # mul, exp, sum, add


def test_sum_inside_a_function() -> None:
    trace = record_cell("""
        def epoch(w):
            running = 0.0
            for i in range(3):
                w.grad = None
                loss = (w * i).sum()
                loss.backward()
                running += loss
            return running / 3
        print(epoch(torch.ones(2, requires_grad=True)))
    """)
    found = the(trace, "AG402")
    assert found.data["name"] == "running" and line(trace, found) == 8 and found.data["term"] == "loss"


def test_validation_with_gradients_on_is_worth_a_note() -> None:
    trace = record_cell("""
        w = torch.ones(3, requires_grad=True)
        opt = torch.optim.SGD([w], lr=0.1)
        for epoch in range(2):
            opt.zero_grad()
            (w * w).sum().backward()
            opt.step()
            val = 0
            for i in range(1, 5):
                val += (w * i).pow(2).sum()
            print(val.item() / 4)
    """)
    found = the(trace, "AG402")
    assert (found.severity, found.variant) == ("note", "validation")


@pytest.mark.parametrize("cell", [
    # the sum is what backward is called on
    "total = 0\nfor i in range(4): total += (w * i).pow(2).sum()\ntotal.backward()",
    "losses = [(w * i).pow(2).sum() for i in range(4)]\nsum(losses).backward()",
    "losses = []\nfor i in range(4): losses.append((w * i).pow(2).sum())\ntorch.stack(losses).mean().backward()",
    # over a window, again and again
    "total = 0\nfor i in range(6):\n    total = total + (w * i).pow(2).sum()\n    if i % 3 == 2:\n"
    "        w.grad = None\n        total.backward()\n        total = 0",
    # a recurrent state
    "h, out = torch.zeros(3), []\nfor i in range(4):\n    h = h + torch.tanh(h * w)\n    out.append(h)\n"
    "torch.stack(out).sum().backward()",
    # not yet differentiated: the next cell may do so
    "total = 0\nfor i in range(4): total += (w * i).pow(2).sum()\nprint(total)",
    # several tasks, each with an inner step
    "meta = 0\nfor i in range(3):\n    (g,) = torch.autograd.grad((w * i).pow(2).sum(), w, create_graph=True)\n"
    "    meta = meta + ((w - 0.1 * g) ** 2).sum()",
])  # fmt: skip
def test_sums_that_are_meant(cell: str) -> None:
    assert "AG402" not in codes(record_cell("w = torch.ones(3, requires_grad=True)\n" + cell))


# -- AG403 -------------------------------------------------------------------------------------
@pytest.mark.parametrize("call", ["y.backward(create_graph=True)", "torch.autograd.backward(y, create_graph=True)",
                                  "y.backward(torch.ones(()), True, True)"])  # fmt: skip
def test_grad_with_a_graph_names_the_leaves(call: str) -> None:
    trace = record_cell(f"a, b = (torch.ones(2, requires_grad=True) for _ in range(2))\ny = (a * b).sum()\n{call}")
    (found,) = findings(trace)
    assert (found.code, found.severity, line(trace, found)) == ("AG403", "warning", 3)
    assert sorted(found.data["names"]["names"]) == ["a", "b"]


@pytest.mark.parametrize("after", ["x.grad = None", "x.grad = x.grad.detach()", "opt.zero_grad()"])
def test_grad_that_is_let_go_is_fine(after: str) -> None:
    trace = record_cell(f"""
        x = torch.ones(2, requires_grad=True)
        opt = torch.optim.SGD([x], lr=0.1)
        (x ** 3).sum().backward(create_graph=True)
        {after}
    """)
    assert "AG403" not in codes(trace)


def test_create_graph_of_a_linear_function_leaves_no_graph() -> None:
    source = "x = torch.ones(2, requires_grad=True)\n(x * 3).sum().backward(create_graph=True)"
    assert "AG403" not in codes(record_cell(source))


def test_a_loop_is_told_once() -> None:
    notebook = Notebook()
    trace = notebook.run("""
        x = torch.ones(2, requires_grad=True)
        for i in range(3):
            (x ** 3).sum().backward(create_graph=True)
    """)
    assert codes(trace).count("AG403") == 1
