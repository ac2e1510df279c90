"""What a backtest compares: everything that forecasts, on the same rows of the same folds.

N: forecasts of a fold. L: output length. K: targets. Q: quantiles.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import pandas as pd

from wattcast.model.arrays import Floats
from wattcast.model.intervals import IntervalConfig
from wattcast.model.readings import ReadingsConfig
from wattcast.model.revisions import Revisions
from wattcast.model.windows import Windows


@dataclass(frozen=True)
class Fold:
    """One origin: what may be learned from, and the windows whose forecasts are scored.

    All windows lie over one series of the whole clean `frame`, scaled by a scaler that was fitted in this fold; the
    readings behind `cut` are there to be forecast, never to be learned from.
    """

    number: int  # from 1
    cut: pd.Timestamp  # the newest reading that is known to whom is fitted
    train: Windows
    validation: Windows
    known: Windows  # what a product is fitted on: `train`, and `validation` where it is refitted on both
    scored: Windows
    frame: pd.DataFrame
    readings: ReadingsConfig
    intervals: IntervalConfig
    revisions: Revisions | None = None  # of known columns, whose newest ones `frame` holds

    def ahead(self, moment: pd.Timestamp, steps: pd.DatetimeIndex) -> pd.DataFrame:
        """`[L, A]` what was known at a moment of the known columns of `steps`, in a table of its own."""
        known = list(self.readings.known)
        if self.revisions is None or not known:
            return self.frame.loc[steps, known].copy()
        return self.revisions.known_at(moment, steps)[known]


@dataclass(frozen=True)
class Forecasts:
    """Of all windows that a fold scores, in the unit of the targets."""

    point: Floats  # [N, L, K]
    bounds: Floats | None = None  # [N, L, K, Q], quantiles ascending


@dataclass(frozen=True)
class Failed:
    """A contestant that could not forecast a fold, and why, in one line."""

    reason: str


class Contestant(Protocol):
    """Whatever forecasts: it is fitted anew in each fold."""

    @property
    def name(self) -> str:
        """What it is called in every table."""

    def forecast(self, fold: Fold) -> Forecasts:
        """Fit on what `fold` lets it know, and forecast what it scores."""


@dataclass(frozen=True)
class Judged:
    """A fold with what each contestant made of it."""

    number: int
    cut: pd.Timestamp
    trained_from: pd.Timestamp  # what is fitted in this fold; a network may be an earlier one's
    made_at: pd.DatetimeIndex  # [N]
    actual: Floats  # [N, L, K]
    outcomes: Mapping[str, Forecasts | Failed]
    seconds: Mapping[str, float]  # of fitting and forecasting


@dataclass(frozen=True)
class Backtest:
    """All folds. The first of `contestants` is the one that was asked about.

    Readings and forecasts are in `unit`, where it is known.
    """

    folds: tuple[Judged, ...]
    contestants: tuple[str, ...]
    targets: tuple[str, ...]
    quantiles: tuple[float, ...]  # [Q]
    levels: tuple[float, ...]  # of intervals
    steps_ahead: int  # of the first step of a forecast
    cadence: pd.Timedelta
    day: int  # forecasts in a day
    unit: str | None
