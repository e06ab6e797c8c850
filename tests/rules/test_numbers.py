"""AG601 to AG604: numbers that go wrong, where they were born, and correct code that uses the same functions."""

from __future__ import annotations

import math

import pytest
import torch

from autograd_magics.report import Report
from autograd_magics.rules import Finding
from autograd_magics.rules.magnitudes import rms
from autograd_magics.rules.numbers import non_finite
from autograd_magics.trace import Gradient, Trace
from autograd_magics.views.items import Items
from autograd_magics.views.told import told
from tests.recorded import Notebook, codes, findings, record_cell


def of(trace: Trace, code: str) -> Finding:
    (found,) = [f for f in findings(trace) if f.code == code]
    return found


def line(trace: Trace, finding: Finding, key: str = "here") -> int:
    return trace.places[finding.data[key]["place"]].line


def numbers(trace: Trace) -> list[str]:
    return [f.code for f in findings(trace) if f.code in ("AG601", "AG602", "AG603", "AG604")]


# -- AG601, AG602: forward ---------------------------------------------------------------------
@pytest.mark.parametrize(("born", "code", "variant", "inputs", "result"), [
    ("y = torch.log(x - 2)", "AG601", "log", "(x - 2)[0] = -1", "NaN"),
    ("y = (x - 2).sqrt()", "AG601", "sqrt", "(x - 2)[0] = -1", "NaN"),
    ("y = (x - 2) ** 0.5", "AG601", "pow", "(x - 2)[0] = -1", "NaN"),
    ("y = (x - 1) / (x - 1)", "AG601", "div", "(x - 1)[0] = 0, (x - 1)[0] = 0", "NaN"),
    ("y = torch.acos(x)", "AG601", "pow", "x[1] = 2", "NaN"),
    ("y = 1 / (x - 1)", "AG602", "div", "(x - 1)[0] = 0", "Inf"),
    ("y = torch.exp(x * 50)", "AG602", "exp", "(x * 50)[1] = 100", "Inf"),
    ("y = (x * 1e30) ** 2", "AG602", "pow", "(x * 1e30)[0] = 1e+30", "Inf"),
    ("y = x * 3e38", "AG602", "", "x[1] = 2", "Inf"),
    ("y = torch.log(x - 1)", "AG602", "log", "(x - 1)[0] = 0", "-Inf"),
    ("y = x.half() * 4e4", "AG602", "", "x.half()[1] = 2", "Inf"),
])  # fmt: skip
def test_born_in_forward(born: str, code: str, variant: str, inputs: str, result: str) -> None:
    """The finding stands at the line where it was born, not where the loss shows it."""
    trace = record_cell(f"x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)\n{born}\nz = y + 1\nloss = z.mean()\n"
                        "loss.backward()")  # fmt: skip
    found = findings(trace)[0]
    assert (found.code, found.severity, found.variant, line(trace, found)) == (code, "warning", variant, 2)
    assert (found.data["victim"], found.data["result"], found.data["inputs"]) == ("loss", result, inputs)
    assert all(f.because == code for f in findings(trace)[1:] if f.code in ("AG601", "AG602"))


def test_values_of_the_very_element() -> None:
    trace = record_cell("""
        a = torch.tensor([[1.0, 4.0], [9.0, 0.0]], requires_grad=True)
        b = torch.tensor([2.0, 0.0])
        loss = (a / b).sum()
        loss.backward()
    """)
    nan, inf = findings(trace)
    assert (nan.code, nan.data["inputs"], nan.data["result"]) == ("AG601", "a[1, 1] = 0, b[1] = 0", "NaN")
    assert (inf.code, inf.variant, inf.because) == ("AG602", "backward", "AG601")
    assert inf.data["inputs"] == "a = [[1, 4], [9, 0]], b = [2, 0]"


def test_infinite_first_then_nan() -> None:
    trace = record_cell("""
        s = torch.tensor([100.0, 1.0], requires_grad=True)
        e = torch.exp(s)
        p = e / e.sum()
        loss = -torch.log(p[0])
        loss.backward()
    """)
    inf, nan = (f for f in findings(trace) if f.code in ("AG601", "AG602"))
    assert (inf.code, inf.variant, inf.data["inputs"], line(trace, inf)) == ("AG602", "exp", "s[0] = 100", 3)
    assert (nan.code, nan.variant, nan.because, line(trace, nan)) == ("AG601", "from_inf", "AG602", 4)


