"""A backtest from end to end: real Prefect, real MLflow, real if tiny networks; one is ended, and goes on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import mlflow
import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run
from tracing import count_traces

from wattcast.flows.backtest import Backtested, backtest
from wattcast.flows.cli.show_backtest import backtested_record, show_backtested
from wattcast.flows.contest import fold as contest_fold
from wattcast.flows.experiment.experiment import Experiment, read_experiment
from wattcast.model.errors import InputError
from wattcast.tasks.backtest.contest import Forecasts, Judged
from wattcast.tasks.backtest.kept import from_bytes

pytestmark = pytest.mark.usefixtures("workspace", "prefect_server")
ASKED: dict[str, Any] = {"folds": 3, "step": "2d", "train": "7d"}
NETWORKS = ("recommended units=4 head=direct batch_size=512 epochs=2 +4 more", "log")
NAMES = (*NETWORKS, "persistence", "daily_naive", "weekly_naive", "ridge")


@pytest.fixture(scope="module")
def experiment(small: tuple[str, ...], house: pd.DataFrame, workspace: Path) -> Experiment:
    file = workspace / "folded.csv"
    house.to_csv(file, index=False)
    return read_experiment(settings=[*small, f"data={file}", "intervals=[0.9]"])


@pytest.fixture(scope="module")
def rival(workspace: Path) -> str:
    """The same with the logarithm of the load: another scaler in each fold."""
    file = workspace / "log.toml"
    sizes = "layers = [{ units = 4 }]\n[window]\nlookback = 8\n[fit]\nbatch_size = 512\nepochs = 1\nmembers = 1\n"
    file.write_text(f'[scale]\ntargets = "log"\n[model]\n{sizes}', encoding="utf-8")
    return str(file)


@pytest.fixture(scope="module")
def backtested(experiment: Experiment, rival: str) -> Backtested:
    return backtest(experiment, **ASKED, against=(rival,), jobs=2)


@pytest.fixture(scope="module")
def run(backtested: Backtested) -> Run:
    return MlflowClient().get_run(backtested.run_id)


def folds_of(run_id: str) -> dict[int, Run]:
    """The runs below one that have ended well, by the numbers of their folds."""
    client = MlflowClient()
    experiment_id = client.get_run(run_id).info.experiment_id
    below = f"tags.`mlflow.parentRunId` = '{run_id}' and attributes.status = 'FINISHED'"
    runs = client.search_runs([experiment_id], below)
    assert len(runs) == len({run.data.tags["fold"] for run in runs}), "a fold was repeated"
    return {int(run.data.tags["fold"]): run for run in runs}


def folder(run: Run) -> Path:
    return Path(urlparse(run.info.artifact_uri).path)


def judged(run: Run) -> Judged:
    return from_bytes((folder(run) / "fold.npz").read_bytes())


def test_the_run_says_what_was_done(run: Run, backtested: Backtested, experiment: Experiment) -> None:
    assert run.info.status == "FINISHED"
    assert run.info.run_name.startswith("backtest recommended ")
    assert run.info.run_name.endswith(" seed 0 folded 3 x 2d")
    assert {name: str(value) for name, value in experiment.flat().items()}.items() <= run.data.params.items()
    assert run.data.params["backtest.folds"] == "3"
    assert run.data.params["backtest.against"] == ", ".join(NAMES[1:])
    assert (run.data.tags["job"], run.data.tags["data.source"]) == ("backtest", "file")
    assert run.data.tags["recommended"] in NAMES
    assert run.data.tags["mlflow.note.content"].startswith(backtested.sentence)


def test_all_are_scored_on_the_same_forecasts(run: Run, backtested: Backtested) -> None:
    verdict = backtested.verdict
    assert verdict.asked == NETWORKS[0]
    assert {standing.name for standing in verdict.standings} == set(NAMES)
    assert verdict.days == 6
    assert verdict.naive in {"persistence", "daily_naive", "weekly_naive"}
    metrics = run.data.metrics
    ours = verdict.standing(NETWORKS[0])
    assert ours is not None
    assert metrics["backtest_rmse"] == ours.overall.rmse
    assert metrics["backtest_vs_ridge_rmse"] > 0
    assert metrics["backtest_coverage_90"] == ours.overall.coverage[0]
    course = MlflowClient().get_metric_history(run.info.run_id, "backtest_rmse_by_fold")
    assert {point.step: point.value for point in course} == {
        number: score.rmse for number, score in enumerate(ours.by_fold, start=1)
    }


def test_each_fold_is_a_run_with_proofs_and_forecasts(run: Run) -> None:
    below = folds_of(run.info.run_id)
    assert sorted(below) == [1, 2, 3]
    for number, each in below.items():
        proofs = json.loads((folder(each) / "leakage.json").read_text(encoding="utf-8"))
        assert set(proofs) == set(NETWORKS), "another lookback and another scaler are proved by themselves"
        assert all(proof["passed"] for proved in proofs.values() for proof in proved.values())
        fold = judged(each)
        assert (fold.number, tuple(fold.outcomes), len(fold.made_at)) == (number, NAMES, 288)
        assert str(fold.cut) == each.data.params["known.to"] == str(fold.made_at[0])
        assert all(isinstance(outcome, Forecasts) for outcome in fold.outcomes.values())
        assert each.data.metrics["backtest_seconds"] == fold.seconds[NETWORKS[0]]


def test_it_is_shown_and_recorded(backtested: Backtested, capsys: pytest.CaptureFixture[str]) -> None:
    show_backtested(backtested)
    shown = capsys.readouterr().out
    assert backtested.sentence in shown
    assert backtested.run_id in shown
    record = json.loads(json.dumps(backtested_record(backtested)))
    assert record["run_id"] == backtested.run_id
    assert record["sentence"] == backtested.sentence


def test_one_that_is_ended_goes_on_and_comes_to_the_same(
    backtested: Backtested, experiment: Experiment, rival: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The longest fold comes first and is kept; the others are bit for bit those of the backtest that nobody ended."""
    original, begun = contest_fold.forecast_fold, []

    def ended(contestants: Any, fold: Any) -> Any:
        begun.append(fold.number)
        if fold.number == 2:
            raise KeyboardInterrupt
        return original(contestants, fold)

    monkeypatch.setattr(contest_fold, "forecast_fold", ended)
    with pytest.raises(KeyboardInterrupt):
        backtest(experiment, **ASKED, against=(rival,), jobs=1)
    monkeypatch.undo()
    client = MlflowClient()
    parent = client.get_run(backtested.run_id).info.experiment_id
    (first, *_) = client.search_runs([parent], "tags.job = 'backtest'", order_by=["attributes.start_time DESC"])
    run_id = first.info.run_id
    assert first.info.status in {"KILLED", "FAILED"}
    kept = folds_of(run_id)
    assert list(kept) == [3]
    Path(rival).rename(f"{rival}.away")  # what was asked for lies in the run
    traces = count_traces(monkeypatch)
    again = backtest(resume=run_id)
    Path(f"{rival}.away").rename(rival)
    assert not traces, "all folds share the programs of the first one"
    assert again.run_id == run_id
    after = folds_of(run_id)
    assert after[3].info.run_id == kept[3].info.run_id
    for number, one in folds_of(backtested.run_id).items():
        whole, resumed = judged(one), judged(after[number])
        assert whole.made_at.equals(resumed.made_at)
        for name in NAMES:
            mine, other = whole.outcomes[name], resumed.outcomes[name]
            assert isinstance(mine, Forecasts)
            assert isinstance(other, Forecasts)
            assert mine.point.tobytes() == other.point.tobytes()
            assert mine.bounds is not None
            assert other.bounds is not None
            assert mine.bounds.tobytes() == other.bounds.tobytes()
    assert again.sentence == backtested.sentence
    with pytest.raises(InputError, match="has finished, there is nothing to resume"):
        backtest.fn(resume=run_id)


def test_a_run_of_another_command_is_not_resumed(backtested: Backtested) -> None:
    from wattcast.flows.train import train

    with pytest.raises(InputError, match="not of `wattcast train`: go on with `wattcast backtest --resume`"):
        train.fn(resume=backtested.run_id)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"step": "12h"}, "step must be a duration"),
        ({"folds": 9}, r"9 folds of 2d leave less than the 7d .* at most 7 folds"),
        ({"step": "30d"}, "is longer than the readings"),
        ({"against": ("recommendet",)}, "nobody in a backtest is called 'recommendet': did you mean 'recommended'"),
        ({"against": ("absent.toml",)}, "'absent.toml' cannot be read"),
        ({"against": ("ridge", "mine.absent:Mine")}, "there is no module 'mine'"),
        ({"runner": "dask"}, "needs the address of a scheduler"),
    ],
)
def test_what_cannot_be_folded_leaves_no_run(experiment: Experiment, changes: dict, message: str) -> None:
    client = MlflowClient()
    before = len(client.search_runs(["1"]))
    with pytest.raises(InputError, match=message):
        backtest.fn(experiment, **{**ASKED, **changes})
    assert len(client.search_runs(["1"])) == before
    assert mlflow.active_run() is None
