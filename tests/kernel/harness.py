"""A real IPython kernel, and what it says when it runs a cell."""

from __future__ import annotations

import ast
import os
import pathlib
import queue
import re
import time
from dataclasses import dataclass, field
from typing import Any

from jupyter_client.manager import start_new_kernel

ANSI = re.compile(r"\x1b\[[0-9;]*m")
ROOT = pathlib.Path(__file__).parents[2]


def environment(tmp: pathlib.Path, **more: str) -> dict[str, str]:
    """The environment of a process of its own: no settings of the machine's user, in English, strict."""
    own = {name: str(tmp / name.lower()) for name in ("HOME", "IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR")}
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    return {
        **os.environ, **own, "JUPYTER_RUNTIME_DIR": str(tmp / "runtime"), "PYTHONPATH": path,
        "LC_ALL": "en_US.UTF-8", "AUTOGRAD_MAGICS_STRICT": "1", **more,
    }  # fmt: skip


@dataclass
class Ran:
    """The reply of the kernel and the outputs of one cell, in order."""

    reply: dict[str, Any]
    outputs: list[dict[str, Any]] = field(default_factory=list)
    """Messages of type stream, execute_result, display_data, error."""
    comms: list[dict[str, Any]] = field(default_factory=list)

    @property
    def reports(self) -> list[dict[str, Any]]:
        """The displayed reports: MIME bundles."""
        return [out["data"] for out in self.outputs if _is_report(out)]

    @property
    def own(self) -> list[tuple[str, str]]:
        """What the cell itself gave out, as (kind, text), with our reports left out."""
        return [(out["type"], _text(out)) for out in self.outputs if not _is_report(out)]

    @property
    def kinds(self) -> list[str]:
        """Kinds of the outputs in order, ours called `"report"`."""
        return ["report" if _is_report(out) else out["type"] for out in self.outputs]

    @property
    def error(self) -> str:
        """The traceback, or nothing."""
        return next((text for kind, text in self.own if kind == "error"), "")

    @property
    def said(self) -> str:
        """All that was printed, by the cell and by us, on both streams."""
        return "".join(text for kind, text in self.own if kind in ("stdout", "stderr"))


def _is_report(out: dict[str, Any]) -> bool:
    return out["type"] == "display_data" and 'class="agm' in out["data"].get("text/html", "")


def _text(out: dict[str, Any]) -> str:
    if out["type"] == "error":
        return ANSI.sub("", "\n".join(out["traceback"]))
    return str(out["text"]) if "text" in out else str(out["data"].get("text/plain", ""))


class Kernel:
    """A kernel of its own process.  Use as a context manager."""

    def __init__(self, tmp: pathlib.Path, **env: str) -> None:
        self._manager, self._client = start_new_kernel(kernel_name="python3", env=environment(tmp, **env), cwd=str(tmp))

    def __enter__(self) -> Kernel:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.stop_channels()
        self._manager.shutdown_kernel(now=True)
        self._manager.cleanup_resources()

    def run(self, code: str, *, interrupt_at: str = "", timeout: float = 60, **content: Any) -> Ran:
        """Run a cell; send an interrupt when its output contains `interrupt_at`."""
        ran = Ran({})
        id = self._execute(code, **content)
        end = time.monotonic() + timeout
        while True:
            try:
                message = self._client.get_iopub_msg(timeout=max(0.01, end - time.monotonic()))
            except queue.Empty:
                raise TimeoutError(f"no answer within {timeout} s to: {code}") from None
            if message["parent_header"].get("msg_id") != id:
                continue
            if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
                ran.reply = self._reply(id)
                return ran
            _collect(ran, message)
            if interrupt_at and interrupt_at in ran.said:
                interrupt_at = ""
                self._manager.interrupt_kernel()

    def _execute(self, code: str, *, cell_id: str = "", **content: Any) -> str:
        """Ask for a cell to be run, under the id that JupyterLab would give it; returns the id of the message."""
        asked = {"code": code, "silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": True}
        metadata = {"cellId": cell_id} if cell_id else {}
        message = self._client.session.msg("execute_request", {**asked, **content}, metadata=metadata)
        self._client.shell_channel.send(message)
        return str(message["header"]["msg_id"])

    def value(self, expression: str) -> str:
        """The repr of an expression in the user's namespace, without running a cell."""
        id = self._client.execute("", silent=True, user_expressions={"value": f"repr(({expression}))"})
        answer = self._reply(id)["user_expressions"]["value"]
        return str(ast.literal_eval(answer["data"]["text/plain"]) if answer["status"] == "ok" else answer["evalue"])

    def complete(self, code: str) -> list[str]:
        """What Tab offers at the end of the code."""
        return list(self._reply(self._client.complete(code, len(code)))["matches"])

    def inspect(self, code: str) -> str:
        """What Shift-Tab shows."""
        found = self._reply(self._client.inspect(code, len(code)))
        return ANSI.sub("", found["data"].get("text/plain", ""))

    def _reply(self, id: str) -> dict[str, Any]:
        while True:
            message = self._client.get_shell_msg(timeout=60)
            if message["parent_header"].get("msg_id") == id:
                return dict(message["content"])


def _collect(ran: Ran, message: dict[str, Any]) -> None:
    kind, content = message["msg_type"], message["content"]
    if kind == "stream":
        last = ran.outputs[-1] if ran.outputs else {}
        if last.get("type") == content["name"]:
            last["text"] += content["text"]
        else:
            ran.outputs.append({"type": content["name"], "text": content["text"]})
    elif kind in ("execute_result", "display_data", "error"):
        ran.outputs.append({"type": kind, **content})
    elif kind.startswith("comm_"):
        ran.comms.append({"type": kind, **content})


def usage_error(ran: Ran) -> str:
    """The one line that an error of usage gives."""
    assert (ran.reply["status"], ran.reply["ename"]) == ("error", "UsageError")
    assert ran.kinds == ["stderr"]
    line = ran.said.rstrip("\n")
    assert "\n" not in line
    assert line.startswith("UsageError: ")
    return line
