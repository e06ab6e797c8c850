"""Textbook forms of what goes over dimensions: sums, means, extremes, norms, variances, softmax."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

from ...trace import Ids, flat
from .. import format
from .facts import UNKNOWN, Facts

Make = Callable[[Facts, int], str | None]


def kept(facts: Facts, edge: int) -> Ids | None:
    """The shape of what came in, with a 1 for every dimension that is gone; None where that is not known."""
    shape, received = facts.shape_of_input(edge), facts.received
    if shape is None or received is None:
        return None
    if len(received.shape) == len(shape):
        return received.shape
    dims = _dims(facts, len(shape))
    gone = itertools.combinations(range(len(shape)), len(shape) - len(received.shape)) if dims is None else [dims]
    found = {
        tuple(1 if i in out else size for i, size in enumerate(shape))
        for out in gone
        if tuple(size for i, size in enumerate(shape) if i not in out) == received.shape
    }
    return found.pop() if len(found) == 1 else None


def _dims(facts: Facts, rank: int) -> tuple[int, ...] | None:
    given = facts.varargs("dim", 1, facts.argument("axis", 1, UNKNOWN))
    dims = given if isinstance(given, (list, tuple)) else [given]
    if not all(isinstance(dim, int) and not isinstance(dim, bool) for dim in dims):
        return None
    return tuple(dim % rank for dim in dims)


def restored(name: str, facts: Facts, edge: int) -> str | None:
    """`grad` or `result` in a shape that fits the input again, dimension by dimension."""
    shape = kept(facts, edge)
    if shape is None or facts.received is None:
        return None
    gone = len(shape) - len(facts.received.shape)
    if shape[gone:] == facts.received.shape:
        return name  # only leading dimensions are gone: it fits as it is
    if gone == 1:
        dim = next(i for i, size in enumerate(shape) if shape[:i] + shape[i + 1 :] == facts.received.shape)
        return f"unsqueeze({name}, {dim})"
    return f"reshape({name}, {format.shape_text(shape)})"


def over(facts: Facts, edge: int) -> str | None:
    """The arguments of a sum or mean over the same dimensions; nothing for all of them."""
    shape, rows = facts.shape_of_input(edge), kept(facts, edge)
    if shape is None or rows is None:
        return None
    dims = [i for i, (size, row) in enumerate(zip(shape, rows, strict=True)) if size != row]
    if len(dims) == sum(size > 1 for size in shape):
        return ""
    return f", dim={dims[0] if len(dims) == 1 else tuple(dims)}, keepdim=True"


def count(facts: Facts, edge: int) -> int | None:
    """How many elements went into each result."""
    shape, received = facts.shape_of_input(edge), facts.received
    if shape is None or received is None or not math.prod(received.shape):
        return None
    return math.prod(shape) // math.prod(received.shape)


def total(facts: Facts, edge: int) -> str | None:
    """A sum: each element gets the same."""
    grad, shape = restored("grad", facts, edge), facts.shape_of_input(edge)
    return "grad" if shape == () else grad and f"{grad} · ones({format.shape_text(shape or ())})"


def mean(facts: Facts, edge: int) -> str | None:
    """A sum divided by the number of elements."""
    whole, n = total(facts, edge), count(facts, edge)
    return whole and n and f"{whole} / {n}" or None


def product(facts: Facts, edge: int) -> str | None:
    """The product of the others; as a quotient where no element is zero."""
    grad, result = restored("grad", facts, edge), restored("result", facts, edge)
    if not grad or not result:
        return None
    value = facts.operand("self", edge).value
    zero = value is None or any(item == 0 for item in flat(value))
    return f"{grad} · ∏ⱼ≠ᵢ selfⱼ" if zero else f"{grad} · {result} / self"


def extreme(facts: Facts, edge: int) -> str | None:
    """To the elements that are the result, in equal parts."""
    grad, result, dims = restored("grad", facts, edge), restored("result", facts, edge), over(facts, edge)
    if grad is None or result is None or dims is None:
        return None
    return f"{grad} · (self = {result}) / sum(self = {result}{dims})"


def chosen(facts: Facts, edge: int) -> str | None:
    """To the element whose index was returned; written for the last dimension."""
    shape, received = facts.shape_of_input(edge), facts.received
    if not shape or received is None or len(received.shape) != len(shape) - 1:
        return None
    if _dims(facts, len(shape)) != (len(shape) - 1,):
        return None
    grad = "grad" if len(shape) == 1 else f"unsqueeze(grad, {len(shape) - 1})"
    return f"{grad} · one_hot(indices, {shape[-1]})"


def norm(facts: Facts, edge: int) -> str | None:
    """Of order 2 and 1."""
    order = facts.argument("ord", 1, 2)
    grad, result = restored("grad", facts, edge), restored("result", facts, edge)
    if grad is None or result is None:
        return None
    if order in (2, "fro", None):
        return f"{grad} · self / {result}"
    return f"{grad} · sign(self)" if order == 1 else None


def variance(facts: Facts, edge: int) -> str | None:
    """Twice the distance from the mean."""
    grad, spread = restored("grad", facts, edge), _spread(facts, edge)
    return f"{grad} · 2 · {spread[0]} / {spread[1]}" if grad and spread else None


def deviation(facts: Facts, edge: int) -> str | None:
    """The derivative of the root of the variance."""
    grad, result, spread = restored("grad", facts, edge), restored("result", facts, edge), _spread(facts, edge)
    return f"{grad} · {spread[0]} / ({spread[1]} · {result})" if grad and result and spread else None


def _spread(facts: Facts, edge: int) -> tuple[str, str] | None:
    """The distance from the mean, and the number of elements less the correction."""
    n, dims = count(facts, edge), over(facts, edge)
    first = facts.argument("1", 1, None)
    unbiased = first if isinstance(first, bool) else facts.argument("unbiased", 2, True)
    correction = facts.argument("correction", -1, int(unbiased is not False))
    if n is None or dims is None or UNKNOWN in (unbiased, correction) or correction is None:
        return None
    return f"(self − mean(self{dims}))", f"({n} − {correction})" if correction else str(n)


def softmax(facts: Facts, edge: int) -> str | None:
    """Less the part that all elements of a row have in common."""
    dims = _row(facts, edge)
    return None if dims is None else f"result · (grad − sum(grad · result{dims}))"


def log_softmax(facts: Facts, edge: int) -> str | None:
    """The same in logarithms."""
    dims = _row(facts, edge)
    return None if dims is None else f"grad − e^result · sum(grad{dims})"


def _row(facts: Facts, edge: int) -> str | None:
    shape = facts.shape_of_input(edge)
    dims = None if not shape else (0,) if len(shape) == 1 else _dims(facts, len(shape))
    if not shape or dims is None:
        return None
    return "" if len(shape) == 1 else f", dim={dims[0]}, keepdim=True"


def logsumexp(facts: Facts, edge: int) -> str | None:
    """The softmax of the input."""
    grad, result = restored("grad", facts, edge), restored("result", facts, edge)
    return f"{grad} · e^(self − {result})" if grad and result else None


FORMS: dict[str, dict[str, str | Make]] = {
    "sum": {"self": total}, "sum.dim_IntList": {"self": total},
    "mean": {"self": mean}, "mean.dim": {"self": mean},
    "prod": {"self": product}, "prod.dim_int": {"self": product},
    "max": {"self": extreme}, "min": {"self": extreme}, "amax": {"self": extreme}, "amin": {"self": extreme},
    "max.dim": {"self": chosen}, "min.dim": {"self": chosen},
    "linalg_vector_norm": {"self": norm},
    "var.correction": {"self": variance}, "std.correction": {"self": deviation},
    "_softmax": {"self": softmax}, "_log_softmax": {"self": log_softmax}, "logsumexp": {"self": logsumexp},
}  # fmt: skip
