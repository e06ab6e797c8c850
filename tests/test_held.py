"""What backward holds, to the byte: totals, peaks and groups beside the storages that a walk of the graph finds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch

from autograd_magics.graph import Graph
from autograd_magics.held import Held
from autograd_magics.trace import Trace
from tests.recorded import Notebook

MLP = """
model = torch.nn.Sequential(torch.nn.Linear(5, 7), torch.nn.ReLU(), torch.nn.Linear(7, 3), torch.nn.Tanh())
x, y = torch.randn(4, 5), torch.randn(4, 3)
loss = torch.nn.functional.mse_loss(model(x), y)
"""
CONV = """
conv, norm = torch.nn.Conv2d(2, 3, 3), torch.nn.BatchNorm2d(3)
x = torch.randn(2, 2, 6, 6)
h = torch.nn.functional.max_pool2d(torch.relu(norm(conv(x))), 2)
loss = (h * h).sum()
"""
VIEWS = """
x = torch.randn(8, 6, requires_grad=True)
h = x.exp()
a, b = h[:, 0], h.t()[2:4]
loss = (a * a).sum() + (b.reshape(-1) ** 3).sum() + h.expand(5, 8, 6).sin().sum()
"""
SHARED = """
w = torch.randn(6, 6, requires_grad=True)
h = w * 2
loss = (h * h).sum() + (h.flatten() * h.view(36)).sum() + (h.detach() * w).sum()
"""
EXPANDED = """
w = torch.randn(1, requires_grad=True)
wide = w.expand(1000)
loss = (wide * torch.arange(1000.0)).sum()
"""
DTYPES = """
x = torch.randn(6, 4, requires_grad=True)
double = x.double() * 3
half = (x * 2).to(torch.bfloat16)
loss = (double ** 2).sum() + (half * half).float().sum() + x.masked_fill(x > 0, 0.0).sum()
picked = x[torch.tensor([0, 2])]
loss = loss + picked.pow(2).sum()
"""
CHECKPOINTED = """
from torch.utils.checkpoint import checkpoint
w = torch.randn(5, 5, requires_grad=True)
x = torch.randn(3, 5)
h = checkpoint(lambda a: torch.tanh(a @ w).sin(), x, use_reentrant=False)
loss = (h * h).sum()
"""
CREATED = """
x = torch.randn(6, requires_grad=True)
y = (x ** 3).sum()
(g,) = torch.autograd.grad(y, x, create_graph=True)
loss = (g * g).sum()
"""
CUSTOM = """
class Square(torch.autograd.Function):
    @staticmethod
    def forward(ctx, a):
        b = a * 2
        ctx.save_for_backward(a, b)
        return a * a
    @staticmethod
    def backward(ctx, grad):
        a, b = ctx.saved_tensors
        return grad * b
