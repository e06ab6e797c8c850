"""What kind of event each function of torch's API is, and how its arguments are told."""

from __future__ import annotations

import inspect
from typing import Any

import torch

from .backward import ENTRIES
from .tensors import EXACT, PARAMETER, TENSOR, Entry

GETTER = type(torch.Tensor.grad.__get__)  # type: ignore[union-attr]

VIEW_ATTRIBUTES = frozenset({"T", "mT", "H", "mH", "real", "imag", "data"})
"""Attributes of a tensor whose reading is an operation."""

QUIET = frozenset(
    "__repr__ __str__ __format__ __hash__ __len__ __contains__ __dir__ __reduce_ex__ size dim ndimension numel "
    "nelement stride storage_offset is_floating_point is_complex is_contiguous is_same_size is_set_to is_signed "
    "is_nonzero element_size get_device has_names data_ptr storage untyped_storage _typed_storage _is_view "
    "_is_zerotensor is_conj is_neg is_inference is_storage is_tensor "
    "_set_grad_enabled set_grad_enabled _record_function_enter_new _record_function_exit manual_seed is_grad_enabled "
    "is_shared share_memory_ pin_memory is_pinned result_type can_cast get_default_dtype".split()
)
"""Functions that neither compute nor cut: not worth a row."""

LEAVES_TORCH = {
    "item": "item", "tolist": "item", "__float__": "item", "__int__": "item", "__bool__": "item",
    "__index__": "item", "__complex__": "item", "numpy": "numpy", "__array__": "numpy",
}  # fmt: skip
"""Calls whose result is no tensor any more, and the cut they make."""

NAMED_CUTS = {"detach": "detach", "detach_": "detach", "data": "data", "tensor": "copy", "as_tensor": "copy"}

UNCOUNTED = frozenset({"_amp_foreach_non_finite_check_and_unscale_"})
"""Calls that change the tensors of a list and leave their versions alone: how a `GradScaler` unscales gradients."""

SKIP, CALL, READ_GRAD, READ_GRAD_FN, WRITE_GRAD, WRITE_DATA, BACKWARD, HOOK = range(8)

SCALARS = frozenset({int, float, bool, str})

TUPLE_ITERATOR = type(iter(()))

HOOKS = ("register_hook", "register_post_accumulate_grad_hook")


class Function:
    """What is known of one function of torch's API."""

    __slots__ = ("kind", "name", "qualified", "leaves")

    def __init__(self, func: Any) -> None:
        self.kind = classify(func)
        self.name, self.qualified = names(func)
        self.leaves = LEAVES_TORCH.get(self.name)
        """The cut it makes when its result is no tensor."""
        if self.kind == CALL and self.qualified.startswith(("torch.", "Tensor.")):
            plain = inspect.unwrap(func)  # `x ** 2` and `x.pow(2)` are one function, once in a wrapper
            known = _by_name.setdefault(self.qualified, plain)
            if known is not plain and known != plain:
                _by_name[self.qualified] = None


_by_name: dict[str, Any] = {}
"""Functions of torch that a recording met, by qualified name; None where two share one."""


def by_name(qualified: str) -> Any:
    """The function of torch that a recorded call's qualified name stands for, None where that is not known."""
    return _by_name.get(qualified)


def _attribute(func: Any) -> tuple[str, str] | None:
    """(`"grad"`, `"__get__"`) of an attribute access, None of any other function."""
    if type(func) is not GETTER:
        return None
    return getattr(func.__self__, "__name__", ""), func.__name__


def classify(func: Any) -> int:
    """What kind of event a function of torch's API is."""
    attribute = _attribute(func)
    if attribute is not None:
        return _classify_attribute(*attribute)
    try:
        if func in ENTRIES:
            return BACKWARD
    except TypeError:  # unhashable: a callable object of the user's
        return CALL
    name = getattr(func, "__name__", "")
    if name in HOOKS:
        return HOOK
    return SKIP if name in QUIET or name.startswith("_record_function") else CALL


def _classify_attribute(name: str, access: str) -> int:
    if access == "__get__":
        if name in VIEW_ATTRIBUTES:
            return CALL
        return {"grad": READ_GRAD, "grad_fn": READ_GRAD_FN}.get(name, SKIP)
    return {"grad": WRITE_GRAD, "data": WRITE_DATA}.get(name, SKIP)


def names(func: Any) -> tuple[str, str]:
    """(short, qualified) name of a torch function."""
    attribute = _attribute(func)
    if attribute is not None:
        return attribute[0], f"Tensor.{attribute[0]}"
    name = getattr(func, "__name__", type(func).__name__)
    owner = getattr(func, "__qualname__", name).rpartition(".")[0]
    if owner in ("TensorBase", "_TensorBase", "Tensor"):
        return name, f"Tensor.{name}"
    module = getattr(func, "__module__", None) or "torch"
    return name, f"{module}.{name}"


class Told(str):
    """An argument in the words of the trace, with the argument itself for who wants to run the call again."""

    __slots__ = ("value",)
    value: Any

    def __new__(cls, words: str, value: Any) -> Told:
        told = super().__new__(cls, words)
        told.value = value
        return told


class Listed(list):  # type: ignore[type-arg]
    """An argument that was a list; what was a tuple is told by a plain list."""

    __slots__ = ()


