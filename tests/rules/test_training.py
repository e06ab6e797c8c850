"""AG701 and AG702: optimizers at the wrong moment and over the wrong parameters, and training loops that are right."""

from __future__ import annotations

import pytest

from autograd_magics.graph import Graph
from autograd_magics.rules import Finding
from autograd_magics.trace import Trace
from tests.recorded import Notebook, codes, findings, record_cell

SETUP = """w = torch.ones(3, requires_grad=True)
b = torch.ones(3, requires_grad=True)
opt = torch.optim.SGD([w], lr=0.1)
"""


def loop(body: str, setup: str = SETUP, times: int = 3) -> Trace:
    lines = "\n".join(f"    {line}" for line in body.split("; "))
    return record_cell(f"{setup}for i in range({times}):\n{lines}\n")


def training(trace: Trace) -> list[Finding]:
    return [f for f in findings(trace) if f.code in ("AG701", "AG702")]


def line(trace: Trace, finding: Finding, key: str = "here") -> int:
    return trace.places[finding.data[key]["place"]].line


# -- AG701 -------------------------------------------------------------------------------------
def test_step_before_backward_names_both_lines() -> None:
    trace = loop("opt.zero_grad(); loss = (w * w).sum(); opt.step(); loss.backward()")
    (found,) = training(trace)
    assert (found.code, found.severity, found.variant, found.data["name"]) == ("AG701", "warning", "before", "opt")
    assert (line(trace, found), line(trace, found, "there")) == (7, 8)
    assert Graph(trace).name(found.tensors[0]) == "w"


def test_no_backward_at_all() -> None:
    trace = loop("opt.zero_grad(); loss = (w * w).sum(); opt.step()")
    (found,) = training(trace)
    assert (found.severity, found.variant, found.data["times"]) == ("warning", "never", 3)


def test_gradients_computed_but_not_stored() -> None:
    trace = loop("loss = (w * w).sum(); (g,) = torch.autograd.grad(loss, w); opt.step()")
    assert [(f.code, f.variant) for f in training(trace)] == [("AG701", "never")]


def test_two_steps_for_one_backward() -> None:
    trace = loop("opt.zero_grad(); (w * w).sum().backward(); opt.step(); opt.step()")
    (found,) = training(trace)
    assert (found.severity, found.variant, found.data["times"]) == ("warning", "again", 3)
    assert (line(trace, found), line(trace, found, "there")) == (8, 7)


def test_step_after_the_loop() -> None:
    trace = record_cell(SETUP + "(w * w).sum().backward()\nopt.step()\nopt.zero_grad()\nopt.step()")
    assert [(f.code, f.variant) for f in training(trace)] == [("AG701", "repeated")]


def test_an_early_step_that_initialises_is_a_note() -> None:
    setup = SETUP + "scheduler = torch.optim.lr_scheduler.StepLR(opt, 1)\nopt.step()\n"
    trace = loop("opt.zero_grad(); (w * w).sum().backward(); opt.step(); scheduler.step()", setup)
    assert [(f.code, f.severity, f.variant) for f in training(trace)] == [("AG701", "note", "before")]


@pytest.mark.parametrize("body", [
    "opt.zero_grad(); (w * w).sum().backward(); opt.step()",
    "(w * w).sum().backward(); opt.step(); opt.zero_grad()",
    "(w * w).sum().backward(); opt.step(); w.grad = None",
    "opt.zero_grad(set_to_none=False); (w * w).sum().backward(); opt.step()",
    # gradients made by hand
    "w.grad = torch.autograd.grad((w * w).sum(), w)[0]; opt.step()",
    "w.grad = torch.ones(3); opt.step()",
    # clipped, scaled, looked at
    "opt.zero_grad(); (w * w).sum().backward(); torch.nn.utils.clip_grad_norm_([w], 1.0); opt.step()",
    # every other time
    "(w * w).sum().backward(); q = (opt.step(), opt.zero_grad()) if i % 2 else None",
    # several backward passes for a step
    "opt.zero_grad(); (w * w).sum().backward(); w.sum().backward(); opt.step()",
])  # fmt: skip
def test_training_loops_that_are_right(body: str) -> None:
    trace = loop(body, times=4)
    assert training(trace) == [] and trace.failure is None


def test_closure_runs_the_backward_inside_the_step() -> None:
    trace = record_cell("""
        w = torch.ones(2, requires_grad=True)
        opt = torch.optim.LBFGS([w], max_iter=3)
        def closure():
            opt.zero_grad()
            loss = (w * w).sum()
            loss.backward()
            return loss
        for i in range(2):
            opt.step(closure)
    """)
    assert training(trace) == []


def test_backward_and_step_in_cells_of_their_own() -> None:
    notebook = Notebook()
    cells = [SETUP, "loss = (w * w).sum()\nloss.backward()", "opt.step()", "opt.zero_grad()"]
    assert [training(notebook.run(cell)) for cell in (*cells, *cells[1:])] == [[]] * 7


def test_wrapped_optimizer() -> None:
    trace = record_cell("""
        class Twice(torch.optim.Optimizer):
            def __init__(self, inner):
                super().__init__(inner.param_groups, {})
                self.inner = inner
            def step(self, closure=None):
                self.inner.step()
        w = torch.ones(2, requires_grad=True)
        opt = Twice(torch.optim.SGD([w], lr=0.1))
        for i in range(3):
            opt.zero_grad()
            (w * w).sum().backward()
            opt.step()
    """)
    assert training(trace) == [] and len(trace.optimizer_steps) == 8  # 3 and 3 steps, 2 that zeroed something


