"""The compiled epoch: Keras' own losses and updates, with inputs for all that a trial may change."""

import gc
import weakref
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache, partial
from itertools import product
from threading import Lock
from time import perf_counter, sleep
from typing import Any, NamedTuple

import keras
import numpy as np
import pytest
import tensorflow as tf
from tracing import count_traces

from wattcast.model.gru import GRUConfig, LayerConfig, Shape, structure
from wattcast.model.network.build import build, initial_weights
from wattcast.model.network.compiled import compiled_once
from wattcast.model.network.program import (
    Knobs,
    Pass,
    Plan,
    Resident,
    State,
    Work,
    compile_epoch,
    learning_rate,
    mask,
    mean_loss,
)

ROWS, BATCH, ROOM = 40, 5, 4
NETWORK = GRUConfig(layers=(LayerConfig(units=3),), tanh_layer=True, residual=True, target_calendar=True)
SHAPE = Shape(lookback=4, inputs=3, targets=2, output_length=2, ahead=7)
OFFSET = SHAPE.lookback + 1  # two steps ahead
PLAN = Plan(NETWORK, SHAPE, OFFSET, "mse", "sgd", BATCH, dropout=False, kernel="fast", lanes=1)
KNOBS = Knobs(
    learning_rate=np.float32(0.2),
    decay_steps=np.int64(1000),
    decay_rate=np.float32(1),
    clip_norm=np.float32(0),
    regularisation_scale=np.float32(0),
    keep_probs=np.ones(3, np.float32),
)
CHANGES: dict[str, dict[str, Any]] = {
    "plain": {},
    "another rate": {"learning_rate": np.float32(0.3)},
    "decay": {"decay_steps": np.int64(2), "decay_rate": np.float32(0.3)},
    "clipped": {"clip_norm": np.float32(0.5)},
    "short enough": {"clip_norm": np.float32(1000)},
    "penalty": {"regularisation_scale": np.float32(0.7)},
}
CHANGES["all"] = {**CHANGES["another rate"], **CHANGES["decay"], **CHANGES["clipped"], **CHANGES["penalty"]}
STARTS = np.random.default_rng(3).permutation(ROWS - OFFSET - SHAPE.output_length + 1)[:13]  # batches of 5, 5 and 3


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng([seed, *shape]).normal(size=shape).astype(np.float32)


SERIES = Resident(normal(ROWS, SHAPE.inputs), 2 * normal(ROWS, SHAPE.targets), normal(ROWS, SHAPE.ahead))
WEIGHTS = initial_weights(NETWORK, SHAPE, seed=1)


def work(plan: Plan, starts: np.ndarray, *, behind: int = 0, seed: tuple[int, int] = (5, 6)) -> Work:
    """An epoch's windows, a batch a row; `behind` stands in the places that are left over."""
    batches = np.full((ROOM, plan.lanes * plan.share), behind, np.int32)
    for row, first in enumerate(range(0, len(starts), plan.batch_size)):
        batch = starts[first : first + plan.batch_size]
        batches[row, : len(batch)] = batch
    return Work(batches, np.int32(len(starts)), np.array(seed, np.int32))


def run(plan: Plan, *, epochs: int = 1, starts: np.ndarray = STARTS, **changes: Any) -> Pass:
    """The last of some epochs from `WEIGHTS`."""
    state = State.start(plan, initial_weights(plan.model, plan.shape, seed=1))
    for _ in range(epochs):
        done = compile_epoch(plan)(SERIES, state, KNOBS._replace(**changes), work(plan, starts))
        state = done.state
    return done


class Trained(NamedTuple):
    """What Keras' own layers, losses and optimisers come to."""

    weights: list[np.ndarray]
    losses: list[float]
    penalties: list[float]
    forecasts: list[np.ndarray]


LOSSES = {
    "mse": keras.losses.MeanSquaredError,
    "mae": keras.losses.MeanAbsoluteError,
    "huber": keras.losses.Huber,
}


