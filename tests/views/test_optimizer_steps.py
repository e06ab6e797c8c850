"""How steps of optimizers read: torch's own, one with a closure, one of the user's, in every view and language."""

from __future__ import annotations

from typing import Any

import pytest
from recorded import Notebook, findings

from autograd_magics import Report
from autograd_magics.check import check
from autograd_magics.texts import languages
from autograd_magics.trace import Trace
from autograd_magics.views.items import Items
from autograd_magics.views.payload import payload
from autograd_magics.views.told import told

LEAVES = """
w = torch.tensor([3.0, -4.0], requires_grad=True)
v = torch.tensor([1.0], requires_grad=True)
"""
SGD = LEAVES + "opt = torch.optim.SGD([w, v], lr=0.1)\n"
LBFGS = """
w = torch.tensor([3.0, -4.0], requires_grad=True)
opt = torch.optim.LBFGS([w], lr=0.5, max_iter=3)
def closure():
    opt.zero_grad()
    loss = (w * w).sum()
    loss.backward()
    return loss
opt.step(closure)
"""
OWN = """
class Momentum(torch.optim.Optimizer):
    def __init__(self, params, lr):
        super().__init__(params, {"lr": lr})
    @torch.no_grad()
    def step(self, closure=None):
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for p in group["params"]:
                state = self.state[p]
                state["v"] = state.get("v", torch.zeros_like(p)) * 0.9 + p.grad
                {update}
        return loss
w = torch.tensor([3.0, -4.0], requires_grad=True)
opt = Momentum([w], lr=0.1)
for i in range(2):
    opt.zero_grad()
    (w * w).sum().backward()
    opt.step()
"""
UPDATES = ['p.sub_(group["lr"] * state["v"])', 'p.data.add_(state["v"], alpha=-group["lr"])', 'p -= 0.1 * state["v"]']


def recorded(source: str) -> Trace:
    notebook = Notebook()
    trace = notebook.run(source)
    assert notebook.errors == [None]
    return trace


def view(trace: Trace, lang: str = "en") -> dict[str, Any]:
    return payload(Report(trace, lang=lang))


def captions(trace: Trace, start: str = "opt.step(") -> list[str]:
    return [said for said in view(trace)["timeline"]["captions"] if said.startswith(start)]


def values(trace: Trace, name: str = "w") -> list[tuple[str, str, str]]:
    """Kind of each row of a ledger, and the value before and after, or the gradient after it."""
    (ledger,) = [one for one in view(trace)["gradients"] if one["name"] == name]
    return [(row["kind"], row["was"], row["value"] or row["after"]) for row in ledger["rows"]]


# -- torch's own --------------------------------------------------------------------------------
@pytest.mark.parametrize("kind", ["SGD", "Adam", "AdamW", "RMSprop"])
def test_a_step_of_torchs_own_is_told_by_its_name(kind: str) -> None:
    trace = recorded(SGD.replace("SGD", kind) + "(w * w * v).sum().backward()\nopt.step()\nloss = (w * v).sum()")
    (step,) = [call for call in trace.calls if call.name == "step"]
    assert step.qualified == f"torch.optim.{kind}.step" and len(step.inputs) == 2
    data = view(trace)
    (after,) = [t for t in step.outputs if trace.tensors[t].object == trace.tensors[step.inputs[0]].object]
    (made,) = [row["value"] for row in data["details"][f"t{after}"]["rows"] if row["label"] == "made by"]
    assert made == "opt.step()"
    (said,) = captions(trace)
    assert said.startswith("opt.step() (lr 0.1): w [3 −4] → [") and ", v [1] → [" in said
    assert values(trace)[-1][0] == "stepped"
    assert not any("step(w" in said for said in data["timeline"]["captions"])
    assert "step(w" not in Report(trace, lang="en").to_text()


def test_a_step_of_many_parameters_is_told_shortly() -> None:
    trace = recorded("""
        model = torch.nn.Sequential(*(torch.nn.Linear(2, 2) for _ in range(40)))
        opt = torch.optim.SGD(model.parameters(), lr=0.1)
        model(torch.ones(1, 2)).sum().backward()
        opt.step()
    """)
    (said,) = captions(trace)
    assert said.endswith("… 77 more")


@pytest.mark.parametrize("lang", languages())
def test_a_replay_through_a_step_is_refused_by_its_name(lang: str) -> None:
    trace = recorded(SGD + "(w * w * v).sum().backward()\nopt.step()\nloss = (w * w).sum()")
    report = Report(trace, lang=lang)
    refused = check(report, "loss", "v", lang)
    assert refused.agrees is None and refused.refused is not None and refused.refused.why == "stepped"
    said = refused.refusal
    assert "`opt.step()`" in said and "6" in said and "loss" in said and "step(w" not in said
    assert check(report, "loss", "w", lang).agrees is True


