"""Each backward in a terminal: what its nodes computed, as formulas and with numbers."""

from __future__ import annotations

from ..trace import Backward, Step
from . import format, hooks
from .formulas import rule_rows
from .phrases import Phrases
from .products import Products
from .wrapping import WIDTH, paragraph

STEPS = 10
"""Nodes that are listed; the rest is counted."""

RULES = 4
"""Inputs of one node whose formulas are told; the rest is counted."""

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
    steps = phrases.graph.steps_in(row.id)
    inner = [step.id for step in steps if nodes[step.node].leaf is None]
    left_out = set(inner[STEPS:])
    cells: list[list[str]] = []
    said: set[int | None] = set()
    for step in steps:
        if step.id not in left_out:
            cells += _step(step, said, phrases)
    lines = _table([*cells, *_asked(row, said, phrases)])
    more = len(left_out)
    return [*lines, f"  … {phrases.count('view.more', more)}"] if more > 0 else lines


def _step(step: Step, said: set[int | None], phrases: Phrases) -> list[list[str]]:
    """The rows of a node; of a leaf only what a hook did there, where nobody told it.

    said: the nodes of which the numbers of one that leads there told what a hook did; this adds to them.
    """
    node = phrases.trace.nodes[step.node]
    name, cells = format.clean(node.name), []
    hooked = None if node.id in said else hooks.at_step(phrases.graph, step)
    if hooked is not None:  # gradients of several uses met here: none of the numbers before shows their sum
        row = phrases.graph.node_tensor(node.id)
        label = "" if row is None else phrases.label(row.id)
        cells.append([name, label, hooks.told(phrases, hooked)])
        name = ""
    before = ""
    rules = rule_rows(phrases, step) if node.leaf is None else ()
    for rule in rules[:RULES]:
        passed_on = rule.rule == "grad" and rule.numbers
        again = rule.rule == before and not rule.numbers  # a function of torch's that gives all of them
        told = phrases.text("text.same_rule") if again else rule.rule
        cells.append([name, rule.name, f"grad = {rule.numbers}" if passed_on else told])
        before = rule.rule
        cells += [["", "", rule.numbers]] if rule.numbers and not passed_on else []
        name = ""
        if rule.hooked and rule.edge is not None:
            said.add(node.edges[rule.edge][0])
    more = len(rules) - RULES
    return [*cells, ["", f"… {phrases.count('view.more', more)}", ""]] if more > 0 else cells


def _asked(row: Backward, said: set[int | None], phrases: Phrases) -> list[list[str]]:
    """What hooks made of the results of an `autograd.grad`, where the engine took those without running a node."""
    cells = []
    for tensor in row.inputs or ():
        hooked = hooks.at_result(phrases.graph, row, tensor)
        node = hooks.node_of(phrases.graph, phrases.trace.tensors[tensor])
        if hooked is not None and node is not None and node not in said:
            name = format.clean(phrases.trace.nodes[node].name)
            cells.append([name, phrases.label(tensor), hooks.told(phrases, hooked)])
    return cells


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
        if hanging > NARROW and format.columns(text.partition(" ")[0]) > WIDTH - format.columns(start):
            lines += [start.rstrip(), *paragraph(text, " " * 8)]  # its first word would be parted
            continue
        lines += paragraph(text, start, " " * (hanging if hanging <= NARROW else 8)) or [start.rstrip()]
    return lines


def _padded(text: str, width: int) -> str:
    return text + " " * (width - format.columns(text))
