"""The lock of a store: threads and processes that want it at once, and holders that die or fall silent."""

from __future__ import annotations

import json
import math
import os
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from threading import Barrier
from typing import Any
from uuid import uuid4

import pytest
from children import Child
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST

from wattcast.model.errors import InputError
from wattcast.tasks.liveness import Owner
from wattcast.tasks.registry import lock
from wattcast.tasks.registry.lock import SILENT_S, BusyError, Holder, LostLockError, holder_of, locked, registered_model
from wattcast.tasks.registry.versions import Versions
from wattcast.tasks.tracking.store import store_client

DEAD = replace(Owner.me(), began=0.0)
ELSEWHERE = Owner("another-machine", 1, 0.0)


@pytest.fixture
def client(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> MlflowClient:
    """One whose locks are asked for more often than they need be."""
    monkeypatch.setattr(lock, "_POLL_S", 0.01)
    return store_client()


@pytest.fixture
def name() -> str:
    """One that no other test uses."""
    return f"house-{uuid4().hex}.training"


# what children do


def hold(wire: Connection, name: str) -> None:
    """Until the wire is closed."""
    with locked(store_client(), name, wait_s=0):
        wire.send("held")
        with suppress(EOFError):
            wire.recv()


def count_up(wire: Connection, name: str, folder: Path) -> None:
    """Two threads want it five times each. Who finds another one inside fails."""
    lock._POLL_S = 0.05

    def count(client: MlflowClient) -> None:
        with locked(client, name, wait_s=200):
            (folder / "inside").touch(exist_ok=False)
            number = int((folder / "count").read_text())
            time.sleep(0.01)
            (folder / "count").write_text(str(number + 1))
            (folder / "inside").unlink()

    wire.send("ready")
    wire.recv()
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(count, [store_client()] * 5))


# what is done to them


@contextmanager
def holding(name: str) -> Iterator[BaseProcess]:
    """A process that holds the lock."""
    child = Child.of(hold, name)
    assert child.wire.recv() == "held"
    yield child.process
    child.wire.close()
    child.end()


def leave(client: MlflowClient, name: str, owner: Owner, *, silent: float = 0) -> str:
    """The lock as `owner` would have left it behind; its token."""
    token = uuid4().hex
    holder = {"holder": json.dumps({"owner": asdict(owner), "token": token}), "seen": str(time.time() - silent)}
    client.create_registered_model(name, holder)
    return token


def left(client: MlflowClient, name: str) -> list[str]:
    """What the store holds under the name of a lock and the names made of it."""
    return [model.name.removeprefix(name) for model in client.search_registered_models(f"name LIKE '{name}%'")]


def test_a_lock_is_there_only_while_it_is_held(client: MlflowClient, name: str) -> None:
    before = time.time()
    assert holder_of(client, name) is None
    with locked(client, name, wait_s=0):
        holder = holder_of(client, name)
        assert holder is not None
        assert holder.owner == Owner.me()
        assert before <= holder.seen <= time.time()
        assert not holder.is_gone
        assert str(holder) == f"process {os.getpid()} on {socket.gethostname()}"
    assert holder_of(client, name) is None
    assert left(client, name) == []


def test_each_taking_has_a_token_of_its_own_and_locks_of_other_names_are_others(
    client: MlflowClient, name: str
) -> None:
    with locked(client, name, wait_s=0), locked(client, f"{name}-too", wait_s=0):
        holders = [holder_of(client, each) for each in (name, f"{name}-too")]
    with locked(client, name, wait_s=0):
        holders.append(holder_of(client, name))
    assert len({holder.token for holder in holders if holder}) == 3


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt])
def test_an_error_inside_gives_the_lock_back(error: type[BaseException], client: MlflowClient, name: str) -> None:
    def fail() -> None:
        raise error

    with pytest.raises(error), locked(client, name, wait_s=0):
        fail()
    assert left(client, name) == []


def test_who_does_not_wait_is_told_who_holds_the_lock_and_does_nothing(client: MlflowClient, name: str) -> None:
    done = []
    with holding(name) as process:
        before = holder_of(client, name)
        words = f"{name} is locked by process {process.pid} on {socket.gethostname()}: wait for it, or end it first"
        with pytest.raises(BusyError, match=words), locked(client, name, wait_s=0):
            done.append("something")
        assert holder_of(client, name) == before
        assert left(client, name) == [""]
    assert done == []
    assert left(client, name) == []


