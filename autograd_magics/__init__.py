"""See what PyTorch's autograd did in a notebook cell, and what went wrong in it.

In a notebook: `%load_ext autograd_magics`, then `%%autograd` on the first line of a cell.

In a script:

    from autograd_magics import record
    with record() as recording:
        ...
    print(recording.report.to_text())

Everything is loaded on first use: importing this package loads neither torch nor IPython.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .recording import Recording, record, show
    from .report import Report, load
    from .rules import Finding
    from .trace import Trace, TraceError

__version__ = "0.1.0"

__all__ = ["Finding", "Recording", "Report", "Trace", "TraceError", "load", "record", "show"]

_HOMES = {
    "Finding": "rules", "Recording": "recording", "Report": "report", "Trace": "trace", "TraceError": "trace",
    "load": "report", "record": "recording", "show": "recording",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def load_ipython_extension(shell: Any) -> None:
    """`%load_ext autograd_magics`"""
    from . import magics

    magics.load(shell)


def unload_ipython_extension(shell: Any) -> None:
    """`%unload_ext autograd_magics`"""
    from . import magics

    magics.unload(shell)
