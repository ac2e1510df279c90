"""One contract for all variants of the network, and the equations of each option."""

import json
import zipfile
from typing import Any

import keras
import numpy as np
import pytest
from pydantic import ValidationError
from tiny import house, prepare

from wattcast.model.gru import (
    GRUConfig,
    LayerConfig,
    Shape,
    keep_probs,
    layer_weights,
    named_weights,
    structure,
    weight_names,
)
from wattcast.model.network.build import build, initial_weights, members_of, reads_ahead
from wattcast.model.windows import CALENDAR_COLUMNS, WindowConfig

BATCH = 6


def config(*units: int, **options: Any) -> GRUConfig:
    return GRUConfig(layers=tuple(LayerConfig(units=width) for width in units), **options)


DROPPED = (LayerConfig(units=3, input_keep_prob=0.5, output_keep_prob=0.5), LayerConfig(units=2, input_keep_prob=0.5))

VARIANTS: dict[str, tuple[GRUConfig, Shape]] = {
    "smallest": (config(1), Shape(1, 1, 1, 1)),
    "stock": (config(3), Shape(4, 2, 1, 1)),
    "states": (config(3, 2, readout="states", readout_keep_prob=0.5), Shape(1, 2, 1, 1)),
    "states of one layer": (config(3, readout="states", reset_after=False), Shape(4, 3, 2, 3)),
    "dropout between layers": (GRUConfig(layers=DROPPED, readout="states"), Shape(5, 3, 2, 3)),
    "dropped last output": (
        GRUConfig(layers=(LayerConfig(units=3, output_keep_prob=0.5),), readout="last_output"),
        Shape(4, 2, 2, 1),
    ),
    "tanh layer": (config(3, 2, tanh_layer=True, regularisation_scale=0.1, reset_after=False), Shape(3, 2, 1, 3)),
    "change": (config(3, residual=True), Shape(4, 4, 2, 3)),
    "dated": (config(3, target_calendar=True, recurrent_initialiser="identity"), Shape(4, 1, 1, 3)),
    "everything": (
        GRUConfig(
            layers=DROPPED,
            reset_after=False,
            gate_bias=1.0,
            recurrent_initialiser="glorot",
            readout="last_output",
            readout_keep_prob=0.5,
            tanh_layer=True,
            regularisation_scale=0.1,
            residual=True,
            target_calendar=True,
        ),
        Shape(5, 3, 2, 3),
    ),
    "many to many": (config(3, 2, readout="outputs", reset_after=False), Shape(4, 3, 2, 4)),
    "many to many, everything": (
        GRUConfig(
            layers=(LayerConfig(units=3, output_keep_prob=0.5),),
            readout="outputs",
            readout_keep_prob=0.5,
            tanh_layer=True,
            residual=True,
            target_calendar=True,
        ),
        Shape(3, 4, 2, 3),
    ),
    "shared head": (config(3, target_calendar=True, head="shared", head_units=4), Shape(4, 2, 1, 5, ahead=7)),
    "shared head, everything": (
        GRUConfig(
            layers=DROPPED,
            readout="states",
            readout_keep_prob=0.5,
            residual=True,
            target_calendar=True,
            head="shared",
            head_units=5,
        ),
        Shape(5, 3, 2, 3, padded=True, ahead=9),
    ),
    "short histories": (config(3, 2, readout="states"), Shape(4, 2, 1, 1, padded=True)),
    "short histories, everything": (
        GRUConfig(
            layers=DROPPED,
            reset_after=False,
            readout="last_output",
            readout_keep_prob=0.5,
            tanh_layer=True,
            regularisation_scale=0.1,
            residual=True,
            target_calendar=True,
        ),
        Shape(5, 3, 2, 3, padded=True),
    ),
    "known ahead": (config(3), Shape(4, 2, 1, 2, ahead=7)),
    "known ahead, many to many": (config(3, 2, readout="outputs", residual=True), Shape(3, 4, 2, 3, ahead=6)),
    "known ahead beside the calendar": (
        config(3, target_calendar=True, tanh_layer=True),
        Shape(4, 3, 2, 3, padded=True, ahead=8),
    ),
}


