"""Resampling and counters on a grid, by hand-computed numbers; sums that are kept."""

import time

import numpy as np
import pandas as pd
import pytest
from frames import at, every, over, stamps
from hypothesis import given
from hypothesis import strategies as st

from wattcast.model.counter import counter_to_energy
from wattcast.model.grid import resample, to_grid
from wattcast.model.order import put_in_order, rhythm

NAN = np.nan
QUARTER = pd.Timedelta(minutes=15)
MINUTE = pd.Timedelta(minutes=1)


# Finer readings


def test_energy_is_added_up_and_the_rest_is_a_mean():
    frame = over(every(5, 6), wh=[1, 2, 3, 10, 20, 30], deg=[10, 11, 12, 0, 0, 3])
    made = resample(frame, QUARTER, sums=["wh"])
    assert stamps(made.frame) == ["00:00", "00:15"]
    assert made.frame["wh"].tolist() == [6, 60]
    assert made.frame["deg"].tolist() == [11, 1]
    assert made.frame.index.name == "time"
    assert made.notes == ("6 readings, about 5 minutes apart, became 2 steps of 15 minutes",)


def test_labels_at_the_end_of_their_steps():
    frame = over(every(5, 6, start="2021-03-01 00:05"), wh=[1, 2, 3, 10, 20, 30], deg=[10, 11, 12, 0, 0, 3])
    made = to_grid(frame, QUARTER, sums=["wh"], label="end")
    assert stamps(made.frame) == ["00:15", "00:30"]
    assert made.frame["wh"].tolist() == [6, 60]
    assert made.frame["deg"].tolist() == [11, 1]


def test_a_step_counts_where_enough_of_it_was_covered():
    frame = over(every(3, 10), wh=[1, NAN, 3, 4, 5, 6, NAN, NAN, 9, 10], deg=range(10)).drop(index=every(3, 10)[9])
    made = resample(frame, QUARTER, sums=["wh"])
    np.testing.assert_array_equal(made.frame["wh"], [13, NAN])  # four fifths, two fifths
    np.testing.assert_array_equal(made.frame["deg"], [2, 6.5])
    assert made.notes[1:] == (
        "column 'wh': 1 of 2 steps were covered for less than 75 % and count as missing",
        "column 'wh': 1 steps were covered in part, and hold what was read",
    )
    np.testing.assert_array_equal(resample(frame, QUARTER, sums=["wh"], coverage=0.4).frame["wh"], [13, 15])
    np.testing.assert_array_equal(resample(frame, QUARTER, sums=["wh"], coverage=1).frame["wh"], [NAN, NAN])


def test_steps_without_a_reading_have_no_row():
    frame = over(every(5, 12), wh=range(12)).drop(index=every(5, 12)[3:9])
    assert stamps(resample(frame, QUARTER, sums=["wh"]).frame) == ["00:00", "00:45"]


def test_irregular_readings_count_for_the_time_that_they_cover():
    frame = over(at("00:00", "00:10", "00:12", "00:20", "00:30", "00:33"), w=[60, 0, 30, 120, 0, 6])
    made = to_grid(frame, QUARTER, sums=[])
    assert stamps(made.frame) == ["00:00", "00:15", "00:30", "00:45"]
    want = [(60 * 10 + 0 * 2 + 30 * 3) / 15, (30 * 5 + 120 * 10) / 15, (0 * 3 + 6 * 12) / 15, NAN]
    np.testing.assert_allclose(made.frame["w"], want, rtol=1e-14)


def test_energy_over_an_edge_is_shared_by_time():
    frame = over(every(10, 6), wh=[10, 20, 30, 40, 50, 60])
    made = resample(frame, QUARTER, sums=["wh"])
    np.testing.assert_allclose(made.frame["wh"], [20, 40, 65, 85], rtol=1e-14)


def test_finer_readings_with_jitter_are_put_in_order_first():
    times = every(1, 30) + pd.to_timedelta([2, 0, 1, 0, 3, 0] * 5, unit="s")
    made = to_grid(over(times, wh=range(30)), QUARTER, sums=["wh"])
    assert made.frame["wh"].tolist() == [sum(range(15)), sum(range(15, 30))]
    assert made.notes[0].startswith("15 of 30 time stamps lay up to 3 s beside the grid")


def test_coarser_readings_stay_where_they_are():
    frame = over(every(60, 3), deg=[1, 2, 3])
    pd.testing.assert_frame_equal(to_grid(frame, QUARTER, sums=[]).frame, frame)


def test_a_few_readings_are_read_in_the_rhythm_that_is_known():
    frame = over(at("00:00", "00:05", "00:15", "00:20", "00:25"), wh=[1, 2, 4, 5, 6])
    known = rhythm(every(5, 100))
    np.testing.assert_array_equal(to_grid(frame, QUARTER, sums=["wh"], known=known).frame["wh"], [NAN, 15])
    one = over(at("00:05"), wh=[1])
    np.testing.assert_array_equal(to_grid(one, QUARTER, sums=["wh"], known=known).frame["wh"], [NAN])


