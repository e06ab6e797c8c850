"""The functions that stand in the textbook's formulas, named as in torch."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence

from .arrays import Array, Shape, made, permuted, pointwise, reduced, taken, transposed


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))


POINTWISE: dict[str, Callable[..., float]] = {
    "log": math.log, "sin": math.sin, "cos": math.cos, "tan": math.tan, "sinh": math.sinh, "cosh": math.cosh,
    "tanh": math.tanh, "σ": _sigmoid, "sign": lambda x: math.copysign(1.0, x) if x else 0.0,
    "Φ": lambda x: (1 + math.erf(x / math.sqrt(2))) / 2,
    "φ": lambda x: math.exp(-x * x / 2) / math.sqrt(2 * math.pi),
    "where": lambda condition, a, b: a if condition else b,
    "clamp": lambda x, low, high: min(max(x, low), high), "max": max,
}  # fmt: skip


def _full(value: float) -> Callable[[Shape], Array]:
    return lambda shape: made(tuple(shape), lambda _: value)


def _sum(x: Array, dim: int | Sequence[int] | None = None, keepdim: bool = False) -> Array:
    dims = range(len(x.shape)) if dim is None else [dim] if isinstance(dim, int) else dim
    return reduced(x, tuple(dims), keepdim)


def _mean(x: Array, dim: int | Sequence[int] | None = None, keepdim: bool = False) -> Array:
    total = _sum(x, dim, keepdim)
    return pointwise(operator.truediv, total, Array.of(len(x.data) // max(len(total.data), 1)))


def _unsqueeze(x: Array, dim: Array) -> Array:
    at = int(dim.data[0])
    return Array((*x.shape[:at], 1, *x.shape[at:]), x.data)


def _flip(x: Array, dims: Array | Sequence[int]) -> Array:
    turned = [int(d) for d in (dims.data if isinstance(dims, Array) else dims)]
    return taken(x, [slice(None, None, -1 if i in turned else None) for i in range(len(x.shape))])


def _cumsum(x: Array, dim: Array) -> Array:
    along = int(dim.data[0])

    def element(index: tuple[int, ...]) -> float:
        return math.fsum(x.at((*index[:along], k, *index[along + 1 :])) for k in range(index[along] + 1))

    return made(x.shape, element)


def _roll(x: Array, shift: Array, dim: Array) -> Array:
    by, along = int(shift.data[0]), int(dim.data[0])
    return made(x.shape, lambda index: x.at([(k - by) % x.shape[i] if i == along else k for i, k in enumerate(index)]))


def _triangle(lower: bool) -> Callable[..., Array]:
    def make(x: Array, diagonal: Array | None = None) -> Array:
        edge = int(diagonal.data[0]) if diagonal is not None else 0
        keep = operator.le if lower else operator.ge
        return made(x.shape, lambda index: x.at(index) if keep(index[-1] - index[-2], edge) else 0.0)

    return make


def _outer(a: Array, b: Array) -> Array:
    return Array((*a.shape, *b.shape), tuple(x * y for x in a.data for y in b.data))


def _one_hot(classes: Array, count: Array) -> Array:
    n = int(count.data[0])
    return made((*classes.shape, n), lambda index: float(classes.at(index[:-1]) == index[-1]))


def _gathered(whole: bool) -> Callable[[Array, Array, Array, Array], Array]:
    """`scatter_add` (an index for each element) or `index_add` (one for each slice)."""

    def add(into: Array, dim: Array, index: Array, values: Array) -> Array:
        along = int(dim.data[0])
        found = dict(zip(_every(into.shape), into.data, strict=True))
        for here, value in zip(_every(values.shape), values.data, strict=True):
            to = index.at(here) if whole else index.at((here[along],))
            place = (*here[:along], int(to), *here[along + 1 :])
            found[place] += value
        return Array(into.shape, tuple(found.values()))

    return add


def _every(shape: Shape) -> list[tuple[int, ...]]:
    found: list[tuple[int, ...]] = [()]
    for size in shape:
        found = [(*index, k) for index in found for k in range(size)]
    return found


FUNCTIONS: dict[str, Callable[..., Array]] = {
    "ones": _full(1.0), "zeros": _full(0.0), "sum": _sum, "mean": _mean, "outer": _outer, "one_hot": _one_hot,
    "reshape": lambda x, shape: Array(tuple(shape), x.data), "unsqueeze": _unsqueeze, "permute": permuted,
    "transpose": lambda x, a, b: transposed(x, int(a.data[0]), int(b.data[0])), "flip": _flip, "cumsum": _cumsum,
    "roll": _roll, "tril": _triangle(True), "triu": _triangle(False), "to": lambda x, dtype: x,
    "scatter_add": _gathered(True), "index_add": _gathered(False),
}  # fmt: skip
