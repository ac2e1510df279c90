"""A registered model behind HTTP: processes that serve one version, and those of the next one where it is followed."""

from __future__ import annotations

import json
import logging
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path
from typing import TypeVar, cast

from wattcast.flows.service import inside_server as inside
from wattcast.flows.service.environment import MODEL_SERVER, completed
from wattcast.flows.service.processes import end, members, pass_on, sessions, why_not
from wattcast.model.errors import InputError
from wattcast.model.fallback import Kind
from wattcast.model.telling import tellable
from wattcast.tasks.registry.versions import Version, Versions
from wattcast.tasks.stages import stage
from wattcast.tasks.tracking.store import tracking_faults

log = logging.getLogger(__name__)

T = TypeVar("T")

_FAREWELL_S = 15  # for requests that are being answered
_LOOK_S = 5.0  # between two looks at the registry
_POLL_S = 0.1
_MODEL = "--model"
_numbers = count()


@dataclass(frozen=True)
class Serving:
    """How a model is served."""

    host: str = "127.0.0.1"
    port: int = 5001
    workers: int = 2
    most_megabytes: int = 10  # of a request's body
    patience_s: float = 30  # for a request to arrive whole
    docs: bool = False  # the pages that describe the server
    follow: bool = False  # serve another version as soon as the alias stands for it
    fallback: Kind | None = None  # what forecasts where the version cannot


def serve(versions: Versions, model: str, serving: Serving) -> int:
    """Serve a version of a registered model until a signal ends it; the exit code. For the main thread only.

    `model` is an alias, or the number of a version. A user's own settings of the libraries win.

    Raises:
        InputError: the port cannot be used, or the version is not one to be loaded.
    """
    with _told_to_stop() as told, _bound(serving) as listening:
        start = partial(_Generation.start, versions, serving, listening)
        alive, failed = [start(versions.find(model), first=True)], 0  # the first one answers, a second one is about to
        look_at = time.monotonic() + _LOOK_S
        try:
            with stage("loading the model"):
                while not (told or alive[0].is_ready or alive[0].died()):
                    time.sleep(_POLL_S)
            while not told:
                time.sleep(_POLL_S)
                if code := alive[0].died():
                    return code
                if len(alive) > 1:
                    failed = _taken_over(alive) or failed
                elif serving.follow and alive[0].is_ready and time.monotonic() > look_at:
                    look_at = time.monotonic() + _LOOK_S
                    version = _tried(lambda: versions.find(model))
                    if version and version.number not in {alive[0].number, failed}:
                        coming = _tried(partial(start, version))
                        alive += [coming] if coming else []
                        failed = 0 if coming else version.number
        finally:
            for each in alive:
                each.end()
    return 128 + told[0]


def _taken_over(alive: list[_Generation]) -> int:
    """Let the second generation take over from the first if it is ready; its number if it cannot."""
    now, coming = alive
    if coming.died():
        log.warning("version %d cannot be served: going on with version %d", coming.number, now.number)
        coming.end()
        alive.remove(coming)
        return coming.number
    if coming.is_ready:
        log.warning("serving version %d in place of version %d", coming.number, now.number)
        now.leave()
        alive.remove(now)
    return 0


def _tried(ask: Callable[[], T]) -> T | None:
    """What the registry gives; None where it does not, which is said."""
    try:
        with tracking_faults():
            return ask()
    except InputError as fault:
        log.warning("%s", fault)
        return None


