"""The two magics and the life of a recording.

A cell that begins with `%%autograd` is not run by us: an input transformer (`cells.rewrite`) puts a call of
`AutogradMagics.start` in place of that line, IPython runs the cell as it always does, and `post_run_cell` ends the
recording.  So everything about the cell stays as it is: `Out`, `await`, `!cmd`, tracebacks, errors, interrupts.
After `%autograd on` the same recording begins in `pre_run_cell`, and the cell is not changed at all.
The cell magic itself is left for help and for `run_cell_magic()` from code.
"""

# mypy: allow-untyped-decorators, allow-untyped-calls, disable-error-code="arg-type,misc,type-arg"
# (what IPython and traitlets say about their types differs from release to release)

from __future__ import annotations

import asyncio
import dataclasses
import functools
import importlib.util
import sys
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError
from IPython.core.magic import Magics, cell_magic, line_magic, magics_class, needs_local_scope, no_var_expand
from IPython.display import display

from .. import cells, options, settings
from ..cells import Run, Running
from ..links import Links
from ..options import OptionError, Options
from ..recording import known_sources
from ..settings import is_strict
from ..texts import choose, text
from . import commands
from .always import Always, wants, worth_showing
from .traits import Choice, Count, Language, Policy

try:
    from IPython.core.magic import output_can_be_silenced as _silenced

    output_can_be_silenced: Any = _silenced
except ImportError:  # IPython 7.34, which Colab has
    output_can_be_silenced = no_var_expand  # said twice, it changes nothing


if TYPE_CHECKING:
    from ..recorder import Recorder
    from ..recorder.sources import SourceBook
    from ..report import Report


@dataclass(eq=False)
class Active:
    """The recording that is going on."""

    recorder: Recorder
    book: SourceBook
    options: Options
    run: Run | None
    """The cell whose end ends it; None where the cell magic itself does."""
    started_at: tuple[str, int] | None
    """Code file name and line of the call that started it."""
    asked: bool
    """Whether the cell itself asks for it; not where `%autograd on` did."""
    told: bool = False
    """Whether a second recording inside this one was already answered."""


def _guarded(method: Callable[..., None]) -> Callable[..., None]:
    """No failure of ours gets out of this method into the cell; a UsageError, which is the user's, does."""

    @functools.wraps(method)
    def guarded(self: AutogradMagics, *args: Any) -> None:
        try:
            method(self, *args)
        except UsageError:
            raise
        except Exception as error:
            self.trouble(error)

    return guarded


