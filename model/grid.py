"""Readings of any cadence -> steps of one, with a note that counts what was done.

S readings, G steps, P pieces: the part of one reading that lies in one step. Stamps are sorted and unique.

A *label* is where in its step a stamp stands: a reading labelled by its start covers the time until the next one, a
reading labelled by its end the time since the one before.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from wattcast.model.arrays import Floats, Rows
from wattcast.model.clock import beside_utc
from wattcast.model.order import (
    Mended,
    Rhythm,
    Ticks,
    from_ticks,
    length,
    rhythm,
    snap,
    spoken,
    times_of,
    to_ticks,
)

Label = Literal["start", "end"]
COVERAGE = 0.75
"""A step counts where readings cover this share of its length."""


def to_grid(
    frame: pd.DataFrame,
    cadence: pd.Timedelta,
    *,
    sums: Collection[str],
    label: Label = "start",
    coverage: float = COVERAGE,
    since: Mapping[str, Rows] | None = None,
    longest: int = 0,
    known: Rhythm | None = None,
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
        known: the rhythm of the readings that a model was trained on, so that a few new ones are read as those were;
            without it the rhythm of `frame` counts.
    """
    beat, since = known or rhythm(times_of(frame)), since or {}
    if beat is not None and beat.is_finer(cadence):
        snapped = snap(frame, beat.step) if beat.constant else Mended(frame)
        even = snapped.frame  # stamps that drift are taken as they stand
        made = resample(
            even, cadence, sums=sums, label=label, coverage=coverage, since=since, longest=longest, known=known
        )
        return Mended(made.frame, snapped.notes + made.notes)
    snapped = snap(frame, cadence)
    if snapped.faults or not since or frame.empty:
        return snapped
    times = times_of(snapped.frame)
    ticks, step = to_ticks(times), length(cadence)
    columns = {str(name): snapped.frame[name] for name in frame}
    for name, rows in since.items():
        parts = _between(ticks, rows, step * (longest + 1))
        columns[name] = _steps(parts, frame[name].to_numpy(), step, int(ticks[0]) % step, add=True, least=coverage).of(
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
    known: Rhythm | None = None,
) -> Mended:
    """`frame`, sorted and unique, of finer or irregular readings, as steps of `cadence` that begin at its multiples.

    They are counted from midnight, in a zone that changes its clock from that of winter, all year.

    A reading covers the time to its neighbour, but no more than the readings' own cadence, or one step where they have
    none. What lies in two steps is shared between them by time, so that sums are kept. The energy of a step that was
    covered only in part (but enough) is the sum of what was read, not of what may have been. The arguments are those
    of `to_grid`.
    """
    times, since = times_of(frame), since or {}
    ticks, step = to_ticks(times), length(cadence)
    phase = -length(beside_utc(times.tz)) % step
    beat = known or rhythm(times)
    reach = min(length(beat.step), step) if beat is not None and beat.constant else step
    usual = _covered(ticks, reach, label)
    columns, notes = {}, []
    for name in frame.columns.astype(str):
        interval = _between(ticks, since[name], step * (longest + 1)) if name in since else usual
        steps = _steps(interval, frame[name].to_numpy(), step, phase, add=name in sums or name in since, least=coverage)
        columns[name] = steps.of(times, label, step)
        notes += steps.notes(name, coverage)
    made = pd.DataFrame(columns)
    apart = f", about {spoken(beat.step)} apart," if beat is not None else ""
    count = f"{len(frame):,} readings{apart} became {len(made):,} steps of {spoken(cadence)}"
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
        return pd.Series(self.values, from_ticks(self.starts + (step if label == "end" else 0), times))

    def notes(self, name: str, coverage: float) -> list[str]:
        notes = []
        if self.too_little:
            notes.append(
                f"column {name!r}: {self.too_little:,} of {len(self.values):,} steps were covered for less than "
                f"{100 * coverage:g} % and count as missing"
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
