"""A trace as JSON text, by columns, and in a file (gzip when its name ends in `.gz`).

* `to_json(trace)`, `from_json(text)`; `save(trace, path)`, `load(path)`.

A trace is data, never unpickled: every value is checked against the type of its field, every id must resolve.
"""

from __future__ import annotations

import dataclasses
import functools
import gzip
import itertools
import json
import pathlib
import types
import typing
import zlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from .trace import TABLES, Tensor, Trace, TraceError

FORMAT = "autograd_magics.trace"
VERSION = 1


def to_json(trace: Trace) -> str:
    """The trace as JSON text, one list for each column of each table."""
    head = {f.name: _plain(getattr(trace, f.name)) for f in dataclasses.fields(trace) if f.name not in TABLES}
    tables = {name: _columns(row, getattr(trace, name)) for name, row in TABLES.items()}
    return json.dumps({"format": FORMAT, "version": VERSION, **head, **tables}, separators=(",", ":"), allow_nan=False)


def from_json(text: str) -> Trace:
    """Read what `to_json` wrote; raises `TraceError` when it is damaged or too new."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise TraceError(f"not a trace: expected JSON, got {_shorten(text)!r} ({error}); save it again") from None
    return _from_data(data)


def save(trace: Trace, path: str | pathlib.Path) -> None:
    """Write a trace to a file, gzipped when its name ends in `.gz`."""
    data = trace.to_json().encode()
    pathlib.Path(path).write_bytes(gzip.compress(data, 6) if str(path).endswith(".gz") else data)


def load(path: str | pathlib.Path) -> Trace:
    """Read a trace from a file; raises `TraceError` naming the file when it is damaged or too new."""
    try:
        data = pathlib.Path(path).read_bytes()
        if data[:2] == b"\x1f\x8b":
            data = gzip.decompress(data)
        return Trace.from_json(data.decode())
    except TraceError as error:
        raise TraceError(f"{path}: {error}") from None
    except (EOFError, gzip.BadGzipFile, zlib.error, UnicodeDecodeError) as error:
        raise TraceError(f"{path}: not a trace, or damaged ({error}); give a file that report.save() wrote") from None


def _plain(value: Any) -> Any:
    if isinstance(value, (tuple, list)):
        names = getattr(value, "_fields", None)
        items = [_plain(item) for item in value]
        return items if names is None else dict(zip(names, items, strict=True))
    return value


def _columns(row: Any, rows: tuple[Any, ...]) -> dict[str, list[Any]]:
    return {name: [_plain(r[i]) for r in rows] for i, name in enumerate(row._fields) if name != "id"}


def _shorten(text: str) -> str:
    return text if len(text) <= 40 else text[:39] + "…"


@functools.cache
def _hints(row: type) -> dict[str, Any]:
    return typing.get_type_hints(row)


def _from_data(data: Any) -> Trace:
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise TraceError(f"not a trace: expected format {FORMAT!r}; give a file that report.save() wrote")
    if not isinstance(data.get("version"), int) or data["version"] > VERSION:
        raise TraceError(
            f"this trace has format version {data.get('version')!r}, newer than the {VERSION} known here: "
            "pip install --upgrade autograd_magics"
        )
    try:
        known = {f.name for f in dataclasses.fields(Trace)}
        head = {k: _typed(_hints(Trace)[k], v) for k, v in data.items() if k in known and k not in TABLES}
        tables: dict[str, Any] = {name: _rows(row, data.get(name, {})) for name, row in TABLES.items()}
        trace = Trace(**head, **tables)
        _check_references(trace)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise TraceError(f"damaged trace: {type(error).__name__}: {error}; save it again") from None
    return trace


def _rows(row: Any, columns: dict[str, list[Any]]) -> tuple[Any, ...]:
    hints = _hints(row)
    known = {k: _column(hints[k], column) for k, column in columns.items() if k in hints}
    lengths = {len(column) for column in known.values()}
    if len(lengths) > 1:
        raise ValueError(f"columns of {row.__name__} differ in length")
    count = lengths.pop() if lengths else 0
    usual = {"id": range(count)} | {k: itertools.repeat(v, count) for k, v in row._field_defaults.items()}
    if count and not set(row._fields) <= {*usual, *known}:
        row(id=0, **{k: column[0] for k, column in known.items()})  # raises, and says which field is missing
    return tuple(map(row, *({**usual, **known}[name] for name in row._fields))) if count else ()


def _column(hint: Any, values: list[Any]) -> list[Any]:
    """The values of one field of many rows."""
    if set(map(type, values)) <= _bare(hint):
        return values
    return [*map(_reader(hint), values)]


@functools.cache
def _bare(hint: Any) -> frozenset[type]:
    """The types of values that are as JSON gives them; all values of such types belong to the field."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return frozenset(kind for part in typing.get_args(hint) for kind in _bare(part))
    return frozenset({hint} if hint in (int, str, float, bool, type(None)) else ())


