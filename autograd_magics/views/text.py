"""A report for a terminal: `to_text(report)`, at most 80 columns wide, readable without colour."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..trace import Backward, Call, Gradient, Tensor
from . import format, health, ledger, memory, tables
from .boxes import Box
from .folding import outcome, runs
from .items import Items
from .phrases import Phrases
from .products import Products, through
from .scoped.opening import GLANCE
from .scoped.outline import outline
from .scoped.tree import Group
from .statements import Gap, Statement, shortened, statements
from .steps import backward_lines, backward_title
from .told import Told, folded, told
from .wrapping import aligned, aligned_rows, paragraph

if TYPE_CHECKING:
    from ..report import Report

INPUTS = 20
"""Leaves and inputs that are listed."""
LEAVES = 20
"""Leaves whose gradients are told; as many more where a finding is about them."""
ROWS = 30
"""Rows of one table; the rest is counted."""
FEW = 10
"""Leaves whose gradients are told, and rows of what is saved, of a large model."""


def to_text(report: Report) -> str:
    """The whole report: headline, graph, gradients, saved tensors, findings."""
    phrases, items = Phrases(report.graph, report.lang), Items(report.graph)
    findings = told(report.findings, phrases, items)
    said = [*tables.notices(phrases, report.trouble), *tables.hints(phrases)]
    notices = [line for notice in said for line in paragraph(notice, "! ", "  ")]
    headline = paragraph(tables.headline(phrases, len(findings), report.quiet), "", "  ")
    if report.quiet:
        return "\n".join([*headline, *notices])
    modules = _outline(report, phrases)
    leaves, rows = (FEW, FEW) if modules else (LEAVES, ROWS)
    parts = [
        [*headline, *notices],
        _section("text.findings", [line for group in folded(findings) for line in _group(*group, phrases)], phrases),
        _section("text.graph", modules or _graph(phrases), phrases),
        _section("text.rules", backward_lines(phrases), phrases, backward_title(phrases)),
        _section("text.gradients", _ledgers(phrases, items, findings, leaves), phrases),
        _section("text.health", health.lines(phrases), phrases),
        _section("text.saved", _saved(phrases, items, rows), phrases, tables.saved_total(phrases)),
    ]
    return "\n\n".join("\n".join(part) for part in parts if part)


def _section(key: str, lines: list[str], phrases: Phrases, more: str = "") -> list[str]:
    """A heading over lines; nothing where there are none."""
    heading = phrases.text(key).upper() + (f": {more}" if more else "")
    return [heading, *lines] if lines else []


# -- findings ----------------------------------------------------------------------------------
def _group(cause: Told, consequences: Sequence[Told], phrases: Phrases) -> list[str]:
    """A finding, and under it in one line each what follows from it."""
    lines = _finding(cause, phrases)
    for one in consequences:
        severity = phrases.text(f"view.severity_{one.severity}")
        said = phrases.text("text.follows", code=one.code, severity=severity, message=one.message)
        lines += paragraph(said, "    ", "      ")
    return lines


def _finding(finding: Told, phrases: Phrases) -> list[str]:
    severity = phrases.text(f"view.severity_{finding.severity}")
    ends = " · ".join(end.label for end in finding.ends)
    lines = paragraph(f"{finding.code} {severity}: {finding.message}", "  ", "    ")
    lines += paragraph(phrases.text("text.where", ends=ends), "    ", "      ") if ends else []
    lines += paragraph(phrases.text("text.fix", fix=finding.fix), "    ", "      ")
    if finding.torch:
        said = format.clip(" ".join(finding.torch.split()), 300)
        lines += paragraph(phrases.text("text.torch", text=said), "    ", "      ")
    return lines


# -- graph -------------------------------------------------------------------------------------
def _outline(report: Report, phrases: Phrases) -> list[str]:
    """A large model by its modules; nothing of what is small or has none."""
    tree = report.pictures["forward"].tree if report.trace.scopes else None
    if tree is None or len(tree.boxes) <= GLANCE or all(group.kind != "module" for group in tree.groups):
        return []
    own = tuple(f"{scope.path}{mark}" for scope in report.trace.scopes if scope.parent is None for mark in ".[")
    data = [row for row in _inputs(phrases, parameters=False) if not row[0].startswith(own)]  # buffers of modules
    lines = _cut(aligned(data[:INPUTS], "  ", " " * 8), len(data) - INPUTS, phrases)
    told = outline(tree)
    indents = ["  " * (depth + 1) for depth, _ in told]
    rows = [_entry(one, phrases) for _, one in told]
    lines += aligned([[indent + row[0], *row[1:]] for indent, row in zip(indents, rows, strict=True)], "", " " * 8)
    backwards = [_backward(row, phrases) for row in report.trace.backwards]
    return lines + _cut(aligned(backwards[:INPUTS], "  ", " " * 8), len(backwards) - INPUTS, phrases)


def _cut(lines: list[str], more: int, phrases: Phrases) -> list[str]:
    return [*lines, f"  … {phrases.count('view.more', more)}"] if more > 0 else lines


def _entry(one: Group | Box, phrases: Phrases) -> list[str]:
    """`attn  Attention  12 nodes · 4 parameters · 1.2 MB saved`, `c_attn  linear  float32[64,128]`."""
    if isinstance(one, Group):
        return [one.label, one.sub, " · ".join(one.facts).replace(format.MINUS, phrases.minus)]
    if one.id[0] != "c":
        return [one.name or one.label, one.title]
    call = phrases.trace.calls[int(one.id[1:])]
    names = ", ".join(dict.fromkeys(name for t in call.outputs if (name := phrases.name(t))))
    result = _call(call, phrases)[1]
    function = format.clean(call.name)
    return [one.name or function, function if one.name else "", f"{names} {result}".strip()]


def _graph(phrases: Phrases) -> list[str]:
    """Leaves and inputs, then each statement with what its calls made."""
    shown = shortened(statements(phrases.graph))
    if not shown:
        return _nodes(phrases)
    told = {id(one): _rows(one, phrases) for one in shown if isinstance(one, Statement)}
    cells = [row for one in shown if isinstance(one, Statement) for row in told[id(one)]]
    made = iter(aligned_rows(cells, " " * 8, " " * 10))
    inputs = _inputs(phrases)
    lines = aligned(inputs[:INPUTS], "  ", " " * 8)
    if len(inputs) > INPUTS:
        lines.append(f"  … {phrases.count('text.more_inputs', len(inputs) - INPUTS)}")
    for one in shown:
        if isinstance(one, Gap):
            lines.append(f"      … {_gap(one, phrases)}")
            continue
        lines += _statement(one, phrases)
        for _ in told[id(one)]:
            lines += next(made)
    return lines


def _rows(one: Statement, phrases: Phrases) -> list[list[str]]:
    """A row of cells for each call and backward; one for all that a function of torch's did for its backwards."""
    cells: list[list[str]] = []
    at = 0
    for first, end in runs(phrases.graph, one.rows):
        until = one.rows[end].at if end < len(one.rows) else None
        cells += [_row(row, phrases) for row in one.rows[at:first]]
        cells.append(_function(one.rows[first:end], until, phrases))
        at = end
    return [*cells, *(_row(row, phrases) for row in one.rows[at:])]


