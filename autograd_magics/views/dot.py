"""A picture for Graphviz: `to_graphviz(report)`, a `graphviz.Digraph` whose `.source` needs no `dot` program."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from . import format, svg
from .boxes import Box, Picture

if TYPE_CHECKING:
    import graphviz

    from ..report import Report

_SHAPES = {"circle": "circle", "pill": "box", "rect": "box", "wire": "plain", "tag": "box", "group": "box"}
_STYLES = {"input": "rounded,dashed", "unseen": "rounded,dotted", "cut": "dashed", "result": "rounded,filled"}
_WIRES = {"data": "solid", "cut": "dashed", "state": "dotted"}


def to_graphviz(report: Report, picture: str = "forward") -> graphviz.Digraph:
    """The `"forward"` or `"backward"` picture of a report; raises ValueError for another name."""
    shown = svg.shown(report, picture)
    return digraph(report.pictures[shown], report.headline)


def digraph(picture: Picture, title: str) -> graphviz.Digraph:
    """Any picture; boxes keep their ids, open groups are clusters."""
    import graphviz

    graph = graphviz.Digraph("autograd")
    graph.attr(rankdir="LR", tooltip=_literal([title]), nodesep="0.2", ranksep="0.3")
    graph.attr("node", fontname="sans-serif", fontsize="11", height="0.3", width="0.3", margin="0.1,0.05")
    graph.attr("edge", arrowsize="0.6", color=svg.DIM)
    clusters = _clusters(picture)
    around = picture.tree.around() if picture.tree is not None else {}
    for box in picture.boxes:
        clusters.get(around.get(box.id, ""), graph).node(box.id, _label(box), **_look(box))
    for frame in reversed(picture.frames):
        clusters.get(around.get(frame.id, ""), graph).subgraph(clusters[frame.id])
    for wire in picture.wires:
        arrow = "normal" if wire.arrow else "none"
        graph.edge(wire.start, wire.end, style=_WIRES[wire.kind], arrowhead=arrow)
    if picture.left_out:
        graph.attr(label=f"… {picture.left_out}")
    return graph


def _clusters(picture: Picture) -> dict[str, graphviz.Digraph]:
    """By id of an open group: its subgraph, still empty."""
    import graphviz

    found = {}
    for frame in picture.frames:
        found[frame.id] = cluster = graphviz.Digraph(f"cluster_{frame.id}")
        label = _literal([f"{frame.label} {frame.sub}".strip()])
        cluster.attr(label=label, style="rounded,filled", color=svg.FRAME, fillcolor="#656d760c", labeljust="l")
        cluster.attr(fontname="sans-serif", fontsize="11")
    return found


def _label(box: Box) -> str:
    """All texts of a box, from top to bottom, each on a line of its own."""
    core = f"{box.label} {box.sub}".strip()
    said = (box.name, box.above, box.above_figures, core, *box.facts, box.below, box.below_figures)
    lines = [line for line in said if line]
    return _literal(lines or [" "])


def _literal(lines: Iterable[str]) -> str:
    """Lines that Graphviz takes as they are: no escapes, no entities, no HTML."""
    import graphviz

    escaped = (graphviz.escape(format.clean(line).replace("&", "&amp;")) for line in lines)
    literal: str = graphviz.nohtml("\\n".join(escaped))
    return literal


def _look(box: Box) -> dict[str, str]:
    style = _STYLES.get(box.style, "rounded" if box.shape in ("pill", "rect") else "solid")
    look = {"shape": _SHAPES[box.shape], "style": style, "color": svg.outline(box)}
    if box.shape == "group":
        look |= {"style": "rounded,filled", "fillcolor": svg.FILL["scope"], "peripheries": "2" if box.stacked else "1"}
    if box.style == "result" and box.shape != "wire":
        look["fillcolor"] = svg.FILL["result"]
    if box.title:
        look["tooltip"] = _literal([box.title])
    return look
