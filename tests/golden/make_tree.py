"""Trees with open groups and where everything in them goes: `python -m tests.golden.make_tree` writes `tree.json`.

The layout in Python is compared with it by `tests/views/test_scoped_placing.py`, the one in TypeScript by vitest:
coordinates are equal within 0.1 px.
"""

from __future__ import annotations

import json
import pathlib
from random import Random
from typing import Any

from autograd_magics.views.boxes import Box
from autograd_magics.views.scoped.tree import Group, Tree, placed

HERE = pathlib.Path(__file__).parent
KINDS = ("module", "module", "run", "chunk")
SHAPES = (("circle", "call"), ("pill", "leaf"), ("rect", "node"), ("wire", "result"), ("tag", "leaf"))


def tree(seed: int, size: int, depth: int) -> Tree:
    """A random tree: groups are ranges of boxes within each other, links lead onwards, most of them not far."""
    random = Random(seed)
    made = Tree([_box(random, index) for index in range(size)], [-1] * size)
    _divide(made, random, (0, size), -1, depth)
    for index in range(1, size):
        for _ in range(random.choice((1, 1, 1, 2))):
            far = random.random() < 0.15
            start = random.randrange(index) if far else max(0, index - random.randint(1, 3))
            link = (start, index, random.choice(("data", "data", "data", "cut", "state")))
            if link[:2] not in [other[:2] for other in made.links]:
                made.links.append(link)
    return made


def _divide(made: Tree, random: Random, within: tuple[int, int], parent: int, depth: int) -> None:
    at, end = within
    while at < end and depth:
        length = random.randint(2, max(2, (end - at) // 2 + 1))
        if at + length <= end and random.random() < 0.7:
            index = len(made.groups)
            group = Group(f"g{index}", parent, random.choice(KINDS), f"h.{index}", "Block", count=length, first=at)
            group.facts = ("12 nodes · 4 parameters", "1.2 MB saved")[: random.randint(0, 2)]
            group.measure()
            made.groups.append(group)
            made.scope[at : at + length] = [index] * length
            _divide(made, random, (at, at + length), index, depth - 1)
        at += length


def _box(random: Random, index: int) -> Box:
    shape, style = random.choice(SHAPES)
    box = Box(f"t{index}", shape, style, "x" * random.randint(1, 4))
    box.name = random.choice(("", "", "hidden", "a_longer_name"))
    box.above = random.choice(("", "float32[64,128]", "[1 2 3]"))
    box.below = random.choice(("", "", "0.25", "[0.125 −2 3]"))
    box.above_figures = random.choice(("", "", "", "μ 0.01 σ 1"))
    box.measure()
    return box


def model() -> Tree:
    """Blocks that something skips, with layers in them, calls with parameters around them, and their gradients."""
    made = Tree()
    data = _item(made, -1, "pill", "x")
    data = _call(made, -1, "stem", [data], 2)
    for name in ("first", "second"):
        block = _open(made, -1, name)
        inner = _open(made, block, "layers")
        there = _call(made, inner, "linear", [_call(made, inner, "linear", [data], 2)], 2)
        data = _call(made, block, "+", [_call(made, block, "norm", [there], 4), data], 0)
    mask = _item(made, -1, "pill", "mask")
    both = _open(made, -1, "both")
    data = _call(made, both, "*", [_call(made, both, "tanh", [mask], 1), _call(made, both, "linear", [data], 2)], 0)
    data = _call(made, -1, "head", [data], 2)
    data = _call(made, -1, "matmul", [data, _call(made, -1, "T", [_item(made, -1, "pill", "w")], 0)], 0)
    back = _open(made, -1, "back")
    data = _call(made, back, "node", [_call(made, back, "node", [data], 0, 2)], 0, 1)
    _call(made, _open(made, -1, "last"), "node", [_call(made, -1, "node", [data], 0, 2)], 0, 1)
    for group in made.groups:
        group.measure()
    return made


def _open(made: Tree, parent: int, label: str) -> int:
    index = len(made.groups)
    made.groups.append(Group(f"g{index}", parent, "module", label, "Block", first=len(made.boxes)))
    return index


def _item(made: Tree, scope: int, shape: str, label: str) -> int:
    box = Box(f"t{len(made.boxes)}", shape, "call", label, above="float32[2,3]", below="0.25")
    box.measure()
    made.boxes.append(box)
    made.scope.append(scope)
    return len(made.boxes) - 1


def _call(made: Tree, scope: int, label: str, operands: list[int], parameters: int, gradients: int = 0) -> int:
    """A call that is given these and parameters of its own, and gives gradients to parameters; returns its index."""
    given = [*operands, *(_item(made, scope, "pill", "weight") for _ in range(parameters))]
    call = _item(made, scope, "rect", label)
    made.links += [(operand, call, "data") for operand in given]
    made.links += [(call, _item(made, scope, "pill", "grad"), "data") for _ in range(gradients)]
    return call


def opened(tree: Tree, seed: int) -> list[list[int]]:
    """Sets of open groups: none, all, and two at random."""
    random = Random(seed)
    groups = range(len(tree.groups))
    return [[], list(groups), *([g for g in groups if random.random() < share] for share in (0.4, 0.7))]


def case(tree: Tree, groups: list[int]) -> dict[str, Any]:
    """What is seen of a tree: boxes as (id, x, y), wires as (from, to, kind, path)."""
    picture = placed(tree, groups)
    return {
        "open": groups,
        "width": round(picture.width, 2),
        "height": round(picture.height, 2),
        "boxes": [[box.id, round(box.x, 2), round(box.y, 2)] for box in picture.boxes],
        "frames": [frame.data() for frame in picture.frames],
        "wires": [[wire.start, wire.end, wire.kind, wire.d] for wire in picture.wires],
    }


def fixtures() -> list[dict[str, Any]]:
    """Some small and some larger trees."""
    found = []
    sizes = [(3, 1), (6, 1), (9, 2), (14, 2), (20, 3), (30, 3), (45, 4), (60, 3)]
    for seed, made in enumerate([*(tree(seed, *size) for seed, size in enumerate(sizes)), model()]):
        found.append({"tree": made.data(), "cases": [case(made, groups) for groups in opened(made, seed)]})
    return found


def main() -> None:
    """Write them."""
    lines = ",\n".join(json.dumps(one, ensure_ascii=False, separators=(",", ":")) for one in fixtures())
    (HERE / "tree.json").write_text(f"[\n{lines}\n]\n", encoding="utf-8")


if __name__ == "__main__":
    main()
