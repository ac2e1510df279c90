"""The champion and the ledger: decisions, races for the championship, processes that die and people who help out."""

from __future__ import annotations

import getpass
import json
import os
import signal
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from itertools import count, pairwise
from multiprocessing.connection import Connection
from pathlib import Path
from uuid import uuid4

import mlflow
import pytest
from children import Child

from wattcast.model.errors import InputError
from wattcast.tasks.registry import lock
from wattcast.tasks.registry.ledger import LEDGER_FILE, Entry, LostRaceError, ledger, promote, refuse, roll_back, settle
from wattcast.tasks.registry.names import CHALLENGER, CHAMPION, PREVIOUS
from wattcast.tasks.registry.versions import PROMOTION, Version, Versions
from wattcast.tasks.tracking.run import tracked_run

STAND_IN = "artifact_path: model\nflavors:\n  python_function:\n    loader_module: wattcast.model.pyfunc\n"


@pytest.fixture
def versions(workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Versions:
    """A registered model of three versions, none of which is the champion."""
    monkeypatch.setattr(lock, "_POLL_S", 0.1)
    return registered(tmp_path, 3)


def registered(folder: Path, count: int) -> Versions:
    """A registered model that no other test uses, with versions of a model that nobody loads."""
    (folder / "MLmodel").write_text(STAND_IN)
    versions = Versions.open(f"house-{uuid4().hex}")
    versions.client.create_registered_model(versions.model)
    for _ in range(count):
        versions.client.create_model_version(versions.model, str(folder))
    return versions


def crowned(versions: Versions, *numbers: int) -> Version:
    """The last of `numbers` as the champion, after the others were."""
    for number in numbers:
        expected = versions.aliased(CHAMPION)
        promote(versions, versions.find(str(number)), expected=expected, why="it is better", figures={})
    return versions.find(CHAMPION)


def named(versions: Versions) -> dict[str, int]:
    """The aliases."""
    return {alias: version.number for version in versions.all() for alias in version.aliases}


def settled(versions: Versions) -> Versions:
    """The same, with the aliases that the ledger says."""
    settle(versions)
    return versions


def swaps(versions: Versions) -> list[tuple[str, int, int | None, int | None, int | None]]:
    return [(entry.action, entry.version, entry.old, entry.new, entry.previous) for entry in ledger(versions)]


# one decision after the other


def test_the_first_champion_has_no_predecessor(versions: Versions) -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    first = versions.find("1")
    versions.name_alias(CHALLENGER, 1)
    entry = promote(versions, first, expected=None, why="it beats persistence", figures={"rmse": 61.23456, "mae": 30})
    assert named(versions) == {CHAMPION: 1}
    assert before <= datetime.fromisoformat(entry.when) <= datetime.now(UTC)
    assert replace(entry, when="") == Entry(
        old=None,
        new=1,
        previous=None,
        number=1,
        when="",
        who=f"{getpass.getuser()}@{socket.gethostname()}",
        action="promoted",
        version=1,
        why="it beats persistence",
        figures={"rmse": 61.2346, "mae": 30},
    )
    assert ledger(versions) == [entry]


def test_the_next_champion_makes_the_last_one_the_previous(versions: Versions) -> None:
    crowned(versions, 1, 2, 3)
    assert named(versions) == {CHAMPION: 3, PREVIOUS: 2}
    assert swaps(versions) == [
        ("promoted", 1, None, 1, None),
        ("promoted", 2, 1, 2, 1),
        ("promoted", 3, 2, 3, 2),
    ]


def test_a_challenger_that_is_refused_changes_nothing_but_the_ledger(versions: Versions) -> None:
    crowned(versions, 1, 2)
    versions.name_alias(CHALLENGER, 3)
    entry = refuse(versions, versions.find("3"), why="it is worse", figures={"difference": 2.5})
    assert named(versions) == {CHAMPION: 2, PREVIOUS: 1, CHALLENGER: 3}
    assert swaps(versions)[2:] == [("refused", 3, 2, 2, 1)]
    assert (entry.number, entry.why, entry.figures) == (3, "it is worse", {"difference": 2.5})
    assert not settle(versions)


def test_the_first_challenger_may_be_refused(versions: Versions) -> None:
    refuse(versions, versions.find("1"), why="persistence is better", figures={})
    assert named(versions) == {}
    assert swaps(versions) == [("refused", 1, None, None, None)]


def test_only_the_challenger_that_wins_is_no_challenger_any_longer(versions: Versions) -> None:
    versions.name_alias(CHALLENGER, 2)
    crowned(versions, 1)
    assert named(versions) == {CHAMPION: 1, CHALLENGER: 2}
    crowned(versions, 2)
    assert named(versions) == {CHAMPION: 2, PREVIOUS: 1}


def test_a_second_rollback_undoes_the_first(versions: Versions) -> None:
    crowned(versions, 1, 2)
    for champion, previous in ((1, 2), (2, 1)):
        roll_back(versions, versions.find(PREVIOUS), why="the forecasts are odd")
        assert named(versions) == {CHAMPION: champion, PREVIOUS: previous}
    assert swaps(versions)[2:] == [("rolled back", 1, 2, 1, 2), ("rolled back", 2, 1, 2, 1)]


def test_a_rollback_goes_to_any_version(versions: Versions) -> None:
    crowned(versions, 1, 2, 3)
    roll_back(versions, versions.find("1"), why="")
    assert named(versions) == {CHAMPION: 1, PREVIOUS: 3}


def test_a_rollback_to_the_champion_is_refused(versions: Versions) -> None:
    champion = crowned(versions, 1, 2)
    before = ledger(versions)
    with pytest.raises(InputError, match=f"version 2 of {versions.model} is the champion already"):
        roll_back(versions, champion, why="")
    assert (named(versions), ledger(versions)) == ({CHAMPION: 2, PREVIOUS: 1}, before)


def test_the_ledger_lies_in_the_run_of_each_version_that_was_decided_about(versions: Versions, tmp_path: Path) -> None:
    with tracked_run("training", params={}, tags={}) as run:
        pass
    made = versions.client.create_model_version(versions.model, str(tmp_path), run.run_id)
    crowned(versions, 1, int(made.version))
    refuse(versions, versions.find("2"), why="it is worse", figures={"rmse": 60.5})
    written = json.loads(mlflow.artifacts.load_text(f"runs:/{run.run_id}/{LEDGER_FILE}"))
    assert written == [asdict(entry) for entry in ledger(versions)[:2]]
    roll_back(versions, versions.find("1"), why="")
    refuse(versions, versions.find(str(made.version)), why="it is older", figures={})
    written = json.loads(mlflow.artifacts.load_text(f"runs:/{run.run_id}/{LEDGER_FILE}"))
    assert written == [asdict(entry) for entry in ledger(versions)]
    assert [entry["number"] for entry in written] == [1, 2, 3, 4, 5]


def test_a_long_reason_is_cut_so_that_any_database_holds_it(versions: Versions) -> None:
    entry = promote(versions, versions.find("1"), expected=None, why="x" * 9000, figures={})
    assert entry.why == "x" * 2000
    assert ledger(versions) == [entry]
    assert all(len(note) < 5000 for note in versions.notes().values())


# races


def test_who_has_judged_against_another_champion_changes_nothing(versions: Versions) -> None:
    stale = crowned(versions, 1)
    crowned(versions, 2)
    before = ledger(versions)
    for expected in (stale, None, versions.find("3")):
        with pytest.raises(LostRaceError, match=f"the champion of {versions.model} is version 2 by now"):
            promote(versions, versions.find("3"), expected=expected, why="", figures={})
    assert (named(versions), ledger(versions)) == ({CHAMPION: 2, PREVIOUS: 1}, before)


def test_who_expects_a_champion_where_there_is_none_changes_nothing(versions: Versions) -> None:
    with pytest.raises(LostRaceError, match="is version None by now"):
        promote(versions, versions.find("1"), expected=versions.find("2"), why="", figures={})
    assert (named(versions), ledger(versions)) == ({}, [])


def race(wire: Connection, model: str, numbers: Sequence[str]) -> None:
    """In a process of its own: each number is a challenger with a thread."""
    versions = Versions.open(model)

    def attempt(number: str) -> tuple[int, int | None, bool]:
        champion = versions.aliased(CHAMPION)
        try:
            promote(versions, versions.find(number), expected=champion, why="", figures={})
            won = True
        except LostRaceError:
            won = False
        return int(number), champion.number if champion else None, won

    wire.send("ready")
    wire.recv()
    with ThreadPoolExecutor(4) as pool:
        wire.send(list(pool.map(attempt, numbers)))


def test_of_many_that_have_judged_against_one_champion_one_wins(workspace: Path, tmp_path: Path) -> None:
    """Two processes of four threads each, each with a challenger of its own."""
    versions = registered(tmp_path, 8)
    children = [Child.of(race, versions.model, numbers) for numbers in ("1234", "5678")]
    assert [child.wire.recv() for child in children] == ["ready"] * 2
    for child in children:
        child.wire.send("go")
    attempts = [attempt for child in children for attempt in child.last_word()]
    entries = ledger(versions)
    assert [entry.number for entry in entries] == list(range(1, len(entries) + 1))
    assert {entry.action for entry in entries} == {"promoted"}
    assert [entry.old for entry in entries] == [None, *(entry.new for entry in entries[:-1])]
    assert [entry.previous for entry in entries] == [entry.old for entry in entries]
    won = {expected: number for number, expected, has_won in attempts if has_won}
    assert won == {entry.old: entry.new for entry in entries}
    assert len(won) == len(entries) < len(attempts) == 8  # some were in each other's way
    assert {expected for _, expected, _ in attempts} == won.keys()  # and then one of them has won
    champion, previous = (versions.aliased(alias) for alias in (CHAMPION, PREVIOUS))
    assert champion is not None
    assert (champion.number, previous and previous.number) == (entries[-1].new, entries[-1].old)


def test_decisions_of_all_kinds_at_once_are_all_written_down(versions: Versions) -> None:
    crowned(versions, 1, 2)

    def decide(place: int) -> Entry:
        if place % 2:
            return refuse(versions, versions.find("3"), why=str(place), figures={})
        while True:
            try:
                return roll_back(versions, versions.find(PREVIOUS), why=str(place))
            except InputError:  # the one that was the previous is the champion by now
                pass

    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(decide, range(8)))
    entries = ledger(versions)
    assert [entry.number for entry in entries] == list(range(1, 11))
    assert sorted(made, key=lambda entry: entry.number) == entries[2:]
    assert all(entry.old == before.new for before, entry in pairwise(entries))
    assert named(versions) == {CHAMPION: 2, PREVIOUS: 1}  # rolled back four times


