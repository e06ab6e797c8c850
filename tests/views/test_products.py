"""What backwards computed, by name: several outputs and inputs, vector-Jacobian and Jacobian-vector products."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from autograd_magics.graph import Graph
from autograd_magics.report import Report
from autograd_magics.trace import Trace
from autograd_magics.views.details import Details
from autograd_magics.views.items import Items
from autograd_magics.views.payload import payload
from autograd_magics.views.phrases import Phrases
from autograd_magics.views.products import Products
from tests.builders import Cell, report
from tests.recorded import Notebook, record_cell
from tests.views.checks import one_sided, picture_problems, unresolved

X = "x = torch.tensor([1.0, 2.0], requires_grad=True)\n"
SEVERAL = """
x = torch.tensor([1.0, 2.0], requires_grad=True)
w = torch.tensor([3.0, 4.0], requires_grad=True)
u = torch.tensor(3.0, requires_grad=True)
a = x * w
b = x ** 2
weights = torch.tensor([2.0, 2.0])
ga, gw, gu = torch.autograd.grad((a, b), (x, w, u), (torch.ones(2), weights), allow_unused=True)
"""
TRICK = X + """
y = x ** 3
v = torch.zeros(2, requires_grad=True)
g, = torch.autograd.grad(y, x, v, create_graph=True)
j, = torch.autograd.grad(g, v, torch.tensor([1.0, 0.5]))
"""


def kinds(trace: Trace) -> list[str]:
    products = Products(Phrases(Graph(trace)))
    return [products.kind(row) for row in trace.backwards]


def details(trace: Trace, item: str) -> list[tuple[str, str]]:
    made = report(trace)
    return [(row["label"], row["value"]) for row in Details(Phrases(made.graph), Items(made.graph)).of(item)["rows"]]


def captions(trace: Trace) -> list[str]:
    found: list[str] = payload(report(trace))["timeline"]["captions"]
    return found


# -- several outputs and inputs ----------------------------------------------------------------
def test_each_result_is_told_with_its_outputs_and_its_input() -> None:
    trace = record_cell(SEVERAL)
    rows = details(trace, "b0")
    assert [row for row in rows if row[0].startswith("∂")] == [
        ("∂(a, b)/∂x", "ga  float32[2]  [7 12]"),
        ("∂(a, b)/∂w", "gw  float32[2]  [1 2]"),
        ("∂(a, b)/∂u", "None: (a, b) was not computed from u (allow_unused=True)"),
    ]
    assert ("grad_outputs of a", "[1 1]") in rows and ("grad_outputs of b", "weights  [2 2]") in rows
    (said,) = [value for label, value in rows if label == "product"]
    assert said.startswith("the derivative of the sum of all elements of [1 1] · a + [2 2] · b")
    x, w = (torch.tensor(value, requires_grad=True) for value in ([1.0, 2.0], [3.0, 4.0]))
    (x * w + 2 * x**2).sum().backward()
    assert x.grad is not None and x.grad.tolist() == [7, 12]


def test_the_ledger_tells_what_was_given_back_instead_of_added() -> None:
    data = payload(report(record_cell(SEVERAL)))
    told = {one["name"]: [(row["what"], row["value"], row["by"]) for row in one["rows"]] for one in data["gradients"]}
    assert told == {
        "x": [("autograd.grad gave ∂(a, b)/∂x", "[7 12]", "b0")],
        "w": [("autograd.grad gave ∂(a, b)/∂w", "[1 2]", "b0")],
        "u": [],
    }
    assert all(ledger["now"] == "None" for ledger in data["gradients"])
    begin = data["timeline"]["kinds"].rindex("b")
    assert data["timeline"]["ledgers"][0]["rows"] == [begin]


def test_the_text_names_every_result() -> None:
    text = report(record_cell(SEVERAL)).to_text()
    said = " ".join(text.split())
    assert "∂(a, b)/∂x = ga = [7 12] ∂(a, b)/∂w = gw = [1 2] ∂(a, b)/∂u = None" in said
    assert "autograd.grad gave ∂(a, b)/∂x [7 12]" in said
    assert captions(record_cell(SEVERAL))[-1].endswith(
        "gives ∂(a, b)/∂x = ga = [7 12], ∂(a, b)/∂w = gw = [1 2], ∂(a, b)/∂u = None"
    )


def test_what_was_given_is_drawn_as_an_input() -> None:
    made = report(record_cell(SEVERAL))
    picture = made.pictures["forward"]
    (box,) = (box for box in picture.boxes if box.id == "b0")
    assert box.label == "∂/∂(x, w, u)" and "∂(a, b)/∂x, ∂(a, b)/∂w" in box.title
    labels = {one.id: one.label or one.name for one in picture.boxes}
    assert [labels[wire.start] for wire in picture.wires if wire.end == "b0"] == ["a", "b", "torch.ones(2)", "weights"]


def test_none_for_what_a_hook_or_nothing_explains_is_only_none() -> None:
    trace = record_cell(SEVERAL)
    row = trace.backwards[0]
    odd = row._replace(results=(None, *row.results[1:]))  # as of a result that is no plain tensor
    rows = details(Trace(**{**vars(trace), "backwards": (odd,)}), "b0")
    assert ("∂(a, b)/∂x", "None") in rows


# -- products ----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("(x ** 2).sum().backward()", ""),
        ("(x ** 2).backward(torch.tensor([1.0, 0.5]))", "vjp"),
        ("torch.autograd.grad(x ** 2, x, torch.tensor([1.0, 0.5]))", "vjp"),
        ("(x[:1] ** 2).backward(torch.tensor([3.0]))", ""),
        ("torch.autograd.grad(x ** 2, x, torch.eye(2), is_grads_batched=True)", "vjps"),
        ("torch.autograd.grad((x.sum(), x.prod()), x)", "sum"),
    ],
)
def test_a_product_is_named_where_it_is_one(source: str, kind: str) -> None:
    assert kinds(record_cell(X + source)) == [kind]


def test_a_vector_jacobian_product_names_the_vector() -> None:
    trace = record_cell(X + "y = x ** 2\nv = torch.tensor([1.0, 0.5])\ny.backward(v)")
    rows = details(trace, "b0")
    assert ("gradient given", "v  [1 0.5]") in rows
    assert (
        "product",
        "vᵀJ, a vector-Jacobian product: J = ∂y/∂x, and v, which was given, weights the 2 elements of y. "
        "J itself is never built.",
    ) in rows
    assert ("vᵀ · ∂y/∂x", "[2 2]") in details(trace, "t0")
    assert "y.backward(v) begins: ∂y/∂y = [1 0.5] (vector-Jacobian product vᵀJ)" in captions(trace)
    text = report(trace).to_text()
    assert "NODE BY NODE: line 4, backward from y (vector-Jacobian product vᵀJ)\n" in text
    assert "backward from y  vᵀJ    " in text


def test_the_trick_of_two_backwards_is_a_jacobian_vector_product() -> None:
    trace = record_cell(TRICK)
    assert kinds(trace) == ["vjp", "jvp"]
    rows = details(trace, "b1")
    assert ("J·u, J = ∂y/∂x", "j  float32[2]  [3 6]") in rows
    (said,) = [value for label, value in rows if label == "product"]
    assert said == (
        "J·u, a Jacobian-vector product by two backwards: J = ∂y/∂x. The first (line 5) gave g = vᵀJ, which is linear "
        "in v; its derivative with respect to v, weighted by u, is J·u."
    )
    J = torch.diag(3 * torch.tensor([1.0, 2.0]) ** 2)
    expected = J @ torch.tensor([1.0, 0.5])
    assert trace.tensors[trace.backwards[1].results[0] or 0].value == expected.tolist()


@pytest.mark.parametrize(
    "source",
    [
        # v is not what weighted the outputs, or not alone, or the output depends on it
        TRICK.replace("y, x, v,", "y, x, v * 2,"),
        TRICK.replace("y = x ** 3", "v = torch.zeros(2, requires_grad=True)\ny = x ** 3 * (v + 1)").replace(
            "\nv = torch.zeros(2, requires_grad=True)\ng", "\ng"
        ),
        TRICK.replace("grad(y, x, v,", "grad((y, y * 2), x, (v, v),"),
    ],
)
def test_what_only_looks_like_the_trick_is_not_named_so(source: str) -> None:
    trace = record_cell(source)
    assert trace.failure is None and kinds(trace)[1] != "jvp"


def test_a_hessian_vector_product_is_named() -> None:
    trace = record_cell(X + "y = (x ** 3).sum()\ng, = torch.autograd.grad(y, x, create_graph=True)\n"
                        "v = torch.tensor([1.0, 0.5])\nh, = torch.autograd.grad(g, x, v)")  # fmt: skip
    assert kinds(trace) == ["", "hvp"]
    assert ("vᵀH, H = ∂²y/∂x²", "h  float32[2]  [6 6]") in details(trace, "b1")


# -- functions that run backwards --------------------------------------------------------------
FUNCTIONS = {
    "jacobian": "J = F.jacobian(lambda x: x ** 3, x)",
    "hessian": "J = F.hessian(lambda x: (x ** 3).sum(), x)",
    "vjp": "out, J = F.vjp(lambda x: x ** 3, x, torch.tensor([1.0, 0.5]))",
    "jvp": "out, J = F.jvp(lambda x: x ** 3, x, torch.tensor([1.0, 0.5]))",
    "hvp": "out, J = F.hvp(lambda x: (x ** 3).sum(), x, torch.tensor([1.0, 0.5]))",
    "vhp": "out, J = F.vhp(lambda x: (x ** 3).sum(), x, torch.tensor([1.0, 0.5]))",
}


def made_by(name: str) -> tuple[Report, Any]:
    notebook = Notebook()
    cell = f"import torch.autograd.functional as F\nx = torch.tensor([1.0, 2.0])\n{FUNCTIONS[name]}"
    trace = notebook.run(cell)
    return report(trace), notebook.namespace["J"]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_that_runs_backwards_is_one_box(name: str) -> None:
    made, value = made_by(name)
    boxes = made.pictures["forward"].boxes
    labels = [box.label for box in boxes if box.style == "call"]
    assert labels.count(name) == 1 and not {"∂", "∂/∂x", "reshape", "[ ]"} & set(labels)
    (box,) = (box for box in boxes if box.label == "J")
    assert made.trace.tensors[int(box.id[1:])].value == value.tolist()
    assert len(boxes) <= 10


@pytest.mark.parametrize("name", FUNCTIONS)
def test_it_is_named_at_the_users_line(name: str) -> None:
    made, _ = made_by(name)
    total = len(made.trace.backwards)
    data = payload(made)
    for number, row in enumerate(made.trace.backwards, 1):
        place = made.trace.places[row.places[0]]
        assert (place.line, place.through) == (3, f"torch.autograd.functional.{name}")
        said = [one["value"] for one in data["details"][f"b{row.id}"]["rows"] if one["label"] == "run by"]
        assert said[0].startswith(f"`torch.autograd.functional.{name}`: backward {number} of {total} that it ran. ")
    assert unresolved(data) == [] and one_sided(data) == []
    assert [problem for picture in data["pictures"].values() for problem in picture_problems(picture)] == []
    text = made.to_text()
    assert f"J = {name}(…)" in text and "reshape(" not in text.partition("NODE BY NODE")[0]
    marks = {mark[2] for source in data["source"] for line in source["lines"] for mark in line["marks"]}
    assert f"b{total - 1}" in marks


def test_a_loop_of_them_draws_one_box_for_each() -> None:
    trace = record_cell(
        "x = torch.tensor([1.0, 2.0])\nfor k in range(3):\n"
        "    J = torch.autograd.functional.jacobian(lambda x: x ** 3 * k, x)"
    )
    labels = [box.label for box in report(trace).pictures["forward"].boxes]
    assert labels.count("jacobian") == 3
    assert [label for label in labels if label in ("J", "jacobian(…)")] == ["jacobian(…)", "jacobian(…)", "J"]


def test_rows_of_a_jacobian_have_the_name_of_their_element() -> None:
    trace = record_cell(
        "def f(x):\n    y = x ** 3\n    return y\nx = torch.tensor([1.0, 2.0])\n"
        "J = torch.autograd.functional.jacobian(f, x)"
    )
    assert ("∂y[1]/∂x", "grad(…)  float32[2]  [0 12]") in details(trace, "b1")


def test_vectorized_jacobians_are_products_at_once() -> None:
    trace = record_cell(
        "x = torch.tensor([1.0, 2.0])\nJ = torch.autograd.functional.jacobian(lambda x: x ** 3, x, vectorize=True)"
    )
    rows = dict(details(trace, f"b{trace.backwards[-1].id}"))
    assert "product" in rows and "row of the Jacobian" not in rows["run by"]


EXPRESSION = X + "(x*x).exp().sum().backward()"


def test_what_is_no_name_stands_in_parentheses() -> None:
    trace = record_cell(EXPRESSION)
    labels = [label for node in ("n1", "n2", "n3") for label, _ in details(trace, node) if "∂" in label]
    assert "came in ∂((x*x).exp().sum())/∂(x*x)" in labels
    assert "went out ∂((x*x).exp().sum())/∂x" in labels
    assert not any("∂x*x" in label or "∂(x*x)." in label for label in labels)


ROOTS = {
    "en": ("the root itself", "came in at the root"), "pt_BR": ("a própria raiz", "entrou na raiz"),
    "es": ("la propia raíz", "entró en la raíz"), "zh_CN": ("根自身", "在根处传入"),
}  # fmt: skip


@pytest.mark.parametrize("lang", ROOTS)
def test_a_root_without_a_name_is_not_written_twice(lang: str) -> None:
    trace = record_cell(EXPRESSION)
    itself, came_in = ROOTS[lang]
    data = payload(Report(trace, lang=lang))
    assert any(f": {itself}" in said or f"：{itself}" in said for said in data["timeline"]["captions"])
    (root,) = trace.backwards[0].roots
    node = f"n{trace.tensors[root].node}"
    labels = {item: [row["label"] for row in one["rows"]] for item, one in data["details"].items()}
    assert came_in in labels[node] and itself in labels[f"t{root}"]
    twice = "∂((x*x).exp().sum())/∂((x*x).exp().sum())"
    assert not any(twice in label for found in labels.values() for label in found)
    assert not any(twice in said for said in data["timeline"]["captions"])


def test_a_hook_on_a_root_without_a_name() -> None:
    trace = record_cell(X + """
def twice(g): return 2 * g
def hooked(t):
    t.register_hook(twice)
    return t
hooked(x * x).backward(torch.ones(2))
""")
    (root,) = trace.backwards[0].roots
    assert details(trace, f"n{trace.tensors[root].node}")[:2] == [
        ("came in at the root, before hook twice", "[1 1]"), ("after hook twice", "[2 2]"),
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["x", "net[0].weight", "h[2].mlp[0].bias", "x[0, 1]", "params['w']", "Wᵀ", "重み"])
def test_names_stand_by_themselves(name: str) -> None:
    cell = Cell(name)
    tensor = cell.leaf(name, [1.0])
    assert Products(Phrases(Graph(cell.trace()))).one(tensor) == name
