"""Steps of torch's own optimizers, noted as a whole: which they are, and what they do themselves.

A step reads, scales and adds for each parameter, and a reader wants to know none of it but the outcome.  What runs
during such a step but was not called by it - hooks, a post-hook's code - is seen as ever, and so is all that comes
after a step that raised.
"""

from __future__ import annotations

import os
import types
from typing import Any

import torch
from torch.optim.optimizer import Optimizer

from .functions import CALL, Function
from .tracebacks import HANDLE

FOLDER = os.path.dirname(torch.optim.__file__) + os.sep
STEP = Function(Optimizer.step)
"""A step as an event of a loop."""
STEP.kind = CALL
_known: dict[types.CodeType, bool] = {Optimizer.zero_grad.__code__: False}


def is_optimizers_own(frame: Any) -> bool:
    """Whether a call comes straight from the code of a step, while one is made."""
    code = frame.f_code
    if code is HANDLE:
        code = frame.f_back.f_back.f_code
    own = _known.get(code)
    if own is None:
        own = _known[code] = code.co_filename.startswith(FOLDER)
    return own


def as_a_whole(optimizer: Optimizer, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether nothing but the outcome of a step is of interest: no closure, no gradient through it."""
    if len(args) > 1 or kwargs or not _is_torchs(type(optimizer)):
        return False
    return not any(group.get("differentiable") for group in optimizer.param_groups)


def _is_torchs(kind: type) -> bool:
    maker = next(one for one in kind.__mro__ if "step" in one.__dict__)
    return maker.__module__.startswith("torch.optim.")
