"""The `wattcast` command as a process of its own: what it prints, where, and with which exit code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from flows import cli
from flows.experiment import preset_names, read_experiment

HEAVY = ("tensorflow", "keras", "prefect", "mlflow", "sklearn", "plotly", "matplotlib", "pandera")


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
    program = f"""
import sys
from flows.cli import main
sys.argv = ["wattcast", *{arguments!r}]
try:
    main()
except SystemExit:
    pass
print([name for name in {HEAVY!r} if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "--set", "fit.epoch=3"], "error: fit.epoch: there is no such option: did you mean 'epochs'?"),
        (["train", "--preset", "seed-l3"], "error: there is no preset 'seed-l3': did you mean 'seed-l2'?"),
        (["train", "--seed", "-1"], "error: fit.seed: Input should be greater than or equal to 0, received -1"),
        (["train", "--data", "nosuch.csv"], "error: 'nosuch.csv' cannot be read: No such file or directory"),
        (["train", "--data", "ucii"], "received 'ucii': did you mean 'uci'?"),
        (["train", "--config", "nosuch.toml"], "error: the configuration 'nosuch.toml' cannot be read"),
        (
            ["train", "--resume", "1", "--seed", "1"],
            "error: --resume takes everything from the run that it goes on with",
        ),
        (["train", "--sede", "1"], "No such option: --sede"),
        (["tran"], "No such command 'tran'. Did you mean 'train'?"),
    ],
)
def test_bad_input_is_one_message_and_exit_code_2(arguments: list[str], message: str, tmp_path: Path) -> None:
    done = wattcast(*arguments, folder=tmp_path)
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
    assert "one window needs 25 rows without a gap, the longest stretch has 20 of 20 rows" in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.csv"]


def test_options_shows_each_with_value_and_meaning(tmp_path: Path) -> None:
    done = wattcast("options", "--preset", "seed-l2", folder=tmp_path)
    assert done.returncode == 0
    (line,) = [line for line in done.stdout.splitlines() if "model.regularisation_scale" in line]
    assert "0.0001" in line
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
    assert result["run_id"] != "0" * 32
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mlflow.db", "mlruns"]


def test_a_training_that_diverges_is_one_message_and_exit_code_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from model.fit import DivergedError

    def diverge() -> None:
        raise DivergedError(12, float("nan"))

    monkeypatch.setattr(cli, "app", diverge)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 1
    error = capsys.readouterr().err
    assert "training diverged: the loss is nan after 12 updates; lower fit.initial_learning_rate" in error
