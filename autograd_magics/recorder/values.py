"""A tensor's values, copied small and without making the cell wait for a device.

How much is noted is the policy:

* `"none"`: nothing.
* `"small"`: tensors of up to SMALL elements, whole.
* `"stats"`: those, and of every larger one its figures (`trace.Stats`), in the host's memory some of them from a sample
  where it has more than `figures.EXACT` elements.
* `"all"`: those, always of all elements, with a histogram and, for one or two dimensions, a heat map; whole up to
  WHOLE elements.

What lies on a device is copied or computed there and read when the cell is over.  All that is noted while the cell runs
stays within a budget of bytes, estimated (about twice that while the trace is made of it); when it is used up, the
values of what follows are left out and counted.  Its last quarter is kept for small tensors: a loss and its gradients
are worth more than the figures of one more layer.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from math import hypot, isfinite, prod
from typing import Any

import torch

from ..settings import VALUES_BUDGET, values_policy
from ..trace import Stats
from . import figures

SMALL = 20
"""Tensors up to this many elements are copied whole: what fits on a wire of the picture."""

WHOLE = 1000
"""The same under the policy `"all"`."""

HEADER, SUMMARY, NUMBER = 64, 512, 32
"""Bytes that a value takes in Python, or a summary, and each number in it: a float of 24 and a place in a list of 8."""

BLOCK = 512
"""The least that a device gives to a copy, in bytes."""

STRIDED = torch.strided
dispatch_modes = torch._C._len_torch_dispatch_stack
_SEVERAL_STREAMS = ("cuda", "xpu")


class Pending:
    """A value on a device: a copy made on its stream, read once when the cell is over."""

    __slots__ = ("copy", "value")

    def __init__(self, copy: torch.Tensor) -> None:
        self.copy: torch.Tensor | None = copy
        self.value: Any = None


class Summary:
    """What is noted of a larger tensor: its figures, and its values where they are kept as well."""

    __slots__ = ("whole", "numbers", "shape", "times", "charts")

    def __init__(self, whole: Any, numbers: Any, shape: tuple[int, ...], times: int, charts: bool) -> None:
        self.whole = whole
        """Nested lists, a `Pending`, or None."""
        self.numbers = numbers
        """What `figures.figures` gave: a list or a `Pending`."""
        self.shape = shape
        self.times = times
        self.charts = charts

    def stats(self) -> Stats | None:
        """The figures; None where they could not be read."""
        numbers = self.numbers.value if isinstance(self.numbers, Pending) else self.numbers
        return None if numbers is None else figures.stats(numbers, self.shape, self.times, self.charts)


class Values:
    """Notes values as the policy says; those on a device are gathered and read at the end."""

    def __init__(self, policy: str | bool = "small", budget: int = VALUES_BUDGET) -> None:
        """policy: one of `settings.VALUES`.  budget: bytes for all values together.

        Raises ValueError for a policy that is not known.
        """
        policy = values_policy(policy)
        self.limit = {"none": -1, "small": SMALL}.get(policy, sys.maxsize)
        """Tensors up to this many elements are worth asking for."""
        self.left_out = 0
        """Tensors that found the budget used up."""
        self._charts = policy == "all"
        self._whole = WHOLE if self._charts else SMALL
        self._left = budget
        self._reserve = budget // 4
        self.pending: list[Pending] = []

    def of(self, tensor: torch.Tensor) -> Any:
        """Nested lists of a small tensor, a `Summary` of a larger one, a `Pending` for a small one on a device.

        None where the policy asks for nothing, where a tensor has no plain numbers, or where the budget is used up.
        """
        if tensor.numel() > self.limit or tensor.layout is not STRIDED:
            return None
        return self.of_small(tensor)

    def of_small(self, tensor: torch.Tensor) -> Any:
        """The same for a tensor that is known to be strided and of no more than `limit` elements."""
        size = tensor.numel()
        if size > self.limit or dispatch_modes():  # a mode of the user's would see our reading
            return None
        if size > SMALL:
            try:
                return self._summary(tensor, size)
            except (RuntimeError, TypeError):  # a dtype or device without these operations, no memory or stack for them
                return None
        left = self._left - HEADER - NUMBER * size
        if left < 0:
            return self._leave_out()
        if tensor.is_cpu:
            try:
                value = tensor.tolist()
            except RuntimeError:  # quantized, packed: no plain numbers
                return None
            self._left = left
            return value
        return self._copy(tensor, HEADER + NUMBER * size) if _readable(tensor) else None

    def _summary(self, tensor: torch.Tensor, size: int) -> Summary | None:
        """The figures of a larger tensor, and its values up to the limit for that."""
        if not _readable(tensor):
            return None
        shape = tuple(tensor.shape)
        whole = HEADER + NUMBER * size if size <= self._whole else 0
        cost = SUMMARY + NUMBER * figures.length(shape, self._charts)
        needed = whole + cost + (0 if tensor.is_cpu else 2 * BLOCK + whole + cost)
        if self._left - self._reserve < needed:
            self.left_out += 1
            return None
        with torch._C.DisableTorchFunction():
            known = None if self._charts else figures.at_once(tensor)
            if known is not None:
                self._left -= cost
                return Summary(None, known[0], shape, known[1], False)
            numbers, times = figures.figures(tensor, self._charts)
            copies = self._copy(tensor, whole) if whole else None, self._copy(numbers, cost, own=True)
        return Summary(*copies, shape, times, self._charts)

    def _copy(self, tensor: torch.Tensor, cost: int, own: bool = False) -> Any:
        """Its numbers, or a copy (itself, where it is our `own`) that is waiting to be read.

        None where the budget has no room for that.
        """
        if tensor.is_cpu:
            self._left -= cost
            return tensor.tolist()
        cost += -(-tensor.nbytes // BLOCK) * BLOCK
        if cost > self._left:
            return self._leave_out()
        self._left -= cost
        with torch.no_grad():
            waiting = Pending(tensor if own else tensor.detach().clone())
        self.pending.append(waiting)
        return waiting

    def _leave_out(self) -> None:
        """Once there is no room for one, all are left out: small values are there up to one moment, then no more."""
        self._left = -1
        self.left_out += 1

    def read(self) -> None:
        """Bring all waiting copies to the host: one transfer for each device and dtype."""
        waiting, self.pending = self.pending, []
        groups: dict[tuple[torch.device, torch.dtype], list[Pending]] = {}
        try:
            for device in {item.copy.device for item in waiting if item.copy is not None}:
                if device.type in _SEVERAL_STREAMS:  # each copy was made on the stream of its moment
                    torch.get_device_module(device.type).synchronize(device)
            for item in waiting:
                if item.copy is not None:
                    groups.setdefault((item.copy.device, item.copy.dtype), []).append(item)
            for items in groups.values():
                _read_together(items)
        finally:
            for item in waiting:
                item.copy = None


def _readable(tensor: torch.Tensor) -> bool:
    """Whether it has plain numbers that may be copied now: a stream being captured would replay our copying."""
    if tensor.is_meta or tensor.is_quantized or tensor.is_nested:
        return False
    return not (tensor.is_cuda and torch.cuda.is_current_stream_capturing())


def _read_together(items: list[Pending]) -> None:
    flat = torch.cat([item.copy.reshape(-1) for item in items if item.copy is not None]).cpu()
    start = 0
    for item in items:
        shape, count = item.copy.shape, item.copy.numel()  # type: ignore[union-attr]
        item.value = flat[start : start + count].reshape(shape).tolist()
        start += count


def at_hand(shape: Sequence[int], device: torch.device) -> bool:
    """Whether the values of such tensors are copied whole, and at once."""
    return device.type == "cpu" and prod(shape) <= SMALL


def is_finite(value: Any) -> bool:
    """Whether every number of a value is finite; what is not read from its device yet counts as finite."""
    kind = type(value)
    if kind is float:
        return isfinite(value)
    if kind is list:
        return all(map(is_finite, value))
    return kind is not complex or bool(value - value == 0)


def norm(value: Any) -> float | None:
    """The Euclidean norm of a copied value, None where it is not known."""
    if type(value) is float:
        return abs(value)
    if type(value) is list:
        parts = [norm(item) for item in value]
        return None if None in parts else hypot(*parts)  # type: ignore[arg-type]
    return None


def plain(value: Any) -> Any:
    """Nested lists of numbers that JSON can hold: NaN, infinities and complex numbers as text."""
    kind = type(value)
    if kind is float:
        return value if isfinite(value) else "nan" if value != value else "inf" if value > 0 else "-inf"
    if kind is int or value is None:
        return value
    if isinstance(value, Pending):
        return plain(value.value)
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, complex):
        return f"{value.real:g}{value.imag:+g}j"
    return plain(value.whole) if isinstance(value, Summary) else value


def stats_of(value: Any) -> Stats | None:
    """The figures in what `Values` noted, None where it noted none."""
    return value.stats() if type(value) is Summary else None
