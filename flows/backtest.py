"""Backtest: what an experiment would have forecast of each of many spans, beside everything else that forecasts."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from uuid import uuid4

from prefect.artifacts import create_markdown_artifact
from prefect.runtime import flow_run
from pydantic import ValidationError

from wattcast.flows.contest.asked import Asked, entered, moments
from wattcast.flows.contest.fold import FOLD, Contest, judge_folds_task
from wattcast.flows.experiment.experiment import UNCHANGED, Experiment
from wattcast.flows.experiment.run_name import run_name
from wattcast.flows.job import FLOW_RUN, job, retried
from wattcast.flows.note import listed, more, note, table_of
from wattcast.flows.prepare import Prepared, prepare
from wattcast.flows.scores import contest_rows, in_one_line
from wattcast.flows.tuning.side_by_side import SideBySide
from wattcast.model.errors import InputError
from wattcast.model.network.kernel import CORES
from wattcast.tasks.backtest.contest import Backtest, Judged
from wattcast.tasks.backtest.folds import Folding, Origin, chains
from wattcast.tasks.backtest.kept import FOLD_FILE, from_bytes
from wattcast.tasks.backtest.known import Span
from wattcast.tasks.backtest.verdict import Verdict, judge
from wattcast.tasks.markdown import plain
from wattcast.tasks.progress import live_steps
from wattcast.tasks.report.backtest import backtest_csv, backtest_report
from wattcast.tasks.report.page import BANNER, Subject
from wattcast.tasks.stages import NOT_ON_SCREEN, stage
from wattcast.tasks.tracking.past_runs import (
    close_abandoned,
    end_children,
    finished_children,
    read_file,
    unfinished_run,
)
from wattcast.tasks.tracking.run import CONFIG_FILE, JOB, Run, tracked_run
from wattcast.tasks.tracking.store import require_server, tracking_faults
from wattcast.tasks.tuning.choices import Runner

log = logging.getLogger(__name__)

RECORD_FILE = "backtest.json"
"""The artifact with all that a backtest was asked for, with which it goes on."""
REPORT_FILE = "backtest.html"
_NAME = "backtest"
_LONGEST_TAG = 2000


@dataclass(frozen=True)
class Backtested:
    """What a backtest leaves behind."""

    run_id: str
    data_source: str
    verdict: Verdict
    report: str

    @property
    def sentence(self) -> str:
        """What came out, in one line."""
        return self.verdict.sentence


@job("backtest-{experiment.title}")
def backtest(
    experiment: Experiment = UNCHANGED,
    *,
    folds: int = 8,
    step: str = "7d",
    window: Span = "expanding",
    train: str = "60d",
    gap: str = "0",
    refit: str = "always",
    against: tuple[str, ...] = (),
    jobs: int = CORES,
    runner: Runner = "threads",
    address: str | None = None,
    resume: str | None = None,
) -> Backtested:
    """Train anew at each of several moments, forecast what comes next, and compare with everything else that forecasts.

    Args:
        experiment: what is trained in each fold; its split says which share of what a fold knows is validation.
        folds: how many spans are forecast, the last of which ends with the readings.
        step: length of each, such as 7d or 36h.
        window: whether a fold knows all readings before it (expanding), or the newest of them (sliding).
        train: how much a fold knows when sliding, and the first one at least when expanding.
        gap: time between what is known and the first forecast.
        refit: always, never, or every how many folds a network is trained anew.
        against: who else forecasts, beside the baselines: presets, TOML files, and other forecasters by their names.
        jobs: folds that run at once.
        runner: what runs them, threads of this process or the workers of a Dask cluster.
        address: where the Dask scheduler listens, such as tcp://127.0.0.1:8786.
        resume: id of the MLflow run of a backtest that was ended; it goes on, with all that it was asked for.

    Raises:
        InputError: something that was given cannot be used.
    """
    side_by_side = SideBySide(runner, address, jobs)
    if runner == "dask":
        require_server()
    with tracking_faults():
        close_abandoned()
        resume = retried() if resume is None else resume
        if resume is not None:
            asked, sha256 = _resumed(resume)
            prepared = prepare(asked.experiment)
            prepared.raw.require_same(sha256, resume)
        else:
            Folding.read(folds=folds, step=step, window=window, train=train, gap=gap, refit=refit)  # before the data
            prepared = prepare(experiment)
            networks, others = entered(prepared.experiment, against)
            asked = Asked(
                experiments=networks,
                others=others,
                folds=folds,
                step=step,
                window=window,
                train=train,
                gap=gap,
                refit=refit,
            )
        contest = asked.contest(prepared)
        origins = _planned(asked, contest)
        if prepared.is_simulated:
            log.warning("%s", BANNER)
        log.info("%s", prepared.fetched.told(prepared.experiment.preset))
        params = {**prepared.experiment.flat(), **_params(asked)}
        tags = {**prepared.tags, JOB: _NAME, FLOW_RUN: str(flow_run.id)}
        name = f"{_NAME} {run_name(asked.experiment, prepared.experiment.data)} {len(origins)} x {asked.step}"
        way_on = "`wattcast backtest --resume {run_id}` goes on with the folds that have not ended"
        with tracked_run(name, params=params, tags=tags, resume=resume, way_on=way_on) as run:
            log.info("MLflow run %s", run.page() or run.run_id, extra=NOT_ON_SCREEN)
            run.write(CONFIG_FILE, prepared.experiment.to_toml())
            run.write(RECORD_FILE, asked.model_dump_json(indent=2))
            run.log_dataset(prepared.frame, source=prepared.raw.source, origin=prepared.raw.origin)
            judged = _judged(run, contest, origins, side_by_side)
            with stage("weighing who beats whom"):
                verdict = judge(_backtest(prepared, contest, judged))
                _log(run, asked, prepared, verdict)
            log.info("report %s", run.address(REPORT_FILE), extra=NOT_ON_SCREEN)
        return Backtested(run.run_id, prepared.raw.source, verdict, run.address(REPORT_FILE))


def _resumed(run_id: str) -> tuple[Asked, str]:
    """What the backtest of this run was asked for, and the SHA-256 of its data."""
    record, sha256 = unfinished_run(run_id, job=_NAME, record=RECORD_FILE)
    try:
        return Asked.model_validate_json(record), sha256
    except ValidationError:
        raise InputError(f"run {run_id} was begun by another version of wattcast: start it anew") from None


def _planned(asked: Asked, contest: Contest) -> tuple[Origin, ...]:
    """The folds, in each of which every network can be trained."""
    prepared = contest.asked
    cadence = prepared.experiment.readings.cadence
    origins = asked.folding.origins(moments(contest), prepared.all_times[0], cadence)
    if len(origins) < asked.folds:
        log.warning("%d of %d folds fall into gaps of the readings", asked.folds - len(origins), asked.folds)
    for origin in origins:
        contest.prepared(origin)  # before a run begins: it may know too little
    return origins


def _params(asked: Asked) -> dict[str, object]:
    told = asked.model_dump(include={"folds", "step", "window", "train", "gap", "refit"})
    against = ", ".join([*list(asked.experiments)[1:], *asked.others])
    return {**{f"backtest.{name}": value for name, value in told.items()}, "backtest.against": against}


def _judged(run: Run, contest: Contest, origins: tuple[Origin, ...], side_by_side: SideBySide) -> tuple[Judged, ...]:
    """All folds in their order: those that have ended before, and the others side by side."""
    parent, worker = run.parent, uuid4().hex
    end_children(parent)
    kept = {
        int(number): from_bytes(read_file(parent, run_id, FOLD_FILE))
        for number, run_id in finished_children(parent, FOLD).items()
    }
    if kept:
        log.info("%d of %d folds have ended before and are kept", len(kept), len(origins))
    call = {"contest": contest, "parent": parent, "cores": max(1, CORES // side_by_side.jobs), "worker": worker}
    longest_first = sorted(chains(origins), key=lambda chain: chain[0].cut - chain[0].known_from, reverse=True)
    calls = [
        {**call, "trained": chain[0], "folds": missing}
        for chain in longest_first  # at the end the others would wait for it
        if (missing := [origin for origin in chain if origin.number not in kept])
    ]

    def end(_: BaseException) -> None:
        end_children(parent, worker=worker)

    with stage(f"{len(origins)} folds", spins=False), live_steps("folds", len(calls)) as done:
        results = side_by_side.run(judge_folds_task, calls, worker=worker, stop=end, done=done)
    judged = kept | {each.number: each for folds in results for each in folds}
    return tuple(judged[origin.number] for origin in origins)


def _backtest(prepared: Prepared, contest: Contest, judged: tuple[Judged, ...]) -> Backtest:
    ours = prepared.experiment
    return Backtest(
        folds=judged,
        contestants=contest.names,
        targets=ours.readings.targets,
        quantiles=ours.intervals.quantiles,
        levels=ours.intervals.levels,
        steps_ahead=ours.window.steps_ahead,
        cadence=ours.readings.cadence,
        day=ours.readings.steps_a_day,
        unit=prepared.unit,
    )


def _log(run: Run, asked: Asked, prepared: Prepared, verdict: Verdict) -> None:
    """Scores, their course from fold to fold, table and page, and what they say."""
    for each in (verdict, *verdict.others):
        for row in contest_rows(each):
            log.info("%s", in_one_line(row), extra=NOT_ON_SCREEN)
    run.log_metrics(verdict.metrics())
    for number, scores in enumerate(verdict.metrics_by_fold(), start=1):
        run.log_metrics(scores, step=number)
    ours, told = prepared.experiment, asked.folding
    facts = {
        "run": run.run_id,
        **prepared.facts,
        "folds": f"{len(verdict.folds)} of {asked.step}, {asked.window}, trained anew {told.refitted}",
        "first cut": verdict.folds[0].cut,
        "last cut": verdict.folds[-1].cut,
        "gap": asked.gap,
        "networks": f"{ours.fit.members}, seed {ours.fit.seed}",
    }
    subject = Subject(f"{_NAME} of {ours.title}", facts, prepared.is_simulated, prepared.suspicions)
    run.write("backtest.csv", backtest_csv(verdict))
    run.write(REPORT_FILE, backtest_report(subject, verdict, ours.to_toml()))
    create_markdown_artifact(_note(subject.title, verdict, run), key=_NAME, description=plain(verdict.sentence))
    run.describe("\n\n".join(map(plain, verdict.sentences)))
    if verdict.recommended:
        run.set_tags({"recommended": verdict.recommended.name, "recommended.why": verdict.sentence[:_LONGEST_TAG]})


def _note(title: str, verdict: Verdict, run: Run) -> str:
    """For Prefect's page: whom to use, the scores of all contestants, and why some have none."""
    return note(
        title,
        *map(plain, verdict.sentences),
        table_of(contest_rows(verdict)),
        listed(plain(f"{fault.name} failed in fold {fault.fold}: {fault.reason}") for fault in verdict.failed),
        *(
            f"## {plain(other.target)}\n\n{plain(other.sentence)}\n\n{table_of(contest_rows(other))}"
            for other in verdict.others
        ),
        "## More",
        more(run, REPORT_FILE),
    )