@pytest.mark.parametrize("lang", languages())
def test_a_leaf_used_before_and_after_a_step(lang: str) -> None:
    trace = recorded(SGD + "a = (w * w * v).sum()\na.backward()\nopt.step()\nloss = (w * w).sum() + a.detach()")
    said = check(Report(trace, lang=lang), "loss", "w", lang).refusal
    assert "`opt.step()`" in said and "7" in said


@pytest.mark.parametrize("lang", languages())
def test_a_backward_after_the_step_that_changed_what_it_needs(lang: str) -> None:
    notebook = Notebook()
    source = "loss = (w * w * v).sum()\nloss.backward(retain_graph=True)\nopt.step()\nloss.backward()"
    trace = notebook.run(SGD + source)
    assert isinstance(notebook.errors[0], RuntimeError)
    report = Report(trace, lang=lang)
    (found,) = [f for f in findings(trace) if f.code == "AG302"]
    assert (found.variant, found.data["call"]) == ("stepped", "opt.step()")
    (said,) = [one for one in told(report.findings, report.phrases, Items(report.graph)) if one.code == "AG302"]
    assert "`opt.step()`" in said.message and "`opt.step()`" in said.fix and "clone" not in said.fix


# -- with a closure -----------------------------------------------------------------------------
def test_a_closure_is_told_between_the_values_it_saw() -> None:
    """Each gradient in the ledger stands after the value at which it was taken."""
    assert values(recorded(LBFGS)) == [
        ("accumulated", "", "[6 −8]"), ("stepped", "[3 −4]", "[2.786 −3.714]"), ("cleared", "", "None"),
        ("accumulated", "", "[5.571 −7.429]"), ("stepped", "[2.786 −3.714]", "[1.393 −1.857]"),
        ("cleared", "", "None"), ("accumulated", "", "[2.786 −3.714]"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("lang", "said"),
    [
        ("en", "3 backwards in its closure"), ("pt_BR", "3 backwards na sua closure"),
        ("es", "3 backwards en su closure"), ("zh_CN", "其闭包中运行了 3 次反向传播"),
    ],
)  # fmt: skip
def test_a_step_with_a_closure_says_how_often_backward_ran_in_it(lang: str, said: str) -> None:
    (caption,) = [one for one in view(recorded(LBFGS), lang)["timeline"]["captions"] if one.startswith("opt.step(")]
    assert "w [3 −4] → [1.393 −1.857]" in caption and caption.endswith(said)


def test_one_backward_in_a_closure() -> None:
    source = SGD + "def closure():\n    loss = (w * v).sum()\n    loss.backward()\n    return loss\nopt.step(closure)"
    (caption,) = captions(recorded(source))
    assert caption.endswith("; 1 backward in its closure")
    plain = SGD + "(w * v).sum().backward()\nopt.step()"
    assert "closure" not in captions(recorded(plain))[0]


# -- of the user's own --------------------------------------------------------------------------
@pytest.mark.parametrize("update", UPDATES)
def test_an_optimizer_of_the_users(update: str) -> None:
    """Also one that writes through `.data`, which autograd does not see, has changed its parameters."""
    trace = recorded(OWN.replace("{update}", update))
    assert captions(trace) == [
        "opt.step() (lr 0.1): w [3 −4] → [2.4 −3.2]", "opt.step() (lr 0.1): w [2.4 −3.2] → [1.38 −1.84]",
    ]  # fmt: skip
    assert [row for row in values(trace) if row[0] == "stepped"] == [
        ("stepped", "[3 −4]", "[2.4 −3.2]"), ("stepped", "[2.4 −3.2]", "[1.38 −1.84]"),
    ]  # fmt: skip
    assert [f.code for f in findings(trace) if f.severity != "note"] == []
    assert {one["name"] for one in view(trace)["gradients"]} == {"w"}
    assert "mul(w, w)" in Report(trace, lang="en").to_text() and "(p" not in Report(trace, lang="en").to_text()


def test_a_function_of_the_users_that_steps() -> None:
    """What the leaves are called in it is no name for them afterwards."""
    trace = recorded("""
        def sgd(params, lr):
            with torch.no_grad():
                for p in params:
                    p -= lr * p.grad
                    p.grad.zero_()
        w = torch.ones(2, requires_grad=True)
        b = torch.zeros(1, requires_grad=True)
        for i in range(2):
            loss = (w * w).sum() + b
            loss.backward()
            sgd([w, b], 0.1)
    """)
    said = view(trace)["timeline"]["captions"]
    assert "p -= lr * p.grad: w [1 1] → [0.8 0.8]" in said and "w.grad: [0 0] + [1.6 1.6] → [1.6 1.6]" in said
    assert "mul(w, w)" in Report(trace, lang="en").to_text() and "mul(p" not in Report(trace, lang="en").to_text()


def test_a_step_that_changed_nothing() -> None:
    trace = recorded(SGD + "opt.step()")
    assert captions(trace) == ["opt.step() (lr 0.1): no value changed"]
