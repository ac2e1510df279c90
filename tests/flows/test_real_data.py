"""The figures of the README's protocol on the real data set."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from wattcast.flows.experiment.experiment import read_experiment
from wattcast.model.forecaster import Forecaster
from wattcast.model.network.training import train_network
from wattcast.model.split import Split
from wattcast.model.windows import Windows
from wattcast.tasks.data.download import download
from wattcast.tasks.data.validate import validate
from wattcast.tasks.learning.evaluate import Evaluation, evaluate
from wattcast.tasks.learning.scale import scale
from wattcast.tasks.learning.split import split
from wattcast.tasks.learning.window import window

pytestmark = pytest.mark.story


@pytest.fixture(scope="module")
def evaluation(real_file: Path) -> Evaluation:
    """`recommended`, seed 0."""
    return train_and_evaluate("recommended")


def train_and_evaluate(preset: str) -> Evaluation:
    """By the steps of the train flow."""
    experiment = read_experiment(preset=preset)
    raw = download("uci")
    frame = validate(raw.frame, experiment.readings, window_rows=experiment.window.rows).frame
    rows = split(frame, experiment.split)
    assert rows == Split(range(11_841), range(11_841, 15_788), range(15_788, 19_735))
    assert frame.index[rows.test.start] == pd.Timestamp("2016-04-30 08:20")
    scaler = scale(frame, rows, experiment.readings, experiment.scale)
    windows: Split[Windows] = window(frame, rows, experiment.readings, scaler, experiment.window)
    fitted = train_network(experiment.model, experiment.fit, windows, scaler)
    selected, product = (
        Forecaster(experiment.readings, experiment.window, scaler, experiment.model, network)
        for network in (fitted.selected, fitted.network)
    )
    known = windows.train + windows.validation
    readings = experiment.readings
    return evaluate(
        selected,
        product,
        windows,
        known=known,
        targets=readings.targets,
        block=readings.steps_a_day,
        unit="Wh",
        baselines=experiment.baselines,
    )


@pytest.mark.parametrize(
    ("model", "rmse", "mae"),
    [("persistence", 66.4, 26.7), ("daily_naive", 112.2, 53.7), ("weekly_naive", 109.3, 51.6), ("mean", 91.0, 52.7)],
)
def test_baselines_have_the_published_scores(evaluation: Evaluation, model: str, rmse: float, mae: float) -> None:
    score = evaluation.score(model, "test")
    assert score.rmse == pytest.approx(rmse, abs=0.06)
    assert score.mae == pytest.approx(mae, abs=0.1)


def test_lightgbm_is_as_good_as_one_that_was_tuned_by_hand(evaluation: Evaluation) -> None:
    assert 57 <= evaluation.score("lightgbm", "test").rmse <= 58.1


def test_each_row_of_the_test_part_is_forecast_once(evaluation: Evaluation) -> None:
    test = evaluation.forecasts[evaluation.forecasts["part"] == "test"]
    assert len(test) == 3947
    assert test["time"].is_unique
    assert (test["time"] - test["made_at"] == pd.Timedelta(minutes=10)).all()


def test_the_recommended_preset_is_better_than_every_baseline(evaluation: Evaluation) -> None:
    score = evaluation.score("gru", "test")
    assert score.rmse <= 57.5
    assert score.rmse < evaluation.score("ridge", "test").rmse - 1
    assert score.skill == pytest.approx(1 - score.rmse / 66.44, abs=1e-3)
    assert evaluation.diagnosis.verdict != "underfit"


def test_the_twin_for_absolute_errors_has_the_lowest_of_them(real_file: Path, evaluation: Evaluation) -> None:
    mae = {model: evaluation.score(model, "test").mae for model in ("gru", "ridge", "persistence")}
    twin = train_and_evaluate("recommended-mae").score("gru", "test")
    assert twin.mae <= 22.7
    assert twin.mae < min(mae.values()) - 3
