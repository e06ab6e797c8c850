"""A payload in fewer bytes: `packed(data)` writes long lists and mappings by columns, `unpacked(data)` reads them back.

What stands in the place of a list or a mapping is `{"$": kind, ...}`: JSON is a fifth as long, and numbers as
differences are the same in every repetition of a block, which is what compression lives on.  `front/packing.ts` is
the reader that counts; nothing in it knows what the columns mean.

    "d"  integers, each as its difference from the one before: `v`
    "i"  item ids such as `c12`: their letters `k`, and the differences from the last number after the same letter `v`
    "s"  values of which many are equal: the different ones `k`, and which of them each is, by index, `v`
    "t"  lists of one length: a column for each place in them, `k`
    "l"  lists of different lengths: the lengths `n`, and all that is in them one after the other, `v`
    "r"  `n` objects: by key `k` its values, and in `at` of which objects, for keys that not all have
    "m"  a mapping: its keys `k`, its values `v`
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Sequence
from typing import Any

LONG = 24
"""Lists and mappings of fewer entries are written as they are."""
WIDE = 8
"""Lists of one length are written by columns up to this length."""

_ITEM = re.compile(r"[a-z](0|[1-9]\d{0,8})")

Json = Any


def packed(value: Json) -> Json:
    """The same for `unpacked`, shorter as JSON."""
    if isinstance(value, dict):
        if len(value) >= LONG:
            return {"$": "m", "k": packed([*value]), "v": packed([*value.values()])}
        return {key: packed(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return _list(value) if len(value) >= LONG else [packed(item) for item in value]
    return value


def _list(values: Sequence[Json]) -> Json:
    kinds = set(map(type, values))
    if kinds == {int}:
        return {"$": "d", "v": _differences(values)}
    if kinds == {dict}:
        return _objects(values)
    if kinds <= {list, tuple}:
        return _lists(values)
    if kinds == {str} and all(map(_ITEM.fullmatch, values)):
        return _items(values)
    if kinds & {dict, list, tuple}:
        return [packed(item) for item in values]
    if len(kinds) == 1:
        return _shared(values, values)
    return _shared(values, [(type(value), value) for value in values])


def _shared(values: Sequence[Json], keys: Sequence[Any]) -> Json:
    """Values with a key each, by which they are told apart: `1`, `1.0` and `True` are equal."""
    index: dict[Any, int] = {}
    found = [index.setdefault(key, len(index)) for key in keys]
    if len(index) * 2 > len(values):
        return list(values)
    different = dict(zip(reversed(found), reversed(values), strict=True))
    return {"$": "s", "k": [different[i] for i in range(len(index))], "v": found}


def _differences(values: Sequence[int]) -> list[int]:
    return [values[0], *(b - a for a, b in itertools.pairwise(values))]


def _items(values: Sequence[str]) -> Json:
    last: dict[str, int] = {}
    steps = []
    for value in values:
        letter, number = value[0], int(value[1:])
        steps.append(number - last.get(letter, 0))
        last[letter] = number
    return {"$": "i", "k": "".join([value[0] for value in values]), "v": steps}


def _lists(values: Sequence[Sequence[Json]]) -> Json:
    lengths = [len(value) for value in values]
    if lengths[0] <= WIDE and len(set(lengths)) == 1:
        return {"$": "t", "n": len(values), "k": [packed(column) for column in zip(*values, strict=True)]}
    return {"$": "l", "n": packed(lengths), "v": packed([*itertools.chain.from_iterable(values)])}


def _objects(rows: Sequence[dict[str, Json]]) -> Json:
    having: dict[str, list[int]] = {}
    values: dict[str, list[Json]] = {}
    for i, row in enumerate(rows):
        for key, value in row.items():
            if key in having:
                having[key].append(i)
                values[key].append(value)
            else:
                having[key], values[key] = [i], [value]
    columns: dict[str, Json] = {}
    for key, at in having.items():
        column = {"v": packed(values[key])}
        columns[key] = column if len(at) == len(rows) else {"at": packed(at), **column}
    return {"$": "r", "n": len(rows), "k": columns}


# -- back --------------------------------------------------------------------------------------
def unpacked(value: Json) -> Json:
    """What `packed` was given, with lists for tuples."""
    if isinstance(value, list):
        return [unpacked(item) for item in value]
    if not isinstance(value, dict):
        return value
    kind = value.get("$")
    return _READERS[kind](value) if kind is not None else {key: unpacked(item) for key, item in value.items()}


def _read_items(value: Json) -> list[str]:
    last: dict[str, int] = {}
    found = []
    for letter, step in zip(value["k"], value["v"], strict=True):
        last[letter] = last.get(letter, 0) + step
        found.append(f"{letter}{last[letter]}")
    return found


def _read_lists(value: Json) -> list[Json]:
    rest = iter(unpacked(value["v"]))
    return [[*itertools.islice(rest, length)] for length in unpacked(value["n"])]


def _read_table(value: Json) -> list[Json]:
    columns = [unpacked(column) for column in value["k"]]
    return [list(row) for row in zip(*columns, strict=True)] if columns else [[] for _ in range(value["n"])]


def _read_objects(value: Json) -> list[Json]:
    rows: list[dict[str, Json]] = [{} for _ in range(value["n"])]
    for key, column in value["k"].items():
        at = unpacked(column["at"]) if "at" in column else range(value["n"])
        for i, one in zip(at, unpacked(column["v"]), strict=True):
            rows[i][key] = one
    return rows


_READERS: dict[str, Callable[[Json], Json]] = {
    "d": lambda value: [*itertools.accumulate(value["v"])],
    "i": _read_items,
    "s": lambda value: [value["k"][i] for i in value["v"]],
    "t": _read_table,
    "l": _read_lists,
    "r": _read_objects,
    "m": lambda value: dict(zip(unpacked(value["k"]), unpacked(value["v"]), strict=True)),
}
