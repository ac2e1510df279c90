"""Retraining: a challenger on the newest readings, and a gate that lets it become the champion or not."""

from __future__ import annotations

import hashlib
import json
import logging
import math
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
import pandas as pd
from prefect.artifacts import create_markdown_artifact

from wattcast.flows.experiment.experiment import UNCHANGED, Experiment
from wattcast.flows.experiment.run_name import run_name
from wattcast.flows.job import job
from wattcast.flows.prepare import Prepared, divide, fetch, watched
from wattcast.flows.promotion.comparison import Case, compare
from wattcast.flows.promotion.dates import dated
from wattcast.flows.promotion.note import gate_note
from wattcast.flows.train import FORECASTS_FILE, train_in
from wattcast.model.config import ClockTime
from wattcast.model.errors import InputError
from wattcast.model.fallback import Fallback
from wattcast.tasks.data.uci import NOISE_COLUMNS
from wattcast.tasks.learning.evaluate import GRU, Evaluation
from wattcast.tasks.markdown import plain
from wattcast.tasks.metric_names import HOLDOUT
from wattcast.tasks.monitoring.drift import Drift, drift_task
from wattcast.tasks.monitoring.watching import skill_of
from wattcast.tasks.registry.contract import Contract
from wattcast.tasks.registry.gate import Comparison
from wattcast.tasks.registry.ledger import LostRaceError, ledger, promote, refuse, settle
from wattcast.tasks.registry.names import CHALLENGER, CHAMPION, MODEL
from wattcast.tasks.registry.trust import DIGEST
from wattcast.tasks.registry.versions import (
    CONTRACT,
    DATA_FROM,
    DATA_TO,
    DECISION,
    DRIFT,
    FALLBACK,
    HOLDOUT_FROM,
    HOLDOUT_SKILL,
    HOLDOUT_TO,
    TRAINING,
    WHY,
    Version,
    Versions,
)
from wattcast.tasks.report.page import BANNER, Subject
from wattcast.tasks.report.retraining import drift_csv, retrain_report
from wattcast.tasks.stages import NOT_ON_SCREEN, stage
from wattcast.tasks.tracking.description import with_verdict
from wattcast.tasks.tracking.past_runs import close_abandoned, resumable_run
from wattcast.tasks.tracking.run import JOB, Run, tracked_run
from wattcast.tasks.tracking.store import tracking_faults

log = logging.getLogger(__name__)

WhenBusy = Literal["wait", "cancel"]
_KEY, _REPORT, _PAGE = "retrain.key", "retrain.report", "retrain.html"
_MOST_RACES, _LONGEST_WHY = 5, 2000


@dataclass(frozen=True)
class Retrained:
    """What a retraining leaves behind. `champion` is the version that is in use now."""

    model: str
    version: int
    promoted: bool
    why: str
    champion: int | None
    drift: str
    run_id: str
    report: str
    data_source: str
    repeated: bool  # an earlier retraining on the same readings has decided this already

    @property
    def sentence(self) -> str:
        """What came out, in one line."""
        outcome = "promoted" if self.promoted else "refused"
        again = "decided before, on the same readings: " if self.repeated else ""
        return f"{again}{outcome} version {self.version}: {self.why}"


@job("retrain-{name}")
def retrain(
    experiment: Experiment = UNCHANGED,
    as_of: ClockTime | None = None,
    name: str = MODEL,
    when_busy: WhenBusy = "wait",
    trust: bool = False,
) -> Retrained:
    """Train a challenger on readings up to a date, and make it the champion if it passes the gate.

    The newest `gate.holdout_days` are kept from training and judge champion and challenger. The same call goes on with
    a retraining that has died, from its last checkpoint, and repeats none that has ended.

    Args:
        experiment: how the challenger is trained, and its table `gate`; the dates of its split are set here.
        as_of: time stamp of the newest reading that is used, the newest of all unless given.
        name: the registered model.
        when_busy: what to do while the same model is being retrained elsewhere: wait for it, or leave it at that.
        trust: load a champion that no retraining has registered, too, which runs its code.

    Raises:
        InputError: something that was given cannot be used, or the model is busy.
    """
    versions = Versions.open(name, trusting=trust)
    with tracking_faults(), versions.alone(TRAINING, wait_s=math.inf if when_busy == "wait" else 0):
        close_abandoned()
        settle(versions)
        fetched = fetch(experiment)
        prepared = watched(divide(dated(experiment, pd.DatetimeIndex(fetched.frame.index), as_of), fetched))
        given, experiment = experiment, prepared.experiment
        if prepared.is_simulated:
            log.warning("%s", BANNER)
        for line in prepared.told:
            log.info("%s", line)
        key = _key(prepared, name)
        if decided := next((version for version in versions.all() if _is_decided(version, key)), None):
            return _retrained(versions, decided, prepared, repeated=True)
        tags = {**prepared.tags, JOB: "retrain", "model": name, _KEY: key}
        title = f"retrain {prepared.times[-1]:%Y-%m-%d %H:%M} {run_name(given, experiment.data)}"
        resume = resumable_run(_KEY, key)
        way_on = "the same command goes on from the last epoch"
        with tracked_run(title, params=experiment.flat(), tags=tags, resume=resume, way_on=way_on) as run:
            with stage("looking for drift"):
                drift = _drift(versions.aliased(CHAMPION), prepared)
            run.write("drift.csv", drift_csv(drift))
            challenger = versions.of_run(run.run_id) or _challenger(versions, run, prepared)
            scored = pd.read_parquet(run.folder / FORECASTS_FILE)
            case = Case(versions, challenger, prepared, scored)
            comparison, champion = _decide(case)
            _log(run, case, comparison, drift, champion)
        return _retrained(versions, versions.find(str(challenger.number)), prepared, repeated=False)


