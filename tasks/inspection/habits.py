"""What a series does every day: stuck stretches, the hours, the weekdays, and how much a reading says of later ones.

V readings in the order of time, G steps of the grid from the first to the last of them.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from wattcast.model.arrays import Floats
from wattcast.model.order import to_ticks

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
LONG_RUN = 12
"""As many equal readings on end are told as a flat stretch."""
_LONGEST_RUNS = 3
_LEAST_SPREAD = 1e-9  # what rounding leaves of a constant
MOST_STEPS = 20_000_000
"""Steps of a grid that is laid out to compare readings with later ones."""
_LAGS_S = {"an hour": 3600, "a day": 86_400, "a week": 604_800}


@dataclass(frozen=True)
class Run:
    """One value, on and on."""

    value: float
    readings: int
    begin: dt.datetime
    end: dt.datetime


@dataclass(frozen=True)
class Habits:
    """What one target does."""

    column: str
    runs: tuple[Run, ...]  # the longest
    flat_share: float  # of the readings that lie in runs of `LONG_RUN` or more
    by_hour: tuple[float, ...]  # [24] mean, NaN where there is no reading
    by_weekday: tuple[float, ...]  # [7] Monday first
    correlation: Mapping[str, float]  # with the reading so much later


def find_habits(
    name: str,
    raw: Floats,
    values: Floats,
    *,
    moments: pd.DatetimeIndex,
    local: pd.DatetimeIndex,
    step_s: float | None,
) -> Habits:
    """The habits of `values` `[V]`, the energy or power that the readings `raw` `[V]` mean.

    Args:
        name: of the column.
        raw: as they are written.
        values: NaN where there is none.
        moments: sorted and unique.
        local: what a clock on the wall shows then.
        step_s: seconds from one reading to the next; None where there is no cadence.
    """
    runs, share = _runs(raw, local)
    frame = pd.Series(values)
    hours = frame.groupby(local.hour.to_numpy()).mean().reindex(range(24))
    weekdays = frame.groupby(local.day_of_week.to_numpy()).mean().reindex(range(7))
    lags = {}
    if step_s is not None:
        wanted = {"a step": 1, **{words: round(span / step_s) for words, span in _LAGS_S.items() if span > step_s}}
        lags = correlations(values, moments, step_s, wanted)
    return Habits(name, runs, share, tuple(hours.to_list()), tuple(weekdays.to_list()), lags)


def correlations(values: Floats, moments: pd.DatetimeIndex, step_s: float, lags: Mapping[str, int]) -> dict[str, float]:
    """The correlation of `values` `[V]` with those so many steps later, over pairs of which neither is missing."""
    grid = on_grid(values, moments, step_s)
    return {words: _correlation(grid[:-lag], grid[lag:]) for words, lag in lags.items() if 0 < lag < len(grid)}


def correlogram(values: Floats, moments: pd.DatetimeIndex, step_s: float, longest: int) -> Floats:
    """As `correlations`, with those 1 to `longest` steps later `[longest]`; NaN where too few pairs are known.

    Sums over all pairs of one distance are a product of spectra: one look at the series serves all of them.
    """
    grid = on_grid(values, moments, step_s)
    if not len(grid):
        return np.full(longest, np.nan)
    known = ~np.isnan(grid)
    centred = np.where(known, grid - np.nanmean(grid), 0.0)
    size = 1 << (len(grid) + longest).bit_length()
    mask, first, second = (np.fft.rfft(part, size) for part in (known.astype(np.float64), centred, centred**2))

    def sums(one: np.ndarray, other: np.ndarray) -> Floats:
        """Of the products of a reading and the one so much later."""
        return np.fft.irfft(np.conj(one) * other, size)[1 : longest + 1]

    pairs = np.maximum(np.rint(sums(mask, mask)), 1)
    before, after = sums(first, mask) / pairs, sums(mask, first) / pairs
    spread = (sums(second, mask) / pairs - before**2) * (sums(mask, second) / pairs - after**2)
    with np.errstate(invalid="ignore", divide="ignore"):
        found: Floats = (sums(first, first) / pairs - before * after) / np.sqrt(spread)
    return np.where((pairs > 2) & (spread > _LEAST_SPREAD * float(np.var(centred)) ** 2), found, np.nan)


def on_grid(values: Floats, moments: pd.DatetimeIndex, step_s: float) -> Floats:
    """`values` `[V]` at steps of `step_s` seconds `[G]`, NaN where there is none; empty where they are too many."""
    ticks = to_ticks(moments)
    places = np.rint((ticks - ticks[0]) / (step_s * 1e6)).astype(np.int64)
    if places[-1] >= MOST_STEPS:
        return np.empty(0)
    grid = np.full(int(places[-1]) + 1, np.nan)
    grid[places] = values
    return grid


def _correlation(one: Floats, other: Floats) -> float:
    known = ~(np.isnan(one) | np.isnan(other))
    one, other = one[known], other[known]
    if len(one) < 2 or one.min() == one.max() or other.min() == other.max():
        return float("nan")
    return float(np.corrcoef(one, other)[0, 1])


def _runs(raw: Floats, local: pd.DatetimeIndex) -> tuple[tuple[Run, ...], float]:
    """The longest runs of one value among the readings that are not missing, and the share of those in long ones."""
    rows = np.flatnonzero(~np.isnan(raw))
    if not len(rows):
        return (), 0.0
    values = raw[rows]
    begins = np.flatnonzero(np.concatenate([[True], values[1:] != values[:-1]]))
    lengths = np.diff(np.append(begins, len(values)))
    longest = np.argsort(-lengths, kind="stable")[:_LONGEST_RUNS]
    runs = tuple(
        Run(
            float(values[begins[at]]),
            int(lengths[at]),
            local[rows[begins[at]]].to_pydatetime(),
            local[rows[begins[at] + lengths[at] - 1]].to_pydatetime(),
        )
        for at in longest
        if lengths[at] > 1
    )
    return runs, float(lengths[lengths >= LONG_RUN].sum() / len(values))
