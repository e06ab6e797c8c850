"""Where `torch.autocast` ran a call in another dtype than its inputs have, as the trace shows it.

* `ran_in(graph, call)`: the dtype, None where nothing tells that autocast did it.
* `cast_to(graph, node)`: the same for a node by which an input was cast.

No probe notes autocast: the dtypes tell.  Without it PyTorch promotes inside of its kernels, which makes no node of
its own, refuses matrices of two dtypes, and gives half precision for single only where the user asks for that.
"""

from __future__ import annotations

from ..graph import Graph
from ..trace import Call, Node, Tensor

LOW = frozenset({"float16", "bfloat16"})
FLOATS = LOW | {"float32"}
"""Dtypes between which autocast casts; it leaves float64 alone."""
CAST = "ToCopyBackward0"
CONVERSIONS = frozenset("to type type_as half bfloat16 float double copy_".split())
"""Calls by which the user converts."""
MATRICES = ("linear", "matmul", "mm", "conv", "bmm", "mv")
"""Parts of names of calls that refuse operands of two dtypes; a weight may have been cast by an earlier call."""
DTYPES = frozenset({*FLOATS, "float64", "complex64", "complex128", "int32", "int64", "bool"})


def ran_in(graph: Graph, call: Call) -> str | None:
    """The dtype in which autocast ran a call; None where it did not, or where the rows leave a doubt."""
    rows = graph.trace.tensors
    if not call.outputs or call.inplace or call.name in CONVERSIONS or not _is_torchs(call):
        return None
    result = rows[call.outputs[0]].dtype
    # a single number takes part in no promotion
    inputs = [rows[t] for t in call.inputs if rows[t].dtype in FLOATS and rows[t].shape]
    if result not in FLOATS or any(value in DTYPES for _, value in call.constants if isinstance(value, str)):
        return None
    if any(row.object == rows[call.outputs[0]].object for row in inputs):  # `out=`
        return None
    cast = any(graph.trace.nodes[node].name == CAST for node in call.nodes)
    return result if (_lowered if result in LOW else _raised)(call, inputs, result, cast) else None


def cast_to(graph: Graph, node: Node) -> str | None:
    """The dtype to which autocast cast an input by a node; None where no autocast did."""
    if node.name != CAST or node.call is None:
        return None
    return ran_in(graph, graph.trace.calls[node.call])


def _is_torchs(call: Call) -> bool:
    """Whether a call is one of torch's own functions, which convert nothing unasked."""
    return call.qualified.startswith(("torch.", "Tensor."))


def _lowered(call: Call, inputs: list[Tensor], result: str, cast: bool) -> bool:
    """Whether a call gives half precision for what autocast alone brings there."""
    other = [row.dtype != result for row in inputs]
    if call.name.endswith("norm"):  # these take weights of single precision as they are
        return False
    return any(other) and (cast or other[0] or any(part in call.name for part in MATRICES))


def _raised(call: Call, inputs: list[Tensor], result: str, cast: bool) -> bool:
    """Whether a call cast what it was given in half precision, as autocast does for losses and normalisation."""
    low = [row.dtype in LOW for row in inputs]
    mixed = any(low) and not all(low)
    return cast and any(low) and not (mixed and call.name == "rms_norm")  # which casts by itself
