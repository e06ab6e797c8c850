"""The derivative formula of each backward step, and that formula with the step's numbers in it.

* `local_rule(graph, step)`: formulas and numbers of one step, without words.
* `rule_rows(phrases, step)`: the same as finished text in one language.

The textbook's form where there is one (`textbook.py`), else what the installed torch's own
`derivatives.yaml` says, as the trace holds it (`tidy.py`).  Results are those that were recorded, never
computed here.
"""

from __future__ import annotations

import bisect
import itertools
from dataclasses import dataclass

from ...graph import Graph
from ...trace import GradChange, Gradient, Ids, Step
from .. import format, hooks
from ..phrases import LABEL, Phrases
from .agreement import differs, masked
from .facts import Facts
from .textbook import BROADCASTS, FORMS, NODES, RESULTS, form
from .tidy import tidy
from .writing import LENGTH, NAME, Symbols

__all__ = ["InputRule", "LocalRule", "RuleRow", "formula", "local_rule", "rule_rows"]

RESULT = 60
"""Longest value of a result, in characters."""


@dataclass(frozen=True)
class InputRule:
    """The formula for the gradient of one input."""

    edge: int | None
    """Index in `Node.edges` and `Step.sent`; None for the `.grad` of a leaf."""
    argument: str
    """What torch calls the input: `"self"`, `"other"`."""
    name: str
    """The user's name of it, empty where it has none."""
    formula: str
    """`"grad · 2 · self"`."""
    named: str
    """`"grad · 2 · e"`."""
    where: str
    """What `result` in it is, with the user's names: `"result = σ(z)"`; empty where it does not occur."""
    numbers: str
    """`"[1 1] · 2 · [0 -1]"`; empty where there is nothing to put in."""
    result: str
    """What was sent, `"[0 -2]"`, or its dtype and shape; empty where it is not known."""
    summed_to: Ids | None
    """The input's shape, where it was broadcast and the formula is summed to that shape afterwards."""
    differs: bool
    """The formula gives something else than the result: a hook, or a change that autograd did not see, came between."""
    masked: bool = False
    """The formula says 0/0 somewhere, and torch sent numbers all the same."""


@dataclass(frozen=True)
class LocalRule:
    """What a node computes in one step of the engine."""

    kind: str
    """`"textbook"`, `"torch"` (a formula of torch's own), `"leaf"` (adds to `.grad`), `"idle"` (nothing was seen going
    out), `"unknown"`."""
    inputs: tuple[InputRule, ...]
    """One for each input that got a gradient."""


@dataclass(frozen=True)
class RuleRow:
    """The formula for one input in words of one language."""

    edge: int | None
    name: str
    """Whose gradient it is."""
    rule: str
    numbers: str
    """Empty where there is nothing to put in."""
    hooked: bool = False
    """Whether the numbers tell what a hook then made of the result."""


def local_rule(graph: Graph, step: Step, minus: str = "-") -> LocalRule:
    """The formulas of a step, with names and with numbers."""
    if graph.trace.nodes[step.node].leaf is not None:
        return LocalRule("leaf", tuple(_leaf(graph, step, minus)))
    facts = Facts(graph, step)
    function, texts = _known(facts)
    edges = [edge for edge in range(len(texts)) if facts.sent(edge) is not None]
    writer = _Writer(facts, function, [argument for argument, _ in texts], minus)
    found = [(edge, *_formula(facts, function, *texts[edge], edge)) for edge in edges]
    rules = tuple(writer.rule(edge, formula, kind) for edge, formula, kind in found if formula)
    kinds = {kind for _, formula, kind in found if formula}
    if not rules:
        return LocalRule("idle" if texts and not edges else "unknown", ())
    return LocalRule("torch" if "torch" in kinds else "textbook", rules)


def _known(facts: Facts) -> tuple[str, list[tuple[str, str]]]:
    """The function that a node derives, and for each of its edges the argument and torch's own formula."""
    rows = [row for row in facts.trace.formulas if row.name == facts.node.name]
    pairs = [(format.clean(row.argument), format.clean(row.text)) for row in rows]
    function = rows[0].function if rows else NODES.get(facts.node.name, "")
    if not rows:
        pairs = [(argument, "") for argument in FORMS.get(function, {})]
    count = len(facts.node.edges)
    if len(pairs) == 1:
        return function, pairs * count  # a list of tensors has an edge for each
    return (function, pairs) if len(pairs) == count else ("", [])


def _formula(facts: Facts, function: str, argument: str, text: str, edge: int) -> tuple[str | None, str]:
    """The formula for one edge, and whether it is the textbook's or torch's own."""
    if not facts.is_complex and "Autograd" not in facts.node.name:
        found = form(facts, function, argument, edge)
        if found:
            return found, "textbook"
    return (tidy(text, facts.is_complex) if text else None), "torch"


