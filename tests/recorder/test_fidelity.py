"""Looking changes nothing: each program runs plain and recorded, and everything it leaves behind is compared.

Values and gradients bit for bit, versions, nodes, exceptions by type, text and frames, warnings, random
state, output, and the modes that are left on.
"""

from __future__ import annotations

import textwrap

import pytest
import torch
from recorder.both import RECORDED, run

W = "w = torch.tensor([1., 2., 3.], requires_grad=True)\n"

PROGRAMS = {
    "empty": "",
    "scalar": W + "y = (w * 2).sum()\ny.backward()",
    "random": "a = torch.randn(3)\nb = torch.rand(3)\nc = torch.nn.functional.dropout(a)",
    "random module": "m = torch.nn.Linear(3, 2)\ny = m(torch.randn(4, 3)).sum()\ny.backward()",
    "training": "m = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 1))\n"
    "o = torch.optim.Adam(m.parameters())\nfor _ in range(3):\n    o.zero_grad()\n    m(torch.randn(5, 3)).pow(2).mean().backward()\n    o.step()",
    "momentum": "m = torch.nn.Linear(2, 2)\no = torch.optim.SGD(m.parameters(), lr=.1, momentum=.9)\nfor _ in range(3):\n"
    "    m(torch.ones(1, 2)).sum().backward()\n    o.step()\n    o.zero_grad(set_to_none=False)",
    "closure": "m = torch.nn.Linear(2, 1)\no = torch.optim.LBFGS(m.parameters())\ndef f():\n    o.zero_grad()\n"
    "    l = m(torch.ones(1, 2)).pow(2).sum()\n    l.backward()\n    return l\nl = o.step(f)",
    "conv": "m = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2), torch.nn.ReLU(inplace=True))\n"
    "y = m(torch.randn(2, 1, 6, 6)).sum()\ny.backward()",
    "lstm": "m = torch.nn.LSTM(2, 3)\ny, (h, c) = m(torch.randn(4, 1, 2))\ny.sum().backward()",
    "attention": "m = torch.nn.TransformerEncoderLayer(4, 2, dropout=0.1)\ny = m(torch.randn(3, 1, 4))\ny.sum().backward()",
    "embedding": "m = torch.nn.Embedding(5, 3, sparse=True)\ny = m(torch.tensor([1, 1, 2])).sum()\ny.backward()\ng = m.weight.grad.to_dense()",
    "views": W + "v = w * 1\nv[0] = 5\nv[1:].mul_(2)\nv.sum().backward()",
    "view of a leaf": W + "with torch.no_grad():\n    w[0] = 9\n    w.view(3, 1).mul_(2)",
    "in place on a base": W + "b = w * 1\nv = b[:2]\nb.add_(1)\nn = v.grad_fn.name()\nv.sum().backward()",
    "view made under no_grad": W + "with torch.no_grad():\n    v = w[:2]\ntry:\n    v.add_(1)\nexcept RuntimeError as e:\n    t = str(e)",
    "leaf in place": W + "w.add_(1)",
    "saved and changed": W + "y = w.exp()\ny.add_(1)\ny.sum().backward()",
    "twice": W + "y = w.exp().sum()\ny.backward()\ny.backward()",
    "not scalar": W + "(w * 2).backward()",
    "no grad": "torch.ones(2).sum().backward()",
    "wrong shape": "torch.ones(2) @ torch.ones(3)",
    "wrong type": "torch.ones(2).add('x')",
    "in a python function": "torch.nn.functional.relu('x')",
    "in a module": "torch.nn.Linear(2, 2)(torch.ones(3))",
    "in a hook": W + "def f(g):\n    raise ValueError('hook')\ny = w * 2\ny.register_hook(f)\ny.sum().backward()",
    "caught": "try:\n    torch.ones(2) @ torch.ones(3)\nexcept RuntimeError as e:\n    t = str(e)\n    n = len(__import__('traceback').extract_tb(e.__traceback__))",
    "chained": "try:\n    torch.ones(2) @ torch.ones(3)\nexcept RuntimeError as e:\n    raise KeyError('mine') from e",
    "zero division": "x = 1 / 0",
    "interrupt": "x = torch.ones(2)\nraise KeyboardInterrupt",
    "system exit": "x = torch.ones(2)\nraise SystemExit(3)",
    "recursion": "def f(x):\n    return f(x + 1)\nf(torch.ones(1))",
    "no_grad": W + "with torch.no_grad():\n    y = w * 2\ne = torch.is_grad_enabled()",
    "inference": W + "with torch.inference_mode():\n    y = w * 2\n    y.add_(1)\ntry:\n    y.requires_grad_()\nexcept RuntimeError as e:\n    t = str(e)",
    "left disabled": "torch.set_grad_enabled(False)\ny = torch.ones(2)\nz = torch.is_grad_enabled()\ntorch.set_grad_enabled(True)",
    "detach": W + "d = w.detach()\nd[0] = 7\nv = w._version",
    "data": W + "y = w * w\nw.data.mul_(2)\ny.sum().backward()",
    "set data": W + "w.data = torch.zeros(3)\ny = w.sum()",
    "numpy": W + "a = w.detach().numpy()\na[0] = 5\ny = w.sum()",
    "item": W + "y = w.sum().item()\nb = bool(w.sum() > 0)\ni = int(w.sum())\nl = w.tolist()",
    "printing": W + "print(w, w * 2, w.sum())\nprint(f'{w.sum():.2f}')",
    "double backward": "x = torch.tensor(2., requires_grad=True)\n(g,) = torch.autograd.grad(x ** 3, x, create_graph=True)\n(h,) = torch.autograd.grad(g, x)",
    "grad of grad": "x = torch.tensor(2., requires_grad=True)\n(x ** 3).backward(create_graph=True)\nx.grad.backward()\nv = x.grad.item()\nx.grad = None",
    "retain_grad": W + "y = w * 2\ny.retain_grad()\ny.sum().backward()\ng = y.grad.tolist()",
    "hooks": W + "seen = []\ny = w * 2\ny.register_hook(lambda g: g * 3)\nw.register_hook(lambda g: seen.append(g.tolist()))\n"
    "w.register_post_accumulate_grad_hook(lambda p: seen.append(p.grad.tolist()))\ny.sum().backward()",
    "post hook clears": W + "w.register_post_accumulate_grad_hook(lambda p: setattr(p, 'grad', None))\n(w * 2).sum().backward()",
    "node hooks": W + "seen = []\ny = w * 2\ny.grad_fn.register_hook(lambda i, o: seen.append(len(i)))\ny.sum().backward()",
    "module hooks": "seen = []\nm = torch.nn.Linear(2, 1)\nm.register_forward_hook(lambda *a: seen.append(1))\n"
    "m.register_full_backward_hook(lambda *a: seen.append(2))\nm(torch.ones(1, 2)).sum().backward()",
    "custom function": "class F(torch.autograd.Function):\n    @staticmethod\n    def forward(ctx, x):\n        ctx.save_for_backward(x)\n        return x * 2\n"
    "    @staticmethod\n    def backward(ctx, g):\n        return g * ctx.saved_tensors[0]\n" + W + "y = F.apply(w)\ny.sum().backward()",
    "checkpoint": "from torch.utils.checkpoint import checkpoint\nn = []\ndef f(x):\n    n.append(1)\n    return torch.nn.functional.dropout(x.exp())\n"
    + W + "checkpoint(f, w, use_reentrant=False).sum().backward()",
    "reentrant checkpoint": "from torch.utils.checkpoint import checkpoint\nn = []\ndef f(x):\n    n.append(1)\n    return x.exp()\n"
    + W + "checkpoint(f, w, use_reentrant=True).sum().backward()",
    "saved hooks": "n = []\n" + W + "with torch.autograd.graph.saved_tensors_hooks(lambda t: n.append(1) or t, lambda t: n.append(2) or t):\n    y = w.exp()\ny.sum().backward()",
    "func grad": "f = lambda x: (x ** 2).sum()\ng = torch.func.grad(f)(torch.ones(3))\nh = torch.func.hessian(f)(torch.ones(2))",
    "vmap": "y = torch.vmap(lambda a: a.sin().sum())(torch.ones(3, 2))",
    "forward mode": "import torch.autograd.forward_ad as fw\nwith fw.dual_level():\n    d = fw.make_dual(torch.ones(2), torch.ones(2))\n    t = fw.unpack_dual(d * 3).tangent",
    "jit trace": "f = torch.jit.trace(lambda a: a * 2 + 1, torch.ones(2))\ng = f.code\ny = f(torch.ones(3))",
    "fx trace": "import torch.fx\nclass M(torch.nn.Module):\n    def forward(self, a):\n        return a.relu() + 1\ng = torch.fx.symbolic_trace(M()).code",
    "subclass": "class T(torch.Tensor):\n    n = 0\n    @classmethod\n    def __torch_function__(cls, f, t, a=(), k=None):\n        cls.n += 1\n"
    "        return super().__torch_function__(f, t, a, k or {})\nx = torch.ones(2).as_subclass(T)\ny = (x * 2 + 1).sum()\nn = T.n",
    "own mode": "from torch.overrides import TorchFunctionMode\nclass M(TorchFunctionMode):\n    def __init__(self):\n        self.seen = []\n"
    "    def __torch_function__(self, f, t, a=(), k=None):\n        self.seen.append(f.__name__)\n        return f(*a, **(k or {}))\n"
    "with M() as m:\n    y = torch.ones(2, requires_grad=True) * 2\n    y.sum().backward()\nseen = m.seen",
    "own dispatch mode": "from torch.utils._python_dispatch import TorchDispatchMode\nclass M(TorchDispatchMode):\n    def __init__(self):\n        super().__init__()\n"
    "        self.seen = []\n    def __torch_dispatch__(self, f, t, a=(), k=None):\n        self.seen.append(str(f))\n        return f(*a, **(k or {}))\n"
    "with M() as m:\n    y = torch.ones(2, requires_grad=True) * 2\n    y.sum().backward()\nseen = m.seen",
    "default device": "with torch.device('cpu'):\n    y = torch.ones(2)",
    "meta": "y = torch.ones(2, device='meta') * 2\ns = y.shape == (2,)",
    "complex": "x = torch.ones(2, dtype=torch.cfloat, requires_grad=True)\n(x * 1j).abs().sum().backward()",
    "sparse": "x = torch.eye(3).to_sparse().requires_grad_()\ny = torch.sparse.mm(x, torch.ones(3, 1)).sum()\ny.backward()\ng = x.grad.to_dense()",
    "quantized": "q = torch.quantize_per_tensor(torch.ones(2), .1, 0, torch.qint8)\ny = q.dequantize()",
    "iteration": W + "l = [r * 2 for r in w]\na, b, c = w\nsum(l).backward()",
    "pickling": "import copy, io\nm = torch.nn.Linear(2, 2)\nn = copy.deepcopy(m)\nb = io.BytesIO()\ntorch.save(m.state_dict(), b)\nb.seek(0)\ns = torch.load(b)",
    "threads": "import threading\n" + W + "r = []\nt = threading.Thread(target=lambda: r.append((w * 2).sum().item()))\nt.start()\nt.join()",
    "threaded backward": "import threading\n" + W + "y = (w * 2).sum()\nt = threading.Thread(target=y.backward)\nt.start()\nt.join()",
    "generators": W + "def g():\n    for i in range(3):\n        yield w * i\ny = sum(g())\ny.sum().backward()",
    "autocast": W + "with torch.autocast('cpu', dtype=torch.bfloat16):\n    y = torch.ones(3, 3) @ w\ny.sum().backward()",
    "anomaly": W + "with torch.autograd.set_detect_anomaly(True, check_nan=False):\n    (w * 2).sum().backward()",
    "gradcheck": "y = torch.autograd.gradcheck(torch.sin, torch.ones(2, dtype=torch.double, requires_grad=True))",
    "requires_grad": "x = torch.ones(2)\nx.requires_grad_()\ny = (x * 2).sum()\ny.backward()\nx.requires_grad_(False)",
    "foreach": "x = [torch.ones(2), torch.zeros(2)]\ntorch._foreach_add_(x, 1)",
    "out": "x = torch.zeros(2)\ntorch.add(torch.ones(2), 1, out=x)",
    "named": "a, *b = torch.ones(3).unbind(0)\nv = torch.ones(3).max(0).values",
    "parametrized": "from torch.nn.utils import parametrizations\nm = parametrizations.weight_norm(torch.nn.Linear(2, 2))\nm(torch.ones(1, 2)).sum().backward()",
}  # fmt: skip


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_recorded_program_does_what_the_plain_one_does(name: str) -> None:
    run(PROGRAMS[name], filename="<same>")  # the first use of a part of torch may import and warn
    plain, recorded = run(PROGRAMS[name], filename="<same>"), run(PROGRAMS[name], RECORDED, filename="<same>")
    assert recorded.error == plain.error
    assert recorded.values == plain.values
    assert recorded.random == plain.random
    assert recorded.warnings == plain.warnings
    assert recorded.printed == plain.printed
    if name != "recursion":  # where the limit strikes depends on every frame
        assert recorded.frames == plain.frames


