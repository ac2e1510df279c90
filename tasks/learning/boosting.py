"""The strongest baseline, boosted trees by LightGBM, which is an extra: the table goes without it where it is absent.

N: windows. L: output length. K: targets. P: pairs of a window and a step that it forecasts. F: columns that are read.

Ke et al. 2017, LightGBM: A highly efficient gradient boosting decision tree, NeurIPS 30.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import Field

from wattcast.model.arrays import Array, Floats, Rows
from wattcast.model.baseline import newest_known
from wattcast.model.clock import instants, on_the_clock
from wattcast.model.config import Config
from wattcast.model.windows import CALENDAR_COLUMNS, Windows

NAME = "lightgbm"

_LAGS = 12  # of the newest readings, one by one
_LAGS_H = (3, 4, 6, 12)  # and the last one of so many hours
_SPANS = (3, 6)  # steps over which there is a mean, a deviation and a maximum
_SPANS_H = (3, 6, 24)  # and hours
_SEASONS = ((1, 0), (1, 1), (7, 0))  # days: the newest known same time, and so many days before it
_PARAMETERS = {
    "objective": "regression",
    "num_leaves": 15,
    "learning_rate": 0.03,
    "min_data_in_leaf": 60,
    "feature_fraction": 0.7,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    "seed": 0,
    "num_threads": 1,  # the order of sums, and so the last bits, depend on it
    "deterministic": True,
    "force_col_wise": True,
    "verbosity": -1,
}
_MOST_ROUNDS = 3000
_PATIENCE = 50  # rounds without a lower validation error
_MOST_PAIRS = 100_000  # that trees are grown on
_FAR = 1000  # deviations above zero: float32 has 24 bits
_CHUNK = 200_000  # pairs whose columns are held at once


class BaselinesConfig(Config):
    """Which baselines stand beside the scores of a training, apart from those that cost nothing."""

    lightgbm: bool = Field(
        True, description="whether boosted trees are fitted and scored, too, where LightGBM is installed"
    )


def why_absent() -> str:
    """Why LightGBM cannot be used, and what to do; empty where it can."""
    if find_spec("lightgbm") is None:
        way = "pip install --editable '.[baselines]'"
        return f"LightGBM, the strongest baseline, is not installed and not in the table: {way}"
    try:
        import_module("lightgbm")
    except OSError as error:  # its library wants OpenMP's, which small images lack
        return f"LightGBM, the strongest baseline, cannot be loaded and is not in the table: {error}"
    return ""


@dataclass(frozen=True)
class BoostedTrees:
    """Boosted trees on lags, rolling statistics, the same time before, and what is known of the step that is forecast.

    One model a target. It forecasts the mean (squared loss) and reads the newest 12 readings and the last ones of 3, 4,
    6 and 12 hours; mean, standard deviation and maximum over 3 and 6 steps, 3, 6 and 24 hours; the readings at the
    forecast step's time on the newest known day, the day before that and the newest known week; that step's minute of
    the day and weekday, and whatever else is known of it. At ten minutes these are lags 0 to 11, 17, 23, 35 and 71 and
    spans of 3, 6, 18, 36 and 144.
    What the history lacks is left to the trees as missing.

    A forecast of several steps comes from the same single model, which reads how many steps ahead each lies: one model
    a step would take hundreds of fits. It is grown on at most 100,000 pairs of a window and a step, drawn at random, a
    step n ahead with a chance of 1 / n, as it is near steps that differ from each other. So it is a little behind what
    a model for each lead time reaches, most at the first one. Of forecasts of one step it knows all windows, up to so
    many.
    """

    boosters: tuple[Any, ...]  # [K] lightgbm.Booster
    rounds: tuple[int, ...]  # [K]
    levels: Floats  # [K] that readings are counted from: LightGBM computes in float32

    @classmethod
    def fit(cls, train: Windows, validation: Windows) -> BoostedTrees:
        """Grow trees on `train` until the error on `validation` falls no further."""
        import lightgbm

        stop = lightgbm.early_stopping(_PATIENCE, verbose=False)
        levels = _levels(train)
        train, validation = _counted_from(levels, train), _counted_from(levels, validation)
        grown = []
        for k in range(len(levels)):
            own = _dataset(train, k)
            grown.append(
                lightgbm.train(
                    _PARAMETERS, own, _MOST_ROUNDS, valid_sets=[_dataset(validation, k, own)], callbacks=[stop]
                )
            )
        return cls(tuple(grown), tuple(booster.best_iteration for booster in grown), levels)

    def refit(self, known: Windows) -> BoostedTrees:
        """The same number of trees on other windows."""
        import lightgbm

        lowered = _counted_from(self.levels, known)
        grown = (lightgbm.train(_PARAMETERS, _dataset(lowered, k), rounds) for k, rounds in enumerate(self.rounds))
        return BoostedTrees(tuple(grown), self.rounds, self.levels)

    def predict(self, windows: Windows) -> Floats:
        """`[N, L, K]`."""
        steps, lowest = windows.config.output_length, windows.series.lowest
        windows = _counted_from(self.levels, windows)
        forecast = np.empty((len(windows) * steps, len(self.boosters)))
        for k, booster in enumerate(self.boosters):
            history = _history(windows, k)
            for first in range(0, len(forecast), _CHUNK):
                pairs = np.arange(first, min(first + _CHUNK, len(forecast)))
                read = _columns(windows, pairs, history, k)
                forecast[pairs, k] = booster.predict(read, num_iteration=self.rounds[k], num_threads=0)
        return np.maximum(forecast + self.levels, lowest).reshape(len(windows), steps, -1)


def _levels(windows: Windows) -> Floats:
    """`[K]`: the mean of a target that lies far above what it varies by, 0 for all others."""
    readings = windows.series.readings[np.unique(windows.target_rows)]
    mean = readings.mean(axis=0)
    return np.where(np.abs(mean) > _FAR * readings.std(axis=0), mean, 0.0)


def _counted_from(levels: Floats, windows: Windows) -> Windows:
    return replace(windows, series=replace(windows.series, readings=windows.series.readings - levels))


def _dataset(windows: Windows, k: int, reference: Any = None) -> Any:
    """LightGBM's form of the pairs that trees of target `k` are grown on."""
    import lightgbm

    pairs = _drawn(windows)
    which, steps = np.divmod(pairs, windows.config.output_length)
    actual = windows.series.readings[_target_rows(windows, which, steps), k]
    return lightgbm.Dataset(_columns(windows, pairs, _history(windows, k), k), actual, reference=reference)


