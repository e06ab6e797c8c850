"""Recordings kept in files: what each view makes of them, and what must hold in all of them.

With `AUTOGRAD_MAGICS_UPDATE=1` the expected files are written instead of compared: look at the difference.
"""

from __future__ import annotations

import json
import os
import pathlib
from typing import Any

import pytest

from autograd_magics.report import load
from autograd_magics.story import VALUE_KINDS
from autograd_magics.views import format
from autograd_magics.views.payload import payload
from tests.golden.make import CASES
from tests.views.checks import one_sided, picture_problems, unresolved

GOLDEN = pathlib.Path(__file__).parents[1] / "golden"
UPDATE = os.environ.get("AUTOGRAD_MAGICS_UPDATE") == "1"
DEEP = 4
"""Levels of a payload that are written one entry to a line."""


def lines(value: Any, depth: int = 0) -> str:
    """JSON that can be compared line by line."""
    if depth == DEEP or not isinstance(value, (dict, list)) or not value:
        return json.dumps(value, ensure_ascii=False)
    pad = "\n" + " " * (depth + 1)
    if isinstance(value, dict):
        entries = [f"{json.dumps(key)}: {lines(item, depth + 1)}" for key, item in value.items()]
        return "{" + pad + f",{pad}".join(entries) + "\n" + " " * depth + "}"
    return "[" + pad + f",{pad}".join(lines(item, depth + 1) for item in value) + "\n" + " " * depth + "]"


def compare(name: str, made: str) -> None:
    path = GOLDEN / name
    if UPDATE:
        path.write_text(made, encoding="utf-8")
    assert made == path.read_text("utf-8"), f"{name} changed; if that is meant: AUTOGRAD_MAGICS_UPDATE=1"


@pytest.fixture(params=sorted(CASES))
def case(request: pytest.FixtureRequest) -> str:
    return request.param


def loaded(case: str) -> Any:
    return load(GOLDEN / f"{case}.trace.json", lang="en")


def test_every_recording_is_a_case_and_the_other_way_round() -> None:
    assert sorted(path.name.partition(".")[0] for path in GOLDEN.glob("*.trace.json")) == sorted(CASES)


def test_payload(case: str) -> None:
    data = payload(loaded(case))
    data["text"] = {}  # words of the front end are no part of the recording
    compare(f"{case}.payload.json", lines(data) + "\n")


def test_text(case: str) -> None:
    compare(f"{case}.txt", loaded(case).to_text() + "\n")


def test_what_holds_in_every_payload(case: str) -> None:
    data = payload(loaded(case))
    assert (unresolved(data), one_sided(data)) == ([], [])
    for picture in data["pictures"].values():
        assert picture_problems(picture) == []


def test_every_line_of_text_fits(case: str) -> None:
    assert max(map(format.columns, loaded(case).to_text().split("\n"))) <= 80


def test_saved_bytes_add_up(case: str) -> None:
    report = loaded(case)
    storages = {row.storage for row in report.trace.saved}
    size = sum(report.trace.storages[s].bytes for s in storages if s is not None)
    size += sum(row.bytes for row in report.trace.saved if row.storage is None and not row.hidden)
    total = payload(report)["saved"]["total"]
    assert total.startswith(format.bytes_text(size) + " in ")


def test_the_ledger_adds_up(case: str) -> None:
    for ledger in payload(loaded(case))["gradients"]:
        # what `autograd.grad` gave is not added, and the leaf's own value is another account
        rows = [row for row in ledger["rows"] if row["kind"] not in {"returned", *VALUE_KINDS}]
        assert [row["after"] for row in rows[:-1]] == [row["before"] for row in rows[1:]]
        assert ledger["now"] == (rows[-1]["after"] if rows else "None")


def test_the_pictures_have_every_operation_and_every_node(case: str) -> None:
    report = loaded(case)
    drawn = {box.id.partition("~")[0] for picture in report.pictures.values() for box in picture.boxes}
    nodes = {target for node in report.trace.nodes for target, _ in node.edges}
    nodes |= {node.id for node in report.trace.nodes if node.leaf is None}
    assert {f"c{call.id}" for call in report.graph.operations} <= drawn
    assert {f"n{node}" for node in nodes if node is not None} <= drawn


# ---- the textbook's numbers


def by_label(case: str, picture: str = "forward") -> dict[str, tuple[str, str]]:
    """Value and gradient by label or name, of several the last."""
    boxes = loaded(case).pictures[picture].boxes
    return {box.label or box.name: (box.above, box.below) for box in boxes}


def test_linear_regression() -> None:
    shown = by_label("linreg")
    assert shown["w"] == ("[1]", "grad [−28]")
    assert shown["e"] == ("[0 −1 −2 −3]", "[0 −2 −4 −6]")
    assert shown["J"] == ("14", "1")


def test_four_and_a_half_everywhere() -> None:
    assert by_label("mean")["x"] == ("[[1 1] [1 1]]", "grad [[4.5 4.5] [4.5 4.5]]")


def test_without_zeroing_gradients_add_up_to_1_3_6_10() -> None:
    (ledger,) = payload(loaded("loop"))["gradients"]
    assert [row["after"] for row in ledger["rows"]] == ["1", "3", "6", "10"]
    assert [finding.code for finding in loaded("loop").findings] == ["AG202"]


def test_derivatives_of_every_order_can_be_told_apart() -> None:
    shown = by_label("higher")
    assert (shown["dy"][0], shown["d2y"][0], shown["d3y"][0]) == ("32", "48", "48")
    orders = [box.above for box in loaded("higher").pictures["backward"].boxes if box.style == "node"]
    assert set(orders) == {"", "∂²", "∂³"}


def test_no_grad_and_detach_are_cuts() -> None:
    picture = loaded("cuts").pictures["forward"]
    assert [(box.label, box.below) for box in picture.boxes if box.style == "cut"] == [
        ("x²", "✂ no_grad"),
        ("detach", "✂ no gradient"),
    ]
    assert [wire.kind for wire in picture.wires if wire.kind != "data"] == ["cut", "cut"]


def test_tensors_too_large_for_numbers_say_what_they_are() -> None:
    shown = by_label("layers")
    assert shown["W1"] == ("float32[8,4]", "grad float32[8,4]")
    assert shown["hidden"] == ("float32[16,8]", "float32[16,8]")
    assert shown["target"] == ("[0 1 0 1 0 1 0 …]", "")
    ledgers = {ledger["name"]: ledger for ledger in payload(loaded("layers"))["gradients"]}
    assert [row["kind"] for row in ledgers["hidden"]["rows"]] == ["accumulated"]  # by retain_grad()


def test_a_later_cell_names_the_earlier_one() -> None:
    text = loaded("later").to_text()
    assert "AG101 error" in text
    assert "line 4 of In [1]" in " ".join(text.split())


def test_the_cause_comes_first_when_the_loop_dies() -> None:
    assert loaded("failed").findings[0].code == "AG203"
