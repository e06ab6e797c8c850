"""What was still held when the recording ended: why, and by which variables, hooks and `.grad`s.

`keepers(held)` gives a `Keeper` for each; `with_graph_of_grad(graph)` finds leaves and gradients that hold each other.
"""

from __future__ import annotations

import functools
import itertools
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from ..graph import Graph
from ..trace import Backward

if TYPE_CHECKING:
    from . import Amount, Held

NEAR = 1000
"""Nodes looked at to see whether a variable leads to anything that is held."""


class Keeper(NamedTuple):
    """Why some of the memory was still held at the end, and by whom."""

    why: str
    """`"retained"` (a backward that kept the graph), `"created"` (made by a backward with `create_graph`), `"failed"`
    (a backward that did not finish), `"unused"` (no backward went there)."""
    backward: int | None
    names: tuple[str, ...]
    """Variables through which it stays, the first of all of it, others of a part; a list stands for its items."""
    tensor: int | None
    """What the first of them stands for."""
    hook: str
    """The hook that has that variable, empty for a variable of the user's."""
    of_grad: bool
    """It is the `.grad` of a leaf that leads there, which only clearing it ends."""
    amount: Amount


class Reach(NamedTuple):
    """Something that leads to nodes which still hold memory."""

    name: str
    tensor: int
    hook: str
    of_grad: bool
    nodes: frozenset[int]
    also: dict[str, int]
    """Others that may lead to a part of it, each with its node."""


def keepers(held: Held) -> tuple[Keeper, ...]:
    """What was still held at the end, by why and by whom, most first; a storage counts in each that holds it."""
    return _Keepers(held).all()


class _Keepers:
    """Finds them."""

    def __init__(self, held: Held) -> None:
        self.held, self.graph, self.trace = held, held.graph, held.trace

    def all(self) -> tuple[Keeper, ...]:
        """What was still held at the end, by why and by whom, most first; a storage counts in each that holds it."""
        parts: dict[tuple[str, int | None], set[int]] = defaultdict(set)
        for row in self.held.kept:
            parts[self._why(row.node)].add(row.node)
        found: list[Keeper] = []
        for (why, backward), nodes in parts.items():
            left = set(nodes)
            for one in self._reaches:
                mine = left & one.nodes
                left -= mine
                if mine:
                    also = (name for name, node in one.also.items() if self._leads(node, mine))
                    names = (one.name, *also)
                    found.append(Keeper(why, backward, names, one.tensor, one.hook, one.of_grad, self._behind(mine)))
            if left:
                found.append(Keeper(why, backward, (), None, "", False, self._behind(left)))
        return tuple(sorted((one for one in found if one.amount.bytes), key=lambda one: -one.amount.bytes))

    def _behind(self, nodes: set[int]) -> Amount:
        return self.held.amount(row for row in self.held.kept if row.node in nodes)

    def _why(self, node: int) -> tuple[str, int | None]:
        """Why a node still held what it saved, and the backward that is to be told of it."""
        made_by = self.held.made_by(node)
        steps = self.graph.steps_of(node)
        if steps:
            last = self.trace.backwards[steps[-1].backward]
            return ("retained" if last.error is None else "failed"), last.id
        return ("unused", None) if made_by is None else ("created", made_by.id)

    @functools.cached_property
    def _reaches(self) -> list[Reach]:
        """What variables and `.grad`s lead to; each node only in the first, which is the one that was computed last."""
        wanted = {row.node for row in self.held.kept}
        seen: dict[int, int] = {}
        found: list[Reach] = []
        for name, tensor, hook, of_grad, roots in self._starts() if wanted else ():
            inside = seen.get(roots[0], -1)
            if inside >= 0:
                if name != found[inside].name:
                    found[inside].also.setdefault(name, roots[0])
                continue
            mine = self._spread(roots, seen, len(found))
            same = next((i for i, one in enumerate(found) if one.name == name), None)
            if same is not None:  # another item of the same container
                mine |= found[same].nodes
                seen.update(dict.fromkeys(mine, same))
                found[same] = found[same]._replace(nodes=mine & wanted)
            else:
                found.append(Reach(name, tensor, hook, of_grad, mine & wanted, {}))
        return found

    def _starts(self) -> Iterator[tuple[str, int, str, bool, list[int]]]:
        """(name, tensor, hook, whether a `.grad`, nodes) of what may lead to a graph, what was computed last first."""
        rows = [(row, node) for row in self.trace.holders if (node := self.trace.tensors[row.tensor].node) is not None]
        bases = Counter(_container(row.name) for row, _ in rows)
        for row, node in sorted(rows, key=lambda one: (bool(one[0].hook), -one[1])):
            base = _container(row.name)
            yield (base if bases[base] > 1 else row.name), row.tensor, row.hook, False, [node]
        for backward in with_graph_of_grad(self.graph):
            made = [node.id for node in self.trace.nodes if self.held.made_by(node.id) == backward]
            for change in self.trace.changes if made else ():
                if change.backward == backward.id and (name := self.graph.object_name(change.object)) is not None:
                    yield f"{name}.grad", change.tensor, "", True, made[::-1]

    def _spread(self, roots: Iterable[int], seen: dict[int, int], number: int) -> frozenset[int]:
        """The nodes behind some that were not seen yet; now they are."""
        queue = [node for node in dict.fromkeys(roots) if node not in seen]
        seen.update(dict.fromkeys(queue, number))
        for node in queue:
            for parent, _ in self.trace.nodes[node].edges:
                if parent is not None and parent not in seen:
                    seen[parent] = number
                    queue.append(parent)
        return frozenset(queue)

    def _leads(self, node: int, wanted: set[int]) -> bool:
        """Whether a node leads to one of the wanted, near enough to be found at once."""
        near = itertools.islice(self.graph.reachable([node]), NEAR)
        return any(one.id in wanted for one in near)


def _container(name: str) -> str:
    """`"losses"` for `"losses[3]"`."""
    return name[: name.rindex("[")] if name.endswith("]") and "[" in name else name


def with_graph_of_grad(graph: Graph) -> Iterator[Backward]:
    """The runs of `backward(create_graph=True)` after which a `.grad` still holds a graph."""
    made = [n.at for n in graph.trace.nodes if n.origin == "backward"]
    for backward in graph.trace.backwards:
        if backward.kind == "autograd.grad" or not backward.create_graph or backward.error is not None:
            continue
        objects = {c.object for c in graph.trace.changes if c.backward == backward.id}
        freed = {c.object for c in graph.trace.changes if c.at > backward.end and c.kind in ("cleared", "set")}
        if objects - freed and any(backward.at < one < backward.end for one in made):
            yield backward
