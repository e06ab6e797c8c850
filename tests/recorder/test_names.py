"""The user's names for tensors."""

from __future__ import annotations

import gc
import time
import weakref
from typing import Any

import pytest
import torch
from recorded import Notebook, record_cell
from recorder.reading import calls, names, names_of, result_names

from autograd_magics.graph import Graph
from autograd_magics.recorder.names import Namespace, module_paths, submodules

ASSIGNMENTS = [
    ("y = x * 2", [{"y"}]),
    ("a = b = x * 2", [{"a", "b"}]),
    ("if (y := x * 2).sum() > 0: pass", [{"y"}]),
    ("y: torch.Tensor = x * 2", [{"y"}]),
    ("for i in range(3):\n    y = x * i", [{"y"}, {"y"}, {"y"}]),
    ("def f(v):\n    h = v * 2\n    return h\nz = f(x)", [{"h"}]),
    ("def f(v):\n    return v * 2\nz = f(x)", [{"z"}]),
    ("def f(v):\n    def g(u):\n        inner = u * 2\n        return inner\n    return g(v)\nz = f(x)", [{"inner"}]),
    ("with torch.no_grad():\n    y = x * 2", [{"y"}]),
    ("class A: pass\ns = A()\ns.h = x * 2", [{"s.h"}]),
    ("class A:\n    def run(self, v):\n        self.h = v * 2\nA().run(x)", [{"self.h"}]),
    ("l = [x * i for i in (1, 2)]", [{"l[0]"}, {"l[1]"}]),
    ("d = {'k': x * 2}", [{"d['k']"}]),
    ("d = {}\nd['k'] = x * 2", [{"d['k']"}]),
    ("x * 2", [set()]),
    ("try:\n    y = x * 2\nfinally:\n    pass", [{"y"}]),
    ("y = (lambda v: v * 2)(x)", [{"y"}]),
    ("global g\ng = x * 2", [{"g"}]),
]


@pytest.mark.parametrize(("source", "expected"), ASSIGNMENTS)
def test_the_result_of_a_call_has_the_names_it_was_stored_under(source: str, expected: list[set[str]]) -> None:
    assert result_names(record_cell("x = torch.ones(2, requires_grad=True)\n" + source), "mul") == expected


def test_unpacking_names_each_result() -> None:
    trace = record_cell("a, b = torch.ones(2, 3).unbind(0)\n(v, i) = torch.ones(3).max(0)")
    assert [names_of(trace, t) for t in calls(trace, "unbind")[0].outputs] == [{"a"}, {"b"}]
    assert [names_of(trace, t) for t in calls(trace, "max")[0].outputs] == [{"v"}, {"i"}]


def test_unpacking_a_tensor_names_each_row() -> None:
    trace = record_cell("x = torch.ones(2, 3)\na, b = x")
    assert [names_of(trace, t) for t in trace.calls[1].outputs] == [{"a"}, {"b"}]


def test_an_augmented_assignment_is_a_new_state_of_the_name() -> None:
    trace = record_cell("x = torch.ones(2)\nx += 1\nx = x + 1")
    iadd, add = trace.calls[1:]
    assert iadd.inplace and names_of(trace, iadd.outputs[0]) == {"x"} and names_of(trace, add.outputs[0]) == {"x"}
    assert trace.tensors[iadd.outputs[0]].object == trace.tensors[0].object != trace.tensors[add.outputs[0]].object


def test_the_result_of_a_model_is_named_through_its_call() -> None:
    trace = record_cell("""
        class Net(torch.nn.Module):
            def forward(self, v):
                return v * 2
        J = Net()(torch.ones(2))
    """)
    assert result_names(trace, "mul") == [{"J"}]


def test_parameters_are_named_by_their_path() -> None:
    trace = record_cell("""
        model = torch.nn.Sequential(torch.nn.Linear(2, 1))
        y = model(torch.ones(1, 2))
    """)
    linear = calls(trace, "linear")[0]
    found = [names_of(trace, t) for t in linear.inputs[1:]]
    assert found == [{"model[0].weight"}, {"model[0].bias"}]


def test_a_variable_from_before_is_known_by_its_name() -> None:
    book = Notebook()
    book.namespace["w"] = book.namespace["torch"].ones(2)
    trace = book.run("y = w * 2")
    assert ("w", 0) in names(trace)


def test_a_loop_variable_over_a_list_is_named_at_its_use() -> None:
    book = Notebook()
    torch = book.namespace["torch"]
    book.namespace["tensors"] = [torch.ones(1), torch.zeros(1)]
    trace = book.run("for t in tensors:\n    y = t * 2")
    first, second = calls(trace, "mul")
    assert names_of(trace, first.inputs[0]) == {"tensors[0]"}
    assert names_of(trace, second.inputs[0]) == {"t"}  # what the variable still holds at the end


