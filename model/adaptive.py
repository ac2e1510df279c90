"""Intervals that learn from what happened: adaptive conformal inference, by itself for each step ahead.

L: steps ahead. W: forecasts whose actuals are known, the newest ones of each step ahead; NaN where there are fewer.

Of each level, alpha is the share of readings that may lie outside. It falls when one does and rises when none does
(Gibbs and Candès 2021, Adaptive conformal inference under distribution shift, NeurIPS 34):

    alpha <- alpha + gamma (1 - level - err)        err: 1 where the reading lay outside, else 0

How a forecast of d steps ahead was is known after d more have been made. So each step ahead has an alpha of its own,
and a gamma that is small enough for this delay: with a larger one alpha would swing between its bounds, as the heat of
a room does whose thermostat hangs far away.

An alpha asks for quantiles that no model has saved. What is adjusted is the size of its intervals: the *stretch* around
the median that holds a share 1 - alpha of the newest readings. Where intervals are wider at noon, they stay so.
"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri

from wattcast.model.arrays import Floats

GAMMA = 0.005  # as in the paper; at 0.02 a few spikes in a row would make an interval many times as wide
_MOST_SWAY = 0.3  # gamma times delay; below 1/e a loop with a delay does not swing
_LARGEST = 0.999  # alpha
_LEAST = 1e-3  # stretch: of an interval without any width nobody could tell what a model had said


def gammas(delays: Floats) -> Floats:
    """`[L]` how much one reading changes alpha, by the forecasts that are made until it is known `[L]`."""
    small: Floats = np.minimum(GAMMA, _MOST_SWAY / np.maximum(delays, 1))
    return small


def next_alphas(alphas: Floats, held: Floats, level: float | Floats, gamma: Floats) -> Floats:
    """`[..., L]` after one reading for each step ahead: 1 where the interval held it, 0 where not, NaN where none came.

    It stays a share: no interval is infinite, so that an alpha below 0 would only take long to come back.
    """
    moved = alphas + gamma * (held - level)
    kept: Floats = np.where(np.isnan(held), alphas, np.clip(moved, 0, _LARGEST))
    return kept


def needed_stretch(actual: Floats, low: Floats, middle: Floats, high: Floats) -> Floats:
    """How many times as wide around its median an interval would have just held the reading; arrays of one shape."""
    off, half = actual - middle, np.where(actual >= middle, high - middle, middle - low)
    with np.errstate(divide="ignore", invalid="ignore"):
        needed = np.abs(off) / half
    just: Floats = np.where(off == 0, 0.0, needed)
    return just


def stretches(alphas: Floats, needed: Floats, level: float, prior: int) -> Floats:
    """`[L]` by what intervals of `level` are to be stretched, from what `[W, L]` would have been needed.

    It begins with 1: as many as `prior` stretches that a normal distribution would need, were the intervals right,
    stand beside those that are known. An interval of no width, which no stretch helps, counts as the largest other one.
    """
    expected = _of_normal(np.arange(1, prior + 1) / (prior + 1), level)
    finite = np.where(np.isinf(needed), np.nan, needed)
    largest = np.fmax.reduce(finite, axis=0, initial=float(expected[-1]))
    known = np.where(np.isinf(needed), largest, needed)
    ascending = np.sort(np.concatenate([np.repeat(expected[:, None], len(alphas), axis=1), known]), axis=0)  # NaN last
    count = (~np.isnan(known)).sum(axis=0)
    place = np.clip((1 - alphas) * (prior + count + 1) - 1, 0, prior + count - 1)  # between two of them
    below, above = (np.take_along_axis(ascending, at.astype(int)[None], axis=0)[0] for at in (place, np.ceil(place)))
    between = below + (place - np.floor(place)) * (above - below)
    as_expected = _of_normal(np.clip(1 - alphas, 0, prior / (prior + 1)), level)
    chosen: Floats = np.maximum(np.where(count > 0, between, as_expected), _LEAST)
    return chosen


def _of_normal(shares: Floats, level: float) -> Floats:
    """By what right intervals of `level` are to be stretched to hold other `shares`."""
    needed: Floats = ndtri((1 + shares) / 2) / ndtri((1 + level) / 2)
    return needed


def stretched(bounds: Floats, stretch: Floats, lowest: float) -> Floats:
    """`[..., Q]` quantiles whose intervals `[..., Q // 2]`, the outermost first, are that many times as wide.

    The median stays; an inner interval never leaves an outer one, and nothing lies below what a target can be.
    """
    middle = bounds.shape[-1] // 2
    median = bounds[..., middle, None]
    factor = np.concatenate([stretch, np.ones_like(median), stretch[..., ::-1]], axis=-1)
    made = median + (bounds - median) * factor
    below = np.minimum.accumulate(made[..., middle::-1], axis=-1)[..., ::-1]
    above = np.maximum.accumulate(made[..., middle:], axis=-1)
    nested: Floats = np.maximum(np.concatenate([below, above[..., 1:]], axis=-1), lowest)
    return nested
