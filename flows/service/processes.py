"""Processes that we start: whether their port is free, and how they end with all that they have started in turn."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress

import psutil

_NOISE = re.compile(
    r"WARNING: All log messages before absl|[IW]\d{4} \d\d:\d\d:|E\d{4} .*cu(da|dnn|blas)|"
    r"\[MLflow\] Security middleware|"
    r"(\S+ \S+ )?INFO: +(started|waiting|application|uvicorn|shutting|finished|stopping) ",
    re.IGNORECASE,
)
"""How lines begin that look like trouble and are none: greetings of libraries, which no level silences."""
_ROUNDS = 3  # in which what is ended might start something else
_LOOK_S = 0.5


def port_fault(host: str, port: int) -> str:
    """Why nothing can listen there, or an empty text."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        socket.create_server(address, family=family).close()
    except (OSError, UnicodeError) as error:
        return why_not(error)
    return ""


def why_not(error: OSError | UnicodeError) -> str:
    """Why an address cannot be used; one that is no name of a host fails before any network does."""
    return "no host can have that name" if isinstance(error, UnicodeError) else error.strerror or str(error)


def answers(url: str) -> bool:
    """Whether a server answers there, and that all is well."""
    with suppress(OSError), urllib.request.urlopen(url, timeout=5):  # noqa: S310 - it is http
        return True
    return False


def start(
    module: Sequence[str],
    environment: Mapping[str, str],
    *,
    stdin: int | None = None,
    stdout: int | None = None,
    stderr: int | None = None,
) -> subprocess.Popen[str]:
    """`python -m` with these words, in a session of its own: a terminal's Ctrl-C comes to us alone.

    No module is looked for in the working folder: an `http.py` of the user's would stand for Python's own.
    """
    return subprocess.Popen(  # noqa: S603 - no shell
        [sys.executable, "-P", "-m", *module],
        env=environment,
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        text=True,
        errors="replace",
        start_new_session=True,
    )


def pass_on(lines: Iterable[str]) -> None:
    """What a process says on standard error, but for what looks like trouble and is none."""
    for line in lines:
        if not _NOISE.match(line):
            sys.stderr.write(line)
            sys.stderr.flush()


def sessions(leader: int) -> set[int]:
    """The session of a process that has one of its own, and those of all processes below it."""
    found = {leader}
    with suppress(psutil.NoSuchProcess):
        for process in psutil.Process(leader).children(recursive=True):
            with suppress(ProcessLookupError):
                found.add(os.getsid(process.pid))
    return found - {os.getsid(0)}


def members(of: Collection[int]) -> list[psutil.Process]:
    """All processes of these sessions, those included whose parents have ended."""
    found = []
    for process in psutil.process_iter():
        with suppress(OSError):  # it has ended, or is somebody else's
            if os.getsid(process.pid) in of:
                found.append(process)
    return found


def end(find: Callable[[], Iterable[psutil.Process]], *, patience_s: float) -> set[psutil.Process]:
    """End the processes that `find` finds; which those were.

    Each is asked, has so many seconds to obey, and is killed then. After that it is looked for what they may have
    started as their last.
    """
    ended: set[psutil.Process] = set()
    for _ in range(_ROUNDS):
        left = [process for process in find() if _lives(process)]
        if not left:
            break
        ended.update(left)
        for send in (psutil.Process.terminate, psutil.Process.kill):
            for process in left:
                with suppress(psutil.Error):
                    send(process)
            left = _left(left, patience_s)
    return ended


def _left(processes: Iterable[psutil.Process], seconds: float) -> list[psutil.Process]:
    """Those that have not ended after so many seconds."""
    deadline, left = time.monotonic() + seconds, [*processes]
    while (left := [process for process in left if _lives(process)]) and time.monotonic() < deadline:
        _, left = psutil.wait_procs(left, timeout=_LOOK_S)
    return left


def _lives(process: psutil.Process) -> bool:
    """It has not ended; one that has, and whose parent has not asked how (a zombie), does not live either."""
    with suppress(psutil.NoSuchProcess):
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    return False
