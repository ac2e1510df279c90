"""The fast kernel computes what `keras.layers.GRU` computes: outputs, states and gradients."""

import itertools
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import example, given, settings
from hypothesis import strategies as st

from wattcast.model.network.recurrent import GRU, slide

TOLERANCE = 1e-5
FORMS = pytest.mark.parametrize("reset_after", [True, False])


class Sizes(NamedTuple):
    batch: int
    length: int
    columns: int
    units: int


SMALLEST = Sizes(1, 1, 1, 1)
sizes = st.builds(Sizes, st.integers(1, 9), st.integers(1, 7), st.integers(1, 5), st.integers(1, 6))


def normal(*shape: int, seed: int = 0, dtype: str = "float32") -> np.ndarray:
    return np.random.default_rng([seed, *shape]).normal(size=shape).astype(dtype)


def randomise(layer: keras.layers.GRU, *, seed: int = 5) -> None:
    """Every weight random, biases too: initial zeros would hide where they act."""
    draws = np.random.default_rng(seed)
    layer.set_weights([draws.normal(0, 0.7, weight.shape) for weight in layer.get_weights()])


@cache
def built(columns: int, units: int, **options: Any) -> tuple[keras.layers.GRU, GRU]:
    """Made once, as each layer compiles what it computes."""
    layers = keras.layers.GRU(units, **options), GRU(units, **options)
    for layer in layers:
        layer.build((None, None, columns))
    return layers


def pair(columns: int, units: int, **options: Any) -> tuple[keras.layers.GRU, GRU]:
    """The stock layer and ours with the same random weights."""
    stock, fast = built(columns, units, **options)
    for layer in (stock, fast):
        randomise(layer)
    return stock, fast


def assert_same(actual: Any, expected: Any) -> None:
    """To a share of the largest value."""
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.shape == expected.shape
    assert actual.dtype == expected.dtype
    assert np.isfinite(expected).all()
    assert np.abs(actual - expected).max() <= TOLERANCE * np.abs(expected).max()


def results_and_gradients(layers: list[keras.layers.GRU], inputs: tf.Tensor, states: list[Any]) -> tuple[list, list]:
    """All that a chain of layers gives, and the gradients of a sum of it in which each value has another weight.

    All layers but the last give sequences to the next one; a state that is `None` is left to the layer.
    """
    given = [state for state in states if state is not None]
    with tf.GradientTape() as tape:
        tape.watch([inputs, *given])
        results, sequence = [], inputs
        for layer, state in zip(layers, states, strict=True):
            result = layer(sequence) if state is None else layer(sequence, initial_state=state)
            result = result if isinstance(result, list | tuple) else [result]
            sequence = result[0]
            results += result
        loss = tf.add_n([tf.reduce_sum(value * normal(*value.shape, seed=i)) for i, value in enumerate(results)])
    weights = [weight.value for layer in layers for weight in layer.trainable_variables]
    return results, tape.gradient(loss, [inputs, *given, *weights])


def assert_equal_layers(stock: list[Any], fast: list[Any], inputs: np.ndarray, states: list[Any]) -> None:
    constants = [None if state is None else tf.constant(state) for state in states]
    expected, actual = (results_and_gradients(layers, tf.constant(inputs), constants) for layers in (stock, fast))
    for mine, theirs in zip(itertools.chain(*actual), itertools.chain(*expected), strict=True):
        assert_same(mine, theirs)


# The stock layer


