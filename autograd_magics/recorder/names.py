"""The user's names for tensors: from assignments as they happened, and from the namespace.

* `module_paths(namespace)`: how the user would write each module that variables lead to: `model.layers[3]`.
* `submodules(path, module)`: the same of one module and of all inside it.
* `Namespace.name_of(tensor)`: the variable or the module that held a tensor when it was first seen.
* `assigned(tape)`: names from the instructions after each call, each iteration's own.
* `carried(tape)`: the same of tensors that a loop's iteration took over from one that was dropped.
* `found(tape, tensors, namespace)`: at the end, variables and module parameters of tensors still alive.
* `used(tape, places)`: for inputs that still have none, the expression they stand for at a call.
"""

from __future__ import annotations

import ast
import collections
import functools
import itertools
import json
import sys
import weakref
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch

from .sources import Chain, is_user_file
from .tape import CallDraft, Tape
from .tensors import EXACT, Tensors

Provider = Callable[[], dict[str, Any]]
HIDDEN = ("In", "Out")
MODULE = torch.nn.Module
KEYED = (torch.nn.ModuleDict, torch.nn.ParameterDict)

ITEMS = 1000
"""Looked at in one list or dict, at most."""
DEPTH = 3
"""Containers in containers: `agents["a"].nets[0]`."""
LOOKED_AT = 20_000
"""Values looked at in all."""
PLAIN = frozenset({int, float, str, bool, bytes, complex, type(None)})
"""Nothing is inside them."""


