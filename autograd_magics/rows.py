"""What a report holds as lists of plain rows, for `pandas.DataFrame(report.nodes)` or any other table.

`nodes`, `calls`, `saved`, `gradients` and `backwards` each give a list of dicts with the same keys in every row.
Values are text, numbers, bools and None (a tuple of ids where a row has several); their order is that of time.

* Ids join the tables: `node`, `call`, `backward` are the same numbers in each of them, and those of `report.trace`.
* `module` is the path of the module whose `forward` was running (`"model.h[3].attn"`), `module_type` its class.
* `cell` is the number of a notebook cell, `file` the name of a file; one of them says what `line` counts in.
* `shape` is text, `"2x3"`, and `"scalar"` for a single number; `elements` is a number, `bytes` is in bytes.
* `norm`, `rms`, `max` (of absolute values) are those of the finite elements; `zeros`, `nan`, `inf` count elements.
  All are None where the recording noted neither values nor figures (`--values stats`).

Pure: the columns are the same in every language.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from .graph import Graph
from .health import Figures, figures, received
from .story import as_gradient
from .trace import Backward, Call, Failure, GradChange, Gradient, Loop, Node, Place, Saved, Tensor, Value, flat

Row = dict[str, Any]


def number(value: Value | None) -> float | int | bool | None:
    """The value of a tensor with a single real element; None of every other one."""
    numbers = list(flat(value))
    if len(numbers) != 1 or isinstance(numbers[0], str) and numbers[0] not in ("nan", "inf", "-inf"):
        return None
    one: float | int | bool | None = numbers[0]
    return float(one) if isinstance(one, str) else one


def shape_text(shape: Sequence[int]) -> str:
    """`"2x3"`; `"scalar"` for a single number without dimensions."""
    return "x".join(map(str, shape)) or "scalar"


def error_text(error: Failure | None) -> str | None:
    """`"RuntimeError: …"`, None where nothing was raised."""
    return None if error is None else f"{error.type}: {error.message}"


class Rows:
    """The rows of one trace; each method makes its list anew, in time linear in its length."""

    def __init__(self, graph: Graph) -> None:
        self.graph, self.trace = graph, graph.trace
        self._places: dict[int | None, Row] = {None: {"cell": None, "file": None, "line": None}}

    # -- nodes ---------------------------------------------------------------------------------
    def nodes(self) -> list[Row]:
        """One row for each node of autograd's graph; `report.nodes` lists the columns."""
        return [self._node(node) for node in self.trace.nodes]

    def _node(self, node: Node) -> Row:
        call = None if node.call is None else self.trace.calls[node.call]
        tensor = self.graph.node_tensor(node.id)
        saved = self.graph.saved_of(node.id)
        return {
            "node": node.id, "name": node.name, "tensor": None if tensor is None else self.graph.name(tensor.id),
            "call": node.call, "op": None if call is None else call.name, "origin": node.origin,
            "order": node.order, **self._module(call), **self._where(self.graph.node_place(node)), **_kind(tensor),
            "parents": tuple(parent for parent, _ in node.edges if parent is not None),
            "saved": len(saved), "saved_bytes": self.graph.unique_bytes(saved)[0], **self._freed(node),
            "kept": bool(saved) and self._is_kept(node), "runs": len(self.graph.steps_of(node.id)),
            **_sizes(received(self.graph, node.id), "grad_"),
        }  # fmt: skip

    def _is_kept(self, node: Node) -> bool:
        """Whether what a node saved was still kept when the recording ended."""
        return not self.graph.is_freed(node.id) and node.id not in self.graph.gone

    def _freed(self, node: Node) -> Row:
        place = self._where(self.graph.freed_place(node))
        return {
            "freed": self.graph.is_freed(node.id), "freed_by": node.freed_by, "freed_cell": place["cell"],
            "freed_line": place["line"],
        }  # fmt: skip

    # -- calls ---------------------------------------------------------------------------------
    def calls(self) -> list[Row]:
        """One row for each call of torch's Python API; `report.calls` lists the columns."""
        return [self._call(call) for call in self.trace.calls]

    def _call(self, call: Call) -> Row:
        place = self.graph.place(call.places)
        result = self.trace.tensors[call.outputs[0]] if call.outputs else None
        saved = [row for node in call.nodes for row in self.graph.saved_of(node)]
        return {
            "call": call.id, "op": call.name, "function": call.qualified,
            "result": None if result is None else self.graph.name(result.id),
            "inputs": ", ".join(self.graph.label(tensor) for tensor in call.inputs),
            "code": self.graph.segment(place), **self._module(call), **self._where(place), **_kind(result),
            "value": None if result is None or result.value is None else number(result.value),
            "requires_grad": None if result is None else result.requires_grad,
            "node": None if result is None else result.node, "nodes": len(call.nodes),
            "saved_bytes": self.graph.unique_bytes(saved)[0], "inplace": call.inplace,
            "grad_enabled": call.grad_enabled, "cut": call.cut, "error": error_text(call.error),
        }  # fmt: skip

    # -- saved tensors -------------------------------------------------------------------------
    def saved(self) -> list[Row]:
        """One row for each tensor that a node keeps for backward; `report.saved` lists the columns."""
        counted: set[tuple[str, int]] = set()
        return [self._saved(row, counted) for row in self.trace.saved]

    def _saved(self, row: Saved, counted: set[tuple[str, int]]) -> Row:
        node = self.trace.nodes[row.node]
        call = None if node.call is None else self.trace.calls[node.call]
        owner = row.tensor if row.tensor is not None else self.graph.storage_owner(row.storage)
        blocks = self.graph.blocks(row)
        more = sum(size for block, size in blocks.items() if block not in counted)
        counted.update(blocks)
        return {
            "saved": row.id, "node": row.node, "name": node.name, "slot": row.slot,
            "tensor": None if owner is None else self.graph.name(owner),
            "parameter": False if owner is None else self.trace.tensors[owner].parameter,
            "call": node.call, "op": None if call is None else call.name, **self._module(call),
            **self._where(self.graph.node_place(node)), "shape": shape_text(row.shape),
            "elements": math.prod(row.shape), "dtype": row.dtype, "device": row.device, "bytes": row.bytes,
            "storage": row.storage, "storage_bytes": sum(blocks.values()), "counted_bytes": more,
            "hidden": row.hidden, **self._freed(node), "kept": self._is_kept(node),
        }  # fmt: skip

    # -- gradients -----------------------------------------------------------------------------
    def gradients(self) -> list[Row]:
        """One row for each change of a `.grad` and each result of `autograd.grad`; see `report.gradients`."""
        found = [(change.at, self._change(change)) for change in self.trace.changes]
        found += [(row.end, one) for row in self.trace.backwards for one in self._returned(row)]
        found += [(loop.at, one) for loop in self.trace.loops for one in self._of_loop(loop)]
        return [row for _, row in sorted(found, key=lambda pair: pair[0])]

    def _change(self, change: GradChange) -> Row:
        head = self._leaf(change.object, change.kind, change.backward, change.places)
        return {**head, **_measured(change.after), **_sizes(figures(change.added), "added_")}

    def _returned(self, backward: Backward) -> Iterator[Row]:
        """What `autograd.grad` gave back; it is in no `.grad`."""
        for tensor, result in zip(backward.inputs or (), backward.results, strict=False):
            if result is not None:
                head = self._leaf(self.trace.tensors[tensor].object, "returned", backward.id, backward.places)
                given = as_gradient(self.trace.tensors[result])
                yield {**head, **_measured(given), **_sizes(None, "added_")}

    def _of_loop(self, loop: Loop) -> Iterator[Row]:
        """Of iterations that are not kept: the norms that are."""
        for norms in loop.norms:
            for leaf, norm in zip(loop.leaves, norms, strict=False):
                head = self._leaf(self.trace.tensors[leaf].object, "accumulated", None, loop.places)
                kind = {**_kind(self.trace.tensors[leaf]), "value": None}
                yield {**head, **kind, **_sizes(None), "norm": _float(norm), **_sizes(None, "added_")}

    def _leaf(self, obj: int, kind: str, backward: int | None, places: Iterable[int]) -> Row:
        name = self.graph.object_name(obj)
        return {"tensor": name, "object": obj, "kind": kind, "backward": backward,
                **self._where(self.graph.place(places))}  # fmt: skip

    # -- backwards -----------------------------------------------------------------------------
    def backwards(self) -> list[Row]:
        """One row for each run of the engine; `report.backwards` lists the columns."""
        freed: dict[int, list[Saved]] = defaultdict(list)
        for row in self.trace.saved:
            by = self.trace.nodes[row.node].freed_by
            if by is not None:
                freed[by].append(row)
        filled = Counter(change.backward for change in self.trace.changes)
        found = [(b.at, self._backward(b, filled[b.id], freed[b.id])) for b in self.trace.backwards]
        found += [(loop.at, one) for loop in self.trace.loops for one in self._dropped(loop)]
        return [row for _, row in sorted(found, key=lambda pair: pair[0])]

    def _backward(self, row: Backward, filled: int, freed: Sequence[Saved]) -> Row:
        place = self.graph.place(row.places)
        root = self.trace.tensors[row.roots[0]] if row.roots else None
        inputs = None if row.inputs is None else ", ".join(self.graph.label(tensor) for tensor in row.inputs)
        return {
            "backward": row.id, "kind": row.kind,
            "root": ", ".join(dict.fromkeys(self.graph.label(tensor) for tensor in row.roots)) or None,
            "loss": None if root is None or len(row.roots) > 1 or root.value is None else number(root.value),
            "kept": True, "code": self.graph.segment(place), **self._where(place), "inputs": inputs,
            "nodes": len(self.graph.steps_in(row.id)), "leaves": filled,
            "freed_bytes": self.graph.unique_bytes(freed)[0], "retain_graph": row.retain_graph,
            "create_graph": row.create_graph, "order": row.order, "error": error_text(row.error),
        }  # fmt: skip

    def _dropped(self, loop: Loop) -> Iterator[Row]:
        """Of iterations that are not kept: their losses, and what the backward before them, which they equal, was."""
        before = [row for row in self.trace.backwards if row.places == loop.places and row.at < loop.at]
        like = self._backward(before[-1], len(loop.leaves), ()) if before else {}
        place = self.graph.place(loop.places)
        for loss in loop.losses:
            head = dict.fromkeys(_BACKWARD) | like | {"code": self.graph.segment(place), **self._where(place)}
            yield {**head, "backward": None, "loss": _float(loss), "kept": False, "freed_bytes": None}

    # -- columns of several tables -------------------------------------------------------------
    def _where(self, place: Place | None) -> Row:
        key = None if place is None else place.id
        if key not in self._places and place is not None:
            source = self.trace.sources[place.source]
            cell = source.number if source.kind == "cell" else None
            file = None if source.kind == "cell" else source.filename
            self._places[key] = {"cell": cell, "file": file, "line": place.line}
        return self._places[key]

    def _module(self, call: Call | None) -> Row:
        scope = None if call is None or call.scope is None else self.trace.scopes[call.scope]
        return {"module": None if scope is None else scope.path, "module_type": None if scope is None else scope.type}


