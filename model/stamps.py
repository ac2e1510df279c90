"""Time stamps as they are written -> moments: in a declared format, or in one that leaves no doubt in a whole column.

What is not declared must be year-month-day (ISO 8601). Any other way of writing is looked for once, before a training,
over the whole column: a format that alone reads every row is taken and kept with the model; where two do, the user is
asked.

S: rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import product
from typing import Literal

import numpy as np
import pandas as pd

from wattcast.model.errors import InputError

_EPOCHS: dict[str | None, Literal["s", "ms"]] = {"s": "s", "ms": "ms"}
"""Formats of time stamps that count from the beginning of 1970, UTC."""
_ISO = "ISO8601"
_SHORTEST_DATE = 8  # 20160131
_DATES = (
    *("%d.%m.%Y", "%m.%d.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y"),
    *("%d.%m.%y", "%m.%d.%y", "%d/%m/%y", "%m/%d/%y", "%d-%m-%y", "%m-%d-%y"),
    *("%d %b %Y", "%d-%b-%Y", "%d %B %Y", "%b %d %Y", "%b %d, %Y", "%B %d, %Y"),
)
_TIMES = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p", ", %H:%M", "T%H:%M", "T%H:%M:%S")
_FIRST_CELLS = 50  # that most formats fail at
_MIDNIGHT = r"\b24:00(?=(?::00)?$)"


@dataclass(frozen=True)
class Stamps:
    """How a column's time stamps are written, and the words on how that was found; none where it was declared."""

    form: str | None
    found: str = ""


def is_text(column: pd.Series | pd.Index) -> bool:
    """The cells are text, or of several kinds."""
    return isinstance(column.dtype, pd.StringDtype) or column.dtype == object


def read_stamps(column: pd.Index, form: str | None) -> pd.DatetimeIndex | None:
    """The moments `[S]` of a column, NaT for what is not written in `form`; None where no cell is, or zones differ."""
    if isinstance(column, pd.DatetimeIndex):
        return column
    if form in _EPOCHS:
        numbers = pd.to_numeric(pd.Series(column), errors="coerce")
        return _known(pd.DatetimeIndex(pd.to_datetime(numbers, unit=_EPOCHS[form], errors="coerce")))
    if not is_text(column):
        return None
    return _known(_parse(column, form or _ISO))


def find_form(column: pd.Index) -> Stamps:
    """How the text in `column` is written.

    Raises:
        InputError: two formats read every row, and not as the same moments: the user is asked which one is meant.
    """
    if not is_text(column) or not len(cells := column[column.notna()].astype(str)):
        return Stamps(None)
    moments = _parse(cells[:_FIRST_CELLS], _ISO)
    if moments is None or moments.notna().any():
        return Stamps(None)
    fitting = dict(_readable(cells))
    if not fitting:
        return Stamps(None)
    (form, moments), *others = fitting.items()
    for other, differing in others:
        if not moments.equals(differing):
            row = int(np.flatnonzero(moments != differing)[0])
            raise InputError(
                f"time stamps such as {cells[row]!r} can be read as {moments[row]:%-d %B %Y} ({form}) or as "
                f"{differing[row]:%-d %B %Y} ({other}), in every row: say which is meant, such as "
                f'readings.time_format = "{form}"'
            )
    return Stamps(form, f"time stamps are read as {form}, the only way to read all of them, such as {cells[0]!r}")


def _readable(cells: pd.Index) -> Iterator[tuple[str, pd.DatetimeIndex]]:
    """Each format that reads every cell, and what it reads."""
    first, _ = _with_midnights(cells[:_FIRST_CELLS])
    text, late = _with_midnights(cells) if pd.Series(cells).str.contains("24:00", regex=False).any() else (cells, None)
    for form in map("".join, product(_DATES, _TIMES)):
        with suppress(ValueError):
            pd.to_datetime(first, format=form)
            moments = pd.DatetimeIndex(pd.to_datetime(text, format=form))
            yield form, moments if late is None else moments + late


def _parse(cells: pd.Index, form: str) -> pd.DatetimeIndex | None:
    """NaT for a cell that is not written so; None where their time zones differ."""
    if len(cells) and (form != _ISO or len(str(cells[0])) >= _SHORTEST_DATE):
        with suppress(ValueError, TypeError):  # nearly always: each cell is a moment
            return pd.DatetimeIndex(pd.to_datetime(cells, format=form))
    text, late = _with_midnights(cells)
    if form == _ISO:
        text = text.mask(text.str.len() < _SHORTEST_DATE)
    try:
        return pd.DatetimeIndex(pd.to_datetime(text, format=form, errors="coerce")) + late
    except ValueError:  # mixed time zones
        return None


def _with_midnights(cells: pd.Index) -> tuple[pd.Series, pd.TimedeltaIndex]:
    """The cells as text in which 24:00 is 0:00, and what is to be added to each: a day there, nothing elsewhere."""
    text = pd.Series(cells).astype("string").str.strip()
    late = text.str.contains(_MIDNIGHT, regex=True).fillna(False)
    return text.str.replace(_MIDNIGHT, "00:00", regex=True), pd.to_timedelta(late.astype(int).to_numpy(), unit="D")


def _known(moments: pd.DatetimeIndex | None) -> pd.DatetimeIndex | None:
    return moments if moments is not None and moments.notna().any() else None
