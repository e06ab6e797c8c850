"""Figures of gradients against torch's own in double precision, and what is told of leaves, edges and sets of nodes."""

from __future__ import annotations

import math

import pytest
import torch

from autograd_magics import health
from autograd_magics.graph import Graph
from autograd_magics.health import Figures, figures
from autograd_magics.recorder.values import Values, plain, stats_of
from autograd_magics.trace import Gradient, Stats
from tests.recorded import record_cell

DTYPES = [torch.float64, torch.float32, torch.bfloat16, torch.float16, torch.complex64, torch.int64, torch.bool]


def noted(tensor: torch.Tensor, policy: str = "stats") -> Gradient:
    """A gradient as the recorder would note it."""
    value = Values(policy).of(tensor)
    dtype = str(tensor.dtype).removeprefix("torch.")
    return Gradient(tuple(tensor.shape), dtype, "cpu", plain(value), stats_of(value))


def expected(tensor: torch.Tensor) -> Figures:
    """The same by torch."""
    wide = tensor.to(torch.complex128).abs() if tensor.is_complex() else tensor.double()
    finite = wide[wide.isfinite()].abs()
    size = finite.pow(2).mean().sqrt().item() if finite.numel() else None
    most = finite.max().item() if finite.numel() else None
    zeros, nan = int((wide == 0).sum()), int(wide.isnan().sum())
    return Figures(tensor.numel(), size, most, zeros, nan, int(wide.isinf().sum()))


def agrees(found: Figures | None, tensor: torch.Tensor, rel: float = 1e-12) -> bool:
    right = expected(tensor)
    assert found is not None
    sizes = [(found.rms, right.rms), (found.max, right.max)]
    close = all(a == b if a is None or b is None else math.isclose(a, b, rel_tol=rel) for a, b in sizes)
    return close and (found.elements, *found[3:]) == (right.elements, *right[3:])


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("shape", [(), (1,), (3,), (4, 5), (21,), (40, 30), (2, 3, 50)], ids=str)
@pytest.mark.parametrize("policy", ["stats", "all"])
def test_figures_are_those_of_torch(dtype: torch.dtype, shape: tuple[int, ...], policy: str) -> None:
    torch.manual_seed(len(shape))
    tensor = (torch.randn(shape, dtype=torch.complex64 if dtype.is_complex else torch.float64) * 3).to(dtype)
    rel = 1e-5 if dtype.is_complex else 1e-12  # small complex values are noted as text of six digits
    assert agrees(figures(noted(tensor, policy)), tensor, rel)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.complex64], ids=str)
@pytest.mark.parametrize("size", [6, 50])
def test_what_is_not_finite_is_counted_and_left_out(dtype: torch.dtype, size: int) -> None:
    tensor = torch.arange(size, dtype=torch.float64).to(dtype)
    tensor[1], tensor[2], tensor[3] = math.nan, math.inf, -math.inf
    found = figures(noted(tensor))
    assert agrees(found, tensor, 1e-5) and found is not None
    assert (found.zeros, found.nan, found.inf, found.odd) == (1, 1, 2, 3)
    assert health.rms(noted(tensor)) is None  # of all elements there is none


@pytest.mark.parametrize("size", [2, 30])
@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_nothing_but_what_is_not_finite(size: int, number: float) -> None:
    found = figures(noted(torch.full((size,), number)))
    assert found is not None and (found.rms, found.max, found.odd, found.all_zero) == (None, None, size, False)


@pytest.mark.parametrize("shape", [(0,), (0, 3), (4, 0)])
def test_empties(shape: tuple[int, ...]) -> None:
    assert figures(noted(torch.empty(shape))) == Figures(0, None, None, 0, 0, 0)


@pytest.mark.parametrize("size", [3, 30])
def test_zeros(size: int) -> None:
    found = figures(noted(torch.zeros(size)))
    assert found == Figures(size, 0.0, 0.0, size, 0, 0) and found.all_zero


def test_what_was_not_noted() -> None:
    assert figures(None) is None and figures(noted(torch.ones(30), "small")) is None
    assert health.rms(noted(torch.ones(30), "small")) is None


@pytest.mark.parametrize("size", [4, 40])
def test_squares_that_overflow_or_vanish(size: int) -> None:
    for scale in (1e200, 1e-200):
        found = figures(noted(torch.full((size,), scale, dtype=torch.float64)))
        assert found is not None and found.rms == pytest.approx(scale, rel=1e-12)
    assert figures(noted(torch.tensor([complex(1.7e308, 1.7e308)], dtype=torch.complex128))) == Figures(
        1, None, None, 0, 0, 1
    )  # its absolute value is beyond double precision, in torch as well


