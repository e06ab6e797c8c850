"""Derivative formulas of autograd's nodes, from the `derivatives.yaml` that comes with the installed torch.

* `rows(names)`: the `formulas` table for nodes of these names.

torch's build makes one class of node for each entry of that file that has a derivative, and numbers
those of one operator in the order of the entries (`torchgen/packaged/autograd/load_derivatives.py`).
"""

from __future__ import annotations

import functools
import pathlib
import re
from collections import Counter
from collections.abc import Iterable
from typing import Any

import torch

from ..settings import is_strict
from ..trace import Formula

_ARGUMENT = re.compile(r"(\w+)(?:=[^,()]*)?\s*(?=[,)])")

Entry = tuple[str, tuple[tuple[str, str], ...]]
"""Name of the ATen function, and (input, formula) in the order of the node's edges."""


def rows(names: Iterable[str]) -> tuple[Formula, ...]:
    """One row for each input of each kind of node; nothing for nodes that the file does not know.

    Reads the file (18 ms) at the first call that names a node; a torch without it, or with one that
    cannot be read, gives no rows: a report says then that no formula is known.
    """
    wanted = sorted({name for name in names if name[-1:].isdigit()})  # those of the file are numbered
    if not wanted:
        return ()
    try:
        known = _entries()
    except Exception:
        if is_strict():
            raise
        return ()
    found = [(name, known[name]) for name in wanted if name in known]
    flat = [(name, function, *pair) for name, (function, pairs) in found for pair in pairs]
    return tuple([Formula(i, *row) for i, row in enumerate(flat)])


@functools.cache
def _entries() -> dict[str, Entry]:
    """By name of the node."""
    path = location()
    return {} if path is None else entries(path.read_text("utf-8"))


def location() -> pathlib.Path | None:
    """The installed torch's file, None where it has none; in a source build of torch it lies under `tools`."""
    beside = pathlib.Path(torch.__file__).parent.parent
    candidates = (beside / "torchgen/packaged/autograd/derivatives.yaml", beside / "tools/autograd/derivatives.yaml")
    return next((path for path in candidates if path.is_file()), None)


def entries(text: str) -> dict[str, Entry]:
    """The formulas in the text of a `derivatives.yaml`, by name of the node."""
    import yaml  # only when a recording has nodes

    found: dict[str, Entry] = {}
    counted: Counter[str] = Counter()
    for entry in yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
        schema = entry["name"]
        function = schema.partition("(")[0]
        for key, formulas in entry.get("dispatch", {"Default": entry}).items():
            pairs = _pairs(schema, formulas)
            if pairs:
                prefix = _prefix(function) + ("" if key == "Default" else key)
                found[f"{prefix}{counted[prefix]}"] = (function, pairs)
                counted[prefix] += 1
    return found


def _pairs(schema: str, formulas: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    """(input, formula) of what has a derivative, in the order of the arguments."""
    of_input = {
        name.strip(): " ".join(text.split())
        for names, text in formulas.items()
        if isinstance(text, str) and text.strip().lower() != "non_differentiable"
        for name in names.split(",")
    }
    arguments = schema.partition("(")[2].rpartition("->")[0]
    return tuple([(name, of_input[name]) for name in _ARGUMENT.findall(arguments) if name in of_input])


def _prefix(function: str) -> str:
    """`_log_softmax` is `LogSoftmaxBackward`."""
    camel = "".join([part.title() for part in function.partition(".")[0].split("_")])
    return f"{camel}Backward".replace("ForwardBackward", "Backward")
