"""What a line across a gap stands for: the newest reading before a forecast and its targets are never of one."""

import numpy as np
import pandas as pd
import pytest
from frames import every, over
from tiny import prepare

from wattcast.model.clean import clean
from wattcast.model.errors import InputError
from wattcast.model.readings import ReadingsConfig
from wattcast.model.windows import WindowConfig

HALF = ReadingsConfig(timestamp="time", cadence_minutes=30, targets=("wh",), gaps="interpolate")
NAN = np.nan


def drawn(frame: pd.DataFrame, config: ReadingsConfig) -> tuple[list[str], list[str]]:
    found = clean(frame, config).drawn
    return ([], []) if found is None else tuple([f"{each:%H:%M}" for each in times] for times in vars(found).values())


def test_nothing_is_drawn_where_all_was_measured():
    assert clean(over(every(30, 6), wh=[1, 2, 3, 4, 5, 6]), HALF).drawn is None


def test_cells_and_rows_that_are_missing_are_drawn():
    frame = over(every(30, 7), wh=[1, NAN, 3, 4, 5, 6, 7]).drop(index=every(30, 7)[4])
    assert drawn(frame, HALF) == (["00:30", "02:00"],) * 2


def test_a_hole_that_is_too_long_is_left_out_and_not_drawn():
    frame = over(every(30, 7), wh=[1, NAN, 3, NAN, NAN, 6, 7])
    assert drawn(frame, HALF.model_copy(update={"longest_gap": 1})) == (["00:30"],) * 2


@pytest.mark.parametrize(("policy", "moments"), [("interpolate", ["00:30"]), ("last", []), ("segment", [])])
def test_of_a_feature_the_moment_alone_is_drawn_and_what_holds_on_knows_nothing_of_later(policy, moments):
    config = HALF.model_copy(update={"features": ("deg",), "feature_gaps": policy})
    assert drawn(over(every(30, 4), wh=[1, 2, 3, 4], deg=[5, NAN, 7, 8]), config) == (moments, [])


def test_known_columns_are_known_ahead_and_no_doubt():
    config = HALF.model_copy(update={"known": ("price",), "feature_gaps": "interpolate"})
    assert drawn(over(every(30, 4), wh=[1, 2, 3, 4], price=[5, NAN, 7, 8]), config) == ([], [])


def test_known_columns_that_are_revised_may_have_been_another_at_the_moment():
    config = HALF.model_copy(update={"known": ("price",), "feature_gaps": "interpolate", "available_at": "issued"})
    times = every(30, 4)
    frame = over(times, wh=[1, 2, 3, 4], price=[5, NAN, 7, 8]).assign(issued=times - pd.Timedelta("1h"))
    assert drawn(frame, config) == (["00:30"], [])


@pytest.mark.parametrize(("label", "times"), [("start", ["00:30", "01:00"]), ("end", ["01:00", "01:30"])])
def test_what_a_counter_has_counted_over_several_steps_is_drawn(label, times):
    config = HALF.model_copy(update={"kind": "counter", "label": label})
    frame = over(every(30, 6), wh=[10, 12, NAN, 20, 21, 25])
    assert drawn(frame, config) == (times, times)
    assert clean(frame, config).frame.loc[[pd.Timestamp(f"2021-03-01 {time}") for time in times], "wh"].tolist() == [
        4,
        4,
    ]


def test_so_it_is_of_finer_readings_of_a_counter():
    config = HALF.model_copy(update={"kind": "counter"})
    frame = over(every(10, 19), wh=np.arange(19) ** 2.0).drop(index=every(10, 19)[5:12])
    assert drawn(frame, config)[1] == ["00:30", "01:00", "01:30"]


RAW = pd.DataFrame({"date": pd.date_range("2016-01-11", periods=60, freq="10min")})
RAW["wh"] = np.random.default_rng(4).uniform(50, 90, 60)
TENS = ReadingsConfig(targets=("wh",), gaps="interpolate")


def test_windows_have_measured_moments_and_targets_and_may_have_lines_in_their_history():
    windows = prepare(RAW.drop(index=[20]), readings=TENS, window=WindowConfig(lookback=3, output_length=2)).windows
    newest = windows.train.newest_row.tolist()
    assert {18, 19, 20} & set(newest) == set()  # 20 as second and as first target, and as moment
    assert {17, 21, 22} <= set(newest)
    assert windows.train.series.drawn is not None
    assert windows.train.input_rows[newest.index(21)].tolist() == [19, 20, 21]


def test_no_window_whose_reading_before_would_tell_its_target():
    """Were the moment in a hole, the line to its end would give the target away."""
    holes = RAW.drop(index=range(1, 59, 2))
    with pytest.raises(InputError, match=r"in none of the 33 windows of rows .* were measured: lines that close gaps"):
        prepare(holes, readings=TENS, window=WindowConfig(lookback=3, output_length=1))


def test_nothing_that_a_window_reads_changes_with_readings_behind_its_moment():
    holes, window = RAW.drop(index=[10, 20, 21, 30]), WindowConfig(lookback=4, output_length=1)
    before = prepare(holes, readings=TENS, window=window).windows.train
    for row in before.newest_row[5:]:
        later = holes.assign(wh=holes["wh"].where(holes.index <= row, 7.0))
        again = clean(later, TENS).frame["wh"].to_numpy()
        known = before.input_rows[before.newest_row == row]
        np.testing.assert_array_equal(again[known], before.series.readings[known][..., 0])
