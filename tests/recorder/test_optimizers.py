"""Steps and `zero_grad()` of optimizers: what is noted, and that nothing is changed, kept alive or left behind."""

from __future__ import annotations

import gc
import threading
import weakref

import pytest
import torch
import torch.optim.optimizer as optim

from autograd_magics.trace import OptimizerStep, Trace
from tests.recorded import Notebook, record_cell

LOOP = """
w = torch.ones(3, requires_grad=True)
b = torch.zeros(3, requires_grad=True)
opt = torch.optim.SGD([w, b], lr=0.1)
for i in range(3):
    opt.zero_grad({arguments})
    loss = (w * w).sum()
    loss.backward()
    opt.step()
"""


SCALED = "scaler = torch.amp.GradScaler('cpu')\nscaler.scale((w * w).sum()).backward()"


def steps(trace: Trace, kind: str = "step") -> list[OptimizerStep]:
    return [s for s in trace.optimizer_steps if s.kind == kind]


def lines(trace: Trace, step: OptimizerStep) -> list[int]:
    return [trace.places[p].line for p in step.places]


def hooks() -> tuple[int, int]:
    return len(optim._global_optimizer_pre_hooks), len(optim._global_optimizer_post_hooks)


# -- what is noted -----------------------------------------------------------------------------
@pytest.mark.parametrize("arguments", ["", "set_to_none=False"])
def test_steps_and_zeroings_of_a_training_loop(arguments: str) -> None:
    trace = record_cell(LOOP.format(arguments=arguments))
    (optimizer,) = trace.optimizers
    assert (optimizer.type, optimizer.name) == ("SGD", "opt")
    objects = [trace.tensors[p].object for p in optimizer.parameters]
    assert [[trace.tensors[p].object for p in s.parameters] for s in steps(trace)] == [objects] * 3
    assert [[trace.tensors[p].object for p in s.skipped] for s in steps(trace)] == [objects[1:]] * 3
    assert [lines(trace, s) for s in steps(trace)] == [[9]] * 3
    assert [lines(trace, s) for s in steps(trace, "zero_grad")] == [[6]] * 2  # the first had nothing to do
    for zeroing in steps(trace, "zero_grad"):
        inside = [c for c in trace.changes if zeroing.at <= c.at <= zeroing.end]
        assert [c.kind for c in inside] == ["zeroed" if arguments else "cleared"]
        assert [trace.tensors[p].object for p in zeroing.parameters] == objects[:1]


def test_a_step_holds_what_it_did() -> None:
    trace = record_cell(LOOP.format(arguments=""))
    for step, before in zip(steps(trace), (1.0, 0.8, 0.64), strict=True):
        inside = [c for c in trace.calls if step.at < c.at and c.end <= step.end]
        assert [c.name for c in inside] == ["step"]
        first, after = trace.tensors[step.parameters[0]], trace.tensors[inside[0].outputs[0]]
        assert first.value == pytest.approx([before] * 3) and after.value == pytest.approx([before * 0.8] * 3)
        assert first.object == after.object


def test_closure_runs_inside_its_step() -> None:
    trace = record_cell("""
        w = torch.ones(2, requires_grad=True)
        opt = torch.optim.LBFGS([w], max_iter=3)
        def closure():
            opt.zero_grad()
            loss = (w * w).sum()
            loss.backward()
            return loss
        opt.step(closure)
    """)
    (step,) = steps(trace)
    assert trace.backwards and all(step.at < b.at and b.end < step.end for b in trace.backwards)
    assert lines(trace, step) == [9] and all(z.optimizer == 0 for z in steps(trace, "zero_grad"))


@pytest.mark.parametrize(
    ("setup", "call", "name"),
    [
        ("", "opt.step()", "opt"),
        ("class Trainer: pass\ntrainer = Trainer()\ntrainer.opt = opt\ndel opt", "trainer.opt.step()", "trainer.opt"),
        ("opts = {'a': opt}\ndel opt", "opts['a'].step()", None),
        ("opts = [opt]\ndel opt", "opts[0].step()", "opts[0]"),
        ("def run(inner): inner.step()\nlocal = [opt]\ndel opt", "run(local[0])", "inner"),
        ("torch.optim.lr_scheduler.StepLR(opt, 1)\nkept = [opt]\ndel opt", "kept[0].step()", "kept[0]"),
        (SCALED, "scaler.step(opt)", "opt"),
        (f"{SCALED}\nopts = [opt]\ndel opt", "scaler.step(opts[0])", None),
    ],
)  # fmt: skip
def test_name_of_the_users_variable(setup: str, call: str, name: str | None) -> None:
    source = "w = torch.ones(2, requires_grad=True)\nopt = torch.optim.Adam([w])\n(w * w).sum().backward()\n"
    trace = record_cell(f"{source}{setup}\n{call}\n")
    assert [(o.type, o.name) for o in trace.optimizers] == [("Adam", name)]
    assert len(steps(trace)) == 1


