"""From code objects and instruction offsets to exact places in the user's source.

On the hot path only `chain_of` runs: it notes (code, offset) of each frame.  `Places` turns these
into rows when the recording is over.
"""

from __future__ import annotations

import dis
import functools
import linecache
import os
import re
import sys
import sysconfig
import types
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ..trace import Place, Source
from .stores import stores_after

Chain = tuple[Any, ...]
"""(code, offset, code, offset, ...) of the calling frames, innermost first."""

PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
LIBRARIES = tuple({sysconfig.get_paths()[name] + os.sep for name in ("stdlib", "platstdlib", "purelib", "platlib")})


OFFSET_BITS = 20
"""Room for an instruction offset beside the `id` of its code."""


@dataclass
class CellText:
    """A notebook cell as it was run: execution count and the text the user wrote."""

    number: int | None
    text: str
    offset: int = 0
    """Added to the line numbers of the code: a body that another magic compiled begins at its own line 1."""


@dataclass
class SourceBook:
    """Where code comes from: the cells that were run, by the file name they were compiled under."""

    main: str | None = None
    """File name of what is being recorded."""
    cells: dict[str, CellText] = field(default_factory=dict)

    def add_cell(self, filename: str, number: int | None, text: str, offset: int = 0) -> None:
        """Remember a cell that is about to run; its code's line 1 is line `1 + offset` of the text."""
        self.cells[filename] = CellText(number, text, offset)


class Spot(NamedTuple):
    """A place by itself, fit to outlive the recording: later cells name it as the earlier end of a finding."""

    filename: str
    number: int | None
    text: str | None
    line: int
    column: int | None
    end_line: int | None
    end_column: int | None
    function: str
    through: str = ""


class Site:
    """The frames from which something was called; resolved to spots once the recording is over."""

    __slots__ = ("chain", "spots", "assigned", "places", "direct", "modules")

    def __init__(self, chain: Chain) -> None:
        self.chain: Chain | None = chain
        self.spots: tuple[Spot, ...] = ()
        self.assigned: tuple[Assigned, ...] | None = None
        self.places: tuple[Any, ...] | None = None
        """(the `Places` they belong to, rows)"""
        self.direct = False
        """Whether the innermost frame is the user's own code rather than torch's."""
        self.modules: tuple[int, ...] = ()
        """How many frames further out modules are called, innermost first."""


class Sites:
    """All sites of a recording, each once: iterations of a loop share theirs."""

    def __init__(
        self, main: str | None, base: types.CodeType | None, called: types.CodeType | None = None
    ) -> None:
        self._called = called
        """The code that calls modules."""
        self._main = main
        self._base = base
        self._tree: dict[Any, Any] = {}
        """By code and offset of the innermost frame, then of its caller, and so on: a `Site` at the outermost.
        Codes are known by `id`: the sites hold on to them."""
        self._sites: list[Site] = []
        self._chains: dict[Chain, Site] = {}
        self.nowhere = Site(())
        """The site of what was not seen."""

    def at(self, frame: types.FrameType | None) -> Site:
        """The site of a frame and its callers, up to the code that is recorded."""
        found: Any = self._tree
        top = frame
        while frame is not None:
            found = found.get((id(frame.f_code) << OFFSET_BITS) + frame.f_lasti)
            if type(found) is not dict:
                break
            frame = frame.f_back
        else:
            found = found.get(None)
        return self._new(top) if found is None else found

    def _new(self, frame: types.FrameType | None) -> Site:
        base, main = self._base, self._main
        chain: list[Any] = []
        keys: list[int | None] = []
        while frame is not None:
            code = frame.f_code
            chain += [code, frame.f_lasti]
            keys.append((id(code) << OFFSET_BITS) + frame.f_lasti)
            if code is base or (code.co_filename == main and code.co_name == "<module>"):
                break
            frame = frame.f_back
        else:
            keys.append(None)
        level = self._tree
        for key in keys[:-1]:
            level = level.setdefault(key, {})
        site = level[keys[-1]] = Site(tuple(chain))
        site.modules = tuple([depth for depth, code in enumerate(chain[::2]) if code is self._called])
        self._sites.append(site)
        return site

    def of_chain(self, chain: Chain) -> Site:
        """The site of frames that are known already."""
        return self._chains.setdefault(chain, Site(chain))

    def all(self) -> tuple[Site, ...]:
        """Every site of the recording."""
        return (*self._sites, *self._chains.values(), self.nowhere)


