"""Windows by hand-written lists of rows, and what holds for all of them."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from tiny import READINGS, counting_series, house, prepare

from wattcast.model.clean import check_readings
from wattcast.model.errors import InputError
from wattcast.model.scaler import ScaleConfig
from wattcast.model.split import SplitConfig, split_rows
from wattcast.model.windows import (
    CALENDAR_COLUMNS,
    Series,
    WindowConfig,
    Windows,
    ahead_columns,
    calendar,
    make_series,
    make_windows,
    steps_behind,
)

CADENCE = pd.Timedelta(minutes=10)


def windows_of(series: Series, part: range, **config: int) -> Windows:
    return make_windows(series, part, CADENCE, WindowConfig(**config))


# By hand


def test_rows_of_one_window():
    windows = windows_of(counting_series(8), range(8), lookback=3, steps_ahead=2, output_length=2)
    assert windows.input_rows.tolist() == [[0, 1, 2], [1, 2, 3], [2, 3, 4]]
    assert windows.newest_row.tolist() == [2, 3, 4]
    assert windows.target_rows.tolist() == [[4, 5], [5, 6], [6, 7]]  # two steps behind the newest, two of them
    assert windows.actual.tolist() == [[[4.0], [5.0]], [[5.0], [6.0]], [[6.0], [7.0]]]
    assert len(windows) == 3


def test_the_seeds_shape_one_point_some_steps_ahead():
    windows = windows_of(counting_series(7), range(7), lookback=2, steps_ahead=4)
    assert windows.input_rows.tolist() == [[0, 1], [1, 2]]
    assert windows.target_rows.tolist() == [[5], [6]]


def test_smallest_window():
    windows = windows_of(counting_series(3), range(3), lookback=1)
    assert windows.input_rows.tolist() == [[0], [1]]
    assert windows.target_rows.tolist() == [[1], [2]]


def test_a_window_belongs_to_the_part_that_holds_its_whole_target():
    series, config = counting_series(12), {"lookback": 3, "steps_ahead": 2, "output_length": 2}
    train = windows_of(series, range(6), **config)
    validation = windows_of(series, range(6, 9), **config)
    test = windows_of(series, range(9, 12), **config)
    assert train.target_rows.tolist() == [[4, 5]]
    assert validation.target_rows.tolist() == [[6, 7], [7, 8]]  # [5, 6] and [8, 9] straddle a border: in no part
    assert validation.input_rows.tolist() == [[2, 3, 4], [3, 4, 5]]  # reach back into training
    assert test.target_rows.tolist() == [[9, 10], [10, 11]]


def test_no_window_crosses_a_gap():
    series = counting_series(12, missing=(5,))  # row 5 holds point 6
    windows = windows_of(series, range(11), lookback=2)
    assert windows.input_rows.tolist() == [[0, 1], [1, 2], [2, 3], [5, 6], [6, 7], [7, 8], [8, 9]]
    assert windows.target_rows[:, 0].tolist() == [2, 3, 4, 7, 8, 9, 10]
    assert windows.actual[:, 0, 0].tolist() == [2, 3, 4, 8, 9, 10, 11]


def test_a_gap_between_inputs_and_target_counts_too():
    series = counting_series(11, missing=(4,))  # rows 0 to 3 hold points 0 to 3, rows 4 to 9 points 5 to 10
    windows = windows_of(series, range(10), lookback=2, steps_ahead=3)
    assert windows.input_rows.tolist() == [[4, 5], [5, 6]]
    assert windows.actual[:, 0, 0].tolist() == [9, 10]


def test_short_histories_begin_a_series_and_follow_a_gap():
    series = counting_series(12, missing=(5,))  # row 5 holds point 6
    windows = windows_of(series, range(11), lookback=3, min_history=2)
    assert windows.starts.tolist() == [-1, 0, 1, 4, 5, 6, 7]
    assert windows.lengths.tolist() == [2, 3, 3, 2, 3, 3, 3]
    assert windows.newest_row.tolist() == [1, 2, 3, 6, 7, 8, 9]
    assert windows.target_rows[:, 0].tolist() == [2, 3, 4, 7, 8, 9, 10]
    assert windows.input_rows[[0, 3]].tolist() == [[0, 0, 1], [5, 5, 6]]  # what is padded stands for the oldest row
    assert windows.mask.tolist() == [[length == 3, True, True] for length in windows.lengths]
    parts = [windows.take(np.array([3])), *windows.chunks(4), windows.take(slice(0, 1)) + windows.take(slice(3, 4))]
    assert [part.lengths.tolist() for part in parts] == [[2], [2, 3, 3, 2], [3, 3, 3], [2, 2]]


def test_a_history_of_one_reading_is_enough_where_that_is_asked_for():
    windows = windows_of(counting_series(4), range(4), lookback=3, min_history=1)
    assert windows.input_rows.tolist() == [[0, 0, 0], [0, 0, 1], [0, 1, 2]]
    assert windows.lengths.tolist() == [1, 2, 3]


def test_to_ask_for_the_whole_lookback_is_to_ask_for_nothing():
    series = counting_series(12, missing=(5,))
    given_it, unset = (windows_of(series, range(11), lookback=3, **more) for more in ({"min_history": 3}, {}))
    assert given_it.starts.tolist() == unset.starts.tolist()
    assert given_it.lengths is unset.lengths is None
    assert unset.mask.all()


def test_several_targets_keep_their_order():
    windows = windows_of(counting_series(4, targets=2), range(4), lookback=1, output_length=2)
    assert windows.actual.tolist() == [[[1, 1001], [2, 1002]], [[2, 1002], [3, 1003]]]


@pytest.mark.parametrize("steps_ahead", [1, 6, 36, 144])
def test_every_test_row_of_the_protocol_is_forecast_once(steps_ahead):
    series = counting_series(19_735)
    parts = split_rows(series.times, SplitConfig())
    windows = windows_of(series, parts.test, lookback=36, steps_ahead=steps_ahead)
    assert windows.target_rows[:, 0].tolist() == list(range(15_788, 19_735))
    assert len(windows_of(series, parts.validation, lookback=36, steps_ahead=steps_ahead)) == 3947
    training = windows_of(series, parts.train, lookback=36, steps_ahead=steps_ahead)
    assert training.target_rows[[0, -1], 0].tolist() == [35 + steps_ahead, 11_840]


# For all


@given(
    data=st.data(),
    rows=st.integers(1, 40),
    lookback=st.integers(1, 6),
    steps_ahead=st.integers(1, 5),
    output_length=st.integers(1, 4),
)
def test_windows_are_all_unbroken_runs_whose_targets_lie_in_the_part(data, rows, lookback, steps_ahead, output_length):
    shortest = data.draw(st.one_of(st.none(), st.integers(1, lookback)))
    missing = data.draw(st.sets(st.integers(0, rows - 1), max_size=min(4, rows - 1)))
    series = counting_series(rows, missing=tuple(missing))
    points = series.readings[:, 0].astype(int).tolist()
    start = data.draw(st.integers(0, len(points)))
    part = range(start, data.draw(st.integers(start, len(points))))
    expected: dict[int, list[int]] = {}  # newest row: rows of its history
    for newest in range(len(points)):
        end = newest + steps_ahead + output_length
        targets = set(range(newest + steps_ahead, end))
        for length in range(shortest or lookback, lookback + 1):
            begin = newest - length + 1
            whole = begin >= 0 and end <= len(points)
            unbroken = whole and points[begin:end] == list(range(points[begin], points[begin] + end - begin))
            if unbroken and targets <= set(part):
                expected[newest] = list(range(begin, newest + 1))  # the longest comes last
    config = {"lookback": lookback, "steps_ahead": steps_ahead, "output_length": output_length}
    config["min_history"] = shortest
    if not expected:
        with pytest.raises(InputError):
            windows_of(series, part, **config)
        return
    windows = windows_of(series, part, **config)
    assert windows.newest_row.tolist() == list(expected)
    for read, mask, history in zip(windows.input_rows, windows.mask, expected.values(), strict=True):
        assert read[mask].tolist() == history
        assert set(read[~mask]) <= {history[0]}
    ahead = series.times[windows.target_rows[:, 0]] - series.times[windows.newest_row]
    assert (ahead == steps_ahead * CADENCE).all()
    assert windows.target_rows.shape == (len(expected), output_length)
    assert windows.input_rows.shape == windows.mask.shape == (len(expected), lookback)


def test_too_short_a_part_is_refused_with_the_numbers():
    message = (
        r"no window of 6 rows \(lookback 3, 2 steps ahead, output length 2\) fits rows \[0, 5\) without crossing a gap"
        r"; shorten the window or bring more readings"
    )
    with pytest.raises(InputError, match=message):
        windows_of(counting_series(5), range(5), lookback=3, steps_ahead=2, output_length=2)
    message = r"no window of 5 rows \(lookback 3, at least 2 steps of history, 2 steps ahead, output length 2\)"
    with pytest.raises(InputError, match=message):
        windows_of(counting_series(4), range(4), lookback=3, steps_ahead=2, output_length=2, min_history=2)


# Parts of windows


def test_take_chunks_and_add_keep_the_series():
    windows = windows_of(counting_series(9), range(9), lookback=2)
    assert windows.starts.tolist() == [0, 1, 2, 3, 4, 5, 6]
    assert [chunk.starts.tolist() for chunk in windows.chunks(3)] == [[0, 1, 2], [3, 4, 5], [6]]
    assert windows.take(np.array([5, 0])).starts.tolist() == [5, 0]
    assert windows.take(slice(1, 3)).starts.tolist() == [1, 2]
    joined = windows.take(slice(0, 2)) + windows.take(slice(5, 7))
    assert joined.starts.tolist() == [0, 1, 5, 6]
    assert joined.series is windows.series
    assert windows.starts.tolist() == [0, 1, 2, 3, 4, 5, 6]


# The series


def test_calendar_by_hand():
    times = pd.DatetimeIndex(["2016-01-11 00:00", "2016-01-16 12:00", "2016-01-17 18:00", "2016-01-15 23:50"])
    angle = 2 * np.pi * 5.5 / 7  # Saturday noon: 5.5 days after Monday 0:00
    late = 2 * np.pi * 6.75 / 7
    by_hand = [
        [0, 1, 0, 1, 0],
        [0, -1, np.sin(angle), np.cos(angle), 1],
        [-1, 0, np.sin(late), np.cos(late), 1],
    ]
    given_dates = calendar(times)
    assert given_dates.shape == (4, len(CALENDAR_COLUMNS))
    np.testing.assert_allclose(given_dates[:3], by_hand, atol=1e-6)
    assert given_dates[3, 4] == 0  # Friday night is no weekend yet


def test_series_holds_scaled_columns_targets_first_and_the_calendar_where_asked():
    readings = READINGS.model_copy(update={"targets": ("lights",), "features": ("T1", "Appliances")})
    frame, scaler, parts = prepare(house(), readings=readings)
    plain = parts.train.series
    np.testing.assert_array_equal(plain.inputs, scaler.transform(frame))
    np.testing.assert_array_equal(plain.targets, plain.inputs[:, :1])
    np.testing.assert_array_equal(plain.readings[:, 0], frame["lights"])
    dated = make_series(frame, readings.model_copy(update={"time": "calendar"}), scaler)
    np.testing.assert_array_equal(dated.inputs, np.hstack([plain.inputs, calendar(plain.times)]))
    np.testing.assert_array_equal(dated.ahead, plain.ahead)
    assert {array.dtype for array in (dated.inputs, dated.targets, dated.ahead)} == {np.dtype(np.float32)}
    assert dated.readings.dtype == np.float64  # scores are not of what a network can tell apart


def test_series_holds_what_is_known_of_its_rows_and_of_those_to_come():
    readings = READINGS.model_copy(update={"features": ("T1",), "known": ("lights", "T_out")})
    frame, scaler, parts = prepare(house(), readings=readings)
    plain = parts.train.series
    assert scaler.columns == ("Appliances", "T1", "lights", "T_out")
    np.testing.assert_array_equal(plain.inputs, scaler.transform(frame))
    np.testing.assert_array_equal(plain.ahead, np.hstack([calendar(plain.times), plain.inputs[:, 2:]]))
    assert ahead_columns(readings, WindowConfig()) == (*CALENDAR_COLUMNS, "lights", "T_out")
    later = frame.iloc[-3:][["T_out", "lights"]].assign(T_out=[1, np.nan, 3])
    longer = make_series(frame.iloc[:-3], readings, scaler, to_come=later)
    assert longer.times.equals(plain.times)
    assert longer.ahead[:-3].tobytes() == plain.ahead[:-3].tobytes()
    np.testing.assert_array_equal(longer.ahead[-3:, :6], plain.ahead[-3:, :6])  # but for T_out
    assert np.isnan(longer.ahead[-3:, 6]).tolist() == [False, True, False]
    assert np.isnan(longer.inputs[-3:]).all()
    assert np.isnan(longer.readings[-3:]).all()
    assert steps_behind(longer.times[:-3], 3, readings.cadence).equals(plain.times[-3:])


def test_a_frame_is_not_changed_by_becoming_a_series():
    frame, scaler, _ = prepare(house(), scale=ScaleConfig(targets="log"))
    before = frame.copy(deep=True)
    series = make_series(frame, READINGS, scaler)
    for array in (series.inputs, series.targets, series.readings):
        if array.flags.writeable:
            array[:] = 0
    pd.testing.assert_frame_equal(frame, before)


# Leakage


@pytest.mark.parametrize("method", ["minmax", "standard", "log"])
def test_nothing_behind_the_cut_reaches_the_scaler_or_the_training_windows(method):
    raw = house()
    cut = split_rows(pd.DatetimeIndex(raw["date"]), SplitConfig()).validation.start
    changed = raw.copy()
    changed.loc[cut:, ["Appliances", "lights"]] = changed.loc[cut:, ["Appliances", "lights"]] * 7 + 1000
    scale = ScaleConfig(targets=method, features="minmax")
    one, other = prepare(raw, scale=scale), prepare(changed, scale=scale)
    assert one.scaler.to_json() == other.scaler.to_json()
    for name in ("inputs", "targets", "readings", "ahead"):
        a, b = (getattr(prepared.windows.train.series, name) for prepared in (one, other))
        rows = one.windows.train.target_rows.max() + 1
        assert rows == cut
        assert a[:rows].tobytes() == b[:rows].tobytes()
    assert one.windows.train.starts.tobytes() == other.windows.train.starts.tobytes()
    later = one.windows.validation
    assert not np.array_equal(later.actual, other.windows.validation.actual)  # the change is really there


def test_windows_of_a_frame_with_a_gap():
    frame = check_readings(house(60).drop(index=range(20, 26)), READINGS)
    _, _, parts = prepare(frame.reset_index())
    starts = parts.train.starts
    span = parts.train.config.rows
    assert starts.tolist() == [*range(0, 20 - span + 1), *range(20, int(0.6 * 54) - span + 1)]


@pytest.mark.parametrize(
    "options",
    [{"lookback": 0}, {"output_length": 0}, {"steps_ahead": 0}, {"lookback": 1.5}, {"stride": 2}, {"min_history": 0}],
)
def test_config_names_what_is_wrong(options):
    with pytest.raises(ValidationError, match=next(iter(options))):
        WindowConfig(**options)


@pytest.mark.parametrize("option", ["seasonal_lags", "seasonal_means"])
def test_days_before_stand_once(option):
    with pytest.raises(ValidationError, match=r"each number of days may stand once, received \[7, 1, 7\]"):
        WindowConfig(**{option: (7, 1, 7)})


def test_no_history_can_be_longer_than_the_lookback():
    with pytest.raises(ValidationError, match="min_history must be at most lookback, 12, received 13"):
        WindowConfig(lookback=12, min_history=13)
