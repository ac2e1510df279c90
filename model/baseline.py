"""What a forecast must beat: five baselines that forecast windows as a Forecaster does.

N: windows. T: lookback. L: output length. K: targets. Formulas of the first four: Hyndman and
Athanasopoulos, "Forecasting: principles and practice", 3rd ed., section 5.2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pandas as pd

from wattcast.model.arrays import Array, Floats, Times
from wattcast.model.clock import instants
from wattcast.model.windows import Windows

_CHUNK = 65_536  # windows of ridge inputs held at once


class Predictor(Protocol):
    """Whatever forecasts windows: a Forecaster, or a baseline."""

    def predict(self, windows: Windows) -> Floats:
        """`[N, L, K]` forecasts."""
        ...


@dataclass(frozen=True)
class Mean:
    """The mean of the training targets, always."""

    mean: Floats  # [K]

    @classmethod
    def fit(cls, train: Windows) -> Mean:
        """The mean over all targets of `train`."""
        return cls(train.actual.mean(axis=(0, 1)))

    def predict(self, windows: Windows) -> Floats:
        """`[N, L, K]`, the same everywhere."""
        return np.broadcast_to(self.mean, (len(windows), windows.config.output_length, len(self.mean)))


@dataclass(frozen=True)
class Persistence:
    """The newest reading, for all steps."""

    def predict(self, windows: Windows) -> Floats:
        """`[N, L, K]`."""
        newest = windows.series.readings[windows.newest_row]  # [N, K]
        return np.repeat(newest[:, None], windows.config.output_length, axis=1)


@dataclass(frozen=True)
class SeasonalNaive:
    """The reading at the same time of the newest season that is known; persistence where there is none.

    A season of 1 day is the same time of day, of 7 days the same time of the week.
    """

    days: int

    def predict(self, windows: Windows) -> Floats:
        """`[N, L, K]`."""
        times = pd.DatetimeIndex(instants(windows.series.times))
        target, newest = times.to_numpy()[windows.target_rows], times.to_numpy()[windows.newest_row, None]  # [N, L]
        same_time = pd.DatetimeIndex(newest_known(target, newest, self.days).ravel())
        rows = times.get_indexer(same_time).reshape(target.shape)  # -1 where the history has no such reading
        rows = np.where(rows >= 0, rows, windows.newest_row[:, None])
        return windows.series.readings[rows]


def newest_known(target: Times, newest: Times, days: int) -> Times:
    """The last moment not behind `newest` that lies whole seasons of so many days before `target`; shapes broadcast."""
    season = np.timedelta64(days, "D")
    moments: Times = target + (newest - target) // season * season
    return moments


@dataclass(frozen=True)
class RidgeOnLags:
    """Ridge regression on the lookback of the targets and on the calendar of the first step that is forecast.

    Every column has mean 0 and deviation 1 over the training windows, so that the penalty means the same in any unit.
    """

    lags: _Standard  # of the [K * T + 5] columns that are read
    targets: _Standard  # of the [L * K] that are forecast
    weights: Floats  # [K * T + 5, L * K]

    @classmethod
    def fit(cls, train: Windows) -> RidgeOnLags:
        """scikit-learn's Ridge with its default penalty, on the training windows."""
        from sklearn.linear_model import Ridge

        actual, history = train.actual.reshape(len(train), -1), _lags(train)
        lags, targets = _Standard.of(history), _Standard.of(actual)
        ridge = Ridge(fit_intercept=False).fit(lags.scale(history), targets.scale(actual))
        return cls(lags, targets, np.atleast_2d(ridge.coef_).astype(np.float64).T)

    def predict(self, windows: Windows) -> Floats:
        """`[N, L, K]`."""
        chunks = [self.lags.scale(_lags(chunk)) @ self.weights for chunk in windows.chunks(_CHUNK)]
        flat = np.maximum(self.targets.unscale(np.concatenate(chunks)), windows.series.lowest)
        return flat.reshape(len(windows), windows.config.output_length, -1)


@dataclass(frozen=True)
class _Standard:
    """Columns `[N, M]` of any unit to mean 0 and deviation 1, and back; a constant one is only shifted."""

    mean: Floats  # [M]
    deviation: Floats  # [M]

    @classmethod
    def of(cls, columns: Floats) -> _Standard:
        deviation = columns.std(axis=0)
        return cls(columns.mean(axis=0), np.where(np.ptp(columns, axis=0) > 0, deviation, 1.0))

    def scale(self, columns: Floats) -> Array:
        return ((columns - self.mean) / self.deviation).astype(np.float32)

    def unscale(self, columns: Floats) -> Floats:
        return columns * self.deviation + self.mean


def fit_baselines(train: Windows) -> dict[str, Predictor]:
    """All baselines by the names under which they are logged."""
    return {
        "mean": Mean.fit(train),
        "persistence": Persistence(),
        "daily_naive": SeasonalNaive(days=1),
        "weekly_naive": SeasonalNaive(days=7),
        "ridge": RidgeOnLags.fit(train),
    }


def _lags(windows: Windows) -> Floats:
    """`[N, K * T + 5]`: the targets' history, and the calendar of the first step.

    Before a short history stands its oldest reading.
    """
    history = windows.series.readings[windows.input_rows]  # [N, T, K]
    dates = windows.series.calendar[windows.target_rows[:, 0]]  # [N, 5]
    return np.concatenate([history.reshape(len(windows), -1), dates], axis=1)
