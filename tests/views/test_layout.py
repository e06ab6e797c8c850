"""The layered layout: what must hold for every graph, and how textbook graphs look."""

from __future__ import annotations

import itertools
import math
import random
import re
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograd_magics.views.layout import Layout, curve, layout
from autograd_magics.views.layout.proper import DUMMY_BUDGET

Size = tuple[float, float]
Edge = tuple[int, int]
Point = tuple[float, float]

BOX = (40.0, 24.0)


# -- what is measured -----------------------------------------------------------------------------------------------


def drawn(points: Sequence[Point], direction: str = "LR") -> list[Point]:
    """The curve through a route, as the path says it, in short straight pieces."""
    numbers = [float(n) for n in re.findall(r"-?[\d.]+", curve(points, direction))]
    controls = list(zip(numbers[::2], numbers[1::2], strict=True))
    line = [controls[0]]
    for start in range(0, len(controls) - 1, 3):
        (x0, y0), (x1, y1), (x2, y2), (x3, y3) = controls[start : start + 4]
        for t in (step / 12 for step in range(1, 13)):
            a, b, c, d = (1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3
            line.append((a * x0 + b * x1 + c * x2 + d * x3, a * y0 + b * y1 + c * y2 + d * y3))
    return line


def overlaps(sizes: Sequence[Size], placed: Layout) -> list[tuple[int, int]]:
    """Pairs of boxes that share area."""
    found = []
    for a, b in itertools.combinations(range(len(sizes)), 2):
        apart_x = abs(placed.x[a] - placed.x[b]) - (sizes[a][0] + sizes[b][0]) / 2
        apart_y = abs(placed.y[a] - placed.y[b]) - (sizes[a][1] + sizes[b][1]) / 2
        if apart_x < -0.01 and apart_y < -0.01:
            found.append((a, b))
    return found


def edges_over_nodes(
    sizes: Sequence[Size], edges: Sequence[Edge], placed: Layout, direction: str = "LR"
) -> list[tuple[Edge, int]]:
    """Edges whose curve enters the box of a node that is not one of their ends."""
    found = []
    for edge, route in zip(edges, placed.routes, strict=True):
        points = drawn(route, direction)
        for node, ((w, h), x, y) in enumerate(zip(sizes, placed.x, placed.y, strict=True)):
            if node not in edge and any(abs(px - x) < w / 2 - 0.2 and abs(py - y) < h / 2 - 0.2 for px, py in points):
                found.append((edge, node))
    return found


def outside(sizes: Sequence[Size], placed: Layout, direction: str = "LR") -> list[Point]:
    """Points of curves and corners of boxes that lie beyond the drawing."""
    points = [point for route in placed.routes for point in drawn(route, direction)]
    for (w, h), x, y in zip(sizes, placed.x, placed.y, strict=True):
        points += [(x - w / 2, y - h / 2), (x + w / 2, y + h / 2)]
    return [(x, y) for x, y in points if not (-0.1 < x < placed.width + 0.1 and -0.1 < y < placed.height + 0.1)]


def assert_sound(sizes: Sequence[Size], edges: Sequence[Edge], placed: Layout, direction: str = "LR") -> None:
    assert len(placed.x) == len(placed.y) == len(placed.ranks) == len(sizes)
    assert len(placed.routes) == len(edges)
    assert overlaps(sizes, placed) == []
    assert edges_over_nodes(sizes, edges, placed, direction) == []
    assert outside(sizes, placed, direction) == []


def assert_ends_on_boxes(sizes: Sequence[Size], edges: Sequence[Edge], placed: Layout) -> None:
    """Every edge of an acyclic graph leaves at the right side of its tail and enters at the left side of its head."""
    for (tail, head), route in zip(edges, placed.routes, strict=True):
        assert placed.ranks[tail] < placed.ranks[head]
        assert placed.x[tail] + sizes[tail][0] / 2 < placed.x[head] - sizes[head][0] / 2
        for node, (x, y), side in ((tail, route[0], 1), (head, route[-1], -1)):
            assert x == pytest.approx(placed.x[node] + side * sizes[node][0] / 2, abs=0.1)
            assert abs(y - placed.y[node]) <= sizes[node][1] / 2
        assert all(before[0] <= after[0] + 0.01 for before, after in itertools.pairwise(route))


def boxes(count: int) -> list[Size]:
    return [BOX] * count


def chain(count: int) -> list[Edge]:
    return [(i, i + 1) for i in range(count - 1)]


@st.composite
def graphs(draw: st.DrawFn, acyclic: bool) -> tuple[list[Size], list[Edge]]:
    count = draw(st.integers(1, 14))
    extent = st.sampled_from([0.0, 8.0, 24.0, 30.0, 90.0])
    sizes = draw(st.lists(st.tuples(extent, extent), min_size=count, max_size=count))
    node = st.integers(0, count - 1)
    edges = draw(st.lists(st.tuples(node, node), max_size=24))
    if acyclic:
        edges = [(min(edge), max(edge)) for edge in edges if edge[0] != edge[1]]
    return sizes, edges


# -- every graph ----------------------------------------------------------------------------------------------------


@settings(max_examples=150, deadline=None)
@given(graphs(acyclic=True))
def test_acyclic_graphs_go_from_left_to_right(graph: tuple[list[Size], list[Edge]]) -> None:
    sizes, edges = graph
    placed = layout(sizes, edges)
    assert_sound(sizes, edges, placed)
    assert_ends_on_boxes(sizes, edges, placed)


@settings(max_examples=150, deadline=None)
@given(graphs(acyclic=False))
def test_cycles_loops_and_repeated_edges_are_sound(graph: tuple[list[Size], list[Edge]]) -> None:
    sizes, edges = graph
    assert_sound(sizes, edges, layout(sizes, edges))


@settings(max_examples=60, deadline=None)
@given(graphs(acyclic=True), st.randoms(use_true_random=False))
def test_any_order_of_the_edges_is_sound_and_repeatable(
    graph: tuple[list[Size], list[Edge]], shuffler: random.Random
) -> None:
    sizes, edges = graph
    shuffler.shuffle(edges)
    placed = layout(sizes, edges)
    assert_sound(sizes, edges, placed)
    assert_ends_on_boxes(sizes, edges, placed)
    assert layout(sizes, edges) == placed


@settings(max_examples=60, deadline=None)
@given(graphs(acyclic=False))
def test_downwards_is_the_same_drawing_turned(graph: tuple[list[Size], list[Edge]]) -> None:
    sizes, edges = graph
    across = layout(sizes, edges)
    down = layout([(h, w) for w, h in sizes], edges, direction="TB")
    assert (down.x, down.y, down.width, down.height) == (across.y, across.x, across.height, across.width)
    assert down.routes == [[(y, x) for x, y in route] for route in across.routes]
    assert_sound([(h, w) for w, h in sizes], edges, down, "TB")


@pytest.mark.parametrize("seed", range(6))
def test_larger_random_graphs_are_sound(seed: int) -> None:
    source = random.Random(seed)
    count = 60
    sizes = [(source.choice([36.0, 80.0, 130.0]), source.choice([24.0, 36.0, 52.0])) for _ in range(count)]
    edges = [(source.randrange(max(0, head - 8), head), head) for head in range(1, count)]
    for _ in range(15):
        low, high = sorted(source.sample(range(count), 2))
        edges.append((low, high))
    placed = layout(sizes, edges)
    assert_sound(sizes, edges, placed)
    assert_ends_on_boxes(sizes, edges, placed)


@settings(max_examples=60, deadline=None)
@given(graphs(acyclic=True), st.data())
def test_edges_end_on_the_border_of_the_core(graph: tuple[list[Size], list[Edge]], data: st.DataObject) -> None:
    sizes, edges = graph
    sizes = [(w + 20, h + 20) for w, h in sizes]
    cores = [(w, h, "box") for w, h in sizes]
    for node, (w, h) in enumerate(sizes):
        shape = data.draw(st.sampled_from(["box", "circle", "wire"]))
        cores[node] = (w if shape == "wire" else min(w, h) / 2, min(w, h) / 2, shape)
    placed = layout(sizes, edges, cores=cores)
    assert_sound(sizes, edges, placed)
    for edge, route in zip(edges, placed.routes, strict=True):
        for node, (x, y), side in ((edge[0], route[0], 1), (edge[1], route[-1], -1)):
            width, height, shape = cores[node]
            dx, dy = (x - placed.x[node]) * side, y - placed.y[node]
            if shape == "circle":
                assert math.hypot(dx, dy) == pytest.approx(width / 2, abs=0.1)
                assert dx > abs(dy) - 0.1  # not farther than 45 degrees from the middle
            else:
                assert dx == pytest.approx(width / 2, abs=0.1)
                assert abs(dy) <= (0.01 if shape == "wire" else height / 2)


# -- small cases ----------------------------------------------------------------------------------------------------


def test_empty_and_single() -> None:
    assert layout([], []) == Layout([], [], 0.0, 0.0, [], 0, [])
    assert layout([(40, 24)], []) == Layout([20.0], [12.0], 40.0, 24.0, [], 0, [0])


def test_components_are_stacked_in_the_order_of_their_first_nodes() -> None:
    edges = [(3, 0), (4, 1)]
    placed = layout(boxes(5), edges, node_gap=18)
    assert placed.y == [12.0, 12.0 + 42, 12.0 + 84, 12.0, 12.0 + 42]
    assert placed.height == 3 * 24 + 2 * 18
    assert layout(boxes(5), edges, direction="TB").x == [20.0, 78.0, 136.0, 20.0, 78.0]


def test_gaps_are_kept() -> None:
    placed = layout(boxes(3), [(0, 2), (1, 2)], node_gap=31, rank_gap=47)
    assert placed.y[1] - placed.y[0] == pytest.approx(24 + 31)
    assert placed.x[2] - placed.x[0] == pytest.approx(40 + 47)


def test_repeated_edges_run_beside_each_other() -> None:
    placed = layout(boxes(2), [(0, 1)] * 3)
    middles = sorted(line[len(line) // 2][1] for line in map(drawn, placed.routes))
    assert middles[1] - middles[0] > 2
    assert middles[2] - middles[1] > 2


def test_repeated_edges_between_points_run_beside_each_other() -> None:
    placed = layout([(60, 40)] * 2, [(0, 1)] * 2, cores=[(60, 40, "wire")] * 2)
    middles = [route[1][1] for route in placed.routes]
    assert abs(middles[0] - middles[1]) == pytest.approx(10)


def test_a_self_loop_goes_round_its_node() -> None:
    placed = layout(boxes(2), [(0, 0), (0, 1), (0, 0)])
    inner, outer = placed.routes[0], placed.routes[2]
    assert inner[0] == pytest.approx((placed.x[0] + 20, placed.y[0]))
    assert inner[-1] == pytest.approx((placed.x[0] - 20, placed.y[0]))
    assert placed.y[0] + 12 < max(y for _, y in inner) < max(y for _, y in outer)
    assert_sound(boxes(2), [(0, 0), (0, 1), (0, 0)], placed)


def test_an_edge_that_closes_a_cycle_runs_backwards() -> None:
    placed = layout(boxes(3), [(0, 1), (1, 2), (2, 0)])
    assert placed.ranks == [0, 1, 2]
    assert placed.routes[2][0][0] > placed.routes[2][-1][0]


def test_curves_never_turn_back() -> None:
    along = [x for x, _ in drawn([(0.0, 0.0), (20.0, 33.333), (50.0, 10.0)])]
    assert along == sorted(along)


def test_straight_routes_have_two_points() -> None:
    placed = layout([(40, 24), (70, 30), (36, 36)], chain(3))
    assert [len(route) for route in placed.routes] == [2, 2]


def test_beside_texts_an_edge_runs_straight() -> None:
    sizes = [(100.0, 60.0), (100.0, 60.0), (40.0, 40.0)]
    placed = layout(sizes, [(0, 2), (1, 2)], cores=[(30, 30, "circle"), (30, 30, "circle"), (40, 40, "circle")])
    for node in (0, 1):
        points = drawn(placed.routes[node])
        assert {round(y, 1) for x, y in points if x < placed.x[node] + 50} == {round(placed.y[node], 1)}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"edges": [(0, 2)]}, r"edge \(0, 2\) names a node that is not there; nodes are 0 to 1"),
        ({"direction": "RL"}, "direction is 'RL'"),
        ({"sizes": [(1.0, -1.0), BOX]}, "-1.0; all must be finite"),
        ({"rank_gap": math.nan}, "nan; all must be finite"),
        ({"cores": [(1, 1, "box")]}, "1 cores for 2 nodes"),
        ({"cores": [(1, 1, "star"), (1, 1, "box")]}, "'star'"),
    ],
)
def test_wrong_arguments_are_named(arguments: dict[str, object], message: str) -> None:
    good: dict[str, object] = {"sizes": boxes(2), "edges": [(0, 1)]}
    with pytest.raises(ValueError, match=message):
        layout(**{**good, **arguments})  # type: ignore[arg-type]