def test_names_of_functions_belong_to_their_function() -> None:
    trace = record_cell("def f(v):\n    h = v * 2\n    return h + 1\nz = f(torch.ones(2))")
    assert {n.name: n.function for n in trace.names} == {"h": "f", "z": "<module>", "v": "f"}


def test_what_another_function_made_of_a_result_is_not_named_after_it() -> None:
    trace = record_cell(
        "x = torch.ones(2)\ndef f(v):\n    return v * 2\nl = sorted([1, 2], key=lambda i: f(x).sum().item())"
    )
    assert all(not found for found in result_names(trace, "mul"))


SIDE_BY_SIDE = [
    ("a, b = x * 2, x * 3", [{"a"}, {"b"}]),
    ("a, b, c = x * 2, x * 3, x * 4", [{"a"}, {"b"}, {"c"}]),
    ("a, n = x * 2, len([1, 2])", [{"a"}]),
    ("def f():\n    a, b = x * 2, x * 3\n    return a + b\nz = f()", [{"a"}, {"b"}]),
    ("def f():\n    a, b = (x * 2).unbind(0)\n    return a + b\nz = f()", [set()]),
]


@pytest.mark.parametrize(("source", "expected"), SIDE_BY_SIDE)
def test_values_side_by_side_each_have_their_own_name(source: str, expected: list[set[str]]) -> None:
    assert result_names(record_cell("x = torch.ones(2, requires_grad=True)\n" + source), "mul") == expected


def test_rows_unpacked_in_a_function_are_named() -> None:
    trace = record_cell("def f(v):\n    a, b = v\n    return a + b\nz = f(torch.ones(2, 3))")
    assert [names_of(trace, t) for t in trace.calls[1].outputs] == [{"a"}, {"b"}]


def test_what_asks_for_an_array_is_not_taken_for_the_tensor() -> None:
    trace = record_cell("import numpy\nx = [torch.ones(2)]\nnumpy.array(x[0])\nnumpy.sum(x[0])")
    assert {name.name for name in trace.names} == {"x[0]"}