# processes that die


@dataclass(frozen=True)
class Next:
    """What the next process does, and what it finds done."""

    act: Callable[[Versions], object]
    swaps: Sequence[tuple[str, int, int | None, int | None, int | None]]
    names: Mapping[str, int]


NEXT = {
    "settle": Next(settle, [], {CHAMPION: 2, PREVIOUS: 1}),
    "promote": Next(
        lambda versions: promote(versions, versions.find("3"), expected=versions.find("2"), why="", figures={}),
        [("promoted", 3, 2, 3, 2)],
        {CHAMPION: 3, PREVIOUS: 2},
    ),
    "refuse": Next(
        lambda versions: refuse(versions, versions.find("3"), why="", figures={}),
        [("refused", 3, 2, 2, 1)],
        {CHAMPION: 2, PREVIOUS: 1},
    ),
    "roll back": Next(
        lambda versions: roll_back(versions, versions.find("1"), why=""),
        [("rolled back", 1, 2, 1, 2)],
        {CHAMPION: 1, PREVIOUS: 2},
    ),
}


@pytest.mark.parametrize("after", NEXT.values(), ids=NEXT)
def test_what_a_process_could_not_finish_is_finished_by_the_next_one(after: Next, versions: Versions) -> None:
    """The entry is written, and Ctrl-C comes before any alias is set."""

    class Interrupted(Versions):
        def name_alias(self, alias: str, number: int | None) -> None:
            raise KeyboardInterrupt

    crowned(versions, 1)
    versions.name_alias(CHALLENGER, 2)
    interrupted = Interrupted(versions.client, versions.model)
    with pytest.raises(KeyboardInterrupt):
        crowned(interrupted, 2)
    assert named(versions) == {CHAMPION: 1, CHALLENGER: 2}
    after.act(versions)
    assert swaps(versions) == [("promoted", 1, None, 1, None), ("promoted", 2, 1, 2, 1), *after.swaps]
    assert named(versions) == after.names
    assert not settle(versions)


