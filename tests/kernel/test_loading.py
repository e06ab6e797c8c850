"""Loading and unloading, without torch, and with parts of ours broken: each in a kernel of its own."""

from __future__ import annotations

import pathlib

import pytest

from tests.kernel.harness import Kernel, usage_error

SHELL = """
def shell_state():
    shell = get_ipython()
    return {
        "magics": {kind: sorted(table) for kind, table in shell.magics_manager.magics.items()},
        "registry": sorted(shell.magics_manager.registry),
        "transformers": list(shell.input_transformers_cleanup),
        "events": {name: list(found) for name, found in shell.events.callbacks.items()},
        "configurables": list(shell.configurables),
        "matchers": list(shell.Completer.custom_matchers),
        "names": sorted(vars(shell)),
        "loaded": "autograd_magics" in shell.extension_manager.loaded,
    }
"""


def test_loading_and_unloading(tmp_path: pathlib.Path) -> None:
    with Kernel(tmp_path) as kernel:
        assert kernel.run(SHELL).own == []
        assert "not loaded" in kernel.run("%unload_ext autograd_magics").said  # IPython now has its own magics ready
        kernel.run("before = shell_state()")
        assert kernel.run("%load_ext autograd_magics").own == []
        assert (
            kernel.value("[m for m in ('torch', 'anywidget', 'ipywidgets') if m in __import__('sys').modules]") == "[]"
        )
        kernel.run("loaded = shell_state()")
        assert kernel.value("loaded == before") == "False"

        assert "already loaded" in kernel.run("%load_ext autograd_magics").said
        kernel.run("import autograd_magics; autograd_magics.load_ipython_extension(get_ipython())")
        assert kernel.value("shell_state() == loaded") == "True"

        assert kernel.run("%%autograd\nimport torch\nx = torch.ones(1, requires_grad=True) * 2").kinds == ["report"]
        assert kernel.run("%reload_ext autograd_magics").own == []
        assert kernel.run("%%autograd\nx + 1").kinds == ["execute_result", "report"]

        assert kernel.run("%unload_ext autograd_magics").own == []
        assert kernel.value("{k for k in before if shell_state()[k] != before[k]}") == "set()"
        assert kernel.value("len(autograd_magics.cells.known)") == "0"
        assert "not found" in usage_error(kernel.run("%%autograd\nx"))
        kernel.run("autograd_magics.unload_ipython_extension(get_ipython())")
        assert kernel.run("%load_ext autograd_magics").own == []
        assert kernel.run("%%autograd\nx + 1").kinds == ["execute_result", "report"]

        kernel.run("%%autograd\n%unload_ext autograd_magics\nx + 1")
        assert kernel.value("torch._C._len_torch_function_stack()") == "0"
        assert kernel.value("{k for k in before if shell_state()[k] != before[k]}") == "set()"


def test_cells_that_ran_before_are_known(tmp_path: pathlib.Path) -> None:
    with Kernel(tmp_path) as kernel:
        kernel.run("import torch\ndef twice(x):\n    return x * 2")
        kernel.run("%load_ext autograd_magics\ndef thrice(x):\n    return x * 3")
        kernel.run("%%autograd r\nw = torch.ones(2, requires_grad=True)\nloss = (twice(w) + thrice(w)).sum()")
        numbers = kernel.value("[(s.kind, s.number, s.text and s.text.split()[0]) for s in r.trace.sources]")
        assert numbers == "[('cell', 3, '%%autograd'), ('cell', 1, 'import'), ('cell', 2, '%load_ext')]"


def test_a_bad_setting_in_a_file_is_one_line_and_loads_once_it_is_mended(tmp_path: pathlib.Path) -> None:
    with Kernel(tmp_path) as kernel:
        kernel.run("get_ipython().config.AutogradMagics.limit = 0")
        assert "AutogradMagics.limit: got 0, expected a whole number" in usage_error(
            kernel.run("%load_ext autograd_magics")
        )
        assert kernel.value("[c for c in get_ipython().configurables if 'Autograd' in type(c).__name__]") == "[]"
        kernel.run("get_ipython().config.AutogradMagics.limit = 3")
        assert kernel.run("%load_ext autograd_magics").own == []
        assert "limit=3" in kernel.run("%autograd").said


def test_without_torch(tmp_path: pathlib.Path) -> None:
    with Kernel(tmp_path) as kernel:
        kernel.run("import sys; sys.modules['torch'] = None; ran = False")  # `import torch` now fails as if not there
        assert kernel.run("%load_ext autograd_magics").own == []
        assert "needs PyTorch" in usage_error(kernel.run("%%autograd\nran = True"))
        assert "pip install torch" in usage_error(kernel.run("get_ipython().run_cell_magic('autograd', '', 'ran = 1')"))
        assert kernel.value("ran") == "False"
        assert "nothing is being recorded" in kernel.run("%autograd").said


BREAK = {
    "start": "recorder.Recorder.start = broken",
    "stop": "recorder.Recorder.stop = lambda self, error=None: (stop(self, error), broken())",
    "report": "report.Report.__init__ = broken",
}


@pytest.mark.parametrize("part", BREAK)
def test_a_failure_of_ours_is_one_line_below_the_result(tmp_path: pathlib.Path, part: str) -> None:
    with Kernel(tmp_path, AUTOGRAD_MAGICS_STRICT="0") as kernel:
        kernel.run("%load_ext autograd_magics\nfrom autograd_magics import recorder, report\nimport torch")
        kernel.run("stop = recorder.Recorder.stop\ndef broken(*_, **__): raise LookupError('broken here')")
        kernel.run(BREAK[part])
        ran = kernel.run("%%autograd\nprint('printed')\nx = torch.ones(1) + 1\n41 + 1")
        assert ran.reply["status"] == "ok"
        assert ran.kinds == ["stdout", "execute_result", "stdout"]
        assert ran.own[:2] == [("stdout", "printed\n"), ("execute_result", "42")]
        line = ran.own[2][1]
        assert line.count("\n") == 1
        assert "LookupError: broken here" in line
        failing = kernel.run("%%autograd\n1/0")
        assert failing.kinds == ["error", "stdout"]
        assert failing.reply["ename"] == "ZeroDivisionError"
        assert kernel.value("torch._C._len_torch_function_stack()") == "0"


def test_a_failure_of_ours_is_loud_where_tests_ask_for_it(tmp_path: pathlib.Path) -> None:
    with Kernel(tmp_path) as kernel:
        kernel.run("%load_ext autograd_magics\nfrom autograd_magics import report")
        kernel.run("def broken(*_, **__): raise LookupError('broken here')\nreport.Report.__init__ = broken")
        assert "LookupError" in kernel.run("%%autograd\n1").error