@magics_class
class AutogradMagics(Magics):
    """Settings of %%autograd."""

    shell: Any
    lang = Language("", help=options.option_help("lang", "en")).tag(config=True)
    display = Choice(options.DISPLAYS, "auto", help=text("magic.help.display")).tag(config=True)
    theme = Choice(settings.THEMES, "auto", help=text("magic.help.theme")).tag(config=True)
    limit = Count(settings.LIMIT, help=text("magic.help.limit")).tag(config=True)
    values = Policy(settings.VALUES, "small", help=text("magic.help.values")).tag(config=True)
    values_budget = Count(settings.VALUES_BUDGET, help=text("magic.help.values_budget")).tag(config=True)
    details = Count(settings.limits.details, help=text("magic.help.details")).tag(config=True)
    leaves = Count(settings.limits.leaves, help=text("magic.help.leaves")).tag(config=True)

    def __init__(self, shell: Any) -> None:
        self.always: Always | None = None
        self._active: Active | None = None
        self._reports: list[weakref.ref[Report]] = []
        self._last: Report | None = None
        self._running = Running(shell)
        self._tracebacks = cells.PlainTracebacks(shell)
        self._links = Links()
        self._troubles: list[str] = []
        super().__init__(shell)
        self.document()
        self.observe(self.document, "lang")
        self.observe(lambda change: setattr(settings.limits, change["name"], change["new"]), ["details", "leaves"])

    @property
    def words(self) -> str:
        """Code of the language to speak."""
        return choose(self.lang or None)

    def document(self, _change: Any = None) -> None:
        """Put the help that `?` shows into the language in use."""
        functions = vars(type(self))
        functions["autograd_cell"].__doc__ = options.cell_help(self.words)
        functions["autograd_line"].__doc__ = options.line_help(self.words)

    # ---- the two magics

    @no_var_expand
    @output_can_be_silenced
    @cell_magic("autograd")
    def autograd_cell(self, line: str, cell: str) -> Any:
        __tracebackhide__ = True
        asks = options.asks_for_help(line)
        if asks:  # the cell below runs as without it, and is not recorded
            print(commands.state(self))
        if not cell.strip():
            if asks:
                return None
            raise UsageError(text("magic.empty_cell", self.words))
        given = None if asks else self._options(line)
        number = run.cell.number if (run := self._running.innermost()) else None
        try:
            name, body, last = cells.compile_cell(self.shell, cell, number or 0)
        except cells.TopLevelAwait:
            raise UsageError(text("magic.no_await", self.words)) from None
        mine = given is not None and self._active is None
        if given is not None and mine:
            self._begin(given, cells.Cell(name, number, f"%%autograd {line}".rstrip() + "\n" + cell))
        elif given is not None:
            self._say_already(None)
        error: BaseException | None = None
        try:
            exec(body, self.shell.user_ns)
            return eval(last, self.shell.user_ns) if last else None
        except BaseException as raised:
            error = raised
            raise
        finally:
            if mine:
                self._finish(error)
            del error  # its traceback holds this frame

    @no_var_expand
    @needs_local_scope
    @line_magic("autograd")
    def autograd_line(self, line: str, local_ns: dict[str, Any] | None = None) -> None:
        command, _, rest = line.strip().partition(" ")
        try:
            commands.run(self, command, rest.strip(), {**self.shell.user_ns, **(local_ns or {})})
        except OptionError as error:
            raise UsageError(str(error)) from None

    # ---- what the subcommands ask and do

    def settings(self) -> dict[str, Any]:
        """The settings as keywords of `Options`."""
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(Options) if f.name != "name"}

    def need_torch(self) -> None:
        """Raise a UsageError where PyTorch is not installed."""
        if sys.modules.get("torch") is None and importlib.util.find_spec("torch") is None:
            raise UsageError(text("magic.no_torch", self.words))

    @property
    def recording(self) -> bool:
        """Whether a recording is going on."""
        return self._active is not None

    @property
    def number(self) -> int | None:
        """Execution count of the cell that is running."""
        run = self._running.innermost()
        return run.cell.number if run else None

    def reports(self) -> list[Report]:
        """The reports that there still are, newest first: the last one, and those that the user kept."""
        return [report for ref in reversed(self._reports) if (report := ref()) is not None]

    # ---- the life of a recording

    @_guarded
    def start(self, line: str) -> None:
        """What the first line of a `%%autograd` cell was turned into."""
        given = self._options(line)
        frame: Any = sys._getframe(1)
        while frame is not None and frame.f_globals is not self.shell.user_ns:
            frame = frame.f_back
        at = (frame.f_code.co_filename, frame.f_lineno) if frame else None
        run = self._running.innermost()
        if self._active is not None:
            self._say_already(at)
        elif run is not None:  # a silent run has no end that we would be told of
            if at:
                cells.show_as_written(*at, line)
            self._begin(given, run, at)

    def _options(self, line: str) -> Options:
        try:
            return options.parse(line, Options(**self.settings()), self.words)
        except OptionError as error:
            raise UsageError(str(error)) from None

    @_guarded
    def _begin(
        self, given: Options, what: Run | cells.Cell, at: tuple[str, int] | None = None, asked: bool = True
    ) -> None:
        self.need_torch()
        from ..recorder import AlreadyRecording, Recorder, tidy

        book = known_sources(None)
        cells.set_main(book, what, at)
        keep: dict[str, Any] = {name: getattr(given, name) for name in ("limit", "values", "values_budget")}
        recorder = Recorder(sources=book, namespace=self.shell.user_ns, strict=is_strict(), **keep)
        try:
            recorder.start()
        except AlreadyRecording:
            print(text("magic.already", self.words))
        else:
            self._tracebacks.watch(tidy)
            self._active = Active(recorder, book, given, what if isinstance(what, Run) else None, at, asked)

    def _say_already(self, at: tuple[str, int] | None) -> None:
        """Answer a second recording inside the first, once; `%%timeit` repeating its own start is no second one."""
        active = self._active
        if active and not active.told and (at is None or at != active.started_at):
            active.told = True
            print(text("magic.already", self.words))

    @_guarded
    def pre_run_cell(self, info: Any) -> None:
        """A cell begins."""
        run = self._running.enter(info)
        if self.always is not None and self._active is None and wants(run):
            self.always.count += 1
            self._begin(self.always.options, run, None, False)

    @_guarded
    def post_run_cell(self, result: Any) -> None:
        """A cell ended: by itself, by an exception, or (`result` is None) because it was cancelled."""
        try:
            self._running.leave(result)
        except Exception:
            self._running.clear()  # or the recording would never end
            raise
        finally:
            active = self._active
            if active and active.run and active.run not in self._running:
                stopped = result.error_before_exec if result else None
                self._finish(stopped or (result.error_in_exec if result else asyncio.CancelledError()), stopped is None)
            while self._troubles and not self._running:
                print(self._troubles.pop(0))

    @_guarded
    def _finish(self, error: BaseException | None, ran: bool = True) -> None:
        """End the recording, keep the report and show it.

        A cell that did not ask for it shows nothing where it never ran, or did nothing of autograd's.
        """
        active, self._active = self._active, None
        self._tracebacks.release()
        if active is None:
            return
        try:
            if active.run:
                cells.set_main(active.book, active.run, active.started_at)  # its execution count is sure only now
        finally:
            trace = active.recorder.stop(error)
        from ..report import Report

        report = Report(trace, lang=choose(active.options.lang or None), theme=active.options.theme)
        if not active.asked and not (ran and worth_showing(report)):
            return
        self._keep(report)
        if active.options.name:
            self.shell.user_ns[active.options.name] = report
        self.present(report, active.options, active.run)

    def _keep(self, report: Report) -> None:
        """Know a report for later: strongly until the next one comes, then for as long as the user keeps it."""
        self._last = report
        self._reports = [ref for ref in self._reports if ref() is not None]
        self._reports.append(weakref.ref(report))

    def trouble(self, error: Exception) -> None:
        """A failure of ours: one line under the result of the cell; where tests ask for it, it is raised."""
        if is_strict():
            raise error
        self._troubles.append(text("magic.trouble", self.words, problem=f"{type(error).__name__}: {error}"))
        if not self._running:
            print(self._troubles.pop())

    # ---- showing

    def where(self, given: Options) -> str:
        """Where to show something: as asked, or what fits."""
        return given.display if given.display != "auto" else "html" if hasattr(self.shell, "kernel") else "text"

    def present(self, report: Report, given: Options, run: Run | None = None) -> None:
        """Show a report below what is running."""
        run = run or self._running.innermost()
        where = self.where(given)
        if where == "widget":
            try:
                display(report.widget())
            except ImportError as error:
                print(text("magic.no_widget", self.words, problem=error))
                where = "html"
        if where == "text":
            print(report.to_text())
        elif where == "html":
            display(report)
            # A hint only: True where a person sits before a page, False where a notebook is just executed.
            if not report.quiet and getattr(getattr(self.shell, "kernel", None), "_allow_stdin", False):
                self._links.open(report, run.key if run else "")

    def close(self) -> None:
        """Stop what is going on and let go of everything."""
        active, self._active = self._active, None
        self._tracebacks.release()
        if active is not None:
            active.recorder.stop(None)
        self._links.close()
        self._running.clear()
        self.always, self._last = None, None
        self._reports.clear()
        cells.known.clear()
