"""What boosted trees read, against tables by hand, and what must always be so. A step is six hours unless said."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from tiny import house, prepare, with_readings

from wattcast.model.metrics import rmse
from wattcast.model.split import Split
from wattcast.model.windows import Series, WindowConfig, Windows, calendar, make_windows
from wattcast.tasks.learning import boosting
from wattcast.tasks.learning.boosting import BoostedTrees


def stepped(points: list[int], step: str, **config: int) -> Windows:
    """All windows over readings that are their point's number: 0 is Monday 0:00."""
    cadence = pd.Timedelta(step)
    times = pd.date_range("2016-01-11", periods=max(points) + 1, freq=cadence)[points]
    values = np.array(points, np.float64)[:, None]
    series = Series(times, values.astype(np.float32), values.astype(np.float32), values, calendar(times))
    return make_windows(series, range(len(points)), cadence, WindowConfig(**config))


def read(windows: Windows, made_at: int, step: int = 0) -> list[float]:
    """What is read of the forecast that is made at this point."""
    points = windows.series.readings[windows.newest_row, 0]
    pair = int(np.flatnonzero(points == made_at)[0]) * windows.config.output_length + step
    history = boosting._history(windows, 0)
    return boosting._columns(windows, np.array([pair]), history, 0)[0].tolist()


def test_at_ten_minutes_the_columns_are_the_published_ones() -> None:
    """12 lags and those of 3, 4, 6 and 12 hours; spans of 3, 6, 18, 36 and 144 steps; the same times; the calendar."""
    windows = stepped(list(range(1500)), "10min", lookback=2, steps_ahead=3)
    columns = read(windows, 1400)
    assert columns[:16] == [1400 - lag for lag in (*range(12), 17, 23, 35, 71)]
    spans = np.array(columns[16:31]).reshape(5, 3)
    for width, (mean, deviation, most) in zip((3, 6, 18, 36, 144), spans, strict=True):
        held = np.arange(1400 - width + 1, 1401)
        assert mean == pytest.approx(held.mean())
        assert deviation == pytest.approx(held.std(ddof=1), rel=1e-5)
        assert most == 1400
    target = 1403  # of Wednesday of the second week, 17:50
    assert columns[31:34] == [target - 144, target - 288, target - 1008]
    assert columns[34:] == [17 * 60 + 50, 2]


def test_what_is_known_of_a_step_beside_its_calendar_is_read_behind_all_else() -> None:
    windows = stepped(list(range(100)), "6h", lookback=2, output_length=3)
    ahead = np.hstack([windows.series.ahead, np.arange(100)[:, None] * [[2, -1]]])
    known = with_readings(windows, ahead=ahead)
    for step in range(3):
        columns = read(known, 60, step)
        assert columns[:-3] + columns[-1:] == read(windows, 60, step)  # steps ahead come last
        assert columns[-3:-1] == [2 * (61 + step), -(61 + step)]


def test_spans_and_lags_are_of_the_same_hours_at_another_cadence() -> None:
    windows = stepped(list(range(400)), "1h", lookback=2)
    columns = read(windows, 300)
    assert columns[:12] == [300 - lag for lag in range(12)]  # 3, 4, 6 and 12 hours are among them
    assert columns[12::3][:3] == [299, 297.5, 288.5]  # means over 3 h, 6 h and a day
    assert columns[21:24] == [301 - 24, 301 - 48, 301 - 168]
    assert len(columns) == 26


def test_the_same_time_is_that_of_the_newest_known_day() -> None:
    """Two days of six hours ahead: yesterday is not known yet."""
    windows = stepped(list(range(100)), "6h", lookback=2, output_length=8)
    assert read(windows, 60, step=0)[-6:-3] == [57, 53, 33]
    assert read(windows, 60, step=3)[-6:-3] == [60, 56, 36]
    assert read(windows, 60, step=7)[-6:-3] == [60, 56, 40]
    assert read(windows, 60, step=7)[-1] == 8  # steps ahead


