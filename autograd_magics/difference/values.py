"""How far two tensors are apart, by what was noted of their values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ..health import figures
from ..rows import norm, number
from ..trace import Gradient, Stats, Tensor, flat

ROUNDING = {"float64": 1e-12, "float32": 1e-6, "float16": 1e-3, "bfloat16": 1e-2}
"""Differences of two tensors that count as rounding, as a share of the largest element, by dtype; of others none."""

Known = Tensor | Gradient


def distance(one: Known, other: Known) -> float | None:
    """Largest difference of an element; 0 where there is only rounding, None where it is not known.

    Infinite where one is NaN and the other is not.  Of tensors with figures only, the largest difference of these.
    """
    if (one.shape, one.dtype) != (other.shape, other.dtype):
        return None
    sides = _numbers(one), _numbers(other)
    if one.value is None or other.value is None:
        sides = _told(one.stats), _told(other.stats)
    if not all(sides):
        return None
    pairs = list(zip(*sides, strict=True))
    apart = max(_apart(a, b) for a, b in pairs)
    largest = max((size for pair in pairs for v in pair if math.isfinite(size := _size(v))), default=0.0)
    return 0.0 if apart <= ROUNDING.get(one.dtype, 0.0) * largest else apart


def plain(row: Known) -> float | None:
    """The value of a single number, the norm of a larger tensor, None where neither is known."""
    single = None if row.value is None else number(row.value)
    known = figures(row)
    return float(single) if single is not None else None if known is None else norm(known)


def _numbers(row: Known) -> Sequence[Any]:
    return () if row.value is None else list(flat(row.value))


def _told(stats: Stats | None) -> Sequence[Any]:
    """Figures as numbers; what is odd as a number that differs from every other."""
    if stats is None:
        return ()
    odd = [math.nan if stats.nan else 0.0, math.inf if stats.inf else 0.0, -math.inf if stats.neg_inf else 0.0]
    return [math.nan if one is None else one for one in (stats.mean, stats.std, stats.min, stats.max)] + odd


def _apart(one: Any, other: Any) -> float:
    if one == other:
        return 0.0
    a, b = complex(one), complex(other)
    odd = a != a, b != b
    return (0.0 if all(odd) else math.inf) if any(odd) else abs(a - b)


def _size(one: Any) -> float:
    return abs(complex(one))
