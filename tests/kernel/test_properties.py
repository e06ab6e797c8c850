"""A cell behind `%%autograd` is the same cell: every property compared with the plain run, in a real kernel.

The plain run has a comment in place of the first line, so that even line numbers and tracebacks must be equal.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import pytest

from tests.kernel.harness import Kernel, Ran


@dataclass(frozen=True)
class Case:
    """A cell, what is run before it, and expressions whose values afterwards must be the same."""

    body: str
    before: str = ""
    probe: tuple[str, ...] = ()
    after: str = ""
    status: str = "ok"
    bare: bool = False
    """The plain run has no line in place of `%%autograd`: below a comment a cell magic would not be one, and the
    indent of a whole cell would not be taken off."""
    said: str = ""
    """What must be in the output, so that two empty runs do not count as equal."""


FORGET_WARNINGS = "import IPython; vars(IPython.core.interactiveshell).pop('__warningregistry__', None);"

CASES = {
    "value of the last expression": Case("x = 41\nx + 1", probe=("x",), after="_ + 1", said="42"),
    "Out and In": Case("'kept'", probe=("Out[max(Out)]", "_", "In[-1][-6:]", "_ih[-1][-6:]"), said="kept"),
    "semicolon silences": Case("print('seen')\n41 + 1;", probe=("'_' in globals()",), said="seen"),
    "all values shown": Case("1\n2\n3", before="get_ipython().ast_node_interactivity = 'all'", said="2",
                             after="get_ipython().ast_node_interactivity = 'last_expr'"),
    "no value shown": Case("3\nx = 4", probe=("x",)),
    "both streams and displays, in order": Case(
        "import sys\nprint('one', flush=True)\nprint('two', file=sys.stderr, flush=True)\ndisplay(3)\n4", said="two"),
    "top-level await": Case("import asyncio\nawait asyncio.sleep(0)\nx = 5\nx", probe=("x",), said="5"),
    "async comprehension": Case(
        "async def count():\n    for i in range(3):\n        yield i\n[i async for i in count()]", said="[0, 1, 2]"),
    "async with and for": Case(
        "import contextlib\n@contextlib.asynccontextmanager\nasync def opened():\n    yield 8\n"
        "async with opened() as x:\n    print(x)", probe=("x",), said="8"),
    "shell command": Case("!echo from the shell", said="from the shell"),
    "captured shell command": Case("files = !echo captured\nfiles", probe=("list(files)",), said="captured"),
    "line magic": Case("name = 'zzz'\n%who_ls str", said="['name']"),
    "line magic with variables": Case("name = 'zzz'\n%env AGM_NAME={name}", said="zzz"),
    "help": Case("x = 3\nx?"),
    "another cell magic below": Case("%%writefile -a written.txt\ncontent", said="Appending to written.txt",
                                     before="open('written.txt', 'w').close()", probe=("open('written.txt').read()",)),
    "a cell magic that returns a value": Case(
        "%%shout --loud\nhello", said="'--loud HELLO",
        before="get_ipython().register_magic_function(lambda l, c: f'{l} {c.upper()}', 'cell', 'shout')"),
    "%%time below": Case("%%time\nx = 6\nx * 7", probe=("x",), said="42"),
    "%%capture below": Case("%%capture caught\nprint('inside')\n3", probe=("caught.stdout", "len(caught.outputs)")),
    "unknown cell magic below": Case("%%nosuchmagic\nx", status="error", said="nosuchmagic"),
    "error in a line": Case("x = 1\nx / 0\nprint('not reached')", status="error", said="ZeroDivisionError"),
    "error leaves what ran before": Case("before = 7\nraise KeyError('k')\nbefore = 8", probe=("before",),
                                         status="error", said="KeyError"),
    "error in a function of the cell": Case("def f(a):\n    return a / 0\n\nf(3)", status="error", said="in f(a)"),
    "error with a cause": Case("try:\n    1 / 0\nexcept ZeroDivisionError as e:\n    raise ValueError('new') from e",
                               status="error", said="direct cause"),
    "error in torch": Case("a = torch.ones(2, 3)\na @ a", status="error", said="mat1 and mat2"),
    "error in backward": Case("w = torch.ones(3, requires_grad=True)\ny = w * 2\ny.backward()", status="error",
                              said="grad can be implicitly created only for scalar outputs"),
    "error in a module": Case("m = torch.nn.Linear(2, 1)\nm(torch.ones(3))", status="error", said="mat1 and mat2"),
    "error in a tensor method": Case("torch.ones(3).reshape(2)", status="error", said="invalid for input of size 3"),
    "syntax error": Case("x = 1\ny = = 2", status="error", said="line 3"),
    "indentation error": Case("if True:\nx = 1", status="error", said="line 3"),
    "unclosed bracket": Case("x = (1,\n", status="error", said="line 2"),
    "exit": Case("raise SystemExit(3)", before=FORGET_WARNINGS, status="error", said="SystemExit"),
    "assertion": Case("assert 1 == 2, 'unequal'", status="error", said="unequal"),
    "function called later": Case("def g(a):\n    return a / 0", after="g(1)"),
    "source of a function": Case("import inspect\ndef h(a):\n    return a + 1",
                                 after="print(inspect.getsource(h)); h.__code__.co_firstlineno"),
    "future import": Case("from __future__ import annotations\ndef k(a: notdefined): pass",
                          after="def later(a: notdefined): pass",
                          probe=("get_ipython().compile.reset_compiler_flags()",)),
    "only a comment": Case("# nothing else"),
    "blank lines first": Case("\n\n\nx = 9\n1 / 0", status="error", said="----> 6 1 / 0"),
    "indented throughout": Case("    x = 1\n    if x:\n        x += 1\n    x", bare=True, probe=("x",), said="2"),
    "strings of several lines": Case("s = '''\n%%autograd\n  two\n'''\ns", probe=("s",), said="two"),
    "cells run by the cell": Case("print(1)\nr = get_ipython().run_cell('print(2)\\n3')\n4", said="3"),
    "warning of the user": Case("import warnings\nwarnings.warn('take care')", said="UserWarning: take care"),
    "warning of torch": Case("x = torch.ones(1, requires_grad=True)\ny = x * 2\ny.grad", said="non-leaf"),
    "random numbers": Case("torch.manual_seed(3)\ntorch.rand(3)", probe=("torch.rand(2)",), said="tensor("),
    "gradients": Case("w = torch.tensor([2.0], requires_grad=True)\n((w * 3) ** 2).sum().backward()\nw.grad",
                      probe=("w.grad",), said="36"),
    "grad mode left off": Case("_ = torch.set_grad_enabled(False)", probe=("torch.is_grad_enabled()",),
                               after="_ = torch.set_grad_enabled(True)"),
    "names of the user": Case("mine = 1", probe=("sorted(k for k in globals() if not k.startswith('_'))",)),
}  # fmt: skip


def scrubbed(text: str) -> str:
    """Without what differs from run to run: cell numbers, names of temporary files, timings."""
    text = re.sub(r"In\[\d+\]", "In[n]", text)
    text = re.sub(r"(ipykernel_\d+/)?\b\d+\.py", "cell.py", text)
    text = re.sub(r"0x[0-9a-f]+", "0x…", text)
    return re.sub(r"(CPU times|Wall time): .*", r"\1", text)


def seen(ran: Ran) -> list[tuple[str, str]]:
    """What the cell gave out, tracebacks with all their frames included."""
    return [(kind, scrubbed(text)) for kind, text in ran.own]


def run(kernel: Kernel, first: str, case: Case) -> tuple[Ran, Ran | None, dict[str, str]]:
    """The cell, the cell after it, and the probed values, in a fresh namespace."""
    assert kernel.run("%reset -f\nimport torch").own == []
    if case.before:
        assert kernel.run(case.before).own == []
    ran = kernel.run(first + case.body)
    probed = {expression: kernel.value(expression) for expression in case.probe}
    return ran, kernel.run(case.after) if case.after else None, probed


@pytest.mark.parametrize("name", CASES)
def test_the_cell_is_the_same(kernel: Kernel, name: str) -> None:
    case = CASES[name]
    bare = case.bare or case.body.startswith("%%")
    plain, plain_after, plain_probed = run(kernel, "" if bare else "# %%autograd\n", case)
    recorded, recorded_after, recorded_probed = run(kernel, "%%autograd\n", case)

    assert plain.reply["status"] == case.status
    assert case.said in "\n".join(text for _, text in plain.own)
    assert seen(recorded) == seen(plain)
    for key in ("status", "ename", "evalue"):
        assert scrubbed(str(recorded.reply.get(key))) == scrubbed(str(plain.reply.get(key)))
    assert "autograd_magics" not in recorded.error
    assert recorded_probed == plain_probed
    if plain_after and recorded_after:
        assert seen(recorded_after) == seen(plain_after)
    assert plain.reports == []
    is_syntax_error = plain.reply.get("ename") in ("SyntaxError", "IndentationError")
    assert recorded.kinds[len(plain.kinds) :] == ([] if is_syntax_error else ["report"])


COUNT = """
def count_pre(info): counted.append('pre')
def count_post(result): counted.append('post')
counted = []
get_ipython().events.register('pre_run_cell', count_pre)
get_ipython().events.register('post_run_cell', count_post)
"""


def test_events_are_not_doubled(kernel: Kernel) -> None:
    kernel.run(COUNT)
    kernel.run("counted.clear()")
    kernel.run("%%autograd\nx = 1")
    assert kernel.run("print(counted)").said == "['post', 'pre', 'post', 'pre']\n"
    kernel.run(
        "get_ipython().events.unregister('pre_run_cell', count_pre)\n"
        "get_ipython().events.unregister('post_run_cell', count_post)"
    )


@pytest.mark.parametrize(
    ("wait", "ename"),
    [
        ("import time\ntime.sleep(60)", "KeyboardInterrupt"),
        ("import asyncio\nfor _ in range(600): await asyncio.sleep(0.1)", "CancelledError"),
    ],
)
def test_an_interrupt_ends_the_cell_and_the_report_comes(kernel: Kernel, wait: str, ename: str) -> None:
    ran = kernel.run("%%autograd\nx = torch.ones(1)\nprint('started', flush=True)\n" + wait, interrupt_at="started")
    assert (ran.reply["status"], ran.reply["ename"]) == ("error", ename)
    assert ran.kinds == ["stdout", "error", "report"]
    assert kernel.run("%%autograd\n1").kinds == ["execute_result", "report"]


def test_below_time(kernel: Kernel) -> None:
    ran = kernel.run("%%time\n%%autograd\nx = torch.ones(1, requires_grad=True) * 2\nx.sum().item()")
    assert ran.kinds == ["stdout", "execute_result", "report"]
    assert ran.own[1] == ("execute_result", "2.0")


def test_below_capture(kernel: Kernel) -> None:
    assert kernel.run("%%capture caught\n%%autograd\nprint('inside')\n3").kinds == []
    assert kernel.value("caught.stdout") == "'inside\\n'"
    assert (
        kernel.value("[sorted(out.data) for out in caught.outputs]") == "[['text/plain'], ['text/html', 'text/plain']]"
    )


def test_below_timeit_one_recording_is_made(kernel: Kernel) -> None:
    ran = kernel.run("times = 0\n")
    ran = kernel.run("%%timeit -n 2 -r 3\n%%autograd\ntorch.ones(1); globals()['times'] += 1")
    assert kernel.value("times") == "6"
    assert ran.kinds == ["stdout", "report"]
    assert "already" not in ran.said


def test_over_timeit(kernel: Kernel) -> None:
    ran = kernel.run("%%autograd\n%%timeit -n 2 -r 3\ntorch.ones(1)")
    assert ran.kinds == ["stdout", "report"]
    assert "loop" in ran.said


def test_a_cell_with_the_word_paste_stays_in_the_history(kernel: Kernel) -> None:
    """IPython keeps cells out of its history that hold `run_line_magic(` and `paste`."""
    kernel.run("%%autograd\npaste = 1")
    assert kernel.value("get_ipython().history_manager.input_hist_raw[-1].split()[0]") == "'%%autograd'"


def test_two_recordings_at_once(kernel: Kernel) -> None:
    ran = kernel.run("%%autograd\n%%autograd\ny = torch.ones(1) + 1\nprint('ran')")
    assert ran.kinds == ["stdout", "report"]
    assert ran.said.splitlines()[0].startswith("%%autograd: this code is already being recorded")
    assert ran.said.splitlines()[1:] == ["ran"]
    ran = kernel.run("%%autograd outer\nget_ipython().run_cell('%%autograd\\ny = torch.ones(1) + 2')\nz = y * 2")
    assert ran.said.count("\n") == 1 and "already" in ran.said
    assert ran.kinds == ["stdout", "report"]
    assert kernel.value("[c.name for c in outer.trace.calls if c.name in ('add', 'mul')]") == "['add', 'mul']"


def test_record_inside_a_recorded_cell_is_refused_and_the_cell_goes_on(kernel: Kernel) -> None:
    kernel.run("from autograd_magics import record")
    ran = kernel.run("%%autograd\ntry:\n    with record(): pass\nexcept RuntimeError as e: print(e)\nprint('on')")
    assert ran.kinds == ["stdout", "report"]
    assert ran.said == "a recording is already running here: end it before starting another\non\n"


def test_a_recorded_cell_inside_record(kernel: Kernel) -> None:
    code = "with record() as outer:\n    get_ipython().run_cell('%%autograd\\ny = torch.ones(1) + 5')"
    ran = kernel.run("from autograd_magics import record\n" + code)
    assert ran.kinds == ["stdout"] and "already" in ran.said
    assert kernel.value("'add' in [c.name for c in outer.report.trace.calls]") == "True"


def test_from_code(kernel: Kernel) -> None:
    ran = kernel.run("get_ipython().run_cell_magic('autograd', 'kept', 'q = torch.ones(2) * 3\\nq.sum().item()')")
    assert ran.kinds == ["report", "execute_result"]
    assert kernel.value("kept.trace.source is not None") == "True"
    silenced = kernel.value("hasattr(__import__('IPython').core.magic, 'output_can_be_silenced')")  # since IPython 8.12
    kinds = ["report"] if silenced == "True" else ["report", "execute_result"]
    assert kernel.run("get_ipython().run_cell_magic('autograd', '', '3;')").kinds == kinds


@pytest.mark.parametrize(
    ("cell", "ename", "kinds"),
    [
        ("q = 1\\n1/0", "ZeroDivisionError", ["report", "error"]),
        ("q = = 1", "SyntaxError", ["error"]),
        ("await q", "UsageError", ["stderr"]),
        (" \\n", "UsageError", ["stderr"]),
    ],
)
def test_errors_from_code(kernel: Kernel, cell: str, ename: str, kinds: list[str]) -> None:
    ran = kernel.run(f"get_ipython().run_cell_magic('autograd', '', '{cell}')")
    assert (ran.reply["status"], ran.reply["ename"]) == ("error", ename)
    assert ran.kinds == kinds
    if ename == "ZeroDivisionError":
        assert "----> 3 1/0" in ran.error


def test_a_silent_run_records_nothing(kernel: Kernel) -> None:
    ran = kernel.run("%%autograd\nsilent = torch.ones(1)", silent=True, store_history=False)
    assert ran.kinds == []
    assert kernel.value("silent.item()") == "1.0"


def test_is_complete_waits_for_the_body(kernel: Kernel) -> None:
    """What the terminal asks at each Enter."""
    for code, expected in {
        "%%autograd": "incomplete",
        "%%autograd\nx = 1": "incomplete",
        "%%autograd\nx = 1\n\n": "complete",
    }.items():
        assert kernel.run(f"get_ipython().check_complete({code!r})[0]").own == [("execute_result", repr(expected))]