_BACKWARD = (
    "backward", "kind", "root", "loss", "kept", "code", "cell", "file", "line", "inputs", "nodes", "leaves",
    "freed_bytes", "retain_graph", "create_graph", "order", "error",
)  # fmt: skip


def _kind(tensor: Tensor | Gradient | None) -> Row:
    if tensor is None:
        return dict.fromkeys(("shape", "elements", "dtype", "device"))
    shape, dtype, device = tensor.shape, tensor.dtype, tensor.device
    return {"shape": shape_text(shape), "elements": math.prod(shape), "dtype": dtype, "device": device}


def _measured(gradient: Gradient | None) -> Row:
    """What a gradient is and how large; the value where it is a single number."""
    value = None if gradient is None or gradient.value is None else number(gradient.value)
    return {**_kind(gradient), "value": value, **_sizes(figures(gradient))}


def _sizes(known: Figures | None, prefix: str = "") -> Row:
    """How large a gradient is, by its finite elements, and how many others it has."""
    if known is None:
        return {prefix + name: None for name in _SIZES}
    cells = (norm(known), known.rms, known.max, known.zeros, known.nan, known.inf)
    return {prefix + name: cell for name, cell in zip(_SIZES, cells, strict=True)}


def norm(known: Figures) -> float | None:
    """The Euclidean norm of the finite elements; None where there is none."""
    return None if known.rms is None else known.rms * math.sqrt(known.elements - known.odd)


_SIZES = ("norm", "rms", "max", "zeros", "nan", "inf")


def _float(value: Value | None) -> float | None:
    one = None if value is None else number(value)
    return None if one is None else float(one)
