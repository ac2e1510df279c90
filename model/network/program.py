"""One compiled program trains every network of one structure: all that a trial may change is an input of it.

N: windows of an epoch. C: updates there is room for. B: windows in a batch, b: in a lane. T: lookback.
F: input columns. L: output length. K: targets. D: places where dropout may act. S: rows there is room for.
A: columns that are known of each row beforehand.

A program is compiled once for its `Plan` and the room for the series, and kept. Learning rate, decay, clipping, keep
probabilities, regularisation scale, seeds, weights and windows are inputs, so a second training of the same plan
compiles nothing. Windows are gathered inside it, by index, from the series that lies there once.

With several `lanes` each batch is cut into equal parts whose gradients are computed side by side, each on a core of its
own; a program of one lane keeps one core busy and holds no lock of Python, so that threads can run it side by side.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from wattcast.model.gru import GRUConfig, Shape, keep_probs, named_weights
from wattcast.model.network.build import connect, parts_on, recurrent_layers
from wattcast.model.network.compiled import compiled_once, kept
from wattcast.model.network.kernel import Kernel
from wattcast.model.windows import Series

Tensor = Any  # tensorflow has no types

_FIRST_MOMENT, _SECOND_MOMENT, _EPSILON = 0.9, 0.999, 1e-7  # Adam as in Keras
_HUBER_DELTA = 1.0


@dataclass(frozen=True)
class Plan:
    """What a program is compiled for. `model` is a `structure`: values that a trial may change are left out of it."""

    model: GRUConfig
    shape: Shape
    target_offset: int
    loss: Literal["mse", "mae", "huber"]
    optimiser: Literal["adam", "sgd"]
    batch_size: int
    dropout: bool  # a network without any has a faster program of its own
    kernel: Kernel
    lanes: int
    fading: float = 0.0
    revised: bool = False  # what is known of a step depends on the moment of the forecast

    @property
    def share(self) -> int:
        """Windows of a batch in one lane."""
        return -(-self.batch_size // self.lanes)


class Resident(NamedTuple):
    """A series in TensorFlow's memory, with room behind it: sizes that a program is compiled for should be few."""

    inputs: Tensor  # [S, F]
    targets: Tensor  # [S, K]
    ahead: Tensor  # [V, A]
    places: Any = ()  # [S, L] rows of `ahead` that a moment reads, where known columns are revised

    @classmethod
    def of(cls, series: Series) -> Resident:
        """The arrays that windows are gathered from, filled up with zeros to a power of two of rows."""

        def roomy(array: npt.NDArray[Any]) -> Tensor:
            room = (1 << (len(array) - 1).bit_length()) - len(array)
            return tf.constant(np.pad(array, ((0, room), (0, 0))))

        places = () if series.places is None else roomy(series.places)
        return cls(roomy(series.inputs), roomy(series.targets), roomy(series.ahead), places)


class State(NamedTuple):
    """A network on its way."""

    weights: tuple[Tensor, ...]
    slots: tuple[tuple[Tensor, ...], ...]  # Adam's two moments of each weight; nothing for SGD
    step: Tensor  # updates done

    @classmethod
    def start(cls, plan: Plan, weights: tuple[Any, ...]) -> State:
        """Before the first update."""
        moments = 2 if plan.optimiser == "adam" else 0
        slots = tuple(tuple(np.zeros_like(weight) for weight in weights) for _ in range(moments))
        return cls(weights, slots, np.int64(0))


class Knobs(NamedTuple):
    """What a trial may change without compiling."""

    learning_rate: Tensor
    decay_steps: Tensor
    decay_rate: Tensor
    clip_norm: Tensor  # 0: no clipping
    regularisation_scale: Tensor
    keep_probs: Tensor  # [D]


class Work(NamedTuple):
    """The windows of an epoch, a batch a row; what stands behind the last window is not looked at."""

    starts: Tensor  # [C, lanes * share]
    windows: Tensor  # how many
    seed: Tensor  # [2] of the dropout masks
    lengths: Any = ()  # [C, lanes * share] readings of each history where they may be short, else nothing


class Pass(NamedTuple):
    """What one epoch gave. Rows behind the epoch's last update are zeros."""

    state: State
    losses: Tensor  # [C, 2] with penalty, and penalty alone
    forecasts: Tensor  # [C, lanes * share, L, K] dropout on


class _Lane(NamedTuple):
    """What one lane gave in one update. Loss and gradients of the lanes sum to those of the batch."""

    loss: Tensor
    forecasts: Tensor  # [b, L, K]
    gradients: tuple[Tensor, ...]


