"""The `wattcast` command. It imports nothing heavy before it knows that it has something to do."""

from __future__ import annotations

import json
import logging
import math
import os
import signal
import sys
import threading
import urllib.error
import urllib.request
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from flows.experiment import Experiment, describe, preset_names, read_experiment
from flows.warmup import tensorflow_in_background
from model.errors import InputError
from model.fit import DivergedError

if TYPE_CHECKING:
    from flows.train import Trained
    from tasks.evaluate import Score

app = typer.Typer(
    help="Honest, tracked, reloadable GRU forecasts of a building's energy use.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
screen = Console(stderr=True)
_INTERRUPTED = 130  # the exit code of a command that Ctrl-C has ended
_FAREWELL_S = 8  # for the run to be closed

Preset = Annotated[
    str | None, typer.Option("--preset", help="Preset to start from: " + ", ".join(preset_names()) + ".")
]
Config = Annotated[Path | None, typer.Option("--config", help="TOML file with what differs from the preset.")]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="One option, such as model.readout_keep_prob=0.8. Repeatable."),
]
Data = Annotated[str | None, typer.Option("--data", help=str(Experiment.model_fields["data"].description))]
Seed = Annotated[int | None, typer.Option("--seed", help="Short for --set fit.seed=N.")]
Resume = Annotated[
    str | None, typer.Option("--resume", metavar="RUN_ID", help="Go on with a killed run from its last checkpoint.")
]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print one JSON object on standard output, and nothing else there.")
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
    _set_up_libraries()
    signal.signal(signal.SIGINT, _leave_soon)
    _require_answer("MLFLOW_TRACKING_URI")
    _require_answer("PREFECT_API_URL")
    _check_own_file(experiment)
    with tensorflow_in_background(screen):
        from flows.train import train as train_flow

        trained = train_flow(experiment, resume)
    if as_json:
        print(json.dumps(_record(trained)))  # noqa: T201 - the output that was asked for
    else:
        _show(trained)


@app.command()
def simulate(
    file: Annotated[Path, typer.Argument(help="The file to write: .csv or .parquet.")],
    rows: Annotated[int, typer.Option(help="Readings, one every ten minutes; 525600 are ten years.")] = 19_735,
    start: Annotated[str, typer.Option(help="First time stamp.")] = "2016-01-11 17:00",
    seed: Annotated[int, typer.Option(help="Which house.")] = 0,
) -> None:
    """Write the readings of a simulated house, with the columns of the UCI data set."""
    from tasks.files import write_frame
    from tasks.simulate import simulate as simulate_house

    write_frame(simulate_house(rows, start=start, seed=seed), file)
    screen.print(f"{rows:,} readings in {escape(str(file))}")


@app.command()
def options(preset: Preset = None, config: Config = None) -> None:
    """List every option with its value and its meaning."""
    experiment = read_experiment(preset=preset, config=config)
    table = Table(Column("option", no_wrap=True), Column("value", overflow="fold"), "meaning")
    for name, value in experiment.flat(unset=True).items():
        table.add_row(name, "" if value is None else escape(str(value)), describe(name))
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
        sys.exit(_INTERRUPTED)


class ScreenHandler(logging.Handler):
    """Shows a warning as the command shows its errors: in full lines, however narrow the terminal."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print one record."""
        word = record.levelname.lower()
        screen.print(f"[bold yellow]{word}:[/] {escape(record.getMessage())}", highlight=False, soft_wrap=True)


