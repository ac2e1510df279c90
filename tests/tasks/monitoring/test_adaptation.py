"""A file of forecasts adjusts its intervals: by what was known at each moment, the same in one go and bit by bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from wattcast.model.errors import InputError
from wattcast.model.readings import ReadingsConfig
from wattcast.model.windows import WindowConfig
from wattcast.tasks.data.files import parse, read_file
from wattcast.tasks.monitoring.adaptation import adapt
from wattcast.tasks.monitoring.forecast_log import Forecasts, add_forecasts, adjustments_file
from wattcast.tasks.registry.contract import Contract

READINGS = ReadingsConfig(timestamp="time", cadence_minutes=60, targets=("load",), features=())
STEPS, START = 3, pd.Timestamp("2016-01-11")
CONTRACT = Contract.of(
    READINGS, WindowConfig(lookback=2, steps_ahead=1, output_length=STEPS), (0.05, 0.25, 0.5, 0.75, 0.95)
)
BOUNDS = [f"load_p{name}" for name in ("05", "25", "50", "75", "95")]


def readings(hours: int, *, change: int = 10**6) -> pd.DataFrame:
    """Around 100, with a deviation of 1 that doubles at an hour."""
    noise = np.random.default_rng(5).normal(size=hours)
    times = pd.date_range(START, periods=hours, freq="h", name="time")
    return pd.DataFrame({"load": 100 + np.where(np.arange(hours) >= change, 2 * noise, noise)}, index=times)


def forecast(first: int, last: int) -> pd.DataFrame:
    """What a model that knows the mean and the first deviation says each hour."""
    made = np.repeat(np.arange(first, last), STEPS)
    ahead = made + np.tile(np.arange(1, STEPS + 1), last - first)
    bounds = 100 + np.array([-1.645, -0.674, 0, 0.674, 1.645])
    hours = {"made_at": made, "time": ahead}
    times = {name: START + pd.to_timedelta(each, unit="h") for name, each in hours.items()}
    return pd.DataFrame({**times, "load": 100.0, **dict(zip(BOUNDS, bounds, strict=True))})


def add(path: Path, made: pd.DataFrame, known: pd.DataFrame, version: str = "1") -> Forecasts:
    return add_forecasts(path, made, known, CONTRACT, version=version, adaptive=True, lowest=0)


def logged(actuals: pd.DataFrame, last: int) -> pd.DataFrame:
    made = forecast(0, last)
    return made.assign(
        load_actual=actuals["load"].reindex(made["time"]).to_numpy(), load_stretch_90=1.0, load_stretch_50=1.0
    )


def test_the_first_forecasts_are_as_the_model_gave_them(tmp_path: Path) -> None:
    made = forecast(5, 6)
    added = add(tmp_path / "log.csv", made, readings(6))
    pd.testing.assert_frame_equal(added.made, made, check_dtype=False)
    assert added.frame["load_stretch_90"].to_numpy() == pytest.approx([1] * STEPS)
    assert not adjustments_file(tmp_path / "log.csv").exists()


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_hour_by_hour_and_in_one_go_it_comes_to_the_same(suffix: str, tmp_path: Path) -> None:
    path, hours, known = tmp_path / f"log.{suffix}", 16, readings(20, change=0)
    for hour in range(hours):
        added = add(path, forecast(hour, hour + 1), known.iloc[: hour + 1])
    once = tmp_path / f"once.{suffix}"
    at_once = add(once, forecast(0, hours), known.iloc[:hours])
    columns = [*BOUNDS, "load_stretch_90", "load_stretch_50"]
    assert added.frame["load_stretch_90"].iloc[-1] > 1.2
    later = slice(5 * STEPS, None)  # what is one forecast apart is not known of the first ones
    pd.testing.assert_frame_equal(added.frame[columns][later], at_once.frame[columns][later], rtol=0.1)
    told = parse(read_file(adjustments_file(path)), path.name)
    assert told.columns.tolist() == ["version", "target", "level", "step_ahead", "moment", "held", "alpha"]
    assert len(told) == 2 * sum(hours - step for step in range(1, STEPS + 1))
    of_one = told[(told["level"] == 0.9) & (told["step_ahead"] == 2)]
    moved = of_one["alpha"].diff().dropna()
    assert np.where(of_one["held"].iloc[1:], moved > 0, moved < 0).all()


def test_what_came_later_changes_no_interval() -> None:
    """At each step ahead the actual counts from the hour on in which it was measured."""
    hours, at = 48, 24
    known = readings(hours)
    other = known.assign(load=np.where(np.arange(hours) >= at, 500.0, known["load"]))
    whole = np.ones(hours * STEPS, bool)
    (one, _), (two, _) = (adapt(logged(each, hours), whole, CONTRACT, lowest=0) for each in (known, other))
    step = np.tile(np.arange(1, STEPS + 1), hours)
    made = np.repeat(np.arange(hours), STEPS)
    same = (one[BOUNDS] == two[BOUNDS]).all(axis=1).to_numpy()
    assert same[made < at].all()
    assert not same[made >= at].any()
    assert (step[~same] >= 1).all()


def test_coverage_returns_where_the_spread_has_doubled_and_does_not_without() -> None:
    days, change = 60, 30
    known = readings(24 * days + STEPS, change=24 * change)
    frame = logged(known, 24 * days)
    adapted, _ = adapt(frame, np.ones(len(frame), bool), CONTRACT, lowest=0)
    after = slice((change + 21) * 24 * STEPS, None)

    def covered(rows: pd.DataFrame) -> float:
        return float(rows["load_actual"].between(rows["load_p05"], rows["load_p95"]).mean())

    assert covered(adapted[after]) == pytest.approx(0.9, abs=0.03)
    assert covered(frame[after]) < 0.7
    assert covered(adapted[: after.start // 2]) == pytest.approx(0.9, abs=0.03)


@pytest.mark.parametrize("median", [1.5, 3.0], ids=["as the model gave it", "as it was stretched"])
def test_bounds_that_end_at_the_lowest_reading_there_can_be_hold_no_more_than_they_say(median: float) -> None:
    """Day by day, too, where a file tells a stretched bound no further than to zero, and what the model gave is gone.

    A model's own bound that lies at zero is told apart to the bit; one that was stretched to it counts as one of those.
    """
    hours = 24 * 20
    noise = np.random.default_rng(5).normal(size=hours + STEPS)
    times = pd.date_range(START, periods=hours + STEPS, freq="h", name="time")
    known = pd.DataFrame({"load": np.maximum(0, median + 2 * noise)}, index=times)
    given = logged(known, hours)
    given[BOUNDS] = np.maximum(given[BOUNDS] - 100 + median, 0)
    at_once, _ = adapt(given, np.ones(len(given), bool), CONTRACT, lowest=0)
    by_day = given.iloc[:0]
    for first in range(0, len(given), 24 * STEPS):
        by_day = pd.concat([by_day, given.iloc[first : first + 24 * STEPS]], ignore_index=True)
        by_day, told = adapt(by_day, by_day.index >= first, CONTRACT, lowest=0)
    late = slice(10 * 24 * STEPS, None)
    assert (by_day["load_p05"][late] == 0).mean() > 0.4
    assert (by_day["load_stretch_90"][late] > 1.2).all()
    apart = 0.0 if median == 1.5 else 0.1
    pd.testing.assert_series_equal(by_day["load_stretch_90"], at_once["load_stretch_90"], rtol=apart + 1e-12)
    assert by_day["load_actual"].between(by_day["load_p05"], by_day["load_p95"])[late].mean() == pytest.approx(
        0.9, abs=0.03
    )
    held = told[(told["level"] == 0.9) & (told["step_ahead"] == 1)].set_index("moment")["held"]
    served = by_day[by_day["time"] == by_day["made_at"] + pd.Timedelta(hours=1)].set_index("time")
    shown = served["load_actual"].between(served["load_p05"], served["load_p95"])
    assert held.tolist() == shown[held.index].tolist()


def test_each_version_begins_anew_and_what_was_given_stays(tmp_path: Path) -> None:
    path, known = tmp_path / "log.csv", readings(60, change=0)
    first = add(path, forecast(0, 40), known.iloc[:41]).frame
    second = add(path, forecast(40, 41), known.iloc[:41], version="2")
    of_first = second.frame[second.frame["version"] == "1"].reset_index(drop=True)
    pd.testing.assert_frame_equal(of_first[BOUNDS], first[BOUNDS])
    assert second.frame["load_stretch_90"].iloc[-1] == pytest.approx(1)
    assert set(parse(read_file(adjustments_file(path)), path.name)["version"].astype(str)) == {"1"}
    plain = add_forecasts(path, forecast(41, 42), known.iloc[:43], CONTRACT, version="2")
    assert plain.made["load_p95"].tolist() == [101.645] * STEPS


@pytest.mark.parametrize("version", ["1", "2"])
def test_of_adjustments_the_newest_two_weeks_are_kept(version: str, tmp_path: Path) -> None:
    path, known, days = tmp_path / "log.csv", readings(24 * 40, change=0), 20
    add(path, forecast(0, 24 * days), known.iloc[: 24 * days])
    before = parse(read_file(adjustments_file(path)), path.name)
    assert len(before) == 14 * 24 * STEPS * 2
    add(path, forecast(24 * days, 24 * (days + 1)), known.iloc[: 24 * (days + 1)], version=version)
    told = parse(read_file(adjustments_file(path)), path.name)
    moments = pd.to_datetime(told["moment"])
    assert moments.max() == START + pd.Timedelta(days=days + 1, hours=-1)
    assert moments.max() - moments.min() < pd.Timedelta(days=14)
    assert len(told.drop_duplicates()) == len(told)


def test_nothing_is_learnt_from_what_the_version_was_trained_on(tmp_path: Path) -> None:
    known, trained_to = readings(60, change=0), START + pd.Timedelta(hours=30)
    made = add_forecasts(
        tmp_path / "log.csv",
        forecast(0, 50),
        known.iloc[:51],
        CONTRACT,
        version="1",
        adaptive=True,
        lowest=0,
        trained_to={"1": trained_to},
    ).frame
    assert (made.loc[made["made_at"] <= trained_to, "load_stretch_90"] == 1).all()
    assert (made.loc[made["made_at"] > trained_to + pd.Timedelta(hours=5), "load_stretch_90"] != 1).all()
    assert made["load_actual"].notna().sum() == (made["time"] <= known.index[50]).sum()


def test_what_stands_in_is_neither_adjusted_nor_learnt_from(tmp_path: Path) -> None:
    path, known = tmp_path / "log.csv", readings(60, change=0)
    naive = forecast(0, 40).assign(made_by="daily_naive")
    first = add(path, naive, known.iloc[:41])
    assert (first.frame["load_stretch_90"] == 1).all()
    pd.testing.assert_frame_equal(first.made, naive, check_dtype=False)
    assert (add(path, forecast(40, 41), known.iloc[:41]).made["load_p95"] == 101.645).all()


def test_intervals_that_had_no_width_come_back(tmp_path: Path) -> None:
    """Of a building that does nothing a model knows all: intervals shrink, and grow again when it does something."""
    path, known = tmp_path / "log.csv", readings(24 * 12)
    known.iloc[: 24 * 9] = 100.0  # as forecast
    asleep = add(path, forecast(0, 24 * 9), known.iloc[: 24 * 9]).frame
    assert 0 < asleep["load_stretch_90"].iloc[-1] < 0.01
    awake = add(path, forecast(24 * 9, 24 * 11), known).frame
    assert awake["load_stretch_90"].iloc[-1] > 0.5
    assert np.isfinite(awake[BOUNDS]).all(axis=None)


@pytest.mark.parametrize("width", [0.0, -2.0])
def test_a_stretch_that_nothing_can_have_had_is_passed_over(width: float) -> None:
    """Nor does it divide by zero: what the intervals held still counts, how wide they would have had to be does not."""
    frame = logged(readings(60, change=0), 40)
    new = (frame["made_at"] == frame["made_at"].max()).to_numpy()
    made = adapt(frame.assign(load_stretch_90=np.where(new, 1.0, width)), new, CONTRACT, lowest=0)[0][new]
    assert made["load_stretch_90"].between(1, 1.5).all()
    assert np.isfinite(made[BOUNDS]).all(axis=None)


def test_a_file_that_holds_no_adjustments_is_in_the_way(tmp_path: Path) -> None:
    path, known = tmp_path / "log.csv", readings(60)
    add(path, forecast(0, 5), known.iloc[:5])
    before = path.read_bytes()
    adjustments_file(path).write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match=r"holds no adjustments of intervals, as its columns are a, b, .* move it"):
        add(path, forecast(5, 6), known.iloc[:6])
    assert path.read_bytes() == before


def test_what_intervals_held_is_told_over_all_by_step_and_by_hour(tmp_path: Path) -> None:
    known = readings(60)
    scores = add(tmp_path / "log.csv", forecast(0, 48), known).intervals
    groups = {(score.by, score.group) for score in scores}
    assert {("all", "all"), ("steps ahead", "1"), ("steps ahead", "3"), ("hour of day", "00:00")} <= groups
    (overall,) = [score for score in scores if (score.by, score.level) == ("all", 0.9)]
    assert (overall.model, overall.target, overall.rows) == ("1", "load", 48 * STEPS)
    assert 0.8 < overall.coverage < 1
