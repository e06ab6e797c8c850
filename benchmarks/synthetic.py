"""Recordings of any size, made by hand: `gpt_like(nodes)`, `lstm(nodes)`, `chain(nodes)`.

Traces of about so many autograd nodes, with the rows that the recorder would write, the same at each call.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from autograd_magics import trace as tables

GPT = """%%autograd
class Attention(nn.Module):
    def forward(self, x):
        q, k, v = self.c_attn(x).split(768, dim=2)
        q = q.view(1, 128, 12, 64).transpose(1, 2)
        k = k.view(1, 128, 12, 64).transpose(1, 2)
        v = v.view(1, 128, 12, 64).transpose(1, 2)
        y = F.scaled_dot_product_attention(q, k, v)
        y = y.transpose(1, 2).reshape(1, 128, 768)
        return self.c_proj(y)

class MLP(nn.Module):
    def forward(self, x):
        return self.c_proj(F.gelu(self.c_fc(x)))

class Block(nn.Module):
    def forward(self, x):
        x = x + self.attn(self.ln_1(x))
        x = x + self.mlp(self.ln_2(x))
        return x

class GPT(nn.Module):
    def forward(self, tokens):
        x = self.wte(tokens)
        for block in self.h:
            x = block(x)
        return self.lm_head(self.ln_f(x))

logits = model(tokens)
loss = F.cross_entropy(logits.view(-1, 50257), targets.view(-1))
loss.backward()"""

LSTM = """%%autograd
h, c = torch.zeros(1, 64), torch.zeros(1, 64)
for x_t in x:
    gates = F.linear(x_t, w_ih, b_ih) + F.linear(h, w_hh, b_hh)
    i, f, g, o = gates.chunk(4, 1)
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    h = torch.sigmoid(o) * torch.tanh(c)
loss = h.pow(2).sum()
loss.backward()"""

CHAIN = """%%autograd
x = torch.ones(3, requires_grad=True)
for _ in range(n):
    x = x * 1.0001
