"""Processes that tests and benchmarks start: ports, waits with a bound, and an end that nothing outlives."""

from __future__ import annotations

import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import IO, Any

from wattcast.flows.service import processes

_LAST_S = 5  # for what is left of a process that has ended, or has not obeyed


def free_port() -> int:
    """A port on which nobody listens now."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def wait_until(happened: Callable[[], object], what: str, seconds: float = 60) -> None:
    """Come back when `happened`; AssertionError after so many seconds."""
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, f"waited in vain: {what}"
        time.sleep(0.1)


def wait_for_answer(url: str, server: subprocess.Popen[Any]) -> None:
    """Come back when `url` is answered; AssertionError when the server has ended, or after two minutes."""

    def answers() -> bool:
        assert server.poll() is None, "the server has ended"
        try:
            urllib.request.urlopen(url, timeout=5).close()
        except OSError:
            return False
        return True

    wait_until(answers, f"an answer from {url}", 120)


@contextmanager
def running(
    command: Sequence[str],
    *,
    stop: signal.Signals = signal.SIGTERM,
    patience_s: float = 60,
    **options: Any,
) -> Iterator[subprocess.Popen[Any]]:
    """A process in a session of its own; after the block it has ended, and so has all that it has started.

    It gets the signal `stop` and so many seconds to obey. What lives then is killed.
    """
    process = subprocess.Popen(command, start_new_session=True, **options)
    try:
        yield process
    finally:
        began = processes.sessions(process.pid)  # some of those that it has started may have sessions of their own
        if process.poll() is None:
            process.send_signal(stop)
            with suppress(subprocess.TimeoutExpired):
                _collect(process, patience_s)
            process.kill()
            process.wait(_LAST_S)
        processes.end(partial(processes.members, began), patience_s=_LAST_S)
        _collect(process, _LAST_S)


def _collect(process: subprocess.Popen[Any], seconds: float) -> None:
    """Wait, and close the pipes; what is written to them meanwhile is read, so that nobody waits for a reader."""
    pipes: list[IO[Any]] = [pipe for pipe in (process.stdin, process.stdout, process.stderr) if pipe]
    if not any(pipe.closed for pipe in pipes):
        process.communicate(timeout=seconds)
    process.wait(seconds)
    for pipe in pipes:
        pipe.close()