def trained_by_keras(plan: Plan, knobs: Knobs, *, epochs: int) -> Trained:
    config = NETWORK.model_copy(update={"regularisation_scale": float(knobs.regularisation_scale)})
    network, loss = build(config, SHAPE, [WEIGHTS]), LOSSES[plan.loss]()
    rate = keras.optimizers.schedules.ExponentialDecay(
        float(knobs.learning_rate), int(knobs.decay_steps), float(knobs.decay_rate), staircase=True
    )
    kind = {"adam": keras.optimizers.Adam, "sgd": keras.optimizers.SGD}[plan.optimiser]
    optimiser = kind(rate, global_clipnorm=float(knobs.clip_norm) or None)
    for _ in range(epochs):
        losses, penalties, forecasts = [], [], []
        for first in range(0, len(STARTS), BATCH):
            starts = STARTS[first : first + BATCH]
            rows = starts[:, None] + OFFSET + np.arange(SHAPE.output_length)
            readings = SERIES.inputs[starts[:, None] + np.arange(SHAPE.lookback)]
            weighing = np.arange(1.0, 1 + SHAPE.output_length) ** -plan.fading
            weighing = np.broadcast_to(weighing / weighing.mean(), rows.shape)
            with tf.GradientTape() as tape:
                forecast = network([readings, SERIES.ahead[rows]], training=True)
                penalty = tf.add_n(network.losses)
                total = loss(SERIES.targets[rows], forecast, sample_weight=weighing) + penalty
            slopes = tape.gradient(total, network.trainable_variables)
            optimiser.apply(slopes, network.trainable_variables)
            losses.append(float(total))
            penalties.append(float(penalty))
            forecasts.append(forecast.numpy())
    return Trained(network.get_weights(), losses, penalties, forecasts)


def assert_same(actual: Sequence[Any], expected: Sequence[Any], tolerance: float = 1e-5) -> None:
    """Array by array, to a share of its largest value."""
    for mine, theirs in zip(actual, expected, strict=True):
        assert mine.shape == theirs.shape
        assert np.abs(np.subtract(mine, theirs)).max() <= tolerance * np.abs(theirs).max()


def bits(done: Pass) -> list[bytes]:
    return [np.asarray(array).tobytes() for array in (*done.state.weights, done.losses, done.forecasts)]


# Keras' losses and updates


@pytest.mark.parametrize(
    ("optimiser", "loss", "change", "fading"),
    [
        *product(["sgd"], ["mse"], CHANGES, [0.0]),
        *product(["adam"], ["huber"], CHANGES, [0.0]),
        ("sgd", "mae", "all", 0.0),
        ("sgd", "mse", "all", 1.0),
    ],
)
def test_losses_and_updates_are_keras_own(optimiser, loss, change, fading):
    """Six updates, the third and the sixth over fewer windows than the others."""
    plan = replace(PLAN, optimiser=optimiser, loss=loss, fading=fading)
    expected = trained_by_keras(plan, KNOBS._replace(**CHANGES[change]), epochs=2)
    done = run(plan, epochs=2, **CHANGES[change])
    assert int(done.state.step) == 6
    assert_same([w.numpy() for w in done.state.weights], expected.weights)
    assert done.losses.numpy()[:3, 0].tolist() == pytest.approx(expected.losses, rel=1e-5)
    assert done.losses.numpy()[:3, 1].tolist() == pytest.approx(expected.penalties, rel=1e-5)
    for mine, theirs in zip(done.forecasts.numpy(), expected.forecasts, strict=False):
        assert_same([mine[: len(theirs)]], [theirs])
    moved, expected_moves = (
        [np.subtract(end, start) for end, start in zip(ends, WEIGHTS, strict=True)]
        for ends in (done.state.weights, expected.weights)
    )
    assert_same(moved, expected_moves, 1e-4)
    assert min(np.abs(move).max() for move in expected_moves) > 5e-4


def test_knobs_matter():
    """Else the test above would not tell their values apart."""
    ends = {
        name: np.concatenate([w.numpy().ravel() for w in run(PLAN, **CHANGES[name]).state.weights]) for name in CHANGES
    }
    for name in set(CHANGES) - {"plain", "short enough"}:
        assert np.abs(ends[name] - ends["plain"]).max() > 1e-3, name
    np.testing.assert_array_equal(ends["short enough"], ends["plain"])


@pytest.mark.parametrize("name", LOSSES)
def test_the_loss_of_validation_is_keras_own(name):
    truth, forecast = 2 * normal(6, 3, 2), normal(6, 3, 2, seed=1)
    assert np.abs(forecast - truth).min() < 1 < np.abs(forecast - truth).max()  # both branches of huber
    assert mean_loss(name, forecast - truth, fading=0) == pytest.approx(
        float(LOSSES[name]()(truth, forecast)), rel=1e-6
    )
    weighing = np.broadcast_to(np.array([18, 9, 6]) / 11, (6, 3))  # 1, 1/2 and 1/3, of mean 1
    faded = float(LOSSES[name]()(truth, forecast, sample_weight=weighing))
    assert mean_loss(name, forecast - truth, fading=1) == pytest.approx(faded, rel=1e-6)


