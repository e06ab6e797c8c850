"""Nested layout: nothing overlaps, wires are whole, and the numbers are those of the fixture that TypeScript reads."""

from __future__ import annotations

import json
import re
from random import Random

import pytest

from autograd_magics.views.boxes import Box
from autograd_magics.views.scoped.placing import Known
from autograd_magics.views.scoped.tree import Group, Tree, placed
from tests.golden.make_tree import HERE, fixtures, model, opened, tree
from tests.views.geometry import problems

_PAIR = r"[-\d.]+ [-\d.]+"


@pytest.mark.parametrize("seed", range(60))
def test_nothing_overlaps_and_every_wire_arrives(seed: int) -> None:
    random = Random(seed)
    made = tree(seed, random.randint(3, 50), random.randint(1, 4))
    for groups in opened(made, seed):
        picture = placed(made, groups)
        picture.tree = made
        assert problems(picture) == []


def test_the_check_finds_what_is_wrong() -> None:
    made = tree(4, 20, 3)
    picture = placed(made, range(len(made.groups)))
    picture.tree = made
    inside = next(box for box, scope in zip(made.boxes, made.scope, strict=True) if scope >= 0)
    inside.x += 2000
    wrong = " ".join(problems(picture))
    assert f"{inside.id} leaves what it is in" in wrong
    assert "does not reach" in wrong


def test_the_fixture_is_what_the_layout_gives() -> None:
    kept = json.loads((HERE / "tree.json").read_text("utf-8"))
    made = json.loads(json.dumps(fixtures()))
    assert [one["tree"] for one in kept] == [one["tree"] for one in made]
    for one, other in zip(kept, made, strict=True):
        for before, now in zip(one["cases"], other["cases"], strict=True):
            assert [frame["id"] for frame in before["frames"]] == [frame["id"] for frame in now["frames"]]
            assert [wire[:3] for wire in before["wires"]] == [wire[:3] for wire in now["wires"]]
            for (name, x, y), (again, *point) in zip(before["boxes"], now["boxes"], strict=True):
                assert name == again
                assert point == pytest.approx([x, y], abs=0.1)


def _chain(groups: int, size: int) -> Tree:
    """Equal groups one after the other."""
    boxes = [Box(f"c{i}", "circle", "call", "+") for i in range(groups * size)]
    for box in boxes:
        box.measure()
    made = Tree(boxes, [i // size for i in range(len(boxes))], [(i, i + 1, "data") for i in range(len(boxes) - 1)])
    made.groups = [Group(f"g{i}", -1, "module", f"h.{i:02}", first=i * size) for i in range(groups)]
    for group in made.groups:
        group.measure()
    return made


def test_equal_groups_are_laid_out_once() -> None:
    made, known = _chain(12, 6), Known()
    placed(made, range(12), known)
    inner = len(known) - 1
    assert inner == 3  # the first has nothing before it, the last nothing after it
    placed(made, range(11), known)
    assert len(known) == inner + 2  # only the picture itself is another one


def test_a_chain_runs_straight_through_open_groups() -> None:
    picture = placed(_chain(3, 4), range(3))
    assert len({round(box.y, 1) for box in picture.boxes}) == 1
    assert [round(box.x) for box in picture.boxes] == sorted(round(box.x) for box in picture.boxes)


def test_the_trunk_runs_straight_through_open_groups_and_parameters_stand_on_both_sides() -> None:
    made = model()
    picture = placed(made, range(len(made.groups)))
    trunk = ["stem", "linear", "linear", "norm", "+", "linear", "linear", "norm", "+", "linear", "*", "head", "matmul"]
    drawn = [box for box in made.boxes if box.label in {*trunk, "node"}]
    assert [box.label for box in drawn] == [*trunk, "node", "node", "node", "node"]
    assert {round(box.y, 1) for box in drawn} == {round(drawn[0].y, 1)}
    through = [wire for wire in picture.wires if {wire.start, wire.end} <= {box.id for box in drawn}]
    straight = [
        wire for wire in through if len({round(float(pair.split()[1])) for pair in re.findall(_PAIR, wire.d)}) == 1
    ]
    assert len(straight) == len(drawn) - 1
    for call in [box for box in drawn if box.label in ("norm", "head")]:
        ends = {link[0] for link in made.links if made.boxes[link[1]] is call}
        parameters = [made.boxes[index] for index in ends if made.boxes[index].label == "weight"]
        assert sum(box.y < call.y for box in parameters) == len(parameters) / 2


def test_parameters_stand_beside_an_open_group_not_over_it() -> None:
    made = model()
    picture = placed(made, range(len(made.groups)))
    for frame in picture.frames:
        inside = [
            box for box in picture.boxes if box.label in ("weight", "grad") and frame.x < box.x < frame.x + frame.w
        ]
        assert all(frame.y < box.y < frame.y + frame.h for box in inside)


def test_a_line_between_folded_groups_is_drawn_once() -> None:
    made = _chain(2, 3)
    made.links += [(0, 4, "data"), (1, 5, "cut")]
    picture = placed(made, ())
    assert [(wire.start, wire.end, wire.kind) for wire in picture.wires] == [("g0", "g1", "data")]
    assert picture.frames == []


def test_a_very_long_room_neither_recurses_nor_hangs() -> None:
    picture = placed(_chain(1, 3000), range(1))
    assert len(picture.boxes) == 3000
