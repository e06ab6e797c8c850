"""`docs/findings.md` is what the rules and the English words say now.

`AUTOGRAD_MAGICS_UPDATE=1 pytest tests/rules/test_findings_page.py` writes it anew; without it the tests compare.
"""

from __future__ import annotations

import os
import pathlib
import re

import pytest

from autograd_magics import rules, texts
from autograd_magics.report import Report
from autograd_magics.views.items import Items
from autograd_magics.views.phrases import Phrases
from autograd_magics.views.told import Told, told
from tests.recorded import Notebook

PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs" / "findings.md"
FAMILIES = {
    "AG1": "The graph", "AG2": "Gradients", "AG3": "Changes in place", "AG4": "Memory", "AG5": "Types and devices",
    "AG6": "Numbers", "AG7": "The training loop",
}  # fmt: skip
HEAD = """# Findings

What autograd_magics says of a cell, by code. An **error** is why the cell raised; after a **warning** the result is
very likely not what was meant; a **note** is worth knowing. In a notebook `%autograd explain AG202` shows the same.

Each bad cell below gives exactly its finding and each good cell none: both are run by the tests. This page is generated
from the rules and their words; `AUTOGRAD_MAGICS_UPDATE=1 pytest tests/rules/test_findings_page.py` renews it.
"""


def page() -> str:
    """The whole page."""
    found = rules.rules()
    lines = [HEAD]
    for family, title in FAMILIES.items():
        codes = [rule.code for rule in found if rule.code.startswith(family)]
        rows = [f"- [{code}](#{code.lower()}) {texts.text(f'{code}.title')}" for code in codes]
        lines += [f"**{title}**\n", *rows, ""] if rows else []
    return "\n".join(lines) + "\n" + "\n".join(section(rule) for rule in found)


def section(rule: rules.Rule) -> str:
    """One finding: what, why, a bad cell and what is said of it, a good cell, the fix."""
    what, _, rest = rule.doc.partition("\n")
    why = rest.partition("Bad::")[0].strip()
    finding = said(rule.code)
    parts = [
        f"## {rule.code}", f"**{texts.text(f'{rule.code}.title')}** ({finding.severity})", what, why,
        cell("Bad", rules.example(rule.code, "Bad")), f"Said of it: {finding.message}",
        cell("Good", rules.example(rule.code, "Good")), f"Fix: {finding.fix}",
    ]  # fmt: skip
    return "\n\n".join(filter(None, parts)) + "\n"


def cell(heading: str, source: str) -> str:
    """A cell under a word."""
    return f"{heading}:\n\n```python\n{source}\n```"


def said(code: str) -> Told:
    """The finding of a bad cell in English words."""
    report = Report(Notebook().run(rules.example(code, "Bad")), lang="en")
    words = told(report.findings, Phrases(report.graph, "en"), Items(report.graph))
    return next(finding for finding in words if finding.code == code)


def test_page_is_current() -> None:
    wanted = page()
    if os.environ.get("AUTOGRAD_MAGICS_UPDATE") == "1":
        PAGE.write_text(wanted, encoding="utf-8")
    assert PAGE.read_text("utf-8") == wanted


def test_every_code_has_one_section_that_links_lead_to() -> None:
    text = PAGE.read_text("utf-8")
    sections = re.findall(r"^## (AG\d{3})$", text, flags=re.M)
    assert sections == [rule.code for rule in rules.rules()]
    assert re.findall(r"\(#(\w+)\)", text) == [code.lower() for code in sections]


@pytest.mark.parametrize("code", [rule.code for rule in rules.rules()])
def test_a_section_holds_both_cells(code: str) -> None:
    text = PAGE.read_text("utf-8").partition(f"\n## {code}\n")[2].partition("\n## ")[0]
    assert re.findall(r"^```python\n(.*?)\n```$", text, flags=re.M | re.S) == [
        rules.example(code, "Bad"), rules.example(code, "Good"),
    ]  # fmt: skip
    assert re.search(r"^Fix: \S", text, flags=re.M) and "{" not in re.sub(r"```.*?```", "", text, flags=re.S)
