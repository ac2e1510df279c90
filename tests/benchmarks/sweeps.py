"""A search of twenty trials: `wattcast sweep` beside the loop that one would write with Optuna and stock Keras."""

from __future__ import annotations

import os
import tempfile
from contextlib import chdir
from dataclasses import dataclass
from time import time
from typing import Any

import optuna
from mlflow import MlflowClient

from tests.benchmarks.house import arrays
from tests.benchmarks.processes import in_child
from tests.benchmarks.settings import Size
from tests.benchmarks.table import Group, Row, Table
from wattcast.flows.cli.startup import _set_up_libraries
from wattcast.flows.experiment.experiment import Experiment
from wattcast.model.split import Split
from wattcast.model.windows import Windows
from wattcast.tasks.metric_names import of_curve

SPACE: dict[str, dict[str, Any]] = {
    "fit.initial_learning_rate": {"low": 1e-4, "high": 1e-2, "log": True},
    "fit.decay_steps": {"low": 100, "high": 2000, "log": True},
    "fit.decay_rate": {"low": 0.1, "high": 1.0, "log": True},
    "model.layers.0.input_keep_prob": {"low": 0.6, "high": 1.0},
    "model.layers.1.input_keep_prob": {"low": 0.6, "high": 1.0},
    "model.readout_keep_prob": {"low": 0.6, "high": 1.0},
    "model.regularisation_scale": {"low": 1e-7, "high": 1e-2, "log": True},
}


@dataclass(frozen=True)
class Searched:
    """Seconds of a search."""

    trials: int
    before: float  # the first trial
    search: float  # from the first trial's beginning to the last one's end
    busy: float  # the sum over all workers, from the beginning of its first trial to the end of its last one
    epochs: float  # the sum over all trials
    whole: float  # to the end of the command, with its verdict


def sweep_table(size: Size) -> Table:
    """Twenty trials of ten epochs each; stock Keras does the first half before wattcast's and the second half after."""
    half = size.searched // 2
    first = in_child(_stock_loop, half, size.search_epochs, 0)
    ours = in_child(_our_sweep, size.searched, size.search_epochs)
    second = in_child(_stock_loop, size.searched - half, size.search_epochs, 1)
    search, epochs = first.search + second.search, first.epochs + second.epochs
    stock = Searched(size.searched, first.before, search, search, epochs, 0.0)
    data = "the real file" if "WATTCAST_DATA" in os.environ else "the simulated house (WATTCAST_DATA is not set)"
    return Table(
        f"{size.searched} trials of {size.search_epochs} epochs on {data} (32 + 16, batch 256), no pruning",
        ("who", "before s", "search s", "ratio", "a trial s", "beside its epochs s"),
        (Group((_row("wattcast sweep", ours, ours), _row("Optuna + Keras fit", stock, ours))),),
        notes=(
            "before: data, Prefect's server, MLflow's store; ratio: of before + search; beside its epochs: what a "
            "trial costs in Optuna, MLflow and Prefect, or in building. With a verdict of 2 trainings of either "
            f"configuration wattcast's command took {ours.whole:.0f} s.",
        ),
    )


def _experiment(epochs: int) -> Experiment:
    """The network of the other sections, with the tanh layer whose regularisation is searched."""
    return Experiment.model_validate(
        {
            "preset": "seed-l2",
            "data": "auto" if "WATTCAST_DATA" in os.environ else "simulated",
            "window": {"lookback": 36},
            "model": {"reset_after": True},
            "fit": {"optimiser": "adam", "initial_learning_rate": 1e-3, "decay_steps": 1000, "decay_rate": 0.5}
            | {"clip_norm": 0.0, "batch_size": 256, "epochs": epochs, "patience": epochs},
            "sweep": {**SPACE, "model.layers.0.output_keep_prob": {"low": 0.6, "high": 1.0}},
        }
    )