# -- textbook graphs ------------------------------------------------------------------------------------------------


def test_linear_regression_looks_like_the_textbook() -> None:
    # x, w -> mul; mul, y -> sub; sub -> pow -> sum
    x, w, mul, y, sub, power, total = range(7)
    placed = layout(boxes(7), [(x, mul), (w, mul), (mul, sub), (y, sub), (sub, power), (power, total)])
    assert [placed.y[node] for node in (sub, power, total)] == pytest.approx([placed.y[mul]] * 3, abs=0.1)
    assert (placed.y[x] + placed.y[w]) / 2 == pytest.approx(placed.y[mul], abs=0.1)
    assert placed.y[x] < placed.y[w]  # operands in their order
    assert placed.y[y] > placed.y[mul]
    assert placed.crossings == 0


def test_parameters_stand_on_both_sides() -> None:
    # data -> norm(data, weight, bias) -> relu -> norm(...) -> relu
    edges = [(0, 3), (1, 3), (2, 3), (3, 4), (4, 7), (5, 7), (6, 7), (7, 8)]
    edges.insert(0, (9, 0))
    placed = layout(boxes(10), edges)
    trunk = placed.y[0]
    assert [placed.y[node] for node in (9, 3, 4, 7, 8)] == pytest.approx([trunk] * 5, abs=0.1)
    assert (placed.y[1] - trunk) * (placed.y[2] - trunk) < 0
    assert (placed.y[5] - trunk) * (placed.y[6] - trunk) < 0


