"""Gradients layer by layer as a drawing: RMS on a scale of logarithms over the layers in the order of forward.

* `plot(phrases, parameters)`: plain data as of `views/plot.py`, with a sentence for each line; None where there are too
  few layers.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from .. import health
from ..graph import Graph
from ..health import Figures, Parameter
from ..trace import Backward, Call, Gradient
from . import format
from .phrases import Phrases
from .plot import Json

LAYERS = 3
"""Places from which on there is a line to see."""
MARKS = 40
"""Signs for NaN, Inf and zeros that are drawn in a row, and names of such layers in a sentence."""
NAMED = 3
KINDS = ("weights", "biases", "outputs")
POINTS = "biases"
"""A kind that is drawn as points: before a batch norm they are noise, and a line through it would hide the others."""
POINT, BELOW = "m-2,0h4m-2,-2v4", "m-2.5,-1.5h5l-2.5,3z"
"""Signs around a place: a point, and one that lies below the scale."""

WIDTH, LEFT, RIGHT, TOP, PANEL, ROW, FOOT = 320, 44, 8, 18, 112, 12, 16
"""Sizes in px: of the drawing, its margins, the title, the scale, a row for what is not on it, the names below."""

SAME = frozenset({
    "t", "T", "mT", "transpose", "permute", "view", "reshape", "expand", "unsqueeze", "squeeze", "to", "float", "half",
    "bfloat16", "double", "contiguous", "clone", "view_as", "flatten", "chunk", "split", "unbind", "__getitem__",
})  # fmt: skip
"""Calls whose result is the same parameter in another form."""


class Layer(NamedTuple):
    """A call that computes something with parameters."""

    name: str
    found: dict[str, Figures]
    """By kind: the gradient of the weights, of the biases, and of what the call gave."""


def plot(phrases: Phrases, parameters: Sequence[Parameter]) -> Json | None:
    """A line for each kind of gradient that is known at several layers."""
    layers = _numbered(list(_layers(phrases, parameters)))
    kinds = [kind for kind in KINDS if sum(kind in layer.found for layer in layers) >= LAYERS]
    sizes = [size for kind in kinds for layer in layers if (size := _size(layer.found.get(kind))) is not None]
    if not sizes:
        return None
    return _Drawing(phrases, layers, kinds, sizes).data()


def _layers(phrases: Phrases, parameters: Sequence[Parameter]) -> Iterator[Layer]:
    """The places of the last backward where parameters are used, in the order of forward."""
    graph, trace = phrases.graph, phrases.graph.trace
    run = _run(graph)
    if run is None:
        return
    received = {step.node: step.received for step in graph.steps_in(run.id)}
    waiting = {trace.tensors[row.tensor].object: row for row in parameters}
    named: dict[int, str] = {}
    for call, objects in _uses(graph, set(waiting)):
        if received.keys().isdisjoint(call.nodes):
            continue
        found: dict[str, Figures] = {}
        for obj in objects:
            row = waiting.pop(obj, None)  # the gradient of a parameter is one, however often it is used
            if row is not None:
                kind, named[obj] = _kind(phrases, row)
                known = health.worst([row.gradient, found.get(kind)])
                found |= {} if known is None else {kind: known}
        known = _output(graph, call, received)
        found |= {} if known is None else {"outputs": known}
        yield Layer(format.clip(health.layer_of(graph, call) or named[objects[0]], 32), found)


def _numbered(layers: Sequence[Layer]) -> list[Layer]:
    """The same, with the calls of one module told apart: `cell #1`, `cell #2`."""
    total, seen = Counter(layer.name for layer in layers), Counter[str]()
    found = []
    for layer in layers:
        seen[layer.name] += 1
        name = f"{layer.name} #{seen[layer.name]}" if total[layer.name] > 1 else layer.name
        found.append(layer._replace(name=name))
    return found


def _run(graph: Graph) -> Backward | None:
    """The last backward that computed first derivatives."""
    runs = [row for row in graph.trace.backwards if row.error is None and graph.steps_in(row.id)]
    first = [row for row in runs if row.order == 1]
    return next(reversed(first or runs), None)


def _uses(graph: Graph, leaves: set[int]) -> Iterator[tuple[Call, list[int]]]:
    """Calls that compute with leaves, with the leaves; not those that only give one of them another form."""
    trace = graph.trace
    behind: dict[int, int] = {}
    for call in trace.calls:
        owners = [_owner(trace.tensors[t].object, behind, leaves) for t in call.inputs]
        objects = [obj for obj in dict.fromkeys(owners) if obj is not None]
        if objects and call.nodes and len(call.inputs) == 1 and call.name in SAME:
            behind |= {trace.tensors[t].object: objects[0] for t in call.outputs}
        elif objects and call.nodes and not call.inplace:
            yield call, objects


def _owner(obj: int, behind: dict[int, int], leaves: set[int]) -> int | None:
    return obj if obj in leaves else behind.get(obj)


def _output(graph: Graph, call: Call, received: Mapping[int, tuple[Gradient | None, ...]]) -> Figures | None:
    """The gradient of what a call gave."""
    rows = [graph.trace.tensors[t] for t in call.outputs]
    grads = [g for row in rows if row.node is not None for g in received.get(row.node, ())[row.output_nr :][:1]]
    return health.worst(health.figures(g) for g in grads)


def _kind(phrases: Phrases, row: Parameter) -> tuple[str, str]:
    """Whether a parameter is a bias, by its name; and the name of its layer."""
    name = phrases.label(row.tensor)
    layer, _, last = name.rpartition(".")
    bias = "bias" in last or last.rstrip("0123456789_") == "b"
    return "biases" if bias else "weights", layer or name


def _size(known: Figures | None) -> float | None:
    """The logarithm of an RMS that has a place on the scale."""
    return None if known is None or known.odd or not known.rms else math.log10(known.rms)


class _Drawing:
    """Places lines, axes and signs."""

    def __init__(self, phrases: Phrases, layers: Sequence[Layer], kinds: Sequence[str], sizes: Sequence[float]) -> None:
        self.phrases, self.layers, self.kinds = phrases, layers, kinds
        self.low, self.high = math.floor(min(sizes)), math.ceil(max(sizes))
        if lines := [size for _, known in self._shown(POINTS) if (size := _size(known)) is not None]:
            self.low = max(self.low, math.floor(min(lines)) - 1)
        self.high += self.high <= self.low
        shown = [known for _, known in self._shown()]
        self.top = TOP + ROW * any(known.odd for known in shown)
        self.bottom = self.top + PANEL
        self.end = self.bottom + ROW * any(known.all_zero for known in shown)

    def data(self) -> Json:
        """The drawing as the front end and `plot.to_svg` read it."""
        names = [layer.name for layer in self.layers]
        texts = [_text(LEFT, 11, self.phrases.text("view.h_plot")), *self._scale()]
        texts += [_text(LEFT, self.end + FOOT - 4, format.clip(names[0], 20))]
        texts += [_text(WIDTH - RIGHT, self.end + FOOT - 4, format.clip(names[-1], 20), True)]
        texts += self._signs(self.top - 3, "✕", "NaN", [i for i, known in self._shown() if known.odd])
        texts += self._signs(self.end - 2, "0", "0", [i for i, known in self._shown() if known.all_zero])
        faint = [f"M{LEFT} {self._y(decade)}H{WIDTH - RIGHT}" for decade in self._decades()]
        axes = [f"M{LEFT} {self.top}V{self.end}H{WIDTH - RIGHT}"]
        lines = [self._line(kind) for kind in self.kinds]
        return {
            "width": WIDTH, "height": self.end + FOOT, "axes": axes, "faint": faint, "lines": lines, "texts": texts
        }  # fmt: skip

    def _shown(self, without: str = "") -> Iterator[tuple[int, Figures]]:
        for i, layer in enumerate(self.layers):
            yield from ((i, layer.found[kind]) for kind in self.kinds if kind in layer.found and kind != without)

    def _signs(self, y: float, sign: str, label: str, places: Sequence[int]) -> list[Json]:
        """Signs for what has no place on the scale, in a row of their own."""
        at = list(dict.fromkeys(self._x(i) for i in places))
        signs = [_text(x - 3, y, sign) for x in at[:: max(1, -(-len(at) // MARKS))]]
        return [_text(LEFT - 4, y, label, True), *signs] if signs else []

    def _decades(self) -> list[int]:
        return list(range(self.low, self.high + 1, math.ceil((self.high - self.low) / 5)))

    def _scale(self) -> list[Json]:
        ticks = {decade: "1" if decade == 0 else f"1e{decade}" for decade in self._decades()}
        minus = self.phrases.minus
        return [_text(LEFT - 4, self._y(at) + 3, tick.replace("-", minus), True) for at, tick in ticks.items()]

    def _x(self, place: int) -> float:
        return round(LEFT + 6 + (WIDTH - LEFT - RIGHT - 12) * place / max(1, len(self.layers) - 1), 1)

    def _y(self, size: float) -> float:
        return round(self.bottom - (size - self.low) / (self.high - self.low) * (PANEL - 6) - 3, 1)

    def _line(self, kind: str) -> Json:
        known = [(i, layer.found[kind]) for i, layer in enumerate(self.layers) if kind in layer.found]
        line: Json = {"label": self._sentence(kind, known), "dash": KINDS.index(kind)}
        if kind == POINTS:
            return {**line, "d": self._points(known), "sample": f"M13 4{POINT}"}
        runs: list[list[str]] = [[]]
        for i, one in known:
            size = _size(one)
            if size is None:
                runs.append([])
            else:
                runs[-1].append(f"{self._x(i)} {self._y(size)}")
        path = "".join(f"M{'L'.join(run if len(run) > 1 else run * 2)}" for run in runs if run)
        return {**line, "d": path}

    def _points(self, known: Sequence[tuple[int, Figures]]) -> str:
        at = [(self._x(i), size) for i, one in known if (size := _size(one)) is not None]
        signs = [(f"M{x} {self._y(max(size, self.low))}", BELOW if size < self.low else POINT) for x, size in at]
        return "".join(place + sign for place, sign in signs)

    def _sentence(self, kind: str, known: Sequence[tuple[int, Figures]]) -> str:
        """What a line shows, in words."""
        phrases = self.phrases
        sizes = [(one.rms, self.layers[i].name) for i, one in known if _size(one) is not None and one.rms is not None]
        what = phrases.text(f"view.h_{kind}")
        if not sizes:
            said = [phrases.text("view.h_line_none", what=what, n=len(known))]
        else:
            ends = {"first": sizes[0], "last": sizes[-1], "low": min(sizes), "high": max(sizes)}
            data = {key: format.number(size, phrases.minus, 3) for key, (size, _) in ends.items()}
            data |= {f"{key}_at": name for key, (_, name) in ends.items()}
            between = {ends["low"], ends["high"]} != {sizes[0], sizes[-1]}
            keys = ["view.h_line", *(["view.h_line_ends"] if between else [])]
            said = [phrases.text(key, what=what, n=len(known), **data) for key in keys]
        if below := sum(size < self.low for _, one in known if (size := _size(one)) is not None):
            said.append(phrases.text("view.h_line_below", n=below))
        said += self._alarm("view.h_line_odd", (i for i, one in known if one.odd))
        said += self._alarm("view.h_line_zero", (i for i, one in known if one.all_zero))
        return " ".join(said)

    def _alarm(self, key: str, places: Iterable[int]) -> list[str]:
        names = list(dict.fromkeys(self.layers[i].name for i in places))
        shown = ", ".join([*names[:NAMED], *(["…"] if len(names) > NAMED else [])])
        return [self.phrases.text(key, names=shown)] if names else []


def _text(x: float, y: float, text: str, end: bool = False) -> Json:
    return {"x": x, "y": round(y, 1), "text": text, "end": end}
