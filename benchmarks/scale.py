"""What the Python side needs to show recordings of any size: `python benchmarks/scale.py`.

Seconds of processor time of each stage from a trace to its HTML and the size of the payload, beside the goals, for
recordings made by hand (`synthetic.py`) and for a loop of which every iteration is kept.  Where a figure stands beside
its goal, `>` says that it is missed.

`python benchmarks/scale.py [gpt|lstm|chain|loop] [nodes...]`; the first three at 1,000, 10,000 and 100,000 by default.
"""

from __future__ import annotations

import itertools
import json
import pathlib
import sys
import time
import zlib
from collections.abc import Callable, Sequence
from typing import Any

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from synthetic import chain, gpt_like, lstm

from autograd_magics import Report
from autograd_magics.trace import Trace

SIZES = (1_000, 10_000, 100_000)
SECONDS = {1_000: 0.1, 10_000: 1.0, 100_000: 8.0}
"""Goals: seconds from the trace to the payload, compressed."""
KILOBYTES = {1_000: 30, 10_000: 250, 100_000: 2_000}
"""Goals: size of the compressed payload in kB of 1,000 bytes."""


def loop(iterations: int) -> Trace:
    """Iterations of a scalar loop, really recorded and all of them kept."""
    import torch

    from autograd_magics.recorder import Recorder
    from autograd_magics.recording import known_sources

    recorder = Recorder(
        sources=known_sources(__file__), namespace={}, base=sys._getframe().f_code, limit=10**9, loops=0
    )
    w = torch.tensor(0.5, requires_grad=True)
    x, y = torch.tensor(2.0), torch.tensor(3.0)
    recorder.start()
    for _ in range(iterations):
        (w * x - y).pow(2).backward()
    return recorder.stop()


MAKERS: dict[str, Callable[[int], Trace]] = {"gpt": gpt_like, "lstm": lstm, "chain": chain, "loop": loop}


# -- measuring ---------------------------------------------------------------------------------
def stages(trace: Trace) -> dict[str, Any]:
    """Seconds of processor time of each stage from a trace to its HTML, and sizes in bytes."""
    from autograd_magics.views.html import LEVEL, to_html
    from autograd_magics.views.languages import multilingual
    from autograd_magics.views.packing import packed

    found: dict[str, Any] = {}

    def timed(name: str, work: Callable[[], Any]) -> Any:
        begin = time.process_time()
        result = work()
        found[name] = time.process_time() - begin
        return result

    saved = trace.to_json()
    trace = timed("from_json", lambda: Trace.from_json(saved))
    report = Report(trace, lang="en")
    timed("graph", lambda: (report.graph.operations, report.graph.states, report.graph.steps_of(0)))
    timed("rules", lambda: report.findings)
    timed("pictures", lambda: report.coded)
    data = timed("payload", lambda: packed(multilingual(report)))
    written = timed("json", lambda: json.dumps(data, separators=(",", ":"), ensure_ascii=False).encode())
    blob = timed("compress", lambda: zlib.compress(written, LEVEL))
    page = timed("to_html", lambda: to_html(Report(trace, lang="en")))
    found["raw"], found["packed"], found["html"] = len(written), len(blob), len(page.encode())
    return found


def line(name: str, nodes: int, found: dict[str, Any]) -> str:
    """One line of the table: seconds, then kB, each total beside its goal."""
    seconds = "".join(f"{found[key]:>9.2f}" for key in ("from_json", *WORK))
    total, size = sum(found[key] for key in WORK), found["packed"] / 1000
    goal, room = SECONDS.get(nodes), KILOBYTES.get(nodes)
    beside = f"{total:>9.2f} {_goal(total, goal)}{found['raw'] / 1000:>10.0f}{size:>9.1f} {_goal(size, room)}"
    return f"{name:<6}{nodes:>8}{seconds}{beside}{found['to_html']:>9.2f}"


WORK = ("graph", "rules", "pictures", "payload", "json", "compress")


def _goal(value: float, goal: float | None) -> str:
    if goal is None:
        return " " * 9
    return f"{'≤' if value <= goal else '>'}{goal:<7g} "


def main(words: Sequence[str]) -> None:
    """Measure what was asked for."""
    stages(chain(10))  # what is imported once in a session belongs to no recording
    names = [word for word in words if word in MAKERS] or ["gpt", "lstm", "chain"]
    sizes = [int(word) for word in words if word.isdigit()] or list(SIZES)
    heads = "".join(f"{head:>9}" for head in ("from_json", *WORK))
    print(f"{'s':<6}{'nodes':>8}{heads}{'total':>9} {'goal':<9}{'raw kB':>9}{'kB':>9} {'goal':<8} {'to_html':>8}")
    for name, size in itertools.product(names, sizes):
        print(line(name, size, stages(MAKERS[name](size))), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
