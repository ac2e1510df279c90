"""The project's network and its updates compute what the scripts of the seed and of its next chapter compute.

Dropout masks are included. Where histories have different lengths, the reference pads them at the end, as the chapter
does, and the project in front.

The project's updates are those of the compiled program that every training runs, here one update a call: learning
rate, clip norm and seed are its inputs, so one compilation serves all calls. The masks of an update are drawn anew
here, by the project's `mask` from the seed that the program was given. A gradient is read off a step of plain descent
without clipping, whose rate is a power of two so large that the weights before it do not blur the difference.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Literal, NamedTuple

import numpy as np
import pytest
import tensorflow as tf
from seed_reference import (
    Dropout,
    Graph,
    Losses,
    Moments,
    Weights,
    adam,
    decayed,
    descend,
    forward,
    from_keras,
    gradients,
    losses,
)
from tiny import READINGS, house, prepare

from wattcast.model.gru import GRUConfig, LayerConfig, Shape, structure
from wattcast.model.network.build import build, initial_weights
from wattcast.model.network.program import Knobs, Pass, Plan, Resident, State, Work, compile_epoch, mask
from wattcast.model.readings import ReadingsConfig
from wattcast.model.windows import WindowConfig, Windows

UPDATES, BATCH = 10, 8
TOLERANCE = 1e-5
HUGE = 2.0**20  # a learning rate
SCRIPTS = {"reset_after": False, "gate_bias": 1.0, "recurrent_initialiser": "glorot"}


class Descent(NamedTuple):
    """Gradient descent whose learning rate drops within the ten updates, after the fourth and the eighth."""

    rate: float = 0.4
    decay_steps: int = 4
    decay_rate: float = 0.5
    clip_norm: float = 0.0
    optimiser: Literal["sgd", "adam"] = "sgd"


class Variant(NamedTuple):
    model: GRUConfig
    descent: Descent = Descent()
    readings: ReadingsConfig = READINGS
    window: WindowConfig = WindowConfig(lookback=5, steps_ahead=2)
    missing: slice = slice(0, 0)
    """Rows of the house that were never measured."""


SHORT = WindowConfig(lookback=5, steps_ahead=2, min_history=2)
VARIANTS = {
    "04_01_dropout": Variant(
        GRUConfig(
            layers=(LayerConfig(units=4), LayerConfig(units=3)), readout="states", readout_keep_prob=0.6, **SCRIPTS
        ),
    ),
    "04_02_rnn_dropout": Variant(
        GRUConfig(
            layers=(LayerConfig(units=4, output_keep_prob=0.7), LayerConfig(units=3)), readout="states", **SCRIPTS
        ),
    ),
    "04_03_rnn_l2": Variant(
        GRUConfig(
            layers=(LayerConfig(units=4), LayerConfig(units=3)),
            readout="states",
            tanh_layer=True,
            regularisation_scale=0.2,
            **SCRIPTS,
        ),
    ),
    "all options at once": Variant(
        GRUConfig(
            layers=(
                LayerConfig(units=4, input_keep_prob=0.8, output_keep_prob=0.7),
                LayerConfig(units=2, input_keep_prob=0.9, output_keep_prob=0.6),
            ),
            readout="last_output",
            readout_keep_prob=0.8,
            tanh_layer=True,
            regularisation_scale=0.05,
            **SCRIPTS,
        ),
        Descent(clip_norm=0.3),
        READINGS.model_copy(update={"targets": ("Appliances", "lights"), "features": ("T1",)}),
        WindowConfig(lookback=4, output_length=2),
    ),
    "05_01 many to many": Variant(
        GRUConfig(layers=(LayerConfig(units=4), LayerConfig(units=3)), readout="outputs", **SCRIPTS),
        Descent(rate=0.01, optimiser="adam"),
        window=WindowConfig(lookback=5, output_length=5, steps_ahead=2),
    ),
    "many to many with all options": Variant(
        GRUConfig(
            layers=(
                LayerConfig(units=4, input_keep_prob=0.8, output_keep_prob=0.7),
                LayerConfig(units=3, output_keep_prob=0.8),
            ),
            readout="outputs",
            readout_keep_prob=0.8,
            tanh_layer=True,
            regularisation_scale=0.05,
            **SCRIPTS,
        ),
        Descent(clip_norm=0.3),
        READINGS.model_copy(update={"targets": ("Appliances", "lights"), "features": ("T1",)}),
        WindowConfig(lookback=4, output_length=4),
    ),
    "05_02 variable length": Variant(
        GRUConfig(layers=(LayerConfig(units=4), LayerConfig(units=3)), readout="states", **SCRIPTS),
        Descent(rate=0.01, optimiser="adam"),
        window=SHORT,
        missing=slice(7, None, 9),
    ),
    "variable length with dropout": Variant(
        GRUConfig(
            layers=(
                LayerConfig(units=4, input_keep_prob=0.8, output_keep_prob=0.7),
                LayerConfig(units=2, input_keep_prob=0.9),
            ),
            readout="states",
            readout_keep_prob=0.8,
            **SCRIPTS,
        ),
        Descent(clip_norm=0.3),
        window=SHORT,
        missing=slice(7, None, 9),
    ),
}


class Update(NamedTuple):
    """One update as the project made it."""

    windows: Windows
    dropouts: dict[str, Dropout]
    forecast: np.ndarray  # [B, L, K]
    total: float
    penalty: float
    before: Weights
    after: Weights


class Run(NamedTuple):
    variant: Variant
    updates: list[Update]
    first_gradients: Weights
    loss_gradients: Weights  # of the first update, without the penalty's
    at_once: Pass  # all updates in one call
    stepwise: tuple[np.ndarray, ...]  # the last weights


@pytest.fixture(scope="module", params=[(name, kernel) for kernel in ("fast", "keras") for name in VARIANTS], ids=str)
def run(request: pytest.FixtureRequest) -> Run:
    name, kernel = request.param
    variant = VARIANTS[name]
    raw = house()
    raw = raw.drop(index=raw.index[variant.missing])
    train = prepare(raw, readings=variant.readings, window=variant.window).windows.train
    plan, series, knobs = plan_of(variant, train, kernel), Resident.of(train.series), knobs_of(variant)
    epoch = compile_epoch(plan)
    draws = np.random.default_rng(0)
    batches = [train.take(draws.choice(len(train), BATCH, replace=False)) for _ in range(UPDATES)]
    starts = np.stack([batch.starts for batch in batches]).astype(np.int32)
    lengths = np.stack([batch.mask.sum(axis=1) for batch in batches]).astype(np.int32)
    assert (len(np.unique(lengths)) == 1) == (not plan.shape.padded)
    seed = np.array([70, 11], np.int32)

    def work(number: int, windows: int) -> Work:
        """Batches from `number` on, with the masks that they have as the epoch's updates of that number."""
        rolled = [np.roll(each, -number, axis=0) for each in (starts, lengths)]
        shifted = seed + np.array([0, number], np.int32)
        return Work(rolled[0], np.int32(windows), shifted, rolled[1] if plan.shape.padded else ())

    initial = State.start(plan, initial_weights(variant.model, plan.shape, seed=5))
    state, made = initial, []
    for number, batch in enumerate(batches):
        done = epoch(series, state, knobs, work(number, BATCH))
        total, penalty = done.losses.numpy()[0]
        before, after = (reference_weights(variant, each.weights) for each in (state, done.state))
        dropouts = dropouts_of(variant, plan, seed + np.array([0, number], np.int32), batch)
        made.append(Update(batch, dropouts, done.forecasts.numpy()[0], total, penalty, before, after))
        state = done.state
    steep = knobs._replace(learning_rate=np.float32(HUGE), clip_norm=np.float32(0))
    near = reference_weights(variant, initial.weights)
    plain = replace(plan, optimiser="sgd")

    def slopes(knobs: Knobs) -> Weights:
        done = compile_epoch(plain)(series, State.start(plain, initial.weights), knobs, work(0, BATCH))
        far = reference_weights(variant, done.state.weights)
        return {name: (near[name] - far[name]) / HUGE for name in near}

    return Run(
        variant,
        made,
        first_gradients=slopes(steep),
        loss_gradients=slopes(steep._replace(regularisation_scale=np.float32(0))),
        at_once=epoch(series, initial, knobs, work(0, starts.size)),
        stepwise=tuple(np.asarray(weight) for weight in state.weights),
    )


