"""The verdict of a sweep: the tuned and the untuned configuration with fresh seeds, scored on the test part.

K: seeds. N: windows of the test part. L: output length.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from wattcast.flows.experiment.experiment import Experiment
from wattcast.flows.prepare import Prepared
from wattcast.flows.tuning.side_by_side import Crew
from wattcast.model.arrays import Floats
from wattcast.model.baseline import fit_baselines
from wattcast.model.metrics import mae, rmse
from wattcast.tasks.learning.train import train
from wattcast.tasks.step import step
from wattcast.tasks.tracking.run import Parent, child_run
from wattcast.tasks.tuning.verdict import Verdict, judge


@dataclass(frozen=True)
class Contender:
    """One of the two configurations, on data prepared for it."""

    name: str
    experiment: Experiment
    prepared: Prepared
    cores: int


def contend(contender: Contender, seed: int, parent: Parent, *, worker: str) -> Floats:
    """Train as the configuration says, refit and all; `[N, L]` forecasts of the first target on the test part, Wh."""
    experiment = contender.experiment.changed({"fit.seed": seed})
    windows = contender.prepared.windows
    name, tags = f"{contender.name}, seed {seed}", {"verdict": contender.name}
    with child_run(parent, name, worker=worker, params=experiment.flat(), tags=tags) as child:
        fitted = train(
            experiment.model,
            experiment.fit,
            windows,
            contender.prepared.scaler,
            cores=contender.cores,
            listeners=(child.log_epoch,),
        )
        forecast: Floats = contender.prepared.forecaster(fitted.network).predict(windows.test)[..., 0]
        actual = windows.test.actual[..., 0]
        child.log_metrics({"test_rmse": rmse(actual, forecast), "test_mae": mae(actual, forecast)})
    return forecast


contend_task = step(contend).with_options(task_run_name="{contender.name} seed {seed}")


def hold_contest(
    crew: Crew,
    parent: Parent,
    experiment: Experiment,
    tuned: Experiment | None,
    prepared: Prepared,
    *,
    seeds: Sequence[int],
    cores: int,
    worker: str,
    stop: Callable[[BaseException], None],
    done: Callable[[], None],
) -> Verdict:
    """Train `experiment` and `tuned`, each with all `seeds`, and compare them; `done` is told of each training.

    `stop` is what `Crew.run` takes.
    """
    contenders = [Contender("untuned", experiment, prepared, cores)]
    if tuned is not None:
        contenders.append(Contender("tuned", tuned, prepared.changed(tuned), cores))
    calls = [
        {"contender": contender, "seed": seed, "parent": parent, "worker": worker}
        for seed in seeds
        for contender in contenders
    ]
    results = crew.run(contend_task, calls, stop=stop, done=done)
    common = _common([contender.prepared for contender in contenders])
    forecasts = [np.stack(results[i :: len(contenders)])[:, rows] for i, rows in enumerate(common)]  # [K, N, L] each
    windows = prepared.windows
    known = prepared.known
    baselines = {name: model.predict(windows.test)[common[0], :, 0] for name, model in fit_baselines(known).items()}
    return judge(
        windows.test.actual[common[0], :, 0].astype(np.float64),
        forecasts[0],
        forecasts[1] if tuned is not None else None,
        seeds=tuple(seeds),
        baselines=baselines,
        block=experiment.readings.steps_a_day,
    )


def _common(prepared: Sequence[Prepared]) -> list[np.ndarray]:
    """For each, the test windows that forecast the rows that all of them forecast: a longer lookback may miss some."""
    rows = [one.windows.test.target_rows[:, 0] for one in prepared]
    shared = rows[0]
    for others in rows[1:]:
        shared = np.intersect1d(shared, others)
    return [np.flatnonzero(np.isin(one, shared)) for one in rows]
