"""Order, doubles, rhythm and jitter of time stamps, by hand-computed numbers."""

import numpy as np
import pandas as pd
import pytest
from frames import at, every, over, stamps
from hypothesis import given
from hypothesis import strategies as st

from wattcast.model.order import put_in_order, rhythm, snap

NAN = np.nan
QUARTER = pd.Timedelta(minutes=15)
MINUTE = pd.Timedelta(minutes=1)


# Order


def test_what_is_in_order_is_left_as_it_is():
    frame = over(every(15, 4), wh=[1, NAN, 3, 4])
    ordered = put_in_order(frame)
    pd.testing.assert_frame_equal(ordered.frame, frame)
    assert ordered.notes == ordered.faults == ()


def test_rows_newest_first_and_in_blocks_are_sorted_with_a_word():
    frame = over(every(15, 4), wh=[1, 2, 3, 4])
    newest_first = put_in_order(frame[::-1])
    pd.testing.assert_frame_equal(newest_first.frame, frame, check_freq=False)
    assert newest_first.notes == ("the 4 rows stood newest first and were sorted by time",)
    blocks = put_in_order(frame.iloc[[2, 3, 0, 1]])
    pd.testing.assert_frame_equal(blocks.frame, frame, check_freq=False)
    assert blocks.notes == ("the 4 rows stood in 2 blocks, each in order, and were sorted by time",)


def test_the_same_row_twice_is_merged_with_a_word():
    frame = over(at("00:00", "00:15", "00:15", "00:15", "00:30"), wh=[1, 2, NAN, 2, 3], deg=[5, NAN, NAN, 7, 8])
    ordered = put_in_order(frame)
    assert ordered.frame["wh"].tolist() == [1, 2, 3]
    assert ordered.frame["deg"].tolist() == [5, 7, 8]
    assert stamps(ordered.frame) == ["00:00", "00:15", "00:30"]
    assert ordered.frame.index.name == "time"
    assert ordered.notes == (
        "1 time stamps stood more than once with the same readings (first 2021-03-01 00:15:00) and were merged",
    )
    assert ordered.faults == ()


def test_rows_of_one_stamp_that_differ_are_a_fault_that_names_them():
    frame = over(
        at("00:15", "00:00", "00:15", "00:30", "00:30", "00:30"), wh=[2, 1, 2, 3, 3, 3], deg=[0, 5, 0, 7, 8, 9]
    )
    ordered = put_in_order(frame)
    assert ordered.faults == (
        "1 time stamps stand more than once with different readings, first 2021-03-01 00:30:00 with 7 and 9 in column "
        "'deg': keep one row of each",
    )
    assert len(ordered.notes) == 2
    assert ordered.frame["wh"].tolist() == [1, 2, 3]


def test_stamps_that_are_missing_are_a_fault():
    frame = over(pd.DatetimeIndex(["2021-03-01", None, "2021-03-02"]), wh=[1, 2, 3])
    ordered = put_in_order(frame)
    assert ordered.faults == ("1 time stamps are missing or cannot be read, first in row 1",)
    assert ordered.frame["wh"].tolist() == [1, 3]


@given(st.permutations(range(12)), st.lists(st.integers(0, 11), max_size=5))
def test_any_order_and_any_copies_give_the_same_frame(order, copies):
    frame = over(every(15, 12), wh=np.arange(12) ** 2, deg=[NAN, *range(11)])
    shuffled = frame.iloc[[*order, *copies]]
    before = shuffled.copy(deep=True)
    ordered = put_in_order(shuffled)
    pd.testing.assert_frame_equal(ordered.frame, frame, check_freq=False)
    pd.testing.assert_frame_equal(shuffled, before)
    assert ordered.faults == ()


# Rhythm


def test_rhythm_by_hand():
    assert rhythm(at("00:00")) is None
    quarter = rhythm(at("00:00", "00:15", "00:30", "01:15"))
    assert (quarter.step, quarter.share, quarter.constant) == (QUARTER, 1.0, True)
    jitter = rhythm(at("00:00:02", "00:15:00", "00:29:59", "00:45:04"))
    assert (jitter.step, jitter.constant) == (QUARTER, True)
    halves = rhythm(pd.date_range("2021-03-01", periods=50, freq="510s"))
    assert (halves.step, halves.constant) == (pd.Timedelta(minutes=8.5), True)
    irregular = rhythm(at("00:00", "00:04", "00:05", "00:18", "00:21", "00:29"))
    assert not irregular.constant


