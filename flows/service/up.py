"""`make up`: Prefect's server, MLflow's page and a worker for the deployments, started and ended together.

All that is started carries this folder's name in its environment, and so does whatever that starts in turn: so `make
down` knows its own, grandchildren of a killed parent included, and no process id that was given anew misleads it.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

import psutil
from rich.console import Console
from rich.markup import escape

from wattcast.model.errors import InputError

PORTS = {"PREFECT_PORT": 4200, "MLFLOW_PORT": 5000}
FOLDER, PART = "WATTCAST_UP_FOLDER", "WATTCAST_UP_PART"
_PARTS = ("worker", "mlflow", "prefect")
_RUN = "prefect.engine"  # in the command of a flow run's process
_SETTINGS = {
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "PREFECT_LOGGING_EXTRA_LOGGERS": "wattcast",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    # a slot of a run that was killed together with the server is given back, too
    "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
    "TF_CPP_MIN_LOG_LEVEL": "3",
}
_screen = Console(stderr=True, highlight=False, soft_wrap=True)
_Parts = dict[str, subprocess.Popen[str]]


def up() -> None:
    """Start everything, wait for Ctrl-C, end everything.

    Raises:
        InputError: a port cannot be used, this folder's are running already, or a part has not started or has ended.
    """
    ports = _free_ports()
    prefect, mlflow = (f"http://127.0.0.1:{port}" for port in ports)
    if any(_ours(part) for part in _PARTS):
        raise InputError("an earlier `make up` of this folder is running or has left something: make down ends it")
    os.environ.update({**_SETTINGS, **os.environ, "PREFECT_API_URL": f"{prefect}/api"})
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = f"{os.environ.get('no_proxy', '')},127.0.0.1,localhost"
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    for number in signals:
        signal.signal(number, _interrupt)
    try:
        _screen.print("starting Prefect, MLflow and a worker; Ctrl-C ends them")
        parts: _Parts = {}
        for name, serve, port in (("prefect", "server start", ports[0]), ("mlflow", "ui --workers 1", ports[1])):
            parts[name] = _start(name, f"{name} {serve} --host 127.0.0.1 --port {port}", stdout=subprocess.DEVNULL)
        _watch(parts, until=f"{prefect}/api/health")
        if not _answers(f"{prefect}/api/work_pools/wattcast"):
            _run("prefect work-pool create wattcast --type process")
        _run("prefect --no-prompt deploy --all")
        parts["worker"] = _start("worker", "prefect worker start --pool wattcast --name wattcast")
        _watch(parts, until=f"{mlflow}/health")
        _screen.print(f"Prefect  {prefect}\nMLflow   {mlflow}\nelsewhere first: export PREFECT_API_URL={prefect}/api")
        _watch(parts)
    except KeyboardInterrupt:
        _screen.print("ending what was started")
    finally:
        for number in signals:
            signal.signal(number, signal.SIG_IGN)
        down()


def down() -> int:
    """End what this folder's `make up` has started; how many processes there were.

    Runs end first, as the worker tells how they did, and servers last, as they are told.
    """
    ended: set[psutil.Process] = set()
    _end("worker", 20, ended, only=_RUN, leave=1)
    for part in _PARTS:
        _end(part, 10, ended)
    return len(ended)


def _end(part: str, patience_s: float, ended: set[psutil.Process], *, only: str = "", leave: int = 0) -> None:
    """Ask the processes of a part that have `only` in their command to end, until it has no more than `leave`."""
    deadline = time.monotonic() + patience_s
    while len(left := _ours(part)) > leave and (late := time.monotonic() - deadline) < patience_s:
        for process in left:
            with suppress(psutil.Error):
                if only in process.cmdline() or not only:
                    if late > 0:
                        process.kill()
                    elif process not in ended:
                        process.terminate()
                    ended.add(process)
        psutil.wait_procs(left, timeout=0.5)


def _ours(part: str) -> list[psutil.Process]:
    mark, ours = {FOLDER: str(Path.cwd()), PART: part}, []
    for process in psutil.process_iter():
        with suppress(psutil.Error):  # it has ended, or is somebody else's
            if mark.items() <= process.environ().items() and process.pid != os.getpid():
                ours.append(process)
    return ours


def _free_ports() -> list[int]:
    faults, ports = [], []
    for name, default in PORTS.items():
        text = os.environ.get(name) or str(default)
        ports.append(int(text) if text.isdecimal() else 0)
        if not 0 < ports[-1] < 65_536:
            faults.append(f"{name} must be a port from 1 to 65535, received {text!r}")
        elif _is_taken(ports[-1]) or ports[-1] in ports[:-1]:
            faults.append(f"port {text} is taken: end what listens there, or choose another, as make up {name}=4321")
    if faults:
        raise InputError("\n".join(faults))
    return ports


def _is_taken(port: int) -> bool:
    with socket.socket() as probe, suppress(OSError):
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", port))
        return False
    return True


def _start(part: str, command: str, *, stdout: int | None = None) -> subprocess.Popen[str]:
    environment = {**os.environ, FOLDER: str(Path.cwd()), PART: part}
    return subprocess.Popen(  # noqa: S603 - no shell
        [sys.executable, "-m", *command.split()], env=environment, stdout=stdout, text=True, start_new_session=True
    )


def _run(command: str) -> None:
    process = _start("worker", command, stdout=subprocess.PIPE)
    said = process.communicate()[0]
    if process.returncode:
        raise InputError(f"{command} has failed:\n{said}")


def _watch(parts: _Parts, until: str | None = None) -> None:
    while not (until and _answers(until)):
        for name, process in parts.items():
            if process.poll() is not None:
                raise InputError(f"{name} has ended by itself, with code {process.returncode}")
        time.sleep(0.5)


def _answers(url: str) -> bool:
    with suppress(OSError), urllib.request.urlopen(url, timeout=5):  # noqa: S310 - it is http
        return True
    return False


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    try:
        if sys.argv[1:] == ["down"]:
            _screen.print(f"processes ended: {down()}")
        else:
            up()
    except InputError as error:
        _screen.print(f"[bold red]error:[/] {escape(str(error))}")
        sys.exit(2)
