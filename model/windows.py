"""Windows: a scaled series and the rows at which its windows start. A window is an index, never a copy.

S: rows of the series. N: windows. B: windows in a batch. T: lookback. L: output length. F: input columns.
K: targets. A: columns that are known of each row beforehand.

    row    i  i+1  ...  i+T-1 |        ...       | i+T-1+steps_ahead  ...  (L rows)
           inputs [T, F]      | the steps ahead  | targets [L, K], ahead [L, A]

With `min_history` a window may have a short history, at the start of a series or behind a gap: of its T places only the
newest ones hold readings. The places before are padded and change no state; they stand for its own oldest row, so that
nothing beyond the gap is ever read. Its start is the row of its first place, also where that row is no row of its own.

Where lines close holes (`wattcast.model.drawn`), a history may hold them, the moment and the targets may not.

Where known columns are revised, what is known of a step depends on the moment of the forecast: `ahead` then has a row
for each revision behind those of the series, and `places` says which of them a moment reads. V: its rows.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Annotated, Any, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import BeforeValidator, Field, WithJsonSchema, field_validator, model_validator

from wattcast.model.arrays import Array, Floats, Rows, Times
from wattcast.model.clock import from_instants, instants, on_the_clock
from wattcast.model.config import Config
from wattcast.model.drawn import Drawn
from wattcast.model.durations import Lasting
from wattcast.model.errors import InputError
from wattcast.model.public_holidays import holiday_flags
from wattcast.model.readings import ReadingsConfig
from wattcast.model.revisions import Revisions
from wattcast.model.scaler import Scaler
from wattcast.model.seasons import Seasons, known_seasons

F = TypeVar("F", bound="np.floating[Any]")


_MOST_STEPS = 10**6

Steps = Annotated[
    int,
    Field(ge=1, le=_MOST_STEPS),
    BeforeValidator(lambda given: given.steps if isinstance(given, Lasting) else given),
    WithJsonSchema(
        {"anyOf": [{"type": "integer", "minimum": 1, "maximum": _MOST_STEPS}, {"type": "string", "examples": ["6h"]}]}
    ),
]
"""Steps of the readings. An experiment, which knows their cadence, takes a duration such as `6h` for them, too."""


class WindowConfig(Config):
    """How much history a forecast sees and what it forecasts."""

    lookback: Steps = Field(
        36, description="steps of history in a window (the seed's INPUT_SEQUENCE_LENGTH), or a duration such as 6h"
    )
    output_length: Steps = Field(
        1, description="consecutive steps forecast at once (OUTPUT_SEQUENCE_LENGTH), or a duration such as 1d"
    )
    steps_ahead: Steps = Field(
        1,
        description="steps from the newest input to the first forecast (OUTPUT_SEQUENCE_STEPS_AHEAD), or a duration "
        "such as 1h",
    )
    min_history: Steps | None = Field(
        None,
        description="steps of history that a forecast needs at least, as after a gap, or a duration such as 1h; all of "
        "the lookback unless given",
    )

    seasonal_lags: tuple[Annotated[int, Field(ge=1)], ...] = Field(
        (), description="days before a step that is forecast whose readings at its time its head reads, as 1 and 7"
    )
    seasonal_means: tuple[Annotated[int, Field(ge=1)], ...] = Field(
        (), description="newest known days over which the mean of the readings at that time is read, too, as 7"
    )

    @field_validator("seasonal_lags", "seasonal_means")
    @classmethod
    def _each_stands_once(cls, days: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(days)) < len(days):
            raise ValueError(f"each number of days may stand once, received {list(days)}")
        return days

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

    def seasons(self, cadence: pd.Timedelta) -> Seasons:
        """The same times before that are known of all steps."""
        farthest = (self.rows - self.lookback) * cadence
        return known_seasons(self.seasonal_lags, self.seasonal_means, farthest=farthest)

    def reach(self, readings: ReadingsConfig) -> int:
        """Steps of readings up to the newest one that a forecast reads at most, those of the same time before, too."""
        return max(self.lookback, readings.steps_of(self.seasons(readings.cadence).days))

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
    ahead: Array  # [V, A] what is known of a row beforehand, as `ahead_columns` names it
    lowest: float = -math.inf  # below which no target can be
    places: npt.NDArray[np.int32] | None = None  # [S, L] rows of `ahead` that a moment reads
    drawn: npt.NDArray[np.bool_] | None = None  # [S, 2] rows that can be no moment, and those that can be no target

    @property
    def unknown(self) -> npt.NDArray[np.bool_]:
        """`[V]` of which rows of `ahead` something is not known."""
        return np.asarray(np.isnan(self.ahead).any(axis=1))


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
    def ahead_rows(self) -> Rows:
        """`[N, L]` rows of `series.ahead` that hold what is known of each step at the moment of the forecast."""
        places = self.series.places
        return self.target_rows if places is None else places[self.newest_row].astype(np.int64)

    def ahead_rows_of(self, which: slice | Rows, steps: int | Rows) -> Rows:
        """`[P]` of them: of some windows one step each."""
        newest, places = self.newest_row[which], self.series.places
        if places is None:
            return newest + self.config.steps_ahead + steps
        rows: Rows = places[newest, steps].astype(np.int64)
        return rows

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


def make_series(
    frame: pd.DataFrame,
    readings: ReadingsConfig,
    scaler: Scaler,
    window: WindowConfig | None = None,
    *,
    to_come: pd.DataFrame | None = None,
    revisions: Revisions | None = None,
    drawn: Drawn | None = None,
) -> Series:
    """A clean frame, scaled, with what is known of its rows beforehand. Nothing given is changed.

    To that belong the seasonal columns that `window` asks for: its forecasts end before they would be unknown.

    The series ends with the rows `to_come` behind those of the frame, of which the known columns are given, NaN where
    they are not. Where known columns are revised, `window` reads the `revisions` of its moments in their place.

    Raises:
        ValueError: the readings have revisions, and none are given.
    """
    if readings.available_at is not None and (revisions is None or window is None):
        raise ValueError("readings with available_at need their revisions, and the window whose moments read them")
    times, rows = pd.DatetimeIndex(frame.index), 0 if to_come is None else len(to_come)
    scaled = scaler.transform(frame)
    known = scaled[:, [scaler.columns.index(name) for name in readings.known]]
    if to_come is not None:
        times = pd.DatetimeIndex(times.append(to_come.index))
        known = np.concatenate([known, scaler.part(readings.known).transform(to_come)])
        scaled = _unknown_too(scaled, rows)
    dates, holidays = calendar(times), _holidays(times, readings)
    beside = ([dates] if readings.time == "calendar" else []) + holidays
    targets = np.stack([frame[name].to_numpy(np.float64) for name in readings.targets], axis=1)
    own = np.ascontiguousarray(scaled[:, : len(readings.targets)])
    seasons = window.seasons(readings.cadence) if window else Seasons()
    before = [seasons.columns(instants(times), own)] if seasons.days else []
    series = Series(
        times=times,
        inputs=np.concatenate([scaled, *beside], axis=1) if beside else scaled,
        targets=own,
        readings=_unknown_too(targets, rows),
        ahead=np.concatenate([dates, *holidays, known, *before], axis=1),
        lowest=readings.lowest,
        drawn=drawn.at(times) if drawn else None,
    )
    return series if revisions is None or window is None else _revised(series, revisions, readings, scaler, window)


def _revised(
    series: Series, revisions: Revisions, readings: ReadingsConfig, scaler: Scaler, window: WindowConfig
) -> Series:
    """The same with a row of `ahead` for each revision, and nothing known of a step but by one of them."""
    first = ahead_columns(readings, window).index(readings.known[0])
    known = slice(first, first + len(readings.known))
    rows, found = revisions.rows_at(series.times, steps_ahead=window.steps_ahead, length=window.output_length)
    count = len(series.times)
    alone, revised = series.ahead.copy(), series.ahead[rows]
    alone[:, known] = np.nan
    revised[:, known] = scaler.part(readings.known).transform(revisions.in_series(series.times))
    steps = np.arange(count, dtype=np.int32)[:, None] + np.arange(window.output_length, dtype=np.int32)
    steps = np.minimum(steps + np.int32(window.steps_ahead), np.int32(count - 1))
    places = np.where(found >= 0, np.int32(count) + found, steps)
    return replace(series, ahead=np.concatenate([alone, revised]), places=places)


def steps_behind(times: pd.DatetimeIndex, steps: int, cadence: pd.Timedelta) -> pd.DatetimeIndex:
    """The times of so many steps that follow the last of `times`."""
    return from_instants(instants(times[-1:]) + np.arange(1, steps + 1) * cadence.to_timedelta64(), times)


def _holidays(times: pd.DatetimeIndex, readings: ReadingsConfig) -> list[Array]:
    """The flag `[S, 1]` of the day in which each step begins, where it is asked for."""
    if readings.holidays is None:
        return []
    return [holiday_flags(times - readings.behind, readings.holidays)[:, None]]


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


def ahead_columns(readings: ReadingsConfig, window: WindowConfig) -> tuple[str, ...]:
    """What is known of each row beforehand, the calendar first, the same times before last."""
    seasons = window.seasons(readings.cadence)
    before = (f"{target}, {name}" for target in readings.targets for name in seasons.names)
    return (*CALENDAR_COLUMNS, *(["public holiday"] if readings.holidays else []), *readings.known, *before)


def make_windows(
    series: Series, part: range, cadence: pd.Timedelta, config: WindowConfig, *, unknown: bool = False
) -> Windows:
    """All windows whose whole target lies in `part` and which cross no gap; their inputs may reach back before it.

    Where known columns are revised, a window of whose steps something was not yet known at its moment is left out,
    unless `unknown` ones are asked for, too. So is one whose moment or targets are not measured.

    Raises:
        InputError: there is no such window.
    """
    starts, lengths = window_starts(series.times, part, cadence, config)
    if not len(starts):
        needed = f", at least {config.shortest} steps of history" if config.padded else ""
        raise InputError(
            f"no window of {config.least_rows} rows (lookback {config.lookback}{needed}, {config.steps_ahead} steps "
            f"ahead, output length {config.output_length}) fits rows [{part.start}, {part.stop}) without crossing a "
            f"gap; shorten the window or bring more readings"
        )
    windows = _measured(Windows(series, starts, config, lengths if config.padded else None), part)
    if series.places is None or unknown:
        return windows
    whole = ~series.unknown[windows.ahead_rows].any(axis=1)
    if not whole.any():
        raise InputError(
            f"of none of the {len(windows):,} windows of rows [{part.start}, {part.stop}) all steps were known at the "
            "moment of the forecast: bring revisions of known columns that became available earlier, or forecast fewer "
            "steps"
        )
    return windows.take(np.flatnonzero(whole))


def _measured(windows: Windows, part: range) -> Windows:
    """Those whose moment and whose targets are no points of a line.

    Raises:
        InputError: there is none.
    """
    if windows.series.drawn is None:
        return windows
    moments, targets = windows.series.drawn.T
    whole = ~(moments[windows.newest_row] | targets[windows.target_rows].any(axis=1))
    if not whole.any():
        raise InputError(
            f"in none of the {len(windows):,} windows of rows [{part.start}, {part.stop}) the newest reading and all "
            "that is forecast were measured: lines that close gaps stand for them; forecast fewer steps, or take a "
            "longer readings.cadence_minutes"
        )
    return windows if whole.all() else windows.take(np.flatnonzero(whole))


def window_starts(
    times: pd.DatetimeIndex, part: range, cadence: pd.Timedelta, config: WindowConfig
) -> tuple[Rows, Rows]:
    """`[N]` starts of the windows that `make_windows` chooses from at `times`, and the lengths of their histories."""
    first = max(part.start - config.target_offset, config.shortest - config.lookback)
    starts = np.arange(first, part.stop - config.rows + 1)
    unbroken = unbroken_rows(instants(times), cadence)[starts + config.rows - 1]
    lengths = np.minimum(unbroken - (config.rows - config.lookback), config.lookback)
    enough = lengths >= config.shortest
    return starts[enough], lengths[enough]


def named_leads(config: WindowConfig, day: int) -> tuple[int, ...]:
    """The lead times that stand for all, in steps, of which `day` make a day; none where a forecast has one step.

    The first and the last, and what lies between them of one hour, six hours and a day.
    """
    first, last = config.steps_ahead, config.steps_ahead + config.output_length - 1
    hours = {hours * day // 24 for hours in (1, 6, 24) if hours * day % 24 == 0}
    return tuple(sorted({first, last, *hours & set(range(first, last))})) if last > first else ()


def unbroken_rows(times: Times, cadence: pd.Timedelta) -> Rows:
    """`[S]`: how many rows up to each one, itself included, follow each other without a gap."""
    rows = np.arange(len(times))
    begins = np.ones(len(times), bool)
    begins[1:] = np.diff(times) != cadence.to_timedelta64()
    return rows - np.maximum.accumulate(np.where(begins, rows, 0)) + 1
