"""A future that leaked into the readings is told, by column and lag; what only looks like one is left alone."""

from __future__ import annotations

import logging
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from scipy.signal import lfilter

from wattcast.model.clean import check_readings
from wattcast.model.errors import InputError
from wattcast.model.readings import ReadingsConfig
from wattcast.model.scaler import ScaleConfig, fit_scaler
from wattcast.model.split import SplitConfig, split_rows
from wattcast.model.windows import WindowConfig, make_series, make_windows
from wattcast.tasks.data.simulate import simulate
from wattcast.tasks.data.uci import UCI_COLUMNS
from wattcast.tasks.learning.watch import watch

ROWS = 4032  # four weeks
HOUR = np.arange(ROWS) % 144 / 6
WINDOW = WindowConfig(lookback=36)


def watched(
    frame: pd.DataFrame,
    features: tuple[str, ...] = (),
    targets: tuple[str, ...] = ("load",),
    *,
    window: WindowConfig = WINDOW,
    minutes: int = 10,
    leakage: str = "warn",
) -> tuple[str, ...]:
    config = ReadingsConfig(targets=targets, features=features, signed=True, cadence_minutes=minutes)
    clean = check_readings(frame, config)
    split = SplitConfig(leakage=leakage)
    rows = split_rows(pd.DatetimeIndex(clean.index), split)
    scaler = fit_scaler(clean.iloc[: rows.train.stop], config.targets, config.features, ScaleConfig())
    windows = make_windows(make_series(clean, config, scaler), rows.train, config.cadence, window)
    return watch(clean, rows, windows, config, split)


def table(load: np.ndarray, minutes: int = 10, **columns: object) -> pd.DataFrame:
    dates = pd.date_range("2021-01-04", periods=len(load), freq=f"{minutes}min")
    return pd.DataFrame({"date": dates, "load": load} | columns)


def noise(seed: int, *, memory: float = 0.0, size: float = 1.0) -> np.ndarray:
    drawn: np.ndarray = lfilter([1], [1, -memory], np.random.default_rng(seed).normal(0, size, ROWS))
    return drawn


@pytest.fixture(scope="module")
def home() -> pd.DataFrame:
    return simulate(ROWS).rename(columns={"Appliances": "load"})


# A feature that knows the future


@pytest.mark.parametrize("lag", [1, 2, 6, 20])
def test_a_target_that_was_shifted_into_a_feature_is_found_with_its_lag(home: pd.DataFrame, lag: int) -> None:
    frame = home.assign(leak=3 - home["load"].shift(-lag) / 1000).iloc[:-lag]
    (words,) = watched(frame, ("T1", "leak", "T_out"))
    assert f"feature 'leak' seems to know the future of 'load': its newest value tells the value {lag} step" in words
    assert f"(lag +{lag})" in words
    assert "100 % of the error" in words


@pytest.mark.parametrize("width", [3, 5, 13])
def test_a_mean_around_each_row_knows_its_second_half(home: pd.DataFrame, width: int) -> None:
    frame = home.assign(leak=home["load"].rolling(width, center=True).mean()).dropna()
    (words,) = watched(frame, ("leak", "T_out"))
    assert f"(lag +{width // 2})" in words


def test_a_shifted_target_is_found_beneath_some_noise_and_for_the_target_that_it_is_of(home: pd.DataFrame) -> None:
    blur = noise(0, size=0.1 * home["load"].std())
    frame = home.assign(leak=home["load"].shift(-1) + blur).iloc[:-1]
    (words,) = watched(frame, ("leak",), ("lights", "load"))
    assert "the future of 'load'" in words


def test_where_a_window_cannot_show_it_nothing_is_said(home: pd.DataFrame) -> None:
    frame = home.assign(leak=home["load"].shift(-20)).iloc[:-20]
    assert watched(frame, ("leak",), window=WindowConfig(lookback=6)) == ()
    assert watched(frame, ("leak",), window=WindowConfig(lookback=6, steps_ahead=16)) != ()


@pytest.mark.parametrize("seed", range(3))
def test_columns_of_the_simulated_house_know_no_future(seed: int) -> None:
    assert watched(simulate(ROWS, seed=seed), UCI_COLUMNS[1:], ("Appliances",)) == ()


DRIVERS: dict[str, Callable[[np.ndarray, int], np.ndarray]] = {
    "leads by half an hour": lambda heat, seed: 200 - 8 * np.roll(heat, 3) + noise(seed + 9, size=3),
    "leads, hardly anything else": lambda heat, seed: 200 - 8 * np.roll(heat, 3) + noise(seed + 9),
    "lags behind": lambda heat, seed: 200 - 8 * np.roll(heat, -3) + noise(seed + 9, size=3),
    "at the same time": lambda heat, _: 200 - 8 * heat,
    "through thick walls": lambda heat, _: 200 - 8 * pd.Series(heat).ewm(halflife=12).mean().to_numpy(),
}


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("way", DRIVERS)
def test_a_strong_driver_is_no_leak(way: str, seed: int) -> None:
    """Nor is one that is interpolated between hours, and so knows its own next fifty minutes."""
    heat = 5 + 6 * np.sin(2 * np.pi * (HOUR - 9) / 24) + noise(seed, memory=0.995, size=0.15)
    station = np.interp(np.arange(ROWS), np.arange(0, ROWS, 6), heat[::6])
    assert watched(table(DRIVERS[way](heat, seed), heat=heat, station=station), ("heat", "station")) == ()


