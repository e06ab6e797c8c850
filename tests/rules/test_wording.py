"""Each variant of the findings on memory, types, numbers and training can be said, in English and in Portuguese."""

from __future__ import annotations

import pytest

from autograd_magics import Report, texts
from autograd_magics.views.items import Items
from autograd_magics.views.told import told
from tests.recorded import Notebook

W = "w = torch.ones(3, requires_grad=True)\n"
OPT = W + "opt = torch.optim.SGD([w], lr=0.1)\n"
EACH = "for i in range(1, 5):\n    w.grad = None\n    loss = (w * i).pow(2).sum()\n    loss.backward()\n    "
FAR = "far = torch.zeros(50)\n"
GATE = "x = torch.full((3,), -1.0, requires_grad=True)\nv = torch.ones(3)\n(({} * v).sum() - 1).pow(2).backward()"
ARRAY = "import numpy as np\nx = torch.from_numpy(np.full(3, {}))\n" + W + "loss = (x * w).sum()\nloss.backward()"
OWN = """
class Own(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x * 1
    @staticmethod
    def backward(ctx, g):
        return g / 0
"""
CELLS = {
    "AG401": W + "y = (w * w).sum()\ny.backward(retain_graph=True)",
    "AG401.create": W + "y = (w ** 3).sum()\n(g,) = torch.autograd.grad(y, w, create_graph=True)",
    "AG402.sum": W + "total = 0\n" + EACH + "total += loss",
    "AG402.sum_bytes": W + "total = 0\n" + EACH + "total += loss * loss",
    "AG402.list": W + "losses = []\n" + EACH + "losses.append(loss)",
    "AG402.list_bytes": W + "losses = []\n" + EACH + "losses.append(loss * loss)",
    "AG402.validation": W + "w.sum().backward()\nv = 0\nfor i in range(5): v += (w * i).exp().sum()\nfloat(v)",
    "AG403": W + "(w ** 3).sum().backward(create_graph=True)",
    "AG403.no_names": "[(torch.ones(3, requires_grad=True) ** 3).sum().backward(create_graph=True)]",
    "AG501": "x = torch.arange(3)\nx.requires_grad_()",
    "AG501.new": "x = torch.tensor([1, 2], requires_grad=True)",
    "AG501.unknown": "import numpy as np\nx = torch.tensor(np.arange(3), requires_grad=True)",
    "AG502.made": W + "m = torch.ones(3, device='meta')\ny = w + m",
    "AG503.grad": W + "w.numpy()",
    "AG503.device": "m = torch.ones(3, device='meta')\nm.numpy()",
    "AG503.both": "m = torch.ones(3, device='meta', requires_grad=True)\nm.numpy()",
    "AG601": W + "loss = torch.fmod(w, 0).sum()\nloss.backward()",
    "AG601.log": W + "loss = (-w).log().sum()\nloss.backward()",
    "AG601.div": W + "loss = ((w - 1) / (w - 1)).sum()\nloss.backward()",
    "AG601.sqrt": W + "loss = (-w).sqrt().sum()\nloss.backward()",
    "AG601.pow": W + "loss = ((-w) ** 0.5).sum()\nloss.backward()",
    "AG601.from_inf": W + "e = (w * 100).exp()\nloss = (e / e.sum()).sum()\nloss.backward()",
    "AG601.given": W + "loss = (w * torch.tensor(float('nan'))).sum()\nloss.backward()",
    "AG601.data": ARRAY.format("np.nan"),
    "AG601.seen": FAR + W + "loss = ((far - 1).log() * w[0]).sum()\nloss.backward()",
    "AG601.backward": W + "loss = torch.where(w > 2, (w - 1).log(), w).sum()\nloss.backward()",
    "AG601.backward_from_inf": W + "loss = ((w - 1) ** 2).sum().sqrt()\nloss.backward()",
    "AG602": W + "loss = (w * 3e38 + w * 3e38).sum()\nloss.backward()",
    "AG602.log": W + "loss = (w - 1).log().sum()\nloss.backward()",
    "AG602.div": W + "loss = (w / 0).sum()\nloss.backward()",
    "AG602.exp": W + "loss = (w * 100).exp().sum()\nloss.backward()",
    "AG602.given": W + "loss = w.masked_fill(w > 0, float('inf')).sum()\nloss.backward()",
    "AG602.data": ARRAY.format("np.inf"),
    "AG602.seen": FAR + W + "loss = (far.log() * w[0]).sum()\nloss.backward()",
    "AG602.backward": OWN + W + "loss = Own.apply(w * 2).sum()\nloss.backward()",
    "AG603.relu": GATE.format("x.relu()"),
    "AG603.saturated": "x = torch.full((3,), 99.0, requires_grad=True)\nx.sigmoid().sum().backward()",
    "AG603.clamp": GATE.format("x.clamp(0, 1)"),
    "AG604.vanishes": W + "h = w\nfor i in range(20): h = 0.3 * h\nh.sum().backward()",
    "AG604.explodes": W + "h = w\nfor i in range(20): h = 3 * h\nh.sum().backward()",
    "AG604.jumps": "v = torch.zeros(3, requires_grad=True)\n(v / v.norm().clamp(min=1e-12) - 1).sum().backward()",
    "AG701.never": OPT + "opt.step()",
    "AG701.before": OPT + "opt.step()\n(w * 2).sum().backward()",
    "AG701.repeated": OPT + "(w * w).sum().backward()\nopt.step()\nopt.zero_grad()\nopt.step()",
    "AG701.again": OPT + "(w * w).sum().backward()\nopt.step()\nopt.step()",
    "AG702.outside": OPT + "w = torch.zeros(3, requires_grad=True)\n(w - 1).pow(2).sum().backward()\nopt.step()",
    "AG702.not_stepped": OPT + "b = torch.ones(3, requires_grad=True)\n(w * b).sum().backward()\nopt.step()",
}  # fmt: skip


@pytest.mark.parametrize("lang", ["en", "pt_BR"])
@pytest.mark.parametrize("key", CELLS)
def test_every_variant_can_be_said(key: str, lang: str) -> None:
    code, _, variant = key.partition(".")
    report = Report(Notebook().run(CELLS[key]), lang=lang)
    said = told(report.findings, report.phrases, Items(report.graph))
    (one,) = (t for t, f in zip(said, report.findings, strict=True) if (f.code, f.variant) == (code, variant))
    wanted = texts.table(lang).get(key, texts.table(lang)[code])
    assert one.message.startswith(wanted.partition("{")[0].rstrip("`"))
    assert all(sentence and sentence.count("`") % 2 == 0 for sentence in (one.title, one.message, one.fix))


def test_no_variant_has_words_that_nobody_says() -> None:
    """What no cell above brings out stands for a variant without words of its own, or for values not noted."""
    families = ("AG4", "AG5", "AG60", "AG7")
    keys = [key.split(".") for key in texts.table("en") if key.startswith(families) and not key.startswith("AG605")]
    spoken = {f"{code}.{rest[-1]}" for code, *rest in keys if rest and rest[-1] not in ("title", "why", "fix")}
    rare = {key for key in spoken if key.endswith(("_alone", "_seen"))}
    assert spoken - rare - set(CELLS) == set()
