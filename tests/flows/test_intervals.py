"""Intervals from the option to the forecasts of a registered model."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from html_page import HTMLPage

from wattcast.flows.cli.show_models import show_models
from wattcast.flows.cli.show_training import show_trained
from wattcast.flows.experiment.experiment import Experiment, read_experiment
from wattcast.flows.forecast import forecast
from wattcast.flows.retrain import retrain
from wattcast.flows.train import Trained, train
from wattcast.model.errors import InputError
from wattcast.tasks.registry.contract import Contract
from wattcast.tasks.registry.versions import CONTRACT, Versions
from wattcast.tasks.tracking.past_runs import read_artifact, read_run

pytestmark = [pytest.mark.usefixtures("workspace", "prefect_server", "without_clean_room"), pytest.mark.timeout(600)]

NAME = "interval-meter"
COLUMNS = ["load", "load_p05", "load_p25", "load_p50", "load_p75", "load_p95"]
BOTH = ("readings.targets=load", "readings.timestamp=when", "readings.cadence_minutes=60", "readings.unit=Wh")


@pytest.fixture(scope="module")
def file(house: pd.DataFrame, workspace: Path) -> Path:
    load = house["Appliances"].to_numpy(np.float64).reshape(-1, 3).sum(axis=1)
    times = pd.date_range("2021-02-01", periods=len(load), freq="h")
    path = workspace / "interval-house.csv"
    pd.DataFrame({"when": times, "load": load}).to_csv(path, index=False)
    return path


def experiment(file: Path, small: tuple[str, ...], *more: str) -> Experiment:
    return read_experiment(settings=[*small, f"data={file}", *BOTH, "fit.refit=true", *more])


@pytest.fixture(scope="module")
def trained(file: Path, small: tuple[str, ...]) -> Trained:
    return train(experiment(file, small, "intervals=[0.5, 0.9]", "window.output_length=3"))


def test_scores_of_intervals_stand_beside_two_references(trained: Trained) -> None:
    evaluation = trained.evaluation
    assert evaluation.intervals is not None
    overall = evaluation.intervals.overall("load")
    assert [score.level for score in overall] == [0.5] * 3 + [0.9] * 3
    assert {score.model for score in overall} == {"gru", "hourly quantiles", "conformal persistence"}
    metrics = evaluation.metrics()
    assert 0.75 < metrics["test_coverage_90"] < 1
    assert metrics["test_coverage_50"] < metrics["test_coverage_90"]
    assert metrics["test_width_50"] < metrics["test_width_90"] < metrics["test_winkler_90"]
    test = evaluation.forecasts[evaluation.forecasts["part"] == "test"]
    bounds = evaluation.intervals.bounds[:, :, 0].reshape(len(test), -1)
    inside = (test["actual"] >= bounds[:, 0]) & (test["actual"] <= bounds[:, -1])
    assert metrics["test_coverage_90"] == pytest.approx(inside.mean())
    assert bounds.min() >= 0


def test_screen_and_page_show_them(
    trained: Trained, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "140")
    show_trained(trained)
    shown = capsys.readouterr().out
    assert "load: intervals of the test part" in shown
    assert "conformal persistence" in shown
    page = HTMLPage(Path(trained.report).read_text(encoding="utf-8"))
    for words in ("Forecasts and their intervals", "Calibration", "Coverage by hour of day", "Coverage by steps ahead"):
        assert words in page.words
    assert "which the network made before it was trained anew on that part, too" in page.words


@pytest.fixture(scope="module")
def version(file: Path, small: tuple[str, ...]) -> int:
    return retrain(experiment(file, small, "intervals=[0.5, 0.9]", "gate.holdout_days=7"), name=NAME).version


def test_a_batch_forecast_has_a_column_for_each_quantile(version: int, file: Path, tmp_path: Path) -> None:
    output = str(tmp_path / "forecasts.csv")
    made = forecast(str(file), output, model=str(version), name=NAME).made
    assert made.columns.tolist() == ["made_at", "when", *COLUMNS]
    assert (np.diff(made[COLUMNS[1:]].to_numpy()) >= 0).all()
    again = forecast(str(file), output, model=str(version), name=NAME)
    known = ["load_persistence", "load_actual", "load_stretch_90", "load_stretch_50", "version"]
    assert again.frame.columns.tolist() == ["made_at", "when", *COLUMNS, *known]
    assert len(again.frame) == 1
    loaded = mlflow.pyfunc.load_model(f"models:/{NAME}/{version}").predict(pd.read_csv(file).tail(40))
    assert loaded[COLUMNS].to_numpy() == pytest.approx(made[COLUMNS].to_numpy())


def test_the_gate_looks_at_the_intervals_that_are_served(version: int, capsys: pytest.CaptureFixture[str]) -> None:
    versions = Versions.open(NAME)
    registered = versions.find(str(version))
    run = read_run(registered.run_id)
    assert run.metrics["gate_coverage_held_90"] == pytest.approx(run.metrics["holdout_coverage_90"], abs=0.01)
    assert run.metrics["gate_coverage_low_90"] <= run.metrics["gate_coverage_held_90"]
    checks = {check["name"]: check["message"] for check in json.loads(read_artifact(registered.run_id, "gate.json"))}
    assert list(checks) == ["data", "baselines", "clean_room", "coverage", "champion"]
    assert "90 % intervals hold" in checks["coverage"]
    assert float(registered.tags["holdout.coverage_90"]) == pytest.approx(run.metrics["holdout_coverage_90"], abs=1e-5)
    page = HTMLPage(read_artifact(registered.run_id, "retrain.html"))
    assert "Intervals as they are served" in page.words
    show_models([registered], name=NAME, entries=[])
    shown = " ".join(capsys.readouterr().out.split())
    assert "Intervals on the span that judged it" in shown
    assert f"{100 * float(registered.tags['holdout.coverage_90']):.1f} %" in shown


def test_intervals_are_a_part_of_what_a_model_gives(version: int) -> None:
    contract = Contract.model_validate_json(Versions.open(NAME).find(str(version)).tags[CONTRACT])
    assert contract.quantiles == (0.05, 0.25, 0.5, 0.75, 0.95)
    assert Versions.open(NAME).contract(Versions.open(NAME).find(str(version))) == contract
    without = contract.model_copy(update={"quantiles": ()})
    assert without.differences(contract) == ["no intervals instead of intervals of 50 and 90 %"]
    assert without.forecasts_like(contract)  # their errors can be compared


def test_a_validation_part_that_is_too_small_is_told_with_the_number_it_needs(
    file: Path, small: tuple[str, ...]
) -> None:
    """Before a training."""
    with pytest.raises(InputError, match=r"of 99.9 % needs 1999 forecasts to be calibrated on, .* part has 20\d"):
        train(experiment(file, small, "intervals=0.999", "fit.epochs=1000000"))


def test_a_target_that_is_named_as_a_quantile_is_refused(file: Path, small: tuple[str, ...]) -> None:
    with pytest.raises(InputError, match="a target has the name of another one's quantile, 'load_p05'"):
        experiment(file, small, "readings.targets=['load', 'load_p05']", "intervals=[0.9]")


def test_the_record_of_a_training_is_plain_json(trained: Trained) -> None:
    metrics = json.loads(json.dumps(trained.evaluation.metrics()))
    assert metrics["test_pinball"] > 0
    assert dataclasses.is_dataclass(trained.evaluation.intervals)
