"""Where studies are kept: Optuna's journal, or a database, so that several processes may write and be killed."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

from filelock import FileLock
from optuna.exceptions import StorageInternalError
from optuna.storages import BaseStorage, JournalStorage, RDBStorage, get_storage
from optuna.storages.journal import JournalFileBackend
from sqlalchemy import Engine, event
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError

from wattcast.model.errors import InputError
from wattcast.model.telling import HIDDEN, masked

PASSWORD = "WATTCAST_STORAGE_PASSWORD"  # noqa: S105 - a name
"""The variable of the environment with the password of a study's database."""
_BLOCK = "wattcast-storage-password"
_CONNECT_S = 10
_BUSY_S = 60  # for which an SQLite file may be somebody else's
_TABLES_TRIES, _TABLES_S = 20, 0.2
_JOURNAL_BEGINS = b'{"op_code":'


def open_storage(url: str) -> BaseStorage:
    """The storage behind `url`, or the journal with this path; made where there is none.

    Raises:
        InputError: it is something else than a storage.
    """
    try:
        return _open_database(url) if "://" in url else _open_journal(Path(url))
    except (ValueError, KeyError, TypeError, AssertionError, RuntimeError) as error:
        raise InputError(f"{masked(url)!r} is no storage of studies: {masked(str(error))}; name another") from error


@contextmanager
def storage_faults(url: str) -> Iterator[None]:
    """Whatever is wrong with the storage becomes one message.

    Raises:
        InputError: it cannot be reached, read or written.
    """
    try:
        yield
    except (StorageInternalError, SQLAlchemyError, ImportError, OSError) as error:
        cause = error.__cause__ or error
        message = masked(str(cause).strip().splitlines()[0]) if str(cause).strip() else type(cause).__name__
        hint = "install its driver" if isinstance(cause, ImportError) else "mend that and run the same command again"
        raise InputError(f"the study's storage {masked(url)} cannot be used: {message}; {hint}") from error


def with_password(url: str) -> str:
    """`url` with the password that it leaves out as `***`: that of the environment, or of a secret block of Prefect's.

    Where it names none at all, that of the environment is put behind the user's name.

    Raises:
        InputError: it is to be found nowhere.
    """
    password = os.environ.get(PASSWORD, "")
    if not password and HIDDEN in url:
        password = _of_block()
    if HIDDEN in url:
        if not password:
            raise InputError(
                f"the password of the study's storage {url} is not known: set {PASSWORD}, or make a Prefect block of "
                f"the kind Secret with the name {_BLOCK}"
            )
        return url.replace(HIDDEN, quote(password, safe=""), 1)
    user = re.match(r"(\w+(?:\+\w+)?://[^:/@\s]+)@", url)
    return f"{user[1]}:{quote(password, safe='')}{url[user.end(1) :]}" if user and password else url


def _of_block() -> str:
    """Empty where there is no such block, or no server that might have one."""
    from prefect.blocks.system import Secret

    load: Any = Secret.load
    with suppress(Exception):  # whatever keeps Prefect from giving it, it is not known
        return str(load(_BLOCK, _sync=True).get())
    return ""


class _Lock:
    """The operating system's lock, which a killed process cannot leave behind.

    Half a line at the end of the journal, from a process that was killed or a disk that was full, would spoil the next
    line and with it the whole file: it is cut off before anything is written.
    """

    def __init__(self, journal: Path) -> None:
        self._journal = journal
        self._lock = FileLock(f"{journal}.lock")

    def acquire(self) -> bool:
        self._lock.acquire()
        try:
            self._cut()
        except BaseException:
            self._lock.release()
            raise
        return True

    def release(self) -> None:
        self._lock.release()

    def _cut(self) -> None:
        with self._journal.open("rb+") as file:
            size = file.seek(0, 2)
            if size == 0:
                return
            file.seek(size - 1)
            if file.read(1) != b"\n":
                file.seek(0)
                file.truncate(file.read().rfind(b"\n") + 1)


def _open_journal(path: Path) -> BaseStorage:
    if path.exists():
        if not path.is_file():
            raise ValueError("a journal is a file")
        with path.open("rb") as file:
            if not _JOURNAL_BEGINS.startswith(file.read(len(_JOURNAL_BEGINS))):  # before anything is written to it
                raise ValueError("this file is something else")
    backend = JournalFileBackend(str(path), lock_obj=_Lock(path))  # type: ignore[arg-type]  # it has what is used
    return JournalStorage(backend)


def _open_database(url: str) -> BaseStorage:
    options: dict[str, int] = {}
    if url.startswith("postgresql://"):
        url = f"postgresql+psycopg{url.removeprefix('postgresql')}"  # the driver that the extra postgres installs
    if url.startswith(("postgresql", "mysql")):
        options = {"connect_timeout": _CONNECT_S}
    elif url.startswith("sqlite"):
        options = {"timeout": _BUSY_S}
    else:
        return get_storage(url)
    storage = _with_tables(lambda: RDBStorage(url, engine_kwargs={"connect_args": options}))
    if url.startswith("sqlite"):
        _write_one_at_a_time(storage.engine)
    return storage


def _with_tables(connect: Callable[[], RDBStorage]) -> RDBStorage:
    """Two processes would both make the tables of a new database: the one that comes too late tries again."""
    for _ in range(_TABLES_TRIES):
        try:
            return connect()
        except DBAPIError as error:
            if not isinstance(error, IntegrityError) and "already exists" not in str(error):
                raise
            time.sleep(_TABLES_S)
    return connect()


def _write_one_at_a_time(sqlite: Engine) -> None:
    """SQLite does not know the locked row by which Optuna gives a trial to one worker only: the file is locked."""

    def leave_transactions_to_us(connection: Any, _: Any) -> None:
        connection.isolation_level = None

    event.listen(sqlite, "connect", leave_transactions_to_us)
    event.listen(sqlite, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    sqlite.dispose()  # connections that were opened before
