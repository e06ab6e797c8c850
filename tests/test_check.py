"""`check`: gradients by autograd beside differences, refusals that name the call, and nothing of the user's touched."""

from __future__ import annotations

import gc
import re
import weakref
from typing import Any

import pytest
import torch

from autograd_magics import load
from autograd_magics.check import Check, command, names
from autograd_magics.graph import Graph
from autograd_magics.options import OptionError
from autograd_magics.recorder import differences, nudger, recipe
from autograd_magics.report import Report
from autograd_magics.texts import languages
from tests.recorded import Notebook

LEAF = "w = torch.tensor([1., -2., 3.], requires_grad=True)\n"


def recorded(source: str, before: str = "", lang: str = "en") -> tuple[Report, dict[str, Any]]:
    """The report of a cell, and the namespace in which it ran after `before`."""
    notebook = Notebook()
    exec(before, notebook.namespace)
    trace = notebook.run(source)
    assert notebook.errors == [None]
    assert trace.problem is None
    return Report(trace, lang=lang), notebook.namespace


def checked(source: str, loss: str = "J", leaf: str = "w", **more: str) -> Check:
    """A checked gradient; its text must fit a terminal whatever came out."""
    report, _ = recorded(source, **more)
    found = report.check(loss, leaf)
    for lang in languages():
        assert max(map(len, found.told(lang).split("\n"))) <= 80 or lang == "zh_CN"
    return found


RIGHT = [
    "J = (w * w).sum()",
    "J = ((w - 2) ** 2).mean()",
    "x = torch.randn(3)\nJ = (w * x).sin().pow(2).sum()",
    "h = w * 2\nh.add_(1)\nh[0] = 5\nJ = (h * h).sum()",
    "b = torch.zeros(3)\nb[1:] = w[1:]\nJ = (b ** 3).sum()",
    "h = w[None, :] @ w[:, None]\nJ = h.sum()",
    "i = torch.tensor([0, 2])\nJ = (w[None][:, i] ** 2).sum()",
    "a, b = torch.cat([w, w * 2]).chunk(2)\nJ = (a * b).sum()",
    "J = torch.einsum('i,j->', w, w)",
    "J = torch.stack([w.max(dim=0).values, w.norm()]).prod()",
    "J = (w.half().float() ** 2).sum()",
    "J = (w.to(torch.float16).to(dtype=torch.float32) ** 2).sum()",
    "J = torch.softmax(w, dim=0, dtype=torch.float32)[1].log()",
    "J = torch.nn.functional.dropout(w, 0.5, training=False).exp().sum()",
    "J = torch.nn.functional.batch_norm(w[:, None], torch.zeros(1), torch.ones(1), training=True).pow(3).sum()",
    "J = torch.nn.functional.layer_norm(w, (3,)).pow(3).sum()",
    "J = torch.nn.functional.cross_entropy(w[None], torch.tensor([1]))",
    "J = torch.nn.functional.pad(w, (1, 2), mode='constant', value=0.5).cumsum(0).tanh().sum()",
    "J = torch.where(w > 0, w, 0.1 * w).sum()",
    "J = torch.linalg.norm(torch.outer(w, w) + torch.eye(3))",
    "J = torch.clamp(w, min=None, max=2.5).sum()",
    "J = w.flip(0).cumprod(0).sum()",
    "w = torch.tensor(0.5, dtype=torch.float64, requires_grad=True)\nJ = w.exp() * w",
    "w = torch.ones(2, dtype=torch.bfloat16, requires_grad=True)\nJ = (w * w).sum()",
]


@pytest.mark.parametrize("body", RIGHT)
def test_right_gradients_agree(body: str) -> None:
    found = checked(LEAF + body + "\nJ.backward()")
    assert found.refusal == ""
    assert found.agrees is True, str(found)
    assert [row.kind for row in found.against] == ["replayed", "recorded"]
    assert found.comparison is not None and found.comparison.precision == "float64"
    assert found.comparison.recorded is not None and any(found.comparison.recorded)


