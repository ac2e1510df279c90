"""How processes end that we have started, and the tests' own `running`: nothing outlives them."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import psutil
import pytest
import servers
from servers import running, wait_until

from wattcast.flows.service.environment import COMMAND, MODEL_SERVER, SERVICES, completed
from wattcast.flows.service.processes import end, members, pass_on, port_fault, sessions, start

FAMILY = """
import signal, subprocess, sys, time
from pathlib import Path

name, deaf, depth = sys.argv[1], sys.argv[2] == "deaf", int(sys.argv[3])
if deaf:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if depth:
    command = [sys.executable, "-c", Path("family.py").read_text(), f"{name}-child", sys.argv[2], str(depth - 1)]
    subprocess.Popen(command, start_new_session=depth == 1)
else:
    Path(name).touch()
time.sleep(600)
"""


def family(folder: Path, kind: str) -> list[str]:
    """The command of a process with a child and a grandchild, of which the last has a session of its own."""
    (folder / "family.py").write_text(FAMILY, encoding="utf-8")
    return [sys.executable, "-c", FAMILY, kind, kind, "2"]


def all_of(process: subprocess.Popen[bytes], folder: Path, kind: str) -> list[psutil.Process]:
    wait_until((folder / f"{kind}-child-child").exists, "the grandchild")
    first = psutil.Process(process.pid)
    return [first, *first.children(recursive=True)]


@pytest.mark.parametrize("kind", ["obedient", "deaf"])
def test_a_family_ends_in_bounded_time(kind: str, tmp_path: Path) -> None:
    with running(family(tmp_path, kind), cwd=tmp_path) as process:
        below = all_of(process, tmp_path, kind)
        assert len(below) == 3
        began = time.monotonic()
        ended = end(partial(members, sessions(process.pid)), patience_s=2)
        assert ended == set(below)
        assert time.monotonic() - began < (20 if kind == "deaf" else 2)
        assert psutil.wait_procs(below, timeout=5)[1] == []


def test_what_a_process_leaves_behind_is_found_by_its_session(tmp_path: Path) -> None:
    with running(family(tmp_path, "deaf"), cwd=tmp_path) as process:
        below, began = all_of(process, tmp_path, "deaf"), sessions(process.pid)
        process.kill()
        process.wait(10)
        assert end(partial(members, began), patience_s=1) == set(below[1:])


@pytest.mark.parametrize("kind", ["obedient", "deaf"])
def test_tests_leave_nothing_running(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servers, "_LAST_S", 1)
    with running(
        family(tmp_path, kind), cwd=tmp_path, patience_s=1, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        below = all_of(process, tmp_path, kind)
    assert process.returncode == -(signal.SIGKILL if kind == "deaf" else signal.SIGTERM)
    assert psutil.wait_procs(below, timeout=5)[1] == []
    assert process.stdout is not None
    assert process.stdout.closed


def test_a_port_is_free_or_it_is_said_why_not() -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        assert "in use" in port_fault("127.0.0.1", port)
    assert port_fault("127.0.0.1", port) == ""
    assert port_fault("..", port) == "no host can have that name"


@pytest.mark.parametrize("settings", [COMMAND, MODEL_SERVER, SERVICES])
def test_a_users_own_settings_win(settings: dict[str, str]) -> None:
    own = {"MLFLOW_LOGGING_LEVEL": "DEBUG", "no_proxy": "intern,localhost", "HOME": "/home/me"}
    environment = completed(settings, own)
    assert environment == {**settings, **own, "no_proxy": "intern,localhost,127.0.0.1"}
    assert completed(settings, {}) == {**settings, "NO_PROXY": "127.0.0.1,localhost"}
    assert (settings["DO_NOT_TRACK"], settings["PREFECT_SERVER_ANALYTICS_ENABLED"]) == ("1", "false")


def test_what_looks_like_trouble_and_is_none_is_not_passed_on(capsys: pytest.CaptureFixture[str]) -> None:
    said = [
        "WARNING: All log messages before absl::InitializeLog() is called are written to STDERR\n",
        "I0000 00:00:1795759105.811659   22630 cudart_stub.cc:31] Could not find cuda drivers\n",
        "E0000 00:00:1795759105.811659   22630 cuda_dnn.cc:8310] Unable to register cuDNN factory\n",
        "[MLflow] Security middleware enabled with default settings (localhost-only).\n",
        "E0000 00:00:1795759105.811659   22630 pool.cc:12] out of memory\n",
        "05:58:21 | ERROR | the tracking store cannot be used\n",
    ]
    greetings = [
        "2026/11/27 16:26:40 INFO:     Started server process [19899]\n",
        "2026/11/27 16:26:40 INFO:     Waiting for application startup.\n",
        "INFO:     Uvicorn running on http://127.0.0.1:5031 (Press CTRL+C to quit)\n",
    ]
    pass_on([*greetings, *said])
    assert capsys.readouterr().err.splitlines(keepends=True) == said[-2:]


def test_a_module_of_the_user_stands_for_none_of_those_that_our_processes_import(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever has an `http.py` was told that the machine is too busy for Prefect's server."""
    (tmp_path / "json.py").write_text("print('of the user')", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    with start(["json.tool", "--help"], {}, stdout=subprocess.PIPE) as process:
        said, _ = process.communicate(timeout=60)
    assert said.startswith("usage")
