"""The time stamps of a table: how they are written, in which order they stand, how far apart they lie, what lacks.

S rows of the table. V of them have a stamp that can be read. *Moments* are of a clock that runs evenly: UTC where
the zone is known, else the readings' own.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from zoneinfo import available_timezones

import numpy as np
import pandas as pd

from wattcast.model.arrays import Floats, Rows
from wattcast.model.cells import shown
from wattcast.model.clock import localize
from wattcast.model.errors import InputError
from wattcast.model.order import length, phase_of, rhythm, to_ticks
from wattcast.model.readings import ReadingsConfig
from wattcast.model.stamps import EPOCHS, TwoFormsError, find_form, is_text, read_stamps, spelt
from wattcast.tasks.inspection.answers import Answer
from wattcast.tasks.inspection.columns import epoch_unit
from wattcast.tasks.inspection.stamp_column import has_offsets
from wattcast.tasks.inspection.zone import Zone, zone_of_local, zone_of_offsets

_OFFSET = r"\s*(?:Z|UTC|GMT|[+-][0-9]{2}:?[0-9]{2})\s*$"


@dataclass(frozen=True)
class Stamps:
    """The stamps that can be read, in the order of the rows."""

    rows: Rows  # [V] places in the table
    moments: pd.DatetimeIndex  # [V] without a zone
    local: pd.DatetimeIndex  # [V] as a clock on the wall shows them, without a zone
    form: Answer
    zone: Zone
    unread: int
    first_unread: str  # as it is written


@dataclass(frozen=True)
class Gap:
    """Steps on end without a row."""

    after: dt.datetime
    before: dt.datetime
    steps: int


@dataclass(frozen=True)
class Timeline:
    """How the moments lie."""

    first: dt.datetime
    last: dt.datetime
    stamps: int  # that differ
    order: str
    duplicates: int  # rows whose moment another row has, too
    step_s: float | None
    step: str
    share: float  # of the distances that are the step or a multiple of it
    jitter: int  # stamps beside the grid
    jitter_s: float  # the farthest
    gaps: int
    missing: int  # steps
    longest: Gap | None
    complete: float  # share of the steps from the first to the last

    @property
    def regular(self) -> bool:
        """Whether one cadence holds, with or without gaps."""
        return self.step_s is not None and self.share >= 0.95


def read_clock(column: pd.Series, readings: ReadingsConfig) -> Stamps | None:
    """The stamps in the cells of `column` `[S]`; None where none can be read."""
    given = readings.time_format
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        times = pd.DatetimeIndex(column)
        form = Answer("readings.time_format", None, "found", f"{readings.timestamp!r} holds typed moments")
        local, moments = times.tz_localize(None), times.tz_convert("UTC").tz_localize(None)
        return _stamps(column, local, moments, form, _typed_zone(str(times.tz), local, moments))
    if is_text(column) and given is None and has_offsets(column):
        words = f"year-month-day with an offset, such as {shown(column.iloc[0])}"
        iso = _with_offsets(column, Answer("readings.time_format", None, "found", words))
        if iso is not None:
            return iso
    read, form = _read(column, given)
    if read is None:
        return None
    if read.tz is not None and str(form.value).endswith("%z"):
        return _with_offsets(column, form)
    if form.value in EPOCHS:
        read = read.tz_localize(None)
        zone = Zone("fixed", None, (), (), "stamps count from 1970, UTC: one clock without changes")
        return _stamps(column, read, read, form, zone)
    local = read.tz_localize(None) if read.tz is not None else read
    known = np.flatnonzero(~np.asarray(local.isna()))
    sorted_local = local[known].sort_values()
    beat = rhythm(sorted_local.unique()) if len(known) > 1 else None
    if readings.timezone is not None:
        zone = Zone("typed", readings.timezone, (), (), "given")
    else:
        zone = zone_of_local(sorted_local.to_numpy(), beat.step if beat else pd.Timedelta(days=1))
    moments = local
    if zone.name is not None and zone.kind in ("local", "typed"):
        moments = localize(local, zone.name).times.tz_convert(None)
    return _stamps(column, local, moments, form, zone)


def why_unread(column: pd.Series, readings: ReadingsConfig) -> str:
    """Why no time stamp of `column` can be read, and what is to be done."""
    try:
        _, form = _read(column, readings.time_format)
    except InputError as fault:
        return str(fault)
    if form.asked:
        return form.why
    known = column[column.notna()]
    received = f", such as {shown(known.iloc[0])}" if len(known) else ""
    return (
        f"no time stamps can be read in column {readings.timestamp!r}{received}: say how they are written, such as "
        'readings.time_format = "%d.%m.%Y %H:%M"'
    )


def _typed_zone(name: str, local: pd.DatetimeIndex, utc: pd.DatetimeIndex) -> Zone:
    """The zone that a column's type names, or the offset that it says."""
    if name in available_timezones():
        return Zone("typed", name, (), (), f"the column's type says {name}")
    known = np.flatnonzero(np.asarray(utc.notna()))
    order = known[np.argsort(utc[known].to_numpy(), kind="stable")]
    return zone_of_offsets(utc[order], (to_ticks(local[order]) - to_ticks(utc[order])) // 60_000_000)


def timeline(stamps: Stamps) -> Timeline:
    """How the moments of `stamps`, at least one, lie."""
    times = stamps.moments.sort_values()
    unique = times.unique()
    beat = rhythm(unique)
    ticks = to_ticks(unique)
    first, last = (times[row].to_pydatetime() for row in (0, -1))
    order = _order_words(stamps.moments)
    twice = len(times) - len(unique)
    if beat is None:
        return Timeline(first, last, len(unique), order, twice, None, "", 0.0, 0, 0.0, 0, 0, None, 1.0)
    step = length(beat.step)
    beside = _beside(ticks, step) if beat.constant else np.zeros(1, np.int64)
    holes = np.maximum(np.rint(np.diff(ticks) / step).astype(np.int64) - 1, 0) if beat.constant else np.zeros(1, int)
    missing, worst = int(holes.sum()), int(holes.argmax())
    longest = None
    if missing:
        longest = Gap(unique[worst].to_pydatetime(), unique[worst + 1].to_pydatetime(), int(holes[worst]))
    return Timeline(
        *(first, last, len(unique), order, twice, beat.step.total_seconds(), span_words(beat.step), beat.share),
        jitter=int((beside > 0).sum()),
        jitter_s=float(beside.max()) / 1e6,
        gaps=int((holes > 0).sum()),
        missing=missing,
        longest=longest,
        complete=len(unique) / (len(unique) + missing),
    )


def _read(column: pd.Series, given: str | None) -> tuple[pd.DatetimeIndex | None, Answer]:
    """The times of a column without a zone, and how they are written."""
    option = "readings.time_format"
    cells = pd.Index(column)
    if given is not None:
        return read_stamps(cells, given), Answer(option, given, "given", "given")
    if column.dtype.kind == "M":
        return pd.DatetimeIndex(column), Answer(option, None, "found", "typed moments, without a zone")
    if not is_text(column):
        unit = epoch_unit(column.to_numpy(np.float64, na_value=np.nan)) if column.dtype.kind in "fiu" else None
        found = Answer(option, unit, "found", f"whole numbers that count {unit} since 1970, in equal steps")
        return (read_stamps(cells, unit) if unit else None), found
    try:
        stamps = find_form(cells)
    except TwoFormsError as question:
        return _closest(cells, question.readings)
    except InputError as question:
        return None, Answer(option, None, "asked", str(question))
    iso = f"year-month-day, such as {shown(cells[0])}: one way to read it"
    read = read_stamps(cells, stamps.form)
    return read, Answer(option, stamps.form, "found", stamps.found or iso)


def _closest(cells: pd.Index, readings: Mapping[str, pd.DatetimeIndex]) -> tuple[pd.DatetimeIndex, Answer]:
    """Of two formats that read every row that in which all stamps lie closest: for the figures, until it is told."""
    option = "readings.time_format"
    spans = {form: read.max() - read.min() for form, read in readings.items()}
    meanwhile = min(spans, key=lambda form: spans[form])
    (one, first), (other, second) = readings.items()
    row = int(np.argmax(first != second))
    why = (
        f"{one} or {other}: both read every row, such as {str(cells[row])!r} as {first[row]:%-d %B %Y} or "
        f"{second[row]:%-d %B %Y} (figures take {meanwhile}, by which all lies within {_days(spans[meanwhile])})"
    )
    return readings[meanwhile], Answer(option, meanwhile, "asked", why)


def _days(span: pd.Timedelta) -> str:
    return f"{span / pd.Timedelta(days=1):.3g} days"


def _with_offsets(column: pd.Series, form: Answer) -> Stamps | None:
    """Stamps, of ISO 8601 unless `form` says how they are written, that end in `Z` or an offset, which may change."""
    text, written = column.astype("str").str.strip(), form.value or "ISO8601"
    utc = pd.DatetimeIndex(pd.to_datetime(spelt(text), format=written, utc=True, errors="coerce")).tz_localize(None)
    bare = text.str.replace(_OFFSET, "", regex=True)
    plain = written.removesuffix("%z").rstrip()
    local = pd.DatetimeIndex(pd.to_datetime(bare, format=plain, errors="coerce"))
    both = np.asarray(utc.notna()) & np.asarray(local.notna())
    if not both.any():
        return None
    order = np.argsort(utc[both].to_numpy(), kind="stable")
    minutes = ((to_ticks(local[both]) - to_ticks(utc[both])) // 60_000_000)[order]
    return _stamps(column, local, utc, form, zone_of_offsets(utc[both][order], minutes))


def _stamps(
    column: pd.Series, local: pd.DatetimeIndex, moments: pd.DatetimeIndex, form: Answer, zone: Zone
) -> Stamps | None:
    known = np.asarray(local.notna()) & np.asarray(moments.notna())
    if not known.any():
        return None
    unread = int((~known).sum())
    first = shown(column.iloc[int((~known).argmax())]) if unread else ""
    rows = np.flatnonzero(known)
    return Stamps(rows, moments[known], local[known], form, zone, unread, first)


def _mostly_back(times: pd.DatetimeIndex) -> bool:
    steps = np.diff(to_ticks(times))
    return bool((steps < 0).sum() > (steps > 0).sum())


def _order_words(times: pd.DatetimeIndex) -> str:
    if times.is_monotonic_increasing:
        return "oldest first"
    if times.is_monotonic_decreasing:
        return "newest first"
    back = int((np.diff(to_ticks(times)) < 0).sum())
    return "newest first, with rows astray" if _mostly_back(times) else f"in {back + 1:,} blocks, each in order"


def _beside(ticks: Rows, step: int) -> Rows:
    """How far each stamp lies beside the grid of `step` that most of them lie on, in microseconds."""
    phase = phase_of(ticks, step)
    return np.abs((ticks - phase + step // 2) % step - step // 2)


def span_words(span: pd.Timedelta) -> str:
    """A span of time in its largest whole unit: 1 day, 90 minutes, 0.5 seconds."""
    seconds = span.total_seconds()
    for size, word in ((86_400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size and not seconds % size:
            return f"{seconds / size:g} {word}" + ("s" if seconds > size else "")
    return f"{seconds / 60:.4g} minutes" if seconds >= 600 else f"{seconds:g} second" + ("s" if seconds != 1 else "")


def by_day(times: pd.DatetimeIndex, values: Floats) -> pd.Series:
    """How many readings `[V]` that are not missing each day from the first to the last holds."""
    known = times[~np.isnan(values)]
    counts = pd.Series(1, index=known.normalize()).groupby(level=0).sum()
    days = pd.date_range(times.min().normalize(), times.max().normalize(), freq="D")
    return counts.reindex(days, fill_value=0)
