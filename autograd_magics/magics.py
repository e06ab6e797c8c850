"""`%%autograd` and `%autograd`: the extension's side of IPython.

A cell that begins with `%%autograd` is not run by us: an input transformer (`cells.rewrite`) puts a call of
`AutogradMagics.start` in place of that line, IPython runs the cell as it always does, and `post_run_cell` ends the
recording.  So everything about the cell stays as it is: `Out`, `await`, `!cmd`, tracebacks, errors, interrupts.
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
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError
from IPython.core.magic import Magics, cell_magic, line_magic, magics_class, needs_local_scope, no_var_expand
from IPython.display import display
from traitlets import Bool, Enum, Int, TraitError, Unicode

from . import cells, expressions, options, settings
from .cells import Run, Running
from .links import Links
from .options import OptionError, Options
from .recording import known_sources
from .settings import is_strict
from .texts import choose, text

try:
    from IPython.core.magic import output_can_be_silenced as _silenced

    output_can_be_silenced: Any = _silenced
except ImportError:  # IPython 7.34, which Colab has
    output_can_be_silenced = no_var_expand  # said twice, it changes nothing


if TYPE_CHECKING:
    from .recorder import Recorder
    from .recorder.sources import SourceBook
    from .report import Report


class _OneLine:
    """Makes a trait refuse a bad value in one line that says what was expected."""

    name: str

    def error(self, obj: Any, value: Any, error: Any = None, info: str | None = None) -> None:
        lang = obj.words if obj is not None else "en"
        expected = options.expected(self.name, lang)
        raise TraitError(text("magic.bad_setting", lang, name=self.name, given=repr(value), expected=expected))


class _Choice(_OneLine, Enum):
    pass


class _Switch(_OneLine, Bool):
    pass


class _Count(_OneLine, Int):
    def validate(self, obj: Any, value: Any) -> Any:
        return value if type(value) is int and value > 0 else self.error(obj, value)


class _Language(_OneLine, Unicode):
    def validate(self, obj: Any, value: Any) -> Any:
        try:
            return choose(value) if value else ""
        except (ValueError, AttributeError):
            return self.error(obj, value)


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
    matcher: Any = None
    lang = _Language("", help=text("magic.help.lang")).tag(config=True)
    display = _Choice(options.DISPLAYS, "auto", help=text("magic.help.display")).tag(config=True)
    theme = _Choice(settings.THEMES, "auto", help=text("magic.help.theme")).tag(config=True)
    limit = _Count(settings.LIMIT, help=text("magic.help.limit")).tag(config=True)
    values = _Switch(True, help=text("magic.help.values")).tag(config=True)

    def __init__(self, shell: Any) -> None:
        self._active: Active | None = None
        self._running = Running(shell)
        self._tracebacks = cells.PlainTracebacks(shell)
        self._links = Links()
        self._troubles: list[str] = []
        super().__init__(shell)
        self.document()
        self.observe(self.document, "lang")

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
        if not cell.strip():
            raise UsageError(text("magic.empty_cell", self.words))
        given = self._options(line)
        number = run.cell.number if (run := self._running.innermost()) else None
        try:
            name, body, last = cells.compile_cell(self.shell, cell, number or 0)
        except cells.TopLevelAwait:
            raise UsageError(text("magic.no_await", self.words)) from None
        mine = self._active is None
        if mine:
            self._begin(given, cells.Cell(name, number, f"%%autograd {line}".rstrip() + "\n" + cell))
        else:
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
        if not command:
            print(self._state())
        elif command == "show":
            self._show_expressions(rest, {**self.shell.user_ns, **(local_ns or {})})
        elif command == "explain":
            self._explain(rest.strip())
        else:
            raise UsageError(self._unknown("magic.unknown_command", command, options.COMMANDS))

    def _state(self) -> str:
        now = text("magic.recording" if self._active else "magic.idle", self.words, cells=len(cells.known))
        settings = "  ".join(f"{name}={value!r}" for name, value in self._settings().items())
        usage, flags = options.usage_lines(self.words), options.option_lines(self.words)
        return "\n".join((now, settings, text("magic.config", self.words), "", usage, "", flags))

    def _show_expressions(self, line: str, names: dict[str, Any]) -> None:
        try:
            given, found = expressions.read(line, Options(**self._settings()), names, self.words)
        except OptionError as error:
            raise UsageError(str(error)) from None
        self._need_torch()
        from .recorder import graph_of
        from .report import Report

        trace = graph_of(found, sources=known_sources(None), namespace=self.shell.user_ns)
        report = Report(trace, lang=choose(given.lang or None), theme=given.theme)
        self._present(report, given, self._running.innermost())

    def _explain(self, code: str) -> None:
        from .rules import explain

        if code.upper() not in _codes():
            raise UsageError(self._unknown("magic.unknown_code", code, _codes()))
        print(explain(code))

    def _unknown(self, key: str, given: str, known: tuple[str, ...]) -> str:
        hint = options.nearest(given, known, self.words)
        return text(key, self.words, given=given, known=", ".join(known), hint=hint)

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
            return options.parse(line, Options(**self._settings()), self.words)
        except OptionError as error:
            raise UsageError(str(error)) from None

    def _settings(self) -> dict[str, Any]:
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(Options) if f.name != "name"}

    def _need_torch(self) -> None:
        if sys.modules.get("torch") is None and importlib.util.find_spec("torch") is None:
            raise UsageError(text("magic.no_torch", self.words))

    @_guarded
    def _begin(self, given: Options, what: Run | cells.Cell, at: tuple[str, int] | None = None) -> None:
        self._need_torch()
        from .recorder import AlreadyRecording, Recorder, tidy

        book = known_sources(None)
        cells.set_main(book, what, at)
        keep = {"limit": given.limit, "values": given.values, "strict": is_strict()}
        recorder = Recorder(sources=book, namespace=self.shell.user_ns, **keep)
        try:
            recorder.start()
        except AlreadyRecording:
            print(text("magic.already", self.words))
        else:
            self._tracebacks.watch(tidy)
            self._active = Active(recorder, book, given, what if isinstance(what, Run) else None, at)

    def _say_already(self, at: tuple[str, int] | None) -> None:
        """Answer a second recording inside the first, once; `%%timeit` repeating its own start is no second one."""
        active = self._active
        if active and not active.told and (at is None or at != active.started_at):
            active.told = True
            print(text("magic.already", self.words))

    @_guarded
    def pre_run_cell(self, info: Any) -> None:
        """A cell begins."""
        self._running.enter(info)

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
                self._finish((result.error_before_exec or result.error_in_exec) if result else asyncio.CancelledError())
            while self._troubles and not self._running:
                print(self._troubles.pop(0))

    @_guarded
    def _finish(self, error: BaseException | None) -> None:
        """End the recording, keep the report and show it."""
        active, self._active = self._active, None
        self._tracebacks.release()
        if active is None:
            return
        try:
            if active.run:
                cells.set_main(active.book, active.run, active.started_at)  # its execution count is sure only now
        finally:
            trace = active.recorder.stop(error)
        from .report import Report

        report = Report(trace, lang=choose(active.options.lang or None), theme=active.options.theme)
        if active.options.name:
            self.shell.user_ns[active.options.name] = report
        self._present(report, active.options, active.run or self._running.innermost())

    def trouble(self, error: Exception) -> None:
        """A failure of ours: one line under the result of the cell; where tests ask for it, it is raised."""
        if is_strict():
            raise error
        self._troubles.append(text("magic.trouble", self.words, problem=f"{type(error).__name__}: {error}"))
        if not self._running:
            print(self._troubles.pop())

    # ---- showing

    def _present(self, report: Report, given: Options, run: Run | None) -> None:
        where = given.display if given.display != "auto" else "html" if hasattr(self.shell, "kernel") else "text"
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
        cells.known.clear()


def _codes() -> tuple[str, ...]:
    from .rules import rules

    return tuple(rule.code for rule in rules())


def _completer(names: dict[str, Any]) -> Any:
    """A matcher for IPython's completer over the user's names, None where it is too old to take one."""
    try:
        from IPython.core.completer import SimpleCompletion, context_matcher
    except ImportError:
        return None

    @context_matcher(identifier="autograd_magics")
    def options_of_autograd(context: Any) -> dict[str, Any]:
        offers = {"explain": _codes, "show": lambda: (k for k, v in names.items() if expressions.is_tensor(v))}
        found = options.complete(context.text_until_cursor, offers)
        return {"completions": [SimpleCompletion(text=word, type="param") for word in found], "suppress": bool(found)}

    return options_of_autograd


def load(shell: Any) -> None:
    """Add the magics to a shell; nothing where they are already there."""
    if AutogradMagics.__name__ in shell.magics_manager.registry:
        return
    try:
        magics = AutogradMagics(shell)
    except TraitError as error:
        shell.configurables[:] = [c for c in shell.configurables if not isinstance(c, AutogradMagics)]
        raise UsageError(str(error)) from None
    shell.register_magics(magics)
    shell.input_transformers_cleanup.append(cells.rewrite)  # a property without setter: never `+=`
    shell.events.register("pre_run_cell", magics.pre_run_cell)
    shell.events.register("post_run_cell", magics.post_run_cell)
    magics.matcher = _completer(shell.user_ns)
    if magics.matcher is not None:
        shell.Completer.custom_matchers.append(magics.matcher)


def unload(shell: Any) -> None:
    """Take everything that `load` added away again."""
    magics = shell.magics_manager.registry.pop(AutogradMagics.__name__, None)
    if magics is None:
        return
    magics.close()
    shell.events.unregister("pre_run_cell", magics.pre_run_cell)
    shell.events.unregister("post_run_cell", magics.post_run_cell)
    shell.input_transformers_cleanup.remove(cells.rewrite)
    for kind in ("cell", "line"):
        shell.magics_manager.magics[kind].pop(options.MAGIC, None)
    shell.configurables.remove(magics)
    if magics.matcher is not None:
        shell.Completer.custom_matchers.remove(magics.matcher)
