"""Runs recorded calls again on copies: `Replay(plan)`, ready to give the root for other values of the leaf.

Nothing of the user's is touched: values are copied, hooks and modes stay out of it, the random state is put back.
It raises `Refused`, which names the call or the tensor that prevents it.
"""

from __future__ import annotations

import contextlib
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import torch

from ..trace import Trace
from . import recipe
from .functions import tensors_in
from .plan import Plan, Refused, Step
from .recipe import Lost, Row

ROUNDED = frozenset({"float", "half", "bfloat16"})
"""Conversions that fix a dtype: with double precision they become `double`."""
STATEFUL = ("batch_norm", "instance_norm")
"""Calls that change running statistics they are given, without a trace of it in the version."""

Values = dict[int, torch.Tensor]
See = Callable[[Step, int, torch.Tensor], None]


@contextlib.contextmanager
def aside() -> Iterator[None]:
    """Keeps what runs inside from modes, filters and random state of the user's."""
    cpu = torch.get_rng_state()
    devices = [torch.cuda.get_rng_state(i) for i in range(torch.cuda.device_count())] if _cuda() else []
    try:
        with (
            torch._C.DisableTorchFunction(), torch.inference_mode(False), torch.enable_grad(),
            warnings.catch_warnings(),
        ):  # fmt: skip
            warnings.simplefilter("ignore")
            yield
    finally:
        torch.set_rng_state(cpu)
        for i, state in enumerate(devices):
            torch.cuda.set_rng_state(state, i)


def _cuda() -> bool:
    return torch.cuda.is_available() and torch.cuda.is_initialized()


def _random_state() -> list[torch.Tensor]:
    return [torch.get_rng_state(), *(torch.cuda.get_rng_state_all() if _cuda() else [])]


