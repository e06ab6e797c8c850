"""Graphs and where the layout puts everything: `python -m tests.golden.make_layout` writes `layout.json`.

The layout in Python is compared with it by `tests/views/test_layout_fixture.py`, the one in TypeScript by vitest:
coordinates are equal within 0.1 px.  The graphs of `benchmarks/layout.py` are real autograd graphs of one release of
PyTorch; those in the file are kept as they are, so that another release changes nothing: `again` lays them out anew.
"""

from __future__ import annotations

import json
import pathlib
from random import Random
from typing import Any, NamedTuple

from autograd_magics.views.layout import layout

PATH = pathlib.Path(__file__).parent / "layout.json"

Size = tuple[float, float]
Edge = tuple[int, int]


class Graph(NamedTuple):
    """What is given to `layout`."""

    name: str
    sizes: list[Size]
    edges: list[Edge]
    direction: str = "LR"
    gaps: tuple[float, float, float] = (18, 26, 10)
    cores: list[tuple[float, float, str]] | None = None


def random_graph(seed: int, count: int, extra: float, *, acyclic: bool = True, reach: int = 0) -> list[Edge]:
    """Every node but the first has an input; `extra` more edges for each, at most `reach` nodes long where set."""
    random = Random(seed)

    def before(node: int) -> int:
        return random.randrange(max(0, node - reach) if reach else 0, node)

    edges = [(before(node), node) for node in range(1, count)]
    for _ in range(int(count * extra)):
        head = random.randrange(1, count)
        edges.append((before(head), head) if acyclic or random.random() < 0.8 else (head, random.randrange(count)))
    return edges


def random_sizes(seed: int, count: int) -> list[Size]:
    random = Random(seed)
    return [(float(random.choice((10, 24, 40, 64, 90))), float(random.choice((10, 24, 30, 62)))) for _ in range(count)]


def random_cores(seed: int, sizes: list[Size]) -> list[tuple[float, float, str]]:
    random = Random(seed)
    return [
        (min(size) if shape == "circle" else size[0], min(size) if shape == "circle" else size[1] / 2, shape)
        for size, shape in ((size, random.choice(("circle", "box", "wire"))) for size in sizes)
    ]


def shaped() -> list[Graph]:
    """Graphs of one kind each."""
    box = (40.0, 24.0)
    ladder = [(i, i + 2) for i in range(58)] + [(i, i + 1) for i in range(0, 59, 2)]
    residual = [edge for i in range(0, 90, 3) for edge in ((i, i + 1), (i + 1, i + 2), (i + 2, i + 3), (i, i + 3))]
    forest = [(i, i + 1) for i in range(40) if i % 5] + [(i, i + 2) for i in range(0, 38, 4)]
    loops = [(0, 0), (0, 1), (1, 1), (1, 1), (1, 2), (2, 0), (3, 3)]
    parallel = [(0, 1), (0, 1), (0, 1), (1, 2), (1, 2), (0, 2), (0, 2), (2, 3)]
    hubs = [(0, i) for i in range(1, 40)] + [(i, 40) for i in range(1, 40)] + [(0, 40)]
    return [
        Graph("one", [box], []),
        Graph("chain", [box] * 500, [(i, i + 1) for i in range(499)]),
        Graph("ladder", [box] * 60, ladder),
        Graph("residual", [box] * 91, residual, "TB"),
        Graph("forest", random_sizes(5, 41), forest),
        Graph("loops", [box] * 4, loops),
        Graph("parallel", [box] * 4, parallel, "TB"),
        Graph("hubs", random_sizes(6, 41), hubs),
        Graph("shared", [box] * 101, [(100, i) for i in range(100)] + [(i, i + 1) for i in range(99)]),
    ]


def drawn() -> list[Graph]:
    """Random graphs, sparse and dense, some with cycles."""
    found = []
    plans = [(8, 0.5, True, 0), (14, 1.0, True, 0), (14, 1.0, False, 0), (30, 0.6, True, 6), (30, 0.6, False, 0)]
    plans += [(60, 0.3, True, 8), (60, 1.2, True, 0), (120, 0.4, True, 5), (200, 0.2, True, 12), (350, 0.1, True, 9)]
    for seed, (count, extra, acyclic, reach) in enumerate(plans):
        edges = random_graph(seed, count, extra, acyclic=acyclic, reach=reach)
        sizes = random_sizes(seed, count)
        cores = random_cores(seed, sizes) if seed % 2 else None
        gaps = (18.0, 26.0, 10.0) if seed % 3 else (12.0, 40.0, 7.0)
        found.append(Graph(f"random {count}.{seed}", sizes, edges, "TB" if seed % 4 == 3 else "LR", gaps, cores))
    return found


def benchmarked() -> list[Graph]:
    from benchmarks.layout import GRAPHS

    made = [make() for make in GRAPHS.values()]
    return [Graph(one.name, [(round(w, 2), h) for w, h in one.sizes], one.edges) for one in made]


def given(graph: Graph) -> dict[str, Any]:
    """The graph, in flat lists."""
    return {**graph._asdict(), "sizes": _flat(graph.sizes), "edges": _flat(graph.edges)}


def placed(graph: Graph) -> dict[str, Any]:
    """The graph and where it goes, in flat lists, to 0.01 px."""
    node, rank, edge = graph.gaps
    found = layout(
        graph.sizes,
        graph.edges,
        direction=graph.direction,
        node_gap=node,
        rank_gap=rank,
        edge_gap=edge,
        cores=graph.cores,
    )
    return {
        **given(graph),
        "width": round(found.width, 2),
        "height": round(found.height, 2),
        "x": [round(x, 2) for x in found.x],
        "y": [round(y, 2) for y in found.y],
        "routes": [[round(value, 2) for value in _flat(route)] for route in found.routes],
        "crossings": found.crossings,
        "ranks": found.ranks,
    }


def _flat(pairs: Any) -> list[Any]:
    return [value for pair in pairs for value in pair]


def kept() -> list[dict[str, Any]]:
    """What the file has."""
    return json.loads(PATH.read_text("utf-8"))  # type: ignore[no-any-return]


def again(one: dict[str, Any]) -> dict[str, Any]:
    """A graph of the file laid out anew."""
    sizes, edges = one["sizes"], one["edges"]
    cores = one["cores"] and [tuple(core) for core in one["cores"]]
    pairs = list(zip(edges[::2], edges[1::2], strict=True))
    graph = Graph(
        one["name"],
        list(zip(sizes[::2], sizes[1::2], strict=True)),
        pairs,
        one["direction"],
        tuple(one["gaps"]),
        cores,
    )
    return plain(placed(graph))  # type: ignore[no-any-return]


def plain(value: Any) -> Any:
    """As JSON has it."""
    return json.loads(json.dumps(value))


def main() -> None:
    """Write the file."""
    graphs = shaped() + drawn() + benchmarked()
    lines = ",\n".join(json.dumps(placed(graph), separators=(",", ":")) for graph in graphs)
    PATH.write_text(f"[\n{lines}\n]\n", encoding="utf-8")


if __name__ == "__main__":
    main()
