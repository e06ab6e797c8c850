"""The ledger of gradients as rows of finished text: each leaf's story, in this recording and in the ones before it.

* `ledgers(...)`: a ledger for each tensor whose `.grad` is meant, for the text view, the HTML view and the payload.
* `story_text`, `story_html`: what `%autograd grads` shows.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from ..graph import Graph
from ..story import VALUE_KINDS, Event, gaps, pages
from ..trace import GradChange, Gradient, OptimizerStep, Past, Tensor
from . import clipped, format, hooks
from .items import Items
from .phrases import Phrases
from .plot import plot, to_svg
from .products import Products, through
from .returned import RETURNED, Returned, returned
from .tables import CHANGES, VALUE, Row
from .told import Told
from .wrapping import aligned_rows, paragraph

if TYPE_CHECKING:
    from ..report import Report

STORY = 60
"""Rows of one ledger that `%autograd grads` shows."""


def ledgers(
    phrases: Phrases,
    items: Items,
    findings: Sequence[Told] = (),
    limit: int = CHANGES,
    whole: bool = True,
    most: int | None = None,
) -> list[Row]:
    """For each tensor whose `.grad` is meant: what happened to it, at most `limit` rows of each.

    most: at most so many tensors, those first that findings point at.

    whole: begin with what earlier recordings saw, and add a plot where there is much to see.
    """
    rows = _meant(phrases.graph)
    objects = sorted(rows, key=lambda obj: rows[obj].id)
    if most is not None and len(objects) > most:
        linked = {item for finding in findings for item in finding.links}
        first = sorted(objects, key=lambda obj: items.tensor(rows[obj].id) not in linked)[:most]
        objects = sorted(first, key=lambda obj: rows[obj].id)
    told = Ledger(phrases, items, findings)
    return [told.of(obj, limit, whole) for obj in objects]


def _meant(graph: Graph) -> dict[int, Tensor]:
    """By object: the first state of each tensor whose `.grad` is meant."""
    rows = {row.object: row for row in graph.leaves if not is_inner(graph, row)}
    for obj in graph.changes_by_object:
        rows.setdefault(obj, graph.states[obj][0])
    return rows


def count(graph: Graph) -> int:
    """How many tensors have a ledger."""
    return len(_meant(graph))


def is_inner(graph: Graph, row: Tensor) -> bool:
    """Whether a function of torch's, such as `torch.autograd.functional.jacobian`, made a leaf for itself."""
    call = graph.maker(row.id)
    return call is not None and bool(through(graph, call.places))


def shown(graph: Graph, obj: int, limit: int = CHANGES, whole: bool = True) -> list[Past | Event]:
    """What the rows of a tensor's ledger tell: pages of earlier recordings, then what this one saw; one for each."""
    told: list[Past | Event] = [*(graph.past.get(obj, ()) if whole else ())]
    seen: list[Event] = [event for event in _now(graph, obj, whole) if event.kind != "first"]
    seen += returned(graph, obj)
    at: list[tuple[int, Past | Event]] = [*((event.at, event) for event in seen), *gaps(graph.trace, seen)]
    told += [one for _, one in sorted(at, key=lambda pair: pair[0])]
    if len(told) <= limit:
        return told
    half = limit // 2
    gap = Past("left_out", None, None, None, None, None, None, pages=len(told) - 2 * half)
    return [*told[:half], gap, *told[-half:]]


def _now(graph: Graph, obj: int, whole: bool) -> list[Event]:
    """What this recording saw of a tensor; not again what an earlier one saw."""
    found, known = graph.events.get(obj, []), obj in graph.past
    if known and whole:
        return [event for event in found if event.kind not in ("earlier", "first")]
    return found


