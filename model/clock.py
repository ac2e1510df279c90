"""Moments and the clocks that show them: one fixed clock, or that of a place, which is put forward and back.

Time stamps of a frame are naive, on one fixed clock, or aware, in the zone of a place. An *instant* is a moment on one
time line: UTC of an aware stamp, the stamp itself of a naive one. What is computed with moments is computed with
instants; what a day or a week looks like is read off the clock.

S: rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo

import numpy as np
import pandas as pd

from wattcast.model.arrays import Floats, Rows, Times

CLOSE = 1.5
"""Readings that lie so many usual distances apart, or fewer, follow each other."""

_FIXED_DAYS = datetime(2020, 1, 1, tzinfo=UTC), datetime(2020, 7, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Localized:
    """When readings were taken: what their stamps are on their clock, NaT where that cannot be."""

    times: pd.DatetimeIndex  # [S]
    left_out: int = 0  # of an hour that occurs twice, with a note
    notes: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()


def instants(times: pd.DatetimeIndex) -> Times:
    """`times` `[S]` as numbers on one time line."""
    return (times if times.tz is None else times.tz_convert(None)).to_numpy()


def from_instants(moments: Times, like: pd.DatetimeIndex) -> pd.DatetimeIndex:
    """What `instants` gave, as stamps of the clock of `like`."""
    times = pd.DatetimeIndex(moments)
    return times if like.tz is None else times.tz_localize("UTC").tz_convert(like.tz)


def on_the_clock(times: pd.DatetimeIndex) -> pd.DatetimeIndex:
    """What the clock showed at `times` `[S]`: naive; an hour that occurs twice a year shows the same twice."""
    return times if times.tz is None else times.tz_localize(None)


def moment_of(shown: datetime, times: pd.DatetimeIndex) -> pd.Timestamp:
    """The moment at which the clock of `times` showed `shown`: the first one where it did so twice."""
    moment = pd.Timestamp(shown)
    if times.tz is None or moment.tz is not None:
        return moment
    return moment.tz_localize(times.tz, ambiguous=True, nonexistent="shift_forward")


def beside_utc(zone: tzinfo | None) -> pd.Timedelta:
    """How far the clock of `zone` is ahead of UTC in winter, on a fixed day: what steps of several hours begin by.

    A day that begins by it begins by the clock of summer an hour after midnight, and so on its own date.
    """
    return min(pd.Timedelta(day.astimezone(zone).utcoffset() or 0) for day in _FIXED_DAYS) if zone else pd.Timedelta(0)


def localize(stamps: pd.DatetimeIndex, zone: str) -> Localized:
    """Stamps `[S]` of the clock of `zone`, as they stand in a file, as moments in that zone.

    When a clock is put back, an hour of stamps stands for two hours. Which of the two is told by the order of the rows:

    * stamps that stand twice are of the first hour, then of the second;
    * where the clock steps back, all before the step is of the first hour;
    * where the hour stands once, it is the one that lies close to the readings on its only other side, as with the
      newest readings.

    Whatever else stands in such an hour can be of either and is left out, with a note. Stamps that the clock skipped
    are faults: the clock of the file is another one.
    """
    times = stamps.tz_localize(zone, ambiguous="NaT", nonexistent="NaT")
    lost = np.flatnonzero(np.asarray(times.isna()) & np.asarray(stamps.notna()))
    if not len(lost):
        return Localized(times)
    at = stamps[lost]
    first, second = (at.tz_localize(zone, ambiguous=np.full(len(at), dst), nonexistent="NaT") for dst in (True, False))
    skipped = np.asarray(first.isna())
    faults = []
    if skipped.any():
        faults.append(
            f"{skipped.sum():,} time stamps, first {at[int(skipped.argmax())]}, never were on the clock of {zone}, "
            "which was put forward then: the file is on another clock, leave readings.timezone out or give its zone, "
            "such as UTC"
        )
    doubled = lost[~skipped]
    second_hour = _second_hours(stamps, doubled)  # [D] 1, 0, or NaN where nothing tells
    told = ~np.isnan(second_hour)
    moments = first[~skipped].where(second_hour == 0, second[~skipped])
    found = times.to_series().reset_index(drop=True)
    found.iloc[doubled[told]] = moments[told]
    notes = []
    if not told.all():
        row = int((~told).argmax())
        notes.append(
            f"{(~told).sum():,} time stamps, first {stamps[doubled[row]]}, occurred twice on the clock of {zone} and "
            "stand once; nothing tells which one is meant, so that they are left out"
        )
    return Localized(pd.DatetimeIndex(found, name=stamps.name), int((~told).sum()), tuple(notes), tuple(faults))


def _second_hours(stamps: pd.DatetimeIndex, doubled: Rows) -> Floats:
    """Of the rows `doubled` of `stamps`, 1 for the second occurrence of its hour, 0 for the first, NaN if unknown."""
    answer = np.full(len(doubled), np.nan)
    if not len(doubled):
        return answer
    ticks = stamps.as_unit("us").asi8
    falling = _falls(ticks[np.asarray(stamps.notna())])
    order = np.arange(len(stamps))[::-1] if falling else np.arange(len(stamps))
    places = len(stamps) - 1 - doubled if falling else doubled  # in the order of time
    ticks = ticks[order]
    steps = np.abs(np.diff(ticks))
    usual = float(np.median(steps[steps > 0])) if (steps > 0).any() else 0.0
    days = stamps[doubled].normalize()
    for day in days.unique():
        rows = np.flatnonzero(days == day)
        rows = rows[np.argsort(places[rows])]
        answer[rows] = _of_one_change(ticks, places[rows], CLOSE * usual)
    return answer


def _falls(ticks: Rows) -> bool:
    """Stamps stand newest first: so do most neighbours, or where as many do as not those that lie nearest.

    The ends alone would not tell: a clock that is put back makes the last of a few stamps the lower one.
    """
    steps = np.diff(ticks)
    steps = steps[steps != 0]
    ways = int(np.sign(steps).sum())
    nearest = steps[np.abs(steps) == np.abs(steps).min(initial=np.iinfo(np.int64).max)]
    return ways < 0 or (ways == 0 and int(np.sign(nearest).sum()) < 0)


def _of_one_change(ticks: Rows, places: Rows, close: float) -> Floats:
    """`_second_hours` of the rows at `places` in the order of time, which show the hour of one change."""
    shown = ticks[places]
    before = ticks[places[0] - 1] if places[0] else None
    after = ticks[places[-1] + 1] if places[-1] + 1 < len(ticks) else None
    stands = pd.Series(shown)
    twice = stands.map(stands.value_counts()).to_numpy()
    unknown = np.full(len(shown), np.nan)
    if twice.max() > 2 or _repeats(ticks, places[0] - 1, -1) or _repeats(ticks, places[-1] + 1, 1):
        return unknown  # rows that stand more than once, as they do elsewhere in the file
    occurrence = stands.groupby(stands).cumcount().to_numpy(np.float64)
    back = np.flatnonzero(np.diff(shown) <= 0)
    if (twice == 2).any() and (np.diff(shown) >= 0).all():
        return np.where(twice == 2, occurrence, np.nan)  # sorted by what is shown: each twice on end
    if len(back):
        side = (np.arange(len(shown)) > back[0]).astype(np.float64)
        agrees = len(back) == 1 and (side == occurrence)[twice == 2].all()
        return side if agrees else unknown
    follows = before is not None and shown[0] - before <= close
    leads = after is not None and after - shown[-1] <= close
    return unknown if follows == leads else np.full(len(shown), 0.0 if follows else 1.0)


def _repeats(ticks: Rows, place: int, way: int) -> bool:
    """The stamp at `place`, if there is one, stands again right beside it."""
    inside = min(place, place + way) >= 0 and max(place, place + way) < len(ticks)
    return inside and bool(ticks[place] == ticks[place + way])