@kept(programs=16)
def compile_epoch(plan: Plan) -> Callable[[Resident, State, Knobs, Work], Pass]:
    """The program of `plan`: one pass over the windows of `Work`. It is compiled when it is first called."""
    fast = plan.kernel == "fast"
    steps = _run_lane(plan), _update(plan)

    def epoch(series: Resident, state: State, knobs: Knobs, work: Work) -> Pass:
        run_lane, update = steps
        if fast and plan.lanes > 1:
            run_lane, update = (tf.function(step, jit_compile=True, autograph=False) for step in steps)
        room, width = work.starts.shape
        sizes = ([2], [width, plan.shape.output_length, plan.shape.targets])
        records = [tf.TensorArray(tf.float32, room, element_shape=size) for size in sizes]

        def body(i: Tensor, state: State, *records: Any) -> tuple[Any, ...]:
            lanes = [run_lane(series, state.weights, knobs, work, i, tf.constant(n)) for n in range(plan.lanes)]
            state, *values = update(state, lanes, knobs)
            return i + 1, state, *(record.write(i, value) for record, value in zip(records, values, strict=True))

        updates = (work.windows + plan.batch_size - 1) // plan.batch_size
        _, state, *records = tf.while_loop(lambda i, *_: i < updates, body, (0, state, *records))
        return Pass(state, *(record.stack() for record in records))

    return compiled_once(epoch, jit_compile=fast and plan.lanes == 1)


def _dropout(plan: Plan, knobs: Knobs, seed: Tensor) -> Callable[[str, Tensor], Tensor]:
    places = list(keep_probs(plan.model))

    def dropout(name: str, values: Tensor) -> Tensor:
        place = places.index(name)
        keep_prob = knobs.keep_probs[place]
        draw = partial(mask, values.shape, keep_prob, seed, place, compiled=plan.kernel == "fast")
        return tf.cond(keep_prob < 1, lambda: values * draw(), lambda: values)

    return dropout if plan.dropout else lambda _, values: values


def mask(shape: Any, keep_prob: Tensor, seed: Tensor, place: int, *, compiled: bool) -> Tensor:
    """Zeros, and `1 / keep_prob` with the probability `keep_prob`, as `seed [2]` and `place` draw them.

    In a compiled program Threefry is used, 60 times faster there than the default generator; it has no code outside.
    """
    draws = tf.random.stateless_uniform(
        shape, tf.stack([seed[0] + (place + 1) * 2**16, seed[1]]), alg="threefry" if compiled else "philox"
    )
    return tf.cast(draws < keep_prob, tf.float32) / keep_prob


def _run_lane(plan: Plan) -> Callable[..., _Lane]:
    """`(series, weights, knobs, work, update, lane)`: the loss of one lane's windows and its gradients."""
    layers = recurrent_layers(plan.kernel, plan.model, plan.shape)
    history = tf.range(plan.shape.lookback)
    future = plan.target_offset + tf.range(plan.shape.output_length)
    weights_of_steps = step_weights(plan.shape.output_length, plan.fading)

    def run_lane(  # noqa: PLR0917
        series: Resident, weights: tuple[Tensor, ...], knobs: Knobs, work: Work, update: Tensor, lane: Tensor
    ) -> _Lane:
        places = lane * plan.share + tf.range(plan.share)  # [b] in the batch
        starts = tf.gather(tf.gather(work.starts, update), places)
        count = tf.minimum(plan.batch_size, work.windows - update * plan.batch_size)  # the last batch may be smaller
        present = tf.cast(places < count, tf.float32)
        rows = starts[:, None] + future  # [b, L]
        known = tf.gather(series.places, starts + plan.shape.lookback - 1) if plan.revised else rows
        read, holds = history, None
        if plan.shape.padded:
            lengths = tf.gather(tf.gather(work.lengths, update), places)
            read, holds = padded_places(plan.shape.lookback, lengths)
        readings = tf.gather(series.inputs, starts[:, None] + read)  # [b, T, F]
        seed = tf.stack([work.seed[0] + lane, work.seed[1] + update])
        with tf.GradientTape() as tape:
            tape.watch(weights)
            named, dropout = named_weights(plan.model, weights), _dropout(plan, knobs, seed)
            parts = parts_on(named, layers, dropout=dropout, mask=holds)
            forecast = connect(plan.model, plan.shape, parts, readings, tf.gather(series.ahead, known))  # [b, L, K]
            error = _LOSSES[plan.loss](forecast - tf.gather(series.targets, rows)) * weights_of_steps
            loss = tf.reduce_sum(tf.reduce_mean(error, (1, 2)) * present) / tf.cast(count, tf.float32)
        return _Lane(loss, forecast, tape.gradient(loss, weights))

    return run_lane


