"""`%%autograd` and `%autograd` in a real kernel: options, errors, settings, help, completion, links."""

from __future__ import annotations

from typing import Any

import pytest

from tests.kernel.harness import Kernel, Ran, usage_error

STEP = "w = torch.tensor([3.0], requires_grad=True)\nloss = (w * 2).sum()\nloss.backward()"


def test_a_name_keeps_the_report(kernel: Kernel) -> None:
    ran = kernel.run("%%autograd step\n" + STEP)
    assert ran.kinds == ["report"]
    assert kernel.value("type(step).__module__, type(step).__name__") == "('autograd_magics.report', 'Report')"
    assert kernel.value("step.trace.sources[step.trace.source].text") == repr("%%autograd step\n" + STEP)
    number = int(kernel.value("step.trace.sources[step.trace.source].number"))
    assert number == ran.reply["execution_count"]
    assert kernel.value("step.trace.places[step.trace.backwards[0].places[0]].line") == "4"
    assert ran.reports[0]["text/plain"].startswith(f"In [{number}]")
    assert set(ran.reports[0]) == {"text/html", "text/plain"}


@pytest.mark.parametrize(
    "cell",
    [
        "%%autograd kept\n{}",
        "\n\n%%autograd kept\n\n{}",
        "%%time\n%%autograd kept\n{}",
        "%%autograd kept\n%%time\n{}",
        "%%autograd kept\n    w = 1\n    if w:\n        {}",
        "%%capture\n%%autograd kept\n{}",
        "%%timeit -n 1 -r 1\n%%autograd kept\n{}",
        "get_ipython().run_cell_magic('autograd', 'kept', '{}')",
        "get_ipython().run_cell('%%autograd kept\\n{}');",
    ],
)
def test_places_are_places_in_the_text_that_is_kept(kernel: Kernel, cell: str) -> None:
    kernel.run("kept = None; x = torch.ones(1, requires_grad=True)")
    ran = kernel.run(cell.format("y = x * 2; y.backward()"))
    assert ran.reply["status"] == "ok"
    kernel.run("trace = kept.trace\nplace = trace.places[trace.backwards[0].places[0]]")
    assert kernel.value("place.source == trace.source, trace.sources[place.source].kind") == "(True, 'cell')"
    line = "trace.sources[place.source].text.splitlines()[place.line - 1]"
    assert kernel.value(line).strip("'").strip() == "y = x * 2; y.backward()"
    if kernel.value("place.column") != "None":  # Python 3.10 knows lines only
        assert kernel.value(line + "[place.column:place.end_column]") == "'y.backward()'"
    assert kernel.value("trace.sources[place.source].number") == str(ran.reply["execution_count"])


@pytest.mark.parametrize(("cell", "line"), [("%%autograd kept\n%%time\n{}", 3), ("%%autograd kept\n\n%%time\n\n{}", 5)])
def test_lines_below_an_inner_magic_are_those_of_the_notebook(kernel: Kernel, cell: str, line: int) -> None:
    kernel.run("kept = None; x = torch.ones(1, requires_grad=True)")
    kernel.run(cell.format("y = x * 2; y.backward()"))
    assert kernel.value("kept.trace.places[kept.trace.backwards[0].places[0]].line") == str(line)


def test_without_a_name_nothing_new_is_in_the_namespace(kernel: Kernel) -> None:
    kernel.run("before = set(globals())")
    kernel.run("%%autograd\npass")
    assert kernel.value("sorted(k for k in set(globals()) - before if not k.startswith('_'))") == "['before']"


def test_the_report_of_a_failed_cell_has_the_failure(kernel: Kernel) -> None:
    ran = kernel.run("%%autograd failed\nw = torch.ones(2, requires_grad=True)\n(w * 2).backward()")
    assert ran.kinds == ["error", "report"]
    assert kernel.value("failed.trace.failure.type") == "'RuntimeError'"
    assert kernel.value("'AG102' in [f.code for f in failed.findings]") == "True"


