"""One payload for every language: sentences stand in it as keys with their data, and the words stand beside it.

* `pictures(report)`: the placed pictures in codes; `said(picture, lang)`: one of them in a language.
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
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .. import texts
from ..settings import uncollected
from . import format, picture, tables
from .boxes import Box, Picture
from .format import CLIP, CLOSE, NEXT, OPEN
from .items import Items
from .payload import payload
from .phrases import Phrases
from .scoped.tree import Group

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


@uncollected()
def multilingual(report: Report) -> Json:
    """`payload(report)` in codes, and the words of every language."""
    coded = copy.copy(report)
    coded.phrases = codes = report.codes
    coded.headline = tables.headline(codes, len(report.findings), report.quiet)
    coded.pictures = report.coded
    data = payload(coded)
    front = data.pop("text")
    languages = {lang: _words(lang, codes.used, front) for lang in texts.languages()}
    return {**data, "text": {}, "languages": languages}


@uncollected()
def pictures(report: Report) -> dict[str, Picture]:
    """The placed pictures in codes: where everything stands is the same in every language."""
    marks = Items(report.graph).marks(report.findings)
    draw = {"forward": picture.forward, "backward": picture.backward}
    return {name: make(report.graph, phrases=report.codes, marks=marks) for name, make in draw.items()}


def said(coded: Picture, lang: str, *, whole: bool = True) -> Picture:
    """A picture in one language; unless `whole` without its tree, as it is seen at first."""
    words = _Words(lang)

    @functools.cache
    def say(text: str) -> str:
        return sentence(text, words) if OPEN in text else text

    told = {box.id: _said(box, say) for box in coded.boxes}
    seen = [told[box.id] for box in coded.boxes]
    tree = coded.tree
    if tree is not None and whole:
        boxes = [told.get(box.id) or _said(box, say) for box in tree.boxes]
        tree = dataclasses.replace(tree, boxes=boxes, groups=[_said_group(group, say) for group in tree.groups])
    return dataclasses.replace(coded, boxes=seen, tree=tree if whole else None)


def _said(box: Box, say: Callable[[str], str]) -> Box:
    """A box in sentences."""
    found = copy.copy(box)
    found.title, found.below = say(box.title), say(box.below)
    found.facts = tuple(map(say, box.facts))
    return found


def _said_group(group: Group, say: Callable[[str], str]) -> Group:
    found = copy.copy(group)
    found.title, found.facts = say(group.title), tuple(map(say, group.facts))
    found.tell = lambda: _walked(group.about, say)
    return found


class _Words(dict[str, str]):
    """The words of a language by key, each when it is asked for."""

    def __init__(self, lang: str) -> None:
        super().__init__()
        self.lang = lang

    def __missing__(self, key: str) -> str:
        return self.setdefault(key, _template(key, self.lang))


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
    def say(text: str) -> str:
        return sentence(text, words) if OPEN in text else text

    front = {key: text for key, text in words.items() if key.startswith("ui.")}
    rest = {key: _walked(value, say) for key, value in data.items() if key != "languages"}
    return {**rest, "lang": lang, "text": front}


def _walked(value: Any, say: Callable[[str], str]) -> Any:
    """Data with all its texts in sentences."""
    if isinstance(value, str):
        return say(value)
    if isinstance(value, dict):
        return {key: _walked(item, say) for key, item in value.items()}
    return [_walked(item, say) for item in value] if isinstance(value, (list, tuple)) else value


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