class Ledger:
    """Puts the story of one tensor after the other into words."""

    def __init__(self, phrases: Phrases, items: Items, findings: Sequence[Told] = ()) -> None:
        self.phrases, self.items, self.findings = phrases, items, findings
        self.graph, self.trace = phrases.graph, phrases.trace
        self.sources = {
            (row.number, row.filename if row.kind == "file" else None): row.id for row in self.trace.sources
        }  # fmt: skip

    @functools.cached_property
    def _helpers(self) -> dict[int, OptimizerStep]:
        return clipped.by_change(self.trace)

    def of(self, obj: int, limit: int, whole: bool) -> Row:
        """Head, rows and plot of one tensor."""
        phrases, graph = self.phrases, self.graph
        row = self._leaves.get(obj, graph.states[obj][0])
        name = phrases.label(row.id)
        ledger: Row = {
            "id": self.items.tensor(row.id),
            "name": name,
            "shape": format.shape_text(row.shape),
            "now": phrases.maybe(graph.last_grad(obj), VALUE),
            "rows": [self._row(one, obj) for one in shown(graph, obj, limit, whole)],
        }
        if whole:
            past = graph.past.get(obj, ())
            ledger["plot"] = plot(phrases, name, [*past, *pages(self.trace, _now(graph, obj, whole))])
        return ledger

    @functools.cached_property
    def _leaves(self) -> dict[int, Tensor]:
        return {row.object: row for row in self.graph.leaves}

    def _row(self, one: Past | Event, obj: int) -> Row:
        value = one.kind in VALUE_KINDS or one.kind == RETURNED
        gap = one.kind == "left_out"
        held = one.kind == "earlier"  # no change, so there is nothing before
        line, link = self._page_line(one) if isinstance(one, Past) else self._event_line(one)
        return {
            "kind": one.kind,
            "what": self._what(one, obj),
            "before": "" if value or gap or held else self.phrases.maybe(one.before, VALUE),
            "added": "" if one.added is None else self.phrases.value(one.added, VALUE),
            "after": "" if value or gap or (held and one.after is None) else self.phrases.maybe(one.after, VALUE),
            "was": self._value(one.before) if value else "",
            "value": self._value(one.after) if value else "",
            "line": line,
            "link": link,
            **self._links(one),
        }

    def _value(self, value: Gradient | None) -> str:
        return "" if value is None else self.phrases.value(value, VALUE)

    def _what(self, one: Past | Event, obj: int) -> str:
        text = self.phrases.text
        if isinstance(one, Returned):
            backward = self.trace.backwards[one.backward]
            return text("view.change_returned", what=Products(self.phrases).result(backward, one.tensor))
        if isinstance(one, Event) and one.change is not None and (hook := self._hook(one.change)):
            return text("view.change_hooked", what=text(f"view.change_{one.kind}"), hook=hook)
        if isinstance(one, Event) and one.change is not None and (helper := self._helpers.get(one.change.id)):
            return clipped.told(self.phrases, helper)
        if isinstance(one, Past) and one.kind == "left_out":
            return f"… {self.phrases.count('view.more_changes', one.pages)}"
        if one.kind in ("stepped", "updated"):
            return text(f"view.change_{one.kind}", by=format.clip(format.clean(one.by or ""), 24))
        if one.kind == "unseen":
            changes = self.graph.changes_by_object.get(obj, ())
            before = isinstance(one, Past) or (obj in self.graph.past and one.change is changes[0])
            return text("view.change_unrecorded" if before else "view.change_unseen")
        if one.kind == "earlier" and self.trace.dropped and isinstance(one, Event) and one.place is None:
            return text("view.change_beyond")  # from this cell perhaps: its last calls were not recorded
        return text(f"view.change_{one.kind}")

    def _hook(self, change: GradChange) -> str:
        """What a hook changed of what a backward added; empty where none did."""
        step = self.graph.arrival(change)
        hooked = None if step is None else hooks.at_step(self.graph, step)
        return "" if hooked is None else hooks.told(self.phrases, hooked)

    def _page_line(self, page: Past) -> tuple[str, str | None]:
        source = None if page.line is None else self.sources.get((page.cell, page.file))
        line = self.phrases.line_in(page.cell, page.file, page.line)
        return line, None if source is None or not line else f"L{source}:{page.line}"

    def _event_line(self, event: Event) -> tuple[str, str | None]:
        return self.phrases.line(event.place), self.items.line(event.place)

    def _links(self, one: Past | Event) -> Row:
        """The backward that made a change, and a finding about both."""
        if isinstance(one, Returned):
            return {"by": f"b{one.backward}", "finding": None}
        change = one.change if isinstance(one, Event) else None
        if change is None or change.backward is None:
            return {"by": None, "finding": None}
        by, tensor = f"b{change.backward}", self.items.tensor(change.tensor)
        about = next((f.id for f in self.findings if by in f.links and tensor in f.links), None)
        return {"by": by, "finding": about}