@given(
    size=sizes,
    reset_after=st.booleans(),
    initial=st.booleans(),
    sequences=st.booleans(),
    newest=st.booleans(),
)
@example(size=SMALLEST, reset_after=True, initial=False, sequences=True, newest=True)
@example(size=SMALLEST, reset_after=False, initial=True, sequences=True, newest=True)
@example(size=Sizes(3, 1, 2, 4), reset_after=True, initial=True, sequences=False, newest=True)
@example(size=Sizes(1, 5, 2, 3), reset_after=False, initial=False, sequences=True, newest=False)
@settings(max_examples=3)  # each is compiled
def test_outputs_states_and_gradients_are_the_stock_layers(size, reset_after, initial, sequences, newest):
    options = {"reset_after": reset_after, "return_sequences": sequences, "return_state": newest}
    stock, fast = pair(size.columns, size.units, **options)
    state = normal(size.batch, size.units, seed=1) if initial else None
    assert_equal_layers([stock], [fast], normal(size.batch, size.length, size.columns), [state])


@pytest.mark.parametrize(("units", "reset_after", "initial"), [((3, 2), True, False), ((3, 4), False, True)])
def test_stacked_layers_are_the_stock_ones(units, reset_after, initial):
    widths = itertools.pairwise([2, *units])
    pairs = [
        pair(columns, own, reset_after=reset_after, return_sequences=True, return_state=True) for columns, own in widths
    ]
    stock, fast = map(list, zip(*pairs, strict=True))
    states = [normal(4, own, seed=own) if initial else None for own in units]
    assert_equal_layers(stock, fast, normal(4, 5, 2), states)


@FORMS
def test_the_size_that_is_trained_is_the_stock_layers_too(reset_after):
    """Sums over many windows and steps stay within the tolerance."""
    stock, fast = pair(28, 32, reset_after=reset_after, return_sequences=True)
    for layer in (stock, fast):
        layer.set_weights([weight / 4 for weight in layer.get_weights()])
    assert_equal_layers([stock], [fast], normal(256, 36, 28), [None])


@FORMS
def test_a_single_state_may_come_in_a_list_as_in_keras(reset_after):
    stock, fast = pair(2, 3, reset_after=reset_after)
    inputs, state = normal(4, 5, 2), normal(4, 3)
    expected = stock(inputs, initial_state=[state])
    for form in ([state], (tf.constant(state),), state):
        assert_same(fast(inputs, initial_state=form), expected)


@FORMS
def test_saturated_gates_give_the_stock_layers_outputs_and_no_nan(reset_after):
    """Their gradients are what rounding leaves of `1 - tanh^2`, so that only their size can be compared."""
    stock, fast = pair(2, 3, reset_after=reset_after, return_sequences=True, return_state=True)
    inputs = tf.constant(300 * normal(4, 5, 2))
    (expected, *_), theirs = results_and_gradients([stock], inputs, [None])
    (actual, *_), mine = results_and_gradients([fast], inputs, [None])
    assert_same(actual, expected)
    for gradient, other in zip(mine, theirs, strict=True):
        np.testing.assert_allclose(gradient, other, rtol=1e-3, atol=1e-6)


# Numerical differentiation


@FORMS
@pytest.mark.parametrize("size", [SMALLEST, Sizes(2, 3, 2, 3)], ids=str)
def test_gradients_agree_with_numerical_differentiation(reset_after, size):
    layer = GRU(size.units, reset_after=reset_after, return_sequences=True, return_state=True, dtype="float64")
    layer.build((None, None, size.columns))
    randomise(layer)
    arrays = [
        normal(size.batch, size.length, size.columns, dtype="float64"),
        normal(size.batch, size.units, dtype="float64"),
        *layer.get_weights(),
    ]
    factors = [
        normal(size.batch, size.length, size.units, seed=1, dtype="float64"),
        normal(size.batch, size.units, seed=2, dtype="float64"),
    ]
    unused = [tf.zeros(variable.shape, variable.dtype) for variable in layer.non_trainable_variables]

    @tf.function(jit_compile=True)
    def loss(inputs: tf.Tensor, initial: tf.Tensor, *weights: tf.Tensor) -> tf.Tensor:
        results, _ = layer.stateless_call(weights, unused, inputs, initial_state=initial)
        return tf.add_n([tf.reduce_sum(result * factor) for result, factor in zip(results, factors, strict=True)])

    tensors = [tf.constant(array) for array in arrays]
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        value = loss(*tensors)
    assert value.dtype == tf.float64
    nudge = 1e-6
    for which, analytic in enumerate(tape.gradient(value, tensors)):
        numeric = np.zeros_like(arrays[which])
        for place in np.ndindex(numeric.shape):
            values = []
            for sign in (1, -1):
                moved = arrays[which].copy()
                moved[place] += sign * nudge
                values.append(loss(*tensors[:which], tf.constant(moved), *tensors[which + 1 :]).numpy())
            numeric[place] = (values[0] - values[1]) / (2 * nudge)
        np.testing.assert_allclose(analytic, numeric, rtol=1e-6, atol=1e-8)


