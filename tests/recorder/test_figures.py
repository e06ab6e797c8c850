"""Figures of larger tensors: right for every dtype and layout, and computed without reading anything."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from autograd_magics.recorder import figures
from autograd_magics.trace import Stats

REAL = (torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.float8_e4m3fn)
WHOLE = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.uint16, torch.bool)
COMPLEX = (torch.complex128, torch.complex64, torch.complex32)


def stats(tensor: torch.Tensor, charts: bool = True) -> Stats:
    numbers, times = figures.figures(tensor, charts)
    assert not numbers.requires_grad
    assert numbers.numel() == figures.length(tensor.shape, charts)
    return figures.stats(numbers.tolist(), tensor.shape, times, charts)


def of_numpy(tensor: torch.Tensor) -> numpy.ndarray[Any, Any]:
    """The elements, or their absolute values, by another way than the tested one."""
    tensor = tensor.detach()
    if tensor.is_complex():
        return numpy.abs(tensor.to(torch.complex128).numpy())
    return numpy.array(tensor.float().tolist() if tensor.dtype in REAL[2:] else tensor.tolist(), dtype=numpy.float64)


def made(dtype: torch.dtype, *shape: int) -> torch.Tensor:
    if dtype in WHOLE:
        low = 0 if not dtype.is_signed else -7
        return torch.randint(0 if dtype is torch.bool else low, 2 if dtype is torch.bool else 9, shape).to(dtype)
    if dtype in COMPLEX:
        return torch.complex(torch.randn(shape), torch.randn(shape)).to(dtype)
    return (torch.randn(shape) * 3 + 1).to(dtype)


def agree(found: Stats, x: numpy.ndarray[Any, Any]) -> None:
    finite = x[numpy.isfinite(x)]
    assert (found.elements, found.zeros) == (x.size, int((x == 0).sum()))
    assert (found.nan, found.inf, found.neg_inf) == (
        int(numpy.isnan(x).sum()), int((x == math.inf).sum()), int((x == -math.inf).sum()),
    )  # fmt: skip
    assert found.mean == (pytest.approx(finite.mean(), rel=1e-9, abs=1e-12) if finite.size else None)
    assert found.std == (pytest.approx(finite.std(ddof=1), rel=1e-9) if finite.size > 1 else None)
    if finite.size:
        assert [found.min, found.max] == pytest.approx([finite.min(), finite.max()], rel=1e-14)  # |z| by two libraries
        low, high = finite.min(), finite.max()
        inner = [low + (high - low) * i / figures.BINS for i in range(1, figures.BINS)]
        assert found.bins == tuple(numpy.histogram(finite, bins=[-math.inf, *inner, math.inf])[0])
    else:
        assert (found.min, found.max, found.bins, found.cells) == (None, None, None, None)


def heat(x: numpy.ndarray[Any, Any]) -> list[list[float | None]]:
    """Means of the finite elements of each block, block by block."""
    grid = numpy.atleast_2d(x)
    high, wide = (max(1, math.ceil(size / figures.CELLS)) for size in grid.shape)
    rows = []
    for i in range(0, grid.shape[0], high):
        blocks = [grid[i : i + high, j : j + wide] for j in range(0, grid.shape[1], wide)]
        rows.append([float(b[numpy.isfinite(b)].mean()) if numpy.isfinite(b).any() else None for b in blocks])
    return rows


@pytest.mark.parametrize("dtype", [*REAL, *WHOLE, *COMPLEX], ids=str)
@pytest.mark.parametrize("shape", [(35,), (7, 41), (3, 5, 6)], ids=str)
@pytest.mark.filterwarnings("ignore:ComplexHalf")
def test_they_are_those_of_numpy(dtype: torch.dtype, shape: tuple[int, ...]) -> None:
    tensor = made(dtype, *shape)
    agree(stats(tensor), of_numpy(tensor))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.complex64], ids=str)
def test_what_is_not_finite_is_counted_and_left_out(dtype: torch.dtype) -> None:
    tensor = made(dtype, 6, 30)
    tensor[0, :3], tensor[1, 0], tensor[2, :2], tensor[3, 4:9] = math.nan, math.inf, -math.inf, 0
    agree(stats(tensor), of_numpy(tensor))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_where_nothing_is_finite_there_are_only_counts(value: float) -> None:
    agree(stats(torch.full((5, 30), value)), numpy.full((5, 30), value))


def test_equal_elements_fill_the_last_step() -> None:
    found = stats(torch.full((30,), 2.5))
    assert (found.mean, found.std, found.min, found.max) == (2.5, 0.0, 2.5, 2.5)
    assert found.bins == (0,) * 19 + (30,)


def test_double_precision_that_overflows_gives_no_number() -> None:
    found = stats(torch.tensor([1e308, -1e308] * 15, dtype=torch.float64))
    assert (found.min, found.max, found.bins) == (-1e308, 1e308, None) and found.std is None
    assert (found.inf, found.neg_inf, found.nan) == (0, 0, 0)
    assert stats(torch.full((30,), 1e308, dtype=torch.float64)).mean is None


LOOKS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "transposed": lambda x: x.t(), "every other": lambda x: x[::2, 1::3], "permuted": lambda x: x.view(3, 20, 44).mT,
    "expanded": lambda x: x[:1].expand(70, -1), "expanded within": lambda x: x[:, None, :].expand(-1, 4, -1),
    "expanded to the side": lambda x: x[:, :1].expand(-1, 40), "one number": lambda x: x[0, 0].expand(30, 31),
    "conjugate": lambda x: torch.complex(x, x).conj(), "negative": lambda x: torch.complex(x, x).conj().imag,
}  # fmt: skip


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("chunk", [figures.CHUNK, 50])
def test_views_are_looked_at_as_they_are(look: str, chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "CHUNK", chunk)
    base = made(torch.float32, 60, 44)
    base[3, 4], base[30, 7], base[0, 0] = math.nan, -math.inf, 4.0
    view = LOOKS[look](base)
    found, x = stats(view), of_numpy(view)
    agree(found, x)
    if view.dim() == 2:
        assert found.cells is not None and len(found.cells) <= 16 and len(found.cells[0]) <= 16
        for row, expected in zip(found.cells, heat(x), strict=True):
            assert list(row) == [v if v is None else pytest.approx(v, rel=1e-3, abs=1e-6) for v in expected]


def test_a_part_in_which_nothing_is_finite_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "CHUNK", 50)
    tensor = torch.randn(150, dtype=torch.float64, requires_grad=True) * 3
    with torch.no_grad():
        tensor[:50] = math.nan
    agree(stats(tensor), of_numpy(tensor))


def test_what_is_expanded_is_looked_at_once() -> None:
    found = stats(torch.tensor([2.5, 0.0])[:, None].expand(-1, 10**12))  # would take hours otherwise
    assert (found.elements, found.zeros, found.mean) == (2 * 10**12, 10**12, 1.25)
    assert found.std == pytest.approx(1.25)
    assert found.bins == (10**12, *[0] * 18, 10**12) and found.cells == ((2.5,) * 16, (0.0,) * 16)


@pytest.mark.parametrize("shape", [(21,), (1000,), (1, 40), (40, 1), (16, 16), (17, 33), (2, 500), (500, 2)], ids=str)
def test_a_heat_map_has_at_most_16_by_16_blocks(shape: tuple[int, ...]) -> None:
    tensor = torch.randn(shape, dtype=torch.float64)
    found = stats(tensor).cells
    expected = heat(tensor.numpy())
    assert found is not None and (len(found), len(found[0])) == (len(expected), len(expected[0]))
    for row, line in zip(found, expected, strict=True):
        assert list(row) == [pytest.approx(v, rel=1e-3) for v in line]


def test_more_than_two_dimensions_have_no_heat_map_and_figures_alone_no_charts() -> None:
    assert stats(torch.randn(2, 3, 4)).cells is None and stats(torch.randn(2, 3, 4)).bins is not None
    alone = stats(torch.randn(5, 5), charts=False)
    assert alone.bins is None and alone.cells is None and alone.mean is not None


def test_a_block_without_a_finite_element_has_no_mean() -> None:
    tensor = torch.ones(32, 32)
    tensor[:2, 2:4] = math.nan
    cells = stats(tensor).cells
    assert cells is not None and cells[0][:3] == (1.0, None, 1.0)


@pytest.mark.parametrize("tensor", [torch.empty(5, 70), torch.empty(40, dtype=torch.complex64), torch.empty(3, 4, 5)])
def test_nothing_depends_on_what_the_elements_are(tensor: torch.Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    """A meta tensor has no elements to read: what works on it waits for none, and mixes in nothing from the host."""
    monkeypatch.setattr(figures, "CHUNK", 30)
    with warnings.catch_warnings():  # torch's meta operations import sympy, which adds a filter
        numbers, _ = figures.figures(tensor.to("meta"), True)
    assert numbers.is_meta and numbers.numel() == figures.length(tensor.shape, True)


def test_no_operation_waits_or_is_refused_as_not_deterministic() -> None:
    used: set[str] = set()

    class Note(TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            used.add(func.overloadpacket.__name__)
            return func(*args, **(kwargs or {}))

    with Note():
        figures.figures(torch.randn(50, 40), True)
    waiting = {"_local_scalar_dense", "nonzero", "item", "lift_fresh", "scalar_tensor", "where", "is_nonzero", "index"}
    refused = {"histc", "bincount", "scatter_add", "index_put", "cumsum", "median", "adaptive_avg_pool2d", "mm"}
    assert "count_nonzero" in used and not used & (waiting | refused)


# -- at once, in the host's memory -------------------------------------------------------------
def quick(tensor: torch.Tensor) -> Stats | None:
    before, version = tensor.detach().clone(), tensor._version
    found = figures.at_once(tensor)
    assert tensor._version == version and torch.equal(tensor.detach().nan_to_num(), before.nan_to_num())
    if found is None:
        return None
    assert len(found[0]) == figures.length(tensor.shape, False)
    return figures.stats(found[0], tensor.shape, found[1], False)


def same(found: Stats | None, expected: Stats) -> None:
    """All elements were looked at, and double precision has the last word."""
    assert found is not None
    for name in ("elements", "min", "max", "zeros", "nan", "inf", "neg_inf", "sampled"):
        assert getattr(found, name) == getattr(expected, name)
    for mine, other in ((found.mean, expected.mean), (found.std, expected.std)):
        assert mine == (None if other is None else pytest.approx(other, rel=1e-9, abs=1e-12))


@pytest.mark.parametrize("dtype", sorted(figures.QUICK, key=str), ids=str)
@pytest.mark.parametrize("shape", [(35,), (7, 41), (3, 5, 6), (256, 256)], ids=str)
def test_at_once_they_are_the_same(dtype: torch.dtype, shape: tuple[int, ...]) -> None:
    tensor = made(dtype, *shape)
    tensor.view(-1)[3:9] = 0
    same(quick(tensor), stats(tensor, charts=False))


@pytest.mark.parametrize("look", [look for look in LOOKS if look not in ("conjugate", "negative")])
def test_at_once_views_are_looked_at_as_they_are(look: str) -> None:
    base = made(torch.float32, 60, 44)
    same(quick(LOOKS[look](base)), stats(LOOKS[look](base), charts=False))


@pytest.mark.parametrize("value", [0.0, 2.5, -1e-9])
@pytest.mark.parametrize("count", [30, figures.EXACT + 1])
def test_at_once_equal_elements_need_no_second_look(value: float, count: int) -> None:
    tensor = torch.full((count,), value, dtype=torch.float64)
    same(quick(tensor), stats(tensor, charts=False))


@pytest.mark.parametrize("tensor", [
    torch.tensor([1e308, -1e308] * 15, dtype=torch.float64), torch.tensor([1e9 + 1, 1e9 - 1] * 50, dtype=torch.float64),
    torch.tensor([2**62 + 5, -(2**61)] * 20), torch.arange(50) + 10**15, torch.full((40,), 1e-40),
], ids=["overflow", "far from zero", "large integers", "far integers", "denormal"])  # fmt: skip
def test_at_once_in_double_precision(tensor: torch.Tensor) -> None:
    same(quick(tensor), stats(tensor, charts=False))


@pytest.mark.parametrize("tensor", [
    torch.empty(0, 30), torch.zeros(30, dtype=torch.bool), torch.zeros(30, dtype=torch.complex64),
    torch.complex(torch.ones(30), torch.ones(30)).conj().imag, torch.zeros(30, device="meta"),
], ids=["empty", "bool", "complex", "negative", "meta"])  # fmt: skip
def test_at_once_says_what_is_not_its_own(tensor: torch.Tensor) -> None:
    assert figures.at_once(tensor) is None


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("gaps", [False, True])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16], ids=str)
def test_one_element_that_is_not_finite_is_never_missed(bad: float, gaps: bool, dtype: torch.dtype) -> None:
    base = torch.randn(520, 2 * 260).to(dtype)
    tensor = base[:, :260] if gaps else base
    for place in (0, 1, tensor.numel() // 2 + 7, tensor.numel() - 1):
        row, column = divmod(place, tensor.size(1))
        kept = tensor[row, column].clone()
        tensor[row, column] = bad
        assert quick(tensor) is None  # so every element is counted
        tensor[row, column] = kept
    assert quick(tensor) is not None


@pytest.mark.parametrize("shape", [(2**17,), (512, 768), (300, 37, 11), (512, 512), (8192, 9)], ids=str)
@pytest.mark.parametrize("look", ["contiguous", "transposed", "gaps"])
def test_of_larger_ones_an_even_sample(shape: tuple[int, ...], look: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "CHUNK", 50_000)
    torch.manual_seed(0)
    tensor = (torch.randn(*shape[:-1], shape[-1] * (2 if look == "gaps" else 1)) + 0.5).relu_()
    if look == "gaps":
        tensor = tensor[..., : shape[-1]]
    elif look == "transposed":
        tensor = tensor.movedim(-1, 0)
    found, exact = quick(tensor), stats(tensor, charts=False)
    assert found is not None and exact.sampled is None
    assert found.sampled is not None and figures.SAMPLE / 1.3 <= found.sampled <= figures.SAMPLE
    assert (found.elements, found.min, found.max, found.nan) == (exact.elements, exact.min, exact.max, 0)
    assert exact.mean is not None and exact.std is not None and found.mean is not None
    assert abs(found.mean - exact.mean) < 4 * exact.std / math.sqrt(found.sampled)
    assert found.std == pytest.approx(exact.std, rel=0.05)
    assert found.zeros / found.elements == pytest.approx(exact.zeros / exact.elements, abs=0.02)


@pytest.mark.parametrize("shape", [(512, 768), (1024, 64), (3, 65536), (4096, 37)], ids=str)
def test_every_column_has_its_share_of_the_sample(shape: tuple[int, int]) -> None:
    large = torch.arange(float(shape[1])).expand(max(shape[0], 2**17 // shape[1]), -1).contiguous()
    found = quick(large)
    assert found is not None and found.sampled is not None
    assert found.mean == pytest.approx((shape[1] - 1) / 2, rel=0.02)


def test_zeros_of_a_sample_are_never_all() -> None:
    tensor = torch.zeros(2**18)
    tensor[1::2] = 1.0
    tensor[::7] = 0.0
    found = quick(tensor)
    assert found is not None and (found.min, found.max) == (0.0, 1.0) and 2**17 < found.zeros < 2**18


def test_what_is_expanded_is_small() -> None:
    found = figures.at_once(torch.tensor([2.5, 0.0])[:, None].expand(-1, 10**12))
    assert found is not None and found == ([2, 1.25, 3.125, 0.0, 2.5, 1, 0, 0, 0], 10**12)


def test_a_tensor_with_hardly_anything_in_it_is_not_told_by_a_sample() -> None:
    tensor = torch.zeros(1000, 1000)
    tensor[3, 7] = 2.0
    assert figures.at_once(tensor) is None
    numbers, times = figures.figures(tensor, False)
    told = figures.stats(numbers.tolist(), tensor.shape, times, False)
    assert (told.zeros, told.sampled) == (999_999, None)
    assert told.std == pytest.approx(float(tensor.double().std()))