def promote_and_die(wire: Connection, model: str, life: int) -> None:
    """In a process of its own: killed before the write that comes after `life` others."""
    left = life

    class Mortal(Versions):
        def live(self) -> None:
            nonlocal left
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)
            left -= 1

        def name_alias(self, alias: str, number: int | None) -> None:
            self.live()
            super().name_alias(alias, number)

        def note(self, name: str, value: str) -> None:
            self.live()
            super().note(name, value)

    versions = Mortal.open(model)
    promote(versions, versions.find("2"), expected=versions.find("1"), why="", figures={})


def test_a_process_may_be_killed_at_any_write(workspace: Path, tmp_path: Path) -> None:
    """There is a champion all the time, and the lock of the dead is in nobody's way."""
    cases = [registered(tmp_path, 3) for _ in range(6)]
    for versions in cases:
        crowned(versions, 1)
        versions.name_alias(CHALLENGER, 2)
    children = [Child.of(promote_and_die, versions.model, life) for life, versions in enumerate(cases)]
    assert [child.end() for child in children] == [-signal.SIGKILL] * 5 + [0]
    found = []
    for versions in cases:
        found.append((len(ledger(versions)), named(versions)))
        settled = settle(versions)
        found.append((settled, named(versions)))
        assert not settle(versions)
        if not settled:  # nobody has needed the lock since
            crowned(versions, 3)
        assert [entry.number for entry in ledger(versions)] == list(range(1, len(ledger(versions)) + 1))
    old, new = {CHAMPION: 1, CHALLENGER: 2}, {CHAMPION: 2, PREVIOUS: 1}
    assert found == [
        *[(1, old), (False, old)],  # killed before the entry is written: nothing has happened
        *[(2, old), (True, new)],  # before the previous one,
        *[(2, {**old, PREVIOUS: 1}), (True, new)],  # the champion
        *[(2, {**new, CHALLENGER: 2}), (True, new)],  # and the challenger is named,
        *[(2, new), (True, new)],  # and before it is written that all were
        *[(2, new), (False, new)],
    ]