x.sum().backward()"""

Shape = tuple[int, ...]


class Program:
    """A trace in the making; tensors are ids of rows, places are found by their text in the cell."""

    def __init__(self, source: str) -> None:
        self.text = source
        self.rows: dict[str, list[Any]] = {
            name: [] for name in "sources places storages tensors names calls scopes nodes saved steps changes".split()
        }
        self.clock = 0
        self.stack: list[int] = []
        """Open scopes."""
        self.around: list[int] = []
        """Places of the calls that are running, outermost first."""
        self.accumulators: dict[int, int] = {}
        self.spans: dict[tuple[str, int], int] = {}
        self.calls_of: dict[str, int] = {}
        self.modules: dict[str, int] = {}
        self._add(
            "sources", tables.Source, kind="cell", number=1, filename="<ipython-input-1>", text=source, line_texts={}
        )

    def _add(self, table: str, row: Any, **fields: Any) -> int:
        rows = self.rows[table]
        rows.append(row(id=len(rows), **fields))
        return len(rows) - 1

    def tick(self) -> int:
        """The next moment."""
        self.clock += 1
        return self.clock

    def place(self, code: str, nth: int = 0) -> int:
        """The place of a piece of the cell's text, or of a later one like it."""
        if (code, nth) not in self.spans:
            start = -1
            for _ in range(nth + 1):
                start = self.text.index(code, start + 1)
            line, column = self.text.count("\n", 0, start) + 1, start - self.text.rfind("\n", 0, start) - 1
            span = dict(line=line, column=column, end_line=line, end_column=column + len(code))
            function = "forward" if self.text.startswith("        ", start - column) else "<module>"
            self.spans[code, nth] = self._add("places", tables.Place, source=0, function=function, **span)
        return self.spans[code, nth]

    @contextmanager
    def module(self, name: str, kind: str, code: str, nth: int = 0, path: str = "") -> Iterator[None]:
        """A call of a module."""
        parent = self.stack[-1] if self.stack else None
        if not path:
            path = name if parent is None else f"{self.rows['scopes'][parent].path}.{name}"
        index = self.calls_of[path] = self.calls_of.get(path, -1) + 1
        place = self.place(code, nth)
        number = self.modules.setdefault(path, len(self.modules))
        fields = dict(parent=parent, name=name, path=path, type=kind, module=number, nth=index, place=place)
        self.stack.append(self._add("scopes", tables.Scope, **fields))
        self.around.append(place)
        yield
        self.stack.pop()
        self.around.pop()

    def tensor(self, shape: Shape, name: str = "", value: Any = None, **fields: Any) -> int:
        """A tensor with memory of its own, unless `storage` is given."""
        size = math.prod(shape) * 4
        if "storage" not in fields:
            fields["storage"] = self._add("storages", tables.Storage, bytes=size, device="cpu")
        usual: dict[str, Any] = dict(
            version=0, requires_grad=False, leaf=True, node=None, output_nr=0, call=None, parameter=False
        )
        at, obj = self.tick(), len(self.rows["tensors"])
        row: dict[str, Any] = {"retains_grad": False, "dtype": "float32", "device": "cpu", **usual, **fields}
        tensor = self._add("tensors", tables.Tensor, at=at, object=obj, shape=shape, bytes=size, value=value, **row)
        if name:
            self.name(tensor, name)
        return tensor

    def parameter(self, name: str, *shape: int) -> int:
        """A leaf that requires grad."""
        return self.tensor(shape, name, requires_grad=True, parameter=True)

    def name(self, tensor: int, name: str, code: str = "", nth: int = 0) -> None:
        """A variable that holds a tensor; with `code`, where it was assigned."""
        place = self.place(code, nth) if code else None
        function = self.rows["places"][place].function if place is not None else "<module>"
        self._add("names", tables.Name, at=self.tick(), name=name, tensor=tensor, place=place, function=function)

    def _edge(self, tensor: int) -> tuple[int | None, int]:
        row = self.rows["tensors"][tensor]
        if row.node is None and row.requires_grad and tensor not in self.accumulators:
            usual: dict[str, Any] = dict(call=None, origin="leaf", place=None, edges=(), order=1)
            self.accumulators[tensor] = self._add(
                "nodes", tables.Node, at=self.tick(), name="AccumulateGrad", leaf=tensor, **usual
            )
        return (self.accumulators.get(tensor) if row.node is None else row.node), row.output_nr

    def call(
        self,
        code: str,
        op: str,
        inputs: Sequence[int],
        shape: Shape,
        nodes: Sequence[tuple[str, Sequence[int]]],
        *,
        nth: int = 0,
        keep: Sequence[int] = (),
        outputs: int = 1,
        view: bool = False,
        value: Any = None,
        constants: tuple[tuple[str, Any], ...] = (),
    ) -> list[int]:
        """A call; `nodes` are (name, indices of `inputs` that its edges lead to), -1 meaning the node before it.

        `keep` are the inputs that the last node saves; returns the outputs.
        """
        call, at, places = len(self.rows["calls"]), self.tick(), (self.place(code, nth), *reversed(self.around))
        self.rows["calls"].append(None)
        made: list[int] = []
        for name, ends in nodes:
            edges = tuple((made[-1], 0) if end < 0 else self._edge(inputs[end]) for end in ends)
            row = tables.Node(len(self.rows["nodes"]), self.tick(), name, call, "call", places[0], edges, None, 1)
            self.rows["nodes"].append(row)
            made.append(row.id)
        shared: dict[str, Any] = {"storage": self.rows["tensors"][inputs[0]].storage} if view else {}
        usual: dict[str, Any] = dict(call=call, node=made[-1], leaf=False, requires_grad=True, **shared)
        results = [self.tensor(shape, value=value, output_nr=i, **usual) for i in range(outputs)]
        for slot, tensor in enumerate(keep):
            self._keep(made[-1], f"{'self other weight bias result'.split()[slot]}", tensor)
        self.rows["calls"][call] = tables.Call(
            call, at, self.tick(), op, f"torch.{op}", places, tuple(inputs), constants, tuple(results), tuple(made),
            False, True, None, None, self.stack[-1] if self.stack else None,
        )  # fmt: skip
        return results

    def _keep(self, node: int, slot: str, tensor: int) -> None:
        row = self.rows["tensors"][tensor]
        same = {key: getattr(row, key) for key in ("storage", "shape", "dtype", "device", "bytes", "version")}
        self._add("saved", tables.Saved, at=self.tick(), node=node, slot=slot, tensor=tensor, **same)

    def linear(self, code: str, x: int, shape: Shape, weight: int, bias: int | None = None, nth: int = 0) -> int:
        """`F.linear` on a batch of rows: four nodes."""
        inputs = [x, weight, *([] if bias is None else [bias])]
        product = ("MmBackward0", (0, -1)) if bias is None else ("AddmmBackward0", (2, 0, -1))
        nodes = [("TBackward0", (1,)), product, ("ViewBackward0", (-1,))]
        return self.call(code, "linear", inputs, shape, nodes, nth=nth, keep=(x, weight))[0]

    def backward(self, code: str, root: int) -> None:
        """A backward that reaches everything, in the engine's order: newest first, leaves at once."""
        nodes, place = self.rows["nodes"], self.place(code)
        shapes = {node: tables.Gradient(t.shape, t.dtype, t.device, None) for t in self.rows["tensors"]
                  if (node := self.accumulators.get(t.id) if t.node is None else t.node) is not None}  # fmt: skip
        waiting = [0] * len(nodes)
        for node in nodes:
            for target, _ in node.edges:
                if target is not None:
                    waiting[target] += 1
        at, start = self.tick(), self.rows["tensors"][root].node
        queue = [(-start, start)]
        while queue:
            _, number = heapq.heappop(queue)
            node = nodes[number]
            self._step(node, shapes, place)
            for target, _ in node.edges:
                if target is not None:
                    waiting[target] -= 1
                    if not waiting[target]:
                        heapq.heappush(queue, (-math.inf if nodes[target].leaf is not None else -target, target))
        ends = tables.Backward(0, at, self.tick(), "Tensor.backward", (place,), (root,), (None,), None, False, False, 1)
        self.rows["backwards"] = [ends]

    def _step(self, node: tables.Node, shapes: dict[int, tables.Gradient], place: int) -> None:
        gradient = shapes.get(node.id) or tables.Gradient((1, 128, 768), "float32", "cpu", None)
        sent = tuple(None if t is None else shapes.get(t, gradient) for t, _ in node.edges)
        self._add("steps", tables.Step, at=self.tick(), backward=0, node=node.id, received=(gradient,), sent=sent)
        if node.leaf is not None:
            values = dict(before=None, added=gradient, after=gradient)
            obj = self.rows["tensors"][node.leaf].object
            self._add(
                "changes", tables.GradChange, at=self.tick(), object=obj, tensor=node.leaf, kind="accumulated",
                backward=0, places=(place,), **values,
            )  # fmt: skip
        else:
            self.rows["nodes"][node.id] = node._replace(freed_by=0, freed_at=self.clock, freed_place=place)

    def trace(self) -> tables.Trace:
        """What was built."""
        filled: dict[str, Any] = {name: tuple(rows) for name, rows in self.rows.items()}
        return tables.Trace(run="5ca1e", torch="2.13.0", source=0, **filled)


