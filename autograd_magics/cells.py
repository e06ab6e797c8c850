"""The cells that ran, and the one change made to a cell that is to be recorded.

`rewrite(lines)` replaces a leading `%%autograd ARGS` line by a call on the same line, so that IPython itself runs
the body.  `Cells` remembers which code file name belongs to which cell, so that findings can name earlier cells.
"""

from __future__ import annotations

import ast
import functools
import linecache
import re
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Protocol

_HEAD = re.compile(r"%%autograd(?!\S)")  # not "%%autograd?", which asks for help, nor "%%autograd2"
_HELP = re.compile(r"%%autograd\s(.*\s)?(--help|-h)(?!\S)")
_INDENT = re.compile(r"[ \t]+")
_START = "get_ipython().magics_manager.registry['AutogradMagics'].start({line!r})"
_SHOW_HELP = "get_ipython().run_line_magic('autograd', 'help')"
_QUESTION = re.compile(r"[\w.*%]+\?\??$")
_MAGIC = re.compile(r"%%(?!\w+\?)")

CODE_NAMES = {"time": "<timed exec>", "timeit": "<magic-timeit>"}
"""What IPython's magics that compile their body themselves call that code."""


def rewrite(lines: list[str]) -> list[str]:
    """An input transformer: `[%%autograd ARGS, body...]` becomes `[start(ARGS), body...]`; lines keep their numbers."""
    if not lines or not _HEAD.match(lines[0]):
        return lines
    help_only = _HELP.match(lines[0])
    body = _dedent(lines[1:])
    first = next((i for i, line in enumerate(body) if not line.isspace()), None)
    if first is None:  # otherwise IPython calls the cell magic itself, which says that the cell is empty
        return [_SHOW_HELP + "\n"] if help_only else lines
    start = _SHOW_HELP if help_only else _START.format(line=lines[0][len("%%autograd") :].strip())
    if _MAGIC.match(body[first]):
        name, _, rest = body[first][2:].rstrip().partition(" ")
        return [f"{start}; get_ipython().run_cell_magic({name!r}, {rest!r}, {''.join(body[first + 1 :])!r})\n"]
    return [start + "\n", *body]


# Without this the terminal takes a cell that begins with `%%autograd` for complete after its first line.
rewrite.has_side_effects = True  # type: ignore[attr-defined]


def _dedent(body: list[str]) -> list[str]:
    """An indented body as IPython dedents a cell: by the indent of its first line that is not blank."""
    first = next((line for line in body if not line.isspace()), "")
    indent = _INDENT.match(first)
    return [line.removeprefix(indent[0]) for line in body] if indent else body


def show_as_written(filename: str, number: int, line: str) -> None:
    """Let tracebacks show line `number` of a cell as `# %%autograd ARGS`, not as the call that it became."""
    lines = linecache.getlines(filename)  # the list that is in the cache, not a copy of it
    if len(lines) >= number and lines[number - 1] == _START.format(line=line) + "\n":
        lines[number - 1] = f"# %%autograd {line}".rstrip() + "\n"


def code_text(raw: str, line: int = 1) -> str:
    """The part of a raw cell that was compiled, where its `%%autograd` line is line number `line` of the code."""
    lines = raw.splitlines(keepends=True)
    head = next((i for i, text in enumerate(lines) if _HEAD.match(text.lstrip())), None)
    if head is None:
        return "".join(_dedent(lines[next((i for i, text in enumerate(lines) if not text.isspace()), 0) :]))
    code = [*lines[: head + 1], *_dedent(lines[head + 1 :])]
    return "".join(code[max(0, head + 1 - line) :])


def has_header(raw: str) -> bool:
    """Whether some line of a cell begins with `%%autograd`."""
    return any(_HEAD.match(text.lstrip()) for text in raw.splitlines())


def is_recordable(raw: str) -> bool:
    """Whether `%autograd on` means a cell: code that does not itself begin with `%%autograd`.

    The body of a cell magic is that magic's own, but for those that only measure Python code.
    """
    lines = [line.strip() for line in raw.splitlines() if line.strip()]
    for line in lines:
        if not _MAGIC.match(line):
            break
        if _HEAD.match(line) or line[2:].split(" ")[0] not in CODE_NAMES:
            return False
    return any(not _is_magic_line(line, before) for before, line in zip(["", *lines], lines, strict=False))


def _is_magic_line(line: str, before: str) -> bool:
    """Whether a line is a magic, a shell command, a question or a comment, or goes on with one."""
    if before.endswith("\\") and before.startswith(("%", "!")):
        return True
    return line.startswith(("%", "!", "?", "#")) or _QUESTION.match(line) is not None


