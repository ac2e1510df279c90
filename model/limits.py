"""What a reading can be at all: the energy of a step is not negative, no air is more humid than 100 %.

The same limits hold for the readings that a model is trained on and for those that it forecasts from.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from wattcast.model.readings import ReadingsConfig


@dataclass(frozen=True)
class Limit:
    """The lowest and the highest value that a column may hold, and how a message says so."""

    low: float
    high: float
    rule: str

    @classmethod
    def of_text(cls, low: float | None, high: float | None, rule: str) -> Limit:
        """A limit whose sides are None where there is none, as JSON holds it."""
        return cls(-math.inf if low is None else low, math.inf if high is None else high, rule)

    @property
    def as_text(self) -> tuple[float | None, float | None, str]:
        """What `of_text` takes."""
        low, high = (side if math.isfinite(side) else None for side in (self.low, self.high))
        return low, high, self.rule


NOT_NEGATIVE = Limit(0.0, math.inf, "must not be negative")


def limits_of(config: ReadingsConfig) -> dict[str, Limit]:
    """Those of the targets by what they are."""
    return {} if config.signed else dict.fromkeys(config.targets, NOT_NEGATIVE)


def limit_faults(frame: pd.DataFrame, limits: Mapping[str, Limit]) -> list[str]:
    """One sentence for each column of `frame` that leaves its limits; missing readings leave none."""
    faults = []
    for name, limit in limits.items():
        if name not in frame:
            continue
        values = frame[name].to_numpy()
        beyond = (values < limit.low) | (values > limit.high)
        if beyond.any():
            row, count = int(beyond.argmax()), int(np.count_nonzero(beyond))
            more = f" and in {count - 1} rows more" if count > 1 else ""
            faults.append(f"column {name!r} {limit.rule}, received {values[row]:g} in row {row}{more}")
    return faults
