"""Traces by hand, without torch: `Cell(source)` with `leaf`, `call`, `backward`, then `trace()`.

Each method appends the rows that the recorder would append for that event and returns the id of the tensor
row (or of the backward) that came out of it.  Places are given by the source text they cover.
"""

from __future__ import annotations

import math
from collections import defaultdict
from typing import Any

from autograd_magics.report import Report
from autograd_magics.rules import Finding, tag
from autograd_magics.trace import (
    Access,
    Backward,
    Call,
    Failure,
    GradChange,
    Gradient,
    Name,
    Node,
    Place,
    Saved,
    Source,
    Step,
    Storage,
    Tensor,
    Trace,
    Warned,
)

ITEMSIZE = {"float64": 8, "int64": 8, "float32": 4, "bool": 1}


def shape_of(value: Any) -> tuple[int, ...]:
    """Shape of nested lists."""
    return (len(value), *(shape_of(value[0]) if value else ())) if isinstance(value, list) else ()


def add(left: Any, right: Any) -> Any:
    """Sum of two values of the same shape."""
    if isinstance(left, list):
        return [add(a, b) for a, b in zip(left, right, strict=True)]
    return left + right


class Cell:
    """A recorded cell in the making."""

    def __init__(self, source: str, number: int | None = 5, *, run: str = "5eed") -> None:
        self.run = run
        self.tables: dict[str, list[Any]] = {
            name: []
            for name in "sources places storages tensors names calls accesses nodes saved backwards steps changes "
            "warnings".split()
        }
        self.failure: Failure | None = None
        self.by_node: dict[int | None, list[int]] = defaultdict(list)
        self.accumulators: dict[int, int] = {}
        self.last_change: dict[int, GradChange] = {}
        self.clock = 0
        self.objects = 0
        self.source(source, number)

    def trace(self, **head: Any) -> Trace:
        """What was built so far."""
        tables = {name: tuple(rows) for name, rows in self.tables.items()}
        return Trace(run=self.run, torch="2.13.0", source=0, failure=self.failure, **tables, **head)

    def tick(self) -> int:
        self.clock += 1
        return self.clock

    def append(self, table: str, row: type, **fields: Any) -> int:
        rows = self.tables[table]
        rows.append(row(id=len(rows), **fields))
        return len(rows) - 1

    def change(self, table: str, id: int, **fields: Any) -> None:
        self.tables[table][id] = self.tables[table][id]._replace(**fields)

    def source(self, text: str, number: int | None) -> int:
        """Another cell; the first one is the recorded cell."""
        filename = f"<ipython-input-{number}>" if number is not None else "train.py"
        kind = "cell" if number is not None else "file"
        return self.append("sources", Source, kind=kind, number=number, filename=filename, text=text, line_texts={})

    def at(self, code: str | int | None, source: int = 0) -> tuple[int, ...]:
        """Places for a piece of source text (the first line that holds it), or for a place id."""
        if code is None:
            return ()
        if isinstance(code, int):
            return (code,)
        text = self.tables["sources"][source].text
        start = text.index(code)
        line, column = text.count("\n", 0, start) + 1, start - (text.rfind("\n", 0, start) + 1)
        end = start + len(code)
        end_line, end_column = text.count("\n", 0, end) + 1, end - (text.rfind("\n", 0, end) + 1)
        fields = dict(source=source, line=line, column=column, end_line=end_line, end_column=end_column)
        for place in self.tables["places"]:
            if all(getattr(place, key) == value for key, value in fields.items()):
                return (place.id,)
        return (self.append("places", Place, function="<module>", **fields),)

    def tensor(self, value: Any, name: str | None = None, *, shape: Any = None, dtype: str = "float32", **fields: Any):
        """A tensor row; `shape` alone makes a large one without a value."""
        shape = tuple(shape) if shape is not None else shape_of(value)
        size = math.prod(shape) * ITEMSIZE[dtype]
        if "object" not in fields:
            fields["object"] = self.objects
            self.objects += 1
        if "storage" not in fields:
            fields["storage"] = self.append("storages", Storage, bytes=size, device="cpu")
        defaults = dict(version=0, device="cpu", requires_grad=False, leaf=True, node=None, output_nr=0, call=None)
        row = {**defaults, "retains_grad": False, "parameter": False, "at": self.tick(), **fields}
        id = self.append("tensors", Tensor, shape=shape, dtype=dtype, bytes=size, value=value, **row)
        self.by_node[row["node"]].append(id)
        if name:
            self.name(id, name)
        return id

    def leaf(self, name: str, value: Any = None, **fields: Any) -> int:
        """A leaf that requires grad."""
        return self.tensor(value, name, requires_grad=True, **fields)

    def name(self, tensor: int, name: str, code: str | int | None = None) -> None:
        place = next(iter(self.at(code)), None)
        self.append("names", Name, at=self.tick(), name=name, tensor=tensor, place=place, function="<module>")

    def accumulate(self, leaf: int) -> int:
        """The AccumulateGrad node of a leaf, one for each object."""
        obj = self.tables["tensors"][leaf].object
        if obj not in self.accumulators:
            self.accumulators[obj] = self.node("AccumulateGrad", origin="leaf", leaf=leaf)
        return self.accumulators[obj]

    def node(self, name: str, inputs: tuple[int, ...] = (), **fields: Any) -> int:
        """A node whose edges lead to what the given tensor rows came from."""
        edges = []
        for tensor in inputs:
            row = self.tables["tensors"][tensor]
            target = row.node if row.node is not None else self.accumulate(tensor) if row.requires_grad else None
            edges.append((target, row.output_nr))
        row = {"call": None, "origin": "earlier", "place": None, "leaf": None, "order": 1, **fields}
        return self.append("nodes", Node, at=self.tick(), name=name, edges=tuple(edges), **row)

    def call(
        self,
        code: str | int | None,
        op: str,
        inputs: tuple[int, ...],
        value: Any = None,
        *,
        name: str | None = None,
        node: str | None = None,
        saved: dict[str, int] | None = None,
        constants: tuple[tuple[str, Any], ...] = (),
        cut: str | None = None,
        error: tuple[str, str] | None = None,
        inplace: bool = False,
        qualified: str | None = None,
        **fields: Any,
    ) -> int:
        """A call with one result; the id of the result's row (of the call where it failed)."""
        places = self.at(code)
        id, at = len(self.tables["calls"]), self.tick()
        self.tables["calls"].append(None)
        made = () if node is None else (self.node(node, inputs, call=id, origin="call"),)
        outputs: tuple[int, ...] = ()
        failure = None if error is None else Failure(at, *error, places)
        if failure is None:
            if inplace:
                fields = {**self._changed(inputs[0], node), **fields}
            fields = {"leaf": node is None, "requires_grad": node is not None, **fields}
            outputs = (self.tensor(value, call=id, node=made[0] if made else None, **fields),)
        for slot, tensor in (saved or {}).items():
            self.keep(made[0], slot, tensor)
        self.tables["calls"][id] = Call(
            id=id, at=at, end=self.tick(), name=op, qualified=qualified or f"Tensor.{op}", places=places, inputs=inputs,
            constants=constants, outputs=outputs, nodes=made, inplace=inplace, grad_enabled=cut != "no_grad",
            cut=cut, error=failure,
        )  # fmt: skip
        if name and outputs:
            self.name(outputs[0], name, code)
        return outputs[0] if outputs else id

    def _changed(self, tensor: int, node: str | None) -> dict[str, Any]:
        """What the next state of a tensor has in common with this one."""
        row = self.tables["tensors"][tensor]
        same = dict(object=row.object, storage=row.storage, version=row.version + 1)
        return {**same, "leaf": row.leaf and node is None, "requires_grad": row.requires_grad or node is not None}

    def keep(self, node: int, slot: str, tensor: int) -> int:
        """A tensor saved for backward."""
        row = self.tables["tensors"][tensor]
        same = dict(storage=row.storage, shape=row.shape, dtype=row.dtype, device=row.device, bytes=row.bytes)
        return self.append(
            "saved", Saved, at=self.tick(), node=node, slot=slot, tensor=tensor, version=row.version, **same
        )

    def gradient(self, value: Any) -> Gradient | None:
        return None if value is None else Gradient(shape_of(value), "float32", "cpu", value)

    def reached(self, root: int) -> list[int]:
        """Nodes in the order in which the engine runs them: children before what they lead to."""
        nodes, start = self.tables["nodes"], self.tables["tensors"][root].node
        order = [] if start is None else [start]
        seen = set(order)
        for node in order:
            for parent, _ in nodes[node].edges:
                if parent is not None and parent not in seen:
                    seen.add(parent)
                    order.append(parent)
        return sorted(order, key=lambda n: (nodes[n].leaf is not None, -n))

    def backward(
        self,
        code: str | int | None,
        root: int,
        flow: dict[int, Any],
        *,
        kind: str = "Tensor.backward",
        inputs: tuple[int, ...] | None = None,
        results: tuple[int | None, ...] = (),
        error: tuple[str, str] | None = None,
        retain: bool = False,
        create: bool = False,
        order: int = 1,
        gradient: Any = None,
    ) -> int:
        """A backward from `root`; `flow` gives the gradient that reaches each tensor row, leaves included."""
        places = self.at(code)
        id, at = len(self.tables["backwards"]), self.tick()
        failure = None if error is None else Failure(at, *error, places)
        self.tables["backwards"].append(None)
        for node in [] if failure else self.reached(root):
            self._step(id, node, flow, places, accumulates=kind != "autograd.grad", frees=not (retain or create))
        self.tables["backwards"][id] = Backward(
            id=id, at=at, end=self.tick(), kind=kind, places=places, roots=(root,), inputs=inputs, order=order,
            gradients=(self.gradient(gradient),), retain_graph=retain or create, create_graph=create,
            results=results, error=failure,
        )  # fmt: skip
        return id

    def _step(
        self, backward: int, node: int, flow: dict[int, Any], places: tuple[int, ...], *, accumulates: bool, frees: bool
    ) -> None:
        row = self.tables["nodes"][node]
        value = self._reaching(node, flow)
        sent = tuple(self.gradient(self._reaching(parent, flow)) for parent, _ in row.edges)
        received = (self.gradient(value),)
        self.append("steps", Step, at=self.tick(), backward=backward, node=node, received=received, sent=sent)
        if row.leaf is not None and value is not None and accumulates:
            self.grad(row.leaf, "accumulated", places, added=value, backward=backward)
        elif row.leaf is None and frees:
            self.change("nodes", node, freed_by=backward, freed_at=self.clock, freed_place=next(iter(places), None))

    def _reaching(self, node: int | None, flow: dict[int, Any]) -> Any:
        """The gradient in `flow` for the tensor of a node."""
        if node is None:
            return None
        results = (flow[tensor] for tensor in self.by_node[node] if tensor in flow)
        return next(results, flow.get(self.tables["nodes"][node].leaf))

    def grad(
        self, tensor: int, kind: str, code: Any, *, added: Any = None, after: Any = None, backward: int | None = None
    ) -> int:
        """A change of `.grad`; what was there before is what the last change left."""
        obj = self.tables["tensors"][tensor].object
        last = self.last_change.get(obj)
        before = last.after.value if last is not None and last.after is not None else None
        if added is not None:
            after = added if before is None else add(before, added)
        places = code if isinstance(code, tuple) else self.at(code)
        values = dict(before=self.gradient(before), added=self.gradient(added), after=self.gradient(after))
        earlier = last.places if last is not None else ()
        id = self.append(
            "changes", GradChange, at=self.tick(), object=obj, tensor=tensor, kind=kind, backward=backward,
            places=places, before_places=earlier, **values,
        )  # fmt: skip
        self.last_change[obj] = self.tables["changes"][id]
        return id

    def access(self, code: str, tensor: int, attribute: str = "grad", **fields: Any) -> int:
        row = {"result": None, "node": None, "name": None, **fields}
        return self.append(
            "accesses", Access, at=self.tick(), attribute=attribute, tensor=tensor, places=self.at(code), **row
        )

    def warn(self, code: str, message: str) -> int:
        return self.append(
            "warnings", Warned, at=self.tick(), category="UserWarning", message=message, places=self.at(code)
        )

    def fail(self, type: str, message: str, code: str) -> None:
        self.failure = Failure(self.tick(), type, message, self.at(code))


