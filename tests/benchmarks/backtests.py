"""A backtest of eight folds: `wattcast backtest` beside a loop over `wattcast train`, one command a fold."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from time import time

import pandas as pd

from tests.benchmarks.settings import Size
from tests.benchmarks.table import Group, Row, Table
from wattcast.flows.experiment.experiment import Experiment
from wattcast.model.split import parts_of_known
from wattcast.tasks.backtest.folds import Folding, Origin
from wattcast.tasks.data.download import download
from wattcast.tasks.data.validate import validate

_WATTCAST = Path(sys.executable).with_name("wattcast")
_STEP, _TRAIN = "7d", "60d"


@dataclass(frozen=True)
class Folded:
    """Seconds of a backtest, by the clock and of all cores."""

    whole: float
    busy: float


def backtest_table(size: Size) -> Table:
    """The recommended network in each fold; the loop does the first half before wattcast's and the second half after.

    Neither fits boosted trees: they take the same time on either side.
    """
    data = "auto" if "WATTCAST_DATA" in os.environ else "simulated"
    origins = _origins(data, size.folds)
    half = len(origins) // 2
    first = _timed([_training(data, size, *origin) for origin in origins[:half]])
    ours = _timed([_backtest(data, size)])
    second = _timed([_training(data, size, *origin) for origin in origins[half:]])
    loop = Folded(first.whole + second.whole, first.busy + second.busy)
    told = "the real file" if data == "auto" else "the simulated house (WATTCAST_DATA is not set)"
    return Table(
        f"{len(origins)} folds of {_STEP}, four networks of up to {size.fold_epochs} epochs and their refit, on {told}",
        ("who", "seconds", "a fold", "ratio", "of all cores", "ratio"),
        (Group((_row("wattcast backtest", ours, ours, size), _row("wattcast train, in a loop", loop, ours, size))),),
        notes=(
            "seconds: of whole commands, with their start, data, the proofs that nothing leaked, baselines, scores and "
            "report; a training of the loop saves a model, too. of all cores: seconds of computing, which other work "
            "on the machine changes less.",
        ),
    )


def _origins(data: str, folds: int) -> list[tuple[str, str, str]]:
    """First time stamps of validation and test part, and the last one, of each fold."""
    ours = Experiment.model_validate({"data": data})
    frame = validate(download(data).frame, ours.readings, window_rows=ours.window.rows).frame
    times = pd.DatetimeIndex(frame.index)
    asked = Folding.read(folds=folds, step=_STEP, window="expanding", train=_TRAIN, gap="0", refit="always")
    made = times[ours.window.lookback - 1 : -1]

    def dates(origin: Origin) -> tuple[str, str, str]:
        known = range(int(times.searchsorted(origin.cut, side="right")))
        _, validation = parts_of_known(known, ours.split.train, ours.split.validation)
        last = int(times.searchsorted(origin.made_at[-1])) + 1
        return str(times[validation.start]), str(times[known.stop]), str(times[last])

    return [dates(origin) for origin in asked.origins(made, times[0], ours.readings.cadence)]


def _settings(data: str, size: Size) -> list[str]:
    options = [f"fit.epochs={size.fold_epochs}", "baselines.lightgbm=false"]
    return ["--quiet", "--data", data, *(word for option in options for word in ("--set", option))]


def _training(data: str, size: Size, validation_from: str, test_from: str, until: str) -> list[str]:
    dates = {"validation_from": validation_from, "test_from": test_from, "until": until}
    split = [word for name, date in dates.items() for word in ("--set", f'split.{name}="{date}"')]
    return ["train", *_settings(data, size), *split]


def _backtest(data: str, size: Size) -> list[str]:
    return ["backtest", *_settings(data, size), "--folds", str(size.folds), "--step", _STEP, "--train", _TRAIN]


def _timed(commands: list[list[str]]) -> Folded:
    """One after another, in a folder of their own."""
    began, before = time(), os.times()
    with tempfile.TemporaryDirectory() as folder:
        for command in commands:
            subprocess.run([str(_WATTCAST), *command], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    after = os.times()
    busy = after.children_user + after.children_system - before.children_user - before.children_system
    return Folded(time() - began, busy)


def _row(name: str, run: Folded, ours: Folded, size: Size) -> Row:
    cells = (run.whole, run.whole / size.folds, run.whole / ours.whole, run.busy, run.busy / ours.busy)
    return (name, *(f"{cell:.1f}" if place != 2 else f"{cell:.2f}" for place, cell in enumerate(cells)))
