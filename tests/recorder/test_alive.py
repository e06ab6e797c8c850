"""When nodes go, what hooks keep in the place of saved tensors, and hooks that keep graphs."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest
import torch

from autograd_magics.graph import Graph
from autograd_magics.held import Held
from autograd_magics.recorder.alive import KEY
from autograd_magics.trace import Trace
from tests.recorded import Notebook, record_cell
from tests.test_held import Probe, kept_by, probed, run

REBOUND = """
x = torch.randn(100, requires_grad=True)
for i in range(4):
    y = x.exp().sin().sum()
    probe(y)
"""
SCOPED = """
x = torch.randn(100, requires_grad=True)
def validate():
    return float(x.exp().sin().sum())
validate()
probe()
validate()
probe()
"""
DELETED = """
x = torch.randn(100, requires_grad=True)
h = x.exp()
y = h.sin().sum()
probe(y)
del y
probe(h)
del h
probe()
"""


def names(trace: Trace, nodes: Any) -> list[str]:
    return [trace.nodes[node].name for node in nodes]


@pytest.mark.parametrize("source", [REBOUND, SCOPED, DELETED], ids=["rebound", "scoped", "deleted"])
def test_a_graph_that_nothing_leads_to_holds_nothing(source: str) -> None:
    walked, told, held = probed(source)
    assert told == walked
    assert held.levels[-1].bytes == walked[-1]


def test_the_old_graph_goes_when_the_new_one_is_there() -> None:
    """`y = f(x)` in a loop: both are there for a moment, as Python has it."""
    _, _, held = probed(REBOUND)
    one = held.after(next(call.at for call in held.trace.calls if call.name == "digamma"))
    assert held.peak.bytes == 2 * one == 800
    assert len(held.trace.gone) == 6  # `exp` and `sin` of the first three


def test_what_backward_freed_is_not_told_again() -> None:
    trace = record_cell("x = torch.ones(3, requires_grad=True)\n(x.exp() * 2).sum().backward()\nz = x.sin()")
    assert trace.gone == ()
    held = Held(Graph(trace))
    assert [trace.nodes[row.node].name for row in held.kept] == ["SinBackward0"]


def test_nothing_is_kept_alive_and_nothing_listens_afterwards() -> None:
    class Witness(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, a: torch.Tensor) -> torch.Tensor:
            ctx.witness = token = Token()
            tokens.append(weakref.ref(token))
            ctx.save_for_backward(a)
            return a * 2

        @staticmethod
        def backward(ctx: Any, *grads: torch.Tensor) -> torch.Tensor:
            return grads[0] * 2

    class Token:
        pass

    tokens: list[Any] = []
    book = Notebook()
    book.namespace.update(Witness=Witness, alive=lambda: [ref() is not None for ref in tokens], seen=[])
    collecting = gc.isenabled()
    gc.disable()
    try:
        book.run(
            """
            x = torch.ones(3, requires_grad=True)
            y = Witness.apply(x)
            seen.append(alive())
            y = Witness.apply(x)
            seen.append(alive())
            """
        )
        assert book.namespace["seen"] == [[True], [False, True]]
        mark = weakref.ref(book.namespace["y"].grad_fn.metadata[KEY])
        assert weakref.getweakrefcount(mark()) == 1  # only the one made here: the recording's are gone
        book.namespace.clear()
        assert mark() is None
        assert [ref() for ref in tokens] == [None, None]
    finally:
        if collecting:
            gc.enable()


def test_two_recordings_of_one_graph() -> None:
    book = Notebook()
    first = book.run("x = torch.ones(3, requires_grad=True)\ny = x.exp()")
    second = book.run("z = y * 2\ndel y, z")
    third = book.run("z = x + 1")
    assert (first.gone, third.gone) == ((), ())
    assert "ExpBackward0" in names(second, [row.node for row in second.gone])


def test_loops_that_are_noted_lightly() -> None:
    source = """
        w = torch.ones(4, requires_grad=True)
        for i in range(60):
            w.grad = None
            loss = (w.exp() * i).sum()
            loss.backward()
            free = w.sin().exp()
        """
    for loops in (0, None):
        book = Notebook()
        trace = book.run(source, loops=loops)
        held = Held(Graph(Trace.from_json(trace.to_json())))
        space = book.namespace
        assert held.amount(held.kept).bytes == sum(kept_by(space["loss"], space["free"]).values()) == 32
        assert [keeper.names for keeper in held.keepers] == [("free",)]


def test_placeholders_of_checkpointing_are_never_unpacked() -> None:
    calls: list[int] = []
    book, held = run(
        """
        from torch.utils.checkpoint import checkpoint
        w = torch.ones(3, requires_grad=True)
        def block(a):
            count.append(1)
            return a.exp().sin()
        y = checkpoint(block, w, use_reentrant=False).sum()
        """,
        count=calls,
    )
    assert len(calls) == 1
    ((hook, rows),) = held.hooks.items()
    assert (hook, len(rows)) == ("torch.utils.checkpoint._checkpoint_hook.unpack_hook", 2)
    assert held.amount(held.kept).bytes == sum(kept_by(book.namespace["y"]).values()) == 0


def test_what_hooks_put_in_their_place_counts() -> None:
    unpacked: list[Any] = []

    def unpack(packed: Any) -> Any:
        unpacked.append(packed)
        return packed[0]

    book, held = run(
        """
        x = torch.ones(6, requires_grad=True)
        with torch.autograd.graph.saved_tensors_hooks(lambda t: (t.clone(), "note"), unpack):
            y = x.exp().sin()
        """,
        unpack=unpack,
    )
    ((hook, rows),) = held.hooks.items()
    assert (hook.rpartition(".")[2], len(rows)) == ("unpack", 2)
    assert held.amount(held.kept).bytes == sum(kept_by(book.namespace["y"]).values()) == 48
    assert not unpacked


def test_save_on_cpu() -> None:
    book, held = run(
        """
        x = torch.randn(9, requires_grad=True)
        with torch.autograd.graph.save_on_cpu():
            h = x.exp() * x
        loss = (h * h).sum()
        """
    )
    assert list(held.hooks) == ["torch.autograd.graph.save_on_cpu.unpack_from_cpu"]
    assert held.amount(held.kept).bytes == sum(kept_by(book.namespace["loss"]).values())


@pytest.mark.parametrize(
    "hook",
    [
        "def make(kept):\n    def hook(g):\n        return kept and None\n    return hook\nfn = make(z)",
        "def fn(g, kept=z):\n    return None",
        "def fn(g, *, kept=z):\n    return None",
        "import functools\ndef base(g, kept):\n    return None\nfn = functools.partial(base, kept=z)",
    ],
    ids=["closure", "default", "keyword", "partial"],
)
def test_a_hook_keeps_a_graph(hook: str) -> None:
    source = f"x = torch.ones(5, requires_grad=True)\nz = x.exp().sin()\n{hook}\nx.register_hook(fn)\ndel z, fn"
    _, held = run(source)
    ((why, variable, function),) = [(one.why, one.names, one.hook) for one in held.keepers]
    assert (why, variable) == ("unused", ("kept",))
    assert function in ("hook", "fn", "partial")


def test_a_grad_with_a_graph_keeps_only_that() -> None:
    book, held = run("x = torch.ones(5, requires_grad=True)\n(x.exp() ** 2).sum().backward(create_graph=True)")
    assert {(one.why, one.names, one.of_grad) for one in held.keepers} == {
        ("created", ("x.grad",), True), ("retained", ("x.grad",), True)
    }  # fmt: skip
    assert held.amount(held.kept).bytes == sum(kept_by(book.namespace["x"].grad).values())


def test_probing_changes_nothing() -> None:
    """The probe of these tests reads only what hooks do not see."""
    probe = Probe()
    probe(torch.ones(2, requires_grad=True).exp())
    assert probe.sizes == [8]
