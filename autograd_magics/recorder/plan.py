"""Which recorded calls lead from a leaf to a result, and whether each of them can be run again.

`Plan(trace, recipe, root, leaf)` reads rows only and runs nothing; it raises `Refused`, which names what prevents it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from ..trace import Call, Trace
from .recipe import Arguments, Lost, Recipe
from .unseen import FUNCTION

LARGEST = 10_000
"""Elements of a leaf, at most: each takes two runs of the recorded calls."""

LIKE = ("_like", "new_")
"""Names of calls that take only shape and dtype from their input: `zeros_like`, `new_ones`."""

LEAVES = frozenset({"item", "numpy"})
"""Cuts by which numbers leave torch."""


class Refused(Exception):
    """A replay is not possible.  `why` names the reason, `call` or `tensor` the row that prevents it."""

    def __init__(self, why: str, *, call: int | None = None, tensor: int | None = None, **data: Any) -> None:
        super().__init__(why)
        self.why, self.call, self.tensor, self.data = why, call, tensor, data


class Step(NamedTuple):
    """One call to run again."""

    call: int
    name: str
    function: Any
    arguments: Arguments
    changed: tuple[tuple[int, int], ...]
    """What it changes in place: (row before, row after)."""
    outputs: tuple[int, ...]
    """Rows of the other tensors that it gives back, in order."""
    grad: bool
    """Whether gradients were enabled."""


class Plan:
    """The calls between a leaf and a result, in order, and the rows that stay as they are."""

    def __init__(self, trace: Trace, recipe: Recipe, root: int, leaf: int) -> None:
        """root: row of the result; leaf: the object whose gradient is meant.  Raises Refused."""
        self.trace, self.recipe, self.root = trace, recipe, root
        ancestors, rows = self._ancestors(root, leaf)
        self.leaf = self._leaf_row(rows, leaf)
        self.leaf_rows = frozenset(row for row in rows if trace.tensors[row].object == leaf and trace.tensors[row].leaf)
        self._check_ends()
        self.moving = self._moving(trace.calls[: max(ancestors, default=-1) + 1])
        """Rows whose values follow the leaf's."""
        path = [call for call in ancestors if not self.moving.isdisjoint(trace.calls[call].outputs)]
        self._check_known(rows, leaf)
        if root not in self.moving:
            raise Refused("unreachable", tensor=self.leaf)
        self.steps = tuple([self._step(trace.calls[call]) for call in path])
        self.constants = self._constants()
        """Rows that the steps take and that do not follow the leaf."""
        self.last_used = self._last_used()
        """By call: the rows that no later step takes."""

    # -- the way from the leaf to the root -----------------------------------------------------
    def _ancestors(self, root: int, leaf: int) -> tuple[list[int], set[int]]:
        """The calls behind a row as far as states of the leaf, in order, and all rows they give and take."""
        tensors, calls = self.trace.tensors, self.trace.calls
        queue, found, rows = [root], set(), {root}
        for row in queue:
            call = tensors[row].call
            if (tensors[row].object == leaf and tensors[row].leaf) or call is None or call in found:
                continue
            found.add(call)
            for one in calls[call].inputs:
                if one not in rows:
                    rows.add(one)
                    queue.append(one)
        return sorted(found), rows

    def _leaf_row(self, rows: Iterable[int], leaf: int) -> int:
        """The one state of the leaf that is used."""
        tensors = self.trace.tensors
        used = sorted(row for row in rows if tensors[row].object == leaf and tensors[row].leaf)
        if not used:
            raise self._unreachable(leaf)
        if len({(tensors[row].version, tensors[row].storage) for row in used}) > 1:
            later = next(row for row in used if tensors[row].version != tensors[used[0]].version or row == used[-1])
            by = tensors[later].call
            raise Refused("leaf_changed" if by is None else "leaf_changed_by", tensor=used[0], call=by)
        return used[-1]

    def _unreachable(self, leaf: int) -> Refused:
        """Why no recorded call leads from the leaf to the root: another recording may have them."""
        row = next((t.id for t in self.trace.tensors if t.object == leaf), self.root)
        _, rows = self._ancestors(self.root, leaf)
        for one in sorted(rows):
            if self._reaches(one, leaf):
                return Refused("earlier", tensor=one)
        return Refused("unreachable", tensor=row)

    def _reaches(self, row: int, leaf: int) -> bool:
        """Whether autograd's graph leads from a tensor that no recorded call made to the leaf."""
        tensor, nodes = self.trace.tensors[row], self.trace.nodes
        if tensor.call is not None or tensor.node is None:
            return False
        queue, seen = [tensor.node], {tensor.node}
        for node in queue:
            behind = nodes[node].leaf
            if behind is not None and self.trace.tensors[behind].object == leaf:
                return True
            for parent, _ in nodes[node].edges:
                if parent is not None and parent not in seen:
                    seen.add(parent)
                    queue.append(parent)
        return False

    def _check_ends(self) -> None:
        """The leaf and the root must be of a kind that has a gradient to compare."""
        leaf, root = self.trace.tensors[self.leaf], self.trace.tensors[self.root]
        if not leaf.dtype.startswith(("float", "bfloat")) or not root.dtype.startswith(("float", "bfloat")):
            raise Refused("dtype", tensor=self.leaf, dtype=leaf.dtype)
        if _numel(root.shape) != 1:
            raise Refused("no_scalar", tensor=self.root)
        if _numel(leaf.shape) > LARGEST:
            raise Refused("large", tensor=self.leaf, n=_numel(leaf.shape), most=LARGEST)
        if _numel(leaf.shape) == 0:
            raise Refused("empty", tensor=self.leaf)

    def _check_known(self, rows: Iterable[int], leaf: int) -> None:
        """No way from the leaf may lead past the recorded calls, or through memory that was changed behind a tensor."""
        for row in sorted(rows):
            if self._reaches(row, leaf):
                raise Refused("earlier", tensor=row)
            call = self.trace.tensors[row].call
            if call is None or row in self.leaf_rows or row in self.trace.calls[call].outputs:
                continue
            if not self.moving.isdisjoint(self.trace.calls[call].inputs):
                raise Refused("alias", call=call)

    def _moving(self, calls: Iterable[Call]) -> set[int]:
        """Every row up to the root that follows the leaf."""
        moving = set(self.leaf_rows)
        for call in calls:
            if moving.isdisjoint(call.inputs) or call.name.endswith(LIKE[0]) or call.name.startswith(LIKE[1]):
                continue
            moving.update(call.outputs)
        return moving

    # -- what a call needs ---------------------------------------------------------------------
    def _step(self, call: Call) -> Step:
        """How to run a call again."""
        if call.qualified == FUNCTION:
            raise Refused("custom", call=call.id)
        if call.qualified == "unseen":
            raise Refused("unseen", call=call.id)
        if call.name == "step" and call.qualified.startswith("torch.optim."):
            raise Refused("stepped", call=call.id)
        if call.qualified == "torch.autograd.grad":
            raise Refused("backward", call=call.id)
        if call.error is not None or call.name == "data=":
            raise Refused("function", call=call.id)
        tensors = self.trace.tensors
        try:
            function, arguments = self.recipe.function(self.trace, call.id), self.recipe.arguments(self.trace, call.id)
        except Lost as lost:
            raise Refused(lost.why, call=call.id) from None
        before = {tensors[row].object: row for row in call.inputs} if call.inplace else {}
        changed = [row for row in call.outputs if tensors[row].object in before and row not in call.inputs]
        rest = tuple([row for row in call.outputs if row not in changed])
        pairs = tuple([(before[tensors[row].object], row) for row in changed])
        return Step(call.id, call.name, function, arguments, pairs, rest, call.grad_enabled)

    def _constants(self) -> tuple[int, ...]:
        """The rows that the steps take and that do not follow the leaf."""
        made = {row for step in self.steps for row in self._made(step)} | self.leaf_rows
        taken = (row for step in self.steps for row in self.trace.calls[step.call].inputs)
        return tuple(dict.fromkeys(row for row in taken if row not in made))

    def _last_used(self) -> dict[int, list[int]]:
        calls = self.trace.calls
        last = {row: step.call for step in self.steps for row in (*calls[step.call].inputs, *self._made(step))}
        found: dict[int, list[int]] = {}
        for row, call in last.items():
            if row != self.root:
                found.setdefault(call, []).append(row)
        return found

    def _made(self, step: Step) -> Iterator[int]:
        yield from step.outputs
        yield from (after for _, after in step.changed)

    def remade(self, row: int) -> Step | None:
        """How to compute a row that does not follow the leaf and whose value is gone; None where nothing tells."""
        call = self.trace.tensors[row].call
        if call is None or row not in self.trace.calls[call].outputs:
            return None
        return self._step(self.trace.calls[call])

    def left(self) -> tuple[int, ...]:
        """Calls by which the program saw numbers that follow the leaf: what it did with them is not run again."""
        calls, last = self.trace.calls, self.steps[-1].call if self.steps else -1
        used = {row for call in calls[: last + 1] for row in call.inputs}
        found = []
        for call in calls[: last + 1]:
            if self.moving.isdisjoint(call.inputs):
                continue
            asked = [row for row in call.outputs if self.trace.tensors[row].dtype == "bool" and row not in used]
            if call.cut in LEAVES or asked:
                found.append(call.id)
        return tuple(found)

    def cuts(self) -> tuple[int, ...]:
        """Calls on the way that autograd does not see: cuts, and changes in place where gradients were disabled."""
        calls = self.trace.calls
        return tuple([step.call for step in self.steps if calls[step.call].cut is not None or not step.grad])


def _numel(shape: Iterable[int]) -> int:
    count = 1
    for size in shape:
        count *= size
    return count
