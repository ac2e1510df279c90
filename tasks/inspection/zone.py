"""Which clock time stamps follow: offsets that they carry, or hours that they skip in spring and double in autumn.

S rows. *Local* times are what a clock on the wall shows; a *change* is a moment at which a zone moves its clocks.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal
from zoneinfo import ZoneInfo, available_timezones

import numpy as np
import numpy.typing as npt
import pandas as pd

WELL_KNOWN = (
    *("Europe/London", "Europe/Berlin", "Europe/Helsinki", "America/New_York", "America/Chicago", "America/Denver"),
    *("America/Los_Angeles", "America/Halifax", "America/St_Johns", "America/Sao_Paulo", "America/Santiago"),
    *("Australia/Sydney", "Australia/Adelaide", "Pacific/Auckland", "Asia/Jerusalem", "Africa/Cairo"),
)
"""Of zones alike the one that is named first; these are also those whose changes are looked for."""
AREAS = ("Europe/", "America/", "Australia/", "Pacific/", "Asia/", "Africa/", "Atlantic/")
_MOST_NAMED = 4

Follows = Literal["yes", "no", "unknown"]
Moments = npt.NDArray[np.datetime64]


@dataclass(frozen=True)
class Change:
    """One change of clocks that lies among the readings: local times from `begin` to `end` are skipped, or doubled."""

    begin: dt.datetime
    end: dt.datetime
    skips: bool
    followed: Follows = "unknown"

    @property
    def words(self) -> str:
        """As a message tells it."""
        what = "skips" if self.skips else "doubles"
        return f"{what} {self.begin:%H:%M} to {self.end:%H:%M} on {self.begin:%-d %B %Y}"


@dataclass(frozen=True)
class Zone:
    """What is known of the clock: `name` is a zone whose clock the stamps follow, None where they follow no change."""

    kind: Literal["typed", "offsets", "local", "fixed", "unknown"]
    name: str | None
    alike: tuple[str, ...]
    changes: tuple[Change, ...]
    why: str


def zone_of_offsets(utc: pd.DatetimeIndex, minutes: npt.NDArray[np.int64]) -> Zone:
    """The zones whose clock shows these offsets from UTC `[S]`, in minutes, at the moments `utc` `[S]`, sorted."""
    turns = np.flatnonzero(np.diff(minutes)) + 1
    ends = np.unique(np.concatenate([[0, len(minutes) - 1], turns, np.maximum(turns - 1, 0)]))
    told = [(utc[int(row)].to_pydatetime().replace(tzinfo=dt.UTC), int(minutes[row])) for row in ends]
    seen = sorted({offset for _, offset in told})
    written = " and ".join(f"{offset // 60:+03d}:{offset % 60:02d}" for offset in seen[:4])
    if seen == [0]:
        return Zone("offsets", "UTC", (), (), "all stamps are of UTC (Z or +00:00): the place is not said")
    names = [name for name in _zones() if all(_offset(name, moment) == offset for moment, offset in told)]
    changes = tuple(_change_at(utc[int(row)], int(minutes[row - 1]), int(minutes[row])) for row in turns)
    if len(seen) == 1:
        return Zone("offsets", _fixed(seen[0]), (), (), f"all stamps have the offset {written}, at any time of year")
    if not names:
        return Zone("offsets", None, (), changes, f"stamps have the offsets {written}, of no zone that is known")
    first, *others = _well_known_first(names)
    return Zone("offsets", first, tuple(others), changes, f"stamps have the offsets {written}, {_as_in(first, others)}")


def zone_of_local(stamps: Moments, step: pd.Timedelta) -> Zone:
    """The zones whose changes the local times `stamps` `[S]`, sorted and with repetitions, follow at `step`."""
    if not len(stamps) or step > pd.Timedelta(hours=1):
        return Zone("unknown", None, (), (), "readings lie too far apart to show a change of clocks")
    judged = {name: _judged(stamps, name, step) for name in WELL_KNOWN}
    within = {name: changes for name, changes in judged.items() if changes}
    if not within:
        return Zone("unknown", None, (), (), "no change of clocks lies between the first and the last reading")
    followed = {name: changes for name, changes in within.items() if _all_followed(changes)}
    return _following(followed, stamps) if followed else _not_following(within)


def _following(followed: dict[str, tuple[Change, ...]], stamps: Moments) -> Zone:
    """The zone of stamps that follow all changes of some zones."""
    changes = max(followed.values(), key=len)
    best = [name for name, each in followed.items() if each == changes]
    others = (name for name in _zones() if name not in WELL_KNOWN and _alike(name, best[0], stamps))
    names = [*best, *others]
    seen = [change for change in changes if change.followed == "yes"]  # others may lie in gaps
    why = "the clock " + ", ".join(change.words for change in seen[:6])
    if not all(any(change.skips is skips for change in seen) for skips in (True, False)):
        why += " (one change alone: look whether that hour is only missing)"
    return Zone("local", best[0], tuple(names[1:]), changes, f"{why}, {_as_in(best[0], names[1:])}")


def _not_following(within: dict[str, tuple[Change, ...]]) -> Zone:
    """What is known of the clock where it follows no zone's changes."""
    seen = {name: changes for name, changes in within.items() if any(each.followed != "unknown" for each in changes)}
    if not seen:
        return Zone("unknown", None, (), (), "the readings have gaps where clocks change: they do not show it")
    named = next(iter(seen))
    for name, changes in seen.items():
        partly = [each for each in changes if each.followed == "yes"]
        if partly:
            why = (
                f"the clock {partly[0].words} as in {name}, but not at its other changes: rows may be merged or lacking"
            )
            return Zone("unknown", None, (), changes, why)
    dates = ", ".join(f"{change.begin:%-d %B %Y}" for change in seen[named][:4])
    why = f"the clock runs through {dates}, when the clocks of {named} change" + _others_seen(seen, named)
    return Zone("fixed", None, (), seen[named], why)


