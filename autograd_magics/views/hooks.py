"""What hooks of the user's changed on the way: `Hooked` for each gradient that was one thing before and another after.

* `at_step(graph, step)`, `at_node(graph, node)`, `at_tensor(graph, tensor)`: the changes there.
* `named(phrases, hooks)`: the hooks in words.  `told(phrases, hooked)`: the change in one clause.
* `mark(phrases, node)`: how a box shows that there are hooks, and what its title says of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ..graph import Graph
from ..trace import Backward, Gradient, Hook, Step, Tensor
from . import format
from .phrases import LABEL, Phrases

VALUE = 40
"""Longest value in a title or a caption, in characters."""
LATE = "post_accumulate_grad"
"""Kind of the hooks that run after `.grad` was written."""


class Hooked(NamedTuple):
    """A gradient that hooks changed where it arrived."""

    backward: int
    hooks: tuple[Hook, ...]
    """Those that are known; empty where only what they did was seen."""
    before: Gradient
    after: Gradient


def at_step(graph: Graph, step: Step) -> Hooked | None:
    """What hooks changed at a step."""
    before = graph.before_hooks(step)
    after = step.received[0] if step.received else None
    if before is None or after is None:
        return None
    return Hooked(step.backward, _early(graph, step.node, step.at), before, after)


def at_node(graph: Graph, node: int) -> tuple[Hooked, ...]:
    """What hooks changed at a node, in order; also of what `autograd.grad` took there without running it."""
    found = [at_step(graph, step) for step in graph.hooked_steps(node)]
    found += [at_result(graph, row, tensor) for row, tensor in graph.asked_at(node)]
    return tuple(one for one in found if one is not None)


def at_result(graph: Graph, backward: Backward, tensor: int) -> Hooked | None:
    """What hooks changed of the result of an `autograd.grad` for one of its inputs."""
    before = graph.before_result(backward, tensor)
    node = node_of(graph, graph.trace.tensors[tensor])
    result = dict(zip(backward.inputs or (), backward.results, strict=False)).get(tensor)
    if before is None or node is None or result is None:
        return None
    after = before._replace(value=graph.trace.tensors[result].value)
    return Hooked(backward.id, _early(graph, node, backward.end), before, after)


def at_tensor(graph: Graph, row: Tensor) -> dict[int, Hooked]:
    """By backward: what hooks on a tensor changed."""
    node = node_of(graph, row)
    return {} if node is None or row.output_nr else {one.backward: one for one in at_node(graph, node)}


def node_of(graph: Graph, row: Tensor) -> int | None:
    """The node at which the gradient of a tensor arrives."""
    return row.node if row.node is not None else graph.accumulator(row.object)


def late(graph: Graph, node: int, at: int | None = None) -> tuple[Hook, ...]:
    """The hooks that run after the `.grad` of a leaf was written; with `at`, those that were there by then."""
    return tuple(hook for hook in graph.hooks_of(node) if hook.kind == LATE and (at is None or hook.at < at))


def _early(graph: Graph, node: int, at: int) -> tuple[Hook, ...]:
    """The hooks that were there at a time and may change what flows."""
    return tuple(hook for hook in graph.hooks_of(node) if hook.kind != LATE and hook.at < at)


# -- words -------------------------------------------------------------------------------------
def named(phrases: Phrases, hooks: Sequence[Hook]) -> str:
    """`hook clip`, `hooks clip, scale`, or that there was one."""
    names = ", ".join(dict.fromkeys(format.clean(hook.name) for hook in hooks))
    if not names:
        return phrases.text("view.some_hook")
    key = "view.hook_named.one" if len(hooks) == 1 else "view.hook_named.other"
    return phrases.text(key, name=format.clip(names, LABEL))


def told(phrases: Phrases, hooked: Hooked) -> str:
    """`hook clip changed [6 12] to [1 1]`."""
    before, after = (phrases.value(one, VALUE) for one in (hooked.before, hooked.after))
    return phrases.text("view.hook_changed", hook=named(phrases, hooked.hooks), before=before, after=after)


def mark(phrases: Phrases, node: int | None) -> tuple[str, list[str]]:
    """The kind of mark of a box, `"changed"`, `"late"` or none, and the clauses for its title."""
    if node is None or not phrases.graph.is_hooked(node):
        return "", []
    changed, after = at_node(phrases.graph, node), late(phrases.graph, node)
    said = list(dict.fromkeys(told(phrases, one) for one in changed))[:2]
    said += [phrases.text("view.hook_late", hook=named(phrases, after))] if after else []
    return "changed" if changed else "late" if after else "", said
