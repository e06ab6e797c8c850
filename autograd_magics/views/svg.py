"""A picture as a static SVG: presentation attributes only, readable on a light and on a dark page.

`to_svg(report)` draws the computation, or autograd's nodes where nothing was computed; `draw(picture, title)` draws
any placed picture.
"""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from . import format
from .boxes import LABEL_PX, TEXT_LINE, TEXT_PX, Box, Frame, Picture, Wire
from .languages import said

if TYPE_CHECKING:
    from ..report import Report

SANS = "system-ui, sans-serif"
MONO = "ui-monospace, monospace"
PAPER, INK, DIM = "#ffffff", "#1b1f24", "#656d76"
VALUE, GRADIENT, LEAF, INPUT = "#0072b2", "#d55e00", "#009e73", "#8b949e"
"""Colours of Okabe and Ito, told apart by colour-blind people; shape and dash say the same."""
FRAME = "#afb8c1"
"""The border of an open group."""
SEVERITY = {"note": "#0072b2", "warning": "#9a6700", "error": "#cf222e"}

_OUTLINE = {
    "leaf": LEAF, "input": INPUT, "call": VALUE, "result": VALUE, "cut": DIM, "failed": SEVERITY["error"],
    "node": GRADIENT, "accumulate": LEAF, "unseen": INPUT, "scope": DIM,
}  # fmt: skip
FILL = {"result": "#eef6fb", "failed": "#ffebe9", "scope": "#f3f5f7"}
_DASH = {"input": "4 3", "cut": "4 3", "unseen": "1 3"}
_ARROW = (
    '<defs><marker id="agm-arrow" viewBox="0 0 8 8" refX="7.5" refY="4" markerWidth="7" markerHeight="7" '
    f'orient="auto"><path d="M0 0 8 4 0 8z" fill="{DIM}"/></marker></defs>'
)


def to_svg(report: Report, picture: str = "forward", limit: int | None = None) -> str:
    """The `"forward"` or `"backward"` picture of a report, with at most `limit` boxes where one is given.

    Raises ValueError for another name.
    """
    name = shown(report, picture)
    chosen = said(report.coded[name], report.lang, whole=False)
    if limit is not None and len(chosen.boxes) > limit:
        chosen = report.picture(name, limit)
    left_out = report.phrases.count(f"view.left_out_{name}", chosen.left_out) if chosen.left_out else ""
    return draw(chosen, report.headline, left_out)


def shown(report: Report, picture: str) -> str:
    """The name of the picture to draw: the one asked for, or the other one where only that one has something in it."""
    names = ("forward", "backward")
    if picture not in names:
        raise ValueError(f"picture is {picture!r}; it must be {' or '.join(map(repr, names))}")
    drawn = [name for name in (picture, *names) if report.coded[name].boxes]
    return drawn[0] if drawn else picture


def draw(picture: Picture, title: str, note: str = "") -> str:
    """The picture as one SVG element; `note` stands under it."""
    width = max(picture.width, 40.0, format.pixels(note, TEXT_PX) + 24 if note else 0.0)
    height = max(picture.height, 30.0) + (20 if note else 0)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}" role="img" font-family="{SANS}">',
        f"<title>{_escape(title)}</title>",
        _ARROW,
        f'<rect width="100%" height="100%" rx="8" fill="{PAPER}"/>',
        *(_frame(frame) for frame in picture.frames),
        *(_wire(wire) for wire in picture.wires),
        *(_box(box) for box in picture.boxes),
    ]
    if note:
        parts.append(_text(12, height - 9, note, TEXT_PX, DIM, anchor="start"))
    return "\n".join([*parts, "</svg>\n"])


def _escape(text: str) -> str:
    return html.escape(format.clean(text))


def _frame(frame: Frame) -> str:
    """An open group; each lies a little darker in the one around it."""
    line = SEVERITY[frame.severity] if frame.severity in ("warning", "error") else FRAME
    sub = f' <tspan fill="{DIM}" font-weight="400">{_escape(frame.sub)}</tspan>' if frame.sub else ""
    return (
        f'<rect x="{frame.x:.1f}" y="{frame.y:.1f}" width="{frame.w:.1f}" height="{frame.h:.1f}" rx="10" fill="{DIM}" '
        f'fill-opacity="0.045" stroke="{line}" stroke-width="1"/>'
        f'<text x="{frame.x + 11:.1f}" y="{frame.y + frame.head - 6:.1f}" font-size="{LABEL_PX}" font-weight="600" '
        f'fill="{INK}">{_escape(frame.label)}{sub}</text>'
    )


def _wire(wire: Wire) -> str:
    dash = {"cut": ' stroke-dasharray="5 4"', "state": ' stroke-dasharray="2 3"'}.get(wire.kind, "")
    arrow = ' marker-end="url(#agm-arrow)"' if wire.arrow else ""
    return f'<path d="{html.escape(wire.d)}" fill="none" stroke="{DIM}" stroke-width="1.3"{dash}{arrow}/>'


def _box(box: Box) -> str:
    title = f"<title>{_escape(box.title)}</title>" if box.title else ""
    inner = [title, *_behind(box), _core(box), *_label(box), *_texts(box)]
    if box.hook:
        inner.append(_hook(box))
    if box.badge:
        inner += _badge(box)
    return f"<g>{''.join(inner)}</g>"


def _behind(box: Box) -> list[str]:
    """Of a folded run: the outlines of two more of it."""
    if not box.stacked:
        return []
    left, top = box.x - box.cw / 2, box.y - box.ch / 2
    return [
        f'<rect x="{left + far:.1f}" y="{top - far:.1f}" width="{box.cw:.1f}" height="{box.ch:.1f}" rx="8" '
        f'fill="{FILL["scope"]}" stroke="{outline(box)}" stroke-width="1"/>'
        for far in (6, 3)
    ]


