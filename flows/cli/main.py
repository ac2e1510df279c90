"""The `wattcast` command. It imports nothing heavy before it knows that it has something to do."""

from __future__ import annotations

from wattcast.flows.cli import late  # noqa: F401 - before what imports NumPy, pandas or pyarrow

# isort: split
import atexit
import gc
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from wattcast.flows.cli.commands import Commands
from wattcast.flows.cli.inspect import inspect
from wattcast.flows.cli.operate import operate
from wattcast.flows.cli.options import AsJson, Config, Data, Preset, Quiet, Seed, Settings, experiment_of
from wattcast.flows.cli.output import give, stand_by
from wattcast.flows.cli.show_training import show_swept, show_trained, swept_record, trained_record
from wattcast.flows.cli.startup import INTERRUPTED, end_soon
from wattcast.flows.cli.warmup import ready
from wattcast.model.errors import DivergedError, InputError
from wattcast.model.network.kernel import CORES
from wattcast.model.telling import tellable
from wattcast.tasks.faults import PREFECT_GONE, fault_of
from wattcast.tasks.stages import say, screen, show_on_screen
from wattcast.tasks.tuning.choices import JOURNAL, Pruner, Runner

app = typer.Typer(
    help="Honest, tracked, reloadable GRU forecasts of a building's energy use.",
    no_args_is_help=True,
    cls=Commands,
    pretty_exceptions_enable=False,
)
app.command()(inspect)
app.add_typer(operate)

Resume = Annotated[
    str | None,
    typer.Option(
        "--resume", metavar="RUN_ID", help="MLflow id of a killed run to go on with, from its last checkpoint."
    ),
]


def _say_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        print(f"wattcast {version('wattcast')}")  # noqa: T201 - the output that was asked for
        raise typer.Exit


@app.callback()
def wattcast(
    version: Annotated[
        bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
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
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Train a forecaster, score it beside the baselines and log everything in MLflow."""
    if resume is not None and any(given is not None for given in (preset, config, settings, data, seed)):
        raise InputError(
            "--resume takes everything from the run that it goes on with: give no other option but --json and --quiet"
        )
    experiment = experiment_of(preset=preset, config=config, settings=settings, data=data, seed=seed)
    with ready("train", experiment, quiet=quiet) as train_flow:
        trained = train_flow(experiment, resume)
    give(trained, record=trained_record, show=show_trained, as_json=as_json)


@app.command()
def sweep(
    *,
    preset: Preset = None,
    config: Config = None,
    settings: Settings = None,
    data: Data = None,
    trials: Annotated[int, typer.Option(min=1, help="Number of trials in the study, earlier ones included.")] = 40,
    folds: Annotated[
        int,
        typer.Option(
            min=1,
            help="Number of stretches of validation that judge a trial, each trained for anew; the verdict is over as "
            "many of the test part.",
        ),
    ] = 1,
    jobs: Annotated[
        int, typer.Option(min=1, help="Number of trials that run at once; a core each by default.")
    ] = CORES,
    timeout: Annotated[
        float | None, typer.Option(min=0, help="Seconds after which no further trial begins; no limit if left out.")
    ] = None,
    study: Annotated[
        str | None,
        typer.Option(help="Name of the study; made of preset and data if left out. One that exists goes on."),
    ] = None,
    storage: Annotated[
        str,
        typer.Option(
            help="Place of the study: path of Optuna's journal, or a URL such as postgresql://user@host/name."
        ),
    ] = JOURNAL,
    pruner: Annotated[
        Pruner, typer.Option(help="Rule by which trials stop early that do worse than others did by then.")
    ] = "median",
    seeds: Annotated[
        int, typer.Option(min=2, help="Number of fresh seeds with which the verdict trains either configuration.")
    ] = 5,
    runner: Annotated[
        Runner, typer.Option(help="What runs the trials: threads of this process, or the workers of a Dask cluster.")
    ] = "threads",
    address: Annotated[
        str | None,
        typer.Option(help="Address of the Dask scheduler, such as tcp://127.0.0.1:8786; only for --runner dask."),
    ] = None,
    seed: Seed = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Tune an experiment, and say with fresh seeds whether it helped. Run it again to go on."""
    from wattcast.flows.experiment.search_space import check_space

    experiment = experiment_of(preset=preset, config=config, settings=settings, data=data, seed=seed)
    check_space(experiment)
    with ready("sweep", experiment, quiet=quiet) as sweep_flow:
        swept = sweep_flow(
            experiment,
            trials=trials,
            folds=folds,
            jobs=jobs,
            timeout=timeout,
            study=study,
            storage=storage,
            pruner=pruner,
            seeds=seeds,
            runner=runner,
            address=address,
        )
    give(swept, record=swept_record, show=show_swept, as_json=as_json)


@app.command()
def simulate(
    file: Annotated[Path, typer.Argument(help="File to write, .csv or .parquet; there must be none yet.")],
    rows: Annotated[
        int, typer.Option(help="Number of readings, one every ten minutes; 525600 are ten years.")
    ] = 19_735,
    start: Annotated[
        str, typer.Option(help="Time of the first reading, on the house's own clock.")
    ] = "2016-01-11 17:00",
    seed: Annotated[int, typer.Option(help="Seed of the simulation; another number gives another house.")] = 0,
) -> None:
    """Write the readings of a simulated house, with the columns of the UCI data set."""
    from wattcast.tasks.data.files import write_frame
    from wattcast.tasks.data.simulate import simulate as simulate_house
    from wattcast.tasks.progress import live_words

    show_on_screen()
    with live_words() as say:
        say(f"simulating {rows:,} readings")
        simulated = simulate_house(rows, start=start, seed=seed)
        say(f"writing {file}")
        write_frame(simulated, file)
    screen.print(f"{rows:,} readings in {escape(str(file))}")


@app.command()
def options(preset: Preset = None, config: Config = None) -> None:
    """List every option with its value and its meaning."""
    from wattcast.flows.experiment.experiment import describe

    experiment = experiment_of(preset=preset, config=config)
    table = Table(Column("option", no_wrap=True), Column("value", overflow="fold"), "meaning")
    for name, value in experiment.flat(unset=True).items():
        table.add_row(name, "" if value is None else escape(str(value)), describe(name))
    for name, value in experiment.gate.model_dump(mode="json").items():
        table.add_row(f"gate.{name}", escape(str(value)), describe(f"gate.{name}"))
    for name, values in experiment.sweep.items():
        table.add_row(f"sweep.{name}", escape(str(values)), "range that a sweep searches")
    Console().print(table)


def main() -> None:
    """Run the command: bad input is one message and exit code 2, a training that diverged one and exit code 1.

    What fails around it, a disk or a server, is one message and exit code 2 as well.
    """
    stand_by()
    atexit.register(gc.freeze)  # TensorFlow alone leaves so much behind that Python would look through it for seconds
    try:
        app()
    except (InputError, DivergedError) as error:
        say(screen, ("error:", "bold red"), f" {error}")
        sys.exit(2 if isinstance(error, InputError) else 1)
    except KeyboardInterrupt:
        screen.print("interrupted")
        sys.exit(INTERRUPTED)
    except Exception as error:
        if not (fault := fault_of(error)):
            raise
        say(screen, ("error:", "bold red"), f" {tellable(fault)}")
        if fault == PREFECT_GONE:
            end_soon(2)
        sys.exit(2)
