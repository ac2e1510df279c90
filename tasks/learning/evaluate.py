"""The step that scores a forecaster beside the baselines, in the unit of the targets, on every part of the data.

N: windows. L: output length. K: targets.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from wattcast.model.arrays import Floats
from wattcast.model.baseline import Predictor, fit_baselines
from wattcast.model.metrics import METRICS, skill
from wattcast.model.split import Split
from wattcast.model.windows import Windows
from wattcast.tasks.learning.diagnosis import Diagnosis, Errors, diagnose
from wattcast.tasks.step import step

if TYPE_CHECKING:
    from wattcast.tasks.learning.interval_scores import IntervalEvaluation

GRU = "gru"
"""The name of the network among the models that are scored."""
_PREFIXES = {"train": "train", "validation": "val", "test": "test"}


@dataclass(frozen=True)
class Score:
    """How well one model forecasts one target on one part: RMSE and MAE in their unit, MAPE in %, skill by RMSE."""

    model: str
    part: str
    target: str
    rmse: float
    mae: float
    r2: float
    mape: float
    skill: float


@dataclass(frozen=True)
class Evaluation:
    """All scores, what they say about the fit, and the forecasts behind them.

    `forecasts` has one row a window, step and target: `part`, `made_at`, `time`, `target`, `actual`, then one column a
    model; these, RMSE and MAE are in `unit`, where it is known.
    """

    scores: tuple[Score, ...]
    diagnosis: Diagnosis
    forecasts: pd.DataFrame
    intervals: IntervalEvaluation | None = None
    unit: str | None = None

    def score(self, model: str, part: str, target: str | None = None) -> Score:
        """The score of `model` on `part`, of the first target unless another is named."""
        return next(
            score
            for score in self.scores
            if (score.model, score.part) == (model, part) and target in {None, score.target}
        )

    def metrics(self) -> dict[str, float]:
        """The scores by the names they are logged under: `test_rmse`, `baseline_ridge_mae`.

        Those of a second or later target have its name behind them: `test_rmse/lights`.
        """
        first = self.scores[0].target
        metrics = {}
        for score in self.scores:
            suffix = "" if score.target == first else f"/{score.target}"
            if score.model == GRU:
                for name in (*METRICS, "skill"):
                    metrics[f"{_PREFIXES[score.part]}_{name}{suffix}"] = getattr(score, name)
            elif score.part == "test":
                for name in ("rmse", "mae"):
                    metrics[f"baseline_{score.model}_{name}{suffix}"] = getattr(score, name)
        return metrics | (self.intervals.metrics() if self.intervals else {})


def evaluate(
    selected: Predictor,
    product: Predictor,
    windows: Split[Windows],
    *,
    known: Windows,
    targets: tuple[str, ...],
    block: int,
    unit: str | None,
) -> Evaluation:
    """Score on training and validation what was selected there, and on the test part the product, once.

    `known` are the windows that the product was trained on: the baselines that stand beside it on the test part are
    fitted on the same ones. `block` windows make a day. The targets are of energy in `unit`.
    """
    before = {GRU: selected, **fit_baselines(windows.train)}
    baselines = before if known is windows.train else fit_baselines(known)
    models = Split(before, before, {**baselines, GRU: product})
    forecasts: dict[str, dict[str, Floats]] = {
        part: {name: predictor.predict(of) for name, predictor in by_name.items()}
        for (part, of), (_, by_name) in zip(windows.items(), models.items(), strict=True)
    }
    scores = tuple(score for part, of in windows.items() for score in _scores(part, of, forecasts[part], targets))
    table = pd.concat([_table(part, of, forecasts[part], targets) for part, of in windows.items()], ignore_index=True)
    train = _errors(windows.train, forecasts["train"])
    validation = _errors(windows.validation, forecasts["validation"])
    return Evaluation(scores, diagnose(train, validation, block=block, unit=unit), table, unit=unit)


evaluate_task = step(evaluate)


def _scores(part: str, windows: Windows, forecasts: dict[str, Floats], targets: tuple[str, ...]) -> list[Score]:
    actual = windows.actual  # [N, L, K]
    scores = []
    for k, target in enumerate(targets):
        reference = METRICS["rmse"](actual[..., k], forecasts["persistence"][..., k])
        for model, forecast in forecasts.items():
            values = {name: metric(actual[..., k], forecast[..., k]) for name, metric in METRICS.items()}
            scores.append(Score(model, part, target, **values, skill=skill(values["rmse"], reference)))
    return scores


def _errors(windows: Windows, forecasts: dict[str, Floats]) -> Errors:
    """Of the first target."""
    actual = windows.actual[..., 0].astype(np.float64)  # [N, L]
    return Errors(*(((forecasts[model][..., 0] - actual) ** 2).mean(axis=1) for model in (GRU, "ridge")))


def _table(part: str, windows: Windows, forecasts: dict[str, Floats], targets: tuple[str, ...]) -> pd.DataFrame:
    shape = windows.actual.shape  # [N, L, K]
    times = windows.series.times
    return pd.DataFrame(
        {
            "part": part,
            "made_at": np.repeat(times[windows.newest_row], shape[1] * shape[2]),
            "time": np.repeat(times[windows.target_rows.ravel()], shape[2]),
            "target": pd.Categorical(np.tile(targets, shape[0] * shape[1]), categories=targets),
            "actual": windows.actual.ravel(),
            **{model: forecast.ravel().astype(np.float32) for model, forecast in forecasts.items()},
        }
    )