def changes_between(first: dt.datetime, last: dt.datetime, name: str) -> list[Change]:
    """The changes of a zone between two local times."""
    return [change for change in _changes(name, first.year, last.year) if first < change.begin and change.end < last]


def _as_in(first: str, others: Sequence[str]) -> str:
    more = f" and {len(others)} more zones" if others else ""
    return f"as in {first}{more}"


def _others_seen(seen: dict[str, tuple[Change, ...]], named: str) -> str:
    others = [name for name in seen if name != named and name.partition("/")[0] != named.partition("/")[0]]
    return f", and those of {others[0]}" if others else ""


@lru_cache(maxsize=1)
def _zones() -> tuple[str, ...]:
    named = (name for name in available_timezones() if name.startswith(AREAS))
    return tuple(sorted(named, key=lambda name: ([name.startswith(area) for area in AREAS].index(True), name)))


def _well_known_first(names: Sequence[str]) -> list[str]:
    known = [name for name in WELL_KNOWN if name in names]
    return [*known, *(name for name in names if name not in known)]


def _offset(name: str, moment: dt.datetime) -> int:
    offset = moment.astimezone(ZoneInfo(name)).utcoffset()
    return 0 if offset is None else int(offset.total_seconds() // 60)


def _fixed(minutes: int) -> str | None:
    """The zone of a clock that is always so many minutes ahead of UTC; its name has the sign the other way round."""
    name = f"Etc/GMT{-minutes // 60:+d}"
    return name if minutes % 60 == 0 and name in available_timezones() else None


def _change_at(utc: pd.Timestamp, before: int, after: int) -> Change:
    moment = utc.to_pydatetime().replace(tzinfo=None)
    lower, upper = sorted((before, after))
    begin, end = (moment + dt.timedelta(minutes=offset) for offset in (lower, upper))
    return Change(begin, end, after > before, "yes")


@lru_cache(maxsize=1024)
def _changes(name: str, first_year: int, last_year: int) -> tuple[Change, ...]:
    return tuple(_found_changes(name, first_year, last_year))


def _found_changes(name: str, first_year: int, last_year: int) -> Iterator[Change]:
    week = dt.timedelta(days=7)
    moment = dt.datetime(max(first_year, 1900), 1, 1, tzinfo=dt.UTC)
    before = _offset(name, moment)
    while moment.year <= min(last_year, 2100):
        after = _offset(name, moment + week)
        if after != before:
            low, high = moment, moment + week
            while high - low > dt.timedelta(minutes=1):
                middle = low + (high - low) / 2
                low, high = (middle, high) if _offset(name, middle) == before else (low, middle)
            turn = (high + dt.timedelta(seconds=30)).replace(second=0, microsecond=0)
            yield _change_at(pd.Timestamp(turn).tz_localize(None), before, after)
        moment, before = moment + week, after


def _judged(stamps: Moments, name: str, step: pd.Timedelta) -> tuple[Change, ...]:
    """The changes of a zone among `stamps`, each with whether they follow it."""
    first, last = (pd.Timestamp(stamps[row]).to_pydatetime() for row in (0, -1))
    return tuple(
        Change(change.begin, change.end, change.skips, _follows(stamps, change, step))
        for change in changes_between(first, last, name)
    )


def _follows(stamps: Moments, change: Change, step: pd.Timedelta) -> Follows:
    """Whether the stamps skip or double the hour of one change, as far as they are whole before and after it."""
    begin, end, width = np.datetime64(change.begin), np.datetime64(change.end), step.to_timedelta64()

    def count(low: np.datetime64, high: np.datetime64) -> int:
        return int(np.searchsorted(stamps, high) - np.searchsorted(stamps, low))

    usual = max(1, round((end - begin) / width))
    around = count(begin - (end - begin), begin), count(end, end + (end - begin))
    if min(around) < usual or max(around) > usual:
        return "unknown"
    inside = count(begin, end)
    if change.skips:
        return "yes" if not inside else "no" if inside >= usual else "unknown"
    return "yes" if inside == 2 * usual else "no" if inside == usual else "unknown"


def _all_followed(changes: Sequence[Change]) -> bool:
    """Whether some changes are followed and none is not."""
    return any(each.followed == "yes" for each in changes) and not any(each.followed == "no" for each in changes)


def _alike(name: str, other: str, stamps: Moments) -> bool:
    """Whether two zones change their clocks alike between the first and the last of `stamps`."""
    first, last = (pd.Timestamp(stamps[row]).to_pydatetime() for row in (0, -1))
    return changes_between(first, last, name) == changes_between(first, last, other)
