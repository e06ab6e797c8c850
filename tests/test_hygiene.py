"""The fixture that looks for what a test leaves behind does see it."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable

import pytest
import torch
from torch.nn.modules import module as module_hooks
from torch.overrides import TorchFunctionMode

from tests.conftest import process_state

Undo = Callable[[], object]


def leave_mode() -> Undo:
    mode = TorchFunctionMode()
    mode.__enter__()
    return lambda: mode.__exit__(None, None, None)


def leave_hook() -> Undo:
    return module_hooks.register_module_forward_hook(lambda *_: None).remove


def leave_filter() -> Undo:
    before = list(warnings.filters)
    warnings.simplefilter("ignore")
    return lambda: warnings.filters.__setitem__(slice(None), before)  # type: ignore[attr-defined]


def leave_no_grad() -> Undo:
    torch.set_grad_enabled(False)
    return lambda: torch.set_grad_enabled(True)


def leave_profiler() -> Undo:
    sys.setprofile(lambda *_: None)
    return lambda: sys.setprofile(None)


@pytest.mark.parametrize(
    ("leave", "named"),
    [
        (leave_mode, "torch function modes"),
        (leave_hook, "global module hooks"),
        (leave_filter, "warnings.filters"),
        (leave_no_grad, "grad mode"),
        (leave_profiler, "profile function"),
    ],
)
def test_what_is_left_is_seen(leave: Callable[[], Undo], named: str) -> None:
    before = process_state()
    undo = leave()
    after = process_state()
    undo()
    assert {name for name in before if before[name] != after[name]} == {named}
    assert process_state() == before
