"""Scores as people read them: on the screen, in the log of a run and in what Prefect's page keeps of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from wattcast.tasks.learning.evaluate import GRU, Evaluation, Score
from wattcast.tasks.numbers import decimals, readable, with_unit

if TYPE_CHECKING:  # a training needs none of them
    from wattcast.tasks.backtest.verdict import Verdict
    from wattcast.tasks.backtest.worth import Outcome
    from wattcast.tasks.tuning.verdict import Verdict as FreshSeeds


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


def contest_rows(verdict: Verdict) -> list[dict[str, str]]:
    """The contestants of a backtest, from the lowest RMSE to the highest, and those that have failed, by headings."""
    found = [
        {
            "contestant": each.name,
            **_errors(each.overall.rmse, each.overall.mae, verdict.unit),
            "skill": f"{decimals(100 * each.overall.skill, 1)} %",
            "difference": _behind(verdict, each.name),
        }
        for each in verdict.standings
    ]
    head = ("contestant", *(with_unit(name, verdict.unit) for name in ("RMSE", "MAE")), "skill", "difference")
    return [*found, *({**dict.fromkeys(head, ""), head[0]: each.name, head[1]: "failed"} for each in verdict.failed)]


def _behind(verdict: Verdict, name: str) -> str:
    """How far behind the best one."""
    best = verdict.best
    if best is None or best.name == name:
        return "-"
    pair = verdict.between(best.name, name)
    return _change(pair.difference, pair.low, pair.high, like=best.overall.rmse)


def outcome_rows(name: str, outcomes: Sequence[Outcome], reference: Outcome) -> list[dict[str, str]]:
    """What each policy or cadence of a replay has reached and cost, by headings; `name` is that of the first one."""
    return [
        {
            name: each.name,
            **_errors(each.rmse, each.mae, each.unit),
            "trained": str(each.trainings) if each.trainings else "-",
            "s": f"{each.seconds:.0f}" if each.trainings else "-",
            "difference": "-" if each is reference else _change(each.difference, each.low, each.high, like=each.rmse),
        }
        for each in outcomes
    ]


def arm_rows(verdict: FreshSeeds) -> list[dict[str, str]]:
    """The configurations of a sweep's verdict and the baselines, by headings."""
    arms = {name: arm for name, arm in (("tuned", verdict.tuned), ("untuned", verdict.untuned)) if arm}
    found = [
        (name, arm.mean_rmse, readable(arm.spread, 2, like=arm.mean_rmse), arm.mean_mae) for name, arm in arms.items()
    ]
    baselines = sorted(verdict.baselines.items(), key=lambda baseline: baseline[1])
    found += [(name, rmse, "", mae) for name, (rmse, mae) in baselines]
    rmse, mae = (with_unit(metric, verdict.unit) for metric in ("RMSE", "MAE"))
    return [
        {"configuration": name, rmse: readable(error, 2), "+-": spread, mae: readable(absolute, 2)}
        for name, error, spread, absolute in found
    ]


def fold_rows(verdict: FreshSeeds) -> list[dict[str, str]]:
    """The RMSE of both configurations in each fold of a sweep's verdict, the mean over the seeds, by headings."""
    found = []
    for fold in verdict.folds:
        change = readable(fold.difference, 2, like=fold.untuned, sign=True)
        found.append(
            {
                "fold": str(fold.number),
                "cut": fold.cut,
                "forecasts": f"{fold.forecasts:,}",
                **({} if fold.tuned is None else {"tuned": readable(fold.tuned, 2)}),
                "untuned": readable(fold.untuned, 2),
                **({} if fold.tuned is None else {"difference": change}),
                "best baseline": f"{readable(fold.baselines[fold.best_baseline], 2)} ({fold.best_baseline})",
            }
        )
    return found


def _errors(rmse: float, mae: float, unit: str | None) -> dict[str, str]:
    return {with_unit("RMSE", unit): readable(rmse, 2), with_unit("MAE", unit): readable(mae, 2)}


def _change(*values: float, like: float) -> str:
    """A difference and its interval: `-0.98 (-1.49 to -0.51)`."""
    change, low, high = (readable(each, 2, like=like, sign=True) for each in values)
    return f"{change} ({low} to {high})"


def in_one_line(row: Mapping[str, str]) -> str:
    """`model ridge, RMSE Wh 59.8`: for a log."""
    return ", ".join(f"{name} {cell}" for name, cell in row.items())
