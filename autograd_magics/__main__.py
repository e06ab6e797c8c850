"""`python -m autograd_magics view|findings|diff FILE`: look at saved recordings from a shell.

The exit status is 0 where there is nothing to report, 1 where there are findings (`findings`) or differences (`diff`),
and 2 for wrong use and for files that cannot be read.  Needs neither torch nor IPython.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import pathlib
import sys
import tempfile
from collections.abc import Sequence
from typing import Any

from . import __version__, texts
from .report import Report, load
from .rules import SEVERITIES, Finding
from .trace import TraceError

_NAME = pathlib.Path(sys.argv[0]).name
PROGRAM = "autograd-magics" if _NAME.startswith("autograd-magics") else "python -m autograd_magics"
"""As it was called, by the console script or as a module."""
CLEAN, FOUND, WRONG = 0, 1, 2
"""Exit statuses."""


class _Stop(Exception):
    """What is wrong, in one line."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Carry out one command line; gives the exit status, or ends the process for wrong use as argparse does."""
    given = parser(_language(arguments)).parse_args(arguments)
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")  # a terminal that lacks a sign still gets the rest
    try:
        status, said = given.run(given)
    except _Stop as error:
        print(f"{PROGRAM}: {error}", file=sys.stderr)
        return WRONG
    try:
        print(said, end="\n" if said else "", flush=True)
    except BrokenPipeError:  # `... | head` has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return int(status)


# -- the command line --------------------------------------------------------------------------
def parser(lang: str) -> argparse.ArgumentParser:
    """What may be typed, with its help in a language."""
    whole = argparse.ArgumentParser(
        prog=PROGRAM, description=texts.text("main.about", lang), epilog=texts.text("main.epilog", lang), add_help=False
    )
    _help(whole, lang)
    words = texts.text("main.version", lang)
    whole.add_argument("--version", action="version", version=f"autograd_magics {__version__}", help=words)
    commands = whole.add_subparsers(metavar="view|findings|diff", required=True)
    view = _command(commands, "view", _view, lang)
    view.add_argument("file", metavar="FILE", help=texts.text("main.file", lang))
    form = view.add_mutually_exclusive_group()
    form.add_argument("--text", action="store_true", help=texts.text("main.text", lang))
    form.add_argument("--html", metavar="OUT", help=texts.text("main.html", lang))
    view.add_argument("--open", action="store_true", help=texts.text("main.open", lang))
    findings = _command(commands, "findings", _findings, lang)
    findings.add_argument("files", metavar="FILE", nargs="+", help=texts.text("main.files", lang))
    findings.add_argument("--json", action="store_true", help=texts.text("main.json", lang))
    findings.add_argument("--severity", choices=SEVERITIES, help=texts.text("main.severity", lang))
    diff = _command(commands, "diff", _diff, lang)
    diff.add_argument("before", metavar="BEFORE", help=texts.text("main.file", lang))
    diff.add_argument("after", metavar="AFTER", help=texts.text("main.other", lang))
    diff.add_argument("--json", action="store_true", help=texts.text("main.json", lang))
    for command in (view, findings, diff):
        known = ", ".join(texts.languages())
        command.add_argument("--lang", type=_known, help=texts.text("main.lang", lang, languages=known))
    return whole


def _command(commands: Any, name: str, run: Any, lang: str) -> argparse.ArgumentParser:
    words = texts.text(f"main.{name}", lang)
    one: argparse.ArgumentParser = commands.add_parser(name, help=words, description=words, add_help=False)
    one.set_defaults(run=run)
    _help(one, lang)
    return one


def _help(one: argparse.ArgumentParser, lang: str) -> None:
    one.add_argument("-h", "--help", action="help", help=texts.text("main.help", lang))


def _language(arguments: Sequence[str] | None) -> str:
    """The language in which a command line asks for help: that of `--lang`, where it is a good one."""
    first = argparse.ArgumentParser(add_help=False, exit_on_error=False)
    first.add_argument("--lang")
    try:
        return texts.choose(first.parse_known_args(arguments)[0].lang)
    except (ValueError, argparse.ArgumentError):
        return texts.choose()


def _known(lang: str) -> str:
    try:
        return texts.choose(lang)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


# -- commands ----------------------------------------------------------------------------------
def _load(path: str, given: argparse.Namespace) -> Report:
    lang = texts.choose(given.lang)
    try:
        return load(path, lang=lang)
    except TraceError as error:
        raise _Stop(str(error)) from None
    except OSError as error:
        raise _Stop(texts.text("main.unreadable", lang, file=path, reason=error.strerror or error)) from None


def _view(given: argparse.Namespace) -> tuple[int, str]:
    """The whole report: text, or a page."""
    report = _load(given.file, given)
    text = report.to_text() if given.text or not (given.html or given.open) else ""
    if not given.html and not given.open:
        return CLEAN, text
    path = _page(report, given.html)
    print(texts.text("main.wrote", report.lang, file=path), file=sys.stderr)
    if given.open:
        import webbrowser

        webbrowser.open(path.resolve().as_uri())
    return CLEAN, text


def _page(report: Report, out: str | None) -> pathlib.Path:
    """Write the page; without a path to a file of its own that stays, because a browser reads it later."""
    if out is None:
        number, out = tempfile.mkstemp(prefix="autograd-", suffix=".html")
        os.close(number)
    try:
        report.to_html(out)
    except OSError as error:
        raise _Stop(texts.text("main.unwritable", report.lang, file=out, reason=error.strerror or error)) from None
    return pathlib.Path(out)


def _findings(given: argparse.Namespace) -> tuple[int, str]:
    """The findings alone; without --severity notes are listed, but do not count."""
    from .views import listed

    failed = False
    rows: list[dict[str, Any]] = []
    lines: list[str] = []
    for path in given.files:
        report = _load(path, given)
        chosen = _at_least(given.severity or "note", report.findings)
        failed |= bool(_at_least(given.severity or "warning", chosen))
        rows += [{"path": path, **row} for row in listed.rows(report, chosen)]
        shown = listed.to_lines(report, chosen) or [texts.text("main.clean", report.lang)]
        lines += [f"{path}:", *shown, ""] if len(given.files) > 1 else shown
        if report.trouble:
            print(f"{PROGRAM}: {path}: {report.trouble}", file=sys.stderr)
    return FOUND if failed else CLEAN, _json(rows) if given.json else "\n".join(lines).rstrip()


def _at_least(severity: str, findings: Sequence[Finding]) -> list[Finding]:
    return [one for one in findings if SEVERITIES.index(one.severity) >= SEVERITIES.index(severity)]


def _diff(given: argparse.Namespace) -> tuple[int, str]:
    """What differs between two recordings."""
    found = _load(given.before, given).diff(_load(given.after, given))
    return FOUND if found else CLEAN, _json(found.rows) if given.json else found.to_text()


def _json(rows: list[dict[str, Any]]) -> str:
    """Rows as JSON; numbers that JSON has not become null."""
    plain = [{key: None if _is_odd(cell) else cell for key, cell in row.items()} for row in rows]
    return json.dumps(plain, indent=1, ensure_ascii=False, allow_nan=False)


def _is_odd(cell: object) -> bool:
    return isinstance(cell, float) and not math.isfinite(cell)


if __name__ == "__main__":
    sys.exit(main())
