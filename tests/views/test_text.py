from __future__ import annotations

import unicodedata

import pytest

from autograd_magics import texts
from autograd_magics.views import format
from autograd_magics.views.payload import payload
from tests.builders import Cell, added_again, hostile, loop, regression, report
from tests.recorded import record_cell

REGRESSION = """\
In [5]: 4 calls · 5 nodes, saved 32 B in 2 tensors, 1 backward, w.grad is [-28].

GRAPH
  x  input, no grad       [0 1 2 3]
  w  leaf, requires grad  [1]        grad [-28]
  y  input, no grad       [0 2 4 6]
   4  y_pred = x * w
        y_pred = mul(x, w)  [0 1 2 3]     grad [0 -2 -4 -6]  MulBackward0
   5  e = y_pred - y
        e = sub(y_pred, y)  [0 -1 -2 -3]  grad [0 -2 -4 -6]  SubBackward0
   6  J = e.pow(2).sum()
        pow(e, 2)           [0 1 4 9]     grad [1 1 1 1]     PowBackward0
        J = sum(e.pow(2))   14            grad 1             SumBackward0
   7  J.backward()
        backward from J     5 nodes

BACKWARD, NODE BY NODE: line 7, backward from J
  SumBackward0  e.pow(2)  grad · ones([4])
                          1 · ones([4]) = [1 1 1 1]
  PowBackward0  e         grad · 2 · e
                          [1 1 1 1] · 2 · [0 -1 -2 -3] = [0 -2 -4 -6]
  SubBackward0  y_pred    grad = [0 -2 -4 -6]
  MulBackward0  w         grad · x, summed to shape [1]
                          ([0 -2 -4 -6] · [0 1 2 3]) summed to shape [1] = [-28]

GRADIENTS
  w [1] now [-28]
    line 7  backward added  + [-28]  None -> [-28]

SAVED FOR BACKWARD: 32 B in 2 tensors
  line 4  MulBackward0.self  x  float32[4]  16 B  freed by line 7
  line 6  PowBackward0.self  e  float32[4]  16 B  freed by line 7"""


def too_wide(text: str) -> list[str]:
    return [line for line in text.split("\n") if format.columns(line) > 80]


def test_regression() -> None:
    assert report(regression()).to_text() == REGRESSION


def test_the_same_trace_gives_the_same_text() -> None:
    assert report(loop(20)).to_text() == report(loop(20)).to_text()


def test_a_finding_comes_first_with_both_ends_and_its_fix() -> None:
    cell, finding = added_again()
    text = report(cell, finding).to_text()
    block = text[text.index("FINDINGS") : text.index("GRAPH")]
    assert "AG202 warning: `w.grad` was [-28] before the backward at line 8" in block
    assert "where: line 8 · line 7 · `w`" in block
    assert "fix: `w.grad = None`" in block
    assert "    line 8  backward added  + [-28]  [-28] -> [-56]  AG202" in text.split("\n")


def test_pytorchs_own_words_stand_with_the_finding() -> None:
    cell, finding = added_again()
    cell.warn("J.backward()", "you should\nknow this")
    assert "PyTorch says: you should know this" in report(cell, finding).to_text()


def test_long_loops_are_shortened_with_a_count() -> None:
    text = report(loop(1000, zeroing=True)).to_text()
    assert "      … 997 more iterations" in text.split("\n")
    assert "z = mul(w, 2) " in text and "z = mul(w, 3) " not in text and "z = mul(w, 1000)" in text
    assert "… 1970 more changes" in text
    assert len(text.split("\n")) < 60


def test_zeroing_and_clearing_are_in_the_ledger() -> None:
    cell = loop(1, zeroing=True)
    cell.grad(0, "cleared", "w.grad.zero_()")
    ledger = report(cell).to_text().partition("GRADIENTS\n")[2].split("\n")
    assert [line.split() for line in ledger[:4]] == [
        "w [1] now None".split(),
        "line 4 backward added + [1] None -> [1]".split(),
        "line 5 zeroed [1] -> [0]".split(),
        "line 5 set to None [0] -> None".split(),
    ]


