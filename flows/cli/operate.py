"""The commands for what comes after a training: retraining, promotion and rollback, forecasts, serving, health."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

import typer

from wattcast.flows.cli.options import AsJson, Config, Data, Preset, Settings
from wattcast.flows.cli.startup import begin, screen
from wattcast.flows.cli.warmup import tensorflow_in_background
from wattcast.flows.experiment.experiment import read_experiment
from wattcast.model.errors import InputError
from wattcast.tasks.registry.names import CHAMPION, MODEL

operate = typer.Typer()

Name = Annotated[str, typer.Option("--name", help="The registered model.")]
Which = Annotated[str, typer.Option("--model", help="Alias or number of the version: champion, previous, 3.")]


@operate.command()
def retrain(
    *,
    preset: Preset = None,
    config: Config = None,
    settings: Settings = None,
    data: Data = None,
    as_of: Annotated[
        str | None, typer.Option("--as-of", metavar="DATE", help="Newest reading that is used; the newest of all.")
    ] = None,
    name: Name = MODEL,
    when_busy: Annotated[
        Literal["wait", "cancel"],
        typer.Option(help="While this model is being retrained elsewhere: wait, or leave it."),
    ] = "wait",
    as_json: AsJson = False,
) -> None:
    """Train a challenger on the newest readings, and make it the champion if it passes the gate."""
    experiment = read_experiment(preset=preset, config=config, settings=settings or (), options={"data": data})
    moment = _moment("--as-of", as_of)
    begin(experiment)
    with tensorflow_in_background(screen):
        from wattcast.flows.retrain import retrain as retrain_flow

        retrained = retrain_flow(experiment, moment, name, when_busy)
    if as_json:
        print(json.dumps(asdict(retrained)))  # noqa: T201 - the output that was asked for
    else:
        from wattcast.flows.cli.show_models import show_retrained

        show_retrained(retrained)


@operate.command()
def replay(
    *,
    preset: Preset = None,
    config: Config = None,
    settings: Settings = None,
    data: Data = None,
    every: Annotated[str, typer.Option(metavar="DURATION", help="From one retraining to the next: 7d, 36h.")] = "7d",
    start: Annotated[
        str | None, typer.Option("--from", metavar="DATE", help="First retraining; when 60 % of the rows have passed.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Go through the readings as if time passed, retrain and gate each week, and say whether that was worth it."""
    experiment = read_experiment(preset=preset, config=config, settings=settings or (), options={"data": data})
    moment = _moment("--from", start)
    begin(experiment)
    from wattcast.flows.cli.show_replay import replayed_record, show_replayed

    with tensorflow_in_background(screen):
        from wattcast.flows.replay import replay as replay_flow

        replayed = replay_flow(experiment, every, moment)
    if as_json:
        print(json.dumps(replayed_record(replayed)))  # noqa: T201 - the output that was asked for
    else:
        show_replayed(replayed)


@operate.command()
def forecast(
    *,
    source: Annotated[
        str, typer.Option("--input", help="Readings: uci, simulated, auto, or the path of a file.")
    ] = "auto",
    output: Annotated[Path, typer.Option(help="File of forecasts, .csv or .parquet, which is added to.")] = Path(
        "forecasts.csv"
    ),
    model: Which = CHAMPION,
    name: Name = MODEL,
    every: Annotated[bool, typer.Option("--every", help="Forecast from each moment, for a look back.")] = False,
    as_json: AsJson = False,
) -> None:
    """Forecast from the newest readings, and score the past forecasts whose actuals have arrived."""
    from wattcast.tasks.data.files import check_writable

    check_writable(output)
    begin()
    with tensorflow_in_background(screen):
        from wattcast.flows.forecast import forecast as forecast_flow

        forecasts = forecast_flow(source, str(output), model, name, every)
    from wattcast.flows.cli.show_models import forecasts_record, show_forecasts

    if as_json:
        print(json.dumps(forecasts_record(forecasts, output)))  # noqa: T201 - the output that was asked for
    else:
        show_forecasts(forecasts, output)


@operate.command()
def serve(
    *,
    model: Which = CHAMPION,
    name: Name = MODEL,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 5001,
    workers: Annotated[int, typer.Option(min=1, help="Processes that answer.")] = 2,
) -> None:
    """Serve forecasts over HTTP, by MLflow's own server: raw readings to /invocations, forecasts in Wh back."""
    begin()
    from wattcast.flows.service.serve import serve as serve_model
    from wattcast.tasks.registry.versions import Versions

    version = Versions.open(name).find(model)
    screen.print(f"serving version {version.number} of {name} at http://{host}:{port}/invocations; Ctrl-C ends it")
    sys.exit(serve_model(name, str(version.number), host=host, port=port, workers=workers))


@operate.command()
def models(*, name: Name = MODEL, as_json: AsJson = False) -> None:
    """List the versions of a registered model, their scores and spans, and every decision about them."""
    begin()
    from wattcast.flows.cli.show_models import models_record, show_models
    from wattcast.tasks.registry.ledger import ledger
    from wattcast.tasks.registry.versions import Versions

    versions = Versions.open(name)
    listed, entries = versions.all(), ledger(versions)
    if as_json:
        print(json.dumps(models_record(listed, entries)))  # noqa: T201 - the output that was asked for
    else:
        show_models(name, listed, entries)


@operate.command()
def rollback(
    *,
    to: Annotated[
        str | None, typer.Option("--to", metavar="VERSION", help="Version to go back to; the previous champion.")
    ] = None,
    why: Annotated[str, typer.Option(help="For the ledger.")] = "asked for on the command line",
    name: Name = MODEL,
) -> None:
    """Make an earlier version the champion again, once it has been loaded and tested; a second call undoes it."""
    begin()
    with tensorflow_in_background(screen):
        from wattcast.flows.promotion.rollback import roll_back_to

        entry = roll_back_to(name, to, why)
    screen.print(f"version {entry.new} of {name} is the champion again, in place of version {entry.old}")


@operate.command()
def explain(
    which: Annotated[str, typer.Argument(metavar="RUN_OR_VERSION", help="Run id, version number or alias.")],
    name: Name = MODEL,
    as_json: AsJson = False,
) -> None:
    """Print where a model comes from: data, split, scaler, configuration, trial, scores and decision."""
    begin()
    from wattcast.flows.cli.show_models import show_story
    from wattcast.flows.promotion.lineage import explain as story_of

    story = story_of(which, name)
    if as_json:
        print(json.dumps(story))  # noqa: T201 - the output that was asked for
    else:
        show_story(story)


@operate.command()
def doctor(
    *,
    name: Name = MODEL,
    fix: Annotated[bool, typer.Option("--fix", help="Close what dead processes have left open.")] = False,
) -> None:
    """Check versions, stores, leftovers, champion and schedule, and say how to mend each; exit code 1 if ill."""
    begin()
    with tensorflow_in_background(screen):
        from wattcast.flows.service.doctor import examine

        findings = examine(name, fix=fix)
    from wattcast.flows.cli.show_models import show_findings

    show_findings(findings)
    if not all(finding.well for finding in findings):
        sys.exit(1)


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
