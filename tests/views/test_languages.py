"""One payload for every language: said in each of them it is what `payload` gives for that language."""

from __future__ import annotations

import base64
import json
import pathlib
import zlib
from typing import Any

import pytest

from autograd_magics import Report, texts
from autograd_magics.report import load
from autograd_magics.trace import Trace
from autograd_magics.views import format, html
from autograd_magics.views.languages import holes, multilingual, sentence, spoken
from autograd_magics.views.payload import payload
from tests.builders import Cell, added_again, hostile, loop, regression, report
from tests.golden.make import CASES

GOLDEN = pathlib.Path(__file__).parents[1] / "golden"
OPEN, NEXT, CLOSE = format.OPEN, format.NEXT, format.CLOSE


def plain(data: Any) -> Any:
    """As it comes out of JSON."""
    return json.loads(json.dumps(data))


def built() -> dict[str, Trace]:
    """Recordings made here, with what the golden ones do not have."""
    cut = Cell("y = x * 2\nw += 1")
    x, w = cut.leaf("x", 1.0), cut.leaf("w", 1.0)
    cut.call("x * 2", "mul", (x,), 2.0, name="y", cut="no_grad", constants=(("1", 2),))
    cut.call("w += 1", "add_", (w,), error=("RuntimeError", "a leaf"), constants=(("1", 1),))
    found = {"hostile": hostile()[0].trace(), "cut": cut.trace(), "loop": loop(60, zeroing=True).trace()}
    return {**found, "dropped": regression().trace(dropped=7, problem="ZeroDivisionError: by zero")}


TRACES = {**{case: load(GOLDEN / f"{case}.trace.json").trace for case in CASES}, **built()}


@pytest.mark.parametrize("case", TRACES)
def test_it_says_in_each_language_what_the_payload_says(case: str) -> None:
    made = plain(multilingual(Report(TRACES[case], lang="en")))
    assert sorted(made["languages"]) == list(texts.languages())
    for lang in texts.languages():
        said = spoken(made, lang)
        assert said == plain(payload(Report(TRACES[case], lang=lang)))
        assert not any(mark in json.dumps(said, ensure_ascii=False) for mark in (OPEN, NEXT, CLOSE))


def test_findings_too() -> None:
    cell, finding = added_again()
    made = plain(multilingual(report(cell, finding, lang="pt_BR")))
    for lang in texts.languages():
        assert spoken(made, lang) == plain(payload(report(cell, finding, lang=lang)))
    assert made["lang"] == "pt_BR"


def test_the_report_is_not_changed() -> None:
    cell, finding = added_again()
    made = report(cell, finding, lang="es")
    before = plain(payload(made))
    multilingual(made)
    assert plain(payload(made)) == before
    assert made.headline.startswith("In [5]: ") and made.phrases.text("view.t_node") == "nodo"


def test_pictures_are_the_same_in_every_language() -> None:
    """Only words differ: what is wider in another language has its room in all of them."""
    for trace in TRACES.values():
        placed = []
        for lang in texts.languages():
            pictures = Report(trace, lang=lang).pictures.values()
            boxes = [(box.id, box.x, box.y, box.w, box.h) for picture in pictures for box in picture.boxes]
            placed.append((boxes, [wire.d for picture in pictures for wire in picture.wires]))
        assert all(one == placed[0] for one in placed)


def test_a_cut_has_room_for_its_words_in_every_language() -> None:
    (box,) = (box for box in Report(TRACES["cut"], lang="zh_CN").pictures["forward"].boxes if box.style == "cut")
    for lang in texts.languages():
        assert format.pixels(texts.text("view.cut_short_no_grad", lang), 11) <= box.w
    (wide,) = (b for b in Report(TRACES["cuts"], lang="zh_CN").pictures["forward"].boxes if b.label == "detach")
    assert wide.w >= int(format.pixels("✂ sem gradiente", 11)) > format.pixels(wide.below, 11)


def test_sentences_stand_in_each_other_and_are_cut_when_they_are_said() -> None:
    words = {"line": "line \ufdd3", "made": "by {x} at \ufdd4 (\ufdd3)"}
    line = f"{OPEN}line{NEXT}5{CLOSE}"
    assert sentence(f"a · {line}", words) == "a · line 5"
    assert sentence(f"{OPEN}made{NEXT}w{NEXT}{line}{CLOSE}.", words) == "by {x} at line 5 (w)."
    assert sentence(format.clip(f"a · {line}", 8), words) == "a · lin…"
    assert sentence(format.clip(f"a · {line}", 10), words) == "a · line 5"


def test_nothing_of_the_users_is_taken_for_a_sentence() -> None:
    evil = f"{OPEN}view.line{NEXT}1{CLOSE}"
    cell = Cell(f"note = {evil!r}\ny = w * 2  # {evil}")
    w = cell.leaf("w", [1.0])
    cell.call("w * 2", "mul", (w,), [2.0], name="y", node="MulBackward0")
    made = report(cell)
    assert spoken(multilingual(made), "en") == payload(made)
    assert "line 1" not in json.dumps(spoken(multilingual(made), "en")["source"])
    assert format.clean(evil) == "\ufffdview.line\ufffd1\ufffd"


def test_only_words_in_use_are_carried() -> None:
    for words in multilingual(report(regression()))["languages"].values():
        assert "view.line" in words and "ui.details" in words and "ui.language_name" in words
        assert not any(key.startswith(("AG", "magic.")) for key in words)


def test_places_in_a_sentence_are_in_the_order_of_english() -> None:
    assert holes("view.line_of") == ("line", "cell")
    words = multilingual(report(hostile()[0]))["languages"]
    lines = {words[lang]["view.line"].replace("\ufdd3", "5") for lang in words}
    assert lines == {"line 5", "línea 5", "linha 5", "第 5 行"}


def size(data: Any) -> int:
    """Bytes in an output."""
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=False).encode()
    return len(base64.b64encode(zlib.compress(text, 9)))


@pytest.mark.parametrize("calls", [5, 1000])
def test_three_more_languages_cost_little(calls: int) -> None:
    made = report(loop(calls, zeroing=True))
    program = len(html.asset("app.js"))
    assert size(multilingual(made)) + program < 1.25 * (size(payload(made)) + program)
