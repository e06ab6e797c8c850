"""Record the golden traces anew: `python -m tests.golden.make [case...]`, then `AUTOGRAD_MAGICS_UPDATE=1 make unit`.

A golden trace is a real recording, with a run id that does not change.  What the views make of it stands beside it
(`*.payload.json`, `*.txt`) and is compared by `tests/views/test_golden.py`; the TypeScript tests draw the payloads.
"""

from __future__ import annotations

import dataclasses
import pathlib
import sys

HERE = pathlib.Path(__file__).parent

CASES: dict[str, tuple[str, ...]] = {
    "linreg": (
        """\
%%autograd
x = torch.tensor([0., 1., 2., 3.])
y = torch.tensor([0., 2., 4., 6.])
w = torch.tensor([1.], requires_grad=True)
y_pred = x * w
e = y_pred - y
J = e.pow(2).sum()
J.backward()
""",
    ),
    "mean": (
        """\
x = torch.ones(2, 2, requires_grad=True)
y = x + 2
z = y * y * 3
out = z.mean()
out.backward()
""",
    ),
    "loop": (
        """\
w = torch.tensor(1., requires_grad=True)
for k in range(1, 5):
    y = k * w
    y.backward()
""",
    ),
    "cuts": (
        """\
x = torch.tensor([1., 2.], requires_grad=True)
y = x * 2
while y.norm() < 1000:
    y = y * 2
y.backward(torch.tensor([1., 0.5]))
with torch.no_grad():
    q = x ** 2
d = x.detach()
""",
    ),
    "higher": (
        """\
x = torch.tensor(2., requires_grad=True)
y = x ** 4
dy, = torch.autograd.grad(y, x, create_graph=True)
d2y, = torch.autograd.grad(dy, x, create_graph=True)
d3y, = torch.autograd.grad(d2y, x)
""",
    ),
    "later": (
        """\
x = torch.tensor([1., 2.], requires_grad=True)
y = torch.tensor([3., 4.], requires_grad=True)
z = (x * y).sum()
z.backward()
""",
        """\
print(x.grad)
z.backward()
""",
    ),
    "failed": (
        """\
w = torch.tensor([1.], requires_grad=True)
for k in range(3):
    J = (w * 3).sum()
    J.backward()
    w = w - 0.1 * w.grad
""",
    ),
    "layers": (
        """\
import torch.nn.functional as F
X = torch.linspace(-1, 1, 64).reshape(16, 4)
W1 = torch.linspace(-0.5, 0.5, 32).reshape(8, 4).requires_grad_()
b1 = torch.zeros(8, requires_grad=True)
W2 = torch.linspace(0.5, -0.5, 16).reshape(2, 8).requires_grad_()
target = torch.arange(16) % 2
before = F.linear(X, W1, b1)
hidden = F.relu(before)
hidden.retain_grad()
out = F.linear(hidden, W2)
loss = F.cross_entropy(out, target)
loss.backward()
""",
    ),
    "quiet": (
        """\
a = torch.arange(6.).reshape(2, 3)
b = a.numpy()
""",
    ),
}


def record(case: str) -> str:
    """The trace of a case's last cell, as JSON."""
    from tests.recorded import Notebook

    notebook = Notebook()
    for source in CASES[case]:
        # The first line is the magic's: IPython takes it away before Python sees the cell.
        trace = notebook.run(source.replace("%%autograd", "# %autograd"))
    sources = [
        row._replace(text=(row.text or "").replace("# %autograd", "%%autograd"), filename=f"<{row.id}>")
        for row in trace.sources
    ]
    return dataclasses.replace(trace, run=case, sources=tuple(sources)).to_json()


def main(cases: list[str]) -> None:
    """Write the traces of these cases, or of all."""
    for case in cases or CASES:
        (HERE / f"{case}.trace.json").write_text(record(case) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
