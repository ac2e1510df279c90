"""One fold: each contestant forecasts it, and what cannot be scored is a row with its reason.

N: forecasts of the fold. L: output length. K: targets. Q: quantiles.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from time import perf_counter

import numpy as np
import pandas as pd

from wattcast.model.arrays import Floats
from wattcast.model.intervals import hours_of
from wattcast.model.telling import tellable
from wattcast.tasks.backtest.contest import Contestant, Failed, Fold, Forecasts, Judged
from wattcast.tasks.learning.leakage import LeakageError

log = logging.getLogger(__name__)


def judge(fold: Fold, contestants: Sequence[Contestant], *, trained_from: pd.Timestamp) -> Judged:
    """What each of `contestants` makes of `fold`, which knows readings from `trained_from` on.

    Raises:
        LeakageError: of a network whose training saw what came later.
    """
    outcomes: dict[str, Forecasts | Failed] = {}
    seconds: dict[str, float] = {}
    for contestant in contestants:
        began = perf_counter()
        outcomes[contestant.name] = _outcome(contestant, fold)
        seconds[contestant.name] = perf_counter() - began
    scored = fold.scored
    made_at = scored.series.times[scored.newest_row]
    return Judged(fold.number, fold.cut, trained_from, made_at, hours_of(scored), scored.actual, outcomes, seconds)


def _outcome(contestant: Contestant, fold: Fold) -> Forecasts | Failed:
    try:
        forecasts = contestant.forecast(fold)
        shape = fold.scored.target_rows.shape + fold.scored.series.readings.shape[1:]  # [N, L, K]
        fault = _fault("forecasts", forecasts.point, shape)
        if not fault and forecasts.bounds is not None:
            fault = _fault("quantiles", forecasts.bounds, (*shape, len(fold.intervals.quantiles)))
    except LeakageError:
        raise
    except Exception as error:  # the other contestants go on
        fault = tellable(f"{type(error).__name__}: {error}").replace("\n", "; ")
    if not fault:
        return forecasts
    log.warning("%s has failed in fold %d: %s", contestant.name, fold.number, fault)
    return Failed(fault)


def _fault(name: str, values: Floats, shape: tuple[int, ...]) -> str:
    """What is wrong with what a contestant gave."""
    if np.shape(values) != shape:
        return f"{name} must have the shape {shape}, received {np.shape(values)}"
    wrong = int((~np.isfinite(np.asarray(values, np.float64))).sum())
    return f"{name} must be finite numbers, {wrong:,} of {int(np.prod(shape)):,} are not" if wrong else ""
