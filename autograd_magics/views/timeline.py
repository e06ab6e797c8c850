"""The recording as a film: `timeline(phrases, items, findings, data)` is what the front end needs to show every moment.

Its types are in `front/payload.ts`.  Nothing here is needed to show the end of the recording.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..trace import Place
from . import memory
from .items import Items
from .iterations import iterations
from .looks import Looks
from .moments import BRIEF_LIMIT, ERROR, Moments
from .phrases import Phrases
from .told import Told

Json = dict[str, Any]

EDGE = 60
"""Captions at the beginning and at the end of a large recording that are told with their numbers."""
TURNS = 60
"""Changes of one text up to which a large recording keeps what it was at each moment."""


def timeline(phrases: Phrases, items: Items, findings: Sequence[Told], whens: Sequence[int], data: Json) -> Json:
    """The events in order, and for all that is in `data`, the rest of the payload, since when it is there.

    `whens`: the tick of each finding.  With `columns` in `data` what they tell is left to the front end.
    """
    brief = "columns" in data
    moments = Moments(phrases, items, BRIEF_LIMIT) if brief else Moments(phrases, items)
    looks = Looks(moments, TURNS if brief else None)
    events = moments.events
    places = _places(moments)
    gap = phrases.count("view.tl_left_out", moments.left_out) if moments.left_out else ""
    return {
        "kinds": "".join(event.kind for event in events),
        "items": [list(event.items[:2]) for event in events],
        "lines": [items.line(place) or "" for place in places],
        "marks": _marks(places, data["source"]),
        "runs": _runs(moments),
        "captions": _captions(moments, brief),
        "findings": sorted([moments.at(when), finding.id] for finding, when in zip(findings, whens, strict=True)),
        "iterations": _iterations(moments),
        "gap": [moments.gap, gap] if gap else None,
        "pictures": {name: looks.picture(picture) for name, picture in data["pictures"].items()},
        "saved": looks.saved(),
        "memory": memory.chart(phrases.held, phrases, [event.at for event in events], _runs(moments)),
        "ledgers": [looks.ledger(ledger["id"]) for ledger in data["gradients"]],
        "source": looks.lines(),
        "details": looks.details(data["details"], data["gradients"]),
    }


def _places(moments: Moments) -> list[Place | None]:
    """Where each event stands."""
    graph = moments.graph
    known = {places: graph.place(places) for places in {event.places for event in moments.events}}
    return [known[event.places] for event in moments.events]


def _captions(moments: Moments, brief: bool) -> list[str]:
    """What each event is in a sentence; empty where the front end has to make it."""
    events = moments.events
    last = len(events) - EDGE
    told = (not brief or i < EDGE or i >= last or event.kind == ERROR for i, event in enumerate(events))
    return [event.tell() if whole else "" for event, whole in zip(events, told, strict=True)]


def _iterations(moments: Moments) -> list[list[Any]]:
    """Where iterations begin, of all events that there were, among those that are told.

    How often an optimizer calls the closure that it was given is no loop of the user's.
    """
    chains = (
        (i, e.begin, e.at, e.places) for i, e in enumerate(moments.all) if e.here and not moments.within_step(e.begin)
    )
    marks = iterations(moments.trace, chains)
    told = ((moments.told(mark.event), mark) for mark in marks)
    return [[event, mark.label, mark.depth] for event, mark in told if event is not None]


def _marks(places: Sequence[Place | None], sources: Sequence[Json]) -> list[str]:
    """For each place the item under which its span is marked in the source; a span in a loop is marked once."""
    known: dict[tuple[str, int], list[tuple[int, str]]] = {}
    for source in sources:
        for line in source["lines"]:
            for start, end, item in line["marks"]:
                known.setdefault((line["id"], start), []).append((end, item))
    marks = {place: _mark(place, known) for place in set(places)}
    return [marks[place] for place in places]


def _mark(place: Place | None, known: dict[tuple[str, int], list[tuple[int, str]]]) -> str:
    if place is None or place.column is None:
        return ""
    spans = known.get((f"L{place.source}:{place.line}", place.column), [])
    if place.end_line != place.line:
        return max(spans, default=(0, ""))[1]
    return next((item for end, item in spans if end == place.end_column), "")


def _runs(moments: Moments) -> list[list[int]]:
    """For each backward its first and its last moment."""
    last: dict[int, int] = {}
    for step in moments.trace.steps:
        last[step.backward] = moments.of("steps", step.id)
    found = {(moments.of("backwards", b), end) for b, end in last.items()}
    return sorted([begin, end] for begin, end in found)