REGRESSION = """%%autograd
x = torch.arange(4.)
y = 2 * x
y_pred = x * w
e = y_pred - y
J = e.pow(2).sum()
J.backward()"""


def regression(*, backward: bool = True, source: str = REGRESSION) -> Cell:
    """Linear regression by hand: `w.grad` is -28."""
    cell = Cell(source)
    w = cell.leaf("w", [1.0])
    x = cell.tensor([0.0, 1.0, 2.0, 3.0])
    cell.name(x, "x", "torch.arange(4.)")
    y = cell.tensor([0.0, 2.0, 4.0, 6.0])
    cell.name(y, "y", "2 * x")
    y_pred = cell.call("x * w", "mul", (x, w), [0.0, 1.0, 2.0, 3.0], name="y_pred", node="MulBackward0",
                       saved={"self": x})  # fmt: skip
    e = cell.call("y_pred - y", "sub", (y_pred, y), [0.0, -1.0, -2.0, -3.0], name="e", node="SubBackward0")
    e2 = cell.call("e.pow(2)", "pow", (e,), [0.0, 1.0, 4.0, 9.0], node="PowBackward0", saved={"self": e},
                   constants=(("1", 2),))  # fmt: skip
    total = cell.call("e.pow(2).sum()", "sum", (e2,), 14.0, name="J", node="SumBackward0")
    if backward:
        down = [-0.0, -2.0, -4.0, -6.0]
        flow = {total: 1.0, e2: [1.0] * 4, e: down, y_pred: down, w: [-28.0]}
        cell.backward("J.backward()", total, flow)
    return cell


