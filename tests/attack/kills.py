"""Commands killed at random moments: gone on with, each comes to what it would have come to undisturbed."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from contextlib import closing, suppress
from functools import cached_property
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any, ClassVar, NamedTuple

import pandas as pd
from entrances import Tally
from servers import running

from wattcast.tasks.data.simulate import simulate

_SETTINGS = (
    "model.layers=[{units=4}]",
    "window.lookback=6",
    "fit.batch_size=512",
    "fit.epochs=12",
    "fit.patience=12",
    "baselines.lightgbm=false",
)
_MOST = 4  # kills of one attempt
_LONGEST_S = 1200
_PROGRAM = str(Path(sys.executable).with_name("wattcast"))


def _set(*more: str) -> tuple[str, ...]:
    return tuple(f"--set={each}" for each in (*_SETTINGS, *more))


class Expected(NamedTuple):
    """What a command comes to that nobody kills, and how long it takes."""

    outcome: object
    seconds: float


class Kind(ABC):
    """A kind of command, attempted again and again in one folder with one tracking store."""

    def __init__(self, folder: Path) -> None:
        """In an empty `folder`."""
        self.folder = folder

    @abstractmethod
    def prepare(self) -> Expected:
        """Make ready for the next attempt, and say what it shall come to."""

    @abstractmethod
    def command(self) -> tuple[str, ...]:
        """What somebody types who begins it, or whose last command was killed."""

    @abstractmethod
    def outcome(self) -> object:
        """What the attempt has come to."""

    def ended(self) -> bool:
        """Whether it had ended when it was killed, so that nothing is left to go on with."""
        return False

    def look(self) -> None:
        """Look at what stands after a kill; AssertionError where it does not."""
        if self.asked("PRAGMA integrity_check") not in ([("ok",)], []):
            raise AssertionError("the database is not whole")

    def asked(self, question: str, *values: str) -> list[tuple[Any, ...]]:
        """Of MLflow's database; nothing where there is none or it has no tables yet."""
        if not (file := self.folder / "mlflow.db").exists():
            return []
        with closing(sqlite3.connect(file, timeout=60)) as database:
            try:
                return database.execute(question, values).fetchall()
            except sqlite3.OperationalError as error:
                if "no such table" in str(error):
                    return []
                raise

    def finish(self, arguments: tuple[str, ...]) -> str:
        """What a command prints that nobody kills."""
        command = [_PROGRAM, *arguments]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False, timeout=_LONGEST_S)
        if done.returncode:
            raise AssertionError(f"{' '.join(arguments[:4])} ended with {done.returncode}: {done.stderr[-2000:]}")
        return done.stdout

    def timed(self, arguments: tuple[str, ...]) -> float:
        """The seconds that a command takes that nobody kills."""
        began = time.monotonic()
        self.finish(arguments)
        return time.monotonic() - began


class Training(Kind):
    """`wattcast train`, resumed by its run once MLflow knows of it."""

    _BEGUN: ClassVar = ("train", "--quiet", *_set("data=simulated", "fit.members=2"))
    _others: frozenset[str] = frozenset()  # runs of earlier attempts

    @cached_property
    def _expected(self) -> Expected:
        seconds = self.timed(self._BEGUN)
        return Expected(self.outcome(), seconds)

    def prepare(self) -> Expected:
        expected = self._expected
        self._others = frozenset(run for (run,) in self.asked("SELECT run_uuid FROM runs"))
        return expected

    def command(self) -> tuple[str, ...]:
        return ("train", "--quiet", "--resume", *begun) if (begun := self._statuses()) else self._BEGUN

    def ended(self) -> bool:
        return "FINISHED" in self._statuses().values()

    def outcome(self) -> object:
        """The final scores, all digits of them, and the forecasts of all parts."""
        (run,) = self._statuses()
        final = "SELECT key, value FROM latest_metrics WHERE run_uuid = ? AND key NOT LIKE '%seconds%'"
        (artifacts,) = self.folder.glob(f"mlruns/*/{run}/artifacts")
        return dict(self.asked(final, run)), _hashed(pd.read_parquet(artifacts / "forecasts.parquet"))

    def _statuses(self) -> dict[str, str]:
        """The attempt's run and how it stands, once MLflow knows of it."""
        found = self.asked("SELECT run_uuid, status FROM runs")
        return {run: status for run, status in found if run not in self._others}


class Sweep(Kind):
    """`wattcast sweep` with one job at a time, which makes the same trials; each attempt is a study of its own."""

    _number = 0

    @cached_property
    def _expected(self) -> Expected:
        seconds = self.timed(self.command())
        return Expected(self.outcome(), seconds)

    def prepare(self) -> Expected:
        expected = self._expected
        self._number += 1
        return expected

    def command(self) -> tuple[str, ...]:
        """The same command goes on."""
        study = ("--study", f"study{self._number}", "--trials", "6", "--jobs", "1", "--seeds", "2")
        return ("sweep", "--quiet", "--json", *study, *_set("data=simulated", "fit.members=1"))

    def outcome(self) -> object:
        """Best trial and values, and the verdict; trials that died count as failed beside the others."""
        told = json.loads(self.finish(self.command()))
        best = {name: told[name] for name in ("best_trial", "best_rmse", "best_values", "untuned_rmse")}
        return told["counts"]["complete"], told["counts"]["pruned"], best, told["verdict"]


