"""The notebook on real models is executed for real, and shows what its lesson says it shows."""

from __future__ import annotations

import ast
import re
from collections import Counter, deque
from collections.abc import Iterable
from typing import Any

import pytest

from autograd_magics.held import Held
from autograd_magics.views.payload import payload
from autograd_magics.views.scoped.tree import Group, Tree, placed
from tests.lesson import Lesson, run

REPORTS = ("report", "training_report", "checkpointed_report", "accumulated_report")


@pytest.fixture(scope="module")
def lesson(tmp_path_factory: pytest.TempPathFactory) -> Lesson:
    """The executed notebook."""
    return run("16_real_models", tmp_path_factory.mktemp("models"))


def tree_of(lesson: Lesson, picture: str = "forward") -> Tree:
    tree = lesson.reports["report"].pictures[picture].tree
    assert tree is not None
    return tree


def group(tree: Tree, label: str, within: int | None = None) -> int:
    """The index of the one group with a label, or of the one in another group."""
    (found,) = (i for i, g in enumerate(tree.groups) if g.label == label and within in (None, g.parent))
    return found


def inside(tree: Tree, index: int) -> set[int]:
    """The boxes in a group, at any depth."""
    around = {index}
    for i, one in enumerate(tree.groups):
        if one.parent in around:
            around.add(i)
    return {box for box, scope in enumerate(tree.scope) if scope in around}


def reached(tree: Tree, start: Iterable[int], *, back: bool = False) -> set[int]:
    """The boxes that links lead to, in the direction of data or against it."""
    follow: dict[int, list[int]] = {}
    for source, end, *_ in tree.links:
        follow.setdefault(end if back else source, []).append(source if back else end)
    found, rest = set(start), deque(start)
    while rest:
        for box in follow.get(rest.popleft(), ()):
            if box not in found:
                found.add(box)
                rest.append(box)
    return found


def printed(lesson: Lesson, word: str) -> str:
    """What the one cell printed that has this word and is not recorded."""
    (cell,) = (c for c in lesson.cells if word in c.source and not c.source.startswith("%"))
    return "".join(o.text for o in cell.outputs if o.output_type == "stream")


def value_of(lesson: Lesson, word: str) -> str:
    """The displayed value of the one cell whose last line has this word."""
    ends = [c for c in lesson.cells if word in c.source.split("\n")[-1] and not c.source.startswith("%")]
    (value,) = (o for c in ends for o in c.outputs if o.output_type == "execute_result")
    return str(value.data["text/plain"])


def said(lesson: Lesson, name: str) -> dict[str, Any]:
    memory: dict[str, Any] = payload(lesson.reports[name])["saved"]["memory"]
    return memory


def test_nothing_in_it_is_a_mistake(lesson: Lesson) -> None:
    assert sorted(lesson.reports) == sorted(REPORTS)
    assert [report.findings for report in lesson.reports.values()] == [(), (), (), ()]


# -- one step ------------------------------------------------------------------------------------
def test_it_opens_with_some_twenty_boxes(lesson: Lesson) -> None:
    picture = lesson.reports["report"].pictures["forward"]
    assert picture.tree is not None
    assert 15 <= len(picture.boxes) <= 30 and len(picture.tree.boxes) > 300
    assert [(frame.label, frame.sub) for frame in picture.frames] == [("model", "GPT")]
    (run_,) = (box for box in picture.boxes if box.shape == "group")
    assert run_.label == "h[0] … h[5]"
    found: Group = picture.tree.groups[group(picture.tree, "h[0] … h[5]")]
    assert found.sub == "Block ×6"
    facts = " ".join(found.facts)
    assert facts.startswith("186 nodes · 72 parameters 1.9 MB saved · ∇") and re.search(r"∇ \S+ … \S+", facts)


def test_it_unfolds_where_it_stands(lesson: Lesson) -> None:
    tree = tree_of(lesson)
    model, blocks = group(tree, "model"), group(tree, "h[0] … h[5]")
    seen = placed(tree, {model, blocks})
    assert [box.label for box in seen.boxes if box.shape == "group"] == [f"h[{i}]" for i in range(6)]
    assert len({tree.groups[group(tree, f"h[{i}]")].alike for i in range(6)}) == 1
    first = group(tree, "h[0]")
    deeper = placed(tree, {model, blocks, first})
    assert [box.label for box in deeper.boxes if box.shape == "group"][:3] == ["attn", "mlp", "h[1]"]
    backward = [g.label for g in tree_of(lesson, "backward").groups if g.label.startswith("h[")]
    assert backward == ["h[5] … h[0]", *(f"h[{i}]" for i in range(5, -1, -1))]


@pytest.mark.parametrize("query", ["gelu", "mlp", "[8, 16, 128]"])
def test_what_is_searched_for_is_folded_and_there(lesson: Lesson, query: str) -> None:
    tree = tree_of(lesson)
    boxes = (f"{box.label} {box.name} {box.title} {box.above}" for box in tree.boxes)
    found = [
        text for text in (*boxes, *(g.label for g in tree.groups)) if query in text.replace("float32[8,16,", "[8, 16, ")
    ]
    assert len(found) >= 6
    shown = lesson.reports["report"].pictures["forward"].boxes
    assert not any(query in (box.label, box.name) for box in shown)


def test_the_line_that_is_searched_for_made_the_calls(lesson: Lesson) -> None:
    (lines,) = (s["lines"] for s in payload(lesson.reports["report"])["source"] if s["main"])
    assert lines[1]["n"] == 2 and "GeluBackward0 ×6" in lines[1]["made"]


