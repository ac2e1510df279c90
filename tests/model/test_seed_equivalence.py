"""The project's network and its updates compute what the seed's three scripts compute, dropout masks included.

The masks of a training step are read off by a probe, a model over the same layers that also gives what enters and what
leaves each dropout layer. Then the layers' seeds are put back, so that the project's own update draws the same masks.
"""

from typing import NamedTuple

import keras
import numpy as np
import pytest
import tensorflow as tf
from seed_reference import (
    Dropout,
    Graph,
    Losses,
    Weights,
    decayed,
    descend,
    forward,
    from_keras,
    gradients,
    losses,
)
from tiny import READINGS, house, prepare

from model.fit import FitConfig, _compile_update, _Fitting, _seed_masks
from model.gru import GRUConfig, LayerConfig
from model.readings import ReadingsConfig
from model.windows import WindowConfig, Windows

UPDATES, BATCH = 10, 8
TOLERANCE = 1e-5
SCRIPTS = {"reset_after": False, "gate_bias": 1.0, "recurrent_initialiser": "glorot"}


class Variant(NamedTuple):
    model: GRUConfig
    fit: FitConfig
    readings: ReadingsConfig = READINGS
    window: WindowConfig = WindowConfig(lookback=5, steps_ahead=2)


def plain_descent(**options: object) -> FitConfig:
    """Gradient descent whose learning rate drops within the ten updates, after the fourth and the eighth."""
    return FitConfig(
        optimiser="sgd", initial_learning_rate=0.4, decay_steps=4, decay_rate=0.5, batch_size=BATCH, seed=5, **options
    )


VARIANTS = {
    "04_01_dropout": Variant(
        GRUConfig(
            layers=(LayerConfig(units=4), LayerConfig(units=3)), readout="states", readout_keep_prob=0.6, **SCRIPTS
        ),
        plain_descent(),
    ),
    "04_02_rnn_dropout": Variant(
        GRUConfig(
            layers=(LayerConfig(units=4, output_keep_prob=0.7), LayerConfig(units=3)), readout="states", **SCRIPTS
        ),
        plain_descent(),
    ),
    "04_03_rnn_l2": Variant(
        GRUConfig(
            layers=(LayerConfig(units=4), LayerConfig(units=3)),
            readout="states",
            tanh_layer=True,
            regularisation_scale=0.2,
            **SCRIPTS,
        ),
        plain_descent(),
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
        plain_descent(clip_norm=0.3),
        READINGS.model_copy(update={"targets": ("Appliances", "lights"), "features": ("T1",)}),
        WindowConfig(lookback=4, output_length=2),
    ),
}


class Update(NamedTuple):
    """One update as the project made it."""

    windows: Windows
    dropouts: dict[str, Dropout]
    probed: np.ndarray  # [B, L, K] forecast of the probe
    forecast: np.ndarray  # [B, L, K] forecast of the update
    total: float
    penalty: float
    before: Weights
    after: Weights


class Run(NamedTuple):
    variant: Variant
    updates: list[Update]
    first_gradients: Weights


@pytest.fixture(scope="module", params=VARIANTS)
def run(request: pytest.FixtureRequest) -> Run:
    variant = VARIANTS[request.param]
    _, scaler, parts = prepare(house(), readings=variant.readings, window=variant.window)
    fitting = _Fitting(variant.model, variant.fit, scaler, train=parts.train, validation=parts.validation)
    network, update = fitting.network, None
    slopes: Weights = {}
    made = []
    order = np.random.default_rng(0)
    for number in range(UPDATES):
        batch = parts.train.take(order.choice(len(parts.train), BATCH, replace=False))
        before = weights_of(network, variant)
        _seed_masks(network, 1, number)
        probed, dropouts, tape_gradients = probe(network, batch, variant)
        slopes = slopes or tape_gradients
        _seed_masks(network, 1, number)
        update = update or _compile_update(network, fitting.optimiser, fitting.loss, parts.train)
        total, penalty, forecast = update(batch.starts)
        made.append(
            Update(
                batch,
                dropouts,
                probed,
                forecast.numpy(),
                float(total),
                float(penalty),
                before,
                weights_of(network, variant),
            )
        )
    return Run(variant, made, slopes)


def probe(network: keras.Model, batch: Windows, variant: Variant) -> tuple[np.ndarray, dict[str, Dropout], Weights]:
    """Forecast, dropout masks and gradients of one training-mode call."""
    layers = [layer for layer in network.layers if isinstance(layer, keras.layers.Dropout)]
    inside = {layer.name: (layer.input, layer.output) for layer in layers}
    inputs, truth = arrays_of(batch)
    with tf.GradientTape() as tape:
        forecast, seen = keras.Model(network.inputs, [network.output, inside])([inputs], training=True)
        error = tf.reduce_mean((forecast - truth) ** 2)
        total = error + sum(network.losses)
    slopes = tape.gradient(total, network.trainable_variables)
    dropouts = {}
    for layer in layers:
        entered, left = (tensor.numpy() for tensor in seen[layer.name])
        kept = (left != 0) | (entered == 0)  # a zero, dropped by the layer before, is zero whether it is kept or not
        name = reference_name(layer.name)
        dropouts[name] = Dropout(kept, configured_keep_prob(variant.model, name))
    by_path = dict(zip((v.path for v in network.trainable_variables), slopes, strict=True))
    return forecast.numpy(), dropouts, from_keras(layered(network, lambda v: by_path[v.path].numpy()), cells(variant))


