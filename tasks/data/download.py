"""Sources -> verified file -> frame: the only step with network and retries.

In order: a file the user names; the copy that `WATTCAST_DATA` names; the cache; UCI's archive; the authors' mirror;
and, where no source answers and the choice was left open, the simulated house. What stands for the UCI file must have
its SHA-256, wherever it was found.
"""

from __future__ import annotations

import hashlib
import io
import logging
import os
import queue
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

import pandas as pd
from pooch import HTTPDownloader
from prefect.tasks import exponential_backoff

from wattcast.model.errors import InputError
from wattcast.model.readings import nearest
from wattcast.tasks.data.dialect import Dialect
from wattcast.tasks.data.files import CHUNK_BYTES, SUFFIXES, parse, read_file, unpack
from wattcast.tasks.data.table import read_table_file, with_numbers
from wattcast.tasks.data.uci import UNITS
from wattcast.tasks.step import step

log = logging.getLogger(__name__)

URLS = (
    "https://archive.ics.uci.edu/static/public/374/appliances+energy+prediction.zip",
    "https://raw.githubusercontent.com/LuisM78/Appliances-energy-prediction-data/master/energydata_complete.csv",
)
SHA256 = "2820bf712ad0275cb18b85a05250926100d8e65ebb9f4d2d016ca91ea152a25d"
CACHE = Path("data/energydata_complete.csv")
VARIABLE = "WATTCAST_DATA"
CHOICES = ("auto", "uci", "simulated")
ANY_DIALECT = Dialect()
_USUAL: dict[str, object] = {
    "encoding": "utf-8",
    "separator": ",",
    "decimal": ".",
    "thousands": "",
    "skip_lines": 0,
    "heading": True,
    "units": False,
    "drop_rows": 0,
}

PATIENCE_S = 4.5  # two silent sources are given up within ten seconds together
DOWNLOAD_CAP_BYTES = 2**26

Fetch = Callable[[str], bytes]


@dataclass(frozen=True)
class Raw:
    """Readings as their source gave them, and where they come from: `sha256` is of the bytes."""

    frame: pd.DataFrame
    source: Literal["file", "uci", "simulated"]
    origin: str
    sha256: str
    dialect: Dialect = field(default_factory=Dialect)  # as it was found, of a file of the user's
    evidence: tuple[str, ...] = ()  # for what is not as in most files
    units: Mapping[str, str] = field(
        default_factory=dict
    )  # by column, as the source says: its row of units, its authors

    def require_same(self, sha256: str, run_id: str) -> None:
        """These are the bytes with which a run began that goes on.

        Raises:
            InputError: they are others.
        """
        if self.sha256 != sha256:
            raise InputError(f"run {run_id} began with data of SHA-256 {sha256}, now it is {self.sha256}: start anew")


_State = tuple[str, int, int, int, int] | None
_ahead: dict[tuple[_State, Dialect], Raw] = {}  # at most one


class NetworkError(Exception):
    """A source gave no file."""


class TransientError(NetworkError):
    """A source gave no file and may give it at the next attempt: server error, broken connection, truncated body."""


def fetch(
    url: str, *, sha256: str = SHA256, patience_s: float = PATIENCE_S, cap_bytes: int = DOWNLOAD_CAP_BYTES
) -> bytes:
    """The CSV behind `url`, bare or zipped, in one attempt.

    A source is given up after `patience_s` seconds without `CHUNK_BYTES` more; of body and CSV `cap_bytes` are taken.

    Raises:
        NetworkError: if no whole file came; a TransientError where another attempt may help.
        InputError: if another file came.
    """
    body = _Body(cap_bytes)
    timeout_s = 2 * patience_s  # ends the thread after its reader has gone
    threading.Thread(target=body.receive, args=(url, timeout_s), daemon=True).start()
    try:
        while (event := body.events.get(timeout=patience_s)) == "chunk":
            pass
    except queue.Empty:
        raise NetworkError(f"sent less than {CHUNK_BYTES // 1024} KiB within {patience_s:g} seconds") from None
    finally:
        body.abandoned = True
    if isinstance(event, Exception):
        raise event if isinstance(event, InputError) else _network_error(event) from event
    csv = unpack(body, cap_bytes)
    if (received := _digest(csv)) != sha256:
        raise InputError(f"sent another file, {len(csv)} bytes with SHA-256 {received}, wanted {sha256}")
    return csv