def test_learning_rate_falls_in_the_steps_of_keras_schedule():
    knobs = KNOBS._replace(**{name: tf.constant(value) for name, value in CHANGES["decay"].items()})
    schedule = keras.optimizers.schedules.ExponentialDecay(0.2, 2, 0.3, staircase=True)
    given = [float(learning_rate(knobs, tf.constant(step, tf.int64))) for step in range(7)]
    assert given == pytest.approx([float(schedule(step)) for step in range(7)], rel=1e-6)
    assert given == pytest.approx([0.2, 0.2, 0.06, 0.06, 0.018, 0.018, 0.0054], rel=1e-6)


# The two kernels, and lanes


@pytest.mark.parametrize("reset_after", [True, False])
def test_stock_layers_lead_to_the_same_weights(reset_after):
    model = NETWORK.model_copy(update={"reset_after": reset_after})
    plan = replace(PLAN, model=model, optimiser="adam", loss="huber")
    fast, stock = (run(replace(plan, kernel=kernel), epochs=5) for kernel in ("fast", "keras"))
    assert_same(fast.state.weights, stock.state.weights, 1e-4)
    assert_same([fast.forecasts], [stock.forecasts], 1e-4)


def test_lanes_together_make_the_updates_of_one():
    """Five windows are cut into unequal parts, and the last batch leaves a lane without any."""
    changes = {"clip_norm": np.float32(0.2), "regularisation_scale": np.float32(0.7)}
    one, several = (run(replace(PLAN, lanes=count), epochs=2, **changes) for count in (1, 3))
    assert_same(several.state.weights, one.state.weights)
    assert_same([several.losses[:3]], [one.losses[:3]])
    for row, count in enumerate((5, 5, 3)):
        assert_same([several.forecasts[row, :count]], [one.forecasts[row, :count]])


# The windows of an epoch


@pytest.mark.parametrize("lanes", [1, 3])
def test_what_stands_behind_the_last_window_is_not_looked_at(lanes):
    plan = replace(PLAN, lanes=lanes)
    state = State.start(plan, WEIGHTS)
    one, other = (
        compile_epoch(plan)(SERIES, state, KNOBS, work(plan, STARTS, behind=behind)) for behind in (0, STARTS[0])
    )
    assert [w.numpy().tobytes() for w in one.state.weights] == [w.numpy().tobytes() for w in other.state.weights]
    assert one.losses.numpy().tobytes() == other.losses.numpy().tobytes()
    for row, count in enumerate((5, 5, 3)):
        assert one.forecasts[row, :count].numpy().tobytes() == other.forecasts[row, :count].numpy().tobytes()


def test_rows_behind_the_last_update_are_zeros():
    done = run(PLAN)
    assert done.forecasts.shape == (ROOM, BATCH, SHAPE.output_length, SHAPE.targets)
    assert done.losses.numpy()[:3].all(axis=1).tolist() == [False] * 3  # no penalty
    assert (done.losses.numpy()[:3, 0] > 0).all()
    assert not done.losses.numpy()[3:].any()
    assert not done.forecasts.numpy()[3:].any()


def test_an_epoch_may_be_a_single_window():
    done = run(PLAN, starts=STARTS[:1])
    assert int(done.state.step) == 1
    alone = run(PLAN, starts=STARTS[:2])
    assert done.losses[0, 0] != alone.losses[0, 0]
    rows = STARTS[0] + OFFSET + np.arange(SHAPE.output_length)
    assert float(done.losses[0, 0]) == pytest.approx(
        float(np.mean((done.forecasts.numpy()[0, 0] - SERIES.targets[rows]) ** 2)), rel=1e-5
    )


def test_nothing_that_was_given_is_changed():
    state, given = State.start(PLAN, WEIGHTS), work(PLAN, STARTS)
    arrays = tf.nest.flatten([SERIES, state.weights, KNOBS, given])
    before = [array.tobytes() for array in arrays]
    compile_epoch(PLAN)(SERIES, state, KNOBS, given)
    assert [array.tobytes() for array in arrays] == before