# Weights


@FORMS
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"recurrent_initializer": "glorot_uniform"},
        {"kernel_initializer": "he_normal", "bias_initializer": "random_normal", "recurrent_initializer": "identity"},
        {"recurrent_initializer": keras.initializers.RandomUniform(seed=4)},
    ],
    ids=["default", "glorot", "others", "object"],
)
def test_weights_start_as_the_stock_layers_do(reset_after, options):
    layers = []
    for kind in (keras.layers.GRU, GRU):
        keras.utils.set_random_seed(12)
        units = 1 if options.get("recurrent_initializer") == "identity" else 3  # Keras' own wants a square matrix
        layer = kind(units, reset_after=reset_after, name="gru", **options)
        layer.build((None, 4, 2))
        layers.append(layer)
    stock, fast = layers
    assert [weight.path for weight in fast.weights] == [weight.path for weight in stock.weights]
    assert [weight.shape for weight in fast.weights] == [weight.shape for weight in stock.weights]
    for mine, theirs in zip(fast.get_weights(), stock.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)


@FORMS
def test_weights_move_both_ways(reset_after):
    stock, fast = pair(2, 3, reset_after=reset_after)
    inputs = normal(4, 5, 2)
    randomise(stock, seed=8)
    fast.set_weights(stock.get_weights())
    assert_same(fast(inputs), stock(inputs))
    randomise(fast, seed=9)
    assert np.abs(fast(inputs) - stock(inputs)).max() > 0.01
    stock.set_weights(fast.get_weights())
    assert_same(fast(inputs), stock(inputs))


def test_the_layer_is_made_anew_from_its_configuration():
    _, fast = pair(2, 3, reset_after=False, return_sequences=True, return_state=True)
    again = GRU.from_config(fast.get_config())
    again.build((None, 5, 2))
    again.set_weights(fast.get_weights())
    for mine, theirs in zip(again(normal(4, 5, 2)), fast(normal(4, 5, 2)), strict=True):
        np.testing.assert_array_equal(mine, theirs)


# Inside Keras and TensorFlow


def sequential(kind: type[keras.layers.GRU], reset_after: bool) -> keras.Model:
    options = {"reset_after": reset_after}
    layers = [kind(3, return_sequences=True, **options), keras.layers.Dropout(0.0), kind(2, **options)]
    return keras.Sequential([keras.Input((5, 2)), *layers, keras.layers.Dense(1)])


def functional(kind: type[keras.layers.GRU], reset_after: bool) -> keras.Model:
    source, start = keras.Input((5, 2)), keras.Input((3,))
    first = kind(3, return_sequences=True, return_state=True, reset_after=reset_after)
    sequence, state = first(source, initial_state=start)
    newest = kind(3, reset_after=reset_after)(sequence, initial_state=state)
    return keras.Model([source, start], keras.layers.Dense(1)(newest))


