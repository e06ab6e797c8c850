"""What follows when one element of a small leaf changes a little: `Nudger(trace, root, leaf)(element, step)`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from ..trace import Trace
from .differences import Kink, kink
from .plan import Refused, Step
from .replay import Replay, aside, flat, plan_of
from .values import SMALL

PATIENCE = 1.0
"""How long one run for a slider may take, in seconds."""


@dataclass(frozen=True)
class Nudged:
    """What follows when one element of a leaf changes by `step`."""

    before: float
    """The element."""
    step: float
    loss: float
    loss_after: float
    gradient: float
    """Of the loss with respect to the element."""
    kink: Kink | None
    """Of the loss, where the element is."""
    values: dict[int, Any]
    """By tensor row: the new values of the small ones that follow."""


class Nudger:
    """The calls between a leaf and a loss, ready to be run again for each new value of an element."""

    def __init__(self, trace: Trace, root: int, leaf: int) -> None:
        """root: row of the loss; leaf: object.  Raises Refused."""
        self.plan = plan_of(trace, root, leaf)
        with aside():
            self._replay = Replay(self.plan)
            if self._replay.seconds > PATIENCE:
                raise Refused("slow_nudge", tensor=self.plan.leaf, seconds=self._replay.seconds, most=PATIENCE)
            self._replay.raise_precision()
            self._gradient = flat(self._replay.gradient())
        self._values = flat(self._replay.leaf)
        self._kinks: dict[int, Kink | None] = {}

    def __call__(self, element: int, step: float) -> Nudged:
        """What follows when an element, in row-major order, changes by `step`.  Raises Refused."""
        seen: dict[int, Any] = {}

        def see(_: Step, row: int, tensor: torch.Tensor) -> None:
            if tensor.numel() <= SMALL and not tensor.is_complex():
                seen[row] = tensor.detach().tolist()

        with aside():
            before = self._values[element]
            after = self._replay.at(element, before + step, see)
            leaf = self._replay.leaf.clone(memory_format=torch.contiguous_format)
            leaf.view(-1)[element] += step
            seen.update(dict.fromkeys(self.plan.leaf_rows, leaf.tolist()))
            if element not in self._kinks:
                self._kinks[element] = kink(self._replay, element)
            found = self._kinks[element]
            return Nudged(before, step, float(self._replay.loss), after, self._gradient[element], found, seen)

    @property
    def bytes(self) -> int:
        """What the copies of values take."""
        return sum(value.nbytes for value in self._replay.constants.values())
