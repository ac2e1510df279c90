"""Tuning: many trials judged on validation, then a verdict on the test part that says whether it was worth it."""

from __future__ import annotations

import logging
import math
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

from filelock import FileLock
from prefect.artifacts import create_markdown_artifact
from pydantic import TypeAdapter

from wattcast.flows.experiment.experiment import UNCHANGED, Experiment
from wattcast.flows.experiment.search_space import check_space, untuned
from wattcast.flows.guarded import refuse_secrets
from wattcast.flows.job import job
from wattcast.flows.note import more, note, table, table_of
from wattcast.flows.prepare import Prepared, prepare
from wattcast.flows.scores import arm_rows, fold_rows, in_one_line, scored_one
from wattcast.flows.tuning.fresh_seeds import compare_with_fresh_seeds, verdict_folds
from wattcast.flows.tuning.objective import TrainingObjective
from wattcast.flows.tuning.side_by_side import SideBySide
from wattcast.model.errors import InputError
from wattcast.model.network.kernel import CORES
from wattcast.model.telling import masked, tellable
from wattcast.tasks.markdown import plain
from wattcast.tasks.metric_names import TEST, of_baseline
from wattcast.tasks.names import check_name
from wattcast.tasks.numbers import readable, with_unit
from wattcast.tasks.progress import live_steps, live_study
from wattcast.tasks.report.page import Subject
from wattcast.tasks.report.sweep import sweep_report, trials_csv
from wattcast.tasks.stages import NOT_ON_SCREEN, stage
from wattcast.tasks.tracking.past_runs import end_children
from wattcast.tasks.tracking.run import CONFIG_FILE, Run, shared_run
from wattcast.tasks.tracking.store import require_server, tracking_faults
from wattcast.tasks.tuning.choices import JOURNAL, Pruner, Runner
from wattcast.tasks.tuning.search import search_task
from wattcast.tasks.tuning.storage import storage_faults, with_password
from wattcast.tasks.tuning.study import Counts, SharedStudy, StudyPlan, open_study
from wattcast.tasks.tuning.verdict import Verdict

log = logging.getLogger(__name__)

REPORT_FILE = "report.html"
BEST_FILE = "best.toml"
"""The artifact with the best configuration, which `wattcast train --config` takes."""
_LABELS = frozenset({"data", "found_by", "readings.unit", "baselines.lightgbm"})
_RUN, _VERDICT = "run", "verdict"  # what a study remembers
_VERDICTS = TypeAdapter(Verdict)


@dataclass(frozen=True)
class Swept:
    """What a sweep leaves behind. RMSE on validation in the verdict's unit, the mean over `folds`.

    `best_trial` 0 is the untuned one.
    """

    study: str
    run_id: str
    data_source: str
    counts: Counts
    folds: int
    best_trial: int
    best_rmse: float
    best_values: dict[str, Any]
    untuned_rmse: float | None  # None where that trial has failed
    verdict: Verdict
    report: str
    best_config: str
    scored: str = ""  # of several targets, which one it is all about

    @property
    def sentence(self) -> str:
        """What came out, in one line."""
        best = with_unit(readable(self.best_rmse, 2), self.verdict.unit)
        over = f" over {self.folds} folds" if self.folds > 1 else ""
        trial = f"trial {self.best_trial} of {self.counts.done}"
        return f"{trial} is best, validation RMSE {best}{over}; {self.verdict.sentence}"