def inner_code(raw: str) -> tuple[str, int] | None:
    """File name of the code that a `%%time` or `%%timeit` compiles, where it is at the top or directly below
    `%%autograd`, and the number of the cell's lines before that code."""
    lines = code_text(raw).splitlines(keepends=True)
    below = 1 if lines and _HEAD.match(lines[0]) else 0
    for i, line in enumerate(lines[below:], below):
        if not line.isspace():
            name = _code_name(line, "".join(lines[i + 1 :]))
            blank = next((n for n, inner in enumerate(lines[i + 1 :]) if not inner.isspace()), 0)
            return (name, i + 1 + blank) if name else None  # IPython drops blank lines at the beginning
    return None


def _code_name(line: str, body: str) -> str | None:
    """What a magic on this line calls the code of the body below it; None where it is none that compiles its body."""
    name = CODE_NAMES.get(line[2:].split(" ")[0].strip()) if _MAGIC.match(line) else None
    if name != CODE_NAMES["time"]:
        return name
    try:
        only = ast.parse(body).body
    except SyntaxError:  # it has magics of its own
        return name
    return "<timed eval>" if len(only) == 1 and isinstance(only[0], ast.Expr) else name


class TopLevelAwait(SyntaxError):
    """Code that only IPython itself can run."""


def compile_cell(shell: Any, cell: str, number: int) -> tuple[str, Any, Any]:
    """Code file name, statements and last expression (or None) of a cell, whose first line is number 2.

    Raises SyntaxError, or `TopLevelAwait`.
    """
    __tracebackhide__ = True
    source = "\n" + shell.transform_cell(cell)
    name = str(shell.compile.cache(source, number, raw_code="\n" + cell))
    tree = shell.transform_ast(shell.compile.ast_parse(source, filename=name))
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    try:
        body = shell.compile(tree, name, "exec")
        return name, body, last and shell.compile(ast.Expression(last.value), name, "eval")
    except SyntaxError as error:
        if "outside" in str(error.msg) and ("await" in str(error.msg) or "async" in str(error.msg)):
            raise TopLevelAwait from None
        raise


@dataclass(frozen=True)
class Cell:
    """A cell that ran, or runs."""

    filename: str
    number: int | None
    """Execution count, of the cell around it where code ran it; None where there is none."""
    text: str


class Cells:
    """The last cells that ran, by the file name of their code."""

    def __init__(self, limit: int = 500) -> None:
        self._limit = limit
        self._by_name: dict[str, Cell] = {}

    def remember(self, cell: Cell) -> None:
        """Add a cell, or give it its newest number; the oldest is forgotten beyond the limit."""
        self._by_name.pop(cell.filename, None)
        self._by_name[cell.filename] = cell
        while len(self._by_name) > self._limit:
            del self._by_name[next(iter(self._by_name))]

    def clear(self) -> None:
        """Forget all cells."""
        self._by_name.clear()

    def __iter__(self) -> Iterator[Cell]:
        return iter(tuple(self._by_name.values()))

    def __len__(self) -> int:
        return len(self._by_name)


class Book(Protocol):
    """Where a recorder looks up which cell some code is."""

    main: str | None

    def add_cell(self, filename: str, number: int | None, text: str, offset: int = 0) -> None: ...


known = Cells()
"""The cells of this process, kept by the IPython extension while it is loaded."""


@dataclass(eq=False)
class Run:
    """A cell that is running."""

    info: Any
    """IPython's ExecutionInfo, which `post_run_cell` gives back."""
    cell: Cell
    count: int
    """The shell's counter when it began."""
    thread: int
    nested: bool = False
    """Whether another cell runs it."""

    @property
    def key(self) -> str:
        """Says which cell of the notebook this is: its id, or its text where the front end sends no id."""
        return str(getattr(self.info, "cell_id", None) or self.info.raw_cell)


def _before(shell: Any) -> Iterator[Cell]:
    """The cells that ran before the extension was loaded, and the one that loads it: models are defined there."""
    numbers = getattr(shell.compile, "_filename_map", {})  # IPython's own way from a code name to `In [3]`
    raw = getattr(getattr(shell, "history_manager", None), "input_hist_raw", ())
    for filename, number in list(numbers.items()):
        if 0 < number < len(raw) and raw[number].strip():
            yield Cell(filename, number, code_text(raw[number]))


