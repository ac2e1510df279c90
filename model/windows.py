"""Windows: a scaled series and the rows at which its windows start. A window is an index, never a copy.

S: rows of the series. N: windows. B: windows in a batch. T: lookback. L: output length. F: input columns.
K: targets. C: calendar columns.

    row    i  i+1  ...  i+T-1 |        ...       | i+T-1+steps_ahead  ...  (L rows)
           inputs [T, F]      | the steps ahead  | targets [L, K], calendar [L, C]

With `min_history` a window may have a short history, at the start of a series or behind a gap: of its T places only the
newest ones hold readings. The places before are padded and change no state; they stand for its own oldest row, so that
nothing beyond the gap is ever read. Its start is the row of its first place, also where that row is no row of its own.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import Field, model_validator

from wattcast.model.arrays import Array, Floats, Rows, Times
from wattcast.model.clock import from_instants, instants, on_the_clock
from wattcast.model.config import Config
from wattcast.model.errors import InputError
from wattcast.model.readings import ReadingsConfig
from wattcast.model.scaler import Scaler

F = TypeVar("F", bound="np.floating[Any]")


class WindowConfig(Config):
    """How much history a forecast sees and what it forecasts."""

    lookback: int = Field(36, ge=1, description="steps of history in a window (the seed's INPUT_SEQUENCE_LENGTH)")
    output_length: int = Field(1, ge=1, description="consecutive steps forecast at once (OUTPUT_SEQUENCE_LENGTH)")
    steps_ahead: int = Field(
        1, ge=1, description="steps from the newest input to the first forecast (OUTPUT_SEQUENCE_STEPS_AHEAD)"
    )
    min_history: int | None = Field(
        None,
        ge=1,
        description="steps of history that a forecast needs at least, as after a gap; all of the lookback unless given",
    )

    @model_validator(mode="after")
    def _history_fits(self) -> WindowConfig:
        if self.shortest > self.lookback:
            raise ValueError(f"min_history must be at most lookback, {self.lookback}, received {self.min_history}")
        return self

    @property
    def shortest(self) -> int:
        """Steps of history that a window has at least."""
        return self.lookback if self.min_history is None else self.min_history

    @property
    def padded(self) -> bool:
        """Windows may be shorter than the lookback."""
        return self.shortest < self.lookback

    @property
    def target_offset(self) -> int:
        """Rows from the start of a window to its first target."""
        return self.lookback - 1 + self.steps_ahead

    @property
    def rows(self) -> int:
        """Rows that one window spans, from its first input to its last target."""
        return self.target_offset + self.output_length

    @property
    def least_rows(self) -> int:
        """Rows that the shortest window spans."""
        return self.rows - self.lookback + self.shortest


@dataclass(frozen=True)
class Series:
    """One stretch of readings as the network sees it, resident once for all windows over it."""

    times: pd.DatetimeIndex  # [S]
    inputs: Array  # [S, F] scaled; the first K columns are the targets' own history
    targets: Array  # [S, K] scaled
    readings: Floats  # [S, K] the targets, in their own unit
    calendar: Array  # [S, C]
    lowest: float = -math.inf  # below which no target can be


@dataclass(frozen=True)
class Windows:
    """The windows of one part of a series."""

    series: Series
    starts: Rows  # [N] may lie before the series, or in another stretch of it, where a history is short
    config: WindowConfig
    lengths: Rows | None = None  # [N] readings of each history; the whole lookback where windows are not padded

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def input_rows(self) -> Rows:
        """`[N, T]` rows that each window reads; padded places stand for its oldest row."""
        places = np.arange(self.config.lookback)
        if self.lengths is not None:
            places = np.maximum(places, self.config.lookback - self.lengths[:, None])
        return self.starts[:, None] + places

    @property
    def mask(self) -> npt.NDArray[np.bool_]:
        """`[N, T]` which places hold a reading of the window's own; the others are padded."""
        lengths = np.full(len(self), self.config.lookback) if self.lengths is None else self.lengths
        return np.arange(self.config.lookback) >= self.config.lookback - lengths[:, None]

    @property
    def target_rows(self) -> Rows:
        """`[N, L]` rows that each window forecasts."""
        return self.starts[:, None] + self.config.target_offset + np.arange(self.config.output_length)

    @property
    def newest_row(self) -> Rows:
        """`[N]` the newest row that each window reads: the moment of the forecast."""
        return self.starts + self.config.lookback - 1

    @property
    def actual(self) -> Floats:
        """`[N, L, K]` what was measured."""
        return self.series.readings[self.target_rows]

    def take(self, which: slice | Rows) -> Windows:
        """Some of these windows, over the same series."""
        return replace(self, starts=self.starts[which], lengths=None if self.lengths is None else self.lengths[which])

    def chunks(self, size: int) -> Iterator[Windows]:
        """These windows in order, `size` at a time, so that no step ever holds the inputs of all of them."""
        return (self.take(slice(first, first + size)) for first in range(0, len(self), size))

    def __add__(self, later: Windows) -> Windows:
        """These windows, then those of `later` over the same series."""
        starts = np.concatenate([self.starts, later.starts])
        if self.lengths is None or later.lengths is None:
            return replace(self, starts=starts)
        return replace(self, starts=starts, lengths=np.concatenate([self.lengths, later.lengths]))


