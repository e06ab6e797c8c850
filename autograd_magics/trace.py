"""What can happen in a recorded cell, as frozen rows of plain data.

A `Trace` is the file format, the fixture of the tests and the bug report: rules and views know
nothing that is not in it.  Every row's `id` is its index in its table, rows refer to each other by
these integers, and `at` is the place of a row in the one order in which everything happened.

How it is written and read stands in `trace_file.py`.  Standard library only: a saved trace opens without torch.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

Ids = tuple[int, ...]
Value = Any
"""A tensor's values as nested lists of numbers; `"nan"`, `"inf"`, `"-inf"` and complex as text."""


def flat(value: Value) -> Iterator[Any]:
    """The numbers of nested lists, in order."""
    if isinstance(value, (list, tuple)):
        for item in value:
            yield from flat(item)
    else:
        yield value


class TraceError(ValueError):
    """A trace file could not be read; the message says what was given and what to do."""


class Source(NamedTuple):
    """A text that calls came from: a notebook cell or a Python file."""

    id: int
    kind: str
    """`"cell"` or `"file"`."""
    number: int | None
    """Execution count of a cell (`In [number]`), None for a file."""
    filename: str
    text: str | None
    """The whole cell as the user wrote it; None where it could not be read or is a file."""
    line_texts: dict[str, str]
    """For files: only the lines that places point at, by line number as text."""


class Place(NamedTuple):
    """An exact span of source.  Lines count from 1, columns from 0 in characters."""

    id: int
    source: int
    line: int
    column: int | None
    end_line: int | None
    end_column: int | None
    function: str
    """Name of the code object: `"<module>"` for the body of a cell."""
    through: str = ""
    """Function of torch's that was called there and ran what is told of the place:
    `"torch.autograd.functional.jacobian"`; empty for calls that are told themselves."""


class Storage(NamedTuple):
    """A block of memory that one or more tensors look into."""

    id: int
    bytes: int
    device: str


class Stats(NamedTuple):
    """Figures of a tensor in its own unit; of a complex one those of its absolute values.

    All are computed in double precision (on a device that lacks it, in single), so integers beyond 2**53 are rounded.
    """

    elements: int
    """Those that are neither NaN nor infinite are called finite."""
    mean: float | None
    """Of the finite elements; None where there is none, or where double precision overflows."""
    std: float | None
    """Sample standard deviation of the finite elements (n - 1, as `torch.std`); None for fewer than two."""
    min: float | None
    """Least finite element, None where there is none."""
    max: float | None
    zeros: int
    nan: int
    inf: int
    neg_inf: int
    bins: Ids | None = None
    """Histogram: how many finite elements lie in each of equal intervals from `min` to `max`, the last one closed;
    all in the last one where `min` is `max`."""
    cells: tuple[tuple[float | None, ...], ...] | None = None
    """Heat map of a tensor with one or two dimensions: the mean of the finite elements of each block, None where a
    block has none.  Blocks are of one size, except the last of each row and column."""
    sampled: int | None = None
    """How many elements, evenly spread, tell `mean`, `std` and `zeros` (an estimate then) of a large tensor; None where
    all do.  The ends and what is not finite are always those of all elements."""


class Tensor(NamedTuple):
    """A tensor as it was at one moment.  An in-place change makes a new row of the same `object`."""

    id: int
    at: int
    object: int
    """Same number, same Python tensor."""
    version: int
    """PyTorch's version counter, shared by all views of a storage."""
    shape: Ids
    dtype: str
    """Without the `torch.` prefix: `"float32"`."""
    device: str
    storage: int | None
    bytes: int
    """numel * itemsize of this tensor; the storage behind it may be larger."""
    requires_grad: bool
    leaf: bool
    node: int | None
    """The `grad_fn`, None for leaves."""
    output_nr: int
    """Which output of that node this is."""
    call: int | None
    """The call that made this state, None for what existed before or came from elsewhere."""
    retains_grad: bool
    parameter: bool
    """An `nn.Parameter`."""
    value: Value | None
    """Whole value of a small tensor, None of a large one."""
    grad_of: int | None = None
    """The object whose `.grad` this tensor is."""
    place: int | None = None
    """Of a tensor from an earlier recorded cell: where it was made."""
    cut: str | None = None
    """Of a tensor from an earlier recorded cell: the cut that it came through (see `Call.cut`)."""
    cut_place: int | None = None
    cut_source: str | None = None
    """Name of what was cut off there."""
    stats: Stats | None = None
    """Figures of a larger tensor, where they were asked for."""


class Name(NamedTuple):
    """A name that the user's code gave to a tensor."""

    id: int
    at: int
    name: str
    """`"w"`, `"self.h"`, `"model.fc.weight"`."""
    tensor: int
    place: int | None
    """Where it was assigned; None where it was only found in the namespace."""
    function: str
    """Code object whose variable it is: `"<module>"` for the user's namespace."""


