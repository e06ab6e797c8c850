"""Which parts of a computation are drawn together.

* `groups(...)`: parts that pass results to each other belong together.  Parts that only share a leaf do too, unless the
same line of source appears in two of them: then they are iterations of a loop, and each stands alone.
* `ends(...)`: how much of the beginning and the end of something too large is kept.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence


class _Union:
    """Sets of 0..count-1 that grow together; the least member stands for each."""

    def __init__(self, count: int) -> None:
        self.parent = list(range(count))

    def find(self, i: int) -> int:
        while self.parent[i] != i:
            self.parent[i] = self.parent[self.parent[i]]
            i = self.parent[i]
        return i

    def join(self, i: int, j: int) -> None:
        a, b = self.find(i), self.find(j)
        self.parent[max(a, b)] = min(a, b)

    def sets(self) -> list[list[int]]:
        found: dict[int, list[int]] = defaultdict(list)
        for i in range(len(self.parent)):
            found[self.find(i)].append(i)
        return list(found.values())


def groups(
    links: Iterable[tuple[int, int]],
    shared: Iterable[Sequence[int]],
    places: Sequence[int | None],
) -> list[list[int]]:
    """Parts 0..len(places)-1 in groups, in the order of their first parts.

    `links` join two parts, each sequence in `shared` holds the parts that use one leaf, `places` says where in the
    source each part stands.
    """
    union = _Union(len(places))
    for i, j in links:
        union.join(i, j)
    if not _repeats(union.sets(), places):
        for users in shared:
            for user in users[1:]:
                union.join(users[0], user)
    return union.sets()


def _repeats(sets: list[list[int]], places: Sequence[int | None]) -> bool:
    """Whether a place appears in two sets."""
    seen: set[int] = set()
    for members in sets:
        here = {p for i in members if (p := places[i]) is not None}
        if here & seen:
            return True
        seen |= here
    return False


def ends(costs: Sequence[int], limit: int) -> tuple[int, int]:
    """How many to keep from the beginning and how many from the end, at least one each, to cost at most `limit`."""
    if sum(costs) <= limit or len(costs) < 3:
        return len(costs), 0
    first = _within(costs, limit // 2)
    return first, _within(costs[:first:-1], limit // 2)


def _within(costs: Sequence[int], limit: int) -> int:
    """How many of the first costs stay within the limit, at least one."""
    count = total = 0
    for cost in costs:
        total += cost
        if total > limit and count:
            break
        count += 1
    return count
