"""A task that the workers of a cluster import, and that ends only when it is told to."""

from __future__ import annotations

import time
from pathlib import Path

from servers import wait_until

from wattcast.flows.tuning.side_by_side import go_on
from wattcast.model.errors import InputError
from wattcast.tasks.step import step


def play(part: str, folder: Path, worker: str) -> None:
    """Fail as soon as another one runs, or run on; files in `folder` say what has begun and what has ended."""
    go_on(worker)
    if part == "fails":
        wait_until((folder / "runs began").exists, "the one that runs")
        raise InputError("there is no such thing")
    (folder / f"{part} began").touch()
    try:
        while True:
            go_on(worker)
            time.sleep(0.05)
    finally:
        (folder / f"{part} ended").touch()


play_task = step(play)