# Short histories

PADDED = replace(PLAN, shape=replace(SHAPE, padded=True))


def padded_work(plan: Plan, starts: np.ndarray, lengths: np.ndarray) -> Work:
    """As `work`, with the length of each history; places that are left over hold the first window."""
    given = work(plan, starts, behind=starts[0])
    return given._replace(lengths=work(plan, lengths, behind=lengths[0]).starts)


def epoch_of(plan: Plan, given: Work, series: Resident = SERIES) -> Pass:
    return compile_epoch(plan)(series, State.start(plan, WEIGHTS), KNOBS, given)


@pytest.mark.parametrize("kernel", ["fast", "keras"])
def test_whole_histories_train_as_where_none_may_be_short(kernel):
    plain, padded = (replace(plan, kernel=kernel) for plan in (PLAN, PADDED))
    whole = np.full(len(STARTS), SHAPE.lookback)
    expected, done = epoch_of(plain, work(plain, STARTS)), epoch_of(padded, padded_work(padded, STARTS, whole))
    assert_same(done.state.weights, expected.state.weights)
    assert_same([done.losses[:3]], [expected.losses[:3]])


@pytest.mark.parametrize(("kernel", "lanes"), [("fast", 1), ("fast", 2), ("keras", 1)])
def test_short_histories_train_as_those_of_a_shorter_lookback(kernel, lanes):
    """And nothing is read of what lies before them: there stands no number."""
    padded = replace(PADDED, kernel=kernel, lanes=lanes)
    shorter = replace(PLAN, shape=replace(SHAPE, lookback=2), target_offset=OFFSET - 2, kernel=kernel, lanes=lanes)
    starts = np.arange(0, ROWS - 8, 6)
    given = padded_work(padded, starts - 2, np.full(len(starts), 2))
    inputs = SERIES.inputs.copy()
    inputs[np.setdiff1d(np.arange(ROWS), starts[:, None] + np.arange(2))] = np.nan
    done = epoch_of(padded, given, SERIES._replace(inputs=inputs))
    expected = epoch_of(shorter, work(shorter, starts))
    assert_same(done.state.weights, expected.state.weights)
    assert_same([done.losses[:2]], [expected.losses[:2]])
    moved = np.subtract(done.state.weights[0], WEIGHTS[0])
    assert np.abs(moved).max() > 1e-3


def test_histories_of_other_lengths_trace_nothing(monkeypatch):
    lengths = np.arange(len(STARTS)) % SHAPE.lookback + 1
    epoch_of(PADDED, padded_work(PADDED, STARTS, lengths))
    traced = count_traces(monkeypatch)
    epoch_of(PADDED, padded_work(PADDED, STARTS, lengths[::-1]))
    assert traced == []


# Dropout

DROPPED = GRUConfig(layers=(LayerConfig(units=8), LayerConfig(units=16)))
DROPPED_SHAPE = Shape(lookback=5, inputs=4, targets=1, output_length=1)
DROPPING = Plan(DROPPED, DROPPED_SHAPE, DROPPED_SHAPE.lookback, "mse", "sgd", 6, dropout=True, kernel="fast", lanes=2)
ALIKE = Resident(np.ones((ROWS, 4), np.float32), np.ones((ROWS, 1), np.float32), np.ones((ROWS, 5), np.float32))


def forecasts(seed: tuple[int, int], keep_probs: Sequence[float], plan: Plan = DROPPING) -> np.ndarray:
    """`[12]` for windows that are all alike, by a network that learns nothing; two lanes, two updates."""
    state = State.start(plan, initial_weights(DROPPED, DROPPED_SHAPE, seed=1))
    knobs = KNOBS._replace(learning_rate=np.float32(0), keep_probs=np.array(keep_probs, np.float32))
    done = compile_epoch(plan)(ALIKE, state, knobs, work(plan, np.arange(12), seed=seed))
    return done.forecasts.numpy()[:2].ravel()


@pytest.mark.parametrize("place", [0, 1, 2, 4], ids=["input 1", "output 1", "input 2", "readout"])
def test_masks_are_fresh_for_each_window_lane_update_and_epoch_and_the_same_for_the_same_seed(place):
    keep_probs = [0.5 if place == other else 1.0 for other in range(5)]
    first, again, next_epoch = (forecasts(seed, keep_probs) for seed in ((7, 8), (7, 8), (9, 10)))
    assert first.tobytes() == again.tobytes()
    assert len({*first.tolist(), *next_epoch.tolist()}) == 24