# -- what variables lead to ------------------------------------------------------------------------
def _reached(namespace: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Variables, then what is in their lists, dicts and objects, each with its path; IPython's own are left out."""
    level = [pair for pair in list(namespace.items()) if pair[0][:1] != "_" and pair[0] not in HIDDEN]
    entered: set[int] = set()
    left = LOOKED_AT
    for depth in range(DEPTH + 1):
        below: list[tuple[str, Any]] = []
        for path, value in level:
            yield path, value
            if depth < DEPTH and left > 0 and type(value) not in PLAIN and id(value) not in entered:
                entered.add(id(value))
                known = len(below)
                below += _inside(path, value)
                left -= len(below) - known
        level = below


def _inside(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    kind = type(value)
    if kind in (list, tuple, collections.deque):
        for i, item in enumerate(itertools.islice(value, ITEMS)):
            if type(item) not in PLAIN:
                yield f"{path}[{i}]", item
    elif kind in (dict, collections.OrderedDict, collections.defaultdict):
        for key, item in itertools.islice(value.items(), ITEMS):
            if type(key) in (str, int) and type(item) not in PLAIN:
                yield f"{path}[{key!r}]", item
    elif kind.__dictoffset__ and _is_users(kind.__module__):
        for name, item in itertools.islice(object.__getattribute__(value, "__dict__").items(), ITEMS):
            if name[:1] != "_" and type(item) not in PLAIN:
                yield f"{path}.{name}", item


@functools.lru_cache(maxsize=1024)
def _is_users(module: object) -> bool:
    """Whether a class of this Python module is the user's own: what is in objects of libraries has no known path."""
    if module == "__main__":
        return True
    file = getattr(sys.modules.get(module), "__file__", None) if isinstance(module, str) else None
    return isinstance(file, str) and is_user_file(file, None)


# -- modules ---------------------------------------------------------------------------------------
def module_paths(namespace: Mapping[str, Any]) -> dict[int, str]:
    """By `id`: how the user would write each module that variables lead to.

    `model.layers[3]`, `nets["actor"].fc`, `trainer.model`.  Of several ways the one with the fewest containers, then
    that of the variable that was bound first: so a loop over `model.layers` that left its last one in `layer` changes
    no name.  Holds nothing alive: an id is good for as long as its module lives.
    """
    return {number: path for number, (path, _) in _modules(namespace).items()}


def submodules(path: str, module: Any) -> dict[int, str]:
    """By `id`: the paths of a module and of all inside it, when `path` is its own."""
    known: dict[int, tuple[str, Any]] = {}
    _enter(known, path, module)
    return {number: below for number, (below, _) in known.items()}


def _modules(namespace: Mapping[str, Any]) -> dict[int, tuple[str, Any]]:
    known: dict[int, tuple[str, Any]] = {}
    for path, value in _reached(namespace):
        if issubclass(type(value), MODULE):
            _enter(known, path, value)
    return known


def _enter(known: dict[int, tuple[str, Any]], path: str, module: Any) -> None:
    """Add a module and all inside it that is not known yet, in the order of `named_modules()`."""
    stack = [(path, module)]
    while stack:
        path, module = stack.pop()
        if id(module) not in known:
            known[id(module)] = path, module
            children = _registered(module, "_modules")
            stack += [(_member(path, module, name), child) for name, child in reversed(children)]


def _registered(module: Any, kind: str) -> list[tuple[str, Any]]:
    """Children, parameters or buffers, without asking the module's own `__getattr__`."""
    members = object.__getattribute__(module, "__dict__").get(kind)
    return [] if not members else [(name, one) for name, one in list(members.items()) if one is not None]


def _member(path: str, module: Any, name: str) -> str:
    """How the user would write a module's child, parameter or buffer."""
    if name.isdigit():
        return f"{path}[{name}]"
    if name == "_orig_mod" and not hasattr(type(module._modules[name]), "__getitem__"):
        return path  # of a compiled module: `compiled.fc` leads to `compiled._orig_mod.fc`
    if isinstance(module, KEYED) and not path.endswith(".parametrizations"):
        return f"{path}[{json.dumps(name, ensure_ascii=False)}]"
    return f"{path}.{name}" if name.isidentifier() else f"getattr({path}, {json.dumps(name, ensure_ascii=False)})"


# -- tensors ---------------------------------------------------------------------------------------
class Namespace:
    """The variables of the code that is recorded."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._by_id = {id(value): name for name, value in self.tensors()}
        self._of_modules: dict[int, tuple[weakref.ref[torch.Tensor], str]] | None = None

    def tensors(self) -> Iterator[tuple[str, torch.Tensor]]:
        """Variables that are tensors; IPython's own (`_`, `_3`) never."""
        for name, value in list(self._provider().items()):
            if type(value) in EXACT and not name.startswith("_"):
                yield name, value

    def name_of(self, tensor: torch.Tensor) -> str | None:
        """The module, else the variable, that holds this very tensor now, if it did at the start.

        A parameter is told by its module also where a variable holds it: that one is mostly what a loop over
        `model.parameters()` left behind.
        """
        name = self._by_id.get(id(tensor))
        if name is None or type(tensor) is not torch.Tensor:
            path = self._path_of(tensor)
            if path is not None:
                return path
        return name if name is not None and self._provider().get(name) is tensor else None

    def _path_of(self, tensor: torch.Tensor) -> str | None:
        if self._of_modules is None:  # only now: most cells use no module
            self._of_modules = {id(one): (weakref.ref(one), path) for path, one in self.parameters()}
        ref, path = self._of_modules.get(id(tensor), (None, None))
        return path if ref is not None and ref() is tensor else None

    def parameters(self) -> Iterator[tuple[str, torch.Tensor]]:
        """Parameters and buffers of modules, each once, as `model.layers[0].weight`."""
        seen: set[int] = set()
        for path, module in _modules(self._provider()).values():
            for kind in ("_parameters", "_buffers"):
                for name, tensor in _registered(module, kind):
                    if type(tensor) in EXACT and id(tensor) not in seen:
                        seen.add(id(tensor))
                        yield _member(path, module, name), tensor

    def sequences(self) -> Iterator[tuple[str, torch.Tensor]]:
        """Tensors inside lists, dicts and objects, as `params[0]`."""
        for path, value in _reached(self._provider()):
            if type(value) in EXACT:
                yield path, value


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
    """Append names of tensors that are still alive and have none: of modules, variables, items of lists."""
    of_modules = [(path, entry) for path, one in namespace.parameters() if (entry := tensors.known(one)) is not None]
    _drop_passing(tape, {entry.object for _, entry in of_modules})
    named = {tape.tensors[row][1] for _, _, row, _, _ in tape.names}
    others = (
        (name, entry) for source in (namespace.tensors, namespace.sequences) for name, tensor in source()
        if (entry := tensors.known(tensor)) is not None
    )  # fmt: skip
    for name, entry in itertools.chain(of_modules, others):
        if entry.state >= 0 and entry.object not in named:
            named.add(entry.object)
            tape.names.append((tape.tensors[entry.state][0], name, entry.state, None, "<module>"))


def _drop_passing(tape: Tape, objects: set[int]) -> None:
    """Forget what functions and loops called a module's tensors: after `for p in ...: p -= step`, all would be `p`."""

    def passes(name: tuple[Any, ...]) -> bool:
        row = tape.tensors[name[2]]
        if row[1] not in objects or name[3] is None:
            return False
        return name[4] != "<module>" or (row[12] is not None and tape.calls[row[12]].inplace)

    if objects:
        tape.names[:] = [name for name in tape.names if not passes(name)]


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