def plan_of(variant: Variant, windows: Windows, kernel: Literal["fast", "keras"]) -> Plan:
    return Plan(
        model=structure(variant.model),
        shape=Shape.of(windows),
        target_offset=variant.window.lookback - 1 + variant.window.steps_ahead,
        loss="mse",
        optimiser=variant.descent.optimiser,
        batch_size=BATCH,
        dropout=any(keep_prob < 1 for keep_prob in configured_keep_probs(variant.model).values()),
        kernel=kernel,
        lanes=1,
    )


def knobs_of(variant: Variant) -> Knobs:
    descent = variant.descent
    return Knobs(
        learning_rate=np.float32(descent.rate),
        decay_steps=np.int64(descent.decay_steps),
        decay_rate=np.float32(descent.decay_rate),
        clip_norm=np.float32(descent.clip_norm),
        regularisation_scale=np.float32(variant.model.regularisation_scale),
        keep_probs=np.array(list(configured_keep_probs(variant.model).values()), np.float32),
    )


def configured_keep_probs(model: GRUConfig) -> dict[str, float]:
    """By the reference's names, in the order of the places at which the project draws masks."""
    probs = {}
    for i, layer in enumerate(model.layers):
        probs[f"input_{i}"] = layer.input_keep_prob
        probs[f"output_{i}"] = layer.output_keep_prob
    return probs | {"readout": model.readout_keep_prob}