def test_a_finding_names_the_earlier_cell(kernel: Kernel) -> None:
    kernel.run("%%autograd\nw = torch.ones(2, requires_grad=True)\nz = (w * w).sum()")
    freed = kernel.run("%%autograd\nz.backward()")
    ran = kernel.run("%%autograd again\nz.backward()")
    assert ran.kinds == ["error", "report"]
    assert kernel.value("again.findings[0].code") == "'AG101'"
    assert f"In [{freed.reply['execution_count']}]" in ran.reports[0]["text/plain"]


def test_an_earlier_cell_without_the_magic_is_known(kernel: Kernel) -> None:
    earlier = kernel.run("def double(a):\n    return a * 2")
    kernel.run("%%autograd used\ndouble(torch.ones(1, requires_grad=True))")
    sources = kernel.value("[(s.kind, s.number) for s in used.trace.sources]")
    assert f"('cell', {earlier.reply['execution_count']})" in sources


@pytest.mark.parametrize(
    ("line", "part"),
    [
        ("--limt 3", "did you mean --limit?"),
        ("--display page", "expected one of auto, html, widget, text, none"),
        ("2x", "expected a Python identifier"),
        ("'open", "expected [NAME] [options]"),
    ],
)
def test_a_malformed_line_is_one_line_and_nothing_runs(kernel: Kernel, line: str, part: str) -> None:
    kernel.run("ran = False")
    assert part in usage_error(kernel.run(f"%%autograd {line}\nran = True"))
    assert kernel.value("ran") == "False"
    assert kernel.run("%%autograd\nran = True").kinds == ["report"]


@pytest.mark.parametrize("body", ["", "\n", "  \n\n"])
def test_an_empty_cell_is_one_line(kernel: Kernel, body: str) -> None:
    assert "empty" in usage_error(kernel.run("%%autograd\n" + body))


@pytest.mark.parametrize(
    ("display", "kinds"),
    [
        ("auto", ["report"]),
        ("html", ["report"]),
        ("text", ["stdout"]),
        ("none", []),
        ("widget", ["display_data"]),
    ],
)
def test_where_it_is_shown(kernel: Kernel, display: str, kinds: list[str]) -> None:
    for cell in (f"%%autograd kept --display {display}\n{STEP}", f"%autograd show --display {display} loss"):
        ran = kernel.run(cell)
        assert ran.kinds == kinds
        if display == "text":
            assert "3 nodes" in ran.said
        if display == "widget":
            assert "application/vnd.jupyter.widget-view+json" in ran.outputs[0]["data"]
    assert kernel.value("kept.trace.run != ''") == "True"


def test_the_language_and_theme_reach_the_report(kernel: Kernel) -> None:
    kernel.run(f"%%autograd kept --lang pt --theme dark\n{STEP}")
    assert kernel.value("kept.lang, kept.theme") == "('pt_BR', 'dark')"


def test_limit_and_values_reach_the_recorder(kernel: Kernel) -> None:
    kernel.run("%%autograd kept --limit 2 --no-values\nfor _ in range(5): torch.ones(1)")
    assert kernel.value("len(kept.trace.calls), kept.trace.dropped") == "(2, 3)"
    assert kernel.value("{t.value for t in kept.trace.tensors}") == "{None}"
    kernel.run("%%autograd kept --values stats\na = torch.ones(50)")
    assert kernel.value("kept.trace.tensors[0].stats.mean") == "1.0"
    kernel.run("%config AutogradMagics.values = 'all'\n%config AutogradMagics.values_budget = 1")
    assert "memory budget for values" in kernel.run("%%autograd kept --display text\na = torch.ones(50)").said
    assert kernel.value("kept.trace.tensors[0].stats, kept.trace.values_left_out") == "(None, 1)"
    kernel.run("%config AutogradMagics.values = False")
    assert kernel.value("get_ipython().magics_manager.registry['AutogradMagics'].values") == "'none'"


# ---- %autograd


def test_state_and_help(kernel: Kernel) -> None:
    ran = kernel.run("%autograd")
    assert ran.kinds == ["stdout"]
    for part in ("nothing is being recorded", "display='auto'", "limit=20000", "%%autograd [NAME] [options]",
                 "%autograd show EXPR...", "%autograd explain [CODE]", "--no-values"):  # fmt: skip
        assert part in ran.said
    assert "a cell is being recorded" in kernel.run("%%autograd --display none\n%autograd").said


