"""`torch.compile`: what was compiled stays compiled, right, and unseen; the recording goes on around it."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

import pytest
import torch
from recorded import Notebook

from autograd_magics.recorder import Recorder
from autograd_magics.recorder.compiled import ENTRY

SETUP = textwrap.dedent("""
    compiled = []
    def backend(graph, inputs):
        compiled.append(len(list(graph.graph.nodes)))
        return graph.forward
    def f(x, w):
        return ((x * w).relu() + 1).sum()
    g = torch.compile(f, backend=backend, fullgraph=True)
    x, w = torch.ones(3), torch.ones(3, requires_grad=True)
""")


@pytest.fixture(autouse=True)
def fresh_compiler() -> Iterator[None]:
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


def test_a_function_compiled_before_is_not_compiled_again() -> None:
    book = Notebook()
    exec(SETUP + "g(x, w).backward()", book.namespace)
    trace = book.run("y = g(x, w)\ny.backward()\nz = y * 2")
    assert trace.failure is None and len(book.namespace["compiled"]) == 1
    assert book.namespace["w"].grad.tolist() == [2.0, 2.0, 2.0]
    exec("g(x, w)", book.namespace)
    assert len(book.namespace["compiled"]) == 1


def test_a_function_compiled_inside_is_not_compiled_again_outside() -> None:
    book = Notebook()
    trace = book.run(SETUP + "y = g(x, w)\ny.backward()")
    assert trace.failure is None and len(book.namespace["compiled"]) == 1
    exec("g(x, w)", book.namespace)
    assert len(book.namespace["compiled"]) == 1


def test_what_compiled_code_did_is_one_unseen_call_between_the_seen() -> None:
    book = Notebook()
    trace = book.run(SETUP + "h = w * 2\ny = g(x, h)\nz = y + 1\nz.backward()")
    mul, unseen, add = trace.calls[-3:]
    assert (mul.name, unseen.qualified, add.name) == ("mul", "unseen", "add")
    assert unseen.inputs == mul.outputs and unseen.outputs == add.inputs
    assert all(trace.nodes[n].origin == "unseen" for n in unseen.nodes)
    assert book.namespace["w"].grad.tolist() == [2.0, 2.0, 2.0]


def test_the_recording_goes_on_after_compiled_code() -> None:
    book = Notebook()
    trace = book.run(SETUP + "y = g(x, w)\nfor i in range(2):\n    y = g(x, w) * 2\n    a = x + i")
    assert len([c for c in trace.calls if c.name == "add"]) == 2


def test_an_error_in_compiled_code_leaves_the_recording_on() -> None:
    book = Notebook()
    trace = book.run(
        SETUP + "try:\n    g(torch.ones(4), w)\nexcept Exception as e:\n    kind = type(e).__name__\ny = x * 3"
    )
    assert trace.calls[-1].name == "mul" and trace.failure is None


def test_dynamo_is_left_as_it_was() -> None:
    module = torch._dynamo.eval_frame
    before = getattr(module, ENTRY)
    recorder = Recorder(strict=True)
    recorder.start()
    assert getattr(module, ENTRY) is not before
    recorder.stop()
    assert getattr(module, ENTRY) is before


def test_disabled_and_nested_regions() -> None:
    book = Notebook()
    trace = book.run("""
        @torch.compiler.disable
        def eager(x):
            return x * 5
        inner = torch.compile(lambda x: x + 1, backend="eager")
        outer = torch.compile(lambda x: inner(eager(x)) * 2, backend="eager")
        y = outer(torch.ones(2))
        z = y + 3
        assert z.tolist() == [15., 15.]
    """)
    assert trace.failure is None and trace.calls[-1].name == "add"
