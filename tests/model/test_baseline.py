"""Baselines against numbers worked out by hand. One step is six hours here, so that a day has four."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tiny import counting_series, house, prepare, with_readings

from wattcast.model import baseline
from wattcast.model.baseline import Mean, Persistence, RidgeOnLags, SeasonalNaive, _Standard, fit_baselines
from wattcast.model.split import Split
from wattcast.model.windows import Series, WindowConfig, Windows, calendar, make_windows

SIX_HOURS = pd.Timedelta(hours=6)


def six_hourly(points: list[int], **config: int) -> Windows:
    """All windows over readings that are their point's number: 0 is Monday 0:00, 4 is Tuesday 0:00."""
    times = pd.date_range("2016-01-11", periods=max(points) + 1, freq=SIX_HOURS)[points]
    values = np.array(points, np.float32)[:, None]
    series = Series(times=times, inputs=values, targets=values, readings=values, ahead=calendar(times))
    return make_windows(series, range(len(points)), SIX_HOURS, WindowConfig(**config))


def test_mean_is_that_of_all_training_targets():
    windows = make_windows(
        counting_series(5, targets=2),
        range(5),
        pd.Timedelta(minutes=10),
        WindowConfig(lookback=1, output_length=2),
    )
    mean = Mean.fit(windows)  # targets 1 2, 2 3, 3 4
    np.testing.assert_allclose(mean.mean, [2.5, 1002.5])
    forecast = mean.predict(windows.take(slice(0, 2)))
    assert forecast.shape == (2, 2, 2)
    np.testing.assert_allclose(forecast[1, 0], [2.5, 1002.5])


def test_persistence_repeats_the_newest_reading():
    windows = six_hourly(list(range(8)), lookback=3, steps_ahead=2, output_length=2)
    assert windows.target_rows.tolist() == [[4, 5], [5, 6], [6, 7]]
    assert Persistence().predict(windows)[..., 0].tolist() == [[2, 2], [3, 3], [4, 4]]


def test_daily_naive_takes_the_same_time_of_the_newest_known_day():
    windows = six_hourly(list(range(12)), lookback=5)
    assert windows.target_rows[:, 0].tolist() == [5, 6, 7, 8, 9, 10, 11]
    assert SeasonalNaive(days=1).predict(windows)[:, 0, 0].tolist() == [1, 2, 3, 4, 5, 6, 7]


@pytest.mark.parametrize(
    ("steps_ahead", "days_back"),
    [(1, 1), (3, 1), (4, 1), (5, 2), (8, 2), (9, 3)],  # exactly a day ahead: the newest reading is that time of day
)
def test_daily_naive_never_reads_behind_the_newest_reading(steps_ahead, days_back):
    windows = six_hourly(list(range(24)), lookback=9, steps_ahead=steps_ahead)
    expected = windows.target_rows - 4 * days_back
    np.testing.assert_array_equal(SeasonalNaive(days=1).predict(windows)[..., 0], expected)
    assert (expected <= windows.newest_row[:, None]).all()
    assert (expected > windows.newest_row[:, None] - 4).all()


def test_daily_naive_falls_back_to_persistence_where_a_gap_took_that_reading():
    points = [0, 1, 2, 3, 4, 7, 8, 9, 10, 11]  # 5 and 6 were never measured
    windows = six_hourly(points, lookback=2)
    targets = [points[row] for row in windows.target_rows[:, 0]]
    assert targets == [2, 3, 4, 9, 10, 11]
    # no day before 2 and 3; 4 has 0; 9 and 10 lack 5 and 6; 11 has 7
    assert SeasonalNaive(days=1).predict(windows)[:, 0, 0].tolist() == [1, 2, 0, 8, 9, 7]


def test_weekly_naive_takes_the_same_time_of_the_newest_known_week():
    """A week has 28 steps; the first week has none before it, and a day without readings none a week later."""
    points = [*range(10), *range(14, 46)]
    windows = six_hourly(points, lookback=2, output_length=2)
    forecast = dict(
        zip((points[row] for row in windows.target_rows[:, 0]), SeasonalNaive(7).predict(windows), strict=True)
    )
    assert forecast[20][:, 0].tolist() == [19, 19]
    assert forecast[28][:, 0].tolist() == [0, 1]
    assert forecast[36][:, 0].tolist() == [8, 9]
    assert forecast[38][:, 0].tolist() == [37, 37]
    assert forecast[41][:, 0].tolist() == [40, 14]


