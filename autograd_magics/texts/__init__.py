"""Words by language, looked up only when a view or a magic speaks.

* `text(key, lang, **data)`: the sentence for a key, filled with data.
* `languages()`: the languages there are.
* `choose(lang)`: the language to use for what a person asked for, or for this machine.
"""

from __future__ import annotations

import functools
import json
import locale
import os
import re
from importlib import resources
from typing import Any

FALLBACK = "en"


@functools.cache
def table(lang: str) -> dict[str, str]:
    """All words of one language, by key."""
    words: dict[str, str] = json.loads(resources.files(__package__).joinpath(f"{lang}.json").read_text("utf-8"))
    return words


@functools.cache
def languages() -> tuple[str, ...]:
    """Codes of the languages that have a table, sorted."""
    files = resources.files(__package__).iterdir()
    return tuple(sorted(f.name[:-5] for f in files if f.name.endswith(".json")))


def text(key: str, lang: str = FALLBACK, /, **data: Any) -> str:
    """The sentence for `key`; English where the language lacks it.  Raises KeyError for an unknown key."""
    words = table(lang).get(key)
    if words is None:
        words = table(FALLBACK)[key]
    return words.format(**data) if data else words


def has(key: str) -> bool:
    """Whether there are words for this key."""
    return key in table(FALLBACK)


def choose(lang: str | None = None) -> str:
    """The language code for what was asked, or for the machine's locale when None.

    Understood are codes (`"pt"`, `"pt-BR"`, `"zh-Hans"`, `"es_MX.UTF-8"`) and the names that Windows gives its locales
    (`"Spanish_Spain"`).  Another country's form of a language stands in for one that is not there.

    Raises ValueError naming the languages there are when the one asked for is not among them.
    """
    if lang:
        found = _match(lang)
        if found is None:
            raise ValueError(f"language {lang!r} is not known; expected one of {', '.join(languages())}")
        return found
    asked = (os.environ.get(name) for name in ("LC_ALL", "LC_MESSAGES", "LANG"))
    machine = next((value for value in asked if value), None) or locale.getlocale()[0] or FALLBACK
    return _match(machine) or FALLBACK


def _match(lang: str) -> str | None:
    wanted = lang.strip().split(".")[0].split("@")[0].replace("-", "_").lower()
    exact = {known.lower(): known for known in languages()}
    families = {known.lower().split("_")[0]: known for known in languages()}
    family = re.split("[_ ]", wanted)[0]
    return exact.get(wanted) or families.get(family) or _english_names().get(family)


@functools.cache
def _english_names() -> dict[str, str]:
    return {table(known)["language.english"].lower(): known for known in languages()}
