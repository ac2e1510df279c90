"""`wattcast train` killed at random moments: gone on with, it comes to what it would have come to undisturbed."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, suppress
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import pandas as pd
from entrances import Tally
from servers import running

_SETTINGS = (
    "data=simulated",
    "model.layers=[{units=4}]",
    "window.lookback=6",
    "fit.batch_size=512",
    "fit.members=2",
    "fit.epochs=12",
    "fit.patience=12",
    "baselines.lightgbm=false",
)
_TRAIN = ("train", "--quiet", *(part for setting in _SETTINGS for part in ("--set", setting)))
_MOST = 4  # kills of one training
_LONGEST_S = 600


class Outcome(NamedTuple):
    """What a training has come to, by the database and the files that it leaves."""

    metrics: dict[str, float]
    forecasts: bytes


def attack(seed: int, count: int) -> Tally:
    """At least `count` kills, each at a moment drawn from the whole length of a training; a training is an attempt."""
    tally, draws = Tally(), Random(seed)
    if not count:
        return tally
    with TemporaryDirectory() as place:
        folder, began = Path(place), time.monotonic()
        _finish(folder, _TRAIN)
        seconds = time.monotonic() - began
        (first,) = _runs(folder)
        expected = _outcome(folder, first)
        while count > 0:
            moments = [draws.uniform(0, seconds) for _ in range(draws.randint(1, _MOST))]
            count -= len(moments)
            what = f"killed after {', '.join(f'{moment:.1f}' for moment in moments)} s of {seconds:.1f}"
            tally.count(lambda moments=moments: _require_same(folder, moments, expected), what)
    return tally


def _require_same(folder: Path, moments: list[float], expected: Outcome) -> None:
    """Kill one training so long after it was begun or gone on with, each time; then let it end.

    Raises:
        AssertionError: it comes to something else, or the database is not whole.
    """
    others = set(_runs(folder))
    for moment in moments:
        command = [_PROGRAM, *_next(folder, others)]
        with running(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            with suppress(subprocess.TimeoutExpired):
                process.wait(moment)
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
        if "FINISHED" in _statuses(folder, others):
            break
    else:
        _finish(folder, _next(folder, others))
    (run,) = set(_runs(folder)) - others
    if _outcome(folder, run) != expected:
        raise AssertionError(f"{_outcome(folder, run).metrics} instead of {expected.metrics}")
    if _asked(folder, "PRAGMA integrity_check") != [("ok",)]:
        raise AssertionError("the database is not whole")


_PROGRAM = str(Path(sys.executable).with_name("wattcast"))


def _next(folder: Path, others: set[str]) -> tuple[str, ...]:
    """What somebody types whose training was killed: it goes on, if it had got as far as to be known."""
    begun = set(_runs(folder)) - others
    return ("train", "--quiet", "--resume", *begun) if begun else _TRAIN


def _finish(folder: Path, arguments: tuple[str, ...]) -> None:
    command = [_PROGRAM, *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=_LONGEST_S)
    if done.returncode:
        raise AssertionError(f"{' '.join(arguments[:4])} ended with {done.returncode}: {done.stderr[-2000:]}")


def _outcome(folder: Path, run: str) -> Outcome:
    """The final scores, all digits of them, and the forecasts of all parts."""
    final = "SELECT key, value FROM latest_metrics WHERE run_uuid = ? AND key NOT LIKE '%seconds%'"
    (artifacts,) = folder.glob(f"mlruns/*/{run}/artifacts")
    forecasts = pd.read_parquet(artifacts / "forecasts.parquet")
    return Outcome(dict(_asked(folder, final, run)), pd.util.hash_pandas_object(forecasts).to_numpy().tobytes())


def _runs(folder: Path) -> list[str]:
    return [run for (run,) in _asked(folder, "SELECT run_uuid FROM runs")]


def _statuses(folder: Path, others: set[str]) -> set[str]:
    return {status for run, status in _asked(folder, "SELECT run_uuid, status FROM runs") if run not in others}


def _asked(folder: Path, question: str, *values: str) -> list[tuple[Any, ...]]:
    """Of MLflow's database; nothing where it has no tables yet."""
    with closing(sqlite3.connect(folder / "mlflow.db", timeout=60)) as database:
        try:
            return database.execute(question, values).fetchall()
        except sqlite3.OperationalError as error:
            if "no such table" in str(error):
                return []
            raise
