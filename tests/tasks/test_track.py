"""What the train flow's own test does not reach: stores that are new, shared, remote or in the way."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from mlflow import MlflowClient

from model.errors import InputError
from tasks import track


def test_two_processes_may_open_a_new_store_at_once(tmp_path: Path) -> None:
    program = """
from tasks.track import tracked_run
with tracked_run("race", params={"a": 1}, tags={}) as run:
    print(run.run_id)
"""
    command = [sys.executable, "-c", program]
    processes = [
        subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in "ab"
    ]
    outputs = [process.communicate(timeout=200) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    assert len({out for out, _ in outputs}) == 2


@pytest.mark.usefixtures("workspace")
def test_an_interrupted_run_is_killed_and_a_broken_one_failed() -> None:
    for error, status in ((KeyboardInterrupt(), "KILLED"), (OSError("disk full"), "FAILED")):
        with pytest.raises(type(error)), track.tracked_run("broken", params={}, tags={"a": "b"}) as run:
            raise error
        ended = MlflowClient().get_run(run.run_id)
        assert ended.info.status == status
        assert ended.data.tags["a"] == "b"
    assert ended.data.tags["failure"] == "OSError: disk full"


@pytest.mark.usefixtures("workspace")
def test_where_the_artifacts_are_far_away_they_are_uploaded_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Elsewhere:
        scheme = "mlflow-artifacts"

    monkeypatch.setattr(track, "urlparse", lambda uri: Elsewhere)
    with track.tracked_run("remote", params={}, tags={}) as run:
        run.write("note.txt", "kept")
        client = MlflowClient()
        assert client.list_artifacts(run.run_id) == []
    assert [file.path for file in client.list_artifacts(run.run_id)] == ["note.txt"]
    assert not run.folder.exists()


@pytest.mark.usefixtures("workspace")
def test_a_deleted_experiment_is_said_with_the_way_back() -> None:
    with track.tracked_run("first", params={}, tags={}) as run:
        pass
    client = MlflowClient()
    experiment = client.get_run(run.run_id).info.experiment_id
    client.delete_experiment(experiment)
    try:
        with (
            pytest.raises(InputError, match=f"mlflow experiments restore --experiment-id {experiment}"),
            track.tracked_run("second", params={}, tags={}),
        ):
            pass
    finally:
        client.restore_experiment(experiment)


def test_outside_a_checkout_the_commit_is_unknown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(track, "__file__", str(tmp_path / "track.py"))
    assert track._git_commit() == "unknown"
