"""What a recording gives: a `Report` holds the trace and its findings and shows itself wherever it is displayed.

* `Report(trace)`: `.trace`, `.graph`, `.findings`; `.to_text()`, `.to_html()`, `.to_svg()`, `.to_graphviz()`,
  `.widget()`; `.show()`, `.save(path)`; `.nodes`, `.calls`, `.saved`, `.gradients`, `.backwards`, `.diff(other)`.
* `load(path)`: a saved report; needs neither torch nor IPython.

The last expression of a cell displays a report by `_repr_mimebundle_`: HTML and text, nothing else.
"""

from __future__ import annotations

import dataclasses
import functools
import html
import pathlib
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from . import texts
from .graph import Graph
from .settings import DISPLAYS, THEMES, is_strict
from .trace import Trace
from .trace_file import load as load_trace
from .trace_file import save as save_trace

if TYPE_CHECKING:
    import graphviz

    from .check import Check
    from .difference import Difference
    from .nudge import Nudges
    from .rows import Rows
    from .rules import Finding
    from .views.boxes import Picture
    from .views.languages import Codes
    from .views.phrases import Phrases

T = TypeVar("T")



class Report:
    """A trace, what was found in it, and how it looks."""

    selection: str = ""
    """Item that is selected in the view (`"c3"`, `"t5"`, `"L0:6"`), kept up to date where a live link exists."""

    def __init__(self, trace: Trace, *, lang: str | None = None, theme: str = "auto") -> None:
        """A report on a trace in a language (None: the machine's) and a theme: `"auto"`, `"light"` or `"dark"`.

        Raises ValueError for a language or theme that is not known.
        """
        if theme not in THEMES:
            raise ValueError(f"theme is {theme!r}; it must be one of {', '.join(THEMES)}")
        self._trace = trace
        self._lang = texts.choose(lang)
        self._theme = theme
        self.trouble: str | None = None
        """Why findings or a view are missing: our own failure, type and text."""

    @classmethod
    def load(cls, path: str | pathlib.Path, *, lang: str | None = None, theme: str = "auto") -> Report:
        """A report on a saved trace; raises `TraceError` when the file is damaged or too new."""
        return cls(load_trace(path), lang=lang, theme=theme)

    def save(self, path: str | pathlib.Path) -> None:
        """Write the trace to a file, gzipped when its name ends in `.gz`."""
        save_trace(self.trace, path)

    # -- what it holds -------------------------------------------------------------------------
    @property
    def trace(self) -> Trace:
        """Everything that was seen."""
        return self._trace

    @property
    def lang(self) -> str:
        """Code of the language of all views."""
        return self._lang

    @property
    def theme(self) -> str:
        """`"auto"`, `"light"` or `"dark"`."""
        return self._theme

    @functools.cached_property
    def graph(self) -> Graph:
        """Answers about the trace."""
        return Graph(self.trace)

    @functools.cached_property
    def findings(self) -> tuple[Finding, ...]:
        """Mistakes and hazards, in the order of the rules."""
        from . import rules
        from .views.listed import Teller

        none: tuple[Finding, ...] = ()
        found = self._guard(lambda: rules.diagnose(self.graph, None if is_strict() else self._note), none)
        words = Teller(self.graph, self.lang)
        return tuple(dataclasses.replace(finding, words=words) for finding in found)

    @functools.cached_property
    def phrases(self) -> Phrases:
        """Words for the rows of the trace, with the minus sign of pictures."""
        from .views import format, phrases

        return phrases.Phrases(self.graph, self.lang, format.MINUS)

    @functools.cached_property
    def pictures(self) -> dict[str, Picture]:
        """The placed `"forward"` and `"backward"` pictures."""
        from .views import languages

        return {name: languages.said(picture, self.lang) for name, picture in self.coded.items()}

    @functools.cached_property
    def coded(self) -> dict[str, Picture]:
        """The same with codes for sentences, which every language has its words for."""
        from .views import languages

        return languages.pictures(self)

    @functools.cached_property
    def codes(self) -> Codes:
        """What `phrases` is for one language, for all of them."""
        from .views import languages

        return languages.Codes(self.graph, self.lang)

    def picture(self, name: str, limit: int | None = None) -> Picture:
        """A placed picture with at most about `limit` boxes."""
        from .views import picture
        from .views.items import Items

        draw = {"forward": picture.forward, "backward": picture.backward}[name]
        marks = Items(self.graph).marks(self.findings)
        return draw(self.graph, phrases=self.phrases, marks=marks, limit=limit or picture.LIMIT)

    @functools.cached_property
    def headline(self) -> str:
        """One sentence that says what happened."""
        from .views import tables

        return tables.headline(self.phrases, len(self.findings), self.quiet)

    @property
    def quiet(self) -> bool:
        """Whether there is nothing of autograd in it."""
        changed = self.trace.nodes or self.trace.backwards or self.trace.changes
        return not (changed or self.graph.operations or self.findings)

    # -- views ---------------------------------------------------------------------------------
    def to_text(self) -> str:
        """For a terminal: at most 80 columns, no colour."""
        from .views import text

        return text.to_text(self)

    def to_svg(self, path: str | pathlib.Path | None = None, *, picture: str = "forward") -> str:
        """The `"forward"` or `"backward"` picture as an SVG; written to a file where a path is given."""
        from .views import svg

        return _written(svg.to_svg(self, picture), path)

    def to_html(self, path: str | pathlib.Path | None = None) -> str:
        """A self-contained page that works offline; written to a file where a path is given."""
        from .views import html as page

        return _written(page.to_html(self, page=True), path)

    def to_graphviz(self, *, picture: str = "forward") -> graphviz.Digraph:
        """The picture for Graphviz; `.source` needs no `dot` program."""
        from .views import dot

        return dot.to_graphviz(self, picture)

    def widget(self, **traits: Any) -> Any:
        """An ipywidgets view with the traits `selection`, `findings`, `theme`, `tab` and `lang`."""
        from .views import widget

        return widget.ReportWidget(self, **traits)

    # -- data ----------------------------------------------------------------------------------
    # Each is a new list of dicts with the same keys in every row; `rows.py` says what ids, sizes and places are.
    @property
    def nodes(self) -> list[dict[str, Any]]:
        """One row for each node of autograd's graph, for `pandas.DataFrame(report.nodes)`.

        `node`, `name` (`"MulBackward0"`), `tensor` (name of what it stands for), `call`, `op`, `origin`, `order` (of
        derivatives, from 1), `module`, `module_type`, `cell`, `file`, `line`; `shape`, `elements`, `dtype`, `device` of
        its result; `parents` (the nodes it leads to), `saved` (tensors), `saved_bytes`, `freed`, `freed_by` (a
        backward), `freed_cell`, `freed_line`, `kept` (at the end), `runs`; of the gradient that reached it `grad_norm`,
        `grad_rms`, `grad_max`, `grad_zeros`, `grad_nan`, `grad_inf`.
        """
        return self._rows.nodes()

    @property
    def calls(self) -> list[dict[str, Any]]:
        """One row for each call of torch's Python API.

        `call`, `op` (`"mul"`), `function` (`"Tensor.mul"`), `result` (its name), `inputs` (names), `code`, `module`,
        `module_type`, `cell`, `file`, `line`; `shape`, `elements`, `dtype`, `device`, `value` (of a single number),
        `requires_grad`, `node` of its first result; `nodes` (how many it made), `saved_bytes`, `inplace`,
        `grad_enabled`, `cut` (why no gradient passes), `error`.
        """
        return self._rows.calls()

    @property
    def saved(self) -> list[dict[str, Any]]:
        """One row for each tensor that a node keeps, or kept, for backward.

        `saved`, `node`, `name` (of the node), `slot`, `tensor` (name), `parameter`, `call`, `op`, `module`,
        `module_type`, `cell`, `file`, `line`, `shape`, `elements`, `dtype`, `device`, `bytes` (of the tensor),
        `storage`, `storage_bytes` (of the memory it lies in), `counted_bytes` (what this row adds to the total: shared
        memory counts once, so their sum is the total), `hidden` (kept through hooks), `freed`, `freed_by`,
        `freed_cell`, `freed_line`, `kept` (at the end).
        """
        return self._rows.saved()

    @property
    def gradients(self) -> list[dict[str, Any]]:
        """One row for each change of a `.grad` and each result of `autograd.grad`, in order of time.

        `tensor` (name), `object` (same number, same tensor), `kind` (`"accumulated"`, `"set"`, `"cleared"`,
        `"zeroed"`, `"changed"`, `"unseen"`, `"earlier"`, `"returned"`), `backward`, `cell`, `file`, `line`; of `.grad`
        after it `shape`, `elements`, `dtype`, `device`, `value` (of a single number), `norm`, `rms`, `max`, `zeros`,
        `nan`, `inf`; the last six with `added_` of what a backward added.  Iterations that are not kept have a `norm`.
        """
        return self._rows.gradients()

    @property
    def backwards(self) -> list[dict[str, Any]]:
        """One row for each run of the engine, those of iterations that are not kept as well.

        `backward` (None of one not kept), `kind`, `root` (name), `loss` (its value, of a single number), `kept`,
        `code`, `cell`, `file`, `line`, `inputs` (names, None for all leaves), `nodes` (run), `leaves` (whose `.grad` it
        changed), `freed_bytes`, `retain_graph`, `create_graph`, `order` (of derivatives), `error`.
        """
        return self._rows.backwards()

    @functools.cached_property
    def _rows(self) -> Rows:
        from .rows import Rows

        return Rows(self.graph)

    def diff(self, other: Report) -> Difference:
        """What another recording has that this one has not, and the other way round; this one is the one before.

        Print the result to read it; it is false where nothing differs, and its `.rows` are plain data.  Raises
        TypeError for anything but a report.
        """
        from .difference import Difference

        if not isinstance(other, Report):
            raise TypeError(f"other is {type(other).__name__} {other!r:.40}; expected a Report: load(path) gives one")
        return Difference(self, other)

    # -- running the recorded calls again ------------------------------------------------------
    def check(self, loss: str, leaf: str) -> Check:
        """Autograd's gradient of `loss` with respect to `leaf` beside central differences, by a replay on copies.

        Raises ValueError, naming the nearest names, for a name that is not known; print the result to read it.
        """
        from .check import check

        return check(self, loss, leaf)

    def nudge(self, request: dict[str, Any]) -> dict[str, Any]:
        """What follows when an element of a leaf changes a little: the answer to a slider of the view."""
        return self._nudges.answer(request)

    @functools.cached_property
    def _nudges(self) -> Nudges:
        from .nudge import Nudges

        return Nudges(self)

    def show(self, display: str = "auto") -> None:
        """Display it: `"html"` in a notebook, `"text"` on a terminal, `"widget"`, or what fits (`"auto"`).

        Raises ValueError for anything else.
        """
        if display not in DISPLAYS:
            raise ValueError(f"display is {display!r}; it must be one of {', '.join(DISPLAYS)}")
        notebook = sys.modules.get("IPython.display")
        shell = sys.modules.get("IPython")
        if display == "text" or notebook is None or shell is None or shell.get_ipython() is None:
            print(self.to_text())
        else:
            notebook.display(self.widget() if display == "widget" else self)

    def __repr__(self) -> str:
        return self._guard(self.to_text, "") or f"<Report: {self.trouble}>"

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        from .views import html as page

        plain = repr(self)
        shown = self._guard(lambda: page.to_html(self), "")
        if not shown:
            trouble = texts.text("view.problem", self.lang, problem=self.trouble)
            shown = f"<pre>{html.escape(plain)}\n\n{html.escape(trouble)}</pre>"
        return {"text/plain": plain, "text/html": shown}

    def _note(self, what: str, error: Exception) -> None:
        """Remember the first failure of ours."""
        self.trouble = self.trouble or f"{what}: {type(error).__name__}: {error}"

    def _guard(self, make: Callable[[], T], fallback: T) -> T:
        """What `make` gives; after a failure of ours the fallback, and the failure in `trouble`."""
        try:
            return make()
        except Exception as error:
            if is_strict():
                raise
            self._note("report", error)
            return fallback


def load(path: str | pathlib.Path, *, lang: str | None = None, theme: str = "auto") -> Report:
    """A report on a saved trace; raises `TraceError` when the file is damaged or too new."""
    return Report.load(path, lang=lang, theme=theme)


def _written(text: str, path: str | pathlib.Path | None) -> str:
    if path is not None:
        pathlib.Path(path).write_text(text, encoding="utf-8")
    return text