class Retraining(Kind):
    """`wattcast retrain` of a model with a champion, each on newer readings, beside a model that is let be."""

    _CALM, _SHOT = "calm", "shot"
    _FIRST = pd.Timestamp("2016-02-20")

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        simulate().to_csv(folder / "house.csv", index=False)
        self._date = self._FIRST
        for name in (self._CALM, self._SHOT):
            self.finish(self._retrain(name, self._FIRST))

    def prepare(self) -> Expected:
        self._before, self._date = self._told(self._SHOT), self._date + pd.Timedelta(days=1)
        seconds = self.timed(self._retrain(self._CALM, self._date))
        return Expected(self._come_to(self._CALM), seconds)

    def command(self) -> tuple[str, ...]:
        """The same command goes on."""
        return self._retrain(self._SHOT, self._date)

    def look(self) -> None:
        """A champion stands, the old one or the new one, and forecasts; the ledger has lost nothing."""
        super().look()
        told = self._told(self._SHOT)
        if told["ledger"][: len(self._before["ledger"])] != self._before["ledger"]:
            raise AssertionError(f"the ledger has lost what it knew: {told['ledger']}")
        champions = [version["number"] for version in told["versions"] if "champion" in version["aliases"]]
        if len(champions) != 1:
            raise AssertionError(f"champions are the versions {champions}")
        self._forecast(self._SHOT)

    def outcome(self) -> object:
        """Decisions with all digits of their figures, and what the champion forecasts."""
        return self._come_to(self._SHOT)

    def _come_to(self, model: str) -> object:
        told = self._told(model)
        decided = ("number", "action", "version", "why", "figures", "old", "new", "previous")
        ledger = [{name: entry.get(name) for name in decided} for entry in told["ledger"]]
        versions = [(version["number"], version["aliases"]) for version in told["versions"]]
        return ledger, versions, self._forecast(model)

    def _retrain(self, model: str, date: pd.Timestamp) -> tuple[str, ...]:
        settings = _set("data=house.csv", "fit.members=1", "gate.holdout_days=4")
        return ("retrain", "--quiet", "--model-name", model, "--as-of", str(date), *settings)

    def _told(self, model: str) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(self.finish(("models", "--model-name", model, "--json")))
        return told

    def _forecast(self, model: str) -> bytes:
        with TemporaryDirectory() as place:
            output = Path(place) / "forecasts.csv"
            files = ("--input", "house.csv", "--output", str(output))
            self.finish(("forecast", "--quiet", "--every", "--model-name", model, *files))
            made = pd.read_csv(output)
        return _hashed(made.drop(columns=[name for name in ("made_at", "made_by", "model") if name in made]))


KINDS: dict[str, type[Kind]] = {"trainings": Training, "sweeps": Sweep, "retrainings": Retraining}


def attack(kind: type[Kind], seed: int, count: int) -> Tally:
    """At least `count` kills, each at a moment drawn from the whole length of a command; a command is an attempt."""
    tally, draws = Tally(), Random(seed)
    if not count:
        return tally
    with TemporaryDirectory() as place:
        killed = kind(Path(place))
        while count > 0:
            expected = killed.prepare()
            moments = [draws.uniform(0, expected.seconds) for _ in range(draws.randint(1, _MOST))]
            count -= len(moments)
            what = f"killed after {', '.join(f'{each:.1f}' for each in moments)} s of {expected.seconds:.1f}"
            tally.count(lambda moments=moments, expected=expected: _require(killed, moments, expected.outcome), what)
    return tally


def _require(killed: Kind, moments: list[float], expected: object) -> None:
    """Kill one command so long after it was begun or gone on with, each time; then let it end.

    Raises:
        AssertionError: it comes to something else, or something does not stand after a kill.
    """
    for moment in moments:
        ended = _kill(killed, moment)
        killed.look()
        if ended or killed.ended():
            break
    else:
        killed.finish(killed.command())
    if (outcome := killed.outcome()) != expected:
        raise AssertionError(f"{outcome} instead of {expected}")
    if unfinished := killed.asked("SELECT run_uuid FROM runs WHERE status = 'RUNNING'"):
        raise AssertionError(f"runs that nobody ends: {unfinished}")


def _kill(killed: Kind, moment: float) -> bool:
    """Kill the command so long after its beginning; True where it ends before.

    Raises:
        AssertionError: it ends otherwise than well.
    """
    command = [_PROGRAM, *killed.command()]
    with running(command, cwd=killed.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        with suppress(subprocess.TimeoutExpired):
            if code := process.wait(moment):
                raise AssertionError(f"{' '.join(command[1:4])} ended with {code}")
            return True
        os.killpg(process.pid, signal.SIGKILL)
    return False


def _hashed(forecasts: pd.DataFrame) -> bytes:
    return bytes(pd.util.hash_pandas_object(forecasts).to_numpy().tobytes())
