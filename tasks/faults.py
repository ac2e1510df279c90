"""What fails around a program: disks, folders, databases, servers. Libraries wrap it deep; what counts is the cause."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_CLOSED = {errno.EROFS, errno.EACCES, errno.EPERM}
_AGAIN = "run the same command again"
_DATABASES = {
    "full": f"the disk is full: make room and {_AGAIN}",
    "readonly": f"a database cannot be written: give yourself the right to, or choose another folder, and {_AGAIN}",
    "locked": f"a database is held by another process for too long: wait for that one, and {_AGAIN}",
    "disk i/o error": f"the disk fails to read or write: look at it, and {_AGAIN}",
    "unable to open": f"a database cannot be opened: see whether its folder is there and can be written, and {_AGAIN}",
}
PREFECT_GONE = f"Prefect's server does not answer any more: start it again and {_AGAIN}"
_SERVERS = {
    ("httpx", "httpcore"): PREFECT_GONE,
    ("requests", "urllib3"): f"MLflow's server does not answer any more: start it again and {_AGAIN}",
}
_TEMPORARY = (
    "Prefect's temporary server has not started in time, as the machine is very busy: run the same command again, or "
    "start `prefect server start` once and set PREFECT_API_URL"
)


def fault_of(error: BaseException) -> str:
    """What around the program has failed, and what to do; empty where the program itself has.

    The deepest cause tells most.
    """
    told = [said for each in _chain(error) if (said := _fault(each))]
    return told[-1] if told else ""


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error, then what it came from."""
    seen: set[int] = set()
    open_ends = [error]
    while open_ends:
        each = open_ends.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        open_ends += [inner for inner in (each.__context__, each.__cause__) if inner is not None]
        open_ends += each.exceptions if isinstance(each, BaseExceptionGroup) else ()


def _fault(error: BaseException) -> str:
    if isinstance(error, sqlite3.Error):
        return next((said for word, said in _DATABASES.items() if word in str(error).lower()), "")
    if isinstance(error, OSError) and error.errno in _FULL:
        return f"the disk is full{_at(error)}: make room and {_AGAIN}"
    if isinstance(error, OSError) and error.errno in _CLOSED:
        return f"{error.strerror}{_at(error)}: give yourself the right to, or choose another folder, and {_AGAIN}"
    if isinstance(error, RuntimeError) and "ephemeral Prefect API server" in str(error):
        return _TEMPORARY
    library = type(error).__module__.partition(".")[0]
    gone = "Connect" in type(error).__name__ or "Timeout" in type(error).__name__ or "Network" in type(error).__name__
    return next((said for names, said in _SERVERS.items() if gone and library in names), "")


def _at(error: OSError) -> str:
    return f" ({error.filename})" if error.filename else ""
