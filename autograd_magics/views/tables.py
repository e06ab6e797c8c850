"""The figures of a report as rows of finished text: saved tensors and the summary.

`saved` is shown by the text view, the HTML view and the payload alike.
"""

from __future__ import annotations

from typing import Any

from ..trace import Node, Place, Saved
from . import format
from .items import Items
from .phrases import Phrases

CHANGES = 200
"""Rows of one ledger; what is between the first and the last half is left out and counted."""
SAVED = 1000
"""Rows of the table of saved tensors; the rest is counted."""

VALUE = 40
"""Longest value in a table, in characters."""

Row = dict[str, Any]


def saved(phrases: Phrases, items: Items, limit: int = SAVED) -> list[Row]:
    """What each node keeps, or kept, for backward; the first `limit` rows."""
    first: dict[int, tuple[int, str]] = {}
    found = []
    for row in phrases.trace.saved[:limit]:
        owner = _owner(row, phrases)
        internal = owner == phrases.text("view.internal")
        name = format.clean(f"{phrases.trace.nodes[row.node].name}.{row.slot}") if internal else owner
        id_and_name = (row.id, name) if row.storage is None else first.setdefault(row.storage, (row.id, name))
        shared = ""
        if id_and_name[0] != row.id:
            same = id_and_name[1] == owner
            shared = phrases.text("view.counted") if same else phrases.text("view.same_memory", owner=id_and_name[1])
        found.append(_saved(row, owner, shared, phrases, items))
    return found


def _owner(row: Saved, phrases: Phrases) -> str:
    """Whose tensor was saved: its name, or that it is a view of a named one, or internal to PyTorch."""
    if row.tensor is not None:
        return phrases.label(row.tensor)
    base = phrases.graph.storage_owner(row.storage)
    return phrases.text("view.internal") if base is None else phrases.text("view.view_of", name=phrases.label(base))


def _saved(row: Saved, owner: str, shared: str, phrases: Phrases, items: Items) -> Row:
    node = phrases.trace.nodes[row.node]
    place = phrases.graph.node_place(node) or _derived_at(node, phrases)
    freed, gone = phrases.graph.is_freed(row.node), row.node in phrases.graph.gone
    tensor = row.tensor if row.tensor is not None else phrases.graph.storage_owner(row.storage)
    order = "" if phrases.graph.node_place(node) is not None else phrases.order(node.order)
    return {
        "id": f"s{row.id}",
        "node": f"n{row.node}",
        "node_name": format.clean(node.name),
        "slot": format.clean(row.slot),
        "owner": owner,
        "owner_id": items.tensor(tensor) if tensor is not None else None,
        "shape": format.shape_text(row.shape),
        "dtype": format.clean(row.dtype),
        "device": format.clean(row.device),
        "bytes": phrases.text("view.unknown") if row.hidden else format.bytes_text(row.bytes),
        "shared": shared,
        "state": phrases.freed(node) if freed else phrases.text("view.gone" if gone else "view.kept"),
        "freed": freed or gone,
        "link": items.line(place),
        "line": " ".join(filter(None, [phrases.line(place), order])),
    }


def _derived_at(node: Node, phrases: Phrases) -> Place | None:
    """Where the backward was called that made a node of its own graph."""
    if node.origin != "backward":
        return None
    made_by = next((row for row in reversed(phrases.trace.backwards) if row.at < node.at <= row.end), None)
    return None if made_by is None else phrases.graph.place(made_by.places)


def saved_total(phrases: Phrases) -> str:
    """How much was saved, shared memory counted once: `36 B in 2 tensors`, and what of it is still kept."""
    graph = phrases.graph
    size, number = graph.unique_bytes(phrases.trace.saved)
    total = phrases.count("view.saved", number, bytes=format.bytes_text(size))
    kept = graph.kept()
    if not kept or len(kept) == len(phrases.trace.saved):
        return total
    return phrases.text("view.saved_kept", total=total, bytes=format.bytes_text(graph.unique_bytes(kept)[0]))


# -- summary -----------------------------------------------------------------------------------
def cell(phrases: Phrases) -> str:
    """`In [5]`, the file, or nothing where the source was not seen."""
    source = phrases.trace.source
    return "" if source is None else phrases.source(phrases.trace.sources[source])


def title(phrases: Phrases) -> str:
    """What made the recording."""
    source = phrases.trace.source
    cell = source is not None and phrases.trace.sources[source].kind == "cell"
    return "%%autograd" if cell else "autograd_magics"


def summary(phrases: Phrases) -> list[str]:
    """Calls and nodes, what was saved, backwards: one short text each."""
    trace, graph = phrases.trace, phrases.graph
    calls = phrases.count("view.calls", len(graph.operations))
    parts = [f"{calls} · {phrases.count('view.nodes', len(trace.nodes))}"]
    if trace.saved:
        parts.append(phrases.text("view.saved_chip", saved=saved_total(phrases)))
    if trace.backwards:
        parts.append(phrases.count("view.backwards", len(trace.backwards)))
    return parts


def headline(phrases: Phrases, findings: int, quiet: bool) -> str:
    """One sentence that says what happened."""
    trace, graph = phrases.trace, phrases.graph
    where = cell(phrases) or "autograd"
    if quiet:
        return phrases.count("view.quiet", len(trace.calls), where=where)
    parts = summary(phrases)
    with_grad = [(obj, g) for obj in graph.changes_by_object if (g := graph.last_grad(obj)) is not None]
    for obj, gradient in with_grad[:3]:
        name = phrases.label(graph.states[obj][0].id)
        parts.append(phrases.text("view.grad_is", name=name, value=phrases.value(gradient)))
    if findings:
        parts.append(phrases.count("view.findings", findings))
    if trace.failure is not None:
        parts.append(phrases.text("view.raised", type=format.clean(trace.failure.type)))
    return phrases.text("view.headline", where=where, parts=phrases.text("view.comma").join(parts))


def notices(phrases: Phrases, trouble: str | None) -> list[str]:
    """What is missing from the report, and why."""
    trace = phrases.trace
    found = []
    if trace.dropped:
        found.append(phrases.count("view.dropped", trace.dropped))
    if trace.values_left_out:
        found.append(phrases.count("view.values_left_out", trace.values_left_out))
    if trace.loops:
        found.append(phrases.count("view.loops", sum(loop.dropped for loop in trace.loops)))
    unseen = sum(call.qualified == "unseen" for call in trace.calls)
    if unseen:
        found.append(phrases.count("view.unseen", unseen))
    for problem in (trace.problem, trouble):
        if problem:
            found.append(phrases.text("view.problem", problem=format.clip(format.clean(problem), 300)))
    return found


def hints(phrases: Phrases) -> list[str]:
    """What is there, but not listed."""
    more = len(phrases.trace.saved) - SAVED
    return [phrases.count("view.more_saved", more)] if more > 0 else []
