"""Whether readings reach as far back as a model needs, and whether the newest ones are stuck.

S: rows of the readings.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from wattcast.model.arrays import Floats
from wattcast.model.clock import instants
from wattcast.model.readings import ReadingsConfig
from wattcast.model.windows import WindowConfig, unbroken_rows

_STUCK_HOURS = 4  # a shorter stretch of one value may be chance
_STUCK_TIMES = 2  # as long as any stretch that is known


def unbroken_history(times: pd.DatetimeIndex, cadence: pd.Timedelta) -> int:
    """How many of the newest readings have no gap between them."""
    return int(unbroken_rows(instants(times), cadence)[-1]) if len(times) else 0


def too_few_readings(times: pd.DatetimeIndex, readings: ReadingsConfig, window: WindowConfig) -> str:
    """Why a model of this window cannot forecast from readings at `times`, as too few have no gap; else nothing."""
    unbroken = unbroken_history(times, readings.cadence)
    if unbroken >= window.shortest:
        return ""
    gap = f" after the gap before {times[-unbroken]}" if unbroken < len(times) else ""
    return f"a forecast needs the newest {window.shortest} readings without a gap, received {unbroken}{gap}"


def days_before(readings: ReadingsConfig, window: WindowConfig) -> int:
    """Days before a step that readings must reach back to, gaps aside; none where a history may be short."""
    return 0 if window.padded else window.seasons(readings.cadence).days


def too_few_days(times: pd.DatetimeIndex, readings: ReadingsConfig, window: WindowConfig) -> str:
    """Why a model of this window cannot forecast from readings at `times`, as they begin too late; else nothing."""
    days, at = days_before(readings, window), instants(times)
    if not days or at[-1] + window.steps_ahead * readings.cadence.to_timedelta64() - np.timedelta64(days, "D") >= at[0]:
        return ""
    return (
        f"a forecast reads the same time up to {days} days before each step, received readings from {times[0]} to "
        f"{times[-1]}; bring those of {days} days, {readings.steps_of(days):,} rows, or train with "
        "window.min_history"
    )


def longest_run(values: Floats) -> int:
    """The most readings on end, of values `[S]`, that are all the same."""
    ends = np.flatnonzero(np.diff(values) != 0)
    return int(np.diff(np.concatenate([[-1], ends, [len(values) - 1]])).max()) if len(values) else 0


def newest_run(values: Floats) -> int:
    """How many of the newest values `[S]` are all the same."""
    others = np.flatnonzero(values != values[-1:])
    return len(values) - 1 - int(others[-1]) if len(others) else len(values)


def is_stuck(run: int, longest: int, cadence: pd.Timedelta) -> bool:
    """The newest `run` readings are all the same for longer than chance and habit know: `longest` is the most known.

    Four hours at least, and more than twice as long as ever before: what is zero all night is not stuck at night.
    """
    return run > _STUCK_TIMES * longest and run * cadence >= pd.Timedelta(hours=_STUCK_HOURS)
