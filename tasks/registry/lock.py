"""A lock that all users of a tracking store respect, on whichever machine they are.

MLflow offers none, but the name of a registered model exists only once, whoever asks for it at the same time: who makes
the model with the lock's name holds the lock, and gives it back by deleting it.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from threading import Event, Thread
from uuid import uuid4

from mlflow import MlflowClient
from mlflow.entities.model_registry import RegisteredModel
from mlflow.exceptions import MlflowException

from wattcast.model.errors import InputError
from wattcast.tasks.liveness import Owner

SILENT_S = 120.0
"""A holder on another machine that has given no sign for so long has lost its lock."""
_BEAT_S = 20.0
_POLL_S = 0.3
_MOST_UNHELD = 50  # looks in a row at a name that is taken though nobody holds it: no crowd is so quick so often
_KEPT_S = (
    30.0  # so long nobody who has read of a dead holder waits to break its lock; who is slower breaks a living one
)
_BROKEN = re.compile(r"\.broken\.[0-9a-f]{32}$")
_HOLDER, _SEEN = "holder", "seen"


class BusyError(InputError):
    """Another process holds the lock."""


class LostLockError(InputError):
    """The lock was taken from its holder, who seemed to be dead."""


@dataclass(frozen=True)
class Holder:
    """Who holds a lock. `token` is of one taking; `seen` its newest sign of life, in seconds since 1970."""

    owner: Owner
    token: str
    seen: float

    @property
    def is_gone(self) -> bool:
        """It has died, or has been silent for too long on another machine."""
        return self.owner.is_dead or (not self.owner.is_near and time.time() - self.seen > SILENT_S)

    def __str__(self) -> str:
        return f"process {self.owner.pid} on {self.owner.host}"


@dataclass(frozen=True)
class Held:
    """One taking of a lock: the holder's means to ask whether it is still its own.

    `taken` is in seconds since 1970. Whoever takes a lock from a silent holder has a later one, as it has waited for
    `SILENT_S` since the last sign of life.
    """

    client: MlflowClient
    name: str
    token: str
    taken: float

    @property
    def is_held(self) -> bool:
        """The lock is still that of this taking."""
        holder = holder_of(self.client, self.name)
        return holder is not None and holder.token == self.token

    def require(self) -> None:
        """Go on only while the lock is held.

        Raises:
            LostLockError: this process was silent for so long that another one has taken the lock.
        """
        if not self.is_held:
            raise LostLockError(f"{self.name} was taken by another process while this one was silent: try again")


@contextmanager
def locked(client: MlflowClient, name: str, *, wait_s: float) -> Iterator[Held]:
    """Hold the lock `name`; a holder that has died is no obstacle.

    A holder that is only taken for dead may wake up later: before it writes anything it asks what it was given.

    Raises:
        BusyError: another process has held it for `wait_s` seconds.
        InputError: a registered model of somebody else's has the lock's name.
    """
    deadline, unheld = time.monotonic() + wait_s, 0
    while (held := _take(client, name)) is None:
        holder = holder_of(client, name)
        unheld = 0 if holder else unheld + 1
        if holder and holder.is_gone:
            _break(client, name, holder)
        elif holder and time.monotonic() > deadline:
            raise BusyError(f"{name} is locked by {holder}: wait for it, or end it first")
        elif unheld > _MOST_UNHELD:
            raise InputError(f"the registered model {name} has the name of a lock that is needed: rename it")
        else:
            time.sleep(_POLL_S)
    with _heartbeat(held):
        try:
            yield held
        finally:
            _give_back(held)


def holder_of(client: MlflowClient, name: str) -> Holder | None:
    """Who holds the lock `name`; None where nobody does."""
    known = registered_model(client, name)
    tags = known.tags if known else {}
    if not {_HOLDER, _SEEN} <= set(tags):  # MLflow reads the tags after the name: it was given back in between
        return None
    given = json.loads(tags[_HOLDER])
    return Holder(Owner(**given["owner"]), given["token"], float(tags[_SEEN]))


def registered_model(client: MlflowClient, name: str) -> RegisteredModel | None:
    """The registered model `name`; None where there is none."""
    with _none_is_fine():
        return client.get_registered_model(name)
    return None


@contextmanager
def _none_is_fine() -> Iterator[None]:
    try:
        yield
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise


def _take(client: MlflowClient, name: str) -> Held | None:
    held = Held(client, name, uuid4().hex, time.time())
    holder = json.dumps({"owner": asdict(Owner.me()), "token": held.token})
    try:
        client.create_registered_model(name, {_HOLDER: holder, _SEEN: str(held.taken)}, "held only while it is needed")
    except MlflowException as error:
        if error.error_code in {"RESOURCE_ALREADY_EXISTS", "RESOURCE_DOES_NOT_EXIST"}:
            return None  # MLflow looks up who has the name, and that one may have given it back by then
        raise
    return held


def _break(client: MlflowClient, name: str, holder: Holder) -> None:
    """Take the lock from a holder that has gone.

    Several may find it gone at once. The one that renames it first wins: the new name belongs to this one taking, so
    that the others cannot move a lock that was taken since. Such names are cleared away when nobody can want them, and
    whoever came too late has broken a living holder's lock, which that one notices before it writes.
    """
    with suppress(MlflowException):
        client.rename_registered_model(name, f"{name}.broken.{holder.token}")


@contextmanager
def _heartbeat(held: Held) -> Iterator[None]:
    ended = Event()

    def beat() -> None:
        while not ended.wait(_BEAT_S):
            with suppress(MlflowException):  # a store that is away for a moment
                if held.is_held:
                    held.client.set_registered_model_tag(held.name, _SEEN, str(time.time()))

    thread = Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()


def _give_back(held: Held) -> None:
    if held.is_held:
        with _none_is_fine():  # it may be lost in this very moment
            held.client.delete_registered_model(held.name)
    clear_broken(held.client, held.name)


def clear_broken(client: MlflowClient, name: str) -> None:
    """Delete what is left of locks that are called `name`, or begin so and go on with a dot, and whose holders died."""
    for broken in client.search_registered_models(f"name LIKE '{name}.%'"):
        old = time.time() - broken.last_updated_timestamp / 1000 > _KEPT_S
        if old and _BROKEN.search(broken.name):
            with suppress(MlflowException):  # another one was quicker
                client.delete_registered_model(broken.name)
