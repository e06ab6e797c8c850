"""Probe: the calls of torch's Python API, by a `TorchFunctionMode`.

`CallProbe.__torch_function__` is the hot path and the only code of ours between the cell and torch:
it notes what it must now, and leaves places, names and prose to the end.  An exception passes through
with our frame taken out of its traceback; a failure of ours is noted and the call still runs.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any

import torch
from torch.overrides import TorchFunctionMode, _get_current_function_mode_stack, handle_torch_function
from torch.overrides import _pop_mode as pop_mode
from torch.overrides import _push_mode as push_mode

from . import memory
from .backward import ENTRIES, Backwards
from .grads import Grads
from .tape import CallDraft, Tape
from .tensors import EXACT, Tensors, alone, version_of

HANDLE = handle_torch_function.__code__
GETTER = type(torch.Tensor.grad.__get__)  # type: ignore[attr-defined]

VIEW_ATTRIBUTES = frozenset({"T", "mT", "H", "mH", "real", "imag", "data"})
"""Attributes of a tensor whose reading is an operation."""

QUIET = frozenset(
    "__repr__ __str__ __format__ __hash__ __len__ __contains__ __dir__ __reduce_ex__ __iter__ size dim ndimension numel "
    "nelement stride storage_offset is_floating_point is_complex is_contiguous is_same_size is_set_to is_signed is_nonzero "
    "element_size get_device has_names data_ptr storage untyped_storage _typed_storage _is_view _is_zerotensor is_conj "
    "is_neg is_inference is_storage is_tensor type_as register_hook register_post_accumulate_grad_hook _set_grad_enabled "
    "set_grad_enabled _record_function_enter_new _record_function_exit manual_seed is_grad_enabled is_shared "
    "share_memory_ pin_memory is_pinned result_type can_cast get_default_dtype".split()
)
"""Functions that neither compute nor cut: not worth a row."""

LEAVES_TORCH = {
    "item": "item", "tolist": "item", "__float__": "item", "__int__": "item", "__bool__": "item",
    "__index__": "item", "__complex__": "item", "numpy": "numpy", "__array__": "numpy",
}  # fmt: skip
"""Calls whose result is no tensor any more, and the cut they make."""

NAMED_CUTS = {"detach": "detach", "detach_": "detach", "data": "data", "tensor": "copy", "as_tensor": "copy"}
FACTORIES = ("_like", "new_")

SCALARS = (int, float, bool, str)
SKIP, CALL, READ_GRAD, READ_GRAD_FN, WRITE_GRAD, WRITE_DATA, BACKWARD = range(7)


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
    if func in ENTRIES:
        return BACKWARD
    name = getattr(func, "__name__", "")
    return SKIP if name in QUIET or name.startswith("_record_function") else CALL


def _classify_attribute(name: str, access: str) -> int:
    if access == "__get__":
        if name in VIEW_ATTRIBUTES:
            return CALL
        return {"grad": READ_GRAD, "grad_fn": READ_GRAD_FN}.get(name, SKIP)
    return {"grad": WRITE_GRAD, "data": WRITE_DATA}.get(name, SKIP)


def plain_argument(value: Any) -> Any:
    """A small argument as plain data, None for what is not worth keeping."""
    kind = type(value)
    if kind in (int, float, bool):
        return value
    if kind is str:
        return value[:40]
    if isinstance(value, (torch.dtype, torch.device)):
        return str(value).removeprefix("torch.")
    if isinstance(value, slice) or value is Ellipsis:
        return "..." if value is Ellipsis else _slice_text(value)
    if isinstance(value, (tuple, list)) and len(value) <= 8:
        items = [plain_argument(item) for item in value]
        return None if any(item is None for item in items) else items
    return None


def _slice_text(value: slice) -> str:
    parts = [value.start, value.stop] + ([value.step] if value.step is not None else [])
    return ":".join("" if p is None else str(p) if type(p) is int else "?" for p in parts)


class Pending:
    """A call between its beginning and its end."""

    __slots__ = ("entries", "tensors", "states", "slots", "constants", "at", "enabled", "site")

    def __init__(self, tensors: Tensors, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.tensors: list[torch.Tensor] = []
        self.slots: list[Any] = []
        self.constants: list[tuple[str, Any]] = []
        for position, value in enumerate(args):
            self._add(position, value)
        for key, value in kwargs.items():
            self._add(key, value)
        self.entries = [tensors.current(tensor) for tensor in self.tensors]
        self.states = [entry.state for entry in self.entries]

    def _add(self, slot: Any, value: Any) -> None:
        kind = type(value)
        if kind in EXACT:
            self.tensors.append(value)
            self.slots.append(slot)
        elif kind in SCALARS:
            self.constants.append((slot, value))
        elif value is None:
            return
        elif kind in (list, tuple) and any(type(item) in EXACT for item in value):
            for i, item in enumerate(value):
                if type(item) in EXACT:
                    self.tensors.append(item)
                    self.slots.append((slot, i))
        else:
            constant = plain_argument(value)
            if constant is not None:
                self.constants.append((slot, constant))


def tensors_in(result: Any) -> list[torch.Tensor]:
    """The tensors that a call gave back."""
    if type(result) in EXACT:
        return [result]
    if isinstance(result, (tuple, list)):
        return [item for item in result if type(item) in EXACT]
    return []


class CallProbe(TorchFunctionMode):
    """Sees every call of torch's Python API on the thread it was started on."""

    def __init__(
        self, tape: Tape, tensors: Tensors, grads: Grads, backwards: Backwards, trouble: Callable[[Exception], None]
    ) -> None:
        super().__init__()
        self._tape = tape
        self._tensors = tensors
        self._grads = grads
        self._backwards = backwards
        self._trouble = trouble
        self._kinds: dict[Any, int] = {}

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if kwargs is None:
            kwargs = {}
        try:
            kind = self._kinds[func]
        except KeyError:
            kind = self._kinds[func] = classify(func)
        except TypeError:  # unhashable: a callable object of the user's
            kind = CALL
        pending = None
        if kind:
            try:
                if _others():
                    with alone():
                        pending = self._before(kind, func, args, kwargs, sys._getframe(1))
                else:
                    pending = self._before(kind, func, args, kwargs, sys._getframe(1))
            except Exception as error:
                self._trouble(error)
        try:
            result = func(*args, **kwargs)
        except BaseException as error:
            # a bare raise adds no entry of its own: the user sees the frames of the plain run
            if error.__traceback__ is not None:
                error.__traceback__ = error.__traceback__.tb_next
            if pending is not None:
                self._after(kind, func, args, pending, None, error)
            raise
        if pending is not None:
            self._after(kind, func, args, pending, result, None)
        return result

    # -- before and after ----------------------------------------------------------------------
    def _before(self, kind: int, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], frame: Any) -> Any:
        """What `_after` needs; None where there is nothing to note."""
        if _transformed():
            return None
        tape = self._tape
        if kind != READ_GRAD and len(tape.calls) >= tape.limit:
            tape.dropped += 1
            return None
        while frame is not None and frame.f_code is HANDLE:
            frame = frame.f_back.f_back  # the Python wrapper that dispatched to us, and its caller
        site = tape.sites.at(frame)
        if kind == BACKWARD:
            return self._backwards.begin(func, args, kwargs, site)
        if kind in (READ_GRAD, READ_GRAD_FN, WRITE_GRAD):
            return site if type(args[0]) in EXACT else None
        pending = Pending(self._tensors, args, kwargs)
        pending.site = site
        pending.enabled = torch.is_grad_enabled()
        pending.at = tape.tick()
        return pending

    def _after(
        self, kind: int, func: Any, args: tuple[Any, ...], pending: Any, result: Any, error: BaseException | None
    ) -> None:
        try:
            if _others():
                with alone():
                    self._note(kind, func, args, pending, result, error)
            else:
                self._note(kind, func, args, pending, result, error)
        except Exception as trouble:
            self._trouble(trouble)

    def _note(
        self, kind: int, func: Any, args: tuple[Any, ...], pending: Any, result: Any, error: BaseException | None
    ) -> None:
        if kind == CALL:
            self._after_call(func, pending, result, error)
        elif kind == BACKWARD:
            self._backwards.end(pending, result, error)
        elif error is None:
            self._after_attribute(kind, args, pending, result)

    def _after_attribute(self, kind: int, args: tuple[Any, ...], pending: Any, result: Any) -> None:
        owner = args[0]
        if kind == READ_GRAD:
            self._grads.read(owner, result, pending)
        elif kind == READ_GRAD_FN:
            node = None if result is None else self._backwards.nodes.row(result)
            self._grads.access("grad_fn", owner, pending, None, node)
        elif kind == WRITE_GRAD:
            self._grads.written(owner, args[1] if len(args) > 1 else None, pending)
        else:
            self._after_data(owner, pending)

    def _after_call(self, func: Any, pending: Pending, result: Any, error: BaseException | None) -> None:
        tape = self._tape
        name, qualified = _names(func)
        outputs = tensors_in(result)
        changed = [t for t, e in zip(pending.tensors, pending.entries, strict=True) if e.version != version_of(t)]
        if not outputs and not changed and error is None and not _worth_a_row(name, pending.tensors):
            return
        draft = CallDraft(
            pending.at, pending.at, name, qualified, pending.site, pending.states, pending.slots, pending.constants,
            [], [], bool(changed), pending.enabled, None, None,
        )  # fmt: skip
        call = len(tape.calls)
        tape.calls.append(draft)
        if error is not None:
            draft.error = (type(error).__name__, str(error))
        else:
            self._note_outputs(draft, call, outputs, changed)
            if name == "retain_grad" and pending.tensors:
                self._tensors.retain(pending.tensors[0])
            draft.cut = None if changed else self._cut(name, draft, outputs)
        draft.end = tape.tick()
        if changed:
            self._grads.after_inplace(changed, draft)

    def _note_outputs(
        self, draft: CallDraft, call: int, outputs: list[torch.Tensor], changed: list[torch.Tensor]
    ) -> None:
        tensors = self._tensors
        first_saved = len(self._tape.saved)
        for tensor in changed:
            draft.outputs.append(tensors.result(tensor, call))
            entry = tensors.known(tensor)
            if entry is not None and entry.storage is not None:
                tensors.last_change[entry.storage] = call
            memory.changed(tensor, draft.name, draft.site)
        for tensor in outputs:
            if changed and any(tensor is one for one in changed):
                continue
            entry = tensors.known(tensor)
            if (
                entry is not None and entry.state in draft.inputs and entry.requires_grad == tensor.requires_grad
                and entry.version == version_of(tensor)
            ):  # fmt: skip
                draft.outputs.append(entry.state)  # `contiguous()`, `to()`: the input itself
            else:
                draft.outputs.append(tensors.result(tensor, call))
        if len(self._tape.saved) > first_saved:
            self._backwards.nodes.own_results(first_saved, draft.outputs)

    def _cut(self, name: str, draft: CallDraft, outputs: list[torch.Tensor]) -> str | None:
        """Why no gradient passes this call, None where one does or none would."""
        if not any(self._tape.tensors[state][8] for state in draft.inputs):
            return None
        if name in LEAVES_TORCH:
            return LEAVES_TORCH[name]
        if not outputs or any(t.requires_grad for t in outputs):
            return None
        if name in NAMED_CUTS:
            return NAMED_CUTS[name]
        if name.endswith(FACTORIES[0]) or name.startswith(FACTORIES[1]):
            return None
        if torch.is_inference_mode_enabled():
            return "inference"
        if not draft.grad_enabled:
            return "no_grad"
        discrete = not any(t.dtype.is_floating_point or t.dtype.is_complex for t in outputs)
        return "integer" if discrete else None

    def _after_data(self, owner: torch.Tensor, pending: Pending) -> None:
        draft = CallDraft(
            pending.at, pending.at, "data=", "Tensor.data.__set__", pending.site, pending.states[:1], [0], [], [], [],
            True, pending.enabled, None, None,
        )  # fmt: skip
        self._tape.calls.append(draft)
        draft.outputs.append(self._tensors.result(owner, len(self._tape.calls) - 1))
        draft.end = self._tape.tick()

    # -- coming off ----------------------------------------------------------------------------
    def leave(self) -> None:
        """Take this mode off its stack, also from below modes that the cell left open."""
        if not any(mode is self for mode in _get_current_function_mode_stack()):
            return
        above = []
        while (mode := pop_mode()) is not self:
            above.append(mode)
        for mode in reversed(above):
            push_mode(mode)


@functools.lru_cache(maxsize=4096)
def _names(func: Any) -> tuple[str, str]:
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


def _worth_a_row(name: str, inputs: list[torch.Tensor]) -> bool:
    if name == "retain_grad" or name in ("numpy", "__array__"):
        return True
    return name in LEAVES_TORCH and any(t.requires_grad for t in inputs)


_others = torch._C._len_torch_function_stack
_interpreter = torch._C._functorch.peek_interpreter_stack
_tracing = torch._C._get_tracing_state


def _transformed() -> bool:
    """Inside `torch.func` transforms and tracers tensors are not what they seem: leave them alone."""
    return _interpreter() is not None or _tracing() is not None
