"""Intervals: what they hold, by libraries that others wrote, and by what must always be so."""

from __future__ import annotations

import crepes
import numpy as np
import pandas as pd
import pytest
import scoringrules
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from wattcast.model.arrays import Floats
from wattcast.model.errors import InputError
from wattcast.model.intervals import (
    IntervalConfig,
    Intervals,
    Nearness,
    forecasts_needed,
    hours_of,
    quantile_column,
    require_forecasts,
    value_columns,
)
from wattcast.model.metrics import coverage, pinball, winkler
from wattcast.model.windows import Series, WindowConfig, Windows

BOTH = IntervalConfig(levels=(0.5, 0.9))


def windows(readings: Floats, *, length: int = 1, lowest: float = 0.0, start: str = "2021-03-01") -> Windows:
    """All windows over readings `[S, K]` of half-hours, whose inputs nobody reads here."""
    times = pd.date_range(start, periods=len(readings), freq="30min")
    nothing = np.zeros((len(readings), 1), np.float32)
    series = Series(times, nothing, nothing, readings, nothing, lowest)
    config = WindowConfig(lookback=1, output_length=length)
    return Windows(series, np.arange(len(readings) - length), config)


def house(rows: int, seed: int) -> tuple[Floats, Floats]:
    """A load `[S, 1]` whose spread is its size, in the evening twice as much, and its true mean."""
    draws, hours = np.random.default_rng(seed), np.arange(rows) % 48 / 2
    mean = 100 + 80 * np.sin((hours - 9) * np.pi / 12) ** 2
    spread = np.where((hours >= 17) & (hours < 22), 0.4, 0.2)
    load = mean * draws.gamma(1 / spread**2, spread**2)
    return load[:, None], mean[:, None]


def around(seed: int, config: IntervalConfig = BOTH, rows: int = 84 * 48) -> tuple[Intervals, Floats, Windows]:
    load, mean = house(2 * rows, seed)
    old, new = windows(load[:rows]), windows(load[rows:])
    forecasts = mean[:rows][old.target_rows], mean[rows:][new.target_rows]
    intervals = Intervals.fit(forecasts[0], old, config)
    return intervals, intervals.around(forecasts[1], new), new


def test_without_nearness_the_bounds_are_those_of_split_conformal_prediction() -> None:
    readings = np.random.default_rng(0).gamma(2, 50, (400, 1))
    known = windows(readings)
    forecasts = np.full((len(known), 1, 1), 80.0)  # all of one size, so that relative errors are plain ones
    intervals = Intervals.fit(forecasts, known, BOTH, nearness=Nearness())
    bounds = intervals.around(forecasts[:1], known.take(slice(0, 1))).ravel()
    theirs = crepes.ConformalPredictiveSystem().fit((known.actual - forecasts).ravel())
    lower, higher = [5, 25], [50, 75, 95]
    expected = theirs.predict_percentiles(np.array([80.0]), lower_percentiles=lower, higher_percentiles=higher).ravel()
    assert bounds == pytest.approx(expected)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_intervals_hold_what_they_say_at_each_hour_and_of_each_size(seed: int) -> None:
    _, bounds, new = around(seed)
    actual, hours = new.actual[..., 0], hours_of(new)
    low, lower, _, upper, high = np.moveaxis(bounds[:, :, 0], -1, 0)
    assert coverage(actual, low, high) == pytest.approx(0.9, abs=0.02)
    assert coverage(actual, lower, upper) == pytest.approx(0.5, abs=0.03)
    for first in range(0, 24, 3):
        these = (hours >= first) & (hours < first + 3)
        assert 0.85 <= coverage(actual[these], low[these], high[these]) <= 0.95
    evening, night = ((hours >= first) & (hours < first + 3) for first in (18, 1))
    relative = (high - low) / bounds[:, :, 0, 2]
    assert relative[evening].mean() > 1.5 * relative[night].mean()


def test_intervals_that_may_not_differ_between_hours_do_not() -> None:
    intervals, _, _ = around(0, IntervalConfig(levels=0.9, by_hour=False))
    assert (intervals.errors == intervals.errors[:, :, :1]).all()
    assert intervals.nearness.hours == np.inf


@given(st.floats(1e-6, 1e6), st.integers(0, 5))
@settings(max_examples=10, deadline=None)
def test_the_unit_of_the_readings_changes_bounds_by_its_factor(unit: float, seed: int) -> None:
    load, mean = house(600, seed)
    near = Nearness(2.0, 0.4)
    made = []
    for factor in (1.0, unit):
        known = windows(factor * load)
        forecasts = factor * mean[known.target_rows]
        made.append(Intervals.fit(forecasts, known, BOTH, nearness=near).around(forecasts, known))
    np.testing.assert_allclose(made[1], unit * made[0], rtol=1e-9)


