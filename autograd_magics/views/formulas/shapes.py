"""Textbook forms of operations that move elements: views, indexing, joining."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from ...trace import Ids
from .. import format
from .facts import UNKNOWN, Facts

Make = Callable[[Facts, int], str | None]


def reshape(facts: Facts, edge: int) -> str | None:
    """Back to the input's shape."""
    shape = facts.shape_of_input(edge)
    if shape is None or facts.received is None:
        return None
    return "grad" if shape == facts.received.shape else f"reshape(grad, {format.shape_text(shape)})"


def transpose(facts: Facts, edge: int) -> str | None:
    """`gradᵀ` of a matrix, else with the two dimensions."""
    dims = [facts.argument(name, i, UNKNOWN) for i, name in enumerate(("dim0", "dim1"), 1)]
    if not all(map(_is_int, dims)) or facts.received is None:
        return None
    rank = len(facts.received.shape)
    first, second = (dim % max(rank, 1) for dim in dims)
    if first == second:
        return "grad"
    return "gradᵀ" if {first, second} == {rank - 2, rank - 1} else f"transpose(grad, {first}, {second})"


def permute(facts: Facts, edge: int) -> str | None:
    """The inverse permutation."""
    rank = len(facts.received.shape) if facts.received is not None else 0
    dims = facts.varargs("dims", 1, UNKNOWN)
    if facts.alone == "T":
        dims = list(range(rank))[::-1]
    if not _are_ints(dims) or len(dims) != rank:
        return None
    dims = [dim % rank for dim in dims]
    inverse = sorted(range(rank), key=dims.__getitem__)
    return "gradᵀ" if inverse == [1, 0] else f"permute(grad, {format.shape_text(inverse)})"


def select(facts: Facts, edge: int) -> str | None:
    """Zero but for the part that was taken."""
    index = _index(facts)
    dim, at = facts.argument("dim", 1, UNKNOWN), facts.argument("index", 2, UNKNOWN)
    if index is None and _is_int(dim) and _is_int(at) and dim >= 0:
        index = ", ".join([":"] * dim + [str(at)])
    return _placed(facts, edge, index, "←")


def part(facts: Facts, edge: int) -> str | None:
    """The same for a slice."""
    return _placed(facts, edge, _index(facts), "←")


def index(facts: Facts, edge: int) -> str | None:
    """By a tensor of positions: what was taken twice gets both gradients."""
    rows = [saved for saved in facts.graph.saved_of(facts.node.id) if saved.slot.startswith("indices")]
    if [saved.slot for saved in rows] != ["indices[0]"] or "1" in facts.given:
        return None
    return _placed(facts, edge, "indices", "+=")


def embedding(facts: Facts, edge: int) -> str | None:
    """The rows that were looked up."""
    unusual = [facts.argument("padding_idx", 2, -1), facts.argument("scale_grad_by_freq", 3, False)]
    return _placed(facts, edge, "indices", "+=") if unusual == [-1, False] else None


def _index(facts: Facts) -> str | None:
    """What stood between the brackets, where that was all of it."""
    return index_text(facts.given.get("1")) if facts.alone == "getitem" else None


def _placed(facts: Facts, edge: int, index: str | None, sign: str) -> str | None:
    shape = facts.shape_of_input(edge)
    return None if index is None or shape is None else f"zeros({format.shape_text(shape)})[{index}] {sign} grad"


def cat(facts: Facts, edge: int) -> str | None:
    """The part of `grad` that belongs to one of the tensors."""
    shapes, dim = _joined(facts), facts.argument("dim", 1, 0)
    if shapes is None or not _is_int(dim) or any(len(shape) != len(shapes[0]) for shape in shapes):
        return None
    dim %= max(len(shapes[0]), 1)
    start = sum(shape[dim] for shape in shapes[:edge])
    return _taken(dim, f"{start}:{start + shapes[edge][dim]}")


def stack(facts: Facts, edge: int) -> str | None:
    """The layer of `grad` that belongs to one of the tensors."""
    shapes, dim = _joined(facts), facts.argument("dim", 1, 0)
    if shapes is None or not _is_int(dim):
        return None
    return _taken(dim % (len(shapes[0]) + 1), str(edge))