@functools.lru_cache(maxsize=4096)
def is_user_file(filename: str, main: str | None) -> bool:
    """Whether code of this file is the user's own rather than a library's or ours."""
    if filename == main:
        return True
    if filename.startswith(PACKAGE) or filename.startswith("<frozen") or "/torch/" in filename.replace("\\", "/"):
        return False
    return not filename.startswith(LIBRARIES)


class Places:
    """The `sources` and `places` tables while they grow."""

    def __init__(self, book: SourceBook) -> None:
        self._book = book
        self._source_ids: dict[tuple[str, int | None], int] = {}
        self._place_ids: dict[tuple[Any, ...], int] = {}
        self._lines: list[dict[str, str]] = []
        self._spots: dict[tuple[int, int], tuple[types.CodeType, Spot]] = {}
        """By `id` of the code, which is held on to, and offset."""
        self._sources: list[Source] = []
        self.places: list[Place] = []

    def of_chain(self, chain: Chain) -> tuple[int, ...]:
        """Place rows of the user's frames in a chain, innermost first."""
        return tuple(self.of_spot(spot) for spot in self.spots(chain))

    def of_site(self, site: Site | None) -> tuple[int, ...]:
        """Place rows of a site; of an earlier recording's too."""
        if site is None:
            return ()
        if site.places is None or site.places[0] is not self:
            self.settle(site)
            site.places = (self, tuple(self.of_spot(spot) for spot in site.spots))
        rows: tuple[int, ...] = site.places[1]
        return rows

    def settle(self, site: Site) -> None:
        """Resolve a site for good and let go of its code objects."""
        if site.chain is not None:
            site.spots = self.spots(site.chain)
            site.direct = bool(site.chain) and is_user_file(site.chain[0].co_filename, self._book.main)
            self.assigned(site)
            site.chain = None

    def spots(self, chain: Chain) -> tuple[Spot, ...]:
        """The user's frames of a chain; all of them outside torch where none is the user's own."""
        callees = (None, *chain[::2])
        frames = list(zip(chain[::2], chain[1::2], callees, strict=False))
        mine = [f for f in frames if is_user_file(f[0].co_filename, self._book.main)]
        rest = [f for f in frames if not f[0].co_filename.startswith(PACKAGE)] if not mine else []
        return tuple(self._spot(*frame) for frame in mine or rest[:1])

    def _spot(self, code: types.CodeType, offset: int, callee: types.CodeType | None) -> Spot:
        known = self._spots.get((id(code), offset))
        if known is None:
            known = self._spots[id(code), offset] = (code, self._new_spot(code, offset, callee))
        return known[1]

    def _new_spot(self, code: types.CodeType, offset: int, callee: types.CodeType | None) -> Spot:
        cell = self._book.cells.get(code.co_filename)
        line, end_line, column, end_column = position(code, offset)
        number, text = (cell.number, cell.text) if cell else (None, None)
        if cell is not None and cell.offset:
            line += cell.offset
            end_line = end_line + cell.offset if end_line is not None else None
        if column is not None:
            column = _characters(code.co_filename, text, line, column)
        if end_column is not None:
            end_column = _characters(code.co_filename, text, end_line or line, end_column)
        through = "" if callee is None else differentiating(callee)
        return Spot(code.co_filename, number, text, line, column, end_line, end_column, code.co_name, through)

    def of_spot(self, spot: Spot) -> int:
        """The row of a spot, made when it is new."""
        source = self._source(spot)
        key = (source, *spot[3:])
        if key not in self._place_ids:
            self._place_ids[key] = len(self.places)
            self.places.append(Place(len(self.places), source, *spot[3:]))
            if spot.text is None:
                for n in range(spot.line, (spot.end_line or spot.line) + 1):
                    self._lines[source][str(n)] = linecache.getline(spot.filename, n).rstrip("\n")
        return self._place_ids[key]

    def _source(self, spot: Spot) -> int:
        key = (spot.filename, spot.number)
        if key not in self._source_ids:
            self._source_ids[key] = len(self._sources)
            self._lines.append({})
            kind = "cell" if spot.text is not None else "file"
            self._sources.append(
                Source(len(self._sources), kind, spot.number, spot.filename, spot.text, self._lines[-1])
            )
        return self._source_ids[key]

    def assigned(self, site: Site) -> tuple[Assigned, ...]:
        """The names that the result of the innermost call is stored under, following `return` to the callers."""
        if site.assigned is None:
            site.assigned = self._assigned(site.chain or ())
        return site.assigned

    def _assigned(self, chain: Chain) -> tuple[Assigned, ...]:
        for depth, (code, offset) in enumerate(zip(chain[::2], chain[1::2], strict=True)):
            names = stores_after(code, offset)
            if names is None:
                continue
            mine = is_user_file(code.co_filename, self._book.main)
            if not mine or (depth and self._passes_other_value(code, offset, chain[2 * depth - 2])):
                return ()
            return tuple(Assigned(name, output, code, offset) for name, output in names)
        return ()

    def _passes_other_value(self, code: types.CodeType, offset: int, callee: types.CodeType) -> bool:
        spot = self._spot(code, offset, callee)
        line = spot.text.split("\n")[spot.line - 1] if spot.text else linecache.getline(spot.filename, spot.line)
        return bool(PASSES_OTHER_VALUES.match(line[spot.column or 0 :]))

    def main_source(self) -> int | None:
        """The row of what was recorded; made for a cell even if nothing in it called torch."""
        main = self._book.main
        if main is None:
            return None
        cell = self._book.cells.get(main)
        if cell is not None:
            return self._source(Spot(main, cell.number, cell.text, 1, None, None, None, ""))
        return self._source_ids.get((main, None))

    def sources(self) -> tuple[Source, ...]:
        """The finished table; code is let go."""
        self._spots.clear()
        return tuple(self._sources)