def test_the_figures_are_those_of_torch() -> None:
    found = checked(LEAF + "J = (w ** 3).sum()\nJ.backward()")
    w = torch.tensor([1.0, -2.0, 3.0], dtype=torch.float64)
    comparison = found.comparison
    assert comparison is not None
    assert comparison.loss == 20.0 and comparison.values == (1.0, -2.0, 3.0)
    assert torch.allclose(torch.tensor(comparison.numeric, dtype=torch.float64), 3 * w**2, rtol=1e-8)
    assert comparison.autograd == comparison.recorded == (3.0, 12.0, 27.0)
    assert found.error is not None and found.tolerance is not None and found.error <= found.tolerance


def test_a_network_of_many_kinks_agrees() -> None:
    model = "m = torch.nn.Sequential(torch.nn.Linear(20, 30), torch.nn.ReLU(), torch.nn.Linear(30, 1))\n"
    source = model + "x = torch.randn(64, 20)\nJ = torch.nn.functional.mse_loss(m(x)[:, 0], x[:, 0])\nJ.backward()"
    for leaf in ("m[0].weight", "m[2].bias"):
        assert checked(source, leaf=leaf).agrees is True
    recurrent = "m = torch.nn.LSTM(2, 3)\nx = torch.randn(4, 1, 2)\nJ = m(x)[0].sum()\nJ.backward()"
    assert checked(recurrent, leaf="m.weight_hh_l0").agrees is True


def test_the_last_step_of_a_loop_is_checked_where_it_was() -> None:
    loop = "for i in range(3):\n    J = (w * w).sum()\n    J.backward()\n"
    update = "    with torch.no_grad():\n        w -= 0.1 * w.grad\n    w.grad = None\n"
    found = checked(LEAF + loop + update)
    assert found.agrees is True and found.comparison is not None
    assert found.comparison.values == pytest.approx((0.64, -1.28, 1.92))
    assert found.comparison.recorded == pytest.approx((1.28, -2.56, 3.84))


def test_results_of_autograd_grad_are_compared_too() -> None:
    found = checked(LEAF + "J = w.prod()\n(g,) = torch.autograd.grad(J, w)")
    assert found.agrees is True and found.comparison is not None
    assert found.comparison.recorded == (-6.0, 3.0, -2.0)


def test_without_a_backward_the_replay_alone_is_checked() -> None:
    found = checked(LEAF + "J = (w * w).sum()")
    assert found.agrees is True and [row.kind for row in found.against] == ["replayed"]
    assert "no backward from J alone" in str(found).replace("\n    ", " ")


# -- where they differ -------------------------------------------------------------------------
def flat(found: Check) -> str:
    return re.sub(r"\s+", " ", str(found))


def test_a_cut_is_seen_by_the_differences() -> None:
    found = checked(LEAF + "J = (w * w.detach()).sum()\nJ.backward()")
    assert found.agrees is False and found.worst == (2,)
    assert found.error == pytest.approx(3.0)
    assert "through `detach(w)` (line 2), where autograd sends no gradient" in flat(found)
    assert "w[2] 3 6 3 3" in flat(found)


def test_a_change_without_gradients_is_such_a_cut() -> None:
    found = checked(LEAF + "h = w * 2\nwith torch.no_grad():\n    h.mul_(3)\nJ = (h * 1).sum()\nJ.backward()")
    assert found.agrees is False and found.error == pytest.approx(4.0)
    assert "through `mul_(h, 3)` (line 4), where autograd sends no gradient" in flat(found)


def test_a_value_changed_behind_autograd_shows_in_the_recorded_gradient() -> None:
    found = checked(LEAF + "h = w * 1\nJ = (h * h).sum()\nh.data.mul_(2)\nJ.backward()")
    assert [row.agrees for row in found.against] == [True, False]
    assert found.worst == (2,) and found.error == pytest.approx(6.0)
    assert "`mul_(h.data, 2)` changed such a value (line 4)" in flat(found)


def test_a_hook_shows_in_the_recorded_gradient() -> None:
    found = checked(LEAF + "w.register_hook(lambda g: g * 3)\nJ = (w * w).sum()\nJ.backward()")
    assert [row.agrees for row in found.against] == [True, False]
    assert "a hook changed the gradient. The hook `<lambda>` was put on w (line 2)" in flat(found)