def test_a_thread_waits_for_another_of_the_same_process(client: MlflowClient, name: str) -> None:
    inside = []

    def enter(number: int) -> None:
        with locked(client, name, wait_s=200):
            inside.append(number)
            assert inside == [number]
            time.sleep(0.01)
            inside.remove(number)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(enter, range(12)))
    assert left(client, name) == []


def test_many_wait_for_one_that_is_killed_and_then_each_is_alone(
    client: MlflowClient, name: str, tmp_path: Path
) -> None:
    (tmp_path / "count").write_text("0")
    crowd = [Child.of(count_up, name, tmp_path) for _ in range(2)]
    with holding(name) as holder:
        assert [child.wire.recv() for child in crowd] == ["ready"] * 2
        found = holder_of(client, name)
        assert found is not None
        assert found.owner.pid == holder.pid
        for child in crowd:
            child.wire.send("go")
        with pytest.raises(BusyError), locked(client, name, wait_s=0.5):  # so long the crowd waits, too
            pass
        assert (tmp_path / "count").read_text() == "0"
        holder.kill()
        assert [child.end() for child in crowd] == [0, 0]
    assert (tmp_path / "count").read_text() == "10"
    assert left(client, name) == [f".broken.{found.token}"]


def test_of_many_that_find_a_dead_holder_at_once_one_gets_the_lock(client: MlflowClient, name: str) -> None:
    """Five times, as it is a matter of chance who is how far."""

    def take(barrier: Barrier) -> bool:
        barrier.wait()
        try:
            with locked(client, name, wait_s=0):
                barrier.wait()  # until all others were refused
                return True
        except BusyError:
            barrier.wait()
            return False

    tokens = []
    with ThreadPoolExecutor(6) as pool:
        for _ in range(5):
            tokens.append(leave(client, name, DEAD))
            assert sorted(pool.map(take, [Barrier(6)] * 6)) == [False] * 5 + [True]
    assert sorted(left(client, name)) == sorted(f".broken.{token}" for token in tokens)


def test_who_comes_too_late_to_a_dead_holder_takes_nothing_from_the_next_one(client: MlflowClient, name: str) -> None:
    leave(client, name, DEAD)
    dead = holder_of(client, name)
    assert dead is not None
    assert dead.is_gone
    with locked(client, name, wait_s=0):
        mine = holder_of(client, name)
        lock._break(client, name, dead)
        assert holder_of(client, name) == mine
    lock._break(client, name, dead)
    assert left(client, name) == [f".broken.{dead.token}"]


def test_a_holder_elsewhere_loses_its_lock_when_it_was_silent_for_long(client: MlflowClient, name: str) -> None:
    token = leave(client, name, ELSEWHERE, silent=SILENT_S + 1)
    with locked(client, name, wait_s=0):
        holder = holder_of(client, name)
        assert holder is not None
        assert holder.owner == Owner.me()
    assert left(client, name) == [f".broken.{token}"]


def test_a_holder_elsewhere_that_was_heard_of_keeps_its_lock(client: MlflowClient, name: str) -> None:
    token = leave(client, name, ELSEWHERE, silent=SILENT_S / 2)
    with pytest.raises(BusyError, match="locked by process 1 on another-machine"), locked(client, name, wait_s=0):
        pass
    holder = holder_of(client, name)
    assert holder is not None
    assert (holder.token, holder.owner) == (token, ELSEWHERE)


def test_a_holder_here_may_be_silent_as_long_as_it_lives() -> None:
    """Its machine may have slept."""
    me = Owner.me()
    assert not Holder(me, "token", time.time() - 10 * SILENT_S).is_gone
    assert Holder(replace(me, began=0.0), "token", time.time()).is_gone


def test_a_holder_gives_signs_of_life(client: MlflowClient, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "_BEAT_S", 0.01)
    with locked(client, name, wait_s=0):
        first = holder_of(client, name)
        assert first is not None
        while (now := holder_of(client, name)) == first:
            time.sleep(0.01)
        assert now is not None
        assert (now.owner, now.token) == (first.owner, first.token)
        assert now.seen > first.seen


