"""What a finding means, for `%autograd explain`: its rule's documentation in the reader's language."""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Iterable
from typing import TYPE_CHECKING

from .. import texts
from .wrapping import paragraph

if TYPE_CHECKING:
    from ..rules import Rule

CELLS = ("bad", "good")
"""Words of the headings that stand as `Bad::` and `Good::` in a rule's documentation."""


def explanation(rule: Rule, lang: str) -> str:
    """Why it matters, a bad cell and a good one, at most 80 columns wide.

    The words are `AG….why`; where a language has none, the documentation's own, which are English.
    """
    words = texts.table(lang).get(f"{rule.code}.why") or prose(rule.doc)
    severity = texts.text(f"view.severity_{rule.severity}", lang)
    first, *rest = words.split("\n\n")
    blocks = ["\n".join(paragraph(part)) for part in (f"{rule.code} ({severity}): {first}", *rest)]
    for heading, cell in zip(CELLS, _parts(rule.doc)[1:], strict=True):
        blocks += [f"{texts.text(f'view.{heading}', lang)}::", textwrap.indent(cell, "    ")]
    return "\n\n".join(blocks)


def titles(codes: Iterable[str], lang: str) -> str:
    """One line for each code, with its title; an empty line between groups, as AG1.. and AG2.. are."""
    lines = [f"{code}  {texts.text(f'{code}.title', lang)}" for code in codes]
    return "\n\n".join("\n".join(group) for _, group in itertools.groupby(lines, key=lambda line: line[:3]))


def prose(doc: str) -> str:
    """The sentences of a rule's documentation, one line to a paragraph."""
    return "\n\n".join(" ".join(part.split()) for part in _parts(doc)[0].split("\n\n"))


def _parts(doc: str) -> tuple[str, str, str]:
    """The sentences, the bad cell and the good one."""
    sentences, _, cells = doc.partition("\nBad::\n")
    bad, _, good = cells.partition("\nGood::\n")
    return sentences.strip(), textwrap.dedent(bad).strip("\n"), textwrap.dedent(good).strip("\n")