@pytest.mark.parametrize(("steps_ahead", "weeks_back"), [(1, 1), (20, 1), (28, 1), (29, 2), (56, 2), (57, 3)])
def test_weekly_naive_never_reads_behind_the_newest_reading(steps_ahead, weeks_back):
    windows = six_hourly(list(range(28 * 5)), lookback=30, steps_ahead=steps_ahead)
    expected = windows.target_rows - 28 * weeks_back
    late = expected[:, 0] >= 0
    assert late.any()
    np.testing.assert_array_equal(SeasonalNaive(7).predict(windows)[late, :, 0], expected[late])
    assert (expected <= windows.newest_row[:, None]).all()


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_ridge_is_that_of_the_lags_and_the_calendar_of_each_step(steps):
    window = WindowConfig(lookback=3, steps_ahead=2, output_length=steps)
    train = prepare(house(400), window=window).windows.train
    given = RidgeOnLags.fit(train).predict(train)
    assert given.shape == (len(train), steps, 1)
    for step in range(steps):
        rows = []
        for start in train.starts:
            history = train.series.readings[start : start + 3, 0]
            rows.append([*history, *calendar(train.series.times[[start + 4 + step]])[0]])
        features = np.array(rows, np.float64)
        truth = np.stack([train.series.readings[start + 4 + step, 0] for start in train.starts]).astype(np.float64)
        # (X'X + I) w = X'y on columns of mean 0 and deviation 1
        deviation = features.std(axis=0)
        scaled = (features - features.mean(axis=0)) / np.where(deviation > 0, deviation, 1)
        weights = np.linalg.solve(scaled.T @ scaled + np.eye(8), scaled.T @ (truth - truth.mean(axis=0)))
        expected = np.maximum(scaled @ weights + truth.mean(axis=0), 0)
        np.testing.assert_allclose(given[:, step, 0], expected, rtol=1e-3)
        pipeline = make_pipeline(StandardScaler(), Ridge()).fit(features, truth)
        np.testing.assert_allclose(expected, np.maximum(pipeline.predict(features), 0), rtol=1e-9)


def test_ridge_reads_the_oldest_lag_first_and_the_calendar_of_each_target():
    """Weights of one 1 each hand single inputs through: the oldest and newest lag, and the calendar's five columns."""
    windows = six_hourly(list(range(30)), lookback=3, steps_ahead=2, output_length=7)
    as_it_is = (_Standard(np.zeros((7, size)), np.ones((7, size))) for size in (8, 1))
    ridge = RidgeOnLags(*as_it_is, np.eye(8)[[0, 2, 3, 4, 5, 6, 7], :, None])
    handed = ridge.predict(windows)[..., 0]
    np.testing.assert_array_equal(handed[:, 0], windows.starts)  # a reading is the number of its row
    np.testing.assert_array_equal(handed[:, 1], windows.starts + 2)
    for step in range(2, 7):
        date = windows.series.ahead[windows.starts + 4 + step, step - 2]
        np.testing.assert_allclose(handed[:, step], np.maximum(date, windows.series.lowest), atol=1e-6)


def test_many_steps_of_ridge_are_those_of_one_step_each(two_targets):
    """What all steps share changes none of them."""
    train = two_targets.train
    together = RidgeOnLags.fit(train).predict(train)
    for step in range(train.config.output_length):
        alone = replace(train, config=train.config.model_copy(update={"output_length": 1, "steps_ahead": 1 + step}))
        np.testing.assert_allclose(RidgeOnLags.fit(alone).predict(alone)[:, 0], together[:, step], rtol=1e-4, atol=1e-3)


def test_a_step_of_ridge_knows_whether_it_lies_in_the_weekend():
    """A load of 60 at weekends and 10 otherwise: at Friday noon only the calendar of the step itself tells."""
    windows = six_hourly(list(range(400)), lookback=1, output_length=4)
    load = 10 + 50 * windows.series.ahead[:, 4:]
    windows = with_readings(windows, readings=load)
    errors = RidgeOnLags.fit(windows).predict(windows) - windows.actual
    assert np.abs(errors).max() < 1


@pytest.mark.parametrize("steps", [1, 4])
def test_a_step_of_ridge_reads_whatever_is_known_of_it(steps):
    """A load that is twice what is known of its step, which its own past does not tell."""
    windows = six_hourly(list(range(300)), lookback=2, steps_ahead=2, output_length=steps)
    tariff = np.random.default_rng(1).normal(size=(300, 1))
    windows = with_readings(windows, readings=20 + 2 * tariff, ahead=np.hstack([windows.series.ahead, tariff]))
    errors = RidgeOnLags.fit(windows).predict(windows) - windows.actual
    assert np.abs(errors).max() < 0.1


