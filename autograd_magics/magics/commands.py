"""The subcommands of `%autograd`: `run(magics, command, rest, names)`.

Each is a function of (the magics, the rest of the line, the names that code can use where the line stands).  They raise
`OptionError` in the user's language for what cannot be done.
"""

# mypy: allow-untyped-calls

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from IPython.display import publish_display_data

from .. import cells, check, expressions, options
from ..options import OptionError, Options
from ..recording import known_sources
from ..texts import choose, text
from .always import Always
from .completion import codes

if TYPE_CHECKING:
    from ..report import Report
    from .magic import AutogradMagics

Names = Mapping[str, Any]

LEAVES = 30
"""Leaves whose story `%autograd grads` tells when none is named."""


def run(magics: AutogradMagics, command: str, rest: str, names: Names) -> None:
    """Carry out one line of `%autograd`."""
    if not command:
        print(state(magics))
        return
    known: dict[str, Callable[[AutogradMagics, str, Names], None]] = {
        "on": _on, "off": _off, "show": _show, "grads": _grads, "explain": _explain, "check": _check,
    }  # fmt: skip
    if command not in known:
        raise OptionError(_unknown(magics, "magic.unknown_command", command, options.COMMANDS))
    known[command](magics, rest, names)


def state(magics: AutogradMagics) -> str:
    """What is going on, the settings, and the help."""
    lang = magics.words
    now = text("magic.recording" if magics.recording else "magic.idle", lang, cells=len(cells.known))
    lines = [now, _always(magics)] if magics.always is not None else [now]
    lines.append("  ".join(f"{name}={value!r}" for name, value in magics.settings().items()))
    return "\n".join((
        *lines, text("magic.config", lang), "", options.usage_lines(lang), "", options.option_lines(lang),
    ))  # fmt: skip


def _always(magics: AutogradMagics) -> str:
    always = magics.always
    if always is None:
        return text("magic.off", magics.words)
    key = "magic.on.one" if always.count == 1 else "magic.on.other"
    since = " " if always.since is None else always.since
    return text(key, magics.words, n=always.count, since=since, line=f"on {always.line}".strip())


def _on(magics: AutogradMagics, rest: str, names: Names) -> None:
    """Record every following cell."""
    given = options.parse(rest, Options(**magics.settings()), magics.words)
    magics.need_torch()
    magics.always = Always(given, rest, magics.number)
    print(text("magic.turned_on", magics.words))


def _off(magics: AutogradMagics, rest: str, names: Names) -> None:
    """Record only the cells that ask for it."""
    if rest:
        raise OptionError(text("magic.off_takes_nothing", magics.words, given=rest))
    magics.always = None
    print(text("magic.off", magics.words))


def _show(magics: AutogradMagics, rest: str, names: Names) -> None:
    """The graph behind tensors that exist already."""
    given, found = expressions.read(rest, Options(**magics.settings()), dict(names), magics.words)
    magics.need_torch()
    magics.present(_report(magics, given, found), given)


def _report(magics: AutogradMagics, given: Options, found: dict[str, Any]) -> Report:
    from ..recorder import graph_of
    from ..report import Report

    trace = graph_of(
        found, sources=known_sources(None), namespace=magics.shell.user_ns, values=given.values,
        values_budget=given.values_budget,
    )  # fmt: skip
    return Report(trace, lang=choose(given.lang or None), theme=given.theme)


def _grads(magics: AutogradMagics, rest: str, names: Names) -> None:
    """The story of each leaf, across cells."""
    given, rest = expressions.leading(rest, Options(**magics.settings()), magics.words)
    magics.need_torch()
    from ..recorder.stories import leaves, leaves_behind

    parts = expressions.split(rest)
    everything = leaves(names)
    found = everything if not parts else {}
    for part in parts:
        value = expressions.value_of(part, names, "grads", everything, magics.words)
        behind = leaves_behind(part, value)
        if isinstance(behind, str):
            raise OptionError(text(f"magic.grads.{behind}", magics.words, given=part, type=type(value).__name__))
        found.update(behind)
    if not found:
        print(text("magic.grads.none", magics.words))
        return
    shown = dict(list(found.items())[:LEAVES]) if not parts else found
    _tell(magics, given, _report(magics, given, shown), len(found) - len(shown))


def _tell(magics: AutogradMagics, given: Options, report: Report, more: int) -> None:
    from ..views import ledger

    where = magics.where(given)
    plain = ledger.story_text(report, more)
    if where == "text":
        print(plain)
    elif where != "none":
        publish_display_data({"text/plain": plain, "text/html": ledger.story_html(report, more)})


def _explain(magics: AutogradMagics, rest: str, names: Names) -> None:
    """What a finding means."""
    from ..rules import get
    from ..views.explanation import explanation

    if rest.upper() not in codes():
        raise OptionError(_unknown(magics, "magic.unknown_code", rest, codes()))
    print(explanation(get(rest), magics.words))


def _check(magics: AutogradMagics, rest: str, names: Names) -> None:
    """Autograd's gradient beside finite differences."""
    print(check.command(rest, magics.reports, magics.words))


def _unknown(magics: AutogradMagics, key: str, given: str, known: tuple[str, ...]) -> str:
    hint = options.nearest(given, known, magics.words)
    return text(key, magics.words, given=given, known=", ".join(known), hint=hint)
