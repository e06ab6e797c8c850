"""A tree as lines of text: modules with what is in them, equal repetitions once.

`outline(tree)`: (depth, group or box) for each line, from the outside in, as many as find room.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from ..boxes import Box
from .tree import Group, Tree

LINES = 60
"""Lines at most; groups that would need more stay closed."""

Line = tuple[int, Group | Box]


def outline(tree: Tree) -> list[Line]:
    """Operations by their boxes and groups by themselves, those around others first."""
    inner = _inner(tree)
    shown: set[int] = set()
    room = LINES - len(inner[-1])
    queue = deque(child for child in inner[-1] if child < 0)
    while queue:
        group = ~queue.popleft()
        content = _content(tree, inner, group)
        if len(content) <= room:
            room -= len(content)
            shown.add(group)
            queue.extend(child for child in content if child < 0)
    return list(_walk(tree, inner, shown))


def _inner(tree: Tree) -> dict[int, list[int]]:
    """By group, -1 for the whole: operations (index of the box) and groups (~index) in order."""
    found: dict[int, list[int]] = {index: [] for index in range(-1, len(tree.groups))}
    for index, (box, scope) in enumerate(zip(tree.boxes, tree.scope, strict=True)):
        if (box.ghost_of or box.id)[0] in "cb":
            found[scope].append(index)
    for index, group in enumerate(tree.groups):
        found[group.parent].append(~index)
    for children in found.values():
        children.sort(key=lambda child: child if child >= 0 else tree.groups[~child].first)
    return found


def _content(tree: Tree, inner: dict[int, list[int]], group: int) -> list[int]:
    """What is told under a group: all of it, of a run what is repeated."""
    children = inner[group]
    if tree.groups[group].kind != "run":
        return children
    while tree.groups[group].kind == "run" or tree.groups[group].piece:
        nested = [~child for child in children if child < 0]
        if not nested:
            return children[:1]
        group, children = nested[0], inner[nested[0]]
    return children


def _walk(tree: Tree, inner: dict[int, list[int]], shown: set[int]) -> Iterator[Line]:
    stack = [(0, child) for child in reversed(inner[-1])]
    while stack:
        depth, child = stack.pop()
        yield depth, tree.boxes[child] if child >= 0 else tree.groups[~child]
        if child < 0 and ~child in shown:
            stack += [(depth + 1, one) for one in reversed(_content(tree, inner, ~child))]
