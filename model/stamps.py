"""Time stamps as they are written -> moments: in a declared format, or in one that leaves no doubt in a whole column.

What is not declared must be year-month-day (ISO 8601). Any other way of writing is looked for once, before a training,
over the whole column: a format that alone reads every row is taken and kept with the model; where two do, the user is
asked.

Stamps with an offset from UTC are aware, all others naive; a column holds the one kind or the other. A cell that holds
an interval, such as `01.01.2021 00:00 - 01.01.2021 01:00`, stands for its beginning; its format is that of the
beginning, what stands between the two, and `...`.

S: rows.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from itertools import product
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from wattcast.model.cells import shown
from wattcast.model.errors import InputError

EPOCHS: dict[str | None, Literal["s", "ms"]] = {"s": "s", "ms": "ms"}
"""Formats of time stamps that count from the beginning of 1970, UTC."""
_ISO = "ISO8601"
_LONGEST_STAMP = 100  # characters, those of an interval
_SHORTEST_DATE = 8  # 20160131
_DATES = (
    *("%d.%m.%Y", "%m.%d.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y"),
    *("%d.%m.%y", "%m.%d.%y", "%d/%m/%y", "%m/%d/%y", "%d-%m-%y", "%m-%d-%y", "%y.%m.%d", "%y/%m/%d", "%y-%m-%d"),
    *("%d %b %Y", "%d-%b-%Y", "%d %B %Y", "%b %d %Y", "%b %d, %Y", "%B %d, %Y"),
)
_TIMES = (
    *("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p", " %I:%M%p", " %I:%M:%S%p"),
    *(", %H:%M", "T%H:%M", "T%H:%M:%S"),
    *(" %H:%M%z", " %H:%M:%S%z", " %H:%M %z", " %H:%M:%S %z"),
)
_FIRST_CELLS = 50  # that most formats fail at
_MIDNIGHT = r"\b24:00(?=(?::00)?$)"
_OFFSET = r"\d:?\d\d(?:[.,]\d+)?\s*(?:[zZ]|UTC|GMT|[+-]\d\d(?::?\d\d)?)$"
"""What ends a cell with an offset, behind its time of day."""
_BETWEEN = (" - ", " – ", " bis ", " to ", "/", "-")
"""What stands between the beginning and the end of an interval."""
ENDS = "..."
"""What stands for the end in the format of intervals, which is not read."""
_TIME_PART = re.compile(r"[ ,T]*%[HI]")
_CLOCK = r"(?<!\d)\d{1,2}:\d{2}"
_PUT_BACK = timedelta(hours=1)
_SELDOM = 0.01  # an hour in autumn
_SEASON = r"\s*\((?:CES?T|WES?T|EES?T|BST|GMT)\)"
"""Which of the two hours is meant when a clock is put back, as grids write it: the order of the rows says it, too."""
_MOST_OFFSETS = 2  # that one place has
_HOURS = r"(?:[01]?\d|2[0-4])(?:[.]0*)?"


class TwoFormsError(InputError):
    """Time stamps that two formats read, and not as the same moments."""

    def __init__(self, message: str, readings: dict[str, pd.DatetimeIndex]) -> None:
        super().__init__(message)
        self.readings = readings
        """What each of the two reads."""


@dataclass(frozen=True)
class Stamps:
    """How a column's time stamps are written, and the words on how that was found; none where it was declared."""

    form: str | None
    found: str = ""


_ALIKE = {"string", "datetime", "datetime64", "date", "empty"}
"""Columns of objects none of which is a number."""


def is_text(column: pd.Series | pd.Index) -> bool:
    """The cells are text, or of several kinds."""
    return isinstance(column.dtype, pd.StringDtype) or column.dtype == object


def of_stamp_length(cells: pd.Index) -> pd.Index:
    """The cells, those cut off that are longer than any time stamp: no pattern searches all of what is none anyway."""
    if not is_text(cells):
        return cells
    longer = [isinstance(cell, str) and len(cell) > _LONGEST_STAMP for cell in cells]
    if not any(longer):
        return cells
    cut = [f"{cell[:_LONGEST_STAMP]}…" if far else cell for cell, far in zip(cells, longer, strict=True)]
    return pd.Index(cut, dtype=object, name=cells.name)


