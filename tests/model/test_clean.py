"""From whatever stands in a file to a clean frame, or to every fault at once."""

import json
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattcast.model.clean import Habits, check_readings, clean, raise_faults
from wattcast.model.errors import InputError
from wattcast.model.limits import Limit
from wattcast.model.order import rhythm
from wattcast.model.readings import ReadingsConfig

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


def test_a_row_that_is_not_there_is_a_gap_as_an_empty_one_is():
    """Also where nothing else is to be done."""
    config = CONFIG.model_copy(update={"gaps": "interpolate", "feature_gaps": "last"})
    assert check_readings(raw().drop(index=1), config)["wh"].tolist() == [0, 10, 20, 30]
    (fault,) = clean(raw().drop(index=1), CONFIG.model_copy(update={"gaps": "error"})).faults
    assert "column 'wh' lacks 1 of 4 readings, first 2016-01-11 17:10:00" in fault


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
        ({"wh": ["1", "2", "much", "4"]}, r"1 of 4 values are not, first 'much' in row 2"),
        ({"wh": [1, 2, np.inf, -np.inf]}, r"2 of 4 values are not, first inf in row 2"),
        ({"wh": pd.date_range("2016", periods=4)}, r"4 of 4 values are not, first Timestamp"),
        ({"wh": [1j, 2, 3, 4]}, r"4 of 4 values are not, first 1j in row 0"),
        ({"wh": [[1], 2, 3, 4]}, r"1 of 4 values are not, first \[1\] in row 0"),
        ({"date": ["2016-01-11 17:00", "soon", None, "2016-01-11 17:30"]}, r"2 time stamps are missing .* row 1"),
        ({"date": [1, 2, 3, 4]}, r"'date' must hold time stamps like '2016-01-11 17:00:00' .*received 1 in row 0"),
        ({"date": ["a", "b", "c", "d"]}, r"'date' must hold time stamps .*received 'a' in row 0"),
        ({"date": pd.date_range("2016", periods=4, freq="10min", tz="UTC")}, r"have an offset from UTC"),
        ({"date": pd.date_range("2016", periods=4, freq="15min")}, r"must lie 10 minutes apart, up to a tenth"),
        ({"date": [pd.Timestamp("2016")] * 4}, r"1 time stamps stand more than once with different readings"),
        ({"wh": [True, False, True, True]}, r"'wh' must hold finite numbers, 4 of 4 values are not, first True in row"),
        ({"wh": ["1", "FALSE", "3", "4"]}, r"1 of 4 values are not, first 'FALSE' in row 1"),
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
    with pytest.raises(InputError) as caught:
        check_readings(raw(date=["soon", *["2016-01-01"] * 3], wh=["x"] * 4).drop(columns=["deg"]), CONFIG)
    message = str(caught.value)
    assert message.startswith("the readings cannot be used:\n  - ")
    assert message.count("\n  - ") == 3
    assert all(word in message for word in ("cannot be read", "'wh' must hold finite", "'deg' is missing"))


def test_with_faults_there_is_what_could_be_read():
    cleaned = clean(raw(wh=[1, "x", 3, 4]).drop(columns=["deg"]), CONFIG)
    assert len(cleaned.faults) == 2
    assert cleaned.frame["wh"].tolist()[::2] == [1, 3]
    assert np.isnan(cleaned.frame["wh"].iloc[1])


def test_without_faults_nothing_is_raised():
    raise_faults(())
    assert clean(raw(), CONFIG).faults == ()


# What is mended, with a word


def test_rows_newest_first_are_sorted_with_a_word():
    cleaned = clean(raw().iloc[::-1], CONFIG)
    pd.testing.assert_frame_equal(cleaned.frame, check_readings(raw(), CONFIG), check_freq=False)
    assert cleaned.notes == ("the 4 rows stood newest first and were sorted by time",)


