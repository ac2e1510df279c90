"""How a network is trained, and what a training leaves behind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from wattcast.model.config import Config
from wattcast.model.gru import Weights

if TYPE_CHECKING:
    import keras

_DECAY_STEPS = 1000


class FitConfig(Config):
    """How a network is trained."""

    loss: Literal["mse", "mae", "huber"] = Field("mse", description="loss on scaled targets; huber turns linear at 1")
    optimiser: Literal["adam", "sgd"] = Field("adam", description="Adam, or the seed's plain gradient descent")
    initial_learning_rate: float = Field(1e-3, gt=0, description="learning rate of the first update")
    decay_steps: int = Field(_DECAY_STEPS, ge=1, description="updates between two drops of the learning rate")
    decay_passes: float = Field(
        0.0,
        ge=0,
        description="in place of decay_steps: passes over the training windows between two drops; 0 counts updates",
    )
    decay_rate: float = Field(1.0, gt=0, le=1, description="factor of each drop; 1 is no decay")
    fading: float = Field(
        0.0, ge=0, description="the n-th step of a forecast weighs 1 / n^fading in the loss; 0 weighs all the same"
    )
    clip_norm: float = Field(0.0, ge=0, description="the gradient's global norm is clipped to this; 0 is no clipping")
    batch_size: int = Field(64, ge=1, le=2**20, description="windows an update")
    epochs: int = Field(60, ge=1, description="passes over the training windows, at most")
    patience: int = Field(10, ge=1, description="epochs without a better validation loss before training stops")
    refit: bool = Field(
        False, description="after the choice, train anew on training + validation for the chosen number of epochs"
    )
    members: int = Field(1, ge=1, le=64, description="networks of different seeds, whose mean is the forecast")
    kernel: Literal["auto", "keras", "fast"] = Field(
        "auto", description="auto is fast, compiled for CPUs, unless a GPU is visible, which stock Keras layers use"
    )
    seed: int = Field(0, ge=0, lt=2**31, description="initial weights, order of the windows and dropout masks")

    @model_validator(mode="after")
    def _no_option_without_effect(self) -> FitConfig:
        if self.decay_passes and self.decay_steps != _DECAY_STEPS:
            raise ValueError(
                f"the learning rate drops by passes or by updates: set decay_passes = 0 or leave out decay_steps, "
                f"received {self.decay_passes:g} and {self.decay_steps}"
            )
        return self

    def updates_between_drops(self, windows: int) -> int:
        """Updates between two drops of the learning rate, of a training on so many windows."""
        if not self.decay_passes:
            return self.decay_steps
        return max(1, round(self.decay_passes * -(-windows // self.batch_size)))


@dataclass(frozen=True)
class Epoch:
    """One pass over the training windows. Losses, MSE, penalty: scaled. RMSE: of the first target, in its unit.

    `train_` values are means over the epoch's batches, dropout on; validation is measured at its end, dropout off, and
    is absent while refitting.
    """

    phase: Literal["select", "refit"]
    number: int
    step: int
    learning_rate: float  # of the epoch's last update
    train_loss: float
    train_mse: float
    train_penalty: float
    train_rmse: float
    seconds: float
    val_loss: float | None = None
    val_mse: float | None = None
    val_rmse: float | None = None
    member: int = 1


@dataclass(frozen=True)
class Member:
    """One trained network's weights."""

    weights: Weights  # the product: refitted where the configuration says so
    selected: Weights  # trained on training windows only, at its best epoch; the product itself without refit
    history: tuple[Epoch, ...]
    best_epoch: int


@dataclass(frozen=True)
class Fitted:
    """What training made."""

    network: keras.Model  # the product
    selected: keras.Model  # the networks before the refit
    members: tuple[Member, ...]

    @property
    def history(self) -> tuple[Epoch, ...]:
        """All epochs, member by member."""
        return tuple(epoch for member in self.members for epoch in member.history)
