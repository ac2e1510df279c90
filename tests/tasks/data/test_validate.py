"""What training data must satisfy: each fault alone, all at once, and what is allowed."""

import logging

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wattcast.model.clean import OFFSETS_ASKED
from wattcast.model.errors import InputError
from wattcast.model.readings import ReadingsConfig
from wattcast.tasks.data import validate as validation
from wattcast.tasks.data.uci import ENERGY_COLUMNS, UCI_COLUMNS
from wattcast.tasks.data.validate import HUMIDITY_COLUMNS, TEMPERATURE_COLUMNS


def validate(frame, config, **options):
    return validation.validate(frame, config, **options).frame


CONFIG = ReadingsConfig(features=("lights", "T1", "RH_1"))
ALL = ReadingsConfig(features=UCI_COLUMNS[1:-2])
ROWS = 50


def make_frame(**columns):
    step = np.arange(ROWS)
    times = pd.date_range("2016-01-11 17:00", periods=ROWS, freq="10min").strftime("%Y-%m-%d %H:%M:%S")
    values = {"date": times, "Appliances": 50.0 + step, "lights": 0.0, "T1": 20.0 + step / 50, "RH_1": 40.0}
    return pd.DataFrame(values | columns)


def with_value(column, row, value):
    frame = make_frame()
    frame[column] = frame[column].astype(object)
    frame.loc[row, column] = value
    return frame


def faults_of(frame, config=CONFIG, window_rows=10):
    with pytest.raises(InputError) as caught:
        validate(frame, config, window_rows=window_rows, uci=True)
    first, *faults = str(caught.value).splitlines()
    assert first == "the readings cannot be used:"
    return [fault.removeprefix("  - ") for fault in faults]


def test_sound_readings_become_a_clean_frame_of_the_columns_in_use():
    frame = make_frame(rv1="not in use")
    clean = validate(frame, CONFIG, window_rows=ROWS)
    assert list(clean) == ["Appliances", "lights", "T1", "RH_1"]
    assert set(clean.dtypes) == {np.dtype("float64")}
    assert clean.index[0] == pd.Timestamp("2016-01-11 17:00")
    assert len(clean) == ROWS
    np.testing.assert_array_equal(clean["T1"], frame["T1"])


@pytest.mark.parametrize(
    ("frame", "fault"),
    [
        (with_value("Appliances", 3, -1), "column 'Appliances' must not be negative, received -1 in row 3"),
        (
            with_value("lights", 49, -0.5),
            "column 'lights' must not be negative, received -0.5 in row 49",
        ),
        (with_value("RH_1", 7, 100.1), "column 'RH_1' must lie within 0..100 %, received 100.1 in row 7"),
        (with_value("RH_1", 7, -1), "column 'RH_1' must lie within 0..100 %, received -1 in row 7"),
        (with_value("T1", 0, 293.15), "column 'T1' must lie within -60..80 °C, received 293.15 in row 0"),
        (
            make_frame(T1=np.linspace(60, 100, ROWS)),
            "column 'T1' must lie within -60..80 °C, received 80.4082 in row 25 and in 24 rows more",
        ),
        (make_frame(Appliances=60), "column 'Appliances' is a target and must vary, received 60 in all 50 rows"),
        (
            with_value("T1", 5, np.inf),
            "column 'T1' must hold finite numbers, 1 of 50 values are not, first inf in row 5",
        ),
        (
            with_value("RH_1", 5, "x"),
            "column 'RH_1' must hold finite numbers, 1 of 50 values are not, first 'x' in row 5",
        ),
        (make_frame().rename(columns={"T1": "t1"}), "column 'T1' is missing: did you mean 't1'?"),
        (
            with_value("date", 9, None),
            "1 time stamps are missing or cannot be read, first in row 9; write them as 2016-01-31 17:00, or "
            "say how they are written in readings.time_format",
        ),
        (
            make_frame(date="soon"),
            "column 'date' must hold time stamps like '2016-01-11 17:00:00' on one clock, received 'soon' in row 0",
        ),
        (
            make_frame(date=pd.date_range("2016-01-11 17:00", periods=ROWS, freq="10min", tz="Europe/Brussels")),
            OFFSETS_ASKED,
        ),
        (
            make_frame(date=[f"2016-01-11 17:00:00+0{row % 2}:00" for row in range(ROWS)]),
            OFFSETS_ASKED,
        ),
        (
            make_frame(T1=pd.date_range("2016", periods=ROWS)),
            "column 'T1' must hold finite numbers, 50 of 50 values are not, "
            "first Timestamp('2016-01-01 00:00:00') in row 0",
        ),
        (make_frame(other=1.0).rename(columns={"other": "T1"}), "column 'T1' stands more than once"),
        (make_frame().rename(columns={"T1": 7}), "column 'T1' is missing"),
        (
            with_value("date", 25, "2016-01-11 21:00:00"),
            "1 time stamps stand more than once with different readings, first 2016-01-11 21:00:00 with 74 and 75 in "
            "column 'Appliances': keep one row of each",
        ),
    ],
)
def test_each_fault_alone_is_the_only_one_named(frame, fault):
    assert faults_of(frame) == [fault]