def build_one(model: GRUConfig, shape: Shape, *, seed: int = 7) -> keras.Model:
    return build(model, shape, [initial_weights(model, shape, seed)])


def arrays_for(model: GRUConfig, shape: Shape) -> list[np.ndarray]:
    draw = np.random.default_rng(4)
    arrays = [draw.normal(size=(BATCH, shape.lookback, shape.inputs)).astype(np.float32)]
    if reads_ahead(model, shape):
        arrays.append(draw.normal(size=(BATCH, shape.output_length, shape.ahead)).astype(np.float32))
    if shape.padded:
        arrays.append(np.arange(shape.lookback) >= draw.integers(shape.lookback, size=BATCH)[:, None])
    return arrays


def randomise(network: keras.Model) -> None:
    """Every weight random, biases too: initial zeros would hide where they act."""
    draw = np.random.default_rng(9)
    network.set_weights([draw.normal(0, 0.7, weight.shape) for weight in network.get_weights()])


# The contract


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_keeps_the_contract(variant, tmp_path):
    model, shape = VARIANTS[variant]
    network, arrays = build_one(model, shape), arrays_for(model, shape)
    forecast = network.predict_on_batch(arrays)
    assert forecast.shape == (BATCH, shape.output_length, shape.targets)
    assert np.isfinite(forecast).all()

    # dropout acts in training and only there
    assert network.predict_on_batch(arrays).tobytes() == forecast.tobytes()
    np.testing.assert_allclose(network(arrays, training=False), forecast, atol=1e-6)
    drops = any(isinstance(layer, keras.layers.Dropout) for layer in network.layers)
    asked = model.readout_keep_prob < 1 or any(
        min(layer.input_keep_prob, layer.output_keep_prob) < 1 for layer in model.layers
    )
    assert drops == asked
    passes = [network(arrays, training=True).numpy() for _ in range(2)]
    assert np.array_equal(*passes) != drops

    # one window at a time is the same as all at once
    alone = np.concatenate([network([array[i : i + 1] for array in arrays]) for i in range(BATCH)])
    np.testing.assert_allclose(alone, forecast, atol=1e-6)

    # the file needs Keras and nothing else
    file = tmp_path / "network.keras"
    network.save(file)
    assert all(module.partition(".")[0] == "keras" for module in modules_named_in(file))
    assert keras.saving.get_custom_objects() == {}
    loaded = keras.saving.load_model(file, compile=False, safe_mode=True)
    assert loaded.predict_on_batch(arrays).tobytes() == forecast.tobytes()


def modules_named_in(file: Any) -> list[str]:
    """The Python modules whose classes a .keras file asks for."""
    found: list[str] = []

    def collect(record: dict[str, Any]) -> dict[str, Any]:
        if record.get("module"):
            found.append(record["module"])
        return record

    with zipfile.ZipFile(file) as archive:
        json.loads(archive.read("config.json"), object_hook=collect)
    assert found
    return found


def test_initial_weights_follow_the_seed_and_nothing_else():
    model, shape = VARIANTS["everything"]
    one, other = (initial_weights(model, shape, seed) for seed in (1, 2))
    keras.utils.set_random_seed(8)
    same = initial_weights(model, shape, 1)
    assert [a.tobytes() for a in one] == [a.tobytes() for a in same]
    drawn = [not np.array_equal(a, b) for a, b in zip(one, other, strict=True)]
    assert drawn == [True, True, False] * 2 + [True, False] * 2  # biases start the same


def test_weights_have_names_in_the_order_of_the_layers():
    assert weight_names(VARIANTS["stock"][0]) == (
        *("gru_1/kernel", "gru_1/recurrent_kernel", "gru_1/bias"),
        *("output/kernel", "output/bias"),
    )
    names = weight_names(VARIANTS["everything"][0])
    assert names[2:6] == ("gru_1/bias", "gru_2/kernel", "gru_2/recurrent_kernel", "gru_2/bias")
    assert names[6:] == ("tanh/kernel", "tanh/bias", "output/kernel", "output/bias")


