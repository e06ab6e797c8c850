from __future__ import annotations

import functools
import json
from typing import Any

import pytest
import traitlets

from autograd_magics.report import Report
from autograd_magics.trace import Trace
from autograd_magics.views import timeline as timeline_module
from autograd_magics.views.looks import compact
from autograd_magics.views.moments import Moments
from autograd_magics.views.packing import packed
from autograd_magics.views.payload import payload
from autograd_magics.views.widget import ReportWidget
from tests.builders import Cell, added_again, hostile, loop, regression, report
from tests.golden.make import CASES
from tests.recorded import Notebook, record_cell

SGD = """\
x = torch.tensor([0., 1., 2., 3.])
y = torch.tensor([0., 2., 4., 6.])
w = torch.tensor([1.], requires_grad=True)
optimizer = torch.optim.SGD([w], lr=0.01)
for epoch in range(3):
    y_pred = x * w
    e = y_pred - y
    J = e.pow(2).sum()
    optimizer.zero_grad()
    J.backward()
    optimizer.step()
"""

BY_HAND = """\
w = torch.tensor(1., requires_grad=True)
for x in (1., 2.):
    loss = (w * x) ** 2
    loss.backward()
    with torch.no_grad():
        w -= 0.1 * w.grad
    w.grad.zero_()
"""

MODULE = """\
torch.manual_seed(0)
model = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.ReLU(), torch.nn.Linear(3, 1))
X = torch.ones(4, 2)
optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
for k in range(2):
    optimizer.zero_grad()
    loss = model(X).mean()
    loss.backward()
    optimizer.step()
"""

RETAINED = """\
x = torch.tensor([1., 2.], requires_grad=True)
y = x * 3
y.retain_grad()
z = (y * y).sum()
z.backward(retain_graph=True)
z.backward()
"""


def made(source: str, lang: str = "en") -> dict[str, Any]:
    return payload(Report(record_cell(source), lang=lang))


def told(data: dict[str, Any]) -> list[tuple[str, str]]:
    """Kind and caption of each event."""
    film = data["timeline"]
    return list(zip(film["kinds"], film["captions"], strict=True))


def marks(source: str) -> list[tuple[str, str]]:
    """Number of each iteration, and the event with which it begins."""
    film = made(source)["timeline"]
    return [(label, film["captions"][event]) for event, label, _ in film["iterations"]]


def recorded_cases() -> list[Any]:
    """Every golden case's last trace, and training loops."""
    found = [pytest.param(source, id=f"loop-{i}") for i, source in enumerate((SGD, BY_HAND, MODULE, RETAINED))]
    return found + [pytest.param(case, id=case) for case in CASES]


def trace_of(case: str) -> Trace:
    notebook = Notebook()
    for source in CASES.get(case, (case,)):
        trace = notebook.run(source.replace("%%autograd", "# %autograd"))
    return trace


# -- what happens ------------------------------------------------------------------------------
def test_each_step_is_told_with_its_numbers() -> None:
    assert told(made(SGD))[3:14] == [
        ("f", "forward: y_pred = x * w → [0 1 2 3]"),
        ("f", "forward: e = y_pred - y → [0 −1 −2 −3]"),
        ("f", "forward: e.pow(2) → [0 1 4 9]"),
        ("f", "forward: J = e.pow(2).sum() → 14"),
        ("b", "J.backward() begins: ∂J/∂J = 1"),
        ("s", "backward through SumBackward0: came in 1, rule grad · ones([4]), went out [1 1 1 1]"),
        ("s", "backward through PowBackward0: came in [1 1 1 1], rule grad · 2 · e, went out [0 −2 −4 −6]"),
        ("s", "backward through SubBackward0: came in [0 −2 −4 −6], rule grad, went out [0 −2 −4 −6]"),
        ("s", "backward through MulBackward0: came in [0 −2 −4 −6], rule grad · x, summed to shape [1], "
              "went out [−28]"),
        ("g", "w.grad: None + [−28] → [−28]"),
        ("u", "optimizer.step() (lr 0.01): w [1] → [1.28]"),
    ]  # fmt: skip


