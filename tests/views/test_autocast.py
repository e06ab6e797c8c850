"""Where autocast ran a call, the details say so; where the user or PyTorch itself changes a dtype, they do not."""

from __future__ import annotations

import pytest
from recorded import Notebook

from autograd_magics import Report
from autograd_magics.graph import Graph
from autograd_magics.trace import Trace
from autograd_magics.views import autocast
from autograd_magics.views.payload import payload

LAYER = """
lin = torch.nn.Linear(3, 2)
norm = torch.nn.LayerNorm(2)
x = torch.ones(4, 3)
"""
UNDER = LAYER + "with torch.autocast('cpu', dtype=torch.bfloat16):\n"


def recorded(source: str) -> Trace:
    notebook = Notebook()
    trace = notebook.run(source)
    assert notebook.errors == [None]
    return trace


def ran(source: str) -> dict[str, str]:
    """By the name of a call, the dtype in which autocast ran it."""
    trace = recorded(source)
    graph = Graph(trace)
    return {call.name: dtype for call in trace.calls if (dtype := autocast.ran_in(graph, call)) is not None}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("h = lin(x)", {"linear": "bfloat16"}),
        ("h = lin(lin.weight.sum() + x)", {"linear": "bfloat16"}),
        ("lin(x); h = lin(x * 1)", {"linear": "bfloat16"}),
        ("h = torch.matmul(x, x.T)", {"matmul": "bfloat16"}),
        ("h = torch.nn.functional.mse_loss(lin(x), torch.zeros(4, 2))", {"linear": "bfloat16", "mse_loss": "float32"}),
        ("h = norm(lin(x))", {"linear": "bfloat16"}),  # on a CPU it takes both as they are
        ("h = lin(x).exp()", {"linear": "bfloat16"}),
        ("h = torch.nn.functional.conv1d(x[None], torch.ones(1, 4, 2))", {"conv1d": "bfloat16"}),
        ("h = torch.nn.functional.scaled_dot_product_attention(x, x, x)", {"scaled_dot_product_attention": "bfloat16"}),
        ("h = torch.nn.functional.layer_norm(lin(x), (2,))", {"linear": "bfloat16"}),
    ],
)  # fmt: skip
def test_calls_that_autocast_ran(body: str, expected: dict[str, str]) -> None:
    assert ran(f"{UNDER}    {body}") == expected


def test_a_weight_that_an_earlier_call_cast() -> None:
    source = f"{UNDER}    a = lin(x)\n    b = lin(x)"
    trace = recorded(source)
    graph = Graph(trace)
    first, second = [call for call in trace.calls if call.name == "linear"]
    nodes = [[trace.nodes[n].name for n in call.nodes] for call in (first, second)]
    assert "ToCopyBackward0" in nodes[0] and "ToCopyBackward0" not in nodes[1]
    assert [autocast.ran_in(graph, call) for call in (first, second)] == ["bfloat16", "bfloat16"]


OWN = """
h = torch.rand(3, dtype=torch.bfloat16, requires_grad=True)
m = torch.rand(2, 3, requires_grad=True)
one = torch.ones(3)
F = torch.nn.functional
"""


@pytest.mark.parametrize(
    "line",
    [
        "h.to(torch.float32)", "h.float() * 2", "m.bfloat16() @ h", "m.half()", "h.type(torch.float32)",
        "torch.softmax(h, 0, torch.float32)", "torch.softmax(h, 0, dtype=torch.float32)", "h.sum(dtype=torch.float32)",
        "h + one", "h * torch.tensor(2.0)", "one.to(h)", "h.type_as(one)", "m.to(torch.bfloat16).sum()",
        "F.mse_loss(h, one)", "F.cosine_similarity(h, one, dim=0)", "F.huber_loss(h, one)", "F.kl_div(h, one)",
        "F.soft_margin_loss(h, one)", "F.l1_loss(h, one)", "F.binary_cross_entropy_with_logits(h, one)",
        "F.rms_norm(h, (3,))", "F.rms_norm(h, (3,), one)", "F.layer_norm(h, (3,))", "F.layer_norm(h, (3,), one, one)",
        "F.batch_norm(h[None].expand(2, 3), one * 0, one, one, one, training=True)", "torch.cat([h, one])",
        "torch.where(one > 0, h, one)", "torch.einsum('i,i->', h, h)", "F.normalize(h, dim=0)",
        "h.double() @ h.double()", "m @ one",
        "torch.empty(3, dtype=torch.bfloat16).copy_(one)", "torch.add(one, one, out=torch.empty(3).half())",
        "torch.tensor([1.0], dtype=torch.float16) * torch.tensor([1.0])", "h.new_zeros(3, dtype=torch.float32)",
        "torch.zeros_like(one, dtype=torch.float16)", "h.view(torch.int16)", "h.std() + h.norm()",
    ],
)  # fmt: skip
def test_other_changes_of_dtype_are_not_its_doing(line: str) -> None:
    assert ran(f"{OWN}r = {line}") == {}


@pytest.mark.parametrize(
    ("lang", "said"),
    [
        ("en", "autocast ran this in bfloat16"), ("pt_BR", "o autocast executou isto em bfloat16"),
        ("es", "autocast ejecutó esto en bfloat16"), ("zh_CN", "autocast 以 bfloat16 运行了此调用"),
    ],
)  # fmt: skip
def test_details_say_so(lang: str, said: str) -> None:
    trace = recorded(f"{UNDER}    loss = lin(x).sum()\nloss.backward()")
    details = payload(Report(trace, lang=lang))["details"]
    told = {item: [row["value"] for row in one["rows"]] for item, one in details.items()}
    (call,) = [call for call in trace.calls if call.name == "linear"]
    assert said in told[f"c{call.id}"]
    casts = [node for node in trace.nodes if node.name == "ToCopyBackward0" and node.call == call.id]
    assert len(casts) == 2
    for node, name in zip(casts, ("lin.bias", "lin.weight"), strict=True):
        assert "autocast" in told[f"n{node.id}"][0] and f"{name} " in told[f"n{node.id}"][0]
    others = [f"n{node.id}" for node in trace.nodes if node not in casts]
    assert not any("autocast" in value for item in others for value in told[item])


def test_an_input_without_a_name() -> None:
    trace = recorded(f"{UNDER}    loss = torch.nn.functional.mse_loss(lin(x) @ torch.ones(2, 2), torch.ones(4, 2))")
    details = payload(Report(trace, lang="en"))["details"]
    (loss,) = [call for call in trace.calls if call.name == "mse_loss"]
    (cast,) = [n for n in loss.nodes if trace.nodes[n].name == "ToCopyBackward0"]
    said = details[f"n{cast}"]["rows"][0]["value"]
    assert said == "autocast cast lin(x) @ torch.ones(2, 2) to float32 for this call; backward casts the gradient back"