@pytest.mark.parametrize("zone", [None, "UTC", "Europe/London"])
@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_zones_and_units_of_stamps(zone, unit):
    times = every(5, 6).as_unit(unit).tz_localize(zone)
    made = resample(over(times, wh=[1, 2, 3, 4, 5, 6]), QUARTER, sums=["wh"])
    assert made.frame.index.equals(times[[0, 3]])
    assert made.frame["wh"].tolist() == [6, 15]


@given(
    st.lists(st.tuples(st.integers(1, 1500), st.integers(0, 10**6)), min_size=2, max_size=60),
    st.sampled_from(["start", "end"]),
    st.integers(1, 60),
)
def test_sums_and_means_are_kept_whatever_the_distances(readings, label, minutes):
    seconds, energy = zip(*readings, strict=True)
    times = pd.Timestamp("2021-03-01") + pd.to_timedelta(np.cumsum(seconds), unit="s")
    frame = over(pd.DatetimeIndex(times), wh=energy, deg=np.full(len(energy), 20.5))
    before = frame.copy(deep=True)
    made = resample(frame, pd.Timedelta(minutes=minutes), sums=["wh"], label=label, coverage=0).frame
    np.testing.assert_allclose(made["wh"].sum(), sum(energy), rtol=1e-12)
    np.testing.assert_allclose(made["deg"], 20.5, rtol=1e-12)
    assert made.index.is_monotonic_increasing
    assert made.index.is_unique
    pd.testing.assert_frame_equal(frame, before)


@given(st.lists(st.one_of(st.just(NAN), st.integers(0, 1000)), min_size=30, max_size=120))
def test_whole_steps_of_finer_readings_are_exactly_what_pandas_adds_up(values):
    frame = over(every(1, len(values)), wh=values)
    made = resample(frame, QUARTER, sums=["wh"], coverage=1).frame["wh"]
    want = frame["wh"].resample("15min").sum(min_count=15)
    np.testing.assert_array_equal(made.reindex(want.index), want)


# Counters


def counted(frame: pd.DataFrame, cadence: pd.Timedelta = QUARTER, **options: object) -> pd.DataFrame:
    counter = counter_to_energy(frame["wh"].to_numpy())
    energy = frame.assign(wh=counter.energy)
    return to_grid(energy, cadence, sums=["wh"], since={"wh": counter.since}, **options).frame


def test_a_counter_on_the_grid_is_labelled_as_it_is_said():
    frame = over(every(15, 4), wh=[100, 110, 130, 160], deg=[1, 2, 3, 4])
    np.testing.assert_array_equal(counted(frame)["wh"], [10, 20, 30, NAN])
    np.testing.assert_array_equal(counted(frame, label="end")["wh"], [NAN, 10, 20, 30])
    np.testing.assert_array_equal(counted(frame)["deg"], [1, 2, 3, 4])
    beside = frame.set_axis(every(15, 4, start="2021-03-01 00:07"))
    np.testing.assert_array_equal(counted(beside, label="end")["wh"], [NAN, 10, 20, 30])


def test_energy_over_a_missing_row_of_a_counter_is_left_out_or_spread():
    frame = over(every(15, 6), wh=[100, 110, 130, 160, 200, 250]).drop(index=every(15, 6)[[2]])
    ends = counted(frame, label="end")["wh"]
    assert stamps(ends.to_frame()) == ["00:15", "01:00", "01:15"]
    np.testing.assert_array_equal(ends, [10, 40, 50])
    spread = counted(frame, label="end", longest=1)["wh"]
    np.testing.assert_array_equal(spread, [10, 25, 25, 40, 50])


def test_a_counter_that_misses_minutes_within_a_step_loses_nothing():
    frame = over(every(1, 31), wh=np.arange(31) * 2.0)
    frame.iloc[[3, 4, 5, 20], 0] = NAN
    made = counted(frame.drop(index=every(1, 31)[[8, 9]]))
    np.testing.assert_allclose(made["wh"], [30, 30], rtol=1e-14)


@given(st.lists(st.tuples(st.integers(1, 900), st.integers(0, 10**6)), min_size=2, max_size=60))
def test_an_irregular_counter_keeps_its_sum(readings):
    seconds, rises = zip(*readings, strict=True)
    times = pd.DatetimeIndex(pd.Timestamp("2021-03-01") + pd.to_timedelta(np.cumsum(seconds), unit="s"))
    values = 1e7 + np.cumsum(rises)
    counter = counter_to_energy(values)
    made = resample(over(times, wh=counter.energy), QUARTER, sums=["wh"], since={"wh": counter.since}, coverage=0)
    np.testing.assert_allclose(made.frame["wh"].sum(), values[-1] - values[0], rtol=1e-12)


# Size


def test_two_million_minutes_become_quarters_of_an_hour():
    rows = 2_000_000
    frame = over(every(1, rows), wh=np.arange(rows) % 7, deg=np.arange(rows) % 5)
    started = time.process_time()
    made = to_grid(put_in_order(frame).frame, QUARTER, sums=["wh"]).frame
    assert time.process_time() - started < 5  # seconds of one core; about one on a quiet machine
    assert made["wh"].sum() == frame["wh"].to_numpy()[: rows // 15 * 15].sum()  # the last step is covered for a third
