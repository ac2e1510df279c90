"""What the seed writes for TensorBoard: learning rate, global step, MSE and RMSE of both parts, and the graph."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from wattcast.model.fit import Epoch

if TYPE_CHECKING:
    import keras
    from tensorboard.compat.proto.event_pb2 import Event


_UNFIT = re.compile(r"[^\w.+=-]+")  # in the name of a folder
CURVES = Path("curves")
"""The folder of links to the events of each run, in which TensorBoard calls a run by its name."""


def link_events(events: Path, name: str, run_id: str) -> None:
    """Make `events`, below the artifacts of a run, known as `name` in `CURVES`; links of runs that are gone end.

    In MLflow's folders the path of a run's events begins with 40 letters that say nothing, and TensorBoard shows little
    more of it. Where the system makes no links there is none.
    """
    link = CURVES / f"{_UNFIT.sub(' ', name)} {run_id[:4]}"
    with suppress(OSError):
        CURVES.mkdir(exist_ok=True)
        for old in CURVES.iterdir():
            if old.is_symlink() and not old.exists():
                old.unlink()
        if not link.is_symlink():
            link.symlink_to(os.path.relpath(events, CURVES), target_is_directory=True)


def event_writer(folder: Path, unit: str | None) -> Callable[[Epoch], None]:
    """A listener that writes each epoch's scalars below `folder`, in `train` and `validation`; its step is the update.

    The RMSE's name ends in its `unit`. A refit has a `refit` folder of its own, and so has each member of an ensemble
    but the first: `train-2`. What an earlier process of the run has written stands there once: TensorBoard would draw
    an epoch that is trained again after a kill a second time.
    """
    import tensorflow as tf

    writers, there = {}, {part.name: _scalars(part) for part in folder.glob("*/")}
    rmse = f"RMSE_{unit}" if unit else "RMSE"

    def write(part: str, step: int, scalars: Mapping[str, float | None]) -> None:
        if part not in writers:
            writers[part] = tf.summary.create_file_writer(str(folder / part))
        with writers[part].as_default(step):
            for name, value in scalars.items():
                if value is not None and (name, step) not in there.get(part, ()):
                    tf.summary.scalar(name, value)
        writers[part].flush()

    def listen(epoch: Epoch) -> None:
        train = {
            "learning_rate": epoch.learning_rate,
            "global_step": epoch.step,
            "MSE": epoch.train_mse,
            rmse: epoch.train_rmse,
        }
        member = "" if epoch.member == 1 else f"-{epoch.member}"
        write(f"{'train' if epoch.phase == 'select' else 'refit'}{member}", epoch.step, train)
        if epoch.phase == "select":
            write(f"validation{member}", epoch.step, {"MSE": epoch.val_mse, rmse: epoch.val_rmse})

    return listen


def write_graph(folder: Path, network: keras.Model) -> None:
    """The graph of one forecast, below `folder`; where an earlier process of the run has written it, it stays."""
    import tensorflow as tf

    if any(event.HasField("graph_def") for event in _events(folder / "train")):
        return
    inputs = [tf.TensorSpec([None, *source.shape[1:]], source.dtype, name=source.name) for source in network.inputs]
    graph = tf.function(network).get_concrete_function(inputs).graph
    writer = tf.summary.create_file_writer(str(folder / "train"))
    with writer.as_default(step=0):
        tf.summary.graph(graph)
    writer.close()


def _scalars(folder: Path) -> set[tuple[str, int]]:
    """Name and step of each scalar in the files of events there."""
    return {(value.tag, event.step) for event in _events(folder) for value in event.summary.value}


def _events(folder: Path) -> Iterator[Event]:
    """All whole events in the files there: a process that was killed may have left the last one torn."""
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

    for file in sorted(folder.glob("events.out.tfevents.*")):
        yield from EventFileLoader(str(file)).Load()
