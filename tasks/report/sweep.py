"""The page that a sweep leaves behind: whether tuning helped, what the search tried, and what mattered.

Nothing is saved here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import optuna
import pandas as pd
from optuna.trial import FrozenTrial, TrialState

from wattcast.tasks.numbers import with_unit
from wattcast.tasks.report.figure import Panel, fine, labelled
from wattcast.tasks.report.page import Subject, Table, render
from wattcast.tasks.report.sweep_course import curves_panel, history_panel
from wattcast.tasks.report.sweep_effects import contour_panels, importance_panel, importances, slice_panels
from wattcast.tasks.report.sweep_parallel import parallel_panel
from wattcast.tasks.report.sweep_trials import Results, show, ticket
from wattcast.tasks.report.sweep_verdict import fold_table, interval_words, score_table, verdict_panels
from wattcast.tasks.tuning.study import REASON, RUN_ID
from wattcast.tasks.tuning.verdict import Verdict

_BEST = 10
"""Trials in the table of the best."""


def sweep_report(subject: Subject, study: optuna.Study, verdict: Verdict, *, best_toml: str) -> str:
    """One HTML page on the ended trials of `study` and on the `verdict`. Nothing given is changed."""
    results = Results.of(study, verdict.unit)
    shares = importances(results)
    drawn: dict[str, Sequence[Panel | str]] = {
        "verdict": verdict_panels(verdict),
        "search": [history_panel(results), importance_panel(results, shares), curves_panel(results)],
        "slices": slice_panels(results),
        "parallel": [parallel_panel(results)],
        "contours": contour_panels(results, shares),
    }
    groups = {name: [panel for panel in panels if isinstance(panel, Panel)] for name, panels in drawn.items()}
    return render(
        "sweep.html",
        subject,
        groups,
        config_toml=best_toml,
        headlines=[verdict.sentence],
        tiles=_tiles(results, verdict),
        scores=score_table(verdict),
        folds=fold_table(verdict),
        intervals=interval_words(verdict),
        seeds=", ".join(map(str, verdict.seeds)),
        columns=len(results.names) + 1,
        unit=results.unit,
        until_pruned=results.until_pruned,
        left_out=[text for panels in drawn.values() for text in panels if isinstance(text, str)],
        best=_best_table(results),
        failed=_failed_table(results),
    )


def trials_csv(study: optuna.Study) -> str:
    """One line a trial, in the order of their tickets, with every value in full.

    `value` is the RMSE on validation; of a pruned trial it is the lowest that it had reached, or the mean over the
    folds that had ended.
    """
    results = Results.of(study, None)
    head = ["trial", "state", "value", f"{results.step}s", "seconds", *results.names, REASON, RUN_ID]
    rows = [_csv_row(results, trial) for trial in results.trials]
    return pd.DataFrame(rows, columns=head, dtype=object).to_csv(index=False, lineterminator="\n")


def _csv_row(results: Results, trial: FrozenTrial) -> list[object]:
    seconds = None if trial.duration is None else round(trial.duration.total_seconds(), 3)
    before = [ticket(trial), trial.state.name.lower(), results.reached(trial), len(trial.intermediate_values), seconds]
    return [*before, *map(trial.params.get, results.names), *map(trial.user_attrs.get, (REASON, RUN_ID))]


def _tiles(results: Results, verdict: Verdict) -> dict[str, str]:
    best, untuned = results.best, results.untuned
    return {
        "best validation RMSE": results.told(results.reached(best)) if best else "–",
        "untuned validation RMSE": results.told(results.reached(untuned)) if untuned else "–",
        "test RMSE tuned, mean": with_unit(fine(verdict.tuned.mean_rmse), verdict.unit) if verdict.tuned else "–",
        "test RMSE untuned, mean": with_unit(fine(verdict.untuned.mean_rmse), verdict.unit),
        f"trials ({len(results.those(TrialState.COMPLETE))} complete)": str(len(results.trials)),
    }


def _best_table(results: Results) -> Table:
    complete = results.those(TrialState.COMPLETE)
    best = sorted(complete, key=lambda trial: (results.reached(trial), ticket(trial)))[:_BEST]
    shown = best if results.untuned is None or results.untuned in best else [*best, results.untuned]
    head = ["trial", labelled("RMSE", results.unit), f"{results.step}s", *results.names, "MLflow run"]
    return Table(head, [_trial_row(results, trial) for trial in shown], marked=0 if best else None)


def _trial_row(results: Results, trial: FrozenTrial) -> list[str]:
    name = f"{ticket(trial)} (untuned)" if ticket(trial) == 0 else str(ticket(trial))
    values = [show(trial.params[name]) if name in trial.params else "–" for name in results.names]
    return [
        name,
        fine(results.reached(trial)),
        str(len(trial.intermediate_values)),
        *values,
        trial.user_attrs.get(RUN_ID, "–"),
    ]


def _failed_table(results: Results) -> Table:
    tickets: dict[str, list[str]] = defaultdict(list)
    for trial in results.those(TrialState.FAIL):
        tickets[trial.user_attrs.get(REASON, "not known")].append(str(ticket(trial)))
    ordered = sorted(tickets.items(), key=lambda item: -len(item[1]))
    return Table(["reason", "count", "trials"], [[why, str(len(those)), ", ".join(those)] for why, those in ordered])