def _key(prepared: Prepared, name: str) -> str:
    """What two retrainings have in common that would make the same challenger."""
    return hashlib.sha256("\n".join([name, prepared.raw.sha256, prepared.experiment.to_toml()]).encode()).hexdigest()


def _is_decided(version: Version, key: str) -> bool:
    return version.tags.get(_KEY) == key and DECISION in version.tags


def _challenger(versions: Versions, run: Run, prepared: Prepared) -> Version:
    """Train, register and name it."""
    trained = train_in(run, prepared, HOLDOUT)
    spans, experiment = prepared.spans, prepared.experiment
    score = trained.evaluation.score(GRU, "test")
    tags = {
        **prepared.tags,
        _KEY: _key(prepared, versions.model),
        DATA_FROM: str(spans.trained_from),
        DATA_TO: str(spans.trained_to),
        HOLDOUT_FROM: str(spans.judged_from),
        HOLDOUT_TO: str(spans.judged_to),
        "holdout.rmse": f"{score.rmse:.6g}",
        "holdout.mae": f"{score.mae:.6g}",
        **_interval_tags(trained.evaluation),
        DIGEST: versions.digest(trained.model_uri),
        CONTRACT: Contract.of(experiment.readings, experiment.window, experiment.intervals.quantiles).model_dump_json(),
        FALLBACK: json.dumps(_fallback(prepared).to_json()),
    }
    challenger = versions.register(trained.model_uri, run.run_id, tags)
    versions.name_alias(CHALLENGER, challenger.number)
    return challenger


def _fallback(prepared: Prepared) -> Fallback:
    """The naive forecasts of the span that judges, the best one by the gate's metric first."""
    experiment, test = prepared.experiment, prepared.rows.test
    known, habits = prepared.frame.iloc[: test.start], prepared.fetched.cleaned.habits
    quantiles, metric = experiment.intervals.quantiles, experiment.gate.metric
    return Fallback.fit(prepared.windows.test, known, experiment.readings, habits, quantiles, metric)


def _interval_tags(evaluation: Evaluation) -> dict[str, str]:
    """What the intervals of the first target hold and lose on the held-out span: `holdout.coverage_90`."""
    if evaluation.intervals is None:
        return {}
    own = [score for score in evaluation.intervals.overall(evaluation.targets[0]) if score.model == GRU]
    return {
        f"holdout.{name}_{100 * score.level:g}": f"{getattr(score, name):.6g}"
        for score in own
        for name in ("coverage", "winkler")
    }


def _decide(case: Case) -> tuple[Comparison, Version | None]:
    """Judge against the champion and do what was decided; anew where the champion has changed meanwhile."""
    versions, challenger = case.versions, case.challenger
    for entry in ledger(versions):
        if entry.version == challenger.number:  # decided by a process that died right after
            champion = versions.find(str(entry.old)) if entry.old else None
            return _judge(case, champion), champion
    for _ in range(_MOST_RACES):
        champion = versions.aliased(CHAMPION)
        comparison = _judge(case, champion)
        decision = comparison.decision
        try:
            if decision.promoted:
                promote(versions, challenger, expected=champion, why=decision.reason, figures=decision.numbers())
            else:
                refuse(versions, challenger, why=decision.reason, figures=decision.numbers())
        except LostRaceError as error:
            log.warning("%s: judging against that one", error)
        else:
            return comparison, champion
    raise InputError(f"the champion of {versions.model} has changed {_MOST_RACES} times meanwhile: retrain again")