def test_what_the_steps_are_about() -> None:
    film = made(SGD)["timeline"]
    assert film["items"][3] == ["c3", "n1"]
    assert film["items"][9] == ["n3", "c5"]
    assert film["items"][12] == ["t2", "n0"]
    assert film["lines"][3] == film["lines"][11] == "L0:6"
    assert film["marks"][5] == film["marks"][9] == "c5"
    assert film["runs"] == [[7, 12], [19, 24], [31, 36]]


def test_a_span_in_a_loop_is_marked_where_the_source_has_it() -> None:
    film = made(SGD)["timeline"]
    assert (film["items"][14][0], film["marks"][14]) == ("c8", "c3")


def test_zero_grad_and_the_step_of_an_optimizer_are_one_event_each() -> None:
    events = told(made(MODULE))
    zeroed = [text for kind, text in events if kind == "g" and "zero_grad" in text]
    assert len(zeroed) == 1 and zeroed[0].startswith("optimizer.zero_grad(): model[0].weight.grad ")
    assert zeroed[0].endswith("… 1 more")
    assert sum(kind == "u" for kind, _ in events) == 2
    assert not any("addcdiv" in text or "lerp" in text for _, text in events)


def test_calls_behind_one_piece_of_source_are_told_by_themselves() -> None:
    texts = [text for _, text in told(made(MODULE))]
    assert "forward: linear(X, model[0].weight, model[0].bias) → [[0.36 −0.54 −0.15] [0.36 −0.54 …] …]" in texts
    assert "torch.nn.Linear(3, 1) makes model[2].bias: [−0.5516]" in texts


def test_an_update_by_hand_and_a_gradient_that_is_zeroed() -> None:
    events = told(made(BY_HAND))
    assert ("u", "w -= 0.1 * w.grad: w 1 → 0.8") in events
    assert ("g", "w.grad: 2 → 0 (zeroed)") in events


def test_a_sum_that_begins_with_a_number() -> None:
    events = told(made("total = 0\nw = torch.tensor(2., requires_grad=True)\nfor k in range(2):\n    total += w\n"))
    assert [text for _, text in events][1:] == [
        "forward: total += w → 2",
        "forward, in place: total += w: total 2 → 4",
    ]


def test_a_result_that_retains_its_gradient_has_it_before_its_node_runs() -> None:
    texts = [text for _, text in told(made(RETAINED))]
    at = texts.index("y.grad: None + [6 12] → [6 12]")
    assert texts[at - 1].endswith("went out y: [3 6], y: [3 6]")
    assert texts[at + 1].startswith("backward through MulBackward0: came in [6 12]")


def test_what_autograd_grad_gives() -> None:
    events = told(made(CASES["higher"][0]))
    assert ("b", "torch.autograd.grad(y, x, create_graph=True) gives dy = 32") in events


def test_a_cut_and_an_error() -> None:
    source = "w = torch.ones(1, requires_grad=True)\nd = w.detach()\nd.sum().backward()\n"
    events = told(made(source))
    assert ("f", "d = w.detach() → [1] (detached: no gradient passes)") in events
    kind, text = events[-1]
    assert kind == "x" and text.startswith("d.sum().backward() raised RuntimeError: element 0 of tensors does not")
    assert sum(kind == "x" for kind, _ in events) == 1


def test_a_python_error_is_the_last_event() -> None:
    kind, text = told(made(CASES["failed"][0]))[-1]
    assert kind == "x" and text.startswith("0.1 * w.grad raised TypeError: unsupported operand")


def test_a_finding_stands_where_it_happened() -> None:
    cell, finding = added_again()
    film = payload(report(cell, finding))["timeline"]
    ((moment, item),) = film["findings"]
    assert item == "f0"
    assert film["captions"][moment] == "w.grad: [−28] + [−28] → [−56]"


def test_in_portuguese() -> None:
    texts = [text for _, text in told(made(SGD, "pt_BR"))]
    assert texts[9] == "backward por PowBackward0: entrou [1 1 1 1], regra grad · 2 · e, saiu [0 −2 −4 −6]"


# -- iterations --------------------------------------------------------------------------------
def test_iterations_of_a_training_loop() -> None:
    assert [label for label, _ in marks(SGD)] == ["1", "2", "3"]
    assert {text.split(" →")[0] for _, text in marks(SGD)} == {"forward: y_pred = x * w"}


def test_zero_grad_first_in_the_loop() -> None:
    (first, _), (second, caption) = marks(MODULE)
    assert (first, second) == ("1", "2")
    assert caption.startswith("optimizer.zero_grad()")


