"""The step that trains a network."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE

from model.fit import Epoch, FitConfig, Fitted, train_network
from model.gru import GRUConfig
from model.kernel import CORES
from model.scaler import Scaler
from model.split import Split
from model.windows import Windows


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
    """Train, tell each listener of every epoch, and leave a checkpoint an epoch; see `model.fit.train_network`."""

    def on_epoch(epoch: Epoch) -> None:
        for listener in listeners:
            listener(epoch)

    return train_network(model, config, windows, scaler, cores=cores, checkpoints=checkpoints, on_epoch=on_epoch)


train_task = task(name="train", cache_policy=NO_CACHE)(train)
