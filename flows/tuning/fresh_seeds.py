"""The verdict of a sweep: the tuned and the untuned configuration with fresh seeds, scored on the test part.

Over several folds that is a rolling origin: the test part is cut into spans, and for each all is fitted anew on what
lies before it.

K: seeds. N: windows of the test part. L: output length.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from io import BytesIO
from itertools import islice

import numpy as np

from wattcast.flows.contest.fold import FOLD, prove
from wattcast.flows.experiment.experiment import Experiment
from wattcast.flows.prepare import Prepared
from wattcast.flows.tuning.side_by_side import SideBySide, go_on
from wattcast.model.arrays import Floats
from wattcast.model.baseline import fit_baselines
from wattcast.model.errors import InputError
from wattcast.model.fit import Epoch
from wattcast.model.metrics import mae, rmse
from wattcast.tasks.learning.train import train
from wattcast.tasks.step import step
from wattcast.tasks.tracking.past_runs import finished_children, read_file
from wattcast.tasks.tracking.run import Parent, child_run
from wattcast.tasks.tuning.folds import verdict_folds_of
from wattcast.tasks.tuning.verdict import Fold, Verdict, compare_folds

log = logging.getLogger(__name__)

_TRAINING = "training"
"""The tag of a run below a sweep's that tells its training from all others of the study."""
_FORECAST_FILE = "forecast.npy"


@dataclass(frozen=True)
class Configuration:
    """One of the two configurations, on data prepared for it."""

    name: str
    prepared: Prepared
    cores: int
    fold: int | None = None  # its number, where there are several

    @property
    def title(self) -> str:
        """What a run of it is called before its seed."""
        return self.name if self.fold is None else f"{self.name}, fold {self.fold}"

    def params(self, seed: int) -> dict[str, object]:
        """All options of a training with this seed."""
        return self.prepared.experiment.changed({"fit.seed": seed}).flat()

    def training(self, seed: int) -> str:
        """What tells it from all others of a study, which has one data set and one way to cut it."""
        return sha256(json.dumps([self.fold, self.params(seed)]).encode()).hexdigest()[:16]

    def tags(self, seed: int) -> dict[str, str]:
        """What a run of it says."""
        fold = {} if self.fold is None else {FOLD: str(self.fold)}
        return {"verdict": self.name, _TRAINING: self.training(seed), **fold}

    def forecast(self, seed: int, *listeners: Callable[[Epoch], None]) -> Floats:
        """Train as it says, refit and all; `[N, L]` forecasts of the first target on the test part."""
        prepared = self.prepared
        ours, windows = prepared.experiment.changed({"fit.seed": seed}), prepared.windows
        fitted = train(ours.model, ours.fit, windows, prepared.scaler, cores=self.cores, listeners=listeners)
        forecast: Floats = prepared.forecaster(fitted.network).predict(windows.test)[..., 0]
        return forecast


def verdict_folds(prepared: Prepared, count: int) -> tuple[Prepared, ...]:
    """What a verdict over so many folds of the test part may know in each; one fold is `prepared` itself.

    Raises:
        InputError: the test part is too short for them, or one of them knows too little.
    """
    if count == 1:
        return (prepared,)
    day = prepared.experiment.readings.steps_a_day
    made: list[Prepared] = []
    for rows in verdict_folds_of(prepared.rows, prepared.windows.test, count, least=day):
        try:
            made.append(prepared.over(rows))
        except InputError as error:
            raise InputError(f"fold {len(made) + 1} of {count} of the test part: {error}") from None
    return tuple(made)


def train_with_seed(
    configuration: Configuration, seed: int, parent: Parent, *, worker: str, proved: bool = False
) -> Floats:
    """Forecasts `[N, L]` of a training as a run of its own; with `proved`, after the proof that nothing leaked.

    Raises:
        LeakageError: what it reads has changed with what came later.
    """
    go_on(worker)
    prepared, title = configuration.prepared, f"{configuration.title}, seed {seed}"
    params, tags = configuration.params(seed), configuration.tags(seed)
    with child_run(parent, title, worker=worker, params=params, tags=tags) as child:
        if proved:
            prove(child, {configuration.name: prepared})
        forecast = configuration.forecast(seed, child.log_epoch, lambda _: go_on(worker))
        actual = prepared.windows.test.actual[..., 0]
        child.log_metrics({"test_rmse": rmse(actual, forecast), "test_mae": mae(actual, forecast)})
        file = BytesIO()
        np.save(file, forecast)
        child.keep(_FORECAST_FILE, file.getvalue())
    return forecast


