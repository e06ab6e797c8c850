"""A tensor's values, copied small and without making the cell wait for a device."""

from __future__ import annotations

from math import hypot, isfinite
from typing import Any

import torch

SMALL = 20
"""Tensors up to this many elements are copied whole: what fits on a wire of the picture."""

DEVICE_BUDGET = 4096
"""Copies of device tensors waiting to be read, at most: 20 elements of 8 bytes each are 640 kB."""


STRIDED = torch.strided
dispatch_modes = torch._C._len_torch_dispatch_stack


class Pending:
    """A value on a device: a copy made on its stream, read once when the cell is over."""

    __slots__ = ("copy", "value")

    def __init__(self, copy: torch.Tensor) -> None:
        self.copy: torch.Tensor | None = copy
        self.value: Any = None


class Values:
    """Copies small values; those on a device are gathered and read at the end."""

    def __init__(self, keep: bool) -> None:
        self._keep = keep
        self.pending: list[Pending] = []

    def of(self, tensor: torch.Tensor) -> Any:
        """Nested lists of a small tensor, a `Pending` for one on a device, None for any other."""
        if tensor.numel() > SMALL or tensor.layout is not STRIDED:
            return None
        return self.of_small(tensor)

    def of_small(self, tensor: torch.Tensor) -> Any:
        """The same for a tensor that is known to be small and strided."""
        if not self._keep or dispatch_modes():  # a mode of the user's would see our reading
            return None
        if tensor.is_cpu:
            try:
                return tensor.tolist()
            except RuntimeError:  # quantized, packed: no plain numbers
                return None
        if tensor.is_meta or tensor.is_quantized or len(self.pending) >= DEVICE_BUDGET:
            return None
        with torch.no_grad():
            self.pending.append(Pending(tensor.detach().clone()))
        return self.pending[-1]

    def read(self) -> None:
        """Bring all waiting copies to the host: one transfer for each device and dtype."""
        groups: dict[tuple[torch.device, torch.dtype], list[Pending]] = {}
        for item in self.pending:
            if item.copy is not None:
                groups.setdefault((item.copy.device, item.copy.dtype), []).append(item)
        for items in groups.values():
            flat = torch.cat([item.copy.reshape(-1) for item in items if item.copy is not None]).cpu()
            start = 0
            for item in items:
                shape, count = item.copy.shape, item.copy.numel()  # type: ignore[union-attr]
                item.value = flat[start : start + count].reshape(shape).tolist()
                item.copy = None
                start += count
        self.pending.clear()


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
    return value
