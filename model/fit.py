"""Training: windows in, the network with the best validation loss out.

N: windows. B: windows in a batch. T: lookback. F: input columns. L: output length. K: targets.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
import numpy.typing as npt
from pydantic import Field

from model.config import Config
from model.gru import GRUConfig, build, forecast_scaled
from model.metrics import mse, rmse
from model.scaler import Scaler
from model.split import Split
from model.windows import Windows

if TYPE_CHECKING:
    import keras


class FitConfig(Config):
    """How a network is trained."""

    loss: Literal["mse", "mae", "huber"] = Field("mse", description="loss on scaled targets; huber turns linear at 1")
    optimiser: Literal["adam", "sgd"] = Field("adam", description="Adam, or the seed's plain gradient descent")
    initial_learning_rate: float = Field(1e-3, gt=0, description="learning rate of the first update")
    decay_steps: int = Field(1000, ge=1, description="updates between two drops of the learning rate")
    decay_rate: float = Field(1.0, gt=0, le=1, description="factor of each drop; 1 is no decay")
    clip_norm: float = Field(0.0, ge=0, description="the gradient's global norm is clipped to this; 0 is no clipping")
    batch_size: int = Field(64, ge=1, description="windows an update")
    epochs: int = Field(60, ge=1, description="passes over the training windows, at most")
    patience: int = Field(10, ge=1, description="epochs without a better validation loss before training stops")
    refit: bool = Field(
        False, description="after the choice, train anew on training + validation for the chosen number of epochs"
    )
    seed: int = Field(0, ge=0, lt=2**31, description="initial weights, order of the windows and dropout masks")


@dataclass(frozen=True)
class Epoch:
    """One pass over the training windows. Losses, MSE, penalty: scaled. RMSE: of the first target, in Wh.

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


@dataclass(frozen=True)
class Fitted:
    """What training made."""

    network: keras.Model  # the product: refitted where the configuration says so
    selected: keras.Model  # trained on training windows only, at its best epoch; the product itself without refit
    history: tuple[Epoch, ...]
    best_epoch: int


class DivergedError(ArithmeticError):
    """The loss is no longer a number."""

    def __init__(self, step: int, loss: float) -> None:
        super().__init__(
            f"training diverged: the loss is {loss} after {step} updates; lower fit.initial_learning_rate or give "
            f"fit.clip_norm a value"
        )
        self.step = step


def train_network(
    model: GRUConfig,
    config: FitConfig,
    windows: Split[Windows],
    scaler: Scaler,
    *,
    checkpoints: Path | None = None,
    on_epoch: Callable[[Epoch], None] | None = None,
) -> Fitted:
    """Choose the number of epochs on validation, then refit if asked. The test part is never looked at.

    With `checkpoints`, a folder, the whole state is written there after each epoch, and training goes on from what lies
    there: a training that was killed and taken up again ends with the same weights, bit for bit.

    Raises:
        DivergedError: the loss became NaN or infinite.
    """
    fitting = _Fitting(model, config, scaler, train=windows.train, validation=windows.validation)
    selected = fitting.run(checkpoints, on_epoch)
    best = fitting.best_epoch
    if not config.refit:
        return Fitted(selected, selected, tuple(fitting.history), best)
    chosen = config.model_copy(update={"epochs": best})
    refitting = _Fitting(model, chosen, scaler, train=windows.train + windows.validation, validation=None)
    return Fitted(refitting.run(checkpoints, on_epoch), selected, (*fitting.history, *refitting.history), best)


