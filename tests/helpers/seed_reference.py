"""What the seed's scripts and those of its next chapter compute, in plain numpy (float64), with gradients by hand.

Sources: TensorFlow 1's `GRUCell`, `MultiRNNCell`, `DropoutWrapper`, `dynamic_rnn` with its `sequence_length`,
`l2_regularizer`, `exponential_decay`, `clip_by_global_norm` and `AdamOptimizer` as documented, and the chapters'
graphs. Sequences of different length are padded behind their end, as the chapter does. Nothing here knows Keras or the
project, but for the two functions that translate the layout of weights.

B: windows in a batch. T: lookback. F: input columns. U: units of a cell. R: width of the readout. K: outputs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Weights = dict[str, Array]
"""By TF1's names: `cell_0/gates/kernel` [F + U, 2U], `cell_0/candidate/kernel` [F + U, U], ..., `prediction/kernel`."""


@dataclass(frozen=True)
class Dropout:
    """Which elements one draw kept, and the probability of that."""

    kept: npt.NDArray[np.bool_]
    keep_prob: float

    @property
    def factor(self) -> Array:
        """Inverted dropout: what is kept grows, so that the mean stays."""
        return self.kept / self.keep_prob


@dataclass(frozen=True)
class Graph:
    """The choices in which the scripts differ."""

    cells: int
    readout: Literal["states", "last_state", "last_output", "outputs"] = "states"
    regularisation_scale: float = 0.0
    dropouts: Mapping[str, Dropout] = field(default_factory=dict)
    """`input_0` [B, T, F], `output_0` [B, T, U], ... and `readout` [B, R] or [B, T, R]: a draw for each time step."""
    lengths: npt.NDArray[np.int64] | None = None
    """[B] `sequence_length`: behind it outputs are zero and states stay; for readouts of states."""


class Step(NamedTuple):
    """What one cell did at one time step, kept for the way back."""

    x: Array
    h: Array
    r: Array
    u: Array
    c: Array


class Pass(NamedTuple):
    prediction: Array  # [B, K], with all outputs [B, T * K]
    steps: list[list[Step]]  # [T][cells]
    readout: Array  # [B, R] behind its dropout, with all outputs [B, T, R]
    hidden: Array  # [B, H] what the prediction layer reads, with all outputs [B, T, H]


class Losses(NamedTuple):
    mse: float
    penalty: float

    @property
    def total(self) -> float:
        return self.mse + self.penalty


def sigmoid(a: Array) -> Array:
    return 1 / (1 + np.exp(-a))


def gru_cell(weights: Weights, cell: int, x: Array, h: Array) -> tuple[Array, Step]:
    """One step of TF1's GRUCell: the reset gate comes first in the kernel and acts before the matrix product."""
    name = f"cell_{cell}"
    gates = sigmoid(np.hstack([x, h]) @ weights[f"{name}/gates/kernel"] + weights[f"{name}/gates/bias"])
    r, u = np.split(gates, 2, axis=1)
    c = np.tanh(np.hstack([x, r * h]) @ weights[f"{name}/candidate/kernel"] + weights[f"{name}/candidate/bias"])
    return u * h + (1 - u) * c, Step(x, h, r, u, c)


def forward(weights: Weights, graph: Graph, inputs: Array) -> Pass:
    """`inputs` [B, T, F] through the stacked cells step by step, as `dynamic_rnn` does, to the prediction."""
    batch, length, _ = inputs.shape
    states = [np.zeros((batch, len(weights[f"cell_{i}/candidate/bias"]))) for i in range(graph.cells)]
    steps: list[list[Step]] = []
    outputs = []
    for t in range(length):
        x, done = inputs[:, t], []
        alive = _alive(graph, t)
        for i in range(graph.cells):
            moved, step = gru_cell(weights, i, x * _factor(graph, f"input_{i}", t), states[i])
            states[i] = np.where(alive, moved, states[i])
            x = states[i] * alive * _factor(graph, f"output_{i}", t)
            done.append(step)
        steps.append(done)
        outputs.append(x)
    every = np.stack(outputs, axis=1)  # [B, T, U]
    readouts = {"states": np.hstack(states), "last_state": states[-1], "last_output": x, "outputs": every}
    readout = readouts[graph.readout] * _factor(graph, "readout")
    hidden = np.tanh(readout @ weights["tanh/kernel"] + weights["tanh/bias"]) if "tanh/kernel" in weights else readout
    prediction = hidden @ weights["prediction/kernel"] + weights["prediction/bias"]
    return Pass(prediction.reshape(batch, -1), steps, readout, hidden)


