"""What a forecast must beat: four baselines that forecast windows as a Forecaster does, in Wh.

N: windows. T: lookback. L: output length. K: targets. Formulas of the first three: Hyndman and
Athanasopoulos, "Forecasting: principles and practice", 3rd ed., section 5.2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from wattcast.model.arrays import Array, Floats
from wattcast.model.windows import Windows

_CHUNK = 65_536  # windows of ridge inputs held at once


class Predictor(Protocol):
    """Whatever forecasts windows: a Forecaster, or a baseline."""

    def predict(self, windows: Windows) -> Floats:
        """`[N, L, K]` forecasts in Wh."""
        ...


@dataclass(frozen=True)
class Mean:
    """The mean of the training targets, always."""

    mean: Floats  # [K]

    @classmethod
    def fit(cls, train: Windows) -> Mean:
        """The mean over all targets of `train`."""
        return cls(train.actual.mean(axis=(0, 1), dtype=np.float64))

    def predict(self, windows: Windows) -> Floats:
        """`[N, L, K]`, the same everywhere."""
        return np.broadcast_to(self.mean, (len(windows), windows.config.output_length, len(self.mean)))


@dataclass(frozen=True)
class Persistence:
    """The newest reading, for all steps."""

    def predict(self, windows: Windows) -> Floats:
        """`[N, L, K]`."""
        newest = windows.series.readings[windows.newest_row].astype(np.float64)  # [N, K]
        return np.repeat(newest[:, None], windows.config.output_length, axis=1)


@dataclass(frozen=True)
class DailyNaive:
    """The reading at the same time of day on the newest day that is known; persistence where there is none."""

    def predict(self, windows: Windows) -> Floats:
        """`[N, L, K]`."""
        times = windows.series.times
        target, newest = times.to_numpy()[windows.target_rows], times.to_numpy()[windows.newest_row, None]  # [N, L]
        day = np.timedelta64(1, "D")
        same_time = pd.DatetimeIndex((target + (newest - target) // day * day).ravel())
        rows = times.get_indexer(same_time).reshape(target.shape)  # -1 where the history has no such reading
        rows = np.where(rows >= 0, rows, windows.newest_row[:, None])
        return windows.series.readings[rows].astype(np.float64)


@dataclass(frozen=True)
class RidgeOnLags:
    """Ridge regression on the lookback of the targets and on the calendar of the first step that is forecast."""

    weights: Floats  # [K * T + 5, L * K]
    intercept: Floats  # [L * K]

    @classmethod
    def fit(cls, train: Windows) -> RidgeOnLags:
        """scikit-learn's Ridge with its default penalty, on the training windows."""
        from sklearn.linear_model import Ridge

        ridge = Ridge().fit(_lags(train), train.actual.reshape(len(train), -1))
        return cls(np.atleast_2d(ridge.coef_).T, np.atleast_1d(ridge.intercept_))

    def predict(self, windows: Windows) -> Floats:
        """`[N, L, K]`."""
        flat = np.concatenate([_lags(chunk) @ self.weights + self.intercept for chunk in windows.chunks(_CHUNK)])
        return np.asarray(flat.reshape(len(windows), windows.config.output_length, -1), np.float64)


def fit_baselines(train: Windows) -> dict[str, Predictor]:
    """All baselines by the names under which they are logged."""
    return {
        "mean": Mean.fit(train),
        "persistence": Persistence(),
        "daily_naive": DailyNaive(),
        "ridge": RidgeOnLags.fit(train),
    }


def _lags(windows: Windows) -> Array:
    """`[N, K * T + 5]`: the targets' history in Wh, and the calendar of the first step."""
    history: npt.NDArray[np.float32] = windows.series.readings[windows.input_rows]  # [N, T, K]
    dates = windows.series.calendar[windows.target_rows[:, 0]]  # [N, 5]
    return np.concatenate([history.reshape(len(windows), -1), dates], axis=1)