def _judge(case: Case, champion: Version | None) -> Comparison:
    against = f" beside the champion, version {champion.number}" if champion else ""
    with stage(f"judging version {case.challenger.number} in an empty folder{against}"):
        comparison = compare(case, champion)
    for check in comparison.decision.checks:
        outcome = "passed" if check.passed else "failed"
        log.info("check %s %s: %s", check.name, outcome, check.message, extra=NOT_ON_SCREEN)
    return comparison


def _drift(champion: Version | None, prepared: Prepared) -> Drift:
    """The held-out span against what the champion was trained on; the challenger's own training without one."""
    times, test, readings = prepared.times, prepared.rows.test, prepared.experiment.readings
    reference = range(test.start)
    if champion and {DATA_FROM, DATA_TO} <= set(champion.tags):
        first, last = (pd.Timestamp(champion.tags[tag]) for tag in (DATA_FROM, DATA_TO))
        known = range(int(times.searchsorted(first)), min(test.start, int(times.searchsorted(last, side="right"))))
        reference = known if len(known) >= len(test) else reference
    drift: Drift = drift_task(_watched(prepared), reference, test, read=readings.columns, target=readings.targets[0])
    return drift


def _watched(prepared: Prepared) -> pd.DataFrame:
    """What the model reads, and every other number in the file: a sensor that fails may be wanted tomorrow."""
    frame, fetched = prepared.frame, prepared.fetched
    numbers = fetched.rows.select_dtypes("number").set_axis(fetched.raw_times)
    numbers = numbers[~numbers.index.duplicated()].reindex(frame.index)
    others = [name for name in numbers.columns if name not in {*frame.columns, *NOISE_COLUMNS}]
    read = list(prepared.experiment.readings.columns)
    return pd.concat([frame[read], numbers[others].astype("float64")], axis=1)


def _log(run: Run, case: Case, comparison: Comparison, drift: Drift, champion: Version | None) -> None:
    """Figures, checks and report to the run; the outcome to the run and to the version, which is thereby decided."""
    decision, prepared, times = comparison.decision, case.prepared, case.prepared.times
    run.log_metrics({name: value for name, value in decision.numbers().items() if math.isfinite(value)})
    checks = [asdict(check) for check in decision.checks]
    run.write("gate.json", json.dumps(checks, indent=2) + "\n")
    facts = {
        "run": run.run_id,
        "challenger": f"version {case.challenger.number}",
        "champion before": f"version {champion.number}" if champion else "none",
        **prepared.facts,
        "trained from": str(times[0]),
        "held out from": str(times[prepared.rows.test.start]),
        "held out to": str(times[-1]),
    }
    subject = Subject(f"retraining of {case.versions.model}", facts, prepared.is_simulated, prepared.suspicions)
    with stage("drawing the report"):
        run.write(_PAGE, retrain_report(subject, comparison, drift, prepared.experiment.to_toml()))
    told = with_verdict(run.description, promoted=decision.promoted, reason=decision.reason)
    run.describe(told)
    case.versions.describe(case.challenger, f"{told}\n\n{plain(drift.sentence)}")
    outcome = {DECISION: "promoted" if decision.promoted else "refused", WHY: decision.reason[:_LONGEST_WHY]}
    title = f"{case.versions.model}, version {case.challenger.number}: {outcome[DECISION]}"
    note = gate_note(title, decision, drift, run, page=_PAGE)
    create_markdown_artifact(note, key="gate", description=plain(title))
    log.info("%s", drift.sentence, extra=NOT_ON_SCREEN)
    log.info("report %s", run.address(_PAGE), extra=NOT_ON_SCREEN)
    run.set_tags(outcome)
    told_of = {**outcome, **_skill(case, comparison), DRIFT: drift.sentence, _REPORT: run.address(_PAGE)}
    case.versions.tag(case.challenger, told_of)


def _skill(case: Case, comparison: Comparison) -> dict[str, str]:
    """The tag with the challenger's skill and its interval; none where it has not forecast."""
    if "challenger" not in comparison.forecasts:
        return {}
    forecasts = [comparison.forecasts[name].point for name in ("challenger", "persistence")]
    squared = np.stack([((each - comparison.actual) ** 2).mean(axis=1) for each in forecasts])  # [2, N]
    found = skill_of(squared, block=case.prepared.experiment.readings.steps_a_day)
    return {HOLDOUT_SKILL: json.dumps([found.value, found.low, found.high])}


def _retrained(versions: Versions, version: Version, prepared: Prepared, *, repeated: bool) -> Retrained:
    champion = versions.aliased(CHAMPION)
    return Retrained(
        model=versions.model,
        version=version.number,
        promoted=version.tags[DECISION] == "promoted",
        why=version.tags[WHY],
        champion=champion.number if champion else None,
        drift=version.tags.get(DRIFT, ""),
        run_id=version.run_id,
        report=version.tags.get(_REPORT, ""),
        data_source=prepared.raw.source,
        repeated=repeated,
    )
