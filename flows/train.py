"""The main job: readings in, an honest, logged, reloadable forecaster out."""

from __future__ import annotations

import json
import logging
import tomllib
from dataclasses import dataclass, replace
from statistics import mean

from prefect.artifacts import create_table_artifact
from prefect.runtime import flow_run

from wattcast.flows.experiment.experiment import UNCHANGED, Experiment
from wattcast.flows.experiment.run_name import run_name
from wattcast.flows.job import FLOW_RUN, job, retried
from wattcast.flows.note import artifact_rows, more
from wattcast.flows.prepare import Prepared, prepare
from wattcast.flows.scores import in_one_line, score_rows, told
from wattcast.model.fit import Fitted
from wattcast.model.forecaster import NETWORK_FILE, Forecaster
from wattcast.tasks.learning.calibrate import calibrate_task
from wattcast.tasks.learning.evaluate import Evaluation, evaluate_task
from wattcast.tasks.learning.interval_scores import score_intervals_task
from wattcast.tasks.learning.leakage import LEAKAGE_FILE, proofs_record, prove_no_leakage_task, require_passed
from wattcast.tasks.learning.train import train_task
from wattcast.tasks.markdown import plain
from wattcast.tasks.metric_names import TEST, renamings
from wattcast.tasks.progress import live_epochs
from wattcast.tasks.report.page import BANNER, Subject
from wattcast.tasks.report.training import report_task
from wattcast.tasks.stages import NOT_ON_SCREEN, stage
from wattcast.tasks.tracking.description import describe_training
from wattcast.tasks.tracking.logged_model import log_forecaster
from wattcast.tasks.tracking.past_runs import unfinished_run
from wattcast.tasks.tracking.run import CONFIG_FILE, Run, tracked_run
from wattcast.tasks.tracking.store import tracking_faults
from wattcast.tasks.tracking.tensorboard import event_writer, link_events, write_graph

log = logging.getLogger(__name__)

REPORT_FILE = "report.html"
FORECASTS_FILE = "forecasts.parquet"
"""The artifact with the forecasts that were scored."""
_EXAMPLE_STEPS = 6  # beyond what one forecast reads, in the model's input example


@dataclass(frozen=True)
class Trained:
    """What a training run leaves behind."""

    run_id: str
    model_uri: str
    data_source: str
    evaluation: Evaluation
    report: str
    suspicions: tuple[str, ...] = ()  # of a future that leaked into the readings

    @property
    def sentence(self) -> str:
        """What came out, in one line."""
        return told(self.evaluation)


@job("{experiment.title}")
def train(experiment: Experiment = UNCHANGED, resume: str | None = None) -> Trained:
    """Train one experiment, score it beside the baselines, prove that nothing leaked, and log everything in MLflow.

    Args:
        experiment: what to train, and how: a preset and what differs from it.
        resume: id of an MLflow run that was killed or has failed; it goes on from its last checkpoint, with its own
            experiment.
    """
    resume = retried() if resume is None else resume
    if resume is not None:
        config, sha256 = unfinished_run(resume)
        experiment = Experiment.model_validate(tomllib.loads(config))
        prepared = prepare(experiment)
        prepared.raw.require_same(sha256, resume)
    else:
        prepared = prepare(experiment)
    if prepared.is_simulated:
        log.warning("%s", BANNER)
    for line in prepared.told:
        log.info("%s", line)
    name = run_name(experiment, prepared.experiment.data)
    tags = {**prepared.tags, FLOW_RUN: str(flow_run.id)}
    params = prepared.experiment.flat()
    with tracking_faults(), tracked_run(name, params=params, tags=tags, resume=resume) as run:
        return train_in(run, prepared)


def train_in(run: Run, prepared: Prepared, judged: str = TEST) -> Trained:
    """Train within an open run: fit, prove that nothing leaked, score, and log it all.

    `judged` is what scores of the test part are called.
    """
    log.info("MLflow run %s", run.page() or run.run_id, extra=NOT_ON_SCREEN)
    run.write(CONFIG_FILE, prepared.experiment.to_toml())
    run.log_dataset(prepared.frame, source=prepared.raw.source, origin=prepared.raw.origin)
    fitted = _fit(prepared, run)
    with stage("proving that nothing leaked"):
        _prove(prepared, run)
    with stage("scoring beside the baselines"):
        forecaster = product(prepared, fitted)
        evaluation = _evaluate(prepared, fitted, forecaster)
    _log_scores(run, prepared, fitted, evaluation, judged)
    for rows in score_rows(evaluation).values():
        for row in rows:
            log.info("%s", in_one_line(row), extra=NOT_ON_SCREEN)
    log.info("%s: %s", evaluation.diagnosis.verdict, evaluation.diagnosis.reason, extra=NOT_ON_SCREEN)
    model_uri = _log(run, prepared, fitted, forecaster, evaluation)
    report = run.address(REPORT_FILE)
    log.info("model %s, report %s", model_uri, report, extra=NOT_ON_SCREEN)
    return Trained(run.run_id, model_uri, prepared.raw.source, evaluation, report, prepared.suspicions)


