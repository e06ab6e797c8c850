"""Each backward in a terminal: what its nodes computed, as formulas and with numbers."""

from __future__ import annotations

from ..trace import Backward
from . import format
from .formulas import rule_rows
from .phrases import Phrases
from .products import Products
from .wrapping import WIDTH, paragraph

STEPS = 10
"""Nodes that are listed; the rest is counted."""

NARROW = 44
"""Columns before a formula beyond which what does not fit on its line goes back to the left."""


def backward_lines(phrases: Phrases) -> list[str]:
    """The first backward, node by node: its name, whose gradient, the formula, and below it the numbers.

    What is added to `.grad` stands in the ledger, so the nodes of leaves are left out.
    """
    backwards = [row for row in phrases.trace.backwards if phrases.graph.steps_in(row.id)]
    lines = _steps(backwards[0], phrases) if backwards else []
    more = len(backwards) - 1
    return [*lines, f"  … {phrases.count('text.more_backwards', more)}"] if lines and more > 0 else lines


def backward_title(phrases: Phrases) -> str:
    """Which one that is: `line 7, backward from J`; empty where there is none."""
    row = next((row for row in phrases.trace.backwards if phrases.graph.steps_in(row.id)), None)
    if row is None:
        return ""
    told = phrases.text("text.from", kind=format.clean(row.kind.removeprefix("Tensor.")), root=phrases.root(row))
    product = Products(phrases).short(row)
    told = phrases.text("view.tl_product", said=told, product=product) if product else told
    room = WIDTH - format.columns(phrases.text("text.rules").upper()) - len(": ")
    return format.clip(", ".join(filter(None, [phrases.line_at(row.places), told])), room)


def _steps(row: Backward, phrases: Phrases) -> list[str]:
    nodes = phrases.trace.nodes
    steps = [step for step in phrases.graph.steps_in(row.id) if nodes[step.node].leaf is None]
    cells: list[list[str]] = []
    for step in steps[:STEPS]:
        node = format.clean(nodes[step.node].name)
        for rule in rule_rows(phrases, step):
            passed_on = rule.rule == "grad" and rule.numbers
            cells.append([node, rule.name, f"grad = {rule.numbers}" if passed_on else rule.rule])
            cells += [["", "", rule.numbers]] if rule.numbers and not passed_on else []
            node = ""
    lines = _table(cells)
    more = len(steps) - STEPS
    return [*lines, f"  … {phrases.count('view.more', more)}"] if more > 0 else lines


def _table(cells: list[list[str]]) -> list[str]:
    """Three columns; numbers under their formula, which may be long."""
    if not cells:
        return []
    first = max(format.columns(node) for node, _, _ in cells)
    second = min(max(format.columns(name) for _, name, _ in cells), 20)
    lines = []
    for node, name, text in cells:
        start = f"  {_padded(node, first)}  {_padded(format.clip(name, second), second)}  "
        hanging = format.columns(start) + 2
        lines += paragraph(text, start, " " * (hanging if hanging <= NARROW else 8)) or [start.rstrip()]
    return lines


def _padded(text: str, width: int) -> str:
    return text + " " * (width - format.columns(text))
