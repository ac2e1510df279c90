"""The example that travels with a model: what its user gives it, rows to come included."""

from __future__ import annotations

import json
import logging

import numpy as np
import pandas as pd
import pytest

from wattcast.flows.experiment.experiment import Experiment
from wattcast.flows.prepare import Fetched, Prepared, read
from wattcast.model.clean import clean
from wattcast.model.readings import ReadingsConfig
from wattcast.model.split import SplitConfig, split_rows
from wattcast.model.windows import WindowConfig, steps_behind
from wattcast.tasks.data.download import Raw
from wattcast.tasks.learning.scale import scale
from wattcast.tasks.learning.window import window

WINDOW = WindowConfig(lookback=6, steps_ahead=2, output_length=3)


def prepared(frame: pd.DataFrame, **options: object) -> Prepared:
    """A frame on its way, without a flow."""
    told = {"timestamp": "time", "targets": ("wh",), "features": ("deg",), "known": ("price",), **options}
    readings = ReadingsConfig.model_validate(told)
    experiment = Experiment.model_validate({"readings": readings.model_dump(), "window": WINDOW.model_dump()})
    cleaned = clean(frame, readings)
    assert cleaned.faults == ()
    rows = split_rows(pd.DatetimeIndex(cleaned.frame.index), SplitConfig())
    scaler = scale(cleaned.frame, rows, readings, experiment.scale)
    windows = window(cleaned.frame, rows, readings, scaler, WINDOW)
    return Prepared(experiment, Fetched(Raw(frame, "file", "house.csv", ""), readings, cleaned), rows, scaler, windows)


def house(rows: int = 200, every: str = "10min") -> pd.DataFrame:
    row = np.arange(rows)
    times = pd.date_range("2016-01-11", periods=rows, freq=every).astype(str)
    return pd.DataFrame({"time": times, "wh": 10 + row % 7, "deg": (row % 5).astype(str), "price": row})


def as_asked(example: pd.DataFrame) -> pd.DataFrame:
    """As a request brings it."""
    given = json.loads(example.to_json(orient="split", index=False))
    return pd.DataFrame(given["data"], columns=given["columns"])


HOLES: dict[str, list[int]] = {"whole": [], "a gap before the end": [190, 191], "a gap at the end": [198]}


@pytest.mark.parametrize("holes", HOLES)
def test_an_example_ends_with_the_rows_to_come_of_one_forecast(holes: str) -> None:
    frame = house().drop(index=HOLES[holes]).reset_index(drop=True)
    before = frame.copy()
    ours = prepared(frame)
    given = as_asked(ours.example(8))
    readings = ours.experiment.readings
    read = clean(given, readings, ours.fetched.cleaned.habits)
    assert read.faults == read.to_come.doubts == ()
    times = pd.DatetimeIndex(read.frame.index)
    test = ours.windows.test
    assert times[-1] == test.series.times[test.newest_row[-1]]
    assert np.unique(np.diff(times[-6:])).tolist() == [readings.cadence.to_timedelta64()]
    steps = steps_behind(times, 4, readings.cadence)[1:]
    assert steps.equals(test.series.times[test.target_rows[-1]])
    assert read.to_come.known.reindex(steps)["price"].notna().all()
    assert given.iloc[-4:][["wh", "deg"]].isna().all(axis=None)
    pd.testing.assert_frame_equal(frame, before)


@pytest.mark.parametrize("label", ["start", "end"])
def test_of_finer_readings_all_rows_of_a_step_are_to_come(label: str) -> None:
    ours = prepared(house(600, "5min"), label=label)
    example = as_asked(ours.example(8))
    read = clean(example, ours.experiment.readings, ours.fetched.cleaned.habits)
    assert read.faults == read.to_come.doubts == ()
    assert len(read.frame) == 8
    assert len(read.to_come.known.dropna()) == 4
    assert example["wh"].isna().sum() == 8


def test_without_known_columns_it_is_the_newest_readings() -> None:
    frame = house()
    pd.testing.assert_frame_equal(
        prepared(frame, known=()).example(8), frame[["time", "wh", "deg"]].tail(8).reset_index(drop=True)
    )


@pytest.mark.parametrize(("days", "told"), [(5, True), (4, False)])
def test_days_before_that_lie_behind_the_first_reading_are_told(
    days: int, told: bool, caplog: pytest.LogCaptureFixture
) -> None:
    experiment = Experiment.model_validate(
        {
            "readings": {"timestamp": "time", "targets": ["wh"], "unit": "Wh", "cadence_minutes": 30},
            "window": {"lookback": 6, "seasonal_lags": [1, days], "seasonal_means": []},
        }
    )
    with caplog.at_level(logging.WARNING):
        read(Raw(house(every="30min"), "file", "house.csv", ""), experiment)
    said = [each for each in caplog.messages if "the same times before" in each]
    assert [words.partition(":")[0] for words in said] == [
        f"the same times before (window.seasonal_lags, window.seasonal_means) lie up to {days} days back, the readings "
        "reach 4"
    ] * told


@pytest.mark.parametrize(("minutes", "told"), [(7, ["1"]), (30, [])])
def test_days_before_that_no_step_lies_at_are_told(
    minutes: int, told: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    experiment = Experiment.model_validate(
        {
            "readings": {"timestamp": "time", "targets": ["wh"], "unit": "Wh", "cadence_minutes": minutes},
            "window": {"lookback": 6, "seasonal_lags": [1, 7], "seasonal_means": []},
        }
    )
    with caplog.at_level(logging.WARNING):
        read(Raw(house(every=f"{minutes}min"), "file", "house.csv", ""), experiment)
    said = [
        each.split()[9] for each in caplog.messages if each.startswith("no reading lies at the time of another one")
    ]
    assert said == told
