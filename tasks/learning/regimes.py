"""How good forecasts are while little is drawn, as usual, and in spikes: an overall error hides what matters.

R: rows of the test part, of all steps.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from wattcast.model.arrays import Floats
from wattcast.model.gru import NAME
from wattcast.model.metrics import mae, rmse
from wattcast.model.windows import Windows
from wattcast.tasks.metric_names import TEST, endings

IDLE, SPIKES = 0.25, 0.9
"""Quantiles of the readings that a model was trained on: what is idle lies no higher, what is a spike above."""
NAMES = ("idle", "usual", "spikes")


@dataclass(frozen=True)
class RegimeScore:
    """One model's errors on the rows of one regime, by what was measured there."""

    model: str
    target: str
    regime: str
    rows: int
    rmse: float  # NaN, as the next, where there is no such row
    mae: float


@dataclass(frozen=True)
class Warned:
    """How well "the load will exceed the threshold" is said by a forecast that does.

    Precision is the share of the warnings after which it did, recall the share of the spikes that were said before; NaN
    where there was none.
    """

    model: str
    target: str
    warnings: int
    spikes: int
    precision: float
    recall: float


@dataclass(frozen=True)
class Regimes:
    """What was idle and what a spike, by target, and how good each model was there."""

    thresholds: dict[str, tuple[float, float]]
    scores: tuple[RegimeScore, ...]
    warned: tuple[Warned, ...]

    def metrics(self, judged: str = TEST) -> dict[str, float]:
        """Those of the network, by the names they are logged under: `test_rmse_spikes`, `test_recall_spikes`.

        Those of a second or later target have its name behind them; `judged` is what the test part is called.
        """
        behind, metrics = endings(self.thresholds), {}
        for score in self.scores:
            if score.model == NAME and score.regime != "usual":
                metrics[f"{judged}_rmse_{score.regime}{behind[score.target]}"] = score.rmse
        for each in self.warned:
            if each.model == NAME:
                for name in ("precision", "recall"):
                    metrics[f"{judged}_{name}_spikes{behind[each.target]}"] = getattr(each, name)
        return {name: value for name, value in metrics.items() if np.isfinite(value)}


def score_regimes(test: pd.DataFrame, known: Windows, targets: Iterable[str], models: Iterable[str]) -> Regimes:
    """The scores of `models`, columns of the forecasts of the test part, `test`, in each regime.

    The thresholds are quantiles of what `known` forecasts, the windows that trained the product; each row counts once.
    """
    rows = np.unique(known.target_rows)
    thresholds, scores, warned, models = {}, [], [], list(models)
    for k, target in enumerate(targets):
        low, high = np.quantile(known.series.readings[rows, k], [IDLE, SPIKES])
        thresholds[target] = (float(low), float(high))
        mine = test[test["target"] == target]
        actual = mine["actual"].to_numpy(np.float64)  # [R]
        regime = np.where(actual > high, 2, np.where(actual <= low, 0, 1))
        for model in models:
            forecast = mine[model].to_numpy(np.float64)
            scores += [
                _score(model, target, name, actual[regime == place], forecast[regime == place])
                for place, name in enumerate(NAMES)
            ]
            warned.append(_warned(model, target, actual > high, forecast > high))
    return Regimes(thresholds, tuple(scores), tuple(warned))


def _score(model: str, target: str, regime: str, actual: Floats, forecast: Floats) -> RegimeScore:
    errors = (rmse(actual, forecast), mae(actual, forecast)) if len(actual) else (np.nan, np.nan)
    return RegimeScore(model, target, regime, len(actual), *errors)


def _warned(model: str, target: str, spikes: pd.Series | Floats, warnings: pd.Series | Floats) -> Warned:
    said, came, both = int(np.sum(warnings)), int(np.sum(spikes)), int(np.sum(np.logical_and(spikes, warnings)))
    return Warned(model, target, said, came, both / said if said else np.nan, both / came if came else np.nan)
