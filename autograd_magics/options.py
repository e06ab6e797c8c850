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
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from . import settings
from .settings import LIMIT, THEMES
from .texts import choose, languages, text

MAGIC = "autograd"
DISPLAYS = (*settings.DISPLAYS, "none")
COMMANDS = ("show", "explain")


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
    values: bool = True


FLAGS: dict[str, str | None] = {
    "--lang": "LANG", "--display": "WHERE", "--theme": "THEME", "--limit": "N", "--no-values": None,
}  # fmt: skip
"""Every option and what stands for its value in the help; None where it takes none."""


def choices(flag: str) -> tuple[str, ...]:
    """The values an option may take, empty where there are too many to list."""
    return {"--lang": languages(), "--display": DISPLAYS, "--theme": THEMES}.get(flag, ())


def parse(line: str, defaults: Options, lang: str) -> Options:
    """The options of a `%%autograd` line over the defaults.  Raises `OptionError` in the language `lang`."""
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise OptionError(text("magic.quotes", lang, line=line, reason=error)) from None
    return parse_words(words, defaults, lang)


def parse_words(words: list[str], defaults: Options, lang: str) -> Options:
    """As `parse`, for a line that was split."""
    found: dict[str, object] = {}
    rest = iter(words)
    for word in rest:
        flag, equals, value = word.partition("=")
        if not word.startswith("-"):
            if "name" in found:
                raise OptionError(text("magic.two_names", lang, first=found["name"], second=word))
            found["name"] = _name(word, lang)
        elif flag not in FLAGS:
            raise OptionError(
                text("magic.unknown_option", lang, given=flag, known=", ".join(FLAGS), hint=nearest(flag, FLAGS, lang))
            )
        elif FLAGS[flag] is None:
            found["values"] = _switch_off(flag, equals, value, lang)
        else:
            found[flag[2:]] = _value(flag, value if equals else next(rest, ""), lang)
    return dataclasses.replace(defaults, **found)  # type: ignore[arg-type]


def nearest(given: str, known: Iterable[str], lang: str) -> str:
    """`"; did you mean …?"` for the known word most like the one given, or nothing."""
    found = difflib.get_close_matches(given.lower(), [word.lower() for word in known], n=1, cutoff=0.5)
    found = [word for word in known if word.lower() in found]
    return text("magic.did_you_mean", lang, word=found[0]) if found else ""


def _name(word: str, lang: str) -> str:
    if not word.isidentifier() or keyword.iskeyword(word):
        raise OptionError(text("magic.bad_name", lang, given=word))
    return word


def _switch_off(flag: str, equals: str, value: str, lang: str) -> bool:
    if equals:
        raise OptionError(text("magic.no_value_taken", lang, flag=flag, given=value))
    return False


def _value(flag: str, given: str, lang: str) -> str | int:
    """The value of an option, checked."""
    if flag == "--limit" and given.isdecimal() and int(given) > 0:
        return int(given)
    if given in choices(flag):
        return given
    if flag == "--lang" and given:
        with contextlib.suppress(ValueError):
            return choose(given)
    key = "magic.bad_value" if given else "magic.missing_value"
    raise OptionError(text(key, lang, flag=flag, given=given, expected=expected(flag[2:], lang)))


def expected(name: str, lang: str) -> str:
    """What the option or setting `name` may be, in words."""
    if name == "limit":
        return text("magic.a_count", lang)
    words = choices("--" + name) or ("True", "False")
    return text("magic.one_of", lang, words=", ".join(words))


def option_lines(lang: str) -> str:
    """One line for each option, for the help."""
    rows = {f"{flag} {metavar or ''}".strip(): f"magic.help.{flag[2:]}" for flag, metavar in FLAGS.items()}
    return "\n".join(f"  {usage:<17}{text(key, lang)}" for usage, key in rows.items())


def usage_lines(lang: str) -> str:
    """One line for each form of the two magics."""
    rows = {
        "%%autograd [NAME] [options]": "cell", "%autograd show EXPR...": "show",
        "%autograd explain CODE": "explain", "%autograd": "state",
    }  # fmt: skip
    return "\n".join(f"  {usage:<29}{text('magic.help.' + key, lang)}" for usage, key in rows.items())


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


def complete(line: str, offers: dict[str, Callable[[], Iterable[str]]]) -> list[str]:
    """What may be typed next where `line` (up to the cursor) is a line of one of the two magics, else nothing.

    `offers` has what may follow each subcommand of `%autograd`.
    """
    match = re.match(r"\s*(%%?)autograd\s(.*)$", line)
    if not match:
        return []
    *before, typed = match[2].split(" ")
    before = [word for word in before if word]
    offered: Iterable[str] = ()
    if before and choices(before[-1]):
        offered = choices(before[-1])
    elif typed.startswith("-"):
        offered = FLAGS
    elif match[1] == "%":
        offered = offers.get(before[0], tuple)() if before else COMMANDS
    return [word for word in offered if word.startswith(typed)]
