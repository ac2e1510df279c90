"""All that an inspection has found, as one frozen record."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, Literal
from zoneinfo import ZoneInfo

from wattcast.model.meters import Meters
from wattcast.tasks.inspection.answers import Answer
from wattcast.tasks.inspection.clock import Timeline
from wattcast.tasks.inspection.columns import Column
from wattcast.tasks.inspection.habits import Habits
from wattcast.tasks.inspection.quantity import Counted
from wattcast.tasks.inspection.zone import Zone

_FEW = 6

Verdict = Literal["ready", "questions", "faults"]


@dataclass(frozen=True)
class Trial:
    """What came of cleaning the readings as the answers say, with guesses in place of what is asked."""

    rows: int
    notes: tuple[str, ...]
    faults: tuple[str, ...]


@dataclass(frozen=True)
class Inspection:
    """What a file holds, on which evidence, and what is to be asked."""

    file: str
    size_bytes: int
    rows: int
    columns: tuple[Column, ...]
    meters: Meters | None
    answers: tuple[Answer, ...]
    counted: Mapping[str, Counted]
    trial: Trial
    timeline: Timeline | None = None  # None, as what follows, where no time stamps can be read
    zone: Zone | None = None
    unread_stamps: int = 0
    first_unread: str = ""
    habits: tuple[Habits, ...] = ()

    @property
    def meter_rows(self) -> Mapping[str, int]:
        """The rows of each meter; empty where the file is of one."""
        return self.meters.rows if self.meters else {}

    @property
    def questions(self) -> tuple[Answer, ...]:
        """What must be answered before a model can be trained."""
        return tuple(answer for answer in self.answers if answer.asked)

    @property
    def verdict(self) -> Verdict:
        """Whether a model can be trained; questions come before faults, which their answers may take away."""
        return "questions" if self.questions else "faults" if self.trial.faults else "ready"

    @property
    def targets(self) -> list[str]:
        """What is forecast, or would be."""
        return list(self.value("readings.targets") or [])

    def value(self, option: str) -> Any:
        """The value of an option, as far as it is known."""
        return next((answer.value for answer in self.answers if answer.option == option), None)

    @property
    def what(self) -> str:
        """What the file is, as half a sentence."""
        if self.timeline is None:
            return f"{self.file} holds {self.rows:,} rows of {len(self.columns)} columns"
        line, kind, unit = self.timeline, self.value("readings.kind"), self.value("readings.unit")
        of = " and ".join(map(repr, self.targets[:3])) or "nothing that is known yet"
        what = {"counter": "a counter", "power": "power"}.get(str(kind), "energy of each step")
        apart = f"one every {line.step.removeprefix('1 ')}" if line.regular else "at irregular times"
        first, last = self._on_the_wall(line.first), self._on_the_wall(line.last)
        return (
            f"{self.file} holds {line.stamps:,} readings of {of}, {apart}, from {first:%-d %B %Y %H:%M} to "
            f"{last:%-d %B %Y %H:%M} ({_percent(line.complete)} complete): {what}" + (f" in {unit}" if unit else "")
        )

    def _on_the_wall(self, moment: dt.datetime) -> dt.datetime:
        """A moment of the time line as the clock of the readings showed it."""
        if self.zone is None or self.zone.name is None:
            return moment
        return moment.replace(tzinfo=dt.UTC).astimezone(ZoneInfo(self.zone.name))

    @property
    def outlook(self) -> str:
        """Whether a model can be trained, as half a sentence."""
        if self.verdict == "ready":
            return "a model can be trained on it"
        if self.verdict == "faults":
            return f"no model can be trained on it yet: {self.trial.faults[0]}"
        names = ", ".join(answer.option for answer in self.questions)
        return f"before a model can be trained, answer {names}"

    @property
    def headline(self) -> str:
        """What the file is and whether a model can be trained, in one sentence."""
        return f"{self.what}; {self.outlook}."

    @property
    def time_words(self) -> dict[str, str]:
        """How the time stamps lie, in words."""
        line, zone = self.timeline, self.zone
        if line is None or zone is None:
            return {}
        utc = ", UTC" if zone.name else ""
        told = {
            "from, to": f"{line.first}, {line.last}{utc}",
            "step": f"{line.step}, {_percent(line.share)} of the distances" if line.step_s else "one reading alone",
            "order": line.order,
            "moments repeated": f"{line.duplicates:,} rows" if line.duplicates else "none",
            "beside the grid": f"{line.jitter:,} stamps, up to {line.jitter_s:g} s" if line.jitter else "none",
            "gaps": _gaps(line),
            "complete": _percent(line.complete),
            "not to be read": f"{self.unread_stamps:,} stamps, first {self.first_unread}" if self.unread_stamps else "",
            "clock": zone.why,
            "zones alike": ", ".join(zone.alike[:_FEW]) + (" ..." if len(zone.alike) > _FEW else ""),
        }
        return {name: words for name, words in told.items() if words}

    def to_json(self) -> dict[str, Any]:
        """Everything as plain JSON: no number is a NaN, moments are text."""
        told = {
            "headline": self.headline,
            "verdict": self.verdict,
            "questions": [each.option for each in self.questions],
        }
        return {**told, **_plain(self)}


def _gaps(line: Timeline) -> str:
    if line.longest is None:
        return "none" if line.regular else ""
    many = f"{line.gaps:,} gaps of {line.missing:,} steps, the longest" if line.gaps > 1 else "one"
    return f"{many} of {line.longest.steps:,} steps, between {line.longest.after} and {line.longest.before}"


def _percent(share: float) -> str:
    """A share in per cent that is 100 only where it is whole."""
    return f"{min(100 * share, 99.9 if share < 1 else 100):.1f} %"


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(each) for each in value]
    if isinstance(value, dt.datetime):
        return value.isoformat(sep=" ")
    return None if isinstance(value, float) and not math.isfinite(value) else value