def test_shared_memory_is_counted_once_and_said() -> None:
    cell = Cell("y = x * x\nb = a + 1")
    x = cell.leaf("x", [1.0, 2.0])
    cell.call("x * x", "mul", (x, x), [1.0, 4.0], name="y", node="MulBackward0", saved={"self": x, "other": x})
    saved = report(cell).to_text().partition("SAVED FOR BACKWARD: ")[2].split("\n")
    assert saved[0] == "8 B in 1 tensor"
    assert saved[1].split() == "line 1 MulBackward0.self x float32[2] 8 B kept".split()
    assert saved[2].split() == "line 1 MulBackward0.other x float32[2] 8 B kept counted above".split()


def test_equal_saved_tensors_of_a_loop_stand_once_with_their_number() -> None:
    cell = Cell("for i in range(3):\n    y = x * x")
    x = cell.leaf("x", [1.0, 2.0])
    for _ in range(3):
        cell.call("x * x", "mul", (x, x), [1.0, 4.0], name="y", node="MulBackward0", saved={"self": x, "other": x})
    saved = report(cell).to_text().partition("SAVED FOR BACKWARD: ")[2].split("\n")
    assert saved[0] == "8 B in 1 tensor"
    assert saved[1].split() == "line 2 MulBackward0.self x float32[2] 8 B kept ×3".split()
    assert saved[2].split() == "line 2 MulBackward0.other x float32[2] 8 B kept counted above ×3".split()
    assert not any("MulBackward0" in line for line in saved[3:])


def test_what_hooks_hide_has_no_size() -> None:
    cell = regression(backward=False)
    cell.change("saved", 0, hidden=True, tensor=None, storage=None)
    assert "saved 16 B in 1 tensor" in report(cell).to_text()
    assert "MulBackward0.self  internal  float32[4]  unknown  kept" in report(cell).to_text()


def test_what_was_not_seen_is_said_to_be_unseen() -> None:
    cell = Cell("z = compiled(x)")
    x = cell.leaf("x", 1.0)
    cell.call("compiled(x)", "unseen", (x,), 2.0, name="z", node="CompiledBackward", qualified="unseen")
    made = report(cell)
    assert "! 1 operation was not seen as a torch call; it is drawn as ?" in made.to_text().split("\n")
    assert [(box.label, box.style) for box in made.pictures["forward"].boxes if box.id == "c0"] == [("?", "unseen")]


def test_what_is_kept_is_said_where_only_a_part_is_freed() -> None:
    cell = regression()
    e = cell.tables["calls"][1].outputs[0]
    cell.call(None, "exp", (e,), [1.0] * 4, name="again", node="ExpBackward0", saved={"self": e})
    assert "saved 32 B in 2 tensors, 16 B still kept" in report(cell).to_text()


def test_a_line_of_an_earlier_cell_names_it() -> None:
    cell = Cell("z.backward()")
    earlier = cell.source("w = torch.ones(1)\nz = w * 2", 3)
    (place,) = cell.at("w * 2", earlier)
    w = cell.leaf("w", [1.0])
    node = cell.node("MulBackward0", (w,), place=place)
    z = cell.tensor([2.0], "z", requires_grad=True, leaf=False, node=node)
    cell.keep(node, "self", w)
    cell.backward("z.backward()", z, {z: [1.0], w: [2.0]})
    assert "  line 2 of In [3]  MulBackward0.self  w" in report(cell).to_text()


def test_calls_that_failed_or_were_cut_say_so() -> None:
    cell = Cell("y = x * 2\nw += 1")
    x, w = cell.leaf("x", 1.0), cell.leaf("w", 1.0)
    cell.call("x * 2", "mul", (x,), 2.0, name="y", cut="no_grad", constants=(("1", 2),))
    cell.call("w += 1", "add_", (w,), error=("RuntimeError", "a leaf"), constants=(("1", 1),))
    text = report(cell).to_text()
    lines = [" ".join(line.split()) for line in text.split("\n")]
    assert "y = mul(x, 2) 2 made under no_grad: no gradient passes" in lines
    assert "add_(w, 1) raised RuntimeError" in lines


