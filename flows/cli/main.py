"""The `wattcast` command. It imports nothing heavy before it knows that it has something to do."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from wattcast.flows.cli.operate import operate
from wattcast.flows.cli.options import AsJson, Config, Data, Preset, Seed, Settings
from wattcast.flows.cli.show_training import show_swept, show_trained, swept_record, trained_record
from wattcast.flows.cli.startup import INTERRUPTED, begin, screen
from wattcast.flows.cli.warmup import tensorflow_in_background
from wattcast.flows.experiment.experiment import describe, read_experiment
from wattcast.flows.experiment.search_space import check_space
from wattcast.model.errors import InputError
from wattcast.model.fit import DivergedError
from wattcast.model.network.kernel import CORES
from wattcast.tasks.tuning.ranges import JOURNAL, Pruner, Runner

app = typer.Typer(
    help="Honest, tracked, reloadable GRU forecasts of a building's energy use.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(operate)

Resume = Annotated[
    str | None, typer.Option("--resume", metavar="RUN_ID", help="Go on with a killed run from its last checkpoint.")
]


@app.callback()
def wattcast() -> None:
    """Honest, tracked, reloadable GRU forecasts of a building's energy use."""


@app.command()
def train(
    *,
    preset: Preset = None,
    config: Config = None,
    settings: Settings = None,
    data: Data = None,
    seed: Seed = None,
    resume: Resume = None,
    as_json: AsJson = False,
) -> None:
    """Train a forecaster, score it beside the baselines and log everything in MLflow."""
    if resume and any(given is not None for given in (preset, config, settings, data, seed)):
        raise InputError("--resume takes everything from the run that it goes on with: give no other option but --json")
    given = {"data": data, "fit.seed": seed}
    experiment = read_experiment(preset=preset, config=config, settings=settings or (), options=given)
    begin(experiment)
    with tensorflow_in_background(screen):
        from wattcast.flows.train import train as train_flow

        trained = train_flow(experiment, resume)
    if as_json:
        print(json.dumps(trained_record(trained)))  # noqa: T201 - the output that was asked for
    else:
        show_trained(trained)


@app.command()
def sweep(
    *,
    preset: Preset = None,
    config: Config = None,
    settings: Settings = None,
    data: Data = None,
    trials: Annotated[int, typer.Option(min=1, help="Trials the study shall have in all, earlier ones included.")] = 40,
    jobs: Annotated[int, typer.Option(min=1, help="Trials that run at once.")] = CORES,
    timeout: Annotated[float | None, typer.Option(min=0, help="Seconds after which no further trial begins.")] = None,
    study: Annotated[str | None, typer.Option(help="Name of the study; that of preset and data unless given.")] = None,
    storage: Annotated[str, typer.Option(help="Optuna's journal, or a URL such as postgresql://...")] = JOURNAL,
    pruner: Annotated[Pruner, typer.Option(help="Who stops trials that do worse than others.")] = "median",
    seeds: Annotated[int, typer.Option(min=2, help="Trainings of either configuration for the verdict.")] = 5,
    runner: Annotated[Runner, typer.Option(help="Threads of this process, or a Dask cluster.")] = "threads",
    address: Annotated[str | None, typer.Option(help="Of the Dask scheduler, such as tcp://127.0.0.1:8786.")] = None,
    as_json: AsJson = False,
) -> None:
    """Tune an experiment, and say with fresh seeds whether it helped. Run it again to go on."""
    experiment = read_experiment(preset=preset, config=config, settings=settings or (), options={"data": data})
    check_space(experiment)
    begin(experiment)
    with tensorflow_in_background(screen):
        from wattcast.flows.sweep import sweep as sweep_flow

        swept = sweep_flow(
            experiment,
            trials=trials,
            jobs=jobs,
            timeout=timeout,
            study=study,
            storage=storage,
            pruner=pruner,
            seeds=seeds,
            runner=runner,
            address=address,
        )
    if as_json:
        print(json.dumps(swept_record(swept)))  # noqa: T201 - the output that was asked for
    else:
        show_swept(swept)


@app.command()
def simulate(
    file: Annotated[Path, typer.Argument(help="The file to write: .csv or .parquet.")],
    rows: Annotated[int, typer.Option(help="Readings, one every ten minutes; 525600 are ten years.")] = 19_735,
    start: Annotated[str, typer.Option(help="First time stamp.")] = "2016-01-11 17:00",
    seed: Annotated[int, typer.Option(help="Which house.")] = 0,
) -> None:
    """Write the readings of a simulated house, with the columns of the UCI data set."""
    from wattcast.tasks.data.files import write_frame
    from wattcast.tasks.data.simulate import simulate as simulate_house

    write_frame(simulate_house(rows, start=start, seed=seed), file)
    screen.print(f"{rows:,} readings in {escape(str(file))}")


@app.command()
def options(preset: Preset = None, config: Config = None) -> None:
    """List every option with its value and its meaning."""
    experiment = read_experiment(preset=preset, config=config)
    table = Table(Column("option", no_wrap=True), Column("value", overflow="fold"), "meaning")
    for name, value in experiment.flat(unset=True).items():
        table.add_row(name, "" if value is None else escape(str(value)), describe(name))
    for name, value in experiment.gate.model_dump(mode="json").items():
        table.add_row(f"gate.{name}", escape(str(value)), describe(f"gate.{name}"))
    for name, values in experiment.sweep.items():
        table.add_row(f"sweep.{name}", escape(str(values)), "range that a sweep searches")
    Console().print(table)


def main() -> None:
    """Run the command: bad input is one message and exit code 2, a training that diverged one and exit code 1."""
    try:
        app()
    except (InputError, DivergedError) as error:
        screen.print(f"[bold red]error:[/] {escape(str(error))}", highlight=False, soft_wrap=True)
        sys.exit(2 if isinstance(error, InputError) else 1)
    except KeyboardInterrupt:
        screen.print("interrupted")
        sys.exit(INTERRUPTED)