def read_stamps(column: pd.Index, form: str | None) -> pd.DatetimeIndex | None:
    """The moments `[S]` of a column, NaT for what is not written in `form`; None where no cell is.

    They are aware where the cells have an offset or count from 1970, naive otherwise.
    """
    if isinstance(column, pd.DatetimeIndex):
        return column
    if form in EPOCHS:
        numbers = pd.to_numeric(pd.Series(column), errors="coerce")
        return _known(pd.DatetimeIndex(pd.to_datetime(numbers, unit=EPOCHS[form], errors="coerce", utc=True)))
    if form and column.dtype.kind in "iu":
        column = column.astype(str).astype(object)  # 202103010000, which no separator keeps from being a number
    if not is_text(column):
        return None
    if form and (between := _interval(form)):
        begins, _ = _halves(column.astype(str), between)
        return _known(_parse(begins, form.removesuffix(between + ENDS)))
    return _known(_parse(_stamps_alone(column), form or _ISO))


def _stamps_alone(column: pd.Index) -> pd.Index:
    """`column` without cells that are no stamps and would be taken for one: numbers among text, and `now`."""
    if column.dtype == object and pd.api.types.infer_dtype(column, skipna=True) not in _ALIKE:
        column = column.where([not isinstance(cell, int | float | np.number) for cell in column], None)
    moving = column.isin(["now", "today"])
    return column.where(~moving, None) if moving.any() else column


def spelt(text: pd.Series) -> pd.Series:
    """Stamps as a parser takes them: `UTC` and `GMT` behind the time of day are the offset `Z`."""
    return text.str.replace(r"(?<=\d)\s*(?:UTC|GMT)$", "Z", regex=True)


def day_and_time(dates: pd.Series, times: pd.Series) -> pd.Index:
    """One column of text out of one of dates and one of times of day: clock times, or hours from 0 to 24.

    Raises:
        InputError: a cell is no time of day.
    """
    day = dates.dt.strftime("%Y-%m-%d") if dates.dtype.kind == "M" else dates.astype("string").str.strip()
    clock = times.astype("string").str.strip()
    hours = clock.str.fullmatch(_HOURS).fillna(False)
    wrong = ~hours & ~clock.str.contains(":", regex=False).fillna(True)
    if wrong.any():
        row = int(wrong.to_numpy().argmax())
        raise InputError(
            f"column {times.name!r} must hold times of day such as 17:00, or hours from 0 to 24, received "
            f"{times.iloc[row]!r} in row {row}"
        )
    whole = clock.str.partition(".")[0].str.zfill(2) + ":00"
    joined: pd.Index = pd.Index((day + " " + clock.mask(hours, whole)).astype(object), name=dates.name)
    return joined


def holds_times(column: pd.Series) -> bool:
    """Each cell is a time of day without a date."""
    if not is_text(column) or not len(cells := column.dropna().astype(str)):
        return False
    return bool(cells.str.fullmatch(r"\s*\d{1,2}:\d{2}(?::\d{2})?(?:\s?[AaPp][Mm])?\s*").all())


def holds_ends_of_days(cells: pd.Index) -> bool:
    """Some of the stamps are 24:00, which no step begins at."""
    return is_text(cells) and bool(pd.Series(cells).astype("string").str.contains(_MIDNIGHT, regex=True).any())


def hours_beside(frame: pd.DataFrame, dates: str, others: Iterable[str]) -> list[str]:
    """The columns among `others` that number the hours of each day, where the column `dates` repeats each date."""
    found = [name for name in others if _holds_hours(frame[name])] if frame[dates].duplicated().any() else []
    if len(found) > 1:
        found = [name for name in found if frame.duplicated([dates, name]).mean() <= _SELDOM]
    return found


