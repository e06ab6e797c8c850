"""The memory that backward holds, as a chart over time, tables by what holds it, and sentences.

* `memory(phrases, items)`: tables and sentences for the payload; None where nothing was ever held.
* `told(phrases)`: the sentences alone, for the text view.
* `chart(held, phrases, times, runs)`: the chart in px, drawn by the page; `to_svg(chart)` for pages without scripts.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from typing import Any

from ..held import BEFORE, Group, Held, Level
from ..held.keepers import Keeper
from ..trace import Place, Saved
from . import format
from .items import Items
from .phrases import Phrases

BY = ("line", "module", "node", "dtype", "device")
ROWS = 100
"""Rows of one table; the rest is counted."""
SENTENCES = 8
"""Sentences of one kind; the rest is counted."""
NAMES = 4
MANY = 12
"""Saved tensors from which on the text view says where most was held."""

WIDTH, LEFT, RIGHT, TOP, PANEL, FOOT = 360, 56, 8, 16, 92, 6
"""Sizes of the chart in px: its width, the margins, the room above the panel, the panel, the room below."""

Json = dict[str, Any]


def memory(phrases: Phrases, items: Items) -> Json | None:
    """Where most was held, by what it was held then, and what is held afterwards."""
    held = phrases.held
    if not held.spans:
        return None
    by = [name for name in BY if name != "module" or phrases.trace.scopes]
    return {
        "said": list(_where(held, phrases)),
        "notes": [*_afterwards(held, phrases), *_placeholders(held, phrases), *_views(held, phrases)],
        "tables": [_table(held, name, phrases, items) for name in by] if held.peak.bytes else [],
    }


def told(phrases: Phrases) -> list[str]:
    """What the text view says: where most was held if that is much, who holds what is left, what is packed."""
    held = phrases.held
    much = list(_where(held, phrases)) if len(held.spans) >= MANY else []
    line = [f"{bars} {much[0]}"] if much and (bars := spark(held)) else much[:1]
    return [*line, *much[1:], *_afterwards(held, phrases), *_placeholders(held, phrases)]


# -- sentences ---------------------------------------------------------------------------------
def _where(held: Held, phrases: Phrases) -> Iterator[str]:
    """How much was held when most was, where that was, and how much of it would be there anyway."""
    peak = held.peak
    if not peak.bytes:
        return
    amount = held.amount(held.at_peak)
    total = phrases.count("view.saved", amount.blocks, bytes=format.bytes_text(peak.bytes))
    place, by = _peak_place(held, phrases)
    if peak.at == BEFORE or place is None:
        yield phrases.text("view.mem_peak", total=total)
    else:
        yield phrases.text("view.mem_peak_at", total=total, line=phrases.line(place), name=by)
    if peak.anyway:
        alone = format.bytes_text(peak.bytes - peak.anyway)
        yield phrases.text("view.mem_anyway", anyway=format.bytes_text(peak.anyway), alone=alone)


def _peak_place(held: Held, phrases: Phrases) -> tuple[Place | None, str]:
    """The line that brought the peak, and the name of what it computed."""
    last = next((span.row for span in reversed(held.spans) if span.begin == held.peak.at), None)
    if last is None:
        return None, ""
    node = phrases.trace.nodes[last.node]
    name = phrases.trace.calls[node.call].name if node.call is not None else node.name
    return held.place(last.node), format.clip(format.clean(name), 32)


def _afterwards(held: Held, phrases: Phrases) -> Iterator[str]:
    """Who holds what is left, and why, in one sentence for each."""
    keepers = held.keepers
    for keeper in keepers[:SENTENCES]:
        yield _keeper(keeper, phrases)
    if len(keepers) > SENTENCES:
        yield phrases.count("view.mem_more", len(keepers) - SENTENCES)


def _keeper(keeper: Keeper, phrases: Phrases) -> str:
    backward = None if keeper.backward is None else phrases.trace.backwards[keeper.backward]
    why = keeper.why
    if why == "retained" and backward is not None and backward.create_graph:
        why = "retained_create"
    line = "" if backward is None else phrases.line_at(backward.places)
    size = format.bytes_text(keeper.amount.bytes)
    return phrases.text(f"view.mem_kept_{why}", bytes=size, by=_by(keeper, phrases), line=line or "?")


def _by(keeper: Keeper, phrases: Phrases) -> str:
    """Variables, a `.grad`, a hook, or that none of them is known."""
    shown = [format.clip(format.clean(name), 32) for name in keeper.names[:NAMES]]
    names = ", ".join(f"`{name}`" for name in shown) + (" …" if len(keeper.names) > NAMES else "")
    if not names:
        return phrases.text("view.mem_by_nobody")
    if keeper.of_grad:
        return phrases.text("view.mem_by_grad", names=names)
    if keeper.hook:
        return phrases.text("view.mem_by_hook", names=names, hook=format.clip(format.clean(keeper.hook), 32))
    return names


def _placeholders(held: Held, phrases: Phrases) -> Iterator[str]:
    """What hooks keep in the place of saved tensors."""
    for hook, rows in list(held.hooks.items())[:SENTENCES]:
        size = format.bytes_text(held.amount(rows).bytes)
        if hook.startswith("torch.utils.checkpoint."):
            yield phrases.count("view.mem_checkpoint", len(rows))
        elif hook.startswith("torch.autograd.graph.save_on_cpu."):
            yield phrases.count("view.mem_offload", len(rows), bytes=size)
        elif hook:
            yield phrases.count("view.mem_hooks", len(rows), bytes=size, hook=format.clip(format.clean(hook), 48))
        else:
            yield phrases.count("view.mem_hidden", len(rows))


def _views(held: Held, phrases: Phrases) -> Iterator[str]:
    """Parts of memory for which all of it is held."""
    found = held.views(held.at_peak)
    for row, whole in found[:SENTENCES]:
        node = phrases.trace.nodes[row.node]
        name = f"{format.clean(node.name)}.{format.clean(row.slot)}"
        if row.tensor is not None:
            name = phrases.label(row.tensor)
        part, all_of = format.bytes_text(row.bytes), format.bytes_text(whole)
        yield phrases.text("view.mem_view", name=name, part=part, whole=all_of)
    if len(found) > SENTENCES:
        yield phrases.count("view.mem_more_views", len(found) - SENTENCES)


# -- tables ------------------------------------------------------------------------------------
def _table(held: Held, by: str, phrases: Phrases, items: Items) -> Json:
    """What was held when most was, by one thing: bytes, those of them that would be there anyway, tensors, the rest."""
    groups = held.groups(held.at_peak, by)
    kept = held.sizes(held.kept, by)
    rows = [_row(group, by, held.peak.bytes, kept.get(group.key, 0), phrases, items) for group in groups[:ROWS]]
    shared = any(group.shared for group in groups)
    return {
        "by": phrases.text(f"view.mem_by_{by}"),
        "heads": [phrases.text(f"view.mem_{key}") for key in ("bytes", "anyway_head", "tensors", "kept")],
        "rows": rows,
        "more": phrases.count("view.more", len(groups) - ROWS) if len(groups) > ROWS else "",
        "note": phrases.text("view.mem_shared") if shared else "",
    }


def _row(group: Group, by: str, whole: int, kept: int, phrases: Phrases, items: Items) -> Json:
    amount = group.amount
    name, link = _name(group, by, phrases, items)
    return {
        "name": name,
        "link": link,
        "share": round(amount.bytes / whole, 3) if whole else 0,
        "numbers": [amount.bytes, amount.anyway, amount.rows, kept],
        "texts": [_size(amount.bytes), _size(amount.anyway), str(amount.rows), _size(kept)],
    }


def _size(size: int) -> str:
    return format.bytes_text(size) if size else "–"


def _name(group: Group, by: str, phrases: Phrases, items: Items) -> tuple[str, str | None]:
    """What a group is called, and the item that it stands for."""
    first = group.rows[0]
    if by == "node":
        return phrases.node(first.node), f"n{first.node}"
    if group.key is None:
        return phrases.text("view.mem_nowhere" if by in ("line", "module") else "view.unknown"), None
    if by == "line":
        place = _place_of(first, phrases)
        return f"{phrases.line(place)}  {format.clip(phrases.statement(place), 40)}".rstrip(), items.line(place)
    return format.clip(format.clean(str(group.key)), 48), None


def _place_of(row: Saved, phrases: Phrases) -> Place | None:
    return phrases.held.place(row.node)


# -- chart -------------------------------------------------------------------------------------
def clock(phrases: Phrases) -> list[int]:
    """The times at which something happened, where no timeline tells them."""
    trace = phrases.trace
    return sorted({*(call.end for call in trace.calls), *(step.at for step in trace.steps)})


def chart(held: Held, phrases: Phrases, times: Sequence[int], runs: Sequence[Sequence[int]] = ()) -> Json | None:
    """Bytes held at each of some times, as areas: all of it, and what would be there anyway; None of nothing.

    runs: first and last index of each backward, which are shaded.
    """
    peak = held.peak
    if not peak.bytes or not times:
        return None
    count = len(times)
    tops = list(_tops(held.levels, times))
    edges = [_x(i, count) for i in range(count + 1)]
    at = min(bisect_left(times, peak.at), count - 1)
    x, y = round((edges[at] + edges[at + 1]) / 2, 1), TOP
    end = x > (LEFT + WIDTH) / 2
    label = phrases.text("view.mem_peak_label", bytes=format.bytes_text(peak.bytes))
    return {
        "width": WIDTH,
        "height": TOP + PANEL + FOOT,
        "left": LEFT,
        "right": WIDTH - RIGHT,
        "axis": f"M{LEFT} {TOP}V{TOP + PANEL}H{WIDTH - RIGHT}",
        "runs": [[edges[first], round(edges[last + 1] - edges[first], 1), TOP, PANEL] for first, last in runs],
        "areas": [_area(sizes, edges, peak.bytes) for sizes in ([t.bytes for t in tops], [t.anyway for t in tops])],
        "peak": [x, y],
        "texts": [
            {"x": x + (-4 if end else 4), "y": y - 5, "text": label, "end": end},
            {"x": LEFT - 4, "y": TOP + 4, "text": format.bytes_text(peak.bytes), "end": True},
            {"x": LEFT - 4, "y": TOP + PANEL, "text": "0", "end": True},
        ],
        "legend": [phrases.text(f"view.mem_legend_{key}") for key in ("held", "anyway", *["backward"][: len(runs)])],
    }


def _tops(levels: Sequence[Level], times: Sequence[int]) -> Iterator[Level]:
    """For each time the highest level since the one before."""
    now, i = Level(BEFORE, 0, 0), 0
    for time in times:
        first = i
        while i < len(levels) and levels[i].at <= time:
            i += 1
        yield max(levels[first:i], key=lambda level: level.bytes, default=now)
        now = levels[i - 1] if i else now


def _x(index: int, count: int) -> float:
    return round(LEFT + (WIDTH - LEFT - RIGHT) * index / count, 1)


def _area(sizes: Sequence[int], edges: Sequence[float], most: int) -> str:
    """A path of steps; of many that share a pixel only the highest."""
    parts, last, pixel = [f"M{edges[0]} {TOP + PANEL}"], 0, -1
    columns: list[tuple[float, int]] = []
    for edge, size in zip(edges, sizes, strict=False):
        if columns and int(edge) == pixel:
            columns[-1] = (columns[-1][0], max(columns[-1][1], size))
        else:
            columns.append((edge, size))
        pixel = int(edge)
    for edge, size in columns:
        if size != last:
            parts.append(f"H{edge}V{round(TOP + PANEL * (1 - size / most), 1)}")
            last = size
    return "".join([*parts, f"H{edges[-1]}V{TOP + PANEL}Z"])


def spark(held: Held, width: int = 24) -> str:
    """The chart as one line of text; empty where too little happens."""
    levels = held.levels
    if len(levels) < MANY:
        return ""
    chunk = -(-len(levels) // width)
    return format.bars(max(level.bytes for level in levels[i : i + chunk]) for i in range(0, len(levels), chunk))


def to_svg(drawing: Json, label: str) -> str:
    """The chart as SVG in the colour of the text around it."""
    width, height = drawing["width"], drawing["height"]
    parts = [
        f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" '
        f'aria-label="{escape(label)}" style="max-width:100%;font:10px ui-monospace,monospace" '
        'xmlns="http://www.w3.org/2000/svg" fill="currentColor">'
    ]
    parts += [f'<path d="{d}" fill-opacity="{shade}"/>' for d, shade in zip(drawing["areas"], (0.25, 0.5), strict=True)]
    parts.append(f'<path d="{drawing["axis"]}" fill="none" stroke="currentColor" stroke-opacity=".4"/>')
    parts.append('<circle cx="{}" cy="{}" r="3"/>'.format(*drawing["peak"]))
    parts += [_svg_text(text) for text in drawing["texts"]]
    return "".join([*parts, "</svg>"])


def _svg_text(text: Json) -> str:
    anchor = "end" if text["end"] else "start"
    return f'<text x="{text["x"]}" y="{text["y"]}" text-anchor="{anchor}">{escape(format.clean(text["text"]))}</text>'


def static(phrases: Phrases, rich: Any) -> str:
    """Chart and sentences as plain HTML; `rich` writes a sentence."""
    held = phrases.held
    said: Iterable[str] = [*_where(held, phrases), *_afterwards(held, phrases), *_placeholders(held, phrases)]
    drawing = chart(held, phrases, clock(phrases)) if len(held.spans) >= MANY else None
    image = "" if drawing is None else to_svg(drawing, phrases.text("view.mem_chart"))
    listed = "".join(f"<li>{rich(sentence)}</li>" for sentence in said)
    return image + (f"<ul>{listed}</ul>" if listed else "")
