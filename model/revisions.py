"""What was known when: values of known columns that are revised, as those of a weather forecast are.

A step may be given several times, each time with the moment from which on that was there. A forecast that is made at a
moment reads of each step the newest revision of no later than then, and of a step of which there was none, nothing.

R: revisions. S: rows of a series. L: output length. A: known columns.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from wattcast.model.arrays import Rows
from wattcast.model.cells import shown
from wattcast.model.clock import instants
from wattcast.model.readings import ReadingsConfig

_AT_ONCE = 4_000_000  # steps that are looked up together


@dataclass(frozen=True)
class Revisions:
    """All of them, sorted by the step that they describe and then by when they became available.

    A revision that leaves a column open has the value of the one before it; NaN where there was none.
    """

    given: pd.DataFrame  # [R, A] values by the time stamp of the step
    available_at: pd.DatetimeIndex  # [R]

    @classmethod
    def from_the_start(cls, known: pd.DataFrame) -> Revisions:
        """Values `[S, A]` that were there from the first of their time stamps on."""
        times = pd.DatetimeIndex(known.index)
        return cls(known, times[:1].repeat(len(times)))

    def rows_at(self, times: pd.DatetimeIndex, *, steps_ahead: int, length: int) -> tuple[Rows, npt.NDArray[np.int32]]:
        """Which revisions lie in a series, and which of these each of its rows would read as a moment of a forecast.

        `[R']` rows of the series that those are of which it holds the step, in order, and `[S, L]` the place of the
        newest among them that was available at a row, for each of `length` steps from `steps_ahead` on; -1 for none.
        """
        of, count = self._rows(times), len(times)
        held = of >= 0
        moments, available = instants(times), instants(self.available_at)[held]
        known = np.unique(available)
        keys = of[held] * (len(known) + 1) + np.searchsorted(known, available) + 1  # ascending: by step, by moment
        so_far = np.searchsorted(known, moments, side="right")  # [S]
        found = np.full((count, length), -1, np.int32)
        some = max(1, _AT_ONCE // length)
        for first in range(0, count, some):
            rows = np.arange(first, min(first + some, count))
            steps = rows[:, None] + steps_ahead + np.arange(length)
            wanted = steps * (len(known) + 1) + so_far[rows, None]
            place = np.searchsorted(keys, wanted, side="right") - 1
            theirs = np.where(place >= 0, of[held][place.clip(0)] if len(keys) else -1, -1)
            found[rows] = np.where(theirs == steps, place, -1)
        return of[held], found

    def known_at(self, moment: pd.Timestamp, steps: pd.DatetimeIndex) -> pd.DataFrame:
        """`[L, A]` the newest values of `steps`, ascending, that were available at a moment; NaN where none was."""
        first, last = self.given.index.searchsorted(steps[0]), self.given.index.searchsorted(steps[-1], side="right")
        told = self.given.iloc[first:last][np.asarray(self.available_at[first:last] <= moment)]
        return told[~told.index.duplicated(keep="last")].reindex(steps)

    def _rows(self, times: pd.DatetimeIndex) -> Rows:
        """`[R]` rows of a series that are described; -1 for those that it does not hold."""
        steps = pd.Index(instants(pd.DatetimeIndex(self.given.index)))
        return pd.Index(instants(times)).get_indexer(steps).astype(np.int64)

    def in_series(self, times: pd.DatetimeIndex) -> pd.DataFrame:
        """`[R', A]` the values of those that a series holds."""
        return self.given[self._rows(times) >= 0]


@dataclass(frozen=True)
class Revised:
    """Readings with the newest revision of each step, all revisions, and what was found of them."""

    frame: pd.DataFrame
    revisions: Revisions
    notes: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()


def take_revisions(frame: pd.DataFrame, available_at: pd.DatetimeIndex, config: ReadingsConfig) -> Revised:
    """One row a time stamp of `frame` `[S, C]`, whose known columns became available at `[S]`.

    Neither is changed. What is no revision of a known column is left for others to judge: rows of one stamp that differ
    in targets or features stay.
    """
    known = [name for name in config.known if name in frame]
    times = pd.DatetimeIndex(frame.index)
    given = np.asarray(frame[known].notna().any(axis=1)) & np.asarray(times.notna())
    faults = _faults(times, available_at, given, config)
    told = given & np.asarray(available_at.notna())
    order = np.flatnonzero(told)
    order = order[np.lexsort((instants(available_at[order]), instants(times[order])))]
    values, available = frame[known].iloc[order], available_at[order]
    again = _repeated(times[order], available)
    now = values.to_numpy(np.float64)
    before = np.roll(now, 1, axis=0)
    differ = again & ((now != before) & ~np.isnan(now) & ~np.isnan(before)).any(axis=1)
    if differ.any():
        row = int(differ.argmax())
        faults.append(
            f"{int(differ.sum()):,} rows contradict another one of the same time stamp and {config.available_at!r}, "
            f"first {times[order][row]} of {available[row]}: keep one of each"
        )
    whole_ones = ~np.append(again[1:], np.zeros(min(len(again), 1), bool))
    values = values.groupby(level=0, sort=False).ffill()[whole_ones]
    available = available[whole_ones]
    revisions = Revisions(values, available)
    last = values[~values.index.duplicated(keep="last")]
    whole = frame.assign(**{name: last[name].reindex(times).to_numpy() for name in known})
    notes: tuple[str, ...] = ()
    if more := len(values) - len(last):
        notes = (f"{len(last):,} steps of known columns have {more:,} revisions by column {config.available_at!r}",)
    return Revised(_one_row_a_stamp(whole, config), revisions, notes, tuple(faults))


def beside_the_grid(revisions: Revisions, times: pd.DatetimeIndex, cadence: pd.Timedelta) -> tuple[str, ...]:
    """A fault where revisions describe other moments than the steps of a clean frame at `times`."""
    steps, step = instants(pd.DatetimeIndex(revisions.given.index)), cadence.to_timedelta64()
    if not len(times) or not len(steps):
        return ()
    beside = np.flatnonzero((steps - instants(times)[0]) % step != np.timedelta64(0))
    if not len(beside):
        return ()
    return (
        f"{len(beside):,} of {len(steps):,} revisions of known columns lie beside the steps of {cadence}, first "
        f"{revisions.given.index[beside[0]]}: with readings.available_at they must be given step by step",
    )


def _faults(
    times: pd.DatetimeIndex, available_at: pd.DatetimeIndex, given: npt.NDArray[np.bool_], config: ReadingsConfig
) -> list[str]:
    """What is wrong with the moments of rows that hold a known column."""
    column, faults = config.available_at, []
    missing = given & np.asarray(available_at.isna())
    if missing.any():
        faults.append(
            f"{int(missing.sum()):,} rows hold a known column and no time stamp in column {column!r} that can be read, "
            f"first row {int(missing.argmax())}: write when their values became known as the time stamps are written"
        )
    late = given & np.asarray(available_at > times)
    if late.any():
        row = int(late.argmax())
        faults.append(
            f"{int(late.sum()):,} rows became available later than the time that they describe, first row {row} of "
            f"{shown(str(times[row]))} at {shown(str(available_at[row]))}: that is a measurement and no forecast; "
            "leave these rows out, or name the column in readings.features"
        )
    return faults


def _repeated(times: pd.DatetimeIndex, available: pd.DatetimeIndex) -> npt.NDArray[np.bool_]:
    """`[R]` whether a revision, sorted, is of the same step and moment as the one before it."""
    again = np.zeros(len(times), bool)
    again[1:] = (np.diff(instants(times)) == np.timedelta64(0)) & (np.diff(instants(available)) == np.timedelta64(0))
    return again


def _one_row_a_stamp(frame: pd.DataFrame, config: ReadingsConfig) -> pd.DataFrame:
    """`frame` in order of time, but for rows that say nothing that another one of their stamp does not say, too."""
    past = [name for name in config.past if name in frame]
    frame = frame.sort_index(kind="stable")
    times = pd.Series(frame.index)
    same = np.asarray(frame.reset_index().duplicated())
    empty = np.asarray(frame[past].isna().all(axis=1))
    filled = pd.Series(~empty).groupby(times, dropna=False).transform("any").to_numpy(bool)
    kept: pd.DataFrame = frame[~same & ~(empty & filled)]
    return kept