def _holds_hours(column: pd.Series) -> bool:
    """Each cell is a whole number as hours are counted, from 0 or from 1; in autumn a local day may have a 25th."""
    if column.dtype.kind not in "iuf":
        return False
    hours = set(column.dropna().unique().tolist())
    return hours <= set(range(26)) and hours >= set(range(1, 24))


def find_form(column: pd.Index) -> Stamps:
    """How the text in `column` is written.

    Raises:
        TwoFormsError: two formats read every row, and not as the same moments: the user is asked which one is meant.
        InputError: intervals that end before they begin.
    """
    if not is_text(column) or not len(cells := column[column.notna()].astype(str)):
        return Stamps(None)
    if (between := _seen_between(cells)) is not None:
        return _intervals(cells, between)
    moments = _parse(cells[:_FIRST_CELLS], _ISO)
    if moments is None or moments.notna().any():
        return Stamps(None)
    fitting = {form: moments for form, moments in _readable(cells) if form[:2] != "%y" or _goes_by_days(moments)}
    if not fitting:
        return Stamps(None)
    (form, moments), *others = fitting.items()
    for other, differing in others:
        known = np.asarray(moments.notna()) & np.asarray(differing.notna())
        apart = np.flatnonzero((moments != differing) & known)
        if known.any() and (
            len(apart) or _month_first(form) != _month_first(other)
        ):  # on 5 May both are one, and on no day after it
            row = int(apart[0]) if len(apart) else int(known.argmax())
            raise TwoFormsError(
                f"time stamps such as {shown(cells[row])} can be read as {moments[row]:%-d %B %Y} ({form}) or as "
                f"{differing[row]:%-d %B %Y} ({other}), in every row: say which is meant, such as "
                f'readings.time_format = "{form}"',
                {form: moments, other: differing},
            )
    return Stamps(form, f"time stamps are read as {form}, the only way to read all of them, such as {shown(cells[0])}")


def _goes_by_days(moments: pd.DatetimeIndex) -> bool:
    """Most days follow each other, as those of readings do: `01.03.21` is of 2001 in no file but one of such years."""
    days = moments.normalize().unique().sort_values()
    return len(days) > 1 and float(np.mean(np.diff(days) == np.timedelta64(1, "D"))) > 0.5


def _month_first(form: str) -> bool:
    return "%m" in form and form.index("%m") < form.index("%d")


def _interval(form: str) -> str | None:
    """What stands between the beginning and the end in cells of this format; None where they hold one moment."""
    return next((between for between in _BETWEEN if form.endswith(between + ENDS)), None)


def _halves(cells: pd.Index, between: str) -> tuple[pd.Index, pd.Index]:
    """Beginning and end of each interval, parted by the first `between` behind a time of day; missing where it is."""
    bare = pd.Series(cells.astype(str)).str.replace(_SEASON, "", regex=True)
    parted = bare.str.extract(f"^(.*?{_CLOCK}.*?){re.escape(between)}(.*{_CLOCK}.*)$")
    return pd.Index(parted[0].str.strip().astype(object)), pd.Index(parted[1].str.strip().astype(object))


def _seen_between(cells: pd.Index) -> str | None:
    """What parts the two times of day of an interval, if all of the first cells hold two: `-01:00` may be an offset."""
    first = cells[:_FIRST_CELLS]
    if not (pd.Series(first).str.count(_CLOCK) >= 2).all():
        return None
    for between in _BETWEEN:
        begins, ends = _halves(first, between)
        if begins.notna().all() and ends.nunique() > _MOST_OFFSETS:
            return between
    return None


def _intervals(cells: pd.Index, between: str) -> Stamps:
    """The format of cells that hold a beginning and an end, which is a time of day alone or a whole stamp."""
    begins, ends = _halves(cells, between)
    found = find_form(begins)
    form = found.form or _ISO
    starts, stops = _parse(begins, form), _parse(ends, form)
    if starts is not None and stops is not None and (backwards := _backwards(starts, stops)).any():
        row = int(backwards.argmax())
        raise InputError(f"time stamps are intervals, but {shown(cells[row])} ends before it begins: mend the file")
    words = f"time stamps such as {shown(cells[0])} are intervals, and stand for their beginning"
    return Stamps(f"{form}{between}{ENDS}", f"{words}; {found.found}" if found.found else words)