def _typed(hint: Any, value: Any) -> Any:
    """`value` as the field of that type holds it; a value of another type raises."""
    return _reader(hint)(value)


@functools.cache
def _reader(hint: Any) -> Callable[[Any], Any]:
    """`_typed` for one type: what is to be done is found out once, not for each value."""
    if hint is Any or hint == Any | None:
        return lambda value: value
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        read = _reader(next(a for a in typing.get_args(hint) if a is not type(None)))
        return lambda value: None if value is None else read(value)
    if origin is tuple:
        return _tuple_reader(typing.get_args(hint))
    if hasattr(hint, "_fields"):
        readers = {key: _reader(kind) for key, kind in _hints(hint).items()}
        return lambda value: hint(**{k: readers[k](v) for k, v in value.items() if k in readers})
    return _plain_reader(origin or hint)


def _tuple_reader(kinds: tuple[Any, ...]) -> Callable[[Any], Any]:
    readers = [_reader(kind) for kind in kinds if kind is not Ellipsis]
    bare = _bare(kinds[0]) if kinds[-1] is Ellipsis else frozenset[type]()

    def read(value: Any) -> Any:
        if not isinstance(value, list):
            raise TypeError(f"expected a list, got {value!r}")
        if kinds[-1] is not Ellipsis:
            return tuple(one(item) for one, item in zip(readers, value, strict=True))
        return tuple(value) if set(map(type, value)) <= bare else tuple(map(readers[0], value))

    return read


def _plain_reader(expected: type) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        if not isinstance(value, expected) or (expected is int and isinstance(value, bool)):
            raise TypeError(f"expected {expected.__name__}, got {value!r}")
        return value

    return read


_REFERENCES: dict[str, str] = {
    "source": "sources", "place": "places", "places": "places", "storage": "storages",
    "tensor": "tensors", "inputs": "tensors", "outputs": "tensors", "roots": "tensors",
    "results": "tensors", "leaf": "tensors", "result": "tensors", "call": "calls", "node": "nodes",
    "nodes": "nodes", "backward": "backwards", "freed_by": "backwards", "freed_place": "places",
    "before_places": "places", "cut_place": "places", "changed_place": "places",
    "leaves": "tensors", "carried": "tensors", "calls": "calls",
    "parameters": "tensors", "skipped": "tensors", "norm": "tensors", "optimizer": "optimizers", "given": "tensors",
    "scope": "scopes", "parent": "scopes", "saved": "saved", "blocks": "storages",
}  # fmt: skip


def _check_references(trace: Trace) -> None:
    """Every id must resolve: views index without looking, whoever wrote the file."""
    sizes = {name: len(getattr(trace, name)) for name in TABLES}
    for table, kind in TABLES.items():
        rows: tuple[Any, ...] = getattr(trace, table)
        fields = zip(rows[0]._fields, zip(*rows, strict=True), strict=True) if rows else ()
        if not all(_resolve(kind, name, column, sizes) for name, column in fields):
            for row in rows:
                _check_row(row, sizes)
    if trace.failure is not None:
        _check_row(trace.failure, sizes)
    _check_ids(trace, "source", (trace.source,), sizes["sources"])


def _resolve(kind: type, name: str, column: Sequence[Any], sizes: dict[str, int]) -> bool:
    """Whether all ids in the values of one field are there; those that hold other rows are not looked into."""
    if name == "error":
        return not any(column)
    if name == "edges":
        return _within((n for edges in column for n, _ in edges), sizes["nodes"])
    if name not in _REFERENCES or (kind, name) == (Tensor, "leaf"):
        return True
    listed = (value if type(value) is tuple else (value,) for value in column)
    return _within(itertools.chain.from_iterable(listed), sizes[_REFERENCES[name]])


def _within(ids: Iterable[int | None], size: int) -> bool:
    known = {i for i in ids if i is not None}
    return not known or 0 <= min(known) <= max(known) < size


def _check_row(row: Any, sizes: dict[str, int]) -> None:
    for name, value in zip(row._fields, row, strict=True):
        if name == "error" and value is not None:
            _check_row(value, sizes)
        elif name == "edges":
            _check_ids(row, name, [n for n, _ in value], sizes["nodes"])
        elif name in _REFERENCES and (type(row), name) != (Tensor, "leaf"):
            ids = value if type(value) is tuple else (value,)
            _check_ids(row, name, ids, sizes[_REFERENCES[name]])


def _check_ids(row: Any, name: str, ids: typing.Iterable[int | None], size: int) -> None:
    for i in ids:
        if i is not None and not 0 <= i < size:
            raise ValueError(f"{type(row).__name__}.{name} refers to row {i}, which is not there")
