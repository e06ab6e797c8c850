"""What backward holds on a GPU, beside the allocator's own figures."""

from __future__ import annotations

import gc
from typing import Any

from autograd_magics.graph import Graph
from autograd_magics.held import Held
from tests.recorded import Notebook
from tests.test_held import kept_by

BLOCK = 512
"""The allocator hands out memory in multiples of so many bytes."""

SETUP = """
model = torch.nn.Sequential(torch.nn.Linear(256, 512), torch.nn.GELU(), torch.nn.Linear(512, 128)).cuda()
x, y = torch.randn(128, 256, device="cuda"), torch.randn(128, 128, device="cuda")
torch.nn.functional.mse_loss(model(x), y).backward()  # the libraries keep workspaces from now on
model.zero_grad(set_to_none=True)
before = torch.cuda.memory_allocated()
"""
FORWARD = """
loss = torch.nn.functional.mse_loss(model(x), y)
after = torch.cuda.memory_allocated()
"""


def run(source: str) -> tuple[dict[str, Any], Held]:
    """Record one cell without values: what is noted of them lies on the device until the cell is over."""
    gc.collect()
    book = Notebook()
    trace = book.run(source, values="none")
    assert book.errors == [None], book.errors
    return book.namespace, Held(Graph(trace))


def test_what_forward_added_is_what_backward_alone_holds() -> None:
    space, held = run(SETUP + FORWARD)
    amount = held.amount(held.kept)
    assert amount.bytes == sum(kept_by(space["loss"]).values())
    grew = space["after"] - space["before"]
    assert grew == amount.bytes - amount.anyway + BLOCK  # the loss itself, which no node saved
    assert {group.key for group in held.groups(held.kept, "device")} == {"cuda:0"}


def test_the_peak_is_below_that_of_the_allocator() -> None:
    source = SETUP + "torch.cuda.reset_peak_memory_stats()\n" + FORWARD + "loss.backward()\nloss = None\n"
    space, held = run(source + "peak, left = torch.cuda.max_memory_allocated(), torch.cuda.memory_allocated()")
    assert 0 < held.peak.bytes - held.peak.anyway <= space["peak"] - space["before"]
    gradients = sum(p.grad.numel() * 4 for p in space["model"].parameters())
    assert space["left"] - space["before"] == gradients
    assert held.kept == ()


def test_moved_to_the_cpu() -> None:
    source = SETUP + "with torch.autograd.graph.save_on_cpu():\n    loss = torch.nn.functional.mse_loss(model(x), y)\n"
    space, held = run(source)
    assert {group.key for group in held.groups(held.kept, "device")} == {"cpu"}
    assert held.amount(held.kept).bytes == sum(kept_by(space["loss"]).values())
