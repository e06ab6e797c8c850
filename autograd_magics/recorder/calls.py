"""Probe: the calls of torch's Python API, by a `TorchFunctionMode`.

`CallProbe.__torch_function__` is the hot path and the only code of ours between the cell and torch:
it notes what it must now, and leaves places, names and prose to the end.  An exception passes through
with our frame taken out of its traceback; a failure of ours is noted and the call still runs.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import torch
from torch.overrides import TorchFunctionMode, _get_current_function_mode_stack
from torch.overrides import _pop_mode as pop_mode
from torch.overrides import _push_mode as push_mode

from . import memory
from .backward import Backwards
from .common import CommonCalls, Pending
from .compiled import MODULE, CompiledProbe
from .functions import (
    BACKWARD,
    CALL,
    HOOK,
    NAMED_CUTS,
    READ_GRAD,
    READ_GRAD_FN,
    WRITE_DATA,
    WRITE_GRAD,
    Function,
    changed_inputs,
    sort_arguments,
    tensors_in,
    worth_a_row,
)
from .grads import Grads
from .inside import is_optimizers_own
from .loops import Loops
from .scopes import Scopes
from .sources import is_user_file
from .tape import CallDraft, Tape
from .tensors import EXACT, Entry, Tensors, alone, version_of
from .tracebacks import HANDLE, without_ours
from .unseen import inside_function

FACTORIES = ("_like", "new_")
TENSOR = torch.Tensor
LIBRARY = object()
"""Stands for a site in torch's own code: optimizers read `.grad` all the time."""