def loop(iterations: int, *, zeroing: bool = False) -> Cell:
    """A loop that adds 1, 2, 3... to `w.grad`; with `zeroing` it is set to zero after each backward."""
    cell = Cell("w = torch.ones(1, requires_grad=True)\nfor k in range(4):\n    z = w * k\n    z.backward()\n"
                "    w.grad.zero_()")  # fmt: skip
    w = cell.leaf("w", [1.0])
    for k in range(1, iterations + 1):
        z = cell.call("w * k", "mul", (w,), [float(k)], name="z", node="MulBackward0", constants=(("1", k),))
        cell.backward("z.backward()", z, {z: [1.0], w: [float(k)]})
        if zeroing:
            cell.grad(w, "zeroed", "w.grad.zero_()", after=[0.0])
    return cell


def report(cell: Cell | Trace, *findings: Finding, lang: str = "en") -> Report:
    """A report on a trace with exactly these findings."""
    made = Report(cell.trace() if isinstance(cell, Cell) else cell, lang=lang)
    made.__dict__["findings"] = findings
    return made


def added_again() -> tuple[Cell, Finding]:
    """A second backward that adds to `w.grad`, and the finding about it."""
    cell = regression(source=REGRESSION + "\nJ.backward(retain_graph=True)")
    first = cell.tables["backwards"][0].places[0]
    (second,) = cell.at("J.backward(retain_graph=True)")
    total = cell.tables["backwards"][0].roots[0]
    backward = cell.backward(second, total, {total: 1.0, 0: [-28.0]}, retain=True)
    change = cell.tables["changes"][-1]
    data = {
        "name": tag("tensor", 0), "here": tag("place", second), "was": tag("place", first), "times": 1,
        "before": _tagged(change.before), "added": _tagged(change.added), "after": _tagged(change.after),
    }  # fmt: skip
    return cell, Finding("AG202", "warning", change.at, data, "", (second, first), (0,), backwards=(backward,))