def _bound(serving: Serving) -> socket.socket:
    """A socket at the address, on which nobody listens yet.

    Raises:
        InputError: the address cannot be used.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(serving.host, serving.port, type=socket.SOCK_STREAM)[0]
        bound = socket.socket(family)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except (OSError, UnicodeError) as error:
        raise InputError(
            f"port {serving.port} of {serving.host} cannot be used ({why_not(error)}): end what listens there, or "
            "choose another --port or --host"
        ) from None
    return bound


@dataclass
class _Generation:
    """The processes that serve one version, from files of their own, and the arguments that each of them gets."""

    number: int
    folder: tempfile.TemporaryDirectory[str]
    arguments: list[str]
    listening: int
    forgiving: bool = False  # where the model cannot be loaded, its fallback answers
    workers: dict[str, subprocess.Popen[str]] = field(default_factory=dict)

    @classmethod
    def start(
        cls,
        versions: Versions,
        serving: Serving,
        listening: socket.socket,
        version: Version,
        *,
        first: bool = False,
    ) -> _Generation:
        """Get the files of `version` and start its processes; where it is the first one, its fallback if need be.

        Raises:
            UntrustedError: no retraining has registered it, and there is no fallback.
        """
        folder = tempfile.TemporaryDirectory(prefix="wattcast-serve-")
        try:
            fallback = _fallback(versions, version, Path(folder.name)) if serving.fallback else {}
            model = _model(versions, version, Path(folder.name), forgiving=first and bool(fallback))
        except BaseException:
            folder.cleanup()
            raise
        given = {
            "--socket": listening.fileno(),
            "--folder": folder.name,
            **model,
            **fallback,
            "--name": version.model,
            "--version": version.number,
            "--most": serving.most_megabytes * 2**20,
            "--patience": serving.patience_s,
        }
        arguments = [str(word) for pair in given.items() for word in pair] + ["--docs"] * serving.docs
        started = cls(version.number, folder, arguments, listening.fileno(), forgiving=first and bool(fallback))
        for _ in range(serving.workers):
            started._begin()
        return started

    @property
    def is_ready(self) -> bool:
        """All of its processes listen, or are about to."""
        return all(self._listens(number) for number in self.workers)

    def died(self) -> int:
        """The code of a process that ended before it could answer, else 0; for one that ended later another begins."""
        for number, worker in [*self.workers.items()]:
            if worker.poll() is not None:
                if self._listens(number):
                    log.warning("a process that served version %d has ended (%d)", self.number, worker.returncode)
                elif self.forgiving and _MODEL in cast("list[str]", worker.args):
                    self._forget_model()
                else:
                    return worker.returncode or 1
                del self.workers[number]
                self._begin()
        return 0

    def leave(self) -> None:
        """Take no more requests, and end once those that were taken are answered."""
        for worker in self.workers.values():
            worker.send_signal(signal.SIGUSR1)
        threading.Thread(target=self._forget, daemon=True).start()

    def end(self) -> None:
        """End all of its processes, now."""
        leaders = [worker.pid for worker in self.workers.values()]
        end(lambda: [each for pid in leaders for each in members(sessions(pid))], patience_s=_FAREWELL_S)
        self._forget()

    def _forget_model(self) -> None:
        """Processes that begin from now on answer by the fallback alone."""
        if _MODEL in self.arguments:
            log.warning("version %d cannot be loaded: its fallback answers in its place", self.number)
            place = self.arguments.index(_MODEL)
            del self.arguments[place : place + 2]

    def _begin(self) -> None:
        number = str(next(_numbers))
        command = [sys.executable, "-P", str(Path(inside.__file__)), *self.arguments, "--number", number]
        worker = subprocess.Popen(  # noqa: S603 - no shell
            command,
            env=completed(MODEL_SERVER),
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,  # a terminal's Ctrl-C comes to us alone
            pass_fds=[self.listening],
        )
        threading.Thread(target=pass_on, args=(worker.stderr,), daemon=True).start()
        self.workers[number] = worker

    def _listens(self, number: str) -> bool:
        return (Path(self.folder.name) / f"{inside.READY}-{number}").exists()

    def _forget(self) -> None:
        for worker in self.workers.values():
            worker.wait()
        self.folder.cleanup()


def _fallback(versions: Versions, version: Version, folder: Path) -> dict[str, object]:
    """The arguments of a process that name the version's fallback; none, which is said, where it has no such."""
    fallback = versions.fallback(version)
    if fallback is None:
        log.warning("version %d was registered without a fallback: retrain to have one", version.number)
        return {}
    file = folder / "fallback.json"
    file.write_text(json.dumps(fallback.to_json()), encoding="utf-8")
    return {"--fallback": file}


def _model(versions: Versions, version: Version, folder: Path, *, forgiving: bool) -> dict[str, object]:
    """The arguments of a process that name the model's files; none where they cannot be had and that is forgiven."""
    try:
        return {_MODEL: versions.download(version, folder / "model")}
    except Exception as fault:
        if not forgiving:
            raise
        said = tellable(str(fault).strip().partition("\n")[0])
        log.warning("version %d cannot be loaded, its fallback answers in its place: %s", version.number, said)
        return {}


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
