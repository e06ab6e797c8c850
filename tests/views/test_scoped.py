"""Real models in pictures that fold: what is a group, what it is called, what is seen at first."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable

import pytest

from autograd_magics import settings, texts
from autograd_magics.report import Report
from autograd_magics.views import dot, format
from autograd_magics.views.boxes import Picture
from autograd_magics.views.languages import multilingual, said, spoken
from autograd_magics.views.payload import payload
from autograd_magics.views.scoped.opening import GLANCE
from autograd_magics.views.scoped.repeats import ROOM
from autograd_magics.views.scoped.tree import placed
from tests.recorded import Notebook
from tests.views.geometry import problems

MLP = """
class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1, self.fc2 = torch.nn.Linear(3, 4), torch.nn.Linear(4, 1)
    def forward(self, x):
        return self.fc2(torch.relu(self.fc1(x)))
model, x, target = Net(), torch.ones(5, 3), torch.zeros(5, 1)
"""
BLOCKS = """
class Block(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.norm, self.up, self.down = torch.nn.LayerNorm(8), torch.nn.Linear(8, 32), torch.nn.Linear(32, 8)
    def forward(self, x):
        return x + self.down(torch.nn.functional.gelu(self.up(self.norm(x))))
class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = torch.nn.Linear(4, 8)
        self.h = torch.nn.ModuleList(Block() for _ in range(12))
        self.head = torch.nn.Linear(8, 1)
    def forward(self, x):
        x = self.embed(x)
        for block in self.h:
            x = block(x)
        return self.head(x)
model, x, target = Net(), torch.ones(5, 4), torch.zeros(5, 1)
"""
UNROLLED = """
class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.cell, self.head = torch.nn.LSTMCell(4, 6), torch.nn.Linear(6, 1)
    def forward(self, x):
        h = c = torch.zeros(2, 6)
        for step in x:
            h, c = self.cell(step, (h, c))
        return self.head(h)
model, x, target = Net(), torch.ones(500, 2, 4), torch.zeros(2, 1)
"""
SKIPS = """
class Double(torch.nn.Sequential):
    def __init__(self, i, o):
        nn = torch.nn
        super().__init__(nn.Conv2d(i, o, 3, 1, 1), nn.ReLU(), nn.Conv2d(o, o, 3, 1, 1), nn.ReLU())
class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.d1, self.d2, self.mid = Double(1, 2), Double(2, 4), Double(4, 8)
        self.u2, self.c2, self.u1, self.c1 = Double(8, 4), Double(8, 4), Double(4, 2), Double(4, 2)
        self.pool, self.out = torch.nn.MaxPool2d(2), torch.nn.Conv2d(2, 1, 1)
    def forward(self, x):
        up = lambda y: torch.nn.functional.interpolate(y, scale_factor=2)
        a = self.d1(x); b = self.d2(self.pool(a)); m = self.mid(self.pool(b))
        y = self.c2(torch.cat([self.u2(up(m)), b], 1))
        return self.out(self.c1(torch.cat([self.u1(up(y)), a], 1)))
model, x, target = Net(), torch.ones(1, 1, 16, 16), torch.zeros(1, 1, 16, 16)
"""
LOOP = """
for part in torch.ones(8, 4).split(2):
    out = model(part)
    loss = (out ** 2).mean()
    loss.backward()
"""
STEP = "out = model(x)\nloss = ((out - target) ** 2).mean()\nloss.backward()\n"


@functools.cache
def made(setup: str, step: str = STEP) -> Report:
    """The report on a step of a model that was there before."""
    notebook = Notebook()
    notebook.run(setup)
    return Report(notebook.run(step), lang="en")


def pictures(report: Report) -> list[Picture]:
    return [report.pictures[name] for name in ("forward", "backward")]


def group(picture: Picture, label: str) -> dict[str, object]:
    assert picture.tree is not None
    return next(one.data() for one in picture.tree.groups if one.label == label)


@pytest.mark.parametrize("setup", [MLP, BLOCKS, UNROLLED, SKIPS])
def test_what_is_seen_at_first_is_little_and_well_placed(setup: str) -> None:
    for picture in pictures(made(setup)):
        assert 5 <= len(picture.boxes) <= GLANCE
        assert problems(picture) == []


@pytest.mark.parametrize("setup", [BLOCKS, UNROLLED, SKIPS])
def test_no_group_has_too_many_children_and_links_lead_onwards(setup: str) -> None:
    for picture in pictures(made(setup)):
        tree = picture.tree
        assert tree is not None
        children = [0] * (len(tree.groups) + 1)
        for parent in [*tree.scope, *(one.parent for one in tree.groups)]:
            children[parent] += 1
        assert max(children) <= ROOM
        assert all(one.parent < index for index, one in enumerate(tree.groups))
        for name in ("forward", "backward"):
            assert all(wire.start != wire.end for wire in made(setup).pictures[name].wires)


def test_a_small_network_is_the_picture_of_the_textbook_in_one_frame() -> None:
    picture = made(MLP).pictures["forward"]
    assert [(frame.label, frame.sub) for frame in picture.frames] == [("model", "Net")]
    calls = {box.label: box.name for box in picture.boxes if box.style == "call"}
    assert calls["relu"] == ""
    assert [box.name for box in picture.boxes if box.label == "linear"] == ["fc1", "fc2"]
    assert {"x", "target"} <= {box.label for box in picture.boxes}
    inside = picture.tree.around() if picture.tree else {}
    leaves = [box for box in picture.boxes if box.style == "leaf"]
    assert [box.label for box in leaves] == ["weight", "bias", "weight", "bias"]
    assert all(box.id in inside for box in leaves)
    assert not any(box.id in inside for box in picture.boxes if box.label in ("x", "target"))


def test_iterations_have_the_name_of_their_loop() -> None:
    for picture in pictures(made(BLOCKS, LOOP)):
        assert picture.tree is not None
        outer = [(one.label, one.sub) for one in picture.tree.groups if one.parent < 0]
        assert outer == [("for part in torch.ones(8, 4…", f"#{number}") for number in range(1, 5)]
    two = f"{LOOP}    other = model(part).sum()\n    other.backward()\n"
    tree = made(BLOCKS, two).pictures["forward"].tree
    assert tree is not None
    labels = {one.label for one in tree.groups if one.parent < 0}
    assert labels == {"out = model(part)", "other = model(part).sum()"}


def test_what_the_cell_made_stands_outside_of_the_model() -> None:
    tree = made(BLOCKS, LOOP).pictures["forward"].tree
    assert tree is not None
    homes = [scope for box, scope in zip(tree.boxes, tree.scope, strict=True) if box.style == "input"]
    assert len(homes) == 4 and [tree.groups[home].parent for home in homes] == [-1] * 4


def test_equal_blocks_are_shown_once_with_their_number() -> None:
    for picture, label in zip(pictures(made(BLOCKS)), ("h[0] … h[11]", "h[11] … h[0]"), strict=True):
        run = group(picture, label)
        assert (run["kind"], run["sub"], run["open"]) == ("run", "Block ×12", False)
        tree = picture.tree
        assert tree is not None
        blocks = [one for one in tree.groups if one.sub == "Block"]
        assert len(blocks) == 12
        assert len({one.alike for one in blocks}) == 1
        assert sum(one.count for one in blocks) == run["count"]
        assert next(box for box in picture.boxes if box.id == run["id"]).stacked


def test_a_fold_tells_nodes_parameters_and_saved_bytes() -> None:
    report = made(BLOCKS)
    tree = report.pictures["forward"].tree
    assert tree is not None
    block = next(one for one in tree.groups if one.label == "h[3]")
    trace = report.trace
    scopes = {scope.id for scope in trace.scopes if scope.path.startswith("model.h[3]")}
    nodes = [node.id for node in trace.nodes if node.call is not None and trace.calls[node.call].scope in scopes]
    size, _ = report.graph.unique_bytes(row for row in trace.saved if row.node in nodes)
    assert block.count == len(nodes)
    assert block.facts[0] == f"{len(nodes)} nodes · 6 parameters"
    assert block.facts[1].startswith(f"{format.bytes_text(size)} saved")
    rows = {row["label"]: row["value"] for row in block.about["rows"]}
    assert rows["module"] == "model.h[3]"
    assert rows["parameters"] == f"6 ({8 + 8 + 8 * 32 + 32 + 32 * 8 + 8} numbers)"
    assert rows["alike"] == "11 others of the same structure"


def test_a_recurrent_network_is_one_run_of_its_cell() -> None:
    for picture in pictures(made(UNROLLED)):
        tree = picture.tree
        assert tree is not None
        runs = [one for one in tree.groups if one.kind == "run"]
        assert [(one.label, one.sub) for one in runs] == [("cell", "×500")]
        assert len(tree.boxes) > 3000
        opened = [index for index, one in enumerate(tree.groups) if one.kind != "chunk" or "–" in one.sub][:3]
        assert len(placed(tree, opened).boxes) < ROOM + 30


def test_long_rows_without_modules_are_cut_into_chunks() -> None:
    loop = "for k in range(400):\n    y = (y * 2).exp() if k % 7 == k % 3 else y * k\n"
    report = made("y = torch.ones(3, requires_grad=True)", f"{loop}y.sum().backward()\n")
    for picture in pictures(report):
        assert picture.tree is not None
        assert len(picture.boxes) <= ROOM
        assert picture.left_out == 0
        assert problems(picture) == []


def test_details_relations_and_languages_know_the_groups() -> None:
    report = made(BLOCKS)
    data = payload(report)
    ids = [one["id"] for name in ("forward", "backward") for one in data["pictures"][name]["tree"]["groups"]]
    assert {item[0] for item in ids} == {"g", "h"}
    assert set(ids) <= set(data["details"])
    assert all(row["link"] is None or row["link"] in data["related"][item] for item in ids
               for row in data["details"][item]["rows"])  # fmt: skip
    again = spoken(multilingual(report), "en")
    assert json.loads(json.dumps(again["pictures"])) == json.loads(json.dumps(data["pictures"]))


def test_of_many_groups_those_seen_at_first_have_their_details(monkeypatch: pytest.MonkeyPatch) -> None:
    report = made(UNROLLED)
    groups = [group.id for picture in report.pictures.values() for group in picture.tree.groups]
    seen = {one.id for picture in report.pictures.values() for one in (*picture.boxes, *picture.frames)} & {*groups}
    monkeypatch.setattr(settings.limits, "details", len(seen) + 3)
    details = payload(report)["details"]
    assert seen <= set(details)
    assert len(set(groups) & set(details)) == len(seen) + 3 < len(groups)


def test_pictures_in_codes_are_said_in_each_language() -> None:
    """Planned once, in no language; a picture in one of them stands where it would stand if it were drawn in it."""
    report = made(BLOCKS)
    for lang in texts.languages():
        other = Report(report.trace, lang=lang)
        for name in ("forward", "backward"):
            once, alone = said(report.coded[name], lang).data(), other.picture(name).data()
            assert once == alone


def test_a_large_model_is_told_by_its_modules() -> None:
    text = made(BLOCKS).to_text()
    assert all(format.columns(line) <= 80 for line in text.splitlines())
    graph = text[text.index("GRAPH") : text.index("BACKWARD")]
    assert "h[0] … h[11]" in graph
    assert "Block ×12" in graph
    assert graph.count("gelu") == 1
    assert "target  input, no grad" in graph


@pytest.mark.parametrize("draw", [lambda report: report.to_svg(), lambda report: dot.to_graphviz(report).source])
def test_frames_and_folded_runs_are_drawn(draw: Callable[[Report], str]) -> None:
    drawn = draw(made(BLOCKS))
    assert "h[0] … h[11]" in drawn
    assert "72 parameters" in drawn
    assert "model" in drawn


def test_open_groups_are_clusters_in_each_other() -> None:
    source = dot.to_graphviz(made(MLP)).source
    assert "subgraph cluster_g0" in source
    assert source.index("subgraph") < source.index("fc1\\nlinear")
