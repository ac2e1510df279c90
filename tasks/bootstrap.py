"""Whether a difference of two scores is more than luck: a circular block bootstrap of paired losses.

K: trainings that are paired (seeds), 1 for two finished models. M: models. N: windows in the order of time.
R: resamples.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from wattcast.model.arrays import Floats

Interval = tuple[float, float]

RESAMPLES = 10_000
LEVEL = 0.95
_MOST_GATHERED = 1_000_000  # sums of blocks that are held at once
_FEWEST_BLOCKS = 5  # in a part
_FEWEST_DAYS = 1.5  # of one alone an interval would have no end


def root(losses: Floats) -> Floats:
    """An RMSE of squared errors."""
    return np.sqrt(losses)


def difference_interval(
    one: Floats,
    other: Floats,
    *,
    block: int | None,
    level: float = LEVEL,
    score: Callable[[Floats], Floats] = root,
) -> Interval:
    """The interval of `other`'s mean score minus `one`'s, from their losses `[K, N]` of the same windows.

    `score` makes a score of a mean loss: the square root an RMSE of squared errors, `np.positive` an MAE of absolute
    ones. The K pairs are resampled; with `block`, also stretches of `block` windows (Politis and Romano 1992), as
    errors of neighbouring windows are alike: shorter ones where that would be fewer than five, as a stretch that is as
    long as all windows would leave nothing to luck. It is a percentile interval, widened by sqrt(K / (K - 1)), as that
    of few values is too narrow (Hesterberg 2015, doi:10.1080/00031305.2015.1089789).
    """
    draws = np.random.default_rng(0)
    pairs = len(one)
    places = draws.integers(pairs, size=(RESAMPLES, pairs))  # [R, K]
    if block is None:
        paired = score(other.mean(axis=1)) - score(one.mean(axis=1))  # [K]
        means = paired[places].mean(axis=1)  # [R]
    else:
        stretch = _stretch(block, one.shape[1])
        of_one, of_other = (score(means) for means in _resampled_means((one, other), stretch, draws))  # [R, K]
        means = np.take_along_axis(of_other - of_one, places, axis=1).mean(axis=1)
    centre = float((score(other.mean(axis=1)) - score(one.mean(axis=1))).mean())
    widening = math.sqrt(pairs / (pairs - 1)) if pairs > 1 else 1.0
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return centre + widening * (float(low) - centre), centre + widening * (float(high) - centre)


def of_each(level: float, looks: int) -> float:
    """The confidence of each of so many looks that share the doubt which `level` leaves (Bonferroni)."""
    return 1 - (1 - level) / looks


def of_few_days(interval: Interval, centre: float, *, days: float, level: float) -> Interval:
    """A percentile interval of resampled days around `centre`, as wide as it must be for so few of them.

    What the spread of `days` values says of itself is uncertain, too: it is widened as Student's t is beside the normal
    distribution, and as that of few values is too narrow (Hesterberg 2015, doi:10.1080/00031305.2015.1089789). Of 14
    days a 95 % interval is a seventh wider, of 3 days almost three times as wide; one alone says next to nothing.
    """
    from scipy.stats import norm, t

    count, share = max(days, _FEWEST_DAYS), (1 + level) / 2
    widening = math.sqrt(count / (count - 1)) * float(t.ppf(share, count - 1) / norm.ppf(share))
    low, high = interval
    return centre + widening * (low - centre), centre + widening * (high - centre)


def statistic_interval(
    parts: Sequence[Floats], statistic: Callable[..., Floats], *, block: int, level: float = LEVEL
) -> Interval:
    """The percentile interval of a statistic of the mean losses of several models on several parts.

    See `statistic_draws`.
    """
    low, high = np.quantile(statistic_draws(parts, statistic, block=block), [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def statistic_draws(parts: Sequence[Floats], statistic: Callable[..., Floats], *, block: int) -> Floats:
    """`[..., R]`: what `statistic` makes of the resampled mean losses of several models on several parts.

    Each part holds the losses `[M, N]` of M models of the same windows. Stretches of `block` of them are drawn for each
    part by itself and shared by its models; a part of fewer than five stretches is cut into shorter ones, as one that
    is as long as the part always has the part's own mean. `statistic` takes an argument a part: mean losses `[M, R]`.
    """
    draws = np.random.default_rng(0)
    means = []
    for losses in parts:
        (of_part,) = _resampled_means((losses,), _stretch(block, losses.shape[1]), draws)
        means.append(of_part.T)  # [M, R]
    return statistic(*means)


def _stretch(block: int, windows: int) -> int:
    """How many of so many windows are drawn together: `block` of them, unless that leaves too few to draw."""
    return max(1, min(block, windows // _FEWEST_BLOCKS))


def _resampled_means(losses: Sequence[Floats], block: int, draws: np.random.Generator) -> list[Floats]:
    """For each `[K, N]`, all of the same windows, the mean losses `[R, K]` of stretches that all of them share."""
    rows, windows = losses[0].shape
    blocks = -(-windows // block)
    sums = [_block_sums(each, block) for each in losses]  # [K, N] each
    means = [np.empty((rows, RESAMPLES)) for _ in losses]
    step = max(1, _MOST_GATHERED // (rows * blocks))
    for first in range(0, RESAMPLES, step):
        part = slice(first, first + step)
        starts = draws.integers(windows, size=(len(range(RESAMPLES)[part]), blocks))
        for mean, each in zip(means, sums, strict=True):
            mean[:, part] = each[:, starts].mean(axis=-1) / block
    return [mean.T for mean in means]


def _block_sums(losses: Floats, block: int) -> Floats:
    """`[K, N]` -> the sum of the `block` losses from each window on, going round at the end."""
    round_trip = np.concatenate([losses, losses[:, : block - 1]], axis=1) if block > 1 else losses
    sums = np.cumsum(np.pad(round_trip, ((0, 0), (1, 0))), axis=1)
    result: Floats = sums[:, block:] - sums[:, :-block]
    return result