def test_a_residual_trunk_is_straight_and_its_skips_are_outside() -> None:
    edges = chain(9) + [(1, 4), (4, 8)]
    placed = layout(boxes(9), edges)
    assert placed.y == pytest.approx([placed.y[0]] * 9, abs=0.1)
    for route in placed.routes[-2:]:
        assert max(abs(y - placed.y[0]) for _, y in route) > 12


def test_an_input_used_twice_stands_on_the_trunk() -> None:
    # x, w -> mul -> relu -> add <- x
    placed = layout(boxes(5), [(0, 2), (1, 2), (2, 3), (3, 4), (0, 4)])
    assert placed.y[0] == pytest.approx(placed.y[2], abs=0.1)


def test_complete_bipartite_graph_has_its_nine_crossings() -> None:
    edges = [(tail, head) for tail in range(3) for head in range(3, 6)]
    assert layout(boxes(6), edges).crossings == 9


@pytest.mark.parametrize("seed", range(4))
def test_shuffled_trees_and_ladders_are_drawn_without_crossings(seed: int) -> None:
    source = random.Random(seed)
    tree = [(node, source.randrange(node)) for node in range(1, 60)]
    ladder = [(i, i + 2) for i in range(58)] + [(2 * i, 2 * i + 1) for i in range(30)]
    for edges in (tree, ladder):
        source.shuffle(edges)
        assert layout(boxes(60), edges).crossings == 0