class Failure(NamedTuple):
    """An exception, as PyTorch or Python raised it."""

    at: int
    type: str
    message: str
    places: Ids
    """Where it passed through the user's code, innermost first."""
    node: int | None = None
    """The autograd node that was running or was called, where known."""


class Call(NamedTuple):
    """A call of torch's Python API, seen where the user's code made it."""

    id: int
    at: int
    end: int
    name: str
    """`"mul"`, without the module."""
    qualified: str
    """`"Tensor.mul"`, `"torch.nn.functional.relu"`; `"unseen"` for work that was not seen as a call."""
    places: Ids
    """Where it was called: innermost frame outside torch first, then its callers outwards."""
    inputs: Ids
    """Tensor rows in the order of the arguments."""
    constants: tuple[tuple[str, Any], ...]
    """Other small arguments as (position or keyword, plain value)."""
    outputs: Ids
    nodes: Ids
    """Autograd nodes that it made."""
    inplace: bool
    """The first output is the first input, changed."""
    grad_enabled: bool
    cut: str | None
    """Why no gradient passes although an input requires grad: `"no_grad"`, `"inference"`, `"detach"`,
    `"data"`, `"item"`, `"numpy"`, `"copy"`, `"integer"` (a result whose dtype has no gradient)."""
    error: Failure | None = None
    scope: int | None = None
    """The innermost call of a module that it was part of; None where there was none."""


class Scope(NamedTuple):
    """One call of a module: what was computed while its `forward` ran."""

    id: int
    parent: int | None
    """The scope that it was called in; its number is lower."""
    name: str
    """What it is called in the module of `parent`: `"attn"`, `"h.3"`; of the outermost one its `path`."""
    path: str
    """As the user would write it: `"model.h[3].attn"`; from its class where no variable leads to it: `"GPT().h[3]"`."""
    type: str
    """Class of the module: `"Linear"`."""
    module: int
    """Same number, same module."""
    nth: int
    """Which recorded call of that module it is, from 0."""
    place: int | None
    """Where the user's code called it."""


class Access(NamedTuple):
    """A reading of `.grad` or `.grad_fn` by the user's code."""

    id: int
    at: int
    attribute: str
    tensor: int
    places: Ids
    result: int | None
    """The tensor that `.grad` gave."""
    node: int | None
    """The node that `.grad_fn` gave."""
    name: str | None
    """The name that the result was assigned to, if it was."""


class Node(NamedTuple):
    """A node of autograd's own graph (`grad_fn`); AccumulateGrad nodes stand for leaves."""

    id: int
    at: int
    name: str
    call: int | None
    """The call that made it; None for AccumulateGrad and for what earlier cells or backward made."""
    origin: str
    """`"call"`, `"leaf"` (AccumulateGrad), `"earlier"` (before this recording), `"backward"`
    (made by a backward with `create_graph=True`), `"unseen"`."""
    place: int | None
    """Where it was made, also in an earlier recorded cell."""
    edges: tuple[tuple[int | None, int], ...]
    """`next_functions`: (node, input number); None where no gradient is needed."""
    leaf: int | None
    """Of AccumulateGrad: the leaf's tensor row."""
    order: int
    """1 for the forward graph, 2 for what a `create_graph` backward over it made, and so on."""
    freed_by: int | None = None
    """The backward of this trace that freed its saved tensors."""
    freed_at: int | None = None
    freed_place: int | None = None
    """Where that backward was called, also in an earlier recorded cell."""


class Saved(NamedTuple):
    """A tensor that a node keeps for backward."""

    id: int
    at: int
    node: int
    slot: str
    """`"self"`, `"other"`, `"result"`; `"0"`, `"1"`... for custom Functions."""
    tensor: int | None
    """The row of the tensor that was saved, where it was seen; None for internal buffers."""
    storage: int | None
    shape: Ids
    dtype: str
    device: str
    bytes: int
    version: int | None
    """PyTorch's version counter when it was saved, None where it was first seen later."""
    changed_place: int | None = None
    """Where it was first changed in place after it was saved, when that was in an earlier recorded cell."""
    changed_by: str | None = None
    """The call that changed it there."""
    hidden: bool = False
    """Kept through hooks (checkpoint, offload): never unpacked, size unknown."""


class Gone(NamedTuple):
    """A node that went, with all that it kept, while the recording ran: nothing led to it any more."""

    id: int
    at: int
    node: int


class Packed(NamedTuple):
    """What hooks keep in the place of a saved tensor; it is never unpacked."""

    id: int
    saved: int
    hook: str
    """The function that unpacks it, with its module: `"torch.autograd.graph.save_on_cpu.unpack_from_cpu"`."""
    blocks: Ids
    """Storages of the tensors that were packed in its place, where there are any in plain sight."""