# processes that are taken for dead, and wake up


def asleep(versions: Versions, nap: str, meanwhile: Callable[[], object]) -> Versions:
    """The same, but asleep at its write `nap`, such as "before 2": it loses the lock, and `meanwhile` happens."""
    writes = count()

    @contextmanager
    def write() -> Iterator[None]:
        number = next(writes)
        sleep(f"before {number}")
        yield
        sleep(f"after {number}")

    def sleep(moment: str) -> None:
        if moment == nap:
            name = f"{versions.model}.{PROMOTION}"
            holder = lock.holder_of(versions.client, name)
            assert holder is not None
            lock._break(versions.client, name, holder)
            meanwhile()

    class Sleeper(Versions):
        def name_alias(self, alias: str, number: int | None) -> None:
            with write():
                super().name_alias(alias, number)

        def note(self, name: str, value: str) -> None:
            with write():
                super().note(name, value)

    return Sleeper(versions.client, versions.model)


@pytest.mark.parametrize("nap", [*(f"before {number}" for number in range(5)), "after 0"])
def test_who_wakes_up_at_any_write_takes_nothing_from_another_decision(nap: str, versions: Versions) -> None:
    """The entry, three aliases, and that they are set: another process decides right before a write, or after it."""
    champion = crowned(versions, 1)
    versions.name_alias(CHALLENGER, 2)
    theirs: list[Entry] = []

    def meanwhile() -> None:
        crowned(settled(versions), 3)
        theirs.append(ledger(versions)[-1])

    sleeper = asleep(versions, nap, meanwhile)
    if nap == "before 0":
        with pytest.raises(LostRaceError, match=f"another process has decided about {versions.model} meanwhile"):
            promote(sleeper, versions.find("2"), expected=champion, why="", figures={})
        assert swaps(versions)[1:] == [("promoted", 3, 1, 3, 1)]
        names = {CHAMPION: 3, PREVIOUS: 1, CHALLENGER: 2}
    else:
        mine = promote(sleeper, versions.find("2"), expected=champion, why="", figures={})
        assert ledger(versions)[1:] == [mine, *theirs]
        assert swaps(versions)[1:] == [("promoted", 2, 1, 2, 1), ("promoted", 3, 2, 3, 2)]
        names = {CHAMPION: 3, PREVIOUS: 2}
    assert ledger(versions)[-1] == theirs[0]
    assert named(versions) == names
    assert settle(versions) == (nap == "before 4")  # a mark that came too late is set right by doing it once more
    assert named(versions) == names