def _row(row: Call | Backward, phrases: Phrases) -> list[str]:
    return _call(row, phrases) if isinstance(row, Call) else _backward(row, phrases)


def _function(rows: Sequence[Call | Backward], until: int | None, phrases: Phrases) -> list[str]:
    """`J = jacobian`, its value, and how many backwards it ran."""
    results = outcome(phrases.graph, rows, until)[:3]
    names = ", ".join(name for t in results if (name := phrases.name(t)))
    function = through(phrases.graph, rows[0].places).rpartition(".")[2]
    values = [_measured(phrases.trace.tensors[t], phrases) for t in results]
    count = sum(isinstance(row, Backward) for row in rows)
    said = phrases.count("view.backwards", count)
    return [f"{names} = {function}(…)" if names else f"{function}(…)", ", ".join(values), said]


def _nodes(phrases: Phrases) -> list[str]:
    """Of a graph whose calls nobody saw: its nodes and where they lead, from the roots on."""
    nodes = phrases.trace.nodes
    reached = {target for node in nodes for target, _ in node.edges}
    roots = [node.id for node in reversed(nodes) if node.id not in reached and node.leaf is None]
    rows = []
    for node in phrases.graph.reachable(roots):
        targets = [phrases.node(target) for target, _ in node.edges if target is not None]
        if targets:
            rows.append([phrases.node(node.id), f"-> {', '.join(targets)}"])
    lines = aligned(rows[:ROWS], "  ", " " * 8)
    return [*lines, f"  … {phrases.count('view.more', len(rows) - ROWS)}"] if len(rows) > ROWS else lines


def _gap(gap: Gap, phrases: Phrases) -> str:
    if gap.iterations:
        return phrases.count("text.more_iterations", gap.iterations)
    return phrases.count("text.more_statements", gap.statements)


def _inputs(phrases: Phrases, *, parameters: bool = True) -> list[list[str]]:
    """Name, role, value and gradient of what the calls start from; of several with one name the first."""
    graph, trace = phrases.graph, phrases.trace
    drawn = {call.id for call in graph.operations}
    used = [t for call in graph.operations for t in call.inputs]
    inner = {t for row in trace.backwards if through(graph, row.places) for t in row.results}
    outer = [t for t in used if trace.tensors[t].call not in drawn and t not in inner]
    first = {trace.tensors[t].object: t for t in reversed(outer)}
    starts = sorted(first.values(), key=used.index)
    names = {phrases.label(t): t for t in reversed(starts) if parameters or not trace.tensors[t].parameter}
    return [_input(tensor, phrases) for tensor in reversed(names.values())]


def _input(tensor: int, phrases: Phrases) -> list[str]:
    row = phrases.trace.tensors[tensor]
    gradient = phrases.graph.last_grad(row.object) if row.leaf else phrases.graph.gradient(tensor)
    grad = "" if gradient is None else phrases.text("view.grad", value=_measured(gradient, phrases))
    return [phrases.label(tensor), phrases.role(row), _measured(row, phrases), grad]