class CallProbe(TorchFunctionMode):
    """Sees every call of torch's Python API on the thread it was started on."""

    def __init__(
        self, tape: Tape, tensors: Tensors, grads: Grads, backwards: Backwards, loops: Loops, scopes: Scopes,
        trouble: Callable[[Exception], None],
    ) -> None:  # fmt: skip
        super().__init__()
        self._tape = tape
        self._tensors = tensors
        self._grads = grads
        self._backwards = backwards
        self._loops = loops
        self._scopes = scopes
        self._trouble = trouble
        self._common = CommonCalls(tape, tensors, backwards.nodes, tensors.values)
        self._functions: dict[Any, Function] = {}
        self._compiled = CompiledProbe(self.set_aside, self.put_back)
        self._readers: set[Any] = set()
        """Code of libraries that reads `.grad`."""
        self._above: int | None = None
        """Modes that lay above this one when it was set aside."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if kwargs is None:
            kwargs = {}
        if _compiling():  # constant for the compiler: what it compiles is the plain call
            return func(*args, **kwargs)
        pending = light = None
        kind, loops = 0, self._loops
        try:
            try:
                function = self._functions[func]
            except KeyError:
                function = self._functions[func] = Function(func)
            except TypeError:  # unhashable: a callable object of the user's
                function = Function(func)
            kind = function.kind
            if kind and self._tape.stepping:
                if is_optimizers_own(_frame(1)):
                    kind = 0
                else:  # somebody's hook, or the step raised: what comes is noted call by call
                    self._tape.stepping = False
            if kind:
                frame = _frame(1)
                if loops.active is not None:
                    light = self._before_light(loops, function, args, kwargs, frame)
                if light is not None:
                    pass
                elif kind == READ_GRAD and frame.f_code in self._readers and not _others():
                    pending = LIBRARY
                elif _others():
                    with alone():
                        pending = self._before(kind, func, args, kwargs, frame)
                else:
                    pending = self._before(kind, func, args, kwargs, frame)
        except Exception as error:
            self._trouble(error)
        try:
            result = func(*args, **kwargs)
        except BaseException as error:
            # a bare raise adds no entry of its own: the user sees the frames of the plain run
            error.__traceback__ = without_ours(error.__traceback__)
            if light is not None:
                self._after_light(loops, function, func, args, light, None, error)
            elif pending is not None:
                self._after(function, args, pending, None, error)
            raise
        if light is not None:
            self._after_light(loops, function, func, args, light, result, None)
            return result
        if pending is LIBRARY:
            self._glance(args[0], result)
        elif pending is not None:
            self._after(function, args, pending, result, None)
        if loops.active is not None and kind:
            self._absorb(loops, result)
        return result

    # -- before and after ----------------------------------------------------------------------
    def _before(self, kind: int, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], frame: Any) -> Any:
        """What `_after` needs; None where there is nothing to note."""
        if _transforming() or _tracing() is not None:  # inside these, tensors are not what they seem: leave them alone
            return None
        if MODULE in _modules and not self._compiled.watching:
            self._compiled.watch()
        tape = self._tape
        if kind != READ_GRAD and len(tape.calls) >= tape.limit:
            tape.dropped += 1
            return None
        while frame is not None and frame.f_code is HANDLE:
            frame = frame.f_back.f_back  # the Python wrapper that dispatched to us, and its caller
        if kind == READ_GRAD and not is_user_file(frame.f_code.co_filename, tape.book.main):
            self._readers.add(frame.f_code)
            return LIBRARY if type(args[0]) in EXACT else None
        site = tape.sites.at(frame)
        if kind == CALL or (kind == WRITE_DATA and type(args[0]) in EXACT):
            return self._inputs(args, kwargs, site, self._scopes.at(frame, site) if site.modules else None)
        if kind == BACKWARD:
            return self._backwards.begin(func, args, kwargs, site)
        return site if kind != WRITE_DATA and type(args[0]) in EXACT else None

    # -- loops ---------------------------------------------------------------------------------------
    def _before_light(
        self, loops: Loops, function: Function, args: tuple[Any, ...], kwargs: dict[str, Any], frame: Any
    ) -> Any:
        """What a loop needs to note a call that it expects; None where it goes the general way."""
        if _others() or _transforming() or _tracing() is not None:
            loops.leave()
            return None
        if MODULE in _modules and not self._compiled.watching:
            self._compiled.watch()
        while frame is not None and frame.f_code is HANDLE:
            frame = frame.f_back.f_back
        active, site = loops.active, self._tape.sites.at(frame)
        event = active.ready
        try:
            if event is not None and event.function is function and event.site is site:
                pending = event.begin(args, kwargs)
                if pending is not None:
                    return pending
            return active.begin(function, args, kwargs, site)
        except RuntimeError:  # inference tensors, dead views: nothing for a light loop
            loops.leave()
            return None

    def _after_light(
        self, loops: Loops, function: Function, func: Any, args: tuple[Any, ...], light: Any, result: Any,
        error: BaseException | None,
    ) -> None:  # fmt: skip
        try:
            event, active = light[0], loops.active
            if error is None and event.end(light, result):
                active.ready = event.following
                active.complete = event is active.last
                return
            pending = active.unexpected(func, light)
        except Exception as trouble:
            loops.abandon()
            self._trouble(trouble)
            return
        self._after(function, args, pending, result, error)

    def _absorb(self, loops: Loops, result: Any) -> None:
        try:
            loops.active.after(result)
        except Exception as trouble:
            loops.abandon()
            self._trouble(trouble)

    def _inputs(self, args: tuple[Any, ...], kwargs: dict[str, Any], site: Any, scope: Any) -> Pending:
        tensors, slots, constants = sort_arguments(args, kwargs)
        entries: list[Entry] = []
        states: list[int] = []
        known = self._tensors.entries
        for tensor in tensors:
            entry = known.get(id(tensor))
            if (
                entry is None or entry() is not tensor or entry.state < 0 or entry.requires_grad != tensor.requires_grad
                or entry.version != version_of(tensor)
            ):  # fmt: skip
                entry = self._tensors.current(tensor)
            entries.append(entry)
            states.append(entry.state)
        return (
            self._tape.tick(), site, _grad_enabled(), tensors, slots, constants, entries, tuple(states), scope,
        )

    def _after(
        self, function: Function, args: tuple[Any, ...], pending: Any, result: Any, error: BaseException | None
    ) -> None:
        try:
            if _others():
                with alone():
                    self._note(function, args, pending, result, error)
            elif function.kind == CALL:
                self._after_call(function, pending, result, error)
            else:
                self._note(function, args, pending, result, error)
        except Exception as trouble:
            self._trouble(trouble)

    def _glance(self, owner: Any, grad: Any) -> None:
        """A library read `.grad`."""
        try:
            entry: Any = self._tensors.entries.get(id(owner))
            if entry is not None and entry() is owner:
                held: Any = self._grads.held.get(entry.object)
                known = grad if held is None or held.ref is None else held.ref()
                if held is not None and known is grad and (grad is None or held.version == grad._version):
                    return
            if type(owner) in EXACT and not _transforming():
                with alone():
                    self._grads.glance(owner, grad)
        except Exception as trouble:
            self._trouble(trouble)

    def _note(
        self, function: Function, args: tuple[Any, ...], pending: Any, result: Any, error: BaseException | None
    ) -> None:
        kind = function.kind
        if kind == CALL:
            self._after_call(function, pending, result, error)
        elif kind == BACKWARD:
            self._backwards.end(pending, result, error)
            self._loops.ended(pending.site, error)
        elif error is None:
            self._after_attribute(kind, args, pending, result)

    def _after_attribute(self, kind: int, args: tuple[Any, ...], pending: Any, result: Any) -> None:
        owner = args[0]
        if kind == READ_GRAD:
            self._grads.read(owner, result, pending)
        elif kind == READ_GRAD_FN:
            node = None if result is None else self._backwards.nodes.row(result)
            self._grads.access("grad_fn", owner, pending, None, node)
        elif kind == HOOK:
            self._backwards.hooked(owner, args[1] if len(args) > 1 else None, pending)
        elif kind == WRITE_GRAD:
            self._grads.written(owner, args[1] if len(args) > 1 else None, pending)
        else:
            self._after_data(owner, pending)

    def _after_call(self, function: Function, pending: Pending, result: Any, error: BaseException | None) -> None:
        tape = self._tape
        at, site, enabled, tensors, slots, constants, entries, states, scope = pending
        if type(result) is TENSOR:
            draft = self._common.note(function, pending, result)
            if draft is not None:
                if not result.requires_grad:
                    draft.cut = self._cut(function, draft, [result])
                draft.end = tape.tick()
                return
        outputs = [result] if type(result) in EXACT else tensors_in(result)
        changed = changed_inputs(function, tensors, slots, entries)
        if not outputs and not changed and error is None and not worth_a_row(function, tensors):
            return
        draft = CallDraft(
            at, at, function.name, function.qualified, site, states, slots, constants, (),
            bool(changed), enabled, None, None, scope,
        )  # fmt: skip
        call = len(tape.calls)
        tape.calls.append(draft)
        if error is not None:
            draft.error = (type(error).__name__, str(error))
        elif changed:
            self._note_changed(draft, call, outputs, changed)
        else:
            draft.outputs = tuple(self._results(draft, call, outputs))
            if function.name == "retain_grad" and tensors:
                self._tensors.retain(tensors[0])
            draft.cut = self._cut(function, draft, outputs)
        draft.end = tape.tick()
        if changed:
            self._grads.after_inplace(changed, draft)

    def _note_changed(
        self, draft: CallDraft, call: int, outputs: list[torch.Tensor], changed: list[torch.Tensor]
    ) -> None:
        tensors = self._tensors
        rows: list[int] = []
        for tensor in changed:
            rows.append(tensors.result(tensor, call, draft.grad_enabled and any(tensor is one for one in outputs)))
            entry = tensors.known(tensor)
            if entry is not None and entry.storage is not None:
                tensors.last_change[entry.storage] = call
            memory.changed(tensor, draft.name, draft.site)
        draft.outputs = rows
        rest = [tensor for tensor in outputs if not any(tensor is one for one in changed)]
        draft.outputs = [*rows, *self._results(draft, call, rest)]

    def _results(self, draft: CallDraft, call: int, outputs: list[torch.Tensor]) -> list[int]:
        """Rows of what a call gave back; an input that it handed through keeps its row."""
        tensors = self._tensors
        first_saved = len(self._tape.saved)
        rows: list[int] = []
        for tensor in outputs:
            entry = tensors.entries.get(id(tensor))
            if (
                entry is not None and entry.state in draft.inputs and entry() is tensor
                and entry.requires_grad == tensor.requires_grad and entry.version == version_of(tensor)
            ):  # fmt: skip
                rows.append(entry.state)  # `contiguous()`, `to()`: the input itself
            else:
                rows.append(tensors.result(tensor, call))
        if len(self._tape.saved) > first_saved:
            self._backwards.nodes.own_results(first_saved, rows)
        return rows

    def _cut(self, function: Function, draft: CallDraft, outputs: list[torch.Tensor]) -> str | None:
        """Why no gradient passes this call, None where one does or none would."""
        for output in outputs:
            if output.requires_grad:
                return None
        rows = self._tape.tensors
        for state in draft.inputs:
            if rows[state][8]:
                break
        else:
            return None
        if function.leaves is not None or not outputs:
            return function.leaves
        name = function.name
        if name in NAMED_CUTS:
            return NAMED_CUTS[name]
        if name.endswith(FACTORIES[0]) or name.startswith(FACTORIES[1]):
            return None
        if torch.is_inference_mode_enabled():
            return "inference"
        if not draft.grad_enabled:
            return None if inside_function(draft.site) else "no_grad"
        discrete = not any(t.dtype.is_floating_point or t.dtype.is_complex for t in outputs)
        return "integer" if discrete else None

    def _after_data(self, owner: torch.Tensor, pending: Pending) -> None:
        at, site, enabled, _, _, _, _, states, _ = pending
        draft = CallDraft(
            at, at, "data=", "Tensor.data.__set__", site, states[:1], (0,), (), (), True, enabled, None, None
        )
        self._tape.calls.append(draft)
        draft.outputs = [self._tensors.result(owner, len(self._tape.calls) - 1)]
        draft.end = self._tape.tick()

    # -- coming on and off ----------------------------------------------------------------------------
    def enter(self) -> None:
        """Put this mode on its stack."""
        self._compiled.watch()
        self.__enter__()  # type: ignore[no-untyped-call]

    def leave(self) -> None:
        """Take this mode off its stack, also from below modes that the cell left open."""
        self._compiled.stop()
        self.set_aside()
        self._above = None

    def set_aside(self) -> None:
        """Take this mode off its stack until `put_back`."""
        if not any(mode is self for mode in _get_current_function_mode_stack()):
            return
        above = []
        while (mode := pop_mode()) is not self:
            above.append(mode)
        for mode in reversed(above):
            push_mode(mode)
        self._above = len(above)

    def put_back(self) -> None:
        """Undo `set_aside`, in the same place of the stack."""
        if self._above is None:
            return
        above = [pop_mode() for _ in range(min(self._above, _others()))]
        push_mode(self)
        for mode in reversed(above):
            push_mode(mode)
        self._above = None


_frame = sys._getframe
_others = torch._C._len_torch_function_stack
_transforming = torch._C._are_functorch_transforms_active
_tracing = torch._C._get_tracing_state
_grad_enabled = torch.is_grad_enabled
_modules = sys.modules
_compiling = torch.compiler.is_dynamo_compiling
