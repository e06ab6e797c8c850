"""What must hold for every payload, whatever was recorded."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from autograd_magics.views.brief import items_of

Json = dict[str, Any]


def known_items(data: Json) -> set[str]:
    """Every item that the front end can show."""
    lines = {line["id"] for source in data["source"] for line in source["lines"]}
    rows = {row["id"] for row in (*data["saved"]["rows"], *data["findings"])}
    return {*data["details"], *lines, *rows}


def mentioned_items(data: Json) -> Iterator[tuple[str, str]]:
    """Every item that is mentioned anywhere, with where."""
    for name, picture in data["pictures"].items():
        yield from ((f"box of {name}", box["id"].partition("~")[0]) for box in picture["boxes"])
    for item, detail in data["details"].items():
        yield from ((f"detail of {item}", row["link"]) for row in detail["rows"] if row["link"] is not None)
        yield from ((f"finding of {item}", finding) for finding in detail["findings"])
    for item, others in data["related"].items():
        yield from ((f"related to {item}", other) for other in (item, *others))
    for ledger in data["gradients"]:
        yield "ledger", ledger["id"]
        for row in ledger["rows"]:
            yield from (("ledger row", row[key]) for key in ("link", "by", "finding") if row[key] is not None)
    for row in data["saved"]["rows"]:
        yield from (("saved", row[key]) for key in ("node", "owner_id", "link") if row[key] is not None)
    for table in (data["saved"]["memory"] or {"tables": []})["tables"]:
        yield from (("memory", row["link"]) for row in table["rows"] if row["link"] is not None)
    for finding in data["findings"]:
        yield from (("finding link", item) for item in finding["links"])
        yield from (("finding end", end["link"]) for end in finding["ends"] if end["link"] is not None)
    for source in data["source"]:
        for line in source["lines"]:
            yield from (("mark", mark[2]) for mark in line["marks"])
            yield from (("line finding", finding) for finding in line["findings"])


def unresolved(data: Json) -> list[tuple[str, str]]:
    """Mentions of items that are not there."""
    known = {*known_items(data), *(items_of(data["columns"]) if "columns" in data else ())}
    return [(where, item) for where, item in mentioned_items(data) if item not in known]


def one_sided(data: Json) -> list[tuple[str, str]]:
    """Pairs that are related one way only."""
    related = data["related"]
    return [(a, b) for a, others in related.items() for b in others if a not in related.get(b, ())]


def picture_problems(picture: Json) -> list[str]:
    """Boxes that overlap or stand outside, wires without ends, marks that repeat an id."""
    boxes = {box["id"]: box for box in picture["boxes"]}
    found = [] if len(boxes) == len(picture["boxes"]) else ["an id twice"]
    for wire in picture["wires"]:
        if wire["from"] not in boxes or wire["to"] not in boxes:
            found.append(f"{wire['id']} hangs in the air")
    for box in picture["boxes"]:
        left, right = box["x"] - box["w"] / 2, box["x"] + box["w"] / 2
        top, bottom = _extent(box)
        if left < 0 or right > picture["width"] + 0.1 or top < 0 or bottom > picture["height"] + 0.1:
            found.append(f"{box['id']} leaves the picture")
    found += [f"{a['id']} overlaps {b['id']}" for a, b in _pairs(picture["boxes"]) if _overlap(a, b)]
    return found


def _extent(box: Json) -> tuple[float, float]:
    """Top and bottom of a box with its texts."""
    over = 14 * (bool(box["name"]) + bool(box["above"]))
    return box["y"] - box["ch"] / 2 - over, box["y"] + box["ch"] / 2 + 14 * bool(box["below"])


def _pairs(boxes: list[Json]) -> Iterator[tuple[Json, Json]]:
    return ((a, b) for i, a in enumerate(boxes) for b in boxes[:i])


def _overlap(a: Json, b: Json) -> bool:
    (top_a, bottom_a), (top_b, bottom_b) = _extent(a), _extent(b)
    across = min(a["x"] + a["w"] / 2, b["x"] + b["w"] / 2) - max(a["x"] - a["w"] / 2, b["x"] - b["w"] / 2)
    return across > 0.5 and min(bottom_a, bottom_b) - max(top_a, top_b) > 0.5
