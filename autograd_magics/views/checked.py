"""A checked gradient in words: `to_text(check, phrases)` for a terminal, `refusal(...)` where nothing could be run.

`refusal` also says why a slider cannot follow.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from ..trace import Hook
from . import format
from .phrases import Phrases
from .wrapping import aligned, paragraph

if TYPE_CHECKING:
    from ..check import Against, Check
    from ..recorder.differences import Comparison, Kink
    from ..recorder.plan import Refused

LISTED = 8
"""Elements of a leaf that are listed one by one; of a larger one only the worst are."""
DIGITS = 6


def element_name(name: str, element: int, shape: Iterable[int]) -> str:
    """`w[2]`, `w[0,1]` for an element counted in row-major order; the name alone for a scalar."""
    index: list[str] = []
    for size in reversed(tuple(shape)):
        index.insert(0, str(element % size))
        element //= size
    return f"{name}[{','.join(index)}]" if index else name


def refusal(phrases: Phrases, refused: Refused, loss: int | None, leaf: int) -> str:
    """Why calls could not be run again, in one sentence that names the call or the tensor, and its line."""
    data: dict[str, Any] = {**refused.data, "leaf": phrases.label(leaf)}
    data["loss"] = phrases.label(loss) if loss is not None else ""
    for key in ("then", "now"):
        if key in data:
            data[key] = format.short_text(data[key], minus=phrases.minus) or "…"
    for key in ("seconds", "most", "n"):
        if key in data:
            data[key] = phrases.number(math.ceil(data[key]))
    if "problem" in data:
        data["problem"] = format.clip(format.clean(data["problem"]), 200)
    if refused.tensor is not None:
        data["tensor"] = phrases.label(refused.tensor)
        data["made"] = _at(phrases, phrases.line(phrases.graph.tensor_place(refused.tensor)))
    if refused.call is None:
        return phrases.text(f"check.no.{refused.why}", **data)
    data["call"], data["line"] = named_call(phrases, refused.call)
    return phrases.text(f"check.no.{refused.why}_by" if refused.why == "changed" else f"check.no.{refused.why}", **data)


def named_call(phrases: Phrases, call: int) -> tuple[str, str]:
    """What a call is, and ` (line 4)`."""
    row = phrases.trace.calls[call]
    what = phrases.text("view.unseen_call") if row.qualified == "unseen" else f"`{phrases.operation(row)}`"
    return what, _at(phrases, phrases.line_at(row.places))


def _at(phrases: Phrases, line: str) -> str:
    return f" ({line})" if line else ""


# -- a check for a terminal --------------------------------------------------------------------
def to_text(check: Check, phrases: Phrases) -> str:
    """What a check found, in at most 80 columns."""
    found = check.comparison
    heading = paragraph(phrases.text("check.title", **_names(check, phrases)), "", "  ")
    if found is None:
        reason = refusal(phrases, check.refused, check.loss, check.leaf) if check.refused else ""
        return "\n".join([*heading, *paragraph(phrases.text("check.not_done", reason=reason), "  ", "  ")])
    body = [
        *paragraph(_how(check, found, phrases), "  ", "  "),
        "",
        *aligned(list(_table(check, found, phrases)), "  ", "    "),
        *(line for told in _left_out(check, found, phrases) for line in paragraph(told, "  ", "  ")),
        "",
        *(line for row in check.against for line in paragraph(_outcome(row, found, check, phrases), "  ", "    ")),
        *paragraph(" ".join(_meaning(check, found, phrases)), "  ", "  "),
        *(line for note in _notes(check, found, phrases) for line in paragraph(note, "  ", "    ")),
    ]
    return "\n".join([*heading, *body])


def _names(check: Check, phrases: Phrases) -> dict[str, str]:
    return {"loss": phrases.label(check.loss), "leaf": phrases.label(check.leaf)}


def _how(check: Check, found: Comparison, phrases: Phrases) -> str:
    """What was run again, how often, and in which precision."""
    calls = phrases.count("check.calls", len(found.calls))
    runs = phrases.number(2 * len(found.numeric))
    key = "check.how" if found.precision == "float64" else "check.how_coarse"
    return phrases.text(key, calls=calls, runs=runs, precision=found.precision, dtype=found.dtype)


def _table(check: Check, found: Comparison, phrases: Phrases) -> Iterator[list[str]]:
    """The elements of a small leaf, the worst ones of another; the kinds of gradient side by side."""
    name = phrases.label(check.leaf)
    head = ["", phrases.text("check.value"), phrases.text("check.differences"), phrases.text("check.autograd")]
    yield [*head, phrases.text("check.recorded")] if found.recorded is not None else head
    worst = [row.element for row in check.against]
    count = len(found.numeric)
    for i in range(count) if count <= LISTED else sorted(set(worst)):
        cells = [found.values[i], found.numeric[i], found.autograd[i]]
        cells += [found.recorded[i]] if found.recorded is not None else []
        figures = [format.number(rounded(cell), phrases.minus, DIGITS) for cell in cells]
        yield [element_name(name, i, found.shape), *figures]


def _left_out(check: Check, found: Comparison, phrases: Phrases) -> Iterator[str]:
    """Which elements of a large leaf the table has."""
    count = len(found.numeric)
    if count > LISTED:
        shown = len({row.element for row in check.against})
        same = not any(row.error for row in check.against)
        yield phrases.count("check.shown_same" if same else "check.shown", shown, of=phrases.number(count))


def rounded(value: float) -> float:
    """Differences have some ten digits that mean something: 2.0000000000131 is told as 2."""
    return float(f"{value:.{DIGITS}g}")


def _outcome(row: Against, found: Comparison, check: Check, phrases: Phrases) -> str:
    """One gradient of autograd's against the differences: how far off, where, and how far it may be."""
    key = "agrees" if row.agrees else "differs"
    where = element_name(phrases.label(check.leaf), row.element, found.shape)
    error, allowed = (format.number(value, phrases.minus, 2) for value in (row.error, row.allowed))
    dtype = found.precision if row.kind == "replayed" else found.dtype
    backward = ""
    if row.kind == "recorded" and found.backward is not None:
        backward = _at(phrases, phrases.line_at(phrases.trace.backwards[found.backward].places))
    said = phrases.text(f"check.{row.kind}_{key}", dtype=dtype, line=backward)
    if row.error == 0:
        return phrases.text("check.outcome_same", said=said)
    return phrases.text("check.outcome", said=said, error=error, allowed=allowed, where=where)


