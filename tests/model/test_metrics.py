"""Scores against numbers worked out by hand."""

import math

import numpy as np
import pytest

from wattcast.model.metrics import METRICS, mae, mape, mse, r2, rmse, skill

ACTUAL = np.array([10.0, 20.0, 30.0])
FORECAST = np.array([12.0, 18.0, 33.0])  # wrong by 2, -2, 3


def test_golden_scores():
    assert mse(ACTUAL, FORECAST) == pytest.approx(17 / 3)
    assert rmse(ACTUAL, FORECAST) == pytest.approx(math.sqrt(17 / 3))
    assert mae(ACTUAL, FORECAST) == pytest.approx(7 / 3)
    assert r2(ACTUAL, FORECAST) == pytest.approx(1 - 17 / 200)  # squares around the mean of 20: 100 + 0 + 100
    assert mape(ACTUAL, FORECAST) == pytest.approx(100 * (0.2 + 0.1 + 0.1) / 3)


def test_scores_take_all_windows_steps_and_targets_together():
    for name, metric in METRICS.items():
        cube = metric(ACTUAL.reshape(3, 1, 1), FORECAST.reshape(3, 1, 1))
        assert cube == metric(ACTUAL, FORECAST), name
        assert isinstance(cube, float)


def test_the_table_names_each_score():
    assert {"rmse": rmse, "mae": mae, "r2": r2, "mape": mape} == METRICS


def test_perfect_and_mean_forecasts():
    assert [metric(ACTUAL, ACTUAL) for metric in (rmse, mae, r2, mape)] == [0, 0, 1, 0]
    assert r2(ACTUAL, np.full(3, 20.0)) == 0
    assert r2(ACTUAL, ACTUAL[::-1]) == -3  # wrong by 20, 0, -20


def test_mape_leaves_out_what_was_zero():
    assert mape(np.array([0.0, 50.0, -10.0]), np.array([5.0, 40.0, -11.0])) == pytest.approx(100 * (0.2 + 0.1) / 2)


def test_a_score_without_a_reference_is_no_number():
    assert math.isnan(r2(np.full(3, 5.0), FORECAST))
    assert math.isnan(mape(np.zeros(3), FORECAST))
    assert math.isnan(skill(1.0, 0.0))
    assert math.isnan(skill(0.0, 0.0))
    assert math.isnan(skill(1.0, 1e-14))  # what rounding leaves of a constant that is forecast as it is


def test_skill_is_the_share_of_the_reference_error_taken_away():
    assert [skill(error, 50.0) for error in (50.0, 40.0, 0.0, 75.0)] == pytest.approx([0, 0.2, 1, -0.5])


def test_single_precision_readings_are_scored_in_double():
    actual = np.full(3, 16_777_216.0, np.float32)  # 2**24: its float32 neighbours lie 2 apart
    assert mae(actual, actual.astype(np.float64) + 0.25) == 0.25
    assert mse(actual, actual.astype(np.float64) + 0.5) == 0.25
    many = np.full(1_000_000, 0.1, np.float32)
    assert mae(many, np.zeros_like(many)) == pytest.approx(float(np.float32(0.1)), rel=1e-12)
