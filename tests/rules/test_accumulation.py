"""AG202: what tells a sum over micro-batches from a gradient that nobody zeroed; AG205 before AG701."""

from __future__ import annotations

import pytest

from autograd_magics import Report
from tests.recorded import Notebook, findings

MODEL = """
model = torch.nn.Linear(3, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
x, y = torch.randn(8, 3), torch.randn(8, 1)
def loss_of(i=0): return (model(x[i::4]) - y[i::4]).pow(2).mean()
"""
STEP, ZERO = "optimizer.step()", "optimizer.zero_grad()"
PARTS = "for k in range(4):\n    (loss_of(k) / 4).backward()"

MEANT = {
    "parts in one cell, step in the next": [PARTS, f"{STEP}\n{ZERO}"] * 2,
    "the sum is looked at on the way": [f"{PARTS}\n    print(model.weight.grad.norm())", f"{STEP}\n{ZERO}"],
    "a factor instead of a divisor": ["for k in range(4):\n    (0.25 * loss_of(k)).backward()", STEP, ZERO],
    "one part for each cell, the last one with the step": [
        "(loss_of(0) / 2).backward()", f"(loss_of(1) / 2).backward()\n{STEP}\n{ZERO}",
    ],
    "parts of a scaled loss": [
        "scaler = torch.amp.GradScaler('cpu')", "for k in range(2):\n    scaler.scale(loss_of(k) / 2).backward()",
        f"scaler.step(optimizer)\nscaler.update()\n{ZERO}",
    ],
    "each gradient set to None by hand": [
        f"for i in range(3):\n    for p in model.parameters(): p.grad = None\n    loss_of(i).backward()\n    {STEP}",
    ],
}  # fmt: skip

FORGOTTEN = {
    "one loop": ([f"for i in range(3):\n    loss_of(i).backward()\n    {STEP}"], "repeated_of_several"),
    "a sum of parts, never zeroed": (
        [f"for e in range(2):\n    for k in range(4):\n        (loss_of(k) / 4).backward()\n    {STEP}"],
        "repeated_of_several",
    ),
    "a training step run twice": ([f"loss_of().backward()\n{STEP}"] * 2, "earlier_several"),
    "a part run again after the step": (["(loss_of() / 2).backward()", STEP, "(loss_of() / 2).backward()"],
                                        "earlier_several"),
    "more parts than there should be": (["(loss_of() / 2).backward()"] * 3, "earlier_several"),
    "a cell run twice": (["loss_of().backward()"] * 2, "earlier_several"),
    "another optimizer zeroed": (
        ["other = torch.optim.SGD([torch.ones(1, requires_grad=True)], 0.1)",
         f"for i in range(3):\n    other.zero_grad()\n    loss_of(i).backward()\n    {STEP}"],
        "repeated_of_several",
    ),
}  # fmt: skip


def run(*cells: str) -> list[list[tuple[str, str, str]]]:
    """The findings of each cell after the model's."""
    notebook = Notebook()
    traces = [notebook.run(cell) for cell in (MODEL, *cells)]
    assert not any(notebook.errors)
    return [[(f.code, f.severity, f.variant) for f in findings(trace)] for trace in traces[1:]]


@pytest.mark.parametrize("cells", MEANT.values(), ids=MEANT)
def test_accumulation_that_is_meant_is_silent(cells: list[str]) -> None:
    assert run(*cells) == [[]] * len(cells)


@pytest.mark.parametrize(("cells", "variant"), FORGOTTEN.values(), ids=FORGOTTEN)
def test_a_gradient_that_nobody_zeroed(cells: list[str], variant: str) -> None:
    assert run(*cells)[-1] == [("AG202", "warning", variant)]


def test_a_part_of_a_sum_over_cells_is_a_note_until_the_step() -> None:
    assert run("(loss_of(0) / 2).backward()", "(loss_of(1) / 2).backward()")[-1] == [("AG202", "note", "meant_several")]


def test_all_parameters_of_a_model_are_told_together() -> None:
    notebook = Notebook()
    notebook.run("model = torch.nn.Sequential(*(torch.nn.Linear(2, 2) for _ in range(5)))")
    notebook.run("optimizer = torch.optim.SGD(model.parameters(), lr=0.1)")
    trace = notebook.run("for i in range(3):\n    model(torch.ones(1, 2)).sum().backward()\n    optimizer.step()")
    (found,) = findings(trace)
    assert found.data["count"] == 10 and (found.data["times"], found.data["all"]) == (2, 3)
    for lang in ("en", "pt_BR", "es", "zh_CN"):
        text = "".join(Report(trace, lang=lang).to_text().split())
        assert "`model[4].weight`" in text or "`model[0].weight`" in text
        assert "optimizer.zero_grad()" in text


