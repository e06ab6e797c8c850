"""The nudge of a leaf: what the slider offers (`leaves`), and a replay's outcome in words (`told`)."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ..trace import flat
from . import format
from .checked import element_name, named_call, slopes
from .items import Items
from .phrases import Phrases

if TYPE_CHECKING:
    from ..recorder.nudger import Nudged

Json = dict[str, Any]

NEAR = 0.05
"""Up to this share off, the gradient's prediction counts as good."""
SHORT = 14
"""Characters of a value for which there is room on any wire."""
EXACT = 1e-6
"""Up to this share off, it counts as exact."""


def leaves(phrases: Phrases, items: Items, known: Iterable[str]) -> dict[str, Json]:
    """By item: the elements of each small leaf among the items, and how far a slider goes for each."""
    found = {}
    for item in known:
        if not item.startswith("t"):
            continue
        row = phrases.trace.tensors[int(item[1:])]
        real = row.dtype.startswith(("float", "bfloat"))
        values = list(flat(row.value)) if row.leaf and row.requires_grad and real and row.value is not None else []
        if values and all(isinstance(value, (int, float)) for value in values):
            found[item] = {"elements": [_element(phrases, row.id, i, value) for i, value in enumerate(values)]}
    return found


def _element(phrases: Phrases, row: int, i: int, value: float) -> Json:
    name = element_name(phrases.label(row), i, phrases.trace.tensors[row].shape)
    return {"name": name, "value": phrases.number(value), "reach": reach(value)}


def reach(value: float) -> float:
    """How far the slider goes to either side: 1, 2 or 5 times a power of ten, about as much as the value itself."""
    size = abs(value) or 1.0
    power: float = 10.0 ** math.floor(math.log10(size))
    return next(float(f"{factor * power:.1g}") for factor in (1, 2, 5, 10) if factor * power >= size * (1 - 1e-9))


def told(phrases: Phrases, result: Nudged, row: int, element: int, loss: int, cuts: tuple[int, ...]) -> Json:
    """A replay's outcome: `rows` of label and value, the `lesson`, and by item the new `values` on the wires."""
    name = element_name(phrases.label(row), element, phrases.trace.tensors[row].shape)
    predicted, real = result.gradient * result.step, result.loss_after - result.loss
    off = _off(predicted, real, result)
    number = phrases.number
    product = f"{number(result.gradient)} · {_signed(result.step, phrases)}"
    rows = [
        (name, f"{number(result.before)} → {number(result.before + result.step)}"),
        (phrases.label(loss), f"{number(result.loss)} → {number(result.loss_after)}"),
        (phrases.text("nudge.predicted"), f"{product} = {number(predicted)}"),
        (phrases.text("nudge.real"), number(real)),
        (phrases.text("nudge.off"), f"{number(off)}{_share(off, real, phrases)}"),
    ]
    items, tensors = Items(phrases.graph), phrases.trace.tensors
    values = {items.tensor(t): _on_wire(v, tensors[t].value, phrases) for t, v in result.values.items()}
    return {
        "rows": [{"label": label, "value": value} for label, value in rows],
        "lesson": _lesson(phrases, name, loss, result, off, cuts),
        "values": {item: value for item, value in values.items() if value is not None},
    }


def _on_wire(value: Any, recorded: Any, phrases: Phrases) -> str | None:
    """A value with as many digits as the room allows that the picture kept for the recorded one."""
    room = max(SHORT, len(format.short_text(recorded, minus=phrases.minus) or ""))
    for digits in (4, 3, 2):
        told = format.value_text(_rounded(value, digits), minus=phrases.minus)
        if told is not None and len(told) <= room:
            break
    return told


def _rounded(value: Any, digits: int) -> Any:
    if isinstance(value, list):
        return [_rounded(item, digits) for item in value]
    return float(f"{value:.{digits}g}") if isinstance(value, float) else value


def _off(predicted: float, real: float, result: Nudged) -> float:
    """Real less predicted change; what rounding alone makes of it is none."""
    off = real - predicted
    rounding = 1e-14 * max(abs(result.loss), abs(result.loss_after))
    return 0.0 if abs(off) <= max(rounding, 1e-12 * abs(real)) else off


def _signed(step: float, phrases: Phrases) -> str:
    return f"({phrases.number(step)})" if step < 0 else phrases.number(step)


def _share(off: float, real: float, phrases: Phrases) -> str:
    if not off or not real or not math.isfinite(off / real):
        return ""
    return f" ({phrases.number(float(f'{abs(off / real) * 100:.2g}'))} %)"


def _lesson(phrases: Phrases, name: str, loss: int, result: Nudged, off: float, cuts: tuple[int, ...]) -> str:
    """What these numbers teach."""
    words = {"name": name, "loss": phrases.label(loss)}
    if not result.step:
        return phrases.text("nudge.lesson_start", **words)
    if not math.isfinite(result.loss_after) or not math.isfinite(result.gradient):
        return phrases.text("nudge.lesson_infinite", **words)
    size = max(abs(result.loss_after - result.loss), abs(result.gradient * result.step))
    if not size:
        return phrases.text("nudge.lesson_flat", **words)
    share = abs(off) / size
    if share > NEAR and cuts:
        call, line = named_call(phrases, cuts[0])
        return phrases.text("nudge.lesson_cut", call=call, line=line, **words)
    if share > NEAR and result.kink is not None:
        return phrases.text("nudge.lesson_kink", **slopes(result.kink, phrases), **words)
    return phrases.text(f"nudge.lesson_{'exact' if share <= EXACT else 'near' if share <= NEAR else 'far'}", **words)
