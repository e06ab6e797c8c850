"""AG501 to AG503: tensors of a type, or on a device, that a call cannot take."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..graph import Graph
from ..trace import Call, Failure, Place, Tensor
from . import Finding, at, ends, rule, tag
from .expressions import operand

NO_INTEGER_GRADIENT = re.compile(r"tensors of floating point (and complex )?dtype can require gradients", re.I)
DEVICES = re.compile(r"\bdevices?\b|torch\.cuda\.", re.I)
NOT_TO_NUMPY = re.compile(r"can't call numpy\(\) on tensor that requires|can't convert \S+ device type tensor", re.I)

GROUP = 3
"""Tensors of one device listed in a sentence."""


def _severity(graph: Graph, error: Failure) -> str:
    """`"error"` where this ended the cell, `"note"` where the code caught it."""
    failure = graph.trace.failure
    return "error" if failure is not None and failure.message == error.message else "note"


def _failed(graph: Graph, message: re.Pattern[str]) -> Iterator[tuple[Call | None, Failure]]:
    """The calls that raised an error with such a message; the cell's own failure where no call of it was seen."""
    seen = set()
    for call in graph.trace.calls:
        if call.error is not None and message.search(call.error.message):
            seen.add(call.error.message)
            yield call, call.error
    failure = graph.trace.failure
    if failure is not None and message.search(failure.message) and failure.message not in seen:
        yield None, failure


@rule("AG501", "error")
def integer_requires_grad(graph: Graph) -> Iterator[Finding]:
    """An integer or boolean tensor was asked to require grad.

    A derivative tells what a small step does, and integers have no small steps.  `torch.tensor([1, 2])` is
    an integer tensor; with a decimal point, or with `dtype=torch.float32`, it is a floating-point one.

    Bad::

        x = torch.tensor([1, 2, 3])
        x.requires_grad_()

    Good::

        x = torch.tensor([1.0, 2.0, 3.0])
        x.requires_grad_()
    """
    for call, error in _failed(graph, NO_INTEGER_GRADIENT):
        here = graph.place(call.places if call is not None else error.places)
        tensor = _integer_tensor(graph, call, here)
        dtype = tensor.dtype if tensor is not None else None if call is None else _asked_dtype(call)
        made = graph.tensor_place(tensor.id) if tensor is not None else None
        data: dict[str, object] = {"here": at(here), "dtype": dtype or ""}
        if tensor is not None:
            data |= {"name": operand(graph, tensor.id)}
        variant = "" if tensor is not None else "new" if dtype else "unknown"
        yield Finding(
            "AG501", _severity(graph, error), error.at, data, variant,
            places=ends(here, made), tensors=() if tensor is None else (tensor.id,),
            calls=() if call is None else (call.id,),
        )  # fmt: skip


def is_discrete(dtype: str) -> bool:
    """Whether a dtype is one of integers or booleans, which have no gradient."""
    return not dtype.startswith(("float", "bfloat", "complex"))


def _integer_tensor(graph: Graph, call: Call | None, here: Place | None) -> Tensor | None:
    """The tensor that was asked: an input of the call, or one that the failing line names."""
    rows = graph.trace.tensors
    if call is not None:
        return next((rows[t] for t in call.inputs if is_discrete(rows[t].dtype)), None)
    text = graph.segment(here) or ""
    for name in reversed(graph.trace.names):
        if is_discrete(rows[name.tensor].dtype) and re.search(rf"(?<![\w.]){re.escape(name.name)}\b", text):
            return rows[name.tensor]
    return None


def _asked_dtype(call: Call) -> str | None:
    """The dtype that a factory was to make: as it was written, or as torch takes it from Python numbers."""
    constants = dict(call.constants)
    if "dtype" in constants:
        return str(constants["dtype"])
    flat = [value for key, value in call.constants if key.isdigit()]
    for value in flat:
        if isinstance(value, list):
            flat.extend(value)
    numbers = [value for value in flat if isinstance(value, (bool, int))]
    if not numbers:
        return None
    return "bool" if all(isinstance(value, bool) for value in numbers) else "int64"


@rule("AG502", "error")
def different_devices(graph: Graph) -> Iterator[Finding]:
    """A call got tensors that live on different devices.

    A kernel computes on one device and cannot reach into the memory of another.  Usually the model was
    moved and the data was not, or a tensor was made inside the model without `device=`.  Note that
    `x.to(device)` gives a new tensor back and leaves `x` where it is.

    Bad::

        x = torch.ones(3, requires_grad=True)
        w = torch.ones(3, device="meta")
        y = x * w

    Good::

        x = torch.ones(3, requires_grad=True)
        w = torch.ones(3, device="meta")
        y = x.to(w.device) * w
    """
    for call in graph.trace.calls:
        if call.error is None or not DEVICES.search(call.error.message):
            continue
        rows = [graph.trace.tensors[t] for t in dict.fromkeys(call.inputs)]
        # a single number on the CPU may meet tensors of any device: it is to blame only where nothing else is
        for candidates in ([t for t in rows if t.shape or t.device != "cpu"], rows):
            groups: dict[str, list[Tensor]] = {}
            for row in candidates:
                groups.setdefault(row.device, []).append(row)
            if len(groups) > 1:
                yield _on_devices(graph, call, call.error, groups)
                break


def _on_devices(graph: Graph, call: Call, error: Failure, groups: dict[str, list[Tensor]]) -> Finding:
    """The tensors on the CPU come first, or else the fewest: they are the ones to move."""
    device, other = sorted(groups, key=lambda one: (one != "cpu", len(groups[one])))[:2]
    moved, stays = groups[device], groups[other]
    here, made, other_made = graph.place(call.places), *(graph.tensor_place(g[0].id) for g in (moved, stays))
    data = {
        "call": call.name, "here": at(here), "device": device, "other_device": other,
        "first": tag("names", [graph.label(t.id) for t in moved[:GROUP]]),
        "second": tag("names", [graph.label(t.id) for t in stays[:GROUP]]),
        "name": operand(graph, moved[0].id), "made": at(made), "other": operand(graph, stays[0].id),
        "other_made": at(other_made),
    }  # fmt: skip
    known = made is not None and other_made is not None
    return Finding(
        "AG502", _severity(graph, error), error.at, data, "made" if known else "",
        places=ends(here, made, other_made), tensors=tuple(t.id for g in groups.values() for t in g), calls=(call.id,),
    )  # fmt: skip


@rule("AG503", "error")
def to_numpy(graph: Graph) -> Iterator[Finding]:
    """NumPy was given a tensor that requires grad, or that does not live in the computer's own memory.

    An array has no history, so PyTorch wants to hear that the gradient may end here: `.detach()`.  And an
    array lies in the memory of the CPU: `.cpu()` copies it there.  `.tolist()` and `.item()` need neither.

    Bad::

        x = torch.ones(3, requires_grad=True)
        y = x * 2
        a = y.numpy()

    Good::

        x = torch.ones(3, requires_grad=True)
        y = x * 2
        a = y.detach().numpy()
    """
    for call, error in _failed(graph, NOT_TO_NUMPY):
        if call is None or not call.inputs:
            continue
        tensor = graph.trace.tensors[call.inputs[0]]
        here, made = graph.place(call.places), graph.tensor_place(tensor.id)
        variant = "grad" if tensor.device == "cpu" else "both" if tensor.requires_grad else "device"
        data = {"name": operand(graph, tensor.id), "here": at(here), "device": tensor.device}
        yield Finding(
            "AG503", _severity(graph, error), error.at, data, variant, places=ends(here, made),
            tensors=(tensor.id,), calls=(call.id,),
        )  # fmt: skip