# Jitter


def test_jitter_of_seconds_is_moved_onto_the_grid_with_a_word():
    frame = over(at("00:00:02", "00:15", "00:29:58", "00:45:07", "01:15"), wh=[1, 2, 3, 4, 5])
    snapped = snap(frame, QUARTER)
    assert stamps(snapped.frame) == ["00:00", "00:15", "00:30", "00:45", "01:15"]
    assert snapped.frame["wh"].tolist() == [1, 2, 3, 4, 5]
    assert snapped.notes == ("3 of 5 time stamps lay up to 7 s beside the grid and were moved onto it",)
    assert stamps(frame)[0] == "00:00:02"


def test_a_grid_that_begins_beside_the_hour_stays_there():
    frame = over(at("00:07", "00:22:01", "00:37", "00:51:59"), wh=[1, 2, 3, 4])
    assert stamps(snap(frame, QUARTER).frame) == ["00:07", "00:22", "00:37", "00:52"]
    even = over(at("00:07", "00:22", "00:37"), wh=[1, 2, 3])
    assert snap(even, QUARTER).notes == ()
    pd.testing.assert_frame_equal(snap(even, QUARTER).frame, even)


def test_one_stamp_far_beside_the_grid_is_a_fault():
    frame = over(at("00:00", "00:15", "00:32", "00:45"), wh=[1, 2, 3, 4])
    (fault,) = snap(frame, QUARTER).faults
    assert "must lie 15 minutes apart" in fault
    assert "1 of 4 time stamps lie farther, first 2021-03-01 00:32:00" in fault
    assert snap(over(at("00:00", "00:15", "00:31:30", "00:45"), wh=[1, 2, 3, 4]), QUARTER).faults == ()


def test_two_stamps_that_meet_are_a_fault():
    frame = over(at("00:00", "00:15", "00:15:30", "00:30"), wh=[1, 2, 3, 4])
    (fault,) = snap(frame, QUARTER).faults
    assert fault.startswith("1 readings share a step with another, first 2021-03-01 00:15:00 and 2021-03-01 00:15:30")


@given(st.lists(st.integers(-80, 80), min_size=2, max_size=30), st.integers(0, 14))
def test_any_jitter_within_the_limit_is_undone(seconds, phase):
    sound = every(15, len(seconds), start=f"2021-03-01 00:{phase:02}")
    frame = over(sound + pd.to_timedelta([0, *seconds[1:-1], 0] if len(seconds) > 2 else [0, 0], unit="s"), wh=seconds)
    snapped = snap(frame, QUARTER)
    if not snapped.faults:  # half of them lie together on another side of the limit
        distances = np.diff(snapped.frame.index)
        assert (distances == QUARTER.to_timedelta64()).all()
        assert abs(snapped.frame.index[0] - sound[0]) <= QUARTER / 10


@pytest.mark.parametrize("zone", ["America/New_York", "Atlantic/Azores", "Europe/Paris", "Pacific/Auckland", "UTC"])
@pytest.mark.parametrize("first", ["2022-01-01", "2022-06-20", "2022-11-20"])
@pytest.mark.parametrize("rows", [2, 60, 400])
def test_days_of_a_place_keep_their_date_through_both_of_its_clocks(zone: str, first: str, rows: int) -> None:
    dates = pd.date_range(first, periods=rows, freq="D")
    midnights = dates.tz_localize(zone, nonexistent="shift_forward", ambiguous=np.ones(rows, bool))
    mended = snap(pd.DataFrame({"wh": 1.0}, index=midnights), pd.Timedelta(days=1))
    times = pd.DatetimeIndex(mended.frame.index)
    assert not mended.faults
    assert times.tz_localize(None).normalize().equals(dates)
    assert set(np.diff(times.tz_convert(None))) == {np.timedelta64(1, "D")}
    assert len(snap(mended.frame, pd.Timedelta(days=1)).notes) == 0
