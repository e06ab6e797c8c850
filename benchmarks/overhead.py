"""What recording costs: CPU time and peak memory of a recorded run divided by those of the plain run.

* `python benchmarks/overhead.py`: a table of ratios beside a TorchFunctionMode that does nothing,
  `torch.autograd.set_detect_anomaly`, and those of torchviz, torchview and TorchLens that are installed.
  Exit status 1 when a goal is missed.
* `python benchmarks/overhead.py scalar`: only the workloads whose name contains the word.

One thread, CPU time, and every round runs all the ways one after the other, so that a slow moment of the machine hits
them alike; a ratio is the median over rounds.  "cell" is what the recorded code itself took, "total" all of it, from
`Recorder.start()` to the finished Trace of `Recorder.stop()`; the goal is held against the total.  "peak" is the
highest resident memory of a process that makes three steps, without what it had before it made the model (`peak.py`).
"""

from __future__ import annotations

import contextlib
import gc
import importlib.util
import pathlib
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch.overrides import TorchFunctionMode
from workloads import Step, Training, gpt2, mlp, resnet18, scalar_loop

from autograd_magics.recorder import Recorder

Way = Callable[[], contextlib.AbstractContextManager[object]]


@dataclass(frozen=True)
class Workload:
    name: str
    make: Callable[[], Training | Step]
    goal: float
    """Highest ratio recorded/plain of the time."""
    memory: float
    """The same of peak memory."""
    rounds: int
    repeat: int = 1
    """Steps in one timing, each recorded by itself."""
    values: str = "small"


WORKLOADS = (
    Workload("scalar loop, 1000 x (3 calls + backward)", lambda: scalar_loop, 2.5, 1.02, rounds=11),
    Workload("MLP step, 2 layers, 16 wide, batch 8", lambda: mlp(2, 16, 8), 2.0, 1.02, rounds=31, repeat=10),
    Workload("MLP step, 20 layers, 128 wide, batch 64", lambda: mlp(20, 128, 64), 1.5, 1.02, rounds=31, repeat=3),
    Workload("ResNet-18-shaped step, batch 8, 64 px", resnet18, 1.05, 1.02, rounds=9),
    Workload("GPT-2-shaped step, 12 layers, 768 wide, 128 tokens", gpt2, 1.05, 1.02, rounds=7),
    Workload('the same with values="stats"', gpt2, 1.25, 1.05, rounds=7, values="stats"),
)


# ---- how it is run


