"""The step that trains a network."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from wattcast.model.fit import Epoch, FitConfig, Fitted
from wattcast.model.gru import GRUConfig
from wattcast.model.network.kernel import CORES
from wattcast.model.scaler import Scaler
from wattcast.model.split import Split
from wattcast.model.windows import Windows
from wattcast.tasks.step import step


def train(
    model: GRUConfig,
    config: FitConfig,
    windows: Split[Windows],
    scaler: Scaler,
    *,
    cores: int = CORES,
    checkpoints: Path | None = None,
    listeners: tuple[Callable[[Epoch], None], ...] = (),
) -> Fitted:
    """`wattcast.model.network.training.train_network`, which tells each listener of every epoch."""
    from wattcast.model.network.training import train_network  # with TensorFlow, which takes seconds

    def on_epoch(epoch: Epoch) -> None:
        for listener in listeners:
            listener(epoch)

    return train_network(model, config, windows, scaler, cores=cores, checkpoints=checkpoints, on_epoch=on_epoch)


train_task = step(train)
