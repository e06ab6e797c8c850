from __future__ import annotations

import base64
import json
import re
import xml.etree.ElementTree as ElementTree
import zlib
from html.parser import HTMLParser

import pytest

from autograd_magics.views import html, packing
from autograd_magics.views.languages import spoken
from autograd_magics.views.payload import payload
from tests.builders import HOSTILE, Cell, added_again, hostile, loop, regression, report


class Parsed(HTMLParser):
    """Tags with their attributes, visible text, and the text of scripts, as a browser reads them."""

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.scripts: list[str] = []
        self.feed(source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("img", "br", "meta"):
            self.open.append(tag)
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script":
            self.scripts[-1] += data
        else:
            self.text += data

    def attribute(self, tag: str, name: str) -> str | None:
        return next(attrs[name] for found, attrs in self.tags if found == tag and name in attrs)


def unpacked(parsed: Parsed) -> dict:
    return packing.unpacked(json.loads(zlib.decompress(base64.b64decode(parsed.scripts[0]))))


def test_the_fragment_is_what_the_front_end_looks_for() -> None:
    parsed = Parsed(html.to_html(report(regression())))
    assert parsed.tags[0] == ("div", {"class": "agm", "data-agm": "5eed"})
    assert parsed.tags[1] == ("div", {"class": "agm-static"})
    scripts = [attrs for tag, attrs in parsed.tags if tag == "script"]
    assert scripts == [{"type": "application/octet-stream", "class": "agm-data"}, {}]
    assert parsed.open == []


def test_it_carries_payload_and_program() -> None:
    made = report(regression())
    parsed = Parsed(html.to_html(made))
    assert spoken(unpacked(parsed), "en") == json.loads(json.dumps(payload(made)))
    assert parsed.scripts[1] == html.asset("app.js")


def test_without_scripts_it_says_the_same() -> None:
    cell, finding = added_again()
    parsed = Parsed(html.to_html(report(cell, finding)))
    for words in ("w.grad is [−56]", "AG202 warning", "was [−28] before the backward", "where: line 8 · line 7"):
        assert words in parsed.text
    for words in ("w.grad [1] now [−56]", "backward added", "MulBackward0", "float32[4]", "freed by line 7"):
        assert words in parsed.text
    assert [tag for tag, _ in parsed.tags if tag in ("details", "table")] == ["details", "table"] * 2
    assert "w.grad = None" in html.to_html(report(cell, finding)).partition("<code>w.grad = None</code>")[1]


def test_the_picture_is_an_image_with_words() -> None:
    made = report(regression())
    parsed = Parsed(html.to_html(made))
    kind, _, data = parsed.attribute("img", "src").partition(",")
    assert kind == "data:image/svg+xml;base64"
    assert base64.b64decode(data).decode() == made.to_svg()
    assert "w.grad is [−28]" in parsed.attribute("img", "alt")


def test_nothing_is_loaded_from_anywhere() -> None:
    cell, finding = added_again()
    page = html.to_html(report(cell, finding), page=True)
    assert set(re.findall(r"https?:[^\"'`\s]*", page)) <= {"http://www.w3.org/2000/svg"}  # a name, not an address
    links = [attrs.get("src") or attrs.get("href") for _, attrs in Parsed(page).tags]
    assert [link.partition(",")[0] for link in links if link] == ["data:image/svg+xml;base64"]


def test_a_page_is_whole() -> None:
    page = report(regression(), lang="pt_BR").to_html()
    parsed = Parsed(page)
    assert page.startswith("<!doctype html>")
    assert parsed.attribute("html", "lang") == "pt-BR"
    assert parsed.attribute("meta", "charset") == "utf-8"
    assert any("default-src 'none'" in (attrs.get("content") or "") for tag, attrs in parsed.tags)
    assert parsed.open == []


def test_a_page_is_written_to_a_file(tmp_path) -> None:
    page = report(regression()).to_html(tmp_path / "report.html")
    assert (tmp_path / "report.html").read_text("utf-8") == page


def test_long_recordings_stay_small() -> None:
    assert len(html.to_html(report(loop(1000, zeroing=True)))) < 300_000


def test_without_gradients_it_is_one_line() -> None:
    parsed = Parsed(html.to_html(report(Cell("a = 1"))))
    assert [tag for tag, _ in parsed.tags] == ["div", "p"]
    assert parsed.text == "In [5]: no gradient here (0 torch calls, none that autograd records)"
    assert "agm" not in (parsed.attribute("div", "class") or "").split()


def test_a_missing_bundle_says_what_to_do() -> None:
    with pytest.raises(FileNotFoundError, match=r"nothing\.js is missing: expected the built front end; make it with"):
        html.asset("nothing.js")


def test_hostile_text_never_becomes_markup() -> None:
    cell, finding = hostile()
    page = html.to_html(report(cell, finding), page=True)
    parsed = Parsed(page)
    ours = "html head meta title body div p img ul li b br code details summary table thead tbody tr th td script"
    assert {tag for tag, _ in parsed.tags} == set(ours.split())
    assert [attrs for tag, attrs in parsed.tags if tag == "img" and "onerror" in attrs] == []
    assert "</script><img src=x onerror=alert(1)>" in parsed.text
    assert not {"\x1b", "\u202e", "\ud800"} & set(page)
    picture = base64.b64decode((parsed.attribute("img", "src") or "").partition(",")[2])
    assert HOSTILE[:9] in "".join(ElementTree.fromstring(picture).itertext())


def test_backticks_make_code_and_nothing_else_does() -> None:
    assert html.rich("use `a < b` & *c*") == "use <code>a &lt; b</code> &amp; *c*"
    assert html.rich("one ` alone") == "one ` alone"


@pytest.mark.parametrize("leaves", [3, html.LEDGERS, 900])
def test_what_is_read_without_scripts_stays_short(leaves: int) -> None:
    """A browser reads all of it before it draws the first picture."""
    cell = Cell("loss = sum(weights)\nloss.backward()")
    weights = tuple(cell.leaf(f"w{i}", [1.0]) for i in range(leaves))
    loss = cell.call("sum(weights)", "stack", weights, [9.0], name="loss", node="StackBackward0")
    for _ in range(12):
        cell.backward("loss.backward()", loss, {loss: [1.0], **dict.fromkeys(weights, [1.0])})
    parsed = Parsed(html.to_html(report(cell)))
    told = [one for one in parsed.text.splitlines() if re.match(r"w\d+\.grad", one)]
    assert len(told) == min(leaves, html.LEDGERS)
    assert len(parsed.tags) < 5_000
    more = f"The gradients of {leaves - html.LEDGERS} more leaves are not listed here."
    assert (more in parsed.text) == (leaves > html.LEDGERS)


def test_many_findings_are_told_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    cell, finding = added_again()
    many = [finding] * 3
    assert "more finding" not in html.to_html(report(cell, *many))
    monkeypatch.setattr(html, "FINDINGS", 1)
    assert "2 more findings are not listed here." in html.to_html(report(cell, *many))
