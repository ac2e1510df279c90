"""The scores of an evaluation as people read them: on the screen, in the log of a run and in Prefect's table."""

from __future__ import annotations

from collections.abc import Sequence

from wattcast.tasks.learning.evaluate import GRU, Evaluation, Score
from wattcast.tasks.numbers import decimals, readable, with_unit


def score_rows(evaluation: Evaluation, parts: Sequence[str] = ("test",)) -> dict[str, list[dict[str, str]]]:
    """By target the scores on `parts`, each from the best RMSE to the worst: figures with three digits, by headings.

    Part and target are named where there are several.
    """
    targets = list(dict.fromkeys(score.target for score in evaluation.scores))
    return {
        target: [
            {
                **({"part": part} if len(parts) > 1 else {}),
                **({"target": target} if len(targets) > 1 else {}),
                **_cells(score, evaluation.unit),
            }
            for part in parts
            for score in sorted(evaluation.scores, key=lambda score: score.rmse)
            if (score.part, score.target) == (part, target)
        ]
        for target in targets
    }


def _cells(score: Score, unit: str | None) -> dict[str, str]:
    rmse, mae = (readable(each, nothing="-") for each in (score.rmse, score.mae))
    energies = {with_unit("RMSE", unit): rmse, with_unit("MAE", unit): mae}
    ratios = {"R2": decimals(score.r2), "MAPE %": decimals(score.mape, 1), "skill": decimals(score.skill)}
    return {"model": score.model, **energies, **ratios}


def told(evaluation: Evaluation) -> str:
    """The network beside the best baseline, in one line: `test RMSE 57.4 Wh against 57.7 Wh (lightgbm)`."""
    own = evaluation.score(GRU, "test")
    others = (score for score in evaluation.scores if score.part == "test" and score.target == own.target)
    best = min((score for score in others if score.model != GRU), key=lambda score: score.rmse)
    ours, theirs = (with_unit(readable(score.rmse), evaluation.unit) for score in (own, best))
    return f"test RMSE {ours} against {theirs} ({best.model})"


def scored_one(targets: Sequence[str]) -> str:
    """Which of several targets decides where one does: in a sweep and a replay. Nothing where there is one."""
    return f"All of it is of {targets[0]}, the first of {len(targets)} targets." if len(targets) > 1 else ""
