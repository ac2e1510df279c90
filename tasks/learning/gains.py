"""How much of a baseline's error the network takes away, and whether that is more than the luck of these days.

M: the two models, network and baseline. N: windows of the test part, in the order of time. R: resamples.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from wattcast.model.arrays import Floats
from wattcast.model.gru import NAME
from wattcast.tasks.bootstrap import Interval, statistic_interval

AGAINST = ("persistence", "ridge")
"""The baselines of whose errors a share is claimed."""


@dataclass(frozen=True)
class Gain:
    """The share of a baseline's RMSE that the network takes away, below 0 where it adds to it, and its interval."""

    target: str
    baseline: str
    share: float
    interval: Interval

    @property
    def may_be_luck(self) -> bool:
        """The interval holds zero."""
        low, high = self.interval
        return low <= 0 <= high


def gains(test: pd.DataFrame, targets: Iterable[str], *, block: int) -> tuple[Gain, ...]:
    """The gains over `AGAINST` on the forecasts of the test part, where a share can be claimed; `block` windows a day.

    The interval is that of `statistic_interval` on paired squared errors, a bootstrap of whole days.
    """
    found = []
    for target in targets:
        rows = test[test["target"] == target]
        for baseline in AGAINST:
            errors = rows[[NAME, baseline]].astype(np.float64).sub(rows["actual"].astype(np.float64), axis=0) ** 2
            losses = errors.groupby(rows["made_at"].to_numpy()).mean().to_numpy().T  # [M, N]
            if not losses.mean(axis=1).all():  # one of both is never wrong
                continue
            (share,) = _share(losses.mean(axis=1, keepdims=True))
            low, high = statistic_interval([losses], _share, block=block)
            if math.isfinite(share) and math.isfinite(low) and math.isfinite(high):
                found.append(Gain(target, baseline, float(share), (low, high)))
    return tuple(found)


def _share(means: Floats) -> Floats:
    """`[M, R]` mean losses -> `[R]`."""
    network, baseline = means
    with np.errstate(divide="ignore", invalid="ignore"):
        share: Floats = 1 - np.sqrt(network / baseline)
    return share