class Gradient(NamedTuple):
    """A gradient that travelled: metadata, and the value of a small one."""

    shape: Ids
    dtype: str
    device: str
    value: Value | None
    stats: Stats | None = None
    """Figures of a larger one, where they were asked for."""


class Backward(NamedTuple):
    """One run of the engine: `.backward()`, `autograd.backward` or `autograd.grad`."""

    id: int
    at: int
    end: int
    kind: str
    """`"Tensor.backward"`, `"autograd.backward"` or `"autograd.grad"`."""
    places: Ids
    roots: Ids
    gradients: tuple[Gradient | None, ...]
    """What was passed as `gradient=` / `grad_outputs=`, one for each root; None where nothing was."""
    inputs: Ids | None
    """Tensor rows of `inputs=`; None where all leaves are meant."""
    retain_graph: bool
    create_graph: bool
    order: int
    """1 for first derivatives, 2 where the graph walked was itself made by backward, and so on."""
    results: tuple[int | None, ...] = ()
    """Of `autograd.grad`: the tensors returned."""
    error: Failure | None = None
    given: tuple[int | None, ...] = ()
    """Tensor rows of `gradients`; empty where nothing was passed."""


class Step(NamedTuple):
    """A node run by the engine."""

    id: int
    at: int
    backward: int
    node: int
    received: tuple[Gradient | None, ...]
    """One for each output of the forward operation."""
    sent: tuple[Gradient | None, ...]
    """One for each edge; None where none was sent or it could not be told."""


class GradChange(NamedTuple):
    """A change of a tensor's `.grad`."""

    id: int
    at: int
    object: int
    tensor: int
    """The state of the tensor then."""
    kind: str
    """`"accumulated"` (by a backward), `"set"`, `"cleared"` (to None), `"zeroed"`, `"changed"` (another
    in-place operation), `"unseen"` (it differs from what was last seen; nobody was watching), `"earlier"`
    (no change: what an earlier recorded cell left in it)."""
    backward: int | None
    places: Ids
    before: Gradient | None
    """None where `.grad` was None."""
    added: Gradient | None
    after: Gradient | None
    before_places: Ids = ()
    """Where the value before was last written, also in an earlier recorded cell."""


class Hook(NamedTuple):
    """A hook that the user's code put on a tensor: backward may change what flows through it."""

    id: int
    at: int
    tensor: int
    kind: str
    """`"tensor"` (`register_hook`) or `"post_accumulate_grad"`."""
    name: str
    """Name of the function."""
    places: Ids


class Loop(NamedTuple):
    """Iterations of equal structure that are not kept: one like them comes before, and the last one after."""

    id: int
    at: int
    places: Ids
    """The backward with which an iteration ends."""
    dropped: int
    """How many are not kept."""
    losses: tuple[Value, ...]
    """For each of them: the value that backward began from, None where it is not known."""
    leaves: Ids
    """Tensors whose `.grad` the engine filled in each iteration."""
    norms: tuple[tuple[Value, ...], ...]
    """For each iteration: the norm of the `.grad` of each leaf, None where it is not known."""
    calls: Ids
    """The calls of the iteration that is kept in their place: the last one of this structure."""
    carried: Ids
    """What that iteration took over from the one before it, which is not kept: tensors whose making is not told."""


class Warned(NamedTuple):
    """A Python warning of PyTorch's own."""

    id: int
    at: int
    category: str
    message: str
    places: Ids


class Holder(NamedTuple):
    """A variable that still held a tensor with a graph behind it when the recording ended."""

    id: int
    name: str
    """`"loss"`, `"losses[3]"`, `"meter.total"`."""
    tensor: int
    hook: str = ""
    """The function that was put on a tensor as a hook and has it as its variable `name`."""


class Optimizer(NamedTuple):
    """A `torch.optim` optimizer that took part: one that made a step, or holds tensors of this trace."""

    id: int
    type: str
    """Class name: `"SGD"`."""
    name: str | None
    """The user's variable, None where it is not known."""
    parameters: Ids
    """Its parameters that this trace knows, of all groups, in their order; each in one of its states."""


