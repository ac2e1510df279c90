"""Files that hold several meters one below another: the rows of one of them, and which there are.

S: rows.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from itertools import islice

import numpy as np
import numpy.typing as npt
import pandas as pd

from wattcast.model.arrays import Rows
from wattcast.model.cells import shown
from wattcast.model.readings import ReadingsConfig, nearest

MOST_NAMED = 10
MOST_METERS = 20_000
REPEATED = 0.01
"""Where this share of the rows has a stamp that stood before, or less, a file is of one meter."""
UNIQUE = 0.98
"""A column tells meters apart where this share of the rows is the only one of its meter and stamp."""
_ROWS_A_METER = 3
"""Fewer rows than that tell no meter from a reading."""
_TURNS = 4
"""Rows of meters that report by themselves change from one to another so many times as there are meters, or more."""
_FAIR = 0.1
"""Of an equal share of the rows each of them has so much at least: what stands here and there is a remark."""
_METER = re.compile(r"entity|sensor|meter|device|statistic|zähler|zaehler", re.IGNORECASE)
_STATE = re.compile(r"stat(?:e|us)(?:$|[^a-z])|mode|quality|flag|type|reading|stand$", re.IGNORECASE)
_FEWEST_STEPS = 46
"""Half hours of the day on which a clock is put forward; hours are told by themselves, as times of the day."""
_ENTITY = r"[a-z_]+\.[a-z0-9_]+"  # as home systems name them: sensor.house_power


@dataclass(frozen=True)
class Meters:
    """The meters that a column tells apart, each with its rows."""

    column: str
    rows: dict[str, int]

    @property
    def question(self) -> str:
        """Which one is meant, as a sentence that says how to answer."""
        first = next(iter(self.rows))
        return (
            f"column {shown(self.column)} holds {len(self.rows):,} meters, one below another: {listed(self.rows)}. "
            f'Choose one, such as readings.meter = {{ column = "{self.column}", is = "{shown(first)[1:-1]}" }}'
            f"{self.doubt}"
        )

    @property
    def doubt(self) -> str:
        """What else they may be, and what to do then, as the end of a question: steps of a day, settlement periods."""
        numbers = sorted(int(name) for name in self.rows if name.isdecimal())
        if len(numbers) < max(len(self.rows), _FEWEST_STEPS) or numbers[0] > 1 or np.any(np.diff(numbers) != 1):
            return ""
        return (
            f". If they are no meters but the steps of each day, {numbers[0]} to {numbers[-1]}, write the time at "
            "which each step begins into the file, beside its date or in a column of its own (readings.time_of_day)"
        )


def listed(names: Iterable[str]) -> str:
    """The first of `names`, as a message shows them."""
    first = list(islice(names, MOST_NAMED + 1))
    return ", ".join(map(shown, first[:MOST_NAMED])) + (" ..." if len(first) > MOST_NAMED else "")


def rows_of_meter(frame: pd.DataFrame, config: ReadingsConfig) -> tuple[pd.DataFrame, tuple[str, ...], list[str]]:
    """The rows of `frame` that are of `config.meter`, a note where others were left out, and what is wrong."""
    if config.meter is None:
        return frame, (), []
    column, wanted = config.meter.column, config.meter.name
    if column not in frame:
        return frame, (), [f"column {column!r}, which says the meter, is missing{nearest(column, frame.columns)}"]
    mine = _is(frame[column], wanted)
    if not mine.any():
        there = [str(name) for name in meter_names(frame[column]).dropna().unique()]
        return frame, (), [f"column {column!r} has no meter {wanted!r}{nearest(wanted, there)}; it has {listed(there)}"]
    if mine.all():
        return frame, (), []
    note = f"{int(mine.sum()):,} of {len(mine):,} rows are of meter {wanted!r}, the others were left out"
    return frame[mine], (note,), []


def find_meters(frame: pd.DataFrame, cells: pd.Index, taken: Collection[str]) -> Meters | None:
    """The column of `frame` that tells apart rows of one stamp in `cells` `[S]`; None where there is none.

    Columns that are `taken` for something else are passed over; of several the one with the fewest different cells
    counts. Where hardly a stamp repeats, as with sensors that report whenever something happens, a column that is
    called as one of meters counts if its names take turns.
    """
    try:
        codes, known = pd.factorize(cells)
    except TypeError:  # lists or tables, which are no stamps
        return None
    if not len(codes):
        return None
    by_turns = 1 - len(known) / len(codes) <= REPEATED
    found: list[tuple[int, str, Rows, pd.Index]] = []
    for name in frame.columns.difference(list(taken), sort=False):
        column = frame[name]
        if column.dtype.kind == "M" or (column.dtype.kind == "f" and (column.dropna() % 1).any()):
            continue
        ours, names = pd.factorize(meter_names(column))
        if not 1 < len(names) <= MOST_METERS or len(names) > len(codes) / _ROWS_A_METER:
            continue
        if by_turns and not _tell_turns(str(name), names, ours):
            continue
        if len(np.unique(ours.astype(np.int64) * len(known) + codes)) >= UNIQUE * len(codes):
            found.append((len(names), str(name), ours, pd.Index(names)))
    if not found:
        return None
    _, column_name, ours, names = min(found, key=lambda each: (each[0], each[1]))
    counts = np.bincount(ours[ours >= 0], minlength=len(names))
    return Meters(column_name, {str(meter): int(count) for meter, count in zip(names, counts, strict=True)})


def _tell_turns(heading: str, names: pd.Index, ours: Rows) -> bool:
    """Heading or cells are those of a column of meters, and the rows `ours` `[S]` of its names lie among each other.

    A meter that was replaced changes once. Under a heading alone each name must have a fair share of the rows.
    """
    known = ours[ours >= 0]
    counts = np.bincount(known)
    if np.count_nonzero(np.diff(known)) < _TURNS * len(counts):
        return False
    if pd.Series(names).astype("string").str.fullmatch(_ENTITY).all():
        return True
    fair = counts.min() * len(counts) >= _FAIR * len(known)
    return bool(fair and _METER.search(heading) and not _STATE.search(heading))


def meter_names(column: pd.Series) -> pd.Series:
    """The meter of each row `[S]` as it is written: a number that is whole without its point."""
    if column.dtype.kind == "f":
        return column.map(lambda number: f"{number:.15g}", na_action="ignore").astype("string")
    return column.astype("string").str.strip()


def _is(column: pd.Series, wanted: str) -> npt.NDArray[np.bool_]:
    """Which cells say `wanted` `[S]`; numbers are compared as numbers, for `007` may have been read as 7."""
    if column.dtype.kind not in "iuf":
        return (meter_names(column) == wanted).fillna(False).to_numpy(np.bool_)
    return (column == pd.to_numeric(wanted, errors="coerce")).to_numpy(np.bool_)
