"""Small arrays in plain Python, with torch's rules of broadcasting: what the textbook's formulas are computed with.

Only for the values that a trace holds: some twenty elements.  Division by zero and the like give `nan`.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Array:
    """Numbers in the order of memory, and their shape."""

    shape: Shape
    data: tuple[float, ...]

    @staticmethod
    def of(value: Any) -> Array:
        """From nested lists of numbers; raises ValueError for text that is no number."""
        if not isinstance(value, (list, tuple)):
            return Array((), (float(value),))
        rows = [Array.of(item) for item in value]
        inner = rows[0].shape if rows else ()
        return Array((len(rows), *inner), tuple(itertools.chain.from_iterable(row.data for row in rows)))

    def at(self, index: Sequence[int]) -> float:
        """One element; dimensions of size 1 stretch, missing ones are in front."""
        position = 0
        for size, i in zip(self.shape, index[len(index) - len(self.shape) :], strict=True):
            position = position * size + (i if size > 1 else 0)
        return self.data[position]


def indices(shape: Shape) -> Iterable[tuple[int, ...]]:
    """Every index of that shape, in the order of memory."""
    return itertools.product(*map(range, shape))


def made(shape: Shape, element: Callable[[tuple[int, ...]], float]) -> Array:
    """An array from what stands at each index."""
    return Array(shape, tuple(element(index) for index in indices(shape)))


def pointwise(function: Callable[..., float], *arrays: Array) -> Array:
    """A function of numbers, element by element."""
    shape = broadcast(*(array.shape for array in arrays))
    return made(shape, lambda index: _safe(function, [array.at(index) for array in arrays]))


def _safe(function: Callable[..., float], values: list[float]) -> float:
    try:
        found = function(*values)
    except (ArithmeticError, ValueError):
        return math.nan
    return found if isinstance(found, (int, float)) else math.nan


def broadcast(*shapes: Shape) -> Shape:
    """The common shape; raises ValueError where there is none."""
    found = []
    for sizes in itertools.zip_longest(*(shape[::-1] for shape in shapes), fillvalue=1):
        larger = {size for size in sizes if size != 1}
        if len(larger) > 1:
            raise ValueError(f"shapes {shapes} do not go together")
        found.append(larger.pop() if larger else 1)
    return tuple(found[::-1])


def summed_to(array: Array, shape: Shape) -> Array:
    """Summed over what broadcasting added, as autograd does it."""
    shape_here = (1,) * (len(array.shape) - len(shape)) + shape
    dims = tuple(i for i, (size, wanted) in enumerate(zip(array.shape, shape_here, strict=True)) if size != wanted)
    return Array(shape, reduced(array, dims, keepdim=True).data)


def reduced(array: Array, dims: tuple[int, ...], keepdim: bool) -> Array:
    """The sum over some dimensions."""
    kept = tuple(1 if i in dims else size for i, size in enumerate(array.shape))
    totals = dict.fromkeys(indices(kept), 0.0)
    for index, value in zip(indices(array.shape), array.data, strict=True):
        totals[tuple(0 if i in dims else k for i, k in enumerate(index))] += value
    shape = kept if keepdim else tuple(size for i, size in enumerate(kept) if i not in dims)
    return Array(shape, tuple(totals.values()))


def permuted(array: Array, dims: Sequence[int]) -> Array:
    """Dimension i of the result is dimension `dims[i]`."""
    shape = tuple(array.shape[d] for d in dims)

    def element(index: tuple[int, ...]) -> float:
        back = dict(zip(dims, index, strict=True))
        return array.at([back[d] for d in range(len(dims))])

    return made(shape, element)


def transposed(array: Array, first: int = -2, second: int = -1) -> Array:
    """Two dimensions swapped."""
    dims = list(range(len(array.shape)))
    dims[first], dims[second] = dims[second], dims[first]
    return permuted(array, dims)


def product(left: Array, right: Array) -> Array:
    """The matrix product; a vector on the right stands for a column."""
    if len(right.shape) == 1:
        column = product(left, Array((*right.shape, 1), right.data))
        return Array(column.shape[:-1], column.data)
    if left.shape[-1] != right.shape[-2]:
        raise ValueError(f"{left.shape} @ {right.shape}")
    shape = (*broadcast(left.shape[:-2], right.shape[:-2]), left.shape[-2], right.shape[-1])

    def element(index: tuple[int, ...]) -> float:
        *batch, row, column = index
        return sum(left.at([*batch, row, k]) * right.at([*batch, k, column]) for k in range(left.shape[-1]))

    return made(shape, element)


def taken(array: Array, index: Sequence[Any]) -> Array:
    """Indexed by numbers and slices."""
    positions = places(array.shape, index)
    return Array(positions.shape, tuple(array.data[int(p)] for p in positions.data))


def places(shape: Shape, index: Sequence[Any]) -> Array:
    """Where the elements that an index takes stand in memory."""
    ranges: list[Any] = [range(size) for size in shape]
    if Ellipsis in index:
        gap = list(index).index(Ellipsis)
        index = [*index[:gap], *[slice(None)] * (len(shape) - len(index) + 1), *index[gap + 1 :]]
    for i, one in enumerate(index):
        ranges[i] = ranges[i][one]
    kept = tuple(len(r) for r in ranges if isinstance(r, range))
    found = []
    for chosen in itertools.product(*[r if isinstance(r, range) else [r] for r in ranges]):
        position = 0
        for size, i in zip(shape, chosen, strict=True):
            position = position * size + i
        found.append(float(position))
    return Array(kept, tuple(found))


def put(array: Array, positions: Array, values: Array, add: bool) -> Array:
    """With values in the places `positions`, added to what is there or instead of it."""
    data = list(array.data)
    for index, position in zip(indices(positions.shape), positions.data, strict=True):
        old = data[int(position)] if add else 0.0
        data[int(position)] = old + values.at(index)
    return Array(array.shape, tuple(data))