def _tagged(gradient: Gradient) -> dict[str, Any]:
    return tag("gradient", {"shape": gradient.shape, "dtype": gradient.dtype, "value": gradient.value})


HOSTILE = "</script><img src=x onerror=alert(1)>`\"'&\x1b[31m\u202e\ud800{0}\\N"
"""A name that tries to become markup, a terminal command, a format field, an escape of Graphviz."""


def hostile() -> tuple[Cell, Finding]:
    """A trace in which everything that can come from the user is hostile."""
    source = f"%%autograd\nz = w * x  # {HOSTILE}\nz.backward()"
    cell = Cell(source)
    w = cell.leaf(HOSTILE, [1.0])
    x = cell.tensor([2.0], f"x{HOSTILE}", device=HOSTILE)
    z = cell.call("w * x", "mul", (w, x), [2.0], name=HOSTILE, node=f"Mul{HOSTILE}", saved={"self": w},
                  constants=((HOSTILE, HOSTILE),), qualified=HOSTILE)  # fmt: skip
    cell.call("w * x", HOSTILE, (z,), error=("RuntimeError", HOSTILE))
    cell.backward("z.backward()", z, {z: [1.0], w: [2.0]}, kind=HOSTILE)
    cell.tables["sources"][0] = cell.tables["sources"][0]._replace(filename=HOSTILE)
    cell.fail("RuntimeError", HOSTILE, "z.backward()")
    data = {"name": tag("tensor", w), "shape": tag("shape", (1,)), "here": tag("place", 0), "why": HOSTILE}
    return cell, Finding("AG102", "error", 1, data, "", (0,), (w,), (0,), (0,), (0,))
