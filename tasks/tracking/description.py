"""What MLflow shows as the description of a run, a version and a registered model, in Markdown."""

from __future__ import annotations

from wattcast.tasks.learning.evaluate import GRU, Evaluation
from wattcast.tasks.markdown import plain
from wattcast.tasks.metric_names import HOLDOUT, renamings
from wattcast.tasks.numbers import readable, with_unit

_PARAGRAPH = "\n\n"
_VERDICTS = ("**Promoted**", "**Refused**")


def describe_training(evaluation: Evaluation, spans: str, judged: str) -> str:
    """The scores beside the best baseline, the `spans` of readings behind them, and the diagnosis."""
    part = "held-out days" if judged == HOLDOUT else "test part"
    scores = [_scores(evaluation, target, part) for target in evaluation.targets]
    diagnosis = f"{evaluation.diagnosis.verdict}: {plain(evaluation.diagnosis.reason)}."
    return _PARAGRAPH.join(filter(None, [*scores, spans, diagnosis, plain(renamings(evaluation.targets))]))


def with_verdict(description: str, *, promoted: bool, reason: str) -> str:
    """`description` behind what the gate has decided; once, however often it is said."""
    first, _, rest = description.partition(_PARAGRAPH)
    body = rest if first.startswith(_VERDICTS) else description
    return _PARAGRAPH.join(filter(None, [f"{_VERDICTS[0 if promoted else 1]}: {plain(reason)}.", body]))


def _scores(evaluation: Evaluation, target: str, part: str) -> str:
    """`load, test part: RMSE **57.4 Wh**, MAE 26.9 Wh, skill 13.6 %; the best baseline, ridge, has 59.8 Wh.`"""
    own = evaluation.score(GRU, "test", target)
    others = [score for score in evaluation.scores if (score.part, score.target) == ("test", target)]
    best = min((score for score in others if score.model != GRU), key=lambda score: score.rmse)
    rmse, mae, theirs = (with_unit(readable(error), evaluation.unit) for error in (own.rmse, own.mae, best.rmse))
    return (
        f"{plain(target)}, {part}: RMSE **{rmse}**, MAE {mae}, skill {100 * own.skill:.1f} %; the best baseline, "
        f"{best.model}, has {theirs}."
    )