def test_without_gradients_it_is_one_line() -> None:
    cell = Cell("a = torch.ones(3)")
    x = cell.tensor([1.0] * 3, "a")
    cell.call("torch.ones(3)", "reshape", (x,), [[1.0] * 3])
    assert report(cell).to_text() == "In [5]: no gradient here (1 torch call, none that autograd records)"


def test_missing_parts_are_announced() -> None:
    trace = regression().trace(dropped=7, problem="ZeroDivisionError: by zero")
    lines = report(trace).to_text().split("\n")
    assert "! 7 calls beyond the limit were run but not recorded" in lines
    assert any(line.startswith("! part of this report is missing") for line in lines)


@pytest.mark.parametrize("lang", texts.languages())
def test_every_line_fits_on_a_terminal_in_every_language(lang: str) -> None:
    cell, finding = added_again()
    evil, its = hostile()
    cells = [(regression(), ()), (cell, (finding,)), (loop(60, zeroing=True), ()), (evil, (its,))]
    for one, findings in cells:
        assert too_wide(report(one, *findings, lang=lang).to_text()) == []


def test_wide_characters_are_counted_as_two() -> None:
    cell = Cell("重み付け = 重み * 2  # " + "重" * 60)
    w = cell.leaf("重み" * 8, [1.0])
    cell.call("重み * 2", "mul", (w,), [2.0], name="重み付け" * 10, node="MulBackward0")
    assert too_wide(report(cell).to_text()) == []


def test_hostile_text_cannot_command_the_terminal() -> None:
    cell, finding = hostile()
    text = report(cell, finding).to_text()
    assert {c for c in text if unicodedata.category(c) in ("Cc", "Cs")} == {"\n"}
    assert "\u202e" not in text


LONG = """
W = torch.tensor([[0.12345, -1.23456, 2.34567], [0.45678, -0.56789, 6.78901]], requires_grad=True)
opt = torch.optim.SGD([W], lr=0.1)
(W * W).sum().backward()
opt.step()
"""


def test_numbers_that_are_known_are_shown_and_not_their_type() -> None:
    made = report(record_cell(LONG))
    text = made.to_text()
    gradients = text.partition("GRADIENTS")[2].partition("SAVED")[0]
    assert "W leaf, requires grad [[0.12 -1.2 …] …] grad [[0.25 -2.5 …] …]" in " ".join(text.split())
    assert "+ [[0.247 -2.47 4.69] [0.914 -1.14 13.6]]" in gradients and "float32" not in gradients
    assert too_wide(text) == []
    captions = payload(made)["timeline"]["captions"]
    before, after = "[[0.123 −1.23 2.35] [0.457 −0.568 6.79]]", "[[0.099 −0.99 1.9] [0.37 −0.45 5.4]]"
    assert f"opt.step() (lr 0.1): W {before} → {after}" in captions
    assert [said for said in captions if "float32" in said] == []


def test_an_argument_is_shown_whole_or_not() -> None:
    text = report(record_cell("""
        logits = torch.zeros(2, 3, requires_grad=True)
        loss = torch.nn.functional.cross_entropy(logits, torch.tensor([0, 2]))
        loss.backward()
    """)).to_text()  # fmt: skip
    assert "loss = cross_entropy(logits, torch.tensor([0, 2]), …)" in text and "-1…" not in text


def test_the_saved_tensors_of_a_derivative_have_the_line_of_its_backward() -> None:
    text = report(record_cell("""
        x = torch.tensor([1.0, 2.0], requires_grad=True)
        g, = torch.autograd.grad((x ** 3).sum(), x, create_graph=True)
        g.sum().backward()
    """)).to_text()  # fmt: skip
    rows = [line.split() for line in text.partition("SAVED")[2].split("\n") if "Backward0" in line]
    assert [row[:2] for row in rows] == [["line", "3"]] * 3
    assert [row[2] for row in rows] == ["PowBackward0.self", "∂²", "∂²"]
