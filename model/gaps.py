"""What becomes of the holes in a frame that lies on a grid, and how much of it is whole.

S rows. A hole is one or more steps on end without a reading: the cell is NaN, or the row is not there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from wattcast.model.arrays import Floats, Rows
from wattcast.model.order import Mended, length, to_ticks

Policy = Literal["segment", "interpolate", "last", "error"]
"""segment: rows with a hole are left out; interpolate: a straight line across it; last: the reading before holds on;
error: holes are refused. Lines and holds close holes of a limited length, longer ones are left out."""

FLOOR = 0.9
"""The share of steps that a part needs at least."""


def close_gaps(
    frame: pd.DataFrame, cadence: pd.Timedelta, *, policies: Mapping[str, Policy], longest: int = 0
) -> Mended:
    """A frame without NaN, by the policy of each column. `frame` is not changed.

    Rows in which a reading is missing after that are left out, which starts a new segment.

    Args:
        frame: float64 columns over sorted, unique stamps on the grid of `cadence`.
        cadence: the length of a step.
        policies: of every column of `frame`.
        longest: steps of the longest hole that `interpolate` and `last` close.
    """
    names = list(policies)
    faults = [fault for name in names if policies[name] == "error" for fault in _holes(frame[name], cadence)]
    closing = {name: policy for name, policy in policies.items() if policy in {"interpolate", "last"}}
    if len(closing) == len(policies) and longest:
        frame = _with_missing_rows(frame, cadence, longest)
    steps = _places(pd.DatetimeIndex(frame.index), cadence)
    columns, notes = {}, []
    for name in names:
        values = frame[name].to_numpy(np.float64)
        columns[name] = values
        if name in closing:
            closed = _closed(values, steps, hold=closing[name] == "last", longest=longest)
            columns[name] = closed
            notes += _closing(name, values, closed, closing[name], longest)
    made = pd.DataFrame(columns, index=frame.index)
    missing = made.isna()
    left = np.asarray(missing.any(axis=1))
    if left.any():
        each = ", ".join(f"{name!r} {count:,}" for name, count in missing.sum().items() if count)
        first = made.index[int(left.argmax())]
        notes.append(
            f"{left.sum():,} of {len(made):,} rows lack a reading ({each}; first {first}) and are left out; no window "
            "crosses a gap"
        )
        made = made[~left]
    return Mended(made, tuple(notes), tuple(faults))


@dataclass(frozen=True)
class Completeness:
    """How many steps of a part are whole."""

    part: str
    whole: int
    steps: int
    floor: float

    @property
    def share(self) -> float:
        """Of the steps from the first to the last; 0 where there is none."""
        return self.whole / self.steps if self.steps else 0.0

    @property
    def enough(self) -> bool:
        """Whether the share is no lower than the floor."""
        return self.share >= self.floor

    @property
    def sentence(self) -> str:
        """The counts in words, and what to do where they are too low."""
        counts = f"{self.part}: {self.whole:,} of {self.steps:,} steps are whole ({100 * self.share:.1f} %)"
        if self.enough:
            return counts
        return (
            f"{counts}, at least {100 * self.floor:g} % are needed: give more of its readings, close short gaps "
            "(readings.gaps = 'interpolate'), or take a longer readings.cadence_minutes"
        )


def completeness(times: pd.DatetimeIndex, cadence: pd.Timedelta, *, part: str, floor: float = FLOOR) -> Completeness:
    """How much of `part` the rows of a clean frame at `times` are, from the first of them to the last."""
    steps = int((times[-1] - times[0]) // cadence) + 1 if len(times) else 0
    return Completeness(part, len(times), steps, floor)


def _places(times: pd.DatetimeIndex, cadence: pd.Timedelta) -> Rows:
    """At which step after the first row each row lies `[S]`."""
    ticks = to_ticks(times)
    return (ticks - ticks[:1]) // length(cadence)


def _with_missing_rows(frame: pd.DataFrame, cadence: pd.Timedelta, longest: int) -> pd.DataFrame:
    """`frame` with rows of NaN in holes of up to `longest` rows."""
    times = pd.DatetimeIndex(frame.index)
    holes = np.diff(_places(times, cadence)) - 1
    holes[holes > longest] = 0
    if not holes.any():
        return frame
    before = np.repeat(np.arange(len(holes)), holes)
    nth = np.arange(len(before)) - np.repeat(np.cumsum(holes) - holes, holes) + 1
    added = times[before] + pd.to_timedelta(nth * cadence.to_timedelta64())
    return frame.reindex(times.append(added).sort_values().rename(frame.index.name))


def _closed(values: Floats, steps: Rows, *, hold: bool, longest: int) -> Floats:
    """`values` `[S]` at `steps` with holes of up to `longest` steps closed; a held reading closes as many of any."""
    known = ~np.isnan(values)
    if known.all() or not known.any():
        return values
    at, readings, holes = steps[known], values[known], np.flatnonzero(~known)
    after = np.searchsorted(at, steps[holes])  # the reading after each missing one
    if hold:
        within = (after > 0) & (steps[holes] - at[after - 1] <= longest)
        filled = readings[after - 1]
    else:
        inside = (after > 0) & (after < len(at))
        within = inside & (at[np.minimum(after, len(at) - 1)] - at[after - 1] - 1 <= longest)
        filled = np.interp(steps[holes], at, readings)
    closed = values.copy()
    closed[holes[within]] = filled[within]
    return closed


def _closing(name: str, values: Floats, closed: Floats, policy: Policy, longest: int) -> list[str]:
    count = int((np.isnan(values) & ~np.isnan(closed)).sum())
    if not count:
        return []
    how = "holding the last one" if policy == "last" else "a straight line"
    return [f"column {name!r}: {count:,} missing readings were filled by {how}, over {longest:,} steps at most"]


def _holes(column: pd.Series, cadence: pd.Timedelta) -> list[str]:
    """A sentence that counts the missing readings of `column`, or none."""
    times = pd.DatetimeIndex(column.index)
    known: npt.NDArray[np.bool_] = column.notna().to_numpy(np.bool_)
    if not len(times) or not known.any():
        return [f"column {column.name!r} holds no reading"]
    steps = _places(times, cadence)
    missing = int(steps[-1]) + 1 - int(known.sum())
    if not missing:
        return []
    jumps = np.diff(steps[known], prepend=-1, append=steps[-1] + 1) > 1
    step = int(np.r_[-1, steps[known]][jumps.argmax()]) + 1
    return [
        f"column {column.name!r} lacks {missing:,} of {int(steps[-1]) + 1:,} readings, first "
        f"{times[0] + step * cadence}; 'error' allows none: complete them, or choose readings.gaps = 'segment' or "
        "'interpolate'"
    ]
