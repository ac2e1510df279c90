"""Errors by regime, by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from wattcast.model.windows import Series, WindowConfig, Windows
from wattcast.tasks.learning.regimes import RegimeScore, Warned, score_regimes


def known(readings: list[float]) -> Windows:
    """Windows that forecast all of `readings` but the first."""
    times = pd.date_range("2021-03-01", periods=len(readings), freq="h")
    nothing = np.zeros((len(readings), 1), np.float32)
    series = Series(times, nothing, nothing, np.array(readings)[:, None], nothing)
    return Windows(series, np.arange(len(readings) - 1), WindowConfig(lookback=1))


def table(actual: list[float], **models: list[float]) -> pd.DataFrame:
    return pd.DataFrame({"target": "load", "actual": actual, **models})


def test_thresholds_are_those_of_the_training_and_rows_fall_by_what_was_measured() -> None:
    test = table([10, 20, 50, 60, 95, 99], gru=[12, 20, 53, 56, 90, 95], persistence=[10, 20, 95, 60, 50, 92])
    regimes = score_regimes(test, known([1000.0, *range(101)]), ["load"], ["gru", "persistence"])
    assert regimes.thresholds == {"load": (25.0, 90.0)}
    assert [score for score in regimes.scores if score.model == "gru"] == [
        RegimeScore("gru", "load", "idle", 2, pytest.approx(2**0.5), 1.0),
        RegimeScore("gru", "load", "usual", 2, pytest.approx(12.5**0.5), 3.5),
        RegimeScore("gru", "load", "spikes", 2, pytest.approx(20.5**0.5), 4.5),
    ]
    assert regimes.warned == (
        Warned("gru", "load", 1, 2, 1.0, 0.5),  # 90 is not above the threshold
        Warned("persistence", "load", 2, 2, 0.5, 0.5),
    )
    assert regimes.metrics() == {
        "test_rmse_idle": pytest.approx(2**0.5),
        "test_rmse_spikes": pytest.approx(20.5**0.5),
        "test_precision_spikes": 1.0,
        "test_recall_spikes": 0.5,
    }


def test_what_never_happens_has_no_score() -> None:
    regimes = score_regimes(table([50, 60], gru=[50, 60]), known([0.0, *range(101)]), ["load"], ["gru"])
    assert [score.rows for score in regimes.scores] == [0, 2, 0]
    assert np.isnan([regimes.warned[0].precision, regimes.warned[0].recall]).all()
    assert regimes.metrics() == {}


def test_a_row_that_several_windows_forecast_counts_once() -> None:
    windows = known([0.0, *range(101)])
    twice = Windows(windows.series, np.r_[windows.starts, windows.starts[:50]], windows.config)
    assert score_regimes(table([1], gru=[1]), twice, ["load"], ["gru"]).thresholds == {"load": (25.0, 90.0)}
