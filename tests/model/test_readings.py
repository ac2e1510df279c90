"""From whatever stands in a file to a clean frame, or to every fault at once."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from wattcast.model.errors import InputError
from wattcast.model.readings import (
    ReadingsConfig,
    cadence_faults,
    check_readings,
    inspect_readings,
    nearest,
    raise_faults,
)
from wattcast.tasks.data.uci import UCI_COLUMNS

CONFIG = ReadingsConfig(targets=("wh",), features=("deg",))
CADENCE = pd.Timedelta(minutes=10)


def raw(rows: int = 4, **columns: object) -> pd.DataFrame:
    dates = pd.date_range("2016-01-11 17:00", periods=rows, freq="10min")
    return pd.DataFrame({"date": dates, "deg": np.arange(rows) / 2, "wh": np.arange(rows) * 10, "rv1": 0.5} | columns)


# A clean frame


def test_a_clean_frame_has_the_wanted_columns_in_order_over_the_time_stamps():
    clean = check_readings(raw(), CONFIG)
    assert list(clean.columns) == ["wh", "deg"]
    assert isinstance(clean.index, pd.DatetimeIndex)
    assert clean.index.name == "date"
    assert clean.index[-1] == pd.Timestamp("2016-01-11 17:30")
    assert (clean.dtypes == np.float64).all()
    assert clean["wh"].tolist() == [0, 10, 20, 30]


@pytest.mark.parametrize(
    "form",
    [
        lambda frame: frame.set_index("date"),
        lambda frame: frame.set_index("date").rename_axis(None),
        lambda frame: frame.assign(date=frame["date"].astype(str)),
        lambda frame: frame.assign(date=frame["date"].dt.strftime("%Y-%m-%d %H:%M")),
        lambda frame: frame.assign(date=frame["date"].dt.to_pydatetime().astype(object)),
        lambda frame: frame.assign(wh=["0", " 10", "20.0", "3e1"]),
        lambda frame: frame.assign(wh=frame["wh"].astype("Int64"), deg=frame["deg"].astype("float32")),
        lambda frame: frame[["rv1", "wh", "deg", "date"]].set_index([[5, 5, 1, 0]]),
    ],
)
def test_the_same_readings_in_another_form_are_the_same_clean_frame(form):
    pd.testing.assert_frame_equal(
        check_readings(form(raw()), CONFIG), check_readings(raw(), CONFIG), check_index_type=False, check_freq=False
    )


def test_a_gap_of_whole_steps_is_allowed():
    clean = check_readings(raw(8).drop(index=[2, 3, 6]), CONFIG)
    assert clean["wh"].tolist() == [0, 10, 40, 50, 70]


def test_what_is_given_is_not_changed():
    frame = raw(date=["2016-01-11 17:00", "2016-01-11 17:10", "2016-01-11 17:20", "2016-01-11 17:30"], wh=list("1234"))
    before = frame.copy(deep=True)
    clean = check_readings(frame, CONFIG)
    clean.loc[:, "deg"] = -1
    pd.testing.assert_frame_equal(frame, before)


# Faults


@pytest.mark.parametrize(
    ("columns", "fault"),
    [
        ({"wh": [1, None, 3, None]}, r"'wh' must hold finite numbers, 2 of 4 values are not, first nan in row 1"),
        ({"wh": ["1", "2", "much", "4"]}, r"1 of 4 values are not, first 'much' in row 2"),
        ({"wh": [1, 2, np.inf, -np.inf]}, r"2 of 4 values are not, first inf in row 2"),
        ({"wh": pd.date_range("2016", periods=4)}, r"4 of 4 values are not, first Timestamp"),
        ({"wh": [1j, 2, 3, 4]}, r"4 of 4 values are not, first 1j in row 0"),
        ({"wh": pd.array([1, None, 3, 4], dtype="Int64")}, r"first <NA> in row 1"),
        ({"wh": [[1], 2, 3, 4]}, r"1 of 4 values are not, first \[1\] in row 0"),
        ({"date": ["2016-01-11 17:00", "soon", None, "2016-01-11 17:30"]}, r"2 time stamps are missing .* row 1"),
        ({"date": [1, 2, 3, 4]}, r"'date' must hold time stamps like '2016-01-11 17:00:00' .*received 1 in row 0"),
        ({"date": ["a", "b", "c", "d"]}, r"'date' must hold time stamps .*received 'a' in row 0"),
        ({"date": pd.date_range("2016", periods=4, freq="10min", tz="UTC")}, r"without a time zone, drop the zone"),
        ({"date": pd.date_range("2016", periods=4, freq="15min")}, r"10 minutes .* apart, 3 steps do not, first from"),
        ({"date": pd.date_range("2016", periods=4, freq="-10min")}, r"must ascend, row 1 \(2015-12-31 23:50:00\) lies"),
        ({"date": [pd.Timestamp("2016")] * 4}, r"must be unique, 3 stand more than once, first 2016-01-01"),
    ],
)
def test_a_fault_is_named_with_its_place(columns, fault):
    with pytest.raises(InputError, match=fault):
        check_readings(raw(**columns), CONFIG)


def test_a_missing_column_is_named_with_the_one_that_was_meant():
    with pytest.raises(InputError, match=r"column 'wh' is missing: did you mean 'Wh'\?"):
        check_readings(raw().rename(columns={"wh": "Wh"}), CONFIG)
    with pytest.raises(InputError, match=r"column 'date' with the time stamps is missing: did you mean 'dates'\?"):
        check_readings(raw().rename(columns={"date": "dates"}), CONFIG)
    with pytest.raises(InputError, match=r"column 'deg' is missing$"):
        check_readings(raw().drop(columns=["deg"]), CONFIG)


def test_a_column_that_stands_twice_is_a_fault_only_where_it_is_used():
    frame = pd.concat([raw(), raw()[["wh"]]], axis=1)
    with pytest.raises(InputError, match="column 'wh' stands more than once"):
        check_readings(frame, CONFIG)
    check_readings(pd.concat([raw(), raw()[["rv1"]]], axis=1), CONFIG)


def test_no_rows_at_all():
    with pytest.raises(InputError, match="received no rows"):
        check_readings(pd.DataFrame({"date": pd.Series([], dtype=object), "wh": [], "deg": []}), CONFIG)


def test_every_fault_is_told_at_once():
    dates = pd.date_range("2016", periods=4, freq="10min").delete(1).insert(1, pd.Timestamp("2015"))
    with pytest.raises(InputError) as caught:
        check_readings(raw(date=dates, wh=["x"] * 4).drop(columns=["deg"]), CONFIG)
    message = str(caught.value)
    assert message.startswith("the readings cannot be used:\n  - ")
    assert message.count("\n  - ") == 3
    assert all(word in message for word in ("must ascend", "'wh' must hold finite", "'deg' is missing"))


def test_inspection_keeps_what_can_be_read():
    clean, faults = inspect_readings(raw(wh=[1, "x", 3, 4]).drop(columns=["deg"]), CONFIG)
    assert len(faults) == 2
    assert clean["wh"].tolist()[::2] == [1, 3]
    assert np.isnan(clean["wh"].iloc[1])


def test_without_faults_nothing_is_raised():
    raise_faults([])
    assert inspect_readings(raw(), CONFIG)[1] == []


# The grid


@given(st.lists(st.integers(1, 50), max_size=8))
def test_any_run_of_whole_steps_is_a_grid(steps):
    times = pd.Timestamp("2016-01-11 17:00") + np.cumsum([0, *steps]) * CADENCE
    assert cadence_faults(pd.DatetimeIndex(times), CADENCE) == []


@given(st.lists(st.integers(-20, 20), min_size=1, max_size=8))
def test_a_fault_is_found_exactly_where_there_is_one(steps):
    """Steps of five minutes: those that are odd, zero or negative break the grid."""
    times = pd.DatetimeIndex(pd.Timestamp("2016-01-11 17:00") + np.cumsum([0, *steps]) * (CADENCE / 2))
    assert bool(cadence_faults(times, CADENCE)) == any(step <= 0 or step % 2 for step in steps)


def test_all_faults_of_a_grid_are_found_together():
    times = pd.DatetimeIndex(["2016-01-01 00:00", None, "2016-01-01 00:15", "2016-01-01 00:15", "2015-12-31 23:50"])
    missing, order, repeated, off = cadence_faults(times, CADENCE)
    assert "1 time stamps are missing or cannot be read, first in row 1" in missing
    assert "must ascend" in order
    assert "1 stand more than once, first 2016-01-01 00:15" in repeated
    assert "1 steps do not, first from 2016-01-01 00:00:00 to 2016-01-01 00:15:00" in off


# Names and configuration


@pytest.mark.parametrize(
    ("name", "hint"),
    [("appliances", ": did you mean 'Appliances'?"), ("RH1", ": did you mean 'RH_1'?"), ("gas meter", "")],
)
def test_nearest_name(name, hint):
    assert nearest(name, UCI_COLUMNS) == hint


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"targets": ("T1",), "features": ("T1",)}, r"received twice: \['T1'\]"),
        ({"timestamp": "lights", "features": ("lights",)}, r"received twice: \['lights'\]"),
        ({"targets": ()}, "targets"),
        ({"cadence_minutes": 0}, "cadence_minutes"),
        ({"time": "clock"}, "'none' or 'calendar'"),
        ({"target": "Appliances"}, "target"),
    ],
)
def test_config_names_what_is_wrong(options, message):
    with pytest.raises(ValidationError, match=message):
        ReadingsConfig(**options)