class Nothing(TorchFunctionMode):
    """Passes every call on: the least that watching can cost."""

    def __torch_function__(self, function, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        return function(*args, **(kwargs or {}))


spent_in_stop = 0.0
"""Seconds, since it was last set to 0."""


@contextlib.contextmanager
def recording(values: str) -> Iterator[None]:
    """What `record()` does around a block, without the report."""
    global spent_in_stop
    recorder = Recorder(values=values)
    recorder.start()
    try:
        yield
    finally:
        begin = time.process_time()
        recorder.stop()
        spent_in_stop += time.process_time() - begin


def ways(workload: Workload) -> dict[str, Way]:
    """Each way to run a step."""
    return {
        "plain": contextlib.nullcontext,
        "no-op mode": Nothing,
        "anomaly": lambda: torch.autograd.set_detect_anomaly(True),
        "total": lambda: recording(workload.values),
    }


def peers(made: Training | Step) -> dict[str, Step]:
    """By name: the same training step watched by another tool, for those that are installed; none sees a loop."""
    if not isinstance(made, Training):
        return {}
    found: dict[str, Step] = {}
    model, inputs, loss, step = made.model, made.inputs, made.loss, made.step()
    if importlib.util.find_spec("torchviz"):
        from torchviz import make_dot

        def drawn() -> None:
            result = loss(model(inputs))
            make_dot(result, params=dict(model.named_parameters()))
            result.backward()

        found["torchviz"] = drawn
    if importlib.util.find_spec("torchview"):
        from torchview import draw_graph

        found["torchview"] = lambda: (draw_graph(model, input_data=inputs), step())
    if importlib.util.find_spec("torchlens"):
        import torchlens

        def traced() -> None:
            torchlens.trace(model, inputs)
            step()

        found["TorchLens"] = traced
    return found


COLUMNS = (("no-op mode", 11), ("anomaly", 8), ("torchviz", 9), ("torchview", 10), ("TorchLens", 10), ("cell", 6),
           ("total", 6))  # fmt: skip


def seconds(step: Step, way: Way, repeat: int) -> float:
    gc.collect()
    begin = time.process_time()
    for _ in range(repeat):
        with way():
            step()
    return (time.process_time() - begin) / repeat


def one_round(workload: Workload, step: Step, others: dict[str, Step]) -> dict[str, float]:
    global spent_in_stop
    spent_in_stop = 0.0
    times = {name: seconds(step, way, workload.repeat) for name, way in ways(workload).items()}
    times["cell"] = times["total"] - spent_in_stop / workload.repeat
    return {**times, **{name: seconds(other, contextlib.nullcontext, 1) for name, other in others.items()}}


def measure(workload: Workload) -> tuple[float, dict[str, float]]:
    """Median seconds of the plain step, and the median ratio to it of every way."""
    torch.manual_seed(0)
    made = workload.make()
    step = made.step() if isinstance(made, Training) else made()  # type: ignore[call-arg]
    others = peers(made)
    one_round(workload, step, others)
    rounds = [one_round(workload, step, others) for _ in range(workload.rounds)]
    ratios = {name: statistics.median(times[name] / times["plain"] for times in rounds) for name in rounds[0]}
    return statistics.median(times["plain"] for times in rounds), ratios


def peak(workload: Workload) -> tuple[float, float]:
    """(MB of the plain run, ratio to it of the recorded one)."""
    script = str(pathlib.Path(__file__).with_name("peak.py"))
    found = []
    for how in ("plain", workload.values):
        command = [sys.executable, script, workload.name, how]
        runs = [float(subprocess.run(command, capture_output=True, text=True, check=True).stdout) for _ in range(3)]
        found.append(statistics.median(runs))
    return found[0], found[1] / found[0]


def named(words: list[str]) -> list[Workload]:
    """The workloads whose name contains all the words."""
    return [w for w in WORKLOADS if all(word in w.name for word in words)]


def line(workload: Workload) -> tuple[str, bool]:
    """A line of the table, and whether a goal was missed."""
    plain, ratios = measure(workload)
    megabytes, memory = peak(workload)
    figures = " ".join(
        f"{ratios[name]:{width}.2f}" if name in ratios else " " * (width - 1) + "-" for name, width in COLUMNS
    )
    missed = [word for word, over in (
        ("time", ratios["total"] > workload.goal), ("memory", memory > workload.memory),
    ) if over]  # fmt: skip
    verdict = f"missed: {', '.join(missed)}" if missed else "met"
    goals = f"{workload.goal:6.2f} {megabytes:7.1f} MB {memory:6.3f} {workload.memory:6.2f}"
    return f"{workload.name:50} {plain * 1e3:7.2f} ms {figures} {goals} {verdict}", bool(missed)


def main(words: list[str]) -> int:
    chosen = named(words)
    if not chosen:
        known = "; ".join(w.name for w in WORKLOADS)
        print(f"no workload is named {' '.join(words)!r}; expected words of one of: {known}")
        return 2
    torch.set_num_threads(1)  # what a busy machine gives to more than one is anybody's guess
    print(f"torch {torch.__version__}, one thread; times the CPU time of the plain run, median of interleaved rounds")
    heads = " ".join(f"{name:>{width}}" for name, width in COLUMNS)
    print(f"{'':50} {'plain':>10} {heads} {'goal':>6} {'memory':>10} {'peak':>6} {'goal':>6}")
    missed = False
    for workload in chosen:
        text, over = line(workload)
        missed |= over
        print(text, flush=True)
    return int(missed)


if __name__ == "__main__":
    import warnings

    warnings.filterwarnings("ignore", "Anomaly Detection has been enabled")
    sys.exit(main(sys.argv[1:]))
