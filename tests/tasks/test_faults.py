"""What fails around a program is told by its cause, however deep libraries have wrapped it."""

from __future__ import annotations

import errno
import os
import sqlite3

import httpx
import pytest
import requests
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import OperationalError

from wattcast.model.errors import InputError
from wattcast.tasks.faults import fault_of
from wattcast.tasks.tracking.store import tracking_faults


def os_error(number: int, name: str | None = None) -> OSError:
    return OSError(number, os.strerror(number), name)


FAULTS: dict[str, tuple[Exception, str]] = {
    "full": (os_error(errno.ENOSPC, "/a/b"), "the disk is full (/a/b): make room and run the same command again"),
    "quota": (os_error(errno.EDQUOT), "the disk is full: make room"),
    "file limit": (os_error(errno.EFBIG), "the disk is full: make room"),
    "read-only": (os_error(errno.EROFS, "/a"), "Read-only file system (/a): give yourself the right to, or choose"),
    "forbidden": (os_error(errno.EACCES, "/a"), "Permission denied (/a): give yourself the right"),
    "full database": (sqlite3.OperationalError("database or disk is full"), "the disk is full: make room"),
    "locked": (sqlite3.OperationalError("database is locked"), "a database is held by another process for too long"),
    "read-only database": (sqlite3.OperationalError("attempt to write a readonly database"), "cannot be written"),
    "no database": (sqlite3.OperationalError("unable to open database file"), "a database cannot be opened"),
    "Prefect's server": (httpx.ConnectError("All connection attempts failed"), "Prefect's server does not answer any"),
    "MLflow's server": (requests.exceptions.ConnectionError("Max retries exceeded"), "MLflow's server does not answer"),
    "temporary server": (
        RuntimeError("Timed out while attempting to connect to ephemeral Prefect API server."),
        "Prefect's temporary server has not started in time, as the machine is very busy: run the same",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_told_with_cause_and_next_step(name: str) -> None:
    error, said = FAULTS[name]
    assert said in fault_of(error)
    wrapped = OperationalError("INSERT", {}, error)
    wrapped.__cause__ = error
    outer = MlflowException("(raised as a result of Query-invoked autoflush)")
    outer.__cause__ = wrapped
    assert said in fault_of(outer)
    assert said in fault_of(ExceptionGroup("several", [ValueError("x"), outer]))


@pytest.mark.parametrize(
    "error",
    [ValueError("x"), RuntimeError("y"), os_error(errno.ENOENT, "/a"), sqlite3.IntegrityError("UNIQUE constraint")],
)
def test_a_fault_of_the_program_is_none_of_what_is_around_it(error: Exception) -> None:
    assert fault_of(error) == ""


def test_a_chain_that_bites_its_tail_ends() -> None:
    one, other = ValueError("a"), ValueError("b")
    one.__cause__, other.__cause__ = other, one
    assert fault_of(one) == ""


def test_the_tracking_store_tells_the_cause_and_not_what_wraps_it() -> None:
    error = MlflowException("(raised as a result of Query-invoked autoflush)")
    error.__cause__ = sqlite3.OperationalError("database or disk is full")
    with pytest.raises(InputError, match="cannot be used: the disk is full: make room and") as told, tracking_faults():
        raise error
    assert "autoflush" not in str(told.value)