@pytest.mark.parametrize("nap", ["before 0", "before 2"])
def test_who_wakes_up_when_nobody_has_decided_anything_goes_on(nap: str, versions: Versions) -> None:
    champion = crowned(versions, 1)
    sleeper = asleep(versions, nap, lambda: settle(versions))
    mine = promote(sleeper, versions.find("2"), expected=champion, why="", figures={})
    assert ledger(versions)[1:] == [mine]
    assert named(versions) == {CHAMPION: 2, PREVIOUS: 1}
    assert not settle(versions)


def test_who_wakes_up_before_it_has_decided_writes_nothing(versions: Versions) -> None:
    """It finds out what the lock's next holder has left undone, and is about to do that."""

    class Interrupted(Versions):
        def name_alias(self, alias: str, number: int | None) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        crowned(Interrupted(versions.client, versions.model), 1)
    sleeper = asleep(versions, "before 0", lambda: crowned(settled(versions), 2))
    with pytest.raises(LostRaceError, match=f"{versions.model}.promotion was taken by another process while this one"):
        promote(sleeper, versions.find("3"), expected=versions.find("1"), why="", figures={})
    assert swaps(versions) == [("promoted", 1, None, 1, None), ("promoted", 2, 1, 2, 1)]
    settle(versions)
    assert named(versions) == {CHAMPION: 2, PREVIOUS: 1}


def test_an_entry_that_was_written_too_late_counts_for_nobody(versions: Versions) -> None:
    """Its writer has died before it could find that out."""
    crowned(versions, 1, 3)
    before = ledger(versions)
    late = replace(before[1], version=2, new=2)
    versions.note("ledger.000002.1000000000000", json.dumps(asdict(late)))
    assert ledger(versions) == before
    assert not settle(versions)
    crowned(versions, 2)
    assert swaps(versions)[2:] == [("promoted", 2, 3, 2, 3)]


# people who move aliases by hand


