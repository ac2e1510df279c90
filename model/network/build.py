"""From a configuration to a network: what follows what, said once for all who compute it.

B: windows in a batch. T: lookback. F: input columns. U: units of a layer. R: width of the readout.
L: output length. K: targets. A: columns that are known of each row beforehand, the calendar first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import numpy.typing as npt
from keras import ops

from wattcast.model.gru import GRUConfig, Shape, Weights, keep_probs, layer_weights, named_weights, weight_names
from wattcast.model.network import recurrent
from wattcast.model.network.kernel import Kernel
from wattcast.model.windows import CALENDAR_COLUMNS

_NETWORK = "wattcast"
_HALVED = 6  # steps


@dataclass(frozen=True)
class Parts:
    """What a network is made of, each part called with its name: Keras layers, or arithmetic on given weights."""

    gru: Callable[[str, Any], tuple[Any, Any]]  # [B, T, F] -> all states [B, T, U], the newest [B, U]; masked if padded
    dropout: Callable[[str, Any], Any]  # any shape, unchanged
    dense: Callable[[str, Any], Any]  # [B, M] -> [B, N], or [B, L, M] -> [B, L, N]; `step` has a bias [L, N]


def connect(config: GRUConfig, shape: Shape, parts: Parts, readings: Any, ahead: Any) -> Any:
    """`[B, T, F]`, and `[B, L, A]` where `reads_ahead`, -> `[B, L, K]`: what follows what is said here alone."""
    sequence, states = readings, []
    for number, _ in enumerate(config.layers, start=1):
        sequence = parts.dropout(f"input_dropout_{number}", sequence)
        sequence, state = parts.gru(f"gru_{number}", sequence)  # [B, T, U], [B, U]
        sequence = parts.dropout(f"output_dropout_{number}", sequence)
        states.append(state)
    if config.readout == "outputs":
        readout = sequence  # [B, L, R]: the head is the same for all steps, of which there are T
    elif config.readout == "states":
        readout = ops.concatenate(states, axis=-1)  # [B, R]
    else:
        readout = sequence[:, -1] if config.readout == "last_output" else states[-1]
    readout = parts.dropout("readout_dropout", readout)
    if config.head == "shared":
        newest = readings[:, -1:, : shape.targets] if config.residual else 0.0
        return _shared_head(shape, parts, readout, ahead, newest)
    if reads_ahead(config, shape):
        steps = ahead if config.target_calendar else ahead[..., len(CALENDAR_COLUMNS) :]
        if config.readout != "outputs":
            steps = ops.reshape(steps, (-1, _head(config, shape).ahead))
        readout = ops.concatenate([readout, steps], axis=-1)
    if config.tanh_layer:
        readout = parts.dense("tanh", readout)
    forecast = ops.reshape(parts.dense("output", readout), (-1, shape.output_length, shape.targets))  # [B, L, K]
    return forecast + readings[:, -1:, : shape.targets] if config.residual else forecast


def _shared_head(shape: Shape, parts: Parts, readout: Any, ahead: Any, newest: Any) -> Any:
    """`[B, R]`, `[B, L, A]` and the newest readings `[B, 1, K]`, or 0 -> `[B, L, K]`.

    A step far ahead differs from its neighbours by what is known of it, a near one by what has just been read: so all
    share one layer. On top each has a sum of its own over the readout, worth half as much every `_HALVED` steps.
    """
    state = ops.expand_dims(parts.dense("state", readout), 1)  # [B, 1, H]
    steps = ops.tanh(state + parts.dense("step", ahead))  # [B, L, H]
    forecast = parts.dense("output", ops.concatenate([steps, ahead], axis=-1))  # [B, L, K]
    near = newest + ops.reshape(parts.dense("near", readout), (-1, shape.output_length, shape.targets))
    fading = 0.5 ** (np.arange(shape.output_length, dtype=np.float32) / _HALVED)
    return forecast + near * fading[:, None]


def reads_ahead(config: GRUConfig, shape: Shape) -> bool:
    """Whether the head reads anything of the steps that it forecasts."""
    return _head(config, shape).ahead > 0


class _Head(NamedTuple):
    """Columns that the head reads of its steps and gives of the forecast at once: of all steps, or of each alone."""

    ahead: int
    forecast: int


def _head(config: GRUConfig, shape: Shape) -> _Head:
    steps = 1 if config.readout == "outputs" or config.head == "shared" else shape.output_length
    ahead = shape.ahead if config.target_calendar else shape.ahead - len(CALENDAR_COLUMNS)
    return _Head(steps * ahead, steps * shape.targets)


def initial_weights(config: GRUConfig, shape: Shape, seed: int) -> Weights:
    """Weights to start training from: Keras' initialisers, and what they cannot say, the gates' bias and unit matrices.

    A dense kernel and a GRU's input kernel are Glorot's uniform, biases zero.
    """
    draws = np.random.default_rng(seed)

    def draw(kind: type[keras.Initializer], *size: int) -> npt.NDArray[np.float32]:
        return np.asarray(kind(seed=int(draws.integers(2**31)))(size))

    glorot, orthogonal = keras.initializers.GlorotUniform, keras.initializers.Orthogonal
    weights: dict[str, npt.NDArray[np.float32]] = {}
    columns = shape.inputs
    for number, layer in enumerate(config.layers, start=1):
        name, units = f"gru_{number}", layer.units
        weights[f"{name}/kernel"] = draw(glorot, columns, 3 * units)
        past = draw(glorot if config.recurrent_initialiser == "glorot" else orthogonal, units, 3 * units)
        if config.recurrent_initialiser == "identity":
            past = np.tile(np.eye(units, dtype=np.float32), 3)
        weights[f"{name}/recurrent_kernel"] = past
        bias = np.zeros((2, 3 * units) if config.reset_after else 3 * units, np.float32)
        bias.reshape(-1, 3 * units)[0, : 2 * units] = config.gate_bias
        weights[f"{name}/bias"] = bias
        columns = units
    head = _head(config, shape)
    readout = sum(layer.units for layer in config.layers) if config.readout == "states" else columns
    width = readout + head.ahead
    dense = {"tanh": columns} if config.tanh_layer else {}
    if config.head == "shared":
        units, steps = config.head_units, shape.output_length
        weights["near/kernel"] = draw(glorot, readout, steps * shape.targets)
        weights["state/kernel"] = draw(glorot, readout, units)
        weights["step/kernel"], weights["step/bias"] = (
            draw(glorot, head.ahead, units),
            np.zeros((steps, units), np.float32),
        )
        width = units + head.ahead
    for name, size in {**dense, "output": head.forecast}.items():
        weights[f"{name}/kernel"], weights[f"{name}/bias"] = draw(glorot, width, size), np.zeros(size, np.float32)
        width = size
    return tuple(weights[name] for name in weight_names(config))


def build(config: GRUConfig, shape: Shape, members: Sequence[Weights]) -> keras.Model:
    """A plain Keras network: `[B, T, F]`, and `[B, L, A]` where `reads_ahead`, to `[B, L, K]`, all scaled.

    Where histories may be short its last input is a mask `[B, T]`: which places hold a reading. With several members it
    forecasts their mean. It is made of stock layers only, so that its file loads anywhere.
    """
    sources = [keras.Input((shape.lookback, shape.inputs), name="readings")]
    if reads_ahead(config, shape):
        sources.append(keras.Input((shape.output_length, shape.ahead), name="ahead"))
    if shape.padded:
        sources.append(keras.Input((shape.lookback,), dtype="bool", name="mask"))
    ahead = sources[1] if reads_ahead(config, shape) else None
    mask = sources[-1] if shape.padded else None

    def member(name: str, weights: Weights) -> keras.Model:
        forecast = connect(config, shape, _stock_parts(config, shape, mask), sources[0], ahead)
        network = keras.Model(sources, forecast, name=name)
        named = named_weights(config, weights)
        for layer in _weighted_layers(config):
            network.get_layer(layer).set_weights(layer_weights(named, layer))
        return network

    if len(members) == 1:
        return member(_NETWORK, members[0])
    networks = [member(f"member_{number}", weights) for number, weights in enumerate(members, start=1)]
    return keras.Model(sources, keras.layers.Average(name="mean")([each(sources) for each in networks]), name=_NETWORK)


def members_of(network: keras.Model, config: GRUConfig) -> list[Weights]:
    """The weights of each member of what `build` made."""
    networks = [layer for layer in network.layers if isinstance(layer, keras.Model)] or [network]
    return [
        tuple(
            np.asarray(weight) for name in _weighted_layers(config) for weight in each.get_layer(name).trainable_weights
        )
        for each in networks
    ]


def _weighted_layers(config: GRUConfig) -> Iterable[str]:
    """The layers that have weights, in their order."""
    return dict.fromkeys(name.partition("/")[0] for name in weight_names(config))


def load_network(file: Path) -> keras.Model:
    """What `keras.Model.save` wrote of what `build` made; a file that holds code of its own is refused by Keras."""
    return keras.saving.load_model(file, compile=False, safe_mode=True)


def _stock_parts(config: GRUConfig, shape: Shape, mask: Any) -> Parts:
    """Stock Keras layers."""
    layers, places = recurrent_layers("keras", config, shape), keep_probs(config)

    def dropout(name: str, values: Any) -> Any:
        return keras.layers.Dropout(1 - places[name], name=name)(values) if places[name] < 1 else values

    def dense(name: str, values: Any) -> Any:
        if name == "output":
            return keras.layers.Dense(_head(config, shape).forecast, name=name)(values)
        if name == "near":
            return keras.layers.Dense(shape.output_length * shape.targets, use_bias=False, name=name)(values)
        if name == "state":
            return keras.layers.Dense(config.head_units, use_bias=False, name=name)(values)
        if name == "step":
            size = (shape.output_length, config.head_units)
            return keras.layers.EinsumDense("bla,ah->blh", output_shape=size, bias_axes="lh", name=name)(values)
        penalty = keras.regularizers.L2(config.regularisation_scale / 2)  # Keras sums squares, TF1 halves
        return keras.layers.Dense(config.layers[-1].units, activation="tanh", kernel_regularizer=penalty, name=name)(
            values
        )

    return Parts(gru=lambda name, sequence: layers[name](sequence, mask=mask), dropout=dropout, dense=dense)


def parts_on(
    weights: Mapping[str, Any],
    layers: Mapping[str, keras.layers.RNN],
    *,
    dropout: Callable[[str, Any], Any] = lambda _, values: values,
    mask: Any = None,
) -> Parts:
    """The parts as arithmetic on named `weights`; `layers` are built GRUs, whose own weights stay out of it.

    `mask` `[B, T]` says which places of a padded history hold a reading.
    """

    def gru(name: str, sequence: Any) -> tuple[Any, Any]:
        layer = layers[name]
        unused = [ops.zeros(seed.shape, seed.dtype) for seed in layer.non_trainable_variables]  # nothing draws
        (states, newest), _ = layer.stateless_call(layer_weights(weights, name), unused, sequence, mask=mask)
        return states, newest

    def dense(name: str, values: Any) -> Any:
        kernel, *bias = layer_weights(weights, name)
        values = sum(bias, start=ops.matmul(values, kernel))
        return ops.tanh(values) if name == "tanh" else values

    return Parts(gru=gru, dropout=dropout, dense=dense)


def recurrent_layers(kernel: Kernel, config: GRUConfig, shape: Shape) -> dict[str, keras.layers.RNN]:
    """The built GRU layers by name, stock or on the fast kernel, each giving all its states and the newest."""
    layers, columns = {}, shape.inputs
    for number, layer in enumerate(config.layers, start=1):
        name = f"gru_{number}"
        layers[name] = _recurrent_layer(kernel, layer.units, config.reset_after, shape, name)
        layers[name].build((None, shape.lookback, columns))
        columns = layer.units
    return layers


def _recurrent_layer(kernel: Kernel, units: int, reset_after: bool, shape: Shape, name: str) -> keras.layers.RNN:
    options = {"return_sequences": True, "return_state": True, "name": name}
    if kernel == "fast":
        return recurrent.GRU(units, reset_after=reset_after, **options)
    if shape.padded:  # cuDNN, which a GRU layer takes where there is a GPU, knows no padding in front
        return keras.layers.RNN(keras.layers.GRUCell(units, reset_after=reset_after), **options)
    return keras.layers.GRU(units, reset_after=reset_after, **options)