def _taken(dim: int, index: str) -> str:
    return f"grad[{', '.join([':'] * dim + [index])}]"


def _joined(facts: Facts) -> list[Ids] | None:
    """Shapes of the tensors that a call joined."""
    if facts.call is None or len(facts.call.inputs) != len(facts.node.edges):
        return None
    return [facts.trace.tensors[tensor].shape for tensor in facts.call.inputs]


def flip(facts: Facts, edge: int) -> str | None:
    """The other way round again."""
    dims = facts.varargs("dims", 1, UNKNOWN)
    if _is_int(dims):
        dims = [dims]
    return f"flip(grad, {format.shape_text(dims)})" if _are_ints(dims) else None


def roll(facts: Facts, edge: int) -> str | None:
    """Back by as much."""
    shifts, dims = facts.argument("shifts", 1, UNKNOWN), facts.argument("dims", 2, UNKNOWN)
    return f"roll(grad, {format.number(-shifts, format.MINUS)}, {dims})" if _is_int(shifts) and _is_int(dims) else None


def triangle(name: str) -> Make:
    """`tril` or `triu`."""

    def make(facts: Facts, edge: int) -> str | None:
        diagonal = facts.argument("diagonal", 1, 0)
        if not _is_int(diagonal):
            return None
        return f"{name}(grad, {format.number(diagonal, format.MINUS)})" if diagonal else f"{name}(grad)"

    return make


def along(formula: str, name: str = "dim", position: int = 1) -> Make:
    """A formula with the dimension that was given, and zeros of the input's shape."""

    def make(facts: Facts, edge: int) -> str | None:
        dim, shape = facts.argument(name, position, UNKNOWN), facts.shape_of_input(edge)
        if not _is_int(dim) or not shape:
            return None
        return formula.format(dim=dim % len(shape), zeros=f"zeros({format.shape_text(shape)})")

    return make


def to_copy(facts: Facts, edge: int) -> str | None:
    """Back to the input's dtype."""
    received, sent = facts.received, facts.sent(edge)
    if received is None or sent is None:
        return None
    return "grad" if received.dtype == sent.dtype else f"to(grad, {format.clean(sent.dtype)})"


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _are_ints(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str) and all(map(_is_int, value))


def index_text(value: Any) -> str | None:
    """A constant index as it was recorded (`1`, `"0:2"`, `[":", 1]`) as text; None for any other kind."""
    items = value if isinstance(value, (list, tuple)) else [value]
    texts = [str(item) for item in items if _is_int(item) or isinstance(item, str)]
    plain = all(re.fullmatch(r"-?\d+|\.\.\.|[-\d:]+", text) for text in texts)
    return ", ".join(texts) if texts and len(texts) == len(items) and plain else None


FORMS: dict[str, dict[str, str | Make]] = {
    "view": {"self": reshape}, "_unsafe_view": {"self": reshape}, "_reshape_alias": {"self": reshape},
    "squeeze": {"self": reshape}, "squeeze.dim": {"self": reshape}, "squeeze.dims": {"self": reshape},
    "unsqueeze": {"self": reshape},
    "transpose.int": {"self": transpose}, "permute": {"self": permute},
    "select.int": {"self": select}, "slice.Tensor": {"self": part}, "index.Tensor": {"self": index},
    "embedding": {"weight": embedding},
    "cat": {"tensors": cat}, "stack": {"tensors": stack},
    "flip": {"self": flip}, "roll": {"self": roll}, "tril": {"self": triangle("tril")},
    "triu": {"self": triangle("triu")},
    "cumsum": {"self": along("flip(cumsum(flip(grad, {dim}), {dim}), {dim})")},
    "gather": {"self": along("scatter_add({zeros}, {dim}, index, grad)")},
    "index_select": {"self": along("index_add({zeros}, {dim}, index, grad)")},
    "_to_copy": {"self": to_copy},
}  # fmt: skip
