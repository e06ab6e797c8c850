"""Training steps of real networks: recorded as they are, nothing said to be wrong, shown in little room."""

from __future__ import annotations

import collections
import functools
import json
import linecache
import re
import time
import warnings
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
import torch
import torch.nn.modules.module as module_hooks
from torch.overrides import TorchFunctionMode, resolve_name

from autograd_magics import record
from autograd_magics.graph import Graph
from autograd_magics.held import Held
from autograd_magics.report import Report
from autograd_magics.trace import Trace
from autograd_magics.views import format
from autograd_magics.views.payload import payload
from autograd_magics.views.scoped.opening import GLANCE
from tests.models.networks import LSTM, PROGRAMS, Program, lstm
from tests.recorded import Notebook, findings
from tests.test_held import Probe
from tests.views.checks import one_sided, picture_problems, unresolved
from tests.views.geometry import problems

LINES = 220
"""A report on a terminal has at most about that many."""
Called = tuple[str, tuple[str, ...]]
"""A function, and the modules it was called in, outermost first."""


class Recorded(NamedTuple):
    """A program that was recorded."""

    notebook: Notebook
    report: Report


def prepared(program: Program) -> dict[str, Any]:
    """The variables that the cell finds, the same each time, and the same random numbers to come."""
    torch.manual_seed(0)
    with warnings.catch_warnings():  # the first optimizer imports sympy, which adds a filter
        return {"torch": torch, "__name__": "__main__", **program.setup()}


@functools.cache
def recorded(name: str) -> Recorded:
    notebook = Notebook()
    notebook.namespace.update(prepared(PROGRAMS[name]))
    trace = notebook.run(PROGRAMS[name].cell)
    assert notebook.errors == [None]
    return Recorded(notebook, Report(trace, lang="en"))


