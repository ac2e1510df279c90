"""The README's commands run, and print what it says they print."""

from __future__ import annotations

import re
import shlex
import subprocess
import urllib.request
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from contests import a_fold, own_imports
from here import Here
from typer.testing import CliRunner

from wattcast.flows.cli import main as cli
from wattcast.flows.cli import startup
from wattcast.flows.experiment.experiment import read_experiment
from wattcast.tasks.backtest.against import find_contestant
from wattcast.tasks.backtest.contest import Forecasts
from wattcast.tasks.backtest.contestants import forecast_fold
from wattcast.tasks.data import simulate as simulation
from wattcast.tasks.inspection.draft import draft
from wattcast.tasks.inspection.inspect import inspect

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def commands(program: str) -> list[tuple[str, str]]:
    """Each `$ program ...` of the README with what it shows below it."""
    shown = [part for block in blocks("console") for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]]
    pairs = [(command, output) for command, _, output in (part.partition("\n") for part in shown)]
    return [(command, output) for command, output in pairs if shlex.split(command)[0] == program]


def file_shown(name: str) -> str:
    """The content of a file that the README shows below a line with its name."""
    (content,) = re.findall(rf"`{re.escape(name)}`:\n\n```toml\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    return content


TRAININGS = [command for command, _ in commands("wattcast") if command.startswith("wattcast train")]
SWEEPS = [command for command, _ in commands("wattcast") if command.startswith("wattcast sweep")]
SMALLER = ("fit.epochs=1", "fit.batch_size=512", "fit.members=1", "baselines.lightgbm=false")
LESS = [part for setting in SMALLER for part in ("--set", setting)]
REFUSED = [command for command in TRAININGS if command.endswith("--config house.toml")]
INSPECTIONS = [(command, output) for command, output in commands("wattcast") if command.startswith("wattcast inspect")]
FAILING = [(command, output) for command, output in commands("wattcast") if output.startswith("error:")]


def test_every_command_of_the_readme_is_checked_by_one_of_these_tests() -> None:
    programs = {shlex.split(part)[0] for block in blocks("console") for part in re.findall(r"^\$ (.*)$", block, re.M)}
    cluster = {"initdb", "postgres", "prefect", "export", "dask"}  # test_side_by_side.py, test_operate.py
    tools = {"pip", "optuna-dashboard", "curl"}  # not of this project
    assert programs == {"make", "wattcast", "mlflow", "tensorboard"} | cluster | tools
    assert TRAININGS
    assert SWEEPS
    assert INSPECTIONS
    assert FAILING


@pytest.mark.parametrize("command", [command for command, _ in commands("wattcast")])
def test_commands_have_the_options_that_the_readme_gives_them(command: str) -> None:
    """That the commands of "Operate" do what it says is tested in flows/."""
    program, *options = shlex.split(command)[1:]
    shown = CliRunner().invoke(cli.app, [program, "--help"], env={"COLUMNS": "200", "TERM": "dumb"})
    assert shown.exit_code == 0
    assert not [option for option in options if option.startswith("--") and option not in shown.output]


def test_deployments_of_the_readme_stand_in_prefect_yaml() -> None:
    deployed = yaml.safe_load((ROOT / "prefect.yaml").read_text(encoding="utf-8"))["deployments"]
    names = {f"{each['entrypoint'].rpartition('.')[2]}/{each['name']}" for each in deployed}
    run = {
        shlex.split(command)[3] for command, _ in commands("prefect") if command.startswith("prefect deployment run")
    }
    assert run
    assert run <= names


@pytest.mark.parametrize("command", [command for command, _ in commands("make")])
def test_make_knows_its_targets(command: str) -> None:
    done = subprocess.run([*shlex.split(command), "--dry-run"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("command", "output"), FAILING)
def test_what_the_readme_shows_as_an_error_is_that_error(command: str, output: str, tmp_path: Path, here: Here) -> None:
    done = here(*shlex.split(command)[1:], folder=tmp_path)
    assert (done.returncode, done.stderr.strip()) == (2, output.strip())


@pytest.mark.parametrize(("command", "output"), INSPECTIONS)
def test_what_the_readme_shows_of_a_file_is_what_an_inspection_prints(
    command: str, output: str, tmp_path: Path, here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Line by line, but for what `...` stands for; and the draft is refused, until its question is answered."""
    simulated = next(
        command for command, _ in commands("wattcast") if command.startswith("wattcast simulate house.csv")
    )
    monkeypatch.setenv("COLUMNS", "100")
    assert here(*shlex.split(simulated)[1:], folder=tmp_path).returncode == 0
    inspected = here(*shlex.split(command)[1:], folder=tmp_path)
    assert inspected.returncode == 0, inspected.stderr
    printed = inspected.stdout
    lines = "\n".join(line.rstrip() for line in printed.splitlines())
    place = 0
    for part in output.split("...\n"):
        assert part.strip("\n") in lines[place:], part
        place = lines.index(part.strip("\n"), place)
    made = shlex.split(command)[-1]
    refused, trained = (command for command in TRAININGS if made in command)
    done = here(*shlex.split(refused)[1:], folder=tmp_path)
    assert done.returncode == 2
    assert f"{made} asks what is not answered yet" in done.stderr
    words = shlex.split(trained)
    answers = [setting for word, setting in pairwise(words) if word == "--set"]
    assert read_experiment(config=tmp_path / made, settings=answers).data == "house.csv"


@pytest.fixture
def office(house: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prefect_server: str) -> Path:
    """A folder with the files that the README's commands name; the simulated house has three weeks.

    There is one server of Prefect's for all of them: each command would start its own.
    """
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PREFECT_API_URL", prefect_server)
    monkeypatch.setattr(simulation, "simulate", partial(simulation.simulate, 3024))
    half_hourly = house.iloc[::3].rename(columns={"date": "time", "Appliances": "load_wh", "T_out": "outdoor_c"})
    half_hourly[["time", "load_wh", "outdoor_c"]].to_csv("office.csv", index=False)
    for name in ("mine.toml", "office.toml", "space.toml"):
        Path(name).write_text(file_shown(name), encoding="utf-8")
    house.to_csv("house.csv", index=False)
    Path("house.toml").write_text(draft(inspect(Path("house.csv")).found), encoding="utf-8")
    return tmp_path


@pytest.mark.usefixtures("prefect_server", "workspace")
@pytest.mark.parametrize(
    "command", [command for command in TRAININGS if command not in dict(FAILING) and command not in REFUSED]
)
def test_trainings_run(command: str, office: Path, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One network for an epoch, and on the simulated house unless the command names a file; else to the letter."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{workspace / 'mlflow.db'}")
    monkeypatch.setattr(startup, "_set_up_libraries", lambda **_: None)
    arguments = shlex.split(command)[1:]
    if "RUN_ID" in arguments:
        pytest.skip("an unfinished run is needed: test_train.py resumes one")
    if not any(name in command for name in ("office", "house.toml")):
        arguments += ["--data", "simulated"]
    done = CliRunner().invoke(cli.app, [*arguments, *LESS])
    assert done.exception is None, done.output


@pytest.mark.usefixtures("prefect_server", "workspace")
@pytest.mark.parametrize("command", [command for command in SWEEPS if "dask" not in command])
def test_sweeps_run(command: str, office: Path, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With fewer and shorter trials on the simulated house; else to the letter."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{workspace / 'mlflow.db'}")
    monkeypatch.setattr(startup, "_set_up_libraries", lambda **_: None)
    less = ["--data", "simulated", "--trials", "2", "--seeds", "2"]
    done = CliRunner().invoke(cli.app, [*shlex.split(command)[1:], *less, *LESS])
    assert done.exception is None, done.output
    assert "2 trials of" in done.output


@pytest.mark.usefixtures("prefect_server", "workspace")
def test_the_python_of_the_readme_runs(office: Path, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It loads the newest model of a training and forecasts from a file."""
    from wattcast.flows.train import train

    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{workspace / 'mlflow.db'}")
    trained = train(read_experiment(config=Path("office.toml"), settings=["data=office.csv", *SMALLER]))
    (program,) = [block for block in blocks("python") if "models:/m-" in block]
    names: dict[str, object] = {}
    exec(re.sub(r"models:/m-\w+", trained.model_uri, program), names)
    forecast = names["forecast"]
    assert isinstance(forecast, pd.DataFrame)
    assert forecast.columns.tolist() == ["made_at", "time", "load_wh"]


@pytest.mark.usefixtures("prefect_server", "workspace", "without_clean_room")
def test_all_that_the_commands_do_is_one_import_away(
    office: Path, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From "From Python"; one network for an epoch, else to the letter."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{workspace / 'mlflow.db'}")
    (program,) = [block for block in blocks("python") if "import wattcast" in block]
    quick = "\n".join(['data = "office.csv"', "gate.holdout_days = 4", *SMALLER, ""])
    Path("office.toml").write_text(file_shown("office.toml").replace('data = "office.csv"\n', quick), encoding="utf-8")
    names: dict[str, Any] = {}
    exec(program, names)
    assert names["trained"].evaluation.score("gru", "test").rmse > 0
    assert (names["retrained"].model, names["retrained"].version) == ("office", 1)


def test_the_forecaster_of_the_readme_stands_in_a_backtest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """To the letter, in a fold of the simulated house; with the quantiles that it gives."""
    (program,) = [block for block in blocks("python") if "class Mine" in block]
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "forecasts.py").write_text(program, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    fold = a_fold(levels=(0.9,))
    with own_imports():
        contestant = find_contestant("mine.forecasts:Mine")
        assert contestant is not None
        outcome = forecast_fold([contestant], fold)[0]["mine.forecasts:Mine"]
    assert isinstance(outcome, Forecasts), outcome
    assert outcome.bounds is not None
    assert outcome.bounds.shape == (*fold.scored.actual.shape, 3)


@pytest.mark.parametrize(
    ("program", "path", "word"),
    [("mlflow", "/", "MLflow"), ("tensorboard", "/data/environment", "data_location")],
)
def test_the_pages_of_the_readme_answer(
    program: str, path: str, word: str, workspace: Path, served: Callable[..., AbstractContextManager[str]]
) -> None:
    command, _ = commands(program)[0]
    (workspace / "curves").mkdir(exist_ok=True)
    with (
        served(shlex.split(command), folder=workspace, path=path) as address,
        urllib.request.urlopen(f"{address}{path}", timeout=30) as page,
    ):
        assert word in page.read().decode()
