"""The subcommands of `%autograd`: `run(magics, command, rest, names)`.

Each is a function of (the magics, the rest of the line, the names that code can use where the line stands).  They raise
`OptionError` in the user's language for what cannot be done.
"""

# mypy: allow-untyped-calls

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from IPython.display import publish_display_data

from .. import check, expressions, options
from ..options import OptionError, Options
from ..recording import known_sources
from ..texts import choose, text
from .always import Always
from .completion import codes, modules, tensors

if TYPE_CHECKING:
    from ..report import Report
    from .magic import AutogradMagics

Names = Mapping[str, Any]

LEAVES = 30
"""Leaves whose story `%autograd grads` tells when none is named."""


def run(magics: AutogradMagics, command: str, rest: str, names: Names) -> None:
    """Carry out one line of `%autograd`."""
    if command in ("", "help", *options.HELP) or options.HELP[0] in rest.split():
        print(state(magics))
        return
    known: dict[str, Callable[[AutogradMagics, str, Names], None]] = {
        "on": _on, "off": _off, "show": _show, "grads": _grads, "explain": _explain, "check": _check,
    }  # fmt: skip
    if command not in known:
        hint = options.nearest(command, options.COMMANDS, magics.words)
        listed = ", ".join(options.COMMANDS)
        raise OptionError(text("magic.unknown_command", magics.words, given=command, known=listed, hint=hint))
    known[command](magics, rest, names)


def state(magics: AutogradMagics) -> str:
    """What is going on, the settings, and the help."""
    lang = magics.words
    now = text("magic.recording", lang) if magics.recording and magics.always is None else _always(magics)
    set_to = "  ".join(f"{name}={value!r}" for name, value in magics.settings().items())
    return "\n".join((
        now, set_to, text("magic.config", lang), "", options.usage_lines(lang), "", options.option_lines(lang),
    ))  # fmt: skip


def _always(magics: AutogradMagics) -> str:
    always = magics.always
    if always is None:
        return text("magic.idle", magics.words)
    key = "magic.on.one" if always.count == 1 else "magic.on.other"
    since = " " if always.since is None else always.since
    return text(key, magics.words, n=always.count, since=since, line=f"on {always.line}".strip())


def _on(magics: AutogradMagics, rest: str, names: Names) -> None:
    """Record every following cell."""
    given = options.parse(rest, Options(**magics.settings()), magics.words, f"%{options.MAGIC} on")
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
    given, rest = expressions.options_apart(rest, Options(**magics.settings()), "grads", magics.words)
    magics.need_torch()
    from ..recorder.stories import leaves, leaves_behind

    parts = expressions.split(rest)
    everything = leaves(names)
    known = (*everything, *tensors(names), *modules(names))
    found = everything if not parts else {}
    for part in parts:
        value = expressions.value_of(part, names, "grads", known, magics.words)
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
    """What a finding means, or the codes that begin as the one given."""
    from ..rules import get
    from ..views.explanation import explanation, titles

    given = rest.upper()
    if given in codes():
        print(explanation(get(rest), magics.words))
        return
    found = [code for code in codes() if code.startswith(given)]
    if not found:
        hint = options.nearest(rest, codes(), magics.words, cutoff=0.75)  # each code is half like every other
        raise OptionError(text("magic.unknown_code", magics.words, given=rest, hint=hint))
    print(titles(found, magics.words))


def _check(magics: AutogradMagics, rest: str, names: Names) -> None:
    """Autograd's gradient beside finite differences."""
    print(check.command(rest, magics.reports, magics.words))