@pytest.mark.parametrize(("make", "reset_after"), [(sequential, False), (functional, True)])
def test_a_keras_model_works_with_it_eagerly_compiled_and_in_predict(make, reset_after):
    stock, fast = (make(kind, reset_after) for kind in (keras.layers.GRU, GRU))
    fast.set_weights(stock.get_weights())
    arrays = [normal(4, *source.shape[1:]) for source in stock.inputs]
    arrays = arrays if len(arrays) > 1 else arrays[0]
    expected = stock(arrays)
    for forecast in (fast(arrays), tf.function(fast, jit_compile=True)(arrays), fast.predict_on_batch(arrays)):
        assert_same(forecast, expected)


@pytest.fixture
def op_determinism_off() -> Iterator[None]:
    """Trainings of other tests in this process may have switched it on, and Keras compiles nothing with XLA then."""
    from tensorflow.python.framework import config

    was_on = config.is_op_determinism_enabled()
    config.disable_op_determinism()
    yield
    if was_on:
        config.enable_op_determinism()


@pytest.mark.usefixtures("op_determinism_off")
def test_a_keras_model_of_it_trains_as_one_of_stock_layers_does():
    stock, fast = (sequential(kind, True) for kind in (keras.layers.GRU, GRU))
    fast.set_weights(stock.get_weights())
    for model in (stock, fast):
        model.compile(optimizer=keras.optimizers.SGD(0.5), loss="mse", jit_compile=model is fast)
        model.fit(normal(30, 5, 2), normal(30, 1), batch_size=10, epochs=3, shuffle=False, verbose=0)
    for mine, theirs in zip(fast.get_weights(), stock.get_weights(), strict=True):
        assert_same(mine, theirs)


def test_regularisers_of_the_weights_act_as_in_the_stock_layer():
    options = {"kernel_regularizer": keras.regularizers.L2(0.1), "recurrent_regularizer": keras.regularizers.L1(0.2)}
    stock, fast = pair(2, 3, **options)
    assert float(tf.add_n(fast.losses)) == pytest.approx(float(tf.add_n(stock.losses)), rel=1e-6)
    assert float(tf.add_n(stock.losses)) > 0


def test_nothing_that_was_given_is_changed():
    _, fast = pair(2, 3, reset_after=True, return_sequences=True, return_state=True)
    inputs, state = normal(4, 5, 2), normal(4, 3)
    arrays = [inputs, state, *fast.get_weights()]
    before = [array.tobytes() for array in arrays]
    results_and_gradients([fast], tf.constant(inputs), [tf.constant(state)])
    fast(inputs, initial_state=state)
    assert [array.tobytes() for array in (inputs, state, *fast.get_weights())] == before


# Options that it has no code for


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"activation": "relu"}, "activation='relu'"),
        ({"activation": None}, "activation='linear'"),
        ({"recurrent_activation": "hard_sigmoid"}, "recurrent_activation='hard_sigmoid'"),
        ({"use_bias": False}, "use_bias=False"),
        ({"dropout": 0.2}, "dropout=0.2"),
        ({"recurrent_dropout": 0.3}, "recurrent_dropout=0.3"),
        ({"go_backwards": True}, "go_backwards=True"),
        ({"stateful": True}, "stateful=True"),
        ({"dropout": 0.2, "use_bias": False}, "use_bias=False, dropout=0.2"),
    ],
    ids=str,
)
def test_options_without_code_are_refused_by_name(options, named):
    with pytest.raises(ValueError, match=rf"no code for {named}: use keras\.layers\.GRU"):
        GRU(3, **options)


def test_the_options_that_it_has_code_for_may_be_told_in_words_or_not():
    GRU(3, activation=keras.activations.tanh, recurrent_activation="sigmoid", use_bias=True, dropout=0, unroll=False)


def test_a_mask_with_an_initial_state_is_refused():
    _, fast = pair(2, 3)
    with pytest.raises(ValueError, match=r"no code for a mask with an initial state: use keras\.layers\.GRU"):
        fast(normal(4, 5, 2), initial_state=normal(4, 3), mask=np.ones((4, 5), bool))


# Masks: a step that does not count changes no state

