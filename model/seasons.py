"""The same time before: readings of a season ago that the head reads of each step that it forecasts.

S: rows of a series. K: targets. D: seasonal columns of a target.

A season is whole days of 24 hours. Of the seasons that are asked for each one is taken far enough back that it is known
of every step of a forecast: of one that ends two days ahead, yesterday is the day before the forecast.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from wattcast.model.arrays import Array, Times


@dataclass(frozen=True)
class Seasons:
    """How many days before a step its same times lie."""

    lags: tuple[int, ...] = ()  # one reading each
    means: tuple[tuple[int, ...], ...] = ()  # the mean of several

    @property
    def names(self) -> tuple[str, ...]:
        """What each of the D columns is."""
        spans = (f"mean of {days[0]} to {days[-1]} days before" for days in self.means)
        return (*(f"{days} days before" for days in self.lags), *spans)

    @property
    def days(self) -> int:
        """The days before a step that are read at most; 0 where nothing is."""
        return max((*self.lags, *(days[-1] for days in self.means)), default=0)

    def columns(self, times: Times, targets: Array) -> Array:
        """`[S, K * D]` of the rows at `times` `[S]` (instants, ascending), of `targets` `[S, K]` scaled.

        Where no such reading is known there is a zero, which under the scaling by mean and deviation is the mean of the
        training rows.
        """
        found = {days: _days_before(times, targets, days) for days in sorted({*self.lags, *sum(self.means, ())})}
        lags = [found[days] for days in self.lags]
        means = [_mean(np.stack([found[days] for days in span])) for span in self.means]
        columns = np.stack([*lags, *means], axis=-1)  # [S, K, D]
        return np.nan_to_num(columns).reshape(len(times), -1).astype(np.float32)


def known_seasons(lags: tuple[int, ...], means: tuple[int, ...], *, farthest: pd.Timedelta) -> Seasons:
    """The lags, and the means over so many days, that are known of all steps up to one as far ahead as `farthest`."""
    lead = max(1, -(-farthest // pd.Timedelta(days=1)))  # whole days until all steps are behind the newest reading
    return Seasons(
        tuple(days * -(-lead // days) for days in lags),
        tuple(tuple(range(lead, lead + days)) for days in means),
    )


def _days_before(times: Times, targets: Array, days: int) -> Array:
    """`[S, K]`: the readings so many days before each time; NaN where there is none."""
    before = times - np.timedelta64(days, "D")
    rows = np.searchsorted(times, before)
    return np.where((times[rows] == before)[:, None], targets[rows], np.float32(np.nan))


def _mean(several: Array) -> Array:
    """`[n, S, K]` to `[S, K]`: the mean of those that are known; NaN where none is."""
    known = ~np.isnan(several)
    count = known.sum(axis=0)
    return np.where(count > 0, np.nansum(several, axis=0) / np.maximum(count, 1), np.nan).astype(np.float32)
