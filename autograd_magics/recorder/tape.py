"""The one thing that changes while a cell runs: rows in the making, in the order in which things happened.

Probes append drafts to a `Tape`; `freeze` turns them into a `Trace` when the cell is over.  Appending
is all that may happen on another thread (the engine's device threads), and a list's append is atomic.
"""

from __future__ import annotations

import itertools
import types
import uuid
from dataclasses import dataclass, field
from typing import Any

from .sources import Places, Site, Sites, SourceBook


@dataclass(slots=True)
class CallDraft:
    """A call as the probe saw it."""

    at: int
    end: int
    name: str
    qualified: str
    site: Site
    inputs: list[int]
    slots: list[Any]
    """Position or keyword of each input."""
    constants: list[tuple[str, Any]]
    outputs: list[int]
    nodes: list[int]
    inplace: bool
    grad_enabled: bool
    cut: str | None
    error: tuple[str, str] | None


@dataclass(slots=True)
class NodeDraft:
    """A node as it is known so far."""

    at: int
    name: str
    call: int | None
    origin: str
    site: Site | None
    edges: tuple[tuple[int | None, int], ...]
    leaf: int | None
    order: int
    freed_by: int | None = None
    freed_at: int | None = None
    freed_site: Site | None = None
    has_saved: bool = False


@dataclass
class BackwardDraft:
    """A run of the engine as it is known so far."""

    at: int
    kind: str
    site: Site
    roots: list[int]
    gradients: list[Any]
    inputs: list[int] | None
    retain_graph: bool
    create_graph: bool
    order: int
    end: int = 0
    results: list[int | None] = field(default_factory=list)
    error: tuple[str, str] | None = None
    failed_node: int | None = None


class Tape:
    """Drafts of all rows, and the clock that orders them."""

    def __init__(self, book: SourceBook, base: types.CodeType | None, limit: int) -> None:
        self.run = uuid.uuid4().hex
        self.limit = limit
        self.places = Places(book)
        self.book = book
        self.sites = Sites(book.main, base)
        self.storages: list[tuple[int, Any]] = []
        self.tensors: list[tuple[Any, ...]] = []
        self.names: list[tuple[int, str, int, Any, str]] = []
        self.calls: list[CallDraft] = []
        self.accesses: list[tuple[Any, ...]] = []
        self.nodes: list[NodeDraft] = []
        self.saved: list[tuple[Any, ...]] = []
        self.backwards: list[BackwardDraft] = []
        self.steps: list[tuple[Any, ...]] = []
        self.changes: list[tuple[Any, ...]] = []
        self.warnings: list[tuple[int, str, str, Site]] = []
        self.origins: dict[int, Any] = {}
        """By object: what an earlier recording remembers of a tensor (`memory.Origin`)."""
        self.dropped = 0
        self.problem: str | None = None
        self.tick = itertools.count().__next__

    def full(self) -> bool:
        """Whether the limit of recorded calls is reached."""
        return len(self.calls) >= self.limit
