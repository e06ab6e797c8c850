"""Which groups are open when a picture is first seen: as many boxes as can be taken in at a glance.

`choose(tree)` sets `open`: everything of a small picture, else from the outside in, groups of one kind together, those
with most inside first, runs only where there would be little to see.
"""

from __future__ import annotations

from .tree import Tree

GLANCE = 60
"""Boxes and folded groups that are seen at first, at most; what cannot be folded comes on top."""
SPARSE = 10
"""With fewer than these to be seen, runs are opened too."""


def choose(tree: Tree) -> None:
    """Open groups while there is room."""
    children = [0] * len(tree.groups)
    for scope in tree.scope:
        if scope >= 0:
            children[scope] += 1
    for group in tree.groups:
        if group.parent >= 0:
            children[group.parent] += 1
    seen = sum(scope < 0 for scope in tree.scope) + sum(group.parent < 0 for group in tree.groups)
    if len(tree.boxes) <= GLANCE:
        for group in tree.groups:
            group.open = True
        return
    seen = _open(tree, children, seen, runs=False)
    if seen < SPARSE:
        seen = _open(tree, children, seen, runs=True)
        _open_ends(tree, children, seen)


def _open_ends(tree: Tree, children: list[int], seen: int) -> None:
    """Of the repetitions in open runs the first and the last ones, as many as there is room for."""
    runs = {index for index, group in enumerate(tree.groups) if group.open and group.kind == "run"}
    members = [index for index, group in enumerate(tree.groups) if group.parent in runs and not group.open]
    for index in [member for pair in zip(members, reversed(members), strict=True) for member in pair]:
        group = tree.groups[index]
        if not group.open and seen + children[index] - 1 <= GLANCE:
            group.open, seen = True, seen + children[index] - 1


def _open(tree: Tree, children: list[int], seen: int, *, runs: bool) -> int:
    """Open what there is room for, at each depth the kind with most inside first; returns how many are seen then."""
    depth: list[int] = []
    kin: dict[tuple[int, str, str], list[int]] = {}
    for index, group in enumerate(tree.groups):
        depth.append(0 if group.parent < 0 else depth[group.parent] + 1)
        type_ = group.sub.partition(" #")[0] if group.kind == "module" else str(group.alike)
        kin.setdefault((depth[index], group.kind, type_), []).append(index)
    order = sorted(kin.items(), key=lambda pair: (pair[0][0], -sum(tree.groups[i].count for i in pair[1]), pair[1][0]))
    for _, members in order:
        ready = [i for i in members if _can_open(tree, i, runs=runs)]
        more = sum(children[i] - 1 for i in ready)
        if seen + more <= GLANCE:
            seen += more
            for index in ready:
                tree.groups[index].open = True
    return seen


def _can_open(tree: Tree, index: int, *, runs: bool) -> bool:
    group = tree.groups[index]
    around = group.parent < 0 or tree.groups[group.parent].open
    return around and not group.open and (runs or group.kind != "run")
