"""The naive forecast that stands in: its numbers by hand, what it is asked for, and that a record gives it again."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from mlflow.exceptions import MlflowException
from mlflow.models import Model

from wattcast.model.clean import Habits, clean
from wattcast.model.errors import InputError
from wattcast.model.fallback import Fallback, conformal_quantiles
from wattcast.model.history import is_stuck, longest_run, newest_run
from wattcast.model.pyfunc import Served
from wattcast.model.readings import ReadingsConfig
from wattcast.model.windows import WindowConfig

HOURLY = ReadingsConfig(timestamp="time", cadence_minutes=60, targets=("load",))
WINDOW = WindowConfig(lookback=6, steps_ahead=1, output_length=3)
QUANTILES = (0.05, 0.5, 0.95)


def readings(hours: int, *, start: str = "2016-01-11") -> pd.DataFrame:
    """The same day again and again, a little higher each day: the hour and a tenth of the number of the day."""
    times = pd.date_range(start, periods=hours, freq="h")
    load = times.hour + 0.1 * (np.arange(hours) // 24)
    return pd.DataFrame({"time": times, "load": 10.0 + load})


def fitted(hours: int = 24 * 10, window: WindowConfig = WINDOW) -> Fallback:
    frame = readings(hours).set_index("time")
    return Fallback.of_readings(frame, HOURLY, Habits(), window, QUANTILES)


def forecast(fallback: Fallback, raw: pd.DataFrame, *, every: bool = False) -> pd.DataFrame:
    cleaned = fallback.clean(raw)
    return fallback.forecast(cleaned.frame, every=every, drawn=cleaned.drawn)


def test_the_best_of_the_span_forecasts_and_says_so() -> None:
    fallback = fitted()
    assert fallback.best == "daily_naive"
    raw = readings(24 * 3 + 8)
    made = forecast(fallback, raw)
    assert made.columns.tolist() == ["made_at", "time", "load", "load_p05", "load_p50", "load_p95", "made_by"]
    assert made["load"].tolist() == raw["load"].iloc[-24:-21].tolist()
    assert made["time"].tolist() == pd.date_range("2016-01-14 08:00", periods=3, freq="h").tolist()
    assert set(made["made_at"]) == {raw["time"].iloc[-1]}
    assert set(made["made_by"]) == {"daily_naive"}
    assert (made["load_p05"] <= made["load_p50"]).all()
    assert (made["load_p50"] <= made["load_p95"]).all()


def test_the_intervals_of_a_season_know_nothing_of_what_persistence_did_in_its_place() -> None:
    """Each day is a tenth higher than the one before: that is all that the same time yesterday is ever off by."""
    for hours in (36, 24 * 8):
        assert fitted(hours).errors["daily_naive"] == pytest.approx(0.1)
    assert fitted(24 * 8).errors["weekly_naive"] == pytest.approx(0.7)


def test_readings_of_less_than_a_day_are_forecast_by_persistence() -> None:
    raw = readings(3)
    made = forecast(fitted(), raw)
    assert made["load"].tolist() == [12.0] * 3
    assert set(made["made_by"]) == {"persistence"}
    assert forecast(fitted(), raw.head(1))["load"].tolist() == [10.0] * 3


def test_every_moment_is_forecast_by_what_it_has_readings_for() -> None:
    made = forecast(fitted(), readings(30), every=True)
    by = made.groupby("made_at")["made_by"].first()
    assert (by == "daily_naive").tolist() == [False] * 23 + [True] * (len(by) - 23)
    assert made["made_at"].is_monotonic_increasing


def test_it_stands_in_where_readings_are_too_few_or_begin_too_late() -> None:
    fallback = fitted()
    enough = fallback.clean(readings(6)).frame
    assert not fallback.lacks(enough)
    assert fallback.lacks(enough.tail(5)) == "a forecast needs the newest 6 readings without a gap, received 5"
    gap = fallback.clean(readings(12).drop(index=8)).frame
    assert fallback.lacks(gap).endswith("received 3 after the gap before 2016-01-11 09:00:00")
    seasonal = fitted(window=WINDOW.model_copy(update={"seasonal_lags": (1,)}))
    assert not seasonal.lacks(seasonal.clean(readings(24)).frame)
    assert seasonal.lacks(seasonal.clean(readings(23)).frame).startswith(
        "a forecast reads the same time up to 1 days before"
    )


def test_a_stuck_sensor_is_forecast_from_before_it_was() -> None:
    raw = readings(24 * 3 + 8)
    raw.loc[raw.index[-7:], "load"] = raw["load"].iloc[-8]
    fallback = fitted()
    frame = fallback.clean(raw).frame
    assert fallback.lacks(frame) == "load is stuck at 10.3 since 2016-01-14 00:00:00, 8 readings"
    made = fallback.forecast(frame)
    assert made["load"].tolist() == raw["load"].iloc[48 + 8 : 48 + 11].tolist()
    assert set(made["made_at"]) == {raw["time"].iloc[-1]}


def wandering(hours: int) -> pd.DataFrame:
    """A load of which the newest reading says most, and yesterday's little."""
    load = 500 + np.cumsum(np.random.default_rng(1).normal(0, 1, hours))
    return pd.DataFrame({"load": load}, pd.date_range("2016-01-11", periods=hours, freq="h", name="time"))


