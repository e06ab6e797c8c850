"""One payload for every language: sentences stand in it as keys with their data, and the words stand beside it.

* `multilingual(report)`: the payload in codes, with `languages`: for each language its words for the keys in use.
* `spoken(data, lang)`: such a payload in finished sentences, equal to `payload` of the report in that language.

So a reader changes the language without a kernel, and three more languages cost their words, not three payloads.
`front/language.ts` does what `spoken` does.
"""

from __future__ import annotations

import copy
import dataclasses
import functools
import re
import string
from typing import TYPE_CHECKING, Any

from .. import texts
from . import format, tables
from .backward import BackwardPlans
from .boxes import Picture
from .format import CLIP, CLOSE, NEXT, OPEN
from .forward import ForwardPlans
from .payload import payload
from .phrases import Phrases
from .picture import LIMIT

if TYPE_CHECKING:
    from ..graph import Graph
    from ..report import Report

HOLE = 0xFDD3
"""The place of the first value in a sentence; the next ones follow, up to U+FDEF."""

_MARK = re.compile(f"([{OPEN}{NEXT}{CLOSE}])")

Json = dict[str, Any]


class Codes(Phrases):
    """Phrases that give keys with their data instead of sentences."""

    def __init__(self, graph: Graph, lang: str) -> None:
        super().__init__(graph, lang, format.MINUS)
        self.used: set[str] = set()

    def text(self, key: str, /, **data: Any) -> str:
        """The key and its data, for `spoken`; the sentence itself where all languages have the same."""
        if _is_common(key):
            return texts.text(key, **data)
        self.used.add(key)
        values = "".join(f"{NEXT}{data[name]}" for name in holes(key)) if data else ""
        return f"{OPEN}{key}{values}{CLOSE}"


@functools.cache
def holes(key: str) -> tuple[str, ...]:
    """Names of the data in the sentences of a key, in the order of the English one."""
    names = (name for _, name, _, _ in string.Formatter().parse(texts.text(key)) if name)
    return tuple(dict.fromkeys(names))


@functools.cache
def _is_common(key: str) -> bool:
    return len({texts.text(key, lang) for lang in texts.languages()}) == 1


def multilingual(report: Report) -> Json:
    """`payload(report)` in codes, and the words of every language."""
    codes = Codes(report.graph, report.lang)
    coded = copy.copy(report)
    coded.phrases = codes
    coded.headline = tables.headline(codes, len(report.findings), report.quiet)
    coded.pictures = {name: _reworded(name, picture, codes) for name, picture in report.pictures.items()}
    data = payload(coded)
    front = data.pop("text")
    languages = {lang: _words(lang, codes.used, front) for lang in texts.languages()}
    return {**data, "text": {}, "languages": languages}


def _reworded(name: str, placed: Picture, phrases: Phrases) -> Picture:
    """A placed picture with other words in its boxes: where they stand is the same in every language."""
    make = ForwardPlans if name == "forward" else BackwardPlans
    plans, _ = make(phrases.graph, phrases, LIMIT).plans()
    said = [box for plan in plans for box in plan.boxes]
    keys = ("label", "sub", "name", "above", "below", "title")
    boxes = [
        dataclasses.replace(box, **{key: getattr(words, key) for key in keys})
        for box, words in zip(placed.boxes, said, strict=True)
    ]
    return dataclasses.replace(placed, boxes=boxes)


def _words(lang: str, used: set[str], front: dict[str, str]) -> dict[str, str]:
    """What the keys in use and those of the front end say in one language."""
    said = {key: texts.text(key, lang) for key in front}
    return {**said, **{key: _template(key, lang) for key in sorted(used)}}


def _template(key: str, lang: str) -> str:
    """The words for a key, each of its values as one character."""
    names = holes(key)
    if not names:
        return texts.text(key, lang)
    return texts.text(key, lang, **{name: chr(HOLE + index) for index, name in enumerate(names)})


# -- back to sentences -------------------------------------------------------------------------
def spoken(data: Json, lang: str) -> Json:
    """What `multilingual` gave, in one of its languages."""
    words = data["languages"][lang]

    @functools.cache
    def said(text: str) -> str:
        return sentence(text, words)

    def walk(value: Any) -> Any:
        if isinstance(value, str):
            return said(value) if OPEN in value else value
        if isinstance(value, dict):
            return {key: walk(item) for key, item in value.items()}
        return [walk(item) for item in value] if isinstance(value, (list, tuple)) else value

    front = {key: text for key, text in words.items() if key.startswith("ui.")}
    rest = {key: walk(value) for key, value in data.items() if key != "languages"}
    return {**rest, "lang": lang, "text": front}


def sentence(text: str, words: dict[str, str]) -> str:
    """A text with codes in it, which may stand in each other, in these words."""
    stack = [[""]]
    for piece in _MARK.split(text):
        if piece == OPEN:
            stack.append([""])
        elif piece == NEXT:
            stack[-1].append("")
        elif piece == CLOSE:
            key, *values = stack.pop()
            stack[-1][-1] += format.clip(values[1], int(values[0])) if key == CLIP else _filled(words[key], values)
        else:
            stack[-1][-1] += piece
    ((said,),) = stack
    return said


def _filled(template: str, values: list[str]) -> str:
    return template.translate({HOLE + index: value for index, value in enumerate(values)})
