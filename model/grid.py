"""Readings as they come in time -> steps of one cadence. Nothing is repaired without a note that counts it.

S readings, G steps, P pieces: the part of one reading that lies in one step. Times are naive, or all of one zone.

A *label* is where in its step a stamp stands: a reading labelled by its start covers the time until the next one, a
reading labelled by its end the time since the one before.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from wattcast.model.arrays import Floats, Rows

Label = Literal["start", "end"]
Ticks = npt.NDArray[np.int64]
"""Microseconds since 1970."""

JITTER = 0.1
"""A stamp may lie so much of a step beside the grid."""
CONSTANT = 0.95
"""Readings have a constant cadence where this share of their distances are a multiple of it, but for jitter."""
EVEN = 0.01
"""A usual distance that lies so much of itself beside whole minutes, or seconds, is taken as them."""
COVERAGE = 0.75
"""A step counts where readings cover this share of its length."""


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


def put_in_order(frame: pd.DataFrame) -> Mended:
    """`frame` sorted by its time stamps, each once. `frame` is not changed.

    Rows of one stamp are merged where no two of them differ in a column; missing readings differ from nothing. Stamps
    that are missing, and rows that contradict each other, are faults; the first of such rows is kept.
    """
    notes, faults = [], []
    times = _times(frame)
    missing = np.asarray(times.isna())
    if missing.any():
        row = int(missing.argmax())
        faults.append(f"{missing.sum():,} time stamps are missing or cannot be read, first in row {row}")
        frame = frame[~missing]
        times = _times(frame)
    if not times.is_monotonic_increasing:
        notes.append(_order(times))
        frame = frame.sort_index(kind="stable")
        times = _times(frame)
    if not times.is_unique:
        frame, note, fault = _merged(frame)
        notes += note
        faults += fault
    return Mended(frame, tuple(notes), tuple(faults))


def rhythm(times: pd.DatetimeIndex) -> Rhythm | None:
    """How far `times` `[S]`, sorted and unique, lie apart; None for fewer than two."""
    if len(times) < 2:
        return None
    distances = np.diff(_ticks(times))
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


def snap(frame: pd.DataFrame, cadence: pd.Timedelta) -> Mended:
    """`frame`, sorted and unique, with stamps that lie a little beside the grid of `cadence` moved onto it.

    The grid is where most stamps lie: at whole multiples of the cadence since midnight, or as many whole minutes beside
    it as they do. A stamp that lies more than a tenth of the cadence beside it is a fault, and so are two that meet.
    """
    times = _times(frame)
    ticks, step = _ticks(times), _step(cadence)
    if not len(ticks):
        return Mended(frame)
    phase = _phase(ticks, step)
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
                f"readings must lie {_minutes(cadence)} apart, up to a tenth of that beside it is taken as it; "
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
    return Mended(frame.set_axis(_index(snapped, times)), (note,))


def to_grid(
    frame: pd.DataFrame,
    cadence: pd.Timedelta,
    *,
    sums: Collection[str],
    label: Label = "start",
    coverage: float = COVERAGE,
    since: Mapping[str, Rows] | None = None,
    longest: int = 0,
) -> Mended:
    """`frame`, sorted and unique, on the grid of `cadence`: as it is, snapped, or resampled from finer readings.

    Args:
        frame: float64 columns, NaN where a reading is missing, over time stamps.
        cadence: the length of a step.
        sums: columns of energy, which are added up; of all others the mean over time is taken.
        label: where in their steps the stamps of the readings stand, and those of the grid.
        coverage: the share of a step that readings have to cover for it to count; else it is NaN.
        since: of columns that hold the differences of a counter the row from which each counts (as
            `CounterEnergy.since`). Their energy is placed between the two stamps.
        longest: energy of a counter over a hole of up to so many steps is spread over it; of a longer one it is left
            out, since nobody knows how it lies in time.
    """
    beat, since = rhythm(_times(frame)), since or {}
    if beat is not None and beat.step <= (1 - JITTER) * cadence:
        snapped = snap(frame, beat.step) if beat.constant else Mended(frame)
        even = snapped.frame  # stamps that drift are taken as they stand
        means = resample(even, cadence, sums=sums, label=label, coverage=coverage, since=since, longest=longest)
        return Mended(means.frame, snapped.notes + means.notes)
    snapped = snap(frame, cadence)
    if snapped.faults or not since:
        return snapped
    times = _times(snapped.frame)
    ticks, step = _ticks(times), _step(cadence)
    columns = {str(name): snapped.frame[name] for name in frame}
    for name, rows in since.items():
        parts = _between(ticks, rows, step * (longest + 1))
        columns[name] = _steps(parts, frame[name].to_numpy(), step, _phase(ticks, step), add=True, least=coverage).of(
            times, label, step
        )
    return Mended(pd.DataFrame(columns), snapped.notes)


def resample(
    frame: pd.DataFrame,
    cadence: pd.Timedelta,
    *,
    sums: Collection[str],
    label: Label = "start",
    coverage: float = COVERAGE,
    since: Mapping[str, Rows] | None = None,
    longest: int = 0,
) -> Mended:
    """`frame`, sorted and unique, of finer or irregular readings, as steps of `cadence` that begin at its multiples.

    A reading covers the time to its neighbour, but no more than the readings' own cadence, or one step where they have
    none. What lies in two steps is shared between them by time, so that sums are kept. The energy of a step that was
    covered only in part (but enough) is the sum of what was read, not of what may have been. The arguments are those
    of `to_grid`.
    """
    times, since = _times(frame), since or {}
    ticks, step = _ticks(times), _step(cadence)
    beat = rhythm(times)
    reach = min(_step(beat.step), step) if beat is not None and beat.constant else step
    usual = _covered(ticks, reach, label)
    columns, notes = {}, []
    for name in frame.columns.astype(str):
        interval = _between(ticks, since[name], step * (longest + 1)) if name in since else usual
        steps = _steps(interval, frame[name].to_numpy(), step, 0, add=name in sums or name in since, least=coverage)
        columns[name] = steps.of(times, label, step)
        notes += steps.notes(name, coverage)
    made = pd.DataFrame(columns)
    apart = f", about {_minutes(beat.step)} apart," if beat is not None else ""
    count = f"{len(frame):,} readings{apart} became {len(made):,} steps of {_minutes(cadence)}"
    return Mended(made, (count, *notes))


@dataclass(frozen=True)
class _Intervals:
    """What readings cover, in order and without overlap; those of no known length are left out."""

    rows: Rows  # [S'] of the readings
    starts: Ticks  # [S']
    ends: Ticks  # [S']


@dataclass(frozen=True)
class _Steps:
    """One column, resampled."""

    values: Floats  # [G] NaN where too little was covered
    starts: Ticks  # [G] ascending
    partly: int  # steps that count and were covered in part
    too_little: int

    def of(self, times: pd.DatetimeIndex, label: Label, step: int) -> pd.Series:
        """As a column over stamps of the kind of `times`."""
        return pd.Series(self.values, _index(self.starts + (step if label == "end" else 0), times))

    def notes(self, name: str, coverage: float) -> list[str]:
        notes = []
        if self.too_little:
            notes.append(
                f"column {name!r}: {self.too_little:,} of {len(self.values):,} steps were covered for less than "
                f"{coverage:.0%} and count as missing"
            )
        if self.partly:
            notes.append(f"column {name!r}: {self.partly:,} steps were covered in part, and hold what was read")
        return notes


def _covered(ticks: Ticks, reach: int, label: Label) -> _Intervals:
    """From each reading to its neighbour, or as far as it reaches."""
    lengths = np.minimum(np.diff(ticks), reach)
    edge = np.full(min(len(ticks), 1), reach)
    if label == "start":
        starts, ends = ticks, ticks + np.concatenate([lengths, edge])
    else:
        starts, ends = ticks - np.concatenate([edge, lengths]), ticks
    return _Intervals(np.arange(len(ticks)), starts, ends)


def _between(ticks: Ticks, since: Rows, farthest: int) -> _Intervals:
    """From the reading that each counts from to itself, where that is not too long ago."""
    rows = np.flatnonzero(since >= 0)
    rows = rows[ticks[rows] - ticks[since[rows]] <= farthest]
    return _Intervals(rows, ticks[since[rows]], ticks[rows])


def _steps(intervals: _Intervals, values: Floats, step: int, phase: int, *, add: bool, least: float) -> _Steps:
    """`values` `[S]` over `intervals`, shared among the steps that they lie in."""
    values = values[intervals.rows]
    read = ~np.isnan(values)
    values, starts, ends = values[read], intervals.starts[read], intervals.ends[read]
    first = (starts - phase) // step
    count = (ends - 1 - phase) // step - first + 1
    rows = np.repeat(np.arange(len(values)), count)  # [P]
    place = np.arange(len(rows)) - np.repeat(np.cumsum(count) - count, count) + first[rows]  # [P] ascending
    begins = place * step + phase
    covers = np.minimum(ends[rows], begins + step) - np.maximum(starts[rows], begins)  # [P]
    new = np.diff(place, prepend=place[:1] - 1) > 0
    group = np.cumsum(new) - 1
    covered = np.bincount(group, weights=covers)  # [G]
    weights = covers / (ends - starts)[rows] if add else covers.astype(np.float64)
    total = np.bincount(group, weights=values[rows] * weights)
    enough = covered >= least * step
    result = np.where(enough, total if add else total / np.maximum(covered, 1), np.nan)
    partly = int((enough & (covered < step)).sum()) if add else 0
    return _Steps(result, begins[new], partly, int((~enough).sum()))


def _order(times: pd.DatetimeIndex) -> str:
    if times.is_monotonic_decreasing:
        return f"the {len(times):,} rows stood newest first and were sorted by time"
    back = int((np.diff(_ticks(times)) < 0).sum())
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
            "each"
        )
    return made, notes, faults


def _phase(ticks: Ticks, step: int) -> int:
    """How far behind multiples of `step` most of `ticks` lie: nothing, whole minutes, or what the median says."""
    around = (ticks - ticks[0] + step // 2) % step - step // 2  # beside the first one
    middle = int(np.median(around) + ticks[0]) % step
    for unit in (step, 60_000_000, 1_000_000):
        whole = round(middle / unit) * unit
        if abs(middle - whole) <= JITTER * step and (unit == step or step % unit == 0):
            return whole % step
    return middle


def _times(frame: pd.DataFrame) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(frame.index)


def _ticks(times: pd.DatetimeIndex) -> Ticks:
    return times.as_unit("us").asi8


def _index(ticks: Ticks, like: pd.DatetimeIndex) -> pd.DatetimeIndex:
    """`ticks` as time stamps in the zone and under the name of `like`."""
    times = pd.DatetimeIndex(ticks.view("datetime64[us]"), name=like.name)
    return times.tz_localize("UTC").tz_convert(like.tz) if like.tz is not None else times


def _step(length: pd.Timedelta) -> int:
    return int(length // pd.Timedelta(1, unit="us"))


def _minutes(length: pd.Timedelta) -> str:
    seconds = length.total_seconds()
    return f"{seconds / 60:g} minutes" if seconds >= 60 else f"{seconds:g} s"