def test_a_spread_that_overflowed_is_not_taken_for_none() -> None:
    stats = Stats(40, 0.0, None, -1e300, 1e300, 0, 0, 0, 0)
    found = figures(Gradient((40,), "float64", "cpu", None, stats))
    assert found is not None and found.rms is None and found.max == 1e300


# -- leaves, nodes, edges ----------------------------------------------------------------------
MLP = """
torch.manual_seed(0)
model = torch.nn.Sequential(torch.nn.Linear(8, 30), torch.nn.ReLU(), torch.nn.Linear(30, 1))
x = torch.randn(16, 8)
opt = torch.optim.SGD(model.parameters(), lr=0.1)
loss = model(x).pow(2).mean()
loss.backward()
kept = [p.grad.clone() for p in model.parameters()]
values = [p.detach().clone() for p in model.parameters()]
opt.step()
opt.zero_grad()
"""


def plainly(source: str) -> dict[str, object]:
    names: dict[str, object] = {"torch": torch}
    exec(source, names)
    return names


def test_parameters_in_the_order_of_forward_with_value_and_gradient_of_one_moment() -> None:
    """The value that the gradient belongs to, not that after the step; and the gradient although it was cleared."""
    graph = Graph(record_cell(MLP, values="stats"))
    names = plainly(MLP)
    found = health.parameters(graph)
    assert [graph.name(row.tensor) for row in found] == [f"model[{i}].{w}" for i in (0, 2) for w in ("weight", "bias")]
    for row, gradient, value in zip(found, names["kept"], names["values"], strict=True):  # type: ignore[call-overload]
        assert agrees(row.gradient, gradient, 1e-6) and agrees(row.value, value, 1e-6)
        ratio = gradient.double().pow(2).mean().sqrt() / value.double().pow(2).mean().sqrt()
        assert row.ratio == pytest.approx(ratio.item(), rel=1e-6)


def test_what_autograd_grad_gives_back_counts_as_a_gradient() -> None:
    graph = Graph(record_cell("w = torch.rand(40, requires_grad=True)\ng, = torch.autograd.grad((w * w).sum(), w)",
                              values="stats"))  # fmt: skip
    (row,) = health.parameters(graph)
    assert row.arrived and row.gradient is not None and row.ratio == pytest.approx(2, rel=1e-6)


def test_a_leaf_without_a_gradient() -> None:
    leaves = "w, v = (torch.ones(2, requires_grad=True) for _ in range(2))\n"
    graph = Graph(record_cell(leaves + "y = v * 2\nw.sum().backward()"))
    found = {graph.name(row.tensor): row for row in health.parameters(graph)}
    w, v = found["w"], found["v"]
    assert w.arrived and w.gradient is not None and not v.arrived and v.gradient is None and v.ratio is None


def test_edges_are_what_was_sent_and_nodes_what_arrived_in_all() -> None:
    """Where two paths meet, each edge has its own gradient and the node the sum of both."""
    source = """
        x = torch.ones(30, requires_grad=True)
        y = x * 2
        (y * 3 + y * 5).sum().backward()
    """
    graph = Graph(record_cell(source, values="stats"))
    (shared,) = {row.node for row in graph.trace.tensors if graph.name(row.id) == "y"}
    assert shared is not None
    sent = sorted(edge.figures.rms or 0 for edge in health.edges(graph) if edge.target == shared)
    arrived = health.received(graph, shared)
    assert sent == pytest.approx([3, 5]) and arrived is not None and arrived.rms == pytest.approx(8)


def test_worst_and_median_of_many_nodes() -> None:
    def of(*sizes: float, nan: int = 0, inf: int = 0) -> list[Figures]:
        odd = [Figures(2, None, None, 0, nan, inf)] if nan or inf else []
        return [Figures(2, size, size, 0 if size else 2, 0, 0) for size in sizes] + odd

    assert health.summary([]) is None and health.summary([None]) is None
    found = health.summary([*of(1e-9, 3.0, 0.1), None, *of(0.0), *of(nan=1)])
    assert found == health.Summary(5, 1e-9, 0.1, 3.0, 1, 1, 0)
    assert health.summary(of(0.0, 0.0)) == health.Summary(2, None, None, None, 2, 0, 0)
    assert health.worst([*of(2.0, 0.0), *of(inf=1), *of(nan=1), None]) == of(nan=1)[0]
    assert health.worst(of(2.0, 0.0)) == of(0.0)[0] and health.worst([None]) is None


def test_nodes_of_a_layer() -> None:
    graph = Graph(record_cell(MLP, values="stats"))
    inside = [node.id for node in graph.trace.nodes if health.layer(graph, node.id) == "model[1]"]
    found = health.of_nodes(graph, inside)
    assert len(inside) == 1 and found is not None and found.known == 1 and found.low == found.median == found.high
    assert health.layer(graph, next(n.id for n in graph.trace.nodes if n.leaf is not None)) is None