@given(st.integers(0, 2**32 - 1), st.booleans())
@settings(max_examples=20, deadline=None)
def test_quantiles_never_cross_and_are_never_lower_than_a_target_can_be(seed: int, signed: bool) -> None:
    draws = np.random.default_rng(seed)
    readings = draws.normal(0, 50, (200, 2)) if signed else np.maximum(draws.normal(0, 50, (200, 2)), 0)
    lowest = -np.inf if signed else 0.0
    known = windows(readings, length=3, lowest=lowest)
    forecasts = known.actual + draws.normal(0, 30, known.actual.shape)
    bounds = Intervals.fit(forecasts, known, BOTH).around(10 * forecasts, known)  # far from all that was seen, too
    assert (np.diff(bounds, axis=-1) >= 0).all()
    assert bounds.min() >= lowest
    assert np.isfinite(bounds).all()
    assert bool((bounds < 0).any()) == signed


def test_readings_that_never_change_have_intervals_without_width() -> None:
    known = windows(np.full((100, 1), 7.0))
    forecasts = known.actual
    assert (Intervals.fit(forecasts, known, BOTH).around(forecasts, known) == 7.0).all()
    nothing = windows(np.zeros((100, 1)))
    assert (Intervals.fit(nothing.actual, nothing, BOTH).around(nothing.actual, nothing) == 0.0).all()


def test_each_step_ahead_has_widths_of_its_own() -> None:
    draws = np.random.default_rng(0)
    known = windows(draws.gamma(4, 25, (2000, 1)), length=4)
    forecasts = known.actual + draws.normal(0, [[[1.0], [5.0], [10.0], [20.0]]], known.actual.shape)
    bounds = Intervals.fit(forecasts, known, BOTH).around(forecasts, known)
    widths = (bounds[..., 0, -1] - bounds[..., 0, 0]).mean(axis=0)
    assert (np.diff(widths) > 2).all()


def test_too_few_forecasts_to_calibrate_on_are_told_with_the_number_that_is_needed() -> None:
    known = windows(np.arange(20.0)[:, None])
    with pytest.raises(
        InputError, match=r"an interval of 99 % needs 199 forecasts to be calibrated on, .* part has 19"
    ):
        Intervals.fit(known.actual, known, IntervalConfig(levels=0.99))
    assert Intervals.fit(known.actual, known, IntervalConfig(levels=0.9)).forecasts == forecasts_needed((0.05,)) == 19


def test_what_is_saved_is_what_comes_back() -> None:
    intervals, bounds, new = around(3, rows=480)
    again = Intervals.from_arrays(intervals.to_arrays())
    assert (again.around(bounds[..., 2], new) == intervals.around(bounds[..., 2], new)).all()
    assert (again.quantiles, again.nearness, again.forecasts) == (
        intervals.quantiles,
        intervals.nearness,
        intervals.forecasts,
    )


@pytest.mark.parametrize(
    ("levels", "fault"),
    [
        ([0.0], "each level must lie between 0 and 1, such as 0.9 for 90 %, received 0"),
        ([90], "each level must lie between 0 and 1, such as 0.9 for 90 %, received 90"),
        ([0.9, 0.5, 0.9], "each level may stand once, received twice: 0.9"),
        (
            [0.9, 0.9 + 1e-12],
            "bounds of all levels must differ in the names of their columns, .* 0.9, 0.900",
        ),
        ([1e-9], "bounds of all levels must differ in the names of their columns, .* received 1e-09"),
        ("high", r"must be levels such as \[0.5, 0.9\], received 'high'"),
    ],
)
def test_levels_that_are_none_are_refused(levels: list[float] | str, fault: str) -> None:
    with pytest.raises(ValidationError, match=fault):
        IntervalConfig.model_validate(levels)


def test_a_level_near_one_is_told_as_it_is() -> None:
    with pytest.raises(InputError, match=r"an interval of 99.99999 % needs 19999999 forecasts"):
        require_forecasts(900, IntervalConfig(levels=0.9999999))


def test_quantiles_and_their_columns_are_named_by_per_cent() -> None:
    assert IntervalConfig.model_validate([0.9, 0.5]).quantiles == (0.05, 0.25, 0.5, 0.75, 0.95)
    assert [quantile_column("load", quantile) for quantile in (0.05, 0.5, 0.975, 0.001)] == [
        "load_p05",
        "load_p50",
        "load_p97.5",
        "load_p00.1",
    ]
    assert value_columns(["a", "b"], (0.5,)) == ["a", "a_p50", "b", "b_p50"]
    assert IntervalConfig().quantiles == ()


def test_the_scores_are_those_of_scoringrules() -> None:
    draws = np.random.default_rng(0)
    actual, low = draws.gamma(2, 50, 500), draws.gamma(2, 10, 500)
    high = low + draws.gamma(2, 60, 500)
    assert winkler(actual, low, high, 0.8) == pytest.approx(scoringrules.interval_score(actual, low, high, 0.2).mean())
    assert pinball(actual, low, 0.1) == pytest.approx(scoringrules.quantile_score(actual, low, 0.1).mean())
    both = np.stack([low, high], axis=1)
    expected = np.mean([pinball(actual, low, 0.1), pinball(actual, high, 0.9)])
    assert pinball(actual[:, None], both, np.array([0.1, 0.9])) == pytest.approx(expected)
