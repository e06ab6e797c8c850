"""Places: which code is the user's, and from offsets to lines and columns."""

from __future__ import annotations

import pathlib
import sysconfig

import pytest
import torch
from recorded import record_cell

from autograd_magics.recorder.sources import PACKAGE, Sites, SourceBook, is_user_file, position


@pytest.mark.parametrize(
    ("filename", "mine"),
    [
        (PACKAGE + "recorder/calls.py", False),
        (torch.__file__, False),
        ("<cell 1>", True),
        ("<frozen importlib>", False),
        (sysconfig.get_paths()["stdlib"] + "/functools.py", False),
        (sysconfig.get_paths()["purelib"] + "/numpy/x.py", False),
        ("/home/me/train.py", True),
    ],
)
def test_which_code_is_the_users(filename: str, mine: bool) -> None:
    assert is_user_file(filename, None) is mine


def test_what_is_recorded_is_the_users_wherever_it_lies() -> None:
    assert is_user_file(torch.__file__, torch.__file__)


def test_iterations_share_a_site() -> None:
    sites = Sites("<main>", None)
    namespace: dict[str, object] = {"at": lambda: found.append(sites.at(__import__("sys")._getframe(1)))}
    found: list[object] = []
    exec(compile("for _ in range(3):\n    at()\nat()", "<main>", "exec"), namespace)
    assert found[0] is found[1] is found[2] is not found[3]


def test_a_file_keeps_only_the_lines_that_are_pointed_at(tmp_path: pathlib.Path) -> None:
    helper = tmp_path / "helper.py"
    helper.write_text("import torch\n\ndef double(x):\n    return x * 2\n")
    setup = f"import sys\nsys.path.insert(0, {str(tmp_path)!r})\nimport helper\nsys.path.pop(0)\n"
    trace = record_cell(setup + "y = helper.double(torch.ones(2))")
    source = next(s for s in trace.sources if s.filename == str(helper))
    assert source.kind == "file" and source.text is None and source.line_texts == {"4": "    return x * 2"}


def test_an_empty_cell_is_still_the_source() -> None:
    trace = record_cell("")
    assert (
        trace.source is not None
        and trace.sources[trace.source].kind == "cell"
        and trace.sources[trace.source].text == ""
    )


def test_an_offset_out_of_range_has_the_nearest_line() -> None:
    code = compile("a = 1\nb = 2\n", "<x>", "exec")
    assert position(code, 10_000)[0] in (1, 2)


def test_a_cell_is_known_by_its_number() -> None:
    book = SourceBook()
    book.add_cell("<a>", 7, "x = 1")
    assert book.cells["<a>"].number == 7 and book.cells["<a>"].text == "x = 1"
