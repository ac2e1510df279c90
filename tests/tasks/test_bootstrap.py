"""The interval of two finished models; that of several seeds is tested with the verdict."""

from __future__ import annotations

import numpy as np
import pytest

from wattcast.tasks.bootstrap import difference_interval, of_few_days, statistic_interval


@pytest.mark.parametrize("score", [np.sqrt, np.positive])
@pytest.mark.parametrize("level", [0.5, 0.95])
def test_the_interval_of_one_pair_is_that_of_a_bootstrap_written_out(score, level, monkeypatch):
    """It is not widened: the one pair is no sample of pairs."""
    monkeypatch.setattr("wattcast.tasks.bootstrap.RESAMPLES", resamples := 400)
    one, other = np.random.default_rng(3).gamma(2, 30, (2, 1, 16))
    interval = difference_interval(one, other, block=3, level=level, score=score)
    draws = np.random.default_rng(0)
    draws.integers(1, size=(resamples, 1))
    differences = []
    for first in draws.integers(16, size=(resamples, 6)):
        rows = [(start + step) % 16 for start in first for step in range(3)]
        differences.append(score(other[0, rows].mean()) - score(one[0, rows].mean()))
    assert interval == pytest.approx(tuple(np.quantile(differences, [(1 - level) / 2, (1 + level) / 2])))


def test_equal_losses_differ_by_nothing():
    losses = np.random.default_rng(0).gamma(2, 30, (1, 50))
    assert difference_interval(losses, losses.copy(), block=7) == (0, 0)


@pytest.mark.parametrize("block", [144, 40])
def test_a_day_or_two_are_not_taken_for_certain(block):
    """A stretch as long as all windows has their own mean, whichever is drawn: of few days shorter ones are."""
    one, other = np.random.default_rng(1).gamma(2, 30, (2, 1, 144))
    interval = difference_interval(one, other, block=block)
    assert interval == difference_interval(one, other, block=144 // 5)
    difference = np.sqrt(other.mean()) - np.sqrt(one.mean())
    assert interval[0] < difference - 0.1 < difference + 0.1 < interval[1]


def test_a_higher_level_has_a_wider_interval():
    one, other = np.random.default_rng(1).gamma(2, 30, (2, 1, 60))
    (low, high), (lower, higher) = (difference_interval(one, other, block=6, level=level) for level in (0.5, 0.99))
    assert lower < low < high < higher


@pytest.mark.parametrize(("days", "widening"), [(2, 9.168), (14, 1.1438), (10_000, 1.0002)])
def test_an_interval_of_few_days_is_as_much_wider_as_students_t(days: float, widening: float) -> None:
    """sqrt(n / (n - 1)) times 12.7062, 2.1604 or 1.9602, over 1.96."""
    low, high = of_few_days((8, 13), 10, days=days, level=0.95)
    assert (low, high) == pytest.approx((10 - 2 * widening, 10 + 3 * widening), rel=1e-4)


def test_a_single_day_has_an_interval_that_says_next_to_nothing() -> None:
    low, high = of_few_days((8, 13), 10, days=1, level=0.95)
    assert -np.inf < low < -100 < 100 < high < np.inf


# A statistic of several parts


def log_ratio(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return np.log(one[0] / one[1]) - np.log(other[0] / other[1])


def test_the_interval_of_a_statistic_is_that_of_a_bootstrap_written_out(monkeypatch):
    """Parts are resampled one after the other, and the models of a part on the same windows."""
    monkeypatch.setattr("wattcast.tasks.bootstrap.RESAMPLES", resamples := 300)
    parts = [np.random.default_rng(3).gamma(2, 30, (2, windows)) for windows in (17, 16)]
    interval = statistic_interval(parts, log_ratio, block=3, level=0.9)
    draws = np.random.default_rng(0)
    means = []
    for losses in parts:
        windows = losses.shape[1]
        starts = draws.integers(windows, size=(resamples, 6))
        rows = (starts[..., None] + np.arange(3)) % windows
        means.append(losses[:, rows.reshape(resamples, -1)].mean(axis=-1))
    assert interval == pytest.approx(tuple(np.quantile(log_ratio(*means), [0.05, 0.95])))


def test_parts_may_be_of_any_length_and_a_short_one_is_not_taken_for_certain():
    draws = np.random.default_rng(1)
    long, short = draws.gamma(2, 30, (2, 500)), draws.gamma(2, 30, (2, 12))
    low, high = statistic_interval([long, short], log_ratio, block=12)  # one block is the whole of the short part
    lower, higher = statistic_interval([long, long], log_ratio, block=12)
    assert low < lower < higher < high
    assert np.isfinite(statistic_interval([short[:, :1]], lambda mean: mean[0] - mean[1], block=12)).all()


def test_models_that_differ_by_a_factor_differ_by_it_however_windows_are_drawn():
    losses = np.random.default_rng(0).gamma(2, 30, 90)
    low, high = statistic_interval([np.stack([2 * losses, losses])], lambda mean: mean[0] / mean[1], block=9)
    assert (low, high) == (pytest.approx(2), pytest.approx(2))
