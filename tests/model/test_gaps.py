"""Holes are left out, closed or refused, by hand-computed numbers; how much is whole, in words."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattcast.model.cells import read_numbers
from wattcast.model.clean import check_readings
from wattcast.model.counter import counter_to_energy
from wattcast.model.gaps import close_gaps, completeness
from wattcast.model.grid import to_grid
from wattcast.model.order import put_in_order
from wattcast.model.readings import ReadingsConfig

NAN = np.nan
HALF = pd.Timedelta(minutes=30)


def every(rows: int) -> pd.DatetimeIndex:
    return pd.date_range("2021-03-01", periods=rows, freq=HALF, name="time")


def over(**columns: object) -> pd.DataFrame:
    values = {name: np.array(cells, np.float64) for name, cells in columns.items()}
    return pd.DataFrame(values, index=every(len(next(iter(values.values())))))


def places(frame: pd.DataFrame) -> list[int]:
    return ((frame.index - every(1)[0]) // HALF).tolist()


def test_without_a_hole_nothing_happens():
    frame = over(wh=[1, 2, 3], deg=[4, 5, 6])
    for policy in ("segment", "interpolate", "last", "error"):
        closed = close_gaps(frame, HALF, policies={"wh": policy, "deg": "segment"}, longest=3)
        pd.testing.assert_frame_equal(closed.frame, frame, check_freq=False)
        assert closed.notes == closed.faults == ()


def test_rows_with_a_hole_are_left_out_with_a_word():
    frame = over(wh=[1, NAN, 3, 4, 5], deg=[4, NAN, 6, NAN, 8])
    closed = close_gaps(frame, HALF, policies={"wh": "segment", "deg": "segment"})
    assert places(closed.frame) == [0, 2, 4]
    assert closed.notes == (
        "2 of 5 rows lack a reading ('wh' 1, 'deg' 2; first 2021-03-01 00:30:00) and are left out; no window crosses "
        "a gap",
    )


def test_short_holes_are_crossed_by_a_straight_line_longer_ones_not_at_all():
    frame = over(wh=[NAN, 1, NAN, 3, NAN, NAN, 9, NAN, NAN, NAN, 5, NAN])
    closed = close_gaps(frame, HALF, policies={"wh": "interpolate"}, longest=2)
    assert places(closed.frame) == [1, 2, 3, 4, 5, 6, 10]
    assert closed.frame["wh"].tolist() == [1, 2, 3, 5, 7, 9, 5]
    assert closed.notes[0] == "column 'wh': 3 missing readings were filled by a straight line, over 2 steps at most"
    assert "5 of 12 rows lack a reading" in closed.notes[1]


def test_rows_that_are_not_there_are_holes_too():
    frame = over(wh=[1, 2, 3, 4, 5, 6, 7, 8]).drop(index=every(8)[[1, 3, 4, 5]])
    one = close_gaps(frame, HALF, policies={"wh": "interpolate"}, longest=1)
    assert places(one.frame) == [0, 1, 2, 6, 7]
    three = close_gaps(frame, HALF, policies={"wh": "interpolate"}, longest=3)
    pd.testing.assert_frame_equal(three.frame, over(wh=[1, 2, 3, 4, 5, 6, 7, 8]), check_freq=False)
    segment = close_gaps(frame, HALF, policies={"wh": "segment"}, longest=3)
    pd.testing.assert_frame_equal(segment.frame, frame)


def test_a_hole_of_empty_cells_and_missing_rows_is_one_hole():
    frame = over(wh=[1, NAN, 3, 4, 5]).drop(index=every(5)[[2]])
    assert places(close_gaps(frame, HALF, policies={"wh": "interpolate"}, longest=1).frame) == [0, 3, 4]
    both = close_gaps(frame, HALF, policies={"wh": "interpolate"}, longest=2).frame
    assert both["wh"].tolist() == [1, 2, 3, 4, 5]


def test_hourly_weather_beside_a_half_hourly_load_holds():
    frame = over(wh=[1, 2, 3, 4, 5, 6, 7], deg=[20, NAN, 21, NAN, NAN, 23, NAN])
    closed = close_gaps(frame, HALF, policies={"wh": "segment", "deg": "last"}, longest=1)
    assert places(closed.frame) == [0, 1, 2, 3, 5, 6]
    assert closed.frame["deg"].tolist() == [20, 20, 21, 21, 23, 23]
    assert (
        closed.notes[0] == "column 'deg': 3 missing readings were filled by holding the last one, over 1 steps at most"
    )


def test_nothing_is_held_before_the_first_reading():
    closed = close_gaps(over(deg=[NAN, 2, NAN]), HALF, policies={"deg": "last"}, longest=5)
    assert closed.frame["deg"].tolist() == [2, 2]
    assert places(closed.frame) == [1, 2]


def test_a_target_without_its_reading_stays_out_whatever_its_features_do():
    frame = over(wh=[1, 2, 3, 4], deg=[1, 2, 3, 4]).drop(index=every(4)[[2]])
    closed = close_gaps(frame, HALF, policies={"wh": "segment", "deg": "interpolate"}, longest=3)
    pd.testing.assert_frame_equal(closed.frame, frame)


def test_holes_are_refused_where_that_is_asked_for():
    cells = close_gaps(over(wh=[1, NAN, NAN, 4]), HALF, policies={"wh": "error"})
    assert cells.faults == (
        "column 'wh' lacks 2 of 4 readings, first 2021-03-01 00:30:00; 'error' allows none: complete them, or choose "
        "readings.gaps = 'segment' or 'interpolate'",
    )
    rows = over(wh=[1, 2, 3, 4]).drop(index=every(4)[[2]])
    assert (
        "lacks 1 of 4 readings, first 2021-03-01 01:00:00" in close_gaps(rows, HALF, policies={"wh": "error"}).faults[0]
    )
    edge = close_gaps(over(wh=[NAN, 2, NAN]), HALF, policies={"wh": "error"})
    assert "lacks 2 of 3 readings, first 2021-03-01 00:00:00" in edge.faults[0]
    nothing = close_gaps(over(wh=[NAN, NAN]), HALF, policies={"wh": "error"})
    assert nothing.faults == ("column 'wh' holds no reading",)


@pytest.mark.parametrize("policy", ["segment", "interpolate", "last", "error"])
def test_no_reading_at_all(policy):
    for frame in (over(wh=[NAN, NAN]), over(wh=[])):
        assert len(close_gaps(frame, HALF, policies={"wh": policy}, longest=2).frame) == 0


CELLS = st.lists(st.one_of(st.just(NAN), st.integers(0, 9)), min_size=1, max_size=40)


@given(CELLS, st.data(), st.integers(0, 5), st.sampled_from(["interpolate", "last"]))
def test_closing_is_what_pandas_does_to_short_holes_and_nothing_to_long_ones(cells, data, longest, policy):
    gone = data.draw(st.lists(st.integers(0, len(cells) - 1), max_size=len(cells) - 1, unique=True))
    full = over(wh=cells)
    frame = full.drop(index=full.index[gone])
    before = frame.copy(deep=True)
    closed = close_gaps(frame, HALF, policies={"wh": policy}, longest=longest).frame["wh"]
    pd.testing.assert_frame_equal(frame, before)
    assert closed.notna().all()
    column = frame["wh"].reindex(full.index)
    run = column.notna().cumsum()
    missing = column.isna().groupby(run).transform("sum")
    if policy == "interpolate":
        want = column.interpolate(limit_area="inside").where(column.notna() | (missing <= longest))
    else:
        nth = column.isna().groupby(run).cumsum()
        want = column.ffill().where(column.notna() | (nth <= longest))
    inside = want[closed.index]
    np.testing.assert_allclose(closed, inside, rtol=1e-12)
    if policy == "interpolate":
        assert len(closed) == want.notna().sum()


@given(CELLS)
def test_nothing_after_a_moment_changes_what_was_held_before_it(cells):
    frame = over(deg=cells)
    cut = len(cells) // 2
    whole = close_gaps(frame, HALF, policies={"deg": "last"}, longest=2).frame
    part = close_gaps(frame[:cut], HALF, policies={"deg": "last"}, longest=2).frame
    pd.testing.assert_frame_equal(whole[: len(part)], part, check_freq=False)


# All together


def test_the_cells_of_a_counter_become_a_clean_frame():
    """Newest first, a row twice, seconds beside the grid, a blip, an empty cell and a missing row."""
    rows = {
        "04:00:00": ("1.070,0", "21,5"),
        "03:30:00": ("1.060,0", "unavailable"),
        "03:00:02": ("1.050,0", "20,5"),
        "02:00:00": ("1.030,0", "?"),
        "01:30:00": ("0", "20"),
        "01:00:00": ("1.015,0", "19,5"),
        "00:30:00": ("n/e", "-"),
        "00:00:00": ("1.000,0", "19"),
    }
    times = pd.DatetimeIndex([f"2021-03-01 {time}" for time in (*rows, "00:00:00")], name="time")
    raw = pd.DataFrame([*rows.values(), ("1.000,0", "Null ")], columns=["kWh", "deg"], index=times)
    numbers = {name: read_numbers(raw[name], decimal=",", thousands=".") for name in raw}
    assert not any(column.faults for column in numbers.values())
    ordered = put_in_order(pd.DataFrame({name: column.array for name, column in numbers.items()}, index=times))
    counter = counter_to_energy(1000 * ordered.frame["kWh"].to_numpy())
    energy = ordered.frame.assign(kWh=counter.energy)
    grid = to_grid(energy, HALF, sums=["kWh"], since={"kWh": counter.since}, label="end", longest=1)
    closed = close_gaps(grid.frame, HALF, policies={"kWh": "segment", "deg": "last"}, longest=1)
    assert ordered.faults == grid.faults == closed.faults == ()
    assert len([*ordered.notes, *counter.notes("kWh"), *grid.notes, *closed.notes]) == 6
    config = ReadingsConfig(timestamp="time", cadence_minutes=30, targets=("kWh",), features=("deg",))
    clean = check_readings(closed.frame, config)
    assert places(clean) == [1, 2, 3, 4, 6, 7, 8]
    assert clean["kWh"].tolist() == [7500, 7500, 0, 15000, 10000, 10000, 10000]
    assert clean["deg"].tolist() == [19, 19.5, 20, 20, 20.5, 20.5, 21.5]


# Completeness


def test_completeness_by_hand():
    times = every(10).delete([3, 4])
    low = completeness(times, HALF, part="the training part")
    assert (low.whole, low.steps, low.share, low.enough) == (8, 10, 0.8, False)
    assert low.sentence.startswith("the training part: 8 of 10 steps are whole (80.0 %), at least 90 % are needed: ")
    enough = completeness(times, HALF, part="the training part", floor=0.8)
    assert enough.enough
    assert enough.sentence == "the training part: 8 of 10 steps are whole (80.0 %)"
    assert completeness(every(0), HALF, part="x").share == 0
    assert completeness(every(1), HALF, part="x").share == 1
