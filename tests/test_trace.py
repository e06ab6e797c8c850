"""The trace file: what is written can be read, and whatever else is given is refused with a sentence."""

from __future__ import annotations

import gzip
import json
import pathlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograd_magics import trace as format
from autograd_magics import trace_file
from autograd_magics.trace import Trace, TraceError
from tests.recorded import Notebook

CELL = """
torch.optim.SGD([earlier], lr=0.1).step()
part = earlier * 2
part.register_hook(lambda gradient: gradient * 3)
part.sum().backward()
x = torch.tensor([1.0, float("nan"), float("inf")], requires_grad=True)
c = torch.tensor([1 + 2j], requires_grad=True)
torch.optim.SGD([c], lr=0.1).step()
y = (x * x).sum()
y.backward(retain_graph=True)
with torch.no_grad():
    x -= 0.1 * x.grad
x.grad = None
y.backward()
"""
EARLIER = "earlier = torch.ones(2, requires_grad=True)\n(earlier * 2).sum().backward()"


@pytest.fixture(scope="module")
def trace() -> Trace:
    book = Notebook()
    book.run(EARLIER)
    return book.run(CELL)


def test_round_trip(trace: Trace) -> None:
    assert Trace.from_json(trace.to_json()) == trace


def test_every_table_is_used(trace: Trace) -> None:
    empty = {name for name in format.TABLES if not getattr(trace, name)}
    assert empty == {"gone", "loops", "packed", "scopes", "warnings"}


def test_numbers_that_json_lacks_are_text(trace: Trace) -> None:
    assert [1.0, "nan", "inf"] in [t.value for t in trace.tensors]
    assert ["1+2j"] in [t.value for t in trace.tensors]


@pytest.mark.parametrize("name", ["step.json", "step.json.gz"])
def test_files(trace: Trace, tmp_path: pathlib.Path, name: str) -> None:
    path = tmp_path / name
    trace_file.save(trace, path)
    assert trace_file.load(path) == trace
    assert (path.read_bytes()[:2] == b"\x1f\x8b") == name.endswith(".gz")


def test_a_trace_is_small_in_columns(trace: Trace) -> None:
    rows = [getattr(trace, name) for name in format.TABLES]
    assert len(trace.to_json()) < 700 * sum(map(len, rows))


def damaged(text: str, change: Any) -> str:
    data = json.loads(text)
    change(data)
    return json.dumps(data)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d.update(version=99), "format version 99, newer than the 1 known here: pip install --upgrade"),
        (lambda d: d.update(version=None), "format version None"),
        (lambda d: d.update(format="other"), "expected format 'autograd_magics.trace'"),
        (lambda d: d["calls"]["name"].pop(), "columns of Call differ in length"),
        (lambda d: d["calls"].pop("name"), "missing 1 required positional argument: 'name'"),
        (lambda d: d["nodes"]["call"].__setitem__(-1, 10_000), "Node.call refers to row 10000, which is not there"),
        (lambda d: d["nodes"]["edges"].__setitem__(-1, [[-3, 0]]), "Node.edges refers to row -3"),
        (lambda d: d["tensors"]["shape"].__setitem__(0, "3"), "expected a list, got '3'"),
        (lambda d: d["tensors"]["bytes"].__setitem__(0, True), "expected int, got True"),
        (lambda d: d["tensors"]["leaf"].__setitem__(0, 1), "expected bool, got 1"),
        (lambda d: d.update(calls=[1, 2]), "damaged trace"),
        (lambda d: d.update(source=7), "Trace.source refers to row 7"),
    ],
)
def test_damage_is_named(trace: Trace, change: Any, said: str) -> None:
    with pytest.raises(TraceError) as raised:
        Trace.from_json(damaged(trace.to_json(), change))
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "3", "not json at all", "[" * 5000])
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(TraceError, match="not a trace"):
        Trace.from_json(text)


def test_a_file_error_names_the_file(tmp_path: pathlib.Path, trace: Trace) -> None:
    path = tmp_path / "cut.json.gz"
    path.write_bytes(gzip.compress(trace.to_json().encode())[:-20])
    with pytest.raises(TraceError, match="cut.json.gz"):
        trace_file.load(path)
    path.write_bytes(b"\xff\xfe\x00nonsense")
    with pytest.raises(TraceError, match="cut.json.gz"):
        trace_file.load(path)


def test_columns_of_a_later_version_of_the_same_format_are_passed_over(trace: Trace) -> None:
    data = json.loads(trace.to_json())
    data["calls"]["mood"] = ["fine"] * len(trace.calls)
    data["weather"] = "rain"
    assert Trace.from_json(json.dumps(data)) == trace


def test_tables_that_an_older_writer_lacked_are_empty(trace: Trace) -> None:
    data = json.loads(trace.to_json())
    del data["warnings"]
    assert Trace.from_json(json.dumps(data)) == trace


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_no_damage_gets_through_as_anything_but_a_trace_error(data: st.DataObject) -> None:
    whole = json.loads(_reference())
    table = data.draw(st.sampled_from(sorted(format.TABLES)))
    column = data.draw(st.sampled_from(sorted(whole[table]) or [""]))
    junk = st.one_of(st.none(), st.integers(), st.text(), st.lists(st.integers()), st.just({}), st.booleans())
    if column and whole[table][column]:
        row = data.draw(st.integers(0, len(whole[table][column]) - 1))
        whole[table][column][row] = data.draw(junk)
    else:
        whole[table] = data.draw(junk)
    try:
        read = Trace.from_json(json.dumps(whole))
    except TraceError as error:
        assert str(error)
    else:
        assert Trace.from_json(read.to_json()) == read


_cache: list[str] = []


def _reference() -> str:
    if not _cache:
        _cache.append(Notebook().run("earlier = torch.ones(2, requires_grad=True)\n" + CELL).to_json())
    return _cache[0]
