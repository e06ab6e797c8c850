"""Cells that the browser tests run."""

SETUP = "import torch\n%load_ext autograd_magics"

REGRESSION = """\
%%autograd lesson
x = torch.tensor([0., 1., 2., 3.])
y = torch.tensor([0., 2., 4., 6.])
w = torch.tensor([1.], requires_grad=True)
y_pred = x * w
e = y_pred - y
J = e.pow(2).sum()
J.backward()"""

TWICE = """\
%%autograd again
J = (x * w - y).pow(2).sum()
J.backward()"""