def test_a_mode_that_the_cell_leaves_open_stays_open() -> None:
    source = textwrap.dedent("""
        from torch.overrides import TorchFunctionMode
        class Count(TorchFunctionMode):
            n = 0
            def __torch_function__(self, f, t, a=(), k=None):
                Count.n += 1
                return f(*a, **(k or {}))
        mode = Count()
        mode.__enter__()
        y = torch.ones(2) * 2
    """)
    outcomes = []
    for ways in ((), RECORDED):
        before = torch._C._len_torch_function_stack()
        run(source, ways)
        try:
            (left,) = torch.overrides._get_current_function_mode_stack()[before:]
            outcomes.append((type(left).__name__, type(left).n >= 2))
        finally:
            torch._C._pop_torch_function_stack()
    assert outcomes == [("Count", True)] * 2


def test_a_mode_that_was_there_before_sees_the_same_calls() -> None:
    seen: list[list[str]] = []

    class Below(torch.overrides.TorchFunctionMode):
        def __torch_function__(self, f, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
            seen[-1].append(f.__name__)
            return f(*args, **(kwargs or {}))

    source = W + "y = (w * 2).sum()\ny.backward()\ny.item()\nw.grad.zero_()\nv = w[0]\nw.grad = None\nprint(v)"
    for ways in ((), RECORDED):
        seen.append([])
        below = Below()
        below.__enter__()
        run(source, ways, filename="<same>")
        below.__exit__(None, None, None)
    begin = seen[0].index("tensor")
    assert seen[0][begin:][: len(seen[1]) - seen[1].index("tensor")] == seen[1][seen[1].index("tensor") :]