def download(
    source: str,
    dialect: Dialect = ANY_DIALECT,
    *,
    cache: Path = CACHE,
    urls: Sequence[str] = URLS,
    sha256: str = SHA256,
    fetch: Fetch = fetch,
) -> Raw:
    """The readings of `source`: "auto", "uci", "simulated", or the path of a user's file, written as `dialect` says.

    The UCI file is looked for in `cache`, then at `urls` through `fetch`; its CSV must have the digest `sha256`. "auto"
    takes the simulated house where no source answers.

    Raises:
        InputError: if the file cannot be read or is not what it stands for, or the UCI file is to be had nowhere.
    """
    if source == "simulated":
        return _simulated()
    if source not in CHOICES:
        return _ahead.pop((_state(source), dialect), None) or _user_file(source, dialect)
    try:
        csv, origin = _uci_csv(cache, urls, sha256, fetch)
    except NetworkError as fault:
        if source == "uci":
            raise InputError(str(fault)) from None
        log.warning("%s\ntaking the simulated house: its scores say nothing about the real one", fault)
        return _simulated()
    return Raw(parse(csv, origin), "uci", origin, sha256, units=UNITS)


def read_ahead(name: str, dialect: Dialect = ANY_DIALECT) -> Raw:
    """The readings of a user's file, which the next `download` of it takes over if it has not changed since.

    It is handed over once, so that nothing is kept for longer than it is needed.

    Raises:
        InputError: the file cannot be read.
    """
    _ahead.clear()
    state = _state(name)
    raw = _user_file(name, dialect)
    if state:
        _ahead[state, dialect] = raw
    return raw


fetch_task = step(
    fetch,
    retries=2,
    retry_delay_seconds=exponential_backoff(0.5),
    retry_jitter_factor=0.5,
    retry_condition_fn=lambda _task, _run, state: isinstance(state.data, TransientError),
)


@step
def download_task(source: str, dialect: Dialect = ANY_DIALECT, cache: Path = CACHE) -> Raw:
    """`download`, with another attempt after a transient error."""
    return download(source, dialect, cache=cache, fetch=fetch_task)


class _Body(io.BytesIO):
    """A body that another thread receives, for no time limit of requests ends an answer that trickles."""

    def __init__(self, cap_bytes: int) -> None:
        super().__init__()
        self.cap_bytes, self.abandoned = cap_bytes, False
        self.events: queue.SimpleQueue[str | Exception] = queue.SimpleQueue()

    def receive(self, url: str, timeout_s: float) -> None:
        """Fill this body; `events` tells of each chunk and of the end."""
        bar = sys.stderr is not None and sys.stderr.isatty()
        answers: list[Any] = []  # pooch leaves a failed one open
        hooks = {"response": lambda answer, **_: answers.append(answer)}
        try:
            HTTPDownloader(bar, CHUNK_BYTES, timeout=timeout_s, hooks=hooks)(url, self, None)
            self.events.put("end")
        except Exception as fault:  # whatever it is, the thread that waits must know
            self.events.put(fault)
        finally:
            for answer in answers:
                answer.close()

    def write(self, chunk: bytes) -> int:  # type: ignore[override]
        """Take a chunk, or end the download."""
        if self.abandoned or self.tell() + len(chunk) > self.cap_bytes:
            raise InputError(f"sent more than {self.cap_bytes} bytes")
        self.events.put("chunk")
        return super().write(chunk)


