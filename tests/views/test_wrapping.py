from __future__ import annotations

from autograd_magics.views import format
from autograd_magics.views.wrapping import WIDTH, aligned, paragraph


def test_a_paragraph_keeps_within_the_terminal() -> None:
    text = "one " * 60
    lines = paragraph(text, "  ", "      ")
    assert lines[0].startswith("  one") and lines[1].startswith("      one")
    assert max(map(format.columns, lines)) <= WIDTH
    assert " ".join(lines).split() == text.split()


def test_a_word_wider_than_the_terminal_is_broken_without_loss() -> None:
    word = "".join(chr(0x4E00 + i) for i in range(200))
    lines = paragraph(f"a {word} b", "  ", "    ")
    assert max(map(format.columns, lines)) <= WIDTH
    assert "".join(line.strip() for line in lines).replace(" ", "") == f"a{word}b"


def test_a_word_one_column_too_wide_is_broken_too() -> None:
    for width in range(70, 90):
        lines = paragraph("x" * width, "  ", "    ")
        assert max(map(format.columns, lines)) <= WIDTH
        assert "".join(lines).replace(" ", "") == "x" * width


def test_nothing_gives_no_lines() -> None:
    assert paragraph("", "  ") == []
    assert aligned([], "  ", "    ") == []


def test_cells_stand_under_each_other() -> None:
    assert aligned([["a", "1", "x"], ["long", "", "y"]], "  ", "    ") == ["  a     1  x", "  long     y"]


def test_a_wide_row_gives_up_its_columns_before_it_breaks() -> None:
    rows = [["a" * 30, "b" * 30, "c"], ["a", "b" * 40, "c" * 30]]
    assert aligned(rows, "", "    ") == ["a" * 30 + "  " + "b" * 30 + "      c", "a  " + "b" * 40 + "  " + "c" * 30]


def test_what_finds_no_room_goes_to_the_next_line() -> None:
    lines = aligned([["a" * 50, "b" * 50, "c" * 200]], "  ", "      ")
    assert lines[0] == "  " + "a" * 50
    assert lines[1].startswith("      " + "b" * 50)
    assert max(map(len, lines)) <= WIDTH
    assert sum(line.count("c") for line in lines) == 200