def losses(weights: Weights, graph: Graph, inputs: Array, truth: Array) -> Losses:
    """Mean squared error, and `scale * sum(W^2) / 2` over the tanh layer's kernel."""
    error = forward(weights, graph, inputs).prediction - truth
    kernel = weights.get("tanh/kernel", np.zeros(1))
    return Losses(float(np.mean(error**2)), float(graph.regularisation_scale * np.sum(kernel**2) / 2))


def gradients(weights: Weights, graph: Graph, inputs: Array, truth: Array) -> Weights:
    """The gradient of the total loss in every weight, by back-propagation through time."""
    done = forward(weights, graph, inputs)
    slopes = {name: np.zeros_like(weight) for name, weight in weights.items()}
    output = 2 * (done.prediction - truth) / truth.size  # [B, K]
    output = output.reshape(*done.hidden.shape[:-1], -1)  # with all outputs [B, T, K]
    below = _dense_backward(weights, slopes, "prediction", done.hidden, output)
    if "tanh/kernel" in weights:
        below = _dense_backward(weights, slopes, "tanh", done.readout, below * (1 - done.hidden**2))
        slopes["tanh/kernel"] += graph.regularisation_scale * weights["tanh/kernel"]
    below = below * _factor(graph, "readout")  # [B, R]
    states = [np.zeros_like(step.h) for step in done.steps[-1]]
    outputs = [np.zeros_like(states[-1]) for _ in done.steps]  # what reaches each step's output from above
    if graph.readout == "states":
        states = np.split(below, np.cumsum([state.shape[1] for state in states])[:-1], axis=1)
    elif graph.readout == "last_state":
        states[-1] = below
    elif graph.readout == "outputs":
        outputs = list(np.moveaxis(below, 1, 0))
    else:
        outputs[-1] = below
    for t in reversed(range(len(done.steps))):
        above, alive = outputs[t], _alive(graph, t)
        for i in reversed(range(graph.cells)):
            state = states[i] + above * alive * _factor(graph, f"output_{i}", t)
            inner, before = _cell_backward(weights, slopes, i, done.steps[t][i], state * alive)
            states[i] = np.where(alive, before, state)
            above = inner * _factor(graph, f"input_{i}", t)
    return slopes


def decayed(initial: float, rate: float, decay_steps: int, step: int) -> float:
    """Exponential staircase decay: the learning rate of update number `step`, counted from 0."""
    return initial * rate ** math.floor(step / decay_steps)


def descend(weights: Weights, slopes: Weights, learning_rate: float, clip_norm: float = 0.0) -> Weights:
    """One step of plain gradient descent; `clip_norm` bounds the norm of all gradients together, 0 does not."""
    norm = math.sqrt(sum(float(np.sum(slope**2)) for slope in slopes.values()))
    shrink = clip_norm / max(norm, clip_norm) if clip_norm else 1.0
    return {name: weight - learning_rate * shrink * slopes[name] for name, weight in weights.items()}


class Moments(NamedTuple):
    """What Adam remembers of the gradients, weight by weight."""

    first: Weights
    second: Weights

    @classmethod
    def start(cls, weights: Weights) -> Moments:
        return cls(*({name: np.zeros_like(weight) for name, weight in weights.items()} for _ in range(2)))


