"""Rows to come: told from readings, laid on their grid, and no part of a training."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from wattcast.model.clean import Cleaned, Habits, clean
from wattcast.model.order import rhythm
from wattcast.model.readings import ReadingsConfig

CONFIG = ReadingsConfig(targets=("wh",), features=("deg",), known=("price", "plan"))
CADENCE = pd.Timedelta(minutes=10)
FIRST = pd.Timestamp("2016-01-11 17:00")
NOTHING = np.nan


def raw(rows: int = 8, *, to_come: int = 3, every: str = "10min", **columns: object) -> pd.DataFrame:
    """Readings whose `to_come` last rows hold what is known alone."""
    row = np.arange(rows, dtype=np.float64)
    frame = pd.DataFrame({"date": pd.date_range(FIRST, periods=rows, freq=every), "wh": 10 * row, "deg": row / 2})
    frame.loc[rows - to_come :, ["wh", "deg"]] = NOTHING
    return frame.assign(price=row + 100, plan=row % 2).assign(**columns)


def read(frame: pd.DataFrame, **options: object) -> Cleaned:
    cleaned = clean(
        frame, CONFIG.model_copy(update=options), Habits(rhythm(pd.date_range(FIRST, "2016-01-13", freq="10min")))
    )
    assert not cleaned.faults
    return cleaned


def test_rows_to_come_are_no_readings() -> None:
    frame = raw()
    before = frame.copy()
    cleaned = read(frame)
    assert cleaned.frame["wh"].tolist() == [0, 10, 20, 30, 40]
    known = cleaned.to_come.known
    assert known.index.tolist() == [FIRST + step * CADENCE for step in (5, 6, 7)]
    assert known["price"].tolist() == [105, 106, 107]
    assert known["plan"].tolist() == [1, 0, 1]
    assert cleaned.to_come.doubts == ()
    pd.testing.assert_frame_equal(frame, before)


def test_a_training_is_told_of_them_and_reads_the_rest_as_if_they_were_not_there() -> None:
    cleaned, without = clean(raw(), CONFIG), clean(raw().head(5), CONFIG)
    pd.testing.assert_frame_equal(cleaned.frame, without.frame)
    assert cleaned.habits == without.habits
    assert without.notes == ()
    assert cleaned.notes == (
        "3 rows behind the newest reading, 2016-01-11 17:40:00, hold neither targets nor features: they are rows to "
        "come, of which a training reads nothing",
    )


@pytest.mark.parametrize("policy", ["segment", "interpolate", "last", "error"])
@pytest.mark.parametrize("gaps", ["segment", "interpolate", "error"])
def test_they_are_no_gap_of_targets_or_features(gaps: str, policy: str) -> None:
    shaken = raw(date=raw()["date"] + pd.to_timedelta(np.arange(8) % 2, unit="s"))  # not clean already
    cleaned = read(shaken, gaps=gaps, feature_gaps=policy)
    assert cleaned.frame["wh"].tolist() == [0, 10, 20, 30, 40]
    assert cleaned.to_come.known["price"].tolist() == [105, 106, 107]


def test_in_any_order_and_in_two_kinds_of_rows() -> None:
    """Rows that repeat the known columns of a reading are merged with it, as any rows that stand twice."""
    again = raw().iloc[3:7].assign(wh=NOTHING, deg=NOTHING)
    cleaned = read(pd.concat([raw().iloc[::-1], again]))
    pd.testing.assert_frame_equal(cleaned.frame, read(raw()).frame)
    pd.testing.assert_frame_equal(cleaned.to_come.known, read(raw()).to_come.known, check_freq=False)


def test_what_was_not_said_of_known_columns_is_a_gap_as_ever() -> None:
    """A model without any reads such rows as before: they lack a reading."""
    cleaned = read(raw(), known=())
    assert cleaned.frame["wh"].tolist() == [0, 10, 20, 30, 40]
    assert cleaned.to_come.known.empty
    assert "3 of 8 rows lack a reading" in cleaned.notes[-1]


def test_a_hole_among_them_is_missing_step_by_step_and_column_by_column() -> None:
    frame = raw().drop(index=6)
    frame.loc[7, "plan"] = NOTHING
    known = read(frame).to_come.known.reindex([FIRST + step * CADENCE for step in (5, 6, 7)])
    assert known["price"].fillna(-1).tolist() == [105, -1, 107]
    assert known["plan"].fillna(-1).tolist() == [1, -1, -1]


def test_holes_in_what_is_known_are_closed_as_those_of_features_are() -> None:
    frame = raw(price=[100, 101, 102, 103, 104, NOTHING, 106, 107])
    assert read(frame).to_come.known["price"].fillna(-1).tolist() == [-1, 106, 107]
    assert read(frame, feature_gaps="last").to_come.known["price"].tolist() == [104, 106, 107]
    assert read(frame, feature_gaps="interpolate").to_come.known["price"].tolist() == [105, 106, 107]
    assert read(frame.drop(index=5), feature_gaps="last").to_come.known["price"].tolist() == [104, 106, 107]
    in_the_past = raw(price=[100, NOTHING, 102, 103, 104, 105, 106, 107])
    assert read(in_the_past).frame["wh"].tolist() == [0, 20, 30, 40]
    assert read(in_the_past, feature_gaps="last").frame["price"].tolist() == [100, 100, 102, 103, 104]


# Doubts, which end a forecast and no training


@pytest.mark.parametrize(
    ("row", "column", "words"),
    [
        (
            5,
            "deg",
            "1 rows behind the newest whole reading hold a part of one, first 2016-01-11 17:50:00 with 'deg' and",
        ),
        (7, "wh", "1 rows behind the newest whole reading hold a part of one, first 2016-01-11 18:10:00 with 'wh'"),
        (6, "wh", "a row to come holds known columns alone ('price', 'plan'), any other row all columns"),
    ],
)
def test_a_part_of_a_reading_behind_the_newest_whole_one_is_in_doubt(row: int, column: str, words: str) -> None:
    frame = raw()
    frame.loc[row, column] = 1.0
    (doubt,) = read(frame).to_come.doubts
    assert words in doubt
    assert clean(frame, CONFIG).faults == ()


def test_what_a_policy_completes_is_whole() -> None:
    frame = raw()
    frame.loc[5, "wh"] = 50.0
    cleaned = read(frame, feature_gaps="last")
    assert cleaned.to_come.doubts == ()
    assert cleaned.frame["wh"].tolist() == [0, 10, 20, 30, 40, 50]
    assert cleaned.to_come.known["price"].tolist() == [106, 107]


def test_beside_the_grid_is_refused_and_a_little_beside_it_is_moved() -> None:
    frame = raw()
    frame["date"] += pd.to_timedelta(np.where(np.arange(8) < 5, 0, 20), unit="s")
    assert read(frame).to_come.known.index.tolist() == [FIRST + step * CADENCE for step in (5, 6, 7)]
    frame["date"] += pd.to_timedelta(np.where(np.arange(8) < 5, 0, 300), unit="s")
    (doubt,) = read(frame).to_come.doubts
    assert doubt.startswith("rows to come: readings must lie 10 minutes apart")
    assert "3 of 3 time stamps lie farther, first 2016-01-11 17:55:20" in doubt


def test_twice_with_other_values_is_refused() -> None:
    cleaned = clean(pd.concat([raw(), raw().tail(1).assign(price=1)]), CONFIG)
    assert "stand more than once with different readings" in cleaned.faults[0]


def test_no_reading_at_all() -> None:
    cleaned = read(raw(to_come=8))
    assert cleaned.frame.empty
    assert cleaned.to_come.known.empty or len(cleaned.frame) == 0


def test_a_known_column_that_is_missing_or_no_number_is_a_fault() -> None:
    assert clean(raw().drop(columns="plan"), CONFIG).faults == ("column 'plan' is missing",)
    (fault,) = clean(raw(plan="on"), CONFIG).faults
    assert "'plan' must hold finite numbers, 8 of 8 values are not" in fault


@pytest.mark.parametrize("policy", ["segment", "interpolate", "last", "error"])
@pytest.mark.parametrize("every", [None, "issued"])
@pytest.mark.parametrize("minutes", [10, 30])
def test_known_columns_that_are_missing_all_together_are_named(policy: str, every: str | None, minutes: int) -> None:
    config = CONFIG.model_copy(update={"feature_gaps": policy, "available_at": every, "cadence_minutes": minutes})
    frame = raw(30).assign(issued=FIRST).drop(columns=["price", "plan"])
    assert clean(frame, config).faults[:2] == ("column 'price' is missing", "column 'plan' is missing")


# Finer readings, counters, clocks


def finer(**options: object) -> ReadingsConfig:
    return ReadingsConfig(targets=("wh",), known=("price",), **options)


@pytest.mark.parametrize("label", ["start", "end"])
def test_of_finer_readings_a_step_to_come_holds_the_mean_of_what_is_given_of_it(label: str) -> None:
    """The newest step that is over ends at 17:20; of the next one the meter has read three minutes."""
    minutes = pd.date_range(FIRST, periods=50, freq="1min") + pd.Timedelta(minutes=int(label == "end"))
    frame = pd.DataFrame({"date": minutes, "wh": 1.0, "price": np.repeat([1.0, 2, 3, 4, 6], 10)})
    frame.loc[23:, "wh"] = NOTHING
    cleaned = clean(frame, finer(label=label))
    behind = CADENCE if label == "end" else pd.Timedelta(0)
    assert cleaned.frame.index.tolist() == [FIRST + behind, FIRST + CADENCE + behind]
    known = cleaned.to_come.known["price"]
    assert known.index.tolist() == [FIRST + step * CADENCE + behind for step in (2, 3, 4)]
    assert known.tolist() == [3, 4, 6]
    by_step = frame[(frame.index < 23) | (frame.index % 10 == 0)]  # what is to come is given once a step
    assert clean(by_step, finer(label=label), cleaned.habits).to_come.known["price"].tolist() == [3, 4, 6]
    frame.loc[25, "price"] = 13.0
    assert clean(frame, finer(label=label)).to_come.known["price"].tolist() == [4, 4, 6]


@pytest.mark.parametrize("label", ["start", "end"])
def test_a_counters_newest_reading_counts_for_no_step_yet_and_leaves_no_doubt(label: str) -> None:
    config = CONFIG.model_copy(update={"kind": "counter", "label": label})
    cleaned = clean(raw(), config)
    energies = cleaned.frame["wh"]
    assert energies.tolist() == [10, 10, 10, 10]
    assert cleaned.to_come.doubts == ()
    newest = energies.index[-1]
    assert newest == FIRST + (3 if label == "start" else 4) * CADENCE
    assert cleaned.to_come.known.index[0] == newest + CADENCE


def test_power_and_the_clock_of_a_place() -> None:
    """Over the night in which Brussels puts its clock back: an hour of stamps stands twice."""
    times = pd.date_range("2016-10-29 23:00", periods=24, freq="10min", tz="UTC").tz_convert("Europe/Brussels")
    frame = pd.DataFrame(
        {"date": times.tz_localize(None), "wh": 60.0, "deg": 1.0, "price": np.arange(24.0), "plan": 0.0}
    )
    frame.loc[10:, ["wh", "deg"]] = NOTHING
    cleaned = read(frame, kind="power", timezone="Europe/Brussels")
    assert cleaned.frame["wh"].tolist() == [10.0] * 10
    assert cleaned.to_come.known["price"].tolist() == list(range(10, 24))
    assert cleaned.to_come.known.index.tolist() == times[10:].tolist()