def make_series(frame: pd.DataFrame, readings: ReadingsConfig, scaler: Scaler, *, to_come: int = 0) -> Series:
    """A clean frame, scaled, with the calendar of its rows. `frame` is not changed.

    The series ends with `to_come` rows behind those of the frame, of which only the time is known.
    """
    clock = pd.DatetimeIndex(frame.index)
    times = from_instants(_later_too(instants(clock), to_come, readings.cadence), clock)
    scaled = _unknown_too(scaler.transform(frame), to_come)  # [S, targets + features]
    known = np.stack([frame[name].to_numpy(np.float64) for name in readings.targets], axis=1)
    dates = calendar(times)
    return Series(
        times=times,
        inputs=np.concatenate([scaled, dates], axis=1) if readings.time == "calendar" else scaled,
        targets=np.ascontiguousarray(scaled[:, : len(readings.targets)]),
        readings=_unknown_too(known, to_come),
        calendar=dates,
        lowest=readings.lowest,
    )


def _later_too(times: Times, rows: int, cadence: pd.Timedelta) -> Times:
    later = times[-1:] + np.arange(1, rows + 1) * cadence.to_timedelta64()
    return np.concatenate([times, later]) if rows else times


def _unknown_too(values: npt.NDArray[F], rows: int) -> npt.NDArray[F]:
    return np.pad(values, [(0, rows), (0, 0)], constant_values=np.nan) if rows else values


def calendar(times: pd.DatetimeIndex) -> Array:
    """`[S, 5]`: sine and cosine of the time of day and of the week on their clock, and 1 at the weekend."""
    minutes = on_the_clock(times).to_numpy().astype("datetime64[m]").astype(np.int64)
    since_monday = (minutes + _FIRST_DAY * 1440) % 10080
    day = 2 * np.pi * (minutes % 1440) / 1440
    week = 2 * np.pi * since_monday / 10080
    weekend = since_monday >= 5 * 1440
    return np.stack([np.sin(day), np.cos(day), np.sin(week), np.cos(week), weekend], axis=1).astype(np.float32)


_FIRST_DAY = 3  # days from a Monday to 1970-01-01, from which NumPy counts


CALENDAR_COLUMNS = ("day_sin", "day_cos", "week_sin", "week_cos", "weekend")


def make_windows(series: Series, part: range, cadence: pd.Timedelta, config: WindowConfig) -> Windows:
    """All windows whose whole target lies in `part` and which cross no gap; their inputs may reach back before it.

    Raises:
        InputError: there is no such window.
    """
    first = max(part.start - config.target_offset, config.shortest - config.lookback)
    starts = np.arange(first, part.stop - config.rows + 1)
    unbroken = unbroken_rows(instants(series.times), cadence)[starts + config.rows - 1]
    lengths = np.minimum(unbroken - (config.rows - config.lookback), config.lookback)
    enough = lengths >= config.shortest
    if not enough.any():
        needed = f", at least {config.shortest} steps of history" if config.padded else ""
        raise InputError(
            f"no window of {config.least_rows} rows (lookback {config.lookback}{needed}, {config.steps_ahead} steps "
            f"ahead, output length {config.output_length}) fits rows [{part.start}, {part.stop}) without crossing a "
            f"gap; shorten the window or bring more readings"
        )
    return Windows(series, starts[enough], config, lengths[enough] if config.padded else None)


def unbroken_rows(times: Times, cadence: pd.Timedelta) -> Rows:
    """`[S]`: how many rows up to each one, itself included, follow each other without a gap."""
    rows = np.arange(len(times))
    begins = np.ones(len(times), bool)
    begins[1:] = np.diff(times) != cadence.to_timedelta64()
    return rows - np.maximum.accumulate(np.where(begins, rows, 0)) + 1
