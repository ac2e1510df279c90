"""A sweep and a backtest on a Dask cluster: a study in PostgreSQL, runs on an MLflow server, and a worker shot."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any

import mlflow
import optuna
import pandas as pd
import pytest
from contests import own_imports
from endings import play_task
from mlflow import MlflowClient
from optuna.trial import FrozenTrial, TrialState
from prefect import flow
from servers import free_port, running, wait_until

from wattcast.flows.backtest import backtest
from wattcast.flows.experiment.experiment import read_experiment
from wattcast.flows.sweep import sweep
from wattcast.flows.tuning.side_by_side import SideBySide
from wattcast.model.errors import InputError
from wattcast.tasks.backtest.contest import Forecasts, Judged
from wattcast.tasks.backtest.kept import FOLD_FILE, from_bytes
from wattcast.tasks.tuning.storage import open_storage
from wattcast.tasks.tuning.study import REASON, TICKET

pytestmark = [pytest.mark.story, pytest.mark.usefixtures("prefect_server")]

TRIALS = 6
PROGRAMS = Path(sys.executable).parent


@contextmanager
def logged(*command: str, log: Path, **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as told, running(command, stdout=told, stderr=told, patience_s=30, **options) as process:
        yield process


def answers(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def postgresql(tmp_path: Path) -> Iterator[str]:
    """The URL of a database of the test's own."""
    pytest.importorskip("psycopg")
    places = [os.environ["PATH"], *map(str, Path("/usr/lib/postgresql").glob("*/bin"))]
    programs = {name: shutil.which(name, path=os.pathsep.join(places)) for name in ("initdb", "postgres")}
    if not all(programs.values()):
        pytest.skip("PostgreSQL is not installed")
    folder, port = tmp_path / "postgresql", free_port()
    folder.mkdir()
    owner: dict[str, object] = {}
    if os.geteuid() == 0:  # which PostgreSQL refuses to run as
        owner = {"user": "nobody"}
        shutil.chown(folder, "nobody")
        for above in (tmp_path, *tmp_path.parents[:3]):
            above.chmod(above.stat().st_mode | 0o011)
    make = [str(programs["initdb"]), "--pgdata", str(folder / "data"), "--username", "wattcast", "--auth", "trust"]
    subprocess.run(make, cwd=folder, check=True, capture_output=True, **owner)
    serve = [str(programs["postgres"]), "-D", str(folder / "data"), "-p", str(port), "-k", str(folder)]
    with logged(
        *serve,
        "-c",
        "listen_addresses=127.0.0.1",
        log=tmp_path / "postgresql.log",
        stop=signal.SIGINT,
        cwd=folder,
        **owner,
    ):
        wait_until(lambda: answers(port), "PostgreSQL")
        yield f"postgresql://wattcast:secret@127.0.0.1:{port}/postgres"


@pytest.fixture
def tracking(
    tmp_path: Path, served: Callable[..., AbstractContextManager[str]], monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """The address of an MLflow server."""
    folder = tmp_path / "tracking"
    folder.mkdir()
    with served(["mlflow", "server", "--workers", "1"], folder=folder, path="/health") as address:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        yield address


@dataclass(frozen=True)
class Cluster:
    address: str  # of the scheduler
    workers: tuple[subprocess.Popen[bytes], ...]


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """A Dask scheduler and two workers."""
    port = free_port()
    address = f"tcp://127.0.0.1:{port}"
    dask = [str(PROGRAMS / "dask")]
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "helpers")}  # where some of what is run lies
    schedule = [*dask, "scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard"]
    work = [*dask, "worker", address, "--host", "127.0.0.1", "--nthreads", "1", "--no-nanny", "--no-dashboard"]
    with logged(*schedule, log=tmp_path / "scheduler.log", env=env):
        wait_until(lambda: answers(port), "the scheduler")
        logs = [tmp_path / f"worker-{number}.log" for number in (1, 2)]
        with logged(*work, log=logs[0], env=env) as first, logged(*work, log=logs[1], env=env) as second:
            wait_until(lambda: all("Registered to" in log.read_text() for log in logs), "the workers")
            yield Cluster(address, (first, second))


def is_at_work(trial: FrozenTrial, pid: int) -> bool:
    return (
        trial.state == TrialState.RUNNING
        and bool(trial.intermediate_values)
        and trial.user_attrs.get("owner", {}).get("pid") == pid
    )