def test_a_row_that_stands_twice_is_merged_with_a_word():
    cleaned = clean(pd.concat([raw(), raw().tail(1)]), CONFIG)
    assert cleaned.frame["wh"].tolist() == [0, 10, 20, 30]
    assert "stood more than once with the same readings" in cleaned.notes[-1]


@pytest.mark.parametrize("mark", ["", "?", "null", "Null ", "n/e", "-", "unavailable", "#N/A", None, float("nan")])
def test_an_empty_cell_is_as_if_its_row_were_missing(mark):
    cleaned = clean(raw(wh=["0", mark, "20", "30"]), CONFIG)
    pd.testing.assert_frame_equal(cleaned.frame, check_readings(raw().drop(index=1), CONFIG), check_freq=False)
    assert "1 of 4 rows lack a reading ('wh' 1" in cleaned.notes[0]


def test_gaps_are_closed_or_refused_as_the_configuration_says():
    frame = raw(6, wh=[0, None, 20, 30, 40, 50], deg=[0, 1, 2, None, None, 5])
    config = CONFIG.model_copy(update={"gaps": "interpolate", "feature_gaps": "last"})
    cleaned = clean(frame, config)
    assert cleaned.frame["wh"].tolist() == [0, 10, 20, 30, 40, 50]
    assert cleaned.frame["deg"].tolist() == [0, 1, 2, 2, 2, 5]
    assert len(cleaned.notes) == 2
    with pytest.raises(InputError, match=r"'wh' lacks 1 of 6 readings, .* 'error' allows none"):
        check_readings(frame, CONFIG.model_copy(update={"gaps": "error"}))


def test_stamps_a_few_seconds_beside_the_grid_are_moved_onto_it_with_a_word():
    jitter = pd.to_timedelta([0, 7, -5, 2], unit="s")
    cleaned = clean(raw(date=raw()["date"] + jitter), CONFIG)
    assert (cleaned.frame.index == raw()["date"]).all()
    assert "3 of 4 time stamps lay up to 7 s beside the grid" in cleaned.notes[0]


# Quantities


def test_readings_whose_sum_would_be_beyond_all_numbers_are_refused_and_not_added_up():
    times = pd.date_range("2021-01-01", periods=60, freq="min")
    fine = pd.DataFrame({"date": times, "wh": np.full(60, 1.5e308)})
    (fault,) = clean(fine, ReadingsConfig(targets=("wh",))).faults
    assert fault.startswith("column 'wh' must hold finite numbers, 60 of 60 values are not, first 1.5e+308 in row 0")


def test_finer_readings_are_added_up_and_their_features_averaged():
    minutes = pd.date_range("2016-01-11 17:00", periods=40, freq="1min")
    cleaned = clean(pd.DataFrame({"date": minutes, "wh": 1.0, "deg": np.arange(40.0)}), CONFIG)
    assert cleaned.frame["wh"].tolist() == [10] * 4
    assert cleaned.frame["deg"].tolist() == [4.5, 14.5, 24.5, 34.5]
    assert "40 readings, about 1 minutes apart, became 4 steps of 10 minutes" in cleaned.notes


@pytest.mark.parametrize(("minutes", "steps"), [(40, 4), (41, 4), (49, 4), (50, 5)])
@pytest.mark.parametrize("label", ["start", "end"])
def test_a_step_that_is_not_over_yet_is_left_out(minutes, steps, label):
    """It would look as if little had been used in it."""
    first = pd.Timestamp("2016-01-11 17:00") + pd.Timedelta(minutes=int(label == "end"))
    times = pd.date_range(first, periods=minutes, freq="1min")
    config = CONFIG.model_copy(update={"label": label})
    cleaned = clean(pd.DataFrame({"date": times, "wh": 1.0, "deg": 2.0}), config)
    assert cleaned.frame["wh"].tolist() == [10] * steps


def test_power_becomes_the_energy_of_its_steps():
    config = CONFIG.model_copy(update={"kind": "power"})
    frame = raw(wh=[600.0, 1200.0, 0.0, 60.0], deg=[1, 2, 3, None])
    assert check_readings(frame, config)["wh"].tolist() == [100, 200, 0]


