"""The `wattcast` command as a process of its own: what it prints, where, and with which exit code."""

from __future__ import annotations

import json
import math
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from importlib import metadata
from pathlib import Path

import pandas as pd
import psutil
import pytest
import typer
from here import Here
from servers import free_port, running, wait_for_answer, wait_until
from typer.testing import CliRunner

from wattcast.flows.cli import main as cli
from wattcast.flows.cli import show_training as shown
from wattcast.flows.cli import startup
from wattcast.flows.experiment.experiment import read_experiment
from wattcast.flows.experiment.offered import preset_names
from wattcast.model.errors import DivergedError, InputError
from wattcast.tasks.faults import PREFECT_GONE
from wattcast.tasks.numbers import decimals

COMMANDS = typer.main.get_group(cli.app).commands
HEAVY = ("tensorflow", "keras", "prefect", "mlflow", "sklearn", "plotly", "matplotlib")
LATE = ("numpy", "pandas", "pyarrow", "scipy", "psutil", "urllib.request", "rich.progress", "holidays")


def wattcast(*arguments: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command in `folder`; an empty value takes a variable out of its environment."""
    variables = {**os.environ, "COLUMNS": "200", "WATTCAST_DATA": "", **environment}
    variables = {name: value for name, value in variables.items() if value}
    command = [str(Path(sys.executable).with_name("wattcast")), *arguments]
    return subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, check=False, timeout=280)


def test_help_names_commands_options_and_presets(tmp_path: Path) -> None:
    done = wattcast("--help", folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "train" in done.stdout
    assert "options" in done.stdout
    text = wattcast("train", "--help", folder=tmp_path).stdout
    assert all(word in text for word in ("--preset", "--config", "--set", "--data", "--seed", "--resume", "--json"))
    assert all(name in text for name in preset_names())


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["train", "--help"], ["options"], ["train", "--set", "fit.epoch=3"], ["train", "--seed", "-1"]],
)
def test_nothing_heavy_is_imported_before_there_is_something_to_do(arguments: list[str], tmp_path: Path) -> None:
    unread = ("wattcast.flows.experiment.experiment",) if "--help" in arguments else ()  # no help reads one
    program = f"""
import sys
from wattcast.flows.cli.main import main
sys.argv = ["wattcast", *{arguments!r}]
try:
    main()
except SystemExit:
    pass
from wattcast.flows.cli.late import _Late
print([name for name in {(*HEAVY, *LATE, *unread)!r} if name in sys.modules and type(sys.modules[name]) is not _Late])
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "--set", "fit.epoch=3"], "error: fit.epoch: there is no such option: did you mean 'epochs'?"),
        (["train", "--preset", "seed-l3"], "error: there is no preset 'seed-l3': did you mean 'seed-l2'?"),
        (["train", "--seed", "-1"], "error: fit.seed: Input should be greater than or equal to 0, received -1"),
        (
            ["train", "--set", "fit.kernel=turbo"],
            "error: fit.kernel: Input should be 'auto', 'keras' or 'fast', received 'turbo'\n",
        ),
        (["train", "--data", "nosuch.csv"], "error: 'nosuch.csv' cannot be read: No such file or directory"),
        (["train", "--data", "ucii"], "received 'ucii': did you mean 'uci'?"),
        (["train", "--config", "nosuch.toml"], "error: the configuration 'nosuch.toml' cannot be read"),
        (
            ["train", "--resume", "1", "--seed", "1"],
            "error: --resume takes everything from the run that it goes on with",
        ),
        (["train", "--resume", "", "--seed", "1"], "error: --resume takes everything from the run"),
        (["backtest", "--resume", "", "--folds", "3"], "error: --resume takes everything from the run"),
        (["train", "--sede", "1"], "No such option: --sede"),
        (["tran"], "No such command 'tran'. Did you mean 'train', 'retrain'?"),
    ],
)
def test_bad_input_is_one_message_and_exit_code_2(
    arguments: list[str], message: str, tmp_path: Path, here: Here
) -> None:
    done = here(*arguments, folder=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_bad_file_is_told_with_all_its_faults_before_anything_starts(house: pd.DataFrame, tmp_path: Path) -> None:
    house.head(20).rename(columns={"Appliances": "appliance"}).to_csv(tmp_path / "bad.csv", index=False)
    done = wattcast("train", "--data", "bad.csv", folder=tmp_path)
    assert done.returncode == 2
    assert "column 'Appliances' is missing: did you mean 'appliance'?" in done.stderr
    assert "the file's columns are date, appliance, lights" in done.stderr
    assert "one window needs 25 rows without a gap, the longest stretch has 20 of 20 rows" in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.csv"]


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_option_and_argument_is_explained_by_a_sentence(name: str) -> None:
    for parameter in COMMANDS[name].params:
        text = parameter.help or ""
        assert text.endswith("."), (parameter.name, text)
        assert len(text.split()) >= 3, (parameter.name, text)


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_says_in_one_line_what_it_does(name: str) -> None:
    text = COMMANDS[name].help or ""
    assert text.endswith(".")
    assert "\n" not in text


@pytest.mark.parametrize(
    ("old", "hint", "message"),
    [
        (["models", "--name", "mine"], "--name is now --model-name; both work\n", None),
        (["models", "--name", "mine", "--model-name", "mine"], "--name is now --model-name; both work\n", None),
        (["models", "--model-name", "mine"], "", None),
        (["models", "--name", "a", "--model-name", "b"], "", "--name is now --model-name: give one of them"),
        (["forecast", "--model", "3", "--model-version", "champion"], "", "--model is now --model-version: give one"),
        (["forecast", "--model", "3", "--output", "a.txt"], "--model is now --model-version; both work\n", "a.txt"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_old_names_of_options_work_with_a_hint(
    old: list[str], hint: str, message: str | None, workspace: Path, here: Here
) -> None:
    done = here(*old, folder=workspace)
    if message:
        assert done.returncode == 2
        assert message in done.stderr
        assert done.stderr.startswith(f"{hint}error: ")
    else:
        assert (done.returncode, done.stderr) == (0, hint)
        assert done.stdout.startswith("mine has no version yet")


def test_a_flag_shows_no_type_behind_it() -> None:
    shown = [CliRunner().invoke(cli.app, [name, "--help"], env={"COLUMNS": "200"}).output for name in COMMANDS]
    assert not [text for text in shown if "<bool>" in text]
    assert sum("--help  " in text for text in shown) == len(COMMANDS)


def test_the_version_is_that_of_the_package() -> None:
    done = CliRunner().invoke(cli.app, ["--version"])
    assert (done.exit_code, done.output) == (0, f"wattcast {metadata.version('wattcast')}\n")


@pytest.mark.parametrize(
    ("words", "place", "found"),
    [("wattcast retr", 1, ["retrain"]), ("wattcast train --preset seed-l", 3, ["seed-l2"])],
)
def test_a_shell_completes_commands_and_presets(words: str, place: int, found: list[str]) -> None:
    environment = {"_WATTCAST_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(place)}
    assert CliRunner().invoke(cli.app, env=environment, prog_name="wattcast").output.split() == found


@pytest.mark.parametrize("command", ["train", "sweep", "retrain", "replay", "backtest"])
def test_whatever_trains_takes_a_seed(command: str) -> None:
    assert "seed" in {parameter.name for parameter in COMMANDS[command].params}


def test_whatever_takes_its_time_can_be_quiet() -> None:
    named = {name for name, each in COMMANDS.items() if "quiet" in {parameter.name for parameter in each.params}}
    assert COMMANDS.keys() - named == {"options", "simulate"}


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("retrain --as-of 2061-01-01", "as-of must lie within the readings"),
        ("retrain --as-of 2016-01-13", "leaves none to train on"),
        ("replay --from 2061-01-01", "start must lie within the readings"),
        ("replay --from 2016-01-13", "leaves none to train on"),
        ("replay --from 2016-05-27", "needs two days to forecast"),
        ("replay --from 2016-05-27T18:00", "no forecast is made from there on"),
        ("replay --every 3h", "every must be a duration in days or hours"),
        ("backtest --folds 99", "99"),
    ],
)
def test_a_date_that_cannot_be_is_told_before_anything_starts(
    command: str, message: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(startup, "_set_up_libraries", lambda **_: None)
    done = CliRunner().invoke(cli.app, [*command.split(), "--data", "uci"])
    assert isinstance(done.exception, InputError)
    assert message in str(done.exception)
    assert list(tmp_path.iterdir()) == []


def test_old_names_of_options_are_not_in_the_help() -> None:
    shown = {name: CliRunner().invoke(cli.app, [name, "--help"], env={"COLUMNS": "200"}).output for name in COMMANDS}
    named = {name for name, text in shown.items() if "--model-name" in text}
    assert named == {"retrain", "forecast", "watch", "serve", "models", "rollback", "explain", "doctor"}
    assert {name for name, text in shown.items() if "--model-version" in text} == {"forecast", "watch", "serve"}
    assert not [name for name, text in shown.items() if re.search(r"--name\b|--model\b(?!-)", text)]


def test_options_shows_each_with_value_and_meaning(tmp_path: Path) -> None:
    done = wattcast("options", "--preset", "seed-l2", folder=tmp_path)
    assert done.returncode == 0
    line, searched = [line for line in done.stdout.splitlines() if "model.regularisation_scale" in line]
    assert "0.0001" in line
    assert "sweep.model.regularisation_scale" in searched
    assert "1e-07 to 0.1, log" in searched
    assert "penalty on the tanh layer's kernel" in line
    assert all(name in done.stdout for name in read_experiment(preset="seed-l2").flat())


def test_a_training_from_the_command_line(small: tuple[str, ...], tmp_path: Path) -> None:
    """Without a network at all: `--data auto` falls back to the simulated house, and says so."""
    settings = [part for setting in small if not setting.startswith("data=") for part in ("--set", setting)]
    nowhere = {"HTTP_PROXY": "http://127.0.0.1:9", "HTTPS_PROXY": "http://127.0.0.1:9"}
    done = wattcast("train", "--seed", "3", "--json", *settings, folder=tmp_path, MLFLOW_RUN_ID="0" * 32, **nowhere)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert {"run_id", "model_uri", "metrics", "diagnosis"} <= set(result)
    assert result["data_source"] == "simulated"
    assert result["metrics"]["test_rmse"] > 0
    assert "SIMULATED READINGS" in done.stderr
    assert "Traceback" not in done.stderr
    stages = ["starting Prefect", "reading the data", "training a network", "scoring beside the baselines"]
    told = re.findall(r"^([\w ]+): \d+\.\d s$", done.stderr, re.M)
    assert [stage for stage in told if stage in stages] == stages
    assert "training, epoch 1: loss " in done.stderr
    wait_until(lambda: not servers_of(tmp_path), "the end of Prefect's server", 30)
    assert result["run_id"] != "0" * 32
    assert sorted(path.name for path in tmp_path.iterdir()) == ["curves", "mlflow.db", "mlflow.db.lock", "mlruns"]


def servers_of(folder: Path) -> list[psutil.Process]:
    """Prefect's own servers of commands that were run there."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.cwd() == str(folder) and "wattcast.flows.service.local_prefect" in process.cmdline():
                found.append(process)
    return found


def test_a_training_against_an_mlflow_server(
    small: tuple[str, ...], tmp_path: Path, served: Callable[..., AbstractContextManager[str]], prefect_server: str
) -> None:
    """Standard output stays one JSON object, and what it names can be fetched from the server."""
    import mlflow

    here = tmp_path / "here"
    here.mkdir()
    settings = [part for setting in small for part in ("--set", setting)]
    with served(["mlflow", "server", "--workers", "1"], folder=tmp_path, path="/health") as address:
        servers = {"MLFLOW_TRACKING_URI": address, "PREFECT_API_URL": prefect_server}
        done = wattcast("train", "--json", "--quiet", *settings, folder=here, **servers)
        assert done.returncode == 0, done.stderr
        assert done.stderr == "warning: TRAINED ON SIMULATED READINGS, NOT ON A REAL HOUSE\n"
        result = json.loads(done.stdout)
        assert result["report"] == f"runs:/{result['run_id']}/report.html"
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("MLFLOW_TRACKING_URI", address)
            fetched = Path(mlflow.artifacts.download_artifacts(result["report"], dst_path=str(tmp_path)))
        assert "SIMULATED" in fetched.read_text(encoding="utf-8")
        assert list(here.iterdir()) == []


def test_ctrl_c_closes_the_run_and_names_the_way_on(small: tuple[str, ...], tmp_path: Path) -> None:
    """The signal goes to the whole group, as a terminal sends it: to Prefect's temporary server, too.

    Several networks are in training: each of their threads has to end.
    """
    from mlflow import MlflowClient

    wanted = [*small, "fit.members=2", "fit.epochs=5000", "fit.patience=5000"]
    settings = [part for setting in wanted for part in ("--set", setting)]
    command = [str(Path(sys.executable).with_name("wattcast")), "train", *settings]
    variables = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}

    def checkpoints() -> list[Path]:
        assert process.poll() is None, process.communicate()[1]
        return list(tmp_path.glob("mlruns/*/*/artifacts/checkpoints/member-1/select.npz"))

    with running(command, cwd=tmp_path, env=variables, stderr=subprocess.PIPE, text=True) as process:
        wait_until(checkpoints, "a checkpoint", 200)
        (checkpoint,) = checkpoints()
        os.killpg(process.pid, signal.SIGINT)
        _, said = process.communicate(timeout=60)
    run_id = checkpoint.parents[3].name
    assert process.returncode == 130
    assert f"`wattcast train --resume {run_id}` goes on from the last epoch" in said
    assert "Traceback" not in said
    store = MlflowClient(f"sqlite:///{tmp_path / 'mlflow.db'}")
    assert store.get_run(run_id).info.status == "KILLED"


@pytest.mark.story
def test_a_training_whose_prefect_server_is_killed_says_so_soon_and_is_gone_on_with(
    small: tuple[str, ...], tmp_path: Path
) -> None:
    settings = [part for setting in (*small, "fit.epochs=30", "fit.patience=30") for part in ("--set", setting)]
    programs, port = Path(sys.executable).parent, free_port()
    serve = [str(programs / "prefect"), "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    variables = {**os.environ, "PREFECT_HOME": str(tmp_path / "prefect"), "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}
    silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with running(serve, cwd=tmp_path, env=variables, **silent) as server:
        wait_for_answer(f"http://127.0.0.1:{port}/api/health", server)
        command = [str(programs / "wattcast"), "train", *settings]
        named = {**variables, "PREFECT_API_URL": f"http://127.0.0.1:{port}/api"}
        with running(command, cwd=tmp_path, env=named, stderr=subprocess.PIPE, text=True) as process:
            checkpoints = "mlruns/*/*/artifacts/checkpoints/**/select.npz"
            wait_until(lambda: [*tmp_path.glob(checkpoints)] or process.poll() is not None, "a checkpoint", 200)
            os.killpg(server.pid, signal.SIGKILL)
            _, said = process.communicate(timeout=200)
    assert process.returncode == 2, said
    assert said.endswith(f"error: {PREFECT_GONE}\n")
    (way_on,) = re.findall("`wattcast (train --resume .*)` goes on", said)
    done = wattcast(*way_on.split(), "--json", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["metrics"]["test_rmse"] > 0


@pytest.mark.parametrize("variable", ["MLFLOW_TRACKING_URI", "PREFECT_API_URL"])
def test_a_server_that_does_not_answer_is_named_at_once(variable: str, tmp_path: Path) -> None:
    done = wattcast("train", folder=tmp_path, **{variable: "http://127.0.0.1:9/api"})
    assert done.returncode == 2
    assert f"{variable} names http://127.0.0.1:9/api, which does not answer" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_warnings_are_seen_while_tensorflow_is_imported(tmp_path: Path) -> None:
    program = """
import logging
from wattcast.flows.cli import startup
from wattcast.flows.cli.warmup import tensorflow_in_background
from wattcast.tasks.stages import screen
startup._set_up_libraries()
with tensorflow_in_background(screen):
    logging.getLogger("wattcast.tasks.data.download").warning("taken at once")
logging.getLogger("wattcast.tasks.data.download").warning("and later")
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stderr.splitlines() == ["warning: taken at once", "warning: and later"]


def test_a_simulated_house_is_written_whole_or_not_at_all(tmp_path: Path, here: Here) -> None:
    done = here("simulate", "house.csv", "--rows", "50", "--start", "2020-01-01", "--seed", "7", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    frame = pd.read_csv(tmp_path / "house.csv", parse_dates=["date"])
    assert (len(frame), frame["date"].iloc[0]) == (50, pd.Timestamp("2020-01-01"))
    assert done.stderr == "50 readings in house.csv\n"
    for arguments, message in (
        (["house.txt"], "the file must end in .csv or .parquet, received 'house.txt'"),
        (["nowhere/house.csv"], "'nowhere/house.csv' cannot be written: "),
        (["house.csv"], "'house.csv' is there already"),
        (["x.csv", "--rows", "0"], "rows"),
        (["x.csv", "--start", "soon"], "soon"),
    ):
        done = here("simulate", *arguments, folder=tmp_path)
        assert (done.returncode, "Traceback" in done.stderr) == (2, False), done.stderr
        assert message in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["house.csv"]


def test_the_table_of_several_targets_is_one_table_each(capsys: pytest.CaptureFixture[str]) -> None:
    from wattcast.flows.train import Trained
    from wattcast.tasks.learning.diagnosis import Diagnosis
    from wattcast.tasks.learning.evaluate import Evaluation, Score

    scores = tuple(
        Score(model, "test", target, rmse, 1.0, math.nan, 2.0, 0.1)
        for target, rmse in (("heat [kWh]", 5.0), ("light", 900.0))
        for model in ("ridge", "gru")
    )
    evaluation = Evaluation(scores, Diagnosis("good", "the reason", "the advice"), pd.DataFrame())
    shown.show_trained(Trained("run", "models:/m-1", "simulated", evaluation, "report.html"))
    text = capsys.readouterr().out
    assert (
        text.index("heat [kWh]: test part") < text.index("5.0") < text.index("light: test part") < text.index("900.0")
    )
    assert "nan" not in text
    assert "SIMULATED READINGS" in text
    assert "do not beat" in text  # they are level


def test_what_is_not_beaten_and_what_is_absent_are_told_below_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    from wattcast.flows.train import Trained
    from wattcast.tasks.learning.diagnosis import Diagnosis
    from wattcast.tasks.learning.evaluate import Evaluation, Score

    errors = {"gru": (5.0, 3.0), "ridge": (6.0, 2.4), "lightgbm": (7.0, 2.5)}
    scores = tuple(Score(model, "test", "load", *error, 0.5, 2.0, 0.1) for model, error in errors.items())
    told = Diagnosis("good", "the reason", "the advice")
    evaluation = Evaluation(scores, told, pd.DataFrame(), unit="kWh", absent="LightGBM [is] absent")
    shown.show_trained(Trained("run", "models:/m-1", "file", evaluation, "report.html"))
    text = capsys.readouterr().out
    assert "The forecasts of load do not beat the best baseline in MAE (ridge has 2.40 kWh, 20.0 % less).\n" in text
    assert "LightGBM [is] absent\n" in text


def test_the_doctor_says_what_is_ok_and_what_is_a_problem(capsys: pytest.CaptureFixture[str]) -> None:
    from wattcast.flows.cli.show_models import show_findings
    from wattcast.flows.service.doctor import Finding

    show_findings([Finding("disk", "3.0 GiB free"), Finding("champion", "it does not load", "wattcast rollback")])
    assert capsys.readouterr().out.splitlines() == [
        "ok       disk: 3.0 GiB free",
        "problem  champion: it does not load",
        "         -> wattcast rollback",
    ]


@pytest.mark.parametrize(
    ("number", "text"),
    [(57.44, "57.4"), (-0.04, "0.0"), (math.nan, "-"), (math.inf, "-"), (123456.78, "123456.8"), (-1e12, "-1.0e+12")],
)
def test_a_cell_holds_a_number_that_can_be_read_or_a_dash(number: float, text: str) -> None:
    assert decimals(number, 1) == text


def test_a_training_that_diverges_is_one_message_and_exit_code_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:

    def diverge() -> None:
        raise DivergedError(12, float("nan"))

    monkeypatch.setattr(cli, "app", diverge)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 1
    error = capsys.readouterr().err
    assert "training diverged: the loss is nan after 12 updates; lower fit.initial_learning_rate" in error