def test_a_reading_that_is_hours_old_is_not_forecast_with_the_errors_of_a_new_one() -> None:
    """With a day of readings the same time of yesterday forecasts; without, errors are those of as far ahead."""
    frame = wandering(24 * 30)
    fallback = Fallback.of_readings(frame, HOURLY, Habits(), WINDOW.model_copy(update={"output_length": 12}), QUANTILES)
    assert fallback.best == "persistence"
    frame.iloc[-6:] = 480.0
    assert set(fallback.forecast(frame)["made_by"]) == {"daily_naive"}
    short = frame.tail(20)
    made, sound = fallback.forecast(short), fallback.forecast(short.head(15))
    assert set(made["made_by"]) == {"persistence"}
    widths, as_far = (each["load_p95"].to_numpy() - each["load_p05"].to_numpy() for each in (made, sound))
    assert widths[:7] == pytest.approx(as_far[5:])
    assert widths[7:] == pytest.approx(as_far[-1])


def test_a_line_across_a_gap_is_no_moment_to_forecast_from_and_no_error() -> None:
    lines = HOURLY.model_copy(update={"gaps": "interpolate", "longest_gap": 12})
    raw = readings(24 * 10).drop(index=range(100, 108))
    cleaned = clean(raw, lines)
    one, step = WINDOW.model_copy(update={"output_length": 1}), pd.Timedelta(hours=1)
    fallback = Fallback.of_readings(cleaned.frame, lines, Habits(), one, QUANTILES, drawn=cleaned.drawn)
    made = forecast(fallback, raw, every=True)
    assert set(made["made_at"]) == set(raw["time"])
    measured = raw.set_index("time")["load"]
    change = (measured - measured.shift(freq=step)).dropna().to_numpy()[:, None, None]
    np.testing.assert_allclose(fallback.errors["persistence"], conformal_quantiles(change, QUANTILES))


def test_errors_of_a_sensor_that_is_stuck_are_none() -> None:
    frame = wandering(24 * 10)
    stuck = frame.assign(load=np.where(np.arange(len(frame)) >= 24 * 4, 480.0, frame["load"]))
    of_all, of_sound = (
        Fallback.of_readings(each, HOURLY, Habits(), WINDOW, QUANTILES) for each in (stuck, stuck.head(24 * 4 + 1))
    )
    assert json.dumps(of_all.to_json()) == json.dumps(of_sound.to_json())
    still = frame.assign(load=480.0)
    assert (
        forecast(Fallback.of_readings(still, HOURLY, Habits(), WINDOW, QUANTILES), still.reset_index())["load"].tolist()
        == [480.0] * 3
    )


@pytest.mark.parametrize(
    ("run", "longest", "minutes", "stuck"),
    [
        (3, 1, 60, False),
        (4, 1, 60, True),
        (4, 2, 60, False),
        (24, 1, 10, True),
        (23, 1, 10, False),
        (60, 30, 10, False),
    ],
)
def test_stuck_is_beyond_what_is_known_and_beyond_chance(run: int, longest: int, minutes: int, stuck: bool) -> None:
    assert is_stuck(run, longest, pd.Timedelta(minutes=minutes)) is stuck


