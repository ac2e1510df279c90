"""Forecasts of all windows of a series, those at successive rows side by side.

N: windows. B: windows in a block. T: lookback. F: input columns. L: output length. K: targets.
A: columns that are known of each row beforehand.

Windows that begin at successive rows share all but one of them. A block of such windows is forecast by one compiled
program that reads its `B + T - 1` rows and steps through time, all windows of the block side by side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from wattcast.model.arrays import Floats, Rows
from wattcast.model.gru import GRUConfig, Shape, Weights, layer_weights, named_weights, structure
from wattcast.model.network.build import connect, parts_on, recurrent_layers
from wattcast.model.network.compiled import compiled_once, kept
from wattcast.model.network.kernel import CORES, Kernel, choose_kernel
from wattcast.model.network.program import padded_places
from wattcast.model.network.recurrent import slide
from wattcast.model.scaler import Scaler
from wattcast.model.windows import Windows

Tensor = Any  # tensorflow has no types

_BLOCK = 1024  # windows; bounds the memory of a forecast, not its result


def forecast_scaled(
    config: GRUConfig,
    members: Sequence[tuple[Tensor, ...]],
    windows: Windows,
    kernel: Literal["auto", "keras", "fast"] = "auto",
    *,
    cores: int = CORES,
) -> npt.NDArray[np.float32]:
    """`[N, L, K]` forecasts of all windows, scaled, dropout off: the mean over `members`. Its memory is bounded."""
    shape = Shape.of(windows)
    starts, of, places = np.unique(windows.starts, return_index=True, return_inverse=True)
    size = 1 if len(starts) == 1 else _BLOCK
    forecast = compile_forecast(structure(config), shape, size, choose_kernel(kernel))
    blocks = list(_blocks(starts, size))
    result = np.empty((len(starts), shape.output_length, shape.targets), np.float32)

    def fill(block: slice) -> None:
        sources = _sources(windows.take(of[block]), size)
        total = sum(forecast(weights, *sources).numpy() for weights in members)  # [B, L, K]
        result[block] = total[starts[block] - starts[block.start]] / len(members)

    if cores == 1 or len(blocks) == 1:
        for block in blocks:
            fill(block)
    else:
        with ThreadPoolExecutor(cores) as pool:
            list(pool.map(fill, blocks))
    return result[places]


@dataclass(frozen=True)
class Ensemble:
    """Trained members as one that forecasts, without a Keras network: threads make and use many of them side by side.

    Its windows are made with `scaler`.
    """

    config: GRUConfig
    members: tuple[Weights, ...]
    scaler: Scaler
    kernel: Literal["auto", "keras", "fast"]
    cores: int

    def predict(self, windows: Windows) -> Floats:
        """`[N, L, K]` forecasts, in the unit of the targets."""
        scaled = forecast_scaled(self.config, self.members, windows, self.kernel, cores=self.cores)
        return np.maximum(self.scaler.inverse(scaled, first=scaled.shape[-1]), windows.series.lowest)


def _blocks(starts: Rows, size: int) -> Iterator[slice]:
    """Cuts sorted `starts` so that those of one slice lie within `size` rows."""
    first = 0
    while first < len(starts):
        last = int(np.searchsorted(starts, starts[first] + size))
        yield slice(first, last)
        first = last


def _sources(windows: Windows, size: int) -> tuple[Tensor, ...]:
    """What `size` windows at successive rows read, from the first of some `windows` on that lie among them.

    Rows `[B + T - 1, F]`, what is known of the steps ahead `[B, L, A]` and, where histories may be short, their
    lengths `[B]`.
    """
    series, config, first = windows.series, windows.config, int(windows.starts[0])
    rows = first + np.arange(size + config.lookback - 1)
    steps = first + np.arange(size)[:, None] + config.target_offset + np.arange(config.output_length)
    last = len(series.times) - 1  # rows before and behind the series only fill the block
    known = steps.clip(0, last) if series.places is None else series.places[rows[config.lookback - 1 :].clip(0, last)]
    sources = [tf.constant(series.inputs[rows.clip(0, last)]), tf.constant(series.ahead[known])]
    if config.padded:
        lengths = np.full(size, config.lookback, np.int32)
        lengths[windows.starts - first] = config.lookback if windows.lengths is None else windows.lengths
        sources.append(tf.constant(lengths))
    return tuple(sources)


def resident(members: Sequence[Weights]) -> list[tuple[Tensor, ...]]:
    """The members' weights in TensorFlow's memory, so that no forecast has to bring them there."""
    return [tuple(map(tf.constant, weights)) for weights in members]


def compile_single(
    config: GRUConfig, members: Sequence[tuple[Tensor, ...]], shape: Shape
) -> Callable[[Windows], npt.NDArray[np.float32]]:
    """`forecast_scaled` of a single window by the same `members` again and again, three times as quick.

    Its program holds the weights and computes all members in one call: nearly all that a single window takes is the
    handing over of some dozen tensors, once a member.
    """
    kernel = choose_kernel("auto")
    forecast = tf.function(
        _program(structure(config), shape, 1, kernel), jit_compile=kernel == "fast", autograph=False
    )  # traced once for all members

    def every(*sources: Tensor) -> list[Tensor]:
        return [forecast(weights, *sources) for weights in members]

    program = compiled_once(every, jit_compile=kernel == "fast")

    def single(windows: Windows) -> npt.NDArray[np.float32]:
        forecasts = program(*_sources(windows, 1))
        mean: npt.NDArray[np.float32] = sum(forecast.numpy() for forecast in forecasts) / len(members)  # [1, L, K]
        return mean

    return single


Forecast = Callable[..., Tensor]


@kept(programs=32)
def compile_forecast(model: GRUConfig, shape: Shape, windows: int, kernel: Kernel) -> Forecast:
    """`(weights, rows [B + T - 1, F], ahead [B, L, A]) -> [B, L, K]` for B `windows` at successive rows.

    Where histories may be short, their lengths `[B]` are a last argument.
    """
    return compiled_once(_program(model, shape, windows, kernel), jit_compile=kernel == "fast")


def _program(model: GRUConfig, shape: Shape, windows: int, kernel: Kernel) -> Forecast:
    layers = recurrent_layers(kernel, model, shape)
    begins, history = tf.range(windows)[:, None], tf.range(shape.lookback)  # [B, 1], [T]

    def forecast(weights: tuple[Tensor, ...], rows: Tensor, ahead: Tensor, *lengths: Tensor) -> Tensor:
        named, read, mask = named_weights(model, weights), history, None
        if shape.padded:
            read, mask = padded_places(shape.lookback, *lengths)  # [B, T]
        parts = parts_on(named, layers, mask=mask)
        if kernel == "keras":
            return connect(model, shape, parts, tf.gather(rows, begins + read), ahead)

        def gru(name: str, sequence: Tensor) -> tuple[Tensor, Tensor]:
            if name != next(iter(layers)):
                return parts.gru(name, sequence)
            own = layer_weights(named, name)
            return slide(rows, own, steps=shape.lookback, reset_after=model.reset_after, mask=mask)

        newest = rows[shape.lookback - 1 :, None]  # [B, 1, F], all that is read of a window beside its first layer
        return connect(model, shape, replace(parts, gru=gru), newest, ahead)

    return forecast