def test_a_kink_is_told_with_both_slopes() -> None:
    found = checked("w = torch.tensor(0., requires_grad=True)\nJ = 2 * w.relu()\nJ.backward()")
    assert found.agrees is False and found.worst == ()
    assert "slope 2 to the right and 0 to the left" in flat(found)


def test_the_bottom_of_a_bowl_is_no_kink() -> None:
    found = checked("w = torch.tensor(0., requires_grad=True)\nJ = w * w\nJ.backward()")
    assert found.agrees is True and found.comparison is not None and found.comparison.kink is None
    assert "Both are zero" in flat(found)


def test_a_path_that_depends_on_values_is_noted() -> None:
    found = checked(LEAF + "h = w * 2\nif h.sum() > 0:\n    h = h * 2\nJ = (h * h).sum()\nJ.backward()")
    assert found.agrees is True
    assert "`gt(h.sum(), 0)` (line 3)" in flat(found) and "goes the recorded way" in flat(found)


# -- refusals ----------------------------------------------------------------------------------
SQUARE = """
class Square(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, g):
        return g * ctx.saved_tensors[0]

w = torch.tensor([1., 2.], requires_grad=True)
J = Square.apply(w).sum()
J.backward()
"""

REFUSED = [
    (LEAF + "J = torch.nn.functional.dropout(w, 0.5).sum()", "random", "`dropout(w, p=0.5, training=True)` (line 2)"),
    (LEAF + "J = torch.bernoulli(w.sigmoid()).sum() + w.sum()", "random", "(line 2) draws random numbers"),
    (LEAF + "J = (w * torch.rand_like(w * 1e3)).sum()" + "\nJ = J + torch.normal(w, 1.).sum()", "random", "`normal("),
    (SQUARE, "custom", "`Square(w)` (line 13) is a custom autograd.Function"),
    (LEAF + "f = torch.vmap(lambda x: x * x)\nJ = f(w).sum()", "unseen", "work that was not seen as a call"),
    (LEAF + "h = w * 2\nh[1].mul_(3)\nJ = h.sum()", "alias", "(line 3) changes memory that another tensor"),
    (LEAF + "J = 0\nfor _ in range(2):\n    J = J + (w * w).sum()\n    with torch.no_grad():\n        w.sub_(1)",
     "leaf_changed_by", "by `sub_(w, 1)` (line 6)"),
    (LEAF + "(g,) = torch.autograd.grad((w ** 3).sum(), w, create_graph=True)\nJ = (g ** 2).sum()",
     "backward", "(line 2) ran a backward"),
    (LEAF + "u = torch.ones(2, requires_grad=True)\nJ = (u * u).sum()\nv = w * 1", "unreachable", "from w to J"),
    (LEAF + "J = w * w", "no_scalar", "J has more than one element"),
    ("w = torch.ones(10_001, requires_grad=True)\nJ = w.sum()", "large", "10001 elements and at most 10000"),
    ("w = torch.ones(2, dtype=torch.complex64, requires_grad=True)\nJ = w.abs().sum()", "dtype", "complex64"),
    (LEAF + "x = torch.randn(50)\nJ = (w.sum() * x).sum()\nx.add_(1)", "changed", "x (line 2) was changed by `add_(x"),
    (LEAF + "J = (w.sum() * torch.randn(50)).sum()\nJ.backward()", "gone", "(line 2) are gone"),
    (LEAF + "J = w.reshape(1, 3).expand((1,) * 8 + (1, 3)).sum()", "argument", "one of its arguments is neither"),
]  # fmt: skip


@pytest.mark.parametrize(("source", "why", "said"), REFUSED, ids=[why for _, why, _ in REFUSED])
def test_what_cannot_be_run_again_is_named(source: str, why: str, said: str) -> None:
    found = checked(source)
    assert found.refused is not None and found.refused.why == why
    assert found.comparison is None and found.agrees is None and found.error is None and found.worst is None
    assert said in found.refusal
    assert flat(found).startswith("Gradient of J with respect to w") and "Not checked" in flat(found)


