"""Every test runs strict, with a fixed seed, and must leave the process as it found it."""

from __future__ import annotations

import os
import pathlib
import sys
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import torch
import torch.nn.modules.module as module_hooks

ROOT = pathlib.Path(__file__).resolve().parent.parent

# Failures inside the recorder or a view raise, here and in the kernels that tests start.
os.environ["AUTOGRAD_MAGICS_STRICT"] = "1"
# Kernels and other processes use this checkout, installed or not.
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
# The language of the machine must not decide what a test reads.
os.environ["LC_ALL"] = "C.UTF-8"


def process_state() -> dict[str, Any]:
    """What a recording may change while it lasts and must put back."""
    hooks = {name: dict(table) for name, table in vars(module_hooks).items() if name.startswith("_global_") and table}
    return {
        "torch function modes": torch._C._len_torch_function_stack(),
        "torch dispatch modes": torch._C._len_torch_dispatch_stack(),
        "saved tensor hooks": torch._C._autograd._top_saved_tensors_default_hooks(True),
        "global module hooks": hooks,
        "grad mode": torch.is_grad_enabled(),
        "anomaly mode": torch.is_anomaly_enabled(),
        "warnings.filters": list(warnings.filters),
        "warnings.showwarning": warnings.showwarning,
        "sys.excepthook": sys.excepthook,
        "trace function": sys.gettrace(),
        "profile function": sys.getprofile(),
    }


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Iterator[None]:
    torch.manual_seed(0)
    before = process_state()
    yield
    after = process_state()
    for _ in range(after["torch function modes"] - before["torch function modes"]):
        torch._C._pop_torch_function_stack()  # or every later test would fail with this one
    changed = {name: (before[name], after[name]) for name in before if before[name] != after[name]}
    assert not changed, f"the test left something behind (before, after): {changed}"
