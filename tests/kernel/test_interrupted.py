"""A long cell that is interrupted while it computes: what was recorded until then is shown."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator

import pytest

from .harness import Kernel

LOOP = """%%autograd kept
import torch
w = torch.tensor(0.5, requires_grad=True)
done = 0
while True:
    loss = (w * 2 - 3){power}
    loss.backward()
    done += 1
    if done == 200:
        print('well on its way', flush=True)
"""


@pytest.fixture
def kernel(tmp_path: pathlib.Path) -> Iterator[Kernel]:
    with Kernel(tmp_path) as kernel:
        kernel.run("import torch\n%load_ext autograd_magics")
        yield kernel


@pytest.mark.parametrize("power", [".pow(2)", ".pow(2 + done % 2)"], ids=["equal iterations", "iterations that differ"])
def test_an_interrupted_loop_keeps_what_was_recorded(kernel: Kernel, power: str) -> None:
    ran = kernel.run(LOOP.format(power=power), interrupt_at="well on its way")
    assert (ran.reply["status"], ran.reply["ename"]) == ("error", "KeyboardInterrupt")
    assert "report" in ran.kinds
    assert int(kernel.value("done")) >= 200
    assert kernel.value("kept.trace.failure.type") == "'KeyboardInterrupt'"
    assert int(kernel.value("len(kept.trace.backwards) + sum(loop.dropped for loop in kept.trace.loops)")) >= 200
    assert kernel.value("kept.trouble is None and kept.trace.problem is None") == "True"
    assert kernel.run("w.grad is not None").reply["status"] == "ok"