x = torch.randn(10, requires_grad=True)
loss = Square.apply(x.sin()).sum()
"""
PROGRAMS = {
    "mlp": MLP, "conv": CONV, "views": VIEWS, "shared": SHARED, "expanded": EXPANDED, "dtypes": DTYPES,
    "checkpointed": CHECKPOINTED, "created": CREATED, "custom": CUSTOM,
    "retained": MLP + "loss.backward(retain_graph=True)\n",
}  # fmt: skip


def raw_tensors(value: Any) -> Iterator[torch.Tensor]:
    """The tensors behind `_raw_saved_*`, and those that hooks packed; nothing is unpacked."""
    if isinstance(value, (tuple, list)):
        for item in value:
            yield from raw_tensors(item)
    elif isinstance(value, torch.Tensor):
        yield value
    elif hasattr(value, "unpack_hook"):
        yield from raw_tensors(value.data)


def kept_by(*roots: Any) -> dict[int, int]:
    """By address: bytes of every storage that the graph behind tensors or nodes holds, found by walking it."""
    sizes: dict[int, int] = {}
    with torch._C.DisableTorchFunction():
        queue = [root.grad_fn if isinstance(root, torch.Tensor) else root for root in roots]
        seen: set[Any] = set()
        for node in queue:
            if node is None or node in seen:
                continue
            seen.add(node)
            queue += [parent for parent, _ in node.next_functions]
            for name in dir(node):
                if not name.startswith("_raw_saved_"):
                    continue
                try:
                    value = getattr(node, name)
                except RuntimeError:  # freed
                    continue
                for tensor in raw_tensors(value):
                    storage = tensor.untyped_storage()
                    sizes[storage.data_ptr()] = storage.nbytes()
    return sizes


def run(source: str, **namespace: Any) -> tuple[Notebook, Held]:
    """Record one cell."""
    book = Notebook()
    book.namespace.update(namespace)
    trace = book.run(source)
    assert book.errors == [None], book.errors
    return book, Held(Graph(Trace.from_json(trace.to_json())))


@pytest.mark.parametrize("name", sorted(PROGRAMS))
def test_the_total_is_that_of_the_storages(name: str) -> None:
    book, held = run(PROGRAMS[name])
    sizes = kept_by(book.namespace["loss"])
    amount = held.amount(held.kept)
    assert sum(sizes.values()) > 0
    assert (amount.bytes, amount.blocks) == (sum(sizes.values()), len(sizes))
    assert held.levels[-1].bytes == amount.bytes


@pytest.mark.parametrize("name", sorted(PROGRAMS))
def test_after_a_backward_what_it_did_not_reach_is_left(name: str) -> None:
    book, held = run(PROGRAMS[name] + "loss.backward()\n")
    roots = [value for value in book.namespace.values() if isinstance(value, torch.Tensor)]
    left = sum(kept_by(*roots).values())
    assert (left > 0) == (name == "created")  # the graph of `y` is not what leads to `loss`
    assert held.amount(held.kept).bytes == left == held.levels[-1].bytes
    assert held.peak.bytes > left


@pytest.mark.parametrize("name", sorted(PROGRAMS))
@pytest.mark.parametrize("by", ["node", "line", "module", "dtype", "device"])
def test_groups_add_up_but_for_what_they_share(name: str, by: str) -> None:
    _, held = run(PROGRAMS[name])
    groups = held.groups(held.kept, by)
    total = held.amount(held.kept)
    assert sum(group.amount.rows for group in groups) == total.rows
    assert sum(group.amount.bytes - group.shared for group in groups) <= total.bytes
    assert total.bytes <= sum(group.amount.bytes for group in groups)
    assert [group.amount.bytes for group in groups] == sorted((g.amount.bytes for g in groups), reverse=True)
    if not any(group.shared for group in groups):
        assert sum(group.amount.bytes for group in groups) == total.bytes


class Probe:
    """Walks the graph while the cell runs, and leaves a call in the recording that tells when."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def __call__(self, *roots: Any) -> None:
        self.sizes.append(sum(kept_by(*roots).values()))
        torch.digamma(torch.ones(()))

    def told(self, held: Held) -> list[int]:
        """What the recording says was held at the same moments."""
        return [held.after(call.at) for call in held.trace.calls if call.name == "digamma"]


def probed(source: str) -> tuple[list[int], list[int], Held]:
    probe = Probe()
    _, held = run(source, probe=probe)
    return probe.sizes, probe.told(held), held


def test_over_time_through_forward() -> None:
    walked, told, held = probed(
        """
        x = torch.randn(50, 40)
        w = torch.randn(40, 30, requires_grad=True)
        h = x @ w
        probe(h)
        h = h.exp()
        probe(h)
        h = h * h.sin()
        probe(h)
        loss = h.sum()
        probe(loss)
        loss.backward()
        probe(loss)
        """
    )
    assert told == walked
    assert walked[-1] == 0
    assert held.peak.bytes == max(walked)


def test_over_time_through_backward() -> None:
    """A hook of a tensor runs before the node that made it: what lies nearer to the loss is freed by then."""
    probe = Probe()
    source = """
        x = torch.randn(50, 40, requires_grad=True)
        a = x.exp()
        b = a.sin()
        c = b * b
        d = c.cos()
        for one in (d, c, b, a):
            one.register_hook(lambda g: probe(d, c, b, a))
        d.sum().backward()
        """
    _, held = run(source, probe=probe)
    names = ("CosBackward0", "MulBackward0", "SinBackward0", "ExpBackward0")
    steps = [next(s for s in held.trace.steps if held.trace.nodes[s.node].name == name) for name in names]
    assert [held.after(step.at - 1) for step in steps] == probe.sizes
    assert probe.sizes == [24000, 16000, 8000, 8000]
    assert held.peak.bytes == 24000


def test_of_several_graphs_the_peak_is_where_most_is_held_at_once() -> None:
    walked, told, held = probed(
        """
        x = torch.randn(100, requires_grad=True)
        small = x.exp().sin().sum()
        probe(small)
        big = x.exp().sin().exp().sin().exp().sum()
        probe(small, big)
        small.backward()
        probe(small, big)
        small = x.exp().sum()
        probe(small, big)
        big.backward()
        probe(small, big)
        """
    )
    assert told == walked
    assert held.peak.bytes == max(walked) == walked[1]


