"""The stages of the layout, each against a slower or simpler way to the same answer."""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograd_magics.views.layout import curve
from autograd_magics.views.layout.crossings import crossings_between, crossings_by_gap
from autograd_magics.views.layout.proper import proper_graph
from autograd_magics.views.layout.ranks import assign_ranks, longest_path
from autograd_magics.views.layout.reinsertion import reinsert_paths
from autograd_magics.views.layout.simplex import Simplex

Edge = tuple[int, int]


def chain(count: int) -> list[Edge]:
    return [(i, i + 1) for i in range(count - 1)]


# -- ranks, order -----------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=4, max_size=9))
def test_ranks_have_the_least_total_span(pairs: list[Edge]) -> None:
    edges = [(min(pair), max(pair)) for pair in pairs if pair[0] != pair[1]] + chain(2) + [(1, 2), (0, 3), (3, 4)]
    ranks = assign_ranks(5, edges)
    assert all(ranks[tail] < ranks[head] for tail, head in edges)
    assert min(ranks) == 0
    best = min(
        sum(choice[head] - choice[tail] for tail, head in edges)
        for choice in itertools.product(range(5), repeat=5)
        if all(choice[tail] < choice[head] for tail, head in edges)
    )
    assert sum(ranks[head] - ranks[tail] for tail, head in edges) == best


@pytest.mark.parametrize("seed", range(6))
def test_network_simplex_leaves_nothing_to_gain(seed: int) -> None:
    source = random.Random(seed)
    count = 14
    pairs = [(source.randrange(head), head) for head in range(1, count)]
    pairs += [(min(pair), max(pair)) for pair in (source.sample(range(count), 2) for _ in range(22))]
    edges = sorted(set(pairs))
    tails, heads = zip(*edges, strict=True)
    weights = [source.randint(1, 9) for _ in edges]
    level = longest_path(count, edges)
    Simplex(level, tails, heads, [1] * len(edges), weights).run(100_000)
    assert all(level[tail] < level[head] for tail, head in edges)
    # The problem is convex: a better solution exists only if moving some set of nodes by one is better.
    for moved in range(1, 2**count - 1):
        change = 0
        for (tail, head), weight in zip(edges, weights, strict=True):
            difference = (moved >> head & 1) - (moved >> tail & 1)
            if difference < 0 and level[head] - level[tail] == 1:
                break
            change += weight * difference
        else:
            assert change >= 0


@pytest.mark.parametrize("seed", range(8))
def test_reinsertion_counts_what_it_removes(seed: int) -> None:
    source = random.Random(seed)
    edges = [(source.randrange(max(0, head - 6), head), head) for head in range(1, 30)] + [(0, 20), (3, 25), (5, 29)]
    graph = proper_graph([24.0] * 30, edges, assign_ranks(30, edges), (18, 10))
    rows: list[list[int]] = [[] for _ in range(graph.ranks)]
    for vertex in source.sample(range(graph.count), graph.count):
        rows[graph.rank[vertex]].append(vertex)
    graph.set_rows(rows)
    before = sum(crossings_by_gap(graph))
    removed = 0
    while gain := reinsert_paths(graph):
        assert gain > 0
        removed += gain
    assert 0 < removed == before - sum(crossings_by_gap(graph))


@settings(max_examples=60, deadline=None)
@given(st.sets(st.tuples(st.integers(0, 5), st.integers(6, 11)), min_size=1), st.permutations(range(6)))
def test_crossings_are_counted_like_pairs(pairs: set[Edge], order: list[int]) -> None:
    edges = sorted(pairs)
    graph = proper_graph([24.0] * 12, edges, [0] * 6 + [1] * 6, (18, 10))
    graph.set_rows([order, list(range(6, 12))])
    place = graph.position
    pairwise = sum(
        (place[a[0]] - place[b[0]]) * (place[a[1]] - place[b[1]]) < 0 for a, b in itertools.combinations(edges, 2)
    )
    assert crossings_between(graph, 0) == pairwise


def test_the_longest_edges_are_left_out_when_dummies_run_out() -> None:
    edges = [*chain(8), (0, 5), (2, 7), (0, 6)]
    graph = proper_graph([24.0] * 8, edges, list(range(8)), (18, 10), budget=8)
    assert graph.around == [9]
    assert graph.path(7) == [0, 8, 9, 10, 11, 5]
    assert graph.path(8) == [2, 12, 13, 14, 15, 7]
    assert graph.lower[0] == [1, 8]


# -- curves ---------------------------------------------------------------------------------------------------------


def test_a_straight_route_is_a_straight_path() -> None:
    assert curve([(10, 20), (40, 20)]) == "M10 20C26.5 20 23.5 20 40 20"


def test_a_path_starts_and_ends_along_the_direction() -> None:
    route = [(0.0, 0.0), (20.0, 33.333), (50.0, 10.0)]
    assert curve(route) == "M0 0C11 0 9 33.3 20 33.3C36.5 33.3 33.5 10 50 10"


def test_a_path_downwards_has_vertical_tangents() -> None:
    assert curve([(0, 0), (10, 20)], "TB") == "M0 0C0 11 10 9 10 20"


def test_a_path_that_turns_back_is_round() -> None:
    assert curve([(0, 0), (10, 10), (0, 20)]) == "M0 0C5.5 0 10 4.5 10 10C10 15.5 5.5 20 0 20"


def test_numbers_of_a_path_are_short() -> None:
    assert curve([(-0.01, 1 / 3), (2.0, 1 / 3)]) == "M0 0.3C1.1 0.3 0.9 0.3 2 0.3"
