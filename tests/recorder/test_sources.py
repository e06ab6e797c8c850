"""Places: which code is the user's, and from offsets to lines and columns."""

from __future__ import annotations

import pathlib
import sys
import sysconfig
from typing import Any

import pytest
import torch
from recorded import record_cell

from autograd_magics.recorder.sources import PACKAGE, Places, Sites, SourceBook, is_user_file, position


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


def test_a_body_that_another_magic_compiled_is_shown_at_its_line_of_the_cell() -> None:
    book = SourceBook(main="<body>")
    book.add_cell("<body>", 3, "%%time\n# two\nx = (\n    at())", offset=1)
    found: list[Any] = []
    sites = Sites("<body>", None)
    namespace = {"at": lambda: found.append(sites.at(sys._getframe(1)))}
    exec(compile("# two\nx = (\n    at())", "<body>", "exec"), namespace)
    places = Places(book)
    (row,) = places.of_site(found[0])
    place = places.places[row]
    assert place.line == 4
    if sys.version_info >= (3, 11):
        assert (place.end_line, place.column, place.end_column) == (4, 4, 8)
    assert places.sources()[place.source].text == book.cells["<body>"].text


def test_a_cell_begins_at_its_first_line_by_default() -> None:
    book = SourceBook(main="<body>")
    book.add_cell("<body>", 3, "x = 1")
    assert book.cells["<body>"].offset == 0


def test_the_same_frame_under_other_callers_is_another_site() -> None:
    sites = Sites("<main>", None)
    found: list[Any] = []
    namespace = {"at": lambda: found.append(sites.at(sys._getframe(1)))}
    exec(compile("def f():\n    at()\nfor _ in range(2):\n    f()\nf()", "<main>", "exec"), namespace)
    assert found[0] is found[1] is not found[2]
    assert [len(site.chain) for site in found] == [4, 4, 4] and found[0].chain[:2] == found[2].chain[:2]
    assert sites.all() == (found[0], found[2], sites.nowhere)


def test_without_an_end_a_site_goes_up_to_the_outermost_frame() -> None:
    sites = Sites(None, None)
    here = sys._getframe()
    once, depth = [sites.at(here) for _ in range(2)], 0
    frame: Any = here
    while frame is not None:
        frame, depth = frame.f_back, depth + 1
    assert once[0] is once[1] and once[0].chain is not None and len(once[0].chain) == 2 * depth