class OptimizerStep(NamedTuple):
    """A call of an optimizer's `step()`, or of a `zero_grad()` or another helper of torch's that changed gradients."""

    id: int
    at: int
    end: int
    """What happened between `at` and `end` was done by it, also a backward in its closure; same as `at` where it
    raised."""
    kind: str
    """`"step"`, `"zero_grad"`, `"clip_grad_norm_"`, `"clip_grad_value_"` or `"unscale_"` (of a `GradScaler`)."""
    optimizer: int | None
    """None for a `zero_grad()` of one that is not known, and for a helper that is of none."""
    places: Ids
    parameters: Ids
    """The states of its parameters when it began; of all but a step only those whose `.grad` it changed."""
    skipped: Ids = ()
    """Those of `parameters` whose `.grad` was None when it began: a step passes over them."""
    norm: int | None = None
    """Of `clip_grad_norm_`: the total norm that it computed."""
    limit: float | None = None
    """Of a clipping: the largest norm, or value, that it leaves."""
    rates: tuple[float, ...] = ()
    """Of a step: the learning rate of each parameter group, where they are plain numbers."""


class Formula(NamedTuple):
    """A derivative formula as the installed torch's own `derivatives.yaml` writes it: C++, whitespace joined."""

    id: int
    name: str
    """Of the node that computes it: `"MulBackward0"`.  Its rows are in the order of the node's edges."""
    function: str
    """ATen name of what is derived: `"mul.Tensor"`."""
    argument: str
    """Of that function, whose gradient it is: `"self"`, `"other"`."""
    text: str


class Past(NamedTuple):
    """A change of a leaf, or of its `.grad`, before this recording: a page of its story."""

    kind: str
    """`"first"` (when a recording first saw the leaf), a kind of `GradChange`, `"stepped"` (its value, by an
    optimizer), `"updated"` (its value, by another call), `"moved"` (its value; nobody was watching), `"left_out"`
    (`pages` pages that are not kept)."""
    cell: int | None
    """Execution count of the cell where it happened."""
    file: str | None
    """The file, where it was not in a cell."""
    line: int | None
    """None where nobody was watching."""
    before: Gradient | None
    """Of `.grad`, or of the leaf's own value where the kind says so."""
    added: Gradient | None
    after: Gradient | None
    by: str | None = None
    """What changed the value: an optimizer's name, or the name of the call."""
    pages: int = 0


class History(NamedTuple):
    """The story of a leaf before this recording, oldest first, as far as recordings saw it."""

    id: int
    object: int
    past: tuple[Past, ...]


TABLES: dict[str, type] = {
    "sources": Source, "places": Place, "storages": Storage, "tensors": Tensor, "names": Name,
    "calls": Call, "scopes": Scope, "accesses": Access, "nodes": Node, "saved": Saved,
    "gone": Gone, "packed": Packed, "backwards": Backward,
    "steps": Step, "changes": GradChange, "hooks": Hook, "loops": Loop, "warnings": Warned, "optimizers": Optimizer,
    "optimizer_steps": OptimizerStep, "holders": Holder, "formulas": Formula, "history": History,
}  # fmt: skip


@dataclass(frozen=True)
class Trace:
    """Everything that was seen of one cell or one `with record()` block."""

    run: str
    """Random hex: names this recording."""
    torch: str
    """Version of PyTorch."""
    source: int | None
    """The recorded cell in `sources`; None where nothing of it was seen."""
    sources: tuple[Source, ...] = ()
    places: tuple[Place, ...] = ()
    storages: tuple[Storage, ...] = ()
    tensors: tuple[Tensor, ...] = ()
    names: tuple[Name, ...] = ()
    calls: tuple[Call, ...] = ()
    scopes: tuple[Scope, ...] = ()
    accesses: tuple[Access, ...] = ()
    nodes: tuple[Node, ...] = ()
    saved: tuple[Saved, ...] = ()
    gone: tuple[Gone, ...] = ()
    packed: tuple[Packed, ...] = ()
    backwards: tuple[Backward, ...] = ()
    steps: tuple[Step, ...] = ()
    changes: tuple[GradChange, ...] = ()
    hooks: tuple[Hook, ...] = ()
    loops: tuple[Loop, ...] = ()
    warnings: tuple[Warned, ...] = ()
    optimizers: tuple[Optimizer, ...] = ()
    optimizer_steps: tuple[OptimizerStep, ...] = ()
    holders: tuple[Holder, ...] = ()
    formulas: tuple[Formula, ...] = ()
    history: tuple[History, ...] = ()
    failure: Failure | None = None
    """The exception that ended the cell."""
    dropped: int = 0
    """Calls beyond the limit that were run but not recorded."""
    problem: str | None = None
    """The recorder's own failure, if it had one: type and text."""
    values_left_out: int = 0
    """Tensors whose values or figures were not noted because the memory budget for values was used up."""

    def to_json(self) -> str:
        """The trace as JSON text, one list for each column of each table."""
        from . import trace_file

        return trace_file.to_json(self)

    @staticmethod
    def from_json(text: str) -> Trace:
        """Read what `to_json` wrote; raises `TraceError` when it is damaged or too new."""
        from . import trace_file

        return trace_file.from_json(text)
