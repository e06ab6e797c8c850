"""Two sequences side by side: `aligned(before, after)`, and `joined` for what has no equal."""

from __future__ import annotations

import bisect
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Sequence
from typing import TypeVar

T = TypeVar("T")
Pair = tuple[T | None, T | None]
"""A row of the one recording and the row of the other that stands beside it; None where there is none."""


def aligned(before: Sequence[T], after: Sequence[T], key: Callable[[T], Hashable]) -> list[Pair[T]]:
    """Two sequences side by side, in order; elements with equal keys in one pair where their order allows."""
    keys = [key(one) for one in before], [key(one) for one in after]
    first = _equal(*keys)
    last = _equal(*(side[first:][::-1] for side in keys))
    ends = len(before) - last, len(after) - last
    found: list[Pair[T]] = list(zip(before[:first], after[:first], strict=True))
    i, j = first, first
    for a, b in [*_anchors(keys[0][first : ends[0]], keys[1][first : ends[1]]), (ends[0] - first, ends[1] - first)]:
        found += [(one, None) for one in before[i : first + a]]
        found += [(None, one) for one in after[j : first + b]]
        i, j = first + a, first + b
        if (i, j) != ends:
            found.append((before[i], after[j]))
            i, j = i + 1, j + 1
    return found + list(zip(before[ends[0] :], after[ends[1] :], strict=True))


def joined(pairs: Sequence[Pair[T]], key: Callable[[T], Hashable]) -> list[Pair[T]]:
    """The pairs, and in each run of elements without a counterpart those with equal keys in one pair."""
    found: list[Pair[T]] = []
    run: list[Pair[T]] = []
    for pair in pairs:
        if pair[0] is None or pair[1] is None:
            run.append(pair)
        else:
            found += [*_joined(run, key), pair]
            run = []
    return found + _joined(run, key)


def _equal(before: Sequence[Hashable], after: Sequence[Hashable]) -> int:
    """How many elements are equal from the beginning on."""
    length = min(len(before), len(after))
    return next((i for i in range(length) if before[i] != after[i]), length)


def _anchors(before: Sequence[Hashable], after: Sequence[Hashable]) -> list[tuple[int, int]]:
    """Positions of equal elements, rising in both sequences, as many as there can be.

    The k-th of several equal elements can only be paired with the k-th: so each is in one pair at most, and what is
    asked for is a longest increasing series, in n log n instead of n².  In a loop that pairs its iterations.
    """
    where = {key: j for j, key in enumerate(_numbered(after))}
    matches = [(i, where[key]) for i, key in enumerate(_numbered(before)) if key in where]
    lowest: list[int] = []  # the lowest end of a series of each length, and which match that is
    ends: list[int] = []
    previous: list[int] = []
    for index, (_, j) in enumerate(matches):
        length = bisect.bisect_left(lowest, j)
        previous.append(ends[length - 1] if length else -1)
        lowest[length : length + 1] = [j]
        ends[length : length + 1] = [index]
    found = []
    index = ends[-1] if ends else -1
    while index >= 0:
        found.append(matches[index])
        index = previous[index]
    return found[::-1]


def _numbered(keys: Sequence[Hashable]) -> list[tuple[Hashable, int]]:
    """Each element with the number of equal ones before it."""
    seen: Counter[Hashable] = Counter()
    found = []
    for key in keys:
        found.append((key, seen[key]))
        seen[key] += 1
    return found


def _joined(run: Sequence[Pair[T]], key: Callable[[T], Hashable]) -> list[Pair[T]]:
    """Elements without a counterpart, those with equal keys in one pair: the first with the first."""
    rest = [after for _, after in run if after is not None]
    waiting: dict[Hashable, list[int]] = defaultdict(list)
    for index in reversed(range(len(rest))):
        waiting[key(rest[index])].append(index)
    found: list[Pair[T]] = []
    taken = set()
    for before, _ in run:
        if before is not None:
            fitting = waiting.get(key(before))
            partner = fitting.pop() if fitting else None
            taken.add(partner)
            found.append((before, None if partner is None else rest[partner]))
    return found + [(None, after) for index, after in enumerate(rest) if index not in taken]