# -- large graphs ---------------------------------------------------------------------------------------------------


def test_a_chain_of_100_000_nodes() -> None:
    count = 100_000
    placed = layout(boxes(count), chain(count))
    assert placed.width == pytest.approx(count * 40 + (count - 1) * 26)
    assert set(placed.y) == {12.0}
    assert placed.ranks == list(range(count))


def test_a_ladder_of_2_000_steps() -> None:
    count = 2_000
    edges = [(i, i + 2) for i in range(2 * count - 2)] + [(2 * i, 2 * i + 1) for i in range(count)]
    placed = layout(boxes(2 * count), edges)
    assert placed.crossings == 0
    assert placed.height < 6 * 24
    assert_ends_on_boxes(boxes(2 * count), edges, placed)


def test_edges_beyond_the_dummy_budget_go_round_the_drawing() -> None:
    count = 360
    edges = chain(count) + [(count, head) for head in range(1, count)]
    assert sum(head - 1 for head in range(1, count)) > DUMMY_BUDGET
    sizes = boxes(count + 1)
    placed = layout(sizes, edges)
    assert edges_over_nodes(sizes, edges[-20:], Layout(**{**vars(placed), "routes": placed.routes[-20:]})) == []
    assert outside(sizes, placed) == []
    assert_ends_on_boxes(sizes, edges, placed)
    lane = {round(y, 1) for x, y in drawn(placed.routes[-1]) if 100 < x < placed.x[count - 1] - 100}
    assert len(lane) == 1
    assert lane.pop() > max(placed.y) + 12