def test_a_keep_probability_of_one_keeps_all():
    kept = forecasts((7, 8), [1.0] * 5)
    assert len(set(kept.tolist())) == 1
    plain = forecasts((7, 8), [1.0] * 5, replace(DROPPING, dropout=False, kernel="keras"))
    np.testing.assert_allclose(kept, plain, rtol=1e-5)


@cache
def drawing(compiled: bool) -> Any:
    """Masks of 300 x 40; what a compiled program draws is drawn only by one."""
    draw = partial(mask, (300, 40), compiled=compiled)
    return tf.function(draw, jit_compile=True) if compiled else draw


def drawn(compiled: bool, keep_prob: float, seed: tuple[int, int] = (3, 4), place: int = 0) -> np.ndarray:
    return drawing(compiled)(tf.constant(keep_prob), tf.constant(seed), tf.constant(place)).numpy()


BOTH = pytest.mark.parametrize("compiled", [True, False])


@BOTH
@pytest.mark.parametrize("keep_prob", [0.05, 0.3, 0.5, 0.9, 1.0])
def test_a_mask_keeps_its_share_and_scales_what_it_keeps(compiled, keep_prob):
    values = drawn(compiled, keep_prob)
    kept = values > 0
    spread = np.sqrt(keep_prob * (1 - keep_prob) / values.size)
    assert abs(kept.mean() - keep_prob) <= 4 * spread
    for axis in (0, 1):  # each row and each column, too
        share, count = kept.mean(axis=axis), values.shape[axis]
        assert np.abs(share - keep_prob).max() <= 5 * np.sqrt(keep_prob * (1 - keep_prob) / count)
    np.testing.assert_allclose(values[kept], 1 / keep_prob, rtol=1e-6)
    assert not values[~kept].any()


@BOTH
def test_masks_of_other_seeds_and_places_have_nothing_in_common(compiled):
    """Two masks that are independent both keep a place with the probability `p^2`."""
    seeds = [(3, 4), (4, 4), (3, 5), (4, 5), (2**30 - 1, 2**30 - 1)]
    masks = [drawn(compiled, 0.5, seed, place) > 0 for seed, place in product(seeds, range(5))]
    for i, one in enumerate(masks):
        for other in masks[:i]:
            assert abs((one & other).mean() - 0.25) < 5 * np.sqrt(0.25 * 0.75 / one.size)
    for one in masks:  # nor have the rows or columns of one mask
        assert abs((one[1:] & one[:-1]).mean() - 0.25) < 5 * np.sqrt(0.25 * 0.75 / one.size)
        assert abs((one[:, 1:] & one[:, :-1]).mean() - 0.25) < 5 * np.sqrt(0.25 * 0.75 / one.size)


@BOTH
def test_the_same_seed_and_place_give_the_same_mask(compiled):
    assert drawn(compiled, 0.5).tobytes() == drawn(compiled, 0.5).tobytes()
    lighter = drawn(compiled, 0.7) > 0
    assert lighter[drawn(compiled, 0.5) > 0].all()  # one draw, two bounds


# Compiled once


def test_all_that_a_trial_may_change_is_an_input_of_one_compilation(monkeypatch):
    """Nothing is traced for other values. Nor is anything compiled, which takes much longer than to run."""
    model = structure(GRUConfig(layers=(LayerConfig(units=4),), tanh_layer=True, reset_after=False))
    plan = Plan(model, SHAPE, OFFSET, "huber", "adam", BATCH, dropout=True, kernel="fast", lanes=1)
    base = {
        "weights": initial_weights(model, SHAPE, seed=1),
        "starts": STARTS,
        "seed": (1, 2),
        **KNOBS._replace(keep_probs=np.full(3, 0.8, np.float32))._asdict(),
    }

    def timed(**changes: Any) -> tuple[Pass, float]:
        values = {**base, **changes}
        knobs = Knobs(*(values[name] for name in Knobs._fields))
        state, given = State.start(plan, values["weights"]), work(plan, values["starts"], seed=values["seed"])
        began = perf_counter()
        done = compile_epoch(plan)(SERIES, state, knobs, given)
        done.losses.numpy()
        return done, perf_counter() - began

    first, compilation = timed()
    traced = count_traces(monkeypatch)
    changes: list[dict[str, Any]] = [
        {"learning_rate": np.float32(0.5)},
        {"decay_steps": np.int64(1), "decay_rate": np.float32(0.5)},
        {"decay_steps": np.int64(2), "decay_rate": np.float32(0.25)},
        {"clip_norm": np.float32(0.01)},
        {"regularisation_scale": np.float32(3)},
        *({"keep_probs": np.where(np.arange(3) == place, 0.4, 0.8).astype(np.float32)} for place in (0, 2)),
        {"keep_probs": np.ones(3, np.float32)},
        {"seed": (1, 3)},
        {"seed": (2, 2)},
        {"starts": STARTS[::-1]},
        {"starts": STARTS[:7]},
        {"weights": initial_weights(model, SHAPE, seed=2)},
    ]
    others = [timed(**change) for change in changes]
    assert traced == []
    assert max(seconds for _, seconds in others) < compilation / 4
    assert len({tuple(bits(done)) for done in (first, *(done for done, _ in others))}) == 1 + len(changes)
    again, _ = timed()
    assert bits(again) == bits(first)


