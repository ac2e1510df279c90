"""Honest, tracked, reloadable GRU forecasts of a building's energy use.

    >>> import wattcast
    >>> experiment = wattcast.read_experiment(preset="recommended", options={"data": "office.csv"})
    >>> trained = wattcast.train(experiment)
    >>> trained.evaluation.score("gru", "test").rmse

`train`, `sweep`, `retrain`, `replay`, `backtest`, `forecast` and `watch` are Prefect flows that are called like
functions; what each takes and gives is said in its own documentation. Nothing is imported before it is asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wattcast.flows.backtest import backtest
    from wattcast.flows.experiment.experiment import Experiment, read_experiment
    from wattcast.flows.experiment.offered import preset_names
    from wattcast.flows.forecast import forecast
    from wattcast.flows.replay import replay
    from wattcast.flows.retrain import retrain
    from wattcast.flows.sweep import sweep
    from wattcast.flows.train import train
    from wattcast.flows.watch import watch
    from wattcast.model.errors import InputError
    from wattcast.model.forecaster import Forecaster

__all__ = [
    "Experiment",
    "Forecaster",
    "InputError",
    "backtest",
    "forecast",
    "preset_names",
    "read_experiment",
    "replay",
    "retrain",
    "sweep",
    "train",
    "watch",
]

_HOMES = {
    "Experiment": "wattcast.flows.experiment.experiment",
    "preset_names": "wattcast.flows.experiment.offered",
    "read_experiment": "wattcast.flows.experiment.experiment",
    "Forecaster": "wattcast.model.forecaster",
    "InputError": "wattcast.model.errors",
    **{
        flow: f"wattcast.flows.{flow}"
        for flow in ("backtest", "forecast", "replay", "retrain", "sweep", "train", "watch")
    },
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
