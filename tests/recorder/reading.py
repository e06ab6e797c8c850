"""Read a trace in a test: the text of a place, calls by name, names of tensors, nodes by hand."""

from __future__ import annotations

import pathlib
from typing import Any

from autograd_magics.trace import Call, Trace


def programs(file: str) -> dict[str, str]:
    """The programs of a file in `programs/`: each begins with a line `##### its name`."""
    text = (pathlib.Path(__file__).parent / "programs" / f"{file}.txt").read_text(encoding="utf-8")
    parts = [part.partition("\n") for part in text.split("##### ")[1:]]
    return {name: body.strip("\n") for name, _, body in parts}


def segment(trace: Trace, place: int) -> str:
    """The source text that a place covers."""
    p = trace.places[place]
    lines = (trace.sources[p.source].text or "").split("\n")[p.line - 1 : p.end_line]
    lines[-1] = lines[-1][: p.end_column]
    lines[0] = lines[0][p.column :]
    return "\n".join(lines)


def calls(trace: Trace, name: str) -> list[Call]:
    """The calls of one name, in order."""
    return [c for c in trace.calls if c.name == name]


def names(trace: Trace) -> list[tuple[str, int]]:
    """(name, row number of the tensor) in the order in which they were given."""
    return [(n.name, n.tensor) for n in sorted(trace.names, key=lambda n: n.at)]


def names_of(trace: Trace, tensor: int) -> set[str]:
    """Every name that a tensor state had."""
    return {n.name for n in trace.names if n.tensor == tensor}


def result_names(trace: Trace, name: str) -> list[set[str]]:
    """The names of the first result of each call of one name."""
    return [names_of(trace, c.outputs[0]) for c in calls(trace, name)]


def walk(root: Any) -> list[tuple[str, list[str | None]]]:
    """(name, names behind its edges) of every node reached by hand through `next_functions`, sorted."""
    found: dict[Any, tuple[str, list[str | None]]] = {}
    queue = [root]
    for node in queue:
        if node in found:
            continue
        behind = [n for n, _ in node.next_functions]
        found[node] = (_short(node), [None if n is None else _short(n) for n in behind])
        queue += [n for n in behind if n is not None]
    return sorted(found.values(), key=repr)


def _short(node: Any) -> str:
    return str(node.name()).removeprefix("torch::autograd::")


def walked(trace: Trace) -> list[tuple[str, list[str | None]]]:
    """The same of a trace."""
    nodes = trace.nodes
    return sorted(((n.name, [None if p is None else nodes[p].name for p, _ in n.edges]) for n in nodes), key=repr)