def dropouts_of(variant: Variant, plan: Plan, seed: np.ndarray, batch: Windows) -> dict[str, Dropout]:
    """The masks of one update whose seed is `seed`, at the places that drop anything."""
    units = [layer.units for layer in variant.model.layers]
    shapes: dict[str, tuple[int, ...]] = {}
    for i, (below, own) in enumerate(zip((plan.shape.inputs, *units), units, strict=False)):
        shapes[f"input_{i}"] = (BATCH, plan.shape.lookback, below)
        shapes[f"output_{i}"] = (BATCH, plan.shape.lookback, own)
    shapes["readout"] = (BATCH, sum(units) if variant.model.readout == "states" else units[-1])
    if variant.model.readout == "outputs":
        shapes["readout"] = shapes[f"output_{len(units) - 1}"]
    keep_probs = configured_keep_probs(variant.model)
    dropping = tuple(
        (place, shapes[name], keep_prob) for place, (name, keep_prob) in enumerate(keep_probs.items()) if keep_prob < 1
    )
    names = list(keep_probs)
    masks = drawn(dropping, plan.kernel == "fast")(tf.constant(seed))
    kept = [drawn_mask.numpy() > 0 for drawn_mask in masks]
    return {
        names[place]: Dropout(first_things_first(each, batch) if each.ndim == 3 else each, keep_prob)
        for (place, _, keep_prob), each in zip(dropping, kept, strict=True)
    }


@cache
def drawn(dropping: tuple[tuple[int, tuple[int, ...], float], ...], compiled: bool) -> Callable[..., list[tf.Tensor]]:
    """The project's `mask` at each `(place, shape, keep_prob)`; what a compiled program draws is drawn only by one."""

    def draw(seed: tf.Tensor) -> list[tf.Tensor]:
        return [
            mask(shape, tf.constant(keep_prob), seed, place, compiled=compiled) for place, shape, keep_prob in dropping
        ]

    return tf.function(draw, jit_compile=True) if compiled else draw


def reference_weights(variant: Variant, weights: tuple[np.ndarray, ...]) -> Weights:
    """The project's flat order, each GRU's kernel, recurrent kernel and bias, then the dense layers, by TF1's names."""
    arrays, count = [np.asarray(weight) for weight in weights], len(variant.model.layers)
    layers = {f"gru_{i + 1}": arrays[3 * i : 3 * i + 3] for i in range(count)}
    if variant.model.tanh_layer:
        layers["tanh"] = arrays[-4:-2]
    return from_keras({**layers, "output": arrays[-2:]}, count)


