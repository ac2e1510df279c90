"""Time stamps in order, each once, and on their grid. Nothing is repaired without a note that counts it.

S readings. Times are naive, or all of one zone; in between they are *ticks*: whole microseconds since 1970, UTC.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from wattcast.model.arrays import Rows
from wattcast.model.clock import beside_utc

Ticks = Rows
"""Microseconds since 1970."""

JITTER = 0.1
"""A stamp may lie so much of a step beside the grid."""
CONSTANT = 0.95
"""Readings have a constant cadence where this share of their distances are a multiple of it, but for jitter."""
_SUNDAY, _LATEST_CHANGE = 6, 3
"""When clocks are changed: day of the week and hour."""
EVEN = 0.01
"""A usual distance that lies so much of itself beside whole minutes, or seconds, is taken as them."""


@dataclass(frozen=True)
class Mended:
    """A frame after one repair, what was done to it, and what could not be."""

    frame: pd.DataFrame
    notes: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()


@dataclass(frozen=True)
class Rhythm:
    """How far readings lie apart."""

    step: pd.Timedelta  # the usual distance, in whole minutes or seconds where it all but is
    share: float  # of the distances that are the step or a multiple of it, but for jitter

    @property
    def constant(self) -> bool:
        """Whether the readings have one cadence, with or without gaps."""
        return self.share >= CONSTANT

    def is_finer(self, cadence: pd.Timedelta) -> bool:
        """Whether readings are resampled to steps of `cadence`."""
        return self.step <= (1 - JITTER) * cadence


def put_in_order(frame: pd.DataFrame) -> Mended:
    """`frame` sorted by its time stamps, each once. `frame` is not changed.

    Rows of one stamp are merged where no two of them differ in a column; missing readings differ from nothing. Stamps
    that are missing, and rows that contradict each other, are faults; the first of such rows is kept.
    """
    notes, faults = [], []
    times = times_of(frame)
    missing = np.asarray(times.isna())
    if missing.any():
        row = int(missing.argmax())
        faults.append(f"{missing.sum():,} time stamps are missing or cannot be read, first in row {row}")
        frame = frame[~missing]
        times = times_of(frame)
    if not times.is_monotonic_increasing:
        notes.append(_order(times))
        frame = frame.sort_index(kind="stable")
        times = times_of(frame)
    if not times.is_unique:
        frame, note, fault = _merged(frame)
        notes += note
        faults += fault
    return Mended(frame, tuple(notes), tuple(faults))


def rhythm(times: pd.DatetimeIndex) -> Rhythm | None:
    """How far `times` `[S]`, sorted and unique, lie apart; None for fewer than two."""
    if len(times) < 2:
        return None
    distances = np.diff(to_ticks(times))
    middle = (len(distances) - 1) // 2
    median = np.partition(distances, middle)[middle]
    step = float(np.mean(distances[np.abs(distances - median) <= JITTER * median]))  # jitter cancels out
    for unit in (60e6, 1e6):
        whole = round(step / unit) * unit
        if abs(step - whole) <= EVEN * step:
            step = whole
            break
    multiples = np.maximum(np.rint(distances / step), 1)
    share = float(np.mean(np.abs(distances - multiples * step) <= JITTER * step))
    return Rhythm(pd.Timedelta(round(step), unit="us"), share)


def snap(frame: pd.DataFrame, cadence: pd.Timedelta, *, phase: int | None = None) -> Mended:
    """`frame`, sorted and unique, with stamps that lie a little beside the grid of `cadence` moved onto it.

    The grid lies `phase` ticks behind the multiples of the cadence since 1970 or, where that is not given, where most
    stamps lie: at whole multiples of the cadence since midnight, in a zone by its clock of winter, or as many whole
    minutes beside it as they do. A stamp that lies more than a tenth of the cadence beside it is a fault, and so
    are two that meet.
    """
    times = times_of(frame)
    ticks, step = to_ticks(times), length(cadence)
    if not len(ticks):
        return Mended(frame)
    if phase is None:  # a step of a day begins at the midnight of its place
        ahead = length(beside_utc(times.tz))
        phase = (phase_of(ticks + ahead, step) - ahead) % step
    snapped = (ticks - phase + step // 2) // step * step + phase
    beside = np.abs(ticks - snapped)
    if not beside.any():
        return Mended(frame)
    far = beside > JITTER * step
    moved, worst = int((beside > 0).sum()), beside.max() / 1e6
    if far.any():
        row = int(far.argmax())
        return Mended(
            frame,
            faults=(
                f"readings must lie {spoken(cadence)} apart, up to a tenth of that beside it is taken as it; "
                f"{far.sum():,} of {len(far):,} time stamps lie farther, first {times[row]}: give a cadence that is a "
                "multiple of theirs, and they are resampled to it",
            ),
        )
    meet = np.diff(snapped) == 0
    if meet.any():
        row = int(meet.argmax())
        fault = f"{meet.sum():,} readings share a step with another, first {times[row]} and {times[row + 1]}"
        return Mended(frame, faults=(f"{fault}: leave one of each out",))
    note = f"{moved:,} of {len(times):,} time stamps lay up to {worst:g} s beside the grid and were moved onto it"
    return Mended(frame.set_axis(from_ticks(snapped, times)), (note,))


def phase_of(ticks: Ticks, step: int) -> int:
    """How far behind multiples of `step` most of `ticks` lie: nothing, whole minutes, or what the median says."""
    around = (ticks - ticks[0] + step // 2) % step - step // 2  # beside the first one
    middle = int(np.median(around) + ticks[0]) % step
    for unit in (step, 60_000_000, 1_000_000):
        whole = round(middle / unit) * unit
        if abs(middle - whole) <= JITTER * step and (unit == step or step % unit == 0):
            return whole % step
    return middle


def times_of(frame: pd.DataFrame) -> pd.DatetimeIndex:
    """The time stamps of the rows of `frame`."""
    return pd.DatetimeIndex(frame.index)


def to_ticks(times: pd.DatetimeIndex) -> Ticks:
    """`times` as numbers to compute with."""
    return times.as_unit("us").asi8


def from_ticks(ticks: Ticks, like: pd.DatetimeIndex) -> pd.DatetimeIndex:
    """`ticks` as time stamps in the zone and under the name of `like`."""
    times = pd.DatetimeIndex(ticks.view("datetime64[us]"), name=like.name)
    return times.tz_localize("UTC").tz_convert(like.tz) if like.tz is not None else times


def length(span: pd.Timedelta) -> int:
    """`span` in ticks."""
    return int(span // pd.Timedelta(1, unit="us"))


def spoken(span: pd.Timedelta) -> str:
    """`span` as a message writes it."""
    seconds = span.total_seconds()
    return f"{seconds / 60:g} minutes" if seconds >= 60 else f"{seconds:g} s"


def _order(times: pd.DatetimeIndex) -> str:
    if times.is_monotonic_decreasing:
        return f"the {len(times):,} rows stood newest first and were sorted by time"
    back = int((np.diff(to_ticks(times)) < 0).sum())
    return f"the {len(times):,} rows stood in {back + 1:,} blocks, each in order, and were sorted by time"


def _merged(frame: pd.DataFrame) -> tuple[pd.DataFrame, list[str], list[str]]:
    """One row a stamp of the sorted `frame`, with the note and the fault that tell of it."""
    again = frame.index.duplicated(keep=False)
    rows = frame[again].groupby(level=0)
    low, high = rows.min(), rows.max()  # of missing readings neither
    differ = (low < high).to_numpy(np.bool_)
    contradicted = differ.any(axis=1)
    made = frame[~frame.index.duplicated()].copy()
    firsts = rows.first()  # that is not missing
    made.loc[firsts.index] = firsts
    notes, faults = [], []
    if not contradicted.all():
        agree = firsts.index[np.flatnonzero(~contradicted)]
        notes.append(
            f"{len(agree):,} time stamps stood more than once with the same readings (first {agree[0]}) and were merged"
        )
    if contradicted.any():
        row = int(contradicted.argmax())
        column = int(differ[row].argmax())
        name, stamp = str(frame.columns[column]), pd.Timestamp(firsts.index[row])
        faults.append(
            f"{contradicted.sum():,} time stamps stand more than once with different readings, first {stamp} with "
            f"{low.to_numpy()[row, column]:g} and {high.to_numpy()[row, column]:g} in column {name!r}: keep one row of "
            f"each{_put_back(pd.DatetimeIndex(firsts.index[np.flatnonzero(contradicted)]))}"
        )
    return made, notes, faults


def _put_back(times: pd.DatetimeIndex) -> str:
    """A hint where `times` are those at which clocks are put back: early on Sundays."""
    nights = times.tz is None and bool(((times.day_of_week == _SUNDAY) & (times.hour <= _LATEST_CHANGE)).all())
    return "; if the clock was put back then, say where: readings.timezone" if nights else ""