def test_loss_that_diverges_names_the_first_overflow() -> None:
    trace = record_cell("""
        w = torch.tensor(1.0, requires_grad=True)
        opt = torch.optim.SGD([w], lr=1e10)
        for i in range(8):
            opt.zero_grad()
            loss = (w * 3 - 1) ** 4
            loss.backward()
            opt.step()
    """)
    found = [f for f in findings(trace) if f.code in ("AG601", "AG602")]
    assert [(f.code, f.because) for f in found] == [("AG602", None), ("AG601", "AG602")]
    assert line(trace, found[0]) == 6 and found[0].at < found[1].at


def test_nan_in_the_data() -> None:
    trace = record_cell("""
        x = torch.tensor([1.0, float("nan")])
        w = torch.ones(2, requires_grad=True)
        loss = (x * w).sum()
        loss.backward()
    """)
    assert (of(trace, "AG601").variant, line(trace, of(trace, "AG601"))) == ("given", 2)
    notebook = Notebook()
    notebook.run("x = torch.zeros(2) / 0")
    trace = notebook.run("w = torch.ones(2, requires_grad=True)\nloss = (x * w).sum()\nloss.backward()")
    found = of(trace, "AG601")
    assert found.variant == "data" and trace.sources[trace.places[found.places[0]].source].number == 1


def test_large_tensors_need_their_figures() -> None:
    source = "x = torch.ones(50)\nx[3] = -1\nw = torch.ones(50, requires_grad=True)\nloss = torch.log(x * w).sum()\n"
    without = of(record_cell(source + "loss.backward()"), "AG601")
    assert without.variant == "seen" and "sum" in without.data["code"]
    known = of(record_cell(source + "loss.backward()", values="stats"), "AG601")
    assert (known.variant, known.data["code"]) == ("log", "torch.log(x * w)")
    assert known.data["inputs"] == "x * w: float32[50] in [-1, 1]"
    assert known.data["result"] == "float32[50] in [0, 0], 1 NaN"


def test_a_result_nobody_differentiates_is_a_note() -> None:
    trace = record_cell("x = torch.zeros(1, requires_grad=True)\ny = 1 / x")
    assert [(f.code, f.severity) for f in findings(trace)] == [("AG602", "note")]
    trace = record_cell("x = torch.full((2,), -1.0, requires_grad=True)\nloss = x.log().sum()")
    assert [(f.code, f.severity) for f in findings(trace)] == [("AG601", "warning")]  # one number, and it is NaN


# -- AG601, AG602: backward --------------------------------------------------------------------
def test_root_of_zero() -> None:
    trace = record_cell("""
        x = torch.zeros(3, requires_grad=True)
        d = (x ** 2).sum().sqrt()
        d.backward()
    """)
    inf, nan = (f for f in findings(trace) if f.code in ("AG601", "AG602"))
    assert (inf.code, inf.severity, inf.variant) == ("AG602", "warning", "backward")
    assert trace.nodes[inf.nodes[0]].name == "SqrtBackward0" and inf.data["inputs"] == "(x ** 2).sum() = 0"
    assert (nan.code, nan.variant, nan.because) == ("AG601", "backward_from_inf", "AG602")
    assert trace.nodes[nan.nodes[0]].name == "PowBackward0"
    assert line(trace, nan) == 3 and line(trace, nan, "back") == 4 and nan.data["victim"] == "x.grad"


@pytest.mark.parametrize("safe", ["torch.log(x)", "x / x", "x.sqrt() * x.rsqrt()"])
def test_where_does_not_protect_the_gradient(safe: str) -> None:
    trace = record_cell(f"""
        x = torch.tensor([1.0, 0.0], requires_grad=True)
        y = torch.where(x > 0, {safe}, torch.zeros(2))
        y.sum().backward()
    """)
    assert trace.backwards[0].error is None and math.isfinite(trace.tensors[trace.backwards[0].roots[0]].value)
    found = [f for f in findings(trace) if f.code == "AG601"][0]
    assert found.variant.startswith("backward") and line(trace, found) == 3 and line(trace, found, "back") == 4


