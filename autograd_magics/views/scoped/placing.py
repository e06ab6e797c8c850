"""Where everything in nested groups goes when some of them are open.

`arrange(nest, opened)`: bottom-up, each open group is laid out alone by the flat engine, and stands in the group around
it as one box.  A line that crosses the border of an open group passes a port there: inside a node of no size on the
left border (where something comes in) or on the right one, one for each source outside or inside; outside the line
meets the border at the height of that port.  Rooms of equal content are laid out once.

Sources, ends and items of a room are numbers: `i` is box `i`, `len(boxes) + g` is group `g`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

from ..layout import layout
from ..layout.ports import Ends
from .landings import landed_edges, with_landings

MARGIN, HEAD, PAD, RANK_GAP = 14.0, 22.0, 12.0, 22.0
"""Around the whole, height of a frame's header, inside the border of a frame, between ranks, in px."""
UNDER_HEAD = 8.0
"""Between the header of a frame and what stands highest in it."""
_SAME = 0.05
_IN, _OUT = -1, -2
_ROOT = -1

Point = tuple[float, float]


@dataclass(frozen=True)
class Item:
    """What the layout knows of a box or a folded group; heights are from the middle of its core."""

    width: float
    over: float
    under: float
    core: tuple[float, float, str]
    inner: float = 0.0
    """Width of a shape that is narrower than its texts: lines go on to it."""


@dataclass(frozen=True)
class Nest:
    """Boxes in groups; `links` are (from, to, kind) by index of boxes."""

    boxes: Sequence[Item]
    scope: Sequence[int]
    """Of each box its innermost group, -1 for none."""
    links: Sequence[tuple[int, int, str]]
    parents: Sequence[int]
    """Of each group the one around it, which comes before it; -1 for none."""
    folded: Sequence[Item]
    heads: Sequence[float]
    """Width that the header of each group needs when it is open."""
    first: Sequence[int]
    """Index of the first box in each group."""


@dataclass(frozen=True)
class Spot:
    """An item that is seen, and the middle of its core."""

    item: int
    x: float
    y: float


@dataclass(frozen=True)
class Border:
    """An open group: upper left corner, size, and how many open groups are around it."""

    group: int
    x: float
    y: float
    w: float
    h: float
    depth: int


@dataclass(frozen=True)
class Line:
    """The way from one item that is seen to another."""

    start: int
    end: int
    kind: str
    points: list[Point]


@dataclass(frozen=True)
class Arrangement:
    """All that is seen, in px; frames from the outside in."""

    width: float
    height: float
    spots: list[Spot]
    frames: list[Border]
    lines: list[Line]


@dataclass
class _Room:
    """What is seen of an open group; an edge is (item or _IN, item or _OUT, source of the line)."""

    items: list[int] = field(default_factory=list)
    edges: dict[tuple[int, int, int], int] = field(default_factory=dict)

    def join(self, tail: int, head: int, source: int) -> None:
        """Take in an edge, once."""
        self.edges.setdefault((tail, head, source), len(self.edges))

    def ports(self, side: int) -> list[int]:
        """The sources of the lines that come in, or go out."""
        where = 0 if side == _IN else 1
        return list(dict.fromkeys(edge[2] for edge in self.edges if edge[where] == side))


@dataclass(frozen=True)
class _Laid:
    """A room from its upper left corner; places of items, heights of ports and routes of edges in the room's order."""

    width: float
    height: float
    places: list[Point]
    ins: list[float]
    outs: list[float]
    routes: list[list[Point]]
    hang: float
    """Height of the line that it hangs on in the room around it."""


Known = dict[object, _Laid]
"""Rooms that were laid out, by their content."""


def arrange(nest: Nest, opened: Collection[int], known: Known | None = None) -> Arrangement:
    """Place all that is seen when the groups in `opened` are open; `known` is filled, and saves work the next time."""
    return _Arranging(nest, opened, {} if known is None else known).result()