def test_a_counter_gives_what_was_used_between_its_readings():
    """A reset counts from zero; a blip gives its energy to the step that recovers; the sum is conserved."""
    rows = 60
    used = np.full(rows, 10.0)
    counter = 48_123_765 + np.cumsum(used)
    counter[20] = 0  # a blip
    counter[40:] -= counter[39]  # a reset
    config = ReadingsConfig(targets=("wh",), kind="counter")
    times = pd.date_range("2016-01-11", periods=rows, freq="10min")
    cleaned = clean(pd.DataFrame({"date": times, "wh": counter}), config)
    energy = cleaned.frame["wh"]
    assert energy.sum() == 10 * (rows - 1)
    assert energy[times[19]] == 0  # a stamp is the start of its step
    assert energy[times[20]] == 20
    assert energy.drop([times[19], times[20]]).unique().tolist() == [10]
    assert len(cleaned.notes) == 2  # reset and blip


def test_a_few_new_readings_are_read_as_the_many_were_that_a_model_was_trained_on():
    """Half an hour of minutes says nothing of a cadence that its last two stamps do not have."""
    minutes = pd.date_range("2016-01-11", periods=6000, freq="1min")
    frame = pd.DataFrame({"date": minutes, "wh": np.arange(6000.0), "deg": 0.0})
    whole = clean(frame, CONFIG)
    few = frame.tail(60).drop(frame.index[-50:-1])
    with_habits = clean(few, CONFIG, whole.habits).frame
    pd.testing.assert_frame_equal(with_habits, whole.frame.loc[with_habits.index])
    again = Habits.from_json(whole.habits.to_json())
    assert again == whole.habits == Habits(rhythm(minutes))


@pytest.mark.parametrize(("minutes", "unit"), [(15, 25.0), (5, 25 / 3)])
@pytest.mark.parametrize(("kind", "hour"), [("energy", 100.0), ("power", None), ("counter", 100.0)])
def test_readings_nearer_to_each_other_than_those_of_the_training_cover_no_more_than_they_do(minutes, unit, kind, hour):
    """The last one of an hour would reach into the next one, and take a part of its energy there."""
    config = ReadingsConfig(targets=("wh",), cadence_minutes=60, kind=kind)

    def readings(minutes: int, unit: float, rows: int) -> pd.DataFrame:
        wh = np.arange(rows) * unit if kind == "counter" else np.full(rows, unit)
        return pd.DataFrame({"date": pd.date_range("2016-01-11", periods=rows, freq=f"{minutes}min"), "wh": wh})

    habits = clean(readings(15, 25.0, 400), config).habits
    rows = 5 * 60 // minutes + (kind == "counter")  # five hours
    made = clean(readings(minutes, unit, rows), config, habits)
    assert not made.faults
    assert made.frame["wh"].tolist() == pytest.approx([hour or unit] * 5)


# What a reading can be


@pytest.mark.parametrize("form", [None, lambda frame: frame.set_index("date"), lambda frame: frame.iloc[::-1]])
def test_a_negative_energy_is_refused_wherever_readings_are_read(form):
    """Clean readings are not looked through twice: the quick way, too."""
    frame = raw(wh=[0, -10, 20, -30])
    with pytest.raises(InputError, match=r"column 'wh' must not be negative, received -10 in row 1 and in 1 rows more"):
        check_readings(form(frame) if form else frame, CONFIG)
    check_readings(frame, ReadingsConfig(targets=("wh",), features=("deg",), signed=True))


