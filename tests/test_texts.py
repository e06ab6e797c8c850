"""Words: every language has every sentence, and what people and machines call a language finds it."""

from __future__ import annotations

import string

import pytest

from autograd_magics import texts
from autograd_magics.rules import rules
from autograd_magics.views import format
from autograd_magics.views.explanation import explanation, prose

LANGUAGES = ("en", "es", "pt_BR", "zh_CN")


def placeholders(sentence: str) -> set[tuple[str, str | None, str | None]]:
    """Names of what is filled in, each with how it is written."""
    return {(name, how, form) for _, name, form, how in string.Formatter().parse(sentence) if name}


def test_there_are_these_languages() -> None:
    assert texts.languages() == LANGUAGES


@pytest.mark.parametrize("lang", texts.languages())
def test_a_language_has_every_sentence_and_no_other(lang: str) -> None:
    assert texts.table(lang).keys() == texts.table("en").keys()


@pytest.mark.parametrize("lang", texts.languages())
def test_a_sentence_has_the_same_places_in_every_language(lang: str) -> None:
    english = texts.table("en")
    words = texts.table(lang)
    differ = [key for key in words if placeholders(words[key]) != placeholders(english.get(key, ""))]
    assert differ == []


@pytest.mark.parametrize("lang", texts.languages())
def test_code_is_the_same_in_every_language(lang: str) -> None:
    """What stands between backticks is code and must not be translated; so there are as many, and all are closed."""
    english = texts.table("en")
    odd = [key for key, words in texts.table(lang).items() if words.count("`") % 2]
    assert odd == []
    lost = {key: code for key in english if (code := _calls(english[key]) - _calls(texts.text(key, lang)))}
    assert lost == {}


def _calls(sentence: str) -> set[str]:
    """The calls between backticks, without what people may word themselves."""
    return {part for part in sentence.split("`")[1::2] if part.endswith(")") and "..." not in part}


@pytest.mark.parametrize("lang", [lang for lang in LANGUAGES if lang != "en"])
def test_it_is_translated(lang: str) -> None:
    """A sentence of several English words that is the same elsewhere was forgotten."""
    english = texts.table("en")
    same = [key for key, words in texts.table(lang).items() if words == english[key] and _is_prose(words)]
    assert same == []


def _is_prose(words: str) -> bool:
    plain = [word for i, part in enumerate(words.split("`")) if i % 2 == 0 for word in part.split()]
    return sum(word.isascii() and word.isalpha() and word.islower() for word in plain) > 3


def test_what_stands_in_a_box_is_as_wide_in_every_language() -> None:
    """The pictures of all languages have one layout; what else stands in boxes gets room by `Phrases.widest`."""
    assert len({format.columns(texts.text("view.grad", lang, value="1")) for lang in LANGUAGES}) == 1


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        *((known, known) for known in LANGUAGES),
        *((asked, "es") for asked in ("es", "ES", "es-MX", "es_ES.UTF-8", "es_AR@euro", "Spanish_Spain.1252")),
        *((asked, "zh_CN") for asked in ("zh", "zh-CN", "zh_CN.UTF-8", "zh-Hans", "zh-Hans-CN", "zh_SG")),
        ("Chinese (Simplified)_China.936", "zh_CN"),
        *((asked, "pt_BR") for asked in ("pt", "pt-BR", "pt_PT.UTF-8", "Portuguese_Brazil.1252")),
        *((asked, "en") for asked in ("en-GB", "en_US.UTF-8", "English_United States.1252")),
    ],
)
def test_a_language_has_many_names(asked: str, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert texts.choose(asked) == expected
    monkeypatch.delenv("LC_ALL", raising=False)
    monkeypatch.setenv("LC_MESSAGES", asked)
    assert texts.choose() == expected


@pytest.mark.parametrize("asked", ["xx", "C", "e", "klingon", "_", "z"])
def test_an_unknown_language_names_those_there_are(asked: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="en, es, pt_BR, zh_CN") as raised:
        texts.choose(asked)
    assert repr(asked) in str(raised.value)
    monkeypatch.setenv("LC_ALL", asked)
    assert texts.choose() == "en"


# ---- what a finding means


EXPLAINED = [one for one in rules() if f"{one.code}.why" in texts.table("en")]


def test_the_first_rules_are_explained_in_every_language() -> None:
    assert {"AG101", "AG102", "AG103", "AG201", "AG202", "AG203", "AG204", "AG301", "AG302"} <= {
        one.code for one in EXPLAINED
    }


@pytest.mark.parametrize("code", [one.code for one in rules()])
def test_every_rule_is_explained_in_every_language(code: str) -> None:
    lacking = [lang for lang in LANGUAGES if f"{code}.why" not in texts.table(lang)]
    assert lacking == []


@pytest.mark.parametrize("lang", LANGUAGES)
def test_an_explanation_has_the_readers_words_and_the_rules_cells(lang: str) -> None:
    for one in EXPLAINED:
        said = explanation(one, lang)
        first = texts.table(lang)[f"{one.code}.why"].partition("\n")[0]
        assert first.replace(" ", "") in "".join(said.split())
        assert f"{texts.text('view.severity_' + one.severity, lang)})" in said
        assert f"{texts.text('view.bad', lang)}::" in said and f"{texts.text('view.good', lang)}::" in said
        code = [line for line in one.doc.split("\n") if line.startswith("    ")]
        assert [line for line in said.split("\n") if line.startswith("    ")] == code
        assert max(map(format.columns, said.split("\n"))) <= 80


@pytest.mark.parametrize("code", [one.code for one in EXPLAINED])
def test_in_english_it_says_what_the_documentation_says(code: str) -> None:
    (doc,) = (one.doc for one in EXPLAINED if one.code == code)
    assert texts.table("en")[f"{code}.why"] == prose(doc)


def test_without_words_of_its_own_the_documentation_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    one = EXPLAINED[0]
    english = explanation(one, "en")
    rest = {key: words for key, words in texts.table("es").items() if not key.endswith(".why")}
    monkeypatch.setattr(texts, "table", lambda lang: rest)
    said = explanation(one, "es")
    assert prose(one.doc).partition("\n")[0].split()[-1] in said
    assert "Mal::" in said and said.split("\n\n")[1] == english.split("\n\n")[1]
