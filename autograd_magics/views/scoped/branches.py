"""The boxes of a picture in the calls of modules that they belong to, as branches of a tree that is still growing.

`grown(plans, scopes)`: modules in modules, without those that would be a frame around a single operation.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from ...trace import Scope
from ..boxes import Box, Part, Plan
from .paths import label


@dataclass(eq=False)
class Branch:
    """A group to be; children are boxes (by index) and branches in their order."""

    kind: str
    scope: int | None = None
    children: list[int | Branch] = field(default_factory=list)
    parent: Branch | None = None
    label: str = ""
    sub: str = ""
    times: int = 0
    """Of a run: how many equal ones it stands for."""
    role: str = ""
    """Of a chunk: `"unit"` (what a run repeats), `"part"` (what hangs together), `"piece"` (of a long row)."""
    gone: bool = False
    """Its children stand in its place."""
    alike: int = 0
    first: int = 0
    depth: int = 0

    def branches(self) -> list[Branch]:
        """The branches among the children."""
        return [child for child in self.children if isinstance(child, Branch)]


class Grove:
    """All boxes and links of a picture, and for each box the branch that it hangs on."""

    def __init__(self, plans: Sequence[Plan], scopes: Sequence[Scope]) -> None:
        self.scopes = scopes
        self.boxes: list[Box] = []
        self.parts: list[Part] = []
        self.plan_of: list[int] = []
        self.links: list[tuple[int, int, str]] = []
        for number, plan in enumerate(plans):
            self._take(plan, number)
        self.named: list[bool] = [False] * len(self.boxes)
        """Which boxes carry the name of their module."""
        self.root = Branch("root")
        self.home: list[Branch] = [self.root] * len(self.boxes)

    def _take(self, plan: Plan, number: int) -> None:
        """The boxes of a plan, leaves beside what uses them."""
        user = {end: start for start, end, _ in reversed(plan.links) if plan.parts[end].leaf is not None}
        order = sorted(range(len(plan.boxes)), key=lambda i: (user.get(i, i), i))
        place = {old: len(self.boxes) + new for new, old in enumerate(order)}
        self.boxes += [plan.boxes[i] for i in order]
        self.parts += [plan.parts[i] for i in order]
        self.plan_of += [number] * len(order)
        self.links += [(place[start], place[end], kind) for start, end, kind in plan.links]

    def all(self) -> list[Branch]:
        """Every branch but the root, parents before children, in the order of their boxes."""
        found: list[Branch] = []
        stack = self.root.branches()[::-1]
        while stack:
            branch = stack.pop()
            found.append(branch)
            stack += branch.branches()[::-1]
        return found

    def settle(self) -> None:
        """Note where everything hangs, after branches were moved."""
        for branch in [self.root, *self.all()]:
            branch.depth = 0 if branch.parent is None else branch.parent.depth + 1
            for child in branch.children:
                if isinstance(child, Branch):
                    child.parent = branch
                else:
                    self.home[child] = branch
        for branch in reversed(self.all()):
            branch.first = min(child.first if isinstance(child, Branch) else child for child in branch.children)

    def lifted(self) -> dict[Branch, dict[tuple[int | Branch, int | Branch], None]]:
        """For each branch the links between its children, each pair once."""
        found: dict[Branch, dict[tuple[int | Branch, int | Branch], None]] = {self.root: {}}
        found |= {branch: {} for branch in self.all()}
        for start, end, _ in self.links:
            tail: int | Branch = start
            head: int | Branch = end
            one, other = self.home[start], self.home[end]
            while one is not other:
                if one.depth >= other.depth and one.parent is not None:
                    tail, one = one, one.parent
                elif other.parent is not None:
                    head, other = other, other.parent
            found[one][tail, head] = None
        return found


def first_of(child: int | Branch) -> int:
    """Where a child stands among the boxes."""
    return child.first if isinstance(child, Branch) else child


def grown(plans: Sequence[Plan], scopes: Sequence[Scope]) -> Grove:
    """The boxes of all plans in the modules that have more than one operation."""
    grove = Grove(plans, scopes)
    made: dict[int, Branch] = {}
    for index, part in enumerate(grove.parts):
        _branch(grove, made, part.scope).children.append(index)
    for branch in [*(made[scope] for scope in sorted(made, reverse=True)), grove.root]:
        branch.children = [one for child in branch.children for one in _standing(child)]
        _prune(grove, branch)
    grove.settle()
    _cut_cycles(grove)
    return grove


def _branch(grove: Grove, made: dict[int, Branch], scope: int | None) -> Branch:
    """The branch of a call of a module, grown with those around it where it is new."""
    missing = []
    while scope is not None and scope not in made:
        missing.append(scope)
        scope = grove.scopes[scope].parent
    branch = grove.root if scope is None else made[scope]
    for one in reversed(missing):
        row = grove.scopes[one]
        made[one] = Branch("module", one, parent=branch, label=label(grove.scopes, one), sub=row.type)
        branch.children.append(made[one])
        branch = made[one]
    return branch


def _prune(grove: Grove, branch: Branch) -> None:
    """A module of one operation is that operation with a name; one that only calls another is one with it."""
    inner, around = branch.branches(), branch.parent
    if around is None:
        return
    units: dict[str, int] = {}
    for child in branch.children:
        if isinstance(child, int) and grove.parts[child].unit:
            units.setdefault(grove.parts[child].unit, child)
    if not inner and len(units) <= 1:
        for child in units.values():
            grove.named[child] = not grove.boxes[child].name
            grove.boxes[child].name = grove.boxes[child].name or branch.label
        branch.gone = True
    elif len(inner) == 1 and len(branch.children) == 1:
        branch.children = inner[0].children


def _standing(child: int | Branch) -> list[int | Branch]:
    """A child, or those that stand in its place."""
    if isinstance(child, Branch) and child.gone:
        return [one for other in child.children for one in _standing(other)]
    return [child]


def _cut_cycles(grove: Grove) -> None:
    """Dissolve branches that something leaves and comes back to: they cannot stand as one box among the others."""
    while True:
        circular = [
            child
            for branch, links in grove.lifted().items()
            for child in set(branch.children) - set(in_order(branch.children, links))
            if isinstance(child, Branch)
        ]
        if not circular:
            return
        for branch in circular:
            branch.gone = True
        for branch in [*grove.all(), grove.root]:
            branch.children = [one for child in branch.children for one in _standing(child)]
        grove.settle()


def in_order(
    children: Sequence[int | Branch], links: Iterable[tuple[int | Branch, int | Branch]]
) -> list[int | Branch]:
    """Children along the links, as near to their order as can be; those in a circle are missing."""
    onward: dict[int | Branch, list[int | Branch]] = {child: [] for child in children}
    missing = dict.fromkeys(children, 0)
    for start, end in links:
        onward[start].append(end)
        missing[end] += 1
    place = {child: index for index, child in enumerate(children)}
    ready = [index for index, child in enumerate(children) if not missing[child]]
    found: list[int | Branch] = []
    while ready:
        child = children[heapq.heappop(ready)]
        found.append(child)
        for other in onward[child]:
            missing[other] -= 1
            if not missing[other]:
                heapq.heappush(ready, place[other])
    return found