def test_an_unknown_subcommand_is_one_line(kernel: Kernel) -> None:
    said = usage_error(kernel.run("%autograd shw w"))
    assert "unknown 'shw', expected one of on, off, show, grads, explain, check, help; did you mean show?" in said
    assert "unknown 'of'" in usage_error(kernel.run("%autograd of"))


def test_show_is_the_graph_of_tensors_that_exist(kernel: Kernel) -> None:
    kernel.run(STEP.replace("loss.backward()", ""))
    ran = kernel.run("%autograd show loss")
    assert ran.kinds == ["report"]
    assert "MulBackward0" in ran.reports[0]["text/plain"]
    assert kernel.run("%autograd show loss, w * 3").kinds == ["report"]


def test_show_sees_the_variables_of_a_function(kernel: Kernel) -> None:
    ran = kernel.run("def f():\n    inner = torch.ones(1, requires_grad=True) * 5\n    %autograd show inner\nf()")
    assert ran.kinds == ["report"]
    assert "2 nodes" in ran.reports[0]["text/plain"]


@pytest.mark.parametrize(
    ("line", "part"),
    [
        ("show", "got no expression"),
        ("show [1, 2]", "[1, 2] is of type list, expected a torch.Tensor"),
        ("show missing", "the name 'missing' is not known"),
        ("show --limt 3 loss", "did you mean --limit?"),
        ("on --values bogus", "%autograd on: --values got 'bogus'"),
        ("explain AG1011", "'AG1011' is not a finding"),
        ("explain AG1011", "did you mean AG101?"),
    ],
)
def test_bad_arguments_are_one_line(kernel: Kernel, line: str, part: str) -> None:
    assert part in usage_error(kernel.run(f"%autograd {line}"))


def test_explain_prints_the_documentation(kernel: Kernel) -> None:
    ran = kernel.run("%autograd explain ag101")
    assert ran.kinds == ["stdout"]
    assert "AG101" in ran.said and "Bad" in ran.said and "Good" in ran.said


# ---- settings, help, completion


def test_settings(kernel: Kernel) -> None:
    kernel.run("%config AutogradMagics.display = 'text'")
    assert kernel.run(f"%%autograd\n{STEP}").kinds == ["stdout"]
    assert kernel.run(f"%%autograd --display html\n{STEP}").kinds == ["report"]
    listed = kernel.run("%config AutogradMagics").said
    for part in ("AutogradMagics.display", "AutogradMagics.lang", "AutogradMagics.theme", "AutogradMagics.limit",
                 "AutogradMagics.values", "Current: 'text'", "calls after which"):  # fmt: skip
        assert part in listed


@pytest.mark.parametrize(
    ("setting", "part"),
    [
        ("display = 'page'", "got 'page', expected one of auto, html, widget, text, none"),
        ("theme = 3", "got 3, expected one of auto, light, dark"),
        ("limit = 0", "got 0, expected a whole number of 1 or more"),
        ("limit = 'many'", "got 'many', expected a whole number of 1 or more"),
        ("lang = 'xx'", "got 'xx', expected one of en, es, pt_BR, zh_CN"),
        ("values = 'perhaps'", "got 'perhaps', expected one of none, small, stats, all"),
        ("values_budget = -1", "got -1, expected a whole number of 1 or more"),
    ],
)
def test_a_bad_setting_is_one_line_and_the_old_one_stays(kernel: Kernel, setting: str, part: str) -> None:
    name = "get_ipython().magics_manager.registry['AutogradMagics']." + setting.split(" ")[0]
    before = kernel.value(name)
    ran = kernel.run(f"%config AutogradMagics.{setting}")
    assert ran.kinds == ["stderr"]
    assert ran.said.count("\n") == 1
    assert part in ran.said
    assert kernel.value(name) == before
    kernel.run(f"%config AutogradMagics.{setting.split(' ')[0]} = {before}")


def pager(ran: Ran) -> str:
    return str(ran.reply["payload"][0]["data"]["text/plain"])


