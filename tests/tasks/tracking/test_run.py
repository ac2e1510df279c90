"""What the train flow's own test does not reach: runs that are broken, shared, gone on with, or too large."""

from __future__ import annotations

import errno
import json
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pandas as pd
import pytest
from children import Child
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from wattcast.model.errors import InputError
from wattcast.model.fit import Epoch
from wattcast.tasks.tracking.run import FAILURE, Run, _artifact_folder, _ending, tracked_run, waiting_folder


@pytest.mark.usefixtures("workspace")
def test_an_interrupted_run_is_killed_and_a_broken_one_failed() -> None:
    for error, status in ((KeyboardInterrupt(), "KILLED"), (OSError("disk full"), "FAILED")):
        with pytest.raises(type(error)), tracked_run("broken", params={}, tags={"a": "b"}) as run:
            raise error
        ended = MlflowClient().get_run(run.run_id)
        assert ended.info.status == status
        assert ended.data.tags["a"] == "b"
    assert ended.data.tags["failure"] == "OSError: disk full"


@pytest.mark.usefixtures("workspace")
def test_what_mlflow_would_refuse_is_made_to_fit() -> None:
    params = {f"option.{number}": "x" * 7000 for number in range(150)}
    with tracked_run("many", params=params, tags={}) as run:
        run.log_metrics({f"test_rmse.{number}": float(number) for number in range(1200)})
    data = MlflowClient().get_run(run.run_id).data
    assert len(data.params) == 150
    assert {len(value) for value in data.params.values()} == {6000}
    assert len(data.metrics) == 1200
    assert data.metrics["test_rmse.7"] == 7


@pytest.mark.usefixtures("workspace")
def test_the_curves_of_a_second_network_stand_under_its_number() -> None:
    """The first network keeps the names that a run of one network has."""
    first = Epoch("select", 1, 10, 0.5, 1.0, 2.0, 3.0, 4.0, 9.0, val_loss=5.0, val_mse=6.0, val_rmse=7.0)
    refit = replace(first, phase="refit", val_loss=None, val_mse=None, val_rmse=None)
    with tracked_run("curves", params={}, tags={}) as run:
        for epoch in (first, refit):
            run.log_epoch(epoch)
            run.log_epoch(replace(epoch, member=2, number=2, train_rmse=40.0, learning_rate=0.25))
        run.log_scores({"train_rmse": 3.5}, step=3)
    names = ["loss", "mse", "penalty", "rmse", "learning_rate", "seconds"]
    names = [f"train_{name}" for name in (*names, *(f"refit_{name}" for name in names))]
    names += ["val_loss", "val_mse", "val_rmse"]
    client = MlflowClient()
    metrics = client.get_run(run.run_id).data.metrics
    assert set(metrics) == {f"{prefix}{name}" for name in names for prefix in ("", "z_member_2_")}
    assert (metrics["train_refit_rmse"], metrics["z_member_2_train_refit_rmse"]) == (4.0, 40.0)
    assert (metrics["val_rmse"], metrics["z_member_2_val_rmse"]) == (7.0, 7.0)
    curves = {name: client.get_metric_history(run.run_id, name) for name in ("train_rmse", "z_member_2_train_rmse")}
    assert {name: [(point.step, point.value) for point in curve] for name, curve in curves.items()} == {
        "train_rmse": [(1, 4.0), (3, 3.5)],  # closed by the score of all networks together
        "z_member_2_train_rmse": [(2, 40.0)],
    }


@pytest.mark.usefixtures("workspace")
def test_a_run_taken_up_again_holds_each_epoch_and_score_once() -> None:
    """What came after the last checkpoint is trained again, and logged no second time."""
    first = Epoch("select", 1, 10, 0.5, 1.0, 2.0, 3.0, 4.0, 9.0, val_loss=5.0, val_mse=6.0, val_rmse=7.0)
    scores = {"train_rmse": 3.5, "test_rmse": 4.5}

    def train(run: Run, *, epochs: int, members: int) -> None:
        for member in range(1, members + 1):
            for phase in ("select", "refit"):
                for number in range(1, epochs + 1):
                    run.log_epoch(replace(first, phase=phase, member=member, number=number))

    def killed(run: Run) -> None:
        train(run, epochs=2, members=1)
        run.log_scores(scores, step=4)
        raise OSError("disk full")

    with pytest.raises(OSError, match="full"), tracked_run("killed", params={}, tags={}) as run:
        killed(run)
    for _ in range(2):
        with tracked_run("killed", params={}, tags={}, resume=run.run_id) as again:
            train(again, epochs=3, members=2)
            again.log_scores(scores, step=4)
    client = MlflowClient()
    steps = {
        name: [point.step for point in client.get_metric_history(run.run_id, name)]
        for name in client.get_run(run.run_id).data.metrics
    }
    assert steps["test_rmse"] == [0]
    assert sorted(steps["train_rmse"]) == [1, 2, 3, 4]
    curves = {name: sorted(each) for name, each in steps.items() if name not in {"test_rmse", "train_rmse"}}
    assert set(map(tuple, curves.values())) == {(1, 2, 3)}
    assert len(curves) == 4 * 9 - 1