class Running:
    """The cells that are running now, the innermost last, told from IPython's events."""

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._runs: list[Run] = []
        self._shift = 0
        self._count_at_load = shell.execution_count
        for cell in _before(shell):
            known.remember(cell)

    def __contains__(self, run: object) -> bool:
        return run in self._runs

    def __bool__(self) -> bool:
        return bool(self._runs)

    def innermost(self) -> Run | None:
        """The cell that this thread is in."""
        mine = [run for run in self._runs if run.thread == threading.get_ident()]
        return mine[-1] if mine else None

    def enter(self, info: Any) -> Run:
        """A cell begins."""
        count = self._shell.execution_count
        number = count - self._shift
        outer = self.innermost()
        own = number if info.store_history else outer.cell.number if outer else None
        cell = Cell(self._code_name(info, number), own, code_text(info.raw_cell))
        run = Run(info, cell, count, threading.get_ident(), outer is not None)
        self._runs.append(run)
        known.remember(cell)
        return run

    def leave(self, result: Any) -> None:
        """A cell ended (`result` is None when it was cancelled): forget it, and cells in it whose end was not told.

        Events do not come in pairs (an empty cell only ends), so cells are told apart by identity.
        """
        info = getattr(result, "info", None)
        run = next((run for run in self._runs if run.info is info), None)
        top = self.innermost()
        # IPython makes a new info for a cell that an interrupt threw out of its runner.
        if run is None and top and (info is None or info.raw_cell == top.info.raw_cell):
            run = top
        self._learn_number(run, result)
        if run is not None:
            at = self._runs.index(run)
            self._runs[at:] = [other for other in self._runs[at:] if other.thread != run.thread]

    def clear(self) -> None:
        """Forget all running cells."""
        self._runs.clear()

    def _code_name(self, info: Any, number: int) -> str:
        """The file name under which IPython compiles a cell."""
        transformed = getattr(info, "transformed_cell", None)  # since IPython 9
        if transformed is None:
            transformed = self._shell.transform_cell(info.raw_cell)
        return str(self._shell.compile.get_code_name(info.raw_cell, transformed, number))

    def _learn_number(self, run: Run | None, result: Any) -> None:
        """IPython counts a cell before it runs, or (older than 9.10) after: learn which, and set this number right."""
        number = getattr(result, "execution_count", None)
        if number is None or not result.info.store_history:
            return
        self._shift = (run.count if run else self._count_at_load) - number
        if run and number != run.cell.number:
            run.cell = replace(run.cell, number=number)
            known.remember(run.cell)


def set_main(book: Book, what: Run | Cell, at: tuple[str, int] | None) -> None:
    """Make a cell the main source of a book.

    `at` is the code file name and the line where a running cell asked for the recording: below a `%%time` that is not
    the code of the cell itself.  Where `%%time` stands below `%%autograd`, the main source is the code it compiles.
    """
    if isinstance(what, Cell):
        book.main = what.filename
        book.add_cell(what.filename, what.number, what.text)
        return
    raw, number = what.info.raw_cell, what.cell.number
    book.main, line = at or (what.cell.filename, 1)
    if book.main == what.cell.filename or has_header(raw):
        book.add_cell(book.main, number, code_text(raw, line))
    else:  # code that the cell ran silently, such as a notebook by %run
        book.add_cell(book.main, None, "".join(linecache.getlines(book.main)))
    inner = inner_code(raw) if book.main == what.cell.filename else None
    if inner:
        book.main = inner[0]
        book.add_cell(inner[0], number, code_text(raw, line), offset=inner[1])


class PlainTracebacks:
    """Lets IPython print the plain run's frames: it prints an exception before the recording of its cell ends."""

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._before: Any = None
        self._watching = False

    def watch(self, tidy: Callable[[BaseException], None]) -> None:
        """Have `tidy` take the recorder's frames out of whatever the shell is about to show."""
        show = self._shell.showtraceback

        @functools.wraps(show)
        def showtraceback(exc_tuple: Any = None, *args: Any, **kwargs: Any) -> Any:
            error = exc_tuple[1] if exc_tuple else sys.exc_info()[1]
            if isinstance(error, BaseException):
                tidy(error)
            return show(exc_tuple, *args, **kwargs)

        self._before = vars(self._shell).get("showtraceback")
        self._watching = True
        self._shell.showtraceback = showtraceback

    def release(self) -> None:
        """Give the shell back as it was."""
        if not self._watching:
            return
        self._watching = False
        if self._before is None:
            del self._shell.showtraceback
        else:
            self._shell.showtraceback = self._before