def test_what_would_be_there_anyway() -> None:
    book, held = run(MLP)
    space = book.namespace
    stored = [(t, t.storage) for t in held.trace.tensors if t.storage is not None]
    kinds = {str(held.graph.name(t.id)): held.kind(("storage", storage)) for t, storage in stored}
    assert kinds["model[0].weight"] == kinds["model[2].bias"] == "parameter"
    assert (kinds["y"], kinds["loss"]) == ("input", "result")
    anyway = {t.untyped_storage().data_ptr() for t in (*space["model"].parameters(), space["x"], space["y"])}
    sizes = kept_by(space["loss"])
    amount = held.amount(held.kept)
    assert amount.anyway == sum(size for address, size in sizes.items() if address in anyway)
    assert 0 < amount.anyway < amount.bytes


def test_a_leaf_and_an_unnamed_batch() -> None:
    _, held = run("w = torch.ones(4, requires_grad=True)\nz = (torch.arange(4.0) * w).exp()")
    kinds = sorted((held.kind(("storage", row.storage or 0)), row.bytes) for row in held.kept)
    assert kinds == [("result", 16), ("result", 16)]
    _, held = run("w = torch.ones(4, requires_grad=True)\nx = torch.arange(4.0)\nz = x * w * w")
    assert sorted(held.kind(("storage", row.storage or 0)) for row in held.kept) == ["input", "leaf", "result"]


def test_views_keep_whole_storages() -> None:
    _, held = run("x = torch.randn(100, 8, requires_grad=True)\nz = torch.rand(100, 8)[:, 0] * x[:, 0]")
    ((row, size),) = held.views(held.kept)
    assert (row.bytes, size) == (400, 3200)
    assert held.amount([row]).bytes == 3200


def test_a_wide_view_costs_what_is_behind_it() -> None:
    _, held = run(EXPANDED)
    wide = [row for row in held.kept if row.shape == (1000,)]
    assert held.amount(wide).bytes < sum(row.bytes for row in wide) + 4
    assert held.views(held.kept) == []


def keepers(held: Held) -> list[tuple[str, tuple[str, ...], int]]:
    return [(one.why, one.names, one.amount.bytes) for one in held.keepers]


def test_retain_graph() -> None:
    _, held = run("x = torch.ones(6, requires_grad=True)\ny = x.exp()\nz = y.sum()\nz.backward(retain_graph=True)")
    ((why, names, size),) = keepers(held)
    assert (why, set(names), size) == ("retained", {"y", "z"}, 24)
    assert held.keepers[0].backward == 0


def test_create_graph() -> None:
    book, held = run(CREATED)
    found = {one.why: one for one in held.keepers}
    assert set(found) == {"retained", "created", "unused"}
    assert found["retained"].names[0] == "y"
    assert set(found["created"].names) == {"loss", "g"}
    assert found["unused"].names == ("loss",)
    assert found["created"].amount.bytes == sum(kept_by(book.namespace["g"]).values())


def test_a_kept_loss_that_nobody_differentiated() -> None:
    _, held = run("w = torch.ones(5, requires_grad=True)\nlosses = [w.exp().sum() for _ in range(3)]")
    assert keepers(held) == [("unused", ("losses",), 60)]


def test_a_grad_with_a_graph_of_its_own() -> None:
    _, held = run("x = torch.ones(5, requires_grad=True)\n(x.exp() ** 2).sum().backward(create_graph=True)")
    found = [(one.why, one.names, one.of_grad) for one in held.keepers]
    assert ("created", ("x.grad",), True) in found


def test_nothing_is_kept_where_nothing_is_saved() -> None:
    _, held = run("a = torch.ones(3)\nb = a + 1")
    assert (held.peak.bytes, held.levels, held.keepers, held.kept) == (0, (), (), ())


def test_what_an_earlier_cell_saved_is_held_from_the_beginning() -> None:
    book = Notebook()
    book.run("x = torch.ones(6, requires_grad=True)\ny = x.exp()")
    held = Held(Graph(book.run("z = y.sum()\nz.backward()")))
    assert held.spans[0].begin == -1
    assert held.peak.bytes == 24
    held = Held(Graph(book.run("w = y + 2")))
    assert held.peak.bytes == 0
