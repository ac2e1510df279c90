"""The page that a training leaves behind: scores and forecasts as figures, in one HTML file and two PNGs.

Nothing is saved here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

import pandas as pd

from wattcast.model.fit import Epoch
from wattcast.model.metrics import skill
from wattcast.tasks.bootstrap import LEVEL
from wattcast.tasks.learning.evaluate import GRU, Evaluation, Score
from wattcast.tasks.learning.interval_scores import IntervalEvaluation
from wattcast.tasks.learning.regimes import NAMES, Regimes
from wattcast.tasks.numbers import with_unit
from wattcast.tasks.report.figure import LABELS, decimals, labelled, number, percent
from wattcast.tasks.report.interval_figures import interval_panels, interval_table
from wattcast.tasks.report.page import BANNER, Subject, Table, render
from wattcast.tasks.report.training_days import day_table, order_panels
from wattcast.tasks.report.training_figures import PHASES, begun, first_step, forecast_panels, learning_panel
from wattcast.tasks.report.training_pictures import forecast_png, learning_png
from wattcast.tasks.step import step

MOST_ROWS = 20_000
"""Forecasts that the page draws, all targets together; its statistics use every row."""

_PARTS = {"test": "Test", "validation": "Validation", "train": "Training"}
_NOT_AT_ALL = pd.Timedelta(0)


@dataclass(frozen=True)
class Report:
    """The page, and two pictures of 1600 x 600 pixels for places that show only pictures."""

    html: str
    forecast_png: bytes
    learning_png: bytes


def report(
    subject: Subject,
    evaluation: Evaluation,
    history: tuple[Epoch, ...],
    config_toml: str,
    *,
    known: tuple[str, ...] = (),
    behind: pd.Timedelta = _NOT_AT_ALL,
) -> Report:
    """Draw the scores, the forecasts of the test part and the learning curves. Nothing given is changed.

    `known` are the columns of the readings that the models read of the steps that they forecast. Time stamps lie so far
    `behind` the beginnings of their steps, which say of which hour and day these are.
    """
    test = evaluation.forecasts[evaluation.forecasts["part"] == "test"]
    targets = list(dict.fromkeys(score.target for score in evaluation.scores))
    rows = {target: test[test["target"] == target] for target in targets}
    phases = {phase: [epoch for epoch in history if epoch.phase == phase] for phase in PHASES}
    phases = {phase: epochs for phase, epochs in phases.items() if epochs}
    most, unit = MOST_ROWS // len(targets), evaluation.unit
    firsts = {target: begun(first_step(rows[target]), behind) for target in targets}
    tests = {
        f"Test part: {target}": [
            *forecast_panels(rows[target], most, unit, behind),
            *order_panels(firsts[target], unit),
        ]
        for target in targets
    }
    curves = [learning_panel(PHASES[phase], epochs, unit) for phase, epochs in phases.items()]
    intervals, regimes = evaluation.intervals, evaluation.regimes
    around = {
        f"Intervals: {target}": interval_panels(rows[target], intervals, target, place, unit)
        for place, target in enumerate(targets)
        if intervals
    }
    html = render(
        "training.html",
        subject,
        {**tests, **around, "Learning curves": curves},
        interval_tables={target: interval_table(intervals, target, unit) for target in targets} if intervals else {},
        calibrated=_calibrated(intervals),
        diagnosis=evaluation.diagnosis,
        absent=[words for words in (evaluation.absent, evaluation.seasonless) if words],
        hindsight=_hindsight(known),
        headlines=[_headline(evaluation, target) for target in targets],
        tiles=_tiles(evaluation, targets),
        metrics=[labelled(title, unit) if name in {"rmse", "mae"} else title for name, (title, _) in _METRICS.items()],
        tables={target: _score_table(evaluation.scores, target) for target in targets},
        day_tables={target: table for target in targets if (table := day_table(firsts[target], unit))},
        regime_tables={target: _regime_table(regimes, target, unit) for target in targets} if regimes else {},
        regime_words={target: _regime_words(regimes, target, unit) for target in targets} if regimes else {},
        refitted="refit" in phases,
        config_toml=config_toml,
    )
    warning = f"{BANNER}\n" if subject.simulated else ""
    picture = forecast_png(rows[targets[0]], targets[0], unit, warning)
    return Report(html, picture, learning_png(phases, unit, warning))


report_task = step(report)


def _regime_table(regimes: Regimes, target: str, unit: str | None) -> Table:
    """RMSE in each regime, and how spikes were said before, model by model in the order of the scores."""
    errors = {(score.model, score.regime): score.rmse for score in regimes.scores if score.target == target}
    warned = {each.model: each for each in regimes.warned if each.target == target}
    rows = [
        [
            LABELS.get(model, model),
            *(number(errors[model, regime]) for regime in NAMES),
            percent(warned[model].precision),
            percent(warned[model].recall),
        ]
        for model in sorted(warned, key=lambda model: ([*LABELS, model].index(model), model))
    ]
    head = ["model", *(labelled(f"RMSE, {regime}", unit) for regime in NAMES), "precision", "recall"]
    return Table(head, rows)


def _regime_words(regimes: Regimes, target: str, unit: str | None) -> str:
    """What is idle, and what a spike."""
    low, high = (with_unit(number(limit), unit) for limit in regimes.thresholds[target])
    counts = {score.regime: score.rows for score in regimes.scores if score.target == target}
    return (
        f"Idle is what was measured at or below {low}, the quarter of the training's lowest readings "
        f"({counts['idle']:,} of the test part's), a spike what was measured above {high}, its highest tenth "
        f"({counts['spikes']:,}). Precision: after how many of the forecasts above {high} a spike came; recall: how "
        "many of the spikes were forecast so."
    )


def _hindsight(known: tuple[str, ...]) -> str:
    """What the scores take for granted of columns that are known ahead, whatever the file holds of them."""
    if not known:
        return ""
    names = ", ".join(known)
    return (
        f"Known ahead: {names}. The scores take what the file holds for what was known beforehand. Of a plan or a "
        "tariff that is so; where a column holds what was measured, as of weather, they are scores in hindsight, and "
        "forecasts from values that are less exact will be worse."
    )


def _calibrated(intervals: IntervalEvaluation | None) -> str:
    """On how many forecasts, for the note under the scores of intervals."""
    return f"{intervals.calibrated_on:,}" if intervals else ""


_METRICS: dict[str, tuple[str, Callable[[float], str]]] = {
    "rmse": ("RMSE", number),
    "mae": ("MAE", number),
    "r2": ("R²", partial(decimals, digits=3)),
    "mape": ("MAPE", lambda value: percent(value / 100, 1)),
    "skill": ("skill", partial(percent, digits=1)),
}


def _gain_over_ridge(evaluation: Evaluation, target: str) -> float:
    return skill(*(evaluation.score(model, "test", target).rmse for model in (GRU, "ridge")))


def _surely(evaluation: Evaluation, target: str, baseline: str) -> str:
    """The interval of a claim, in brackets, and whether it may be luck; nothing where none is known."""
    for gain in evaluation.gains:
        if (gain.target, gain.baseline) == (target, baseline):
            low, high = (percent(end, 1) for end in gain.interval)
            return f" ({100 * LEVEL:g} % interval {low} to {high}{', which may be luck' if gain.may_be_luck else ''})"
    return ""


def _versus(gain: float, other: str) -> str:
    """How it reads that a share of the RMSE of `other` is taken away."""
    if not math.isfinite(gain):
        return f"not to be compared with {other}, which has no error"
    if abs(gain) < 0.0005:
        return f"level with {other}"
    return f"{percent(abs(gain), 1)} {'better' if gain > 0 else 'worse'} than {other}"


def _headline(evaluation: Evaluation, target: str) -> str:
    score = evaluation.score(GRU, "test", target)
    rmse, mae = (with_unit(number(error), evaluation.unit) for error in (score.rmse, score.mae))
    return (
        f"On the test part the forecasts of {target} miss by {rmse} RMSE and {mae} MAE; in RMSE they are "
        f"{_versus(score.skill, 'persistence')}{_surely(evaluation, target, 'persistence')} and "
        f"{_versus(_gain_over_ridge(evaluation, target), 'ridge')}{_surely(evaluation, target, 'ridge')}. "
        f"{evaluation.unbeaten(target, LABELS)}"
    ).rstrip()


def _tiles(evaluation: Evaluation, targets: Sequence[str]) -> dict[str, str]:
    """Of the first target, which is named where there are several."""
    target = targets[0]
    score = evaluation.score(GRU, "test", target)
    tiles = {
        "test RMSE": with_unit(number(score.rmse), evaluation.unit),
        "test MAE": with_unit(number(score.mae), evaluation.unit),
        "skill against persistence": percent(score.skill, 1),
        "RMSE saved against ridge": percent(_gain_over_ridge(evaluation, target), 1),
    }
    return {f"{name}, {target}": text for name, text in tiles.items()} if len(targets) > 1 else tiles


def _score_table(scores: Iterable[Score], target: str) -> dict[str, dict[str, list[tuple[str, bool]]]]:
    """Part, model, then for each metric its text and whether it is the best of the test part."""
    order = {model: rank for rank, model in enumerate(LABELS)}
    scores = sorted((score for score in scores if score.target == target), key=lambda score: order.get(score.model, 99))
    best = _best([score for score in scores if score.part == "test"])
    return {
        title: {
            LABELS.get(score.model, score.model): [
                (text(getattr(score, name)), part == "test" and getattr(score, name) == best[name])
                for name, (_, text) in _METRICS.items()
            ]
            for score in scores
            if score.part == part
        }
        for part, title in _PARTS.items()
    }


def _best(scores: list[Score]) -> dict[str, float | None]:
    best: dict[str, float | None] = {}
    for name in _METRICS:
        values = [value for score in scores if math.isfinite(value := getattr(score, name))]
        best[name] = (max if name in {"r2", "skill"} else min)(values, default=None)
    return best
