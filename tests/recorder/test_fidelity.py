"""Looking changes nothing: each program runs plain and recorded, and everything it leaves behind is compared.

Values and gradients bit for bit, versions, nodes, exceptions by type, text and frames, warnings, random
state, output, and the modes that are left on.
"""

from __future__ import annotations

import textwrap

import pytest
import torch
from recorder.both import RECORDED, run
from recorder.reading import programs

W = "w = torch.tensor([1., 2., 3.], requires_grad=True)\n"

PROGRAMS = programs("fidelity")


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_recorded_program_does_what_the_plain_one_does(name: str) -> None:
    run(PROGRAMS[name], filename="<same>")  # the first use of a part of torch may import and warn
    plain, recorded = run(PROGRAMS[name], filename="<same>"), run(PROGRAMS[name], RECORDED, filename="<same>")
    assert recorded.error == plain.error
    assert recorded.values == plain.values
    assert recorded.random == plain.random
    assert recorded.warnings == plain.warnings
    assert recorded.printed == plain.printed
    if name != "recursion":  # where the limit strikes depends on every frame
        assert recorded.frames == plain.frames


def test_a_mode_that_the_cell_leaves_open_stays_open() -> None:
    source = textwrap.dedent("""
        from torch.overrides import TorchFunctionMode
        class Count(TorchFunctionMode):
            n = 0
            def __torch_function__(self, f, t, a=(), k=None):
                Count.n += 1
                return f(*a, **(k or {}))
        mode = Count()
        mode.__enter__()
        y = torch.ones(2) * 2
    """)
    outcomes = []
    for ways in ((), RECORDED):
        before = torch._C._len_torch_function_stack()
        run(source, ways)
        try:
            (left,) = torch.overrides._get_current_function_mode_stack()[before:]
            outcomes.append((type(left).__name__, type(left).n >= 2))
        finally:
            torch._C._pop_torch_function_stack()
    assert outcomes == [("Count", True)] * 2


def test_a_mode_that_was_there_before_sees_the_same_calls() -> None:
    seen: list[list[str]] = []

    class Below(torch.overrides.TorchFunctionMode):
        def __torch_function__(self, f, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
            seen[-1].append(f.__name__)
            return f(*args, **(kwargs or {}))

    source = W + "y = (w * 2).sum()\ny.backward()\ny.item()\nw.grad.zero_()\nv = w[0]\nw.grad = None\nprint(v)"
    # a library that reads `.grad`
    source += "\nopt = torch.optim.SGD([w], lr=0.1)\nfor _ in range(3):\n    (w * 2).sum().backward()\n    opt.step()\n"
    for ways in ((), RECORDED):
        seen.append([])
        below = Below()
        below.__enter__()
        run(source, ways, filename="<same>")
        below.__exit__(None, None, None)
    begin = seen[0].index("tensor")
    assert seen[0][begin:][: len(seen[1]) - seen[1].index("tensor")] == seen[1][seen[1].index("tensor") :]
