"""Which version is the champion, how that changes, and the ledger of every decision.

The ledger is what counts: each entry is a tag of the registered model, written under a lock before the aliases move.
A process that dies in between leaves an entry whose aliases the next one sets (`settle`). Readers see the old champion
until the new one is named, and never none.
"""

from __future__ import annotations

import json
import math
import socket
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Literal

from wattcast.model.errors import InputError
from wattcast.tasks.registry.names import CHALLENGER, CHAMPION, PREVIOUS
from wattcast.tasks.registry.versions import PROMOTION, Version, Versions
from wattcast.tasks.tracking.origin import user

LEDGER_FILE = "ledger.json"
"""The artifact that holds the whole ledger as it was at a decision."""
_TAG = "ledger."
_APPLIED = "ledger-applied"
_PATIENCE_S = 120.0  # a swap takes well under a second
_LONGEST = 2000  # a tag must fit databases with 5000 characters

Action = Literal["promoted", "refused", "rolled back", "set by hand"]


class LostRaceError(RuntimeError):
    """The champion has changed since it was looked at."""


@dataclass(frozen=True)
class Swap:
    """Versions: the champion before and after, and the one that a rollback would go back to."""

    old: int | None
    new: int | None
    previous: int | None


@dataclass(frozen=True)
class Entry(Swap):
    """One decision about `version`; figures in Wh."""

    number: int
    when: str
    who: str
    action: Action
    version: int
    why: str
    figures: dict[str, float]


def ledger(versions: Versions) -> list[Entry]:
    """All decisions, the oldest first."""
    notes = versions.notes()
    return [Entry(**json.loads(notes[name])) for name in sorted(notes) if name.startswith(_TAG)]


def promote(
    versions: Versions, challenger: Version, *, expected: Version | None, why: str, figures: Mapping[str, float]
) -> Entry:
    """Make `challenger` the champion, if the champion still is `expected`.

    Raises:
        LostRaceError: it is another one by now.
    """
    with versions.alone(PROMOTION, wait_s=_PATIENCE_S):
        old = _champion(versions)
        if old != (expected.number if expected else None):
            raise LostRaceError(f"the champion of {versions.model} is version {old} by now")
        return _decide(versions, "promoted", challenger, Swap(old, challenger.number, old), why=why, figures=figures)


def refuse(versions: Versions, challenger: Version, *, why: str, figures: Mapping[str, float]) -> Entry:
    """Write down that the champion stays."""
    with versions.alone(PROMOTION, wait_s=_PATIENCE_S):
        old, before = _champion(versions), versions.aliased(PREVIOUS)
        swap = Swap(old, old, before.number if before else None)
        return _decide(versions, "refused", challenger, swap, why=why, figures=figures)


def roll_back(versions: Versions, target: Version, *, why: str) -> Entry:
    """Make `target`, which was tested, the champion again; the present champion becomes the previous one.

    Raises:
        InputError: it is the champion already.
    """
    with versions.alone(PROMOTION, wait_s=_PATIENCE_S):
        old = _champion(versions)
        if old == target.number:
            raise InputError(f"version {old} of {versions.model} is the champion already")
        return _decide(versions, "rolled back", target, Swap(old, target.number, old), why=why)


def is_settled(versions: Versions) -> bool:
    """The aliases are what the newest entry says, as far as processes have to do with it."""
    return not _is_owed(versions, ledger(versions))


def settle(versions: Versions) -> bool:
    """Set the aliases that a process which died has left behind; whether there were any."""
    if is_settled(versions):
        return False
    with versions.alone(PROMOTION, wait_s=_PATIENCE_S):
        return _settle(versions, ledger(versions))


def _champion(versions: Versions) -> int | None:
    """The champion's number, to be asked under the lock: what a process left undone is done first.

    Somebody may have moved the alias by hand, in MLflow's UI. That holds, and is written down.
    """
    entries = ledger(versions)
    _settle(versions, entries)
    champion = versions.aliased(CHAMPION)
    known = entries[-1].new if entries else None
    if champion and champion.number != known:
        swap = Swap(known, champion.number, known)
        _decide(versions, "set by hand", champion, swap, why="the alias was moved in MLflow")
    return champion.number if champion else None


def _decide(
    versions: Versions,
    action: Action,
    version: Version,
    swap: Swap,
    *,
    why: str,
    figures: Mapping[str, float] = MappingProxyType({}),
) -> Entry:
    """Write an entry, then do what it says, then attach the ledger to the version's run."""
    entry = Entry(
        number=len(ledger(versions)) + 1,
        when=datetime.now(UTC).isoformat(timespec="seconds"),
        who=f"{user()}@{socket.gethostname()}",
        action=action,
        version=version.number,
        **asdict(swap),
        why=why[:_LONGEST],
        figures={name: round(value, 4) for name, value in figures.items() if math.isfinite(value)},
    )
    versions.note(f"{_TAG}{entry.number:06}", json.dumps(asdict(entry), ensure_ascii=False))
    _apply(versions, entry)
    if version.run_id:
        record = [asdict(each) for each in ledger(versions)]
        versions.attach(version.run_id, LEDGER_FILE, json.dumps(record, indent=2) + "\n")
    return entry


def _settle(versions: Versions, entries: list[Entry]) -> bool:
    owed = _is_owed(versions, entries)
    if owed:
        _apply(versions, entries[-1])
    return owed


def _is_owed(versions: Versions, entries: list[Entry]) -> bool:
    """The newest entry's aliases have not all been set."""
    return bool(entries) and versions.notes().get(_APPLIED) != str(entries[-1].number)


def _apply(versions: Versions, entry: Entry) -> None:
    """Set the aliases of an entry, the champion's last; doing it twice is doing it once.

    A version that somebody has deleted in MLflow since gets no alias: the others must not wait for it for ever.
    """
    there = versions.all()
    numbers = [version.number for version in there]
    names = {alias: version.number for version in there for alias in version.aliases}
    wanted = {PREVIOUS: entry.previous, CHAMPION: entry.new}
    if entry.action == "promoted" and names.get(CHALLENGER) == entry.version:
        wanted[CHALLENGER] = None
    for alias, meant in wanted.items():
        number = meant if meant in numbers else None
        if names.get(alias) != number:
            versions.name_alias(alias, number)
    versions.note(_APPLIED, str(entry.number))
