"""What TensorBoard reads of a run whose training was killed and has gone on: each epoch once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import keras
import pytest
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
from tensorboard.backend.event_processing.event_multiplexer import EventMultiplexer

from wattcast.model.fit import Epoch
from wattcast.tasks.tracking.tensorboard import event_writer, write_graph

FIRST = Epoch("select", 1, 10, 0.5, 1.0, 2.0, 3.0, 4.0, 9.0, val_loss=5.0, val_mse=6.0, val_rmse=7.0)


def train(folder: Path, *, numbers: range) -> None:
    """As one process does, which goes on at the first of `numbers`."""
    write = event_writer(folder, "Wh")
    for member in (1, 2):
        for phase in ("select", "refit"):
            for number in numbers:
                write(replace(FIRST, phase=phase, member=member, number=number, step=10 * number))


@pytest.mark.parametrize("torn", [0, 7], ids=["whole", "torn"])
def test_a_run_taken_up_again_holds_each_epoch_and_its_graph_once(tmp_path: Path, torn: int) -> None:
    """The second process trains epochs again that came after the last checkpoint; of them each scalar stands once."""
    readings = keras.Input((3,), name="readings")
    network = keras.Model([readings], keras.layers.Dense(1)(readings))
    train(tmp_path, numbers=range(1, 4))
    if torn:  # by a kill in the middle of a write: the third epoch's last scalar
        for file in tmp_path.glob("*/events.*"):
            file.write_bytes(file.read_bytes()[:-torn])
    for _ in range(2):
        train(tmp_path, numbers=range(2, 6))
        write_graph(tmp_path, network)
    events = EventMultiplexer().AddRunsFromDirectory(str(tmp_path))
    events.Reload()
    found = {
        (part, name): sorted(event.step for event in events.Tensors(part, name))  # by file: all of one second
        for part, kinds in events.Runs().items()
        for name in kinds["tensors"]
    }
    assert set(map(tuple, found.values())) == {(10, 20, 30, 40, 50)}
    assert len(found) == 2 * (4 + 2 + 4)
    files = [EventFileLoader(str(path)).Load() for path in tmp_path.glob("train/events.*")]
    assert [event.HasField("graph_def") for file in files for event in file].count(True) == 1