def _core(box: Box) -> str:
    if box.shape == "wire":
        left, right = box.x - box.cw / 2, box.x + box.cw / 2
        line = f'<path d="M{left:.1f} {box.y:.1f}H{right:.1f}" stroke="{DIM}" stroke-width="1.3"/>'
        return line + _area(box)
    dashes = _DASH.get(box.style) or ("2 2" if box.ghost_of else "")
    dash = f' stroke-dasharray="{dashes}"' if dashes else ""
    look = f'fill="{FILL.get(box.style, PAPER)}" stroke="{outline(box)}" stroke-width="1.6"{dash}'
    if box.shape == "circle":
        return f'<circle cx="{box.x:.1f}" cy="{box.y:.1f}" r="{box.cw / 2:.1f}" {look}/>'
    radius = box.ch / 2 if box.shape in ("pill", "tag") else 8 if box.shape == "group" else 6
    return (
        f'<rect x="{box.x - box.cw / 2:.1f}" y="{box.y - box.ch / 2:.1f}" width="{box.cw:.1f}" height="{box.ch:.1f}" '
        f'rx="{radius:.0f}" {look}/>'
    )


def outline(box: Box) -> str:
    """The colour of a box: of its worst finding, or of what it is."""
    return SEVERITY[box.severity] if box.severity in ("warning", "error") else _OUTLINE[box.style]


def _area(box: Box) -> str:
    """Something invisible to point at, so that a line one pixel thick has a tooltip."""
    return (
        f'<rect x="{box.x - box.w / 2:.1f}" y="{box.y - box.h / 2:.1f}" width="{box.w:.1f}" height="{box.h:.1f}" '
        'fill="none" pointer-events="all"/>'
    )


def _label(box: Box) -> list[str]:
    if not box.label:
        return []
    size = 16 if box.shape == "circle" and format.columns(box.label) == 1 else LABEL_PX
    weight = ' font-weight="600"' if box.style in ("leaf", "result", "accumulate", "scope") else ""
    sub = f' <tspan fill="{DIM}" font-weight="400">{_escape(box.sub)}</tspan>' if box.sub else ""
    baseline = box.y + size * 0.36 - len(box.facts) * TEXT_LINE / 2
    return [
        f'<text x="{box.x:.1f}" y="{baseline:.1f}" font-size="{size}" text-anchor="middle" fill="{INK}"{weight}>'
        f"{_escape(box.label)}{sub}</text>"
    ]


def _texts(box: Box) -> list[str]:
    parts = []
    top, bottom = box.y - box.ch / 2, box.y + box.ch / 2
    for line, fact in enumerate(reversed(box.facts)):
        parts.append(_text(box.x, bottom - 9 - line * TEXT_LINE, fact, TEXT_PX, DIM))
    if box.above_figures:
        parts.append(_figures(box.x, top - 5, box.above_figures))
        top -= TEXT_LINE
    if box.above:
        parts.append(_text(box.x, top - 5, box.above, TEXT_PX, VALUE, MONO))
    if box.name:
        line = TEXT_LINE if box.above else 0
        parts.append(_text(box.x, top - 5 - line, box.name, TEXT_PX, INK, MONO, bold=True))
    if box.below:
        colour = DIM if box.below_dim else GRADIENT
        parts.append(_text(box.x, bottom + TEXT_PX + 2, box.below, TEXT_PX, colour, MONO))
    if box.below_figures:
        parts.append(_figures(box.x, bottom + TEXT_PX + 2 + TEXT_LINE, box.below_figures))
    return parts


def _figures(x: float, y: float, text: str) -> str:
    odd = text.startswith(format.ODD)
    return _text(x, y, text, TEXT_PX, SEVERITY["error"] if odd else DIM, MONO, bold=odd)


def _badge(box: Box) -> list[str]:
    """The number of findings, at the upper right of the core."""
    x = box.x + box.cw / 2 + {"circle": -5, "wire": 4}.get(box.shape, -2)
    y = box.y - max(box.ch, 10) / 2 + 3
    return [
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="7" fill="{SEVERITY.get(box.severity, DIM)}"/>',
        _text(x, y + 3.2, box.badge, 9, PAPER, bold=True),
    ]


def _hook(box: Box) -> str:
    """A hook at the upper left, or at the beginning of a wire: hollow where it changed nothing on the way."""
    wire = box.shape == "wire"
    x, y = (box.x - (box.cw - 14) / 2, box.y) if wire else (box.x - box.cw / 2 + 2, box.y - box.ch / 2 + 2)
    fill, line = (GRADIENT, PAPER) if box.hook == "changed" else (PAPER, LEAF)
    return (
        f'<g transform="translate({x:.1f} {y:.1f})" stroke="{line}"><circle r="7" fill="{fill}" stroke-width="1.2"/>'
        '<path d="M1.8 -4.2v4.6a2.2 2.2 0 0 1 -4.4 0v-1.4" fill="none" stroke-width="1.7"/></g>'
    )


def _text(
    x: float, y: float, text: str, size: float, colour: str, family: str = "", *, bold: bool = False,
    anchor: str = "middle",
) -> str:  # fmt: skip
    font = f' font-family="{family}"' if family else ""
    weight = ' font-weight="600"' if bold else ""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size:g}" text-anchor="{anchor}" fill="{colour}"{font}{weight}>'
        f"{_escape(text)}</text>"
    )
