"""Errors that a person can do something about: what was given, what was expected, what to do."""

from __future__ import annotations


class RecorderError(RuntimeError):
    """A recording could not start."""


class AlreadyRecording(RecorderError):
    """Another recording is running in this thread."""

    def __init__(self) -> None:
        super().__init__("a recording is already running here: end it before starting another")


class TorchMissing(RecorderError):
    """PyTorch is not installed."""

    def __init__(self) -> None:
        super().__init__("recording needs PyTorch, which is not installed: pip install torch")
