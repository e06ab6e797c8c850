"""What a backward computed, by its name in calculus: `∂(a, b)/∂x`, a vector-Jacobian or Jacobian-vector product.

A name is given only where the structure leaves no doubt; the rest is a backward like others.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Iterator

from ..graph import Graph
from ..trace import Backward, Ids, Tensor
from . import format
from .phrases import LABEL, Phrases

NAMES = 3
"""Outputs or inputs that are named of many."""
_SIMPLE = re.compile(r"[\w.]+(\[[^\[\]]*\][\w.]*)*ᵀ?…?|…")
"""A name, an attribute or an element of one: what stands in a fraction without parentheses."""
EXPLAINED = frozenset({"jacobian", "hessian", "vjp", "jvp", "vhp", "hvp"})
"""Functions of `torch.autograd.functional` of which a sentence says what their backwards are for."""


class Products:
    """Names of what the backwards of one trace computed."""

    def __init__(self, phrases: Phrases) -> None:
        self.phrases, self.graph, self.trace = phrases, phrases.graph, phrases.trace
        self._kinds: dict[int, str] = {}
        self._outputs: dict[int, str] = {}

    # -- what is derived -----------------------------------------------------------------------
    def outputs(self, row: Backward) -> str:
        """`y`, `(a, b)`, `(a, b, … 3 more)`."""
        if row.id not in self._outputs:
            self._outputs[row.id] = self._listed(row.roots)
        return self._outputs[row.id]

    def inputs(self, row: Backward) -> str:
        """`x`, `(x, w)`; empty where all leaves are meant."""
        return self._listed(row.inputs or ())

    def derivative(self, row: Backward, tensor: int) -> str:
        """`∂(a, b)/∂x`; in words at a root without a name, where the fraction is one expression twice."""
        if self.is_itself(row, tensor):
            return self.phrases.text("view.root_itself")
        return f"∂{self.outputs(row)}/∂{self.one(tensor)}"

    def is_itself(self, row: Backward, tensor: int) -> bool:
        """Whether a tensor is the one root of a backward, and has no name but the source text of its expression."""
        if len(row.roots) != 1 or self._object(row.roots[0]) != self._object(tensor):
            return False
        return self.one(row.roots[0]) != self.phrases.label(row.roots[0])

    def result(self, row: Backward, tensor: int) -> str:
        """What a backward computed for a tensor: `∂y/∂x`, `vᵀ · ∂y/∂x`, `J·u, J = ∂y/∂x`, `vᵀH, H = ∂²y/∂x²`."""
        if self.is_itself(row, tensor):
            return self.derivative(row, tensor)
        name = self.vector(row)
        base, first = self._base(row), self._gradient_of(row)
        asked = row.inputs is not None and tensor in row.inputs
        if base is not None and asked:
            return f"J·{name}, J = ∂{self.one(base[0].roots[base[1]])}/∂{self.inputs(base[0])}"
        if first is not None and asked:
            return f"{name}ᵀH, H = ∂²{self.outputs(first)}/∂{self.one(tensor)}²"
        return f"{name}ᵀ · {self.derivative(row, tensor)}" if name else self.derivative(row, tensor)

    def one(self, tensor: int) -> str:
        """A label, in parentheses where it is no simple name."""
        label = self.phrases.label(tensor)
        return label if _SIMPLE.fullmatch(label) else f"({label})"

    def _listed(self, tensors: Ids) -> str:
        names = list(dict.fromkeys(self.phrases.label(t) for t in tensors))
        if len(names) == 1:
            return self.one(tensors[0])
        if not names:
            return ""
        more = len(names) - NAMES
        shown = names[:NAMES] + ([f"… {self.phrases.count('view.more', more)}"] if more > 0 else [])
        return f"({', '.join(shown)})"

    def unused(self, row: Backward, tensor: int) -> bool:
        """Whether none of the outputs was computed from a tensor, as far as the graph was seen."""
        target = self.trace.tensors[tensor]
        node = target.node if target.node is not None else self.graph.accumulator(target.object)
        return node is None or node not in self._behind(row.roots)

    def _behind(self, roots: Ids) -> frozenset[int]:
        return _behind(self.graph, roots)

    # -- products ------------------------------------------------------------------------------
    def kind(self, row: Backward) -> str:
        """`"vjp"`, `"vjps"` (several at once), `"jvp"`, `"hvp"`, `"sum"` (over several outputs), or `""`."""
        if row.id not in self._kinds:
            self._kinds[row.id] = self._kind(row)
        return self._kinds[row.id]

    def _kind(self, row: Backward) -> str:
        if row.error is not None or not row.roots:
            return ""
        if self._base(row) is not None:
            return "jvp"
        if self._gradient_of(row) is not None:
            return "hvp"
        if len(row.roots) > 1:
            return "sum"
        (root,), gradients = row.roots, row.gradients
        given = gradients[0] if gradients else None
        tensor = self.trace.tensors[root]
        if given is None:
            return ""
        if len(given.shape) == len(tensor.shape) + 1 and given.shape[1:] == tensor.shape:
            return "vjps"
        return "vjp" if math.prod(tensor.shape) != 1 else ""

    def _base(self, row: Backward) -> tuple[Backward, int] | None:
        """Of a Jacobian-vector product by two backwards: the first of them, and the number of the output it is of.

        The first gave `vᵀJ` with a graph, for a `v` that the output does not depend on; the second derives that with
        respect to `v`.
        """
        if len(row.roots) != 1 or row.inputs is None or len(row.inputs) != 1 or row.gradients[:1] in ((), (None,)):
            return None
        first = self._returned_by.get(row.roots[0])
        if first is None or not first.create_graph:
            return None
        vector = self.trace.tensors[row.inputs[0]]
        same = [i for i, t in enumerate(first.given) if t is not None and self._object(t) == vector.object]
        depends = any(self._object(t) == vector.object for t in first.inputs or ())
        if len(same) != 1 or depends or not self.unused(first, vector.id):
            return None
        return (first, same[0]) if same[0] < len(first.roots) else None

    def _gradient_of(self, row: Backward) -> Backward | None:
        """Of a Hessian-vector product: the backward that gave the gradient of a scalar, derived here once more."""
        if len(row.roots) != 1 or row.inputs is None or len(row.inputs) != 1 or row.gradients[:1] in ((), (None,)):
            return None
        first = self._returned_by.get(row.roots[0])
        if first is None or len(first.roots) != 1 or self.trace.tensors[first.roots[0]].shape or first.order != 1:
            return None
        pairs = zip(first.inputs or (), first.results, strict=False)
        behind = next((t for t, result in pairs if result == row.roots[0]), None)
        if behind is None or self._object(behind) != self._object(row.inputs[0]) or any(first.gradients):
            return None
        root, given = self.trace.tensors[row.roots[0]], row.gradients[0]
        return first if given is not None and given.shape == root.shape and math.prod(root.shape) != 1 else None

    @functools.cached_property
    def _returned_by(self) -> dict[int, Backward]:
        return {t: backward for backward in self.trace.backwards for t in backward.results if t is not None}

    def _object(self, tensor: int) -> int:
        return self.trace.tensors[tensor].object

    def vector(self, row: Backward) -> str:
        """Name of what weights the elements of the output, `v` where it has none; empty where that is no product."""
        if self.kind(row) not in ("vjp", "jvp", "hvp"):
            return ""
        given = row.given[0] if row.given else None
        name = "" if given is None else self.phrases.name(given)
        base = self._base(row)
        dummy = "" if base is None or row.inputs is None else self.phrases.label(row.inputs[0])
        return name or ("u" if dummy == "v" else "v")

    def sentence(self, row: Backward) -> str:
        """What was computed, in a sentence; empty for the derivative of one scalar."""
        kind = self.kind(row)
        if not kind:
            return ""
        data = {"of": self.outputs(row), "by": self._by(row), "vector": self.vector(row) or "v"}
        if kind == "jvp":
            return self._jvp(row, data)
        if kind == "hvp":
            first = self._gradient_of(row)
            of = self.outputs(first) if first is not None else ""
            return self.phrases.text("view.product_hvp", vector=data["vector"], of=of, by=data["by"])
        if kind == "vjps":
            return self._vjps(row, data)
        if kind == "sum":
            return self.phrases.text("view.product_sum", weights=self._weights(row), of=data["of"], by=data["by"])
        sizes = (math.prod(self.trace.tensors[t].shape) for t in row.roots)
        return self.phrases.text("view.product_vjp", elements=sum(sizes), **data)

    def _by(self, row: Backward) -> str:
        if row.inputs is None:
            reached = (change.tensor for change in self.trace.changes if change.backward == row.id)
            return self._listed(tuple(reached)) or self.phrases.text("view.every_leaf")
        return self.inputs(row)

    def _jvp(self, row: Backward, data: dict[str, str]) -> str:
        found = self._base(row)
        assert found is not None  # `kind` said so
        first, output = found
        root = self.one(first.roots[output])
        return self.phrases.text(
            "view.product_jvp",
            vector=data["vector"],
            of=root,
            by=self._by(first),
            first=self.phrases.label(row.roots[0]),
            line=self.phrases.line_at(first.places),
            dummy=data["by"],
        )

    def _vjps(self, row: Backward, data: dict[str, str]) -> str:
        given = row.gradients[0]
        count = given.shape[0] if given is not None and given.shape else 0
        return self.phrases.text("view.product_vjps", count=count, of=data["of"], by=data["by"])

    def _weights(self, row: Backward) -> str:
        """`1 · a + [2 2] · b`."""
        parts = []
        for index, tensor in enumerate(row.roots[:NAMES]):
            given = row.gradients[index] if index < len(row.gradients) else None
            label = self.phrases.label(tensor)
            parts.append(label if given is None else f"{self.phrases.value(given)} · {label}")
        return " + ".join([*parts, "…"] if len(row.roots) > NAMES else parts)

    def short(self, row: Backward) -> str:
        """The name alone, `vector-Jacobian product vᵀJ`, for a line of text; empty where there is none."""
        kind = self.kind(row)
        key = f"view.product_short_{kind}"
        return self.phrases.text(key, vector=self.vector(row)) if kind in ("vjp", "vjps", "jvp", "hvp") else ""

    def symbol(self, row: Backward) -> str:
        """`vᵀJ`, `J·u`, `vᵀH`; empty where it is none of them."""
        name = self.vector(row) or "v"
        return {"vjp": f"{name}ᵀJ", "vjps": f"{name}ᵀJ", "jvp": f"J·{name}", "hvp": f"{name}ᵀH"}.get(self.kind(row), "")

    # -- functions that run backwards ----------------------------------------------------------
    def through(self, row: Backward) -> str:
        """`jacobian`: the function of torch's that ran a backward, without its module; empty where the user did."""
        return through(self.graph, row.places).rpartition(".")[2]

    def of_how_many(self, row: Backward) -> tuple[int, int]:
        """The how manieth backward this is of those that were run from there, and how many there are."""
        same = self._by_places.get(row.places, ())
        return same.index(row.id) + 1, len(same)

    @functools.cached_property
    def _by_places(self) -> dict[Ids, tuple[int, ...]]:
        found: dict[Ids, list[int]] = {}
        for row in self.trace.backwards:
            found.setdefault(row.places, []).append(row.id)
        return {places: tuple(ids) for places, ids in found.items()}

    def function(self, row: Backward) -> str:
        """Which function ran a backward, and what for; empty where the user's own code did."""
        name = self.through(row)
        if not name:
            return ""
        number, total = self.of_how_many(row)
        whole = format.clip(format.clean(through(self.graph, row.places)), 2 * LABEL)
        said = self.phrases.text("view.run_by", function=whole, n=number, total=total)
        one_by_one = self.kind(row) != "vjps" or name not in ("jacobian", "hessian")
        return f"{said} {self.phrases.text(f'view.run_by_{name}')}" if name in EXPLAINED and one_by_one else said


def through(graph: Graph, places: Ids) -> str:
    """The function of torch's that was running at a place, `"torch.autograd.functional.jacobian"`; else empty."""
    return graph.trace.places[places[0]].through if places else ""


def _behind(graph: Graph, roots: Ids) -> frozenset[int]:
    """The nodes that a backward from these tensors can reach."""
    return frozenset(node.id for node in graph.reachable(_nodes(graph, roots)))


def _nodes(graph: Graph, roots: Ids) -> Iterator[int]:
    for tensor in roots:
        row: Tensor = graph.trace.tensors[tensor]
        node = row.node if row.node is not None else graph.accumulator(row.object)
        if node is not None:
            yield node
