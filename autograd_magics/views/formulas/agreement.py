"""Whether a formula gives what was recorded: `differs(...)`, `masked(...)`."""

from __future__ import annotations

import math

from ...trace import Gradient, Ids
from .arrays import Array, summed_to
from .evaluate import divides_zero_by_zero, evaluate
from .writing import Symbols

LARGEST = 64
"""Elements of a gradient that is looked at."""
_TOLERANCE = {"float64": 1e-6, "float32": 1e-2}
"""Share of the largest element; wide, because the textbook's way to a number is not the engine's."""
_COARSE = 0.1
"""The same for every shorter dtype."""


def differs(formula: str, symbols: Symbols, gradient: Gradient | None, shape: Ids | None) -> bool:
    """Whether the formula surely gives something else; False where that cannot be told.

    shape: that of the input, where the formula is summed to it.
    """
    if gradient is None or gradient.value is None or math.prod(gradient.shape) > LARGEST:
        return False
    try:
        values = symbols.values(formula)
        found, recorded = evaluate(formula, values), Array.of(gradient.value)
        if shape is not None:
            found = summed_to(found, shape)
    except ValueError:
        return False
    if found.shape != recorded.shape:
        return False
    known = [*found.data, *recorded.data, *(values["grad"].data if "grad" in values else ())]
    if not all(map(math.isfinite, known)):
        return False
    room = _TOLERANCE.get(gradient.dtype, _COARSE) * max(map(abs, known), default=0.0)
    return any(abs(a - b) > room for a, b in zip(found.data, recorded.data, strict=True))


def masked(formula: str, symbols: Symbols, gradient: Gradient | None) -> bool:
    """Whether the formula says 0/0 and numbers were sent all the same: torch takes care of that case."""
    if gradient is None or gradient.value is None or math.prod(gradient.shape) > LARGEST:
        return False
    try:
        undefined = divides_zero_by_zero(formula, symbols.values(formula))
        return undefined and all(map(math.isfinite, Array.of(gradient.value).data))
    except ValueError:
        return False
