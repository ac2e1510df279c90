"""Stores that are new, shared, remote or in the way."""

from __future__ import annotations

from multiprocessing.connection import Connection
from pathlib import Path

import pytest
from children import Child
from mlflow import MlflowClient

from wattcast.model.errors import InputError
from wattcast.tasks.tracking.past_runs import unfinished_run
from wattcast.tasks.tracking.run import tracked_run
from wattcast.tasks.tracking.store import store_client


def track(wire: Connection) -> None:
    with tracked_run("race", params={"a": 1}, tags={}) as run:
        wire.send(run.run_id)


def test_two_processes_may_open_a_new_store_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    children = [Child.of(track) for _ in "ab"]
    assert len({child.last_word() for child in children}) == 2
    assert (tmp_path / "mlflow.db").exists()


@pytest.mark.parametrize("uri", ["file:./mlruns", "nonsense://x"])
def test_a_store_that_cannot_be_used_is_named(uri: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("mlflow.get_tracking_uri", lambda: uri)
    with pytest.raises(InputError, match=f"the tracking store {uri} cannot be used"):
        unfinished_run("any")


def test_a_folder_that_mlflow_would_mistake_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = tmp_path / "50% # why?"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setattr("mlflow.get_tracking_uri", lambda: f"sqlite:///{folder}/mlflow.db")
    with pytest.raises(InputError, match="the working folder's name has"):
        unfinished_run("any")
    assert list(folder.iterdir()) == []


@pytest.mark.usefixtures("workspace")
def test_a_deleted_experiment_is_said_with_the_way_back() -> None:
    with tracked_run("first", params={}, tags={}) as run:
        pass
    client = MlflowClient()
    experiment = client.get_run(run.run_id).info.experiment_id
    client.delete_experiment(experiment)
    try:
        with (
            pytest.raises(InputError, match=f"mlflow experiments restore --experiment-id {experiment}"),
            tracked_run("second", params={}, tags={}),
        ):
            pass
    finally:
        client.restore_experiment(experiment)


@pytest.mark.parametrize(
    "uri", ["mssql+nosuchdriver://anna:planted@host/x", "postgresql+nosuchdriver://anna:planted@host/x"]
)
def test_a_database_without_its_driver_is_told_without_its_password(uri: str) -> None:
    with pytest.raises(InputError, match=r"nosuchdriver://anna:\*\*\*@host/x cannot be used"):
        store_client(uri)
