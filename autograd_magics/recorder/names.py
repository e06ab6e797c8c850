"""The user's names for tensors: from assignments as they happened, and from the namespace.

* `Namespace.name_of(tensor)`: the variable that held a tensor when the recording began.
* `assigned(tape)`: names from the instructions after each call, each iteration's own.
* `carried(tape)`: the same of tensors that a loop's iteration took over from one that was dropped.
* `found(tape, tensors, namespace)`: at the end, variables and module parameters of tensors still alive.
* `used(tape, places)`: for inputs that still have none, the expression they stand for at a call.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Callable, Iterator
from typing import Any

import torch

from .sources import Chain
from .tape import CallDraft, Tape
from .tensors import EXACT, Tensors

Provider = Callable[[], dict[str, Any]]
HIDDEN = ("_", "__", "___", "_oh", "Out")


class Namespace:
    """The variables of the code that is recorded."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._by_id = {id(value): name for name, value in self.tensors()}

    def tensors(self) -> Iterator[tuple[str, torch.Tensor]]:
        """Variables that are tensors; IPython's own (`_`, `_3`) come last and hidden ones never."""
        for name, value in list(self._provider().items()):
            if type(value) in EXACT and not name.startswith("_"):
                yield name, value

    def name_of(self, tensor: torch.Tensor) -> str | None:
        """The variable that holds this very tensor now, if it did at the start."""
        name = self._by_id.get(id(tensor))
        return name if name is not None and self._provider().get(name) is tensor else None

    def parameters(self) -> Iterator[tuple[str, torch.Tensor]]:
        """Parameters and buffers of modules, as `model.layers.0.weight`."""
        for name, value in list(self._provider().items()):
            if isinstance(value, torch.nn.Module) and not name.startswith("_"):
                for path, tensor in (*value.named_parameters(), *value.named_buffers()):
                    yield f"{name}.{path}", tensor

    def sequences(self) -> Iterator[tuple[str, torch.Tensor]]:
        """Tensors inside lists, tuples and dicts, as `params[0]`."""
        for name, value in list(self._provider().items()):
            if name.startswith("_") or name in HIDDEN:
                continue
            pairs = value.items() if type(value) is dict else enumerate(value) if type(value) in (list, tuple) else ()
            for key, item in list(pairs)[:1000]:
                if type(item) in EXACT:
                    yield f"{name}[{key!r}]", item


def assigned(tape: Tape) -> None:
    """Append a name for every result that was stored under one."""
    by_site: dict[int, list[tuple[str, int | None, int | None, str]]] = {}
    for call in tape.calls:
        if not call.outputs or not call.site.chain:
            continue
        stored = by_site.get(id(call.site))
        if stored is None:
            stored = by_site[id(call.site)] = [
                (one.name, one.output, tape.places.of_chain((one.code, one.offset))[0], one.code.co_name)
                for one in tape.places.assigned(call.site)
            ]
        for name, output, place, function in stored:
            if output is None and len(call.outputs) > 1 and not call.inplace:
                continue  # one name for a whole tuple
            if (output or 0) < len(call.outputs):
                tape.names.append((call.end, name, call.outputs[output or 0], place, function))


def carried(tape: Tape) -> None:
    """Append the names of tensors that came out of an iteration that is not kept: those of the one after it."""
    rows = {number: row for row, number in tape.carried}
    for at, name, number, place, function in list(tape.names) if rows else ():
        if number in rows and at > tape.tensors[rows[number]][0]:
            tape.names.append((tape.tensors[rows[number]][0], name, rows[number], place, function))


def found(tape: Tape, tensors: Tensors, namespace: Namespace) -> None:
    """Append names of tensors that are still alive and have none: variables, parameters, items of lists."""
    named = {tape.tensors[row][1] for _, _, row, _, _ in tape.names}
    for source in (namespace.tensors, namespace.parameters, namespace.sequences):
        for name, tensor in source():
            entry = tensors.known(tensor)
            if entry is not None and entry.state >= 0 and entry.object not in named:
                named.add(entry.object)
                tape.names.append((tape.tensors[entry.state][0], name, entry.state, None, "<module>"))