def differentiating(code: types.CodeType) -> str:
    """Name of a function of torch's that differentiates a function of the user's; empty for other code."""
    path = code.co_filename.replace("\\", "/")
    if path.endswith("torch/autograd/functional.py"):
        return "" if code.co_name.startswith("_") else f"torch.autograd.functional.{code.co_name}"
    if "/torch/_functorch/" in path:  # a wrapper made by the function: told by its qualified name, from Python 3.11 on
        name = getattr(code, "co_qualname", "").partition(".")[0]
        return f"torch.func.{name}" if name in TRANSFORMS else ""
    return ""


TRANSFORMS = frozenset({"grad", "grad_and_value", "vjp", "jvp", "jacrev", "jacfwd", "hessian", "linearize", "vmap"})


@functools.lru_cache(maxsize=1024)
def _positions(code: types.CodeType) -> tuple[Any, ...]:
    if sys.version_info >= (3, 11):
        return tuple(code.co_positions())
    return ()


@functools.lru_cache(maxsize=65536)
def position(code: types.CodeType, offset: int) -> tuple[int, int | None, int | None, int | None]:
    """(line, end line, column, end column) of an instruction; columns in UTF-8 bytes, None before Python 3.11."""
    index = offset // 2
    positions = _positions(code)
    if 0 <= index < len(positions):
        line, end_line, column, end_column = positions[index]
        if line is not None:
            return line, end_line, column, end_column
    return _line(code, offset), None, None, None


def _line(code: types.CodeType, offset: int) -> int:
    line = code.co_firstlineno
    for start, candidate in dis.findlinestarts(code):
        if start > offset:
            break
        line = candidate or line
    return line


def _characters(filename: str, text: str | None, line: int, column: int) -> int:
    """A column in characters from one in UTF-8 bytes."""
    if text is not None:
        lines = text.split("\n")
        whole = lines[line - 1] if line <= len(lines) else ""
    else:
        whole = linecache.getline(filename, line)
    return len(whole.encode()[:column].decode(errors="ignore"))


class Assigned(NamedTuple):
    """A name that a call's result went to: `output` is its index where results were unpacked."""

    name: str
    output: int | None
    code: types.CodeType
    offset: int


PASSES_OTHER_VALUES = re.compile(r"(map|filter|sorted|sum|max|min|reduce|functools\.reduce|list|tuple|dict|zip)\s*\(")
"""Calls that call the user's function but give back something else."""