def padded_places(lookback: int, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """`lengths [B]` -> which place of its window each of its T places reads, and a mask of those that count, `[B, T]`.

    What is padded reads the oldest place that counts: `wattcast.model.windows.Windows.input_rows`, compiled.
    """
    history, padding = tf.range(lookback), lookback - lengths[:, None]
    return tf.maximum(history, padding), history >= padding


_LOSSES: dict[str, Callable[[Tensor], Tensor]] = {
    "mse": tf.square,
    "mae": tf.abs,
    "huber": lambda error: tf.where(
        tf.abs(error) <= _HUBER_DELTA,
        tf.square(error) / 2,
        _HUBER_DELTA * (tf.abs(error) - _HUBER_DELTA / 2),
    ),
}


def step_weights(steps: int, fading: float) -> npt.NDArray[np.float32]:
    """`[L, 1]`: what each step weighs in the loss, 1 on average."""
    weights = np.arange(1, steps + 1, dtype=np.float64)[:, None] ** -fading
    return np.asarray(weights / weights.mean(), np.float32)


def mean_loss(loss: Literal["mse", "mae", "huber"], error: npt.NDArray[np.float32], *, fading: float) -> float:
    """The loss over scaled errors `[N, L, K]`, without penalty."""
    return float(tf.reduce_mean(_LOSSES[loss](tf.constant(error)) * step_weights(error.shape[1], fading)))


def _update(plan: Plan) -> Callable[[State, list[_Lane], Knobs], tuple[State, Tensor, Tensor]]:
    """One update by the gradients of loss and penalty; `[2]` both together and penalty alone; `[B, L, K]` forecasts."""

    def update(state: State, lanes: list[_Lane], knobs: Knobs) -> tuple[State, Tensor, Tensor]:
        sums = (tf.add_n(parts) for parts in zip(*(lane.gradients for lane in lanes), strict=True))
        slopes = named_weights(plan.model, sums)
        penalty = tf.constant(0.0)
        if plan.model.tanh_layer:
            kernel = named_weights(plan.model, state.weights)["tanh/kernel"]
            penalty = knobs.regularisation_scale * tf.reduce_sum(tf.square(kernel)) / 2
            slopes["tanh/kernel"] += knobs.regularisation_scale * kernel
        gradients = _clip(list(slopes.values()), knobs.clip_norm)
        step = _adam if plan.optimiser == "adam" else _descend
        losses = tf.stack([tf.add_n([lane.loss for lane in lanes]) + penalty, penalty])
        state = step(state, gradients, learning_rate(knobs, state.step))
        return state, losses, tf.concat([lane.forecasts for lane in lanes], 0)

    return update


def learning_rate(knobs: Knobs, step: Tensor) -> Tensor:
    """Staircase decay, `initial * rate ** floor(step / decay_steps)`; steps are updates."""
    drops = tf.cast(step // tf.cast(knobs.decay_steps, tf.int64), tf.float32)
    return knobs.learning_rate * knobs.decay_rate**drops


def _clip(gradients: list[Tensor], norm: Tensor) -> list[Tensor]:
    """All gradients together no longer than `norm`, unless that is 0 (Pascanu et al. 2013, arXiv:1211.5063)."""
    length = tf.sqrt(tf.add_n([tf.reduce_sum(tf.square(gradient)) for gradient in gradients]))
    factor = tf.where((norm > 0) & (length > norm), norm / length, 1.0)
    return [gradient * factor for gradient in gradients]


def _descend(state: State, gradients: list[Tensor], rate: Tensor) -> State:
    weights = tuple(weight - rate * gradient for weight, gradient in zip(state.weights, gradients, strict=True))
    return State(weights, (), state.step + 1)


def _adam(state: State, gradients: list[Tensor], rate: Tensor) -> State:
    """Kingma & Ba 2015, arXiv:1412.6980, end of section 2; epsilon stands where Keras has it."""
    count = tf.cast(state.step + 1, tf.float32)
    rate *= tf.sqrt(1 - _SECOND_MOMENT**count) / (1 - _FIRST_MOMENT**count)
    first = tuple(m + (g - m) * (1 - _FIRST_MOMENT) for m, g in zip(state.slots[0], gradients, strict=True))
    second = tuple(v + (g * g - v) * (1 - _SECOND_MOMENT) for v, g in zip(state.slots[1], gradients, strict=True))
    moved = zip(state.weights, first, second, strict=True)
    return State(tuple(w - rate * m / (tf.sqrt(v) + _EPSILON) for w, m, v in moved), (first, second), state.step + 1)
