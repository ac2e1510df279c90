"""The test of equal accuracy, beside another implementation of it."""

import math

import numpy as np
import pytest
from dieboldmariano import dm_test

from wattcast.tasks.backtest.diebold_mariano import diebold_mariano


def losses(count: int, *, seed: int, overlap: int = 1) -> tuple[np.ndarray, np.ndarray]:
    draws = np.random.default_rng(seed).normal(0, [[1.0], [1.1]], (2, count + overlap - 1))
    smooth = np.stack([np.convolve(row, np.ones(overlap), "valid") for row in draws])
    return smooth[0] ** 2, smooth[1] ** 2


@pytest.mark.parametrize(("count", "horizon"), [(30, 1), (200, 1), (200, 6), (500, 24)])
def test_statistic_and_p_are_those_of_another_implementation(count, horizon):
    one, other = losses(count, seed=count, overlap=horizon)
    found = diebold_mariano(one, other, horizon=horizon)
    zeros = np.zeros(count)
    theirs = dm_test(zeros, np.sqrt(other), np.sqrt(one), h=horizon, harvey_correction=True)
    assert (found.statistic, found.p) == pytest.approx(theirs)


def test_where_plain_covariances_add_up_to_nothing_bartlett_weighs_them():
    one, other = np.zeros(40), np.tile([1.0, -1.0], 20) + np.linspace(0, 0.1, 40)
    found = diebold_mariano(one, other, horizon=2)
    theirs = dm_test(list(one), list(other), list(one), loss=lambda _, loss: loss, h=2, variance_estimator="bartlett")
    assert (found.statistic, found.p) == pytest.approx(theirs)


def test_the_statistic_is_above_zero_where_the_other_is_worse():
    one, other = losses(300, seed=1)
    there, back = diebold_mariano(one, other + 1, horizon=1), diebold_mariano(other + 1, one, horizon=1)
    assert there.statistic > 5
    assert there.p < 1e-6
    assert back.statistic == -there.statistic


@pytest.mark.parametrize(("apart", "horizon"), [(0.0, 1), (1.0, 20)])
def test_of_equal_forecasts_or_too_few_nothing_is_said(apart, horizon):
    one, _ = losses(20, seed=1)
    found = diebold_mariano(one, one + apart * np.arange(20), horizon=horizon)
    assert math.isnan(found.statistic)
    assert math.isnan(found.p)