def _meaning(check: Check, found: Comparison, phrases: Phrases) -> Iterator[str]:
    """What it means that they agree or differ."""
    names = _names(check, phrases)
    if check.agrees:
        zero = not any(found.numeric)
        yield phrases.text("check.means_zero" if zero else "check.means_agree", **names)
        return
    replayed, *recorded = check.against
    if not replayed.agrees:
        yield from _why_autograd_differs(replayed, found, check, phrases)
    elif recorded and not recorded[0].agrees:
        yield phrases.text("check.means_recorded", **names)
        changed, hook = _changed_between(found, phrases), _hook_between(check, found, phrases)
        if changed is not None:
            call, line = named_call(phrases, changed)
            yield phrases.text("check.means_changed", call=call, line=line)
        if hook is not None:
            line = _at(phrases, phrases.line_at(hook.places))
            name, tensor = format.clean(hook.name), phrases.label(hook.tensor)
            yield phrases.text("check.means_hook", hook=name, tensor=tensor, line=line)


def _why_autograd_differs(row: Against, found: Comparison, check: Check, phrases: Phrases) -> Iterator[str]:
    if found.cuts:
        call, line = named_call(phrases, found.cuts[0])
        yield phrases.text("check.means_cut", call=call, line=line, **_names(check, phrases))
        return
    if found.kink is not None and found.kink.element == row.element:
        where = element_name(phrases.label(check.leaf), row.element, found.shape)
        yield phrases.text("check.means_kink", where=where, **slopes(found.kink, phrases))
    elif found.precision != "float64":
        yield phrases.text("check.means_coarse", precision=found.precision)
    else:
        yield phrases.text("check.means_formula")


def slopes(kink: Kink, phrases: Phrases) -> dict[str, str]:
    """The slopes to the right and to the left, in figures."""
    return {"rise": phrases.number(rounded(kink.rise)), "fall": phrases.number(rounded(kink.fall))}


def _changed_between(found: Comparison, phrases: Phrases) -> int | None:
    """The first change in place between the making of the loss and the backward, of what the calls gave or took."""
    trace = phrases.trace
    if found.backward is None:
        return None
    rows = {t for c in found.calls for t in (*trace.calls[c].inputs, *trace.calls[c].outputs)}
    storages = {trace.tensors[t].storage for t in rows}
    first, last = trace.calls[found.calls[0]].at, trace.backwards[found.backward].at
    for call in trace.calls:
        if call.inplace and first < call.at < last and call.id not in found.calls:
            if any(trace.tensors[t].storage in storages for t in (*call.inputs, *call.outputs)):
                return call.id
    return None


def _hook_between(check: Check, found: Comparison, phrases: Phrases) -> Hook | None:
    """The first hook of the user's on the leaf or on what the calls gave, put there before the backward."""
    trace = phrases.trace
    if found.backward is None:
        return None
    rows = {check.leaf, *(t for c in found.calls for t in trace.calls[c].outputs)}
    objects, last = {trace.tensors[t].object for t in rows}, trace.backwards[found.backward].at
    hooks = (hook for hook in trace.hooks if hook.at < last and hook.kind == "tensor")
    return next((hook for hook in hooks if trace.tensors[hook.tensor].object in objects), None)


def _notes(check: Check, found: Comparison, phrases: Phrases) -> Iterator[str]:
    """What a reader must know besides."""
    if found.left:
        call, line = named_call(phrases, found.left[0])
        yield phrases.text("check.note_path", call=call, line=line, **_names(check, phrases))
    if found.recorded is None:
        key = "check.note_large" if found.backward is not None else "check.note_no_backward"
        yield phrases.text(key, **_names(check, phrases))
