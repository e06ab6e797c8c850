"""How values reach a tensor past autograd's graph: through cuts, plain numbers and arrays.

* `cuts_behind(graph)`: by tensor row, the cuts that its value came through, and what became of each on the way.
* `leaves_behind(graph, call)`: the leaves that lie behind a cut.
* `learned(graph)`: the objects that received a gradient in this trace.

Everything is computed in one pass over the calls and kept for each graph.
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from ..graph import Graph
from ..trace import Backward, Call, Name, Tensor
from .exits import Exits

T = TypeVar("T")

CONSTANT, PASSED = -1, -2
"""What became of a cut value: alone, or taken into something nonlinear, where it decides the gradients of others.
A number from 0 on is the call that merely added it to something that requires grad: there it changes no gradient."""

CUTS_KEPT = 16
"""Cuts followed of one tensor: a loss through more of them names the first ones."""

ADDING = frozenset(
    "add add_ sub sub_ rsub __radd__ __rsub__ __add__ __sub__ __iadd__ __isub__ subtract neg sum mean stack cat hstack "
    "vstack concat concatenate reshape view squeeze unsqueeze flatten expand permute transpose t contiguous clone to "
    "float double half type select __getitem__ unbind nansum positive".split()
)
"""Calls that are linear in every input: what is added in them stays an added constant."""

INDEXING = frozenset({"__getitem__", "select"})
"""Those of them whose other inputs say where, not what."""

SCALING = frozenset("mul mul_ __mul__ __rmul__ __imul__ multiply div div_ true_divide divide __truediv__".split())
"""Calls that are linear in their first input, or in either, as long as the other requires no grad."""

OVERWRITING = frozenset({"zero_", "fill_", "copy_"})
"""In-place calls whose result does not depend on what was there."""

Fate = dict[int, int]
"""By id of the call that cut: `CONSTANT`, `PASSED`, or the call that added it to the rest."""


def once(function: Callable[[Graph], T]) -> Callable[[Graph], T]:
    """Compute something of a graph once, for as long as the graph lives."""
    known: weakref.WeakKeyDictionary[Graph, T] = weakref.WeakKeyDictionary()

    @functools.wraps(function)
    def remembered(graph: Graph) -> T:
        if graph not in known:
            known[graph] = function(graph)
        return known[graph]

    return remembered


@once
def cuts_behind(graph: Graph) -> Mapping[int, Fate]:
    """By tensor row: the cuts that its value came through; rows without any are missing."""
    return _Pass(graph).run()


@once
def learned(graph: Graph) -> frozenset[int]:
    """Objects that received a gradient in this trace, or held one from before."""
    trace = graph.trace
    found = {change.object for change in trace.changes if change.after is not None}
    found |= {trace.tensors[t].object for b in trace.backwards if b.error is None for t in b.inputs or ()}
    roots = [t.node for b in trace.backwards if b.error is None and b.inputs is None
             for t in map(trace.tensors.__getitem__, b.roots) if t.node is not None]  # fmt: skip
    leaves = [node.leaf for node in graph.reachable(roots) if node.leaf is not None]
    return frozenset(found | {trace.tensors[leaf].object for leaf in leaves})


@once
def reached_by(graph: Graph) -> Mapping[int, Backward]:
    """By object of a leaf: the first successful backward from it, or through the graph to it."""
    found: dict[int, Backward] = {}
    rows = graph.trace.tensors
    for backward in graph.trace.backwards:
        if backward.error is None:
            roots = [rows[t] for t in backward.roots]
            nodes = graph.reachable(t.node for t in roots if t.node is not None)
            leaves = [rows[n.leaf] for n in nodes if n.leaf is not None]
            for leaf in (*(t for t in roots if t.leaf), *leaves):
                found.setdefault(leaf.object, backward)
    return found


def leaves_behind(graph: Graph, call: Call) -> list[Tensor]:
    """The leaves that require grad and lie behind a call, nearest first, one row of each."""
    rows = [graph.trace.tensors[t] for t in call.inputs]
    found = [row for row in rows if row.leaf and row.requires_grad]
    nodes = [row.node for row in rows if row.node is not None]
    found += [graph.trace.tensors[n.leaf] for n in graph.reachable(nodes) if n.leaf is not None]
    return list({row.object: row for row in reversed(found)}.values())[::-1]


class _Pass:
    """One pass over the calls in order, with the numbers and arrays that left torch on the way."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._rows = graph.trace.tensors
        self._fates: dict[int, Fate] = {}
        self._by_storage: dict[int, Fate] = {}
        self._exits = Exits(graph)

    def run(self) -> dict[int, Fate]:
        names = iter(sorted((n for n in self._graph.trace.names if n.place is not None), key=lambda n: n.at))
        name: Name | None = next(names, None)
        for call in self._graph.trace.calls:
            while name is not None and name.at < call.at:
                self._exits.assigned(name)
                name = next(names, None)
            self._arrivals(call.inputs, call)
            if call.error is None:
                self._through(call)
        self._arrivals(t for backward in self._graph.trace.backwards for t in backward.roots)
        return self._fates

    def _arrivals(self, tensors: Iterable[int], call: Call | None = None) -> None:
        """Rows that no call made: another state of a known object, the same memory, or an array that came back."""
        for tensor in tensors:
            row = self._rows[tensor]
            if row.call is not None or row.requires_grad and not row.leaf or tensor in self._fates:
                continue
            fate = self._by_storage.get(row.storage) if row.storage is not None else None
            fate = fate or self._exits.into_tensor(row, call)
            if fate:
                self._fates[tensor] = dict.fromkeys(fate, CONSTANT)

    def _through(self, call: Call) -> None:
        inputs = call.inputs[1:] if call.name in OVERWRITING else call.inputs
        given = [(t, self._fates[t]) for t in inputs if t in self._fates and not self._is_leaf(t)]
        if call.name in ("detach", "detach_") and call.cut is None:
            given = []  # said once more: what comes out of here is meant as a constant
        if not call.outputs:
            self._exits.left(call, _merged(given))
            return
        numbers = self._exits.into(call) if self._exits else {}
        cut = call.cut is not None or any(self._is_lost(call, t) for t in call.outputs)
        for output in call.outputs:
            fate = self._fate(call, self._rows[output], given, numbers)
            if cut and self._rows[output].leaf:
                fate[call.id] = CONSTANT
            if fate:
                self._fates[output] = dict(list(fate.items())[:CUTS_KEPT])
                if not self._rows[output].requires_grad and (storage := self._rows[output].storage) is not None:
                    self._by_storage[storage] = self._fates[output]

    def _is_leaf(self, tensor: int) -> bool:
        """Whether the way ends here: a leaf gets gradients of its own, whatever it was computed from."""
        return self._rows[tensor].leaf and self._rows[tensor].requires_grad

    def _is_lost(self, call: Call, output: int) -> bool:
        """Whether a new leaf was made of values that had a history: `torch.tensor(loss, requires_grad=True)`."""
        row = self._rows[output]
        if not self._is_leaf(output) or row.id in call.inputs or call.name not in ("tensor", "as_tensor"):
            return False
        return any(self._rows[t].requires_grad for t in call.inputs)

    def _fate(self, call: Call, out: Tensor, given: list[tuple[int, Fate]], numbers: Fate) -> Fate:
        """What becomes of each cut value in one output of a call."""
        found: Fate = {}
        for tensor, fate in given:
            for cut, state in fate.items():
                found[cut] = _worse(found.get(cut), self._state(call, out, self._rows[tensor], state))
        for cut in numbers:
            state = CONSTANT if not out.requires_grad or out.leaf else PASSED
            if state == PASSED and call.name in ADDING - INDEXING:
                state = call.id
            found[cut] = _worse(found.get(cut), state)
        return found

    def _state(self, call: Call, out: Tensor, row: Tensor, state: int) -> int:
        if not out.requires_grad or out.leaf:
            return CONSTANT
        if state == PASSED or call.name in INDEXING and row.id != call.inputs[0]:
            return PASSED
        if call.name in ADDING:
            return call.id if state == CONSTANT else state
        if state != CONSTANT and call.name in SCALING:
            others = [self._rows[t] for t in call.inputs if t != row.id]
            divisor = call.name.lstrip("_").startswith(("div", "true")) and call.inputs[0] != row.id
            return state if not divisor and not any(other.requires_grad for other in others) else PASSED
        return PASSED


def _worse(one: int | None, other: int) -> int:
    """Of two ways the same cut came in: the one by which it decides more."""
    if one is None or one == CONSTANT or other == PASSED:
        return other if one is None or other != CONSTANT else one
    return one


def _merged(given: list[tuple[int, Fate]]) -> Fate:
    found: Fate = {}
    for _, fate in given:
        found |= dict.fromkeys(fate, CONSTANT)
    return found


def names_of(graph: Graph, tensors: Iterable[Tensor]) -> list[str]:
    """The names of tensors that have one, each once."""
    return list(dict.fromkeys(name for t in tensors if (name := graph.name(t.id))))


def all_zero(value: Any) -> bool:
    """Whether a known value holds nothing but zeros."""
    if isinstance(value, (list, tuple)):
        return bool(value) and all(all_zero(item) for item in value)
    return value is not None and value == 0
