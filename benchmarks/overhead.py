"""What recording costs: CPU time of a recorded run divided by that of the plain run.

* `python benchmarks/overhead.py`: a table of ratios beside two yardsticks, a TorchFunctionMode that does nothing and
  `torch.autograd.set_detect_anomaly`.  Exit status 1 when a budget is missed.
* `python benchmarks/overhead.py scalar`: only the workloads whose name contains the word.

One thread, CPU time, and every round runs all the ways one after the other, so that a slow moment of the machine hits
them alike; a ratio is the median over rounds.  "cell" is what the recorded code itself took, "total" all of it, from
`Recorder.start()` to the finished Trace of `Recorder.stop()`; the budget is held against the total.
"""

from __future__ import annotations

import contextlib
import gc
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn
from torch.overrides import TorchFunctionMode

from autograd_magics.recorder import Recorder

Step = Callable[[], object]
Way = Callable[[], contextlib.AbstractContextManager[object]]


@dataclass(frozen=True)
class Workload:
    name: str
    budget: float
    """Highest ratio recorded/plain that is acceptable."""
    make: Callable[[], Step]
    rounds: int
    repeat: int = 1
    """Steps in one timing, each recorded by itself."""


# ---- what is run


def scalar_loop() -> Step:
    w, x, y = torch.tensor(1.0, requires_grad=True), torch.tensor(2.0), torch.tensor(4.0)

    def run() -> None:
        for _ in range(1000):
            w.grad = None
            predicted = w * x
            error = predicted - y
            (error * error).backward()

    return run


def training_step(model: nn.Module, inputs: torch.Tensor, loss: Callable[[torch.Tensor], torch.Tensor]) -> Step:
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)

    def run() -> None:
        optimizer.zero_grad()
        loss(model(inputs)).backward()
        optimizer.step()

    return run


def mlp(layers: int, width: int, batch: int) -> Step:
    blocks = [module for _ in range(layers) for module in (nn.Linear(width, width), nn.ReLU())]
    inputs, targets = torch.randn(batch, width), torch.randn(batch, width)
    return training_step(nn.Sequential(*blocks), inputs, lambda out: F.mse_loss(out, targets))


class Block(nn.Module):
    """A transformer block of GPT-2's shape."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, length, width = x.shape
        parts = self.qkv(self.ln_1(x)).split(width, dim=2)
        q, k, v = (part.view(batch, length, self.heads, -1).transpose(1, 2) for part in parts)
        attended = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(attended.transpose(1, 2).reshape(batch, length, width))
        return x + self.down(F.gelu(self.up(self.ln_2(x)), approximate="tanh"))


def gpt2(layers: int = 12, width: int = 768, heads: int = 12, length: int = 128, words: int = 4096) -> Step:
    """GPT-2's small model with a smaller vocabulary, so that a step stays under a second."""
    blocks = [Block(width, heads) for _ in range(layers)]
    model = nn.Sequential(nn.Embedding(words, width), *blocks, nn.LayerNorm(width), nn.Linear(width, words))
    tokens = torch.randint(words, (1, length))
    return training_step(model, tokens, lambda out: F.cross_entropy(out.view(-1, words), tokens.view(-1)))


WORKLOADS = (
    Workload("scalar loop, 1000 x (3 calls + backward)", 4.0, scalar_loop, rounds=11),
    Workload("MLP step, 2 layers, 16 wide, batch 8", 2.0, lambda: mlp(2, 16, 8), rounds=31, repeat=10),
    Workload("MLP step, 20 layers, 128 wide, batch 64", 2.0, lambda: mlp(20, 128, 64), rounds=31, repeat=3),
    Workload("GPT-2-shaped step, 12 layers, 768 wide, 128 tokens", 1.3, gpt2, rounds=7),
)


# ---- how it is run


class Nothing(TorchFunctionMode):
    """Passes every call on: the least that watching can cost."""

    def __torch_function__(self, function, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        return function(*args, **(kwargs or {}))


spent_in_stop = 0.0
"""Seconds, since it was last set to 0."""


@contextlib.contextmanager
def recording() -> Iterator[None]:
    global spent_in_stop
    recorder = Recorder()
    recorder.start()
    try:
        yield
    finally:
        begin = time.process_time()
        recorder.stop()
        spent_in_stop += time.process_time() - begin


WAYS: dict[str, Way] = {
    "plain": contextlib.nullcontext,
    "no-op mode": Nothing,
    "anomaly": lambda: torch.autograd.set_detect_anomaly(True),
    "total": recording,
}


COLUMNS = (("no-op mode", 11), ("anomaly", 8), ("cell", 6), ("total", 6))


def seconds(step: Step, way: Way, repeat: int) -> float:
    gc.collect()
    begin = time.process_time()
    for _ in range(repeat):
        with way():
            step()
    return (time.process_time() - begin) / repeat


def one_round(step: Step, repeat: int) -> dict[str, float]:
    global spent_in_stop
    spent_in_stop = 0.0
    times = {name: seconds(step, way, repeat) for name, way in WAYS.items()}
    return {**times, "cell": times["total"] - spent_in_stop / repeat}


def measure(workload: Workload) -> tuple[float, dict[str, float]]:
    """Median seconds of the plain step, and the median ratio to it of every way."""
    torch.manual_seed(0)
    step = workload.make()
    one_round(step, 1)
    rounds = [one_round(step, workload.repeat) for _ in range(workload.rounds)]
    ratios = {name: statistics.median(times[name] / times["plain"] for times in rounds) for name in rounds[0]}
    return statistics.median(times["plain"] for times in rounds), ratios


def main(words: list[str]) -> int:
    chosen = [w for w in WORKLOADS if all(word in w.name for word in words)]
    if not chosen:
        known = "; ".join(w.name for w in WORKLOADS)
        print(f"no workload is named {' '.join(words)!r}; expected words of one of: {known}")
        return 2
    torch.set_num_threads(1)  # what a busy machine gives to more than one is anybody's guess
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}, one thread; times the CPU time of the plain run, median of interleaved rounds")
    print(f"{'':50} {'plain':>10} {'no-op mode':>11} {'anomaly':>8} {'cell':>6} {'total':>6} {'budget':>7}")
    missed = False
    for workload in chosen:
        plain, ratios = measure(workload)
        over = ratios["total"] > workload.budget
        missed |= over
        figures = " ".join(f"{ratios[name]:{width}.2f}" for name, width in COLUMNS)
        verdict = "missed" if over else "met"
        print(f"{workload.name:50} {plain * 1e3:7.2f} ms {figures} {workload.budget:7.1f} {verdict}", flush=True)
    return int(missed)


if __name__ == "__main__":
    import warnings

    warnings.filterwarnings("ignore", "Anomaly Detection has been enabled")
    sys.exit(main(sys.argv[1:]))