def test_constants_zeros_at_night_totals_and_registers_are_no_leaks() -> None:
    sun = np.maximum(0, np.sin(2 * np.pi * (HOUR - 6) / 24))
    clouds = np.repeat(np.random.default_rng(0).uniform(0.2, 1, ROWS // 72), 72)
    load = np.random.default_rng(1).exponential(50, ROWS).round()
    columns = {"sun": sun, "one": 1.0, "total": load + 100 * sun, "register": load.cumsum()}
    assert watched(table(load, **columns), tuple(columns)) == ()
    assert watched(table(500 * sun * clouds, sun=sun, one=1.0), ("sun", "one")) == ()


def test_few_days_and_readings_with_many_gaps_are_looked_at_as_far_as_they_go() -> None:
    load = np.random.default_rng(0).exponential(50, 300)
    days = table(load, minutes=1440, leak=np.roll(load, -1))
    short = WindowConfig(lookback=3)
    assert len(watched(days, ("leak",), minutes=1440, window=short)) == 1
    assert watched(days.head(60), ("leak",), minutes=1440, window=short) == ()
    holes = table(np.tile(load, 10), leak=np.roll(np.tile(load, 10), -1)).drop(index=range(0, 3000, 60))
    assert any("lag +1" in words for words in watched(holes, ("leak",), window=short))


# Stretches that stand twice


@pytest.mark.parametrize(("rows", "of_all"), [(12, True), (200, True), (48, False)])
def test_test_rows_that_were_copied_into_training_are_found(home: pd.DataFrame, rows: int, of_all: bool) -> None:
    copied, features = home.copy(), ("T1", "T_out") if of_all else ()
    numbers = ["load", *features]
    copied.loc[500 : 500 + rows - 1, numbers] = home.loc[3600 : 3600 + rows - 1, numbers].to_numpy()
    (words,) = watched(copied, features)
    columns = "all columns" if of_all else "'load'"
    first, again = home["date"][500], home["date"][3600]
    assert words.startswith(f"{rows} rows of {columns} stand twice, from {first} to ")
    assert f"(train) and from {again} to " in words
    assert words.endswith("(test): is one a copy?")


def test_a_copied_load_beside_features_of_its_own_is_found(home: pd.DataFrame) -> None:
    copied = home.assign(load=home["load"].where(home.index < 3000, home["load"].shift(2016)))
    assert any("1032 rows of 'load' stand twice" in words for words in watched(copied, ("T1",)))


REPEATING = {
    "a fridge": np.where(np.arange(ROWS) % 9 < 3, 90.0, 0.0),
    "a schedule": 50.0 + 100 * ((HOUR > 8) & (HOUR < 18)),
    "nights of nothing": np.where((HOUR > 7) & (HOUR < 22), np.random.default_rng(0).integers(50, 900, ROWS), 30.0),
    "the sun": np.maximum(0, np.sin(2 * np.pi * (HOUR - 6) / 24)),
    "three numbers": np.random.default_rng(0).integers(0, 3, ROWS).astype(float),
    "straight lines": np.interp(np.arange(ROWS), np.arange(0, ROWS, 6), noise(0, memory=0.9, size=2)[::6].round()),
    "a slow sensor": noise(0, memory=0.99, size=0.2).round(1),
}


@pytest.mark.parametrize("load", REPEATING)
def test_what_repeats_of_itself_is_no_copy(load: str) -> None:
    assert watched(table(REPEATING[load])) == ()


# What is done about it


def test_a_leak_is_a_warning_or_an_error(home: pd.DataFrame, caplog: pytest.LogCaptureFixture) -> None:
    frame = home.assign(leak=home["load"].shift(-1)).iloc[:-1]
    with caplog.at_level(logging.WARNING):
        found = watched(frame, ("leak",))
    assert [record.getMessage() for record in caplog.records] == list(found) != []
    with pytest.raises(InputError, match=r"split\.leakage is 'error':\n  - feature 'leak' .*\nmend the readings"):
        watched(frame, ("leak",), leakage="error")
    assert watched(home, ("T1",), leakage="error") == ()


def test_the_real_house_leaks_nothing(real_file) -> None:
    frame = pd.read_csv(real_file, skipinitialspace=True)
    assert watched(frame, UCI_COLUMNS[1:], ("Appliances",)) == ()
    assert watched(frame, (), ("Appliances",)) == ()
    for weather in ("T_out", "Press_mm_hg", "T1"):  # interpolated between hours, slow
        assert watched(frame, ("Appliances",), (weather,)) == ()
