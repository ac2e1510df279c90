"""The seed's GRU variants, and a better one, as one family of plain Keras models.

B: windows in a batch. T: lookback. F: input columns. U: units of a layer. R: width of the readout.
L: output length. K: targets. C: calendar columns.

Conventions. The update gate z keeps the past: `h = z * h_prev + (1 - z) * candidate`, as in TensorFlow 1's GRUCell and
in Keras (Cho et al. 2014 write it the other way round). With `reset_after = false` the reset gate acts before the
recurrent matrix product, `tanh(x W + (r * h_prev) R + b)` (Cho et al. 2014, arXiv:1406.1078v3; TensorFlow 1); with
`reset_after = true` after it, `tanh(x W + b + r * (h_prev R + b_r))` (cuDNN).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from model.config import Config
from model.windows import CALENDAR_COLUMNS, Windows

if TYPE_CHECKING:
    import keras

FORECAST_BATCH = 2048  # windows; bounds the memory of a forecast, not its result


class LayerConfig(Config):
    """One GRU layer, wrapped as TensorFlow 1's DropoutWrapper does: fresh masks each step, never on the state."""

    units: int = Field(ge=1, description="width of the state")
    input_keep_prob: float = Field(1.0, gt=0, le=1, description="keep probability of what enters the layer")
    output_keep_prob: float = Field(1.0, gt=0, le=1, description="keep probability of what it hands to the next layer")


class GRUConfig(Config):
    """A stacked GRU, its readout and its head."""

    layers: tuple[LayerConfig, ...] = Field(min_length=1, description="GRU layers, the first one reads the window")
    reset_after: bool = Field(
        True, description="reset gate after the matrix product (cuDNN) or before it (TensorFlow 1)"
    )
    gate_bias: float = Field(0.0, description="initial bias of both gates; TensorFlow 1's cell starts at 1")
    recurrent_initialiser: Literal["orthogonal", "glorot", "identity"] = Field(
        "orthogonal", description="initial recurrent weights; identity puts one unit matrix into each gate"
    )
    readout: Literal["states", "last_state", "last_output"] = Field(
        "last_state",
        description="what the head reads: the final states of all layers, the last layer's, or the last layer's output "
        "behind its output_keep_prob",
    )
    readout_keep_prob: float = Field(1.0, gt=0, le=1, description="keep probability of the readout")
    tanh_layer: bool = Field(False, description="a tanh layer as wide as the last GRU layer between readout and output")
    regularisation_scale: float = Field(
        0.0, ge=0, description="penalty on the tanh layer's kernel W: scale * sum(W^2) / 2 (Frobenius)"
    )
    residual: bool = Field(False, description="forecast the change from the newest reading of the target")
    target_calendar: bool = Field(False, description="the head also reads the calendar of the time it forecasts")

    @model_validator(mode="after")
    def _no_option_without_effect(self) -> GRUConfig:
        if self.regularisation_scale and not self.tanh_layer:
            raise ValueError(
                f"regularisation_scale acts on the tanh layer's kernel, received {self.regularisation_scale} without "
                f"that layer: set tanh_layer = true or regularisation_scale = 0"
            )
        if self.readout != "last_output" and self.layers[-1].output_keep_prob < 1:
            raise ValueError(
                f"the last layer hands its output to nothing when the readout is {self.readout!r}: set its "
                f"output_keep_prob = 1 or readout = 'last_output', received {self.layers[-1].output_keep_prob}"
            )
        return self