def used(tape: Tape) -> None:
    """Append, for inputs without a name, the name or attribute that stood in their place at a call."""
    named = {tape.tensors[row][1] for _, _, row, _, _ in tape.names}
    known: dict[tuple[int, str], dict[Any, str]] = {}
    for call in tape.calls:
        missing = [i for i, row in enumerate(call.inputs) if tape.tensors[row][1] not in named]
        if not missing or not call.site.chain:
            continue
        arguments = known.get((id(call.site), call.name))
        if arguments is None:
            arguments = known[id(call.site), call.name] = _argument_texts(tape, call)
        for i in missing if arguments else ():
            text = arguments.get(call.slots[i]) if i < len(call.slots) else None
            if text is not None:
                row = call.inputs[i]
                named.add(tape.tensors[row][1])
                tape.names.append((call.at, text, row, None, call.site.chain[0].co_name))


def _argument_texts(tape: Tape, call: CallDraft) -> dict[Any, str]:
    """By position or keyword: the text of a call's arguments that are plain names."""
    chain: Chain = call.site.chain or ()
    spots = tape.places.spots(chain)
    if not spots or spots[0].column is None or chain[0].co_filename != spots[0].filename:
        return {}
    spot = spots[0]
    node = _expressions(_text(spot)).get((spot.line, spot.column or 0, spot.end_line, spot.end_column))
    return {slot: text for slot, one in _operands(node, call.name) if (text := _simple(one)) is not None}


def _text(spot: Any) -> str:
    if spot.text is not None:
        lines = spot.text.split("\n")
        if lines and lines[0].startswith("%%"):
            lines[0] = ""
        return "\n".join(lines)
    import linecache

    return "".join(linecache.getlines(spot.filename))


@functools.lru_cache(maxsize=8)
def _expressions(text: str) -> dict[tuple[int, int, int | None, int | None], ast.AST]:
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):  # magics and shell lines are no Python: names by use are a bonus
        return {}
    lines = text.split("\n")

    def characters(line: int, column: int) -> int:
        return len(lines[line - 1].encode()[:column].decode(errors="ignore"))

    return {
        (n.lineno, characters(n.lineno, n.col_offset), n.end_lineno, characters(n.end_lineno, n.end_col_offset or 0)): n
        for n in ast.walk(tree)
        if isinstance(n, (ast.BinOp, ast.Call, ast.UnaryOp)) and n.end_lineno is not None
    }


def _operands(node: ast.AST | None, name: str) -> Iterator[tuple[Any, ast.AST]]:
    if isinstance(node, ast.BinOp):
        operands = [node.right, node.left] if name.startswith("__r") else [node.left, node.right]
        yield from enumerate(operands)
    elif isinstance(node, ast.UnaryOp):
        yield 0, node.operand
    elif isinstance(node, ast.Call):
        method = isinstance(node.func, ast.Attribute) and not _is_module(node.func.value)
        if method and name.startswith("__") and getattr(node.func, "attr", "") != name:
            method = False  # `plt.plot(t)` asks for `t.__array__()`: what stands before the dot is no tensor
        first: list[ast.AST] = [node.func.value] if method and isinstance(node.func, ast.Attribute) else []
        yield from enumerate([*first, *node.args])
        yield from ((k.arg, k.value) for k in node.keywords if k.arg)


def _is_module(node: ast.AST) -> bool:
    text = _simple(node) or ""
    return text.split(".")[0] in ("torch", "F", "nn", "functional", "np", "math", "special", "linalg")


def _simple(node: ast.AST) -> str | None:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        base = _simple(node.value)
        return f"{base}.{node.attr}" if base and node.attr not in ("data", "grad", "T") else None
    if isinstance(node, ast.Subscript) and isinstance(node.slice, (ast.Constant, ast.Name)):
        base = _simple(node.value)
        return f"{base}[{ast.unparse(node.slice)}]" if base else None
    return None
