"""What a command does before it begins."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from wattcast.flows.cli.startup import _times_of_own_file
from wattcast.flows.experiment.experiment import Experiment
from wattcast.tasks.data import download
from wattcast.tasks.data.validate import validate


def test_a_users_file_is_looked_at_first_and_yet_read_and_warned_of_once(
    house: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    read = []
    read_table = download.read_table
    monkeypatch.setattr(
        download, "read_table", lambda content, name, dialect: read.append(name) or read_table(content, name, dialect)
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
