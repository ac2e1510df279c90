"""Watching: is what the champion reads still sound, and does it do what the gate saw? If not, an event says so."""

from __future__ import annotations

import json
import logging
import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
from prefect.artifacts import create_table_artifact
from prefect.events import emit_event
from prefect.runtime import flow_run
from prefect.settings import get_current_settings

from wattcast.flows.forecast import OUTPUT
from wattcast.flows.in_use import InUse, put_to_use
from wattcast.flows.job import job
from wattcast.flows.note import artifact_rows
from wattcast.model.clock import moment_of
from wattcast.model.config import ClockTime
from wattcast.model.durations import duration
from wattcast.model.errors import InputError
from wattcast.tasks.markdown import plain
from wattcast.tasks.monitoring.forecast_log import read_forecasts
from wattcast.tasks.monitoring.watching import (
    COVERAGE,
    DRIFT,
    OF_READINGS,
    SKILL,
    Sign,
    Skill,
    judge_coverage,
    judge_drift,
    judge_lateness,
    judge_skill,
    judge_stuck,
    rows_of,
)
from wattcast.tasks.registry.names import CHAMPION, MODEL
from wattcast.tasks.registry.versions import DATA_FROM, DATA_TO, HOLDOUT_SKILL, Version
from wattcast.tasks.stages import stage

log = logging.getLogger(__name__)

ALARM = "wattcast.watch.alarm"
"""The event."""
RESOURCE = "wattcast.model"
"""Before the name of a registered model, what the event is about."""
RETRAIN = "wattcast.retrain"
"""The label of that: `yes` where another training may mend what is wrong."""
_STATE = "watch.told"  # the tag of a registered model: what was told of which version, and when
_DAYS, _MOST_DAYS = 14.0, 3650


@dataclass(frozen=True)
class Watched:
    """All that was looked at, and whether an event told of it just now."""

    model: str
    version: int
    signs: tuple[Sign, ...]
    told: bool

    @property
    def wrong(self) -> tuple[Sign, ...]:
        """Those that something is wrong with."""
        return tuple(sign for sign in self.signs if sign.wrong)

    @property
    def sentence(self) -> str:
        """What came out, in one line."""
        found = "; ".join(f"{sign.name}: {sign.found}" for sign in self.wrong)
        return f"version {self.version} of {self.model}: {found or 'all is well'}"


@job("watch-{name}")
def watch(  # noqa: PLR0917 - Prefect's form and Python's callers know them by name
    input: str = "auto",
    forecasts: str = OUTPUT,
    model: str = CHAMPION,
    name: str = MODEL,
    days: float = _DAYS,
    late: str | None = None,
    now: ClockTime | None = None,
    trust: bool = False,
) -> Watched:
    """Look at the newest readings and the past forecasts of a version, and tell Prefect with an event what is wrong.

    What was told of a version is told again only after as many days as are looked at. The event goes to a server that
    is named, whether or not this is a run of it.

    Args:
        input: readings: uci, simulated, or the path of a file; auto takes the UCI data, or simulated where they cannot
            be reached.
        forecasts: file of forecasts; what it says is passed over where there is none.
        model: alias or number of the version.
        name: the registered model.
        days: newest days of readings and forecasts that are looked at.
        late: age of the newest reading from which on it is late, such as 2h; an hour, or three steps if that is more,
            unless given.
        now: time on the readings' clock; that of this machine unless given.
        trust: read the files of a version that no retraining has registered, too.

    Raises:
        InputError: there is no such version, or the readings or the file of forecasts cannot be used.
    """
    if not 2 <= days <= _MOST_DAYS:
        raise InputError(f"days must be from 2 to {_MOST_DAYS:,}, received {days:g}")
    allowed = None if late is None else duration(late)
    if late is not None and not allowed:
        raise InputError(f"late must be a duration such as 2h or 1d, received {late!r}")
    with stage(f"reading the data and {model} of {name}"):
        used = put_to_use(input, model, name, trust=trust, without_files=True)
        frame = used.frame
        if not len(frame):
            raise InputError("there is no reading to look at: name another input")
        past = read_forecasts(Path(forecasts), used.contract, str(used.version.number))
    with stage(f"looking at version {used.version.number}"):
        signs = _signs(used, frame, past, days, allowed, now)
    watched = Watched(name, used.version.number, signs, _tell(used, signs, days))
    if flow_run.id:
        rows = [{"sign": each.name, "wrong": "yes" if each.wrong else "no", "found": each.found} for each in signs]
        create_table_artifact(artifact_rows(rows), key="watch", description=plain(watched.sentence))
    return watched