# -- %autograd grads ---------------------------------------------------------------------------
def _stories(report: Report) -> list[Row]:
    """The ledger of each leaf that was asked for, in the order in which they were."""
    ledger = Ledger(report.phrases, Items(report.graph))
    first = {row.object: row.id for row in reversed(report.trace.tensors) if row.leaf and row.grad_of is None}
    asked = sorted(first, key=lambda obj: first[obj])
    found = []
    for obj in asked:
        row = ledger.of(obj, STORY, True) if obj in report.graph.states else None
        if row is not None:
            row["known"] = obj in report.graph.past
            found.append(row)
    return found


def _head(row: Row, phrases: Phrases) -> str:
    shape = "" if row["shape"] == "[]" else f" {row['shape']}"
    if not row["known"]:
        return phrases.text("view.story_unknown", name=row["name"], value=row["now"])
    return phrases.text("view.story_head", name=f"{row['name']}{shape}", leaf=row["name"], value=row["now"])


def story_text(report: Report, more: int = 0) -> str:
    """The story of each leaf for a terminal, at most 80 columns wide; `more` leaves are only counted."""
    phrases = Phrases(report.graph, report.lang)
    blocks = []
    for row in _stories(_with(report, phrases)):
        lines = paragraph(_head(row, phrases), "", "  ")
        lines += _table(row["rows"]) if row["known"] else []
        for line in row["plot"]["lines"] if row["plot"] else ():
            lines += paragraph(line["label"], "  ", "    ")
        blocks.append("\n".join(lines))
    if more:
        blocks.append("\n".join(paragraph(phrases.count("view.story_more", more))))
    return "\n\n".join(blocks)


def _table(rows: Sequence[Row]) -> list[str]:
    """Rows under each other; what nobody watched has no line, and a sentence of its own between them."""
    watched = iter(aligned_rows([text_cells(row) for row in rows if row["line"]], "  ", " " * 6))
    lines = []
    for row in rows:
        told = ": ".join(filter(None, text_cells(row)))
        lines += next(watched) if row["line"] else paragraph(told, "  ", " " * 6)
    return lines


def _with(report: Report, phrases: Phrases) -> Report:
    other = copy.copy(report)
    other.phrases = phrases
    return other


def text_cells(row: Row) -> list[str]:
    """A row of a ledger as cells of a text table."""
    added = f"+ {row['added']}" if row["added"] else ""
    became = " -> ".join(filter(None, [row["before"], row["after"]]))
    if row["value"]:
        became = f"{row['was']} -> {row['value']}" if row["was"] else row["value"]
    return [row["line"], row["what"], added, became]


def html_cells(row: Row) -> list[str]:
    """A row of a ledger as cells of an HTML table: where, what, before, added, after."""
    if row["value"]:
        return [row["line"], row["what"], row["was"], "", row["value"]]
    return [row[key] for key in ("line", "what", "before", "added", "after")]


def story_html(report: Report, more: int = 0) -> str:
    """The same as HTML that needs no scripts."""
    phrases = report.phrases
    heads = [phrases.text(f"view.t_{key}") for key in ("line", "change", "before", "added", "after")]
    head = "".join(f"<th>{escape(cell)}</th>" for cell in heads)
    parts = []
    for row in _stories(report):
        parts.append(f"<h4>{escape(_head(row, phrases))}</h4>")
        if row["plot"]:
            parts.append(_figure(row["plot"]))
        if row["known"] and row["rows"]:
            cells = ("".join(f"<td>{escape(cell)}</td>" for cell in html_cells(one)) for one in row["rows"])
            body = "".join(f"<tr>{line}</tr>" for line in cells)
            parts.append(f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>")
    if more:
        parts.append(f"<p>{escape(phrases.count('view.story_more', more))}</p>")
    return f'<div class="agm-grads" lang="{report.lang.replace("_", "-")}">{"".join(parts)}</div>'


def _figure(drawing: Row) -> str:
    said = [line["label"] for line in drawing["lines"]]
    words = "".join(f"<li>{escape(sentence)}</li>" for sentence in said)
    drawn = to_svg(drawing, " ".join(said))
    return f'<figure style="margin:4px 0">{drawn}<figcaption><ul>{words}</ul></figcaption></figure>'