def _set_up_libraries() -> None:
    """Our own warnings on the screen, of the libraries what is critical; time and a way for Prefect's local server.

    A user's own settings win.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
    os.environ.setdefault("PREFECT_INTERNAL_LOGGING_LEVEL", "CRITICAL")
    os.environ.setdefault("PREFECT_LOGGING_EXTRA_LOGGERS", "flows,tasks,model")
    os.environ.setdefault("PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW", "ignore")
    os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
    os.environ.setdefault("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", "120")
    no_proxy = "no_proxy" if "no_proxy" in os.environ else "NO_PROXY"
    os.environ[no_proxy] = ",".join({*filter(None, os.environ.get(no_proxy, "").split(",")), "127.0.0.1", "localhost"})
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "ERROR")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    for package in ("flows", "tasks", "model"):
        logging.getLogger(package).addHandler(ScreenHandler(logging.WARNING))


def _leave_soon(_signal: int, _frame: FrameType | None) -> None:
    """Ctrl-C ends Prefect's temporary server as well, and Prefect's client would wait for it for minutes."""
    farewell = threading.Timer(_FAREWELL_S, os._exit, [_INTERRUPTED])
    farewell.daemon = True
    farewell.start()
    raise KeyboardInterrupt


def _require_answer(variable: str) -> None:
    """A server that is named in the environment must answer: the libraries would try for minutes."""
    address = os.environ.get(variable, "")
    if not address.startswith(("http://", "https://")):
        return
    try:
        urllib.request.urlopen(f"{address.rstrip('/')}/health", timeout=10).close()  # noqa: S310 - it is http
    except urllib.error.HTTPError:
        return  # it answers, if only to ask who is there
    except (OSError, ValueError) as error:
        raise InputError(f"{variable} names {address}, which does not answer: {error}; start it or unset it") from None


def _check_own_file(experiment: Experiment) -> None:
    """What is wrong with a file of the user's is said at once, not after Prefect and TensorFlow have started."""
    from tasks.download import CHOICES, download
    from tasks.validate import validate

    if experiment.data in CHOICES:
        return
    frame = download(experiment.data).frame
    logging.disable(logging.WARNING)  # the flow will say it again
    try:
        validate(frame, experiment.readings, window_rows=experiment.window.rows)
    except InputError as error:
        names = ", ".join(str(name) for name in frame.columns[:20])
        yours = "name yours in readings.timestamp, readings.targets and readings.features"
        raise InputError(f"{error}\nthe file's columns are {names}; {yours}") from None
    finally:
        logging.disable(logging.NOTSET)


def _record(trained: Trained) -> dict[str, Any]:
    evaluation = trained.evaluation
    metrics = {name: value if math.isfinite(value) else None for name, value in evaluation.metrics().items()}
    return {
        "run_id": trained.run_id,
        "model_uri": trained.model_uri,
        "metrics": metrics,
        "diagnosis": evaluation.diagnosis.verdict,
        "data_source": trained.data_source,
        "report": trained.report,
    }


def _test_table(scores: list[Score], target: str) -> Table:
    from tasks.evaluate import GRU

    title = f"{target}: test part, scored once"
    table = Table("model", "RMSE Wh", "MAE Wh", "R2", "MAPE %", "skill", title=escape(title), title_justify="left")
    for score in sorted((score for score in scores if score.part == "test"), key=lambda score: score.rmse):
        numbers = ((score.rmse, 1), (score.mae, 1), (score.r2, 2), (score.mape, 1), (score.skill, 2))
        cells = [f"{number:z.{digits}f}" if math.isfinite(number) else "-" for number, digits in numbers]
        table.add_row(score.model, *cells, style="bold" if score.model == GRU else None)
    return table


def _show(trained: Trained) -> None:
    evaluation = trained.evaluation
    console = Console()
    for target in dict.fromkeys(score.target for score in evaluation.scores):
        console.print(_test_table([score for score in evaluation.scores if score.target == target], target))
    diagnosis = evaluation.diagnosis
    console.print(f"[bold]{diagnosis.verdict}[/]: {diagnosis.reason}; {diagnosis.advice}.", soft_wrap=True)
    if trained.data_source == "simulated":
        from tasks.report import BANNER

        console.print(f"[bold red]{BANNER}[/]")
    console.print(f"run     {trained.run_id}\nmodel   {trained.model_uri}\nreport  {trained.report}", soft_wrap=True)
