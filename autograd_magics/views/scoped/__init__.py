"""Pictures that fold: the calls of a model in its modules, long rows in runs and chunks.

    paths.py      how calls of modules are named
    branches.py   boxes in the modules that they belong to
    repeats.py    equal neighbours as runs, what is too long in chunks
    facts.py      labels and figures of groups
    opening.py    which groups are open at first
    tree.py       all of it as plain data, and what is seen of it
    placing.py    where everything goes, one open group after the other
    landings.py   what stands beside an open group
    parts.py      what each box stands for
    about.py      what is told of a group that is selected
    outline.py    the same tree as lines of text

`planted(plans, phrases, marks, letter)` makes the tree of a picture, None where there is nothing to fold.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Mapping, Sequence

from ..boxes import Plan
from ..phrases import Phrases
from .about import about
from .branches import Branch, grown
from .facts import Facts, name_all
from .opening import GLANCE, choose
from .repeats import part, shorten
from .tree import Group, Tree, worst

__all__ = ["planted"]

Marks = Mapping[str, Mapping[int, str]]
"""By item: the severities of the findings on it, by their numbers."""


def planted(plans: Sequence[Plan], phrases: Phrases, marks: Marks, letter: str) -> Tree | None:
    """The tree of all plans, with measured boxes; ids of groups begin with the letter."""
    grove = grown(plans, phrases.trace.scopes)
    if len(grove.boxes) > GLANCE:
        part(grove)
        shorten(grove)
    branches = grove.all()
    if not branches:
        return None
    facts = Facts(grove, phrases)
    name_all(grove, facts)
    tree = Tree(grove.boxes, links=grove.links)
    number = {branch: index for index, branch in enumerate(branches)}
    tree.scope = [number.get(branch, -1) for branch in grove.home]
    tree.groups = [_group(branch, number, facts, phrases, letter) for branch in branches]
    _mark(tree, marks)
    alike = Counter(group.alike for group in tree.groups)
    for branch, group in zip(branches, tree.groups, strict=True):
        group.tell = functools.partial(about, branch, facts, phrases, alike[group.alike] - 1, group.badge)
    for box in tree.boxes:
        box.measure()
    choose(tree)
    return tree


def _group(branch: Branch, number: Mapping[Branch, int], facts: Facts, phrases: Phrases, letter: str) -> Group:
    parent = -1 if branch.parent is None else number.get(branch.parent, -1)
    group = Group(f"{letter}{number[branch]}", parent, branch.kind, branch.label, branch.sub)
    group.title, group.facts = facts.title(branch, phrases), facts.short(branch)
    group.room = facts.widest(branch)
    group.alike, group.count, group.first = branch.alike, len(facts.inside[branch].nodes), branch.first
    group.piece = branch.role == "piece"
    group.measure()
    return group


def _mark(tree: Tree, marks: Marks) -> None:
    """Note the findings on the boxes inside on each group."""
    found: list[dict[int, str]] = [{} for _ in tree.groups]
    for box, scope in zip(tree.boxes, tree.scope, strict=True):
        if scope >= 0:
            found[scope].update(marks.get(box.ghost_of or box.id, {}))
    for index in range(len(tree.groups) - 1, -1, -1):
        group = tree.groups[index]
        if group.parent >= 0:
            found[group.parent] |= found[index]
        if found[index]:
            group.badge, group.severity = str(len(found[index])), worst(found[index].values())