def arrays_of(batch: Windows) -> tuple[np.ndarray, np.ndarray]:
    return batch.series.inputs[batch.input_rows], batch.series.targets[batch.target_rows]


def reference_arrays(batch: Windows) -> tuple[np.ndarray, np.ndarray]:
    """`[B, T, F]` and `[B, L * K]` in float64; short histories are padded at the end, with zeros."""
    inputs, truth = arrays_of(batch)
    inputs = first_things_first(inputs * batch.mask[..., None], batch)
    return inputs.astype(np.float64), truth.astype(np.float64).reshape(len(batch), -1)


def first_things_first(values: np.ndarray, batch: Windows) -> np.ndarray:
    """`[B, T, ...]` with what is padded in front behind the rest, in no order."""
    order = np.argsort(~batch.mask, axis=1, kind="stable")
    return np.take_along_axis(values, order[..., None], axis=1)


def graph_of(variant: Variant, dropouts: dict[str, Dropout], batch: Windows) -> Graph:
    model = variant.model
    return Graph(len(model.layers), model.readout, model.regularisation_scale, dropouts, batch.lengths)


def assert_same(actual: np.ndarray, expected: np.ndarray) -> None:
    np.testing.assert_allclose(actual, expected, rtol=TOLERANCE, atol=TOLERANCE * np.abs(expected).max())


# The reference itself

READOUTS = ("states", "last_state", "last_output", "outputs")


def random_problem(readout: str) -> tuple[Weights, Graph, np.ndarray, np.ndarray]:
    draw = np.random.default_rng(11)
    batch, length, features, units, outputs = 3, 4, 2, (3, 2), 2
    width = sum(units) if readout == "states" else units[-1]
    weights: Weights = {}
    for i, (below, own) in enumerate(zip((features, *units[:-1]), units, strict=True)):
        for part, columns in (("gates", 2 * own), ("candidate", own)):
            weights[f"cell_{i}/{part}/kernel"] = draw.normal(size=(below + own, columns))
            weights[f"cell_{i}/{part}/bias"] = draw.normal(size=columns)
    for name, rows, columns in (("tanh", width, units[-1]), ("prediction", units[-1], outputs)):
        weights[f"{name}/kernel"] = draw.normal(size=(rows, columns))
        weights[f"{name}/bias"] = draw.normal(size=columns)
    shapes = {
        "input_0": (batch, length, features),
        "output_0": (batch, length, units[0]),
        "input_1": (batch, length, units[0]),
        "output_1": (batch, length, units[1]),
        "readout": (batch, length, width) if readout == "outputs" else (batch, width),
    }
    dropouts = {name: Dropout(draw.random(shape) < 0.7, 0.7) for name, shape in shapes.items()}
    graph = Graph(2, readout, 0.3, dropouts)
    outputs *= length if readout == "outputs" else 1
    return weights, graph, draw.normal(size=(batch, length, features)), draw.normal(size=(batch, outputs))


@pytest.mark.parametrize(("readout", "lengths"), [*((readout, None) for readout in READOUTS), ("states", [4, 1, 2])])
def test_gradients_of_the_reference_agree_with_numerical_differentiation(readout, lengths):
    weights, graph, inputs, truth = random_problem(readout)
    graph = replace(graph, lengths=lengths and np.array(lengths))
    analytic = gradients(weights, graph, inputs, truth)
    nudge = 1e-5
    for name, weight in weights.items():
        numeric = np.zeros_like(weight)
        for place in np.ndindex(weight.shape):
            totals = []
            for sign in (1, -1):
                moved = weight.copy()
                moved[place] += sign * nudge
                totals.append(losses(weights | {name: moved}, graph, inputs, truth).total)
            numeric[place] = (totals[0] - totals[1]) / (2 * nudge)
        np.testing.assert_allclose(analytic[name], numeric, rtol=1e-6, atol=1e-8, err_msg=name)


