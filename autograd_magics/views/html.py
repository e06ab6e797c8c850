"""A report as HTML: `to_html(report)` for the output of a cell, `to_html(report, page=True)` for a file.

It works in stages.  Where everything but plain HTML is stripped there are a sentence, a picture, findings and tables;
where scripts run, the same output becomes the interactive view.  Nothing is loaded from anywhere.
"""

from __future__ import annotations

import base64
import json
import re
import zlib
from collections.abc import Iterable, Sequence
from html import escape
from importlib import resources
from typing import TYPE_CHECKING, Any

from ..settings import uncollected
from . import format, ledger, memory, tables
from .items import Items
from .languages import multilingual
from .packing import packed
from .svg import to_svg
from .told import Told, folded, told

if TYPE_CHECKING:
    from ..report import Report

BOXES, CHANGES, SAVED = 120, 40, 60
"""What the static part shows at most: boxes of the picture, rows of a ledger, rows of saved tensors."""
LEDGERS, ROWS, FINDINGS = 60, 480, 100
"""Ledgers, rows of all of them together, and findings: a browser reads all of it before it draws anything."""
FEW = 4
"""Rows that each ledger may have, however many there are."""
CROWD = 60
"""Boxes of a picture from which on it is large."""
LEVEL = 6
"""Of compression: 9 takes several times as long for a twentieth less."""

_CODE = re.compile(r"`([^`]*)`")
_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; worker-src blob:"
)
"""A page of ours cannot reach anything outside itself, whatever stands in it."""
_BODY = "margin:16px;font-family:system-ui,sans-serif"


@uncollected()
def to_html(report: Report, page: bool = False) -> str:
    """The report as a fragment, or as a whole page.

    Raises FileNotFoundError when the bundle of the front end is missing.
    """
    view = _quiet(report) if report.quiet else _interactive(report)
    return _page(view, report) if page else view


def asset(name: str) -> str:
    """A file of the front end's bundle; raises FileNotFoundError saying how to make it."""
    file = resources.files("autograd_magics").joinpath("static").joinpath(name)
    if not file.is_file():
        raise FileNotFoundError(f"{file} is missing: expected the built front end; make it with `make front`")
    return file.read_text(encoding="utf-8")


def program(payload: dict[str, Any], view: str = "app.js") -> str:
    """The front end's code; before it, where the payload is a large one, what only those need."""
    code = asset(view)
    if not is_large(payload):
        return code
    # inside a function its name is known to no other output of the page; a module is that already
    return f"{asset('large.js')}{code}" if view == "widget.js" else f"(()=>{{{asset('large.js')}{code}}})()"


def is_large(payload: dict[str, Any]) -> bool:
    """Whether something can be folded, is told in columns, or is larger than a screen."""
    pictures = payload.get("pictures", {}).values()
    return "columns" in payload or any("tree" in one or len(one["boxes"]) > CROWD for one in pictures)


def _quiet(report: Report) -> str:
    notices = [*tables.notices(report.phrases, report.trouble), *tables.hints(report.phrases)]
    return f'<div class="agm-quiet">{"".join(map(_paragraph, [report.headline, *notices]))}</div>'


def _interactive(report: Report) -> str:
    payload = multilingual(report)
    data = json.dumps(packed(payload), separators=(",", ":"), ensure_ascii=False)
    blob = base64.b64encode(zlib.compress(data.encode("utf-8", "replace"), LEVEL)).decode()
    script = program(payload).replace("</script", "<\\/script").replace("<!--", "<\\!--")
    return (
        f'<div class="agm" data-agm="{escape(report.trace.run)}">\n'
        f'<div class="agm-static">\n{_static(report)}\n</div>\n'
        f'<script type="application/octet-stream" class="agm-data">{blob}</script>\n'
        f"<script>{script}</script>\n</div>"
    )


def _page(view: str, report: Report) -> str:
    return (
        f'<!doctype html>\n<html lang="{report.lang.replace("_", "-")}">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{escape(format.clip(report.headline, 120))}</title>\n</head>\n"
        f'<body style="{_BODY}">\n{view}\n</body>\n</html>\n'
    )


