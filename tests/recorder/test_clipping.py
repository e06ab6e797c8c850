"""What torch's helpers do to gradients is told as such: clipping, and what a `GradScaler` does."""

from __future__ import annotations

import pytest
from recorded import record_cell

from autograd_magics import Report
from autograd_magics.trace import Trace
from autograd_magics.views.payload import payload

WEIGHTS = """
w = torch.tensor([3.0, 0.0], requires_grad=True)
v = torch.tensor([4.0], requires_grad=True)
optimizer = torch.optim.SGD([{"params": [w]}, {"params": [v], "lr": 0.5}], lr=0.1)
"""
BACKWARD = "(w.pow(2).sum() / 2 + v.pow(2).sum() / 2).backward()\n"


def rows(trace: Trace) -> list[tuple[str, float | None, object]]:
    found = trace.optimizer_steps
    return [(row.kind, row.limit, None if row.norm is None else trace.tensors[row.norm].value) for row in found]


def ledger(trace: Trace, name: str, lang: str = "en") -> list[str]:
    data = payload(Report(trace, lang=lang))
    return [row["what"] for one in data["gradients"] if one["name"] == name for row in one["rows"]]


@pytest.mark.parametrize("foreach", ["None", "False"])
def test_clipping_by_norm(foreach: str) -> None:
    trace = record_cell(
        f"{WEIGHTS}{BACKWARD}norm = torch.nn.utils.clip_grad_norm_([w, v], 1.0, foreach={foreach})\noptimizer.step()"
    )
    assert rows(trace) == [("clip_grad_norm_", 1.0, 5.0), ("step", None, None)]
    assert trace.optimizer_steps[0].optimizer is None and trace.optimizer_steps[1].rates == (0.1, 0.5)
    assert ledger(trace, "w") == [
        "backward added", "clipped by clip_grad_norm_ (total norm 5, max_norm 1)", "value stepped by optimizer",
    ]  # fmt: skip


def test_a_norm_below_the_limit_leaves_gradients_as_they_are() -> None:
    trace = record_cell(f"{WEIGHTS}{BACKWARD}torch.nn.utils.clip_grad_norm_([w, v], 10.0)")
    assert ledger(trace, "v")[1] == "left as it is by clip_grad_norm_ (total norm 5, max_norm 10)"


@pytest.mark.parametrize("foreach", ["None", "False"])
def test_clipping_by_value(foreach: str) -> None:
    trace = record_cell(f"{WEIGHTS}{BACKWARD}torch.nn.utils.clip_grad_value_([w, v], 0.5, foreach={foreach})")
    (row,) = trace.optimizer_steps
    assert (row.kind, row.limit) == ("clip_grad_value_", 0.5) and len(row.parameters) == 2
    assert ledger(trace, "w")[1:] == ["clipped by clip_grad_value_ to ±0.5"]
    (clip,) = [row for one in payload(Report(trace))["gradients"] if one["name"] == "w" for row in one["rows"][1:]]
    assert (clip["before"], clip["after"]) == ("[3 0]", "[0.5 0]")
    (told,) = [one for one in captions(trace) if "clip_grad_value_" in one]
    assert "w.grad [3 0] → [0.5 0], v.grad [4] → [0.5]" in told


def captions(trace: Trace) -> list[str]:
    return list(payload(Report(trace, lang="en"))["timeline"]["captions"])


def test_a_scaler_unscales_steps_and_finds_infinite_gradients() -> None:
    loop = """
        for power in (4, 127):
            scaler = torch.amp.GradScaler("cpu", init_scale=2.0 ** power)
            optimizer.zero_grad()
            scaler.scale(w.pow(2).sum() / 2 + v.pow(2).sum() / 2).backward()
            scaler.unscale_(optimizer)
            scaler.step(optimizer)
            scaler.update()
    """
    trace = record_cell(WEIGHTS.replace("\n", "\n        ") + loop)
    assert [row.kind for row in trace.optimizer_steps] == ["unscale_", "step", "zero_grad", "unscale_"]
    first = next(c for c in trace.changes if c.kind == "changed")
    assert first.before is not None and first.after is not None
    assert (first.before.value, first.after.value) == ([48.0, 0.0], [3.0, 0.0])
    assert ledger(trace, "w")[1] == "unscaled by GradScaler"
    assert {"AG202", "AG205", "AG701"}.isdisjoint(f.code for f in Report(trace).findings)


def test_a_step_of_a_scaler_unscales_by_itself() -> None:
    trace = record_cell(
        f"{WEIGHTS}scaler = torch.amp.GradScaler('cpu', init_scale=2.0)\n"
        "scaler.scale(w.sum() + v.sum()).backward()\nscaler.step(optimizer)\nscaler.update()"
    )
    assert [row.kind for row in trace.optimizer_steps] == ["unscale_", "step"]
    assert [one for one in captions(trace) if one.startswith("scaler.step(optimizer) (lr 0.1, 0.5): w ")]


OPTIMIZERS = [
    "Adam([w], lr=0.1)", "AdamW([w], lr=0.1)", "Adam([w], lr=0.1, foreach=True)", "Adam([w], lr=0.1, fused=True)",
    "RMSprop([w], lr=0.1)", "SGD([w], lr=0.1, momentum=0.9)", "SGD([w], lr=0.1, momentum=0.9, foreach=True)",
]  # fmt: skip


@pytest.mark.parametrize("made", OPTIMIZERS)
def test_the_calls_inside_a_step_are_no_events(made: str) -> None:
    trace = record_cell(f"""
        w = torch.ones(2, requires_grad=True)
        opt = torch.optim.{made}
        for i in range(2):
            loss = w.pow(2).sum()
            loss.backward()
            opt.step()
            opt.zero_grad()
    """)
    told = [one for one in captions(trace) if one.startswith("opt.")]
    assert [one.partition(":")[0] for one in told] == ["opt.step() (lr 0.1)", "opt.zero_grad()"] * 2
    kinds = payload(Report(trace))["timeline"]["kinds"]
    assert kinds.count("u") == 2


def test_loops_that_are_kept_once_keep_the_helpers_of_what_is_kept() -> None:
    body = "    w.grad = v.grad = None\n    (w.pow(2).sum() + v.pow(2).sum()).backward()\n" \
           "    torch.nn.utils.clip_grad_norm_([w, v], 1.0)\n    optimizer.step()\n"  # fmt: skip
    whole = record_cell(f"{WEIGHTS}for i in range(40):\n{body}", loops=0)
    trace = record_cell(f"{WEIGHTS}for i in range(40):\n{body}")
    dropped = sum(loop.dropped for loop in trace.loops)
    assert len(whole.optimizer_steps) == 80 and rows(whole)[-2:] == rows(trace)[-2:]
    assert len(trace.optimizer_steps) == 2 * (40 - dropped)
