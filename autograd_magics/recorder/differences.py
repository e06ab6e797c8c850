"""Autograd's gradient beside central finite differences: `compare(trace, root, leaf) -> Comparison`."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import NamedTuple

import torch

from ..trace import Trace
from . import recipe
from .plan import Plan, Refused
from .recipe import Lost
from .replay import Replay, aside, flat, plan_of
from .tensors import dtype_name

SECONDS = 60.0
"""How long the differences may take, at most, as told by the first run."""
CLOSE = 1e-6
"""As a share of the gradient's largest element: a difference quotient that is this close is not looked at again."""
KINK = 1e-3
"""Slopes to the two sides that differ by more than this share of the larger make a kink."""


class Kink(NamedTuple):
    """A place where the slope to the right is another than the slope to the left."""

    element: int
    rise: float
    fall: float


@dataclass(frozen=True)
class Comparison:
    """A gradient by autograd and by differences, element by element in row-major order."""

    loss: float
    """Of the replay."""
    shape: tuple[int, ...]
    dtype: str
    """Of the leaf."""
    precision: str
    """Dtype in which the calls were run again: `"float64"`, or the leaf's own where a call fixes it."""
    numeric: tuple[float, ...]
    """Central differences."""
    kink: Kink | None
    """At the element where autograd and differences are furthest apart."""
    autograd: tuple[float, ...]
    recorded: tuple[float, ...] | None
    """What the recorded backward brought, None where none ran or it was too large to be noted."""
    noise: float
    """How much rounding alone may make of a difference."""
    values: tuple[float, ...]
    """Of the leaf."""
    calls: tuple[int, ...]
    """The calls that were run again."""
    left: tuple[int, ...]
    """Calls by which the program saw numbers that follow the leaf."""
    cuts: tuple[int, ...]
    backward: int | None
    """The recorded backward that brought `recorded`."""


def compare(trace: Trace, root: int, leaf: int) -> Comparison:
    """Autograd's gradient of a root row with respect to the object `leaf`, beside central differences.

    Raises Refused where the calls cannot be run again, or where that would take too long.
    """
    plan = plan_of(trace, root, leaf)
    with aside():
        replay = Replay(plan)
        loss, count = float(replay.loss), replay.leaf.numel()
        if 2 * count * replay.seconds > SECONDS:
            raise Refused("slow", tensor=plan.leaf, seconds=2 * count * replay.seconds, most=SECONDS)
        replay.raise_precision()
        gradient = flat(replay.gradient())
        numeric, noise = _differences(replay, gradient)
        furthest = max(range(count), key=lambda i: abs(numeric[i] - gradient[i]))
        slopes = kink(replay, furthest)
        backward, recorded = _recorded(plan)
        return Comparison(
            loss, tuple(replay.leaf.shape), trace.tensors[plan.leaf].dtype, dtype_name(replay.leaf.dtype), numeric,
            slopes, gradient, recorded, noise, flat(replay.leaf), tuple([s.call for s in plan.steps]),
            plan.left(), plan.cuts(), backward,
        )  # fmt: skip


def _step(replay: Replay, value: float) -> float:
    """Where the errors of rounding and of bending are about equal."""
    return float(torch.finfo(replay.leaf.dtype).eps ** (1 / 3) * max(1.0, abs(value)))


def _noise(replay: Replay, step: float) -> float:
    """How much rounding alone may make of a difference quotient."""
    return float(8 * torch.finfo(replay.leaf.dtype).eps * abs(float(replay.loss)) / step)


def _quotient(replay: Replay, element: int, value: float, step: float) -> float:
    """The central difference quotient at an element."""
    right, left = torch.tensor([value + step, value - step], dtype=replay.leaf.dtype).tolist()
    difference = replay.at(element, right) - replay.at(element, left)
    return difference / float(right - left)


def _differences(replay: Replay, gradient: tuple[float, ...]) -> tuple[tuple[float, ...], float]:
    """(central difference quotients, what rounding may make of one).

    Where one is off, shorter steps are tried: in a network of many ReLUs one of them has its kink within the step.
    """
    values = flat(replay.leaf)
    numeric = [_quotient(replay, i, value, _step(replay, value)) for i, value in enumerate(values)]
    shortest = min(_step(replay, value) for value in values)
    scale = max((abs(v) for v in (*numeric, *gradient) if v == v), default=0.0)
    for i, value in enumerate(values):
        for shorter in (1, 16, 256):
            step = _step(replay, value) / shorter
            once = numeric[i] if shorter == 1 else _quotient(replay, i, value, step)
            if abs(once - gradient[i]) <= CLOSE * scale + _noise(replay, step):
                numeric[i], shortest = once, min(shortest, step)
                break
    return tuple(numeric), _noise(replay, shortest)


def kink(replay: Replay, element: int) -> Kink | None:
    """The slopes to both sides where they differ; where the root only bends, they come together for a short step."""
    value, base = flat(replay.leaf)[element], float(replay.loss)
    short = _step(replay, value)
    apart, slopes = [], []
    for step in (short, 10 * short):
        rise = (replay.at(element, value + step) - base) / step
        fall = (base - replay.at(element, value - step)) / step
        apart.append(abs(rise - fall))
        slopes.append((rise, fall))
    rise, fall = slopes[0]
    room = max(KINK * max(abs(rise), abs(fall)), 4 * _noise(replay, short))
    return Kink(element, rise, fall) if apart[0] > room and apart[0] > apart[1] / 2 else None


def _recorded(plan: Plan) -> tuple[int | None, tuple[float, ...] | None]:
    """What the last recorded backward from the root, and from it alone, brought to the leaf."""
    trace, obj = plan.trace, plan.trace.tensors[plan.leaf].object
    root = trace.tensors[plan.root]
    for backward in reversed(trace.backwards):
        alone = [(trace.tensors[r].object, trace.tensors[r].version) for r in backward.roots]
        if backward.error is not None or alone != [(root.object, root.version)] or any(backward.gradients):
            continue
        for row, result in zip(backward.inputs or (), backward.results, strict=False):
            if result is not None and trace.tensors[row].object == obj:
                with contextlib.suppress(Lost):
                    return backward.id, flat(plan.recipe.value(trace, result))
        changes = [c for c in trace.changes if c.object == obj]
        mine = [c for c in changes if c.backward == backward.id and c.added is not None]
        if not mine:
            continue
        if mine[-1].added is not None and mine[-1].added.value is not None:
            return backward.id, flat(torch.tensor(recipe.numbers(mine[-1].added.value), dtype=torch.float64))
        grad = plan.recipe.grad(obj) if mine[-1] is changes[-1] and mine[-1].before is None else None
        return backward.id, None if grad is None else flat(grad)
    return None, None
