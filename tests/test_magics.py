"""The magics in a shell of this process: what goes wrong around a recording, and what is kept."""

from __future__ import annotations

import builtins
import gc
import sys
import weakref
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from IPython.core.completer import provisionalcompleter
from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell
from traitlets import TraitError
from traitlets.config import Config

from autograd_magics import cells, magics, recorder, report
from autograd_magics.links import KEPT, Links
from autograd_magics.magics import AutogradMagics, magic
from autograd_magics.recording import Recording

STEP = "w = torch.tensor([3.0], requires_grad=True)\nloss = (w * 2).sum()\nloss.backward()"


@pytest.fixture(scope="module")
def module_shell() -> Iterator[InteractiveShell]:
    config = Config()
    config.HistoryManager.enabled = False
    hook = vars(builtins).get("display")
    shell = InteractiveShell.instance(config=config)
    yield shell
    InteractiveShell.clear_instance()
    if hook is None:
        vars(builtins).pop("display", None)


@pytest.fixture
def shell(module_shell: InteractiveShell) -> Iterator[InteractiveShell]:
    """A shell with the extension and nothing of the user's."""
    module_shell.user_ns["torch"] = torch
    magics.load(module_shell)
    yield module_shell
    magics.unload(module_shell)
    module_shell.reset(new_session=True)


def instance(shell: InteractiveShell) -> AutogradMagics:
    found = shell.magics_manager.registry["AutogradMagics"]
    assert isinstance(found, AutogradMagics)
    return found


def test_a_recorded_cell(shell: InteractiveShell, capsys: pytest.CaptureFixture[str]) -> None:
    result = shell.run_cell(f"%%autograd step\n{STEP}\nw.grad.item()", store_history=True)
    assert result.success
    assert result.result == 2.0
    assert isinstance(shell.user_ns["step"], report.Report)
    out = capsys.readouterr().out
    assert out.index("2.0") < out.index("w.grad is [2]")


def test_nothing_is_kept_after_the_cell(shell: InteractiveShell) -> None:
    shell.run_cell(f"%%autograd --display none\n{STEP}")
    assert instance(shell)._active is None
    assert not instance(shell)._running
    weak = weakref.ref(shell.user_ns["loss"])
    for name in ("loss", "w"):
        del shell.user_ns[name]
    gc.collect()
    assert weak() is None


def test_unloading_ends_a_recording(shell: InteractiveShell) -> None:
    shell.run_cell("%%autograd\nfrom autograd_magics import magics\nmagics.unload(get_ipython())\nx = torch.ones(1)")
    assert torch._C._len_torch_function_stack() == 0
    assert "AutogradMagics" not in shell.magics_manager.registry
    assert cells.rewrite not in shell.input_transformers_cleanup


def test_loading_twice_adds_nothing(shell: InteractiveShell) -> None:
    magics.load(shell)
    assert shell.input_transformers_cleanup.count(cells.rewrite) == 1
    assert sum(isinstance(c, AutogradMagics) for c in shell.configurables) == 1


def test_configuration(module_shell: InteractiveShell) -> None:
    given = {"lang": "pt-BR", "display": "text", "limit": 5, "values": False, "values_budget": 9, "theme": "dark"}
    module_shell.config.AutogradMagics = Config(given)
    try:
        magics.load(module_shell)
        settings = instance(module_shell).settings()
    finally:
        magics.unload(module_shell)
        del module_shell.config["AutogradMagics"]
    assert settings == {
        "lang": "pt_BR", "display": "text", "theme": "dark", "limit": 5, "values": "none", "values_budget": 9,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value"),
    [("lang", "xx"), ("lang", 3), ("display", "page"), ("theme", None), ("limit", True), ("limit", 2.5), ("values", 2)],
)
def test_a_bad_setting_is_refused(shell: InteractiveShell, name: str, value: Any) -> None:
    before = getattr(instance(shell), name)
    with pytest.raises(TraitError, match=rf"^AutogradMagics\.{name}: got .*, expected "):
        setattr(instance(shell), name, value)
    assert getattr(instance(shell), name) == before


