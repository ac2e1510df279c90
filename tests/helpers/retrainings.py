"""Retrainings of tiny networks on three weeks of the simulated house."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlparse

from mlflow import MlflowClient

from wattcast.flows.experiment.experiment import Experiment, read_experiment

FIRST, SECOND = "2016-01-28", "2016-02-01"
SETTINGS = (
    "model.layers=[{units=4}]",
    "window.lookback=6",
    "fit.batch_size=512",
    "fit.members=1",
    "baselines.lightgbm=false",
    "fit.epochs=25",
    "fit.initial_learning_rate=0.02",
    "gate.holdout_days=4",
)


def experiment(file: Path, *more: str) -> Experiment:
    """On the readings of `file`; the network is good enough to beat the baselines."""
    return read_experiment(settings=[*SETTINGS, f"data={file}", *more])


def artifacts(run_id: str) -> Path:
    """The folder of a run."""
    return Path(urlparse(MlflowClient().get_run(run_id).info.artifact_uri).path)