def _our_sweep(trials: int, epochs: int) -> Searched:
    _set_up_libraries()
    from wattcast.flows.sweep import sweep

    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        began = time()
        swept = sweep(_experiment(epochs), trials=trials, pruner="none", seeds=2)
        ended = time()
        client = MlflowClient()
        parent = client.get_run(swept.run_id)
        below = f"tags.`mlflow.parentRunId` = '{swept.run_id}'"
        children = client.search_runs([parent.info.experiment_id], below)
        tried = [run for run in children if "trial" in run.data.tags]
        name = of_curve("seconds", refit=False, member=1)
        curves = [client.get_metric_history(run.info.run_id, name) for run in tried]
    first, last = min(run.info.start_time for run in tried) / 1e3, max(run.info.end_time for run in tried) / 1e3
    seconds = sum(epoch.value for curve in curves for epoch in curve)
    spans: dict[str, list[float]] = {}
    for run in tried:
        spans.setdefault(run.data.tags["owner"], []).extend((run.info.start_time / 1e3, run.info.end_time / 1e3))
    busy = sum(max(span) - min(span) for span in spans.values())
    return Searched(len(tried), first - began, last - first, busy, seconds, ended - began)


def _stock_loop(trials: int, epochs: int, seed: int) -> Searched:
    import keras

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    began = time()
    experiment = _experiment(epochs)
    windows = _windows(experiment)
    train, validation = arrays(windows.train), arrays(windows.validation)
    spent = []

    def objective(trial: optuna.Trial) -> float:
        values = {name: values.suggest(trial, name, whole=False) for name, values in experiment.sweep.items()}
        network = _stock_network(values, train[0].shape[1:])
        began = time()
        history = network.fit(*train, batch_size=256, epochs=epochs, validation_data=validation, verbose=0)
        spent.append(time() - began)
        keras.backend.clear_session()
        return float(min(history.history["val_loss"]))

    study = optuna.create_study(sampler=optuna.samplers.TPESampler(multivariate=True, seed=seed))
    first = time()
    study.optimize(objective, trials)
    search = time() - first
    return Searched(trials, first - began, search, search, sum(spent), time() - began)


def _windows(experiment: Experiment) -> Split[Windows]:
    """What `wattcast.flows.prepare` does, without Prefect."""
    from wattcast.tasks.data.download import download
    from wattcast.tasks.data.validate import validate
    from wattcast.tasks.learning.scale import scale
    from wattcast.tasks.learning.split import split
    from wattcast.tasks.learning.window import window

    frame = validate(download(experiment.data).frame, experiment.readings, window_rows=experiment.window.rows).frame
    rows = split(frame, experiment.split)
    scaler = scale(frame, rows, experiment.readings, experiment.scale)
    return window(frame, rows, experiment.readings, scaler, experiment.window)


def _stock_network(values: dict[str, Any], shape: tuple[int, int]) -> Any:
    import keras

    network = keras.Sequential(
        [
            keras.Input(shape),
            keras.layers.GRU(32, return_sequences=True, dropout=1 - values["model.layers.0.input_keep_prob"]),
            keras.layers.Dropout(1 - values["model.layers.0.output_keep_prob"]),
            keras.layers.GRU(16, dropout=1 - values["model.layers.1.input_keep_prob"]),
            keras.layers.Dropout(1 - values["model.readout_keep_prob"]),
            keras.layers.Dense(
                16,
                activation="tanh",
                kernel_regularizer=keras.regularizers.L2(values["model.regularisation_scale"] / 2),
            ),
            keras.layers.Dense(1),
        ]
    )
    rate = keras.optimizers.schedules.ExponentialDecay(
        values["fit.initial_learning_rate"],
        int(values["fit.decay_steps"]),
        values["fit.decay_rate"],
        staircase=True,
    )
    network.compile(keras.optimizers.Adam(rate), "mse")
    return network


def _row(name: str, run: Searched, ours: Searched) -> Row:
    ratio = (run.before + run.search) / (ours.before + ours.search)
    beside = (run.busy - run.epochs) / run.trials
    cells = (run.before, run.search, ratio, run.search / run.trials, beside)
    return (name, *(f"{cell:.2f}" for cell in cells))
