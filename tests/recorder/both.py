"""Run a cell plain or under something, and tell everything that a recording must not change."""

from __future__ import annotations

import contextlib
import io
import itertools
import linecache
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import torch

from autograd_magics.recorder import Recorder, SourceBook

HIDDEN = ("torch", "__name__", "__builtins__", "__warningregistry__")
_numbers = itertools.count(1)


@dataclass
class Outcome:
    """What a run left behind and showed."""

    values: dict[str, Any]
    error: tuple[str, str] | None
    frames: list[tuple[str, int | None]]
    """(function, line) of the traceback."""
    warnings: list[tuple[str, str, str, int]]
    random: Any
    printed: str


@contextlib.contextmanager
def recording(source: SourceBook, namespace: dict[str, Any], errors: list[BaseException]) -> Iterator[None]:
    recorder = Recorder(sources=source, namespace=lambda: namespace, strict=True)
    recorder.start()
    try:
        yield
    finally:
        trace = recorder.stop(errors[0] if errors else None)
        assert trace.problem is None


RECORDED = (recording,)
Ways = tuple[Callable[..., AbstractContextManager[None]], ...]


def run(source: str, ways: Ways = (), *, filters: str = "default", filename: str = "") -> Outcome:
    """Run a cell's source in a namespace of its own."""
    filename = filename or f"<both {next(_numbers)}>"
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    book = SourceBook(main=filename)
    book.add_cell(filename, 1, source)
    namespace: dict[str, Any] = {"torch": torch, "__name__": "__main__"}
    errors: list[BaseException] = []
    printed = io.StringIO()
    torch.manual_seed(0)
    with every_warning(), warnings.catch_warnings(record=True) as caught, contextlib.redirect_stdout(printed):
        warnings.simplefilter(filters)  # type: ignore[arg-type]
        _execute(compile(source, filename, "exec"), namespace, errors, [way(book, namespace, errors) for way in ways])
    error = errors[0] if errors else None
    return Outcome(
        {k: plain(v) for k, v in namespace.items() if k not in HIDDEN},
        None if error is None else (type(error).__name__, str(error)),
        [] if error is None else [(f.name, f.lineno) for f in traceback.extract_tb(error.__traceback__)[1:]],
        [
            (
                w.category.__name__,
                str(w.message).replace(filename, "<cell>"),
                w.filename.replace(filename, "<cell>"),
                w.lineno,
            )
            for w in caught
        ],
        torch.get_rng_state().tolist(),
        printed.getvalue(),
    )


@contextlib.contextmanager
def every_warning() -> Iterator[None]:
    """PyTorch gives some warnings once in a process: here each time, or the second run would have none."""
    before = torch.is_warn_always_enabled()
    torch.set_warn_always(True)
    try:
        yield
    finally:
        torch.set_warn_always(before)


def _execute(code: Any, namespace: dict[str, Any], errors: list[BaseException], ways: list[Any]) -> None:
    with contextlib.ExitStack() as stack:
        for way in ways:
            stack.enter_context(way)
        try:
            exec(code, namespace)
        except BaseException as error:
            errors.append(error)


def plain(value: Any) -> Any:
    """A value of the namespace as data that can be compared bit for bit."""
    if isinstance(value, torch.Tensor):
        bits = _bits(value)
        grad = plain(value.grad) if value.is_leaf and value.grad is not None else None
        node = None if value.grad_fn is None else value.grad_fn.name()
        version = -1 if value.is_inference() else value._version
        return (
            type(value).__name__,
            tuple(value.shape),
            str(value.dtype),
            bits,
            value.requires_grad,
            version,
            node,
            grad,
        )
    if isinstance(value, torch.nn.Module):
        return {name: plain(p) for name, p in value.state_dict(keep_vars=True).items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return value if isinstance(value, (int, float, str, bool, type(None))) else type(value).__name__


def _bits(value: torch.Tensor) -> bytes | None:
    if value.is_meta or value.layout is not torch.strided:
        return None
    with torch.no_grad():
        data = value.int_repr() if value.is_quantized else value.detach()
        return data.resolve_conj().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