def _statement(one: Statement, phrases: Phrases) -> list[str]:
    """Line number and source text."""
    if one.place is None:
        return [f"      {phrases.text('view.nowhere')}"]
    text = phrases.statement(one.place)
    if one.place.source == phrases.trace.source:
        return paragraph(text, f"{one.place.line:4}  ", " " * 8) or [f"{one.place.line:4}"]
    return paragraph(f"{phrases.line(one.place)}: {text}", "      ", " " * 8)


def _call(call: Call, phrases: Phrases) -> list[str]:
    """`result = op(inputs)`, value, gradient, node."""
    trace, graph = phrases.trace, phrases.graph
    names = ", ".join(name for t in call.outputs if (name := phrases.name(t)))
    operation = phrases.operation(call, 60)
    cells = [f"{names} = {operation}" if names else operation]
    if call.error is not None:
        return [*cells, phrases.text("text.raised", type=format.clean(call.error.type))]
    result = trace.tensors[call.outputs[0]] if call.outputs else None
    gradient = None if result is None or result.node is None else graph.gradient(result.id)
    cells.append("" if result is None else _measured(result, phrases))
    cells.append("" if gradient is None else phrases.text("view.grad", value=_measured(gradient, phrases)))
    nodes = ", ".join(dict.fromkeys(format.clean(trace.nodes[n].name) for n in call.nodes))
    return [*cells, nodes or (phrases.cut(call) if call.cut else "")]


def _measured(row: Tensor | Gradient, phrases: Phrases) -> str:
    """The value, or type and shape with the figures and, of a tensor, the histogram that there are."""
    bins = format.bars(row.stats.bins) if isinstance(row, Tensor) and row.stats is not None and row.stats.bins else ""
    return " ".join(filter(None, (phrases.value(row), phrases.figures(row), bins)))


def _backward(row: Backward, phrases: Phrases) -> list[str]:
    """From where, and how many nodes ran or why not."""
    kind = format.clean(row.kind.removeprefix("Tensor."))
    cells = [phrases.text("text.from", kind=kind, root=phrases.root(row))]
    if row.error is not None:
        return [*cells, phrases.text("text.raised", type=format.clean(row.error.type))]
    products = Products(phrases)
    pairs = list(zip(row.inputs or (), row.results, strict=False))
    named = len(pairs) > 1 or bool(products.kind(row))
    for tensor, result in pairs[:3]:
        parts = [products.result(row, tensor)] if named else []
        value = "None" if result is None else phrases.value(phrases.trace.tensors[result])
        name = "" if result is None else phrases.name(result)
        parts += [name] if name else [] if named or result is None else [phrases.label(result)]
        cells.append(" = ".join([*parts, value]))
    product = [] if pairs and named else [products.symbol(row)]
    return [*cells, *filter(None, product), phrases.count("view.nodes", len(phrases.graph.steps_in(row.id)))]


# -- tables ------------------------------------------------------------------------------------
def _ledgers(phrases: Phrases, items: Items, findings: Sequence[Told], leaves: int) -> list[str]:
    codes = {finding.id: finding.code for finding in findings}
    lines = []
    told = ledger.ledgers(phrases, items, findings, ROWS, whole=False)
    odd = [one for one in told[leaves:] if any(row["finding"] for row in one["rows"])]
    shown = [*told[:leaves], *odd[:leaves]]
    for one in shown:
        now = phrases.text("text.now", value=one["now"])
        shape = "" if one["shape"] == "[]" else f" {one['shape']}"
        lines += paragraph(f"{one['name']}{shape} {now}", "  ", "    ")
        rows = [[*ledger.text_cells(row), codes.get(row["finding"], "")] for row in one["rows"]]
        lines += aligned(rows, "    ", " " * 8)
    return _cut(lines, len(told) - len(shown), phrases)


def _saved(phrases: Phrases, items: Items, limit: int) -> list[str]:
    """Rows of the table; equal ones, as the iterations of a loop make them, once with their number."""
    counted = phrases.text("view.counted")
    groups: dict[tuple[str, ...], list[str]] = {}
    for row in tables.saved(phrases, items):
        groups.setdefault(_saved_cells(row, counted), []).append(row["shared"])
    rows = []
    for cells, shared in groups.items():
        again = counted if all(text == counted for text in shared) else ""
        rows.append([*filter(None, cells), *filter(None, [again, f"×{len(shared)}" if len(shared) > 1 else ""])])
    lines = _cut(aligned(rows[:limit], "  ", " " * 8), len(rows) - limit, phrases)
    return [*lines, *(line for said in memory.told(phrases) for line in paragraph(said, "  ", "    "))]


def _saved_cells(row: tables.Row, counted: str) -> tuple[str, ...]:
    slot = f"{row['node_name']}.{row['slot']}"
    shared = "" if row["shared"] == counted else row["shared"]
    return (row["line"], slot, row["owner"], _kind(row), row["bytes"], row["state"], shared)


def _kind(row: tables.Row) -> str:
    return f"{row['dtype']}{row['shape'].replace(' ', '')}"