def _backwards(starts: pd.DatetimeIndex, stops: pd.DatetimeIndex) -> npt.NDArray[np.bool_]:
    """Which intervals end before they begin, but for the few that a clock was put back in, such as 02:45 - 02:00."""
    lengths = stops - starts
    backwards = np.asarray(lengths <= pd.Timedelta(0))
    put_back = backwards & np.asarray(lengths == pd.Series(lengths).median() - _PUT_BACK)
    return backwards if put_back.mean() > _SELDOM else backwards & ~put_back


def _readable(cells: pd.Index) -> Iterator[tuple[str, pd.DatetimeIndex]]:
    """Each format that reads every cell, and what it reads."""
    timed = pd.Series(cells).str.contains(":", regex=False)
    if timed.any() and not timed.all():
        yield from _with_bare_dates(cells, cells[timed.to_numpy(np.bool_)][:_FIRST_CELLS])
        return
    first, _ = _with_midnights(cells[:_FIRST_CELLS])
    odd = pd.Series(cells).str.contains("24:00|UTC|GMT", regex=True).any()
    text, late = _with_midnights(cells) if odd else (cells, None)
    for form in map("".join, product(_DATES, _TIMES)):
        with suppress(ValueError):
            utc = form.endswith("%z")
            pd.to_datetime(first, format=form, utc=utc)
            moments = pd.DatetimeIndex(pd.to_datetime(text, format=form, utc=utc))
            yield form, moments if late is None else moments + late


def _with_bare_dates(cells: pd.Index, timed: pd.Index) -> Iterator[tuple[str, pd.DatetimeIndex]]:
    """Each format that reads every cell where some, as spreadsheets write midnight, are dates without a time."""
    for form in map("".join, product(_DATES, _TIMES[1:])):
        with suppress(ValueError):
            pd.to_datetime(_with_midnights(timed)[0], format=form, utc=form.endswith("%z"))
            moments = _parse(cells, form)
            if moments is not None and moments.notna().all():
                yield form, moments


def _parse(cells: pd.Index, form: str) -> pd.DatetimeIndex | None:
    """NaT for a cell that is not written so; None where some cells have an offset from UTC and others none."""
    if len(cells) and (form != _ISO or len(str(cells[0])) >= _SHORTEST_DATE):
        with suppress(ValueError, TypeError):  # nearly always: each cell is a moment
            return pd.DatetimeIndex(pd.to_datetime(cells, format=form))
    text, late = _with_midnights(cells)
    if form == _ISO:
        text = text.mask(text.str.len() < _SHORTEST_DATE)
    aware = text.str.contains(_OFFSET, regex=True)
    several = bool(aware.any())
    if several and not aware.fillna(True).all():
        return None
    moments = pd.DatetimeIndex(pd.to_datetime(text, format=form, errors="coerce", utc=several))
    date = _TIME_PART.split(form)[0]
    if date != form and not several and moments.hasnans:
        bare = text.where(np.asarray(moments.isna()) & ~text.str.contains(":", regex=False).fillna(True))
        midnights = pd.DatetimeIndex(pd.to_datetime(bare, format=date, errors="coerce"))
        moments = moments.where(moments.notna(), midnights)
    return moments + late


def _with_midnights(cells: pd.Index) -> tuple[pd.Series, pd.TimedeltaIndex]:
    """The cells as text in which 24:00 is 0:00, and what is to be added to each: a day there, nothing elsewhere."""
    text = spelt(pd.Series(cells).astype("string").str.strip())
    late = text.str.contains(_MIDNIGHT, regex=True).fillna(False)
    return text.str.replace(_MIDNIGHT, "00:00", regex=True), pd.to_timedelta(late.astype(int).to_numpy(), unit="D")


def _known(moments: pd.DatetimeIndex | None) -> pd.DatetimeIndex | None:
    return moments if moments is not None and moments.notna().any() else None
