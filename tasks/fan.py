"""Forecasts of one target with the quantiles around them, and what each of their intervals has held and lost.

N: forecasts. L: output length. Q: quantiles, none without intervals.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wattcast.model.arrays import Floats, Rows
from wattcast.model.intervals import Intervals, levels_of
from wattcast.model.metrics import interval_losses
from wattcast.model.windows import Windows


@dataclass(frozen=True)
class Fan:
    """Forecasts and what stands around them, in the unit of the target; NaN where a model leaves a forecast out."""

    point: Floats  # [N, L]
    bounds: Floats  # [N, L, Q]
    quantiles: tuple[float, ...] = ()  # [Q] ascending

    @classmethod
    def of(cls, forecasts: Floats, intervals: Intervals | None, windows: Windows) -> Fan:
        """The first target of `forecasts` `[N, L, K]` of `windows`, within any `intervals`."""
        if intervals is None:
            return cls.bare(forecasts[..., 0])
        return cls(forecasts[..., 0], intervals.around(forecasts, windows)[..., 0, :], intervals.quantiles)

    @classmethod
    def bare(cls, point: Floats) -> Fan:
        """Forecasts `[N, L]` without intervals."""
        return cls(point, np.empty((*point.shape, 0)))

    @classmethod
    def joined(cls, parts: Sequence[Fan]) -> Fan:
        """Forecasts one after another, with the quantiles that all of them have."""
        shared = tuple(one for one in parts[0].quantiles if all(one in part.quantiles for part in parts))
        bounds = [part.bounds[..., [part.quantiles.index(one) for one in shared]] for part in parts]
        return cls(np.concatenate([part.point for part in parts]), np.concatenate(bounds), shared)

    @property
    def levels(self) -> tuple[float, ...]:
        """The shares that its intervals say they hold, ascending."""
        return levels_of(self.quantiles)

    def take(self, which: slice | Rows | npt.NDArray[np.bool_]) -> Fan:
        """Some of these forecasts, by a slice, by their places or by a mask."""
        return Fan(self.point[which], self.bounds[which], self.quantiles)

    def interval(self, level: float) -> tuple[Floats, Floats]:
        """The lower and the upper bound `[N, L]` of an interval."""
        low = round((1 - level) / 2, 10)
        places = (self.quantiles.index(low), self.quantiles.index(round(1 - low, 10)))
        return self.bounds[..., places[0]], self.bounds[..., places[1]]

    def hits(self, actual: Floats, level: float) -> Floats:
        """`[N, L]` 1 where what was measured lies within the bounds, 0 where not; NaN where there are none."""
        low, high = self.interval(level)
        return np.where(np.isfinite(low + high), (low <= actual) & (actual <= high), np.nan)

    def losses(self, actual: Floats, level: float) -> Floats:
        """`[N, L]` Winkler scores."""
        return interval_losses(actual, *self.interval(level), level)
