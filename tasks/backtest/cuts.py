"""The moments at which readings are cut as if they ended there."""

from __future__ import annotations

import numpy as np
import pandas as pd

from wattcast.model.clock import instants
from wattcast.model.durations import duration
from wattcast.model.errors import InputError

DAY = pd.Timedelta(days=1)


_PASSED = 0.6  # of the rows, when the first cut is made


def first_cut(times: pd.DatetimeIndex, start: pd.Timestamp | None) -> pd.Timestamp:
    """`start`, or the time stamp of the reading with which 60 % of all have passed.

    Raises:
        InputError: `start` lies outside the readings.
    """
    if start is None:
        return times[max(0, int(len(times) * _PASSED) - 1)]
    if not times[0] <= start <= times[-1]:
        raise InputError(f"start must lie within the readings, from {times[0]} to {times[-1]}, received {start}")
    return start


def plan_cuts(moments: pd.DatetimeIndex, start: pd.Timestamp, every: str) -> tuple[pd.Timestamp, ...]:
    """The cuts from `start` on, one in each `every`, as far as there is a day left to forecast.

    `moments` are those from which there are forecasts; a cut with none before the next one falls into a gap and is left
    out.

    Raises:
        InputError: `every` is no duration of at least a day, or there would be fewer than two cuts.
    """
    newest = moments[-1] if len(moments) else None
    if newest is None or newest - start < 2 * DAY:
        made = f"the newest forecast is made at {newest}" if newest is not None else "no forecast is made from there on"
        raise InputError(f"a replay from {start} on needs two days to forecast, {made}: give an earlier start")
    last = newest - DAY
    step = duration(every)
    if step is None or not DAY <= step <= last - start:
        raise InputError(
            f"every must be a duration in days or hours such as 7d or 36h, at least 1d and, so that there are two cuts "
            f"from {start} on, at most {(last - start) // DAY}d, received {every!r}"
        )
    cuts = pd.date_range(start, last, freq=step)
    ends = moments.searchsorted([*cuts[1:], newest + DAY])
    kept = tuple(cuts[ends > moments.searchsorted(cuts)])
    if len(kept) < 2:
        raise InputError(f"after {start} the readings have a gap that leaves one cut only: give another start or every")
    return kept


def days_of(moments: pd.DatetimeIndex, cadence: pd.Timedelta) -> float:
    """Which forecasts made at `moments` stand for; a hole between two of them counts as a day at most."""
    steps = np.minimum(np.diff(instants(moments)), DAY.to_timedelta64())
    return float((steps.sum() + cadence.to_timedelta64()) / DAY.to_timedelta64())
