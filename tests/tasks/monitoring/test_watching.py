"""What watching calls wrong, and what it leaves to luck."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from wattcast.model.readings import ReadingsConfig
from wattcast.model.windows import WindowConfig
from wattcast.tasks.monitoring.watching import (
    Skill,
    judge_coverage,
    judge_drift,
    judge_lateness,
    judge_skill,
    judge_stuck,
    rows_of,
    skill_of,
)
from wattcast.tasks.registry.contract import Contract

READINGS = ReadingsConfig(timestamp="time", cadence_minutes=60, targets=("load",), features=("t",))
CONTRACT = Contract.of(READINGS, WindowConfig(lookback=2, output_length=2), (0.05, 0.5, 0.95))
DAYS, START, HOURS = 30, pd.Timestamp("2016-01-11"), pd.Timedelta(hours=4)


def readings(hours: int = 24 * DAYS) -> pd.DataFrame:
    draws = np.random.default_rng(0)
    times = pd.date_range(START, periods=hours, freq="h", name="time")
    day = np.sin(times.hour.to_numpy() / 24 * 2 * np.pi)
    return pd.DataFrame(
        {"load": 100 + 30 * day + draws.normal(0, 5, hours), "t": 20 + draws.normal(0, 1, hours)}, times
    )


def forecasts(error: float, *, spread: float | None = None, days: int = DAYS) -> pd.DataFrame:
    """Logged ones of each hour, two steps each, off by `error` where persistence is off by 10, as is their 90 %."""
    made = np.repeat(np.arange(24 * days), 2)
    draws = np.random.default_rng(1)
    off, persistence = draws.normal(0, error, len(made)), draws.normal(0, 10, len(made))
    half = 1.645 * (error if spread is None else spread)
    return pd.DataFrame(
        {
            "made_at": START + pd.to_timedelta(made, unit="h"),
            "time": START + pd.to_timedelta(made + np.tile([1, 2], 24 * days), unit="h"),
            "load": 100.0,
            "load_p05": 100 - half,
            "load_p50": 100.0,
            "load_p95": 100 + half,
            "load_actual": 100 + off,
            "load_persistence": 100 + off + persistence,
            "version": "3",
        }
    )


@pytest.mark.parametrize(
    ("now", "wrong", "words"),
    [
        (
            "2016-02-09 23:30",
            False,
            "the newest reading is of 2016-02-09 23:00:00, 30 minutes ago, 3 hours are allowed",
        ),
        ("2016-02-10 02:00", False, "3 hours ago"),
        ("2016-02-10 02:01", True, "3.02 hours ago"),
        ("2016-03-09 23:00", True, "29 days ago"),
        ("2016-02-09 10:00", True, "is 13 hours ahead of now"),
    ],
)
def test_a_reading_is_late_from_an_age_on_or_far_ahead_of_the_clock(now: str, wrong: bool, words: str) -> None:
    sign = judge_lateness(pd.DatetimeIndex(readings().index), pd.Timestamp(now), pd.Timedelta(hours=3))
    assert sign.wrong is wrong
    assert words in sign.found


def test_a_sensor_that_keeps_to_a_value_is_named_unless_it_always_did() -> None:
    frame = readings()
    assert not judge_stuck(frame, READINGS, {}).wrong
    frame.iloc[-5:, 1] = 21.5
    sign = judge_stuck(frame, READINGS, {})
    assert (sign.wrong, sign.found) == (True, "t at 21.5 for 5 hours")
    assert not judge_stuck(frame, READINGS, {"t": 3}).wrong


def test_drift_is_that_of_the_newest_days_against_training() -> None:
    frame = readings()
    trained = (frame.index[0], frame.index[24 * 20])
    assert not judge_drift(frame, READINGS, trained, 7).wrong
    moved = frame.assign(t=np.where(np.arange(len(frame)) > 24 * 22, frame["t"] + 15, frame["t"]))
    sign = judge_drift(moved, READINGS, trained, 7)
    assert sign.wrong
    assert "Drift in what the model reads: t (major)" in sign.found
    assert "not looked at" in judge_drift(moved, READINGS, None, 7).found
    assert "lack a day of training" in judge_drift(moved.tail(24 * 5), READINGS, trained, 7).found


def test_skill_is_wrong_only_beyond_luck() -> None:
    squared = np.random.default_rng(2).chisquare(1, (2, 24 * 14)) * [[49.0], [100.0]]
    judged = skill_of(squared, block=24)
    assert judged.low < judged.value < judged.high
    assert judged.value == pytest.approx(0.3, abs=0.05)
    as_ever, worse = forecasts(7), forecasts(12)
    for rows in (as_ever, worse):
        rows["load_persistence"] = rows["load_actual"] + np.random.default_rng(3).normal(0, 10, len(rows))
    assert not judge_skill(as_ever, CONTRACT, judged, 14).wrong
    sign = judge_skill(worse, CONTRACT, judged, 14)
    assert sign.wrong
    assert sign.found.endswith(f"{judged.value:.3f} at the gate")
    assert not judge_skill(worse, CONTRACT, Skill(judged.value, -1.0, 1.0), 14).wrong
    assert "not compared" in judge_skill(worse, CONTRACT, None, 14).found
    both = CONTRACT.model_copy(update={"targets": ("load", "heat")})
    assert " of load over the newest" in judge_skill(worse, both, None, 14).found


def test_only_the_newest_days_count() -> None:
    rows = forecasts(7, spread=7)
    before = rows["made_at"] < START + pd.Timedelta(days=10)
    rows.loc[before, ["load_p05", "load_p95"]] = 100.0
    assert not judge_coverage(rows, CONTRACT, 14).wrong
    assert judge_coverage(rows, CONTRACT, 30).wrong


@pytest.mark.parametrize(("spread", "wrong"), [(7, False), (4, True), (14, True), (6.7, False)])
def test_coverage_is_wrong_beyond_luck_and_a_band(spread: float, wrong: bool) -> None:
    sign = judge_coverage(forecasts(7, spread=spread), CONTRACT, 14)
    assert sign.wrong is wrong
    assert "in those of 90 % (99 % interval" in sign.found


def test_few_forecasts_say_nothing() -> None:
    few = forecasts(50, spread=1, days=2)
    assert not judge_coverage(few, CONTRACT, 14).wrong
    assert "are not there yet" in judge_skill(few, CONTRACT, Skill(0.3, 0.2, 0.4), 14).found
    assert "no intervals" in judge_coverage(few, Contract.of(READINGS, WindowConfig()), 14).found


def test_what_a_version_was_trained_on_and_what_stood_in_for_it_are_left_out() -> None:
    rows = forecasts(7, days=4).assign(made_by="gru")
    rows.loc[rows.index[-4:], "made_by"] = "daily_naive"
    kept = rows_of(rows, CONTRACT, "3", {"3": START + pd.Timedelta(days=2)})
    assert kept["time"].min() > START + pd.Timedelta(days=2)
    assert set(kept["made_by"]) == {"gru"}
    assert len(rows_of(rows, CONTRACT, "4", {})) == 0


def test_a_few_forecasts_behind_a_pause_are_not_two_days_of_them() -> None:
    rows = forecasts(12)
    paused = rows[(rows["made_at"] < START + pd.Timedelta(days=5)) | (rows["made_at"] > rows["made_at"].max() - HOURS)]
    assert "not there yet" in judge_skill(paused, CONTRACT, Skill(0.3, 0.2, 0.4), 14).found
    assert "not there yet" in judge_coverage(paused, CONTRACT, 14).found
    assert "not there yet" not in judge_coverage(rows, CONTRACT, 2).found


def test_that_all_of_a_few_forecasts_hold_may_be_luck() -> None:
    """Of 14 by themselves as many hold where 90 % do, once in five times; of 336 never."""
    rows = forecasts(7, spread=70)
    of_a_day = rows[pd.DatetimeIndex(rows["made_at"]).hour == 0]
    assert not judge_coverage(of_a_day, CONTRACT, 14).wrong
    assert judge_coverage(rows, CONTRACT, 14).wrong


def test_where_persistence_is_hardly_ever_wrong_no_skill_is_told() -> None:
    rows = forecasts(7)
    still = rows.assign(
        load_persistence=rows["load_persistence"].where(rows.index >= len(rows) - 100, rows["load_actual"])
    )
    assert (
        judge_skill(still, CONTRACT, Skill(0.3, 0.2, 0.4), 14).found == "not looked at, as readings have hardly changed"
    )


@pytest.mark.parametrize("days", [2.5, 4, 7, 14])
def test_good_days_and_bad_ones_are_no_alarm_in_the_first_weeks_of_a_version(
    days: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Intervals are right, but the hours of a day are alike: their share wavers from day to day."""
    monkeypatch.setattr("wattcast.tasks.bootstrap.RESAMPLES", 300)
    draws, alarms = np.random.default_rng(0), 0
    for _ in range(40):
        rows = forecasts(1, days=15)
        day = draws.normal(size=15).repeat(24)
        off = ((day + draws.normal(size=len(day))) / 2**0.5).repeat(2)
        rows = rows.assign(load_actual=100 + off)
        alarms += judge_coverage(rows[rows["made_at"] < START + days * pd.Timedelta(days=1)], CONTRACT, 14).wrong
    assert alarms <= 1