class Inside(tuple):  # type: ignore[type-arg]
    """The slot of a tensor that stood in a list or tuple with other things: (position or keyword, index)."""

    container: Any
    """The other things as `plain_argument` tells them, LOST in the places of tensors."""


LOST = Told("…", None)
"""Stands for an argument that is neither a tensor nor small plain data: it was not kept."""

LONGEST_LIST = 8
LONGEST_TEXT = 40


def plain_argument(value: Any) -> Any:
    """A small argument as plain data, `LOST` for what is not worth keeping."""
    kind = type(value)
    if kind in (int, float, bool):
        return value
    if kind is str:
        return value if len(value) <= LONGEST_TEXT else Told(value[:LONGEST_TEXT], value)
    if value is None or isinstance(value, (torch.dtype, torch.device, torch.layout, torch.memory_format)):
        return Told(str(value).removeprefix("torch."), value)
    if value is Ellipsis:
        return Told("...", value)
    if kind is slice:
        return Told(_slice_text(value), value if _is_plain(value) else LOST)
    if isinstance(value, (tuple, list)) and len(value) <= LONGEST_LIST:
        items = [plain_argument(item) for item in value]
        return LOST if any(item is LOST for item in items) else Listed(items) if kind is list else items
    if isinstance(value, float):  # NumPy's float64 is one
        return float(value)
    return LOST


def restored(constant: Any) -> Any:
    """The argument that `plain_argument` told.  Raises ValueError where it was not kept."""
    if constant is LOST or getattr(constant, "value", None) is LOST:
        raise ValueError("the argument was not kept")
    if type(constant) is Told:
        return constant.value
    if type(constant) is Listed:
        return [restored(item) for item in constant]
    if type(constant) is list:
        return tuple([restored(item) for item in constant])
    return constant


def sort_argument(
    slot: Any, value: Any, tensors: list[torch.Tensor], slots: list[Any], constants: list[tuple[Any, Any]]
) -> None:
    """Put an argument of a call among its tensors, with position or keyword, or among its plain values."""
    kind = type(value)
    if kind in EXACT:
        tensors.append(value)
        slots.append(slot)
    elif kind in (list, tuple) and any(type(item) in EXACT for item in value):
        first = len(slots)
        for i, item in enumerate(value):
            if type(item) in EXACT:
                tensors.append(item)
                slots.append((slot, i))
        if len(slots) - first < len(value):
            _mixed(value, slots, first)
    elif value is not None:
        constants.append((slot, plain_argument(value)))


def _mixed(value: Any, slots: list[Any], first: int) -> None:
    """Keep, with the slots of a container's tensors, what else stood in it: `x[:, index]`."""
    others = [LOST if type(item) in EXACT else plain_argument(item) for item in value]
    container = Listed(others) if type(value) is list else others
    for i in range(first, len(slots)):
        slots[i] = Inside(slots[i])
        slots[i].container = container


def _is_plain(value: slice) -> bool:
    return all(part is None or type(part) is int for part in (value.start, value.stop, value.step))


def sort_arguments(
    args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[list[torch.Tensor], tuple[Any, ...], tuple[tuple[Any, Any], ...]]:
    """The tensors among a call's arguments, position or keyword of each, and its plain values."""
    tensors: list[torch.Tensor] = []
    slots: list[Any] = []
    constants: list[tuple[Any, Any]] = []
    position = 0
    for value in args:
        kind = type(value)
        if kind is TENSOR or kind is PARAMETER:
            tensors.append(value)
            slots.append(position)
        elif kind in SCALARS:
            constants.append((position, value))
        elif value is not None:
            sort_argument(position, value, tensors, slots, constants)
        position += 1
    if kwargs:
        for key, value in kwargs.items():
            sort_argument(key, value, tensors, slots, constants)
    return tensors, tuple(slots), tuple(constants)


def tensors_in(result: Any) -> list[torch.Tensor]:
    """The tensors that a call gave back."""
    if type(result) in EXACT:
        return [result]
    if isinstance(result, (tuple, list)):
        return [item for item in result if type(item) in EXACT]
    if type(result) is TUPLE_ITERATOR:  # `for row in x`: looked into without taking anything out
        left = result.__reduce__()[1][0]
        return [item for item in left if type(item) in EXACT] if isinstance(left, tuple) else []
    return []


def worth_a_row(function: Function, inputs: list[torch.Tensor]) -> bool:
    """Whether a call is noted although no tensor came of it."""
    if function.name == "retain_grad" or function.leaves == "numpy":
        return True
    return function.leaves is not None and any(t.requires_grad for t in inputs)


def changed_inputs(
    function: Function, tensors: list[torch.Tensor], slots: tuple[Any, ...], entries: list[Entry]
) -> list[torch.Tensor]:
    """The inputs whose version moved while the call ran, or that it is known to change without counting that."""
    if function.name in UNCOUNTED:
        return [tensor for tensor, slot in zip(tensors, slots, strict=True) if type(slot) is tuple]
    changed: list[torch.Tensor] = []
    for tensor, entry in zip(tensors, entries, strict=True):
        try:
            version = tensor._version
        except RuntimeError:  # inference tensors have none
            continue
        if version != entry.version and not any(tensor is one for one in changed):
            changed.append(tensor)
    return changed


def _slice_text(value: slice) -> str:
    parts = [value.start, value.stop] + ([value.step] if value.step is not None else [])
    return ":".join("" if p is None else str(p) if type(p) is int else "?" for p in parts)