def test_limits_of_the_training_hold_for_what_comes_later_and_are_saved_with_its_habits():
    dry = {"deg": Limit(-math.inf, 1.0, "must lie below 1")}
    trained = clean(raw(3), CONFIG, limits=dry)
    assert trained.faults == ()
    habits = Habits.from_json(json.loads(json.dumps(trained.habits.to_json())))
    assert habits == trained.habits
    later = clean(raw(4), CONFIG, habits)
    assert later.faults == ("column 'deg' must lie below 1, received 1.5 in row 3",)
    assert Habits.from_json({"rhythm": None, "medians": {}}) == Habits()  # of an earlier version


TRUTHS = [[True, False, True, True], ["true", "FALSE", "True", "1"], [5.0, True, 2.0, 3.0], [None, True, False, None]]


@pytest.mark.parametrize("dtype", [None, object, "boolean", "category", "string"])
@pytest.mark.parametrize("cells", TRUTHS)
def test_truth_values_are_no_readings_whatever_their_type(cells, dtype):
    try:
        column = pd.Series(cells, dtype=dtype)
    except (ValueError, TypeError):
        pytest.skip("no such column")
    for name in ("wh", "deg"):
        assert any(
            f"column '{name}' must hold finite numbers" in fault
            for fault in clean(raw(**{name: column}), CONFIG).faults
        )


@pytest.mark.parametrize("stamp", ["9999-12-31 23:50", "2200-01-01 00:00", "1899-12-31 23:50", "0001-01-01 00:00"])
@pytest.mark.parametrize("form", [str, np.datetime64])
def test_a_time_stamp_beyond_all_years_is_named(stamp, form):
    frame = raw(4)
    frame["date"] = frame["date"].astype(object)
    frame.loc[2, "date"] = form(stamp)
    assert [
        fault for fault in clean(frame, CONFIG).faults if "1 time stamps lie outside the years 1900 to 2199" in fault
    ]


# The grid


@given(st.lists(st.integers(1, 50), max_size=8))
def test_any_run_of_whole_steps_is_left_as_it_is(steps):
    times = pd.Timestamp("2016-01-11 17:00") + np.cumsum([0, *steps]) * CADENCE
    cleaned = clean(pd.DataFrame({"date": times, "wh": 1.0, "deg": 1.0}), CONFIG)
    assert (cleaned.faults, cleaned.notes) == ((), ())
    assert (cleaned.frame.index == times).all()


# Names of several levels, and sparse columns


def test_names_of_several_levels_are_refused_with_the_way_to_one():
    frame = raw()
    columns = frame.set_axis(pd.MultiIndex.from_product([["house"], frame.columns]), axis=1)
    assert clean(columns, CONFIG).faults == (
        "the columns have names of 2 levels: give each one name, such as frame.columns.map('_'.join)",
    )
    rows = frame.set_index(["date", "rv1"])
    assert clean(rows, CONFIG).faults == (
        "the rows have names of 2 levels: make them columns with frame.reset_index()",
    )
    assert clean(frame.set_axis(rows.index), CONFIG).faults == ()  # the time stamps are a column


def test_sparse_columns_are_read_as_what_they_hold():
    sparse = raw().assign(wh=pd.arrays.SparseArray([0.0, 0.0, 20.0, 0.0]))
    assert clean(sparse, CONFIG).frame["wh"].tolist() == [0, 0, 20, 0]
    flags = raw().assign(wh=pd.arrays.SparseArray([True, False, True, True]))
    assert "column 'wh' must hold finite numbers" in clean(flags, CONFIG).faults[0]


@pytest.mark.parametrize("cell", ["now", "today", 20160111, 1.45e18])
def test_among_stamps_stands_nothing_that_moves_or_counts(cell):
    frame = raw(4)
    frame["date"] = frame["date"].astype(str).astype(object)
    frame.loc[3, "date"] = cell
    assert any(
        "1 time stamps are missing or cannot be read, first in row 3" in fault for fault in clean(frame, CONFIG).faults
    )


def test_no_rows_of_a_counter_are_no_rows():
    counter = ReadingsConfig(targets=("wh",), kind="counter")
    assert len(clean(raw(4).head(0).assign(date=pd.DatetimeIndex([])), counter).frame) == 0
