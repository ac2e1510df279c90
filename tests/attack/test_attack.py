"""A sample of the long attack, `make attack`: whatever comes in, a result or one message of few words."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import kills
import pytest
from entrances import ENTRANCES, Tally, attack

from wattcast.model.errors import InputError

SAMPLE = {"files": 40, "frames to clean readings": 50, "frames to a forecast": 25, "configurations": 120}


@pytest.mark.parametrize("entrance", ENTRANCES)
def test_whatever_comes_in_gives_a_result_or_one_message_of_few_words(entrance: str) -> None:
    tally = attack(entrance, 0, SAMPLE[entrance])
    assert tally.failures == []
    assert min(tally.results, tally.refused) > 0.03 * tally.attempts


@pytest.mark.parametrize("entrance", ENTRANCES)
def test_equal_seeds_attack_alike(entrance: str) -> None:
    one, other = (attack(entrance, 7, 3) for _ in range(2))
    assert (one.results, one.refused) == (other.results, other.refused)


def test_what_is_neither_is_a_failure() -> None:
    tally = Tally()

    def raising(error: Exception) -> None:
        raise error

    for error in (InputError("short"), InputError("line\n" * 1500), InputError(""), KeyError("deep inside")):
        tally.count(lambda error=error: raising(error), "here")
    tally.count(lambda: None, "here")
    assert (tally.attempts, tally.results, tally.refused, len(tally.failures)) == (5, 1, 1, 3)
    assert "here: KeyError: 'deep inside'" in tally.failures


@pytest.mark.parametrize("kind", kills.KINDS.values())
def test_without_a_kill_nothing_is_begun(kind: type[kills.Kind]) -> None:
    assert kills.attack(kind, 0, 0).attempts == 0


def test_a_killed_training_goes_on_once_mlflow_knows_of_it(tmp_path: Path) -> None:
    """A kill may come before there is a database, before it has tables or a run, and later."""
    training = kills.Training(tmp_path)
    training.look()
    assert "--resume" not in training.command()
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as database, database:
        assert "--resume" not in training.command()
        database.execute("CREATE TABLE runs (run_uuid TEXT, status TEXT)")
        database.executemany("INSERT INTO runs VALUES (?, ?)", [("old", "FINISHED"), ("new", "RUNNING")])
    training._others = frozenset({"old", "new"})
    assert "--resume" not in training.command()
    training._others = frozenset({"old"})
    assert training.command()[-2:] == ("--resume", "new")
    assert not training.ended()
