"""The interval of two finished models; that of several seeds is tested with the verdict."""

from __future__ import annotations

import numpy as np
import pytest

from wattcast.tasks.bootstrap import difference_interval


@pytest.mark.parametrize("score", [np.sqrt, np.positive])
@pytest.mark.parametrize("level", [0.5, 0.95])
def test_the_interval_of_one_pair_is_that_of_a_bootstrap_written_out(score, level, monkeypatch):
    """It is not widened: the one pair is no sample of pairs."""
    monkeypatch.setattr("wattcast.tasks.bootstrap.RESAMPLES", resamples := 400)
    one, other = np.random.default_rng(3).gamma(2, 30, (2, 1, 7))
    interval = difference_interval(one, other, block=3, level=level, score=score)
    draws = np.random.default_rng(0)
    draws.integers(1, size=(resamples, 1))
    differences = []
    for first in draws.integers(7, size=(resamples, 3)):
        rows = [(start + step) % 7 for start in first for step in range(3)]
        differences.append(score(other[0, rows].mean()) - score(one[0, rows].mean()))
    assert interval == pytest.approx(tuple(np.quantile(differences, [(1 - level) / 2, (1 + level) / 2])))


def test_equal_losses_differ_by_nothing():
    losses = np.random.default_rng(0).gamma(2, 30, (1, 50))
    assert difference_interval(losses, losses.copy(), block=7) == (0, 0)


def test_a_higher_level_has_a_wider_interval():
    one, other = np.random.default_rng(1).gamma(2, 30, (2, 1, 60))
    (low, high), (lower, higher) = (difference_interval(one, other, block=6, level=level) for level in (0.5, 0.99))
    assert lower < low < high < higher
