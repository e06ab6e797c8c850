"""Finding and installing a Chromium, on machines that are only pretended."""

from __future__ import annotations

import os
import shutil

import pytest

from tests import chromium


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(monkeypatch)


class Machine:
    """Programs by name, and what installing brings; `ran`: the commands that were run."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.starting: set[str] = set()
        self.brings: dict[str, str] = {}
        self.ran: list[str] = []
        patch.delenv(chromium.VARIABLE, raising=False)
        patch.setattr(shutil, "which", lambda name: f"/bin/{name}")
        patch.setattr(os.path, "exists", lambda path: path in self.starting)
        patch.setattr(os, "geteuid", lambda: 0)
        patch.setattr(chromium, "_playwrights_own", lambda: "/playwright/chrome")
        patch.setattr(chromium, "_starts", lambda path: path in self.starting)
        patch.setattr(chromium, "_run", self.run)
        self.patch = patch

    def run(self, command: list[str]) -> None:
        words = " ".join(command).split("-m ")[-1]
        self.ran.append(words)
        self.starting |= {path for key, path in self.brings.items() if key in words}


def test_the_variable_comes_first_and_is_not_second_guessed(machine: Machine) -> None:
    machine.starting = {"/bin/chromium", "/mine"}
    machine.patch.setenv(chromium.VARIABLE, "/mine")
    assert chromium.find() == "/mine"
    machine.patch.setenv(chromium.VARIABLE, "/gone")
    assert chromium.find() is None


def test_a_program_on_the_path_that_does_not_start_is_passed_over(machine: Machine) -> None:
    machine.starting = {"/bin/google-chrome", "/playwright/chrome"}
    assert chromium.find() == "/bin/google-chrome"
    machine.starting = {"/playwright/chrome"}
    assert chromium.find() == "/playwright/chrome"


def test_playwrights_own_is_installed_first(machine: Machine) -> None:
    machine.brings = {"playwright install chromium": "/playwright/chrome"}
    assert chromium.install() == "/playwright/chrome"
    assert machine.ran == ["playwright install chromium"]


def test_root_falls_back_to_apt(machine: Machine) -> None:
    machine.brings = {"apt-get install": "/bin/chromium"}
    assert chromium.install() == "/bin/chromium"
    assert [words.split(" -")[0] for words in machine.ran[1:]] == ["apt-get update", "apt-get install"]


def test_others_are_told_what_to_do(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    machine.patch.setattr(os, "geteuid", lambda: 1000)
    assert chromium.main() == 1
    assert machine.ran == ["playwright install chromium"]
    told = capsys.readouterr().out
    assert chromium.VARIABLE in told and "apt-get install chromium" in told


def test_a_variable_that_names_nothing_is_said(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    machine.patch.setenv(chromium.VARIABLE, "/gone")
    assert chromium.main() == 1
    assert "=/gone does not start" in capsys.readouterr().out
    assert machine.ran == []
