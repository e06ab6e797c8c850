"""Where the iterations of the user's loops begin: `iterations(trace, chains)`.

A new iteration is a back edge: execution comes to a statement that does not stand behind the last one, within a loop
that holds both.  Loops and statements come from the source of the recorded cell; where only single lines of it are
known, as of a file, going back counts as a loop.
"""

from __future__ import annotations

import ast
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from ..trace import Trace

Spot = tuple[int, int]
"""Line and column where a statement begins."""


WITHIN_STATEMENTS = ("<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>", "<lambda>")
"""Functions whose calls belong to the statement around them."""

SET_BY_CALL = (".data", ".grad")
"""Ends of names whose assignment is an event of its own, so that their statement is not over yet."""


@dataclass(frozen=True)
class Mark:
    """An event with which an iteration begins."""

    event: int
    label: str
    """Its number; `2.3` is the third round of an inner loop in the second round of the outer one."""
    depth: int
    """1 where the outermost loop came round."""


class _Level(NamedTuple):
    """A frame of the user's: its function, the statement it is at, the loops around that, outermost first."""

    function: str
    statement: Spot
    loops: tuple[Spot, ...]


_Path = tuple[_Level, ...]
_Loop = tuple[int, Spot]
"""Depth of the frame, and where the loop begins."""


class Statements:
    """Statements and loops of one source by line."""

    def __init__(self, text: str | None) -> None:
        self.text = text

    def at(self, line: int, column: int) -> tuple[Spot, tuple[Spot, ...]]:
        """The innermost statement at a place, and the loops around it."""
        if self._tree is None:
            return (line, 0), ((0, 0),)
        statement: Spot = (line, 0)
        loops: list[Spot] = []
        body: Sequence[ast.stmt] = self._tree.body
        while True:
            inner = next((s for s in reversed(body) if _begin(s) <= (line, column) <= _end(s)), None)
            if inner is None:
                return statement, tuple(loops)
            statement = _begin(inner)
            if isinstance(inner, (ast.For, ast.AsyncFor, ast.While)):
                loops.append(statement)
            body = [s for s in ast.iter_child_nodes(inner) if isinstance(s, ast.stmt)]
            body += [s for h in getattr(inner, "handlers", ()) for s in h.body]
            body += [s for case in getattr(inner, "cases", ()) for s in case.body]

    def repeats(self, line: int, column: int) -> bool:
        """Whether what stands there is run several times in one statement."""
        return any(begin <= (line, column) < end for begin, end in self._comprehensions)

    @cached_property
    def _comprehensions(self) -> list[tuple[Spot, Spot]]:
        kinds = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp, ast.Lambda)
        nodes = ast.walk(self._tree) if self._tree is not None else ()
        return [(_begin(node), _end(node)) for node in nodes if isinstance(node, kinds)]

    @cached_property
    def _tree(self) -> ast.Module | None:
        if self.text is None:
            return None
        try:
            return ast.parse(_plain(self.text))
        except (SyntaxError, ValueError, RecursionError):
            return None


def _begin(node: ast.stmt | ast.expr) -> Spot:
    return node.lineno, node.col_offset


def _end(node: ast.stmt | ast.expr) -> Spot:
    return node.end_lineno or node.lineno, node.end_col_offset or 0


def _plain(text: str) -> str:
    """The cell without lines that only IPython understands."""
    lines = text.split("\n")
    return "\n".join("" if i == 0 and s.lstrip()[:1] == "%" else _python(s) for i, s in enumerate(lines))


def _python(line: str) -> str:
    bare = line.lstrip()
    return line[: len(line) - len(bare)] + "pass" if bare[:1] in ("%", "!") else line


def iterations(trace: Trace, chains: Iterable[tuple[int, int, int, Sequence[int]]]) -> list[Mark]:
    """The beginnings of iterations; `chains`: (event, its first and last tick, places as in `Call.places`) in order."""
    seeker = _Seeker(trace)
    for event, begin, end, places in chains:
        path = seeker.path(places)
        if path:
            mine = seeker.within(places)
            seeker.visit(event, begin, path, mine)
            seeker.last, seeker.last_end, seeker.last_places = path, end, mine
    return seeker.marks()


