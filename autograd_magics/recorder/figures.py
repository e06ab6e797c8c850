"""Figures of a tensor, computed where it lies: nothing here waits for a device.

* `figures(tensor, charts)`: one short vector on the tensor's own device.
* `at_once(tensor)`: the same numbers of a tensor in the host's memory, in little time.
* `stats(numbers, shape, times, charts)`: what such a vector says once it has been read, as a `Stats`.

Only operations that neither draw random numbers nor are refused by `torch.use_deterministic_algorithms`, and on a
device none that waits: no `histc`, no `bincount`, no `item()`, no `where` with a number (which copies it there and
waits).  In the host's memory nothing has to wait: there `at_once` looks at the ends first, and goes on from them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from ..trace import Stats

BINS = 20
"""Intervals of a histogram."""
CELLS = 16
"""Rows and columns of a heat map, at most."""
CHUNK = 2**20
"""Elements looked at in one go: what is allocated for it, and freed at once, stays below 40 MB."""

EXACT = 2**16
"""Up to so many elements all figures are of all elements, whatever is asked for."""
SAMPLE = 2**13
"""Elements, at most, that tell mean, deviation and zeros of a larger tensor in the host's memory: of a bell curve the
deviation to 0.8 %, the mean to 0.011 deviations."""
FEW = 64
"""Elements of a sample, not zero, below which it tells too little: then every element is looked at."""

SUMS = 9
"""Numbers of any tensor: finite, mean, sum of squares of deviations, min, max, zeros, NaN, Inf, and how many elements
tell mean, deviation and zeros (0: all)."""


def length(shape: Sequence[int], charts: bool) -> int:
    """How many numbers `figures` gives for a tensor of that shape."""
    if not charts:
        return SUMS
    rows, columns = _grid(shape)
    return SUMS + BINS - 1 + rows * columns


def figures(tensor: torch.Tensor, charts: bool) -> tuple[torch.Tensor, int]:
    """A vector of numbers on the tensor's device, and how often each element of what was looked at occurs.

    Raises what torch raises where a dtype or device lacks an operation.
    """
    values, times = _distinct(tensor.detach())
    parts = _parts(values)
    sums = [_sums(_wide(part)) for part in parts]
    total = sums[0] if len(sums) == 1 else _together(torch.stack(sums))
    found = [total, total.new_zeros(1)]
    if charts:
        found.append(_below(parts, total))
        if tensor.dim() in (1, 2):
            found.append(_cells(values).expand(_grid(tensor.shape)).reshape(-1))
    return torch.cat(found), times


def _distinct(tensor: torch.Tensor) -> tuple[torch.Tensor, int]:
    """The tensor without the repetitions of `expand`: the gradient that `sum()` sends is one number, seen n times."""
    times = 1
    for dim, (size, stride) in enumerate(zip(tensor.shape, tensor.stride(), strict=True)):
        if stride == 0 and size > 1:
            tensor, times = tensor.narrow(dim, 0, 1), times * size
    return tensor, times


def _parts(tensor: torch.Tensor) -> list[torch.Tensor]:
    """Views of at most CHUNK elements that make up the tensor."""
    if tensor.numel() <= CHUNK:
        return [tensor]
    dim = max(range(tensor.dim()), key=tensor.size)
    step = max(1, tensor.size(dim) // math.ceil(tensor.numel() / CHUNK))
    return [part for piece in tensor.split(step, dim) for part in _parts(piece)]


def _wide(part: torch.Tensor) -> torch.Tensor:
    """The elements, or their absolute values, in double precision where the device has it."""
    single = part.device.type == "mps"
    if part.is_complex():
        return part.to(torch.complex64 if single else torch.complex128).abs()
    return part.to(torch.float32 if single else torch.float64)


def _sums(v: torch.Tensor) -> torch.Tensor:
    """The numbers of one part, in the order of SUMS."""
    odd = v.isfinite().logical_not()
    finite = v.numel() - odd.count_nonzero()
    mean = v.masked_fill(odd, 0.0).sum() / finite.clamp(min=1)
    numbers = [
        finite, mean, (v - mean).masked_fill(odd, 0.0).square().sum(),
        v.masked_fill(odd, math.inf).amin(), v.masked_fill(odd, -math.inf).amax(),
        v.numel() - v.count_nonzero(), v.isnan().count_nonzero(), (v == math.inf).count_nonzero(),
    ]  # fmt: skip
    return torch.stack([number.to(v.dtype) for number in numbers])


def _together(rows: torch.Tensor) -> torch.Tensor:
    """The numbers of all parts from those of each; deviations as Chan, Golub and LeVeque put them together."""
    finite, mean, squares, least, most, *counts = rows.unbind(1)
    total = finite.sum()
    middle = (finite * mean).sum() / total.clamp(min=1)
    squares = (squares + finite * (mean - middle).square()).sum()
    return torch.stack([total, middle, squares, least.amin(), most.amax(), *(count.sum() for count in counts)])


def _below(parts: list[torch.Tensor], total: torch.Tensor) -> torch.Tensor:
    """How many elements lie below each inner edge of the histogram; -Inf is among them, NaN is not."""
    least, most = total[3], total[4]
    edges = [least + (most - least) * i / BINS for i in range(1, BINS)]
    counts = []
    for part in parts:
        v = _wide(part)
        counts.append(torch.stack([(v < edge).count_nonzero() for edge in edges]))
    return torch.stack(counts).sum(0).to(total.dtype)


def _grid(shape: Sequence[int]) -> tuple[int, int]:
    """Rows and columns of the heat map of a tensor of that shape; (0, 0) where it has none."""
    if len(shape) not in (1, 2):
        return 0, 0
    rows, columns = (1, *shape) if len(shape) == 1 else shape
    return math.ceil(rows / _step(rows)), math.ceil(columns / _step(columns))


def _step(size: int) -> int:
    """Elements of one cell along a dimension."""
    return max(1, math.ceil(size / CELLS))


def _cells(values: torch.Tensor) -> torch.Tensor:
    """Means of the finite elements of each block; NaN where a block has none."""
    grid = values.unsqueeze(0) if values.dim() == 1 else values
    if grid.size(1) > grid.size(0):  # blocks of whole rows are looked at, so the rows must be the short side
        return _cells_of_tall(grid.t()).t()
    return _cells_of_tall(grid)


def _cells_of_tall(grid: torch.Tensor) -> torch.Tensor:
    columns = grid.size(1)
    sums, counts = [], []
    for block in grid.split(_step(grid.size(0))):
        pieces = [_wide(piece) for piece in block.split(max(1, CHUNK // columns))]
        odd = [piece.isfinite().logical_not() for piece in pieces]
        sums.append(torch.stack([v.masked_fill(o, 0.0).sum(0) for v, o in zip(pieces, odd, strict=True)]).sum(0))
        counts.append(torch.stack([o.logical_not().sum(0) for o in odd]).sum(0))
    return _grouped(torch.stack(sums)) / _grouped(torch.stack(counts))


def _grouped(rows: torch.Tensor) -> torch.Tensor:
    """Sums of neighbouring columns, as many together as one cell has."""
    return torch.stack([group.sum(1) for group in rows.split(_step(rows.size(1)), 1)], 1)


# -- in the host's memory ----------------------------------------------------------------------
QUICK = frozenset({
    torch.float64, torch.float32, torch.float16, torch.bfloat16,
    torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8,
})  # fmt: skip
"""What `aminmax` knows, and is quick for."""


def at_once(tensor: torch.Tensor) -> tuple[list[float], int] | None:
    """What `figures` says of a tensor in the host's memory, read already; None where `figures` has to be asked.

    One pass over all elements gives the ends, and would give NaN or an infinity if there were one (then every element
    is counted).  Of up to EXACT elements the rest is of all of them too, of more of an even sample.
    """
    if not tensor.is_cpu or tensor.dtype not in QUICK or tensor.is_neg() or not tensor.numel():
        return None
    values, times = _distinct(tensor.detach())
    count = values.numel()
    step = _sample_step(count) if count > EXACT else 1
    found = _ends_and_some(values, step)
    if found is None:
        return None
    low, high, some = found
    if low == high:
        return [count, low, 0, low, high, 0 if low else count, 0, 0, 0], times
    looked_at = some.numel()
    zeros = 0 if low > 0 or high < 0 else looked_at - int(some.count_nonzero())
    if step > 1 and looked_at - zeros < FEW:
        return None
    mean = some.mean().item()
    some -= mean
    squares = torch.dot(some, some).item()
    if step == 1:
        return [count, mean, squares, low, high, zeros, 0, 0, 0], times
    zeros = min(round(zeros / looked_at * count), count - 1)  # not all are zero: the ends differ
    return [count, mean, squares * (count - 1) / (looked_at - 1), low, high, zeros, 0, 0, looked_at], times


def _sample_step(count: int) -> int:
    """Every how many elements one is looked at.

    It has no factor in common with the count, so none with a row's length: every column has its share of the sample.
    """
    step = math.ceil(count / SAMPLE)
    while math.gcd(step, count) > 1:
        step += 1
    return step


def _ends_and_some(values: torch.Tensor, step: int) -> tuple[float, float, torch.Tensor] | None:
    """Least and greatest element, and a copy of one element of `step`, flat; None where one is NaN or infinite."""
    flat = _in_memory(values)
    least, most, start = math.inf, -math.inf, 0
    some: list[torch.Tensor] = []
    for piece in (flat,) if flat is not None else (part.reshape(-1) for part in _parts(values)):
        low, high = (end.item() for end in torch.aminmax(piece))
        if not (math.isfinite(low) and math.isfinite(high)):
            return None
        least, most = min(least, low), max(most, high)
        some.append((piece[start::step] if step > 1 else piece).to(torch.float64, copy=True))
        start = (start - piece.numel()) % step
    return float(least), float(most), some[0] if len(some) == 1 else torch.cat(some)


def _in_memory(values: torch.Tensor) -> torch.Tensor | None:
    """The elements in the order of memory, as a view; None where there are gaps between them."""
    if values.is_contiguous():
        return values if values.dim() == 1 else values.view(-1)
    straight = values.permute(sorted(range(values.dim()), key=values.stride, reverse=True))
    return straight.view(-1) if straight.is_contiguous() else None


# -- once it has been read ---------------------------------------------------------------------
def stats(numbers: Sequence[float], shape: Sequence[int], times: int, charts: bool) -> Stats:
    """The figures of a tensor of that shape from the numbers that `figures` gave for it."""
    count = math.prod(shape)
    finite, zeros, nan, inf = [round(numbers[i]) * times for i in (0, 5, 6, 7)]
    mean, squares, least, most = [number if math.isfinite(number) else None for number in numbers[1:5]]
    neg_inf = count - finite - nan - inf
    std = math.sqrt(squares * times / (finite - 1)) if squares is not None and finite > 1 else None
    bins = cells = None
    if charts and least is not None and most is not None and math.isfinite(most - least):
        below = [0, *(round(n) * times - neg_inf for n in numbers[SUMS : SUMS + BINS - 1]), finite]
        bins = tuple(after - before for before, after in zip(below, below[1:], strict=False))
        cells = _rows(numbers[SUMS + BINS - 1 :], _grid(shape)[1])
    sampled = round(numbers[8]) or None
    return Stats(count, mean if finite else None, std, least, most, zeros, nan, inf, neg_inf, bins, cells, sampled)


def _rows(numbers: Sequence[float], columns: int) -> tuple[tuple[float | None, ...], ...] | None:
    """Four digits are more than a shade of colour can show."""
    cells = [float(f"{number:.4g}") if math.isfinite(number) else None for number in numbers]
    return tuple(tuple(cells[i : i + columns]) for i in range(0, len(cells), columns)) if cells else None
