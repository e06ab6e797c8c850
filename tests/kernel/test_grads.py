"""`%autograd grads` in a real kernel: the story of each leaf across cells."""

from __future__ import annotations

import pytest

from tests.kernel.harness import Kernel, Ran, usage_error


@pytest.fixture
def fresh(kernel: Kernel) -> Kernel:
    """The kernel without names of the tests before."""
    kernel.run("%reset -f\nimport torch")
    return kernel


def told(ran: Ran) -> str:
    """The text form of what was shown."""
    assert ran.kinds == ["report"]
    (shown,) = ran.reports
    assert set(shown) == {"text/plain", "text/html"}
    text: str = shown["text/plain"]
    assert max(map(len, text.split("\n"))) <= 80
    return text


def test_the_whole_story(fresh: Kernel) -> None:
    first = fresh.run("%%autograd\nw = torch.tensor([1.0], requires_grad=True)\n(w * 3).sum().backward()")
    fresh.run("w.grad.zero_()")
    cell = "(w * 2).sum().backward()\nwith torch.no_grad():\n    w -= 0.5 * w.grad\nw.grad = None"
    second = fresh.run(f"%%autograd\n{cell}")
    one, two = first.reply["execution_count"], second.reply["execution_count"]
    words = [" ".join(line.split()) for line in told(fresh.run("%autograd grads")).split("\n")]
    assert words == [
        "w [1]: w.grad is None",
        f"line 2 of In [{one}] first seen [1]",
        f"line 3 of In [{one}] backward added + [3] None -> [3]",
        "changed in a cell that was not recorded: [3] -> [0]",
        f"line 2 of In [{two}] backward added + [2] [0] -> [2]",
        f"line 4 of In [{two}] value changed by sub_ [1] -> [0]",
        f"line 5 of In [{two}] set to None [2] -> None",
    ]


def test_what_no_recording_has_seen(fresh: Kernel) -> None:
    fresh.run("u = torch.ones(2, requires_grad=True)\n(u * 2).sum().backward()\nm = torch.nn.Linear(1, 1)")
    assert told(fresh.run("%autograd grads")) == (
        "No recording has seen u; its .grad is [2 2].\n\n"
        "No recording has seen m.weight; its .grad is None.\n\n"
        "No recording has seen m.bias; its .grad is None."
    )
    assert told(fresh.run("%autograd grads u")) == "No recording has seen u; its .grad is [2 2]."
    assert "m.weight" in told(fresh.run("%autograd grads m"))


def test_names_choose_and_keep_their_order(fresh: Kernel) -> None:
    cell = "a = torch.ones(1, requires_grad=True)\nb = torch.ones(1, requires_grad=True)\n(a * b).backward()"
    fresh.run(f"%%autograd\n{cell}")
    shown = told(fresh.run("%autograd grads b, a"))
    assert shown.index("b [1]: b.grad") < shown.index("a [1]: a.grad")
    assert "a [1]" not in told(fresh.run("%autograd grads b"))


def test_many_steps_have_a_plot_with_words(fresh: Kernel) -> None:
    cell = "w = torch.tensor([1.0], requires_grad=True)\nfor _ in range(9):\n    (w * 3).sum().backward()"
    fresh.run(f"%%autograd\n{cell}")
    ran = fresh.run("%autograd grads w")
    assert "w.grad, 9 points: from 3 to 27, lowest 3, highest 27" in told(ran)
    html = ran.reports[0]["text/html"]
    assert "<svg" in html and 'aria-label="w.grad, 9 points' in html and "<script" not in html


def test_without_a_page_it_is_printed(fresh: Kernel) -> None:
    fresh.run("w = torch.ones(1, requires_grad=True)")
    assert fresh.run("%autograd grads --display text w").own == [
        ("stdout", "No recording has seen w; its .grad is None.\n")
    ]  # fmt: skip
    assert fresh.run("%autograd grads --display none w").own == []


def test_it_speaks_portuguese(fresh: Kernel) -> None:
    fresh.run("w = torch.ones(1, requires_grad=True)")
    assert told(fresh.run("%autograd grads --lang pt")) == "Nenhuma gravação viu w; seu .grad é None."


def test_nothing_to_tell(fresh: Kernel) -> None:
    assert fresh.run("%autograd grads").said.startswith("%autograd grads: no tensor of yours requires grad")


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("wieght", "the name 'wieght' is not known; nearest: weight"),
        ("qqqqqq", "the name 'qqqqqq' is not known; give a variable"),
        ("text", "text is of type str, expected a tensor"),
        ("result", "result is a result, not a leaf"),
        ("frozen", "frozen does not require grad"),
        ("relu", "relu is a module without parameters"),
        ("weight.nothing", "weight.nothing could not be evaluated (AttributeError"),
        ("torcn", "the name 'torcn' is not known; give a variable"),
        ("relo", "the name 'relo' is not known; nearest: relu"),
        ("weight --values bogus", "%autograd grads: --values got 'bogus'"),
        ("--limt 3", "did you mean --limit?"),
    ],
)
def test_what_cannot_be_told_is_one_line(fresh: Kernel, name: str, part: str) -> None:
    fresh.run(
        "weight = torch.ones(1, requires_grad=True); text = 'no'; result = weight * 2\n"
        "frozen = torch.ones(1); relu = torch.nn.ReLU()"
    )
    assert part in usage_error(fresh.run(f"%autograd grads {name}"))


def test_in_a_recorded_cell_it_looks_and_leaves_no_trace(fresh: Kernel) -> None:
    fresh.run("w = torch.ones(1, requires_grad=True)")
    ran = fresh.run("%%autograd kept\ny = w * 2\n%autograd grads w\ny.backward()")
    assert ran.kinds == ["report", "report"]
    assert fresh.value("(len(kept.trace.accesses), [c.name for c in kept.trace.calls])") == "(0, ['mul'])"


def test_check(fresh: Kernel) -> None:
    fresh.run("%%autograd\nw = torch.tensor([2.0], requires_grad=True)\nJ = (w * w).sum()\nJ.backward()")
    said = fresh.run("%autograd check J w").said
    assert "J" in said and "w" in said and "UsageError" not in said
    assert "nearest" in usage_error(fresh.run("%autograd check J ww"))
