"""What may stand after `%%autograd` and `%autograd`: one table for reading, help and completion.

* `parse(line, defaults, lang)`: the options of a `%%autograd` line.
* `cell_help(lang)`, `line_help(lang)`: what `?` shows.
* `complete(line, codes)`: what Tab offers.
"""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import keyword
import re
import shlex
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from . import settings
from .settings import LIMIT, THEMES
from .texts import choose, languages, text

MAGIC = "autograd"
DISPLAYS = (*settings.DISPLAYS, "none")
COMMANDS = ("on", "off", "show", "grads", "explain", "check", "help")
TAKE_OPTIONS = ("on", "show", "grads")
"""Those of them that take the options of `%%autograd`."""
HELP = ("--help", "-h")
"""Asks for help instead of an option."""


class OptionError(ValueError):
    """A malformed line; the message says what was given, what was expected and what to do."""


@dataclass(frozen=True)
class Options:
    """How to record and show one cell."""

    name: str | None = None
    """Variable of the user that keeps the Report."""
    lang: str = ""
    """Code of a language; empty means the machine's locale."""
    display: str = "auto"
    theme: str = "auto"
    limit: int = LIMIT
    values: str = "small"
    values_budget: int = settings.VALUES_BUDGET


FLAGS: dict[str, str | None] = {
    "--lang": "LANG", "--display": "WHERE", "--theme": "THEME", "--limit": "N", "--values": "WHAT",
    "--no-values": None,
}  # fmt: skip
"""Every option and what stands for its value in the help; None where it takes none."""


def choices(flag: str) -> tuple[str, ...]:
    """The values an option may take, empty where there are too many to list."""
    return {"--lang": languages(), "--display": DISPLAYS, "--theme": THEMES, "--values": settings.VALUES}.get(flag, ())


def parse(line: str, defaults: Options, lang: str, command: str = f"%%{MAGIC}") -> Options:
    """The options of a `%%autograd` line over the defaults.

    Raises `OptionError`, in the language `lang` and in the name of the command that was typed.
    """
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise OptionError(text("magic.quotes", lang, command=command, line=line, reason=error)) from None
    return parse_words(words, defaults, lang, command)


def parse_words(words: list[str], defaults: Options, lang: str, command: str) -> Options:
    """As `parse`, for a line that was split."""
    found: dict[str, object] = {}
    rest = iter(words)
    for word in rest:
        flag, equals, value = word.partition("=")
        if not word.startswith("-"):
            if "name" in found:
                raise OptionError(text("magic.two_names", lang, command=command, first=found["name"], second=word))
            found["name"] = _name(word, lang, command)
        elif flag not in FLAGS:
            hint = nearest(flag, FLAGS, lang)
            known = ", ".join(FLAGS)
            raise OptionError(text("magic.unknown_option", lang, command=command, given=flag, known=known, hint=hint))
        elif FLAGS[flag] is None:
            found["values"] = _switch_off(flag, equals, value, lang, command)
        else:
            found[flag[2:]] = _value(flag, value if equals else next(rest, ""), lang, command)
    return dataclasses.replace(defaults, **found)  # type: ignore[arg-type]


def asks_for_help(line: str) -> bool:
    """Whether one of the words of a `%%autograd` line asks for help."""
    return any(word in HELP for word in line.split())


def nearest(given: str, known: Iterable[str], lang: str, cutoff: float = 0.5) -> str:
    """`"; did you mean …?"` for the known word most like the one given, or nothing."""
    found = difflib.get_close_matches(given.lower(), [word.lower() for word in known], n=1, cutoff=cutoff)
    found = [word for word in known if word.lower() in found]
    return text("magic.did_you_mean", lang, word=found[0]) if found else ""


def _name(word: str, lang: str, command: str) -> str:
    if not word.isidentifier() or keyword.iskeyword(word):
        raise OptionError(text("magic.bad_name", lang, command=command, given=word))
    return word


def _switch_off(flag: str, equals: str, value: str, lang: str, command: str) -> str:
    if equals:
        raise OptionError(text("magic.no_value_taken", lang, command=command, flag=flag, given=value))
    return "none"


def _value(flag: str, given: str, lang: str, command: str) -> str | int:
    """The value of an option, checked."""
    if flag == "--limit" and given.isdecimal() and int(given) > 0:
        return int(given)
    if given in choices(flag):
        return given
    if flag == "--lang" and given:
        with contextlib.suppress(ValueError):
            return choose(given)
    key = "magic.bad_value" if given else "magic.missing_value"
    words = expected(flag[2:], lang)
    raise OptionError(text(key, lang, command=command, flag=flag, given=given, expected=words))


def expected(name: str, lang: str) -> str:
    """What the option or setting `name` may be, in words."""
    if name in ("limit", "values_budget", "details", "leaves"):
        return text("magic.a_count", lang)
    words = choices("--" + name) or ("True", "False")
    return text("magic.one_of", lang, words=", ".join(words))


def option_lines(lang: str) -> str:
    """One line for each option, for the help."""
    rows = {f"{flag} {metavar or ''}".strip(): option_help(flag[2:], lang) for flag, metavar in FLAGS.items()}
    return "\n".join(f"  {usage:<17}{words}" for usage, words in rows.items())


def option_help(name: str, lang: str) -> str:
    """What the option or setting `name` is for."""
    return text(f"magic.help.{name}", lang, languages=", ".join(languages()))


def usage_lines(lang: str) -> str:
    """One line for each form of the two magics."""
    rows = {
        "%%autograd [NAME] [options]": "cell", "%autograd on [NAME] [options]": "on", "%autograd off": "off",
        "%autograd show EXPR...": "show", "%autograd grads [NAME...]": "grads", "%autograd explain [CODE]": "explain",
        "%autograd check LOSS LEAF": "check", "%autograd, %autograd help": "state",
    }  # fmt: skip
    return "\n".join(f"  {usage:<31}{text('magic.help.' + key, lang)}" for usage, key in rows.items())


def cell_help(lang: str) -> str:
    """The documentation of `%%autograd`."""
    parts = (
        text("magic.help.head", lang), "::", "  %%autograd [NAME] [options]\n  <cell>", text("magic.help.name", lang),
        option_lines(lang), text("magic.help.after", lang),
    )  # fmt: skip
    return "\n\n".join(parts) + "\n"


def line_help(lang: str) -> str:
    """The documentation of `%autograd`."""
    parts = (text("magic.help.line", lang), "::", usage_lines(lang), text("magic.help.exprs", lang), option_lines(lang))
    return "\n\n".join(parts) + "\n"


def complete(line: str, offers: Mapping[str, Callable[[], Iterable[str]]]) -> list[str]:
    """What may be typed next where `line` (up to the cursor) is a line of one of the two magics, else nothing.

    `offers` has what may follow each subcommand of `%autograd`.
    """
    match = re.match(r"\s*(%%?)autograd\s(.*)$", line)
    if not match:
        return []
    *before, typed = match[2].split(" ")
    before = [word for word in before if word]
    flag, equals, value = typed.partition("=")
    if equals:
        return [word for word in choices(flag) if word.startswith(value)]
    offered: Iterable[str] = ()
    command = before[0] if match[1] == "%" and before else ""
    if before and choices(before[-1]):
        offered = choices(before[-1])
    elif typed.startswith("-"):
        takes_options = match[1] == "%%" or command in TAKE_OPTIONS
        offered = (*FLAGS, HELP[0]) if takes_options else HELP[:1]
    elif match[1] == "%":
        offered = offers.get(command, tuple)() if before else COMMANDS
    return [word for word in offered if word.startswith(typed)]
