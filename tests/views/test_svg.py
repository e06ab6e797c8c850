from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import pytest

from autograd_magics.views import svg
from tests.builders import HOSTILE, Cell, added_again, hostile, loop, regression, report

NAMESPACE = "{http://www.w3.org/2000/svg}"


def texts(drawn: str) -> list[str]:
    return ["".join(node.itertext()) for node in ElementTree.fromstring(drawn).iter(f"{NAMESPACE}text")]


def test_everything_that_the_picture_says_is_written() -> None:
    drawn = report(regression()).to_svg()
    said = texts(drawn)
    assert {"x [4]", "w [1]", "×", "−", "x²", "Σ", "J", "y_pred", "14"} <= set(said)
    assert {"[0 −1 −2 −3]", "[0 −2 −4 −6]", "grad [−28]"} <= set(said)


def test_it_is_an_image_with_a_title_on_paper_of_its_own() -> None:
    root = ElementTree.fromstring(report(regression()).to_svg())
    assert root.get("role") == "img"
    assert root.findtext(f"{NAMESPACE}title").startswith("In [5]: 4 calls · 5 nodes")
    paper = root.find(f"{NAMESPACE}rect")
    assert (paper.get("width"), paper.get("height"), paper.get("fill")) == ("100%", "100%", "#ffffff")


def test_it_says_all_by_attributes_of_its_own() -> None:
    drawn = report(regression()).to_svg()
    root = ElementTree.fromstring(drawn)
    used = {node.tag.removeprefix(NAMESPACE) for node in root.iter()}
    assert used == {"svg", "title", "defs", "marker", "path", "rect", "circle", "g", "text", "tspan"}
    assert {"style", "class", "id", "href"} & {name for node in root.iter() for name in node.attrib} == {"id"}
    assert "http" not in drawn.replace('xmlns="http://www.w3.org/2000/svg"', "")


def test_dashes_tell_what_colours_tell() -> None:
    root = ElementTree.fromstring(report(regression()).to_svg())
    pills = [node for node in root.iter(f"{NAMESPACE}rect") if node.get("rx") == "15"]
    assert [(node.get("stroke-dasharray"), node.get("stroke")) for node in pills] == [
        ("4 3", svg.INPUT),
        (None, svg.LEAF),
        ("4 3", svg.INPUT),
    ]


def test_findings_have_a_badge() -> None:
    cell, finding = added_again()
    root = ElementTree.fromstring(report(cell, finding).to_svg())
    fills = [node.get("fill") for node in root.iter(f"{NAMESPACE}circle")]
    assert fills.count(svg.SEVERITY["warning"]) == 1


def test_the_other_picture_is_chosen_by_name() -> None:
    drawn = report(regression()).to_svg(picture="backward")
    assert "MulBackward0 y_pred" in texts(drawn)
    with pytest.raises(ValueError, match="picture is 'sideways'; it must be 'forward' or 'backward'"):
        report(regression()).to_svg(picture="sideways")


def test_a_graph_that_was_only_looked_at_has_its_nodes_drawn() -> None:
    cell = Cell("z")
    w = cell.leaf("w", 1.0)
    node = cell.node("MulBackward0", (w,))
    cell.tensor(2.0, "z", requires_grad=True, leaf=False, node=node)
    assert "MulBackward0 z" in texts(report(cell).to_svg())


def test_what_is_long_is_folded_and_not_left_out() -> None:
    drawn = texts(report(loop(1000)).to_svg())
    assert "for k in range(4) #3 … #998 ×996" in drawn
    assert not any("not drawn" in text for text in drawn)


def test_a_smaller_picture_says_what_it_leaves_out() -> None:
    drawn = svg.to_svg(report(loop(40)), limit=10)
    assert texts(drawn)[-1] == "… 37 calls in the middle are not drawn"
    assert len(texts(drawn)) < 30


def test_it_is_written_to_a_file(tmp_path) -> None:
    drawn = report(regression()).to_svg(tmp_path / "graph.svg")
    assert (tmp_path / "graph.svg").read_text("utf-8") == drawn


def test_hostile_text_stays_text() -> None:
    cell, finding = hostile()
    for name in ("forward", "backward"):
        drawn = report(cell, finding).to_svg(picture=name)
        root = ElementTree.fromstring(drawn)
        used = {node.tag.removeprefix(NAMESPACE) for node in root.iter()}
        assert used <= {"svg", "title", "defs", "marker", "path", "rect", "circle", "g", "text", "tspan"}
        assert HOSTILE[:12] in "".join(root.itertext())
        assert not {"\x1b", "\u202e", "\ud800"} & set(drawn)