def test_an_update_of_data_in_place_puts_nothing_back() -> None:
    notebook = Notebook()
    notebook.run("w = torch.ones(2, requires_grad=True)")
    trace = notebook.run("for i in range(5):\n    (w * w).sum().backward()\n    w.data -= 0.1 * w.grad")
    assert ("AG202", "repeated_of") in [(f.code, f.variant) for f in findings(trace)]


def test_a_gradient_set_to_none_in_a_cell_of_its_own_is_the_cause() -> None:
    last = run("loss_of().backward()", ZERO, STEP)[-1]
    assert last == [("AG205", "warning", "skipped"), ("AG701", "warning", "never")]
    assert run("loss_of().backward()", STEP, ZERO, STEP)[-1] == [("AG701", "warning", "never")]
    assert run(ZERO, "loss_of().backward()", STEP, ZERO) == [[]] * 4


# -- how many ------------------------------------------------------------------------------------
BY_HAND = """
x = torch.tensor(1.0, requires_grad=True)
for i in range(1, {n} + 1):
    {clear}
    y = i * x
    y.backward()
    print(x.grad)
"""
TRAINED = """
w = torch.ones(2, requires_grad=True)
optimizer = torch.optim.SGD([w], lr=0.001)
for i in range({n}):
    {clear}
    loss = (w * w).sum()
    loss.backward()
    optimizer.step()
"""
COUNTS = {
    "never": (BY_HAND, 6, "pass", 5),
    "set to None every third time": (BY_HAND, 9, "x.grad = None if i % 3 == 1 else x.grad", 6),
    "zeroed every third time": (BY_HAND, 9, "x.grad.zero_() if i % 3 == 1 and i > 1 else None", 6),
    "set to None once": (BY_HAND, 6, "if i == 4: x.grad = None", 4),
    "deleted once": (BY_HAND, 6, "if i == 4: del x.grad", 4),
    "zeroed through .data": (BY_HAND, 6, "if i == 4: x.grad.data.zero_()", 4),
    "set to None before the last": (BY_HAND, 6, "if i == 6: x.grad = None", 4),
    "optimizer zeroed once": (TRAINED, 6, "if i == 3: optimizer.zero_grad()", 4),
    "optimizer zeroed every other time": (TRAINED, 6, "if i % 2 == 0: optimizer.zero_grad()", 3),
    "a long loop": (BY_HAND, 120, "pass", 119),
    "a long loop, set to None every tenth time": (BY_HAND, 100, "if i % 10 == 0: x.grad = None", 89),
    "a long training": (TRAINED, 200, "pass", 199),
    "a long training, zeroed once": (TRAINED, 200, "if i == 100: optimizer.zero_grad()", 198),
}  # fmt: skip


@pytest.mark.parametrize(("source", "n", "clear", "added"), COUNTS.values(), ids=COUNTS)
def test_every_backward_that_added_to_an_old_gradient_is_counted(source: str, n: int, clear: str, added: int) -> None:
    """Also one whose sum was thrown away before the next, and those of iterations that are not kept."""
    notebook = Notebook()
    trace = notebook.run(source.format(n=n, clear=clear))
    assert notebook.errors == [None]
    (found,) = [f for f in findings(trace) if f.code == "AG202"]
    assert (found.severity, found.variant) == ("warning", "repeated_of")
    assert (found.data["times"], found.data["all"]) == (added, n)


def test_long_loops_are_not_kept_whole() -> None:
    """Else the counts above would say nothing of what is left out."""
    notebook = Notebook()
    assert sum(loop.dropped for loop in notebook.run(TRAINED.format(n=200, clear="pass")).loops) > 100


def test_sums_that_are_all_thrown_away_are_not_told() -> None:
    """The loss of a generator brings gradients to the discriminator too."""
    notebook = Notebook()
    trace = notebook.run("""
        d, g = torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)
        of_d, of_g = torch.optim.SGD([d], lr=0.1), torch.optim.SGD([g], lr=0.1)
        def run(loss):
            loss.backward()
        for i in range(4):
            of_d.zero_grad()
            run((d * g.detach()).sum())
            of_d.step()
            of_g.zero_grad()
            run((d * g).sum())
            of_g.step()
    """)
    assert [f.code for f in findings(trace)] == []