class _Seeker:
    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        text = None if trace.source is None else trace.sources[trace.source].text
        self.statements = Statements(text)
        self.last: _Path = ()
        self.last_end = 0
        self.last_places: tuple[int, ...] = ()
        self.seen: set[tuple[int, ...]] = set()
        """The places within the statement that is run."""
        self.counts: dict[_Loop, int] = {}
        self.most: dict[_Loop, int] = {}
        self.found: list[tuple[int, tuple[tuple[_Loop, int], ...]]] = []
        self._known: dict[int, _Level | None] = {}
        self.gaps = sorted(trace.loops, key=lambda loop: loop.at, reverse=True)
        """Iterations that are not kept, those still to come, the next one last."""

    def path(self, places: Sequence[int]) -> _Path:
        """The frames within the recorded cell, outermost first."""
        levels = [self._level(place) for place in reversed(places)]
        return tuple(level for level in levels if level is not None)

    def within(self, places: Sequence[int]) -> tuple[int, ...]:
        """The places in the recorded cell: a model of an earlier cell may call one line of its own again and again."""
        return tuple([place for place in places if self.trace.places[place].source == self.trace.source])

    def _level(self, place: int) -> _Level | None:
        if place not in self._known:
            row = self.trace.places[place]
            level = None
            if row.source == self.trace.source and row.function not in WITHIN_STATEMENTS:
                level = _Level(row.function, *self.statements.at(row.line, row.column or 0))
            self._known[place] = level
        return self._known[place]

    def visit(self, event: int, begin: int, path: _Path, places: tuple[int, ...]) -> None:
        """Take in what happened next."""
        before, again = dict(self.counts), self._again(begin, path, places)
        loops = _loops(path)
        if again is not None or path != self.last:
            self.seen.clear()
        self.seen.add(places)
        self.counts = {loop: count for loop, count in self.counts.items() if loop in loops}
        if again is not None:
            inner = loops[loops.index(again) + 1 :]
            self.counts = {loop: count for loop, count in self.counts.items() if loop not in inner}
            self.counts[again] = self.counts.get(again, 0) + 1
        for loop in loops:
            self.counts.setdefault(loop, 1)
        while self.gaps and self.gaps[-1].at <= begin:
            gap = self.gaps.pop()
            for loop in _loops(self.path(gap.places))[-1:]:
                if loop in self.counts:
                    self.counts[loop] += gap.dropped
        for loop in loops:
            self.most[loop] = max(self.most.get(loop, 0), self.counts[loop])
        if self.counts != before and loops:
            self.found.append((event, tuple((loop, self.counts[loop]) for loop in loops)))

    def _again(self, begin: int, path: _Path, places: tuple[int, ...]) -> _Loop | None:
        """The loop that came round, None where execution only went on."""
        pairs = list(zip(self.last, path, strict=False))
        depth = next((i for i, (a, b) in enumerate(pairs) if a[:2] != b[:2]), None)
        if depth is None:
            if len(self.last) != len(path) or places not in self.seen or not self._ended(begin, path, places):
                return None
            depth = len(path) - 1
        elif self.last[depth].function != path[depth].function or self.last[depth].statement < path[depth].statement:
            return None
        common = [(depth, loop) for loop in path[depth].loops if loop in self.last[depth].loops]
        outer = _loops(path[:depth])
        return next(reversed([*outer, *common]), None)

    def _ended(self, begin: int, path: _Path, places: tuple[int, ...]) -> bool:
        """Whether the statement that both stand at is run again.

        It is when it gave its result a name in between, or comes back to a place from another one.
        """
        if self.last_places != places and not any(map(self._repeats, places)):
            return True
        times = self._named.get((path[-1].function, path[-1].statement), [])
        index = bisect_left(times, self.last_end)
        return index < len(times) and times[index] < begin

    def _repeats(self, place: int) -> bool:
        row = self.trace.places[place]
        return row.source == self.trace.source and self.statements.repeats(row.line, row.column or 0)

    @cached_property
    def _named(self) -> dict[tuple[str, Spot], list[int]]:
        found: dict[tuple[str, Spot], list[int]] = {}
        for name in sorted(self.trace.names, key=lambda name: name.at):
            level = None if name.place is None else self._level(name.place)
            if level is not None and not name.name.endswith(SET_BY_CALL):
                found.setdefault((level.function, level.statement), []).append(name.at)
        return found

    def marks(self) -> list[Mark]:
        """The marks of the loops that came round at least once."""
        marks: list[Mark] = []
        last: tuple[int, ...] = ()
        for event, counts in self.found:
            numbers = tuple(count for loop, count in counts if self.most[loop] > 1)
            if numbers != last[: len(numbers)]:
                same = next((i for i, (a, b) in enumerate(zip(numbers, last, strict=False)) if a != b), len(last))
                marks.append(Mark(event, ".".join(map(str, numbers)), same + 1))
            last = numbers
        return marks


def _loops(path: _Path) -> list[_Loop]:
    return [(depth, loop) for depth, level in enumerate(path) for loop in level.loops]
