"""AG401 to AG403: graphs that stay in memory although nobody needs them any more."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ..graph import Graph
from ..held import Held
from ..held.keepers import with_graph_of_grad
from ..trace import Backward, Call, Place, Tensor
from . import Finding, at, ends, rule, tag
from .expressions import operand

NAMES_SHOWN = 4
"""Names listed in a sentence; more would not be read."""

HOLDERS_ASKED = 200
"""Variables asked one by one whether they lead to a node: each question walks a graph."""

ADDS = {
    "add": "add", "add_": "add", "__radd__": "add", "__iadd__": "add", "sub": "sub", "sub_": "sub", "lerp": "lerp",
    "lerp_": "lerp",
}  # fmt: skip
"""Calls, and what they do, by which a sum or a moving average takes in its next term."""

BETWEEN = 3
"""Calls that may lie between a sum and its last value, or between a term and the loss in it:
`ema = 0.9 * ema + 0.1 * loss`, `total += loss * len(x) / n`."""

SUSPECTED = 3
"""Terms from which on a sum that nobody differentiates is worth a note although none was differentiated either."""

READS = frozenset({"item", "numpy"})
"""Cuts by which a number is only looked at."""

ITEM = re.compile(r"(.+)\[[^\[\]]+\]$")
AUGMENTED = re.compile(r"\s*([A-Za-z_][\w.]*(?:\[[^\[\]]*\])*)\s*[-+]?=[^=]")


@rule("AG401", "note")
def kept_graph(graph: Graph) -> Iterator[Finding]:
    """Backward kept what its graph had saved, and nothing used it again.

    `retain_graph=True` (and `create_graph=True`, which implies it) keeps every saved tensor until the last
    variable that leads to the graph is gone.  It is needed only if another backward goes through the same
    nodes.  Leave it out in the last backward, or let go of the variables.

    Bad::

        x = torch.ones(3, requires_grad=True)
        y = (x * x).sum()
        y.backward(retain_graph=True)

    Good::

        x = torch.ones(3, requires_grad=True)
        y = (x * x).sum()
        y.backward(retain_graph=True)
        y.backward()
    """
    cyclic = {b.id for b in with_graph_of_grad(graph)}
    told: set[Place | None] = set()
    walked = {step.node: step.backward for step in graph.trace.steps}  # by node: the last backward that ran it
    for backward in reversed(graph.trace.backwards):
        place = graph.place(backward.places)
        if not backward.retain_graph or backward.error is not None or backward.id in cyclic or place in told:
            continue
        held = {s.node for s in graph.steps_in(backward.id) if graph.saved_of(s.node) and not graph.is_freed(s.node)}
        if held and not _used_again(graph, backward, held, walked):
            names, nodes = _holders(graph, held)
            size, _ = graph.unique_bytes(s for n in nodes for s in graph.saved_of(n))
            if names and size:
                told.add(place)
                yield _kept(graph, backward, place, names, size)


def _used_again(graph: Graph, backward: Backward, held: set[int], walked: dict[int, int]) -> bool:
    """Whether a later backward, or a direct call of a node, went through the same nodes, or through the graph that
    this one made."""
    if any(walked[node] > backward.id for node in held):
        return True
    if backward.create_graph and any(b.order > backward.order and b.error is None
                                     for b in graph.trace.backwards[backward.id + 1 :]):  # fmt: skip
        return True
    asked = [a.node for a in graph.accesses_of("grad_fn") if a.at > backward.at and a.node is not None]
    return any(n.id in held for n in graph.reachable(asked))  # a node taken in hand may be called: that is not seen


def _holders(graph: Graph, held: set[int]) -> tuple[dict[str, int], set[int]]:
    """(tensor by name, nodes): some variables through which nodes stay alive, and those of the nodes that do."""
    rows = [(h, node) for h in graph.trace.holders if (node := graph.trace.tensors[h.tensor].node) is not None]
    alive = held & {n.id for n in graph.reachable([node for _, node in rows])}
    names: dict[str, int] = {}
    for holder, node in rows[:HOLDERS_ASKED] if alive else ():
        if len(names) < NAMES_SHOWN and any(n.id in held for n in graph.reachable([node])):
            names[holder.name] = holder.tensor
    return names, alive


def _kept(graph: Graph, backward: Backward, place: Place | None, names: dict[str, int], size: int) -> Finding:
    data = {"here": at(place), "bytes": tag("bytes", size), "names": tag("names", list(names))}
    return Finding(
        "AG401", "note", backward.at, data, "create" if backward.create_graph else "", places=ends(place),
        tensors=tuple(names.values()), backwards=(backward.id,),
    )  # fmt: skip


@rule("AG402", "warning")
def growing_history(graph: Graph) -> Iterator[Finding]:
    """A sum or a list takes in a loss with its whole graph, so history grows with every iteration.

    `total += loss` makes `total` a result of every loss so far, and keeps all their graphs alive; so does
    a list of losses.  For a number to print or plot take `loss.item()`, or `loss.detach()` to stay on
    the device.  A sum that backward is called on is meant and is not reported.

    Bad::

        w = torch.ones(3, requires_grad=True)
        total = 0
        for i in range(3):
            w.grad = None
            loss = (w * i).sum()
            loss.backward()
            total += loss

    Good::

        w = torch.ones(3, requires_grad=True)
        total = 0
        for i in range(3):
            w.grad = None
            loss = (w * i).sum()
            loss.backward()
            total += loss.item()
    """
    history = _History(graph)
    if not history.roots:
        return
    found: dict[Place | None, Growth] = {}
    for growth in [*history.sums(), *history.lists()]:
        place = graph.place(growth.place)
        if place not in found or growth.times > found[place].times:
            found[place] = growth
    for place, growth in found.items():
        yield _growing(graph, place, growth)


@dataclass(frozen=True)
class Growth:
    """Something that holds the graphs of several iterations."""

    kind: str
    """`"sum"` or `"list"`."""
    name: str
    term: Tensor
    results: tuple[Tensor, ...]
    """What each iteration left in it."""
    place: tuple[int, ...]
    trained: bool
    """Whether the terms were differentiated one by one: then the whole is only for looking at."""

    @property
    def times(self) -> int:
        """Iterations."""
        return len(self.results)


class _History:
    """Finds what grows."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        trace = graph.trace
        runs = [b for b in trace.backwards if b.error is None and not b.create_graph]
        self.roots = {trace.tensors[r].object for b in runs for r in b.roots}
        self.walked = {s.node for s in trace.steps}

    def sums(self) -> Iterator[Growth]:
        """`total += loss`: calls at one place, each of which takes in the result of the one before."""
        groups: dict[tuple[str, tuple[int, ...]], list[Call]] = defaultdict(list)
        for call in self.graph.trace.calls:
            if call.name in ADDS and call.outputs and self.graph.trace.tensors[call.outputs[0]].node is not None:
                groups[ADDS[call.name], call.places].append(call)
        for calls in groups.values():
            for chain, term in self._chains(calls):
                growth = self._sum(chain, term)
                if growth is not None:
                    yield growth

    def _chains(self, calls: list[Call]) -> Iterator[tuple[list[Call], Tensor]]:
        """Runs of calls that build on each other, each with the last term taken in."""
        chain: list[Call] = calls[:1]
        term: Tensor | None = None
        for before, call in zip(calls, calls[1:], strict=False):
            taken = self._term(before, call)
            if taken is None:
                if term is not None:
                    yield chain, term
                chain, term = [call], None
            else:
                chain.append(call)
                term = taken
        if term is not None:
            yield chain, term

    def _term(self, before: Call, call: Call) -> Tensor | None:
        """What a call adds to the result of the one before; None where it does not build on that."""
        tensors = self.graph.trace.tensors
        total = tensors[before.outputs[0]].object
        builds = [any(t.object == total for t in self._near(one)) for one in call.inputs]
        others = [tensors[t] for t, on in zip(call.inputs, builds, strict=True) if not on]
        return next((t for t in others if t.node is not None and t.at > before.end), None) if any(builds) else None

    def _near(self, tensor: int) -> Iterator[Tensor]:
        """A tensor row and what it was computed from, a few calls back."""
        level = [tensor]
        for _ in range(BETWEEN):
            yield from (self.graph.trace.tensors[t] for t in level)
            makers = [maker for t in level if (maker := self.graph.maker(t)) is not None]
            level = [t for maker in makers for t in maker.inputs]

    def _sum(self, chain: list[Call], term: Tensor) -> Growth | None:
        results = tuple(self.graph.trace.tensors[c.outputs[0]] for c in chain)
        trained = any(t.object in self.roots for t in self._near(term.id))
        if self._differentiated(results) or not (trained or self._only_read(results, term)):
            return None
        return Growth("sum", self._sum_name(chain[-1], results[-1]), term, results, chain[-1].places, trained)

    def _differentiated(self, results: Iterable[Tensor]) -> bool:
        return any(t.node in self.walked or t.object in self.roots for t in results)

    def _sum_name(self, call: Call, result: Tensor) -> str:
        name = self.graph.name(result.id)
        place = self.graph.place(call.places)
        if name is None and place is not None:
            found = AUGMENTED.match(self.graph.line_text(place.source, place.line))
            name = found.group(1) if found else None
        return name or self.graph.label(result.id)

    def _only_read(self, results: tuple[Tensor, ...], term: Tensor) -> bool:
        """A validation loss summed up with gradients on: a number is read out of it, and the weights are trained."""
        graph = self.graph
        if len(results) < SUSPECTED or not self._trains(term):
            return False
        objects = {t.object for t in results}
        reads = [c for c in graph.trace.calls if c.cut in READS and c.at > results[-1].at and c.inputs]
        return any(t.object in objects for c in reads for t in self._near(c.inputs[0]))

    def _trains(self, term: Tensor) -> bool:
        """Whether a backward reached a leaf behind a tensor, before that tensor was made."""
        trace = self.graph.trace
        done = {b.id for b in trace.backwards if b.error is None and not b.create_graph and b.end < term.at}
        reached = {s.node for s in trace.steps if s.backward in done and trace.nodes[s.node].leaf is not None}
        return any(n.id in reached for n in self.graph.reachable([] if term.node is None else [term.node]))

    def lists(self) -> Iterator[Growth]:
        """`losses.append(loss)`: items of one container that were made at one place."""
        groups: dict[tuple[str, tuple[int, ...]], list[Tensor]] = defaultdict(list)
        for holder in self.graph.trace.holders:
            container = ITEM.match(holder.name)
            tensor = self.graph.trace.tensors[holder.tensor]
            call = self.graph.maker(tensor.id)
            if container is not None and call is not None:
                groups[container.group(1), call.places].append(tensor)
        for (name, place), items in groups.items():
            trained = all(any(t.object in self.roots for t in self._near(item.id)) for item in items)
            if len({t.object for t in items}) > 1 and trained and not self._together(items):
                yield Growth("list", name, items[-1], tuple(items), place, True)

    def _together(self, items: list[Tensor]) -> bool:
        """Whether one backward went through several of them, or through none: then they are kept for that."""
        nodes = {t.node for t in items}
        runs = [len(nodes & {s.node for s in self.graph.steps_in(b.id)}) for b in self.graph.trace.backwards]
        return max(runs, default=0) > 1