def test_every_setting_has_help() -> None:
    traits = AutogradMagics.class_own_traits(config=True)
    assert set(traits) == {"lang", "display", "theme", "limit", "values", "values_budget", "details", "leaves"}
    assert all(trait.help for trait in traits.values())


def broken(*_: Any, **__: Any) -> None:
    raise LookupError("broken here")


@pytest.fixture
def forgiving(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AUTOGRAD_MAGICS_STRICT")


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (recorder.Recorder, "__init__"),
        (recorder.Recorder, "start"),
        (report.Report, "__init__"),
        (report.Report, "to_text"),
        (cells, "set_main"),
        (cells, "code_text"),
        (cells.Running, "leave"),
        (cells.Running, "innermost"),
        (magic, "known_sources"),
    ],
)
def test_no_failure_of_ours_reaches_the_cell(
    shell: InteractiveShell, forgiving: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    owner: Any, name: str,
) -> None:  # fmt: skip
    monkeypatch.setattr(owner, name, broken)
    result = shell.run_cell("%%autograd\nx = torch.ones(2) + 1\n'a value'", store_history=True)
    monkeypatch.undo()
    assert result.success
    assert result.result == "a value"
    out = capsys.readouterr().out
    assert "LookupError: broken here" in out
    assert "Error in callback" not in out
    assert torch._C._len_torch_function_stack() == 0