@pytest.mark.parametrize(
    ("source", "labels"),
    [
        # one line, and a body that is one statement
        ("w = torch.ones(1, requires_grad=True)\nfor k in range(3): w = w * 2\n", "1 2 3"),
        ("w = torch.ones(1, requires_grad=True)\nfor k in range(2):\n    w = (w * 2).sin()\n", "1 2"),
        ("w = torch.ones(1, requires_grad=True)\nfor k in (1., 2.):\n    (w * k).sin().backward()\n", "1 2"),
        # what a module, a comprehension or a setter does in one statement is no iteration of it
        (
            "model = torch.nn.Sequential(torch.nn.Linear(1, 1), torch.nn.Linear(1, 1))\n"
            "for k in range(2):\n    z = model(torch.ones(1))\n    z.backward()\n",
            "1 2",
        ),
        (
            "w = torch.ones(1, requires_grad=True)\nfor k in range(2):\n"
            "    z = torch.cat([(w * i).sin() for i in (2, 3)])\n",
            "1 2",
        ),
        (
            "w = torch.ones(1, requires_grad=True)\nfor k in range(2):\n    (w * 2).backward()\n"
            "    w.data = w.data - 0.1 * w.grad.data\n",
            "1 2",
        ),
        # how often an optimizer calls its closure is its own affair
        (
            "w = torch.ones(2, requires_grad=True)\noptimizer = torch.optim.LBFGS([w], max_iter=3)\n"
            "def closure():\n    optimizer.zero_grad()\n    loss = (w ** 2).sum()\n    loss.backward()\n"
            "    return loss\n"
            "for k in range(2):\n    optimizer.step(closure)\n    v = w * 2\n",
            "1 2",
        ),
        # the test of a while loop is part of it
        ("w = torch.ones(1, requires_grad=True)\nwhile w.sum() < 4:\n    w = w * 2\n", "1 2 3"),
        # the same lines by way of a function that is called twice are no loop
        (
            "def f(a):\n    b = a * 2\n    return b.sin()\n"
            "w = torch.ones(1, requires_grad=True)\nz = f(w) + f(w)\nz.sum().backward()\n",
            "",
        ),
        # a loop that ran once is none
        ("w = torch.ones(1, requires_grad=True)\nfor k in range(1):\n    v = w * 2\n    u = v.sin()\n", ""),
        # loops in loops, through a function; what comes after the inner loop begins nothing
        (
            "def f(a):\n    b = a * 2\n    return b.sin()\n"
            "w = torch.ones(1, requires_grad=True)\n"
            "for i in range(2):\n    for j in range(2):\n        z = f(w)\n        z = z * 3\n    q = w * 4\n",
            "1.1 1.2 2.1 2.2",
        ),
        # an assignment that is an event of its own ends its statement, it does not begin it again
        (
            "w = torch.ones(1, requires_grad=True)\n"
            "for k in range(2):\n    (w * w).sum().backward()\n    w.data = w.data - w.grad.data\n    w.grad = None\n",
            "1 2",
        ),
        # the magic itself
        ("%%autograd\nw = torch.ones(1, requires_grad=True)\nfor k in range(2):\n    v = w * 2\n    u = v\n", "1 2"),
    ],
)
def test_iterations(source: str, labels: str) -> None:
    runnable = source.replace("%%autograd", "#%autograd")
    assert " ".join(label for label, _ in marks(runnable)) == labels


def test_a_model_of_an_earlier_cell_goes_through_its_layers_without_iterating() -> None:
    book = Notebook()
    book.run("""
        class Net(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.layers = torch.nn.ModuleList([torch.nn.Linear(2, 2) for _ in range(3)])
            def forward(self, x):
                for layer in self.layers:
                    x = torch.tanh(layer(x))
                return x
        net, x = Net(), torch.ones(1, 2)
    """)
    trace = book.run("for i in range(2):\n    loss = net(x).sum()\n    loss.backward()")
    film = payload(report(trace))["timeline"]
    assert [label for _, label, _ in film["iterations"]] == ["1", "2"]
    assert payload(report(book.run("loss = net(x).sum()")))["timeline"]["iterations"] == []


