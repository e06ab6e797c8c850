"""The JSON that the front end reads: `payload(report)`.

Its types are in `front/payload.ts`.  All sentences are finished; every id that is mentioned is there.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from .. import settings, texts
from ..trace import Trace
from . import brief, health, ledger, memory, nudged, tables
from .details import Details
from .items import Items
from .lines import Lines
from .phrases import Phrases
from .scoped.tree import Group
from .timeline import timeline
from .told import Told, told

if TYPE_CHECKING:
    from ..report import Report

FORMAT = 1
BACKWARDS = 200
"""Backwards that have details of their own."""
ENDS = 8
"""Of them, those that have all their details before anything else: the first and the last."""

Json = dict[str, Any]


def payload(report: Report) -> Json:
    """Everything that is drawn, as plain data."""
    phrases, items = report.phrases, Items(report.graph)
    findings = told(report.findings, phrases, items)
    pictures = {name: picture.data() for name, picture in report.pictures.items()}
    source = Lines(phrases, items, findings).sources()
    ledgers = ledger.ledgers(phrases, items, findings, most=settings.limits.leaves)
    saved = tables.saved(phrases, items)
    known, left_out = brief.chosen(_known(pictures, ledgers, saved, findings, report.trace))
    details = _details(Details(phrases, items), known, findings)
    groups = brief.groups(report.pictures.values(), whole=not left_out)
    details |= {group.id: {**group.about, "findings": []} for group in groups}
    columns = brief.Columns(phrases, items).data() if left_out else None
    hints = [*tables.hints(phrases), *brief.hints(phrases, len(known), left_out, len(ledgers))]
    fare = health.payload(phrases, items, pictures, set(details))
    data = {
        "format": FORMAT,
        "run": report.trace.run,
        "lang": report.lang,
        "theme": report.theme,
        "text": _front_words(report.lang),
        "title": tables.title(phrases),
        "cell": tables.cell(phrases),
        "summary": tables.summary(phrases),
        "headline": report.headline,
        "notices": tables.notices(phrases, report.trouble),
        **({"hints": hints} if hints else {}),
        "pictures": pictures,
        "details": details,
        **({"columns": columns} if columns is not None else {}),
        "nudge": nudged.leaves(phrases, items, known),
        "gradients": ledgers,
        **({"health": fare} if fare is not None else {}),
        "saved": {"total": tables.saved_total(phrases), "rows": saved, "memory": memory.memory(phrases, items)},
        "findings": [_finding(finding) for finding in findings],
        "source": source,
    }
    data["timeline"] = timeline(phrases, items, findings, [finding.at for finding in report.findings], data)
    ids = {*details, *(row["id"] for row in saved), *(f.id for f in findings)}
    ids |= {line["id"] for cell in source for line in cell["lines"]}
    ids.update(() if columns is None else brief.items_of(columns))
    data["related"] = _with_groups(related(phrases, items, findings, ids) if columns is None else {}, groups, ids)
    _drop_links(data, ids)
    return data


def _front_words(lang: str) -> dict[str, str]:
    """The words of the front end itself."""
    return {key: texts.table(lang).get(key, words) for key, words in texts.table("en").items() if key.startswith("ui.")}


def _finding(finding: Told) -> Json:
    keys = ("id", "code", "severity", "title", "message", "fix", "torch", "cause")
    row = {key: getattr(finding, key) for key in keys}
    row["ends"] = [{"label": end.label, "link": end.link} for end in finding.ends]
    row["links"] = list(finding.links)
    return row


def _known(pictures: Json, ledgers: list[Json], saved: list[Json], findings: Iterable[Told], trace: Trace) -> list[str]:
    """The items that can have details, those that matter most first: what findings, pictures and tables point at."""
    found = [item for finding in findings for item in finding.links if item[0] in "tcnb"]
    found += [f"b{row.id}" for row in (*trace.backwards[:ENDS], *trace.backwards[-ENDS:])]
    drawn = [[box["ghost_of"] or box["id"] for box in picture["boxes"]] for picture in pictures.values()]
    # what is at the ends of a picture is asked for before what is in its middle
    found += [item for boxes in drawn for i in range(len(boxes)) for item in (boxes[i], boxes[~i])]
    found += [ledger["id"] for ledger in ledgers]
    found += [f"b{row.id}" for row in trace.backwards[:BACKWARDS]]
    found += [box["ghost_of"] or box["id"] for picture in pictures.values() for box in _folded(picture)]
    found += [item for row in saved for item in (row["node"], row["owner_id"]) if item]
    return [item for item in found if item[0] in "tcnb"]


def _folded(picture: Json) -> list[Json]:
    """The boxes of a picture that can be unfolded."""
    return [{"ghost_of": None, **box} for box in picture.get("tree", {}).get("boxes", ())]


def _details(details: Details, known: list[str], findings: Iterable[Told]) -> dict[str, Json]:
    about: dict[str, list[str]] = defaultdict(list)
    for finding in findings:
        for item in finding.links:
            about[item].append(finding.id)
    return {item: {**details.of(item), "findings": about.get(item, [])} for item in known}


def related(phrases: Phrases, items: Items, findings: Iterable[Told], ids: set[str]) -> dict[str, list[str]]:
    """By item: what belongs to it and is highlighted with it, both ways, among the items there are."""
    found: dict[str, dict[str, None]] = defaultdict(dict)
    for one, other in _pairs(phrases, items, findings):
        if one in ids and other in ids and one != other:
            found[one][other] = None
            found[other][one] = None
    return {item: list(others) for item, others in found.items()}


def _pairs(phrases: Phrases, items: Items, findings: Iterable[Told]) -> Iterable[tuple[str, str | None]]:
    trace, graph = phrases.trace, phrases.graph
    for call in graph.operations:
        yield f"c{call.id}", items.line(graph.place(call.places))
        yield from ((f"c{call.id}", items.tensor(t)) for t in call.outputs)
        yield from ((f"c{call.id}", f"n{n}") for n in call.nodes)
    for node in trace.nodes:
        yield f"n{node.id}", items.line(graph.node_place(node))
        if node.leaf is not None:
            yield f"n{node.id}", items.tensor(node.leaf)
        yield from ((f"n{node.id}", items.tensor(t.id)) for t in graph.results_of(node.id))
    for row in trace.saved[: tables.SAVED]:
        yield f"s{row.id}", f"n{row.node}"
        yield f"s{row.id}", items.line(graph.node_place(trace.nodes[row.node]))
        if row.tensor is not None:
            yield f"s{row.id}", items.tensor(row.tensor)
    for backward in trace.backwards:
        yield f"b{backward.id}", items.line(graph.place(backward.places))
        ends = [t for t in (*backward.roots, *backward.results) if t is not None]
        yield from ((f"b{backward.id}", items.tensor(t)) for t in ends)
    for change in trace.changes:
        yield items.tensor(change.tensor), items.line(graph.place(change.places))
    for name in trace.names:
        yield items.tensor(name.tensor), items.line(None if name.place is None else trace.places[name.place])
    for finding in findings:
        yield from ((finding.id, item) for item in finding.links)


def _with_groups(found: dict[str, list[str]], groups: Iterable[Group], ids: set[str]) -> dict[str, list[str]]:
    """The same with each group and the line that it begins on."""
    for group in groups:
        for link in (row["link"] for row in group.about["rows"] if row["link"] in ids):
            found.setdefault(group.id, []).append(link)
            found.setdefault(link, []).append(group.id)
    return found


def _drop_links(data: Json, ids: set[str]) -> None:
    """Take out links to items that have no details because there are too many."""
    for detail in data["details"].values():
        for row in detail["rows"]:
            row["link"] = row["link"] if row["link"] in ids else None
    for story in data["gradients"]:
        for row in story["rows"]:
            row["by"] = row["by"] if row["by"] in ids else None
            row["link"] = row["link"] if row["link"] in ids else None
    held = data["saved"]["memory"]
    tables_held = [] if held is None else held["tables"]
    for row in [*data["saved"]["rows"], *(row for table in tables_held for row in table["rows"])]:
        row["link"] = row["link"] if row["link"] in ids else None
    for finding in data["findings"]:
        finding["links"] = [item for item in finding["links"] if item in ids]
        for end in finding["ends"]:
            end["link"] = end["link"] if end["link"] in ids else None
    for source in data["source"]:
        for line in source["lines"]:
            line["marks"] = [list(mark) for mark in line["marks"] if mark[2] in ids]
