"""Which call of which module a call of torch belongs to, read from the frames that it came through.

* `Scopes.at(frame, site)`: the call of a module that is running there; on the hot path.
* `Scopes.rows(roots)`: the table `scopes`, and for each call of torch the row of its scope.

Module hooks would change the frames that a user sees in a traceback, and compiled code is guarded by them; the frames
are there anyway.  A call of a module is told from the next one of the same module by the dict of keyword arguments
that Python makes anew for each: an empty one can be held on to without keeping anything else.
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from typing import Any

import torch

from ..trace import Scope
from .names import submodules
from .sources import Site
from .tape import Tape


class ScopeDraft:
    """A call of a module as it is known so far."""

    __slots__ = ("parent", "module", "site", "depth", "given")

    def __init__(self, parent: ScopeDraft | None, module: int, site: Site, depth: int, given: Any) -> None:
        self.parent = parent
        self.module = module
        self.site = site
        """Of the first call of torch in it."""
        self.depth = depth
        """How many frames further out the module was called."""
        self.given = given
        """What tells this call from others while it runs."""


class ModuleDraft:
    """A module, with the way from the outermost one to it; its None where it is an outermost one."""

    __slots__ = ("ref", "type", "path")

    def __init__(self, module: torch.nn.Module, path: tuple[int, str] | None) -> None:
        self.ref = weakref.ref(module)
        self.type = type(module).__name__
        self.path = path
        """(number of the outermost module, `".h[3].attn"`)"""


class Scopes:
    """Calls of modules while they run, and all that were seen."""

    def __init__(self, tape: Tape) -> None:
        self._tape = tape
        self._running: list[ScopeDraft] = []
        """Those around the last call of torch that was in any, outermost first."""
        self._numbers: dict[int, int] = {}
        """By `id` of a module: its number, good only while the draft's reference leads back to it."""
        self._modules: list[ModuleDraft] = []
        self._places: dict[tuple[Site, int], int | None] = {}
        self._spelled: dict[int, str] = {}
        """By number of a module: its path."""
        self._paths: dict[int, str] = {}
        """By `id` of a module: its path in the outermost module that was seen last."""

    # -- while the cell runs -------------------------------------------------------------------
    def at(self, frame: Any, site: Site) -> ScopeDraft | None:
        """The innermost call of a module around a frame, whose site this is."""
        depths = site.modules
        if not depths:
            return None
        running, count = self._running, len(depths)
        innermost = _locals(frame, depths[0])
        if len(running) >= count and _same(running[count - 1].given, innermost):
            del running[count:]
            return running[-1]
        if count > 1 and len(running) == count and self._tape.within is None:  # nearly always its neighbour
            parent = running[count - 2]
            if _same(parent.given, _locals(frame, depths[1])):
                module = self._module(innermost["self"], parent)
                draft = running[-1] = ScopeDraft(parent, module, site, depths[0], _given(innermost))
                return draft
        return self._enter(frame, site, innermost)

    def _enter(self, frame: Any, site: Site, innermost: Mapping[str, Any]) -> ScopeDraft:
        depths, running = site.modules, self._running
        found = [innermost, *[_locals(frame, depth) for depth in depths[1:]]][::-1]
        level = 0
        while level < min(len(running), len(found)) and _same(running[level].given, found[level]):
            level += 1
        adopted = self._adopted(found, level)
        del running[level:]
        running += adopted
        for i in range(len(running), len(found)):
            parent = running[-1] if running else None
            module = self._module(found[i]["self"], parent)
            running.append(ScopeDraft(parent, module, site, depths[-1 - i], _given(found[i])))
        return running[-1]

    def _adopted(self, found: list[Mapping[str, Any]], level: int) -> list[ScopeDraft]:
        """A light loop ended in the midst of these calls: they are those that its last call was in."""
        last, self._tape.within = self._tape.within, None
        chain: list[ScopeDraft] = []
        while last is not None:
            chain.insert(0, last)
            last = last.parent
        adopted = []
        for draft, one in zip(chain[level:], found[level:], strict=False):
            if self._number(one["self"]) != draft.module:
                break
            draft.given = _given(one)
            adopted.append(draft)
        return adopted

    def _number(self, module: torch.nn.Module) -> int | None:
        number = self._numbers.get(id(module))
        return number if number is not None and self._modules[number].ref() is module else None

    def _module(self, module: torch.nn.Module, parent: ScopeDraft | None) -> int:
        number = self._number(module)
        if number is None:
            number = self._numbers[id(module)] = len(self._modules)
            path = None
            if parent is None:
                self._paths = submodules("", module)
            elif id(module) in self._paths:
                top = parent
                while top.parent is not None:
                    top = top.parent
                path = top.module, self._paths[id(module)]
            self._modules.append(ModuleDraft(module, path))
        return number

    def any(self) -> bool:
        """Whether a module was called."""
        return bool(self._modules)

    # -- when it is over -----------------------------------------------------------------------
    def rows(self, roots: Mapping[int, str]) -> tuple[tuple[Scope, ...], list[int | None]]:
        """The table, and the row of each call's scope; `roots` says by `id` of a module how the user would write it.

        Calls of torch in a row that came from one call of a module make one row.
        """
        rows: list[Scope] = []
        of_call: list[int | None] = []
        current: list[tuple[ScopeDraft, int]] = []
        counts: dict[int, int] = {}
        turns = iter([*self._tape.turns, None])
        turn = next(turns)
        for call in self._tape.calls:
            while turn is not None and call.at >= turn:
                current, turn = [], next(turns)
            chain: list[ScopeDraft] = []
            draft = call.scope
            while draft is not None:
                chain.insert(0, draft)
                draft = draft.parent
            level = 0
            while level < min(len(chain), len(current)) and chain[level] is current[level][0]:
                level += 1
            del current[level:]
            for one in chain[level:]:
                parent = current[-1][1] if current else None
                index = counts[one.module] = counts.get(one.module, -1) + 1
                rows.append(self._row(len(rows), parent, one, index, roots))
                current.append((one, rows[-1].id))
            of_call.append(current[-1][1] if current else None)
        return tuple(rows), of_call

    def _row(
        self, number: int, parent: int | None, draft: ScopeDraft, index: int, roots: Mapping[int, str]
    ) -> Scope:
        module = self._modules[draft.module]
        path = self._path(draft.module, roots)
        name = path
        above = None if draft.parent is None else self._path(draft.parent.module, roots)
        if above is not None and path.startswith(above) and path != above:
            name = path[len(above) :].lstrip(".")
            name = name[1:-1] if name.startswith("[") and name.count("[") == 1 and name.endswith("]") else name
        return Scope(number, parent, name, path, module.type, draft.module, index, self._place(draft))

    def _place(self, draft: ScopeDraft) -> int | None:
        """Where the user's code called the module."""
        key = draft.site, draft.depth
        if key not in self._places:
            places = self._tape.places.of_chain((draft.site.chain or ())[2 * (draft.depth + 1) :])
            self._places[key] = places[0] if places else None
        return self._places[key]

    def _path(self, number: int, roots: Mapping[int, str]) -> str:
        if number not in self._spelled:
            self._spelled[number] = self._spell(number, roots)
        return self._spelled[number]

    def _spell(self, number: int, roots: Mapping[int, str]) -> str:
        draft = self._modules[number]
        module = draft.ref()
        known = roots.get(id(module)) if module is not None else None
        if known is not None:
            return known
        if draft.path is None:
            return f"{draft.type}()"
        return self._path(draft.path[0], roots) + draft.path[1]


def _locals(frame: Any, depth: int) -> Mapping[str, Any]:
    for _ in range(depth):
        frame = frame.f_back
    return frame.f_locals  # type: ignore[no-any-return]


def _given(found: Mapping[str, Any]) -> Any:
    """What tells a call of a module from others, without keeping tensors alive."""
    given = found["kwargs"]
    return (id(found["self"]), *map(id, found["args"]), *map(id, given.values())) if given else given


def _same(given: Any, found: Mapping[str, Any]) -> bool:
    return given is found["kwargs"] or (type(given) is tuple and given == _given(found))
