"""Local clocks: what their stamps are in UTC, through both changes of the year."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattcast.model.clock import beside_utc, from_instants, instants, localize, moment_of, on_the_clock

LONDON = "Europe/London"
ZONES = (LONDON, "Europe/Brussels", "America/New_York", "Australia/Adelaide", "Asia/Kolkata", "UTC")


def year(zone: str, freq: str) -> pd.DatetimeIndex:
    return pd.date_range("2021-01-01", "2021-12-31", freq=freq, tz=zone)


@pytest.mark.parametrize("freq", ["h", "30min", "15min", "7min"])
@pytest.mark.parametrize("zone", ZONES)
def test_a_year_of_local_stamps_is_read_through_both_changes(zone: str, freq: str) -> None:
    times = year(zone, freq)
    for order in (times, times[::-1]):
        read = localize(on_the_clock(order), zone)
        assert (read.notes, read.faults) == ((), ())
        assert read.times.equals(order)


@given(
    st.sampled_from(["h", "30min", "15min"]),
    st.integers(4, 200),
    st.integers(0, 250),
    st.sampled_from(ZONES),
    st.booleans(),
)
def test_a_part_of_the_readings_is_read_as_all_of_them_or_left_out(
    freq: str, rows: int, first: int, zone: str, forward: bool
) -> None:
    """As a request holds it, from anywhere around a change to anywhere: never another moment."""
    about = "2021-03-25" if forward else "2021-10-29"
    times = pd.date_range(about, periods=1000, freq=freq, tz=zone)[first : first + rows]
    read = localize(on_the_clock(times), zone)
    known = read.times.notna()
    assert not read.faults
    assert read.times[known].equals(times[known])
    assert read.left_out == (~known).sum()
    assert bool(read.left_out) == bool(read.notes)


def test_a_change_of_half_an_hour_is_read_too() -> None:
    times = year("Australia/Lord_Howe", "15min")
    assert localize(on_the_clock(times), "Australia/Lord_Howe").times.equals(times)


def test_the_newest_readings_of_an_hour_that_occurs_twice_are_told_by_those_before() -> None:
    stamps = pd.DatetimeIndex(["2021-10-31 00:00", "2021-10-31 00:30", "2021-10-31 01:00"])
    assert str(localize(stamps, LONDON).times[-1]) == "2021-10-31 01:00:00+01:00"
    later = stamps.append(pd.DatetimeIndex(["2021-10-31 01:30", "2021-10-31 01:00"]))
    assert str(localize(later, LONDON).times[-1]) == "2021-10-31 01:00:00+00:00"
    oldest = pd.DatetimeIndex(["2021-10-31 01:30", "2021-10-31 02:00", "2021-10-31 02:30"])
    assert str(localize(oldest, LONDON).times[0]) == "2021-10-31 01:30:00+00:00"


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("shown", ["01:30 01:45 01:00", "01:45 01:00 01:15", "01:15 01:30 01:45 01:00"])
def test_a_few_stamps_around_the_step_back_are_in_the_order_of_most_steps(shown: str, backwards: bool) -> None:
    """The last one shows an earlier time than the first one, and still is the newest."""
    stamps = pd.DatetimeIndex([f"2021-10-31 {each}" for each in shown.split()])
    before = shown.split().index("01:00")
    hours = [*["+01:00"] * before, *["+00:00"] * (len(stamps) - before)]
    read = localize(stamps[::-1] if backwards else stamps, LONDON)
    found = read.times[::-1] if backwards else read.times
    assert [str(each)[-6:] for each in found if not pd.isna(each)] in (hours, [])
    assert found.dropna().is_monotonic_increasing


def test_an_hour_that_should_stand_twice_and_stands_once_is_left_out_with_a_note() -> None:
    stamps = on_the_clock(year(LONDON, "30min")).unique()
    read = localize(stamps, LONDON)
    assert stamps[read.times.isna()].tolist() == [pd.Timestamp("2021-10-31 01:00"), pd.Timestamp("2021-10-31 01:30")]
    assert read.left_out == 2
    assert read.notes[0].startswith("2 time stamps, first 2021-10-31 01:00:00, occurred twice on the clock of Europe/L")


def test_rows_that_stand_twice_everywhere_tell_nothing_of_the_doubled_hour() -> None:
    times = year(LONDON, "30min")
    read = localize(on_the_clock(times.repeat(2)), LONDON)
    assert read.left_out == 8
    assert not read.times[read.times.notna()].difference(times).size


def test_stamps_that_never_were_tell_of_another_clock() -> None:
    utc = year("UTC", "h").tz_localize(None)
    (fault,) = localize(utc, LONDON).faults
    assert fault.startswith("1 time stamps, first 2021-03-28 01:00:00, never were on the clock of Europe/London")


def test_missing_stamps_stay_missing() -> None:
    stamps = pd.DatetimeIndex(["2021-10-31 00:30", None, "2021-10-31 01:00", "2021-10-31 01:00", "2021-10-31 02:00"])
    read = localize(stamps, LONDON)
    assert read.times.isna().tolist() == [False, True, False, False, False]
    assert (read.times[3] - read.times[2]) == pd.Timedelta(hours=1)


def test_a_moment_is_one_number_and_is_shown_by_its_clock() -> None:
    times = pd.date_range("2021-10-31 00:00", periods=4, freq="h", tz=LONDON)
    assert np.diff(instants(times)).tolist() == [np.timedelta64(1, "h")] * 3
    assert on_the_clock(times).hour.tolist() == [0, 1, 1, 2]
    assert from_instants(instants(times), times).equals(times)
    naive = times.tz_localize(None)
    assert on_the_clock(naive) is naive
    assert from_instants(instants(naive), naive).equals(naive)


def test_what_a_clock_shows_twice_is_the_first_of_both() -> None:
    times = year(LONDON, "h")
    shown = pd.Timestamp("2021-10-31 01:30").to_pydatetime()
    assert str(moment_of(shown, times)) == "2021-10-31 01:30:00+01:00"
    assert str(moment_of(pd.Timestamp("2021-03-28 01:30").to_pydatetime(), times)) == "2021-03-28 02:00:00+01:00"
    assert moment_of(shown, times.tz_localize(None)) == pd.Timestamp(shown)


@pytest.mark.parametrize(
    ("zone", "hours"), [(LONDON, 0), ("Asia/Kolkata", 5.5), ("America/New_York", -5), ("Pacific/Auckland", 12)]
)
def test_steps_of_hours_begin_by_the_clock_of_winter(zone: str, hours: float) -> None:
    assert beside_utc(year(zone, "D").tz) == pd.Timedelta(hours=hours)
    assert beside_utc(None) == pd.Timedelta(0)
