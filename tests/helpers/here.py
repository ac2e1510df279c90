"""The `wattcast` command in this process: for what it says, not for what it imports and how it ends."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Here = Callable[..., subprocess.CompletedProcess[str]]
"""Called with the arguments and `folder`."""


def command_in_this_process(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Here:
    """A terminal of 200 columns; `WATTCAST_DATA` names nothing."""
    from wattcast.flows.cli import main as cli
    from wattcast.flows.cli import startup

    monkeypatch.setattr(startup, "_set_up_libraries", lambda **_: None)
    for name, value in {"COLUMNS": "200", "TERM": "dumb", "WATTCAST_DATA": ""}.items():
        monkeypatch.setenv(name, value)

    def run(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
        monkeypatch.chdir(folder)
        monkeypatch.setattr(sys, "argv", ["wattcast", *arguments])
        capsys.readouterr()
        code: object = 0
        ours = logging.getLogger("wattcast")
        level, handlers = ours.level, [*ours.handlers]
        try:
            cli.main()
        except SystemExit as ended:
            code = ended.code
        finally:
            ours.setLevel(level)
            ours.handlers[:] = handlers
        said = capsys.readouterr()
        return subprocess.CompletedProcess(arguments, int(str(code or 0)), said.out, said.err)

    return run