def _signs(  # noqa: PLR0917
    used: InUse,
    frame: pd.DataFrame,
    past: pd.DataFrame | None,
    days: float,
    allowed: pd.Timedelta | None,
    now: datetime | None,
) -> tuple[Sign, ...]:
    times, readings, tags, number = pd.DatetimeIndex(frame.index), used.readings, used.version.tags, used.version.number
    trained = (
        (pd.Timestamp(tags[DATA_FROM]), pd.Timestamp(tags[DATA_TO])) if {DATA_FROM, DATA_TO} <= set(tags) else None
    )
    current = pd.Timestamp.now(times.tz) if now is None else moment_of(now, times)
    signs = [
        judge_lateness(times, current, allowed or max(pd.Timedelta(hours=1), 3 * readings.cadence)),
        judge_stuck(frame, readings, used.fallback.longest if used.fallback else {}),
        judge_drift(frame, readings, trained, days),
    ]
    if past is None:
        return (*signs, *(Sign(each, False, "not looked at, as there is no file of forecasts") for each in _OF_FILE))
    rows = rows_of(past, used.contract, str(number), used.trained_to)
    return (
        *signs,
        judge_skill(rows, used.contract, _judged(used.version), days),
        judge_coverage(rows, used.contract, days),
    )


_OF_FILE = (SKILL, COVERAGE)


def _judged(version: Version) -> Skill | None:
    """The skill that the gate saw, where a tag has kept it."""
    told = version.tags.get(HOLDOUT_SKILL)
    judged = Skill(*json.loads(told)) if told else None
    return judged if judged and math.isfinite(judged.value) else None


def _tell(used: InUse, signs: tuple[Sign, ...], days: float) -> bool:
    """Send an event of what is wrong, unless all of that was told of this version in so many days; whether it was."""
    versions, version, api = used.versions, used.version, get_current_settings().api.url
    wrong = [sign.name for sign in signs if sign.wrong]
    for sign in signs:
        if sign.wrong:
            log.warning("%s: %s", sign.name, sign.found)
    learns = bool({DRIFT, *_OF_FILE}.intersection(wrong)) and not {*OF_READINGS}.intersection(wrong)
    causes = [*wrong, *([RETRAIN] if learns else [])]
    if not causes or not api:
        return False
    moment, known = datetime.now(UTC), _told_of(versions.notes().get(_STATE), version)
    recent = {name for name, at in known.items() if moment - datetime.fromisoformat(at) < timedelta(days=days)}
    if not set(causes) - recent:
        return False
    state = {**known, **dict.fromkeys(causes, moment.isoformat(timespec="seconds"))}
    versions.note(_STATE, json.dumps({"version": version.number, "told": state}))
    retrain = RETRAIN in set(causes) - recent
    emit_event(
        ALARM,
        resource={
            "prefect.resource.id": f"{RESOURCE}.{version.model}",
            "prefect.resource.name": version.model,
            "wattcast.version": str(version.number),
            RETRAIN: "yes" if retrain else "no",
        },
        payload={sign.name: sign.found for sign in signs if sign.wrong},
    )
    return True


def _told_of(note: str | None, version: Version) -> dict[str, str]:
    """What was told of this version, and when; nothing of another one's."""
    state = json.loads(note) if note else {}
    return dict(state["told"]) if state.get("version") == version.number else {}
