from __future__ import annotations

from autograd_magics.graph import Graph
from autograd_magics.trace import Call
from autograd_magics.views.statements import LONGEST, Gap, Statement, shortened, statements
from tests.builders import Cell, loop, regression


def lines(cell: Cell) -> list[int | None]:
    return [one.place.line if one.place else None for one in statements(Graph(cell.trace()))]


def test_calls_of_one_line_are_one_statement() -> None:
    found = statements(Graph(regression().trace()))
    assert lines(regression()) == [4, 5, 6, 7]
    names = [[row.name if isinstance(row, Call) else row.kind for row in one.rows] for one in found]
    assert names == [["mul"], ["sub"], ["pow", "sum"], ["Tensor.backward"]]


def test_each_iteration_has_its_own() -> None:
    assert lines(loop(3)) == [3, 4, 3, 4, 3, 4]


def test_a_loop_on_one_line_is_seen_by_its_place() -> None:
    cell = Cell("for k in range(9): y = y * 2")
    y = cell.leaf("y", 1.0)
    for _ in range(9):
        y = cell.call("y * 2", "mul", (y,), 1.0, node="MulBackward0")
    assert lines(cell) == [1] * 9


def test_many_calls_at_one_place_are_one_statement() -> None:
    cell = Cell("out = model(x)")
    x = cell.leaf("x", 1.0)
    for op in ("linear", "relu", "linear"):
        x = cell.call("model(x)", op, (x,), 1.0, node=f"{op}Backward0")
    assert lines(cell) == [1]


def test_long_loops_are_shortened_and_counted() -> None:
    shown = shortened(statements(Graph(loop(1000).trace())))
    assert [type(one) for one in shown] == [Statement] * 4 + [Gap] + [Statement] * 2
    assert shown[4] == Gap(iterations=997)


def test_a_short_loop_is_whole() -> None:
    shown = shortened(statements(Graph(loop(4).trace())))
    assert len(shown) == 8 and Gap not in map(type, shown)


def test_what_is_no_loop_is_shortened_too() -> None:
    cell = Cell("\n".join(f"a{i} = w * {i}" for i in range(300)))
    w = cell.leaf("w", 1.0)
    for i in range(300):
        cell.call(f"w * {i}\n" if i < 299 else "w * 299", "mul", (w,), 1.0, node="MulBackward0")
    shown = shortened(statements(Graph(cell.trace())))
    assert len(shown) == LONGEST + 1
    assert shown[LONGEST // 2] == Gap(statements=300 - LONGEST)
