"""Which call of which module a call of torch belongs to."""

from __future__ import annotations

import gc
import weakref

import pytest
import torch
from recorded import Notebook

from autograd_magics.recorder import Recorder
from autograd_magics.trace import Scope, Trace

NET = """
import torch
from torch import nn
class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc, self.act = nn.Linear(2, 2), nn.ReLU()
    def forward(self, x, scale=None):
        return self.act(self.fc(x))
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.blocks = nn.ModuleList([Block() for _ in range(2)])
        self.heads = nn.ModuleDict({"one": nn.Linear(2, 1)})
    def forward(self, x):
        for block in self.blocks:
            x = block(x)
        return self.heads["one"](x)
"""


def record(source: str) -> Trace:
    return Notebook().run(NET + source)


def around(trace: Trace, call: int) -> list[Scope]:
    """The scopes of a call, outermost first."""
    found = []
    scope = trace.calls[call].scope
    while scope is not None:
        found.insert(0, trace.scopes[scope])
        scope = found[0].parent
    return found


def paths(trace: Trace) -> list[tuple[str, str]]:
    """(path of its module, name) of each call in a module."""
    return [(trace.scopes[c.scope].path, c.name) for c in trace.calls if c.scope is not None]


def test_each_call_knows_the_modules_around_it() -> None:
    trace = record("net = Net()\ny = net(torch.ones(1, 2)).sum()\ny.backward()")
    assert paths(trace) == [
        ("net.blocks[0].fc", "linear"), ("net.blocks[0].act", "relu"), ("net.blocks[1].fc", "linear"),
        ("net.blocks[1].act", "relu"), ('net.heads["one"]', "linear"),
    ]  # fmt: skip
    (linear,) = [c for c in trace.calls if c.scope is not None][:1]
    assert [(s.name, s.type, s.nth) for s in around(trace, linear.id)] == [
        ("net", "Net", 0), ("blocks[0]", "Block", 0), ("fc", "Linear", 0),
    ]  # fmt: skip
    (total,) = [c for c in trace.calls if c.name == "sum"]
    assert total.scope is None
    called = [trace.places[s.place].line for s in around(trace, linear.id) if s.place is not None]
    assert called == [20, 17, 9]


@pytest.mark.parametrize("source", [
    "x = torch.ones(1, 2)\nouts = [block(x) for _ in range(3)]",
    "x = torch.ones(1, 2)\na, b, c = block(x), block(x), block(x)",
    "x = torch.ones(1, 2)\nfor _ in range(3):\n    x = block(x)",
    "x = torch.ones(1, 2)\nfor _ in range(3):\n    y = block(x, scale=1.0)\n    x = y + 1",
])  # fmt: skip
def test_each_call_of_a_module_is_told_from_the_next(source: str) -> None:
    trace = record(f"block = Block()\n{source}")
    assert [(s.path, s.nth) for s in trace.scopes if s.parent is None] == [("block", i) for i in range(3)]
    assert len({s.module for s in trace.scopes}) == 3


def test_what_one_call_of_a_module_repeats_belongs_to_that_call() -> None:
    trace = record("""
class Loop(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(2, 2)
    def forward(self, x):
        for _ in range(3):
            x = self.fc(x).tanh()
        return x
loop = Loop()
y = loop(torch.ones(1, 2))
""")
    assert [(s.path, s.nth) for s in trace.scopes] == [("loop", 0), ("loop.fc", 0), ("loop.fc", 1), ("loop.fc", 2)]
    assert [c.scope for c in trace.calls if c.name == "tanh"] == [0, 0, 0]


def test_a_module_without_a_variable_is_named_by_its_class() -> None:
    trace = record("def f():\n    return Net()(torch.ones(1, 2))\ny = f()")
    assert paths(trace)[0] == ("Net().blocks[0].fc", "linear")
    assert [s.name for s in around(trace, next(c.id for c in trace.calls if c.name == "linear"))] == [
        "Net()", "blocks[0]", "fc",
    ]  # fmt: skip


def test_a_call_that_failed_ends_its_scope() -> None:
    trace = record("""
net = Net()
try:
    net(torch.ones(1, 3))
except RuntimeError:
    pass
y = net(torch.ones(1, 2))
""")
    assert [(s.path, s.nth) for s in trace.scopes if s.type == "Net"] == [("net", 0), ("net", 1)]
    assert trace.calls[trace.calls[-1].id].error is None


def test_recording_keeps_no_module_and_no_argument_alive() -> None:
    module = torch.nn.Linear(2, 2)
    given = torch.ones(1, 2)
    recorder = Recorder(strict=True)
    recorder.start()
    module(input=given)
    refs = [weakref.ref(module), weakref.ref(given)]
    del module, given
    gc.collect()
    alive = [ref() is not None for ref in refs]
    trace = recorder.stop()
    assert alive == [False, False]
    assert [s.path for s in trace.scopes] == ["Linear()"]