def test_gradient_given_back_instead_of_stored() -> None:
    trace = record_cell("x = torch.zeros(1, requires_grad=True)\n(g,) = torch.autograd.grad(x.abs().sqrt().sum(), x)")
    assert [(f.code, f.because) for f in findings(trace)] == [("AG602", None), ("AG601", "AG602")]
    assert of(trace, "AG601").data["victim"] == "g"


def test_function_of_ones_own() -> None:
    trace = record_cell("""
        class Half(torch.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                return x / 2
            @staticmethod
            def backward(ctx, g):
                return g / 0
        x = torch.ones(2, requires_grad=True)
        Half.apply(x * 2).sum().backward()
    """)
    found = of(trace, "AG602")
    assert trace.nodes[found.nodes[0]].name == "HalfBackward" and found.variant.startswith("backward")


# -- AG601, AG602: correct code ------------------------------------------------------------------
@pytest.mark.parametrize("cell", [
    "a = s.masked_fill(mask, float('-inf')).softmax(-1)\na.sum().backward()",
    "a = torch.where(mask, torch.tensor(float('-inf')), s).logsumexp(-1)\na.sum().backward()",
    "a = s.masked_fill(mask, float('-inf'))",
    "best = torch.tensor(float('inf'))\nloss = s.sum()\nloss.backward()\nbest = torch.minimum(best, loss.detach())",
    "rate = torch.log(torch.zeros(2))\ns.sum().backward()",
    "y = torch.where(s > 1, torch.log(s.clamp(min=1e-6)), torch.zeros(()))\ny.sum().backward()",
    "x = s.detach() / 0\ny = (s * torch.nan_to_num(x, posinf=0.0)).sum()\ny.backward()",
    "bounds = torch.full((2,), float('inf'))\ns.clamp(max=bounds).sum().backward()",
    "d = (s - s.detach()).norm()\nd.backward()",
    "p = torch.tensor([0.0, 1.0], requires_grad=True)\ntorch.xlogy(p.detach(), p.detach()).sum()\np.sum().backward()",
])  # fmt: skip
def test_infinities_that_are_meant(cell: str) -> None:
    source = "s = torch.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)\nmask = s > 3.5\n"
    trace = record_cell(source + cell)
    assert trace.failure is None and numbers(trace) == []


def test_gradient_scaler_may_overflow() -> None:
    assert numbers(record_cell("""
        w = torch.ones(2, requires_grad=True)
        opt = torch.optim.SGD([w], lr=0.1)
        scaler = torch.amp.GradScaler("cpu", init_scale=2.0 ** 127)
        for i in range(2):
            opt.zero_grad()
            scaler.scale((w * 1.5).sum() / 4).backward()
            w.grad *= 4
            scaler.step(opt)
            scaler.update()
    """)) == []  # fmt: skip


def test_what_is_known_of_values() -> None:
    def gradient(value: object) -> Gradient:
        return Gradient((2,), "float32", "cpu", value)

    assert non_finite(gradient([1.0, 2.0])) == frozenset() and non_finite(gradient(None)) is None
    assert non_finite(gradient([["nan"], ["-inf"]])) == {"nan", "inf"}
    assert rms(gradient([3.0, 4.0])) == pytest.approx(math.sqrt(12.5))
    assert rms(gradient(["nan", 4.0])) is None and rms(gradient(None)) is None


def test_rms_from_figures_is_that_of_the_values() -> None:
    source = """
        torch.manual_seed(1)
        x = torch.randn(40, requires_grad=True)
        g = torch.randn(40)
        (x * g).sum().backward()
    """
    trace = record_cell(source, values="stats")
    (change,) = trace.changes
    torch.manual_seed(1)
    torch.randn(40)
    assert change.added is not None and change.added.stats is not None
    assert rms(change.added) == pytest.approx(torch.randn(40).pow(2).mean().sqrt().item(), rel=1e-5)


