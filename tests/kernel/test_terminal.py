"""A real IPython in a real terminal."""

from __future__ import annotations

import pathlib
import sys
from collections.abc import Iterator

import pexpect
import pytest

from tests.kernel.harness import ANSI, environment


class Terminal:
    """IPython with the plain prompt in a terminal of 100 columns."""

    def __init__(self, folder: pathlib.Path) -> None:
        env = {**environment(folder), "TERM": "dumb"}
        options = ["--simple-prompt", "--no-banner", "--no-confirm-exit", "--colors=NoColor"]
        self.process = pexpect.spawn(
            sys.executable, ["-m", "IPython", *options], env=env, cwd=str(folder), encoding="utf-8", timeout=30,
            dimensions=(40, 100),
        )  # fmt: skip
        self.number = 1
        self.process.expect(r"In \[1\]: ")

    def run(self, *lines: str) -> str:
        """Type a cell; gives what was printed up to the next prompt."""
        self.type(*lines)
        return self.rest()

    def rest(self) -> str:
        """What is printed up to the next prompt; a report begins with the number of its cell, like a prompt."""
        self.number += 1
        self.process.expect(rf"\r\nIn \[{self.number}\]: ")
        return ANSI.sub("", self.process.before or "").replace("\r\n", "\n")

    def type(self, *lines: str) -> None:
        """Type a cell; one of several lines ends with two empty ones, as all of IPython's cell magics do here."""
        for line in lines if len(lines) == 1 else (*lines, "", ""):
            if line is not lines[0]:
                self.process.expect(r"\.\.\.: ")
            self.process.sendline(line)


@pytest.fixture(scope="module")
def terminal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminal]:
    terminal = Terminal(tmp_path_factory.mktemp("terminal"))
    assert "rror" not in terminal.run("%load_ext autograd_magics")
    assert "rror" not in terminal.run("import torch")
    yield terminal
    terminal.process.close(force=True)


def test_the_cell_waits_for_its_body_and_the_text_follows_the_result(terminal: Terminal) -> None:
    said = terminal.run(
        "%%autograd step", "w = torch.tensor([3.0], requires_grad=True)", "(w * 2).sum().backward()", "w.grad.item()"
    )
    assert "]: 2.0\n" in said
    result, report = said.index("]: 2.0\n"), said.index("w.grad is [2]")
    assert result < report
    assert "<" not in said[report:]
    assert max(map(len, said[report:].splitlines())) <= 80


def test_cells_have_their_numbers(terminal: Terminal) -> None:
    terminal.run("%%autograd earlier", "z = (w * w).sum()", "z.backward()")
    number = terminal.run("step.trace.sources[step.trace.source].number")
    first = int(number.rpartition(":")[2])
    assert f"Out[{first + 2}]" in number
    said = terminal.run("earlier.trace.sources[earlier.trace.source].number - step.trace.sources[0].number")
    assert said.rpartition(":")[2].strip() == "1"


def test_an_error_is_shown_with_its_line_and_then_the_report(terminal: Terminal) -> None:
    said = terminal.run("%%autograd", "x = torch.ones(2, requires_grad=True)", "(x * 2).backward()")
    assert "----> 3 (x * 2).backward()" in said
    assert "# %%autograd" in said
    assert said.index("RuntimeError: grad can be implicitly") < said.index("AG102")


def test_display_of_a_report_is_its_text(terminal: Terminal) -> None:
    said = terminal.run("step")
    assert "w.grad is [2]" in said
    assert "<" not in said.partition("Out[")[2]


def test_an_interrupt_ends_the_cell_and_the_report_comes(terminal: Terminal) -> None:
    terminal.type("%%autograd", "import time; x = torch.ones(1) + 1; print('star' + 'ted')", "time.sleep(60)")
    terminal.process.expect("started")
    terminal.process.sendintr()
    said = terminal.rest()
    assert said.index("KeyboardInterrupt") < said.index("no gradient here")


def test_top_level_await(terminal: Terminal) -> None:
    said = terminal.run("%%autograd", "import asyncio; await asyncio.sleep(0)", "y = torch.ones(1); y.item()")
    assert "]: 1.0\n" in said
    assert "no gradient here" in said


def test_a_second_cell_magic_and_a_shell_command(terminal: Terminal) -> None:
    assert "Wall time" in terminal.run("%%autograd", "%%time", "y = torch.ones(1)")
    assert "from a shell" in terminal.run("%%autograd", "!echo from a shell", "y")


def test_usage_errors_are_one_line(terminal: Terminal) -> None:
    said = terminal.run("%%autograd --limt 3", "y = 7")
    assert said.count("UsageError") == 1
    assert "did you mean --limit?" in said
    assert "Traceback" not in said


def test_the_html_is_not_shown_as_text(terminal: Terminal) -> None:
    assert "<div" not in terminal.run("%autograd show w * 2")


class Keyboard:
    """IPython with its own line editor, which answers Tab."""

    def __init__(self, folder: pathlib.Path) -> None:
        env = {**environment(folder), "TERM": "xterm", "PROMPT_TOOLKIT_NO_CPR": "1"}
        options = ["--no-banner", "--no-confirm-exit", "--TerminalInteractiveShell.display_completions=readlinelike"]
        self.process = pexpect.spawn(
            sys.executable, ["-m", "IPython", *options], env=env, cwd=str(folder), encoding="utf-8", timeout=30,
            dimensions=(40, 100),
        )  # fmt: skip
        self.process.expect(r"In .*\[.*1.*\]")

    def enter(self, line: str) -> None:
        """Run a line, and wait until it is done."""
        self.process.send(line + "; print('do' + 'ne')\r")
        self.process.expect("done")

    def tab(self, line: str, expected: str) -> None:
        """Type a line and Tab until what is expected appears, else fail; then empty the line."""
        self.process.send(line)
        self.process.expect_exact(line.split(" ")[-1][-1:] or "autograd")
        self.process.send("\t")
        self.process.expect(expected)
        self.process.sendcontrol("u")


@pytest.fixture(scope="module")
def keyboard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keyboard]:
    keyboard = Keyboard(tmp_path_factory.mktemp("keyboard"))
    keyboard.enter("get_ipython().extension_manager.load_extension('autograd_magics')")
    keyboard.enter("import torch; loss = torch.ones(1, requires_grad=True) * 2")
    yield keyboard
    keyboard.process.close(force=True)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("%autograd ", r"check +explain +grads +help +off +on +show"),
        ("%autograd ex", "plain"),
        ("%autograd explain AG70", "AG701 +AG702"),
        ("%autograd show lo", "ss"),
        ("%autograd show loss --va", "lues"),
        ("%autograd on --display ", "auto +html +none +text +widget"),
        ("%%autograd --theme d", "ark"),
    ],
)
def test_tab_in_the_terminal(keyboard: Keyboard, line: str, expected: str) -> None:
    keyboard.tab(line, expected)