@pytest.mark.parametrize(
    ("values", "longest", "newest"),
    [([], 0, 0), ([1], 1, 1), ([1, 1, 2], 2, 1), ([1, 2, 2, 2], 3, 3), ([5, 5], 2, 2), ([1, 1, 1, 2, 2], 3, 2)],
)
def test_runs_are_counted(values: list[float], longest: int, newest: int) -> None:
    array = np.array(values, np.float64)
    assert (longest_run(array), newest_run(array)) == (longest, newest)


def test_quantiles_of_errors_are_those_of_split_conformal_forecasts() -> None:
    errors = np.arange(1.0, 20.0)[:, None, None]  # 19 of them: the 20th is the forecast's own
    assert conformal_quantiles(errors, (0.05, 0.5, 0.95)).ravel().tolist() == [1, 10, 19]
    assert conformal_quantiles(errors, (0.01, 0.99)).ravel().tolist() == [1, 19]
    assert conformal_quantiles(errors, ()).shape == (1, 1, 0)


def test_its_intervals_hold_what_they_say() -> None:
    noise = np.random.default_rng(0).normal(0, 5, 24 * 60)
    times = pd.date_range("2016-01-11", periods=len(noise), freq="h")
    load = 100 + 30 * np.sin(times.hour / 24 * 2 * np.pi) + noise
    frame = pd.DataFrame({"load": load}, index=times)
    fallback = Fallback.of_readings(frame.iloc[: 24 * 30], HOURLY, Habits(), WINDOW, (0.05, 0.95))
    made = fallback.forecast(frame.iloc[24 * 30 :], every=True)
    made = made[made["made_by"] == "daily_naive"]
    actual = frame["load"].reindex(made["time"]).to_numpy()
    held = (actual >= made["load_p05"]) & (actual <= made["load_p95"])
    assert 0.86 <= held.mean() <= 0.94


def test_a_record_gives_it_again() -> None:
    fallback = fitted(window=WINDOW.model_copy(update={"output_length": 30}))
    again = Fallback.from_json(json.loads(json.dumps(fallback.to_json())))
    raw = readings(24 * 9)
    pd.testing.assert_frame_equal(forecast(again, raw), forecast(fallback, raw), rtol=1e-4)
    assert again.lacks(again.clean(raw.head(2)).frame) == fallback.lacks(fallback.clean(raw.head(2)).frame)
    assert len(json.dumps(fallback.to_json())) < 5000


def test_nothing_given_is_changed_and_what_cannot_be_read_is_refused() -> None:
    fallback, raw = fitted(), readings(30)
    before = raw.copy(deep=True)
    forecast(fallback, raw, every=True)
    pd.testing.assert_frame_equal(raw, before)
    with pytest.raises(InputError, match="column 'load' is missing"):
        fallback.clean(raw[["time"]])


class Loaded:
    """As MLflow loads a model."""

    metadata = Model()

    def predict(self, readings: pd.DataFrame, params: object = None) -> pd.DataFrame:
        return pd.DataFrame({"load": [1.0] * 3})


def test_behind_a_server_the_model_answers_wherever_it_can() -> None:
    record = fitted().to_json()
    both, alone = Served.beside(Loaded(), record), Served.beside(None, record)
    raw = readings(48)
    assert set(both.predict(raw)["made_by"]) == {"gru"}
    assert set(both.predict(raw.head(2))["made_by"]) == {"persistence"}
    assert set(alone.predict(raw)["made_by"]) == {"daily_naive"}
    assert len(alone.predict(raw, {"every": True})) > 3
    stuck = raw.assign(load=np.where(raw.index >= 40, 12.0, raw["load"]))
    assert set(both.predict(stuck)["made_by"]) == {"daily_naive"}
    assert set(both.predict(stuck, {"every": True})["made_by"]) == {"gru"}
    with pytest.raises(MlflowException, match="column 'time' with the time stamps is missing"):
        alone.predict(raw[["load"]].reset_index(drop=True))
    with pytest.raises(MlflowException, match="every must be true or false, received 'yes'"):
        alone.predict(raw, {"every": "yes"})
