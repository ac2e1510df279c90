from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.io_wrapper import GetLogdirSubdirectories

from wattcast.tasks.tracking.tensorboard import link_events


def test_tensorboard_finds_runs_under_their_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for run_id in ("4f1c" * 8, "9a30" * 8):
        events = tmp_path / "mlruns" / "1" / run_id / "artifacts" / "tensorboard"
        (events / "train").mkdir(parents=True)
        (events / "train" / "events.out.tfevents.1").write_bytes(b"")
        link_events(events, "recommended units=8/16 seed 0", run_id)
        link_events(events, "recommended units=8/16 seed 0", run_id)  # a run that goes on
    found = {str(Path(folder).relative_to("curves")) for folder in GetLogdirSubdirectories("curves")}
    assert found == {f"recommended units=8 16 seed 0 {start}/train" for start in ("4f1c", "9a30")}
    shutil.rmtree(tmp_path / "mlruns" / "1" / ("4f1c" * 8))
    link_events(events, "recommended units=8/16 seed 0", "9a30" * 8)
    assert [link.name for link in Path("curves").iterdir()] == ["recommended units=8 16 seed 0 9a30"]