def build(config: GRUConfig, *, lookback: int, inputs: int, targets: int, output_length: int) -> keras.Model:
    """An untrained network: `[B, T, F]` (and `[B, L, C]` with `target_calendar`) to `[B, L, K]`, all scaled.

    Made of stock Keras layers only, so that its file loads anywhere. Initial weights follow Keras' global seed.
    """
    import keras

    readings = keras.Input((lookback, inputs), name="readings")  # [B, T, F]
    sequence, states = readings, []
    for number, layer in enumerate(config.layers, start=1):
        sequence = _dropout(layer.input_keep_prob, f"input_dropout_{number}")(sequence)
        sequence, state = _gru(layer, config, f"gru_{number}")(sequence)  # [B, T, U], [B, U]
        sequence = _dropout(layer.output_keep_prob, f"output_dropout_{number}")(sequence)
        states.append(state)
    if config.readout == "states" and len(states) > 1:
        readout = keras.layers.Concatenate(name="states")(states)  # [B, R]
    else:
        readout = sequence[:, -1] if config.readout == "last_output" else states[-1]
    readout = _dropout(config.readout_keep_prob, "readout_dropout")(readout)
    sources = [readings]
    if config.target_calendar:
        calendar = keras.Input((output_length, len(CALENDAR_COLUMNS)), name="calendar")  # [B, L, C]
        readout = keras.layers.Concatenate(name="readout")([readout, keras.layers.Flatten(name="dates")(calendar)])
        sources.append(calendar)
    if config.tanh_layer:
        readout = keras.layers.Dense(
            config.layers[-1].units,
            activation="tanh",
            kernel_regularizer=keras.regularizers.L2(config.regularisation_scale / 2),  # Keras sums squares, TF1 halves
            name="tanh",
        )(readout)
    forecast = keras.layers.Dense(output_length * targets, name="output")(readout)
    forecast = keras.layers.Reshape((output_length, targets), name="steps")(forecast)  # [B, L, K]
    if config.residual:
        forecast = keras.layers.Add(name="residual")([forecast, readings[:, -1:, :targets]])
    network = keras.Model(sources, forecast, name="wattcast")
    _set_initial_weights(network, config)
    return network


def forecast_scaled(network: keras.Model, windows: Windows) -> npt.NDArray[np.float32]:
    """`[N, L, K]` forecasts of all windows, scaled, dropout off; memory stays bounded for any N."""
    import keras

    chunks = [network.predict_on_batch(network_inputs(network, chunk)) for chunk in windows.chunks(FORECAST_BATCH)]
    return np.concatenate([keras.ops.convert_to_numpy(chunk) for chunk in chunks])


def network_inputs(network: keras.Model, windows: Windows) -> list[npt.NDArray[np.float32]]:
    """The arrays that `network` reads for `windows`: `[N, T, F]` and, where it has that input, `[N, L, C]`."""
    arrays = [windows.series.inputs[windows.input_rows]]
    if len(network.inputs) > 1:
        arrays.append(windows.series.calendar[windows.target_rows])
    return arrays


def _gru(layer: LayerConfig, config: GRUConfig, name: str) -> keras.Layer:
    import keras

    initialiser = "glorot_uniform" if config.recurrent_initialiser == "glorot" else "orthogonal"
    return keras.layers.GRU(
        layer.units,
        reset_after=config.reset_after,
        recurrent_initializer=initialiser,
        return_sequences=True,
        return_state=True,
        name=name,
    )


def _dropout(keep_prob: float, name: str) -> keras.Layer:
    import keras

    return keras.layers.Dropout(1 - keep_prob, name=name) if keep_prob < 1 else keras.layers.Identity(name=name)


def _set_initial_weights(network: keras.Model, config: GRUConfig) -> None:
    """What stock initialisers cannot say: the gates' bias, and one unit matrix in each gate's recurrent weights."""
    for number, layer in enumerate(config.layers, start=1):
        kernel, recurrent, bias = network.get_layer(f"gru_{number}").get_weights()  # [F, 3U], [U, 3U], [3U] or [2, 3U]
        bias.reshape(-1, 3 * layer.units)[0, : 2 * layer.units] = config.gate_bias
        if config.recurrent_initialiser == "identity":
            recurrent = np.tile(np.eye(layer.units, dtype=recurrent.dtype), 3)
        network.get_layer(f"gru_{number}").set_weights([kernel, recurrent, bias])
