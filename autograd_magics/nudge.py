"""The kernel's side of the slider: what follows when one element of a small leaf changes by ε.

`Nudges(report).answer(request)` gives plain data with finished sentences; a request that cannot be met is answered
by a sentence too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import texts
from .trace import Trace

if TYPE_CHECKING:
    from .recorder.nudger import Nudger
    from .report import Report

Json = dict[str, Any]

KEPT_BYTES = 64_000_000
"""Copies of values that are kept from one nudge to the next, at most."""


class Nudges:
    """Answers for one report; the calls of a leaf are made ready once and kept while the same leaf is nudged."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._row = -1
        self._nudger: Nudger | None = None
        self._loss: int | None = None

    def answer(self, request: Json) -> Json:
        """The answer to `{"n", "item", "element", "step", "lang"}`: the same `n`, and `error` or what is shown."""
        from .recorder import plan
        from .views import checked, nudged
        from .views.format import MINUS
        from .views.phrases import Phrases

        phrases = Phrases(self._report.graph, _language(request.get("lang"), self._report.lang), MINUS)
        n = request.get("n")
        try:
            row, element, step = _checked(request, self._report.trace)
        except (KeyError, TypeError, ValueError) as error:
            return {"n": n, "error": f"{type(error).__name__}: {error}"}
        head = {"n": n, "item": request["item"], "element": element, "step": step}
        try:
            self._prepare(row)
            assert self._nudger is not None and self._loss is not None
            result, cuts = self._nudger(element, step), self._nudger.plan.cuts()
        except plan.Refused as refused:
            return {**head, "error": checked.refusal(phrases, refused, self._loss, row)}
        if self._nudger.bytes > KEPT_BYTES:
            self._nudger = None
        return {**head, "error": "", **nudged.told(phrases, result, row, element, self._loss, cuts)}

    def _prepare(self, row: int) -> None:
        """Make the calls from a leaf's row to its loss ready.  Raises `Refused`."""
        from .recorder import nudger, plan

        if self._nudger is not None and self._row == row:
            return
        trace = self._report.trace
        self._row, self._nudger, self._loss = row, None, loss_of(trace, row)
        if self._loss is None:
            raise plan.Refused("no_loss", tensor=row)
        self._nudger = nudger.Nudger(trace, self._loss, trace.tensors[row].object)


def _language(asked: Any, known: str) -> str:
    return asked if asked in texts.languages() else known


def _checked(request: Json, trace: Trace) -> tuple[int, int, float]:
    """(tensor row, element, step) of a request.  Raises ValueError for what is not in the trace."""
    item = str(request["item"])
    row, element, step = int(item.removeprefix("t")), int(request["element"]), float(request["step"])
    if not item.startswith("t") or not 0 <= row < len(trace.tensors):
        raise ValueError(f"item is {item!r}, expected a tensor of this report")
    size = 1
    for one in trace.tensors[row].shape:
        size *= one
    if not 0 <= element < size:
        raise ValueError(f"element is {element}, expected 0 to {size - 1}")
    return row, element, step


def loss_of(trace: Trace, row: int) -> int | None:
    """The scalar whose gradient a leaf's state belongs to: the first backward's root after it, or the last result."""
    following = _following(trace, row)
    roots = [r for b in trace.backwards if b.at > trace.tensors[row].at and len(b.roots) == 1 for r in b.roots]
    candidates = [r for r in roots if r in following] or sorted(following - {row}, reverse=True)
    return next((r for r in candidates if _is_scalar(trace, r)), None)


def _is_scalar(trace: Trace, row: int) -> bool:
    tensor = trace.tensors[row]
    return all(size == 1 for size in tensor.shape) and tensor.dtype.startswith(("float", "bfloat"))


def _following(trace: Trace, row: int) -> set[int]:
    """The rows that were computed from one state of a tensor."""
    one = trace.tensors[row]
    same = {t.id for t in trace.tensors if (t.object, t.version, t.storage) == (one.object, one.version, one.storage)}
    found = set(same)
    for call in trace.calls:
        if not found.isdisjoint(call.inputs):
            found.update(call.outputs)
    return found - same | {row}