class _Writer:
    """Writes the formulas of one step."""

    def __init__(self, facts: Facts, function: str, arguments: list[str], minus: str) -> None:
        self.facts, self.function, self.arguments, self.minus = facts, function, arguments, minus
        edges = {argument: edge for edge, argument in enumerate(arguments)}
        self.symbols = Symbols(facts, function, edges if len(edges) == len(arguments) else {}, minus)

    def rule(self, edge: int, formula: str, kind: str) -> InputRule:
        """The finished formula of an edge."""
        textbook = kind == "textbook"
        meaning = RESULTS.get(self.function, "") if textbook and "result" in formula else ""
        name = self.facts.name_behind(edge)
        gradient = self.facts.sent(edge)
        summed_to = self._summed(gradient, self.arguments[edge]) if textbook else None
        return InputRule(
            edge=edge,
            argument=self.arguments[edge],
            name=format.clip(format.clean(name), NAME),
            formula=formula.replace(format.MINUS, self.minus),
            named=self.symbols.named(formula),
            where=f"result = {self.symbols.named(meaning)}" if meaning else "",
            numbers=self.symbols.numbers(formula, complete=not textbook),
            result=_written(gradient, self.minus),
            summed_to=summed_to,
            differs=textbook and differs(formula, self.symbols, gradient, summed_to),
            masked=textbook and masked(formula, self.symbols, gradient),
        )

    def _summed(self, gradient: Gradient | None, argument: str) -> Ids | None:
        received = self.facts.received
        if BROADCASTS.isdisjoint((self.function, f"{self.function} {argument}")):
            return None
        if gradient is None or received is None:
            return None
        return gradient.shape if gradient.shape != received.shape else None


def _written(gradient: Gradient | None, minus: str) -> str:
    if gradient is None:
        return ""
    return format.short_text(gradient.value, RESULT, minus) or format.tensor_text(gradient.dtype, gradient.shape)


# -- leaves ------------------------------------------------------------------------------------
def _leaf(graph: Graph, step: Step, minus: str) -> list[InputRule]:
    """`.grad` and what is added to it."""
    leaf = graph.node_tensor(step.node)
    if leaf is None:
        return []
    name = format.clip(format.clean(graph.name(leaf.id) or ""), NAME)
    change = _change(graph, leaf.object, step)
    before = change is not None and change.before is not None
    formula = "self.grad + grad" if before else "grad"
    return [
        InputRule(
            edge=None, argument="self", name=name, formula=formula,
            named=formula.replace("self", name or "self"), where="", numbers=_added(change, minus),
            result=_written(None if change is None else change.after, minus), summed_to=None, differs=False,
        )
    ]  # fmt: skip


def _change(graph: Graph, obj: int, step: Step) -> GradChange | None:
    """What the step did to a leaf's `.grad`: the first such change after it."""
    changes = graph.changes_by_object.get(obj, ())
    first = bisect.bisect_left(changes, step.at, key=lambda change: change.at)
    return next((c for c in itertools.islice(changes, first, first + 8) if c.backward == step.backward), None)


def _added(change: GradChange | None, minus: str) -> str:
    if change is None or change.added is None:
        return ""
    parts = [_written(part, minus) for part in (change.before, change.added) if part is not None]
    return " + ".join(parts)


# -- words -------------------------------------------------------------------------------------
def rule_rows(phrases: Phrases, step: Step) -> tuple[RuleRow, ...]:
    """One row for each input that got a gradient; one that says so where no formula is known."""
    rule = local_rule(phrases.graph, step, phrases.minus)
    if rule.kind == "unknown":
        node = format.clean(phrases.trace.nodes[step.node].name)
        return (RuleRow(None, "", phrases.text("formula.unknown", node=node), ""),)
    return tuple(_row(phrases, step, rule.kind, one) for one in rule.inputs)


def _row(phrases: Phrases, step: Step, kind: str, one: InputRule) -> RuleRow:
    name = one.name or _label(phrases, step, one)
    if kind == "leaf":
        rule = f"{name}.grad ← {one.named}"
    else:
        rule = formula(phrases, one)
    numbers = _numbers(phrases, one)
    hooked = _hooked(phrases, step, one, numbers)
    return RuleRow(one.edge, name, format.clip(rule, 2 * LENGTH), hooked, hooked != numbers)


def formula(phrases: Phrases, one: InputRule) -> str:
    """`grad · x, summed to shape [1]`: a formula with what is to be known of it."""
    rule = ", ".join(filter(None, [one.named, one.where]))
    if one.summed_to is None:
        return rule
    return phrases.text("formula.summed", formula=rule, shape=format.shape_text(one.summed_to))


def _hooked(phrases: Phrases, step: Step, one: InputRule, numbers: str) -> str:
    """The numbers, and what a hook then made of the result where the engine carried it."""
    target = None if one.edge is None else phrases.trace.nodes[step.node].edges[one.edge][0]
    if target is None or not numbers:
        return numbers
    hooked = next((found for found in hooks.at_node(phrases.graph, target) if found.backward == step.backward), None)
    if hooked is None or one.result != _written(hooked.before, phrases.minus):
        return numbers
    after = _written(hooked.after, phrases.minus)
    hook = hooks.named(phrases, hooked.hooks)
    return phrases.text("formula.hooked", numbers=numbers, hook=hook, value=after)


def _label(phrases: Phrases, step: Step, one: InputRule) -> str:
    """The source text of an input that has no name, else torch's word for it."""
    row = Facts(phrases.graph, step).behind(one.edge) if one.edge is not None else None
    label = phrases.label(row.id) if row is not None else ""
    return format.clip(label or one.argument, LABEL)


def _numbers(phrases: Phrases, one: InputRule) -> str:
    text = one.numbers
    if not text or not one.result:
        return ""
    if one.summed_to is not None:
        whole = one.formula == "grad"  # one value, not to be mistaken for a product's last factor
        text = phrases.text(
            "formula.summed_numbers",
            formula=text if whole else f"({text})",
            shape=format.shape_text(one.summed_to),
        )
    if one.masked:
        return phrases.text("formula.masked", formula=text, value=one.result)
    if one.differs:
        return phrases.text("formula.differs", formula=text, value=one.result)
    return one.result if text == one.result else f"{text} = {one.result}"