def test_too_few_rows_for_one_window():
    advice = "give more readings, or shorten lookback or horizon"
    want = "one window needs 51 rows without a gap, the longest stretch has 50 of 50 rows: "
    assert faults_of(make_frame(), window_rows=51) == [want + advice]
    halves = make_frame().drop(index=[25])
    want = "one window needs 30 rows without a gap, the longest stretch has 25 of 49 rows: "
    assert faults_of(halves, window_rows=30) == [want + advice]


def test_no_rows_at_all():
    empty = make_frame().iloc[:0]
    assert any("received no rows" in fault for fault in faults_of(empty))
    assert any("has 0 of 0 rows" in fault for fault in faults_of(empty))
    no_times = empty.assign(date=pd.DatetimeIndex([]))
    assert len(faults_of(no_times)) == 1


def test_every_fault_at_once_in_one_message():
    frame = make_frame(Appliances=-5).drop(columns="lights").drop(index=range(8, 45))
    frame = frame.astype({"T1": object})
    frame.loc[2, "T1"], frame.loc[3, "T1"], frame.loc[4, "RH_1"] = 99.0, "x", 101.0
    frame.loc[5, "date"] = "2016-01-11 17:53:00"
    every = [
        "readings must lie 10 minutes apart, up to a tenth of that beside it is taken as it; 1 of 13 time stamps lie "
        "farther, first 2016-01-11 17:53:00: give a cadence that is a multiple of theirs, and they are resampled to it",
        "column 'lights' is missing",
        "column 'T1' must hold finite numbers, 1 of 13 values are not, first 'x' in row 3",
        "column 'Appliances' must not be negative, received -5 in row 0 and in 12 rows more",
        "column 'Appliances' is a target and must vary, received -5 in all 13 rows",
        "column 'T1' must lie within -60..80 °C, received 99 in row 2",
        "column 'RH_1' must lie within 0..100 %, received 101 in row 4",
        "one window needs 10 rows without a gap, the longest stretch has 5 of 13 rows: give more readings, or shorten "
        "lookback or horizon",
    ]
    assert sorted(faults_of(frame)) == sorted(every)


def test_a_gap_of_whole_steps_is_allowed_kept_and_logged(caplog):
    frame = make_frame().drop(index=[20, 21, 40])
    with caplog.at_level(logging.INFO, logger="wattcast.tasks.data.validate"):
        clean = validate(frame, CONFIG, window_rows=20)
    assert len(clean) == ROWS - 3
    assert caplog.messages == [
        "gaps in time: 2, first from 2016-01-11 20:10:00 to 2016-01-11 20:40:00; no window crosses one"
    ]
    caplog.clear()
    validate(make_frame(), CONFIG, window_rows=20)
    assert caplog.messages == []