def _growing(graph: Graph, place: Place | None, growth: Growth) -> Finding:
    roots = [t.node for t in growth.results if t.node is not None]
    nodes = [n for n in graph.reachable(roots) if n.leaf is None]
    amount = Held(graph).amount(s for n in nodes if not graph.is_freed(n.id) for s in graph.saved_of(n.id))
    size = amount.bytes - amount.anyway
    made = graph.tensor_place(growth.term.id)
    result = growth.results[-1]
    data = {
        "name": growth.name, "term": operand(graph, growth.term.id), "here": at(place), "times": growth.times,
        "nodes": round(len(nodes) / growth.times), "bytes": tag("bytes", round(size / growth.times)),
    }  # fmt: skip
    variant = (growth.kind + ("_bytes" if size else "")) if growth.trained else "validation"
    return Finding(
        "AG402", "warning" if growth.trained else "note", growth.results[1].at, data, variant,
        places=ends(place, made), tensors=tuple(dict.fromkeys((result.id, growth.term.id))), nodes=tuple(roots[-1:]),
        calls=(result.call,) if result.call is not None else (),
    )  # fmt: skip


@rule("AG403", "warning")
def grad_with_graph(graph: Graph) -> Iterator[Finding]:
    """`backward(create_graph=True)` left a `.grad` that has a graph of its own, which leads back to its leaf.

    Leaf and gradient then hold each other, and Python's garbage collector cannot see that: the memory is
    lost, again with every call.  `torch.autograd.grad(..., create_graph=True)` gives the gradient back
    instead of storing it.  If it has to be `backward()`, set every `.grad` to None when done.

    Bad::

        x = torch.ones(3, requires_grad=True)
        y = (x ** 3).sum()
        y.backward(create_graph=True)

    Good::

        x = torch.ones(3, requires_grad=True)
        y = (x ** 3).sum()
        (g,) = torch.autograd.grad(y, x, create_graph=True)
        g.sum().backward()
    """
    told: set[Place | None] = set()
    for backward in with_graph_of_grad(graph):
        place = graph.place(backward.places)
        leaves = [c.tensor for c in graph.trace.changes if c.backward == backward.id]
        if place in told:
            continue
        told.add(place)
        names = [name for t in leaves if (name := graph.name(t))]
        data = {"here": at(place), "names": tag("names", names[:NAMES_SHOWN])}
        yield Finding(
            "AG403", "warning", backward.end, data, "" if names else "no_names", places=ends(place),
            tensors=tuple(leaves[:NAMES_SHOWN]), backwards=(backward.id,),
        )  # fmt: skip