def test_paths_lead_to_the_loss_and_to_the_embeddings(lesson: Lesson) -> None:
    tree = tree_of(lesson)
    start = inside(tree, group(tree, "h[0]"))
    names = [box.label or box.name for box in tree.boxes]
    onward = reached(tree, start)
    assert "loss" in {names[box] for box in onward} and "embedding" not in {names[box] for box in onward}
    back = reached(tree, start, back=True)
    assert Counter(names[box] for box in back)["embedding"] == 2
    for i in range(1, 6):
        block = inside(tree, group(tree, f"h[{i}]"))
        assert block & onward and not block & back


def test_parameters_stand_beside_the_call_that_uses_them(lesson: Lesson) -> None:
    tree = tree_of(lesson)
    leaves = [box for box, one in enumerate(tree.boxes) if one.style == "leaf"]
    assert len(leaves) == 77
    for leaf in leaves:
        (call,) = (link[1] for link in tree.links if link[0] == leaf)
        assert tree.boxes[call].style == "call" and tree.scope[call] == tree.scope[leaf]


def test_every_block_has_as_many_nodes(lesson: Lesson) -> None:
    table = value_of(lesson, "value_counts")
    assert re.findall(r"model\.h\[(\d)\] +(\d+)", table) == [(str(i), "31") for i in range(6)]


# -- what backward holds -------------------------------------------------------------------------
def test_what_is_held_grows_to_the_loss_and_is_let_go_of(lesson: Lesson) -> None:
    held = Held(lesson.reports["report"].graph)
    before = [level.bytes for level in held.levels if level.at <= held.peak.at]
    after = [level.bytes for level in held.levels if level.at >= held.peak.at]
    assert before == sorted(before) and after == sorted(after, reverse=True) and after[-1] == 0
    memory = said(lesson, "report")
    assert "after `cross_entropy`" in memory["said"][0] and "would be there without backward" in memory["said"][1]
    assert {table["by"] for table in memory["tables"]} == {"line", "module", "node", "dtype", "device"}


def test_the_sum_is_what_was_saved(lesson: Lesson) -> None:
    report = lesson.reports["report"]
    total = report.graph.unique_bytes(report.trace.saved)[0]
    assert printed(lesson, "counted_bytes").split() == [str(total), "True"]
    rows = re.findall(r"^(\w+) +(\d+)$", value_of(lesson, '"counted_bytes"'), re.M)
    assert rows[0][0] == "Linear" and int(rows[0][1]) == max(int(size) for _, size in rows)


# -- gradient health -----------------------------------------------------------------------------
def test_zeros_in_the_gradient_are_words_that_do_not_occur(lesson: Lesson) -> None:
    assert printed(lesson, "do not occur").startswith("2 words")
    health = payload(lesson.reports["report"])["health"]
    rows = {row["cells"][0]: row["cells"] for row in health["tables"][0]["rows"]}
    columns = health["tables"][0]["columns"]
    assert len(rows) == 77 and rows["model.wte.weight"][columns.index("zeros")] == "4 %"
    assert re.search(r"model\.wte\.weight .* 64$", value_of(lesson, "added.set_index"), re.M), "two rows of 32 numbers"
    assert health["plot"]["lines"] and health["items"] and health["wires"]


# -- loops ---------------------------------------------------------------------------------------
def test_two_hundred_steps_are_kept_once(lesson: Lesson) -> None:
    report = lesson.reports["training_report"]
    rows = report.backwards
    assert len(rows) == 200 and rows[0]["kept"] and rows[-1]["kept"]
    kept = sum(row["kept"] for row in rows)
    assert kept < 40 and printed(lesson, "kept whole").split()[:3] == ["200", "steps,", str(kept)]
    assert f"{200 - kept} iterations of equal structure are not kept whole" in " ".join(
        lesson.shown("training_report").split()
    )
    assert all(isinstance(row["loss"], float) for row in rows)
    losses = ast.literal_eval(value_of(lesson, "iloc[::40]"))
    assert losses == sorted(losses, reverse=True) and len(losses) == 5
    marks = [mark[1] for mark in payload(report)["timeline"]["iterations"]]
    assert marks[: kept - 1] == [str(n) for n in range(1, kept)] and marks[-1] == "200" and len(marks) <= kept + 1
    norms = [row["norm"] for row in report.gradients if row["kind"] == "accumulated"]
    assert len(norms) == 200 * 77


# -- activation checkpointing --------------------------------------------------------------------
def test_checkpointing_keeps_a_small_part(lesson: Lesson) -> None:
    whole, light = (Held(lesson.reports[name].graph).peak.bytes for name in ("report", "checkpointed_report"))
    assert light * 10 < whole
    assert "saved tensors are placeholders of activation checkpointing" in " ".join(
        lesson.shown("checkpointed_report").split()
    )


def test_only_what_is_saved_differs(lesson: Lesson) -> None:
    before, after = lesson.reports["report"], lesson.reports["checkpointed_report"]
    difference = before.diff(after)
    assert {entry.what for entry in difference.entries} == {"saved"}
    assert lesson.result("report.diff(checkpointed_report)") == difference.to_text("en")


# -- gradient accumulation -----------------------------------------------------------------------
def test_gradients_of_pieces_add_up_to_those_of_the_whole(lesson: Lesson) -> None:
    report = lesson.reports["accumulated_report"]
    assert value_of(lesson, "torch.allclose") == "True"
    assert len(report.trace.backwards) == 4 and len(report.trace.optimizer_steps) == 1
    levels = [level.bytes for level in Held(report.graph).levels]
    peak, whole = max(levels), Held(lesson.reports["report"].graph).peak.bytes
    assert levels.count(0) == 4, "nothing is held after each backward"
    assert 0.25 < peak / whole < 0.45