def test_one_step_of_the_cell_by_hand():
    weights = {
        "cell_0/gates/kernel": np.array([[0.5, -1.0], [2.0, 1.0]]),  # columns: reset, update
        "cell_0/gates/bias": np.array([0.1, 0.2]),
        "cell_0/candidate/kernel": np.array([[1.5], [-0.5]]),
        "cell_0/candidate/bias": np.array([0.3]),
        "prediction/kernel": np.array([[2.0]]),
        "prediction/bias": np.array([-1.0]),
    }
    # From h = 0: u = sigmoid(-1 + 0.2), c = tanh(1.5 + 0.3), h = (1 - u) c
    u = 1 / (1 + np.exp(0.8))
    h = (1 - u) * np.tanh(1.8)
    # Then with x = -1: r = sigmoid(-0.5 + 2 h + 0.1), u = sigmoid(1 + h + 0.2), c = tanh(-1.5 - 0.5 r h + 0.3)
    r, u = 1 / (1 + np.exp(0.4 - 2 * h)), 1 / (1 + np.exp(-1.2 - h))
    h = u * h + (1 - u) * np.tanh(-1.2 - 0.5 * r * h)
    given = forward(weights, Graph(1), np.array([[[1.0], [-1.0]]]))
    np.testing.assert_allclose(given.prediction, [[2 * h - 1]], rtol=1e-14)


def test_behind_its_end_a_sequence_changes_nothing():
    weights, graph, inputs, _ = random_problem("states")
    graph = replace(graph, dropouts={}, lengths=np.array([4, 1, 2]))
    together = forward(weights, graph, inputs).prediction
    for place, length in enumerate(graph.lengths):
        alone = forward(weights, replace(graph, lengths=None), inputs[place : place + 1, :length]).prediction
        np.testing.assert_allclose(together[place], alone[0], rtol=1e-14)


def test_the_first_update_of_adam_by_hand():
    """Both moments of one gradient, without their bias, are it and its square: each weight moves by the rate."""
    start, slopes = {"a": np.array([2.0, 2.0])}, {"a": np.array([0.3, -50.0])}
    moved, moments = adam(start, slopes, Moments.start(start), 0.1, 1)
    np.testing.assert_allclose(moved["a"], [1.9, 2.1], rtol=1e-6)
    np.testing.assert_allclose(moments.first["a"], [0.03, -5.0])
    np.testing.assert_allclose(moments.second["a"], [9e-5, 2.5])


def test_learning_rate_falls_in_steps():
    assert [decayed(0.4, 0.5, 4, step) for step in (0, 3, 4, 7, 8)] == [0.4, 0.4, 0.2, 0.2, 0.1]


def test_clipping_bounds_the_norm_of_all_gradients_together():
    weights, slopes = {"a": np.zeros(1), "b": np.zeros(1)}, {"a": np.array([3.0]), "b": np.array([4.0])}
    clipped = descend(weights, slopes, 1.0, clip_norm=1.0)
    np.testing.assert_allclose([clipped["a"][0], clipped["b"][0]], [-0.6, -0.8])
    assert descend(weights, slopes, 1.0, clip_norm=6.0) == {"a": -3.0, "b": -4.0}


# The project against the reference


def test_forecast_and_losses_are_the_references(run):
    for update in run.updates:
        inputs, truth = reference_arrays(update.windows)
        graph = graph_of(run.variant, update.dropouts, update.windows)
        expected = forward(update.before, graph, inputs).prediction
        assert_same(update.forecast.reshape(len(inputs), -1), expected)
        loss = losses(update.before, graph, inputs, truth)
        assert Losses(update.total - update.penalty, update.penalty) == pytest.approx(loss, rel=TOLERANCE)
        assert (update.penalty > 0) == (run.variant.model.regularisation_scale > 0)


def test_gradients_of_all_weights_are_the_references(run):
    first = run.updates[0]
    expected = gradients(
        first.before, graph_of(run.variant, first.dropouts, first.windows), *reference_arrays(first.windows)
    )
    assert run.first_gradients.keys() == expected.keys()
    for name, slope in expected.items():
        assert np.abs(slope).max() > 1e-4, name  # else any tolerance would do
        assert_same(run.first_gradients[name], slope)


