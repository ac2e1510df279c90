"""Which version is the champion, how that changes, and the ledger of every decision.

The ledger is what counts: each entry is a tag of the registered model, written under a lock before the aliases move.
A process that dies in between leaves an entry whose aliases the next one sets (`settle`). Readers see the old champion
until the new one is named, and never none.

A process that was taken for dead (a laptop that slept) has lost the lock when it wakes up. It asks for the lock before
each write, but MLflow's writes know no condition: it may fall asleep between the question and the write. Therefore:

* The name of an entry holds its number and when its writer took the lock, so that nobody overwrites an entry. Of two
  with one number the one whose writer took the lock later counts, whenever they were written: for all readers the same.
* Who finds after its writing that the lock is lost takes it anew. If its entry counts, so does its decision; if not, it
  has lost the race, and the aliases are those of the newest entry.
* An alias that was moved too late is set right by the next one who holds the lock. One way is left to an alias that
  the ledger does not know: the sleeper wakes up in the very milliseconds in which another one sets aliases. It is then
  taken for set by hand and written down as such.
"""

from __future__ import annotations

import json
import math
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Literal

from wattcast.model.errors import InputError
from wattcast.tasks.markdown import plain
from wattcast.tasks.registry.lock import Held, LostLockError
from wattcast.tasks.registry.names import CHALLENGER, CHAMPION, PREVIOUS
from wattcast.tasks.registry.versions import PROMOTION, Version, Versions
from wattcast.tasks.tracking.origin import user

LEDGER_FILE = "ledger.json"
"""The artifact that holds the whole ledger as it was at a decision."""
_TAG = "ledger."
_APPLIED, _OWED = "ledger-applied", "none"
_PATIENCE_S = 120.0  # a swap takes well under a second
_LONGEST = 2000  # a tag must fit databases with 5000 characters

Action = Literal["promoted", "refused", "rolled back", "set by hand"]


class LostRaceError(InputError):
    """Another process was quicker: the champion has changed since it was looked at, or the lock was lost."""


@dataclass(frozen=True)
class Swap:
    """Versions: the champion before and after, and the one that a rollback would go back to."""

    old: int | None
    new: int | None
    previous: int | None


@dataclass(frozen=True)
class Entry(Swap):
    """One decision about `version`; figures in its unit."""

    number: int
    when: str
    who: str
    action: Action
    version: int
    why: str
    figures: dict[str, float]

    @property
    def moment(self) -> str:
        """When it was decided, to the minute and with the zone: `2016-05-27 18:00 UTC`."""
        return f"{datetime.fromisoformat(self.when).astimezone(UTC):%Y-%m-%d %H:%M} UTC"

    @property
    def sentence(self) -> str:
        """The decision in words."""
        champion = f"the champion is version {self.new}" if self.new else "there is no champion"
        why = f": {self.why}" if self.why else ""
        return f"{self.moment}: version {self.version} was {self.action}{why}; {champion}."


def ledger(versions: Versions) -> list[Entry]:
    """All decisions that count, the oldest first."""
    notes = versions.notes()
    found = (Entry(**json.loads(notes[name])) for name in sorted(notes) if name.startswith(_TAG))
    return list({entry.number: entry for entry in found}.values())  # of two with one number the later taking


def promote(
    versions: Versions, challenger: Version, *, expected: Version | None, why: str, figures: Mapping[str, float]
) -> Entry:
    """Make `challenger` the champion, if the champion still is `expected`.

    Raises:
        LostRaceError: it is another one by now, or another process decides about it.
    """
    with _deciding(versions) as held:
        old = _champion(versions, held)
        if old != (expected.number if expected else None):
            raise LostRaceError(f"the champion of {versions.model} is version {old} by now")
        return _decide(
            versions, held, "promoted", challenger, Swap(old, challenger.number, old), why=why, figures=figures
        )


def refuse(versions: Versions, challenger: Version, *, why: str, figures: Mapping[str, float]) -> Entry:
    """Write down that the champion stays.

    Raises:
        LostRaceError: another process decides about it by now.
    """
    with _deciding(versions) as held:
        old, before = _champion(versions, held), versions.aliased(PREVIOUS)
        swap = Swap(old, old, before.number if before else None)
        return _decide(versions, held, "refused", challenger, swap, why=why, figures=figures)


def roll_back(versions: Versions, target: Version, *, why: str) -> Entry:
    """Make `target`, which was tested, the champion again; the present champion becomes the previous one.

    Raises:
        InputError: it is the champion already, or another process decides about it by now.
    """
    with _deciding(versions) as held:
        old = _champion(versions, held)
        if old == target.number:
            raise InputError(f"version {old} of {versions.model} is the champion already")
        return _decide(versions, held, "rolled back", target, Swap(old, target.number, old), why=why)


