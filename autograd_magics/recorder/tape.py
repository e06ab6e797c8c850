"""The one thing that changes while a cell runs: rows in the making, in the order in which things happened.

Probes append drafts to a `Tape`; `freeze` turns them into a `Trace` when the cell is over.  Appending
is all that may happen on another thread (the engine's device threads), and a list's append is atomic.
"""

from __future__ import annotations

import itertools
import types
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from .alive import Alive
from .sources import Places, Site, Sites, SourceBook

_MODULE: Any = torch.nn.Module
MODULE_CALL: types.CodeType = getattr(_MODULE, "_wrapped_call_impl", _MODULE._call_impl).__code__
"""The method that every call of a module goes through."""


@dataclass(slots=True)
class CallDraft:
    """A call as the probe saw it."""

    at: int
    end: int
    name: str
    qualified: str
    site: Site
    inputs: Sequence[int]
    slots: Sequence[Any]
    """Position or keyword of each input."""
    constants: Sequence[tuple[Any, Any]]
    outputs: Sequence[int]
    inplace: bool
    grad_enabled: bool
    cut: str | None
    error: tuple[str, str] | None
    scope: Any = None
    """The call of a module that it was part of (`scopes.ScopeDraft`)."""


class NodeDraft:
    """A node as it is known so far; kept in the node's own `metadata`, so that later cells know it too."""

    __slots__ = (
        "run", "row", "at", "name", "call", "origin", "site", "edges", "leaf", "order", "freed_by", "freed_at",
        "freed", "has_saved", "versions", "hooks", "hooked",
    )  # fmt: skip

    def __init__(
        self, run: str, row: int, at: int, name: str, call: int | None, origin: str, site: Site | None,
        edges: tuple[tuple[int | None, int], ...], leaf: int | None, order: int,
    ) -> None:  # fmt: skip
        self.run = run
        self.row = row
        self.at = at
        self.name = name
        self.call = call
        self.origin = origin
        self.site = site
        self.edges = edges
        self.leaf = leaf
        self.order = order
        self.freed_by: int | None = None
        self.freed_at: int | None = None
        self.freed: Site | None = None
        """Where the backward was called that freed its saved tensors, also in an earlier recording."""
        self.has_saved = False
        self.versions: dict[str, int] | None = None
        """By slot: PyTorch's version counter of a saved tensor when it was saved, where it was not 0."""
        self.hooks: dict[int, Any] | None = None
        """The dict of hooks that the node was given (`hooks`); empty but while the engine runs."""
        self.hooked = False
        """Whether the user put a hook on a tensor that it gave."""


@dataclass(slots=True)
class BackwardDraft:
    """A run of the engine as it is known so far."""

    at: int
    kind: str
    site: Site
    roots: Sequence[int]
    gradients: Sequence[Any]
    inputs: Sequence[int] | None
    retain_graph: bool
    create_graph: bool
    order: int
    end: int = 0
    results: Sequence[int | None] = ()
    error: tuple[str, str] | None = None
    failed_node: int | None = None
    given: Sequence[int | None] = ()


class Tape:
    """Drafts of all rows, and the clock that orders them."""

    def __init__(self, book: SourceBook, base: types.CodeType | None, limit: int) -> None:
        self.run = uuid.uuid4().hex
        self.limit = limit
        self.places = Places(book)
        self.book = book
        self.sites = Sites(book.main, base, MODULE_CALL)
        self.storages: list[tuple[int, Any]] = []
        self.tensors: list[tuple[Any, ...]] = []
        self.names: list[tuple[int, str, int, int | None, str]] = []
        self.calls: list[CallDraft] = []
        self.accesses: list[tuple[Any, ...]] = []
        self.nodes: list[NodeDraft] = []
        self.saved: list[tuple[Any, ...]] = []
        self.backwards: list[BackwardDraft] = []
        self.steps: list[tuple[Any, ...]] = []
        self.changes: list[tuple[Any, ...]] = []
        self.hooks: list[tuple[int, int, str, str, Site]] = []
        """Hooks put on tensors: (at, tensor row, kind, name of the function, site)."""
        self.loops: list[tuple[Any, ...]] = []
        """Dropped iterations: (at, site, how many, losses, leaves, norms of their gradients, calls, carried)."""
        self.turns: list[int] = []
        """When rows begin that a light loop put there for an iteration."""
        self.within: Any = None
        """The scope of the last of them, where the loop ended in the midst of an iteration."""
        self.carried: list[tuple[int, int]] = []
        """Tensors taken over from a dropped iteration: (row, row of the same tensor one iteration later)."""
        self.warnings: list[tuple[int, str, str, Site]] = []
        self.optimizers: list[Any] = []
        self.optimizer_steps: list[Any] = []
        self.alive = Alive(self)
        self.holders: list[tuple[Any, ...]] = []
        self.origins: dict[int, Any] = {}
        """By object: what an earlier recording remembers of a tensor (`memory.Origin`)."""
        self.stepping = False
        """Whether one of torch's own optimizers is making a step that is noted as a whole."""
        self.dropped = 0
        self.problem: str | None = None
        self.tick = itertools.count().__next__

    def full(self) -> bool:
        """Whether the limit of recorded calls is reached."""
        return len(self.calls) >= self.limit
