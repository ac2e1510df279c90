"""A fan of intervals: what it holds and loses, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from wattcast.model.intervals import IntervalConfig
from wattcast.model.metrics import coverage, winkler
from wattcast.tasks.fan import Fan

QUANTILES = IntervalConfig(levels=(0.5, 0.9)).quantiles
ACTUAL = np.array([[10.0, 10.0], [10.0, 10.0]])  # [N, L]


def fan(*bounds: float, shape: tuple[int, int] = (2, 2)) -> Fan:
    return Fan(np.full(shape, 10.0), np.tile(np.array(bounds, np.float64), (*shape, 1)), QUANTILES)


def test_an_interval_lies_between_its_own_bounds() -> None:
    one = fan(5, 8, 10, 12, 15)
    assert one.levels == (0.5, 0.9)
    assert [float(bound[0, 0]) for level in one.levels for bound in one.interval(level)] == [8, 12, 5, 15]


def test_hits_and_losses_are_those_of_the_scores() -> None:
    one, actual = fan(5, 8, 10, 12, 15), np.array([[4.0, 5.0], [9.0, 16.0]])
    np.testing.assert_array_equal(one.hits(actual, 0.9), [[0, 1], [1, 0]])
    np.testing.assert_allclose(one.losses(actual, 0.9), [[30, 10], [10, 30]])  # the width of 10, and 1 beside times 20
    low, high = one.interval(0.9)
    assert one.hits(actual, 0.9).mean() == coverage(actual, low, high)
    assert one.losses(actual, 0.9).mean() == winkler(actual, low, high, 0.9)


def test_without_intervals_there_is_no_level() -> None:
    bare = Fan.bare(ACTUAL)
    assert (bare.levels, bare.bounds.shape) == ((), (2, 2, 0))


def test_a_forecast_that_is_left_out_is_neither_hit_nor_miss() -> None:
    one = fan(5, 8, 10, 12, 15)
    one.bounds[0] = np.nan
    np.testing.assert_array_equal(one.hits(ACTUAL, 0.5), [[np.nan, np.nan], [1, 1]])


def test_some_are_taken_and_joined_with_the_quantiles_that_all_have() -> None:
    one, alone = fan(5, 8, 10, 12, 15), Fan(ACTUAL, np.stack([ACTUAL - 1, ACTUAL + 1], axis=-1), (0.05, 0.95))
    both = Fan.joined([one.take(slice(1)), alone])
    assert both.levels == (0.9,)
    assert both.point.shape == (3, 2)
    np.testing.assert_array_equal(both.interval(0.9)[0][:, 0], [5, 9, 9])
    assert Fan.joined([one, Fan.bare(ACTUAL)]).levels == ()


@pytest.mark.parametrize("levels", [(0.1,), (0.8, 0.95, 0.999), (0.3, 0.6, 0.9)])
def test_levels_are_found_again_by_their_quantiles(levels: tuple[float, ...]) -> None:
    quantiles = IntervalConfig(levels=levels).quantiles
    one = Fan(ACTUAL, np.zeros((2, 2, len(quantiles))), quantiles)
    assert one.levels == levels
    for level in levels:
        one.interval(level)
