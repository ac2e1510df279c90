"""Files of several meters one below another: which column tells them apart.

S rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from wattcast.model.arrays import Rows
from wattcast.model.readings import ReadingsConfig, nearest
from wattcast.tasks.inspection.answers import Answer, Basis
from wattcast.tasks.inspection.columns import Column
from wattcast.tasks.inspection.selection import meter_names

REPEATED = 0.2
"""A file in which this share of the rows has a stamp that stood before may hold several meters."""
UNIQUE = 0.98
"""A column tells meters apart where this share of the rows is the only one of its meter and moment."""
MOST_METERS = 20_000
_NAMED = 5


@dataclass(frozen=True)
class Meters:
    """The meters of a file, each with its rows; none where it is of one."""

    column: str | None
    rows: dict[str, int]


ONE = Meters(None, {})


def find_meters(frame: pd.DataFrame, columns: Sequence[Column], stamp: str, written: pd.Series) -> Meters:
    """The meters that a column of `frame` tells apart, where stamps as `written` `[S]` repeat but for them."""
    codes, known = pd.factorize(written)
    if not len(codes) or 1 - len(known) / len(codes) < REPEATED:
        return ONE
    found: list[tuple[int, str, Rows, pd.Index]] = []
    for column in columns:
        if column.name == stamp or column.kind not in ("text", "numbers", "flags"):
            continue
        ours, names = pd.factorize(meter_names(frame[column.name]))
        if not 1 < len(names) <= MOST_METERS or len(names) > len(codes) / 3:
            continue
        if len(np.unique(ours.astype(np.int64) * len(known) + codes)) >= UNIQUE * len(codes):
            found.append((len(names), column.name, ours, pd.Index(names)))
    if not found:
        return ONE
    _, name, ours, names = min(found, key=lambda each: (each[0], each[1]))
    counts = np.bincount(ours[ours >= 0], minlength=len(names))
    return Meters(name, {str(meter): int(count) for meter, count in zip(names, counts, strict=True)})


def choose_meter(meters: Meters, frame: pd.DataFrame, readings: ReadingsConfig) -> Answer | None:
    """`readings.meter`, whose value is the column and the meter; None where the file is of one."""
    option = "readings.meter"
    if readings.meter is not None:
        given = readings.meter.model_dump()
        return Answer(option, given, *_found_in(frame, given["column"], given["is"]))
    if meters.column is None:
        return None
    first = next(iter(meters.rows))
    names = ", ".join(repr(name) for name in list(meters.rows)[:_NAMED])
    more = f" and {len(meters.rows) - _NAMED} more" if len(meters.rows) > _NAMED else ""
    why = (
        f"which meter? Column {meters.column!r} names {len(meters.rows):,}: {names}{more}. Write such as "
        f"{{ column = {meters.column!r}, is = {first!r} }} (figures are of {first!r})"
    )
    return Answer(option, {"column": meters.column, "is": first}, "asked", why)


def _found_in(frame: pd.DataFrame, column: str, meter: str) -> tuple[Basis, str]:
    """Whether a meter that is given is in the file."""
    if column not in frame:
        return "asked", f"which meter? Column {column!r} is missing{nearest(column, frame.columns)}"
    names = meter_names(frame[column])
    if not (names == meter).any():
        return "asked", f"which meter? Column {column!r} names no {meter!r}{nearest(meter, names.unique())}"
    return "given", "given"