BLOCK = 40
"""Nodes of a block of `gpt_like`."""


def gpt_like(nodes: int) -> tables.Trace:
    """A training step of a GPT with as many blocks as make about `nodes` nodes."""
    layers = max(1, round((nodes - 12) / BLOCK))
    made = Program(GPT)
    tokens, targets = made.tensor((1, 128), "tokens", dtype="int64"), made.tensor((1, 128), "targets", dtype="int64")
    table = made.parameter("model.wte.weight", 50257, 768)
    with made.module("model", "GPT", "model(tokens)", path="model"):
        with made.module("wte", "Embedding", "self.wte(tokens)"):
            (x,) = made.call("self.wte(tokens)", "embedding", (tokens, table), (1, 128, 768),
                             [("EmbeddingBackward0", (1,))], keep=(tokens,))  # fmt: skip
        made.name(x, "x", "self.wte(tokens)")
        for layer in range(layers):
            with made.module(f"h.{layer}", "Block", "block(x)", path=f"model.h[{layer}]"):
                x = _block(made, x, f"model.h[{layer}]")
        x = _norm(made, "ln_f", "self.ln_f(x)", x, "model.ln_f")
        head = made.parameter("model.lm_head.weight", 50257, 768)
        with made.module("lm_head", "Linear", "self.lm_head(self.ln_f(x))"):
            logits = made.linear("self.lm_head(self.ln_f(x))", x, (1, 128, 50257), head)
    made.name(logits, "logits", "logits = model(tokens)")
    view = ("ViewBackward0", (0,))
    (flat,) = made.call("logits.view(-1, 50257)", "view", (logits,), (128, 50257), [view], view=True)
    losses = [("LogSoftmaxBackward0", (0,)), ("NllLossBackward0", (-1,))]
    (loss,) = made.call("F.cross_entropy(logits.view(-1, 50257), targets.view(-1))", "cross_entropy", (flat, targets),
                        (), losses, keep=(flat, targets), value=10.8)  # fmt: skip
    made.name(loss, "loss", "loss = F.cross_entropy(logits.view(-1, 50257), targets.view(-1))")
    made.backward("loss.backward()", loss)
    return made.trace()


