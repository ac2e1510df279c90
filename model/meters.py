"""Files that hold several meters one below another: the rows of one of them, and which there are.

S: rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from wattcast.model.readings import ReadingsConfig, nearest

MOST_NAMED = 10
_ROWS_A_METER = 10
"""Fewer rows than that tell no meter from a reading."""
_REPEATED = 0.01
"""Share of the rows whose time stamps stand more than once in a file of several meters, at least."""


@dataclass(frozen=True)
class Meters:
    """A column that tells meters apart."""

    column: str
    names: tuple[str, ...]

    @property
    def question(self) -> str:
        """Which one is meant, as a sentence that says how to answer."""
        return (
            f"column {self.column!r} holds {len(self.names):,} meters, one below another: {listed(self.names)}. Choose "
            f'one, such as readings.meter = {{ column = "{self.column}", is = "{self.names[0]}" }}'
        )


def listed(names: tuple[str, ...]) -> str:
    """The first of `names`, as a message shows them."""
    return ", ".join(map(repr, names[:MOST_NAMED])) + (" ..." if len(names) > MOST_NAMED else "")


def rows_of_meter(frame: pd.DataFrame, config: ReadingsConfig) -> tuple[pd.DataFrame, tuple[str, ...], list[str]]:
    """The rows of `frame` that are of `config.meter`, a note where others were left out, and what is wrong."""
    if config.meter is None:
        return frame, (), []
    column, wanted = config.meter.column, config.meter.name
    if column not in frame:
        return frame, (), [f"column {column!r}, which says the meter, is missing{nearest(column, frame.columns)}"]
    mine = _is(frame[column], wanted)
    if not mine.any():
        there = tuple(_written(frame[column]).dropna().unique()[: MOST_NAMED + 1])
        return frame, (), [f"column {column!r} has no meter {wanted!r}{nearest(wanted, there)}; it has {listed(there)}"]
    if mine.all():
        return frame, (), []
    note = f"{int(mine.sum()):,} of {len(mine):,} rows are of meter {wanted!r}, the others were left out"
    return frame[mine], (note,), []


def find_meters(frame: pd.DataFrame, cells: pd.Index, config: ReadingsConfig) -> Meters | None:
    """The column of `frame` that tells apart rows of one time stamp in `cells` `[S]`; None where there is none.

    Of several such columns the one with the fewest different cells, text before numbers.
    """
    stamps = pd.Series(cells, index=frame.index)
    again = stamps.duplicated(keep=False)
    if again.sum() <= _REPEATED * len(frame) or len(frame) < 2 * _ROWS_A_METER:
        return None
    found = []
    for name in frame.columns.difference(list(config.cells), sort=False):
        column = frame[name]
        numbers = column.dtype.kind in "iuf"
        if numbers and not (column.dropna() % 1 == 0).all():
            continue
        different = column.nunique()
        if not 2 <= different <= len(frame) / _ROWS_A_METER:
            continue
        left = pd.DataFrame({"stamp": stamps, "name": column}).duplicated().sum()
        if left <= _REPEATED * again.sum():
            found.append((numbers, different, str(name)))
    if not found:
        return None
    name = min(found)[2]
    return Meters(name, tuple(_written(frame[name]).dropna().unique()))


def _is(column: pd.Series, wanted: str) -> npt.NDArray[np.bool_]:
    """Which cells say `wanted` `[S]`; numbers are compared as numbers, for `007` may have been read as 7."""
    if column.dtype.kind not in "iuf":
        return (_written(column) == wanted).fillna(False).to_numpy(np.bool_)
    number = pd.to_numeric(wanted, errors="coerce")
    return (column == number).to_numpy(np.bool_)


def _written(column: pd.Series) -> pd.Series:
    """The cells as text, whole numbers without a fraction."""
    if column.dtype.kind == "f":
        return column.map(lambda number: f"{number:.15g}", na_action="ignore").astype("string")
    return column.astype("string").str.strip()