def test_before_a_short_history_stands_its_oldest_reading():
    """Where the lags of ridge have no reading of their own, whatever lies on the other side of the gap."""
    points = [0, 1, 2, 3, 4, 5, 6, 7, 20, 21, 22, 23, 24, 25]
    windows = six_hourly(points, lookback=3, min_history=1)
    ridge = RidgeOnLags.fit(windows)
    short = int(np.flatnonzero(windows.newest_row == 8)[0])
    readings = windows.series.readings.copy()
    readings[:8] = 1e6
    other = with_readings(windows, readings=readings).take(slice(short, short + 1))
    assert ridge.predict(other) == ridge.predict(windows.take(slice(short, short + 1)))
    filled = replace(windows.take(slice(short, short + 1)), lengths=np.array([3]))
    assert filled.input_rows.tolist() == [[6, 7, 8]]
    same = with_readings(filled, readings=np.where(np.arange(14)[:, None] < 8, 20.0, windows.series.readings))
    assert ridge.predict(same) == ridge.predict(other)


def test_ridge_forecasts_do_not_depend_on_the_chunks(monkeypatch):
    windows = prepare(house()).windows
    ridge = RidgeOnLags.fit(windows.train)
    whole = ridge.predict(windows.test)
    monkeypatch.setattr(baseline, "_CHUNK", 4)
    np.testing.assert_allclose(ridge.predict(windows.test), whole, rtol=1e-6)


@pytest.mark.parametrize("unit", [1e-6, 1e-3, 0.2931, 3.6e3, 1e9])
def test_ridge_is_the_same_in_every_unit(unit):
    windows = prepare(house()).windows
    scaled = windows.map(lambda part: with_readings(part, readings=unit * part.series.readings))
    one, other = (RidgeOnLags.fit(parts.train).predict(parts.test) for parts in (windows, scaled))
    np.testing.assert_allclose(other, unit * one, rtol=1e-5)


def test_a_load_that_is_not_signed_has_no_ridge_below_zero():
    """A solar roof: zero at night."""
    daily = np.maximum(0, np.sin(np.arange(400) * 2 * np.pi / 144)) * 100
    windows = prepare(house(400)).windows
    train = with_readings(windows.train, readings=daily[:, None][: len(windows.train.series.readings)])
    assert RidgeOnLags.fit(train).predict(train).min() >= 0
    signed = with_readings(train, lowest=-np.inf)
    assert RidgeOnLags.fit(signed).predict(signed).min() < 0


# All of them


@pytest.fixture(scope="module")
def two_targets() -> Split[Windows]:
    raw = house(400)
    readings = prepare(raw).frame  # Appliances, lights
    series = counting_series(len(readings), targets=2)
    values = readings.to_numpy(np.float64)
    _, _, parts = prepare(raw, window=WindowConfig(lookback=4, output_length=3))
    return parts.map(
        lambda part: with_readings(part, inputs=values, targets=values, readings=values, times=series.times)
    )


def test_all_forecast_every_step_of_every_target_in_wh(two_targets):
    baselines = fit_baselines(two_targets.train)
    assert list(baselines) == ["mean", "persistence", "daily_naive", "weekly_naive", "ridge"]
    for name, predictor in baselines.items():
        forecast = predictor.predict(two_targets.test)
        assert forecast.shape == two_targets.test.actual.shape == (len(two_targets.test), 3, 2), name
        assert forecast.dtype == np.float64
        assert np.isfinite(forecast).all()
    ridge = baselines["ridge"].predict(two_targets.train)
    assert np.mean((ridge - two_targets.train.actual) ** 2) < np.mean(
        (baselines["mean"].predict(two_targets.train) - two_targets.train.actual) ** 2
    )


def test_no_baseline_reads_behind_the_moment_of_its_forecast(two_targets):
    """Every reading behind the cut is changed: forecasts made before it stay byte for byte the same."""
    test = two_targets.test
    early = test.take(slice(0, 20))
    cut = int(early.newest_row.max()) + 1
    changed = test.series.readings.copy()
    changed[cut:] = 7 * changed[cut:] + 1000
    for name, predictor in fit_baselines(two_targets.train).items():
        spoilt = predictor.predict(with_readings(early, readings=changed))
        assert spoilt.tobytes() == predictor.predict(early).tobytes(), name
    assert not np.array_equal(changed[test.newest_row], test.series.readings[test.newest_row])


def test_baselines_of_a_house_that_uses_the_same_energy_all_the_time():
    windows = six_hourly(list(range(12)), lookback=2)
    still = with_readings(windows, readings=np.full_like(windows.series.readings, 60))
    for name, predictor in fit_baselines(still).items():
        np.testing.assert_allclose(predictor.predict(still), 60, rtol=1e-6, err_msg=name)
