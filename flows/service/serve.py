"""The registered model behind MLflow's own server, which ends with the process that started it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from wattcast.flows.service.environment import MODEL_SERVER, completed
from wattcast.flows.service.processes import answers, end, members, pass_on, port_fault, sessions, start
from wattcast.model.errors import InputError
from wattcast.tasks.stages import stage

_FAREWELL_S = 15  # for requests that are being answered


def serve(name: str, model: str, *, host: str, port: int, workers: int) -> int:
    """Serve the registered model `name` until a signal ends it; the exit code. For the main thread only.

    `model` is an alias, or the number of a version. A user's own settings of the libraries win.

    Raises:
        InputError: the port cannot be used.
    """
    if fault := port_fault(host, port):
        raise InputError(
            f"port {port} of {host} cannot be used ({fault}): end what listens there, or choose another --port"
        )
    uri = f"models:/{name}/{model}" if model.isdigit() else f"models:/{name}@{model}"
    command = ["mlflow", "models", "serve", "--model-uri", uri, "--env-manager", "local"]
    command += ["--host", host, "--port", str(port), "--workers", str(workers)]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"  # uvicorn is there
    environment = {**completed(MODEL_SERVER), "PATH": path}
    with _told_to_stop() as told, start(command, environment, stderr=subprocess.PIPE) as server:
        speaker = threading.Thread(target=pass_on, args=(server.stderr,), daemon=True)
        speaker.start()
        with stage("loading the model"):
            while server.poll() is None and not told and not answers(f"http://{_reachable(host)}:{port}/ping"):
                time.sleep(0.1)
        while server.poll() is None and not told:
            time.sleep(0.1)
        end(partial(members, sessions(server.pid)), patience_s=_FAREWELL_S)
        speaker.join(timeout=1)
    return 128 + told[0] if told else server.returncode


def _reachable(host: str) -> str:
    """An address of this machine at which `host` answers."""
    return "127.0.0.1" if host in {"0.0.0.0", "::"} else host  # noqa: S104 - nothing listens here


@contextmanager
def _told_to_stop() -> Iterator[list[int]]:
    """The signals that came, none of which ends this process by itself."""
    told: list[int] = []
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, lambda came, _frame: told.append(came)) for number in numbers}
    try:
        yield told
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