STEPS, LENGTHS = 6, (6, 1, 4, 2)
IN_FRONT = np.arange(STEPS) >= STEPS - np.array(LENGTHS)[:, None]  # [B, T]


def masked(
    layers: list[keras.layers.RNN],
    inputs: np.ndarray,
    mask: np.ndarray | None = None,
    factors: np.ndarray | None = None,
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """What a chain of layers gives, and the gradients of a sum of it, in which `factors [B, T]` weight the states."""
    sequence = given = tf.constant(inputs)
    factors = np.ones(inputs.shape[:2], np.float32) if factors is None else factors
    with tf.GradientTape() as tape:
        tape.watch(given)
        results = []
        for layer in layers:
            sequence, newest = layer(sequence, mask=mask)
            results += [sequence, newest]
        parts = [tf.reduce_sum(states * factors[..., None] * normal(states.shape[-1])) for states in results[::2]]
        loss = tf.add_n([*parts, *(tf.reduce_sum(newest**2) for newest in results[1::2])])
    weights = [weight.value for layer in layers for weight in layer.trainable_variables]
    slopes = tape.gradient(loss, [given, *weights])
    return [result.numpy() for result in results], [slope.numpy() for slope in slopes]


def chain(kind: str, reset_after: bool) -> list[keras.layers.RNN]:
    """Two layers of 3 and 4 units; those of stock cells are what is saved where histories may be short."""
    options = {"return_sequences": True, "return_state": True}
    if kind != "stock cells":
        pairs = [pair(columns, own, reset_after=reset_after, **options) for columns, own in ((2, 3), (3, 4))]
        return [layers[kind == "fast"] for layers in pairs]
    layers = [keras.layers.RNN(keras.layers.GRUCell(own, reset_after=reset_after), **options) for own in (3, 4)]
    for layer, columns in zip(layers, (2, 3), strict=True):
        layer.build((None, STEPS, columns))
        randomise(layer)
    return layers


@FORMS
@pytest.mark.parametrize("kind", ["fast", "stock", "stock cells"])
def test_padded_steps_change_neither_states_nor_outputs_nor_gradients(kind, reset_after):
    """Two layers on sequences of four lengths, beside each of them run alone, without what was put before it."""
    layers = chain(kind, reset_after)
    inputs, factors = normal(len(LENGTHS), STEPS, 2), normal(len(LENGTHS), STEPS, seed=3)
    padded = np.where(IN_FRONT[..., None], inputs, 1e3).astype(np.float32)
    results, slopes = masked(layers, padded, IN_FRONT, factors)
    sums = [np.zeros_like(slope) for slope in slopes[1:]]
    for place, length in enumerate(LENGTHS):
        alone = slice(place, place + 1), slice(STEPS - length, None)
        expected, own = masked(layers, inputs[alone], factors=factors[alone])
        for states, theirs in zip(results[::2], expected[::2], strict=True):
            assert_same(states[alone], theirs)
            assert not states[place, : STEPS - length].any()
        for newest, theirs in zip(results[1::2], expected[1::2], strict=True):
            assert_same(newest[place : place + 1], theirs)
        np.testing.assert_allclose(slopes[0][alone], own[0], rtol=1e-4, atol=1e-5)
        assert not slopes[0][place, : STEPS - length].any()
        sums = [total + slope for total, slope in zip(sums, own[1:], strict=True)]
    for mine, theirs in zip(slopes[1:], sums, strict=True):
        assert_same(mine, theirs.astype(np.float32))


@FORMS
def test_what_stands_in_a_padded_step_reaches_nothing(reset_after):
    layers = chain("fast", reset_after)
    inputs = normal(len(LENGTHS), STEPS, 2)
    given = [np.where(IN_FRONT[..., None], inputs, other).astype(np.float32) for other in (0, -7, 1e6)]
    one, *others = [tf.nest.flatten(masked(layers, padded, IN_FRONT)) for padded in given]
    for other in others:
        assert [array.tobytes() for array in other] == [array.tobytes() for array in one]


@FORMS
@given(data=st.data())
@settings(max_examples=5)
def test_any_mask_is_the_stock_layers(reset_after, data):
    mask = np.array(data.draw(st.lists(st.lists(st.booleans(), min_size=5, max_size=5), min_size=3, max_size=3)))
    inputs = normal(3, 5, 2)
    expected, actual = (tf.nest.flatten(masked(chain(kind, reset_after), inputs, mask)) for kind in ("stock", "fast"))
    for mine, theirs in zip(actual, expected, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-5)


def test_a_mask_comes_through_keras_own_masking_layer():
    padded = np.where(IN_FRONT[..., None], normal(len(LENGTHS), STEPS, 2), 0).astype(np.float32)
    stock, fast = pair(2, 3)
    expected, actual = (
        keras.Sequential([keras.Input((STEPS, 2)), keras.layers.Masking(), layer])(padded) for layer in (stock, fast)
    )
    assert_same(actual, expected)


# Windows over a series


def by_hand(layer: keras.layers.GRU, rows: np.ndarray, steps: int, mask: np.ndarray | None = None) -> list[Any]:
    """The stock layer over windows that are cut out one by one."""
    return layer(np.stack([rows[first : first + steps] for first in range(len(rows) - steps + 1)]), mask=mask)


@FORMS
@given(size=sizes)
@example(size=SMALLEST)
@example(size=Sizes(1, 6, 2, 3))
@example(size=Sizes(9, 1, 2, 3))
@settings(max_examples=3)  # each is compiled
def test_sliding_over_rows_is_the_stock_layer_over_windows(reset_after, size):
    stock, _ = pair(size.columns, size.units, reset_after=reset_after, return_sequences=True, return_state=True)
    rows = normal(size.batch + size.length - 1, size.columns)
    weights = tuple(map(tf.constant, stock.get_weights()))

    @tf.function(jit_compile=True)
    def compiled(rows: tf.Tensor, *weights: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return slide(rows, weights, steps=size.length, reset_after=reset_after)

    before = rows.tobytes()
    states, newest = compiled(tf.constant(rows), *weights)
    assert states.shape == (size.batch, size.length, size.units)
    for mine, theirs in zip((states, newest), by_hand(stock, rows, size.length), strict=True):
        assert_same(mine, theirs)
    assert rows.tobytes() == before


@FORMS
def test_sliding_needs_no_compiler(reset_after):
    stock, _ = pair(2, 3, reset_after=reset_after, return_sequences=True, return_state=True)
    rows = normal(9, 2)
    sliding = slide(tf.constant(rows), tuple(map(tf.constant, stock.get_weights())), steps=4, reset_after=reset_after)
    for mine, theirs in zip(sliding, by_hand(stock, rows, 4), strict=True):
        assert_same(mine, theirs)


@FORMS
@pytest.mark.parametrize("compiled", [True, False])
def test_sliding_over_rows_with_a_mask_is_the_stock_layer_with_it(reset_after, compiled):
    stock, _ = pair(2, 3, reset_after=reset_after, return_sequences=True, return_state=True)
    rows, weights = normal(9, 2), tuple(map(tf.constant, stock.get_weights()))
    rows[:2] = 1e3  # of which the third window and those behind it know nothing
    mask = np.arange(STEPS) >= np.array([2, 1, 5, 0])[:, None]

    def sliding(rows: tf.Tensor, mask: tf.Tensor, *weights: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return slide(rows, weights, steps=STEPS, reset_after=reset_after, mask=mask)

    run = tf.function(sliding, jit_compile=True) if compiled else sliding
    actual = run(tf.constant(rows), tf.constant(mask), *weights)
    for mine, theirs in zip(actual, by_hand(stock, rows, STEPS, mask), strict=True):
        assert_same(mine, theirs)
