"""Readings that nobody took: those of a straight line across a hole, which knows the reading behind the hole.

A forecast is made of what is known at its moment and judged by what was measured. So none is made within a hole, and
none of a step of a target that lies in one; in a history before its moment lines may stand.

S: rows of a series.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from wattcast.model.arrays import Rows
from wattcast.model.grid import Label
from wattcast.model.order import length, times_of, to_ticks
from wattcast.model.readings import ReadingsConfig

_BESIDE = 0.5  # of a step, which a reading of a counter may cover beside its own


@dataclass(frozen=True)
class Drawn:
    """The steps that lie in a hole which a line closes; of known columns only where these are revised later."""

    moments: pd.DatetimeIndex  # of any column
    targets: pd.DatetimeIndex  # of a target

    def at(self, times: pd.DatetimeIndex) -> npt.NDArray[np.bool_] | None:
        """`[S, 2]` which rows at `times` are among the moments, and among those of targets; None where none is."""
        found = np.stack([times.isin(self.moments), times.isin(self.targets)], axis=1)
        return found if found.any() else None

    @property
    def moments_alone(self) -> Drawn:
        """As it is to those who forecast and do not yet ask what was measured."""
        return Drawn(self.moments, self.targets[:0])


def find_drawn(
    laid: pd.DataFrame, made: pd.DataFrame, config: ReadingsConfig, counted: Mapping[str, npt.NDArray[np.bool_]]
) -> Drawn | None:
    """What lines have filled of a frame `laid` out on its grid, `[S, C]`, that became `made`; None where nothing.

    `counted` says which rows of `laid` hold a share of what a counter has counted over several steps.
    """
    names = config.columns if config.available_at else config.past  # what is known ahead is no news
    policies = {name: config.gaps if name in config.targets else config.feature_gaps for name in names}
    filled = laid[[name for name, policy in policies.items() if policy == "interpolate" and name in laid]].isna()
    for name, rows in counted.items():
        filled[name] = filled.get(name, False) | rows
    filled = filled.reindex(made.index, fill_value=True)  # rows that were not there
    targets = filled[[name for name in config.targets if name in filled]]
    moments, steps = (times_of(each[each.any(axis=1).to_numpy(np.bool_)]) for each in (filled, targets))
    return Drawn(moments, steps) if len(moments) else None


def counted_over(
    times: pd.DatetimeIndex, since: Rows, laid: pd.DatetimeIndex, cadence: pd.Timedelta, label: Label
) -> npt.NDArray[np.bool_]:
    """Which steps `laid` lie between two readings of a counter at `times` that are more than a step apart.

    `since` is of each reading the row that it counts from, as in `CounterEnergy`.
    """
    ticks, step, found = to_ticks(times), length(cadence), np.zeros(len(laid), bool)
    begins, beside = to_ticks(laid) - (step if label == "end" else 0), int(_BESIDE * step)
    rows = np.flatnonzero(since >= 0)
    rows = rows[ticks[rows] - ticks[since[rows]] > step + beside]
    first = np.searchsorted(begins, ticks[since[rows]] - beside, side="right")
    last = np.searchsorted(begins, ticks[rows] - beside, side="left")
    for begin, end in zip(first, last, strict=True):
        found[begin:end] = True
    return found