def _norm(made: Program, name: str, code: str, x: int, path: str) -> int:
    weight, bias = made.parameter(f"{path}.weight", 768), made.parameter(f"{path}.bias", 768)
    with made.module(name, "LayerNorm", code):
        node = ("NativeLayerNormBackward0", (0, 1, 2))
        (y,) = made.call(code, "layer_norm", (x, weight, bias), (1, 128, 768), [node], keep=(x, weight, bias))
    return y


def _linear(made: Program, name: str, code: str, x: int, path: str, sizes: tuple[int, int], nth: int = 0) -> int:
    weight, bias = made.parameter(f"{path}.weight", *reversed(sizes)), made.parameter(f"{path}.bias", sizes[1])
    with made.module(name, "Linear", code, nth):
        return made.linear(code, x, (1, 128, sizes[1]), weight, bias, nth)


def _block(made: Program, x: int, path: str) -> int:
    add = [("AddBackward0", (0, 1))]
    normed = _norm(made, "ln_1", "self.ln_1(x)", x, f"{path}.ln_1")
    with made.module("attn", "Attention", "self.attn(self.ln_1(x))"):
        attended = _attention(made, normed, f"{path}.attn")
    (x,) = made.call("x + self.attn(self.ln_1(x))", "add", (x, attended), (1, 128, 768), add)
    made.name(x, "x", "x = x + self.attn(self.ln_1(x))")
    normed = _norm(made, "ln_2", "self.ln_2(x)", x, f"{path}.ln_2")
    with made.module("mlp", "MLP", "self.mlp(self.ln_2(x))"):
        wide = _linear(made, "c_fc", "self.c_fc(x)", normed, f"{path}.mlp.c_fc", (768, 3072))
        gelu = [("GeluBackward0", (0,))]
        (wide,) = made.call("F.gelu(self.c_fc(x))", "gelu", (wide,), (1, 128, 3072), gelu, keep=(wide,))
        code = "self.c_proj(F.gelu(self.c_fc(x)))"
        mixed = _linear(made, "c_proj", code, wide, f"{path}.mlp.c_proj", (3072, 768))
    (x,) = made.call("x + self.mlp(self.ln_2(x))", "add", (x, mixed), (1, 128, 768), add)
    made.name(x, "x", "x = x + self.mlp(self.ln_2(x))")
    return x


def _attention(made: Program, x: int, path: str) -> int:
    three = _linear(made, "c_attn", "self.c_attn(x)", x, f"{path}.c_attn", (768, 2304))
    code = "self.c_attn(x).split(768, dim=2)"
    parts = made.call(code, "split", (three,), (1, 128, 768), [("SplitBackward0", (0,))], outputs=3, view=True)
    heads = []
    view, turn = [("ViewBackward0", (0,))], [("TransposeBackward0", (0,))]
    for name, part in zip("qkv", parts, strict=True):
        (split,) = made.call(f"{name}.view(1, 128, 12, 64)", "view", (part,), (1, 128, 12, 64), view, view=True)
        code = f"{name}.view(1, 128, 12, 64).transpose(1, 2)"
        (head,) = made.call(code, "transpose", (split,), (1, 12, 128, 64), turn, view=True)
        made.name(head, name, f"{name} = {code}")
        heads.append(head)
    node = [("ScaledDotProductFlashAttentionForCpuBackward0", (0, 1, 2))]
    code = "F.scaled_dot_product_attention(q, k, v)"
    (y,) = made.call(code, "scaled_dot_product_attention", heads, (1, 12, 128, 64), node, keep=heads)
    made.name(y, "y", f"y = {code}")
    (y,) = made.call("y.transpose(1, 2)", "transpose", (y,), (1, 128, 12, 64), turn, view=True)
    nodes = [("CloneBackward0", (0,)), ("UnsafeViewBackward0", (-1,))]
    code = "y.transpose(1, 2).reshape(1, 128, 768)"
    (y,) = made.call(code, "reshape", (y,), (1, 128, 768), nodes)
    made.name(y, "y", f"y = {code}")
    return _linear(made, "c_proj", "self.c_proj(y)", y, f"{path}.c_proj", (768, 768))


