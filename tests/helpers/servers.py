"""Servers that tests and benchmarks start: a port for each, and the wait until it answers."""

from __future__ import annotations

import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable


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


def wait_for_answer(url: str, server: subprocess.Popen[bytes]) -> None:
    """Come back when `url` is answered; AssertionError when the server has ended, or after two minutes."""

    def answers() -> bool:
        assert server.poll() is None, "the server has ended"
        try:
            urllib.request.urlopen(url, timeout=5).close()
        except OSError:
            return False
        return True

    wait_until(answers, f"an answer from {url}", 120)
