"""What a forecast must beat: five baselines that forecast windows as a Forecaster does.

N: windows. T: lookback. L: output length. K: targets. Formulas of the first four: Hyndman and
Athanasopoulos, "Forecasting: principles and practice", 3rd ed., section 5.2.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pandas as pd

from wattcast.model.arrays import Array, Floats, Rows, Times
from wattcast.model.clock import instants
from wattcast.model.windows import Windows

_CHUNK = 65_536  # forecasts of ridge made at once
_LEAST_CHUNK = 1024  # windows among them
_TOGETHER = 16  # steps of ridge whose products with the lags are one


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
        rows = self.rows(windows)
        return windows.series.readings[np.where(rows >= 0, rows, windows.newest_row[:, None])]

    def rows(self, windows: Windows) -> Rows:
        """`[N, L]` rows of the same time; -1 where the history has no such reading."""
        times = pd.DatetimeIndex(instants(windows.series.times))
        target, newest = times.to_numpy()[windows.target_rows], times.to_numpy()[windows.newest_row, None]  # [N, L]
        same_time = pd.DatetimeIndex(newest_known(target, newest, self.days).ravel())
        found: Rows = times.get_indexer(same_time).reshape(target.shape)
        return found


def newest_known(target: Times, newest: Times, days: int) -> Times:
    """The last moment not behind `newest` that lies whole seasons of so many days before `target`; shapes broadcast."""
    season = np.timedelta64(days, "D")
    moments: Times = target + (newest - target) // season * season
    return moments


@dataclass(frozen=True)
class RidgeOnLags:
    """A ridge regression for each step that is forecast, on the lookback of the targets and what is known of that step.

    Every column has mean 0 and deviation 1 over the training windows, so that the penalty means the same in any unit.
    M: columns that a step reads, K * T lags with the oldest first, and the A that are known of it, as its calendar.
    """

    columns: _Standard  # [L, M]
    targets: _Standard  # [L, K]
    weights: Floats  # [L, M, K]

    @classmethod
    def fit(cls, train: Windows) -> RidgeOnLags:
        """scikit-learn's Ridge with its default penalty, on the training windows."""
        if train.config.output_length > 1:
            return cls._fit_many(train)
        from sklearn.linear_model import Ridge

        history, actual = _with_ahead(_lags(train), train, 0), _of_step(train, 0)[1]
        columns, targets = _Standard.of(history), _Standard.of(actual)
        ridge = Ridge(fit_intercept=False).fit(columns.scale(history), targets.scale(actual))
        weights = np.atleast_2d(ridge.coef_).astype(np.float64).T
        return cls(_Standard.stack([columns]), _Standard.stack([targets]), weights[None])

    @classmethod
    def _fit_many(cls, train: Windows) -> RidgeOnLags:
        """The same for each step, from normal equations: the lags' products are those of all steps."""
        from scipy.linalg import solve

        lags = _lags(train)
        of_lags = _Standard.of(lags)
        lags = of_lags.scale(lags).astype(np.float64)  # [N, K * T]
        first, last = lags.shape[1], lags.shape[1] + train.series.ahead.shape[1]
        products = np.eye(last)  # the penalty of 1, and X'X
        products[:first, :first] += lags.T @ lags
        weights, columns, targets = [], [], []
        ahead = last - first
        own = ahead + train.series.readings.shape[1]  # A + K
        length = train.config.output_length
        for steps in (range(length)[start : start + _TOGETHER] for start in range(0, length, _TOGETHER)):
            block = np.concatenate([part for step in steps for part in _of_step(train, step)], axis=1)
            of_block = _Standard.of(block)
            block = of_block.scale(block).astype(np.float64)  # [N, steps * (A + K)]
            with_lags = lags.T @ block
            for start in range(0, block.shape[1], own):
                of_step, each = of_block.part(slice(start, start + own)), block[:, start : start + own].copy()
                right = np.concatenate([with_lags[:, start : start + own], each[:, :ahead].T @ each])  # [M, A + K]
                products[:first, first:] = right[:first, :ahead]
                products[first:, :first] = right[:first, :ahead].T
                products[first:, first:] = np.eye(ahead) + right[first:, :ahead]
                weights.append(solve(products, right[:, ahead:], assume_a="pos"))
                columns.append(of_lags.beside(of_step.part(slice(ahead))))
                targets.append(of_step.part(slice(ahead, None)))
        return cls(_Standard.stack(columns), _Standard.stack(targets), np.stack(weights))

    def predict(self, windows: Windows) -> Floats:
        """`[N, L, K]`."""
        forecast = np.empty((len(windows), *self.targets.mean.shape))
        steps = len(self.weights)
        done = 0
        for chunk in windows.chunks(max(_CHUNK // steps, _LEAST_CHUNK)):
            lags = _lags(chunk)
            for step in range(steps):
                scaled = self.columns.part(step).scale(_with_ahead(lags, chunk, step))  # [n, M]
                forecast[done : done + len(chunk), step] = self.targets.part(step).unscale(scaled @ self.weights[step])
            done += len(chunk)
        return np.maximum(forecast, windows.series.lowest)


@dataclass(frozen=True)
class _Standard:
    """Columns `[N, M]` of any unit to mean 0 and deviation 1, and back; a constant one is only shifted."""

    mean: Floats  # [M], or [L, M] for those of each step
    deviation: Floats  # as `mean`

    @classmethod
    def of(cls, columns: Floats) -> _Standard:
        deviation = columns.std(axis=0)
        return cls(columns.mean(axis=0), np.where(np.ptp(columns, axis=0) > 0, deviation, 1.0))

    @classmethod
    def stack(cls, steps: Sequence[_Standard]) -> _Standard:
        return cls(np.stack([each.mean for each in steps]), np.stack([each.deviation for each in steps]))

    def part(self, which: int | slice) -> _Standard:
        return _Standard(self.mean[which], self.deviation[which])

    def beside(self, right: _Standard) -> _Standard:
        return _Standard(*map(np.concatenate, ((self.mean, right.mean), (self.deviation, right.deviation))))

    def scale(self, columns: Floats) -> Array:
        return ((columns - self.mean) / self.deviation).astype(np.float32)

    def unscale(self, columns: Floats) -> Floats:
        return columns * self.deviation + self.mean


def _fitted_on_nothing(naive: Predictor) -> Callable[[Windows], Predictor]:
    return lambda _: naive


NAIVE: dict[str, Predictor] = {
    "persistence": Persistence(),
    "daily_naive": SeasonalNaive(days=1),
    "weekly_naive": SeasonalNaive(days=7),
}
"""Those that need nothing but a few readings, by the names under which they are logged."""

BASELINES: dict[str, Callable[[Windows], Predictor]] = {
    "mean": Mean.fit,
    **{name: _fitted_on_nothing(naive) for name, naive in NAIVE.items()},
    "ridge": RidgeOnLags.fit,
}
"""What fits each baseline on training windows, by the name under which it is logged."""


def fit_baselines(train: Windows) -> dict[str, Predictor]:
    """All baselines by their names."""
    return {name: fit(train) for name, fit in BASELINES.items()}


def _lags(windows: Windows) -> Floats:
    """`[N, K * T]`: the targets' history; before a short one stands its oldest reading."""
    history = windows.series.readings[windows.input_rows]  # [N, T, K]
    return history.reshape(len(windows), -1)


def _of_step(windows: Windows, step: int) -> tuple[Floats, Floats]:
    """`[N, A]` what is known and `[N, K]` the readings of one step that is forecast."""
    rows, known = windows.newest_row + windows.config.steps_ahead + step, windows.ahead_rows_of(slice(None), step)
    return windows.series.ahead[known].astype(np.float64), windows.series.readings[rows]


def _with_ahead(lags: Floats, windows: Windows, step: int) -> Floats:
    """`[N, M]`: all that the regression of a step reads."""
    return np.concatenate([lags, _of_step(windows, step)[0]], axis=1)
