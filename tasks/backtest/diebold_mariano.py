"""Whether two forecasts are equally good: the test of Diebold and Mariano, corrected for few forecasts of many steps.

Diebold and Mariano 1995, Comparing predictive accuracy, JBES 13; Harvey, Leybourne and Newbold 1997, Testing the
equality of prediction mean squared errors, IJF 13.

N: forecasts in the order of time.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from wattcast.model.arrays import Floats


@dataclass(frozen=True)
class DieboldMariano:
    """The corrected statistic, above zero where the other one's losses are higher; NaN where it cannot be computed."""

    statistic: float
    p: float  # two-sided, by Student's t of N - 1 degrees


def diebold_mariano(one: Floats, other: Floats, *, horizon: int) -> DieboldMariano:
    """Of two forecasts' losses `[N]` of the same moments, which overlap as they reach `horizon` steps ahead.

    The variance of the mean difference adds up autocovariances of up to `horizon - 1` steps; where their plain sum is
    not above zero, that with Bartlett's weights.
    """
    from scipy.stats import t

    difference = other - one
    count, mean = len(difference), float(difference.mean())
    if horizon >= count:
        return DieboldMariano(math.nan, math.nan)
    centred = difference - mean
    lags = np.arange(horizon)
    covariances = np.array([centred[lag:] @ centred[: count - lag] for lag in lags]) / count
    weights = np.where(lags > 0, 2.0, 1.0)
    variance = float(weights @ covariances) / count
    if variance <= 0:
        variance = float((weights * (1 - lags / horizon)) @ covariances) / count
    if not variance > 0:
        return DieboldMariano(math.nan, math.nan)
    correction = (count + 1 - 2 * horizon + horizon * (horizon - 1) / count) / count
    statistic = mean * math.sqrt(correction / variance)
    return DieboldMariano(statistic, float(2 * t.sf(abs(statistic), count - 1)))
