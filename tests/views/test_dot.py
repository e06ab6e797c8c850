from __future__ import annotations

import json
import re
import shutil
import subprocess

from tests.builders import Cell, hostile, loop, regression, report


def nodes(source: str) -> dict[str, str]:
    """Labels by id."""
    found = re.findall(r'^\t(\w+|"[^"]+") \[label=("(?:[^"\\]|\\.)*"|\S+)', source, flags=re.M)
    return {id.strip('"'): label.strip('"') for id, label in found}


def test_the_source_has_every_box_and_wire() -> None:
    made = report(regression())
    source = made.to_graphviz().source
    picture = made.pictures["forward"]
    assert sorted(nodes(source)) == sorted(box.id for box in picture.boxes)
    assert source.count(" -> ") == len(picture.wires)
    assert "rankdir=LR" in source


def test_labels_say_what_the_picture_says() -> None:
    labels = nodes(report(regression()).to_graphviz().source)
    assert labels["t0"] == r"[1]\nw [1]\ngrad [−28]"
    assert labels["c0"] == "×"
    assert r"y_pred\n[0 1 2 3]\n[0 −2 −4 −6]" in labels.values()


def test_the_backward_picture() -> None:
    labels = nodes(report(regression()).to_graphviz(picture="backward").source)
    assert r"MulBackward0 y_pred\n[0 −2 −4 −6]" in labels.values()


def test_ghosts_have_ids_of_their_own() -> None:
    assert {"t0", "t0~2", "t0~3"} <= set(nodes(report(loop(3)).to_graphviz().source))


def test_a_name_that_is_a_keyword_or_html_stays_text() -> None:
    cell = Cell("z = w * 2")
    w = cell.leaf("<b>w</b>", 1.0)
    cell.call("w * 2", "mul", (w,), 2.0, name=r"\N &amp; node", node="MulBackward0")
    source = report(cell).to_graphviz().source
    assert r"<b>w</b>" in source and "<<b>" not in source
    assert r"\\N &amp;amp; node" in source


def test_hostile_text_breaks_neither_the_source_nor_graphviz() -> None:
    cell, finding = hostile()
    made = report(cell, finding)
    for name in ("forward", "backward"):
        source = made.to_graphviz(picture=name).source
        ids = sorted(box.id for box in made.pictures[name].boxes)
        assert sorted(nodes(source)) == ids
        if shutil.which("dot"):  # the source needs no Graphviz, but where it is, it must agree
            done = subprocess.run(["dot", "-Tjson"], input=source.encode(), capture_output=True, check=True)
            assert sorted(node["name"] for node in json.loads(done.stdout)["objects"]) == ids
            assert done.stderr == b""
