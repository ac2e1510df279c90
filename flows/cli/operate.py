"""The commands for what comes after a training: retraining, promotion and rollback, forecasts, serving, health."""

from __future__ import annotations

import sys
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from wattcast.flows.cli.options import (
    AsJson,
    Config,
    Data,
    Fallback,
    ModelName,
    ModelVersion,
    Preset,
    Quiet,
    Seed,
    Settings,
    Trust,
    experiment_of,
    with_old_names,
)
from wattcast.flows.cli.output import give
from wattcast.flows.cli.startup import begin
from wattcast.flows.cli.warmup import ready
from wattcast.model.errors import InputError
from wattcast.model.network.kernel import CORES
from wattcast.tasks.backtest.known import Span
from wattcast.tasks.registry.names import CHAMPION, MODEL
from wattcast.tasks.stages import screen, stage
from wattcast.tasks.tuning.choices import Runner

if TYPE_CHECKING:
    import pandas as pd

operate = typer.Typer()


@operate.command()
@with_old_names
def retrain(
    *,
    preset: Preset = None,
    config: Config = None,
    settings: Settings = None,
    data: Data = None,
    seed: Seed = None,
    as_of: Annotated[
        str | None,
        typer.Option(
            "--as-of", metavar="DATE", help="Time of the newest reading that is used; the newest of all if left out."
        ),
    ] = None,
    name: ModelName = MODEL,
    when_busy: Annotated[
        Literal["wait", "cancel"],
        typer.Option(help="What to do while this model is being retrained elsewhere: wait for it, or cancel."),
    ] = "wait",
    trust: Trust = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Train a challenger on the newest readings, and make it the champion if it passes the gate."""
    experiment = experiment_of(preset=preset, config=config, settings=settings, data=data, seed=seed)
    moment = _moment("--as-of", as_of)

    def check(times: pd.DatetimeIndex) -> None:
        from wattcast.flows.promotion.dates import dated

        dated(experiment, times, moment)

    with ready("retrain", experiment, quiet=quiet, check=check) as retrain_flow:
        retrained = retrain_flow(experiment, moment, name, when_busy, trust)
    from wattcast.flows.cli.show_models import show_retrained

    give(retrained, record=asdict, show=show_retrained, as_json=as_json)


@operate.command()
def replay(
    *,
    preset: Preset = None,
    config: Config = None,
    settings: Settings = None,
    data: Data = None,
    seed: Seed = None,
    every: Annotated[
        str, typer.Option(metavar="DURATION", help="Time from one retraining to the next, such as 7d or 36h.")
    ] = "7d",
    start: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="DATE",
            help="Time of the first retraining; when 60 % of the rows have passed if left out.",
        ),
    ] = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Go through the readings as if time passed, retrain and gate each week, and say whether that was worth it."""
    experiment = experiment_of(preset=preset, config=config, settings=settings, data=data, seed=seed)
    moment = _moment("--from", start)

    def check(times: pd.DatetimeIndex) -> None:
        from wattcast.flows.promotion.dates import first_dated
        from wattcast.tasks.backtest.cuts import plan_cuts
        from wattcast.tasks.backtest.folds import forecasts_made

        first, _ = first_dated(experiment, times, moment)
        made = forecasts_made(times, experiment.split, experiment.window, experiment.readings.cadence)
        plan_cuts(made[made >= first], first, every)

    with ready("replay", experiment, quiet=quiet, check=check) as replay_flow:
        replayed = replay_flow(experiment, every, moment)
    from wattcast.flows.cli.show_replay import replayed_record, show_replayed

    give(replayed, record=replayed_record, show=show_replayed, as_json=as_json)


@operate.command()
def backtest(
    context: typer.Context,
    *,
    preset: Preset = None,
    config: Config = None,
    settings: Settings = None,
    data: Data = None,
    seed: Seed = None,
    folds: Annotated[int, typer.Option(min=1, help="Number of spans that are forecast.")] = 8,
    step: Annotated[str, typer.Option(metavar="DURATION", help="Length of each span, such as 7d or 36h.")] = "7d",
    window: Annotated[
        Span, typer.Option(help="What a fold knows: all readings before it, or the newest of them.")
    ] = "expanding",
    train: Annotated[
        str,
        typer.Option(
            metavar="DURATION", help="How much each fold knows when sliding, and the first one at least when expanding."
        ),
    ] = "60d",
    gap: Annotated[
        str,
        typer.Option(metavar="DURATION", help="Time between what is known and the first forecast."),
    ] = "0",
    refit: Annotated[
        str, typer.Option(metavar="WHEN", help="When networks are trained anew: always, never, or every so many folds.")
    ] = "always",
    against: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Preset, TOML file or other forecaster that stands in the same table; may be given several times.",
        ),
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Number of folds that run at once; a core each by default.")] = CORES,
    runner: Annotated[
        Runner, typer.Option(help="What runs the folds: threads of this process, or the workers of a Dask cluster.")
    ] = "threads",
    address: Annotated[
        str | None,
        typer.Option(help="Address of the Dask scheduler, such as tcp://127.0.0.1:8786; only for --runner dask."),
    ] = None,
    resume: Annotated[
        str | None,
        typer.Option("--resume", metavar="RUN_ID", help="MLflow id of a killed backtest to go on with."),
    ] = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Train at each of many moments, forecast what comes next, and compare with everything else that forecasts."""
    experiment = experiment_of(preset=preset, config=config, settings=settings, data=data, seed=seed)
    asked: dict[str, Any] = {"folds": folds, "step": step, "window": window, "train": train, "gap": gap, "refit": refit}

    def check(times: pd.DatetimeIndex) -> None:
        from wattcast.tasks.backtest.folds import Folding, forecasts_made

        cadence = experiment.readings.cadence
        moments = forecasts_made(times, experiment.split, experiment.window, cadence)
        Folding.read(**asked).origins(moments, times[0], cadence)

    if resume is not None:
        _require_alone(context)
    where = {"jobs": jobs, "runner": runner, "address": address}
    with ready("backtest", experiment, quiet=quiet, check=check if resume is None else None) as backtest_flow:
        backtested = backtest_flow(experiment, **asked, against=tuple(against or ()), **where, resume=resume)
    from wattcast.flows.cli.show_backtest import backtested_record, show_backtested

    give(backtested, record=backtested_record, show=show_backtested, as_json=as_json)


@operate.command()
@with_old_names
def forecast(
    *,
    source: Annotated[
        str, typer.Option("--input", help="Source of the readings: auto, uci, simulated, or the path of a file.")
    ] = "auto",
    output: Annotated[
        Path, typer.Option(help="File to which the forecasts are added, .csv or .parquet; made where there is none.")
    ] = Path("forecasts.csv"),
    model: ModelVersion = CHAMPION,
    name: ModelName = MODEL,
    every: Annotated[
        bool, typer.Option("--every", help="Forecast from each moment of the readings, not from the newest one only.")
    ] = False,
    fallback: Fallback = None,
    trust: Trust = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Forecast from the newest readings, and score the past forecasts whose actuals have arrived."""
    from wattcast.tasks.data.files import check_writable

    check_writable(output)
    begin(quiet=quiet)
    with stage("starting"):
        from prefect.settings import get_current_settings

        from wattcast.flows.cli.show_models import forecasts_record, show_forecasts
        from wattcast.flows.forecast import forecast as flow
        from wattcast.flows.job import alone

        make = flow if get_current_settings().api.url else alone(flow)  # no server: nobody to tell of a flow run
    forecasts = make(source, str(output), model, name, every, trust, fallback)
    give(
        forecasts,
        record=partial(forecasts_record, output=output),
        show=partial(show_forecasts, output=output),
        as_json=as_json,
    )


@operate.command()
def watch(
    *,
    source: Annotated[
        str, typer.Option("--input", help="Source of the readings: auto, uci, simulated, or the path of a file.")
    ] = "auto",
    forecasts: Annotated[
        Path, typer.Option(help="File of forecasts whose skill and coverage are looked at; passed over if missing.")
    ] = Path("forecasts.csv"),
    model: ModelVersion = CHAMPION,
    name: ModelName = MODEL,
    days: Annotated[float, typer.Option(help="Newest days of readings and forecasts that are looked at.")] = 14,
    late: Annotated[
        str | None,
        typer.Option(
            metavar="DURATION",
            help="Age of the newest reading from which on it is late, such as 2h; an hour, or three steps if that is "
            "more, if left out.",
        ),
    ] = None,
    now: Annotated[
        str | None,
        typer.Option(metavar="DATE", help="Time on the readings' clock; that of this machine if left out."),
    ] = None,
    trust: Trust = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Look whether readings, drift, skill and intervals are still as the gate saw them; exit code 1 if not."""
    moment = _moment("--now", now)
    begin(quiet=quiet)
    with stage("starting"):
        from prefect.settings import get_current_settings

        from wattcast.flows.cli.show_models import show_watched, watched_record
        from wattcast.flows.job import alone
        from wattcast.flows.watch import watch as flow

        see = flow if get_current_settings().api.url else alone(flow)  # no server: nobody to tell of a flow run
    watched = see(source, str(forecasts), model, name, days, late, moment, trust)
    give(watched, record=watched_record, show=show_watched, as_json=as_json)
    if watched.wrong:
        sys.exit(1)


@operate.command()
@with_old_names
def serve(
    *,
    model: ModelVersion = CHAMPION,
    name: ModelName = MODEL,
    host: Annotated[
        str, typer.Option(help="Address of this machine to listen on; 0.0.0.0 for all of them.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="TCP port to listen on.")] = 5001,
    workers: Annotated[int, typer.Option(min=1, help="Number of processes that answer requests.")] = 2,
    max_body: Annotated[
        int, typer.Option(min=1, metavar="MB", help="Largest body of a request, in megabytes; larger ones get 413.")
    ] = 10,
    docs: Annotated[
        bool, typer.Option("--docs", help="Answer /docs, /redoc and /openapi.json, which describe the server.")
    ] = False,
    follow: Annotated[
        bool, typer.Option("--follow", help="Serve another version as soon as the alias stands for it.")
    ] = False,
    fallback: Fallback = None,
    trust: Trust = False,
    quiet: Quiet = False,
) -> None:
    """Serve forecasts over HTTP: raw readings to /invocations, forecasts back."""
    begin(quiet=quiet)
    from wattcast.flows.service.serve import Serving
    from wattcast.flows.service.serve import serve as serve_model

    if follow and model.removeprefix("v").isdecimal():
        raise InputError(f"--follow needs an alias, such as champion, received version {model}, which stays as it is")
    with stage(f"looking for {model} of {name}"):
        from wattcast.tasks.registry.versions import Versions

        versions = Versions.open(name, trusting=trust)
        version = versions.find(model)
    screen.print(f"serving version {version.number} of {name} at http://{host}:{port}/invocations; Ctrl-C ends it")
    serving = Serving(host, port, workers, most_megabytes=max_body, docs=docs, follow=follow, fallback=fallback)
    sys.exit(serve_model(versions, model if follow else str(version.number), serving))


@operate.command()
@with_old_names
def models(*, name: ModelName = MODEL, quiet: Quiet = False, as_json: AsJson = False) -> None:
    """List the versions of a registered model, their scores and spans, and every decision about them."""
    begin(quiet=quiet)
    with stage("starting"):
        from wattcast.flows.cli.show_models import models_record, show_models
        from wattcast.tasks.registry.ledger import ledger
        from wattcast.tasks.registry.versions import Versions
    with stage(f"reading the registry of {name}"):
        versions = Versions.open(name)
        listed, entries = versions.all(), ledger(versions)
    give(
        listed,
        record=partial(models_record, entries=entries),
        show=partial(show_models, name=name, entries=entries),
        as_json=as_json,
    )


@operate.command()
@with_old_names
def rollback(
    *,
    to: Annotated[
        str | None,
        typer.Option(
            "--to",
            metavar="VERSION",
            help="Number or alias of the version to go back to; the previous champion if left out.",
        ),
    ] = None,
    why: Annotated[
        str, typer.Option(help="Reason for the rollback, which is kept in the ledger.")
    ] = "asked for on the command line",
    name: ModelName = MODEL,
    trust: Trust = False,
    quiet: Quiet = False,
) -> None:
    """Make an earlier version the champion again, once it has been loaded and tested; a second call undoes it."""
    begin(quiet=quiet)
    with stage("starting"):
        from wattcast.flows.promotion.rollback import roll_back_to

    entry = roll_back_to(name, to, why, trust=trust)
    screen.print(f"version {entry.new} of {name} is the champion again, in place of version {entry.old}")


@operate.command()
@with_old_names
def explain(
    which: Annotated[
        str,
        typer.Argument(
            metavar="RUN_OR_VERSION",
            help="What to explain: the id of an MLflow run, or the number or alias of a version.",
        ),
    ],
    name: ModelName = MODEL,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Print where a model comes from: data, split, scaler, configuration, trial, scores and decision."""
    begin(quiet=quiet)
    with stage("starting"):
        from wattcast.flows.cli.show_models import show_story
        from wattcast.flows.promotion.lineage import explain as story_of
    with stage(f"reading what led to {which}"):
        story = story_of(which, name)
    give(story, record=dict, show=show_story, as_json=as_json)


@operate.command()
@with_old_names
def doctor(
    *,
    name: ModelName = MODEL,
    fix: Annotated[
        bool,
        typer.Option("--fix", help="Close the runs, and finish the promotions, that dead processes have left open."),
    ] = False,
    trust: Trust = False,
    quiet: Quiet = False,
) -> None:
    """Check versions, stores, leftovers, champion and schedule, and say how to mend each; exit code 1 at a problem."""
    begin(quiet=quiet)
    with stage("starting"):
        from wattcast.flows.cli.show_models import show_findings
        from wattcast.flows.service.doctor import examine

    with stage("looking at stores, registry and champion"):
        findings = examine(name, fix=fix, trust=trust)
    show_findings(findings)
    if not all(finding.ok for finding in findings):
        sys.exit(1)


def _require_alone(context: typer.Context) -> None:
    """Nothing is asked of a backtest that goes on, but where it runs and what is shown.

    Raises:
        InputError: something is.
    """
    sources = {name: context.get_parameter_source(name) for name in context.params}
    asked = {name for name, source in sources.items() if source and source.name == "COMMANDLINE"}
    if asked - {"resume", "jobs", "runner", "address", "quiet", "as_json"}:
        raise InputError(
            "--resume takes everything from the run that it goes on with: give no other option but --jobs, --runner, "
            "--address, --json and --quiet"
        )


def _moment(option: str, given: str | None) -> datetime | None:
    """A date that was given for an option."""
    try:
        moment = datetime.fromisoformat(given) if given else None
    except ValueError:
        moment = datetime.max.replace(tzinfo=UTC)
    if moment and moment.tzinfo:
        raise InputError(
            f"{option} must be a date on the readings' own clock, such as 2016-05-01 or '2016-05-01 18:00', received "
            f"{given!r}"
        )
    return moment
