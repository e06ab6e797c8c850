"""Values as plain data: what each policy notes, within which budget, and that the cell neither waits nor notices."""

from __future__ import annotations

import contextlib
import gc
import json
import math
import tracemalloc
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from recorded import Notebook, record_cell
from recorder.both import run
from recorder.reading import programs
from torch.utils._python_dispatch import TorchDispatchMode

from autograd_magics.recorder import Recorder, SourceBook, values
from autograd_magics.recorder.values import HEADER, NUMBER, SMALL, WHOLE, Pending, Values, plain, stats_of
from autograd_magics.settings import VALUES
from autograd_magics.trace import Trace

STEP = """
x = torch.randn(8, 16)
w = torch.randn(16, 4, requires_grad=True)
loss = (x @ w).relu().sum()
loss.backward()
"""

READS = ("tolist", "item", "cpu", "numpy", "__bool__", "__float__", "__int__", "is_nonzero", "nonzero", "__array__")


# -- what each policy notes --------------------------------------------------------------------
@pytest.mark.parametrize("policy", [True, "small", "stats", "all"])
def test_small_tensors_are_copied_whole(policy: str | bool) -> None:
    noted = Values(policy)
    assert noted.of(torch.tensor([[1, 2], [3, 4]])) == [[1, 2], [3, 4]]
    assert noted.of(torch.zeros(SMALL)) == [0.0] * SMALL
    assert noted.of(torch.empty(0, 3)) == [] and noted.of(torch.tensor(2.5)) == 2.5


def test_larger_ones_as_the_policy_says() -> None:
    tensor = torch.arange(24.0).reshape(4, 6)
    found = {policy: Values(policy).of(tensor) for policy in VALUES}
    assert found["none"] is None and found["small"] is None
    assert plain(found["stats"]) is None and plain(found["all"]) == tensor.tolist()
    stats, everything = stats_of(found["stats"]), stats_of(found["all"])
    assert stats is not None and (stats.elements, stats.mean, stats.min, stats.max) == (24, 11.5, 0.0, 23.0)
    assert stats.bins is None and stats.cells is None
    assert everything is not None and everything.bins is not None and sum(everything.bins) == 24
    assert everything.cells == tuple(tuple(row) for row in tensor.tolist())
    assert stats_of([1.0]) is None and stats_of(None) is None


def test_all_keeps_values_up_to_a_limit_of_its_own() -> None:
    noted = Values("all")
    assert plain(noted.of(torch.ones(WHOLE))) == [1.0] * WHOLE
    large = noted.of(torch.ones(WHOLE + 1))
    assert plain(large) is None and stats_of(large) is not None


@pytest.mark.parametrize(("policy", "limit"), [("none", -1), (False, -1), ("small", SMALL), (True, SMALL)])
def test_the_limit_tells_what_is_worth_asking_for(policy: str | bool, limit: int) -> None:
    noted = Values(policy)
    assert noted.limit == limit
    assert noted.of_small(torch.ones(limit + 1)) is None
    assert Values("stats").limit > 10**12 and Values("all").limit > 10**12


def test_a_policy_that_is_not_known_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^values is 'some', expected one of none, small, stats, all$"):
        Values("some")


@pytest.mark.parametrize("size", [2, SMALL + 2])
@pytest.mark.parametrize("policy", VALUES)
@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor")
def test_what_has_no_plain_numbers_has_no_value(policy: str, size: int) -> None:
    noted = Values(policy)
    assert noted.of(torch.ones(size, device="meta")) is None and noted.of(torch.eye(size).to_sparse()) is None
    assert noted.of(torch.quantize_per_tensor(torch.ones(size), 0.1, 0, torch.quint8)) is None


def test_a_value_is_a_copy() -> None:
    tensor = torch.ones(2)
    value = Values(True).of(tensor)
    tensor.zero_()
    assert value == [1.0, 1.0]