def test_help_is_complete_and_in_the_language_of_the_user(kernel: Kernel) -> None:
    for code in ("%%autograd?", "%autograd?"):
        assert all(
            flag in pager(kernel.run(code)) for flag in ("--lang", "--display", "--theme", "--limit", "--no-values")
        )
    assert "Run the cell and show what autograd did" in pager(kernel.run("%%autograd?"))
    kernel.run("%config AutogradMagics.lang = 'pt'")
    assert "Roda a célula" in pager(kernel.run("%%autograd?"))
    assert "nada está sendo gravado" in kernel.run("%autograd").said
    assert "opção desconhecida '--limt'" in usage_error(kernel.run("%%autograd --limt\n1"))


def test_completion(kernel: Kernel) -> None:
    assert "%%autograd" in kernel.complete("%%autog")
    if kernel.value("hasattr(__import__('IPython').core.completer, 'context_matcher')") != "True":
        assert kernel.value("get_ipython().Completer.custom_matchers") == "[]"  # IPython older than 8.6
        return
    assert kernel.complete("%%autograd --di") == ["--display"]
    assert kernel.complete("%%autograd --display h") == ["html"]
    assert kernel.complete("%autograd e") == ["explain"]
    assert kernel.complete("%autograd explain AG101") == ["AG101"]
    kernel.run("tensor_here = torch.ones(1); text_here = 'no'")
    assert kernel.complete("%autograd show te") == ["tensor_here"]
    assert "tensor_here" in kernel.complete("%%autograd\ntensor_h")


# ---- the link between the page and the kernel


def opened(ran: Ran) -> list[dict[str, Any]]:
    """States of the widget models that were opened, our links only."""
    states = [comm["data"]["state"] for comm in ran.comms if comm["type"] == "comm_open"]
    return [state for state in states if "run" in state]


def links(kernel: Kernel) -> int:
    return int(kernel.value("len(get_ipython().magics_manager.registry['AutogradMagics']._links)"))


def test_an_interactive_run_has_one_link_for_a_cell(kernel: Kernel) -> None:
    before = links(kernel)
    cell = f"%%autograd linked\n{STEP}\n'one link'"
    first = kernel.run(cell)
    assert [state["run"] for state in opened(first)] == [kernel.value("linked.trace.run")[1:-1]]
    assert first.kinds == ["execute_result", "report"]
    second = kernel.run(cell)
    assert len(opened(second)) == 1
    assert [comm["type"] for comm in second.comms].count("comm_close") >= 1
    assert links(kernel) == before + 1
    kernel.run(f"%%autograd\n{STEP}\n'another cell'")
    assert links(kernel) == before + 2


def test_a_changed_cell_of_a_notebook_is_the_same_cell(kernel: Kernel) -> None:
    if kernel.value("'cell_id' in __import__('inspect').signature(get_ipython().run_cell).parameters") != "True":
        return  # IPython older than 8: cells are told apart by their text
    before = links(kernel)
    for n in range(3):
        assert len(opened(kernel.run(f"%%autograd\n{STEP}\n'version {n}'", cell_id="a-cell"))) == 1
    assert links(kernel) == before + 1


def test_a_cell_without_a_gradient_has_no_link(kernel: Kernel) -> None:
    ran = kernel.run("%%autograd\nx = torch.ones(2).reshape(1, 2)")
    assert ran.kinds == ["report"]
    assert opened(ran) == []


def test_the_selection_in_the_page_comes_to_the_report(kernel: Kernel) -> None:
    kernel.run(f"%%autograd linked\n{STEP}")
    kernel.run("bridge = list(get_ipython().magics_manager.registry['AutogradMagics']._links._bridges.values())[-1]")
    kernel.run("bridge.set_state({'selection': 'c1'})")
    assert kernel.value("linked.selection") == "'c1'"


def test_a_run_without_a_person_has_no_link(kernel: Kernel) -> None:
    ran = kernel.run(f"%%autograd\n{STEP}\n'nobody'", allow_stdin=False)
    assert ran.kinds == ["execute_result", "report"]
    assert opened(ran) == []
