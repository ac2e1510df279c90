"""The step that scores a forecaster beside the baselines, in the unit of the targets, on every part of the data.

N: windows. L: output length. K: targets. M: steps of a forecast that are kept in the table.

Forecasts are made, scored and put into the table model by model, so that only one model's are held in full.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from wattcast.model import gru
from wattcast.model.arrays import Floats, Rows
from wattcast.model.baseline import NAIVE, Predictor, SeasonalNaive, fit_baselines
from wattcast.model.metrics import METRICS, skill
from wattcast.model.split import Split
from wattcast.model.windows import Windows, named_leads
from wattcast.tasks.learning.boosting import NAME as LIGHTGBM
from wattcast.tasks.learning.boosting import BaselinesConfig, BoostedTrees, why_absent
from wattcast.tasks.learning.diagnosis import Diagnosis, Errors, diagnose
from wattcast.tasks.learning.gains import Gain, gains
from wattcast.tasks.learning.regimes import Regimes, score_regimes
from wattcast.tasks.metric_names import TEST, endings, of_baseline
from wattcast.tasks.numbers import readable, with_unit
from wattcast.tasks.step import step

if TYPE_CHECKING:
    from wattcast.tasks.learning.interval_scores import IntervalEvaluation

GRU = gru.NAME
"""The name of the network among the models that are scored."""
_LEAST_GAIN = 0.0005  # of an error that is written as a share
_SEASONS = {"daily_naive": "days", "weekly_naive": "weeks"}
_PREFIXES = {"train": "train", "validation": "val"}


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
class LeadScore:
    """The score of one step of all forecasts, which lies `steps_ahead` steps behind the newest reading."""

    steps_ahead: int
    score: Score


@dataclass(frozen=True)
class Evaluation:
    """All scores, what they say about the fit, and the forecasts behind them.

    `forecasts` has one row a window, step and target: `part`, `made_at`, `time`, `target`, `actual`, then one column a
    model; these, RMSE and MAE are in `unit`, where it is known. Of training and validation it holds the named lead
    times alone, which are all of up to two steps.
    """

    scores: tuple[Score, ...]
    diagnosis: Diagnosis
    forecasts: pd.DataFrame
    intervals: IntervalEvaluation | None = None
    by_lead: tuple[LeadScore, ...] = ()  # of the test part, step by step where a forecast has several
    named: tuple[int, ...] = ()  # the lead times among them that are logged, in steps
    regimes: Regimes | None = None  # of the test part
    gains: tuple[Gain, ...] = ()  # of the test part
    unit: str | None = None
    absent: str = ""  # why LightGBM is missing among the models though it was asked for
    seasonless: str = ""  # which of the models is persistence, for want of readings of the same time before

    def score(self, model: str, part: str, target: str | None = None) -> Score:
        """The score of `model` on `part`, of the first target unless another is named."""
        return next(
            score
            for score in self.scores
            if (score.model, score.part) == (model, part) and target in {None, score.target}
        )

    def unbeaten(self, target: str, labels: Mapping[str, str] | None = None) -> str:
        """A sentence that names the best baseline of the test part where the network does not beat it; or nothing.

        RMSE and MAE are looked at each by itself. Baselines are called by their `labels`, where they have one.
        """
        own, told = self.score(GRU, "test", target), []
        others = [score for score in self.scores if score.part == "test" and score.target == target]
        for metric in ("rmse", "mae"):
            best = min((score for score in others if score.model != GRU), key=lambda score: getattr(score, metric))
            ours, theirs = getattr(own, metric), getattr(best, metric)
            if not ours < theirs:
                gain = skill(theirs, ours)
                less = f", {100 * gain:.1f} % less" if gain >= _LEAST_GAIN else ", as much"
                error = with_unit(readable(theirs), self.unit)
                told.append(f"in {metric.upper()} ({(labels or {}).get(best.model, best.model)} has {error}{less})")
        if not told:
            return ""
        return f"The forecasts of {target} do not beat the best baseline {' and '.join(told)}."

    @property
    def targets(self) -> tuple[str, ...]:
        """All that is forecast, in the order of the configuration."""
        return tuple(dict.fromkeys(score.target for score in self.scores))

    def metrics(self, judged: str = TEST) -> dict[str, float]:
        """The scores by the names they are logged under: `test_rmse`, `test_vs_ridge_mae`.

        Those of a second or later target have its name behind them: `test_rmse.lights`. Where a forecast has several
        steps, those of the named lead times follow, in steps: `test_rmse_at_36`, `test_vs_ridge_rmse_at_36`. `judged`
        is what the test part is called.
        """
        behind, metrics = endings(self.targets), {}

        def add(score: Score, names: tuple[str, ...], at: str = "") -> None:
            part = _PREFIXES.get(score.part, judged)
            for name in names:
                own = f"{part}_{name}" if score.model == GRU else of_baseline(part, score.model, name)
                metrics[f"{own}{at}{behind[score.target]}"] = float(getattr(score, name))

        for score in self.scores:
            if score.model == GRU:
                add(score, (*METRICS, "skill"))
            elif score.part == "test":
                add(score, ("rmse", "mae"))
        for lead in self.by_lead:
            if lead.steps_ahead in self.named:
                names = ("rmse", "mae", "skill") if lead.score.model == GRU else ("rmse",)
                add(lead.score, names, f"_at_{lead.steps_ahead}")
        further = [each.metrics(judged) for each in (self.intervals, self.regimes) if each is not None]
        return {name: value for each in (metrics, *further) for name, value in each.items()}


def evaluate(
    selected: Predictor,
    product: Predictor,
    windows: Split[Windows],
    *,
    known: Windows,
    targets: tuple[str, ...],
    block: int,
    unit: str | None,
    baselines: BaselinesConfig,
) -> Evaluation:
    """Score on training and validation what was selected there, and on the test part the product, once.

    `known` are the windows that the product was trained on: the baselines that stand beside it on the test part are
    fitted on the same ones. `block` windows make a day. The targets are of energy in `unit`.
    """
    absent = why_absent() if baselines.lightgbm else ""
    fitted = _fitted(windows, known, boosting=baselines.lightgbm and not absent)
    before = {GRU: selected, **fitted[0]}
    models = Split(before, before, {GRU: product, **fitted[1]})
    named = named_leads(windows.test.config, block)
    steps = np.arange(windows.test.config.output_length)  # [L]
    few = np.array(named, np.int64) - windows.test.config.steps_ahead if named else steps  # [M]
    kept = Split(few, few, steps)
    parts = {
        part: _judge(part, of, predictors, targets, steps)
        for (part, of), (_, predictors), (_, steps) in zip(windows.items(), models.items(), kept.items(), strict=True)
    }
    regimes = score_regimes(parts["test"].table, known, targets, models.test)
    diagnosis = diagnose(parts["train"].errors, parts["validation"].errors, block=block, unit=unit)
    return Evaluation(
        scores=tuple(score for judged in parts.values() for score in judged.scores),
        diagnosis=_of_first(targets, diagnosis),
        forecasts=pd.concat([judged.table for judged in parts.values()], ignore_index=True),
        by_lead=parts["test"].by_lead if named else (),
        named=named,
        regimes=regimes,
        gains=gains(parts["test"].table, targets, block=block),
        unit=unit,
        absent=absent,
        seasonless=_seasonless(windows.test),
    )


evaluate_task = step(evaluate)


def _fitted(
    windows: Split[Windows], known: Windows, *, boosting: bool
) -> tuple[dict[str, Predictor], dict[str, Predictor]]:
    """The baselines that know the training part, and those that know what the product does."""
    before = fit_baselines(windows.train)
    if boosting:
        before[LIGHTGBM] = trees = BoostedTrees.fit(windows.train, windows.validation)
    if known is windows.train:
        return before, before
    after = fit_baselines(known)
    if boosting:
        after[LIGHTGBM] = trees.refit(known)
    return before, after


def _seasonless(test: Windows) -> str:
    """A sentence on the seasonal naive forecasts that know no reading of the same time before any step; or nothing."""
    named = {name: model for name, model in NAIVE.items() if isinstance(model, SeasonalNaive)}
    without = [name for name, model in named.items() if (model.rows(test) < 0).all()]
    if not without:
        return ""
    seasons, names = " or ".join(_SEASONS[name] for name in without), " and ".join(without)
    return (
        f"Of no step of the test part a reading of whole {seasons} before is known, so that {names} "
        f"{'are' if len(without) > 1 else 'is'} the newest reading, as persistence is."
    )


def _of_first(targets: tuple[str, ...], found: Diagnosis) -> Diagnosis:
    """Of several targets the diagnosis names the one that it is of."""
    return replace(found, reason=f"of {targets[0]}, {found.reason}") if len(targets) > 1 else found


@dataclass(frozen=True)
class _Judged:
    """What there is to say of one part."""

    scores: tuple[Score, ...]
    by_lead: tuple[LeadScore, ...]
    errors: Errors  # of the first target
    table: pd.DataFrame


def _judge(
    part: str, windows: Windows, predictors: Mapping[str, Predictor], targets: tuple[str, ...], kept: Rows
) -> _Judged:
    """The scores of all models, and a table of the steps `kept`, `[M]`, of their forecasts."""
    actual = windows.actual  # [N, L, K]
    errors: dict[str, Floats] = {}
    columns: dict[str, Floats] = {}
    values: dict[tuple[str, str], dict[str, float]] = {}  # by model and target
    by_lead: dict[tuple[str, str], list[dict[str, float]]] = {}
    for model, predictor in predictors.items():
        forecast = predictor.predict(windows)  # [N, L, K]
        for k, target in enumerate(targets):
            values[model, target] = _values(actual[..., k], forecast[..., k])
            if part == "test" and forecast.shape[1] > 1:
                steps = range(forecast.shape[1])
                by_lead[model, target] = [_values(actual[:, step, k], forecast[:, step, k]) for step in steps]
        if model in {GRU, "ridge"}:
            errors[model] = ((forecast[..., 0] - actual[..., 0]) ** 2).mean(axis=1)  # [N]
        columns[model] = forecast[:, kept].ravel()

    def score(model: str, target: str, own: dict[str, float], reference: dict[str, float]) -> Score:
        return Score(model, part, target, **own, skill=skill(own["rmse"], reference["rmse"]))

    first = windows.config.steps_ahead
    leads = (
        LeadScore(first + step, score(model, target, own, by_lead["persistence", target][step]))
        for (model, target), each in by_lead.items()
        for step, own in enumerate(each)
    )
    return _Judged(
        scores=tuple(
            score(model, target, values[model, target], values["persistence", target])
            for target in targets
            for model in predictors
        ),
        by_lead=tuple(leads),
        errors=Errors(errors[GRU], errors["ridge"]),
        table=_table(part, windows, columns, targets, kept),
    )


def _values(actual: Floats, forecast: Floats) -> dict[str, float]:
    return {name: metric(actual, forecast) for name, metric in METRICS.items()}


def _table(
    part: str, windows: Windows, columns: dict[str, Floats], targets: tuple[str, ...], kept: Rows
) -> pd.DataFrame:
    times, rows = windows.series.times, windows.target_rows[:, kept]  # [N, M]
    count = len(targets)
    return pd.DataFrame(
        {
            "part": part,
            "made_at": np.repeat(times[windows.newest_row], len(kept) * count),
            "time": np.repeat(times[rows.ravel()], count),
            "target": pd.Categorical(np.tile(targets, rows.size), categories=targets),
            "actual": windows.series.readings[rows].ravel(),
            **columns,
        }
    )
