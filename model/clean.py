"""Readings as a file or a request holds them -> a clean frame, in one way for training, batch forecasts and serving.

A *clean frame* is what the rest of the project works on: a `DatetimeIndex` (sorted, unique, on one grid of
`cadence_minutes`; in the zone of `readings.timezone`, or naive on one fixed clock), one float64 column a reading, no
NaN. A gap of whole steps in it starts a new segment.

S: rows of the readings. Nothing is repaired without a note that counts it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from wattcast.model.cells import read_numbers, shown
from wattcast.model.clock import Localized, instants, localize
from wattcast.model.counter import counter_to_energy
from wattcast.model.drawn import Drawn, counted_over, find_drawn
from wattcast.model.errors import InputError
from wattcast.model.gaps import close_gaps
from wattcast.model.grid import to_grid
from wattcast.model.limits import Limit, limit_faults, limits_of
from wattcast.model.meters import Meters, find_meters, rows_of_meter
from wattcast.model.order import Rhythm, put_in_order, rhythm
from wattcast.model.readings import ReadingsConfig, nearest
from wattcast.model.revisions import Revisions, beside_the_grid, take_revisions
from wattcast.model.stamps import (
    EPOCHS,
    day_and_time,
    find_form,
    holds_ends_of_days,
    holds_times,
    hours_beside,
    is_text,
    of_stamp_length,
    read_stamps,
)
from wattcast.model.to_come import ToCome, apart, look_ahead, told_of

OFFSETS_ASKED = (
    "time stamps have an offset from UTC, so that the hours of a day are those of a place: say which, such as "
    'readings.timezone = "Europe/London", or "UTC"'
)


ENDS_DOUBTED = (
    "time stamps such as 24:00 are the ends of steps, and are taken for their starts, as readings.label says: is "
    'readings.label = "end" meant?'
)


_MOST_TOLD, _LONGEST = 40, 1000  # faults, and characters of one
YEARS = range(1900, 2200)
"""In which readings are taken: a stamp beyond them is a mistake, such as 9999 for no end."""


@dataclass(frozen=True)
class Habits:
    """What the whole of the training readings has shown, so that a few new ones are read as those were."""

    rhythm: Rhythm | None = None  # how far readings lie apart
    medians: dict[str, float] = field(default_factory=dict)  # rise of each counter
    limits: Mapping[str, Limit] = field(default_factory=dict)  # beside those of the targets

    def to_json(self) -> dict[str, Any]:
        """Everything as plain JSON."""
        beat = self.rhythm
        told = None if beat is None else {"step_s": beat.step.total_seconds(), "share": beat.share}
        limits = {name: limit.as_text for name, limit in self.limits.items()}
        return {"rhythm": told, "medians": self.medians, "limits": limits}

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Habits:
        """What `to_json` gave."""
        told = record["rhythm"]
        beat = None if told is None else Rhythm(pd.Timedelta(seconds=told["step_s"]), told["share"])
        limits = {name: Limit.of_text(*limit) for name, limit in record.get("limits", {}).items()}
        return cls(beat, dict(record["medians"]), limits)


@dataclass(frozen=True)
class Cleaned:
    """A frame, which is clean where there is no fault, and what was found on the way to it."""

    frame: pd.DataFrame
    habits: Habits
    notes: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    to_come: ToCome = field(default_factory=ToCome)
    revisions: Revisions | None = None  # of known columns, where readings say when they became available
    drawn: Drawn | None = None  # what lines across holes stand for

    def after(self, notes: tuple[str, ...]) -> Cleaned:
        """The same with what was found before."""
        return replace(self, notes=(*notes, *self.notes))


def settle(frame: pd.DataFrame, config: ReadingsConfig) -> tuple[ReadingsConfig, tuple[str, ...]]:
    """`config` with what it leaves open answered by the whole of `frame`, and words on what was found.

    It is asked once, before a training, and kept with the model: what comes later is read in the same way or refused.

    Raises:
        InputError: there are two answers: the user is asked which one is meant.
    """
    if config.timestamp not in frame or not frame.columns.is_unique or _levels(frame, config):
        return config, ()
    of_meter, _, faults = rows_of_meter(frame, config)
    raise_faults(tuple(faults))
    config, apart = _with_time_of_day(of_meter, config)
    cells = stamp_cells(of_meter, config)
    if config.meter is None and (meters := _find_meters(frame, cells, config)):
        raise InputError(meters.question)
    config, zone = _with_zone(cells, config)
    late = (ENDS_DOUBTED,) if config.label == "start" and holds_ends_of_days(cells) else ()
    if config.time_format is not None:
        return config, (*apart, *zone, *late)
    stamps = find_form(cells)
    config = ReadingsConfig.model_validate({**config.model_dump(), "time_format": stamps.form})
    return config, (*apart, *zone, *late, *((stamps.found,) if stamps.found else ()))


def _find_meters(frame: pd.DataFrame, cells: pd.Index, config: ReadingsConfig) -> Meters | None:
    """The column that tells rows of one stamp apart; not where they are told apart by when they became available."""
    if config.available_at is None:
        return find_meters(frame, cells, config.cells)
    firsts = ~cells.duplicated()
    return find_meters(frame[firsts], cells[firsts], config.cells)


def _with_time_of_day(frame: pd.DataFrame, config: ReadingsConfig) -> tuple[ReadingsConfig, tuple[str, ...]]:
    """`config` with the only column of times of day, where that of the time stamps repeats dates without one."""
    dates = frame[config.timestamp]
    revised = config.available_at is not None  # which repeats dates
    if revised or config.time_of_day is not None or not dates.duplicated().any() or not _holds_dates(dates):
        return config, ()
    others = frame.columns.difference([config.timestamp, *config.columns], sort=False)
    times = [str(name) for name in others if holds_times(frame[name])]
    if not times:
        times = hours_beside(frame, config.timestamp, map(str, others))
    if len(times) != 1:
        return config, ()
    words = f"column {config.timestamp!r} has dates; the times of day are those of column {times[0]!r}, the only one"
    return config.model_copy(update={"time_of_day": times[0]}), (words,)


def _holds_dates(column: pd.Series) -> bool:
    """Each cell is a date without a time of day."""
    if column.dtype.kind == "M":
        return bool((column.dropna() == column.dropna().dt.normalize()).all())
    return is_text(column) and not column.dropna().astype(str).str.contains(":", regex=False).any()


def _with_zone(cells: pd.Index, config: ReadingsConfig) -> tuple[ReadingsConfig, tuple[str, ...]]:
    """`config` with the zone of time stamps that are typed, as those of a parquet file are."""
    zone = getattr(getattr(cells, "tz", None), "key", None)
    if config.timezone is not None or zone in (None, "UTC"):
        return config, ()
    return config.model_copy(update={"timezone": zone}), (f"time stamps are of the zone {zone}, as the file says",)


def stamp_cells(frame: pd.DataFrame, config: ReadingsConfig) -> pd.Index:
    """The cells `[S]` of `frame` that say when a reading was taken.

    Raises:
        InputError: the column of the time of day holds something else.
    """
    written: pd.Index = frame.index if config.timestamp not in frame else pd.Index(frame[config.timestamp])
    if config.timestamp in frame and config.time_of_day is not None and config.time_of_day in frame:
        written = day_and_time(frame[config.timestamp], frame[config.time_of_day])
    return of_stamp_length(written)


def read_times(frame: pd.DataFrame, config: ReadingsConfig) -> Localized | None:
    """When the readings of `frame` were taken, NaT where that cannot be told; None where no cell is a time stamp.

    Raises:
        InputError: the column of the time of day holds something else.
    """
    times = read_stamps(stamp_cells(frame, config), config.time_format)
    if times is None:
        return None
    if config.timezone is None:
        counts = config.time_format in EPOCHS
        faults = (OFFSETS_ASKED,) if times.tz is not None and not counts else ()
        return Localized(times.tz_convert(None) if times.tz is not None else times, faults=faults)
    return localize(times, config.timezone) if times.tz is None else Localized(times.tz_convert(config.timezone))


def available_times(frame: pd.DataFrame, config: ReadingsConfig) -> pd.DatetimeIndex:
    """When the known columns of each row of `frame` became available, NaT where that cannot be told.

    Stamps are written as those of the readings are, or as year-month-day. Of an hour that the clock shows twice it is
    the second one: nothing is known too early.
    """
    cells = of_stamp_length(pd.Index(frame[config.available_at]))
    times = read_stamps(cells, config.time_format)
    if times is None and config.time_format is not None:
        times = read_stamps(cells, None)
    if times is None:
        times = pd.DatetimeIndex([pd.NaT] * len(frame))
    if config.timezone is None:
        return times.tz_convert(None) if times.tz is not None else times
    if times.tz is not None:
        return times.tz_convert(config.timezone)
    second = np.zeros(len(times), bool)  # not the summer's
    return times.tz_localize(config.timezone, ambiguous=second, nonexistent="shift_forward")


def clean(
    frame: pd.DataFrame,
    config: ReadingsConfig,
    habits: Habits | None = None,
    *,
    limits: Mapping[str, Limit] = MappingProxyType({}),
) -> Cleaned:
    """The columns of `config` out of `frame` (time stamps as a column or as the index), with every fault found.

    `frame` is not changed. `habits` are those of the readings that a model was trained on; without them `frame`'s own,
    with `limits` of columns beside those of the targets. With faults the frame holds what could be read, so that more
    can be checked.
    """
    limits = habits.limits if habits else limits
    cleaned = _clean(frame, config, habits)
    beyond = limit_faults(cleaned.frame, {**limits, **limits_of(config)})
    return replace(cleaned, habits=replace(cleaned.habits, limits=dict(limits)), faults=(*cleaned.faults, *beyond))


def _clean(frame: pd.DataFrame, config: ReadingsConfig, habits: Habits | None) -> Cleaned:
    if levels := _levels(frame, config):
        return Cleaned(pd.DataFrame(), habits or Habits(), (), (levels,))
    given, faults = _columns_once(frame, config)
    given, of_meter, meter_faults = rows_of_meter(given, config)
    times, found, time_faults = _times(given, config)
    before = (*of_meter, *found)
    values = {}
    for name in config.columns:
        if name not in given:
            faults.append(f"column {name!r} is missing{nearest(name, given.columns)}")
            continue
        numbers = read_numbers(given[name], decimal=config.decimal, thousands=config.thousands)
        with np.errstate(over="ignore"):
            beyond = ~np.isnan(numbers.array) & ~np.isfinite(numbers.array.astype(np.float32))  # what a network reads
        if beyond.any() and not numbers.faults:
            row = int(beyond.argmax())
            faults.append(
                f"column {name!r} must hold finite numbers, {int(beyond.sum())} of {len(beyond)} values are not, first "
                f"{shown(given[name].iloc[row])} in row {row}"
            )
        faults += numbers.faults
        values[name] = np.where(beyond, np.nan, numbers.array) if beyond.any() else numbers.array
    index = None if times is None else times.rename(config.timestamp)
    read = pd.DataFrame(values, index=index)
    faults = [*meter_faults, *time_faults, *faults]
    if config.available_at is not None and config.available_at not in given:
        faults.append(f"column {config.available_at!r} is missing{nearest(config.available_at, given.columns)}")
    if times is None:
        return Cleaned(read, habits or Habits(), (), tuple(faults))
    if config.available_at is not None and config.available_at in given:
        revised = take_revisions(read, available_times(given, config), config)
        cleaned = _in_order(revised.frame, config, habits, [*faults, *revised.faults])
        beside = beside_the_grid(revised.revisions, pd.DatetimeIndex(cleaned.frame.index), config.cadence)
        cleaned = replace(cleaned, revisions=revised.revisions, faults=(*cleaned.faults, *beside))
        return cleaned.after((*before, *revised.notes))
    cleaned = _in_order(read, config, habits, faults)
    return cleaned if faults else cleaned.after(before)


def _in_order(read: pd.DataFrame, config: ReadingsConfig, habits: Habits | None, faults: list[str]) -> Cleaned:
    """A clean frame of readings by their time stamps, NaT where one is none; `faults` are those found so far."""
    times = pd.DatetimeIndex(read.index)
    if not faults and config.kind == "energy" and (at_once := _clean_already(read, config, habits)):
        return at_once
    laid = _laid_out(read[np.asarray(times.notna())], config, habits)
    return Cleaned(read, laid.habits, (), (*faults, *laid.faults)) if faults else laid


def check_readings(frame: pd.DataFrame, config: ReadingsConfig, habits: Habits | None = None) -> pd.DataFrame:
    """The frame of `require_clean`, which raises the same."""
    return require_clean(frame, config, habits).frame


def require_clean(frame: pd.DataFrame, config: ReadingsConfig, habits: Habits | None = None) -> Cleaned:
    """The columns of `config` out of `frame`, cleaned, where nothing is wrong with them.

    Raises:
        InputError: with every fault at once: missing columns, values that are no finite numbers or impossible, time
            stamps off the grid, rows that contradict each other.
    """
    cleaned = clean(frame, config, habits)
    raise_faults(cleaned.faults)
    return cleaned


def raise_faults(faults: tuple[str, ...]) -> None:
    """Raise one InputError that lists `faults`, as many as one reads; do nothing where there is none."""
    if faults:
        told = [fault if len(fault) <= _LONGEST else f"{fault[:_LONGEST]}..." for fault in faults[:_MOST_TOLD]]
        more = [f"and {len(faults) - _MOST_TOLD} faults more"] if len(faults) > _MOST_TOLD else []
        raise InputError("the readings cannot be used:\n" + "\n".join(f"  - {words}" for words in [*told, *more]))


def _levels(frame: pd.DataFrame, config: ReadingsConfig) -> str:
    """What is wrong where names of columns, or rows that are to be time stamps, have several levels; or nothing."""
    if isinstance(frame.columns, pd.MultiIndex):
        levels = frame.columns.nlevels
        return f"the columns have names of {levels} levels: give each one name, such as frame.columns.map('_'.join)"
    if config.timestamp not in frame and isinstance(frame.index, pd.MultiIndex):
        return f"the rows have names of {frame.index.nlevels} levels: make them columns with frame.reset_index()"
    return ""


def _columns_once(frame: pd.DataFrame, config: ReadingsConfig) -> tuple[pd.DataFrame, list[str]]:
    if frame.columns.is_unique:
        return frame, []
    repeated = frame.columns[frame.columns.duplicated()].intersection(list(config.cells))
    faults = [f"column {name!r} stands more than once" for name in repeated.unique()]
    return frame.loc[:, ~frame.columns.duplicated()], faults


def _times(frame: pd.DataFrame, config: ReadingsConfig) -> tuple[pd.DatetimeIndex | None, tuple[str, ...], list[str]]:
    """The time stamps, notes on them, and their faults; a stamp that was left out with a note is none."""
    if config.timestamp in frame and config.time_of_day is not None and config.time_of_day not in frame:
        return None, (), [f"column {config.time_of_day!r} is missing{nearest(config.time_of_day, frame.columns)}"]
    try:
        read = read_times(frame, config)
    except InputError as fault:
        return None, (), [str(fault)]
    if read is None:
        return None, (), [_no_times(frame, config.timestamp, config.time_format)]
    if read.faults:
        return None, (), list(read.faults)
    faults = []
    if (missing := np.asarray(read.times.isna())).sum() > read.left_out:
        faults.append(
            f"{missing.sum()} time stamps are missing or cannot be read, first in row {missing.argmax()}; write "
            "them as 2016-01-31 17:00, or say how they are written in readings.time_format"
        )
    if len(far := np.flatnonzero((read.times.year < YEARS.start) | (read.times.year >= YEARS.stop))):
        return (
            None,
            (),
            [
                *faults,
                f"{len(far)} time stamps lie outside the years {YEARS.start} to {YEARS.stop - 1}, first "
                f"{shown(str(read.times[far[0]]))} in row {far[0]}: mend them, or leave these rows out",
            ],
        )
    return read.times, read.notes, faults


def _no_times(frame: pd.DataFrame, timestamp: str, form: str | None) -> str:
    if timestamp not in frame:
        return f"column {timestamp!r} with the time stamps is missing{nearest(timestamp, frame.columns)}"
    received = f"{shown(frame[timestamp].iloc[0])} in row 0" if len(frame) else "no rows"
    if form is not None:
        return f"column {timestamp!r} must hold time stamps that are written as {form!r}, received {received}"
    return f"column {timestamp!r} must hold time stamps like '2016-01-11 17:00:00' on one clock, received {received}"


def _clean_already(frame: pd.DataFrame, config: ReadingsConfig, habits: Habits | None) -> Cleaned | None:
    """What `frame` is where nothing is to be done: nearly always so in use, where each millisecond counts."""
    times, nothing = pd.DatetimeIndex(frame.index), np.timedelta64(0)
    steps, step = np.diff(instants(times)), config.cadence.to_timedelta64()
    if not (steps > nothing).all() or (steps % step != nothing).any():
        return None
    if (steps != step).any() and {config.gaps, config.feature_gaps} != {"segment"}:
        return None
    readings, to_come = apart(frame, config)
    known = to_come[list(config.known)]
    if np.isnan(readings.to_numpy()).any() or np.isnan(known.to_numpy()).any():
        return None
    return Cleaned(readings, habits or Habits(rhythm(times)), told_of(readings, to_come), to_come=ToCome(known))


def _laid_out(frame: pd.DataFrame, config: ReadingsConfig, habits: Habits | None) -> Cleaned:
    """In order, each once, energies on the grid, gaps as the configuration says."""
    ordered = put_in_order(frame)
    if ordered.faults:
        return Cleaned(ordered.frame, habits or Habits(), ordered.notes, ordered.faults)
    readings, to_come = apart(ordered.frame, config)
    beat = _rhythm(pd.DatetimeIndex(readings.index), config.cadence, habits)
    targets = [name for name in config.targets if name in frame]
    energies, since, medians, notes = readings.copy(), {}, {}, [*ordered.notes, *told_of(readings, to_come)]
    if config.kind == "counter":
        for name in targets:
            known = habits.medians.get(name) if habits else None
            counted = counter_to_energy(energies[name].to_numpy(), signed=config.signed, median=known)
            energies[name], since[name], medians[name] = counted.energy, counted.since, counted.median
            notes += counted.notes(name)
    gridded = to_grid(
        energies,
        config.cadence,
        sums=() if config.kind == "power" else targets,
        label=config.label,
        coverage=config.coverage,
        since=since,
        longest=config.longest_gap if config.gaps == "interpolate" else 0,
        known=beat,
    )
    if gridded.faults:
        return Cleaned(gridded.frame, Habits(beat, medians), (*notes, *gridded.notes), gridded.faults)
    laid, newest = _over(gridded.frame, pd.DatetimeIndex(readings.index), beat, config)
    if config.kind == "power":
        hours = config.cadence_minutes / 60
        laid = laid.assign(**{name: laid[name] * hours for name in targets})
    policies = {name: config.gaps if name in targets else config.feature_gaps for name in laid.columns}
    closed = close_gaps(laid, config.cadence, policies=policies, longest=config.longest_gap)
    made = closed.frame.rename_axis(config.timestamp)
    ahead = ToCome()
    if len(made) and not frame.columns.intersection(list(config.known)).empty:
        ahead = look_ahead(ordered.frame, laid, made.index[-1], config, beat)
    notes = [*notes, *gridded.notes, *newest, *closed.notes]
    spread = since if config.gaps == "interpolate" else {}
    times, steps = pd.DatetimeIndex(readings.index), pd.DatetimeIndex(laid.index)
    over = {name: counted_over(times, rows, steps, config.cadence, config.label) for name, rows in spread.items()}
    drawn = find_drawn(laid, made, config, over)
    return Cleaned(made, Habits(beat, medians), tuple(notes), closed.faults, ahead, drawn=drawn)


def _rhythm(times: pd.DatetimeIndex, cadence: pd.Timedelta, habits: Habits | None) -> Rhythm | None:
    """How far readings lie apart: as those that a model was trained on, of which a few new ones may tell nothing.

    But where those were finer than a step, and these plainly lie nearer still, each covers less time.
    """
    own, usual = rhythm(times), habits.rhythm if habits else None
    if habits is None or own is None or usual is None:
        return usual if habits else own
    nearer = usual.is_finer(cadence) and own.constant and own.step < usual.step
    return own if nearer else usual


def _over(
    laid: pd.DataFrame, times: pd.DatetimeIndex, beat: Rhythm | None, config: ReadingsConfig
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """`laid` without a newest step that finer readings have not filled yet: what it holds so far is too little."""
    if beat is None or not len(laid) or beat.step >= config.cadence:
        return laid, ()
    starts = config.label == "start"
    read_until = times[-1] + (beat.step if starts else pd.Timedelta(0))
    ends = pd.DatetimeIndex(laid.index) + (config.cadence if starts else pd.Timedelta(0))
    kept = laid[np.asarray(ends <= read_until)]
    return kept, ("the newest step is not over yet and is left out",) if len(kept) < len(laid) else ()