def _fit(prepared: Prepared, run: Run) -> Fitted:
    experiment, events = prepared.experiment, run.folder / "tensorboard"
    if run.local:
        events.mkdir(exist_ok=True)
        link_events(events, run.name, run.run_id)
    networks = "a network" if experiment.fit.members == 1 else f"{experiment.fit.members} networks"
    with (
        stage(f"training {networks}", spins=False),
        live_epochs(experiment.fit.epochs, experiment.fit.members, unit=prepared.unit) as show,
    ):
        fitted: Fitted = train_task(
            experiment.model,
            experiment.fit,
            prepared.windows,
            prepared.scaler,
            checkpoints=run.folder / "checkpoints",
            listeners=(show, run.log_epoch, event_writer(events, prepared.unit)),
        )
    write_graph(events, fitted.network)
    return fitted


def _prove(prepared: Prepared, run: Run) -> None:
    proofs = prove_no_leakage_task(**prepared.in_evidence)
    run.write(LEAKAGE_FILE, json.dumps(proofs_record(proofs), indent=2) + "\n")
    require_passed(proofs, f"{LEAKAGE_FILE} of this run")


def product(prepared: Prepared, fitted: Fitted) -> Forecaster:
    """The network with its intervals, whose errors are those of the network before a refit."""
    asked, validation = prepared.experiment.intervals, prepared.windows.validation
    return prepared.forecaster(fitted.network, calibrate_task(prepared.forecaster(fitted.selected), validation, asked))


def _evaluate(prepared: Prepared, fitted: Fitted, product: Forecaster) -> Evaluation:
    """The scores, and those of the intervals where there are any."""
    known, targets = prepared.known, prepared.experiment.readings.targets
    evaluation: Evaluation = evaluate_task(
        prepared.forecaster(fitted.selected),
        product,
        prepared.windows,
        known=known,
        targets=targets,
        block=prepared.experiment.readings.steps_a_day,
        unit=prepared.unit,
        baselines=prepared.experiment.baselines,
    )
    if product.intervals is None:
        return evaluation
    scored = score_intervals_task(
        product.intervals,
        product.predict(prepared.windows.test),
        prepared.windows,
        prepared.experiment.intervals,
        known=known,
        targets=targets,
        behind=prepared.experiment.readings.behind,
    )
    return replace(evaluation, intervals=scored)


def _log_scores(run: Run, prepared: Prepared, fitted: Fitted, evaluation: Evaluation, judged: str) -> None:
    """As metrics and in words."""
    run.log_scores(
        {**evaluation.metrics(judged), "train_best_epoch": mean(member.best_epoch for member in fitted.members)},
        step=max(epoch.number for epoch in fitted.history) + 1,
    )
    if renamed := renamings(evaluation.targets):
        log.warning("%s", renamed)
    run.describe(describe_training(evaluation, prepared.spans.sentence, judged))
    run.set_tags({"diagnosis": evaluation.diagnosis.verdict})


def _log(run: Run, prepared: Prepared, fitted: Fitted, forecaster: Forecaster, evaluation: Evaluation) -> str:
    """Model, forecasts and report; the model's URI."""
    experiment = prepared.experiment
    run.write("scaler.json", json.dumps(prepared.scaler.to_json(), indent=2) + "\n")
    forecaster.network.save(run.folder / NETWORK_FILE)
    evaluation.forecasts.to_parquet(run.folder / FORECASTS_FILE, index=False)
    with stage("drawing the report"):
        subject = _subject(run, prepared, fitted)
        known = () if experiment.readings.available_at else experiment.readings.known  # of which the file says when
        page = report_task(
            subject, evaluation, fitted.history, experiment.to_toml(), known=known, behind=experiment.readings.behind
        )
        run.write(REPORT_FILE, page.html)
        run.write("forecast.png", page.forecast_png)
        run.write("learning_curve.png", page.learning_png)
    with stage("saving the model"):
        parts = ("test", "validation", "train")
        rows = [row for rows in score_rows(evaluation, parts).values() for row in rows]
        rows.sort(key=lambda row: parts.index(row["part"]))
        about = f"Scores of {plain(experiment.title)}\n\n{more(run, REPORT_FILE)}"
        create_table_artifact(artifact_rows(rows), key="scores", description=about)
        example = prepared.example(experiment.window.reach(experiment.readings) + _EXAMPLE_STEPS)
        return log_forecaster(run, forecaster, example)


def _subject(run: Run, prepared: Prepared, fitted: Fitted) -> Subject:
    experiment, times = prepared.experiment, prepared.times
    parts = {f"{name} from": str(times[rows.start]) for name, rows in prepared.rows.items()}
    facts = {
        "run": run.run_id,
        **prepared.facts,
        "rows": f"{len(times):,}",
        **parts,
        "last reading": str(times[-1]),
        "seed": str(experiment.fit.seed),
        "networks": str(len(fitted.members)),
        "chosen epoch": ", ".join(str(member.best_epoch) for member in fitted.members),
    }
    return Subject(experiment.title, facts, prepared.is_simulated, prepared.suspicions)