@pytest.mark.parametrize("variant", VARIANTS)
def test_weights_go_into_the_network_by_their_names(variant):
    model, shape = VARIANTS[variant]
    weights = initial_weights(model, shape, 7)
    network = build(model, shape, [weights])
    named = named_weights(model, weights)
    for name in dict.fromkeys(weight.partition("/")[0] for weight in named):
        layer = network.get_layer(name)
        assert [f"{name}/{weight.name}" for weight in layer.trainable_weights] == [
            weight for weight in named if weight.startswith(f"{name}/")
        ]
        for mine, theirs in zip(layer_weights(named, name), layer.get_weights(), strict=True):
            assert mine.tobytes() == theirs.tobytes()


def test_weights_that_are_too_few_or_too_many_are_no_ones():
    model, shape = VARIANTS["stock"]
    weights = initial_weights(model, shape, 7)
    for wrong in (weights[:-1], (*weights, weights[-1])):
        with pytest.raises(ValueError, match="argument"):
            named_weights(model, wrong)


# Members


@pytest.mark.parametrize("variant", ["stock", "dropped last output", "everything"])
def test_several_members_forecast_their_mean_from_one_plain_file(variant, tmp_path):
    model, shape = VARIANTS[variant]
    weights = [initial_weights(model, shape, seed) for seed in (1, 2, 3)]
    arrays = arrays_for(model, shape)
    alone = [build(model, shape, [member])(arrays).numpy().astype(np.float64) for member in weights]
    assert np.abs(alone[0] - alone[1]).max() > 1e-2
    together = build(model, shape, weights)
    forecast = together.predict_on_batch(arrays)
    np.testing.assert_allclose(forecast, np.mean(alone, axis=0), rtol=1e-5, atol=1e-6)
    file = tmp_path / "network.keras"
    together.save(file)
    assert all(module.partition(".")[0] == "keras" for module in modules_named_in(file))
    loaded = keras.saving.load_model(file, compile=False, safe_mode=True)
    assert loaded.predict_on_batch(arrays).tobytes() == forecast.tobytes()
    for network in (together, loaded):
        found = members_of(network, model)
        assert len(found) == 3
        for member, given in zip(found, weights, strict=True):
            assert [a.tobytes() for a in member] == [a.tobytes() for a in given]


def test_a_single_network_is_its_own_only_member():
    model, shape = VARIANTS["tanh layer"]
    weights = initial_weights(model, shape, 1)
    (found,) = members_of(build(model, shape, [weights]), model)
    assert [a.tobytes() for a in found] == [a.tobytes() for a in weights]


def test_input_and_dense_kernels_start_as_keras_own_do():
    """Glorot's uniform: all values up to `sqrt(6 / (rows + columns))`, biases zero."""
    model, shape = config(40, 30, readout="states", tanh_layer=True), Shape(4, 25, 2, 3)
    network = build_one(model, shape)
    sizes = {"gru_1": (25, 120), "gru_2": (40, 90), "tanh": (70, 30), "output": (30, 6)}
    for name, (rows, columns) in sizes.items():
        kernel, *_, bias = network.get_layer(name).get_weights()
        limit = np.sqrt(6 / (rows + columns))
        assert kernel.shape == (rows, columns)
        assert 0.95 * limit < np.abs(kernel).max() <= limit
        assert kernel.std() == pytest.approx(limit / np.sqrt(3), rel=0.1)
        assert not bias.any()


# What a program is compiled for


