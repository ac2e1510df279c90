"""`make up` and `make down`: all parts of it, on free ports, in a folder and a Prefect home of the test's own."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml
from servers import free_port, running, wait_until

from wattcast.flows.service.processes import end
from wattcast.flows.service.up import FOLDER, PART

ROOT = Path(__file__).parents[3]
pytestmark = pytest.mark.story
DEPLOYMENTS = [
    "backtest/backtest-recommended",
    "forecast/forecast-newest",
    "replay/replay-weekly",
    "retrain/retrain-weekly",
    "sweep/sweep-recommended",
    "train/train-recommended",
    "watch/watch-hourly",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where `make up` is called: all that it needs there is prefect.yaml."""
    folder = tmp_path_factory.mktemp("up")
    (folder / "prefect.yaml").write_bytes((ROOT / "prefect.yaml").read_bytes())
    return folder


@pytest.fixture
def environment(folder: Path) -> dict[str, str]:
    named = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "MLFLOW_"))}
    ports = {"PREFECT_PORT": str(free_port()), "MLFLOW_PORT": str(free_port())}
    return {**named, **ports, "PREFECT_HOME": str(folder / "prefect")}


def call(*arguments: str, folder: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "wattcast.flows.service.up", *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=120
    )


@contextmanager
def make_up(folder: Path, environment: dict[str, str]) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """`make up` and the file with what it says; nothing is left of it afterwards, whatever the test did."""
    log = folder / "up.log"
    command = [sys.executable, "-m", "wattcast.flows.service.up"]
    try:
        with log.open("wb") as told, running(command, cwd=folder, env=environment, stdout=told, stderr=told) as process:
            yield process, log
    finally:
        end(lambda: started(folder), patience_s=5)


def started(folder: Path) -> list[psutil.Process]:
    """What was started for this folder and lives."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get(FOLDER) == str(folder):
                found.append(process)
    return found


def read(url: str, body: dict[str, Any] | None = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=20) as answer:
        text = answer.read()
    return json.loads(text) if "json" in answer.headers["Content-Type"] else text.decode()


def test_it_serves_both_pages_and_all_deployments_until_ctrl_c(folder: Path, environment: dict[str, str]) -> None:
    with make_up(folder, environment) as (process, log):
        wait_until(lambda: process.poll() is not None or "in another terminal" in log.read_text(), "the addresses", 150)
        assert process.poll() is None, log.read_text()
        prefect, mlflow = (f"http://127.0.0.1:{environment[name]}" for name in ("PREFECT_PORT", "MLFLOW_PORT"))
        said = log.read_text()
        assert prefect in said.split()
        assert any(word.startswith(f"{mlflow}/#/experiments") for word in said.split()), said
        assert "INFO" not in said
        assert "<title>Prefect" in read(prefect)
        assert "<title>MLflow" in read(mlflow)
        names = {flow["id"]: flow["name"] for flow in read(f"{prefect}/api/flows/filter", {})}
        made = {f"{names[one['flow_id']]}/{one['name']}": one for one in read(f"{prefect}/api/deployments/filter", {})}
        assert sorted(made) == DEPLOYMENTS
        assert all(one["job_variables"] == {"working_dir": "."} and not one["pull_steps"] for one in made.values())
        schedules = {name: [each["active"] for each in one["schedules"]] for name, one in made.items()}
        assert {name: active for name, active in schedules.items() if active} == {
            "forecast/forecast-newest": [False],
            "retrain/retrain-weekly": [True],
            "watch/watch-hourly": [False],
        }
        limited = made["retrain/retrain-weekly"]
        assert limited["global_concurrency_limit"]["limit"] == 1
        assert limited["concurrency_options"]["collision_strategy"] == "ENQUEUE"
        query = {"deployments": {"id": {"any_": [limited["id"]]}}}
        wait_until(lambda: read(f"{prefect}/api/flow_runs/filter", query), "a run that the schedule has planned", 60)
        experiment = made["train/train-recommended"]["parameter_openapi_schema"]["definitions"]["Experiment"][
            "properties"
        ]
        assert experiment["preset"]["description"] == "name of the preset that gives all that is not set"
        process.send_signal(signal.SIGINT)
        assert process.wait(40) == 0
        assert started(folder) == []


def test_make_down_ends_what_is_left_of_a_make_up_that_was_killed(folder: Path, environment: dict[str, str]) -> None:
    with make_up(folder, environment) as (process, _):
        wait_until(lambda: len(started(folder)) >= 2, "both servers")
        process.kill()
        process.wait(10)
        assert started(folder)
        other_ports = {"PREFECT_PORT": str(free_port()), "MLFLOW_PORT": str(free_port())}
        again = call(folder=folder, environment={**environment, **other_ports})
        assert (again.returncode, "make down" in again.stderr) == (2, True)
        bystander = folder / "elsewhere"
        bystander.mkdir()
        assert call("down", folder=bystander, environment=environment).stderr == "processes ended: 0\n"
        assert len(started(folder)) >= 2
        assert call("down", folder=folder, environment=environment).returncode == 0
        assert started(folder) == []


def test_make_down_ends_a_worker_that_does_not_obey(folder: Path, environment: dict[str, str]) -> None:
    """And what that has started, in a session of its own."""
    program = """
import signal, subprocess, sys, time
from pathlib import Path

signal.signal(signal.SIGTERM, signal.SIG_IGN)
Path(sys.argv[1]).touch()
if sys.argv[1] == "parent":
    subprocess.Popen([sys.executable, __file__, "child"], start_new_session=True)
time.sleep(600)
"""
    (folder / "deaf.py").write_text(program, encoding="utf-8")
    marks = {FOLDER: str(folder), PART: "worker"}
    command = [sys.executable, str(folder / "deaf.py"), "parent"]
    with running(command, cwd=folder, env={**environment, **marks}, patience_s=0) as process:
        wait_until((folder / "child").exists, "two that do not obey")
        done = call("down", folder=folder, environment=environment)
        assert (done.returncode, done.stderr) == (0, "processes ended: 2\n")
        assert process.wait(5) == -signal.SIGKILL
    assert started(folder) == []


def test_ports_that_cannot_be_used_are_told_before_anything_starts(folder: Path, environment: dict[str, str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        ports = {"PREFECT_PORT": port, "MLFLOW_PORT": "none"}
        done = call(folder=folder, environment={**environment, **ports})
    assert done.returncode == 2
    assert f"error: port {port} is taken" in done.stderr
    assert "MLFLOW_PORT must be a port from 1 to 65535, received 'none'" in done.stderr
    assert started(folder) == []


def test_one_port_does_not_serve_both(folder: Path, environment: dict[str, str]) -> None:
    same = {"MLFLOW_PORT": environment["PREFECT_PORT"]}
    assert "is taken" in call(folder=folder, environment={**environment, **same}).stderr


def test_prefect_yaml_fits_every_machine() -> None:
    text = (ROOT / "prefect.yaml").read_text(encoding="utf-8")
    said = yaml.safe_load(text)
    assert said["pull"] == []
    assert all(set(one["entrypoint"]) <= set("abcdefghijklmnopqrstuvwxyz_.") for one in said["deployments"])
    assert str(ROOT) not in text