class _Arranging:
    def __init__(self, nest: Nest, opened: Collection[int], known: Known) -> None:
        self.nest, self.known, self.count = nest, known, len(nest.boxes)
        self.cover = self._cover(opened)
        self.depth = [0] * len(nest.parents)
        for group, parent in enumerate(nest.parents):
            self.depth[group] = 0 if parent == _ROOT else self.depth[parent] + 1
        self.rooms = self._rooms()
        self.lines = self._lines()
        self.made = {end for _, end in self.lines}
        for start, end in self.lines:
            for room, tail, head in self._legs(start, end):
                self.rooms[room].join(tail, head, start)
        self.laid: dict[int, _Laid] = {}
        self.ports: dict[tuple[int, int, int], float] = {}
        """By group, side and source: height of a port over or under the line that the group hangs on."""
        for group in sorted(self.rooms, reverse=True):
            self._lay_out(group)

    # -- what is seen --------------------------------------------------------------------------
    def _cover(self, opened: Collection[int]) -> list[int]:
        """Of each group the outermost folded one that it is in, or is; -1 where it is seen open."""
        cover: list[int] = []
        for group, parent in enumerate(self.nest.parents):
            around = _ROOT if parent == _ROOT else cover[parent]
            cover.append(around if around != _ROOT else _ROOT if group in opened else group)
        return cover

    def _seen(self, box: int) -> int:
        """The box, or the folded group that it is in."""
        scope = self.nest.scope[box]
        group = _ROOT if scope == _ROOT else self.cover[scope]
        return box if group == _ROOT else self.count + group

    def _rooms(self) -> dict[int, _Room]:
        rooms = {_ROOT: _Room()}
        for group, cover in enumerate(self.cover):
            if cover == _ROOT:
                rooms[group] = _Room()
            if cover in (_ROOT, group):
                rooms[self.nest.parents[group]].items.append(self.count + group)
        for box, scope in enumerate(self.nest.scope):
            if scope == _ROOT or self.cover[scope] == _ROOT:
                rooms[scope].items.append(box)
        for room in rooms.values():
            room.items.sort(key=self._first)
        return rooms

    def _first(self, item: int) -> int:
        return item if item < self.count else self.nest.first[item - self.count]

    def _lines(self) -> dict[tuple[int, int], str]:
        """Kinds of the lines between what is seen, each pair once."""
        lines: dict[tuple[int, int], str] = {}
        for start, end, kind in self.nest.links:
            pair = self._seen(start), self._seen(end)
            if pair[0] != pair[1] and lines.get(pair) != "data":
                lines[pair] = kind
        return lines

    def _home(self, item: int) -> int:
        return self.nest.scope[item] if item < self.count else self.nest.parents[item - self.count]

    def _legs(self, start: int, end: int) -> Iterator[tuple[int, int, int]]:
        """The rooms that a line passes, from its start to its end, with the ends that it has in each."""
        here, there, tail, head = self._home(start), self._home(end), start, end
        down: list[tuple[int, int, int]] = []
        while here != there:
            if here != _ROOT and (there == _ROOT or self.depth[here] >= self.depth[there]):
                yield here, tail, _OUT
                here, tail = self.nest.parents[here], self.count + here
            else:
                down.append((there, _IN, head))
                there, head = self.nest.parents[there], self.count + there
        yield here, tail, head
        yield from reversed(down)

    # -- one room ------------------------------------------------------------------------------
    def _lay_out(self, group: int) -> None:
        room = self.rooms[group]
        ins, outs = room.ports(_IN), room.ports(_OUT)
        nodes = {(item, item): index for index, item in enumerate(room.items)}
        nodes |= {(_IN, source): len(room.items) + index for index, source in enumerate(ins)}
        nodes |= {(_OUT, source): len(room.items) + len(ins) + index for index, source in enumerate(outs)}
        pairs = [
            (nodes[tail, source if tail == _IN else tail], nodes[head, source if head == _OUT else head])
            for tail, head, source in room.edges
        ]
        ends = [(self._port(tail, _OUT, source), self._port(head, _IN, source)) for tail, head, source in room.edges]
        head = None if group == _ROOT else self.nest.heads[group]
        shapes = [self._item(item) for item in room.items]
        # Of two lines that come in, the one made last is the main one: the other skips something, or begins there.
        order = sorted(ins, key=lambda source: (source in self.made, self._first(source)))
        late = {source: place for place, source in enumerate(order, 1)}
        ports = [-late[source] for source in ins] + [1] * len(outs)
        key = (tuple(shapes), tuple(pairs), tuple(ends), tuple(ports), head)
        if key not in self.known:
            self.known[key] = _laid_out(shapes, pairs, ends, ports, head)
        laid = self.laid[group] = self.known[key]
        for side, sources, heights in ((_IN, ins, laid.ins), (_OUT, outs, laid.outs)):
            for source, height in zip(sources, heights, strict=True):
                self.ports[group, side, source] = height - laid.hang

    def _port(self, item: int, side: int, source: int) -> float | None:
        """Where a line meets an open group; None for what is not one."""
        return None if item < self.count else self.ports.get((item - self.count, side, source))

    def _item(self, item: int) -> Item:
        if item < self.count:
            return self.nest.boxes[item]
        laid = self.laid.get(item - self.count)
        if laid is None:
            return self.nest.folded[item - self.count]
        return Item(laid.width, laid.hang, laid.height - laid.hang, (laid.width, 0.0, "box"))

    # -- all of them ---------------------------------------------------------------------------
    def result(self) -> Arrangement:
        """Everything, measured from the upper left corner of the whole."""
        corners = {_ROOT: (0.0, 0.0)}
        spots: list[Spot] = []
        frames: list[Border] = []
        for group in sorted(self.rooms):
            left, top = corners[group]
            laid = self.laid[group]
            if group != _ROOT:
                frames.append(Border(group, left, top, laid.width, laid.height, self.depth[group]))
            for item, (x, y) in zip(self.rooms[group].items, laid.places, strict=True):
                inner = self.laid.get(item - self.count) if item >= self.count else None
                if inner is None:
                    spots.append(Spot(item, left + x, top + y))
                else:
                    corners[item - self.count] = (left + x - inner.width / 2, top + y - inner.hang)
        where = {spot.item: spot for spot in spots}
        lines = [
            Line(start, end, kind, self._points(where[start], where[end], corners))
            for (start, end), kind in self.lines.items()
        ]
        return Arrangement(self.laid[_ROOT].width, self.laid[_ROOT].height, spots, frames, lines)

    def _points(self, start: Spot, end: Spot, corners: dict[int, Point]) -> list[Point]:
        """The routes of a line through all its rooms as one, from shape to shape."""
        points: list[Point] = []
        tail, head = self._item(start.item), self._item(end.item)
        if tail.inner:
            points.append((start.x + tail.inner / 2, start.y))
        for group, before, after in self._legs(start.item, end.item):
            left, top = corners[group]
            route = self.laid[group].routes[self.rooms[group].edges[before, after, start.item]]
            points += [(left + x, top + y) for x, y in route]
        if head.inner:
            points.append((end.x - head.inner / 2, end.y))
        return _tidy(points)


