"""What a backtest was asked for: its folds, and who stands in it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from pathlib import Path

import pandas as pd

from wattcast.flows.contest.fold import Contest
from wattcast.flows.experiment.experiment import Experiment, preset_names, read_rival
from wattcast.flows.experiment.run_name import recipe_name
from wattcast.flows.prepare import Prepared, divide, read
from wattcast.model.config import Config
from wattcast.model.errors import InputError
from wattcast.model.split import rows_until
from wattcast.model.windows import window_starts
from wattcast.tasks.backtest.contest import Contestant
from wattcast.tasks.backtest.folds import Folding, Span


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

    def contest(self, prepared: Prepared, others: Sequence[Contestant]) -> Contest:
        """Everybody on the readings of `prepared`, and `others` beside the networks.

        Raises:
            InputError: another experiment cannot use these readings.
        """
        networks = {}
        for name, experiment in self.experiments.items():
            if experiment.readings == prepared.experiment.readings:
                networks[name] = prepared.changed(experiment)
            else:
                networks[name] = divide(experiment, read(prepared.raw, experiment))
        return Contest(networks, tuple(others))


def entered(experiment: Experiment, against: Sequence[str]) -> tuple[dict[str, Experiment], tuple[str, ...]]:
    """Experiments by the names of their contestants, the one asked about first, and the names of all others.

    Raises:
        InputError: a preset, a file or a name that cannot be used, or two of one name.
    """
    experiments, others = {recipe_name(experiment): experiment}, []
    for given in against:
        file = Path(given)
        if given in preset_names():
            name, rival = given, read_rival(experiment, preset=given)
        elif file.suffix == ".toml":
            name, rival = file.stem, read_rival(experiment, config=file)
        else:
            others.append(given)
            continue
        if name in experiments:
            raise InputError(f"two contestants are called {name!r}: leave out one, or give its file another name")
        experiments[name] = rival
    return experiments, tuple(others)


def moments(contest: Contest) -> pd.DatetimeIndex:
    """When every network can make a forecast whose whole target is there."""

    def of(prepared: Prepared) -> pd.DatetimeIndex:
        ours, times = prepared.experiment, prepared.all_times
        used = times[: rows_until(times, ours.split)]
        starts, _ = window_starts(used, range(len(used)), ours.readings.cadence, ours.window)
        return used[starts + ours.window.lookback - 1]

    return reduce(lambda one, other: one.intersection(other), map(of, contest.networks.values()))
