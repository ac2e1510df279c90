"""What `wattcast inspect` says and writes, and the flows that refuse what it asks."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from here import Here

from wattcast.flows.cli.show_inspection import show_inspected
from wattcast.tasks.inspection.inspect import inspect

LOAD = np.random.default_rng(0).gamma(4, 80, 24 * 40).round(2)
HEAVY = ("tensorflow", "keras", "prefect", "mlflow", "sklearn", "matplotlib", "optuna")
NAME = "load [kWh/h] <b>"


@pytest.fixture
def meter(tmp_path: Path) -> Path:
    """A file with one question, whose column is named so that it could be taken for markup."""
    times = pd.date_range("2021-03-01", periods=24 * 12, freq="h").strftime("%d.%m.%Y %H:%M")
    pd.DataFrame({"time": times, NAME: LOAD[: len(times)]}).to_csv(tmp_path / "meter.csv", index=False)
    return tmp_path


def test_terminal_and_json_say_the_same(meter: Path, here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    shown = here("inspect", "meter.csv", folder=meter)
    told = here("inspect", "meter.csv", "--json", folder=meter)
    assert (shown.returncode, shown.stderr, told.returncode, told.stderr) == (0, "", 0, "")
    record = json.loads(told.stdout)
    assert record["questions"] == ["readings.time_format"]
    assert record["headline"] in shown.stdout
    words = " ".join(shown.stdout.replace("│", " ").split())
    for answer in record["answers"]:
        assert answer["option"] in words
        assert " ".join(answer["why"].split()) in words
    for column in record["columns"]:
        assert column["name"] in words
        assert column["kind"] in words
    assert NAME in words
    (habits,) = record["habits"]
    assert f"a day later {habits['correlation']['a day']:z.2f}" in words
    assert f"negative {record['columns'][1]['numbers']['negative']}" in words


def test_nothing_heavy_is_imported_and_no_page_is_drawn_unasked(meter: Path) -> None:
    program = f"""
import sys
from wattcast.flows.cli.main import main
sys.argv = ["wattcast", "inspect", "meter.csv", *sys.argv[1:]]
try:
    main()
except SystemExit:
    pass
print([name for name in (*{HEAVY!r}, "plotly") if name in sys.modules])
"""
    for arguments, found in (([], "[]"), (["--report", "page.html"], "['plotly']")):
        command = [sys.executable, "-c", program, *arguments]
        done = subprocess.run(command, cwd=meter, capture_output=True, text=True, check=True)
        assert done.stdout.splitlines()[-1] == found


def test_draft_and_page_are_written_once_and_never_over_a_file(meter: Path, here: Here) -> None:
    done = here("inspect", "meter.csv", "--write", "meter.toml", "--report", "page.html", "--json", folder=meter)
    assert (done.returncode, done.stderr) == (0, "written  meter.toml\nwritten  page.html\n")
    assert json.loads(done.stdout)["file"] == "meter.csv"
    told = tomllib.loads((meter / "meter.toml").read_text(encoding="utf-8"))
    assert told["data"] == "meter.csv"
    assert told["readings"]["targets"] == [NAME]
    assert "load [kWh/h] &lt;b&gt;" in (meter / "page.html").read_text(encoding="utf-8")
    before = {path: path.read_bytes() for path in meter.iterdir()}
    for option in ("--write", "--report"):
        done = here("inspect", "meter.csv", option, "meter.toml", folder=meter)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == "error: 'meter.toml' is there already: choose another name, or remove it first\n"
    done = here("inspect", "meter.csv", "--write", "nowhere/meter.toml", folder=meter)
    assert done.returncode == 2
    assert "'nowhere/meter.toml' cannot be written: there is no folder 'nowhere'" in done.stderr
    assert {path: path.read_bytes() for path in meter.iterdir()} == before


@pytest.mark.parametrize("command", ["train", "retrain", "sweep", "replay"])
def test_no_flow_passes_over_a_question(command: str, meter: Path, here: Here) -> None:
    assert here("inspect", "meter.csv", "--write", "meter.toml", "--json", folder=meter).returncode == 0
    done = here(command, "--config", "meter.toml", folder=meter)
    assert (done.returncode, done.stdout) == (2, "")
    first, *questions = done.stderr.splitlines()
    assert first == "error: meter.toml asks what is not answered yet: put each answer in the place of its question"
    (question,) = questions
    assert question.startswith("  - readings.time_format: %d.%m.%Y %H:%M or %m.%d.%Y %H:%M: both read every row")
    assert sorted(path.name for path in meter.iterdir()) == ["meter.csv", "meter.toml"]


def test_answers_are_taken_from_a_half_answered_draft_and_from_settings(meter: Path, here: Here) -> None:
    assert here("inspect", "meter.csv", "--write", "meter.toml", "--json", folder=meter).returncode == 0
    told = ["--config", "meter.toml", "--set", "readings.time_format=%d.%m.%Y %H:%M", "--json"]
    record = json.loads(here("inspect", "meter.csv", *told, folder=meter).stdout)
    assert (record["verdict"], record["questions"]) == ("ready", [])
    answers = {answer["option"]: (answer["value"], answer["basis"]) for answer in record["answers"]}
    assert answers["readings.time_format"] == ("%d.%m.%Y %H:%M", "given")
    assert answers["readings.unit"] == ("kW", "given")


@pytest.mark.parametrize(
    ("content", "arguments", "message"),
    [
        ("", [], "'meter.csv' cannot be read: the file holds no rows: it is empty"),
        ("a,b\n1,2\n3,4,5,6\n", [], "'meter.csv' cannot be read"),
        (
            "time;kWh\n" + "".join(f"2021-03-01 {hour:02d}:00;{hour % 7 + 1},234\n" for hour in range(24)),
            [],
            "file.decimal",
        ),
        (
            "time,kWh\n",
            ["--set", "fit.seed=1"],
            "only file.* and readings.* say how a file is read, received 'fit.seed=1'",
        ),
        ("time,kWh\n", ["--set", "file.separater=;"], "did you mean 'separator'"),
        ("time,kWh\n", ["--config", "nosuch.toml"], "the configuration 'nosuch.toml' cannot be read"),
    ],
)
def test_what_cannot_be_inspected_is_one_message_and_exit_code_2(
    content: str, arguments: list[str], message: str, tmp_path: Path, here: Here
) -> None:
    (tmp_path / "meter.csv").write_text(content)
    done = here("inspect", "meter.csv", *arguments, folder=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ")
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_a_wide_file_is_listed_in_part(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "wide.csv"
    times = pd.date_range("2021-03-01", periods=48, freq="h")
    frame = pd.DataFrame({f"flat {at} kWh": LOAD[at : at + 48] for at in range(100)})
    frame.assign(time=times).to_csv(path, index=False)
    show_inspected(inspect(path).found)
    text = capsys.readouterr().out
    assert "101 columns, the first 40" in text
    assert "and 88 more" in " ".join(text.replace("│", " ").split())
