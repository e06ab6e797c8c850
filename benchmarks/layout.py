"""The layout engine against Graphviz `dot` on real autograd graphs: quality and CPU time.

    python benchmarks/layout.py [--graph NAME ...] [--direction LR|TB]

Both get the same graph, node sizes and gaps. Both drawings are measured as drawn: curves cut into short lines,
edges from node border to node border. Exit status 1 when a target is missed. Without `dot` only our own columns.
"""

from __future__ import annotations

import argparse
import math
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from autograd_magics.views.layout import curve, layout

NODE_GAP, RANK_GAP, EDGE_GAP = 18.0, 26.0, 10.0
TARGETS = {"crossings": 1.1, "length": 1.15, "width": 1.0}
DOT_SECONDS = 120
PIECES = 8  # lines per cubic curve

Point = tuple[float, float]
Line = list[Point]


@dataclass
class Graph:
    name: str
    sizes: list[tuple[float, float]]
    edges: list[tuple[int, int]]


@dataclass
class Drawing:
    centres: list[Point]
    lines: list[Line]  # one for each edge
    ends: list[tuple[int, int]]
    milliseconds: float


@dataclass
class Measures:
    crossings: int
    length: float
    width: float
    overlaps: int
    over_nodes: int
    milliseconds: float


# -- graphs ---------------------------------------------------------------------------------------------------------


def walk(name: str, root) -> Graph:
    """The graph behind a tensor: leaves first, edges in the direction of the data."""
    numbers = {root.grad_fn: 0}
    order = [root.grad_fn]
    edges = []
    for node in order:
        for parent, _ in node.next_functions:
            if parent is not None:
                if parent not in numbers:
                    numbers[parent] = len(order)
                    order.append(parent)
                edges.append((numbers[parent], numbers[node]))
    labels = [node.name().rsplit("::")[-1].replace("Backward0", "") for node in order]
    sizes = [(6.65 * len(label.replace("AccumulateGrad", "weight")) + 20, 24.0) for label in labels]
    return Graph(name, sizes, edges)


def linreg() -> Graph:
    import torch

    w, b = torch.ones(1, requires_grad=True), torch.zeros(1, requires_grad=True)
    return walk("linreg", (torch.arange(4.0) * w + b - torch.ones(4)).pow(2).sum())


def mlp() -> Graph:
    import torch

    model = torch.nn.Sequential(*(m for _ in range(3) for m in (torch.nn.Linear(4, 4), torch.nn.ReLU())))
    return walk("mlp", model(torch.ones(2, 4)).pow(2).mean())


def double_backward() -> Graph:
    import torch

    linear, tanh, sigmoid = torch.nn.Linear, torch.nn.Tanh(), torch.nn.Sigmoid()
    model = torch.nn.Sequential(linear(4, 4), tanh, linear(4, 4), sigmoid, linear(4, 1))
    loss = model(torch.ones(2, 4)).pow(2).mean()
    gradients = torch.autograd.grad(loss, list(model.parameters()), create_graph=True)
    return walk("double_backward", sum(g.pow(2).sum() for g in gradients))


def resnet() -> Graph:
    """Bottleneck blocks in four stages of 3, 4, 6, 3, the first of each with a convolution in the shortcut."""
    import torch
    from torch import nn

    def convolution(inputs: int, outputs: int, kernel: int) -> nn.Sequential:
        return nn.Sequential(
            nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False), nn.BatchNorm2d(outputs)
        )

    def block(x: torch.Tensor, first: bool) -> torch.Tensor:
        y = torch.relu(convolution(4, 2, 1)(x))
        y = torch.relu(convolution(2, 2, 3)(y))
        y = convolution(2, 4, 1)(y)
        return torch.relu(y + (convolution(4, 4, 1)(x) if first else x))

    x = torch.max_pool2d(torch.relu(convolution(3, 4, 7)(torch.ones(2, 3, 8, 8))), 2)
    for blocks in (3, 4, 6, 3):
        for index in range(blocks):
            x = block(x, index == 0)
    logits = nn.Linear(4, 3)(x.mean((2, 3)))
    return walk("resnet", nn.functional.cross_entropy(logits, torch.tensor([0, 1])))


