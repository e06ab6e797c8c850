from __future__ import annotations

from autograd_magics.views.details import Details
from autograd_magics.views.items import Items
from autograd_magics.views.phrases import Phrases
from tests.builders import Cell, regression, report


def section(cell: Cell) -> list[str]:
    """The lines under the heading."""
    text = report(cell).to_text()
    return text.partition("BACKWARD, NODE BY NODE: ")[2].partition("\n\n")[0].split("\n")


def test_only_the_first_backward_is_listed_and_the_others_are_counted() -> None:
    cell = Cell("for _ in range(3):\n    z = -w\n    z.backward()")
    w = cell.leaf("w", [1.0])
    for _ in range(3):
        z = cell.call("-w", "neg", (w,), [-1.0], name="z", node="NegBackward0")
        cell.backward("z.backward()", z, {z: [1.0], w: [-1.0]})
    assert section(cell) == [
        "line 3, backward from z",
        "  NegBackward0  w  -grad",
        "                   -[1] = [-1]",
        "  … 2 more backwards",
    ]


def test_many_nodes_are_counted() -> None:
    cell = Cell("y = -y\ny.backward()")
    y = w = cell.leaf("w", [1.0])
    values = {w: [1.0]}
    for k in range(14):
        y = cell.call("-y", "neg", (y,), [1.0], name=f"y{k}", node="NegBackward0")
        values[y] = [1.0]
    cell.backward("y.backward()", y, values)
    lines = section(cell)
    assert lines[-1] == "  … 4 more" and sum("NegBackward0" in line for line in lines) == 10


def test_a_cell_without_backward_has_no_such_section() -> None:
    assert "NODE BY NODE" not in report(regression(backward=False)).to_text()


def test_the_details_of_a_node_tell_rule_and_numbers() -> None:
    made = report(regression())
    details = Details(Phrases(made.graph), Items(made.graph))
    node = next(node for node in made.trace.nodes if node.name == "PowBackward0")
    rows = {row["label"]: row["value"] for row in details.of(f"n{node.id}")["rows"]}
    assert rows["rule for e"] == "grad · 2 · e"
    assert rows["with numbers"] == "[1 1 1 1] · 2 · [0 -1 -2 -3] = [0 -2 -4 -6]"


def test_the_details_say_a_rule_once_and_the_numbers_of_each_step() -> None:
    cell = regression()
    total = cell.tables["backwards"][0].roots[0]
    cell.backward("J.backward()", total, {total: 2.0, 0: [-56.0]}, retain=True)
    made = report(cell)
    node = next(node for node in made.trace.nodes if node.name == "SumBackward0")
    rows = Details(Phrases(made.graph), Items(made.graph)).of(f"n{node.id}")["rows"]
    assert [row["label"] for row in rows].count("rule for e.pow(2)") == 1