# -- AG603 -------------------------------------------------------------------------------------
@pytest.mark.parametrize(("gate", "variant", "severity"), [
    ("torch.relu(x + b)", "relu", "warning"),
    ("(x + b).clamp(min=0)", "clamp", "note"),
    ("torch.nn.functional.hardtanh(x + b)", "clamp", "note"),
    ("torch.sigmoid(20 * (x + b))", "saturated", "warning"),
    ("torch.tanh(20 * (x + b))", "saturated", "warning"),
])  # fmt: skip
def test_gates_that_stay_closed(gate: str, variant: str, severity: str) -> None:
    trace = record_cell(f"""
        x = torch.tensor([1.0, 2.0, 3.0])
        b = torch.full((3,), -29.0, requires_grad=True)
        v = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
        for i in range(3):
            b.grad = v.grad = None
            h = {gate}
            loss = ((h * v).sum() - 1) ** 2
            loss.backward()
    """)
    found = of(trace, "AG603")
    assert (found.variant, found.severity, found.data["times"], found.data["zeros"]) == (variant, severity, 3, 3)
    assert line(trace, found, "made") == 7 and line(trace, found) == 9


def test_gate_that_closes_on_the_way() -> None:
    trace = record_cell("""
        x = torch.tensor([1.0, 2.0])
        b = torch.zeros(2, requires_grad=True)
        for i in range(6):
            h = torch.relu(x + b)
            loss = ((h - 3) * torch.tensor([-1.0, -2.0])).sum() + 50
            loss.backward()
            with torch.no_grad():
                b += 2 * b.grad
            b.grad = None
    """)
    found = of(trace, "AG603")
    assert found.data["times"] >= 3 and found.severity == "warning"


@pytest.mark.parametrize("cell", [
    "torch.relu(x).sum().backward()",  # partly open
    "loss = torch.relu(1 - x.abs() * 9).mean() + (x ** 2).sum()\nloss.backward()",  # a hinge that is satisfied
    "loss = torch.clamp(1 - x.abs() * 9, min=0).sum()\nloss.backward()",
    "h = torch.relu(-x.abs()) * 0\nh.sum().backward()",  # nothing came in
    "y = torch.sigmoid(x)\ny.sum().backward()",
])  # fmt: skip
def test_gates_that_are_fine(cell: str) -> None:
    source = "x = torch.tensor([-1.0, 2.0], requires_grad=True)\nfor i in range(3):\n    x.grad = None\n    "
    assert numbers(record_cell(source + cell.replace("\n", "\n    "))) == []


# -- AG604 -------------------------------------------------------------------------------------
CHAIN = """
h = torch.tensor([1.0, 0.5])
w = torch.full((2,), {weight}, requires_grad=True)
for layer in range({depth}):
    h = {step}
h.sum().backward()
"""


@pytest.mark.parametrize(("weight", "depth", "step", "variant", "severity"), [
    (0.5, 20, "torch.sigmoid(w * h)", "vanishes", "warning"),
    (0.3, 20, "w * h", "vanishes", "warning"),
    (0.3, 10, "torch.tanh(w * h)", "vanishes", "note"),
    (3.0, 20, "w * h", "explodes", "warning"),
    (3.0, 10, "w * h", "explodes", "note"),
])  # fmt: skip
def test_chains(weight: float, depth: int, step: str, variant: str, severity: str) -> None:
    trace = record_cell(CHAIN.format(weight=weight, depth=depth, step=step))
    found = of(trace, "AG604")
    assert (found.variant, found.severity) == (variant, severity)
    assert found.data["ratio"] == pytest.approx(found.data["last"] / found.data["first"])
    assert found.data["leaves"] == {"names": ["w"]} and line(trace, found) == 6
    if step == "w * h":
        steps = [s.received[0] for s in trace.steps if trace.nodes[s.node].name == "MulBackward0"]
        assert found.data["ratio"] == pytest.approx(weight ** (depth - 1), rel=1e-4)
        assert len(steps) == found.data["times"] == depth


def test_layers_of_a_module_are_measured_by_their_figures() -> None:
    source = """
        torch.manual_seed(0)
        layers = [m for _ in range(12) for m in (torch.nn.Linear(8, 8), torch.nn.{kind}())]
        model = torch.nn.Sequential(*layers, torch.nn.Linear(8, 1))
        (model(torch.randn(16, 8)) - torch.randn(16, 1)).pow(2).mean().backward()
    """
    found = of(record_cell(source.format(kind="Sigmoid"), values="stats"), "AG604")
    assert found.variant == "vanishes" and found.data["ratio"] < 1e-7
    assert "AG604" not in codes(record_cell(source.format(kind="Sigmoid")))  # too large to be noted: not known