# -- the static part ---------------------------------------------------------------------------
def _static(report: Report) -> str:
    phrases, items = report.phrases, Items(report.graph)
    findings = told(report.findings, phrases, items)
    parts = [
        _paragraph(report.headline),
        *map(_paragraph, [*tables.notices(phrases, report.trouble), *tables.hints(phrases)]),
        _image(report),
        _findings(findings, report),
        *_ledgers(report, items, findings),
        *_more_ledgers(report),
        _saved(report, items),
    ]
    return "\n".join(part for part in parts if part)


def _paragraph(text: str) -> str:
    return f"<p>{rich(text)}</p>"


def rich(text: str) -> str:
    """A sentence as HTML: everything escaped, what stands between backticks as code."""
    return _CODE.sub(r"<code>\1</code>", escape(text))


def _image(report: Report) -> str:
    drawn = base64.b64encode(to_svg(report, limit=BOXES).encode()).decode()
    alt = escape(f"{report.phrases.text('text.graph')}: {report.headline}")
    return f'<img alt="{alt}" style="max-width:100%" src="data:image/svg+xml;base64,{drawn}">'


def _findings(findings: Sequence[Told], report: Report) -> str:
    entries = [_finding(cause, report, consequences) for cause, consequences in folded(findings[:FINDINGS])]
    if len(findings) > FINDINGS:
        entries.append(f"<li>{report.phrases.count('text.more_findings', len(findings) - FINDINGS)}</li>\n")
    return f"<ul>\n{''.join(entries)}</ul>" if entries else ""


def _finding(finding: Told, report: Report, consequences: Sequence[Told] = ()) -> str:
    severity = report.phrases.text(f"view.severity_{finding.severity}")
    ends = report.phrases.text("text.where", ends=" · ".join(end.label for end in finding.ends))
    fix = report.phrases.text("text.fix", fix=finding.fix)
    lines = [f"<b>{escape(finding.code)} {escape(severity)}</b>: {rich(finding.message)}", rich(fix)]
    if finding.ends:
        lines.insert(1, rich(ends))
    if finding.torch:
        lines.append(escape(report.phrases.text("text.torch", text=format.clip(" ".join(finding.torch.split()), 400))))
    under = "".join(_finding(one, report) for one in consequences)
    return f"<li>{'<br>'.join(lines)}{f'<ul>{under}</ul>' if under else ''}</li>\n"


def _ledgers(report: Report, items: Items, findings: Sequence[Told]) -> list[str]:
    heads = [report.phrases.text(f"view.t_{key}") for key in ("line", "change", "before", "added", "after")]
    blocks = []
    rows = max(FEW, min(CHANGES, ROWS // max(1, min(LEDGERS, ledger.count(report.graph)))))
    for row in ledger.ledgers(report.phrases, items, findings, rows, whole=False, most=LEDGERS):
        now = report.phrases.text("text.now", value=row["now"])
        if row["rows"]:
            cells = map(ledger.html_cells, row["rows"])
            blocks.append(_details(f"{row['name']}.grad {row['shape']} {now}", heads, cells))
    return blocks


def _more_ledgers(report: Report) -> list[str]:
    more = ledger.count(report.graph) - LEDGERS
    return [_paragraph(report.phrases.count("text.more_ledgers", more))] if more > 0 else []


def _saved(report: Report, items: Items) -> str:
    keys = ("line", "node_name", "slot", "owner", "kind", "bytes", "state", "shared")
    names = ("line", "node", "slot", "tensor", "type", "bytes", "state")
    heads = [report.phrases.text(f"view.t_{key}") for key in names]
    rows = [{**row, "kind": f"{row['dtype']}{row['shape']}"} for row in tables.saved(report.phrases, items, SAVED)]
    if not rows:
        return ""
    cells = [[row[key] for key in keys] for row in rows]
    more = len(report.trace.saved) - len(rows)
    if more:
        cells.append([f"… {report.phrases.count('view.more', more)}"])
    title = f"{report.phrases.text('text.saved')}: {tables.saved_total(report.phrases)}"
    return _details(title, [*heads, ""], cells, memory.static(report.phrases, rich))


def _details(summary: str, heads: Sequence[str], rows: Iterable[Sequence[str]], first: str = "") -> str:
    head = "".join(f"<th>{escape(cell)}</th>" for cell in heads)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>\n" for row in rows)
    table = f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody>\n</table>"
    return f"<details><summary>{escape(summary)}</summary>\n{first}{table}\n</details>"
