"""The recorder: sees what torch does while a cell runs, changes nothing, and gives back a `Trace`.

This package is the only code of the project that imports torch.

* `Recorder(...)`, `.start()`, `.stop(error) -> Trace`: record until stopped.
* `graph_of(tensors)`: the autograd graph behind tensors that already exist.
* `tidy(error)`: an exception's traceback without the frames that recording added.
* `SourceBook`: tells which code is the user's, and the text of cells.
"""

from __future__ import annotations

import ast
import dataclasses
import gc
import threading
import types
from collections.abc import Callable, Mapping
from typing import Any

from ..settings import LIMIT, VALUES_BUDGET, is_strict
from ..trace import Trace
from .errors import AlreadyRecording, RecorderError, TorchMissing
from .sources import CellText, SourceBook

try:
    import torch
except ImportError as error:  # pragma: no cover - exercised in a subprocess without torch
    if error.name != "torch":
        raise
    raise TorchMissing() from None

from . import holders, memory, names, recipe, stories
from .calls import CallProbe
from .freeze import code_called, failure_of, freeze
from .grads import Grads
from .loops import Loops
from .nodes import Nodes
from .optimizers import OptimizerProbe
from .scopes import Scopes
from .shared import WatchedBackwards
from .tape import Tape
from .tensors import EXACT, Tensors
from .tracebacks import tidy
from .unseen import Unseen
from .values import Values
from .warned import WarningProbe

__all__ = [
    "AlreadyRecording", "CellText", "Recorder", "RecorderError", "SourceBook", "TorchMissing", "graph_of", "tidy",
]  # fmt: skip

_running = threading.local()


class Recorder:
    """Records torch on this thread between `start()` and `stop()`.

    sources: where code comes from; its `main` is the file or cell being recorded.
    namespace: the user's variables, or a function that gives them.
    base: code object at which the frames of a call end (the function with the `with` statement).
    strict: raise failures of ours; by default only when the environment says so.
    limit: calls to record at most.  values: what to note of values (`recorder/values.py`), within a budget of bytes.
    loops: iterations of equal size after which a loop is noted lightly, 0 for never; None for the usual number.
    """

    def __init__(
        self, *, sources: SourceBook | None = None,
        namespace: Mapping[str, Any] | Callable[[], Mapping[str, Any]] | None = None,
        base: types.CodeType | None = None, strict: bool | None = None, limit: int = LIMIT,
        values: str | bool = "small", values_budget: int = VALUES_BUDGET, loops: int | None = None,
    ) -> None:  # fmt: skip
        self._strict = is_strict() if strict is None else strict
        provider = namespace if callable(namespace) else (lambda: namespace or {})
        self._provider = provider
        self._namespace = names.Namespace(lambda: dict(provider()))
        self._tape = Tape(sources or SourceBook(), base, limit)
        self._values = Values(values, values_budget)
        self._tensors = Tensors(self._tape, self._values, self._namespace.name_of)
        self._nodes = Nodes(self._tape, self._tensors)
        self._grads = Grads(self._tape, self._tensors, self._values)
        self._unseen = Unseen(self._tape, self._tensors, self._nodes)
        backwards = WatchedBackwards(
            self._tape, self._tensors, self._nodes, self._grads, self._values, self._note_trouble
        )  # fmt: skip
        self._loops = Loops(self._tape, self._tensors, self._grads, backwards, self._note_trouble, loops)
        self._scopes = Scopes(self._tape)
        self._calls = CallProbe(
            self._tape, self._tensors, self._grads, backwards, self._loops, self._scopes, self._note_trouble
        )  # fmt: skip
        self._warnings = WarningProbe(self._tape, self._note_trouble)
        self._optimizers = OptimizerProbe(
            self._tape, self._tensors, self._grads, self._loops, provider, self._note_trouble
        )  # fmt: skip
        self._trouble: Exception | None = None

    def start(self) -> None:
        """Begin; raises `AlreadyRecording` when this thread is being recorded."""
        if getattr(_running, "recorder", None) is not None:
            raise AlreadyRecording()
        _running.recorder = self
        self._nodes.begin()
        self._warnings.start()
        self._optimizers.start()
        self._calls.enter()

    def stop(self, error: BaseException | None = None) -> Trace:
        """End, take everything out again, and give the trace; `error` is what ended the cell, if anything did."""
        if getattr(_running, "recorder", None) is self:
            _running.recorder = None
        try:
            self._calls.leave()
        finally:
            self._warnings.stop()
            self._optimizers.stop()
        if error is not None:
            self._guarded(lambda: tidy(error))
        if self._strict and self._trouble is not None:
            raise self._trouble
        collecting = gc.isenabled()
        gc.disable()  # tens of thousands of rows are about to be made, and none of them is garbage
        try:
            with torch._C.DisableTorchFunction():
                trace = self._finish(error)
                self._guarded(lambda: recipe.keep(trace, self._tape, self._tensors))
                return trace
        finally:
            if collecting:
                gc.enable()

    def _finish(self, error: BaseException | None) -> Trace:
        tape = self._tape
        self._guarded(self._loops.settled)
        self._guarded(self._unseen.settle)
        self._guarded(self._values.read)
        self._guarded(self._grads.settle)
        self._guarded(self._optimizers.settle)
        self._guarded(lambda: names.assigned(tape))
        self._guarded(lambda: names.carried(tape))
        self._guarded(lambda: names.found(tape, self._tensors, self._namespace))
        self._guarded(lambda: names.used(tape))
        self._guarded(lambda: memory.remember(tape, self._tensors))
        self._guarded(lambda: holders.note(tape, self._tensors, self._provider()))
        failure = None
        if error is not None:
            failure = failure_of(tape, error, self._node_called(error))
        trace = dataclasses.replace(freeze(tape, failure, self._scopes_seen()), values_left_out=self._values.left_out)
        return self._with_history(trace)

    def _scopes_seen(self) -> Any:
        """Rows of the calls of modules; without them, in place of a failure of ours."""
        try:
            return self._scopes.rows(names.module_paths(self._provider()) if self._scopes.any() else {})
        except Exception as error:
            self._note_trouble(error)
            if self._strict:
                raise
            return (), [None] * len(self._tape.calls)

    def _with_history(self, trace: Trace) -> Trace:
        """The trace with what earlier recordings saw of its leaves."""
        try:
            return stories.tell(trace, self._tape, self._tensors)
        except Exception as error:
            if self._strict:
                raise
            self._note_trouble(error)
            return dataclasses.replace(trace, problem=self._tape.problem)

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:
            self._note_trouble(error)
            if self._strict:
                raise

    def _note_trouble(self, error: Exception) -> None:
        """Our own failure: kept to be shown as one line, never raised into the cell."""
        if isinstance(error, RecursionError):  # the cell is about to hit the limit itself
            self._tape.dropped += 1
            return
        if self._trouble is None:
            self._trouble = error
            self._tape.problem = f"{type(error).__name__}: {error}"

    def _node_called(self, error: BaseException) -> int | None:
        """The node whose buffers were asked for when an exception was raised by calling or reading it."""
        if "backward through the graph a second time" not in str(error):
            return None
        failed = [b.failed_node for b in self._tape.backwards if b.error is not None and b.failed_node is not None]
        if failed:
            return failed[-1]
        where = code_called(error)
        if where is None:
            return None
        frame, chain = where
        node = _node_in(frame, self._tape, chain)
        if node is not None:
            return self._nodes.row(node)
        seen = [node for _, attribute, _, _, _, node in self._tape.accesses if attribute == "grad_fn"]
        return seen[-1] if seen else None


