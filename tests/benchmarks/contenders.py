"""Who trains against whom: wattcast, stock Keras in its variants, and PyTorch, each as its users would write it.

A contender takes the house and a setting, imports its library and lays out the data as it likes it best; what it
returns then builds a network and trains it with Adam on the squared loss, and calls back after each epoch, which ends
with the loss on the validation windows.

N: windows. B: windows in a batch. T: lookback. F: input columns. U: units of a layer. K: targets.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Protocol

from tests.benchmarks.house import VALIDATION, House, arrays
from tests.benchmarks.ours import fit_config, gru_config
from tests.benchmarks.quiet import import_keras
from tests.benchmarks.settings import INPUTS, TARGETS, Setting, Trial
from wattcast.model.network.training import train_network

if TYPE_CHECKING:
    import keras

OnEpoch = Callable[..., None]
Train = Callable[[OnEpoch], None]
DEFAULTS = Trial()


class Contender(Protocol):
    """Imports and lays out the data; what it returns does so many epochs."""

    def __call__(self, house: House, setting: Setting, epochs: int, /) -> Train:
        """Not timed; what it returns is."""


def wattcast(house: House, setting: Setting, epochs: int, trial: Trial = DEFAULTS, members: int = 1) -> Train:
    """This project: windows are indices into the series."""
    import_keras()

    def train(on_epoch: OnEpoch) -> None:
        config = fit_config(setting, trial, epochs, members)
        train_network(gru_config(setting, trial), config, house.windows, house.scaler, on_epoch=on_epoch)

    return train


def stock_keras(
    house: House,
    setting: Setting,
    epochs: int,
    trial: Trial = DEFAULTS,
    *,
    jit_compile: bool | str = "auto",
    unroll: bool = False,
) -> Train:
    """`fit` on a ready array of windows, shuffled anew each epoch."""
    import_keras()
    import keras

    inputs, targets = arrays(house.windows.train)  # [N, T, F], [N, K]
    validation = arrays(house.windows.validation)

    def train(on_epoch: OnEpoch) -> None:
        keras.utils.set_random_seed(trial.seed)
        network = stock_network(setting, keep_prob=trial.keep_prob, unroll=unroll)
        rate = keras.optimizers.schedules.ExponentialDecay(trial.learning_rate, 1000, trial.decay_rate, staircase=True)
        network.compile(keras.optimizers.Adam(rate), "mse", jit_compile=jit_compile)
        network.fit(
            inputs,
            targets,
            batch_size=setting.batch_size,
            epochs=epochs,
            validation_data=validation,
            validation_batch_size=VALIDATION,
            callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=on_epoch)],
            verbose=0,
        )

    return train


def stock_network(setting: Setting, *, keep_prob: float = 1.0, unroll: bool = False) -> keras.Model:
    """`[B, T, F]` to `[B, K]`."""
    import keras

    *lower, last = setting.layers
    return keras.Sequential(
        [
            keras.Input((setting.lookback, INPUTS)),
            *(keras.layers.GRU(units, return_sequences=True, unroll=unroll) for units in lower),
            keras.layers.GRU(last, unroll=unroll),
            keras.layers.Dropout(1 - keep_prob),
            keras.layers.Dense(TARGETS),
        ]
    )


def pytorch(house: House, setting: Setting, epochs: int) -> Train:
    """`nn.GRU` on a ready tensor of windows, from which shuffled batches are gathered."""
    import torch
    from torch import nn

    inputs, targets = map(torch.from_numpy, arrays(house.windows.train))  # [N, T, F], [N, K]
    inputs_validation, targets_validation = map(torch.from_numpy, arrays(house.windows.validation))

    def train(on_epoch: OnEpoch) -> None:
        torch.manual_seed(DEFAULTS.seed)
        widths = (INPUTS, *setting.layers)
        layers = [nn.GRU(*pair, batch_first=True) for pair in zip(widths, setting.layers, strict=False)]
        network = nn.ModuleList([*layers, nn.Linear(setting.layers[-1], TARGETS)])
        optimiser = torch.optim.Adam(network.parameters(), DEFAULTS.learning_rate)

        def loss(inputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
            for layer in layers:
                inputs, state = layer(inputs)  # [B, T, U], [1, B, U]
            return nn.functional.mse_loss(network[-1](state[0]), targets)

        for _ in range(epochs):
            total = torch.zeros(())
            for batch in torch.randperm(len(inputs)).split(setting.batch_size):
                optimiser.zero_grad()
                value = loss(inputs[batch], targets[batch])
                value.backward()
                optimiser.step()
                total += value.detach()
            with torch.no_grad():
                loss(inputs_validation, targets_validation)
            on_epoch()

    return train


def contenders() -> dict[str, Contender]:
    """All of them by name, wattcast first; PyTorch where it is installed."""
    everyone: dict[str, Contender] = {
        "wattcast": wattcast,
        "Keras": stock_keras,
        "Keras, jit_compile": partial(stock_keras, jit_compile=True),
        "Keras, unroll": partial(stock_keras, unroll=True),
    }
    return everyone | {"PyTorch": pytorch} if find_spec("torch") else everyone
