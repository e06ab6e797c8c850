"""Long rows of boxes and branches made short: what repeats becomes a run, what is still too long is cut into chunks.

`part(grove)`: each plan by itself; then `shorten(grove)`: from the inside out, each branch.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Collection, Hashable, Sequence

from .branches import Branch, Grove, first_of, in_order

REPEATS = 5
"""So many equal neighbours are a run."""
PERIOD = 48
"""Boxes and branches of the longest pattern that is looked for."""
MANY, ENDS = 12, 2
"""Iterations beyond which only those in the middle are a run, and how many then stand at each end."""
ROOM = 300
"""Children of a branch beyond which they are cut into chunks."""
UNIT = 3
"""A pattern of so many boxes or more stands in a box of its own within its run."""

Child = int | Branch


def part(grove: Grove) -> None:
    """Where a picture has several plans, such as the iterations of a loop, put each into a branch of its own."""
    plans: dict[int, list[Child]] = {}
    for child in sorted(grove.root.children, key=first_of):
        plans.setdefault(grove.plan_of[first_of(child)], []).append(child)
    if len(plans) > 1:
        found = plans.values()
        wrapped = [one[0] if len(one) == 1 else _adopted(Branch("chunk", children=one, role="part")) for one in found]
        grove.root.children = wrapped
        grove.settle()


def shorten(grove: Grove) -> None:
    """Make runs and chunks, and note what is alike."""
    kinds: dict[Hashable, int] = {}
    lifted = grove.lifted()
    for branch in [*reversed(grove.all()), grove.root]:
        links = lifted[branch]
        order = in_order(branch.children, links)
        ordered = set(order)
        order += [child for child in branch.children if child not in ordered]
        branch.children = _rare_first(order, grove, kinds)
        branch.alike = _structure(branch, links, grove, kinds)
        if branch.kind == "root" or len(branch.children) >= REPEATS:
            branch.children = _with_runs(branch.children, grove, kinds)
        branch.children = _chunked(branch.children, grove, kinds)
    grove.settle()


def _structure(branch: Branch, links: Collection[tuple[Child, Child]], grove: Grove, kinds: dict[Hashable, int]) -> int:
    """The number of all branches with such children and links; results that are not used inside may be missing."""
    used = {start for start, _ in links}
    counted = [child for child in branch.children if child in used or not _is_result(child, grove)]
    place = {child: index for index, child in enumerate(counted)}
    inside = tuple(sorted((place[start], place[end]) for start, end in links if end in place))
    return _number(kinds, (branch.kind, branch.sub, tuple(_token(grove, child, kinds) for child in counted), inside))


def _is_result(child: Child, grove: Grove) -> bool:
    return isinstance(child, int) and not grove.parts[child].unit and grove.parts[child].leaf is None


def _number(kinds: dict[Hashable, int], key: Hashable) -> int:
    return kinds.setdefault(key, len(kinds))


def _token(grove: Grove, child: Child, kinds: dict[Hashable, int]) -> int:
    """Equal for children of equal structure."""
    if isinstance(child, Branch):
        return child.alike
    return _number(kinds, (grove.boxes[child].style, grove.parts[child].token))


def _rare_first(children: list[Child], grove: Grove, kinds: dict[Hashable, int]) -> list[Child]:
    """Of leaves side by side those first that come seldom: what each repetition takes stands next to it."""
    often = Counter(_token(grove, child, kinds) for child in children)
    found: list[Child] = []
    for leaves, group in itertools.groupby(children, lambda child: _belongs_on(child, grove)):
        stretch = list(group)
        found += sorted(stretch, key=lambda child: often[_token(grove, child, kinds)]) if leaves else stretch
    return found


# -- runs --------------------------------------------------------------------------------------
def _with_runs(children: list[Child], grove: Grove, kinds: dict[Hashable, int]) -> list[Child]:
    """The children, with a branch for each stretch of repetitions; results go with what made them."""
    entries: list[list[Child]] = []
    for child in children:
        if entries and _is_result(child, grove):
            entries[-1].append(child)
        else:
            entries.append([child])
    tokens = [_token(grove, entry[0], kinds) for entry in entries]
    often = Counter(tokens)
    found: list[Child] = []
    at = 0
    while at < len(entries):
        period, times = _repetition(tokens, at) if often[tokens[at]] >= REPEATS else (1, 1)
        end = at + period * times
        stretch = [list(itertools.chain(*entries[start : start + period])) for start in range(at, end, period)]
        found += _told(stretch, grove, kinds) if times >= REPEATS else entries[at]
        at = end if times >= REPEATS else at + 1
    return found


def _repetition(tokens: Sequence[int], at: int) -> tuple[int, int]:
    """(length, times) of the pattern at a place that covers most; the shortest of those that do."""
    best, most = (1, 1), REPEATS - 1
    for period in range(1, min(PERIOD, (len(tokens) - at) // REPEATS) + 1):
        if tokens[at] != tokens[at + period]:
            continue
        end = at + period
        while end < len(tokens) and tokens[end] == tokens[end - period]:
            end += 1
        times = (end - at) // period
        if times >= REPEATS and period * times > most:
            best, most = (period, times), period * times
    return best


def _told(stretch: list[list[Child]], grove: Grove, kinds: dict[Hashable, int]) -> list[Child]:
    """A run; of many iterations only those in the middle, for the first and the last ones are what one looks at."""
    first = stretch[0][0]
    if len(stretch) <= MANY or not isinstance(first, Branch) or first.role != "part":
        return [_run(stretch, grove, kinds)]
    middle = _run(stretch[ENDS:-ENDS], grove, kinds)
    return [*itertools.chain(*stretch[:ENDS]), middle, *itertools.chain(*stretch[-ENDS:])]


def _run(stretch: list[list[Child]], grove: Grove, kinds: dict[Hashable, int]) -> Branch:
    members = [_member(unit, grove, kinds) for unit in stretch]
    run = Branch("run", times=len(stretch))
    run.children = [child for member in members for child in ([member] if isinstance(member, Branch) else member)]
    for number, child in enumerate((child for child in run.children if isinstance(child, Branch)), 1):
        child.sub = f"#{number}" if child.kind == "chunk" else child.sub
    run.children = _chunked(run.children, grove, kinds)
    run.alike = _number(kinds, ("run", tuple(_token(grove, child, kinds) for child in run.children)))
    return _adopted(run)


def _member(unit: list[Child], grove: Grove, kinds: dict[Hashable, int]) -> Branch | list[Child]:
    """What a run repeats: a branch, or a few boxes as they are."""
    if len(unit) == 1 and isinstance(unit[0], Branch):
        return unit[0]
    branches = sum(isinstance(child, Branch) for child in unit)
    units = sum(isinstance(child, int) and bool(grove.parts[child].unit) for child in unit)
    if (len(unit) < UNIT and not branches) or (branches == 1 and not units):
        return unit
    member = Branch("chunk", children=list(unit), role="unit")
    member.alike = _number(kinds, ("unit", tuple(_token(grove, child, kinds) for child in unit)))
    return _adopted(member)


# -- chunks ------------------------------------------------------------------------------------
def _chunked(children: list[Child], grove: Grove, kinds: dict[Hashable, int]) -> list[Child]:
    """The children in chunks, and those in chunks again, until there is room for all."""
    while len(children) > ROOM:
        chunks: list[Child] = []
        at, said = 0, 0
        while at < len(children):
            end = min(at + ROOM, len(children))
            while at < end - 1 and end < len(children) and _belongs_on(children[end - 1], grove):
                end -= 1
            chunk = Branch("chunk", children=children[at:end], role="piece")
            first, said = said + 1, said + sum(_is_told(child, grove) for child in chunk.children)
            chunk.sub = f"{first}–{said}"
            chunk.alike = _number(kinds, ("chunk", tuple(_token(grove, child, kinds) for child in chunk.children)))
            chunks.append(_adopted(chunk))
            at = end
        children = chunks
    return children


def _is_told(child: Child, grove: Grove) -> bool:
    """Whether it is a group or an operation."""
    return isinstance(child, Branch) or bool(grove.parts[child].unit)


def _belongs_on(child: Child, grove: Grove) -> bool:
    """Whether it is a leaf that stands before what uses it."""
    return isinstance(child, int) and grove.parts[child].leaf is not None and grove.boxes[child].style != "accumulate"


def _adopted(branch: Branch) -> Branch:
    for child in branch.branches():
        child.parent = branch
    branch.first = min(map(first_of, branch.children))
    return branch
