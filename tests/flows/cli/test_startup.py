"""What a command does before it begins."""

from __future__ import annotations

import errno
import resource
import signal
import sqlite3
from pathlib import Path

import pandas as pd
import pytest

from wattcast.flows.cli import main as cli
from wattcast.flows.cli.startup import _require_answer, _times_of_own_file, require_room
from wattcast.flows.experiment.experiment import Experiment
from wattcast.model.errors import InputError
from wattcast.tasks.data import download
from wattcast.tasks.data.validate import validate


def test_a_users_file_is_looked_at_first_and_yet_read_and_warned_of_once(
    house: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    read = []
    read_file = download.read_table_file
    monkeypatch.setattr(
        download, "read_table_file", lambda path, dialect: read.append(str(path)) or read_file(path, dialect)
    )
    file = tmp_path / "mine.csv"
    house.drop(index=[100]).to_csv(file, index=False)
    experiment = Experiment().changed({"data": str(file)})
    assert len(_times_of_own_file(experiment)) == len(house) - 1
    assert (read, caplog.messages) == ([str(file)], [])
    raw = download.download(experiment.data)
    validate(raw.frame, experiment.readings, window_rows=experiment.window.rows)
    assert read == [str(file)]
    assert [message[:20] for message in caplog.messages] == ["gaps in time: 1, fir"]


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="this system has no folder in which nobody may write")
def test_a_folder_that_takes_no_file_is_told_before_anything_starts() -> None:
    with pytest.raises(InputError, match=r"Prefect keeps .*, and /proc/self/x takes no file \(.*\): mend that, or set"):
        require_room(Path("/proc/self/x"), "Prefect keeps its database in its home", "set PREFECT_HOME")


def test_a_folder_with_room_is_left_as_it_was(tmp_path: Path) -> None:
    require_room(tmp_path / "new" / "home", "a", "b")
    assert list((tmp_path / "new" / "home").iterdir()) == []


def test_a_full_disk_is_told_before_anything_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        with pytest.raises(InputError, match=r"takes no file \(File too large\): mend that, or go"):
            require_room(tmp_path, "MLflow keeps runs here", "go")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left"), sqlite3.OperationalError("locked")])
def test_what_fails_around_a_command_is_one_message_and_exit_code_2(
    error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise RuntimeError("deep within") from error

    monkeypatch.setattr(cli, "app", fail)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    told = capsys.readouterr().err
    assert told.startswith("error: ")
    assert "Traceback" not in told


def test_a_fault_of_the_program_itself_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(cli, "app", fail)
    with pytest.raises(RuntimeError, match="a bug"):
        cli.main()


@pytest.mark.parametrize(
    ("variable", "address", "words"),
    [
        ("MLFLOW_TRACKING_URI", "http://127.0.0.1:abc", "which does not answer: nonnumeric port: 'abc'"),
        ("MLFLOW_TRACKING_URI", "http://..", "which does not answer: encoding with 'idna' codec failed"),
        ("PREFECT_API_URL", "127.0.0.1:4200/api", "must be an address such as http://127.0.0.1:4200/api, received"),
    ],
)
def test_a_server_that_no_address_names_is_told(
    variable: str, address: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, address)
    with pytest.raises(InputError, match=words):
        _require_answer(variable)