def test_what_an_earlier_cell_computed_is_named() -> None:
    found = checked("J = (h + w).sum()\nJ.backward()", before="w = torch.ones(3, requires_grad=True)\nh = w * 2")
    assert found.refused is not None and found.refused.why == "earlier" and found.refusal.startswith("h was computed")


def test_inputs_of_an_earlier_cell_are_taken_as_they_are() -> None:
    before = "w = torch.ones(3, requires_grad=True)\nx = torch.randn(40, 3)"
    source = "J = ((x * w) ** 2).sum()\nJ.backward()"
    assert checked(source, before=before).agrees is True
    for change in ("x.add_(1)", "x.data = torch.zeros(40, 3)", "x.resize_(4)"):
        report, names_there = recorded(source, before)
        exec(change, names_there)
        found = report.check("J", "w")
        assert found.refused is not None and found.refused.why == "changed", change
        assert found.refusal.startswith("x was changed since it was recorded")


def test_a_change_that_no_version_tells_is_found_by_the_replay() -> None:
    source = "J = ((x * w) ** 2).sum()\nJ.backward()"
    report, there = recorded(source, "w = torch.ones(3, requires_grad=True)\nx = torch.ones(40, 3)")
    there["x"].data.mul_(5)
    found = report.check("J", "w")
    assert found.refused is not None and found.refused.why == "differs"
    assert "`sum(" in found.refusal and "gave 120 when it was recorded and gives 3000" in found.refusal


def test_a_large_input_that_is_gone_is_named() -> None:
    report, there = recorded(LEAF + "x = torch.randn(50)\nJ = (w.sum() * x).sum()\nJ.backward()")
    assert report.check("J", "w").agrees is True
    del there["x"]
    assert report.check("J", "w").refusal.startswith("The values of x (line 2) are gone")


def test_what_is_gone_but_made_without_chance_is_made_again() -> None:
    report, there = recorded(LEAF + "x = torch.linspace(0, 1, 50)\nJ = (w.sum() * x.exp()).sum()\nJ.backward()")
    there.clear()
    assert report.check("J", "w").agrees is True


def test_too_slow_is_told_before_it_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(differences, "SECONDS", 0.0)
    found = checked(LEAF + "J = w.sum()")
    assert found.refused is not None and found.refused.why == "slow"


def test_a_saved_report_cannot_run_anything(tmp_path: Any) -> None:
    report, _ = recorded(LEAF + "J = w.sum()\nJ.backward()")
    report.save(tmp_path / "step.json")
    opened = load(tmp_path / "step.json", lang="en")
    assert opened.check("J", "w").agrees is True  # the same run, whose recording is still alive
    del report
    gc.collect()
    found = opened.check("J", "w")
    assert found.refused is not None and found.refused.why == "no_recipe"


# -- nothing of the user's is touched ----------------------------------------------------------
def test_checking_changes_nothing() -> None:
    source = LEAF + "calls = []\nw.register_hook(lambda g: calls.append(1))\nb = torch.ones(30)\nh = w.sum() * b\n"
    report, there = recorded(source + "h.add_(1)\nJ = (h * h).sum()\nJ.backward()")
    tensors = {name: there[name] for name in ("w", "b", "h", "J")}
    before = {name: (t.clone(), t._version, t.grad_fn, t.data_ptr()) for name, t in tensors.items()}
    grad, version, random = there["w"].grad, there["w"].grad._version, torch.get_rng_state()
    assert report.check("J", "w").agrees is True
    for name, t in tensors.items():
        value, then, node, place = before[name]
        assert torch.equal(t, value) and (t._version, t.grad_fn, t.data_ptr()) == (then, node, place)
    assert there["w"].grad is grad and grad._version == version
    assert there["calls"] == [1]
    assert torch.equal(torch.get_rng_state(), random)


def test_a_refused_random_call_leaves_the_random_state() -> None:
    report, _ = recorded(LEAF + "J = torch.nn.functional.dropout(w, 0.5).sum()")
    state = torch.get_rng_state()
    report.check("J", "w")
    assert torch.equal(torch.get_rng_state(), state)


