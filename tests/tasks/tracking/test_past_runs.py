"""Runs whose process has died: which are closed, and which is gone on with."""

from __future__ import annotations

import json
import signal
from dataclasses import asdict, replace
from multiprocessing.connection import Connection
from pathlib import Path
from uuid import uuid4

import pytest
from children import Child
from mlflow import MlflowClient

from wattcast.model.errors import DivergedError
from wattcast.tasks.liveness import Owner
from wattcast.tasks.tracking.past_runs import close_abandoned, resumable_run
from wattcast.tasks.tracking.run import FAILURE, tracked_run


def begun(*owners: Owner, **tags: str) -> str:
    """An open run of these processes; its id."""
    with tracked_run("first", params={}, tags={}) as run:
        experiment = run.parent.experiment_id
    names = ["owner", *(f"owner.{number}" for number in range(1, len(owners)))]
    at_work = {name: json.dumps(asdict(owner)) for name, owner in zip(names, owners, strict=False)}
    return str(MlflowClient().create_run(experiment, tags={**at_work, **tags}).info.run_id)


def status(run_id: str) -> str:
    return str(MlflowClient().get_run(run_id).info.status)


def train_for_ever(wire: Connection) -> None:
    """In a process of its own."""
    with tracked_run("killed", params={}, tags={}) as run:
        wire.send(run.run_id)
        wire.recv()


@pytest.mark.usefixtures("workspace")
def test_the_run_of_a_process_that_was_killed_is_closed() -> None:
    child = Child.of(train_for_ever)
    run_id = child.wire.recv()
    assert run_id not in close_abandoned()
    assert status(run_id) == "RUNNING"
    child.process.kill()
    assert child.end() == -signal.SIGKILL
    assert status(run_id) == "RUNNING"  # it had no time to say anything else
    assert run_id in close_abandoned()
    assert status(run_id) == "KILLED"
    assert run_id not in close_abandoned()


@pytest.mark.usefixtures("workspace")
def test_only_a_run_all_of_whose_processes_are_known_to_be_dead_is_closed() -> None:
    me = Owner.me()
    dead, elsewhere = replace(me, began=0.0), Owner("another-machine", 1, 0.0)
    abandoned = [begun(dead), begun(dead, replace(dead, worker="crew/1"))]
    kept = [begun(me), begun(dead, me), begun(me, dead), begun(elsewhere), begun(dead, elsewhere), begun(owners="me")]
    closed = close_abandoned()
    assert [run_id for run_id in (*abandoned, *kept) if run_id in closed] == abandoned
    assert {status(run_id) for run_id in abandoned} == {"KILLED"}
    assert {status(run_id) for run_id in kept} == {"RUNNING"}
    for run_id in kept:
        MlflowClient().set_terminated(run_id)
    assert close_abandoned() == []
    assert {status(run_id) for run_id in kept} == {"FINISHED"}


def test_in_a_new_store_there_is_nothing_to_close_or_to_go_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlflow.get_tracking_uri", lambda: f"sqlite:///{tmp_path}/mlflow.db")
    assert close_abandoned() == []
    assert resumable_run("retrain.key", "a") is None


def made(key: str, *, minute: int, status: str | None, failure: str = "") -> str:
    """A run of that minute which has ended so, or is still open; its id."""
    with tracked_run("first", params={}, tags={}) as run:
        experiment = run.parent.experiment_id
    tags = {"retrain.key": key, **({FAILURE: failure} if failure else {})}
    run_id = str(MlflowClient().create_run(experiment, start_time=60_000 * minute, tags=tags).info.run_id)
    if status:
        MlflowClient().set_terminated(run_id, status)
    return run_id


@pytest.mark.usefixtures("workspace")
def test_the_newest_run_that_ended_early_is_gone_on_with() -> None:
    key, other = uuid4().hex, uuid4().hex
    assert resumable_run("retrain.key", key) is None
    diverged = f"{DivergedError.__name__}: the loss is not finite"
    for minute, state, failure in ((9, "FINISHED", ""), (8, None, ""), (7, "FAILED", diverged)):
        made(key, minute=minute, status=state, failure=failure)
    assert resumable_run("retrain.key", key) is None
    failed = made(key, minute=5, status="FAILED", failure="OSError: disk full")
    made(key, minute=4, status="KILLED")
    made(other, minute=10, status="KILLED")
    assert resumable_run("retrain.key", key) == failed
    killed = made(key, minute=6, status="KILLED")
    assert resumable_run("retrain.key", key) == killed
    MlflowClient().delete_run(killed)
    assert resumable_run("retrain.key", key) == failed
