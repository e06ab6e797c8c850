"""Where values leave torch as plain numbers or arrays, and where they come back: told by the source text.

`v = w.norm().item()` and then `loss + 0.1 * v`: no tensor leads from one to the other, only the name.
"""

from __future__ import annotations

import ast
import functools
import re

from ..graph import Graph
from ..trace import Call, Name, Place, Tensor

WORD = re.compile(r"(?<![\w.])[A-Za-z_]\w*")
LEAVING = frozenset("item tolist numpy __array__ __float__ __int__ __index__ __complex__".split())
"""Calls that take values out of torch; `__bool__` decides where the program goes, which is not followed."""

Fate = dict[int, int]
Span = tuple[int, int, int, int]
"""(line, column, end line, end column)"""


class Exits:
    """The values outside torch at one moment of the pass over the calls, by variable and by place."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._by_name: dict[tuple[str, str], Fate] = {}
        """By (name, function) of the variable."""
        self._by_line: dict[tuple[int, int], list[tuple[Span, Fate]]] = {}
        """By (source, line): what left torch inside an expression."""
        self._read: dict[int, frozenset[str]] = {}
        self._any = False

    def __bool__(self) -> bool:
        return self._any

    def left(self, call: Call, fate: Fate) -> None:
        """A call gave back no tensor: note under which name, or in which expression, its value goes on."""
        if call.name not in LEAVING:
            return
        fate = {**fate, call.id: -1} if call.cut is not None else fate
        if not fate:
            return
        self._any = True
        for place in map(self._graph.trace.places.__getitem__, call.places):
            if (span := span_of(place)) is not None:
                self._by_line.setdefault((place.source, place.line), []).append((span, fate))
                del self._by_line[place.source, place.line][:-4]
            name = assigned_at(self._text(place.source), place.line, place.column)
            if name is not None:
                self._by_name[name, place.function] = fate

    def assigned(self, name: Name) -> None:
        """A variable was given a tensor: the number it held before is gone."""
        self._by_name.pop((name.name, name.function), None)

    def into(self, call: Call) -> Fate:
        """What comes back into torch as a plain argument of a call."""
        if not call.constants and call.inputs:
            return {}
        found: Fate = {}
        for place in map(self._graph.trace.places.__getitem__, call.places[:1]):
            found |= self._inside(place)
            words = [w for w in self._words(place) if (w, place.function) in self._by_name]
            known = {name for t in call.inputs for name in self._graph.names(t)} if words else set()
            for word in words:
                found |= self._by_name[word, place.function] if word not in known else {}
        return found

    def into_tensor(self, row: Tensor, user: Call | None) -> Fate:
        """What comes back as a tensor that no call made (`torch.from_numpy` is not seen).

        Told by the assignment of its name, or by the expression of the call that uses it.
        """
        if not self._any:
            return {}
        texts = [text.partition("=")[2] for name in self._graph.names(row.id) for text in self._assignments(name)]
        if not texts and user is not None:
            texts = re.findall(r"from_numpy\(.*", self._graph.segment(self._graph.place(user.places)) or "")
        found: Fate = {}
        for word in (word for text in texts for word in WORD.findall(text)):
            found |= self._by_name.get((word, "<module>"), {})
        return found

    def _words(self, place: Place) -> frozenset[str]:
        """The names in the source text of a place."""
        if place.id not in self._read:
            self._read[place.id] = frozenset(WORD.findall(self._graph.segment(place) or ""))
        return self._read[place.id]

    def _assignments(self, name: str) -> list[str]:
        source = self._graph.trace.source
        lines = self._graph.source_lines(source) if source is not None else ()
        return [text for text in lines if re.match(rf"\s*{re.escape(name)}\s*=[^=]", text)]

    def _inside(self, place: Place) -> Fate:
        span = span_of(place)
        found: Fate = {}
        for line in range(place.line, (place.end_line or place.line) + 1) if span is not None else ():
            for inner, fate in self._by_line.get((place.source, line), ()):
                if span is not None and inner != span and span[:2] <= inner[:2] and inner[2:] <= span[2:]:
                    found |= fate
        return found

    def _text(self, source: int) -> str:
        return self._graph.trace.sources[source].text or ""


def span_of(place: Place) -> Span | None:
    """The exact span of a place, None where columns are not known."""
    if place.column is None or place.end_line is None or place.end_column is None:
        return None
    return place.line, place.column, place.end_line, place.end_column


@functools.lru_cache(maxsize=32)
def _statements(text: str) -> tuple[ast.stmt, ...]:
    lines = text.split("\n")
    if lines and lines[0].startswith("%%"):
        lines[0] = ""
    try:
        tree = ast.parse("\n".join(lines))
    except (SyntaxError, ValueError):  # magics and shell lines are no Python: the text tells less then
        return ()
    return tuple(node for node in ast.walk(tree) if isinstance(node, ast.stmt))


def statement_at(text: str, line: int) -> ast.stmt | None:
    """The innermost statement of a source text that covers a line."""
    around = [s for s in _statements(text) if s.lineno <= line <= (s.end_lineno or s.lineno)]
    return min(around, key=lambda s: ((s.end_lineno or s.lineno) - s.lineno, -s.col_offset), default=None)


def assigned_at(text: str, line: int, column: int | None) -> str | None:
    """The variable that the statement at a place assigns its value to."""
    statement = statement_at(text, line)
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        target: ast.expr = statement.targets[0]
    elif isinstance(statement, (ast.AugAssign, ast.AnnAssign)):
        target = statement.target
    else:
        return None
    return target.id if isinstance(target, ast.Name) else None