def test_statistics_of_batch_norm_stay() -> None:
    source = "m = torch.nn.BatchNorm1d(3)\nx = torch.randn(8, 3)\nJ = (m(x) ** 3).sum()\nJ.backward()"
    report, there = recorded(source)
    mean = there["m"].running_mean.clone()
    assert report.check("J", "m.weight").agrees is True
    assert torch.equal(there["m"].running_mean, mean)


def test_checks_in_a_recorded_cell_are_not_recorded() -> None:
    report, _ = recorded(LEAF + "J = (w * w).sum()\nJ.backward()")
    notebook = Notebook()
    notebook.namespace["report"] = report
    trace = notebook.run("found = report.check('J', 'w')")
    assert trace.calls == () and trace.backwards == ()
    assert notebook.namespace["found"].agrees is True


def test_a_report_keeps_no_tensor_alive() -> None:
    report, there = recorded(LEAF + "x = torch.randn(1000)\nJ = (w.sum() * x).sum()\nJ.backward()")
    assert report.check("J", "w").agrees is True
    weak = [weakref.ref(there[name]) for name in ("w", "x", "J")]
    there.clear()
    gc.collect()
    assert [one() for one in weak] == [None] * 3
    run = report.trace.run
    assert run in recipe._recipes
    del report
    gc.collect()
    assert run not in recipe._recipes


# -- names -------------------------------------------------------------------------------------
def test_the_line_of_the_magic() -> None:
    report, _ = recorded(LEAF + "J = (w * w).sum()\nJ.backward()")
    other, _ = recorded("a = torch.ones(2, requires_grad=True)\nloss = a.sum()")
    for line in ("J w", "J, w", " J   w "):
        assert command(line, [other, report], "en") == str(report.check("J", "w"))
    assert command("J w", lambda: [report], "pt_BR").startswith("Gradiente de J")
    assert set(names([other, report])) == {"a", "loss", "w", "J"}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("J", "got 'J', expected the names of a loss and of a leaf"),
        ("", "expected the names"),
        ("J weight", "'weight' is no tensor of the recording, expected one of its names; nearest: weights"),
        ("j weights", "'j' is no tensor of the recording"),
        ("J y_pred", "'y_pred' is not a leaf that requires grad, expected one; nearest: weights"),
    ],
)
def test_unknown_names_list_the_nearest(line: str, said: str) -> None:
    report, _ = recorded("weights = torch.ones(2, requires_grad=True)\ny_pred = weights * 2\nJ = y_pred.sum()")
    with pytest.raises(OptionError) as error:
        command(line, [report], "en")
    assert said in str(error.value)


def test_nothing_recorded_yet() -> None:
    with pytest.raises(OptionError, match="nothing was recorded yet"):
        command("J w", [], "en")
    with pytest.raises(ValueError, match="no tensor of the recording"):
        recorded(LEAF)[0].check("J", "w")


# -- the nudge ---------------------------------------------------------------------------------
def nudge(report: Report, name: str, element: int, step: float, **more: Any) -> dict[str, Any]:
    row = next(n.tensor for n in report.trace.names if n.name == name)
    return report.nudge({"n": 7, "item": f"t{row}", "element": element, "step": step, **more})


def test_a_nudge_tells_prediction_and_truth() -> None:
    report, _ = recorded(LEAF + "h = w * w\nJ = h.sum()\nJ.backward()")
    answer = nudge(report, "w", 2, 0.1)
    figures = {row["label"]: row["value"] for row in answer["rows"]}
    assert answer["n"] == 7 and answer["error"] == ""
    assert figures == {
        "w[2]": "3 → 3.1", "J": "14 → 14.61", "predicted change = gradient · ε": "6 · 0.1 = 0.6",
        "real change": "0.61", "difference": "0.01 (1.6 %)",
    }  # fmt: skip
    assert answer["lesson"].startswith("Nearly as predicted")
    by_name = {report.graph.name(int(item[1:])): value for item, value in answer["values"].items()}
    assert by_name == {"w": "[1 −2 3.1]", "h": "[1 4 9.61]", "J": "14.61"}