@pytest.mark.parametrize("cell", [
    CHAIN.format(weight=0.5, depth=20, step="h + 0.1 * torch.tanh(w * h)"),
    CHAIN.format(weight=0.9, depth=20, step="w * h"),
    # one step is to blame, not a tendency
    "x = torch.ones(2, requires_grad=True)\ny = x * 1 * 1 * 1e-6 * 1 * 1\ny.sum().backward()",
    # side by side, not one behind the other
    "x = torch.ones(2, requires_grad=True)\nsum((x * 2).sum() * 10.0 ** -i for i in range(9)).backward()",
])  # fmt: skip
def test_gradients_in_proportion(cell: str) -> None:
    assert "AG604" not in codes(record_cell(cell))


# -- AG603 and AG604 point at the layer ----------------------------------------------------------
LAYERS = """
torch.manual_seed(0)
layers = [m for _ in range(20) for m in (torch.nn.Linear(16, 16), torch.nn.{kind}())]
model = torch.nn.Sequential(*layers, torch.nn.Linear(16, 1))
{change}
loss = model(torch.randn(32, 16)).pow(2).mean()
loss.backward()
"""
LANGUAGES = ("en", "es", "pt_BR", "zh_CN")


def said(trace: Trace, code: str, lang: str) -> str:
    report = Report(trace, lang=lang)
    (found,) = [one for one in told(report.findings, report.phrases, Items(report.graph)) if one.code == code]
    return found.message


def test_vanishing_layers_are_named() -> None:
    trace = record_cell(LAYERS.format(kind="Sigmoid", change=""), values="stats")
    found = of(trace, "AG604")
    assert found.variant == "vanishes" and found.data["ratio"] < 1e-12
    assert (found.data["layer"], found.data["layer_first"]) == ({"layer": "model[0]"}, {"layer": "model[38]"})
    for lang in LANGUAGES:
        words = said(trace, "AG604", lang)
        assert 0 < words.index("`model[38]`") < words.index("`model[0]`")


def test_the_dead_layer_among_others_at_the_same_line_is_named() -> None:
    """All layers are called at one line; one that passes nothing on is not hidden by its neighbours."""
    dead = "with torch.no_grad(): model[6].bias.fill_(-99.0)"
    trace = record_cell(LAYERS.format(kind="ReLU", change=dead), values="stats")
    found = of(trace, "AG603")
    assert (found.variant, found.data["layer"], found.data["zeros"]) == ("relu", {"layer": "model[7]"}, 512)
    assert all("`model[7]`" in said(trace, "AG603", lang) for lang in LANGUAGES)


def test_layers_that_are_well_are_not_named() -> None:
    healthy = "for layer in layers[::2]: torch.nn.init.kaiming_normal_(layer.weight)"
    assert numbers(record_cell(LAYERS.format(kind="ReLU", change=healthy), values="stats")) == []


def test_exploding_steps_of_a_recurrent_module_name_it_once() -> None:
    trace = record_cell("""
        torch.manual_seed(0)
        cell = torch.nn.RNNCell(8, 16, nonlinearity="relu")
        with torch.no_grad():
            cell.weight_hh.copy_(torch.eye(16) * 3)
        h = torch.zeros(4, 16)
        for x in torch.rand(30, 4, 8):
            h = cell(x, h)
        h.mean().backward()
    """, values="stats")  # fmt: skip
    found = of(trace, "AG604")
    assert found.variant == "explodes" and found.data["ratio"] > 1e10
    assert (found.data["layer"], found.data["layer_first"]) == ({"layer": "cell"}, {"layer": None})
    assert all(said(trace, "AG604", lang).count("`cell`") == 1 for lang in LANGUAGES)


@pytest.mark.parametrize("lang", LANGUAGES)
def test_without_modules_nothing_is_said_of_them(lang: str) -> None:
    trace = record_cell(CHAIN.format(weight=0.5, depth=20, step="torch.sigmoid(w * h)"))
    words = said(trace, "AG604", lang)
    assert "()" not in words and "（）" not in words and "None" not in words


