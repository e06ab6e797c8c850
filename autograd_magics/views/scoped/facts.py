"""What is told of a group: its name, its figures, and where its source stands.

`Facts(grove, phrases)`: for each branch the nodes, parameters and saved tensors inside, as texts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from ... import texts
from ...health import Figures, arrived, steps, summary
from ...trace import Place
from .. import format
from ..boxes import Part
from ..health import folded
from ..iterations import Statements
from ..phrases import Phrases
from .branches import Branch, Grove
from .paths import LABEL

DOTS = " … "
PATH = 200
"""Longest path that is told, in columns."""

Said = tuple[str, ...]
Figured = tuple[int, int, int, str]
"""Nodes, parameters, bytes and gradients: of equal blocks the same is said."""


@dataclass
class Inside:
    """All that is in a branch."""

    units: dict[str, None] = field(default_factory=dict)
    nodes: dict[int, None] = field(default_factory=dict)
    leaves: dict[int, None] = field(default_factory=dict)
    """Tensor rows, one for each object."""
    places: dict[int, None] = field(default_factory=dict)
    blocks: dict[tuple[str, int], int] = field(default_factory=dict)
    """Bytes of the memory that the nodes saved for backward, freed or not."""

    def take(self, other: Inside) -> None:
        """Add what is in another one."""
        self.units |= other.units
        self.nodes |= other.nodes
        self.leaves |= other.leaves
        self.places |= other.places
        self.blocks |= other.blocks


class Facts:
    """Figures and texts of the branches of one grove."""

    def __init__(self, grove: Grove, phrases: Phrases) -> None:
        self.grove, self.phrases = grove, phrases
        self.graph, self.trace = phrases.graph, phrases.trace
        self._others = [Phrases(phrases.graph, lang, phrases.minus) for lang in texts.languages()]
        self._gradients: dict[Branch, str] = {}
        self._lines: dict[Branch, tuple[Place, Place] | None] = {}
        self._said: dict[Figured, tuple[Said, Said]] = {}
        self.inside: dict[Branch, Inside] = {}
        for branch in reversed(grove.all()):
            found = self.inside[branch] = Inside()
            for child in branch.children:
                if isinstance(child, Branch):
                    found.take(self.inside[child])
                else:
                    self._take(found, grove.parts[child])

    def _take(self, found: Inside, part: Part) -> None:
        if part.unit:
            found.units[part.unit] = None
        for node in part.nodes:
            found.nodes[node] = None
            for row in self.graph.saved_of(node):
                found.blocks.update(self.graph.blocks(row))
        if part.place is not None:
            found.places[part.place] = None
        if part.leaf is not None and self._is_parameter(part.leaf):
            found.leaves[self._first_row[self.trace.tensors[part.leaf].object]] = None

    def _is_parameter(self, tensor: int) -> bool:
        row = self.trace.tensors[tensor]
        return row.parameter or (row.leaf and row.requires_grad)

    @cached_property
    def _first_row(self) -> dict[int, int]:
        """By object: one row to stand for it."""
        return {row.object: row.id for row in reversed(self.trace.tensors)}

    @cached_property
    def calls_of(self) -> Counter[int]:
        """How often each module was called."""
        return Counter(scope.module for scope in self.trace.scopes)

    # -- figures -------------------------------------------------------------------------------
    def elements(self, branch: Branch) -> int:
        """Numbers in the parameters used inside."""
        total = 0
        for tensor in self.inside[branch].leaves:
            count = 1
            for size in self.trace.tensors[tensor].shape:
                count *= size
            total += count
        return total

    def bytes(self, branch: Branch) -> int:
        """Of the distinct storages that the nodes inside saved for backward, freed or not."""
        return sum(self.inside[branch].blocks.values())

    def gradients(self, branch: Branch) -> str:
        """How large the gradients are that reached the nodes inside."""
        if branch not in self._gradients:
            known = self._arrived
            figures = [known[node] for node in self.inside[branch].nodes if node in known] if known else []
            self._gradients[branch] = folded(self.phrases, summary(figures))
        return self._gradients[branch]

    @cached_property
    def _arrived(self) -> dict[int, Figures]:
        """What backward brought to each node, where that is known."""
        found = {node: arrived(step) for node, step in steps(self.graph).items()}
        return {node: one for node, one in found.items() if one is not None}

    def lines(self, branch: Branch) -> tuple[Place, Place] | None:
        """The first and the last line of the recorded cell, else of the file, that made what is inside."""
        if branch not in self._lines:
            self._lines[branch] = self._ends(self.inside[branch].places)
        return self._lines[branch]

    def _ends(self, places: Iterable[int]) -> tuple[Place, Place] | None:
        rows = [self.trace.places[place] for place in places]
        rows = [row for row in rows if row.source == self.trace.source] or rows
        rows = [row for row in rows if row.source == rows[0].source]
        return (min(rows, key=lambda row: row.line), max(rows, key=lambda row: row.line)) if rows else None

    # -- texts ---------------------------------------------------------------------------------
    def widest(self, branch: Branch) -> Said:
        """The lines for the folded box in all languages."""
        return self._both(branch)[1]

    def short(self, branch: Branch) -> Said:
        """At most two lines for the folded box."""
        return self._both(branch)[0]

    def _both(self, branch: Branch) -> tuple[Said, Said]:
        inside = self.inside[branch]
        known = (len(inside.nodes), len(inside.leaves), self.bytes(branch), self.gradients(branch))
        if known not in self._said:
            widest = tuple(line for phrases in self._others for line in _lines(phrases, *known))
            self._said[known] = _lines(self.phrases, *known), widest
        return self._said[known]

    def where(self, branch: Branch, phrases: Phrases) -> str:
        """`line 3`, `lines 3–9`; empty where nothing is known."""
        ends = self.lines(branch)
        if ends is None:
            return ""
        if ends[0].line == ends[1].line or ends[0].source != self.trace.source:
            return phrases.line(ends[0])
        return phrases.text("view.lines", first=ends[0].line, last=ends[1].line)

    def code(self, branch: Branch) -> str:
        """The line of source that begins what is inside; the operations where it is not known."""
        ends = self.lines(branch)
        text = "" if ends is None else self.phrases.statement(ends[0])
        return format.clip(text, LABEL) if text else _ends(_names(branch.children, self.grove))

    def loop(self, branch: Branch) -> str:
        """The header of the innermost loop around what is inside: `for x in data`; empty where there is none."""
        ends = self.lines(branch)
        if ends is None or ends[0].source != self.trace.source:
            return ""
        first, last = (self._statements.at(end.line, end.column or 0)[1] for end in ends)
        line = next((loop[0] for loop in reversed(first) if loop in last), 0)
        header = self.phrases.statement(ends[0]._replace(line=line)) if line else ""
        return format.clip(header.rstrip(" :"), LABEL)

    @cached_property
    def _statements(self) -> Statements:
        return Statements(None if self.trace.source is None else self.trace.sources[self.trace.source].text)

    def which(self, branch: Branch, phrases: Phrases) -> str:
        """`call 2 of 3` of a module that is called more than once, `12 times in a row` of a run."""
        if branch.kind == "run":
            return phrases.count("view.g_repeats", branch.times)
        if branch.scope is None:
            repeated = branch.parent is not None and branch.parent.kind == "run"
            key = "unit" if repeated and branch.role != "piece" else branch.role
            return phrases.text(f"view.g_{key}") if key in ("unit", "piece") else ""
        row = self.trace.scopes[branch.scope]
        calls = self.calls_of[row.module]
        return phrases.text("view.g_call", n=row.nth + 1, of=calls) if calls > 1 else ""

    def title(self, branch: Branch, phrases: Phrases) -> str:
        """Everything in one line."""
        name = f"{self.path(branch)} {branch.sub}".strip()
        parts = [name, self.which(branch, phrases), *self.short(branch), self.where(branch, phrases)]
        return " · ".join(part for part in parts if part)

    def path(self, branch: Branch) -> str:
        """The way to a module as the user would write it; the label of anything else."""
        if branch.scope is None:
            return branch.label
        return format.clip(format.clean(self.trace.scopes[branch.scope].path), PATH)


def _lines(phrases: Phrases, nodes: int, leaves: int, size: int, gradients: str) -> Said:
    first = [phrases.count("view.nodes", nodes)] if nodes else []
    first += [phrases.count("view.g_parameters", leaves)] if leaves else []
    second = [phrases.text("view.g_saved", bytes=format.bytes_text(size))] if size else []
    second += [gradients] if gradients else []
    return tuple(" · ".join(line) for line in (first, second) if line)


def name_all(grove: Grove, facts: Facts) -> None:
    """Give every branch its label and what stands beside it, inner ones first."""
    for branch in reversed(grove.all()):
        if branch.scope is not None:
            row = facts.trace.scopes[branch.scope]
            again = f" #{row.nth + 1}" if facts.calls_of[row.module] > 1 else ""
            kind = format.clip(format.clean(row.type), LABEL)
            branch.sub = "" if branch.label == f"{kind}()" else kind + again
        elif branch.kind == "run":
            _name_run(branch, grove, facts)
        elif branch.role == "part" or not _has_modules(branch, grove):
            branch.label = facts.code(branch)
        else:
            branch.label = _ends(_names(branch.children, grove))
    _count_parts(grove, facts)


def _count_parts(grove: Grove, facts: Facts) -> None:
    """Parts that begin with the same statement, such as iterations, have numbers, and so have runs of them."""
    parts = sorted((branch for branch in grove.all() if branch.role == "part"), key=lambda branch: branch.first)
    _name_loops(parts, facts)
    count = Counter(part.label for part in parts)
    seen: Counter[str] = Counter()
    for part in parts:
        if count[part.label] > 1:
            seen[part.label] += 1
            part.sub = f"#{seen[part.label]}"
    for run in grove.all():
        inside = [child for child in _flat(run) if isinstance(child, Branch) and child.role == "part"]
        if run.kind == "run" and inside and run.times < len(parts):
            run.sub = f"{inside[0].sub} … {inside[-1].sub} ×{run.times}"
            run.label = inside[0].label if len({part.label for part in inside}) == 1 else run.label


def _name_loops(parts: Sequence[Branch], facts: Facts) -> None:
    """Parts that begin with one statement in a loop are its iterations, and have its name; of several such none has."""
    loops: dict[str, dict[str, list[Branch]]] = {}
    for part in parts:
        loops.setdefault(facts.loop(part), {}).setdefault(part.label, []).append(part)
    for loop, begun in loops.items():
        found = [one for same in begun.values() for one in same]
        if loop and len(begun) == 1 and len(found) > 1:
            for part in found:
                part.label = loop


def _name_run(run: Branch, grove: Grove, facts: Facts) -> None:
    """`h.0 … h.11` `Block ×12`; of what has one name only that."""
    repeated = _flat(run)
    modules = [child for child in repeated if isinstance(child, Branch) and child.scope is not None]
    kinds = {module.sub.partition(" #")[0] for module in modules}
    run.label = _ends(_names(repeated, grove)) if modules or _has_modules(run, grove) else facts.code(run)
    run.sub = " ".join([*(kinds if len(kinds) == 1 else ()), f"×{run.times}"])


def _has_modules(branch: Branch, grove: Grove) -> bool:
    """Whether something in a branch has the name of a module."""
    for child in branch.children:
        if _has_modules(child, grove) or child.scope is not None if isinstance(child, Branch) else grove.named[child]:
            return True
    return False


def _flat(run: Branch) -> list[int | Branch]:
    """What a run repeats, without the chunks that it is cut into."""
    found: list[int | Branch] = []
    for child in run.children:
        found += _flat(child) if isinstance(child, Branch) and child.role == "piece" else [child]
    return found


def _names(children: list[int | Branch], grove: Grove) -> list[str]:
    """What children are called; where some are or carry modules, only those."""
    named = [child for child in children if isinstance(child, Branch) or grove.named[child]]
    return [_name(child, grove) for child in named or children]


def _name(child: int | Branch, grove: Grove) -> str:
    """What a child is called; empty for tensors."""
    if isinstance(child, Branch):
        return child.label
    box = grove.boxes[child]
    return (box.name if grove.named[child] else box.label) if grove.parts[child].unit else ""


def _ends(names: list[str]) -> str:
    """The first and the last of some names."""
    known = [name for name in names if name] or ["…"]
    first, last = known[0].partition(DOTS)[0], known[-1].rpartition(DOTS)[2]
    return format.clip(first if len(known) == 1 or first == last else f"{first}{DOTS}{last}", LABEL)