def test_iterations_of_what_is_no_python_are_where_lines_go_back() -> None:
    cell = Cell("!ls | x\nfor k in a:\n    z = w * k\n    q = z * 2\nthis is no Python")
    w = cell.leaf("w", [1.0])
    for k in (1.0, 2.0, 3.0):
        z = cell.call("w * k", "mul", (w,), [k], name="z", node="MulBackward0")
        cell.call("z * 2", "mul", (z,), [2 * k], name="q", node="MulBackward0")
    film = payload(report(cell))["timeline"]
    assert film["iterations"] == [[0, "1", 1], [2, "2", 1], [4, "3", 1]]


# -- looks -------------------------------------------------------------------------------------
def test_a_history_has_each_text_where_it_changes() -> None:
    assert compact([(1, "a"), (2, "a"), (3, "b"), (3, "c"), (5, "")]) == [[1, "a"], [3, "c"], [5, ""]]
    assert compact([(1, "a"), (2, "b"), (7, "c")], first=4) == [[4, "b"], [7, "c"]]
    assert compact([(3, "")]) == []


@pytest.mark.parametrize("case", recorded_cases())
def test_the_last_moment_is_what_the_rest_of_the_payload_says(case: str) -> None:
    data = payload(Report(trace_of(case)))
    film = data["timeline"]
    last = len(film["kinds"]) - 1
    for name, times in film["pictures"].items():
        boxes = data["pictures"][name]["boxes"]
        assert len(times["born"]) == len(boxes)
        assert all(0 <= born <= max(last, 0) for born in times["born"])
        for index, history in times["below"].items():
            assert history[-1][1] == boxes[int(index)]["below"], (name, boxes[int(index)]["id"])
            assert [at for at, _ in history] == sorted({at for at, _ in history})
        shown = {str(i) for i, box in enumerate(boxes) if box["below"] and box["style"] != "cut"}
        assert shown == set(times["below"])
    for ledger, times in zip(data["gradients"], film["ledgers"], strict=True):
        assert len(times["rows"]) == len(ledger["rows"]) and times["rows"] == sorted(times["rows"])
        assert (times["now"][-1][1] if times["now"] else "None") == ledger["now"]
    for source in data["source"]:
        for line in source["lines"]:
            for key in ("made", "grad"):
                history = film["source"][key].get(line["id"], [])
                assert (history[-1][1] if history else "") == line[key], (line["n"], key)
    for (begin, end), row in zip(film["saved"]["lives"], data["saved"]["rows"], strict=True):
        assert (end >= 0) == row["freed"]
        assert end < 0 or begin <= end


@pytest.mark.parametrize("case", recorded_cases())
def test_a_wire_never_comes_before_what_it_joins(case: str) -> None:
    data = payload(Report(trace_of(case)))
    for name, times in data["timeline"]["pictures"].items():
        picture = data["pictures"][name]
        born = {box["id"]: at for box, at in zip(picture["boxes"], times["born"], strict=True)}
        for wire in picture["wires"]:
            if name == "forward" and wire["kind"] == "data" and wire["to"][0] in "cb":
                assert born[wire["from"]] <= born[wire["to"]], wire


def test_gradients_come_when_the_step_that_sends_them_has_run() -> None:
    data = made(SGD)
    boxes = [box["id"] for box in data["pictures"]["forward"]["boxes"]]
    below = data["timeline"]["pictures"]["forward"]["below"]
    assert below[str(boxes.index("t6"))] == [[7, "1"]]
    assert below[str(boxes.index("t5"))] == [[8, "[1 1 1 1]"]]
    assert below[str(boxes.index("t4"))] == [[9, "[0 −2 −4 −6]"]]
    assert below[str(boxes.index("t2"))] == [[12, "grad [−28]"]]
    assert below[str(boxes.index("t7"))] == [[13, "grad [−28]"], [18, "grad None"], [24, "grad [−20.16]"]]


def test_saved_tensors_are_freed_as_soon_as_their_node_has_run() -> None:
    data = made(SGD)
    film = data["timeline"]
    assert film["saved"]["lives"][:2] == [[3, 11], [5, 9]]
    assert film["saved"]["total"][:5] == [
        [0, "nothing is kept now"],
        [3, "kept now: 16 B in 1 tensor"],
        [5, "kept now: 32 B in 2 tensors"],
        [9, "kept now: 16 B in 1 tensor"],
        [11, "nothing is kept now"],
    ]
    boxes = [box["id"] for box in data["pictures"]["forward"]["boxes"]]
    assert film["pictures"]["forward"]["kept"][str(boxes.index("c5"))] == [[5, "kept"], [9, "freed"]]