# -- in a trace --------------------------------------------------------------------------------
def test_tensors_and_gradients_of_a_trace_have_them() -> None:
    trace = record_cell(STEP, values="stats")
    assert Trace.from_json(trace.to_json()) == trace
    large = [row for row in trace.tensors if row.shape]
    assert len(large) == 4 and all(row.stats is not None and row.value is None for row in large)
    received = [g for step in trace.steps for g in step.received if g is not None and g.shape]
    assert received and all(g.stats is not None for g in received)
    (change,) = trace.changes
    assert change.after is not None and change.after.stats is not None and change.after.stats.elements == 64


def test_the_numbers_are_those_of_torch() -> None:
    book = Notebook()
    trace = book.run(STEP, values="all")
    w, row = book.namespace["w"], next(row for row in trace.tensors if row.requires_grad)
    for tensor, stats in ((w, row.stats), (w.grad, trace.changes[0].after and trace.changes[0].after.stats)):
        assert stats is not None
        wide = tensor.detach().double()
        assert (stats.mean, stats.std) == (pytest.approx(wide.mean().item()), pytest.approx(wide.std().item()))
        assert (stats.min, stats.max) == (wide.min().item(), wide.max().item())
    assert row.value == w.tolist()


def test_a_cell_with_meta_tensors() -> None:
    trace = record_cell(
        "with torch.device('meta'):\n    m = torch.ones(50, 50, requires_grad=True)\nn = (m * 2).sum()\nn.backward()",
        values="all",
    )
    assert {row.device for row in trace.tensors} == {"meta"}
    assert all(row.value is None and row.stats is None for row in trace.tensors) and trace.values_left_out == 0


def test_older_files_have_no_figures() -> None:
    trace = record_cell(STEP)
    data = json.loads(trace.to_json())
    del data["tensors"]["stats"], data["values_left_out"]
    for column in ("before", "added", "after"):
        for gradient in data["changes"][column]:
            (gradient or {}).pop("stats", None)
    assert Trace.from_json(json.dumps(data)) == trace


def test_a_later_cell_knows_the_figures_of_a_gradient() -> None:
    book = Notebook()
    book.run(STEP, values="stats")
    trace = book.run("w.sum().backward()", values="stats")
    before = trace.changes[-1].before
    assert before is not None and before.stats is not None and before.stats.elements == 64


