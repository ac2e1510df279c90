"""The registered model behind MLflow's own server, which ends with the process that started it."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

import psutil

from wattcast.model.errors import InputError

_QUIET = {
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "UVICORN_ACCESS_LOG": "false",  # a line a request
    "UVICORN_TIMEOUT_WORKER_HEALTHCHECK": "60",  # a worker that imports TensorFlow is silent for a while
}
_GREETING = re.compile(r"WARNING: All log messages before absl|[IW]\d{4} \d\d:\d\d:")
_FAREWELL_S = 15  # for requests that are being answered


def serve(name: str, model: str, *, host: str, port: int, workers: int) -> int:
    """Serve the registered model `name` until a signal ends it; the exit code. For the main thread only.

    `model` is an alias, or the number of a version. A user's own settings of the libraries win.

    Raises:
        InputError: the port cannot be used.
    """
    _require_free(host, port)
    uri = f"models:/{name}/{model}" if model.isdigit() else f"models:/{name}@{model}"
    command = [sys.executable, "-m", "mlflow", "models", "serve", "--model-uri", uri, "--env-manager", "local"]
    command += ["--host", host, "--port", str(port), "--workers", str(workers)]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"  # uvicorn is there
    with (
        _told_to_stop() as told,
        subprocess.Popen(  # noqa: S603 - sys.executable
            command,
            env={**_QUIET, **os.environ, "PATH": path},
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,  # the terminal's Ctrl-C comes here alone
        ) as server,
    ):
        speaker = threading.Thread(target=_pass_on, args=(server.stderr,), daemon=True)
        speaker.start()
        while server.poll() is None and not told:
            time.sleep(0.1)
        if told:
            _end(psutil.Process(server.pid))
        speaker.join(timeout=1)
    return 128 + told[0] if told else server.returncode


def _require_free(host: str, port: int) -> None:
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        socket.create_server(address, family=family).close()
    except OSError as error:
        raise InputError(
            f"port {port} of {host} cannot be used ({error.strerror}): end what listens there, or choose another --port"
        ) from None


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


def _pass_on(lines: IO[str]) -> None:
    """What the server says, but for the greetings of TensorFlow, which no level silences."""
    for line in lines:
        if not _GREETING.match(line):
            sys.stderr.write(line)


def _end(first: psutil.Process) -> None:
    """End a process with all below it: they are asked, and have a while to obey."""
    family = [first, *first.children(recursive=True)]
    for send in (psutil.Process.terminate, psutil.Process.kill):
        for process in family:
            with suppress(psutil.NoSuchProcess):
                send(process)
        _, family = psutil.wait_procs(family, timeout=_FAREWELL_S)