def _node_in(frame: types.FrameType, tape: Tape, chain: tuple[Any, ...]) -> Any:
    """A node object named in the expression that raised: `node(v)`, `node._saved_self`."""
    spot = tape.places.spots(chain)[0]
    text = spot.text.split("\n")[spot.line - 1] if spot.text else ""
    segment = text[spot.column : spot.end_column] if spot.line == spot.end_line else text
    try:
        tree = ast.parse(segment.strip(), mode="eval")
    except SyntaxError:
        return None
    for name in (n.id for n in ast.walk(tree) if isinstance(n, ast.Name)):
        value = frame.f_locals.get(name, frame.f_globals.get(name))
        if isinstance(value, torch.autograd.graph.Node) and not isinstance(value, torch.Tensor):
            return value
    return None


def graph_of(
    tensors: Mapping[str, Any], *, sources: SourceBook | None = None,
    namespace: Mapping[str, Any] | None = None, values: str | bool = "small", values_budget: int = VALUES_BUDGET,
) -> Trace:  # fmt: skip
    """The graph behind tensors that exist already: nodes, edges, what is saved, and the leaves' `.grad`.

    tensors: by the name or expression to show.  Nothing is run; raises TypeError for what is no tensor.
    """
    for name, value in tensors.items():
        if not isinstance(value, torch.Tensor):
            raise TypeError(f"{name} is {type(value).__name__}, expected a torch.Tensor: give a tensor to show")
    recorder = Recorder(
        sources=sources, namespace={**(namespace or {}), **tensors}, strict=True, values=values,
        values_budget=values_budget,
    )  # fmt: skip
    with torch._C.DisableTorchFunction():
        for tensor in tensors.values():
            if type(tensor) in EXACT:
                recorder._tensors.state(tensor)
        return recorder._finish(None)
