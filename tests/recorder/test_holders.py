"""Which variables still hold a graph when the recording ends."""

from __future__ import annotations

import gc
import weakref

from autograd_magics.recorder import holders
from tests.recorded import Notebook, record_cell


def names(source: str) -> list[str]:
    return [h.name for h in record_cell(source).holders]


def test_variables_containers_and_attributes() -> None:
    assert names("""
        class Meter:
            pass
        class Slotted:
            __slots__ = ("total",)
        meter, slotted = Meter(), Slotted()
        w = torch.ones(2, requires_grad=True)
        loss = (w * w).sum()
        _hidden = loss * 2
        meter.total = slotted.total = loss
        history = {"train": [loss, 1.0, loss.item()], 3: (loss,)}
        plain = loss.detach()
        history["self"] = history
    """) == ["meter.total", "loss", "history['train'][0]", "history[3][0]"]


def test_what_was_let_go_holds_nothing() -> None:
    assert names("""
        w = torch.ones(2, requires_grad=True)
        loss = (w * w).sum()
        total = loss + 1
        loss = loss.item()
        del total
        def inside():
            return (w * 3).sum().item()
        inside()
    """) == []


def test_names_lead_to_the_rows() -> None:
    trace = record_cell("w = torch.ones(2, requires_grad=True)\nlosses = [(w * i).sum() for i in range(3)]")
    assert [trace.tensors[h.tensor].value for h in trace.holders] == [0.0, 2.0, 4.0]


def test_looking_has_a_limit_and_keeps_nothing_alive(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(holders, "LOOKED_AT", 5)
    notebook = Notebook()
    trace = notebook.run("w = torch.ones(2, requires_grad=True)\nlosses = [(w * i).sum() for i in range(30)]")
    assert len(trace.holders) < 5
    ref = weakref.ref(notebook.namespace["losses"][0])
    notebook.namespace.clear()
    gc.collect()
    assert ref() is None