def test_optimizer_that_does_nothing_is_known_by_its_tensors() -> None:
    notebook = Notebook()
    notebook.run("c = torch.ones(2, requires_grad=True)\nthird = torch.optim.Adam([c])")
    trace = notebook.run("""
        a = torch.ones(2, requires_grad=True)
        b = torch.ones(2, requires_grad=True)
        first = torch.optim.SGD([a], lr=0.1)
        second = torch.optim.Adam([b])
        (a * b).sum().backward()
        first.step()
    """)
    assert {o.name: len(o.parameters) for o in trace.optimizers} == {"first": 1, "second": 1}


def test_optimizer_of_an_earlier_cell_without_a_name_of_its_own() -> None:
    notebook = Notebook()
    notebook.run("""
        a, b = (torch.ones(2, requires_grad=True) for _ in range(2))
        opts = [torch.optim.SGD([a], lr=0.1), torch.optim.SGD([b], lr=0.1)]
        (a * b).sum().backward()
        for opt in opts: opt.step()
        del opt
    """)
    trace = notebook.run("(a * b).sum().backward()\nopts[0].step()")
    assert sorted(len(o.parameters) for o in trace.optimizers) == [1, 1]
    assert [s.optimizer for s in steps(trace)] == [0]


def test_two_optimizers_zeroed_on_one_line() -> None:
    trace = record_cell("""
        a, b = (torch.ones(2, requires_grad=True) for _ in range(2))
        opts = [torch.optim.SGD([a], lr=0.1), torch.optim.SGD([b], lr=0.1)]
        for i in range(2):
            (a * b).sum().backward()
            for opt in opts: opt.step()
            for opt in opts: opt.zero_grad()
    """)
    assert [s.optimizer for s in steps(trace, "zero_grad")] == [0, 1, 0, 1]


def test_model_zero_grad_is_not_an_optimizers() -> None:
    trace = record_cell("m = torch.nn.Linear(2, 1)\nm(torch.ones(2)).sum().backward()\nm.zero_grad()")
    assert trace.optimizers == () and trace.optimizer_steps == ()


def test_step_that_raised_has_no_length() -> None:
    trace = record_cell("""
        w = torch.ones(2, requires_grad=True)
        opt = torch.optim.LBFGS([w])
        other = torch.optim.SGD([w], lr=0.1)
        def closure():
            raise ValueError("no")
        try:
            opt.step(closure)
        except ValueError:
            pass
        other.step()
    """)
    failed, made = steps(trace)
    assert failed.at == failed.end and made.at < made.end and (failed.optimizer, made.optimizer) == (0, 1)


def test_steps_beyond_the_limit_are_left_out() -> None:
    assert len(steps(record_cell(LOOP.format(arguments=""), limit=8))) < 3


# -- what is not changed -----------------------------------------------------------------------
def test_cell_without_optimizers_has_no_rows() -> None:
    trace = record_cell("x = torch.ones(2, requires_grad=True)\n(x * x).sum().backward()")
    assert (trace.optimizers, trace.optimizer_steps) == ((), ())


@pytest.mark.parametrize("end", ["", "raise ValueError('stop')"])
def test_hooks_are_there_only_while_recording(end: str) -> None:
    before = hooks()
    notebook = Notebook()
    notebook.namespace["hooks"] = hooks
    notebook.run(f"during = hooks()\n{end}")
    assert notebook.namespace["during"] == (before[0] + 1, before[1] + 1)
    assert hooks() == before


def test_the_users_own_hooks_see_what_they_would_see() -> None:
    trace = record_cell("""
        seen = []
        w = torch.ones(2, requires_grad=True)
        opt = torch.optim.SGD([w], lr=0.1)
        opt.register_step_pre_hook(lambda o, args, kwargs: seen.append(("before", w.tolist())))
        opt.register_step_post_hook(lambda o, args, kwargs: seen.append(("after", w.tolist())))
        (w * 5).sum().backward()
        opt.step()
        assert seen == [("before", [1.0, 1.0]), ("after", [0.5, 0.5])]
    """)
    assert trace.failure is None and len(steps(trace)) == 1


def test_same_weights_as_in_the_plain_run() -> None:
    source = """
torch.manual_seed(3)
model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 1))
opt = torch.optim.{kind}(model.parameters(), lr=0.01)
for i in range(4):
    opt.zero_grad()
    model(torch.ones(2, 3)).pow(2).sum().backward()
    opt.step()
after = torch.cat([p.detach().flatten() for p in model.parameters()])
"""
    for kind in ("SGD", "Adam", "RMSprop"):
        plain: dict[str, object] = {"torch": torch}
        exec(source.format(kind=kind), plain)
        notebook = Notebook()
        notebook.run(source.format(kind=kind))
        assert torch.equal(notebook.namespace["after"], plain["after"])  # type: ignore[arg-type]