@pytest.mark.parametrize(
    ("body", "step", "begins"),
    [
        ("J = (w * w).sum()", 0.0, "Move the slider"),
        ("J = (2 * w).sum()", 1.0, "Exactly as predicted"),
        ("J = (w ** 4).sum()", 0.5, "Far from the prediction"),
        ("J = (w * w.detach()).sum()", 0.01, "The prediction misses a part: J also depends on w[0] through"),
        ("J = ((w - 1).relu()).sum()", 0.1, "J has a kink at this value of w[0]: slope 1 to the right, 0 to the left"),
        ("J = (w.round()).sum()", 0.1, "Nothing changes"),
        ("J = (w - 1.0).abs().sqrt().sum()", 0.0, "Move the slider"),
        ("J = ((2.5 - w) ** 0.5).sum()", 2.0, "Not a finite number"),
    ],
)
def test_each_outcome_is_a_lesson(body: str, step: float, begins: str) -> None:
    report, _ = recorded(LEAF + body + "\nJ.backward()")
    assert nudge(report, "w", 0, step)["lesson"].startswith(begins)


def test_the_loss_of_a_state_is_the_one_it_led_to() -> None:
    loop = "for i in range(2):\n    J = (w * w).sum()\n    J.backward()\n    with torch.no_grad():\n        w.mul_(2)\n"
    report, _ = recorded(LEAF + loop)
    states = Graph(report.trace).states[0]
    answers = [report.nudge({"n": 1, "item": f"t{row.id}", "element": 0, "step": 0}) for row in states[:2]]
    assert [answer["rows"][1]["value"] for answer in answers] == ["14 → 14", "56 → 56"]


def test_a_nudge_is_refused_in_the_language_of_the_reader() -> None:
    report, _ = recorded(LEAF + "J = torch.nn.functional.dropout(w, 0.5).sum()\nJ.backward()")
    assert "(line 2) draws random numbers" in nudge(report, "w", 0, 0.1)["error"]
    assert "(linha 2) sorteia números aleatórios" in nudge(report, "w", 0, 0.1, lang="pt_BR")["error"]
    report, _ = recorded(LEAF + "h = w * 2")
    assert nudge(report, "w", 0, 0.1)["error"] == "No scalar that was recorded depends on w."


def test_a_nudge_that_would_be_slow_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nudger, "PATIENCE", 0.0)
    report, _ = recorded(LEAF + "J = w.sum()\nJ.backward()")
    assert "too long to follow a slider" in nudge(report, "w", 0, 0.1)["error"]


@pytest.mark.parametrize(
    "request_", [{}, {"n": 1, "item": "c0", "element": 0, "step": 0}, {"n": 1, "item": "t0", "element": 9, "step": 0},
                 {"n": 1, "item": "t999", "element": 0, "step": 0}, {"n": 1, "item": "t0", "element": 0, "step": "x"}],
)  # fmt: skip
def test_a_request_that_makes_no_sense_is_answered(request_: dict[str, Any]) -> None:
    report, _ = recorded(LEAF + "J = w.sum()\nJ.backward()")
    answer = report.nudge(request_)
    assert answer["n"] == request_.get("n") and answer["error"] != ""


# -- which elements are shown ------------------------------------------------------------------
def test_a_large_leaf_says_that_its_worst_elements_are_shown() -> None:
    source = "torch.manual_seed(0)\nx = torch.randn(4, 20)\nm = torch.nn.Linear(20, 50)\n"
    found = checked(source + "J = m(x).pow(2).mean()\nJ.backward()", leaf="m.bias")
    assert found.agrees is True
    rows = len(re.findall(r"^ +m\.bias\[\d+\]  ", str(found), re.MULTILINE))
    assert rows == len({row.element for row in found.against})
    assert re.search(rf"\b{rows} of 50 elements? shown: (those that differ|the one that differs) most\.", flat(found))
    assert "shown" not in str(checked(LEAF + "J = (w * w).sum()\nJ.backward()"))


def test_no_difference_is_said_in_words() -> None:
    found = checked("w = torch.ones(20, requires_grad=True)\nJ = (w * 0).sum()\nJ.backward()")
    assert found.error == 0
    assert flat(found).count("agrees; no difference.") == 2
    assert "off by" not in str(found)
    assert "1 of 20 elements shown; none of them differs." in flat(found)