class _Fitting:
    """One fresh network on its way: weights, optimiser, history and the best weights so far."""

    def __init__(
        self,
        model: GRUConfig,
        config: FitConfig,
        scaler: Scaler,
        *,
        train: Windows,
        validation: Windows | None,
    ) -> None:
        import keras
        import tensorflow as tf

        keras.utils.set_random_seed(config.seed)
        tf.config.experimental.enable_op_determinism()
        self.config, self.scaler, self.train, self.validation = config, scaler, train, validation
        self.phase: Literal["select", "refit"] = "refit" if validation is None else "select"
        self.network = build(
            model,
            lookback=train.config.lookback,
            inputs=train.series.inputs.shape[1],
            targets=train.series.targets.shape[1],
            output_length=train.config.output_length,
        )
        self.loss = {
            "mse": keras.losses.MeanSquaredError,
            "mae": keras.losses.MeanAbsoluteError,
            "huber": keras.losses.Huber,
        }[config.loss]()
        self.schedule = _schedule(config)
        self.optimiser = _optimiser(config, self.schedule)
        self.optimiser.build(self.network.trainable_variables)
        self.history: list[Epoch] = []
        self.best_weights = self.network.get_weights()

    @property
    def best_epoch(self) -> int:
        """The epoch with the lowest validation loss; without validation the last one."""
        if self.validation is None:
            return len(self.history)
        return min(self.history, key=lambda epoch: (epoch.val_loss, epoch.number)).number

    @property
    def finished(self) -> bool:
        """All epochs are done, or the validation loss has not improved for `patience` of them."""
        done = len(self.history)
        return done >= self.config.epochs or (done > 0 and done - self.best_epoch >= self.config.patience)

    def run(self, checkpoints: Path | None, on_epoch: Callable[[Epoch], None] | None) -> keras.Model:
        """Train to the end, from the checkpoint where there is one, and leave the best weights in the network."""
        checkpoint = checkpoints / f"{self.phase}.npz" if checkpoints else None
        if checkpoint and checkpoint.exists():
            self._restore(checkpoint)
        update = _compile_update(self.network, self.optimiser, self.loss, self.train)
        while not self.finished:
            self.history.append(self._epoch(update))
            if self.best_epoch == len(self.history):
                self.best_weights = self.network.get_weights()
            if on_epoch:
                on_epoch(self.history[-1])
            if checkpoint:  # last: an epoch that was cut short is told twice rather than never
                self._save(checkpoint)
        self.network.set_weights(self.best_weights)
        return self.network

    def _epoch(self, update: Update) -> Epoch:
        began = perf_counter()
        number = len(self.history) + 1
        _seed_masks(self.network, self.config.seed, number)
        order = np.random.default_rng([self.config.seed, number]).permutation(len(self.train))
        shuffled = self.train.take(order)
        losses, penalties, forecasts = [], [], []
        for batch in shuffled.chunks(self.config.batch_size):
            loss, penalty, forecast = update(batch.starts)
            losses.append(self._finite(float(loss)) * len(batch))
            penalties.append(float(penalty) * len(batch))
            forecasts.append(forecast.numpy())
        forecast = np.concatenate(forecasts)  # [N, L, K] scaled
        return Epoch(
            phase=self.phase,
            number=number,
            step=int(self.optimiser.iterations),
            learning_rate=float(self.schedule(self.optimiser.iterations - 1)),
            train_loss=sum(losses) / len(shuffled),
            train_mse=mse(shuffled.series.targets[shuffled.target_rows], forecast),
            train_penalty=sum(penalties) / len(shuffled),
            train_rmse=_first_target_rmse(shuffled, forecast, self.scaler),
            **self._validate(),
            seconds=perf_counter() - began,
        )

    def _validate(self) -> dict[str, float]:
        if self.validation is None:
            return {}
        forecast = forecast_scaled(self.network, self.validation)
        scaled = self.validation.series.targets[self.validation.target_rows]  # [N, L, K]
        return {
            "val_loss": self._finite(float(self.loss(scaled, forecast))),
            "val_mse": mse(scaled, forecast),
            "val_rmse": _first_target_rmse(self.validation, forecast, self.scaler),
        }

    def _finite(self, loss: float) -> float:
        if not math.isfinite(loss):
            raise DivergedError(int(self.optimiser.iterations), loss)
        return loss

    def _save(self, file: Path) -> None:
        arrays = {
            **{f"weights/{i}": array for i, array in enumerate(self.network.get_weights())},
            **{f"best/{i}": array for i, array in enumerate(self.best_weights)},
            **{f"optimiser/{i}": variable.numpy() for i, variable in enumerate(self.optimiser.variables)},
            "history": np.array(json.dumps([asdict(epoch) for epoch in self.history])),
        }
        file.parent.mkdir(parents=True, exist_ok=True)
        partial = file.with_suffix(".partial.npz")
        np.savez(partial, **arrays)
        partial.replace(file)

    def _restore(self, file: Path) -> None:
        with np.load(file) as arrays:
            self.history = [Epoch(**epoch) for epoch in json.loads(str(arrays["history"]))]
            self.network.set_weights([arrays[f"weights/{i}"] for i in range(len(self.network.weights))])
            self.best_weights = [arrays[f"best/{i}"] for i in range(len(self.network.weights))]
            for i, variable in enumerate(self.optimiser.variables):
                variable.assign(arrays[f"optimiser/{i}"])


