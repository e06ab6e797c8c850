"""How calls of modules are named and lie in each other.

* `common(scopes, a, b)`: the innermost one around both.
* `outside(graph, tensor, scope)`: the scope that a leaf stands in.
* `local(scopes, scope, name)`: a name as it is written inside of a module: `weight` for `model.fc1.weight`.
* `label(scopes, scope)`: what a call of a module is called in the one around it.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...graph import Graph
from ...trace import Scope
from .. import format

LABEL = 28
"""Longest label of a group, in columns."""


def common(scopes: Sequence[Scope], one: int | None, other: int | None) -> int | None:
    """The innermost scope around two, which may be one of them; None where nothing is around both."""
    while one != other:
        if one is None or other is None:
            return None
        if one > other:  # the number of a scope is higher than that of the one around it
            one = scopes[one].parent
        else:
            other = scopes[other].parent
    return one


def outside(graph: Graph, tensor: int, scope: int | None) -> int | None:
    """Where a leaf that is used in a scope stands: those of the module there, what came in outside."""
    row = graph.trace.tensors[tensor]
    if scope is None or row.parameter or not row.leaf:
        return scope
    maker = graph.maker(tensor)
    if maker is not None:
        return common(graph.trace.scopes, scope, maker.scope)
    return None if any(name.isidentifier() for name in graph.names(tensor)) else scope


def local(scopes: Sequence[Scope], scope: int | None, name: str) -> str:
    """The name without the path of the module that it is used in."""
    path = "" if scope is None else f"{format.clean(scopes[scope].path)}."
    return name[len(path) :] if path and name.startswith(path) and len(name) > len(path) else name


def label(scopes: Sequence[Scope], scope: int) -> str:
    """`h.3`, `attn`, `[2]` for what only has a number, and the whole path of an outermost one."""
    row = scopes[scope]
    name = format.clean(row.name)
    return format.clip(f"[{name}]" if name.isdigit() else name, LABEL)
