"""Replay: the data set once more as if time passed, with a retraining at each cut. Was retraining worth it?"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from time import perf_counter

import pandas as pd
from prefect.artifacts import create_markdown_artifact

from wattcast.flows.experiment.experiment import UNCHANGED, Experiment
from wattcast.flows.experiment.run_name import run_name
from wattcast.flows.job import job
from wattcast.flows.note import listed, more, note, table_of
from wattcast.flows.prepare import Fetched, Prepared, divide, fetch, watched
from wattcast.flows.promotion.dates import dated, first_dated
from wattcast.flows.scores import in_one_line, outcome_rows, scored_one
from wattcast.flows.train import product
from wattcast.model.baseline import Persistence
from wattcast.model.clean import Cleaned
from wattcast.model.config import ClockTime
from wattcast.model.durations import duration
from wattcast.model.errors import InputError
from wattcast.model.fit import Fitted
from wattcast.model.forecaster import Forecaster
from wattcast.model.split import rows_until
from wattcast.model.windows import Windows, make_series, make_windows
from wattcast.tasks.backtest.cuts import DAY, plan_cuts
from wattcast.tasks.backtest.replay import Challenger, Replay, walk
from wattcast.tasks.backtest.worth import Worth, weigh
from wattcast.tasks.data.validate import check_parts
from wattcast.tasks.fan import Fan
from wattcast.tasks.learning.calibrate import calibrate_task
from wattcast.tasks.learning.split import split
from wattcast.tasks.learning.train import train_task
from wattcast.tasks.markdown import plain
from wattcast.tasks.progress import live_steps
from wattcast.tasks.report.page import BANNER, Subject
from wattcast.tasks.report.replay import replay_csv, replay_png, replay_report
from wattcast.tasks.stages import NOT_ON_SCREEN, stage
from wattcast.tasks.tracking.past_runs import close_abandoned
from wattcast.tasks.tracking.run import CONFIG_FILE, JOB, Run, tracked_run
from wattcast.tasks.tracking.store import tracking_faults

log = logging.getLogger(__name__)

REPORT_FILE = "replay.html"
_LONGEST_TAG = 2000


@dataclass(frozen=True)
class Replayed:
    """What a replay leaves behind."""

    run_id: str
    data_source: str
    worth: Worth
    report: str
    scored: str = ""  # of several targets, which one it is all about

    @property
    def sentence(self) -> str:
        """What came out, in one line."""
        return self.worth.sentence


@job("replay-{experiment.title}")
def replay(
    experiment: Experiment = UNCHANGED,
    every: str = "7d",
    start: ClockTime | None = None,
) -> Replayed:
    """Go through the readings as if time passed, retrain and gate at each cut, and say which cadence is worth its cost.

    Each challenger is trained as `retrain` trains it; models stay in memory, and the registry is neither read nor
    written.

    Args:
        experiment: how each challenger is trained, and its table `gate`; the dates of its split are set here.
        every: time from one cut to the next, such as 7d or 36h, at least a day.
        start: the first cut; the moment at which 60 % of the readings have passed unless given.

    Raises:
        InputError: something that was given cannot be used.
    """
    with tracking_faults():
        close_abandoned()
        fetched = fetch(experiment)
        frame, times = fetched.frame, pd.DatetimeIndex(fetched.frame.index)
        rows = rows_until(times, experiment.split)
        first, dated_first = first_dated(experiment, times, start)  # before a run begins: it may be too early
        prepared = watched(divide(dated_first, fetched))
        scored = _windows_from(first, frame.iloc[:rows], prepared)
        cuts = plan_cuts(scored.series.times[scored.newest_row], first, every)
        for cut in cuts:
            _require(experiment, fetched, cut)
        if prepared.is_simulated:
            log.warning("%s", BANNER)
        log.info("%s", fetched.told(experiment.preset))
        given = experiment
        experiment = experiment.model_copy(update={"data": prepared.experiment.data, "readings": fetched.readings})
        params = {**experiment.flat(), **_params(experiment, first, every)}
        tags = {**prepared.tags, JOB: "replay"}
        way_on = "a replay begins anew each time"
        name = f"replay {run_name(given, experiment.data)} every {every}"
        with tracked_run(name, params=params, tags=tags, way_on=way_on) as run:
            log.info("MLflow run %s", run.page() or run.run_id, extra=NOT_ON_SCREEN)
            run.write(CONFIG_FILE, experiment.to_toml())
            run.log_dataset(frame.iloc[:rows], source=prepared.raw.source, origin=prepared.raw.origin)
            with stage(f"retraining {len(cuts)} times", spins=False), live_steps("retraining", len(cuts)) as done:
                challenge = _trainer(experiment, fetched)
                day = experiment.readings.steps_a_day
                history = walk(cuts, challenge, scored, experiment.gate, block=day, unit=prepared.unit, done=done)
            with stage("weighing what it was worth"):
                worth = weigh(history, duration(every) or DAY)
                _log(run, experiment, prepared, history, worth, every=every)
            log.info("report %s", run.address(REPORT_FILE), extra=NOT_ON_SCREEN)
        about = scored_one(experiment.readings.targets)
        return Replayed(run.run_id, prepared.raw.source, worth, run.address(REPORT_FILE), about)


def _require(experiment: Experiment, fetched: Fetched, cut: pd.Timestamp) -> None:
    """Before a run begins: what is known at a cut is whole enough to train on.

    Raises:
        InputError: it is not.
    """
    as_of = dated(experiment, pd.DatetimeIndex(fetched.frame.index), cut)
    try:
        check_parts(fetched.frame, split(fetched.frame, as_of.split), fetched.readings)
    except InputError as error:
        raise InputError(f"up to the cut at {cut}, {error}; another start or every makes other cuts") from None


def _windows_from(first: pd.Timestamp, frame: pd.DataFrame, prepared: Prepared) -> Windows:
    """All windows over `frame` whose forecast is made at the first cut or later."""
    experiment = prepared.experiment
    row = int(frame.index.searchsorted(first)) + experiment.window.steps_ahead
    cleaned = prepared.fetched.cleaned
    series = make_series(
        frame,
        experiment.readings,
        prepared.scaler,
        experiment.window,
        revisions=cleaned.revisions,
        drawn=cleaned.drawn,
    )
    return make_windows(series, range(row, len(frame)), experiment.readings.cadence, experiment.window)


def _params(experiment: Experiment, first: pd.Timestamp, every: str) -> dict[str, object]:
    gate = {f"gate.{name}": value for name, value in experiment.gate.model_dump().items()}
    return {**gate, "replay.every": every, "replay.start": first}


def _trainer(experiment: Experiment, fetched: Fetched) -> Callable[[pd.Timestamp], Challenger]:
    """Trains a challenger as `retrain` does as of a cut; what it knows of the readings ends there."""

    def challenge(at: pd.Timestamp) -> Challenger:
        prepared = divide(dated(experiment, pd.DatetimeIndex(fetched.frame.index), at), fetched)
        windows, as_of = prepared.windows, prepared.experiment
        began = perf_counter()
        fitted: Fitted = train_task(as_of.model, as_of.fit, windows, prepared.scaler)
        seconds = perf_counter() - began
        forecasts = _forecasting(product(prepared, fitted), fetched.cleaned)
        around = calibrate_task(Persistence(), windows.validation, as_of.intervals)
        return Challenger(prepared.known, windows.test, forecasts, seconds, around)

    return challenge


def _forecasting(forecaster: Forecaster, cleaned: Cleaned) -> Callable[[Windows], Fan]:
    """Forecasts windows over what was cleaned, or over its beginning, which were made with any scaler."""

    def forecast(windows: Windows) -> Fan:
        readings, scaler, revisions = forecaster.readings, forecaster.scaler, cleaned.revisions
        series = make_series(cleaned.frame, readings, scaler, forecaster.window, revisions=revisions)
        windows = replace(windows, series=series)
        return Fan.of(forecaster.predict(windows), forecaster.intervals, windows)

    return forecast


def _log(run: Run, experiment: Experiment, prepared: Prepared, history: Replay, worth: Worth, *, every: str) -> None:
    """Scores, their course from cut to cut, table, picture and page."""
    for row in _policies(worth):
        log.info("%s", in_one_line(row), extra=NOT_ON_SCREEN)
    run.log_metrics(worth.metrics())
    for number, scores in enumerate(worth.metrics_by_cut(), start=1):
        run.log_metrics(scores, step=number)
    facts = {
        "run": run.run_id,
        **prepared.facts,
        "cuts": f"{len(worth.cuts)}, every {every} from {worth.cuts[0].at}",
        "forecasts": f"{len(history.made_at):,}, made until {history.made_at[-1]}",
        "kept from each training": f"the newest {experiment.gate.holdout_days:g} days, for the gate",
        "networks": f"{experiment.fit.members}, seed {experiment.fit.seed}",
        **({"scored": about} if (about := scored_one(experiment.readings.targets)) else {}),
    }
    subject = Subject(f"replay of {experiment.title}", facts, prepared.is_simulated, prepared.suspicions)
    run.write("replay.csv", replay_csv(worth))
    run.write("replay.png", replay_png(history, worth, BANNER if subject.simulated else ""))
    run.write(REPORT_FILE, replay_report(subject, history, worth, experiment.to_toml()))
    told = " ".join(filter(None, (worth.sentence, worth.interval_sentence, about)))
    create_markdown_artifact(_note(subject.title, worth, run), key="replay", description=plain(worth.sentence))
    run.describe(plain(told))
    run.set_tags({"recommended": worth.recommended.name, "recommended.why": worth.sentence[:_LONGEST_TAG]})


def _policies(worth: Worth) -> list[dict[str, str]]:
    return outcome_rows("policy", (*worth.policies, *worth.baselines), worth.policies[0])


def _note(title: str, worth: Worth, run: Run) -> str:
    """For Prefect's page: what to do, scores and costs behind it, and what the gate did at each cut."""
    cuts = (f"{cut.at} {'promoted' if cut.promoted else 'refused'}: {plain(cut.reason)}" for cut in worth.cuts)
    return note(
        title,
        *map(plain, (worth.sentence, worth.gate_sentence, worth.interval_sentence)),
        "Seconds are those of training; differences of RMSE from never and from the best cadence have 95 % intervals.",
        table_of(_policies(worth)),
        table_of(outcome_rows("retrained", worth.cadences, worth.best)),
        "## The gate at each cut",
        listed(cuts),
        "## More",
        more(run, REPORT_FILE),
    )
