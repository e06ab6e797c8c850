"""What may stand after `%%autograd` and `%autograd`."""

from __future__ import annotations

import re

import pytest

from autograd_magics import options
from autograd_magics.options import OptionError, Options, parse
from autograd_magics.texts import languages


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("", Options()),
        ("step", Options(name="step")),
        ("--lang pt-BR", Options(lang="pt_BR")),
        ("--display=text step --theme dark", Options(name="step", display="text", theme="dark")),
        ("--limit 5 --no-values", Options(limit=5, values="none")),
        ("--values stats step", Options(name="step", values="stats")),
        ("--no-values --values=all", Options(values="all")),
        ("--limit 5 --limit 6", Options(limit=6)),
    ],
)
def test_options_are_read(line: str, expected: Options) -> None:
    assert parse(line, Options(), "en") == expected


def test_what_is_not_given_stays_as_configured() -> None:
    configured = Options(lang="pt_BR", display="html", theme="dark", limit=7, values="all")
    assert parse("--theme light", configured, "en") == Options(
        lang="pt_BR", display="html", theme="light", limit=7, values="all"
    )


# Line -> what the error must tell: what was given, what was expected, what to do.
MALFORMED = {
    "--limt 3": ("'--limt'", "--limit, --values", "did you mean --limit?"),
    "-x": ("'-x'", "--lang, --display", "option"),
    "--limit": ("--limit needs a value", "whole number of 1 or more", ""),
    "--limit 0": ("'0'", "whole number of 1 or more", "--limit"),
    "--limit many": ("'many'", "whole number of 1 or more", "--limit"),
    "--display page": ("'page'", "auto, html, widget, text, none", "--display"),
    "--theme=": ("--theme needs a value", "auto, light, dark", ""),
    "--lang xx": ("'xx'", "en, es, pt_BR, zh_CN", "--lang"),
    "--values some": ("'some'", "none, small, stats, all", "--values"),
    "--values": ("--values needs a value", "none, small, stats, all", ""),
    "--no-values=1": ("'1'", "takes no value", "write --no-values alone"),
    "2x": ("'2x'", "expected a Python identifier", "see %%autograd?"),
    "for": ("'for'", "expected a Python identifier", "see %%autograd?"),
    "a b": ("'a' and 'b'", "at most one", "see %%autograd?"),
    "'a": ('"\'a"', "expected [NAME] [options]", "see %%autograd?"),
}


@pytest.mark.parametrize("line", MALFORMED)
def test_a_malformed_line_is_answered_in_one_line(line: str) -> None:
    with pytest.raises(OptionError) as caught:
        parse(line, Options(), "en")
    message = str(caught.value)
    assert "\n" not in message
    for part in MALFORMED[line]:
        assert part in message


@pytest.mark.parametrize("line", MALFORMED)
@pytest.mark.parametrize("lang", languages())
def test_an_error_names_the_command_that_was_typed(line: str, lang: str) -> None:
    with pytest.raises(OptionError) as caught:
        parse(line, Options(), lang, "%autograd on")
    assert re.match("%autograd on[:：]", str(caught.value))


@pytest.mark.parametrize("line", MALFORMED)
def test_errors_speak_portuguese(line: str) -> None:
    with pytest.raises(OptionError) as english:
        parse(line, Options(), "en")
    with pytest.raises(OptionError) as portuguese:
        parse(line, Options(), "pt_BR")
    assert str(english.value) != str(portuguese.value)


@pytest.mark.parametrize("lang", languages())
def test_the_help_is_complete(lang: str) -> None:
    for text in (options.cell_help(lang), options.line_help(lang)):
        assert all(flag in text for flag in options.FLAGS)
    assert all(f"%autograd {command}" in options.line_help(lang) for command in options.COMMANDS)
    assert "%%autograd [NAME] [options]" in options.cell_help(lang)


OFFERS = {"explain": lambda: ["AG101", "AG201"], "show": lambda: ["loss", "x"]}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("%%autograd --d", ["--display"]),
        ("%%autograd --", [*options.FLAGS, "--help"]),
        ("%%autograd --h", ["--help"]),
        ("%%autograd step --theme ", ["auto", "light", "dark"]),
        ("%%autograd --lang p", ["pt_BR"]),
        ("%%autograd --values ", ["none", "small", "stats", "all"]),
        ("%%autograd --v", ["--values"]),
        ("%%autograd st", []),
        ("%%autograd", []),
        ("%%autograd --theme=l", ["light"]),
        ("%%autograd --nothing=l", []),
        ("%autograd ", ["on", "off", "show", "grads", "explain", "check", "help"]),
        ("%autograd e", ["explain"]),
        ("%autograd o", ["on", "off"]),
        ("%autograd on --di", ["--display"]),
        ("%autograd on --display ", ["auto", "html", "widget", "text", "none"]),
        ("%autograd show --theme=d", ["dark"]),
        ("%autograd off --", ["--help"]),
        ("%autograd show loss --va", ["--values"]),
        ("%autograd show loss --values s", ["small", "stats"]),
        ("%autograd explain AG2", ["AG201"]),
        ("%autograd show lo", ["loss"]),
        ("%autograd show x lo", ["loss"]),
        ("%autograd nothing ", []),
        ("autograd --d", []),
        ("x = 1 %autograd --d", []),
    ],
)
def test_completion(line: str, expected: list[str]) -> None:
    assert options.complete(line, OFFERS) == expected