# -- waiting for a device ----------------------------------------------------------------------
@pytest.fixture
def far_away(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Makes every tensor look as if it lay on a device; gives what is read of any tensor from then on."""
    read: list[str] = []

    def noting(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def noted(self: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
            read.append(name)
            return method(self, *args, **kwargs)

        return noted

    for name in READS:
        monkeypatch.setattr(torch.Tensor, name, noting(name, getattr(torch.Tensor, name)))
    monkeypatch.setattr(torch.Tensor, "is_cpu", False)
    return read


@pytest.mark.parametrize("policy", ["small", "stats", "all"])
def test_nothing_is_read_from_a_device_before_the_end(policy: str, far_away: list[str]) -> None:
    recorder = Recorder(strict=True, values=policy)
    recorder.start()
    x, w = torch.randn(8, 16), torch.randn(16, 4, requires_grad=True)
    loss = (x @ w).relu().sum()
    loss.backward()
    assert w.grad is not None
    w.grad.zero_()
    during = list(far_away)
    trace = recorder.stop()
    assert during == []
    assert set(far_away) == {"cpu", "tolist"} and far_away.count("cpu") <= 2  # one for each dtype
    assert trace.tensors[-1].value is not None or policy != "all"
    assert [row.stats is not None for row in trace.tensors if row.shape == (8, 4)] == [policy != "small"] * 2


def test_a_waiting_summary_says_the_same(far_away: list[str]) -> None:
    tensor = torch.randn(30, 30)
    noted = Values("all")
    waiting = noted.of(tensor)
    tensor.zero_()
    assert stats_of(waiting) is None and far_away == []
    noted.read()
    stats = stats_of(waiting)
    assert stats is not None and stats.zeros == 0 and stats.cells is not None
    assert plain(waiting)[0][0] != 0 and not noted.pending


def test_waiting_copies_are_read_together() -> None:
    noted = Values(True)
    waiting = [Pending(torch.ones(2)), Pending(torch.tensor(3)), Pending(torch.zeros(1, 2))]
    noted.pending += waiting
    noted.read()
    assert [plain(w) for w in waiting] == [[1.0, 1.0], 3, [[0.0, 0.0]]]
    assert all(w.copy is None for w in waiting) and noted.pending == []


def test_a_device_that_fails_keeps_no_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    noted, waiting = Values("small"), Pending(torch.ones(2))
    noted.pending.append(waiting)

    def lost(self: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("device lost")

    monkeypatch.setattr(torch.Tensor, "cpu", lost)
    with pytest.raises(RuntimeError, match="device lost"):
        noted.read()
    assert waiting.copy is None and plain(waiting) is None and noted.pending == []


def test_memory_that_is_not_there_leaves_the_value_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> Any:
        raise torch.OutOfMemoryError("out of memory")

    for name in ("figures", "at_once"):
        monkeypatch.setattr(values.figures, name, full)
    assert Values("stats").of(torch.ones(50)) is None and Values("all").of(torch.ones(50)) is None


# -- the budget --------------------------------------------------------------------------------
def test_the_budget_counts_bytes() -> None:
    one = HEADER + NUMBER * 2
    noted = Values("small", 3 * one)
    found = [noted.of(torch.ones(2)) for _ in range(5)]
    assert found == [[1.0, 1.0]] * 3 + [None] * 2 and noted.left_out == 2
    assert noted.of(torch.tensor(1.0)) is None  # from one moment on, not here and there


def test_a_quarter_of_the_budget_is_for_small_tensors() -> None:
    noted = Values("all", 20_000)
    larger = [noted.of(torch.randn(40, 40)) for _ in range(4)]
    assert [one is None for one in larger] == [False, True, True, True] and noted.left_out == 3
    assert [noted.of(torch.ones(2)) for _ in range(5_000 // (HEADER + 2 * NUMBER))][-1] == [1.0, 1.0]


def test_a_device_gives_whole_blocks(far_away: list[str]) -> None:
    noted = Values("small", 3 * values.BLOCK)
    found = [noted.of(torch.tensor(1.0)) for _ in range(4)]
    assert [one is None for one in found] == [False, False, True, True] and noted.left_out == 2
    noted = Values("stats", 12 * values.BLOCK)
    assert [noted.of(torch.ones(50)) is None for _ in range(8)][-1] and noted.left_out > 0


@pytest.mark.parametrize("policy", ["small", "stats", "all"])
def test_what_is_kept_stays_within_it(policy: str) -> None:
    budget, tensors = 2_000_000, [torch.randn(n) for n in (1, 20, 900, 3000)]
    for tensor in tensors:
        Values(policy).of(tensor)  # what torch itself sets up at first use
    gc.collect()
    tracemalloc.start()
    try:
        noted = Values(policy, budget)
        kept = [noted.of(tensor) for _ in range(2000) for tensor in tensors]
        size, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert noted.left_out > 0 or policy == "small"
    assert size - 8 * len(kept) < budget * 1.1


def test_what_was_left_out_is_counted_in_the_trace() -> None:
    trace = record_cell(STEP, values="stats", values_budget=0)
    assert trace.values_left_out >= len(trace.tensors)
    assert all(row.value is None and row.stats is None for row in trace.tensors)
    assert record_cell(STEP, values="all").values_left_out == 0


# -- what the cell notices ---------------------------------------------------------------------
@contextlib.contextmanager
def measured(book: SourceBook, namespace: dict[str, Any], errors: list[BaseException]) -> Iterator[None]:
    """A recording that takes the figures of every tensor that has an element."""
    recorder = Recorder(sources=book, namespace=lambda: namespace, strict=True, values="all")
    recorder.start()
    try:
        yield
    finally:
        assert recorder.stop(errors[0] if errors else None).problem is None


FIDELITY, LIFETIMES = programs("fidelity"), programs("lifetimes")


@pytest.mark.parametrize("name", FIDELITY)
def test_taking_figures_changes_nothing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(values, "SMALL", 0)
    run(FIDELITY[name], filename="<same>")
    plain_run, recorded = run(FIDELITY[name], filename="<same>"), run(FIDELITY[name], (measured,), filename="<same>")
    for what in ("error", "values", "random", "warnings", "printed"):
        assert getattr(recorded, what) == getattr(plain_run, what)


@pytest.mark.parametrize("name", LIFETIMES)
def test_taking_figures_keeps_nothing_alive(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from recorder.test_lifetimes import moments

    monkeypatch.setattr(values, "SMALL", 0)
    assert moments(LIFETIMES[name], (measured,)) == moments(LIFETIMES[name])


@pytest.mark.parametrize("policy", VALUES)
@pytest.mark.parametrize("size", [2, 50, 2000])
def test_no_tensor_is_kept(policy: str, size: int) -> None:
    noted = Values(policy)
    tensor = torch.ones(size)
    ref, storage = weakref.ref(tensor), weakref.ref(tensor.untyped_storage())
    kept = noted.of(tensor)
    del tensor
    assert ref() is None and storage() is None
    assert kept is None or policy != "none"


def test_a_copy_that_waits_is_not_the_tensor(far_away: list[str]) -> None:
    noted, tensor = Values("all"), torch.ones(50)
    kept, storage = noted.of(tensor), weakref.ref(tensor.untyped_storage())
    del tensor
    assert storage() is None and kept is not None


def test_versions_random_numbers_and_gradients_stay() -> None:
    w = torch.randn(30, 30, requires_grad=True)
    view = (w * 2)[1:]
    before = torch.get_rng_state()
    for tensor in (w, view, view.detach()):
        version, requires_grad, node = tensor._version, tensor.requires_grad, tensor.grad_fn
        assert stats_of(Values("all").of(tensor)) is not None
        assert (tensor._version, tensor.requires_grad, tensor.grad_fn) == (version, requires_grad, node)
    assert torch.equal(torch.get_rng_state(), before) and torch.is_grad_enabled()


def test_modes_of_the_user_see_nothing() -> None:
    seen: list[str] = []

    class Function(torch.overrides.TorchFunctionMode):
        def __torch_function__(self, f: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            seen.append(f.__name__)
            return f(*args, **(kwargs or {}))

    class Dispatch(TorchDispatchMode):
        def __torch_dispatch__(self, f: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            seen.append(f.__name__)
            return f(*args, **(kwargs or {}))

    tensor = torch.ones(50)
    with Function():
        assert stats_of(Values("all").of_small(tensor)) is not None
    assert not {"sum", "isfinite", "detach", "to", "tolist"} & set(seen)
    seen.clear()
    with Dispatch():
        noted = [Values("all").of_small(one) for one in (tensor, tensor[:2])]
    assert noted == [None, None] and seen == ["slice.Tensor"]


def test_it_works_where_the_user_wants_only_deterministic_operations() -> None:
    torch.use_deterministic_algorithms(True)
    try:
        trace = record_cell(STEP, values="all")
    finally:
        torch.use_deterministic_algorithms(False)
    assert all(row.stats is not None for row in trace.tensors if row.shape)


@pytest.mark.parametrize("around", [torch.inference_mode, torch.no_grad, lambda: torch.autocast("cpu")])
def test_figures_do_not_depend_on_what_is_switched_on_around_them(around: Callable[[], Any]) -> None:
    tensor = torch.randn(1000)
    for policy in ("stats", "all"):
        alone = stats_of(Values(policy).of(tensor))
        with around():
            assert stats_of(Values(policy).of(tensor)) == alone


# -- plain data --------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1.5, 1.5),
        (math.inf, "inf"),
        (-math.inf, "-inf"),
        (math.nan, "nan"),
        (1 - 2j, "1-2j"),
        (True, True),
        ([1.0, [math.nan]], [1.0, ["nan"]]),
        (None, None),
        ("text", "text"),
    ],
)
def test_numbers_that_json_lacks_are_text(value: Any, expected: Any) -> None:
    assert plain(value) == expected