def _drawn(windows: Windows) -> Rows:
    """All pairs of forecasts of one step, if fitting ends so; of several, near steps the more often, as they differ."""
    count, steps = len(windows), windows.config.output_length
    draw = np.random.default_rng(0)
    if steps > 1:
        chances = 1 / (windows.config.steps_ahead + np.arange(steps))
        size = min(count * steps, _MOST_PAIRS)
        drawn = draw.integers(count, size=size) * steps + draw.choice(steps, size, p=chances / chances.sum())
        return np.unique(drawn)
    if count > _MOST_PAIRS:
        return np.sort(draw.choice(count, _MOST_PAIRS, replace=False, shuffle=False))
    return np.arange(count)


def _target_rows(windows: Windows, which: Rows, steps: Rows) -> Rows:
    """`[P]` the rows that are forecast: step by step of `which` windows."""
    rows: Rows = windows.newest_row[which] + windows.config.steps_ahead + steps
    return rows


def _history(windows: Windows, k: int) -> Array:
    """`[N, F']`: what there is to know of target `k` at the moment of each forecast, whatever the step."""
    times = pd.DatetimeIndex(instants(windows.series.times))
    readings, newest = windows.series.readings[:, k], windows.newest_row
    cadence = _cadence(windows)
    lags = {*range(_LAGS), *(int(pd.Timedelta(hours=hours) / cadence) - 1 for hours in _LAGS_H)}
    found = [_reading_at(times, readings, times[newest] - lag * cadence) for lag in sorted(lags) if lag >= 0]
    load = pd.Series(readings, times)
    spans = {*(steps * cadence for steps in _SPANS), *(pd.Timedelta(hours=hours) for hours in _SPANS_H)}
    for span in sorted(span for span in spans if span > cadence):
        rolling = load.rolling(span, min_periods=1)
        found += [each.to_numpy()[newest] for each in (rolling.mean(), rolling.std(), rolling.max())]
    return np.stack(found, axis=1).astype(np.float32)


def _columns(windows: Windows, pairs: Rows, history: Array, k: int) -> Array:
    """`[P, F]`: the history of each pair's window, and what there is to know of its step."""
    which, steps = np.divmod(pairs, windows.config.output_length)
    rows, times = _target_rows(windows, which, steps), pd.DatetimeIndex(instants(windows.series.times))
    target, newest = times.to_numpy()[rows], times.to_numpy()[windows.newest_row[which]]
    clock = on_the_clock(windows.series.times[rows])
    seasons = (newest_known(target, newest, days) - np.timedelta64(before, "D") for days, before in _SEASONS)
    ahead = [
        *(_reading_at(times, windows.series.readings[:, k], pd.DatetimeIndex(moments)) for moments in seasons),
        np.asarray(clock.hour * 60 + clock.minute, np.float64),
        np.asarray(clock.day_of_week, np.float64),
        *windows.series.ahead[windows.ahead_rows_of(which, steps), len(CALENDAR_COLUMNS) :].T,
    ]
    if windows.config.output_length > 1:
        ahead.append((windows.config.steps_ahead + steps).astype(np.float64))
    return np.concatenate([history[which], np.stack(ahead, axis=1).astype(np.float32)], axis=1)


def _reading_at(times: pd.DatetimeIndex, readings: Floats, moments: pd.DatetimeIndex) -> npt.NDArray[np.float64]:
    """The readings at these moments; NaN where there is none."""
    rows = times.get_indexer(moments)
    return np.where(rows >= 0, readings[rows], np.nan)


def _cadence(windows: Windows) -> pd.Timedelta:
    """Between a window's newest reading and its first target lies no gap."""
    newest = windows.newest_row[0]
    times = instants(windows.series.times)
    return pd.Timedelta(times[newest + windows.config.steps_ahead] - times[newest]) / windows.config.steps_ahead