def test_equal_plans_share_a_program():
    assert compile_epoch(replace(PLAN, lanes=1)) is compile_epoch(replace(PLAN))
    assert compile_epoch(replace(PLAN, lanes=2)) is not compile_epoch(PLAN)


def test_threads_that_call_at_once_trace_once():
    traced = []

    def double(x: tf.Tensor) -> tf.Tensor:
        traced.append(x.shape)
        return 2 * x

    call = compiled_once(double, jit_compile=True)
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda number: call(np.full(3, number, np.float32)).numpy().tolist(), range(32)))
    assert results == [[2.0 * number] * 3 for number in range(32)]
    assert len(traced) == 1
    call(tf.zeros(3))  # what was numpy's in the first epoch is TensorFlow's in the second
    assert len(traced) == 1
    call(np.zeros(4, np.float32))
    assert len(traced) == 2


def test_only_the_sizes_that_were_asked_for_last_are_kept():
    traced = []

    def double(x: tf.Tensor) -> tf.Tensor:
        traced.append(x.shape[0])
        return 2 * x

    call = compiled_once(double, jit_compile=False, sizes=2)
    for size in (1, 2, 1, 3, 1, 2, 3):  # 3 takes the place of 2, then 2 that of 3, and 3 that of 1
        assert call(np.ones(size, np.float32)).numpy().tolist() == [2.0] * size
    assert traced == [1, 2, 3, 2, 3]


def test_threads_may_ask_for_more_sizes_than_are_kept():
    call = compiled_once(lambda x: 2 * x, jit_compile=False, sizes=2)
    sizes = [1 + number % 5 for number in range(60)]
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda size: call(np.full(size, size, np.float32)).numpy().tolist(), sizes))
    assert results == [[2.0 * size] * size for size in sizes]


def test_a_program_whose_size_is_no_longer_kept_leaves_no_graph_behind():
    graphs = []

    def double(x: tf.Tensor) -> tf.Tensor:
        graphs.append(weakref.ref(tf.compat.v1.get_default_graph()))
        return 2 * x

    call = compiled_once(double, jit_compile=False, sizes=2)
    for size in range(1, 6):
        call(np.ones(size, np.float32))
    gc.collect()
    assert [graph() is None for graph in graphs] == [True, True, True, False, False]


def test_no_two_programs_are_traced_at_a_time():
    """Keras keeps global state while it is traced."""
    tracing = Lock()

    def slowly(x: tf.Tensor) -> tf.Tensor:
        assert tracing.acquire(blocking=False), "two are traced at once"
        sleep(0.05)
        tracing.release()
        return 2 * x

    calls = [compiled_once(slowly, jit_compile=True) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        assert [float(result) for result in pool.map(lambda call: call(np.float32(3)), calls)] == [6.0] * 4


def test_threads_share_one_program_without_disturbing_each_other():
    seeds = range(6)

    def train(seed: int) -> list[bytes]:
        state = State.start(PLAN, initial_weights(NETWORK, SHAPE, seed))
        for _ in range(5):
            done = compile_epoch(PLAN)(SERIES, state, KNOBS, work(PLAN, STARTS))
            state = done.state
        return bits(done)

    with ThreadPoolExecutor(3) as pool:
        together = list(pool.map(train, seeds))
    assert together == [train(seed) for seed in seeds]
    assert len({tuple(result) for result in together}) == 6
