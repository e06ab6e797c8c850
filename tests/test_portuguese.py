"""The Portuguese notebooks are the English ones: the same code, in the other language, with the same findings."""

from __future__ import annotations

import base64
import json
import pathlib
import re
import zlib

import nbformat
import pytest

from tests.lesson import NOTEBOOKS, RECORDED, execute, is_report, read

EXAMPLES = NOTEBOOKS[0].parent

LANGUAGE = '\n%config AutogradMagics.lang = "pt-BR"'
OTHERS = {"%%autograd third_look --lang en": "%%autograd terceira --lang pt-BR"}
TRANSLATED = sorted((EXAMPLES / "pt-BR").glob("*.ipynb"))


def english(path: pathlib.Path) -> pathlib.Path:
    """The notebook that one is a translation of: it has the same number."""
    (found,) = EXAMPLES.glob(f"{path.stem[:2]}_*.ipynb")
    return found


def test_the_first_look_and_the_lessons_are_translated() -> None:
    assert [path.stem[:2] for path in TRANSLATED] == [f"{i:02}" for i in range(1, 9)]


@pytest.mark.parametrize("path", TRANSLATED, ids=lambda path: path.stem)
def test_the_code_is_the_same_and_every_sentence_another(path: pathlib.Path) -> None:
    mine, theirs = (nbformat.read(one, as_version=4).cells for one in (path, english(path)))
    assert [cell.id for cell in mine] == [cell.id for cell in theirs]
    for one, other in zip(mine, theirs, strict=True):
        if one.cell_type == "code":
            code = one.source.replace(LANGUAGE, "")
            for here, there in OTHERS.items():
                code = code.replace(here, there)
            assert code == other.source and one.metadata == other.metadata
        else:
            assert one.source != other.source
    assert LANGUAGE in mine[1].source


@pytest.mark.parametrize("path", TRANSLATED, ids=lambda path: path.stem)
def test_it_runs_and_speaks_portuguese(path: pathlib.Path, tmp_path: pathlib.Path) -> None:
    done = execute(read(path), tmp_path)
    recorded = [cell for cell in done.cells if RECORDED.match(cell.source) and "--lang en" not in cell.source]
    assert recorded
    spoken = set()
    for cell in recorded:
        (report,) = [output for output in cell.outputs if is_report(output)]
        for data in re.findall(r'class="agm-data">([^<]+)<', report.data["text/html"]):  # none where nothing is drawn
            spoken.add(json.loads(zlib.decompress(base64.b64decode(data)))["lang"])
    assert spoken == {"pt_BR"}
