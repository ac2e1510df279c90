"""What the train flow's own test does not reach: stores that are new, shared, remote or in the way."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from uuid import uuid4

import pandas as pd
import pytest
from mlflow import MlflowClient

from model.errors import InputError
from model.fit import DivergedError, Epoch
from tasks import track
from tasks.owner import Owner


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
def test_what_mlflow_would_refuse_is_made_to_fit() -> None:
    params = {f"option.{number}": "x" * 7000 for number in range(150)}
    with track.tracked_run("many", params=params, tags={}) as run:
        run.log_metrics({f"test_rmse/Licht (Wh) {number}": float(number) for number in range(1200)})
    data = MlflowClient().get_run(run.run_id).data
    assert len(data.params) == 150
    assert {len(value) for value in data.params.values()} == {6000}
    assert len(data.metrics) == 1200
    assert data.metrics["test_rmse/Licht _Wh_ 7"] == 7


@pytest.mark.usefixtures("workspace")
def test_the_curves_of_a_second_network_stand_under_its_number() -> None:
    """The first network keeps the names that a run of one network has."""
    first = Epoch("select", 1, 10, 0.5, 1.0, 2.0, 3.0, 4.0, 9.0, val_loss=5.0, val_mse=6.0, val_rmse=7.0)
    refit = replace(first, phase="refit", val_loss=None, val_mse=None, val_rmse=None)
    with track.tracked_run("curves", params={}, tags={}) as run:
        for epoch in (first, refit):
            run.log_epoch(epoch)
            run.log_epoch(replace(epoch, member=2, number=2, train_rmse=40.0, learning_rate=0.25))
        run.log_scores({"train_rmse": 3.5}, step=3)
    names = ["train_loss", "train_mse", "train_penalty", "train_rmse", "learning_rate", "seconds"]
    names += [f"refit_{name}" for name in names] + ["val_loss", "val_mse", "val_rmse"]
    client = MlflowClient()
    metrics = client.get_run(run.run_id).data.metrics
    assert set(metrics) == {f"{name}{suffix}" for name in names for suffix in ("", "/member_2")}
    assert (metrics["refit_train_rmse"], metrics["refit_train_rmse/member_2"]) == (4.0, 40.0)
    assert (metrics["val_rmse"], metrics["val_rmse/member_2"]) == (7.0, 7.0)
    curves = {name: client.get_metric_history(run.run_id, name) for name in ("train_rmse", "train_rmse/member_2")}
    assert {name: [(point.step, point.value) for point in curve] for name, curve in curves.items()} == {
        "train_rmse": [(1, 4.0), (3, 3.5)],  # closed by the score of all networks together
        "train_rmse/member_2": [(2, 40.0)],
    }


@pytest.mark.usefixtures("workspace")
def test_no_two_processes_train_one_run() -> None:
    with track.tracked_run("mine", params={}, tags={}) as run:
        program = f"""
from model.errors import InputError
from tasks.track import tracked_run
try:
    with tracked_run("yours", params={{}}, tags={{}}, resume={run.run_id!r}):
        pass
except InputError as error:
    print(error)
"""
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert f"run {run.run_id} is being trained by another process" in done.stdout
    assert MlflowClient().get_run(run.run_id).info.status == "FINISHED"


@pytest.mark.usefixtures("workspace")
def test_a_run_taken_up_again_is_no_longer_failed() -> None:
    def break_down(run: track.Run) -> None:
        raise OSError(f"disk full in {run.run_id}")

    with pytest.raises(OSError, match="full") as error, track.tracked_run("broken", params={}, tags={}) as run:
        break_down(run)
    assert run.run_id in str(error.value)
    with track.tracked_run("broken", params={}, tags={}, resume=run.run_id) as again:
        assert (again.run_id, again.folder) == (run.run_id, run.folder)
    ended = MlflowClient().get_run(run.run_id)
    assert ended.info.status == "FINISHED"
    assert track.FAILURE not in ended.data.tags


@pytest.mark.parametrize("uri", ["file:./mlruns", "nonsense://x"])
def test_a_store_that_cannot_be_used_is_named(uri: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(track.mlflow, "get_tracking_uri", lambda: uri)
    with pytest.raises(InputError, match=f"the tracking store {uri} cannot be used"):
        track.unfinished_run("any")


def test_a_folder_that_mlflow_would_mistake_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = tmp_path / "50% # why?"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setattr(track.mlflow, "get_tracking_uri", lambda: f"sqlite:///{folder}/mlflow.db")
    with pytest.raises(InputError, match="the working folder's name has"):
        track.unfinished_run("any")
    assert list(folder.iterdir()) == []


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


def test_a_user_without_a_name_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found: 12345")

    monkeypatch.setattr("getpass.getuser", nameless)
    assert track.user() == "unknown"


def test_outside_a_checkout_the_commit_is_unknown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(track, "__file__", str(tmp_path / "track.py"))
    assert track._git_commit() == "unknown"


def begun(*owners: Owner, **tags: str) -> str:
    """An open run of these processes; its id."""
    with track.tracked_run("first", params={}, tags={}) as run:
        experiment = run.parent.experiment_id
    names = ["owner", *(f"owner.{number}" for number in range(1, len(owners)))]
    at_work = {name: json.dumps(asdict(owner)) for name, owner in zip(names, owners, strict=False)}
    return str(MlflowClient().create_run(experiment, tags={**at_work, **tags}).info.run_id)


def status(run_id: str) -> str:
    return str(MlflowClient().get_run(run_id).info.status)


@pytest.mark.usefixtures("workspace")
def test_the_run_of_a_process_that_was_killed_is_closed() -> None:
    program = """