def test_a_missing_anywidget_is_said_in_one_line_and_the_page_is_shown(
    shell: InteractiveShell, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delattr("autograd_magics.views.widget", raising=False)  # set on the package by an earlier import
    monkeypatch.setitem(sys.modules, "autograd_magics.views.widget", None)
    shell.run_cell(f"%%autograd --display widget\n{STEP}")
    lines = capsys.readouterr().out.splitlines()
    assert "pip install anywidget" in lines[0]
    assert any("w.grad is [2]" in line for line in lines[1:])


def test_without_anywidget_there_is_no_link(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("autograd_magics.views.widget", raising=False)  # set on the package by an earlier import
    monkeypatch.setitem(sys.modules, "autograd_magics.views.widget", None)
    links = Links()
    links.open(recorded(), "cell")
    assert len(links) == 0


def recorded() -> report.Report:
    recording = Recording(values=True, limit=100, lang="en", theme="auto")
    with recording:
        torch.ones(1)
    return recording.report


def test_a_cell_has_one_link_and_the_old_one_is_closed() -> None:
    links = Links()
    first, second = recorded(), recorded()
    links.open(first, "cell")
    bridge = links._bridges["cell"]
    links.open(second, "cell")
    links.open(first, "other cell")
    assert len(links) == 2
    assert bridge.comm is None
    assert links._bridges["cell"].run == second.trace.run
    links._bridges["cell"].selection = "c0"
    assert (first.selection, second.selection) == ("", "c0")
    links.close()
    assert len(links) == 0


def test_links_keep_only_the_newest_reports_alive() -> None:
    links = Links()
    shown = recorded()
    links.open(shown, "cell")
    weak = weakref.ref(shown)
    del shown
    for n in range(KEPT):
        assert weak() is not None
        links.open(recorded(), f"cell {n}")
    gc.collect()
    assert weak() is None
    links._bridges["cell"].selection = "c0"
    links.close()


# ---- %autograd on


def said(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().out


def test_on_records_what_follows_and_off_ends_it(
    shell: InteractiveShell, capsys: pytest.CaptureFixture[str]
) -> None:
    shell.run_cell("%autograd on --display text", store_history=True)
    assert "every following cell is recorded" in said(capsys)
    for cell in ("x = 3", STEP, "1 / 0", "w = = 3", "w", "(w * 2).sum().backward()"):
        shell.run_cell(cell, store_history=True)
        shown = "GRADIENTS" in said(capsys)
        assert shown == ("backward" in cell), cell
    always = instance(shell).always
    assert always is not None and always.count == 6
    shell.run_cell("%autograd off", store_history=True)
    said(capsys)
    shell.run_cell(STEP, store_history=True)
    assert said(capsys) == "" and instance(shell).always is None


def test_on_keeps_the_last_report_that_says_something(shell: InteractiveShell) -> None:
    for cell in ("%autograd on step --display none", STEP, "n = len(step.trace.backwards)", "n"):
        shell.run_cell(cell, store_history=True)
    assert shell.user_ns["n"] == 1
    first = shell.user_ns["step"]
    shell.run_cell("with torch.no_grad(): w -= w.grad", store_history=True)
    assert shell.user_ns["step"] is not first and not shell.user_ns["step"].trace.nodes
    assert instance(shell).reports()[0] is shell.user_ns["step"]


def test_on_leaves_alone_what_is_not_run_by_the_user(shell: InteractiveShell) -> None:
    shell.run_cell("%autograd on", store_history=True)
    for cell in ("", "  ", "# nothing", "%who_ls\n!true", "STEP?", "%%writefile -a /dev/null\ntorch"):
        shell.run_cell(cell, store_history=True)
    shell.run_cell("torch.ones(1)")  # as tools do: it goes into no history
    always = instance(shell).always
    assert always is not None and always.count == 0


def test_on_waits_for_torch(shell: InteractiveShell, monkeypatch: pytest.MonkeyPatch) -> None:
    shell.run_cell("%autograd on", store_history=True)
    always = instance(shell).always
    assert always is not None
    monkeypatch.delitem(sys.modules, "torch")
    shell.run_cell("x = 1", store_history=True)
    assert always.count == 0
    monkeypatch.undo()
    shell.run_cell("x = 1", store_history=True)
    assert always.count == 1


def test_a_failure_of_ours_ends_neither_the_cell_nor_on(
    shell: InteractiveShell, forgiving: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shell.run_cell("%autograd on", store_history=True)
    monkeypatch.setattr(recorder.Recorder, "start", broken)
    assert shell.run_cell("torch.ones(2).sum().item()", store_history=True).result == 2.0
    assert "LookupError: broken here" in said(capsys)
    monkeypatch.undo()
    shell.run_cell(STEP, store_history=True)
    assert "w.grad is [2]" in said(capsys)


def test_unloading_ends_on(shell: InteractiveShell) -> None:
    shell.run_cell("%autograd on", store_history=True)
    loaded = instance(shell)
    magics.unload(shell)
    assert loaded.always is None
    magics.load(shell)
    assert instance(shell).always is None


# ---- state, help, codes


def test_the_state_is_one_line(shell: InteractiveShell, capsys: pytest.CaptureFixture[str]) -> None:
    def first() -> str:
        shell.run_cell("%autograd", store_history=True)
        return said(capsys).split("\n")[0]

    shell.run_cell("1", store_history=True)
    said(capsys)
    assert first().startswith("autograd_magics: nothing is being recorded; begin a cell with %%autograd")
    shell.run_cell("%autograd on", store_history=True)
    for cells_so_far in ("0 cells so far", "1 cell so far", "2 cells so far"):
        said(capsys)
        line = first()
        assert cells_so_far in line and line.startswith("%autograd on: every cell after In [")
        shell.run_cell("torch", store_history=True)
    shell.run_cell("%autograd off", store_history=True)
    said(capsys)
    shell.run_cell("%%autograd --display none\n%autograd", store_history=True)
    assert said(capsys).startswith("autograd_magics: a cell is being recorded.\n")


@pytest.mark.parametrize(
    "line", ["%autograd help", "%autograd --help", "%autograd -h", "%autograd on step --help", "%%autograd --help"]
)
def test_help_is_what_the_magic_alone_prints(
    shell: InteractiveShell, capsys: pytest.CaptureFixture[str], line: str
) -> None:
    shell.run_cell("%autograd", store_history=True)
    alone = said(capsys)
    assert "--values WHAT" in alone
    assert shell.run_cell(line, store_history=True).success
    assert said(capsys) == alone
    assert instance(shell).always is None


@pytest.mark.parametrize("head", ["%%autograd --help", "%%autograd -h", "%%autograd step --display text --help"])
def test_a_cell_below_a_request_for_help_runs_as_without_it(
    shell: InteractiveShell, capsys: pytest.CaptureFixture[str], head: str
) -> None:
    assert shell.run_cell(f"{head}\nran = True", store_history=True).success
    assert "--values WHAT" in said(capsys)
    assert shell.user_ns["ran"] is True and "step" not in shell.user_ns


def test_help_asked_for_below_another_magic_keeps_nothing_from_running(
    shell: InteractiveShell, capsys: pytest.CaptureFixture[str]
) -> None:
    assert shell.run_cell("%%time\n%%autograd step --help\nran = 6\nran * 7", store_history=True).result == 42
    out = said(capsys)
    assert "--values WHAT" in out and "Wall time" in out
    assert shell.user_ns["ran"] == 6 and "step" not in shell.user_ns
    assert shell.run_cell_magic("autograd", "-h", "ran = 8\nran + 1") == 9
    assert shell.run_cell_magic("autograd", "-h", " ") is None and shell.user_ns["ran"] == 8


def test_a_prefix_lists_its_codes(shell: InteractiveShell, capsys: pytest.CaptureFixture[str]) -> None:
    shell.run_cell("%autograd explain ag2", store_history=True)
    lines = said(capsys).splitlines()
    assert [line.split("  ")[0] for line in lines] == ["AG201", "AG202", "AG203", "AG204", "AG205"]
    assert lines[1] == "AG202  Backward added to an old gradient"
    shell.run_cell("%autograd explain", store_history=True)
    groups = [block.splitlines() for block in said(capsys).strip().split("\n\n")]
    assert tuple(line[:5] for group in groups for line in group) == magics.completion.codes()
    assert all(len({line[:3] for line in group}) == 1 and all(line[7:] for line in group) for group in groups)


@pytest.mark.parametrize(("given", "hint"), [("AGX", ""), ("AG9", ""), ("AG1011", "; did you mean AG101?")])
def test_what_is_no_code(shell: InteractiveShell, given: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        instance(shell).autograd_line(f"explain {given}", {})
    assert str(caught.value).endswith("stands alone" + hint)


# ---- Tab


def tab(shell: InteractiveShell, line: str) -> list[str]:
    """What the shell offers at the end of a line."""
    with provisionalcompleter():
        return [one.text for one in shell.Completer.completions(line, len(line))]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("%autograd ", ["on", "off", "show", "grads", "explain", "check", "help"]),
        ("%autograd gr", ["grads"]),
        ("%autograd grads ", ["model.bias", "model.weight", "w"]),
        ("%autograd show lo", ["loss"]),
        ("%autograd explain AG20", ["AG201", "AG202", "AG203", "AG204", "AG205"]),
        ("%autograd on --v", ["--values"]),
        ("%autograd on --values st", ["stats"]),
        ("%%autograd --values=st", ["stats"]),
        ("%autograd check w", ["w"]),
    ],
)
def test_tab(shell: InteractiveShell, line: str, expected: list[str]) -> None:
    shell.run_cell(f"%%autograd --display none\n{STEP}")
    shell.run_cell("text = 'w'; model = torch.nn.Linear(1, 1); frozen = torch.ones(1)")
    assert sorted(tab(shell, line)) == sorted(expected)


def test_tab_by_the_hook_of_an_older_ipython(shell: InteractiveShell, monkeypatch: pytest.MonkeyPatch) -> None:
    magics.unload(shell)
    monkeypatch.setattr(magics.completion, "_matcher", lambda _: None)
    magics.load(shell)
    assert shell.Completer.custom_matchers == []
    assert {"grads", "show"} <= set(tab(shell, "%autograd "))
    assert "--display" in tab(shell, "%%autograd --di")
    magics.unload(shell)
    assert "--display" not in tab(shell, "%%autograd --di")
    magics.load(shell)