def is_settled(versions: Versions) -> bool:
    """The aliases are what the newest entry says, as far as processes have to do with it."""
    return not _is_owed(versions, ledger(versions))


def settle(versions: Versions) -> bool:
    """Set the aliases that a process which died has left behind; whether there were any."""
    if is_settled(versions):
        return False
    with _deciding(versions) as held:
        return _settle(versions, held, ledger(versions))


@contextmanager
def _deciding(versions: Versions) -> Iterator[Held]:
    """Nobody else decides about the champion meanwhile.

    Raises:
        LostRaceError: this process was taken for dead, and another one decides.
    """
    try:
        with versions.alone(PROMOTION, wait_s=_PATIENCE_S) as held:
            yield held
    except LostLockError as error:
        raise LostRaceError(str(error)) from error


def _champion(versions: Versions, held: Held) -> int | None:
    """The champion's number, to be asked under the lock: what a process left undone is done first.

    Somebody may have moved the alias by hand, in MLflow's UI. That holds, and is written down.
    """
    entries = ledger(versions)
    _settle(versions, held, entries)
    champion = versions.aliased(CHAMPION)
    known = entries[-1].new if entries else None
    if champion and champion.number != known:
        swap = Swap(known, champion.number, known)
        _decide(versions, held, "set by hand", champion, swap, why="the alias was moved in MLflow")
    return champion.number if champion else None


def _decide(
    versions: Versions,
    held: Held,
    action: Action,
    version: Version,
    swap: Swap,
    *,
    why: str,
    figures: Mapping[str, float] = MappingProxyType({}),
) -> Entry:
    """Write an entry, then do what it says, then attach the ledger to the version's run.

    Raises:
        LostLockError: before anything was written.
        LostRaceError: another process that has taken the lock has made the decision with this number.
    """
    entries = ledger(versions)
    entry = Entry(
        number=entries[-1].number + 1 if entries else 1,
        when=datetime.now(UTC).isoformat(timespec="seconds"),
        who=f"{user()}@{socket.gethostname()}",
        action=action,
        version=version.number,
        **asdict(swap),
        why=why[:_LONGEST],
        figures={name: round(value, 4) for name, value in figures.items() if math.isfinite(value)},
    )
    held.require()
    name = f"{_TAG}{entry.number:06}.{1000 * held.taken:.0f}"
    versions.note(name, json.dumps(asdict(entry), ensure_ascii=False))
    try:
        _apply(versions, held, entry)
    except LostLockError as error:
        if not _counts(versions, entry):
            raise LostRaceError(f"another process has decided about {versions.model} meanwhile") from error
    if version.run_id:
        record = [asdict(each) for each in ledger(versions)]
        versions.attach(version.run_id, LEDGER_FILE, json.dumps(record, indent=2) + "\n")
    versions.describe_model(plain(entry.sentence))
    return entry


def _counts(versions: Versions, entry: Entry) -> bool:
    """Whether an entry that may have been written too late is in the ledger: under the lock, so that it stays so."""
    with _deciding(versions) as held:
        entries = ledger(versions)
        _settle(versions, held, entries)
        return entry in entries


def _settle(versions: Versions, held: Held, entries: list[Entry]) -> bool:
    owed = _is_owed(versions, entries)
    if owed:
        _apply(versions, held, entries[-1])
    return owed


def _is_owed(versions: Versions, entries: list[Entry]) -> bool:
    """The newest entry's aliases have not all been set."""
    return bool(entries) and versions.notes().get(_APPLIED) != str(entries[-1].number)


def _apply(versions: Versions, held: Held, entry: Entry) -> None:
    """Set the aliases of an entry, the champion's last; doing it twice is doing it once.

    A version that somebody has deleted in MLflow since gets no alias: the others must not wait for it for ever.

    Raises:
        LostLockError: others set the aliases by now. They are owed again, as the last one here may have come too late.
    """
    there = versions.all()
    numbers = [version.number for version in there]
    names = {alias: version.number for version in there for alias in version.aliases}
    wanted = {PREVIOUS: entry.previous, CHAMPION: entry.new}
    if entry.action == "promoted" and names.get(CHALLENGER) == entry.version:
        wanted[CHALLENGER] = None
    try:
        for alias, meant in wanted.items():
            number = meant if meant in numbers else None
            if names.get(alias) != number:
                held.require()
                versions.name_alias(alias, number)
        held.require()
    except LostLockError:
        versions.note(_APPLIED, _OWED)
        raise
    versions.note(_APPLIED, str(entry.number))