def tensors(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """All tensors in a value with what `.grad` holds, and its numbers."""
    if isinstance(value, torch.nn.Module):
        for name, tensor in (*value.named_parameters(), *value.named_buffers()):
            yield from tensors(tensor, f"{path}.{name}")
    elif isinstance(value, torch.optim.Optimizer):
        yield from tensors(value.state_dict(), path)
    elif isinstance(value, torch.Tensor):
        yield path, value.detach()
        if value.is_leaf and value.grad is not None:
            yield f"{path}.grad", value.grad
    elif isinstance(value, (list, tuple)):
        for i, item in enumerate(value):
            yield from tensors(item, f"{path}[{i}]")
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from tensors(item, f"{path}[{key!r}]")
    elif isinstance(value, (int, float)):
        yield path, value


def state(namespace: dict[str, Any]) -> dict[str, Any]:
    variables = {key: value for key, value in namespace.items() if not key.startswith("__")}
    return dict(tensors(variables, ""))


def same(one: Any, other: Any) -> bool:
    if isinstance(one, torch.Tensor):
        return one.dtype == other.dtype and torch.equal(one, other)
    return type(one) is type(other) and one == other


def assert_equal(namespace: dict[str, Any], other: dict[str, Any]) -> None:
    one, two = state(namespace), state(other)
    assert list(one) == list(two)
    assert [path for path in one if not same(one[path], two[path])] == []


def run_with_record(program: Program, namespace: dict[str, Any]) -> Report:
    """The cell in a `with record()` block of a script."""
    body = "".join(f"    {line}\n" if line else "\n" for line in program.cell.strip().splitlines())
    source = f"with record(lang='en') as recording:\n{body}"
    filename = f"<script {id(namespace)}>"
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    namespace["record"] = record
    exec(compile(source, filename, "exec"), namespace)
    del namespace["record"]
    report: Report = namespace.pop("recording").report
    return report


def chain(trace: Trace, scope: int | None) -> tuple[str, ...]:
    """Paths of the modules that a scope lies in, outermost first, and its own."""
    if scope is None:
        return ()
    return (*chain(trace, trace.scopes[scope].parent), trace.scopes[scope].path)


def calls_of(trace: Trace) -> list[Called]:
    return [(call.qualified.rpartition(".")[2], chain(trace, call.scope)) for call in trace.calls]


class Watch(TorchFunctionMode):
    """Every function of torch that gave tensors, with the modules that are running, told by hooks on modules."""

    def __init__(self) -> None:
        super().__init__()
        self.running: list[torch.nn.Module] = []
        self.seen: list[tuple[str, tuple[torch.nn.Module, ...]]] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        name = resolve_name(func) or ""
        first = result[0] if isinstance(result, (tuple, list)) and result else result
        if isinstance(first, torch.Tensor) and not name.endswith("__get__"):
            self.seen.append((name.rpartition(".")[2], tuple(self.running)))
        return result


def watched(program: Program) -> collections.Counter[Called]:
    """The calls inside modules, as hooks on modules tell it."""
    watch, namespace = Watch(), prepared(program)
    begin = module_hooks.register_module_forward_pre_hook(lambda module, _: watch.running.append(module))
    end = module_hooks.register_module_forward_hook(lambda *_: watch.running.pop() and None, always_call=True)
    try:
        with watch:
            exec(program.cell, namespace)
    finally:
        begin.remove()
        end.remove()
    roots = {key: value for key, value in namespace.items() if isinstance(value, torch.nn.Module)}
    paths = {module: typed(f"{key}.{path}") for key, root in roots.items() for path, module in root.named_modules()}
    return collections.Counter((name, tuple(paths[one] for one in inside)) for name, inside in watch.seen if inside)


def typed(path: str) -> str:
    """`model.h.3.attn` as the user would write it."""
    return re.sub(r"\.(\d+)", r"[\1]", path.rstrip("."))


# -- recording ---------------------------------------------------------------------------------
@pytest.mark.parametrize("name", PROGRAMS)
def test_a_recorded_step_does_what_a_plain_one_does(name: str) -> None:
    """Losses, gradients, parameters, buffers, the state of optimizers, and random numbers, bit for bit."""
    program = PROGRAMS[name]
    plain = prepared(program)
    exec(program.cell, plain)
    after = torch.get_rng_state()
    notebook = Notebook()
    notebook.namespace.update(prepared(program))
    notebook.run(program.cell)
    assert torch.equal(torch.get_rng_state(), after)
    assert_equal(plain, notebook.namespace)
    assert any(path.endswith(".grad") for path in state(plain))


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_script_records_the_same(name: str) -> None:
    program = PROGRAMS[name]
    plain, namespace = prepared(program), prepared(program)
    exec(program.cell, plain)
    torch.manual_seed(0)
    namespace = prepared(program)
    report = run_with_record(program, namespace)
    assert_equal(plain, namespace)
    assert report.trace.problem is None
    assert calls_of(report.trace) == calls_of(recorded(name).report.trace)
    assert [node.name for node in report.trace.nodes] == [node.name for node in recorded(name).report.trace.nodes]


@pytest.mark.parametrize("name", PROGRAMS)
def test_nothing_is_wrong_with_a_correct_program(name: str) -> None:
    report = recorded(name).report
    assert (report.trace.problem, report.trace.failure, report.trace.dropped, report.trouble) == (None, None, 0, None)
    assert [(f.code, f.variant) for f in findings(report.trace) if f.severity != "note"] == []


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_call_knows_its_module(name: str) -> None:
    trace = recorded(name).report.trace
    told = collections.Counter(called for called in calls_of(trace) if called[1])
    del told["Function", ("model",)]  # a custom Function is no function that a mode sees
    assert told == watched(PROGRAMS[name])
    assert sum(told.values()) > 5


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_call_of_a_module_is_one_scope(name: str) -> None:
    trace = recorded(name).report.trace
    assert len({(scope.module, scope.nth) for scope in trace.scopes}) == len(trace.scopes)
    tops = [scope for scope in trace.scopes if scope.parent is None]
    expected = {"gan": 4, "reinforce": 28, "mixed precision": 4}.get(name, 1)
    assert len(tops) == expected


@pytest.mark.parametrize("name", PROGRAMS)
def test_parameters_are_called_what_the_user_calls_them(name: str) -> None:
    notebook, report = recorded(name)
    names = {report.graph.name(tensor.id) for tensor in report.trace.tensors if tensor.parameter}
    space = notebook.namespace
    expected = {id(p) for m in space.values() if isinstance(m, torch.nn.Module) for p in m.parameters()}
    assert {id(eval(str(one), dict(space))) for one in names} == expected
    assert len(names) == len(expected)
    if name == "gpt":
        assert "model.h[3].attn.qkv.weight" in names


@pytest.mark.parametrize("name", PROGRAMS)
def test_what_backward_holds_is_what_the_storages_hold(name: str) -> None:
    """A walk of the graph before each backward finds the same bytes."""
    probe = Probe()
    namespace = prepared(PROGRAMS[name])
    notebook = Notebook()
    notebook.namespace.update(namespace)

    def look() -> None:
        here = list(notebook.namespace.values())
        for value in here:
            here += value if type(value) is list else ()
            here += vars(value).values() if isinstance(value, torch.distributions.Distribution) else ()
        probe(*(value for value in here if isinstance(value, torch.Tensor)))

    notebook.namespace["look"] = look
    cell, count = re.subn(r"(?m)^( *)(\w+\.backward\(\))$", r"\1look()\n\1\2", PROGRAMS[name].cell)
    trace = notebook.run(cell)
    assert notebook.errors == [None]
    assert count > 0 and min(probe.sizes) > 0
    assert probe.told(Held(Graph(trace))) == probe.sizes


# -- showing -----------------------------------------------------------------------------------
@pytest.mark.parametrize("name", PROGRAMS)
def test_the_text_is_short(name: str) -> None:
    lines = recorded(name).report.to_text().splitlines()
    assert [line for line in lines if format.columns(line) > 80] == []
    assert 20 < len(lines) <= LINES


@pytest.mark.parametrize("name", PROGRAMS)
def test_what_is_seen_at_first_is_little_and_well_placed(name: str) -> None:
    for picture in recorded(name).report.pictures.values():
        assert 5 <= len(picture.boxes) <= GLANCE
        assert problems(picture) == []


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_link_of_the_view_leads_somewhere(name: str) -> None:
    data = json.loads(json.dumps(payload(recorded(name).report)))
    assert unresolved(data) == []
    assert one_sided(data) == []
    assert [found for picture in data["pictures"].values() for found in picture_problems(picture)] == []


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_page_is_made(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    report = Report(recorded(name).report.trace, lang="en")
    begin = time.process_time()
    page = report.to_html()
    seconds = time.process_time() - begin
    with capsys.disabled():
        size = f"{len(report.trace.nodes)} nodes, {len(report.trace.calls)} calls"
        print(f"\n{name}: {size}, {seconds:.2f} s, {len(page) / 1e3:.0f} kB")
    assert len(page) < 1_000_000
    for picture in ("forward", "backward"):
        assert ElementTree.fromstring(report.to_svg(picture=picture)).tag.endswith("svg")
        assert report.to_graphviz(picture=picture).source.startswith("digraph")


# -- data --------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", PROGRAMS)
def test_tables_and_file(name: str) -> None:
    report = recorded(name).report
    trace = report.trace
    again = Trace.from_json(trace.to_json())
    assert again == trace
    assert len(report.nodes) == len(trace.nodes)
    assert len(report.calls) == len(trace.calls)
    assert len(report.saved) == len(trace.saved)
    assert len(report.backwards) == len(trace.backwards)
    assert len(report.gradients) >= len({change.object for change in trace.changes}) > 0
    modules = {trace.scopes[call.scope].path for call in trace.calls if call.scope is not None}
    assert {row["module"] for row in report.calls} - {None} == modules
    assert not report.diff(Report(again, lang="en"))


# -- what is special about one of them -----------------------------------------------------------
def test_gradients_that_die_on_the_way_back_are_told_of_the_layer() -> None:
    """The same LSTM, whose forget gates are half closed, as PyTorch's own begin."""
    notebook = Notebook()
    notebook.namespace.update(prepared(Program(lambda: lstm(forget=0.0), LSTM)))
    (found,) = [f for f in findings(notebook.run(LSTM)) if f.code == "AG604"]
    assert (found.variant, found.data["layer"]) == ("vanishes", {"layer": "model.cell"})


@pytest.mark.parametrize("name", ["diffusion", "diffusion, re-entrant"])
def test_a_checkpoint_is_told_and_never_unpacked(name: str) -> None:
    """What is computed again in backward is no call of the user's: nothing stands there twice."""
    trace = recorded(name).report.trace
    blocks = [call for call in trace.calls if any(".blocks[" in path for path in chain(trace, call.scope))]
    assert collections.Counter(call.name for call in blocks) == dict.fromkeys(
        ("layer_norm", "linear", "silu", "dropout"), 6
    )
    assert all(call.at < trace.backwards[0].at for call in blocks)
    hidden = [row for row in trace.saved if row.hidden]
    if name == "diffusion":
        assert {row.hook for row in trace.packed} == {"torch.utils.checkpoint._checkpoint_hook.unpack_hook"}
        assert {row.saved for row in trace.packed} == {row.id for row in hidden}
        assert all(row.bytes == 0 for row in hidden)
    else:
        assert hidden == []
        assert [call.name for call in trace.calls].count("CheckpointFunction") == 6


def test_what_a_distribution_keeps_is_found() -> None:
    """`actions.probs` was computed to draw from and keeps a graph that no backward goes through."""
    (keeper,) = Held(recorded("reinforce").report.graph).keepers
    assert (keeper.why, keeper.names) == ("unused", ("actions.probs",))


def test_tensors_inside_modules_are_called_after_what_made_them() -> None:
    """Not all of them `model(x)`, which is what the whole model gave."""
    graph = recorded("gpt").report.graph
    labels = [graph.label(tensor) for call in graph.trace.calls for tensor in call.outputs]
    assert labels.count("model(tokens[:, :-1])") == 0  # the one that it gave has a name
    assert labels.count("torch.arange(tokens.shape[1])") == 1
    assert labels.count("self.wte(tokens)") == 1
    graph = recorded("lstm").report.graph
    labels = [graph.label(tensor) for call in graph.trace.calls for tensor in call.outputs]
    assert [label for label in labels if label.startswith("x[")] == [f"x[{k}]" for k in range(500)]
    assert labels.count("model(x)") == 1
