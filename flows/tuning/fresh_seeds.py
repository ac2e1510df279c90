"""The verdict of a sweep: the tuned and the untuned configuration with fresh seeds, scored on the test part.

K: seeds. N: windows of the test part. L: output length.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from wattcast.flows.experiment.experiment import Experiment
from wattcast.flows.prepare import Prepared
from wattcast.flows.tuning.side_by_side import SideBySide
from wattcast.model.arrays import Floats
from wattcast.model.baseline import fit_baselines
from wattcast.model.metrics import mae, rmse
from wattcast.tasks.learning.train import train
from wattcast.tasks.step import step
from wattcast.tasks.tracking.run import Parent, child_run
from wattcast.tasks.tuning.verdict import Verdict, compare_seeds


@dataclass(frozen=True)
class Configuration:
    """One of the two configurations, on data prepared for it."""

    name: str
    prepared: Prepared
    cores: int


def train_with_seed(configuration: Configuration, seed: int, parent: Parent, *, worker: str) -> Floats:
    """Train as the configuration says, refit and all; `[N, L]` forecasts of the first target on the test part."""
    prepared = configuration.prepared
    experiment, windows = prepared.experiment.changed({"fit.seed": seed}), prepared.windows
    name, tags = f"{configuration.name}, seed {seed}", {"verdict": configuration.name}
    with child_run(parent, name, worker=worker, params=experiment.flat(), tags=tags) as child:
        fitted = train(
            experiment.model,
            experiment.fit,
            windows,
            prepared.scaler,
            cores=configuration.cores,
            listeners=(child.log_epoch,),
        )
        forecast: Floats = prepared.forecaster(fitted.network).predict(windows.test)[..., 0]
        actual = windows.test.actual[..., 0]
        child.log_metrics({"test_rmse": rmse(actual, forecast), "test_mae": mae(actual, forecast)})
    return forecast


train_with_seed_task = step(train_with_seed, task_run_name="{configuration.name} seed {seed}")


def compare_with_fresh_seeds(
    side_by_side: SideBySide,
    parent: Parent,
    prepared: Prepared,
    tuned: Experiment | None,
    *,
    seeds: Sequence[int],
    cores: int,
    worker: str,
    stop: Callable[[BaseException], None],
    done: Callable[[], None],
) -> Verdict:
    """Train the experiment of `prepared` and `tuned`, each with all `seeds`, and compare them.

    `stop` is what `SideBySide.run` takes; `done` is told of each training.
    """
    configurations = [Configuration("untuned", prepared, cores)]
    if tuned is not None:
        configurations.append(Configuration("tuned", prepared.changed(tuned), cores))
    calls = [
        {"configuration": configuration, "seed": seed, "parent": parent, "worker": worker}
        for seed in seeds
        for configuration in configurations
    ]
    results = side_by_side.run(train_with_seed_task, calls, stop=stop, done=done)
    common = _common([configuration.prepared for configuration in configurations])
    count = len(configurations)
    forecasts = [np.stack(results[i::count])[:, rows] for i, rows in enumerate(common)]  # [K, N, L] each
    test, fitted = prepared.windows.test, fit_baselines(prepared.known)
    baselines = {name: model.predict(test)[common[0], :, 0] for name, model in fitted.items()}
    return compare_seeds(
        test.actual[common[0], :, 0].astype(np.float64),
        forecasts[0],
        forecasts[1] if tuned is not None else None,
        seeds=tuple(seeds),
        baselines=baselines,
        block=prepared.experiment.readings.steps_a_day,
        unit=prepared.unit,
    )


def _common(prepared: Sequence[Prepared]) -> list[np.ndarray]:
    """For each, the test windows that forecast the rows that all of them forecast: a longer lookback may miss some."""
    rows = [one.windows.test.target_rows[:, 0] for one in prepared]
    shared = rows[0]
    for others in rows[1:]:
        shared = np.intersect1d(shared, others)
    return [np.flatnonzero(np.isin(one, shared)) for one in rows]
