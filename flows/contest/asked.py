"""What a backtest was asked for: its folds, and who stands in it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import reduce
from pathlib import Path

import pandas as pd

from wattcast.flows.contest.fold import Contest
from wattcast.flows.experiment.experiment import Experiment, read_rival
from wattcast.flows.experiment.offered import preset_names
from wattcast.flows.experiment.run_name import recipe_name
from wattcast.flows.prepare import Prepared, divide, read
from wattcast.model.cells import shown
from wattcast.model.config import Config
from wattcast.model.errors import InputError
from wattcast.model.readings import nearest
from wattcast.model.split import rows_until
from wattcast.model.windows import make_windows
from wattcast.tasks.backtest.against import BASELINES, NAMES, baselines, find_contestant
from wattcast.tasks.backtest.contest import Contestant
from wattcast.tasks.backtest.folds import Folding
from wattcast.tasks.backtest.known import Span

log = logging.getLogger(__name__)


class Asked(Config):
    """All that is needed to go on with a backtest: the same folds of the same contestants."""

    experiments: dict[str, Experiment]  # the one that was asked about first
    others: tuple[str, ...]
    folds: int
    step: str
    window: Span
    train: str
    gap: str
    refit: str

    @property
    def experiment(self) -> Experiment:
        """The one that was asked about."""
        return next(iter(self.experiments.values()))

    @property
    def folding(self) -> Folding:
        """How the readings are folded.

        Raises:
            InputError: as was asked, they cannot be.
        """
        return Folding.read(
            folds=self.folds, step=self.step, window=self.window, train=self.train, gap=self.gap, refit=self.refit
        )

    def contest(self, prepared: Prepared) -> Contest:
        """Everybody on the readings of `prepared`.

        Raises:
            InputError: another experiment cannot use these readings.
        """
        networks = {}
        for name, experiment in self.experiments.items():
            if experiment.readings == prepared.experiment.readings:
                networks[name] = prepared.changed(experiment)
            else:
                networks[name] = divide(experiment, read(prepared.raw, experiment))
        return Contest(networks, tuple(found for name in self.others if (found := find_contestant(name))))


def entered(experiment: Experiment, against: Sequence[str]) -> tuple[dict[str, Experiment], tuple[str, ...]]:
    """Experiments by the names of their contestants, the one asked about first, and the names of what is no network.

    Raises:
        InputError: a preset, a file or a name that cannot be used, or two of one name.
    """
    experiments, others = {recipe_name(experiment): experiment}, [each.name for each in _baselines(experiment)]
    for given in against:
        if given in preset_names():
            name, rival = given, read_rival(experiment, preset=given)
        elif given.endswith(".toml"):
            name, rival = Path(given).stem, read_rival(experiment, config=given)
        elif found := find_contestant(given):
            others += [] if found.name in others else [found.name]
            continue
        else:
            hint = nearest(given, [*preset_names(), *BASELINES])
            raise InputError(
                f"nobody in a backtest is called {shown(given)}{hint or '.'} Presets: {', '.join(preset_names())}; "
                f"a TOML file; or {', '.join(NAMES)}"
            )
        if name in experiments or name in others:
            raise InputError(f"two contestants are called {name!r}: leave out one, or give its file another name")
        experiments[name] = rival
    return experiments, tuple(others)


def _baselines(experiment: Experiment) -> Sequence[Contestant]:
    found, absent = baselines(lightgbm=experiment.baselines.lightgbm)
    if absent:
        log.warning("%s", absent)
    return found


def moments(contest: Contest) -> pd.DatetimeIndex:
    """When every network can make a forecast whose whole target is there."""

    def of(prepared: Prepared) -> pd.DatetimeIndex:
        ours, series = prepared.experiment, prepared.windows.test.series
        rows = rows_until(series.times, ours.split)
        windows = make_windows(series, range(rows), ours.readings.cadence, ours.window)
        return series.times[windows.newest_row]

    return reduce(lambda one, other: one.intersection(other), map(of, contest.networks.values()))
