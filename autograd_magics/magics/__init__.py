"""The extension's side of IPython: `%%autograd`, `%autograd`, the settings, and what Tab offers.

* `load(shell)`, `unload(shell)`: add everything to a shell, and take it away again.
* `AutogradMagics`: the two magics and the life of a recording (`magic`), the subcommands (`commands`).

The only part of the project that imports IPython.
"""

# mypy: allow-untyped-calls

from __future__ import annotations

from typing import Any

from IPython.core.error import UsageError
from traitlets import TraitError

from .. import cells, options
from . import completion
from .magic import AutogradMagics

__all__ = ["AutogradMagics", "load", "unload"]


def load(shell: Any) -> None:
    """Add the magics to a shell; nothing where they are already there."""
    if AutogradMagics.__name__ in shell.magics_manager.registry:
        return
    try:
        magics = AutogradMagics(shell)
    except TraitError as error:
        shell.configurables[:] = [c for c in shell.configurables if not isinstance(c, AutogradMagics)]
        raise UsageError(str(error)) from None
    shell.register_magics(magics)
    shell.input_transformers_cleanup.append(cells.rewrite)  # a property without setter: never `+=`
    shell.events.register("pre_run_cell", magics.pre_run_cell)
    shell.events.register("post_run_cell", magics.post_run_cell)
    completion.install(magics)


def unload(shell: Any) -> None:
    """Take everything that `load` added away again."""
    magics = shell.magics_manager.registry.pop(AutogradMagics.__name__, None)
    if magics is None:
        return
    magics.close()
    shell.events.unregister("pre_run_cell", magics.pre_run_cell)
    shell.events.unregister("post_run_cell", magics.post_run_cell)
    shell.input_transformers_cleanup.remove(cells.rewrite)
    for kind in ("cell", "line"):
        shell.magics_manager.magics[kind].pop(options.MAGIC, None)
    shell.configurables.remove(magics)
    completion.remove(shell)