class Replay:
    """The steps of a plan with the values they need, in one precision."""

    def __init__(self, plan: Plan) -> None:
        """Fetch all values, run the calls once, and see that they give what was recorded.  Raises Refused."""
        self.plan = plan
        self.precise = False
        self.rounded = False
        """Whether a call gave less than the precision asked for."""
        self.leaf = self._value(plan.leaf)
        self.constants = self._fetch()
        self.loss = self.run(self.leaf, see=self._agree, random=True)
        started = time.perf_counter()
        again = self.run(self.leaf)
        self.seconds = time.perf_counter() - started
        """What one run takes, as told by the second: the first may have to load and warm up."""
        room = 1e3 * torch.finfo(self.loss.dtype).eps
        if not torch.allclose(self.loss, again, rtol=room, atol=room, equal_nan=True):
            raise Refused("unstable", tensor=plan.root)

    # -- values --------------------------------------------------------------------------------
    def _value(self, row: int) -> torch.Tensor:
        try:
            return self.plan.recipe.value(self.plan.trace, row)
        except Lost as lost:
            raise Refused(lost.why, tensor=row, call=self._changer(row) if lost.why == "changed" else None) from None

    def _changer(self, row: int) -> int | None:
        """The recorded call that changed a tensor after a state of it."""
        trace = self.plan.trace
        told = trace.tensors[row]
        later = [t for t in trace.tensors if t.object == told.object and t.id > row and t.version != told.version]
        return later[0].call if later else None

    def _fetch(self) -> Values:
        """The values of the constants; what is gone is computed again where that can be."""
        found: Values = {}
        again: dict[int, tuple[Step, Refused]] = {}
        queue = list(self.plan.constants)
        for row in queue:
            if row in found:
                continue
            try:
                found[row] = self._value(row)
            except Refused as error:
                step = self.plan.remade(row)
                if step is None:
                    raise
                if step.call not in again:
                    again[step.call] = step, error
                    queue += self.plan.trace.calls[step.call].inputs
        for _, (step, refused) in sorted(again.items()):
            try:
                self._do(step, found, self._agree, True)
            except Refused:
                raise refused from None
        return {row: found[row] for row in self.plan.constants}

    def raise_precision(self) -> bool:
        """Go on in float64; False, with everything as it was, where a call fixes a lower dtype."""
        own = self.leaf, self.constants, self.loss
        self.leaf, self.precise = _double(self.leaf), True
        self.constants = {row: _double(value) for row, value in self.constants.items()}
        try:
            self.loss = self.run(self.leaf)
            if self.loss.dtype is torch.float64 and not self.rounded:
                return True
        except Refused:
            pass
        self.leaf, self.constants, self.loss = own
        self.precise = self.rounded = False
        return False

    # -- running -------------------------------------------------------------------------------
    def run(
        self, leaf: torch.Tensor, *, grad: bool = False, see: See | None = None, random: bool = False
    ) -> torch.Tensor:
        """The root for a value of the leaf.  Raises Refused where a call fails."""
        plan = self.plan
        values: Values = {**self.constants, **dict.fromkeys(plan.leaf_rows, leaf)}
        with torch.set_grad_enabled(grad):
            for step in plan.steps:
                self._do(step, values, see, random, grad)
                for row in plan.last_used.get(step.call, ()):
                    values.pop(row, None)
        return values[plan.root]

    def _do(self, step: Step, values: Values, see: See | None, random: bool = False, grad: bool = False) -> None:
        """Run one call on the values and add what it gives."""
        before = _random_state() if random else []
        copies = {row: values[row].clone() for row, _ in step.changed}
        try:
            args, kwargs = step.arguments.filled(lambda given: self._argument(step, given, values, copies))
            with torch.set_grad_enabled(grad and step.grad):
                result = self._function(step)(*args, **kwargs)
        except Exception as error:
            raise Refused("raised", call=step.call, problem=f"{type(error).__name__}: {error}") from None
        if random and not all(map(torch.equal, before, _random_state())):
            raise Refused("random", call=step.call)
        rest = [t for t in tensors_in(result) if not any(t is copy for copy in copies.values())]
        if len(rest) != len(step.outputs):
            raise Refused("function", call=step.call)
        made = [*zip(step.outputs, rest, strict=True), *((after, copies[row]) for row, after in step.changed)]
        for row, tensor in made:
            values[row] = tensor = self._kept_precise(tensor)
            if see is not None:
                see(step, row, tensor)

    def _function(self, step: Step) -> Any:
        return torch.Tensor.double if self.precise and step.name in ROUNDED else step.function

    def _argument(self, step: Step, given: Any, values: Values, copies: Values) -> Any:
        if type(given) is Row:
            value = copies.get(given, values[given])
            return value.clone() if step.name in STATEFUL and not value.requires_grad else value
        if self.precise and isinstance(given, torch.dtype) and given.is_floating_point:
            return torch.float64
        return given

    def _kept_precise(self, tensor: torch.Tensor) -> torch.Tensor:
        if self.precise and tensor.is_floating_point() and tensor.dtype is not torch.float64:
            self.rounded = True
            return tensor.double()
        return tensor

    def _agree(self, step: Step, row: int, tensor: torch.Tensor) -> None:
        """A replay that gives something else than the recorded call did is none."""
        told = self.plan.trace.tensors[row]
        if tuple(tensor.shape) != told.shape:
            raise Refused("differs", call=step.call, then=list(told.shape), now=list(tensor.shape))
        noted, dtype = recipe.told(self.plan.trace, row), getattr(torch, told.dtype)
        if noted is None or tensor.is_complex():
            return
        then = noted.to("cpu", torch.float64)
        now = tensor.detach().to("cpu", torch.float64)
        room = min(1e3 * torch.finfo(dtype).eps, 0.05) if dtype.is_floating_point else 0.0
        scale = 1 + float(then.nan_to_num(0, 0, 0).abs().max()) if then.numel() else 1.0
        if not torch.allclose(now, then, rtol=0, atol=room * scale, equal_nan=True):
            raise Refused("differs", call=step.call, then=told.value, now=tensor.detach().tolist())

    def gradient(self) -> torch.Tensor:
        """Autograd's gradient of the root with respect to the leaf; zeros where it sees no way."""
        leaf = self.leaf.clone().requires_grad_()
        loss = self.run(leaf, grad=True)
        if not loss.requires_grad:
            return torch.zeros_like(self.leaf)
        try:
            (gradient,) = torch.autograd.grad(loss.sum(), leaf, allow_unused=True)
        except RuntimeError as error:
            raise Refused("raised_backward", tensor=self.plan.root, problem=str(error)) from None
        return torch.zeros_like(self.leaf) if gradient is None else gradient.detach()

    def at(self, element: int, value: float, see: See | None = None) -> float:
        """The root with another value of one element, in row-major order."""
        leaf = self.leaf.clone(memory_format=torch.contiguous_format)
        leaf.view(-1)[element] = value
        return self.run(leaf, see=see).item()


def _double(tensor: torch.Tensor) -> torch.Tensor:
    if tensor.is_complex():
        return tensor.to(torch.complex128)
    return tensor.double() if tensor.is_floating_point() else tensor


def plan_of(trace: Trace, root: int, leaf: int) -> Plan:
    """The calls from an object to a root row.  Raises Refused."""
    known = recipe.recipe_of(trace)
    if known is None:
        raise Refused("no_recipe")
    return Plan(trace, known, root, leaf)


def flat(tensor: torch.Tensor) -> tuple[float, ...]:
    """The elements in row-major order."""
    return tuple(tensor.detach().reshape(-1).tolist())