def reference_name(layer: str) -> str:
    """`output_dropout_1` of the project is `output_0` of the reference."""
    side, _, number = layer.replace("_dropout", "").partition("_")
    return f"{side}_{int(number) - 1}" if number else side


def configured_keep_prob(model: GRUConfig, name: str) -> float:
    side, _, number = name.partition("_")
    return getattr(model.layers[int(number)], f"{side}_keep_prob") if number else model.readout_keep_prob


def layered(network: keras.Model, value) -> dict[str, list[np.ndarray]]:
    """`value` of each variable, by layer."""
    return {layer.name: [value(v) for v in layer.trainable_variables] for layer in network.layers if layer.weights}


def weights_of(network: keras.Model, variant: Variant) -> Weights:
    return from_keras(layered(network, lambda v: v.numpy()), cells(variant))


def cells(variant: Variant) -> int:
    return len(variant.model.layers)


def arrays_of(batch: Windows) -> tuple[np.ndarray, np.ndarray]:
    return batch.series.inputs[batch.input_rows], batch.series.targets[batch.target_rows]


def reference_arrays(batch: Windows) -> tuple[np.ndarray, np.ndarray]:
    """`[B, T, F]` and `[B, L * K]` in float64."""
    inputs, truth = arrays_of(batch)
    return inputs.astype(np.float64), truth.astype(np.float64).reshape(len(batch), -1)


def graph_of(variant: Variant, dropouts: dict[str, Dropout]) -> Graph:
    model = variant.model
    return Graph(cells(variant), model.readout, model.regularisation_scale, dropouts)


def assert_same(actual: np.ndarray, expected: np.ndarray) -> None:
    np.testing.assert_allclose(actual, expected, rtol=TOLERANCE, atol=TOLERANCE * np.abs(expected).max())


# The reference itself

READOUTS = ("states", "last_state", "last_output")


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
        "readout": (batch, width),
    }
    dropouts = {name: Dropout(draw.random(shape) < 0.7, 0.7) for name, shape in shapes.items()}
    graph = Graph(2, readout, 0.3, dropouts)
    return weights, graph, draw.normal(size=(batch, length, features)), draw.normal(size=(batch, outputs))


@pytest.mark.parametrize("readout", READOUTS)
def test_gradients_of_the_reference_agree_with_numerical_differentiation(readout):
    weights, graph, inputs, truth = random_problem(readout)
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
        graph = graph_of(run.variant, update.dropouts)
        expected = forward(update.before, graph, inputs).prediction
        assert_same(update.probed.reshape(len(inputs), -1), expected)
        assert_same(update.forecast.reshape(len(inputs), -1), expected)
        loss = losses(update.before, graph, inputs, truth)
        assert Losses(update.total - update.penalty, update.penalty) == pytest.approx(loss, rel=TOLERANCE)
        assert (update.penalty > 0) == (run.variant.model.regularisation_scale > 0)


def test_gradients_of_all_weights_are_the_references(run):
    first = run.updates[0]
    expected = gradients(first.before, graph_of(run.variant, first.dropouts), *reference_arrays(first.windows))
    assert run.first_gradients.keys() == expected.keys()
    for name, slope in expected.items():
        assert np.abs(slope).max() > 1e-4, name  # else any tolerance would do
        assert_same(run.first_gradients[name], slope)


def test_ten_updates_lead_to_the_references_weights(run):
    fit = run.variant.fit
    weights = run.updates[0].before
    for number, update in enumerate(run.updates):
        graph = graph_of(run.variant, update.dropouts)
        slopes = gradients(weights, graph, *reference_arrays(update.windows))
        rate = decayed(fit.initial_learning_rate, fit.decay_rate, fit.decay_steps, number)
        weights = descend(weights, slopes, rate, fit.clip_norm)
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
        without = forward(first.before, graph_of(run.variant, others), inputs).prediction
        assert np.abs(without - first.forecast.reshape(without.shape)).max() > 1e-3


def test_each_variant_drops_where_its_script_does(run, request):
    expected = {
        "04_01_dropout": {"readout"},
        "04_02_rnn_dropout": {"output_0"},
        "04_03_rnn_l2": set(),
        "all options at once": {"input_0", "output_0", "input_1", "output_1", "readout"},
    }
    assert run.updates[0].dropouts.keys() == expected[request.node.callspec.params["run"]]


def test_dropout_of_the_last_output_cannot_reach_a_readout_of_states():
    """Why the project refuses that option where the second script sets it: it does nothing there."""
    weights, graph, inputs, _ = random_problem("states")
    others = {name: mask for name, mask in graph.dropouts.items() if name != "output_1"}
    without = Graph(2, "states", 0.3, others)
    np.testing.assert_array_equal(
        forward(weights, graph, inputs).prediction, forward(weights, without, inputs).prediction
    )