@pytest.mark.usefixtures("tracking")
def test_a_worker_that_is_shot_loses_no_trial(
    small: tuple[str, ...], postgresql: str, cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    experiment = read_experiment(settings=[*small, "fit.epochs=30", "fit.patience=30", "fit.refit=false"])
    storage, victim = open_storage(postgresql), cluster.workers[0]

    def trials() -> list[FrozenTrial]:
        names = optuna.get_all_study_names(storage)
        return optuna.load_study(study_name="wide", storage=storage).trials if "wide" in names else []

    def shoot() -> None:
        wait_until(lambda: any(is_at_work(trial, victim.pid) for trial in trials()), "a trial of the victim's", 120)
        victim.kill()

    shooter = Thread(target=shoot, daemon=True)
    shooter.start()
    swept = sweep(
        experiment,
        trials=TRIALS,
        folds=2,
        jobs=2,
        study="wide",
        storage=postgresql,
        seeds=2,
        pruner="none",
        runner="dask",
        address=cluster.address,
    )
    assert victim.wait(10) == -9
    assert swept.counts.complete == TRIALS
    assert len(swept.verdict.folds) == 2
    lost = [trial for trial in trials() if trial.state == TrialState.FAIL]
    complete = {trial.user_attrs[TICKET]: trial for trial in trials() if trial.state == TrialState.COMPLETE}
    assert [trial.user_attrs[REASON] for trial in lost] == ["its process ended before it did"]
    assert (len(trials()), sorted(complete)) == (TRIALS + 1, list(range(TRIALS)))
    assert complete[lost[0].user_attrs[TICKET]].params == lost[0].params
    client = MlflowClient()
    parent = client.get_run(swept.run_id)
    children = client.search_runs([parent.info.experiment_id], f"tags.`mlflow.parentRunId` = '{swept.run_id}'")
    assert parent.info.status == "FINISHED"
    assert "secret" not in str(parent.data)
    judged = (4 if swept.verdict.tuned else 2) * len(swept.verdict.folds)
    assert sorted(run.info.status for run in children) == ["FINISHED"] * (TRIALS + judged) + ["KILLED"]


def test_where_one_fails_on_a_cluster_the_others_end_before_anybody_hears_of_it(
    cluster: Cluster, tmp_path: Path
) -> None:
    """One that runs is told at its next epoch, one that waits for a worker does not begin."""
    folder, side_by_side = tmp_path / "parts", SideBySide("dask", cluster.address, 2)
    folder.mkdir()

    @flow(name="play")
    def playing() -> None:
        calls = [{"part": part, "folder": folder, "worker": "group"} for part in ("fails", "runs", "waits")]
        side_by_side.run(play_task, calls, worker="group", stop=told.append)

    told: list[BaseException] = []
    with pytest.raises(InputError, match="no such thing"):
        playing()
    assert [type(each) for each in told] == [InputError]
    assert sorted(file.name for file in folder.iterdir()) == ["runs began", "runs ended"]


ASKED: dict[str, Any] = {"folds": 3, "step": "1d", "train": "7d"}
MINE = """
import numpy as np

class Mine:
    def fit(self, readings):
        self.mean = readings["Appliances"].mean()

    def forecast(self, readings, ahead):
        return np.full(len(ahead), self.mean)
"""


def judged(run_id: str, folder: Path) -> dict[int, Judged]:
    """The folds of a backtest, from their runs."""
    client = MlflowClient()
    below = f"tags.`mlflow.parentRunId` = '{run_id}'"
    runs = client.search_runs([client.get_run(run_id).info.experiment_id], below)
    files = [
        mlflow.artifacts.download_artifacts(
            f"runs:/{run.info.run_id}/{FOLD_FILE}", dst_path=str(folder / run.info.run_id)
        )
        for run in runs
    ]
    folds = [from_bytes(Path(file).read_bytes()) for file in files]
    return {fold.number: fold for fold in folds}


@pytest.mark.usefixtures("tracking")
def test_a_backtest_on_a_cluster_is_that_of_threads_and_what_fails_there_is_told_once(
    small: tuple[str, ...], house: pd.DataFrame, cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A forecaster that this machine has and no worker is a fault of all of it, by name."""
    monkeypatch.chdir(tmp_path)
    house.iloc[-12 * 144 :].to_csv("house.csv", index=False)
    experiment = read_experiment(settings=[*small, "data=house.csv", "intervals=[0.9]"])
    on_cluster: dict[str, Any] = {"runner": "dask", "address": cluster.address}
    one = judged(backtest(experiment, **ASKED, jobs=2).run_id, tmp_path)
    other = judged(backtest(experiment, **ASKED, jobs=2, **on_cluster).run_id, tmp_path)
    assert sorted(one) == sorted(other) == [1, 2, 3]
    for number, fold in one.items():
        assert fold.made_at.equals(other[number].made_at)
        for name, mine in fold.outcomes.items():
            theirs = other[number].outcomes[name]
            assert isinstance(mine, Forecasts), name
            assert isinstance(theirs, Forecasts), name
            assert mine.point.tobytes() == theirs.point.tobytes(), name
            assert mine.bounds is not None
            assert theirs.bounds is not None
            assert mine.bounds.tobytes() == theirs.bounds.tobytes(), name
    Path("mine.py").write_text(MINE)
    with (
        own_imports(),
        pytest.raises(InputError, match=r"^there is no module 'mine' for 'mine:Mine': neither mine\.py in"),
    ):
        backtest(experiment, **ASKED, jobs=2, against=("mine:Mine",), **on_cluster)
    client = MlflowClient()
    everything = client.search_runs(["1"])
    assert "RUNNING" not in {run.info.status for run in everything}
    (failed,) = [run for run in everything if run.data.tags.get("job") == "backtest" and run.info.status == "FAILED"]
    assert failed.data.tags["failure"].startswith("InputError: there is no module 'mine'")
