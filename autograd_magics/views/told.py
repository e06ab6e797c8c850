"""Findings in words: `told(report, phrases, items)` gives each its sentences, its two ends and PyTorch's own text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .. import texts
from ..trace import Trace
from . import format
from .items import Items
from .phrases import Phrases

if TYPE_CHECKING:
    from ..rules import Finding

VALUE = 60
"""Longest value in a sentence, in characters."""


@dataclass(frozen=True)
class End:
    """One end of a finding: a line or a tensor."""

    label: str
    link: str | None


@dataclass(frozen=True)
class Told:
    """A finding in one language; in sentences, `code` stands between backticks."""

    id: str
    code: str
    severity: str
    title: str
    message: str
    fix: str
    torch: str
    """What PyTorch itself said about it, empty where it said nothing."""
    ends: tuple[End, ...]
    links: tuple[str, ...]
    cause: str | None = None
    """Id of the finding that caused this one; views show it under that one."""


def told(findings: Sequence[Finding], phrases: Phrases, items: Items) -> tuple[Told, ...]:
    """The findings in words, in their order."""
    trace = phrases.trace
    failed = next((f for f in findings if f.severity == "error"), None)
    return tuple(
        _tell(index, finding, phrases, items, _torch_text(finding, trace, finding is failed), _cause(index, findings))
        for index, finding in enumerate(findings)
    )


def _cause(index: int, findings: Sequence[Finding]) -> str | None:
    """The finding that caused one: consequences stand right after their cause."""
    because = findings[index].because
    before = (k for k in range(index - 1, -1, -1) if findings[k].code == because)
    return next((f"f{k}" for k in before), None) if because is not None else None


def _tell(index: int, finding: Finding, phrases: Phrases, items: Items, torch: str, cause: str | None) -> Told:
    data = {key: wording(value, phrases) for key, value in finding.data.items()}
    ends = _ends(finding, phrases, items)
    links = dict.fromkeys([*items.of_finding(finding), *(end.link for end in ends if end.link)])
    return Told(
        id=f"f{index}",
        code=finding.code,
        severity=finding.severity,
        title=phrases.text(f"{finding.code}.title", **data),
        message=phrases.text(_key(finding.code, finding.variant), **data),
        fix=phrases.text(_key(f"{finding.code}.fix", finding.variant), **data),
        torch=format.clean(torch, keep="\n"),
        ends=ends,
        links=tuple(links),
        cause=cause,
    )


def folded(findings: Sequence[Told]) -> list[tuple[Told, list[Told]]]:
    """The findings that nothing else caused, each with all that follows from it."""
    heads: dict[str, str] = {}
    groups: dict[str, tuple[Told, list[Told]]] = {}
    for finding in findings:
        head = heads[finding.id] = heads.get(finding.cause or "", finding.id)
        if head == finding.id:
            groups[head] = (finding, [])
        else:
            groups[head][1].append(finding)
    return list(groups.values())


def _key(key: str, variant: str) -> str:
    """The key of the variant's own sentence, where it has one."""
    return f"{key}.{variant}" if variant and texts.has(f"{key}.{variant}") else key


def wording(value: Any, phrases: Phrases) -> str:
    """A value of a finding's data, tagged or plain, as it stands in a sentence."""
    if isinstance(value, dict):
        ((kind, tagged),) = value.items()
        return _TAGS[kind](tagged, phrases)
    if isinstance(value, (list, tuple)):
        return format.short_text(value, VALUE, phrases.minus) or "[…]"
    if value is None or isinstance(value, (bool, str)):
        return _plain(str(value))
    return phrases.number(value)


def _plain(text: str) -> str:
    """Text that cannot end the backticks around it."""
    return format.clean(text).replace("`", "'")


def _place(place: int | None, phrases: Phrases) -> str:
    row = None if place is None else phrases.trace.places[place]
    return phrases.line(row) or phrases.text("view.nowhere")


def _past(place: dict[str, Any], phrases: Phrases) -> str:
    line = phrases.line_in(place["cell"], place["file"], place["line"])
    return line or phrases.text("view.nowhere")


def _gradient(gradient: dict[str, Any], phrases: Phrases) -> str:
    if not gradient:
        return "None"
    value = format.short_text(gradient["value"], VALUE, phrases.minus)
    return value or format.tensor_text(gradient["dtype"], gradient["shape"])


def _tensor(tensor: int | None, phrases: Phrases) -> str:
    return phrases.text("view.some_tensor") if tensor is None else _plain(phrases.label(tensor))


_TAGS: dict[str, Callable[[Any, Phrases], str]] = {
    "place": _place,
    "past": _past,
    "tensor": _tensor,
    "layer": lambda path, phrases: "" if path is None else phrases.text("view.in_layer", path=_plain(path)),
    "node": lambda node, phrases: _plain(phrases.trace.nodes[node].name),
    "shape": lambda shape, phrases: format.shape_text(shape),
    "names": lambda names, phrases: ", ".join(f"`{_plain(name)}`" for name in names),
    "gradient": _gradient,
    "bytes": lambda size, phrases: format.bytes_text(size),
}


def _ends(finding: Finding, phrases: Phrases, items: Items) -> tuple[End, ...]:
    places = [phrases.trace.places[p] for p in finding.places]
    lines = [End(phrases.line(place), items.line(place)) for place in places]
    named = [t for t in finding.tensors if phrases.name(t)]
    tensors = [End(f"`{_plain(phrases.name(t))}`", items.tensor(t)) for t in named]
    ends = {end.label: end for end in reversed([*lines, *tensors])}
    return tuple(reversed(ends.values()))


def _torch_text(finding: Finding, trace: Trace, failed: bool) -> str:
    """The exception behind the first error, or the warning that PyTorch gave at one of the finding's places.

    What Python itself says of a `.grad` that is None is not PyTorch's text, and tells nothing.
    """
    if failed and trace.failure is not None and "NoneType" not in trace.failure.message:
        return f"{trace.failure.type}: {trace.failure.message}"
    here = set(finding.places)
    return next((w.message for w in trace.warnings if finding.severity != "error" and here & set(w.places)), "")