def test_structure_forgets_what_a_trial_may_change_without_compiling():
    model, shape = VARIANTS["everything"]
    bare = structure(model)
    assert [layer.units for layer in bare.layers] == [3, 2]
    assert set(keep_probs(bare).values()) == {1.0}
    assert (bare.regularisation_scale, bare.gate_bias) == (0, 0)
    kept = {"reset_after", "readout", "tanh_layer", "residual", "target_calendar"}
    assert bare.model_dump(include=kept) == model.model_dump(include=kept)
    assert structure(bare) == bare
    other = model.model_copy(update={"readout_keep_prob": 0.9, "regularisation_scale": 0.5, "gate_bias": -1.0})
    assert structure(other) == bare
    for change in ({"reset_after": True}, {"readout": "states"}, {"residual": False}, {"target_calendar": False}):
        assert structure(model.model_copy(update=change)) != bare
    sizes = [[a.shape for a in initial_weights(config, shape, 0)] for config in (model, bare)]
    assert sizes[0] == sizes[1]


def test_keep_probabilities_are_told_place_by_place():
    assert keep_probs(VARIANTS["everything"][0]) == {
        "input_dropout_1": 0.5,
        "output_dropout_1": 0.5,
        "input_dropout_2": 0.5,
        "output_dropout_2": 1.0,
        "readout_dropout": 0.5,
    }


def test_shape_is_read_off_the_windows():
    windows = prepare(house(60), window=WindowConfig(lookback=3, output_length=2)).windows.test
    assert Shape.of(windows) == Shape(lookback=3, inputs=2, targets=1, output_length=2, padded=False)
    short = prepare(house(60), window=WindowConfig(lookback=3, min_history=2)).windows.test
    assert Shape.of(short) == Shape(lookback=3, inputs=2, targets=1, output_length=1, padded=True)


def test_a_network_takes_a_mask_where_histories_may_be_short_and_only_there():
    for padded in (False, True):
        model, shape = config(3, target_calendar=True), Shape(4, 2, 1, 2, padded)
        names = [source.name for source in build_one(model, shape).inputs]
        assert names == ["readings", "ahead", "mask"][: 2 + padded]


def test_what_is_masked_changes_no_forecast():
    model, shape = VARIANTS["short histories, everything"]
    network = build_one(model, shape)
    inputs, dates, mask = arrays_for(model, shape)
    assert 0 < mask.mean() < 1
    spoilt = np.where(mask[..., None], inputs, 1e3).astype(np.float32)
    expected = network.predict_on_batch([inputs, dates, mask])
    assert network.predict_on_batch([spoilt, dates, mask]).tobytes() == expected.tobytes()
    other = network.predict_on_batch([spoilt, dates, np.ones_like(mask)])
    assert np.abs(other - expected).max() > 0.01


# The equations