def test_an_alias_that_was_moved_by_hand_holds_and_is_written_down(versions: Versions) -> None:
    stale = crowned(versions, 1)
    versions.client.set_registered_model_alias(versions.model, CHAMPION, "3")
    with pytest.raises(LostRaceError, match="is version 3 by now"):
        promote(versions, versions.find("2"), expected=stale, why="", figures={})
    assert named(versions) == {CHAMPION: 3, PREVIOUS: 1}
    assert swaps(versions)[1:] == [("set by hand", 3, 1, 3, 1)]
    crowned(versions, 2)
    assert named(versions) == {CHAMPION: 2, PREVIOUS: 3}
    assert swaps(versions)[2:] == [("promoted", 2, 3, 2, 3)]


@pytest.mark.parametrize("action", ["refuse", "roll back"])
def test_whatever_is_decided_next_what_was_done_by_hand_comes_first(action: str, versions: Versions) -> None:
    crowned(versions, 1, 2)
    versions.client.set_registered_model_alias(versions.model, CHAMPION, "3")
    if action == "refuse":
        refuse(versions, versions.find("1"), why="", figures={})
        expected = ("refused", 1, 3, 3, 2)
    else:
        roll_back(versions, versions.find("1"), why="")
        expected = ("rolled back", 1, 3, 1, 3)
    assert swaps(versions)[2:] == [("set by hand", 3, 2, 3, 2), expected]


def test_a_first_champion_may_be_named_by_hand(versions: Versions) -> None:
    versions.client.set_registered_model_alias(versions.model, CHAMPION, "2")
    crowned(versions, 3)
    assert swaps(versions) == [("set by hand", 2, None, 2, None), ("promoted", 3, 2, 3, 2)]
    assert named(versions) == {CHAMPION: 3, PREVIOUS: 2}


def test_a_champion_that_was_taken_away_by_hand_is_not_brought_back(versions: Versions) -> None:
    stale = crowned(versions, 1, 2)
    versions.client.delete_registered_model_alias(versions.model, CHAMPION)
    with pytest.raises(LostRaceError, match="is version None by now"):
        promote(versions, versions.find("3"), expected=stale, why="", figures={})
    crowned(versions, 3)
    assert named(versions)[CHAMPION] == 3


def test_a_version_that_was_deleted_is_in_nobodys_way(versions: Versions) -> None:
    """The old champion is gone from MLflow, and so cannot be the previous one."""
    crowned(versions, 1)
    versions.client.set_registered_model_alias(versions.model, CHAMPION, "2")
    versions.client.delete_model_version(versions.model, "1")
    crowned(versions, 3)
    assert swaps(versions)[1:] == [("set by hand", 2, 1, 2, 1), ("promoted", 3, 2, 3, 2)]
    assert named(versions) == {CHAMPION: 3, PREVIOUS: 2}


def test_the_previous_champion_is_forgotten_with_its_version(versions: Versions) -> None:
    crowned(versions, 1, 2)
    versions.client.delete_model_version(versions.model, "1")
    refuse(versions, versions.find("3"), why="", figures={})
    assert swaps(versions)[2:] == [("refused", 3, 2, 2, None)]
    with pytest.raises(InputError, match="has no version 'previous'"):
        versions.find(PREVIOUS)


def test_a_user_without_a_name_may_decide(versions: Versions, monkeypatch: pytest.MonkeyPatch) -> None:
    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found: 12345")

    monkeypatch.setattr("getpass.getuser", nameless)
    crowned(versions, 1)
    assert ledger(versions)[0].who == f"unknown@{socket.gethostname()}"


def test_the_model_is_described_by_its_newest_decision_unless_somebody_has_done_so(versions: Versions) -> None:
    crowned(versions, 1)
    entry = refuse(versions, versions.find("2"), why="of <i>it</i>, worse", figures={})
    described = versions.client.get_registered_model(versions.model).description
    said = rf"{entry.moment}: version 2 was refused: of \<i>it\</i>, worse; the champion is version 1."
    assert described.endswith(said)
    assert entry.moment == f"{entry.when[:10]} {entry.when[11:16]} UTC"
    versions.client.update_registered_model(versions.model, "Ours, in the basement.")
    crowned(versions, 3)
    assert versions.client.get_registered_model(versions.model).description == "Ours, in the basement."