@job("sweep-{experiment.title}")
def sweep(
    experiment: Experiment = UNCHANGED,
    *,
    trials: int = 40,
    folds: int = 1,
    jobs: int = CORES,
    timeout: float | None = None,
    study: str | None = None,
    storage: str = JOURNAL,
    pruner: Pruner = "median",
    seeds: int = 5,
    runner: Runner = "threads",
    address: str | None = None,
) -> Swept:
    """Tune an experiment, and judge the best configuration and the untuned one with fresh seeds on the test part.

    Args:
        experiment: what is tuned; its table `sweep` says which options, and in which ranges.
        trials: how many trials the study shall have in all, those of earlier calls included.
        folds: stretches of validation that judge a trial, each with a network that is trained on what lies before it;
            the mean over them is what is searched for. The verdict then is a backtest over as many spans of the test
            part. More than one cost a trial, and each seed of the verdict, as many trainings.
        jobs: trials that run at once.
        timeout: seconds after which no further trial begins.
        study: name of the study, that of the experiment unless given; one that exists is gone on with.
        storage: path of Optuna's journal, or any URL that Optuna takes; `***` in it stands for a password that is
            taken from the environment (WATTCAST_STORAGE_PASSWORD) or from a Prefect secret block.
        pruner: the rule by which trials are stopped early where they do worse than others did by then.
        seeds: trainings of either configuration for the verdict.
        runner: what runs the trials, threads of this process or the workers of a Dask cluster.
        address: where the Dask scheduler listens, such as tcp://127.0.0.1:8786.

    Raises:
        InputError: something that was given cannot be used, or all trials failed.
    """
    check_space(experiment)
    if study is not None:
        check_name(study, "a study")
    if trials < 1 or seeds < 2:
        raise InputError(f"a sweep needs 1 trial and 2 seeds at least, received {trials} and {seeds}")
    if folds < 1:
        raise InputError(f"folds must be at least 1, received {folds}")
    refuse_secrets(storage=storage)
    storage = with_password(storage)
    if "://" not in storage:
        storage = str(Path(storage).resolve())
    if runner == "dask":
        _require_shared(storage)
    side_by_side, worker, cores = SideBySide(runner, address, jobs), uuid4().hex, max(1, CORES // jobs)
    title, prepared = experiment.title, prepare(experiment)
    for line in prepared.told:
        log.info("%s", line)
    experiment, objective = prepared.experiment, TrainingObjective.of(prepared, folds=folds, cores=cores)
    judged = verdict_folds(prepared, folds)
    plan = StudyPlan(
        url=storage,
        name=study or title,
        definition=_definition(prepared, folds),
        first=untuned(experiment),
        seed=experiment.fit.seed,
        pruner=pruner,
        epochs=_most_epochs(experiment),
        total=trials,
        unit=prepared.unit,
        folds=folds,
    )
    deadline = math.inf if timeout is None else time.time() + timeout
    with tracking_faults(), storage_faults(storage), _opened(prepared, plan, worker) as (shared, run):
        log.info("MLflow run %s", run.page() or run.run_id, extra=NOT_ON_SCREEN)
        leave = partial(_leave, shared, run, worker)
        with stage(f"{trials} trials, {jobs} at once", spins=False), live_study(shared):
            call = {"objective": objective, "plan": plan, "parent": run.parent}
            names = [f"{worker}/{number}" for number in range(jobs)]
            calls = [{**call, "worker": name, "deadline": deadline} for name in names]
            side_by_side.run(search_task, calls, worker=worker, stop=leave)
        best = shared.best()
        if best is None:
            raise InputError(_why_none(shared))
        tuned = experiment.changed(best.values)
        with _one_at_a_time(run.run_id):

            def compare(done: Callable[[], None]) -> Verdict:
                return compare_with_fresh_seeds(
                    side_by_side,
                    run.parent,
                    judged,
                    tuned if best.ticket else None,
                    seeds=[experiment.fit.seed + number for number in range(1, seeds + 1)],
                    cores=cores,
                    worker=worker,
                    stop=leave,
                    done=done,
                )

            end_children(run.parent)
            verdict = _remembered(shared, best.ticket, seeds, compare)
            found_by = f"trial {best.ticket} of {plan.name}, run {run.run_id}"
            toml = tuned.changed({"found_by": found_by}).to_toml()
            with stage("drawing the report"):
                _write(run, shared, prepared, verdict, title=f"sweep of {title}", best=toml)
            log.info("report %s", run.address(REPORT_FILE), extra=NOT_ON_SCREEN)
        for row in (*arm_rows(verdict), *fold_rows(verdict)):
            log.info("%s", in_one_line(row), extra=NOT_ON_SCREEN)
    swept = Swept(
        study=plan.name,
        run_id=run.run_id,
        data_source=prepared.raw.source,
        counts=shared.counts(),
        folds=folds,
        best_trial=best.ticket,
        best_rmse=best.rmse,
        best_values=best.values,
        untuned_rmse=shared.untuned_rmse(),
        verdict=verdict,
        report=run.address(REPORT_FILE),
        best_config=run.address(BEST_FILE),
        scored=scored_one(prepared.experiment.readings.targets),
    )
    create_markdown_artifact(_note(swept, run), key="verdict", description=plain(verdict.sentence))
    return swept


def _note(swept: Swept, run: Run) -> str:
    """For Prefect's page: what the search found, and the verdict with its scores."""
    values = [
        (name, f"{value:.4g}" if isinstance(value, float) else str(value)) for name, value in swept.best_values.items()
    ]
    counts, verdict = swept.counts, swept.verdict
    return note(
        f"sweep of {swept.study}",
        plain(verdict.sentence),
        plain(swept.scored),
        f"Test part, {len(verdict.seeds)} fresh seeds each:",
        table_of(arm_rows(verdict)),
        table_of(fold_rows(verdict)),
        f"{counts.done} trials: {counts.complete} complete, {counts.pruned} pruned, {counts.failed} failed; best is "
        f"trial {swept.best_trial}.",
        table(("option", "best value"), values) if values else "",
        "## More",
        more(run, REPORT_FILE),
        f"Best configuration `{swept.best_config}`",
    )


def _require_shared(storage: str) -> None:
    """The workers of a cluster are elsewhere: a file of this machine would be another one on each of theirs."""
    if "://" not in storage or storage.startswith("sqlite"):
        raise InputError(
            f"the runner dask needs a storage that all workers reach, such as --storage postgresql://user@host/name, "
            f"received {masked(storage)}"
        )
    require_server()


def _most_epochs(experiment: Experiment) -> int:
    searched = experiment.sweep.get("fit.epochs")
    return max(experiment.fit.epochs, *(int(end) for end in searched.ends)) if searched else experiment.fit.epochs


def _definition(prepared: Prepared, folds: int) -> dict[str, Any]:
    """All that makes trials comparable, by dotted names: settings, ranges, and the data; no address and no label.

    A single fold goes unsaid, as in studies from before there were several.
    """
    experiment = prepared.experiment
    settings = {name: value for name, value in experiment.flat().items() if name not in _LABELS}
    ranges = {
        f"sweep.{name}": values.model_dump(mode="json", exclude_none=True) for name, values in experiment.sweep.items()
    }
    return {**settings, **ranges, "data.sha256": prepared.raw.sha256, **({"folds": folds} if folds > 1 else {})}


@contextmanager
def _opened(prepared: Prepared, plan: StudyPlan, worker: str) -> Iterator[tuple[SharedStudy, Run]]:
    """The study and its MLflow run, which those who work on it share; the last one to leave ends the run."""
    experiment = prepared.experiment
    tags = {**prepared.tags, "study": plan.name, "storage": masked(plan.url)}
    params = {**experiment.flat(), **{f"sweep.{name}": str(values) for name, values in experiment.sweep.items()}}
    with ExitStack() as stack:
        with _one_at_a_time(f"{masked(plan.url)} {plan.name}"):
            shared = open_study(plan)
            name, before = f"sweep-{plan.name}", shared.recall(_RUN)
            run = stack.enter_context(shared_run(name, params=params, tags=tags, resume=before))
            shared.remember(_RUN, run.run_id)
            run.write(CONFIG_FILE, experiment.to_toml())
        try:
            yield shared, run
        except BaseException as error:
            _leave(shared, run, worker, error)
            if not isinstance(error, Exception):
                log.warning("interrupted: study %r keeps what has ended, and the same command goes on", plan.name)
            raise
        _leave(shared, run, worker)


def _leave(shared: SharedStudy, run: Run, worker: str, error: BaseException | None = None) -> None:
    """End the sweep's run, unless others are still at work on it; with an `error` give up what `worker` runs."""
    status = "FINISHED" if error is None else "FAILED" if isinstance(error, Exception) else "KILLED"
    failure = tellable(f"{type(error).__name__}: {error}") if status == "FAILED" else ""
    with suppress(InputError), tracking_faults(), storage_faults(shared.plan.url):  # what came first is told
        if error:
            shared.dismiss(worker)
            end_children(run.parent, worker=worker)
        if not shared.counts().running:
            run.end(status, failure)


@contextmanager
def _one_at_a_time(what: str) -> Iterator[None]:
    """Processes of this machine wait for each other here."""
    name = sha256(what.encode()).hexdigest()[:16]
    with FileLock(Path(tempfile.gettempdir()) / f"wattcast-{name}.lock"):
        yield


def _remembered(
    shared: SharedStudy, best: int, seeds: int, compare: Callable[[Callable[[], None]], Verdict]
) -> Verdict:
    """The verdict on trial `best`: worked out once, as the test part is scored for it, and remembered."""
    folds = shared.plan.folds
    judged = {"trial": best, "seeds": seeds, **({"folds": folds} if folds > 1 else {})}
    before = shared.recall(_VERDICT)
    if before and before["judged"] == judged:
        return _VERDICTS.validate_python(before["verdict"])
    trainings = (2 if best else 1) * seeds * folds
    with stage(f"{trainings} trainings for the verdict", spins=False), live_steps("verdict", trainings) as done:
        verdict = compare(done)
    shared.remember(_VERDICT, {"judged": judged, "verdict": _VERDICTS.dump_python(verdict, mode="json")})
    return verdict


def _why_none(shared: SharedStudy) -> str:
    reasons = shared.failures()
    if not reasons:
        return "no trial has ended: give the sweep more time with --timeout, or run the same command again to go on"
    told = "\n".join(f"- {count} times: {reason}" for reason, count in reasons.most_common())
    return f"all trials that have ended have failed:\n{told}\nmend that and begin another study with --study NAME"


def _write(run: Run, shared: SharedStudy, prepared: Prepared, verdict: Verdict, *, title: str, best: str) -> None:
    """The artifacts and the metrics of the sweep; `best` is the best configuration as TOML."""
    counts, snapshot = shared.counts(), shared.snapshot()
    facts = {
        "study": shared.plan.name,
        "storage": masked(shared.plan.url),
        "run": run.run_id,
        **prepared.facts,
        "trials": f"{counts.complete} complete, {counts.pruned} pruned, {counts.failed} failed",
        "judged by": f"{folds} folds of validation" if (folds := shared.plan.folds) > 1 else "validation",
        **({"verdict": f"{folds} folds of the test part"} if folds > 1 else {}),
        "pruner": shared.plan.pruner,
        "seed of the trials": str(shared.plan.seed),
        "seeds of the verdict": ", ".join(map(str, verdict.seeds)),
        **({"scored": scored} if (scored := scored_one(prepared.experiment.readings.targets)) else {}),
    }
    subject = Subject(title, facts, prepared.is_simulated, prepared.suspicions)
    run.write(BEST_FILE, best)
    run.write("trials.csv", trials_csv(snapshot))
    run.write("verdict.json", _VERDICTS.dump_json(verdict, indent=2))
    run.write(REPORT_FILE, sweep_report(subject, snapshot, verdict, best_toml=best))
    run.log_metrics(_metrics(shared, verdict))
    for fold in verdict.folds:
        run.log_metrics(fold.metrics(), step=fold.number)
    run.describe(plain(f"{verdict.sentence} {scored}".strip()))
    run.set_tags({"verdict": verdict.sentence})


def _metrics(shared: SharedStudy, verdict: Verdict) -> dict[str, float]:
    best = shared.best()
    metrics = {
        "trials": float(shared.counts().done),
        "best_val_rmse": math.nan if best is None else best.rmse,
        "untuned_test_rmse": verdict.untuned.mean_rmse,
        "test_rmse_difference": verdict.difference,
        **{of_baseline(TEST, name, "rmse"): rmse for name, (rmse, _) in verdict.baselines.items()},
    }
    return {**metrics, "tuned_test_rmse": verdict.tuned.mean_rmse} if verdict.tuned else metrics