# -- modules in the namespace ------------------------------------------------------------------
class Block(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = torch.nn.Linear(2, 2)
        self.heads = torch.nn.ModuleDict({"left": torch.nn.Linear(2, 1), "a b": torch.nn.Linear(2, 1)})
        self.scales = torch.nn.ParameterList([torch.nn.Parameter(torch.ones(1))])
        self.by_key = torch.nn.ParameterDict({"k": torch.nn.Parameter(torch.ones(1))})
        self.register_buffer("mean", torch.zeros(2))


class Holder:
    """An object of the user's."""

    def __init__(self, **members: Any) -> None:
        self.__dict__.update(members)


def test_members_of_modules_are_spelled_as_they_are_typed() -> None:
    net = torch.nn.Sequential(Block(), torch.nn.ModuleList([torch.nn.Linear(2, 2)]))
    net.add_module("odd-name", torch.nn.Linear(1, 1, bias=False))
    paths = [path for path, _ in Namespace(lambda: {"net": net}).parameters()]
    assert paths == [
        "net[0].mean", "net[0].fc.weight", "net[0].fc.bias",
        'net[0].heads["left"].weight', 'net[0].heads["left"].bias',
        'net[0].heads["a b"].weight', 'net[0].heads["a b"].bias', "net[0].scales[0]", 'net[0].by_key["k"]',
        "net[1][0].weight", "net[1][0].bias", 'getattr(net, "odd-name").weight',
    ]  # fmt: skip
    for path, tensor in Namespace(lambda: {"net": net}).parameters():
        assert eval(path, {"net": net}) is tensor


def test_parametrized_weights_are_spelled_as_torch_writes_them() -> None:
    net = torch.nn.utils.parametrizations.weight_norm(torch.nn.Linear(2, 2))
    paths = dict(Namespace(lambda: {"net": net}).parameters())
    assert list(paths) == [
        "net.bias", "net.parametrizations.weight.original0", "net.parametrizations.weight.original1",
    ]  # fmt: skip
    assert eval("net.parametrizations.weight.original0", {"net": net}) is paths["net.parametrizations.weight.original0"]


def test_modules_in_lists_dicts_and_objects() -> None:
    one, two, three, four = (torch.nn.Linear(1, 1) for _ in range(4))
    trainer = Holder(net=one, parts={"critic": [two]}, _hidden=four)
    paths = module_paths({"trainer": trainer, "nets": [3, three], "self": Holder(net=four), "_": one, "Out": {1: one}})
    assert paths == {
        id(one): "trainer.net", id(two): "trainer.parts['critic'][0]", id(three): "nets[1]", id(four): "self.net",
    }  # fmt: skip


def test_a_module_has_the_name_of_the_variable_that_leads_to_it() -> None:
    encoder, decoder = torch.nn.Linear(1, 1), torch.nn.Linear(1, 1)
    model = torch.nn.Sequential(encoder, decoder)
    before = {"encoder": encoder, "model": model, "again": model, "layer": decoder}
    assert module_paths(before) == {id(encoder): "encoder", id(model): "model", id(decoder): "model[1]"}
    held = {"nets": [encoder], "encoder": encoder}
    assert module_paths(held) == {id(encoder): "encoder"}


def test_modules_and_objects_that_contain_themselves() -> None:
    loop: list[Any] = [torch.nn.Linear(1, 1)]
    loop.append(loop)
    holder = Holder(loop=loop)
    holder.me = holder  # type: ignore[attr-defined]
    net = torch.nn.Sequential(torch.nn.Identity())
    object.__setattr__(net[0], "_modules", {"up": net})
    assert list(module_paths({"holder": holder, "net": net}).values()) == ["net", "net[0]", "holder.loop[0]"]


class Compiled(torch.nn.Module):
    """What `torch.compile` gives: it passes attributes on, and cannot be indexed."""

    def __init__(self, inner: torch.nn.Module) -> None:
        super().__init__()
        self._orig_mod = inner

    def __getattr__(self, name: str) -> Any:
        return super().__getattr__(name) if name == "_orig_mod" else getattr(self._orig_mod, name)


def test_a_compiled_module_is_spelled_as_the_one_inside() -> None:
    for net, expected in (
        (Compiled(Block()), "net.fc.weight"),
        (Compiled(torch.nn.Sequential(torch.nn.Linear(1, 1))), "net._orig_mod[0].weight"),
    ):
        paths = dict(Namespace(lambda net=net: {"net": net}).parameters())  # type: ignore[misc]
        assert eval(expected, {"net": net}) is paths[expected]


def test_paths_below_a_module_that_no_variable_leads_to() -> None:
    net = torch.nn.Sequential(torch.nn.Linear(1, 1))
    assert submodules("Sequential()", net) == {id(net): "Sequential()", id(net[0]): "Sequential()[0]"}


def test_names_hold_nothing_alive_and_are_not_those_of_the_dead() -> None:
    variables: dict[str, Any] = {"net": torch.nn.Linear(2, 2)}
    namespace = Namespace(lambda: variables)
    weight = variables["net"].weight
    assert namespace.name_of(weight) == "net.weight"
    ref, bias = weakref.ref(variables["net"]), id(variables["net"].bias)
    del variables["net"]
    gc.collect()
    assert ref() is None
    new = next((t for t in (torch.zeros(2) for _ in range(100)) if id(t) == bias), torch.zeros(2))
    assert namespace.name_of(new) is None


def test_a_loop_over_parameters_does_not_rename_them() -> None:
    trace = record_cell("""
        model = torch.nn.Sequential(torch.nn.Linear(2, 1), torch.nn.Linear(1, 1))
        for i in range(2):
            loss = model(torch.ones(1, 2)).sum()
            loss.backward()
            with torch.no_grad():
                for p in model.parameters():
                    p -= 0.1 * p.grad
                    p.grad = None
            for layer in model:
                pass
    """)
    graph = Graph(trace)
    told = {graph.object_name(change.object) for change in trace.changes}
    assert told == {"model[0].weight", "model[0].bias", "model[1].weight", "model[1].bias"}
    assert {graph.name(t.id) for t in trace.tensors if t.parameter} == told


def test_parameters_that_do_not_outlive_the_cell_are_named() -> None:
    notebook = Notebook()
    notebook.run("model = torch.nn.Sequential(torch.nn.Linear(2, 1))")
    trace = notebook.run("y = model(torch.ones(1, 2)).sum()\ny.backward()\ndel model, y")
    (linear,) = calls(trace, "linear")
    assert [names_of(trace, t) for t in linear.inputs[1:]] == [{"model[0].weight"}, {"model[0].bias"}]


def test_thousands_of_parameters_are_named_in_little_time() -> None:
    net = torch.nn.Sequential(*(torch.nn.Linear(1, 1) for _ in range(3000)))
    namespace = Namespace(lambda: {"net": net})
    began = time.perf_counter()
    found = [namespace.name_of(p) for p in net.parameters()]
    took = time.perf_counter() - began
    assert found[-1] == "net[2999].bias" and len(set(found)) == 6000
    assert took < 0.5  # 0.03 s on an idle machine