def adam(
    weights: Weights, slopes: Weights, moments: Moments, learning_rate: float, step: int
) -> tuple[Weights, Moments]:
    """Update number `step`, counted from 1, of TensorFlow 1's AdamOptimizer with Keras' epsilon; its own is 1e-8."""
    rate = learning_rate * math.sqrt(1 - 0.999**step) / (1 - 0.9**step)
    first = {name: 0.9 * moments.first[name] + 0.1 * slope for name, slope in slopes.items()}
    second = {name: 0.999 * moments.second[name] + 0.001 * slope**2 for name, slope in slopes.items()}
    moved = {name: w - rate * first[name] / (np.sqrt(second[name]) + 1e-7) for name, w in weights.items()}
    return moved, Moments(first, second)


def from_keras(arrays: Mapping[str, list[npt.NDArray[np.float32]]], cells: int) -> Weights:
    """Weights of layers `gru_1`, ..., `tanh`, `output` in TF1's layout: Keras has the gates in the order z, r, h."""
    weights: Weights = {}
    for i in range(cells):
        kernel, recurrent, bias = (array.astype(np.float64) for array in arrays[f"gru_{i + 1}"])
        (xz, xr, xh), (hz, hr, hh), (bz, br, bh) = (np.split(a, 3, axis=-1) for a in (kernel, recurrent, bias))
        weights[f"cell_{i}/gates/kernel"] = np.block([[xr, xz], [hr, hz]])
        weights[f"cell_{i}/gates/bias"] = np.hstack([br, bz])
        weights[f"cell_{i}/candidate/kernel"] = np.vstack([xh, hh])
        weights[f"cell_{i}/candidate/bias"] = bh
    for name, layer in (("tanh", "tanh"), ("prediction", "output")):
        if layer in arrays:
            weights[f"{name}/kernel"], weights[f"{name}/bias"] = (a.astype(np.float64) for a in arrays[layer])
    return weights


def _factor(graph: Graph, name: str, step: int | None = None) -> Array | float:
    if name not in graph.dropouts:
        return 1.0
    factor = graph.dropouts[name].factor
    return factor if step is None else factor[:, step]


def _alive(graph: Graph, step: int) -> npt.NDArray[np.bool_]:
    """[B, 1] whose sequences have not ended before this step."""
    return np.array([[True]]) if graph.lengths is None else step < graph.lengths[:, None]


def _dense_backward(weights: Weights, slopes: Weights, name: str, read: Array, slope: Array) -> Array:
    wide, tall = (values.reshape(-1, values.shape[-1]) for values in (read, slope))
    slopes[f"{name}/kernel"] += wide.T @ tall
    slopes[f"{name}/bias"] += tall.sum(axis=0)
    return slope @ weights[f"{name}/kernel"].T


def _cell_backward(weights: Weights, slopes: Weights, cell: int, step: Step, slope: Array) -> tuple[Array, Array]:
    """The slopes of the cell's input and of its previous state, from that of its new state."""
    x, h, r, u, c = step
    name, width = f"cell_{cell}", x.shape[1]
    candidate = slope * (1 - u) * (1 - c**2)  # [B, U] before the tanh
    slopes[f"{name}/candidate/kernel"] += np.hstack([x, r * h]).T @ candidate
    slopes[f"{name}/candidate/bias"] += candidate.sum(axis=0)
    through = candidate @ weights[f"{name}/candidate/kernel"].T  # [B, F + U]
    reset = through[:, width:]  # slope of r * h
    gates = np.hstack([reset * h * r * (1 - r), slope * (h - c) * u * (1 - u)])  # [B, 2U] before the sigmoid
    slopes[f"{name}/gates/kernel"] += np.hstack([x, h]).T @ gates
    slopes[f"{name}/gates/bias"] += gates.sum(axis=0)
    back = gates @ weights[f"{name}/gates/kernel"].T
    return through[:, :width] + back[:, :width], slope * u + reset * r + back[:, width:]
