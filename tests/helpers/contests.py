"""Backtests that never ran, whose forecasts are off by known errors; and a fold to forecast."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache

import numpy as np
import pandas as pd
from tiny import house, prepare

from wattcast.model.arrays import Floats
from wattcast.model.intervals import IntervalConfig
from wattcast.model.readings import ReadingsConfig
from wattcast.model.windows import WindowConfig
from wattcast.tasks.backtest.contest import Backtest, Failed, Fold, Forecasts, Judged

START = pd.Timestamp("2016-04-04")
QUANTILES = (0.05, 0.5, 0.95)
WINDOW = WindowConfig(lookback=5, output_length=3, steps_ahead=2)


def backtest(
    errors: Mapping[str, Floats],
    *,
    folds: int = 2,
    day: int = 4,
    steps_ahead: int = 1,
    reach: float | None = None,
    failed: Mapping[str, tuple[int, str]] | None = None,
) -> Backtest:
    """`errors` `[N, L]` or `[N, L, K]` of each contestant, cut evenly into folds; readings are 100 and those errors.

    With `reach`, all have intervals of 90 % that reach so far on either side of the forecast.
    """
    made = {name: each if each.ndim == 3 else each[..., None] for name, each in errors.items()}
    count, length, targets = next(iter(made.values())).shape
    size = count // folds
    cadence = pd.Timedelta(days=1) / day
    judged = []
    for number in range(folds):
        rows = slice(number * size, (number + 1) * size)
        outcomes: dict[str, Forecasts | Failed] = {}
        for name, each in made.items():
            point = 100 + each[rows]
            bounds = None if reach is None else point[..., None] + np.array([-reach, 0, reach])
            outcomes[name] = Forecasts(point, bounds)
        for name, (fold, reason) in (failed or {}).items():
            if fold == number + 1:
                outcomes[name] = Failed(reason)
        made_at = START + cadence * np.arange(rows.start, rows.stop)
        judged.append(
            Judged(
                number=number + 1,
                cut=made_at[0],
                trained_from=START - pd.Timedelta(days=60),
                made_at=pd.DatetimeIndex(made_at),
                actual=np.full((size, length, targets), 100.0),
                outcomes=outcomes,
                seconds=dict.fromkeys(outcomes, 1.5),
            )
        )
    return Backtest(
        folds=tuple(judged),
        contestants=tuple(made),
        targets=("load", *(f"load {number}" for number in range(2, targets + 1))),
        quantiles=() if reach is None else QUANTILES,
        levels=() if reach is None else (0.9,),
        steps_ahead=steps_ahead,
        cadence=cadence,
        day=day,
        unit="Wh",
    )


def noise(scale: float, *, seed: int, count: int = 160, length: int = 3) -> Floats:
    """Errors of one size, `[N, L]`."""
    return np.random.default_rng(seed).normal(0, scale, (count, length))


@contextmanager
def own_imports() -> Iterator[None]:
    """What a user's modules leave behind is gone when it ends."""
    paths, modules = list(sys.path), set(sys.modules)
    try:
        yield
    finally:
        sys.path[:] = paths
        for name in set(sys.modules) - modules:
            if name.partition(".")[0] in {"mine", "alone"}:
                del sys.modules[name]


@cache
def a_fold(*, levels: tuple[float, ...] = (), targets: tuple[str, ...] = ("Appliances",)) -> Fold:
    """A fold of the simulated house, of forecasts of three steps."""
    readings = ReadingsConfig(targets=targets, known=("T_out",))
    prepared = prepare(house(400), readings=readings, window=WINDOW)
    parts = prepared.windows
    return Fold(
        number=1,
        cut=parts.test.series.times[parts.validation.target_rows[-1, -1]],
        train=parts.train,
        validation=parts.validation,
        known=parts.train + parts.validation,
        scored=parts.test,
        frame=prepared.frame,
        readings=readings,
        intervals=IntervalConfig(levels=levels),
    )
