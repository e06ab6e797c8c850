"""Cells that the browser tests run."""

SETUP = "import torch\n%load_ext autograd_magics"

DATA = """\
x = torch.tensor([0., 1., 2., 3.])
y = torch.tensor([0., 2., 4., 6.])
w = torch.tensor([1.], requires_grad=True)"""

STEP = """\
y_pred = x * w
e = y_pred - y
J = e.pow(2).sum()
J.backward()"""

REGRESSION = f"%%autograd lesson\n{DATA}\n{STEP}"

TWICE = """\
%%autograd again
J = (x * w - y).pow(2).sum()
J.backward()"""