def _attention(q, k, v, heads: int, bias=None, causal: bool = False):
    import torch

    batch, length, width = q.shape

    def split(t):
        return t.view(batch, length, heads, width // heads).transpose(1, 2)

    scores = split(q) @ split(k).transpose(-1, -2) / (width // heads) ** 0.5
    if bias is not None:
        scores = scores + bias
    if causal:
        mask = torch.ones(length, length).tril().bool()
        scores = torch.where(mask, scores, torch.tensor(-1e4))
    out = torch.dropout(scores.softmax(-1), 0.1, True) @ split(v)
    return out.transpose(1, 2).reshape(batch, length, width)


def gpt2(layers: int = 12) -> Graph:
    """Pre-norm decoder with one projection for q, k, v and the head tied to the embedding."""
    import torch
    from torch import nn

    width, heads = 8, 2
    tokens, positions = nn.Embedding(11, width), nn.Embedding(6, width)
    ids = torch.arange(6)[None]
    x = torch.dropout(tokens(ids) + positions(ids), 0.1, True)
    for _ in range(layers):
        q, k, v = nn.Linear(width, 3 * width)(nn.LayerNorm(width)(x)).split(width, dim=2)
        x = x + torch.dropout(nn.Linear(width, width)(_attention(q, k, v, heads, causal=True)), 0.1, True)
        h = nn.Linear(width, 4 * width)(nn.LayerNorm(width)(x))
        h = 0.5 * h * (1.0 + torch.tanh(0.8 * (h + 0.044715 * torch.pow(h, 3.0))))
        x = x + torch.dropout(nn.Linear(4 * width, width)(h), 0.1, True)
    logits = nn.LayerNorm(width)(x) @ tokens.weight.t()
    return walk("gpt2", nn.functional.cross_entropy(logits.view(-1, 11), ids.view(-1)))


def bert(layers: int = 12) -> Graph:
    """Post-norm encoder; one relative-position table shared by all layers, masked-token head tied to the embedding."""
    import torch
    from torch import nn

    width, heads = 8, 2
    tokens, positions, kinds = nn.Embedding(11, width), nn.Embedding(6, width), nn.Embedding(2, width)
    ids = torch.arange(6)[None]
    bias = nn.Embedding(36, heads)(torch.arange(36)).view(6, 6, heads).permute(2, 0, 1)[None]
    x = nn.LayerNorm(width)(tokens(ids) + positions(ids) + kinds(torch.zeros_like(ids)))
    x = torch.dropout(x, 0.1, True)
    for _ in range(layers):
        q, k, v = (nn.Linear(width, width)(x) for _ in range(3))
        y = torch.dropout(nn.Linear(width, width)(_attention(q, k, v, heads, bias=bias)), 0.1, True)
        x = nn.LayerNorm(width)(x + y)
        h = nn.functional.gelu(nn.Linear(width, 4 * width)(x))
        x = nn.LayerNorm(width)(x + torch.dropout(nn.Linear(4 * width, width)(h), 0.1, True))
    h = nn.LayerNorm(width)(nn.functional.gelu(nn.Linear(width, width)(x)))
    logits = h @ tokens.weight.t() + torch.zeros(11, requires_grad=True)
    return walk("bert", nn.functional.cross_entropy(logits.view(-1, 11), ids.view(-1)))


GRAPHS: dict[str, Callable[[], Graph]] = {
    make.__name__: make for make in (linreg, mlp, double_backward, resnet, gpt2, bert)
}


# -- drawings -------------------------------------------------------------------------------------------------------


def flatten(controls: list[Point]) -> Line:
    """Short lines along a chain of cubic Bézier curves (3 k + 1 control points)."""
    line = [controls[0]]
    for start in range(0, len(controls) - 1, 3):
        (x0, y0), (x1, y1), (x2, y2), (x3, y3) = controls[start : start + 4]
        for step in range(1, PIECES + 1):
            t = step / PIECES
            a, b, c, d = (1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3
            line.append((a * x0 + b * x1 + c * x2 + d * x3, a * y0 + b * y1 + c * y2 + d * y3))
    return line


def draw_ours(graph: Graph, direction: str) -> Drawing:
    best = float("inf")
    for _ in range(3):
        start = time.process_time()
        result = layout(
            graph.sizes, graph.edges, direction=direction, node_gap=NODE_GAP, rank_gap=RANK_GAP, edge_gap=EDGE_GAP
        )
        best = min(best, time.process_time() - start)
    lines = []
    for route in result.routes:
        numbers = [float(n) for n in curve(route, direction).replace("M", "").replace("C", " ").split()]
        lines.append(flatten(list(zip(numbers[::2], numbers[1::2], strict=True))))
    return Drawing(list(zip(result.x, result.y, strict=True)), lines, graph.edges, best * 1000)


def draw_dot(graph: Graph, direction: str) -> Drawing | None:
    """The same graph by `dot`, curves and all; None when it takes too long."""
    lines = [
        f"digraph {{ rankdir={direction}; nodesep={NODE_GAP / 72}; ranksep={RANK_GAP / 72}; splines=true;"
        ' node [shape=box, fixedsize=true, label=""]; edge [arrowhead=none];'
    ]
    lines += [f"n{i} [width={w / 72:.6f}, height={h / 72:.6f}];" for i, (w, h) in enumerate(graph.sizes)]
    lines += [f"n{tail} -> n{head};" for tail, head in graph.edges] + ["}"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    try:
        run = subprocess.run(
            ["dot", "-Tplain"], input="\n".join(lines), capture_output=True, text=True, check=True, timeout=DOT_SECONDS
        )
    except subprocess.TimeoutExpired:
        return None
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    drawing = Drawing([(0.0, 0.0)] * len(graph.sizes), [], [], 0.0)
    drawing.milliseconds = 1000 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    for line in run.stdout.replace("\\\n", "").splitlines():
        words = line.split()
        if words[0] == "node":
            drawing.centres[int(words[1][1:])] = (float(words[2]) * 72, float(words[3]) * 72)
        elif words[0] == "edge":
            numbers = [float(n) * 72 for n in words[4 : 4 + 2 * int(words[3])]]
            drawing.lines.append(flatten(list(zip(numbers[::2], numbers[1::2], strict=True))))
            drawing.ends.append((int(words[1][1:]), int(words[2][1:])))
    return drawing


# -- measures -------------------------------------------------------------------------------------------------------


def measure(graph: Graph, drawing: Drawing, direction: str) -> Measures:
    boxes = [
        (x - w / 2, y - h / 2, x + w / 2, y + h / 2)
        for (x, y), (w, h) in zip(drawing.centres, graph.sizes, strict=True)
    ]
    axis = 1 if direction == "LR" else 0
    extent = [value for line in drawing.lines for value in (point[axis] for point in line)]
    extent += [value for box in boxes for value in (box[axis], box[axis + 2])]
    length = sum(math.dist(a, b) for line in drawing.lines for a, b in pairwise(line))
    overlaps = sum(1 for a, b in _touching(boxes) if _inside(boxes[a], boxes[b]))
    return Measures(
        _crossings(drawing, boxes),
        length,
        max(extent) - min(extent),
        overlaps,
        _over_nodes(drawing, boxes),
        drawing.milliseconds,
    )


def _inside(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    """Whether two boxes share more than a rounding error."""
    return min(a[2], b[2]) - max(a[0], b[0]) > 0.5 and min(a[3], b[3]) - max(a[1], b[1]) > 0.5


def _touching(boxes: list[tuple[float, ...]]) -> Iterator[tuple[int, int]]:
    """Pairs of boxes whose x ranges meet."""
    order = sorted(range(len(boxes)), key=lambda i: boxes[i][0])
    active: list[int] = []
    for index in order:
        active = [other for other in active if boxes[other][2] > boxes[index][0]]
        for other in active:
            if boxes[other][1] <= boxes[index][3] and boxes[index][1] <= boxes[other][3]:
                yield other, index
        active.append(index)


def _crossings(drawing: Drawing, boxes: list[tuple[float, ...]]) -> int:
    """Points where two edges cross; where they fan out of a common node does not count."""
    segments = [(edge, a, b) for edge, line in enumerate(drawing.lines) for a, b in pairwise(line)]
    around = [(min(a[0], b[0]), min(a[1], b[1]), max(a[0], b[0]), max(a[1], b[1])) for _, a, b in segments]
    count = 0
    for first, second in _touching(around):
        edge, a, b = segments[first]
        other, c, d = segments[second]
        if edge == other or _side(a, b, c) == _side(a, b, d) or _side(c, d, a) == _side(c, d, b):
            continue
        shared = set(drawing.ends[edge]) & set(drawing.ends[other])
        if not any(_near(a, boxes[node]) for node in shared):
            count += 1
    return count


def _side(a: Point, b: Point, c: Point) -> bool:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]) > 0


def _near(point: Point, box: tuple[float, ...], margin: float = RANK_GAP) -> bool:
    return box[0] - margin < point[0] < box[2] + margin and box[1] - margin < point[1] < box[3] + margin


def _over_nodes(drawing: Drawing, boxes: list[tuple[float, ...]]) -> int:
    """Pairs of an edge and a node that is not one of its ends, where the edge enters the box by over a pixel."""
    inner = [(x0 + 1, y0 + 1, x1 - 1, y1 - 1) for x0, y0, x1, y1 in boxes]
    around = list(inner)
    owner: list[tuple[int, Point, Point]] = []
    for edge, line in enumerate(drawing.lines):
        for a, b in pairwise(line):
            owner.append((edge, a, b))
            around.append((min(a[0], b[0]), min(a[1], b[1]), max(a[0], b[0]), max(a[1], b[1])))
    hits = set()
    for first, second in _touching(around):
        low, high = sorted((first, second))
        if low < len(boxes) <= high:
            edge, a, b = owner[high - len(boxes)]
            if low not in drawing.ends[edge] and _enters(a, b, inner[low]):
                hits.add((edge, low))
    return len(hits)


def _enters(a: Point, b: Point, box: tuple[float, ...]) -> bool:
    """Whether a line meets a box (Liang, Barsky)."""
    near, far = 0.0, 1.0
    for axis in (0, 1):
        run = b[axis] - a[axis]
        if not run:
            if not box[axis] < a[axis] < box[axis + 2]:
                return False
            continue
        t0, t1 = sorted(((box[axis] - a[axis]) / run, (box[axis + 2] - a[axis]) / run))
        near, far = max(near, t0), min(far, t1)
    return near < far


# -- report ---------------------------------------------------------------------------------------------------------


def _ratio(ours: float, theirs: float) -> float:
    return 1.0 if ours == theirs else ours / theirs if theirs else float("inf")


def report(graph: Graph, direction: str, with_dot: bool) -> list[str]:
    """Print one block of the table. Returns what was missed."""
    ours = measure(graph, draw_ours(graph, direction), direction)
    drawing = draw_dot(graph, direction) if with_dot else None
    dot = measure(graph, drawing, direction) if drawing else None
    print(f"\n{graph.name}: {len(graph.sizes)} nodes, {len(graph.edges)} edges, {direction}")
    if with_dot and not dot:
        print(f"  dot needed more than {DOT_SECONDS} s: no comparison")
    missed = []
    for name in ("crossings", "length", "width", "overlaps", "over_nodes", "milliseconds"):
        value = getattr(ours, name)
        text = f"  {name:<13}{value:>12,.0f}"
        target = TARGETS.get(name)
        if dot:
            theirs = getattr(dot, name)
            text += f"  dot {theirs:>10,.0f}  ratio {_ratio(value, theirs):>6.2f}"
            if target:
                text += f"  target {target:<5}"
                if _ratio(value, theirs) > target + 0.005:
                    missed.append(f"{graph.name} {name} {_ratio(value, theirs):.2f} > {target}")
                    text += " MISSED"
        if name in ("overlaps", "over_nodes") and value:
            missed.append(f"{graph.name} {name} {value}")
            text += " MISSED"
        print(text)
    return missed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--graph", nargs="*", choices=list(GRAPHS), default=list(GRAPHS))
    parser.add_argument("--direction", choices=("LR", "TB"), default="LR")
    options = parser.parse_args()
    with_dot = shutil.which("dot") is not None
    if not with_dot:
        print("There is no `dot` program on this machine (package graphviz): only our own numbers follow.")
    missed = []
    for name in options.graph:
        missed += report(GRAPHS[name](), options.direction, with_dot)
    print("\nmissed: " + ("; ".join(missed) if missed else "nothing"))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