def _network_error(fault: Exception) -> NetworkError:
    """What pooch and requests raised, told apart by whether another attempt may help."""
    from requests.exceptions import ChunkedEncodingError, HTTPError
    from urllib3.exceptions import ProtocolError

    transient = isinstance(fault, ChunkedEncodingError) or any(isinstance(arg, ProtocolError) for arg in fault.args)
    if isinstance(fault, HTTPError) and fault.response is not None:
        transient = fault.response.status_code >= 500
    root: BaseException = fault
    while inner := root.__cause__ or root.__context__:
        root = inner
    return (TransientError if transient else NetworkError)(f"gave no file: {root or type(root).__name__}")


def _uci_csv(cache: Path, urls: Sequence[str], sha256: str, fetch: Fetch) -> tuple[bytes, str]:
    """The UCI file's CSV, and where it was found."""
    if named := os.environ.get(VARIABLE):
        try:
            return _known_csv(Path(named), sha256), named
        except InputError as fault:
            rule = f"{VARIABLE} must name a copy of the UCI file, CSV or zip; for a file of your own use --data PATH"
            raise InputError(f"{fault}\n{rule}") from None
    try:
        if cache.exists():
            return _known_csv(cache, sha256), str(cache)
    except (InputError, OSError) as fault:
        log.warning("%s: fetching it again", fault)
    faults: dict[str, Exception] = {}
    for url in urls:
        try:
            csv = fetch(url)
        except (NetworkError, InputError) as fault:
            faults[url] = fault
        else:
            _keep(csv, cache)
            return csv, url
    reasons = "".join(f"\n  - {url} {fault}" for url, fault in faults.items())
    wrong = any(isinstance(fault, InputError) for fault in faults.values())
    raise (InputError if wrong else NetworkError)(
        f"the UCI file is not in {cache}, and no source gave it:{reasons}\n"
        "name a file with --data PATH, or use --data simulated"
    )


def _known_csv(path: Path, sha256: str) -> bytes:
    csv = read_file(path)
    if (received := _digest(csv)) != sha256:
        raise InputError(f"{str(path)!r} is not the UCI file: SHA-256 {received}, wanted {sha256}")
    return csv


def _keep(csv: bytes, cache: Path) -> None:
    """Put a verified CSV into the cache in one step; a kill half way leaves a hidden file that nothing reads."""
    temporary = cache.with_name(f".{cache.name}.{uuid4().hex}")
    try:
        cache.parent.mkdir(parents=True, exist_ok=True)
        try:
            temporary.write_bytes(csv)
            temporary.replace(cache)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as fault:
        log.warning("%s cannot be cached: %s", cache, fault)


def _state(name: str) -> _State:
    """What tells a file from another one, and from itself after a change; None where there is none."""
    with suppress(OSError, RuntimeError, ValueError):
        found = Path(name).expanduser().stat()
        return name, found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
    return None


def _user_file(name: str, dialect: Dialect) -> Raw:
    if "://" in name:
        raise InputError(f"data must be the path of a file, received the address {name!r}: download it first")
    if not name.lower().endswith(SUFFIXES):
        allowed = f"{', '.join(CHOICES)}, or the path of a file that ends in {', '.join(SUFFIXES)}"
        raise InputError(f"data must be {allowed}, received {name!r}{nearest(name, CHOICES)}")
    content, table = read_table_file(Path(name), dialect)
    if table.frame.empty:
        raise InputError(f"{name!r} holds no rows")
    found = table.found.dialect
    odd = {option for option, usual in _USUAL.items() if getattr(found, option) not in (None, usual)}
    told = tuple(f"{name}: {words}" for option, words in table.found.evidence.items() if option in odd)
    frame = with_numbers(table.frame, found.decimal or ".", found.thousands or "")
    return Raw(frame, "file", name, _digest(content), found, told, table.units)


def _simulated() -> Raw:
    from wattcast.tasks.data.simulate import simulate

    frame = simulate()
    digest = _digest(pd.util.hash_pandas_object(frame).to_numpy().tobytes())
    return Raw(frame, "simulated", "simulated house", digest, units=UNITS)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
