"""Which columns hold the time stamps."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd

from wattcast.model.cells import MISSING_MARKS
from wattcast.model.readings import ReadingsConfig, nearest
from wattcast.model.stamps import hours_beside
from wattcast.tasks.data.dialect import Dialect
from wattcast.tasks.inspection.answers import Answer, Basis
from wattcast.tasks.inspection.columns import Column, epoch_unit, numbers_of

MOMENTS = ("time stamps", "intervals")
_HEAD_ROWS = 200
_GIVEN: tuple[Basis, str] = ("given", "given")
_OFFSET = re.compile(r"[0-9](?:\s*Z|\s*UTC|\s*GMT|\s*[+-][0-9]{2}:?[0-9]{2})\s*$")
_UTC = re.compile(r"utc|gmt|zulu", re.IGNORECASE)


def find_stamps(
    frame: pd.DataFrame, columns: Sequence[Column], readings: ReadingsConfig, dialect: Dialect
) -> tuple[Answer, ...]:
    """`readings.timestamp`, and `readings.time_of_day` where the stamps stand in two columns."""
    said, names = readings.model_fields_set, [column.name for column in columns]
    if "timestamp" in said:
        missing = f"column {readings.timestamp!r} is missing{nearest(readings.timestamp, names)}"
        known = readings.timestamp in names
        stamp = Answer("readings.timestamp", readings.timestamp, *(_GIVEN if known else ("asked", missing)))
    else:
        stamp = _stamp(frame, columns, dialect)
    if "time_of_day" in said:
        return stamp, Answer("readings.time_of_day", readings.time_of_day, "given", "given")
    kind = {column.name: column.kind for column in columns}.get(str(stamp.value))
    clock = _time_of_day(frame, columns, str(stamp.value)) if kind == "dates" else None
    return (stamp, clock) if clock else (stamp,)


def _time_of_day(frame: pd.DataFrame, columns: Sequence[Column], dates: str) -> Answer | None:
    """The column of times of day, or of numbers of hours, that stands beside that of `dates`."""
    option, times = "readings.time_of_day", [column.name for column in columns if column.kind == "times of day"]
    if not times:
        numbers = (column.name for column in columns if column.kind == "numbers")
        hours = hours_beside(frame, dates, numbers)
        why = f"{hours[0]!r} alone counts the hours of each day, and {dates!r} holds dates alone" if hours else ""
        return Answer(option, hours[0], "found", why) if len(hours) == 1 else None
    if len(times) == 2 and follows_on(frame[times[0]].iloc[:_HEAD_ROWS], frame[times[1]].iloc[:_HEAD_ROWS]):
        why = f"{times[1]!r} holds the time of the next row's {times[0]!r}: they are end and start of a step"
        return Answer(option, times[0], "found", why)
    if len(times) > 1:
        return Answer(option, times[0], "asked", f"{_listed(times)}: each holds a time of day")
    why = f"{times[0]!r} is the only column of times of day, and {dates!r} holds dates alone"
    return Answer(option, times[0], "found", why)


def has_offsets(cells: pd.Series) -> bool:
    """Whether stamps that are text end in `Z` or an offset from UTC."""
    texts = [str(cell) for cell in cells.iloc[:_HEAD_ROWS] if str(cell).strip().lower() not in MISSING_MARKS]
    return bool(texts) and all(_OFFSET.search(text) for text in texts)


def _stamp(frame: pd.DataFrame, columns: Sequence[Column], dialect: Dialect) -> Answer:
    option = "readings.timestamp"
    moments = [column.name for column in columns if column.kind in MOMENTS]
    if len(moments) == 1:
        return Answer(option, moments[0], "found", f"{moments[0]!r} is the only column of time stamps")
    if moments:
        return _one_of(frame, moments)
    dates = [column.name for column in columns if column.kind == "dates"]
    if len(dates) == 1:
        return Answer(option, dates[0], "found", f"{dates[0]!r} is the only column of dates")
    if dates:
        return Answer(option, dates[0], "asked", f"{_listed(dates)}: each holds dates")
    for column in columns:
        if column.kind == "numbers" and (unit := epoch_unit(numbers_of(frame[column.name], dialect))):
            spoken = {"s": "seconds", "ms": "milliseconds"}[unit]
            why = f"{column.name!r} holds whole {spoken} since 1970, in equal steps"
            return Answer(option, column.name, "found", why)
    return Answer(option, None, "asked", "which column holds the time stamps? None reads as dates and times")


def _one_of(frame: pd.DataFrame, names: Sequence[str]) -> Answer:
    """One of several columns of time stamps, where the others only repeat it."""
    option = "readings.timestamp"
    with_zone = [name for name in names if getattr(frame[name].dtype, "tz", None) or has_offsets(frame[name])]
    if len(with_zone) == 1:
        return Answer(option, with_zone[0], "found", f"of {_listed(names)} {with_zone[0]!r} alone says its offset")
    universal = [name for name in names if _UTC.search(name)]
    if len(universal) == 1:
        why = f"of {_listed(names)} the heading of {universal[0]!r} says that it is of UTC, which no clock change moves"
        return Answer(option, universal[0], "guessed", why)
    head = frame[list(names[:2])].iloc[:_HEAD_ROWS]
    if len(names) == 2 and follows_on(head.iloc[:, 0], head.iloc[:, 1]):
        why = f"{names[1]!r} holds the stamp of the next row's {names[0]!r}: they are end and start of a step"
        return Answer(option, names[0], "found", why)
    return Answer(option, names[0], "asked", f"{_listed(names)}: each holds time stamps")


def follows_on(one: pd.Series, other: pd.Series) -> bool:
    """Whether each cell of `other` is the next one of `one`, in all but a few rows: ends of steps beside starts."""
    if len(one) < 3:
        return False
    return float(np.mean(one.iloc[1:].astype(str).to_numpy() == other.iloc[:-1].astype(str).to_numpy())) >= 0.9


def _listed(names: Sequence[str]) -> str:
    shown = [repr(name) for name in names[:6]]
    more = [f"{len(names) - 6} more"] if len(names) > 6 else []
    return " or ".join([*shown, *more])
