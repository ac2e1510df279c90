"""A replay from end to end: real Prefect, real MLflow, real if tiny networks; and nothing that it knew too early."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlparse

import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from wattcast.flows.cli.show_replay import replayed_record, show_replayed
from wattcast.flows.experiment.experiment import Experiment, read_experiment
from wattcast.flows.prepare import fetch
from wattcast.flows.replay import Replayed, _require, replay
from wattcast.model.errors import InputError

pytestmark = pytest.mark.usefixtures("workspace", "prefect_server")
CUTS = ["2016-01-25 00:00:00", "2016-01-27 12:00:00", "2016-01-30 00:00:00"]
NAMES = ("never", "always", "gated", "ridge", "persistence")


def replays() -> list[Run]:
    client = MlflowClient()
    experiment = client.get_experiment_by_name("appliances-energy")
    return client.search_runs([experiment.experiment_id], "tags.job = 'replay'") if experiment else []


@pytest.fixture(scope="module")
def settings(small: tuple[str, ...]) -> list[str]:
    """A network of three weeks needs a few more updates to beat persistence."""
    sizes = ("fit.batch_size=64", "fit.epochs=3", "gate.holdout_days=3")
    return [*small, *sizes]


@pytest.fixture(scope="module")
def experiment(settings: list[str], house: pd.DataFrame, workspace: Path) -> Experiment:
    file = workspace / "replayed.csv"
    house.to_csv(file, index=False)  # until 2016-02-01 16:50
    return read_experiment(settings=[*settings, f"data={file}"])


@pytest.fixture(scope="module")
def replayed(experiment: Experiment) -> Replayed:
    return replay(experiment, every="60h", start=pd.Timestamp(CUTS[0]).to_pydatetime())


@pytest.fixture(scope="module")
def run(replayed: Replayed) -> Run:
    return MlflowClient().get_run(replayed.run_id)


@pytest.fixture(scope="module")
def artifacts(run: Run) -> Path:
    return Path(urlparse(run.info.artifact_uri).path)


def test_the_run_says_what_was_done(run: Run, experiment: Experiment) -> None:
    assert run.info.status == "FINISHED"
    assert re.fullmatch(r"replay recommended .* seed 0 replayed every 60h", run.info.run_name)
    assert {name: str(value) for name, value in experiment.flat().items()}.items() <= run.data.params.items()
    assert run.data.params["replay.every"] == "60h"
    assert run.data.params["replay.start"] == CUTS[0]
    assert run.data.params["gate.holdout_days"] == "3.0"
    assert (run.data.tags["job"], run.data.tags["data.source"]) == ("replay", "file")
    assert len(run.data.tags["data.sha256"]) == 64
    (used,) = run.inputs.dataset_inputs
    assert json.loads(used.dataset.profile)["num_rows"] == 3024


def test_the_registry_is_left_alone(replayed: Replayed) -> None:
    assert not MlflowClient().search_model_versions(f"run_id = '{replayed.run_id}'")


def test_scores_are_metrics_and_courses(run: Run, replayed: Replayed) -> None:
    metrics, worth = run.data.metrics, replayed.worth
    outcomes = {outcome.name: outcome for outcome in (*worth.policies, *worth.baselines)}
    assert tuple(outcomes) == NAMES
    for name, outcome in outcomes.items():
        assert metrics[f"replay_{name}_rmse"] == outcome.rmse
        assert metrics[f"replay_{name}_mae"] == outcome.mae
        course = MlflowClient().get_metric_history(run.info.run_id, f"replay_{name}_rmse_by_cut")
        assert {point.step: point.value for point in course} == dict(enumerate(outcome.by_cut, start=1))
    assert metrics["replay_never_trainings"] == 1
    assert metrics["replay_gated_trainings"] == 3
    assert metrics["replay_never_seconds"] < metrics["replay_always_seconds"] == metrics["replay_gated_seconds"]
    assert run.data.tags["recommended"] == worth.recommended.name
    assert run.data.tags["recommended.why"] == worth.sentence


def test_the_first_week_is_the_first_models(replayed: Replayed) -> None:
    never, always, _ = replayed.worth.policies
    assert never.by_cut[0] == always.by_cut[0]
    assert never.by_cut[1] != always.by_cut[1]


def test_each_cut_has_a_decision(replayed: Replayed, artifacts: Path) -> None:
    rows = [*csv.DictReader(io.StringIO((artifacts / "replay.csv").read_text()))]
    assert [row["cut"] for row in rows] == CUTS == [cut.at for cut in replayed.worth.cuts]
    assert "persistence" in rows[0]["reason"]
    assert rows[0]["decision"] == "promoted"
    assert all("the champion" in row["reason"] or "persistence" in row["reason"] for row in rows[1:])
    for row, cut in zip(rows, replayed.worth.cuts, strict=True):
        assert (row["decision"] == "promoted", row["reason"]) == (cut.promoted, cut.reason)
        assert float(row["seconds"]) > 0


def test_a_page_and_a_picture(replayed: Replayed, artifacts: Path) -> None:
    assert Path(replayed.report) == artifacts / "replay.html"
    page = (artifacts / "replay.html").read_text(encoding="utf-8")
    assert replayed.run_id in page
    assert replayed.worth.sentence in page
    assert (artifacts / "replay.png").read_bytes().startswith(b"\x89PNG")
    assert read_experiment(config=artifacts / "config.toml").data == str(artifacts.parents[3] / "replayed.csv")


def test_it_is_shown_and_recorded(replayed: Replayed, capsys: pytest.CaptureFixture[str]) -> None:
    show_replayed(replayed)
    shown = capsys.readouterr().out
    assert replayed.worth.sentence in shown
    assert replayed.report in shown
    record = json.loads(json.dumps(replayed_record(replayed)))
    assert record["recommended"] == replayed.worth.recommended.name
    assert [cut["at"] for cut in record["cuts"]] == CUTS
    assert [policy["name"] for policy in record["policies"]] == ["never", "always", "gated"]


def test_what_comes_later_changes_nothing_before_it(
    replayed: Replayed, settings: list[str], house: pd.DataFrame, tmp_path: Path
) -> None:
    """Other readings after the second cut: what was decided up to it and forecast before it is the same, bit for bit.

    The networks are trained anew, through the whole way from file to forecasts.
    """
    altered = house.copy()
    later = altered["date"] > pd.Timestamp(CUTS[1])
    altered.loc[later, "Appliances"] = np.random.default_rng(0).integers(1, 60, int(later.sum())) * 10
    altered.to_csv(tmp_path / "altered.csv", index=False)
    experiment = read_experiment(settings=[*settings, f"data={tmp_path / 'altered.csv'}"])
    again = replay(experiment, every="60h", start=pd.Timestamp(CUTS[0]).to_pydatetime())
    for one, other in zip(replayed.worth.cuts[:2], again.worth.cuts[:2], strict=True):
        assert (one.at, one.promoted, one.reason) == (other.at, other.promoted, other.reason)
    for before, after in zip(
        (*replayed.worth.policies, *replayed.worth.baselines),
        (*again.worth.policies, *again.worth.baselines),
        strict=True,
    ):
        assert before.by_cut[0] == after.by_cut[0]
        assert before.by_cut[1] != after.by_cut[1]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"every": "weekly"}, "every must be a duration"),
        ({"every": "12h"}, "at least 1d"),
        ({"every": "30d"}, r"at most \d+d, received '30d'"),
        ({"start": pd.Timestamp("2015-01-01").to_pydatetime()}, "start must lie within the readings"),
        ({"start": pd.Timestamp("2016-02-01 12:00").to_pydatetime()}, "give an earlier start"),
        ({"start": pd.Timestamp("2016-01-12").to_pydatetime()}, "none to train on"),
    ],
)
def test_what_cannot_be_replayed_leaves_no_run(experiment: Experiment, changes: dict, message: str) -> None:
    before = len(replays())
    with pytest.raises(InputError, match=message):
        replay(experiment, **changes)
    assert len(replays()) == before


def test_a_replay_that_is_interrupted_is_not_left_open(experiment: Experiment, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("wattcast.flows.replay.train_task", interrupt)
    with pytest.raises(KeyboardInterrupt):
        replay(experiment, every="60h")
    assert max(replays(), key=lambda run: run.info.start_time).info.status == "KILLED"


def test_a_cut_whose_parts_are_too_full_of_gaps_is_told_before_a_run_begins(
    monkeypatch: pytest.MonkeyPatch, experiment: Experiment
) -> None:
    """The first cut can be trained on, a later one cannot."""
    fetched = fetch(experiment)
    times = pd.DatetimeIndex(fetched.frame.index)
    cut = times[int(len(times) * 0.8)]
    gap = fetched.frame[(times < cut - pd.Timedelta(days=5)) | (times > cut - pd.Timedelta(days=4))]
    gone = replace(fetched, cleaned=replace(fetched.cleaned, frame=gap))
    _require(experiment, fetched, cut)
    with pytest.raises(InputError, match=rf"^up to the cut at {cut}, the validation part: .* whole"):
        _require(experiment, gone, cut)
