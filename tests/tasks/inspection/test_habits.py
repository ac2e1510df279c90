"""Correlations and runs of a series, by hand and beside pandas."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from frames import every

from wattcast.tasks.inspection.habits import correlations, correlogram, find_habits, on_grid


def noisy(rows: int) -> np.ndarray:
    day = np.sin(np.arange(rows) / 24 * 2 * np.pi)
    return 1e6 + 50 * day + np.random.default_rng(3).normal(0, 20, rows)


def test_a_correlation_leaves_out_pairs_of_which_one_is_missing() -> None:
    values, times = noisy(400), every(60, 400)
    values[[5, 17, 200]] = np.nan
    kept = np.ones(400, bool)
    kept[100:120] = False
    found = correlations(values[kept], times[kept], 3600, {"a step": 1, "a day": 24})
    whole = pd.Series(np.where(kept, values, np.nan))
    assert found == {"a step": pytest.approx(whole.autocorr(1)), "a day": pytest.approx(whole.autocorr(24))}


def test_the_correlogram_is_all_correlations_at_once() -> None:
    values, times = noisy(500), every(60, 500)
    kept = np.random.default_rng(1).random(500) > 0.2
    each = correlations(values[kept], times[kept], 3600, {str(lag): lag for lag in range(1, 101)})
    assert correlogram(values[kept], times[kept], 3600, 100) == pytest.approx([*each.values()], abs=1e-9)


def test_a_constant_is_correlated_with_nothing() -> None:
    assert np.isnan(correlogram(np.full(100, 7.3), every(60, 100), 3600, 10)).all()
    assert np.isnan(correlations(np.full(100, 7.3), every(60, 100), 3600, {"a step": 1})["a step"])


def test_a_grid_that_would_be_too_long_is_not_laid_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wattcast.tasks.inspection.habits.MOST_STEPS", 100)
    assert len(on_grid(noisy(101), every(60, 101), 3600)) == 0
    assert len(on_grid(noisy(100), every(60, 100), 3600)) == 100
    assert correlations(noisy(101), every(60, 101), 3600, {"a step": 1}) == {}


def test_runs_pass_over_missing_readings_and_nothing_given_is_changed() -> None:
    raw = np.array([1.0, 2.0, 2.0, np.nan, 2.0, 3.0])
    before, times = raw.copy(), every(60, 6)
    habits = find_habits("kWh", raw, raw, moments=times, local=times, step_s=3600)
    assert [(run.value, run.readings) for run in habits.runs] == [(2.0, 3)]
    assert habits.runs[0].end == times[4]
    assert habits.flat_share == 0
    np.testing.assert_array_equal(raw, before)
