"""Rows of a trace in words: `Phrases(graph, lang)` names tensors, places, values and gradients in one language.

Everything that comes from the user (names, source, messages) passes `clean` here, once, for all views.
"""

from __future__ import annotations

import functools
import pathlib
from collections.abc import Iterable
from typing import Any

from .. import texts
from ..graph import Graph
from ..held import Held
from ..trace import Backward, Call, Gradient, Node, Place, Source, Tensor
from . import format

LABEL = 32
"""Longest label, in columns; the whole text stands in titles and details."""
_TAKES_A_LIST = frozenset({"cat", "concat", "concatenate", "stack", "hstack", "vstack", "dstack", "column_stack"})


class Phrases:
    """Words for the rows of one trace."""

    def __init__(self, graph: Graph, lang: str = texts.FALLBACK, minus: str = "-") -> None:
        self.graph = graph
        self.trace = graph.trace
        self.lang = lang
        self.minus = minus
        self._line_of: dict[Place, str] = {}
        self._statement_of: dict[Place, str] = {}

    def text(self, key: str, /, **data: Any) -> str:
        """The sentence for a key."""
        return texts.text(key, self.lang, **data)

    def count(self, key: str, n: int, /, **data: Any) -> str:
        """The sentence `key.one` or `key.other` for a number of things."""
        return self.text(f"{key}.one" if n == 1 else f"{key}.other", n=n, **data)

    def widest(self, key: str) -> str:
        """The sentence for a key in the language in which it is longest."""
        return max((texts.text(key, lang) for lang in texts.languages()), key=format.columns)

    @functools.cached_property
    def held(self) -> Held:
        """The memory that the trace's graphs held."""
        return Held(self.graph)

    # -- names ---------------------------------------------------------------------------------
    def name(self, tensor: int) -> str:
        """The user's name of a tensor, empty where it has none."""
        name = self.graph.name(tensor)
        return format.clip(format.clean(name), LABEL) if name else ""

    def label(self, tensor: int) -> str:
        """A name, or the source text or the call that made it: never empty."""
        return format.clip(format.clean(self.graph.label(tensor)), LABEL)

    def node(self, node: int) -> str:
        """A node's name, with its tensor's where that has one: `MulBackward0 (y_pred)`."""
        row, tensor = self.trace.nodes[node], self.graph.node_tensor(node)
        name = self.name(tensor.id) if tensor else ""
        return f"{format.clean(row.name)} ({name})" if name else format.clean(row.name)

    def operation(self, call: Call, limit: int | None = None) -> str:
        """A call as `mul(x, 2)`: its arguments' names in their order, as many as find room; or `opt.step()`."""
        step = self.graph.step_call(call)
        if step is not None:
            return format.clip(format.clean(step), limit or LABEL)
        arguments = dict(call.constants)
        labels = [self.label(t) for t in call.inputs]
        tensors = iter([f"[{', '.join(labels)}]"] if call.name in _TAKES_A_LIST and labels else labels)
        given: list[str] = []
        for position in range(len(arguments) + len(labels)):
            constant = arguments.get(str(position), self)
            argument = next(tensors, None) if constant is self else self.constant(constant)
            if argument is not None:
                given.append(argument)
        keywords = {k: v for k, v in arguments.items() if not str(k).isdigit() and v is not None and v is not False}
        named = [f"{format.clean(str(k))}={self.constant(v)}" for k, v in keywords.items()]
        name, written = format.clean(call.name), [*given, *named]
        whole = f"{name}({', '.join(written)})"
        while limit is not None and format.columns(whole) > limit and len(written) > 1:
            written.pop()
            whole = f"{name}({', '.join([*written, '…'])})"
        return whole if limit is None else format.clip(whole, limit)

    def constant(self, value: Any) -> str:
        """A small argument that is no tensor."""
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return format.number(value, self.minus)
        if isinstance(value, (list, tuple)):
            return format.clip(f"({', '.join(self.constant(item) for item in value)})", LABEL)
        if value == "…":  # an argument that was not kept
            return "…"
        return format.clip(format.clean(repr(value) if isinstance(value, str) else str(value)), LABEL)

    # -- places --------------------------------------------------------------------------------
    def source(self, source: Source) -> str:
        """`In [5]`, or the name of a file."""
        if source.kind == "cell":
            number = " " if source.number is None else source.number
            return f"In [{number}]"
        return format.clean(pathlib.PurePath(source.filename).name)

    def line(self, place: Place | None) -> str:
        """`line 6`, with the cell or file where that is not the recorded one; empty for no place."""
        if place is None:
            return ""
        if place not in self._line_of:
            self._line_of[place] = self._line(place)
        return self._line_of[place]

    def _line(self, place: Place) -> str:
        if place.source == self.trace.source:
            return self.text("view.line", line=place.line)
        return self.text("view.line_of", cell=self.source(self.trace.sources[place.source]), line=place.line)

    def line_in(self, cell: int | None, file: str | None, line: int | None) -> str:
        """`line 6 of In [5]`, for a place that is no row of the trace; empty where cell and file are not known."""
        if cell is None and file is None:
            return ""
        where = f"In [{cell}]"
        if cell is None:
            where = format.clean((file or "").replace("\\", "/").rpartition("/")[2])
        return where if line is None else self.text("view.line_of", cell=where, line=line)

    def line_at(self, places: Iterable[int]) -> str:
        """The line to show for places, innermost first."""
        return self.line(self.graph.place(places))

    def statement(self, place: Place | None) -> str:
        """The line of source at a place, without its indentation."""
        if place is None:
            return ""
        if place not in self._statement_of:
            text = format.clean(self.graph.line_text(place.source, place.line)).strip()
            self._statement_of[place] = text
        return self._statement_of[place]

    # -- figures -------------------------------------------------------------------------------
    def number(self, value: Any) -> str:
        """A number."""
        return format.number(value, self.minus)

    def value(self, row: Tensor | Gradient, limit: int = 26) -> str:
        """The values of a small tensor, or the first of them; dtype and shape of a large one, with its figures."""
        return self.numbers(row, limit) or format.large_text(row, limit, self.minus)

    def numbers(self, row: Tensor | Gradient, limit: int = 26) -> str | None:
        """The values, shortened where they find no room; of a tensor with figures, which tell more, only whole."""
        if row.value is None:
            return None
        write = format.short_text if row.stats is None else format.value_text
        return write(row.value, limit, self.minus)

    def figures(self, row: Tensor | Gradient | None) -> str:
        """Mean and spread, or what is odd, of a tensor that is not shown whole."""
        if row is None or row.stats is None:
            return ""
        whole = format.value_text(row.value, minus=self.minus)
        return "" if whole else format.figures_text(row.stats, self.minus)

    def maybe(self, gradient: Gradient | None, limit: int = 26) -> str:
        """A gradient, or `None` as Python writes it."""
        return "None" if gradient is None else self.value(gradient, limit)

    def shape(self, tensor: Tensor) -> str:
        """The shape, empty for a scalar."""
        return format.shape_text(tensor.shape) if tensor.shape else ""

    # -- roles ---------------------------------------------------------------------------------
    def role(self, tensor: Tensor) -> str:
        """What part a tensor plays: leaf that requires grad, input without, or result."""
        if not tensor.leaf:
            key = "result"
        elif tensor.requires_grad:
            key = "parameter" if tensor.parameter else "leaf"
        else:
            key = "frozen" if tensor.parameter else "input"
        return self.text(f"view.role_{key}")

    def cut(self, call: Call) -> str:
        """Why no gradient passes a call."""
        return self.text(f"view.cut_{call.cut}")

    def order(self, order: int) -> str:
        """The derivative that a graph of that order belongs to: empty for the first, `∂²` for the second."""
        return "" if order < 2 else "∂" + "".join("⁰¹²³⁴⁵⁶⁷⁸⁹"[int(digit)] for digit in str(order))

    def root(self, backward: Backward) -> str:
        """The names of what a backward started from."""
        return ", ".join(dict.fromkeys(self.label(t) for t in backward.roots))

    def freed(self, node: Node) -> str:
        """Which backward freed a node's saved tensors; empty where none did."""
        if not self.graph.is_freed(node.id):
            return ""
        place = None if node.freed_place is None else self.trace.places[node.freed_place]
        if place is None and node.freed_by is not None:
            place = self.graph.place(self.trace.backwards[node.freed_by].places)
        return self.text("view.freed_by", line=self.line(place)) if place else self.text("view.freed")
