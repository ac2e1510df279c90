"""A password that is planted where users have theirs is found nowhere afterwards."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pandas as pd
import pytest
from prefect import get_client
from prefect.client.schemas.filters import FlowRunFilter, LogFilter
from prefect.settings import PREFECT_HOME

from wattcast.flows.experiment.experiment import read_experiment
from wattcast.flows.guarded import Guarded, refuse_secrets
from wattcast.flows.sweep import sweep
from wattcast.flows.train import train
from wattcast.model.errors import InputError
from wattcast.model.telling import masked

SECRET = "Planted-9f3c"


@pytest.fixture
def own_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, and in the environment the password of the tracking server."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_RUN_ID", raising=False)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", f"{SECRET}-of-mlflow")
    return tmp_path


def everything(folder: Path) -> Iterator[tuple[str, bytes]]:
    for file in folder.rglob("*"):
        if file.is_file():
            yield str(file), file.read_bytes()
        yield "name", str(file).encode()


def kept_by_prefect() -> Iterator[tuple[str, bytes]]:
    """What its API tells of all flow runs and of what was logged, and the files of its home, its database included."""
    with get_client(sync_client=True) as client:
        for run in client.read_flow_runs(flow_run_filter=FlowRunFilter()):
            yield f"flow run {run.name}", run.model_dump_json().encode()
        for line in client.read_logs(LogFilter()):
            yield "log", line.message.encode()
    yield from everything(Path(PREFECT_HOME.value()))


@pytest.mark.story
@pytest.mark.usefixtures("prefect_server")
def test_a_planted_password_is_in_nothing_that_a_sweep_and_its_failures_leave_behind(
    small: tuple[str, ...], house: pd.DataFrame, own_store: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The longest of these tests: no capability less than a whole sweep shows where a password would come out."""
    house.tail(1200).to_csv("house.csv", index=False)
    experiment = read_experiment(settings=[*small, "fit.epochs=1", "data=house.csv"])
    database = f"sqlite:///file:study.db?mode=rwc&uri=true&password={SECRET}"
    swept = sweep(experiment, trials=1, jobs=1, seeds=2, study="planted", storage=database)
    assert swept.counts.complete == 1
    with pytest.raises(InputError):
        sweep(experiment, trials=1, seeds=2, study="refused", storage=f"postgresql://me:{SECRET}@127.0.0.1:9/x")
    for data in (f"https://me:{SECRET}@host/house.csv", f"https://me:{SECRET}@host"):
        with pytest.raises(InputError):
            train(experiment.changed({"data": data}))
    streams = capfd.readouterr()
    left = [*everything(own_store), *kept_by_prefect(), ("screen", f"{streams.out}{streams.err}".encode())]
    assert len(left) > 20
    assert [where for where, content in left if SECRET.encode() in content] == []
    assert any(b"password=***" in content for where, content in left if where.startswith("flow run sweep-"))


@pytest.mark.usefixtures("prefect_server")
def test_prefect_gets_a_flows_parameters_without_passwords_and_the_function_gets_them_whole() -> None:
    seen = []

    def keep(where: str, deep: dict[str, list[str]], count: int) -> None:
        seen.append((where, deep, count))

    url = f"postgresql://me:{SECRET}@host/{uuid4().hex}"
    Guarded(keep, name="masking")(url, {"a": [url]}, 3)
    assert seen == [(url, {"a": [url]}, 3)]
    with get_client(sync_client=True) as client:
        runs = client.read_flow_runs(flow_run_filter=FlowRunFilter())
    (kept,) = [run.parameters for run in runs if run.parameters.get("where") == masked(url)]
    assert kept == {"where": masked(url), "deep": {"a": [masked(url)]}, "count": 3}


def test_a_deployments_run_refuses_a_password_as_prefect_has_it_already(monkeypatch: pytest.MonkeyPatch) -> None:
    refuse_secrets(storage="postgresql://me:secret@host/x")
    monkeypatch.setattr("prefect.runtime.deployment.id", "d1", raising=False)
    refuse_secrets(storage="postgresql://me:***@host/x")
    with pytest.raises(
        InputError, match=r"change that password, and give storage without it, as postgresql://me:\*\*\*@"
    ):
        refuse_secrets(storage="postgresql://me:secret@host/x")


def test_credentials_of_the_tracking_server_leave_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    from wattcast.tasks.tracking import store

    for name in ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    asked = [f"http://me:{SECRET}@127.0.0.1:9"]
    monkeypatch.setattr("mlflow.get_tracking_uri", lambda: asked[-1])
    monkeypatch.setattr("mlflow.set_tracking_uri", asked.append)
    assert store.tracking_uri() == "http://127.0.0.1:9"
    assert store.tracking_uri() == "http://127.0.0.1:9"
    assert (os.environ["MLFLOW_TRACKING_USERNAME"], os.environ["MLFLOW_TRACKING_PASSWORD"]) == ("me", SECRET)
    assert asked[1:] == ["http://127.0.0.1:9"]