def test_what_an_earlier_cell_left_is_there_from_the_beginning() -> None:
    notebook = Notebook()
    notebook.run("w = torch.tensor([1.], requires_grad=True)\n(w * 3).sum().backward()\n")
    data = payload(Report(notebook.run("(w * 4).sum().backward()\n")))
    film = data["timeline"]
    boxes = [box["id"] for box in data["pictures"]["forward"]["boxes"]]
    leaf = next(i for i, box in enumerate(data["pictures"]["forward"]["boxes"]) if box["style"] == "leaf")
    assert film["pictures"]["forward"]["born"][leaf] == 0, boxes
    history = film["pictures"]["forward"]["below"][str(leaf)]
    assert [text for _, text in history] == ["grad [3]", "grad [7]"] and history[0][0] == 0
    assert film["ledgers"][0]["now"][0] == [0, "[3]"]


def test_details_without_what_comes_later() -> None:
    data = made(SGD)
    rows = data["details"]["t2"]["rows"]
    timed = {rows[index]["label"]: (since, ledger) for index, since, ledger in data["timeline"]["details"]["t2"]}
    assert timed[".grad now"] == (0, 0)
    # three backwards added to w; the rows of one label are told apart by what they lead to
    since = sorted(since for index, since, ledger in data["timeline"]["details"]["t2"] if ledger < 0)
    assert since == [12, 24, 36]


# -- limits ------------------------------------------------------------------------------------
def test_of_too_many_events_those_in_the_middle_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timeline_module, "Moments", functools.partial(Moments, limit=20))
    data = payload(report(loop(50)))
    film = data["timeline"]
    whole = 50 * 4
    assert (len(film["kinds"]), film["gap"]) == (20, [10, f"{whole - 20} steps are left out here"])
    assert [label for _, label, _ in film["iterations"]] == ["1", "2", "3", "49", "50"]
    assert film["captions"][-1] == "w.grad: [1225] + [50] → [1275]"
    assert film["ledgers"][0]["now"][-1] == [19, "[1275]"]
    assert all(0 <= at < 20 for at in film["ledgers"][0]["rows"])


def test_a_long_loop_stays_small() -> None:
    data = payload(report(loop(2000)))
    film = data["timeline"]
    assert len(film["kinds"]) == 2000 * 4
    assert film["gap"] is None
    assert len(json.dumps(packed(film))) < 400_000


@pytest.mark.parametrize("make", [hostile, lambda: (Cell(""), None), lambda: (regression(), None)])
def test_it_is_plain_data(make: Any) -> None:
    cell, finding = make()
    film = payload(report(cell, *([finding] if finding else [])))["timeline"]
    assert json.loads(json.dumps(film, allow_nan=False)) == film
    columns = {len(film[key]) for key in ("kinds", "items", "lines", "marks", "captions")}
    assert len(columns) == 1
    assert not any(character in "".join(film["captions"]) for character in "\x1b\u202e\n")


# -- from Python -------------------------------------------------------------------------------
def test_the_widget_knows_the_moment() -> None:
    made = ReportWidget(report(regression()))
    count = len(made.payload["timeline"]["kinds"])
    assert made.moment is None
    made.set_state({"moment": count - 1})
    assert made.moment == count - 1
    with pytest.raises(traitlets.TraitError, match=f"moment is {count}; expected 0 to {count - 1}, or None"):
        made.moment = count
    made.moment = None
    made.close()


def test_iterations_after_those_that_are_not_kept_have_their_own_numbers() -> None:
    source = """
        w = torch.ones(2, requires_grad=True)
        for i in range(60):
            loss = (w * w).sum()
            loss.backward()
            with torch.no_grad():
                w -= 0.01 * w.grad
            w.grad = None
    """
    trace = record_cell(source)
    assert trace.loops
    data = payload(Report(trace, lang="en"))["timeline"]
    labels = [int(label) for _, label, _ in data["iterations"]]
    assert labels[:2] == [1, 2] and labels[-1] == 60 and len(labels) < 60
    assert labels == sorted(set(labels))