STEP = 17
"""Nodes of a time step of `lstm`."""


def lstm(nodes: int) -> tables.Trace:
    """An LSTM written out by hand, unrolled for as many steps as make about `nodes` nodes."""
    made = Program(LSTM)
    w_ih, w_hh = made.parameter("w_ih", 256, 64), made.parameter("w_hh", 256, 64)
    b_ih, b_hh = made.parameter("b_ih", 256), made.parameter("b_hh", 256)
    h, c = made.tensor((1, 64), "h"), made.tensor((1, 64), "c")
    one, two = [("{}Backward0", (0,))], [("{}Backward0", (0, 1))]

    def op(code: str, name: str, *inputs: int, nth: int = 0) -> int:
        nodes = [(form.format(name.capitalize()), ends) for form, ends in (one if len(inputs) == 1 else two)]
        return made.call(code, name, inputs, (1, 64), nodes, keep=inputs, nth=nth)[0]

    for _ in range(max(1, round((nodes - 6) / STEP))):
        x = made.tensor((1, 64), "x_t")
        left = made.linear("F.linear(x_t, w_ih, b_ih)", x, (1, 256), w_ih, b_ih)
        right = made.linear("F.linear(h, w_hh, b_hh)", h, (1, 256), w_hh, b_hh)
        code = "F.linear(x_t, w_ih, b_ih) + F.linear(h, w_hh, b_hh)"
        (gates,) = made.call(code, "add", (left, right), (1, 256), [("AddBackward0", (0, 1))])
        made.name(gates, "gates", f"gates = {code}")
        split = [("SplitBackward0", (0,))]
        i, f, g, o = made.call("gates.chunk(4, 1)", "chunk", (gates,), (1, 64), split, outputs=4, view=True)
        for gate, name in zip((i, f, g, o), "ifgo", strict=True):
            made.name(gate, name, "i, f, g, o = gates.chunk(4, 1)")
        kept = op("torch.sigmoid(f) * c", "mul", op("torch.sigmoid(f)", "sigmoid", f), c)
        new = op("torch.sigmoid(i) * torch.tanh(g)", "mul", op("torch.sigmoid(i)", "sigmoid", i),
                 op("torch.tanh(g)", "tanh", g))  # fmt: skip
        code = "torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)"
        c = op(code, "add", kept, new)
        made.name(c, "c", f"c = {code}")
        code = "torch.sigmoid(o) * torch.tanh(c)"
        h = op(code, "mul", op("torch.sigmoid(o)", "sigmoid", o), op("torch.tanh(c)", "tanh", c))
        made.name(h, "h", f"h = {code}")
    squared = op("h.pow(2)", "pow", h)
    (loss,) = made.call("h.pow(2).sum()", "sum", (squared,), (), [("SumBackward0", (0,))], value=3.5)
    made.name(loss, "loss", "loss = h.pow(2).sum()")
    made.backward("loss.backward()", loss)
    return made.trace()


def chain(nodes: int) -> tables.Trace:
    """A chain of multiplications in a loop."""
    made = Program(CHAIN)
    x = made.tensor((3,), value=[1.0, 1.0, 1.0], requires_grad=True)
    made.name(x, "x", "x = torch.ones(3, requires_grad=True)")
    for _ in range(max(1, nodes - 2)):
        mul = [("MulBackward0", (0,))]
        (x,) = made.call("x * 1.0001", "mul", (x,), (3,), mul, value=[1.5, 1.5, 1.5], constants=(("1", 1.0001),))
        made.name(x, "x", "x = x * 1.0001")
    (total,) = made.call("x.sum()", "sum", (x,), (), [("SumBackward0", (0,))], value=4.5)
    made.backward("x.sum().backward()", total)
    return made.trace()