def test_nothing_is_said_where_calls_were_left_out() -> None:
    body = "    opt.zero_grad()\n    (w * w).sum().backward()\n    opt.step()\n    opt.step()\n"
    trace = record_cell(f"{SETUP}for i in range(3):\n{body}", limit=6)
    assert trace.dropped and training(trace) == []


# -- AG702 -------------------------------------------------------------------------------------
@pytest.mark.parametrize("setup", [
    "w = torch.ones(3, requires_grad=True)\nopt = torch.optim.SGD([w], lr=0.1)\nw = torch.eye(3, requires_grad=True)\n",
    "w = torch.ones(3, requires_grad=True)\nopt = torch.optim.SGD([w], lr=0.1)\nw = w.detach().requires_grad_()\n",
    "w = torch.nn.Linear(3, 1)\nopt = torch.optim.Adam(w.parameters())\nw = torch.nn.Linear(3, 1).weight\n",
])  # fmt: skip
def test_optimizer_that_holds_the_old_ones(setup: str) -> None:
    trace = loop("opt.zero_grad(); w.grad = None; loss = (w * w).sum(); loss.backward(); opt.step()", setup)
    (found,) = training(trace)
    assert (found.code, found.severity, found.variant) == ("AG702", "warning", "outside")
    assert found.data["leaves"] == {"names": ["w"]}
    assert (line(trace, found), line(trace, found, "there")) == (9, 8)


def test_tensor_that_was_forgotten() -> None:
    trace = loop("opt.zero_grad(); b.grad = None; (w * w + b * b).sum().backward(); opt.step()")
    (found,) = training(trace)
    assert (found.code, found.severity, found.variant) == ("AG702", "warning", "not_stepped")
    assert found.data["leaves"] == {"names": ["b"]} and found.data["name"] == "opt"


def test_a_single_step_and_parts_of_models_are_notes() -> None:
    trace = loop("opt.zero_grad(); (w * w + b * b).sum().backward(); opt.step()", times=1)
    assert [(f.code, f.severity) for f in training(trace)] == [("AG702", "note")]
    setup = "body, head = torch.nn.Linear(3, 3), torch.nn.Linear(3, 1)\nopt = torch.optim.Adam(head.parameters())\n"
    trace = loop("opt.zero_grad(); head(body(torch.ones(2, 3))).sum().backward(); opt.step()", setup)
    (found,) = training(trace)
    assert (found.code, found.severity, found.data["count"]) == ("AG702", "note", 2)
    assert found.data["leaves"] == {"names": ["body.weight", "body.bias"]}


GAN = """
g, d = torch.nn.Linear(2, 2), torch.nn.Linear(2, 1)
og, od = torch.optim.Adam(g.parameters()), torch.optim.Adam(d.parameters())
"""


@pytest.mark.parametrize("body", [
    "od.zero_grad(); d(g(torch.randn(4, 2)).detach()).mean().backward(); od.step(); og.zero_grad(); "
    "d(g(torch.randn(4, 2))).mean().backward(); og.step()",
    "og.zero_grad(); d(g(torch.randn(4, 2))).mean().backward(); og.step(); od.zero_grad()",
    "og.zero_grad(); d(g(torch.randn(4, 2))).mean().backward(); og.step()",
])  # fmt: skip
def test_two_optimizers(body: str) -> None:
    assert training(loop(body, GAN)) == []


@pytest.mark.parametrize(("setup", "body"), [
    # the slope at the input, and an input that was changed on purpose
    ("x = torch.linspace(0, 1, 3, requires_grad=True)\n",
     "opt.zero_grad(); u = (w * x * x).sum(); (s,) = torch.autograd.grad(u, x, create_graph=True); "
     "(s - 1).pow(2).sum().backward(); opt.step()"),
    ("x = torch.ones(3, requires_grad=True)\n",
     "opt.zero_grad(); (x * w).sum().backward(); adversarial = x + 0.1 * x.grad.sign(); x.grad = None; opt.step()"),
    # one by an optimizer, one by hand
    ("", "opt.zero_grad(); (w * b).sum().backward(); opt.step(); q = b.data.sub_(b.grad); b.grad = None"),
    # a parameter that the loss does not need this time
    ("opt = torch.optim.SGD([w, b], lr=0.1)\n", "opt.zero_grad(); (w * w).sum().backward(); opt.step()"),
    ("opt = torch.optim.SGD([w], lr=0.1)\nopt.add_param_group({'params': [b]})\n",
     "opt.zero_grad(); (w * b).sum().backward(); opt.step()"),
    ("b.requires_grad_(False)\n", "opt.zero_grad(); (w * b).sum().backward(); opt.step()"),
])  # fmt: skip
def test_tensors_that_are_not_forgotten(setup: str, body: str) -> None:
    trace = loop(body, SETUP + setup)
    assert training(trace) == [] and trace.failure is None


def test_no_optimizer_no_finding() -> None:
    assert codes(record_cell("w = torch.ones(3, requires_grad=True)\n(w * w).sum().backward()")) == []