def test_what_the_history_lacks_is_missing() -> None:
    points = [*range(10), *range(14, 40)]
    windows = stepped(points, "6h", lookback=1)
    columns = read(windows, 15)
    lags = [point if point in points else np.nan for point in range(15, 3, -1)]
    np.testing.assert_array_equal(columns[:12], lags)
    np.testing.assert_array_equal(columns[-5:-2], [np.nan, 8, np.nan])  # 12, 8 and a week before


@pytest.fixture(scope="module")
def windows() -> Split[Windows]:
    return prepare(house(3000), window=WindowConfig(lookback=4, output_length=3)).windows


@pytest.fixture(scope="module")
def trees(windows: Split[Windows]) -> BoostedTrees:
    return BoostedTrees.fit(windows.train, windows.validation)


def test_trees_are_better_than_the_newest_reading_and_the_mean(trees: BoostedTrees, windows: Split[Windows]) -> None:
    known = windows.train + windows.validation
    forecast = trees.refit(known).predict(windows.test)
    actual = windows.test.actual
    assert forecast.shape == actual.shape
    newest = np.repeat(windows.test.series.readings[windows.test.newest_row][:, None], 3, axis=1)
    assert rmse(actual, forecast) < 0.95 * min(rmse(actual, newest), actual.std())


def test_equal_fits_give_equal_bits(trees: BoostedTrees, windows: Split[Windows]) -> None:
    again = BoostedTrees.fit(windows.train, windows.validation)
    assert again.rounds == trees.rounds
    assert again.predict(windows.test).tobytes() == trees.predict(windows.test).tobytes()


def test_a_refit_has_the_rounds_that_validation_chose(trees: BoostedTrees, windows: Split[Windows]) -> None:
    again = trees.refit(windows.train + windows.validation)
    assert [booster.current_iteration() for booster in again.boosters] == list(trees.rounds)
    assert not np.array_equal(again.predict(windows.test), trees.predict(windows.test))


def test_nothing_is_read_behind_the_moment_of_a_forecast(trees: BoostedTrees, windows: Split[Windows]) -> None:
    early = windows.test.take(slice(0, 100))
    cut = int(early.newest_row.max()) + 1
    changed = early.series.readings.copy()
    changed[cut:] = 7 * changed[cut:] + 1000
    assert trees.predict(with_readings(early, readings=changed)).tobytes() == trees.predict(early).tobytes()
    changed[:cut] += 50
    assert not np.array_equal(trees.predict(with_readings(early, readings=changed)), trees.predict(early))


def test_forecasts_do_not_depend_on_the_chunks(
    trees: BoostedTrees, windows: Split[Windows], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = trees.predict(windows.test)
    monkeypatch.setattr(boosting, "_CHUNK", 7)
    assert trees.predict(windows.test.take(slice(0, 20))).tobytes() == whole[:20].tobytes()


def test_of_many_pairs_a_bounded_number_is_drawn_near_steps_the_more_often(
    windows: Split[Windows], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = replace(windows.train, config=windows.train.config.model_copy(update={"output_length": 1}))
    assert boosting._drawn(one).tolist() == list(range(len(one)))
    monkeypatch.setattr(boosting, "_MOST_PAIRS", 1000)
    few = boosting._drawn(one)
    assert len(few) == len(set(few)) == 1000
    assert few.max() < len(one)
    drawn = boosting._drawn(windows.train)
    assert 500 < len(drawn) <= 1000
    assert drawn.max() < 3 * len(windows.train)
    near, middle, far = np.bincount(drawn % 3)
    assert near > middle > far > 0


def test_no_forecast_lies_below_what_can_be(windows: Split[Windows]) -> None:
    train, validation = (with_readings(part, lowest=30.0) for part in (windows.train, windows.validation))
    low = BoostedTrees.fit(train, validation)
    assert low.predict(train).min() >= 30


def test_a_part_too_small_for_trees_is_forecast_by_its_mean() -> None:
    still = stepped(list(range(40)), "6h", lookback=2)
    still = with_readings(still, readings=np.full((40, 1), 60.0))
    trees = BoostedTrees.fit(still.take(slice(0, 20)), still.take(slice(20, 30)))
    np.testing.assert_allclose(trees.predict(still), 60)
