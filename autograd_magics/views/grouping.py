"""Which parts of a computation are drawn together.

* `groups(...)`: parts that pass results to each other belong together.  Parts that only share a leaf do too, unless the
same line of source appears in two of them: then they are iterations of a loop, and each stands alone.
* `pieces(...)`: which parts, and how much of one that is too large, are drawn at all.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")


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


def pieces(parts: Sequence[Sequence[T]], cost: Callable[[T], int], limit: int) -> list[Sequence[T]]:
    """What of the parts is drawn for at most `limit`: first and last ones first, the middle is left out.

    At least the first and the last part stay; one that is too large by itself keeps its beginning and its end.
    """
    costs = [[cost(one) for one in part] for part in parts]
    kept: set[int] = set()
    room = limit
    for index in _from_both_ends(len(parts)):
        room -= min(sum(costs[index]), limit)
        if room < 0 and len(kept) >= 2:
            break
        kept.add(index)
    return [piece for index in sorted(kept) for piece in _ends(parts[index], costs[index], limit)]


def _from_both_ends(count: int) -> Iterator[int]:
    """0, last, 1, last but one, ... each once."""
    for i in range((count + 1) // 2):
        yield i
        if count - 1 - i != i:
            yield count - 1 - i


def _ends(part: Sequence[T], costs: Sequence[int], limit: int) -> list[Sequence[T]]:
    """The part, or its beginning and its end for half of the limit each, at least one member each."""
    if sum(costs) <= limit or len(costs) < 3:
        return [part]
    first = _within(costs, limit // 2)
    last = _within(costs[:first:-1], limit // 2)
    return [part[:first], part[-last:]]


def _within(costs: Sequence[int], limit: int) -> int:
    """How many of the first costs stay within the limit, at least one."""
    count = total = 0
    for cost in costs:
        total += cost
        if total > limit and count:
            break
        count += 1
    return count
