"""Which readings a model uses, and how they must lie in time.

A *clean frame* is what the rest of the project works on: a `DatetimeIndex` (naive, sorted, unique, on one grid of
`cadence_minutes`), one float64 column a reading. A gap of whole steps in it is allowed: it starts a new segment.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable
from typing import Any, Literal

import numpy as np
import pandas as pd
from pydantic import Field, field_validator, model_validator

from wattcast.model.config import Config
from wattcast.model.errors import InputError
from wattcast.model.stamps import find_form, read_stamps

MADE_AT = "made_at"
"""The column of a forecast that holds the time stamp of the newest reading it knew."""


class ReadingsConfig(Config):
    """What is read from a file: the time stamp, what is forecast, and what may help to forecast it."""

    timestamp: str = Field("date", min_length=1, description="name of the time stamp column")
    cadence_minutes: int = Field(10, gt=0, description="minutes between two readings")
    targets: tuple[str, ...] = Field(
        ("Appliances",), min_length=1, description="columns to forecast, in Wh a step (or their own unit)"
    )
    signed: bool = Field(
        False, description="targets may be negative, as a load net of solar is; no forecast is below zero otherwise"
    )
    features: tuple[str, ...] = Field(
        (),
        description="further columns that the network reads; the targets' own past is always read",
    )
    time_format: str | None = Field(
        None,
        description="how time stamps are written: a format such as %d.%m.%Y %H:%M, or s or ms since 1970; "
        "year-month-day (ISO 8601), or the only format that reads the whole column, unless given",
    )
    time: Literal["none", "calendar"] = Field(
        "none", description="time as input: none, or sine and cosine of the day and the week and a weekend flag"
    )

    @field_validator("targets", "features", mode="before")
    @classmethod
    def _one_name_is_a_list_of_one(cls, names: Any) -> Any:
        return (names,) if isinstance(names, str) else names

    @model_validator(mode="after")
    def _columns_differ(self) -> ReadingsConfig:
        names = (self.timestamp, *self.targets, *self.features)
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"each column may stand once in timestamp, targets and features, received twice: {twice}")
        if MADE_AT in names:
            raise ValueError(
                f"{MADE_AT!r} is the name of a column of every forecast: rename the column of the readings"
            )
        return self

    @property
    def columns(self) -> tuple[str, ...]:
        """The readings that a model of this configuration needs: targets first, then features."""
        return self.targets + self.features

    @property
    def lowest(self) -> float:
        """The value below which no target can be."""
        return -math.inf if self.signed else 0.0

    @property
    def cadence(self) -> pd.Timedelta:
        """The step of the grid."""
        return pd.Timedelta(minutes=self.cadence_minutes)

    @property
    def steps_a_day(self) -> int:
        """How many steps make a day, at least one: what resamples days takes as many on end."""
        return max(1, 1440 // self.cadence_minutes)


def nearest(name: str, names: Iterable[str]) -> str:
    """`": did you mean 'x'?"` for the closest of `names` to `name`, or an empty string where none is close."""
    folded = {str(candidate).lower(): str(candidate) for candidate in names}
    close = difflib.get_close_matches(name.lower(), folded, n=1, cutoff=0.6)
    return f": did you mean {folded[close[0]]!r}?" if close else ""


def cadence_faults(times: pd.DatetimeIndex, cadence: pd.Timedelta) -> list[str]:
    """What is wrong with `times` as a grid of `cadence`: one sentence a fault, none where only whole steps are missing.

    Looks for missing, unsorted and duplicate time stamps and for steps that are no multiple of the cadence.
    """
    stamps = times.to_numpy()
    steps, step = np.diff(stamps), cadence.to_timedelta64()
    nothing = np.timedelta64(0)
    if not np.isnat(stamps).any() and (steps > nothing).all() and (steps % step == nothing).all():
        return []
    faults = []
    missing = np.asarray(times.isna())
    if missing.any():
        faults.append(
            f"{missing.sum()} time stamps are missing or cannot be read, first in row {missing.argmax()}; write "
            "them as 2016-01-31 17:00, or say how they are written in readings.time_format"
        )
        times = times[~missing]
    if not times.is_monotonic_increasing:
        row = int((np.diff(times) < nothing).argmax()) + 1
        faults.append(f"time stamps must ascend, row {row} ({times[row]}) lies before row {row - 1} ({times[row - 1]})")
        times = times.sort_values()
    repeated = times[times.duplicated()]
    if len(repeated):
        faults.append(f"time stamps must be unique, {len(repeated)} stand more than once, first {repeated[0]}")
        times = times.unique()
    off = np.diff(times) % step != nothing
    if off.any():
        row = int(off.argmax())
        minutes = cadence.total_seconds() / 60
        faults.append(
            f"readings must lie {minutes:g} minutes (or, at a gap, a multiple of it) apart, {int(off.sum())} steps do "
            f"not, first from {times[row]} to {times[row + 1]}"
        )
    return faults


def inspect_readings(frame: pd.DataFrame, config: ReadingsConfig) -> tuple[pd.DataFrame, list[str]]:
    """The columns of `config` out of `frame` (time stamps as a column or as the index), and every fault found.

    Without a fault the frame returned is clean; with faults it holds what could be read, so that more can be checked.
    `frame` is not changed.
    """
    faults = []
    if not frame.columns.is_unique:
        repeated = frame.columns[frame.columns.duplicated()].intersection([config.timestamp, *config.columns])
        faults += [f"column {name!r} stands more than once" for name in repeated.unique()]
        frame = frame.loc[:, ~frame.columns.duplicated()]
    given = pd.Index(frame[config.timestamp]) if config.timestamp in frame else frame.index
    index = read_stamps(given, config.time_format)
    if index is None:
        faults.append(_no_times(frame, config.timestamp))
    else:
        if index.tz is not None:
            faults.append("time stamps must be of one fixed clock without a time zone, drop the zone first")
            index = index.tz_convert(None)
        faults += cadence_faults(index, config.cadence)
    values = {}
    for name in config.columns:
        if name not in frame:
            faults.append(f"column {name!r} is missing{nearest(name, frame.columns)}")
            continue
        column = frame[name]
        values[name] = _numbers(column)
        with np.errstate(over="ignore"):
            bad = ~np.isfinite(values[name].astype(np.float32))  # what a network reads
        if bad.any():
            row = int(bad.argmax())
            faults.append(
                f"column {name!r} must hold finite numbers, {int(bad.sum())} of {len(bad)} values are not, "
                f"first {_plain(column.iloc[row])!r} in row {row}"
            )
    clean = pd.DataFrame(values, index=None if index is None else index.rename(config.timestamp))
    return clean, faults


def settle(frame: pd.DataFrame, config: ReadingsConfig) -> tuple[ReadingsConfig, tuple[str, ...]]:
    """`config` with what it leaves open answered by the whole of `frame`, and words on what was found.

    It is asked once, before a training, and kept with the model: what comes later is read in the same way or refused.

    Raises:
        InputError: there are two answers: the user is asked which one is meant.
    """
    if config.time_format is not None or config.timestamp not in frame or not frame.columns.is_unique:
        return config, ()
    stamps = find_form(pd.Index(frame[config.timestamp]))
    return config.model_copy(update={"time_format": stamps.form}), (stamps.found,) if stamps.found else ()


def check_readings(frame: pd.DataFrame, config: ReadingsConfig) -> pd.DataFrame:
    """The columns of `config` out of `frame` as a clean frame.

    Raises:
        InputError: with every fault at once: missing columns, values that are no finite numbers, time stamps off
            the grid.
    """
    clean, faults = inspect_readings(frame, config)
    raise_faults(faults)
    return clean


def raise_faults(faults: list[str]) -> None:
    """Raise one InputError that lists all `faults`; do nothing where there is none."""
    if faults:
        raise InputError("the readings cannot be used:\n" + "\n".join(f"  - {fault}" for fault in faults))


def _numbers(column: pd.Series) -> np.ndarray:
    """`column` as float64, NaN for what is no number; dates, durations and complex numbers are none."""
    if column.dtype.kind in "mMc":
        return np.full(len(column), np.nan)
    if isinstance(column.dtype, np.dtype) and column.dtype.kind in "fiu":
        return column.to_numpy(np.float64)
    try:
        numbers = pd.to_numeric(column, errors="coerce")
    except OverflowError:  # a whole number beyond every float, whose digits pandas reads as infinite
        numbers = pd.to_numeric(column.astype(str), errors="coerce")
    return numbers.to_numpy(np.float64, na_value=np.nan)


def _plain(value: object) -> object:
    return value.item() if isinstance(value, np.generic) else value


def _no_times(frame: pd.DataFrame, timestamp: str) -> str:
    if timestamp not in frame:
        return f"column {timestamp!r} with the time stamps is missing{nearest(timestamp, frame.columns)}"
    received = f"{_plain(frame[timestamp].iloc[0])!r} in row 0" if len(frame) else "no rows"
    return f"column {timestamp!r} must hold time stamps like '2016-01-11 17:00:00' on one clock, received {received}"