def take_up(wire: Connection, run_id: str) -> None:
    """In a process of its own."""
    try:
        with tracked_run("yours", params={}, tags={}, resume=run_id):
            wire.send("taken up")
    except InputError as error:
        wire.send(str(error))


@pytest.mark.usefixtures("workspace")
def test_no_two_processes_train_one_run() -> None:
    with tracked_run("mine", params={}, tags={}) as run:
        said = Child.of(take_up, run.run_id).last_word()
    assert said == f"run {run.run_id} is being trained by another process: wait for it, or end it first"
    assert MlflowClient().get_run(run.run_id).info.status == "FINISHED"


@pytest.mark.usefixtures("workspace")
def test_a_run_taken_up_again_is_no_longer_failed() -> None:
    def break_down(run: Run) -> None:
        raise OSError(f"disk full in {run.run_id}")

    with pytest.raises(OSError, match="full") as error, tracked_run("broken", params={}, tags={}) as run:
        break_down(run)
    assert run.run_id in str(error.value)
    with tracked_run("broken", params={}, tags={}, resume=run.run_id) as again:
        assert (again.run_id, again.folder) == (run.run_id, run.folder)
    ended = MlflowClient().get_run(run.run_id)
    assert ended.info.status == "FINISHED"
    assert FAILURE not in ended.data.tags


def test_what_a_retraining_reads_of_a_file_is_a_data_set_of_its_own(workspace: Path, house: pd.DataFrame) -> None:
    frame = house.set_index("date")
    found = []
    for given in (frame, frame.head(2000), frame):
        with tracked_run("reading", params={}, tags={}) as run:
            run.log_dataset(given, source="file", origin="house.csv")
        (used,) = MlflowClient().get_run(run.run_id).inputs.dataset_inputs
        found.append((used.dataset.digest, json.loads(used.dataset.profile)["num_rows"]))
    assert [rows for _, rows in found] == [3024, 2000, 3024]
    assert found[0] == found[2]
    assert found[0][0] != found[1][0]


class Away:
    """A store far away, which can be gone: what a run asks of MLflow's client."""

    def __init__(self) -> None:
        self.gone, self.sent, self.closed = False, [], []

    def get_run(self, _run_id: str) -> SimpleNamespace:
        return SimpleNamespace(info=SimpleNamespace(artifact_uri="mlflow-artifacts:/1/a/artifacts"))

    def log_artifacts(self, _run_id: str, folder: str) -> None:
        self._require_answer()
        self.sent.append(sorted(file.name for file in Path(folder).iterdir()))

    def set_tag(self, _run_id: str, _name: str, _value: str) -> None:
        self._require_answer()

    def set_terminated(self, _run_id: str, status: str) -> None:
        self._require_answer()
        self.closed.append(status)

    def _require_answer(self) -> None:
        if self.gone:
            raise MlflowException("API request failed") from ConnectionError("Max retries exceeded")


def test_what_a_run_wrote_waits_for_a_store_that_is_gone_and_is_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    downloaded: list[str] = []
    monkeypatch.setattr("mlflow.artifacts.download_artifacts", lambda run_id, dst_path: downloaded.append(run_id))
    away, waiting = Away(), waiting_folder("a")
    away.gone = True
    with pytest.raises(MlflowException), _artifact_folder(cast("Any", away), "a", waiting=waiting) as run:
        run.write("network.keras", b"trained")
    assert (waiting / "network.keras").read_bytes() == b"trained"
    away.gone = False
    with _artifact_folder(cast("Any", away), "a", waiting=waiting) as run:
        assert (run.folder / "network.keras").read_bytes() == b"trained"
        run.write("report.html", "scored")
    assert away.sent == [["network.keras", "report.html"]]
    assert downloaded == ["a"]  # what waits here is newer than what lies there
    assert not waiting.exists()


def test_a_store_that_is_gone_hides_no_error_and_is_told_where_there_is_none(caplog: pytest.LogCaptureFixture) -> None:
    away = Away()
    with _ending(cast("Any", away), "a"):
        pass
    away.gone = True
    with pytest.raises(OSError, match="No space left"), _ending(cast("Any", away), "a"):
        raise OSError("No space left")
    with pytest.raises(MlflowException), _ending(cast("Any", away), "a"):
        pass
    assert away.closed == ["FINISHED"]
    told = "the run a could not be closed: `wattcast doctor --fix` does it once the store works"
    assert caplog.messages == [told] * 2


@pytest.mark.usefixtures("workspace")
def test_who_could_not_go_on_for_a_fault_around_is_told_the_way_on(caplog: pytest.LogCaptureFixture) -> None:
    full = OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(OSError, match="No space"), tracked_run("full", params={}, tags={}) as run:
        raise full
    goes_on = f"`wattcast train --resume {run.run_id}` goes on from the last epoch"
    assert caplog.messages[-1] == f"once that is mended, {goes_on}"
    with pytest.raises(ValueError, match="a bug"), tracked_run("bug", params={}, tags={}):
        raise ValueError("a bug")
    assert "goes on" not in caplog.messages[-1]