import sys
from tasks.track import tracked_run
with tracked_run("killed", params={}, tags={}) as run:
    print(run.run_id, flush=True)
    sys.stdin.read()
"""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", program], text=True, **pipes) as process:
        assert process.stdout
        run_id = process.stdout.readline().strip()
        assert run_id not in track.close_abandoned()
        assert status(run_id) == "RUNNING"
        process.kill()
    assert status(run_id) == "RUNNING"  # it had no time to say anything else
    assert run_id in track.close_abandoned()
    assert status(run_id) == "KILLED"
    assert run_id not in track.close_abandoned()


@pytest.mark.usefixtures("workspace")
def test_only_a_run_all_of_whose_processes_are_known_to_be_dead_is_closed() -> None:
    me = Owner.me()
    dead, elsewhere = replace(me, began=0.0), Owner("another-machine", 1, 0.0)
    abandoned = [begun(dead), begun(dead, replace(dead, worker="crew/1"))]
    kept = [begun(me), begun(dead, me), begun(me, dead), begun(elsewhere), begun(dead, elsewhere), begun(owners="me")]
    closed = track.close_abandoned()
    assert [run_id for run_id in (*abandoned, *kept) if run_id in closed] == abandoned
    assert {status(run_id) for run_id in abandoned} == {"KILLED"}
    assert {status(run_id) for run_id in kept} == {"RUNNING"}
    for run_id in kept:
        MlflowClient().set_terminated(run_id)
    assert track.close_abandoned() == []
    assert {status(run_id) for run_id in kept} == {"FINISHED"}


def test_in_a_new_store_there_is_nothing_to_close_or_to_go_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(track.mlflow, "get_tracking_uri", lambda: f"sqlite:///{tmp_path}/mlflow.db")
    assert track.close_abandoned() == []
    assert track.resumable_run("retrain.key", "a") is None


def made(key: str, *, minute: int, status: str | None, failure: str = "") -> str:
    """A run of that minute which has ended so, or is still open; its id."""
    with track.tracked_run("first", params={}, tags={}) as run:
        experiment = run.parent.experiment_id
    tags = {"retrain.key": key, **({track.FAILURE: failure} if failure else {})}
    run_id = str(MlflowClient().create_run(experiment, start_time=60_000 * minute, tags=tags).info.run_id)
    if status:
        MlflowClient().set_terminated(run_id, status)
    return run_id


@pytest.mark.usefixtures("workspace")
def test_the_newest_run_that_ended_early_is_gone_on_with() -> None:
    key, other = uuid4().hex, uuid4().hex
    assert track.resumable_run("retrain.key", key) is None
    diverged = f"{DivergedError.__name__}: the loss is not finite"
    for minute, state, failure in ((9, "FINISHED", ""), (8, None, ""), (7, "FAILED", diverged)):
        made(key, minute=minute, status=state, failure=failure)
    assert track.resumable_run("retrain.key", key) is None
    failed = made(key, minute=5, status="FAILED", failure="OSError: disk full")
    made(key, minute=4, status="KILLED")
    made(other, minute=10, status="KILLED")
    assert track.resumable_run("retrain.key", key) == failed
    killed = made(key, minute=6, status="KILLED")
    assert track.resumable_run("retrain.key", key) == killed
    MlflowClient().delete_run(killed)
    assert track.resumable_run("retrain.key", key) == failed


def test_what_a_retraining_reads_of_a_file_is_a_data_set_of_its_own(workspace: Path, house: pd.DataFrame) -> None:
    frame = house.set_index("date")
    found = []
    for given in (frame, frame.head(2000), frame):
        with track.tracked_run("reading", params={}, tags={}) as run:
            run.log_dataset(given, source="file", origin="house.csv")
        (used,) = MlflowClient().get_run(run.run_id).inputs.dataset_inputs
        found.append((used.dataset.digest, json.loads(used.dataset.profile)["num_rows"]))
    assert [rows for _, rows in found] == [3024, 2000, 3024]
    assert found[0] == found[2]
    assert found[0][0] != found[1][0]