def test_gradients_without_penalty_are_the_references(run):
    first = run.updates[0]
    graph = replace(graph_of(run.variant, first.dropouts, first.windows), regularisation_scale=0.0)
    expected = gradients(first.before, graph, *reference_arrays(first.windows))
    for name, slope in expected.items():
        assert_same(run.loss_gradients[name], slope)


def test_the_updates_of_one_call_are_those_of_ten(run):
    for whole, step in zip(run.at_once.state.weights, run.stepwise, strict=True):
        assert whole.numpy().tobytes() == step.tobytes()
    assert int(run.at_once.state.step) == UPDATES
    for number, update in enumerate(run.updates):
        assert run.at_once.forecasts[number].numpy().tobytes() == update.forecast.tobytes()
        assert run.at_once.losses[number].numpy().tolist() == [update.total, update.penalty]


def test_the_network_that_is_saved_forecasts_what_the_reference_does(run):
    """Stock layers, with the weights that the program came to."""
    variant, windows = run.variant, run.updates[0].windows
    inputs, _ = reference_arrays(windows)
    network = build(variant.model, Shape.of(windows), [run.stepwise])
    given, _ = arrays_of(windows)
    forecast = network([given, windows.mask] if windows.config.padded else [given]).numpy()
    graph = graph_of(variant, {}, windows)
    expected = forward(reference_weights(variant, run.stepwise), graph, inputs).prediction
    assert_same(forecast.reshape(len(inputs), -1), expected)


def test_ten_updates_lead_to_the_references_weights(run):
    descent = run.variant.descent
    weights, moments = run.updates[0].before, Moments.start(run.updates[0].before)
    for number, update in enumerate(run.updates):
        graph = graph_of(run.variant, update.dropouts, update.windows)
        slopes = gradients(weights, graph, *reference_arrays(update.windows))
        rate = decayed(descent.rate, descent.decay_rate, descent.decay_steps, number)
        if descent.optimiser == "adam":
            weights, moments = adam(weights, slopes, moments, rate, number + 1)
        else:
            weights = descend(weights, slopes, rate, descent.clip_norm)
    for name, expected in weights.items():
        assert_same(run.updates[-1].after[name], expected)
        assert np.abs(expected - run.updates[0].before[name]).max() > 1e-3, f"{name} hardly moved"


def test_masks_matter_and_differ_between_time_steps_and_updates(run):
    first, second = run.updates[:2]
    inputs, _ = reference_arrays(first.windows)
    for name, dropout in first.dropouts.items():
        assert 0 < dropout.kept.mean() < 1
        assert not np.array_equal(dropout.kept, second.dropouts[name].kept)
        if dropout.kept.ndim == 3:
            assert not np.array_equal(dropout.kept[:, 0], dropout.kept[:, 1])
        others = {other: mask for other, mask in first.dropouts.items() if other != name}
        without = forward(first.before, graph_of(run.variant, others, first.windows), inputs).prediction
        assert np.abs(without - first.forecast.reshape(without.shape)).max() > 1e-3


def test_each_variant_drops_where_its_script_does(run, request):
    expected = {
        "04_01_dropout": {"readout"},
        "04_02_rnn_dropout": {"output_0"},
        "04_03_rnn_l2": set(),
        "all options at once": {"input_0", "output_0", "input_1", "output_1", "readout"},
        "05_01 many to many": set(),
        "many to many with all options": {"input_0", "output_0", "output_1", "readout"},
        "05_02 variable length": set(),
        "variable length with dropout": {"input_0", "output_0", "input_1", "readout"},
    }
    assert run.updates[0].dropouts.keys() == expected[request.node.callspec.params["run"][0]]


def test_dropout_of_the_last_output_cannot_reach_a_readout_of_states():
    """Why the project refuses that option where the second script sets it: it does nothing there."""
    weights, graph, inputs, _ = random_problem("states")
    others = {name: mask for name, mask in graph.dropouts.items() if name != "output_1"}
    without = Graph(2, "states", 0.3, others)
    np.testing.assert_array_equal(
        forward(weights, graph, inputs).prediction, forward(weights, without, inputs).prediction
    )