def test_optimizer_and_parameters_are_not_kept_alive() -> None:
    notebook = Notebook()
    notebook.run(LOOP.format(arguments=""))
    refs = [weakref.ref(notebook.namespace.pop(name)) for name in ("opt", "w", "b", "loss")]
    gc.collect()
    assert [ref() for ref in refs] == [None] * 4


def test_steps_on_another_thread_are_not_of_this_cell() -> None:
    w = torch.ones(2, requires_grad=True)
    elsewhere = torch.optim.SGD([w], lr=0.1)
    w.grad = torch.ones(2)
    notebook = Notebook()
    notebook.namespace |= {"elsewhere": elsewhere, "threading": threading}
    trace = notebook.run("t = threading.Thread(target=elsewhere.step)\nt.start()\nt.join()")
    assert w.tolist() == pytest.approx([0.9, 0.9]) and trace.optimizer_steps == () and trace.problem is None


def test_compiled_step_does_what_it_does_without_us() -> None:
    trace = record_cell("""
        w = torch.ones(2, requires_grad=True)
        opt = torch.optim.SGD([w], lr=0.1)
        compiled = torch.compile(lambda: opt.step(), backend="eager")
        for i in range(2):
            opt.zero_grad()
            (w * 5).sum().backward()
            compiled()
        assert w.allclose(torch.zeros(2))
    """)
    assert trace.failure is None and trace.problem is None


# -- a step as a whole ---------------------------------------------------------------------------
def names_in(trace: Trace, step: OptimizerStep) -> list[str]:
    return [c.name for c in trace.calls if step.at < c.at and c.end <= step.end]


@pytest.mark.parametrize("kind", ["SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "Adadelta", "NAdam", "Rprop", "ASGD"])
@pytest.mark.parametrize("foreach", [False, True])
def test_a_step_of_torchs_own_is_one_call(kind: str, foreach: bool) -> None:
    trace = record_cell(f"""
        w, v = torch.ones(2, requires_grad=True), torch.ones(3, requires_grad=True)
        opt = torch.optim.{kind}([w, v], lr=0.1, foreach={foreach})
        for i in range(2):
            opt.zero_grad()
            (w.sum() * v.sum()).backward()
            opt.step()
    """)
    for step in steps(trace):
        assert names_in(trace, step) == ["step"]
        (call,) = [c for c in trace.calls if step.at < c.at and c.end <= step.end]
        assert call.inplace and call.qualified == f"torch.optim.{kind}.step" and call.inputs == step.parameters
        assert [trace.tensors[t].object for t in call.outputs] == [trace.tensors[t].object for t in step.parameters]
        assert all(trace.tensors[t].value is not None for t in call.outputs)
    assert len({trace.tensors[c.outputs[0]].id for c in trace.calls if c.name == "step"}) == 2


@pytest.mark.parametrize("step", [
    "class Own(torch.optim.Optimizer):\n"
    "    def __init__(self, params): super().__init__(params, {})\n"
    "    @torch.no_grad()\n"
    "    def step(self):\n"
    "        for p in self.param_groups[0]['params']: p.sub_(0.1 * p.grad)\n"
    "opt = Own([w])",
    "opt = torch.optim.SGD([w], lr=0.1)\nstep = opt.step\nopt.step = lambda: step(lambda: (w * w).sum())",
])  # fmt: skip
def test_steps_with_code_of_the_users_are_seen_call_by_call(step: str) -> None:
    trace = record_cell(f"w = torch.ones(2, requires_grad=True)\n(w * w).sum().backward()\n{step}\nopt.step()")
    (made,) = steps(trace)
    assert "step" not in names_in(trace, made) and len(names_in(trace, made)) >= 2


def test_what_comes_after_a_step_that_raised_is_seen() -> None:
    trace = record_cell("""
        w = torch.ones(2, requires_grad=True)
        opt = torch.optim.SGD([w], lr=0.1, momentum=0.9)
        (w * w).sum().backward()
        opt.step()
        opt.state[w]["momentum_buffer"] = None
        opt.param_groups[0]["momentum"] = "much"
        try:
            opt.step()
        except TypeError:
            pass
        opt.zero_grad()
        y = (w * 3).sum()
        y.backward()
    """)
    assert [c.kind for c in trace.changes] == ["accumulated", "cleared", "accumulated"]
    assert [c.name for c in trace.calls][-2:] == ["mul", "sum"]


def test_a_gradient_that_a_step_changed_in_place_is_noted() -> None:
    trace = record_cell("""
        w = torch.ones(2, requires_grad=True)
        opt = torch.optim.SGD([w], lr=0.1, momentum=0.9, nesterov=True, foreach=True)
        for i in range(2):
            opt.zero_grad()
            (w * w).sum().backward()
            opt.step()
            seen = w.grad.tolist()
    """)
    last = [c for c in trace.changes if c.after is not None][-1]
    assert last.after is not None and last.after.value == trace_value(trace)


def trace_value(trace: Trace) -> object:
    """What the last reading of `.grad` gave."""
    result = trace.accesses[-1].result
    assert result is not None
    return trace.tensors[result].value
