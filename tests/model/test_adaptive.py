"""Adaptive conformal inference by hand, and on a simulated house whose spread doubles on a known day."""

from __future__ import annotations

import numpy as np
import pytest

from wattcast.model.adaptive import GAMMA, gammas, needed_stretch, next_alphas, stretched, stretches
from wattcast.model.arrays import Floats

LEVEL, Z = 0.9, 1.6448536
CHANGE, DAYS = 30, 60  # the day on which the spread doubles, and how many there are


def test_alpha_moves_by_the_formula_and_only_where_a_reading_came() -> None:
    alphas = np.full(3, 0.1)
    held = np.array([1.0, 0.0, np.nan])
    moved = next_alphas(alphas, held, LEVEL, np.full(3, 0.02))
    assert moved == pytest.approx([0.1 + 0.02 * 0.1, 0.1 + 0.02 * (0.1 - 1), 0.1])
    assert alphas.tolist() == [0.1] * 3
    assert next_alphas(np.array([0.001]), np.zeros(1), LEVEL, np.ones(1)).tolist() == [0]


def test_the_longer_a_reading_takes_the_less_it_moves() -> None:
    assert gammas(np.array([0.0, 1.0, 60.0, 144.0])) == pytest.approx([GAMMA, GAMMA, GAMMA, 0.3 / 144])


def test_what_would_have_been_needed_is_counted_from_the_median() -> None:
    low, middle, high = np.full(4, 5.0), np.full(4, 10.0), np.full(4, 20.0)
    assert needed_stretch(np.array([10.0, 15.0, 40.0, 0.0]), low, middle, high).tolist() == [0, 0.5, 3, 2]
    assert needed_stretch(np.array([1.0]), np.ones(1), np.ones(1), np.ones(1)).tolist() == [0]
    assert np.isinf(needed_stretch(np.array([2.0]), np.ones(1), np.ones(1), np.ones(1))).all()


def test_it_begins_with_the_intervals_as_they_are() -> None:
    nothing = np.full((1, 2), np.nan)
    assert stretches(np.array([0.1, 0.1]), nothing, LEVEL, 20) == pytest.approx([1, 1])
    assert stretches(np.array([0.01]), nothing[:, :1], LEVEL, 200) == pytest.approx(2.576 / Z, abs=0.001)


def test_it_learns_the_size_that_readings_needed() -> None:
    needed = np.linspace(0, 3, 5000)[:, None]
    assert stretches(np.array([0.1]), needed, LEVEL, 20) == pytest.approx([2.7], abs=0.01)
    with_none = np.concatenate([needed, np.full((50, 1), np.inf)])
    assert stretches(np.array([0.0]), with_none, LEVEL, 20) == pytest.approx([3])


def test_intervals_are_stretched_around_the_median_and_stay_within_each_other() -> None:
    bounds = np.array([[1.0, 4, 5, 6, 9]])
    assert stretched(bounds, np.array([[1.0, 1.0]]), 0).tolist() == bounds.tolist()
    assert stretched(bounds, np.array([[2.0, 1.0]]), -100).tolist() == [[-3, 4, 5, 6, 13]]
    assert stretched(bounds, np.array([[2.0, 1.0]]), 0).tolist() == [[0, 4, 5, 6, 13]]
    assert stretched(bounds, np.array([[0.5, 3.0]]), 0).tolist() == [[2, 2, 5, 8, 8]]


def simulate(
    delays: Floats, a_day: int, *, adaptive: bool = True, change: int = CHANGE, days: int = DAYS
) -> tuple[Floats, Floats]:
    """`[moments, L]` whether intervals held, and their stretch; a reading is known `delays` `[L]` forecasts later.

    The saved intervals are right until the day `change`; from then on errors, alike for hours, are twice as large.
    """
    draws, lag = np.random.default_rng(0), 0.5
    moments, steps, window = days * a_day, len(delays), 14 * a_day
    noise = draws.normal(size=(moments, steps))
    for place in range(1, moments):
        noise[place] = lag * noise[place - 1] + np.sqrt(1 - lag**2) * noise[place]
    needed = np.abs(noise) / Z * np.where(np.arange(moments) >= change * a_day, 2, 1)[:, None]
    held, used, known = (np.full((moments, steps), np.nan) for _ in range(3))
    alphas, stretch, gamma = np.full(steps, 1 - LEVEL), np.ones(steps), gammas(delays)
    for now in range(moments):
        held[now], used[now] = needed[now] <= stretch, stretch
        came = now - delays.astype(int)
        there, places = came >= 0, (np.maximum(came, 0), np.arange(steps))
        known[now] = np.where(there, needed[places], np.nan)
        alphas = next_alphas(alphas, np.where(there, held[places], np.nan), LEVEL, gamma)
        if adaptive and now % (a_day // 24 * 2) == 0:
            stretch = stretches(alphas, known[max(0, now + 1 - window) : now + 1], LEVEL, 2 * a_day)
    return held, used


@pytest.mark.parametrize(("a_day", "houses"), [(24, 20), (144, 4)])
def test_where_the_spread_doubles_coverage_is_back_within_three_weeks_and_is_not_without(
    a_day: int, houses: int
) -> None:
    """A step and a day ahead, where a reading comes 144 forecasts later: nine days before, and nine after the weeks."""
    before, after = (slice(first * a_day, (first + 9) * a_day) for first in (CHANGE - 9, CHANGE + 21))
    delays = np.repeat([1.0, a_day], houses)
    with_it, without = (simulate(delays, a_day, adaptive=adaptive)[0] for adaptive in (True, False))
    for held in (with_it[before], with_it[after], without[before]):
        assert held.mean(axis=0).reshape(2, houses).mean(axis=1) == pytest.approx(LEVEL, abs=0.03)
    assert without[after].mean() < 0.65


def test_no_reading_counts_before_it_has_arrived() -> None:
    """Until a day after the change, forecasts a day ahead are as they would be without it, to the bit."""
    delays, a_day = np.array([1.0, 144.0]), 144
    changed, ever_the_same = (simulate(delays, a_day, change=change, days=8)[1] for change in (6, 100))
    first = 6 * a_day
    assert np.array_equal(changed[: first + 144, 1], ever_the_same[: first + 144, 1])
    assert not np.array_equal(changed[first : first + 144, 0], ever_the_same[first : first + 144, 0])
    assert not np.array_equal(changed[first + 144 :, 1], ever_the_same[first + 144 :, 1])
