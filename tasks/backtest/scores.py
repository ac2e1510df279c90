"""The scores of one contestant: overall, by fold and by lead time, all on the rows of all the others.

N: forecasts of all folds. L: output length. Q: quantiles.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from wattcast.model.arrays import Floats
from wattcast.model.metrics import coverage, mae, pinball, rmse, skill, winkler
from wattcast.tasks.bootstrap import Interval


@dataclass(frozen=True)
class Score:
    """RMSE, MAE, Winkler scores and mean pinball loss in the unit of the readings; skill by RMSE.

    What says something of intervals has an entry a level, and none where the contestant gives no intervals.
    """

    rmse: float
    mae: float
    skill: float  # against the best naive forecast of the same rows
    coverage: tuple[float, ...] = ()
    winkler: tuple[float, ...] = ()
    pinball: float | None = None  # mean over all quantiles


@dataclass(frozen=True)
class Standing:
    """A contestant that forecast every fold."""

    name: str
    overall: Score
    by_fold: tuple[Score, ...]
    by_lead: tuple[Score, ...]  # [L]
    seconds: float  # of fitting and forecasting, in all
    skills: tuple[Interval, ...] = ()  # [L] of the skill by lead time, over days; of those that are in question

    @property
    def spread(self) -> float:
        """The sample standard deviation of the RMSE over the folds; NaN for a single one."""
        errors = [score.rmse for score in self.by_fold]
        return float(np.std(errors, ddof=1)) if len(errors) > 1 else math.nan


@dataclass(frozen=True)
class Scored:
    """What a contestant forecast of one target, in all folds or some of their rows."""

    point: Floats  # [N, L]
    bounds: Floats | None  # [N, L, Q]

    def of(self, rows: slice, steps: slice) -> Scored:
        """Some rows and steps of it."""
        return Scored(self.point[rows, steps], None if self.bounds is None else self.bounds[rows, steps])


def score(
    actual: Floats, made: Scored, *, naive: float, quantiles: tuple[float, ...], levels: tuple[float, ...]
) -> Score:
    """Of what was measured `[N, L]`, where the best naive forecast has an RMSE of `naive`."""
    error = rmse(actual, made.point)
    plain = Score(error, mae(actual, made.point), skill(error, naive))
    if made.bounds is None:
        return plain
    pairs = []
    for level in levels:
        place = quantiles.index(round((1 - level) / 2, 10))
        pairs.append((made.bounds[..., place], made.bounds[..., len(quantiles) - 1 - place]))
    return Score(
        plain.rmse,
        plain.mae,
        plain.skill,
        coverage=tuple(coverage(actual, low, high) for low, high in pairs),
        winkler=tuple(winkler(actual, low, high, level) for level, (low, high) in zip(levels, pairs, strict=True)),
        pinball=pinball(actual[..., None], made.bounds, np.array(quantiles)),
    )
