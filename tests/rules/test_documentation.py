"""Every rule's documentation is executed: its Bad cell gives exactly this finding, its Good cell none."""

from __future__ import annotations

import string

import pytest

from autograd_magics import rules, texts
from tests.recorded import Notebook, findings

CODES = [r.code for r in rules.rules()]


def test_the_rules_of_the_first_release_are_there() -> None:
    assert {"AG101", "AG102", "AG103", "AG201", "AG202", "AG203", "AG204", "AG301", "AG302"} <= set(CODES)


@pytest.mark.parametrize("code", CODES)
def test_bad_cell_is_found(code: str) -> None:
    notebook = Notebook()
    trace = notebook.run(rules.example(code, "Bad"))
    found = findings(trace)
    assert found[0].code == code, found
    assert {f.code for f in found} - {code} == {f.code for f in found if f.because == code}
    assert len(found[0].places) >= 1 and found[0].tensors
    raised = notebook.errors[0] is not None
    assert raised == (found[0].severity == "error")


@pytest.mark.parametrize("code", CODES)
def test_good_cell_is_silent(code: str) -> None:
    notebook = Notebook()
    found = findings(notebook.run(rules.example(code, "Good")))
    assert [f for f in found if f.code == code or f.severity != "note"] == []
    assert notebook.errors == [None]


def placeholders(sentence: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(sentence) if name}


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("lang", texts.languages())
def test_words_are_complete(code: str, lang: str) -> None:
    words = {k: v for k, v in texts.table(lang).items() if k.split(".")[0] == code}
    english = {k: v for k, v in texts.table("en").items() if k.split(".")[0] == code}
    assert words.keys() == english.keys()
    assert f"{code}.title" in words and f"{code}.fix" in words
    for key, sentence in words.items():
        assert placeholders(sentence) == placeholders(english[key]), key


@pytest.mark.parametrize("code", CODES)
def test_what_a_finding_says_can_be_filled_in(code: str) -> None:
    for finding in findings(Notebook().run(rules.example(code, "Bad"))):
        for one in (finding.code, f"{finding.code}.fix", f"{finding.code}.title"):
            key = f"{one}.{finding.variant}" if texts.has(f"{one}.{finding.variant}") else one
            assert placeholders(texts.text(key)) <= set(finding.data), (key, finding.data)


def test_explain_names_the_nearest_codes() -> None:
    assert "retain_graph=True" in rules.explain("ag101")
    with pytest.raises(LookupError, match="AG10"):
        rules.explain("AG100")


def test_a_code_registered_twice_names_both() -> None:
    with pytest.raises(ValueError, match="freed_graph and another"):

        @rules.rule("AG101", "error")
        def another(graph):  # type: ignore[no-untyped-def]
            yield from ()