def test_the_edges_of_the_ranges_are_inside():
    frame = make_frame(T1=np.r_[-60.0, 80.0, [20.0] * 48], RH_1=np.r_[0.0, 100.0, [40.0] * 48])
    assert len(validate(frame, CONFIG, window_rows=1)) == ROWS


def test_only_columns_in_use_are_judged():
    frame = make_frame(T1=999.0, RH_1=-1.0)
    assert list(validate(frame, ReadingsConfig(features=("lights",)), window_rows=1)) == ["Appliances", "lights"]


def test_targets_of_any_name_are_not_negative_unless_they_are_declared_as_signed():
    heat = make_frame(heat=np.arange(ROWS) - 1.0, T_out=np.arange(ROWS) - 20.0)
    for target, first in (("heat", -1), ("T_out", -20)):
        own = ReadingsConfig(targets=(target,), features=())
        (fault,) = faults_of(heat, own)
        assert fault.startswith(f"column {target!r} must not be negative")
        assert f"received {first} in row 0" in fault
        signed = ReadingsConfig(targets=(target,), features=(), signed=True)
        assert validate(heat, signed, window_rows=10)[target].min() == first


def test_what_names_say_holds_for_the_uci_file_alone():
    """T1 and T2 are a tariff's registers elsewhere, T_out is in Fahrenheit, RH_1 is what somebody calls so."""
    frame = make_frame(T1=48_123_765.0, RH_1=-3.0, lights=-1.0)
    assert len(validate(frame, CONFIG, window_rows=10)) == ROWS
    assert len(faults_of(frame)) == 3


def test_groups_of_names_do_not_overlap():
    assert not {*ENERGY_COLUMNS} & (HUMIDITY_COLUMNS | TEMPERATURE_COLUMNS)
    assert len(HUMIDITY_COLUMNS) == 10
    assert len(TEMPERATURE_COLUMNS) == 11


@pytest.mark.parametrize("frame", [make_frame(), with_value("T1", 3, 999.0)])
def test_the_frame_given_is_never_changed(frame):
    before = frame.copy(deep=True)
    try:
        clean = validate(frame, CONFIG, window_rows=1)
        clean.iloc[:] = 7.0
    except InputError:
        pass
    pd.testing.assert_frame_equal(frame, before)


@settings(deadline=None)  # a busy machine is no fault
@given(
    st.lists(st.integers(0, 60), min_size=1, max_size=30, unique=True).map(sorted),
    st.integers(1, 30),
)
def test_a_window_fits_exactly_where_enough_steps_lie_in_a_row(steps, window_rows):
    frame = pd.DataFrame({"Appliances": np.arange(len(steps)) + 0.0, "other": 1.0})
    frame.index = pd.Timestamp("2020-01-01") + pd.to_timedelta(np.multiply(steps, 10), unit="min")
    config = ReadingsConfig(features=("other",))
    runs = "".join("x" if step in steps else " " for step in range(61)).split()
    if len(steps) > 1 and max(map(len, runs)) >= window_rows:
        pd.testing.assert_index_equal(
            validate(frame, config, window_rows=window_rows).index, frame.index, check_names=False
        )
    else:
        assert faults_of(frame, config, window_rows)


def test_the_simulated_house_is_sound(house):
    assert len(validate(house, ALL, window_rows=180)) == len(house)


def test_the_real_file_is_sound(real_file, caplog):
    clean = validate(pd.read_csv(real_file), ALL, window_rows=180)
    assert clean.shape == (19_735, 26)
    assert caplog.messages == []


def test_a_wrong_cadence_is_guessed(house):
    hourly = house.iloc[::6]
    with pytest.raises(InputError, match="most readings lie 60 minutes apart: is that what readings"):
        validate(hourly, ALL, window_rows=25)
    assert len(validate(hourly, ALL.model_copy(update={"cadence_minutes": 60}), window_rows=25)) == len(hourly)