Update = Callable[[npt.NDArray[np.int64]], tuple[Any, Any, Any]]


def _schedule(config: FitConfig) -> keras.optimizers.schedules.LearningRateSchedule:
    """Exponential staircase decay: `initial * rate ** floor(step / decay_steps)`, steps counted in updates."""
    import keras

    return keras.optimizers.schedules.ExponentialDecay(
        config.initial_learning_rate, config.decay_steps, config.decay_rate, staircase=True
    )


def _optimiser(config: FitConfig, schedule: keras.optimizers.schedules.LearningRateSchedule) -> keras.Optimizer:
    """Adam, or plain gradient descent, with the gradient's global norm clipped where the configuration says so."""
    import keras

    kind = {"adam": keras.optimizers.Adam, "sgd": keras.optimizers.SGD}[config.optimiser]
    return kind(learning_rate=schedule, global_clipnorm=config.clip_norm or None)


def _compile_update(network: keras.Model, optimiser: keras.Optimizer, loss: keras.Loss, train: Windows) -> Update:
    """`starts [B] -> loss, penalty, forecasts [B, L, K]`: one update, its windows gathered from the resident series."""
    import tensorflow as tf

    inputs, targets, calendar = (
        tf.constant(array) for array in (train.series.inputs, train.series.targets, train.series.calendar)
    )
    history = tf.range(train.config.lookback, dtype=tf.int64)
    future = train.config.target_offset + tf.range(train.config.output_length, dtype=tf.int64)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.int64)])
    def update(starts: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        sources = [tf.gather(inputs, starts[:, None] + history)]  # [B, T, F]
        rows = starts[:, None] + future
        if len(network.inputs) > 1:
            sources.append(tf.gather(calendar, rows))  # [B, L, C]
        with tf.GradientTape() as tape:
            forecast = network(sources, training=True)  # [B, L, K]
            error = loss(tf.gather(targets, rows), forecast)
            penalty = tf.add_n(network.losses) if network.losses else tf.constant(0.0)
            total = error + penalty
        optimiser.apply_gradients(
            zip(tape.gradient(total, network.trainable_variables), network.trainable_variables, strict=True)
        )
        return total, penalty, forecast

    return cast("Update", update)


def _seed_masks(network: keras.Model, seed: int, epoch: int) -> None:
    """Dropout masks that depend on seed and epoch alone, so that a resumed training draws the same ones."""
    import keras

    draws = np.random.default_rng([seed, epoch])
    for layer in network.layers:
        if isinstance(layer, keras.layers.Dropout):
            layer.seed_generator.state.assign(draws.integers(2**31, size=2))


def _first_target_rmse(windows: Windows, forecast: npt.NDArray[np.float32], scaler: Scaler) -> float:
    readings = scaler.inverse(forecast, first=forecast.shape[-1])
    return rmse(windows.actual[..., 0], readings[..., 0])