train_with_seed_task = step(train_with_seed, task_run_name="{configuration.title} seed {seed}")


def compare_with_fresh_seeds(
    side_by_side: SideBySide,
    parent: Parent,
    folds: Sequence[Prepared],
    tuned: Experiment | None,
    *,
    seeds: Sequence[int],
    cores: int,
    worker: str,
    stop: Callable[[BaseException], None],
    done: Callable[[], None],
) -> Verdict:
    """Train the experiment of `folds` and `tuned`, each with all `seeds` in each fold, and compare them.

    What has been trained below `parent` before is kept. Of several folds each is proved to know nothing of later.
    `stop` is what `SideBySide.run` takes; `done` is told of each training.
    """
    several = len(folds) > 1

    def arms(number: int, prepared: Prepared) -> list[Configuration]:
        fold = number if several else None
        untuned = Configuration("untuned", prepared, cores, fold)
        return [untuned] if tuned is None else [untuned, Configuration("tuned", prepared.changed(tuned), cores, fold)]

    fields = [arms(number, prepared) for number, prepared in enumerate(folds, start=1)]
    every = [configuration for field in fields for configuration in field]
    trainings = [(configuration, seed) for seed in seeds for configuration in every]
    forecasts = _ended_before(parent, trainings)
    if forecasts:
        log.info("%d of %d trainings have ended before and are kept", len(forecasts), len(trainings))
    calls = {
        place: {
            "configuration": configuration,
            "seed": seed,
            "parent": parent,
            "worker": worker,
            "proved": several and seed == seeds[0],
        }
        for place, (configuration, seed) in enumerate(trainings)
        if place not in forecasts
    }
    for _ in forecasts:
        done()
    results = side_by_side.run(train_with_seed_task, list(calls.values()), worker=worker, stop=stop, done=done)
    forecasts |= zip(calls, results, strict=True)
    ordered = [forecasts[place] for place in range(len(trainings))]
    made = (np.stack(ordered[i :: len(every)]) for i in range(len(every)))  # [K, N, L] each
    return compare_folds(
        [_fold(field, list(islice(made, len(field)))) for field in fields],
        seeds=tuple(seeds),
        block=folds[0].experiment.readings.steps_a_day,
        unit=folds[0].unit,
    )


def _ended_before(parent: Parent, trainings: Sequence[tuple[Configuration, int]]) -> dict[int, Floats]:
    """The forecasts `[N, L]` of those that have ended below `parent`, by their places."""
    ended = finished_children(parent, _TRAINING)
    return {
        place: np.load(BytesIO(read_file(parent, ended[training], _FORECAST_FILE)))
        for place, (configuration, seed) in enumerate(trainings)
        if (training := configuration.training(seed)) in ended
    }


def _fold(field: Sequence[Configuration], made: Sequence[Floats]) -> Fold:
    """What both configurations forecast, on the rows that both have; `made` are all forecasts `[K, N, L]` of each."""
    prepared = field[0].prepared
    common = _common([configuration.prepared for configuration in field])
    untuned, *tuned = (forecasts[:, rows] for forecasts, rows in zip(made, common, strict=True))
    test, fitted = prepared.windows.test, fit_baselines(prepared.known)
    return Fold(
        cut=str(prepared.times[prepared.rows.test.start - 1]),
        actual=test.actual[common[0], :, 0].astype(np.float64),
        untuned=untuned,
        tuned=tuned[0] if tuned else None,
        baselines={name: model.predict(test)[common[0], :, 0] for name, model in fitted.items()},
    )


def _common(prepared: Sequence[Prepared]) -> list[np.ndarray]:
    """For each, the test windows that forecast the rows that all of them forecast: a longer lookback may miss some."""
    rows = [one.windows.test.target_rows[:, 0] for one in prepared]
    shared = rows[0]
    for others in rows[1:]:
        shared = np.intersect1d(shared, others)
    return [np.flatnonzero(np.isin(one, shared)) for one in rows]