def test_who_has_lost_its_lock_leaves_that_of_the_next_one_alone(
    client: MlflowClient, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine that wakes up must neither give back what is no longer its own nor keep a dead one's lock alive."""
    looks = []

    class Watched(MlflowClient):
        def get_registered_model(self, name: str) -> Any:
            looks.append(name)
            return super().get_registered_model(name)

        def set_registered_model_tag(self, name: str, key: str, value: str) -> None:
            looks.append(name)
            super().set_registered_model_tag(name, key, value)

    def beats(number: int) -> None:
        before = len(looks)
        while len(looks) < before + number:
            time.sleep(0.01)

    monkeypatch.setattr(lock, "_BEAT_S", 0.01)
    with locked(Watched(client.tracking_uri), name, wait_s=0):
        mine = holder_of(client, name)
        assert mine is not None
        lock._break(client, name, mine)
        beats(3)  # so that none is under way that has seen its own
        leave(client, name, ELSEWHERE, silent=SILENT_S / 2)
        theirs = holder_of(client, name)
        beats(5)
    assert holder_of(client, name) == theirs


def test_who_has_lost_its_lock_can_find_that_out(client: MlflowClient, name: str) -> None:
    words = f"{name} was taken by another process while this one was silent: try again"
    with locked(client, name, wait_s=0) as held:
        held.require()
        mine = holder_of(client, name)
        assert mine is not None
        lock._break(client, name, mine)
        with pytest.raises(LostLockError, match=words):
            held.require()
        with locked(client, name, wait_s=0) as theirs:
            theirs.require()
            assert theirs.taken > held.taken
            with pytest.raises(LostLockError, match=words):
                held.require()
    with pytest.raises(LostLockError):
        held.require()  # it was given back


def test_a_lock_that_is_lost_while_it_is_given_back_is_no_error(client: MlflowClient, name: str) -> None:
    class Overtaken(MlflowClient):
        def delete_registered_model(self, name: str) -> None:
            mine = holder_of(client, name)
            assert mine is not None
            lock._break(client, name, mine)
            super().delete_registered_model(name)

    with locked(Overtaken(client.tracking_uri), name, wait_s=0) as held:
        pass
    assert left(client, name) == [f".broken.{held.token}"]


def test_a_lock_given_back_in_the_moment_it_is_asked_for_is_asked_for_again(client: MlflowClient, name: str) -> None:
    """A database that locks single rows may find that the name is taken, and then nobody who has it."""
    answers = []

    class Contended(MlflowClient):
        def create_registered_model(self, *arguments: Any) -> Any:
            answers.append(arguments[0])
            if len(answers) == 1:
                raise MlflowException(f"Registered Model with name={name} not found", RESOURCE_DOES_NOT_EXIST)
            return super().create_registered_model(*arguments)

    with locked(Contended(client.tracking_uri), name, wait_s=0):
        assert holder_of(client, name) is not None
    assert answers == [name, name]


def test_a_store_that_refuses_a_lock_says_so(client: MlflowClient) -> None:
    with pytest.raises(MlflowException, match="name"), locked(client, "", wait_s=0):
        pass


def test_what_breaking_leaves_is_cleared_away_when_nobody_can_want_it(
    client: MlflowClient, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    token, other = leave(client, name, DEAD), leave(client, f"{name}-too", DEAD)
    for each in (name, f"{name}-too"):
        with locked(client, each, wait_s=0):
            pass
    assert sorted(left(client, name)) == sorted([f".broken.{token}", f"-too.broken.{other}"])
    monkeypatch.setattr(lock, "_KEPT_S", -1)
    with locked(client, name, wait_s=0):
        assert sorted(left(client, name)) == sorted(["", f".broken.{token}", f"-too.broken.{other}"])
    assert left(client, name) == [f"-too.broken.{other}"]


def test_opening_a_registry_clears_away_what_dead_processes_have_left_of_its_locks(
    client: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = f"house-{uuid4().hex}"
    kept = f"{model}.broken.house"  # somebody's own model
    client.create_registered_model(kept)
    leave(client, f"{model}.retraining", DEAD)
    with locked(client, f"{model}.retraining", wait_s=0):
        Versions.open(model)
    assert len(left(client, f"{model}.retraining")) == 1
    monkeypatch.setattr(lock, "_KEPT_S", -1)
    Versions.open(model)
    assert left(client, f"{model}.retraining") == []
    assert registered_model(client, kept) is not None


def test_a_model_of_somebody_elses_with_the_locks_name_is_named(
    client: MlflowClient, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "_MOST_UNHELD", 5)
    client.create_registered_model(name)
    words = f"the registered model {name} has the name of a lock"
    with pytest.raises(InputError, match=words), locked(client, name, wait_s=math.inf):
        pass
    assert client.get_registered_model(name).tags == {}
