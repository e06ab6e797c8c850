"""Peak memory of three steps of a workload, in MB: `python benchmarks/peak.py NAME plain|none|small|stats|all`.

Counted from what the process held before the model was made, so that the libraries themselves do not hide the rest.
"""

from __future__ import annotations

import contextlib
import resource
import sys

import torch
from overhead import Training, named, recording


def resident() -> float:
    """MB that the process holds at this moment."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize() / 1e6


def main(name: str, how: str) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    (workload,) = named([name])
    before = resident()
    made = workload.make()
    step = made.step() if isinstance(made, Training) else made()  # type: ignore[call-arg]
    for _ in range(3):
        with contextlib.nullcontext() if how == "plain" else recording(how):
            step()
    highest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
    print(highest - before)


if __name__ == "__main__":
    main(*sys.argv[1:])
