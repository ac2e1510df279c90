"""The same time before: what is read of it, by hand-written numbers."""

import numpy as np
import pandas as pd
import pytest

from wattcast.model.seasons import Seasons, known_seasons
from wattcast.model.windows import WindowConfig

HOURS = pd.date_range("2021-03-01", periods=24 * 20, freq="h")
LOAD = np.arange(len(HOURS), dtype=np.float32)[:, None]


@pytest.mark.parametrize(
    ("lags", "means", "steps", "expected"),
    [
        ((1, 7), (7,), 1, Seasons((1, 7), ((1, 2, 3, 4, 5, 6, 7),))),
        ((1, 7), (), 24, Seasons((1, 7))),  # a day ahead the newest reading is yesterday's
        ((1, 2, 7), (2,), 25, Seasons((2, 2, 7), ((2, 3),))),
        ((1, 7), (7,), 24 * 8, Seasons((8, 14), ((8, 9, 10, 11, 12, 13, 14),))),
        ((), (), 48, Seasons()),
    ],
)
def test_seasons_go_as_far_back_as_all_steps_of_a_forecast_know_them(lags, means, steps, expected):
    assert known_seasons(lags, means, farthest=steps * pd.Timedelta(hours=1)) == expected
    window = WindowConfig(lookback=3, output_length=steps, seasonal_lags=lags, seasonal_means=means)
    assert window.seasons(pd.Timedelta(hours=1)) == expected
    alone = WindowConfig(lookback=3, steps_ahead=steps, seasonal_lags=lags, seasonal_means=means)
    assert alone.seasons(pd.Timedelta(hours=1)) == expected


def test_each_column_is_the_reading_of_its_day_or_the_mean_of_several():
    seasons = Seasons((1, 7), ((1, 2, 3),))
    columns = seasons.columns(HOURS.to_numpy(), np.hstack([LOAD, -LOAD]))  # of two targets, one behind the other
    row = 24 * 10 + 5
    np.testing.assert_array_equal(columns[row], [row - 24, row - 168, row - 48, 24 - row, 168 - row, 48 - row])
    assert seasons.names == ("1 days before", "7 days before", "mean of 1 to 3 days before")
    assert seasons.days == 7
    assert columns.dtype == np.float32


def test_what_is_not_known_is_zero_and_no_part_of_a_mean():
    seasons = Seasons((1,), ((1, 2),))
    kept = np.ones(len(HOURS), bool)
    kept[24 * 5 : 24 * 6] = False  # a day without readings
    columns = dict(zip(HOURS[kept], seasons.columns(HOURS[kept].to_numpy(), LOAD[kept]), strict=True))
    np.testing.assert_array_equal(columns[HOURS[23]], [0, 0])
    np.testing.assert_array_equal(columns[HOURS[24]], [0, 0])  # the reading itself is zero
    np.testing.assert_array_equal(columns[HOURS[30]], [6, 6])  # one day of two
    np.testing.assert_array_equal(columns[HOURS[24 * 6 + 3]], [0, 24 * 4 + 3])
    np.testing.assert_array_equal(columns[HOURS[24 * 7 + 3]], [24 * 6 + 3, 24 * 6 + 3])


def test_a_reading_is_in_no_column_of_a_step_before_it_is_known():
    seasons = known_seasons((1, 7), (7,), farthest=pd.Timedelta(hours=24))
    cut, altered = 24 * 10, LOAD.copy()
    altered[cut:] += 1000
    one, other = (seasons.columns(HOURS.to_numpy(), load) for load in (LOAD, altered))
    np.testing.assert_array_equal(one[: cut + 24], other[: cut + 24])
    assert not np.array_equal(one[cut + 24], other[cut + 24])
