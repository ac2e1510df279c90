"""What a command prints when it is done: tables for people, records for programs."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from wattcast.flows.cli.output import finite, show_banner
from wattcast.tasks.numbers import readable, with_unit
from wattcast.tasks.stages import say

if TYPE_CHECKING:
    from wattcast.flows.sweep import Swept
    from wattcast.flows.train import Trained
    from wattcast.tasks.learning.interval_scores import IntervalScore


def trained_record(trained: Trained) -> dict[str, Any]:
    """One JSON object for a training."""
    evaluation = trained.evaluation
    return {
        "run_id": trained.run_id,
        "model_uri": trained.model_uri,
        "metrics": {name: finite(value) for name, value in evaluation.metrics().items()},
        "unit": evaluation.unit,
        "diagnosis": evaluation.diagnosis.verdict,
        "data_source": trained.data_source,
        "report": trained.report,
        "leakage": list(trained.suspicions),
    }


def _test_table(rows: list[dict[str, str]], target: str) -> Table:
    from wattcast.tasks.learning.evaluate import GRU

    head = [name for name in rows[0] if name != "target"]
    table = Table(*head, title=escape(f"{target}: test part, scored once"), title_justify="left")
    for row in rows:
        table.add_row(*(row[name] for name in head), style="bold" if row["model"] == GRU else None)
    return table


def _interval_table(scores: list[IntervalScore], target: str, unit: str | None) -> Table:
    from wattcast.tasks.learning.evaluate import GRU

    head = ("level", "intervals", "coverage", *(with_unit(name, unit) for name in ("width", "Winkler", "pinball")))
    table = Table(*head, title=escape(f"{target}: intervals of the test part"), title_justify="left")
    for score in scores:
        figures = (readable(each) for each in (score.width, score.winkler, score.pinball))
        cells = (f"{100 * score.level:g} %", score.model, f"{100 * score.coverage:.1f} %", *figures)
        table.add_row(*cells, style="bold" if score.model == GRU else None)
    return table


def show_trained(trained: Trained) -> None:
    """The scores of the test part, the diagnosis, and where everything is."""
    from wattcast.flows.scores import score_rows

    evaluation = trained.evaluation
    console = Console()
    for target, rows in score_rows(evaluation).items():
        console.print(_test_table(rows, target))
        if evaluation.intervals:
            console.print(_interval_table(evaluation.intervals.overall(target), target, evaluation.unit))
    for target in dict.fromkeys(score.target for score in evaluation.scores):
        if unbeaten := evaluation.unbeaten(target):
            say(console, unbeaten)
    for words in filter(None, (evaluation.absent, evaluation.seasonless)):
        say(console, words)
    diagnosis = evaluation.diagnosis
    say(console, (diagnosis.verdict, "bold"), f": {diagnosis.reason}; {diagnosis.advice}.")
    for words in trained.suspicions:
        say(console, ("leakage?", "bold red"), f" {words}")
    show_banner(console, trained.data_source)
    console.print(f"run     {trained.run_id}\nmodel   {trained.model_uri}\nreport  {trained.report}", soft_wrap=True)


def swept_record(swept: Swept) -> dict[str, Any]:
    """One JSON object for a sweep."""
    verdict = swept.verdict
    record = {**asdict(swept), "verdict": {**asdict(verdict), "difference": verdict.difference}}
    record["verdict"] |= {"helped": verdict.helped, "sentence": verdict.sentence}
    return record


def show_swept(swept: Swept) -> None:
    """The best trial, the verdict, and where everything is."""
    from wattcast.flows.scores import arm_rows, fold_rows

    console, verdict, counts = Console(), swept.verdict, swept.counts
    best = with_unit(readable(swept.best_rmse, 2), verdict.unit)
    before = "" if swept.untuned_rmse is None else with_unit(readable(swept.untuned_rmse, 2), verdict.unit)
    say(
        console,
        f"{counts.done} trials of {swept.study}: {counts.complete} complete, {counts.pruned} pruned, "
        f"{counts.failed} failed; best is trial {swept.best_trial}, validation RMSE "
        f"{f'over {swept.folds} folds ' if swept.folds > 1 else ''}{best}{before and f', untuned {before}'}",
    )
    for name, value in swept.best_values.items():
        console.print(f"  {name} = {value:.4g}" if isinstance(value, float) else f"  {name} = {value}")
    spans = f" in {len(verdict.folds)} folds" if verdict.folds else ""
    rows = arm_rows(verdict)
    table = Table(*rows[0], title=f"Test part{spans}, {len(verdict.seeds)} fresh seeds each", title_justify="left")
    for row in rows:
        table.add_row(*row.values(), style="bold" if row["configuration"] in {"tuned", "untuned"} else None)
    console.print(table)
    if folds := fold_rows(verdict):
        title = f"{with_unit('Test RMSE', verdict.unit)} of each of {len(folds)} folds"
        by_fold = Table(*folds[0], title=title, title_justify="left")
        for row in folds:
            by_fold.add_row(*row.values())
        console.print(by_fold)
    say(console, verdict.sentence)
    if swept.scored:
        say(console, swept.scored)
    show_banner(console, swept.data_source)
    console.print(f"run     {swept.run_id}\nbest    {swept.best_config}\nreport  {swept.report}", soft_wrap=True)