def run_gru(inputs: np.ndarray, kernel: np.ndarray, recurrent: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """`[B, T, U]` outputs of a cell with the reset gate after the matrix product; columns are z, r, candidate."""
    own, past = bias
    units = recurrent.shape[0]
    h = np.zeros((len(inputs), units))
    outputs = []
    for t in range(inputs.shape[1]):
        xz, xr, xh = np.split(inputs[:, t] @ kernel + own, 3, axis=1)
        hz, hr, hh = np.split(h @ recurrent + past, 3, axis=1)
        z, r = 1 / (1 + np.exp(-xz - hz)), 1 / (1 + np.exp(-xr - hr))
        h = z * h + (1 - z) * np.tanh(xh + r * hh)
        outputs.append(h)
    return np.stack(outputs, axis=1)


@pytest.mark.parametrize("readout", ["states", "last_state", "last_output"])
def test_reset_gate_after_the_product_and_what_the_head_reads(readout):
    model, shape = config(3, 2, readout=readout), Shape(5, 2, 1, 1)
    network = build_one(model, shape)
    randomise(network)
    (inputs,) = arrays_for(model, shape)
    weights = [weight.astype(np.float64) for weight in network.get_weights()]
    first = run_gru(inputs.astype(np.float64), *weights[:3])
    second = run_gru(first, *weights[3:6])
    read = np.hstack([first[:, -1], second[:, -1]]) if readout == "states" else second[:, -1]
    expected = read @ weights[6] + weights[7]
    np.testing.assert_allclose(network([inputs])[:, 0], expected, rtol=1e-5, atol=1e-5)


def test_one_head_for_all_outputs_which_reads_the_calendar_of_its_own_step():
    model, shape = config(3, 2, readout="outputs", target_calendar=True), Shape(5, 2, 2, 5)
    network = build_one(model, shape)
    randomise(network)
    inputs, dates = arrays_for(model, shape)
    weights = [weight.astype(np.float64) for weight in network.get_weights()]
    second = run_gru(run_gru(inputs.astype(np.float64), *weights[:3]), *weights[3:6])
    kernel, bias = weights[6:]
    assert kernel.shape == (2 + len(CALENDAR_COLUMNS), 2)
    expected = np.concatenate([second, dates], axis=2) @ kernel + bias
    np.testing.assert_allclose(network([inputs, dates]), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("window", "message"),
    [
        (
            WindowConfig(lookback=4, output_length=3),
            "window.lookback and window.output_length must be equal, received 4",
        ),
        (WindowConfig(lookback=4, output_length=4, min_history=2), "leave out window.min_history, received 2"),
    ],
)
def test_windows_that_a_readout_of_all_outputs_cannot_have_are_refused(window, message):
    with pytest.raises(ValueError, match=message):
        config(3, readout="outputs").require_fit(window)
    config(3, readout="states").require_fit(window)
    config(3, readout="outputs").require_fit(WindowConfig(lookback=4, output_length=4, steps_ahead=3, min_history=4))


def test_residual_adds_the_newest_reading_of_each_target_to_each_step():
    shape = Shape(4, 3, 2, 3)
    plain, residual = build_one(config(3), shape), build_one(config(3, residual=True), shape)
    residual.set_weights(plain.get_weights())
    (inputs,) = arrays_for(config(3), shape)
    change = residual([inputs]) - plain([inputs])
    for step in range(3):
        np.testing.assert_allclose(change[:, step], inputs[:, -1, :2], atol=1e-6)


def test_without_the_calendar_the_head_reads_what_else_is_known_of_its_steps():
    """Weights of one 1 each hand single columns through: of both steps, behind the five of the calendar."""
    model, shape = config(3), Shape(4, 2, 1, 2, ahead=7)
    network, arrays = build_one(model, shape), arrays_for(model, shape)
    *recurrent, kernel, bias = network.get_weights()
    assert kernel.shape == (3 + 2 * 2, 2)
    kernel[:] = 0
    kernel[3 + 1, 0] = kernel[3 + 2, 1] = 1  # the second column of the first step, the first one of the second
    network.set_weights([*recurrent, kernel, bias])
    expected = np.stack([arrays[1][:, 0, 6], arrays[1][:, 1, 5]], axis=1)[..., None]
    np.testing.assert_allclose(network.predict_on_batch(arrays), expected, atol=1e-6)


def test_head_reads_the_calendar_of_all_steps_behind_the_readout():
    model, shape = config(3, target_calendar=True), Shape(4, 2, 1, 2)
    network = build_one(model, shape)
    kernel = np.zeros((3 + 2 * len(CALENDAR_COLUMNS), 2), np.float32)
    kernel[3:, 0] = np.arange(10)  # the first step's forecast reads the dates, the second one's nothing
    network.get_layer("output").set_weights([kernel, np.array([0.5, 7], np.float32)])
    inputs, dates = arrays_for(model, shape)
    forecast = network([inputs, dates])[..., 0]
    np.testing.assert_allclose(forecast[:, 0], dates.reshape(BATCH, 10) @ np.arange(10) + 0.5, rtol=1e-5)
    np.testing.assert_allclose(forecast[:, 1], 7)


def test_output_is_laid_out_step_by_step():
    network = build_one(config(2), Shape(3, 2, 2, 3))
    kernel, _ = network.get_layer("output").get_weights()
    network.get_layer("output").set_weights([0 * kernel, np.arange(6)])
    forecast = network(arrays_for(config(2), Shape(3, 2, 2, 3))).numpy()
    assert forecast[0].tolist() == [[0, 1], [2, 3], [4, 5]]  # [L, K]


# Initial weights


@pytest.mark.parametrize("reset_after", [True, False])
def test_gate_bias_starts_both_gates_and_leaves_the_candidate(reset_after):
    network = build_one(config(2, 3, gate_bias=1.0, reset_after=reset_after), Shape(4, 2, 1, 1))
    for number, units in ((1, 2), (2, 3)):
        bias = network.get_layer(f"gru_{number}").get_weights()[2]
        rows = np.atleast_2d(bias)
        assert rows[0].tolist() == [1.0] * (2 * units) + [0.0] * units
        assert not rows[1:].any()  # the recurrent bias of the form with two
        assert rows.shape == (2 if reset_after else 1, 3 * units)


def test_recurrent_weights_start_as_asked():
    shape = Shape(4, 2, 1, 1)
    starts = {
        name: build_one(config(3, recurrent_initialiser=name), shape).get_layer("gru_1").get_weights()[1]
        for name in ("identity", "orthogonal", "glorot")
    }
    assert np.array_equal(starts["identity"], np.hstack([np.eye(3)] * 3))
    np.testing.assert_allclose(starts["orthogonal"] @ starts["orthogonal"].T, np.eye(3), atol=1e-6)
    assert np.abs(starts["glorot"] @ starts["glorot"].T - np.eye(3)).max() > 0.1
    assert np.abs(starts["glorot"]).max() <= np.sqrt(6 / (3 + 9))


# Options


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layers": ()}, "layers"),
        ({"layers": ({"units": 0},)}, "units"),
        ({"layers": ({"units": 2, "keep_prob": 0.5},)}, "keep_prob"),
        ({"layers": ({"units": 2, "input_keep_prob": 0},)}, "input_keep_prob"),
        ({"layers": ({"units": 2, "output_keep_prob": 1.2},)}, "output_keep_prob"),
        ({"dropout": 0.2}, "dropout"),
        ({"readout": "mean"}, "'states', 'last_state', 'last_output' or 'outputs'"),
        ({"recurrent_initialiser": "zeros"}, "recurrent_initialiser"),
        ({"readout_keep_prob": 0}, "readout_keep_prob"),
        ({"regularisation_scale": -1, "tanh_layer": True}, "regularisation_scale"),
        ({"head_units": 32}, "set head = 'shared' or leave out head_units, received 'direct' and 32"),
        ({"regularisation_scale": 0.5}, r"received 0\.5 without that layer: set tanh_layer = true or regularisation"),
        (
            {"layers": ({"units": 2}, {"units": 2, "output_keep_prob": 0.5})},
            r"nothing when the readout is 'last_state': set its output_keep_prob = 1 or readout = 'last_output', "
            r"received 0\.5",
        ),
        (
            {"layers": ({"units": 2, "output_keep_prob": 0.5},), "readout": "states"},
            "nothing when the readout is 'states'",
        ),
        ({"head": "shared"}, r"target_calendar = true, received False, 'last_state' and False"),
        ({"head": "shared", "target_calendar": True, "tanh_layer": True}, r"received True, 'last_state' and True"),
        ({"head": "shared", "target_calendar": True, "readout": "outputs"}, r"received False, 'outputs' and True"),
        ({"head": "shared", "target_calendar": True, "head_units": 0}, "head_units"),
    ],
)
def test_options_that_are_unknown_or_without_effect_are_refused(options, message):
    with pytest.raises(ValidationError, match=message):
        GRUConfig.model_validate({"layers": ({"units": 2},)} | options)


def test_dropped_output_is_allowed_where_something_reads_it():
    GRUConfig(layers=(LayerConfig(units=2, output_keep_prob=0.5), LayerConfig(units=2)), readout="states")
    GRUConfig(layers=(LayerConfig(units=2, output_keep_prob=0.5),), readout="last_output")


def test_config_survives_json():
    model, _ = VARIANTS["everything"]
    assert GRUConfig.model_validate_json(model.model_dump_json()) == model