# -- AG604: one step -----------------------------------------------------------------------------
ZERO = "v = torch.zeros(3, requires_grad=True)\n"
SMALL = "v = torch.full((3,), 1e-14, requires_grad=True)\n"
GRAD = "torch.autograd.grad(loss, v)"


@pytest.mark.parametrize(("source", "node", "end"), [
    (ZERO + "u = v / v.norm().clamp(min=1e-12)", "DivBackward0", "loss.backward()"),
    (ZERO + "u = v / (v.norm() + 1e-12)", "DivBackward0", "loss.backward()"),
    (ZERO + "u = torch.nn.functional.normalize(v, dim=0)", "DivBackward0", "loss.backward()"),
    (ZERO + "u = torch.nn.functional.normalize(v, dim=0)", "DivBackward0", GRAD),
    (ZERO + "u = (v + 1e-12).log()", "LogBackward0", "loss.backward()"),
    (ZERO + "u = v.add(1e-20).sqrt()", "SqrtBackward0", "loss.backward()"),
    (SMALL + "u = 1 / v", "ReciprocalBackward0", "loss.backward()"),
    (SMALL + "u = v.pow(-0.5)", "PowBackward0", "loss.backward()"),
])  # fmt: skip
def test_one_step_that_multiplies_the_gradient(source: str, node: str, end: str) -> None:
    trace = record_cell(f"{source}\nloss = u.sub(1).sum()\n{end}")
    found = of(trace, "AG604")
    assert (found.variant, found.severity, found.data["leaves"]) == ("jumps", "warning", {"names": ["v"]})
    assert trace.nodes[found.nodes[0]].name == node
    assert (line(trace, found, "made"), line(trace, found)) == (2, 4)
    assert found.data["ratio"] == pytest.approx(found.data["last"] / found.data["first"]) and found.data["ratio"] >= 1e8


def test_a_step_in_a_loop_is_told_once_and_names_its_layer() -> None:
    source = """
        class Unit(torch.nn.Module):
            def forward(self, x):
                return x / x.norm(dim=1, keepdim=True).clamp(min=1e-12)
        model = torch.nn.Sequential(torch.nn.Linear(2, 3, bias=False), Unit())
        with torch.no_grad():
            model[0].weight.zero_()
        for i in range(3):
            model.zero_grad()
            loss = (model(torch.ones(4, 2)) - 1).pow(2).mean()
            loss.backward()
    """
    trace = record_cell(source)
    found = of(trace, "AG604")
    assert (found.variant, found.data["layer"]) == ("jumps", {"layer": "model[1]"})
    assert found.data["leaves"] == {"names": ["model[0].weight"]} and line(trace, found, "made") == 4
    for lang in LANGUAGES:
        words = said(trace, "AG604", lang)
        assert "`DivBackward0`" in words and "`model[1]`" in words and "1e12" in words


@pytest.mark.parametrize("source", [
    SMALL + "(3 * torch.log(v)).tanh().sub(1).sum().backward()",  # tanh lets nothing through
    ZERO + "(v * 1e12).sum().backward()",  # a scale of the user's own
    ZERO + "(v / torch.tensor(1e-12)).sum().backward()",
    ZERO + "(v - 1e-9).div(1e-9).pow(2).mean().backward()",
    ZERO + "torch.softmax(v * 400 + torch.tensor([0.0, 90.0, 200.0]), 0).add(1e-12).log().neg()[0].backward()",
    ZERO + "v.square().sum().add(1e-20).sqrt().backward()",  # the slope is 1e10 at a gradient of 0
    ZERO + "torch.nn.functional.normalize(v + 1, dim=0).sum().backward()",
    ZERO + "n = v.norm()\ntorch.where(n > 0, v / torch.where(n > 0, n, 1.0), v).sum().backward()",
    ZERO + "torch.nn.functional.layer_norm(v, (3,), eps=1e-5).sum().backward()",
    ZERO + "(v - 1).sum().mul(65536.0).backward()",  # as a GradScaler does
])  # fmt: skip
def test_steps_that_scale_as_they_should(source: str) -> None:
    assert "AG604" not in codes(record_cell(source))
