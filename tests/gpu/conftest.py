"""Tests that need a GPU: collected only where PyTorch finds one; where it does not, the summary says so."""

from __future__ import annotations

import pathlib
from typing import Any

import pytest
import torch

HERE = pathlib.Path(__file__).parent


def pytest_ignore_collect(collection_path: pathlib.Path, config: pytest.Config) -> bool | None:
    return True if HERE in collection_path.parents and not torch.cuda.is_available() else None


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if not torch.cuda.is_available():
        terminalreporter.write_line("tests/gpu: not run, PyTorch finds no GPU here")