def _laid_out(
    shapes: list[Item],
    pairs: list[tuple[int, int]],
    ends: list[Ends],
    ports: list[int],
    head: float | None,
) -> _Laid:
    """The content of a room; `ports` are the pins of its ports, `head` is None for the whole picture."""
    count, ins = len(shapes), sum(port < 0 for port in ports)
    landed = landed_edges(pairs, ends, count)
    points = len(ports) + len(landed)
    sizes = [(shape.width, 2 * max(shape.over, shape.under)) for shape in shapes] + [(0.0, 0.0)] * points
    cores = [shape.core for shape in shapes] + [(0.0, 0.0, "box")] * points
    pins = [0] * count + ports + [0] * len(landed)
    legs, leg_ends = with_landings(pairs, ends, landed, count + len(ports))
    placed = layout(sizes, legs, rank_gap=RANK_GAP, cores=cores, pins=pins, ends=leg_ends)
    found = placed.routes[: len(pairs)]
    for edge, rest in zip(landed, placed.routes[len(pairs) :], strict=True):
        found[edge] = found[edge] + rest
    levels = [*placed.y[count:], *(y for route in found for _, y in route)]
    top = min([*(y - shape.over for shape, y in zip(shapes, placed.y, strict=False)), *levels])
    bottom = max([*(y + shape.under for shape, y in zip(shapes, placed.y, strict=False)), *levels])
    side, upper, lower = (MARGIN, MARGIN, MARGIN) if head is None else (PAD, HEAD + UNDER_HEAD, PAD)
    width = max(placed.width + 2 * side, head or 0.0)
    right, down = (width - placed.width) / 2, upper - top
    height = bottom + down + lower
    routes = [[(x + right, y + down) for x, y in route] for route in found]
    for (start, end), route in zip(pairs, routes, strict=True):
        if start >= count:
            route[0] = (0.0, route[0][1])
        if end >= count:
            route[-1] = (width, route[-1][1])
    places = [(x + right, y + down) for x, y in zip(placed.x[:count], placed.y[:count], strict=True)]
    heights = [y + down for y in placed.y[count : count + len(ports)]]
    return _Laid(width, height, places, heights[:ins], heights[ins:], routes, _hang(heights, height))


def _hang(ports: list[float], height: float) -> float:
    """The height that most ports share, of equals the one nearest to the middle."""
    best, most = height / 2, (0, 0.0)
    for port in ports:
        shared = sum(abs(other - port) < _SAME for other in ports)
        value = (shared, -abs(port - height / 2))
        if most[0] == 0 or value > most:
            best, most = port, value
    return best


def _tidy(points: list[Point]) -> list[Point]:
    """Without repeated points, and without those in the middle of straight runs."""
    kept: list[Point] = []
    for point in points:
        if kept and abs(kept[-1][0] - point[0]) + abs(kept[-1][1] - point[1]) < _SAME:
            continue
        if len(kept) > 1 and abs(kept[-2][1] - point[1]) < _SAME and abs(kept[-1][1] - point[1]) < _SAME:
            kept.pop()
        kept.append(point)
    return kept
