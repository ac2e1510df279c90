"""`make up`: Prefect's server, MLflow's page and a worker for the deployments, started and ended together.

All that is started carries this folder's name in its environment, and so does whatever that starts in turn: so `make
down` knows its own, grandchildren of a killed parent included, and no process id that was given anew misleads it.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import NoReturn

import psutil
from rich.markup import escape

from wattcast.flows.service.environment import SERVICES, completed
from wattcast.flows.service.processes import answers, end, pass_on, port_fault, start
from wattcast.model.errors import InputError
from wattcast.tasks.stages import screen, show_on_screen, stage
from wattcast.tasks.tracking.page import PAGE, TRAININGS

PORTS = {"PREFECT_PORT": 4200, "MLFLOW_PORT": 5000}
FOLDER, PART = "WATTCAST_UP_FOLDER", "WATTCAST_UP_PART"
_PARTS = ("worker", "mlflow", "prefect")
_RUN = "prefect.engine"  # in the command of a flow run's process
_RUNS_FAREWELL_S, _FAREWELL_S = 20, 10  # for what is asked to end
_FIND_EXPERIMENT = "api/2.0/mlflow/experiments/get-by-name?experiment_name=appliances-energy"
_TELL_S = 0.5  # in which the worker tells how runs have ended
_Parts = dict[str, subprocess.Popen[str]]


def _say(words: str) -> None:
    screen.print(words, highlight=False, soft_wrap=True)


def up() -> None:
    """Start everything, wait for Ctrl-C, end everything.

    Raises:
        InputError: a port cannot be used, this folder's are running already, or a part has not started or has ended.
    """
    ports = _free_ports()
    prefect, mlflow = (f"http://127.0.0.1:{port}" for port in ports)
    if any(_ours(part) for part in _PARTS):
        raise InputError("an earlier `make up` of this folder is running or has left something: make down ends it")
    os.environ.update({**completed(SERVICES), "PREFECT_API_URL": f"{prefect}/api", PAGE: mlflow})
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    for number in signals:
        signal.signal(number, _interrupt)
    try:
        _say("starting Prefect, MLflow and a worker; Ctrl-C ends them")
        parts: _Parts = {}
        with stage("starting Prefect's server"):
            for name, serve, port in (("prefect", "server start", ports[0]), ("mlflow", "ui --workers 1", ports[1])):
                parts[name] = _start(name, f"{name} {serve} --host 127.0.0.1 --port {port}", stdout=subprocess.DEVNULL)
            _watch(parts, until=f"{prefect}/api/health")
        with stage("making the deployments of prefect.yaml"):
            if not answers(f"{prefect}/api/work_pools/wattcast"):
                _run("prefect work-pool create wattcast --type process")
            _run("prefect --no-prompt deploy --all")
        with stage("starting the worker, and waiting for MLflow"):
            parts["worker"] = _start("worker", "prefect worker start --pool wattcast --name wattcast")
            _watch(parts, until=f"{mlflow}/health")
        _say(f"Prefect  {prefect}\nMLflow   {_runs_page(mlflow)}\n{_hint(prefect)}")
        _watch(parts)
    except KeyboardInterrupt:
        _say("ending what was started")
    finally:
        for number in signals:
            signal.signal(number, signal.SIG_IGN)
        down()


def _hint(prefect: str) -> str:
    return f"in another terminal, so that commands find this server:\n  export PREFECT_API_URL={prefect}/api"


def down() -> int:
    """End what this folder's `make up` has started; how many processes there were.

    Runs end first, as the worker tells how they did, and servers last, as they are told.
    """
    ended = end(partial(_ours, "worker", only=_RUN), patience_s=_RUNS_FAREWELL_S)
    if ended:
        time.sleep(_TELL_S)
    for part in _PARTS:
        ended |= end(partial(_ours, part), patience_s=_FAREWELL_S)
    return len(ended)


def _ours(part: str, *, only: str = "") -> list[psutil.Process]:
    """The processes of a part, or those of them that have `only` as a word of their command."""
    mark, ours = {FOLDER: str(Path.cwd()), PART: part}, []
    for process in psutil.process_iter():
        with suppress(psutil.Error):  # it has ended, or is somebody else's
            if mark.items() <= process.environ().items() and process.pid != os.getpid():
                ours += [process] if not only or only in process.cmdline() else []
    return ours


def _free_ports() -> list[int]:
    faults, ports = [], []
    for name, default in PORTS.items():
        text = os.environ.get(name) or str(default)
        ports.append(int(text) if text.isdecimal() else 0)
        if not 0 < ports[-1] < 65_536:
            faults.append(f"{name} must be a port from 1 to 65535, received {text!r}")
        elif port_fault("127.0.0.1", ports[-1]) or ports[-1] in ports[:-1]:
            faults.append(f"port {text} is taken: end what listens there, or choose another, as make up {name}=4321")
    if faults:
        raise InputError("\n".join(faults))
    return ports


def _start(part: str, command: str, *, stdout: int | None = None) -> subprocess.Popen[str]:
    marks = {FOLDER: str(Path.cwd()), PART: part}
    process = start(command.split(), {**os.environ, **marks}, stdout=stdout, stderr=subprocess.PIPE)
    threading.Thread(target=pass_on, args=(process.stderr,), daemon=True).start()
    return process


def _run(command: str) -> None:
    process = _start("worker", command, stdout=subprocess.PIPE)
    said = process.communicate()[0]
    if process.returncode:
        raise InputError(f"{command} has failed:\n{said}")


def _watch(parts: _Parts, until: str | None = None) -> None:
    while not (until and answers(until)):
        for name, process in parts.items():
            if process.poll() is not None:
                raise InputError(f"{name} has ended by itself, with code {process.returncode}")
        time.sleep(0.5)


def _runs_page(mlflow: str) -> str:
    """Where MLflow lists the runs: its first page is for language models."""
    experiment = "1"  # that of a new store's first run
    with suppress(OSError), urllib.request.urlopen(f"{mlflow}/{_FIND_EXPERIMENT}", timeout=5) as answer:  # noqa: S310 - http
        experiment = json.load(answer)["experiment"]["experiment_id"]
    return f"{mlflow}/#/experiments/{experiment}/runs?{TRAININGS}"


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    try:
        if sys.argv[1:] == ["down"]:
            _say(f"processes ended: {down()}")
        else:
            show_on_screen()
            up()
    except InputError as error:
        _say(f"[bold red]error:[/] {escape(str(error))}")
        sys.exit(2)
